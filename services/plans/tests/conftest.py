"""A store for plans, and the service itself with its HTTP."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from accord_chassis.clock import SimulatedClock
from accord_chassis.development.issuer import DevelopmentIssuer
from accord_chassis.store import Database
from accord_chassis.testing import alive
from meetings_builders import RULES
from papers_builders import WORDING
from plans.app import Settings, create_app
from plans.store import Plans
from plans_builders import POLICY, Running
from pydantic import SecretStr
from stand_ins import Allocation, Referrals, Risk, serving


@pytest.fixture
async def plans(database: Database) -> Plans:
    store = Plans(database)
    await store.prepare()
    return store


@pytest.fixture
def locality(tmp_path: Path) -> Path:
    directory = tmp_path / "locality"
    directory.mkdir()
    text = yaml.safe_dump(POLICY.model_dump(mode="json"))
    (directory / "plans.yaml").write_text(text)
    met = yaml.safe_dump(RULES.model_dump(mode="json"))
    (directory / "meetings.yaml").write_text(met)
    spoken = yaml.safe_dump(WORDING.model_dump(mode="json"))
    (directory / "documents.yaml").write_text(spoken)
    return directory


@pytest.fixture
def risk() -> Risk:
    """The risk service, which proves whatever it is asked for until it is told else."""
    return Risk()


@pytest.fixture
def referrals() -> Referrals:
    """The referrals service, which knows of one name."""
    return Referrals()


@pytest.fixture
def allocation() -> Allocation:
    """The allocation service, whose directory knows a refuge that meets every need."""
    return Allocation()


@pytest.fixture
async def settings(
    common_settings: dict[str, Any],
    locality: Path,
    risk: Risk,
    referrals: Referrals,
    allocation: Allocation,
) -> AsyncIterator[Settings]:
    async with serving(risk, referrals, allocation):
        yield Settings(
            **common_settings,
            locality=locality,
            risk_url=risk.url,
            referrals_url=referrals.url,
            allocation_url=allocation.url,
            service_token=SecretStr("token"),
        )


@pytest.fixture
async def running(
    settings: Settings, clock: SimulatedClock, issuer: DevelopmentIssuer
) -> AsyncIterator[Running]:
    async with alive("plans", create_app, settings, clock) as alive_:
        yield Running(
            alive_.service, alive_.broker, alive_.http, issuer, alive_.standings
        )
