"""The journey the platform is for: from a referral to a plan that was carried out."""

from accord_chassis.testing import new_id
from app import Region, eventually
from people import (
    DRAFTED,
    HIGH_RISK_TEAM,
    OFFERED,
    SUPPORT,
    Coordinator,
    ReferringAgency,
)

TOLD_TO_AGENCY = {
    "referral_id", "reference", "status", "received_at", "assessed_at",
    "allocated_at", "being_acted_on_at", "contact_made_at", "closed_at", "closed_as",
    "more_information_needed", "expected", "amendments", "withdrawn",
    "parts_corrected_at",
}  # fmt: skip
"""All that an agency is told of the response."""

STAGES = (
    "received", "assessed", "allocated", "being_acted_on", "contact_made", "closed",
)  # fmt: skip

NOT_PROVEN = "urn:accord:problem:not-proven"


async def test_a_household_at_high_risk_is_helped_until_the_plan_is_closed(
    region: Region, police: ReferringAgency, coordinator: Coordinator
) -> None:
    referral = await police.refers(region.grave_referral())
    assert (await police.asks_after(referral)).json()["status"] in STAGES[:2]
    await eventually(police.is_told("assessed", of=referral))
    case = await eventually(region.case_of(referral))
    risk = await coordinator.risk_of(case)
    assert risk["level"] == "high"
    assert {"threat_to_kill", "incident_threats_of_harm"} <= {*risk["reasons"]}

    asked = await eventually(coordinator.finds_asked(case, *HIGH_RISK_TEAM))
    assert asked.keys() == {*HIGH_RISK_TEAM}
    for each in asked.values():
        message = await eventually(each.worker.sees(OFFERED, case))
        assert message["about_id"] == each.allocation
        assert message["urgency"] == "high"
    plan = await eventually(coordinator.reads_plan(case))
    assert {each["worker_id"] for each in plan["actions"]} == {None}
    for each in asked.values():
        await each.accepts()
        assert await eventually(each.worker.owes(case))
    await eventually(region.has_reached("allocated", referral))

    await coordinator.agrees(plan)
    await eventually(region.has_reached("being_acted_on", referral))
    assert (await coordinator.closes(case)).status == 409
    for each in asked.values():
        for action in await each.worker.owes(case)():
            assert (await each.worker.does(action)).ok
        assert not await each.worker.owes(case)()
    await eventually(region.has_reached("contact_made", referral))
    unproved = await coordinator.closes(case)
    assert (unproved.status, unproved.json()["type"]) == (409, NOT_PROVEN)
    assert "held_at_low" in unproved.json()["detail"]
    moved = await coordinator.closes(case, "moved_to_another_region")
    assert (moved.status, moved.json()["type"]) == (409, NOT_PROVEN)
    assert (await coordinator.closes(case, "died")).ok

    end = await eventually(region.has_reached("closed", referral))
    times = [end[f"{stage}_at"] for stage in STAGES]
    assert times == sorted(times)
    assert end["closed_as"] == "ended"
    told = (await police.asks_after(referral)).json()
    assert (told["status"], told["closed_as"]) == ("assessed", None)


async def test_a_team_is_dissolved_and_its_places_are_free_when_the_plan_is_closed(
    region: Region, police: ReferringAgency, coordinator: Coordinator
) -> None:
    case = await eventually(region.case_of(await police.refers(region.referral())))
    asked = (await eventually(coordinator.finds_asked(case, SUPPORT)))[SUPPORT]
    offered = await coordinator.directory_entry(asked.worker.id)
    await asked.accepts()
    await eventually(region.hears("case_team.changed.v1", case_id=case))
    plan = await eventually(coordinator.reads_plan(case))
    await coordinator.agrees(plan)
    for action in await eventually(asked.worker.owes(case)):
        assert (await asked.worker.does(action)).ok

    assert (await coordinator.closes(case, "died", second=asked.worker)).ok

    await eventually(region.hears("case_team.changed.v1", case_id=case, members=[]))
    await eventually(coordinator.finds(case, SUPPORT, "ended"))
    await eventually(region.is_quiet)
    free = await coordinator.directory_entry(asked.worker.id)
    assert (free["load"], free["places"]) == (
        offered["load"] - 1,
        offered["places"] - 1,
    )


async def test_an_agency_is_told_how_far_it_has_come_and_nothing_else(
    region: Region, police: ReferringAgency, coordinator: Coordinator
) -> None:
    referral = await police.refers(region.grave_referral())
    case = await eventually(region.case_of(referral))
    asked = await eventually(coordinator.finds_asked(case, *HIGH_RISK_TEAM))
    for each in asked.values():
        await each.accepts()
    await eventually(region.has_reached("allocated", referral))

    answer = await police.asks_after(referral)

    assert answer.json().keys() == TOLD_TO_AGENCY
    assert answer.headers["cache-control"] == "no-store"
    others = {case, "high", *(each.worker.id for each in asked.values())}
    assert not [each for each in others if each.encode() in answer.body]


async def test_another_agency_cannot_tell_that_there_is_a_referral(
    region: Region, police: ReferringAgency, hospital: ReferringAgency
) -> None:
    referral = await police.refers(region.referral())
    await eventually(region.case_of(referral))

    anothers = await hospital.asks_after(referral)
    nobodys = await hospital.asks_after(new_id())

    assert anothers.status == nobodys.status == 404
    told, told_of_none = anothers.json(), nobodys.json()
    assert told.pop("instance") != told_of_none.pop("instance")
    assert told == told_of_none


async def test_those_who_work_on_a_case_are_told_of_its_next_draft(
    region: Region, police: ReferringAgency, coordinator: Coordinator
) -> None:
    told = region.referral()
    case = await eventually(region.case_of(await police.refers(told)))
    asked = (await eventually(coordinator.finds_asked(case, SUPPORT)))[SUPPORT]
    await asked.accepts()
    await eventually(region.hears("case_team.changed.v1", case_id=case))
    await eventually(region.is_quiet)
    assert not await asked.worker.all_seen(DRAFTED, case)

    await police.refers(region.grave_referral(people=told["people"]))

    await eventually(asked.worker.sees(DRAFTED, case))
    await eventually(asked.worker.sees("risk.changed.v1", case))
