"""How loud a message is, and when that may be heard."""

from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from accord_contracts.calendar import TimeOfDay
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    model_validator,
)


class Urgency(StrEnum):
    """How loud a message is."""

    CRITICAL = "critical"
    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


LOUDEST_FIRST = tuple(Urgency)


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (LookupError, OSError, ValueError):
        raise ValueError("there is no such time zone") from None
    return name


class Quiet(BaseModel):
    """When workers are left in peace: their inbox is filled, nothing rings.

    What is not heard then is heard when it is over, so it is late and never lost; the
    time to acknowledge begins when it can be heard.

    Attributes:
        time_zone: The region's, by its name in the IANA database.
        begins: From then on.
        ends: No longer then; on the next day, if that is no later.
        passes: What is heard all the same.
        digests_at: When what is low goes out, all of it in one e-mail.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    time_zone: Annotated[str, AfterValidator(_zone)]
    begins: TimeOfDay
    ends: TimeOfDay
    passes: frozenset[Urgency]
    digests_at: Annotated[tuple[TimeOfDay, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _lets_alarms_through(self) -> Self:
        if Urgency.CRITICAL not in self.passes:
            raise ValueError("critical must be in passes")
        if Urgency.LOW in self.passes:
            raise ValueError("low waits for digests_at, so it cannot be in passes")
        if self.begins == self.ends:
            raise ValueError("begins and ends must not be the same")
        if early := [each for each in self.digests_at if self._is_quiet(each)]:
            raise ValueError(f"digests_at {', '.join(early)} is within quiet hours")
        return self

    def loud(
        self, urgency: Urgency, at: datetime, *, any_hour: bool = False
    ) -> datetime:
        """Give when something may be heard that happens at a time: then, or later."""
        shown = at.astimezone(ZoneInfo(self.time_zone)).strftime("%H:%M")
        if any_hour or urgency in self.passes or not self._is_quiet(shown):
            return at
        return self._next(at, self.ends)

    def mailed(
        self, urgency: Urgency, at: datetime, *, any_hour: bool = False
    ) -> datetime:
        """Give when an e-mail is to go out: what is low waits for the next digest."""
        if urgency is Urgency.LOW:
            return min(self._next(at, each) for each in self.digests_at)
        return self.loud(urgency, at, any_hour=any_hour)

    def _is_quiet(self, shown: str) -> bool:
        if self.begins < self.ends:
            return self.begins <= shown < self.ends
        return shown >= self.begins or shown < self.ends

    def _next(self, at: datetime, clock: str) -> datetime:
        """Give when clocks in the region show a time next."""
        zone, shown = ZoneInfo(self.time_zone), time.fromisoformat(clock)
        today = at.astimezone(zone).date()
        days = (today + timedelta(days=each) for each in (0, 1, 2))
        times = (datetime.combine(each, shown, zone).astimezone(UTC) for each in days)
        return next(each for each in times if each > at)
