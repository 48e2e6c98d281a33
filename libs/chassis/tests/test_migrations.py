"""Changes of stored documents between releases, on a real store."""

import asyncio
import hashlib
import importlib
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from accord_chassis.migrations import (
    Migration,
    MigrationChanged,
    migrate,
    pending,
    shipped,
)
from accord_chassis.store import Database
from accord_chassis.testing import eventually, new_id
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import AutoReconnect

Documents = AsyncDatabase[dict[str, Any]]
Change = Callable[[Documents], Awaitable[None]]


def noting(name: str) -> Change:
    """A change that writes down that it was made."""

    async def change(documents: Documents) -> None:
        await documents["notes"].insert_one({"name": name, "at": time.monotonic_ns()})

    return change


def migration(name: str, change: Change | None = None, text: str = "") -> Migration:
    checksum = hashlib.sha256(f"{name}{text}".encode()).hexdigest()
    return Migration(name, checksum, change or noting(name))


async def noted(database: Database) -> list[str]:
    found = database.documents["notes"].find({}).sort("at", 1)
    return [each["name"] async for each in found]


async def test_what_has_not_run_runs_in_order_and_once(database: Database) -> None:
    first, second, third = (migration(f"m000{each}_step") for each in (1, 2, 3))

    assert await migrate(database, [first, second]) == ["m0001_step", "m0002_step"]
    assert await migrate(database, [first, second]) == []
    assert await migrate(database, [first, second, third]) == ["m0003_step"]

    assert await noted(database) == ["m0001_step", "m0002_step", "m0003_step"]


async def test_a_migration_that_was_changed_after_it_ran_is_refused(
    database: Database,
) -> None:
    await migrate(database, [migration("m0001_step")])
    edited = migration("m0001_step", text="edited")

    with pytest.raises(MigrationChanged, match="m0001_step"):
        await migrate(database, [edited, migration("m0002_step")])

    assert await noted(database) == ["m0001_step"]


async def test_two_replicas_that_start_at_once_run_each_migration_once(
    database: Database,
) -> None:
    began, go_on = asyncio.Event(), asyncio.Event()

    async def slow(documents: Documents) -> None:
        began.set()
        await go_on.wait()
        await noting("m0001_slow")(documents)

    wanted = [migration("m0001_slow", slow), migration("m0002_step")]
    one = asyncio.create_task(migrate(database, wanted))
    await began.wait()
    other = asyncio.create_task(migrate(database, wanted))
    lock = database.documents["migrations"]
    await eventually(lambda: lock.find_one({"_id": "lock"}))
    go_on.set()

    assert await one == ["m0001_slow", "m0002_step"]
    assert await other == []
    assert await noted(database) == ["m0001_slow", "m0002_step"]


async def test_what_failed_runs_again_and_what_ran_does_not(
    database: Database,
) -> None:
    tries = 0

    async def fails_once(documents: Documents) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise AutoReconnect
        await noting("m0002_fails")(documents)

    wanted = [migration("m0001_step"), migration("m0002_fails", fails_once)]
    with pytest.raises(AutoReconnect):
        await migrate(database, wanted)
    assert [each.name for each in await pending(database.documents, wanted)] == [
        "m0002_fails"
    ]

    # The lock was given back, so nobody has to wait for its time to end.
    assert await migrate(database, wanted) == ["m0002_fails"]
    assert await noted(database) == ["m0001_step", "m0002_fails"]


async def test_the_lock_of_a_replica_that_died_is_taken_when_its_time_is_over(
    database: Database,
) -> None:
    over = database.server_now() - timedelta(milliseconds=1)
    await database.documents["migrations"].insert_one(
        {"_id": "lock", "owner": new_id(), "until": over}
    )

    assert await migrate(database, [migration("m0001_step")]) == ["m0001_step"]


async def test_who_lives_keeps_the_lock_however_long_it_takes(
    database: Database,
) -> None:
    lock = database.documents["migrations"]
    renewed = []

    async def slow(_: Documents) -> None:
        first = await lock.find_one({"_id": "lock"})
        assert first is not None

        async def later() -> bool:
            now = await lock.find_one({"_id": "lock"})
            return now is not None and now["until"] > first["until"]

        renewed.append(await eventually(later))

    wanted = [migration("m0001_slow", slow)]
    await migrate(database, wanted, lease=timedelta(milliseconds=40))

    assert renewed == [True]
    assert await lock.find_one({"_id": "lock"}) is None


async def test_a_packages_migrations_are_found_by_their_names(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "toy_migrations"
    package.mkdir()
    (package / "__init__.py").touch()
    body = "async def migrate(database):\n    await database.notes.insert_one({})\n"
    for name in ("m0002_second", "m0001_first", "words"):
        (package / f"{name}.py").write_text(body)
    monkeypatch.syspath_prepend(tmp_path)

    found = shipped(importlib.import_module("toy_migrations"))

    assert [each.name for each in found] == ["m0001_first", "m0002_second"]
    assert found[0].checksum == hashlib.sha256(body.encode()).hexdigest()
    assert await migrate(database, found) == ["m0001_first", "m0002_second"]
