"""What goes on in the invented world once it stands: referrals, and answers."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from random import Random
from uuid import uuid4

from accord.actors import Actors
from accord.faults import CannotGoOn
from accord.world import AGENCIES

EVERY_SECONDS = 20.0
ANSWER_SECONDS = 15.0


class Story:
    """Has agencies refer and workers answer, for as long as somebody watches.

    Args:
        actors: Everybody in the invented world.
        speed: How many times as fast as one referral in twenty seconds.
        seed: Chooses who does what.
        say: Tells the news, a line each.
    """

    def __init__(
        self, actors: Actors, speed: float, seed: int, say: Callable[[str], None]
    ) -> None:
        self._actors = actors
        self._speed = speed
        self._seed = seed
        self._say = say

    async def go_on(self) -> None:
        """Go on until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._refer())
            group.create_task(self._work())

    async def _refer(self) -> None:
        """Have agencies refer, one now and then."""
        random = Random(self._seed)  # noqa: S311 - A world, no secret.
        prefix = f"demo-{uuid4().hex[:8]}"
        number = 0
        while True:
            await asyncio.sleep(EVERY_SECONDS / self._speed)
            number += 1
            agency = random.choice(AGENCIES)
            told = self._actors.world.referral(f"{prefix}-{number}", datetime.now(UTC))
            with self._reported():
                await self._actors.refer(agency, told)
                self._news(f"{agency.code} referred {told['reference']}")

    async def _work(self) -> None:
        """Have workers answer what they are offered."""
        random = Random(self._seed)  # noqa: S311 - As above.
        while True:
            await asyncio.sleep(ANSWER_SECONDS / self._speed)
            with self._reported():
                done = await self._actors.answer_offers(random)
                if told := [f"{count} {what}" for what, count in done.items() if count]:
                    self._news(f"workers answered: {', '.join(told)}")

    @contextmanager
    def _reported(self) -> Iterator[None]:
        """Say what did not work, and let the world go on."""
        try:
            yield
        except (CannotGoOn, OSError, EOFError) as fault:
            self._news(f"did not work: {fault or type(fault).__name__}")

    def _news(self, text: str) -> None:
        self._say(f"{datetime.now().astimezone():%H:%M:%S} {text}")
