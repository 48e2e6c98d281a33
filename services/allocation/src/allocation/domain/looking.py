"""What is looked for when a role of a case is to be filled."""

from datetime import datetime

from allocation.domain.availability import Shown
from allocation.domain.need import Need
from allocation.domain.offering import Allocation
from allocation.domain.policy import Policy
from allocation.domain.staffing import Staffing


def need_of(
    held: Allocation,
    staffing: Staffing,
    policy: Policy,
    at: datetime,
    on_call: frozenset[str] = frozenset(),
) -> Need:
    """Say what is looked for now.

    Args:
        held: The role.
        staffing: Of its case.
        policy: What the role takes, where places are, what clocks go by.
        at: The present.
        on_call: Who is on call now in the role.
    """
    wishes, urgent = staffing.wishes, held.level.urgent
    barred = staffing.barred_from(held.role)
    return Need(
        allocation_id=held.id,
        case_id=held.case_id,
        role=held.role,
        points=policy.points[held.level],
        wishes=wishes,
        excluded=barred | held.declined_by | held.silent,
        named_only=staffing.in_force.named_only,
        urgent=urgent,
        shown=Shown.of(at, policy.zone) if urgent else None,
        on_call=on_call,
        walls=staffing.walls_against(held.role),
        earlier=staffing.served_before(held.role),
        skills=staffing.skills,
        distances=policy.kilometres.get(wishes.area or "", {}),
    )
