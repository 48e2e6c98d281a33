# ruff: noqa: PLC0415 - A command imports what it needs: all of it takes a second.
"""What runs on this machine, and what is asked of a deployment as a whole."""

import importlib
from pathlib import Path
from typing import Annotated, Any

import typer

from accord import show
from accord.catalogue import SERVICES
from accord.commands.given import Json, Locality, Yes, run
from accord.deployment import HERE, deployment, is_held, running, target
from accord.faults import CannotGoOn
from accord.findings import Finding, Verdict, worst

group = typer.Typer()


@group.command()
def serve(
    service: Annotated[str, typer.Argument(help=f"One of {', '.join(SERVICES)}.")],
) -> None:
    """Serve one service, with the settings of the environment, until told to stop."""
    if service not in SERVICES:
        raise CannotGoOn(
            f"There is no service {service}.", mend=f"One of {', '.join(SERVICES)}."
        )
    from accord_chassis.service import main as serve_service

    module: Any = importlib.import_module(f"{service}.app")
    serve_service(service, module.Settings, module.create_app)


@group.command("demo")
def run_demo(
    *,
    processes: Annotated[
        bool, typer.Option("--processes", help="A process for each service.")
    ] = False,
    once: Annotated[
        bool, typer.Option("--once", help="End after the self-test.")
    ] = False,
    json: Json = False,
    speed: Annotated[
        float, typer.Option(min=0.01, max=1000, help="1: a referral in 20 seconds.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(help="Of the invented world.")] = 1,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Default: 8000 or the next.")
    ] = None,
    locality: Locality = None,
) -> None:
    """Run everything on this machine, with an invented world in it, until Ctrl-C."""
    from accord import demo
    from accord.where import locality_at

    options = demo.Options(
        here=HERE,
        locality=locality_at(locality),
        processes=processes,
        once=once,
        json=json,
        speed=speed,
        seed=seed,
        port=port,
    )
    try:
        code = run(demo.demonstrate(options, show.document))
    except show.StepFailed as failed:
        if json:
            show.document(failed.document())
        raise
    raise typer.Exit(code)


@group.command()
def status() -> None:
    """Show the demonstration that runs here. Exits with 1 if there is none."""
    from accord import banner

    state = running()
    if state is None:
        raise CannotGoOn(
            "No demonstration runs here.", mend="`accord demo` starts one."
        )
    for line in banner.lines(state):
        show.say(line)


@group.command()
def assertion(
    agency: Annotated[str, typer.Argument(help="Whose system asks for a token.")],
) -> None:
    """Sign with what an agency's system gets a token from the demonstration's issuer.

    It is good for a minute, and once.
    """
    from accord import issuing

    state = running()
    if state is None:
        raise CannotGoOn(
            "No demonstration runs here.", mend="`accord demo` starts one."
        )
    show.say(issuing.assertion(HERE, agency, state["url"]))


@group.command()
def reset(*, yes: Yes = False) -> None:
    """Delete what the demonstration here has kept: data, mail, logs, credentials."""
    if is_held(HERE):
        raise CannotGoOn(
            "A demonstration runs here.", mend="End it first: Ctrl-C in its terminal."
        )
    if not yes:
        typer.confirm(f"Delete everything in {HERE.absolute()}?", abort=True)
    from accord.reset import reset as delete

    delete(HERE)
    show.say(f"{HERE} is gone.")


@group.command("replay")
def replay_file(
    file: Annotated[
        Path | None, typer.Argument(help="Referrals, one JSON document a line.")
    ] = None,
    *,
    pilot: Annotated[
        bool, typer.Option("--pilot", help="The published pilot instead of a file.")
    ] = False,
    url: Annotated[str | None, typer.Option(envvar="ACCORD_URL")] = None,
    token: Annotated[
        str | None,
        typer.Option(envvar="ACCORD_TOKEN", help="An agency's. Default: the demo's."),
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=256)] = 8,
    seed: Annotated[int, typer.Option(help="Of the pilot's invented people.")] = 1,
    months: Annotated[
        float | None, typer.Option(min=0.05, help="Of each of the pilot's sites.")
    ] = None,
    repeats: Annotated[
        float | None,
        typer.Option(min=0, max=0.9, help="Of the pilot's cases. Default: 0.12."),
    ] = None,
    speed: Annotated[
        float | None,
        typer.Option(
            min=0.01, help="Of the pilot: days a second. Default: as fast as it goes."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Post a file of referrals as an agency would, and say what became of them."""
    if pilot == (file is not None):
        raise CannotGoOn("Name a file, or --pilot.")
    if file is None:
        # Its world is large, and nothing else needs it.
        importlib.import_module("accord.pilot").run(
            json=json, seed=seed, months=months, repeats=repeats, speed=speed
        )
        return
    from accord import replay

    given = target(url, token, replay.ASKER)
    with show.progress(file, quiet=json) as advance:
        poster = replay.Replay(*given, concurrency=concurrency, progress=advance)
        summary = run(poster.run(replay.lines(file)))
    if json:
        show.document(summary.document())
    else:
        show.replayed(summary)
    raise typer.Exit(0 if not summary.refused and not summary.failed else 1)


@group.command()
def doctor(*, json: Json = False) -> None:
    """Look at this machine and at the deployment. Exits with 1 to warn, 2 to fail."""
    from accord import doctor as doctor_
    from accord import machine

    findings = list(machine.look_around())
    try:
        found = deployment()
    except CannotGoOn as none:
        findings.append(Finding("deployment", Verdict.OK, none.cause, none.mend))
    else:
        findings += run(doctor_.examine(found))
    verdict = worst(findings)
    if json:
        told = [each.document() for each in findings]
        show.document({"verdict": verdict, "findings": told})
    else:
        rows = [(each.verdict.value, each.what, each.told) for each in findings]
        show.table("", "what", "found", rows=rows)
        for each in findings:
            if each.mend and each.verdict is not Verdict.OK:
                show.say(f"{each.what}: {each.mend}")
    raise typer.Exit(verdict.code)
