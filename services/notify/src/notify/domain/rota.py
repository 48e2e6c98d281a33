"""Who is on call, as far as notify has heard."""

from collections.abc import Iterable
from datetime import datetime
from typing import Self

from accord_contracts.allocation import Shift
from pydantic import BaseModel, ConfigDict


class Turn(BaseModel):
    """From when until when a worker is on call."""

    model_config = ConfigDict(frozen=True)

    worker_id: str
    since: datetime
    until: datetime


class Rota(BaseModel):
    """Who is on call by one rota, and when.

    Attributes:
        coordinates: Whoever is on call by it stands in for the locality's coordinators.
        turns: In order of time.
        heard: The version of allocation's own document that was heard of last.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    coordinates: bool = False
    turns: tuple[Turn, ...] = ()
    heard: int = 0

    def hear(self, shifts: Iterable[Shift], heard: int, *, coordinates: bool) -> Self:
        """Take over who is on call, unless something newer is known."""
        if heard <= self.heard:
            return self
        turns = tuple(Turn(**each.model_dump()) for each in shifts)
        told = {"coordinates": coordinates, "turns": turns, "heard": heard}
        return self.model_copy(update=told)

    def on_call(self, at: datetime) -> str | None:
        """Give who is on call at a time; none if nobody is, or it is not known."""
        now = (each for each in self.turns if each.since <= at < each.until)
        return next((each.worker_id for each in now), None)
