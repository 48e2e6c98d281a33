# ruff: noqa: PLC0415 - A command imports what it needs: all of it takes a second.
"""What many commands are given, and how they wait for what takes time."""

import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

T = TypeVar("T")

Json = Annotated[bool, typer.Option("--json", help="For a machine.")]
Locality = Annotated[
    Path | None,
    typer.Option(
        envvar="ACCORD_LOCALITY", help="Directory of the locality's policies."
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run something that waits for many things at once."""
    import uvloop
    from accord_chassis.telemetry import configure_logs

    # What a command has to say is its own; only a service keeps a log.
    configure_logs("critical", stream=sys.stderr)
    return uvloop.run(work)
