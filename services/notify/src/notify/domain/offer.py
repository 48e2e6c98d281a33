"""How the offer of a role to a worker ended: answered, out of time, or taken back."""

from datetime import datetime
from typing import Self
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict

from notify.domain.notification import Notification


class Offer(BaseModel):
    """That a role was offered to a worker, and how that ended, as far as was heard.

    A worker who was silent may be offered the same role again, so it may end more than
    once. The latest ending counts, for all that was offered before it.

    Attributes:
        id: Of the role and the worker together.
        revision: The version of allocation's own document in which it ended.
        ended_at: When.
        answered: The worker has said yes or no; else their time was over, or the role
            was no longer needed.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    revision: int
    ended_at: datetime
    answered: bool

    def or_later(self, known: Self | None) -> Self:
        """Give the later of two endings, by what allocation says came first."""
        if known is None:
            return self
        if known.revision >= self.revision:
            return known
        return self.model_copy(update={"version": known.version})

    def ends(self, told: Notification) -> bool:
        """Tell whether a message about an offer is still open and is over with it."""
        return told.ended_at is None and told.revision < self.revision


def offer_id(allocation_id: str, worker_id: str) -> str:
    """Derive the id, so that whatever is heard of an offer finds the same document."""
    return str(uuid5(UUID(allocation_id), f"offer/{worker_id}"))
