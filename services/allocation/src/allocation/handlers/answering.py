"""Workers' answers to offers."""

from contextlib import suppress

from accord_contracts.allocation import AllocationDeclined, DeclineReason
from accord_contracts.message import Event, Message
from accord_contracts.notify import NotificationDeclined

from allocation.domain.offer import (
    NoLongerNeeded,
    NoSuchOffer,
    OfferAccepted,
    OfferExpired,
)
from allocation.domain.offering import Allocation
from allocation.handlers.placing import Desk, find, release, save, settle
from allocation.handlers.telling import about, accepted, handed_over


async def accept(allocation_id: str, worker_id: str, *, desk: Desk) -> None:
    """Take a role. Taking it again changes nothing.

    Raises:
        NoSuchOffer: It was never offered to them.
        OfferExpired: Somebody else has been asked since.
        OfferDeclined: They have declined it.
        NoLongerNeeded: The response has ended.
    """
    held = await _held(allocation_id, desk)
    at = desk.clock.now()
    new = held.accept(worker_id, at)
    if new is not held:
        told: list[Event] = [accepted(new, worker_id, at)]
        if held.kept_by is not None:
            told.insert(0, handed_over(held, new))
        new = await save(new, *told, desk=desk)
    await settle(new, desk=desk)


async def heed_refusal(message: Message[NotificationDeclined], *, desk: Desk) -> None:
    """Decline for a worker what they said in their inbox that they cannot take.

    What is no offer to them, or not any more, stays as it is: who was asked since, or
    has taken it, is decided already.
    """
    told = message.data
    if told.allocation_id is None:
        return
    with suppress(NoSuchOffer, OfferExpired, OfferAccepted, NoLongerNeeded):
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

    Raises:
        NoSuchOffer: It was never offered to them.
        OfferExpired: Somebody else has been asked since.
        OfferAccepted: They have accepted it.
        NoLongerNeeded: The response has ended.
    """
    at = desk.clock.now()
    held = await _held(allocation_id, desk)
    declining = held.decline(worker_id, reason, at)
    if declining is held:
        return
    staffing = await desk.staffings.get(held.case_id)
    if staffing is None or staffing.wanted(held.id) is None:
        raise NoLongerNeeded
    new, told_of = await find(declining, staffing, at=at, desk=desk)
    declined = AllocationDeclined(
        **about(held),
        worker_id=worker_id,
        reason=reason,
        declined_at=at,
    )
    await save(new, declined, told_of, desk=desk, cause=cause)
    await release(held, desk=desk)


async def _held(allocation_id: str, desk: Desk) -> Allocation:
    held = await desk.allocations.get(allocation_id)
    if held is None:
        raise NoSuchOffer
    return held
