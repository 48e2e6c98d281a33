"""A closed case waits for nobody: it is not to be assessed anew until it is told of.

The services' time is simulated, so months take no time; everything else is real.
"""

from datetime import timedelta

import pytest
from accord_chassis.clock import SimulatedClock
from accord_chassis.testing import NOON
from app import Region, eventually, help_until_closed
from people import Coordinator, ReferringAgency

REASSESSED = timedelta(days=60)
"""When a case at low risk is to be assessed anew (``risk.yaml``)."""

DUE = "risk.reassessment_due.v1"


@pytest.fixture(scope="module")
def clock() -> SimulatedClock:
    """Stands still until the test moves it."""
    return SimulatedClock(NOON)


async def test_a_closed_case_is_called_for_only_after_it_was_referred_again(
    region: Region,
    clock: SimulatedClock,
    police: ReferringAgency,
    coordinator: Coordinator,
) -> None:
    told = region.calm_referral()
    case = await eventually(region.case_of(await police.refers(told)))
    await help_until_closed(coordinator, case)
    await eventually(region.is_quiet)
    risk = await coordinator.risk_of(case)
    assert (risk["reassessment"], risk["reassess_by"]) == ("stopped", None)
    assert risk["level"] == "low"

    clock.advance(10 * REASSESSED)
    await eventually(region.is_quiet)
    assert not region.bus.all(DUE)

    again = await police.refers(region.referral(people=told["people"]))
    await eventually(police.is_told("assessed", of=again))
    assert await eventually(region.case_of(again)) == case
    await eventually(region.is_quiet)
    assert (await coordinator.risk_of(case))["reassessment"] == "ahead"
    clock.advance(REASSESSED)
    await eventually(region.hears(DUE, case_id=case))
