"""How long it takes to tell who somebody is, among many who are known."""

import asyncio
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from random import Random
from statistics import quantiles
from typing import Any
from uuid import uuid4

from accord_chassis.clock import SystemClock
from accord_chassis.development import backing
from accord_chassis.development.machine import look
from accord_chassis.development.process import kept_master_key
from accord_chassis.settings import policy_of
from accord_chassis.store import Database, connect
from accord_chassis.vault import KeyService, Vault, VaultSettings
from pydantic import SecretStr
from referrals.domain.policy import Policy
from referrals.domain.recognition import Person, Sighting, sightings
from referrals.domain.telling import DescribedPerson
from referrals.domain.weighing import MatchingPolicy
from referrals.recognising import Known, weigh_all
from referrals.store import People, Reviews

from accord.world import invented_nhi, invented_phone

TOGETHER = 500
"""People who are saved at the same time."""

UNDATED = 0.05
"""The share of people of whom no birthday is known: an assumption."""

SYLLABLES = (
    *("ka", "ri", "to", "mel", "han", "wi", "ber", "son"),
    *("ma", "lin", "de", "fo", "na", "tu", "hu", "pe"),
)
"""Of which names are invented, so that a million people have thousands of them."""

NAMED = ("given_name", "family_name", "date_of_birth")
"""What a slip may be in."""

AGES = (0, 90)
"""Years, each as likely as another."""


@dataclass(frozen=True, slots=True)
class Report:
    """What was measured.

    Attributes:
        people: How many were known.
        milliseconds: What each question took, sorted.
        answers: How many were linked, asked about, or new.
        loading: Seconds in which those who are known were saved.
    """

    people: int
    milliseconds: list[float]
    answers: Counter[str]
    loading: float

    def at(self, percent: int) -> float:
        """Give a percentile of the time that a question took, in milliseconds."""
        return quantiles(self.milliseconds, n=100, method="inclusive")[percent - 1]

    def document(self) -> dict[str, Any]:
        """Give it for a machine."""
        return {
            "people": self.people,
            "asked": len(self.milliseconds),
            **{f"p{each}_ms": round(self.at(each), 2) for each in (50, 90, 99)},
            "max_ms": round(self.milliseconds[-1], 2),
            "loading_seconds": round(self.loading, 1),
            **self.answers,
        }


async def measure(locality: Path, people: int, asked: int, seed: int) -> Report:
    """Load invented people, then ask who some of them are, as a hurried form says it.

    Nobody is asked for by a code, and each has a slip in a name or in the birthday: the
    dearest question there is, because no key tells.

    Args:
        locality: The directory of its policies.
        people: How many are known.
        asked: How many are asked for, one after another; at least two.
        seed: Of everything that is invented.
    """
    rules = policy_of(Policy, locality, "referrals").recognition
    matching = policy_of(MatchingPolicy, locality, "matching")
    with tempfile.TemporaryDirectory(prefix="accord-match-") as name:
        folder = Path(name)
        with backing.store(folder / "store", look()) as url:
            client = connect(url)
            names = [f"{each}_{uuid4().hex}" for each in ("match", "vault")]
            vault = Vault(client, names[1], _guard(folder))
            await vault.open()
            database = Database(client, names[0], source="/match", clock=SystemClock())
            database.vault = vault
            held = Known(People(database), Reviews(database), rules, matching)
            await held.people.prepare()
            began = time.perf_counter()
            some = await _load(held, people, asked, Random(seed))  # noqa: S311
            loading = time.perf_counter() - began
            took, answers = await _ask(held, some, Random(seed))  # noqa: S311
            for each in names:
                await client.drop_database(each)
            await client.close()
    return Report(people, sorted(took), answers, loading)


def _guard(folder: Path) -> KeyService:
    return KeyService(
        VaultSettings(
            development=True,
            store_url=SecretStr("mongodb://127.0.0.1:1/"),
            kms_key_file=kept_master_key(folder / "master-key"),
        )
    )


async def _load(
    known: Known, people: int, asked: int, random: Random
) -> list[dict[str, Any]]:
    """Save people, and give some of them as they were described."""
    told = (somebody(random) for _ in range(people))
    every = max(1, people // asked)
    some: list[dict[str, Any]] = []
    number = 0
    while batch := list(islice(told, TOGETHER)):
        some += [each for at, each in enumerate(batch, number) if at % every == 0]
        number += len(batch)
        met = (_met(_seen(each, known)) for each in batch)
        await asyncio.gather(*map(known.people.save, met))
    return some[:asked]


async def _ask(
    known: Known, some: list[dict[str, Any]], random: Random
) -> tuple[list[float], Counter[str]]:
    took: list[float] = []
    answers: Counter[str] = Counter(linked=0, asked_about=0, new=0)
    for each in some:
        seen = _seen(slipped(each, random), known)
        began = time.perf_counter()
        holders = await known.people.known_by(seen.keys)
        found = None if holders else (await weigh_all([seen], known))[seen.id]
        took.append((time.perf_counter() - began) * 1000)
        if found is None or found.sure:
            answers["linked"] += 1
        else:
            answers["asked_about" if found.likely else "new"] += 1
    return took, answers


def _seen(told: dict[str, Any], known: Known) -> Sighting:
    person = DescribedPerson.model_validate(told)
    blind = known.people.vault.blind
    [seen] = sightings(str(uuid4()), [person], known.rules, blind)
    return seen


def _met(seen: Sighting) -> Person:
    return Person(id=seen.id, met_at=datetime.now(UTC)).learn(seen.keys).remember(seen)


def somebody(random: Random) -> dict[str, Any]:
    """Invent somebody, as an agency describes them."""
    days = random.randint(AGES[0] * 365, AGES[1] * 365)
    told: dict[str, Any] = {
        "role": "person_harmed",
        "given_name": _name(random),
        "family_name": _name(random),
        "identifiers": [{"system": "nhi", "value": f"{invented_nhi(random)}-{days}"}],
        "contact_points": [{"channel": "phone", "value": invented_phone(random)}],
    }
    if random.random() >= UNDATED:
        told["date_of_birth"] = str(date(2026, 7, 1) - timedelta(days=days))
    return told


def _name(random: Random) -> str:
    return "".join(random.choices(SYLLABLES, k=random.choice((2, 3)))).capitalize()


def slipped(told: dict[str, Any], random: Random) -> dict[str, Any]:
    """Describe somebody once more: no code, no phone, and one slip."""
    again = {**told, "identifiers": [], "contact_points": []}
    field = random.choice([each for each in NAMED if each in again])
    if field == "date_of_birth":
        born = date.fromisoformat(again[field])
        again[field] = str(born + timedelta(days=random.choice((-1, 1))))
    else:
        at = random.randrange(1, len(again[field]))
        again[field] = again[field][:at] + again[field][at + 1 :]
    return again
