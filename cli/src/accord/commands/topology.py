# ruff: noqa: PLC0415 - A command imports what it needs: all of it takes a second.
"""The broker's exchanges and queues."""

from pathlib import Path
from typing import Annotated

import typer
from accord_chassis.topology import OPERATOR

from accord import show
from accord.catalogue import catalogue_of
from accord.commands.given import Json, Locality
from accord.deployment import deployment

group = typer.Typer(no_args_is_help=True, help="The broker's exchanges and queues.")


@group.command("apply")
def apply_topology(
    *,
    locality: Locality = None,
    passwords_: Annotated[
        Path | None,
        typer.Option(
            "--passwords",
            envvar="ACCORD_BROKER_PASSWORDS",
            help="Directory with a file a user; without it users are left alone.",
        ),
    ] = None,
    generate: Annotated[
        bool, typer.Option("--generate", help="Make the passwords that are missing.")
    ] = False,
) -> None:
    """Make the broker what the catalogue says: queues, bindings, policies, users."""
    from accord import passwords, topology
    from accord.management import Management

    found = deployment()
    catalogue = catalogue_of(locality or found.locality)
    users = (*catalogue.services, OPERATOR)
    chosen = None
    if passwords_ is not None:
        read = passwords.made_in if generate else passwords.read_from
        chosen = read(passwords_, users)
    with Management(found.need_management(), found.trust()) as management:
        before = topology.apply(
            management, catalogue, vhost=found.vhost, passwords=chosen
        )
        left = topology.check(
            management, catalogue, vhost=found.vhost, users=tuple(chosen or ())
        )
    for each in left:
        show.say(f"left alone: {each}")
    made = len(before) - len(left)
    show.say(f"{found.vhost}: {made} differences mended; every queue has a leader.")


@group.command("check")
def check_topology(*, locality: Locality = None, json: Json = False) -> None:
    """Say every difference from the catalogue. Exits with 1 if there is one."""
    from accord import topology
    from accord.management import Management

    found = deployment()
    catalogue = catalogue_of(locality or found.locality)
    with Management(found.need_management(), found.trust()) as management:
        differing = topology.check(management, catalogue, vhost=found.vhost)
    if json:
        show.document([str(each) for each in differing])
    else:
        for each in differing:
            show.say(str(each))
        what = f"{len(differing)} differences" if differing else "as catalogued"
        show.say(f"{found.vhost}: {what}.")
    raise typer.Exit(1 if differing else 0)
