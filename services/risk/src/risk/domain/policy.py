"""A locality's rules for weighing risk."""

from typing import Annotated, Self

from accord_contracts.message import Code, PolicyVersion
from accord_contracts.problem import Refusal
from accord_contracts.referrals import Answer, IncidentKind, TriggerKind
from accord_contracts.risk import RiskLevel
from pydantic import BaseModel, ConfigDict, Field, model_validator

from risk.domain.ahead import AheadRule
from risk.domain.answers import ANSWERED
from risk.domain.judgement.rules import Judging

Points = Annotated[int, Field(ge=0, le=100)]
Hours = Annotated[int, Field(gt=0)]


class UnknownIndicator(Refusal):
    """The locality's policy does not know one of these questions."""

    status = 422


class Indicator(BaseModel):
    """One question about risk, and what a yes weighs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    points: Points


class Policy(BaseModel):
    """How a locality weighs risk (``localities/<name>/risk.yaml``)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: PolicyVersion
    indicators: dict[Code, Indicator]
    incidents: dict[IncidentKind, Points]
    repeat_points: Points
    bands: dict[RiskLevel, Points]
    triggers: dict[Code, RiskLevel]
    ahead: dict[TriggerKind, AheadRule]
    key_questions: Annotated[tuple[Code, ...], Field(min_length=1)]
    unanswered_share: Annotated[float, Field(gt=0, le=1)]
    reassess_hours: dict[RiskLevel, Hours]
    grace_hours: Hours
    judging: Judging

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        named = {*self.triggers, *self.key_questions}
        if unknown := named - set(self.indicators):
            raise ValueError(f"{', '.join(sorted(unknown))}: not an indicator")
        if missing := set(RiskLevel) - set(self.reassess_hours):
            raise ValueError(f"reassess_hours lacks {', '.join(sorted(missing))}")
        if missing_kinds := set(IncidentKind) - set(self.incidents):
            raise ValueError(f"incidents lacks {', '.join(sorted(missing_kinds))}")
        if missing_dates := set(TriggerKind) - set(self.ahead):
            raise ValueError(f"ahead lacks {', '.join(sorted(missing_dates))}")
        steps = [self.bands[each] for each in RiskLevel if each in self.bands]
        if RiskLevel.LOW in self.bands or steps != sorted(set(steps)):
            raise ValueError("bands must rise from medium over high to extreme")
        return self

    def unknowns(self, answers: dict[str, Answer]) -> tuple[str, ...]:
        """Give the questions that have neither yes nor no, heaviest first."""
        open_ = [each for each in self.indicators if answers.get(each) not in ANSWERED]
        return tuple(sorted(open_, key=lambda each: -self.indicators[each].points))

    def provisional(self, answers: dict[str, Answer]) -> bool:
        """Tell whether too many of the key questions are unanswered."""
        open_ = sum(answers.get(each) not in ANSWERED for each in self.key_questions)
        return open_ / len(self.key_questions) > self.unanswered_share

    def level(
        self,
        answers: dict[str, Answer],
        incidents: frozenset[IncidentKind],
        repeats: int,
        near: frozenset[TriggerKind] = frozenset(),
    ) -> tuple[RiskLevel, tuple[str, ...]]:
        """Weigh everything known: the level, and the codes of what led to it.

        The points of every yes, of every kind of incident, of every kind of date that
        is near and of each repeat are added up and placed in a band; a trigger lifts
        the level to its own whatever the points; too many unanswered key questions lift
        it from low to medium.
        """
        yes = [each for each in self.indicators if answers.get(each) is Answer.YES]
        points = (
            sum(self.indicators[each].points for each in yes)
            + sum(self.incidents[each] for each in incidents)
            + sum(self.ahead[each].points for each in near)
            + self.repeat_points * repeats
        )
        reached = [RiskLevel.LOW]
        reached += [level for level, least in self.bands.items() if points >= least]
        reached += [self.triggers[each] for each in yes if each in self.triggers]
        reasons = [*yes, *(f"incident_{each}" for each in sorted(incidents))]
        reasons += [f"trigger_{each}" for each in sorted(near)]
        if repeats:
            reasons.append("repeat")
        if self.provisional(answers):
            reached.append(RiskLevel.MEDIUM)
            reasons.append("too_much_unknown")
        return max(reached, key=lambda each: each.rank), tuple(reasons)


def highest(*levels: RiskLevel) -> RiskLevel:
    """Give the highest of some levels."""
    return max(levels, key=lambda each: each.rank)
