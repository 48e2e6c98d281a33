"""The end of alarms: a plan is agreed or closed, a date moved, an action settled."""

import asyncio

from accord_contracts.message import Message
from accord_contracts.plans import (
    ActionDone,
    ActionDueSoon,
    ActionNotConfirmed,
    ActionNotDone,
    ActionOverdue,
    ActionToConfirm,
    MeetingTaskDone,
    MeetingTaskDueSoon,
    MeetingTaskNotDone,
    MeetingTaskOverdue,
    PlanAgreed,
    PlanAlarmsEnded,
    PlanClosed,
    PlanNotInForce,
    PlanReviewDue,
    PlanReviewed,
)
from accord_contracts.referrals import TriggerCancelled, TriggerScheduled

from notify.domain.ended import Ended, ended_id
from notify.domain.notification import Notification
from notify.store import Ends, Notifications

Ending = (
    PlanAgreed
    | PlanAlarmsEnded
    | PlanClosed
    | PlanReviewed
    | TriggerScheduled
    | TriggerCancelled
    | ActionDone
    | ActionNotConfirmed
    | ActionNotDone
    | MeetingTaskDone
    | MeetingTaskNotDone
)
"""What ends an alarm."""

Alarm = (
    PlanNotInForce
    | PlanReviewDue
    | ActionOverdue
    | ActionDueSoon
    | ActionToConfirm
    | MeetingTaskOverdue
    | MeetingTaskDueSoon
)
"""What is ended by it."""

OF_PLANS = frozenset({PlanNotInForce.TYPE})
OF_REVIEWS = frozenset({PlanReviewDue.TYPE})
OF_ACTIONS = frozenset({ActionOverdue.TYPE, ActionDueSoon.TYPE, ActionToConfirm.TYPE})
OF_TASKS = frozenset({MeetingTaskOverdue.TYPE, MeetingTaskDueSoon.TYPE})
OF_CONFIRMING = frozenset({ActionToConfirm.TYPE})

CONFIRMING = "confirmation"
"""Of an action whose confirmation was refused, that alone is over: it is still due."""

LOOKED_AT = "looked_at"
"""Of a plan that was agreed to or reviewed: that it should be is over."""


async def end_alarms(message: Message[Ending], *, notifications: Notifications) -> None:
    """Tell nobody else of what is over: no plan in force, or something still to do.

    What happened after the message is another alarm, and stands.
    """
    over = [
        each
        for each in await _told(message.data, notifications)
        if each.event in _ended_by(message.data) and each.is_over_by(message.time)
    ]
    await asyncio.gather(*(notifications.save(each.end(message.time)) for each in over))


async def note_ending(message: Message[Ending], *, ends: Ends) -> None:
    """Note what is over, for alarms that are heard only after that."""

    async def note(ended: Ended) -> None:
        known = await ends.get(ended.id, cause=message)
        new = ended.or_later(known)
        if new is not known:
            await ends.save(new, cause=message)

    over = (Ended(id=each, ended_at=message.time) for each in _over(message.data))
    await asyncio.gather(*map(note, over))


async def end_if_over(
    message: Message[Alarm], *, ends: Ends, notifications: Notifications
) -> None:
    """End an alarm at once that is heard only after what ended it.

    After what it told was stored: of an alarm and its ending that are handled at the
    same time, one at least finds what the other has stored.
    """
    told = message.data
    ids = _ends_of(told)
    found = await asyncio.gather(*map(ends.get, ids))
    ended_at = max((each.ended_at for each in found if each), default=None)
    if ended_at is None:
        return
    over = [
        each
        for each in await _of(told, notifications)
        if each.event == message.type
        and each.case_id == told.case_id
        and each.is_over_by(ended_at)
    ]
    await asyncio.gather(*(notifications.save(each.end(ended_at)) for each in over))


def _about(told: Alarm) -> str:
    match told:
        case PlanNotInForce():
            return told.trigger_id
        case PlanReviewDue():
            return told.case_id
        case MeetingTaskOverdue() | MeetingTaskDueSoon():
            return told.task_id
        case _:
            return told.action_id


def _ends_of(told: Alarm) -> list[str]:
    """Give what may have ended it, as that is kept."""
    about, whole = _about(told), ended_id(told.case_id)
    if isinstance(told, PlanReviewDue):
        return [ended_id(told.case_id, LOOKED_AT), whole]
    ids = [ended_id(about), ended_id(about, told.case_id), whole]
    if isinstance(told, ActionToConfirm):
        ids.append(ended_id(about, CONFIRMING))
    return ids


async def _of(told: Alarm, notifications: Notifications) -> list[Notification]:
    """Give what was told of what an alarm is about."""
    if isinstance(told, PlanReviewDue):
        return await notifications.all_of(told.case_id)
    return await notifications.about_any(_about(told))


def _over(over: Ending) -> list[str]:
    """Give what is over, as it is kept: by what ``_told`` looks for."""
    match over:
        case PlanClosed():
            return [ended_id(over.case_id)]
        case PlanAlarmsEnded(triggers=about):
            return [ended_id(each, over.case_id) for each in about]
        case PlanAgreed() | PlanReviewed():
            dates = over.triggers if isinstance(over, PlanAgreed) else ()
            return [ended_id(over.case_id, LOOKED_AT), *map(ended_id, dates)]
        case (
            ActionDone(action_id=about)
            | ActionNotDone(action_id=about)
            | MeetingTaskDone(task_id=about)
            | MeetingTaskNotDone(task_id=about)
        ):
            return [ended_id(about)]
        case ActionNotConfirmed():
            return [ended_id(over.action_id, CONFIRMING)]
        case _:
            return [ended_id(over.trigger_id)]


def _ended_by(over: Ending) -> frozenset[str]:
    ended = OF_PLANS
    match over:
        case PlanClosed():
            ended = OF_PLANS | OF_ACTIONS | OF_TASKS | OF_REVIEWS
        case PlanAgreed():
            ended = OF_PLANS | OF_REVIEWS
        case PlanReviewed():
            ended = OF_REVIEWS
        case ActionNotConfirmed():
            ended = OF_CONFIRMING
        case ActionDone() | ActionNotDone():
            ended = OF_ACTIONS
        case MeetingTaskDone() | MeetingTaskNotDone():
            ended = OF_TASKS
    return ended


async def _told(over: Ending, notifications: Notifications) -> list[Notification]:
    """Give what was told of what is over: with a plan, all of its case."""
    match over:
        case PlanClosed() | PlanReviewed():
            return await notifications.all_of(over.case_id)
        case PlanAgreed(triggers=about):
            own = await notifications.all_of(over.case_id)
            late = [each for each in own if each.event in OF_REVIEWS]
            dates = await asyncio.gather(*map(notifications.about_any, about))
            return [*late, *(each for some in dates for each in some)]
        case PlanAlarmsEnded(triggers=about):
            pass
        case ActionDone() | ActionNotConfirmed() | ActionNotDone():
            about = (over.action_id,)
        case MeetingTaskDone() | MeetingTaskNotDone():
            about = (over.task_id,)
        case _:
            about = (over.trigger_id,)
    found = await asyncio.gather(*map(notifications.about_any, about))
    told = [each for some in found for each in some]
    if isinstance(over, PlanAlarmsEnded):
        # The date may be another case's too, whose own alarm stands.
        return [each for each in told if each.case_id == over.case_id]
    return told
