"""The same two people again, told of by somebody else: one case, everything known."""

import asyncio
from datetime import timedelta

from app import Region, eventually
from people import HIGH_RISK_TEAM, SUPPORT, Coordinator, ReferringAgency


async def test_a_household_referred_again_joins_its_case_as_a_repeat(
    region: Region,
    police: ReferringAgency,
    hospital: ReferringAgency,
    coordinator: Coordinator,
) -> None:
    told = region.referral(yes=("prior_violence",))
    first = await police.refers(told)
    case = await eventually(region.case_of(first))
    await eventually(police.is_told("assessed", of=first))
    assert (await coordinator.risk_of(case))["level"] == "low"

    again = region.referral(
        people=told["people"],
        yes=("escalation",),
        incidents=["physical_harm"],
        occurred_at=(region.clock.now() - timedelta(days=7)).isoformat(),
    )
    second = await hospital.refers(again)

    assert await eventually(region.case_of(second)) == case
    await eventually(hospital.is_told("assessed", of=second))
    for each in (first, second):
        await eventually(region.hears("referral.received.v1", referral_id=each))
    received = region.bus.all("referral.received.v1", case_id=case)
    assert [each.data["repeat"] for each in received] == [False, True]
    # Two of verbal abuse and physical harm (4), of prior violence and escalation (6),
    # and of the repeat (2) together reach medium; no one of them does.
    risk = await coordinator.risk_of(case)
    assert (risk["level"], risk["previous"]) == ("medium", "low")
    assert {*risk["reasons"]} == {
        "prior_violence", "escalation", "incident_verbal_abuse",
        "incident_physical_harm", "repeat",
    }  # fmt: skip


async def test_each_agency_is_told_of_its_own_referral_only(
    region: Region, police: ReferringAgency, hospital: ReferringAgency
) -> None:
    told = region.referral()
    first = await police.refers(told)
    await eventually(region.case_of(first))
    second = await hospital.refers(region.referral(people=told["people"]))
    await eventually(hospital.is_told("assessed", of=second))

    assert (await police.asks_after(first)).status == 200
    assert (await police.asks_after(second)).status == 404
    assert (await hospital.asks_after(first)).status == 404


async def test_a_rise_to_high_risk_brings_those_who_work_at_high_risk(
    region: Region,
    police: ReferringAgency,
    hospital: ReferringAgency,
    coordinator: Coordinator,
) -> None:
    told = region.referral()
    case = await eventually(region.case_of(await police.refers(told)))
    asked = (await eventually(coordinator.finds_asked(case, SUPPORT)))[SUPPORT]
    await asked.accepts()
    plan = await eventually(coordinator.reads_plan(case))

    await hospital.refers(region.grave_referral(people=told["people"]))

    await eventually(coordinator.finds_asked(case, *HIGH_RISK_TEAM))
    assert (await coordinator.roles_of(case))[SUPPORT]["status"] == "accepted"
    [changed] = region.bus.all("risk.changed.v1", case_id=case)
    assert (changed.data["previous"], changed.data["level"]) == ("low", "high")

    async def drafted_anew() -> bool:
        found = await coordinator.reads_plan(case)()
        return bool(found and found["plan_version"] == plan["plan_version"] + 1)

    await eventually(drafted_anew)


async def test_two_first_referrals_at_once_make_one_case(
    region: Region, police: ReferringAgency, hospital: ReferringAgency
) -> None:
    told = region.referral()

    same = region.referral(people=told["people"], occurred_at=told["occurred_at"])
    first, second = await asyncio.gather(police.refers(told), hospital.refers(same))

    case = await eventually(region.case_of(first))
    assert await eventually(region.case_of(second)) == case
    assert len(region.bus.all("case.opened.v1", case_id=case)) == 1
    # Police and the hospital tell of one night.
    received = region.bus.all("referral.received.v1", case_id=case)
    assert [each.data["repeat"] for each in received] == [False, False]
