"""The morning run: when all open roles are looked at together, by the clock."""

from datetime import UTC, datetime, time, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from accord_contracts.calendar import DAYS, Day, TimeOfDay
from pydantic import BaseModel, ConfigDict, Field

TOO_LATE = timedelta(hours=1)
"""A run that was missed for longer is left out: the meeting is under way, and what it
moves it takes from people who are about to answer. An assumption."""


class MorningRun(BaseModel):
    """When all open roles are placed together, before the meeting.

    Attributes:
        days: On which.
        at: As clocks in the region show it.
        seconds: The most that it may take. For so long the process that does it looks
            at no other clock; others do.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    days: Annotated[frozenset[Day], Field(min_length=1)]
    at: TimeOfDay
    seconds: Annotated[float, Field(gt=0, le=5)]

    def next_after(self, now: datetime, zone: ZoneInfo) -> datetime:
        """Say when the next one begins, by summer time or not."""
        today = now.astimezone(zone).date()
        week = (today + timedelta(days=ahead) for ahead in range(len(DAYS) + 1))
        begins = (
            datetime.combine(day, time.fromisoformat(self.at), zone).astimezone(UTC)
            for day in week
            if DAYS[day.weekday()] in self.days
        )
        return next(each for each in begins if each > now)


class Morning(BaseModel):
    """The run of a region: when it is next, and what the last one did.

    Attributes:
        due_at: When it is next; at first at once, to find that out.
        ran_at: When it last ran.
        moved: How many roles it offered to somebody else.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    due_at: datetime
    ran_at: datetime | None = None
    moved: int = 0

    def runs(self, planned: MorningRun, now: datetime, zone: ZoneInfo) -> bool:
        """Tell whether it is time for it, and not too late.

        One that was due at a time that the policy no longer names is not.
        """
        on_time = now - self.due_at <= TOO_LATE
        before = self.due_at - timedelta(seconds=1)
        return on_time and planned.next_after(before, zone) == self.due_at

    def done(self, now: datetime, moved: int) -> "Morning":
        """Note what a run did."""
        return self.model_copy(update={"ran_at": now, "moved": moved})
