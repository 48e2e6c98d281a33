"""Deciding again when what was decided on has changed meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from accord_chassis.store import Conflict

R = TypeVar("R")


async def settled(decide: Callable[[], Awaitable[R]], *, tries: int = 10) -> R:
    """Decide again when what was decided on has changed meanwhile.

    Raises:
        Conflict: It kept changing.
    """
    for attempt in range(tries - 1):
        try:
            return await decide()
        except Conflict:
            await asyncio.sleep(0.002 * 2**attempt)
    return await decide()
