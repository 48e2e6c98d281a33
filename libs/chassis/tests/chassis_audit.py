"""Audit logs and their entries for the chassis's own tests."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from accord_chassis.access import DEVELOPMENT_ISSUER
from accord_chassis.audit import AuditLog, Entry
from accord_chassis.clock import Clock
from accord_chassis.entries import Keys
from accord_chassis.oddities import Watch
from accord_chassis.settings import ChassisSettings
from accord_chassis.testing import AUDIT_KEY
from pydantic import SecretStr
from pymongo import AsyncMongoClient

Client = AsyncMongoClient[dict[str, Any]]


def entry(**changed: Any) -> Entry:
    """A look at a plan, but for what is changed."""
    given: dict[str, Any] = {
        "action": "plan.read",
        "outcome": "permitted",
        "rule": "case_team",
        "purpose": "fva20_a",
        "resource": "plan",
        "resource_id": "a-plan",
        "case_id": "a-case",
        "fields": ("identity", "safety"),
        "issuer": DEVELOPMENT_ISSUER,
        "subject": "somebody",
        "agency": "police",
        "worker": "a-worker",
        **changed,
    }
    return Entry(**given)


def settings(**changed: Any) -> ChassisSettings:
    """How a service is told of its audit log; nothing else of it is used."""
    given: dict[str, Any] = {
        "region": "test",
        "locality": Path("/nowhere"),
        "amqp_url": SecretStr("amqp://nobody@127.0.0.1:1"),
        "store_url": SecretStr("mongodb://127.0.0.1:1"),
        "jwks_url": "file:///nowhere",
        "issuer": DEVELOPMENT_ISSUER,
        "audit_database": f"test_{uuid4().hex[:16]}_audit",
        "audit_key": SecretStr(AUDIT_KEY),
        **changed,
    }
    return ChassisSettings(**given)


def log_of(
    client: Client,
    clock: Clock,
    told: ChassisSettings | None = None,
    *,
    writer: str = "risk",
) -> AuditLog:
    """The audit log as one process of the risk service has it."""
    told = told or settings()
    return AuditLog(
        client[told.audit_database],
        Keys(told.audit_key.get_secret_value()),
        writer=writer,
        watch=Watch(
            cases=told.audit_cases_an_hour,
            refusals=told.audit_refusals_an_hour,
            services=("risk", "notify"),
        ),
        clock=clock,
        anchors=told.audit_anchors,
    )


async def again(log: AuditLog, client: Client, clock: Clock) -> AuditLog:
    """The same audit log, as the next process of the service has it."""
    told = settings(audit_database=log.database.name)
    return log_of(client, clock, told)


def without(document: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """A document, less some of its fields."""
    return {name: each for name, each in document.items() if name not in names}
