"""The broker's objects, generated from the catalogue: the whole of RELIABILITY's rules.

An operator's command, or a Job, imports the definitions with an administrator's rights.
Services only declare passively, so a service can never change them.
"""

import base64
import hashlib
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from accord_contracts.catalogue import Catalogue
from accord_contracts.message import Lane

EVENTS = "accord.events"
RETRY = "accord.retry"
REDELIVER = "accord.redeliver"
DEAD = "accord.dead"
EXCHANGES = (EVENTS, RETRY, REDELIVER, DEAD)

OPERATOR = "operator"
"""The user who replays what was parked."""

GIBIBYTE = 1024**3


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of the retry ladder.

    Attributes:
        name: As it stands in the queue's name.
        seconds: How long a message waits there.
        attempts: How many times in a row a message waits there.
    """

    name: str
    seconds: int
    attempts: int


LADDER = (
    Rung("10s", 10, 3),
    Rung("1m", 60, 5),
    Rung("10m", 600, 6),
    Rung("1h", 3600, 22),
)
"""About 24 hours in all; then the message is parked and a person is told."""


def rung_for(attempt: int) -> Rung | None:
    """Give the step for the nth retry, counted from 1; none when the ladder ends.

    Raises:
        ValueError: A retry that has not been tried once.
    """
    if attempt < 1:
        raise ValueError("The first retry has the number 1.")
    for rung in LADDER:
        if attempt <= rung.attempts:
            return rung
        attempt -= rung.attempts
    return None


def queue_of(service: str, lane: Lane) -> str:
    """Name the queue of a service's lane."""
    return f"{service}.{lane}"


def retry_of(queue: str, rung: Rung) -> str:
    """Name the queue in which a message for ``queue`` waits."""
    return f"{queue}.retry.{rung.name}"


def parked_of(queue: str) -> str:
    """Name the queue of the messages that ``queue`` could not handle."""
    return f"{queue}.parked"


def queues(catalogue: Catalogue) -> list[str]:
    """Name the queues that services take messages from."""
    return [queue_of(service, lane) for service in catalogue.services for lane in Lane]


@dataclass(frozen=True, slots=True)
class Bound:
    """One binding."""

    exchange: str
    queue: str
    routing_key: str


def bindings(catalogue: Catalogue) -> Iterator[Bound]:
    """Give every binding there is to be."""
    for entry in catalogue:
        for service in entry.listeners:
            for lane in Lane:
                queue = queue_of(service, lane)
                yield Bound(EVENTS, queue, f"{entry.type}.{lane}")
    for queue in queues(catalogue):
        yield Bound(REDELIVER, queue, queue)
        yield Bound(DEAD, parked_of(queue), queue)
        for rung in LADDER:
            waiting = retry_of(queue, rung)
            yield Bound(RETRY, waiting, retry_key(queue, rung))


def retry_key(queue: str, rung: Rung) -> str:
    """Give the routing key that sends a message to a rung: ``<queue>.<level>``."""
    return f"{queue}.{rung.name}"


def policies(catalogue: Catalogue, *, hurry: int = 1) -> dict[str, dict[str, Any]]:
    """Give every queue's policy, by the policy's name.

    Args:
        catalogue: Which services there are.
        hurry: Divides the waiting times; only tests are in a hurry.
    """
    safe = {"dead-letter-strategy": "at-least-once", "overflow": "reject-publish"}
    found: dict[str, dict[str, Any]] = {}
    for queue in queues(catalogue):
        found[queue] = {
            "delivery-limit": 20,
            "dead-letter-exchange": DEAD,
            "dead-letter-routing-key": queue,
            "max-length-bytes": GIBIBYTE,
            **safe,
        }
        for rung in LADDER:
            found[retry_of(queue, rung)] = {
                "message-ttl": rung.seconds * 1000 // hurry,
                "dead-letter-exchange": REDELIVER,
                "dead-letter-routing-key": queue,
                **safe,
            }
        # Looking at a parked message counts as a delivery; RabbitMQ 4 would drop it
        # after twenty looks, and 3.10 refuses a limit of none.
        found[parked_of(queue)] = {"delivery-limit": 1_000_000_000}
    return found


def all_queues(catalogue: Catalogue) -> Iterator[str]:
    """Name every queue: lanes, ladders and parking."""
    for queue in queues(catalogue):
        yield queue
        yield from (retry_of(queue, rung) for rung in LADDER)
        yield parked_of(queue)


def user_permissions(service: str) -> dict[str, str]:
    """Give what a service's user may do: declare nothing, write to the exchanges.

    It reads only its own queues. Which events it may publish is
    ``topic_permissions``.
    """
    own = "|".join(re.escape(queue_of(service, lane)) for lane in Lane)
    return {"configure": "^$", "write": r"^accord\.(events|retry|dead)$",
            "read": f"^({own})$"}  # fmt: skip


def topic_permissions(catalogue: Catalogue, service: str) -> list[dict[str, str]]:
    """Give which routing keys a service may write, exchange by exchange."""
    lanes = "|".join(Lane)
    types = "|".join(re.escape(each.type) for each in catalogue.published_by(service))
    own = rf"{re.escape(service)}\.({lanes})"
    levels = "|".join(rung.name for rung in LADDER)
    return [
        {"exchange": EVENTS, "write": rf"^({types})\.({lanes})$" if types else "^$"},
        {"exchange": RETRY, "write": rf"^{own}\.({levels})$"},
        {"exchange": DEAD, "write": f"^{own}$"},
        {"exchange": REDELIVER, "write": "^$"},
    ]


def definitions(
    catalogue: Catalogue,
    *,
    vhost: str,
    passwords: Mapping[str, str] | None = None,
    hurry: int = 1,
) -> dict[str, Any]:
    """Write the definitions document that RabbitMQ's management API imports.

    Args:
        catalogue: Which events there are and who listens.
        vhost: The region's virtual host.
        passwords: By user name; a service without one gets no user. The operator's
            user may replay and look, and nothing else.
        hurry: Divides the retry ladder's waiting times; for tests.
    """
    users = passwords or {}
    return {
        "vhosts": [{"name": vhost}],
        "exchanges": [
            {"name": name, "vhost": vhost, "type": "topic", "durable": True,
             "auto_delete": False, "internal": False, "arguments": {}}
            for name in EXCHANGES
        ],
        "queues": [
            {"name": name, "vhost": vhost, "durable": True, "auto_delete": False,
             "arguments": {"x-queue-type": "quorum"}}
            for name in all_queues(catalogue)
        ],
        "bindings": [
            {"source": each.exchange, "vhost": vhost, "destination": each.queue,
             "destination_type": "queue", "routing_key": each.routing_key,
             "arguments": {}}
            for each in bindings(catalogue)
        ],
        "policies": [
            {"name": name, "vhost": vhost, "apply-to": "queues", "priority": 0,
             "pattern": f"^{re.escape(name)}$",
             "definition": definition}
            for name, definition in policies(catalogue, hurry=hurry).items()
        ],
        "users": [
            {"name": name, "password_hash": hashed(password), "tags": "",
             "hashing_algorithm": "rabbit_password_hashing_sha256"}
            for name, password in users.items()
        ],
        "permissions": [
            {"user": name, "vhost": vhost, **_permissions(name)}
            for name in users
        ],
        "topic_permissions": [
            {"user": name, "vhost": vhost, "read": ".*", **each}
            for name in users
            if name != OPERATOR
            for each in topic_permissions(catalogue, name)
        ],
    }  # fmt: skip


def _permissions(user: str) -> dict[str, str]:
    if user != OPERATOR:
        return user_permissions(user)
    return {
        "configure": r"^accord\.tail\..*$",
        "write": r"^(accord\.redeliver|accord\.tail\..*)$",
        "read": r"^(accord\.events|accord\.tail\..*|.*\.parked)$",
    }


def hashed(password: str) -> str:
    """Hash a password the way RabbitMQ keeps it: salted SHA-256, base64."""
    salt = secrets.token_bytes(4)
    digest = hashlib.sha256(salt + password.encode()).digest()
    return base64.b64encode(salt + digest).decode()
