"""How good what an agency refers is, by codes and times alone: nothing of anybody.

What is missing is noted once, when a referral is received, because then it can be seen
without opening what is sealed.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from statistics import median
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from accord_contracts.message import Code, Lane
from accord_contracts.problem import Refusal
from accord_contracts.referrals import PersonRole, WithdrawalReason
from pydantic import BaseModel, ConfigDict, Field, model_validator

from referrals.domain.contact import reach_of
from referrals.domain.naming import folded
from referrals.domain.telling import DescribedPerson, Safety, Telling

HOUR = timedelta(hours=1)

PERIOD = 84
"""Days of which coordinators are told: twelve weeks, so about a season."""

FEWEST = 10
"""Referrals of which they are told: a report of one referral is that referral. A round
number of our own; a count below it also says little of how good they are."""


class TooFew(Refusal):
    """The agency referred too few in this time: their report would tell of each."""


def last_period(at: datetime, time_zone: str) -> tuple[datetime, datetime]:
    """Give the last whole period, from a midnight of the region's own to another.

    A referral is in one period alone, however often and on whatever day is asked, so
    that nothing is told of it by what differs between two reports.
    """
    zone = ZoneInfo(time_zone)
    today = at.astimezone(zone).toordinal()
    ends = today - today % PERIOD
    since, until = (
        datetime.combine(date.fromordinal(day), time(), zone).astimezone(UTC)
        for day in (ends - PERIOD, ends)
    )
    return since, until


class Gap(StrEnum):
    """What a referral lacks that whoever helps has to find out, or must not use.

    Attributes:
        DATE_OF_BIRTH: Of somebody harmed or using violence.
        WHOLE_NAME: The same; a placeholder is no name.
        IDENTIFIER: Nobody harmed is known by a code of a register.
        PERSON_USING_VIOLENCE: Nobody is named.
        AREA: Where it happened.
        RISK_ANSWERS: None of the questions that make a referral urgent was answered
            with yes or no.
        CONTACT: There is no way to reach anybody harmed.
        CONTACT_NOT_SAFE: There is, and none is said to be safe.
        CONTACT_HOURS: One may be used at hours that are told in words.
        CONTACT_READ: Somebody else reads or hears one that is said to be safe.
        CONTACT_SHARED: One is told of whoever uses violence too.
    """

    DATE_OF_BIRTH = "date_of_birth"
    WHOLE_NAME = "whole_name"
    IDENTIFIER = "identifier"
    PERSON_USING_VIOLENCE = "person_using_violence"
    AREA = "area"
    RISK_ANSWERS = "risk_answers"
    CONTACT = "contact"
    CONTACT_NOT_SAFE = "contact_not_safe"
    CONTACT_HOURS = "contact_hours_in_words"
    CONTACT_READ = "contact_read_by_others"
    CONTACT_SHARED = "contact_shared"


UNSAFE = frozenset(each for each in Gap if each.value.startswith("contact_"))
"""What makes a way to reach somebody unsafe, or of no use."""


def gaps_of(
    told: Telling, *, asked: Collection[str], placeholders: Collection[str]
) -> Iterator[Gap]:
    """Find what a referral lacks.

    Args:
        told: What the agency told.
        asked: The questions that make a referral urgent.
        placeholders: What is written where no name is known.
    """
    harmed = [e for e in told.people if e.role is PersonRole.PERSON_HARMED]
    using = [e for e in told.people if e.role is PersonRole.PERSON_USING_VIOLENCE]
    adults = (*harmed, *using)
    clear = {"yes", "no"}
    lacks = {
        Gap.DATE_OF_BIRTH: any(each.date_of_birth is None for each in adults),
        Gap.WHOLE_NAME: not all(_named(each, placeholders) for each in adults),
        Gap.IDENTIFIER: not any(each.identifiers for each in harmed),
        Gap.PERSON_USING_VIOLENCE: not using,
        Gap.AREA: told.place.area is None,
        Gap.RISK_ANSWERS: not any(told.answers.get(e) in clear for e in asked),
    }
    yield from (each for each, missing in lacks.items() if missing)
    yield from _unreachable(harmed, using)


def _named(person: DescribedPerson, placeholders: Collection[str]) -> bool:
    names = (folded(person.given_name or ""), folded(person.family_name or ""))
    return all(each and each not in placeholders for each in names)


def _unreachable(
    harmed: Iterable[DescribedPerson], using: Iterable[DescribedPerson]
) -> Iterator[Gap]:
    points = [point for each in harmed for point in each.contact_points]
    if not points:
        yield Gap.CONTACT
        return
    safe = [each for each in points if each.safety is Safety.SAFE]
    his = {reach_of(e.channel, e.value) for him in using for e in him.contact_points}
    lacks = {
        Gap.CONTACT_NOT_SAFE: not safe,
        Gap.CONTACT_HOURS: any(each.hours for each in safe),
        Gap.CONTACT_READ: any(each.read_by for each in safe),
        Gap.CONTACT_SHARED: any(reach_of(e.channel, e.value) in his for e in points),
    }
    yield from (each for each, missing in lacks.items() if missing)


class QualityRules(BaseModel):
    """What a locality expects of those who refer.

    Attributes:
        late_hours: After how many hours from what happened a referral is late, by lane.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    late_hours: dict[Lane, Annotated[float, Field(gt=0, le=24 * 60)]]

    @model_validator(mode="after")
    def _for_every_lane(self) -> Self:
        if missing := set(Lane) - set(self.late_hours):
            raise ValueError(f"late_hours lacks {', '.join(sorted(missing))}")
        return self


class Sent(BaseModel):
    """One referral, as far as its quality goes.

    Attributes:
        gaps: What it lacked when it was received.
        dated: It tells of a date ahead: what happened may be years ago.
        withdrawn: Why it was taken back, if it was.
    """

    model_config = ConfigDict(frozen=True)

    lane: Lane
    occurred_at: datetime
    received_at: datetime
    gaps: tuple[Gap, ...]
    dated: bool = False
    amended: bool
    withdrawn: WithdrawalReason | None

    @property
    def hours(self) -> float:
        """Hours between what happened and when it was told; a fast clock counts 0."""
        return max((self.received_at - self.occurred_at) / HOUR, 0.0)


class QualityReport(BaseModel):
    """How good what an agency has referred in some time is.

    Attributes:
        complete: All of it was counted; else the latest.
        missing: How many lacked what, when they were received.
        unsafe_contact: How many told of a way to reach somebody that is unsafe so.
        dated: How many tell of a date ahead, and are measured by no hours: of a release
            what happened was years ago, and it is told in time.
        late: How many others were told later than the locality expects; none: not told.
        median_hours: Of the others, between what happened and when it was told.
        amended: How many the agency corrected or added to.
        withdrawn: How many it took back, by reason.
    """

    agency: Code
    since: datetime
    until: datetime
    referrals: int
    complete: bool
    missing: dict[Gap, int]
    unsafe_contact: dict[Gap, int]
    dated: int
    late: int | None
    median_hours: float | None
    amended: int
    withdrawn: dict[WithdrawalReason, int]

    def for_others(self) -> Self:
        """Give it as others than the agency may have it.

        Raises:
            TooFew: It would tell of single referrals.
        """
        if self.referrals < FEWEST:
            raise TooFew
        if self.referrals - self.dated < FEWEST:
            # What is measured would tell of single ones.
            return self.model_copy(update={"late": None, "median_hours": None})
        return self

    @classmethod
    def of(
        cls,
        agency: str,
        sent: Collection[Sent],
        rules: QualityRules,
        *,
        since: datetime,
        until: datetime,
        complete: bool,
    ) -> Self:
        """Count what an agency has referred."""
        gaps = Counter(gap for each in sent for gap in each.gaps)
        timed = [each for each in sent if not each.dated]
        taken = Counter(each.withdrawn for each in sent if each.withdrawn)
        return cls(
            agency=agency,
            since=since,
            until=until,
            referrals=len(sent),
            complete=complete,
            missing={each: gaps[each] for each in Gap if each not in UNSAFE},
            unsafe_contact={each: gaps[each] for each in Gap if each in UNSAFE},
            dated=len(sent) - len(timed),
            late=sum(each.hours > rules.late_hours[each.lane] for each in timed),
            median_hours=round(median(e.hours for e in timed), 1) if timed else None,
            amended=sum(each.amended for each in sent),
            withdrawn=dict(sorted(taken.items())),
        )
