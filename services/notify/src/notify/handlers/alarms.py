"""The end of alarms: a plan is agreed or closed, a date moved, an action settled."""

import asyncio

from accord_contracts.message import Message
from accord_contracts.plans import (
    ActionDone,
    ActionDueSoon,
    ActionNotDone,
    ActionOverdue,
    ActionToConfirm,
    PlanAgreed,
    PlanAlarmsEnded,
    PlanClosed,
    PlanNotInForce,
)
from accord_contracts.referrals import TriggerCancelled, TriggerScheduled

from notify.domain.notification import Notification
from notify.store import Notifications

Ending = (
    PlanAgreed
    | PlanAlarmsEnded
    | PlanClosed
    | TriggerScheduled
    | TriggerCancelled
    | ActionDone
    | ActionNotDone
)
"""What ends an alarm."""

OF_PLANS = frozenset({PlanNotInForce.TYPE})
OF_ACTIONS = frozenset({ActionOverdue.TYPE, ActionDueSoon.TYPE, ActionToConfirm.TYPE})


async def end_alarms(message: Message[Ending], *, notifications: Notifications) -> None:
    """Tell nobody else of what is over: no plan in force, or something still to do.

    What was told after the message is another alarm, and stands. An alarm that is heard
    only after what ended it stands too, until somebody acknowledges it: one too many is
    better than one too few.
    """
    over = [
        each
        for each in await _told(message.data, notifications)
        if each.event in _ended_by(message.data)
        and each.ended_at is None
        and each.created_at <= message.time
    ]
    await asyncio.gather(*(notifications.save(each.end(message.time)) for each in over))


def _ended_by(over: Ending) -> frozenset[str]:
    if isinstance(over, PlanClosed):
        return OF_PLANS | OF_ACTIONS
    return OF_ACTIONS if isinstance(over, ActionDone | ActionNotDone) else OF_PLANS


async def _told(over: Ending, notifications: Notifications) -> list[Notification]:
    """Give what was told of what is over: with a plan, all of its case."""
    match over:
        case PlanClosed():
            return await notifications.all_of(over.case_id)
        case PlanAgreed(triggers=about) | PlanAlarmsEnded(triggers=about):
            pass
        case ActionDone() | ActionNotDone():
            about = (over.action_id,)
        case _:
            about = (over.trigger_id,)
    found = await asyncio.gather(*map(notifications.about_any, about))
    told = [each for some in found for each in some]
    if isinstance(over, PlanAlarmsEnded):
        # The date may be another case's too, whose own alarm stands.
        return [each for each in told if each.case_id == over.case_id]
    return told
