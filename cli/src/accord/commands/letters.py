# ruff: noqa: PLC0415 - A command imports what it needs: all of it takes a second.
"""Messages no service could handle."""

from typing import Annotated, Any

import typer

from accord import show
from accord.commands.given import Json, Yes, run
from accord.deployment import deployment
from accord.discarding import CONFIRM_WITHIN, Reason, word_in
from accord.faults import CannotGoOn

group = typer.Typer(no_args_is_help=True, help="Messages no service could handle.")

Id = Annotated[str, typer.Argument(help="Its id, or how that begins.")]


@group.command("list")
def list_parked(*, json: Json = False) -> None:
    """List every parked message by its envelope; all of them stay where they are."""
    from accord import parked

    async def look() -> list[dict[str, Any]]:
        async with parked.parking(deployment()) as parking:
            found, words = await parking.listed()
            return [
                {**each.document(), **word_in(words.get(each.name))} for each in found
            ]

    found = run(look())
    if json:
        show.document(found)
    elif not found:
        show.say("Nothing is parked.")
    else:
        rows = [
            (
                each["message_id"][:8],
                each["queue"],
                each["type"],
                each["subject"][:8],
                each["reason"],
                f"{each['discard']}: {each['said_by']}" if each["discard"] else "",
            )
            for each in found
        ]
        show.table("id", "queue", "type", "subject", "reason", "discard", rows=rows)


@group.command("show")
def show_parked(
    message_id: Id,
    *,
    body: Annotated[
        bool, typer.Option("--body", help="Headers and thin body too.")
    ] = False,
) -> None:
    """Show one parked message, as JSON."""
    from accord import parked

    async def look() -> dict[str, Any]:
        async with parked.parking(deployment()) as parking:
            return await parking.shown(message_id, body=body)

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
            if message_id is None:
                return await parking.all_replayed()
            await parking.replayed(message_id)
            return 1

    show.say(f"{run(replay())} replayed.")


@group.command("discard")
def discard_parked(
    message_id: Id,
    *,
    reason: Annotated[Reason, typer.Option(prompt=True, help="Why.")],
) -> None:
    """Say that a parked message should be thrown away; it stays until it is confirmed.

    Somebody else confirms it. Nothing is lost if nobody does.
    """
    from accord import parked

    async def ask() -> parked.Parked:
        async with parked.parking(deployment()) as parking:
            return await parking.ask(message_id, reason)

    name = run(ask()).name
    hours = CONFIRM_WITHIN.total_seconds() / 3600
    show.say(
        f"{name} stays parked until somebody else confirms within {hours:.0f} hours: "
        f"accord dead-letters confirm {name}"
    )


@group.command("confirm")
def confirm_discard(message_id: Id, *, yes: Yes = False) -> None:
    """Throw a parked message away for good, which somebody else said should be."""
    from accord import parked

    async def discard() -> parked.Parked:
        async with parked.parking(deployment()) as parking:
            chosen, word = await parking.to_confirm(message_id)
            if not yes:
                said = word.entry
                what = f"{chosen.type or 'message'} {chosen.message_id}"
                typer.confirm(
                    f"Discard {what} of {chosen.queue}, as {said.subject} said "
                    f"({said.purpose})? It cannot be had back.",
                    abort=True,
                )
            await parking.discard(chosen, word)
            return chosen

    show.say(f"{run(discard()).name} discarded.")
