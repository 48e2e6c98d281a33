"""The directory of allocation as files, over HTTP."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Any

from accord_chassis.development.process import write_private

from accord.client import Answer, Client, Gone
from accord.deployment import Asker
from accord.faults import CannotGoOn


class Format(StrEnum):
    """What a file of the directory is.

    ``HSDS`` has the organisations, ``CSV`` the workers.
    """

    HSDS = "hsds"
    CSV = "csv"


PATHS = {
    Format.HSDS: "/api/allocation/v1/directory/hsds",
    Format.CSV: "/api/allocation/v1/directory/workers",
}
TYPES = {Format.HSDS: "application/json", Format.CSV: "text/csv"}
LOOKED_OVER = frozenset({415, 422})
"""As what a file is refused before any of it is written."""
PRIVATE = 0o600
"""Its owner may read and write a file, and nobody else."""


ASKER = Asker(
    "coordinator",
    "Where the directory is, or as whom to ask,",
    "with the scope allocation.admin",
)


def read(file: Path) -> bytes:
    """Read a file.

    Raises:
        CannotGoOn: It cannot be read.
    """
    try:
        return file.read_bytes()
    except OSError as wrong:
        raise CannotGoOn(f"{file} cannot be read ({type(wrong).__name__}).") from None


def write(file: Path, content: bytes) -> None:
    """Write a file that nobody else may read: how workers are reached stands in it.

    Raises:
        CannotGoOn: It cannot be written.
    """
    try:
        write_private(file, content.decode())
        file.chmod(PRIVATE)
    except OSError as wrong:
        raise CannotGoOn(
            f"{file} cannot be written ({type(wrong).__name__})."
        ) from None


async def take_in(content: bytes, kind: Format, where: tuple[str, str]) -> int:
    """Send a file, and say how many were taken in: all that are in it.

    Args:
        content: Of the file.
        kind: What it is.
        where: To whom it is sent, and the token.

    Raises:
        CannotGoOn: It cannot be sent, or something in it is wrong: where.
    """
    answer = await _asked("PUT", kind, where, content)
    taken: int = answer.json()["taken"]
    return taken


async def give_out(kind: Format, where: tuple[str, str]) -> bytes:
    """Give the directory as a file.

    Raises:
        CannotGoOn: It cannot be asked for.
    """
    return (await _asked("GET", kind, where)).body


async def _asked(
    method: str, kind: Format, where: tuple[str, str], body: bytes = b""
) -> Answer:
    url, token = where
    headers = {"content-type": TYPES[kind]} if body else None
    try:
        async with Client(url, token=token.strip()) as client:
            answer = await client.request(
                method, PATHS[kind], body=body, headers=headers
            )
    except Gone as wrong:
        raise CannotGoOn(
            f"{url} does not answer ({type(wrong).__name__}).",
            mend="See that allocation runs: `accord doctor`.",
        ) from None
    if not answer.ok:
        raise CannotGoOn(_said(answer), mend=mending(answer) if body else "")
    return answer


def mending(answer: Answer) -> str:
    """Say what became of a file that was refused.

    What is wrong in it is found before any of it is written; whatever else is in the
    way may come in the middle.
    """
    if answer.status in LOOKED_OVER:
        return "Nothing was taken."
    return "Send the same file again: it does what is left of it."


def _said(answer: Answer) -> str:
    """Say why it was refused: what is wrong by its place, never by its value."""
    try:
        problem: dict[str, Any] = answer.json()
        said = str(problem["title"])
    except (json.JSONDecodeError, KeyError, TypeError):
        return f"It was refused ({answer.status})."
    wrong = [f"{e['pointer']} ({e['rule']})" for e in problem.get("errors", ())]
    detail = problem.get("detail")
    return " ".join(filter(None, [said, detail, ", ".join(wrong)]))
