"""What the topology step does to a real broker, with what prepare.py made."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import httpx2
import pytest
import yaml
from accord_chassis.development.backing import Backing
from accord_contracts.catalogue import CATALOGUE
from aio_pika import connect
from aiormq.exceptions import ChannelAccessRefused

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def region(backing_services: Backing) -> AsyncIterator[str]:
    """A region of the test's own, whose virtual host is removed in the end."""
    if not backing_services.management_url:
        pytest.skip("no broker is to be had here")
    name = f"region-{uuid4().hex[:12]}"
    yield name
    async with httpx2.AsyncClient() as client:
        await client.delete(f"{backing_services.management_url}/api/vhosts/{name}")


def program(*words: str | Path, **variables: str) -> None:
    own = {name: each for name, each in os.environ.items() if "ACCORD" not in name}
    done = subprocess.run(
        words, env=own | variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


async def test_each_service_finds_its_queues_with_its_own_password(
    backing_services: Backing, region: str, tmp_path: Path
) -> None:
    prepare = ROOT / "deploy/compose/prepare.py"
    program(sys.executable, prepare, tmp_path, "--region", region)
    given = tmp_path / "topology"
    management = given / "accord_management_url"
    management.chmod(0o600)
    management.write_text(backing_services.management_url, "utf-8")
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))

    program(
        Path(sys.executable).with_name("accord"),
        *compose["services"]["topology"]["command"],
        ACCORD_BROKER_PASSWORDS=str(given / "broker"),
        ACCORD_LOCALITY=str(ROOT / "localities/canterbury"),
        ACCORD_REGION=region,
        ACCORD_SECRETS_DIR=str(given),
    )

    broker = urlsplit(backing_services.amqp_url)
    for service in CATALOGUE.services:
        url = (tmp_path / service / "accord_amqp_url").read_text("utf-8")
        here = url.replace("rabbitmq:5672", f"{broker.hostname}:{broker.port}")
        other = next(each for each in CATALOGUE.services if each != service)
        async with await connect(here) as connection:
            channel = await connection.channel()
            await channel.get_queue(f"{service}.urgent")
            foreign = await channel.get_queue(f"{other}.urgent", ensure=False)
            with pytest.raises(ChannelAccessRefused):
                await foreign.get(fail=False)
