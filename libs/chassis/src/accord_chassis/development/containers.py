"""A RabbitMQ and a MongoDB in containers of this machine's Docker engine.

They run as the user who starts them and keep their data in a folder of that user, so
that it is there the next time and the user may delete it. Should this process die, the
companion container of testcontainers removes them.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from docker.errors import DockerException
from pymongo import MongoClient
from pymongo.errors import OperationFailure
from testcontainers.core.container import DockerContainer

from accord_chassis.development.broker import USER, manages, speaks_amqp
from accord_chassis.development.process import (
    LOOPBACK,
    Unavailable,
    is_listening,
    kept_ports,
    kept_secret,
    wait_until,
)
from accord_chassis.development.store import URL, is_writable

RABBITMQ = "rabbitmq:4-management"
MONGO = "mongo:8"

AMQP_PORT, MANAGEMENT_PORT, MONGO_PORT = 5672, 15672, 27017
ALREADY_INITIALIZED = 23

START_SECONDS = 120.0


@contextmanager
def broker(folder: Path) -> Iterator[tuple[str, str]]:
    """Run a broker, and give its AMQP and its management URL."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    amqp, management = kept_ports(folder / "ports", 2)
    password = kept_secret(folder / "password")
    container = _container(
        RABBITMQ,
        folder,
        "/var/lib/rabbitmq",
        {AMQP_PORT: amqp, MANAGEMENT_PORT: management},
    )
    container.with_envs(RABBITMQ_DEFAULT_USER=USER, RABBITMQ_DEFAULT_PASS=password)
    account = f"{USER}:{password}@{LOOPBACK}"
    management_url = f"http://{account}:{management}"
    with _running(container):
        if not wait_until(
            lambda: speaks_amqp(amqp) and manages(management_url), seconds=START_SECONDS
        ):
            raise _late(RABBITMQ)
        yield f"amqp://{account}:{amqp}/", management_url


@contextmanager
def store(folder: Path) -> Iterator[str]:
    """Run a store that is a replica set of one, so that it has all MongoDB has."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    (port,) = kept_ports(folder / "ports", 1)
    url = URL.format(loopback=LOOPBACK, port=port)
    container = _container(MONGO, folder, "/data/db", {MONGO_PORT: port})
    container.with_command(["--replSet", "accord"])
    with _running(container):
        if not wait_until(lambda: is_listening(port), seconds=START_SECONDS):
            raise _late(MONGO)
        _initiate(url)
        if not wait_until(lambda: is_writable(url), seconds=START_SECONDS):
            raise _late(MONGO)
        yield url


def _container(
    image: str, folder: Path, inside: str, ports: dict[int, int]
) -> DockerContainer:
    data = folder / "container"
    data.mkdir(exist_ok=True)
    container = DockerContainer(image)
    container.with_volume_mapping(data.absolute(), inside, "rw")
    # A node keeps its data under the name of its host. Docker takes the interface
    # beside the port, which testcontainers passes on without knowing of it.
    container.with_kwargs(hostname="accord", user=f"{os.getuid()}:{os.getgid()}")
    published: dict[str, Any] = container.ports
    for port, outside in ports.items():
        published[f"{port}/tcp"] = (LOOPBACK, outside)
    return container


@contextmanager
def _running(container: DockerContainer) -> Iterator[None]:
    try:
        container.start()
    except DockerException as fault:
        raise Unavailable(
            f"Docker cannot run {container.image}: {fault}. "
            f"See whether `docker run --rm {container.image}` works."
        ) from fault
    try:
        yield
    finally:
        container.stop()


def _initiate(url: str) -> None:
    member = {"_id": 0, "host": f"{LOOPBACK}:{MONGO_PORT}"}
    with MongoClient[dict[str, Any]](url) as client:
        try:
            client.admin.command(
                "replSetInitiate", {"_id": "accord", "members": [member]}
            )
        except OperationFailure as fault:
            if fault.code != ALREADY_INITIALIZED:
                raise


def _late(image: str) -> Unavailable:
    return Unavailable(
        f"{image} was not ready within {START_SECONDS:.0f} seconds: "
        "look at `docker logs` and at the space left on the disk."
    )
