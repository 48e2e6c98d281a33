"""A private RabbitMQ node, as a local process.

Nothing of it is shared with another node on the machine, the system's own included: it
has its own ports, data, configuration, password and Erlang cookie. It takes part in no
Erlang distribution, so it listens on no port for that and needs no ``epmd``.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from accord_chassis.development.process import (
    LOOPBACK,
    Process,
    Unavailable,
    kept_ports,
    kept_secret,
    locked,
    write_private,
)

# Debian's. The one in /usr/sbin changes to another user before it runs this one.
RABBITMQ_SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
MISSING = (
    "rabbitmq-server is not installed: "
    "`sudo apt-get install rabbitmq-server` installs it on Debian and Ubuntu"
)

USER = "administrator"

# The port that `-erl_epmd_port` names is what the node is told when it asks on which
# port it takes part in the distribution. With any answer it does not ask an epmd.
APART = "-start_epmd false -dist_listen false -erl_epmd_port 1"

CONFIGURATION = """\
listeners.tcp.local = {loopback}:{amqp}
management.tcp.ip = {loopback}
management.tcp.port = {management}
default_user = {user}
default_pass = {password}
loopback_users.{user} = true
disk_free_limit.absolute = 50MB
vm_memory_high_watermark.absolute = {memory}
log.file = false
log.console = true
log.console.level = info
log.console.use_colors = off
"""

HELLO = b"AMQP\x00\x00\x09\x01"
METHOD_FRAME = 1

TLS = """\
listeners.ssl.local = {loopback}:{port}
ssl_options.cacertfile = {ca}
ssl_options.certfile = {certificate}
ssl_options.keyfile = {certificate}
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = {asks}
ssl_options.versions.1 = tlsv1.3
ssl_options.versions.2 = tlsv1.2
"""

START_SECONDS = 60.0
LOCK_SECONDS = 5.0

# Queues and message stores are closed within milliseconds of SIGTERM. Then the
# management plugin of 3.10 asks the application controller something while that waits
# for the plugin to end, and gives up after five seconds. What was confirmed is on disk
# by then, and was before: the rest of the way is cut short.
STOP_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Identity:
    """By what a local broker is known to those who speak TLS to it.

    Attributes:
        ca_file: Who vouches for those who show a certificate.
        cert_file: Its certificate and private key, PEM.
        asks: Whether nobody is let in who shows no certificate.
    """

    ca_file: Path
    cert_file: Path
    asks: bool = False


class LocalBroker:
    """A RabbitMQ node that can be stopped, killed and started again.

    Its methods block for seconds: asyncio code runs them in a thread. Its URLs are
    known once it has been started, and stay the same when it is started again.

    Args:
        folder: Its data, ports, password and log, kept from one run to the next.
        identity: With one it speaks TLS too, on a port of its own.
        memory: How much it may use, as RabbitMQ writes it, before it takes in nothing
            more: a start applies it.
    """

    def __init__(
        self, folder: Path, identity: Identity | None = None, memory: str = "1GB"
    ) -> None:
        self._folder = folder.absolute()
        self._identity = identity
        self.memory = memory
        self._process = Process("rabbitmq-server", self._folder)
        self._ports: list[int] = []
        self._password = ""

    @property
    def amqp_url(self) -> str:
        """Where it speaks AMQP, with the administrator's user and password."""
        return f"amqp://{USER}:{self._password}@{LOOPBACK}:{self._ports[0]}/"

    @property
    def tls_port(self) -> int:
        """Where it speaks AMQP over TLS, if it does."""
        return self._ports[2]

    @property
    def management_url(self) -> str:
        """Where its management API is, with the administrator's user and password."""
        return f"http://{USER}:{self._password}@{LOOPBACK}:{self._ports[1]}"

    @property
    def pid(self) -> int:
        """The process id of the Erlang node."""
        return self._process.pid

    def start(self) -> None:
        """Start the node on its data, and wait until it answers.

        Raises:
            Unavailable: It is not installed, runs already, or does not start.
        """
        if not RABBITMQ_SERVER.exists():
            raise Unavailable(f"{MISSING}.")
        in_use = f"A broker runs in {self._folder} already: stop it first."
        with locked(self._folder, patience=LOCK_SECONDS, otherwise=in_use) as lock:
            self._ports = self._ports or kept_ports(
                self._folder / "ports", 3 if self._identity else 2
            )
            self._password = kept_secret(self._folder / "password")
            self._configure()
            self._process.start([str(RABBITMQ_SERVER)], self._environment(), lock=lock)
        self._process.wait_until_ready(self._answers, seconds=START_SECONDS)

    def stop(self) -> None:
        """Let the node close its queues and end."""
        self._process.stop(patience=STOP_SECONDS)

    def kill(self) -> None:
        """Kill the node (SIGKILL) and wait until it is dead.

        RabbitMQ before 3.13.3 registers a new quorum queue on disk half a second late
        (rabbitmq/ra#443): one that is younger than a second comes back empty and
        without a leader, and whoever consumes from it waits for ever.
        """
        self._process.kill()

    @contextmanager
    def running(self) -> Iterator["LocalBroker"]:
        """Start the node, and stop it in the end."""
        try:
            self.start()
            yield self
        finally:
            self.stop()

    def _configure(self) -> None:
        (self._folder / "home").mkdir(exist_ok=True, mode=0o700)
        (self._folder / "enabled_plugins").write_text("[rabbitmq_management].\n")
        text = CONFIGURATION.format(
            loopback=LOOPBACK,
            amqp=self._ports[0],
            management=self._ports[1],
            user=USER,
            password=self._password,
            memory=self.memory,
        )
        if self._identity:
            text += TLS.format(
                loopback=LOOPBACK,
                port=self._ports[2],
                ca=self._identity.ca_file,
                certificate=self._identity.cert_file,
                asks=str(self._identity.asks).lower(),
            )
        write_private(self._folder / "rabbitmq.conf", text)

    def _environment(self) -> dict[str, str]:
        absent = str(self._folder / "absent")
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LC_ALL": "C.UTF-8",
            "HOME": str(self._folder / "home"),
            "ERL_AFLAGS": APART,
            "RABBITMQ_NODENAME": "accord@localhost",
            # A node that has its name from the start does not look for an epmd.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-sname accord@localhost",
            # The script becomes the node instead of staying before it as a shell.
            "RUNNING_UNDER_SYSTEMD": "true",
            "RABBITMQ_MNESIA_BASE": str(self._folder / "data"),
            "RABBITMQ_LOG_BASE": str(self._folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(self._folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._folder / "enabled_plugins"),
            # What the machine has configured for its own node is not for this one.
            "RABBITMQ_CONF_ENV_FILE": absent,
            "RABBITMQ_CONFIG_FILES": absent,
            "RABBITMQ_ADVANCED_CONFIG_FILE": absent,
        }

    def _answers(self) -> bool:
        return speaks_amqp(self._ports[0]) and manages(self.management_url)


def speaks_amqp(port: int) -> bool:
    """Say whether a broker on the loopback interface begins the AMQP handshake."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=2) as connection:
            connection.sendall(HELLO)
            answer = connection.recv(1)
    except OSError:
        return False
    return answer == bytes([METHOD_FRAME])


def manages(management_url: str) -> bool:
    """Say whether a management API answers its administrator."""
    try:
        answer = httpx2.get(f"{management_url}/api/whoami", timeout=2)
    except httpx2.TransportError:
        return False
    return answer.status_code == httpx2.codes.OK
