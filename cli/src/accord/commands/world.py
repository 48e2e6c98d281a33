# ruff: noqa: PLC0415 - A command imports what it needs: all of it takes a second.
"""The invented world."""

from pathlib import Path
from typing import Annotated

import typer

from accord import show
from accord.commands.given import Json, Locality, Yes, run

group = typer.Typer(no_args_is_help=True, help="The invented world.")


@group.command("load")
def load_world(
    *,
    url: Annotated[
        str | None, typer.Option(envvar="ACCORD_URL", help="The gateway's.")
    ] = None,
    tokens: Annotated[
        Path | None,
        typer.Option(
            envvar="ACCORD_TOKENS",
            help="Directory with the tokens administrator, coordinator, police.",
        ),
    ] = None,
    locality: Locality = None,
    region: Annotated[
        str,
        typer.Option(
            envvar="ACCORD_REGION", help="Default: the name of the directory."
        ),
    ] = "",
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Put agencies, staff, rotas and a first referral into a deployment that runs."""
    from accord import loading
    from accord.where import locality_at

    there, kept = loading.target(url, tokens)
    at = locality_at(locality)
    if not yes:
        question = f"Have nobody's real case at {there}: put invented people there?"
        typer.confirm(question, abort=True)
    loaded = run(loading.load(there, kept, at, region or at.name))
    if json:
        show.document(loaded.document())
        return
    for line in loaded.lines():
        show.say(line)
