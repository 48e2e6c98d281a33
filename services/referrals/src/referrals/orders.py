"""What referrals does about orders: recording, breaches, ends, and their clocks.

The end of an order is a date that is known ahead, like those that referrals tell of
(``triggers``): risk, plans and notify hear of it in the same events, which come from
the order's own document.
"""

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from accord_chassis.clock import Clock
from accord_chassis.service import settled
from accord_chassis.store import Document, Store
from accord_contracts.message import Event, Lane, Message
from accord_contracts.referrals import (
    CaseErased,
    CaseTransferred,
    OrderBreached,
    OrderEnd,
    OrderEnded,
    OrderRecorded,
    TriggerCancelled,
    TriggerFellDue,
    TriggerScheduled,
)
from pymongo.operations import IndexModel

from referrals.domain.order import NoSuchOrder, Order, ToldBreach
from referrals.domain.policy import Policy
from referrals.domain.trigger import TriggerRules
from referrals.erasing import Shelves
from referrals.outdating import outdated
from referrals.store import Cases

MOST = 200
"""Orders that are listed together."""


class Orders(Store[Order]):
    """The orders, each with its own clock."""

    entity = Order
    collection = "orders"
    due = "due_at"
    indexes = (IndexModel([("case_id", 1)]), IndexModel([("referral_id", 1)]))

    async def of_cases(self, case_ids: Iterable[str]) -> list[Order]:
        """Give the orders of some cases, the latest to begin first."""
        return await self._of({"case_id": {"$in": [*case_ids]}})

    async def of_referral(self, referral_id: str) -> list[Order]:
        """Give the orders that a referral's agency told of, the latest first."""
        return await self._of({"referral_id": referral_id})

    async def _of(self, which: Document) -> list[Order]:
        found = self.documents.find(which, projection={"inbox": 0, "outbox": 0})
        held = [self.load(each) async for each in found.limit(MOST)]
        return sorted(held, key=lambda each: each.terms.starts_at, reverse=True)

    async def remove_case(self, case_id: str) -> None:
        """Delete all orders of a case that is erased."""
        await self.documents.delete_many({"case_id": case_id})


class Registry(NamedTuple):
    """What is needed to keep orders."""

    orders: Orders
    shelves: Shelves
    policy: Policy
    clock: Clock


async def record(
    new: Order,
    *,
    by: str,
    at: datetime,
    orders: Orders,
    cases: Cases,
    rules: TriggerRules,
) -> Order:
    """Record an order, or have it end otherwise, ask otherwise or protect others.

    Where its case was handed over, whoever did that is told too.

    Raises:
        OrderOver: It has ended.
    """

    async def keep() -> Order:
        held = await orders.get(new.id)
        kept = held.told_again(new.terms, new.people, by=by, at=at) if held else new
        if kept is held:
            return kept
        case = await cases.get(kept.case_id)
        told = [*_told(kept, held), *outdated(case, kept.referral_id, at)]
        return await orders.save(kept, *told, lane=_lane(kept, at, rules))

    return await settled(keep)


async def breach(
    order_id: str,
    told: ToldBreach,
    *,
    by: str,
    by_agency: bool,
    at: datetime,
    orders: Orders,
) -> Order:
    """Note a breach, and tell everybody at once.

    Raises:
        NoSuchOrder: There is none.
        TooManyBreaches: There are too many to keep one more.
    """

    async def tell(new: Order, _: Order) -> list[Event]:
        said = OrderBreached(
            **_state(new),
            number=len(new.breaches),
            conditions=told.conditions,
            occurred_at=told.occurred_at,
        )
        return [said]

    change = partial(Order.breach, told=told, by=by, at=at, by_agency=by_agency)
    return await _change(order_id, change, tell, lane=Lane.URGENT, orders=orders)


async def take_back_breach(
    order_id: str, number: int, *, by: str, by_agency: bool, orders: Orders
) -> Order:
    """Note that a breach was told by mistake.

    Raises:
        NoSuchOrder: There is none.
        NoSuchBreach: It was not told.
    """

    async def tell(new: Order, _: Order) -> list[Event]:
        return [_recorded(new)]

    change = partial(Order.without_breach, number=number, by=by, by_agency=by_agency)
    return await _change(order_id, change, tell, lane=None, orders=orders)


async def end(
    order_id: str,
    reason: OrderEnd,
    *,
    by: str,
    by_agency: bool,
    at: datetime,
    now: datetime,
    orders: Orders,
    cases: Cases,
) -> Order:
    """End an order; what was known ahead of it is called off.

    Where its case was handed over, whoever did that is told too.

    Args:
        order_id: Which.
        reason: Why.
        by: Who says so.
        by_agency: By the door of the agency that told of the order.
        at: Since when it binds nobody.
        now: The present time.
        orders: Where orders are kept.
        cases: Where cases are.

    Raises:
        NoSuchOrder: There is none.
    """

    async def tell(new: Order, held: Order) -> list[Event]:
        if new.ended == held.ended:
            # Its agency says so too; everybody knows it already.
            return []
        told: list[Event] = _ended(new)
        ends_at = new.terms.ends_at
        if ends_at is not None and ends_at > now and not new.elsewhere:
            told.append(_called_off(new, ends_at))
        case = await cases.get(new.case_id)
        return [*told, *outdated(case, new.referral_id, now)]

    change = partial(Order.end, reason=reason, at=at, by=by, by_agency=by_agency)
    return await _change(order_id, change, tell, lane=None, orders=orders)


async def _change(
    order_id: str,
    change: Callable[[Order], Order],
    tell: Callable[[Order, Order], Awaitable[list[Event]]],
    *,
    lane: Lane | None,
    orders: Orders,
) -> Order:
    async def decide() -> Order:
        held = await orders.get(order_id)
        if held is None:
            raise NoSuchOrder
        new = change(held)
        if new is held:
            return held
        return await orders.save(new, *await tell(new, held), lane=lane)

    return await settled(decide)


async def expire(due: Order, *, orders: Orders, clock: Clock) -> None:
    """Tell that an order's time has run out, by the save that stops its clock."""
    ends_at, at = due.due_at, clock.now()
    if ends_at is None or ends_at > at:
        return
    over = due.end(OrderEnd.EXPIRED, ends_at, None)
    fell_due = TriggerFellDue(
        case_id=due.case_id,
        trigger_id=due.date_id,
        kind=due.date_kind,
        due_at=ends_at,
        late_by=(at - ends_at).total_seconds(),
    )
    await orders.save(over, *_ended(over), fell_due, lane=Lane.URGENT)


async def call_off(message: Message[CaseTransferred], *, orders: Orders) -> None:
    """Have no end of an order be a date of a case that was transferred."""
    for each in await orders.of_cases([message.data.case_id]):
        if each.ended is None and not each.elsewhere:
            await _change(
                each.id, Order.leave, _date_called_off, lane=None, orders=orders
            )


async def _date_called_off(_: Order, held: Order) -> list[Event]:
    return [_called_off(held, held.due_at)] if held.due_at else []


async def forget(message: Message[CaseErased], *, orders: Orders) -> None:
    """Delete the orders of a case that is erased."""
    await orders.remove_case(message.data.case_id)


def _told(new: Order, was: Order | None) -> list[Event]:
    told: list[Event] = [_recorded(new)]
    before = was.terms.ends_at if was else None
    if (ends_at := new.terms.ends_at) == before or new.elsewhere:
        return told
    if ends_at is None and before is not None:
        return [*told, _called_off(new, before)]
    if ends_at is not None:
        ahead = TriggerScheduled(
            case_id=new.case_id,
            trigger_id=new.date_id,
            kind=new.date_kind,
            due_at=ends_at,
        )
        told.append(ahead)
    return told


def _lane(new: Order, at: datetime, rules: TriggerRules) -> Lane | None:
    ends_at = new.terms.ends_at
    return Lane.URGENT if ends_at is not None and rules.near(ends_at, at) else None


def _state(held: Order) -> dict[str, Any]:
    return {
        "case_id": held.case_id,
        "order_id": held.id,
        "kind": held.terms.kind,
        "starts_at": held.terms.starts_at,
        "ends_at": held.terms.ends_at,
        "breached_at": held.breached_at,
    }


def _recorded(held: Order) -> OrderRecorded:
    return OrderRecorded(
        **_state(held),
        agency=held.agency,
        bound_ids=held.people.bound,
        protected_ids=held.people.protected,
        conditions=held.terms.conditions,
    )


def _ended(held: Order) -> list[Event]:
    ended = held.ended
    if ended is None:
        return []
    return [OrderEnded(**_state(held), reason=ended.reason, ended_at=ended.at)]


def _called_off(held: Order, due_at: datetime) -> TriggerCancelled:
    return TriggerCancelled(
        case_id=held.case_id,
        trigger_id=held.date_id,
        kind=held.date_kind,
        due_at=due_at,
    )
