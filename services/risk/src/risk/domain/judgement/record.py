"""What is remembered of people's judgements about one case."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from accord_contracts.referrals import Answer
from accord_contracts.risk import HowChanged, RiskLevel
from pydantic import BaseModel, ConfigDict

from risk.domain.form import Form

KEPT_CHANGES = 200
"""Changes of level that a case remembers, the latest ones."""

KEPT_LOOKS = 20
"""Reassessments that a case remembers: more in a row than any rule asks for."""

KEPT_DECISIONS = 100
"""Decisions of meetings that a case remembers, the latest ones."""


AT_A_MEETING = "decided_at_a_meeting"
"""Why a level was raised that a meeting of agencies has decided on."""


class Contact(StrEnum):
    """How the person harmed was spoken to for a reassessment."""

    IN_PERSON = "in_person"
    REMOTE = "remote"
    NONE = "none"


class Origin(NamedTuple):
    """By what a level came about.

    Attributes:
        by: The worker whose act it was; none: nobody's here.
        referral_id: The referral that was weighed, if one was.
    """

    how: HowChanged = HowChanged.WEIGHED
    by: str | None = None
    referral_id: str | None = None


WEIGHED = Origin()

BY_POLICY = Origin(how=HowChanged.POLICY)


class Change(BaseModel):
    """A level of risk, and who set it, when and why.

    Attributes:
        by: The worker who raised or asked to lower it, or whose answers were weighed;
            none: it was weighed without any.
        confirmed_by: The second person, where it was lowered.
        referral_id: The referral that was weighed, if one was.
        why: Codes: of what was weighed, or the reason that was given.
    """

    model_config = ConfigDict(frozen=True)

    level: RiskLevel
    previous: RiskLevel | None
    at: datetime
    how: HowChanged
    by: str | None = None
    confirmed_by: str | None = None
    referral_id: str | None = None
    why: tuple[str, ...]
    policy_version: str


class Look(BaseModel):
    """A worker's reassessment: what they found now, weighed by itself.

    Attributes:
        revision: The version of the assessment's document that it made.
        level: Of what was answered now, of what happened lately, and of every earlier
            yes and form that was not asked for again.
        forms: What was filled in anew, by instrument.
        triggers: Codes of the triggers that stood in it.
        provisional: Too little was answered to rely on it.
    """

    model_config = ConfigDict(frozen=True)

    revision: int
    at: datetime
    by: str
    level: RiskLevel
    contact: Contact
    answers: dict[str, Answer]
    forms: dict[str, Form] = {}
    triggers: tuple[str, ...]
    provisional: bool
    policy_version: str

    @property
    def seen(self) -> bool:
        """Whether it is a look at the family: she was spoken to, and enough is known.

        Nothing else moves the clock.
        """
        return self.contact is not Contact.NONE and not self.provisional


class Asked(BaseModel):
    """A lowering that somebody asks for, and another has to confirm.

    It stays when it has lapsed until that is told.

    Attributes:
        until: When it lapses if nobody has; sooner if something becomes known that it
            does not rest on.
    """

    model_config = ConfigDict(frozen=True)

    level: RiskLevel
    reason: str
    by: str
    at: datetime
    until: datetime


class Decided(BaseModel):
    """What a meeting of agencies decided on the level, and what was held then.

    Attributes:
        number: Which decision on the case there, counted from 1.
        held: The level that the case was held at when this was heard of.
        by: The worker who decided.
        agency: For whom they sat there; none: for the locality.
    """

    model_config = ConfigDict(frozen=True)

    meeting_id: str
    number: int
    level: RiskLevel
    held: RiskLevel
    by: str
    agency: str | None
    at: datetime

    def raising(self, held: RiskLevel, at: datetime, policy_version: str) -> Change:
        """Give the change by which a level that is held rises to it."""
        return Change(
            level=self.level,
            previous=held,
            at=at,
            how=HowChanged.RAISED,
            by=self.by,
            why=(AT_A_MEETING,),
            policy_version=policy_version,
        )


class Judgement(BaseModel):
    """What people, and what was weighed, have made of a case's level.

    Attributes:
        raised: The latest raising by a person that still stands.
        stirred: The version of the assessment's document that last held something new
            that speaks of danger. No reassessment from before then proves anything.
        stirred_at: When that became known.
        met_at: When the person harmed was last met for an action of the plan.
        met_by: The worker who did that action.
        decided: What meetings decided, whether or not the level rose by it.
    """

    model_config = ConfigDict(frozen=True)

    changes: tuple[Change, ...] = ()
    looks: tuple[Look, ...] = ()
    raised: Change | None = None
    asked: Asked | None = None
    stirred: int = 0
    stirred_at: datetime | None = None
    met_at: datetime | None = None
    met_by: str | None = None
    decided: tuple[Decided, ...] = ()

    @property
    def ever_extreme(self) -> bool:
        """Tell whether it was ever held at extreme."""
        return any(each.level is RiskLevel.EXTREME for each in self.changes)

    @property
    def above_low_until(self) -> datetime | None:
        """When a level above low last ended, as each does with the next change."""
        pairs = zip(self.changes, self.changes[1:], strict=False)
        ends = (end.at for each, end in pairs if each.level is not RiskLevel.LOW)
        return max(ends, default=None)

    @property
    def decided_highest(self) -> Decided | None:
        """The highest level that a meeting has decided on since it was last lowered."""
        ends = [each.at for each in self.changes if each.how is HowChanged.LOWERED]
        stand = (e for e in self.decided if not ends or e.at > ends[-1])
        return max(stand, key=lambda each: each.level.rank, default=None)

    @property
    def stands(self) -> RiskLevel | None:
        """The highest level that people have set, if nobody has lowered it since."""
        said = (each.level for each in (self.raised, self.decided_highest) if each)
        return max(said, key=lambda each: each.rank, default=None)

    def noted(self, change: Change, revision: int) -> "Judgement":
        """Note a change of level: a rise makes everything found before it moot."""
        changes = (*self.changes, change)[-KEPT_CHANGES:]
        if change.how is HowChanged.LOWERED:
            update = {"changes": changes, "asked": None, "raised": None}
            return self.model_copy(update=update)
        raised = change if change.how is HowChanged.RAISED else self.raised
        stirred = self.stirred_by(change.at, revision)
        return stirred.model_copy(update={"changes": changes, "raised": raised})

    def stirred_by(self, at: datetime, revision: int) -> "Judgement":
        """Note that something was told that speaks of danger."""
        return self.model_copy(
            update={
                "stirred": revision,
                "stirred_at": _later(self.stirred_at, at),
                "asked": self._overtaken(at),
            }
        )

    def looked(self, look: Look) -> "Judgement":
        """Note a reassessment. What was asked for rested on the ones before it."""
        looks = (*self.looks, look)[-KEPT_LOOKS:]
        update = {"looks": looks, "asked": self._overtaken(look.at)}
        return self.model_copy(update=update)

    def _overtaken(self, at: datetime) -> Asked | None:
        """Have what is asked for be over by now; that it is will be told."""
        if self.asked is None:
            return None
        until = min(self.asked.until, at)
        return self.asked.model_copy(update={"until": until})

    def forgotten(self) -> "Judgement":
        """Have nothing asked for any more."""
        return self.model_copy(update={"asked": None})

    def met(self, at: datetime, by: str) -> "Judgement":
        """Note that a worker has met the person harmed, unless one did later."""
        if self.met_at and self.met_at >= at:
            return self
        return self.model_copy(update={"met_at": at, "met_by": by})

    def heard(self, decided: Decided) -> "Judgement":
        """Note what a meeting decided, in whichever order it is heard of."""
        all_ = sorted((*self.decided, decided), key=lambda each: each.at)
        return self.model_copy(update={"decided": tuple(all_[-KEPT_DECISIONS:])})

    def knows(self, decided: Decided) -> bool:
        """Tell whether this decision was noted already."""
        of_it = (decided.meeting_id, decided.number)
        return any((e.meeting_id, e.number) == of_it for e in self.decided)


def _later(known: datetime | None, at: datetime) -> datetime:
    return max(known, at) if known else at
