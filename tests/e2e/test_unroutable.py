"""A binding is missing: what it was for waits in the outbox; the service says so.

Nobody listens in on this region's bus: who does is bound to everything, and then no
message is without a receiver.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from accord import topology
from accord.client import Client
from accord.management import Management
from accord_chassis.topology import EVENTS, queue_of
from accord_contracts.catalogue import CATALOGUE
from accord_contracts.message import Lane
from app import Region, eventually
from people import OFFERED, SPECIALIST, Coordinator, ReferringAgency
from regions import HURRY, Ground, in_one_process

LISTENERS = ("allocation", "notify")
"""Who hears of an offer; the service that makes it as well."""


@pytest.fixture(scope="module")
async def region(
    ground: Ground, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Region]:
    """A region with nobody who listens in."""
    folder = tmp_path_factory.mktemp("unroutable")
    async with in_one_process(ground, folder, exchanges=()) as running:
        yield running


@pytest.fixture
def management(region: Region) -> Iterator[Management]:
    with Management(region.surroundings.management_url) as spoken_to:
        yield spoken_to


async def unbind(
    management: Management, region: Region, service: str, type_: str
) -> None:
    """Take away the bindings by which a service hears a type."""
    for lane in Lane:
        key = f"{type_}.{lane}"
        where = ("bindings", region.surroundings.vhost, "e", EVENTS, "q")
        path = (*where, queue_of(service, lane), key)
        await asyncio.to_thread(management.delete, *path)


async def bind_again(management: Management, region: Region) -> list[str]:
    """Have the operator apply the topology, and give what was missing."""
    differences = await asyncio.to_thread(
        topology.apply,
        management,
        CATALOGUE,
        vhost=region.surroundings.vhost,
        hurry=HURRY,
    )
    return [str(each) for each in differences]


async def status_of(region: Region, service: str) -> str:
    """Ask a service whether it is ready."""
    async with Client(f"{region.url}/api/{service}") as client:
        status: str = (await client.get("/ready")).json()["status"]
        return status


async def test_what_nobody_is_bound_to_waits_and_is_delivered_once_somebody_is(
    region: Region,
    management: Management,
    police: ReferringAgency,
    coordinator: Coordinator,
) -> None:
    for service in LISTENERS:
        await unbind(management, region, service, OFFERED)

    case = await eventually(
        region.case_of(await police.refers(region.grave_referral()))
    )
    asked = await eventually(coordinator.finds_asked(case, SPECIALIST))

    async def said() -> bool:
        outbox = (await region.ready("allocation"))["outbox"]
        return bool(outbox["unroutable"] == 3)

    await eventually(said)
    assert await status_of(region, "allocation") == "degraded"
    allocations = region.database("allocation")["allocations"]
    waiting = {"case_id": case, "outbox.type": OFFERED}
    assert await allocations.count_documents(waiting) == 3
    worker = asked[SPECIALIST].worker
    assert not await worker.all_seen(OFFERED, case)

    missing = await bind_again(management, region)

    assert {*missing} == {
        f"missing binding: {EVENTS} to {service}.{lane} by {OFFERED}.{lane}"
        for service in LISTENERS
        for lane in Lane
    }
    await eventually(worker.sees(OFFERED, case))
    await eventually(region.is_quiet)
    assert len(await worker.all_seen(OFFERED, case)) == 1
    assert await status_of(region, "allocation") == "ready"
    assert (await region.ready("allocation"))["outbox"]["unroutable"] == 0


async def test_one_missing_binding_of_several_is_seen_by_who_compares(
    region: Region, management: Management
) -> None:
    type_ = "risk.assessed.v1"
    await unbind(management, region, "plans", type_)

    differences = await asyncio.to_thread(
        topology.check,
        management,
        CATALOGUE,
        vhost=region.surroundings.vhost,
        hurry=HURRY,
    )

    assert {str(each) for each in differences} == {
        f"missing binding: {EVENTS} to plans.{lane} by {type_}.{lane}" for lane in Lane
    }
    await bind_again(management, region)
