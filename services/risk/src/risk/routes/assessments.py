"""Assessments over HTTP."""

from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Annotated

from accord_chassis.clock import Clock
from accord_chassis.decision import (
    ANYBODY,
    NOT_OUTREACH,
    Action,
    Permit,
    Relation,
    Resource,
)
from accord_chassis.guard import Asking, asking
from accord_chassis.service import part, settled
from accord_contracts.access import Purpose
from accord_contracts.message import Code, Id
from accord_contracts.referrals import Answer, Answers
from accord_contracts.risk import RiskLevel, Tier
from fastapi import APIRouter, Security
from pydantic import BaseModel, ConfigDict, Field

from risk import handlers
from risk.domain.assessment import Assessment, NotAssessed
from risk.domain.explaining import explain_held, follows, headline
from risk.domain.form import Form
from risk.domain.policy import Policy
from risk.domain.reassessment import Reassessment
from risk.domain.scoring import Result
from risk.domain.weighing import Would
from risk.store import Assessments

router = APIRouter(prefix="/assessments", tags=["assessments"])

Assessments_ = Annotated[Assessments, part(Assessments)]
Policy_ = Annotated[Policy, part(Policy)]
Clock_ = Annotated[Clock, part(Clock)]
Reader = Annotated[Asking, Security(asking, scopes=["risk.read"])]
Worker = Annotated[Asking, Security(asking, scopes=["risk.work"])]

CASE_TEAM = (Relation.TEAM, Relation.COORDINATOR)
PURPOSES = (Purpose.ASSESSMENT, Purpose.PLAN, Purpose.PROTECTION)

READ_ASSESSMENT = Action(
    "assessment.read",
    (*CASE_TEAM, Relation.GLASS),
    # What was answered tells what the person harmed has said.
    parts={"level": ANYBODY, "basis": NOT_OUTREACH},
    glass=frozenset({"level", "basis"}),
    purposes=PURPOSES,
)
ADD_ANSWERS = Action(
    "assessment.add_answers",
    CASE_TEAM,
    parts={"basis": NOT_OUTREACH},
    purposes=PURPOSES,
)


def assessment_of(case_id: str) -> Resource:
    """Give an assessment as it is decided about."""
    return Resource("assessment", case_id, case_id)


BASIS = ("reasons", "unknowns", "questions", "would", "results")
"""What of an assessment tells what was answered, beside the answers."""


class AddAnswers(BaseModel):
    """Answers to questions about risk that were got since.

    Attributes:
        instruments: What was filled in, by instrument.
    """

    model_config = ConfigDict(extra="forbid")

    answers: Answers
    instruments: Annotated[dict[Code, Form], Field(max_length=10)] = {}


class AssessmentView(BaseModel):
    """The level of risk of a case, what it rests on and what is not known.

    Attributes:
        reassess_by: By when it is to be assessed anew; none once the plan is closed.
        reassessment: Where it stands with that.
        forms: What was filled in, by instrument.
        highest: Above which the level would not be, whatever the unknown brought.
        questions: Those that could change the level, as they should be asked next.
        would: What answers would raise it.
        results: What each instrument said.
        tier: What follows from the level.
        explanation: All of it in sentences that can be said aloud.
        policy_fingerprint: By it the policy is found as it was.
        mistaken_at: When it was closed as opened in error, for whoever may know.
        merged_into: The case that goes by this one too, since they were merged.
        merged: The cases that are merged into this one.
    """

    case_id: Id
    level: RiskLevel
    previous: RiskLevel | None
    provisional: bool
    reasons: tuple[str, ...]
    answers: dict[str, Answer]
    unknowns: tuple[str, ...]
    forms: dict[str, Form]
    highest: RiskLevel | None
    questions: tuple[str, ...]
    would: tuple[Would, ...]
    results: tuple[Result, ...]
    tier: Tier | None
    explanation: tuple[str, ...]
    policy_version: str
    policy_fingerprint: str
    assessed_at: datetime
    reassess_by: datetime | None
    reassessment: Reassessment
    mistaken_at: datetime | None
    merged_into: Id | None
    merged: tuple[Id, ...]

    @classmethod
    def of(cls, held: Assessment, seen: Permit, policy: Policy) -> "AssessmentView":
        """Show of an assessment what somebody may see."""
        own = set(cls.model_fields) - {"case_id", "merged", "explanation"}
        shown = held.model_dump(include=own) | {
            "answers": held.known,
            "forms": held.all_forms,
            "explanation": explain_held(held, policy) if held.weighed else (),
        }
        if held.reassessment is Reassessment.STOPPED:
            shown["reassess_by"] = None
        if "basis" not in seen:
            shown |= dict.fromkeys(BASIS, ())
            shown |= {"answers": {}, "forms": {}, "highest": None, "mistaken_at": None}
            # A trigger that put it into a higher tier would tell what was answered.
            tier = policy.tier(held.level, ())
            told = headline(held.level, provisional=held.provisional)
            shown |= {"tier": tier, "explanation": (told, *follows(tier))}
        return cls(case_id=held.id, merged=tuple(held.shares), **shown)


@router.get("/{case_id}")
async def read_assessment(
    case_id: Id, assessments: Assessments_, policy: Policy_, reader: Reader
) -> AssessmentView:
    """Read the level of risk of a case, and why, as far as the reader may."""
    seen = await reader.permit(
        READ_ASSESSMENT, assessment_of(case_id), otherwise=NotAssessed
    )
    held = await assessments.get(case_id)
    if held is None or not (held.weighed or held.erased_at):
        raise NotAssessed
    return AssessmentView.of(held, await seen_of_all(held, seen, reader), policy)


async def seen_of_all(held: Assessment, seen: Permit, reader: Asking) -> Permit:
    """See that they may also read what is merged into it, whatever the lists of each.

    Asked here, because allocation may hear of the merging later than risk does.
    """
    parts = seen.parts
    for each in held.shares:
        merged = assessment_of(each)
        of = await reader.permit(READ_ASSESSMENT, merged, otherwise=NotAssessed)
        parts &= of.parts
    return replace(seen, parts=parts)


@router.post("/{case_id}/answers")
async def add_answers(
    case_id: Id,
    added: AddAnswers,
    *,
    assessments: Assessments_,
    policy: Policy_,
    clock: Clock_,
    worker: Worker,
) -> AssessmentView:
    """Add answers, and have the case assessed anew with everything known."""
    resource = assessment_of(case_id)
    by = await worker.permit(ADD_ANSWERS, resource, otherwise=NotAssessed)
    seen = await worker.permit(READ_ASSESSMENT, resource, otherwise=NotAssessed)
    weigh = partial(
        handlers.add_answers,
        case_id,
        added.answers,
        forms=policy.believed(added.instruments, skills=by.skills),
        by=worker.worker,
        at=clock.now(),
        assessments=assessments,
        policy=policy,
    )
    held = await assessments.get(case_id)
    if held is not None:
        seen = await seen_of_all(held, seen, worker)
    if "basis" not in seen:
        raise NotAssessed
    return AssessmentView.of(await settled(weigh), seen, policy)
