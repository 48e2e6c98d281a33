"""Where services take the time from: one port, so that a test or a replay can drive it.

All times are aware, in UTC and of whole milliseconds, because the store keeps no more.
"""

from datetime import UTC, datetime, timedelta
from typing import Protocol


def whole_milliseconds(at: datetime) -> datetime:
    """Drop what the store cannot keep."""
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """Give the present time, UTC."""
        ...


class SystemClock:
    """The time of this machine."""

    def now(self) -> datetime:
        """Give the present time, UTC."""
        return whole_milliseconds(datetime.now(UTC))


class SimulatedClock:
    """A time that stands still until it is moved: seven months run in minutes.

    Args:
        start: Where it stands at first, in any time zone.

    Raises:
        ValueError: The start has no time zone, so it could be any of many moments.
    """

    def __init__(self, start: datetime) -> None:
        if start.utcoffset() is None:
            raise ValueError("A clock starts at a time with a time zone.")
        self._now = whole_milliseconds(start.astimezone(UTC))

    def now(self) -> datetime:
        """Give the simulated time, UTC."""
        return self._now

    def advance(self, by: timedelta) -> datetime:
        """Move on, and give the new time.

        Raises:
            ValueError: Time was to run backwards.
        """
        if by < timedelta():
            raise ValueError("A clock never runs backwards.")
        self._now = whole_milliseconds(self._now + by)
        return self._now
