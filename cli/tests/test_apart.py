"""Work in a process of its own ends when it is told to, whatever it is at."""

import time
from collections.abc import Callable
from multiprocessing.connection import Connection

import pytest
from accord.pilot import apart as module
from accord.pilot.apart import apart
from cli_apart import tell_for_ever, tell_until_told_to_end


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    ("work", "patience"), [(tell_until_told_to_end, 20.0), (tell_for_ever, 0.2)]
)
async def test_what_waits_to_be_read_or_heeds_nothing_ends_all_the_same(
    work: Callable[[Connection], None], patience: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", patience)

    started = time.monotonic()
    async with apart(work) as told:
        assert await anext(told) == "ready"

    assert time.monotonic() - started < 15
