"""What becomes of the plans of cases that are merged, and when that is taken back.

What somebody has taken on stays in the plan in which they took it on, and stands in the
survivor's too. So nothing is moved, nothing depends on order, and taking it back leaves
each plan with its own.
"""

from accord_contracts.message import Event, Lane, Message
from accord_contracts.plans import PlanCarried, PlanClosed, StaleReason
from accord_contracts.referrals import CaseMerged, CaseUnmerged

from plans.domain.merging import carry as carry_share
from plans.domain.merging import close_with_survivor, merge, share_of
from plans.domain.plan import Plan
from plans.domain.staleness import go_stale
from plans.domain.template import Policy
from plans.store import Plans
from plans.telling import alarms_ended, assigned, lane_of, not_in_force, stale


async def note_merging(
    message: Message[CaseMerged] | Message[CaseUnmerged],
    *,
    plans: Plans,
    policy: Policy,
) -> None:
    """Note that a case is merged into another, or on its own again."""
    told = message.data
    survivor = told.survivor_id if isinstance(told, CaseMerged) else None
    held = await plans.get(told.case_id, cause=message) or Plan(id=told.case_id)
    if held.erased_at:
        return
    version, rule = message.aggregate_version, policy.in_force
    noted = merge(held, survivor, version, rule, message.time)
    if noted is held:
        return
    # On its own again it asks for what its survivor's plan has asked for until now.
    new = noted.asks_for_each(held, policy, message.time)
    left = {held.merged_into, told.survivor_id} - {None, survivor}
    events: list[Event] = [
        PlanCarried(case_id=each, from_id=new.id) for each in sorted(filter(None, left))
    ]
    events += assigned(new, held)
    await plans.save(new, *events, cause=message, lane=lane_of(new, message.lane))


async def carry(message: Message[PlanCarried], *, plans: Plans, policy: Policy) -> None:
    """Show in a plan what is planned for a case merged into it, or no longer.

    If one of its dates is there, what should have been told before is told now, if an
    outage kept the clock from it.
    """
    told = message.data
    held = await plans.get(told.case_id, cause=message) or Plan(id=told.case_id)
    # Read after the survivor: whoever saves an older share conflicts.
    other = await plans.get(told.from_id)
    if held.erased_at:
        return
    merged = other and other.merged_into == held.id and not other.erased_at
    share, dates = (
        (share_of(other), other.own_coming) if other and merged else (None, {})
    )
    alarmed, at = held.raise_alarms(message.time), message.time
    new = carry_share(alarmed, told.from_id, share, dates, policy=policy, at=at)
    if new is held:
        return
    if {*new.all_children} - {*held.all_children}:
        new = go_stale(new, (StaleReason.CHILD_KNOWN,), at)
    alarms = not_in_force(alarmed, held, at)
    ended = alarms_ended(new, alarmed)
    events = (*assigned(new, held), *alarms, *ended, *stale(new, held))
    lane = Lane.URGENT if alarms else lane_of(new, message.lane)
    await plans.save(new, *events, cause=message, lane=lane)


async def close_merged(message: Message[PlanClosed], *, plans: Plans) -> None:
    """Close the plan of a merged case with that of its survivor."""
    told = message.data
    held = await plans.get(told.case_id, cause=message)
    if held is None:
        return
    new = close_with_survivor(held, told.reason, told.closed_at)
    if new is not held:
        await plans.save(new, cause=message, lane=lane_of(new, message.lane))
