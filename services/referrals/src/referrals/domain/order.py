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
        mistaken_by: Who said that there was none.
    """

    told_at: datetime
    by: str
    mistaken_by: str | None = None


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
        changes: The latest, oldest first.
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
    changes: tuple[TermsChange, ...] = ()

    @computed_field  # type: ignore[prop-decorator]
    @property
    def due_at(self) -> datetime | None:
        """When its time runs out; never once it has ended."""
        return self.terms.ends_at if self.ended is None else None

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

    def active_at(self, at: datetime) -> bool:
        """Tell whether it binds anybody at a time."""
        return self.ended is None and self.terms.starts_at <= at

    def told_again(self, terms: OrderTerms, *, by: str, at: datetime) -> Self:
        """Have another end or other conditions; the same again changes nothing.

        Raises:
            OrderOver: It has ended.
        """
        if terms == self.terms:
            return self
        if self.ended is not None:
            raise OrderOver
        was = TermsChange(
            at=at, by=by, ends_at=self.terms.ends_at, conditions=self.terms.conditions
        )
        changes = (*self.changes, was)[-MOST_CHANGES:]
        return self.model_copy(update={"terms": terms, "changes": changes})

    def breach(self, told: ToldBreach, *, by: str, at: datetime) -> Self:
        """Note a breach, also of an order that has ended since; the same once.

        Raises:
            TooManyBreaches: There are too many to keep one more.
        """
        if any(_same(each, told) for each in self.breaches):
            return self
        if len(self.breaches) >= MOST_BREACHES:
            raise TooManyBreaches
        new = Breach(**told.model_dump(), told_at=at, by=by)
        return self.model_copy(update={"breaches": (*self.breaches, new)})

    def without_breach(self, number: int, *, by: str) -> Self:
        """Note that a breach was told by mistake. That it was told stays.

        Raises:
            NoSuchBreach: There is none with this number.
        """
        if not 1 <= number <= len(self.breaches):
            raise NoSuchBreach
        held = self.breaches[number - 1]
        if held.mistaken_by is not None:
            return self
        mistaken = held.model_copy(update={"mistaken_by": by})
        breaches = [*self.breaches]
        breaches[number - 1] = mistaken
        return self.model_copy(update={"breaches": tuple(breaches)})

    def end(self, reason: OrderEnd, at: datetime, by: str | None) -> Self:
        """End it; ending it again changes nothing, but that it was a mistake does."""
        if self.ended is not None and (
            reason is not OrderEnd.MISTAKEN or self.ended.reason is reason
        ):
            return self
        return self.model_copy(update={"ended": Ended(reason=reason, at=at, by=by)})


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


def _same(held: Breach, told: ToldBreach) -> bool:
    alike = ToldBreach(occurred_at=held.occurred_at, conditions=held.conditions)
    return held.mistaken_by is None and alike == told


def _once(ids: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(set(ids)))
