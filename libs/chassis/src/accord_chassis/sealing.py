"""Stores that seal what identifies or locates people.

Entities are in the clear in memory and pure; what may not be read in the store is taken
out of the document before it is written, sealed part by part, and put back on loading.
"""

import asyncio
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, TypeVar

from accord_contracts.message import Lane

from accord_chassis.store import Database, Document, Entity, Store
from accord_chassis.vault import (
    Keys,
    KeysMissing,
    NotSealedHere,
    UnknownKeyVersion,
    Vault,
    seal,
    unseal,
)

T = TypeVar("T", bound=Entity)


class Erased(Enum):
    """Stands for what nobody can read any more, because its key was destroyed."""

    ERASED = "erased"


ERASED = Erased.ERASED


class SealedStore(Store[T]):
    """A store some of whose fields are sealed, each part under a key of its own.

    Raises:
        TypeError: The database has no vault.
    """

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        if database.vault is None:
            raise TypeError(f"{self.collection} must be sealed: give it a vault.")
        self.vault: Vault = database.vault

    def take_apart(self, fields: Document) -> dict[str, Any]:
        """Take what is to be sealed out of the fields, by part; nothing if None."""
        raise NotImplementedError

    def put_together(self, fields: Document, parts: Mapping[str, Any]) -> None:
        """Put what was sealed back; ``ERASED`` stands for what nobody can read."""
        raise NotImplementedError

    def record(self, entity_id: str) -> str:
        """Name an entity's record in the vault."""
        return f"{self.collection}/{entity_id}"

    async def seal(self, entity_id: str, fields: Document, lane: Lane) -> Document:
        """Seal the parts that are written; those that are not are left as they are."""
        parts = self.take_apart(fields)
        if not parts:
            return fields
        record = self.record(entity_id)
        told = [part for part, value in parts.items() if value is not None]
        new = fields["version"] == 1
        if new:
            keys = await self.vault.make(record, told, lane)
        else:
            keys = await self.vault.keys_with(record, told)
        sealed = {
            part: _sealed(keys, value, record, part) for part, value in parts.items()
        }
        if new:
            return {**fields, "sealed": sealed}
        return {**fields, **{f"sealed.{part}": each for part, each in sealed.items()}}

    async def open(
        self, documents: Sequence[Document]
    ) -> Sequence[Document | BaseException]:
        """Open the sealed parts of documents. What cannot be opened spoils no other."""
        # Together, so that the keys of all come with one query.
        return await asyncio.gather(*(self._opened(each) for each in documents))

    async def _opened(self, document: Document) -> Document | BaseException:
        record = self.record(document["_id"])
        sealed: Mapping[str, bytes | None] = document.pop("sealed", {})
        try:
            keys = await self.vault.keys_of(record)
            parts = {p: _unsealed(keys, each, record, p) for p, each in sealed.items()}
        except (NotSealedHere, KeysMissing, UnknownKeyVersion) as fault:
            return fault
        self.put_together(document, parts)
        return document


def _sealed(keys: Keys, value: object, record: str, part: str) -> bytes | None:
    key = keys.get(part)
    # What was erased is not written again by whoever still has it in hand.
    return seal(key, value, record, part) if value is not None and key else None


def _unsealed(keys: Keys, sealed: bytes | None, record: str, part: str) -> object:
    if sealed is None:
        return None
    if part not in keys:
        # What was erased leaves a mark. This is the wrong vault, and no erasure.
        raise KeysMissing(part)
    key = keys[part]
    return unseal(key, sealed, record, part) if key else ERASED
