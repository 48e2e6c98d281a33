"""All roles together: never an overload, never a bound above the cost."""

import itertools
import json
import subprocess
import sys
import time

import numpy as np
import pytest
from allocation.domain.solving.diving import dived
from allocation.domain.solving.instance import NOBODY, Instance, NoPlacement
from allocation.domain.solving.lagrangian import filled, priced, whole
from allocation.domain.solving.reading import BadInstance, orlib, plain
from allocation.domain.solving.solve import By, Solution, solve
from hypothesis import given, settings
from hypothesis import strategies as st

# In OR-Library's format, of our own: a problem of two workers and three roles, and one
# of three and four.
ORLIB = """
 2
 2 3
 4 1 9   2 6 3
 3 5 2   4 2 2
 5 4
 3 4
 11 7 3 8  5 9 6 2  8 4 4 7
 4 2 5 3   2 6 4 4  3 3 2 5
 7 6 5
"""

# The first problem of OR-Library's gap1 (c515-1): 5 agents, 15 jobs. Published there:
# its optimum is 336, as a maximisation problem (J. E. Beasley, gapinfo.html).
C515_1 = """
1
5 15
17 21 22 18 24 15 20 18 19 18 16 22 24 24 16
23 16 21 16 17 16 19 25 18 21 17 15 25 17 24
16 20 16 25 24 16 17 19 19 18 20 16 17 21 24
19 19 22 22 20 16 19 17 21 19 25 23 25 25 25
18 19 15 15 21 25 16 16 23 15 22 17 19 22 24
8 15 14 23 8 16 8 25 9 17 25 15 10 8 24
15 7 23 22 11 11 12 10 17 16 7 16 10 18 22
21 20 6 22 24 10 24 9 21 14 11 14 11 19 16
20 11 8 14 9 5 6 19 19 7 6 6 13 9 18
8 13 13 13 10 20 25 16 16 17 10 10 5 12 23
36 34 38 27 33
"""


def instance(capacity: list[int], load: list, cost: list) -> Instance:
    told = {"capacity": capacity, "load": load, "cost": cost}
    return plain(json.dumps(told))


def literature(kind: str, workers: int, roles: int, seed: int) -> Instance:
    """Types C and D of Chu and Beasley (1997)."""
    random = np.random.default_rng(seed)
    if kind == "C":
        load = random.integers(5, 26, (workers, roles))
        cost = random.integers(10, 51, (workers, roles))
    else:
        load = random.integers(1, 101, (workers, roles))
        cost = 111 - load + random.integers(-10, 11, (workers, roles))
    capacity = 0.8 * load.sum(axis=1) / workers
    return instance(capacity.astype(int).tolist(), load.tolist(), cost.tolist())


def solved(given: Instance, seconds: float = 60, seed: int = 1) -> Solution:
    return solve(given, seconds, seed, time.monotonic)


def checked(given: Instance, solution: Solution) -> Solution:
    """Look a solution over by other means than the engine's own."""
    used = [0] * given.workers
    cost = 0
    for role, worker in enumerate(solution.assignment):
        assert given.may[role, worker]
        used[worker] += int(given.load[role, worker])
        cost += int(given.cost[role, worker])
    assert len(solution.assignment) == given.roles
    assert all(u <= c for u, c in zip(used, given.capacity.tolist(), strict=True))
    assert solution.cost == cost
    assert solution.bound <= solution.cost
    assert solution.gap >= 0
    return solution


def cheapest(given: Instance) -> int | None:
    """Try every assignment there is."""
    costs = [
        given.total(np.array(each, dtype=np.int64))
        for each in itertools.product(range(given.workers), repeat=given.roles)
        if given.holds(np.array(each, dtype=np.int64))
    ]
    return min(costs, default=None)


@st.composite
def instances(draw: st.DrawFn, workers: int, roles: int) -> Instance:
    m, n = draw(st.integers(1, workers)), draw(st.integers(0, roles))

    def table(low: int, high: int) -> list[list[int | None]]:
        entry = st.one_of(st.integers(low, high), st.none())
        row = st.lists(entry, min_size=n, max_size=n)
        return draw(st.lists(row, min_size=m, max_size=m))

    capacity = draw(st.lists(st.integers(0, 12), min_size=m, max_size=m))
    return instance(capacity, table(0, 6), table(-9, 9))


@settings(max_examples=40, deadline=None)
@given(instances(workers=3, roles=5))
def test_a_small_instance_is_solved_as_by_trying_everything(given: Instance) -> None:
    least = cheapest(given)

    if least is None:
        with pytest.raises(NoPlacement) as none:
            solved(given)
        assert none.value.proved
    else:
        solution = checked(given, solved(given))
        assert (solution.cost, solution.bound) == (least, least)


@settings(max_examples=30, deadline=None)
@given(instances(workers=3, roles=5), st.integers(1, 40))
def test_no_relaxation_is_above_the_cheapest(given: Instance, rounds: int) -> None:
    least = cheapest(given)
    if least is None or not given.roles:
        return

    bounds = [bound.value for bound in priced(given, least, rounds)]
    start = np.zeros(given.roles)
    pairs, capacity = given.pairs, given.capacity
    filling = filled(pairs, capacity, start, least, rounds)
    bounds += [bound.value for bound, _ in filling]

    assert all(whole(bound) <= least for bound in bounds)


@settings(max_examples=60, deadline=None)
@given(instances(workers=3, roles=6), st.lists(st.integers(-9, 20), min_size=6))
def test_every_worker_is_filled_as_by_trying_everything(
    given: Instance, prizes: list[int]
) -> None:
    prize = np.array(prizes[: given.roles], dtype=float)

    def most(worker: int) -> float:
        may = np.flatnonzero(given.may[:, worker])
        gain, load = prize[may] - given.cost[may, worker], given.load[may, worker]
        every = itertools.product((False, True), repeat=len(may))
        sets = [np.array(each, dtype=bool) for each in every]
        fits = [e for e in sets if load[e].sum() <= given.capacity[worker]]
        return max(float(gain[each].sum()) for each in fits)

    bound, taken = next(filled(given.pairs, given.capacity, prize, 0, 1))

    worth = sum(most(each) for each in range(given.workers))
    assert bound.value == pytest.approx(prize.sum() - worth)
    pairs = given.pairs.those(taken)
    assert (prize[pairs.role] - pairs.cost).sum() == pytest.approx(worth)
    used = np.bincount(pairs.worker, pairs.load, given.workers)
    assert (used <= given.capacity).all()


@settings(max_examples=40, deadline=None)
@given(instances(workers=4, roles=8), st.integers(0, 20), st.none() | st.integers(0, 9))
def test_a_dive_leaves_out_only_what_finds_no_room(
    given: Instance, prize: int, seed: int | None
) -> None:
    random = None if seed is None else np.random.default_rng(seed)
    prizes = np.full(given.roles, float(prize))
    held = dived(given, prizes, 50, random, over=lambda: False)

    room = given.room(held)
    assert (room >= 0).all()
    for role, worker in enumerate(held.tolist()):
        if worker == NOBODY:
            assert not (given.may[role] & (given.load[role] <= room)).any()
        else:
            assert given.may[role, worker]


def test_a_dive_that_must_end_gives_what_is_settled() -> None:
    given = literature("D", 5, 20, seed=3)
    looks = itertools.count()

    prizes, over = np.full(20, 100.0), lambda: next(looks) == 2
    held = dived(given, prizes, 2_000, None, over=over)

    assert 0 < (held != NOBODY).sum() < 20
    assert (given.room(held) >= 0).all()


def test_dense_roles_end_within_a_hundredth_of_the_bound() -> None:
    # Shifts and swaps alone end at more than two.
    given = literature("D", 20, 100, seed=3)

    found = solve(given, 10, 1, time.process_time)  # Whatever runs beside it.

    assert checked(given, found).gap < 0.01


@settings(max_examples=10, deadline=None)
@given(st.sampled_from("CD"), st.sampled_from([3, 6]), st.integers(0, 10**6))
def test_whatever_comes_of_the_time_nobody_is_overloaded(
    kind: str, workers: int, seed: int
) -> None:
    given = literature(kind, workers, 30, seed)

    # Time that runs out after so many looks at the clock, wherever that is.
    for looks in (1, 4, 20):
        ticks = itertools.count()
        try:
            found = solve(given, looks, seed, lambda ticks=ticks: float(next(ticks)))
        except NoPlacement as none:
            proved = none.proved
        else:
            checked(given, found)
            proved = False
        assert not proved


@pytest.mark.parametrize("kind", ["C", "D"])
def test_the_same_instance_and_seed_give_the_same_answer(kind: str) -> None:
    given = literature(kind, 3, 15, seed=7)

    first = checked(given, solved(given))

    assert solved(given) == first
    assert first.gap == 0


def test_what_greedy_cannot_place_is_placed() -> None:
    # Role 0 is dear to place later, and takes the only room that role 1 can have.
    tight = instance([2, 2], [[1, 2], [2, None]], [[1, 1], [50, None]])

    assert checked(tight, solved(tight)).assignment == (1, 0)


@pytest.mark.parametrize(
    ("capacity", "load"),
    [
        ([1, 1], [[None], [None]]),
        ([1, 1], [[2], [2]]),
        ([1, 1], [[1, 1, 1], [1, 1, 1]]),
        # Each fits by itself, and all by their sum, but not together.
        ([3, 3], [[2, 2, 2], [2, 2, 2]]),
    ],
)
def test_that_there_is_none_is_proved(capacity: list[int], load: list) -> None:
    with pytest.raises(NoPlacement) as none:
        solved(instance(capacity, load, load))

    assert none.value.proved


def test_no_roles_cost_nothing() -> None:
    nothing = Solution((), 0, 0, 0.0, By.EXACT)

    assert solved(instance([1], [[]], [[]])) == nothing


@pytest.mark.parametrize("number", [1, 2])
def test_a_problem_of_or_library_is_read_and_solved(number: int) -> None:
    given = orlib(ORLIB, number)

    solution = checked(given, solved(given))

    assert solution.cost == cheapest(given) == {1: 13, 2: 14}[number]


def test_the_published_optimum_of_a_benchmark_is_found_and_proved() -> None:
    given = orlib(C515_1).turned()

    solution = checked(given, solved(given))

    assert -solution.cost == -solution.bound == 336


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "ends too early"),
        ("1 2 3 4", "ends too early"),
        ("1 2 x", "no whole number"),
        ("1 0 3", "cannot have 0 workers"),
        ("1 100000 100000", "cannot have"),
        ("1 1 1 1 1 -1", "capacity is negative"),
        ("1 1 1 1 -1 1", "load is negative"),
        ("1 1 1 1 1 9999999999", "beyond"),
        ("0", "has 0 problems"),
    ],
)
def test_a_file_that_is_none_of_or_librarys_is_refused(text: str, said: str) -> None:
    with pytest.raises(BadInstance, match=said):
        orlib(text)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("{", "no JSON"),
        ("[]", "object of capacity"),
        ('{"capacity": [1], "load": [[1]]}', "object of capacity"),
        ('{"capacity": [], "load": [], "cost": []}', "at least one number"),
        ('{"capacity": [null], "load": [[1]], "cost": [[1]]}', "may not be null"),
        ('{"capacity": [1.5], "load": [[1]], "cost": [[1]]}', "no whole number"),
        ('{"capacity": [true], "load": [[1]], "cost": [[1]]}', "no whole number"),
        ('{"capacity": [-1], "load": [[1]], "cost": [[1]]}', "capacity is negative"),
        ('{"capacity": [1], "load": [[-1]], "cost": [[1]]}', "load is negative"),
        ('{"capacity": [1], "load": [[1e9]], "cost": [[1]]}', "no whole number"),
        ('{"capacity": [1], "load": [[1]], "cost": [[9999999999]]}', "beyond"),
        ('{"capacity": [1], "load": [1], "cost": [[1]]}', "rows of one length"),
        ('{"capacity": [1, 1], "load": [[1]], "cost": [[1]]}', "for each of 2"),
        ('{"capacity": [1], "load": [[1, 1]], "cost": [[1]]}', "different numbers"),
    ],
)
def test_a_plain_file_that_is_wrong_is_refused(told: str, said: str) -> None:
    with pytest.raises(BadInstance, match=said):
        plain(told)


def test_the_service_starts_without_the_solver() -> None:
    loaded = "import allocation.app, sys; print({'ortools', 'numpy'} & {*sys.modules})"

    told = subprocess.run(  # A process of its own: others may have loaded them here.
        [sys.executable, "-c", loaded], capture_output=True, text=True, check=True
    )

    assert told.stdout == "set()\n"
