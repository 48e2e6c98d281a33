"""One role after the other, each to whoever has room and costs least."""

import numpy as np

from allocation.domain.solving.instance import NOBODY, Instance, Real, Whole


def place(instance: Instance, price: Real | None = None) -> Whole:
    """Place roles one after the other, those first that have most to lose by waiting.

    What a role loses by waiting is the difference between its best and its second best
    worker (Martello and Toth 1981). Roles for which nobody has room stay with `NOBODY`.

    Args:
        instance: What is to be placed.
        price: What a unit of each worker's capacity costs besides; none by default.
    """
    held = instance.candidates
    value = held.cost if price is None else held.cost + price[held.worker] * held.load
    order = np.argsort(value, axis=1, kind="stable")
    ranked = np.take_along_axis(value, order, axis=1)
    regret = ranked[:, 1] - ranked[:, 0] if ranked.shape[1] > 1 else -ranked[:, 0]
    # inf - inf, for a role without candidates, is no number: it comes last.
    turn = np.argsort(-np.nan_to_num(regret, nan=-1.0), kind="stable").tolist()
    workers = np.take_along_axis(held.worker, order, axis=1).tolist()
    loads = np.take_along_axis(held.load, order, axis=1).astype(np.int64).tolist()
    count = np.isfinite(ranked).sum(axis=1).tolist()
    room = instance.capacity.tolist()
    assignment = [NOBODY] * instance.roles
    for role in turn:
        for worker, load in zip(
            workers[role][: count[role]], loads[role], strict=False
        ):
            if load <= room[worker]:
                room[worker] -= load
                assignment[role] = worker
                break
    return np.array(assignment, dtype=np.int64)
