"""Taking messages: read, handle, acknowledge; else retry, or park. Nothing is lost.

A message is acknowledged when the writes that handle it are durable, when it was sent
down the retry ladder with a confirm, or when it was parked with a confirm; never
otherwise. What cannot be sent anywhere is held until it can.
"""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog
from accord_contracts.catalogue import Catalogue
from accord_contracts.message import Event, Lane, Message
from opentelemetry.trace import SpanKind
from pymongo.errors import (
    ConnectionFailure,
    ExecutionTimeout,
    NetworkTimeout,
    OperationFailure,
)

from accord_chassis import topology
from accord_chassis.audit import AuditAway
from accord_chassis.batching import in_lane
from accord_chassis.binding import Packet, Unreadable, unpack
from accord_chassis.store import REFUSALS, AlreadyHandled, Conflict, StoreRefuses
from accord_chassis.telemetry import span
from accord_chassis.transport import Delivery, Publication, Transport

log = structlog.get_logger()

Handler = Callable[[Message[Any]], Awaitable[None]]

OUTAGE = (ConnectionFailure, NetworkTimeout, AuditAway, StoreRefuses)
"""The store or the audit log is away: messages wait for it in place instead of filling
the ladder."""

LONGEST_SECONDS = 60.0
"""How long a handler may take once (RELIABILITY 1.2): routine work waits for urgent, so
one that hangs would hold up everything."""

TRANSIENT = (Conflict, ConnectionError, TimeoutError, ExecutionTimeout)
"""What may pass: tried again in place, then down the ladder. All else is parked."""

IN_PLACE = (0.0, 0.01, 0.05, 0.2, 0.6, 2.0)
"""Pauses before further tries in place, seconds: about three in all."""

ENOUGH = 1000
"""Messages in hand from which on a service's routine own steps wait at the broker, too.
Fewer would send a part of every burst that way, which costs the broker (measured)."""

MANY = 8
"""Messages in hand from which on it pays to wait for others."""

WINDOW_SECONDS = 0.02
"""How long to wait for others: throughput for a few milliseconds of latency."""

OUTAGE_PAUSE = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Pauses while the store is away; the last one repeats."""


class TookTooLong(TimeoutError):
    """A handler was ended: the ladder tries it again, with others in between.

    Unless it was the store that did not answer: then it is as if that were away.
    """


class NotTheProducer(Exception):
    """A message came from a user who may not publish its type."""


@dataclass(slots=True)
class Activity:
    """What a service has done with messages: counts, for readiness and for replays."""

    taken: int = 0
    done: int = 0
    retried: int = 0
    parked: int = 0

    @property
    def in_hand(self) -> int:
        """Messages taken and not yet done with."""
        return self.taken - self.done


class Turns:
    """Lets one at a time through for each key, in the order in which they came."""

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}
        self._waiting: Counter[str] = Counter()

    @asynccontextmanager
    async def of(self, key: str) -> AsyncIterator[None]:
        """Wait for one's turn."""
        lock = self._locks.setdefault(key, asyncio.Lock())
        self._waiting[key] += 1
        try:
            async with lock:
                yield
        finally:
            self._waiting[key] -= 1
            if not self._waiting[key]:
                del self._waiting[key], self._locks[key]


class Yielding:
    """Has routine work stand back while urgent work is in hand."""

    def __init__(self) -> None:
        self._urgent = 0
        self._none_urgent = asyncio.Event()
        self._none_urgent.set()

    @asynccontextmanager
    async def at(self, lane: Lane) -> AsyncIterator[None]:
        """Begin at once if urgent, else when nothing urgent is in hand."""
        if lane is Lane.ROUTINE:
            await self._none_urgent.wait()
            yield
            return
        self._urgent += 1
        self._none_urgent.clear()
        try:
            yield
        finally:
            self._urgent -= 1
            if not self._urgent:
                self._none_urgent.set()


class Together:
    """Has messages begin together when there are many of them.

    Everything after that (loads, saves, publishing, acknowledging) is then done once
    for many. While there are few, or for an urgent one, each begins at once.
    """

    def __init__(self) -> None:
        self._window: asyncio.Event | None = None

    async def begin(self, lane: Lane, in_hand: int) -> None:
        """Wait a few milliseconds for others, if there are likely to be any."""
        if lane is Lane.URGENT or (in_hand < MANY and self._window is None):
            return
        if self._window is None:
            self._window = asyncio.Event()
            asyncio.get_running_loop().call_later(WINDOW_SECONDS, self._open)
        await self._window.wait()

    def _open(self) -> None:
        if self._window is not None:
            self._window.set()
            self._window = None


class Bus:
    """Takes a service's messages from its two lanes.

    Args:
        service: Whose queues.
        transport: How messages travel.
        catalogue: Which events there are, and who may publish them.
        prefetch: The most messages of a lane in hand at a time: enough to be handled
            together, few enough for an urgent one not to wait for them.
        store_answers: Tells whether the store does, when a handler took too long.
    """

    def __init__(
        self,
        service: str,
        transport: Transport,
        catalogue: Catalogue,
        *,
        prefetch: int,
        store_answers: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        self._service = service
        self._store_answers = store_answers
        self._transport = transport
        self._catalogue = catalogue
        self._prefetch = prefetch
        self._handlers: dict[str, list[Handler]] = defaultdict(list)
        self._turns = Turns()
        self._yielding = Yielding()
        self._together = Together()
        self._started = False
        self.activity = Activity()

    def on(self, event: type[Event], handler: Handler) -> None:
        """Have a handler called with every message of a type."""
        self._handlers[event.TYPE].append(handler)

    def check(self) -> None:
        """See that the service listens to what the catalogue says, no more, no less.

        Raises:
            LookupError: It does not, so a message would be lost or never come.
        """
        wired = set(self._handlers)
        promised = {each.type for each in self._catalogue.heard_by(self._service)}
        if wired != promised:
            differing = ", ".join(sorted(wired ^ promised))
            raise LookupError(
                f"{self._service} and the catalogue differ about listening to "
                f"{differing}."
            )

    async def start(self) -> None:
        """Begin to take messages."""
        self.check()
        for lane in Lane:
            queue = topology.queue_of(self._service, lane)
            await self._transport.consume(queue, self._take, prefetch=self._prefetch)
        self._started = True

    async def deliver(self, packet: Packet) -> bool:
        """Take a message that the service tells itself, with no broker between.

        Returns:
            Whether it has had its effect. If not (there is enough in hand, or a fault),
            the broker's way with its retries is the one to go.
        """
        if not self._started:
            return False
        message = unpack(packet, self._catalogue)
        if message.lane is Lane.ROUTINE and self.activity.in_hand >= ENOUGH:
            return False
        self.activity.taken += 1
        queue = topology.queue_of(self._service, message.lane)
        try:
            return await self._in_turn(message, queue, attempt=0) is None
        finally:
            self.activity.done += 1

    async def _take(self, delivery: Delivery) -> None:
        self.activity.taken += 1
        try:
            await self._see_to(delivery)
        finally:
            self.activity.done += 1

    async def _see_to(self, delivery: Delivery) -> None:
        packet = delivery.packet
        try:
            message = unpack(packet, self._catalogue)
            self._check_producer(packet, message.type)
        except (Unreadable, NotTheProducer) as fault:
            await self._park(delivery, type(fault).__name__)
        else:
            fault_met = await self._in_turn(message, delivery.queue, packet.attempt)
            if fault_met is not None:
                await self._give_up_for_now(delivery, message, fault_met)
        await self._acknowledge(delivery)

    async def _in_turn(
        self, message: Message[Event], queue: str, attempt: int
    ) -> Exception | None:
        """Handle a message when its turn has come, and give the fault if it failed."""
        await self._together.begin(message.lane, self.activity.in_hand)
        async with self._turns.of(message.subject), self._yielding.at(message.lane):
            with in_lane(message.lane):
                return await self._handle(message, queue, attempt)

    async def _acknowledge(self, delivery: Delivery) -> None:
        try:
            await delivery.acknowledge()
        except (ConnectionError, RuntimeError) as fault:
            # The broker will deliver it again, and the inbox will know it.
            log.info("message.not_acknowledged", fault=type(fault).__name__)

    def _check_producer(self, packet: Packet, type_: str) -> None:
        producer = self._catalogue.entries[type_].producer
        if packet.user not in {producer, self._service, topology.OPERATOR}:
            raise NotTheProducer(type_)

    async def _handle(
        self, message: Message[Event], queue: str, attempt: int
    ) -> Exception | None:
        started = time.perf_counter()
        with span(
            f"handle {message.type}",
            SpanKind.CONSUMER,
            parent=message.traceparent,
            messaging_system="rabbitmq",
            messaging_destination_name=queue,
            messaging_message_id=message.id,
            accord_type=message.type,
            accord_lane=message.lane,
            accord_attempt=attempt,
        ) as current:
            fault = await self._try(message)
            if fault is not None:
                current.set_attribute("accord.outcome", type(fault).__name__)
            log.debug(
                "message.handled" if fault is None else "message.not_handled",
                type=message.type,
                message_id=message.id,
                subject=message.subject,
                duration_ms=round((time.perf_counter() - started) * 1000, 2),
            )
        return fault

    async def _try(self, message: Message[Event]) -> Exception | None:
        """Run every handler until it succeeds; give the fault that in-place tries met.

        Each handler writes its own document and knows a message that it has handled,
        so running one again changes nothing.
        """
        for handler in self._handlers[message.type]:
            if (fault := await self._try_one(handler, message)) is not None:
                return fault
        return None

    async def _try_one(
        self, handler: Handler, message: Message[Event]
    ) -> Exception | None:
        pauses = iter(IN_PLACE)
        outages = 0
        while True:
            try:
                await _bounded(handler, message)
            except AlreadyHandled:
                return None
            except Exception as fault:  # noqa: BLE001 - Parked, and a person is told.
                if await self._store_is_away(fault):
                    pause = OUTAGE_PAUSE[min(outages, len(OUTAGE_PAUSE) - 1)]
                    outages += 1
                    name = type(fault).__name__
                    log.warning("store.away", fault=name, attempt=outages)
                elif (
                    _may_pass_soon(fault) and (again := next(pauses, None)) is not None
                ):
                    pause = again
                else:
                    return fault
                await asyncio.sleep(pause)
            else:
                return None

    async def _store_is_away(self, fault: Exception) -> bool:
        """Tell whether the store is not there, stalls, or refuses everybody alike."""
        if isinstance(fault, TookTooLong) and self._store_answers:
            return not await self._store_answers()
        refused = isinstance(fault, OperationFailure) and fault.code in REFUSALS
        return refused or isinstance(fault, OUTAGE)

    async def _give_up_for_now(
        self, delivery: Delivery, message: Message[Event], fault: Exception
    ) -> None:
        attempt = delivery.packet.attempt + 1
        rung = topology.rung_for(attempt)
        if not isinstance(fault, TRANSIENT) or rung is None:
            await self._park(delivery, type(fault).__name__, message)
            return
        log.warning(
            "message.retried",
            type=message.type,
            message_id=message.id,
            attempt=attempt,
            delay_s=rung.seconds,
            fault=type(fault).__name__,
        )
        key = topology.retry_key(delivery.queue, rung)
        await self._send_on(delivery, topology.RETRY, key, attempt=str(attempt))
        self.activity.retried += 1

    async def _park(
        self,
        delivery: Delivery,
        reason: str,
        message: Message[Event] | None = None,
    ) -> None:
        """Put a message aside for a person, with the reason as a class name only."""
        log.error(
            "message.parked",
            queue=delivery.queue,
            type=message.type if message else None,
            message_id=message.id if message else None,
            attempt=delivery.packet.attempt,
            reason=reason,
        )
        if delivery.queue == topology.queue_of(self._service, Lane.URGENT):
            # Whom it was for knows nothing until a person has looked at it.
            log.critical("urgent.parked", queue=delivery.queue, reason=reason)
        await self._send_on(delivery, topology.DEAD, delivery.queue, parked=reason)
        self.activity.parked += 1

    async def _send_on(
        self, delivery: Delivery, exchange: str, key: str, **added: str
    ) -> None:
        """Publish what was delivered elsewhere, however long that takes."""
        packet = delivery.packet.with_headers(**added)
        onward = Packet(packet.message_id, key, packet.headers, packet.body)
        attempt = 0
        while True:
            [refused] = await self._transport.publish([Publication(exchange, onward)])
            if refused is None:
                return
            attempt += 1
            log.error(
                "message.held", queue=delivery.queue, reason=type(refused).__name__
            )
            await asyncio.sleep(OUTAGE_PAUSE[min(attempt, len(OUTAGE_PAUSE) - 1)])


async def _bounded(handler: Handler, message: Message[Event]) -> None:
    limit = asyncio.timeout(LONGEST_SECONDS)
    try:
        async with limit:
            await handler(message)
    except TimeoutError:
        if limit.expired():
            raise TookTooLong from None
        raise


def _may_pass_soon(fault: Exception) -> bool:
    """Tell whether to try again in place. What took too long would hold the lane up."""
    return isinstance(fault, TRANSIENT) and not isinstance(fault, TookTooLong)
