"""Who was together in what happened: people with their parts, and the pairs of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import product

from accord_contracts.referrals import PersonRole
from pydantic import BaseModel, ConfigDict

from referrals.domain.erasure import Decision

REPEAT = timedelta(days=365)
"""A pair referred again within this time is a repeat (SafeLives: 12 months)."""


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


class Pair(BaseModel):
    """Somebody who was harmed, who harmed them, and when that was last referred."""

    model_config = ConfigDict(frozen=True)

    harmed: str
    using_violence: str
    last_referred_at: datetime

    @property
    def couple(self) -> str:
        """The two, whoever of them was harmed: they are of one household."""
        return ":".join(sorted((self.harmed, self.using_violence)))

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

    def repeats(self, known: "Pair") -> bool:
        """Tell whether this is the same pair within a year.

        Which of two referrals is handled first is chance, so time counts either way.
        """
        apart = abs(self.last_referred_at - known.last_referred_at)
        return self.same(known) and apart <= REPEAT


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
    """

    members: tuple[Member, ...]
    referred_at: datetime

    @property
    def harmed(self) -> frozenset[str]:
        """Who was harmed."""
        return harmed_of(self.members)

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Who harmed whom. Nobody is a pair with themselves."""
        using_violence = with_role(PersonRole.PERSON_USING_VIOLENCE, self.members)
        both = product(sorted(self.harmed), sorted(using_violence))
        return tuple(
            Pair(harmed=harmed, using_violence=using, last_referred_at=self.referred_at)
            for harmed, using in both
            if harmed != using
        )

    @property
    def couples(self) -> frozenset[str]:
        """The pairs, whoever was harmed."""
        return frozenset(each.couple for each in self.pairs)

    @property
    def keys(self) -> frozenset[str]:
        """What its case may claim."""
        return self.couples.union(self.harmed)
