"""The committed Caddyfile, run by a real Caddy: what it lets through, and what not."""

import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from .programs import found

CADDYFILE = Path(__file__).parents[2] / "deploy/compose/Caddyfile"
UNANSWERED = "-without-answer"
SERVICES = ("referrals", "risk", "allocation", "plans", "notify")


class Echo(BaseHTTPRequestHandler):
    """Answers with which service was asked for which path."""

    def do_GET(self) -> None:
        """Say who was asked for what, unless one asks for no answer."""
        if self.path.endswith(UNANSWERED):
            self.close_connection = True
            return
        assert isinstance(self.server, ThreadingHTTPServer)
        length = int(self.headers.get("content-length", 0))
        body = {
            "port": self.server.server_port,
            "path": self.path,
            "length": len(self.rfile.read(length)),
        }
        sent = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    do_POST = do_GET  # noqa: N815 - HTTP's name, too.

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - As it is.
        """Say nothing."""


class Upstream(ThreadingHTTPServer):
    """One of the services behind the gateway."""

    def handle_error(self, request: object, client_address: object) -> None:
        """Pass over it: a gateway that refuses a body cuts the connection."""


@contextmanager
def upstream() -> Iterator[int]:
    server = Upstream(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def caddy() -> str:
    program = found("caddy")
    if program is None:
        pytest.skip("no caddy here: the Caddyfile was not run")
    return program


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the gateway writes its log."""
    return tmp_path_factory.mktemp("log") / "caddy.log"


@pytest.fixture(scope="module")
def gateway(
    caddy: str, written: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[int, dict[str, int]]]:
    """A gateway's port, and the port of each service behind it."""
    port = free_port()
    home = tmp_path_factory.mktemp("caddy")
    with ExitStack() as stack:
        ports = {name: stack.enter_context(upstream()) for name in SERVICES}
        addresses = {
            name.upper(): f"127.0.0.1:{behind}" for name, behind in ports.items()
        }
        own = {
            "GATEWAY_BIND": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "HOME": str(home),
            "XDG_DATA_HOME": str(home),
        }
        with written.open("wb") as log:
            process = subprocess.Popen(
                [caddy, "run", "--config", str(CADDYFILE), "--adapter", "caddyfile"],
                env=os.environ | own | addresses,
                stdout=log,
                stderr=log,
            )
        try:
            answers_soon(port)
            yield port, ports
        finally:
            process.terminate()
            process.wait(10)


def answers_soon(port: int) -> None:
    deadline = time.monotonic() + 15
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
        else:
            return


def ask(port: int, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST" if body else "GET", path, body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_the_caddyfile_is_valid_and_formatted(caddy: str) -> None:
    for command in (["validate", "--config"], ["fmt", "--diff"]):
        done = subprocess.run(
            [caddy, *command, str(CADDYFILE)], capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("path", ["/v1", "/v1/things/7?after=3"])
def test_a_service_is_asked_without_its_prefix(
    gateway: tuple[int, dict[str, int]], service: str, path: str
) -> None:
    port, behind = gateway

    status, body = ask(port, f"/api/{service}{path}")

    assert status == 200
    asked = json.loads(body)
    assert (asked["port"], asked["path"]) == (behind[service], path)


def test_the_page_behind_links_is_notifys(gateway: tuple[int, dict[str, int]]) -> None:
    port, behind = gateway

    status, body = ask(port, "/acknowledge/a-link")

    assert status == 200
    asked = json.loads(body)
    assert (asked["port"], asked["path"]) == (behind["notify"], "/acknowledge/a-link")


def test_a_link_is_not_written_down_where_nobody_answers(
    gateway: tuple[int, dict[str, int]], written: Path
) -> None:
    link = f"a-secret-link{UNANSWERED}"

    status, _ = ask(gateway[0], f"/acknowledge/{link}")

    deadline = time.monotonic() + 10
    while "http.log.error" not in (text := written.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert status == 502
    assert '"status":502' in text.replace(" ", "")
    assert "a-secret-link" not in text


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/acknowledge",
        "/acknowledge/../ready",
        "/v1/referrals",
        "/api/risk",
        "/api/risk/live",
        "/api/risk/ready",
        "/api/risk/docs",
        "/api/risk/v1/../ready",
        "/api/risk/v1/%2e%2e/ready",
        "/api/risk/v1x",
        "/api/portal/v1/things",
    ],
)
def test_nothing_else_is_let_through(
    gateway: tuple[int, dict[str, int]], path: str
) -> None:
    assert ask(gateway[0], path)[0] == 404


def test_a_body_without_end_is_refused(gateway: tuple[int, dict[str, int]]) -> None:
    port, _ = gateway

    assert ask(port, "/api/referrals/v1/batch", b"x" * 9_000_000)[0] == 200
    assert ask(port, "/api/referrals/v1/batch", b"x" * 11_000_000)[0] == 413
