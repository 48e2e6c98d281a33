"""Takes protections away from the services that ``protections.py`` measures.

Python imports it at the start of those processes alone, because that benchmark puts
this folder in front of their path. No setting of a service does the same.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from accord_chassis.audit import AuditLog
from accord_chassis.entries import Entry
from accord_chassis.sealing import SealedStore
from accord_contracts.message import Lane
from pydantic_core import from_json, to_json

WITHOUT = os.environ.get("BENCH_WITHOUT", "").split()


async def unwritten(_: AuditLog, __: Entry) -> None:
    """Record nothing."""


async def unsealed(
    store: SealedStore[Any], _: str, fields: dict[str, Any], __: Lane
) -> dict[str, Any]:
    """Write in the clear what is sealed, in the same place."""
    parts = store.take_apart(fields)
    clear = {part: _written(each) for part, each in parts.items()}
    if not parts:
        return fields
    if fields["version"] == 1:
        return {**fields, "sealed": clear}
    return {**fields, **{f"sealed.{part}": each for part, each in clear.items()}}


async def read(
    store: SealedStore[Any], documents: Sequence[dict[str, Any]]
) -> Sequence[dict[str, Any]]:
    """Read what was written in the clear."""
    for each in documents:
        clear: Mapping[str, bytes | None] = each.pop("sealed", {})
        parts = {part: _read(value) for part, value in clear.items()}
        store.put_together(each, parts)
    return documents


def _written(value: object) -> bytes | None:
    return None if value is None else to_json(value)


def _read(written: bytes | None) -> object:
    return None if written is None else from_json(written)


if "audit" in WITHOUT:
    AuditLog.write = unwritten  # type: ignore[method-assign]
if "sealing" in WITHOUT:
    SealedStore.seal = unsealed  # type: ignore[method-assign]
    SealedStore.open = read  # type: ignore[method-assign, assignment]
