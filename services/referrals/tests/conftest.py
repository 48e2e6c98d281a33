"""Stores for referrals, people and cases, and the service itself with its HTTP."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from accord_chassis.clock import SimulatedClock
from accord_chassis.development.issuer import DevelopmentIssuer
from accord_chassis.store import Database
from accord_chassis.testing import alive
from referrals.app import Settings, create_app
from referrals.review_store import Reviews
from referrals.store import Cases, People, Referrals
from referrals_builders import LOCALITIES, Running


@pytest.fixture
async def referrals(database: Database) -> Referrals:
    store = Referrals(database)
    await store.prepare()
    return store


@pytest.fixture
async def people(database: Database) -> People:
    store = People(database)
    await store.prepare()
    return store


@pytest.fixture
async def cases(database: Database) -> Cases:
    store = Cases(database)
    await store.prepare()
    return store


@pytest.fixture
async def reviews(database: Database) -> Reviews:
    store = Reviews(database)
    await store.prepare()
    return store


@pytest.fixture
def settings(common_settings: dict[str, Any]) -> Settings:
    return Settings(**common_settings, locality=LOCALITIES / "canterbury")


@pytest.fixture
async def running(
    settings: Settings, clock: SimulatedClock, issuer: DevelopmentIssuer
) -> AsyncIterator[Running]:
    async with alive("referrals", create_app, settings, clock) as alive_:
        made = Running(
            alive_.service, alive_.http, issuer, alive_.broker, alive_.standings
        )
        for agency in ("police", "hospital"):
            assert (await made.register(agency)).status_code == 200
        yield made
