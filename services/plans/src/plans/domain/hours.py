"""How long there is for what was promised: elapsed hours, or working days."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from accord_contracts.calendar import DAYS, Day, TimeOfDay
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

Hours = Annotated[int, Field(gt=0, le=8760)]
WorkingDays = Annotated[int, Field(gt=0, le=90)]


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (LookupError, OSError, ValueError):
        raise ValueError("there is no such time zone") from None
    return name


class Working(BaseModel):
    """When the locality's agencies work: the calendar of what can wait for them.

    Attributes:
        time_zone: The region's, by its name in the IANA database.
        days: On which days of the week.
        ends: When a working day is over.
        holidays: On which days nobody works all the same.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    time_zone: Annotated[str, AfterValidator(_zone)]
    days: Annotated[frozenset[Day], Field(min_length=1)]
    ends: TimeOfDay
    holidays: Annotated[frozenset[date], Field(max_length=366)] = frozenset()

    def works(self, day: date) -> bool:
        """Tell whether a day is a working day."""
        return DAYS[day.weekday()] in self.days and day not in self.holidays

    def end_of(self, since: datetime, days: int) -> datetime:
        """Give the end of so many working days; the day that one begins in is none."""
        zone = ZoneInfo(self.time_zone)
        day, left = since.astimezone(zone).date(), days
        while left:
            day += timedelta(days=1)
            left -= self.works(day)
        return datetime.combine(day, self._end, zone).astimezone(UTC)

    def least(self, days: int) -> timedelta:
        """Give the shortest time that so many working days may be."""
        return timedelta(days=days - 1, hours=self._end.hour, minutes=self._end.minute)

    @property
    def _end(self) -> time:
        return time.fromisoformat(self.ends)


class Within(BaseModel):
    """How long there is for something: the one or the other.

    Attributes:
        within_hours: Elapsed hours, nights and weekends included.
        within_working_days: Until the end of so many of the locality's working days.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    within_hours: Hours | None = None
    within_working_days: WorkingDays | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.within_hours is None) == (self.within_working_days is None):
            raise ValueError("give within_hours or within_working_days, and not both")
        return self

    def after(self, since: datetime, working: Working) -> datetime:
        """Give when it is over that began at a time."""
        if self.within_working_days is not None:
            return working.end_of(since, self.within_working_days)
        return since + timedelta(hours=self.within_hours or 0)

    def may_outlast(self, other: "Within", working: Working) -> bool:
        """Tell whether it may be over later than another that began with it."""
        if self.within_working_days is None:
            return timedelta(hours=self.within_hours or 0) > other.least(working)
        if other.within_working_days is None:
            return True
        return self.within_working_days > other.within_working_days

    def least(self, working: Working) -> timedelta:
        """Give the shortest time that it may be."""
        if self.within_working_days is not None:
            return working.least(self.within_working_days)
        return timedelta(hours=self.within_hours or 0)
