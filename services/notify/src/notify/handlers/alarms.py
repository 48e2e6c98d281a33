"""The end of an alarm: a plan is agreed, or the date was moved or called off."""

import asyncio

from accord_contracts.message import Message
from accord_contracts.plans import PlanAgreed, PlanNotInForce
from accord_contracts.referrals import TriggerCancelled, TriggerScheduled

from notify.store import Notifications

Ending = PlanAgreed | TriggerScheduled | TriggerCancelled
"""What ends an alarm."""


async def end_alarms(message: Message[Ending], *, notifications: Notifications) -> None:
    """Tell nobody else that no plan is in force, because that is over.

    What was told after the message is another alarm, and stands. An alarm that is heard
    only after what ended it stands too, until somebody acknowledges it: one too many is
    better than one too few.
    """
    told = message.data
    about = told.triggers if isinstance(told, PlanAgreed) else (told.trigger_id,)
    found = await asyncio.gather(*map(notifications.about_any, about))
    over = [
        each
        for some in found
        for each in some
        if each.event == PlanNotInForce.TYPE
        and each.ended_at is None
        and each.created_at <= message.time
    ]
    await asyncio.gather(*(notifications.save(each.end(message.time)) for each in over))
