"""What becomes of the staffing of cases that are merged, and when that is taken back.

Each case keeps its own: its lists, and whoever has accepted in it. Of two that are
merged each is told whenever the other changes, and reads it anew, so that nothing
depends on order, and taking it back leaves each with its own.
"""

import asyncio

from accord_contracts.allocation import StaffingCarried, WithdrawnFor
from accord_contracts.message import Lane, Message
from accord_contracts.referrals import CaseMerged, CaseUnmerged

from allocation.domain import merging
from allocation.domain.lists import Lists
from allocation.domain.staffing import Staffing
from allocation.handlers.access import changed
from allocation.handlers.placing import Desk, end


async def note_merging(
    message: Message[CaseMerged] | Message[CaseUnmerged], *, desk: Desk
) -> None:
    """Note that a case is merged into another, or on its own again."""
    told = message.data
    survivor = told.survivor_id if isinstance(told, CaseMerged) else None
    held = await desk.staffing(message)
    if held.erased_at:
        return
    new = merging.merge(
        held, survivor, message.aggregate_version, desk.policy, message.time
    )
    if new is held:
        return
    left = {held.merged_into, told.survivor_id} - {None, survivor}
    events = [
        *changed(new, held, message.time),
        *(
            StaffingCarried(case_id=e, from_id=new.id)
            for e in sorted(filter(None, left))
        ),
    ]
    lane = _lane(new, message.lane)
    await desk.staffings.save(new, *events, cause=message, lane=lane)


async def carry(message: Message[StaffingCarried], *, desk: Desk) -> None:
    """Go by the lists and the team of a case that one is merged with, or no longer."""
    told = message.data
    held = await desk.staffings.get(told.case_id, cause=message)
    # Read after this one: whoever saves what is older conflicts.
    other = await desk.staffings.get(told.from_id)
    if held is not None and held.erased_at:
        return
    known = held or Staffing(id=told.case_id)
    at = desk.clock.now()
    if other is not None and known.merged_into == other.id:
        new = merging.under(known, merging.lists_beside(other, known.id))
    else:
        merged = other and other.merged_into == known.id and not other.erased_at
        share = other.share() if other and merged else None
        new = merging.under(known, Lists()) if known.merged_into is None else known
        new = merging.carry(new, told.from_id, share, desk.policy, at)
    if new is known:
        return
    events = changed(new, known, at)
    lane = _lane(new, message.lane)
    await desk.staffings.save(new, *events, cause=message, lane=lane)


async def end_surplus(
    message: Message[StaffingCarried] | Message[CaseMerged], *, desk: Desk
) -> None:
    """Take back the roles that somebody has in the other case; free their places."""
    case_id = message.data.case_id
    staffing, held = await asyncio.gather(
        desk.staffings.get(case_id), desk.allocations.of_case(case_id)
    )
    if staffing is None:
        return
    surplus = [each for each in held if not staffing.wanted(each.id)]
    reason = WithdrawnFor.CASE_MERGED
    await asyncio.gather(*(end(each, desk=desk, reason=reason) for each in surplus))


def _lane(new: Staffing, lane: Lane) -> Lane:
    return Lane.URGENT if new.level.urgent else lane
