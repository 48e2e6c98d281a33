"""Telling agencies' own systems over HTTP, a few at a time and none before another."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from accord_chassis.settings import Network

from notify.outward import TIMEOUT_SECONDS, Outward

AT_ONCE = 8
"""Messages that are told at the same time."""

AT_ONCE_TO_ONE = 2
"""Of those, to one agency: a slow system holds up no other."""


class Hooks(Outward):
    """Tells agencies' systems.

    Args:
        allowed: Networks that may be told though they are private.
        plain: Whether an address may be told without TLS; in development only.
        timeout_seconds: How long an answer may take.
    """

    def __init__(
        self,
        *,
        allowed: Sequence[Network] = (),
        plain: bool = False,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        super().__init__(allowed=allowed, plain=plain, timeout_seconds=timeout_seconds)
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._turns_of = defaultdict[str, asyncio.Semaphore](
            lambda: asyncio.Semaphore(AT_ONCE_TO_ONE)
        )

    @asynccontextmanager
    async def turn(self, agency: str) -> AsyncIterator[None]:
        """Wait until an agency's system may be told; what is sent is made after that.

        An agency waits for its own turn first, and takes nobody's place meanwhile.
        """
        async with self._turns_of[agency], self._turns:
            yield
