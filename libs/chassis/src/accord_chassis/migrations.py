"""Changes of stored documents between releases: numbered, once, one at a time.

A service that has any keeps them in a package ``migrations`` below its own, of modules
``m0001_….py``, each with ``async def migrate(database)``; one that has none has no
such package. They run before it serves. Expand first, contract a release later, so that
two releases can run side by side; a migration can be run again after a crash, so it
must change nothing that is changed already.
"""

import asyncio
import hashlib
import importlib
import importlib.util
import pkgutil
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

import structlog
from pymongo import ReturnDocument
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError, PyMongoError

from accord_chassis.store import Database

log = structlog.get_logger()

LEASE = timedelta(seconds=60)
"""How long the lock of a replica that has died keeps the others waiting."""

RENEWALS = 4
"""How often a living one renews its lock within that time."""

PAUSE = 1.0

NAME = re.compile(r"m\d{4}_\w+")
"""Which modules of the package are migrations; others may help them."""


class MigrationChanged(Exception):
    """A migration that has run here is not the one that is shipped now."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step: its name sorts, its checksum proves that it is the same."""

    name: str
    checksum: str
    migrate: Callable[[AsyncDatabase[dict[str, Any]]], Awaitable[None]]


def shipped_with(service: str) -> list[Migration]:
    """Give a service's migrations in order; none if it has no package of them."""
    name = f"{service}.migrations"
    try:
        found = importlib.util.find_spec(name)
    except ModuleNotFoundError:
        # The service itself is no package: a test's own.
        return []
    return shipped(importlib.import_module(name)) if found else []


def shipped(package: ModuleType) -> list[Migration]:
    """Give a package's migrations in order."""
    found = []
    for module_info in pkgutil.iter_modules(package.__path__):
        if not NAME.fullmatch(module_info.name):
            continue
        module = importlib.import_module(f"{package.__name__}.{module_info.name}")
        text = Path(module.__file__ or "").read_bytes()
        checksum = hashlib.sha256(text).hexdigest()
        found.append(Migration(module_info.name, checksum, module.migrate))
    return sorted(found, key=lambda each: each.name)


async def pending(
    documents: AsyncDatabase[dict[str, Any]], migrations: list[Migration]
) -> list[Migration]:
    """Give what has not run on this database.

    Raises:
        MigrationChanged: What has run is not what is shipped.
    """
    ran = documents["migrations"].find({"_id": {"$ne": "lock"}})
    done = {each["_id"]: each["checksum"] async for each in ran}
    for each in migrations:
        if done.get(each.name, each.checksum) != each.checksum:
            raise MigrationChanged(each.name)
    return [each for each in migrations if each.name not in done]


async def migrate(
    database: Database, migrations: list[Migration], *, lease: timedelta = LEASE
) -> list[str]:
    """Run what has not run, under a lock, so that one replica does it.

    Args:
        database: Which.
        migrations: What is shipped, in order.
        lease: How long the lock holds if it is not renewed.

    Returns:
        The names of what ran here.

    Raises:
        MigrationChanged: What has run is not what is shipped.
    """
    if not migrations or not await pending(database.documents, migrations):
        return []
    ran = []
    async with _alone(database, lease):
        # Another replica may have run them while this one waited for the lock.
        for each in await pending(database.documents, migrations):
            await each.migrate(database.documents)
            await database.documents["migrations"].insert_one(
                {"_id": each.name, "checksum": each.checksum}
            )
            log.info("migration.ran", migration=each.name)
            ran.append(each.name)
    return ran


@asynccontextmanager
async def _alone(database: Database, lease: timedelta) -> AsyncIterator[None]:
    """Hold the lock, and renew it however long the work under it takes."""
    owner = str(uuid4())
    while not await _locked(database, owner, lease):
        log.info("migration.awaited")
        await asyncio.sleep(PAUSE)
    renewing = asyncio.create_task(_renew(database, owner, lease))
    try:
        yield
    finally:
        renewing.cancel()
        await asyncio.wait([renewing])
        await database.documents["migrations"].delete_one(
            {"_id": "lock", "owner": owner}
        )


async def _locked(database: Database, owner: str, lease: timedelta) -> bool:
    now = database.server_now()
    try:
        held = await database.documents["migrations"].find_one_and_update(
            {"_id": "lock", "until": {"$lt": now}},
            {"$set": {"owner": owner, "until": now + lease}},
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
    except DuplicateKeyError:
        return False
    return held is not None and held["owner"] == owner


async def _renew(database: Database, owner: str, lease: timedelta) -> None:
    while True:
        await asyncio.sleep(lease.total_seconds() / RENEWALS)
        try:
            await database.documents["migrations"].update_one(
                {"_id": "lock", "owner": owner},
                {"$set": {"until": database.server_now() + lease}},
            )
        except PyMongoError as fault:
            log.warning("migration.lock_not_renewed", fault=type(fault).__name__)
