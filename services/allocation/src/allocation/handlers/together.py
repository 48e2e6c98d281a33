"""All open roles placed together: before a meeting, or when somebody asks."""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

import structlog
from accord_chassis.store import Conflict
from accord_contracts.problem import Refusal

from allocation.domain.directory import Worker
from allocation.domain.morning import Morning
from allocation.domain.need import Need
from allocation.domain.offering import Allocation
from allocation.domain.policy import Mode, Policy
from allocation.domain.together import (
    Move,
    Problem,
    apart,
    both_sides,
    clashes,
    cost_of,
    least_cost,
    left_standing,
    moves_of,
    problem_of,
    standing_of,
)
from allocation.handlers.handing import offer_to
from allocation.handlers.placing import Desk
from allocation.store.kept import Mornings

log = structlog.get_logger()

SEED = 1
"""Of the solver's random choices: the same roles and workers give the same answer."""

ROUNDS = 3
"""How often what clashes in a case is forbidden and all is solved again; after that its
roles are left as they are. An assumption: a team that is small has few to forbid."""


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
        open_ = await desk.allocations.to_fill()
        if left_out := await desk.allocations.left_out():
            log.warning("roles.left_out", count=left_out)
        done = await place_together(
            open_, seconds=planned.seconds, apply=True, desk=desk
        )
        new = due.done(at, len(done.made))
    next_ = planned.next_after(at, desk.policy.zone)
    await mornings.save(new.model_copy(update={"due_at": next_}))


async def place_together(
    open_: Sequence[Allocation],
    *,
    seconds: float,
    apply: bool,
    desk: Desk,
) -> Suggested:
    """Look for who would best be asked for each of some open roles.

    What somebody has accepted is never among them, nor whom a person has chosen, and
    nothing is moved unless all is better together than it is. Offers that stand are
    moved only if that is asked for, each by itself: one that cannot be any more is left
    as it is.

    Args:
        open_: The roles.
        seconds: The most that it may take.
        apply: Whether roles are offered to whoever was found.
        desk: What it takes.
    """
    await desk.directory.refresh()
    roles = sorted(
        (each for each in open_ if each.open and not each.chosen),
        key=lambda each: (-each.level.rank, each.since, each.id),
    )
    needs = [each for held in roles if (each := await _need(held, desk)) is not None]
    if not needs:
        return Suggested((), frozenset(), 0, 0)
    workers, at = _workers(roles, desk), desk.clock.now()
    asked = {each.id: each.holder for each in roles}
    finding = partial(_found, policy=desk.policy, at=at, seconds=seconds)
    found = await asyncio.to_thread(finding, workers, needs, asked)
    made = set[str]()
    for move in found.moves if apply else ():
        with suppress(Refusal, Conflict):
            # Whoever asked for it has chosen nobody, and set no rule aside.
            new = await offer_to(
                move.allocation_id, move.to_id, None, beyond=False, desk=desk
            )
            if not new.chosen:
                made.add(new.id)
    return replace(found, made=frozenset(made))


def _workers(roles: Sequence[Allocation], desk: Desk) -> list[Worker]:
    kinds = sorted({each.role for each in roles})
    found = {e.id: e for kind in kinds for e in desk.directory.least_loaded(kind)}
    return [found[each] for each in sorted(found)]


async def _need(held: Allocation, desk: Desk) -> Need | None:
    staffing = await desk.staffings.get(held.case_id)
    if staffing is None or staffing.wanted(held.id) is None:
        return None
    return await desk.need(held, staffing, desk.clock.now())


def _found(
    workers: Sequence[Worker],
    needs: Sequence[Need],
    asked: Mapping[str, str | None],
    *,
    policy: Policy,
    at: datetime,
    seconds: float,
) -> Suggested:
    """Look for who would best be asked; in a thread, as it takes seconds."""
    problem = problem_of(workers, needs, policy, at)
    standing = standing_of(problem, asked)
    before = cost_of(problem, standing)
    if before == least_cost(problem):
        return Suggested((), frozenset(), before, before)
    assignment, bound = _apart(problem, seconds)
    assignment = left_standing(problem, assignment, standing)
    cost = cost_of(problem, assignment)
    moves = moves_of(problem, assignment, asked) if cost < before else []
    return Suggested(tuple(moves), frozenset(), cost, bound)


def _apart(problem: Problem, seconds: float) -> tuple[tuple[int, ...], int]:
    """Solve it so that no worker and no compartment has both sides of a case.

    What clashes is forbidden and all solved again, as often as may be. The bound is
    that of the first, which forbids the least: no assignment costs less.
    """
    until = time.monotonic() + seconds
    again = ROUNDS if both_sides(problem.needs) else 0
    assignment, bound = _solved(problem, seconds / 2 if again else seconds)
    for _ in range(again):
        found = clashes(problem, assignment)
        left = until - time.monotonic()
        if not found or left <= 0:
            break
        problem = apart(problem, found)
        assignment, _ = _solved(problem, left / 2)
    return assignment, bound


def _solved(problem: Problem, seconds: float) -> tuple[tuple[int, ...], int]:
    # The engine loads numpy, which the service needs for nothing else.
    from allocation.domain.solving.reading import plain  # noqa: PLC0415
    from allocation.domain.solving.solve import solve  # noqa: PLC0415

    instance = plain(json.dumps(problem.document()))
    found = solve(instance, seconds, SEED, time.monotonic)
    return found.assignment, found.bound
