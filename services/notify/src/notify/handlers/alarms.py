"""The end of an alarm: a plan is agreed or closed, or the date moved or called off."""

import asyncio

from accord_contracts.message import Message
from accord_contracts.plans import PlanAgreed, PlanClosed, PlanNotInForce
from accord_contracts.referrals import TriggerCancelled, TriggerScheduled

from notify.domain.notification import Notification
from notify.store import Notifications

Ending = PlanAgreed | PlanClosed | TriggerScheduled | TriggerCancelled
"""What ends an alarm."""


async def end_alarms(message: Message[Ending], *, notifications: Notifications) -> None:
    """Tell nobody else that no plan is in force, because that is over.

    What was told after the message is another alarm, and stands. An alarm that is heard
    only after what ended it stands too, until somebody acknowledges it: one too many is
    better than one too few.
    """
    over = [
        each
        for each in await _told(message.data, notifications)
        if each.event == PlanNotInForce.TYPE
        and each.ended_at is None
        and each.created_at <= message.time
    ]
    await asyncio.gather(*(notifications.save(each.end(message.time)) for each in over))


async def _told(over: Ending, notifications: Notifications) -> list[Notification]:
    """Give what was told of the dates in question: with a plan, all of its case."""
    if isinstance(over, PlanClosed):
        return await notifications.all_of(over.case_id)
    about = over.triggers if isinstance(over, PlanAgreed) else (over.trigger_id,)
    found = await asyncio.gather(*map(notifications.about_any, about))
    return [each for some in found for each in some]
