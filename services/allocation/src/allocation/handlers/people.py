"""When people turn out to be the same as in another case, and what that forbids."""

import asyncio

from accord_contracts.message import Message
from accord_contracts.one_person import Link
from accord_contracts.referrals import (
    PersonMerged,
    PersonUnmerged,
    ReferralAmended,
    ReferralReceived,
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
    | Message[PersonMerged],
    *,
    desk: Desk,
) -> None:
    """Take offers back from whoever serves the other side in a case of the same people.

    That they are the same was not known when they were asked. It is a hard rule, so
    that it holds whoever has chosen them. Whoever has accepted stays.
    """
    case_id = message.data.case_id
    staffing = await desk.staffings.get(case_id)
    if staffing is None or not staffing.roles:
        return
    held = await desk.allocations.of_case(case_id)
    await asyncio.gather(*(_leave(each, staffing, desk) for each in held))


async def _leave(held: Allocation, staffing: Staffing, desk: Desk) -> None:
    if held.status is not Status.OFFERED or staffing.wanted(held.id) is None:
        return
    at = desk.clock.now()
    need = await desk.need(held, staffing, at)
    asked = await desk.directory.read(held.offer.worker_id)
    if asked is None or not (asked.id in need.served or asked.opposed(need, at)):
        return
    left = held.withdraw(desk.policy, at)
    new, told_of = await find(left, staffing, at=at, desk=desk)
    await save(new, withdrawn(held, at), told_of, desk=desk)
    await release(held, desk=desk)
