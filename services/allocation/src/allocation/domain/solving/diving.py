"""From knapsacks to an assignment: what they mostly agree on is settled, bit by bit.

Each time some rounds of knapsacks for what is left say how often each worker took each
role; the pairs that came most often are settled, and the knapsacks go on with the room
that this leaves. Diving, as in branch-and-price (Sadykov, Vanderbeck, Pessoa, Tahiri
and Uchoa 2019), by subgradients in place of linear programs.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from allocation.domain.solving.instance import NOBODY, Instance, Pairs, Real, Whole
from allocation.domain.solving.lagrangian import filled


class _Steps(NamedTuple):
    """How a dive goes down.

    Attributes:
        share: Of the roles that are left, so many are settled at a time.
        least: Rounds of knapsacks each time, at the least.
        work: As many as this allows, which is pairs times rounds, up to `MOST`.
    """

    share: float
    least: int
    work: int


FEW, MANY = _Steps(0.1, 10, 500_000), _Steps(0.13, 6, 300_000)
"""Up to `LARGE` pairs, and beyond: with many, what comes often is seen in fewer rounds,
and the time is better spent on the last, where little room is left."""
LARGE = 50_000
MOST = 40
"""Rounds each time at the most."""
PACE = 0.3
"""Of the usual steps: the prizes are good, and only to be fitted to what is left."""
KEPT = 0.9
"""How much what was taken before counts, from round to round."""
NOISE = 0.3
"""How much chance there is in what is settled first, where dives are to differ."""


def dived(
    instance: Instance,
    prize: Real,
    target: float,
    random: np.random.Generator | None,
    *,
    over: Callable[[], bool],
) -> Whole:
    """Settle role after role; what finds no room in the end stays with `NOBODY`.

    Args:
        instance: What is to be placed.
        prize: Of each role, by which knapsacks gave a good bound.
        target: What an assignment costs, or a guess of it.
        random: Says what is settled first among equals or nearly so; nothing to go by
            the knapsacks alone.
        over: Asked each time whether to stop there.
    """
    held, room = np.full(instance.roles, NOBODY), instance.capacity.copy()
    pairs, prize, left = instance.pairs, prize.copy(), target
    steps = FEW if len(pairs.role) <= LARGE else MANY
    while True:
        open_ = (held[pairs.role] == NOBODY) & (pairs.load <= room[pairs.worker])
        pairs = pairs.those(open_)
        if not len(pairs.role) or over():
            return held
        roles, role = np.unique(pairs.role, return_inverse=True)
        often = np.zeros(len(role))
        rounds = min(max(steps.work // len(role), steps.least), MOST)
        rest = pairs._replace(role=role)
        for bound, taken in filled(rest, room, prize[roles], left, rounds, pace=PACE):
            often *= KEPT
            often[taken] += 1 - KEPT
            prize[roles] = bound.at
        if random is not None:
            often *= np.exp(NOISE * random.standard_normal(len(often)))
        left -= _settle(pairs, often, held, room, math.ceil(len(roles) * steps.share))


def _settle(pairs: Pairs, often: Real, held: Whole, room: Whole, most: int) -> float:
    """Place the likeliest roles, and give what they cost."""
    cost = 0.0
    order = np.argsort(-often, kind="stable")
    for role, worker, load, costs in zip(*(each[order] for each in pairs), strict=True):
        if held[role] != NOBODY or load > room[worker]:
            continue
        held[role], cost = worker, cost + costs
        room[worker] -= load
        most -= 1
        if not most:
            break
    return cost
