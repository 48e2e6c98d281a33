"""Publishes the contracts for people and for other languages, and guards the published.

``export`` writes the JSON Schemas and the AsyncAPI document of a catalogue into a
directory; ``stale`` says what in the directory is no longer so; ``events_page`` gives
the page of all events. From a shell, without the ``accord`` command::

    python -m accord_contracts.publish libs/contracts/schemas docs/events.md
"""

import hashlib
import json
from collections.abc import Iterator
from difflib import unified_diff
from functools import cache
from pathlib import Path

from pydantic.json_schema import JsonSchemaValue

from accord_contracts.catalogue import CATALOGUE, Catalogue
from accord_contracts.compatibility import incompatible_changes, name_of
from accord_contracts.publish.asyncapi import asyncapi
from accord_contracts.publish.page import events_page
from accord_contracts.publish.schemas import schema_id, schemas

__all__ = [
    "IncompatibleContracts",
    "asyncapi",
    "events_page",
    "export",
    "fingerprint",
    "incompatible",
    "published",
    "schemas",
    "stale",
]

ASYNCAPI = "asyncapi.json"


class IncompatibleContracts(ValueError):
    """The contracts changed in a way that their versions cannot bear."""


def export(directory: Path, catalogue: Catalogue = CATALOGUE) -> list[Path]:
    """Write every schema and the AsyncAPI document; remove schemas of no contract.

    Returns:
        The files that were written or removed; none if nothing had changed.

    Raises:
        IncompatibleContracts: A published schema would change within its version.
            Nothing is written.
    """
    if wrong := incompatible(directory, catalogue):
        raise IncompatibleContracts("\n".join(wrong))
    wanted = _files(catalogue)
    found = _present(directory)
    changed = [name for name in wanted if wanted[name] != found.get(name)]
    for name in changed:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(wanted[name], encoding="utf-8")
    gone = [name for name in found if name not in wanted]
    for name in gone:
        (directory / name).unlink()
    return [directory / name for name in (*changed, *gone)]


@cache
def fingerprint() -> str:
    """Tell these contracts from any others, words included, by 16 characters.

    Two programs that give the same were built with the same; what a locality adds to
    the catalogue is who listens, and changes nothing.
    """
    told = json.dumps(schemas(), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def stale(directory: Path, catalogue: Catalogue = CATALOGUE) -> list[str]:
    """Say where a directory differs from what ``export`` would write."""
    wanted, found = _files(catalogue), _present(directory)
    missing = [f"{name} is missing." for name in wanted if name not in found]
    gone = [f"{name} belongs to no contract." for name in found if name not in wanted]
    changed = [
        f"{name} differs from the contracts:\n{_difference(found[name], wanted[name])}"
        for name in wanted
        if found.get(name, wanted[name]) != wanted[name]
    ]
    return [*missing, *gone, *changed]


def incompatible(directory: Path, catalogue: Catalogue = CATALOGUE) -> list[str]:
    """Say why the contracts cannot take the place of those published in a directory.

    A contract that was never in a release is free to change: delete its file first.
    """
    return incompatible_changes(published(directory), schemas(catalogue))


def published(directory: Path) -> dict[str, JsonSchemaValue]:
    """Read the schemas in a directory, by name."""
    found = _present(directory)
    read = (json.loads(text) for path, text in found.items() if path != ASYNCAPI)
    return {name_of(each): each for each in read}


def _files(catalogue: Catalogue) -> dict[str, str]:
    """Give what a directory holds, by path within it."""
    told = {_path(name): schema for name, schema in schemas(catalogue).items()}
    told[ASYNCAPI] = asyncapi(catalogue)
    return {
        path: json.dumps(each, indent=2, ensure_ascii=False) + "\n"
        for path, each in told.items()
    }


def _path(name: str) -> str:
    """Give a schema's place: what is answered over HTTP has a folder of its own."""
    folder, _, rest = name.partition(".")
    return f"http/{rest}.json" if folder == "http" else f"{name}.json"


def _present(directory: Path) -> dict[str, str]:
    """Read the files that are ours, by path within the directory, and no others."""
    paths = sorted([*directory.glob("*.json"), *directory.glob("http/*.json")])
    texts = {
        path.relative_to(directory).as_posix(): path.read_text(encoding="utf-8")
        for path in paths
    }
    return {
        path: text
        for path, text in texts.items()
        if path == ASYNCAPI or f'"$id": "{schema_id("")}' in text
    }


def _difference(found: str, wanted: str) -> str:
    lines: Iterator[str] = unified_diff(
        found.splitlines(), wanted.splitlines(), "published", "now", lineterm="", n=1
    )
    return "\n".join(lines)
