# ruff: noqa: PLC0415 - A command imports what it needs: all of it takes a second.
"""The store's users and their rights."""

from pathlib import Path
from typing import Annotated

import typer

from accord import show
from accord.catalogue import catalogue_of
from accord.commands.given import Json, Locality
from accord.deployment import deployment

group = typer.Typer(no_args_is_help=True, help="The store's users and their rights.")


@group.command("apply")
def apply_store(
    *,
    locality: Locality = None,
    passwords_: Annotated[
        Path,
        typer.Option(
            "--passwords",
            envvar="ACCORD_STORE_PASSWORDS",
            help="Directory with a file for each service's user.",
        ),
    ],
    generate: Annotated[
        bool, typer.Option("--generate", help="Make the passwords that are missing.")
    ] = False,
) -> None:
    """Give every service a user of the store: its own database, and no other's."""
    from accord import passwords, store

    found = deployment()
    catalogue = catalogue_of(locality or found.locality)
    read = passwords.made_in if generate else passwords.read_from
    chosen = read(passwords_, catalogue.services)
    with store.administrator(found.store_line()) as client:
        ends = found.suffix()
        before = store.apply(client, catalogue, passwords=chosen, suffix=ends)
        left = store.check(client, catalogue, suffix=ends)
    for each in left:
        show.say(f"left alone: {each}")
    show.say(f"{len(before) - len(left)} differences mended; every password is set.")


@group.command("check")
def check_store(*, locality: Locality = None, json: Json = False) -> None:
    """Say every right that is not as catalogued. Exits with 1 if there is one."""
    from accord import store

    found = deployment()
    catalogue = catalogue_of(locality or found.locality)
    with store.administrator(found.store_line()) as client:
        differing = store.check(client, catalogue, suffix=found.suffix())
    if json:
        show.document([str(each) for each in differing])
    else:
        for each in differing:
            show.say(str(each))
        what = f"{len(differing)} differences" if differing else "as catalogued"
        show.say(f"store: {what}")
    raise typer.Exit(1 if differing else 0)
