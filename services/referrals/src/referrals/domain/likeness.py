"""What somebody is compared by: their comparison record, as it is kept.

Phones are in it, addresses are not: an address may have to be destroyed alone, and what
a household shares links nobody anyway.
"""

from collections.abc import Collection, Iterable
from dataclasses import replace
from functools import cached_property
from itertools import chain

from pydantic import BaseModel, ConfigDict

from referrals.domain.born import exactness
from referrals.domain.matching.record import (
    BORN,
    FAMILY,
    GIVEN,
    PHONE,
    Record,
    code_value,
    record,
)
from referrals.domain.naming import folded
from referrals.domain.telling import Channel, DescribedPerson

KEPT = 10
"""The most phones, names, and codes of one register, of one person."""

Name = tuple[str, str]
"""A given name and a family name, as one referral told both."""

SPOKEN = frozenset({Channel.PHONE, Channel.TEXT})


class Likeness(BaseModel):
    """What somebody is compared by; texts are empty where nothing was told.

    Attributes:
        names: All by which they were told of, if that is more than the first: each
            may be the one that is next written with a typo.
        born: As far as it is known (ISO 8601-2).
        phones: As they were told.
        identifiers: Codes by register, of those in which each is one person's alone.
    """

    model_config = ConfigDict(frozen=True)

    given_name: str = ""
    family_name: str = ""
    names: tuple[Name, ...] = ()
    born: str = ""
    phones: tuple[str, ...] = ()
    identifiers: dict[str, tuple[str, ...]] = {}

    @classmethod
    def of(
        cls,
        person: DescribedPerson,
        registers: Collection[str],
        placeholders: Collection[str],
    ) -> "Likeness":
        """Take what is compared out of a description.

        Args:
            person: As described.
            registers: Those whose codes count.
            placeholders: What stands where no name is known, folded.
        """
        given, family = (
            "" if not name or folded(name) in placeholders else name
            for name in (person.given_name, person.family_name)
        )
        codes: dict[str, tuple[str, ...]] = {}
        for each in person.identifiers:
            if each.system in registers:
                codes[each.system] = _some(codes.get(each.system, ()), [each.value])
        return cls(
            given_name=given,
            family_name=family,
            born=person.date_of_birth or "",
            phones=_some(
                (), (e.value for e in person.contact_points if e.channel in SPOKEN)
            ),
            identifiers=codes,
        )

    @cached_property
    def record(self) -> Record:
        """It, under the first name told, prepared for many comparisons."""
        return self._under((self.given_name, self.family_name))

    @cached_property
    def records(self) -> tuple[Record, ...]:
        """It, under each name told: a name of one telling goes with none of another."""
        first = (self.given_name, self.family_name)
        others = (self._under(each) for each in self.names if each != first)
        return (self.record, *others)

    @property
    def family_names(self) -> tuple[str, ...]:
        """Every family name told, the first one first."""
        told = (self.family_name, *(family for _, family in self.names))
        return tuple(dict.fromkeys(each for each in told if each))

    def _under(self, name: Name) -> Record:
        given, family = name
        told = {
            GIVEN: given,
            FAMILY: family,
            BORN: self.born,
            PHONE: ";".join(self.phones),
        }
        codes = {
            system: frozenset(map(code_value, held))
            for system, held in self.identifiers.items()
        }
        return replace(record(told), identifiers=codes)

    def learn(self, later: "Likeness") -> "Likeness":
        """Add what a later telling says beside this; what was told first stays.

        But a date of birth that is known better takes the place of a part of one.
        """
        mine, theirs = self.identifiers, later.identifiers
        return Likeness(
            given_name=self.given_name or later.given_name,
            family_name=self.family_name or later.family_name,
            names=_names(self, later),
            born=max(self.born, later.born, key=exactness),
            phones=_some(self.phones, later.phones),
            identifiers={
                system: _some(mine.get(system, ()), theirs.get(system, ()))
                for system in (*mine, *theirs)
            },
        )


def _some(held: Iterable[str], more: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(chain(held, more)))[:KEPT]


def _names(*tellings: Likeness) -> tuple[Name, ...]:
    """Give the names of several tellings, each once; none if that is one alone."""
    told: dict[Name, Name] = {}
    for each in tellings:
        for name in ((each.given_name, each.family_name), *each.names):
            if any(name):
                told.setdefault((folded(name[0]), folded(name[1])), name)
    return tuple(told.values())[:KEPT] if len(told) > 1 else ()
