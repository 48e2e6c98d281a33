"""Out of local optima: a few workers give roles away, and all is mended again.

Ruin and recreate (Schrimpf and others 2000), on the roles that cost most beside what
they might cost under the prices.
"""

from collections.abc import Callable, Iterator

import numpy as np

from allocation.domain.solving.greedy import place
from allocation.domain.solving.instance import NOBODY, Instance, Real, Whole
from allocation.domain.solving.search import improve

SHARE, MOST = 3 / 8, 25
"""Of the workers, so many give roles away: a share, and no more than a number."""
DEAR, CHEAP = 0.7, 0.08
"""How likely a role is given away that might cost less elsewhere; and one that cannot.
Found by trying, on type D with 40 workers and 100 roles."""
NOISE = 0.5
"""How much prices are changed for placing again, so that it does not end as before."""
PASSES = 400


def shaken(
    near: Instance,
    assignment: Whole,
    price: Real,
    seed: int,
    over: Callable[[], bool],
) -> Iterator[Whole]:
    """Shake an assignment again and again; give each that is no dearer than the last.

    Args:
        near: What is to be placed, with the candidates that are worth looking at.
        assignment: Every role is with somebody, and nobody is overloaded.
        price: What a unit of each worker's capacity costs.
        seed: Of what is given away.
        over: Asked whether to stop there.
    """
    random = np.random.default_rng(seed)
    every = np.arange(near.roles)
    value = np.where(near.may, near.cost + price * near.load, np.inf)
    least = value.min(axis=1)
    held = assignment
    cost = near.total(held)
    giving = max(2, min(int(near.workers * SHARE), MOST))
    while True:
        dear = value[every, held] > least + 1e-6
        givers = random.permutation(near.workers)[:giving]
        gives = random.random(near.roles) < np.where(dear, DEAR, CHEAP)
        given = np.flatnonzero(np.isin(held, givers) & gives)
        new = _placed(near, held, given, price * random.normal(1, NOISE, len(price)))
        new = improve(near, new, PASSES, over)
        if near.holds(new) and near.total(new) <= cost:
            held, cost = new, near.total(new)
        yield held


def _placed(near: Instance, held: Whole, given: Whole, price: Real) -> Whole:
    """Place anew what was given away; what finds no room stays with `NOBODY`."""
    new = held.copy()
    new[given] = NOBODY
    room = near.room(new)
    may = near.may[given] & (near.load[given] <= room)
    (some,) = np.nonzero(may.any(axis=1))
    roles = given[some]
    left = Instance(room, near.load[roles], near.cost[roles], may[some])
    if len(roles):
        new[roles] = place(left, price)
    return new
