"""Keys for machines that have no identity provider: made, hashed and checked.

A key is ``accord_<id>_<secret>`` and is sent as a bearer token. It is shown once; only
an Argon2 hash of it is kept.
"""

import asyncio
import base64
import hashlib
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from accord_contracts.problem import Refusal
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

PREFIX = "accord_"
"""What every key begins with, so that one that was published can be searched for."""

FORM = re.compile(r"accord_([a-z2-7]{16})_[A-Za-z0-9_-]{43}")
"""An id of 80 random bits, and a secret of 256."""

HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
"""Argon2id with OWASP's minimum of 19 MiB and two passes (Password Storage Cheat
Sheet). RFC 9106's second choice takes 64 MiB: that is for what people choose, and a
key is 256 random bits, which nobody guesses at any price."""

NOBODYS = (
    f"$argon2id$v=19$m={HASHER.memory_cost},t={HASHER.time_cost},p={HASHER.parallelism}"
    f"${'A' * 22}${'A' * 43}"
)
"""Compared with where there is no such key, so that both take the same time."""

AT_ONCE = 2
"""Comparisons at the same time: each takes 19 MiB and a processor."""

WAITING = 32
"""Different keys that may wait to be compared. More than that is guessing."""

REMEMBERED_SECONDS = 30.0
REMEMBERED = 1024

H = TypeVar("H")


class WrongKey(Exception):
    """It is no key, or none that is good now."""


class KeysBusy(Refusal):
    """Too many keys are being checked at present: try again soon."""

    status = 503


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made.

    Attributes:
        id: Names it; no secret.
        text: The key itself, to be shown once and kept nowhere.
        hash: What is kept.
    """

    id: str
    text: str = field(repr=False)
    hash: str = field(repr=False)


async def new_key() -> NewKey:
    """Make a key."""
    key_id = base64.b32encode(secrets.token_bytes(10)).decode().lower()
    text = f"{PREFIX}{key_id}_{secrets.token_urlsafe(32)}"
    return NewKey(key_id, text, await asyncio.to_thread(HASHER.hash, text))


@dataclass(frozen=True, slots=True)
class HeldKey(Generic[H]):
    """A key that is good now, as it is kept.

    Attributes:
        hash: Of the key.
        holder: Who comes with it.
    """

    hash: str = field(repr=False)
    holder: H


class Keys(Generic[H]):
    """Tells whose a key is.

    That a key is right is remembered for half a minute, so that not every request pays
    for Argon2. Whether it is still good is asked every time: remembering opens nothing
    that has been revoked.

    Args:
        find: Gives a key that is good now, by its id.
    """

    def __init__(self, find: Callable[[str], Awaitable[HeldKey[H] | None]]) -> None:
        self._find = find
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._comparing: dict[tuple[bytes, str], asyncio.Future[bool]] = {}
        self._right: dict[tuple[bytes, str], float] = {}
        self._until: dict[bytes, float] = {}

    async def holder(self, text: str) -> H:
        """Tell who comes with a key.

        Raises:
            WrongKey: It is none, or none that is good now.
            KeysBusy: Too many others wait to be compared.
        """
        form = FORM.fullmatch(text)
        if form is None:
            raise WrongKey
        held = await self._find(form[1])
        right = await self._is_right(text, held.hash if held else NOBODYS)
        if held is None or not right:
            raise WrongKey
        return held.holder

    def remembers(self, text: str) -> bool:
        """Tell whether a key was right a moment ago."""
        digest, now = hashlib.sha256(text.encode()).digest(), time.monotonic()
        return self._until.get(digest, 0.0) > now

    async def _is_right(self, text: str, kept: str) -> bool:
        mark = (hashlib.sha256(text.encode()).digest(), kept)
        if self._right.get(mark, 0.0) > time.monotonic():
            return True
        if not await self._compared(mark, text, kept):
            return False
        if len(self._right) >= REMEMBERED:
            self._right.clear()
            self._until.clear()
        self._right[mark] = time.monotonic() + REMEMBERED_SECONDS
        self._until[mark[0]] = self._right[mark]
        return True

    async def _compared(self, mark: tuple[bytes, str], text: str, kept: str) -> bool:
        """Compare a key once, however many requests come with it at the same time."""
        if mark not in self._comparing:
            if len(self._comparing) >= WAITING:
                raise KeysBusy
            comparing = asyncio.ensure_future(self._compare(text, kept))
            self._comparing[mark] = comparing
            comparing.add_done_callback(lambda _: self._comparing.pop(mark, None))
        # One who hangs up must not end it for the others.
        return await asyncio.shield(self._comparing[mark])

    async def _compare(self, text: str, kept: str) -> bool:
        async with self._turns:
            return await asyncio.to_thread(_matches, text, kept)


def _matches(text: str, kept: str) -> bool:
    try:
        return HASHER.verify(kept, text)
    except (Argon2Error, InvalidHashError):
        return False
