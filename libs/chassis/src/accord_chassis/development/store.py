"""A MongoDB-compatible store, as a local process.

``secantusd-rs`` is a beta of one node: for development and tests, never for a real
person's data. It is started as a program and never imported.
"""

import os
import secrets
import sys
from collections.abc import Iterator, Sequence
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
    kept_secret,
    locked,
    write_private,
)

# It comes with the `development` extra into the environment that runs us.
SECANTUSD = Path(sys.executable).with_name("secantusd-rs")
MISSING = (
    "secantusd-rs is not installed: "
    "`pip install 'accord-chassis[development]'` installs it"
)

# Hundreds of connections slow the server down.
URL = "mongodb://{loopback}:{port}/?directConnection=true&maxPoolSize=16"

USER = "administrator"

START_SECONDS = 60.0
STOP_SECONDS = 10.0
LOCK_SECONDS = 5.0

CACHE = "256M"
"""Enough for a demo and for tests; several may run side by side on one machine."""


class LocalStore:
    """A store that can be stopped, killed and started again on the same data.

    A write that it has answered is on disk. Its methods block: asyncio code runs them
    in a thread. Its URL is known once it has been started, and stays the same when it
    is started again.

    Nobody is let in without a user. Its administrator is made when it is started for
    the first time, before it asks who somebody is.

    Args:
        folder: Its data, port, password and log, kept from one run to the next.
        options: Further ones of the program.
        query: What its address says besides.
        cache: How much memory it may fill, as the program understands it.
    """

    def __init__(
        self,
        folder: Path,
        options: Sequence[str] = (),
        query: str = "",
        cache: str = CACHE,
    ) -> None:
        self._folder = folder.absolute()
        self._process = Process("secantusd-rs", self._folder)
        self._ports: list[int] = []
        self._options = tuple(options)
        self._query = query
        self._cache = cache

    @property
    def url(self) -> str:
        """Where it is, with the administrator's user and password."""
        password = kept_secret(self._folder / "password")
        place = f"{USER}:{password}@{LOOPBACK}"
        known = URL.format(loopback=place, port=self._ports[0])
        return f"{known}&authSource=admin{self._query}"

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
            if not (self._folder / "password").exists():
                self._run(lock)
                self._make_administrator()
                self._process.stop(patience=STOP_SECONDS)
            self._run(lock, "--auth", *self._options)

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
            "--cache-size": self._cache,
            # By default the log is a file of 2 GB.
            "--log-file-max": "128MB",
        }
        flat = [word for option in options.items() for word in option]
        return [str(SECANTUSD), *flat, "--sync-on-commit"]

    def _run(self, lock: int, *options: str) -> None:
        home = {"HOME": str(self._folder), "PATH": os.defpath}
        self._process.start([*self._command(), *options], home, lock=lock)
        open_ = URL.format(loopback=LOOPBACK, port=self._ports[0])
        where = open_ if not options else self.url
        self._process.wait_until_ready(
            lambda: is_listening(self._ports[0]) and is_writable(where),
            seconds=START_SECONDS,
        )

    def _make_administrator(self) -> None:
        """Make the administrator; a password that was not kept made none."""
        password = secrets.token_urlsafe(24)
        where = URL.format(loopback=LOOPBACK, port=self._ports[0])
        with MongoClient[dict[str, Any]](where) as client:
            root = [{"role": "root", "db": "admin"}]
            known = client.admin.command("usersInfo", USER)["users"]
            verb = "updateUser" if known else "createUser"
            client.admin.command(verb, USER, pwd=password, roles=root)
        write_private(self._folder / "password", password)


def is_writable(url: str) -> bool:
    """Say whether a store answers ``hello`` and would take a write."""
    try:
        with MongoClient[dict[str, Any]](url, serverSelectionTimeoutMS=500) as client:
            return bool(client.admin.command("hello")["isWritablePrimary"])
    except PyMongoError:
        return False
