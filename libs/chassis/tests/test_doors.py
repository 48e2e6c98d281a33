"""Nobody reads or answers on the lines to broker and store, and secrets are renewed."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import uuid4

import pytest
from accord_chassis import topology
from accord_chassis.development.backing import Backing, LocalBroker, LocalStore, Means
from accord_chassis.development.broker import Identity
from accord_chassis.development.issuer import DevelopmentIssuer
from accord_chassis.development.machine import Choice
from accord_chassis.doors import Line, Trust, check_lines, speaks_tls
from accord_chassis.rabbit import RabbitTransport
from accord_chassis.settings import BadConfiguration
from accord_chassis.store import connect
from accord_chassis.testing import VirtualHost, eventually, new_id
from chassis_certificates import Authority
from chassis_surroundings import Lines, logged, virtual_host_of
from chassis_toy import TOY, Settings, Toy, living, settings_for
from pydantic import SecretStr
from pymongo import MongoClient

needs_rabbitmq = pytest.mark.usefixtures("installed_broker")

SOON = timedelta(days=1)
PAST = timedelta(days=-1)


@dataclass(frozen=True)
class Ground:
    """A broker and a store that speak TLS, and ask everybody for a certificate.

    Attributes:
        authority: Vouches for all of them.
        host: The toy's virtual host on the broker.
        broker: The broker.
        store: The store.
        client: A certificate that both believe.
    """

    authority: Authority
    host: VirtualHost
    broker: LocalBroker
    store: LocalStore
    client: Path

    def amqp_url(self, host: str = "127.0.0.1") -> str:
        """Where the broker speaks TLS, as the toy."""
        account = f"toy:{self.host.passwords['toy']}"
        return f"amqps://{account}@{host}:{self.broker.tls_port}/{self.host.name}"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def store(
    authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalStore]:
    with secure_store(
        tmp_path_factory.mktemp("store"), authority, authority.certificate("store")
    ).running() as running:
        yield running


def secure_store(folder: Path, authority: Authority, certificate: Path) -> LocalStore:
    """A store with a certificate, which asks for one."""
    shown = authority.certificate(f"administrator-{uuid4().hex}")
    options = {
        "--tls-cert-file": certificate,
        "--tls-key-file": certificate,
        "--tls-ca-file": authority.ca_file,
    }
    flat = [str(word) for option in options.items() for word in option]
    query = f"&tls=true&tlsCAFile={authority.ca_file}&tlsCertificateKeyFile={shown}"
    return LocalStore(folder, [*flat, "--tls-require-client-cert"], query)


@pytest.fixture(scope="module")
async def ground(
    authority: Authority, store: LocalStore, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Ground]:
    identity = Identity(authority.ca_file, authority.certificate("broker"), asks=True)
    broker = LocalBroker(tmp_path_factory.mktemp("broker"), identity)
    await asyncio.to_thread(broker.start)
    own = Choice(Means.PROCESS, "it speaks TLS")
    backing = Backing(
        broker=own,
        store=own,
        amqp_url=broker.amqp_url,
        management_url=broker.management_url,
        store_url=store.url,
    )
    async with virtual_host_of(backing, TOY) as host:
        yield Ground(authority, host, broker, store, authority.certificate("toy"))
    await asyncio.to_thread(broker.stop)


def plain(store_url: str) -> str:
    """The store's address without what it says of certificates."""
    return store_url.partition("&tls=")[0]


def told(ground: Ground, issuer: DevelopmentIssuer, **changed: Any) -> Settings:
    given: dict[str, Any] = {
        "amqp_url": ground.amqp_url(),
        "store_url": f"{plain(ground.store.url)}&tls=true",
        "ca_file": ground.authority.ca_file,
        "client_cert_file": ground.client,
        **changed,
    }
    return settings_for(given.pop("store_url"), issuer, **given)


async def does_its_work(toy: Toy) -> None:
    """See it take a request, write it, publish it and hear it again."""
    thing = new_id()
    await eventually(lambda: _made(toy, thing))
    await eventually(lambda: toy.count(thing))


async def _made(toy: Toy, thing: str) -> bool:
    return (await toy.make(thing)).status_code == 202


@needs_rabbitmq
async def test_a_service_lives_over_tls_to_both_and_shows_its_certificate(
    ground: Ground, issuer: DevelopmentIssuer
) -> None:
    async with living(told(ground, issuer), issuer) as toy:
        await eventually(lambda: started(toy))
        await does_its_work(toy)

        assert (await toy.ready())[0] == 200


async def started(toy: Toy) -> bool:
    return toy.service.started.is_set()


@asynccontextmanager
async def refused(
    settings: Settings, issuer: DevelopmentIssuer, event: str
) -> AsyncIterator[dict[str, Any]]:
    """Have a service try, and give the line in which it says that it cannot."""
    with logged() as lines:
        async with living(settings, issuer) as toy:
            [line, *_] = await eventually(lambda: said(lines, event))
            assert not toy.service.started.is_set()
            yield line
        assert_nothing_secret(lines, settings)


async def said(lines: Lines, event: str) -> list[dict[str, Any]]:
    return lines.of(event)


def assert_nothing_secret(lines: Lines, settings: Settings) -> None:
    for secret in (settings.amqp_url, settings.store_url):
        password = urlsplit(secret.get_secret_value()).password
        assert password
        assert password not in lines.stream.getvalue()


@needs_rabbitmq
async def test_a_broker_of_another_authority_is_not_spoken_to(
    ground: Ground, issuer: DevelopmentIssuer, tmp_path: Path
) -> None:
    other = Authority(tmp_path, "other").ca_file

    async with refused_by_broker(told(ground, issuer, ca_file=other)) as line:
        assert line["reason"] == "certificate_not_trusted"


@asynccontextmanager
async def refused_by_broker(settings: Settings) -> AsyncIterator[dict[str, Any]]:
    """Have a transport try alone, and give the line in which it says why not."""
    transport = RabbitTransport(Line.to(settings, "amqp_url"), name="toy")
    with logged() as lines:
        trying = asyncio.create_task(transport.connect())
        [line, *_] = await eventually(lambda: said(lines, "broker.not_reached"))
        assert not transport.ready()
        trying.cancel()
        await asyncio.gather(trying, return_exceptions=True)
        await transport.close()
        yield line
        assert_nothing_secret(lines, settings)


@needs_rabbitmq
async def test_a_broker_by_another_name_is_not_spoken_to(
    ground: Ground, issuer: DevelopmentIssuer
) -> None:
    settings = told(ground, issuer, amqp_url=ground.amqp_url("localhost"))

    async with refused_by_broker(settings) as line:
        assert line["reason"] == "certificate_of_other"


@needs_rabbitmq
async def test_no_option_in_an_address_turns_verification_off(
    ground: Ground, issuer: DevelopmentIssuer, tmp_path: Path
) -> None:
    other = Authority(tmp_path, "other").ca_file
    settings = told(
        ground, issuer, amqp_url=f"{ground.amqp_url()}?verify_ssl=0", ca_file=other
    )

    async with refused_by_broker(settings) as line:
        assert line["reason"] == "certificate_not_trusted"


@needs_rabbitmq
async def test_a_broker_that_asks_for_a_certificate_lets_nobody_in_without(
    ground: Ground, issuer: DevelopmentIssuer
) -> None:
    async with refused_by_broker(told(ground, issuer, client_cert_file=None)) as line:
        assert line["fault"]


@needs_rabbitmq
async def test_a_broker_that_speaks_no_tls_gets_no_password(
    ground: Ground, issuer: DevelopmentIssuer
) -> None:
    port = urlsplit(ground.broker.amqp_url).port
    url = ground.amqp_url().replace(f":{ground.broker.tls_port}/", f":{port}/")

    async with refused_by_broker(told(ground, issuer, amqp_url=url)) as line:
        assert line["reason"] == "tls_failed"


@needs_rabbitmq
async def test_a_broker_with_an_expired_certificate_is_not_spoken_to(
    ground: Ground, issuer: DevelopmentIssuer
) -> None:
    async with listening(ground.authority.certificate("old", ends=PAST)) as port:
        url = ground.amqp_url().replace(f":{ground.broker.tls_port}/", f":{port}/")

        async with refused_by_broker(told(ground, issuer, amqp_url=url)) as line:
            assert line["reason"] == "certificate_expired"


@asynccontextmanager
async def listening(certificate: Path) -> AsyncIterator[int]:
    """A server with a certificate and nothing to say."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(
        hang_up, "127.0.0.1", 0, ssl=context
    ) as server:
        yield server.sockets[0].getsockname()[1]


STORES: dict[str, tuple[Callable[[Path, Authority], dict[str, Any]], str | None]] = {
    "of another authority": (
        lambda folder, _: {"ca_file": Authority(folder, "other").ca_file},
        "certificate_not_trusted",
    ),
    "without a certificate of ours": (lambda *_: {"client_cert_file": None}, None),
}


@pytest.mark.parametrize("what", STORES)
@needs_rabbitmq
async def test_a_store_is_not_spoken_to(
    ground: Ground, issuer: DevelopmentIssuer, tmp_path: Path, what: str
) -> None:
    change, reason = STORES[what]
    settings = told(ground, issuer, **change(tmp_path, ground.authority))

    async with refused(settings, issuer, "store.not_reached") as line:
        assert reason in {None, line["reason"]}


@needs_rabbitmq
async def test_a_store_by_another_name_is_not_spoken_to(
    ground: Ground, issuer: DevelopmentIssuer
) -> None:
    url = f"{plain(ground.store.url)}&tls=true".replace("@127.0.0.1:", "@localhost:")

    async with refused(
        told(ground, issuer, store_url=url), issuer, "store.not_reached"
    ) as line:
        assert line["reason"] == "certificate_of_other"


@needs_rabbitmq
async def test_a_store_with_an_expired_certificate_is_not_spoken_to(
    ground: Ground, issuer: DevelopmentIssuer
) -> None:
    async with listening(ground.authority.certificate("old", ends=PAST)) as port:
        known = urlsplit(ground.store.url).port
        url = f"{plain(ground.store.url)}&tls=true".replace(f":{known}/", f":{port}/")

        async with refused(
            told(ground, issuer, store_url=url), issuer, "store.not_reached"
        ) as line:
            assert line["reason"] == "certificate_expired"


@needs_rabbitmq
async def test_plaintext_to_a_store_that_speaks_tls_is_refused(
    ground: Ground, issuer: DevelopmentIssuer
) -> None:
    settings = told(ground, issuer, store_url=plain(ground.store.url))

    async with refused(settings, issuer, "store.not_reached") as line:
        assert line["fault"]


@needs_rabbitmq
async def test_passwords_are_followed_without_a_restart(
    ground: Ground, issuer: DevelopmentIssuer, tmp_path: Path
) -> None:
    settings = from_files(ground, issuer, tmp_path)
    with logged() as lines:
        async with living(settings, issuer) as toy:
            await eventually(lambda: started(toy))
            await does_its_work(toy)

            await change_passwords(ground, settings, tmp_path)
            for dependency in ("broker", "store"):
                await eventually(lambda d=dependency: renewed(lines, d))
            closed = await close_connections(ground)

            await eventually(lambda: came_back(ground, closed), within=60)
            await does_its_work(toy)
        assert lines.of("service.died") == []


async def renewed(lines: Lines, dependency: str) -> bool:
    return any(each["dependency"] == dependency for each in lines.of("line.renewed"))


def from_files(ground: Ground, issuer: DevelopmentIssuer, folder: Path) -> Settings:
    """Settings whose addresses stand in files, with a user of its own in the store."""
    name, database = f"toy_{uuid4().hex[:8]}", f"toy_{uuid4().hex[:16]}"
    with MongoClient[dict[str, Any]](ground.store.url) as client:
        own = (database, f"{database}_audit")
        rights = [{"role": "readWrite", "db": each} for each in own]
        client[database].command("createUser", name, pwd="first", roles=rights)
    known = urlsplit(ground.store.url)
    place = known.netloc.rpartition("@")[2]
    url = f"mongodb://{name}:first@{place}/{database}?directConnection=true&tls=true"
    (folder / "accord_store_url").write_text(url)
    (folder / "ACCORD_AMQP_URL").write_text(f"{ground.amqp_url()}\n")
    return told(
        ground,
        issuer,
        store_url=url,
        database=database,
        audit_database=f"{database}_audit",
        secrets_dir=folder,
    )


async def change_passwords(ground: Ground, settings: Settings, folder: Path) -> None:
    """Give both users another password, and write it to the files."""
    new = uuid4().hex
    hashed = {"password_hash": topology.hashed(new), "tags": ""}
    answer = await ground.host.management.put("/api/users/toy", json=hashed)
    answer.raise_for_status()
    old = ground.host.passwords["toy"]
    (folder / "ACCORD_AMQP_URL").write_text(ground.amqp_url().replace(old, new))
    url = settings.store_url.get_secret_value()
    user = urlsplit(url).username
    with MongoClient[dict[str, Any]](ground.store.url) as client:
        client[settings.database].command("updateUser", user, pwd="second")
    (folder / "accord_store_url").write_text(url.replace(":first@", ":second@"))


async def connections(ground: Ground) -> set[str]:
    """Name the toy's connections, as the broker knows them."""
    found = (await ground.host.management.get("/api/connections")).json()
    return {each["name"] for each in found if each.get("user") == "toy"}


async def close_connections(ground: Ground) -> set[str]:
    """Have the broker close every connection of the toy's, and name them."""
    # The management learns of a connection seconds late.
    closed = await eventually(lambda: both(ground, set()))
    for name in closed:
        await ground.host.management.delete(f"/api/connections/{quote(name)}")
    return closed


async def both(ground: Ground, besides: set[str]) -> set[str]:
    """Give the two connections that a service has, once they are there."""
    found = await connections(ground) - besides
    return found if len(found) >= 2 else set()


async def came_back(ground: Ground, closed: set[str]) -> bool:
    return bool(await both(ground, closed))


def line_of(folder: Path, url: str, trust: Trust | None = None) -> Line:
    (folder / "url").write_text(url)
    return Line(url, file=folder / "url", trust=trust)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("amqps://risk:a@broker/", "amqp://risk:b@broker/"),
        ("amqps://risk:a@broker/", "amqps://risk:b@broker/?no_verify_ssl=1"),
        ("amqps://risk:a@broker/", "amqps://plans:b@broker/"),
        ("amqps://risk:a@broker/", ""),
        ("mongodb://risk:a@store/?tls=true", "mongodb://risk:b@store/"),
        ("mongodb://risk:a@store/?tls=true", "mongodb://risk:b@store/?tls=false"),
        ("mongodb://risk:a@store/?tls=true", "amqps://risk:b@store/"),
    ],
)
def test_a_file_that_would_make_a_line_less_safe_is_not_heeded(
    tmp_path: Path, before: str, after: str
) -> None:
    line = line_of(tmp_path, before)
    (tmp_path / "url").write_text(after)

    assert not line.renewed()

    assert line.url == before


def test_a_line_is_renewed_once_and_only_when_something_changed(tmp_path: Path) -> None:
    line = line_of(tmp_path, "amqp://risk:a@broker/")

    assert not line.renewed()
    (tmp_path / "url").write_text("amqp://risk:b@broker/\n")
    assert line.renewed()
    assert line.url == "amqp://risk:b@broker/"
    assert not line.renewed()


def test_a_missing_file_changes_nothing(tmp_path: Path) -> None:
    line = line_of(tmp_path, "amqp://risk:a@broker/")
    (tmp_path / "url").unlink()

    assert not line.renewed()


def test_a_certificate_written_anew_is_shown_at_the_next_connection(
    tmp_path: Path,
) -> None:
    authority = Authority(tmp_path)
    shown = authority.certificate("toy")
    trust = Trust(authority.ca_file, shown)
    line = line_of(tmp_path, "amqps://risk:a@broker/", trust)

    shown.write_text("half wr")
    assert not line.renewed()
    authority.certificate("toy")

    assert line.renewed()


async def test_a_context_in_use_shows_and_believes_what_the_files_say_now(
    tmp_path: Path,
) -> None:
    """As PyMongo holds one, from which every connection of its pools is made."""
    first, second = Authority(tmp_path), Authority(tmp_path, "second")
    trust = Trust(first.ca_file, first.certificate("toy"))
    context = trust.context()
    shown: list[str] = []
    async with asking(second, shown) as port:
        with pytest.raises(ssl.SSLCertVerificationError):
            await shake_hands(port, context)

        first.ca_file.write_bytes(second.ca_file.read_bytes())
        for _ in range(2):
            second.certificate("toy")
            trust.renew(context)
            await shake_hands(port, context)

    assert len({*shown}) == 2


@asynccontextmanager
async def asking(authority: Authority, shown: list[str]) -> AsyncIterator[int]:
    """A server that notes the certificate of everybody who comes."""
    context = ssl.create_default_context(
        ssl.Purpose.CLIENT_AUTH, cafile=authority.ca_file
    )
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(authority.certificate("server"))

    async def note(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        shown.append(writer.get_extra_info("peercert")["serialNumber"])
        writer.close()

    async with await asyncio.start_server(note, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


async def shake_hands(port: int, context: ssl.SSLContext) -> None:
    """Connect, and wait until the other side has noted who came."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    await reader.read()
    writer.close()


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("amqps://broker/", True),
        ("amqp://broker/", False),
        ("amqps://broker/?no_verify_ssl=1", False),
        ("mongodb://store/", False),
        ("mongodb://store/?tls=true", True),
        ("mongodb://store/?ssl=true", True),
        ("mongodb://store/?TLS=True", True),
        ("mongodb://store/?tls=true&tls=false", False),
        ("mongodb://store/?tls=true&tlsInsecure=true", False),
        ("mongodb://store/?tls=true&tlsAllowInvalidCertificates=true", False),
        ("mongodb://store/?tls=true&tlsAllowInvalidHostnames=true", False),
        ("mongodb://store/?tls=true&tlsAllowInvalidHostnames=false", True),
        ("mongodb+srv://store/", True),
        ("mongodb+srv://store/?tls=false", False),
    ],
)
def test_an_address_is_safe_if_nobody_between_can_read_or_answer(
    *, url: str, safe: bool
) -> None:
    assert speaks_tls(url) is safe


@pytest.mark.parametrize(
    ("changed", "told_of"),
    [
        ({"amqp_url": SecretStr("amqp://toy:word@broker/")}, "ACCORD_AMQP_URL"),
        ({"store_url": SecretStr("mongodb://toy:word@store/")}, "ACCORD_STORE_URL"),
    ],
)
def test_plaintext_is_refused_in_a_sentence_without_the_address(
    issuer: DevelopmentIssuer, changed: dict[str, Any], told_of: str
) -> None:
    safe = settings_for(
        "mongodb://toy:word@store/?tls=true", issuer, amqp_url="amqps://toy@broker/"
    )
    check_lines(safe)

    with pytest.raises(BadConfiguration, match=told_of) as caught:
        check_lines(safe.model_copy(update=changed))

    assert "word" not in str(caught.value)


def test_tls_is_1_2_at_least_and_verifies_host_names(tmp_path: Path) -> None:
    context = Trust(Authority(tmp_path).ca_file).context()

    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


async def test_the_store_is_spoken_to_as_strictly(tmp_path: Path) -> None:
    trust = Trust(Authority(tmp_path).ca_file)
    line = Line("mongodb://risk:a@store/?tls=true", trust=trust)

    async with connect(line.url, connect=False, **line.store_options()) as client:
        context = client.options.pool_options._ssl_context

    assert isinstance(context, ssl.SSLContext)
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_a_file_that_holds_no_certificate_is_told_by_its_setting(
    tmp_path: Path,
) -> None:
    (tmp_path / "ca.pem").write_text("nothing")

    with pytest.raises(BadConfiguration, match="ACCORD_CA_FILE"):
        Trust(tmp_path / "ca.pem").context()
