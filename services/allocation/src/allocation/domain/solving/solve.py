"""The best assignment found in a given time, and how good it is at least."""

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

import numpy as np

from allocation.domain.solving.diving import dived
from allocation.domain.solving.exact import prove
from allocation.domain.solving.greedy import place
from allocation.domain.solving.instance import (
    NOBODY,
    Flags,
    Instance,
    NoPlacement,
    Real,
    Whole,
)
from allocation.domain.solving.lagrangian import cheapest, filled, priced, whole
from allocation.domain.solving.search import improve

PASSES = 200
"""Passes of the local search; a local optimum usually comes long before."""
NEAR = 8
"""The local search looks at each role's so many cheapest workers, prices included."""
CLOSE = 0.001
"""A gap that is not worth more work: a thousandth."""
EXACT = 20_000
"""So many pairs of role and worker CP-SAT can still make something of."""
PROVABLE = 4_000
"""So many, where an assignment is known: with more it hardly ever finds a better."""
EFFORT = 2.0
"""What CP-SAT may spend, in its own reproducible seconds."""
WORK = ((10_000, 200, 3), (EXACT, 150, 1), (sys.maxsize, 120, 1))
"""Up to so many pairs: how many rounds of knapsacks, and how many dives after them.
Up to EXACT less than ten seconds of work, for 500 workers and 10,000 roles about as
many; more dives gain hardly anything."""
MENDED = 30
"""After so many rounds of knapsacks each time what they give is made an assignment, so
that there is something where the time is up before the first dive ends; of many pairs
only if there is nothing yet, as that has never found anything better there."""
KEPT_BACK = 0.15
"""Of the time that is left, so much is for mending what a dive has not settled."""
HOPED = 0.005
"""Dives aim at so little above the bound, as a part of it."""
TABLE = 4_000_000
"""Cells of the knapsacks' tables, workers by units; beyond it they are left out."""


class By(StrEnum):
    """What found the assignment."""

    GREEDY = "greedy"
    LOCAL_SEARCH = "local_search"
    LAGRANGIAN = "lagrangian"
    EXACT = "exact"


@dataclass(frozen=True, slots=True)
class Solution:
    """An assignment in which every role is placed and nobody is overloaded.

    Attributes:
        assignment: The worker of each role, counted from 0.
        cost: What it costs.
        bound: What no assignment can cost less than.
        gap: How far the cost is above the bound, as a part of it.
        by: What found it.
    """

    assignment: tuple[int, ...]
    cost: int
    bound: int
    gap: float
    by: By


def solve(
    instance: Instance, seconds: float, seed: int, clock: Callable[[], float]
) -> Solution:
    """Place all roles together at the least cost.

    How much is tried is counted, not timed: where that fits into the time, the same
    instance and seed give the same answer. Where the time runs out first, the best so
    far is given, which depends on the machine.

    Args:
        instance: What is to be placed.
        seconds: The ceiling. A step that has begun ends first; the longest take a tenth
            of a second or so of an instance of 500 workers and 10,000 roles.
        seed: Of random choices.
        clock: Tells seconds.

    Raises:
        NoPlacement: There is none, or none was found.
    """
    _look(instance)
    if not instance.roles:
        return Solution((), 0, 0, 0.0, By.EXACT)
    search = _Search(instance, clock() + seconds, clock)
    search.price()
    search.fill()
    search.dive(seed)
    search.prove(seed)
    return search.answer()


def _look(instance: Instance) -> None:
    """Refuse what plainly has no assignment."""
    if not instance.may.any(axis=1).all():
        raise NoPlacement(proved=True)
    never = np.iinfo(np.int64).max
    least = np.where(instance.may, instance.load, never).min(axis=1, initial=never)
    if int(least.sum()) > int(instance.capacity.sum()):
        raise NoPlacement(proved=True)


class _Search:
    """The best so far, from both sides."""

    def __init__(
        self, instance: Instance, until: float, clock: Callable[[], float]
    ) -> None:
        self._instance, self._until, self._clock = instance, until, clock
        self._best: Whole | None = None
        self._cost, self._bound = math.inf, -math.inf
        self._by = By.GREEDY
        self._price: Real = np.zeros(instance.workers)
        self._prize: Real | None = None
        self._take(place(instance), By.GREEDY)

    def price(self) -> None:
        """Raise the bound by prices, and place by them twice."""
        for rounds in (60, 120):
            target = self._cost if self._best is not None else self._guess()
            for bound in priced(self._instance, target, rounds):
                self._bound, self._price = max(self._bound, bound.value), bound.at
                if self._over():
                    break
            start = place(self._instance, self._price)
            self._take(start, By.GREEDY)
            if self._over():
                return
            near = self._instance.restricted(self._near())
            self._take(improve(near, start, PASSES, self._late), By.LOCAL_SEARCH)

    def fill(self) -> None:
        """Raise the bound by knapsacks, and mend what they give now and then."""
        size = self._instance.workers * (int(self._instance.capacity.max()) + 1)
        if self._over() or size > TABLE:
            return
        rounds, _ = self._work()
        held = self._instance.candidates
        prize = (held.cost + self._price[held.worker] * held.load).min(axis=1)
        target = self._cost if self._best is not None else self._guess()
        pairs, capacity = self._instance.pairs, self._instance.capacity
        steps = filled(pairs, capacity, prize, target, rounds)
        for done, (bound, taken) in enumerate(steps, start=1):
            self._bound, self._prize = max(self._bound, bound.value), bound.at
            if done % MENDED == 0 and (self._best is None or self._small):
                self._mend(cheapest(self._instance, taken))
            if self._over():
                return

    def dive(self, seed: int) -> None:
        """Settle what knapsacks agree on, bit by bit; the first time without chance."""
        if self._prize is None or self._over():
            return
        _, dives = self._work()
        near = self._instance.restricted(self._near())
        target = min(self._cost, self._bound + HOPED * abs(self._bound))
        for at in range(dives):
            random = np.random.default_rng([seed, at]) if at else None
            mending = self._until - KEPT_BACK * (self._until - self._clock())
            over = partial(self._past, mending)
            start = dived(near, self._prize, target, random, over=over)
            self._mend(start)
            if self._over():
                return

    def prove(self, seed: int) -> None:
        """Let CP-SAT search, without what is too dear to be in any better one.

        Raises:
            NoPlacement: It proved that there is no assignment.
        """
        left = self._instance.restricted(self._worth_it())
        most = EXACT if self._best is None else PROVABLE
        if self._over() or int(left.may.sum()) > most:
            return
        seconds = self._until - self._clock()
        proof = prove(left, self._best, EFFORT, seconds, seed)
        if proof.impossible and self._best is None:
            raise NoPlacement(proved=True)
        if proof.assignment is not None:
            self._take(proof.assignment, By.EXACT)
        if proof.bound is not None:
            # Whatever was left out costs more than the best that was known.
            self._bound = max(self._bound, min(proof.bound, self._cost))

    def answer(self) -> Solution:
        """Give the best.

        Raises:
            NoPlacement: None was found.
        """
        if self._best is None:
            raise NoPlacement(proved=False)
        cost, bound = int(self._cost), min(whole(self._bound), int(self._cost))
        gap = (cost - bound) / max(abs(bound), 1)
        return Solution(tuple(self._best.tolist()), cost, bound, gap, self._by)

    def _mend(self, start: Whole) -> None:
        """Place what is with nobody, which may go to anybody, and move roles about."""
        may = self._near() | (start == NOBODY)[:, None]
        mended = improve(self._instance.restricted(may), start, PASSES, self._late)
        self._take(mended, By.LAGRANGIAN)

    def _take(self, assignment: Whole, by: By) -> None:
        """Keep an assignment that is whole and cheaper."""
        if (assignment == NOBODY).any() or not self._instance.holds(assignment):
            return
        cost = self._instance.total(assignment)
        if cost < self._cost:
            self._best, self._cost, self._by = assignment, cost, by

    def _work(self) -> tuple[int, int]:
        """Give how many rounds of knapsacks and how many dives suit the size."""
        pairs = int(self._instance.may.sum())
        return next((rounds, dives) for size, rounds, dives in WORK if pairs <= size)

    def _over(self) -> bool:
        """Tell whether nothing is to be gained, or no time is left."""
        near = self._cost - self._bound <= CLOSE * abs(self._bound)
        done = whole(self._bound) >= self._cost if self._small else near
        return bool(done) or self._late()

    @property
    def _small(self) -> bool:
        """Tell whether there are so few pairs that all are looked at."""
        return bool(self._instance.may.sum() <= EXACT)

    def _late(self) -> bool:
        """Tell whether no time is left."""
        return self._past(self._until)

    def _past(self, time: float) -> bool:
        """Tell whether it is as late as that."""
        return self._clock() >= time

    def _guess(self) -> float:
        """Guess what an assignment costs while none is known."""
        if math.isfinite(self._bound):
            return self._bound + 0.02 * abs(self._bound)
        dearest = np.where(self._instance.may, self._instance.cost, 0).max(axis=1)
        return float(dearest.sum())

    def _value(self) -> Real:
        """Give what everything costs under the prices, infinite where it may not be."""
        dear = self._instance.cost + self._price * self._instance.load
        return np.where(self._instance.may, dear, np.inf)

    def _near(self) -> Flags:
        """Point out each role's cheapest workers, where looking at all takes long."""
        if self._small:
            return self._instance.may.copy()
        value = self._value()
        last = min(NEAR, self._instance.workers) - 1
        near: Flags = value <= np.partition(value, last, axis=1)[:, [last]]
        return near

    def _worth_it(self) -> Flags:
        """Point out what may be part of an assignment cheaper than the best known.

        Giving a role to a dearer worker costs at least the difference under the prices.
        """
        value = self._value()
        dearer = value - value.min(axis=1, keepdims=True)
        base = value.min(axis=1).sum() - self._price @ self._instance.capacity
        spare = self._cost - base
        worth: Flags = dearer <= spare + 1e-6 * (1 + abs(base))
        return worth
