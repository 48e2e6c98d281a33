# ruff: noqa: PLC0415 - A command imports what it needs: all of it takes a second.
"""Who works for whom, as files."""

from pathlib import Path
from typing import Annotated, Any

import typer

from accord import show
from accord.commands.given import run
from accord.deployment import target
from accord.faults import CannotGoOn

group = typer.Typer(no_args_is_help=True, help="Who works for whom, as files.")

Directory = Annotated[
    str, typer.Option("--format", help="hsds (organisations) or csv (workers).")
]
At = Annotated[str | None, typer.Option(envvar="ACCORD_URL")]
Administrator = Annotated[
    str | None,
    typer.Option(
        envvar="ACCORD_TOKEN", help="With allocation.admin. Default: the demo's."
    ),
]


@group.command("import")
def import_directory(
    file: Annotated[Path, typer.Argument(help="Organisations, or workers.")],
    *,
    format_: Directory = "hsds",
    url: At = None,
    token: Administrator = None,
) -> None:
    """Take organisations or workers in from a file: all that are in it, or none."""
    from accord import directory

    kind = directory_format(format_)
    where = target(url, token, directory.ASKER)
    taken = run(directory.take_in(directory.read(file), kind, where))
    show.say(f"{taken} were taken in.")


@group.command("export")
def export_directory(
    file: Annotated[Path, typer.Argument(help="Where to write it.")],
    *,
    format_: Directory = "hsds",
    url: At = None,
    token: Administrator = None,
) -> None:
    """Write the organisations or the workers of the directory to a file."""
    from accord import directory

    kind = directory_format(format_)
    content = run(directory.give_out(kind, target(url, token, directory.ASKER)))
    directory.write(file, content)
    show.say(f"{file} is written.")


def directory_format(name: str) -> Any:  # noqa: ANN401 - Imported when it is asked for.
    """Give the format of a name."""
    from accord.directory import Format

    try:
        return Format(name)
    except ValueError:
        raise CannotGoOn(
            f"There is no format {name}.", mend=f"One of {', '.join(Format)}."
        ) from None
