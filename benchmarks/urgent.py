"""How soon an urgent message stands in an inbox beside thousands of routine ones.

    .venv/bin/python benchmarks/urgent.py            # 20,000 routine, 20 urgent
    .venv/bin/python benchmarks/urgent.py --routine 2000

Starts a broker, a store and the platform of its own. Routine offers of roles to many
workers are published as fast as the broker takes them; while notify works them off,
urgent ones are published one by one, each to a worker of its own, and their inbox is
asked until it stands there. The promise is a second: it ends with 1 if one took longer,
and with 2 if nothing routine was left to overtake.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice
from uuid import uuid4

from accord.management import Management
from accord_chassis import topology
from accord_chassis.binding import pack
from accord_chassis.testing import message_of
from accord_chassis.transport import Publication
from accord_contracts.allocation import AllocationOffered, Role
from accord_contracts.message import Lane
from accord_contracts.risk import RiskLevel
from region import NAME, Region, region_of

TOGETHER = 500
"""Messages that are published at a time."""

CROWD = 500
"""Workers to whom what is routine is offered."""

APART_SECONDS = 0.5
PROMISED_SECONDS = 1.0
LONGEST_SECONDS = 60.0
"""For how long one urgent message is waited for: then the promise is broken anyway."""

EVERY_SECONDS = 0.01


@dataclass(frozen=True)
class Bench:
    """What is measured, and who is told."""

    region: Region
    crowd: Sequence[str]
    workers: Sequence[str]

    async def publish(self, lane: Lane, *workers: str) -> None:
        """Offer a role to each of some workers, each of another case."""
        sent = await self.region.transport.publish(
            [Publication(topology.EVENTS, pack(offer(e, lane))) for e in workers]
        )
        if any(sent):
            raise RuntimeError("The broker did not take everything.")

    async def seconds_to_inbox(self, worker: str) -> float:
        """Offer a worker something urgent; say how long until it is in their inbox."""
        async with self.region.client("notify", worker, "notify.inbox") as inbox:
            begun = time.perf_counter()
            await self.publish(Lane.URGENT, worker)
            while time.perf_counter() - begun < LONGEST_SECONDS:
                answer = await inbox.get("/v1/inbox?limit=1")
                if answer.ok and answer.json()["messages"]:
                    break
                await asyncio.sleep(EVERY_SECONDS)
            return time.perf_counter() - begun

    def waiting(self) -> int:
        """Count the routine messages that notify has not worked off."""
        queue = topology.queue_of("notify", Lane.ROUTINE)
        with Management(self.region.surroundings.management_url) as management:
            rows = management.rows("queues", NAME)
        return next(int(e.get("messages", 0)) for e in rows if e["name"] == queue)


def offer(worker: str, lane: Lane):  # noqa: ANN201 - A message of one type.
    """Offer a role; urgently at extreme risk."""
    now = datetime.now(UTC)
    event = AllocationOffered(
        case_id=str(uuid4()),
        allocation_id=str(uuid4()),
        role=Role.WHANAU_SUPPORT_WORKER,
        first_referred_at=now,
        worker_id=worker,
        level=RiskLevel.EXTREME if lane is Lane.URGENT else RiskLevel.LOW,
        offered_at=now,
        answer_by=now + timedelta(hours=3),
    )
    return message_of(event, at=now, lane=lane)


async def measure(routine: int, urgent: int) -> int:
    """Fill the routine lane, and see how soon urgent messages come past it."""
    crowd, workers = ([str(uuid4()) for _ in range(e)] for e in (CROWD, urgent + 1))
    async with region_of("allocation") as region:
        await region.hire((*crowd, *workers))
        return await run(Bench(region, crowd, workers), routine)


async def run(bench: Bench, routine: int) -> int:
    """Publish both, print what was seen, and say how it is to end."""
    workers, crowd = [*bench.workers], cycle(bench.crowd)
    alone = await bench.seconds_to_inbox(workers.pop())
    for _ in range(0, routine, TOGETHER):
        await bench.publish(Lane.ROUTINE, *islice(crowd, min(TOGETHER, routine)))
    took, beside = list[float](), list[int]()
    for worker in workers:
        beside.append(await asyncio.to_thread(bench.waiting))
        took.append(await bench.seconds_to_inbox(worker))
        await asyncio.sleep(APART_SECONDS)
    took.sort()
    print(f"alone, cold      {alone * 1000:7.0f} ms")
    print(f"routine waiting  {beside[0]} at the first, {beside[-1]} at the last")
    print(f"urgent, median   {statistics.median(took) * 1000:7.0f} ms")
    print(f"urgent, slowest  {took[-1] * 1000:7.0f} ms of {len(took)}")
    if not beside[-1]:
        return 2
    return int(took[-1] > PROMISED_SECONDS)


def main() -> None:
    """Measure as the command line says."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--routine", type=int, default=20_000)
    options.add_argument("--urgent", type=int, default=20)
    chosen = options.parse_args()
    raise SystemExit(asyncio.run(measure(chosen.routine, chosen.urgent + 1)))


if __name__ == "__main__":
    main()
