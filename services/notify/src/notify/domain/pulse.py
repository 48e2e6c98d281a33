"""Whether anything leaves by a way, though something is due: silence is an alarm."""

from datetime import datetime, timedelta
from typing import Self
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict

from notify.domain.channels import Way

WAYS = UUID("a3b8a0b4-5f0e-4a63-8a43-0c9c6a0a6d11")
"""Names of ways, of which each has one pulse."""


class Pulse(BaseModel):
    """Of one way: since when what is due has not left by it.

    What is due heeds quiet hours, so whenever something waits here, it is late.

    Attributes:
        way: By the inbox, that the next person of a chain is told.
        waits_since: Since when; none while things leave, or nothing is due.
        refused_since: Since when all that was tried was refused for good.
        due_at: When it is looked at whether anything waits still: then somebody is told
            of it, once.
        silent_at: When somebody was.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    way: Way
    waits_since: datetime | None = None
    refused_since: datetime | None = None
    due_at: datetime | None = None
    silent_at: datetime | None = None

    @classmethod
    def of(cls, way: Way) -> Self:
        """Begin to watch a way."""
        return cls(id=pulse_id(way), way=way)

    def wait(self, at: datetime, patience: timedelta) -> Self:
        """Note that something which is due has not left."""
        if self.waits_since:
            return self
        return self.model_copy(update={"waits_since": at, "due_at": at + patience})

    def refuse(self, at: datetime, patience: timedelta) -> Self:
        """Note that something was refused for good, which is no sign of life.

        One refusal is of one letter. Where nothing else came of all that was tried for
        so long, it is looked at once whether anything waits.
        """
        if self.waits_since:
            return self
        if self.refused_since is None:
            return self.model_copy(update={"refused_since": at})
        if self.refused_since + patience > at:
            return self
        waits = {"waits_since": self.refused_since, "due_at": at}
        return self.model_copy(update=waits)

    def leave(self) -> Self:
        """Note that something has left."""
        if self.waits_since is None and self.refused_since is None:
            return self
        clocks = ("waits_since", "refused_since", "due_at", "silent_at")
        return self.model_copy(update=dict.fromkeys(clocks))

    def alarm(self, at: datetime, patience: timedelta) -> Self:
        """Note that somebody was told that nothing leaves; it is looked at again."""
        told = {"due_at": at + patience, "silent_at": self.silent_at or at}
        return self.model_copy(update=told)


def pulse_id(way: Way) -> str:
    """Derive the id of a way's pulse: it has one."""
    return str(uuid5(WAYS, way.value))
