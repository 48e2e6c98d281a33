"""How well each instrument has told what came, by what it said of a case then. Pure.

Levels put all instruments together, so that a good one may hide a bad one. Here each
stands by itself: what it said when a referral was weighed, and whether the case was
referred again, for something that happened since. It is counted as levels are, and what
could betray somebody is left out by the same rule.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from risk.domain.assessment import Assessment
from risk.domain.policy import Policy
from risk.domain.scoring import Result
from risk.domain.simulation import Group, groups_of
from risk.domain.validity import (
    Interval,
    Validity,
    area,
    assess,
    followed,
)

NO_BAND = "no_band"
"""Where a score reaches none of an instrument's bands."""

SAYS_SOMETHING = frozenset({None, "evidence_only"})
"""Why no level rests on it, where it says something all the same."""


class Used(NamedTuple):
    """An instrument, and which version of its file."""

    instrument: str
    version: str


class Said(NamedTuple):
    """What an instrument said: its score, and the band that it reaches."""

    score: int
    band: str


class Weighed(NamedTuple):
    """What all instruments said when a case was weighed."""

    at: datetime
    revision: int
    results: tuple[Result, ...]


@dataclass
class Scores:
    """How many were given each score, and how many of those were referred again."""

    given: Counter[Said] = field(default_factory=Counter)
    repeated: Counter[Said] = field(default_factory=Counter)

    def count(self, said: Said, *, repeated: bool) -> None:
        """Count one."""
        self.given[said] += 1
        self.repeated[said] += repeated

    def add(self, other: "Scores") -> None:
        """Count others too."""
        self.given.update(other.given)
        self.repeated.update(other.repeated)

    @property
    def held(self) -> dict[str, int]:
        """How many were in each band, from the lowest score on."""
        return self._by_band(self.given)

    @property
    def again(self) -> dict[str, int]:
        """How many of each band were referred again."""
        return self._by_band(self.repeated)

    @property
    def cases(self) -> int:
        """How many there are."""
        return self.given.total()

    @property
    def repeats(self) -> int:
        """How many were referred again."""
        return self.repeated.total()

    def auc(self) -> Interval | None:
        """Give the area under the ROC curve of the score, and its interval."""
        scores = sorted({each.score for each in self.given})
        given, again = Counter[int](), Counter[int]()
        for said, count in self.given.items():
            given[said.score] += count
            again[said.score] += self.repeated[said]
        return area([again[e] for e in scores], [given[e] - again[e] for e in scores])

    def _by_band(self, counts: Counter[Said]) -> dict[str, int]:
        found = dict.fromkeys((each.band for each in sorted(self.given)), 0)
        for said, count in counts.items():
            found[said.band] += count
        return found


Outcomes = dict[Used, dict[Group, Scores]]
"""By instrument, by group."""


def scored(
    cases: Iterable[Assessment],
    pasts: Mapping[str, Sequence[Weighed]],
    policy: Policy,
    days: int,
    at: datetime,
) -> Outcomes:
    """Count, by instrument and group, what came after each referral, as for levels.

    Args:
        cases: As they are stored.
        pasts: What was said of each case before, where that was replaced.
        policy: It says which sum of an instrument is its score.
        days: Within which a referral of something that happened since is a repeat.
        at: The present time.
    """
    found: Outcomes = {}
    for case in cases:
        now = Weighed(case.assessed_at, case.revision, case.results)
        weighed = sorted((*pasts.get(case.id, ()), now), key=lambda each: each[:2])
        groups = groups_of(case)
        for time, repeated in followed(case, days, at):
            before = [each for each in weighed if each.at <= time]
            for used, said in _said(before[-1].results, policy) if before else ():
                for group in groups:
                    scores = found.setdefault(used, {}).setdefault(group, Scores())
                    scores.count(said, repeated=repeated)
    return found


def _said(results: Iterable[Result], policy: Policy) -> Iterator[tuple[Used, Said]]:
    """Give what those instruments said that were answered, and of whom they tell."""
    for each in results:
        answered = each.total is not None or each.unanswered < each.asked
        if each.why_not in SAYS_SOMETHING and answered:
            said = said_by(each, policy.score_of(each.instrument))
            if said:
                yield Used(each.instrument, each.version), said


def said_by(result: Result, score: str | None) -> Said | None:
    """Give what an instrument said as a score and a band; none: it has neither.

    Args:
        result: What it said.
        score: The sum that is its score; none: its only one, or, of several, the level
            that it stands for.
    """
    sums = {each.sum: each for each in result.sums}
    if score is None and len(sums) == 1:
        [score] = sums
    if score in sums:
        return Said(sums[score].value, sums[score].band or NO_BAND)
    if sums:
        level = result.level
        return Said(level.rank + 1, level.value) if level else Said(0, NO_BAND)
    return None if result.total is None else Said(result.total, NO_BAND)


def put_together(one: Outcomes, other: Outcomes) -> Outcomes:
    """Put the counts of two parts of the cases together."""
    for used, groups in other.items():
        known = one.setdefault(used, {})
        for group, scores in groups.items():
            known.setdefault(group, Scores()).add(scores)
    return one


def assess_each(found: Outcomes) -> dict[Used, tuple[Validity, ...]]:
    """Say how well each instrument told what came, for all and for each group."""
    return {used: assess(found[used]) for used in sorted(found)}
