"""A date that is known ahead: a release, a hearing, the end of an order."""

from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from accord_contracts.message import Code
from accord_contracts.problem import Refusal
from accord_contracts.referrals import TriggerKind
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    computed_field,
    model_validator,
)
from pydantic_core import PydanticCustomError

from referrals.domain.time_zone import TimeZone

EARLIEST = 1900
"""The year before which nobody means a date."""

MOST = 10
"""Dates that one referral may tell of."""

CHANGES_KEPT = 50
"""Changes of a date that are remembered; the first ones go."""


class NoSuchTrigger(Refusal):
    """This agency has told of no such date."""

    status = 404


class NotScheduledYet(Refusal):
    """The referral has not found its case yet: try again in a moment."""


class AlreadyFellDue(Refusal):
    """It has fallen due, and cannot be called off; it can be moved."""


class When(BaseModel):
    """A day in the region, or a time.

    Attributes:
        on: A day: it begins at midnight of the region's own time.
        at: A time, with its offset.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    # The store knows times but no dates, so a day is kept as text.
    on: (
        Annotated[
            date,
            Field(ge=date(EARLIEST, 1, 1)),
            PlainSerializer(date.isoformat, return_type=str),
        ]
        | None
    ) = None
    at: (
        Annotated[AwareDatetime, Field(ge=datetime(EARLIEST, 1, 1, tzinfo=UTC))] | None
    ) = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.on is None) == (self.at is None):
            raise PydanticCustomError("on_or_at", "Say either a day or a time.")
        return self


class ToldTrigger(When):
    """What an agency knows to come, when, and for whom.

    Attributes:
        about: Places of the people it is about in the referral's list, from 0; none:
            all of them.
        reference: The agency's own code for what it rests on.
    """

    kind: TriggerKind
    about: Annotated[
        tuple[Annotated[int, Field(ge=0, lt=30)], ...], Field(max_length=30)
    ] = ()
    reference: Code | None = None


class TriggerRules(BaseModel):
    """What a locality decides about dates that are known ahead.

    Attributes:
        time_zone: Of the region: where a day begins.
        furthest_days: How far ahead a date may be told.
        urgent_within_hours: A date so near takes the urgent lane.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    time_zone: TimeZone
    furthest_days: Annotated[int, Field(gt=0, le=3660)]
    urgent_within_hours: Annotated[float, Field(gt=0, le=24 * 60)]

    def due_at(self, told: When) -> datetime:
        """Give the time that is meant: of a day, when it begins in the region."""
        if told.at is not None:
            return told.at.astimezone(UTC)
        begins = datetime.combine(told.on or date.min, time(), ZoneInfo(self.time_zone))
        return begins.astimezone(UTC)

    def wrong_with(self, told: When, at: datetime) -> str | None:
        """Say which rule a time breaks, if it breaks one."""
        # In this order: a time at the end of all time cannot be put into UTC.
        if told.at is not None and told.at > at + timedelta(days=self.furthest_days):
            return "too_far_ahead"
        due_at = self.due_at(told)
        if due_at <= at:
            return "not_in_the_future"
        if due_at > at + timedelta(days=self.furthest_days):
            return "too_far_ahead"
        return None

    def near(self, due_at: datetime, at: datetime) -> bool:
        """Tell whether it may not wait behind others."""
        return due_at <= at + timedelta(hours=self.urgent_within_hours)


class State(StrEnum):
    """What became of a date."""

    SCHEDULED = "scheduled"
    FELL_DUE = "fell_due"
    CANCELLED = "cancelled"


class Change(BaseModel):
    """That a date was moved or called off.

    Attributes:
        at: When.
        by: Who, by the identity provider's id.
        was: When it was to be before.
        state: What it was before.
    """

    model_config = ConfigDict(frozen=True)

    at: datetime
    by: str
    was: datetime
    state: State


class Trigger(BaseModel):
    """A date of a case, and its clock.

    Attributes:
        number: Which of its referral's.
        agency: Who told of it.
        happens_at: When it is, as told last.
        person_ids: Whom it is about; none: everybody in the referral.
        reference: The agency's own code.
        fell_due_at: When that was noticed.
        changes: The latest, oldest first.
        elsewhere: Its case was transferred: whoever told of it sees it as ever, and
            nobody else is told of it any more.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    case_id: str
    referral_id: str
    number: int
    agency: str
    kind: TriggerKind
    happens_at: datetime
    person_ids: tuple[str, ...] = ()
    reference: str | None = None
    state: State = State.SCHEDULED
    fell_due_at: datetime | None = None
    changes: tuple[Change, ...] = ()
    elsewhere: bool = False

    @computed_field  # type: ignore[prop-decorator]
    @property
    def due_at(self) -> datetime | None:
        """When its clock runs out; never once it has, or was stopped."""
        return self.happens_at if self.state is State.SCHEDULED else None

    def ahead_at(self, at: datetime) -> bool:
        """Tell whether it is still to come: here, or where its case was transferred."""
        return self.state is State.SCHEDULED and self.happens_at > at

    def leave(self) -> "Trigger":
        """Note that its case was transferred."""
        return self.model_copy(update={"elsewhere": True})

    def move(self, happens_at: datetime, *, by: str, at: datetime) -> "Trigger":
        """Put it at another time, also if it has fallen due or was called off.

        Moving it to where it is changes nothing.
        """
        if self.due_at == happens_at:
            return self
        return self._changed(
            by, at, happens_at=happens_at, state=State.SCHEDULED, fell_due_at=None
        )

    def cancel(self, *, by: str, at: datetime) -> "Trigger":
        """Call it off. Calling it off again changes nothing.

        Raises:
            AlreadyFellDue: It is there.
        """
        if self.state is State.CANCELLED:
            return self
        if self.state is State.FELL_DUE:
            raise AlreadyFellDue
        return self._changed(by, at, state=State.CANCELLED)

    def fall_due(self, at: datetime) -> "Trigger":
        """Note that it is there, which stops the clock."""
        return self.model_copy(update={"state": State.FELL_DUE, "fell_due_at": at})

    def _changed(self, by: str, at: datetime, **update: object) -> "Trigger":
        change = Change(at=at, by=by, was=self.happens_at, state=self.state)
        changes = (*self.changes, change)[-CHANGES_KEPT:]
        return self.model_copy(update={**update, "changes": changes})


def trigger_id(referral_id: str, number: int) -> str:
    """Derive the id of a date that a referral tells of."""
    return str(uuid5(UUID(referral_id), f"trigger/{number}"))
