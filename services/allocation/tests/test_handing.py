"""Roles that change hands, people who choose, compartments, and who leads."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from accord_chassis.testing import NOON, message_of, new_id
from accord_contracts.allocation import (
    AllocationEnded,
    AllocationHandedOver,
    AllocationNotNeeded,
    AllocationOffered,
    AllocationUnfilled,
    AllocationWithdrawn,
    CaseTeamChanged,
    DeclineReason,
    HandOverReason,
)
from accord_contracts.referrals import IncidentKind
from accord_contracts.risk import RiskLevel
from allocation.domain.directory import CannotTake, Worker
from allocation.domain.offer import NotYours, Status, TakenAlready
from allocation.domain.policy import Mode, Stage
from allocation.domain.staffing import Staffing
from allocation.domain.walls import SameCompartment
from allocation.handlers.access import changed
from allocation.handlers.answering import accept, decline
from allocation.handlers.directory import put_worker
from allocation.handlers.exchange import wrong_with
from allocation.handlers.handing import (
    candidates,
    free_handed_over,
    hand_over,
    offer_to,
)
from allocation.handlers.placing import asked, attend, place_role
from allocation.handlers.staffing import (
    decide_lead,
    dissolve_team,
    end_allocations,
    note_wishes,
    want_roles,
)
from allocation_builders import (
    COORDINATOR,
    HOUR,
    OUTREACH,
    POLICY,
    SPECIALIST,
    WHANAU,
    Front,
    Office,
    Running,
    assessed,
    closed,
    need,
    referred,
    worker,
)

LEAVING = HandOverReason.LEAVING


async def offered_case(office: Office, level: RiskLevel = RiskLevel.LOW) -> str:
    case_id = new_id()
    await want_roles(assessed(case_id, level), desk=office.desk)
    await office.deliver()
    return case_id


async def case_of(office: Office, anna: Worker) -> tuple[str, str]:
    """A case whose only role somebody has taken: the case, and the role."""
    case_id = await offered_case(office)
    held = await office.allocation(case_id)
    assert held.worker_id == anna.id
    await accept(held.id, anna.id, desk=office.desk)
    await office.deliver()
    return case_id, held.id


async def works(office: Office, case_id: str) -> list[str]:
    """Who stands to a case as one who works on it."""
    everybody = [each.id for each in await office.workers.page("", 100)]
    found = await office.desk.allocations.accepted_by(everybody, [case_id])
    return [worker_id for worker_id, _ in found]


async def team(office: Office, case_id: str) -> list[str]:
    staffing = await office.desk.staffings.get(case_id)
    assert staffing is not None
    return [worker_id for _, worker_id in staffing.team]


async def test_whoever_hands_over_keeps_the_role_until_another_has_it(
    office: Office,
) -> None:
    [anna] = await office.employs(worker())
    case_id, role = await case_of(office, anna)
    [bella] = await office.employs(worker())

    await hand_over(role, anna.id, LEAVING, desk=office.desk)
    await hand_over(role, anna.id, LEAVING, desk=office.desk)

    held = await office.allocation(case_id)
    assert (held.worker_id, held.kept_by, held.unowned_at) == (bella.id, anna.id, None)
    assert await works(office, case_id) == [anna.id]
    assert await team(office, case_id) == [anna.id]
    assert (await office.worker(anna.id)).load == 1

    await accept(role, bella.id, desk=office.desk)
    await office.deliver()
    [told] = await office.told(AllocationHandedOver)
    await free_handed_over(told, desk=office.desk)
    await free_handed_over(told, desk=office.desk)

    assert told.data.from_worker_id == anna.id
    assert told.data.worker_id == bella.id
    assert await works(office, case_id) == [bella.id]
    assert await team(office, case_id) == [bella.id]
    assert (await office.worker(anna.id)).load == 0
    assert (await office.worker(bella.id)).load == 1


async def test_what_rises_after_it_was_accepted_is_handed_over_at_the_higher_level(
    office: Office,
) -> None:
    full = POLICY.points[RiskLevel.LOW][Stage.NEW]
    [anna] = await office.employs(worker(capacity=full))
    case_id, role = await case_of(office, anna)
    [bella] = await office.employs(worker())

    await want_roles(assessed(case_id, RiskLevel.HIGH, revision=2), desk=office.desk)
    await office.deliver()
    risen = await office.allocation(case_id)
    weight = POLICY.points[RiskLevel.HIGH][Stage.NEW]
    carrying = await office.worker(anna.id)
    await hand_over(role, anna.id, LEAVING, desk=office.desk)

    # Nobody takes a case from her because it has become graver.
    assert (risen.status, risen.worker_id) == (Status.ACCEPTED, anna.id)
    assert (risen.level, len(risen.offers)) == (RiskLevel.HIGH, 1)
    assert carrying.load == carrying.urgent_load == weight > full
    held = await office.allocation(case_id)
    assert (held.worker_id, held.kept_by) == (bella.id, anna.id)
    assert held.answer_by == POLICY.answer_by(NOON, RiskLevel.HIGH)
    assert (await office.worker(bella.id)).load == weight

    again = assessed(case_id, RiskLevel.EXTREME, revision=3)
    await want_roles(again, desk=office.desk)
    await office.deliver()
    weight = POLICY.points[RiskLevel.EXTREME][Stage.NEW]
    for each in (anna, bella):
        assert (await office.worker(each.id)).load == weight


async def test_a_role_taken_over_by_whoever_is_barred_meanwhile_is_offered_anew(
    office: Office,
) -> None:
    [anna] = await office.employs(worker())
    case_id, role = await case_of(office, anna)
    [bella] = await office.employs(worker())
    await hand_over(role, anna.id, LEAVING, desk=office.desk)
    await accept(role, bella.id, desk=office.desk)
    [carol] = await office.employs(worker())
    staffing = await office.desk.staffings.get(case_id)
    assert staffing is not None
    barred = staffing.note_conflict(bella.id)
    await office.desk.staffings.save(barred, *changed(barred, staffing, NOON))

    await office.deliver()
    await office.deliver()

    held = await office.allocation(case_id)
    assert (held.status, held.worker_id) == (Status.OFFERED, carol.id)
    # Whoever handed it over has it again until then.
    assert held.kept_by == anna.id
    assert await team(office, case_id) == await works(office, case_id) == [anna.id]
    assert held.unowned_at is None
    assert (await office.worker(anna.id)).load == held.points


async def test_nobody_takes_over_who_serves_the_other_side_in_the_survivor(
    office: Office,
) -> None:
    [anna] = await office.employs(worker())
    case_id, role = await case_of(office, anna)
    met, beside = await office.employs(
        worker(), worker(team="north", compartment="men")
    )
    survivor = Staffing(id=new_id(), served_outreach=frozenset({met.id}))
    await office.desk.staffings.save(survivor.ask(OUTREACH, "north.men"))
    staffing = await office.desk.staffings.get(case_id)
    assert staffing is not None
    merged = staffing.model_copy(update={"merged_into": survivor.id})
    await office.desk.staffings.save(merged)

    await hand_over(role, anna.id, LEAVING, desk=office.desk)

    assert (await office.allocation(case_id)).status is Status.UNFILLED
    for each in (met, beside):
        with pytest.raises(CannotTake):
            await offer_to(role, each.id, COORDINATOR_ID, beyond=True, desk=office.desk)


async def test_a_role_that_nobody_takes_over_stays_with_whoever_has_it(
    office: Office,
) -> None:
    [anna] = await office.employs(worker())
    case_id, role = await case_of(office, anna)
    [bella] = await office.employs(worker())
    await hand_over(role, anna.id, LEAVING, desk=office.desk)

    await decline(role, bella.id, DeclineReason.NO_CAPACITY, desk=office.desk)
    [due] = await office.desk.allocations.due_now(office.clock.advance(4 * HOUR))
    await attend(due, desk=office.desk)

    held = await office.allocation(case_id)
    reasons = [each.data.reason for each in await office.told(AllocationUnfilled)]
    assert (held.status, held.working) == (Status.UNFILLED, (anna.id,))
    assert reasons[-1] == "out_of_time"
    assert await office.desk.allocations.unowned(office.clock.now()) == []


async def test_only_whoever_has_a_role_hands_it_over(office: Office) -> None:
    [anna] = await office.employs(worker())
    case_id = await offered_case(office)
    held = await office.allocation(case_id)

    with pytest.raises(NotYours):
        await hand_over(held.id, anna.id, LEAVING, desk=office.desk)


async def test_what_is_being_handed_over_ends_for_both(office: Office) -> None:
    [anna] = await office.employs(worker())
    case_id, role = await case_of(office, anna)
    [bella] = await office.employs(worker())
    await hand_over(role, anna.id, LEAVING, desk=office.desk)

    message = closed(case_id, at=NOON + HOUR)
    await dissolve_team(message, desk=office.desk)
    await end_allocations(message, desk=office.desk)

    [ended] = await office.told(AllocationEnded)
    [withdrawn] = await office.told(AllocationWithdrawn)
    assert (ended.data.worker_id, withdrawn.data.worker_id) == (anna.id, bella.id)
    assert [(await office.worker(each.id)).load for each in (anna, bella)] == [0, 0]
    assert await works(office, case_id) == []


async def test_that_nobody_is_looked_for_any_more_is_told_once(
    office: Office,
) -> None:
    unfilled = await offered_case(office)
    [anna] = await office.employs(worker())
    taken, _ = await case_of(office, anna)
    [alarm] = await office.told(AllocationUnfilled)

    for case_id in (taken, unfilled, unfilled):
        message = closed(case_id, at=NOON + HOUR)
        await dissolve_team(message, desk=office.desk)
        await end_allocations(message, desk=office.desk)

    [over] = await office.told(AllocationNotNeeded)
    assert over.data.allocation_id == alarm.data.allocation_id
    assert over.aggregate_version > alarm.aggregate_version


async def test_whoever_leaves_while_handing_over_has_it_no_longer(
    office: Office,
) -> None:
    [anna] = await office.employs(worker())
    case_id, role = await case_of(office, anna)
    [bella] = await office.employs(worker())
    await hand_over(role, anna.id, LEAVING, desk=office.desk)
    staffing = await office.desk.staffings.get(case_id)
    assert staffing is not None

    left = staffing.leave(role, anna.id)
    await office.desk.staffings.save(left, *changed(left, staffing, NOON))
    await office.deliver()

    held = await office.allocation(case_id)
    assert (held.worker_id, held.kept_by) == (bella.id, None)
    assert await works(office, case_id) == []
    assert (await office.worker(anna.id)).load == 0


async def test_a_person_may_choose_and_is_named_for_asking_too_much(
    office: Office,
) -> None:
    [anna] = await office.employs(worker())
    case_id = await offered_case(office)
    [full_up] = await office.employs(worker(capacity=0))
    held = await office.allocation(case_id)

    async def choosing(*, beyond: bool) -> Any:
        return await offer_to(
            held.id, full_up.id, COORDINATOR_ID, beyond=beyond, desk=office.desk
        )

    with pytest.raises(CannotTake, match="no room"):
        await choosing(beyond=False)
    new = await choosing(beyond=True)
    again = await choosing(beyond=True)

    assert again.version == new.version
    assert (new.worker_id, new.offer.decided_by, new.offer.beyond_by) == (
        full_up.id,
        COORDINATOR_ID,
        COORDINATOR_ID,
    )
    [withdrawn] = await office.told(AllocationWithdrawn)
    assert withdrawn.data.worker_id == anna.id
    assert (await office.worker(anna.id)).load == 0
    assert (await office.worker(full_up.id)).load == 1


COORDINATOR_ID = new_id()


async def test_a_person_breaks_no_hard_rule(office: Office) -> None:
    anna, away = await office.employs(worker(), worker(OUTREACH))
    case_id, role = await case_of(office, anna)
    held = await office.allocation(case_id)

    with pytest.raises(TakenAlready):
        await offer_to(role, anna.id, COORDINATOR_ID, beyond=True, desk=office.desk)
    other = await offered_case(office)
    held = await office.allocation(other)
    with pytest.raises(CannotTake):
        await offer_to(held.id, away.id, COORDINATOR_ID, beyond=True, desk=office.desk)
    await decline(held.id, anna.id, DeclineReason.UNSAFE, desk=office.desk)
    with pytest.raises(CannotTake):
        await offer_to(held.id, anna.id, COORDINATOR_ID, beyond=True, desk=office.desk)


@pytest.mark.parametrize("barred", [False, True])
async def test_whoever_was_silent_is_asked_by_a_person_unless_they_are_barred(
    office: Office, *, barred: bool
) -> None:
    anna, _ = await office.employs(worker(), worker())
    case_id = await offered_case(office)
    staffing = await office.desk.staffings.get(case_id)
    held = await office.allocation(case_id)
    assert staffing is not None
    update = {
        "silent": frozenset({anna.id}),
        "worker_id": None,
        "status": Status.WANTED,
    }
    await office.desk.allocations.save(held.model_copy(update=update))
    if barred:
        await office.desk.staffings.save(staffing.note_conflict(anna.id))

    asking = offer_to(held.id, anna.id, COORDINATOR_ID, beyond=True, desk=office.desk)

    if barred:
        with pytest.raises(CannotTake, match="barred"):
            await asking
    else:
        assert (await asking).worker_id == anna.id


async def test_where_people_choose_nobody_is_asked_by_itself(office: Office) -> None:
    advising = POLICY.model_copy(update={"mode": Mode.ADVISE})
    advised = await Office.over(office.database, office.clock, advising)
    [anna] = await advised.employs(worker())

    case_id = await offered_case(advised)
    held = await advised.allocation(case_id)
    [alarm] = await advised.told(AllocationUnfilled)
    [found] = await candidates(held.id, desk=advised.desk)
    await offer_to(
        held.id, found.worker_id, COORDINATOR_ID, beyond=False, desk=advised.desk
    )

    assert (alarm.data.reason, found.worker_id) == ("to_choose", anna.id)
    assert (await advised.allocation(case_id)).status is Status.OFFERED


def members(**teams: str) -> list[Worker]:
    roles = {"specialist": SPECIALIST, "outreach": OUTREACH}
    return [
        worker(roles[name.split("_")[0]], team=team) for name, team in teams.items()
    ]


async def test_one_team_never_serves_both_sides_of_a_case(office: Office) -> None:
    specialist, same, other = await office.employs(
        *members(specialist="north", outreach_same="north", outreach_other="south")
    )
    other_busy = other.reserve(need(OUTREACH, points=90), NOON + 99 * HOUR, NOON)
    [other] = await office.employs(other_busy)
    await office.employs(worker(COORDINATOR))

    case_id = await offered_case(office, RiskLevel.HIGH)

    asked = await office.allocations(case_id)
    assert asked[SPECIALIST].worker_id == specialist.id
    # By load the other of the two would have been asked.
    assert asked[OUTREACH].worker_id == other.id
    with pytest.raises(CannotTake, match="compartment"):
        await offer_to(
            asked[OUTREACH].id, same.id, COORDINATOR_ID, beyond=True, desk=office.desk
        )


async def test_two_processes_never_put_one_team_on_both_sides(
    office: Office, other_process: Office
) -> None:
    for _ in range(5):
        case_id = new_id()
        await office.desk.staffings.save(Staffing(id=case_id))

        outcomes = await asyncio.gather(
            asked(case_id, SPECIALIST, "north.", desk=office.desk),
            asked(case_id, OUTREACH, "north.", desk=other_process.desk),
        )
        assert sorted(outcomes) == [False, True]


async def test_nobody_changes_to_a_team_that_meets_the_other_side(
    office: Office,
) -> None:
    specialist, outreach = await office.employs(
        *members(specialist="north", outreach="south")
    )
    await office.employs(worker(COORDINATOR))
    await offered_case(office, RiskLevel.HIGH)

    async def moves(team: str) -> None:
        told = outreach.model_copy(update={"team": team})
        await put_worker(
            told, at=office.clock.now(), workers=office.workers, desk=office.desk
        )

    with pytest.raises(SameCompartment):
        await moves("north")
    await moves("west")

    assert (await office.worker(outreach.id)).wall == "west."
    assert specialist.wall == "north."


async def test_two_of_one_file_do_not_meet_from_both_sides_of_a_case(
    office: Office,
) -> None:
    specialist, outreach = await office.employs(
        *members(specialist="north", outreach="south")
    )
    await office.employs(worker(COORDINATOR))
    await offered_case(office, RiskLevel.HIGH)

    async def wrong(*teams: str) -> list[tuple[int, str]]:
        told = [
            each.model_copy(update={"team": team})
            for each, team in zip((specialist, outreach), teams, strict=True)
        ]
        found = await wrong_with(
            told, at=office.clock.now(), workers=office.workers, desk=office.desk
        )
        return [(each.number, each.field) for each in found]

    assert await wrong("west", "west") == [(0, "compartment"), (1, "compartment")]
    assert await wrong("west", "east") == []


async def test_two_hundred_offers_at_once_to_one_place_ask_one_worker_once(
    office: Office,
) -> None:
    [only] = await office.employs(worker(capacity=1))
    [*wanted] = [await office.wants_a_role() for _ in range(200)]

    await asyncio.gather(
        *(place_role(message_of(each), desk=office.desk) for each in wanted)
    )

    offered = [e.data for e in await office.told(AllocationOffered)]
    assert [each.worker_id for each in offered] == [only.id]
    assert len(await office.told(AllocationUnfilled)) == 199
    assert (await office.worker(only.id)).load == 1


async def test_the_policy_says_who_leads_until_somebody_decides(
    office: Office,
) -> None:
    [anna] = await office.employs(worker())
    case_id, _ = await case_of(office, anna)
    by_policy = await office.desk.staffings.get(case_id)
    assert by_policy is not None

    await decide_lead(
        case_id, "corrections", COORDINATOR_ID, unstaffed=True, desk=office.desk
    )
    await want_roles(assessed(case_id, RiskLevel.HIGH, revision=2), desk=office.desk)
    decided = await office.desk.staffings.get(case_id)
    assert decided is not None

    assert by_policy.lead_agency == POLICY.lead_agencies[RiskLevel.LOW]
    assert (decided.lead_agency, decided.lead_decided_by) == (
        "corrections",
        COORDINATOR_ID,
    )
    told = [each.data.lead_agency for each in await office.told(CaseTeamChanged)]
    assert told == [POLICY.lead_agencies[RiskLevel.LOW], "corrections"]
    ended = decided.close(9, NOON + HOUR, POLICY)
    assert (ended.lead_agency, ended.lead_decided_by) == (None, None)


async def test_what_has_happened_asks_for_skills(office: Office) -> None:
    plain, trained = await office.employs(
        worker(), worker(skills=frozenset({"stalking"}), capacity=101)
    )
    busy = trained.reserve(need(points=20), NOON + 99 * HOUR, NOON)
    await office.employs(busy)
    case_id, referral_id = new_id(), new_id()
    told = referred(case_id, referral_id=referral_id)
    incidents = (IncidentKind.STALKING,)
    told = type(told)(
        **{
            **{e: getattr(told, e) for e in told.__slots__},
            "data": told.data.model_copy(update={"incidents": incidents}),
        }
    )

    await note_wishes(told, desk=office.desk)
    await want_roles(assessed(case_id, referral_id=referral_id), desk=office.desk)
    await office.deliver()

    held = await office.allocation(case_id)
    assert held.worker_id == trained.id != plain.id
    assert "skills_met" in held.offer.reasons


async def test_a_role_is_handed_over_and_chosen_over_http(running: Running) -> None:
    front = Front(running)
    coordinator = await front.hires(duty_coordinator=True)
    anna = await front.hires(WHANAU)
    case_id = await front.case()
    role = (await front.offer(anna))["allocation_id"]
    await front.accepts(anna)
    bella, carol = await front.hires(WHANAU), await front.hires(WHANAU, capacity=0)

    path = f"/allocations/{role}"
    said = await front.ask(
        "POST", f"{path}/handover", who=anna, body={"reason": "leaving"}
    )
    shown = await front.ask("GET", f"{path}/candidates", who=coordinator)
    chosen = await front.ask(
        "POST",
        f"{path}/offer",
        who=coordinator,
        body={"worker_id": carol, "over_capacity": True},
    )
    await front.accepts(carol)

    assert (said.status_code, shown.status_code, chosen.status_code) == (204, 200, 200)
    by_id = {each["worker_id"]: each for each in shown.json()}
    assert by_id[anna]["barred"]
    assert by_id[carol]["barred"]
    assert by_id[bella]["barred"] == []
    last = chosen.json()["offers"][-1]
    assert (last["decided_by"], last["beyond_by"]) == (coordinator, coordinator)
    assert (await front.standing(carol, case_id)).sides
    assert not (await front.standing(anna, case_id)).sides
    loads = {each.id: each.load for each in await front.workers()}
    assert (loads[anna], loads[bella], loads[carol]) == (0, 0, 1)

    lead = f"/cases/{case_id}/lead"
    body: dict[str, Any] = {"agency": "police"}
    refused = await front.ask("PUT", lead, who=coordinator, body=body)
    assert (refused.status_code, refused.json()["type"]) == (
        422,
        "urn:accord:problem:nobody-there",
    )
    body["unstaffed"] = True
    put = await front.ask("PUT", lead, who=coordinator, body=body)
    read = await front.ask("GET", lead, who=carol)
    told = {"agency": "police", "decided_by": coordinator, "staffed": False}
    assert put.json() == read.json() == told

    # Whoever has left coordinates for nobody.
    await front.hires(provider="police", active=False)
    assert (await front.ask("GET", lead, who=carol)).json() == told
    await front.hires(provider="police")
    assert (await front.ask("GET", lead, who=carol)).json()["staffed"]


async def test_a_coordinator_is_shown_whose_roles_nobody_has_while_they_are_away(
    running: Running,
) -> None:
    front = Front(running)
    now, day = running.clock.now(), timedelta(days=1)
    coordinator = await front.hires(duty_coordinator=True)
    soon = POLICY.leave_ahead_days[RiskLevel.LOW]

    def absence(begins: int, percent: int = 0) -> dict[str, Any]:
        since, until = now + begins * day, now + (begins + 9) * day
        told = {"since": since.isoformat(), "until": until.isoformat()}
        return {**told, "percent": percent}

    held = dict[str, str]()
    for _ in range(5):
        anna = await front.hires(WHANAU)
        held[anna] = await front.case()
        await front.accepts(anna)
        # Nobody else is asked for the next case.
        await front.hires(worker_id=anna, capacity=0, roles=[WHANAU])
    leaves, later, less, stays, hands = held
    told = {"roles": [WHANAU], "capacity": 1}
    for who, absences in (
        (leaves, [absence(soon + 30), absence(soon - 1)]),
        (later, [absence(soon + 1)]),
        (less, [absence(1, percent=50)]),
        (stays, []),
        (hands, [absence(1)]),
    ):
        await front.hires(worker_id=who, absences=absences, **told)
    [role] = await front.roles(held[hands])
    path = f"/allocations/{role.id}/handover"
    assert (
        await front.ask("POST", path, who=hands, body={"reason": "on_leave"})
    ).status_code == 204

    shown = (await front.ask("GET", "/away", who=coordinator)).json()

    [away] = shown["roles"]
    assert (away["worker_id"], away["case_id"]) == (leaves, held[leaves])
    assert datetime.fromisoformat(away["since"]) == now + (soon - 1) * day
    assert not shown["more"]
    assert (await front.ask("GET", "/away", who=stays)).status_code in {403, 404}
