"""Parked messages, which no service could handle: looked at, replayed, discarded.

A parked message is never taken away to be looked at: it is fetched without an
acknowledgement and goes back when the channel is closed. Replaying copies it to its
queue with a confirm, and only then takes it away. One is thrown away on the word of two
people: it may be all that is left of what somebody promised.
"""

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from accord_chassis.audit import AuditLog, raw
from accord_chassis.entries import LISTED, Recorded, recorded
from accord_chassis.topology import OPERATOR, REDELIVER, parked_of, queues
from accord_contracts.catalogue import Catalogue
from aio_pika import DeliveryMode, Message
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from aio_pika.exceptions import ChannelClosed, DeliveryError

from accord import operators
from accord.audit import answering
from accord.catalogue import catalogue_of
from accord.deployment import Deployment
from accord.discarding import (
    ASK,
    CONFIRM_WITHIN,
    DISCARD,
    READ,
    REPLAY,
    TELLING,
    Reason,
    standing,
)
from accord.faults import CannotGoOn
from accord.operating import operator
from accord.operators import CHAIN, ID, UNKNOWN, Deed, Operator, on_record

OURS = ("attempt", "parked", "first-seen")
"""Headers that tell of earlier tries: a replayed message begins anew."""

SLACK = timedelta(hours=1)
"""How long a command may sit at its question: its chain has begun before."""


@dataclass(frozen=True, slots=True)
class Parked:
    """A parked message.

    Attributes:
        queue: The queue whose service could not handle it.
        message_id: Its own, or one made of its body where that is no id.
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
            message_id=_id_of(incoming),
            type=named.get("ce-type", ""),
            subject=named.get("ce-subject", ""),
            time=named.get("ce-time", ""),
            attempt=int(attempt) if attempt.isdecimal() else 0,
            reason=named.get("parked", "rejected"),
            incoming=incoming,
        )

    @property
    def name(self) -> str:
        """Tell it from all others: several services may have failed at one message."""
        return f"{self.queue}/{self.message_id}"

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
    """The parked messages of a deployment, fetched and not acknowledged.

    Whatever is seen of one or done with it is on record before.
    """

    def __init__(
        self,
        channel: AbstractChannel,
        found: Sequence[Parked],
        operator: Operator,
        catalogue: Catalogue,
    ) -> None:
        self._channel = channel
        self._found = found
        self._operator = operator
        self._catalogue = catalogue

    async def listed(self) -> tuple[Sequence[Parked], Mapping[str, Recorded]]:
        """Give all, and by their names the standing words that some be discarded."""
        read = (self._deed(each, READ, ("envelope",)) for each in self._found)
        await self._operator.records(*(replace(each, channel=LISTED) for each in read))
        return self._found, await asked(self._operator.log, datetime.now(UTC))

    async def shown(self, start: str, *, body: bool = False) -> dict[str, Any]:
        """Give one for a machine, and its thin body if asked for."""
        message = self._chosen(start)
        parts = ("envelope", "body") if body else ("envelope",)
        await self._operator.records(self._deed(message, READ, parts))
        return message.document(body=body)

    async def replayed(self, start: str) -> Parked:
        """Copy one to its queue, and take it away once that is confirmed.

        Raises:
            CannotGoOn: The copy is not confirmed. The message stays.
        """
        message = self._chosen(start)
        await self._operator.records(self._deed(message, REPLAY))
        await self._replay(message)
        return message

    async def all_replayed(self) -> int:
        """Copy all to their queues, as one by one, and say how many they were.

        Raises:
            CannotGoOn: A copy is not confirmed. That message stays, and what follows.
        """
        for message in self._found:
            deed = self._deed(message, REPLAY)
            await self._operator.records(replace(deed, channel=LISTED))
            await self._replay(message)
        return len(self._found)

    async def ask(self, start: str, reason: Reason) -> Parked:
        """Say that a message should be discarded: nothing happens to it.

        It stays parked unless somebody else says so too; see ``discarded``.
        """
        message = self._chosen(start)
        asking = self._deed(message, ASK)
        await self._operator.records(replace(asking, purpose=reason.value))
        return message

    async def to_confirm(self, start: str) -> tuple[Parked, Recorded]:
        """Give a message that somebody else said should be discarded, and their word.

        Raises:
            CannotGoOn: Nobody did, it was whoever asks now, or the audit log is away.
        """
        message = self._chosen(start)
        await self._operator.records(self._deed(message, READ, ("envelope",)))
        words = await asked(self._operator.log, datetime.now(UTC))
        word = words.get(message.name)
        if word is None:
            raise CannotGoOn(
                f"Nobody has said that {message.name} should be discarded, or too long "
                "ago, or it was replayed or discarded since.",
                mend="`accord dead-letters discard` says so; then somebody else "
                "confirms it.",
            )
        if self._operator.did(word.entry):
            await self._operator.refused(self._deed(message, DISCARD), "own_word")
            raise CannotGoOn(
                "It was you who said that it should be discarded.",
                mend="Somebody else confirms it, with their own token.",
            )
        return message, word

    async def discard(self, message: Parked, word: Recorded) -> None:
        """Take a message away for good, on the word of two."""
        deed = replace(self._deed(message, DISCARD), purpose=word.entry.purpose)
        await self._operator.records(deed, rule="two_people")
        await message.incoming.ack()

    def _chosen(self, start: str) -> Parked:
        """Give the one whose id, or queue and id, begins so.

        Raises:
            CannotGoOn: None does, or several do.
        """
        fitting = [
            each
            for each in self._found
            if each.message_id.startswith(start) or each.name.startswith(start)
        ]
        if len({each.name for each in fitting}) != 1:
            many = "more than one" if fitting else "no"
            raise CannotGoOn(
                f"There is {many} parked message whose id begins with {start}.",
                mend="`accord dead-letters list` shows them; one that several queues "
                "hold is named with its queue: risk.urgent/2f0c.",
            )
        return fitting[0]

    def _deed(self, message: Parked, action: str, fields: tuple[str, ...] = ()) -> Deed:
        """Tell what is done with a message by what is surely no value."""
        known = message.type in self._catalogue.entries
        return Deed(
            action=action,
            resource=message.type if known else UNKNOWN,
            resource_id=message.name,
            case_id=message.subject if ID.fullmatch(message.subject) else None,
            fields=fields,
        )

    async def _replay(self, message: Parked) -> None:
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


async def asked(log: AuditLog, now: datetime) -> dict[str, Recorded]:
    """Read which messages somebody has said should be discarded, and still may be.

    Raises:
        CannotGoOn: The audit log's store is away, or does not let us.
    """
    since = now - CONFIRM_WITHIN
    # A chain is named after the moment in which a command began it.
    begun = {"$gte": f"{CHAIN}/{since - SLACK:%Y%m%dT%H%M%S}", "$lt": f"{CHAIN}0"}
    with answering():
        found = raw(log.entries).find({"_id": begun, "action": {"$in": TELLING}})
        told = [recorded(bytes(each.raw), log.keys) async for each in found]
    return standing(told, since)


@asynccontextmanager
async def parking(deployment: Deployment) -> AsyncIterator[Parking]:
    """Look at everything that is parked, for as long as the block runs.

    Raises:
        CannotGoOn: It is not known who looks, they are no operator, or broker or audit
            log is away.
    """
    catalogue = catalogue_of(deployment.locality)
    async with (
        on_record(deployment, "dead_letter", {operators.OPERATOR}) as known,
        operator(deployment) as connection,
    ):
        channel = await connection.channel(on_return_raises=True)
        found = [
            Parked.of(queue, incoming)
            for queue in queues(catalogue)
            for incoming in await _fetch(channel, queue)
        ]
        yield Parking(channel, found, known, catalogue)


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


def _id_of(incoming: AbstractIncomingMessage) -> str:
    """Tell a message by its id: not by a text, which might tell more."""
    told = incoming.message_id or str(incoming.headers.get("ce-id", ""))
    return told if ID.fullmatch(told) else hashlib.sha256(incoming.body).hexdigest()


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
