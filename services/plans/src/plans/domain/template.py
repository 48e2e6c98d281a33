"""What a locality asks of every plan: its templates, level by level."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from itertools import pairwise
from typing import Annotated, Self

from accord_contracts.allocation import Role
from accord_contracts.message import Code
from accord_contracts.risk import RiskLevel, Tier
from pydantic import BaseModel, ConfigDict, Field, model_validator

from plans.domain.coming import InForce

MOST_HOURS = 8760
"""A year: no clock of a plan runs longer."""

Hours = Annotated[int, Field(gt=0, le=MOST_HOURS)]

PLAN_REVIEW = "plan_review"
"""The clock of a tier by which its plan is to be reviewed; another one is named after
the action that is due by it."""


class ActionKind(BaseModel):
    """An entry of the locality's vocabulary of actions.

    Attributes:
        strand: The part of a family's life that it looks after.
        each_episode: A further referral asks for it anew, though it was done before.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    strand: Code
    each_episode: bool = False


class Duty(BaseModel):
    """Who is to do an action at a level, and within how many elapsed hours."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Role
    within_hours: Hours


Duties = Annotated[dict[Code, Duty], Field(max_length=100)]


class Level(BaseModel):
    """What the plan of a case at one level holds at the least.

    Attributes:
        review_hours: Elapsed hours from the assessment until the plan is reviewed.
        mandatory: What a plan cannot be closed without, by code of the action.
        complementary: What is to be done besides.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    review_hours: Hours
    mandatory: Annotated[Duties, Field(min_length=1)]
    complementary: Duties = {}

    @property
    def duties(self) -> dict[str, Duty]:
        """Everything to be done, what is mandatory first."""
        return {**self.mandatory, **self.complementary}

    def slackens(self, lower: "Level") -> list[str]:
        """Name what is mandatory at a lower level, and here is not or comes later."""
        return [
            code
            for code, duty in lower.mandatory.items()
            if code not in self.mandatory
            or self.mandatory[code].within_hours > duty.within_hours
        ]


@dataclass(frozen=True, slots=True)
class Measure:
    """An action of a template, with all that drafting needs to know of it."""

    code: str
    strand: str
    role: Role
    within: timedelta
    mandatory: bool
    each_episode: bool

    def demanded_by(self, tier: Tier) -> "Measure":
        """Give it as a tier demands it: mandatory, and no later than by its clock."""
        hours = tier.clocks.get(self.code, MOST_HOURS)
        return replace(
            self,
            mandatory=self.mandatory or self.code in tier.actions,
            within=min(self.within, timedelta(hours=hours)),
        )


@dataclass(frozen=True, slots=True)
class Template:
    """What is drafted for a level, worked out once so that drafting is quick."""

    review: timedelta
    measures: tuple[Measure, ...]


class NeedRules(BaseModel):
    """What counts for services that are asked to meet a need.

    Attributes:
        answer_within_hours: Elapsed hours in which a provider should answer.
        refusals: Why a provider may refuse.
        ends: Why a service may end.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    answer_within_hours: Hours
    refusals: Annotated[frozenset[Code], Field(min_length=1)]
    ends: Annotated[frozenset[Code], Field(min_length=1)]


class Policy(BaseModel):
    """How a locality plans for safety (``localities/<name>/plans.yaml``).

    Attributes:
        closing_reasons: Why a response may end.
        unproved_reasons: Those of them for which risk is not asked for its proof:
            nobody is left here of whom it could prove anything.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    strands: frozenset[Code]
    closing_reasons: Annotated[frozenset[Code], Field(min_length=1)]
    unproved_reasons: frozenset[Code] = frozenset()
    actions: dict[Code, ActionKind]
    levels: dict[RiskLevel, Level]
    in_force: InForce
    needs: NeedRules

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if missing := set(RiskLevel) - set(self.levels):
            raise ValueError(f"levels lacks {_named(missing)}")
        if unknown := {each.strand for each in self.actions.values()} - self.strands:
            raise ValueError(f"{_named(unknown)}: not a strand")
        if others := self.unproved_reasons - self.closing_reasons:
            raise ValueError(f"{_named({*others})}: no reason for closing a plan")
        for name, level in self.levels.items():
            if strange := set(level.duties) - set(self.actions):
                raise ValueError(f"{_named(strange)}: not an action, at {name}")
            if both := set(level.mandatory) & set(level.complementary):
                raise ValueError(f"{_named(both)}: given twice, at {name}")
        for lower, higher in pairwise(RiskLevel):
            self._check_rise(lower, higher)
        return self

    def _check_rise(self, lower: RiskLevel, higher: RiskLevel) -> None:
        """Refuse a higher level that asks for less, or later, than the one below."""
        below, above = self.levels[lower], self.levels[higher]
        if laxer := above.slackens(below):
            raise ValueError(
                f"{_named(laxer)}: mandatory at {lower}, not so or later at {higher}"
            )
        if above.review_hours > below.review_hours:
            raise ValueError(f"review_hours: {higher} is reviewed later than {lower}")

    @cached_property
    def templates(self) -> Mapping[RiskLevel, Template]:
        """What is drafted for each level."""
        return {
            name: Template(
                timedelta(hours=level.review_hours),
                tuple(
                    self._measure(code, duty, mandatory=code in level.mandatory)
                    for code, duty in level.duties.items()
                ),
            )
            for name, level in self.levels.items()
        }

    def template(self, level: RiskLevel, tier: Tier | None) -> Template:
        """Give what is drafted for a level, and for the tier that follows from it.

        What the tier demands is mandatory, and by its clock if that is sooner. What the
        level does not ask for at all is taken from the next higher level that does.
        """
        drafted = self.templates[level]
        if tier is None:
            return drafted
        by_code = {each.code: each for each in drafted.measures}
        above = [e for e in RiskLevel if e.rank > level.rank]
        for each in (m for higher in above for m in self.templates[higher].measures):
            if each.code in tier.actions:
                by_code.setdefault(each.code, each)
        review = timedelta(hours=tier.clocks.get(PLAN_REVIEW, MOST_HOURS))
        return Template(
            min(drafted.review, review),
            tuple(each.demanded_by(tier) for each in by_code.values()),
        )

    def _measure(self, code: str, duty: Duty, *, mandatory: bool) -> Measure:
        kind = self.actions[code]
        return Measure(
            code=code,
            strand=kind.strand,
            role=duty.role,
            within=timedelta(hours=duty.within_hours),
            mandatory=mandatory,
            each_episode=kind.each_episode,
        )


def _named(codes: set[RiskLevel] | set[str] | list[str]) -> str:
    return ", ".join(sorted(codes))
