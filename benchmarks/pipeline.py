"""The whole pipeline beside the same graph written plainly on FastStream.

Five processes each, an empty broker and an empty store for each, the same durability
(quorum queues, confirms, journaled writes), the same invented referrals, in alternating
rounds on one machine. A referral is through when the drafted plan and the message in
the offered worker's inbox have been told on the broker, that is after both were
durable.

    python benchmarks/pipeline.py [--referrals N] [--rounds N] [--json]
"""

import argparse
import asyncio
import contextlib
import importlib.metadata
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import uvloop
from accord.actors import AGENCY_SCOPES, coordinator_of
from accord.client import Client
from accord.management import Management
from accord.platform import Platform
from accord.surroundings import SERVICES, Surroundings, prepare
from accord.world import AGENCIES, Agency, World
from accord_chassis.development.backing import Backing, backing
from accord_chassis.development.process import free_ports
from aio_pika import ExchangeType, connect

ROOT = Path(__file__).parents[1]
LOCALITY = ROOT / "localities" / "canterbury"
TICK = os.sysconf("SC_CLK_TCK")
PATIENCE = 120.0
LIGHT_RATE = 5.0
QUIET_ANSWERS = "no"


@dataclass
class Through:
    """When each referral was posted, answered, planned and notified."""

    posted: dict[str, float] = field(default_factory=dict)
    answered: dict[str, float] = field(default_factory=dict)
    planned: dict[str, float] = field(default_factory=dict)
    notified: dict[str, float] = field(default_factory=dict)
    referral_of: dict[str, str] = field(default_factory=dict)
    _early: dict[str, float] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def plan(self, case_id: str, referral_id: str, at: float) -> None:
        """Note that a plan was drafted."""
        self.planned.setdefault(referral_id, at)
        self.referral_of[case_id] = referral_id
        if case_id in self._early:
            self.notified.setdefault(referral_id, self._early.pop(case_id))
        self.changed.set()

    def notice(self, case_id: str, at: float) -> None:
        """Note that a worker has the offer in the inbox."""
        if case_id in self.referral_of:
            self.notified.setdefault(self.referral_of[case_id], at)
        else:
            self._early.setdefault(case_id, at)
        self.changed.set()

    async def all_through(self, count: int) -> None:
        """Wait until as many are through as were posted."""
        try:
            async with asyncio.timeout(PATIENCE):
                while min(len(self.planned), len(self.notified)) < count:
                    self.changed.clear()
                    await self.changed.wait()
        except TimeoutError:
            amiss = set(self.posted) - (set(self.planned) & set(self.notified))
            raise TimeoutError(
                f"Of {count} referrals, {len(self.planned)} were planned and "
                f"{len(self.notified)} notified within {PATIENCE:.0f} s; amiss: "
                f"{' '.join(sorted(amiss))}."
            ) from None

    def durations(self) -> list[float]:
        """Seconds from each POST until both were told."""
        return [
            max(self.planned[each], self.notified[each]) - at
            for each, at in self.posted.items()
        ]


@asynccontextmanager
async def watching(url: str, exchange: str, through: Through) -> AsyncIterator[None]:
    """Hear what both sides tell in the end, on a queue of one's own."""
    connection = await connect(url)
    async with connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=1000)
        topic = await channel.declare_exchange(
            exchange, ExchangeType.TOPIC, durable=True
        )
        queue = await channel.declare_queue(exclusive=True)
        for key in ("plan.drafted.v1.#", "notification.sent.v1.#"):
            await queue.bind(topic, key)

        async def heard(message: Any) -> None:
            told = json.loads(message.body)
            at = time.perf_counter()
            if (message.routing_key or "").startswith("plan."):
                through.plan(told["case_id"], told["referral_id"], at)
            else:
                through.notice(told["case_id"], at)

        await queue.consume(heard, no_ack=True)
        yield


@dataclass
class Side:
    """One of the two that are compared, running."""

    name: str
    url: str
    token: str | None
    broker_url: str
    exchange: str
    pids: list[int]


def referrals(count: int, name: str) -> list[dict[str, Any]]:
    """Invented referrals of low risk: every pair is met for the first time."""
    world = World(LOCALITY, seed=hash(name) % 10_000)
    made = []
    for number in range(count):
        told = world.referral(f"{name}-{number}", datetime.now(UTC))
        told["answers"] = dict.fromkeys(told["answers"], QUIET_ANSWERS)
        told["incidents"] = ["verbal_abuse"]
        # There are too few invented names for nobody to share one by chance.
        for place, person in enumerate(told["people"], start=1):
            person["family_name"] += f" {name}-{number}"
            person["identifiers"] = [
                {"system": "police_person_record", "value": f"Z{name}-{number}-{place}"}
            ]
        made.append(told)
    return made


async def post(
    side: Side, told: list[dict[str, Any]], through: Through, *, connections: int
) -> None:
    """Post as fast as the answers come, over kept-alive connections."""
    waiting = iter(told)

    async def work() -> None:
        async with Client(side.url, token=side.token) as client:
            for each in waiting:
                await post_one(client, each, through)

    await asyncio.gather(*(work() for _ in range(connections)))


async def post_one(client: Client, told: dict[str, Any], through: Through) -> None:
    """Post one, and note the times."""
    began = time.perf_counter()
    answer = await client.send("POST", "/v1/referrals", told)
    if answer.status != httpx2.codes.ACCEPTED:
        raise RuntimeError(f"{answer.status} {answer.body[:300]!r}")
    referral_id = answer.json()["referral_id"]
    through.posted[referral_id] = began
    through.answered[referral_id] = time.perf_counter() - began


async def post_lightly(
    side: Side, told: list[dict[str, Any]], through: Through, *, rate: float
) -> None:
    """Post at a steady rate."""
    start = time.perf_counter()

    async def one(number: int, each: dict[str, Any]) -> None:
        await asyncio.sleep(start + number / rate - time.perf_counter())
        async with Client(side.url, token=side.token) as client:
            await post_one(client, each, through)

    await asyncio.gather(*(one(number, each) for number, each in enumerate(told)))


def cpu_seconds(pid: int) -> float:
    """Processor time of a process and its threads so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def resident_mib(pid: int) -> float:
    """Memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


async def measure(
    side: Side, machines: dict[str, int], count: int, connections: int
) -> dict[str, float]:
    """One round: sustained load, then light load."""
    label = f"{side.name}-{time.time_ns()}"
    warm, loaded, light = Through(), Through(), Through()
    async with watching(side.broker_url, side.exchange, warm):
        await post(side, referrals(20, f"{label}-w"), warm, connections=4)
        await warm.all_through(20)
    told = referrals(count, label)
    pids = {**{f"service {n}": pid for n, pid in enumerate(side.pids)}, **machines}
    async with watching(side.broker_url, side.exchange, loaded):
        before = {name: cpu_seconds(pid) for name, pid in pids.items()}
        own = time.process_time()
        began = time.perf_counter()
        await post(side, told, loaded, connections=connections)
        await loaded.all_through(count)
        took = time.perf_counter() - began
        own = time.process_time() - own
    spent = {name: cpu_seconds(pid) - before[name] for name, pid in pids.items()}
    few = referrals(int(LIGHT_RATE * 10), f"{label}-l")
    async with watching(side.broker_url, side.exchange, light):
        await post_lightly(side, few, light, rate=LIGHT_RATE)
        await light.all_through(len(few))
    services = sum(v for name, v in spent.items() if name.startswith("service"))
    return {
        "throughput": count / took,
        "p50_ms": percentile(light.durations(), 50) * 1000,
        "p99_ms": percentile(light.durations(), 99) * 1000,
        "post_p99_ms": percentile(list(light.answered.values()), 99) * 1000,
        "services_cpu_ms": services / count * 1000,
        "broker_cpu_ms": spent["broker"] / count * 1000,
        "store_cpu_ms": spent["store"] / count * 1000,
        "load_cpu_ms": own / count * 1000,
        "services_mib": sum(map(resident_mib, side.pids)),
    }


def percentile(values: list[float], nth: int) -> float:
    """The nth of a hundred."""
    return statistics.quantiles(values, n=100, method="inclusive")[nth - 1]


@asynccontextmanager
async def accord_side(found: Backing, folder: Path) -> AsyncIterator[Side]:
    """Accord's five services as processes, with staff enough for the load."""
    surroundings = await asyncio.to_thread(
        prepare, found, region="canterbury", locality=LOCALITY, folder=folder / "accord"
    )
    async with Platform(surroundings, folder / "accord" / "run") as platform:
        await platform.start()
        await hire(platform, surroundings)
        police = AGENCIES[0]
        await register(platform, surroundings, police)
        token = surroundings.issuer.token(
            police.code, *AGENCY_SCOPES, region="canterbury", **police.claims
        )
        yield Side(
            "accord",
            platform["referrals"].url,
            token,
            f"{found.amqp_url.rstrip('/')}/canterbury",
            "accord.events",
            [each.pid for each in platform],
        )


async def register(
    platform: Platform, surroundings: Surroundings, agency: Agency
) -> None:
    """Put the agency that refers into the register."""
    token = surroundings.issuer.token("admin", "referrals.admin", region="canterbury")
    async with Client(platform["referrals"].url, token=token) as client:
        answer = await client.send("PUT", f"/v1/agencies/{agency.code}", agency.entry)
        if not answer.ok:
            raise RuntimeError(answer.body)


async def hire(platform: Platform, surroundings: Surroundings) -> None:
    """Put two hundred workers into the directory, as the peer has."""
    token = surroundings.issuer.token(
        "admin", "allocation.admin", region="canterbury", worker=""
    )
    entry = coordinator_of(World(LOCALITY).staff()).entry | {
        "roles": ["whanau_support_worker"],
        "capacity": 100_000,
        "deputy": None,
        "team_lead": None,
        "duty_coordinator": False,
    }
    async with Client(platform["allocation"].url, token=token) as client:
        for number in range(200):
            worker = f"00000000-0000-4000-8000-{number:012d}"
            answer = await client.send("PUT", f"/v1/workers/{worker}", entry)
            if not answer.ok:
                raise RuntimeError(answer.body)


@asynccontextmanager
async def plain_side(found: Backing, folder: Path) -> AsyncIterator[Side]:
    """The peer's five services as processes."""
    ports = dict(zip(SERVICES, free_ports(len(SERVICES)), strict=True))
    with Management(found.management_url) as management:
        management.put("vhosts", "plain", body={})
        management.put(
            "permissions",
            "plain",
            management.user,
            body={"configure": ".*", "write": ".*", "read": ".*"},
        )
    broker_url = f"{found.amqp_url.rstrip('/')}/plain"
    processes = [
        subprocess.Popen(  # noqa: ASYNC220 - Five, before anything is measured.
            [sys.executable, str(Path(__file__).with_name("plain.py")), name],
            env={
                **os.environ,
                "PLAIN_AMQP_URL": broker_url,
                "PLAIN_STORE_URL": found.store_url,
                "PLAIN_DATABASE": "plain",
                "PLAIN_PORT": str(port),
                "PLAIN_LOCALITY": str(LOCALITY),
                "PLAIN_ALLOCATION_URL": f"http://127.0.0.1:{ports['allocation']}",
            },
            stdout=(folder / f"plain-{name}.log").open("wb"),
            stderr=subprocess.STDOUT,
        )
        for name, port in ports.items()
    ]
    try:
        for port in ports.values():
            await ready(f"http://127.0.0.1:{port}/ready")
        url = f"http://127.0.0.1:{ports['referrals']}"
        pids = [each.pid for each in processes]
        yield Side("faststream", url, None, broker_url, "plain.events", pids)
    finally:
        for each in processes:
            each.terminate()
        for each in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(each.wait, 20)
            each.kill()


async def ready(url: str) -> None:
    """Wait until a service answers."""
    async with httpx2.AsyncClient() as client, asyncio.timeout(60):
        while True:
            with contextlib.suppress(httpx2.TransportError):
                if (await client.get(url)).status_code == httpx2.codes.OK:
                    return
            await asyncio.sleep(0.2)


SideOf = Callable[[Backing, Path], Any]
SIDES: dict[str, SideOf] = {"accord": accord_side, "faststream": plain_side}


async def rounds(options: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    """Alternate the two sides, each on an empty broker and an empty store."""
    results: dict[str, list[dict[str, float]]] = {name: [] for name in SIDES}
    for number in range(options.rounds):
        for name in SIDES:
            if options.only and name != options.only:
                continue
            result = await round_of(name, options)
            results[name].append(result)
            say(f"round {number + 1}  {name:10}  {line(result)}")
    return results


async def round_of(name: str, options: argparse.Namespace) -> dict[str, float]:
    """Measure one side once. Who comes second must not pay for what the first left.

    Of a round that fails everything is kept, to look for the reason.
    """
    folder = Path(tempfile.mkdtemp(prefix="accord-bench-"))
    with backing(folder) as found:
        machines = machine_pids(folder)
        async with SIDES[name](found, folder) as side:
            try:
                result = await measure(
                    side, machines, options.referrals, options.connections
                )
            except TimeoutError as fault:
                raise SystemExit(f"{name}: {fault} See {folder}.") from None
    shutil.rmtree(folder)
    return result


def machine_pids(folder: Path) -> dict[str, int]:
    """The broker's and the store's processes, for their share of the work."""
    return {
        "broker": pid_below(folder / "broker", "beam.smp"),
        "store": pid_below(folder / "store", "secantusd-rs"),
    }


def pid_below(folder: Path, program: str) -> int:
    """The process of a program that was started with something of this folder."""
    for each in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (each / "cmdline").read_bytes()
            started = Path(command.split(b"\0")[0].decode()).name
            if started == program and str(folder).encode() in command:
                return int(each.name)
    raise LookupError(f"no {program} of {folder}")


def line(result: dict[str, float]) -> str:
    """A round in a line."""
    return "  ".join(f"{name} {value:.1f}" for name, value in result.items())


def say(text: str) -> None:
    """Print, but not into the JSON."""
    print(text, file=sys.stderr, flush=True)


def summary(results: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Medians of both sides and their ratio."""
    medians = {
        side: {
            name: statistics.median(each[name] for each in found) for name in found[0]
        }
        for side, found in results.items()
        if found
    }
    told: dict[str, Any] = {
        "medians": medians,
        "rounds": results,
        "versions": {
            each: importlib.metadata.version(each)
            for each in ("faststream", "aio-pika", "pymongo", "fastapi", "uvicorn")
        },
    }
    if len(medians) == len(SIDES):
        ours, theirs = medians["accord"], medians["faststream"]
        told["ratio"] = ours["throughput"] / theirs["throughput"]
    return told


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--referrals", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--only", choices=list(SIDES))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    told = summary(uvloop.run(rounds(options)))
    if options.json:
        print(json.dumps(told, indent=2))
        return
    for side, medians in told["medians"].items():
        print(f"{side:10}  {line(medians)}")
    if "ratio" in told:
        print(f"throughput: {told['ratio']:.1f} times FastStream's")


if __name__ == "__main__":
    main()
