"""Every process is killed while referrals flow: none lost, none twice in effect.

Agencies repeat what was not answered. What was acknowledged to them stands in a ledger
outside of the platform, with which everything stored is compared when all is quiet.
"""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from accord.platform import Platform
from accord_chassis.store import LEASE
from accord_chassis.topology import all_queues
from accord_contracts.catalogue import CATALOGUE
from app import SERVICES, Report, eventually
from ledger import Audit, Ledger, flow
from regions import START_SECONDS, Machines, Running, as_processes, many_workers
from wiretap import held

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

REFERRALS = 500
KILLED_AT = (100, 300)
"""After how many acknowledgements the victim dies."""

STOPPED_AT = 50
DRAINED_WITHIN = 25.0

PAUSED_SECONDS = LEASE.total_seconds() + 3

HEALED_WITHIN = 240.0
"""Within this time all is well again; the machine may be busy with other things."""

CLIENTS = 8

NO_MAIL = {"ACCORD_SMTP_URL": ""}


@pytest.fixture(scope="module")
async def running(
    machines: Machines, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Running]:
    """A region of five processes on a broker and a store that can be killed."""
    async with as_processes(
        machines.ground,
        tmp_path_factory.mktemp("chaos"),
        extra=NO_MAIL,
        staff=many_workers,
        exchanges=(),
    ) as found:
        yield found


@pytest.fixture
async def ledger(running: Running) -> AsyncIterator[Ledger]:
    """An empty ledger; in the end what was told in it is forgotten everywhere."""
    yield Ledger()
    region = running.region
    for service in SERVICES:
        database = region.database(service)
        for name in await database.list_collection_names():
            if name not in {"workers", "agencies"}:
                await database[name].delete_many({})


class Load:
    """Agencies that post while something happens to the platform."""

    def __init__(self, running: Running, ledger: Ledger) -> None:
        self._running = running
        self.ledger = ledger

    async def flow_while(self, happening: Awaitable[object], size: int) -> None:
        """Have referrals posted until all are acknowledged and it has happened."""
        region = self._running.region
        told = flow(region, size)
        url = self._running.platform["referrals"].url
        police = region.agency("police")
        await asyncio.gather(
            self.ledger.post_all(url, police, told, clients=CLIENTS), happening
        )
        assert len(self.ledger.acknowledged) == size


@pytest.fixture
def load(running: Running, ledger: Ledger) -> Load:
    return Load(running, ledger)


async def audit(running: Running, ledger: Ledger) -> list[str]:
    """Say what is not as it was promised."""
    region = running.region
    waiting = await held(region.administrator, all_queues(CATALOGUE))
    stored = await region.documents()
    stored["audit.entries"] = await region.audited()
    return Audit(ledger, stored, waiting).findings()


async def heals(running: Running, ledger: Ledger) -> None:
    """Wait until everything is as it was promised, and stays so in quiet.

    Right after its restart the broker may say of a queue that it is empty when it is
    not, so being quiet alone proves nothing.
    """
    findings: list[str] = []

    async def well() -> bool:
        findings[:] = await _unrest(running) or await audit(running, ledger)
        return not findings

    try:
        await eventually(well, within=HEALED_WITHIN)
    except AssertionError:
        raise AssertionError("\n".join(findings[:40])) from None
    assert await running.region.is_quiet()
    assert not await audit(running, ledger)


async def _unrest(running: Running) -> list[str]:
    try:
        return await running.region.unrest()
    except (KeyError, OSError) as fault:
        return [f"somebody is not back yet: {fault!r}"]


Kill = Callable[[], Awaitable[None]]


def victim(running: Running, machines: Machines, name: str) -> tuple[Kill, Kill]:
    """Give how somebody is killed and how they are started again."""
    if name in SERVICES:
        service = running.platform[name]
        return service.kill, service.start
    machine = machines.broker if name == "broker" else machines.store
    return _in_thread(machine.kill), _in_thread(machine.start)


def _in_thread(do: Callable[[], None]) -> Kill:
    async def done() -> None:
        await asyncio.to_thread(do)

    return done


@pytest.mark.parametrize("name", [*SERVICES, "broker", "store"])
async def test_whoever_is_killed_nothing_is_lost_and_nothing_happens_twice(
    running: Running, machines: Machines, load: Load, report: Report, name: str
) -> None:
    ledger = load.ledger
    kill, start = victim(running, machines, name)
    while_away = []

    async def kill_and_start() -> None:
        for at in KILLED_AT:
            await eventually(ledger.has(at), within=HEALED_WITHIN)
            before = len(ledger.acknowledged)
            await kill()
            await start()
            while_away.append(len(ledger.acknowledged) - before)

    began = time.monotonic()
    await load.flow_while(kill_and_start(), REFERRALS)
    await heals(running, ledger)

    report(
        f"chaos: {name} killed twice: {REFERRALS} referrals acknowledged, "
        f"{sum(while_away)} of them meanwhile; {ledger.unanswered} posts repeated; "
        f"all well {time.monotonic() - began:.0f} s after the first post"
    )
    if name not in {"referrals", "store"}:
        # Intake goes on, whoever of the others is away.
        assert any(while_away)


@pytest.mark.parametrize("name", ["broker", "store"])
async def test_whoever_is_restarted_nothing_is_lost_and_nothing_happens_twice(
    running: Running, machines: Machines, load: Load, name: str
) -> None:
    machine = machines.broker if name == "broker" else machines.store

    async def restart() -> None:
        await eventually(load.ledger.has(STOPPED_AT), within=HEALED_WITHIN)
        await asyncio.to_thread(machine.stop)
        await asyncio.to_thread(machine.start)

    await load.flow_while(restart(), REFERRALS)
    await heals(running, load.ledger)


async def test_services_that_are_told_to_stop_finish_what_they_have_in_hand(
    running: Running, ledger: Ledger, load: Load, report: Report
) -> None:
    took: dict[str, float] = {}

    async def stop(name: str) -> None:
        began = time.monotonic()
        await running.platform[name].stop()
        took[name] = time.monotonic() - began

    async def stop_and_start_all() -> None:
        await eventually(ledger.has(STOPPED_AT), within=HEALED_WITHIN)
        await asyncio.gather(*map(stop, SERVICES))
        await asyncio.gather(*(running.platform[name].start() for name in SERVICES))

    await load.flow_while(stop_and_start_all(), STOPPED_AT * 3)
    await heals(running, ledger)

    for name, seconds in took.items():
        assert seconds < DRAINED_WITHIN
        drained = [line for line in running.platform[name].log.read_text().splitlines()
                   if "service.drained" in line]  # fmt: skip
        assert '"count": 0' in drained[-1]
        report(f"chaos: {name} drained in {seconds:.1f} s under load")


async def test_two_of_each_share_the_work_though_one_is_paused_beyond_its_lease(
    running: Running, ledger: Ledger, report: Report, tmp_path: Path
) -> None:
    region = running.region
    async with Platform(region.surroundings, tmp_path) as second:
        await asyncio.gather(*(each.start(within=START_SECONDS) for each in second))

        async def pause_and_go_on() -> None:
            await eventually(ledger.has(STOPPED_AT), within=HEALED_WITHIN)
            until = time.monotonic() + PAUSED_SECONDS
            _signal(running.platform, signal.SIGSTOP)
            try:
                await eventually(_time_is(until), within=HEALED_WITHIN)
            finally:
                _signal(running.platform, signal.SIGCONT)

        began = time.monotonic()
        url, police = second["referrals"].url, region.agency("police")
        told = flow(region, STOPPED_AT * 6)
        await asyncio.gather(
            ledger.post_all(url, police, told, clients=CLIENTS), pause_and_go_on()
        )
        await second.stop()
    await heals(running, ledger)

    report(
        f"chaos: two of each service, five paused for {PAUSED_SECONDS:.0f} s: "
        f"{len(told)} referrals, all well {time.monotonic() - began:.0f} s after the "
        "first post"
    )


def _signal(platform: Platform, number: signal.Signals) -> None:
    for each in platform:
        os.kill(each.pid, number)


def _time_is(moment: float) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return time.monotonic() >= moment

    return look
