"""Who was told of one thing, and how far the e-mail to each has come."""

from datetime import datetime, timedelta
from typing import Annotated, Self
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict, Field, computed_field

from notify.domain.channels import EmailPolicy, Way
from notify.domain.hours import Urgency
from notify.domain.mail import Mail, MailState, Outcome
from notify.domain.retry_after import NONE

NO_ADDRESS = "no_address"
"""Why it was not tried at all by a way."""

AT_GATEWAY = frozenset({MailState.CLAIMED, MailState.SENT, MailState.UNKNOWN})


class Telling(BaseModel):
    """That somebody was told.

    Attributes:
        step: Which step of the chain; 0 for those whom the rule names.
        at: When it stood in their inbox.
        mail: What rings with it, if anything does.
        tried: What was to ring before, by other ways that failed.
    """

    model_config = ConfigDict(frozen=True)

    worker_id: str
    step: int = 0
    at: datetime
    mail: Mail | None = None
    tried: tuple[Mail, ...] = ()

    @property
    def left(self) -> bool:
        """Whether something that was to ring before has left."""
        return any(each.left_at for each in self.tried)


class Told(BaseModel):
    """Those who were told of one thing, as far as their e-mails go.

    Attributes:
        ended_at: When nothing more was to be done: somebody knew, or need not any more.
        acknowledged_at: When somebody said that they know, and it is not asked anew.
        ways: By which ways it rings, each if the one before it failed.
        told: Each of them, in order; somebody may be told more than once.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    urgency: Urgency
    ways: tuple[Way, ...] = ()
    ended_at: datetime | None = None
    acknowledged_at: datetime | None = None
    told: Annotated[tuple[Telling, ...], Field(min_length=1)]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def told_workers(self) -> list[str]:
        """Everyone in whose inbox it stands. Any of them may acknowledge it."""
        return list(dict.fromkeys(each.worker_id for each in self.told))

    @property
    def is_known(self) -> bool:
        """Tell whether nothing need ring: somebody knows, or it has ended."""
        return self.ended_at is not None or self.acknowledged_at is not None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def in_vain(self) -> bool:
        """Whether what was to ring has reached somebody by no way."""
        return bool(self.unreached)

    @property
    def unreached(self) -> list[tuple[Telling, Mail]]:
        """Give who was told of which nothing has reached them, and what was tried last.

        What may have arrived counts once it is tried no more, unless somebody knows.
        """
        return [
            (each, each.mail)
            for each in self.told
            if each.mail and not each.left and self._is_in_vain(each.mail)
        ]

    def _is_in_vain(self, mail: Mail) -> bool:
        if mail.state is MailState.UNKNOWN:
            return mail.due_at is None and not self.is_known
        return mail.state is MailState.FAILED

    def mail_due(self, at: datetime) -> int | None:
        """Give the first of those told whose e-mail is to go out now."""
        for number, each in enumerate(self.told):
            if each.mail and each.mail.due_at and each.mail.due_at <= at:
                return number
        return None

    def mails_to(self, worker_id: str) -> list[Mail]:
        """Give the e-mails to a worker, the first one first."""
        rang = (
            mail
            for each in self.told
            for mail in (*each.tried, each.mail)
            if each.worker_id == worker_id
        )
        return [mail for mail in rang if mail]

    def is_ready(self, mail: Mail, at: datetime) -> bool:
        """Tell whether an e-mail of it is due for the first time, not by itself."""
        due = mail.due_at is not None and mail.due_at <= at
        return due and self._can_be_gathered(mail)

    def may_be_gathered(self, number: int) -> bool:
        """Tell whether an e-mail may become one with others.

        An alarm goes by itself, and so does what was tried before: it is the same
        letter at every attempt.
        """
        mail = self.told[number].mail
        return mail is not None and self._can_be_gathered(mail)

    def was_never_tried(self, number: int) -> bool:
        """Tell whether what is to ring for somebody was not tried by that way yet."""
        mail = self.told[number].mail
        return mail is not None and mail.is_fresh

    def _can_be_gathered(self, mail: Mail) -> bool:
        letter = mail.channel is Way.EMAIL
        return (
            letter
            and mail.is_fresh
            and self.ended_at is None
            and self.urgency is not Urgency.CRITICAL
        )

    def postpone_mail(self, number: int, until: datetime) -> Self:
        """Note that an e-mail waits, to become one with others."""
        mail = self.told[number].mail
        return self.with_mail(number, mail.postpone(until) if mail else None)

    def speak_within(self, number: int, other: str, at: datetime) -> Self:
        """Note that another message's letter has said that there is this one too."""
        mail = self.told[number].mail
        return self.with_mail(number, mail.speak_within(other, at) if mail else None)

    def has_failed_by(self, way: Way) -> bool:
        """Tell whether something that was tried by a way has not surely left by it."""
        rang = (e for each in self.told for e in (*each.tried, each.mail) if e)
        return any(
            e.channel is way and e.attempts and e.state is not MailState.SENT
            for e in rang
        )

    def way_of(self, number: int) -> Way:
        """Give by which way it rings, or would."""
        mail = self.told[number].mail
        return mail.channel if mail else Way.EMAIL

    def mail_state(self, number: int) -> MailState | None:
        """Tell how far an e-mail has come; none of one that there is not any more."""
        mail = self.told[number].mail if number < len(self.told) else None
        return mail.state if mail else None

    def claim_mail(
        self,
        number: int,
        at: datetime,
        policy: EmailPolicy,
        covers: tuple[str, ...] = (),
    ) -> Self:
        """Note that an e-mail is about to be sent, and for which others it speaks."""
        mail = self.told[number].mail
        return self.with_mail(number, mail.claim(at, policy, covers) if mail else None)

    def lose_mail(self, number: int) -> Self:
        """Note that nobody knows what became of the attempt that was under way."""
        mail = self.told[number].mail
        return self.with_mail(number, mail.lose() if mail else None)

    def settle_mail(
        self,
        number: int,
        outcome: Outcome,
        reason: str | None,
        at: datetime,
        policy: EmailPolicy,
        *,
        wait: timedelta = NONE,
    ) -> Self:
        """Note what became of an attempt.

        Once somebody knows or the message has ended, nothing is tried again.
        """
        mail = self.told[number].mail
        if mail is None:
            return self
        key = self.sms_key(number)
        settled = mail.settle(outcome, reason, at, policy, key, wait=wait)
        return self.with_mail(number, settled.rest() if self.is_known else settled)

    def way_after(self, number: int) -> Way | None:
        """Give by which way to ring when the one at hand fails; none if it is last."""
        telling = self.told[number]
        used = {each.channel for each in telling.tried}
        used |= {telling.mail.channel} if telling.mail else set()
        return next((each for each in self.ways if each not in used), None)

    def fail_over(self, number: int, way: Way, at: datetime) -> Self:
        """Have it ring by another way, at a time."""
        telling = self.told[number]
        before = (_laid_aside(telling.mail, at),) if telling.mail else ()
        ringing = {
            "mail": Mail(channel=way, due_at=at),
            "tried": (*telling.tried, *before),
        }
        told = list(self.told)
        told[number] = telling.model_copy(update=ringing)
        return self.model_copy(update={"told": tuple(told)})

    def ring_back(self, number: int, at: datetime, policy: EmailPolicy) -> Self:
        """Have an alarm ring again by a way that did not take it, after its pause.

        Nor sooner than whoever did not take it asked for.

        Never by one that may have it. Of what has left, only by the ways before it.
        """
        telling = self.told[number]
        mail = telling.mail
        if mail is None or self.is_known or self.urgency is not Urgency.CRITICAL:
            return self
        ways: tuple[Way, ...] = self.ways
        if mail.state is MailState.SENT:
            ways = ways[: ways.index(mail.channel)] if mail.channel in ways else ()
        back = next(
            (e for e in telling.tried if e.not_taken and e.channel in ways), None
        )
        again = policy.again_after(back.attempts) if back else None
        if back is None or again is None:
            return self
        others = (each for each in telling.tried if each != back)
        aside = mail if mail.state is MailState.SENT else _laid_aside(mail, at)
        due_at = max(at + again, back.not_before or at)
        ringing = {"mail": back.wait(due_at), "tried": (*others, aside)}
        told = list(self.told)
        told[number] = telling.model_copy(update=ringing)
        return self.model_copy(update={"told": tuple(told)})

    def without_calls_back(self) -> tuple[Telling, ...]:
        """Give them without what would ring again of which another way has left."""
        return tuple(
            each.model_copy(update={"mail": each.mail.rest()})
            if each.mail and each.left
            else each
            for each in self.told
        )

    def leave_out(self, number: int, at: datetime, reason: str) -> Self:
        """Note that nothing rings for somebody any more, and why."""
        telling = self.told[number]
        before = (telling.mail.give_up(at, reason),) if telling.mail else ()
        told = list(self.told)
        silent = {"mail": None, "tried": (*telling.tried, *before)}
        told[number] = telling.model_copy(update=silent)
        return self.model_copy(update={"told": tuple(told)})

    def stay_at_home(self, number: int) -> Self:
        """Have nothing more ring for somebody; what was tried stays as it is."""
        return self.with_mail(number, _gone_out(self.told[number].mail))

    def with_heard(self, number: int, mail: Mail, heard: Mail) -> Self:
        """Note what was heard later of an attempt, whatever rings by now."""
        telling = self.told[number]
        if telling.mail == mail:
            return self.with_mail(number, heard)
        tried = tuple(heard if each == mail else each for each in telling.tried)
        told = list(self.told)
        told[number] = telling.model_copy(update={"tried": tried})
        return self.model_copy(update={"told": tuple(told)})

    def with_mail(self, number: int, mail: Mail | None) -> Self:
        """Note how far an e-mail has come, or that there is none."""
        told = list(self.told)
        told[number] = told[number].model_copy(update={"mail": mail})
        return self.model_copy(update={"told": tuple(told)})

    def mail_key(self, number: int) -> str:
        """Identify an e-mail, the same at every attempt, so that twice can be seen."""
        return str(uuid5(UUID(self.id), f"mail/{number}"))

    def mail_thread(self, number: int) -> str:
        """Identify all e-mails about it to a worker: programs show them together.

        What goes to others has another one: no two mailboxes show that it is the same.
        """
        worker_id = self.told[number].worker_id
        return str(uuid5(UUID(self.id), f"thread/{worker_id}"))

    def sms_key(self, number: int) -> str:
        """Identify an SMS or push likewise; by it a gateway says what became of it."""
        return f"{self.id}.{number}"

    @property
    def texted_workers(self) -> list[str]:
        """Those who were told by SMS, or were to be."""
        rang = (
            (each.worker_id, mail)
            for each in self.told
            for mail in (*each.tried, each.mail)
        )
        texted = (who for who, mail in rang if mail and mail.channel is Way.SMS)
        return list(dict.fromkeys(texted))

    def at_provider(self, number: int, way: Way) -> Mail | None:
        """Give what its gateway or mail server has, as far as is known, if anything.

        Of an SMS that has arrived nothing more is to be said; a mailbox may pass a
        letter on to one that there is not.
        """
        if number >= len(self.told):
            return None
        telling = self.told[number]
        rang = [e for e in (*telling.tried, telling.mail) if e and e.channel is way]
        mail = rang[-1] if rang else None
        if mail is None or mail.state not in AT_GATEWAY:
            return None
        return None if mail.delivered_at and way is Way.SMS else mail

    def spoken_for(self, other: str, worker_id: str) -> tuple[int, Mail] | None:
        """Give a worker's last e-mail for which another's letter spoke, and its number.

        Args:
            other: The message whose letter it was.
            worker_id: To whom that letter went.
        """
        for number, each in reversed([*enumerate(self.told)]):
            mail = each.mail if each.worker_id == worker_id else None
            if mail and mail.within == other and mail.state is MailState.SENT:
                return number, mail
        return None

    def without_waiting_mails(self) -> tuple[Telling, ...]:
        """Give them without the e-mails that were never tried: those stay at home.

        What was tried stays as it is, and is not repeated.
        """
        return tuple(
            each.model_copy(update={"mail": _gone_out(each.mail)}) for each in self.told
        )


def _gone_out(mail: Mail | None) -> Mail | None:
    tried = mail is not None and (mail.attempts or mail.state is not MailState.WANTED)
    return mail.rest() if mail and tried else None


def _laid_aside(mail: Mail, at: datetime) -> Mail:
    """Give what rings no more as it is: what may have arrived has not failed."""
    if mail.state is not MailState.WANTED:
        return mail.rest()
    return mail.give_up(at, None if mail.attempts else NO_ADDRESS)
