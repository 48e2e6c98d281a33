"""PyMongo's async client beside Motor, which it replaced: the same calls, one server.

Motor is no dependency of ours; bring it for the measurement:

    uv pip install --target /tmp/motor --no-deps motor
    PYTHONPATH=/tmp/motor .venv/bin/python benchmarks/drivers.py MONGODB_URL
"""

import asyncio
import importlib.metadata
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from motor.motor_asyncio import AsyncIOMotorClient  # type: ignore[import-not-found]
from pymongo import AsyncMongoClient

SECONDS = 1.0
ROUNDS = 5
Call = Callable[[Any, int], Awaitable[Any]]

CALLS: dict[str, Call] = {
    "insert_one": lambda c, _: c.insert_one({"_id": str(uuid4()), "n": 1}),
    "find_one": lambda c, n: c.find_one({"_id": str(n % 100)}),
    "update_one": lambda c, n: c.update_one({"_id": str(n % 100)}, {"$inc": {"n": 1}}),
}


async def rate(collection: Any, call: Call, concurrency: int) -> float:
    """Calls a second."""
    until = time.perf_counter() + SECONDS
    done = 0

    async def work() -> None:
        nonlocal done
        while time.perf_counter() < until:
            done += 1
            await call(collection, done)

    started = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(concurrency)))
    return done / (time.perf_counter() - started)


async def main(url: str) -> None:
    """Measure in alternating rounds and print medians."""
    name = f"drivers_{uuid4().hex[:8]}"
    clients = {
        "pymongo": AsyncMongoClient(url, maxPoolSize=16),
        "motor": AsyncIOMotorClient(url, maxPoolSize=16),
    }
    await clients["pymongo"][name].c.insert_many(
        [{"_id": str(n), "n": 0} for n in range(100)]
    )
    versions = {each: importlib.metadata.version(each) for each in clients}
    print(f"versions {versions}, {ROUNDS} rounds of {SECONDS} s, medians, calls/s")
    for call_name, call in CALLS.items():
        for concurrency in (1, 32):
            rates: dict[str, list[float]] = {each: [] for each in clients}
            for _ in range(ROUNDS):
                for driver, client in clients.items():
                    rates[driver].append(await rate(client[name].c, call, concurrency))
            ours, theirs = (statistics.median(rates[each]) for each in clients)
            print(
                f"{call_name:11} x{concurrency:<3} pymongo {ours:7.0f}  "
                f"motor {theirs:7.0f}  ratio {ours / theirs:.2f}"
            )
    await clients["pymongo"].drop_database(name)


asyncio.run(main(sys.argv[1]))
