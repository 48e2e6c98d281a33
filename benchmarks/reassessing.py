"""What a reassessment costs, and how long another policy takes to be simulated.

    .venv/bin/python benchmarks/reassessing.py [CASES [REASSESSMENTS]]

Reassessments go through the real handler, a store and a broker of its own, thirty-two
side by side: loaded, weighed, saved in one durable write, and told with confirms to the
queues of everybody who listens. HTTP, decisions and the audit log are left out. The
same store's cases are then read and weighed by two policies, as `accord risk simulate
--against stored` does it. Processor time is shown beside the clock's, because that does
not change with what else runs on the machine.

It ends with 1 if either goal is missed, by the clock: 10,000 reassessments a minute,
and 100,000 stored cases simulated within 60 seconds (of fewer, in proportion).
"""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path
from random import Random

from accord.catalogue import catalogue_of
from accord.deployment import Deployment
from accord.rescoring import run_stored
from accord.surroundings import prepare
from accord_chassis.clock import SystemClock
from accord_chassis.development.backing import Backing, backing
from accord_chassis.rabbit import RabbitTransport
from accord_chassis.relay import Relay
from accord_chassis.settings import policy_of
from accord_chassis.store import Database, connect
from accord_contracts.referrals import Answer, IncidentKind, PersonRole
from bson import decode, encode
from pipeline import cpu_seconds, machine_pids
from risk.domain.assessment import Assessment
from risk.domain.judgement.record import Contact
from risk.domain.policy import Policy
from risk.domain.telling import Telling
from risk.judging import reassess
from risk.store import Assessments

LOCALITIES = Path(__file__).parents[1] / "localities"
POLICIES = [
    policy_of(Policy, LOCALITIES / e, "risk") for e in ("canterbury", "waikato")
]
NOW = datetime.now(UTC)
SIDE_BY_SIDE = 32
AT_ONCE = 1000
LEAST_A_MINUTE = 10_000
LONGEST_FOR_100_000 = 60.0
"""Seconds, for 100,000 stored cases."""
INVENTED = 5000
"""Cases invented, which costs more than to weigh them; the others are like them."""


def answers(random: Random) -> dict[str, Answer]:
    """Invent answers: a third yes, a few unknown."""
    weights = (3, 5, 1, 1)
    kinds = (Answer.YES, Answer.NO, Answer.UNKNOWN, Answer.NOT_ASKED)
    keys = [*POLICIES[0].questions]
    return dict(zip(keys, random.choices(kinds, weights, k=len(keys)), strict=True))


def case(random: Random) -> Assessment:
    """Invent a case of one to three referrals."""
    held = Assessment.new(id_(random), NOW)
    for _ in range(random.randint(1, 3)):
        at = NOW - timedelta(hours=random.uniform(0, 1500))
        telling = Telling(
            occurred_at=at,
            received_at=at,
            incidents=frozenset({random.choice([*IncidentKind])}),
            answers=answers(random),
            people={each: (id_(random),) for each in PersonRole},
        )
        held = held.told(id_(random), telling)
        held = held.weigh(telling.answers, telling.incidents, POLICIES[0], at)
        held = held.model_copy(update={"version": held.version + 1})
    groups = {each: random.choice(codes) for each, codes in POLICIES[0].groups.items()}
    return held.model_copy(update={"groups": groups})


def id_(random: Random) -> str:
    """Invent an id."""
    raw = f"{random.getrandbits(128):032x}"
    return "-".join((raw[:8], raw[8:12], raw[12:16], raw[16:20], raw[20:]))


@contextmanager
def spending(
    machines: dict[str, int], what: str, count: int, clocked: dict[str, float]
) -> Iterator[None]:
    """Print what is spent meanwhile: in all, and by each process for one of many.

    Ended children count with this process. The seconds for one go to ``clocked``.
    """
    began, own, before = time.perf_counter(), _own(), _all(machines)
    yield
    clocked[what] = (time.perf_counter() - began) / count
    took, own = time.perf_counter() - began, _own() - own
    spent = {name: each - before[name] for name, each in _all(machines).items()}
    each = {"service": own, **spent}
    parts = ", ".join(f"{n} {t / count * 1000:.2f}" for n, t in each.items())
    print(
        f"{count} {what}: {took:.1f} s, {count / took * 60:.0f} a minute; processor"
        f" {sum(each.values()):.1f} s, {sum(each.values()) / count * 1000:.2f} ms each"
        f" ({parts})",
        flush=True,
    )


def _own() -> float:
    told = os.times()
    return told.user + told.system + told.children_user + told.children_system


def _all(machines: dict[str, int]) -> dict[str, float]:
    return {name: cpu_seconds(pid) for name, pid in machines.items()}


async def fill(store: Assessments, cases: int, random: Random) -> list[str]:
    """Store cases, and give their ids: some are invented, the others are like them."""
    await store.prepare()
    options = store.documents.codec_options
    invented = (case(random).model_dump() for _ in range(min(INVENTED, cases)))
    documents = [
        decode(encode(store._document(each, [], None), codec_options=options), options)  # noqa: SLF001
        for each in invented
    ]
    ids = [id_(random) for _ in range(cases)]
    like = cycle(documents)
    for some in batched(ids, AT_ONCE):
        await store.documents.insert_many({**next(like), "_id": e} for e in some)
    return ids


def batched(ids: list[str], size: int) -> Iterator[list[str]]:
    """Give ids in portions."""
    return (ids[at : at + size] for at in range(0, len(ids), size))


async def measure(
    found: Backing, folder: Path, machines: dict[str, int], cases: int, turns: int
) -> dict[str, float]:
    """Fill a store, reassess, and give the seconds for one."""
    clocked: dict[str, float] = {}
    locality = LOCALITIES / "canterbury"
    region = await asyncio.to_thread(
        prepare, found, region="canterbury", locality=locality, folder=folder / "told"
    )
    client = connect(found.store_url)
    database = Database(client, "risk", source="/canterbury/risk", clock=SystemClock())
    random = Random(1)
    store = Assessments(database)
    ids = await fill(store, cases, random)
    transport = RabbitTransport(region.amqp_url_of("risk"), name="risk")
    await transport.connect()
    relay = database.relay = Relay(
        transport, catalogue_of(locality), database.clear, service="risk"
    )
    telling = asyncio.create_task(relay.run())
    todo = [(each, answers(random)) for each in random.sample(ids, turns)]
    left = iter(todo)

    async def work() -> None:
        for case_id, found_now in left:
            await reassess(
                case_id,
                found_now,
                Contact.IN_PERSON,
                by=ids[0],
                at=NOW,
                assessments=store,
                policy=POLICIES[0],
            )

    with spending(machines, "reassessments", turns, clocked):
        await asyncio.gather(*(work() for _ in range(SIDE_BY_SIDE)))
        await relay.drain()
    telling.cancel()
    await transport.close()
    await client.close()
    return clocked


def main(cases: int = 100_000, reassessments: int = 10_000) -> int:
    """Measure both on a store and a broker of their own; 1: a goal is missed."""
    with tempfile.TemporaryDirectory() as made, backing(Path(made)) as found:
        machines = machine_pids(Path(made))
        clocked = asyncio.run(
            measure(found, Path(made), machines, cases, reassessments)
        )
        deployment = Deployment(store_url=found.store_url)
        simulated = "stored cases by two policies"
        with spending(machines, simulated, cases, clocked):
            report = run_stored(POLICIES, deployment, NOW)
        seen = report[POLICIES[0].version]["all", "all"].cases
        print(f"{seen} of them are weighed")
    return missed(clocked["reassessments"], clocked[simulated])


def missed(reassessment: float, simulation: float) -> int:
    """Say which goals are missed, by the seconds for one; 1: any is."""
    a_minute, whole = 60 / reassessment, simulation * 100_000
    wrong = []
    if a_minute < LEAST_A_MINUTE:
        wrong.append(f"{a_minute:.0f} reassessments a minute, not {LEAST_A_MINUTE}")
    if whole > LONGEST_FOR_100_000:
        wrong.append(f"100,000 cases in {whole:.0f} s, not {LONGEST_FOR_100_000:.0f}")
    for each in wrong:
        print(f"missed: {each}", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*(int(each) for each in sys.argv[1:])))
