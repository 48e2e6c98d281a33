"""What a locality decides about intake: questions, urgency and what it promises."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Self

from accord_contracts.grounds import S20Purpose
from accord_contracts.message import Code, Lane
from accord_contracts.referrals import Answer, IncidentKind
from pydantic import BaseModel, ConfigDict, Field, model_validator

from referrals.domain import nhi
from referrals.domain.born import first_day
from referrals.domain.contact import ContactRules
from referrals.domain.contradictions import contradictions
from referrals.domain.erasure import Retention
from referrals.domain.feedback import FeedbackRules, Hours
from referrals.domain.history import HistoryRules
from referrals.domain.instruments import InstrumentRule
from referrals.domain.quality import Gap, QualityRules, gaps_of
from referrals.domain.receipt import TransferRules
from referrals.domain.recognition import RecognitionRules
from referrals.domain.roles import RoleRules
from referrals.domain.telling import Telling
from referrals.domain.time_zone import TimeZone
from referrals.domain.trigger import TriggerRules

LEEWAY = timedelta(seconds=60)
"""By how much an agency's clock may be ahead."""

EASTMOST = timedelta(hours=14)
"""Where a day begins earliest: a child may be born on it while UTC is a day behind."""

ZONED = ("triggers", "contacts")
"""The parts of a policy that have days or hours."""


@dataclass(frozen=True, slots=True)
class Misfit:
    """A part of a telling that this locality cannot take, and why. Never its value."""

    at: tuple[str | int, ...]
    rule: str


class ExpectedHours(BaseModel):
    """How long after it was received a referral is expected to reach each stage."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    assessed: Hours
    allocated: Hours
    contacted: Hours

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.allocated < self.assessed:
            raise ValueError("nothing is allocated before it is assessed")
        if self.contacted < self.allocated:
            raise ValueError("nobody is reached before their case is allocated")
        return self


class Expected(BaseModel):
    """When a referral is expected to reach each stage.

    Attributes:
        contacted_by: When the person harmed was reached; none in a receipt that was
            given before this was promised.
    """

    model_config = ConfigDict(frozen=True)

    assessed_by: datetime
    allocated_by: datetime
    contacted_by: datetime | None = None


class InquiryRules(BaseModel):
    """How long an agency that is asked has to decide.

    Attributes:
        answer_hours: Within which it must, by purpose.
        stands_days: For how many days after that it may decide, or decide anew.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    answer_hours: dict[S20Purpose, Hours]
    stands_days: Annotated[float, Field(gt=0, le=400)]

    @model_validator(mode="after")
    def _for_every_purpose(self) -> Self:
        if missing := set(S20Purpose) - set(self.answer_hours):
            raise ValueError(f"answer_hours lacks {', '.join(sorted(missing))}")
        return self

    def answer_within(self, purpose: S20Purpose) -> timedelta:
        """Say how long an agency has to decide."""
        return timedelta(hours=self.answer_hours[purpose])


class OrderRules(BaseModel):
    """What an order may ask of whom it binds, by this locality's codes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    conditions: Annotated[frozenset[Code], Field(min_length=1, max_length=200)]


class RightsRules(BaseModel):
    """By when somebody who asks for what is held of them must be answered.

    Attributes:
        answer_days: At most 20 working days (Privacy Act 2020, ss 44, 63), which are
            never fewer than 28 days.
        extension_days: By how many more days access may be answered, once (s 48: a
            reasonable time).
        notice_days: Within which whoever is referred is told of what was collected
            about them, or why not is recorded (IPP 3A: as soon as is reasonably
            practicable).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    answer_days: Annotated[float, Field(gt=0, le=28)]
    extension_days: Annotated[int, Field(ge=1, le=60)]
    notice_days: Annotated[float, Field(gt=0, le=90)]


class Policy(BaseModel):
    """How a locality takes referrals in (``localities/<name>/referrals.yaml``).

    Attributes:
        time_zone: The region's, by its name in the IANA database: where a day begins,
            and whose clocks show the hours in which somebody may be reached.
        instruments: What may be filled in of those that risk weighs or keeps, by key.
        confirm_within_days: For how long what needs two people waits for the second;
            never longer than a correction may take (Privacy Act 2020, s 63).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    time_zone: TimeZone
    questions: Annotated[tuple[Code, ...], Field(min_length=1)]
    instruments: Annotated[dict[Code, InstrumentRule], Field(max_length=50)]
    urgent_answers: frozenset[Code]
    urgent_incidents: frozenset[IncidentKind]
    expected_hours: dict[Lane, ExpectedHours]
    recognition: RecognitionRules
    retention: Retention
    triggers: TriggerRules
    confirm_within_days: Annotated[float, Field(gt=0, le=20)]
    inquiries: InquiryRules
    contacts: ContactRules
    orders: OrderRules
    rights: RightsRules
    feedback: FeedbackRules
    roles: RoleRules
    history: HistoryRules
    quality: QualityRules
    transfers: TransferRules

    @model_validator(mode="before")
    @classmethod
    def _one_time_zone(cls, told: object) -> object:
        """Give every part that has days or hours the time zone that is said once."""
        if not isinstance(told, dict):
            return told
        parts = {each: told[each] for each in ZONED if isinstance(told.get(each), dict)}
        if any("time_zone" in part for part in parts.values()):
            raise ValueError("say time_zone once, and not within a part")
        zone = told.get("time_zone")
        return told | {k: {**part, "time_zone": zone} for k, part in parts.items()}

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if unknown := self.urgent_answers - set(self.questions):
            raise ValueError(f"{', '.join(sorted(unknown))}: not a question")
        if len(set(self.questions)) < len(self.questions):
            raise ValueError("a question stands twice in questions")
        if missing := set(Lane) - set(self.expected_hours):
            raise ValueError(f"expected_hours lacks {', '.join(sorted(missing))}")
        urgent = self.expected_hours[Lane.URGENT]
        routine = self.expected_hours[Lane.ROUTINE]
        stages = ("assessed", "allocated", "contacted")
        if any(getattr(urgent, each) > getattr(routine, each) for each in stages):
            raise ValueError("urgent may not be slower than routine")
        for lane, expected in self.expected_hours.items():
            if self.feedback.told_of_stages[lane] < expected.allocated:
                raise ValueError(
                    f"feedback: told_of_stages: {lane} is before a new family's case "
                    "is allocated, so that a known one would be told from it"
                )
        return self

    def misfits(self, told: Telling, at: datetime) -> Iterator[Misfit]:
        """Find what this locality cannot take from an agency, whenever it is sent.

        Args:
            told: What the agency tells.
            at: The present time.
        """
        for question in told.answers.keys() - {*self.questions}:
            yield Misfit(("answers", question), "unknown_question")
        yield from self._misfilled(told)
        yield from _mistyped(told)
        if told.occurred_at > at + LEEWAY:
            yield Misfit(("occurred_at",), "in_the_future")
        latest = (at + EASTMOST).date()
        for place, person in enumerate(told.people):
            if person.date_of_birth and first_day(person.date_of_birth) > latest:
                yield Misfit(("people", place, "date_of_birth"), "in_the_future")
        for place, trigger in enumerate(told.triggers):
            for nth, who in enumerate(trigger.about):
                if who >= len(told.people):
                    yield Misfit(("triggers", place, "about", nth), "no_such_person")
        for where, rule in contradictions(told, self.recognition):
            yield Misfit(where, rule)

    def _misfilled(self, told: Telling) -> Iterator[Misfit]:
        for place, form in enumerate(told.instruments):
            rule = self.instruments.get(form.instrument)
            if rule is None:
                at = ("instruments", place, "instrument")
                yield Misfit(at, "unknown_instrument")
                continue
            for where, wrong in rule.misfits(form):
                yield Misfit(("instruments", place, *where), wrong)

    def untimely(self, told: Telling, at: datetime) -> Iterator[Misfit]:
        """Find the dates that a new referral may not tell of any more, or not yet.

        Apart from the misfits, because a referral that is posted again is answered at
        any time, also when its dates have passed.
        """
        for place, trigger in enumerate(told.triggers):
            if wrong := self.triggers.wrong_with(trigger, at):
                named = "on" if trigger.at is None else "at"
                yield Misfit(("triggers", place, named), wrong)

    def gaps(self, told: Telling) -> tuple[Gap, ...]:
        """Say what a referral lacks, as codes."""
        placeholders = self.recognition.placeholder_names
        asked = self.urgent_answers
        return tuple(gaps_of(told, asked=asked, placeholders=placeholders))

    def lane(self, told: Telling) -> Lane:
        """Decide from what was told whether a referral may wait behind others."""
        yes = {each for each, said in told.answers.items() if said is Answer.YES}
        urgent = yes & self.urgent_answers or self.urgent_incidents & {*told.incidents}
        return Lane.URGENT if urgent else Lane.ROUTINE

    def expected(self, lane: Lane, received_at: datetime) -> Expected:
        """Say when a referral will have been dealt with."""
        hours = self.expected_hours[lane]
        return Expected(
            assessed_by=received_at + timedelta(hours=hours.assessed),
            allocated_by=received_at + timedelta(hours=hours.allocated),
            contacted_by=received_at + timedelta(hours=hours.contacted),
        )


def _mistyped(told: Telling) -> Iterator[Misfit]:
    """Find the health numbers that are nobody's: by them nobody is recognised."""
    for place, person in enumerate(told.people):
        for nth, each in enumerate(person.identifiers):
            if each.system == nhi.SYSTEM and (wrong := nhi.wrong_with(each.value)):
                yield Misfit(("people", place, "identifiers", nth, "value"), wrong)
