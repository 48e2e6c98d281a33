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
"""The most phones, and codes of one register, of one person."""

SPOKEN = frozenset({Channel.PHONE, Channel.TEXT})


class Likeness(BaseModel):
    """What somebody is compared by; texts are empty where nothing was told.

    Attributes:
        born: As far as it is known (ISO 8601-2).
        phones: As they were told.
        identifiers: Codes by register, of those in which each is one person's alone.
    """

    model_config = ConfigDict(frozen=True)

    given_name: str = ""
    family_name: str = ""
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
        """It, prepared for many comparisons."""
        told = {
            GIVEN: self.given_name,
            FAMILY: self.family_name,
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
            born=max(self.born, later.born, key=exactness),
            phones=_some(self.phones, later.phones),
            identifiers={
                system: _some(mine.get(system, ()), theirs.get(system, ()))
                for system in (*mine, *theirs)
            },
        )


def _some(held: Iterable[str], more: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(chain(held, more)))[:KEPT]
