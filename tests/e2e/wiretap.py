"""Everything that goes over a region's broker, kept as it came, byte for byte."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from accord_chassis.topology import (
    DEAD,
    EVENTS,
    OPERATOR,
    REDELIVER,
    RETRY,
    all_queues,
    parked_of,
    queue_of,
    queues,
)
from accord_contracts.catalogue import CATALOGUE
from accord_contracts.message import Lane
from aio_pika import DeliveryMode, Message, connect
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

EVERYTHING = (EVENTS, RETRY, REDELIVER, DEAD)

SECONDS = 30.0
"""How long the broker may take for anything."""

WAITING = tuple(set(all_queues(CATALOGUE)) - set(map(parked_of, queues(CATALOGUE))))
"""The queues in which a message still has something ahead of it."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A message that went by."""

    exchange: str
    routing_key: str
    message_id: str
    user: str
    headers: Mapping[str, str]
    body: bytes

    @classmethod
    def of(cls, incoming: AbstractIncomingMessage) -> "Heard":
        """Keep what came."""
        return cls(
            exchange=incoming.exchange or "",
            routing_key=incoming.routing_key or "",
            message_id=incoming.message_id or "",
            user=incoming.user_id or "",
            headers={name: str(value) for name, value in incoming.headers.items()},
            body=incoming.body,
        )

    @property
    def type(self) -> str:
        """The event's type."""
        return self.headers.get("ce-type", "")

    @property
    def trace_id(self) -> str:
        """The trace to which it belongs."""
        return self.headers.get("ce-traceparent", "--").split("-")[1]

    @property
    def data(self) -> dict[str, Any]:
        """What it says, if that can be read."""
        try:
            found: dict[str, Any] = json.loads(self.body)
        except ValueError:
            return {}
        return found

    def says(self, type_: str, **fields: object) -> bool:
        """Tell whether it is an event of a type that says this."""
        data = self.data
        return self.type == type_ and fields.items() <= data.items()

    def queues(self) -> list[str]:
        """Name the queues to which the catalogue has it delivered."""
        lane = Lane(self.headers["ce-lane"])
        return [queue_of(each, lane) for each in CATALOGUE.entries[self.type].listeners]

    @property
    def raw(self) -> bytes:
        """All of it in one piece, to be searched."""
        told = {"key": self.routing_key, "id": self.message_id, **self.headers}
        return json.dumps(told, ensure_ascii=False).encode() + b"\n" + self.body


class Wiretap:
    """Listens to a region's broker from the moment it is opened."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []

    async def keep(self, incoming: AbstractIncomingMessage) -> None:
        """Keep what came."""
        self.heard.append(Heard.of(incoming))

    def all(self, type_: str, **fields: object) -> list[Heard]:
        """Give the events of a type that say this, in order."""
        return [each for each in self.heard if each.says(type_, **fields)]


@asynccontextmanager
async def wiretap(
    url: str, exchanges: Sequence[str] = (EVENTS,)
) -> AsyncIterator[Wiretap]:
    """Listen for as long as the block runs.

    Args:
        url: The broker, as somebody who may: the operator may hear the events, and only
            the administrator the rest.
        exchanges: What to listen to; with nothing, there is no connection either.
    """
    tap = Wiretap()
    if not exchanges:
        yield tap
        return
    connection = await connect(url)
    try:
        channel = await connection.channel(publisher_confirms=False)
        await channel.set_qos(prefetch_count=1000)
        queue = await channel.declare_queue(
            f"accord.tail.{uuid4().hex}", exclusive=True, auto_delete=True
        )
        for name in exchanges:
            await queue.bind(await channel.get_exchange(name, ensure=False), "#")
        await queue.consume(tap.keep, no_ack=True)
        yield tap
    finally:
        async with asyncio.timeout(SECONDS):
            await connection.close()


async def publish(
    url: str,
    exchange: str,
    routing_key: str,
    heard: Iterable[Heard],
    *,
    user: str | None = None,
) -> None:
    """Publish messages as they came, under somebody's name, and have that confirmed."""
    async with await connect(url) as connection:
        channel = await connection.channel(on_return_raises=True)
        for each in heard:
            await _publish(channel, exchange, routing_key, each, user=user)


async def redeliver(url: str, heard: Iterable[Heard]) -> int:
    """Have every message delivered once more, as an operator would; say how often."""
    count = 0
    async with await connect(url) as connection:
        channel = await connection.channel(on_return_raises=True)
        for each in heard:
            for queue in each.queues():
                await _publish(channel, REDELIVER, queue, each, user=OPERATOR)
                count += 1
    return count


async def _publish(
    channel: AbstractChannel,
    exchange: str,
    routing_key: str,
    heard: Heard,
    *,
    user: str | None,
) -> None:
    target = await channel.get_exchange(exchange, ensure=False)
    message = Message(
        heard.body,
        content_type="application/json",
        delivery_mode=DeliveryMode.PERSISTENT,
        headers=dict(heard.headers),
        message_id=heard.message_id,
        user_id=user,
    )
    await target.publish(message, routing_key, mandatory=True, timeout=10)


async def held(url: str, names: Iterable[str]) -> dict[str, int]:
    """Count what waits in queues; only those in which something does."""
    async with asyncio.timeout(SECONDS), await connect(url) as connection:
        channel = await connection.channel(publisher_confirms=False)
        counts = {}
        for name in names:
            declared = await channel.declare_queue(name, passive=True)
            if count := declared.declaration_result.message_count:
                counts[name] = count
        return counts
