"""Roles that change hands: handed over by whoever has them, or given by a person."""

from dataclasses import replace
from functools import partial

from accord_chassis.guard import NoSuchRecord
from accord_contracts.allocation import AllocationHandedOver, HandOverReason
from accord_contracts.message import Event, Message

from allocation.domain.advising import Candidate, advise
from allocation.domain.choosing import explain
from allocation.domain.directory import CannotTake, Worker
from allocation.domain.need import Need
from allocation.domain.offer import NoLongerNeeded, NoSuchOffer, Status
from allocation.domain.offering import HOLD_SLACK, Allocation
from allocation.domain.staffing import Staffing
from allocation.domain.walls import SameCompartment
from allocation.handlers.placing import (
    Desk,
    asked,
    find,
    free,
    keep_again,
    release,
    save,
)
from allocation.handlers.telling import offered, withdrawn

CHOSEN, TOGETHER = "chosen_by_a_person", "placed_together"


async def hand_over(
    allocation_id: str, worker_id: str, reason: HandOverReason, *, desk: Desk
) -> None:
    """Look for somebody else to take a role, while whoever has it keeps it until then.

    Raises:
        NoSuchOffer: It was never offered to them.
        NotYours: They do not have it.
        NoLongerNeeded: The response has ended.
    """
    held = await desk.allocations.get(allocation_id)
    if held is None:
        raise NoSuchOffer
    at = desk.clock.now()
    handing = held.hand_over(worker_id, reason, desk.policy, at)
    if handing is held:
        return
    staffing = await _staffing(held, desk)
    new, told_of = await find(handing, staffing, at=at, desk=desk)
    await save(new, told_of, desk=desk)


async def free_handed_over(
    message: Message[AllocationHandedOver], *, desk: Desk
) -> None:
    """Free the place of whoever had a role, once somebody else has taken it."""
    told = message.data
    held = await desk.allocations.get(told.allocation_id)
    if held is None or told.from_worker_id in {held.holder, held.kept_by}:
        return
    await free(held, told.from_worker_id, desk=desk)
    now = await desk.allocations.get(held.id)
    if now and now.kept_by == told.from_worker_id:
        # It is back with them meanwhile.
        await keep_again(now, told.from_worker_id, desk=desk)


async def not_taken(
    held: Allocation, staffing: Staffing, worker_id: str, *, desk: Desk
) -> Staffing:
    """Take a role from somebody who has left before they have joined the case's team.

    Whoever handed it over to them has it again and goes on handing it over, unless they
    have left too: their place is given to them first, so that their leaving later takes
    it back.
    """
    new = staffing.leave(held.id, worker_id)
    wanted = new.wanted(held.id)
    if wanted is None or wanted.worker_id is None:
        return new
    if await keep_again(held, wanted.worker_id, desk=desk):
        return new
    return new.leave(held.id, wanted.worker_id)


async def candidates(allocation_id: str, *, desk: Desk) -> list[Candidate]:
    """Give all who are in a role, with what speaks for and against each.

    Raises:
        NoSuchRecord: There is no such role.
        NoLongerNeeded: The response has ended.
    """
    held = await desk.allocations.get(allocation_id)
    if held is None:
        raise NoSuchRecord
    # Silence alone is no bar to being asked by a person.
    heard = held.model_copy(update={"silent": frozenset()})
    need = await _need(heard, await _staffing(held, desk), desk)
    need = replace(need, silent=held.silent)
    workers = desk.directory.least_loaded(held.role)
    return advise(workers, need, desk.policy, desk.clock.now())


async def offer_to(
    allocation_id: str,
    worker_id: str,
    by: str | None,
    *,
    beyond: bool,
    desk: Desk,
    against_wish: bool = False,
) -> Allocation:
    """Offer a role to a worker who was chosen for it.

    Of the hard rules only room and whom the person harmed does not want told give way,
    and only to a person.

    Whoever was asked before them need not answer any more; whom a person has chosen
    stays, unless it is a person who chooses anew.

    Args:
        allocation_id: The role.
        worker_id: Who was chosen.
        by: Who chose them; none: nobody, as all roles were placed together.
        beyond: Whether they may be asked though they have no room: whoever decides so
            is named for it.
        desk: What it takes.
        against_wish: Whether they may be asked though the person harmed does not want
            their agency told: whoever decides so is named for it.

    Raises:
        NoSuchRecord: There is no such role.
        NoSuchWorker: The directory does not know them.
        NoLongerNeeded: The response has ended.
        TakenAlready: Somebody has it.
        CannotTake: They may not or cannot take it.
        SameCompartment: Their compartment serves the other side of the case.
    """
    held = await desk.allocations.get(allocation_id)
    if held is None:
        raise NoSuchRecord
    held.check_open()
    if held.status is Status.OFFERED and held.worker_id == worker_id:
        return held
    if by is None and held.chosen:
        return held
    staffing, at = await _staffing(held, desk), desk.clock.now()
    if wanted := staffing.wanted(held.id):
        held = held.heed(wanted)
    # Silence alone is no bar to being asked by a person.
    heard = held.model_copy(update={"silent": frozenset()}) if by else held
    need = await _need(heard, staffing, desk)
    need = replace(need, beyond=beyond, against_wish=against_wish)
    if need.bars(worker_id):
        raise CannotTake(*need.against(worker_id))
    until = desk.policy.answer_by(at, held.level) + HOLD_SLACK
    reserving = partial(Worker.reserve, need=need, until=until, at=at)
    worker = await desk.directory.change(worker_id, reserving, held.lane)
    asking = held.withdraw(desk.policy, at) if held.status is Status.OFFERED else held
    # What was decided for them was not decided for others: those had no room.
    others = list(desk.directory.least_loaded(held.role))
    as_any = replace(need, beyond=False, against_wish=False)
    why = explain(worker, others, as_any, at)
    choice = replace(why, reasons=(CHOSEN if by else TOGETHER, *why.reasons))
    new = asking.offered(
        choice,
        desk.policy,
        at,
        decided_by=by,
        beyond_by=by if worker.load > worker.capacity_at(at) else None,
        against_wish=worker.provider in need.not_told,
    )
    if not await asked(held.case_id, held.role, worker.wall, desk=desk):
        await release(new, desk=desk)
        raise SameCompartment
    told: list[Event] = [offered(new)]
    if asking is not held:
        told.insert(0, withdrawn(held, at))
    new = await save(new, *told, desk=desk)
    if asking is not held:
        await release(held, desk=desk)
    return new


async def _staffing(held: Allocation, desk: Desk) -> Staffing:
    staffing = await desk.staffings.get(held.case_id)
    if staffing is None or staffing.wanted(held.id) is None:
        raise NoLongerNeeded
    return staffing


async def _need(held: Allocation, staffing: Staffing, desk: Desk) -> Need:
    await desk.directory.refresh()
    return await desk.need(held, staffing, desk.clock.now())
