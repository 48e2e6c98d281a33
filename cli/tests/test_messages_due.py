"""The doctor sees from outside that somebody is not told."""

from datetime import timedelta
from typing import Any

import pytest
from accord.doctor import messages_due
from accord.findings import Verdict
from accord_chassis.store import Database
from accord_chassis.testing import NOON

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("due_at", "verdict"),
    [
        ([], Verdict.OK),
        ([None, NOON + 8 * 60 * MINUTE], Verdict.OK),
        ([NOON], Verdict.OK),
        ([NOON, NOON - 2 * MINUTE], Verdict.WARN),
        ([NOON - 2 * MINUTE, NOON - 11 * MINUTE, None], Verdict.FAIL),
    ],
)
async def test_whoever_is_not_told_in_time_is_found(
    database: Database, due_at: list[Any], verdict: Verdict
) -> None:
    kept = database.documents["notifications"]
    if due_at:
        await kept.insert_many(
            [{"_id": str(n), "due_at": d} for n, d in enumerate(due_at)]
        )

    found = await messages_due(database.documents, NOON)

    assert found.verdict is verdict
