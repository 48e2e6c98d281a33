"""Whether somebody was told that something was collected about them from others.

Privacy Act 2020, information privacy principle 3A, for what is collected since 1 May
2026. Telling her may be what puts her into danger, and telling him surely can: so that
nobody was told is recorded with the exception relied on, and looked at again.
"""

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    computed_field,
    model_validator,
)
from pydantic_core import PydanticCustomError

MOST_ENTRIES = 50
"""Entries about one person that are kept; the first ones go."""


class Exception3A(StrEnum):
    """The exception relied on. Have counsel confirm the list."""

    ALREADY_TOLD = "already_told"
    NO_PREJUDICE = "no_prejudice_to_the_person"
    PREJUDICES_PURPOSE = "would_prejudice_the_purpose"
    SERIOUS_THREAT = "serious_threat"
    MAINTENANCE_OF_LAW = "maintenance_of_law"
    COURT_PROCEEDINGS = "court_proceedings"
    NOT_PRACTICABLE = "not_reasonably_practicable"


class Told3A(BaseModel):
    """That somebody was told, or which exception is relied on.

    Attributes:
        notified_at: When they were told.
        exception: Why they are not.
        revisit_at: When that must be looked at again.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    notified_at: AwareDatetime | None = None
    exception: Exception3A | None = None
    revisit_at: AwareDatetime | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.notified_at is None) is (self.exception is None):
            raise PydanticCustomError(
                "notified_or_exception", "Say when they were told, or why not."
            )
        if (self.exception is None) is not (self.revisit_at is None):
            raise PydanticCustomError(
                "exception_and_revisit", "An exception is looked at again."
            )
        return self


class Entry(BaseModel):
    """What was recorded, when, and by whom.

    Attributes:
        through: By which other id they were meant, as one person; none: by this one.
    """

    model_config = ConfigDict(frozen=True)

    told: Told3A
    at: datetime
    by: str
    through: str | None = None


class Notice(BaseModel):
    """The ledger of one person, by their id; the last entry counts.

    Attributes:
        tell_by: By when they are to be told, or why not is to be recorded, or looked at
            again; none: they were told.
        late_for: The time of which it was told that it has come.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    entries: Annotated[tuple[Entry, ...], Field(max_length=MOST_ENTRIES)] = ()
    tell_by: datetime | None = None
    late_for: datetime | None = None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def alarm_at(self) -> datetime | None:
        """When it is next to be told that something is due; of one time never twice."""
        return None if self.tell_by == self.late_for else self.tell_by

    def collect(self, by: datetime) -> Self:
        """Note that something was collected about them, and by when they are told.

        Whoever was told of it once, or is not for a reason, has no other clock: what is
        collected later is of the same kind and for the same purposes.
        """
        if self.entries or self.tell_by:
            return self
        return self.model_copy(update={"tell_by": by})

    def fall_due(self) -> Self:
        """Note that it was told that the time has come."""
        return self.model_copy(update={"late_for": self.tell_by})

    def enter(
        self, told: Told3A, *, by: str, at: datetime, through: str | None = None
    ) -> Self:
        """Record something; the same again changes nothing."""
        last = self.entries[-1] if self.entries else None
        if last and last.told == told and last.through in {None, through}:
            return self
        entry = Entry(told=told, at=at, by=by, through=through)
        entries = (*self.entries, entry)[-MOST_ENTRIES:]
        update = {"entries": entries, "tell_by": told.revisit_at}
        return self.model_copy(update=update)

    def part(self, one_with: Collection[str], by: datetime) -> Self:
        """Take out what was recorded of whoever is somebody else again.

        Args:
            one_with: By which other ids they are known now.
            by: By when they are told, if nothing is recorded of them themselves.
        """
        own = {None, *one_with}
        entries = tuple(each for each in self.entries if each.through in own)
        if len(entries) == len(self.entries):
            return self
        tell_by = entries[-1].told.revisit_at if entries else by
        return self.model_copy(update={"entries": entries, "tell_by": tell_by})
