"""Looking at many cases, being refused often and breaking the glass are noticed."""

from dataclasses import replace
from datetime import timedelta

import pytest
from accord_chassis.oddities import HOUR, Oddity, Reason, Watch
from accord_chassis.testing import NOON
from chassis_audit import entry

MANY_CASES = Oddity(Reason.MANY_CASES, 4)
MANY_REFUSALS = Oddity(Reason.MANY_REFUSALS, 3)


@pytest.fixture
def watch() -> Watch:
    return Watch(cases=3, refusals=2, services=("notify",))


def looks(
    watch: Watch, *cases: str, every: timedelta = timedelta(), **changed: object
) -> list[Oddity]:
    """Have somebody look at cases one after the other, and say what was odd."""
    return [
        odd
        for number, case in enumerate(cases)
        for odd in watch.notice(
            entry(case_id=case, **changed), f"e{number}", NOON + every * number
        )
    ]


def test_one_more_case_than_there_may_be_is_odd_and_told_once(watch: Watch) -> None:
    assert looks(watch, "a", "b", "c") == []
    assert looks(watch, "d") == [MANY_CASES]
    assert looks(watch, "e", "f", "g") == []
    assert looks(watch, "h") == [MANY_CASES]


def test_the_same_cases_again_are_not_odd(watch: Watch) -> None:
    assert looks(watch, *("abc" * 50)) == []


def test_cases_that_an_hour_lies_between_are_not_odd(watch: Watch) -> None:
    assert looks(watch, *"abcdefgh", every=HOUR / 3) == []
    assert looks(Watch(cases=3), *"abcd", every=HOUR / 4) == [MANY_CASES]


def test_everybody_is_counted_alone(watch: Watch) -> None:
    for number, case in enumerate("abcdefgh"):
        assert looks(watch, case, subject=f"somebody-{number % 3}") == []


def test_the_same_name_at_another_provider_is_somebody_else(watch: Watch) -> None:
    assert looks(watch, "a", "b", issuer="one") == []
    assert looks(watch, "c", "d", issuer="other") == []


def test_refusals_are_counted_each(watch: Watch) -> None:
    assert looks(watch, "a", "a", "a", outcome="refused") == [MANY_REFUSALS]
    assert looks(watch, *"bcd") == []


def test_a_refusal_without_a_case_counts_too(watch: Watch) -> None:
    odd = [
        watch.notice(entry(case_id=None, outcome="refused"), f"e{number}", NOON)
        for number in range(3)
    ]

    assert odd == [[], [], [MANY_REFUSALS]]


@pytest.mark.parametrize("rule", ["conflict", "excluded", "restricted", "inactive"])
def test_one_attempt_of_whoever_is_barred_is_odd(watch: Watch, rule: str) -> None:
    barred = Oddity(Reason.BARRED, 1)
    tried = {"outcome": "refused", "rule": rule}

    assert looks(watch, "a", "a", **tried) == [barred]
    assert looks(watch, "b", agency="police", worker=None, **tried)[:1] == [barred]


def test_whoever_is_barred_and_goes_on_is_told_of_again_after_an_hour() -> None:
    tried = entry(outcome="refused", rule="conflict")

    def is_told(watch: Watch, *minutes: int) -> list[bool]:
        times = [NOON + timedelta(minutes=each) for each in minutes]
        return [bool(watch.notice(tried, "e", at)) for at in times]

    assert is_told(Watch(), 0, 59, 61, 119, 121) == [True, False, True, False, True]
    assert is_told(Watch(), 0, 420) == [True, True]


def test_who_is_not_in_the_directory_is_told_of_where_there_is_a_case(
    watch: Watch,
) -> None:
    tried = entry(case_id=None, outcome="refused", rule="inactive")

    assert watch.notice(tried, "e", NOON) == []
    assert watch.notice(replace(tried, case_id="a"), "e", NOON)


def test_what_a_list_leaves_out_or_shows_was_not_looked_for(watch: Watch) -> None:
    left_out = {"outcome": "refused", "rule": "conflict", "channel": "list"}

    assert looks(watch, *"abcdefgh", **left_out) == []
    assert looks(watch, *"abcdefgh", channel="list") == []
    assert looks(watch, "a", outcome="refused", rule="no_relation") == []


def test_breaking_the_glass_is_told_once_for_each(watch: Watch) -> None:
    broken = Oddity(Reason.BREAK_GLASS, 1)

    assert looks(watch, "a", "a", break_glass="one") == [broken]
    assert looks(watch, "a", "a", break_glass="two") == [broken]


def test_people_of_ones_own_name_are_told_once_for_each_record(watch: Watch) -> None:
    seen = [
        odd.reason
        for name in "aab"
        for odd in watch.notice(
            entry(action="namesake.seen", resource_id=name), name, NOON
        )
    ]

    assert seen == [Reason.OWN_NAME, Reason.OWN_NAME]


def test_our_own_services_look_at_many_and_are_refused_like_anybody(
    watch: Watch,
) -> None:
    ours = {"subject": "notify", "agency": None, "worker": None}

    assert looks(watch, *"abcdefgh", **ours) == []
    assert looks(watch, *"abc", outcome="refused", **ours) == [MANY_REFUSALS]


def test_a_person_who_calls_herself_like_a_service_is_none(watch: Watch) -> None:
    assert looks(watch, *"abcd", subject="notify") == [MANY_CASES]


def test_whom_nobody_saw_for_an_hour_is_forgotten(watch: Watch) -> None:
    for number in range(100):
        watch.notice(entry(subject=str(number)), "e", NOON)

    watch.notice(entry(), "e", NOON + HOUR)

    assert len(watch._people) == 1
