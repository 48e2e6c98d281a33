# ruff: noqa: PLC0415 - A command imports what it needs: all of it takes a second.
"""What happens, as it happens."""

from typing import Annotated

import typer

from accord import show
from accord.commands.given import Json, run
from accord.deployment import deployment

group = typer.Typer(no_args_is_help=True, help="What happens, as it happens.")


@group.command("tail")
def tail_events(
    *,
    type_: Annotated[
        str, typer.Option("--type", help="A glob for types: 'risk.*'.")
    ] = "*",
    count: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many.")
    ] = None,
    json: Json = False,
) -> None:
    """Print events as they go by: the envelope and the thin body."""
    from accord import tail

    async def watch() -> None:
        async for seen in tail.watch(deployment(), pattern=type_, count=count):
            if json:
                show.document(seen.document())
            else:
                show.say(seen.line())

    run(watch())
