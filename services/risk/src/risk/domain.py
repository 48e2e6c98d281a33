"""What an assessment of risk is, and the locality's rules for it. Pure."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Self

from accord_contracts.message import Code, PolicyVersion
from accord_contracts.problem import Refusal
from accord_contracts.referrals import Answer, IncidentKind, TriggerKind
from accord_contracts.risk import RiskLevel
from pydantic import BaseModel, ConfigDict, Field, computed_field, model_validator

from risk.ahead import Ahead, AheadRule, with_latest

Points = Annotated[int, Field(ge=0, le=100)]
Hours = Annotated[int, Field(gt=0)]

ANSWERED = frozenset({Answer.YES, Answer.NO})


class NotAssessed(Refusal):
    """There is no assessment of this case."""

    status = 404


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


class Reassessment(StrEnum):
    """Where a case stands with being assessed anew; stopped while it is closed."""

    AHEAD = "ahead"
    DUE = "due"
    OVERDUE = "overdue"
    STOPPED = "stopped"


class Assessment(BaseModel):
    """The level of risk held for one case, and what it rests on.

    Attributes:
        id: The case's.
        answers: Everything answered so far, by question.
        revision: The version of this document in which it was last weighed. Clocks
            count the version up as well, and weigh nothing.
        ahead: What is known to come, or has come, by its id; known perhaps before
            anything was weighed.
        first_referred_at: When the response to the latest episode was asked for.
        due_at: When its clock for reassessment falls due; none while it is stopped.
        erased_at: When the case was erased; nothing is weighed for it any more.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    revision: int = 0
    level: RiskLevel = RiskLevel.LOW
    previous: RiskLevel | None = None
    answers: dict[str, Answer] = {}
    incidents: frozenset[IncidentKind] = frozenset()
    repeats: int = 0
    ahead: dict[str, Ahead] = {}
    reasons: tuple[str, ...] = ()
    unknowns: tuple[str, ...] = ()
    provisional: bool = False
    policy_version: str = ""
    first_referred_at: datetime
    assessed_at: datetime
    reassess_by: datetime
    reassessment: Reassessment = Reassessment.AHEAD
    due_at: datetime | None
    erased_at: datetime | None = None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def wakes_at(self) -> datetime | None:
        """When something is next to be done: a reassessment, or a date comes near."""
        dates = [each.wakes_at for each in self.ahead.values()] if self.weighed else []
        return min((at for at in (self.due_at, *dates) if at), default=None)

    @property
    def weighed(self) -> bool:
        """Tell whether anything was weighed yet, and the case is not erased."""
        return self.revision > 0

    @classmethod
    def new(cls, case_id: str, at: datetime) -> "Assessment":
        """Begin with nothing known."""
        return cls(
            id=case_id,
            first_referred_at=at,
            assessed_at=at,
            reassess_by=at,
            due_at=None,
        )

    def weigh(
        self,
        answers: dict[str, Answer],
        incidents: frozenset[IncidentKind],
        policy: Policy,
        at: datetime,
        *,
        repeat: bool = False,
    ) -> "Assessment":
        """Weigh what is new together with everything already known.

        The level never falls by itself: lowering needs a proof and a second person.
        The clock for reassessment starts anew, even if it was stopped.
        """
        known = merged(self.answers, answers)
        kinds = self.incidents | incidents
        repeats = self.repeats + repeat
        near = {key for key, each in self.ahead.items() if each.near(at)}
        computed, reasons = policy.level(
            known, kinds, repeats, frozenset(self.ahead[each].kind for each in near)
        )
        level = max(self.level, computed, key=lambda each: each.rank)
        by = at + timedelta(hours=policy.reassess_hours[level])
        return self.model_copy(
            update={
                "revision": self.version + 1,
                "level": level,
                "previous": self.level if self.weighed else None,
                "answers": known,
                "incidents": kinds,
                "repeats": repeats,
                "ahead": {
                    key: each.model_copy(update={"weighed": key in near})
                    for key, each in self.ahead.items()
                },
                "reasons": reasons,
                "unknowns": policy.unknowns(known),
                "provisional": policy.provisional(known),
                "policy_version": policy.version,
                "assessed_at": at,
                "reassess_by": by,
                "reassessment": Reassessment.AHEAD,
                "due_at": by,
            }
        )

    def foresee(self, trigger_id: str, told: Ahead) -> "Assessment":
        """Take note of a date, unless something later is known of it."""
        known = self.ahead.get(trigger_id)
        if self.erased_at or (known and known.revision >= told.revision):
            return self
        return self.model_copy(
            update={"ahead": with_latest(self.ahead, trigger_id, told)}
        )

    def comes_near(self, at: datetime) -> bool:
        """Tell whether a date weighs that has not been weighed yet."""
        unweighed = (each for each in self.ahead.values() if not each.weighed)
        return self.weighed and any(each.near(at) for each in unweighed)

    def weigh_dates(
        self, policy: Policy, at: datetime, *, begins: bool
    ) -> "Assessment":
        """Weigh what is known again, because a date has come near or is there.

        That a date came near is no look at the family: the clock for reassessment runs
        on, and faster if the level has risen. One that was stopped starts again.

        Args:
            policy: The locality's.
            at: The present time.
            begins: The response to it is asked for now, as if it were referred now.
        """
        new = self.weigh({}, frozenset(), policy, at)
        stopped = self.reassessment is Reassessment.STOPPED
        if begins or stopped:
            new = new.model_copy(update={"first_referred_at": at})
        if stopped or self.due_at is None or new.due_at is None:
            return new
        return new.model_copy(
            update={
                "reassessment": self.reassessment,
                "reassess_by": min(self.reassess_by, new.reassess_by),
                "due_at": min(self.due_at, new.due_at),
            }
        )

    def fall_due(self, policy: Policy) -> "Assessment":
        """Note that reassessment is due, or has been for too long.

        Overdue raises attention again after every period of grace; it never expires.
        """
        ahead = self.reassessment is Reassessment.AHEAD
        now = Reassessment.DUE if ahead else Reassessment.OVERDUE
        due_at = self.due_at and self.due_at + timedelta(hours=policy.grace_hours)
        return self.model_copy(update={"reassessment": now, "due_at": due_at})

    def erase(self, at: datetime) -> "Assessment":
        """Leave a tombstone: no answer, no reason, no level, no clock."""
        return Assessment.new(self.id, at).model_copy(
            update={
                "version": self.version,
                "reassessment": Reassessment.STOPPED,
                "due_at": None,
                "erased_at": at,
            }
        )

    def close(self, revision: int) -> "Assessment":
        """Stop the clock, because the response has ended. The level stays as it is.

        Whoever closed the plan knew this assessment or an older one. If it was an
        older one, what was weighed since opens the plan again, and the clock runs on.

        Args:
            revision: Of the assessment that the closed plan rested on.
        """
        if revision < self.revision or self.reassessment is Reassessment.STOPPED:
            return self
        return self.model_copy(
            update={"reassessment": Reassessment.STOPPED, "due_at": None}
        )


WEIGHT = {Answer.YES: 3, Answer.NO: 2, Answer.REFUSED: 1, Answer.UNKNOWN: 1}


def merged(known: dict[str, Answer], added: dict[str, Answer]) -> dict[str, Answer]:
    """Put answers together: a yes stays a yes, and an answer beats none.

    Two agencies may answer the same question differently; the one who heard a yes has
    a piece of the picture that the other lacks.
    """
    result = dict(known)
    for question, answer in added.items():
        held = result.get(question, Answer.NOT_ASKED)
        if WEIGHT.get(answer, 0) >= WEIGHT.get(held, 0):
            result[question] = answer
    return result
