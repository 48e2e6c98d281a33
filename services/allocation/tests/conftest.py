"""A desk over a store, and the service itself with its HTTP."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from accord_chassis.clock import SimulatedClock
from accord_chassis.development.issuer import DevelopmentIssuer
from accord_chassis.store import Database
from accord_chassis.testing import alive
from allocation.app import Settings, create_app
from allocation_builders import LOCALITIES, Office, Running


@pytest.fixture
async def office(database: Database, clock: SimulatedClock) -> Office:
    return await Office.over(database, clock)


@pytest.fixture
async def other_process(database: Database, clock: SimulatedClock) -> Office:
    """Another process of the service over the same database."""
    return await Office.over(database, clock)


@pytest.fixture
def settings(common_settings: dict[str, Any]) -> Settings:
    return Settings(**common_settings, locality=LOCALITIES / "canterbury")


@pytest.fixture
async def running(
    settings: Settings, clock: SimulatedClock, issuer: DevelopmentIssuer
) -> AsyncIterator[Running]:
    """The service, alive, over a broker in memory."""
    async with alive("allocation", create_app, settings, clock) as alive_:
        yield Running(alive_.service, alive_.broker, alive_.http, issuer, clock)
