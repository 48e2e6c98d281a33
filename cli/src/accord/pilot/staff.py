"""Those who work at a site: invented, and as many as is assumed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid5

from accord_contracts.allocation import Role

from accord.actors import (
    ADMINISTRATOR,
    ADMINISTRATOR_SCOPES,
    AGENCY_SCOPES,
    COORDINATOR_SCOPES,
    WORKER_SCOPES,
)
from accord.pilot import assumptions
from accord.pilot.assumptions import lot
from accord.pilot.published import Site
from accord.pilot.region import Region
from accord.world import AGENCIES, WORLD

POLICE = AGENCIES[0]


@dataclass(frozen=True, slots=True)
class Staff:
    """Whose tokens are used at a site.

    Attributes:
        police: The agency that refers.
        coordinator: Of the daily table, on duty.
        workers: By their ids.
        roles: The role that each of them has, by id.
    """

    police: str
    coordinator: str
    workers: Mapping[str, str]
    roles: Mapping[str, Role]


async def hired(region: Region) -> Staff:
    """Have all stand in register and directory, and give the tokens they act under."""
    entries = dict(directory(region.site))
    first = next(who for who, entry in entries.items() if entry["duty_coordinator"])
    staff = Staff(
        police=region.token(POLICE.code, *AGENCY_SCOPES, **POLICE.claims),
        coordinator=region.token(f"worker-{first}", *COORDINATOR_SCOPES, worker=first),
        workers={
            who: region.token(f"worker-{who}", *WORKER_SCOPES, worker=who)
            for who in entries
        },
        roles={who: Role(entry["roles"][0]) for who, entry in entries.items()},
    )
    administrator = region.token(ADMINISTRATOR, *ADMINISTRATOR_SCOPES)
    path = f"/referrals/v1/agencies/{POLICE.code}"
    await region.ask(administrator, "PUT", path, POLICE.entry)
    for who, entry in entries.items():
        path = f"/allocation/v1/workers/{who}"
        await region.ask(administrator, "PUT", path, entry)
    return staff


def directory(site: Site) -> Mapping[str, dict[str, Any]]:
    """Give what the directory is told of each worker, by id."""
    workers = {
        _id(site, role, number): _worker(site, role, number)
        for role, count in assumptions.STAFF[site.locality].items()
        for number in range(count)
    }
    managers = {
        _manager_id(site, number): _manager(number)
        for number in range(assumptions.MANAGERS)
    }
    return {**workers, **managers}


def _id(site: Site, role: Role, number: int) -> str:
    return str(uuid5(WORLD, f"pilot/{site.locality}/{role}/{number}"))


def _manager_id(site: Site, number: int) -> str:
    return str(uuid5(WORLD, f"pilot/{site.locality}/manager/{number}"))


def _worker(site: Site, role: Role, number: int) -> dict[str, Any]:
    random = lot("worker", site.locality, role, number)
    count = assumptions.STAFF[site.locality][role]
    # Who is asked hangs on the order of messages: their chains are all as long.
    team_lead = 1 + number % (assumptions.MANAGERS - 1)
    return {
        "roles": [role.value],
        "gender": random.choice(("woman", "woman", "man")),
        "languages": ["en"],
        "kaupapa_maori": random.random() < assumptions.KAUPAPA_MAORI[site.locality],
        "areas": [],
        "capacity": assumptions.CAPACITY,
        "deputy": _id(site, role, (number + 1) % count),
        "team_lead": _manager_id(site, team_lead),
        "duty_coordinator": False,
        "active": True,
    }


def _manager(number: int) -> dict[str, Any]:
    """Give somebody who carries no case: the first is on duty, others lead teams."""
    return {
        "roles": [Role.LEAD_AGENCY_COORDINATOR.value],
        "languages": ["en"],
        "areas": [],
        "capacity": 0,
        "duty_coordinator": number == 0,
        "active": True,
    }
