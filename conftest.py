"""In which order a run takes the files of tests, and how properties are tried.

Files are handed out whole, to a process for each core: a third one saved two minutes of
thirty, and had a demonstration be late. Whoever gets a long one last works on it while
the other core is idle, so that the long ones come first.
"""

from pathlib import Path

import pytest
from hypothesis import settings

LONGEST = (
    "tests/e2e/test_api.py",
    "cli/tests/test_pilot.py",
    "tests/e2e/test_sentinel.py",
    "cli/tests/test_demo.py",
    "tests/e2e/test_ahead.py",
    "tests/e2e/test_urgent.py",
    "tests/e2e/test_chaos.py",
    "tests/deploy/test_images.py",
    "tests/e2e/test_personas.py",
    "tests/e2e/test_reordered.py",
    "tests/e2e/test_silence.py",
    "tests/e2e/test_own_device.py",
    "cli/tests/test_commands.py",
    "libs/chassis/tests/test_service.py",
    "libs/chassis/tests/test_doors.py",
    "libs/chassis/tests/test_promises.py",
    "libs/contracts/tests/test_compatibility_properties.py",
)
"""Files that take more than half a minute, by ``--durations=0`` on two cores.

They stand as they are handed out: the journeys that kill processes come when the
longest file is nearly done, because both want both cores.
"""

# How long an example takes depends on what else the machine does, not on the code.
settings.register_profile("accord", deadline=None)
settings.load_profile("accord")


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Put the files that take longest first; the others stay as they were found."""
    places = {config.rootpath / each: at for at, each in enumerate(LONGEST)}

    def place(item: pytest.Item) -> int:
        return places.get(Path(item.path), len(places))

    items.sort(key=place)
