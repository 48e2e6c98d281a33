"""People's judgement over HTTP: raising, reassessing, lowering by a proof."""

from functools import partial
from typing import Annotated

from accord_chassis.decision import ANYBODY, NOT_OUTREACH, Action, Permit
from accord_chassis.guard import Asking
from accord_chassis.service import settled
from accord_contracts.message import Code, Id
from accord_contracts.referrals import Answers
from accord_contracts.risk import RiskLevel
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from risk import judging
from risk.domain.assessment import NotAssessed
from risk.domain.form import Form
from risk.domain.judgement.record import Contact
from risk.routes.assessments import (
    CASE_TEAM,
    PURPOSES,
    READ_ASSESSMENT,
    Assessments_,
    AssessmentView,
    Clock_,
    Policy_,
    Worker,
    assessment_of,
    seen_of_all,
)
from risk.routes.judged import ProofView
from risk.store import Assessments

router = APIRouter(prefix="/assessments/{case_id}", tags=["judgement"])

RAISE_LEVEL = Action(
    "assessment.raise",
    CASE_TEAM,
    # Whoever works with the person using violence may know best that danger grows.
    parts={"level": ANYBODY},
    purposes=PURPOSES,
)
REASSESS = Action(
    "assessment.reassess", CASE_TEAM, parts={"basis": NOT_OUTREACH}, purposes=PURPOSES
)
LOWER_LEVEL = Action(
    "assessment.lower", CASE_TEAM, parts={"basis": NOT_OUTREACH}, purposes=PURPOSES
)


class RaiseLevel(BaseModel):
    """A higher level, and one of the locality's reasons."""

    model_config = ConfigDict(extra="forbid")

    level: RiskLevel
    reason: Code


class Reassess(BaseModel):
    """What a worker found now, and how they spoke to the person harmed.

    Attributes:
        answers: Everything asked this time. What is not in it counts as not asked, and
            an earlier yes to it stands.
        instruments: What was filled in anew, by instrument.
    """

    model_config = ConfigDict(extra="forbid")

    answers: Answers
    instruments: Annotated[dict[Code, Form], Field(max_length=10)] = {}
    contact: Contact


class AskLowering(BaseModel):
    """A lower level, and one of the locality's reasons."""

    model_config = ConfigDict(extra="forbid")

    level: RiskLevel
    reason: Code


class ConfirmLowering(BaseModel):
    """The level that somebody else asks for."""

    model_config = ConfigDict(extra="forbid")

    level: RiskLevel


@router.post("/raising")
async def raise_level(
    case_id: Id,
    wanted: RaiseLevel,
    *,
    assessments: Assessments_,
    policy: Policy_,
    clock: Clock_,
    worker: Worker,
) -> AssessmentView:
    """Raise the level on your own judgement. No score speaks against it."""
    seen, by = await _permitted(RAISE_LEVEL, case_id, assessments, worker)
    act = partial(
        judging.raise_level,
        case_id,
        wanted.level,
        wanted.reason,
        by=by,
        at=clock.now(),
        assessments=assessments,
        policy=policy,
    )
    return AssessmentView.of(await settled(act), seen, policy)


@router.post("/reassessment")
async def reassess(
    case_id: Id,
    found: Reassess,
    *,
    assessments: Assessments_,
    policy: Policy_,
    clock: Clock_,
    worker: Worker,
) -> AssessmentView:
    """Say what you found now. The level may rise at once; it does not fall by it."""
    seen, by = await _permitted(REASSESS, case_id, assessments, worker)
    act = partial(
        judging.reassess,
        case_id,
        found.answers,
        found.contact,
        forms=policy.believed(found.instruments, skills=seen.skills),
        by=by,
        at=clock.now(),
        assessments=assessments,
        policy=policy,
    )
    return AssessmentView.of(await settled(act), seen, policy)


@router.post("/lowering", status_code=202)
async def ask_lowering(
    case_id: Id,
    wanted: AskLowering,
    *,
    assessments: Assessments_,
    policy: Policy_,
    clock: Clock_,
    worker: Worker,
) -> ProofView:
    """Ask for a lower level. With the proof complete, it waits for a second person."""
    _, by = await _permitted(LOWER_LEVEL, case_id, assessments, worker)
    act = partial(
        judging.ask_lowering,
        case_id,
        wanted.level,
        wanted.reason,
        by=by,
        at=clock.now(),
        assessments=assessments,
        policy=policy,
    )
    return ProofView.of(await settled(act), policy, clock.now())


@router.post("/lowering/confirmation")
async def confirm_lowering(
    case_id: Id,
    wanted: ConfirmLowering,
    *,
    assessments: Assessments_,
    policy: Policy_,
    clock: Clock_,
    worker: Worker,
) -> AssessmentView:
    """Lower the level as somebody else asks; whoever asked cannot confirm it."""
    seen, by = await _permitted(LOWER_LEVEL, case_id, assessments, worker)
    act = partial(
        judging.confirm_lowering,
        case_id,
        wanted.level,
        by=by,
        at=clock.now(),
        assessments=assessments,
        policy=policy,
    )
    return AssessmentView.of(await settled(act), seen, policy)


async def _permitted(
    action: Action, case_id: str, assessments: Assessments, worker: Asking
) -> tuple[Permit, str]:
    """Let a worker act on a case, and say what of it they see, and who they are."""
    resource = assessment_of(case_id)
    await worker.permit(action, resource, otherwise=NotAssessed)
    seen = await worker.permit(READ_ASSESSMENT, resource, otherwise=NotAssessed)
    held = await assessments.get(case_id)
    if held is None or worker.worker is None:
        raise NotAssessed
    seen = await seen_of_all(held, seen, worker)
    if action is not RAISE_LEVEL and "basis" not in seen:
        raise NotAssessed
    return seen, worker.worker
