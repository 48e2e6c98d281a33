"""What sealing costs: the cryptography alone, and a referral's save with and without.

    .venv/bin/python benchmarks/sealing.py

Starts a store of its own. The rounds alternate, because the machine's speed changes.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from accord_chassis.clock import SystemClock
from accord_chassis.development.process import kept_master_key
from accord_chassis.development.store import LocalStore
from accord_chassis.store import Database, Store, connect
from accord_chassis.testing import vault_in
from accord_chassis.vault import KeyService, VaultSettings
from accord_contracts.message import Lane
from accord_contracts.referrals import AgencyKind
from referrals.domain.policy import Expected
from referrals.domain.referral import Referral, Sender
from referrals.domain.telling import Telling
from referrals.store import Referrals

ROUNDS = 5
TOGETHER = 32
COUNT = 1000

AT = datetime(2026, 11, 2, 12, tzinfo=UTC)


class Plain(Store[Referral]):
    """The referrals, nothing sealed: what sealing is compared with."""

    entity = Referral
    collection = "plain"
    indexes = Referrals.indexes


def telling() -> Telling:
    """Give a referral with three people, an address each, and a narrative."""
    people = [
        {
            "role": role,
            "given_name": "Mere",
            "family_name": "Tāmihana",
            "date_of_birth": "1991-03-07",
            "identifiers": [{"system": "nhi", "value": "ZZZ0016"}],
            "contact_points": [{"channel": "phone", "value": "021 000 000"}],
        }
        for role in ("person_harmed", "person_using_violence", "child")
    ]
    return Telling.model_validate(
        {
            "people": people,
            "incidents": ["verbal_abuse"],
            "occurred_at": AT,
            "sharing": {"purpose": "fva20_a", "consulted": True},
            "place": {"area": "linwood", "address": "1 Somewhere Street"},
            "narrative": "What was seen. " * 40,
        }
    )


def referral(told: Telling) -> Referral:
    """Give one that was just posted."""
    sender = Sender(
        issuer="x", subject="x", agency="police", agency_kind=AgencyKind.POLICE
    )
    return Referral(
        id=str(uuid4()),
        sender=sender,
        told=told,
        fingerprint="x",
        lane=Lane.ROUTINE,
        received_at=AT,
        expected=Expected(assessed_by=AT, allocated_by=AT),
        told_from=AT,
    )


async def per_call(do: Callable[[], Awaitable[Any]], count: int) -> float:
    """Give the seconds of one call, by many after each other."""
    began = time.perf_counter()
    for _ in range(count):
        await do()
    return (time.perf_counter() - began) / count


async def a_second(save: Callable[[], Awaitable[Any]]) -> tuple[float, float]:
    """Give how many are saved a second, some at the same time, and what one costs.

    The cost is this process's time on the processor, in seconds; the store's is apart.
    """
    began, busy = time.perf_counter(), time.process_time()

    async def worker() -> None:
        for _ in range(COUNT // TOGETHER):
            await save()

    await asyncio.gather(*(worker() for _ in range(TOGETHER)))
    saved = COUNT // TOGETHER * TOGETHER
    cost = (time.process_time() - busy) / saved
    return saved / (time.perf_counter() - began), cost


async def cryptography(held: Referrals, told: Telling) -> None:
    """Measure sealing and opening, without any store."""
    made = await held.save(referral(told))
    document = await held.documents.find_one({"_id": made.id})
    fields = made.model_copy(update={"version": 2}).model_dump
    again = {**(document or {}), "_id": made.id}

    async def seal() -> None:
        await held.seal(made.id, fields(), Lane.ROUTINE)

    async def dump() -> None:
        fields()

    async def open_() -> None:
        told_ = {**again["told"], "people": [dict(e) for e in again["told"]["people"]]}
        told_ |= {"place": dict(told_["place"]), "sharing": dict(told_["sharing"])}
        await held.open([{**again, "told": told_}])

    sealing = await per_call(seal, 2000) - await per_call(dump, 2000)
    opening = await per_call(open_, 2000)
    blind = time.perf_counter()
    for _ in range(2000):
        held.vault.blind("nhi:zzz0016")
    blind = (time.perf_counter() - blind) / 2000
    print(f"seal a referral of three: {sealing * 1e6:.0f} µs, keys held")
    print(f"open it: {opening * 1e6:.0f} µs, keys held")
    print(f"blind index: {blind * 1e6:.1f} µs")


async def saves(database: Database, told: Telling) -> None:
    """Measure saves with and without, alternating."""
    stores: dict[str, Store[Referral]] = {
        "plain": Plain(database),
        "sealed": Referrals(database),
    }
    for each in stores.values():
        await each.prepare()
    alone: dict[str, list[float]] = {name: [] for name in stores}
    rates: dict[str, list[tuple[float, float]]] = {name: [] for name in stores}
    for _ in range(ROUNDS):
        for name, held in stores.items():

            async def save(held: Store[Referral] = held) -> None:
                await held.save(referral(told))

            alone[name].append(await per_call(save, 100))
            rates[name].append(await a_second(save))
    for name in stores:
        one = statistics.median(alone[name]) * 1000
        many = statistics.median(rate for rate, _ in rates[name])
        cost = statistics.median(cost for _, cost in rates[name]) * 1000
        print(
            f"{name}: {one:.2f} ms alone; {TOGETHER} at a time {many:.0f} a second, "
            f"{cost:.2f} ms of the processor each"
        )


async def main() -> None:
    """Measure everything once."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with LocalStore(folder / "store").running() as local:
            async with connect(local.url) as client:
                key = kept_master_key(folder / "key")
                vault = vault_in(client, "vault", key)
                await vault.open()
                database = Database(client, "bench", source="/x", clock=SystemClock())
                database.vault = vault
                told = telling()
                await cryptography(Referrals(database), told)
                settings = VaultSettings(
                    development=True, store_url="x", kms_key_file=key
                )
                async with KeyService(settings).through(client, "vault") as driver:
                    made = await per_call(lambda: driver.create_data_key("local"), 50)
                print(f"a data key through the driver: {made * 1000:.1f} ms")
                await saves(database, told)


asyncio.run(main())
