"""Finds programs that a development dependency brings, or the machine has."""

import shutil
import sys
from pathlib import Path


def found(name: str) -> str | None:
    """Return where a program is: beside this Python, or on the path."""
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else shutil.which(name)
