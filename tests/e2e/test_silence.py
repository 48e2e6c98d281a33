"""Somebody is silent: an offer goes on, a message goes up the chain, on its own clock.

The services' time is simulated, so an hour takes no time; everything else is real.
"""

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from accord_chassis.clock import SimulatedClock
from accord_chassis.testing import NOON
from app import Region, eventually
from people import (
    HIGH_RISK_TEAM,
    LAPSED,
    LEAD,
    OFFERED,
    OUTREACH,
    OVERDUE,
    SPECIALIST,
    SUPPORT,
    UNANSWERED,
    UNFILLED,
    Asked,
    Coordinator,
    Look,
    ReferringAgency,
    Worker,
)
from regions import Ground, in_one_process

ANSWER = timedelta(minutes=60)
"""How long a worker has to answer an offer at low risk (``allocation.yaml``)."""

ANSWER_AT_HIGH_RISK = timedelta(minutes=20)

ACKNOWLEDGE = timedelta(minutes=30)
"""How long they have to say that they have seen it (``notify.yaml``)."""

ACKNOWLEDGE_AT_HIGH_RISK = timedelta(minutes=10)

STEP = timedelta(minutes=60)
"""How long each of the usual chain is waited for."""

OVERDUE_AFTER = timedelta(hours=24)
"""When the first actions of a plan at high risk fall due (``plans.yaml``)."""

ACKNOWLEDGE_OVERDUE = timedelta(minutes=60)
"""How long their owner has to say that they know (``notify.yaml``, at high risk)."""

OVERDUE_STEP = timedelta(minutes=60)
"""How long each of the chain for what is overdue is waited for."""

URGENT_STEP = timedelta(minutes=15)
"""How long each of the urgent chain is waited for; the coordinator for longer."""

AGAIN = timedelta(minutes=30)


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock(NOON)


@pytest.fixture
async def region(
    ground: Ground, clock: SimulatedClock, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Region]:
    """A region whose time stands still until the test moves it."""
    folder = tmp_path_factory.mktemp("silence")
    async with in_one_process(ground, folder, clock=clock) as running:
        yield running


async def a_team_was_asked(
    region: Region, police: ReferringAgency, coordinator: Coordinator
) -> tuple[str, dict[str, Asked]]:
    """Refer a case at high risk; give it, and who is asked to work on it."""
    referral = await police.refers(region.grave_referral())
    case: str = await eventually(region.case_of(referral))
    return case, await eventually(coordinator.finds_asked(case, *HIGH_RISK_TEAM))


async def a_deputy_was_told(
    region: Region, clock: SimulatedClock, coordinator: Coordinator, case: str
) -> tuple[Asked, Mapping[str, Any], Worker]:
    """Have whoever is asked be silent; give them, the offer's message, their deputy."""
    asked = (await eventually(coordinator.finds_asked(case, SUPPORT)))[SUPPORT]
    message = await eventually(asked.worker.sees(OFFERED, case))
    deputy = region.worker(asked.worker.entry["deputy"])
    await eventually(region.is_quiet)
    clock.advance(ACKNOWLEDGE)
    await eventually(deputy.sees_message(message["id"]))
    return asked, message, deputy


async def test_an_offer_that_nobody_answers_goes_to_somebody_else(
    region: Region,
    clock: SimulatedClock,
    police: ReferringAgency,
    coordinator: Coordinator,
) -> None:
    case = await eventually(region.case_of(await police.refers(region.referral())))
    first, message, deputy = await a_deputy_was_told(region, clock, coordinator, case)
    await eventually(region.is_quiet)
    clock.advance(ANSWER - ACKNOWLEDGE)

    await eventually(first.worker.sees(LAPSED, case))
    second = (await eventually(coordinator.finds_asked(case, SUPPORT)))[SUPPORT]
    assert second.worker.id != first.worker.id
    await eventually(second.worker.sees(OFFERED, case))
    [expired] = region.bus.all(LAPSED, case_id=case)
    assert expired.data["late_by"] == 0
    assert (await first.worker.accepts(first.allocation)).status == 409
    await second.accepts()
    assert not (await eventually(first.worker.finds_ended(message)))["acknowledged_at"]
    await eventually(region.is_quiet)
    clock.advance(STEP)
    await eventually(region.is_quiet)
    assert escalations(region, message) == [deputy.id]


async def test_an_offer_that_was_answered_is_told_to_nobody_else(
    region: Region,
    clock: SimulatedClock,
    police: ReferringAgency,
    coordinator: Coordinator,
) -> None:
    case, asked = await a_team_was_asked(region, police, coordinator)
    messages = {
        role: await eventually(each.worker.sees(OFFERED, case))
        for role, each in asked.items()
    }

    await asked[OUTREACH].accepts()
    await asked[SPECIALIST].declines()
    for role in (OUTREACH, SPECIALIST):
        ended = await eventually(asked[role].worker.finds_ended(messages[role]))
        assert ended["acknowledged_at"]
    await eventually(region.is_quiet)
    clock.advance(ACKNOWLEDGE_AT_HIGH_RISK)

    # Who was silent is told of to the next, so the sweep has passed.
    silent = {"notification_id": messages[LEAD]["id"]}
    await eventually(region.hears("notification.escalated.v1", **silent))
    await eventually(region.is_quiet)
    assert not escalations(region, messages[OUTREACH])
    assert not escalations(region, messages[SPECIALIST])


async def test_every_hour_of_silence_brings_the_next_and_then_the_alarm(
    region: Region,
    clock: SimulatedClock,
    police: ReferringAgency,
    coordinator: Coordinator,
) -> None:
    referral = await police.refers(region.grave_referral())
    case = await eventually(region.case_of(referral))
    await eventually(coordinator.finds_asked(case, SPECIALIST))
    await eventually(region.is_quiet)

    # At high risk somebody is to have accepted within an hour, through every silence.
    for asked in (2, 3, 4):
        clock.advance(ANSWER_AT_HIGH_RISK)
        await eventually(_has_been_offered(coordinator, case, asked))

    role = (await coordinator.roles_of(case))[SPECIALIST]
    assert len({each["worker_id"] for each in role["offers"]}) == 4
    await eventually(coordinator.sees(UNANSWERED, case))
    late = {"allocation_id": role["allocation_id"], "reason": "out_of_time"}
    await eventually(region.hears(UNFILLED, **late))
    await eventually(coordinator.sees(UNFILLED, case))
    unowned = await coordinator.reads("/api/allocation/v1/unowned")
    assert case in {each["case_id"] for each in unowned.json()["roles"]}


async def test_a_message_that_nobody_acknowledges_goes_up_the_chain(
    region: Region,
    clock: SimulatedClock,
    police: ReferringAgency,
    coordinator: Coordinator,
) -> None:
    owner, message = await an_action_is_overdue(region, clock, police, coordinator)
    roles = await coordinator.roles_of(message["case_id"])
    chain = [region.worker(roles[LEAD]["worker_id"]), coordinator]
    # Whoever was told already is passed over.
    steps = list({each.id: each for each in chain if each.id != owner.id}.values())

    clock.advance(ACKNOWLEDGE_OVERDUE)
    for told in steps:
        await eventually(told.sees_message(message["id"]))
        await eventually(region.is_quiet)
        clock.advance(OVERDUE_STEP)

    assert escalations(region, message)[: len(steps)] == [each.id for each in steps]


async def test_whoever_acknowledges_ends_the_chain_for_everybody(
    region: Region,
    clock: SimulatedClock,
    police: ReferringAgency,
    coordinator: Coordinator,
) -> None:
    case = await eventually(region.case_of(await police.refers(region.referral())))
    _, message, deputy = await a_deputy_was_told(region, clock, coordinator, case)

    await deputy.acknowledges(message)
    await eventually(region.is_quiet)
    clock.advance(timedelta(days=1))

    # The alarm that the role is not filled comes after it, so the sweep has passed.
    await eventually(region.hears(UNFILLED, case_id=case))
    await eventually(region.is_quiet)
    assert escalations(region, message) == [deputy.id]


async def test_the_coordinator_is_told_again_until_they_acknowledge(
    region: Region,
    clock: SimulatedClock,
    police: ReferringAgency,
    coordinator: Coordinator,
) -> None:
    _, message = await an_action_is_overdue(region, clock, police, coordinator)

    clock.advance(ACKNOWLEDGE_OVERDUE)
    while not escalations(region, message, told=coordinator.id):
        await eventually(region.is_quiet)
        clock.advance(URGENT_STEP)
    clock.advance(OVERDUE_STEP)

    async def told_again() -> bool:
        return len(escalations(region, message, told=coordinator.id)) >= 2

    await eventually(told_again)
    await coordinator.acknowledges(message)
    await eventually(region.is_quiet)
    told = escalations(region, message)
    clock.advance(AGAIN)
    await eventually(region.is_quiet)
    assert escalations(region, message) == told


async def an_action_is_overdue(
    region: Region,
    clock: SimulatedClock,
    police: ReferringAgency,
    coordinator: Coordinator,
) -> tuple[Worker, dict[str, Any]]:
    """Have a case at high risk in which a specialist keeps no commitment.

    Gives the specialist, and a message in their inbox that they should acknowledge.
    """
    case, asked = await a_team_was_asked(region, police, coordinator)
    for each in asked.values():
        await each.accepts()
    owner = asked[SPECIALIST].worker
    await eventually(owner.owes(case))
    await eventually(region.is_quiet)
    clock.advance(OVERDUE_AFTER)
    message: dict[str, Any] = await eventually(owner.sees(OVERDUE, case))
    await eventually(region.is_quiet)
    return owner, message


def escalations(region: Region, message: Mapping[str, Any], **fields: str) -> list[str]:
    """Give who was told because nobody had acknowledged a message, in order."""
    type_ = "notification.escalated.v1"
    heard = region.bus.all(type_, notification_id=message["id"], **fields)
    return [each.data["told"] for each in heard]


def _has_been_offered(coordinator: Coordinator, case: str, times: int) -> Look:
    async def look() -> bool:
        role = await coordinator.finds(case, SPECIALIST, "offered")()
        return role is not None and len(role["offers"]) == times

    return look
