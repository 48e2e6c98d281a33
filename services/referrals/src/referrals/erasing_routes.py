"""Erasing over HTTP, and the legal holds that forbid it."""

from typing import Annotated, Any

from accord_chassis.access import Caller, caller
from accord_chassis.clock import Clock
from accord_chassis.service import part
from accord_contracts.message import Code, Id
from fastapi import APIRouter, Query, Security
from pydantic import BaseModel, ConfigDict

from referrals import erasing
from referrals.domain.erasure import Decision
from referrals.domain.policy import Policy
from referrals.erasing import Shelves
from referrals.routes import PROBLEMS, problems_with
from referrals.store import Cases

router = APIRouter(tags=["erasure"])

Shelves_ = Annotated[Shelves, part(Shelves)]
Cases_ = Annotated[Cases, part(Cases)]
Policy_ = Annotated[Policy, part(Policy)]
Clock_ = Annotated[Clock, part(Clock)]
Eraser = Annotated[Caller, Security(caller, scopes=["referrals.erase"])]
Reason = Annotated[Code, Query(description="Why, as a code of the locality's.")]


NO_SUCH: dict[int | str, dict[str, Any]] = {
    **problems_with(422),
    404: {**PROBLEMS[404], "description": "There is none."},
}
MAY_NOT: dict[int | str, dict[str, Any]] = {
    **NO_SUCH,
    409: {**PROBLEMS[404], "description": "A legal hold forbids it."},
}


class HoldCase(BaseModel):
    """Why a case may not be erased, as a code of the locality's."""

    model_config = ConfigDict(extra="forbid")

    reason: Code


@router.delete("/people/{person_id}", status_code=204, responses=MAY_NOT)
async def erase_person(
    person_id: Id, reason: Reason, *, shelves: Shelves_, clock: Clock_, eraser: Eraser
) -> None:
    """Erase a person from every referral. It cannot be undone."""
    decision = Decision(reason=reason, by=eraser.subject, at=clock.now())
    await erasing.erase_person(person_id, decision, shelves)


@router.delete("/cases/{case_id}", status_code=202, responses=MAY_NOT)
async def erase_case(
    case_id: Id, reason: Reason, *, shelves: Shelves_, clock: Clock_, eraser: Eraser
) -> None:
    """Erase a case, here and in every service that knows it. It cannot be undone."""
    decision = Decision(reason=reason, by=eraser.subject, at=clock.now())
    await erasing.erase_case(case_id, decision, shelves)


@router.put("/cases/{case_id}/hold", status_code=204, responses=NO_SUCH)
async def hold_case(
    case_id: Id, hold: HoldCase, *, cases: Cases_, clock: Clock_, eraser: Eraser
) -> None:
    """Forbid that a case, or anybody in it, is erased."""
    decision = Decision(reason=hold.reason, by=eraser.subject, at=clock.now())
    await erasing.hold_case(case_id, decision, cases=cases)


@router.delete("/cases/{case_id}/hold", status_code=204, responses=NO_SUCH)
async def release_case(
    case_id: Id, *, cases: Cases_, policy: Policy_, eraser: Eraser
) -> None:
    """End a legal hold."""
    del eraser
    await erasing.release_case(case_id, cases=cases, retention=policy.retention)
