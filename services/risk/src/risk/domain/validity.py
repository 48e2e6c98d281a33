"""How well levels have told what came: discrimination and calibration. Pure.

A locality's own outcomes: was a case referred again within so many days of the level at
which it was held, for something that happened since? Published instruments discriminate
poorly and nobody knew for years (DOMAIN 1.5), so this says how little a level says, for
whom, and when there is too little to say anything. A response that works prevents what
it is measured by: a high level with few repeats may be a good response, and is no proof
of a bad level.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import NormalDist
from typing import Any, Protocol

from accord_contracts.cells import LEAST_CELL, few, shown
from accord_contracts.risk import RiskLevel

from risk.domain.assessment import Assessment
from risk.domain.simulation import ALL, Group, groups_of
from risk.domain.telling import Telling

HORIZONS = (90, 180, 365)
"""Days within which a referral of something that happened since is a repeat."""

LEAST_OUTCOMES = 30
"""Repeats, and cases without one, below which nothing is said. With 30 of each the
interval of an AUC of 0.7 is still a quarter wide (Hanley and McNeil 1982)."""

Z = NormalDist().inv_cdf(0.975)
"""Of a confidence of 95 percent."""

LEVELS = tuple(RiskLevel)


def _none() -> dict[RiskLevel, int]:
    return dict.fromkeys(LEVELS, 0)


@dataclass
class Counts:
    """How many were held at each level, and how many of those were referred again."""

    held: dict[RiskLevel, int] = field(default_factory=_none)
    again: dict[RiskLevel, int] = field(default_factory=_none)

    def count(self, level: RiskLevel, *, repeated: bool) -> None:
        """Count one."""
        self.held[level] += 1
        self.again[level] += repeated

    def plus(self, other: "Counts") -> "Counts":
        """Put two together."""
        return Counts(
            {each: self.held[each] + other.held[each] for each in LEVELS},
            {each: self.again[each] + other.again[each] for each in LEVELS},
        )

    @property
    def cases(self) -> int:
        """How many there are."""
        return sum(self.held.values())

    @property
    def repeats(self) -> int:
        """How many were referred again."""
        return sum(self.again.values())

    def auc(self) -> "Interval | None":
        """Give the area under the ROC curve, and its interval."""
        again = [self.again[each] for each in LEVELS]
        return area(
            again, [self.held[each] - n for each, n in zip(LEVELS, again, strict=True)]
        )


@dataclass(frozen=True)
class Interval:
    """A figure and its 95 percent confidence interval."""

    value: float
    low: float
    high: float


class Countable(Protocol):
    """How many were in each band, and how many of those were referred again."""

    @property
    def held(self) -> Mapping[Any, int]:
        """How many were in each band, the lowest first."""

    @property
    def again(self) -> Mapping[Any, int]:
        """How many of those were referred again."""

    @property
    def cases(self) -> int:
        """How many there are."""

    @property
    def repeats(self) -> int:
        """How many were referred again."""

    def auc(self) -> Interval | None:
        """Give the area under the ROC curve, and its interval."""


@dataclass(frozen=True)
class Band:
    """What came of the cases of one band; none of it, if they are too few.

    Attributes:
        level: The level at which they were held, or the band of an instrument.
    """

    level: str
    cases: int | None
    repeats: int | None
    rate: Interval | None


@dataclass(frozen=True)
class Validity:
    """What can be said of one group.

    Attributes:
        cases: Followed for the whole horizon; none: too few to tell.
        auc: How likely a case that was referred again was held higher than one that
            was not; 0.5 is chance. None: too little to say.
    """

    group: Group
    cases: int | None
    repeats: int | None
    auc: Interval | None
    bands: tuple[Band, ...]

    @property
    def too_little(self) -> bool:
        """Tell whether there is too little to say anything."""
        return self.auc is None


def counted(
    cases: Iterable[Assessment], days: int, at: datetime
) -> dict[Group, Counts]:
    """Count, by group, what came after each referral, of those followed long enough.

    Of a case that was opened in error no level was held of anybody, and one that was
    transferred is followed until then.
    """
    counts: dict[Group, Counts] = {}
    for case in cases:
        groups = groups_of(case)
        for time, repeated in followed(case, days, at):
            level = held_at(case, time)
            if level is None:
                continue
            for group in groups:
                counts.setdefault(group, Counts()).count(level, repeated=repeated)
    return counts


def followed(
    case: Assessment, days: int, at: datetime
) -> Iterator[tuple[datetime, bool]]:
    """Say when each referral of a case came that counts, and if another followed.

    Of those that were followed long enough.
    """
    if case.merged_into or case.erased_at or case.mistaken_at:
        return
    horizon = timedelta(days=days)
    until = min(at, case.transferred_at or at) - horizon
    tellings = list(case.tellings.values())
    for time in counting(tellings):
        if time <= until:
            yield (
                time,
                any(
                    again(each, time) and each.received_at <= time + horizon
                    for each in tellings
                ),
            )


def counting(tellings: Iterable[Telling]) -> list[datetime]:
    """Say when those referrals were received that tell of something new.

    A second agency that tells of the same incident, or of an older one, is no new one.
    """
    times: list[datetime] = []
    for each in sorted(tellings, key=lambda each: each.received_at):
        if not times or again(each, times[-1]):
            times.append(each.received_at)
    return times


def again(told: Telling, time: datetime) -> bool:
    """Tell whether what a referral tells of happened after another was received."""
    return told.occurred_at > time


def together(
    one: Mapping[Group, Counts], other: Mapping[Group, Counts]
) -> dict[Group, Counts]:
    """Put the counts of two parts of the cases together."""
    return {
        group: one.get(group, Counts()).plus(other.get(group, Counts()))
        for group in {**one, **other}
    }


def held_at(case: Assessment, at: datetime) -> RiskLevel | None:
    """Give the level at which a case was held at a time, if it was at any.

    What is handled late stands later among the changes than it came about.
    """
    changes = sorted(case.judgement.changes, key=lambda each: each.at)
    before = [each.level for each in changes if each.at <= at]
    return before[-1] if before else None


def assess(counts: Mapping[Group, Countable]) -> tuple[Validity, ...]:
    """Say how well levels, or an instrument, told what came, for all and by group.

    What could betray somebody is left out: small cells, and others with them until
    what is left out of the whole is no small cell either. Whoever takes what is told
    from the whole learns of no fewer.
    """
    if ALL not in counts:
        return ()
    bands = list(counts[ALL].held)
    few_of_all = few([counts[ALL].held])
    found = {ALL: _validity(ALL, counts[ALL], bands, few_of_all)}
    for dimension in {group[0] for group in counts if group != ALL}:
        sizes = {e: each.cases for e, each in counts.items() if e[0] == dimension}
        told = shown(sizes, counts[ALL].cases)
        rows = [*(_row(counts[each], bands) for each in told), _rest(counts, told)]
        out = few(rows, few_of_all)
        found |= {
            e: _validity(e, counts[e], bands, out, hidden=e not in told) for e in sizes
        }
    order = sorted(counts, key=lambda each: (each != ALL, each))
    return tuple(found[each] for each in order)


def _row(counts: Countable, bands: Sequence[str]) -> dict[str, int]:
    """Give how many of a group were in each band of the whole."""
    held = counts.held
    return {each: held.get(each, 0) for each in bands}


def _rest(counts: Mapping[Group, Countable], told: Iterable[Group]) -> dict[str, int]:
    """Give how many of the whole were in each band, beside some groups."""
    rest = dict(counts[ALL].held)
    for each in told:
        for band, count in counts[each].held.items():
            rest[band] -= count
    return rest


def _validity(
    group: Group,
    counts: Countable,
    bands: Sequence[str],
    out: frozenset[str],
    *,
    hidden: bool = False,
) -> Validity:
    if hidden or counts.cases < LEAST_CELL:
        return Validity(group, None, None, None, ())
    quiet = counts.cases - counts.repeats
    enough = min(counts.repeats, quiet) >= LEAST_OUTCOMES
    found = tuple(_bands(counts, bands, out))
    auc = counts.auc() if enough else None
    return Validity(group, counts.cases, counts.repeats, auc, found)


def _bands(
    counts: Countable, bands: Sequence[str], out: frozenset[str]
) -> Iterator[Band]:
    held, again = _row(counts, bands), counts.again
    for each in bands:
        if each in out:
            yield Band(each, None, None, None)
        else:
            repeats = again.get(each, 0)
            yield Band(each, held[each], repeats, wilson(repeats, held[each]))


def area(again: Sequence[int], quiet: Sequence[int]) -> Interval | None:
    """Give the area under the ROC curve, with ties, and DeLong's interval of it.

    Args:
        again: How many were referred again, place by place, the lowest first.
        quiet: How many were not.

    The variance is that of DeLong, DeLong and Clarke-Pearson (1988), from how many of
    each kind stand below and beside each other; the interval is made on the logit, so
    that it stays between 0 and 1. None, where it has none: all alike, or wholly apart.
    """
    m, n = sum(again), sum(quiet)
    if min(m, n) < 2:  # noqa: PLR2004 - A variance takes two.
        return None
    of_again = [_beyond(quiet, place) / n for place in range(len(quiet))]
    of_quiet = [1 - _beyond(again, place) / m for place in range(len(again))]
    mean = _mean(of_again, again)
    variance = (
        _variance(of_again, again, mean) / m + _variance(of_quiet, quiet, mean) / n
    )
    if not variance or not 0 < mean < 1:
        return None
    middle, width = math.log(mean / (1 - mean)), Z * math.sqrt(variance)
    width /= mean * (1 - mean)
    return Interval(mean, _expit(middle - width), _expit(middle + width))


def _beyond(others: Sequence[int], place: int) -> float:
    """Count how many others stand below a place; those beside it count half."""
    return sum(others[:place]) + others[place] / 2


def _mean(values: Sequence[float], times: Sequence[int]) -> float:
    return sum(v * k for v, k in zip(values, times, strict=True)) / sum(times)


def _variance(values: Sequence[float], times: Sequence[int], mean: float) -> float:
    squares = sum(k * (v - mean) ** 2 for v, k in zip(values, times, strict=True))
    return squares / (sum(times) - 1)


def _expit(value: float) -> float:
    return 1 / (1 + math.exp(-value))


def wilson(hits: int, of: int) -> Interval | None:
    """Give a share and its interval (Wilson 1927); none, where there is nobody."""
    if not of:
        return None
    share, z2 = hits / of, Z * Z
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = Z / (1 + z2 / of) * math.sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    return Interval(share, max(0.0, middle - half), min(1.0, middle + half))
