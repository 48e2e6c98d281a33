"""The broker and the store of a developer's machine: chosen, started, ended."""

import contextlib
import json
import os
import signal
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import aio_pika
import httpx2
import pytest
from accord_chassis.development.backing import (
    LocalBroker,
    LocalStore,
    Unavailable,
    backing,
)
from accord_chassis.development.install import install_rabbitmq
from accord_chassis.development.machine import (
    Machine,
    Means,
    choose_broker,
    choose_store,
    docker_answers,
    look,
)
from accord_chassis.development.process import (
    LOOPBACK,
    Process,
    free_ports,
    is_free,
    kept_ports,
    kept_secret,
    locked,
    wait_until,
)
from accord_chassis.testing import not_here
from pamqp.common import FieldTable
from pymongo import MongoClient

GIVEN = Machine(
    amqp_url="amqp://given",
    management_url="http://given",
    mongo_url="mongodb://given",
    docker=True,
    rabbitmq_server=True,
    secantusd=True,
)
ENGINE = Machine(docker=True, rabbitmq_server=True, secantusd=True)
PROGRAMS = Machine(rabbitmq_server=True, secantusd=True)
NOTHING = Machine()

needs_rabbitmq = pytest.mark.usefixtures("installed_broker")

CRASHES = """
import sys
from pathlib import Path
from accord_chassis.development.backing import LocalBroker, LocalStore

store, broker = LocalStore(Path(sys.argv[1])), LocalBroker(Path(sys.argv[2]))
store.start()
broker.start()
print("ready", flush=True)
sys.stdin.read()
"""


def never() -> bool:
    return False


@pytest.mark.parametrize(
    ("machine", "means", "because"),
    [
        (GIVEN, Means.ENVIRONMENT, "ACCORD_TEST_AMQP_URL"),
        (ENGINE, Means.CONTAINER, "a Docker engine answers"),
        (PROGRAMS, Means.PROCESS, "rabbitmq-server is installed"),
        (NOTHING, Means.NONE, "apt-get install rabbitmq-server"),
    ],
)
def test_a_broker_is_had_by_the_first_means_that_there_is(
    machine: Machine, means: Means, because: str
) -> None:
    choice = choose_broker(machine)

    assert choice.means == means
    assert because in choice.why


@pytest.mark.parametrize(
    ("machine", "means", "because"),
    [
        (GIVEN, Means.ENVIRONMENT, "ACCORD_TEST_MONGO_URL"),
        (ENGINE, Means.CONTAINER, "a Docker engine answers"),
        (PROGRAMS, Means.PROCESS, "secantusd-rs is installed"),
        (NOTHING, Means.NONE, "pip install 'accord-chassis[development]'"),
    ],
)
def test_a_store_is_had_by_the_first_means_that_there_is(
    machine: Machine, means: Means, because: str
) -> None:
    choice = choose_store(machine)

    assert choice.means == means
    assert because in choice.why


@pytest.mark.parametrize(
    "half",
    [Machine(amqp_url="amqp://given"), Machine(management_url="http://given")],
)
def test_half_a_brokers_address_is_refused(half: Machine) -> None:
    with pytest.raises(Unavailable, match="Set both"):
        choose_broker(half)


def test_the_environment_says_where_broker_and_store_are() -> None:
    machine = look(
        {
            "ACCORD_TEST_AMQP_URL": "amqp://given",
            "ACCORD_TEST_MANAGEMENT_URL": "http://given",
            "ACCORD_TEST_MONGO_URL": "mongodb://given",
        }
    )

    assert machine.amqp_url == "amqp://given"
    assert machine.management_url == "http://given"
    assert machine.mongo_url == "mongodb://given"


@contextmanager
def engine_that_answers(socket_file: Path, status: str) -> Iterator[str]:
    class Ping(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            if self.rfile.readline() == b"GET /_ping HTTP/1.0\r\n":
                self.wfile.write(f"HTTP/1.0 {status}\r\n\r\n".encode())

    with socketserver.UnixStreamServer(str(socket_file), Ping) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        yield f"unix://{socket_file}"
        server.shutdown()
        serving.join()


def test_a_docker_engine_counts_if_it_answers_that_it_is_well(tmp_path: Path) -> None:
    with engine_that_answers(tmp_path / "well", "200 OK") as host:
        assert docker_answers(host)

    with engine_that_answers(tmp_path / "ill", "500 Internal Server Error") as host:
        assert not docker_answers(host)


@pytest.mark.parametrize("host", ["unix:///nowhere", "tcp://192.0.2.1:2375"])
def test_an_engine_that_is_not_there_or_elsewhere_does_not_count(host: str) -> None:
    assert not docker_answers(host)


def test_what_is_given_is_used_as_it_is(tmp_path: Path) -> None:
    with backing(tmp_path, GIVEN) as found:
        assert found.amqp_url == "amqp://given"
        assert found.management_url == "http://given"
        assert found.store_url == "mongodb://given"


def test_addresses_with_their_passwords_are_not_printed(tmp_path: Path) -> None:
    with backing(tmp_path, GIVEN) as found:
        assert "given" not in repr((found, GIVEN))


def test_a_machine_without_any_broker_still_has_a_store(tmp_path: Path) -> None:
    with backing(tmp_path, Machine(secantusd=True)) as found:
        assert found.broker.means is Means.NONE
        assert found.amqp_url == found.management_url == ""
        assert found.store.means is Means.PROCESS
        assert says_hello(found.store_url)


def test_a_machine_without_any_store_is_told_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="pip install"), backing(tmp_path, NOTHING):
        pass


def test_a_second_run_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    with (
        backing(tmp_path, GIVEN),
        pytest.raises(Unavailable, match="in use by another run"),
        backing(tmp_path, GIVEN),
    ):
        pass

    with backing(tmp_path, GIVEN):
        pass


def test_free_ports_are_each_another() -> None:
    assert len(set(free_ports(20))) == 20


def test_ports_and_secrets_are_kept(tmp_path: Path) -> None:
    first = kept_ports(tmp_path / "ports", 2), kept_secret(tmp_path / "password")

    assert first == (
        kept_ports(tmp_path / "ports", 2),
        kept_secret(tmp_path / "password"),
    )
    assert (tmp_path / "password").stat().st_mode & 0o077 == 0


def test_a_kept_port_that_somebody_has_taken_is_given_up(tmp_path: Path) -> None:
    (taken,) = kept_ports(tmp_path / "ports", 1)

    with socket.create_server((LOOPBACK, taken)):
        (other,) = kept_ports(tmp_path / "ports", 1)

    assert other != taken
    assert kept_ports(tmp_path / "ports", 1) == [other]


@needs_rabbitmq
def test_nothing_is_installed_where_rabbitmq_is() -> None:
    def say(sentence: str) -> NoReturn:
        pytest.fail(sentence)

    install_rabbitmq(say)


@contextmanager
def process(folder: Path, *command: str) -> Iterator[Process]:
    started = Process("it", folder)
    with locked(folder, patience=0, otherwise="locked") as lock:
        started.start(command, {"PATH": os.defpath}, lock=lock)
    yield started
    started.kill()


def test_a_server_that_ends_at_once_says_where_the_reason_is(tmp_path: Path) -> None:
    with process(tmp_path, "sh", "-c", "echo because; exit 3") as it:
        with pytest.raises(
            Unavailable, match=r"it ended before .*output\.log says why"
        ):
            it.wait_until_ready(never, seconds=10)

        assert (tmp_path / "output.log").read_text() == "because\n"


def test_a_server_that_is_never_ready_is_given_up_and_ended(tmp_path: Path) -> None:
    with process(tmp_path, "sleep", "100") as it:
        assert wait_until((tmp_path / "pid").exists, seconds=10)
        with pytest.raises(Unavailable, match="was not ready within 0 seconds"):
            it.wait_until_ready(never, seconds=0)

        assert not is_alive(it.pid)


def test_a_server_that_does_not_want_to_stop_is_killed(tmp_path: Path) -> None:
    deaf = "trap '' TERM; touch deaf; while :; do sleep 0.1; done"
    with process(tmp_path, "sh", "-c", deaf) as it:
        assert wait_until((tmp_path / "deaf").exists, seconds=10)

        it.stop(patience=0.2)

        assert not is_alive(it.pid)


def test_a_folder_is_locked_until_its_server_is_dead(tmp_path: Path) -> None:
    with process(tmp_path, "sleep", "100") as it:
        with (
            pytest.raises(Unavailable, match="taken"),
            locked(tmp_path, patience=0, otherwise="taken"),
        ):
            pass

        it.kill()

        with locked(tmp_path, patience=5, otherwise="taken"):
            pass


def test_a_store_lives_on_when_the_thread_that_started_it_has_ended(
    tmp_path: Path,
) -> None:
    store = LocalStore(tmp_path)
    thread = threading.Thread(target=store.start)
    thread.start()
    thread.join()

    assert says_hello(store.url)

    store.stop()


def test_a_killed_store_comes_back_with_every_write_it_answered(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    with store.running():
        url = store.url
        with MongoClient[dict[str, Any]](url) as client:
            for number in range(50):
                client["test"]["written"].insert_one({"_id": number})
        store.kill()

    with LocalStore(tmp_path).running() as again:
        assert again.url == url
        with MongoClient[dict[str, Any]](url) as client:
            assert client["test"]["written"].count_documents({}) == 50


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBroker]:
    with LocalBroker(tmp_path_factory.mktemp("broker")).running() as started:
        yield started


@needs_rabbitmq
def test_a_broker_listens_for_amqp_and_management_on_loopback_alone(
    broker: LocalBroker,
) -> None:
    ports = {httpx2.URL(url).port for url in (broker.amqp_url, broker.management_url)}

    assert listening(broker.pid) == {(LOOPBACK, port) for port in ports}


@needs_rabbitmq
def test_a_broker_knows_its_administrator_and_no_guest(broker: LocalBroker) -> None:
    users = httpx2.get(f"{broker.management_url}/api/users").json()

    assert [(each["name"], each["tags"]) for each in users] == [
        ("administrator", ["administrator"])
    ]


@needs_rabbitmq
async def test_a_killed_broker_comes_back_with_every_message_it_confirmed(
    broker: LocalBroker,
) -> None:
    url = broker.amqp_url
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        quorum: FieldTable = {"x-queue-type": "quorum"}
        await channel.declare_queue("kept", durable=True, arguments=quorum)
        for number in range(50):
            message = aio_pika.Message(b"%d" % number, delivery_mode=2)
            await channel.default_exchange.publish(message, routing_key="kept")

    assert wait_until(lambda: registered("kept", broker), seconds=10)
    broker.kill()
    assert not is_alive(broker.pid)
    broker.start()

    assert broker.amqp_url == url
    async with await aio_pika.connect(url) as connection:
        queue = await (await connection.channel()).get_queue("kept")
        # Told at once after a start, the number of messages would still be none.
        async with queue.iterator(timeout=10) as messages:
            kept = [int((await anext(messages)).body) for _ in range(50)]
    assert kept == list(range(50))


@needs_rabbitmq
def test_nothing_is_left_when_whoever_started_it_is_killed(tmp_path: Path) -> None:
    folders = tmp_path / "store", tmp_path / "broker"
    with subprocess.Popen(
        [sys.executable, "-c", CRASHES, *map(str, folders)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as starter:
        assert starter.stdout
        assert starter.stdout.readline() == b"ready\n"
        assert len(processes_of(tmp_path)) >= 4

        starter.send_signal(signal.SIGKILL)

    assert wait_until(lambda: not processes_of(tmp_path), seconds=5)
    for folder in folders:
        # A process that ends has no name any more before it has let go of its files.
        with locked(folder, patience=5, otherwise="A server still holds its folder."):
            assert all(is_free(port) for port in ports_of(folder))


def registered(queue: str, broker: LocalBroker) -> bool:
    """Say whether a quorum queue's registration is on disk.

    RabbitMQ 3.10 writes it half a second late (rabbitmq/ra#443). A queue that is
    younger when its broker is killed comes back empty, and never has a leader again.
    """
    node = Path(f"/proc/{broker.pid}/cwd").resolve() / "data" / "accord@localhost"
    names = node / "quorum" / "accord@localhost" / "names.dets"
    return f"%2F_{queue}".encode() in names.read_bytes()


def says_hello(url: str) -> bool:
    with MongoClient[dict[str, Any]](url) as client:
        return bool(client.admin.command("hello")["ok"])


def ports_of(folder: Path) -> list[int]:
    kept: list[int] = json.loads((folder / "ports").read_text())
    return kept


def is_alive(pid: int) -> bool:
    """Say whether a process runs; one that is dead and not yet buried does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def processes_of(folder: Path) -> list[str]:
    """Find whatever was started for a folder: it is in their environment."""
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        try:
            if str(folder).encode() in environment.read_bytes():
                found.append(environment.parent.name)
        except OSError:
            continue
    return found


def listening(pid: int) -> set[tuple[str, int]]:
    """Find every address that a process listens on."""
    own = set()
    for each in Path(f"/proc/{pid}/fd").iterdir():
        # What was open a moment ago may be closed by now.
        with contextlib.suppress(FileNotFoundError):
            own.add(str(each.readlink()))
    found = set()
    for family in ("tcp", "tcp6"):
        table = Path(f"/proc/{pid}/net/{family}").read_text().splitlines()[1:]
        for line in table:
            _, local, _, state, *_, inode = line.split()[:10]
            if state == "0A" and f"socket:[{inode}]" in own:
                address, port = local.split(":")
                found.add((_readable(address), int(port, 16)))
    return found


def _readable(address: str) -> str:
    kind = socket.AF_INET if len(address) == 8 else socket.AF_INET6
    raw = bytes.fromhex(address)
    words = [raw[at : at + 4][::-1] for at in range(0, len(raw), 4)]
    return socket.inet_ntop(kind, b"".join(words))


def test_what_a_machine_lacks_fails_unless_it_may_be_skipped() -> None:
    with pytest.raises(pytest.fail.Exception, match="setup --for-tests"):
        not_here("Something is not installed.", {})
    with pytest.raises(pytest.skip.Exception, match="NOT CHECKED: Something"):
        not_here("Something is not installed.", {"ACCORD_MAY_SKIP": "1"})
