"""How long it takes to tell who somebody is, among many who are known."""

import asyncio
import contextlib
import gc
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import cycle, islice
from multiprocessing import get_context
from pathlib import Path
from random import Random
from statistics import quantiles
from typing import Any, NamedTuple
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
from accord.parallel import without_interrupts
from accord.world import invented_nhi, invented_phone

TOGETHER = 200
"""People who are saved at the same time: as many as one write takes."""

SIDE_BY_SIDE = 4
"""How many times so many are on their way."""

SHARE = 10_000
"""People who are invented of one seed, and saved by one process."""

PROCESSES = 2
"""How many save people: telling, sealing and blinding takes longer than the store."""

REMEMBERED = 100
"""Of how many of a share it is remembered how they were described, to ask for them."""

CACHE = "12G"
"""How much memory the store may fill: a region's keeps its indexes in memory too. Eight
kilobytes a person were seen."""

UNWRITTEN = ",".join(
    f"eviction_{what}_{bound}={percent}"
    for what in ("dirty", "updates")
    for bound, percent in (("target", 70), ("trigger", 80))
)
"""How full its cache may be of what is in its log alone. Blind keys come in no order:
where the store begins to write pages at five percent, as it does by itself, each is
written again for a few new keys, and saving becomes slower with each who is saved."""

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

    def __str__(self) -> str:
        """Say it in a paragraph."""
        answers = ", ".join(
            f"{count} {answer.replace('_', ' ')}"
            for answer, count in self.answers.items()
        )
        return (
            f"{self.people} people were saved in {self.loading:.0f} s. "
            f"Each question took {self.wall(50):.1f} ms in the median, "
            f"{self.wall(99):.1f} ms at most in 99 of 100: {answers}. Of that, the "
            f"time of this process's processor: {self.processor(50):.1f} ms and "
            f"{self.processor(99):.1f} ms."
        )

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
    locality: Path,
    people: Iterable[int],
    asked: int,
    seed: int,
    folder: Path | None = None,
) -> AsyncIterator[Report]:
    """Load invented people, then ask who some of them are, as a hurried form says it.

    Nobody is asked for by a code, and each has a slip in a name or in the birthday: the
    dearest question there is, because no key tells.

    Args:
        locality: The directory of its policies.
        people: How many are known; if several, it is asked when so many are, and more
            are loaded then.
        asked: How many are asked for each time, one after another; at least two.
        seed: Of everything that is invented.
        folder: Where they stay for another time, if they shall. Whoever was loaded into
            it before is not loaded again.

    Raises:
        CannotGoOn: Others were loaded into the folder, or more.
    """
    with tempfile.TemporaryDirectory(prefix="accord-match-") as gone:
        place = folder or Path(gone)
        known_as = place / "loaded.json"
        kept = _kept(known_as, min(people), seed)
        _hold_unwritten(place / "store" / "data")
        with backing.store(place / "store", look(), cache=CACHE) as url:
            client = connect(url)
            where = _Where(url, kept.names, place, locality)
            held = await _known(client, *where[1:])
            for count in sorted(people):
                kept = await _grown(kept, count, where)
                known_as.write_text(kept.model_dump_json(), encoding="utf-8")
                spread = kept.some[:: max(1, len(kept.some) // asked)]
                again = islice(cycle(spread), asked)
                took, answers = await _ask(held, again, Random(seed))  # noqa: S311
                yield Report(count, took, answers, kept.loading)
            if folder is None:
                for each in kept.names:
                    await client.drop_database(each)
            await client.close()


def _hold_unwritten(data: Path) -> None:
    """Have the embedded store's engine (WiredTiger) hold in memory what it can."""
    data.mkdir(parents=True, exist_ok=True)
    (data / "WiredTiger.config").write_text(f"{UNWRITTEN}\n", encoding="utf-8")


def _kept(known_as: Path, people: int, seed: int) -> Kept:
    if not known_as.exists():
        names = tuple(f"{each}_{uuid4().hex}" for each in STORES)
        return Kept(people=0, seed=seed, names=names, loading=0.0, some=[])
    kept = Kept.model_validate_json(known_as.read_bytes())
    if kept.seed != seed or kept.people > people:
        raise CannotGoOn(
            f"{known_as.parent} holds {kept.people} people of seed {kept.seed}.",
            mend="Ask for as many or more of the same seed, or keep these elsewhere.",
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


class _Where(NamedTuple):
    """Where people are saved, by whatever process."""

    url: str
    names: tuple[str, ...]
    place: Path
    locality: Path


async def _grown(kept: Kept, people: int, where: _Where) -> Kept:
    """Save people until so many are known, and keep how some were described."""
    if kept.people >= people:
        return kept
    began = time.perf_counter()
    starts = range(kept.people, people, SHARE)
    counts = [min(SHARE, people - start) for start in starts]
    seeds = [f"{kept.seed}/{start}" for start in starts]
    in_parallel = asyncio.get_running_loop().run_in_executor
    with ProcessPoolExecutor(PROCESSES, get_context("spawn")) as pool:
        with without_interrupts():
            shares = [
                in_parallel(pool, _save_share, where, count, seed)
                for count, seed in zip(counts, seeds, strict=True)
            ]
        some = [each for share in await asyncio.gather(*shares) for each in share]
    update = {
        "people": people,
        "loading": kept.loading + time.perf_counter() - began,
        "some": [*kept.some, *some],
    }
    return kept.model_copy(update=update)


def _save_share(where: _Where, people: int, seed: str) -> list[dict[str, Any]]:
    """Save people in a process of its own, and give how some were described."""
    # All that is let go of goes by itself, and looking for what does not took a sixth
    # of the time.
    gc.disable()
    try:
        return asyncio.run(_load(where, people, Random(seed)))  # noqa: S311
    finally:
        gc.enable()


async def _load(where: _Where, people: int, random: Random) -> list[dict[str, Any]]:
    """Save people as the service does."""
    every = -(-people // REMEMBERED)
    told = enumerate(somebody(random) for _ in range(people))
    some: list[dict[str, Any]] = []
    client = connect(where.url)
    known = await _known(client, *where[1:])

    async def load() -> None:
        while batch := list(islice(told, TOGETHER)):
            some.extend(each for at, each in batch if at % every == 0)
            met = [_met(_seen(each, known)) for _, each in batch]
            await asyncio.gather(*(_save(each, known.people) for each in met))

    # While the store is busy with some, others are described.
    async with asyncio.TaskGroup() as loading:
        for _ in range(SIDE_BY_SIDE):
            loading.create_task(load())
    await client.close()
    return some


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
    vault = known.people.vault
    [seen] = sightings(
        str(uuid4()), [person], known.rules, blind=vault.blind, id_of=vault.id_of
    )
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
