"""A server as a process of its own, on ports and with secrets that it keeps."""

import fcntl
import json
import os
import random
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from accord_chassis.development import keeper

LOOPBACK = "127.0.0.1"

PORTS = range(20_000, 32_000)
"""Below the ports that Linux gives to outgoing connections, any of which could hold a
server's port just when the server starts again."""

POLL = 0.02
"""Seconds between two looks at whether something is so."""


class Unavailable(Exception):
    """A backing service cannot be had. Says in one sentence what to do."""


def kept_ports(file: Path, count: int) -> list[int]:
    """Give the ports kept in a file, or free ones, which are kept from then on."""
    if file.exists():
        ports: list[int] = json.loads(file.read_text())
        if len(ports) == count and all(is_free(each) for each in ports):
            return ports
    ports = free_ports(count)
    file.write_text(json.dumps(ports))
    return ports


def free_ports(count: int) -> list[int]:
    """Give ports of the loopback interface that nobody listens on, each another."""
    found: list[int] = []
    for port in random.sample(PORTS, k=len(PORTS)):
        if is_free(port):
            found.append(port)
        if len(found) == count:
            return found
    raise Unavailable(
        f"No port between {PORTS.start} and {PORTS.stop} is free: stop a program."
    )


def is_free(port: int) -> bool:
    """Say whether a server could listen on a port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def is_listening(port: int) -> bool:
    """Say whether a server accepts connections on a port."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=2).close()
    except OSError:
        return False
    return True


def kept_secret(file: Path) -> str:
    """Give the password kept in a file, or a new one, which is kept from then on."""
    if not file.exists():
        write_private(file, secrets.token_urlsafe(24))
    return file.read_text()


def kept_master_key(file: Path) -> Path:
    """Give a file with a vault's local master key; made once, and kept from then on.

    It holds 96 bytes, as the driver wants, all of them letters and digits.
    """
    if not file.exists():
        write_private(file, secrets.token_urlsafe(72))
    return file


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner may read."""
    file.touch(mode=0o600)
    file.write_text(text)


@contextmanager
def locked(folder: Path, *, patience: float, otherwise: str) -> Iterator[int]:
    """Hold the lock on a folder, and give the lock so that a process may inherit it.

    It is free again when everybody who holds it has let go of it or is dead.

    Args:
        folder: What is locked; made if it is not there.
        patience: Seconds to wait for whoever holds it now.
        otherwise: What to say if that was not enough.

    Raises:
        Unavailable: Somebody else holds it.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        if not wait_until(lambda: _taken(lock), seconds=patience):
            raise Unavailable(otherwise)
        yield lock
    finally:
        os.close(lock)


def _taken(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def wait_until(is_so: Callable[[], bool], *, seconds: float) -> bool:
    """Look again until something is so, and say whether it became so in time."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL)
    return True


class Process:
    """One run after another of a server, none of which outlives this process.

    All methods block, and may be called from any thread, each call from another.

    Args:
        name: What it is called where something must be said of it.
        folder: Where it runs, keeps its process id and writes what it has to say.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self._name = name
        self._folder = folder
        self._output = folder / "output.log"
        self._keeper: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id of the server itself."""
        return int((self._folder / keeper.PID_FILE).read_text())

    def start(
        self, command: Sequence[str], environment: Mapping[str, str], *, lock: int
    ) -> None:
        """Start the server, which holds the lock on its folder until it is dead."""
        # It may have died by itself since it was last started.
        self.kill()
        with self._output.open("ab") as output:
            self._keeper = subprocess.Popen(  # noqa: S603 - The command is our own.
                [sys.executable, "-I", "-S", keeper.__file__, *command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                env=environment,
                start_new_session=True,
                pass_fds=(lock,),
            )

    def wait_until_ready(self, is_ready: Callable[[], bool], *, seconds: float) -> None:
        """Wait until the server answers.

        Raises:
            Unavailable: It ended, or it does not answer in time and was ended.
        """
        if wait_until(lambda: self._is_dead() or is_ready(), seconds=seconds):
            if not self._is_dead():
                return
            what = "ended before it was ready"
        else:
            what = f"was not ready within {seconds:.0f} seconds"
        self.kill()
        raise Unavailable(f"{self._name} {what}: {self._output} says why.")

    def _is_dead(self) -> bool:
        return self._keeper is None or self._keeper.poll() is not None

    def stop(self, *, patience: float) -> None:
        """Ask the server to end, and kill it if it does not within a time."""
        if self._keeper and self._keeper.stdin:
            with suppress(BrokenPipeError):
                self._keeper.stdin.write(keeper.PLEASE_END)
                self._keeper.stdin.flush()
            with suppress(subprocess.TimeoutExpired):
                self._keeper.wait(patience)
        self.kill()

    def kill(self) -> None:
        """Kill the server (SIGKILL) and wait until it is dead."""
        if self._keeper is None:
            return
        if self._keeper.stdin:
            with suppress(BrokenPipeError):
                self._keeper.stdin.close()
        self._keeper.wait()
        self._keeper = None
