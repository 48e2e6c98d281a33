"""All open roles together: who would best be asked for each, were all asked anew.

What one role after the other is given to whoever is best at that moment wastes what a
later one needs. Roles that somebody has are left alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from allocation.domain.choosing import Weighing, tests
from allocation.domain.directory import Worker
from allocation.domain.need import Need
from allocation.domain.policy import Policy

WISH = 1000
"""What a unit of a wish's weight counts against one of whatever else speaks: nothing
else outweighs a wish, as the weights of all else come to less."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is to be solved, and what its numbers stand for.

    Attributes:
        needs: The roles.
        worker_ids: The workers, and at the end nobody, who may take every role.
        capacity: Room, by worker.
        load: Points, by worker and role; none: they may not take it.
        cost: What speaks against each, by worker and role.
    """

    needs: tuple[Need, ...]
    worker_ids: tuple[str | None, ...]
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


def standing_cost(problem: Problem, asked: Mapping[str, str | None]) -> int:
    """Say what speaks against whoever is asked now, as the solver counts.

    Whoever is asked and may not take it counts as nobody.

    Args:
        problem: What is to be solved.
        asked: Who is asked now, by role.
    """
    rows = {each: number for number, each in enumerate(problem.worker_ids)}
    total = 0
    for column, need in enumerate(problem.needs):
        row = rows.get(asked.get(need.allocation_id), -1)
        cost = problem.cost[row][column]
        total += NOBODY if cost is None else cost
    return total


def least_cost(problem: Problem) -> int:
    """Say what would speak against all, were there room for everybody's best."""
    columns = zip(*problem.cost, strict=True)
    return sum(min(e for e in column if e is not None) for column in columns)
