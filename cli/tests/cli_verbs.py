"""What the tests of the command have in common."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from accord.surroundings import Surroundings

LOCALITY = Path(__file__).parents[2] / "localities" / "canterbury"

COMMAND = Path(sys.executable).with_name("accord")

Accord = Callable[..., subprocess.CompletedProcess[str]]
"""Runs the command with words, and gives what became of it."""


def token_of(region: Surroundings, who: str, /, **other: Any) -> str:
    """Sign the token of an operator who has just logged in, but for what is other."""
    claims = {"auth_time": int(time.time()), "roles": ["operator", "auditor"], **other}
    return region.issuer.token(who, **{"region": region.region, **claims})


def environment(named: Mapping[str, str]) -> dict[str, str]:
    """Give an environment that names nothing but what is given."""
    return {"PATH": os.defpath, "HOME": "/nonexistent", "COLUMNS": "200", **named}


def run_in(
    folder: Path, *words: str, within: float = 180, **named: str
) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder, with no deployment named but what is given."""
    return subprocess.run(
        [str(COMMAND), *words],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment({"ACCORD_LOCALITY": str(LOCALITY), **named}),
        timeout=within,
    )


def processes_in(folder: Path) -> list[str]:
    """Name the processes that run in a folder or below it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            where = (process / "cwd").readlink()
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if where.is_relative_to(folder):
            found.append(words)
    return found
