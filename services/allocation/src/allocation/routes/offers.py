"""Offers and allocations over HTTP."""

from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Self

from accord_chassis.clock import Clock
from accord_chassis.decision import NOT_OUTREACH, Action, Relation, Resource
from accord_chassis.guard import Asking, NoSuchRecord, absent, asking
from accord_chassis.service import part, settled
from accord_contracts.access import NO_CASE
from accord_contracts.allocation import DeclineReason, HandOverReason, Role
from accord_contracts.message import Id
from accord_contracts.risk import RiskLevel
from fastapi import APIRouter, Security
from pydantic import BaseModel, ConfigDict, StrictBool

from allocation.domain.advising import Candidate
from allocation.domain.availability import Absence
from allocation.domain.choosing import Unmet
from allocation.domain.offer import Answer, NoSuchOffer, Offer, Status
from allocation.domain.offering import Allocation
from allocation.domain.policy import Wish
from allocation.domain.saying import said
from allocation.domain.staffing import Staffing
from allocation.handlers import answering, handing, wishing
from allocation.handlers.placing import Desk
from allocation.store.kept import PAGE, Allocations

router = APIRouter(tags=["allocations"])

Allocations_ = Annotated[Allocations, part(Allocations)]
Desk_ = Annotated[Desk, part(Desk)]
Clock_ = Annotated[Clock, part(Clock)]
Worker_ = Annotated[Asking, Security(asking, scopes=["allocation.work"])]
Reader = Annotated[Asking, Security(asking, scopes=["allocation.read"])]

OWN = (Relation.OWNER,)
READ_OFFER = Action("offer.read", OWN)
ACCEPT_OFFER = Action("offer.accept", OWN)
DECLINE_OFFER = Action("offer.decline", OWN)
HAND_OVER = Action("offer.hand_over", OWN)
READ_CANDIDATES = Action(
    "candidates.read", (Relation.COORDINATOR,), parts={"record": NOT_OUTREACH}
)
CHOOSE = Action("offer.make", (Relation.COORDINATOR,), parts={"record": NOT_OUTREACH})
READ_ROLES = Action(
    "roles.read",
    (Relation.COORDINATOR, Relation.TEAM),
    parts={"record": NOT_OUTREACH},
)
READ_UNOWNED = Action(
    "unowned.read", (Relation.COORDINATOR,), parts={"record": NOT_OUTREACH}
)

READ_AWAY = Action("away.read", (Relation.COORDINATOR,), parts={"record": NOT_OUTREACH})


class Decline(BaseModel):
    """Why a worker cannot take a role."""

    model_config = ConfigDict(extra="forbid")

    reason: DeclineReason


class HandOver(BaseModel):
    """Why a worker hands a role over to another."""

    model_config = ConfigDict(extra="forbid")

    reason: HandOverReason


class OfferTo(BaseModel):
    """Whom a person has chosen for a role.

    Attributes:
        over_capacity: They may be asked though they have no room: whoever chooses them
            is named for that.
        against_wish: They may be asked though the person harmed does not want their
            agency told: whoever chooses them is named for that too.
    """

    model_config = ConfigDict(extra="forbid")

    worker_id: Id
    over_capacity: StrictBool = False
    against_wish: StrictBool = False


class CandidateView(BaseModel):
    """Somebody in a role, and what speaks for and against asking them.

    Attributes:
        barred: Every reason why they cannot be asked, if they cannot.
    """

    worker_id: Id
    barred: tuple[str, ...]
    speaks_for: tuple[str, ...]
    speaks_against: tuple[str, ...]

    @classmethod
    def of(cls, found: Candidate) -> Self:
        """Show a candidate."""
        return cls.model_validate(found, from_attributes=True)


class OfferView(BaseModel):
    """A role that a worker is asked to take, or has taken.

    Attributes:
        because: The reasons as sentences.
        beyond: They have no room for it: who says yes is named for that, if nobody else
            has decided so.
    """

    allocation_id: Id
    case_id: Id
    role: Role
    level: RiskLevel
    status: Status
    offered_at: datetime
    answer_by: datetime
    assign_by: datetime
    first_referred_at: datetime
    reasons: tuple[str, ...]
    because: tuple[str, ...]
    beyond: bool

    @classmethod
    def of(cls, held: Allocation, *, beyond: bool) -> Self:
        """Show a role to the worker of its last offer."""
        return cls(
            allocation_id=held.id,
            case_id=held.case_id,
            role=held.role,
            level=held.level,
            status=held.status,
            offered_at=held.offer.offered_at,
            answer_by=held.offer.answer_by,
            assign_by=held.assign_by,
            first_referred_at=held.first_referred_at,
            reasons=held.offer.reasons,
            # Why nobody else was asked is for the coordinator.
            because=said(held.offer.reasons, {}),
            beyond=beyond,
        )


class AskedView(BaseModel):
    """Who was asked to take a role, why they were, and what they answered.

    Attributes:
        unmet: The wishes they do not meet, and why nobody who does was asked; none for
            whoever is not told.
        because: Both the reasons and that, as sentences.
        decided_by: Who chose them, if a person did.
        beyond_by: Who decided that they take it although they have no room for it:
            whoever chose them, or they themselves, who said yes after their time.
        against_wish: The person harmed did not want their agency told, and a person
            decided that all the same; none for whoever is not told.
    """

    worker_id: Id
    offered_at: datetime
    answer_by: datetime
    reasons: tuple[str, ...]
    unmet: dict[Wish, Unmet] | None
    because: tuple[str, ...]
    policy_version: str
    answer: Answer | None
    answered_at: datetime | None
    declined_for: DeclineReason | None
    decided_by: Id | None
    beyond_by: Id | None
    against_wish: bool | None
    handed_over_for: HandOverReason | None

    @classmethod
    def of(cls, offer: Offer) -> Self:
        """Show an offer."""
        because = said(offer.reasons, offer.unmet)
        return cls(because=because, **offer.model_dump(include=OF_AN_OFFER))

    def without_wishes(self) -> Self:
        """Leave out whom the person harmed does not want, and what is not met."""
        reasons = tuple(each for each in self.reasons if each not in NOT_MET)
        changes = {"unmet": None, "against_wish": None}
        said_of = {"reasons": reasons, "because": said(reasons, {})}
        return self.model_copy(update=changes | said_of)


NOT_MET = {f"{each}_not_met" for each in Wish}
"""What reasons say of a wish that is not met."""

OF_AN_OFFER = set(AskedView.model_fields) - {"because"}


class AllocationView(BaseModel):
    """A role of a case: where it stands, its clocks, and everybody who was asked.

    Attributes:
        kept_by: Who hands it over, and has it until somebody else has accepted.
        unmet: The wishes, as they are now, that whoever has it or is asked does not
            meet; none where it is not looked at, and for whoever is not told.
        against_wish: The person harmed does not want their agency told; none likewise.
    """

    allocation_id: Id
    case_id: Id
    role: Role
    level: RiskLevel
    status: Status
    worker_id: Id | None
    kept_by: Id | None
    first_referred_at: datetime
    assign_by: datetime
    answer_by: datetime | None
    retry_at: datetime | None
    accepted_at: datetime | None
    offers: tuple[AskedView, ...]
    unmet: tuple[Wish, ...] | None = None
    against_wish: bool | None = None

    @classmethod
    def of(
        cls,
        held: Allocation,
        unmet: tuple[Wish, ...] | None = None,
        *,
        against_wish: bool | None = None,
    ) -> Self:
        """Show a role."""
        own = set(cls.model_fields) - {"allocation_id", "answer_by", "offers"}
        return cls(
            allocation_id=held.id,
            answer_by=held.answer_by,
            offers=tuple(map(AskedView.of, held.offers)),
            unmet=unmet,
            against_wish=against_wish,
            **held.model_dump(include=own),
        )

    @classmethod
    def without_wishes(cls, held: Allocation) -> Self:
        """Show a role to whoever may be the one that is not to be told."""
        shown = cls.of(held)
        offers = tuple(each.without_wishes() for each in shown.offers)
        return shown.model_copy(update={"offers": offers})


class UnownedView(BaseModel):
    """The roles that nobody has accepted in time.

    Attributes:
        at: When they were looked for: an empty list was looked for too.
        roles: The longest late first, at most a hundred.
        more: Whether there are others beside them, or may be: no more than a thousand
            are looked through for those that may be seen.
    """

    at: datetime
    roles: tuple[AllocationView, ...]
    more: bool


class AwayRoleView(BaseModel):
    """A role whose worker is away, or will be.

    Attributes:
        since: From when they are away.
        until: When they are back.
    """

    allocation_id: Id
    case_id: Id
    role: Role
    level: RiskLevel
    worker_id: Id
    since: datetime
    until: datetime

    @classmethod
    def of(cls, held: Allocation, away: Absence) -> Self:
        """Show a role."""
        return cls(
            allocation_id=held.id,
            case_id=held.case_id,
            role=held.role,
            level=held.level,
            worker_id=held.offer.worker_id,
            since=away.since,
            until=away.until,
        )


class AwayView(BaseModel):
    """The roles whose worker is away, or will be, and does not hand them over.

    Attributes:
        at: When they were looked for.
        roles: The gravest first, at most a hundred.
        more: Whether there are others beside them.
    """

    at: datetime
    roles: tuple[AwayRoleView, ...]
    more: bool


def offer_of(allocation_id: str, held: Allocation | None) -> Resource:
    """Give an offer as it is decided about: whose it is are those who were asked."""
    if held is None:
        return absent("offer", allocation_id)
    asked = frozenset(each.worker_id for each in held.offers)
    return Resource("offer", allocation_id, held.case_id, workers=asked)


@router.post("/allocations/{allocation_id}/acceptance", status_code=204)
async def accept_offer(
    allocation_id: Id, allocations: Allocations_, desk: Desk_, worker: Worker_
) -> None:
    """Take a role that is offered to the caller."""
    held = await allocations.get(allocation_id)
    resource = offer_of(allocation_id, held)
    await worker.permit(ACCEPT_OFFER, resource, otherwise=NoSuchOffer)
    own = _worker_of(worker)
    await settled(partial(answering.accept, allocation_id, own, desk=desk))


@router.post("/allocations/{allocation_id}/decline", status_code=204)
async def decline_offer(
    allocation_id: Id,
    told: Decline,
    allocations: Allocations_,
    desk: Desk_,
    worker: Worker_,
) -> None:
    """Say no to a role that is offered to the caller."""
    held = await allocations.get(allocation_id)
    resource = offer_of(allocation_id, held)
    await worker.permit(DECLINE_OFFER, resource, otherwise=NoSuchOffer)
    own = _worker_of(worker)
    await settled(
        partial(answering.decline, allocation_id, own, told.reason, desk=desk)
    )


@router.post("/allocations/{allocation_id}/handover", status_code=204)
async def hand_over(
    allocation_id: Id,
    told: HandOver,
    allocations: Allocations_,
    desk: Desk_,
    worker: Worker_,
) -> None:
    """Have a role that the caller has taken offered to others, and keep it until then.

    Whoever has a conflict of interest does not hand over: a coordinator puts them on
    the case's lists, and they have it no longer at once.
    """
    held = await allocations.get(allocation_id)
    resource = offer_of(allocation_id, held)
    await worker.permit(HAND_OVER, resource, otherwise=NoSuchOffer)
    own = _worker_of(worker)
    await settled(
        partial(handing.hand_over, allocation_id, own, told.reason, desk=desk)
    )


@router.get("/allocations/{allocation_id}/candidates")
async def list_candidates(
    allocation_id: Id, allocations: Allocations_, desk: Desk_, reader: Reader
) -> list[CandidateView]:
    """List whom a role might be offered to, at most two hundred, the best first.

    Each with what speaks for and against them; those who cannot be asked come last.
    """
    held = await allocations.get(allocation_id)
    await reader.permit(READ_CANDIDATES, role_of(allocation_id, held))
    found = await handing.candidates(allocation_id, desk=desk)
    return [CandidateView.of(each) for each in found[:SHOWN]]


SHOWN = 200
"""The most candidates that are shown."""


@router.post("/allocations/{allocation_id}/offer")
async def offer_to(
    allocation_id: Id,
    told: OfferTo,
    allocations: Allocations_,
    desk: Desk_,
    reader: Reader,
) -> AllocationView:
    """Offer a role to a worker whom the caller chooses.

    No hard rule gives way but the two that the caller sets aside by name.
    """
    held = await allocations.get(allocation_id)
    await reader.permit(CHOOSE, role_of(allocation_id, held))
    offering = partial(
        handing.offer_to,
        allocation_id,
        told.worker_id,
        _worker_of(reader),
        beyond=told.over_capacity,
        against_wish=told.against_wish,
        desk=desk,
    )
    return AllocationView.of(await settled(offering))


def role_of(allocation_id: str, held: Allocation | None) -> Resource:
    """Give a role as it is decided about: it is the case's."""
    if held is None:
        return absent("roles", allocation_id)
    return Resource("roles", allocation_id, held.case_id)


@router.get("/allocations/{allocation_id}")
async def read_offer(
    allocation_id: Id, allocations: Allocations_, desk: Desk_, worker: Worker_
) -> OfferView:
    """Read a role that is offered to the caller, or that they have taken.

    Also one whose offer they let pass, as long as nobody else was asked.
    """
    held = await allocations.get(allocation_id)
    resource = offer_of(allocation_id, held)
    await worker.permit(READ_OFFER, resource, otherwise=NoSuchOffer)
    own = _worker_of(worker)
    if held is None or not (
        own in {held.worker_id, held.kept_by} or held.unanswered_by(own)
    ):
        raise NoSuchOffer
    beyond = await answering.beyond(held, own, desk=desk)
    return OfferView.of(held, beyond=beyond)


@router.get("/workers/{worker_id}/offers")
async def list_offers(
    worker_id: Id, allocations: Allocations_, worker: Worker_
) -> list[OfferView]:
    """List the roles that the caller is asked to take."""
    own = Resource("offers", worker_id, workers=frozenset({worker_id}))
    found = [
        (offer_of(each.id, each), each)
        for each in await allocations.offered_to(worker_id)
    ]
    permitted = await worker.permit_each(
        READ_OFFER, found, of=own, otherwise=NoSuchOffer
    )
    return [
        OfferView.of(each, beyond=each.offer.beyond_by is not None)
        for each, _ in permitted
    ]


@router.get("/allocations")
async def list_allocations(
    case_id: Id, allocations: Allocations_, desk: Desk_, reader: Reader
) -> list[AllocationView]:
    """List the roles of a case, latest first, of at most a hundred.

    Then those of the cases that are merged into it, as many of each. Which wishes are
    not met, and whose agency is not to be told, is for whoever coordinates alone: the
    one whom it speaks of may be in the team.
    """
    seen = await reader.permit(READ_ROLES, Resource("roles", case_id, case_id))
    staffing = await desk.staffings.get(case_id)
    ids = [case_id, *(staffing.shares if staffing else ())]
    found = [e for i in ids for e in await allocations.of_case(i, limit=PAGE)]
    # That there is no such case looks as if one were barred from it.
    if not found:
        raise NoSuchRecord
    if seen.rule != Relation.COORDINATOR:
        return [AllocationView.without_wishes(each) for each in found]
    shown = []
    for each in found:
        held = staffing or Staffing(id=case_id)
        unmet, against = await wishing.unmet_now(each, held, desk=desk)
        shown.append(AllocationView.of(each, unmet, against_wish=against))
    return shown


@router.get("/unowned")
async def list_unowned(
    allocations: Allocations_, clock: Clock_, reader: Reader
) -> UnownedView:
    """List the hundred longest late roles without a worker: risk that nobody owns."""
    at = clock.now()
    # The list is the locality's, and so its coordinators': a case like no other.
    of = absent("unowned", NO_CASE)
    roles: list[AllocationView] = []
    looked = 0
    left = True
    # Those that the caller may not see leave room for others.
    while left and len(roles) <= PAGE and looked < LOOKED_THROUGH:
        page = await allocations.unowned(at, skip=looked)
        found = [(Resource("unowned", e.id, e.case_id), e) for e in page]
        permitted = await reader.permit_each(READ_UNOWNED, found, of=of)
        roles += [AllocationView.of(each) for each, _ in permitted]
        looked += PAGE
        left = len(page) == PAGE
    more = left or len(roles) > PAGE
    return UnownedView(at=at, roles=tuple(roles[:PAGE]), more=more)


@router.get("/away")
async def list_away(desk: Desk_, reader: Reader) -> AwayView:
    """List the roles whose worker is away, or will be, and does not hand them over.

    Whoever is away is covered by whoever is told in their place, and no more: what is
    to be done for weeks is better handed over, which they do, or a coordinator has them
    do. How long before, the policy says by level (``leave_ahead_days``).
    """
    at, ahead = desk.clock.now(), desk.policy.leave_ahead_days
    away = await desk.directory.away(at, at + timedelta(days=max(ahead.values())))
    # The list is the locality's, and so its coordinators': a case like no other.
    of = absent("away", NO_CASE)
    found = [
        (Resource("away", each.id, each.case_id), each)
        for each in (await desk.allocations.had_by(away) if away else [])
        if away[each.offer.worker_id].since < at + timedelta(days=ahead[each.level])
    ]
    permitted = await reader.permit_each(READ_AWAY, found, of=of)
    roles = [AwayRoleView.of(each, away[each.offer.worker_id]) for each, _ in permitted]
    return AwayView(at=at, roles=tuple(roles[:PAGE]), more=len(roles) > PAGE)


LOOKED_THROUGH = 1000
"""The most late roles that are looked through for a hundred that may be seen."""


def _worker_of(asking: Asking) -> str:
    """Give the caller's id in the directory; whoever has none has no offers."""
    if asking.worker is None:
        raise NoSuchOffer
    return asking.worker
