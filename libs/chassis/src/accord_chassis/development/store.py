"""A MongoDB-compatible store, as a local process.

``secantusd-rs`` is a beta of one node: for development and tests, never for a real
person's data. It is started as a program and never imported.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from accord_chassis.development.process import (
    LOOPBACK,
    Process,
    Unavailable,
    is_listening,
    kept_ports,
    locked,
)

# It comes with the `development` extra into the environment that runs us.
SECANTUSD = Path(sys.executable).with_name("secantusd-rs")
MISSING = (
    "secantusd-rs is not installed: "
    "`pip install 'accord-chassis[development]'` installs it"
)

# Hundreds of connections slow the server down.
URL = "mongodb://{loopback}:{port}/?directConnection=true&maxPoolSize=16"

START_SECONDS = 60.0
STOP_SECONDS = 10.0
LOCK_SECONDS = 5.0


class LocalStore:
    """A store that can be stopped, killed and started again on the same data.

    A write that it has answered is on disk. Its methods block: asyncio code runs them
    in a thread. Its URL is known once it has been started, and stays the same when it
    is started again.

    Args:
        folder: Its data, port and log, kept from one run to the next.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self._process = Process("secantusd-rs", self._folder)
        self._ports: list[int] = []

    @property
    def url(self) -> str:
        """Where it is."""
        return URL.format(loopback=LOOPBACK, port=self._ports[0])

    @property
    def pid(self) -> int:
        """The process id of the server."""
        return self._process.pid

    def start(self) -> None:
        """Start the store on its data, and wait until it answers.

        Raises:
            Unavailable: It is not installed, runs already, or does not start.
        """
        if not SECANTUSD.exists():
            raise Unavailable(f"{MISSING}.")
        in_use = f"A store runs in {self._folder} already: stop it first."
        with locked(self._folder, patience=LOCK_SECONDS, otherwise=in_use) as lock:
            self._ports = self._ports or kept_ports(self._folder / "ports", 1)
            # An own configuration, though empty, keeps the machine's from being found.
            (self._folder / "secantusd.toml").touch()
            home = {"HOME": str(self._folder), "PATH": os.defpath}
            self._process.start(self._command(), home, lock=lock)
        self._process.wait_until_ready(self._answers, seconds=START_SECONDS)

    def stop(self) -> None:
        """Let the store write a checkpoint and end."""
        self._process.stop(patience=STOP_SECONDS)

    def kill(self) -> None:
        """Kill the store (SIGKILL) and wait until it is dead."""
        self._process.kill()

    @contextmanager
    def running(self) -> Iterator["LocalStore"]:
        """Start the store, and stop it in the end."""
        try:
            self.start()
            yield self
        finally:
            self.stop()

    def _command(self) -> list[str]:
        options = {
            "--config": str(self._folder / "secantusd.toml"),
            "--host": LOOPBACK,
            "--port": str(self._ports[0]),
            "--storage-path": str(self._folder / "data"),
            "--cache-size": "256M",
            # By default the log is a file of 2 GB.
            "--log-file-max": "128MB",
        }
        flat = [word for option in options.items() for word in option]
        return [str(SECANTUSD), *flat, "--sync-on-commit"]

    def _answers(self) -> bool:
        return is_listening(self._ports[0]) and is_writable(self.url)


def is_writable(url: str) -> bool:
    """Say whether a store answers ``hello`` and would take a write."""
    try:
        with MongoClient[dict[str, Any]](url, serverSelectionTimeoutMS=500) as client:
            return bool(client.admin.command("hello")["isWritablePrimary"])
    except PyMongoError:
        return False
