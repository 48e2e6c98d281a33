"""Every entry that ever stood in an outbox, for however short a time.

The store tells of every write as it happens (a change stream).
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from accord_chassis.topology import EVENTS
from app import SERVICES, Region
from pymongo.asynchronous.change_stream import AsyncChangeStream
from wiretap import Heard

Document = dict[str, Any]

WRITES = [{"$match": {"operationType": {"$in": ["insert", "update", "replace"]}}}]


class Outboxes:
    """What the services of a region have had to tell, told already or not.

    Unlike the bus, this has the steps that a service tells itself, and whatever waits
    for a broker that is away.
    """

    def __init__(self, region: Region) -> None:
        surroundings = region.surroundings
        self._services = {surroundings.database_of(each): each for each in SERVICES}
        self._entries: dict[bytes, tuple[str, Document]] = {}

    def note(self, change: Document) -> None:
        """Keep what a write put into an outbox."""
        service = self._services.get(change["ns"]["db"])
        if service is None:
            return
        for entry in _entries(change):
            self._entries[bytes(entry["id"])] = (service, entry)

    @property
    def told(self) -> list[Heard]:
        """Give the entries as the messages that they are published as, in order."""
        return [_message(service, each) for service, each in self._entries.values()]


def _entries(change: Document) -> Iterator[Document]:
    yield from change.get("fullDocument", {}).get("outbox", ())
    changed = change.get("updateDescription", {}).get("updatedFields", {})
    for name, value in changed.items():
        if name == "outbox":
            yield from value
        elif name.startswith("outbox.") and name.count(".") == 1:
            yield value


def _message(service: str, entry: Document) -> Heard:
    return Heard(
        exchange=EVENTS,
        routing_key=entry["key"],
        message_id=str(UUID(bytes=bytes(entry["id"]))),
        user=service,
        headers=json.loads(entry["headers"]),
        body=entry["body"].encode(),
    )


@asynccontextmanager
async def outboxes_of(region: Region) -> AsyncIterator[Outboxes]:
    """Watch the outboxes of a region for as long as the block runs."""
    outboxes = Outboxes(region)
    async with await region.store.watch(WRITES) as changes:
        watching = asyncio.create_task(_watch(changes, outboxes))
        try:
            yield outboxes
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching


async def _watch(changes: AsyncChangeStream[Document], outboxes: Outboxes) -> None:
    async for change in changes:
        outboxes.note(dict(change))
