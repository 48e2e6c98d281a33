"""Somebody is barred from a case that they work on, or leaves: they are replaced.

The services' time is simulated; everything else is real.
"""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
from accord_chassis.clock import SimulatedClock
from accord_chassis.testing import NOON
from app import Region, eventually
from people import OFFERED, SUPPORT, Coordinator, ReferringAgency
from regions import Ground, in_one_process

ESCALATED = "notification.escalated.v1"
SENT = "notification.sent.v1"

ACKNOWLEDGE = timedelta(minutes=30)
"""How long somebody has to say that they have seen an offer (``notify.yaml``)."""


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock(NOON)


@pytest.fixture
async def region(
    ground: Ground, clock: SimulatedClock, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Region]:
    """A region whose time stands still until the test moves it."""
    folder = tmp_path_factory.mktemp("lists")
    async with in_one_process(ground, folder, clock=clock) as running:
        yield running


async def test_whoever_is_barred_after_accepting_is_replaced_and_told_nothing_more(
    region: Region,
    clock: SimulatedClock,
    police: ReferringAgency,
    coordinator: Coordinator,
) -> None:
    case = await eventually(region.case_of(await police.refers(region.referral())))
    first = (await eventually(coordinator.finds_asked(case, SUPPORT)))[SUPPORT]
    await eventually(first.worker.sees(OFFERED, case))
    await first.accepts()
    await eventually(first.worker.owes(case))
    await eventually(region.is_quiet)

    lists = {"conflicts": [first.worker.id]}
    assert (await coordinator.lists(case, lists)).ok

    second = (await eventually(coordinator.finds_asked(case, SUPPORT)))[SUPPORT]
    assert second.worker.id != first.worker.id
    offer = await eventually(second.worker.sees(OFFERED, case))

    async def nothing_shown() -> bool:
        return case not in {each["case_id"] for each in await first.worker.inbox()}

    await eventually(nothing_shown)
    assert (await coordinator.reads_plan(case)())["actions"]
    assert not await first.worker.owes(case)()

    deputy = region.worker(second.worker.entry["deputy"])
    lists = {"conflicts": [first.worker.id], "excluded": [deputy.id]}
    assert (await coordinator.lists(case, lists)).ok
    await eventually(region.is_quiet)
    clock.advance(ACKNOWLEDGE)

    escalated = await eventually(region.hears(ESCALATED, case_id=case))
    assert escalated.data["told"] not in {first.worker.id, deputy.id}
    assert escalated.data["notification_id"] == offer["id"]
    assert escalated.data["step"] > 1
    assert not await deputy.sees_message(offer["id"])()
    assert await nothing_shown()
    told = {
        each.data["worker_id"]
        for each in region.bus.all(SENT, case_id=case)
        if datetime.fromisoformat(each.data["sent_at"]) > NOON
    }
    assert told.isdisjoint({first.worker.id, deputy.id})
    await second.accepts()
    await eventually(second.worker.owes(case))


async def test_whoever_leaves_the_directory_is_replaced_and_told_nothing_more(
    region: Region, police: ReferringAgency, coordinator: Coordinator
) -> None:
    case = await eventually(region.case_of(await police.refers(region.referral())))
    first = (await eventually(coordinator.finds_asked(case, SUPPORT)))[SUPPORT]
    await first.accepts()
    await eventually(first.worker.owes(case))

    left = {**first.worker.entry, "active": False}
    path = f"/api/allocation/v1/workers/{first.worker.id}"
    assert (await coordinator.sends("PUT", path, left)).ok

    second = (await eventually(coordinator.finds_asked(case, SUPPORT)))[SUPPORT]
    assert second.worker.id != first.worker.id
    await eventually(second.worker.sees(OFFERED, case))

    async def ownerless() -> bool:
        plan = await coordinator.reads_plan(case)()
        owners = {each["worker_id"] for each in plan["actions"]} if plan else None
        return owners == {None}

    await eventually(ownerless)
    entry = await coordinator.directory_entry(first.worker.id)
    assert (entry["load"], entry["places"]) == (0, 0)
    await second.accepts()
    await eventually(second.worker.owes(case))
