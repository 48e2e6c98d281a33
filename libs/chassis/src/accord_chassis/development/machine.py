"""What a machine offers to run a broker and a store with, and what is chosen of it.

Looking and choosing are apart: a choice follows from the facts alone.
"""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from accord_chassis.development import broker, store
from accord_chassis.development.process import Unavailable

AMQP_URL = "ACCORD_TEST_AMQP_URL"
MANAGEMENT_URL = "ACCORD_TEST_MANAGEMENT_URL"
MONGO_URL = "ACCORD_TEST_MONGO_URL"

DOCKER_SOCKET = "unix:///var/run/docker.sock"
DOCKER_SECONDS = 3.0

NOT_GIVEN = "no address is given in the environment"


class Means(StrEnum):
    """How a backing service is had."""

    ENVIRONMENT = "environment"
    CONTAINER = "container"
    PROCESS = "process"
    NONE = "none"


@dataclass(frozen=True)
class Choice:
    """By which means a backing service is had, and why, as the end of a sentence."""

    means: Means
    why: str


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What a machine offers.

    Attributes:
        amqp_url: A broker's address, given in the environment.
        management_url: The same broker's management API.
        mongo_url: A store's address, given in the environment.
        docker: Whether a Docker engine of this machine answers.
        rabbitmq_server: Whether RabbitMQ is installed.
        secantusd: Whether secantusd-rs is installed.
    """

    amqp_url: str = field(default="", repr=False)
    management_url: str = field(default="", repr=False)
    mongo_url: str = field(default="", repr=False)
    docker: bool = False
    rabbitmq_server: bool = False
    secantusd: bool = False


def choose_broker(machine: Machine) -> Choice:
    """Choose how to have a broker.

    Raises:
        Unavailable: Only half of its address is given.
    """
    if bool(machine.amqp_url) != bool(machine.management_url):
        raise Unavailable(f"Set both {AMQP_URL} and {MANAGEMENT_URL}, or neither.")
    if machine.amqp_url:
        return Choice(Means.ENVIRONMENT, f"{AMQP_URL} and {MANAGEMENT_URL} are set")
    if machine.docker:
        return Choice(Means.CONTAINER, f"{NOT_GIVEN} and a Docker engine answers")
    without = f"{NOT_GIVEN}, no Docker engine answers"
    if machine.rabbitmq_server:
        return Choice(Means.PROCESS, f"{without}, and rabbitmq-server is installed")
    return Choice(Means.NONE, f"{without}, and {broker.MISSING}")


def choose_store(machine: Machine) -> Choice:
    """Choose how to have a store."""
    if machine.mongo_url:
        return Choice(Means.ENVIRONMENT, f"{MONGO_URL} is set")
    if machine.docker:
        return Choice(Means.CONTAINER, f"{NOT_GIVEN} and a Docker engine answers")
    without = f"{NOT_GIVEN}, no Docker engine answers"
    if machine.secantusd:
        return Choice(Means.PROCESS, f"{without}, and secantusd-rs is installed")
    return Choice(Means.NONE, f"{without}, and {store.MISSING}")


def look(environment: Mapping[str, str] = os.environ) -> Machine:
    """Find out what this machine offers."""
    return Machine(
        amqp_url=environment.get(AMQP_URL, ""),
        management_url=environment.get(MANAGEMENT_URL, ""),
        mongo_url=environment.get(MONGO_URL, ""),
        docker=docker_answers(environment.get("DOCKER_HOST", DOCKER_SOCKET)),
        rabbitmq_server=os.access(broker.RABBITMQ_SERVER, os.X_OK),
        secantusd=os.access(store.SECANTUSD, os.X_OK),
    )


def docker_answers(host: str) -> bool:
    """Say whether the Docker engine behind a socket of this machine answers.

    An engine elsewhere does not count: what it publishes is not on our loopback.
    """
    scheme, _, path = host.partition("://")
    if scheme != "unix":
        return False
    try:
        with socket.socket(socket.AF_UNIX) as engine:
            engine.settimeout(DOCKER_SECONDS)
            engine.connect(path)
            engine.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b" 200 " in engine.recv(64)
    except OSError:
        return False
