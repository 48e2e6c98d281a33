"""The audit log, as an operator, an auditor or a privacy officer looks at it."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from accord_chassis import audit
from accord_chassis.entries import OPENED, Keys, Recorded, recorded
from accord_chassis.oddities import Oddity, Watch
from accord_chassis.store import connect
from accord_chassis.verification import (
    Anchors,
    Fault,
    Finding,
    Report,
    anchors_in,
)
from accord_chassis.verification import verify as verify_entries
from pymongo import MongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import OperationFailure, PyMongoError

from accord.catalogue import SERVICES
from accord.deployment import Deployment
from accord.faults import CannotGoOn
from accord.operators import AUDITOR, ID, PRIVACY_OFFICER, Deed, on_record

SECONDS = 10.0

COLUMNS = ("when", "who", "agency", "what", "outcome", "why", "rule", "fields", "entry")

READERS = {AUDITOR, PRIVACY_OFFICER}
"""Who may read who looked at what. Whether the log is whole anybody may ask who can
reach it: that tells of nobody, and a program asks it every day."""

ALTERED = "ALTERED"
"""Stands before an entry that is not as it was sealed, and proves nothing."""


def prepare(deployment: Deployment) -> None:
    """Make the audit log's indexes.

    Raises:
        CannotGoOn: The store is away, or does not let us.
    """
    with (
        answering(),
        MongoClient[dict[str, Any]](
            deployment.need_audit(), serverSelectionTimeoutMS=SECONDS * 1000
        ) as client,
    ):
        audit.prepare(client[deployment.audit_database])


async def verify(deployment: Deployment, anchors: Path | None) -> Report:
    """Follow every chain.

    Args:
        deployment: Whose.
        anchors: Directory of the anchored heads; by default the deployment's, if it has
            one.

    Raises:
        CannotGoOn: The store or the anchors cannot be read.
    """
    keys = Keys(deployment.need_audit_key())
    known = _anchors(anchors or deployment.audit_anchors, keys)
    async with _entries(deployment) as entries:
        return await verify_entries(entries, keys, known)


def _anchors(folder: Path | None, keys: Keys) -> Anchors:
    if folder is None:
        return Anchors()
    try:
        return anchors_in(folder, keys)
    except OSError as fault:
        raise CannotGoOn(
            f"The anchors in {folder} cannot be read: {fault.strerror}.",
            mend="Name their directory with --anchors.",
        ) from None


def lines(report: Report) -> Iterator[str]:
    """Tell what became of a verification."""
    yield (
        f"{report.chains} chains, {report.entries} entries, "
        f"{report.anchored} of them vouched for by an anchor."
    )
    for each in report.findings:
        yield f"{each.fault}: {_where(each)}"
    if not report.findings:
        yield "Nothing was changed or taken away, as far as this can be seen."


def _where(finding: Finding) -> str:
    match finding.fault:
        case Fault.FORGED:
            return f"line {finding.seq} of the anchors {finding.chain}"
        case Fault.UNKNOWN:
            return f"{finding.seq} documents belong to no chain"
        case _:
            return f"{finding.chain} is not to be trusted from entry {finding.seq} on"


async def who(
    deployment: Deployment, case_ids: Sequence[str], *, most: int
) -> list[Recorded]:
    """Say who looked at a case or changed something of it, the latest first.

    Who asks that is on record too, from their next look on.

    Raises:
        CannotGoOn: What is asked for is no case's id, the store is away, it is not
            known who asks, or they may not.
    """
    # What is asked goes on record, from which nobody can take a name away again.
    if not all(map(ID.fullmatch, case_ids)):
        raise CannotGoOn(
            "A case is named by its id: 36 digits, letters a to f and hyphens.",
            mend="Nothing was looked up, and nothing was recorded.",
        )
    keys = Keys(deployment.need_audit_key())
    async with (
        on_record(deployment, "audit", READERS) as known,
        _entries(deployment) as entries,
    ):
        found = await audit.looked_at(entries, keys, case_ids, limit=most)
        await known.records(*(Deed("audit.who", "audit", i, i) for i in case_ids))
        return found


async def odd(
    deployment: Deployment, *, hours: float, cases: int, refusals: int
) -> list[tuple[Oddity, Recorded]]:
    """Go through what all services recorded, and say at which entries it became odd.

    Raises:
        CannotGoOn: The store is away, or it is not known who asks, or they may not.
    """
    keys = Keys(deployment.need_audit_key())
    watch = Watch(cases=cases, refusals=refusals, services=SERVICES)
    since = {"at": {"$gte": datetime.now(UTC) - timedelta(hours=hours)}}
    found = []
    async with (
        on_record(deployment, "audit", READERS) as known,
        _entries(deployment) as entries,
    ):
        async for stored in audit.raw(entries).find(since).sort("at", 1):
            each = recorded(bytes(stored.raw), keys)
            if each.entry.action != OPENED:
                odd = watch.notice(each.entry, each.id, each.at)
                found += [(one, each) for one in odd]
        await known.records(Deed("audit.odd", "audit", "odd"))
    return found


def told(found: Recorded) -> dict[str, Any]:
    """Give an entry for a machine."""
    head = {"id": found.id, "at": found.at, "intact": found.intact}
    return {**head, **asdict(found.entry)}


def row(found: Recorded) -> tuple[str, ...]:
    """Give an entry as a row below ``COLUMNS``."""
    entry = found.entry
    done = f"{entry.action} {entry.resource_id}"
    if entry.break_glass:
        done += f" (glass broken: {entry.break_glass})"
    shown = (
        f"{found.at:%Y-%m-%d %H:%M:%S}",
        entry.worker or entry.subject,
        entry.agency or "",
        done if found.intact else f"{ALTERED} {done}",
        entry.outcome,
        entry.purpose,
        entry.rule,
        ", ".join(map(str, entry.fields)),
        found.id,
    )
    return tuple(str(each) for each in shown)


@asynccontextmanager
async def _entries(
    deployment: Deployment,
) -> AsyncIterator[AsyncCollection[dict[str, Any]]]:
    with answering():
        line = deployment.audit_line()
        async with connect(
            line.url, serverSelectionTimeoutMS=SECONDS * 1000, **line.store_options()
        ) as client:
            yield client[deployment.audit_database][audit.ENTRIES]


@contextmanager
def answering() -> Iterator[None]:
    """Say in a sentence what the store has against it; never in its own words.

    Raises:
        CannotGoOn: The audit log's store is away, or does not let us.
    """
    try:
        yield
    except OperationFailure as fault:
        raise CannotGoOn(
            f"The audit log's store says no (code {fault.code}).",
            mend="Correct the user in ACCORD_AUDIT_URL, or its rights.",
        ) from None
    except PyMongoError as fault:
        raise CannotGoOn(
            f"The audit log's store does not answer ({type(fault).__name__}).",
            mend="Start it, or correct ACCORD_AUDIT_URL.",
        ) from None
