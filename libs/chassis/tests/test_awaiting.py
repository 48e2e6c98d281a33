"""When to look for what is due."""

from datetime import timedelta

import pytest
from accord_chassis import awaiting
from accord_chassis.awaiting import Awaited
from accord_chassis.testing import NOON

MINUTE = timedelta(minutes=1)


@pytest.fixture
def rested() -> Awaited:
    """Of a collection in which something falls due in ten minutes."""
    awaited = Awaited()
    awaited.rest(awaited.look(), NOON + 10 * MINUTE)
    return awaited


def test_anything_may_be_due_until_one_has_looked() -> None:
    assert Awaited().may_be_due(NOON)


def test_nobody_looks_before_what_was_seen_falls_due(rested: Awaited) -> None:
    assert not rested.may_be_due(NOON + 9 * MINUTE)
    assert rested.may_be_due(NOON + 10 * MINUTE)


def test_what_is_saved_is_looked_for_when_it_falls_due(rested: Awaited) -> None:
    rested.note(NOON + MINUTE)
    rested.note(NOON + 5 * MINUTE)
    rested.note(None)

    assert not rested.may_be_due(NOON)
    assert rested.may_be_due(NOON + MINUTE)


def test_what_is_saved_while_one_looks_is_not_forgotten(rested: Awaited) -> None:
    look = rested.look()
    rested.note(NOON + MINUTE)
    rested.rest(look, None)

    assert not rested.may_be_due(NOON)
    assert rested.may_be_due(NOON + MINUTE)


def test_one_looks_again_after_a_look_that_found_something_or_failed(
    rested: Awaited,
) -> None:
    rested.look()

    assert rested.may_be_due(NOON)


def test_of_looks_that_overlap_the_last_one_counts(rested: Awaited) -> None:
    first = rested.look()
    rested.note(NOON + MINUTE)
    second = rested.look()

    rested.rest(first, None)
    assert rested.may_be_due(NOON)
    # It began after the saving, and so has seen what falls due.
    rested.rest(second, NOON + MINUTE)
    assert not rested.may_be_due(NOON)


def test_one_looks_all_the_same_for_what_others_have_left(
    rested: Awaited, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = awaiting.time.monotonic() + awaiting.LOOK_SECONDS
    monkeypatch.setattr(awaiting.time, "monotonic", lambda: later)

    assert rested.may_be_due(NOON)
