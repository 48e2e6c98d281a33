"""Workers' answers to offers."""

from accord_contracts.allocation import (
    AllocationAccepted,
    AllocationDeclined,
    AllocationHandedOver,
    DeclineReason,
    HandOverReason,
)
from accord_contracts.message import Event

from allocation.domain.offer import NoLongerNeeded, NoSuchOffer
from allocation.domain.offering import Allocation
from allocation.handlers.placing import Desk, about, find, release, save, settle


async def accept(allocation_id: str, worker_id: str, *, desk: Desk) -> None:
    """Take a role. Taking it again changes nothing.

    Raises:
        NoSuchOffer: It was never offered to them.
        OfferExpired: Somebody else has been asked since.
        OfferDeclined: They have declined it.
        NoLongerNeeded: The response has ended.
    """
    held = await _held(allocation_id, desk)
    new = held.accept(worker_id, desk.clock.now())
    if new is not held:
        told: list[Event] = [accepted(new)]
        if held.kept_by is not None:
            told.insert(0, handed_over(held, new))
        new = await save(new, *told, desk=desk)
    await settle(new, desk=desk)


async def decline(
    allocation_id: str, worker_id: str, reason: DeclineReason, *, desk: Desk
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
    await save(new, declined, told_of, desk=desk)
    await release(held, desk=desk)


def accepted(held: Allocation) -> AllocationAccepted:
    """Tell who has taken a role."""
    return AllocationAccepted(
        **about(held),
        worker_id=held.offer.worker_id,
        accepted_at=held.accepted_at or held.offer.offered_at,
    )


def handed_over(before: Allocation, held: Allocation) -> AllocationHandedOver:
    """Tell who has taken a role over, and from whom."""
    keeper = before.kept_by or held.offer.worker_id
    reasons = (e.handed_over_for for e in before.offers if e.worker_id == keeper)
    given = [each for each in reasons if each is not None]
    return AllocationHandedOver(
        **about(held),
        worker_id=held.offer.worker_id,
        from_worker_id=keeper,
        reason=given[-1] if given else HandOverReason.LEAVING,
        handed_over_at=held.accepted_at or held.offer.offered_at,
    )


async def _held(allocation_id: str, desk: Desk) -> Allocation:
    held = await desk.allocations.get(allocation_id)
    if held is None:
        raise NoSuchOffer
    return held
