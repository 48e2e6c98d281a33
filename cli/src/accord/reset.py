"""Deleting what demonstrations have kept."""

import json
import shutil
from pathlib import Path
from typing import Any

from pymongo import MongoClient

from accord.catalogue import SERVICES
from accord.deployment import held
from accord.faults import CannotGoOn
from accord.management import Management
from accord.surroundings import AUDIT

SUFFIX = "_demo"
"""Ends the names of its databases; ``accord serve`` refuses to open one."""

ELSEWHERE = "elsewhere.json"
"""Says on which broker and store, that are not its own, a demonstration left data."""


def reset(here: Path) -> None:
    """Delete everything that a demonstration has kept, here and elsewhere.

    Raises:
        CannotGoOn: One runs, or there is nothing.
    """
    if not here.exists():
        raise CannotGoOn(f"There is nothing in {here}.")
    with held(here):
        elsewhere = here / ELSEWHERE
        if elsewhere.exists():
            _reset_elsewhere(json.loads(elsewhere.read_text()))
        shutil.rmtree(here)


def _reset_elsewhere(left: dict[str, str]) -> None:
    if left["management_url"]:
        with Management(left["management_url"]) as management:
            management.delete("vhosts", left["vhost"])
    with MongoClient[dict[str, Any]](left["store_url"]) as client:
        for name in (*SERVICES, AUDIT, "vault"):
            client.drop_database(f"{name}{SUFFIX}")
