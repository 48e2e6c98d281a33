"""What was promised and not done: who is told next, and what ends it."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from accord_chassis.store import Database
from accord_chassis.testing import (
    NOON,
    KnownStandings,
    message_of,
    new_id,
    sent_by,
)
from accord_contracts.access import Side
from accord_contracts.allocation import Leave, LeaveChanged, Role
from accord_contracts.message import Event, Message
from accord_contracts.notify import NotificationHandedOver
from accord_contracts.plans import (
    ActionDone,
    ActionNotConfirmed,
    ActionNotDone,
    ActionOverdue,
    ActionToConfirm,
    MeetingTaskDone,
    MeetingTaskNotDone,
    MeetingTaskOverdue,
    PlanAlarmsEnded,
    PlanBreached,
    PlanNotInForce,
    ServiceMoved,
    ServiceOverdue,
    ServiceStep,
)
from accord_contracts.referrals import TriggerKind
from accord_contracts.risk import RiskLevel
from notify.domain.occasion import Eyes
from notify.handlers.alarms import end_alarms, end_if_over, note_ending
from notify.handlers.telling import follow_team
from notify.store import Ends, Notifications, Teams
from notify_builders import IVS, LEAD, MINUTE, Running, WorkersDirectory, overdue, team

OUTREACH = Role.PERPETRATOR_OUTREACH
Tell = Callable[..., Awaitable[None]]


def settled(kind: type[Event], late: ActionOverdue) -> Message[Event]:
    about = late.model_dump(include={"case_id", "plan_version", "action_id", "action"})
    how = {
        ActionDone: {"worker_id": new_id(), "done_at": NOON + MINUTE},
        ActionNotDone: {
            "worker_id": None,
            "reason": "does_not_apply",
            "settled_at": NOON + MINUTE,
        },
    }[kind]
    return message_of(kind(**about, role=IVS, **how), at=NOON + MINUTE)


async def test_what_is_overdue_goes_to_the_lead_the_coordinator_and_then_the_hub(
    tells: Tell,
    escalates: Tell,
    notifications: Notifications,
    teams: Teams,
    workers: WorkersDirectory,
) -> None:
    owner, lead = workers.knows(deputy=workers.knows()), workers.knows()
    coordinator, other = workers.has_on_duty(), workers.knows()
    workers.also_on_duty = (other,)
    case_id = new_id()
    members = team((owner, IVS), (lead, LEAD), case_id=case_id)
    await follow_team(members, teams=teams)
    late = overdue(case_id, owner, level=RiskLevel.HIGH)
    await tells(late, at=NOON)

    for _ in range(3):
        [due] = await notifications.about_any(late.data.action_id)
        await escalates(due)

    [held] = await notifications.about_any(late.data.action_id)
    told = [each.worker_id for each in held.told]
    assert told == [owner, lead, coordinator, coordinator, other]


async def test_a_lead_who_may_not_know_of_it_is_passed_over(
    tells: Tell,
    escalates: Tell,
    notifications: Notifications,
    teams: Teams,
    workers: WorkersDirectory,
    *,
    standings: KnownStandings,
) -> None:
    owner, lead, coordinator = workers.knows(), workers.knows(), workers.has_on_duty()
    case_id = new_id()
    members = team((owner, IVS), (lead, LEAD), case_id=case_id)
    await follow_team(members, teams=teams)
    standings.tell(lead, case_id, conflict=True)
    late = overdue(case_id, owner, level=RiskLevel.HIGH)
    await tells(late, at=NOON)

    [due] = await notifications.about_any(late.data.action_id)
    await escalates(due)

    [held] = await notifications.about_any(late.data.action_id)
    assert held.told_workers == [owner, coordinator]


@pytest.mark.parametrize("kind", [ActionDone, ActionNotDone])
async def test_nobody_is_told_further_of_what_is_settled(
    tells: Tell,
    notifications: Notifications,
    workers: WorkersDirectory,
    kind: type[Event],
) -> None:
    case_id, owner = new_id(), workers.knows()
    late, other = (overdue(case_id, owner, level=RiskLevel.HIGH) for _ in range(2))
    for each in (late, other):
        await tells(each, at=NOON)

    await end_alarms(settled(kind, late.data), notifications=notifications)

    [over] = await notifications.about_any(late.data.action_id)
    [stands] = await notifications.about_any(other.data.action_id)
    assert over.ended_at == NOON + MINUTE
    assert stands.ended_at is None


@pytest.mark.parametrize("kind", [MeetingTaskDone, MeetingTaskNotDone])
async def test_a_late_task_of_a_meeting_is_told_to_the_lead_until_it_is_settled(
    tells: Tell,
    notifications: Notifications,
    teams: Teams,
    workers: WorkersDirectory,
    kind: type[Event],
) -> None:
    worker, lead, case_id = workers.knows(), workers.knows(), new_id()
    members = team((worker, IVS), (lead, LEAD), case_id=case_id)
    await follow_team(members, teams=teams)
    about = {"case_id": case_id, "meeting_id": new_id(), "task_id": new_id()}
    whose = {"action": "visit", "agency": "police"}
    late = MeetingTaskOverdue(
        **about, **whose, level=RiskLevel.HIGH, due_at=NOON, late_by=1.0
    )
    await tells(message_of(late), at=NOON)
    at = NOON + MINUTE
    over = {
        MeetingTaskDone: {"done_by": new_id(), "done_at": at},
        MeetingTaskNotDone: {**whose, "reason": "does_not_apply", "settled_at": at},
    }[kind]

    [told] = await notifications.about_any(late.task_id)
    assert (told.worker_id, told.ended_at) == (lead, None)
    await end_alarms(
        message_of(kind(**about, **over), at=at), notifications=notifications
    )

    [told] = await notifications.about_any(late.task_id)
    assert told.ended_at == at


async def test_a_silent_provider_is_told_to_the_lead_until_it_answers(
    tells: Tell,
    notifications: Notifications,
    teams: Teams,
    workers: WorkersDirectory,
) -> None:
    outreach, lead, case_id = workers.knows(), workers.knows(), new_id()
    members = team((outreach, OUTREACH), (lead, LEAD), case_id=case_id)
    await follow_team(members, teams=teams)
    about = {
        "case_id": case_id,
        "need_id": new_id(),
        "service_id": new_id(),
        "strand": "housing",
        "provider": "refuge",
    }
    late = ServiceOverdue(**about, level=RiskLevel.EXTREME, answer_by=NOON, late_by=1.0)
    await tells(message_of(late), at=NOON)
    at = NOON + MINUTE
    moved = ServiceMoved(**about, step=ServiceStep.ACCEPTED, reason=None, moved_at=at)

    [told] = await notifications.about_any(late.service_id)
    assert (told.worker_id, told.ended_at) == (lead, None)
    assert told.eyes is Eyes.NOT_OUTREACH
    await end_alarms(message_of(moved, at=at), notifications=notifications)

    [told] = await notifications.about_any(late.service_id)
    assert told.ended_at == at


@pytest.mark.parametrize("by_lead", [True, False])
async def test_whoever_says_that_it_was_done_is_not_asked_to_confirm_it(
    tells: Tell,
    notifications: Notifications,
    teams: Teams,
    workers: WorkersDirectory,
    *,
    by_lead: bool,
) -> None:
    owner, lead, coordinator = workers.knows(), workers.knows(), workers.has_on_duty()
    case_id, action_id = new_id(), new_id()
    members = team((owner, IVS), (lead, LEAD), case_id=case_id)
    await follow_team(members, teams=teams)
    asked = ActionToConfirm(
        case_id=case_id,
        plan_version=1,
        action_id=action_id,
        action="visit",
        role=LEAD if by_lead else IVS,
        level=RiskLevel.HIGH,
        asked_by=lead if by_lead else owner,
        confirm_by=NOON + timedelta(days=1),
    )

    await tells(message_of(asked), at=NOON)

    [told] = await notifications.about_any(action_id)
    assert told.worker_id == (coordinator if by_lead else lead)


def to_confirm(about: ActionOverdue) -> Message[ActionToConfirm]:
    named = about.model_dump(include={"case_id", "plan_version", "action_id", "action"})
    asked = ActionToConfirm(
        **named,
        role=IVS,
        level=RiskLevel.HIGH,
        asked_by=new_id(),
        confirm_by=NOON + timedelta(days=1),
    )
    return message_of(asked, at=NOON)


def not_confirmed(about: ActionOverdue) -> Message[ActionNotConfirmed]:
    named = about.model_dump(include={"case_id", "plan_version", "action_id", "action"})
    at = NOON + MINUTE
    return message_of(ActionNotConfirmed(**named, role=IVS, refused_at=at), at=at)


@pytest.mark.parametrize("heard_first", [True, False])
async def test_nobody_confirms_what_somebody_has_said_is_not_so(
    tells: Tell,
    notifications: Notifications,
    database: Database,
    workers: WorkersDirectory,
    *,
    heard_first: bool,
) -> None:
    ends = Ends(database)
    await ends.prepare()
    workers.has_on_duty()
    late = overdue(new_id(), workers.knows(), level=RiskLevel.HIGH)
    asked, refused = to_confirm(late.data), not_confirmed(late.data)
    await tells(late, at=NOON)
    if heard_first:
        await tells(asked, at=NOON)
    await note_ending(refused, ends=ends)
    await end_alarms(refused, notifications=notifications)
    if not heard_first:
        await tells(asked, at=NOON)
    for each in (asked, late):
        await end_if_over(each, ends=ends, notifications=notifications)

    # It is still to be done, and late.
    found = await notifications.about_any(late.data.action_id)
    ended = {each.event: each.ended_at for each in found}
    assert ended == {ActionToConfirm.TYPE: NOON + MINUTE, ActionOverdue.TYPE: None}


async def test_of_a_breach_whoever_serves_the_person_using_violence_hears_nothing(
    tells: Tell,
    notifications: Notifications,
    teams: Teams,
    workers: WorkersDirectory,
    *,
    standings: KnownStandings,
) -> None:
    specialist, outreach = workers.knows(), workers.knows()
    coordinator, case_id = workers.has_on_duty(), new_id()
    members = team((specialist, IVS), (outreach, OUTREACH), case_id=case_id)
    await follow_team(members, teams=teams)
    standings.tell(outreach, case_id, sides=frozenset({Side.PERSON_USING_VIOLENCE}))
    told = PlanBreached(
        case_id=case_id, plan_version=1, level=RiskLevel.HIGH, breached_at=NOON
    )

    await tells(message_of(told), at=NOON)

    found = await notifications.all_of(case_id)
    assert {each.worker_id for each in found} == {specialist, coordinator}


async def test_an_alarm_of_a_date_that_went_with_its_case_is_over_in_this_one_alone(
    tells: Tell, notifications: Notifications, workers: WorkersDirectory
) -> None:
    survivor, other, trigger_id = new_id(), new_id(), new_id()
    workers.has_on_duty()
    for case_id in (survivor, other):
        alarm = PlanNotInForce(
            case_id=case_id,
            trigger_id=trigger_id,
            kind=TriggerKind.PRISON_RELEASE,
            happens_at=NOON + timedelta(days=3),
            due_at=NOON,
            level=None,
            late_by=0.0,
        )
        await tells(message_of(alarm), at=NOON)

    ended = PlanAlarmsEnded(case_id=survivor, triggers=(trigger_id,))
    message = message_of(ended, at=NOON + MINUTE)
    await end_alarms(message, notifications=notifications)

    found = await notifications.about_any(trigger_id)
    assert {each.case_id for each in found if each.ended_at is None} == {other}


async def test_what_somebody_leaves_unanswered_goes_on_at_once(
    running: Running, workers: WorkersDirectory
) -> None:
    workers.has_on_duty()
    deputy, lead = workers.knows(), workers.knows()
    left, other = workers.knows(deputy=deputy), workers.knows()
    barred, away = workers.knows(), workers.knows()
    after = {
        "handed_over": ((other, IVS), (lead, LEAD)),
        "barred": ((barred, IVS), (lead, LEAD)),
        "away": ((away, IVS), (lead, LEAD)),
        "another_role": ((other, OUTREACH), (lead, LEAD)),
        "nobody": ((lead, LEAD),),
        "closed": (),
    }
    cases = {each: new_id() for each in after}
    running.standings.tell(barred, cases["barred"], conflict=True)
    gone = Leave(since=NOON - MINUTE, until=NOON + timedelta(days=1))
    await running.hears(
        message_of(LeaveChanged(worker_id=away, leave=(gone,), changed_at=NOON))
    )
    for case_id in cases.values():
        members = team((left, IVS), (lead, LEAD), case_id=case_id)
        await running.hears(members)
        late = overdue(case_id, left, level=RiskLevel.HIGH)
        await running.hears(message_of(late.data, at=NOON))

    for each, members in after.items():
        await running.hears(team(*members, case_id=cases[each], version=2))
    await running.later(timedelta())

    held = {each.case_id: each for each in await running.all()}
    told = {each: held[case_id].told_workers for each, case_id in cases.items()}
    assert told == {
        "handed_over": [left, other],
        "barred": [left, lead],
        "away": [left, lead],
        "another_role": [left, lead],
        "nobody": [left, lead],
        "closed": [left],
    }


async def late_before_it_is_taken_over(
    running: Running, workers: WorkersDirectory
) -> tuple[str, str, str, Any]:
    """Have something be late, and give who leads, who leaves, who comes, and that."""
    workers.has_on_duty()
    lead, left, other = (workers.knows() for _ in range(3))
    case_id = new_id()
    await running.hears(team((left, IVS), (lead, LEAD), case_id=case_id))
    await running.hears(overdue(case_id, left, level=RiskLevel.HIGH))
    change = team((other, IVS), (lead, LEAD), case_id=case_id, version=2)
    return lead, left, other, change


async def test_whoever_takes_a_role_over_has_its_time_and_its_chain(
    running: Running, workers: WorkersDirectory
) -> None:
    lead, left, other, change = await late_before_it_is_taken_over(running, workers)

    running.clock.advance(10 * MINUTE)
    await running.hears(change, change)

    [held] = await running.all()
    assert (held.worker_id, held.asked) == (other, {other})
    assert held.escalate_at == NOON + 10 * MINUTE + held.patience
    assert [each["id"] for each in await running.inbox(other)] == [held.id]
    said = [each.data for each in await sent_by(running.service, running.broker)]
    [given] = [each for each in said if isinstance(each, NotificationHandedOver)]
    assert (given.worker_id, given.to) == (left, other)
    await running.later(held.patience)
    [silent] = await running.all()
    assert silent.told_workers == [left, other, lead]


async def test_while_no_directory_answers_nothing_is_handed_over_and_it_goes_on(
    running: Running, workers: WorkersDirectory
) -> None:
    lead, left, _, change = await late_before_it_is_taken_over(running, workers)

    running.standings.away = True
    await running.hears(change)
    [held] = await running.all()
    assert held.escalate_at == NOON
    running.standings.away = False
    await running.later(MINUTE)

    [held] = await running.all()
    assert held.told_workers == [left, lead]
