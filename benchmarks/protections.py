"""What field encryption and the audit log cost: the pipeline with and without them.

    python benchmarks/protections.py [--referrals N] [--rounds N] [--json]

The pipeline of ``pipeline.py``, five processes, each time on an empty broker and store.
What is taken away is taken away by this benchmark, in the processes that it starts
(``bare/sitecustomize.py``): no setting of a service does it. Processor time a referral
is what to compare; throughput changes with what else the machine does.
"""

import argparse
import asyncio
import json
import os
import shutil
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvloop
from accord_chassis.development.backing import backing
from pipeline import accord_side, machine_pids, measure, say

BARE = Path(__file__).parent / "bare"

VARIANTS = {
    "all": "",
    "no audit": "audit",
    "no sealing": "sealing",
    "neither": "audit sealing",
}
"""What the services are without, by the name under which it is told."""

TOLD = ("services_cpu_ms", "broker_cpu_ms", "store_cpu_ms", "throughput")


@contextmanager
def taken_away(without: str) -> Iterator[None]:
    """Have services that start now be without some protections."""
    told = {"PYTHONPATH": str(BARE), "BENCH_WITHOUT": without} if without else {}
    before = {name: os.environ.get(name) for name in told}
    os.environ.update(told)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


async def round_of(without: str, options: argparse.Namespace) -> dict[str, float]:
    """Measure one variant once."""
    folder = Path(tempfile.mkdtemp(prefix="accord-bench-"))
    with backing(folder) as found:
        machines = machine_pids(folder)
        with taken_away(without):
            async with accord_side(found, folder) as side:
                result = await measure(
                    side, machines, options.referrals, options.connections
                )
    await asyncio.to_thread(shutil.rmtree, folder)
    return {name: result[name] for name in TOLD}


async def rounds(options: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    """Alternate the variants, so that each has its share of the machine's moods."""
    results: dict[str, list[dict[str, float]]] = {name: [] for name in VARIANTS}
    for number in range(options.rounds):
        for name, without in VARIANTS.items():
            results[name].append(await round_of(without, options))
            say(f"round {number + 1}  {name:10}  {line(results[name][-1])}")
    return results


def line(result: dict[str, float]) -> str:
    """A result in a line."""
    return "  ".join(f"{name} {result[name]:.2f}" for name in TOLD)


def summary(results: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    """Medians, and by how much all protections raise the processor time."""
    medians = {
        name: {each: statistics.median(r[each] for r in found) for each in TOLD}
        for name, found in results.items()
    }
    spent = {
        name: sum(found[each] for each in TOLD if each.endswith("_cpu_ms"))
        for name, found in medians.items()
    }
    return {
        "medians": medians,
        "cpu_ms": spent,
        "times_neither": {
            name: each / spent["neither"] for name, each in spent.items()
        },
        "load": os.getloadavg(),
        "rounds": results,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--referrals", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    told = summary(uvloop.run(rounds(options)))
    if options.json:
        print(json.dumps(told, indent=2))
        return
    for name, medians in told["medians"].items():
        times = told["times_neither"][name]
        print(f"{name:10}  {line(medians)}  all together {times:.2f} times")
    print("load of the machine: " + ", ".join(f"{each:.1f}" for each in told["load"]))


if __name__ == "__main__":
    main()
