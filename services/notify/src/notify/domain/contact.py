"""Messages to a person's own device: what was asked for, and what became of it.

Where the person is reached is asked for at the moment of sending, and never kept here.
Nothing is ever sent twice by itself: a message of which nobody knows whether it has
arrived may be read by somebody else already.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self
from uuid import UUID, uuid5

from accord_contracts.problem import Refusal
from pydantic import BaseModel, ConfigDict, computed_field

from notify.domain.people import PeoplePolicy, PersonText
from notify.domain.texts import Language

MOST = 500
"""Messages by one way to reach a person that may have left, and as many that have not:
more were no help to anybody, and whoever is told no often enough takes from nobody the
room for what may be sent."""

POINTS = UUID("7d4d3b3e-5a0f-4c86-9a5e-1f0b6f2f7c11")
"""Names of ways to reach a person: by the person, and by how referrals calls it."""

LOST_AFTER = timedelta(minutes=10)
"""How long a sending may take before it counts as one that may have arrived."""

UNKNOWN_POINT, NO_WORD, SAYS_WHO = "unknown", "no_word", "says_who"
NO_NUMBER, TOO_SOON, STOPPED, OFF = "no_number", "too_soon", "stopped", "off"
ON_ITS_WAY, NO_ANSWER = "on_its_way", "no_answer"


class AnotherMessage(Refusal):
    """This id is that of another message: ask under an id of its own."""


class TooManyMessages(Refusal):
    """So many messages are sent to nobody: reach them in another way."""


class NoSuchText(Refusal):
    """The locality has not agreed on such a text, or not in this language."""

    status = 422


class NoSuchContact(Refusal):
    """There is no such person in this case, or nobody who may be written to for you."""

    status = 404


class Permission(BaseModel):
    """What referrals says of one way to reach a person, at the moment of asking.

    Attributes:
        refused: Why it may not be used, as a code.
        value: Where; it is kept nowhere.
        say_who: What is sent may tell where it comes from.
        word_agreed: The person knows a caller by a word.
        confirmed_at: When the person last said that it may be used.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    contact_id: str
    permitted: bool
    refused: str | None = None
    value: str | None = None
    say_who: bool = False
    word_agreed: bool = False
    confirmed_at: datetime | None = None


class Asked(BaseModel):
    """What a worker asks for.

    Attributes:
        text: Which of the locality's.
        by: The worker's id.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    case_id: str
    text: str
    language: Language
    by: str


class SentState(StrEnum):
    """What became of a message to a person's own device; claimed is saved before."""

    CLAIMED = "claimed"
    SENT = "sent"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"


class Turn(BaseModel):
    """What became of a message to a person's own device, or was heard of it later.

    Attributes:
        reason: Why it was not sent, or why nobody knows, as a code.
    """

    model_config = ConfigDict(frozen=True)

    at: datetime
    state: SentState
    reason: str | None = None


class ContactMessage(BaseModel):
    """One message to a person's own device.

    Attributes:
        policy_version: Of the locality's texts.
        at: When it was asked for.
        reason: Why it was not sent, or why nobody knows, as a code.
        delivered_at: When the gateway said that it has arrived.
        became: What became of it, first to last: none is forgotten.
    """

    model_config = ConfigDict(frozen=True)

    asked: Asked
    policy_version: str
    at: datetime
    state: SentState
    reason: str | None = None
    delivered_at: datetime | None = None
    became: tuple[Turn, ...] = ()

    @classmethod
    def of(
        cls, asked: Asked, policy_version: str, at: datetime, reason: str | None
    ) -> Self:
        """Make one that is about to be sent, or is not: then a reason says why."""
        claimed = cls(
            asked=asked,
            policy_version=policy_version,
            at=at,
            state=SentState.CLAIMED,
        )
        return claimed.turn(SentState.NOT_SENT, reason, at) if reason else claimed

    def turn(self, state: SentState, reason: str | None, at: datetime) -> Self:
        """Note what has become of it at a time."""
        became = (*self.became, Turn(at=at, state=state, reason=reason))
        told = {"state": state, "reason": reason, "became": became}
        return self.model_copy(update=told)

    def arrive(self, at: datetime) -> Self:
        """Note that it has arrived, and so that it was sent, if nobody knew."""
        sent = self
        if self.state is not SentState.SENT:
            sent = self.turn(SentState.SENT, None, at)
        return sent.model_copy(update={"delivered_at": at})

    @property
    def is_on_its_way(self) -> bool:
        """Tell whether nobody knows yet what became of it."""
        return self.state in {SentState.CLAIMED, SentState.UNKNOWN}

    @property
    def may_have_left(self) -> bool:
        """Tell whether something of it may stand on the device."""
        return self.state is not SentState.NOT_SENT


class CameBack(BaseModel):
    """That something came back from a person's own device. What, is kept nowhere.

    Attributes:
        stop: It said that nothing more is to be sent.
        case_ids: The cases that may have written.
    """

    model_config = ConfigDict(frozen=True)

    at: datetime
    stop: bool
    case_ids: tuple[str, ...]

    def without(self, case_id: str) -> Self:
        """Keep nothing of a case."""
        stay = tuple(each for each in self.case_ids if each != case_id)
        return self.model_copy(update={"case_ids": stay})


class PersonalContact(BaseModel):
    """One way to reach a person, as far as messages by it go.

    Attributes:
        id: Derived from the person and from what referrals calls it: two people may
            have one of the same name.
        contact_id: As referrals knows it.
        reach: Where it leads, blind, so that it is known when something comes back.
        answered_at: When something last came back.
        stopped_at: When it came back that nothing more is to be sent.
        came_back: All that came back, first to last: of more than ``MOST`` the first,
            and the last.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    person_id: str
    contact_id: str
    reach: str | None = None
    messages: tuple[ContactMessage, ...] = ()
    answered_at: datetime | None = None
    stopped_at: datetime | None = None
    came_back: tuple[CameBack, ...] = ()

    @classmethod
    def of(cls, person_id: str, contact_id: str) -> Self:
        """Begin to keep what is sent by a way to reach a person."""
        id_ = point_id(person_id, contact_id)
        return cls(id=id_, person_id=person_id, contact_id=contact_id)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def case_ids(self) -> list[str]:
        """The cases for which messages were asked for."""
        return list(dict.fromkeys(each.asked.case_id for each in self.messages))

    @property
    def answering(self) -> list[str]:
        """The cases to which belongs what comes back: whose messages may have left.

        A gateway that says of all that they did not may be wrong: then it is every one.
        """
        left = (e.asked.case_id for e in self.messages if e.may_have_left)
        return list(dict.fromkeys(left)) or self.case_ids

    @computed_field  # type: ignore[prop-decorator]
    @property
    def due_at(self) -> datetime | None:
        """When a sending of which nothing was heard counts as lost."""
        claimed = (e.at for e in self.messages if e.state is SentState.CLAIMED)
        return min((at + LOST_AFTER for at in claimed), default=None)

    def message(self, message_id: str) -> ContactMessage | None:
        """Give a message by its id."""
        return next((e for e in self.messages if e.asked.id == message_id), None)

    def known(self, asked: Asked) -> ContactMessage | None:
        """Give the message that was asked for before under the same id, if one was.

        Raises:
            AnotherMessage: It was another.
        """
        held = self.message(asked.id)
        if held and held.asked != asked:
            raise AnotherMessage
        return held

    def refusal(
        self,
        told: Permission,
        text: PersonText,
        at: datetime,
        policy: PeoplePolicy,
        *,
        beside: Iterable["PersonalContact"] = (),
    ) -> str | None:
        """Say why nothing may be sent, as a code; none if it may.

        Args:
            told: What referrals says.
            text: What is to be sent.
            at: When.
            policy: The locality's.
            beside: What else leads to the same device, whosever it is.
        """
        if not told.permitted or told.value is None:
            return told.refused or UNKNOWN_POINT
        device = (self, *beside)
        denials = {
            STOPPED: any(each.is_stopped(told) for each in device),
            NO_WORD: text.needs_word and not told.word_agreed,
            SAYS_WHO: text.says_who and not told.say_who,
            NO_NUMBER: policy.number(told.value) is None,
            TOO_SOON: any(each.is_fresh(at, policy) for each in device),
        }
        return next((code for code, holds in denials.items() if holds), None)

    def is_stopped(self, told: Permission) -> bool:
        """Tell whether nothing more is to be sent: until the person was asked again."""
        if self.stopped_at is None:
            return False
        return told.confirmed_at is None or told.confirmed_at <= self.stopped_at

    def is_fresh(self, at: datetime, policy: PeoplePolicy) -> bool:
        """Tell whether something may stand there for too short a time for the next."""
        apart = at - policy.apart
        return any(e.may_have_left and e.at > apart for e in self.messages)

    def add(self, new: ContactMessage) -> Self:
        """Keep a message that was refused, or is about to be sent.

        Raises:
            TooManyMessages: There are too many already.
        """
        alike = [e for e in self.messages if e.may_have_left is new.may_have_left]
        if len(alike) >= MOST:
            raise TooManyMessages
        return self.model_copy(update={"messages": (*self.messages, new)})

    def leading_to(self, reach: str | None) -> Self:
        """Note where it leads now, blind."""
        return self.model_copy(update={"reach": reach})

    def settle(
        self, message_id: str, state: SentState, reason: str | None, at: datetime
    ) -> Self:
        """Note what became of a message that was claimed; of any other, nothing."""
        return self._change(
            message_id, {SentState.CLAIMED}, lambda each: each.turn(state, reason, at)
        )

    def lost(self, at: datetime) -> list[ContactMessage]:
        """Give the messages of which nothing was heard for too long."""
        return [
            each
            for each in self.messages
            if each.state is SentState.CLAIMED and each.at + LOST_AFTER <= at
        ]

    def arrive(self, message_id: str, at: datetime) -> Self:
        """Note that the gateway says that a message has arrived."""
        return self._change(message_id, _ON_THE_WAY, lambda each: each.arrive(at))

    def bounce(self, message_id: str, reason: str, at: datetime) -> Self:
        """Note that the gateway says that a message will never arrive."""
        return self._change(
            message_id,
            _ON_THE_WAY,
            lambda each: each.turn(SentState.NOT_SENT, reason, at),
        )

    def answer(self, at: datetime) -> Self:
        """Note that something came back. By whom, nobody can tell."""
        came = self._came_back(at, stop=False)
        return self.model_copy(update={"answered_at": at, "came_back": came})

    def stop(self, at: datetime) -> Self:
        """Note that nothing more is to be sent."""
        came = self._came_back(at, stop=True)
        told = {"stopped_at": at, "answered_at": at, "came_back": came}
        return self.model_copy(update=told)

    def _came_back(self, at: datetime, *, stop: bool) -> tuple[CameBack, ...]:
        new = CameBack(at=at, stop=stop, case_ids=tuple(self.answering))
        return (*self.came_back[: MOST - 1], new)

    def erase(self, case_id: str) -> Self:
        """Keep nothing of a case; with its last, not where it led either."""
        stay = tuple(e for e in self.messages if e.asked.case_id != case_id)
        gone = {"messages": stay, "reach": self.reach if stay else None}
        came = (each.without(case_id) for each in self.came_back)
        kept = tuple(each for each in came if each.case_ids)
        return self.model_copy(update={**gone, "came_back": kept})

    def _change(
        self,
        message_id: str,
        states: set[SentState],
        change: Callable[[ContactMessage], ContactMessage],
    ) -> Self:
        """Change one message that stands in one of these states."""
        held = self.message(message_id)
        if held is None or held.state not in states or held.delivered_at:
            return self
        changed = change(held)
        new = tuple(changed if each is held else each for each in self.messages)
        return self.model_copy(update={"messages": new})


def point_id(person_id: str, contact_id: str) -> str:
    """Derive under which id it is kept what is sent by a way to reach a person."""
    return str(uuid5(POINTS, f"{person_id}/{contact_id}"))


_ON_THE_WAY = {SentState.CLAIMED, SentState.SENT, SentState.UNKNOWN}
"""Of a message in one of these, the gateway may still say what became of it."""
