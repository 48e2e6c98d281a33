"""Who is on call: turns that go round, overrides, and whoever is away left out."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from accord_contracts.allocation import SHIFTS, Role, Shift
from accord_contracts.problem import Refusal
from pydantic import BaseModel, ConfigDict, Field, model_validator

from allocation.domain.availability import Absence, away_within

AHEAD = timedelta(days=28)
"""For how long ahead shifts are told: longer than any service may be away."""

AGAIN = timedelta(minutes=10)
"""How often shifts are looked over for whoever has gone away or left meanwhile."""

RENEWED = timedelta(days=7)
"""How often they are told though nothing has changed, so that they never run out."""

OVERRIDES = 100
"""The most overrides of a rota that are not over."""

Turns = Annotated[tuple[str, ...], Field(max_length=50)]
Away = Mapping[str, Sequence[Absence]]


class NoSuchRota(Refusal):
    """There is no such rota."""

    status = 404


class NoSuchOverride(Refusal):
    """The rota has no such override."""

    status = 404


class OverridesClash(Refusal):
    """Another override has somebody else on call at the same time."""


class TooManyOverrides(Refusal):
    """The rota has as many overrides as there may be."""


class Override(BaseModel):
    """Somebody is on call between two times, whoever's turn it is.

    Attributes:
        since: From then on.
        until: No longer then.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    worker_id: str
    since: datetime
    until: datetime

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.until <= self.since:
            raise ValueError("must end after it begins")
        return self

    def clashes(self, other: "Override") -> bool:
        """Tell whether both have somebody on call at some time."""
        return self.since < other.until and other.since < self.until


class Rota(BaseModel):
    """A rota: who is on call in turn.

    Attributes:
        code: What it is for.
        roles: Which roles those who are on call stand in for; none: those of the
            locality's coordinators.
        turns: The workers, in their order; none: the rota has ended.
        starts_at: When the first of them begins. Every turn begins when clocks in the
            region show the same time.
        turn_days: How long each turn is.
        overrides: Who is on call instead, by override.
        told: The shifts that were last told.
        told_at: When that was.
        due_at: When they are next looked over.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    code: str
    roles: tuple[Role, ...] = ()
    turns: Turns = ()
    starts_at: datetime
    turn_days: int = 7
    overrides: dict[str, Override] = {}
    told: tuple[Shift, ...] = ()
    told_at: datetime | None = None
    due_at: datetime | None = None

    @property
    def named(self) -> frozenset[str]:
        """Everybody who may be on call by it."""
        return frozenset(
            {*self.turns, *(each.worker_id for each in self.overrides.values())}
        )

    @property
    def known_until(self) -> datetime:
        """After when nothing is known."""
        if len(self.told) == SHIFTS:
            return self.told[-1].until
        return (self.told_at or self.starts_at) + AHEAD

    def overridden(self, override_id: str, by: Override, at: datetime) -> "Rota":
        """Have somebody on call instead; what is over is forgotten.

        Raises:
            OverridesClash: Another override is on at the same time.
            TooManyOverrides: There are as many as there may be.
        """
        others = {
            key: each
            for key, each in self.overrides.items()
            if key != override_id and each.until > at
        }
        if any(each.clashes(by) for each in others.values()):
            raise OverridesClash
        if len(others) >= OVERRIDES:
            raise TooManyOverrides
        return self.model_copy(update={"overrides": {**others, override_id: by}})

    def without(self, override_id: str) -> "Rota":
        """Take an override back.

        Raises:
            NoSuchOverride: There is none.
        """
        if override_id not in self.overrides:
            raise NoSuchOverride
        others = {key: e for key, e in self.overrides.items() if key != override_id}
        return self.model_copy(update={"overrides": others})

    def looked_over(self, away: Away, zone: ZoneInfo, at: datetime) -> "Rota":
        """Work out who is on call from now on.

        Args:
            away: When each worker who is at work is away; who is not in it is not at
                work at all, and is never on call.
            zone: What clocks in the region go by.
            at: The present.
        """
        told = tuple(self.shifts(away, zone, at, at + AHEAD))[:SHIFTS]
        changed = _ahead(told, at) != _ahead(self.told, at)
        stale = self.told_at is None or at - self.told_at >= RENEWED
        update: dict[str, object] = {"due_at": at + AGAIN if self.named else None}
        if changed or stale:
            update |= {"told": told, "told_at": at}
        return self.model_copy(update=update)

    def shifts(
        self, away: Away, zone: ZoneInfo, since: datetime, until: datetime
    ) -> Iterator[Shift]:
        """Give who is on call between two times, in order of time.

        An override comes before a turn. Of a turn whose worker is away, the next in the
        order who is not takes over for that long; if all are away, nobody is on call.
        """
        edges = sorted({since, until, *self._edges(away, zone, since, until)})
        last: Shift | None = None
        for begins, ends in pairwise(edges):
            worker_id = self._on_call(begins, away, zone)
            if last and last.worker_id == worker_id and last.until == begins:
                last = last.model_copy(update={"until": ends})
                continue
            if last:
                yield last
            last = None
            if worker_id:
                last = Shift(worker_id=worker_id, since=begins, until=ends)
        if last:
            yield last

    def _edges(
        self, away: Away, zone: ZoneInfo, since: datetime, until: datetime
    ) -> Iterator[datetime]:
        """Give the times between two times at which somebody else may be on call."""
        number = self._turn(since, zone)
        while (begins := self._begins(number, zone)) < until:
            if begins > since:
                yield begins
            number += 1
        spans = [(each.since, each.until) for each in self.overrides.values()]
        for worker_id in self.named:
            spans += away_within(away.get(worker_id, ()), since, until)
        for span in spans:
            yield from (each for each in span if since < each < until)

    def _on_call(self, at: datetime, away: Away, zone: ZoneInfo) -> str | None:
        def there(worker_id: str) -> bool:
            absences = away.get(worker_id)
            return absences is not None and not any(
                each.percent == 0 and each.covers(at) for each in absences
            )

        for each in self.overrides.values():
            if each.since <= at < each.until and there(each.worker_id):
                return each.worker_id
        number = self._turn(at, zone)
        if number < 0 or not self.turns:
            return None
        first = number % len(self.turns)
        in_order = self.turns[first:] + self.turns[:first]
        return next((each for each in in_order if there(each)), None)

    def _turn(self, at: datetime, zone: ZoneInfo) -> int:
        """Count the turns that have begun since the first, which is number 0."""
        days = at.astimezone(zone).date() - self.starts_at.astimezone(zone).date()
        begun = days.days // self.turn_days
        return begun if self._begins(begun, zone) <= at else begun - 1

    def _begins(self, number: int, zone: ZoneInfo) -> datetime:
        # What is added to a local time is what clocks show, summer time or not.
        local = self.starts_at.astimezone(zone).replace(tzinfo=None)
        shown = local + timedelta(days=number * self.turn_days)
        return shown.replace(tzinfo=zone).astimezone(UTC)

    def on_call_at(self, at: datetime) -> str | None:
        """Say who is on call at a time, by what was last told."""
        on = (e.worker_id for e in self.told if e.since <= at < e.until)
        return next(on, None)


def _ahead(shifts: Sequence[Shift], at: datetime) -> list[tuple[str, datetime]]:
    """Give what of shifts is still to come, and who is on now, but not how far it goes.

    How far the last one is known moves on by itself.
    """
    return [(each.worker_id, max(each.since, at)) for each in shifts if each.until > at]
