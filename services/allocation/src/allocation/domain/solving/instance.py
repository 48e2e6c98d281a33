"""What is to be solved: workers' capacities, and what each role would take and cost."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Whole = NDArray[np.int64]
Real = NDArray[np.float64]
Flags = NDArray[np.bool_]

NOBODY = -1
"""In an assignment: the role is with nobody yet."""


class NoPlacement(Exception):
    """Nothing places every role within all capacities, or nothing was found.

    Attributes:
        proved: Whether there is none, or only none was found.
    """

    def __init__(self, *, proved: bool) -> None:
        self.proved = proved
        super().__init__(
            "There is no assignment: proved."
            if proved
            else "No assignment was found; that there is none is not proved."
        )


@dataclass(frozen=True, eq=False)
class Instance:
    """Capacities of workers, and a row for each role of what every worker would mean.

    Attributes:
        capacity: By worker.
        load: Role by worker; 0 where the worker may not take the role.
        cost: Role by worker; 0 where the worker may not take the role.
        may: Role by worker: whether they may, and would alone have room for it.
    """

    capacity: Whole
    load: Whole
    cost: Whole
    may: Flags

    @property
    def roles(self) -> int:
        """How many roles there are."""
        return int(self.may.shape[0])

    @property
    def workers(self) -> int:
        """How many workers there are."""
        return int(self.may.shape[1])

    @cached_property
    def candidates(self) -> "Candidates":
        """Each role's workers side by side, as vectors need them."""
        return Candidates.of(self)

    @cached_property
    def pairs(self) -> "Pairs":
        """Every role beside every worker who may take it, by worker."""
        worker, role = np.nonzero(self.may.T)
        load, cost = self.load[role, worker], self.cost[role, worker]
        return Pairs(role, worker, load, cost.astype(float))

    def total(self, assignment: Whole) -> int:
        """Add up the cost of an assignment in which every role is with somebody."""
        return int(self.cost[np.arange(self.roles), assignment].sum())

    def room(self, assignment: Whole) -> Whole:
        """Give what is left of each capacity; negative where a worker is overloaded."""
        (held,) = np.nonzero(assignment != NOBODY)
        with_ = assignment[held]
        room = self.capacity.copy()
        np.subtract.at(room, with_, self.load[held, with_])
        return room

    def holds(self, assignment: Whole) -> bool:
        """Tell whether every role is with somebody who may, within all capacities."""
        if (assignment == NOBODY).any():
            return False
        allowed: Any = self.may[np.arange(self.roles), assignment]
        return bool(allowed.all() and (self.room(assignment) >= 0).all())

    def turned(self) -> "Instance":
        """Give the same with costs negated: the least of it is the most of this."""
        return replace(self, cost=-self.cost)

    def restricted(self, may: Flags) -> "Instance":
        """Give the same with fewer candidates."""
        return Instance(self.capacity, self.load, self.cost, self.may & may)


class Pairs(NamedTuple):
    """A role and a worker who may take it, what that loads and what it costs."""

    role: Whole
    worker: Whole
    load: Whole
    cost: Real

    def those(self, which: Flags) -> "Pairs":
        """Give some of them."""
        role, worker, load, cost = self
        return Pairs(role[which], worker[which], load[which], cost[which])


@dataclass(frozen=True, eq=False)
class Candidates:
    """Each role's candidates in a row, padded to the longest row.

    Attributes:
        worker: Which worker; padding names the first, and `cost` says never.
        load: What the role takes of their capacity.
        cost: What it costs; infinite in padding.
    """

    worker: NDArray[np.intp]
    load: Real
    cost: Real

    @classmethod
    def of(cls, instance: Instance) -> "Candidates":
        """Collect them."""
        count = instance.may.sum(axis=1)
        longest = int(count.max(initial=1))
        role, worker = np.nonzero(instance.may)
        first = np.cumsum(count) - count
        place = np.arange(len(role)) - first[role]
        shape = (instance.roles, longest)
        workers = np.zeros(shape, dtype=np.intp)
        loads, costs = np.zeros(shape), np.full(shape, np.inf)
        workers[role, place] = worker
        loads[role, place] = instance.load[role, worker]
        costs[role, place] = instance.cost[role, worker]
        return cls(workers, loads, costs)
