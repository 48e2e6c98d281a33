"""Risk over HTTP."""

from datetime import datetime
from functools import partial
from typing import Annotated

from accord_chassis.access import Caller, caller
from accord_chassis.clock import Clock
from accord_chassis.service import part, settled
from accord_contracts.message import Id
from accord_contracts.referrals import Answer, Answers
from accord_contracts.risk import RiskLevel
from fastapi import APIRouter, Security
from pydantic import BaseModel, ConfigDict

from risk import handlers
from risk.domain import Assessment, NotAssessed, Policy, Reassessment
from risk.store import Assessments

router = APIRouter(prefix="/assessments", tags=["assessments"])

Assessments_ = Annotated[Assessments, part(Assessments)]
Policy_ = Annotated[Policy, part(Policy)]
Clock_ = Annotated[Clock, part(Clock)]
Reader = Annotated[Caller, Security(caller, scopes=["risk.read"])]
Worker = Annotated[Caller, Security(caller, scopes=["risk.work"])]


class AddAnswers(BaseModel):
    """Answers to questions about risk that were got since."""

    model_config = ConfigDict(extra="forbid")

    answers: Answers


class AssessmentView(BaseModel):
    """The level of risk of a case, what it rests on and what is not known.

    Attributes:
        reassess_by: By when it is to be assessed anew; none once the plan is closed.
        reassessment: Where it stands with that.
    """

    case_id: Id
    level: RiskLevel
    previous: RiskLevel | None
    provisional: bool
    reasons: tuple[str, ...]
    answers: dict[str, Answer]
    unknowns: tuple[str, ...]
    policy_version: str
    assessed_at: datetime
    reassess_by: datetime | None
    reassessment: Reassessment

    @classmethod
    def of(cls, held: Assessment) -> "AssessmentView":
        """Show an assessment."""
        shown = held.model_dump(include=set(cls.model_fields) - {"case_id"})
        if held.reassessment is Reassessment.STOPPED:
            shown["reassess_by"] = None
        return cls(case_id=held.id, **shown)


@router.get("/{case_id}")
async def read_assessment(
    case_id: Id, assessments: Assessments_, _: Reader
) -> AssessmentView:
    """Read the level of risk of a case, and why."""
    held = await assessments.get(case_id)
    if held is None:
        raise NotAssessed
    return AssessmentView.of(held)


@router.post("/{case_id}/answers")
async def add_answers(
    case_id: Id,
    added: AddAnswers,
    assessments: Assessments_,
    policy: Policy_,
    clock: Clock_,
    _: Worker,
) -> AssessmentView:
    """Add answers, and have the case assessed anew with everything known."""
    weigh = partial(
        handlers.add_answers,
        case_id,
        added.answers,
        at=clock.now(),
        assessments=assessments,
        policy=policy,
    )
    return AssessmentView.of(await settled(weigh))
