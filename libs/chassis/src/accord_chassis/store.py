"""State and messages in one write: a document carries its own inbox and outbox.

A save is one version-checked write of one document, which is atomic, so there is no
dual write and no transaction. What many save at the same time travels in one bulk
write, and what many load in one query; each write is still checked on its own.
"""

import asyncio
import json
import socket
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar
from uuid import UUID, uuid5
from weakref import WeakValueDictionary

import structlog
from accord_contracts.message import Event, Lane, Message
from bson import Binary
from bson.codec_options import TypeRegistry
from pymongo import AsyncMongoClient, UpdateOne, pool_shared
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import (
    BulkWriteError,
    ClientBulkWriteException,
    WriteConcernError,
    WriteError,
)
from pymongo.operations import IndexModel

from accord_chassis.awaiting import AT_ONCE, Awaited
from accord_chassis.batching import Batcher
from accord_chassis.binding import Packet, pack
from accord_chassis.clock import Clock
from accord_chassis.relay import Relay, Saved
from accord_chassis.telemetry import traceparent

if TYPE_CHECKING:
    from accord_chassis.vault import Vault

log = structlog.get_logger()

LEASE = timedelta(seconds=10)
"""How long a save's own process may take to publish before another may."""

SWEEP_LEASE = timedelta(seconds=30)
"""How long whoever claimed a due document may take to act on it."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Before anything: a range with two ends passes over what has no time at all, which
the embedded store would walk through otherwise (measured: 12 ms for 0.25)."""

DUPLICATE_KEY = 11000

REFUSALS = frozenset({13, 18, 64, 100, 371, 14031})
"""Codes with which a store that is there refuses everybody alike, until an operator
mends it: unauthorized, authentication failed, not enough members confirmed in time,
cannot be confirmed, writes blocked, out of disk space (MongoDB's error_codes.yml)."""

BATCH = 200
"""The most documents of one write, or of one load."""

TOLD = 1000
"""The most entities that are kept for the service's own next step with them."""

CLEARING_SECONDS = 0.5
"""How long confirmed events wait to be cleared with others. Nobody waits for that, each
write costs the store a sync, and it was every third one (measured)."""


class Conflict(Exception):
    """The document is another than the one that was decided on: load, decide again."""


class StoreRefuses(ConnectionError):
    """The store is there and takes no writes, or did not confirm one.

    Nothing is known to be saved. It passes when the store is mended, like an outage.
    """


class AlreadyHandled(Exception):
    """The message that causes this has had its effect on the document."""


Document = dict[str, Any]


class Entity(Protocol):
    """What a store keeps: a frozen pydantic model with an id and a version.

    Version 0 is not stored yet; every save counts one up.
    """

    @property
    def id(self) -> str:
        """The document's id, a UUID as text."""
        ...

    @property
    def version(self) -> int:
        """How often it was saved."""
        ...

    def model_dump(self, *, include: set[str] | None = None) -> Document:
        """Give its fields, or some of them."""
        ...

    def model_copy(self, *, update: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401
        """Give a changed copy."""
        ...


T = TypeVar("T", bound=Entity)


def connect(url: str, **options: Any) -> AsyncMongoClient[Document]:  # noqa: ANN401
    """Connect to a store: durable writes, aware times, and fields of every kind.

    Args:
        url: The store's address.
        options: Further ones of PyMongo's client.
    """
    return AsyncMongoClient(
        url,
        w="majority",
        journal=True,
        # What decides (a version, an inbox) must not be rolled back afterwards.
        readConcernLevel="majority",
        tz_aware=True,
        type_registry=TypeRegistry(fallback_encoder=_plain),
        **options,
    )


_reached = pool_shared._async_create_connection  # noqa: SLF001


async def _reach(address: Any, options: Any) -> socket.socket:  # noqa: ANN401 - PyMongo's own.
    """Reach the store as PyMongo does, and close what was no longer waited for.

    PyMongo 4.20 leaves the socket of a cancelled attempt to the garbage collector
    (PYTHON-5867).
    """
    reaching = asyncio.ensure_future(_reached(address, options))
    try:
        return await asyncio.shield(reaching)
    except asyncio.CancelledError:
        reaching.add_done_callback(pool_shared._close_late_socket)  # noqa: SLF001
        raise


pool_shared._async_create_connection = _reach  # noqa: SLF001


def _plain(value: Any) -> Any:  # noqa: ANN401 - Any field that BSON does not know.
    if isinstance(value, frozenset | set):
        return sorted(value)
    return value.value if isinstance(value, Enum) else value


@dataclass(frozen=True, slots=True)
class Change:
    """What is to become of a document of a collection, if it is as it was decided on.

    Attributes:
        which: Matches the document, unless it has changed meanwhile.
        change: As an update of MongoDB says it.
    """

    collection: str
    which: Document
    change: Document


class Database:
    """A service's own database, through which all its stores read and write.

    Args:
        client: The connection; bound to the running event loop.
        name: The database's name.
        source: ``/<region>/<service>``, the source of the service's messages.
        clock: Tells when what is saved becomes true.
    """

    def __init__(
        self,
        client: AsyncMongoClient[Document],
        name: str,
        *,
        source: str,
        clock: Clock,
    ) -> None:
        self.client = client
        self.name = name
        self.source = source
        self.clock = clock
        self.relay: Relay | None = None
        self.vault: Vault | None = None
        self._inserts: dict[tuple[str, Lane], Batcher[Document, None]] = {}
        self._clears: dict[str, Batcher[Saved, None]] = {}
        self._updates = {lane: Batcher(self._update_all, limit=BATCH) for lane in Lane}
        self._awaited: dict[str, dict[str, Awaited]] = defaultdict(dict)
        self._ahead = timedelta()

    @property
    def documents(self) -> AsyncDatabase[Document]:
        """The database as PyMongo knows it, for named queries."""
        return self.client[self.name]

    async def align(self) -> None:
        """Learn by how much the store's clock is ahead of this machine's.

        Leases are compared between machines, so they are written in the store's time.
        """
        answer = await self.client.admin.command("hello")
        told = answer["localTime"].replace(tzinfo=UTC)
        self._ahead = told - datetime.now(UTC)

    def server_now(self) -> datetime:
        """Give the store's time."""
        return datetime.now(UTC) + self._ahead

    def awaited(self, collection: str, due: str) -> Awaited:
        """Give what knows when something of a collection may fall due, by a field."""
        return self._awaited[collection].setdefault(due, Awaited())

    def note_due(self, collection: str, saved: Entity) -> None:
        """Note when what was saved falls due, by whichever field somebody looks."""
        for due, awaited in self._awaited[collection].items():
            awaited.note(getattr(saved, due))

    async def insert(
        self, collection: str, document: Document, lane: Lane = Lane.ROUTINE
    ) -> None:
        """Insert a document, together with others of its lane.

        What is urgent never waits for a batch of routine ones: each lane has its own.

        Raises:
            Conflict: It, or one of its unique keys, exists already.
        """
        if (collection, lane) not in self._inserts:
            insert = partial(self._insert_all, collection)
            self._inserts[collection, lane] = Batcher(insert, limit=BATCH)
        await self._inserts[collection, lane](document)

    async def update(self, change: Change, lane: Lane = Lane.ROUTINE) -> bool:
        """Update a document with others of its lane, and say whether it was matched."""
        return await self._updates[lane](change)

    async def clear(self, events: Sequence[Saved]) -> None:
        """Take confirmed events out of their outboxes, all of a collection at once."""
        await asyncio.gather(*(self._clear(each) for each in events))

    async def _clear(self, event: Saved) -> None:
        if event.collection not in self._clears:
            clear = partial(self._clear_all, event.collection)
            self._clears[event.collection] = Batcher(
                clear, limit=BATCH, linger=CLEARING_SECONDS
            )
        await self._clears[event.collection](event)

    async def _clear_all(
        self, collection: str, events: Sequence[Saved]
    ) -> Sequence[None]:
        entries = [Binary(each.entry) for each in events]
        await self.documents[collection].update_many(
            {"_id": {"$in": list({each.document for each in events})}},
            {"$pull": {"outbox": {"id": {"$in": entries}}}},
        )
        return [None] * len(events)

    async def _insert_all(
        self, collection: str, documents: Sequence[Document]
    ) -> Sequence[BaseException | None]:
        """Insert many in one command: the store makes them durable together."""
        outcomes: list[BaseException | None] = [None] * len(documents)
        try:
            await self.documents[collection].insert_many(documents, ordered=False)
        except BulkWriteError as fault:
            # The exception's own text holds documents: it never goes further.
            for each in fault.details["writeErrors"]:
                outcomes[each["index"]] = _write_fault(each["code"])
            if fault.details.get("writeConcernErrors"):
                raise _unconfirmed() from None
        return outcomes

    async def _update_all(
        self, changes: Sequence[Change]
    ) -> Sequence[bool | BaseException]:
        if len(changes) == 1:
            return [await self._update_alone(changes[0])]
        outcomes: list[bool | BaseException] = [False] * len(changes)
        operations = [
            UpdateOne(
                each.which, each.change, namespace=f"{self.name}.{each.collection}"
            )
            for each in changes
        ]
        try:
            result = await self.client.bulk_write(
                operations, ordered=False, verbose_results=True
            )
        except ClientBulkWriteException as fault:
            if fault.error is not None:
                raise fault.error from None
            # What was matched may go again: a majority does not have it.
            if fault.write_concern_errors:
                raise _unconfirmed() from None
            for each in fault.write_errors or ():
                outcomes[each["idx"]] = _write_fault(each["code"])  # type: ignore[index]
            if fault.partial_result is None:
                return outcomes
            result = fault.partial_result
        for place, update in result.update_results.items():
            outcomes[place] = update.matched_count > 0
        return outcomes

    async def _update_alone(self, change: Change) -> bool | BaseException:
        """Update one document, for half of what a batch of one costs (measured)."""
        collection = self.documents[change.collection]
        try:
            result = await collection.update_one(change.which, change.change)
        except WriteConcernError:
            raise _unconfirmed() from None
        except WriteError as fault:
            return _write_fault(fault.code)
        return result.matched_count > 0


def _unconfirmed() -> StoreRefuses:
    return StoreRefuses("The store did not confirm a write.")


def _write_fault(code: int | None) -> BaseException:
    if code == DUPLICATE_KEY:
        return Conflict("The document or one of its unique keys exists already.")
    if code in REFUSALS:
        return StoreRefuses(f"The store takes no writes (code {code}).")
    return RuntimeError(f"The store refused a write with code {code}.")


class Store(Generic[T]):
    """Where one kind of entity is kept. Subclasses add named queries.

    Attributes:
        entity: The entity's class.
        collection: The collection's name.
        indexes: Beside the ones that every store has.
        due: The field that says when something falls due, if the entity has clocks.
        inbox: How many causes a document remembers.
    """

    entity: ClassVar[type[Any]]
    collection: ClassVar[str]
    indexes: ClassVar[tuple[IndexModel, ...]] = ()
    due: ClassVar[str | None] = None
    inbox: ClassVar[int] = 500

    def __init__(self, database: Database) -> None:
        self._database = database
        self._source = f"{database.source}/{self.collection}"
        self._loads = {lane: Batcher(self._find, limit=BATCH) for lane in Lane}
        self._follow = set(self.entity.model_computed_fields)
        self._fields = set(self.entity.model_fields) - {"id"}
        self._known = WeakValueDictionary[str, T]()
        self._told: dict[str, T] = {}
        self._awaited = (
            database.awaited(self.collection, self.due) if self.due else None
        )
        self.documents = database.documents[self.collection]

    async def prepare(self) -> None:
        """Create the indexes. An index that exists is left alone."""
        wanted = [
            IndexModel([("_id", 1), ("version", 1)]),
            # Most documents wait for nothing, and need no place in it.
            IndexModel([("outbox.until", 1)], sparse=True),
            *self.indexes,
        ]
        if self.due:
            wanted.append(IndexModel([(self.due, 1)]))
        await self.documents.create_indexes(wanted)

    async def get(
        self, entity_id: str, *, cause: Message[Event] | None = None
    ) -> T | None:
        """Load an entity, or nothing if there is none.

        What told its own service of a change is taken as it was when it did, once: if
        it has changed since, the save says so, and the next try loads it.

        Args:
            entity_id: Which.
            cause: The message being handled.

        Raises:
            AlreadyHandled: The message has had its effect on this document.
        """
        told = self._told.pop(cause.id, None) if cause else None
        if told is not None and told.id == entity_id:
            return told
        lane = cause.lane if cause else Lane.ROUTINE
        document = await self._loads[lane](entity_id)
        if document is None:
            return None
        if cause and _raw(cause.id) in document.get("inbox", ()):
            raise AlreadyHandled(cause.id)
        return self.load(document)

    async def _find(
        self, ids: Sequence[str]
    ) -> Sequence[Document | BaseException | None]:
        # With what waits in their outboxes: to leave that out costs the embedded store
        # four times as much as the whole document (measured).
        found = self.documents.find({"_id": {"$in": list(set(ids))}})
        documents = await found.to_list()
        named = [each["_id"] for each in documents]
        by_id = dict(zip(named, await self.open(documents), strict=True))
        return [by_id.get(each) for each in ids]

    async def seal(self, entity_id: str, fields: Document, lane: Lane) -> Document:  # noqa: ARG002
        """Give the fields as they are written; a sealed store seals some."""
        return fields

    async def open(
        self, documents: Sequence[Document]
    ) -> Sequence[Document | BaseException]:
        """Give documents as they can be loaded, or why not; a sealed store opens them.

        Named queries of a sealed store must await it before they load.
        """
        return documents

    def load(self, document: Document) -> T:
        """Make the entity of a document."""
        fields = {**document, "id": document["_id"]}
        for name in ("_id", "inbox", "outbox", "swept"):
            fields.pop(name, None)
        loaded: T = self.entity.model_validate(fields)
        self._known[loaded.id] = loaded
        return loaded

    def load_all(self, opened: Iterable[Document | BaseException]) -> list[T]:
        """Make the entities of documents that ``open`` gave.

        Raises:
            NotSealedHere: One could not be opened.
        """
        loaded = []
        for each in opened:
            if isinstance(each, BaseException):
                raise each
            loaded.append(self.load(each))
        return loaded

    async def save(
        self,
        entity: T,
        *events: Event,
        cause: Message[Event] | None = None,
        lane: Lane | None = None,
    ) -> T:
        """Save an entity and what is to be told of it, in one write.

        Args:
            entity: As it shall be; its version is the one that was loaded.
            events: What happened, in order; published as soon as this is durable.
            cause: The message being handled, remembered in the inbox.
            lane: Of the events; by default the cause's, else routine.

        Returns:
            The entity with its new version.

        Raises:
            Conflict: The document has another version than the entity.
        """
        version = entity.version + 1
        lane = lane or (cause.lane if cause else Lane.ROUTINE)
        saved: T = entity.model_copy(update={"version": version})
        relay = self._database.relay
        packets = [
            (each.type, pack(each))
            for each in self._messages(saved, events, cause, lane)
        ]
        until = self._database.server_now() + LEASE
        # What nobody listens to is told all the same, but a crash may swallow it:
        # keeping it would cost a further write, to nobody's good.
        outbox = [
            _entry(type_, packet, until)
            for type_, packet in packets
            if relay is None or relay.heard(type_)
        ]
        changed = None if version == 1 else self._changed(saved)
        fields = await self.seal(saved.id, saved.model_dump(include=changed), lane)
        if version == 1:
            document = self._document(fields, outbox, cause)
            await self._database.insert(self.collection, document, lane)
        elif not await self._database.update(
            self._update(saved, fields, outbox, cause), lane
        ):
            raise Conflict(f"{self.collection} changed meanwhile")
        self._known[saved.id] = saved
        self._database.note_due(self.collection, saved)
        if relay:
            for type_, packet in packets:
                if relay.to_itself(type_):
                    self._keep(packet.message_id, saved)
            relay.hand_over([self._on_its_way(saved.id, *each) for each in packets])
        return saved

    def _keep(self, message_id: str, saved: T) -> None:
        self._told[message_id] = saved
        if len(self._told) > TOLD:
            del self._told[next(iter(self._told))]

    def _messages(
        self,
        saved: T,
        events: Sequence[Event],
        cause: Message[Event] | None,
        lane: Lane,
    ) -> list[Message[Event]]:
        if not events:
            return []
        now = self._database.clock.now()
        trace = traceparent()
        document = UUID(saved.id)
        made = []
        for ordinal, event in enumerate(events):
            # The same id may name a document in every service: a case's, mostly.
            name = f"{self._source}/{saved.version}.{ordinal}"
            message_id = str(uuid5(document, name))
            made.append(
                Message(
                    id=message_id,
                    source=self._database.source,
                    subject=event.subject,
                    time=now,
                    lane=lane,
                    aggregate_version=saved.version,
                    data=event,
                    correlation_id=cause.correlation_id if cause else message_id,
                    causation_id=cause.id if cause else None,
                    traceparent=trace,
                )
            )
        return made

    def _document(
        self, fields: Document, outbox: list[Document], cause: Message[Event] | None
    ) -> Document:
        document = dict(fields)
        document["_id"] = document.pop("id")
        document["inbox"] = [_remembered(cause)] if cause else []
        document["outbox"] = outbox
        return document

    def _update(
        self,
        saved: T,
        fields: Document,
        outbox: list[Document],
        cause: Message[Event] | None,
    ) -> Change:
        change: Document = {"$set": fields}
        if self.due:
            change["$unset"] = {"swept": ""}
        pushed: Document = {}
        if outbox:
            pushed["outbox"] = {"$each": outbox}
        if cause:
            pushed["inbox"] = {"$each": [_remembered(cause)], "$slice": -self.inbox}
        if pushed:
            change["$push"] = pushed
        decided_on = {"_id": saved.id, "version": saved.version - 1}
        return Change(self.collection, decided_on, change)

    def _changed(self, saved: T) -> set[str]:
        """Name the fields to write: what is as it is stored stays, mostly shared.

        Everything is written if nobody holds what was loaded any more. What follows
        from other fields is written with them.
        """
        stored = self._known.get(saved.id)
        if stored is None or stored.version != saved.version - 1:
            return self._fields | self._follow
        return self._follow | {
            each
            for each in self._fields
            if (new := getattr(saved, each)) is not (old := getattr(stored, each))
            and new != old
        }

    def _on_its_way(self, document: str, type_: str, packet: Packet) -> Saved:
        entry = _raw(packet.message_id)
        return Saved(self.collection, document, entry, type_, packet)

    async def left_behind(self) -> list[Saved]:
        """Claim what was saved and not published in time: after a crash, or a stall.

        The claim counts the version up, so that two who sweep never both have it.
        """
        now = self._database.server_now()
        found = self.documents.find(
            {"outbox.until": {"$gt": EPOCH, "$lt": now}}, limit=100
        )
        left = await found.to_list()
        claimed = await self._claimed(left, {"outbox.$[].until": now + LEASE})
        return [event for each in claimed for event in self._recovered(each)]

    def may_be_due(self, at: datetime) -> bool:
        """Tell whether it is time to look for what has fallen due."""
        return self._awaited is None or self._awaited.may_be_due(at)

    async def due_now(self, at: datetime, *, limit: int = 100) -> list[T]:
        """Claim what has fallen due, oldest first, so that one replica acts on it."""
        if self.due is None or self._awaited is None:
            raise TypeError(f"{self.collection} has no clocks.")
        look = self._awaited.look()
        which = {self.due: {"$gt": EPOCH, "$lte": at}}
        free = await self._free(which, order=self.due, limit=limit)
        # What was there and went to another, or changed meanwhile, may still be due.
        if not free:
            self._awaited.rest(look, await self._next_due(self.due, at))
        return await self._won(free)

    async def _next_due(self, due: str, after: datetime) -> datetime | None:
        found = self.documents.find({due: {"$gt": after}}, projection={due: 1})
        first = await found.sort(due, 1).limit(1).to_list()
        return first[0][due] if first else None

    async def claim(self, which: Document, *, order: str, limit: int) -> list[T]:
        """Claim some documents for a sweep, unless another replica holds them."""
        return await self._won(await self._free(which, order=order, limit=limit))

    async def _free(self, which: Document, *, order: str, limit: int) -> list[Document]:
        now = self._database.server_now()
        # What others hold stays where it is: read each time, it would cost the more the
        # more of it there is.
        free = {**which, "swept": {"$not": {"$gt": now}}}
        found = self.documents.find(free).sort(order, 1).limit(limit)
        return await found.to_list()

    async def _won(self, free: Sequence[Document]) -> list[T]:
        """Claim documents, and give those that nobody else claimed meanwhile."""
        swept = self._database.server_now() + SWEEP_LEASE
        claimed = await self._claimed(free, {"swept": swept})
        counted = [{**each, "version": each["version"] + 1} for each in claimed]
        return self.load_all(await self.open(counted))

    async def release(self, due: T, *, after: timedelta = timedelta()) -> None:
        """Give back what was claimed as due, so that a sweep finds it after a time.

        If it has changed since, there is nothing to give back.
        """
        free_at = self._database.server_now() + after
        await self._database.update(
            Change(
                self.collection,
                {"_id": due.id, "version": due.version},
                {"$set": {"swept": free_at}},
            )
        )
        if self._awaited is not None:
            self._awaited.note(AT_ONCE)

    async def _claimed(
        self, documents: Sequence[Document], marks: Document
    ) -> list[Document]:
        """Claim documents, and give those that nobody else claimed meanwhile."""
        claims = await asyncio.gather(*(self._claim(each, marks) for each in documents))
        return [each for each, ours in zip(documents, claims, strict=True) if ours]

    async def _claim(self, document: Document, marks: Document) -> bool:
        return await self._database.update(
            Change(
                self.collection,
                {"_id": document["_id"], "version": document["version"]},
                {"$inc": {"version": 1}, "$set": marks},
            )
        )

    def _recovered(self, document: Document) -> list[Saved]:
        return [
            self._on_its_way(document["_id"], entry["type"], _packet(entry))
            for entry in document["outbox"]
        ]


def _remembered(cause: Message[Event]) -> Binary:
    return Binary(_raw(cause.id))


def _raw(id_: str) -> bytes:
    """Give the sixteen bytes of an id."""
    return bytes.fromhex(id_.replace("-", ""))


def _entry(type_: str, packet: Packet, until: datetime) -> Document:
    return {
        "id": Binary(_raw(packet.message_id)),
        "until": until,
        "type": type_,
        "key": packet.routing_key,
        # As one text: a store takes every field apart whenever the document changes.
        "headers": json.dumps(dict(packet.headers)),
        "body": packet.body.decode(),
    }


def _packet(entry: Document) -> Packet:
    return Packet(
        str(UUID(bytes=bytes(entry["id"]))),
        entry["key"],
        json.loads(entry["headers"]),
        entry["body"].encode(),
    )
