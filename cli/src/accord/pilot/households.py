"""The households that a site's Police report: invented, and the same for a seed."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

import yaml
from accord_contracts.referrals import IncidentKind

from accord.pilot import assumptions
from accord.pilot.assumptions import SLOT, lot
from accord.pilot.published import SITES, Site
from accord.where import locality_at
from accord.world import FAMILY, GIVEN, PLACES, invented_nhi

Referral = dict[str, Any]

MONTH = timedelta(days=365.25 / 12)

ADULTS, CHILDREN = (18, 65), (0, 17)
"""Ages, in years."""


def quotas(site: Site, count: int) -> list[IncidentKind]:
    """Share out a number of cases by the published mix, to the case."""
    whole = sum(site.mix.values())
    exact = {kind: share / whole * count for kind, share in site.mix.items()}
    found = {kind: int(each) for kind, each in exact.items()}
    # What rounding down left over goes to those who lost the most by it.
    for kind in sorted(exact, key=lambda each: found[each] - exact[each]):
        found[kind] += sum(found.values()) < count
    return [kind for kind, each in found.items() for _ in range(each)]


@dataclass(slots=True)
class Household:
    """A family or household: its people as they are described each time."""

    people: list[dict[str, Any]]
    referred_at: datetime

    @property
    def has_children(self) -> bool:
        """Tell whether there are any."""
        return any(each["role"] == "child" for each in self.people)


class Households:
    """Whom the Police of a site report, when, and what they tell.

    Args:
        site: Which.
        until: When the last one is reported.
        seed: The same seed tells the same.
        repeats: The share of cases that are of a household met before.

    Attributes:
        questions: Those about risk that are asked there.
    """

    def __init__(
        self, site: Site, until: datetime, *, seed: int, repeats: float
    ) -> None:
        self._site = site
        self._until = until
        self._repeats = repeats
        self._seed = seed
        self._random = lot("households", site.name, seed)
        self._met: list[Household] = []
        self._numbers: set[str] = set()
        told = (locality_at(None, site.locality) / "referrals.yaml").read_bytes()
        self.questions: list[str] = yaml.safe_load(told)["questions"]

    @property
    def count(self) -> int:
        """How many cases are reported: as many a month as was published."""
        months = (self._until - self._site.starts) / MONTH
        return round(self._site.cases_a_month * months)

    def referrals(self) -> Iterator[tuple[datetime, Referral]]:
        """Give every referral, and when it is posted, in the order of time."""
        slots = -(-(self._until - self._site.starts) // SLOT)
        chosen = sorted(self._random.choices(range(slots), k=self.count))
        kinds = quotas(self._site, self.count)
        self._random.shuffle(kinds)
        for number, (slot, kind) in enumerate(zip(chosen, kinds, strict=True), 1):
            at = self._site.starts + slot * SLOT
            yield at, self._referral(number, kind, at)

    def _referral(self, number: int, kind: IncidentKind, at: datetime) -> Referral:
        household = self._household(at)
        random = self._random
        kaupapa_maori = random.random() < assumptions.KAUPAPA_MAORI[self._site.locality]
        return {
            "reference": f"pilot-{self._seed}-{self._site.locality}-{number}",
            "people": household.people,
            "incidents": [kind.value],
            "occurred_at": (at - random.random() * SLOT).isoformat(timespec="seconds"),
            "sharing": {"purpose": "fva20_a", "consulted": True},
            "place": {"area": random.choice(PLACES[self._site.locality])},
            "narrative": "Invented for a replay: nobody said or did this.",
            "answers": self._answers(kind, household),
            "wishes": {"kaupapa_maori": kaupapa_maori},
        }

    def _household(self, at: datetime) -> Household:
        random = self._random
        if self._met and random.random() < self._repeats:
            again = random.choice(self._met)
            if at - again.referred_at >= assumptions.REPEAT_AFTER:
                again.referred_at = at
                return again
        met = Household(self._people(at), at)
        self._met.append(met)
        return met

    def _people(self, at: datetime) -> list[dict[str, Any]]:
        family, other = self._random.choices(FAMILY, k=2)
        weights = assumptions.CHILDREN
        [children] = self._random.choices(range(len(weights)), weights)
        return [
            self._person(family, "person_harmed", ADULTS, at),
            self._person(other, "person_using_violence", ADULTS, at),
            *(self._person(family, "child", CHILDREN, at) for _ in range(children)),
        ]

    def _person(
        self, family: str, role: str, ages: tuple[int, int], at: datetime
    ) -> dict[str, Any]:
        youngest, oldest = (timedelta(days=365.25 * each) for each in ages)
        age = youngest + self._random.random() * (oldest - youngest)
        return {
            "role": role,
            "given_name": self._random.choice(GIVEN),
            "family_name": family,
            "date_of_birth": (at - age).date().isoformat(),
            "identifiers": [{"system": "nhi", "value": self._nhi()}],
        }

    def _nhi(self) -> str:
        """Give a number that nobody else has, at this site or the other."""
        while True:
            number = invented_nhi(self._random)
            own = int(number[3:6]) % len(SITES) == SITES.index(self._site)
            if own and number not in self._numbers:
                self._numbers.add(number)
                return number

    def _answers(self, kind: IncidentKind, household: Household) -> dict[str, str]:
        yes = {**assumptions.YES, **assumptions.YES_AFTER[kind]}
        if household.has_children:
            yes["children_present"] = assumptions.CHILDREN_PRESENT
        return {
            each: _answer(self._random, yes.get(each, 0.0)) for each in self.questions
        }


def _answer(random: Random, yes: float) -> str:
    if random.random() < yes:
        return "yes"
    open_ = random.random()
    if open_ < assumptions.UNKNOWN:
        return "unknown"
    return "not_asked" if open_ < assumptions.UNKNOWN + assumptions.NOT_ASKED else "no"
