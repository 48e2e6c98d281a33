"""Plans over HTTP."""

from datetime import datetime
from functools import partial
from typing import Annotated

from accord_chassis.access import Caller, caller
from accord_chassis.clock import Clock
from accord_chassis.service import part, settled
from accord_contracts.allocation import Role
from accord_contracts.message import Code, Id
from accord_contracts.risk import RiskLevel
from fastapi import APIRouter, Security
from pydantic import BaseModel, ConfigDict, Field

from plans import handlers
from plans.domain.plan import (
    Action,
    NoPlan,
    NoSuchAction,
    NotYourActions,
    Plan,
    PlanVersion,
    Status,
)
from plans.domain.template import Policy
from plans.store import Plans

router = APIRouter(tags=["plans"])

Plans_ = Annotated[Plans, part(Plans)]
Policy_ = Annotated[Policy, part(Policy)]
Clock_ = Annotated[Clock, part(Clock)]
Reader = Annotated[Caller, Security(caller, scopes=["plans.read"])]
Worker = Annotated[Caller, Security(caller, scopes=["plans.work"])]
Closer = Annotated[Caller, Security(caller, scopes=["plans.close"])]


class AgreeToPlan(BaseModel):
    """The version of the plan that was read and is agreed to."""

    model_config = ConfigDict(extra="forbid")

    plan_version: Annotated[int, Field(ge=1, strict=True)]


class ClosePlan(BaseModel):
    """Why the response to this household has ended."""

    model_config = ConfigDict(extra="forbid")

    reason: Code


class ActionView(BaseModel):
    """A commitment: what is to be done, by whom and by when, and whether it was.

    Attributes:
        overdue_at: When it was told that its time had passed.
        last_done_at: When it was done in an earlier episode.
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

    @classmethod
    def of(cls, held: Action) -> "ActionView":
        """Show an action."""
        shown = held.model_dump(exclude={"id", "code"})
        return cls(action_id=held.id, action=held.code, **shown)


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


class PlanView(BaseModel):
    """A plan as it stands: where, what is to be done, and its versions.

    Attributes:
        plan_version: The current version, which may be agreed to.
        actions: Of the current version; what was done is among them.
        versions: The latest, oldest first; the last one is current.
    """

    case_id: Id
    status: Status
    plan_version: int
    level: RiskLevel
    review_by: datetime
    actions: tuple[ActionView, ...]
    versions: tuple[PlanVersionView, ...]

    @classmethod
    def of(cls, held: Plan) -> "PlanView":
        """Show a plan."""
        return cls(
            case_id=held.id,
            status=held.status,
            plan_version=held.current.number,
            level=held.current.assessment.level,
            review_by=held.current.review_by,
            actions=tuple(ActionView.of(each) for each in held.actions),
            versions=tuple(PlanVersionView.of(each) for each in held.versions),
        )


class OwedActionView(ActionView):
    """A commitment of a worker's, and in whose plan it stands."""

    case_id: Id
    level: RiskLevel

    @classmethod
    def in_plan(cls, plan: Plan, held: Action) -> "OwedActionView":
        """Show an action of a plan."""
        return cls(
            case_id=plan.id,
            level=plan.current.assessment.level,
            **ActionView.of(held).model_dump(),
        )


@router.get("/plans/{case_id}")
async def read_plan(case_id: Id, plans: Plans_, _: Reader) -> PlanView:
    """Read the plan of a case."""
    held = await plans.get(case_id)
    if held is None:
        raise NoPlan
    return PlanView.of(held)


@router.post("/plans/{case_id}/agreement")
async def agree_to_plan(
    case_id: Id, agreed: AgreeToPlan, plans: Plans_, clock: Clock_, _: Worker
) -> PlanView:
    """Agree to the version of the plan that was read."""
    agree = partial(
        handlers.agree, case_id, agreed.plan_version, at=clock.now(), plans=plans
    )
    return PlanView.of(await settled(agree))


@router.post("/plans/{case_id}/actions/{action_id}/completion")
async def complete_action(
    case_id: Id, action_id: Id, plans: Plans_, clock: Clock_, worker: Worker
) -> ActionView:
    """Say that a commitment of one's own was kept."""
    if worker.worker is None:
        raise NoSuchAction
    complete = partial(
        handlers.complete,
        case_id,
        action_id,
        worker.worker,
        at=clock.now(),
        plans=plans,
    )
    return ActionView.of(await settled(complete))


@router.post("/plans/{case_id}/closure")
async def close_plan(
    case_id: Id,
    closed: ClosePlan,
    plans: Plans_,
    policy: Policy_,
    clock: Clock_,
    _: Closer,
) -> PlanView:
    """Close the plan: the response to this household has ended."""
    close = partial(
        handlers.close,
        case_id,
        closed.reason,
        at=clock.now(),
        plans=plans,
        policy=policy,
    )
    return PlanView.of(await settled(close))


@router.get("/workers/{worker_id}/actions")
async def read_own_actions(
    worker_id: Id, plans: Plans_, reader: Reader
) -> tuple[OwedActionView, ...]:
    """Read what one has still to do, what falls due first first."""
    if reader.worker != worker_id:
        raise NotYourActions
    owed = [
        OwedActionView.in_plan(plan, each)
        for plan in await plans.owed_by(worker_id)
        for each in plan.open_actions
        if each.worker_id == worker_id
    ]
    return tuple(sorted(owed, key=lambda each: each.due_at))
