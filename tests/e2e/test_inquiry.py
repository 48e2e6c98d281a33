"""Agencies are asked what they know: one declines, one shares what raises the risk."""

from datetime import timedelta
from typing import Any

import pytest
from accord_chassis.clock import SimulatedClock
from accord_chassis.testing import NOON, new_id
from app import Region, eventually
from meetings import PATH, is_on_the_docket
from people import HIGH_RISK_TEAM, Coordinator, ReferringAgency

DECIDED = "information.decided.v1"
OVERDUE = "information.overdue.v1"

GROUNDS = {"belief": "may_help", "consulted": True}


@pytest.fixture(scope="module")
def clock() -> SimulatedClock:
    return SimulatedClock(NOON)


async def asked(
    region: Region, coordinator: Coordinator, case: str, *agencies: str
) -> dict[str, str]:
    """Have agencies asked about everybody in a case: the inquiries' ids, by agency."""
    held = await region.database("referrals")["cases"].find_one({"_id": case})
    assert held
    people = [each["person_id"] for each in held["people"]]
    told = {"agencies": agencies, "people": people, "purpose": "fva20_c", **GROUNDS}
    path = f"/api/referrals/v1/cases/{case}/inquiries"
    answer = await coordinator.sends("POST", path, told)
    assert answer.status == 201, answer.body
    made: list[dict[str, Any]] = answer.json()["inquiries"]
    return {each["agency"]: each["inquiry_id"] for each in made}


async def decides(agency: ReferringAgency, inquiry: str, **told: Any) -> None:
    path = f"/api/referrals/v1/inquiries/{inquiry}/decision"
    answer = await agency.sends("POST", path, {**GROUNDS, **told})
    assert answer.ok, answer.body


async def test_one_agency_declines_another_raises_the_level_a_third_is_silent(
    region: Region,
    clock: SimulatedClock,
    police: ReferringAgency,
    hospital: ReferringAgency,
    coordinator: Coordinator,
) -> None:
    case = await eventually(region.case_of(await police.refers(region.referral())))
    await eventually(region.hears("risk.assessed.v1", case_id=case))
    assert (await coordinator.risk_of(case))["level"] == "low"
    agencies = ("hospital", "corrections", "refuge")
    inquiries = await asked(region, coordinator, case, *agencies)

    await decides(
        region.agency("corrections"),
        inquiries["corrections"],
        decision="declined",
        reason="nothing_held",
    )
    await decides(
        hospital,
        inquiries["hospital"],
        decision="shared",
        reason="will_or_may_help",
        answers={"strangulation": "yes"},
    )

    declined = await eventually(
        region.hears(DECIDED, inquiry_id=inquiries["corrections"])
    )
    assert (declined.data["decision"], declined.data["answers"]) == ("declined", {})
    await eventually(region.hears("risk.changed.v1", case_id=case, level="high"))
    assessment = await coordinator.risk_of(case)
    assert assessment["level"] == "high"
    assert "strangulation" in assessment["reasons"]
    await eventually(coordinator.finds_asked(case, *HIGH_RISK_TEAM))

    async def both_told() -> bool:
        return len(await coordinator.all_seen(DECIDED, case)) == 2

    await eventually(both_told)

    await eventually(region.is_quiet)
    clock.advance(timedelta(hours=25))
    overdue = await eventually(region.hears(OVERDUE, case_id=case))
    assert overdue.data["inquiry_id"] == inquiries["refuge"]
    await eventually(coordinator.sees(OVERDUE, case))
    await eventually(region.is_quiet)
    assert len(region.bus.all(OVERDUE, case_id=case)) == 1

    async def all_entered() -> bool:
        ledger = region.database("referrals")["disclosures"]
        return await ledger.count_documents({"case_id": case, "holder": "hospital"}) > 0

    await eventually(all_entered)
    await hospital_answers_before_the_meeting(region, case, coordinator)
    assert not await region.parked()


async def hospital_answers_before_the_meeting(
    region: Region, case: str, coordinator: Coordinator
) -> None:
    """Have a meeting called, its agencies asked but one, and the hospital answer."""
    await is_on_the_docket(region, case)
    meeting, starts = f"{PATH}/{new_id()}", region.clock.now() + timedelta(hours=2)
    called = {"starts_at": starts.isoformat(), "cases": [case]}
    assert (await coordinator.sends("PUT", meeting, called)).ok
    told = {"cases": [{"case_id": case, **GROUNDS, "leave_out": ["refuge"]}]}
    asking = await coordinator.sends("POST", f"{meeting}/inquiries", told)
    assert asking.status == 202, asking.body
    due = asking.json()["answers_by"]

    async def answers() -> dict[str, str | None]:
        [shown] = (await coordinator.sends("GET", meeting)).json()["cases"]
        asked_ = (each for each in shown["asked"] if each["needed_by"] == due)
        return {each["agency"]: each["decision"] for each in asked_}

    async def all_asked() -> bool:
        return (await answers()).keys() == {"police", "corrections", "hospital"}

    await eventually(all_asked)
    hospital = region.agency("hospital")
    listed = await hospital.sends("GET", "/api/referrals/v1/inquiries")
    [own] = [each for each in listed.json()["inquiries"] if each["needed_by"] == due]
    nothing = {"decision": "declined", "reason": "nothing_held"}
    await decides(hospital, own["inquiry_id"], **nothing)

    async def answered() -> bool:
        return (await answers())["hospital"] == "declined"

    await eventually(answered)
    assert (await answers())["corrections"] is None
