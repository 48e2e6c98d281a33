"""How commitments end otherwise, and how agreed plans are looked after, over HTTP."""

from functools import partial
from typing import Annotated

from accord_chassis.decision import ANYBODY, NOT_OUTREACH, Action
from accord_chassis.guard import Asking
from accord_chassis.service import settled
from accord_contracts.allocation import Role
from accord_contracts.message import Code, Id
from accord_contracts.plans import StaleReason
from fastapi import APIRouter
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from plans.domain.action import NoSuchAction, Said
from plans.domain.hours import Within
from plans.domain.meeting.rules import to_the_minute
from plans.domain.revising import Wanted
from plans.domain.stage import Breach
from plans.domain.staleness import Read
from plans.keeping import handlers
from plans.routes import (
    CASE_TEAM,
    Clock_,
    Plans_,
    Policy_,
    Worker,
    of_all,
    plan_of,
    shown_to,
)
from plans.store import Plans
from plans.views import (
    PARTS,
    ActionView,
    Confirm,
    LeaveUndone,
    PlanView,
    part_of,
)

router = APIRouter(tags=["plans"])

SETTLE_ACTION = Action("action.settle", CASE_TEAM, parts=PARTS)
REVIEW_PLAN = Action("plan.review", CASE_TEAM, parts={"agreement": NOT_OUTREACH})
REVISE_PLAN = Action("plan.revise", CASE_TEAM, parts={"agreement": NOT_OUTREACH})
NOTE_BREACH = Action("plan.note_breach", CASE_TEAM, parts={"breach": ANYBODY})


class ReviewPlan(BaseModel):
    """The version of the plan that was looked at again, and stands.

    Attributes:
        review_by: By when it was to be, as read: so one review is told from the next.
        stale: Why it should be looked at again, as it was read; none, if it need not.
    """

    model_config = ConfigDict(extra="forbid")

    plan_version: Annotated[int, Field(ge=1, strict=True)]
    review_by: AwareDatetime
    stale: dict[StaleReason, AwareDatetime] = {}

    @property
    def read(self) -> Read:
        """It, as the domain knows it."""
        return Read(self.plan_version, self.review_by, self.stale)


class WantAction(Within):
    """An action that is wanted in the next version of a plan.

    Attributes:
        action: One of the locality's codes.
        person_id: Which child it is for, if it is in a child's part.
    """

    action: Code
    role: Role
    person_id: Id | None = None

    @property
    def wanted(self) -> Wanted:
        """It, as the domain knows it."""
        within = Within(
            within_hours=self.within_hours,
            within_working_days=self.within_working_days,
        )
        return Wanted(
            code=self.action, role=self.role, person_id=self.person_id, within=within
        )


class RevisePlan(BaseModel):
    """The version of the plan that was read, and what is wanted in the next besides."""

    model_config = ConfigDict(extra="forbid")

    plan_version: Annotated[int, Field(ge=1, strict=True)]
    actions: Annotated[tuple[WantAction, ...], Field(min_length=1, max_length=50)]


class NoteBreach(BaseModel):
    """How and when somebody broke what the plan rests on."""

    model_config = ConfigDict(extra="forbid")

    kind: Code
    happened_at: Annotated[AwareDatetime, AfterValidator(to_the_minute)]


async def may_settle(case_id: str, action_id: str, plans: Plans, worker: Asking) -> str:
    """See that somebody may settle an action, and give who they are.

    Raises:
        NoSuchAction: There is none, or none in a part that they see; or they are no
            worker, who alone can be a second person.
    """
    seen = await worker.permit(SETTLE_ACTION, plan_of(case_id), otherwise=NoSuchAction)
    held = await plans.get(case_id)
    if held is None or worker.worker is None:
        raise NoSuchAction
    seen = await of_all(held, seen, worker)
    if (home := held.home_of(action_id)) != case_id:
        found = await plans.get(home)
        await worker.permit(SETTLE_ACTION, plan_of(home), otherwise=NoSuchAction)
    else:
        found = held
    if found is None or part_of(found.action(action_id)) not in seen:
        raise NoSuchAction
    return worker.worker


@router.post("/plans/{case_id}/actions/{action_id}/undone")
async def leave_undone(
    case_id: Id,
    action_id: Id,
    left: LeaveUndone,
    *,
    plans: Plans_,
    policy: Policy_,
    clock: Clock_,
    worker: Worker,
) -> ActionView:
    """Say why something will not be done.

    At a high level of risk it counts once somebody else has confirmed it.
    """
    by = await may_settle(case_id, action_id, plans, worker)
    said = Said(at=clock.now(), by=by, reason=left.reason)
    leave = partial(
        handlers.leave_undone, case_id, action_id, said, plans=plans, policy=policy
    )
    return ActionView.of(await settled(leave))


@router.post("/plans/{case_id}/actions/{action_id}/confirmation")
async def confirm(
    case_id: Id,
    action_id: Id,
    told: Confirm,
    *,
    plans: Plans_,
    policy: Policy_,
    clock: Clock_,
    worker: Worker,
) -> ActionView:
    """Say, as the second person, whether what was said of an action is so."""
    by = await may_settle(case_id, action_id, plans, worker)
    confirm_ = partial(
        handlers.confirm,
        case_id,
        action_id,
        by,
        said_at=told.said_at,
        agrees=told.confirmed,
        at=clock.now(),
        plans=plans,
        policy=policy,
    )
    return ActionView.of(await settled(confirm_))


@router.post("/plans/{case_id}/review")
async def review_plan(
    case_id: Id,
    read: ReviewPlan,
    *,
    plans: Plans_,
    policy: Policy_,
    clock: Clock_,
    worker: Worker,
) -> PlanView:
    """Say that the agreed version that was read was looked at again, and stands."""
    seen = await shown_to(REVIEW_PLAN, case_id, plans, worker)
    review = partial(
        handlers.review,
        case_id,
        read.read,
        by=worker.worker,
        at=clock.now(),
        plans=plans,
        policy=policy,
    )
    return PlanView.of(await settled(review), seen)


@router.post("/plans/{case_id}/revision")
async def revise_plan(
    case_id: Id,
    read: RevisePlan,
    *,
    plans: Plans_,
    policy: Policy_,
    clock: Clock_,
    worker: Worker,
) -> PlanView:
    """Draft the next version of the plan that was read, with what is wanted besides."""
    seen = await shown_to(REVISE_PLAN, case_id, plans, worker)
    revise = partial(
        handlers.revise,
        case_id,
        read.plan_version,
        [each.wanted for each in read.actions],
        at=clock.now(),
        plans=plans,
        policy=policy,
    )
    return PlanView.of(await settled(revise), seen)


@router.post("/plans/{case_id}/breaches")
async def note_breach(
    case_id: Id,
    told: NoteBreach,
    *,
    plans: Plans_,
    policy: Policy_,
    clock: Clock_,
    worker: Worker,
) -> PlanView:
    """Say that somebody has broken what the plan rests on."""
    seen = await shown_to(NOTE_BREACH, case_id, plans, worker)
    noted = Breach(
        kind=told.kind,
        happened_at=told.happened_at,
        noted_at=clock.now(),
        noted_by=worker.worker,
    )
    breach = partial(handlers.breach, case_id, noted, plans=plans, policy=policy)
    return PlanView.of(await settled(breach), seen)
