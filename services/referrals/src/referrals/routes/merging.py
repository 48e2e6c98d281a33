"""Merging cases over HTTP, and taking that back: by coordinators who may see both."""

from typing import Annotated, Self

from accord_chassis.clock import Clock
from accord_chassis.decision import NOT_OUTREACH, Action, Relation, Resource
from accord_chassis.guard import Asking, asking
from accord_chassis.service import part
from accord_contracts.message import Code, Id
from fastapi import APIRouter, Security
from pydantic import BaseModel, ConfigDict

from referrals import merging
from referrals.domain.case import Case
from referrals.domain.erasure import Decision, NoSuchCase
from referrals.domain.policy import Policy
from referrals.store import Cases

router = APIRouter(tags=["merging"])

Cases_ = Annotated[Cases, part(Cases)]
Policy_ = Annotated[Policy, part(Policy)]
Clock_ = Annotated[Clock, part(Clock)]
Coordinator = Annotated[Asking, Security(asking, scopes=["referrals.merge"])]

MERGE_CASE = Action(
    "case.merge", (Relation.COORDINATOR,), parts={"record": NOT_OUTREACH}
)
UNMERGE_CASE = Action(
    "case.unmerge", (Relation.COORDINATOR,), parts={"record": NOT_OUTREACH}
)


class MergeCase(BaseModel):
    """Which other case is meant, and why, as a code of the locality's."""

    model_config = ConfigDict(extra="forbid")

    other_id: Id
    reason: Code


class MergedView(BaseModel):
    """A case, and those that are merged into it."""

    case_id: Id
    merged: tuple[Id, ...]

    @classmethod
    def of(cls, held: Case) -> Self:
        """Show what is merged into a case."""
        return cls(case_id=held.id, merged=tuple(held.taken))


@router.post("/cases/{case_id}/merge")
async def merge_case(
    case_id: Id,
    told: MergeCase,
    *,
    cases: Cases_,
    policy: Policy_,
    clock: Clock_,
    coordinator: Coordinator,
) -> MergedView:
    """Merge another case into this one: they are one household.

    The lists of both hold from then on, and whoever works on one works on both. It can
    be taken back.
    """
    await _permit_both(MERGE_CASE, case_id, told.other_id, coordinator)
    by = coordinator.who.subject
    decision = Decision(reason=told.reason, by=by, at=clock.now())
    held = await merging.merge_cases(
        case_id, told.other_id, decision, cases=cases, retention=policy.retention
    )
    return MergedView.of(held)


@router.post("/cases/{case_id}/unmerge")
async def unmerge_case(
    case_id: Id,
    told: MergeCase,
    *,
    cases: Cases_,
    policy: Policy_,
    clock: Clock_,
    coordinator: Coordinator,
) -> MergedView:
    """Take back that another case was merged into this one."""
    await _permit_both(UNMERGE_CASE, case_id, told.other_id, coordinator)
    held = await merging.unmerge_cases(
        case_id, told.other_id, clock.now(), cases=cases, retention=policy.retention
    )
    return MergedView.of(held)


async def _permit_both(
    action: Action, case_id: str, other_id: str, coordinator: Asking
) -> None:
    """See that they may: whoever is barred from one of the two merges neither."""
    both = [Resource("case", each, each) for each in (case_id, other_id)]
    await coordinator.permit_all([(action, e) for e in both], otherwise=NoSuchCase)
