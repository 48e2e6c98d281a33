"""In which groups a case counts, for looking at whom levels fail."""

from functools import partial
from typing import Annotated

from accord_chassis.decision import NOT_OUTREACH, Action
from accord_chassis.service import settled
from accord_contracts.access import Purpose
from accord_contracts.message import Code, Id
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from risk import judging
from risk.domain.assessment import NotAssessed
from risk.routes.assessments import (
    CASE_TEAM,
    Assessments_,
    Policy_,
    Worker,
    assessment_of,
)

router = APIRouter(prefix="/assessments/{case_id}/groups", tags=["validity"])

SET_GROUPS = Action(
    "assessment.set_groups",
    CASE_TEAM,
    parts={"basis": NOT_OUTREACH},
    purposes=(Purpose.ASSESSMENT,),
)


class SetGroups(BaseModel):
    """What she says of herself, if she wants to: one code for a dimension."""

    model_config = ConfigDict(extra="forbid")

    groups: Annotated[dict[Code, Code], Field(max_length=10)]


@router.put("", status_code=204)
async def set_groups(
    case_id: Id,
    told: SetGroups,
    *,
    assessments: Assessments_,
    policy: Policy_,
    worker: Worker,
) -> None:
    """Say in which groups the case counts. No level is weighed by it."""
    resource = assessment_of(case_id)
    await worker.permit(SET_GROUPS, resource, otherwise=NotAssessed)
    act = partial(
        judging.set_groups,
        case_id,
        told.groups,
        assessments=assessments,
        policy=policy,
    )
    await settled(act)
