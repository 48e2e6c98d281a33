"""Doing at once what many ask for at the same time."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Generic, TypeVar

from accord_contracts.message import Lane

Q = TypeVar("Q")
A = TypeVar("A")

_LANE = ContextVar("lane", default=Lane.URGENT)
"""For what something is asked; a person who asks is not routine: they wait."""


@contextmanager
def in_lane(lane: Lane) -> Iterator[None]:
    """Ask for a message of a lane, whoever is asked."""
    before = _LANE.set(lane)
    try:
        yield
    finally:
        _LANE.reset(before)


class Batcher(Generic[Q, A]):
    """Gathers what is asked while the last batch is under way, then does it at once.

    At light load every question goes out alone and at once; under load the batches
    grow by themselves, and nobody waits for a timer unless told to.

    Args:
        run: Answers a batch: as many answers as questions, in their order. An answer
            that is an exception is raised to the one who asked; an exception raised
            by ``run`` itself goes to all.
        limit: The most questions of one batch.
        linger: Seconds to wait for others, where nobody is in a hurry.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Q]], Awaitable[Sequence[A | BaseException]]],
        *,
        limit: int = 100,
        linger: float = 0.0,
    ) -> None:
        self._run = run
        self._limit = limit
        self._linger = linger
        self._waiting: list[tuple[Q, asyncio.Future[A]]] = []
        self._working: asyncio.Task[None] | None = None

    async def __call__(self, question: Q) -> A:
        """Ask, and wait for the answer."""
        answer: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, answer))
        if self._working is None:
            self._working = asyncio.create_task(self._work())
        return await answer

    async def _work(self) -> None:
        try:
            while self._waiting:
                # Whoever becomes ready in the same turn of the loop comes along.
                await asyncio.sleep(self._linger)
                batch = self._waiting[: self._limit]
                del self._waiting[: self._limit]
                await self._answer(batch)
        finally:
            self._working = None

    async def _answer(self, batch: list[tuple[Q, asyncio.Future[A]]]) -> None:
        try:
            answers = await self._run([question for question, _ in batch])
        except asyncio.CancelledError:
            for _, waiting in batch:
                waiting.cancel()
            raise
        except Exception as failure:  # noqa: BLE001 - It is raised to all who asked.
            answers = [failure] * len(batch)
        for (_, waiting), answer in zip(batch, answers, strict=True):
            if waiting.done():
                continue
            if isinstance(answer, BaseException):
                waiting.set_exception(answer)
            else:
                waiting.set_result(answer)


class ByLane(Generic[Q, A]):
    """Batches of each lane apart: what is urgent waits for none of routine questions.

    Args:
        run: Answers a batch; see ``Batcher``.
        limit: The most questions of one batch.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Q]], Awaitable[Sequence[A | BaseException]]],
        *,
        limit: int = 100,
    ) -> None:
        self._of = {lane: Batcher(run, limit=limit) for lane in Lane}

    async def __call__(self, question: Q) -> A:
        """Ask with others of the lane for which this is asked; wait for the answer."""
        return await self._of[_LANE.get()](question)
