"""She was named as the one who uses violence: a person puts it right, everywhere."""

from app import Region, eventually
from people import (
    HIGH_RISK_TEAM,
    OUTREACH,
    SPECIALIST,
    Coordinator,
    ReferringAgency,
)
from test_merge import sees_no_more

QUESTIONED, DECIDED = "roles.questioned.v1", "roles.decided.v1"
RECEIVED = "referral.received.v1"
HARMED, USING = "person_harmed", "person_using_violence"


async def test_a_misidentified_aggressor_is_put_right_everywhere(
    region: Region,
    police: ReferringAgency,
    hospital: ReferringAgency,
    coordinator: Coordinator,
) -> None:
    # It is told wrongly from the first: he is served as who is harmed.
    told = region.grave_referral()
    case = await eventually(region.case_of(await police.refers(told)))
    asked = await eventually(coordinator.finds_asked(case, *HIGH_RISK_TEAM))
    for role in (SPECIALIST, OUTREACH):
        await asked[role].accepts()
    first, outreach = asked[SPECIALIST].worker, asked[OUTREACH].worker
    await eventually(first.owes(case))
    await eventually(outreach.owes(case))
    plan = await eventually(coordinator.reads_plan(case))
    await coordinator.agrees(plan)
    await eventually(region.is_quiet)

    # The hospital knows better: it turns the parts round, so nothing is sent.
    swapped = {HARMED: USING, USING: HARMED}
    people = [
        {**each, "role": swapped.get(each["role"], each["role"])}
        for each in told["people"]
    ]
    await hospital.refers(region.grave_referral(people=people))
    doubt = await eventually(region.hears(QUESTIONED, case_id=case))
    await eventually(coordinator.sees(QUESTIONED, case))
    assert len(region.bus.all(RECEIVED, case_id=case)) == 1

    right = {
        "harmed": doubt.data["harmed"],
        "using_violence": doubt.data["using_violence"],
        "reason": "looked_into",
    }
    path = f"/api/referrals/v1/cases/{case}/roles"
    assert (await coordinator.sends("POST", path, right)).status == 204

    await eventually(region.hears(DECIDED, case_id=case, corrected=True))
    await eventually(coordinator.sees(DECIDED, case))
    # Both who served somebody as what they are not are replaced, by neither of them.
    anew = await eventually(coordinator.finds_asked(case, SPECIALIST, OUTREACH))
    met = {first.id, outreach.id}
    assert not met & {anew[each].worker.id for each in (SPECIALIST, OUTREACH)}
    for each in (first, outreach):
        # Who works on a case is believed for five seconds.
        await eventually(sees_no_more(each, f"/api/plans/v1/plans/{case}"))
    await eventually(region.is_quiet)
    received = region.bus.all(RECEIVED, case_id=case)
    assert [
        {each["role"]: each["person_id"] for each in one.data["parties"]}[HARMED]
        for one in received
    ] == [right["using_violence"], right["harmed"]]
    # What was agreed must be agreed anew, and risk is to be looked at by people now.
    again = await coordinator.reads_plan(case)()
    assert again
    assert again["plan_version"] > plan["plan_version"]
    stale = {"plan_version": plan["plan_version"]}
    agreed = await coordinator.sends(
        "POST", f"/api/plans/v1/plans/{case}/agreement", stale
    )
    assert agreed.status == 409
    counts = (await coordinator.reads("/api/referrals/v1/roles")).json()["counts"]
    assert counts["corrected"] >= 1
