"""Plans over HTTP."""

from dataclasses import replace
from functools import partial
from typing import Annotated

from accord_chassis.clock import Clock
from accord_chassis.decision import (
    LEADS,
    NOT_OUTREACH,
    Action,
    Permit,
    Relation,
    Resource,
)
from accord_chassis.guard import Asking, asking
from accord_chassis.service import part, settled
from accord_contracts.access import NO_CASE
from accord_contracts.message import Id
from fastapi import APIRouter, Security

from plans import closing, handlers
from plans.asks import Proofs
from plans.domain.action import NoSuchAction, NotYourActions
from plans.domain.held import NoPlan
from plans.domain.plan import Plan
from plans.domain.template import Part, Policy
from plans.meeting.store import Table
from plans.needs.store import Needs
from plans.store import Plans
from plans.views import (
    PARTS,
    ActionView,
    AgreeToPlan,
    ClosePlan,
    CompleteAction,
    ConfirmClosing,
    OwedActionView,
    PlanView,
    ToTakeView,
    WholePlanView,
    all_actions,
    part_of,
)

router = APIRouter(tags=["plans"])

Plans_ = Annotated[Plans, part(Plans)]
Needs_ = Annotated[Needs, part(Needs)]
Policy_ = Annotated[Policy, part(Policy)]
Table_ = Annotated[Table, part(Table)]
Proofs_ = Annotated[Proofs, part(Proofs)]
Clock_ = Annotated[Clock, part(Clock)]
Reader = Annotated[Asking, Security(asking, scopes=["plans.read"])]
Worker = Annotated[Asking, Security(asking, scopes=["plans.work"])]
Closer = Annotated[Asking, Security(asking, scopes=["plans.close"])]

CASE_TEAM = (Relation.TEAM, Relation.COORDINATOR)

READ_PLAN = Action(
    "plan.read",
    (*CASE_TEAM, Relation.GLASS),
    parts=PARTS,
    glass=frozenset(
        {
            "stand",
            "dates",
            f"actions_{Part.PERSON_HARMED}",
            f"actions_{Part.CHILD}",
        }
    ),
)
AGREE_TO_PLAN = Action("plan.agree", CASE_TEAM, parts={"agreement": NOT_OUTREACH})
COMPLETE_ACTION = Action(
    "action.complete", (Relation.TEAM, Relation.OWNER), parts=PARTS
)
TAKE_ACTION = Action("action.take", (Relation.OWNER,), parts=PARTS)
HAND_BACK = Action(
    "action.hand_back", (Relation.COORDINATOR, Relation.OWNER), parts=PARTS
)
CLOSE_PLAN = Action("plan.close", CASE_TEAM, parts={"closure": LEADS})
CONFIRM_CLOSING = Action(
    "plan.confirm_closing", CASE_TEAM, parts={"closure": NOT_OUTREACH}
)
READ_OWN_ACTIONS = Action(
    "actions.read_own", (Relation.TEAM, Relation.OWNER), parts=PARTS
)


def plan_of(case_id: str) -> Resource:
    """Give a plan as it is decided about."""
    return Resource("plan", case_id, case_id)


@router.get("/plans/{case_id}")
async def read_plan(
    case_id: Id, plans: Plans_, needs: Needs_, reader: Reader
) -> WholePlanView:
    """Read the plan of a case, as far as it is the reader's to see."""
    held, seen = await readable(case_id, plans, reader)
    found = await needs.of_cases((case_id, *held.merged_cases))
    return WholePlanView.whole(held, found, seen)


async def readable(case_id: str, plans: Plans, reader: Asking) -> tuple[Plan, Permit]:
    """Give a plan, and what of it may be read.

    Raises:
        NoPlan: There is none, or none for them.
    """
    seen = await reader.permit(READ_PLAN, plan_of(case_id), otherwise=NoPlan)
    held = await plans.known(case_id)
    return held, await of_all(held, seen, reader)


async def shown_to(action: Action, case_id: str, plans: Plans, asker: Asking) -> Permit:
    """See that somebody may do something with a plan; say what of it they may read.

    Raises:
        NoPlan: There is none, or none with which they may.
    """
    await asker.permit(action, plan_of(case_id), otherwise=NoPlan)
    _, seen = await readable(case_id, plans, asker)
    return seen


async def of_all(held: Plan | None, seen: Permit, reader: Asking) -> Permit:
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
    seen = await shown_to(AGREE_TO_PLAN, case_id, plans, worker)
    agree = partial(
        handlers.agree,
        case_id,
        agreed.plan_version,
        at=clock.now(),
        plans=plans,
        by=worker.worker,
        stale=agreed.stale,
    )
    return PlanView.of(await settled(agree), seen)


@router.post("/plans/{case_id}/actions/{action_id}/completion")
async def complete_action(
    case_id: Id,
    action_id: Id,
    *,
    done: CompleteAction | None = None,
    plans: Plans_,
    policy: Policy_,
    clock: Clock_,
    worker: Worker,
) -> ActionView:
    """Say that a commitment of one's own was kept.

    At a high level of risk it counts once somebody else has confirmed it.
    """
    held = await plans.get(case_id)
    resource = replace(plan_of(case_id), workers=_takers(held, action_id))
    seen = await worker.permit(COMPLETE_ACTION, resource, otherwise=NoSuchAction)
    if held is None or worker.worker is None:
        raise NoSuchAction
    found = [each for _, each in all_actions(held) if each.id == action_id]
    if not any(part_of(each) in seen for each in found):
        raise NoSuchAction
    if (home := held.home_of(action_id)) != case_id:
        await worker.permit(COMPLETE_ACTION, plan_of(home), otherwise=NoSuchAction)
    complete = partial(
        handlers.complete,
        case_id,
        action_id,
        worker.worker,
        at=clock.now(),
        plans=plans,
        policy=policy,
        outcome=done.outcome if done else None,
        evidence=done.shown if done else None,
    )
    return ActionView.of(await settled(complete))


def _takers(held: Plan | None, action_id: str) -> frozenset[str]:
    """Give who took an action itself: it is theirs, though they are in no team."""
    actions = held.actions if held else ()
    taken = (e.worker_id for e in actions if e.id == action_id and e.taken)
    return frozenset(filter(None, taken))


@router.get("/actions")
async def list_actions(plans: Plans_, reader: Reader) -> tuple[ToTakeView, ...]:
    """List what one's own agency owns and nobody has taken yet, first due first."""
    agency = reader.who.agency if reader.worker else None
    found = await plans.to_take(agency) if agency else []
    plans_ = [(replace(plan_of(e.id), agency=agency), e) for e in found]
    of = Resource("actions", NO_CASE, agency=agency)
    may = await reader.permit_each(TAKE_ACTION, plans_, of=of, otherwise=NotYourActions)
    owned = [
        ToTakeView.in_plan(plan, each)
        for plan, seen in may
        for each in plan.open_actions
        if (each.agency, each.worker_id) == (agency, None) and part_of(each) in seen
    ]
    return tuple(sorted(owned, key=lambda each: (each.due_at, each.action_id)))


@router.put("/plans/{case_id}/actions/{action_id}/acceptance")
async def accept_action(
    case_id: Id, action_id: Id, *, plans: Plans_, clock: Clock_, worker: Worker
) -> ActionView:
    """Own an action of one's own agency, which nobody has taken yet."""
    by, _ = await _may(TAKE_ACTION, case_id, action_id, plans, worker)
    accept = partial(
        handlers.accept, case_id, action_id, by, at=clock.now(), plans=plans
    )
    return ActionView.of(await settled(accept))


@router.delete("/plans/{case_id}/actions/{action_id}/acceptance")
async def hand_action_back(
    case_id: Id, action_id: Id, *, plans: Plans_, clock: Clock_, worker: Worker
) -> ActionView:
    """Give back an action that one took: whoever has its role owns it, or nobody.

    Coordinators give back what anybody took, who may have left since.
    """
    by, rule = await _may(HAND_BACK, case_id, action_id, plans, worker)
    taker = None if rule == Relation.COORDINATOR else by
    hand_back = partial(
        handlers.hand_back, case_id, action_id, taker, at=clock.now(), plans=plans
    )
    return ActionView.of(await settled(hand_back))


async def _may(
    action_: Action, case_id: str, action_id: str, plans: Plans, worker: Asking
) -> tuple[str, str]:
    """See that somebody may take an action, or give it back: who they are, and why.

    Raises:
        NoSuchAction: There is none, or none of theirs; or they are no worker.
    """
    held = await plans.get(case_id)
    actions = held.actions if held else ()
    action = next((each for each in actions if each.id == action_id), None)
    agency = action.agency if action and worker.worker else None
    takers = _takers(held, action_id)
    resource = replace(plan_of(case_id), agency=agency, workers=takers)
    seen = await worker.permit(action_, resource, otherwise=NoSuchAction)
    if action is None or worker.worker is None or part_of(action) not in seen:
        raise NoSuchAction
    return worker.worker, seen.rule


@router.post("/plans/{case_id}/closure")
async def close_plan(
    case_id: Id,
    closed: ClosePlan,
    *,
    plans: Plans_,
    needs: Needs_,
    policy: Policy_,
    proofs: Proofs_,
    table: Table_,
    clock: Clock_,
    closer: Closer,
) -> PlanView:
    """Close the plan: the response to this household has ended.

    Where risk can prove nothing, it is closed once somebody else has confirmed that.
    """
    seen = await shown_to(CLOSE_PLAN, case_id, plans, closer)
    if closer.worker is None:
        raise NoPlan
    close = partial(
        closing.close,
        case_id,
        closed.reason,
        closed.told,
        by=closer.worker,
        at=clock.now(),
        plans=plans,
        needs=needs,
        policy=policy,
        proofs=proofs,
        discussions=table.discussions,
        left=closed.said,
    )
    return PlanView.of(await settled(close), seen)


@router.post("/plans/{case_id}/closure/confirmation")
async def confirm_closing(
    case_id: Id,
    told: ConfirmClosing,
    *,
    plans: Plans_,
    needs: Needs_,
    policy: Policy_,
    table: Table_,
    clock: Clock_,
    worker: Worker,
) -> PlanView:
    """Confirm that the response has ended, as somebody else of the team says."""
    seen = await shown_to(CONFIRM_CLOSING, case_id, plans, worker)
    if worker.worker is None or "care" not in seen:
        raise NoPlan
    confirm = partial(
        closing.confirm,
        case_id,
        told.said_at,
        by=worker.worker,
        at=clock.now(),
        plans=plans,
        needs=needs,
        policy=policy,
        discussions=table.discussions,
    )
    return PlanView.of(await settled(confirm), seen)


@router.get("/workers/{worker_id}/actions")
async def read_own_actions(
    worker_id: Id, plans: Plans_, reader: Reader
) -> tuple[OwedActionView, ...]:
    """Read what one has still to do, what falls due first first."""
    own = Resource("actions", worker_id, workers=frozenset({worker_id}))
    found = [
        (replace(plan_of(each.id), workers=own.workers), each)
        for each in await plans.owed_by(worker_id)
    ]
    permitted = await reader.permit_each(
        READ_OWN_ACTIONS, found, of=own, otherwise=NotYourActions
    )
    owed = [
        OwedActionView.in_plan(plan, each)
        for plan, seen in permitted
        for each in plan.open_actions
        # What goes with a role is for who is in the team; what was taken itself stays.
        if each.worker_id == worker_id and (each.taken or seen.rule == Relation.TEAM)
        # Nor is what became theirs before it was known whom they meet.
        if part_of(each) in seen
    ]
    return tuple(sorted(owed, key=lambda each: each.due_at))
