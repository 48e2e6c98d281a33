"""Following who is on leave, so that nobody waits for them."""

import asyncio
from datetime import datetime
from functools import partial

from accord_chassis.clock import Clock
from accord_contracts.allocation import LeaveChanged
from accord_contracts.message import Message

from notify.domain.hours import Quiet
from notify.domain.leave import Leave
from notify.store import Leaves, Notifications


async def follow_leave(
    message: Message[LeaveChanged], *, at: datetime, leaves: Leaves
) -> None:
    """Note when a worker is away."""
    told = message.data
    held = await leaves.get(told.worker_id, cause=message) or Leave(id=told.worker_id)
    new = held.hear(told.leave, message.aggregate_version, at)
    if new is not held:
        await leaves.save(new, cause=message)


async def is_away(worker_id: str, *, leaves: Leaves, clock: Clock) -> bool:
    """Tell whether a worker is on leave now, as far as has been heard."""
    held = await leaves.get(worker_id)
    return held is not None and held.since(clock.now()) is not None


async def begin(
    due: Leave,
    *,
    at: datetime,
    leaves: Leaves,
    notifications: Notifications,
    quiet: Quiet,
) -> None:
    """Have the next of the chain told where nobody is waited for but who is on leave.

    At once, or in the morning if it must not ring now. Whoever was told though it was
    known that they are on leave is the last there was: their time goes on.
    """
    since = due.since(at)
    held = await notifications.open_to(due.id) if since else []
    if since and held:
        asked = sorted({worker_id for one in held for worker_id in one.asked})
        found = await asyncio.gather(*map(leaves.get, asked))
        away = {each.id for each in found if each and each.since(at)}
        loud = partial(quiet.loud, at=at)
        waiting = (one for one in held if one.waits_for(away, at))
        hurried = (
            one.hurry(loud(one.urgency, any_hour=one.any_hour))
            for one in waiting
            if one.last_told(due.id) <= since
        )
        await asyncio.gather(*map(notifications.save, hurried))
    await leaves.save(due.looked(at))
