"""Bounds from below: what no assignment can cost less than.

Two relaxations. With a price on capacities instead of capacities, every role goes to
its cheapest worker: quick, and as good as the linear relaxation. With a prize on roles
instead of "exactly one worker", every worker fills a knapsack: dearer, and stronger
where a worker has few roles (Fisher, Jaikumar and Van Wassenhove 1986).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from allocation.domain.solving.instance import (
    NOBODY,
    Instance,
    Pairs,
    Real,
    Whole,
)

Places = NDArray[np.int64]

PRICES_PATIENCE, PRIZES_PATIENCE = 20, 10
"""Steps without a better bound after which they are halved."""
SLOWEST = 1e-4
"""Of a step at first; smaller ones gain nothing."""
SMOOTHING = 0.7
"""How much of the last direction is kept: plain subgradients zigzag."""


@dataclass(frozen=True, eq=False)
class Bound:
    """A bound, and the multipliers that prove it."""

    value: float
    at: Real


def whole(value: float) -> int:
    """Round a bound up, since costs are whole, with room for the error of floats."""
    return math.ceil(value - 1e-6 - 1e-9 * abs(value))


def _distance(bound: float, target: float) -> float:
    """Say how far a bound may still rise; a guess that it has passed is no guide."""
    return max(target - bound, 0.005 * abs(bound), 1e-6)


def priced(instance: Instance, target: float, rounds: int) -> Iterator[Bound]:
    """Price capacities by subgradients; give each better bound with its prices.

    Args:
        instance: What is to be placed; every role has a candidate.
        target: What an assignment costs, or a guess of it.
        rounds: How many steps at most.
    """
    held, capacity = instance.candidates, instance.capacity.astype(float)
    role = np.arange(instance.roles)
    price = np.zeros(instance.workers)
    direction = np.zeros(instance.workers)
    best, best_price, pace, stale = -math.inf, price, 1.0, 0
    for _ in range(rounds):
        value = held.cost + price[held.worker] * held.load
        cheapest = value.argmin(axis=1)
        bound = float(value[role, cheapest].sum() - price @ capacity)
        with_ = held.worker[role, cheapest]
        excess = (
            np.bincount(with_, held.load[role, cheapest], instance.workers) - capacity
        )
        if bound > best:
            best, best_price, stale = bound, price, 0
            yield Bound(best, best_price)
        else:
            stale += 1
        if stale >= PRICES_PATIENCE:
            pace, stale, price = pace / 2, 0, best_price
            direction = np.zeros(instance.workers)
            if pace < SLOWEST:
                return
            continue
        direction = SMOOTHING * direction + (1 - SMOOTHING) * excess
        length = float(direction @ direction)
        if length == 0:
            return
        step = pace * _distance(bound, target) / length
        price = np.maximum(price + step * direction, 0)


def filled(
    pairs: Pairs,
    capacity: Whole,
    start: Real,
    target: float,
    rounds: int,
    *,
    pace: float = 1.0,
) -> Iterator[tuple[Bound, Places]]:
    """Prize roles by subgradients; give each round's best bound and what was taken.

    What is taken overloads nobody, so that little is missing to an assignment, but
    roles are taken by several workers or by none.

    Args:
        pairs: What is to be placed; every role has a candidate.
        capacity: By worker.
        start: The prizes to begin with: what each role costs under good prices.
        target: What an assignment costs, or a guess of it.
        rounds: How many steps at most.
        pace: How long steps are at first.
    """
    prize, roles = start.astype(float), len(start)
    best, direction, stale = Bound(-math.inf, prize), np.zeros(roles), 0
    for _ in range(rounds):
        worth, taken = _knapsacks(pairs, capacity, prize[pairs.role] - pairs.cost)
        bound = float(prize.sum() - worth)
        if bound > best.value:
            best, stale = Bound(bound, prize), 0
        else:
            stale += 1
        yield best, taken
        if stale >= PRIZES_PATIENCE:
            pace, stale, prize = pace / 2, 0, best.at
            direction = np.zeros(roles)
            continue
        times = np.bincount(pairs.role[taken], minlength=roles)
        direction = SMOOTHING * direction + (1 - SMOOTHING) * (1.0 - times)
        length = float(direction @ direction)
        if length == 0:
            return
        step = pace * _distance(bound, target) / length
        prize = prize + step * direction


def cheapest(instance: Instance, taken: Places) -> Whole:
    """Leave each role with the cheapest of the workers that took it, or `NOBODY`."""
    pairs = instance.pairs
    dearest_first = taken[np.argsort(-pairs.cost[taken], kind="stable")]
    assignment = np.full(instance.roles, NOBODY)
    assignment[pairs.role[dearest_first]] = pairs.worker[dearest_first]
    return assignment


def _knapsacks(pairs: Pairs, capacity: Whole, gain: Real) -> tuple[float, Places]:
    """Fill every worker with the roles that gain most together, all workers at once.

    What is gained by weight alone (Dantzig 1957) leaves a few roles in doubt: those
    that no better filling can do without are in, those that it cannot afford are
    out, and dynamic programming decides the rest.

    Returns:
        What is gained, and which of the pairs are taken.
    """
    everyone = np.arange(len(capacity))
    (pair,) = np.nonzero(gain > 0)
    with np.errstate(divide="ignore"):
        ratio = gain[pair] / pairs.load[pair]
    pair = pair[np.lexsort((-ratio, pairs.worker[pair]))]
    pair_at = _columns(pairs.worker[pair], pair, len(capacity))
    real = pair_at >= 0
    load = np.where(real, pairs.load[pair_at], 0)
    worth = np.where(real, gain[pair_at], 0.0)
    left, least = capacity.copy(), np.zeros(len(capacity))
    for loads, worths in zip(load, worth, strict=True):
        fits = loads <= left
        left -= np.where(fits, loads, 0)
        least += np.where(fits, worths, 0.0)
    splits = real & (np.cumsum(load, axis=0) > capacity) & (load > 0)
    at = splits.argmax(axis=0) if len(splits) else np.zeros_like(everyone)
    price = np.zeros(len(capacity))
    (some,) = np.nonzero(splits.any(axis=0))
    price[some] = worth[at[some], some] / load[at[some], some]
    surplus = worth - price * load
    most = price * capacity + np.maximum(surplus, 0).sum(axis=0)
    doubt = most - least + 1e-9 * (1 + np.abs(most))
    sure, core = real & (surplus > doubt), real & (np.abs(surplus) <= doubt)
    room = capacity - np.where(sure, load, 0).sum(axis=0)
    turn, worker = np.nonzero(core)
    by_worker = np.argsort(worker, kind="stable")
    turn, worker = turn[by_worker], worker[by_worker]
    gained, chosen = _fill(room, worker, load[turn, worker], worth[turn, worker])
    taken = np.concatenate((pair_at[sure], pair_at[turn, worker][chosen]))
    return gained + float(worth[sure].sum()), taken


def _columns(worker: Places, what: Places, workers: int) -> Places:
    """Stand what belongs to each worker, sorted by them, in a column; -1 is padding."""
    count = np.bincount(worker, minlength=workers)
    turn = np.arange(len(worker)) - (np.cumsum(count) - count)[worker]
    columns = np.full((int(count.max(initial=0)), workers), -1)
    columns[turn, worker] = what
    return columns


def _fill(
    capacity: Whole, worker: Places, load: Whole, worth: Real
) -> tuple[float, Places]:
    """Fill by dynamic programming; a turn offers each worker one more role.

    Whoever has most to be offered comes first, so that each turn is for the first few.
    """
    count = np.bincount(worker, minlength=len(capacity))
    order = np.argsort(-count, kind="stable")
    rank = np.argsort(order, kind="stable")
    given = np.argsort(rank[worker], kind="stable")
    at = _columns(rank[worker][given], given, len(capacity))
    turns = (at >= 0).sum(axis=1).tolist()
    room, everyone = capacity[order], np.arange(len(capacity))
    most = int(room.max(initial=0))
    loads, worths = np.minimum(load[at], most + 1), worth[at]
    # Before the first unit of each worker lies a stretch that no load may come from.
    stretch = np.full((len(room), 2 * most + 2), -np.inf)
    held = stretch[:, most + 1 :]
    held[:] = 0.0
    flat = stretch.ravel()
    rows = (everyone * stretch.shape[1] + most + 1)[:, None] + np.arange(most + 1)
    takes = np.zeros((len(at), *held.shape), dtype=np.bool_)
    for turn, few in enumerate(turns):
        with_it = flat[rows[:few] - loads[turn, :few, None]]
        with_it += worths[turn, :few, None]
        np.greater(with_it, held[:few], out=takes[turn, :few])
        np.maximum(held[:few], with_it, out=held[:few])
    gained, chosen = float(held[everyone, room].sum()), []
    for turn, few in reversed(list(enumerate(turns))):
        (those,) = np.nonzero(takes[turn, everyone[:few], room[:few]])
        chosen.append(at[turn, those])
        room[those] -= loads[turn, those]
    return gained, np.concatenate([np.zeros(0, dtype=np.int64), *chosen])
