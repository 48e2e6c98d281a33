# ruff: noqa: PLC0415 - A command imports what it needs: all of it takes a second.
"""Who saw or changed what, and why."""

from pathlib import Path
from typing import Annotated

import typer
from accord_chassis.oddities import CASES_AN_HOUR, REFUSALS_AN_HOUR

from accord import show
from accord.commands.given import Json, run
from accord.deployment import deployment

group = typer.Typer(no_args_is_help=True, help="Who saw or changed what, and why.")


@group.command("prepare")
def prepare_audit() -> None:
    """Make the audit log's indexes, with rights that no service has."""
    from accord import audit as audit_

    found = deployment()
    audit_.prepare(found)
    show.say(f"The audit log {found.audit_database} is prepared.")


@group.command("verify")
def verify_audit(
    *,
    anchors: Annotated[
        Path | None,
        typer.Option(
            envvar="ACCORD_AUDIT_ANCHORS", help="Directory of the anchored heads."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Look for entries that were changed or taken away. Exits with 1 if there are."""
    from accord import audit as audit_

    report = run(audit_.verify(deployment(), anchors))
    if json:
        show.document(report.document())
    else:
        for line in audit_.lines(report):
            show.say(line)
    raise typer.Exit(1 if report.findings else 0)


@group.command("who")
def who_looked(
    case_ids: Annotated[
        list[str],
        typer.Argument(
            help="The case's id, and those of the cases that are merged with it."
        ),
    ],
    *,
    most: Annotated[int, typer.Option(min=1, help="The latest so many.")] = 100,
    json: Json = False,
) -> None:
    """Say who looked at a case or changed something of it, the latest first."""
    from accord import audit as audit_

    found = run(audit_.who(deployment(), case_ids, most=most))
    if json:
        show.document([audit_.told(each) for each in found])
    elif not found:
        show.say("Nobody, as far as is recorded.")
    else:
        show.table(*audit_.COLUMNS, rows=map(audit_.row, found))


@group.command("odd")
def odd_look_ups(
    *,
    hours: Annotated[float, typer.Option(min=0.1, help="How far back.")] = 24,
    cases: Annotated[
        int, typer.Option(min=1, help="Cases an hour that one person may look at.")
    ] = CASES_AN_HOUR,
    refusals: Annotated[
        int, typer.Option(min=1, help="Refusals an hour that one person may meet.")
    ] = REFUSALS_AN_HOUR,
    json: Json = False,
) -> None:
    """Say who went where they are barred, looked at many, or broke the glass."""
    from accord import audit as audit_

    looked = audit_.odd(deployment(), hours=hours, cases=cases, refusals=refusals)
    found = run(looked)
    if json:
        told = [{"reason": o.reason, **audit_.told(each)} for o, each in found]
        show.document(told)
    elif not found:
        show.say("Nothing odd.")
    else:
        rows = ((o.reason.value, *audit_.row(each)) for o, each in found)
        show.table("reason", *audit_.COLUMNS, rows=rows)
