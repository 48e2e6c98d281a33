"""Odd look-ups are asked about, and whoever reviews them reads who looked at a case."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from accord_chassis.audit import Entry
from accord_chassis.oddities import OWN_NAME
from accord_chassis.testing import NOON, new_id
from accord_contracts.allocation import LookUpQuestioned, LookUpReason, Shift
from allocation.domain.availability import Absence, Window
from allocation.domain.lookups import (
    AT_A_TIME,
    BEHIND,
    Look,
    LookUpRules,
    Odd,
    Round,
    odd_off_duty,
    odd_strangers,
)
from allocation_builders import OUTREACH, POLICY, SPECIALIST, Front, Running, worker

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
RULES = LookUpRules.model_validate(
    {
        "every_minutes": 5,
        "no_part": {"cases": 2, "hours": 24},
        "again": {"times": 2, "days": 7},
        "off_duty": {"cases": 2, "hours": 12},
    }
)
SINCE = NOON - MINUTE


def looks(cases: str, every: timedelta = MINUTE) -> list[Look]:
    return [Look(case, NOON + every * number) for number, case in enumerate(cases)]


def strange(cases: str, every: timedelta = MINUTE) -> list[tuple[int, LookUpReason]]:
    """Say at which look it became odd, and why."""
    made = looks(cases, every)
    return [(made.index(e.look), e.reason) for e in odd_strangers(made, SINCE, RULES)]


@pytest.mark.parametrize(
    ("cases", "every", "odd"),
    [
        ("ab", MINUTE, []),
        ("abc", MINUTE, [(2, LookUpReason.NO_PART)]),
        # It is asked once, not at every further case.
        ("abcde", MINUTE, [(2, LookUpReason.NO_PART)]),
        ("abc", 13 * HOUR, []),
        ("abc", 11 * HOUR, [(2, LookUpReason.NO_PART)]),
        # One page asks several times: a visit.
        ("aaaaaaaaaa", MINUTE, []),
        ("aaa", 2 * HOUR, [(2, LookUpReason.AGAIN)]),
        ("aaaa", 2 * HOUR, [(2, LookUpReason.AGAIN)]),
        ("aaa", 4 * DAY, []),
        ("abab", 2 * HOUR, []),
    ],
)
def test_looks_without_a_part_in_it_are_odd_when_they_are_many(
    cases: str, every: timedelta, odd: list[tuple[int, LookUpReason]]
) -> None:
    assert strange(cases, every) == odd


def test_what_was_told_before_is_not_told_again() -> None:
    made = looks("abc")

    assert [*odd_strangers(made, made[1].at, RULES)] == [
        Odd(made[2], LookUpReason.NO_PART, 3)
    ]
    assert [*odd_strangers(made, made[2].at, RULES)] == []


def test_cases_that_are_looked_at_off_duty_are_counted_once_each() -> None:
    made = looks("aabbc")

    assert [*odd_off_duty(made, SINCE, RULES)] == [
        Odd(made[4], LookUpReason.OFF_DUTY, 3)
    ]


DAYTIME = Window.model_validate(
    {"days": ["monday"], "starts": "08:00", "ends": "17:00"}
)
UTC = ZoneInfo("UTC")


def test_somebody_is_at_work_by_their_hours_by_a_rota_or_by_being_on_duty() -> None:
    night = NOON.replace(hour=23)
    days = worker(hours=(DAYTIME,))
    away = Absence(since=NOON - DAY, until=NOON + DAY)
    shift = Shift(worker_id=days.id, since=night - HOUR, until=night + HOUR)

    assert days.on_duty_at(NOON, [], UTC)
    assert not days.on_duty_at(night, [], UTC)
    assert days.on_duty_at(night, [shift], UTC)
    assert worker().on_duty_at(night, [], UTC)
    lead = worker(hours=(DAYTIME,), duty_coordinator=True)
    assert lead.on_duty_at(night, [], UTC)
    assert not worker(absences=(away,)).on_duty_at(NOON, [], UTC)


def test_a_round_goes_on_where_the_last_one_ended_and_catches_up() -> None:
    first = Round(id=new_id(), due_at=NOON)

    since, until = first.next(NOON)
    assert since == until == NOON - BEHIND
    read = first.read(until, NOON, RULES)
    assert read.due_at == NOON + 5 * MINUTE

    late = NOON + 3 * DAY
    since, until = read.next(late)
    assert (since, until) == (NOON - BEHIND, NOON - BEHIND + AT_A_TIME)
    assert read.read(until, late, RULES).due_at == late


@pytest.fixture
async def office(running: Running) -> Front:
    # The first round finds out where it begins.
    await running.service.sweep_once()
    return Front(running)


async def goes_through(office: Front) -> list[LookUpQuestioned]:
    """Have what was recorded gone through, and give all that was told of it."""
    await office.running.later(POLICY.lookups.every_minutes * MINUTE)
    await office.running.idle()
    told = office.told(LookUpQuestioned)
    return [each for each in told if isinstance(each, LookUpQuestioned)]


async def tries(office: Front, who: str, case_id: str) -> None:
    answer = await office.ask("GET", f"/allocations?case_id={case_id}", who=who)
    assert answer.status_code == 404


async def test_whoever_tries_many_cases_without_a_part_in_them_is_asked_about(
    office: Front,
) -> None:
    snoop = await office.hires(SPECIALIST)
    cases = [await office.case() for _ in range(POLICY.lookups.no_part.cases + 1)]

    for each in cases[:-1]:
        await tries(office, snoop, each)
    assert await goes_through(office) == []
    await tries(office, snoop, cases[-1])

    [question] = await goes_through(office)
    assert (question.case_id, question.asked_by) == (cases[-1], snoop)
    assert (question.reason, question.count) == (LookUpReason.NO_PART, len(cases))
    assert await goes_through(office) == [question]


async def test_whoever_looks_after_their_own_case_is_not_asked_about(
    office: Front,
) -> None:
    lead = await office.hires(duty_coordinator=True)

    for case_id in [await office.case() for _ in range(8)]:
        path = f"/allocations?case_id={case_id}"
        assert (await office.ask("GET", path, who=lead)).status_code == 200

    assert await goes_through(office) == []


async def test_cases_that_are_looked_at_off_duty_are_asked_about(office: Front) -> None:
    # Their hours are over when it is noon in London.
    hours = {"days": ["tuesday"], "starts": "09:00", "ends": "09:30"}
    her = await office.hires(SPECIALIST, hours=[hours])
    cases = [await office.case() for _ in range(POLICY.lookups.off_duty.cases + 1)]

    for each in cases:
        await tries(office, her, each)

    reasons = {each.reason for each in await goes_through(office)}
    assert reasons == {LookUpReason.NO_PART, LookUpReason.OFF_DUTY}


async def test_people_of_ones_own_name_are_asked_about(office: Front) -> None:
    her, case_id = await office.hires(SPECIALIST), await office.case()
    noticed = Entry(
        action=OWN_NAME,
        outcome="permitted",
        rule="own_name",
        purpose="fva20_a",
        resource="history",
        resource_id=case_id,
        case_id=case_id,
        fields=(),
        issuer="urn:test",
        subject="somebody",
        agency=None,
        worker=her,
    )
    await office.running.service.audit.write(noticed)

    [question] = await goes_through(office)

    assert (question.asked_by, question.reason) == (her, LookUpReason.OWN_NAME)


async def test_whoever_reviews_reads_who_looked_at_a_case_and_on_what_ground(
    office: Front,
) -> None:
    reviewer, snoop = await office.hires(), await office.hires(SPECIALIST)
    case_id = await office.case()
    await tries(office, snoop, case_id)
    await office.breaks(case_id, snoop)
    path = f"/cases/{case_id}/looked-at"

    answer = await office.ask("GET", path, who=reviewer)
    own, broken, refused = answer.json()

    assert (own["worker_id"], own["action"]) == (reviewer, "looked_at.read")
    assert (broken["action"], broken["outcome"]) == ("glass.break", "permitted")
    assert refused["worker_id"] == snoop
    assert (refused["ground"], refused["outcome"]) == ("no_relation", "refused")
    assert refused["intact"]
    again = await office.ask("GET", f"{path}?after={broken['entry_id']}", who=reviewer)
    assert again.json() == [refused]


async def test_whoever_meets_the_one_who_harms_reads_not_who_looked(
    office: Front,
) -> None:
    him = await office.hires(OUTREACH)

    answer = await office.ask("GET", f"/cases/{await office.case()}/looked-at", who=him)

    assert answer.status_code == 404


async def test_who_looked_at_a_case_is_hidden_from_whoever_is_barred_from_it(
    office: Front,
) -> None:
    lead, _ = [await office.hires(duty_coordinator=True) for _ in range(2)]
    barred, case_id = await office.hires(), await office.case()
    put = await office.lists(case_id, lead, excluded=[barred])
    assert put.status_code == 200

    hidden = await office.ask("GET", f"/cases/{case_id}/looked-at", who=barred)
    none = await office.ask("GET", f"/cases/{new_id()}/looked-at", who=barred)

    assert hidden.status_code == none.status_code == 404
    assert hidden.json()["type"] == none.json()["type"]
