"""The events and what they hold."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from accord import contracts as contracts_
from accord import show
from accord.commands.given import Locality

group = typer.Typer(no_args_is_help=True, help="The events and what they hold.")


@group.command("export")
def export_contracts(
    directory: Annotated[Path, typer.Argument()] = contracts_.SCHEMAS,
    *,
    locality: Locality = None,
) -> None:
    """Write the JSON Schemas and the AsyncAPI document."""
    for path in contracts_.export(directory, locality):
        show.say(str(path))


@group.command("check")
def check_contracts(
    directory: Annotated[Path, typer.Argument()] = contracts_.SCHEMAS,
    *,
    page: Annotated[
        Path, typer.Option(help="The page of all events, if there is one.")
    ] = contracts_.PAGE,
    locality: Locality = None,
) -> None:
    """Compare what is published with the contracts. Exits with 1 if they differ."""
    wrong = contracts_.check(directory, page, locality)
    for each in wrong:
        show.say(each)
    if not wrong:
        show.say(f"{directory} is up to date.")
    raise typer.Exit(1 if wrong else 0)


@group.command("docs")
def describe_contracts(
    file: Annotated[Path, typer.Argument(help="'-' prints it.")] = contracts_.PAGE,
    *,
    locality: Locality = None,
) -> None:
    """Describe every event: who publishes it, who listens, what it holds."""
    page = contracts_.page(locality)
    if str(file) == "-":
        sys.stdout.write(page)
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(page, encoding="utf-8")
    show.say(str(file))
