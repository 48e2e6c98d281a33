"""Where a locality's directory is, when only its name is given."""

from collections.abc import Iterator
from pathlib import Path

from accord.faults import CannotGoOn

FOLDER = "localities"


def locality_at(given: Path | None, name: str = "canterbury") -> Path:
    """Find a locality's directory.

    Args:
        given: The directory, if it was named.
        name: Else: looked for below ``localities`` here, above here, and beside the
            source that runs.

    Raises:
        CannotGoOn: There is none.
    """
    for folder in [given] if given else _candidates(name):
        if folder.is_dir():
            return folder.resolve()
    raise CannotGoOn(
        f"There is no directory {given}." if given else f"No locality {name} is here.",
        mend="Name a locality's directory with --locality or ACCORD_LOCALITY.",
    )


def _candidates(name: str) -> Iterator[Path]:
    here = Path.cwd()
    source = Path(__file__).resolve()
    for above in (here, *here.parents, *source.parents):
        yield above / FOLDER / name
