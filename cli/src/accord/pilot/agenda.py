"""What people will do, and when."""

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from datetime import datetime
from itertools import count
from typing import Any, TypeVar

Act = Callable[[], Awaitable[None]]

T = TypeVar("T")


async def nothing() -> None:
    """Do nothing: the time stops, and what falls due is acted on."""


class Agenda:
    """The acts that are planned, in the order of their times."""

    def __init__(self) -> None:
        self._planned: list[tuple[datetime, int, str, Act]] = []
        self._number = count()

    def put(self, at: datetime, about: str, act: Act) -> None:
        """Plan an act.

        Args:
            at: When.
            about: A case, mostly: acts about the same are done one after the other.
            act: What is done.
        """
        heapq.heappush(self._planned, (at, next(self._number), about, act))

    @property
    def next_at(self) -> datetime | None:
        """When the next act is, if there is one."""
        return self._planned[0][0] if self._planned else None

    async def do(self, at: datetime) -> None:
        """Do everything that is planned until a time: what is about others, at once."""
        due: dict[str, list[Act]] = {}
        while self._planned and self._planned[0][0] <= at:
            _, _, about, act = heapq.heappop(self._planned)
            due.setdefault(about, []).append(act)
        await at_once(map(_in_turn, due.values()))


async def _in_turn(acts: Iterable[Act]) -> None:
    for act in acts:
        await act()


async def at_once(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Do several things at the same time; the first that fails ends the others."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for each in tasks:
            each.cancel()
