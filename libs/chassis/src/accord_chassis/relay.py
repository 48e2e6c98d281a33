"""From outbox to broker: publishes what was saved, in the order of saving.

A save hands its events over at once, so nothing is read back on the normal way. What a
crash left behind is found by its expired lease. A crash between confirm and clearing
publishes an event twice; the reader's inbox absorbs it.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from accord_contracts.catalogue import Catalogue
from pymongo.errors import PyMongoError

from accord_chassis import topology
from accord_chassis.binding import Packet
from accord_chassis.ending import heed_cancellation
from accord_chassis.transport import Publication, Refused, Transport, Unroutable

log = structlog.get_logger()

BATCH = 200
"""Packets published with pipelined confirms: more brings nothing (measured)."""

PAUSE = 0.5
"""Seconds before what was not confirmed is tried again."""


@dataclass(frozen=True, slots=True)
class Saved:
    """An event of a saved document, on its way.

    Attributes:
        collection: Of the document.
        document: The document's id.
        entry: The event's id as it stands in the document's outbox.
        type: The event's type.
        packet: What is published.
    """

    collection: str
    document: str
    entry: bytes
    type: str
    packet: Packet

    @property
    def saved_at(self) -> datetime:
        """Give when it was saved, by the service's clock."""
        return datetime.fromisoformat(self.packet.headers["ce-time"])


async def _not_handled(_: Packet) -> bool:
    return False


class Relay:
    """Publishes a service's outboxes.

    Args:
        transport: How messages travel.
        catalogue: Tells which types somebody listens to: those are mandatory.
        clear: Takes confirmed events out of their outboxes.
        service: Whose outboxes they are.
        to_self: Takes what only the service itself listens to, with no broker
            between, and says whether it has had its effect.
    """

    def __init__(
        self,
        transport: Transport,
        catalogue: Catalogue,
        clear: Callable[[Sequence[Saved]], Awaitable[None]],
        *,
        service: str = "",
        to_self: Callable[[Packet], Awaitable[bool]] | None = None,
    ) -> None:
        self._transport = transport
        self._listeners = {each.type: len(each.listeners) for each in catalogue}
        self._clear = clear
        self._to_self = to_self or _not_handled
        self._own = {
            each.type for each in catalogue if to_self and each.listeners == (service,)
        }
        self._waiting: deque[Saved] = deque()
        self._known: dict[bytes, Saved] = {}
        self._uncleared = 0
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.published: Counter[str] = Counter()
        self._nobodys: set[bytes] = set()

    def hand_over(self, events: Sequence[Saved]) -> None:
        """Take what a save wrote. What is on its way already is passed over."""
        for event in events:
            if event.entry in self._known:
                continue
            self._known[event.entry] = event
            if self.to_itself(event.type):
                self._begin(self._tell_itself(event))
            else:
                self._waiting.append(event)
        self._wake.set()

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """See that no defect ends in silence: its events come again by their lease."""
        self._tasks.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            log.error("relay.fault", fault=type(fault).__name__)

    async def _tell_itself(self, event: Saved) -> None:
        """Hand an event to the service's own bus; by the broker if that fails.

        It stays in the outbox until it has had its effect, so a crash loses nothing.
        """
        try:
            handled = await self._to_self(event.packet)
        except Exception:
            self._known.pop(event.entry, None)
            raise
        if handled:
            self.published[event.type] += 1
            await self._clear_out([event])
        else:
            self._waiting.append(event)
            self._wake.set()

    def to_itself(self, type_: str) -> bool:
        """Tell whether nobody but the service itself listens to a type."""
        return type_ in self._own

    def heard(self, type_: str) -> bool:
        """Tell whether anybody listens to a type, by the catalogue."""
        return self._listeners.get(type_, 0) > 0

    @property
    def pending(self) -> int:
        """Events handed over and not yet told."""
        return len(self._known) - self._uncleared

    def oldest(self) -> Saved | None:
        """Give what was saved first of all that is not told yet."""
        return min(self._known.values(), key=lambda e: e.saved_at, default=None)

    def holds(self, event: Saved) -> bool:
        """Tell whether an event is not told yet."""
        return event.entry in self._known

    @property
    def unroutable(self) -> int:
        """Events that wait for somebody to be bound to them: a binding is missing."""
        return len(self._nobodys)

    @property
    def deliveries(self) -> int:
        """How many deliveries the published events cause, by the catalogue."""
        return sum(
            count * self._listeners.get(type_, 0)
            for type_, count in self.published.items()
        )

    async def run(self) -> None:
        """Publish for as long as the service lives."""
        while True:
            heed_cancellation()
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                if not await self._publish_batch():
                    await asyncio.sleep(PAUSE)

    async def drain(self) -> None:
        """Wait until everything handed over is published and cleared."""
        while self._known:  # noqa: ASYNC110 - Once, when the service stops.
            await asyncio.sleep(0.01)

    async def _publish_batch(self) -> bool:
        """Publish what waits longest, and tell whether the broker took it.

        What was not confirmed stays in front, so the order of saving holds over an
        outage. What the broker takes for nobody, or not now, waits aside: one queue
        that is full must not keep everything else from everybody.
        """
        count = min(BATCH, len(self._waiting))
        batch = [self._waiting.popleft() for _ in range(count)]
        outcomes = await self._transport.publish([self._published(e) for e in batch])
        confirmed: list[Saved] = []
        failed: list[Saved] = []
        aside: list[Saved] = []
        for event, outcome in zip(batch, outcomes, strict=True):
            if outcome is None:
                confirmed.append(event)
                self._nobodys.discard(event.entry)
                self.published[event.type] += 1
            else:
                self._report(event, outcome)
                alone = isinstance(outcome, (Unroutable, Refused))
                (aside if alone else failed).append(event)
        if confirmed:
            self._begin(self._clear_out(confirmed))
        if aside:
            asyncio.get_running_loop().call_later(PAUSE, self._again, aside)
        self._waiting.extendleft(reversed(failed))
        return not failed

    def _published(self, event: Saved) -> Publication:
        heard = self.heard(event.type)
        return Publication(topology.EVENTS, event.packet, mandatory=heard)

    def _again(self, events: Sequence[Saved]) -> None:
        self._waiting.extendleft(reversed(events))
        self._wake.set()

    async def _clear_out(self, events: Sequence[Saved]) -> None:
        self._uncleared += len(events)
        try:
            await self._clear([each for each in events if self.heard(each.type)])
        except PyMongoError as fault:
            # The lease ends, they are published again, and every inbox knows them.
            log.warning("outbox.not_cleared", fault=type(fault).__name__)
        finally:
            for event in events:
                self._known.pop(event.entry, None)
            self._uncleared -= len(events)

    def _report(self, event: Saved, outcome: BaseException) -> None:
        if isinstance(outcome, Unroutable):
            self._nobodys.add(event.entry)
            log.error(
                "message.unroutable",
                type=event.type,
                message_id=event.packet.message_id,
            )
        else:
            log.warning("message.not_confirmed", type=event.type)
