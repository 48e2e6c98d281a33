"""A version of a plan, and the assessment that it rests on."""

from datetime import datetime

from accord_contracts.risk import RiskLevel
from pydantic import BaseModel, ConfigDict


class Assessment(BaseModel):
    """What a plan knows of the assessment that it rests on.

    Attributes:
        referral_id: The referral that was weighed, if one caused it.
        revision: The version of the assessment's own document.
        first_referred_at: When the response to this episode was first asked for.
    """

    model_config = ConfigDict(frozen=True)

    level: RiskLevel
    referral_id: str | None
    revision: int
    assessed_at: datetime
    first_referred_at: datetime

    def outdates(self, other: "Assessment") -> bool:
        """Tell whether this is the later of two.

        The revision decides, because a referral that was delayed is weighed last,
        with everything known, and yet bears its own earlier time.
        """
        own = (self.revision, self.assessed_at)
        return own > (other.revision, other.assessed_at)


class PlanVersion(BaseModel):
    """One version of a plan: what it rests on, and what became of it.

    Attributes:
        number: Counted from 1.
        closed_for: Why the plan was closed, if this was its last version.
    """

    model_config = ConfigDict(frozen=True)

    number: int
    assessment: Assessment
    policy_version: str
    drafted_at: datetime
    review_by: datetime
    agreed_at: datetime | None = None
    closed_at: datetime | None = None
    closed_for: str | None = None
