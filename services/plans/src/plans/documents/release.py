"""Letting a paper of a case go, and how often that may be tried.

See ``domain.letting`` for the two people that it takes.
"""

from datetime import datetime, timedelta
from typing import Self

from accord_contracts.papers import Audience
from accord_contracts.problem import Refusal

from plans.documents.audience import Addressed
from plans.domain.letting import Letting

MOST_REFUSED = 5
"""Papers for one audience that may be refused within a day for what they tell.

Enough to put one right; too few to find an address by writing guesses into a paper.
"""

REFUSED_WITHIN = timedelta(hours=24)


class RefusedTooOften(Refusal):
    """Papers for this audience were refused so often that none leaves until tomorrow.

    Have whoever coordinates the case look at what is written there.
    """

    status = 429


class Release(Letting):
    """That a paper of a case may leave.

    Attributes:
        refused: It was never let go, for what the paper tells.
    """

    version: int = 0
    case_id: str
    audience: Audience
    person_id: str | None = None
    agency: str | None = None
    refused: bool = False

    @property
    def to(self) -> Addressed:
        """For whom the paper is."""
        return Addressed(self.audience, self.person_id, self.agency)

    def refuse(self, at: datetime) -> Self:
        """Have it never leave, for what it tells."""
        return self.model_copy(update={"ended_at": at, "refused": True})


def may_ask(refused: int) -> None:
    """See that somebody may ask to let another paper go.

    Args:
        refused: How many of these papers were refused within a day.

    Raises:
        RefusedTooOften: Too many.
    """
    if refused >= MOST_REFUSED:
        raise RefusedTooOften
