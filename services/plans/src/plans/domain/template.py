"""What a locality asks of every plan: its templates, level by level."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import Annotated, NamedTuple, Self

from accord_contracts.access import SIDES, Side
from accord_contracts.allocation import Role
from accord_contracts.message import Code
from accord_contracts.risk import RiskLevel, Tier
from pydantic import BaseModel, ConfigDict, Field, model_validator

from plans.domain.additions import Addition, Duties, Duty, Measures
from plans.domain.circumstances import Circumstances
from plans.domain.coming import InForce
from plans.domain.hours import Hours, Within, Working

MOST_HOURS = 8760
"""A year: no clock of a plan runs longer."""

PLAN_REVIEW = "plan_review"
"""The clock of a tier by which its plan is to be reviewed; another one is named after
the action that is due by it."""

STRANDS = frozenset(
    {
        "immediate_safety", "children", "health", "housing", "income", "legal",
        "behaviour_change", "cultural_support", "technology_safety", "pets",
    }
)  # fmt: skip
"""The parts of a family's life that a plan looks after, if no others are named."""

Codes = Annotated[frozenset[Code], Field(min_length=1)]


class Part(StrEnum):
    """Whose part of a plan an action is in."""

    PERSON_HARMED = "person_harmed"
    CHILD = "child"
    """Each child's own, as soon as it is known who they are."""
    PERSON_USING_VIOLENCE = "person_using_violence"
    """A compartment: the only part that whoever meets that person sees."""
    WHOLE_CASE = "whole_case"


class ActionKind(BaseModel):
    """An entry of the locality's vocabulary of actions.

    Attributes:
        strand: The part of a family's life that it looks after.
        part: Whose part of the plan it is in. A child's is asked for each child.
        each_episode: A further referral asks for it anew, though it was done before.
        after: What must be settled first; until then its clock does not run.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    strand: Code
    part: Part
    each_episode: bool = False
    after: Annotated[frozenset[Code], Field(max_length=10)] = frozenset()


class Level(Measures):
    """What the plan of a case at one level holds at the least.

    Attributes:
        review_hours: Elapsed hours from the assessment until the plan is reviewed.
        agree_within_hours: Elapsed hours in which a draft should be agreed to.
    """

    review_hours: Hours
    agree_within_hours: Hours
    mandatory: Annotated[Duties, Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Measure:
    """An action of a template, with all that drafting needs to know of it.

    Attributes:
        since: What was settled of it before is asked for anew: a date became known.
        by: When that date is: it is due no later.
    """

    code: str
    strand: str
    part: Part
    role: Role
    within: Within
    mandatory: bool
    each_episode: bool
    after: frozenset[str]
    since: datetime | None = None
    by: datetime | None = None

    def due_at(self, since: datetime, working: Working) -> datetime:
        """Say when it is due if its clock begins at a time."""
        over = self.within.after(since, working)
        return min(over, self.by) if self.by and self.by > since else over

    def asked_by(self, other: "Measure", working: Working) -> "Measure":
        """Give it as something else asks for it too: whichever asks more."""
        sooner = self.within.may_outlast(other.within, working)
        return replace(
            self,
            mandatory=self.mandatory or other.mandatory,
            within=other.within if sooner else self.within,
            since=max(filter(None, (self.since, other.since)), default=None),
            by=min(filter(None, (self.by, other.by)), default=None),
        )

    def demanded_by(self, tier: Tier, working: Working) -> "Measure":
        """Give it as a tier demands it: mandatory, and no later than by its clock."""
        clock = Within(within_hours=tier.clocks.get(self.code, MOST_HOURS))
        return replace(
            self,
            mandatory=self.mandatory or self.code in tier.actions,
            within=clock if self.within.may_outlast(clock, working) else self.within,
        )


@dataclass(frozen=True, slots=True)
class Template:
    """What is drafted for a level, worked out once so that drafting is quick.

    Attributes:
        review: How long until the plan is reviewed.
        remind: How long before it is due an action is reminded of.
        working: The calendar of working days.
        agree: How long there is to agree to a draft.
        agencies: Which agency owns what is asked of a role.
    """

    review: timedelta
    measures: tuple[Measure, ...]
    remind: timedelta
    working: Working
    agree: timedelta
    agencies: Mapping[Role, str]


class Term(NamedTuple):
    """How long somebody has, and how long before its end they are reminded."""

    within: timedelta
    remind: timedelta

    @classmethod
    def of(cls, hours: int, remind_hours: int) -> "Term":
        """Give one in hours."""
        return cls(timedelta(hours=hours), timedelta(hours=remind_hours))


class NeedRules(BaseModel):
    """What counts for services that are asked to meet a need.

    Attributes:
        answer_within_hours: Elapsed hours in which a provider should answer.
        start_within_hours: Elapsed hours in which one that has accepted, or has people
            wait, should begin.
        remind_before_hours: How long before either it is reminded of.
        refusals: Why a provider may refuse.
        ends: Why a service may end.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    answer_within_hours: Hours
    start_within_hours: Hours
    remind_before_hours: Hours
    refusals: Codes
    ends: Codes

    @model_validator(mode="after")
    def _reminds_before_it_is_due(self) -> Self:
        least = min(self.answer_within_hours, self.start_within_hours)
        if self.remind_before_hours >= least:
            raise ValueError("remind_before_hours: at once is no reminder")
        return self

    @property
    def answer(self) -> Term:
        """In what time a provider should answer."""
        return Term.of(self.answer_within_hours, self.remind_before_hours)

    @property
    def start(self) -> Term:
        """In what time one should begin that has said it will."""
        return Term.of(self.start_within_hours, self.remind_before_hours)


class Policy(BaseModel):
    """How a locality plans for safety (``localities/<name>/plans.yaml``).

    Attributes:
        strands: The parts of a family's life that a plan looks after.
        closing_reasons: Why a response may end.
        unproved_reasons: Those of them for which risk is not asked for its proof:
            there is nobody of whom it could prove anything. A second person confirms
            them, and ``opened_in_error`` always, which is believed at low risk alone.
        outcome_sources: How it may be known what came of the response.
        left_reasons: What may become of something that is open when a response ends;
            of what is ``carried_on`` it is said by whom.
        evidence: What may show that an action was done.
        not_done_reasons: Why an action may be left undone.
        breaches: How somebody may break what a plan rests on.
        working: The calendar of what may wait for working days: never at high risk.
        reminders: By level, how many hours before it is due an action is reminded of.
        confirm_within_hours: How long a second person has to confirm that it was done.
        stale_before_hours: So long before a date an agreed plan is looked at once more.
        additions: What is asked for besides, by how things are in a case.
        agencies: Which agency owns what is asked of a role, by its code in the
            register: it answers for it from the start, before anybody has the role.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    strands: Codes = STRANDS
    closing_reasons: Codes
    unproved_reasons: frozenset[Code] = frozenset()
    outcome_sources: Codes
    left_reasons: Codes
    evidence: Codes
    not_done_reasons: Codes
    breaches: Codes
    working: Working
    reminders: dict[RiskLevel, Hours]
    confirm_within_hours: Hours
    stale_before_hours: Hours
    actions: dict[Code, ActionKind]
    levels: dict[RiskLevel, Level]
    agencies: dict[Role, Code]
    additions: Annotated[dict[Code, Addition], Field(max_length=50)] = {}
    in_force: InForce
    needs: NeedRules

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if missing := set(RiskLevel) - set(self.levels):
            raise ValueError(f"levels lacks {_named(missing)}")
        if ownerless := set(Role) - set(self.agencies):
            raise ValueError(f"agencies lacks {_named({*map(str, ownerless)})}")
        if missing := set(RiskLevel) - set(self.reminders):
            raise ValueError(f"reminders lacks {_named(missing)}")
        if unknown := {each.strand for each in self.actions.values()} - self.strands:
            raise ValueError(f"{_named(unknown)}: not a strand")
        if others := self.unproved_reasons - self.closing_reasons:
            raise ValueError(f"{_named({*others})}: no reason for closing a plan")
        for name, level in self.levels.items():
            self._check_measures(name, level)
        for lower, higher in pairwise(RiskLevel):
            self._check_rise(lower, higher)
        for code, addition in self.additions.items():
            self._check_addition(code, addition)
        return self

    @model_validator(mode="after")
    def _can_be_done_in_order(self) -> Self:
        waits = {code: kind.after for code, kind in self.actions.items()}
        if strange := {e for after in waits.values() for e in after} - set(waits):
            raise ValueError(f"{_named(strange)}: not an action, but waited for")
        try:
            TopologicalSorter(waits).prepare()
        except CycleError as cycle:
            raise ValueError(f"{_named(cycle.args[1])}: wait for each other") from None
        theirs = Part.PERSON_USING_VIOLENCE
        for code, after in waits.items():
            others = {each for each in after if self.actions[each].part is not theirs}
            if self.actions[code].part is theirs and others:
                # Whoever sees this clock start would know what was done for her.
                raise ValueError(f"{code}: may not wait for what is done for others")
        return self

    def _check_measures(self, name: RiskLevel, level: Measures) -> None:
        """Refuse what cannot be done at a level."""
        if strange := set(level.duties) - set(self.actions):
            raise ValueError(f"{_named(strange)}: not an action, at {name}")
        if both := set(level.mandatory) & set(level.complementary):
            raise ValueError(f"{_named(both)}: given twice, at {name}")
        self._check_parts(name, level)
        self._check_clocks(name, level)

    def _check_addition(self, code: str, addition: Addition) -> None:
        """Refuse what asks for less at a higher level, or gives away what was told."""
        for name, measures in addition.levels.items():
            self._check_measures(name, measures)
            theirs = [
                each
                for each in measures.duties
                if self.actions[each].part is Part.PERSON_USING_VIOLENCE
            ]
            if theirs and addition.when.told:
                # Whoever sees that it was added would know what she has answered.
                raise ValueError(
                    f"{_named(theirs)}: nothing that was told may add to the part of "
                    f"the person using violence, in {code}"
                )
        working = self.working
        for pair in pairwise(RiskLevel):
            below, above = (
                self.levels[each].mandatory_with(addition.at(each), working)
                for each in pair
            )
            if laxer := above.slackens(below, working):
                lower, higher = pair
                raise ValueError(
                    f"{_named(laxer)}: mandatory at {lower}, not so or later at "
                    f"{higher}, with {code}"
                )

    def _check_parts(self, name: RiskLevel, level: Measures) -> None:
        """Refuse what would show others' actions to whoever meets the person.

        And the other way round: they see their own part, and nothing else.
        """
        for code, duty in level.duties.items():
            theirs = self.actions[code].part is Part.PERSON_USING_VIOLENCE
            if theirs != (SIDES[duty.role] is Side.PERSON_USING_VIOLENCE):
                raise ValueError(
                    f"{code}: the part of the person using violence is done by whoever "
                    f"serves them, and nothing else is, at {name}"
                )

    @staticmethod
    def _check_clocks(name: RiskLevel, level: Measures) -> None:
        """Refuse that anybody at high risk waits for a working day."""
        slow = [code for code, e in level.duties.items() if e.within_working_days]
        if name.urgent and slow:
            raise ValueError(f"{_named(slow)}: give within_hours, at {name}")

    def _check_rise(self, lower: RiskLevel, higher: RiskLevel) -> None:
        """Refuse a higher level that asks for less, or later, than the one below."""
        below, above = self.levels[lower], self.levels[higher]
        if laxer := above.slackens(below, self.working):
            raise ValueError(
                f"{_named(laxer)}: mandatory at {lower}, not so or later at {higher}"
            )
        if above.review_hours > below.review_hours:
            raise ValueError(f"review_hours: {higher} is reviewed later than {lower}")
        if above.agree_within_hours > below.agree_within_hours:
            raise ValueError(
                f"agree_within_hours: {higher} is agreed to later than {lower}"
            )

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
                timedelta(hours=self.reminders[name]),
                self.working,
                timedelta(hours=level.agree_within_hours),
                self.agencies,
            )
            for name, level in self.levels.items()
        }

    @cached_property
    def heeds(self) -> frozenset[str]:
        """Of what is told, what anything is added for: of nothing else it is noted."""
        return frozenset[str]().union(*(e.when.told for e in self.additions.values()))

    def template(
        self, level: RiskLevel, tier: Tier | None, now: Circumstances | None = None
    ) -> Template:
        """Give what is drafted for a level, what follows from it, and how things are.

        What the tier demands is mandatory, and by its clock if that is sooner. What the
        level does not ask for at all is taken from the next higher level that does.
        """
        drafted = self._with_additions(self.templates[level], level, now)
        if tier is None:
            return drafted
        by_code = {each.code: each for each in drafted.measures}
        above = [e for e in RiskLevel if e.rank > level.rank]
        for each in (m for higher in above for m in self.templates[higher].measures):
            if each.code in tier.actions:
                by_code.setdefault(each.code, each)
        review = timedelta(hours=tier.clocks.get(PLAN_REVIEW, MOST_HOURS))
        working = drafted.working
        measures = (each.demanded_by(tier, working) for each in by_code.values())
        return replace(
            drafted, review=min(drafted.review, review), measures=tuple(measures)
        )

    def _with_additions(
        self, drafted: Template, level: RiskLevel, now: Circumstances | None
    ) -> Template:
        """Add what is asked for besides; nothing is taken out, and nothing later."""
        by_code = {each.code: each for each in drafted.measures}
        for addition in self.additions.values():
            if now is None or not addition.when.holds(now):
                continue
            since, by = addition.clocks(now)
            measures = addition.at(level)
            for code, duty in measures.duties.items():
                asked = replace(
                    self._measure(code, duty, mandatory=code in measures.mandatory),
                    since=since,
                    by=by,
                )
                held = by_code.get(code)
                by_code[code] = held.asked_by(asked, self.working) if held else asked
        return replace(drafted, measures=tuple(by_code.values()))

    def _measure(self, code: str, duty: Duty, *, mandatory: bool) -> Measure:
        kind = self.actions[code]
        return Measure(
            code=code,
            strand=kind.strand,
            part=kind.part,
            role=duty.role,
            within=Within(
                within_hours=duty.within_hours,
                within_working_days=duty.within_working_days,
            ),
            mandatory=mandatory,
            each_episode=kind.each_episode,
            after=kind.after,
        )


def _named(codes: set[RiskLevel] | set[str] | list[str]) -> str:
    return ", ".join(sorted(codes))
