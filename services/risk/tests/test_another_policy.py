"""A policy that comes into force reaches the cases that there are."""

import asyncio
from datetime import timedelta

import pytest
from accord_chassis.clock import SimulatedClock
from accord_chassis.store import Database
from accord_chassis.testing import NOON, new_id, published
from accord_contracts.risk import HowChanged, RiskChanged, RiskLevel
from risk.domain.assessment import Assessment
from risk.domain.explaining import explain_held
from risk.domain.policy import Policy
from risk.domain.reassessment import Reassessment
from risk.handlers import assess_referral, look_over, stop_clock
from risk.store import Assessments, Book, Outdated
from risk_builders import POLICY, closed, policy, referral

LOW, MEDIUM, HIGH, EXTREME = RiskLevel

SHARPER = policy(version="test-sharper", triggers={"escalation": "high"})
MILDER = policy(version="test-milder", triggers={})
SECOND = timedelta(seconds=1)


async def book_of(database: Database, *policies: Policy) -> Book:
    """Start a service with each policy, a second apart."""
    assert isinstance(database.clock, SimulatedClock)
    for each in policies:
        database.clock.advance(SECOND)
        book = Book(database)
        book.keep(each)
        await book.prepare()
    return book


async def case_with(*yes: str, assessments: Assessments) -> str:
    message = referral(*yes)
    await assess_referral(message, assessments=assessments, policy=POLICY)
    return message.data.case_id


async def held_of(case_id: str, assessments: Assessments) -> Assessment:
    held = await assessments.get(case_id)
    assert held
    return held


async def sweep(outdated: Outdated, assessments: Assessments, by: Policy) -> int:
    at = NOON + timedelta(days=100)
    due = await outdated.due_now(at)
    for each in due:
        await look_over(each, at=at, assessments=assessments, policy=by)
    return len(due)


async def test_the_level_rises_and_is_told_and_nothing_falls(
    database: Database, assessments: Assessments
) -> None:
    risen = await case_with("escalation", assessments=assessments)
    same = await case_with("prior_violence", assessments=assessments)
    before = {each: await held_of(each, assessments) for each in (risen, same)}
    told = len(await published(assessments))
    book = await book_of(database, POLICY, SHARPER)

    swept = await sweep(Outdated(database, book, SHARPER), assessments, SHARPER)

    assert swept == 2
    held = await held_of(risen, assessments)
    assert (before[risen].level, held.level) == (LOW, HIGH)
    assert held.policy_version == SHARPER.version
    events = [each.data for each in await published(assessments)]
    assert len(events) == told + 2
    [changed] = [each for each in events if isinstance(each, RiskChanged)]
    assert (changed.how, "escalation" in changed.why) == (HowChanged.POLICY, True)
    said = " ".join(explain_held(held, SHARPER))
    assert "by a new version of the policy" in said
    stands = await held_of(same, assessments)
    assert stands.policy_version == POLICY.version
    assert stands.revision == before[same].revision
    assert stands.reassess_by == before[same].reassess_by


async def test_what_a_milder_policy_would_find_lower_stands(
    database: Database, assessments: Assessments
) -> None:
    case_id = await case_with("strangulation", assessments=assessments)
    before = await held_of(case_id, assessments)
    overdue = before.fall_due(POLICY).fall_due(POLICY)
    await assessments.save(overdue)
    book = await book_of(database, POLICY, MILDER)

    await sweep(Outdated(database, book, MILDER), assessments, MILDER)

    held = await held_of(case_id, assessments)
    assert held.level is HIGH
    assert held.reassessment is Reassessment.OVERDUE
    assert held.reassess_by == before.reassess_by
    assert held.looked_over_by == MILDER.fingerprint


async def test_where_only_the_next_look_is_asked_for_sooner_that_is_told(
    database: Database, assessments: Assessments
) -> None:
    case_id = await case_with("strangulation", assessments=assessments)
    before = await held_of(case_id, assessments)
    hours = {**POLICY.reassess_hours, HIGH: POLICY.reassess_hours[HIGH] / 2}
    sooner = policy(version="test-sooner", reassess_hours=hours)
    told = len(await published(assessments))
    book = await book_of(database, POLICY, sooner)

    await sweep(Outdated(database, book, sooner), assessments, sooner)

    held = await held_of(case_id, assessments)
    assert held.level is before.level
    assert held.reassess_by == NOON + timedelta(hours=hours[HIGH])
    assert len(await published(assessments)) == told + 1
    again = Outdated(database, book, sooner)
    assert await sweep(again, assessments, sooner) == 0


async def test_two_replicas_look_over_each_case_once(
    database: Database, assessments: Assessments
) -> None:
    cases = [await case_with("escalation", assessments=assessments) for _ in range(4)]
    told = len(await published(assessments))
    book = await book_of(database, POLICY, SHARPER)
    replicas = [Outdated(database, book, SHARPER) for _ in range(2)]

    swept = await asyncio.gather(
        *(sweep(each, assessments, SHARPER) for each in replicas)
    )

    assert sum(swept) == len(cases)
    assert len(await published(assessments)) == told + 2 * len(cases)
    again = Outdated(database, book, SHARPER)
    assert await sweep(again, assessments, SHARPER) == 0


@pytest.mark.parametrize("gone", ["closed", "transferred", "never weighed"])
async def test_what_nobody_works_on_waits_until_something_is_heard(
    database: Database, assessments: Assessments, gone: str
) -> None:
    case_id = await case_with("escalation", assessments=assessments)
    match gone:
        case "closed":
            await stop_clock(closed(case_id), assessments=assessments)
        case "transferred":
            held = await held_of(case_id, assessments)
            await assessments.save(held.transfer(NOON))
        case _:
            await assessments.documents.delete_many({})
            await assessments.save(Assessment.new(new_id(), NOON))
    book = await book_of(database, POLICY, SHARPER)

    assert await sweep(Outdated(database, book, SHARPER), assessments, SHARPER) == 0


async def test_a_replica_of_before_takes_nothing_back(
    database: Database, assessments: Assessments
) -> None:
    await case_with("escalation", assessments=assessments)
    old = Outdated(database, await book_of(database, POLICY), POLICY)
    assert await sweep(old, assessments, POLICY) == 0
    new = Outdated(database, await book_of(database, SHARPER), SHARPER)
    assert await sweep(new, assessments, SHARPER) == 1

    assert await sweep(old, assessments, POLICY) == 0
    restarted = Outdated(database, await book_of(database, POLICY), POLICY)
    assert await sweep(restarted, assessments, POLICY) == 0
    again = Outdated(database, await book_of(database, SHARPER), SHARPER)
    assert await sweep(again, assessments, SHARPER) == 0


async def test_what_an_old_replica_weighs_meanwhile_the_new_one_looks_over(
    database: Database, assessments: Assessments
) -> None:
    book = await book_of(database, POLICY, SHARPER)
    case_id = await case_with("escalation", assessments=assessments)

    assert await sweep(Outdated(database, book, SHARPER), assessments, SHARPER) == 1

    assert (await held_of(case_id, assessments)).level is HIGH


async def test_it_goes_at_the_localitys_pace(
    database: Database, assessments: Assessments
) -> None:
    for _ in range(3):
        await case_with("escalation", assessments=assessments)
    slow = policy(version="test-slow", reweigh_a_minute=60)
    outdated = Outdated(database, await book_of(database, POLICY, slow), slow)

    taken = [
        len(await outdated.due_now(NOON)),
        len(await outdated.due_now(NOON)),
        len(await outdated.due_now(NOON + SECOND)),
        len(await outdated.due_now(NOON + 60 * SECOND)),
    ]

    assert taken == [1, 0, 1, 1]
    assert slow.fingerprint == policy(version="test-slow").fingerprint


async def test_what_is_to_be_looked_over_is_found_by_an_index(
    assessments: Assessments,
) -> None:
    for _ in range(3):
        await case_with("escalation", assessments=assessments)

    which = {"open_by": {"$in": [POLICY.fingerprint, "another"]}}
    explained = await assessments.documents.find(which).sort("_id", 1).explain()

    assert "IXSCAN" in str(explained)
    assert "COLLSCAN" not in str(explained)
