"""What another version of the policy would make of the cases that there are. Pure.

Nothing is stored, and no level moves: it says beforehand how many would be found higher
or lower, how many reassessments a week follow, and how many would be overdue at once.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from accord_contracts.referrals import PersonRole
from accord_contracts.risk import RiskLevel

from risk.domain.assessment import Assessment, Reassessment
from risk.domain.policy import Policy, highest

ALL = ("all", "all")
"""The group of every case."""

HOURS_A_WEEK = 168

Group = tuple[str, str]
"""By what, and which: ``("ethnicity", "maori")``."""


class One(NamedTuple):
    """What a version makes of one case; a ``Tally`` says what each of this is."""

    move: tuple[RiskLevel, RiskLevel]
    reassessments_a_week: float = 0.0
    due: bool = False
    overdue: bool = False


@dataclass
class Tally:
    """What a version makes of the cases of one group.

    Attributes:
        moves: How many are held at the first level, and found at the second.
        reassessments_a_week: Of those that are not closed.
        due: Whose reassessment would be due now, and nobody is called yet.
        overdue: Whose period of grace would be over as well.
    """

    cases: int = 0
    moves: Counter[tuple[RiskLevel, RiskLevel]] = field(default_factory=Counter)
    reassessments_a_week: float = 0.0
    due: int = 0
    overdue: int = 0

    def count(self, one: One) -> None:
        """Count what was made of one more case."""
        self.cases += 1
        self.moves[one.move] += 1
        self.reassessments_a_week += one.reassessments_a_week
        self.due += one.due
        self.overdue += one.overdue

    def add(self, other: "Tally") -> None:
        """Count what was made of other cases too."""
        self.cases += other.cases
        for move, count in other.moves.items():
            self.moves[move] += count
        self.reassessments_a_week += other.reassessments_a_week
        self.due += other.due
        self.overdue += other.overdue

    @property
    def found(self) -> Mapping[RiskLevel, int]:
        """How many are found at each level."""
        return {
            level: sum(n for (_, to), n in self.moves.items() if to is level)
            for level in RiskLevel
        }

    @property
    def higher(self) -> int:
        """How many would rise at their next weighing."""
        return sum(n for (was, to), n in self.moves.items() if to.rank > was.rank)

    @property
    def lower(self) -> int:
        """How many would be found lower, and stay until that is proved."""
        return sum(n for (was, to), n in self.moves.items() if to.rank < was.rank)


Report = dict[str, dict[Group, Tally]]
"""By version, by group."""


def simulate(
    cases: Iterable[Assessment], versions: Sequence[Policy], at: datetime
) -> Report:
    """Weigh cases by each of some versions, as if they had been weighed by it.

    A level that would be found lower stands until it is proved, so clocks run by the
    higher of both.

    Args:
        cases: As they are stored; those never weighed, merged or erased count not.
        versions: Of the policy; each has another ``version``.
        at: The present time.
    """
    report: Report = {each.version: defaultdict(Tally) for each in versions}
    for case in cases:
        if not case.weighed or case.erased_at or case.merged_into:
            continue
        groups = groups_of(case)
        known = case.everything(at)
        for policy in versions:
            if case.ahead:
                known = _by_lead(case, policy).everything(at)
            one = _one(case, policy.level_of(known), policy, at)
            tallies = report[policy.version]
            for group in groups:
                tallies[group].count(one)
    return report


def together(reports: Iterable[Report]) -> Report:
    """Put reports about different cases together."""
    whole: Report = {}
    for report in reports:
        for version, groups in report.items():
            tallies = whole.setdefault(version, {})
            for group, tally in groups.items():
                tallies.setdefault(group, Tally()).add(tally)
    return whole


def groups_of(case: Assessment) -> list[Group]:
    """Give the groups that a case counts in."""
    child = any(each.people.get(PersonRole.CHILD) for each in case.tellings.values())
    children = ("children", "yes" if child else "no")
    return [ALL, children, *case.groups.items()]


def _by_lead(case: Assessment, policy: Policy) -> Assessment:
    """Have a case's dates come near as a version has it."""
    ahead = {
        key: each.model_copy(
            update={"near_from": policy.ahead[each.kind].near_from(each.happens_at)}
        )
        for key, each in case.ahead.items()
    }
    return case.model_copy(update={"ahead": ahead})


def _one(case: Assessment, found: RiskLevel, policy: Policy, at: datetime) -> One:
    """Say what a version makes of one case."""
    move = case.level, found
    if case.reassessment is Reassessment.STOPPED:
        return One(move)
    hours = policy.reassess_hours[highest(*move)]
    late = at - case.assessed_at - timedelta(hours=hours)
    overdue = late >= timedelta(hours=policy.grace_hours)
    due = late >= timedelta() and not overdue
    return One(move, HOURS_A_WEEK / hours, due, overdue)
