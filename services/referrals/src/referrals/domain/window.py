"""Hours of some days in which somebody may be reached."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from accord_contracts.calendar import DAYS, Day, TimeOfDay
from pydantic import BaseModel, ConfigDict, Field, PlainSerializer


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

    def contains(self, at: datetime, zone: ZoneInfo) -> bool:
        """Tell whether clocks in the region show such an hour."""
        local = at.astimezone(zone)
        shown, today = local.strftime("%H:%M"), local.weekday()
        if self.starts < self.ends:
            return DAYS[today] in self.days and self.starts <= shown < self.ends
        begun = DAYS[today] in self.days and shown >= self.starts
        return begun or (DAYS[today - 1] in self.days and shown < self.ends)


Windows = Annotated[tuple[Window, ...], Field(max_length=20)]


def outside(windows: Windows | None, at: datetime, zone: ZoneInfo) -> bool:
    """Tell whether hours were named, and this is none of them."""
    return windows is not None and not any(e.contains(at, zone) for e in windows)
