"""What becomes of offers when the person harmed wishes something else."""

import asyncio

from accord_contracts import referrals
from accord_contracts.allocation import AllocationOffered, StaffingCarried
from accord_contracts.message import Message
from accord_contracts.referrals import ReferralAmended, ReferralReceived

from allocation.domain.choosing import choose, unmet_by, worth
from allocation.domain.looking import wished
from allocation.domain.offer import Status
from allocation.domain.offering import Allocation
from allocation.domain.policy import Wish, outreach
from allocation.domain.staffing import Staffing
from allocation.handlers.placing import Desk, find, release, save
from allocation.handlers.telling import withdrawn

NOTHING = referrals.Wishes()


async def look_again(
    message: Message[ReferralReceived]
    | Message[ReferralAmended]
    | Message[StaffingCarried],
    *,
    desk: Desk,
) -> None:
    """Ask somebody else where wishes that have changed are met better by another.

    Whoever has accepted, or was chosen by a person, stays: who coordinates is shown
    which wishes they do not meet. The clock for filling the role runs on.
    """
    told = message.data
    if isinstance(told, ReferralReceived) and told.wishes == NOTHING:
        return
    staffing = await desk.staffings.get(told.case_id)
    if staffing is None or not staffing.roles:
        return
    held = await desk.allocations.of_case(told.case_id)
    await asyncio.gather(*(_look_again(each, staffing, desk) for each in held))


async def look_at_offered(message: Message[AllocationOffered], *, desk: Desk) -> None:
    """Look again at an offer that was made while what is wished was told.

    Whoever told of the wish found nobody asked yet, and whoever asked somebody had not
    heard of the wish.
    """
    told = message.data
    staffing, held = await asyncio.gather(
        desk.staffings.get(told.case_id), desk.allocations.get(told.allocation_id)
    )
    if staffing is not None and held is not None:
        await _look_again(held, staffing, desk)


async def unmet_now(
    held: Allocation, staffing: Staffing, *, desk: Desk
) -> tuple[tuple[Wish, ...], bool]:
    """Say which wishes whoever has a role, or is asked, does not meet as they are now.

    And whether the person harmed does not want their agency told. Whoever meets the
    person using violence was chosen by no wish.
    """
    worker = await desk.directory.read(held.holder) if held.holder else None
    if worker is None:
        return (), False
    wishes = staffing.wishes
    unmet = () if outreach(held.role) else unmet_by(worker, wishes)
    return unmet, worker.provider in wishes.not_told


async def _look_again(held: Allocation, staffing: Staffing, desk: Desk) -> None:
    """Ask somebody else who meets the wishes better, if the offer is by others.

    One that was made by the wishes as they are stands: it is no reason that somebody
    else has room by now, nor that a message comes again.
    """
    if held.status is not Status.OFFERED or held.chosen:
        return
    if staffing.wanted(held.id) is None or held.worker_id is None:
        return
    carried = staffing.merged_into is not None
    if not carried and held.offer.wishes == wished(held.role, staffing):
        return
    at = desk.clock.now()
    await desk.directory.refresh()
    need = await desk.need(held, staffing, at)
    asked = await desk.directory.read(held.worker_id)
    barred = asked is None or asked.provider in need.not_told
    if asked is not None and not barred:
        found = choose(desk.directory.least_loaded(held.role), need, desk.policy, at)
        best = await desk.directory.read(found.worker_id) if found else None
        if best is None or worth(best, need, desk.policy) <= worth(
            asked, need, desk.policy
        ):
            return
    new, told_of = await find(
        held.withdraw(desk.policy, at), staffing, at=at, desk=desk
    )
    if new.worker_id == held.worker_id:
        return
    await save(new, withdrawn(held, at), told_of, desk=desk)
    await release(held, desk=desk)
