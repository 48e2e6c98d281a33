"""What a result rested on, and the results that were replaced. Pure.

A result is what was weighed and by which policy. With both it can be said years later
what somebody knew when they acted, and found again exactly.
"""

from datetime import datetime
from typing import Self
from uuid import UUID, uuid5

from accord_contracts.referrals import Answer, IncidentKind, TriggerKind
from accord_contracts.risk import RiskLevel, Tier
from pydantic import BaseModel, ConfigDict

from risk.domain.form import Form
from risk.domain.policy import Policy, highest
from risk.domain.scoring import Result
from risk.domain.weighing import Known, Weighing, Would


class Inputs(BaseModel):
    """What was weighed for a result.

    Attributes:
        near: The kinds of dates that weighed.
        floor: The level below which the case was held anyway.
        in_a_year: How many incidents there were in twelve months.
    """

    model_config = ConfigDict(frozen=True)

    answers: dict[str, Answer]
    incidents: frozenset[IncidentKind]
    repeats: int
    near: frozenset[TriggerKind]
    forms: dict[str, Form]
    floor: RiskLevel
    in_a_year: int = 0

    @classmethod
    def of(cls, known: Known, floor: RiskLevel) -> Self:
        """Keep what is weighed."""
        return cls(
            answers=dict(known.answers),
            incidents=known.incidents,
            repeats=known.repeats,
            near=known.near,
            forms=dict(known.forms),
            floor=floor,
            in_a_year=known.in_a_year,
        )

    def weigh(self, policy: Policy) -> Weighing:
        """Weigh it again."""
        known = Known(
            self.answers,
            self.incidents,
            self.repeats,
            self.near,
            self.forms,
            self.in_a_year,
        )
        return policy.weigh(known, self.floor)


FOUND = (
    "reasons", "unknowns", "provisional", "highest", "questions", "would", "results"
)  # fmt: skip
"""What of a result is found by weighing alone, whatever people have judged."""


class Past(BaseModel):
    """A result that was replaced by a later one; it never changes.

    Attributes:
        id: Of the case and the revision.
        revision: The version of the assessment's document that it made.
        replaced_at: When the next was weighed.
        level: At which the case was held by it; higher than what was weighed, if people
            have judged so.
        rests_on: The cases merged into this one then, of which it tells too.
        policy_fingerprint: By it the policy's text is found that it was weighed by.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    case_id: str
    revision: int
    assessed_at: datetime
    replaced_at: datetime
    level: RiskLevel
    previous: RiskLevel | None
    inputs: Inputs
    rests_on: tuple[str, ...]
    reasons: tuple[str, ...]
    unknowns: tuple[str, ...]
    provisional: bool
    highest: RiskLevel
    questions: tuple[str, ...]
    would: tuple[Would, ...]
    results: tuple[Result, ...]
    tier: Tier | None
    policy_version: str
    policy_fingerprint: str

    def found_again(self, policy: Policy) -> bool:
        """Tell whether the same is found of the same by this policy now."""
        again = self.inputs.weigh(policy)
        same = all(getattr(again, each) == getattr(self, each) for each in FOUND)
        least = highest(self.inputs.floor, again.level)
        return same and least.rank <= self.level.rank


def past_id(case_id: str, revision: int) -> str:
    """Name a result: there is one for each revision of a case."""
    return str(uuid5(UUID(case_id), f"past/{revision}"))
