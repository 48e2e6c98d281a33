"""The wide way: any of the services that Apprise speaks to, in a process of its own.

All that it says is yes. Whatever is no yes, a refusal too, may be one of several parts
that went wrong, so the message is as good as anywhere: it is unknown, and comes by this
way no more, because behind it may be anybody's own device.
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

import structlog
from accord_chassis.settings import BadConfiguration, Network

from notify import wider
from notify.domain.channels import TO
from notify.domain.mail import NO_ANSWER, Outcome
from notify.domain.wide import Reached, WidePolicy
from notify.domain.wording import Letter
from notify.post import (
    ADDRESS,
    AWAY,
    AWAY_SECONDS,
    BAD_ADDRESS,
    NUMBER,
    Lines,
    Posted,
)

log = structlog.get_logger()

TIMEOUT_SECONDS = 20.0
"""How long a sending may take, with a second for the program to begin."""

AT_ONCE, KEPT_FREE = 3, 1
"""Programs at a time, and how many of those for alarms alone."""

PROGRAM = (sys.executable, "-I", "-m", wider.__name__)
"""Isolated: of the environment and the working directory it takes nothing."""

WRITTEN = {Reached.EMAIL: ADDRESS, Reached.MOBILE: NUMBER}

UNKNOWN = Posted(Outcome.UNKNOWN, NO_ANSWER)

EXAMPLES = {Reached.EMAIL: "somebody@example.org", Reached.MOBILE: "+6421555000"}
"""With which it is seen at start whether an address is one; nothing goes there."""

FAULTS = {
    wider.NO_ADDRESS: "Correct ACCORD_WIDE_URL: it is no address that Apprise knows, "
    "could be read on its way, does not look at certificates, or follows redirects.",
    wider.NOT_THERE: "Install accord-notify[wide], or leave ACCORD_WIDE_URL out.",
}


class WidePost:
    """Hands messages to whatever the locality has.

    Args:
        url: Its address as Apprise writes it, with ``{to}`` where a worker stands.
        policy: What may be said, and how far it goes.
        allowed: Networks that may be spoken to though they are private.
        plain: Whether TLS may be left out; in development only.
        timeout_seconds: How long a sending may take.
        away_seconds: How long nobody tries after the service fell silent.
    """

    on = True

    def __init__(
        self,
        url: str,
        policy: WidePolicy,
        *,
        allowed: Sequence[Network] = (),
        plain: bool = False,
        timeout_seconds: float = TIMEOUT_SECONDS,
        away_seconds: float = AWAY_SECONDS,
    ) -> None:
        self._url = url
        self._to = policy.to
        self._timeout_seconds = timeout_seconds
        self._away_seconds = away_seconds
        self._away_until = float("-inf")
        self._limits: Mapping[str, Any] = {
            "hosts": policy.hosts,
            "networks": [*map(str, allowed)],
            "plain": plain,
        }
        self._lines = Lines(AT_ONCE, KEPT_FREE)

    def check(self) -> None:
        """See that there is such a service. Called at start, before anything else runs.

        Raises:
            BadConfiguration: There is none.
        """
        if TO not in self._url:
            raise BadConfiguration(f"Correct ACCORD_WIDE_URL: it must have {TO}.")
        asked = json.dumps(self._asked(EXAMPLES[self._to])).encode()
        try:
            ended = subprocess.run(  # noqa: S603 - Fixed, and no shell.
                PROGRAM,
                input=asked,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=_environment(),
                timeout=self._timeout_seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise BadConfiguration(FAULTS[wider.NO_ADDRESS]) from None
        if ended.returncode != wider.SENT:
            fault = FAULTS.get(ended.returncode, FAULTS[wider.NO_ADDRESS])
            raise BadConfiguration(fault)

    @property
    def closed(self) -> Posted | None:
        """Say so while the service was silent a moment ago; see ``Post``."""
        return AWAY if time.monotonic() < self._away_until else None

    async def send(self, letter: Letter, to: str, at: datetime) -> Posted:  # noqa: ARG002
        """Send a message; see ``Post``."""
        if not WRITTEN[self._to].fullmatch(to):
            return BAD_ADDRESS
        asked = json.dumps({**self._asked(to), "text": letter.text}).encode()
        async with self._lines.one_for(letter):
            if self.closed:
                return self.closed
            try:
                program = await _begun()
            except OSError as fault:
                # Nothing has left.
                self._leave_alone(fault)
                return AWAY
            ended = await self._ended(program, asked)
        if ended == wider.SENT:
            return Posted(Outcome.SENT)
        log.warning("post.away", dependency="wide", reason=NO_ANSWER)
        return UNKNOWN

    def _leave_alone(self, fault: BaseException) -> None:
        self._away_until = time.monotonic() + self._away_seconds
        log.warning("post.away", dependency="wide", fault=type(fault).__name__)

    def _asked(self, to: str) -> dict[str, Any]:
        # Nothing in an address ends its part of the URL.
        return {**self._limits, "url": self._url.replace(TO, quote(to, safe=""))}

    async def _ended(self, program: Process, asked: bytes) -> int | None:
        """Give as what the program ended; none if it had to be ended."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await program.communicate(asked)
        except TimeoutError as fault:
            self._leave_alone(fault)
            return None
        finally:
            with contextlib.suppress(ProcessLookupError):
                program.kill()
            await program.wait()
        return program.returncode


async def _begun() -> Process:
    return await asyncio.create_subprocess_exec(
        *PROGRAM,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env=_environment(),
    )


def _environment() -> dict[str, str]:
    """Give what it needs to find a library: no secret of ours, and no proxy."""
    return {"PATH": os.environ.get("PATH", ""), "HOME": "/nonexistent"}
