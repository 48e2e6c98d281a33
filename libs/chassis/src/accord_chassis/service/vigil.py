"""Noticing that a service is cut off, while nobody inside it can tell anybody.

What notify tells workers shares its process, its store and its broker with what fails
here. So it is written to the log as critical, which wakes whoever runs it.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import structlog

from accord_chassis.clock import Clock
from accord_chassis.relay import Relay, Saved

log = structlog.get_logger()

LOOK_SECONDS = 30.0
ALIVE_SECONDS = 60.0
"""How often a service says that it lives. The alert stands when five are missing."""

AGAIN = timedelta(minutes=8)
"""After how long it is said again while it is so, at the next look. A line of the log
keeps an alert up for ten minutes: the next must be there before, or it rings anew."""


class Vigil:
    """Sees for how long nothing has left, and who has not answered.

    Args:
        service: Whose it is.
        relay: What leaves.
        answer: Tell of each thing that the service depends on whether it answers.
        clock: Tells the time.
        silent_minutes: How long it may be so.
    """

    def __init__(
        self,
        service: str,
        relay: Relay,
        answer: dict[str, Callable[[], Awaitable[bool]]],
        *,
        clock: Clock,
        silent_minutes: int,
    ) -> None:
        self._service = service
        self._relay = relay
        self._answer = answer
        self._clock = clock
        self._limit = timedelta(minutes=silent_minutes)
        self._held: Saved | None = None
        self._away: dict[str, datetime] = {}
        self._said: dict[str, datetime] = {}

    async def look(self) -> None:
        """Look whether anything has been silent for too long, and say so."""
        at = self._clock.now()
        if (since := self._unpublished()) and (late := self._to_say("", since, at)):
            log.critical("outbox.silent", service=self._service, delay_s=late)
        for name, answers in self._answer.items():
            if await answers():
                self._away.pop(name, None)
                self._said.pop(name, None)
                continue
            since = self._away.setdefault(name, at)
            if late := self._to_say(name, since, at):
                log.critical(
                    "dependency.silent",
                    service=self._service,
                    dependency=name,
                    delay_s=late,
                )

    async def say_alive(self) -> None:
        """Say that the service lives; that nothing says so wakes somebody."""
        log.info("service.alive", service=self._service)

    def _unpublished(self) -> datetime | None:
        """Give since when an event waits that was waiting when it was last looked.

        Twice: what is saved with an old time, in a replay, is no event that is stuck.
        """
        if self._held and self._relay.holds(self._held):
            return self._held.saved_at
        self._held = self._relay.oldest()
        self._said.pop("", None)
        return None

    def _to_say(self, name: str, since: datetime, at: datetime) -> float:
        """Give for how many seconds, if that is too long and to be said now."""
        said = self._said.get(name)
        if at - since < self._limit or (said and at - said < AGAIN):
            return 0.0
        self._said[name] = at
        return (at - since).total_seconds()
