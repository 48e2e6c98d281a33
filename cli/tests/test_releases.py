"""The doctor sees that not everything is of one release."""

from pathlib import Path

import pytest
from accord.findings import Verdict
from accord.releases import contracts_spoken, migrations_ran
from accord_chassis.migrations import migrate, shipped_with
from accord_chassis.store import Database
from accord_contracts.publish import fingerprint


def test_services_of_the_same_contracts_are_well() -> None:
    told = {"risk": fingerprint(), "plans": fingerprint()}

    assert contracts_spoken(told).verdict is Verdict.OK


@pytest.mark.parametrize("says", ["0123456789abcdef", None])
def test_a_service_of_other_contracts_is_named(says: str | None) -> None:
    found = contracts_spoken({"risk": says, "plans": fingerprint()})

    assert found.verdict is Verdict.WARN
    assert found.told.startswith("risk built with others")


async def test_a_migration_that_waits_is_found_until_it_ran_and_if_it_changed(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = tmp_path / "waiting_service" / "migrations" / "m0001_step.py"
    step.parent.mkdir(parents=True)
    step.write_text("async def migrate(database):\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    where = {"waiting_service": database.documents}

    waits = await migrations_ran(where)
    await migrate(database, shipped_with("waiting_service"))
    ran = await migrations_ran(where)
    step.write_text("async def migrate(database):\n    return None\n")
    changed = await migrations_ran(where)

    assert waits.verdict is Verdict.WARN
    assert "waiting_service m0001_step" in waits.told
    assert ran.verdict is Verdict.OK
    assert changed.verdict is Verdict.FAIL


async def test_a_service_without_migrations_waits_for_none(
    database: Database,
) -> None:
    found = await migrations_ran(
        {"risk": database.documents, "not_there": database.documents}
    )

    assert found.verdict is Verdict.OK
