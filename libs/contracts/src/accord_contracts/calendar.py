"""The words by which localities and agencies tell days, times and hours of days."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Annotated, NamedTuple, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, StringConstraints


class Day(StrEnum):
    """The days of a week, from its first (ISO 8601)."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


DAYS = tuple(Day)

TimeOfDay = Annotated[
    str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")
]
"""A time of day, as clocks in the region show it."""


class Shown(NamedTuple):
    """What calendars and clocks in the region show: a day of the week, and a time."""

    day: int
    time: str

    @classmethod
    def of(cls, at: datetime, zone: ZoneInfo) -> Self:
        """Look at them."""
        local = at.astimezone(zone)
        return cls(local.weekday(), local.strftime("%H:%M"))


def _in_order(days: Iterable[Day]) -> list[Day]:
    """Write days from Monday on, so that the same window is the same text."""
    return sorted(days, key=DAYS.index)


class Window(BaseModel):
    """Hours of some days. What ends no later than it begins ends on the next day.

    Attributes:
        days: On which it begins.
        starts: From then on.
        ends: No longer then.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    days: Annotated[
        frozenset[Day],
        Field(min_length=1),
        PlainSerializer(_in_order, return_type=list[Day]),
    ]
    starts: TimeOfDay
    ends: TimeOfDay

    def contains(self, shown: Shown) -> bool:
        """Tell whether it is such an hour."""
        today = DAYS[shown.day] in self.days
        if self.starts < self.ends:
            return today and self.starts <= shown.time < self.ends
        yesterday = DAYS[shown.day - 1] in self.days
        return (today and shown.time >= self.starts) or (
            yesterday and shown.time < self.ends
        )
