"""Whoever is no longer at work, or no longer in a role: what they had goes to others.

The worker's own document says which roles are still to be taken back, written when the
directory was told. So a clock goes through them, a bounded number at a time, and goes
on where it was after a crash. A role is taken back as from somebody who is barred: the
case's document wants it anew, and placing withdraws and offers it in one write.
"""

import asyncio
from datetime import timedelta
from functools import partial

from accord_chassis.retention import RecordClass
from accord_chassis.service import settled
from accord_contracts.allocation import WithdrawnFor
from accord_contracts.message import Lane

from allocation.domain.directory import Worker
from allocation.handlers.access import changed
from allocation.handlers.handing import not_taken
from allocation.handlers.placing import Desk, end
from allocation.store.kept import Glasses

AT_ONCE = 20
"""Roles that are taken back at one time, so that somebody with hundreds of cases holds
up no other clock. An assumption: each is a write or two, of a few milliseconds."""

AGAIN = timedelta(seconds=1)
"""Until the next are looked at: no sooner than clocks are looked at."""


async def take_back(
    due: Worker, *, desk: Desk, glasses: Glasses, kept: RecordClass
) -> None:
    """Take back the next roles of somebody who has left them, and close their glass.

    When the time for that has come, how they are reached is forgotten.
    """
    at = desk.clock.now()
    forget_at = kept.over(due.left_at) if due.left_at else None
    if forget_at and forget_at <= at:
        await desk.directory.change(due.id, Worker.forgotten)
    if not due.active:
        broken = await glasses.open_of(due.id, at)
        await asyncio.gather(*(glasses.save(each.close(at)) for each in broken))
    next_ = due.leaving[:AT_ONCE]
    taking_back = (partial(_take_back, each, due, desk=desk) for each in next_)
    await asyncio.gather(*map(settled, taking_back))
    gone_through = partial(
        Worker.went_through, looked_at=next_, again=at + AGAIN, forget_at=forget_at
    )
    await desk.directory.change(due.id, gone_through, Lane.URGENT)


async def _take_back(allocation_id: str, left: Worker, *, desk: Desk) -> None:
    case_id = left.holds[allocation_id].case_id
    staffing, held = await asyncio.gather(
        desk.staffings.get(case_id), desk.allocations.get(allocation_id)
    )
    wanted = staffing.wanted(allocation_id) if staffing else None
    if staffing is None or wanted is None:
        if held is not None:
            merged = staffing is not None and staffing.merged_into is not None
            reason = WithdrawnFor.CASE_MERGED if merged else None
            await end(held, desk=desk, reason=reason)
        await _free(allocation_id, left, desk=desk)
        return
    lists = held.lists if held else 0
    if wanted.taken_back(left.id, lists):
        return  # Placing is about to do it: the place is looked at again.
    if held is not None and left.id == held.holder:
        new = await not_taken(held, staffing, left.id, desk=desk)
    elif left.id in {held and held.kept_by, wanted.worker_id} or (
        # An offer to them may be under way.
        wanted.worker_id is None and left.id not in wanted.left
    ):
        new = staffing.leave(allocation_id, left.id)
    else:
        await _free(allocation_id, left, desk=desk)
        return
    told = changed(new, staffing, desk.clock.now())
    await desk.staffings.save(new, *told, lane=Lane.URGENT)


async def _free(allocation_id: str, left: Worker, *, desk: Desk) -> None:
    freeing = partial(Worker.release, allocation_id=allocation_id)
    await desk.directory.change(left.id, freeing, Lane.URGENT)
