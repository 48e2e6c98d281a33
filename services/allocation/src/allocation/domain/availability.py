"""When a worker is at work, and how much of their work they can do then."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    model_validator,
)

WHOLE = 100
"""Percent of somebody's work when nothing is taken off."""


Moment = Annotated[
    AwareDatetime,
    Field(ge=datetime(2000, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC)),
]
"""A time within calendars that clocks can add weeks to, in any zone."""


class Absence(BaseModel):
    """Between two times somebody can do less, or nothing.

    HMPPS's dated reductions (DOMAIN.md 2.8): leave, training, a phased return. A phased
    return is several of them, one after the other.

    Attributes:
        since: From then on.
        until: No longer then.
        percent: How much of their work they can do meanwhile; 0: they are away.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    since: datetime
    until: datetime
    percent: Annotated[int, Field(ge=0, lt=WHOLE)] = 0

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.until <= self.since:
            raise ValueError("must end after it begins")
        return self

    def covers(self, at: datetime) -> bool:
        """Tell whether it is on."""
        return self.since <= at < self.until


def percent_at(absences: Iterable[Absence], at: datetime) -> int:
    """Say how much of their work somebody can do; of several absences, the least."""
    on = (each.percent for each in absences if each.covers(at))
    return min(on, default=WHOLE)


def away_within(
    absences: Iterable[Absence], since: datetime, until: datetime
) -> list[tuple[datetime, datetime]]:
    """Give the times between two times at which somebody is away, in order."""
    away = (
        (max(each.since, since), min(each.until, until))
        for each in absences
        if each.percent == 0
    )
    return sorted((begins, ends) for begins, ends in away if begins < ends)


def away_for(
    absences: Iterable[Absence], since: datetime, until: datetime
) -> timedelta:
    """Say for how long between two times somebody is away."""
    away, upto = timedelta(0), since
    for begins, ends in away_within(absences, since, until):
        away += max(timedelta(0), ends - max(begins, upto))
        upto = max(upto, ends)
    return away


def contracted_points(full: int, hours: float, full_time: float) -> int:
    """Give the points of somebody who works less, or more, than full time.

    HMPPS: points of the grade, times contracted hours over full-time hours, rounded
    down (DOMAIN.md 3.7).

    Args:
        full: Points of somebody who works full time.
        hours: For which they are contracted each week.
        full_time: Hours of a full week.
    """
    return int(full * hours / full_time)


WEEK = timedelta(days=7)
