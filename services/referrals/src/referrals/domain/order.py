"""An order that binds somebody for another's safety: its time, conditions, breaches.

Whether somebody may be near somebody else, and whether they keep to it, is a fact that
plans, levels of risk and the end of a response rest on. It is kept as codes and times;
the order itself stays with whoever made it.
"""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID, uuid5

from accord_contracts.message import Code
from accord_contracts.problem import Refusal
from accord_contracts.referrals import OrderEnd, OrderKind, TriggerKind
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, computed_field

from referrals.domain.policy import LEEWAY, Misfit

MOST_BREACHES = 200
"""Breaches of one order that are kept; an order is breached daily for half a year."""

MOST_CHANGES = 50
"""Changes of an order that are remembered; the first ones go."""

MOST_CONDITIONS = 30

AHEAD = {
    OrderKind.BAIL: TriggerKind.BAIL_CHANGE,
    OrderKind.PAROLE: TriggerKind.PAROLE_CHANGE,
}
"""As which date the end of an order is known ahead, if not as an order's end."""


class NoSuchOrder(Refusal):
    """There is no such order."""

    status = 404


class NoCaseYet(Refusal):
    """The referral has not found its case yet: try again in a moment."""


class OrderOver(Refusal):
    """This order has ended: record another one."""


class TooManyBreaches(Refusal):
    """So many breaches of one order are not kept: record it anew."""


class NoSuchBreach(Refusal):
    """No such breach of this order was told."""

    status = 404


class OrderTerms(BaseModel):
    """What is told of an order.

    Attributes:
        starts_at: Since when it binds.
        ends_at: Until when; none: until somebody ends it.
        conditions: By the locality's codes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: OrderKind
    starts_at: AwareDatetime
    ends_at: AwareDatetime | None = None
    conditions: Annotated[tuple[Code, ...], Field(max_length=MOST_CONDITIONS)] = ()


class ToldBreach(BaseModel):
    """What is told of a breach.

    Attributes:
        conditions: Which of them, by the locality's codes; none: not told.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    occurred_at: AwareDatetime
    conditions: Annotated[tuple[Code, ...], Field(max_length=MOST_CONDITIONS)] = ()


class Breach(ToldBreach):
    """A breach, by whom it was told, and whether it was taken back since.

    Attributes:
        by_agency: It came by the door of the agency that told of the order.
        mistaken_by: Who said that there was none.
        taken_back: The agency that told of it said so.
    """

    told_at: datetime
    by: str
    by_agency: bool = False
    mistaken_by: str | None = None
    taken_back: bool = False

    def seen_by_agency(self) -> Self:
        """Give it as the agency sees it: mistaken only if it said so itself."""
        mistaken_by = self.mistaken_by if self.taken_back else None
        return self.model_copy(update={"mistaken_by": mistaken_by})


class Ended(BaseModel):
    """That an order has ended, why, and who said so; none: its time ran out."""

    model_config = ConfigDict(frozen=True)

    reason: OrderEnd
    at: datetime
    by: str | None


class TermsChange(BaseModel):
    """What stood before a change, when it was changed, and by whom."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    by: str
    ends_at: datetime | None
    conditions: tuple[Code, ...]
    protected: tuple[str, ...] = ()


class Bound(BaseModel):
    """Whom an order binds, and whom it protects, by id."""

    model_config = ConfigDict(frozen=True)

    bound: tuple[str, ...]
    protected: tuple[str, ...] = ()

    @classmethod
    def of(cls, bound: tuple[str, ...], protected: tuple[str, ...]) -> Self:
        """Name everybody once and in one order."""
        return cls(bound=_once(bound), protected=_once(protected))


class Order(BaseModel):
    """An order in a case, and its clock.

    Attributes:
        referral_id: The referral of the agency that told of it; none: whoever leads or
            coordinates the case did.
        agency: Who told of it.
        ended: How it ended, whoever said so.
        told_end: The end that the agency told.
        changes: The latest, oldest first.
        elsewhere: Its case was transferred, and its end is no date here any more.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    case_id: str
    referral_id: str | None = None
    agency: Code | None = None
    terms: OrderTerms
    people: Bound
    recorded_at: datetime
    by: str
    breaches: tuple[Breach, ...] = ()
    ended: Ended | None = None
    told_end: Ended | None = None
    changes: tuple[TermsChange, ...] = ()
    elsewhere: bool = False

    @computed_field  # type: ignore[prop-decorator]
    @property
    def due_at(self) -> datetime | None:
        """When its time runs out; never once it has ended, or its case is elsewhere."""
        here = self.ended is None and not self.elsewhere
        return self.terms.ends_at if here else None

    @property
    def breached_at(self) -> datetime | None:
        """When it was last breached; what was told by mistake is no breach."""
        if self.ended is not None and self.ended.reason is OrderEnd.MISTAKEN:
            return None
        stand = [e.occurred_at for e in self.breaches if e.mistaken_by is None]
        return max(stand, default=None)

    @property
    def date_id(self) -> str:
        """Under which id its end is known ahead."""
        return str(uuid5(UUID(self.id), "end"))

    @property
    def date_kind(self) -> TriggerKind:
        """As what its end is known ahead."""
        return AHEAD.get(self.terms.kind, TriggerKind.ORDER_ENDS)

    def leave(self) -> Self:
        """Note that its case was transferred."""
        return self.model_copy(update={"elsewhere": True})

    def active_at(self, at: datetime) -> bool:
        """Tell whether it binds anybody at a time."""
        return self.ended is None and self.terms.starts_at <= at

    def seen_by_agency(self, at: datetime) -> Self:
        """Give what of it the agency sees that told of it: what came by its own door.

        Whoever reads it there may be a friend of his, and what the case's team has
        recorded tells that she spoke. That its time has run out everybody knows.
        """
        own = tuple(each.seen_by_agency() for each in self.breaches if each.by_agency)
        ended, ends_at = self.told_end, self.terms.ends_at
        if ended is None and ends_at is not None and ends_at <= at:
            ended = Ended(reason=OrderEnd.EXPIRED, at=ends_at, by=None)
        return self.model_copy(update={"breaches": own, "ended": ended})

    def told_again(
        self, terms: OrderTerms, people: Bound, *, by: str, at: datetime
    ) -> Self:
        """Have it end otherwise, ask otherwise, or protect others.

        The same again changes nothing.

        Raises:
            OrderOver: It has ended.
        """
        if (terms, people) == (self.terms, self.people):
            return self
        ends_at = self.terms.ends_at
        if self.ended is not None or (ends_at is not None and ends_at <= at):
            raise OrderOver
        was = TermsChange(
            at=at,
            by=by,
            ends_at=self.terms.ends_at,
            conditions=self.terms.conditions,
            protected=self.people.protected,
        )
        changes = (*self.changes, was)[-MOST_CHANGES:]
        update = {"terms": terms, "people": people, "changes": changes}
        return self.model_copy(update=update)

    def breach(
        self, told: ToldBreach, *, by: str, at: datetime, by_agency: bool = False
    ) -> Self:
        """Note a breach, also of an order that has ended since; by each door once.

        Raises:
            TooManyBreaches: There are too many to keep one more.
        """
        if any(_same(each, told, by_agency=by_agency) for each in self.breaches):
            return self
        if len(self.breaches) >= MOST_BREACHES:
            raise TooManyBreaches
        new = Breach(**told.model_dump(), told_at=at, by=by, by_agency=by_agency)
        return self.model_copy(update={"breaches": (*self.breaches, new)})

    def without_breach(self, number: int, *, by: str, by_agency: bool = False) -> Self:
        """Note that a breach was told by mistake. That it was told stays.

        Args:
            number: Of those that are seen by the door, the first one being 1.
            by: Who says so.
            by_agency: By the agency's door, where only what came by it is seen.

        Raises:
            NoSuchBreach: There is none with this number.
        """
        places = [
            place
            for place, each in enumerate(self.breaches)
            if each.by_agency or not by_agency
        ]
        if not 1 <= number <= len(places):
            raise NoSuchBreach
        place = places[number - 1]
        held = self.breaches[place]
        mistaken = held.model_copy(
            update={
                "mistaken_by": held.mistaken_by or by,
                "taken_back": held.taken_back or by_agency,
            }
        )
        if mistaken == held:
            return self
        breaches = (*self.breaches[:place], mistaken, *self.breaches[place + 1 :])
        return self.model_copy(update={"breaches": breaches})

    def end(
        self, reason: OrderEnd, at: datetime, by: str | None, *, by_agency: bool = False
    ) -> Self:
        """End it; ending it again changes nothing, but that it was a mistake does.

        What the agency tells is kept also of an order that has ended: it sees its own
        word, and not that somebody else was first.
        """
        new, update = Ended(reason=reason, at=at, by=by), dict[str, Ended]()
        if _replaces(new, self.ended):
            update["ended"] = new
        if by_agency and _replaces(new, self.told_end):
            update["told_end"] = new
        return self.model_copy(update=update) if update else self


def order_id(told_in: str, terms: OrderTerms, who: Bound) -> str:
    """Derive the id of an order from its kind, since when it binds, and whom.

    So telling of it again is known, and changes its end or its conditions.

    Args:
        told_in: The referral whose agency tells of it, or the case. Not the case for
            both: from its orders an agency could tell which of its referrals met.
        terms: What is told.
        who: Whom it binds.
    """
    since = terms.starts_at.timestamp()
    named = f"order/{terms.kind}/{since}/{','.join(who.bound)}"
    return str(uuid5(UUID(told_in), named))


def misfits_of_order(
    terms: OrderTerms, known: frozenset[str], at: datetime
) -> list[Misfit]:
    """Find what cannot be told of an order.

    Args:
        terms: What is told.
        known: The locality's codes of conditions.
        at: The present time.
    """
    found = list(_unknown(terms.conditions, known))
    if terms.ends_at is not None and terms.ends_at <= max(terms.starts_at, at):
        found.append(Misfit(("ends_at",), "over_already"))
    return found


def misfits_of_breach(
    told: ToldBreach, order: Order, known: frozenset[str], at: datetime
) -> list[Misfit]:
    """Find what cannot be told of a breach."""
    found = list(_unknown(told.conditions, known))
    ends = [order.terms.ends_at, order.ended.at if order.ended else None]
    over = min((each for each in ends if each is not None), default=None)
    if told.occurred_at > at + LEEWAY:
        found.append(Misfit(("occurred_at",), "in_the_future"))
    elif told.occurred_at < order.terms.starts_at or (
        over is not None and told.occurred_at > over
    ):
        found.append(Misfit(("occurred_at",), "not_while_it_bound_anybody"))
    return found


def _unknown(conditions: tuple[str, ...], known: frozenset[str]) -> list[Misfit]:
    return [
        Misfit(("conditions", place), "unknown_condition")
        for place, each in enumerate(conditions)
        if each not in known
    ]


def _same(held: Breach, told: ToldBreach, *, by_agency: bool) -> bool:
    seen = held.seen_by_agency() if by_agency else held
    alike = ToldBreach(occurred_at=held.occurred_at, conditions=held.conditions)
    stands = seen.mistaken_by is None and held.by_agency is by_agency
    return stands and alike == told


def _replaces(new: Ended, held: Ended | None) -> bool:
    mistaken = new.reason is OrderEnd.MISTAKEN
    return held is None or (mistaken and held.reason is not OrderEnd.MISTAKEN)


def _once(ids: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(set(ids)))
