"""Where services take the time from."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from accord_chassis.clock import SimulatedClock, SystemClock, whole_milliseconds
from accord_chassis.testing import NOON


def test_the_machines_time_is_aware_in_utc_and_of_whole_milliseconds() -> None:
    before = whole_milliseconds(datetime.now(UTC))
    told = SystemClock().now()

    assert before <= told <= datetime.now(UTC)
    assert told.tzinfo is UTC
    assert told.microsecond % 1000 == 0


def test_a_simulated_time_stands_still_until_it_is_moved() -> None:
    clock = SimulatedClock(NOON)
    assert clock.now() == clock.now() == NOON

    moved = clock.advance(timedelta(days=200, microseconds=1999))

    assert moved == clock.now() == NOON + timedelta(days=200, milliseconds=1)


def test_a_simulated_time_is_told_in_utc_wherever_it_was_set() -> None:
    summer = timezone(timedelta(hours=13))
    clock = SimulatedClock(datetime(2026, 11, 3, 1, 0, tzinfo=summer))

    assert clock.now() == NOON
    assert clock.now().tzinfo is UTC


def test_a_time_without_a_zone_is_no_start() -> None:
    with pytest.raises(ValueError, match="time zone"):
        SimulatedClock(datetime(2026, 11, 2))  # noqa: DTZ001 - That is the point.


def test_a_clock_never_runs_backwards() -> None:
    clock = SimulatedClock(NOON)

    with pytest.raises(ValueError, match="backwards"):
        clock.advance(timedelta(milliseconds=-1))

    assert clock.now() == NOON
