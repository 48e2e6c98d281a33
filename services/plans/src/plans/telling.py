"""What the plans service tells of what has changed in a plan."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from accord_contracts.message import Event, Lane
from accord_contracts.plans import (
    ActionAssigned,
    ActionDone,
    ActionDueSoon,
    ActionNotConfirmed,
    ActionNotDone,
    ActionOverdue,
    ActionToConfirm,
    PlanAlarmsEnded,
    PlanDrafted,
    PlanNotInForce,
    PlanReviewDue,
    PlanStale,
)

from plans.domain.action import Action
from plans.domain.keeping import (
    ended_since,
    overdue_since,
    refused_since,
    reminded_since,
    said_since,
)
from plans.domain.plan import Plan


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


def alarms_ended(new: Plan, held: Plan) -> list[Event]:
    """Tell that the alarms are over for dates that are the plan's no longer."""
    gone = tuple(key for key in held.alarmed if key not in new.coming)
    return [PlanAlarmsEnded(case_id=new.id, triggers=gone)] if gone else []


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
    return _is_theirs(new, new.changed_since(held))


def refused(new: Plan, held: Plan, at: datetime) -> list[Event]:
    """Tell what a second person has not confirmed since before; its owner anew."""
    found = refused_since(new, held)
    told = [ActionNotConfirmed(**about(new, e), refused_at=at) for e in found]
    return [*told, *_is_theirs(new, found)]


def _is_theirs(new: Plan, actions: Iterable[Action]) -> list[Event]:
    return [
        ActionAssigned(**about(new, each), worker_id=each.worker_id, due_at=each.due_at)
        for each in actions
        if each.worker_id
    ]


def settled(new: Plan, held: Plan) -> list[Event]:
    """Tell which commitments were kept since before, and which will not be."""
    told: list[Event] = []
    for each in ended_since(new, held):
        if each.done_at and each.worker_id:
            kept = ActionDone(
                **about(new, each),
                worker_id=each.worker_id,
                done_at=each.done_at,
                outcome=each.said.outcome if each.said else None,
            )
            told.append(kept)
        elif each.undone_at and each.said and each.said.reason:
            left = ActionNotDone(
                **about(new, each),
                worker_id=each.worker_id,
                reason=each.said.reason,
                settled_at=each.undone_at,
            )
            told.append(left)
    return told


def to_confirm(new: Plan, held: Plan) -> list[Event]:
    """Ask for a second person who confirms what was said since before."""
    return [
        ActionToConfirm(
            **about(new, each),
            level=new.current.assessment.level,
            asked_by=each.said.by,
            confirm_by=each.said.confirm_by,
        )
        for each in said_since(new, held)
        if each.said and each.said.confirm_by
    ]


def stale(new: Plan, held: Plan) -> list[Event]:
    """Tell why the plan should be looked at again, if that is more than before."""
    if not new.stale.keys() - held.stale.keys():
        return []
    return [
        PlanStale(
            case_id=new.id,
            plan_version=new.current.number,
            level=new.current.assessment.level,
            reasons=tuple(sorted(new.stale)),
            stale_at=max(new.stale.values()),
        )
    ]


def review_due(new: Plan, held: Plan, at: datetime) -> list[Event]:
    """Tell that people have not agreed to it, or reviewed it, in time."""
    late_from = held.current.late_from if held.versions else None
    if late_from is None or new.current.told_late_at != at:
        return []
    return [
        PlanReviewDue(
            case_id=new.id,
            plan_version=new.current.number,
            level=new.current.assessment.level,
            due_at=late_from,
            late_by=(at - late_from).total_seconds(),
        )
    ]


def lane_of(plan: Plan, otherwise: Lane = Lane.ROUTINE) -> Lane:
    """Take the urgent lane for a high level."""
    urgent = plan.versions and plan.current.assessment.level.urgent
    return Lane.URGENT if urgent else otherwise


def about(plan: Plan, action: Action) -> dict[str, Any]:
    """Give what every event about an action says."""
    return {
        "case_id": plan.id,
        "plan_version": plan.current.number,
        "action_id": action.id,
        "action": action.code,
        "role": action.role,
    }


def overdue(new: Plan, held: Plan, at: datetime) -> list[Event]:
    """Tell which commitments are overdue since before."""
    return [
        ActionOverdue(
            **about(new, each),
            worker_id=each.worker_id,
            level=new.current.assessment.level,
            due_at=each.due_at,
            late_by=(at - each.due_at).total_seconds(),
        )
        for each in overdue_since(new, held)
    ]


def due_soon(new: Plan, held: Plan) -> list[Event]:
    """Tell which commitments are reminded of since before."""
    return [
        ActionDueSoon(
            **about(new, each),
            worker_id=each.worker_id,
            level=new.current.assessment.level,
            due_at=each.due_at,
        )
        for each in reminded_since(new, held)
    ]
