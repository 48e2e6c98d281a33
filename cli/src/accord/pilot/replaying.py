"""Running the replay: from nothing to the table."""

import asyncio
import resource
import signal
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import uvloop
from accord_chassis import telemetry
from accord_chassis.development.backing import Backing, Means, backing
from accord_chassis.service import spare_the_collector

from accord import show
from accord.deployment import HERE, held
from accord.faults import CannotGoOn
from accord.logs import LogFiles
from accord.pilot import assumptions, table
from accord.pilot.agenda import Agenda, at_once
from accord.pilot.figures import Document, document
from accord.pilot.households import MONTH, Households
from accord.pilot.outcome import (
    Outcome,
    count_unowned,
    count_with_specialists,
    read_plans,
)
from accord.pilot.practice import Practice
from accord.pilot.progress import Progress
from accord.pilot.published import ENDS, SITES, Site
from accord.pilot.region import Region, opened
from accord.pilot.register import Register
from accord.pilot.staff import Staff, hired

Report = Callable[[Site, datetime, int], None]

FOLLOWED = timedelta(days=3)
"""How long the last cases are followed: until their plans are agreed."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How the pilot is replayed.

    Attributes:
        seed: The same seed invents the same, and so has the same figures.
        months: Only the first so many months of each site; by default all.
        repeats: The share of cases that are of a household met before.
        speed: At most so many days a second; by default as fast as it goes.
    """

    seed: int = 1
    months: float | None = None
    repeats: float = assumptions.REPEATS
    speed: float | None = None

    def ends(self, site: Site) -> datetime:
        """Say when a site's last case is reported."""
        if self.months is None:
            return ENDS
        return min(ENDS, site.starts + self.months * MONTH)


def run(
    *,
    json: bool = False,
    seed: int = 1,
    months: float | None = None,
    repeats: float | None = None,
    speed: float | None = None,
) -> None:
    """Replay the pilot, and print its published table beside what came out.

    Args:
        json: Print one document instead.
        seed: The same seed has the same figures.
        months: Only the first so many months of each site.
        repeats: The share of cases that are of a household met before; by default
            what is assumed.
        speed: At most so many days a second; by default as fast as it goes.
    """
    if repeats is None:
        repeats = assumptions.REPEATS
    options = Options(seed=seed, months=months, repeats=repeats, speed=speed)
    folder = HERE / "pilot"
    with held(folder), LogFiles(folder / "logs") as files:
        telemetry.configure_logs("warning", stream=files)
        spare_the_collector()
        with backing(folder / "backing") as found, Progress(quiet=json) as progress:
            if found.broker.means is Means.NONE:
                raise CannotGoOn(
                    f"There is no broker: {found.broker.why}.",
                    mend="Install one: `accord demo` does.",
                )
            told = _run(replay(found, HERE, options, progress.report))
    if json:
        show.document(told)
    else:
        table.tell(told)


def _run(work: Coroutine[Any, Any, Document]) -> Document:
    """Run the replay; told to stop by a signal, it leaves nothing behind either."""

    async def until_told() -> Document:
        task = asyncio.current_task()
        if task is not None:
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGTERM, task.cancel)
        return await work

    try:
        return uvloop.run(until_told())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


async def replay(
    found: Backing, here: Path, options: Options, report: Report = lambda *_: None
) -> Document:
    """Replay both sites at the same time, and give their figures.

    Args:
        found: The broker and the store.
        here: Keeps the passwords of the broker's users.
        options: How.
        report: Told of every step of a site: the simulated time, and how many cases
            were reported so far.

    Raises:
        CannotGoOn: Something went wrong.
    """
    started, used = time.perf_counter(), _cpu()
    async with AsyncExitStack() as stack:
        regions = [
            await stack.enter_async_context(opened(site, found, here)) for site in SITES
        ]
        outcomes = await at_once(replay_site(each, options, report) for each in regions)
    took = {
        "seconds": round(time.perf_counter() - started, 1),
        "cpu_seconds": round(_cpu() - used, 1),
    }
    return document(outcomes, {**asdict(options), **took})


async def replay_site(
    region: Region, options: Options, report: Report = lambda *_: None
) -> Outcome:
    """Replay one site, and give what became of it.

    Args:
        region: The site, on which nothing has happened yet.
        options: How.
        report: As in :func:`replay`.

    Raises:
        CannotGoOn: Something went wrong.
    """
    site, ends = region.site, options.ends(region.site)
    staff = await hired(region)
    register, agenda = Register(), Agenda()
    told = Households(site, ends, seed=options.seed, repeats=options.repeats)
    practice = Practice(
        region, staff, register, agenda, seed=options.seed, asks=told.questions
    )
    region.watch.tell(register.see)
    region.watch.tell(practice.see)
    for reported_at, referral in told.referrals():
        practice.report(reported_at, referral)
    began = time.perf_counter()
    while (at := agenda.next_at) is not None and at <= ends + FOLLOWED:
        if options.speed is not None:
            due = began + (at - site.starts) / timedelta(days=options.speed)
            await asyncio.sleep(due - time.perf_counter())
        await region.move_to(at)
        await agenda.do(at)
        await region.quiet()
        report(site, at, practice.done["posted"])
    return await _outcome(region, staff, register, practice, ends)


async def _outcome(
    region: Region, staff: Staff, register: Register, practice: Practice, ends: datetime
) -> Outcome:
    plans = await read_plans(region, staff, register.cases, ends)
    return Outcome(
        site=region.site,
        months=(ends - region.site.starts) / MONTH,
        cases=practice.done["posted"],
        people=await region.people_known(),
        plans=plans,
        with_specialists=await count_with_specialists(
            region, staff, plans.households_at_high_risk
        ),
        unowned=await count_unowned(region, staff),
        register=register,
        done=practice.done,
        handled=sum(each.done for each in region.activities),
        retried=sum(each.retried for each in region.activities),
        parked=sum(each.parked for each in region.activities),
    )


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
