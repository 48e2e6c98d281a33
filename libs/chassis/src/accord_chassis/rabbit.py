"""RabbitMQ as the transport, through aio-pika.

The rules in here were found by breaking things (RELIABILITY 1.3): two connections, so
that a publishing fault never kills a consumer; passive declarations only, so that a
reconnect never changes the topology; a time limit of our own around every publish,
because a blocked connection waits for ever; a lost connection surfaces as
``CancelledError``, which must not be mistaken for our own cancellation; and what was
delivered is handled outside of the channel's tasks, which end with the connection.
"""

import asyncio
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TypeVar, cast

import structlog
from aio_pika import Connection, RobustConnection
from aio_pika.abc import (
    AbstractIncomingMessage,
    AbstractRobustChannel,
    AbstractRobustQueue,
    ConsumerTag,
)
from aio_pika.connection import make_url
from aio_pika.exceptions import PublishError
from aiormq import spec
from aiormq.abc import AbstractChannel, AbstractConnection, ChannelFrame, FrameType
from aiormq.channel import Channel
from aiormq.exceptions import AMQPError, ChannelNotFoundEntity
from pamqp.body import ContentBody
from pamqp.header import ContentHeader
from yarl import URL

from accord_chassis.binding import Packet
from accord_chassis.doors import Line, reason_of
from accord_chassis.ending import heed_cancellation
from accord_chassis.transport import (
    Delivery,
    NotConfirmed,
    Publication,
    Refused,
    Take,
    Unroutable,
)

log = structlog.get_logger()

HEARTBEAT = 10
"""Seconds. A half-open connection is noticed after about 35 of them (measured)."""

CONNECT_SECONDS = 10.0
PUBLISH_SECONDS = 5.0
PERSISTENT = 2

LOST = (ConnectionError, TimeoutError, RuntimeError)
"""What using a channel raises when it or its connection is gone."""

WATCH_SECONDS = 10.0
"""How often is looked for consumers that hear nothing: one is found after 20 to 30, and
has 15 left to come back in (RELIABILITY P12: 45)."""

LOOKS = 2
"""How many looks in a row must find messages waiting and none delivered since the one
before: what one look finds may have come a moment ago."""

UNBLOCKED = "_Connection__connection_unblocked"
"""What aiormq's connection waits for until the broker takes in messages again."""

ACK_PAUSE = 0.002
"""Seconds for which acknowledgements are gathered."""


Reaching = TypeVar("Reaching", bound=Connection)


async def reach(connection: Reaching) -> Reaching:
    """Connect to the broker, and close what could not be connected.

    The library leaves that to the garbage collector, which may come where no loop
    runs; until it comes, a robust connection goes on trying in the background.

    Raises:
        ConnectionError: The broker was not reached, or refused.
        TimeoutError: It did not answer in time.
    """
    try:
        await connection.connect(timeout=CONNECT_SECONDS)
    except BaseException:
        await connection.close()
        raise
    return connection


class Returning(RobustConnection):
    """A robust connection that comes back, even if it was lost while it was blocked.

    A broker short of memory or disk blocks who publishes. A connection that is lost
    meanwhile, as by the restart that mends it, is never unblocked: its channel would
    wait for that for ever, holding the lock that connecting anew needs.
    """

    async def _on_connected(self) -> None:
        if self.transport is not None:
            line = self.transport.connection
            unblocked: asyncio.Event = getattr(line, UNBLOCKED)
            line.closing.add_done_callback(lambda _: unblocked.set())
        await super()._on_connected()


class RabbitTransport:
    """A connection for consuming and one for publishing.

    Args:
        broker: The broker's address with this service's own user, or the line to it.
        name: Shown in the broker's list of connections.
    """

    def __init__(self, broker: str | Line, *, name: str) -> None:
        self._line = Line(broker) if isinstance(broker, str) else broker
        self._name = name
        self._consuming: RobustConnection | None = None
        self._publishing: RobustConnection | None = None
        self._publisher: AbstractRobustChannel | None = None
        self._consumers: list[Consumer] = []
        self._taking: set[asyncio.Task[None]] = set()
        self._user = make_url(self._line.url).user or ""

    async def connect(self) -> None:
        """Connect, trying again with growing pauses until the broker answers."""
        self._consuming = await self._connection("consume")
        self._publishing = await self._connection("publish")
        self._publisher = await self._publishing.channel(
            publisher_confirms=True, on_return_raises=True
        )

    async def _connection(self, purpose: str) -> RobustConnection:
        pause = 0.2
        while True:
            heed_cancellation()
            try:
                return await reach(self._robust(purpose))
            except (ConnectionError, TimeoutError, OSError) as fault:
                log.warning(
                    "broker.not_reached",
                    fault=type(fault).__name__,
                    reason=reason_of(fault),
                )
                await asyncio.sleep(pause)
                pause = min(pause * 2, 5.0)
                self.renew()

    def renew(self) -> None:
        """Follow what stands in the files now; see ``Transport``."""
        if not self._line.renewed():
            return
        for connection in (self._consuming, self._publishing):
            if connection is not None:
                connection.url = self._address()
                connection.kwargs["context"] = self._line.context()
        log.info("line.renewed", dependency="broker")

    def _address(self) -> URL:
        return make_url(self._line.url, heartbeat=HEARTBEAT)

    def _robust(self, purpose: str) -> Returning:
        return Returning(
            self._address(),
            ssl_context=self._line.context(),
            heartbeat=HEARTBEAT,
            client_properties={"connection_name": f"{self._name} {purpose}"},
        )

    async def publish(
        self, publications: Sequence[Publication]
    ) -> list[BaseException | None]:
        """Publish with pipelined confirms; see ``Transport``."""
        if self._publisher is None:
            raise RuntimeError("The transport is not connected.")
        try:
            async with asyncio.timeout(PUBLISH_SECONDS):
                channel = cast(Channel, await self._publisher.get_underlay_channel())
                confirmations = await self._send(channel, publications)
        except (*LOST, asyncio.CancelledError) as fault:
            if isinstance(fault, asyncio.CancelledError):
                # It may be ours; a lost connection looks the same.
                heed_cancellation()
            return [NotConfirmed(type(fault).__name__)] * len(publications)
        await asyncio.wait(confirmations, timeout=PUBLISH_SECONDS)
        return [
            _outcome(confirmation, publication)
            for confirmation, publication in zip(
                confirmations, publications, strict=True
            )
        ]

    async def _send(
        self, channel: Channel, publications: Sequence[Publication]
    ) -> list[asyncio.Future[object]]:
        """Send a batch in one piece, and give what will hold the broker's answers.

        This is ``Channel.basic_publish`` for many at once: a task, a lock and a write
        to the socket for each message cost more than everything else in a service.
        """
        async with channel.lock:
            first = channel.delivery_tag
            confirmations = [channel.create_future() for _ in publications]
            frames: list[FrameType | ContentBody] = []
            for publication, confirmation in zip(
                publications, confirmations, strict=True
            ):
                channel.delivery_tag += 1
                channel.confirmations[channel.delivery_tag] = confirmation
                message_id = publication.packet.message_id
                channel.message_id_delivery_tag[message_id] = channel.delivery_tag
                frames.extend(self._frames(channel, publication))
            marshalled = ChannelFrame.marshall(channel.number, frames)
            try:
                await channel.write_queue.put(marshalled)
            except BaseException:
                # The broker has not seen them, so the tags are still to be given.
                _take_back(channel, first)
                raise
        for publication, confirmation in zip(publications, confirmations, strict=True):
            message_id = publication.packet.message_id
            confirmation.add_done_callback(partial(_forget, channel, message_id))
        return confirmations

    def _frames(
        self, channel: Channel, publication: Publication
    ) -> Iterator[FrameType | ContentBody]:
        packet = publication.packet
        yield spec.Basic.Publish(
            exchange=publication.exchange,
            routing_key=packet.routing_key,
            mandatory=publication.mandatory,
        )
        properties = spec.Basic.Properties(
            content_type="application/json",
            headers=dict(packet.headers),
            delivery_mode=PERSISTENT,
            message_id=packet.message_id,
            user_id=self._user,
        )
        yield ContentHeader(properties=properties, body_size=len(packet.body))
        for start in range(0, len(packet.body), channel.max_content_size):
            yield ContentBody(packet.body[start : start + channel.max_content_size])

    async def consume(self, queue: str, take: Take, *, prefetch: int) -> None:
        """Have a queue consumed on a channel of its own; see ``Transport``."""
        if self._consuming is None:
            raise RuntimeError("The transport is not connected.")
        channel = await self._consuming.channel(publisher_confirms=False)
        await channel.set_qos(prefetch_count=prefetch)
        declared = await channel.declare_queue(queue, passive=True)
        consumer = Consumer(declared, prefetch)

        async def deliver(incoming: AbstractIncomingMessage) -> None:
            consumer.hear()
            # Awaited here, it would be cancelled half done when the broker goes away.
            delivery = _delivery(queue, incoming, consumer.acknowledgements)
            taking = asyncio.create_task(take(delivery))
            self._taking.add(taking)
            taking.add_done_callback(self._taken)

        consumer.tag = await declared.consume(deliver)
        self._consumers.append(consumer)

    def _taken(self, taking: asyncio.Task[None]) -> None:
        """See that no defect ends in silence: the broker keeps what it took."""
        self._taking.discard(taking)
        if not taking.cancelled() and (fault := taking.exception()) is not None:
            log.error("delivery.fault", fault=type(fault).__name__)

    async def stop_consuming(self) -> None:
        """Cancel the consumers; see ``Transport``."""
        for each in self._consumers:
            try:
                async with asyncio.timeout(PUBLISH_SECONDS):
                    await each.queue.cancel(each.tag)
            except (ConnectionError, TimeoutError, RuntimeError):
                log.warning("consumer.not_cancelled", dependency="broker")
        self._consumers.clear()

    async def watch(self) -> None:
        """Connect anew for consumers that hear nothing; see ``Transport``.

        The connection stands, its heartbeats go to and fro, and nothing comes: the
        broker has lost the consumer, or serves another queue of the name. Nobody else
        would notice.
        """
        if self._consuming is None or self._consuming.transport is None:
            return
        line = self._consuming.transport.connection
        try:
            async with asyncio.timeout(PUBLISH_SECONDS):
                await self._look(line)
                helpless = [e.queue.name for e in self._consumers if e.helpless]
                for queue in helpless:
                    log.error("consumer.deaf", queue=queue)
                if helpless:
                    # Whoever was given it connects again by itself, and consumes.
                    await line.close()
        except (*LOST, AMQPError, asyncio.CancelledError) as fault:
            if isinstance(fault, asyncio.CancelledError):
                # It may be ours; a lost connection looks the same.
                heed_cancellation()
            log.debug("consumer.not_watched", fault=type(fault).__name__)

    async def _look(self, line: AbstractConnection) -> None:
        """Ask how much waits for each consumer, on channels that may break."""
        for each in self._consumers:
            channel = await line.channel(publisher_confirms=False)
            try:
                found = await channel.queue_declare(each.queue.name, passive=True)
            except ChannelNotFoundEntity:
                # The channel is gone with it. Connecting anew would make no queue.
                log.warning("queue.missing", queue=each.queue.name)
                each.look(None)
            else:
                each.look(found.message_count or 0)
                await channel.close()

    async def close(self) -> None:
        """Close both connections; what is still in hand is left to be taken again."""
        for taking in self._taking:
            taking.cancel()
        for connection in (self._publishing, self._consuming):
            if connection is not None:
                await connection.close()

    def ready(self) -> bool:
        """Tell whether both connections stand and all hear; see ``Transport``."""
        hears = not any(each.deaf or each.missing for each in self._consumers)
        return hears and all(
            connection is not None and connection.connected.is_set()
            for connection in (self._consuming, self._publishing)
        )


def _outcome(
    confirmation: asyncio.Future[object], publication: Publication
) -> BaseException | None:
    """Tell what the broker answered, or that it has not."""
    if not confirmation.done():
        confirmation.cancel()
        return Refused("no answer in time")
    if confirmation.cancelled():
        return NotConfirmed("connection lost")
    fault = confirmation.exception()
    if isinstance(fault, PublishError):
        return Unroutable(publication.packet.routing_key)
    return Refused(type(fault).__name__) if fault else None


def _forget(channel: Channel, message_id: str, _: object) -> None:
    channel.message_id_delivery_tag.pop(message_id, None)


def _take_back(channel: Channel, first: int) -> None:
    """Give back the delivery tags of a batch that was never sent."""
    for tag in range(first + 1, channel.delivery_tag + 1):
        channel.confirmations.pop(tag).cancel()
    channel.delivery_tag = first


class Consumer:
    """Who takes a queue's messages, and whether any of them come.

    Args:
        queue: Whose.
        prefetch: The most that are delivered and not acknowledged.
    """

    def __init__(self, queue: AbstractRobustQueue, prefetch: int) -> None:
        self.queue = queue
        self.tag: ConsumerTag = ""
        self.acknowledgements = Acknowledgements()
        self._prefetch = prefetch
        self.missing = False
        self._heard = False
        self._in_vain = 0

    @property
    def deaf(self) -> bool:
        """Tell whether messages wait for it and none has come for a while."""
        return self._in_vain >= LOOKS

    @property
    def helpless(self) -> bool:
        """Tell whether it is deaf, and has been given its time since help came last."""
        return self.deaf and self._in_vain % LOOKS == 0

    def hear(self) -> None:
        """Note that a message has come."""
        self._heard, self._in_vain = True, 0

    def look(self, waiting: int | None) -> None:
        """Note how many wait; none: in no queue, because there is none of the name.

        None is to come while all that may be are in hand.
        """
        self.missing = waiting is None
        full = self.acknowledgements.outstanding >= self._prefetch
        if self._heard or full or not waiting:
            self._in_vain = 0
        else:
            self._in_vain += 1
        self._heard = False


class Acknowledgements:
    """Acknowledges together what was handled together, one frame for many.

    What was delivered first and is not done yet holds nothing up: what came after it
    is then acknowledged one by one.
    """

    def __init__(self) -> None:
        self._channel: AbstractChannel | None = None
        self._done: dict[int, bool] = {}
        self._flushing = False

    @property
    def outstanding(self) -> int:
        """How many the broker waits for; none of a channel that is gone."""
        lost = self._channel is None or self._channel.is_closed
        return 0 if lost else len(self._done)

    def delivered(self, channel: AbstractChannel, tag: int) -> None:
        """Note a delivery. Tags begin anew with every channel."""
        if channel is not self._channel:
            self._channel, self._done = channel, {}
        self._done[tag] = False

    def done(self, channel: AbstractChannel, tag: int) -> None:
        """Acknowledge a delivery shortly. One of a lost channel comes again anyway."""
        if channel is not self._channel or tag not in self._done:
            return
        self._done[tag] = True
        if not self._flushing:
            self._flush_soon()

    def _flush_soon(self) -> None:
        self._flushing = True
        asyncio.get_running_loop().call_later(ACK_PAUSE, self._flush)

    def _flush(self) -> None:
        channel = self._channel
        self._flushing = False
        if channel is None or channel.is_closed:
            return
        if channel.connection.write_queue.full():
            self._flush_soon()
            return
        together = 0
        for tag, done in list(self._done.items()):
            if not done:
                break
            together = tag
            del self._done[tag]
        alone = [tag for tag, done in self._done.items() if done]
        for tag in alone:
            del self._done[tag]
        _send_acks(channel, together, alone)


def _send_acks(channel: AbstractChannel, together: int, alone: list[int]) -> None:
    frames = [spec.Basic.Ack(delivery_tag=together, multiple=True)] if together else []
    frames += [spec.Basic.Ack(delivery_tag=tag, multiple=False) for tag in alone]
    if frames:
        marshalled = ChannelFrame.marshall(channel.number, frames)
        channel.connection.write_queue.put_nowait(marshalled)


def _delivery(
    queue: str,
    incoming: AbstractIncomingMessage,
    acknowledgements: Acknowledgements,
) -> Delivery:
    packet = Packet(
        message_id=incoming.message_id or "",
        routing_key=incoming.routing_key or "",
        # What begins with "x-" belongs to the broker and is never passed on.
        headers={
            name: value if isinstance(value, str) else str(value)
            for name, value in incoming.headers.items()
            if not name.startswith("x-")
        },
        body=incoming.body,
        user=incoming.user_id,
    )
    channel = incoming.channel
    tag = incoming.delivery_tag or 0
    acknowledgements.delivered(channel, tag)

    async def acknowledge() -> None:
        acknowledgements.done(channel, tag)

    return Delivery(queue, packet, acknowledge)
