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
    instance: Instance, start: Real, target: float, rounds: int
) -> Iterator[tuple[Bound, Whole]]:
    """Prize roles by subgradients; give each round's best bound and its assignment.

    The assignment has each role with the cheapest of those whose knapsack took it, or
    with `NOBODY`; it overloads nobody, so that little is missing to a whole one.

    Args:
        instance: What is to be placed; every role has a candidate.
        start: The prizes to begin with: what each role costs under good prices.
        target: What an assignment costs, or a guess of it.
        rounds: How many steps at most.
    """
    pairs = instance.pairs
    prize = start.astype(float)
    best, direction = Bound(-math.inf, prize), np.zeros(instance.roles)
    pace, stale = 1.0, 0
    for _ in range(rounds):
        worth, taken = _knapsacks(instance, prize[pairs.role] - pairs.cost)
        bound = float(prize.sum() - worth)
        if bound > best.value:
            best, stale = Bound(bound, prize), 0
        else:
            stale += 1
        yield best, _cheapest(instance, taken)
        if stale >= PRIZES_PATIENCE:
            pace, stale, prize = pace / 2, 0, best.at
            direction = np.zeros(instance.roles)
            continue
        times = np.bincount(pairs.role[taken], minlength=instance.roles)
        direction = SMOOTHING * direction + (1 - SMOOTHING) * (1.0 - times)
        length = float(direction @ direction)
        if length == 0:
            return
        step = pace * _distance(bound, target) / length
        prize = prize + step * direction


def _cheapest(instance: Instance, taken: Places) -> Whole:
    """Leave each role with the cheapest of the workers that took it."""
    pairs = instance.pairs
    dearest_first = taken[np.argsort(-pairs.cost[taken], kind="stable")]
    assignment = np.full(instance.roles, NOBODY)
    assignment[pairs.role[dearest_first]] = pairs.worker[dearest_first]
    return assignment


def _knapsacks(instance: Instance, gain: Real) -> tuple[float, Places]:
    """Fill every worker with the roles that gain most together, all workers at once.

    What is gained by weight alone (Dantzig 1957) leaves a few roles in doubt: those
    that no better filling can do without are in, those that it cannot afford are
    out, and dynamic programming decides the rest.

    Returns:
        What is gained, and which of the instance's pairs are taken.
    """
    pairs, everyone = instance.pairs, np.arange(instance.workers)
    (pair,) = np.nonzero(gain > 0)
    with np.errstate(divide="ignore"):
        ratio = gain[pair] / pairs.load[pair]
    pair = pair[np.lexsort((-ratio, pairs.worker[pair]))]
    pair_at = _columns(pairs.worker[pair], pair, instance.workers)
    real = pair_at >= 0
    load = np.where(real, pairs.load[pair_at], 0)
    worth = np.where(real, gain[pair_at], 0.0)
    weight = np.cumsum(load, axis=0)
    fits = real & (weight <= instance.capacity)
    left = instance.capacity - np.where(fits, load, 0).sum(axis=0)
    last = np.where(real & ~fits & (load <= left), worth, 0.0).max(axis=0, initial=0.0)
    least = np.where(fits, worth, 0.0).sum(axis=0) + last
    splits = real & ~fits & (load > 0)
    at = splits.argmax(axis=0) if len(splits) else np.zeros_like(everyone)
    price = np.zeros(instance.workers)
    (some,) = np.nonzero(splits.any(axis=0))
    price[some] = worth[at[some], some] / load[at[some], some]
    surplus = worth - price * load
    most = price * instance.capacity + np.maximum(surplus, 0).sum(axis=0)
    doubt = most - least + 1e-9 * (1 + np.abs(most))
    sure, core = real & (surplus > doubt), real & (np.abs(surplus) <= doubt)
    room = instance.capacity - np.where(sure, load, 0).sum(axis=0)
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
    """Fill by dynamic programming; a turn offers each worker one more role."""
    at = _columns(worker, np.arange(len(worker)), len(capacity))
    most, everyone = int(capacity.max(initial=0)), np.arange(len(capacity))
    loads = np.where(at >= 0, np.minimum(load[at], most + 1), most + 1)
    worths = np.where(at >= 0, worth[at], 0.0)
    # Before the first unit of each worker lies a stretch that no load may come from.
    stretch = np.full((len(capacity), 2 * most + 2), -np.inf)
    held = stretch[:, most + 1 :]
    held[:] = 0.0
    flat = stretch.ravel()
    rows = (everyone * stretch.shape[1] + most + 1)[:, None] + np.arange(most + 1)
    takes = np.zeros((len(at), *held.shape), dtype=np.bool_)
    for turn in range(len(at)):
        with_it = flat[rows - loads[turn][:, None]] + worths[turn][:, None]
        np.greater(with_it, held, out=takes[turn])
        np.maximum(held, with_it, out=held)
    room, chosen = capacity.copy(), []
    gained = float(held[everyone, room].sum())
    for turn in range(len(at) - 1, -1, -1):
        (those,) = np.nonzero(takes[turn, everyone, room])
        chosen.append(at[turn, those])
        room[those] -= loads[turn, those]
    return gained, np.concatenate([np.zeros(0, dtype=np.int64), *chosen])
