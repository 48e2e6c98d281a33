"""Erasing over HTTP, and the legal holds that forbid it."""

from typing import Annotated

from accord_chassis.clock import Clock
from accord_chassis.guard import (
    Action,
    Asking,
    Relation,
    Resource,
    absent,
    asking,
)
from accord_chassis.service import part
from accord_contracts.access import Purpose
from accord_contracts.message import Code, Id
from fastapi import APIRouter, Query, Security
from pydantic import BaseModel, ConfigDict

from referrals import erasing
from referrals.domain.erasure import Decision, NoSuchCase, NoSuchPerson
from referrals.domain.policy import Policy
from referrals.erasing import Shelves
from referrals.store import Cases

router = APIRouter(tags=["erasure"])

Shelves_ = Annotated[Shelves, part(Shelves)]
Cases_ = Annotated[Cases, part(Cases)]
Policy_ = Annotated[Policy, part(Policy)]
Clock_ = Annotated[Clock, part(Clock)]
Eraser = Annotated[Asking, Security(asking, scopes=["referrals.erase"])]

BY_LAW = (Purpose.OPERATION,)
ERASE_PERSON = Action("person.erase", (Relation.SCOPE,), purposes=BY_LAW)
ERASE_CASE = Action("case.erase", (Relation.SCOPE,), purposes=BY_LAW)
HOLD_CASE = Action("case.hold", (Relation.SCOPE,), purposes=BY_LAW)
RELEASE_CASE = Action("case.release", (Relation.SCOPE,), purposes=BY_LAW)
Reason = Annotated[Code, Query(description="Why, as a code of the locality's.")]


def case_of(case_id: str) -> Resource:
    """Give a case as it is decided about."""
    return Resource("case", case_id, case_id)


class HoldCase(BaseModel):
    """Why a case may not be erased, as a code of the locality's."""

    model_config = ConfigDict(extra="forbid")

    reason: Code


@router.delete("/people/{person_id}", status_code=204)
async def erase_person(
    person_id: Id, reason: Reason, *, shelves: Shelves_, clock: Clock_, eraser: Eraser
) -> None:
    """Erase a person from every referral. It cannot be undone."""
    held = await erasing.cases_of(person_id, shelves)
    found = [Resource("person", person_id, each.id) for each in held]
    # Whoever is barred from one of their cases is barred from them.
    for each in found or [absent("person", person_id)]:
        await eraser.permit(ERASE_PERSON, each, otherwise=NoSuchPerson)
    decision = Decision(reason=reason, by=eraser.who.subject, at=clock.now())
    await erasing.erase_person(person_id, decision, shelves)


@router.delete("/cases/{case_id}", status_code=202)
async def erase_case(
    case_id: Id, reason: Reason, *, shelves: Shelves_, clock: Clock_, eraser: Eraser
) -> None:
    """Erase a case, here and in every service that knows it. It cannot be undone."""
    await eraser.permit(ERASE_CASE, case_of(case_id), otherwise=NoSuchCase)
    decision = Decision(reason=reason, by=eraser.who.subject, at=clock.now())
    await erasing.erase_case(case_id, decision, shelves)


@router.put("/cases/{case_id}/hold", status_code=204)
async def hold_case(
    case_id: Id, hold: HoldCase, *, cases: Cases_, clock: Clock_, eraser: Eraser
) -> None:
    """Forbid that a case, or anybody in it, is erased."""
    await eraser.permit(HOLD_CASE, case_of(case_id), otherwise=NoSuchCase)
    decision = Decision(reason=hold.reason, by=eraser.who.subject, at=clock.now())
    await erasing.hold_case(case_id, decision, cases=cases)


@router.delete("/cases/{case_id}/hold", status_code=204)
async def release_case(
    case_id: Id, *, cases: Cases_, policy: Policy_, eraser: Eraser
) -> None:
    """End a legal hold."""
    await eraser.permit(RELEASE_CASE, case_of(case_id), otherwise=NoSuchCase)
    await erasing.release_case(case_id, cases=cases, retention=policy.retention)
