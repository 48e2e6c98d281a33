# ruff: noqa: PLC0415 - A command imports what it needs: all of it takes a second.
"""The keys that seal what is kept."""

import typer

from accord import show
from accord.commands.given import Json, run

group = typer.Typer(no_args_is_help=True, help="The keys that seal what is kept.")


@group.command("status")
def key_status(*, json: Json = False) -> None:
    """Count the records by the version of the regional key that theirs rest on."""
    from accord import keys

    counts = run(keys.status())
    if json:
        show.document({str(version): count for version, count in counts.items()})
        return
    rows = [(str(version), str(count)) for version, count in counts.items()]
    show.table("version", "records", rows=rows)


@group.command("rotate")
def rotate_keys() -> None:
    """Make a new regional key and wrap every record's keys under it; no data moves."""
    from accord import keys

    version, count = run(keys.rotate())
    show.say(f"version {version}: {count} records wrapped anew.")


@group.command("rewrap")
def rewrap_keys() -> None:
    """Finish a rotation that was broken off, or records that came in meanwhile."""
    from accord import keys

    show.say(f"{run(keys.rewrap())} records wrapped anew.")


@group.command("renew-guard")
def renew_guard() -> None:
    """Have the key service guard the roots by the key that ACCORD_KMS_KEY_NAME names.

    The old key must still be there, and the credentials good for both.
    """
    from accord import keys

    show.say(f"{run(keys.renew_guard())} data keys wrapped anew.")
