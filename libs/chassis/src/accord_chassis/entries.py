"""An entry of the audit log, and how it is sealed, so that any change of it shows.

An entry's hash is an HMAC over all of it, the hash of the entry before it included. So
whoever has not the key can change nothing, and whoever has it must change everything
that follows, which the anchored heads then contradict.
"""

import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any, Self

import bson
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import InvalidBSON
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

Document = dict[str, Any]

PERMITTED, REFUSED = "permitted", "refused"

LISTED = "list"
"""The channel of what was decided on as one of a list: nobody has named it."""

ID = re.compile(
    r"(?P<chain>[a-z][a-z0-9_-]{0,30}/[0-9]{8}T[0-9]{9}-[0-9a-f]{12})/(?P<seq>[0-9]{10})"
)
"""An entry's id: ``<service>/<when the chain began>-<random>/<place in the chain>``. It
sorts as the chain goes, and is unique by the store's own rule for ``_id``, for which no
index is needed that somebody might drop."""

NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""When an entry was written that does not say so."""

NOTHING = bytes(32)
"""Stands for the entry before the first of all."""

OPENED = "audit.opened"
"""The action of every chain's first entry."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What was decided about one request to see or change one record. Never a value.

    Attributes:
        action: ``plan.read``.
        outcome: ``permitted`` or ``refused``.
        rule: The rule that decided, by its code.
        purpose: What for, by its code: ``fva20_a``.
        resource: What kind of record: ``plan``.
        resource_id: Which.
        case_id: The case that it belongs to.
        fields: Groups of fields, never values.
        issuer: The identity provider who vouches for the subject.
        subject: Who, by the provider's id.
        agency: For which agency, by its code.
        worker: The worker's id in the directory.
        channel: How it was asked: ``http``, or as one of a list (``LISTED``).
        break_glass: Which breaking of the glass allowed it.
        request_id: The trace's id; by default that of what is being done.
    """

    action: str
    outcome: str
    rule: str
    purpose: str
    resource: str
    resource_id: str
    case_id: str | None
    fields: tuple[str, ...]
    issuer: str
    subject: str
    agency: str | None
    worker: str | None
    channel: str = "http"
    break_glass: str | None = None
    request_id: str | None = None

    def document(self) -> Document:
        """Give its fields as they are stored: what is not known takes no room."""
        told = {name: each for name, each in asdict(self).items() if each is not None}
        return {**told, "fields": list(self.fields)}

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Read a stored one."""
        told: Document = {each.name: document.get(each.name) for each in fields(cls)}
        return cls(**{**told, "fields": tuple(document.get("fields", ()))})


@dataclass(frozen=True, slots=True)
class Recorded:
    """An entry as the audit log holds it.

    Attributes:
        id: Its chain and its place in it.
        at: When it was written.
        entry: What it says.
        intact: Whether it is as it was sealed. One that is not proves nothing but that
            somebody changed it.
    """

    id: str
    at: datetime
    entry: Entry
    intact: bool


_TEXTS = {each.name for each in fields(Entry)} - {"fields"} | {"_id", "after"}

TYPES: dict[str, type] = {
    "at": datetime,
    "fields": list,
    "previous": bytes,
    "hash": bytes,
    **dict.fromkeys(_TEXTS, str),
}
"""Each field of a stored entry, and the one type that it may have: then its canonical
JSON cannot stand for another entry. ``after`` names the entry that ``previous`` is the
hash of, where that is another chain's."""


@dataclass(frozen=True, slots=True)
class Head:
    """An entry's place in its chain, and its hash."""

    chain: str
    seq: int
    hash: bytes

    @property
    def id(self) -> str:
        """The entry's id."""
        return entry_id(self.chain, self.seq)


def entry_id(chain: str, seq: int) -> str:
    """Name an entry by its chain and its place in it, from 0."""
    return f"{chain}/{seq:010d}"


def place_in_chain(name: object) -> tuple[str, int] | None:
    """Give the chain and the place that an id names, or nothing if it is none."""
    parts = ID.fullmatch(name) if isinstance(name, str) else None
    return (parts["chain"], int(parts["seq"])) if parts else None


class Keys:
    """What seals entries and signs heads: two keys that come from one secret.

    Args:
        secret: At least 32 bytes that nobody can guess.
    """

    def __init__(self, secret: str) -> None:
        self._entries = _derived(secret, b"accord audit entries")
        self._heads = _derived(secret, b"accord audit heads")

    def seal(self, document: Mapping[str, Any]) -> bytes:
        """Give the hash that belongs to an entry; one that it carries is no part."""
        told = {name: each for name, each in document.items() if name != "hash"}
        return hmac.digest(self._entries, canonical(told), "sha256")

    def seals(self, document: Mapping[str, Any]) -> bool:
        """Tell whether an entry is as it was sealed."""
        return is_plain(document) and hmac.compare_digest(
            document.get("hash", b""), self.seal(document)
        )

    def sign(self, head: Head, at: str) -> str:
        """Sign what was the head of a chain at a time."""
        told = {"chain": head.chain, "seq": head.seq, "hash": head.hash, "at": at}
        return hmac.digest(self._heads, canonical(told), "sha256").hex()


def _derived(secret: str, label: bytes) -> bytes:
    return HKDF(SHA256(), length=32, salt=None, info=label).derive(secret.encode())


def canonical(told: Mapping[str, Any]) -> bytes:
    """Write fields in the one way that they can be written: sorted, without spaces."""
    return json.dumps(
        told, sort_keys=True, separators=(",", ":"), default=_text
    ).encode()


def _text(value: datetime | bytes) -> str:
    if isinstance(value, bytes):
        return value.hex()
    return value.isoformat(timespec="milliseconds")


def is_plain(document: Mapping[str, Any]) -> bool:
    """Tell whether every field is a known one and has exactly its type.

    The store knows types that look alike here and that a query passes over: a code that
    reads like a text would hide an entry without breaking its seal.
    """
    if any(type(each) is not TYPES.get(name) for name, each in document.items()):
        return False
    return all(type(each) is str for each in document.get("fields", ()))


_EXACT = CodecOptions[Document](tz_aware=True)
_LENIENT = CodecOptions[Document](
    tz_aware=True,
    unicode_decode_error_handler="replace",
    datetime_conversion=DatetimeConversion.DATETIME_AUTO,
)


def decoded(raw: bytes) -> tuple[Document, bool]:
    """Read a document, and tell whether that is all that is stored.

    A document may have one field twice: a query goes by the first, whoever reads it by
    the last. Or it holds what is no text, so that reading it would stop a verification.
    """
    try:
        document: Document = bson.decode(raw, _EXACT)
    except InvalidBSON:
        return bson.decode(raw, _LENIENT), False
    return document, bson.encode(document) == raw


def recorded(raw: bytes, keys: Keys) -> Recorded:
    """Read an entry, and tell whether it is as it was sealed."""
    document, exact = decoded(raw)
    # What has another type was not written by us, and nobody could read it.
    told: Document = {
        name: each for name, each in document.items() if type(each) is TYPES.get(name)
    }
    return Recorded(
        id=told.get("_id", ""),
        at=told.get("at", NEVER),
        entry=Entry.of(told),
        intact=exact and keys.seals(document),
    )
