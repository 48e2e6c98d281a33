"""Fixtures and verbs for tests, registered as a pytest plugin.

A test gets a real store, with a database of its own, and where it asks for one a real
broker with a virtual host of its own. Both are found or started once a run.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from urllib.parse import urlsplit
from uuid import uuid4

import httpx2
import pytest
from accord_contracts.access import Side, Standing
from accord_contracts.catalogue import CATALOGUE
from accord_contracts.message import Event, Lane, Message
from aio_pika import connect
from aio_pika.abc import AbstractChannel
from fastapi import FastAPI
from pydantic import SecretStr
from pymongo import AsyncMongoClient

from accord_chassis import topology
from accord_chassis.access import DEVELOPMENT_ISSUER
from accord_chassis.audit import AuditLog, Entry, raw
from accord_chassis.binding import Packet, unpack
from accord_chassis.clock import Clock, SimulatedClock
from accord_chassis.development.issuer import DevelopmentIssuer
from accord_chassis.development.process import kept_master_key
from accord_chassis.entries import OPENED, recorded
from accord_chassis.guard import StandingAway
from accord_chassis.inprocess import InProcessBroker, InProcessTransport
from accord_chassis.service import Service, StandIns
from accord_chassis.settings import ChassisSettings
from accord_chassis.store import Database, Store, _packet
from accord_chassis.store import connect as connect_store
from accord_chassis.vault import KeyService, Vault, VaultSettings

if TYPE_CHECKING:
    from accord_chassis.development.backing import Backing

NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
"""When tests happen, unless they say otherwise."""

AUDIT_KEY = "an audit key that only tests have"
"""Seals the audit logs of tests."""

MAY_SKIP = "ACCORD_MAY_SKIP"
"""Set on a machine that cannot have all that tests need: it is left out, and said."""

R = TypeVar("R")


def not_here(what: str, environment: Mapping[str, str] = os.environ) -> NoReturn:
    """Fail a test for what this machine has not, or skip it where that is allowed.

    A run that leaves out what it promises looks like one that has kept it.
    """
    if environment.get(MAY_SKIP):
        pytest.skip(f"NOT CHECKED: {what}")
    pytest.fail(
        f"{what} `scripts/setup --for-tests` has it; {MAY_SKIP}=1 goes without."
    )


@pytest.fixture(scope="session")
def installed_broker() -> None:
    """A broker of this machine's own, which a test can start, kill and read."""
    from accord_chassis.development.broker import RABBITMQ_SERVER  # noqa: PLC0415

    if not RABBITMQ_SERVER.exists():
        not_here("rabbitmq-server is not installed, and a container is not killed.")


@pytest.fixture(scope="session")
def backing_services() -> Iterator["Backing"]:
    """The broker and the store of this run."""
    # Only tests that need them pay for knowing how to start them.
    from accord_chassis.development.backing import backing  # noqa: PLC0415

    with (
        tempfile.TemporaryDirectory(prefix="accord-test-") as directory,
        backing(Path(directory)) as found,
    ):
        yield found


@pytest.fixture(scope="session")
async def store_client(
    backing_services: "Backing",
) -> AsyncIterator[AsyncMongoClient[dict[str, Any]]]:
    """A connection to the run's store."""
    client = connect_store(backing_services.store_url, maxPoolSize=8)
    yield client
    await client.close()


@pytest.fixture(scope="session")
def guarded_store_url() -> Iterator[str]:
    """A store that asks who somebody is, as its administrator.

    The run's own if it is given with a user; else an embedded one, because the one in
    a container lets everybody in.
    """
    from accord_chassis.development.backing import LocalStore  # noqa: PLC0415
    from accord_chassis.development.machine import look  # noqa: PLC0415

    given = look().mongo_url
    if urlsplit(given).username:
        yield given
        return
    with (
        tempfile.TemporaryDirectory(prefix="accord-test-") as directory,
        LocalStore(Path(directory)).running() as own,
    ):
        yield own.url


@pytest.fixture
def clock() -> SimulatedClock:
    """A clock that stands at noon until the test moves it."""
    return SimulatedClock(NOON)


@pytest.fixture
async def database(
    store_client: AsyncMongoClient[dict[str, Any]], clock: SimulatedClock, vault: Vault
) -> AsyncIterator[Database]:
    """A database of the test's own. No relay: what is saved stays in the outboxes."""
    name = f"test_{uuid4().hex[:16]}"
    made = Database(store_client, name, source="/test/service", clock=clock)
    made.vault = vault
    yield made
    await store_client.drop_database(name)


@pytest.fixture(scope="session")
def master_key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The key service of this run: a file."""
    return kept_master_key(tmp_path_factory.mktemp("keys") / "master-key")


@pytest.fixture(scope="session")
async def vault(
    store_client: AsyncMongoClient[dict[str, Any]], master_key: Path
) -> AsyncIterator[Vault]:
    """A vault that tests share, as a region's services do. No test rotates it."""
    name = f"test_vault_{uuid4().hex[:12]}"
    made = vault_in(store_client, name, master_key)
    await made.open()
    yield made
    await store_client.drop_database(name)


def vault_in(
    client: AsyncMongoClient[dict[str, Any]],
    name: str,
    master_key: Path,
    now: Callable[[], float] = time.monotonic,
) -> Vault:
    """Give a vault as one more process has it; it is not open yet."""
    settings = VaultSettings(
        development=True,
        store_url=SecretStr("mongodb://127.0.0.1:1/"),
        kms_key_file=master_key,
    )
    return Vault(client, name, KeyService(settings), now=now)


@dataclass(frozen=True)
class VirtualHost:
    """A test's own virtual host, with the topology and a user for every service.

    Attributes:
        name: Its name.
        broker: The broker's address with the administrator's user.
        management: The broker's management API, logged in as the administrator.
        channel: The administrator's, for looking into queues.
        passwords: By user.
    """

    name: str
    broker: str
    management: httpx2.AsyncClient
    passwords: Mapping[str, str]
    channel: AbstractChannel

    def url(self, user: str) -> str:
        """Give the address at which a user reaches this virtual host."""
        parts = urlsplit(self.broker)
        place = f"{parts.hostname}:{parts.port}"
        return f"amqp://{user}:{self.passwords[user]}@{place}/{self.name}"

    async def held(self, queue: str) -> int:
        """Count the messages that wait in a queue."""
        found = await self.channel.declare_queue(queue, passive=True)
        return found.declaration_result.message_count or 0


@pytest.fixture
async def virtual_host(
    backing_services: "Backing",
) -> AsyncIterator[VirtualHost]:
    """A virtual host of the test's own, its retry ladder a hundred times as fast."""
    name = f"test-{uuid4().hex[:12]}"
    users = (*CATALOGUE.services, topology.OPERATOR)
    passwords = {user: uuid4().hex for user in users}
    wanted = topology.definitions(CATALOGUE, vhost=name, passwords=passwords, hurry=100)
    parts = urlsplit(backing_services.management_url)
    async with httpx2.AsyncClient(
        base_url=f"{parts.scheme}://{parts.hostname}:{parts.port}",
        auth=(parts.username or "", parts.password or ""),
        timeout=30,
    ) as management:
        (await management.put(f"/api/vhosts/{name}")).raise_for_status()
        await management.put(
            f"/api/permissions/{name}/{parts.username}",
            json={"configure": ".*", "write": ".*", "read": ".*"},
        )
        answer = await management.post("/api/definitions", json=wanted)
        answer.raise_for_status()
        url = f"{backing_services.amqp_url.rstrip('/')}/{name}"
        async with await connect(url) as connection:
            channel = await connection.channel()
            yield VirtualHost(
                name, backing_services.amqp_url, management, passwords, channel
            )
        await management.delete(f"/api/vhosts/{name}")


@pytest.fixture
def issuer(tmp_path: Path) -> DevelopmentIssuer:
    """An identity provider that signs what the test asks for."""
    return DevelopmentIssuer(tmp_path / "issuer")


COORDINATOR = "00000000-0000-4000-8000-00000000c00d"
"""The id of a worker who coordinates the locality, in tests of one service alone."""


class KnownStandings:
    """What a test says of how workers stand to cases, where there is no allocation.

    Whoever it says nothing of is at work and serves the person harmed in every case;
    ``COORDINATOR`` coordinates.
    """

    def __init__(self) -> None:
        self.told: dict[tuple[str, str], dict[str, Any]] = {}
        self.away = False

    def tell(self, worker_id: str, case_id: str, **standing: Any) -> None:  # noqa: ANN401
        """Say how a worker stands to a case: active, and nothing else but this."""
        self.told[worker_id, case_id] = standing

    async def of(
        self, worker_id: str, case_ids: Sequence[str]
    ) -> Mapping[str, Standing]:
        """Tell how a worker stands to each of some cases."""
        if self.away:
            raise StandingAway
        return {each: self._of(worker_id, each) for each in case_ids}

    def _of(self, worker_id: str, case_id: str) -> Standing:
        usual: dict[str, Any] = {"sides": frozenset({Side.PERSON_HARMED})}
        if worker_id == COORDINATOR:
            usual = {"coordinator": True}
        said = self.told.get((worker_id, case_id), usual)
        return Standing(
            **{"case_id": case_id, "worker_id": worker_id, "active": True, **said}
        )


@dataclass(frozen=True)
class Alive:
    """A service that lives in the test's process.

    Attributes:
        service: The service itself.
        broker: The broker in memory over which it listens and publishes.
        http: Speaks to it.
        standings: How workers stand to cases.
        app: Its application, to be served on a port.
    """

    service: Service
    broker: InProcessBroker
    http: httpx2.AsyncClient
    standings: KnownStandings
    app: FastAPI


class HeardBroker(InProcessBroker):
    """A broker in memory that remembers every event, heard by somebody or not."""

    def __init__(self, definitions: Mapping[str, Any]) -> None:
        super().__init__(definitions)
        self.heard: list[Packet] = []

    def route(self, exchange: str, packet: Packet) -> int:
        """Remember an event, and put a packet into every queue bound to its key."""
        if exchange == topology.EVENTS:
            self.heard.append(packet)
        return super().route(exchange, packet)


async def sent_by(service: Service, broker: InProcessBroker) -> list[Message[Event]]:
    """Give what a living service has said to others, in order, when all is said.

    Its outboxes do not show that: its relay empties them half a second later.
    """

    async def all_is_said() -> bool:
        return not service.relay.pending

    await eventually(all_is_said)
    if not isinstance(broker, HeardBroker):
        raise TypeError("Only the broker of a service that is alive remembers.")
    return [
        unpack(each, CATALOGUE) for each in broker.heard if each.user == service.name
    ]


@asynccontextmanager
async def alive(
    name: str,
    create_app: Callable[[Any, StandIns], FastAPI],
    settings: ChassisSettings,
    clock: Clock,
) -> AsyncIterator[Alive]:
    """Let a service live over a broker in memory and the run's real store.

    Args:
        name: Which service.
        create_app: Makes its application.
        settings: Its settings; their databases are dropped in the end.
        clock: Tells its time.
    """
    broker = HeardBroker(topology.definitions(CATALOGUE, vhost="test"))
    transport = InProcessTransport(broker, user=name)
    standings = KnownStandings()
    stand_ins = StandIns(transport=transport, clock=clock, standings=standings)
    app = create_app(settings, stand_ins)
    async with app.router.lifespan_context(app):
        service: Service = app.state.service
        await service.started.wait()
        over_asgi = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(
            transport=over_asgi, base_url=f"http://{name}"
        ) as http:
            yield Alive(service, broker, http, standings, app)
        await service.client.drop_database(settings.database)
        await service.client.drop_database(settings.audit_database)
        if isinstance(settings, VaultSettings):
            await service.client.drop_database(settings.vault_database)
    broker.close()


@pytest.fixture
def common_settings(
    backing_services: "Backing", issuer: DevelopmentIssuer, master_key: Path
) -> dict[str, Any]:
    """What every service under test is told, with databases of its own."""
    database = f"test_{uuid4().hex[:16]}"
    return {
        "region": "test",
        "amqp_url": SecretStr("amqp://nobody@127.0.0.1:1"),
        "store_url": SecretStr(backing_services.store_url),
        "database": database,
        "audit_database": f"{database}_audit",
        "audit_key": SecretStr(AUDIT_KEY),
        "jwks_url": issuer.jwks_url,
        "issuer": DEVELOPMENT_ISSUER,
        "development": True,
        "vault_database": f"test_{uuid4().hex[:16]}",
        "kms_key_file": master_key,
    }


def new_id() -> str:
    """Give an id that no other test has."""
    return str(uuid4())


def message_of(
    event: Event,
    *,
    at: datetime = NOON,
    lane: Lane = Lane.ROUTINE,
    version: int = 1,
    message_id: str | None = None,
) -> Message[Any]:
    """Put an event into an envelope, as another service would send it."""
    chosen = message_id or new_id()
    return Message(
        id=chosen,
        source="/test/other",
        subject=event.subject,
        time=at,
        lane=lane,
        aggregate_version=version,
        data=event,
        correlation_id=chosen,
    )


async def published(store: Store[Any]) -> list[Message[Event]]:
    """Give what the saves of a store have said so far, in order.

    Of a store that no service lives on: there it is ``sent_by``.
    """
    found = store.documents.find({}, projection={"outbox": 1}).sort("_id", 1)
    return [
        unpack(_packet(entry), CATALOGUE)
        async for document in found
        for entry in document["outbox"]
    ]


async def audited(audit: AuditLog) -> list[Entry]:
    """Give what an audit log says so far: each chain's entries in their order.

    The chains of one service stand in the order in which they began. Each is as it was
    sealed, or the test fails.
    """
    found = raw(audit.entries).find({}).sort("_id", 1)
    read = [recorded(bytes(each.raw), audit.keys) async for each in found]
    if not all(each.intact for each in read):
        raise AssertionError("An entry of the audit log is not as it was sealed.")
    return [each.entry for each in read if each.entry.action != OPENED]


async def eventually(look: Callable[[], Awaitable[R]], *, within: float = 15.0) -> R:
    """Look again until what is seen is true, and give it.

    Raises:
        AssertionError: It did not become true in time.
    """
    deadline = time.monotonic() + within
    while True:
        seen = await look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"not seen within {within} s; last: {seen!r}")
        await asyncio.sleep(0.02)
