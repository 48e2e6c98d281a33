"""Who was together in what happened: people with their parts, and the pairs of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import product, takewhile
from typing import Self, TypeVar

from accord_contracts.referrals import PersonRole
from pydantic import BaseModel, ConfigDict

from referrals.domain.erasure import Decision

REPEAT = timedelta(days=365)
"""A pair referred again within this time is a repeat (SafeLives: 12 months)."""


TOLD_KEPT = 20
"""The most tellings that are kept of one pair, those of what happened last."""

O = TypeVar("O", bound="Occurrence")  # noqa: E741 - The occurrences of one kind.


class Occurrence(BaseModel):
    """That an agency told of something that happened.

    Attributes:
        agency: Its code.
    """

    model_config = ConfigDict(frozen=True)

    referral_id: str
    agency: str
    occurred_at: datetime

    def may_be(self, _other: Self) -> bool:
        """Tell whether two may be of one incident, but for their times and agencies."""
        return True


def incidents(told: Iterable[O], within: timedelta) -> list[list[O]]:
    """Put together what is told of one and the same incident, the first one first.

    Different agencies tell of one if it happened at one time; one agency never tells of
    one twice, but of two. In which order they told makes no difference.

    Args:
        told: What was told of one pair, or may be of one.
        within: How far apart agencies say that it happened.
    """
    found: list[list[O]] = []
    for each in sorted(told, key=lambda one: (one.occurred_at, one.referral_id)):
        since = each.occurred_at - within
        near = takewhile(lambda held: held[0].occurred_at >= since, reversed(found))  # noqa: B023 - Used up at once.
        alike = (
            held
            for held in near
            if each.may_be(held[0]) and each.agency not in {e.agency for e in held}
        )
        if held := next(alike, None):
            held.append(each)
        else:
            found.append([each])
    return found


class Member(BaseModel):
    """Somebody in a case, and the part they had in a referral."""

    model_config = ConfigDict(frozen=True)

    person_id: str
    role: PersonRole


def with_role(role: PersonRole, people: Iterable[Member]) -> frozenset[str]:
    """Give the ids of those who have a part."""
    return frozenset(each.person_id for each in people if each.role is role)


def counted(people: Iterable[Member], same: Mapping[str, str]) -> tuple[Member, ...]:
    """Give people with whoever is one with somebody counted as them, each once."""
    return tuple(
        dict.fromkeys(
            Member(person_id=same.get(each.person_id, each.person_id), role=each.role)
            for each in people
        )
    )


def role_of(
    person_id: str, told: PersonRole, put_right: Mapping[str, PersonRole]
) -> PersonRole:
    """Give the part that somebody has: as told, unless a person has decided another."""
    if told in {PersonRole.PERSON_HARMED, PersonRole.PERSON_USING_VIOLENCE}:
        return PersonRole(put_right.get(person_id, told))
    return PersonRole(told)


def opposed(one: frozenset[str], people: Iterable[Member]) -> frozenset[str]:
    """Give those of a case whom nothing that is for somebody must reach.

    Whoever is said to use violence; and of whoever is said to do that and was not
    harmed, everybody else.

    Args:
        one: Who, by each id that they are known by.
        people: Those of the case.
    """
    held = tuple(people)
    using = with_role(PersonRole.PERSON_USING_VIOLENCE, held)
    alone = one & using and not one & harmed_of(held)
    everybody = frozenset(each.person_id for each in held)
    return (everybody if alone else using) - one


def harmed_of(people: Iterable[Member]) -> frozenset[str]:
    """Give the ids of those who were harmed."""
    return with_role(PersonRole.PERSON_HARMED, people)


def who_harmed_whom(people: Iterable[Member]) -> tuple[tuple[str, str], ...]:
    """Give the ids of each who was harmed, with those of each who used violence."""
    held = tuple(people)
    using_violence = with_role(PersonRole.PERSON_USING_VIOLENCE, held)
    both = product(sorted(harmed_of(held)), sorted(using_violence))
    return tuple((harmed, using) for harmed, using in both if harmed != using)


class Pair(BaseModel):
    """Somebody who was harmed, who harmed them, and what was told of it last."""

    model_config = ConfigDict(frozen=True)

    harmed: str
    using_violence: str
    told: tuple[Occurrence, ...]

    @property
    def couple(self) -> str:
        """The two, whoever of them was harmed: they are of one household."""
        return ":".join(sorted((self.harmed, self.using_violence)))

    @property
    def two(self) -> frozenset[str]:
        """The two, whoever harmed whom."""
        return frozenset({self.harmed, self.using_violence})

    def counted_as(self, same: Mapping[str, str]) -> "Pair":
        """Count whoever is one with somebody as them."""
        update = {
            "harmed": same.get(self.harmed, self.harmed),
            "using_violence": same.get(self.using_violence, self.using_violence),
        }
        return self.model_copy(update=update)

    def same(self, other: "Pair") -> bool:
        """Tell whether the same person harmed the same person."""
        return (self.harmed, self.using_violence) == (
            other.harmed,
            other.using_violence,
        )

    def repeats(self, known: Iterable["Pair"], within: timedelta) -> bool:
        """Tell whether this tells of the same pair again within a year.

        Which of two referrals is handled first is chance, so time counts either way;
        and what another agency tells of the same incident is no second one.

        Args:
            known: Pairs that were told of.
            within: How far apart agencies say that one incident happened.
        """
        own = {each.referral_id: each for each in self.told}
        at = [each.occurred_at for each in self.told]
        before = {
            each.referral_id: each
            for other in known
            if self.same(other)
            for each in other.told
            if any(abs(each.occurred_at - one) <= REPEAT for one in at)
        }
        before = {key: each for key, each in before.items() if key not in own}
        together = incidents([*before.values(), *own.values()], within)
        return 0 < len(incidents(before.values(), within)) < len(together)

    def with_told(self, more: Iterable[Occurrence]) -> "Pair":
        """Add what was told of it; of one referral, what it says last."""
        told = {each.referral_id: each for each in (*self.told, *more)}
        latest = sorted(told.values(), key=lambda each: each.occurred_at)[-TOLD_KEPT:]
        return self.model_copy(update={"told": tuple(latest)})


class Settled(BaseModel):
    """That a person has decided who harmed whom of two, why, by whom and when."""

    model_config = ConfigDict(frozen=True)

    harmed: str
    using_violence: str
    decision: Decision

    @property
    def two(self) -> frozenset[str]:
        """The two, whoever harmed whom."""
        return frozenset({self.harmed, self.using_violence})

    def says(self, other: "Settled") -> bool:
        """Tell whether another decision says the same."""
        return (self.harmed, self.using_violence) == (
            other.harmed,
            other.using_violence,
        )


@dataclass(frozen=True, slots=True)
class Household:
    """The people of one referral, by id: what finds its case.

    Attributes:
        members: Each once for each part that they have.
        referred_at: When.
        told: What it tells of.
    """

    members: tuple[Member, ...]
    referred_at: datetime
    told: Occurrence

    @property
    def harmed(self) -> frozenset[str]:
        """Who was harmed."""
        return harmed_of(self.members)

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Who harmed whom. Nobody is a pair with themselves."""
        return tuple(
            Pair(harmed=harmed, using_violence=using, told=(self.told,))
            for harmed, using in who_harmed_whom(self.members)
        )

    @property
    def couples(self) -> frozenset[str]:
        """The pairs, whoever was harmed."""
        return frozenset(each.couple for each in self.pairs)

    @property
    def keys(self) -> frozenset[str]:
        """What its case may claim."""
        return self.couples.union(self.harmed)
