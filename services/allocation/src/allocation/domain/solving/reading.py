"""Instances as they are written down: our own JSON, and OR-Library's text."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from allocation.domain.solving.instance import Flags, Instance, Whole

LARGEST = 1_000_000_000
"""No number may be larger, so that sums are exact in whatever they are added up in."""
CELLS = 20_000_000
"""Workers times roles at most: some 400 MB."""


class BadInstance(Exception):
    """What is wrong with an instance, in a sentence."""


def plain(text: str) -> Instance:
    """Read {"capacity": [...], "load": [[...]], "cost": [[...]]}, worker by role.

    Null in ``load`` or ``cost`` means that this worker may not take that role.

    Raises:
        BadInstance: It is something else.
    """
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        raise BadInstance("It is no JSON.") from None
    if not isinstance(told, dict) or set(told) != {"capacity", "load", "cost"}:
        raise BadInstance("It has to be an object of capacity, load and cost.")
    capacity = told["capacity"]
    if not isinstance(capacity, list) or not capacity:
        raise BadInstance("capacity has to be a list of at least one number.")
    held, all_ = _row("capacity", capacity)
    if not all_.all():
        raise BadInstance("capacity may not be null.")
    load, has_load = _table("load", told["load"], len(capacity))
    cost, has_cost = _table("cost", told["cost"], len(capacity))
    if load.shape != cost.shape:
        raise BadInstance("load and cost have different numbers of roles.")
    return _instance(held, load, cost, has_load & has_cost)


def orlib(text: str, number: int = 1) -> Instance:
    """Read a problem of OR-Library's generalised assignment files (gap1 to gapd).

    A file is numbers between blanks: how many problems; of each the number of workers
    and of roles, the costs and the loads worker by worker, and the capacities. The
    optima that are published for gap1 to gap12 are the largest, those for gapa to gapd
    the smallest.

    Args:
        text: The file.
        number: Which of its problems, from 1.

    Raises:
        BadInstance: It is something else, or has fewer problems.
    """
    try:
        numbers = iter([int(each) for each in text.split()])
    except ValueError:
        raise BadInstance("It holds something that is no whole number.") from None
    problems = _next(numbers)
    if not 1 <= number <= problems:
        raise BadInstance(f"It has {problems} problems, so none is number {number}.")
    for _ in range(number):
        workers, roles = _next(numbers), _next(numbers)
        if workers < 1 or roles < 0 or workers * max(roles, 1) > CELLS:
            raise BadInstance(f"It cannot have {workers} workers and {roles} roles.")
        cost, load = (_many(numbers, workers, roles) for _ in range(2))
        (capacity,) = _many(numbers, 1, workers)
    return _instance(capacity, load, cost, np.ones(cost.shape, dtype=np.bool_))


def _instance(capacity: Whole, load: Whole, cost: Whole, may: Flags) -> Instance:
    if (capacity < 0).any():
        raise BadInstance("A capacity is negative.")
    if (load[may] < 0).any():
        raise BadInstance("A load is negative.")
    # Whoever has no room for a role even with nothing else is no candidate for it.
    may = may & (load <= capacity[:, None])
    return Instance(
        capacity,
        np.where(may, load, 0).T.copy(),
        np.where(may, cost, 0).T.copy(),
        may.T.copy(),
    )


def _table(name: str, rows: object, workers: int) -> tuple[Whole, Flags]:
    if not isinstance(rows, list) or len(rows) != workers:
        raise BadInstance(f"{name} has to have a row for each of {workers} workers.")
    if not all(isinstance(row, list) and len(row) == len(rows[0]) for row in rows):
        raise BadInstance(f"{name} has to have rows of one length.")
    if workers * len(rows[0]) > CELLS:
        raise BadInstance(f"It is too large: {CELLS:,} workers times roles at most.")
    read = [_row(name, row) for row in rows]
    return np.array([row for row, _ in read]), np.array([has for _, has in read])


def _row(name: str, row: list[Any]) -> tuple[Whole, Flags]:
    if not all(each is None or type(each) is int for each in row):
        raise BadInstance(f"{name} holds something that is no whole number.")
    if any(each is not None and abs(each) > LARGEST for each in row):
        raise BadInstance(f"{name} holds a number beyond {LARGEST:,}.")
    has = np.array([each is not None for each in row], dtype=np.bool_)
    return np.array([each or 0 for each in row], dtype=np.int64), has


def _next(numbers: Iterator[int]) -> int:
    try:
        return next(numbers)
    except StopIteration:
        raise BadInstance("It ends too early.") from None


def _many(numbers: Iterator[int], rows: int, width: int) -> Whole:
    read = [_next(numbers) for _ in range(rows * width)]
    if any(abs(each) > LARGEST for each in read):
        raise BadInstance(f"It holds a number beyond {LARGEST:,}.")
    return np.array(read, dtype=np.int64).reshape(rows, width)
