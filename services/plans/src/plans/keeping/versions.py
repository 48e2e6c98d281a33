"""The versions of a plan, whole and side by side, over HTTP."""

from datetime import datetime
from typing import Annotated

from accord_chassis.decision import Permit
from accord_contracts.allocation import Role
from accord_contracts.message import Code, Id
from accord_contracts.risk import RiskLevel
from fastapi import APIRouter, Path, Query
from pydantic import BaseModel

from plans.domain.comparing import Difference, differences, version_of
from plans.domain.plan import Plan
from plans.domain.template import Part
from plans.domain.version import PlanVersion, Promise
from plans.routes import Plans_, Reader, readable
from plans.views import PlanVersionView, part_of

router = APIRouter(tags=["plans"])

LAST = 2**31
"""No plan ever has so many versions."""

Number = Annotated[int, Path(ge=1, le=LAST)]
Which = Annotated[int, Query(ge=1, le=LAST)]


class PromiseView(BaseModel):
    """An action as it stood in a version of a plan."""

    action_id: Id
    action: Code
    strand: Code
    part: Part
    person_id: Id | None
    role: Role
    mandatory: bool
    due_at: datetime
    worker_id: Id | None
    done_at: datetime | None
    undone_at: datetime | None

    @classmethod
    def of(cls, held: Promise) -> "PromiseView":
        """Show it."""
        return cls(action=held.code, **held.model_dump(exclude={"code"}))


class WholeVersionView(PlanVersionView):
    """A version of a plan with what stood in it, as far as it is the reader's to see.

    Attributes:
        promises: What stood in it when it was agreed to, or was replaced; of the
            current draft, what stands in it now.
        merged: Which versions of the plans of merged cases stood in it, by case, for
            whoever may know; of a household that was merged by mistake nothing is told.
        intact: It is what was agreed to; none: nobody agreed to it.
    """

    promises: tuple[PromiseView, ...]
    merged: dict[Id, int]
    intact: bool | None

    @classmethod
    def whole(cls, plan: Plan, held: PlanVersion, seen: Permit) -> "WholeVersionView":
        """Show a version and what stood in it."""
        promises = [e for e in held.promises or () if of_household(e, plan)]
        still = {*plan.merged_cases} if "care" in seen else set[str]()
        return cls(
            promises=tuple(
                PromiseView.of(each) for each in promises if part_of(each) in seen
            ),
            merged={key: e for key, e in held.merged.items() if key in still},
            intact=held.intact if held.agreed_at else None,
            **PlanVersionView.of(held, seen).model_dump(),
        )


class DifferenceView(BaseModel):
    """An action that is not the same in two versions: as it stood, and as it stands."""

    before: PromiseView | None
    after: PromiseView | None

    @classmethod
    def of(cls, held: Difference) -> "DifferenceView":
        """Show it."""
        return cls(
            before=PromiseView.of(held.before) if held.before else None,
            after=PromiseView.of(held.after) if held.after else None,
        )


class ComparisonView(BaseModel):
    """Two versions of a plan side by side.

    Attributes:
        levels: The level of risk of the one, and of the other.
        review_by: Likewise, when it is to be reviewed.
        parts: What differs, by part of the plan: those that the reader may see.
    """

    case_id: Id
    versions: tuple[int, int]
    levels: tuple[RiskLevel, RiskLevel]
    review_by: tuple[datetime, datetime]
    parts: dict[Part, tuple[DifferenceView, ...]]

    @classmethod
    def of(
        cls, plan: Plan, one: PlanVersion, other: PlanVersion, seen: Permit
    ) -> "ComparisonView":
        """Compare two versions."""
        differing = [
            each
            for each in differences(one, other)
            if shown(each, seen) and of_household(each.either, plan)
        ]
        return cls(
            case_id=plan.id,
            versions=(one.number, other.number),
            levels=(one.assessment.level, other.assessment.level),
            review_by=(one.review_by, other.review_by),
            parts={
                part: tuple(
                    DifferenceView.of(e) for e in differing if e.either.part is part
                )
                for part in Part
                if f"actions_{part}" in seen
            },
        )


def of_household(promise: Promise, plan: Plan) -> bool:
    """Tell whether a promise is for nobody, or for somebody of the household still."""
    people = {None, *plan.all_children, *plan.all_harmed}
    return promise.person_id in people


def shown(difference: Difference, seen: Permit) -> bool:
    """Tell whether somebody may see both sides of a difference."""
    return all(part_of(each) in seen for each in difference if each)


@router.get("/plans/{case_id}/versions")
async def read_versions(
    case_id: Id, plans: Plans_, reader: Reader
) -> tuple[PlanVersionView, ...]:
    """Read which versions a plan has had, oldest first; the last one is current."""
    held, seen = await readable(case_id, plans, reader)
    return tuple(PlanVersionView.of(each, seen) for each in held.versions)


@router.get("/plans/{case_id}/versions/{plan_version}")
async def read_version(
    case_id: Id, plan_version: Number, plans: Plans_, reader: Reader
) -> WholeVersionView:
    """Read what stood in a version of a plan."""
    held, seen = await readable(case_id, plans, reader)
    return WholeVersionView.whole(held, version_of(held, plan_version), seen)


@router.get("/plans/{case_id}/comparison")
async def compare(
    case_id: Id,
    from_: Annotated[Which, Query(alias="from")],
    to: Which,
    plans: Plans_,
    reader: Reader,
) -> ComparisonView:
    """Read two versions side by side: what differs, part by part."""
    held, seen = await readable(case_id, plans, reader)
    one, other = version_of(held, from_), version_of(held, to)
    return ComparisonView.of(held, one, other, seen)
