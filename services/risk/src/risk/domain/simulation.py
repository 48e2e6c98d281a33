"""What another version of the policy would make of the cases that there are. Pure.

Nothing is stored, and no level moves: it says beforehand how many would be found higher
or lower, how many reassessments a week follow, and how many would be overdue at once.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from accord_contracts.risk import RiskLevel

from risk.domain.assessment import Assessment
from risk.domain.policy import Policy, highest
from risk.domain.reassessment import Reassessment
from risk.domain.shadow import Move
from risk.domain.weighing import Known

ALL = ("all", "all")
"""The group of every case."""

RELATIONSHIP = "relationship"
"""The dimension of how the person harmed and the person using violence are related."""

HOUR = timedelta(hours=1)

HOURS_A_WEEK = 168

Group = tuple[str, str]
"""By what, and which: ``("ethnicity", "maori")``."""


HELD = "held"
"""The version that says how it is now, beside those that say how it would be."""


class Clock(NamedTuple):
    """By which level a case is assessed anew, and after how many hours."""

    level: RiskLevel
    hours: float


class One(NamedTuple):
    """What a version makes of one case; a ``Tally`` says what each of this is."""

    move: Move
    clock: Clock | None = None
    due: bool = False
    overdue: bool = False
    roles: tuple[str, ...] = ()
    tier: str | None = None
    meeting: str | None = None


@dataclass
class Tally:
    """What a version makes of the cases of one group.

    Attributes:
        moves: How many are held at the first level, and found at the second.
        open: How many are not closed, by the level whose clock they have.
        hours: The clock of each level. What dates shortened counts as the longest.
        due: Whose reassessment would be due now, and nobody is called yet.
        overdue: Whose period of grace would be over as well.
        roles: How many each role would act on, of those that are not closed.
        tiers: How many of those are in each tier.
        meetings: How many of those a meeting speaks about by their tier, by the level
            whose clock they have.
    """

    cases: int = 0
    moves: Counter[Move] = field(default_factory=Counter)
    open: Counter[RiskLevel] = field(default_factory=Counter)
    hours: dict[RiskLevel, float] = field(default_factory=dict)
    due: int = 0
    overdue: int = 0
    roles: Counter[str] = field(default_factory=Counter)
    tiers: Counter[str] = field(default_factory=Counter)
    meetings: Counter[tuple[str, RiskLevel]] = field(default_factory=Counter)

    def count(self, one: One) -> None:
        """Count what was made of one more case."""
        self.cases += 1
        self.moves[one.move] += 1
        if one.clock:
            level, hours = one.clock
            self.open[level] += 1
            self.hours[level] = max(self.hours.get(level, 0.0), hours)
            if one.meeting:
                self.meetings[one.meeting, level] += 1
        self.due += one.due
        self.overdue += one.overdue
        for role in one.roles:
            self.roles[role] += 1
        if one.tier:
            self.tiers[one.tier] += 1

    def add(self, other: "Tally") -> None:
        """Count what was made of other cases too."""
        self.cases += other.cases
        self.moves.update(other.moves)
        self.open.update(other.open)
        for level, hours in other.hours.items():
            self.hours[level] = max(self.hours.get(level, 0.0), hours)
        self.due += other.due
        self.overdue += other.overdue
        self.roles.update(other.roles)
        self.tiers.update(other.tiers)
        self.meetings.update(other.meetings)

    @property
    def reassessments_a_week(self) -> float:
        """How many fall due in a week, of those that are not closed."""
        return sum(self._a_week(level, count) for level, count in self.open.items())

    def at_meeting(self, code: str) -> int:
        """How many a meeting speaks about by their tier."""
        return sum(count for (at, _), count in self.meetings.items() if at == code)

    def meeting_a_week(self, code: str) -> float:
        """How many of those a meeting has before it in a week: whose look is due."""
        return sum(
            self._a_week(level, count)
            for (at, level), count in self.meetings.items()
            if at == code
        )

    def _a_week(self, level: RiskLevel, count: int) -> float:
        hours = self.hours[level]
        return count * HOURS_A_WEEK / hours if hours > 0 else 0.0


Report = dict[str, dict[Group, Tally]]
"""By version, by group."""


def simulate(
    cases: Iterable[Assessment], versions: Sequence[Policy], at: datetime
) -> Report:
    """Weigh cases by each of some versions, as if they had been weighed by it.

    A level that would be found lower stands until it is proved, so clocks run by the
    higher of both. How it is now is told beside them.

    Args:
        cases: As they are stored; those never weighed, merged, erased, transferred or
            opened in error count not.
        versions: Of the policy; each has another ``version``.
        at: The present time.
    """
    names = (HELD, *(each.version for each in versions))
    report: Report = {each: defaultdict(Tally) for each in names}
    for case in cases:
        if not counts(case):
            continue
        groups = groups_of(case)
        known = case.everything(at)
        made = {HELD: _as_held(case)}
        for policy in versions:
            if case.ahead:
                known = _by_lead(case, policy).everything(at)
            made[policy.version] = _one(case, known, policy, at)
        for version, one in made.items():
            tallies = report[version]
            for group in groups:
                tallies[group].count(one)
    return report


def counts(case: Assessment) -> bool:
    """Tell whether a case is the locality's own, and somebody's."""
    gone = case.erased_at or case.transferred_at or case.mistaken_at
    return case.weighed and not gone and not case.merged_into


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
    """Give the groups that a case counts in, with the children of merged ones.

    How the two are related is what was referred, until she says otherwise. Of whoever
    is grown up nothing else that makes a group is told to risk.
    """
    child = case.child or any(each.child for each in case.shares.values())
    children = ("children", "yes" if child else "no")
    told = {RELATIONSHIP: case.relationship} if case.relationship else {}
    return [ALL, children, *{**told, **case.groups}.items()]


def _by_lead(case: Assessment, policy: Policy) -> Assessment:
    """Have a case's dates come near as a version has it."""
    ahead = {
        key: each.model_copy(
            update={"near_from": policy.ahead[each.kind].near_from(each.happens_at)}
        )
        for key, each in case.ahead.items()
    }
    return case.model_copy(update={"ahead": ahead})


def _as_held(case: Assessment) -> One:
    """Say how a case is held now, by whatever version it was weighed."""
    move = case.level, case.level
    if case.reassessment is Reassessment.STOPPED:
        return One(move)
    hours = (case.reassess_by - case.begun) / HOUR
    return One(
        move,
        Clock(case.level, hours),
        due=case.reassessment is Reassessment.DUE,
        overdue=case.reassessment is Reassessment.OVERDUE,
        roles=case.tier.roles if case.tier else (),
        tier=case.tier.code if case.tier else None,
        meeting=case.tier.meeting if case.tier else None,
    )


def _one(case: Assessment, known: Known, policy: Policy, at: datetime) -> One:
    """Say what a version makes of one case."""
    move = case.level, policy.level_of(known)
    if case.reassessment is Reassessment.STOPPED:
        return One(move)
    level = highest(*move)
    hours = policy.reassess_hours[level]
    late = at - case.due_by(hours)
    called = case.reassessment is Reassessment.DUE and case.due_at and at < case.due_at
    # Who were only just called have the grace, however long nobody had looked.
    overdue = late >= timedelta(hours=policy.grace_hours) and not called
    due = late >= timedelta() and not overdue
    tier = policy.tier_of(level, known)
    return One(
        move,
        Clock(level, hours),
        due=due,
        overdue=overdue,
        roles=tier.roles if tier else (),
        tier=tier.code if tier else None,
        meeting=tier.meeting if tier else None,
    )
