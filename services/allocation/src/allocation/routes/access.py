"""Who may have to do with a case over HTTP: lists, standings, broken glass."""

import asyncio
from datetime import datetime
from functools import partial
from typing import Annotated, Self

from accord_chassis.decision import NOT_OUTREACH, Action, Relation, Resource
from accord_chassis.guard import Asking, NoSuchRecord, asking
from accord_chassis.service import part, settled
from accord_contracts.access import (
    AskStandings,
    Purpose,
    Standings,
    listed_id,
)
from accord_contracts.allocation import GlassReason
from accord_contracts.message import Code, Id
from fastapi import APIRouter, Header, Response, Security
from pydantic import BaseModel, ConfigDict, Field, StrictBool, model_validator
from pydantic_core import PydanticCustomError

from allocation.domain.glass import Glass, NoSuchGlass
from allocation.domain.lists import Lists
from allocation.domain.staffing import Staffing
from allocation.handlers import access
from allocation.handlers.access import Door
from allocation.handlers.placing import Desk
from allocation.handlers.staffing import decide_lead

router = APIRouter(tags=["access"])

Door_ = Annotated[Door, part(Door)]
Desk_ = Annotated[Desk, part(Desk)]
Administrator = Annotated[Asking, Security(asking, scopes=["allocation.admin"])]
Asker = Annotated[Asking, Security(asking, scopes=["allocation.ask"])]
Breaker = Annotated[Asking, Security(asking, scopes=["allocation.glass"])]
Reader = Annotated[Asking, Security(asking, scopes=["allocation.read"])]

MOST_LISTED = 200
"""The most who can be put on one list."""

LISTED = Annotated[frozenset[Id], Field(max_length=MOST_LISTED)]
NAMED = Annotated[frozenset[Id], Field(min_length=1, max_length=MOST_LISTED)]

Seen = Annotated[
    str | None,
    Header(
        alias="If-Match",
        description="The ETag of the lists as they were last read.",
        pattern=r'^"[0-9a-f]{32}"$',
    ),
]

ASK_STANDINGS = Action(
    "standing.ask", (Relation.SERVICE,), purposes=(Purpose.OPERATION,)
)
READ_LISTS = Action(
    "lists.read", (Relation.COORDINATOR,), parts={"record": NOT_OUTREACH}
)
PUT_LISTS = Action(
    "lists.put", (Relation.COORDINATOR,), parts={"record": NOT_OUTREACH}, outlasts=True
)
READ_LEAD = Action(
    "lead.read", (Relation.COORDINATOR, Relation.TEAM), parts={"record": NOT_OUTREACH}
)
PUT_LEAD = Action("lead.put", (Relation.COORDINATOR,), parts={"record": NOT_OUTREACH})
BREAK_GLASS = Action(
    "glass.break", (Relation.SCOPE,), purposes=(Purpose.PROTECTION,), outlasts=True
)
READ_GLASS = Action(
    "glass.read", (Relation.COORDINATOR,), parts={"record": NOT_OUTREACH}
)
REVIEW_GLASS = Action(
    "glass.review",
    (Relation.COORDINATOR,),
    parts={"record": NOT_OUTREACH},
    outlasts=True,
)


class ListsView(BaseModel):
    """Who may have nothing to do with a case.

    Attributes:
        excluded: These workers may not.
        named_only: Only these may; none: it is not so restricted.
        conflicts: These have a conflict of interest. Whoever has said so themselves
            stays here, so that they may be more than can be put.
        subjects: Nor may these, who are at agencies and in no directory, by the ids
            that are made of who vouches for whom.
        agencies: These are never asked what they know of the case, and nobody who works
            for one of them may.
    """

    excluded: frozenset[Id] = frozenset()
    named_only: frozenset[Id] | None = None
    conflicts: frozenset[Id] = frozenset()
    subjects: frozenset[Id] = frozenset()
    agencies: frozenset[Code] = frozenset()


class Subject(BaseModel):
    """Somebody at an agency who is in no directory, as their token names them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuer: Annotated[str, Field(min_length=1, max_length=400)]
    subject: Annotated[str, Field(min_length=1, max_length=400)]


class PutLists(ListsView):
    """Who may have nothing to do with a case from now on.

    Attributes:
        people: Who is named anew among ``subjects``; what is kept is their ids.
    """

    model_config = ConfigDict(extra="forbid")

    excluded: LISTED = frozenset()
    named_only: NAMED | None = None
    conflicts: LISTED = frozenset()
    subjects: LISTED = frozenset()
    agencies: Annotated[frozenset[Code], Field(max_length=MOST_LISTED)] = frozenset()
    people: Annotated[frozenset[Subject], Field(max_length=50)] = frozenset()

    @model_validator(mode="after")
    def _are_not_too_many(self) -> Self:
        if len(self.all_subjects) > MOST_LISTED:
            raise PydanticCustomError("too_many_subjects", "They are too many.")
        return self

    @property
    def all_subjects(self) -> frozenset[str]:
        """Everybody in no directory by their id, whoever is named anew too."""
        named = (listed_id(each.issuer, each.subject) for each in self.people)
        return self.subjects.union(named)

    @property
    def lists(self) -> Lists:
        """The lists that are put, with everybody by their id."""
        told = self.model_dump(exclude={"people"})
        return Lists(**{**told, "subjects": self.all_subjects})


class PutLead(BaseModel):
    """Which agency leads a case, by its code in the register.

    Attributes:
        unstaffed: It leads though nobody who is at work for it is in the directory.
    """

    model_config = ConfigDict(extra="forbid")

    agency: Code
    unstaffed: StrictBool = False


class LeadView(BaseModel):
    """Which agency leads a case, and who has decided that.

    Attributes:
        agency: By its code in the register; none: the case has no level yet, or the
            agency that leads by the policy is not to know of it.
        decided_by: Who decided it; none: the locality's policy for its level.
        staffed: Whether somebody who is at work for it is in the directory.
    """

    agency: Code | None
    decided_by: Id | None
    staffed: bool

    @classmethod
    async def of(cls, held: Staffing, desk: Desk) -> Self:
        """Show who leads."""
        leads = held.lead_agency
        return cls(
            agency=leads,
            decided_by=held.lead_decided_by,
            staffed=leads is not None and await desk.directory.works_for(leads),
        )


class BreakGlass(BaseModel):
    """Why one must look at a case that one does not work on, and for how long.

    Attributes:
        minutes: Until it closes by itself (RELIABILITY (c): 15 to 60).
    """

    model_config = ConfigDict(extra="forbid")

    reason: GlassReason
    minutes: Annotated[int, Field(ge=15, le=60)] = 15


class ReviewGlass(BaseModel):
    """Whether there was good reason to break the glass."""

    model_config = ConfigDict(extra="forbid")

    justified: bool


class GlassView(BaseModel):
    """That the glass of a case was broken, by whom and why, and who has reviewed it."""

    glass_id: Id
    case_id: Id
    worker_id: Id
    reason: GlassReason
    broken_at: datetime
    until: datetime
    review_by: datetime
    reviewer_id: Id | None
    justified: bool | None
    reviewed_at: datetime | None

    @classmethod
    def of(cls, held: Glass) -> Self:
        """Show a broken glass."""
        own = set(cls.model_fields) - {"glass_id"}
        return cls(glass_id=held.id, **held.model_dump(include=own))


@router.post("/standings")
async def ask_standings(asked: AskStandings, door: Door_, asker: Asker) -> Standings:
    """Tell a service how workers stand to cases."""
    # One entry names all of them: a service asks as often as anybody is told anything.
    workers = sorted({each.worker_id for each in asked.asked})
    await asker.permit(ASK_STANDINGS, Resource("standing", " ".join(workers)))
    found = await asyncio.gather(
        *(door.of(each.worker_id, each.case_ids) for each in asked.asked)
    )
    return Standings(standings=tuple(s for each in found for s in each.values()))


@router.get("/cases/{case_id}/lists")
async def read_lists(
    case_id: Id, response: Response, door: Door_, reader: Administrator
) -> ListsView:
    """Read who may have nothing to do with a case.

    The ``ETag`` tells these lists from others, and goes into ``If-Match`` to put others
    in their place.
    """
    await reader.permit(READ_LISTS, Resource("lists", case_id, case_id))
    held = await door.staffings.get(case_id)
    if held is None:
        raise NoSuchRecord
    return _shown(held.lists, response)


@router.put("/cases/{case_id}/lists")
async def put_lists(
    case_id: Id,
    told: PutLists,
    *,
    response: Response,
    door: Door_,
    administrator: Administrator,
    seen: Seen = None,
) -> ListsView:
    """Name who may have nothing to do with a case, in place of the lists there are."""
    await administrator.permit(PUT_LISTS, Resource("lists", case_id, case_id))
    put = partial(
        access.put_lists,
        case_id,
        told.lists,
        administrator.worker or "",
        seen=seen.strip('"') if seen else None,
        door=door,
    )
    return _shown(await settled(put), response)


@router.get("/cases/{case_id}/lead")
async def read_lead(case_id: Id, desk: Desk_, reader: Reader) -> LeadView:
    """Read which agency leads a case."""
    await reader.permit(READ_LEAD, Resource("lead", case_id, case_id))
    held = await desk.staffings.get(case_id)
    if held is None:
        raise NoSuchRecord
    return await LeadView.of(held, desk)


@router.put("/cases/{case_id}/lead")
async def put_lead(case_id: Id, told: PutLead, desk: Desk_, reader: Reader) -> LeadView:
    """Have an agency lead a case until the episode ends, as a meeting has decided."""
    await reader.permit(PUT_LEAD, Resource("lead", case_id, case_id))
    deciding = partial(
        decide_lead,
        case_id,
        told.agency,
        reader.worker or "",
        unstaffed=told.unstaffed,
        desk=desk,
    )
    return await LeadView.of(await settled(deciding), desk)


@router.post("/cases/{case_id}/glass", status_code=201)
async def break_glass(
    case_id: Id, told: BreakGlass, door: Door_, breaker: Breaker
) -> GlassView:
    """Look at a case that one does not work on, because somebody is in danger.

    It needs a recent login, is open for minutes, shows the least, tells whoever
    coordinates at once, and somebody else must review it.
    """
    breaker.logged_in_lately()
    resource = Resource("glass", case_id, case_id)
    await breaker.permit(BREAK_GLASS, resource, otherwise=NoSuchGlass)
    if breaker.worker is None:
        raise NoSuchGlass
    broken = await access.break_glass(
        case_id, breaker.worker, told.reason, minutes=told.minutes, door=door
    )
    return GlassView.of(broken)


@router.get("/cases/{case_id}/glass")
async def list_glass(case_id: Id, door: Door_, reader: Reader) -> list[GlassView]:
    """List when the glass of a case was broken, latest first, at most a hundred."""
    await reader.permit(READ_GLASS, Resource("glass", case_id, case_id))
    if await door.staffings.get(case_id) is None:
        raise NoSuchRecord
    return [GlassView.of(each) for each in await door.glasses.of_case(case_id)]


@router.post("/glass/{glass_id}/review")
async def review_glass(
    glass_id: Id, told: ReviewGlass, door: Door_, reviewer: Reader
) -> GlassView:
    """Say whether there was good reason to break the glass of a case."""
    held = await door.glasses.get(glass_id)
    case_id = held.case_id if held else glass_id
    resource = Resource("glass", glass_id, case_id)
    await reviewer.permit(REVIEW_GLASS, resource, otherwise=NoSuchGlass)
    review = partial(
        access.review_glass,
        glass_id,
        reviewer.worker or "",
        justified=told.justified,
        door=door,
    )
    return GlassView.of(await settled(review))


def _shown(lists: Lists, response: Response) -> ListsView:
    response.headers["ETag"] = f'"{lists.mark}"'
    return ListsView(**lists.model_dump(exclude={"agency_workers"}))
