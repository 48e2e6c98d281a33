"""The levels of each pair and of each child, and how they came about. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import islice

from accord_contracts.one_person import Link
from accord_contracts.referrals import TriggerKind
from accord_contracts.risk import RiskLevel

from risk.domain.judgement.record import Change, Origin
from risk.domain.policy import Policy
from risk.domain.telling import (
    Facts,
    Parts,
    Tellings,
    Unnamed,
    by_one_id,
    most_in_a_year,
    of_children,
    of_pairs,
    people_of,
)
from risk.domain.weighing import Known

KEPT_PEOPLE = 50
"""Pairs and children of one case whose levels are remembered: pairs first,
and of both those told of first."""

KEPT_OF_EACH = 20
"""Levels of one pair or child that a case remembers, the latest ones."""

Whom = tuple[str, str | None]
"""Who was harmed, and by whom; a child, and none."""

Ground = tuple[RiskLevel, tuple[str, ...]]
"""A level, and the codes of what led to it."""


class PersonChange(Change):
    """A level of the risk to a pair or a child.

    Attributes:
        harmed: The person harmed, or the child.
        using: By whom the person is harmed; none: it is a child.
    """

    harmed: str
    using: str | None

    @property
    def whom(self) -> Whom:
        """Whose it is."""
        return self.harmed, self.using


Changes = tuple[PersonChange, ...]


def facts_of(
    tellings: Tellings, parts: Iterable[Parts], links: Iterable[Link]
) -> dict[Whom, Facts]:
    """Give what was told of each pair and each child."""
    links = [*links]
    found: dict[Whom, Facts] = dict(of_pairs(tellings, parts, links).items())
    for child, facts in of_children(tellings, links).items():
        found[child, None] = facts
    return found


def known_of(facts: Facts, shared: Unnamed, near: frozenset[TriggerKind]) -> Known:
    """Give what weighs of a pair or a child: of them, and what names nobody."""
    both = facts.beside(shared)
    return Known(
        both.answers,
        both.incidents,
        both.repeats,
        near,
        both.forms,
        most_in_a_year(both.happened),
    )


def grounds_of(
    facts: Mapping[Whom, Facts],
    shared: Unnamed,
    near: frozenset[TriggerKind],
    policy: Policy,
    *,
    whole: Known,
    found: Ground,
) -> dict[Whom, Ground]:
    """Weigh what is known of each pair and each child.

    Args:
        facts: What was told of each.
        shared: What names nobody.
        near: The kinds of dates of the case that weigh.
        policy: By what rules.
        whole: What is known of the case, which is known of its only pair too, and
        found: what that was found to be: it is not weighed twice.
    """
    known = {
        whom: known_of(each, shared, near)
        for whom, each in islice(facts.items(), KEPT_PEOPLE)
    }
    return {
        whom: found if each == whole else policy.grounds(each)
        for whom, each in known.items()
    }


def noted(
    before: Changes,
    grounds: Mapping[Whom, Ground],
    origin: Origin,
    at: datetime,
    policy_version: str,
) -> Changes:
    """Note at which levels pairs and children are now, where it is another."""
    changes = before
    for (harmed, using), (level, reasons) in grounds.items():
        own = [each for each in changes if each.whom == (harmed, using)]
        if own and own[-1].level is level:
            continue
        if len(own) == KEPT_OF_EACH:
            changes = tuple(each for each in changes if each is not own[0])
        change = PersonChange(
            harmed=harmed,
            using=using,
            level=level,
            previous=own[-1].level if own else None,
            at=at,
            how=origin.how,
            by=origin.by,
            referral_id=origin.referral_id,
            why=reasons,
            policy_version=policy_version,
        )
        changes = (*changes, change)
    return changes


def by_whom(
    changes: Changes, tellings: Tellings, links: Iterable[Link]
) -> dict[Whom, Changes]:
    """Give the levels of each pair and child in order, by the id they count by now."""
    one = by_one_id(people_of(tellings), links)
    found: dict[Whom, Changes] = {}
    for each in sorted(changes, key=lambda change: change.at):
        whom = one(each.harmed), one(each.using) if each.using else None
        found[whom] = (*found.get(whom, ()), each)
    return found
