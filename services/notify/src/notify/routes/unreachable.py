"""Who cannot be reached, over HTTP: for whoever keeps the directory in order."""

from datetime import datetime
from typing import Annotated, Self

from accord_chassis.decision import Action, Relation, Resource
from accord_chassis.guard import Asking, asking
from accord_contracts.access import Purpose
from accord_contracts.message import Id
from fastapi import APIRouter, Security
from pydantic import BaseModel

from notify.domain.channels import Way
from notify.handlers.unreached import Unreached, unreached
from notify.routes.messages import Clock_, Notifications_

router = APIRouter(tags=["operation"])

Administrator = Annotated[Asking, Security(asking, scopes=["notify.admin"])]

READ_UNREACHABLE = Action(
    "unreachable.read", (Relation.SCOPE,), purposes=(Purpose.OPERATION,)
)


class UnreachableView(BaseModel):
    """A worker whom nothing has reached since something rang in vain.

    Attributes:
        way: By which way it was tried last.
        reason: Why that failed, as a code.
        told_at: When they were told that of which nothing rang.
        count: How often something rang in vain within a week.
    """

    worker_id: Id
    way: Way
    reason: str | None
    told_at: datetime
    count: int

    @classmethod
    def of(cls, who: Unreached) -> Self:
        """Show somebody, by id."""
        return cls(
            worker_id=who.worker_id,
            way=who.way,
            reason=who.reason,
            told_at=who.told_at,
            count=who.count,
        )


class UnreachablesView(BaseModel):
    """Everybody whom nothing has reached since something rang in vain."""

    workers: list[UnreachableView]


@router.get("/unreachable")
async def read_unreachable(
    notifications: Notifications_, clock: Clock_, administrator: Administrator
) -> UnreachablesView:
    """Read who cannot be reached: their addresses are wrong, or their mailboxes full.

    Whoever was reached since, or has rung in vain for more than a week, is left out.
    """
    await administrator.permit(READ_UNREACHABLE, Resource("workers", "unreachable"))
    found = await unreached(clock.now(), notifications=notifications)
    return UnreachablesView(workers=[UnreachableView.of(each) for each in found])
