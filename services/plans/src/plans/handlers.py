"""What the plans service does when something happens."""

from datetime import datetime
from typing import Any

from accord_chassis.clock import Clock
from accord_contracts.allocation import AllocationAccepted, AllocationWithdrawn
from accord_contracts.message import Event, Lane, Message
from accord_contracts.plans import (
    ActionAssigned,
    ActionDone,
    ActionOutcome,
    ActionOverdue,
    PlanAgreed,
    PlanClosed,
    PlanDrafted,
    PlanNotInForce,
)
from accord_contracts.referrals import (
    CaseErased,
    TriggerCancelled,
    TriggerFellDue,
    TriggerScheduled,
)
from accord_contracts.risk import RiskAssessed

from plans.domain.action import Action, NoSuchAction, Owner
from plans.domain.coming import Coming
from plans.domain.plan import NoPlan, Plan
from plans.domain.template import Policy
from plans.domain.version import Assessment
from plans.store import Plans


async def draft_plan(
    message: Message[RiskAssessed], *, plans: Plans, policy: Policy, clock: Clock
) -> None:
    """Draft a plan for a case that was assessed, or the next version of it."""
    told = message.data
    held = await plans.get(told.case_id, cause=message) or Plan(id=told.case_id)
    assessment = Assessment(
        level=told.level,
        referral_id=told.referral_id,
        revision=message.aggregate_version,
        assessed_at=told.assessed_at,
        first_referred_at=told.first_referred_at,
    )
    new = held.draft(assessment, policy, clock.now(), tier=told.tier)
    if new is held:
        return
    events = (drafted(new), *assigned(new, held))
    await plans.save(new, *events, cause=message, lane=lane_of(new, message.lane))


async def assign_actions(message: Message[AllocationAccepted], *, plans: Plans) -> None:
    """Give a role's actions to the worker who took it; remember them for later ones."""
    told = message.data
    held = await plans.get(told.case_id, cause=message) or Plan(id=told.case_id)
    owner = Owner(
        worker_id=told.worker_id,
        accepted_at=told.accepted_at,
        allocation_id=told.allocation_id,
        revision=message.aggregate_version,
    )
    new = held.take_role(told.role, owner)
    if new is held:
        return
    events = assigned(new, held)
    await plans.save(new, *events, cause=message, lane=lane_of(new, message.lane))


async def release_actions(
    message: Message[AllocationWithdrawn], *, plans: Plans
) -> None:
    """Take a role's open actions from whoever has it no longer.

    While somebody hands it over and keeps it until then, nobody else had it.
    """
    told = message.data
    if told.kept_by is not None:
        return
    held = await plans.get(told.case_id, cause=message) or Plan(id=told.case_id)
    left = Owner(
        accepted_at=told.withdrawn_at,
        allocation_id=told.allocation_id,
        revision=message.aggregate_version,
    )
    new = held.leave_role(told.role, left)
    if new is not held:
        await plans.save(new, cause=message, lane=lane_of(new, message.lane))


async def agree(case_id: str, plan_version: int, *, at: datetime, plans: Plans) -> Plan:
    """Agree to the version of a plan that was read.

    Raises:
        NoPlan: There is none.
        AnotherVersionIsCurrent: What was read is not what would be agreed to.
        AlreadyClosed: The plan is closed.
        Merged: The case is merged into another, whose plan it is that is agreed to.
    """
    held = await plans.get(case_id)
    if held is None:
        raise NoPlan
    new = held.agree(plan_version, at)
    if new is held:
        return held
    versions = {case_id: plan_version}
    # Whoever referred what was merged into it is told of the one plan that there is.
    versions |= {key: e.plan_version for key, e in new.shares.items() if not e.closed}
    agreed = (
        PlanAgreed(
            case_id=each,
            plan_version=number,
            agreed_at=at,
            triggers=held.alarmed if each == case_id else (),
        )
        for each, number in versions.items()
    )
    return await plans.save(new, *agreed, lane=lane_of(new))


async def complete(
    case_id: str,
    action_id: str,
    worker_id: str,
    *,
    at: datetime,
    plans: Plans,
    outcome: ActionOutcome | None = None,
) -> Action:
    """Note that a worker kept a commitment of theirs.

    Raises:
        NoSuchAction: There is none, or it is not theirs.
        AlreadyClosed: The plan is closed, and the action went with it.
    """
    held = await plans.get(case_id)
    if held and held.home_of(action_id) != case_id:
        held = await plans.get(held.home_of(action_id))
    if held is None:
        raise NoSuchAction
    new = held.complete(action_id, worker_id, at, outcome)
    done = new.action(action_id)
    if new is not held:
        kept = ActionDone(
            **_about(new, done), worker_id=worker_id, done_at=at, outcome=outcome
        )
        await plans.save(new, kept, lane=lane_of(new))
    return done


async def close(
    case_id: str, reason: str, *, at: datetime, plans: Plans, policy: Policy
) -> Plan:
    """Close a plan, because the response to this household has ended.

    Raises:
        NoPlan: There is none.
        UnknownReason: The reason is not one of the locality's.
        AlreadyClosed: It is closed for another reason.
        MandatoryActionsOpen: Something that must be done is not.
        Merged: The case is merged into another, whose plan it is that is closed.
    """
    held = await plans.get(case_id)
    if held is None:
        raise NoPlan
    new = held.close(reason, policy, at)
    if new is held:
        return held
    current = new.current
    ends = {case_id: (current.number, current.assessment.revision)}
    for merged, share in new.shares.items():
        if not share.closed:
            ends[merged] = (share.plan_version, share.revision)
    closed = (
        PlanClosed(
            case_id=each,
            plan_version=number,
            reason=reason,
            assessment_revision=revision,
            closed_at=at,
        )
        for each, (number, revision) in ends.items()
    )
    return await plans.save(new, *closed, lane=lane_of(new))


async def erase(message: Message[CaseErased], *, plans: Plans) -> None:
    """Leave a tombstone of a case's plan, or of one still to come."""
    told = message.data
    held = await plans.get(told.case_id, cause=message) or Plan(id=told.case_id)
    await plans.save(held.erase(told.erased_at), cause=message)


async def tell_overdue(held: Plan, *, at: datetime, plans: Plans) -> None:
    """Say which commitments were not kept in time, and what no plan is in force for.

    Each once.
    """
    new = held.fall_due(at).raise_alarms(at)
    overdue = [
        ActionOverdue(
            **_about(new, each),
            worker_id=each.worker_id,
            level=new.current.assessment.level,
            due_at=each.due_at,
            late_by=(at - each.due_at).total_seconds(),
        )
        for each in new.changed_since(held)
    ]
    alarms = not_in_force(new, held, at)
    lane = Lane.URGENT if alarms else lane_of(new)
    await plans.save(new, *overdue, *alarms, lane=lane)


async def foresee(
    message: Message[TriggerScheduled | TriggerCancelled],
    *,
    plans: Plans,
    policy: Policy,
) -> None:
    """Note by when a plan must be in force for a date, or that it was called off."""
    told = message.data
    held = await plans.get(told.case_id, cause=message) or Plan(id=told.case_id)
    date = Coming(
        kind=told.kind,
        happens_at=told.due_at,
        in_force_by=policy.in_force.by(told.kind, told.due_at, message.time),
        revision=message.aggregate_version,
        over=isinstance(told, TriggerCancelled),
    )
    new = held.foresee(told.trigger_id, date)
    if new is not held:
        await plans.save(new, cause=message, lane=lane_of(new, message.lane))


async def pass_date(message: Message[TriggerFellDue], *, plans: Plans) -> None:
    """Note that a date is there; tell what should have been told before, if anything.

    After an outage it may be heard that the day is there before the clock was looked at
    which should have told that no plan is in force.
    """
    told = message.data
    held = await plans.get(told.case_id, cause=message) or Plan(id=told.case_id)
    alarmed = held.raise_alarms(message.time)
    known = alarmed.coming.get(told.trigger_id)
    date = Coming(
        kind=told.kind,
        happens_at=told.due_at,
        in_force_by=known.in_force_by if known else told.due_at,
        revision=message.aggregate_version,
        alarmed_at=known.alarmed_at if known else None,
        over=True,
    )
    new = alarmed.foresee(told.trigger_id, date)
    if new is not alarmed:
        alarms = not_in_force(alarmed, held, message.time)
        await plans.save(new, *alarms, cause=message, lane=message.lane)


def not_in_force(new: Plan, held: Plan, at: datetime) -> list[PlanNotInForce]:
    """Raise the alarm for every date for which it was not raised before."""
    level = new.current.assessment.level if new.versions else None
    return [
        PlanNotInForce(
            case_id=new.id,
            trigger_id=trigger_id,
            kind=each.kind,
            happens_at=each.happens_at,
            due_at=each.in_force_by,
            level=level,
            late_by=(at - each.in_force_by).total_seconds(),
        )
        for trigger_id, each in new.alarmed_since(held).items()
    ]


def drafted(new: Plan) -> PlanDrafted:
    """Tell of a draft and of how much is to be done."""
    current = new.current
    return PlanDrafted(
        case_id=new.id,
        plan_version=current.number,
        referral_id=current.assessment.referral_id,
        level=current.assessment.level,
        actions=len(new.open_actions),
        drafted_at=current.drafted_at,
    )


def assigned(new: Plan, held: Plan) -> list[Event]:
    """Tell every owner of what is theirs, or due at another time, since before."""
    return [
        ActionAssigned(
            **_about(new, each), worker_id=each.worker_id, due_at=each.due_at
        )
        for each in new.changed_since(held)
        if each.worker_id
    ]


def lane_of(plan: Plan, otherwise: Lane = Lane.ROUTINE) -> Lane:
    """Take the urgent lane for a high level."""
    urgent = plan.versions and plan.current.assessment.level.urgent
    return Lane.URGENT if urgent else otherwise


def _about(plan: Plan, action: Action) -> dict[str, Any]:
    return {
        "case_id": plan.id,
        "plan_version": plan.current.number,
        "action_id": action.id,
        "action": action.code,
        "role": action.role,
    }
