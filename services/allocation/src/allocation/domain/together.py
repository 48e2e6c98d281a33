"""All open roles together: who would best be asked for each, were all asked anew.

What one role after the other is given to whoever is best at that moment wastes what a
later one needs. Roles that somebody has are left alone.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import combinations
from typing import Any

from allocation.domain.choosing import Weighing, tests
from allocation.domain.directory import Worker
from allocation.domain.need import Need
from allocation.domain.policy import Policy, outreach

WISH = 1000
"""What a unit of a wish's weight counts against one of whatever else speaks: nothing
else outweighs a wish, as the weights of all else come to less."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is to be solved, and what its numbers stand for.

    Attributes:
        needs: The roles.
        worker_ids: The workers, and at the end nobody, who may take every role.
        walls: Their compartments; none: they have none.
        capacity: Room, by worker.
        load: Points, by worker and role; none: they may not take it.
        cost: What speaks against each, by worker and role.
    """

    needs: tuple[Need, ...]
    worker_ids: tuple[str | None, ...]
    walls: tuple[str | None, ...]
    capacity: tuple[int, ...]
    load: tuple[tuple[int | None, ...], ...]
    cost: tuple[tuple[int | None, ...], ...]

    def document(self) -> dict[str, Any]:
        """Give it as ``accord allocation solve`` reads it."""
        return {
            "capacity": self.capacity,
            "load": self.load,
            "cost": self.cost,
        }


def problem_of(
    workers: Sequence[Worker], needs: Sequence[Need], policy: Policy, at: datetime
) -> Problem:
    """Put open roles and workers into numbers.

    Places that workers hold for these roles are counted as free. Nobody may take every
    role, at a cost beyond all others, so that there is always an answer.

    Args:
        workers: Who is there.
        needs: The open roles.
        policy: How much each wish counts, and whatever else speaks for somebody.
        at: The present.
    """
    free = [_without_offers(each, needs) for each in workers]
    columns = [[*_against(each, free, policy, at), NOBODY] for each in needs]
    room = [max(0, each.capacity_at(at) - each.load) for each in free]
    load = [
        [None if cost is None else need.points for cost in column]
        for need, column in zip(needs, columns, strict=True)
    ]
    return Problem(
        needs=tuple(needs),
        worker_ids=(*(each.id for each in free), None),
        walls=(*(each.wall for each in free), None),
        capacity=(*room, sum(each.points for each in needs)),
        load=tuple(zip(*load, strict=True)),
        cost=tuple(zip(*columns, strict=True)),
    )


NOBODY = 10_000_000
"""What it costs that nobody is asked: more than any wishes."""


def _without_offers(worker: Worker, needs: Sequence[Need]) -> Worker:
    for each in needs:
        worker = worker.release(each.allocation_id)
    return worker


def _against(
    need: Need, workers: Sequence[Worker], policy: Policy, at: datetime
) -> list[int | None]:
    """Say how much speaks against each worker; nothing if they may not take it."""
    weigh = Weighing(need, policy, at)
    asked = tests(need.wishes)
    most = sum(policy.soft.values())
    found = list[int | None]()
    for worker in workers:
        if need.bars(worker.id) or worker.why_not(need, at) is not None:
            found.append(None)
            continue
        missed = sum(
            policy.weights[wish] for wish, meets in asked.items() if not meets(worker)
        )
        else_ = round((most - weigh(worker)) * WISH / (most + 1))
        found.append(missed * WISH + max(0, else_))
    return found


@dataclass(frozen=True, slots=True)
class Clash:
    """Two roles on the two sides of a case that would go to one worker or compartment.

    Attributes:
        first: The column of the one that comes first: at a higher level, or older.
        second: The column of the other.
        row: Whom the first would go to: the other would to the same, or one of theirs.
    """

    first: int
    second: int
    row: int


def both_sides(needs: Sequence[Need]) -> list[tuple[int, int]]:
    """Give the columns of roles that are on the two sides of one case, in order."""
    cases = defaultdict[str, list[int]](list)
    for column, need in enumerate(needs):
        cases[need.case_id].append(column)
    return [
        (first, second)
        for columns in cases.values()
        for first, second in combinations(columns, 2)
        if outreach(needs[first].role) != outreach(needs[second].role)
    ]


def clashes(problem: Problem, assignment: Sequence[int]) -> list[Clash]:
    """Give what nobody may be given together, though each alone might be.

    The solver places each role by itself and knows nothing of the sides of a case.
    """
    return [
        Clash(first, second, assignment[first])
        for first, second in both_sides(problem.needs)
        if assignment[second] in _one_with(problem, assignment[first])
    ]


def apart(problem: Problem, found: Sequence[Clash]) -> Problem:
    """Forbid one role of each clash to whoever both would go to, and all of theirs.

    It is the second, unless nobody else may take it and somebody else may the first.
    """
    load, cost = [list(e) for e in problem.load], [list(e) for e in problem.cost]
    nobody = len(problem.worker_ids) - 1
    for each in found:
        theirs = set(_one_with(problem, each.row))
        others = [row for row in range(nobody) if row not in theirs]
        free = {
            column: any(cost[row][column] is not None for row in others)
            for column in (each.first, each.second)
        }
        only_first = free[each.first] and not free[each.second]
        column = each.first if only_first else each.second
        for row in theirs:
            load[row][column] = cost[row][column] = None
    return replace(problem, load=tuple(map(tuple, load)), cost=tuple(map(tuple, cost)))


def _one_with(problem: Problem, row: int) -> Collection[int]:
    """Give the rows of a worker and of all in their compartment; of nobody, none."""
    if problem.worker_ids[row] is None:
        return ()
    wall = problem.walls[row]
    if wall is None:
        return (row,)
    return [each for each, other in enumerate(problem.walls) if other == wall]


@dataclass(frozen=True, slots=True)
class Move:
    """A role that somebody else would better be asked for.

    Attributes:
        from_id: Who is asked now; none: nobody.
        to_id: Who would be.
    """

    allocation_id: str
    from_id: str | None
    to_id: str


def moves_of(
    problem: Problem, assignment: Sequence[int], asked: Mapping[str, str | None]
) -> list[Move]:
    """Give what would change, were everybody asked who was found.

    Args:
        problem: What was solved.
        assignment: The column of each row.
        asked: Who is asked now, by role.
    """
    found = list[Move]()
    for need, column in zip(problem.needs, assignment, strict=True):
        to_id, from_id = problem.worker_ids[column], asked.get(need.allocation_id)
        if to_id is not None and to_id != from_id:
            found.append(Move(need.allocation_id, from_id, to_id))
    return found


def standing_of(problem: Problem, asked: Mapping[str, str | None]) -> tuple[int, ...]:
    """Give the row of whoever is asked now for each role.

    Whoever is asked and may not take it counts as nobody.

    Args:
        problem: What is to be solved.
        asked: Who is asked now, by role.
    """
    rows = {each: number for number, each in enumerate(problem.worker_ids)}
    nobody = len(problem.worker_ids) - 1
    found = [rows.get(asked.get(e.allocation_id), nobody) for e in problem.needs]
    return tuple(
        nobody if problem.cost[row][column] is None else row
        for column, row in enumerate(found)
    )


def cost_of(problem: Problem, assignment: Sequence[int]) -> int:
    """Say what speaks against an assignment, as the solver counts."""
    costs = (problem.cost[row][column] for column, row in enumerate(assignment))
    return sum(NOBODY if each is None else each for each in costs)


def left_standing(
    problem: Problem, assignment: Sequence[int], standing: Sequence[int]
) -> tuple[int, ...]:
    """Leave every role of a case in which something clashes with whoever is asked now.

    Args:
        problem: What was solved.
        assignment: What was found.
        standing: Who is asked now.
    """
    found = clashes(problem, assignment)
    cases = {problem.needs[each.first].case_id for each in found}
    return tuple(
        before if need.case_id in cases else row
        for need, row, before in zip(problem.needs, assignment, standing, strict=True)
    )


def least_cost(problem: Problem) -> int:
    """Say what would speak against all, were there room for everybody's best."""
    columns = zip(*problem.cost, strict=True)
    return sum(min(e for e in column if e is not None) for column in columns)
