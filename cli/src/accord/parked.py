"""Parked messages, which no service could handle: looked at, replayed, discarded.

A parked message is never taken away to be looked at: it is fetched without an
acknowledgement and goes back when the channel is closed. Replaying copies it to its
queue with a confirm, and only then takes it away.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from accord_chassis.topology import OPERATOR, REDELIVER, parked_of, queues
from accord_contracts.catalogue import Catalogue
from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from aio_pika.exceptions import ChannelClosed, DeliveryError

from accord.catalogue import catalogue_of
from accord.deployment import Deployment
from accord.faults import CannotGoOn
from accord.operating import operator

OURS = ("attempt", "parked", "first-seen")
"""Headers that tell of earlier tries: a replayed message begins anew."""


@dataclass(frozen=True, slots=True)
class Parked:
    """A parked message.

    Attributes:
        queue: The queue whose service could not handle it.
        reason: Why, as the fault's name.
    """

    queue: str
    message_id: str
    type: str
    subject: str
    time: str
    attempt: int
    reason: str
    incoming: AbstractIncomingMessage = field(repr=False, compare=False)

    @classmethod
    def of(cls, queue: str, incoming: AbstractIncomingMessage) -> "Parked":
        """Read an envelope. What cannot be read is empty: perhaps why it is here."""
        named = {name: str(value) for name, value in incoming.headers.items()}
        attempt = named.get("attempt", "0")
        return cls(
            queue=queue,
            message_id=incoming.message_id or named.get("ce-id", ""),
            type=named.get("ce-type", ""),
            subject=named.get("ce-subject", ""),
            time=named.get("ce-time", ""),
            attempt=int(attempt) if attempt.isdecimal() else 0,
            reason=named.get("parked", "rejected"),
            incoming=incoming,
        )

    def document(self, *, body: bool = False) -> dict[str, Any]:
        """Give it for a machine: the envelope, and the thin body if asked for."""
        told: dict[str, Any] = {
            "queue": self.queue,
            "message_id": self.message_id,
            "type": self.type,
            "subject": self.subject,
            "time": self.time,
            "attempt": self.attempt,
            "reason": self.reason,
        }
        if body:
            told["headers"] = {
                name: str(value)
                for name, value in self.incoming.headers.items()
                if not name.startswith("x-")
            }
            told["body"] = self.incoming.body.decode("utf-8", "replace")
        return told


class Parking:
    """The parked messages of a deployment, fetched and not acknowledged."""

    def __init__(self, channel: AbstractChannel, found: list[Parked]) -> None:
        self._channel = channel
        self.found = found

    def chosen(self, start: str) -> Parked:
        """Give the one whose id begins so.

        Raises:
            CannotGoOn: None does, or several do.
        """
        fitting = [each for each in self.found if each.message_id.startswith(start)]
        if len({each.message_id for each in fitting}) != 1:
            many = "more than one" if fitting else "no"
            raise CannotGoOn(
                f"There is {many} parked message whose id begins with {start}.",
                mend="`accord dead-letters list` shows them.",
            )
        return fitting[0]

    async def replay(self, message: Parked) -> None:
        """Copy a message to its queue, and take it away once that is confirmed.

        Raises:
            CannotGoOn: The copy is not confirmed. The message stays.
        """
        incoming = message.incoming
        copy = Message(
            incoming.body,
            content_type=incoming.content_type,
            delivery_mode=DeliveryMode.PERSISTENT,
            headers={
                name: value
                for name, value in incoming.headers.items()
                if not name.startswith("x-") and name not in OURS
            },
            message_id=incoming.message_id,
            user_id=OPERATOR,
        )
        exchange = await self._channel.get_exchange(REDELIVER, ensure=False)
        try:
            await exchange.publish(copy, message.queue, mandatory=True, timeout=10)
        except (DeliveryError, TimeoutError, ConnectionError) as fault:
            raise CannotGoOn(
                f"{message.queue} did not take the message ({type(fault).__name__}); "
                "it stays parked.",
                mend="`accord topology check` says what is missing.",
            ) from None
        await incoming.ack()

    async def discard(self, message: Parked, *, reason: str, log: Path) -> None:
        """Write down why, and take a message away for good."""
        entry = {"at": datetime.now(UTC).isoformat(timespec="seconds"),
                 "why": reason, **message.document()}  # fmt: skip
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")
        await message.incoming.ack()


@asynccontextmanager
async def parking(deployment: Deployment) -> AsyncIterator[Parking]:
    """Look at everything that is parked, for as long as the block runs."""
    catalogue = catalogue_of(deployment.locality)
    async with operator(deployment) as connection:
        channel = await connection.channel(on_return_raises=True)
        found = [
            Parked.of(queue, incoming)
            for queue in queues(catalogue)
            for incoming in await _fetch(channel, queue)
        ]
        yield Parking(channel, found)


async def counts(deployment: Deployment, catalogue: Catalogue) -> dict[str, int]:
    """Count what is parked, queue by queue, without fetching anything."""
    async with operator(deployment) as connection:
        channel = await connection.channel(publisher_confirms=False)
        counted = {
            queue: await channel.declare_queue(parked_of(queue), passive=True)
            for queue in queues(catalogue)
        }
    return {
        queue: declared.declaration_result.message_count or 0
        for queue, declared in counted.items()
    }


async def _fetch(channel: AbstractChannel, queue: str) -> list[AbstractIncomingMessage]:
    try:
        declared = await channel.declare_queue(parked_of(queue), passive=True)
        count = declared.declaration_result.message_count or 0
        fetched = [await declared.get(fail=False) for _ in range(count)]
    except ChannelClosed:
        raise CannotGoOn(
            f"The broker has no queue {parked_of(queue)}.",
            mend="`accord topology apply` makes it.",
        ) from None
    return [each for each in fetched if each is not None]
