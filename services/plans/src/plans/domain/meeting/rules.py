"""When a locality meets, about what, and with whom (``meetings.yaml``)."""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Annotated, NamedTuple, Self
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from accord_contracts.calendar import DAYS, Day
from accord_contracts.grounds import S20Purpose
from accord_contracts.message import Code, PolicyVersion
from accord_contracts.risk import RiskLevel
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

Minutes = Annotated[int, Field(ge=0, le=7 * 24 * 60)]

SERIES = UUID("5b0f2f0e-5c0c-5f7e-9d57-0a8d1f6f3c11")
"""The namespace of the ids of meetings that stand in the locality's calendar."""

FIRST_YEAR, LAST_YEAR = 2000, 2200
"""Between them times can be reckoned with in every time zone."""

CALLED = "called"
"""The series of whatever is called besides."""


class Takes(StrEnum):
    """Which cases come onto a meeting's agenda by themselves."""

    STIRRED = "stirred"
    """Whatever happened to them since they were last decided on."""
    OPEN = "open"
    """All whose response has not ended, so high a risk given."""


class Terms(BaseModel):
    """How long a meeting is, and what must be there before it begins.

    Attributes:
        minutes: How long it is planned to be.
        cut_off_minutes: So long before it begins nothing is added any more.
        answers_minutes: So long before it begins agencies should have answered.
        agencies: Who is invited, by code.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    minutes: Annotated[int, Field(gt=0, le=600)]
    cut_off_minutes: Minutes
    answers_minutes: Minutes
    agencies: Annotated[tuple[Code, ...], Field(min_length=1, max_length=60)]

    @field_validator("agencies")
    @classmethod
    def _each_once(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(given)) < len(given):
            raise ValueError("an agency is named twice")
        return given


class Series(Terms):
    """A meeting that recurs.

    Attributes:
        days: On which days of the week.
        at: When it begins, by the locality's clock.
        takes: Which cases come onto its agenda by themselves.
        least: From which level of risk on.
    """

    days: Annotated[frozenset[Day], Field(min_length=1)]
    at: time
    takes: Takes
    least: RiskLevel


class Slot(NamedTuple):
    """A meeting that stands in the calendar."""

    id: str
    series: str
    starts_at: datetime


Paragraphs = Annotated[str, Field(min_length=1, max_length=4000)]


class Wording(BaseModel):
    """A text in both languages in which it is signed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    en: Paragraphs
    mi: Paragraphs


class Statement(BaseModel):
    """What everybody signs who sits down at a meeting: what they keep to themselves."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: PolicyVersion
    text: Wording

    @property
    def digest(self) -> str:
        """What tells this text from any other: SHA-256, in hexadecimal."""
        told = json.dumps(self.model_dump(), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(told.encode()).hexdigest()


class Asking(BaseModel):
    """What invited agencies are asked before a meeting.

    Attributes:
        purpose: For what, of the Family Violence Act 2018, s 20.
        not_asked: Who is invited and never asked so: whoever serves those who use
            violence, say, and is told by people alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    purpose: S20Purpose
    not_asked: frozenset[Code]


class Rules(BaseModel):
    """How a locality meets.

    Attributes:
        statement: The confidentiality statement that is signed.
        dates_ahead_hours: So long before it a date that is known brings its case up.
        seat_hours: So long after a meeting those who sat there may look at it still.
        close_hours: So long after its end a meeting that nobody has closed is closed.
        called: The terms of what is called besides; who calls it may name others.
        asking: What invited agencies are asked beforehand.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: PolicyVersion
    time_zone: str
    statement: Statement
    dates_ahead_hours: Annotated[int, Field(gt=0, le=8760)]
    seat_hours: Annotated[int, Field(gt=0, le=7 * 24)]
    close_hours: Annotated[int, Field(gt=0, le=48)]
    series: Annotated[dict[Code, Series], Field(min_length=1, max_length=20)]
    called: Terms
    asking: Asking

    @field_validator("time_zone")
    @classmethod
    def _is_one(cls, given: str) -> str:
        try:
            ZoneInfo(given)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("no time zone of the IANA database") from None
        return given

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if CALLED in self.series:
            raise ValueError(f"series: {CALLED} is what is called besides")
        terms = (*self.series.values(), self.called)
        invited = {code for each in terms for code in each.agencies}
        # A code that is written wrongly would have somebody asked who may not know.
        if not self.asking.not_asked <= invited:
            raise ValueError("asking: not_asked names somebody who is invited nowhere")
        return self

    def terms_of(self, series: str) -> Terms:
        """Give the terms of a series, or of what is called besides."""
        return self.series.get(series, self.called)

    def calendar(self, since: datetime, until: datetime) -> Iterator[Slot]:
        """Give what stands in the calendar from one time until another, in order."""
        zone = ZoneInfo(self.time_zone)
        first, last = since.astimezone(zone).date(), until.astimezone(zone).date()
        slots = (
            self._slot(name, series, day, zone)
            for name, series in self.series.items()
            for day in _days(first, last)
            if DAYS[day.weekday()] in series.days
        )
        within = (each for each in slots if since <= each.starts_at < until)
        yield from sorted(within, key=lambda each: (each.starts_at, each.series))

    def _slot(self, name: str, series: Series, day: date, zone: ZoneInfo) -> Slot:
        # One id for a day and a series: however many open it, it is one meeting.
        id_ = str(uuid5(SERIES, f"{self.time_zone}/{name}/{day}"))
        starts_at = datetime.combine(day, series.at, zone)
        return Slot(id_, name, starts_at.astimezone(UTC))


def to_the_minute(given: datetime) -> datetime:
    """Give a time in UTC, so that the same told again is the same in the store.

    Raises:
        PydanticCustomError: Nobody meets then.
    """
    if not FIRST_YEAR < given.year < LAST_YEAR:
        raise PydanticCustomError("too_far_away", "Nobody meets then.")
    return given.astimezone(UTC).replace(second=0, microsecond=0)


def _days(first: date, last: date) -> Iterator[date]:
    for number in range((last - first).days + 1):
        yield first + timedelta(days=number)
