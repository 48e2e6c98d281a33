"""What the risk service publishes, and the scale of risk."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from accord_contracts.message import Code, Event, Id, PolicyVersion


class RiskLevel(StrEnum):
    """How great the risk of serious harm is. There is no level of no risk.

    Ordered: ``RiskLevel.HIGH.rank > RiskLevel.MEDIUM.rank``.
    """

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    EXTREME = "extreme"

    @property
    def rank(self) -> int:
        """Place on the scale, from 0."""
        return list(RiskLevel).index(self)

    @property
    def urgent(self) -> bool:
        """High and extreme take the urgent lane."""
        return self in {RiskLevel.HIGH, RiskLevel.EXTREME}


class Tier(BaseModel):
    """What follows from a level of risk in a locality, as codes.

    Attributes:
        code: What the tier is called.
        roles: Who acts on it.
        actions: What must be done.
        clocks: Hours from the assessment until something must have been done, by what.
        meeting: Where it is spoken about; none: at no table.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: Code
    roles: Annotated[tuple[Code, ...], Field(max_length=10)]
    actions: Annotated[tuple[Code, ...], Field(max_length=30)]
    clocks: Annotated[
        dict[Code, Annotated[int, Field(gt=0, le=9000)]], Field(max_length=10)
    ]
    meeting: Code | None


class RiskAssessed(Event):
    """The level of risk to a household has been set, or set anew.

    Attributes:
        referral_id: The referral that was weighed, if one caused it.
        level: The level of everything known about the case.
        previous: The level before; none at the first assessment.
        provisional: Too much is unknown for the level to be relied on.
        reasons: Codes of the indicators and rules that led to the level.
        unknowns: Codes of the questions that nobody has answered.
        policy_version: By which version of the locality's policy it was weighed.
        assessed_at: When what was weighed last became known.
        reassess_by: By when the case is to be assessed anew, if it is not closed.
        first_referred_at: When the response to this episode was first asked for.
        highest: Above which the level would not be, whatever the unknown brought; none:
            not said.
        questions: Those that could change the level, as they should be asked next.
        tier: What follows from the level; none: the locality has no tiers.
    """

    TYPE: ClassVar[str] = "risk.assessed.v1"

    referral_id: Id | None
    level: RiskLevel
    previous: RiskLevel | None
    provisional: bool
    reasons: Annotated[tuple[Code, ...], Field(max_length=100)]
    unknowns: Annotated[tuple[Code, ...], Field(max_length=200)]
    policy_version: PolicyVersion
    assessed_at: AwareDatetime
    reassess_by: AwareDatetime
    first_referred_at: AwareDatetime
    highest: RiskLevel | None = None
    questions: Annotated[tuple[Code, ...], Field(max_length=200)] = ()
    tier: Tier | None = None


class AskClosing(BaseModel):
    """The question whether the response to a case may end (``POST /v1/proofs``).

    Attributes:
        closed_by: The worker who would end it.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    case_id: Id
    closed_by: Id


class ClosingProof(BaseModel):
    """What is missing before the response to a case may end; nothing: it may.

    Attributes:
        missing: Codes of conditions.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    case_id: Id
    missing: Annotated[tuple[Code, ...], Field(max_length=30)]


class AssessmentCarried(Event):
    """What is known of a merged case has changed. Risk tells itself.

    Attributes:
        case_id: The case that goes by it too, or does no longer.
        from_id: The merged case.
    """

    TYPE: ClassVar[str] = "risk.carried.v1"

    from_id: Id


class HowChanged(StrEnum):
    """By what a level of risk came about."""

    WEIGHED = "weighed"
    """What was told was weighed."""
    RAISED = "raised"
    """A person, or a meeting, has raised it."""
    LOWERED = "lowered"
    """Two people have lowered it, by a proof."""
    POLICY = "policy"
    """A new policy has come into force, and nothing was told."""


class RiskChanged(Event):
    """The level of risk to a household is another than before.

    Attributes:
        level: The level now.
        previous: The level before.
        how: By what it changed; none: not said.
        why: Codes: of what was weighed, or the reason that was given.
    """

    TYPE: ClassVar[str] = "risk.changed.v1"

    level: RiskLevel
    previous: RiskLevel
    changed_at: AwareDatetime
    how: HowChanged | None = None
    why: Annotated[tuple[Code, ...], Field(max_length=100)] = ()


class LoweringAsked(Event):
    """Somebody asks that a level be lowered, with the proof; another must confirm.

    Attributes:
        level: The level that it is to be lowered to.
        asked_by: The worker who asks, who cannot confirm it.
        until: When it lapses if nobody has confirmed it. The level stays then.
    """

    TYPE: ClassVar[str] = "risk.lowering_asked.v1"

    level: RiskLevel
    asked_by: Id
    asked_at: AwareDatetime
    until: AwareDatetime


class LoweringLapsed(Event):
    """A lowering that somebody asks for is over unconfirmed: the level stays.

    Nobody confirmed it in time, or something that it did not rest on became known.

    Attributes:
        level: The level that it was to be lowered to.
        worker_id: Who asked.
        asked_at: When.
        lapsed_at: When it was noticed that it is over.
        late_by: Seconds between when it was over and then.
    """

    TYPE: ClassVar[str] = "risk.lowering_lapsed.v1"

    level: RiskLevel
    worker_id: Id
    asked_at: AwareDatetime
    lapsed_at: AwareDatetime
    late_by: Annotated[float, Field(ge=0)]


class ReassessmentDue(Event):
    """A case is to be assessed anew.

    Attributes:
        level: The level that it is held at.
        late_by: Seconds between when it fell due and when that was noticed.
    """

    TYPE: ClassVar[str] = "risk.reassessment_due.v1"

    level: RiskLevel
    due_at: AwareDatetime
    late_by: Annotated[float, Field(ge=0)]


class ReassessmentOverdue(Event):
    """A case should have been assessed anew, and nobody has.

    Told again after every period of grace.

    Attributes:
        level: The level that it is held at.
        due_at: When the latest period of grace was over.
        late_by: Seconds between then and when that was noticed.
    """

    TYPE: ClassVar[str] = "risk.reassessment_overdue.v1"

    level: RiskLevel
    due_at: AwareDatetime
    late_by: Annotated[float, Field(ge=0)]
