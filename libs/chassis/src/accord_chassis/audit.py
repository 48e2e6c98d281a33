"""Who saw or changed what, and why: written before data leaves, and never changed.

The audit log is a database of its own, in which services may insert and find and
nothing else. Every process writes a chain of its own, so that writers never wait for
each other: each entry carries the hash of the one before it. What the store has not
confirmed is not built upon: the chain ends there, and another begins that names it.
"""

import asyncio
import heapq
import json
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from itertools import islice
from pathlib import Path

import structlog
from accord_contracts.problem import Refusal
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError, PyMongoError
from pymongo.operations import IndexModel
from pymongo.read_concern import ReadConcern

from accord_chassis.batching import Batcher
from accord_chassis.clock import Clock
from accord_chassis.entries import (
    NOTHING,
    OPENED,
    PERMITTED,
    REFUSED,
    Document,
    Entry,
    Head,
    Keys,
    Recorded,
    entry_id,
    place_in_chain,
    recorded,
)
from accord_chassis.oddities import Watch
from accord_chassis.telemetry import current_trace_id

__all__ = ["PERMITTED", "REFUSED", "AuditAway", "AuditLog", "Entry", "Recorded"]

log = structlog.get_logger()

ENTRIES = "entries"
"""The collection of the entries."""

PREPARED = "prepared"
"""The collection that says which indexes an operator has made: services may not look at
indexes, only find documents."""

EDITION = 1
"""Of the indexes. Whoever changes them counts it up."""

INDEXES = (
    # Who looked at this case, the latest first.
    IndexModel([("case_id", 1), ("at", -1)]),
    # What happened in an hour.
    IndexModel([("at", 1)]),
)

RIGHTS = ("insert", "find")
"""All that a service's user may do in the audit log's database."""

WRITE_SECONDS = 5.0
"""How long a request waits for its entry before it is told to come back."""

LOOK_SECONDS = 2.0

ANCHOR_SECONDS = 60.0
"""How often the head of the chain is told to somebody else: what is cut off within that
time and rewritten by the holder of the key cannot be seen."""

BATCH = 200
"""The most entries of one write."""


class AuditAway(Refusal):
    """What is done cannot be recorded at present, so it is not done: try again soon."""

    status = 503


class AuditLog:
    """The audit log, as a service, or an operator, writes and reads it.

    Args:
        database: Where it is.
        keys: What it is sealed with.
        writer: Whose chains these are: a service, or the operators.
        watch: Notices what is odd.
        clock: Tells when something was decided.
        anchors: The directory to which heads are told, if there is one.
    """

    def __init__(
        self,
        database: AsyncDatabase[Document],
        keys: Keys,
        *,
        writer: str,
        watch: Watch,
        clock: Clock,
        anchors: Path | None = None,
    ) -> None:
        self.database = database
        self.entries = self.database[ENTRIES]
        self.keys = keys
        self.odd = 0
        self._writer = writer
        self._clock = clock
        self._folder = anchors
        self._watch = watch
        self._append = Batcher(self._append_all, limit=BATCH)
        self._building: Head | None = None
        self._last: Head | None = None
        self._anchored: Head | None = None

    async def write(self, entry: Entry) -> None:
        """Write an entry; when this returns, it is durable.

        Raises:
            AuditAway: It is not known to be.
        """
        if entry.request_id is None:
            entry = replace(entry, request_id=current_trace_id())
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                await self._append(entry)
        except (PyMongoError, OSError):
            raise AuditAway from None

    async def looked_at(
        self, *case_ids: str, after: str | None = None, limit: int = 100
    ) -> list[Recorded]:
        """Say who looked at a case or changed something of it, the latest first.

        Args:
            case_ids: Which, and whatever is one with it.
            after: The id of the last entry that was seen, to go on from there.
            limit: The most entries to give.
        """
        return await looked_at(
            self.entries, self.keys, case_ids, after=after, limit=limit
        )

    async def prepare(self) -> None:
        """Begin a chain, which proves that entries can be written.

        Raises:
            PyMongoError: They cannot.
            TimeoutError: The store does not answer in time.
        """
        await self._append(None)
        found = await self.database[PREPARED].find_one({"_id": EDITION})
        if found is None:
            log.warning("audit.not_prepared", reason="run `accord audit prepare`")

    async def answers(self) -> bool:
        """Tell whether entries can be written, as far as that is known without one."""
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                if self._building is None:
                    await self._append(None)
                else:
                    await self.database.client.admin.command("ping")
        except (PyMongoError, OSError):
            return False
        return True

    async def anchor(self) -> str | None:
        """Tell the head of the chain to somebody whom whoever rules the store does not.

        It goes to the log, and to a file where a folder is named.

        Returns:
            The line of the file, if it is new and in none.
        """
        head = self._last
        if head is None or head == self._anchored:
            return None
        at = self._clock.now().isoformat(timespec="milliseconds")
        line = {
            "chain": head.chain,
            "seq": head.seq,
            "hash": head.hash.hex(),
            "at": at,
            "signature": self.keys.sign(head, at),
        }
        log.info("audit.anchored", **line)
        told = json.dumps(line)
        if self._folder is not None:
            file = self._folder / f"{head.chain.replace('/', '_')}.ndjson"
            try:
                await asyncio.to_thread(_add_line, file, told)
            except OSError as fault:
                # It is tried again in a minute; the store is not to blame.
                log.warning("audit.not_anchored", fault=type(fault).__name__)
                return told
        self._anchored = head
        return told if self._folder is None else None

    async def close(self) -> None:
        """Anchor what was written last."""
        await self.anchor()

    async def _append_all(self, entries: Sequence[Entry | None]) -> Sequence[None]:
        """Add entries to the chain; nothing alone only begins one.

        Until it is known that a write is durable nobody builds on it, however it ends:
        the next writer begins another chain.
        """
        head, self._building = self._building, None
        known = [each for each in entries if each is not None]
        now = self._clock.now()
        told = [{"at": now, **each.document()} for each in known]
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                if head is None:
                    head, opening = await self._begun(now)
                    told.insert(0, opening)
                documents, head = self._chained(head, told)
                if documents:
                    await self.entries.insert_many(documents, ordered=True)
        except (PyMongoError, OSError) as fault:
            # Its text holds entries: it never goes further than its name.
            log.warning("audit.away", fault=type(fault).__name__)
            raise
        self._building = self._last = head
        self._notice(known, documents[len(documents) - len(known) :])
        return [None] * len(entries)

    async def _begun(self, now: datetime) -> tuple[Head, Document]:
        """Name a new chain, and tell which entry was the last before it.

        So the end of a chain cannot be cut off, nor a whole one taken away, without
        contradicting the chain that follows.
        """
        moment = f"{now:%Y%m%dT%H%M%S}{now.microsecond // 1000:03d}"
        chain = f"{self._writer}/{moment}-{secrets.token_hex(6)}"
        before = self._last or await self._newest()
        opening: Document = {"at": now, "action": OPENED}
        if before is not None:
            opening["after"] = before.id
        return Head(chain, -1, before.hash if before else NOTHING), opening

    async def _newest(self) -> Head | None:
        """Find the last entry of the writer's newest chain that will not go again."""
        settled = self.entries.with_options(read_concern=ReadConcern("majority"))
        found = await settled.find_one(
            # Nought is the sign that follows the slash.
            {"_id": {"$gt": f"{self._writer}/", "$lt": f"{self._writer}0"}},
            projection={"hash": 1},
            sort=[("_id", -1)],
        )
        place = place_in_chain(found["_id"]) if found else None
        held = found.get("hash") if found else None
        if place is None or not isinstance(held, bytes):
            return None
        return Head(*place, held)

    def _chained(
        self, head: Head, told: Sequence[Document]
    ) -> tuple[list[Document], Head]:
        """Make entries of what is told, each sealed to the one before it."""
        documents = []
        for each in told:
            name = entry_id(head.chain, head.seq + 1)
            document = {"_id": name, **each, "previous": head.hash}
            document["hash"] = self.keys.seal(document)
            documents.append(document)
            head = Head(head.chain, head.seq + 1, document["hash"])
        return documents, head

    def _notice(self, entries: Sequence[Entry], documents: Sequence[Document]) -> None:
        """Raise the alarm where somebody does something odd: by the entry alone.

        Who it was stands in the entry, for whoever may read it.
        """
        for entry, document in zip(entries, documents, strict=True):
            name = document["_id"]
            for odd in self._watch.notice(entry, name, document["at"]):
                self.odd += 1
                log.critical(
                    "lookups.odd", reason=odd.reason, count=odd.count, entry=name
                )


def raw(
    entries: AsyncCollection[Document],
) -> AsyncCollection[RawBSONDocument]:
    """Have entries read as they are stored, byte for byte."""
    return entries.with_options(codec_options=_RAW)


_RAW = CodecOptions(document_class=RawBSONDocument)


async def looked_at(
    entries: AsyncCollection[Document],
    keys: Keys,
    case_ids: Sequence[str],
    *,
    after: str | None = None,
    limit: int,
) -> list[Recorded]:
    """Say who looked at a case, as :meth:`AuditLog.looked_at` does, without a log."""
    since: Document = {}
    if after is not None:
        last = await entries.find_one({"_id": after})
        if last is None or last.get("case_id") not in case_ids:
            return []
        since["$or"] = [
            {"at": {"$lt": last["at"]}},
            {"at": last["at"], "_id": {"$lt": after}},
        ]

    async def of(case_id: str) -> list[Recorded]:
        found = raw(entries).find({"case_id": case_id, **since})
        latest = found.sort([("at", -1), ("_id", -1)]).limit(limit)
        return [recorded(bytes(each.raw), keys) async for each in latest]

    # One by one, so that each is found by the index, already in order.
    each = await asyncio.gather(*map(of, case_ids))
    ordered = heapq.merge(*each, key=lambda one: (one.at, one.id), reverse=True)
    return list(islice(ordered, limit))


def _add_line(file: Path, line: str) -> None:
    """Add a line to a file, and have it on disk when this returns."""
    with file.open("a", encoding="utf-8") as opened:
        opened.write(f"{line}\n")
        opened.flush()
        os.fsync(opened.fileno())


def prepare(database: Database[Document]) -> None:
    """Make the indexes, with an operator's rights, and write down that they are there.

    It may be done again at any time. Nothing but speed depends on them: an entry is
    unique by its id.
    """
    database[ENTRIES].create_indexes(list(INDEXES))
    with suppress(DuplicateKeyError):
        database[PREPARED].insert_one({"_id": EDITION})
