"""How soon one of five thousand workers is chosen, beside weighing each of them.

    .venv/bin/python benchmarks/choosing.py

The peer is what anybody would write first: leave out whom a hard rule bars, weigh each
of the rest, take the best. The rounds alternate; the figures are medians.
"""

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from accord_chassis.testing import NOON
from accord_contracts.referrals import ContactWish
from allocation.domain.choosing import Weighing, choose
from allocation.domain.directory import Gender, Worker
from allocation.domain.need import Need
from allocation.domain.wishes import Wishes

TESTS = Path(__file__).parents[1] / "services/allocation/tests"
sys.path.insert(0, str(TESTS))

from allocation_builders import HOUR, POLICY, need, worker  # noqa: E402

COUNT = 5000
ROUNDS = 15

WISHES = Wishes(gender=ContactWish.WOMAN, languages=("mi",), area="sumner")


def idle() -> tuple[list[Worker], Need]:
    """Workers with nothing to do, none of whom meets any wish."""
    many = [worker(gender=Gender.MAN, areas={"rolleston"}) for _ in range(COUNT)]
    return many, need(wishes=WISHES)


def busy() -> tuple[list[Worker], Need]:
    """Workers who carry cases, of whom some are near and some have the skill."""
    bases = [*POLICY.places]
    many = []
    for n in range(COUNT):
        one = worker(
            gender=Gender.MAN,
            base=bases[n % len(bases)],
            areas={"rolleston"},
            skills=frozenset({"stalking"} if n % 2 else ()),
        )
        taken = need(next(iter(one.roles)), points=1 + n % 7)
        many.append(one.reserve(taken, NOON + HOUR, NOON))
    many.sort(key=lambda each: (each.fullness, each.id))
    return many, need(
        wishes=WISHES,
        skills=frozenset({"stalking", "strangulation"}),
        earlier=frozenset({many[COUNT * 4 // 5].id}),
        distances=POLICY.kilometres["aranui"],
    )


def plainly(many: list[Worker], wanted: Need) -> str:
    """Choose by weighing each who may be asked."""
    weigh = Weighing(wanted, POLICY, NOON)
    may = [each for each in many if each.why_not(wanted, NOON) is None]
    return max(may, key=weigh).id


def by_accord(many: list[Worker], wanted: Need) -> str | None:
    """Choose as allocation does."""
    choice = choose(many, wanted, POLICY, NOON)
    return choice and choice.worker_id


def milliseconds(
    choosing: Callable[[list[Worker], Need], str | None],
    many: list[Worker],
    wanted: Need,
) -> float:
    """Give how much processor time one choice takes.

    Raises:
        SystemExit: Nobody was chosen, so that nothing was measured.
    """
    began = time.process_time()
    if choosing(many, wanted) is None:
        sys.exit("Nobody was chosen.")
    return 1000 * (time.process_time() - began)


def main() -> None:
    """Print a row for each kind of workers."""
    print("| workers | Accord, ms | each weighed, ms | ratio |\n|---|---|---|---|")
    for kind in (idle, busy):
        many, wanted = kind()
        pairs = [
            (
                milliseconds(by_accord, many, wanted),
                milliseconds(plainly, many, wanted),
            )
            for _ in range(ROUNDS)
        ]
        ours, plain = (statistics.median(each) for each in zip(*pairs, strict=True))
        name = f"{COUNT:,} {kind.__name__}"
        print(f"| {name} | {ours:.1f} | {plain:.1f} | {plain / ours:.1f} |")


if __name__ == "__main__":
    main()
