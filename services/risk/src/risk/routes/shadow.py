"""How another version of the policy would move levels, over HTTP: counts alone."""

from collections.abc import Mapping
from typing import Annotated, Self

from accord_chassis.decision import Action, Relation, Resource
from accord_chassis.guard import Asking, asking
from accord_contracts.access import Purpose
from accord_contracts.cells import LEAST_CELL
from accord_contracts.risk import RiskLevel
from fastapi import APIRouter, Security
from pydantic import BaseModel

from risk.domain.shadow import Move, NoShadow
from risk.domain.tellable import MOVES, tellable_moves
from risk.routes.assessments import Assessments_, Policy_

router = APIRouter(prefix="/policies", tags=["validity"])

READ_SHADOW = Action("shadow.read", (Relation.SCOPE,), purposes=(Purpose.OPERATION,))

Analyst = Annotated[Asking, Security(asking, scopes=["risk.validity"])]


class MoveView(BaseModel):
    """How many cases one version finds at a level, and the other at another.

    Attributes:
        found: By the policy in force.
        would: By the other version.
        cases: None: too few to tell, or what would tell of such.
    """

    found: RiskLevel
    would: RiskLevel
    cases: int | None


class ShadowView(BaseModel):
    """What the version beside the policy in force makes of what was weighed by both.

    Attributes:
        least_cell: Fewer cases are never told, nor what would tell of them.
    """

    version: str
    in_force: str
    least_cell: int
    moves: tuple[MoveView, ...]

    @classmethod
    def of(cls, version: str, in_force: str, counts: Mapping[Move, int]) -> Self:
        """Show how many move, by the same rule as a simulation's."""
        told = tellable_moves(counts)
        return cls(
            version=version,
            in_force=in_force,
            least_cell=LEAST_CELL,
            moves=tuple(
                MoveView(found=found, would=would, cases=told[found, would])
                for found, would in MOVES
            ),
        )


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
    return ShadowView.of(version, policy.version, counts)
