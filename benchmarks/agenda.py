"""How soon an agenda of two hundred cases is answered, beside reading them plainly.

    .venv/bin/python benchmarks/agenda.py            # 200 cases, 30 readings

Starts a broker, a store and the platform of its own, and has it told of the cases: each
was assessed, three agencies were asked what they know of it and two have answered, and
two of its actions are late. Then it asks plans for a daily meeting as its coordinator
does. The peer reads the same documents with PyMongo, sorts them and writes JSON: no
decision on who may see which case, no reasons, no audit. The promise is 300 ms; it ends
with 1 if the median is more.
"""

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from uuid import uuid4

from accord.client import Client
from accord_chassis import topology
from accord_chassis.binding import pack
from accord_chassis.rabbit import RabbitTransport
from accord_chassis.testing import message_of
from accord_chassis.transport import Publication
from accord_contracts.allocation import Role
from accord_contracts.catalogue import CATALOGUE
from accord_contracts.message import Event
from accord_contracts.plans import ActionOverdue
from accord_contracts.referrals import (
    InformationDecided,
    InformationRequested,
    SharingDecision,
    SharingReason,
)
from accord_contracts.risk import RiskAssessed, RiskLevel
from pymongo import AsyncMongoClient
from region import Region, region_of

PROMISED_SECONDS = 0.3
WITHIN = 120.0
DAILY = "daily_triage"


AGENCIES = ("police", "hospital", "kura")
LATE = 2
"""Actions of each case that are late."""


def told_of(case_id: str, level: RiskLevel, now: datetime) -> Iterable[Event]:
    """Tell that a case was assessed, asked about, and is late with something."""
    yield RiskAssessed(
        case_id=case_id,
        referral_id=str(uuid4()),
        level=level,
        previous=None,
        provisional=False,
        reasons=(),
        unknowns=(),
        policy_version="bench",
        assessed_at=now,
        reassess_by=now + timedelta(days=7),
        first_referred_at=now,
    )
    for number, agency in enumerate(AGENCIES):
        about = {"case_id": case_id, "inquiry_id": str(uuid4()), "agency": agency}
        yield InformationRequested(
            **about, requested_at=now, needed_by=now + timedelta(days=1)
        )
        if number:
            yield InformationDecided(
                **about,
                number=1,
                decision=SharingDecision.SHARED,
                reason=SharingReason.WILL_OR_MAY_HELP,
                answers={},
                decided_at=now,
            )
    for _ in range(LATE):
        yield ActionOverdue(
            case_id=case_id,
            plan_version=1,
            action_id=str(uuid4()),
            action="safe_contact",
            role=Role.INDEPENDENT_VICTIM_SPECIALIST,
            worker_id=None,
            level=level,
            due_at=now - timedelta(hours=1),
            late_by=3600.0,
        )


def producer_of(event: Event) -> str:
    """Give who publishes it."""
    return CATALOGUE.entries[event.TYPE].producer


async def fill(region: Region, cases: Sequence[str]) -> None:
    """Tell of cases, half of them at high risk, in the name of who tells of each."""
    levels, now = (RiskLevel.MEDIUM, RiskLevel.HIGH), datetime.now(UTC)
    told = [
        e for n, case in enumerate(cases) for e in told_of(case, levels[n % 2], now)
    ]
    for producer, some in groupby(sorted(told, key=producer_of), key=producer_of):
        url = region.surroundings.amqp_url_of(producer)
        transport = RabbitTransport(url, name=producer)
        await transport.connect()
        messages = (message_of(each, at=now) for each in some)
        sent = await transport.publish(
            [Publication(topology.EVENTS, pack(each)) for each in messages]
        )
        await transport.close()
        if any(sent):
            raise RuntimeError("The broker did not take everything.")


async def next_meeting(plans: Client) -> str:
    """Give the id of the daily meeting after the next: its cut-off is far."""
    answer = await plans.get("/v1/meetings")
    daily = [e for e in answer.json() if e["series"] == DAILY]
    return str(sorted(daily, key=lambda each: each["starts_at"])[1]["meeting_id"])


async def listed(plans: Client, path: str) -> int:
    """Ask for the agenda; say how many cases are on it with all that was told."""
    answer = await plans.get(path)
    if not answer.ok:
        raise RuntimeError(answer.body)
    return sum(
        each["overdue"] == LATE and len(each["asked"]) == len(AGENCIES)
        for each in answer.json()["cases"]
    )


async def seconds(ask: Callable[[], Awaitable[object]]) -> float:
    """Say how long something takes."""
    begun = time.perf_counter()
    await ask()
    return time.perf_counter() - begun


async def measure(count: int, readings: int) -> int:
    """Print the medians of alternating readings, and say how it is to end."""
    async with region_of("risk") as region:
        coordinator = str(uuid4())
        await region.hire([coordinator])
        await fill(region, [str(uuid4()) for _ in range(count)])
        store = AsyncMongoClient(region.surroundings.store_url)
        dockets = store["plans"]["dockets"]
        async with region.client("plans", coordinator, "plans.meet") as plans:
            path = f"/v1/meetings/{await next_meeting(plans)}"
            until = time.monotonic() + WITHIN
            while await listed(plans, path) < count:
                if time.monotonic() > until:
                    raise SystemExit("The cases never came on the agenda.")
                await asyncio.sleep(0.2)

            async def plainly() -> str:
                found = await dockets.find().to_list()
                found.sort(key=lambda each: each["rank"], reverse=True)
                return json.dumps(found, default=str)

            ours, plain = [], []
            for _ in range(readings):
                ours.append(await seconds(lambda: listed(plans, path)))
                plain.append(await seconds(plainly))
        await store.close()
    median, beside = statistics.median(ours), statistics.median(plain)
    print(f"agenda of {count} cases, median {median * 1000:6.0f} ms, slowest "
          f"{max(ours) * 1000:.0f} of {readings}")  # fmt: skip
    print(f"read plainly, median       {beside * 1000:6.0f} ms: {median / beside:.1f}")
    return int(median > PROMISED_SECONDS)


def main() -> None:
    """Measure as the command line says."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--cases", type=int, default=200)
    options.add_argument("--readings", type=int, default=30)
    chosen = options.parse_args()
    raise SystemExit(asyncio.run(measure(chosen.cases, chosen.readings)))


if __name__ == "__main__":
    main()
