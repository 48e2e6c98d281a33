"""What the bus and the relay ask of a transport. RabbitMQ is one, memory another."""

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from accord_chassis.binding import Packet


class Unroutable(Exception):
    """Nobody's queue is bound to the message's key: a binding is missing."""


class NotConfirmed(ConnectionError):
    """The broker has not said that it holds the message. It may hold it or not."""


class Refused(NotConfirmed):
    """The broker does not take this one: its queue is full, or has no leader."""


@dataclass(frozen=True, slots=True)
class Publication:
    """A packet to be published.

    Attributes:
        mandatory: Somebody must be bound to the routing key.
    """

    exchange: str
    packet: Packet
    mandatory: bool = True


@dataclass(frozen=True, slots=True)
class Delivery:
    """A packet that was delivered and waits to be acknowledged."""

    queue: str
    packet: Packet
    acknowledge: Callable[[], Awaitable[None]]


Take = Callable[[Delivery], Coroutine[Any, Any, None]]


class Transport(Protocol):
    """Carries packets between services."""

    async def connect(self) -> None:
        """Connect, trying until it succeeds."""
        ...

    async def publish(
        self, publications: Sequence[Publication]
    ) -> list[BaseException | None]:
        """Publish, and say for each whether it was confirmed.

        Answers ``None`` for what the broker holds, else ``Unroutable`` or
        ``NotConfirmed``. Two packets with one message id may not be under way at once.
        """
        ...

    async def consume(self, queue: str, take: Take, *, prefetch: int) -> None:
        """Have every packet of a queue taken, at most ``prefetch`` at a time."""
        ...

    async def stop_consuming(self) -> None:
        """Take no more; what was taken may still be acknowledged."""
        ...

    async def watch(self) -> None:
        """Look for consumers that hear nothing of what waits; connect anew for them."""
        ...

    def renew(self) -> None:
        """Have the next connections be made with what stands in the files now."""
        ...

    async def close(self) -> None:
        """Disconnect. What was not acknowledged goes back to its queue."""
        ...

    def ready(self) -> bool:
        """Tell whether it is connected and every consumer it was given is alive."""
        ...
