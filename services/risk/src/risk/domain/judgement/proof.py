"""The computed proof that a level may be lowered, or a response end. Pure.

Each condition is one function of one table. What is asked for and not there is told by
its name, so that whoever asks knows what is still to be done.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import chain

from accord_contracts.referrals import IncidentKind, TriggerKind
from accord_contracts.risk import RiskLevel

from risk.domain.ahead import Ahead
from risk.domain.assessment import Assessment
from risk.domain.judgement.record import Contact, Look
from risk.domain.judgement.rules import Demand, ProofRules, Supervision
from risk.domain.policy import Policy, highest
from risk.domain.telling import of_late


class End(StrEnum):
    """What is to be proved."""

    LOWERING = "lowering"
    CLOSING = "closing"


class Condition(StrEnum):
    """What a proof asks for."""

    LOWEST_LEVEL = "held_at_low"
    LOWER_IN_A_ROW = "lower_assessments_in_a_row"
    ENOUGH_KNOWN = "enough_answered"
    CONTACT = "contact_in_person"
    NO_TRIGGER = "no_trigger"
    NO_ORDER = "no_order_in_force"
    NO_BREACH = "no_breach"
    HELD_LONG = "held_long_enough"
    QUIET = "no_new_referral"
    SECOND_PERSON = "second_person"


@dataclass(frozen=True)
class Evidence:
    """What is looked at.

    Attributes:
        looks: The reassessments in a row that count, latest first.
        second: Who confirms, or ends the response; none: nobody yet.
        asked_by: Who asks.
        end: What is to be proved.
    """

    held: Assessment
    policy: Policy
    at: datetime
    demand: Demand
    looks: Sequence[Look]
    second: str | None
    asked_by: str | None
    end: End

    @property
    def counted(self) -> Sequence[Look]:
        """The reassessments that the proof rests on."""
        return self.looks[: self.demand.in_a_row]

    @property
    def found(self) -> Sequence[Look]:
        """Every reassessment since the oldest that counts, those between them too."""
        oldest = self.counted[-1].revision if self.counted else math.inf
        looks = self.held.judgement.looks
        return [each for each in looks if each.revision >= oldest]

    @property
    def since(self) -> datetime:
        """From when on what happened counts."""
        return self.at - timedelta(days=self.policy.judging.proof.counts_days)


@dataclass(frozen=True)
class Proof:
    """What was found.

    Attributes:
        to: The level that may be lowered to at most; closing leaves it as it is.
        met: Each condition, and whether it is met.
    """

    end: End
    to: RiskLevel | None
    supervised: bool
    demand: Demand
    met: Mapping[Condition, bool]

    @property
    def missing(self) -> tuple[Condition, ...]:
        """What is asked for and not there."""
        return tuple(each for each, there in self.met.items() if not there)

    @property
    def open(self) -> tuple[Condition, ...]:
        """What is missing beside the second person."""
        return tuple(e for e in self.missing if e is not Condition.SECOND_PERSON)


def prove(
    held: Assessment,
    end: End,
    policy: Policy,
    at: datetime,
    *,
    asked_by: str | None = None,
    second: str | None = None,
) -> Proof:
    """Say which conditions are met, and which are missing.

    Args:
        held: What is known of the case.
        end: What is to be proved.
        policy: By whose rules.
        at: The present time.
        asked_by: Who asks for it.
        second: Who confirms it; or ends the response, which nobody does on the word of
            their own reassessment.
    """
    rules = policy.judging.proof
    supervised = end is End.CLOSING and _supervised(held, rules, at)
    demand = rules.closing if end is End.CLOSING else rules.lowering
    if supervised and rules.supervision:
        demand = rules.supervision.demand
    looks = lower_in_a_row(held, end, demand)
    seen = Evidence(held, policy, at, demand, looks, second, asked_by, end)
    met = {each: _TABLE[each](seen) for each in _ASKED_FOR[end]}
    to = highest(*(e.level for e in seen.found)) if seen.found else None
    return Proof(end, to if end is End.LOWERING else None, supervised, demand, met)


def lower_in_a_row(held: Assessment, end: End, demand: Demand) -> list[Look]:
    """Give the latest reassessments in a row that found less, latest first.

    Two that follow each other too closely count as one, as the graver of both. What was
    found before something new became known of the case counts no more.
    """
    found: list[Look] = []
    for look in reversed(held.judgement.looks):
        low = look.level is RiskLevel.LOW
        lower = low if end is End.CLOSING else look.level.rank < held.level.rank
        if not lower or look.revision <= held.judgement.stirred:
            break
        apart = timedelta(hours=demand.apart_hours)
        if not found or found[-1].at - look.at >= apart:
            found.append(look)
    return found


def _supervised(held: Assessment, rules: ProofRules, at: datetime) -> bool:
    asked: Supervision | None = rules.supervision
    if asked is None:
        return False
    changes = held.judgement.changes
    since = at - timedelta(days=asked.above_low_days)
    above = bool(changes) and changes[-1].level is not RiskLevel.LOW
    lately = above or any(until > since for until in _above_low_until(held))
    times = _received(held)
    first = times[0] + timedelta(days=asked.referrals_days) if times else at
    often = sum(each <= first for each in times) >= asked.referrals
    shares = held.shares.values()
    child = held.child or any(each.child for each in shares)
    extreme = held.judgement.ever_extreme or any(e.ever_extreme for e in shares)
    return (
        lately
        or often
        or (asked.children and child)
        or (asked.ever_extreme and extreme)
    )


def _received(held: Assessment) -> list[datetime]:
    """Give when each referral was, of what is merged into the case too, in order."""
    shared = (each.received for each in held.shares.values())
    return sorted(chain(held.received, *shared))


def _above_low_until(held: Assessment) -> list[datetime]:
    """Give when the case, and each merged into it, was last above low and ceased."""
    shared = (each.above_low_until for each in held.shares.values())
    return [each for each in (held.judgement.above_low_until, *shared) if each]


def _contact(seen: Evidence) -> bool:
    return _with_a_look(seen) or _for_an_action(seen)


def _with_a_look(seen: Evidence) -> bool:
    return any(each.contact is Contact.IN_PERSON for each in seen.counted)


def _for_an_action(seen: Evidence) -> bool:
    """See that she was met for an action since danger was last told of, and lately.

    That is while what happened then still counts, or about when the reassessments were
    made that count.
    """
    met, stirred = seen.held.judgement.met_at, seen.held.judgement.stirred_at
    if met is None or (stirred is not None and met < stirred):
        return False
    apart = timedelta(hours=seen.demand.apart_hours)
    with_looks = seen.counted and met >= seen.counted[-1].at - apart
    return met >= seen.since or bool(with_looks)


def _no_trigger(seen: Evidence) -> bool:
    """See that no trigger stood in what was found, and no date is near."""
    dates = dates_of(seen.held)
    near = any(each.near(seen.at) and each.happens_at >= seen.since for each in dates)
    return not near and not any(each.triggers for each in seen.found)


def _no_order(seen: Evidence) -> bool:
    """See that no order binds, and that no date is known on which one would end."""
    held = seen.held
    orders = [*held.orders.values()]
    orders += (order for e in held.shares.values() for order in e.orders.values())
    if any(each.binds(seen.at) for each in orders):
        return False
    return not any(
        each.kind is TriggerKind.ORDER_ENDS
        and not each.cancelled
        and each.happens_at > seen.at
        for each in dates_of(seen.held)
    )


def dates_of(held: Assessment) -> list[Ahead]:
    """Give the dates of a case, and those of what is merged into it."""
    shared = (date for each in held.shares.values() for date in each.dates.values())
    return [*held.ahead.values(), *shared]


def _no_breach(seen: Evidence) -> bool:
    known = recent_incidents(seen.held, seen.policy, seen.at)
    return IncidentKind.BREACH_OF_ORDER not in known


def _held_long(seen: Evidence) -> bool:
    changes = seen.held.judgement.changes
    held_for = timedelta(days=seen.demand.held_days)
    starts = [*(each.at for each in changes[-1:]), *_above_low_until(seen.held)]
    return not held_for or bool(changes and seen.at - max(starts) >= held_for)


def _second_person(seen: Evidence) -> bool:
    """See that whoever confirms is none of those on whose word it rests."""
    firsts = {None, seen.asked_by}
    if seen.end is End.CLOSING:
        firsts |= {each.by for each in seen.counted}
        if not _with_a_look(seen):
            firsts |= {seen.held.judgement.met_by}
    return seen.second not in firsts


def _quiet(seen: Evidence) -> bool:
    days = timedelta(days=seen.demand.quiet_days)
    return not days or all(seen.at - each >= days for each in _received(seen.held))


_TABLE: Mapping[Condition, Callable[[Evidence], bool]] = {
    Condition.LOWEST_LEVEL: lambda seen: seen.held.level is RiskLevel.LOW,
    Condition.LOWER_IN_A_ROW: lambda seen: len(seen.looks) >= seen.demand.in_a_row,
    Condition.ENOUGH_KNOWN: lambda seen: not any(e.provisional for e in seen.counted),
    Condition.CONTACT: _contact,
    Condition.NO_TRIGGER: _no_trigger,
    Condition.NO_ORDER: _no_order,
    Condition.NO_BREACH: _no_breach,
    Condition.HELD_LONG: _held_long,
    Condition.QUIET: _quiet,
    Condition.SECOND_PERSON: _second_person,
}

_ASKED_FOR: Mapping[End, tuple[Condition, ...]] = {
    End.LOWERING: tuple(e for e in Condition if e is not Condition.LOWEST_LEVEL),
    End.CLOSING: tuple(Condition),
}


def recent_incidents(
    held: Assessment, policy: Policy, at: datetime
) -> frozenset[IncidentKind]:
    """Give the kinds of incident, of all merged cases, that still count."""
    days = policy.judging.proof.counts_days
    shares = [each for each in held.shares.values() if not each.settled]
    own = of_late(held.incidents, held.occurred, at, days)
    return own.union(*(of_late(e.incidents, e.occurred, at, days) for e in shares))
