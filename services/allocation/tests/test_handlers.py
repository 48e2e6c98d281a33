"""Messages and clocks: who is asked, what is told, and what happens twice or late."""

import asyncio
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from accord_chassis.clock import SimulatedClock
from accord_chassis.store import Conflict
from accord_chassis.testing import NOON, message_of, new_id
from accord_contracts.allocation import (
    AllocationAccepted,
    AllocationDeclined,
    AllocationExpired,
    AllocationOffered,
    AllocationUnfilled,
    AllocationWithdrawn,
    CaseTeamChanged,
    DeclineReason,
    Role,
    RoleWanted,
)
from accord_contracts.allocation import (
    AllocationUnanswered as Unanswered,
)
from accord_contracts.message import Lane, Message
from accord_contracts.notify import NotificationDeclined
from accord_contracts.plans import (
    PlanAgreed,
    PlanEvent,
    PlanReviewed,
    PlanStale,
    StaleReason,
)
from accord_contracts.referrals import CaseErased, CaseTransferred, ContactWish, Wishes
from accord_contracts.risk import RiskLevel, Tier
from allocation.domain.directory import Gender, Worker
from allocation.domain.merging import merge
from allocation.domain.offer import Answer, OfferExpired, Status
from allocation.domain.offering import HOLD_SLACK, REMEMBERED, Allocation
from allocation.domain.policy import Stage
from allocation.domain.standing import standing_of
from allocation.handlers.answering import accept, beyond, decline, heed_refusal
from allocation.handlers.placing import attend, place_role, save, settle
from allocation.handlers.staffing import (
    dissolve_team,
    end_allocations,
    erase_allocations,
    erase_staffing,
    go_on_without_wishes,
    join_team,
    leave_case,
    note_stage,
    note_wishes,
    settle_place,
    want_roles,
)
from allocation_builders import (
    COORDINATOR,
    HOUR,
    MINUTE,
    OUTREACH,
    POLICY,
    SPECIALIST,
    WHANAU,
    Office,
    allocation,
    assessed,
    choice,
    closed,
    handled_once,
    need,
    referred,
    worker,
)

LOW, MEDIUM, HIGH, EXTREME = RiskLevel
BUSY = DeclineReason.NO_CAPACITY


async def offered_case(office: Office, level: RiskLevel = LOW) -> str:
    """A case whose roles have been offered as far as there are workers."""
    case_id = new_id()
    await want_roles(assessed(case_id, level), desk=office.desk)
    await office.deliver()
    return case_id


async def attend_to_what_is_due(office: Office) -> int:
    due = await office.desk.allocations.due_now(office.clock.now())
    await asyncio.gather(*(attend(each, desk=office.desk) for each in due))
    await office.deliver()
    return len(due)


async def close_plan(office: Office, case_id: str) -> None:
    message = closed(case_id, at=office.clock.now())
    await dissolve_team(message, desk=office.desk)
    await end_allocations(message, desk=office.desk)
    await office.deliver()


async def accepted_by(office: Office, case_id: str, role: Role = WHANAU) -> str:
    held = await office.allocation(case_id, role)
    assert held.worker_id is not None
    await accept(held.id, held.worker_id, desk=office.desk)
    await office.deliver()
    return held.worker_id


async def test_a_referral_and_its_assessment_lead_to_an_offer(office: Office) -> None:
    [asked] = await office.employs(worker(WHANAU))
    case_id, referral_id = new_id(), new_id()
    earlier = NOON - 10 * MINUTE

    await note_wishes(referred(case_id, referral_id=referral_id), desk=office.desk)
    assert await office.told(RoleWanted) == []
    told = assessed(case_id, referral_id=referral_id, first_referred_at=earlier)
    await want_roles(told, desk=office.desk)
    await office.deliver()

    [wanted] = await office.told(RoleWanted)
    held = await office.allocation(case_id)
    [offer] = await office.told(AllocationOffered)
    assert wanted.data == RoleWanted(
        case_id=case_id,
        allocation_id=held.id,
        role=WHANAU,
        level=LOW,
        first_referred_at=earlier,
    )
    assert offer.data == AllocationOffered(
        case_id=case_id,
        allocation_id=held.id,
        role=WHANAU,
        first_referred_at=earlier,
        worker_id=asked.id,
        level=LOW,
        offered_at=NOON,
        answer_by=NOON + HOUR,
    )
    assert held.assign_by == earlier + 3 * HOUR
    assert held.offer.reasons == ("least_loaded",)
    assert held.offer.policy_version == POLICY.version
    place = (await office.worker(asked.id)).holds[held.id]
    assert (place.points, place.until) == (1, NOON + HOUR + HOLD_SLACK)


async def test_the_assessment_may_come_before_the_referral(office: Office) -> None:
    await office.employs(worker(WHANAU))
    case_id, referral_id = new_id(), new_id()

    await want_roles(assessed(case_id, referral_id=referral_id), desk=office.desk)
    assert await office.told(RoleWanted) == []
    await note_wishes(referred(case_id, referral_id=referral_id), desk=office.desk)
    await office.deliver()

    assert (await office.allocation(case_id)).status is Status.OFFERED


async def test_wishes_that_do_not_come_delay_nobody_for_long(
    office: Office, clock: SimulatedClock
) -> None:
    case_id = new_id()
    told = assessed(case_id, HIGH, referral_id=new_id())
    await want_roles(told, desk=office.desk)
    assert await office.desk.staffings.due_now(clock.now()) == []

    clock.advance(POLICY.wishes_wait_minutes * MINUTE)
    [due] = await office.desk.staffings.due_now(clock.now())
    await go_on_without_wishes(due, desk=office.desk)

    wanted = await office.told(RoleWanted)
    assert {each.data.role for each in wanted} == set(POLICY.roles[HIGH])
    assert {each.lane for each in wanted} == {Lane.URGENT}


async def test_wishes_decide_who_is_asked(office: Office) -> None:
    plain, wished = await office.employs(
        worker(gender=Gender.MAN), worker(gender=Gender.WOMAN, capacity=10)
    )
    await office.desk.directory.change(
        wished.id, lambda held: held.reserve(need(points=5), NOON + HOUR, NOON)
    )
    case_id, referral_id = new_id(), new_id()
    wishes = Wishes(gender=ContactWish.WOMAN, area="sumner", languages=("mi",))

    await note_wishes(
        referred(case_id, referral_id=referral_id, wishes=wishes), desk=office.desk
    )
    await want_roles(assessed(case_id, referral_id=referral_id), desk=office.desk)
    await office.deliver()

    held = await office.allocation(case_id)
    assert held.worker_id == wished.id != plain.id
    assert held.offer.reasons == (
        "gender_met",
        "language_not_met",
        "area_met",
        "least_loaded",
    )


async def test_messages_that_come_again_change_nothing(office: Office) -> None:
    await office.employs(worker())
    case_id, referral_id = new_id(), new_id()
    heard = referred(case_id, referral_id=referral_id)
    weighed = assessed(case_id, referral_id=referral_id)
    await note_wishes(heard, desk=office.desk)
    await want_roles(weighed, desk=office.desk)
    await office.deliver()
    await accepted_by(office, case_id)
    [wanted] = await office.told(RoleWanted)
    [taken] = await office.told(AllocationAccepted)
    before = await office.allocation(case_id), await office.desk.staffings.get(case_id)

    assert not await handled_once(note_wishes(heard, desk=office.desk))
    assert not await handled_once(want_roles(weighed, desk=office.desk))
    assert not await handled_once(place_role(wanted, desk=office.desk))
    assert not await handled_once(join_team(taken, desk=office.desk))
    await settle_place(taken, desk=office.desk)

    after = await office.allocation(case_id), await office.desk.staffings.get(case_id)
    assert after == before
    assert len(await office.told(AllocationOffered)) == 1
    assert len(await office.told(CaseTeamChanged)) == 1


async def test_a_high_risk_is_answered_by_three_people_in_the_urgent_lane(
    office: Office,
) -> None:
    hired = await office.employs(
        worker(SPECIALIST), worker(OUTREACH), worker(COORDINATOR), worker(WHANAU)
    )

    case_id = await offered_case(office, HIGH)

    offers = await office.told(AllocationOffered)
    asked = {each.data.role: each.data.worker_id for each in offers}
    assert asked == {
        SPECIALIST: hired[0].id,
        OUTREACH: hired[1].id,
        COORDINATOR: hired[2].id,
    }
    assert {each.lane for each in offers} == {Lane.URGENT}
    held = await office.allocation(case_id, SPECIALIST)
    assert held.answer_by == NOON + 20 * MINUTE
    assert held.assign_by == NOON + HOUR


async def test_offers_inherit_the_lane_of_what_caused_them(office: Office) -> None:
    await office.employs(worker())
    case_id = new_id()

    # A trigger of tomorrow makes even a low risk urgent.
    await want_roles(assessed(case_id, LOW, lane=Lane.URGENT), desk=office.desk)
    await office.deliver()
    held = await office.allocation(case_id)
    assert held.worker_id is not None
    await decline(held.id, held.worker_id, BUSY, desk=office.desk)

    for kind in (RoleWanted, AllocationOffered, AllocationUnfilled):
        assert {each.lane for each in await office.told(kind)} == {Lane.URGENT}


async def test_a_high_risk_is_urgent_even_if_its_wishes_come_by_the_routine_lane(
    office: Office,
) -> None:
    case_id, referral_id = new_id(), new_id()

    await want_roles(assessed(case_id, HIGH, referral_id=referral_id), desk=office.desk)
    await note_wishes(referred(case_id, referral_id=referral_id), desk=office.desk)

    assert {each.lane for each in await office.told(RoleWanted)} == {Lane.URGENT}


async def test_nobody_serves_both_sides_of_a_case(office: Office) -> None:
    # Before the directory refused it, somebody may have been given both roles.
    [both] = await office.employs(worker(SPECIALIST, OUTREACH, COORDINATOR))

    case_id = await offered_case(office, HIGH)

    held = await office.allocations(case_id)
    assert held[SPECIALIST].worker_id == both.id
    assert held[OUTREACH].status is Status.UNFILLED
    assert held[COORDINATOR].worker_id == both.id


async def test_who_once_served_one_side_of_a_case_never_serves_the_other(
    office: Office, clock: SimulatedClock
) -> None:
    [changing] = await office.employs(worker(SPECIALIST))
    await office.employs(worker(COORDINATOR))
    case_id = await offered_case(office, HIGH)
    await accepted_by(office, case_id, SPECIALIST)
    clock.advance(HOUR)
    await close_plan(office, case_id)
    # A year later they have another job.
    clock.advance(timedelta(days=365))
    told = worker(OUTREACH, id=changing.id)
    await office.desk.directory.change(
        changing.id, lambda held: held.replaced_by(told, clock.now())
    )

    again = assessed(case_id, HIGH, at=clock.now(), revision=2)
    await want_roles(again, desk=office.desk)
    await office.deliver()

    assert (await office.allocation(case_id, OUTREACH)).status is Status.UNFILLED
    elsewhere = await offered_case(office, HIGH)
    assert (await office.allocation(elsewhere, OUTREACH)).worker_id == changing.id


async def test_accepting_makes_the_place_permanent_and_the_team_known(
    office: Office, clock: SimulatedClock
) -> None:
    [asked] = await office.employs(worker())
    case_id = await offered_case(office)
    held = await office.allocation(case_id)

    clock.advance(MINUTE)
    await accept(held.id, asked.id, desk=office.desk)
    assert (await office.worker(asked.id)).holds[held.id].until is None
    await office.deliver()

    [taken] = await office.told(AllocationAccepted)
    assert taken.data == AllocationAccepted(
        case_id=case_id,
        allocation_id=held.id,
        role=WHANAU,
        first_referred_at=NOON,
        worker_id=asked.id,
        accepted_at=NOON + MINUTE,
    )
    [changed] = await office.told(CaseTeamChanged)
    members = [(each.worker_id, each.role) for each in changed.data.members]
    assert members == [(asked.id, WHANAU)]
    clock.advance(1000 * HOUR)
    assert await attend_to_what_is_due(office) == 0


async def test_accepting_again_is_the_same_answer(office: Office) -> None:
    [asked] = await office.employs(worker())
    held = await office.allocation(await offered_case(office))

    await accept(held.id, asked.id, desk=office.desk)
    await accept(held.id, asked.id, desk=office.desk)

    assert len(await office.told(AllocationAccepted)) == 1


async def test_a_decline_is_offered_to_somebody_else_in_the_same_save(
    office: Office, clock: SimulatedClock
) -> None:
    await office.employs(worker(), worker())
    case_id = await offered_case(office)
    held = await office.allocation(case_id)
    first = held.worker_id
    assert first is not None

    clock.advance(MINUTE)
    await decline(held.id, first, DeclineReason.WRONG_AREA, desk=office.desk)

    new = await office.allocation(case_id)
    assert new.version == held.version + 1
    assert new.worker_id not in {first, None}
    assert new.answer_by == NOON + MINUTE + HOUR
    assert new.assign_by == held.assign_by
    [told] = await office.told(AllocationDeclined)
    assert told.data == AllocationDeclined(
        case_id=case_id,
        allocation_id=held.id,
        role=WHANAU,
        first_referred_at=NOON,
        worker_id=first,
        reason=DeclineReason.WRONG_AREA,
        declined_at=NOON + MINUTE,
    )
    offers = await office.told(AllocationOffered)
    assert [each.data.worker_id for each in offers] == [first, new.worker_id]
    assert (await office.worker(first)).load == 0


def cannot_take(
    asked: Allocation,
    worker_id: str,
    *,
    offer: bool = True,
    reason: DeclineReason = DeclineReason.ON_LEAVE,
) -> Message[NotificationDeclined]:
    """Somebody has said in their inbox that they cannot take what they were told of."""
    told = NotificationDeclined(
        case_id=asked.case_id,
        notification_id=new_id(),
        worker_id=worker_id,
        template="offer",
        reason=reason,
        declined_at=NOON,
        allocation_id=asked.id if offer else None,
    )
    return message_of(told, at=NOON)


async def test_what_somebody_cannot_take_is_offered_to_another_at_once(
    office: Office,
) -> None:
    anna, bella = await office.employs(worker(), worker())
    case_id = (await office.wants_a_role()).case_id
    await office.deliver()
    asked = await office.allocation(case_id)
    assert asked.worker_id
    said = cannot_take(asked, asked.worker_id)

    await heed_refusal(said, desk=office.desk)
    await heed_refusal(said, desk=office.desk)

    held = await office.allocation(case_id)
    assert {asked.worker_id, held.worker_id} == {anna.id, bella.id}
    assert held.declined_by == {asked.worker_id}
    [told] = await office.told(AllocationDeclined)
    assert told.data.reason is DeclineReason.ON_LEAVE
    assert told.causation_id == said.id
    assert not (await office.worker(asked.worker_id)).holds


async def test_nobody_declines_for_somebody_else_or_what_they_have_taken(
    office: Office,
) -> None:
    [anna] = await office.employs(worker())
    case_id = (await office.wants_a_role()).case_id
    await office.deliver()
    asked = await office.allocation(case_id)

    await heed_refusal(cannot_take(asked, new_id()), desk=office.desk)
    await heed_refusal(cannot_take(asked, anna.id, offer=False), desk=office.desk)
    assert await office.allocation(case_id) == asked
    await accept(asked.id, anna.id, desk=office.desk)
    await heed_refusal(cannot_take(asked, anna.id), desk=office.desk)

    assert (await office.allocation(case_id)).status is Status.ACCEPTED
    assert not await office.told(AllocationDeclined)


async def test_declining_again_changes_nothing(office: Office) -> None:
    await office.employs(worker(), worker())
    held = await office.allocation(await offered_case(office))
    assert held.worker_id is not None

    await decline(held.id, held.worker_id, BUSY, desk=office.desk)
    await decline(held.id, held.worker_id, BUSY, desk=office.desk)

    assert len(await office.told(AllocationDeclined)) == 1


async def test_when_everybody_declined_an_alarm_is_raised_once_a_pause(
    office: Office, clock: SimulatedClock
) -> None:
    [only] = await office.employs(worker())
    case_id = await offered_case(office)
    held = await office.allocation(case_id)
    await decline(held.id, only.id, BUSY, desk=office.desk)

    [alarm] = await office.told(AllocationUnfilled)
    assert alarm.data == AllocationUnfilled(
        case_id=case_id,
        allocation_id=held.id,
        role=WHANAU,
        first_referred_at=NOON,
        level=LOW,
        reason="no_candidate",
        noticed_at=NOON,
    )
    pause = POLICY.retry_minutes[LOW] * MINUTE
    clock.advance(pause - MINUTE)
    assert await attend_to_what_is_due(office) == 0
    clock.advance(MINUTE)
    assert await attend_to_what_is_due(office) == 1
    assert await attend_to_what_is_due(office) == 0
    assert len(await office.told(AllocationUnfilled)) == 2

    [new] = await office.employs(worker())
    clock.advance(pause)
    await attend_to_what_is_due(office)
    assert (await office.allocation(case_id)).worker_id == new.id


async def test_a_role_for_which_there_is_nobody_is_an_alarm_at_once(
    office: Office,
) -> None:
    case_id = await offered_case(office, HIGH)

    alarms = await office.told(AllocationUnfilled)
    assert {each.data.role for each in alarms} == set(POLICY.roles[HIGH])
    assert {each.data.reason for each in alarms} == {"no_candidate"}
    held = await office.allocation(case_id, SPECIALIST)
    assert held.retry_at == NOON + POLICY.retry_minutes[HIGH] * MINUTE


async def test_an_offer_that_is_not_answered_goes_to_somebody_else(
    office: Office, clock: SimulatedClock
) -> None:
    await office.employs(worker(), worker())
    case_id = await offered_case(office)
    silent = (await office.allocation(case_id)).worker_id
    assert silent is not None

    clock.advance(HOUR + MINUTE)
    await attend_to_what_is_due(office)

    held = await office.allocation(case_id)
    assert held.worker_id not in {silent, None}
    [told] = await office.told(AllocationExpired)
    assert told.data == AllocationExpired(
        case_id=case_id,
        allocation_id=held.id,
        role=WHANAU,
        first_referred_at=NOON,
        worker_id=silent,
        expired_at=NOON + HOUR + MINUTE,
        late_by=60.0,
    )
    assert (await office.worker(silent)).load == 0
    with pytest.raises(OfferExpired):
        await accept(held.id, silent, desk=office.desk)


async def test_who_was_silent_is_asked_again_when_nobody_else_is_left(
    office: Office, clock: SimulatedClock
) -> None:
    [only] = await office.employs(worker())
    case_id = await offered_case(office)

    clock.advance(HOUR)
    await attend_to_what_is_due(office)
    assert (await office.allocation(case_id)).status is Status.UNFILLED
    clock.advance(POLICY.retry_minutes[LOW] * MINUTE)
    await attend_to_what_is_due(office)

    assert (await office.allocation(case_id)).worker_id == only.id


async def silent_case(office: Office, clock: SimulatedClock) -> Allocation:
    """A role whose only worker has not answered, so that nobody is left to ask."""
    case_id = await offered_case(office)
    clock.advance(HOUR + MINUTE)
    await attend_to_what_is_due(office)
    held = await office.allocation(case_id)
    assert held.status is Status.UNFILLED
    return held


async def test_when_one_after_another_is_silent_the_coordinator_is_told(
    office: Office, clock: SimulatedClock
) -> None:
    """Told after so many in turn, and again after as many more; a no breaks the row."""
    await office.employs(*(worker() for _ in range(8)))
    case_id = await offered_case(office)
    told = []

    async def is_silent() -> None:
        clock.advance(POLICY.answer_minutes[LOW] * MINUTE)
        await attend_to_what_is_due(office)
        told.append([each.data.silent for each in await office.told(Unanswered)])

    await is_silent()
    await is_silent()
    held = await office.allocation(case_id)
    await decline(held.id, held.offer.worker_id, BUSY, desk=office.desk)
    for _ in range(4):
        await is_silent()

    assert POLICY.escalate_after[LOW] == 3
    assert told == [[], [], [], [], [3], [3]]
    [alarm] = await office.told(Unanswered)
    assert (alarm.data.case_id, alarm.data.level) == (case_id, LOW)
    assert alarm.data.noticed_at == NOON + 5 * HOUR


async def test_one_worker_who_is_silent_again_and_again_counts_once(
    office: Office, clock: SimulatedClock
) -> None:
    await office.employs(worker(), worker())
    case_id = await offered_case(office)

    for _ in range(12):
        clock.advance(POLICY.answer_minutes[LOW] * MINUTE)
        await attend_to_what_is_due(office)

    assert await office.told(Unanswered) == []
    held = await office.allocation(case_id)
    silent = [each for each in held.offers if each.answer is Answer.EXPIRED]
    assert len(silent) > 2 * POLICY.escalate_after[LOW]
    assert held.silences == 2


def test_however_many_are_silent_the_alarm_rings_after_as_many_more() -> None:
    held, rang = allocation(), list[int]()

    for number in range(1, 3 * REMEMBERED):
        asked = held.offered(choice(f"worker {number}"), POLICY, NOON)
        held = asked.expire(NOON)
        if held.escalates(POLICY.escalate_after[LOW]):
            rang.append(number)

    assert rang == [*range(3, 3 * REMEMBERED, 3)]
    # Whoever says anything ends it.
    said = held.offered(choice("other"), POLICY, NOON)
    said = said.decline("other", DeclineReason.NO_CAPACITY, NOON)
    assert said.offered(choice("next"), POLICY, NOON).expire(NOON).silences == 1


async def test_whoever_answers_late_has_the_role_while_nobody_else_was_asked(
    office: Office, clock: SimulatedClock
) -> None:
    [only] = await office.employs(worker())
    held = await silent_case(office, clock)

    await accept(held.id, only.id, desk=office.desk)
    await office.deliver()

    taken = await office.allocation(held.case_id)
    assert (taken.status, taken.worker_id) == (Status.ACCEPTED, only.id)
    assert taken.offer.beyond_by is None
    place = (await office.worker(only.id)).holds[held.id]
    assert place.until is None
    [told] = await office.told(AllocationAccepted)
    assert told.data.worker_id == only.id
    clock.advance(POLICY.retry_minutes[LOW] * MINUTE)
    assert await attend_to_what_is_due(office) == 0


async def test_a_late_yes_is_given_its_place_over_capacity(
    office: Office, clock: SimulatedClock
) -> None:
    [only] = await office.employs(worker(capacity=POLICY.points[LOW][Stage.NEW]))
    held = await silent_case(office, clock)
    meanwhile = need(points=POLICY.points[LOW][Stage.NEW])
    reserving = partial(
        Worker.reserve, need=meanwhile, until=NOON + 99 * HOUR, at=clock.now()
    )
    assert not await beyond(held, only.id, desk=office.desk)
    await office.desk.directory.change(only.id, reserving)
    assert await beyond(held, only.id, desk=office.desk)

    await accept(held.id, only.id, desk=office.desk)

    taken = await office.allocation(held.case_id)
    assert taken.offer.beyond_by == only.id
    assert await beyond(taken, only.id, desk=office.desk)
    full_ = await office.worker(only.id)
    assert full_.holds.keys() == {meanwhile.allocation_id, held.id}
    assert full_.load > full_.capacity


@pytest.mark.parametrize(
    "changes", [{"active": False}, {"roles": frozenset({COORDINATOR})}, {"team": "b"}]
)
async def test_a_late_yes_is_refused_to_whoever_may_not_take_it_any_more(
    office: Office, clock: SimulatedClock, changes: dict[str, Any]
) -> None:
    [only] = await office.employs(worker(team="a"))
    held = await silent_case(office, clock)
    staffing = await office.desk.staffings.get(held.case_id)
    assert staffing is not None
    await office.desk.staffings.save(staffing.ask(OUTREACH, "b."))
    changed = (await office.worker(only.id)).model_copy(update=changes)
    await office.employs(changed)

    with pytest.raises(OfferExpired):
        await accept(held.id, only.id, desk=office.desk)

    assert (await office.allocation(held.case_id)).status is Status.UNFILLED
    assert not (await office.worker(only.id)).holds


async def test_a_late_yes_is_refused_to_whoever_is_barred_meanwhile(
    office: Office, clock: SimulatedClock
) -> None:
    [only] = await office.employs(worker())
    held = await silent_case(office, clock)
    staffing = await office.desk.staffings.get(held.case_id)
    assert staffing is not None
    await office.desk.staffings.save(staffing.note_conflict(only.id))

    with pytest.raises(OfferExpired):
        await accept(held.id, only.id, desk=office.desk)


async def test_a_late_conflict_of_interest_is_told_and_they_are_not_asked_again(
    office: Office, clock: SimulatedClock
) -> None:
    [only] = await office.employs(worker())
    held = await silent_case(office, clock)
    conflict = DeclineReason.CONFLICT_OF_INTEREST
    said = cannot_take(held, only.id, reason=conflict)

    await heed_refusal(said, desk=office.desk)
    await heed_refusal(said, desk=office.desk)

    [told] = await office.told(AllocationDeclined)
    assert (told.data.worker_id, told.data.reason) == (only.id, conflict)
    clock.advance(POLICY.retry_minutes[LOW] * MINUTE)
    await attend_to_what_is_due(office)
    again = await office.allocation(held.case_id)
    assert (again.status, again.holder) == (Status.UNFILLED, None)


async def test_a_late_no_leaves_the_role_with_whoever_was_asked_since(
    office: Office, clock: SimulatedClock
) -> None:
    await office.employs(worker(), worker())
    case_id = await offered_case(office)
    silent = (await office.allocation(case_id)).worker_id
    assert silent
    clock.advance(HOUR + MINUTE)
    await attend_to_what_is_due(office)
    other = await accepted_by(office, case_id)

    held = await office.allocation(case_id)
    await decline(held.id, silent, DeclineReason.UNSAFE, desk=office.desk)

    after = await office.allocation(case_id)
    assert (after.worker_id, after.status) == (other, Status.ACCEPTED)
    assert after.declined_by == {silent}
    assert held.id in (await office.worker(other)).holds
    assert len(await office.told(AllocationDeclined)) == 1


async def test_out_of_time_is_told_once_and_the_role_stays_unowned(
    office: Office, clock: SimulatedClock
) -> None:
    await office.employs(*(worker() for _ in range(9)))
    case_id = await offered_case(office)
    for _ in range(5):
        clock.advance(HOUR)
        await attend_to_what_is_due(office)

    alarms = [each.data for each in await office.told(AllocationUnfilled)]
    assert [(each.reason, each.noticed_at) for each in alarms] == [
        ("out_of_time", NOON + 3 * HOUR)
    ]
    unowned = await office.desk.allocations.unowned(clock.now())
    assert [each.case_id for each in unowned] == [case_id]

    await accepted_by(office, case_id)
    assert await office.desk.allocations.unowned(clock.now()) == []


async def test_the_clock_survives_declines(
    office: Office, clock: SimulatedClock
) -> None:
    await office.employs(*(worker() for _ in range(9)))
    case_id = await offered_case(office)
    for _ in range(6):
        clock.advance(30 * MINUTE)
        held = await office.allocation(case_id)
        assert held.worker_id is not None
        await decline(held.id, held.worker_id, BUSY, desk=office.desk)

    await attend_to_what_is_due(office)

    [alarm] = await office.told(AllocationUnfilled)
    assert (alarm.data.reason, alarm.data.noticed_at) == (
        "out_of_time",
        NOON + 3 * HOUR,
    )


async def test_a_case_that_waited_in_a_queue_for_hours_is_out_of_time_at_once(
    office: Office, clock: SimulatedClock
) -> None:
    await office.employs(worker())
    clock.advance(5 * HOUR)

    case_id = await offered_case(office)
    await attend_to_what_is_due(office)

    held = await office.allocation(case_id)
    assert held.answer_by == clock.now() + HOUR
    [alarm] = await office.told(AllocationUnfilled)
    assert alarm.data.reason == "out_of_time"


async def test_a_rise_wants_what_is_missing_and_shortens_what_is_open(
    office: Office, clock: SimulatedClock
) -> None:
    await office.employs(
        worker(WHANAU), worker(COORDINATOR), worker(SPECIALIST), worker(OUTREACH)
    )
    case_id = await offered_case(office, MEDIUM)
    await accepted_by(office, case_id, COORDINATOR)
    before = await office.allocations(case_id)

    clock.advance(30 * MINUTE)
    risen = assessed(case_id, HIGH, at=clock.now(), revision=2)
    await want_roles(risen, desk=office.desk)
    await office.deliver()

    held = await office.allocations(case_id)
    assert set(held) == {WHANAU, COORDINATOR, SPECIALIST, OUTREACH}
    has, had = held[COORDINATOR], before[COORDINATOR]
    assert (has.status, has.worker_id) == (had.status, had.worker_id)
    assert (has.level, has.due_at, has.offers) == (HIGH, None, had.offers)
    for each in (has, held[WHANAU]):
        assert each.worker_id
        carrying = await office.worker(each.worker_id)
        assert carrying.load == carrying.urgent_load == POLICY.points[HIGH][Stage.NEW]
    assert held[WHANAU].worker_id == before[WHANAU].worker_id
    assert held[WHANAU].answer_by == NOON + 50 * MINUTE
    assert held[WHANAU].assign_by == NOON + HOUR
    assert held[SPECIALIST].assign_by == clock.now() + HOUR
    # The worker is told that they have less time than they were told at first.
    told = [
        each.data
        for each in await office.told(AllocationOffered)
        if each.data.role is WHANAU
    ]
    assert [(each.level, each.answer_by) for each in told] == [
        (MEDIUM, NOON + HOUR),
        (HIGH, NOON + 50 * MINUTE),
    ]
    assert len(held[WHANAU].offers) == 1


async def test_a_rise_looks_at_once_for_whom_nobody_was_found(
    office: Office,
) -> None:
    case_id = await offered_case(office, MEDIUM)
    assert (await office.allocation(case_id)).status is Status.UNFILLED
    [new] = await office.employs(worker(WHANAU))

    risen = assessed(case_id, HIGH, revision=2)
    await want_roles(risen, desk=office.desk)
    await office.deliver()

    assert (await office.allocation(case_id)).worker_id == new.id


async def test_another_assessment_at_the_same_level_asks_nobody_again(
    office: Office,
) -> None:
    await office.employs(worker())
    case_id = await offered_case(office)

    await want_roles(assessed(case_id, revision=2), desk=office.desk)
    await office.deliver()

    assert len(await office.told(RoleWanted)) == 1
    assert len(await office.told(AllocationOffered)) == 1


async def test_a_closed_plan_dissolves_the_team_and_frees_the_places(
    office: Office, clock: SimulatedClock
) -> None:
    hired = await office.employs(
        worker(SPECIALIST), worker(OUTREACH), worker(COORDINATOR)
    )
    case_id = await offered_case(office, HIGH)
    await accepted_by(office, case_id, SPECIALIST)
    await accepted_by(office, case_id, OUTREACH)
    clock.advance(MINUTE)

    await close_plan(office, case_id)

    assert [(await office.worker(each.id)).holds for each in hired] == [{}, {}, {}]
    changes = await office.told(CaseTeamChanged)
    assert [len(each.data.members) for each in changes] == [1, 2, 0]
    assert await office.allocations(case_id) == {}
    clock.advance(1000 * HOUR)
    assert await attend_to_what_is_due(office) == 0
    assert await office.desk.allocations.unowned(clock.now()) == []


async def test_a_closed_plan_takes_back_the_offers_that_nobody_has_answered(
    office: Office, clock: SimulatedClock
) -> None:
    [_, asked] = await office.employs(worker(SPECIALIST), worker(OUTREACH))
    case_id = await offered_case(office, HIGH)
    await accepted_by(office, case_id, SPECIALIST)
    held = await office.allocation(case_id, OUTREACH)
    clock.advance(MINUTE)

    await close_plan(office, case_id)

    [told] = await office.told(AllocationWithdrawn)
    assert told.data == AllocationWithdrawn(
        case_id=case_id,
        allocation_id=held.id,
        role=held.role,
        first_referred_at=held.first_referred_at,
        worker_id=asked.id,
        withdrawn_at=clock.now(),
    )
    ended = await office.desk.allocations.get(held.id)
    assert ended is not None
    assert (ended.offer.answer, ended.offer.answered_at) == (
        Answer.WITHDRAWN,
        clock.now(),
    )


async def test_closing_ends_the_roles_of_a_case_however_many_it_has_had(
    office: Office, clock: SimulatedClock
) -> None:
    await office.employs(worker())
    case_id = await offered_case(office)
    current = await office.allocation(case_id)
    earlier = [
        allocation(case_id=case_id, since=NOON - number * HOUR).end(NOON)
        for number in range(1, 131)
    ]
    later = [
        allocation(case_id=case_id, since=NOON + HOUR).end(NOON) for _ in range(130)
    ]
    await asyncio.gather(*map(office.desk.allocations.save, (*earlier, *later)))
    clock.advance(MINUTE)

    await close_plan(office, case_id)

    held = await office.desk.allocations.get(current.id)
    assert held is not None
    assert held.status is Status.ENDED


async def test_a_closing_whose_process_died_frees_the_places_when_told_again(
    office: Office, clock: SimulatedClock
) -> None:
    """The process dies after the allocation was ended, before the worker."""
    [asked] = await office.employs(worker())
    case_id = await offered_case(office)
    await accepted_by(office, case_id)
    clock.advance(MINUTE)
    message = closed(case_id, at=clock.now())
    await dissolve_team(message, desk=office.desk)
    held = await office.allocation(case_id)
    await office.desk.allocations.save(held.end(NOON))
    assert (await office.worker(asked.id)).load == 1

    await end_allocations(message, desk=office.desk)

    assert (await office.worker(asked.id)).load == 0


async def test_after_a_closed_plan_a_new_referral_wants_roles_anew(
    office: Office, clock: SimulatedClock
) -> None:
    [asked] = await office.employs(worker())
    case_id = await offered_case(office)
    await accepted_by(office, case_id)
    clock.advance(HOUR)
    await close_plan(office, case_id)
    clock.advance(HOUR)

    again = assessed(case_id, at=clock.now(), revision=2)
    await want_roles(again, desk=office.desk)
    await office.deliver()

    held = await office.allocation(case_id)
    assert (held.worker_id, held.status) == (asked.id, Status.OFFERED)
    assert held.assign_by == clock.now() + 3 * HOUR
    assert len({each.data.allocation_id for each in await office.told(RoleWanted)}) == 2


async def test_a_closed_plan_that_is_told_again_does_not_end_the_next_episode(
    office: Office, clock: SimulatedClock
) -> None:
    await office.employs(worker())
    case_id = await offered_case(office)
    clock.advance(HOUR)
    message = closed(case_id, at=clock.now())
    await dissolve_team(message, desk=office.desk)
    await end_allocations(message, desk=office.desk)
    clock.advance(HOUR)
    again = assessed(case_id, at=clock.now(), revision=2)
    await want_roles(again, desk=office.desk)
    await office.deliver()

    assert not await handled_once(dissolve_team(message, desk=office.desk))
    await end_allocations(message, desk=office.desk)

    assert (await office.allocation(case_id)).status is Status.OFFERED


async def test_a_closed_plan_told_before_anything_else_is_remembered(
    office: Office,
) -> None:
    case_id = new_id()
    message = closed(case_id, at=NOON - HOUR, revision=2)

    await dissolve_team(message, desk=office.desk)
    await end_allocations(message, desk=office.desk)
    await want_roles(assessed(case_id, revision=2), desk=office.desk)

    assert await office.told(CaseTeamChanged) == []
    assert await office.told(RoleWanted) == []
    held = await office.desk.staffings.get(case_id)
    assert held is not None
    assert held.closed_at == NOON - HOUR


@pytest.mark.parametrize("first", ["closed", "assessed"])
async def test_a_case_assessed_while_its_plan_is_closed_is_offered_anew(
    office: Office, clock: SimulatedClock, first: str
) -> None:
    [asked] = await office.employs(worker())
    case_id = await offered_case(office)
    await accepted_by(office, case_id)
    again = assessed(case_id, at=clock.now(), revision=2)
    clock.advance(MINUTE)

    if first == "closed":
        await close_plan(office, case_id)
    await want_roles(again, desk=office.desk)
    if first == "assessed":
        await close_plan(office, case_id)
    await office.deliver()

    held = await office.allocation(case_id)
    assert (held.worker_id, held.status) == (asked.id, Status.OFFERED)
    assert (await office.worker(asked.id)).holds.keys() == {held.id}
    changes = await office.told(CaseTeamChanged)
    assert [len(each.data.members) for each in changes] == [1, 0]


async def test_what_a_dead_process_had_reserved_is_reserved_once(
    office: Office, other_process: Office
) -> None:
    """The process dies after the worker's document was written, before the offer."""
    [asked] = await office.employs(worker(capacity=1))
    told = await office.wants_a_role()
    wanted = need(allocation_id=told.allocation_id, case_id=told.case_id)
    await office.desk.directory.change(
        asked.id, lambda held: held.reserve(wanted, NOON + HOUR, NOON)
    )

    await place_role(message_of(told), desk=other_process.desk)

    held = await office.allocation(told.case_id)
    assert held.worker_id == asked.id
    assert (await office.worker(asked.id)).load == 1


async def test_an_acceptance_whose_process_died_makes_the_place_permanent_later(
    office: Office, clock: SimulatedClock
) -> None:
    """The process dies after the allocation was written, before the worker."""
    [asked] = await office.employs(worker(capacity=1))
    case_id = await offered_case(office)
    held = await office.allocation(case_id)
    accepted = held.accept(asked.id, clock.now())
    told = AllocationAccepted(
        case_id=case_id,
        allocation_id=held.id,
        role=WHANAU,
        first_referred_at=NOON,
        worker_id=asked.id,
        accepted_at=NOON,
    )
    await office.desk.allocations.save(accepted, told)
    assert (await office.worker(asked.id)).holds[held.id].until is not None

    await office.deliver()

    assert (await office.worker(asked.id)).holds[held.id].until is None


async def test_a_place_whose_release_was_lost_lapses_by_itself(
    office: Office, clock: SimulatedClock
) -> None:
    """The process dies after the decline was written, before the worker."""
    [only] = await office.employs(worker(capacity=1))
    held = await office.allocation(await offered_case(office))
    declined = held.decline(only.id, BUSY, NOON).unfilled(POLICY, NOON)
    await office.desk.allocations.save(declined)

    second = await offered_case(office)
    assert (await office.allocation(second)).status is Status.UNFILLED
    clock.advance(HOUR + HOLD_SLACK)
    await attend_to_what_is_due(office)

    assert (await office.allocation(second)).worker_id == only.id
    assert (await office.worker(only.id)).load == 1


async def test_an_offer_overtaken_by_another_decision_gives_its_place_back(
    office: Office,
) -> None:
    first, second = await office.employs(worker(), worker())
    case_id = await offered_case(office)
    stale = await office.allocation(case_id)
    assert stale.worker_id == min(first.id, second.id)
    other = max(first.id, second.id)
    await accept(stale.id, stale.worker_id, desk=office.desk)

    # A sweep decided on what it had loaded before, and reserved the next worker.
    taken = need(allocation_id=stale.id, case_id=case_id)
    await office.desk.directory.change(
        other, lambda held: held.reserve(taken, NOON + HOUR, NOON)
    )
    with pytest.raises(Conflict):
        await save(stale.model_copy(update={"worker_id": other}), desk=office.desk)

    assert (await office.worker(other)).load == 0
    assert (await office.worker(stale.worker_id)).load == 1


async def test_an_acceptance_that_a_closed_plan_overtook_ends(
    office: Office, clock: SimulatedClock
) -> None:
    [asked] = await office.employs(worker())
    case_id = await offered_case(office)
    held = await office.allocation(case_id)
    clock.advance(MINUTE)
    # The staffing knows of the closed plan, and the acceptance came in between.
    message = closed(case_id, at=clock.now())
    await dissolve_team(message, desk=office.desk)
    await accept(held.id, asked.id, desk=office.desk)
    await office.deliver()

    assert await office.allocations(case_id) == {}
    assert (await office.worker(asked.id)).load == 0
    assert await office.told(CaseTeamChanged) == []


async def test_a_place_is_not_given_again_after_the_role_has_ended(
    office: Office, clock: SimulatedClock
) -> None:
    [asked] = await office.employs(worker())
    case_id = await offered_case(office)
    await accepted_by(office, case_id)
    accepted = await office.allocation(case_id)
    clock.advance(MINUTE)
    await close_plan(office, case_id)

    # Whoever accepted was slow, and makes the place permanent only now.
    await settle(accepted, desk=office.desk)

    assert (await office.worker(asked.id)).load == 0


async def test_a_role_of_an_ended_episode_ends_when_its_clock_runs_out(
    office: Office, clock: SimulatedClock
) -> None:
    [asked] = await office.employs(worker())
    case_id = await offered_case(office)
    clock.advance(MINUTE)
    # Another process was placing the role while the plan was closed, so that closing
    # did not see it.
    await dissolve_team(closed(case_id, at=clock.now()), desk=office.desk)

    clock.advance(HOUR)
    await attend_to_what_is_due(office)

    assert await office.allocations(case_id) == {}
    assert (await office.worker(asked.id)).load == 0
    assert await office.told(AllocationExpired) == []


async def test_a_role_wanted_by_an_ended_episode_is_not_placed(
    office: Office, clock: SimulatedClock
) -> None:
    await office.employs(worker())
    told = await office.wants_a_role()
    clock.advance(MINUTE)
    await dissolve_team(closed(told.case_id, at=clock.now()), desk=office.desk)

    await place_role(message_of(told), desk=office.desk)

    assert await office.allocations(told.case_id) == {}


async def test_roles_that_come_in_the_wrong_order_keep_the_higher_level(
    office: Office,
) -> None:
    await office.employs(worker(WHANAU))
    case_id = new_id()
    await want_roles(assessed(case_id, MEDIUM), desk=office.desk)
    await want_roles(assessed(case_id, HIGH, revision=2), desk=office.desk)
    wanted = [
        each for each in await office.told(RoleWanted) if each.data.role is WHANAU
    ]
    assert [each.data.level for each in wanted] == [MEDIUM, HIGH]

    for message in reversed(wanted):
        await place_role(message, desk=office.desk)

    held = await office.allocation(case_id)
    assert held.level is HIGH
    assert len(await office.told(AllocationOffered)) == 1


async def test_a_tier_names_roles_beside_those_of_the_level(office: Office) -> None:
    case_id = new_id()
    lifted = Tier(
        code="high",
        # The other is a word of risk's that nobody here answers to.
        roles=(SPECIALIST, OUTREACH, "astrologer"),
        actions=(),
        clocks={},
        meeting=None,
    )
    tiers = [(1, None), (3, lifted), (2, None)]

    for revision, tier in tiers:
        told = assessed(case_id, MEDIUM, revision=revision, tier=tier)
        await want_roles(told, desk=office.desk)

    wanted = {each.data.role for each in await office.told(RoleWanted)}
    assert wanted == {*POLICY.roles[MEDIUM], SPECIALIST, OUTREACH}


async def test_a_role_of_a_tier_that_is_over_is_not_wanted_by_what_comes_late(
    office: Office,
) -> None:
    case_id = new_id()
    lifted = Tier(code="high", roles=(SPECIALIST,), actions=(), clocks={}, meeting=None)

    await want_roles(assessed(case_id, MEDIUM, revision=2), desk=office.desk)
    late = assessed(case_id, MEDIUM, revision=1, tier=lifted)
    await want_roles(late, desk=office.desk)

    wanted = {each.data.role for each in await office.told(RoleWanted)}
    assert wanted == {*POLICY.roles[MEDIUM]}


async def test_no_event_carries_more_than_ids_codes_and_times(office: Office) -> None:
    sentinel = "sentinel@example.org"
    hired: list[Worker] = await office.employs(worker(email=sentinel))
    case_id = await offered_case(office)
    await accepted_by(office, case_id)

    kinds: tuple[Any, ...] = (AllocationOffered, AllocationAccepted, CaseTeamChanged)
    for kind in kinds:
        for message in await office.told(kind):
            assert sentinel not in message.data.model_dump_json()
            assert hired[0].id in message.data.model_dump_json()


async def test_twenty_cases_in_one_batch_are_placed_within_capacity(
    office: Office,
) -> None:
    room = 5 * POLICY.points[HIGH][Stage.NEW]
    roles = (SPECIALIST, OUTREACH, COORDINATOR) * 2
    hired = await office.employs(*(worker(role, capacity=room) for role in roles))
    cases = [new_id() for _ in range(20)]
    await asyncio.gather(
        *(want_roles(assessed(each, HIGH), desk=office.desk) for each in cases)
    )
    messages = await office.told(RoleWanted)

    await asyncio.gather(*(place_role(each, desk=office.desk) for each in messages))

    loads = [(await office.worker(each.id)).load for each in hired]
    assert loads == [room] * 6
    made: list[Allocation] = []
    for case_id in cases:
        made += (await office.allocations(case_id)).values()
    assert sum(each.status is Status.OFFERED for each in made) == 30
    assert sum(each.status is Status.UNFILLED for each in made) == 30


async def test_an_erased_case_needs_nobody_and_remembers_nobody(office: Office) -> None:
    await office.employs(worker(WHANAU))
    case_id = await offered_case(office)
    accepter = await accepted_by(office, case_id)
    told = CaseErased(case_id=case_id, reason="court_order", erased_at=NOON)

    await erase_staffing(message_of(told), desk=office.desk)
    await erase_allocations(message_of(told), desk=office.desk)
    await note_wishes(referred(case_id), desk=office.desk)
    await want_roles(assessed(case_id, HIGH), desk=office.desk)
    await office.deliver()

    staffing = await office.desk.staffings.get(case_id)
    [held] = await office.desk.allocations.of_case(case_id)
    assert staffing
    assert (staffing.roles, staffing.heard) == ({}, {})
    assert staffing.served_others == frozenset()
    assert (held.worker_id, held.offers, held.points) == (None, (), 0)
    assert (await office.worker(accepter)).holds == {}


async def test_nobody_works_on_a_case_that_was_transferred(
    office: Office, clock: SimulatedClock
) -> None:
    hired = await office.employs(
        worker(SPECIALIST), worker(OUTREACH), worker(COORDINATOR)
    )
    case_id = await offered_case(office, HIGH)
    await accepted_by(office, case_id, SPECIALIST)
    told = message_of(CaseTransferred(case_id=case_id, transferred_at=clock.now()))

    await leave_case(told, desk=office.desk)
    await end_allocations(told, desk=office.desk)
    again = assessed(case_id, HIGH, at=clock.advance(HOUR), revision=2)
    await want_roles(again, desk=office.desk)
    await office.deliver()

    assert [(await office.worker(each.id)).holds for each in hired] == [{}, {}, {}]
    changes = await office.told(CaseTeamChanged)
    assert [len(each.data.members) for each in changes] == [1, 0]
    assert await office.allocations(case_id) == {}
    held = await office.desk.staffings.get(case_id)
    assert held
    assert standing_of(hired[0], held, (), None).transferred


def plan(kind: type[PlanEvent], case_id: str, revision: int) -> Message[Any]:
    """The plan of a case is agreed to, reviewed or stale."""
    fields: dict[type[PlanEvent], dict[str, Any]] = {
        PlanAgreed: {"agreed_at": NOON},
        PlanReviewed: {"reviewed_at": NOON},
        PlanStale: {
            "level": HIGH,
            "reasons": (StaleReason.BREACHED,),
            "stale_at": NOON,
        },
    }
    told = kind(case_id=case_id, plan_version=1, **fields[kind])
    return message_of(told, version=revision)


async def test_what_a_role_takes_goes_by_how_far_the_response_is(
    office: Office,
) -> None:
    team = [worker(role) for role in POLICY.roles[HIGH]]
    await office.employs(*team)
    case_id = new_id()
    await want_roles(assessed(case_id, HIGH), desk=office.desk)
    await office.deliver()
    held = await office.allocation(case_id, SPECIALIST)
    assert held.worker_id is not None
    await accept(held.id, held.worker_id, desk=office.desk)
    await office.deliver()

    async def loads(kind: type[PlanEvent], revision: int) -> set[int]:
        await note_stage(plan(kind, case_id, revision), desk=office.desk)
        await office.deliver()
        return {(await office.worker(each.id)).load for each in team}

    by_stage = POLICY.points[HIGH]
    asked_before = len(await office.told(AllocationOffered))
    assert await loads(PlanAgreed, 4) == {by_stage[Stage.IN_RESPONSE]}
    assert await loads(PlanReviewed, 6) == {by_stage[Stage.IN_REVIEW]}
    # Heard of late, it changes nothing.
    assert await loads(PlanStale, 5) == {by_stage[Stage.IN_REVIEW]}
    assert await loads(PlanStale, 7) == {by_stage[Stage.IN_RESPONSE]}
    # Nobody is told of an offer once more because of it.
    assert len(await office.told(AllocationOffered)) == asked_before

    await want_roles(assessed(case_id, EXTREME, revision=2), desk=office.desk)
    await office.deliver()
    risen = POLICY.points[EXTREME][Stage.IN_RESPONSE]
    assert {(await office.worker(each.id)).load for each in team} == {risen}


async def test_a_new_episode_is_new_whatever_is_heard_of_the_last_plan(
    office: Office,
) -> None:
    case_id = new_id()
    await want_roles(assessed(case_id), desk=office.desk)
    await note_stage(plan(PlanAgreed, case_id, 3), desk=office.desk)
    over = closed(case_id, at=NOON + HOUR)
    await dissolve_team(message_of(over.data, version=6), desk=office.desk)

    await note_stage(plan(PlanReviewed, case_id, 5), desk=office.desk)
    again = assessed(case_id, revision=2, at=NOON + 2 * HOUR)
    await want_roles(again, desk=office.desk)

    staffing = await office.desk.staffings.get(case_id)
    assert staffing is not None
    assert {each.stage for each in staffing.roles.values()} == {Stage.NEW}


async def test_what_the_next_plan_says_stays_though_the_last_ones_end_is_heard_later(
    office: Office,
) -> None:
    case_id = new_id()
    await want_roles(assessed(case_id), desk=office.desk)
    await want_roles(assessed(case_id, revision=2), desk=office.desk)
    await note_stage(plan(PlanAgreed, case_id, 8), desk=office.desk)

    over = closed(case_id, at=NOON + HOUR)
    await dissolve_team(message_of(over.data, version=6), desk=office.desk)

    staffing = await office.desk.staffings.get(case_id)
    assert staffing is not None
    assert staffing.episode == 2
    assert {each.stage for each in staffing.roles.values()} == {Stage.IN_RESPONSE}


async def test_a_merged_case_goes_by_its_own_plan_when_it_is_on_its_own_again(
    office: Office,
) -> None:
    case_id, survivor = new_id(), new_id()
    await want_roles(assessed(case_id), desk=office.desk)
    held = await office.desk.staffings.get(case_id)
    assert held is not None
    merged = merge(held, survivor, 2, POLICY, NOON)

    told = merged.reach(Stage.IN_REVIEW, 90)
    apart = merge(told, None, 3, POLICY, NOON)

    assert told is merged
    assert apart.reach(Stage.IN_RESPONSE, 3).stage is Stage.IN_RESPONSE


async def test_a_change_of_stage_asks_nobody_anew_and_alarms_nobody_again(
    office: Office,
) -> None:
    case_id = new_id()
    await want_roles(assessed(case_id), desk=office.desk)
    await office.deliver()
    before = await office.allocation(case_id)
    assert before.status is Status.UNFILLED
    alarms = len(await office.told(AllocationUnfilled))
    await office.employs(worker())

    await note_stage(plan(PlanAgreed, case_id, 3), desk=office.desk)
    await office.deliver()

    after = await office.allocation(case_id)
    assert after.stage is Stage.IN_RESPONSE
    assert (after.status, after.retry_at) == (before.status, before.retry_at)
    assert len(await office.told(AllocationUnfilled)) == alarms
