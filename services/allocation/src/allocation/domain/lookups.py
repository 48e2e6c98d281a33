"""Look-ups that are odd, by rules that a locality sets: no verdict, but a question.

The rules are those that audits of such systems use who were published: looking without
any part in it (access monitoring of hospitals: patients of others, co-workers,
relatives), looking while off duty (the Independent Police Conduct Authority on a police
officer's 1,700 queries, 25-JUN-23), looking up people of one's own name.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Annotated, NamedTuple

from accord_contracts.allocation import LookUpReason
from pydantic import BaseModel, ConfigDict, Field

VISIT = timedelta(hours=1)
"""What is looked at within an hour of the last look is one visit: one page asks several
times."""

BEHIND = timedelta(minutes=1)
"""How old an entry must be to be read, so that none comes in before it afterwards:
services' clocks differ, and a write takes up to five seconds."""

AT_A_TIME = timedelta(days=1)
"""How much is read at once, if it was not read for long."""

NO_PART = frozenset(
    {"no_relation", "conflict", "excluded", "restricted", "inactive", "glass"}
)
"""The rules of a decision on somebody who has no part in a case."""


class Cases(BaseModel):
    """How many different cases within some hours are not odd yet."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cases: Annotated[int, Field(ge=1, le=1000)]
    hours: Annotated[int, Field(ge=1, le=168)]

    @property
    def within(self) -> timedelta:
        """For how long back it is counted."""
        return timedelta(hours=self.hours)


class Times(BaseModel):
    """How many visits to one case within some days are not odd yet."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    times: Annotated[int, Field(ge=1, le=100)]
    days: Annotated[int, Field(ge=1, le=60)]

    @property
    def within(self) -> timedelta:
        """For how long back it is counted."""
        return timedelta(days=self.days)


class LookUpRules(BaseModel):
    """When somebody is asked what they looked at cases for.

    Attributes:
        every_minutes: How often look-ups are gone through.
        no_part: Cases in which they have no part, seen or refused.
        again: Visits to one such case.
        off_duty: Cases, also their own, while they are not at work.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    every_minutes: Annotated[int, Field(ge=1, le=60)]
    no_part: Cases
    again: Times
    off_duty: Cases

    @property
    def back(self) -> timedelta:
        """How far back somebody's looks must be known."""
        every = (self.no_part, self.again, self.off_duty)
        return max(each.within for each in every) + VISIT


class Look(NamedTuple):
    """That somebody looked at a case, or tried to."""

    case_id: str
    at: datetime


class Odd(NamedTuple):
    """A look by which it became odd, why, and how many cases or visits that makes."""

    look: Look
    reason: LookUpReason
    number: int


class Round(BaseModel):
    """How far look-ups have been gone through: one document.

    Attributes:
        read_until: What was recorded until then was.
        due_at: When it goes on.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    read_until: datetime | None = None
    due_at: datetime

    def next(self, now: datetime) -> tuple[datetime, datetime]:
        """Say from when until when is read now; at first nothing is."""
        newest = now - BEHIND
        since = self.read_until or newest
        return since, max(since, min(newest, since + AT_A_TIME))

    def read(self, until: datetime, now: datetime, rules: LookUpRules) -> "Round":
        """Note that it was; what is left is read at once."""
        behind = until < now - BEHIND
        wait = timedelta() if behind else timedelta(minutes=rules.every_minutes)
        return self.model_copy(update={"read_until": until, "due_at": now + wait})


def odd_strangers(
    looks: Sequence[Look], since: datetime, rules: LookUpRules
) -> Iterator[Odd]:
    """Say what became odd after a time of looks at cases in which somebody has no part.

    It depends on the looks alone: gone through again, the same comes out.

    Args:
        looks: One person's of that kind, oldest first, as far back as the rules count.
        since: What was odd until then was told.
        rules: The locality's.
    """
    for place, look in enumerate(looks, 1):
        if look.at > since:
            yield from _strange(looks[:place], rules)


def odd_off_duty(
    looks: Sequence[Look], since: datetime, rules: LookUpRules
) -> Iterator[Odd]:
    """Say what became odd after a time of looks by somebody who was not at work."""
    for place, look in enumerate(looks, 1):
        if look.at > since and (count := _passes(looks[:place], rules.off_duty)):
            yield Odd(look, LookUpReason.OFF_DUTY, count)


def _strange(looks: Sequence[Look], rules: LookUpRules) -> Iterator[Odd]:
    """Say whether the last of some looks makes too many."""
    last = looks[-1]
    if count := _passes(looks, rules.no_part):
        yield Odd(last, LookUpReason.NO_PART, count)
    here = [each.at for each in looks if each.case_id == last.case_id]
    visits = [
        at
        for before, at in zip([None, *here], here, strict=False)
        if before is None or at - before > VISIT
    ]
    counted = [each for each in visits if each > last.at - rules.again.within]
    if last.at == visits[-1] and len(counted) == rules.again.times + 1:
        yield Odd(last, LookUpReason.AGAIN, len(counted))


def _passes(looks: Sequence[Look], most: Cases) -> int | None:
    """Give how many cases it is with the last look, if just that makes too many."""
    last = looks[-1]
    before = {e.case_id for e in looks[:-1] if e.at > last.at - most.within}
    passes = last.case_id not in before and len(before) == most.cases
    return most.cases + 1 if passes else None
