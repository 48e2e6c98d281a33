"""How many cases risk reassesses, and how long another policy takes to be simulated.

    .venv/bin/python benchmarks/reassessing.py [CASES [REASSESSMENTS]]

Reassessments go through the real handler and a real store of its own, thirty-two side
by side: loaded, weighed twice, saved in one durable write with the event to tell. HTTP,
the audit log and the relay are left out. The same store's cases are then read and
weighed by two policies, as `accord risk simulate --against stored` does it.
"""

import asyncio
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from accord.deployment import Deployment
from accord.rescoring import run_stored
from accord_chassis.clock import SystemClock
from accord_chassis.development.store import LocalStore
from accord_chassis.settings import policy_of
from accord_chassis.store import Database, connect
from accord_contracts.referrals import Answer, IncidentKind, PersonRole
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


async def measure(url: str, cases: int, reassessments: int) -> None:
    """Fill a store, reassess, and simulate."""
    random = Random(1)
    client = connect(url)
    database = Database(client, "risk", source="/bench/risk", clock=SystemClock())
    store = Assessments(database)
    await store.prepare()
    ids: list[str] = []
    while len(ids) < cases:
        some = [case(random) for _ in range(min(AT_ONCE, cases - len(ids)))]
        ids += (each.id for each in some)
        await store.documents.insert_many(
            store._document(each.model_dump(), [], None)  # noqa: SLF001
            for each in some
        )
    print(f"{cases} cases stored", flush=True)
    turns = iter(random.sample(ids, reassessments))

    async def work() -> None:
        for case_id in turns:
            await reassess(
                case_id,
                answers(random),
                Contact.IN_PERSON,
                by=ids[0],
                at=NOW,
                assessments=store,
                policy=POLICIES[0],
            )

    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(SIDE_BY_SIDE)))
    took = time.perf_counter() - began
    print(f"{reassessments} reassessments: {reassessments / took * 60:.0f} a minute")
    await client.close()


def main(cases: int = 100_000, reassessments: int = 10_000) -> None:
    """Measure both on a store of their own."""
    with (
        tempfile.TemporaryDirectory() as folder,
        LocalStore(Path(folder)).running() as local,
    ):
        asyncio.run(measure(local.url, cases, reassessments))
        deployment = Deployment(store_url=local.url)
        began = time.perf_counter()
        report = run_stored(POLICIES, deployment, NOW)
        took = time.perf_counter() - began
        seen = report[POLICIES[0].version]["all", "all"].cases
        print(f"{seen} stored cases by two policies: {took:.1f} s")


if __name__ == "__main__":
    main(*(int(each) for each in sys.argv[1:]))
