"""Better assignments from good ones: shifts, swaps, and roles that make room."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from allocation.domain.solving.instance import NOBODY, Instance, Real, Whole

AT_ONCE = 1_000_000
"""How many pairs of roles are looked at together, some hundred bytes each."""


class _Moves(NamedTuple):
    """Roles that go to another worker, each with one that makes room, or `NOBODY`."""

    gain: Real
    role: NDArray[np.int64]
    to: NDArray[np.int64]
    other: NDArray[np.int64]
    target: NDArray[np.int64]


class _State(NamedTuple):
    """What a pass begins with."""

    instance: Instance
    held: Whole
    now: Real
    room: Real


def improve(
    instance: Instance, assignment: Whole, passes: int, over: Callable[[], bool]
) -> Whole:
    """Move roles for as long as that makes the whole cheaper; place those with nobody.

    A role moves to a worker with room; or to one where another role makes room, and
    goes to the first's old worker or to the cheapest with room. Placing a role that is
    with nobody is worth more than any cost. All moves of a pass are found together;
    those that touch different workers are made, the best first.

    Args:
        instance: What is to be placed.
        assignment: Overloads nobody; roles may be with `NOBODY`.
        passes: How many passes at most.
        over: Asked before each pass whether to stop there.
    """
    held = assignment.copy()
    nobody = 4.0 * (float(np.abs(instance.cost).max(initial=0)) + 1)
    every = np.arange(instance.roles)
    for _ in range(passes):
        if over():
            break
        now = np.where(held == NOBODY, nobody, instance.cost[every, held])
        room = instance.room(held).astype(float)
        if not _make(held, _found(_State(instance, held, now, room))):
            break
    return held


def _found(state: _State) -> _Moves:
    """Find every move that pays."""
    instance, _, now, room = state
    cost = instance.candidates.cost
    role, place = np.nonzero(cost < now[:, None])
    to, gain = instance.candidates.worker[role, place], cost[role, place] - now[role]
    fits = instance.load[role, to] <= room[to]
    nobody = np.full(int(fits.sum()), NOBODY)
    found = [_Moves(gain[fits], role[fits], to[fits], nobody, nobody)]
    on, away = _on(state), _away(state)
    width = max(AT_ONCE // max(on.shape[1], 1), 1)
    for first in range(0, len(role), width):
        part = slice(first, first + width)
        found.append(_displacing(state, on, away, (role[part], to[part], gain[part])))
    return _Moves(*(np.concatenate(each) for each in zip(*found, strict=True)))


def _on(state: _State) -> NDArray[np.int64]:
    """List the roles that each worker has, padded with `NOBODY`."""
    order = np.argsort(state.held, kind="stable")
    order = order[state.held[order] != NOBODY]
    worker = state.held[order]
    count = np.bincount(worker, minlength=state.instance.workers)
    place = np.arange(len(order)) - (np.cumsum(count) - count)[worker]
    on = np.full((state.instance.workers, int(count.max(initial=0))), NOBODY)
    on[worker, place] = order
    return on


def _away(state: _State) -> tuple[Real, NDArray[np.int64]]:
    """Give each role's cost at the cheapest other worker with room, and who."""
    held = state.instance.candidates
    open_ = (held.load <= state.room[held.worker]) & (
        held.worker != state.held[:, None]
    )
    cost = np.where(open_, held.cost, np.inf)
    best = cost.argmin(axis=1)
    every = np.arange(len(best))
    return cost[every, best], held.worker[every, best]


def _displacing(
    state: _State,
    on: NDArray[np.int64],
    away: tuple[Real, NDArray[np.int64]],
    wanted: tuple[NDArray[np.intp], NDArray[np.intp], Real],
) -> _Moves:
    """Find for each wanted move the role that makes room at the least cost."""
    instance, held, now, room = state
    role, to, gain = wanted
    other, old = on[to], held[role][:, None]
    need = instance.load[role, to] - room[to]
    frees = (other != NOBODY) & (instance.load[other, to[:, None]] >= need[:, None])
    swaps = (
        frees
        & (old != NOBODY)
        & instance.may[other, old]
        & (
            instance.load[other, old]
            <= (room[held[role]] + instance.load[role, held[role]])[:, None]
        )
    )
    by_swap = np.where(swaps, instance.cost[other, old], np.inf)
    by_leaving = np.where(frees, away[0][other], np.inf)
    least = np.minimum(by_swap, by_leaving) - now[other]
    if not least.size:
        nothing = np.zeros(0, dtype=np.int64)
        return _Moves(np.zeros(0), nothing, nothing, nothing, nothing)
    best = least.argmin(axis=1)
    every = np.arange(len(role))
    chosen, whole = other[every, best], gain + least[every, best]
    target = np.where(
        by_swap[every, best] <= by_leaving[every, best], held[role], away[1][chosen]
    )
    pays = whole < 0
    return _Moves(whole[pays], role[pays], to[pays], chosen[pays], target[pays])


def _make(held: Whole, moves: _Moves) -> bool:
    """Make moves that touch no worker twice, the best first; tell if there was one."""
    touched: set[int] = set()
    order = np.argsort(moves.gain, kind="stable")
    listed = (each[order].tolist() for each in moves[1:])
    for role, to, other, target in zip(*listed, strict=True):
        old = int(held[role])
        workers = {to, target, old} - {NOBODY}
        # A role that was with nobody may have been placed in this pass.
        if old == to or not touched.isdisjoint(workers):
            continue
        held[role] = to
        if other != NOBODY:
            held[other] = target
        touched |= workers
    return bool(touched)
