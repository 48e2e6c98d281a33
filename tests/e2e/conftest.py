"""Regions for journeys."""

import shutil
from collections.abc import AsyncIterator, Iterator

import pytest
from accord_chassis.clock import Clock, SystemClock
from accord_chassis.development.backing import Backing
from app import Region
from people import Coordinator, ReferringAgency
from regions import Ground, Machines, in_one_process, machines_in


@pytest.fixture(scope="session")
def ground(
    backing_services: Backing, tmp_path_factory: pytest.TempPathFactory
) -> Ground:
    """The run's broker and store."""
    return Ground(backing_services, tmp_path_factory.mktemp("keeping"))


@pytest.fixture(scope="module")
def machines(
    installed_broker: None,  # noqa: ARG001 - It fails without.
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Machines]:
    """A broker and a store of a module's own, to be killed or read on the disk."""
    folder = tmp_path_factory.mktemp("machines")
    with machines_in(folder) as found:
        yield found
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def clock() -> Clock:
    """The services' time; a module may have another."""
    return SystemClock()


@pytest.fixture(scope="module")
async def region(
    ground: Ground, clock: Clock, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Region]:
    """A region of the module's own, all of whose services live in this process."""
    folder = tmp_path_factory.mktemp("region")
    async with in_one_process(ground, folder, clock=clock) as running:
        yield running


@pytest.fixture
def police(region: Region) -> ReferringAgency:
    return region.agency("police")


@pytest.fixture
def hospital(region: Region) -> ReferringAgency:
    return region.agency("hospital")


@pytest.fixture
def coordinator(region: Region) -> Coordinator:
    return region.coordinator
