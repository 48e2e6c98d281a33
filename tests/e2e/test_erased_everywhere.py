"""Whose keys are destroyed is unreadable in every process, and from a restored backup.

Two processes of each service that holds what people said are warm: they have read it,
and go on asking while the keys go.
"""

import asyncio
import copy
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from accord.client import Client
from accord.platform import Platform, ServiceProcess
from accord_chassis.development.process import LOOPBACK, free_ports
from accord_chassis.testing import new_id
from accord_chassis.vault import VaultSettings
from app import Region, Report, eventually
from people import EVERY_SCOPE, Somebody
from regions import START_SECONDS, Ground, as_processes

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(600)]

CACHE_SECONDS = 3
PROMISED_SECONDS = 60.0
"""Within which nobody can read what was erased, however a locality sets it."""

SLACK_SECONDS = 2.0
"""Until the next look, and for the look itself."""

GIVEN_UP_SECONDS = 3 * (CACHE_SECONDS + SLACK_SECONDS)
"""After which a process that still reads is not waited for."""

EVERY_SECONDS = 0.5
NAME, WORDS = "Sentinelname", "A door that locks."
HOLDING = {"referrals": "/v1/cases/{}/people", "plans": "/v1/plans/{}/voices"}
TELLS = {"referrals": NAME, "plans": WORDS}


@dataclass
class Twice:
    """A region in which two processes of each service hold what people said.

    Attributes:
        processes: Each by a name of its own.
    """

    region: Region
    processes: dict[str, ServiceProcess] = field(default_factory=dict)

    async def reads(self, name: str, case: str) -> str:
        """Read directly from one process what it holds of a case."""
        service = name.partition(" ")[0]
        coordinator = self.region.coordinator
        async with Client(self.processes[name].url, token=self.token) as client:
            answer = await client.get(HOLDING[service].format(case))
        assert answer.ok, (name, coordinator.id, answer.body)
        return answer.body.decode()

    @property
    def token(self) -> str:
        """Whoever coordinates, with every scope."""
        return self.region.surroundings.issuer.token(
            "reader",
            *EVERY_SCOPE,
            region=self.region.surroundings.region,
            worker=self.region.coordinator.id,
        )


@pytest.fixture
async def twice(
    ground: Ground, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Twice]:
    folder = tmp_path_factory.mktemp("everywhere")
    extra = {"ACCORD_KEY_CACHE_SECONDS": str(CACHE_SECONDS), "ACCORD_SMTP_URL": ""}
    async with as_processes(ground, folder, extra=extra) as found:
        twice = Twice(found.region)
        async with AsyncExitStack() as stack:
            for name in HOLDING:
                twice.processes[name] = found.platform[name]
                second = _second(found.region, name, found.platform, folder)
                twice.processes[f"{name} again"] = second
                stack.push_async_callback(second.stop)
                await second.start(within=START_SECONDS)
            yield twice


def _second(
    region: Region, name: str, platform: Platform, folder: Path
) -> ServiceProcess:
    """Give another process of a service, at a port of its own."""
    [port] = free_ports(1)
    environment = region.surroundings.environment(
        name, port=port, addresses={**platform.addresses}
    )
    assert LOOPBACK in environment["ACCORD_HOST"]
    return ServiceProcess(
        name, folder / f"{name}-again", port=port, environment=environment
    )


async def told_of(twice: Twice) -> tuple[str, dict[str, dict[str, Any]]]:
    """Have somebody named and heard; give the case, and what is stored of it."""
    region = twice.region
    told = region.grave_referral()
    told["people"][0]["family_name"] = NAME
    referral = await region.agency("police").refers(told)
    case = await eventually(region.case_of(referral))
    await eventually(region.coordinator.reads_plan(case))
    lead = Somebody(region, "lead", *EVERY_SCOPE, worker=region.coordinator.id)
    said = {"side": "person_harmed", "kind": "wants", "strand": "housing"}
    path = f"/api/plans/v1/plans/{case}/voices/{new_id()}/entries/{new_id()}"
    assert (await lead.sends("PUT", path, said | {"words": WORDS})).ok
    lead.hang_up()
    await eventually(region.is_quiet)
    kept = await region.database("referrals")["referrals"].find_one({"_id": referral})
    voice = await region.database("plans")["voices"].find_one({"case_id": case})
    assert kept
    assert voice
    return case, {"referrals/referrals": kept, "plans/voices": voice}


async def destroy_keys(
    region: Region, backup: Mapping[str, Mapping[str, Any]]
) -> float:
    """Destroy keys past every service, as its driver does; say when."""
    records = region.store[region.surroundings.vault_database]["records"]
    for place, document in backup.items():
        record = f"{place.partition('/')[2]}/{document['_id']}"
        held = await records.find_one({"_id": record})
        assert held, record
        gone = {f"keys.{part}": None for part in held["keys"]}
        await records.update_one({"_id": record}, {"$set": gone})
    return time.monotonic()


async def test_whose_keys_are_destroyed_is_unreadable_in_every_process_and_backup(
    twice: Twice, report: Report
) -> None:
    assert VaultSettings.model_fields["key_cache_seconds"].default <= PROMISED_SECONDS
    case, stored = await told_of(twice)
    backup = copy.deepcopy(stored)
    for name in twice.processes:
        assert TELLS[name.partition(" ")[0]] in await twice.reads(name, case), name

    since = await destroy_keys(twice.region, stored)

    async def forgets(name: str) -> float:
        while TELLS[name.partition(" ")[0]] in await twice.reads(name, case):
            assert time.monotonic() - since < GIVEN_UP_SECONDS, name
            await asyncio.sleep(EVERY_SECONDS)
        return time.monotonic() - since

    took = dict(
        zip(
            twice.processes,
            await asyncio.gather(*map(forgets, twice.processes)),
            strict=True,
        )
    )
    slowest = max(took, key=took.__getitem__)
    report(
        f"erasure: unreadable in {len(took)} processes after {took[slowest]:.1f} s at "
        f"the slowest ({slowest}), keys held for {CACHE_SECONDS} s"
    )
    assert took[slowest] <= CACHE_SECONDS + SLACK_SECONDS, took

    for place, document in backup.items():
        service, _, collection = place.partition("/")
        kept = twice.region.database(service)[collection]
        await kept.replace_one({"_id": document["_id"]}, document, upsert=True)
    for each in twice.processes.values():
        await each.stop()
        await each.start(within=START_SECONDS)

    for name in twice.processes:
        assert TELLS[name.partition(" ")[0]] not in await twice.reads(name, case), name
