"""What the chassis's tests put around a service: a small broker, lines that break."""

import asyncio
import contextlib
import json
import logging
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from enum import StrEnum
from io import StringIO
from typing import Any, Self
from urllib.parse import urlsplit
from uuid import uuid4

import httpx2
import structlog
from accord_chassis import telemetry, topology
from accord_chassis.development.backing import Backing
from accord_chassis.testing import VirtualHost
from accord_contracts.catalogue import Catalogue
from aio_pika import connect


@asynccontextmanager
async def virtual_host_of(
    backing: Backing,
    catalogue: Catalogue,
    known: Mapping[str, str] | None = None,
    *,
    hurry: int = 100,
) -> AsyncIterator[VirtualHost]:
    """A virtual host with the topology of a small catalogue: few queues, soon made.

    Args:
        backing: The broker.
        catalogue: Whose topology it has.
        known: The passwords of users who are there already.
        hurry: How many times as fast as in a region one goes down the ladder.
    """
    name = f"test-{uuid4().hex[:12]}"
    passwords = {user: uuid4().hex for user in (*catalogue.services, topology.OPERATOR)}
    passwords |= known or {}
    parts = urlsplit(backing.management_url)
    async with httpx2.AsyncClient(
        base_url=f"{parts.scheme}://{parts.hostname}:{parts.port}",
        auth=(parts.username or "", parts.password or ""),
        timeout=30,
    ) as management:
        wanted = topology.definitions(
            catalogue, vhost=name, passwords=passwords, hurry=hurry
        )
        (await management.put(f"/api/vhosts/{name}")).raise_for_status()
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        who = f"/api/permissions/{name}/{parts.username}"
        (await management.put(who, json=everything)).raise_for_status()
        (await management.post("/api/definitions", json=wanted)).raise_for_status()
        url = f"{backing.amqp_url.rstrip('/')}/{name}"
        async with await connect(url) as connection:
            channel = await connection.channel()
            yield VirtualHost(name, backing.amqp_url, management, passwords, channel)
        await management.delete(f"/api/vhosts/{name}")


class Line(StrEnum):
    """How a line between two programs can be."""

    GOOD = "good"
    REFUSED = "refused"
    """Nobody answers, and what stood is cut."""
    DEAD = "dead"
    """It stands, and nothing comes through."""


class Proxy:
    """A line to a server that a test can cut.

    Args:
        url: The server's address, with its port.
    """

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)
        self._line = Line.GOOD
        self._open = asyncio.Event()
        self._open.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def __aenter__(self) -> Self:
        await self._listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.become(Line.REFUSED)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", self.port, reuse_address=True
        )
        self.port = self._server.sockets[0].getsockname()[1]

    @property
    def url(self) -> str:
        """The server's address over this line."""
        held, _, _ = self._url.netloc.rpartition(":")
        return self._url._replace(netloc=f"{held}:{self.port}").geturl()

    async def become(self, line: Line) -> None:
        """Make the line good, refused or dead."""
        self._line = line
        if line is Line.DEAD:
            self._open.clear()
            return
        self._open.set()
        if line is Line.GOOD and self._server is None:
            await self._listen()
        if line is Line.REFUSED and self._server is not None:
            self._server.close()
            for each in self._writers:
                each.transport.abort()
            await self._server.wait_closed()
            self._server = None

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            there, back = await asyncio.open_connection(
                self._url.hostname, self._url.port
            )
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, back}
        try:
            await asyncio.gather(self._copy(reader, back), self._copy(there, writer))
        finally:
            self._writers -= {writer, back}
            writer.transport.abort()
            back.transport.abort()

    async def _copy(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(65536):
                await self._open.wait()
                writer.write(piece)
                await writer.drain()
        writer.transport.abort()


class Lines:
    """The log lines of a block, as they would be written."""

    def __init__(self) -> None:
        self.stream = StringIO()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (json.loads(each) for each in self.stream.getvalue().splitlines())

    def of(self, event: str) -> list[dict[str, Any]]:
        """Give the lines of one event."""
        return [each for each in self if each["event"] == event]


@contextmanager
def logged(level: str = "debug") -> Iterator[Lines]:
    """Log as a service does, to be looked at."""

    root = logging.getLogger()
    before = (root.handlers, root.level, sys.excepthook)
    lines = Lines()
    telemetry.configure_logs(level, stream=lines.stream)
    try:
        yield lines
    finally:
        root.handlers, sys.excepthook = before[0], before[2]
        root.setLevel(before[1])
        logging.captureWarnings(capture=False)
        structlog.reset_defaults()
        structlog.contextvars.clear_contextvars()
