"""How long it takes to tell who somebody is, among many who are known."""

import asyncio
import contextlib
import gc
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import cycle, islice
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
from accord_chassis.store import Conflict, Database, connect
from accord_chassis.vault import KeyService, Vault, VaultSettings
from pydantic import BaseModel, SecretStr
from pymongo import AsyncMongoClient
from referrals.domain.policy import Policy
from referrals.domain.recognition import Person, Sighting, sightings
from referrals.domain.telling import DescribedPerson
from referrals.domain.weighing import MatchingPolicy
from referrals.recognising import Known, weigh_all
from referrals.review_store import Reviews
from referrals.store import People

from accord.faults import CannotGoOn
from accord.world import invented_nhi, invented_phone

TOGETHER = 200
"""People who are saved at the same time: as many as one write takes."""

SIDE_BY_SIDE = 4
"""How many times so many are on their way."""

REMEMBERED = 10_000
"""The most people of whom it is remembered how they were described, to ask for them."""

CACHE = "2G"
"""How much memory the store may fill: a region's keeps its indexes in memory too."""

STORES = ("match", "vault")
"""What the databases' names begin with."""

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


class Kept(BaseModel):
    """What is loaded into a folder, so that more can be asked of it another day.

    Attributes:
        people: How many are known.
        seed: Of which they were invented.
        names: The databases: of the people, and of the vault.
        loading: Seconds in which they were saved.
        some: A few of them as they were described, evenly spread.
    """

    people: int
    seed: int
    names: tuple[str, ...]
    loading: float
    some: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Took:
    """What one question took, in milliseconds.

    Attributes:
        wall: Until it was answered, whatever else the machine did meanwhile.
        processor: Of this process alone, without the store's.
    """

    wall: float
    processor: float


@dataclass(frozen=True, slots=True)
class Report:
    """What was measured.

    Attributes:
        people: How many were known.
        took: What each question took.
        answers: How many were linked, asked about, or new.
        loading: Seconds in which those who are known were saved.
    """

    people: int
    took: list[Took]
    answers: Counter[str]
    loading: float

    def wall(self, percent: int) -> float:
        """Give a percentile of the time until a question was answered, in ms."""
        return _at([each.wall for each in self.took], percent)

    def processor(self, percent: int) -> float:
        """Give a percentile of this process's time for a question, in ms."""
        return _at([each.processor for each in self.took], percent)

    def document(self) -> dict[str, Any]:
        """Give it for a machine."""
        percents = (50, 90, 99)
        return {
            "people": self.people,
            "asked": len(self.took),
            **{f"p{each}_ms": round(self.wall(each), 2) for each in percents},
            "max_ms": round(max(each.wall for each in self.took), 2),
            **{
                f"p{each}_processor_ms": round(self.processor(each), 2)
                for each in percents
            },
            "loading_seconds": round(self.loading, 1),
            **self.answers,
        }


def _at(milliseconds: list[float], percent: int) -> float:
    return quantiles(milliseconds, n=100, method="inclusive")[percent - 1]


async def measure(
    locality: Path, people: int, asked: int, seed: int, folder: Path | None = None
) -> Report:
    """Load invented people, then ask who some of them are, as a hurried form says it.

    Nobody is asked for by a code, and each has a slip in a name or in the birthday: the
    dearest question there is, because no key tells.

    Args:
        locality: The directory of its policies.
        people: How many are known.
        asked: How many are asked for, one after another; at least two.
        seed: Of everything that is invented.
        folder: Where they stay for another time, if they shall. Whoever was loaded into
            it before is not loaded again.

    Raises:
        CannotGoOn: Others were loaded into the folder.
    """
    with tempfile.TemporaryDirectory(prefix="accord-match-") as gone:
        place = folder or Path(gone)
        known_as = place / "loaded.json"
        kept = _kept(known_as, people, seed)
        names = kept.names if kept else tuple(f"{e}_{uuid4().hex}" for e in STORES)
        with backing.store(place / "store", look(), cache=CACHE) as url:
            client = connect(url)
            held = await _known(client, names, place, locality)
            if kept is None:
                kept = await _load(held, people, seed, names)
                known_as.write_text(kept.model_dump_json(), encoding="utf-8")
            again = islice(cycle(kept.some), asked)
            took, answers = await _ask(held, again, Random(seed))  # noqa: S311
            if folder is None:
                for each in names:
                    await client.drop_database(each)
            await client.close()
    return Report(people, took, answers, kept.loading)


def _kept(known_as: Path, people: int, seed: int) -> Kept | None:
    if not known_as.exists():
        return None
    kept = Kept.model_validate_json(known_as.read_bytes())
    if (kept.people, kept.seed) != (people, seed):
        raise CannotGoOn(
            f"{known_as.parent} holds {kept.people} people of seed {kept.seed}.",
            mend="Ask for as many of the same seed, or keep these somewhere else.",
        )
    return kept


async def _known(
    client: AsyncMongoClient[dict[str, Any]],
    names: tuple[str, ...],
    place: Path,
    locality: Path,
) -> Known:
    people, keys = names
    vault = Vault(client, keys, _guard(place))
    await vault.open()
    database = Database(client, people, source="/match", clock=SystemClock())
    database.vault = vault
    known = Known(
        People(database),
        Reviews(database),
        policy_of(Policy, locality, "referrals").recognition,
        policy_of(MatchingPolicy, locality, "matching"),
    )
    await known.people.prepare()
    return known


def _guard(folder: Path) -> KeyService:
    return KeyService(
        VaultSettings(
            development=True,
            store_url=SecretStr("mongodb://127.0.0.1:1/"),
            kms_key_file=kept_master_key(folder / "master-key"),
        )
    )


async def _load(known: Known, people: int, seed: int, names: tuple[str, ...]) -> Kept:
    """Save people as the service does, and keep how some of them were described."""
    began = time.perf_counter()
    random = Random(seed)  # noqa: S311
    told = enumerate(somebody(random) for _ in range(people))
    every = -(-people // REMEMBERED)
    some: dict[int, dict[str, Any]] = {}

    async def load() -> None:
        while batch := list(islice(told, TOGETHER)):
            some.update((at, each) for at, each in batch if at % every == 0)
            met = [_met(_seen(each, known)) for _, each in batch]
            await asyncio.gather(*(_save(each, known.people) for each in met))

    # While the store is busy with some, others are described. All of them are let go
    # of by themselves, and looking for what is not took a sixth of the time.
    gc.disable()
    try:
        async with asyncio.TaskGroup() as loading:
            for _ in range(SIDE_BY_SIDE):
                loading.create_task(load())
    finally:
        gc.enable()
    return Kept(
        people=people,
        seed=seed,
        names=names,
        loading=time.perf_counter() - began,
        some=[some[at] for at in sorted(some)],
    )


async def _save(met: Person, people: People) -> None:
    # Of a million, some have a name and a birthday that somebody else has too: by these
    # they are the same.
    with contextlib.suppress(Conflict):
        await people.save(met)


async def _ask(
    known: Known, some: Iterable[dict[str, Any]], random: Random
) -> tuple[list[Took], Counter[str]]:
    took: list[Took] = []
    answers: Counter[str] = Counter(linked=0, asked_about=0, new=0)
    for each in some:
        seen = _seen(slipped(each, random), known)
        began, used = time.perf_counter(), time.process_time()
        holders = await known.people.known_by(seen.keys)
        found = None if holders else (await weigh_all([seen], known))[seen.id]
        wall, processor = time.perf_counter() - began, time.process_time() - used
        took.append(Took(wall * 1000, processor * 1000))
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
