# ruff: noqa: PLC0415 - A command imports what it needs: all of it takes a second.
"""The ``accord`` command.

What is said on the command line becomes a call of the module that does it; nothing is
decided here.
"""

import importlib
import sys
from collections.abc import Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from accord_chassis.development.process import Unavailable
from accord_chassis.oddities import CASES_AN_HOUR, REFUSALS_AN_HOUR
from accord_chassis.settings import BadConfiguration
from accord_chassis.topology import OPERATOR

from accord import contracts as contracts_
from accord import show
from accord.catalogue import SERVICES, catalogue_of
from accord.deployment import HERE, deployment, is_held, running, target
from accord.faults import CannotGoOn
from accord.findings import Finding, Verdict, worst

T = TypeVar("T")

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Accord: the platform under a multi-agency response to family violence.",
    epilog="A deployment is named by ACCORD_REGION, ACCORD_LOCALITY, "
    "ACCORD_MANAGEMENT_URL (administrator), ACCORD_AMQP_URL (operator), "
    "ACCORD_STORE_URL (administrator), ACCORD_CA_FILE, ACCORD_AUDIT_URL (or the "
    "store's), ACCORD_AUDIT_KEY, ACCORD_AUDIT_ANCHORS, ACCORD_URL, ACCORD_JWKS_URL, "
    "ACCORD_ISSUER and ACCORD_SMTP_URL, or by files of these names in "
    "ACCORD_SECRETS_DIR; where none is set, it is the demonstration that runs in "
    "./.accord.",
)
events = typer.Typer(no_args_is_help=True, help="What happens, as it happens.")
letters = typer.Typer(no_args_is_help=True, help="Messages no service could handle.")
broker = typer.Typer(no_args_is_help=True, help="The broker's exchanges and queues.")
audit = typer.Typer(no_args_is_help=True, help="Who saw or changed what, and why.")
store = typer.Typer(no_args_is_help=True, help="The store's users and their rights.")
contracts = typer.Typer(no_args_is_help=True, help="The events and what they hold.")
keys_ = typer.Typer(no_args_is_help=True, help="The keys that seal what is kept.")
matching_ = typer.Typer(no_args_is_help=True, help="Who is the same person.")
risk_ = typer.Typer(no_args_is_help=True, help="How risk is weighed.")
directory_ = typer.Typer(no_args_is_help=True, help="Who works for whom, as files.")
allocation_ = typer.Typer(no_args_is_help=True, help="Who takes which role.")
app.add_typer(events, name="events")
app.add_typer(letters, name="dead-letters")
app.add_typer(broker, name="topology")
app.add_typer(audit, name="audit")
app.add_typer(store, name="store")
app.add_typer(contracts, name="contracts")
app.add_typer(keys_, name="keys")
app.add_typer(matching_, name="match")
app.add_typer(allocation_, name="allocation")
app.add_typer(directory_, name="directory")
app.add_typer(risk_, name="risk")

Json = Annotated[bool, typer.Option("--json", help="For a machine.")]
Locality = Annotated[
    Path | None,
    typer.Option(
        envvar="ACCORD_LOCALITY", help="Directory of the locality's policies."
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def main() -> None:
    """Run the command; say in a sentence what stops it."""
    try:
        app()
    except CannotGoOn as wrong:
        show.fault(wrong)
        sys.exit(1)
    except (BadConfiguration, Unavailable) as wrong:
        show.fault(CannotGoOn(str(wrong)))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run something that waits for many things at once."""
    import uvloop
    from accord_chassis.telemetry import configure_logs

    # What a command has to say is its own; only a service keeps a log.
    configure_logs("critical", stream=sys.stderr)
    return uvloop.run(work)


@app.command()
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


@app.command("demo")
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


@app.command()
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


@app.command()
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


@app.command()
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


@app.command("replay")
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
    json: Json = False,
) -> None:
    """Post a file of referrals as an agency would, and say what became of them."""
    if pilot == (file is not None):
        raise CannotGoOn("Name a file, or --pilot.")
    if file is None:
        # Its world is large, and nothing else needs it.
        importlib.import_module("accord.pilot").run(
            json=json, seed=seed, months=months, repeats=repeats
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


@app.command()
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


@events.command("tail")
def tail_events(
    *,
    type_: Annotated[
        str, typer.Option("--type", help="A glob for types: 'risk.*'.")
    ] = "*",
    count: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many.")
    ] = None,
    json: Json = False,
) -> None:
    """Print events as they go by: the envelope and the thin body."""
    from accord import tail

    async def watch() -> None:
        async for seen in tail.watch(deployment(), pattern=type_, count=count):
            if json:
                show.document(seen.document())
            else:
                show.say(seen.line())

    run(watch())


@letters.command("list")
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


@letters.command("show")
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


@letters.command("replay")
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


@letters.command("discard")
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


@broker.command("apply")
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


@broker.command("check")
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


@audit.command("prepare")
def prepare_audit() -> None:
    """Make the audit log's indexes, with rights that no service has."""
    from accord import audit as audit_

    found = deployment()
    audit_.prepare(found)
    show.say(f"The audit log {found.audit_database} is prepared.")


@audit.command("verify")
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


@audit.command("who")
def who_looked(
    case_id: Annotated[str, typer.Argument(help="The case's id.")],
    *,
    most: Annotated[int, typer.Option(min=1, help="The latest so many.")] = 100,
    json: Json = False,
) -> None:
    """Say who looked at a case or changed something of it, the latest first."""
    from accord import audit as audit_

    found = run(audit_.who(deployment(), case_id, most=most))
    if json:
        show.document([audit_.told(each) for each in found])
    elif not found:
        show.say("Nobody, as far as is recorded.")
    else:
        show.table(*audit_.COLUMNS, rows=map(audit_.row, found))


@audit.command("odd")
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
    """Say who looked at many cases, was refused often, or broke the glass."""
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


@store.command("apply")
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


@store.command("check")
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


@keys_.command("status")
def key_status(*, json: Json = False) -> None:
    """Count the records by the version of the regional key that theirs rest on."""
    from accord import keys

    counts = run(keys.status())
    if json:
        show.document({str(version): count for version, count in counts.items()})
        return
    rows = [(str(version), str(count)) for version, count in counts.items()]
    show.table("version", "records", rows=rows)


@keys_.command("rotate")
def rotate_keys() -> None:
    """Make a new regional key and wrap every record's keys under it; no data moves."""
    from accord import keys

    version, count = run(keys.rotate())
    show.say(f"version {version}: {count} records wrapped anew.")


@keys_.command("rewrap")
def rewrap_keys() -> None:
    """Finish a rotation that was broken off, or records that came in meanwhile."""
    from accord import keys

    show.say(f"{run(keys.rewrap())} records wrapped anew.")


@keys_.command("renew-guard")
def renew_guard() -> None:
    """Have the key service guard the roots by the key that ACCORD_KMS_KEY_NAME names.

    The old key must still be there, and the credentials good for both.
    """
    from accord import keys

    show.say(f"{run(keys.renew_guard())} data keys wrapped anew.")


@matching_.command("evaluate")
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
    truth: Annotated[str, typer.Option(help="The column with the true person's id.")],
    weights: Annotated[
        Path | None,
        typer.Option(help="Write what was learned here, for a matching.yaml."),
    ] = None,
    json: Json = False,
) -> None:
    """Learn from a file's own people, untold, and say how well they are matched."""
    from accord import matching

    report = matching.evaluate(file, map_, truth)
    if weights:
        weights.write_text(matching.written(report), encoding="utf-8")
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


@matching_.command("bench")
def bench_matching(
    people: Annotated[
        int, typer.Option(min=100, max=5_000_000, help="Invented people to know.")
    ] = 100_000,
    *,
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

    report = run(among.measure(locality_at(locality), people, asked, seed, keep))
    if json:
        show.document(report.document())
        return
    answers = ", ".join(
        f"{count} {answer.replace('_', ' ')}"
        for answer, count in report.answers.items()
    )
    show.say(
        f"{report.people} people were saved in {report.loading:.0f} s. "
        f"Each question took {report.wall(50):.1f} ms in the median, "
        f"{report.wall(99):.1f} ms at most in 99 of 100: {answers}. Of that, the time "
        f"of this process's processor: {report.processor(50):.1f} ms and "
        f"{report.processor(99):.1f} ms."
    )


Directory = Annotated[
    str, typer.Option("--format", help="hsds (organisations) or csv (workers).")
]
At = Annotated[str | None, typer.Option(envvar="ACCORD_URL")]
Administrator = Annotated[
    str | None,
    typer.Option(
        envvar="ACCORD_TOKEN", help="With allocation.admin. Default: the demo's."
    ),
]


@directory_.command("import")
def import_directory(
    file: Annotated[Path, typer.Argument(help="Organisations, or workers.")],
    *,
    format_: Directory = "hsds",
    url: At = None,
    token: Administrator = None,
) -> None:
    """Take organisations or workers in from a file: all that are in it, or none."""
    from accord import directory

    kind = directory_format(format_)
    where = target(url, token, directory.ASKER)
    taken = run(directory.take_in(directory.read(file), kind, where))
    show.say(f"{taken} were taken in.")


@directory_.command("export")
def export_directory(
    file: Annotated[Path, typer.Argument(help="Where to write it.")],
    *,
    format_: Directory = "hsds",
    url: At = None,
    token: Administrator = None,
) -> None:
    """Write the organisations or the workers of the directory to a file."""
    from accord import directory

    kind = directory_format(format_)
    content = run(directory.give_out(kind, target(url, token, directory.ASKER)))
    directory.write(file, content)
    show.say(f"{file} is written.")


def directory_format(name: str) -> Any:  # noqa: ANN401 - Imported when it is asked for.
    """Give the format of a name."""
    from accord.directory import Format

    try:
        return Format(name)
    except ValueError:
        raise CannotGoOn(
            f"There is no format {name}.", mend=f"One of {', '.join(Format)}."
        ) from None


@allocation_.command("simulate")
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


@allocation_.command("solve")
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
    solution = solving.solve_file(file, written, problem, seconds, seed)
    if json:
        show.document(solving.document(solution))
        return
    show.say(" ".join(str(worker) for worker in solution.assignment))
    show.say(
        f"cost {solution.cost}, bound {solution.bound}, gap {solution.gap:.2%}, "
        f"by {solution.by}."
    )


@risk_.command("simulate")
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
    show.table(*rescoring.HEADS, rows=rescoring.rows(report))
    show.say("Nothing was changed. What is found lower stays until that is proved.")


@risk_.command("weigh")
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


@risk_.command("schema")
def write_risk_schemas(
    directory: Annotated[Path, typer.Argument()] = Path("services/risk/schemas"),
) -> None:
    """Write the JSON Schemas of an instrument and of a locality's policy of risk."""
    from accord import weighing

    for path in weighing.write_schemas(directory):
        show.say(str(path))


@contracts.command("export")
def export_contracts(
    directory: Annotated[Path, typer.Argument()] = contracts_.SCHEMAS,
    *,
    locality: Locality = None,
) -> None:
    """Write the JSON Schemas and the AsyncAPI document."""
    for path in contracts_.export(directory, locality):
        show.say(str(path))


@contracts.command("check")
def check_contracts(
    directory: Annotated[Path, typer.Argument()] = contracts_.SCHEMAS,
    *,
    page: Annotated[
        Path, typer.Option(help="The page of all events, if there is one.")
    ] = contracts_.PAGE,
    locality: Locality = None,
) -> None:
    """Compare what is published with the contracts. Exits with 1 if they differ."""
    wrong = contracts_.check(directory, page, locality)
    for each in wrong:
        show.say(each)
    if not wrong:
        show.say(f"{directory} is up to date.")
    raise typer.Exit(1 if wrong else 0)


@contracts.command("docs")
def describe_contracts(
    file: Annotated[Path, typer.Argument(help="'-' prints it.")] = contracts_.PAGE,
    *,
    locality: Locality = None,
) -> None:
    """Describe every event: who publishes it, who listens, what it holds."""
    page = contracts_.page(locality)
    if str(file) == "-":
        sys.stdout.write(page)
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(page, encoding="utf-8")
    show.say(str(file))
