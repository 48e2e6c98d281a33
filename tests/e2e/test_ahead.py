"""A release is known ahead: the clock starts before it, and an alarm rises in time.

The services' time is simulated; everything else is real.
"""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest
from accord_chassis.clock import SimulatedClock
from accord_chassis.testing import NOON
from app import Region, eventually
from people import (
    HIGH_RISK_TEAM,
    LEAD,
    REFERRALS,
    Asked,
    Coordinator,
    ReferringAgency,
    Worker,
)
from regions import Ground, in_one_process

SCHEDULED = "trigger.scheduled.v1"
FELL_DUE = "trigger.fell_due.v1"
ALARM = "plan.not_in_force.v1"
ASSESSED = "risk.assessed.v1"

NEAR = timedelta(days=28)
"""From how long before it a release weighs (``risk.yaml``)."""

IN_FORCE = timedelta(hours=72)
"""How long before it a plan must be agreed (``plans.yaml``)."""

MINUTE = timedelta(minutes=1)

# A Monday, two months on: summer time has begun, and midnight is 11:00 in UTC.
RELEASE_DAY = "2027-01-04"
RELEASE = datetime.fromisoformat("2027-01-03T11:00:00Z")
LATER_DAY = "2027-01-11"
LATER = RELEASE + timedelta(days=7)


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock(NOON)


@pytest.fixture
async def region(
    ground: Ground, clock: SimulatedClock, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Region]:
    """A region whose time stands still until the test moves it."""
    folder = tmp_path_factory.mktemp("ahead")
    async with in_one_process(ground, folder, clock=clock) as running:
        yield running


async def a_team_expects_a_release(
    region: Region, police: ReferringAgency, coordinator: Coordinator
) -> tuple[str, str, Worker]:
    """Refer a family of whom somebody is to be released; have a team and a plan.

    Gives the referral, the case and who leads.
    """
    told = region.grave_referral(
        triggers=[{"kind": "prison_release", "on": RELEASE_DAY, "about": [1]}]
    )
    referral = await police.refers(told)
    case: str = await eventually(region.case_of(referral))
    asked: dict[str, Asked] = await eventually(
        coordinator.finds_asked(case, *HIGH_RISK_TEAM)
    )
    for each in asked.values():
        await each.accepts()
    await coordinator.agrees(await eventually(coordinator.reads_plan(case)))
    await eventually(region.hears(SCHEDULED, case_id=case))
    await eventually(region.is_quiet)
    return referral, case, asked[LEAD].worker


async def move_to(region: Region, clock: SimulatedClock, at: datetime) -> None:
    """Let time pass, and everything happen that falls due until then."""
    clock.advance(at - clock.now())
    await eventually(region.is_quiet)


def reassessed_for_it(region: Region, case: str) -> int:
    """Count the assessments in which the release weighed."""
    heard = region.bus.all(ASSESSED, case_id=case)
    return sum("trigger_prison_release" in each.data["reasons"] for each in heard)


async def test_future_dated_release_with_an_alarm(
    region: Region,
    clock: SimulatedClock,
    police: ReferringAgency,
    coordinator: Coordinator,
) -> None:
    _, case, lead = await a_team_expects_a_release(region, police, coordinator)
    assert reassessed_for_it(region, case) == 0
    assert await coordinator.reads_plan(case, "agreed")()

    # Well before the day, the case is weighed again, and there is a draft to agree to.
    await move_to(region, clock, RELEASE - NEAR)
    drafted = await eventually(coordinator.reads_plan(case))
    assert reassessed_for_it(region, case) == 1
    assert "trigger_prison_release" in (await coordinator.risk_of(case))["reasons"]

    # Nobody agrees to it. One minute before the time for it, nothing is said.
    await move_to(region, clock, RELEASE - IN_FORCE - MINUTE)
    assert not region.bus.all(ALARM, case_id=case)
    await move_to(region, clock, RELEASE - IN_FORCE)
    alarm = await eventually(region.hears(ALARM, case_id=case))
    assert alarm.data["late_by"] == 0
    assert alarm.routing_key.endswith(".urgent")
    message = await eventually(lead.sees(ALARM, case))

    # The lead is silent, so that the coordinator comes to know.
    for _step in range(6):
        if await coordinator.sees_message(message["id"])():
            break
        await move_to(region, clock, clock.now() + timedelta(minutes=31))
    await eventually(coordinator.sees_message(message["id"]))

    # Agreeing ends the alarm for everybody, though nobody has acknowledged it.
    await coordinator.agrees(drafted)
    ended = await eventually(lead.finds_ended(message))
    assert ended["acknowledged_at"] is None

    # On the day everybody is told, and the case is weighed once more.
    await move_to(region, clock, RELEASE)
    there = await eventually(region.hears(FELL_DUE, case_id=case))
    assert there.data["late_by"] == 0
    await eventually(lead.sees(FELL_DUE, case))
    await eventually(region.is_quiet)
    assert reassessed_for_it(region, case) == 2
    await move_to(region, clock, RELEASE + timedelta(hours=1))
    for kind in (FELL_DUE, ALARM):
        assert len(region.bus.all(kind, case_id=case)) == 1


async def test_a_release_that_is_put_off_takes_its_clocks_along(
    region: Region,
    clock: SimulatedClock,
    police: ReferringAgency,
    coordinator: Coordinator,
) -> None:
    referral, case, _ = await a_team_expects_a_release(region, police, coordinator)
    path = f"{REFERRALS}/{referral}/triggers/0"

    moved = await police.sends("PUT", path, {"on": LATER_DAY})
    assert moved.ok, moved.body
    await eventually(region.is_quiet)

    await move_to(region, clock, RELEASE - NEAR)
    assert reassessed_for_it(region, case) == 0
    await move_to(region, clock, LATER - NEAR)
    assert reassessed_for_it(region, case) == 1
    await move_to(region, clock, LATER - IN_FORCE)
    alarm = await eventually(region.hears(ALARM, case_id=case))
    assert datetime.fromisoformat(alarm.data["happens_at"]) == LATER
    assert not region.bus.all(FELL_DUE, case_id=case)

    answer = await police.sends("DELETE", path)
    assert answer.status == 204, answer.body
    await eventually(region.is_quiet)
    await move_to(region, clock, LATER + timedelta(hours=1))
    assert not region.bus.all(FELL_DUE, case_id=case)
