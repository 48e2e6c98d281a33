"""The alarm that no plan is in force: who is told, and what ends it."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from accord_chassis.testing import NOON, message_of, new_id, sent_by
from accord_contracts.message import Lane, Message
from accord_contracts.notify import NotificationEscalated
from accord_contracts.plans import (
    PlanAgreed,
    PlanClosed,
    PlanNotInForce,
    PlanReviewDue,
    PlanReviewed,
)
from accord_contracts.referrals import (
    TriggerCancelled,
    TriggerFellDue,
    TriggerKind,
    TriggerScheduled,
)
from accord_contracts.risk import RiskLevel
from notify.domain.policy import LAST
from notify.handlers.alarms import Ending, end_alarms
from notify.handlers.telling import follow_team
from notify.store import Notifications, Teams
from notify_builders import LEAD, MINUTE, POLICY, Running, WorkersDirectory, team

Tell = Callable[..., Awaitable[None]]


def alarm(
    case_id: str, trigger_id: str, at: datetime = NOON
) -> Message[PlanNotInForce]:
    told = PlanNotInForce(
        case_id=case_id,
        trigger_id=trigger_id,
        kind=TriggerKind.PRISON_RELEASE,
        happens_at=NOON + timedelta(days=3),
        due_at=NOON,
        level=None,
        late_by=0.0,
    )
    return message_of(told, at=at, lane=Lane.URGENT)


def date(kind: type[Any], case_id: str, trigger_id: str) -> Message[Any]:
    late = {"late_by": 0.0} if kind is TriggerFellDue else {}
    told = kind(
        case_id=case_id,
        trigger_id=trigger_id,
        kind=TriggerKind.PRISON_RELEASE,
        due_at=NOON + timedelta(days=3),
        **late,
    )
    return message_of(told, at=NOON + MINUTE)


def agreed(case_id: str, *trigger_ids: str) -> Message[PlanAgreed]:
    told = PlanAgreed(
        case_id=case_id,
        plan_version=1,
        agreed_at=NOON + MINUTE,
        triggers=trigger_ids,
    )
    return message_of(told, at=NOON + MINUTE)


def closed(case_id: str) -> Message[PlanClosed]:
    told = PlanClosed(
        case_id=case_id,
        plan_version=1,
        reason="safe",
        assessment_revision=1,
        closed_at=NOON + MINUTE,
    )
    return message_of(told, at=NOON + MINUTE)


async def test_the_lead_is_told_of_what_comes_of_the_alarm_and_of_the_day(
    tells: Tell,
    notifications: Notifications,
    teams: Teams,
    workers: WorkersDirectory,
) -> None:
    case_id, trigger_id, lead = new_id(), new_id(), workers.knows()
    await follow_team(team((lead, LEAD), case_id=case_id), teams=teams)

    told = (
        date(TriggerScheduled, case_id, trigger_id),
        alarm(case_id, trigger_id),
        date(TriggerFellDue, case_id, trigger_id),
    )
    for each in told:
        await tells(each, at=NOON)

    found = await notifications.about_any(trigger_id)
    assert {(each.template, each.worker_id) for each in found} == {
        ("something_ahead", lead),
        ("plan_not_in_force", lead),
        ("date_is_here", lead),
    }
    assert all(each.ack_by for each in found)


async def test_while_nobody_leads_the_coordinator_is_told(
    tells: Tell, notifications: Notifications, workers: WorkersDirectory
) -> None:
    trigger_id, coordinator = new_id(), workers.has_on_duty()

    await tells(alarm(new_id(), trigger_id), at=NOON)

    [found] = await notifications.about_any(trigger_id)
    assert found.worker_id == coordinator
    assert found.due_at


def reviewed(case_id: str) -> Message[PlanReviewed]:
    told = PlanReviewed(case_id=case_id, plan_version=1, reviewed_at=NOON + MINUTE)
    return message_of(told, at=NOON + MINUTE)


@pytest.mark.parametrize("ending", [agreed, reviewed, closed])
async def test_that_a_plan_is_not_looked_at_ends_when_somebody_has(
    tells: Tell,
    notifications: Notifications,
    workers: WorkersDirectory,
    ending: Callable[[str], Message[Ending]],
) -> None:
    case_id, other = new_id(), new_id()
    workers.has_on_duty()
    late = {
        "plan_version": 1,
        "level": RiskLevel.HIGH,
        "due_at": NOON,
        "late_by": 0.0,
    }
    for each in (case_id, other):
        await tells(message_of(PlanReviewDue(case_id=each, **late)), at=NOON)

    await end_alarms(ending(case_id), notifications=notifications)

    [over] = await notifications.all_of(case_id)
    [still] = await notifications.all_of(other)
    assert over.ended_at
    assert not still.ended_at


@pytest.mark.parametrize("rule", ["plan.not_in_force.v1", "trigger.scheduled.v1"])
def test_silence_leads_to_the_coordinator(rule: str) -> None:
    chain = POLICY.chain(POLICY.rules[rule].chain)

    assert chain[-1].tell in LAST
    assert "coordinator" in {each.tell for each in chain}


@pytest.mark.parametrize(
    "ending",
    [
        agreed,
        lambda case_id, key: date(TriggerCancelled, case_id, key),
        lambda case_id, key: date(TriggerScheduled, case_id, key),
    ],
)
async def test_an_alarm_ends_when_a_plan_is_agreed_or_the_date_is_another(
    tells: Tell,
    notifications: Notifications,
    workers: WorkersDirectory,
    ending: Callable[[str, str], Message[Ending]],
) -> None:
    case_id, trigger_id, other = new_id(), new_id(), new_id()
    workers.has_on_duty()
    for each in (trigger_id, other):
        await tells(alarm(case_id, each), at=NOON)

    for _again in range(2):
        await end_alarms(ending(case_id, trigger_id), notifications=notifications)

    [over] = await notifications.about_any(trigger_id)
    assert (over.ended_at, over.acknowledged_at) == (NOON + MINUTE, None)
    [stands] = await notifications.about_any(other)
    assert stands.ended_at is None


async def test_with_a_plan_every_alarm_of_its_case_ends_and_nothing_else(
    tells: Tell, notifications: Notifications, workers: WorkersDirectory
) -> None:
    case_id, one, two, elsewhere = (new_id() for _ in range(4))
    workers.has_on_duty()
    for each in (one, two):
        await tells(alarm(case_id, each), at=NOON)
    await tells(date(TriggerScheduled, case_id, one), at=NOON)
    await tells(alarm(new_id(), elsewhere), at=NOON)

    await end_alarms(closed(case_id), notifications=notifications)

    async def stand(trigger_id: str) -> list[str]:
        found = await notifications.about_any(trigger_id)
        return [each.event for each in found if each.ended_at is None]

    assert await stand(one) == [TriggerScheduled.TYPE]
    assert await stand(two) == []
    assert await stand(elsewhere) == [PlanNotInForce.TYPE]


@pytest.mark.parametrize("ending", [agreed, lambda case_id, _: closed(case_id)])
async def test_an_alarm_that_was_raised_since_stands(
    tells: Tell,
    notifications: Notifications,
    workers: WorkersDirectory,
    ending: Callable[[str, str], Message[Ending]],
) -> None:
    case_id, trigger_id = new_id(), new_id()
    workers.has_on_duty()
    raised = NOON + 2 * MINUTE
    await tells(alarm(case_id, trigger_id, raised), at=raised)

    await end_alarms(ending(case_id, trigger_id), notifications=notifications)

    [stands] = await notifications.about_any(trigger_id)
    assert stands.ended_at is None


async def test_an_alarm_that_waited_in_a_queue_ends_like_any_other(
    tells: Tell, notifications: Notifications, workers: WorkersDirectory
) -> None:
    case_id, trigger_id = new_id(), new_id()
    workers.has_on_duty()
    await tells(alarm(case_id, trigger_id), at=NOON + 2 * MINUTE)

    await end_alarms(agreed(case_id, trigger_id), notifications=notifications)

    [over] = await notifications.about_any(trigger_id)
    assert over.ended_at == NOON + MINUTE


@pytest.mark.parametrize(
    "ending",
    [
        agreed,
        lambda case_id, _: closed(case_id),
        lambda case_id, key: date(TriggerCancelled, case_id, key),
    ],
)
async def test_an_alarm_that_is_heard_after_its_end_is_born_ended(
    running: Running,
    workers: WorkersDirectory,
    ending: Callable[[str, str], Message[Ending]],
) -> None:
    case_id, trigger_id = new_id(), new_id()
    workers.has_on_duty()

    await running.hears(ending(case_id, trigger_id))
    await running.hears(alarm(case_id, trigger_id))
    await running.hears(alarm(case_id, trigger_id, NOON + 2 * MINUTE))

    found = await running.notifications.about_any(trigger_id)
    over = {
        each.happened_at: each.ended_at
        for each in found
        if each.event == PlanNotInForce.TYPE
    }
    assert over == {NOON: NOON + MINUTE, NOON + 2 * MINUTE: None}


@pytest.mark.parametrize("ending", [agreed, lambda case_id, _: closed(case_id)])
async def test_an_alarm_that_is_over_goes_no_further_up(
    running: Running,
    workers: WorkersDirectory,
    ending: Callable[[str, str], Message[Ending]],
) -> None:
    case_id, trigger_id = new_id(), new_id()
    workers.has_on_duty()
    await running.hears(alarm(case_id, trigger_id))
    assert len(await running.notifications.about_any(trigger_id)) == 1

    await running.hears(ending(case_id, trigger_id))
    await running.later(timedelta(days=1))

    told = [each.data for each in await sent_by(running.service, running.broker)]
    assert not [each for each in told if isinstance(each, NotificationEscalated)]
