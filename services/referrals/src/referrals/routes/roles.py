"""Who harmed whom, over HTTP: asked of coordinators, and decided by them."""

from collections import Counter
from datetime import datetime
from typing import Annotated, Self

from accord_chassis.clock import Clock
from accord_chassis.decision import NOT_OUTREACH, Action, Relation, Resource
from accord_chassis.guard import Asking, absent, asking
from accord_chassis.service import part
from accord_contracts.access import NO_CASE
from accord_contracts.message import Code, Id
from fastapi import APIRouter, Security
from pydantic import BaseModel, ConfigDict

from referrals.domain.erasure import Decision, NoSuchCase
from referrals.domain.roles import Doubt, Standing
from referrals.roles import Roles, decide

router = APIRouter(tags=["roles"])

Roles_ = Annotated[Roles, part(Roles)]
Clock_ = Annotated[Clock, part(Clock)]
Coordinator = Annotated[Asking, Security(asking, scopes=["referrals.roles"])]

COORDINATOR = (Relation.COORDINATOR,)
SEEN = {"record": NOT_OUTREACH}
LIST_DOUBTS = Action("roles.list", COORDINATOR, parts=SEEN)
DECIDE_ROLES = Action("roles.decide", COORDINATOR, parts=SEEN)


class DecideRoles(BaseModel):
    """Who harmed whom of two people of a case, and why, as a code of the locality's."""

    model_config = ConfigDict(extra="forbid")

    harmed: Id
    using_violence: Id
    reason: Code


class DoubtView(BaseModel):
    """That a referral turns round who harmed whom.

    Attributes:
        harmed: Who is told to be harmed.
        using_violence: By whom: they were harmed by the same other before.
        decide_by: When the referral goes out undecided; none: it has gone out.
    """

    case_id: Id
    referral_id: Id | None
    harmed: Id
    using_violence: Id
    asked_at: datetime
    decide_by: datetime | None

    @classmethod
    def of(cls, held: Doubt) -> Self:
        """Show it."""
        told = held.model_dump(include=set(cls.model_fields))
        return cls(**told, decide_by=held.due_at)


class DoubtsView(BaseModel):
    """What waits for a decision, and what has become of all there was.

    Attributes:
        counts: How many wait, have gone out undecided, were as told, were corrected.
    """

    waiting: tuple[DoubtView, ...]
    counts: dict[Standing, int]


@router.get("/roles")
async def list_doubts(*, roles: Roles_, coordinator: Coordinator) -> DoubtsView:
    """List the referrals that turn round who harmed whom, longest waiting first.

    How often somebody was misidentified says how those who refer look at it. It is
    counted over the cases that the coordinator may see: a count tells of the others.
    """
    doubts = await roles.doubts.all()
    found = [(Resource("roles", e.case_id, e.case_id), e) for e in doubts]
    of = absent("roles", NO_CASE)
    seen = [e for e, _ in await coordinator.permit_each(LIST_DOUBTS, found, of=of)]
    counts = Counter(each.standing for each in seen)
    return DoubtsView(
        waiting=tuple(DoubtView.of(each) for each in seen if each.open),
        counts={each: counts[each] for each in Standing},
    )


@router.post("/cases/{case_id}/roles", status_code=204)
async def decide_roles(
    case_id: Id,
    told: DecideRoles,
    *,
    roles: Roles_,
    clock: Clock_,
    coordinator: Coordinator,
) -> None:
    """Decide who harmed whom of two, whatever agencies told; a later word counts.

    What waits for it goes out. If it was told the other way round, the parts are put
    right in every referral of the case, whoever served either of the two is replaced,
    the risk is assessed anew, and what was agreed must be agreed anew.
    """
    resource = Resource("roles", case_id, case_id)
    await coordinator.permit(DECIDE_ROLES, resource, otherwise=NoSuchCase)
    by = coordinator.who.subject
    decision = Decision(reason=told.reason, by=by, at=clock.now())
    await decide(case_id, told.harmed, told.using_violence, decision, roles)
