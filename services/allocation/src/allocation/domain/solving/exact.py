"""An assignment that is proved to be the best, by OR-Tools' CP-SAT."""

from dataclasses import dataclass

import numpy as np

from allocation.domain.solving.instance import Instance, Whole


@dataclass(frozen=True, eq=False)
class Proof:
    """What CP-SAT knows in the end.

    Attributes:
        assignment: The best that it found, or nothing.
        bound: What none can cost less than; nothing without one.
        impossible: Whether it proved that there is no assignment.
        best: Whether it proved that there is no cheaper one.
    """

    assignment: Whole | None
    bound: float | None
    impossible: bool
    best: bool


def prove(
    instance: Instance, known: Whole | None, effort: float, seconds: float, seed: int
) -> Proof:
    """Search for the best assignment on one thread, so that it is the same every time.

    Args:
        instance: What is to be placed.
        known: An assignment to begin with.
        effort: CP-SAT's own measure of work, about a second each, but reproducible.
        seconds: The ceiling on real time, which is not.
        seed: Of its random choices.
    """
    # It takes a second and 80 MiB that no service needs.
    from ortools.sat.python import cp_model  # noqa: PLC0415

    model = cp_model.CpModel()
    role, worker = (each.tolist() for each in np.nonzero(instance.may))
    given = [model.new_bool_var("") for _ in role]
    loads = instance.load[role, worker].tolist()
    one_of: list[list[cp_model.IntVar]] = [[] for _ in range(instance.roles)]
    taken: list[list[cp_model.IntVar]] = [[] for _ in range(instance.workers)]
    taking: list[list[int]] = [[] for _ in range(instance.workers)]
    for which, who, it, load in zip(role, worker, given, loads, strict=True):
        one_of[which].append(it)
        taken[who].append(it)
        taking[who].append(load)
        if known is not None:
            model.add_hint(it, bool(known[which] == who))
    for each in one_of:
        model.add_exactly_one(each)
    for its, load, capacity in zip(
        taken, taking, instance.capacity.tolist(), strict=True
    ):
        model.add(cp_model.LinearExpr.weighted_sum(its, load) <= capacity)
    costs = instance.cost[role, worker].tolist()
    model.minimize(cp_model.LinearExpr.weighted_sum(given, costs))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = seed % 2**31
    solver.parameters.max_deterministic_time = effort
    solver.parameters.max_time_in_seconds = max(seconds, 0.01)
    status = solver.solve(model)
    if status == cp_model.INFEASIBLE:
        return Proof(None, None, impossible=True, best=False)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return Proof(None, None, impossible=False, best=False)
    held = np.zeros(instance.roles, dtype=np.int64)
    for which, who, it in zip(role, worker, given, strict=True):
        if solver.boolean_value(it):
            held[which] = who
    return Proof(
        held,
        solver.best_objective_bound,
        impossible=False,
        best=status == cp_model.OPTIMAL,
    )
