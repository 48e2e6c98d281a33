"""What may be told of counts without telling of somebody: small cells are left out."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

K = TypeVar("K")
Cell = TypeVar("Cell")

LEAST_CELL = 10
"""Fewer cases are never told: somebody might be known by them."""


def shown(sizes: Mapping[K, int], whole: int) -> list[K]:
    """Give those groups of a dimension that may be told of, the smallest first.

    Whoever takes them from the whole learns of nobody, or of no fewer than may be told.
    """
    large = (each for each, size in sizes.items() if size >= LEAST_CELL)
    found = sorted(large, key=lambda each: (sizes[each], str(each)))
    while found and 0 < whole - sum(sizes[each] for each in found) < LEAST_CELL:
        found.pop(0)
    return found


def few(
    rows: Sequence[Mapping[Cell, int]], hidden: frozenset[Cell] = frozenset()
) -> frozenset[Cell]:
    """Give the cells to be left out of each of these rows, which make up the whole.

    Args:
        rows: The groups of a dimension, and what is left of the whole beside them;
            all with the same cells.
        hidden: Cells that are left out of the whole.
    """
    cells = list(rows[0])
    size = {cell: sum(row[cell] for row in rows) for cell in cells}
    small = (cell for cell in cells if any(0 < row[cell] < LEAST_CELL for row in rows))
    found = {*small, *hidden}
    more = sorted(
        (e for e in cells if size[e] and e not in found), key=size.__getitem__
    )
    while more and any(
        0 < sum(row[each] for each in found) < LEAST_CELL for row in rows
    ):
        found.add(more.pop(0))
    return frozenset(found)


def rounded(count: float) -> int:
    """Give a sum so roughly that none can be had of the cells that are left out."""
    return round(count / LEAST_CELL) * LEAST_CELL
