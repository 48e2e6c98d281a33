"""Whose wishes are met over HTTP: for whoever answers for that."""

from datetime import timedelta
from typing import Annotated, Literal, Self

from accord_chassis.clock import Clock
from accord_chassis.decision import Action, Relation, Resource
from accord_chassis.guard import Asking, asking
from accord_chassis.service import part
from accord_contracts.access import Purpose
from accord_contracts.cells import LEAST_CELL
from fastapi import APIRouter, Query, Security
from pydantic import BaseModel

from allocation.domain.choosing import Unmet
from allocation.domain.equity import MET, Row, Wished
from allocation.domain.policy import Wish
from allocation.store.kept import Allocations

router = APIRouter(tags=["allocations"])

Allocations_ = Annotated[Allocations, part(Allocations)]
Clock_ = Annotated[Clock, part(Clock)]
Analyst = Annotated[Asking, Security(asking, scopes=["allocation.equity"])]
Days = Annotated[
    Literal["90", "180", "365"], Query(description="Roles wanted since so many days.")
]

READ_EQUITY = Action("equity.read", (Relation.SCOPE,), purposes=(Purpose.OPERATION,))
EQUITY = Resource("equity", "equity")


class RowView(BaseModel):
    """In how many cases a wish was met, and for which reasons it was not.

    Attributes:
        cases: In how many it was wished; none: too few to tell.
        met: In how many it was; none likewise, here and below.
        unmet: In how many it was not, by the reason.
    """

    cases: int | None
    met: int | None
    unmet: dict[Unmet, int | None]

    @classmethod
    def of(cls, row: Row) -> Self:
        """Show what may be told."""
        unmet = {each: row.outcomes[each] for each in Unmet}
        return cls(cases=row.cases, met=row.outcomes[MET], unmet=unmet)


class WishedView(BaseModel):
    """What became of one wish.

    Attributes:
        all: By whoever has taken a role or, where nobody has, was asked last.
        taken: In those of the cases alone in which somebody has taken one.
    """

    wish: Wish
    all: RowView
    taken: RowView

    @classmethod
    def of(cls, found: Wished) -> Self:
        """Show what may be told."""
        return cls(
            wish=found.wish, all=RowView.of(found.all), taken=RowView.of(found.taken)
        )


class EquityView(BaseModel):
    """Whose wishes are met.

    Attributes:
        least_cell: Fewer cases are never told.
    """

    days: int
    least_cell: int
    wishes: tuple[WishedView, ...]


@router.get("/equity")
async def read_equity(
    allocations: Allocations_, clock: Clock_, analyst: Analyst, days: Days = "365"
) -> EquityView:
    """Read how many wished for what, how many were met, and why others were not."""
    await analyst.permit(READ_EQUITY, EQUITY)
    since = clock.now() - timedelta(days=int(days))
    count = await allocations.count_wishes(since)
    wishes = tuple(map(WishedView.of, count.told()))
    return EquityView(days=int(days), least_cell=LEAST_CELL, wishes=wishes)
