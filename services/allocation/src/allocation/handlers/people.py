"""When people turn out to be the same as in another case, and what that forbids."""

import asyncio

from accord_contracts.access import SIDES, Side
from accord_contracts.allocation import AllocationOffered, StaffingCarried
from accord_contracts.message import Message
from accord_contracts.one_person import Link
from accord_contracts.referrals import (
    PersonMerged,
    PersonUnmerged,
    ReferralAmended,
    ReferralReceived,
    RolesDecided,
)

from allocation.domain.offer import Status
from allocation.domain.offering import Allocation
from allocation.domain.staffing import Staffing
from allocation.handlers.placing import Desk, find, release, save
from allocation.handlers.telling import withdrawn


async def note_one_person(
    message: Message[PersonMerged] | Message[PersonUnmerged], *, desk: Desk
) -> None:
    """Note that two people are one, or no longer, in whatever order that is heard."""
    held = await desk.staffing(message)
    if held.erased_at:
        return
    new = held.link(message.data.match_id, Link.told(message))
    if new is not held:
        await desk.staffings.save(new, cause=message)


async def leave_to_others(
    message: Message[ReferralReceived]
    | Message[ReferralAmended]
    | Message[PersonMerged]
    | Message[RolesDecided]
    | Message[StaffingCarried],
    *,
    desk: Desk,
) -> None:
    """Take offers back from whoever serves the other side in a case of the same people.

    Or whose compartment serves it. That they are the same, or who of them harmed whom,
    was not known when they were asked. It is a hard rule, so that it holds whoever has
    chosen them. Whoever has accepted stays.
    """
    case_id = message.data.case_id
    staffing = await desk.staffings.get(case_id)
    if staffing is None or not staffing.roles:
        return
    held = await desk.allocations.of_case(case_id)
    await asyncio.gather(*(_leave(each, staffing, desk) for each in held))


async def look_at_offered(message: Message[AllocationOffered], *, desk: Desk) -> None:
    """Look again at an offer that was made while it became known who is the same.

    Whoever told of it found nobody asked yet, and whoever asked had not heard of it.
    """
    told = message.data
    staffing, held = await asyncio.gather(
        desk.staffings.get(told.case_id), desk.allocations.get(told.allocation_id)
    )
    if staffing is not None and held is not None:
        await _leave(held, staffing, desk)


async def _leave(held: Allocation, staffing: Staffing, desk: Desk) -> None:
    if held.status is not Status.OFFERED or staffing.wanted(held.id) is None:
        return
    at = desk.clock.now()
    need = await desk.need(held, staffing, at)
    asked = await desk.directory.read(held.offer.worker_id)
    walls = need.walls
    if SIDES[held.role] is Side.WHOLE_CASE:
        # When parts are put right, the case bars the compartment that was asked to
        # coordinate it, and whoever coordinates stays all the same.
        walls -= staffing.walls.against(held.role)
    if asked is None or not (
        asked.id in need.served or asked.opposed(need, at) or asked.wall in walls
    ):
        return
    left = held.withdraw(desk.policy, at)
    new, told_of = await find(left, staffing, at=at, desk=desk)
    await save(new, withdrawn(held, at), told_of, desk=desk)
    await release(held, desk=desk)
