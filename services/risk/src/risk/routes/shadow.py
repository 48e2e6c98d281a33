"""How another version of the policy would move levels, over HTTP: counts alone."""

from typing import Annotated

from accord_chassis.decision import Action, Relation, Resource
from accord_chassis.guard import Asking, asking
from accord_contracts.access import Purpose
from accord_contracts.risk import RiskLevel
from fastapi import APIRouter, Security
from pydantic import BaseModel

from risk.domain.cells import LEAST_CELL
from risk.domain.shadow import Move, NoShadow
from risk.routes.assessments import Assessments_, Policy_

router = APIRouter(prefix="/policies", tags=["validity"])

READ_SHADOW = Action("shadow.read", (Relation.SCOPE,), purposes=(Purpose.OPERATION,))

Analyst = Annotated[Asking, Security(asking, scopes=["risk.validity"])]


class MoveView(BaseModel):
    """How many cases one version finds at a level, and the other at another.

    Attributes:
        found: By the policy in force.
        would: By the other version.
        cases: None: too few to tell, or none at all.
    """

    found: RiskLevel
    would: RiskLevel
    cases: int | None

    @classmethod
    def of(cls, move: Move, cases: int) -> "MoveView":
        """Show a move. No sum is told, from which what is left out could be had."""
        found, would = move
        shown = cases if cases >= LEAST_CELL else None
        return cls(found=found, would=would, cases=shown)


class ShadowView(BaseModel):
    """What the version beside the policy in force makes of what was weighed by both.

    Attributes:
        least_cell: Fewer cases are never told.
    """

    version: str
    in_force: str
    least_cell: int
    moves: tuple[MoveView, ...]


@router.get("/shadow")
async def read_shadow(
    assessments: Assessments_, policy: Policy_, analyst: Analyst
) -> ShadowView:
    """Read how levels would move by the version that is weighed by beside."""
    await analyst.permit(READ_SHADOW, Resource("shadow", "shadow"))
    version = policy.shadow_version
    if version is None:
        raise NoShadow
    counts = await assessments.count_moves(version, policy.version)
    return ShadowView(
        version=version,
        in_force=policy.version,
        least_cell=LEAST_CELL,
        moves=tuple(MoveView.of(*each) for each in counts.items()),
    )
