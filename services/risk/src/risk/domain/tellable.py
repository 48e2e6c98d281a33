"""What may be told of a simulation: no small cell, and nothing that gives one away."""

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from accord_contracts.allocation import Role
from accord_contracts.cells import LEAST_CELL, few, rounded, shown
from accord_contracts.risk import RiskLevel

from risk.domain.shadow import Move
from risk.domain.simulation import ALL, Group, Report, Tally

MOVES = tuple(itertools.product(RiskLevel, RiskLevel))


class Names(NamedTuple):
    """The tiers and meetings of which anything is told: those with enough cases."""

    tiers: tuple[str, ...] = ()
    meetings: tuple[str, ...] = ()

    @classmethod
    def of(cls, report: Report) -> "Names":
        """Name those in which some version has as many cases as may be told."""
        wholes = [each.get(ALL, Tally()) for each in report.values()]
        tiers = {
            code: _most(each.tiers[code] for each in wholes)
            for whole in wholes
            for code in whole.tiers
        }
        meetings = {
            code: _most(each.at_meeting(code) for each in wholes)
            for whole in wholes
            for code, _ in whole.meetings
        }
        return cls(_enough(tiers), _enough(meetings))


def _most(counts: Iterable[int]) -> int:
    return max(counts, default=0)


def _enough(sizes: Mapping[str, int]) -> tuple[str, ...]:
    return tuple(sorted(code for code, size in sizes.items() if size >= LEAST_CELL))


@dataclass(frozen=True)
class Told:
    """What may be told of what a version makes of one group.

    Sums beside the moves are told in tens, so that they betray no cell.

    Attributes:
        moves: How many are held at the first level, and found at the second; none: too
            few to tell, or left out with such.
        tiers: How many are in each tier.
        meetings: How many each meeting has before it in a week by that.
    """

    cases: int
    moves: Mapping[Move, int | None]
    reassessments_a_week: int
    due: int
    overdue: int
    roles: Mapping[str, int]
    tiers: Mapping[str, int]
    meetings: Mapping[str, int]

    @classmethod
    def of(cls, tally: Tally, out: frozenset[Move], names: Names) -> "Told":
        """Give what may be told where these moves may not."""
        return cls(
            cases=tally.cases,
            moves={e: None if e in out else tally.moves[e] for e in MOVES},
            reassessments_a_week=rounded(tally.reassessments_a_week),
            due=rounded(tally.due),
            overdue=rounded(tally.overdue),
            # Of every role: were those of nobody left out, a nought would be a few.
            roles={str(role): rounded(tally.roles[role]) for role in sorted(Role)},
            tiers={code: rounded(tally.tiers[code]) for code in names.tiers},
            meetings={
                code: rounded(tally.meeting_a_week(code)) for code in names.meetings
            },
        )

    @property
    def found(self) -> Mapping[RiskLevel, int | None]:
        """How many are found at each level."""
        return {
            level: self._sum(e for e in MOVES if e[1] is level) for level in RiskLevel
        }

    @property
    def higher(self) -> int | None:
        """How many would rise at their next weighing."""
        return self._sum(e for e in MOVES if e[1].rank > e[0].rank)

    @property
    def lower(self) -> int | None:
        """How many would be found lower, and stay until that is proved."""
        return self._sum(e for e in MOVES if e[1].rank < e[0].rank)

    def _sum(self, moves: Iterable[Move]) -> int | None:
        """Add up what is told; none, if some of it is left out."""
        known = [self.moves[each] for each in moves]
        told = [each for each in known if each is not None]
        return sum(told) if len(told) == len(known) else None


Tellable = Mapping[str, Mapping[Group, Told]]
"""By version, by group."""


def tellable(report: Report) -> Tellable:
    """Leave out of a report what could betray somebody: all of it, if they are few."""
    names = Names.of(report)
    return {version: _told(tallies, names) for version, tallies in report.items()}


def _told(tallies: Mapping[Group, Tally], names: Names) -> dict[Group, Told]:
    whole = tallies.get(ALL, Tally())
    if whole.cases < LEAST_CELL:
        return {}
    of_all = few_moves([whole.moves])
    told = {ALL: Told.of(whole, of_all, names)}
    for dimension in sorted({each[0] for each in tallies} - {ALL[0]}):
        sizes = {e: each.cases for e, each in tallies.items() if e[0] == dimension}
        groups = shown(sizes, whole.cases)
        rest = Counter(whole.moves)
        for each in groups:
            rest.subtract(tallies[each].moves)
        out = few_moves([*(tallies[each].moves for each in groups), rest], of_all)
        told |= {each: Told.of(tallies[each], out, names) for each in sorted(groups)}
    return told


def tellable_moves(counts: Mapping[Move, int]) -> dict[Move, int | None]:
    """Give how many move so, where that may be told; all of it, if they are few."""
    moves = Counter(dict(counts))
    out = few_moves([moves])
    if moves.total() < LEAST_CELL:
        out = frozenset(MOVES)
    return {each: None if each in out else moves[each] for each in MOVES}


def few_moves(
    rows: Sequence[Counter[Move]], hidden: frozenset[Move] = frozenset()
) -> frozenset[Move]:
    """Give the moves to be left out of each of these, which make up the whole.

    How many are held at a level is the same whatever version finds what of them: so all
    from a level are left out where they are few, and of the rest, level by level, what
    is left out is no small cell either. That nobody moves so is told.
    """
    there = {each for each in MOVES if any(row[each] for row in rows)}
    out = frozenset(e for e in RiskLevel if hidden.issuperset(there & {*_from(e)}))
    held = [{was: sum(e[m] for m in _from(was)) for was in RiskLevel} for e in rows]
    levels = few(held, out)
    found = {each for was in levels for each in _from(was)}
    for was in (each for each in RiskLevel if each not in levels):
        moves = _from(was)
        cells = [{each: row[each] for each in moves} for row in rows]
        found |= few(cells, hidden & {*moves})
    return frozenset(found & there)


def _from(level: RiskLevel) -> list[Move]:
    return [each for each in MOVES if each[0] is level]
