"""Writes the contracts: ``python -m accord_contracts.publish SCHEMAS [PAGE]``."""

import sys
from pathlib import Path

from accord_contracts.publish import IncompatibleContracts, events_page, export


def main(schemas: str, page: str | None = None) -> None:
    """Write the schemas and, if its path is given, the page of all events."""
    try:
        changed = export(Path(schemas))
    except IncompatibleContracts as wrong:
        sys.exit(str(wrong))
    if page is not None:
        Path(page).write_text(events_page(), encoding="utf-8")
        changed.append(Path(page))
    sys.stdout.writelines(f"{path}\n" for path in changed)


if len(sys.argv) not in {2, 3}:
    sys.exit(__doc__)
main(*sys.argv[1:])
