from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from accord_chassis.clock import SimulatedClock
from accord_chassis.store import AlreadyHandled
from accord_chassis.testing import NOON, message_of, new_id, published
from accord_contracts.message import Lane, Message
from accord_contracts.plans import (
    ActionAssigned,
    ActionDone,
    ActionOverdue,
    PlanAgreed,
    PlanClosed,
    PlanDrafted,
    PlanReviewDue,
)
from accord_contracts.referrals import CaseErased, CaseTransferred
from accord_contracts.risk import RiskAssessed, RiskLevel
from plans import handlers
from plans.domain.action import NoSuchAction
from plans.domain.held import NoPlan
from plans.domain.stage import Status
from plans.domain.staleness import Read, review
from plans.store import Plans
from plans_builders import (
    IVS,
    OUTCOMES,
    OUTREACH,
    POLICY,
    accepted,
    assessed,
    left_of,
    settle,
    withdrawn,
)

LOW, _, HIGH, EXTREME = RiskLevel
HOUR = timedelta(hours=1)


async def draft(
    message: Message[RiskAssessed], plans: Plans, clock: SimulatedClock
) -> None:
    await handlers.draft_plan(message, plans=plans, policy=POLICY, clock=clock)


async def do_mandatory(case_id: str, plans: Plans) -> None:
    """Do everything without which the plan cannot be closed, as worker `w`."""
    message = accepted(case_id, IVS, new_id())
    await handlers.assign_actions(message, plans=plans)
    worker_id = message.data.worker_id
    held = await plans.get(case_id)
    assert held
    for each in held.open_actions:
        if each.mandatory:
            await settle(case_id, each.id, worker_id, at=NOON, plans=plans)


async def test_an_assessed_case_gets_a_plan(
    plans: Plans, clock: SimulatedClock
) -> None:
    message = assessed(new_id(), HIGH, at=NOON - HOUR)

    await draft(message, plans, clock)

    [said] = await published(plans)
    assert said.data == PlanDrafted(
        case_id=message.data.case_id,
        plan_version=1,
        referral_id=message.data.referral_id,
        level=HIGH,
        actions=3,
        drafted_at=NOON,
    )
    assert said.lane is Lane.URGENT
    assert said.causation_id == message.id
    held = await plans.get(message.data.case_id)
    assert held
    assert held.version == 1
    # It is reminded of four hours before it is due.
    assert held.due_at == NOON + 19 * HOUR


async def test_a_redelivered_assessment_changes_nothing(
    plans: Plans, clock: SimulatedClock
) -> None:
    message = assessed(new_id())

    await draft(message, plans, clock)
    with pytest.raises(AlreadyHandled):
        await draft(message, plans, clock)

    assert len(await published(plans)) == 1


async def test_an_older_assessment_that_comes_late_changes_nothing(
    plans: Plans, clock: SimulatedClock
) -> None:
    case_id = new_id()
    await draft(assessed(case_id, HIGH, revision=2), plans, clock)

    await draft(assessed(case_id, EXTREME, revision=1, at=NOON - HOUR), plans, clock)

    held = await plans.get(case_id)
    assert held
    assert held.version == 1
    assert held.current.assessment.level is HIGH


async def test_each_further_assessment_drafts_the_next_version(
    plans: Plans, clock: SimulatedClock
) -> None:
    case_id = new_id()
    await draft(assessed(case_id, LOW), plans, clock)

    await draft(assessed(case_id, HIGH, revision=2, at=NOON + HOUR), plans, clock)

    said = [each.data for each in await published(plans)]
    assert [each.plan_version for each in said if isinstance(each, PlanDrafted)] == [
        1,
        2,
    ]


async def test_a_low_assessment_keeps_the_lane_of_its_message(
    plans: Plans, clock: SimulatedClock
) -> None:
    await draft(assessed(new_id(), LOW), plans, clock)

    [said] = await published(plans)
    assert said.lane is Lane.ROUTINE


async def test_who_takes_a_role_is_given_its_actions_in_one_save(
    plans: Plans, clock: SimulatedClock
) -> None:
    case_id, worker_id = new_id(), new_id()
    await draft(assessed(case_id, HIGH), plans, clock)
    message = accepted(case_id, IVS, worker_id)

    await handlers.assign_actions(message, plans=plans)
    with pytest.raises(AlreadyHandled):
        await handlers.assign_actions(message, plans=plans)

    told = [each.data for each in await published(plans)]
    given = [each for each in told if isinstance(each, ActionAssigned)]
    assert [each.action for each in given] == ["safe_contact", "safety_advice"]
    assert {each.worker_id for each in given} == {worker_id}
    assert {each.role for each in given} == {IVS}
    assert [each.due_at for each in given] == [NOON + 24 * HOUR, NOON + 48 * HOUR]
    held = await plans.get(case_id)
    assert held
    assert held.version == 2


async def test_a_role_taken_before_the_plan_is_remembered_for_it(
    plans: Plans, clock: SimulatedClock
) -> None:
    case_id, worker_id = new_id(), new_id()

    await handlers.assign_actions(accepted(case_id, IVS, worker_id), plans=plans)
    early = await plans.get(case_id)
    await draft(assessed(case_id, HIGH), plans, clock)

    assert early
    assert early.status is Status.NONE
    told = [type(each.data) for each in await published(plans)]
    assert told == [PlanDrafted, ActionAssigned, ActionAssigned]


async def test_the_order_in_which_plan_and_owner_come_does_not_matter(
    plans: Plans, clock: SimulatedClock
) -> None:
    first, second, worker_id = new_id(), new_id(), new_id()
    for case_id in (first, second):
        steps = [
            draft(assessed(case_id, HIGH), plans, clock),
            handlers.assign_actions(accepted(case_id, IVS, worker_id), plans=plans),
        ]
        for step in steps if case_id == first else reversed(steps):
            await step

    one, other = await plans.get(first), await plans.get(second)
    assert one
    assert other
    assert one.owners[IVS].worker_id == other.owners[IVS].worker_id == worker_id
    assert [(each.code, each.worker_id) for each in one.actions] == [
        (each.code, each.worker_id) for each in other.actions
    ]


async def test_a_tighter_due_time_is_told_to_the_owner(
    plans: Plans, clock: SimulatedClock
) -> None:
    case_id, worker_id = new_id(), new_id()
    await handlers.assign_actions(accepted(case_id, IVS, worker_id), plans=plans)
    await draft(assessed(case_id, LOW), plans, clock)

    await draft(assessed(case_id, HIGH, revision=2), plans, clock)

    told = [each.data for each in await published(plans)]
    given = [each for each in told if isinstance(each, ActionAssigned)]
    assert [each.action for each in given] == ["safe_contact", "safety_advice"]
    assert {each.plan_version for each in given} == {2}


async def test_an_agreement_is_told_once(plans: Plans, clock: SimulatedClock) -> None:
    case_id = new_id()
    await draft(assessed(case_id, HIGH), plans, clock)

    for at in (NOON, NOON + HOUR):
        await handlers.agree(case_id, 1, at=at, plans=plans)

    _, *said = await published(plans)
    assert [each.data for each in said] == [
        PlanAgreed(case_id=case_id, plan_version=1, agreed_at=NOON)
    ]
    assert said[0].lane is Lane.URGENT


async def test_a_commitment_that_was_kept_is_told_once(
    plans: Plans, clock: SimulatedClock
) -> None:
    case_id, worker_id = new_id(), new_id()
    await handlers.assign_actions(accepted(case_id, IVS, worker_id), plans=plans)
    await draft(assessed(case_id, HIGH), plans, clock)
    held = await plans.get(case_id)
    assert held
    action = held.actions[0]

    for at in (NOON, NOON + HOUR):
        await settle(case_id, action.id, worker_id, at=at, plans=plans)

    told = [each.data for each in await published(plans)]
    assert [each for each in told if isinstance(each, ActionDone)] == [
        ActionDone(
            case_id=case_id,
            plan_version=1,
            action_id=action.id,
            action="safe_contact",
            role=IVS,
            worker_id=worker_id,
            done_at=NOON,
        )
    ]


async def close_(case_id: str, plans: Plans, at: datetime = NOON) -> None:
    left = left_of(await plans.known(case_id))
    known: dict[str, Any] = {"plans": plans, "policy": POLICY, "left": left}
    await handlers.close(case_id, "safety_goals_met", OUTCOMES, at=at, **known)


async def test_a_closing_is_told_once(plans: Plans, clock: SimulatedClock) -> None:
    case_id = new_id()
    await draft(assessed(case_id, HIGH), plans, clock)
    await do_mandatory(case_id, plans)

    for at in (NOON, NOON + HOUR):
        await close_(case_id, plans, at)

    told = [each.data for each in await published(plans)]
    assert [each for each in told if isinstance(each, PlanClosed)] == [
        PlanClosed(
            case_id=case_id,
            plan_version=1,
            reason="safety_goals_met",
            assessment_revision=1,
            closed_at=NOON,
        )
    ]


async def test_a_closing_names_the_latest_assessment_that_the_plan_took_in(
    plans: Plans, clock: SimulatedClock
) -> None:
    case_id = new_id()
    # Clocks of risk's own have counted the version of its document up in between.
    for revision in (1, 5, 3):
        await draft(assessed(case_id, HIGH, revision=revision), plans, clock)
    await do_mandatory(case_id, plans)

    await close_(case_id, plans)

    *_, closed = [each.data for each in await published(plans)]
    assert isinstance(closed, PlanClosed)
    assert (closed.plan_version, closed.assessment_revision) == (2, 5)


async def test_a_case_without_a_plan_can_be_neither_agreed_nor_closed(
    plans: Plans,
) -> None:
    with pytest.raises(NoPlan):
        await handlers.agree(new_id(), 1, at=NOON, plans=plans)
    with pytest.raises(NoPlan):
        await handlers.close(
            new_id(), "safety_goals_met", OUTCOMES, at=NOON, plans=plans, policy=POLICY
        )
    with pytest.raises(NoSuchAction):
        await settle(new_id(), new_id(), new_id(), at=NOON, plans=plans)


async def test_what_is_overdue_is_told_once_by_how_much_and_to_whom(
    plans: Plans, clock: SimulatedClock
) -> None:
    case_id, worker_id = new_id(), new_id()
    await draft(assessed(case_id, HIGH), plans, clock)
    await handlers.assign_actions(accepted(case_id, IVS, worker_id), plans=plans)
    now = clock.advance(25 * HOUR)

    [due] = await plans.due_now(now)
    await handlers.tell_overdue(due, at=now, plans=plans)

    assert await plans.due_now(now) == []
    *_, said = await published(plans)
    assert said.lane is Lane.URGENT
    assert isinstance(said.data, ActionOverdue)
    assert said.data.action == "safe_contact"
    assert said.data.worker_id == worker_id
    assert said.data.level is HIGH
    assert said.data.due_at == NOON + 24 * HOUR
    assert said.data.late_by == 3600


async def test_several_that_are_overdue_are_told_in_one_save_and_ownerless_too(
    plans: Plans, clock: SimulatedClock
) -> None:
    await draft(assessed(new_id(), HIGH), plans, clock)
    now = clock.advance(400 * HOUR)

    [due] = await plans.due_now(now)
    await handlers.tell_overdue(due, at=now, plans=plans)

    _, *said = [each.data for each in await published(plans)]
    overdue = [each for each in said if isinstance(each, ActionOverdue)]
    assert len(overdue) == len(said) == 3
    assert {each.worker_id for each in overdue} == {None}
    held = await plans.get(due.id)
    assert held
    assert held.due_at == held.current.agree_by


async def test_a_draft_that_nobody_agrees_to_is_told_of_once_however_often_drafted(
    plans: Plans, clock: SimulatedClock
) -> None:
    case_id, agree = new_id(), 900 * HOUR
    await draft(assessed(case_id, HIGH), plans, clock)
    clock.advance(agree - HOUR)
    again = assessed(case_id, HIGH, revision=2, at=clock.now())
    await draft(again, plans, clock)

    for _ in range(2):
        now = clock.advance(HOUR)
        for due in await plans.due_now(now):
            await handlers.tell_overdue(due, at=now, plans=plans)

    [late] = [
        each.data
        for each in await published(plans)
        if isinstance(each.data, PlanReviewDue)
    ]
    assert (late.plan_version, late.due_at, late.late_by) == (2, NOON + agree, 0)


async def test_a_review_that_falls_due_is_told_of_once_for_each_review(
    plans: Plans, clock: SimulatedClock
) -> None:
    case_id, week = new_id(), 168 * HOUR
    await draft(assessed(case_id, HIGH), plans, clock)
    await handlers.agree(case_id, 1, at=NOON, plans=plans)
    for _ in range(2):
        now = clock.advance(week)
        for _again in range(2):
            for due in await plans.due_now(now):
                await handlers.tell_overdue(due, at=now, plans=plans)
        held = await plans.get(case_id)
        assert held
        read = Read(1, held.current.review_by, held.stale)
        await plans.save(review(held, read, POLICY, now, new_id()))

    told = [each.data for each in await published(plans)]
    late = [each.due_at for each in told if isinstance(each, PlanReviewDue)]
    assert late == [NOON + week, NOON + 2 * week]


async def test_an_overdue_action_of_a_low_case_takes_the_routine_lane(
    plans: Plans, clock: SimulatedClock
) -> None:
    await draft(assessed(new_id(), LOW), plans, clock)
    now = clock.advance(121 * HOUR)

    [due] = await plans.due_now(now)
    await handlers.tell_overdue(due, at=now, plans=plans)

    *_, said = await published(plans)
    assert said.lane is Lane.ROUTINE


async def test_a_closed_plan_never_falls_due(
    plans: Plans, clock: SimulatedClock
) -> None:
    case_id = new_id()
    await draft(assessed(case_id, HIGH), plans, clock)
    await do_mandatory(case_id, plans)
    await close_(case_id, plans)

    assert await plans.due_now(NOON + timedelta(days=365)) == []


async def test_a_new_assessment_opens_a_closed_plan_again(
    plans: Plans, clock: SimulatedClock
) -> None:
    case_id = new_id()
    await draft(assessed(case_id, HIGH), plans, clock)
    await do_mandatory(case_id, plans)
    await close_(case_id, plans)
    later = clock.advance(timedelta(days=90))

    await draft(assessed(case_id, HIGH, revision=2, at=later), plans, clock)
    await handlers.assign_actions(
        accepted(case_id, OUTREACH, new_id(), at=later), plans=plans
    )

    *_, drafted, assigned = [each.data for each in await published(plans)]
    assert isinstance(drafted, PlanDrafted)
    assert (drafted.plan_version, drafted.actions) == (2, 2)
    assert isinstance(assigned, ActionAssigned)
    assert assigned.action == "programme"
    held = await plans.get(case_id)
    assert held
    assert held.status is Status.DRAFTED


async def test_an_erased_case_leaves_no_plan_and_gets_none_again(
    plans: Plans, clock: SimulatedClock
) -> None:
    message = assessed(new_id(), HIGH)
    await draft(message, plans, clock)
    case_id = message.data.case_id
    told = CaseErased(case_id=case_id, reason="court_order", erased_at=NOON)

    await handlers.erase(message_of(told), plans=plans)
    await draft(assessed(case_id, EXTREME, revision=9), plans, clock)
    await handlers.assign_actions(accepted(case_id, IVS, new_id()), plans=plans)

    held = await plans.get(case_id)
    assert held
    assert (held.versions, held.actions, held.owners) == ((), (), {})
    assert held.erased_at == NOON
    assert held.due_at is None


@pytest.mark.parametrize("heard_of_first", ["taken", "taken_back"])
async def test_whoever_has_a_role_no_longer_owns_nothing_of_it(
    plans: Plans, clock: SimulatedClock, heard_of_first: str
) -> None:
    case_id = new_id()
    taken = accepted(case_id, IVS, new_id())
    await draft(assessed(case_id, HIGH), plans, clock)
    steps = [
        handlers.assign_actions(taken, plans=plans),
        handlers.release_actions(withdrawn(taken), plans=plans),
    ]

    for step in steps if heard_of_first == "taken" else reversed(steps):
        await step

    held = await plans.get(case_id)
    assert held
    assert held.owed_by == ()
    assert held.open_actions


async def test_whoever_hands_a_role_over_owns_it_until_another_has_it(
    plans: Plans, clock: SimulatedClock
) -> None:
    case_id, keeper = new_id(), new_id()
    taken = accepted(case_id, IVS, keeper)
    await draft(assessed(case_id, HIGH), plans, clock)
    await handlers.assign_actions(taken, plans=plans)
    asked = withdrawn(taken)
    told = asked.data.model_copy(update={"worker_id": new_id(), "kept_by": keeper})

    await handlers.release_actions(replace(asked, data=told), plans=plans)

    held = await plans.get(case_id)
    assert held
    assert held.owed_by == (keeper,)


@pytest.mark.parametrize("first", ["transferred", "drafted"])
async def test_a_transferred_case_is_planned_for_no_more(
    plans: Plans, clock: SimulatedClock, first: str
) -> None:
    case_id = new_id()
    told = message_of(CaseTransferred(case_id=case_id, transferred_at=NOON))

    if first == "transferred":
        await handlers.end_transferred(told, plans=plans)
    await draft(assessed(case_id, HIGH), plans, clock)
    if first == "drafted":
        await handlers.end_transferred(told, plans=plans)
    await draft(assessed(case_id, HIGH, revision=2, at=NOON + HOUR), plans, clock)

    closed = [e.data for e in await published(plans) if isinstance(e.data, PlanClosed)]
    reasons = ["transferred"] if first == "drafted" else []
    assert [each.reason for each in closed] == reasons
    held = await plans.get(case_id)
    assert held
    assert held.open_actions == ()
    assert await plans.due_now(NOON + timedelta(days=365)) == []
