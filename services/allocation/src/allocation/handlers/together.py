"""All open roles placed together: before a meeting, or when somebody asks."""

import asyncio
import json
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from accord_chassis.store import Conflict
from accord_contracts.problem import Refusal

from allocation.domain.directory import Worker
from allocation.domain.morning import Morning
from allocation.domain.need import Need
from allocation.domain.offering import Allocation
from allocation.domain.policy import Mode
from allocation.domain.together import (
    Move,
    Problem,
    least_cost,
    moves_of,
    problem_of,
    standing_cost,
)
from allocation.handlers.handing import offer_to
from allocation.handlers.placing import Desk
from allocation.store.kept import Mornings

SEED = 1
"""Of the solver's random choices: the same roles and workers give the same answer."""


@dataclass(frozen=True, slots=True)
class Suggested:
    """Who would better be asked, and how good that is.

    Attributes:
        moves: What would change.
        made: The roles that were offered anew.
        cost: What speaks against all of it, as the solver counts.
        bound: What no other could be less than.
    """

    moves: tuple[Move, ...]
    made: frozenset[str]
    cost: int
    bound: int


async def place_in_the_morning(due: Morning, *, desk: Desk, mornings: Mornings) -> None:
    """Place all open roles together, before the meeting, if it is time for that.

    What somebody has accepted stays, and so does whom a person has chosen. Where people
    choose whom to ask, nobody is asked.
    """
    at, planned = desk.clock.now(), desk.policy.morning_run
    new = due
    if desk.policy.mode is Mode.OFFER and due.runs(planned, at, desk.policy.zone):
        open_ = [e for e in await desk.allocations.to_fill() if not e.chosen]
        done = await place_together(
            open_, by=None, seconds=planned.seconds, apply=True, desk=desk
        )
        new = due.done(at, len(done.made))
    next_ = planned.next_after(at, desk.policy.zone)
    await mornings.save(new.model_copy(update={"due_at": next_}))


async def place_together(
    open_: Sequence[Allocation],
    *,
    by: str | None,
    seconds: float,
    apply: bool,
    desk: Desk,
) -> Suggested:
    """Look for who would best be asked for each of some open roles.

    What somebody has accepted is never among them, and nothing is moved unless all is
    better together than it is. Offers that stand are moved only if
    that is asked for, each by itself: one that cannot be any more is left as it is.

    Args:
        open_: The roles.
        by: Who asks; none: the clock.
        seconds: The most that it may take.
        apply: Whether roles are offered to whoever was found.
        desk: What it takes.
    """
    await desk.directory.refresh()
    roles = sorted(
        (each for each in open_ if each.open),
        key=lambda each: (-each.level.rank, each.since, each.id),
    )
    needs = [each for held in roles if (each := await _need(held, desk)) is not None]
    if not needs:
        return Suggested((), frozenset(), 0, 0)
    workers = _workers(roles, desk)
    problem = problem_of(workers, needs, desk.policy, desk.clock.now())
    asked = {each.id: each.holder for each in roles}
    standing = standing_cost(problem, asked)
    if standing == least_cost(problem):
        return Suggested((), frozenset(), standing, standing)
    assignment, cost, bound = await asyncio.to_thread(_solved, problem, seconds)
    moves = moves_of(problem, assignment, asked) if cost < standing else []
    made = set[str]()
    for move in moves if apply else ():
        with suppress(Refusal, Conflict):
            await offer_to(move.allocation_id, move.to_id, by, beyond=False, desk=desk)
            made.add(move.allocation_id)
    return Suggested(tuple(moves), frozenset(made), cost, bound)


def _workers(roles: Sequence[Allocation], desk: Desk) -> list[Worker]:
    kinds = sorted({each.role for each in roles})
    found = {e.id: e for kind in kinds for e in desk.directory.least_loaded(kind)}
    return [found[each] for each in sorted(found)]


async def _need(held: Allocation, desk: Desk) -> Need | None:
    staffing = await desk.staffings.get(held.case_id)
    if staffing is None or staffing.wanted(held.id) is None:
        return None
    return await desk.need(held, staffing, desk.clock.now())


def _solved(problem: Problem, seconds: float) -> tuple[tuple[int, ...], int, int]:
    # The engine loads numpy, which the service needs for nothing else.
    from allocation.domain.solving.reading import plain  # noqa: PLC0415
    from allocation.domain.solving.solve import solve  # noqa: PLC0415

    instance = plain(json.dumps(problem.document()))
    found = solve(instance, seconds, SEED, time.monotonic)
    return found.assignment, found.cost, found.bound
