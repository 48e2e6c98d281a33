"""Place all roles of an instance in a file together, and say how good that is."""

import time
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from allocation.domain.solving.instance import NoPlacement
from allocation.domain.solving.reading import BadInstance, orlib, plain
from allocation.domain.solving.solve import Solution, solve

from accord.faults import CannotGoOn


class Format(StrEnum):
    """How an instance is written down."""

    PLAIN = "plain"
    ORLIB = "orlib"


def solve_file(
    file: Path,
    format_: Format,
    number: int,
    seconds: float,
    seed: int,
    *,
    maximise: bool,
) -> Solution:
    """Read an instance and solve it, at the least cost or at the most.

    Raises:
        CannotGoOn: It cannot be read, or has no assignment, or none was found.
    """
    try:
        text = file.read_text(encoding="utf-8")
        instance = plain(text) if format_ is Format.PLAIN else orlib(text, number)
    except (OSError, UnicodeDecodeError) as wrong:
        raise CannotGoOn(
            f"{file} cannot be read ({type(wrong).__name__}).",
            mend="It has to be text in UTF-8.",
        ) from None
    except BadInstance as wrong:
        raise CannotGoOn(
            f"{file} is no instance. {wrong}",
            mend="services/allocation/README.md says what one looks like.",
        ) from None
    try:
        if not maximise:
            return solve(instance, seconds, seed, time.monotonic)
        found = solve(instance.turned(), seconds, seed, time.monotonic)
        return replace(found, cost=-found.cost, bound=-found.bound)
    except NoPlacement as none:
        mend = "Give more capacity, or let more workers take the roles."
        if not none.proved:
            mend = "Give it more --seconds, or more capacity."
        raise CannotGoOn(str(none), mend=mend) from None


def document(solution: Solution) -> dict[str, Any]:
    """Give a solution for a machine."""
    return {
        "assignment": list(solution.assignment),
        "cost": solution.cost,
        "bound": solution.bound,
        "gap": solution.gap,
        "by": solution.by.value,
    }
