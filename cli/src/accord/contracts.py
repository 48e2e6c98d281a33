"""The contracts for other teams: their schemas written, checked, described."""

from pathlib import Path

from accord_contracts import publish
from accord_contracts.publish import IncompatibleContracts

from accord.catalogue import catalogue_of
from accord.faults import CannotGoOn

SCHEMAS = Path("libs/contracts/schemas")
PAGE = Path("docs/events.md")


def export(directory: Path, locality: Path | None) -> list[Path]:
    """Write schemas and the AsyncAPI document; give what was written or removed.

    Raises:
        CannotGoOn: A published contract would change within its version.
    """
    try:
        return publish.export(directory, catalogue_of(locality))
    except IncompatibleContracts as wrong:
        raise CannotGoOn(
            str(wrong), mend="Nothing was written: publish a next version instead."
        ) from None


def check(directory: Path, file: Path, locality: Path | None) -> list[str]:
    """Say what breaks a published contract, and what is out of date.

    Args:
        directory: Where the schemas are.
        file: The page of all events; not looked at where there is none.
        locality: Whose own services listen too.
    """
    catalogue = catalogue_of(locality)
    wrong = [
        *publish.incompatible(directory, catalogue),
        *publish.stale(directory, catalogue),
    ]
    if file.exists() and file.read_text(encoding="utf-8") != page(locality):
        wrong.append(f"{file} is out of date.")
    return wrong


def page(locality: Path | None) -> str:
    """Describe every event: its publisher, its listeners, its fields."""
    return publish.events_page(catalogue_of(locality))
