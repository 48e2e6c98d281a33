"""A worker says no: somebody else is asked in the same moment, and never they again."""

from accord_contracts.allocation import DeclineReason
from app import Region, eventually
from people import OFFERED, OUTREACH, SPECIALIST, UNFILLED, Coordinator, ReferringAgency


async def test_a_declined_role_goes_to_somebody_else_at_once(
    region: Region, police: ReferringAgency, coordinator: Coordinator
) -> None:
    case = await eventually(
        region.case_of(await police.refers(region.grave_referral()))
    )
    first = (await eventually(coordinator.finds_asked(case, SPECIALIST)))[SPECIALIST]
    await eventually(region.is_quiet)
    before = await coordinator.directory_entry(first.worker.id)

    answer = await first.worker.declines(first.allocation, DeclineReason.UNSAFE)

    assert answer.ok
    role = (await coordinator.roles_of(case))[SPECIALIST]
    asked = [(each["worker_id"], each["answer"]) for each in role["offers"]]
    assert asked[0] == (first.worker.id, "declined")
    assert role["offers"][0]["declined_for"] == "unsafe"
    [(second, answered)] = asked[1:]
    assert second != first.worker.id
    assert answered is None
    await eventually(region.worker(second).sees(OFFERED, case))
    after = await coordinator.directory_entry(first.worker.id)
    assert after["places"] == before["places"] - 1
    assert (await first.worker.accepts(first.allocation)).status == 409


async def test_whoever_is_asked_next_can_take_the_role(
    region: Region, police: ReferringAgency, coordinator: Coordinator
) -> None:
    referral = await police.refers(region.grave_referral())
    case = await eventually(region.case_of(referral))
    first = (await eventually(coordinator.finds_asked(case, OUTREACH)))[OUTREACH]
    await first.declines()
    second = (await eventually(coordinator.finds_asked(case, OUTREACH)))[OUTREACH]

    await second.accepts()

    await eventually(region.has_reached("allocated", referral))
    for each in (first, second):
        message = await eventually(each.worker.sees(OFFERED, case))
        assert (await eventually(each.worker.finds_ended(message)))["acknowledged_at"]
    team = await eventually(region.hears("case_team.changed.v1", case_id=case))
    member = {"worker_id": second.worker.id, "role": OUTREACH}
    assert member in team.data["members"]


async def test_when_everybody_has_declined_the_coordinator_is_alarmed(
    region: Region, police: ReferringAgency, coordinator: Coordinator
) -> None:
    case = await eventually(
        region.case_of(await police.refers(region.grave_referral()))
    )
    await eventually(coordinator.finds_asked(case, SPECIALIST))

    while (role := (await coordinator.roles_of(case))[SPECIALIST])["worker_id"]:
        worker = region.worker(role["worker_id"])
        assert (await worker.declines(role["allocation_id"])).ok

    asked = [each["worker_id"] for each in role["offers"]]
    specialists = [e.id for e in region.actors.staff if SPECIALIST in e.entry["roles"]]
    assert sorted(asked) == sorted(specialists)
    assert role["status"] == "unfilled"
    alarm = await eventually(coordinator.sees(UNFILLED, case))
    assert (alarm["about_id"], alarm["urgency"]) == (role["allocation_id"], "critical")


async def test_a_role_can_be_declined_or_taken_by_nobody_else(
    region: Region, police: ReferringAgency, coordinator: Coordinator
) -> None:
    case = await eventually(
        region.case_of(await police.refers(region.grave_referral()))
    )
    asked = await eventually(coordinator.finds_asked(case, SPECIALIST, OUTREACH))

    stranger = asked[OUTREACH].worker
    taken = await stranger.accepts(asked[SPECIALIST].allocation)
    declined = await stranger.declines(asked[SPECIALIST].allocation)

    assert (taken.status, declined.status) == (404, 404)
    assert (await coordinator.roles_of(case))[SPECIALIST]["status"] == "offered"
