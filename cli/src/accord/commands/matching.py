# ruff: noqa: PLC0415 - A command imports what it needs: all of it takes a second.
"""Who is the same person."""

from pathlib import Path
from typing import Annotated

import typer

from accord import show
from accord.commands.given import Json, Locality, run
from accord.faults import CannotGoOn

group = typer.Typer(no_args_is_help=True, help="Who is the same person.")


@group.command("evaluate")
def evaluate_matching(
    file: Annotated[Path, typer.Argument(help="People, as CSV in UTF-8.")],
    *,
    map_: Annotated[
        list[str],
        typer.Option(
            "--map",
            help="ours=theirs, once for each column: family_name=surname, "
            "identifier.nhi=NHI (two that differ are never one person), or "
            "code=number (one that may be mistyped).",
        ),
    ],
    truth: Annotated[
        str | None,
        typer.Option(
            help="The column with the true person's id; without it nothing is "
            "measured, and weights alone are learned."
        ),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(help="Write what was learned here, for a matching.yaml."),
    ] = None,
    json: Json = False,
) -> None:
    """Learn from a file's own people, untold, and say how well they are matched."""
    from accord import matching

    if truth is None:
        if weights is None:
            raise CannotGoOn(
                "There is nothing to do.",
                mend="Name the column with the truth (--truth), or a file for what is "
                "learned (--weights).",
            )
        learned = matching.weights_of(file, map_)
        weights.write_text(matching.written(learned), encoding="utf-8")
        return
    report = matching.evaluate(file, map_, truth)
    if weights:
        weights.write_text(matching.written(report.weights), encoding="utf-8")
    if json:
        show.document(report.document())
        return
    show.say(
        f"{report.records} records, {report.compared} pairs compared: "
        f"{report.expected:.0f} expected to be one person, {report.true} are."
    )
    rows = [
        (told, str(at.pairs), *(f"{n:.4f}" for n in (at.precision, at.recall, at.f1)))
        for told, at in matching.told(report)
    ]
    show.table("threshold", "pairs", "precision", "recall", "F1", rows=rows)


@group.command("bench")
def bench_matching(
    *,
    people: Annotated[
        list[int],
        typer.Option(
            min=100,
            max=5_000_000,
            help="Invented people to know; given several times, each is measured.",
        ),
    ] = [100_000],  # noqa: B006 - It is read once, and never changed.
    asked: Annotated[
        int, typer.Option(min=100, max=100_000, help="Of whom is asked who they are.")
    ] = 1_000,
    seed: Annotated[int, typer.Option(min=0, help="Of what is invented.")] = 1,
    keep: Annotated[
        Path | None,
        typer.Option(help="Keep them in this folder, or ask for who is kept there."),
    ] = None,
    locality: Locality = None,
    json: Json = False,
) -> None:
    """Measure how long it takes to tell who somebody is, among many who are known."""
    from accord import among
    from accord.where import locality_at

    async def measure() -> None:
        where = locality_at(locality)
        async for report in among.measure(where, people, asked, seed, keep):
            if json:
                show.document(report.document())
            else:
                show.say(str(report))

    run(measure())
