"""What a message looks like to whoever reads it: a locality's text, filled in."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from notify.domain.bounce import ReturnPath
from notify.domain.channels import KNOWN
from notify.domain.hours import Urgency
from notify.domain.link import Link
from notify.domain.notification import Notification, reference_of
from notify.domain.page import PageText
from notify.domain.policy import Policy
from notify.domain.texts import COUNT, LINK, REFERENCE, Language, side_by_side


@dataclass(frozen=True, slots=True)
class Shown:
    """A message in one language."""

    subject: str
    text: str
    link: str


@dataclass(frozen=True, slots=True)
class Letter:
    """A message as it goes out by e-mail, in all the locality's languages.

    Attributes:
        key: The same at every attempt to send it.
        languages: In the order of the text.
        returns_to: By what it is known again when it comes back, if that is heard.
        thread: The same for all letters about one message, and for no others.
        urgent: It waits for no other: it is an alarm.
    """

    key: str
    subject: str
    text: str
    languages: tuple[Language, ...]
    returns_to: str | None = None
    thread: str | None = None
    urgent: bool = False


class Wording:
    """Fills in the locality's texts.

    Args:
        policy: Has the texts.
        link_base: Where links lead, without a slash at the end.
        link_key: Of which links are made by which one answers; none: there are none.
        bounce_key: Of which it is made by what a letter that comes back is known; none:
            it is not.
        replies: Whether replies by SMS are heard.
    """

    def __init__(
        self,
        policy: Policy,
        link_base: str,
        link_key: str | None = None,
        bounce_key: str | None = None,
        *,
        replies: bool = False,
    ) -> None:
        self._policy = policy
        self._link_base = link_base.rstrip("/")
        self._link_key = link_key
        self._bounce_key = bounce_key
        self._replies = replies

    def shown(self, notification: Notification, preferred: Sequence[str]) -> Shown:
        """Give a message in the first language that is preferred and there is."""
        return self._filled_in(notification, self._language(preferred))

    def letter(
        self, notification: Notification, number: int, covers: Sequence[str] = ()
    ) -> Letter:
        """Give the e-mail to one of those who are told.

        Args:
            notification: The message.
            number: Which of those who are told.
            covers: The ids of further messages for which the letter speaks.
        """
        languages = self._policy.languages
        every = [
            self._several(notification, covers, each)
            if covers
            else self._filled_in(notification, each)
            for each in languages
        ]
        texts = [each.text for each in every]
        if not covers:
            texts += self._answered_by_link(notification, number)
        key, path = self._bounce_key, ReturnPath(notification.id, number)
        return Letter(
            key=notification.mail_key(number),
            subject=every[0].subject,
            text="\n\n".join(texts) + "\n",
            languages=languages,
            returns_to=path.written(key) if key else None,
            thread=notification.mail_thread(number),
            urgent=notification.urgency is Urgency.CRITICAL,
        )

    def short(self, notification: Notification, number: int) -> Letter:
        """Give the SMS to one of those who are told: one text, and no subject.

        Raises:
            LookupError: The locality has no text for one.
        """
        if self._policy.sms is None:
            raise LookupError("sms")
        text = self._rings(self._policy.sms.text, notification)
        reply = self._policy.sms.reply
        if reply and self._replies and notification.chain is not None:
            known = KNOWN.replace(REFERENCE, notification.reference)
            asked = side_by_side(reply, self._policy.languages)
            text = f"{text} {asked}: {known}"
        return self._of_one_text(text, notification, number)

    def push(self, notification: Notification, number: int) -> Letter:
        """Give what is pushed to the browsers of one of those who are told.

        As Declarative Web Push writes it (https://www.w3.org/TR/push-api/), which a
        service worker reads as well.

        Raises:
            LookupError: The locality has no text for it.
        """
        if self._policy.push is None:
            raise LookupError("push")
        words = side_by_side(self._policy.push.text, self._policy.languages)
        shown = f"{words}: {notification.reference}"
        link = f"{self._link_base}{notification.link}"
        pushed = {"web_push": 8030, "notification": {"title": shown, "navigate": link}}
        text = json.dumps(pushed, ensure_ascii=False)
        return self._of_one_text(text, notification, number)

    def wide(self, notification: Notification, number: int) -> Letter:
        """Give what goes by the wide way to one of those who are told: as an SMS does.

        Raises:
            LookupError: The locality has no text for it.
        """
        if self._policy.wide is None:
            raise LookupError("wide")
        text = self._rings(self._policy.wide.text, notification)
        return self._of_one_text(text, notification, number)

    def _rings(self, text: Mapping[Language, str], notification: Notification) -> str:
        words = side_by_side(text, self._policy.languages)
        link = f"{self._link_base}{notification.link}"
        return f"{words}: {notification.reference} {link}"

    def _of_one_text(
        self, text: str, notification: Notification, number: int
    ) -> Letter:
        return Letter(
            key=notification.sms_key(number),
            subject="",
            text=text,
            languages=self._policy.languages,
            urgent=notification.urgency is Urgency.CRITICAL,
        )

    def _answered_by_link(self, notification: Notification, number: int) -> list[str]:
        """Give how one answers without logging in, where that is waited for."""
        if self._link_key is None or notification.chain is None:
            return []
        written = Link(notification.id, number).written(self._link_key)
        link = f"{self._link_base}/acknowledge/{written}"
        texts = self._policy.links.text
        return [texts[each].replace(LINK, link) for each in self._policy.languages]

    def page(self, preferred: Sequence[str]) -> tuple[PageText, Language]:
        """Give what the page behind such a link says, and in which language."""
        language = self._language(preferred)
        return self._policy.links.page[language], language

    def _language(self, preferred: Sequence[str]) -> Language:
        known = {each.value: each for each in self._policy.languages}
        chosen = (known[each] for each in preferred if each in known)
        return next(chosen, self._policy.languages[0])

    def _several(
        self, notification: Notification, covers: Sequence[str], language: Language
    ) -> Shown:
        """Say that there are several messages, how many, and where they stand."""
        written = self._policy.several[language]
        references = [notification.reference, *map(reference_of, covers)]
        count, link = str(len(references)), f"{self._link_base}/inbox"
        first = written.subject.replace(REFERENCE, references[0])
        text = written.text.replace(REFERENCE, ", ".join(references))
        return Shown(
            subject=first.replace(COUNT, count),
            text=text.replace(COUNT, count).replace(LINK, link),
            link=link,
        )

    def _filled_in(self, notification: Notification, language: Language) -> Shown:
        link = f"{self._link_base}{notification.link}"
        texts = self._policy.templates.get(notification.template)
        if texts is None:
            # The locality has since dropped the template; the reference says enough.
            return Shown(notification.reference, link, link)
        written = texts[language]
        reference = notification.reference
        return Shown(
            subject=written.subject.replace(REFERENCE, reference),
            text=written.text.replace(REFERENCE, reference).replace(LINK, link),
            link=link,
        )
