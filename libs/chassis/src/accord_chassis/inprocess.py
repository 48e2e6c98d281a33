"""A broker in memory, for unit tests and for a machine that can have no other.

It is built from the same definitions document as RabbitMQ and keeps the parts of its
behaviour that services rely on: topic exchanges with exact keys, dead-lettering when a
time to live ends, mandatory publishing, prefetch, acknowledgement and redelivery. What
it holds is gone with the process.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from accord_chassis.binding import Packet
from accord_chassis.transport import (
    Delivery,
    NotConfirmed,
    Publication,
    Take,
    Unroutable,
)


@dataclass(eq=False)
class _Queue:
    ttl: float | None = None
    dead_letter: tuple[str, str] | None = None
    ready: deque[Packet] = field(default_factory=deque)
    timers: deque[asyncio.TimerHandle] = field(default_factory=deque)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)


class InProcessBroker:
    """The queues that in-process transports share.

    Args:
        definitions: As ``topology.definitions`` writes them.
    """

    def __init__(self, definitions: Mapping[str, Any]) -> None:
        policy = {each["name"]: each["definition"] for each in definitions["policies"]}
        self.queues = {
            each["name"]: _queue(policy.get(each["name"], {}))
            for each in definitions["queues"]
        }
        self._bound: dict[tuple[str, str], list[str]] = defaultdict(list)
        for each in definitions["bindings"]:
            key = (each["source"], each["routing_key"])
            self._bound[key].append(each["destination"])

    def route(self, exchange: str, packet: Packet) -> int:
        """Put a packet into every queue bound to its key, and say into how many."""
        names = self._bound.get((exchange, packet.routing_key), ())
        for name in names:
            self.put(name, packet)
        return len(names)

    def put(self, name: str, packet: Packet) -> None:
        """Put a packet into a queue, which it leaves when its time there ends."""
        queue = self.queues[name]
        queue.ready.append(packet)
        queue.arrived.set()
        if queue.ttl is not None:
            # All wait equally long in one queue, so the first in is the first out.
            loop = asyncio.get_running_loop()
            queue.timers.append(loop.call_later(queue.ttl, self._expire, queue))

    def put_back(self, name: str, packets: Sequence[Packet]) -> None:
        """Put packets back to the front, where they were before they were taken."""
        queue = self.queues[name]
        queue.ready.extendleft(reversed(packets))
        queue.arrived.set()

    def _expire(self, queue: _Queue) -> None:
        queue.timers.popleft()
        if not queue.ready:
            return
        packet = queue.ready.popleft()
        if queue.dead_letter is not None:
            exchange, key = queue.dead_letter
            self.route(exchange, replace(packet, routing_key=key))

    def held(self, names: Iterable[str] | None = None) -> int:
        """Count the packets that wait in some queues, or in all."""
        chosen = self.queues if names is None else names
        return sum(len(self.queues[name].ready) for name in chosen)

    def close(self) -> None:
        """Forget the timers."""
        for queue in self.queues.values():
            for timer in queue.timers:
                timer.cancel()
            queue.timers.clear()


def _queue(policy: Mapping[str, Any]) -> _Queue:
    ttl = policy.get("message-ttl")
    target = policy.get("dead-letter-exchange")
    return _Queue(
        ttl=ttl / 1000 if ttl is not None else None,
        dead_letter=(target, policy["dead-letter-routing-key"]) if target else None,
    )


class InProcessTransport:
    """One service's connection to a broker in memory.

    Args:
        broker: Shared with the other services of the process.
        user: The name under which this service publishes.
    """

    def __init__(self, broker: InProcessBroker, *, user: str) -> None:
        self._broker = broker
        self._user = user
        self._consumers: list[asyncio.Task[None]] = []
        self._under_way: set[asyncio.Task[None]] = set()
        self._unacknowledged: dict[int, tuple[str, Packet]] = {}
        self._taken = 0
        self._open = self._closed = False

    async def connect(self) -> None:
        """Connect."""
        self._open, self._closed = True, False

    async def publish(
        self, publications: Sequence[Publication]
    ) -> list[BaseException | None]:
        """Publish; see ``Transport``."""
        await asyncio.sleep(0)
        if self._closed:
            return [NotConfirmed("closed") for _ in publications]
        return [self._publish(each) for each in publications]

    def _publish(self, publication: Publication) -> BaseException | None:
        packet = replace(publication.packet, user=self._user)
        routed = self._broker.route(publication.exchange, packet)
        if not routed and publication.mandatory:
            return Unroutable(packet.routing_key)
        return None

    async def consume(self, queue: str, take: Take, *, prefetch: int) -> None:
        """Have a queue consumed; see ``Transport``."""
        room = asyncio.Semaphore(prefetch)
        self._consumers.append(
            asyncio.create_task(self._deliver(queue, take, room), name=queue)
        )

    async def _deliver(self, name: str, take: Take, room: asyncio.Semaphore) -> None:
        queue = self._broker.queues[name]
        while True:
            await room.acquire()
            while not queue.ready:
                queue.arrived.clear()
                await queue.arrived.wait()
            delivery = self._delivery(name, queue.ready.popleft(), room)
            task = asyncio.ensure_future(take(delivery))
            self._under_way.add(task)
            task.add_done_callback(self._under_way.discard)

    def _delivery(
        self, queue: str, packet: Packet, room: asyncio.Semaphore
    ) -> Delivery:
        self._taken += 1
        tag = self._taken
        self._unacknowledged[tag] = (queue, packet)

        async def acknowledge() -> None:
            if self._unacknowledged.pop(tag, None) is not None:
                room.release()

        return Delivery(queue, packet, acknowledge)

    async def stop_consuming(self) -> None:
        """Take no more; see ``Transport``."""
        for task in self._consumers:
            task.cancel()
        await asyncio.gather(*self._consumers, return_exceptions=True)
        self._consumers.clear()

    async def watch(self) -> None:
        """Find nobody: whoever is in the same process hears."""

    def renew(self) -> None:
        """Change nothing: no password or certificate leads here."""

    async def close(self) -> None:
        """Give back what was not acknowledged, and end whoever still handles it."""
        await self.stop_consuming()
        self._open, self._closed = False, True
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        taken: dict[str, list[Packet]] = defaultdict(list)
        for queue, packet in self._unacknowledged.values():
            taken[queue].append(packet)
        self._unacknowledged.clear()
        for queue, packets in taken.items():
            self._broker.put_back(queue, packets)

    def ready(self) -> bool:
        """Tell whether it is connected and its consumers live; see ``Transport``."""
        return self._open and not any(each.done() for each in self._consumers)
