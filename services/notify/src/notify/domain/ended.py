"""That what an alarm would be about is over: an alarm heard later is born ended."""

from datetime import datetime
from typing import Self
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict

from notify.domain.notification import Notification


class Ended(BaseModel):
    """That something ended, the last time as far as was heard.

    Attributes:
        id: Of what ended, and of where if it ended there alone.
        ended_at: When, by the clock of whoever said so.
        revision: The version of its publisher's document that said so, if the alarm is
            of the same document: of one that was told with the same version it is not
            the end. None: the times decide.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    ended_at: datetime
    revision: int | None = None

    def or_later(self, known: Self | None) -> Self:
        """Give the later of two endings."""
        if known is None:
            return self
        if known.ended_at >= self.ended_at:
            return known
        return self.model_copy(update={"version": known.version})

    def ends(self, told: Notification) -> bool:
        """Tell whether a message is open, and is of what is over with this."""
        same = self.revision is not None and told.revision >= self.revision
        return not same and told.is_over_by(self.ended_at)


def ended_id(about_id: str, there: str | None = None) -> str:
    """Derive the id: of a date, an action, a role or a case's plan.

    Args:
        about_id: Its own.
        there: In which case alone, or which of its alarms alone.
    """
    return str(uuid5(UUID(about_id), f"ended/{there or ''}"))
