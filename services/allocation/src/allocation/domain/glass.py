"""Breaking the glass: a worker looks at a case that they do not work on, and says why.

It is open for minutes and to the least that keeps somebody safe, whoever coordinates is
told at once, and somebody else must review it. It crosses no compartment and overrides
no conflict, exclusion or restriction.
"""

from datetime import datetime, timedelta
from uuid import UUID, uuid5

from accord_contracts.allocation import GlassReason
from accord_contracts.problem import Refusal
from pydantic import BaseModel, ConfigDict

REVIEW = timedelta(days=2)
"""By when somebody else must have reviewed it (RELIABILITY (c): two working days; here
they are elapsed ones, so that no holiday makes it later)."""

AGAIN = timedelta(days=1)
"""How often it is told that nobody has."""


class NoSuchGlass(Refusal):
    """There is no such record of a broken glass."""

    status = 404


class OwnGlass(Refusal):
    """Somebody else must review this: it was you who broke the glass."""

    status = 403


class ReviewedBefore(Refusal):
    """This was reviewed before, with another result."""


class NotJustified(Refusal):
    """You had no good reason to look at this case before: ask its coordinator."""

    status = 403


class Glass(BaseModel):
    """That a worker has broken the glass of a case.

    Attributes:
        until: When it closes by itself.
        review_by: When somebody else must have reviewed it.
        reviewer_id: Who has.
        justified: Whether they found good reason.
        due_at: When it is told next that nobody has.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    case_id: str
    worker_id: str
    reason: GlassReason
    broken_at: datetime
    until: datetime
    review_by: datetime
    reviewer_id: str | None = None
    justified: bool | None = None
    reviewed_at: datetime | None = None
    due_at: datetime | None = None

    @classmethod
    def broken(
        cls,
        case_id: str,
        worker_id: str,
        reason: GlassReason,
        *,
        minutes: int,
        at: datetime,
    ) -> "Glass":
        """Break the glass of a case, for some minutes."""
        return cls(
            id=str(uuid5(UUID(case_id), f"glass/{worker_id}/{at.isoformat()}")),
            case_id=case_id,
            worker_id=worker_id,
            reason=reason,
            broken_at=at,
            until=at + timedelta(minutes=minutes),
            review_by=at + REVIEW,
            due_at=at + REVIEW,
        )

    def review(self, reviewer_id: str, at: datetime, *, justified: bool) -> "Glass":
        """Say whether there was good reason; if there was none, it closes at once.

        Raises:
            OwnGlass: By whoever broke it.
            ReviewedBefore: Somebody has said otherwise.
        """
        if reviewer_id == self.worker_id:
            raise OwnGlass
        if self.reviewer_id is not None:
            if justified != self.justified:
                raise ReviewedBefore
            return self
        return self.model_copy(
            update={
                "reviewer_id": reviewer_id,
                "justified": justified,
                "reviewed_at": at,
                "due_at": None,
                "until": self.until if justified else min(self.until, at),
            }
        )

    def close(self, at: datetime) -> "Glass":
        """Close it before its time; it is reviewed all the same."""
        return self.model_copy(update={"until": min(self.until, at)})

    def fall_due(self, at: datetime) -> "Glass":
        """Note that it was told that nobody has reviewed it."""
        return self.model_copy(update={"due_at": at + AGAIN})
