# ruff: noqa: PLC0415 - A command imports what it needs: all of it takes a second.
"""Who takes which role."""

from pathlib import Path
from typing import Annotated

import typer

from accord import show
from accord.commands.given import Json, Locality, run
from accord.deployment import target
from accord.faults import CannotGoOn

group = typer.Typer(no_args_is_help=True, help="Who takes which role.")


@group.command("simulate")
def simulate_locality(
    *,
    workers: Annotated[
        Path, typer.Option(help="JSON: what the directory is told of each worker.")
    ],
    referrals: Annotated[
        Path | None, typer.Option(help="JSON: cases, each with its time and level.")
    ] = None,
    pilot: Annotated[
        bool, typer.Option("--pilot", help="As many as the pilot had there.")
    ] = False,
    months: Annotated[float, typer.Option(min=0.1, max=60, help="How long.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Of what is drawn with --pilot.")] = 1,
    locality: Locality = None,
    json: Json = False,
) -> None:
    """Run demand against workers: waits, load, unmet wishes, and how many it takes."""
    from accord import simulating
    from accord.where import locality_at

    if pilot is (referrals is not None):
        raise CannotGoOn(
            "There is either a file of cases or the pilot to go by.",
            mend="Give one of --referrals FILE and --pilot.",
        )
    there = locality_at(locality)
    done = simulating.run(there, workers, referrals, months, seed)
    if json:
        show.document(simulating.document(done))
        return
    for line in simulating.lines(done):
        show.say(line)


@group.command("equity")
def read_equity(
    *,
    days: Annotated[
        str, typer.Option(help="Of what is looked back at: 90, 180 or 365.")
    ] = "365",
    url: Annotated[str | None, typer.Option(envvar="ACCORD_URL")] = None,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="ACCORD_TOKEN", help="With allocation.equity. Default: the demo's."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Say how many wished for what, how many wishes are met, and why others are not."""
    from accord import equity

    report = run(equity.read(days, target(url, token, equity.ASKER)))
    if json:
        show.document(report)
        return
    show.table("wish", "of", "cases", "met", "not met", rows=equity.rows(report))
    show.say(f"few: fewer than {report['least_cell']}, or it would tell of so few.")


@group.command("solve")
def solve_instance(
    file: Annotated[
        Path, typer.Argument(metavar="INSTANCE", help="Capacities, loads and costs.")
    ],
    *,
    seconds: Annotated[
        float, typer.Option(min=0.1, max=3600, help="The most it may take.")
    ] = 10.0,
    seed: Annotated[int, typer.Option(min=0, help="Of its random choices.")] = 1,
    format_: Annotated[
        str, typer.Option("--format", help="plain (JSON) or orlib (OR-Library's).")
    ] = "plain",
    problem: Annotated[
        int, typer.Option(min=1, help="Which of the problems of an orlib file.")
    ] = 1,
    maximise: Annotated[
        bool, typer.Option("--maximise", help="At the most, as in gap1 to gap12.")
    ] = False,
    json: Json = False,
) -> None:
    """Give every role to a worker within all capacities, at the least cost found."""
    from accord import solving

    try:
        written = solving.Format(format_)
    except ValueError:
        raise CannotGoOn(
            f"There is no format {format_}.",
            mend=f"One of {', '.join(solving.Format)}.",
        ) from None
    solution = solving.solve_file(
        file, written, problem, seconds, seed, maximise=maximise
    )
    if json:
        show.document(solving.document(solution))
        return
    show.say(" ".join(str(worker) for worker in solution.assignment))
    show.say(
        f"cost {solution.cost}, bound {solution.bound}, gap {solution.gap:.2%}, "
        f"by {solution.by}."
    )
