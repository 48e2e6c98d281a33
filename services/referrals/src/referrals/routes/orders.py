"""Orders that bind somebody, over HTTP, by two doors.

An agency tells of them with a referral of its own, and names people by their places in
it. Whoever works on the case sees all of them; who leads or coordinates it records them
too.
"""

import asyncio
from datetime import datetime
from typing import Annotated, Any, Self

from accord_chassis.decision import LEADS, NOT_OUTREACH, Action, Relation, Resource
from accord_chassis.guard import Asking, asking
from accord_chassis.service import part
from accord_contracts.access import Purpose
from accord_contracts.message import Code, Id
from accord_contracts.referrals import OrderEnd, OrderKind
from fastapi import APIRouter, Path, Security
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field

from referrals import orders as handlers
from referrals.domain.erasure import NoSuchCase
from referrals.domain.order import (
    MOST_BREACHES,
    Bound,
    Breach,
    Ended,
    NoCaseYet,
    NoSuchOrder,
    Order,
    OrderTerms,
    ToldBreach,
    misfits_of_breach,
    misfits_of_order,
    order_id,
)
from referrals.domain.policy import Misfit
from referrals.domain.referral import NotReferred, Referral
from referrals.domain.telling import OccurredAt
from referrals.erasing import standing_case
from referrals.orders import Registry
from referrals.routes.agencies import registered
from referrals.routes.lines import errors_of

router = APIRouter(tags=["orders"])

Submitter = Annotated[Asking, Security(registered, scopes=["referrals.submit"])]
Reader = Annotated[Asking, Security(registered, scopes=["referrals.read"])]
Worker = Annotated[Asking, Security(asking, scopes=["referrals.orders"])]
BreachNumber = Annotated[int, Path(ge=1, le=MOST_BREACHES)]

OWN = (Relation.OWNER,)
CASE_TEAM = (Relation.TEAM, Relation.COORDINATOR)
PURPOSES = tuple(each for each in Purpose if each is not Purpose.OPERATION)
TELL = Action("order.tell", OWN, purposes=PURPOSES)
READ_TOLD = Action("orders.read_told", OWN, purposes=PURPOSES)
RECORD = Action("order.record", CASE_TEAM, parts={"record": LEADS})
# That a breach is known may tell him who told of it.
READ = Action("orders.read", CASE_TEAM, parts={"record": NOT_OUTREACH})
BREACH = Action("order.breach", CASE_TEAM, parts={"record": NOT_OUTREACH})


Registry_ = Annotated[Registry, part(Registry)]
Places = Annotated[tuple[Annotated[int, Field(ge=0, lt=30)], ...], Field(max_length=30)]
Ids = Annotated[tuple[Id, ...], Field(max_length=30)]


class TellOrder(OrderTerms):
    """An order as an agency tells of it: people by their places in the referral.

    Attributes:
        bound: Whom it binds.
        protected: Whom it protects; none: nobody is named.
    """

    bound: Annotated[Places, Field(min_length=1)]
    protected: Places = ()


class RecordOrder(OrderTerms):
    """An order as it is recorded in a case: people by id."""

    bound: Annotated[Ids, Field(min_length=1)]
    protected: Ids = ()


class EndOrder(BaseModel):
    """Why an order ends; that its time has run out, the clock notes by itself.

    Attributes:
        ended_at: Since when; none: now.
    """

    model_config = ConfigDict(extra="forbid")

    reason: OrderEnd
    ended_at: OccurredAt | None = None


class BreachView(BaseModel):
    """A breach as it was told.

    Attributes:
        number: Of the breaches of this order, the first one being 1.
        mistaken: It was told by mistake.
    """

    number: int
    occurred_at: datetime
    conditions: tuple[Code, ...]
    told_at: datetime
    mistaken: bool

    @classmethod
    def of(cls, number: int, held: Breach) -> Self:
        """Show a breach."""
        shown = held.model_dump(include={"occurred_at", "conditions", "told_at"})
        return cls(number=number, mistaken=held.mistaken_by is not None, **shown)


class ToldOrderView(BaseModel):
    """An order as the agency sees it that told of it: with its own word, and no more.

    Attributes:
        end: As it told it, or by the clock.
        breaches: Those that it told.
    """

    order_id: Id
    kind: OrderKind
    starts_at: datetime
    ends_at: datetime | None
    conditions: tuple[Code, ...]
    ended_at: datetime | None
    end: OrderEnd | None
    breaches: tuple[BreachView, ...]

    @classmethod
    def told(cls, held: Order, at: datetime) -> Self:
        """Show an order to the agency that told of it."""
        return cls(**_shown(held.seen_by_agency(at)))


class OrderView(ToldOrderView):
    """An order as whoever works on the case sees it.

    Attributes:
        agency: Who told of it; none: whoever leads or coordinates the case.
    """

    agency: Code | None
    bound: tuple[Id, ...]
    protected: tuple[Id, ...]

    @classmethod
    def of(cls, held: Order) -> Self:
        """Show an order."""
        return cls(agency=held.agency, **held.people.model_dump(), **_shown(held))


@router.post("/referrals/{referral_id}/orders", status_code=201)
async def tell_order(
    referral_id: Id, told: TellOrder, *, registry: Registry_, agency: Submitter
) -> ToldOrderView:
    """Tell of an order, as the agency whose referral it goes with.

    The same kind, beginning and people again have it end otherwise or ask otherwise.
    """
    referral, case_id = await _told_with(TELL, referral_id, registry, agency)
    if case_id is None:
        raise NoCaseYet
    case = await registry.shelves.cases.get(case_id)
    referral.may_be_changed()
    terms, at = _terms_of(told), registry.clock.now()
    wrong = [*_misplaced(told, len(referral.told.people))]
    _refuse([*wrong, *_misfits(terms, told, registry, at)])
    if max((*told.bound, *told.protected)) >= len(referral.person_ids):
        raise NoCaseYet
    ids = referral.person_ids
    people = Bound.of(
        tuple(ids[each] for each in told.bound),
        tuple(ids[each] for each in told.protected),
    )
    new = Order(
        id=order_id(referral_id, terms, people),
        case_id=case_id,
        referral_id=referral_id,
        agency=referral.sender.agency,
        terms=terms,
        people=people,
        recorded_at=at,
        by=agency.who.subject,
        # Taken as in any case: a refusal would tell the agency that she has moved.
        elsewhere=bool(case and case.transferred),
    )
    return ToldOrderView.told(await _record(new, registry), at)


@router.get("/referrals/{referral_id}/orders")
async def read_told_orders(
    referral_id: Id, registry: Registry_, agency: Reader
) -> tuple[ToldOrderView, ...]:
    """Read the orders that one's own agency told of with a referral."""
    await _told_with(READ_TOLD, referral_id, registry, agency)
    found = await registry.orders.of_referral(referral_id)
    at = registry.clock.now()
    return tuple(ToldOrderView.told(each, at) for each in found)


@router.post("/referrals/{referral_id}/orders/{order_id}/breaches", status_code=201)
async def tell_breach(
    referral_id: Id,
    order_id: Id,
    told: ToldBreach,
    *,
    registry: Registry_,
    agency: Submitter,
) -> ToldOrderView:
    """Tell that an order was breached that one's own agency told of."""
    held = await _own(referral_id, order_id, registry, agency)
    new = await _breach(held, told, registry, agency, by_agency=True)
    return ToldOrderView.told(new, registry.clock.now())


@router.delete("/referrals/{referral_id}/orders/{order_id}/breaches/{breach}")
async def take_back_told_breach(
    referral_id: Id,
    order_id: Id,
    breach: BreachNumber,
    *,
    registry: Registry_,
    agency: Submitter,
) -> ToldOrderView:
    """Say that a breach was told by mistake that one's own agency told."""
    held = await _own(referral_id, order_id, registry, agency)
    new = await _take_back(held, breach, registry, agency, by_agency=True)
    return ToldOrderView.told(new, registry.clock.now())


@router.post("/referrals/{referral_id}/orders/{order_id}/end")
async def tell_end(
    referral_id: Id,
    order_id: Id,
    told: EndOrder,
    *,
    registry: Registry_,
    agency: Submitter,
) -> ToldOrderView:
    """Tell that an order has ended that one's own agency told of."""
    held = await _own(referral_id, order_id, registry, agency)
    new = await _end(held, told, registry, agency, by_agency=True)
    return ToldOrderView.told(new, registry.clock.now())


@router.post("/cases/{case_id}/orders", status_code=201)
async def record_order(
    case_id: Id, told: RecordOrder, *, registry: Registry_, worker: Worker
) -> OrderView:
    """Record an order in a case, as its lead or coordinator."""
    await worker.permit(RECORD, orders_of(case_id), otherwise=NoSuchCase)
    case = await standing_case(case_id, registry.shelves.cases)
    members = {each.person_id for each in case.people}
    gone = await asyncio.gather(*map(registry.shelves.tombstones.get, members))
    members -= {each.id for each in gone if each is not None}
    terms, at = _terms_of(told), registry.clock.now()
    wrong = [
        Misfit((name, place), "not_in_the_case")
        for name in ("bound", "protected")
        for place, each in enumerate(getattr(told, name))
        if each not in members
    ]
    _refuse([*wrong, *_misfits(terms, told, registry, at)])
    people = Bound.of(told.bound, told.protected)
    new = Order(
        id=order_id(case_id, terms, people),
        case_id=case_id,
        terms=terms,
        people=people,
        recorded_at=at,
        by=worker.who.subject,
    )
    return OrderView.of(await _record(new, registry))


@router.get("/cases/{case_id}/orders")
async def read_orders(
    case_id: Id, registry: Registry_, worker: Worker
) -> tuple[OrderView, ...]:
    """Read every order of a case and of those merged into it, also what has ended."""
    await worker.permit(READ, orders_of(case_id), otherwise=NoSuchCase)
    case = await standing_case(case_id, registry.shelves.cases)
    found = await registry.orders.of_cases([case_id, *case.taken])
    return tuple(map(OrderView.of, found))


@router.post("/cases/{case_id}/orders/{order_id}/breaches", status_code=201)
async def record_breach(
    case_id: Id, order_id: Id, told: ToldBreach, *, registry: Registry_, worker: Worker
) -> OrderView:
    """Record that an order of a case was breached, as whoever works on it."""
    held = await _of_case(BREACH, case_id, order_id, registry, worker)
    return OrderView.of(await _breach(held, told, registry, worker))


@router.delete("/cases/{case_id}/orders/{order_id}/breaches/{breach}")
async def take_back_breach(
    case_id: Id,
    order_id: Id,
    breach: BreachNumber,
    *,
    registry: Registry_,
    worker: Worker,
) -> OrderView:
    """Say that a breach was told by mistake, as the case's lead or coordinator."""
    held = await _of_case(RECORD, case_id, order_id, registry, worker)
    return OrderView.of(await _take_back(held, breach, registry, worker))


@router.post("/cases/{case_id}/orders/{order_id}/end")
async def record_end(
    case_id: Id, order_id: Id, told: EndOrder, *, registry: Registry_, worker: Worker
) -> OrderView:
    """Record that an order has ended, as the case's lead or coordinator."""
    held = await _of_case(RECORD, case_id, order_id, registry, worker)
    return OrderView.of(await _end(held, told, registry, worker))


def orders_of(case_id: str) -> Resource:
    """Name a case's orders, for deciding about them."""
    return Resource("orders", case_id, case_id)


async def _told_with(
    action: Action, referral_id: str, registry: Registry, agency: Asking
) -> tuple[Referral, str | None]:
    """Give an agency's own referral, and the case that it has found, if it has.

    Raises:
        NotReferred: There is no such referral, or it is another agency's.
    """
    referral = await registry.shelves.referrals.get(referral_id)
    case = await registry.shelves.cases.of_referral(referral_id)
    sender = referral.sender.agency if referral else None
    case_id = case.id if case else (referral.left_case_id if referral else None)
    named = Resource("referral", referral_id, case_id, agency=sender)
    await agency.permit(action, named, otherwise=NotReferred)
    if referral is None:
        raise NotReferred
    return referral, case_id


async def _own(
    referral_id: str, order_id: str, registry: Registry, agency: Asking
) -> Order:
    await _told_with(TELL, referral_id, registry, agency)
    held = await registry.orders.get(order_id)
    if held is None or held.referral_id != referral_id:
        raise NoSuchOrder
    return held


async def _of_case(
    action: Action, case_id: str, order_id: str, registry: Registry, worker: Asking
) -> Order:
    await worker.permit(action, orders_of(case_id), otherwise=NoSuchCase)
    case = await standing_case(case_id, registry.shelves.cases)
    held = await registry.orders.get(order_id)
    if held is None or held.case_id not in {case_id, *case.taken}:
        raise NoSuchOrder
    return held


async def _record(new: Order, registry: Registry) -> Order:
    return await handlers.record(
        new,
        by=new.by,
        at=new.recorded_at,
        orders=registry.orders,
        cases=registry.shelves.cases,
        rules=registry.policy.triggers,
    )


async def _breach(
    held: Order,
    told: ToldBreach,
    registry: Registry,
    who: Asking,
    *,
    by_agency: bool = False,
) -> Order:
    at, known = registry.clock.now(), registry.policy.orders.conditions
    seen = held.seen_by_agency(at) if by_agency else held
    _refuse(misfits_of_breach(told, seen, known, at))
    by, orders = who.who.subject, registry.orders
    return await handlers.breach(
        held.id, told, by=by, by_agency=by_agency, at=at, orders=orders
    )


async def _take_back(
    held: Order,
    number: int,
    registry: Registry,
    who: Asking,
    *,
    by_agency: bool = False,
) -> Order:
    by, orders = who.who.subject, registry.orders
    return await handlers.take_back_breach(
        held.id, number, by=by, by_agency=by_agency, orders=orders
    )


async def _end(
    held: Order,
    told: EndOrder,
    registry: Registry,
    who: Asking,
    *,
    by_agency: bool = False,
) -> Order:
    now = registry.clock.now()
    at = told.ended_at or now
    if at > now:
        # A new end is told by telling of the order again, and has a clock then.
        _refuse([Misfit(("ended_at",), "in_the_future")])
    by, orders = who.who.subject, registry.orders
    return await handlers.end(
        held.id,
        told.reason,
        by=by,
        by_agency=by_agency,
        at=at,
        now=now,
        orders=orders,
        cases=registry.shelves.cases,
    )


def _terms_of(told: TellOrder | RecordOrder) -> OrderTerms:
    return OrderTerms(**told.model_dump(include=set(OrderTerms.model_fields)))


def _misplaced(told: TellOrder, people: int) -> list[Misfit]:
    return [
        Misfit((name, place), "no_such_person")
        for name in ("bound", "protected")
        for place, each in enumerate(getattr(told, name))
        if each >= people
    ]


def _misfits(
    terms: OrderTerms, told: TellOrder | RecordOrder, registry: Registry, at: datetime
) -> list[Misfit]:
    found = misfits_of_order(terms, registry.policy.orders.conditions, at)
    protected: tuple[Any, ...] = told.protected
    found += [
        Misfit(("protected", place), "bound_too")
        for place, each in enumerate(protected)
        if each in told.bound
    ]
    return found


def _refuse(wrong: list[Misfit]) -> None:
    if wrong:
        raise RequestValidationError(errors_of(wrong, "body"))


def _shown(held: Order) -> dict[str, Any]:
    ended: Ended | None = held.ended
    return {
        "order_id": held.id,
        "ended_at": ended and ended.at,
        "end": ended and ended.reason,
        "breaches": tuple(
            BreachView.of(number, each)
            for number, each in enumerate(held.breaches, start=1)
        ),
        **held.terms.model_dump(),
    }
