"""Stores, a directory, a mail server, and the service itself with its HTTP."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from accord_chassis.asking import Peer, ServiceToken
from accord_chassis.clock import SimulatedClock
from accord_chassis.development.issuer import DevelopmentIssuer
from accord_chassis.store import Database
from accord_chassis.testing import NOON, KnownStandings, alive
from notify.app import create_app
from notify.asks import Directory
from notify.handlers.reaching import Reach
from notify.handlers.silence import escalate
from notify.handlers.telling import tell
from notify.settings import Settings
from notify.store import Notifications, Offers, Subscriptions, Teams
from notify_builders import (
    LINK_BASE,
    LOCALITIES,
    MAIL_FROM,
    MINUTE,
    POLICY,
    MailServer,
    Running,
    WorkersDirectory,
    listening,
    receiving,
    serving,
)
from notify_devices import (
    Gateway,
    PushService,
    Receiver,
    SafeNumbers,
    gateway_listening,
    referrals_listening,
)
from pydantic import SecretStr

Start = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture
async def notifications(database: Database) -> Notifications:
    store = Notifications(database)
    await store.prepare()
    return store


@pytest.fixture
async def teams(database: Database) -> Teams:
    store = Teams(database)
    await store.prepare()
    return store


@pytest.fixture
async def subscriptions(database: Database) -> Subscriptions:
    store = Subscriptions(database)
    await store.prepare()
    return store


@pytest.fixture
async def offers(database: Database) -> Offers:
    store = Offers(database)
    await store.prepare()
    return store


@pytest.fixture
async def workers() -> AsyncIterator[WorkersDirectory]:
    """The allocation service's directory, in which nobody is yet."""
    async with serving(WorkersDirectory()) as served:
        yield served


@pytest.fixture
async def directory(workers: WorkersDirectory) -> AsyncIterator[Directory]:
    """Who asks it, and never trusts an earlier answer."""
    token = ServiceToken(given=SecretStr("token"))
    peer = Peer(workers.url, token)
    yield Directory(peer, fresh_seconds=0)
    await peer.close()


@pytest.fixture
def standings() -> KnownStandings:
    """How workers stand to cases: as usual, until the test says otherwise."""
    return KnownStandings()


@pytest.fixture
def reach(directory: Directory, standings: KnownStandings, teams: Teams) -> Reach:
    """Who may be told, and who is next."""
    return Reach(directory, standings, teams)


@pytest.fixture
def tells(
    notifications: Notifications, teams: Teams, reach: Reach
) -> Callable[..., Awaitable[None]]:
    """Tell of a message at noon."""
    return partial(
        tell,
        at=NOON,
        notifications=notifications,
        teams=teams,
        reach=reach,
        policy=POLICY,
        mail=False,
    )


@pytest.fixture
def escalates(
    notifications: Notifications, reach: Reach
) -> Callable[..., Awaitable[None]]:
    """Tell the next of the chain, half an hour later."""
    return partial(
        escalate,
        at=NOON + 30 * MINUTE,
        notifications=notifications,
        reach=reach,
        policy=POLICY,
        mail=False,
    )


@pytest.fixture
async def mail_server() -> AsyncIterator[MailServer]:
    """A mail server that takes every letter, until the test says otherwise."""
    async with receiving(MailServer()) as listening:
        yield listening


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    """An SMS gateway that takes everything, until the test says otherwise."""
    async with gateway_listening() as served:
        yield served


@pytest.fixture
async def safe() -> AsyncIterator[SafeNumbers]:
    """What the referrals service says of one person's number."""
    async with referrals_listening() as served:
        yield served


@pytest.fixture(scope="session")
def locality(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Canterbury's, where it is day at the noon that tests begin at."""
    folder = tmp_path_factory.mktemp("locality")
    for each in (LOCALITIES / "canterbury").iterdir():
        text = each.read_text("utf-8")
        (folder / each.name).write_text(text.replace("Pacific/Auckland", "UTC"))
    return folder


@pytest.fixture
def with_push(locality: Path, tmp_path: Path) -> Path:
    """A locality that knows the test's push service, by which offers ring first."""
    for each in locality.iterdir():
        text = each.read_text("utf-8")
        if each.name == "notify.yaml":
            text = text.replace("- fcm.googleapis.com", "- 127.0.0.1")
            head, mark, rest = text.partition("  allocation.offered.v1:")
            rest = rest.replace("[inbox, email]", "[inbox, push]", 1)
            rest = rest.replace("urgency: normal", "urgency: high", 1)
            text = head + mark + rest
        (tmp_path / each.name).write_text(text)
    return tmp_path


@pytest.fixture
def settings(
    common_settings: dict[str, Any], workers: WorkersDirectory, locality: Path
) -> Settings:
    """Of a service that sends no e-mail."""
    return Settings(
        **common_settings,
        locality=locality,
        allocation_url=workers.url,
        referrals_url=workers.url,
        service_token=SecretStr("token"),
        link_base=LINK_BASE,
    )


@pytest.fixture
def start(
    settings: Settings, clock: SimulatedClock, issuer: DevelopmentIssuer
) -> Start:
    """Start the service with some settings changed."""

    @asynccontextmanager
    async def started(**changed: Any) -> AsyncIterator[Running]:
        chosen = settings.model_copy(update=changed)
        async with alive("notify", create_app, chosen, clock) as alive_:
            yield Running(
                alive_.service,
                alive_.broker,
                alive_.http,
                issuer,
                clock,
                alive_.standings,
                alive_.app,
            )

    return started


@pytest.fixture
async def running(start: Start) -> AsyncIterator[Running]:
    """The service, alive, without e-mail."""
    async with start() as running_:
        yield running_


@pytest.fixture
async def mailing(start: Start, mail_server: MailServer) -> AsyncIterator[Running]:
    """The service, alive, with e-mail."""
    async with start(
        smtp_url=SecretStr(mail_server.url), mail_from=MAIL_FROM
    ) as running_:
        yield running_


@pytest.fixture
def with_gateway(settings: Settings, gateway: Gateway, tmp_path: Path) -> Path:
    """A locality whose gateway listens."""
    for each in settings.locality.iterdir():
        text = each.read_text("utf-8")
        text = text.replace("https://sms.example/messages", gateway.url)
        (tmp_path / each.name).write_text(text)
    return tmp_path


@pytest.fixture
async def push_service() -> AsyncIterator[PushService]:
    """A push service that takes everything, until the test says otherwise."""
    served = PushService()
    async with listening(served.app()) as served.url:
        yield served


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """An agency's own system that takes everything, until the test says otherwise."""
    served = Receiver()
    async with listening(served.app()) as url:
        served.url = f"{url}/told"
        yield served
