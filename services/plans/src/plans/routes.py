"""Plans over HTTP."""

from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Annotated

from accord_chassis.clock import Clock
from accord_chassis.guard import (
    ANYBODY,
    LEADS,
    NOT_OUTREACH,
    Action,
    Asking,
    Permit,
    Relation,
    Resource,
    asking,
)
from accord_chassis.service import part, settled
from accord_contracts.access import SIDES, Side
from accord_contracts.allocation import Role
from accord_contracts.message import Code, Id
from accord_contracts.plans import ActionOutcome
from accord_contracts.referrals import TriggerKind
from accord_contracts.risk import RiskLevel
from fastapi import APIRouter, Security
from pydantic import BaseModel, ConfigDict, Field

from plans import closing, handlers
from plans.asks import Proofs
from plans.domain.action import Action as Action_
from plans.domain.action import NoSuchAction, NotYourActions
from plans.domain.coming import Coming
from plans.domain.plan import NoPlan, Plan, Status
from plans.domain.template import Policy
from plans.domain.version import PlanVersion
from plans.store import Plans

router = APIRouter(tags=["plans"])

Plans_ = Annotated[Plans, part(Plans)]
Policy_ = Annotated[Policy, part(Policy)]
Proofs_ = Annotated[Proofs, part(Proofs)]
Clock_ = Annotated[Clock, part(Clock)]
Reader = Annotated[Asking, Security(asking, scopes=["plans.read"])]
Worker = Annotated[Asking, Security(asking, scopes=["plans.work"])]
Closer = Annotated[Asking, Security(asking, scopes=["plans.close"])]

CASE_TEAM = (Relation.TEAM, Relation.COORDINATOR)

PARTS = {
    "stand": ANYBODY,
    f"actions_{Side.PERSON_HARMED}": NOT_OUTREACH,
    f"actions_{Side.WHOLE_CASE}": NOT_OUTREACH,
    f"actions_{Side.PERSON_USING_VIOLENCE}": ANYBODY,
    "dates": NOT_OUTREACH,
}
"""Of a plan: where it stands, its actions by whom they are for, and what is known to
come. Whoever meets the
person using violence sees no action that would tell where the others are."""

READ_PLAN = Action(
    "plan.read",
    (*CASE_TEAM, Relation.GLASS),
    parts=PARTS,
    glass=frozenset({"stand", "dates", f"actions_{Side.PERSON_HARMED}"}),
)
AGREE_TO_PLAN = Action("plan.agree", CASE_TEAM, parts={"agreement": NOT_OUTREACH})
COMPLETE_ACTION = Action("action.complete", (Relation.TEAM,), parts=PARTS)
CLOSE_PLAN = Action("plan.close", CASE_TEAM, parts={"closure": LEADS})
READ_OWN_ACTIONS = Action(
    "actions.read_own", (Relation.OWNER, Relation.TEAM), parts=PARTS
)


def plan_of(case_id: str) -> Resource:
    """Give a plan as it is decided about."""
    return Resource("plan", case_id, case_id)


class AgreeToPlan(BaseModel):
    """The version of the plan that was read and is agreed to."""

    model_config = ConfigDict(extra="forbid")

    plan_version: Annotated[int, Field(ge=1, strict=True)]


class CompleteAction(BaseModel):
    """What came of an action."""

    model_config = ConfigDict(extra="forbid")

    outcome: ActionOutcome | None = None


NOTHING_SAID = CompleteAction()


class ClosePlan(BaseModel):
    """Why the response to this household has ended."""

    model_config = ConfigDict(extra="forbid")

    reason: Code


class ActionView(BaseModel):
    """A commitment: what is to be done, by whom and by when, and whether it was.

    Attributes:
        overdue_at: When it was told that its time had passed.
        last_done_at: When it was done in an earlier episode.
        outcome: What came of it, as far as whoever did it said.
        from_case: The merged case whose plan it comes from, if it does.
    """

    action_id: Id
    action: Code
    strand: Code
    role: Role
    mandatory: bool
    due_at: datetime
    worker_id: Id | None
    done_at: datetime | None
    overdue_at: datetime | None
    last_done_at: datetime | None
    outcome: ActionOutcome | None
    from_case: Id | None = None

    @classmethod
    def of(cls, held: Action_, from_case: str | None = None) -> "ActionView":
        """Show an action."""
        shown = held.model_dump(exclude={"id", "code"})
        return cls(action_id=held.id, action=held.code, from_case=from_case, **shown)


class PlanVersionView(BaseModel):
    """A version of a plan: what it rested on, and when it was drafted and agreed."""

    plan_version: int
    level: RiskLevel
    referral_id: Id | None
    policy_version: str
    assessed_at: datetime
    drafted_at: datetime
    review_by: datetime
    agreed_at: datetime | None
    closed_at: datetime | None
    closed_for: Code | None

    @classmethod
    def of(cls, held: PlanVersion) -> "PlanVersionView":
        """Show a version."""
        shown = held.model_dump(exclude={"number", "assessment"})
        basis = held.assessment.model_dump(
            include={"level", "referral_id", "assessed_at"}
        )
        return cls(plan_version=held.number, **basis, **shown)


class ComingView(BaseModel):
    """What is known to come, and by when a plan must be agreed for it.

    Attributes:
        alarmed_at: When an alarm was raised that is not over: no plan is in force.
        over: It is there, or was called off.
        from_case: The merged case that it is a date of, if it is.
    """

    trigger_id: Id
    kind: TriggerKind
    happens_at: datetime
    in_force_by: datetime
    alarmed_at: datetime | None
    over: bool
    from_case: Id | None

    @classmethod
    def of(cls, trigger_id: str, held: Coming) -> "ComingView":
        """Show a date."""
        return cls(trigger_id=trigger_id, **held.model_dump(exclude={"revision"}))


class PlanView(BaseModel):
    """A plan as it stands: where, what is to be done, and its versions.

    Attributes:
        plan_version: The current version, which may be agreed to.
        actions: Of the current version; what was done is among them.
        versions: The latest, oldest first; the last one is current.
        coming: What is known to come, first to last.
        merged_into: The case in whose plan this one stands too, since they were merged.
        merged: The cases whose plans stand in this one too.
    """

    case_id: Id
    status: Status
    plan_version: int
    level: RiskLevel
    review_by: datetime
    actions: tuple[ActionView, ...]
    versions: tuple[PlanVersionView, ...]
    coming: tuple[ComingView, ...]
    merged_into: Id | None
    merged: tuple[Id, ...]

    @classmethod
    def of(cls, held: Plan, seen: Permit) -> "PlanView":
        """Show of a plan what somebody may see."""
        return cls(
            case_id=held.id,
            status=held.status,
            plan_version=held.current.number,
            level=held.current.assessment.level,
            review_by=held.current.review_by,
            actions=tuple(
                ActionView.of(each, from_case)
                for from_case, each in all_actions(held)
                if part_of(each) in seen
            ),
            versions=tuple(PlanVersionView.of(each) for each in held.versions),
            coming=tuple(
                ComingView.of(*each) for each in held.coming.items() if "dates" in seen
            ),
            merged_into=held.merged_into,
            merged=held.merged_cases,
        )


def all_actions(held: Plan) -> list[tuple[str | None, Action_]]:
    """Give the actions of a plan, then those of the cases merged into it: whose."""
    own: list[tuple[str | None, Action_]] = [(None, each) for each in held.actions]
    return own + [(key, e) for key, s in held.shares.items() for e in s.actions]


def part_of(action: Action_) -> str:
    """Say which part of its plan an action is."""
    return f"actions_{SIDES[action.role]}"


class OwedActionView(ActionView):
    """A commitment of a worker's, and in whose plan it stands."""

    case_id: Id
    level: RiskLevel

    @classmethod
    def in_plan(cls, plan: Plan, held: Action_) -> "OwedActionView":
        """Show an action of a plan."""
        return cls(
            case_id=plan.id,
            level=plan.current.assessment.level,
            **ActionView.of(held).model_dump(),
        )


@router.get("/plans/{case_id}")
async def read_plan(case_id: Id, plans: Plans_, reader: Reader) -> PlanView:
    """Read the plan of a case, as far as it is the reader's to see."""
    seen = await reader.permit(READ_PLAN, plan_of(case_id), otherwise=NoPlan)
    held = await plans.get(case_id)
    if held is None:
        raise NoPlan
    return PlanView.of(held, await _of_all(held, seen, reader))


async def _of_all(held: Plan | None, seen: Permit, reader: Asking) -> Permit:
    """See that they may also read what is merged into it, whatever the lists of each.

    Asked here, because allocation may hear of the merging later than plans does.
    """
    parts = seen.parts
    for each in held.merged_cases if held else ():
        of = await reader.permit(READ_PLAN, plan_of(each), otherwise=NoPlan)
        parts &= of.parts
    return replace(seen, parts=parts)


@router.post("/plans/{case_id}/agreement")
async def agree_to_plan(
    case_id: Id, agreed: AgreeToPlan, plans: Plans_, clock: Clock_, worker: Worker
) -> PlanView:
    """Agree to the version of the plan that was read."""
    await worker.permit(AGREE_TO_PLAN, plan_of(case_id), otherwise=NoPlan)
    seen = await worker.permit(READ_PLAN, plan_of(case_id), otherwise=NoPlan)
    seen = await _of_all(await plans.get(case_id), seen, worker)
    agree = partial(
        handlers.agree, case_id, agreed.plan_version, at=clock.now(), plans=plans
    )
    return PlanView.of(await settled(agree), seen)


@router.post("/plans/{case_id}/actions/{action_id}/completion")
async def complete_action(
    case_id: Id,
    action_id: Id,
    completed: CompleteAction = NOTHING_SAID,
    *,
    plans: Plans_,
    clock: Clock_,
    worker: Worker,
) -> ActionView:
    """Say that a commitment of one's own was kept, and what came of it."""
    await worker.permit(COMPLETE_ACTION, plan_of(case_id), otherwise=NoSuchAction)
    if worker.worker is None:
        raise NoSuchAction
    held = await plans.get(case_id)
    if held and (home := held.home_of(action_id)) != case_id:
        await worker.permit(COMPLETE_ACTION, plan_of(home), otherwise=NoSuchAction)
    complete = partial(
        handlers.complete,
        case_id,
        action_id,
        worker.worker,
        at=clock.now(),
        plans=plans,
        outcome=completed.outcome,
    )
    return ActionView.of(await settled(complete))


@router.post("/plans/{case_id}/closure")
async def close_plan(
    case_id: Id,
    closed: ClosePlan,
    *,
    plans: Plans_,
    policy: Policy_,
    proofs: Proofs_,
    clock: Clock_,
    closer: Closer,
) -> PlanView:
    """Close the plan: the response to this household has ended."""
    await closer.permit(CLOSE_PLAN, plan_of(case_id), otherwise=NoPlan)
    seen = await closer.permit(READ_PLAN, plan_of(case_id), otherwise=NoPlan)
    seen = await _of_all(await plans.get(case_id), seen, closer)
    if closer.worker is None:
        raise NoPlan
    close = partial(
        closing.close,
        case_id,
        closed.reason,
        by=closer.worker,
        at=clock.now(),
        plans=plans,
        policy=policy,
        proofs=proofs,
    )
    return PlanView.of(await settled(close), seen)


@router.get("/workers/{worker_id}/actions")
async def read_own_actions(
    worker_id: Id, plans: Plans_, reader: Reader
) -> tuple[OwedActionView, ...]:
    """Read what one has still to do, what falls due first first."""
    own = Resource("actions", worker_id, workers=frozenset({worker_id}))
    found = [(plan_of(each.id), each) for each in await plans.owed_by(worker_id)]
    permitted = await reader.permit_each(
        READ_OWN_ACTIONS, found, of=own, otherwise=NotYourActions
    )
    owed = [
        OwedActionView.in_plan(plan, each)
        for plan, _ in permitted
        for each in plan.open_actions
        if each.worker_id == worker_id
    ]
    return tuple(sorted(owed, key=lambda each: each.due_at))
