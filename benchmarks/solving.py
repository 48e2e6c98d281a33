"""All roles together beside plain CP-SAT, greedy and scipy's assignment, in one run.

    .venv/bin/python benchmarks/solving.py [NAME ...]

A name is type, workers x roles: C5x100 to D40x400 are dense, of the types C and D of
Chu and Beasley (1997); SC500x10000 is type C with 30 candidates a role; SW500x10000 the
same with costs from 1 to 1000; U40x400 has loads of one, the only kind that
linear_sum_assignment can do. Ours may use ten processor seconds, CP-SAT ten of its own
deterministic seconds on one thread. Gaps are to our bound.
"""

import re
import sys
import time

import numpy as np
from allocation.domain.solving.exact import prove
from allocation.domain.solving.greedy import place
from allocation.domain.solving.instance import Instance, NoPlacement
from allocation.domain.solving.solve import solve
from scipy.optimize import linear_sum_assignment

DENSE = [f"{kind}{m}x{n}" for kind in "CD" for m in (5, 10, 20, 40)
         for n in (100, 200, 400)]  # fmt: skip
ALL = [*DENSE, "U40x400", "SC500x10000", "SW500x10000"]
SECONDS = 10.0
CANDIDATES = 30


def invented(name: str, seed: int = 1) -> Instance:
    """Make an instance of a kind and size."""
    kind, m, n = re.fullmatch(r"([A-Z]+)(\d+)x(\d+)", name).groups()  # type: ignore[union-attr]
    workers, roles = int(m), int(n)
    random = np.random.default_rng(seed)
    size = (roles, workers)
    may = random.random(size) < (CANDIDATES / workers if kind[0] == "S" else 1)
    if kind == "D":
        load = random.integers(1, 101, size)
        cost = 111 - load + random.integers(-10, 11, size)
    else:
        load = np.ones(size, np.int64) if kind == "U" else random.integers(5, 26, size)
        cost = random.integers(*((1, 1001) if kind == "SW" else (10, 51)), size)
    tightness = 1.0 if kind == "U" else 0.8
    capacity = (tightness * load.mean(axis=0) * roles / workers).astype(np.int64)
    may &= load <= capacity
    return Instance(capacity, np.where(may, load, 0), np.where(may, cost, 0), may)


def measure(name: str) -> None:
    """Solve one by each that can, and print a row."""
    given = invented(name)
    began = time.process_time()
    try:
        ours = solve(given, SECONDS, 1, time.process_time)
    except NoPlacement as none:
        print(f"| {name} | {none} |", flush=True)
        return
    used = time.process_time() - began

    def gap(cost: int | None) -> str:
        none = "none found" if cost is None else ""
        return none or f"{(cost or 0) / ours.bound - 1:.2%}"

    alone = place(given)
    greedy = given.total(alone) if given.holds(alone) else None
    plain = prove(given, None, SECONDS, 6 * SECONDS, 1).assignment
    theirs = None if plain is None else given.total(plain)
    row = [name, str(ours.bound), f"{gap(ours.cost)} ({ours.by})", f"{used:.1f}"]
    row += [gap(theirs), gap(greedy), gap(by_scipy(given)) if name[0] == "U" else ""]
    print(f"| {' | '.join(row)} |", flush=True)


def by_scipy(given: Instance) -> int:
    """Give every unit of capacity one role; true only where every load is one."""
    seats = np.repeat(np.arange(given.workers), given.capacity)
    role, seat = linear_sum_assignment(given.cost[:, seats])
    return int(given.cost[role, seats[seat]].sum())


print("| instance | bound | Accord | s | CP-SAT | greedy | scipy |")
print("|---|---|---|---|---|---|---|")
for each in sys.argv[1:] or ALL:
    measure(each)
