"""The last resort of a machine that can have no broker: said loudly, and it works."""

from pathlib import Path
from typing import Any

import pytest
from accord.demo import Options, demonstrate
from accord.show import StepFailed
from accord_chassis.development.machine import Machine
from cli_verbs import LOCALITY

NO_BROKER = Machine(secantusd=True)


async def test_messages_travel_in_memory_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[dict[str, Any]] = []
    options = Options(here=tmp_path, locality=LOCALITY, once=True, machine=NO_BROKER)

    assert await demonstrate(options, told.append) == 0

    shown = capsys.readouterr().out
    assert "NO BROKER: messages travel within this process" in shown
    assert "broker: none, store: process" in shown
    assert "Accord runs:" in shown
    assert told == []


async def test_five_processes_need_a_broker(tmp_path: Path) -> None:
    options = Options(
        here=tmp_path, locality=LOCALITY, json=True, processes=True, machine=NO_BROKER
    )

    with pytest.raises(StepFailed, match="There is no broker"):
        await demonstrate(options, print)
