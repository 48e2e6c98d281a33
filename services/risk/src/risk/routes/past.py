"""Results that were replaced, explained by the policy that they were weighed by."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from accord_chassis.decision import Action, Relation, Resource
from accord_chassis.guard import Asking
from accord_chassis.service import part
from accord_contracts.access import Purpose
from accord_contracts.message import Id
from accord_contracts.problem import Refusal
from accord_contracts.referrals import Answer, IncidentKind, TriggerKind
from accord_contracts.risk import RiskLevel, Tier
from fastapi import APIRouter, Path, Query
from pydantic import BaseModel

from risk.domain.assessment import Assessment, NotAssessed
from risk.domain.edition import Edition
from risk.domain.explaining import explain
from risk.domain.form import Form
from risk.domain.past import Past, past_id
from risk.domain.policy import Policy
from risk.domain.scoring import Result
from risk.domain.weighing import Would
from risk.routes.assessments import (
    READ_ASSESSMENT,
    Assessments_,
    Reader,
    assessment_of,
)
from risk.routes.judged import read_held
from risk.store import Book

router = APIRouter(prefix="/assessments/{case_id}/past", tags=["judgement"])
policies = APIRouter(prefix="/policies", tags=["policies"])

READ_POLICY = Action(
    "policy.read", (Relation.SCOPE,), purposes=(Purpose.OPERATION, Purpose.ASSESSMENT)
)

Book_ = Annotated[Book, part(Book)]
Fingerprint = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]
Revision = Annotated[int, Path(ge=1, le=2**53)]

PAGE = 50
LATEST = 2**53


class NoSuchResult(Refusal):
    """There is no such past result of this case."""

    status = 404


class PastView(BaseModel):
    """A result that was replaced: the level, and by which policy."""

    revision: int
    assessed_at: datetime
    replaced_at: datetime
    level: RiskLevel
    previous: RiskLevel | None
    provisional: bool
    reasons: tuple[str, ...]
    policy_version: str
    policy_fingerprint: str


class PastsView(BaseModel):
    """The results of a case that were replaced, the latest first.

    Attributes:
        before: Ask for what was before this revision, if there may be more.
    """

    case_id: Id
    past: tuple[PastView, ...]
    before: int | None


class WholePastView(PastView):
    """A result that was replaced, with all that it rested on.

    Attributes:
        near: The kinds of dates that weighed.
        floor: The level below which the case was held anyway.
        in_a_year: How many incidents there were in twelve months.
        merged: The cases merged into this one then.
        explanation: All of it in the words of the policy that it was weighed by.
        found_again: The same is found of the same by that policy now.
    """

    answers: dict[str, Answer]
    incidents: frozenset[IncidentKind]
    repeats: int
    near: frozenset[TriggerKind]
    forms: dict[str, Form]
    floor: RiskLevel
    in_a_year: int
    merged: tuple[Id, ...]
    unknowns: tuple[str, ...]
    highest: RiskLevel
    questions: tuple[str, ...]
    would: tuple[Would, ...]
    results: tuple[Result, ...]
    tier: Tier | None
    explanation: tuple[str, ...]
    found_again: bool


class EditionView(BaseModel):
    """A policy as it was, with every instrument that it uses, as JSON.

    Attributes:
        fingerprint: The SHA-256 of the text.
        since: When the service first started with it.
    """

    fingerprint: str
    policy_version: str
    since: datetime
    text: str

    @classmethod
    def of(cls, edition: Edition) -> "EditionView":
        """Show a policy."""
        return cls(**edition.model_dump(include=set(cls.model_fields)))


@router.get("")
async def read_past(
    case_id: Id,
    *,
    assessments: Assessments_,
    reader: Reader,
    before: Annotated[int, Query(ge=1, le=LATEST)] = LATEST,
) -> PastsView:
    """Read which results of a case were replaced, and when.

    A result that rests on a case that was merged then is for whoever may read that too.
    """
    held = await read_held(case_id, assessments, reader)
    found = await assessments.pasts.of_case(case_id, before=before, limit=PAGE)
    shown = await _may_see(found, held, reader)
    return PastsView(
        case_id=case_id,
        past=tuple(PastView(**_of(each, PastView)) for each in shown),
        before=found[-1].revision if len(found) == PAGE else None,
    )


@router.get("/{revision}")
async def read_past_result(
    case_id: Id,
    revision: Revision,
    *,
    assessments: Assessments_,
    book: Book_,
    reader: Reader,
) -> WholePastView:
    """Read what a past result was, what it rested on, and by which policy, in words."""
    held = await read_held(case_id, assessments, reader)
    past = await assessments.pasts.get(past_id(case_id, revision))
    if past is None or not await _may_see([past], held, reader):
        raise NoSuchResult
    policy = await book.policy(past.policy_fingerprint)
    return whole(past, policy)


def whole(past: Past, policy: Policy) -> WholePastView:
    """Show a past result by the policy that it was weighed by."""
    return WholePastView(
        **_of(past, WholePastView),
        merged=past.rests_on,
        explanation=explain(past, past.tier, policy),
        found_again=past.found_again(policy),
    )


def _of(past: Past, view: type[BaseModel]) -> dict[str, Any]:
    """Give what of a result, and of what it rests on, a view shows."""
    fields = set(view.model_fields)
    return past.inputs.model_dump(include=fields) | past.model_dump(include=fields)


@policies.get("/{fingerprint}")
async def read_policy(
    fingerprint: Fingerprint, book: Book_, reader: Reader
) -> EditionView:
    """Read a policy as it was when something was weighed by it."""
    await reader.permit(READ_POLICY, Resource("policy", fingerprint))
    return EditionView.of(await book.edition(fingerprint))


async def _may_see(
    found: Sequence[Past], held: Assessment, reader: Asking
) -> list[Past]:
    """Give those that rest on nothing that the reader may not see."""
    others = {id_ for each in found for id_ in each.rests_on} - {*held.shares}
    seen = {*held.shares}
    if others:
        permitted = await reader.permit_each(
            READ_ASSESSMENT,
            [(assessment_of(each), each) for each in sorted(others)],
            of=assessment_of(held.id),
            otherwise=NotAssessed,
        )
        seen |= {each for each, permit in permitted if "basis" in permit}
    return [each for each in found if seen.issuperset(each.rests_on)]
