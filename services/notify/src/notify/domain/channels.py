"""How messages go out by e-mail and by SMS, as a locality decides."""

import json
from collections.abc import Iterable, Iterator
from datetime import timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, model_validator

from notify.domain.chance import longer
from notify.domain.page import PageText
from notify.domain.texts import FOREIGN, LINK, REFERENCE, Language, Part, Words

Minutes = Annotated[int, Field(gt=0, le=30 * 24 * 60)]

TO, TEXT, KEY, SECRET = "{to}", "{text}", "{key}", "{secret}"

KNOWN = f"ACK {REFERENCE}"
"""What is read of a reply: that one knows of which message."""

NOT_TAKEN = frozenset(range(400, 500)) - {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.CONFLICT,
    HTTPStatus.TOO_EARLY,
}
"""A gateway's answers that say that a message has surely not gone out. Whoever waited
too long for it, has it already, may be sent it anew, or sends us elsewhere (3xx) may
have it."""

MARKS_OF_BODY = (TO, TEXT, KEY)
MARKS_OF_HEADERS = (SECRET, KEY)


class Way(StrEnum):
    """The ways in which a message comes to a worker."""

    INBOX = "inbox"
    EMAIL = "email"
    SMS = "sms"
    PUSH = "push"
    """To a worker's browsers, by their push services."""
    WIDE = "wide"
    """By whatever else a locality has, of which nothing is known but a yes."""


UNSURE = frozenset({Way.PUSH, Way.WIDE})
"""Of which a yes does not say that anybody takes it upon themselves."""


class EmailPolicy(Part):
    """When an e-mail that has not gone out is tried again.

    Attributes:
        again_after_minutes: After the first failure, the second and so on; after as
            many it has failed.
        unknown_after_minutes: How long a sending of which nothing was heard may take
            before it counts as one that may or may not have arrived.
        other_way_after_attempts: After so many failures it rings by the rule's next
            way, where it has one, though it could be tried again.
        push_spread: By which part a pause is longer by chance before it is pushed
            again: all localities' messages go by the same few push services.
        silent_after_minutes: After so long in which nothing that is due has left by a
            way, that is an alarm.
        gather_minutes: For so long after an e-mail about a case, further normal ones to
            the same worker wait, and become one that says how many.
    """

    again_after_minutes: Annotated[tuple[Minutes, ...], Field(min_length=1)]
    unknown_after_minutes: Minutes
    other_way_after_attempts: Annotated[int, Field(ge=1)]
    push_spread: Annotated[float, Field(ge=0, le=1)] = 0
    silent_after_minutes: Minutes
    gather_minutes: Minutes

    @property
    def window(self) -> timedelta:
        """How long one e-mail about a case stands for itself."""
        return timedelta(minutes=self.gather_minutes)

    @property
    def silent_after(self) -> timedelta:
        """How long nothing may leave though something is due."""
        return timedelta(minutes=self.silent_after_minutes)

    @property
    def unknown_after(self) -> timedelta:
        """How long a sending may take."""
        return timedelta(minutes=self.unknown_after_minutes)

    def again_after(self, attempts: int, key: str | None = None) -> timedelta | None:
        """Give the pause after so many attempts; none when it is given up.

        Args:
            attempts: How many.
            key: Of a push: what the chance is drawn from by which its pause is longer.
        """
        if attempts > len(self.again_after_minutes):
            return None
        pause = timedelta(minutes=self.again_after_minutes[attempts - 1])
        if key is None:
            return pause
        return longer(pause, f"{key}/{attempts}", self.push_spread)


def leaves(value: JsonValue) -> Iterator[JsonValue]:
    """Give what stands at the ends of some JSON: neither a list nor an object."""
    match value:
        case dict():
            for each in value.values():
                yield from leaves(each)
        case list():
            for each in value:
                yield from leaves(each)
        case _:
            yield value


def texts(value: JsonValue) -> list[str]:
    """Give the texts at the ends of some JSON."""
    return [each for each in leaves(value) if isinstance(each, str)]


class Taken(Part):
    """By which word in its answer a gateway says whether it has taken a message.

    Many answer 200 with a failure inside. What stands there as a number or as true
    counts as it is written in JSON.

    Attributes:
        path: Where it stands in the JSON that is answered: names, and numbers within
            lists, with dots between; ``*`` for each of a list, all of which count (a
            long message is several).
        words: It has the message.
        refused: It says no for good, and has surely not sent it.
    """

    path: Annotated[
        str,
        Field(pattern=r"^([A-Za-z0-9_-]+|\*)(\.([A-Za-z0-9_-]+|\*))*$", max_length=200),
    ]
    words: Annotated[frozenset[str], Field(min_length=1)]
    refused: frozenset[str] = frozenset()

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if both := self.words & self.refused:
            listed = ", ".join(sorted(both))
            raise ValueError(f"{listed}: a word says yes or no, not both")
        return self

    def found(self, answer: bytes) -> frozenset[str]:
        """Give what stands there; nothing, if there is no such place, or no JSON."""
        try:
            here = [json.loads(answer)]
        except (ValueError, RecursionError):
            return frozenset()
        for step in self.path.split("."):
            here = [each for one in here for each in _below(one, step)]
        written = (e if isinstance(e, str) else json.dumps(e) for e in here)
        return frozenset(written)


def _below(value: JsonValue, step: str) -> list[JsonValue]:
    match value:
        case dict() if step in value:
            return [value[step]]
        case list() if step == "*":
            return value
        case list() if step.isdecimal() and int(step) < len(value):
            return [value[int(step)]]
        case _:
            return []


class SmsPolicy(Part):
    """How an SMS goes out, by a gateway that is spoken to over HTTP.

    What is filled in are ``{to}``, ``{text}`` and ``{key}`` in the body, and
    ``{secret}`` and ``{key}`` in the headers. The key is the same at every attempt, so
    that a provider can drop what it has, and comes back with its receipts: it must
    stand in one of them. The secret is a setting and stands in no locality's file.

    Attributes:
        url: The gateway's address.
        body: What is sent, by field: JSON in which texts are filled in.
        form: It is sent as a form, and not as JSON: then each field is a text.
        taken: How its answer of 2xx says that it has taken it; none: by that alone.
            An answer that says neither yes nor no is no yes: it may have it or not.
        refused: Answers that say no for good, beside 400 and 422; any other than 2xx
            says not now. Only such as say that it has surely not gone out.
        text: By language, what a message says before its reference and link.
        reply: By language, what is added where the gateway posts replies back and an
            answer is waited for, before the reply that says that one knows.
    """

    url: Annotated[str, Field(pattern=r"^https?://[!-~]{1,400}$")]
    method: Literal["POST", "PUT"] = "POST"
    headers: dict[Annotated[str, Field(pattern=r"^[a-z0-9-]{1,60}$")], str] = Field(
        default_factory=dict
    )
    body: Annotated[dict[str, JsonValue], Field(min_length=1)]
    form: bool = False
    taken: Taken | None = None
    refused: frozenset[int] = frozenset()
    text: dict[Language, Words]
    reply: dict[Language, Words] | None = None

    @model_validator(mode="after")
    def _fills_in_what_there_is(self) -> Self:
        written = texts(self.body)
        _only(MARKS_OF_BODY, written)
        _only(MARKS_OF_HEADERS, self.headers.values())
        if doubtful := self.refused - NOT_TAKEN:
            listed = ", ".join(map(str, sorted(doubtful)))
            raise ValueError(f"refused: a gateway that answers {listed} may have it")
        if self.form and not all(isinstance(each, str) for each in self.body.values()):
            raise ValueError("a form has texts alone in its fields")
        everything = " ".join(written)
        if TO not in everything or TEXT not in everything:
            raise ValueError(f"the body must have {TO} and {TEXT}")
        if KEY not in " ".join((*written, *self.headers.values())):
            raise ValueError(
                f"the body or the headers must have {KEY}: without it a gateway cannot "
                "drop what it has, nor say what became of which message"
            )
        return self


def _only(marks: tuple[str, ...], texts: Iterable[str]) -> None:
    for each in texts:
        rest = each
        for mark in marks:
            rest = rest.replace(mark, "")
        if FOREIGN.search(rest):
            raise ValueError(f"only {', '.join(marks)} may be filled in")


class LinkPolicy(Part):
    """How an e-mail says by which link one answers, and for how long.

    Attributes:
        good_minutes: For how long such a link is good.
        text: By language, with room for the link and nothing else.
        page: By language, what the page behind it says.
    """

    good_minutes: Minutes
    text: dict[Language, Annotated[str, Field(min_length=1, max_length=200)]]
    page: dict[Language, PageText]

    @model_validator(mode="after")
    def _leads_somewhere(self) -> Self:
        _only((LINK,), self.text.values())
        if any(LINK not in each for each in self.text.values()):
            raise ValueError(f"the text must have {LINK}")
        return self

    @property
    def lasts(self) -> timedelta:
        """For how long such a link is good."""
        return timedelta(minutes=self.good_minutes)
