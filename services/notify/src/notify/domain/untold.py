"""What nobody could be told of yet.

Nobody is on duty who may know of it, or it cannot be known at present who is.
"""

from datetime import datetime, timedelta
from typing import Self

from accord_contracts.message import Lane
from pydantic import BaseModel, ConfigDict

AGAIN_AFTER = timedelta(seconds=30)
"""How long until it is looked again whether anybody is there: whoever comes on duty is
told within a minute."""

NOBODY_ON_DUTY, DIRECTORY_AWAY = "nobody_on_duty", "directory_away"
"""Why it waits: nobody who may know of it is on duty, or nobody knows who is."""

SOON = timedelta(seconds=5)
"""How long until an alarm is tried again for which no directory has answered."""


class Waited(BaseModel):
    """That nobody could be told of something at first: since when, and why."""

    model_config = ConfigDict(frozen=True)

    since: datetime
    why: str


class Untold(BaseModel):
    """A message from the bus that is still to be told, kept as it came.

    Attributes:
        id: The message's own.
        event: Of which type it is.
        body: The event as it was published: ids, codes and times alone.
        revision: The version of the publisher's document that it told of.
        since: Since when it has waited.
        why: As a code: that nobody was on duty, if that was ever so while it waited.
        due_at: When it is next tried.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    case_id: str
    event: str
    body: str
    source: str
    time: datetime
    lane: Lane
    revision: int
    correlation_id: str
    causation_id: str | None = None
    since: datetime
    why: str
    due_at: datetime

    @property
    def waited(self) -> Waited:
        """Give since when it has waited, and why."""
        return Waited(since=self.since, why=self.why)

    def wait(self, at: datetime, again_after: timedelta, why: str) -> Self:
        """Note that still nobody could be told, and why."""
        known = self.why if self.why == NOBODY_ON_DUTY else why
        return self.model_copy(update={"due_at": at + again_after, "why": known})
