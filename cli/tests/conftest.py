"""A region on the run's broker and store, and the command as its operator calls it."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest
from accord.deployment import Deployment
from accord.management import Management
from accord.surroundings import AUDIT, PREFIX, Surroundings, prepare
from accord_chassis.access import DEVELOPMENT_ISSUER
from accord_chassis.development.backing import Backing
from accord_chassis.topology import OPERATOR
from cli_verbs import LOCALITY, Accord, run_in, token_of


@pytest.fixture(scope="session")
def keeping(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keeps the passwords of the broker's users for all tests of the run."""
    return tmp_path_factory.mktemp("accord")


@pytest.fixture
def management(backing_services: Backing) -> Iterator[Management]:
    with Management(backing_services.management_url) as spoken_to:
        yield spoken_to


@pytest.fixture
def region(
    backing_services: Backing, keeping: Path, management: Management
) -> Iterator[Surroundings]:
    """A virtual host of the test's own, with everything in it."""
    vhost = f"test-{uuid4().hex[:12]}"
    yield prepare(
        backing_services,
        region="test",
        locality=LOCALITY,
        folder=keeping,
        vhost=vhost,
        suffix=f"_{vhost[5:]}",
    )
    management.delete("vhosts", vhost)


@pytest.fixture
def deployment(region: Surroundings) -> Deployment:
    """The region as its operator knows it."""
    return Deployment(
        region=region.region,
        vhost=region.vhost,
        locality=region.locality,
        management_url=region.management_url,
        amqp_url=region.amqp_url_of(OPERATOR),
        store_url=region.store_url,
        audit_database=region.database_of(AUDIT),
        audit_key=region.audit_key,
        jwks_url=region.issuer.jwks_url,
        issuer=DEVELOPMENT_ISSUER,
        operator_token=token_of(region, "first"),
    )


@pytest.fixture
def accord(deployment: Deployment, tmp_path: Path) -> Accord:
    """Run the command about the test's region, in a directory of the test's own."""
    named = {
        f"{PREFIX}{name.upper()}": str(value)
        for name, value in deployment.model_dump().items()
        if value and not isinstance(value, dict)
    }

    return partial(run_in, tmp_path, **named)
