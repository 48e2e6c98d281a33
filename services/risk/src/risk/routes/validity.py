"""How well levels tell what comes, over HTTP: for everybody who decides about them."""

from typing import Annotated, Literal

from accord_chassis.decision import Action, Relation, Resource
from accord_chassis.guard import Asking, asking
from accord_contracts.access import Purpose
from accord_contracts.cells import LEAST_CELL
from fastapi import APIRouter, Query, Response, Security
from pydantic import BaseModel

from risk.domain.instrument_validity import assess_each
from risk.domain.validity import (
    LEAST_OUTCOMES,
    Interval,
    Validity,
    assess,
)
from risk.plot import svg
from risk.routes.assessments import Assessments_, Clock_, Policy_

router = APIRouter(prefix="/validity", tags=["validity"])

READ_VALIDITY = Action(
    "validity.read", (Relation.SCOPE,), purposes=(Purpose.OPERATION,)
)
VALIDITY = Resource("validity", "validity")

Analyst = Annotated[Asking, Security(asking, scopes=["risk.validity"])]
Days = Annotated[Literal["90", "180", "365"], Query(description="Days of follow-up.")]


class IntervalView(BaseModel):
    """A figure and its 95 percent confidence interval."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, figure: Interval | None) -> "IntervalView | None":
        """Show a figure, if there is one."""
        if figure is None:
            return None
        return cls(value=figure.value, low=figure.low, high=figure.high)


class BandView(BaseModel):
    """What came of those held at a level; no figures where they are too few."""

    level: str
    cases: int | None
    repeats: int | None
    rate: IntervalView | None


class GroupView(BaseModel):
    """How well levels told what came in one group.

    Attributes:
        dimension: ``all``, ``children``, or one that the locality records.
        says: ``something``, ``too_little``, or ``suppressed``: too few cases to tell.
    """

    dimension: str
    group: str
    says: Literal["something", "too_little", "suppressed"]
    cases: int | None
    repeats: int | None
    auc: IntervalView | None
    bands: tuple[BandView, ...]

    @classmethod
    def of(cls, found: Validity) -> "GroupView":
        """Show what was found."""
        too_little = "suppressed" if found.cases is None else "too_little"
        return cls(
            dimension=found.group[0],
            group=found.group[1],
            says=too_little if found.too_little else "something",
            cases=found.cases,
            repeats=found.repeats,
            auc=IntervalView.of(found.auc),
            bands=tuple(
                BandView(
                    level=each.level,
                    cases=each.cases,
                    repeats=each.repeats,
                    rate=IntervalView.of(each.rate),
                )
                for each in found.bands
            ),
        )


class InstrumentView(BaseModel):
    """How well one instrument told what came, by what it said at each referral.

    Bands are its own, ``no_band`` where its score reaches none; of one with several
    sums and no total they are the levels that it stood for.
    """

    instrument: str
    version: str
    groups: tuple[GroupView, ...]


class ValidityView(BaseModel):
    """What the locality's own cases say about its levels of risk.

    Attributes:
        instruments: Each by itself, of the cases where it was answered and applies.
        least_cell: Fewer cases are never told.
        least_outcomes: Of repeats, and of cases without, before anything is said.
    """

    days: int
    says: Literal["something", "too_little"]
    least_cell: int
    least_outcomes: int
    groups: tuple[GroupView, ...]
    instruments: tuple[InstrumentView, ...]


@router.get("")
async def read_validity(
    *,
    assessments: Assessments_,
    policy: Policy_,
    clock: Clock_,
    analyst: Analyst,
    days: Days = "180",
) -> ValidityView:
    """Read discrimination and calibration of levels and instruments, also by group."""
    await analyst.permit(READ_VALIDITY, VALIDITY)
    counts, scores = await assessments.count_outcomes(int(days), clock.now(), policy)
    found = assess(counts)
    groups = tuple(GroupView.of(each) for each in found)
    said = bool(groups) and groups[0].says == "something"
    return ValidityView(
        days=int(days),
        says="something" if said else "too_little",
        least_cell=LEAST_CELL,
        least_outcomes=LEAST_OUTCOMES,
        groups=groups,
        instruments=tuple(
            InstrumentView(
                instrument=used.instrument,
                version=used.version,
                groups=tuple(map(GroupView.of, each)),
            )
            for used, each in assess_each(scores).items()
        ),
    )


@router.get("/plot", response_class=Response)
async def draw_validity(
    *,
    assessments: Assessments_,
    policy: Policy_,
    clock: Clock_,
    analyst: Analyst,
    days: Days = "180",
) -> Response:
    """Draw the same as a picture (SVG)."""
    await analyst.permit(READ_VALIDITY, VALIDITY)
    counts, scores = await assessments.count_outcomes(int(days), clock.now(), policy)
    drawn = svg(assess(counts), int(days), assess_each(scores))
    return Response(drawn, media_type="image/svg+xml")
