"""What is told of a role: to whom it is offered, who has it, who has it no longer."""

from datetime import datetime
from typing import TypedDict

from accord_contracts.allocation import (
    AllocationAccepted,
    AllocationEnded,
    AllocationExpired,
    AllocationHandedOver,
    AllocationNotNeeded,
    AllocationOffered,
    AllocationUnanswered,
    AllocationUnfilled,
    AllocationWithdrawn,
    HandOverReason,
    Role,
    WithdrawnFor,
)

from allocation.domain.offer import Alarm
from allocation.domain.offering import Allocation


class About(TypedDict):
    """What every event about a role says of it."""

    case_id: str
    allocation_id: str
    role: Role
    first_referred_at: datetime


def about(held: Allocation) -> About:
    """Say which role an event is about."""
    return {
        "case_id": held.case_id,
        "allocation_id": held.id,
        "role": held.role,
        "first_referred_at": held.first_referred_at,
    }


def offered(held: Allocation) -> AllocationOffered:
    """Tell whom a role is offered to."""
    return AllocationOffered(
        **about(held),
        worker_id=held.offer.worker_id,
        level=held.level,
        offered_at=held.offer.offered_at,
        answer_by=held.offer.answer_by,
    )


def accepted(held: Allocation, worker_id: str, at: datetime) -> AllocationAccepted:
    """Tell who has a role: has taken it, or has it again."""
    return AllocationAccepted(**about(held), worker_id=worker_id, accepted_at=at)


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


def expired(held: Allocation, at: datetime) -> AllocationExpired:
    """Tell who did not answer in time, and by how much that was noticed late."""
    return AllocationExpired(
        **about(held),
        worker_id=held.offer.worker_id,
        expired_at=at,
        late_by=(at - held.offer.answer_by).total_seconds(),
    )


def unanswered(held: Allocation, at: datetime) -> AllocationUnanswered:
    """Raise the alarm that one worker after another does not answer."""
    return AllocationUnanswered(
        **about(held),
        level=held.level,
        silent=held.silences,
        noticed_at=at,
    )


def withdrawn(
    held: Allocation,
    at: datetime,
    reason: WithdrawnFor | None = None,
    *,
    worker_id: str | None = None,
) -> AllocationWithdrawn:
    """Tell who need not answer any more, or has the role no longer."""
    who = worker_id or held.offer.worker_id
    return AllocationWithdrawn(
        **about(held),
        worker_id=who,
        withdrawn_at=at,
        reason=reason,
        kept_by=held.kept_by if held.kept_by != who else None,
    )


def ended(held: Allocation, worker_id: str, at: datetime) -> AllocationEnded:
    """Tell who works in a role no longer, because it has ended."""
    return AllocationEnded(**about(held), worker_id=worker_id, ended_at=at)


def not_needed(held: Allocation, at: datetime) -> AllocationNotNeeded:
    """Tell that nobody is looked for any more for a role."""
    return AllocationNotNeeded(**about(held), ended_at=at)


def unfilled(held: Allocation, why: Alarm, at: datetime) -> AllocationUnfilled:
    """Raise the alarm that a role has nobody."""
    return AllocationUnfilled(
        **about(held),
        level=held.level,
        reason=why.value,
        noticed_at=at,
    )
