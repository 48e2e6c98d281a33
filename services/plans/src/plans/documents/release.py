"""Letting a paper of a case go, and how often that may be tried.

See ``domain.letting`` for the two people that it takes.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Self

from accord_contracts.papers import Audience
from accord_contracts.problem import Refusal
from pydantic import BaseModel, ConfigDict

from plans.documents.audience import Addressed
from plans.domain.letting import Letting

MOST_LOOKS = 20
"""Papers of one case that are looked through within a day, each counted once.

Enough for one of everybody's and to put some right. A guess that misses tells as much
as one that hits, so both count.
"""

WITHIN = timedelta(hours=24)


class LookedTooOften(Refusal):
    """So many papers of this case were looked through that none leaves until tomorrow.

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


class Looks(BaseModel):
    """Which papers of a case were looked through for what they may not tell.

    Attributes:
        papers: When each was first, by what tells it from others.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    papers: Mapping[str, datetime] = {}

    def look(self, paper: str, at: datetime) -> Self:
        """Count a paper before it is looked through. Again on one day counts once.

        Raises:
            LookedTooOften: Others were too often for this one.
        """
        papers = {
            key: first for key, first in self.papers.items() if first > at - WITHIN
        }
        if paper in papers:
            return self
        if len(papers) >= MOST_LOOKS:
            raise LookedTooOften
        return self.model_copy(update={"papers": {**papers, paper: at}})
