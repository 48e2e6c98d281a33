"""What an agency is told of the response to its referral, and what it is not.

It is told that somebody is being helped, by stages with their times, and how it ended
in words so coarse that none says where she went or what became of her. Whether what it
referred was known before, and to whom, it is not told, nor can it be told from when
somebody began to work on it.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Self

from accord_contracts.message import Code, Lane
from accord_contracts.referrals import FieldGroup
from pydantic import BaseModel, ConfigDict, Field, model_validator

from referrals.domain.agency import Standing

Hours = Annotated[float, Field(gt=0, le=24 * 60)]


def told_at(at: datetime, told_from: datetime, now: datetime) -> datetime | None:
    """Give when an agency is told that something was, or nothing as long as it is not.

    Args:
        at: When it was.
        told_from: Sooner nothing is told that shows that somebody works on a referral.
        now: The present.
    """
    return max(at, told_from) if now >= told_from else None


class ClosedAs(StrEnum):
    """How the response to a referral ended, as coarse as an agency is told it."""

    COMPLETED = "completed"
    ENDED = "ended"


class ToldTo(StrEnum):
    """Which agencies are told that parts of their referral were put right."""

    NOBODY = "nobody"
    REGISTERED = "registered"
    EVERYBODY = "everybody"


class FeedbackRules(BaseModel):
    """What a locality tells agencies of its response.

    Attributes:
        told_of_stages: From how many hours after it was received on an agency is told
            of any stage after *assessed*, by the lane in which it was received.
        contact_actions: The actions of a plan by which the person harmed was reached.
        closed_as: How each reason for closing a plan is told. What is told covers
            several reasons, so that nobody can tell from it which one it was.
        tell_corrections: Who is told that a person has put right who harmed whom in
            their referral. Unless it is said, those alone with whom s 20 of the Family
            Violence Act 2018 lets share: whoever is told knows which of the two is
            believed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    told_of_stages: dict[Lane, Hours]
    contact_actions: Annotated[frozenset[Code], Field(min_length=1)]
    closed_as: dict[ClosedAs, frozenset[Code]]
    tell_corrections: ToldTo = ToldTo.REGISTERED

    @model_validator(mode="after")
    def _for_every_lane(self) -> Self:
        if missing := set(Lane) - set(self.told_of_stages):
            raise ValueError(f"told_of_stages lacks {', '.join(sorted(missing))}")
        return self

    @model_validator(mode="after")
    def _tells_no_reason(self) -> Self:
        if missing := set(ClosedAs) - set(self.closed_as):
            raise ValueError(f"closed_as lacks {', '.join(sorted(missing))}")
        for told, reasons in self.closed_as.items():
            if len(reasons) < 2:  # noqa: PLR2004 - Of two, nobody knows which it was.
                raise ValueError(f"closed_as: {told} tells the one reason that it is")
        completed, ended = (self.closed_as[each] for each in ClosedAs)
        if twice := completed & ended:
            raise ValueError(f"closed_as: {', '.join(sorted(twice))} stands twice")
        return self

    def told_from(self, lane: Lane, received_at: datetime) -> datetime:
        """Say from when on an agency is told that somebody works on its referral."""
        return received_at + timedelta(hours=self.told_of_stages[lane])

    def closing(self, reason: str) -> ClosedAs:
        """Say what an agency is told when a plan is closed for a reason."""
        completed = reason in self.closed_as[ClosedAs.COMPLETED]
        return ClosedAs.COMPLETED if completed else ClosedAs.ENDED

    def corrections_told(self, standing: Standing | None) -> bool:
        """Tell whether an agency of some standing is told what was put right."""
        registered = standing is not None
        told = self.tell_corrections
        return told is ToldTo.EVERYBODY or (told is ToldTo.REGISTERED and registered)


class Wanted(BaseModel):
    """That whoever works on a case needs to know more of a referral.

    Attributes:
        groups: What about; never words, in which somebody could be named.
        by: The worker who asks.
    """

    model_config = ConfigDict(frozen=True)

    groups: tuple[FieldGroup, ...]
    asked_at: datetime
    by: str

    def without(self, told: tuple[FieldGroup, ...]) -> Self | None:
        """Leave out what the agency has told since; none if that is all."""
        left = tuple(each for each in self.groups if each not in told)
        return self.model_copy(update={"groups": left}) if left else None
