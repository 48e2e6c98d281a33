"""All open roles together over HTTP."""

from functools import partial
from typing import Annotated

from accord_chassis.decision import NOT_OUTREACH, Action, Relation, Resource
from accord_chassis.guard import Asking, absent, asking
from accord_chassis.service import part, settled
from accord_contracts.access import NO_CASE
from accord_contracts.message import Id
from fastapi import APIRouter, Security
from pydantic import BaseModel, ConfigDict, Field, StrictBool

from allocation.handlers.placing import Desk
from allocation.handlers.together import place_together as place

router = APIRouter(tags=["allocations"])

Desk_ = Annotated[Desk, part(Desk)]
Reader = Annotated[Asking, Security(asking, scopes=["allocation.read"])]

TOGETHER = Action(
    "roles.together", (Relation.COORDINATOR,), parts={"record": NOT_OUTREACH}
)


class PlaceTogether(BaseModel):
    """How all open roles are placed together.

    Attributes:
        apply: Whether roles are offered to whoever was found; else it only advises.
        seconds: The most that it may take.
    """

    model_config = ConfigDict(extra="forbid")

    apply: StrictBool = False
    seconds: Annotated[float, Field(gt=0, le=10)] = 5.0


class MoveView(BaseModel):
    """A role that somebody else would better be asked for, and whether they are now."""

    allocation_id: Id
    from_id: Id | None
    to_id: Id
    made: bool


class SuggestedView(BaseModel):
    """Who would better be asked, and how good that is at least.

    Attributes:
        cost: What speaks against all of it, as the solver counts.
        bound: What no other could be less than.
        left_out: How many open roles are too many to be looked at together: those at
            the lowest level, of them those that wait for the shortest time.
    """

    moves: tuple[MoveView, ...]
    cost: int
    bound: int
    left_out: int


@router.post("/placements")
async def place_together(
    told: PlaceTogether, desk: Desk_, reader: Reader
) -> SuggestedView:
    """Look for who would best be asked for every open role, all at once.

    What somebody has accepted is never moved, nor whom a person has chosen; of cases
    from which the caller is barred nothing is looked at.
    """
    open_ = [
        (Resource("roles", each.id, each.case_id), each)
        for each in await desk.allocations.to_fill()
    ]
    left_out = await desk.allocations.left_out()
    of = absent("roles", NO_CASE)
    permitted = await reader.permit_each(TOGETHER, open_, of=of)
    placing = partial(
        place,
        [each for each, _ in permitted],
        seconds=told.seconds,
        apply=told.apply,
        desk=desk,
    )
    found = await settled(placing)
    moves = tuple(
        MoveView(
            allocation_id=each.allocation_id,
            from_id=each.from_id,
            to_id=each.to_id,
            made=each.allocation_id in found.made,
        )
        for each in found.moves
    )
    return SuggestedView(
        moves=moves, cost=found.cost, bound=found.bound, left_out=left_out
    )
