"""The connections of a service to its stores."""

from typing import Any

import structlog
from pymongo import AsyncMongoClient

from accord_chassis.doors import Line, renew_client
from accord_chassis.settings import ChassisSettings
from accord_chassis.store import connect

log = structlog.get_logger()

POOL = 16
"""Connections to the store: with batching, more would only wait."""

STORE_SECONDS = 5.0
"""How long a store is looked for. Its answer may take twice as long, so a request into
a line that is dead is told to come back after three times as long (measured)."""


class StoreLines:
    """The connections of a service to its stores, which follow what is written anew.

    Args:
        settings: Where the stores are, and what they are opened with.
        name: Of the service.
    """

    def __init__(self, settings: ChassisSettings, name: str) -> None:
        self._settings = settings
        self._name = name
        self._lines: list[tuple[AsyncMongoClient[dict[str, Any]], Line]] = []

    def connect(self, url: str) -> AsyncMongoClient[dict[str, Any]]:
        """Connect to the store of a setting, so that nobody waits for it for ever."""
        line = Line.to(self._settings, url)
        client = connect(
            line.url,
            maxPoolSize=POOL,
            serverSelectionTimeoutMS=STORE_SECONDS * 1000,
            connectTimeoutMS=STORE_SECONDS * 1000,
            socketTimeoutMS=STORE_SECONDS * 2000,
            waitQueueTimeoutMS=STORE_SECONDS * 2000,
            appname=f"accord-{self._name}",
            **line.store_options(),
        )
        self._lines.append((client, line))
        return client

    async def renew(self) -> None:
        """Follow passwords and certificates that were written anew."""
        for client, line in self._lines:
            if line.renewed():
                await renew_client(client, line)
                log.info("line.renewed", dependency="store")
