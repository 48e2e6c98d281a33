# ruff: noqa: PLC0415 - A command imports what it needs: all of it takes a second.
"""How risk is weighed."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from accord import show
from accord.commands.given import Json, Locality
from accord.deployment import deployment

group = typer.Typer(no_args_is_help=True, help="How risk is weighed.")


@group.command("simulate")
def simulate_policy(
    *,
    policy: Annotated[
        list[Path],
        typer.Option(help="A risk.yaml; again for another, side by side."),
    ],
    against: Annotated[
        str, typer.Option(help="`stored`, or a file of assessments as JSON lines.")
    ] = "stored",
    json: Json = False,
) -> None:
    """Say how levels, workload and overdue reviews would move under another policy."""
    from accord import rescoring

    read = rescoring.versions(policy)
    at = datetime.now(UTC)
    if against == rescoring.STORED:
        report = rescoring.run_stored(read, deployment(), at)
    else:
        report = rescoring.run(read, rescoring.of_file(Path(against)), at)
    if json:
        show.document(rescoring.document(report))
        return
    if not any(report.values()):
        show.say("There are too few cases to tell of any.")
        return
    show.table(*rescoring.HEADS, rows=rescoring.rows(report))
    show.table(*rescoring.ROLES, rows=rescoring.role_rows(report))
    show.table(*rescoring.follow_heads(report), rows=rescoring.follow_rows(report))
    show.say("What is few, or would tell of few, is left out; sums are in tens.")
    show.say("Nothing was changed. What is found lower stays until that is proved.")


@group.command("weigh")
def weigh_case(
    file: Annotated[Path, typer.Argument(help="The case, as YAML or JSON.")],
    *,
    json: Json = False,
    locality: Locality = None,
) -> None:
    """Weigh the case in a file by a locality's policy, and say why. Stores nothing."""
    from accord import weighing
    from accord.where import locality_at

    report = weighing.weigh_file(file, locality_at(locality))
    if json:
        show.document(report.model_dump(mode="json"))
        return
    for each in report.explanation:
        show.say(each)


@group.command("schema")
def write_risk_schemas(
    directory: Annotated[Path, typer.Argument()] = Path("services/risk/schemas"),
) -> None:
    """Write the JSON Schemas of an instrument and of a locality's policy of risk."""
    from accord import weighing

    for path in weighing.write_schemas(directory):
        show.say(str(path))
