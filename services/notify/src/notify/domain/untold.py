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

SOON = timedelta(seconds=5)
"""How long until an alarm is tried again for which no directory has answered."""


class Untold(BaseModel):
    """A message from the bus that is still to be told, kept as it came.

    Attributes:
        id: The message's own.
        event: Of which type it is.
        body: The event as it was published: ids, codes and times alone.
        revision: The version of the publisher's document that it told of.
        since: Since when it has waited.
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
    due_at: datetime

    def wait(self, at: datetime, again_after: timedelta) -> Self:
        """Note that still nobody could be told."""
        return self.model_copy(update={"due_at": at + again_after})
