"""Running the replay: from nothing to the table."""

import asyncio
import resource
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

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
from accord.pilot.apart import apart
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
from accord.pilot.region import LOGS, Region, opened
from accord.pilot.register import Register
from accord.pilot.staff import Staff, hired

Report = Callable[[Site, datetime, int], None]

T = TypeVar("T")

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
    with (
        held(folder),
        _logs_in(HERE),
        backing(folder / "backing") as found,
        Progress(quiet=json) as progress,
    ):
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


@contextmanager
def _logs_in(here: Path) -> Iterator[None]:
    """Have this process's log lines go to the replay's files."""
    with LogFiles(here / "pilot" / "logs") as files:
        telemetry.configure_logs("warning", stream=files)
        yield


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run the replay; told to stop by a signal, it leaves nothing behind either."""

    async def until_told() -> T:
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
    found: Backing, here: Path, options: Options, report: Report
) -> Document:
    """Replay both sites at the same time, each in a process, and give their figures.

    Args:
        found: The broker and the store.
        here: Keeps the passwords of the broker's users.
        options: How.
        report: Told of every step of a site: the simulated time, and how many cases
            were reported so far.

    Raises:
        CannotGoOn: Something went wrong.
    """
    started = time.perf_counter()
    async with AsyncExitStack() as stack:
        told = []
        for site in SITES:
            work = apart(_replay_apart, SITES.index(site), found, here, options)
            told.append(await stack.enter_async_context(work))
            # The next one finds the passwords that this one has written.
            await _follow(site, told[-1], report, until=Opened)
        ended = await at_once(
            _follow(site, each, report, until=Ended)
            for site, each in zip(SITES, told, strict=True)
        )
    took = {
        "seconds": round(time.perf_counter() - started, 1),
        "cpu_seconds": round(sum(each.cpu_seconds for each in ended), 1),
    }
    outcomes = [each.outcome for each in ended]
    return document(outcomes, {**asdict(options), **took})


@dataclass(frozen=True, slots=True)
class Opened:
    """A site's services are alive."""


@dataclass(frozen=True, slots=True)
class Step:
    """A site has come to a time, and so many cases were reported."""

    at: datetime
    cases: int


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a site, and the processor time that its process spent on it."""

    outcome: Outcome
    cpu_seconds: float


async def _follow(
    site: Site, told: AsyncIterator[Any], report: Report, *, until: type[T]
) -> T:
    """Report what a site's process tells, until it tells something.

    Raises:
        CannotGoOn: Something went wrong there.
    """
    async for each in told:
        match each:
            case CannotGoOn():
                raise each
            case Step():
                report(site, each.at, each.cases)
        if isinstance(each, until):
            return each
    raise CannotGoOn(f"{site.name}: its process has ended.", mend=LOGS)


def _replay_apart(
    tell: Connection, place: int, found: Backing, here: Path, options: Options
) -> None:
    """Replay a site in this process, and tell how far it is and what became of it.

    Sites are told from each other by being one: what is sent here would be a copy.
    """
    site, used = SITES[place], _cpu()

    def report(_: Site, at: datetime, cases: int) -> None:
        tell.send(Step(at, cases))

    async def replayed() -> Outcome:
        async with opened(site, found, here) as region:
            tell.send(Opened())
            return await replay_site(region, options, report)

    with _logs_in(here):
        spare_the_collector()
        try:
            tell.send(Ended(_run(replayed()), _cpu() - used))
        except CannotGoOn as fault:
            tell.send(fault)
        except KeyboardInterrupt:
            return


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
