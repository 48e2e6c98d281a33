"""A few workers' roles divided among them anew, as well as it can be done.

Prizes say what each filling of a worker lacks to their best one. The sum of what is
lacking is what an assignment costs above the bound; so whoever looks for a cheaper one
needs only fillings that lack less than the present ones do together, and these are few.
They are put together worker by worker, each role once, by dynamic programming.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from allocation.domain.solving.instance import Flags, Instance, Real, Whole
from allocation.domain.solving.lagrangian import filled

FILLINGS, STATES = 300, 1_000
"""So many fillings of a worker, and so many ways to go on from one worker to the next,
are kept, those that lack least. Where there are more, a better one may be missed."""
BITS = 60
"""So many roles are divided at most: each is a bit of a whole number."""
WHOLE = 1 - 1e-6
"""Costs are whole: what is cheaper is cheaper by one."""


class Dealing(NamedTuple):
    """How parts are made.

    Attributes:
        size: About how many roles a part has.
        rounds: How many rounds of knapsacks make the prizes fit the parts before they
            are divided, which pays where parts are large.
        random: Says who is in which.
    """

    size: int
    rounds: int
    random: np.random.Generator


class _Part(NamedTuple):
    """Some workers, what they have, and what that is worth.

    Attributes:
        instance: They alone with their roles.
        own: Who of them has each role.
        surplus: Role by worker: the prize without cost and the price of its load;
            -inf where the worker may not take it.
        price: What a unit of each worker's capacity is worth.
        least: What each worker's best filling lacks to the linear relaxation's.
        spare: What all together may lack beyond that and still be cheaper than now.
    """

    instance: Instance
    own: Whole
    surplus: Real
    price: Real
    least: Real
    spare: float


class _Fillings(NamedTuple):
    """Sets of roles, one bit each, and what each lacks."""

    roles: Whole
    lacks: Real


def divided(
    instance: Instance,
    assignment: Whole,
    prize: Real,
    dealing: Dealing,
    over: Callable[[], bool],
) -> Iterator[Whole]:
    """Deal workers into parts by chance, again and again; divide each part's roles.

    Args:
        instance: What is to be placed.
        assignment: Every role is with somebody, and nobody is overloaded.
        prize: Of each role, by which knapsacks gave a good bound.
        dealing: How parts are made.
        over: Asked before each part whether to stop there.

    Yields:
        The assignment after each part, never dearer than before.
    """
    held = assignment
    parts = max(1, round(instance.roles / dealing.size))
    while True:
        part = _dealt(instance, held, parts, dealing.random)
        within = instance.restricted(part[held][:, None] == part)
        fitting = prize
        cost = instance.total(held)
        for bound, _ in filled(within, prize, cost, dealing.rounds):
            fitting = bound.at
        for each in range(parts):
            if over():
                return
            workers = np.flatnonzero(part == each)
            roles = np.flatnonzero(part[held] == each)
            better = _better(_part(instance, held, fitting, workers, roles))
            if better is not None:
                held = held.copy()
                held[roles] = workers[better]
            yield held


def _dealt(
    instance: Instance, held: Whole, parts: int, random: np.random.Generator
) -> Whole:
    """Say which part each worker is in; parts have about the same number of roles."""
    order = random.permutation(instance.workers)
    count = np.bincount(held, minlength=instance.workers)[order]
    part = np.empty(instance.workers, np.int64)
    # Whoever comes after the last role is in the last part.
    before = (np.cumsum(count) - count) * parts // instance.roles
    part[order] = np.minimum(before, parts - 1)
    return part


def _part(
    instance: Instance, held: Whole, prize: Real, workers: Whole, roles: Whole
) -> _Part:
    """Look at some workers and their roles alone."""
    at = np.ix_(roles, workers)
    load, cost, may = instance.load[at], instance.cost[at], instance.may[at]
    alone = Instance(instance.capacity[workers], load, cost, may)
    own = np.searchsorted(workers, held[roles])
    gain = np.where(may, prize[roles][:, None] - cost, -np.inf)
    price = _price(load, gain, alone.capacity)
    surplus = gain - price * load
    most = np.maximum(surplus, 0).sum(axis=0) + price * alone.capacity
    best = [
        _filled(load[:, each], gain[:, each], int(alone.capacity[each]))
        for each in range(len(workers))
    ]
    least = most - np.array(best)
    now = float(gain[np.arange(len(roles)), own].sum())
    return _Part(alone, own, surplus, price, least, sum(best) - now - WHOLE)


def _price(load: Whole, gain: Real, capacity: Whole) -> Real:
    """Give the gain by load of the role that splits where each fills up greedily."""
    ratio = np.where(gain > 0, gain / np.maximum(load, 1e-9), 0.0)
    order = np.argsort(-ratio, axis=0, kind="stable")
    ratio = np.take_along_axis(ratio, order, axis=0)
    weight = np.where(ratio > 0, np.take_along_axis(load, order, axis=0), 0)
    splits = np.cumsum(weight, axis=0) > capacity
    at = splits.argmax(axis=0)
    return np.where(splits.any(axis=0), ratio[at, np.arange(len(at))], 0.0)


def _filled(load: Whole, gain: Real, capacity: int) -> float:
    """Give the gain of the best filling."""
    held = np.zeros(capacity + 1)
    for each, worth in zip(load.tolist(), gain.tolist(), strict=True):
        if worth > 0 and each <= capacity:
            with_it = held[: capacity + 1 - each] + worth
            held[each:] = np.maximum(held[each:], with_it)
    return float(held[capacity])


def _better(part: _Part) -> Whole | None:
    """Divide a part's roles anew, if a cheaper way is found."""
    if part.spare < 0:
        return None
    able = part.surplus >= -(part.least + part.spare)
    chosen = _divisible(part, able)
    stays = np.ones(len(able), np.bool_)
    stays[chosen] = False
    who, every = part.own[stays], range(part.instance.workers)
    load, surplus = part.instance.load, part.surplus
    size = part.instance.workers
    loads = np.bincount(who, load[stays, who], size).astype(np.int64)
    lacks = np.maximum(surplus[stays], 0).sum(axis=0)
    lacks -= np.bincount(who, surplus[stays, who], size)
    room = part.instance.capacity - loads
    offered = []
    for each in every:
        may = np.flatnonzero(able[chosen, each])
        these = chosen[may]
        found = _fillings(
            (1 << may, load[these, each], surplus[these, each]),
            (int(room[each]), float(part.price[each])),
            float(part.least[each] + part.spare - lacks[each]),
        )
        beyond = found.lacks + lacks[each] - part.least[each]
        offered.append(_Fillings(found.roles, beyond))
    new = _joined(offered, part.spare, len(chosen))
    if new is None:
        return None
    own = part.own.copy()
    own[chosen] = new
    return own


def _divisible(part: _Part, able: Flags) -> NDArray[np.intp]:
    """Choose the roles that another worker could have; the likeliest if too many."""
    other = np.where(able, part.surplus, -np.inf)
    other[np.arange(len(other)), part.own] = -np.inf
    likely = other.max(axis=1)
    roles = np.flatnonzero(np.isfinite(likely))
    return roles[np.argsort(-likely[roles], kind="stable")[:BITS]]


def _fillings(
    roles: tuple[Whole, Whole, Real], limits: tuple[int, float], spare: float
) -> _Fillings:
    """List what a worker might be filled with, those that lack least.

    Args:
        roles: The bit of each, its load and its surplus.
        limits: The worker's room, and the price of a unit that stays empty.
        spare: How much a filling may lack.
    """
    room, price = limits
    weight, lacks, held = np.zeros(1, np.int64), np.zeros(1), np.zeros(1, np.int64)
    order = np.argsort(-np.abs(roles[2]), kind="stable")
    listed = (each[order].tolist() for each in roles)
    for bit, load, surplus in zip(*listed, strict=True):
        # Without it a role of worth is missing; with it one that is none is there.
        without, with_ = lacks + max(surplus, 0), lacks + max(-surplus, 0)
        out, in_ = without <= spare, (with_ <= spare) & (weight <= room - load)
        weight = np.concatenate((weight[out], weight[in_] + load))
        lacks = np.concatenate((without[out], with_[in_]))
        held = np.concatenate((held[out], held[in_] | bit))
        if len(lacks) > 4 * FILLINGS:
            few = np.argsort(lacks, kind="stable")[:FILLINGS]
            weight, lacks, held = weight[few], lacks[few], held[few]
    lacks = lacks + price * (room - weight)
    few = np.argsort(lacks, kind="stable")[:FILLINGS]
    few = few[lacks[few] <= spare]
    return _Fillings(held[few], lacks[few])


def _joined(offered: list[_Fillings], spare: float, roles: int) -> Whole | None:
    """Take one filling of each worker, so that each role is in one, for the least."""
    turns = sorted(range(len(offered)), key=lambda each: len(offered[each].roles))
    # What nobody after a worker could have must have been taken by then.
    later, must, everything = 0, list[int](), (1 << roles) - 1
    for turn in reversed(turns):
        must.append(everything & ~later)
        later |= int(np.bitwise_or.reduce(offered[turn].roles, initial=0))
    held, lacks, back = np.zeros(1, np.int64), np.zeros(1), []
    for turn, need in zip(turns, reversed(must), strict=True):
        new = offered[turn]
        whole = lacks[:, None] + new.lacks
        fits = (held[:, None] & new.roles == 0) & (whole <= spare)
        fits &= (held[:, None] | new.roles) & need == need
        before, with_ = np.nonzero(fits)
        union, cost = held[before] | new.roles[with_], whole[before, with_]
        order = np.lexsort((cost, union))
        first = np.ones(len(order), np.bool_)
        first[1:] = union[order[1:]] != union[order[:-1]]
        order = order[first]
        order = order[np.argsort(cost[order], kind="stable")[:STATES]]
        held, lacks = union[order], cost[order]
        back.append((before[order], new.roles[with_[order]]))
    if not len(held):
        return None
    who, at = np.empty(roles, np.int64), 0
    for turn, (before, taken) in zip(reversed(turns), reversed(back), strict=True):
        who[int(taken[at]) >> np.arange(roles) & 1 == 1] = turn
        at = before[at]
    return who
