"""Whose wishes are met, over HTTP: what a region shows of itself."""

from typing import Any

from accord.client import Client, Gone
from accord.deployment import Asker
from accord.faults import CannotGoOn

ASKER = Asker(
    "coordinator",
    "Where allocation is, or as whom to ask,",
    "with the scope allocation.equity",
)

PATH = "/api/allocation/v1/equity"
FEW = "few"
"""What is said of a figure that would tell of too few."""


async def read(days: str, where: tuple[str, str]) -> dict[str, Any]:
    """Read the report.

    Args:
        days: Of what is looked back at: 90, 180 or 365.
        where: Whom to ask, and the token.

    Raises:
        CannotGoOn: It cannot be asked for.
    """
    url, token = where
    try:
        async with Client(url, token=token.strip()) as client:
            answer = await client.get(f"{PATH}?days={days}")
    except Gone as wrong:
        raise CannotGoOn(
            f"{url} does not answer ({type(wrong).__name__}).",
            mend="See that allocation runs: `accord doctor`.",
        ) from None
    if not answer.ok:
        raise CannotGoOn(
            f"It was refused ({answer.status}).",
            mend="The days are 90, 180 or 365; the token needs allocation.equity.",
        )
    report: dict[str, Any] = answer.json()
    return report


def rows(report: dict[str, Any]) -> list[tuple[str, ...]]:
    """Give a line for each wish: of all, and of those where somebody has taken a role.

    What is not met is told by its reasons, but for those of which there are none.
    """
    lines = list[tuple[str, ...]]()
    for wished in report["wishes"]:
        for kind in ("all", "taken"):
            row = wished[kind]
            unmet = (
                f"{why} {_told(count)}"
                for why, count in row["unmet"].items()
                if count != 0 and row["cases"] is not None
            )
            told = (_told(row["cases"]), _told(row["met"]), ", ".join(unmet))
            lines.append((wished["wish"], kind, *told))
    return lines


def _told(count: int | None) -> str:
    return FEW if count is None else str(count)
