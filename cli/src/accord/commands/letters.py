# ruff: noqa: PLC0415 - A command imports what it needs: all of it takes a second.
"""Messages no service could handle."""

from pathlib import Path
from typing import Annotated, Any

import typer

from accord import show
from accord.commands.given import Json, Yes, run
from accord.deployment import HERE, deployment
from accord.faults import CannotGoOn

group = typer.Typer(no_args_is_help=True, help="Messages no service could handle.")


@group.command("list")
def list_parked(*, json: Json = False) -> None:
    """List every parked message by its envelope; all of them stay where they are."""
    from accord import parked

    async def look() -> list[parked.Parked]:
        async with parked.parking(deployment()) as parking:
            return parking.found

    found = run(look())
    if json:
        show.document([each.document() for each in found])
    elif not found:
        show.say("Nothing is parked.")
    else:
        rows = [
            (each.message_id[:8], each.queue, each.type, each.subject[:8], each.reason)
            for each in found
        ]
        show.table("id", "queue", "type", "subject", "reason", rows=rows)


@group.command("show")
def show_parked(
    message_id: Annotated[str, typer.Argument(help="Its id, or how that begins.")],
    *,
    body: Annotated[
        bool, typer.Option("--body", help="Headers and thin body too.")
    ] = False,
) -> None:
    """Show one parked message, as JSON."""
    from accord import parked

    async def look() -> dict[str, Any]:
        async with parked.parking(deployment()) as parking:
            return parking.chosen(message_id).document(body=body)

    show.document(run(look()))


@group.command("replay")
def replay_parked(
    message_id: Annotated[str | None, typer.Argument(help="Or how it begins.")] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
) -> None:
    """Hand a parked message to its service again, from its first attempt on."""
    if every == (message_id is not None):
        raise CannotGoOn("Name one message, or --all.")
    from accord import parked

    async def replay() -> int:
        async with parked.parking(deployment()) as parking:
            chosen = parking.found if every else [parking.chosen(message_id or "")]
            for each in chosen:
                await parking.replay(each)
            return len(chosen)

    show.say(f"{run(replay())} replayed.")


@group.command("discard")
def discard_parked(
    message_id: Annotated[str, typer.Argument(help="Its id, or how that begins.")],
    *,
    reason: Annotated[str, typer.Option(prompt=True, help="Kept in the log.")],
    log: Annotated[
        Path, typer.Option(help="Where discarded messages are recorded.")
    ] = HERE / "discarded.ndjson",
    yes: Yes = False,
) -> None:
    """Take a parked message away for good, and record who it was and why."""
    from accord import parked

    async def discard() -> parked.Parked:
        async with parked.parking(deployment()) as parking:
            chosen = parking.chosen(message_id)
            if not yes:
                what = f"{chosen.type or 'message'} {chosen.message_id}"
                typer.confirm(f"Discard {what}? It cannot be had back.", abort=True)
            await parking.discard(chosen, reason=reason, log=log)
            return chosen

    show.say(f"{run(discard()).message_id} discarded; recorded in {log}.")
