"""Workers' answers to offers."""

from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial

from accord_contracts.allocation import AllocationDeclined, DeclineReason
from accord_contracts.message import Event, Message
from accord_contracts.notify import NotificationDeclined

from allocation.domain.directory import CannotTake, Worker
from allocation.domain.offer import (
    NoLongerNeeded,
    NoSuchOffer,
    OfferAccepted,
    OfferExpired,
)
from allocation.domain.offering import HOLD_SLACK, Allocation
from allocation.domain.staffing import Staffing
from allocation.domain.walls import SameCompartment
from allocation.handlers.placing import Desk, asked, find, free, release, save, settle
from allocation.handlers.telling import about, accepted, handed_over


async def accept(allocation_id: str, worker_id: str, *, desk: Desk) -> None:
    """Take a role. Taking it again changes nothing.

    Whoever says so after their time, and has no room any more, is named for that.

    Raises:
        NoSuchOffer: It was never offered to them.
        OfferExpired: Somebody else has been asked since, or they answer after their
            time and may not take it any more, by whichever rule.
        OfferDeclined: They have declined it.
        NoLongerNeeded: The response has ended.
    """
    held = await _held(allocation_id, desk)
    at = desk.clock.now()
    new = held.accept(worker_id, at)
    if new is not held:
        if held.unanswered_by(worker_id):
            try:
                worker = await _reserve_again(held, worker_id, at, desk)
            except (CannotTake, SameCompartment):
                # Which rule it is would tell them whom their colleagues serve.
                raise OfferExpired from None
            beyond = worker.load > worker.capacity_at(at)
            new = held.accept(worker_id, at, beyond=beyond)
        told: list[Event] = [accepted(new, worker_id, at)]
        if held.kept_by is not None:
            told.insert(0, handed_over(held, new))
        new = await save(new, *told, desk=desk)
    await settle(new, desk=desk)


async def heed_refusal(message: Message[NotificationDeclined], *, desk: Desk) -> None:
    """Decline for a worker what they said in their inbox that they cannot take.

    What was no offer to them, or what they have taken, stays as it is. Whoever has a
    conflict of interest is barred from the case besides, whatever they were told of
    (``access.note_conflict``).
    """
    told = message.data
    if told.allocation_id is None:
        return
    with suppress(NoSuchOffer, OfferAccepted, NoLongerNeeded):
        await decline(
            told.allocation_id, told.worker_id, told.reason, desk=desk, cause=message
        )


async def decline(
    allocation_id: str,
    worker_id: str,
    reason: DeclineReason,
    *,
    desk: Desk,
    cause: Message[Event] | None = None,
) -> None:
    """Say no to a role, which is offered to somebody else in the same moment.

    After their time it stays with whoever was asked since; if that is nobody, somebody
    is looked for when the pause is over.

    Raises:
        NoSuchOffer: It was never offered to them.
        OfferAccepted: They have accepted it.
        NoLongerNeeded: The response has ended.
    """
    at = desk.clock.now()
    held = await _held(allocation_id, desk)
    declining = held.decline(worker_id, reason, at)
    if declining is held:
        return
    declined = AllocationDeclined(
        **about(held),
        worker_id=worker_id,
        reason=reason,
        declined_at=at,
    )
    if held.worker_id != worker_id:
        await desk.allocations.save(declining, declined, cause=cause, lane=held.lane)
        return
    staffing = await _staffing(held, desk)
    new, told_of = await find(declining, staffing, at=at, desk=desk)
    await save(new, declined, told_of, desk=desk, cause=cause)
    await release(held, desk=desk)


async def _reserve_again(
    held: Allocation, worker_id: str, at: datetime, desk: Desk
) -> Worker:
    """Reserve a place for somebody who says yes after their time has passed.

    Also where they have no room any more, outside of their hours, and just before their
    leave: they have said yes. Every other hard rule is looked at again, as their
    place had been free.
    """
    staffing = await _staffing(held, desk)
    await desk.directory.refresh()
    need = await desk.need(held, staffing, at)
    if need.bars(worker_id):
        raise CannotTake(*need.against(worker_id))
    need = replace(
        need,
        beyond=True,
        against_wish=held.offer.against_wish,
        shown=None,
        answer_by=None,
    )
    reserving = partial(Worker.reserve, need=need, until=at + HOLD_SLACK, at=at)
    worker = await desk.directory.change(worker_id, reserving, held.lane)
    if not await asked(held.case_id, held.role, worker.wall, desk=desk):
        await free(held, worker_id, desk=desk)
        raise SameCompartment
    return worker


async def beyond(held: Allocation, worker_id: str, *, desk: Desk) -> bool:
    """Tell whether whoever is asked has no room for a role, if they said yes now."""
    if held.holder == worker_id:
        return held.offer.beyond_by is not None
    worker = await desk.directory.read(worker_id)
    if worker is None or not held.unanswered_by(worker_id):
        return False
    return not worker.has_room(held.taken(), desk.clock.now())


async def _staffing(held: Allocation, desk: Desk) -> Staffing:
    staffing = await desk.staffings.get(held.case_id)
    if staffing is None or staffing.wanted(held.id) is None:
        raise NoLongerNeeded
    return staffing


async def _held(allocation_id: str, desk: Desk) -> Allocation:
    held = await desk.allocations.get(allocation_id)
    if held is None:
        raise NoSuchOffer
    return held
