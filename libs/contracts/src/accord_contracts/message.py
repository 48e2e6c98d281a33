"""What travels: events, and the envelope that carries them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Id = Annotated[
    str,
    StringConstraints(
        pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
    ),
]
"""The id of an entity or a message: a UUID as lower-case text. It tells nothing."""

Code = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
"""An entry of a documented vocabulary that a locality may extend: never free text."""

PolicyVersion = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{0,63}$"),
    Field(examples=["canterbury-2026-11"]),
]
"""The version of a locality's policy, as its file names it: never free text."""


class Lane(StrEnum):
    """Which of a service's two queues a message takes.

    Urgent by policy: a high or extreme risk, or a trigger within some hours. An urgent
    message never waits behind a backlog of routine ones.
    """

    URGENT = "urgent"
    ROUTINE = "routine"


class Event(BaseModel):
    """A fact that one service tells the others.

    Thin: ids, codes, closed scales and times, never a name, an address or free text.
    Strict when published; a reader ignores fields that it does not know.

    Attributes:
        case_id: The case: one family or household.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    TYPE: ClassVar[str]
    """``<noun>.<past verb>.v<N>``: head of the routing key and name of the schema."""

    case_id: Id

    @property
    def subject(self) -> str:
        """What the event is about: the case, wherever there is one."""
        return self.case_id


E_co = TypeVar("E_co", bound=Event, covariant=True)


@dataclass(frozen=True, slots=True)
class Message(Generic[E_co]):
    """An event in its envelope: the attributes of CloudEvents 1.0, and our own.

    Attributes:
        id: UUIDv5 of (document id, version, ordinal), so that a repeated publish is
            the same message.
        source: ``/<region>/<service>``.
        subject: The case id, or the referral id before a case is known.
        time: When it became true, by the publisher's clock, UTC.
        lane: Urgent or routine; what a message causes inherits it.
        aggregate_version: The version of the document whose change it tells. A reader
            may ignore what is older than what it knows.
        correlation_id: The id of the message that began the conversation.
        causation_id: The id of the message that caused this one, if one did.
        traceparent: W3C trace context, so that one referral is one trace.
    """

    id: str
    source: str
    subject: str
    time: datetime
    lane: Lane
    aggregate_version: int
    data: E_co
    correlation_id: str
    causation_id: str | None = None
    traceparent: str | None = None

    @property
    def type(self) -> str:
        """The event's type, as in the catalogue."""
        return self.data.TYPE
