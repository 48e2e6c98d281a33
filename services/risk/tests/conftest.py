"""A store of assessments for each test, and the service's application."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from accord_chassis.clock import SimulatedClock
from accord_chassis.store import Database
from accord_chassis.testing import Alive, alive
from risk.app import Settings, create_app
from risk.store import Assessments
from risk_builders import LOCALITIES


@pytest.fixture
async def assessments(database: Database) -> Assessments:
    store = Assessments(database)
    await store.prepare()
    return store


@pytest.fixture
async def risk(
    common_settings: dict[str, Any], clock: SimulatedClock
) -> AsyncIterator[Alive]:
    """The service, alive."""
    settings = Settings(**common_settings, locality=LOCALITIES / "canterbury")
    async with alive("risk", create_app, settings, clock) as running:
        yield running
