"""The vault: keys under which what identifies or locates people is sealed.

A *regional key* is unwrapped by the key service once, at the start. Under it are
wrapped the keys of every record: one for each part of it, so that one person's part of
a referral can be made unreadable for ever by destroying one key (crypto-shredding).
The vault is a database of its own, backed up on its own: data that is restored from a
backup is as unreadable as it was made.
"""

import hmac
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from accord_contracts.message import Lane
from bson import Binary
from bson.codec_options import CodecOptions
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import Field, SecretStr, StringConstraints, model_validator
from pydantic_core import from_json, to_json
from pydantic_settings import BaseSettings, SettingsConfigDict
from pymongo import AsyncMongoClient, UpdateOne
from pymongo.asynchronous.encryption import AsyncClientEncryption
from pymongo.errors import DuplicateKeyError

from accord_chassis.batching import Batcher
from accord_chassis.clock import SystemClock
from accord_chassis.settings import BadConfiguration
from accord_chassis.store import Conflict, Database, Document

LOCAL_KEY_BYTES = 96
"""What the driver's local provider wants of a master key."""

NONCE_BYTES = 12
"""96 random bits (NIST SP 800-38D, 8.2.2); a key seals its part a few times at most."""

RANDOM = "AEAD_AES_256_CBC_HMAC_SHA_512-Random"
"""The driver's name of the algorithm under which roots are kept."""

SEALED_V1 = b"\x01"
"""How what follows is sealed: AES-256-GCM, nonce first, compact JSON inside."""

VERSION_BYTES = 2
"""Of the regional key's version, before what is wrapped under it."""

KEYS_HELD = 2_000
"""The most records whose keys a process holds at the same time: a key ready for use
takes 2.6 kB (measured), and a referral of three has eight."""

ROOTS_SECONDS = 60.0
"""How old a process's knowledge of the latest regional key may be when it wraps."""

TOGETHER = 200
"""Records that are read or wrapped anew at once."""

BLIND_CHARACTERS = 32
"""128 bits of a blind index: no two values of a region meet by chance."""

RECORDS, ROOTS, DATA_KEYS = "records", "roots", "datakeys"
"""The vault's collections."""

REGIONAL, BLIND = "regional", "blind"
"""The kinds of roots."""

Keys = Mapping[str, AESGCM | None]
"""A record's keys, by part; none where it was destroyed."""


class NotSealedHere(ValueError):
    """A sealed value or a key stands where it was not put, or was changed."""


class KeysMissing(LookupError):
    """Keys that were there are not: this is another vault, or it lost something."""


class NotYetOpen(Exception):
    """The service has just started, and the store has not answered yet."""


class UnknownKeyVersion(ValueError):
    """A key is wrapped under a version of the regional key that is not known."""


class VaultSettings(BaseSettings):
    """Where a service's keys are, and which key service guards them.

    Attributes:
        vault_url: The vault's store; by default the service's own.
        vault_database: The vault's database; the services of a region share it.
        kms_provider: The key service. ``local`` is for development only.
        kms_key_name: Which of the key service's keys, as its provider names it: for aws
            ``{"region": "...", "key": "arn:..."}``.
        kms_credentials: For the key service, as JSON; from a secret file.
        kms_key_file: The master key of ``local``: a file of 96 random bytes.
        kms_tls_ca_file: Who vouches for a KMIP server.
        kms_tls_certificate_file: With what the service shows itself to a KMIP server.
        key_cache_seconds: For how long a process may hold keys, so after how long at
            most nobody can read what was erased.
    """

    model_config = SettingsConfigDict(
        env_prefix="ACCORD_", frozen=True, extra="ignore", hide_input_in_errors=True
    )

    development: bool = False
    store_url: SecretStr
    vault_url: SecretStr | None = None
    vault_database: Annotated[str, StringConstraints(pattern=r"^[\w-]{1,38}$")] = (
        "vault"
    )
    kms_provider: Literal["local", "aws", "azure", "gcp", "kmip"] = "local"
    kms_key_name: dict[str, str] = {}
    kms_credentials: SecretStr | None = None
    kms_key_file: Path | None = None
    kms_tls_ca_file: Path | None = None
    kms_tls_certificate_file: Path | None = None
    key_cache_seconds: Annotated[float, Field(gt=0, le=60)] = 30.0

    @model_validator(mode="after")
    def _guarded(self) -> Self:
        """Refuse a key service that is not fit for what it guards."""
        if self.kms_provider == "local":
            if not self.development:
                raise ValueError("local keeps its key in a file: name a key service")
            if self.kms_key_file is None:
                raise ValueError("local needs ACCORD_KMS_KEY_FILE")
        elif self.kms_provider != "kmip" and self.kms_credentials is None:
            raise ValueError("this key service needs ACCORD_KMS_CREDENTIALS")
        return self

    def providers(self) -> dict[str, Any]:
        """Give what the driver needs to speak to the key service.

        Raises:
            ValueError: The master key has another length, or what is given is no JSON.
        """
        if self.kms_provider != "local":
            told = self.kms_credentials
            return {
                self.kms_provider: json.loads(told.get_secret_value()) if told else {}
            }
        try:
            key = self.kms_key_file.read_bytes() if self.kms_key_file else b""
        except OSError as wrong:
            raise ValueError(f"ACCORD_KMS_KEY_FILE: {wrong.strerror}") from None
        if len(key) != LOCAL_KEY_BYTES:
            raise ValueError(f"ACCORD_KMS_KEY_FILE must hold {LOCAL_KEY_BYTES} bytes")
        return {"local": {"key": key}}

    def tls(self) -> dict[str, Any]:
        """Give how a KMIP server is known, and how it knows us."""
        files = {
            "tlsCAFile": self.kms_tls_ca_file,
            "tlsCertificateKeyFile": self.kms_tls_certificate_file,
        }
        named = {name: str(file) for name, file in files.items() if file}
        return {self.kms_provider: named} if named else {}


class KeyService:
    """The key service that guards a vault's roots, through the driver.

    Args:
        settings: Which, and how to reach it.
    """

    def __init__(self, settings: VaultSettings) -> None:
        self._provider = settings.kms_provider
        self._key = settings.kms_key_name
        self._providers = settings.providers()
        self._tls = settings.tls()

    def through(
        self, client: AsyncMongoClient[Document], database: str
    ) -> AsyncClientEncryption[Document]:
        """Open it for one vault; to be closed."""
        return AsyncClientEncryption(
            self._providers,
            f"{database}.{DATA_KEYS}",
            client,
            CodecOptions[Document](),
            kms_tls_options=self._tls or None,
        )

    async def wrap(self, encryption: AsyncClientEncryption[Document]) -> Binary:
        """Make a root: 32 random bytes under a data key of its own."""
        data_key = await encryption.create_data_key(
            self._provider, master_key=self._key or None
        )
        return await encryption.encrypt(
            Binary(os.urandom(32)),
            RANDOM,
            key_id=data_key,
        )

    async def renew(self, encryption: AsyncClientEncryption[Document]) -> int:
        """Have every data key wrapped under the key that is named now; say how many."""
        renewed = await encryption.rewrap_many_data_key(
            {}, provider=self._provider, master_key=self._key or None
        )
        done = renewed.bulk_write_result
        return done.modified_count if done else 0


class Vault:
    """The keys of a region's records, as one process holds them.

    Args:
        client: The vault's store.
        name: The vault's database.
        guard: The key service.
        cache_seconds: For how long keys are held.
        now: Tells the age of what is held, in seconds.
        own: The connection is the vault's own, and closes with it.
    """

    def __init__(
        self,
        client: AsyncMongoClient[Document],
        name: str,
        guard: KeyService,
        *,
        cache_seconds: float = 30.0,
        now: Callable[[], float] = time.monotonic,
        own: bool = False,
    ) -> None:
        self._client = client
        self._own = own
        self._guard = guard
        self._life = cache_seconds
        self._now = now
        self._database = Database(client, name, source="/vault", clock=SystemClock())
        self._records = self._database.documents[RECORDS]
        self._roots = self._database.documents[ROOTS]
        self._namespace = f"{name}.{RECORDS}"
        self._find = Batcher(self._find_all, limit=TOGETHER)
        self._regional: dict[int, AESGCM] = {}
        self._blind_root = b""
        self._blind_keys: dict[str, bytes] = {}
        self._learn_at = float("-inf")
        self._held: dict[str, tuple[float, Keys]] = {}

    async def open(self) -> None:
        """Have the key service unwrap the roots; make them, if there are none yet.

        Raises:
            KeysMissing: Records have keys, and a root is gone: a new one would open
                nothing, and nobody would be recognised by it.
        """
        used = await self._records.find_one({}, projection={"_id": 1})
        async with self._guard.through(self._client, self._database.name) as encryption:
            for name in (f"{REGIONAL}/1", BLIND):
                if await self._roots.find_one({"_id": name}) is None:
                    if used:
                        raise KeysMissing(name)
                    await self._make_root(name, encryption)
        await self._learn()
        await self._records.create_index([("version", 1)])

    def stand_in(self, root: bytes) -> None:
        """Derive ids and blind indexes from a root that is known, before opening.

        For replays of invented people alone, so that the same seed has the same ids.
        """
        self._blind_root = root

    async def close(self) -> None:
        """Let go of all keys, and of the connection if it is the vault's own."""
        self._held.clear()
        if self._own:
            await self._client.close()

    async def _make_root(
        self, name: str, encryption: AsyncClientEncryption[Document]
    ) -> None:
        value = await self._guard.wrap(encryption)
        try:
            await self._roots.insert_one({"_id": name, "value": value})
        except DuplicateKeyError:
            # Another process was first: its root is the region's.
            return

    async def _learn(self) -> None:
        """Have every root unwrapped that this process does not know yet."""
        asked_at = self._now()
        known = {f"{REGIONAL}/{each}" for each in self._regional}
        if self._blind_root:
            known.add(BLIND)
        new = self._roots.find({"_id": {"$nin": sorted(known)}})
        found = {each["_id"]: each["value"] async for each in new}
        if found:
            database = self._database.name
            async with self._guard.through(self._client, database) as encryption:
                for name, value in found.items():
                    self._take(name, bytes(await encryption.decrypt(value)))
        self._learn_at = asked_at + ROOTS_SECONDS

    def _take(self, name: str, root: bytes) -> None:
        if name == BLIND:
            self._blind_root = root
        else:
            self._regional[int(name.partition("/")[2])] = AESGCM(root)

    @property
    def version(self) -> int:
        """The latest version of the regional key that this process knows."""
        return max(self._regional)

    def blind(self, key: str) -> str:
        """Give the blind index of a ``<kind>:<value>``, with its kind in the clear.

        The same value under another kind has another index.
        """
        kind, _, value = key.partition(":")
        return f"{kind}:{self.digest(kind, value)}"

    def digest(self, kind: str, text: str) -> str:
        """Give what tells a text from others to whoever has the key, and nobody else.

        Each kind has a key of its own (HKDF, RFC 5869), under which short texts cannot
        be guessed.
        """
        key = self._blind_keys.get(kind) or self._blind_key(kind)
        return hmac.digest(key, text.encode(), "sha256").hex()[:BLIND_CHARACTERS]

    def id_of(self, kind: str, name: str) -> str:
        """Derive an id from what others may know too, as only the region can.

        The same name gives the same id always, and another kind another one. It is
        written as a version 5 (RFC 9562), of which it is the keyed sort.

        Args:
            kind: Of what the id is.
            name: By what it is to be known again.

        Raises:
            NotYetOpen: The root is not there yet.
        """
        return str(UUID(self.digest(f"id of {kind}", name), version=5))

    def _blind_key(self, kind: str) -> bytes:
        if not self._blind_root:
            raise NotYetOpen
        derived = HKDF(SHA256(), 32, None, f"accord blind {kind}".encode())
        return self._blind_keys.setdefault(kind, derived.derive(self._blind_root))

    async def make(
        self, record: str, parts: Iterable[str], lane: Lane = Lane.ROUTINE
    ) -> Keys:
        """Make the keys of a record that is about to be saved, together with others'.

        They are durable when this returns, so that no record is ever without its keys.
        If saving it was tried before, its keys of then are used.
        """
        if self._now() > self._learn_at:
            # Whoever comes meanwhile need not ask too.
            self._learn_at = self._now() + ROOTS_SECONDS
            await self._learn()
        read_at = self._now()
        new = {each: AESGCM.generate_key(256) for each in parts}
        wrapped = {part: self._wrap(key, record, part) for part, key in new.items()}
        document = {"_id": record, "version": self.version, "keys": wrapped}
        try:
            await self._database.insert(RECORDS, document, lane)
        except Conflict:
            return await self._complete(record, wrapped)
        return self._hold(record, _ciphers(new), read_at)

    async def _complete(self, record: str, new: Mapping[str, Binary]) -> Keys:
        """Add keys to a record that has some; one that was destroyed stays so."""
        absent = [
            UpdateOne(
                {"_id": record, f"keys.{part}": {"$exists": False}},
                {"$set": {f"keys.{part}": wrapped}, "$min": {"version": self.version}},
                namespace=self._namespace,
            )
            for part, wrapped in new.items()
        ]
        await self._client.bulk_write(absent, ordered=False)
        self._held.pop(record, None)
        return await self.keys_of(record)

    async def keys_with(self, record: str, parts: Iterable[str]) -> Keys:
        """Give a record's keys, and make those that it does not have yet."""
        keys = await self.keys_of(record)
        if missing := [each for each in parts if each not in keys]:
            return await self.make(record, missing)
        return keys

    async def keys_of(self, record: str) -> Keys:
        """Give a record's keys, no older than the cache allows; none if it has none."""
        held = self._held.get(record)
        if held and self._now() < held[0]:
            return held[1]
        return await self._find(record)

    async def _find_all(self, records: Sequence[str]) -> Sequence[Keys | BaseException]:
        read_at = self._now()
        found = self._records.find({"_id": {"$in": list(set(records))}})
        by_id = {each["_id"]: each["keys"] async for each in found}
        wrapped = (each for keys in by_id.values() for each in keys.values() if each)
        if any(_version(each) not in self._regional for each in wrapped):
            await self._learn()
        return [self._unwrapped(each, by_id.get(each, {}), read_at) for each in records]

    def _unwrapped(
        self, record: str, wrapped: Mapping[str, Binary | None], read_at: float
    ) -> Keys | BaseException:
        try:
            keys = {
                part: self._unwrap(each, record, part) if each else None
                for part, each in wrapped.items()
            }
        except (NotSealedHere, UnknownKeyVersion) as fault:
            return fault
        return self._hold(record, _ciphers(keys), read_at)

    def _hold(self, record: str, keys: Keys, read_at: float) -> Keys:
        """Hold keys for a while. What was read first is let go of first."""
        self._held.pop(record, None)
        self._held[record] = (read_at + self._life, keys)
        for oldest in [*_first(self._held, 2)]:
            if len(self._held) > KEYS_HELD or self._held[oldest][0] <= read_at:
                del self._held[oldest]
        return keys

    def _wrap(self, key: bytes, record: str, part: str) -> Binary:
        version = self.version
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._regional[version].encrypt(nonce, key, _place(record, part))
        return Binary(version.to_bytes(VERSION_BYTES) + nonce + sealed)

    def _unwrap(self, wrapped: bytes, record: str, part: str) -> bytes:
        regional = self._regional.get(_version(wrapped))
        if regional is None:
            raise UnknownKeyVersion(f"version {_version(wrapped)}")
        sealed = wrapped[VERSION_BYTES:]
        return _opened(regional, sealed, _place(record, part))

    async def shred(self, record: str, parts: Iterable[str] | None = None) -> None:
        """Destroy keys of a record, all by default: nobody can read those parts again.

        Other processes follow within the life of what they hold.
        """
        self._held.pop(record, None)
        named = parts if parts is not None else await self.keys_of(record)
        if gone := {f"keys.{part}": None for part in named}:
            await self._records.update_one({"_id": record}, {"$set": gone}, upsert=True)
        self._held.pop(record, None)

    async def rotate(self) -> int:
        """Make a new version of the regional key; new keys are wrapped under it.

        Other processes learn of it within a minute.
        """
        await self._learn()
        version = self.version + 1
        async with self._guard.through(self._client, self._database.name) as encryption:
            await self._make_root(f"{REGIONAL}/{version}", encryption)
        await self._learn()
        return version

    async def renew_guard(self) -> int:
        """Have the key service guard the roots by the key that is named now.

        For when its own key is replaced, or may be known to somebody: roots and what
        rests on them stay as they are. Whoever has a copy of the vault and the old key
        still opens that copy, so rotate as well, and destroy the old key.

        Returns:
            How many data keys were wrapped anew.
        """
        async with self._guard.through(self._client, self._database.name) as encryption:
            return await self._guard.renew(encryption)

    async def rewrap(self) -> int:
        """Wrap some records' keys under the latest regional key; say how many.

        What is sealed is not touched. It can be broken off, and gone on with, any time.
        """
        await self._learn()
        found = self._records.find({"version": {"$lt": self.version}}).limit(TOGETHER)
        changes = [self._rewrapped(each) async for each in found]
        if not changes:
            return 0
        done = await self._client.bulk_write(changes, ordered=False)
        return done.matched_count

    def _rewrapped(self, document: Document) -> UpdateOne:
        record, old = document["_id"], document["keys"]
        new = {
            part: self._wrap(self._unwrap(each, record, part), record, part)
            if each
            else None
            for part, each in old.items()
        }
        # Whoever destroys a key meanwhile wins: it is not what was read any more.
        return UpdateOne(
            {"_id": record, "keys": old},
            {"$set": {"keys": new, "version": self.version}},
            namespace=self._namespace,
        )

    async def status(self) -> dict[int, int]:
        """Count the records by the version of the regional key that theirs rest on."""
        await self._learn()
        return {
            version: await self._records.count_documents({"version": version})
            for version in sorted(self._regional)
        }


def vault_of(
    settings: VaultSettings,
    client: AsyncMongoClient[Document],
    *,
    own: AsyncMongoClient[Document] | None = None,
) -> Vault:
    """Give a service's vault.

    Args:
        settings: Where it is, and who guards it.
        client: The service's own connection, which serves if the vault has none.
        own: The connection to the vault's own store, if it has one.

    Raises:
        BadConfiguration: The key service cannot be spoken to as configured.
    """
    try:
        guard = KeyService(settings)
    except ValueError as wrong:
        fault = "" if isinstance(wrong, json.JSONDecodeError) else f": {wrong}"
        raise BadConfiguration(f"Correct the key service's settings{fault}.") from None
    return Vault(
        own or client,
        settings.vault_database,
        guard,
        cache_seconds=settings.key_cache_seconds,
        own=own is not None,
    )


def seal(key: AESGCM, value: object, record: str, part: str) -> Binary:
    """Seal a value for one part of one record; it opens nowhere else."""
    nonce = os.urandom(NONCE_BYTES)
    return Binary(
        SEALED_V1 + nonce + key.encrypt(nonce, to_json(value), _place(record, part))
    )


def unseal(key: AESGCM, sealed: bytes, record: str, part: str) -> Any:  # noqa: ANN401
    """Give the value that was sealed for a part of a record.

    Raises:
        NotSealedHere: It was sealed for another place, or changed.
    """
    if sealed[:1] != SEALED_V1:
        raise NotSealedHere(part)
    return from_json(_opened(key, sealed[1:], _place(record, part)))


def _opened(key: AESGCM, sealed: bytes, place: bytes) -> bytes:
    try:
        return key.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place)
    except InvalidTag:
        raise NotSealedHere from None


def _place(record: str, part: str) -> bytes:
    """Name where a value belongs, so that it cannot be moved."""
    return f"{record}|{part}".encode()


def _version(wrapped: bytes) -> int:
    return int.from_bytes(wrapped[:VERSION_BYTES])


def _ciphers(keys: Mapping[str, bytes | None]) -> Keys:
    return {part: AESGCM(key) if key else None for part, key in keys.items()}


def _first(held: Mapping[str, object], count: int) -> Iterator[str]:
    return (name for _, name in zip(range(count), held, strict=False))
