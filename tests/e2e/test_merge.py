"""Two cases are one household: merged by a person, in every service, and taken back."""

from collections.abc import Awaitable, Callable
from typing import Any

from app import Region, eventually
from people import (
    HIGH_RISK_TEAM,
    OFFERED,
    SPECIALIST,
    SUPPORT,
    Coordinator,
    ReferringAgency,
    Somebody,
)


async def test_merged_and_unmerged_in_every_service(
    region: Region,
    police: ReferringAgency,
    hospital: ReferringAgency,
    coordinator: Coordinator,
) -> None:
    told, other_told = region.referral(), region.grave_referral()
    case = await eventually(region.case_of(await police.refers(told)))
    other = await eventually(region.case_of(await hospital.refers(other_told)))
    asked = await eventually(coordinator.finds_asked(other, *HIGH_RISK_TEAM))
    await asked[SPECIALIST].accepts()
    specialist = asked[SPECIALIST].worker
    await eventually(specialist.owes(other))
    await eventually(coordinator.finds_asked(case, SUPPORT))
    assert not (await specialist.reads(f"/api/plans/v1/plans/{case}")).ok
    await eventually(region.is_quiet)

    assert (await coordinator.merges(case, other)).ok
    await eventually(region.hears("case.merged.v1", case_id=other))
    await eventually(region.is_quiet)

    # Risk: the higher of both, and what it rests on.
    risk = await coordinator.risk_of(case)
    assert (risk["level"], risk["merged"]) == ("high", [other])
    assert {"threat_to_kill", "escalation"} <= {*risk["reasons"]}
    assert (await coordinator.risk_of(other))["merged_into"] == case
    # Allocation: one team; the specialist is asked of nobody else.
    roles = await region.actors.roles_of(case)
    standing = [each for each in roles if each["status"] != "ended"]
    assert [
        (each["case_id"], each["worker_id"], each["status"])
        for each in standing
        if each["role"] == SPECIALIST
    ] == [(other, specialist.id, "accepted")]
    assert {each["case_id"] for each in standing if each["role"] != SPECIALIST} == {
        case
    }
    # Plans: what the specialist took on stands in the one plan, marked where from.
    plan = (await specialist.reads(f"/api/plans/v1/plans/{case}")).json()
    carried = [each for each in plan["actions"] if each["from_case"] == other]
    assert carried
    assert {each["worker_id"] for each in carried} == {specialist.id}
    done = carried[0] | {"case_id": case}
    assert (await specialist.does(done)).ok
    # Notify: what happens in the other's name finds both teams; who were asked for
    # roles that are taken back read that they are over.
    withdrawn = region.bus.all("allocation.withdrawn.v1", case_id=other)
    assert withdrawn
    assert {each.data["reason"] for each in withdrawn} == {"case_merged"}
    taken_back = region.worker(withdrawn[0].data["worker_id"])
    offer = await eventually(taken_back.sees(OFFERED, other))
    assert offer["ended_at"]
    # Referrals: the same household again joins the survivor.
    again = region.referral(people=other_told["people"])
    assert await eventually(region.case_of(await police.refers(again))) == case
    await eventually(region.is_quiet)

    assert (await coordinator.unmerges(case, other)).ok
    await eventually(region.hears("case.unmerged.v1", case_id=other))
    await eventually(region.is_quiet)

    own, theirs = await coordinator.risk_of(case), await coordinator.risk_of(other)
    assert (own["level"], own["merged"]) == ("low", [])
    assert (theirs["level"], theirs["merged_into"]) == ("high", None)
    plan = (await coordinator.reads(f"/api/plans/v1/plans/{case}")).json()
    assert not [each for each in plan["actions"] if each["from_case"]]
    back = (await specialist.reads(f"/api/plans/v1/plans/{other}")).json()
    kept = {each["action_id"]: each["done_at"] for each in back["actions"]}
    assert kept[carried[0]["action_id"]]
    # Who works on a case is believed for five seconds.
    await eventually(sees_no_more(specialist, f"/api/plans/v1/plans/{case}"), within=15)
    await eventually(finds_open(region, other, *HIGH_RISK_TEAM))


def sees_no_more(worker: Somebody, path: str) -> Callable[[], Awaitable[bool]]:
    """Look whether somebody may not read something any more."""

    async def look() -> bool:
        return not (await worker.reads(path)).ok

    return look


def finds_open(
    region: Region, case: str, *wanted: str
) -> Callable[[], Awaitable[bool]]:
    """Look whether a case has these roles of its own again, and no other."""

    async def look() -> bool:
        roles: list[dict[str, Any]] = await region.actors.roles_of(case)
        standing = [each for each in roles if each["status"] != "ended"]
        found = {(each["case_id"], each["role"]) for each in standing}
        return found == {(case, role) for role in wanted}

    return look
