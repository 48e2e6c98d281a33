"""What is looked for when a role of a case is to be filled."""

from datetime import datetime, timedelta

from accord_contracts.allocation import Role
from accord_contracts.calendar import Shown

from allocation.domain.across import NOWHERE, Across
from allocation.domain.need import Need
from allocation.domain.offering import Allocation
from allocation.domain.policy import Policy, outreach
from allocation.domain.staffing import Staffing
from allocation.domain.wishes import Wishes


def need_of(
    held: Allocation,
    staffing: Staffing,
    policy: Policy,
    at: datetime,
    on_call: frozenset[str] = frozenset(),
    *,
    survivor: Staffing | None = None,
    elsewhere: Across = NOWHERE,
) -> Need:
    """Say what is looked for now.

    Whoever meets the person using violence is chosen by no wish of the person harmed
    and by no distance to them: why they are asked is told them.

    Args:
        held: The role.
        staffing: Of its case.
        policy: What the role takes, where places are, what clocks go by.
        at: The present.
        on_call: Who is on call now in the role.
        survivor: Of the case that its case is merged into, if it is: the other side is
            served there too.
        elsewhere: What other cases of the same people forbid.
    """
    hers = None if outreach(held.role) else staffing.near
    urgent = held.level.urgent
    cases = [staffing] if survivor is None else [staffing, survivor]
    barred = frozenset[str]().union(*(e.barred_from(held.role) for e in cases))
    lists = staffing.in_force.with_those_of(e.in_force for e in cases)
    served = elsewhere.served.union(*(e.served_against(held.role) for e in cases))
    not_told = frozenset[str]().union(*(e.wishes.not_told for e in cases))
    walls = elsewhere.walls.union(*(e.walls_against(held.role) for e in cases))
    return Need(
        allocation_id=held.id,
        case_id=held.case_id,
        role=held.role,
        points=policy.points[held.level][held.stage],
        wishes=wished(held.role, staffing),
        excluded=barred | elsewhere.served | held.declined_by | held.silent,
        declined=held.declined_by,
        served=served,
        listed=lists.barred,
        silent=held.silent,
        named_only=lists.named_only,
        barred_agencies=lists.agencies,
        not_told=not_told,
        urgent=urgent,
        shown=Shown.of(at, policy.zone) if urgent else None,
        on_call=on_call,
        answer_by=policy.answer_by(at, held.level) if urgent else None,
        ahead=timedelta(days=policy.leave_ahead_days[held.level]),
        walls=walls,
        alike=elsewhere.alike,
        turned=elsewhere.turned,
        earlier=staffing.served_before(held.role),
        skills=staffing.skills,
        lead=staffing.lead_agency if held.role is COORDINATES else None,
        distances={} if hers is None else policy.kilometres.get(hers, {}),
    )


COORDINATES = Role.LEAD_AGENCY_COORDINATOR
"""Whoever has this role coordinates for the agency that leads."""


def wished(role: Role, staffing: Staffing) -> Wishes:
    """Give the wishes by which somebody is chosen for a role, as they are now.

    For whoever meets the person using violence it counts alone which agencies are not
    to be told.
    """
    if outreach(role):
        return Wishes(not_told=staffing.wishes.not_told)
    return staffing.wishes
