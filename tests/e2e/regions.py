"""Starting a whole platform for a test: in this process, or a process each."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4, uuid5

from accord.gateway import gateway
from accord.mail import Mailbox, mailbox
from accord.management import Management
from accord.platform import Platform
from accord.serving import listen, serving, until_ready
from accord.surroundings import AUDIT, Surroundings, application, prepare
from accord.together import living, together
from accord_chassis.clock import Clock, SystemClock
from accord_chassis.development.backing import (
    Backing,
    LocalBroker,
    LocalStore,
    Means,
)
from accord_chassis.development.machine import Choice
from accord_chassis.development.process import LOOPBACK
from accord_chassis.service import StandIns
from accord_chassis.topology import EVENTS
from app import LOCALITY, SERVICES, WITHIN, Region, eventually
from pymongo import AsyncMongoClient
from starlette.types import ASGIApp
from wiretap import wiretap

HURRY = 100
"""By how much the retry ladder is faster than a locality's."""

START_SECONDS = 120.0
"""How long services may take to be ready: the machine may be busy with other things."""

SETTLED_SECONDS = 2.0
"""RabbitMQ before 3.13.3 has a new quorum queue on disk half a second late: a broker
that is killed before loses it (see ``LocalBroker.kill``)."""

TIMES = 8
"""How many more of each worker there are where many referrals come."""

PATIENT = {"ACCORD_ANSWER_SECONDS": str(WITHIN)}
"""All services of a test share one loop: what one asks another waits for everybody."""

Staff = Callable[[Region], None]


@dataclass(frozen=True, slots=True)
class Ground:
    """What regions stand on.

    Attributes:
        backing: The broker and the store.
        keeping: Keeps the passwords of the broker's users, which all its virtual hosts
            share, and the issuer's key.
    """

    backing: Backing
    keeping: Path


@dataclass(frozen=True, slots=True)
class Machines:
    """A broker and a store that can be killed, and what a region stands on with them.

    Attributes:
        folder: Where they keep their data and write their logs.
    """

    broker: LocalBroker
    store: LocalStore
    folder: Path
    ground: Ground


@contextmanager
def machines_in(folder: Path) -> Iterator[Machines]:
    """Run a broker and a store as processes of this machine, whatever else it has."""
    broker, store = LocalBroker(folder / "broker"), LocalStore(folder / "store")
    own = Choice(Means.PROCESS, "they are to be killed")
    with store.running(), broker.running():
        backing = Backing(
            broker=own,
            store=own,
            amqp_url=broker.amqp_url,
            management_url=broker.management_url,
            store_url=store.url,
        )
        ground = Ground(backing, folder / "keeping")
        yield Machines(broker, store, folder, ground)


@asynccontextmanager
async def in_one_process(
    ground: Ground,
    folder: Path,
    *,
    clock: Clock | None = None,
    stand_ins: Callable[[str, Surroundings, Clock], StandIns] | None = None,
    staff: Staff | None = None,
    exchanges: tuple[str, ...] = (EVENTS,),
    extra: Mapping[str, str] | None = None,
    locality: Path = LOCALITY,
) -> AsyncIterator[Region]:
    """Have all services live in this process, on the real broker and store.

    Args:
        ground: The broker and the store.
        folder: Keeps the mail.
        clock: Tells the services' time.
        stand_ins: Gives what is put in the place of the usual, service by service.
        staff: Changes who is hired.
        exchanges: What is listened to.
        extra: Settings that every service is given besides.
        locality: Directory of its policies.
    """
    told = clock or SystemClock()
    async with AsyncExitStack() as stack:
        mail = await stack.enter_async_context(mailbox(folder / "mail"))
        surroundings = await stack.enter_async_context(
            _prepared(ground, mail, extra, locality)
        )
        listening = stack.enter_context(listen(None))
        url = f"http://{LOOPBACK}:{listening.getsockname()[1]}"
        addresses = {name: f"{url}/api/{name}" for name in SERVICES}
        apps = {}
        for name in SERVICES:
            environment = surroundings.environment(name, port=0, addresses=addresses)
            environment |= PATIENT
            parts = (
                stand_ins(name, surroundings, told)
                if stand_ins
                else StandIns(clock=told)
            )
            apps[name] = application(name, environment, parts)
        await stack.enter_async_context(living(apps))
        await stack.enter_async_context(serving(together(apps), listening))
        yield await stack.enter_async_context(
            _inhabited(
                surroundings,
                url,
                mail=mail,
                clock=told,
                staff=staff,
                exchanges=exchanges,
            )
        )


@dataclass(frozen=True, slots=True)
class Running:
    """A region whose services are processes."""

    region: Region
    platform: Platform


@asynccontextmanager
async def as_processes(
    ground: Ground,
    folder: Path,
    *,
    extra: Mapping[str, str] | None = None,
    staff: Staff | None = None,
    exchanges: tuple[str, ...] = (EVENTS,),
    around: Callable[[ASGIApp], ASGIApp] = lambda app: app,
    locality: Path = LOCALITY,
) -> AsyncIterator[Running]:
    """Have each service live in a process of its own, behind one gateway.

    Args:
        ground: The broker and the store.
        folder: Keeps the mail and the services' logs.
        extra: Settings that every service is given besides.
        staff: Changes who is hired.
        exchanges: What is listened to.
        around: Is put around the gateway, and hears what all services answer.
        locality: Directory of its policies.
    """
    async with AsyncExitStack() as stack:
        mail = await stack.enter_async_context(mailbox(folder / "mail"))
        surroundings = await stack.enter_async_context(
            _prepared(ground, mail, extra, locality)
        )
        applied = time.monotonic()
        platform = await stack.enter_async_context(
            Platform(surroundings, folder, behind="/api")
        )
        await asyncio.gather(*(each.start(within=START_SECONDS) for each in platform))
        listening = listen(None)
        app: ASGIApp = await stack.enter_async_context(gateway(platform.addresses))
        await stack.enter_async_context(serving(around(app), listening))
        url = f"http://{LOOPBACK}:{listening.getsockname()[1]}"
        region = await stack.enter_async_context(
            _inhabited(
                surroundings,
                url,
                mail=mail,
                clock=SystemClock(),
                staff=staff,
                exchanges=exchanges,
            )
        )

        async def settled() -> bool:
            return time.monotonic() - applied > SETTLED_SECONDS

        await eventually(settled)
        yield Running(region, platform)


def many_workers(region: Region) -> None:
    """Hire so many that nobody's list of places grows long under a load."""
    actors = region.actors
    for worker in list(actors.staff):
        for number in range(TIMES):
            identity = str(uuid5(UUID(worker.id), str(number)))
            entry = {**worker.entry, "duty_coordinator": False}
            actors.staff.append(replace(worker, id=identity, entry=entry))


@asynccontextmanager
async def _prepared(
    ground: Ground, mail: Mailbox, extra: Mapping[str, str] | None, locality: Path
) -> AsyncIterator[Surroundings]:
    """Give a region a virtual host and databases, and take them away in the end."""
    name = uuid4().hex[:12]
    surroundings = await asyncio.to_thread(
        prepare,
        ground.backing,
        region="test",
        locality=locality,
        folder=ground.keeping,
        vhost=f"e2e-{name}",
        suffix=f"_{name}",
        hurry=HURRY,
        extra={
            "ACCORD_SMTP_URL": mail.url,
            "ACCORD_MAIL_FROM": "accord@accord.example",
            **(extra or {}),
        },
    )
    await asyncio.to_thread(_open_to_administrator, surroundings)
    try:
        yield surroundings
    finally:
        await asyncio.to_thread(_remove, surroundings)


def _open_to_administrator(surroundings: Surroundings) -> None:
    with Management(surroundings.management_url) as management:
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        management.put(
            "permissions", surroundings.vhost, management.user, body=everything
        )


def _remove(surroundings: Surroundings) -> None:
    with Management(surroundings.management_url) as management:
        management.delete("vhosts", surroundings.vhost)


@asynccontextmanager
async def _inhabited(
    surroundings: Surroundings,
    url: str,
    *,
    mail: Mailbox,
    clock: Clock,
    staff: Staff | None = None,
    exchanges: tuple[str, ...] = (EVENTS,),
) -> AsyncIterator[Region]:
    """Have the agencies registered, the staff hired, and the bus listened to."""
    store: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
        surroundings.store_url, tz_aware=True, serverSelectionTimeoutMS=2000
    )
    administrator = f"{surroundings.amqp_url.rstrip('/')}/{surroundings.vhost}"
    async with store, wiretap(administrator, exchanges) as bus:
        region = Region(surroundings, url, mail=mail, bus=bus, store=store, clock=clock)
        if staff:
            staff(region)
        for service in SERVICES:
            await until_ready(
                f"{url}/api/{service}", what=service, within=START_SECONDS
            )
        await region.actors.register()
        await region.actors.hire()
        try:
            yield region
        finally:
            region.close()
            for name in (*SERVICES, AUDIT, "vault"):
                await store.drop_database(surroundings.database_of(name))
