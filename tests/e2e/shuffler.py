"""A transport that hands over what is delivered in another order than it came in."""

import asyncio
from collections.abc import Sequence
from random import Random

from accord_chassis.transport import Delivery, Publication, Take, Transport

LONGEST_SECONDS = 0.25
"""Within this time anything may overtake anything."""


class Shuffler:
    """Delays every delivery for a time of its own.

    Args:
        transport: What really carries the messages.
        random: Chooses the times.
    """

    def __init__(self, transport: Transport, random: Random) -> None:
        self._transport = transport
        self._random = random
        self._order: list[int] = []
        self.came = 0

    @property
    def overtaken(self) -> int:
        """Count the deliveries that were handed over after a later one."""
        pairs = zip(self._order, self._order[1:], strict=False)
        return sum(before > after for before, after in pairs)

    @property
    def holding(self) -> int:
        """Count the deliveries that came and were not handed over yet."""
        return self.came - len(self._order)

    async def connect(self) -> None:
        """Connect."""
        await self._transport.connect()

    async def publish(
        self, publications: Sequence[Publication]
    ) -> list[BaseException | None]:
        """Publish at once."""
        return await self._transport.publish(publications)

    async def consume(self, queue: str, take: Take, *, prefetch: int) -> None:
        """Have every packet of a queue taken, but in no order."""

        async def take_later(delivery: Delivery) -> None:
            self.came += 1
            number = self.came
            # This is the fault that is injected, and waits for nothing.
            await asyncio.sleep(self._random.uniform(0, LONGEST_SECONDS))
            self._order.append(number)
            await take(delivery)

        await self._transport.consume(queue, take_later, prefetch=prefetch)

    async def stop_consuming(self) -> None:
        """Take no more."""
        await self._transport.stop_consuming()

    async def watch(self) -> None:
        """Look for consumers that hear nothing."""
        await self._transport.watch()

    def renew(self) -> None:
        """Follow passwords that were written anew."""
        self._transport.renew()

    async def close(self) -> None:
        """Disconnect."""
        await self._transport.close()

    def ready(self) -> bool:
        """Tell whether it is connected."""
        return self._transport.ready()
