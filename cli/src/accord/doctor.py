"""What is well and what is not in a deployment.

What it says may be pasted anywhere: no password, no token, nothing of a case.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
from accord_chassis.access import ALGORITHMS, DEVELOPMENT_ISSUER
from accord_chassis.settings import BadConfiguration
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError

from accord import parked, topology
from accord.catalogue import SERVICES, catalogue_of
from accord.certificates import certificates
from accord.client import Client, Gone
from accord.deployment import Deployment
from accord.faults import CannotGoOn
from accord.findings import Finding, Verdict, fail, ok, warn
from accord.hearing import coordinators_reachable, heard_by_all, unpublished
from accord.management import Management
from accord.releases import contracts_spoken, migrations_ran
from accord.surroundings import application

OLDEST_BROKER = (3, 10)

BULK_WRITE_WIRE = 25
"""The wire version of MongoDB 8.0, which brought bulk writes across collections."""

SKEW_WARN, SKEW_FAIL = timedelta(seconds=5), timedelta(seconds=60)
SECONDS = 5.0


async def examine(deployment: Deployment) -> list[Finding]:
    """Look at everything of a deployment that its addresses are known of."""
    checks: list[tuple[str, Callable[[Deployment], Awaitable[list[Finding]]], bool]] = [
        ("broker", _broker, bool(deployment.management_url.get_secret_value())),
        ("parked messages", _parked, bool(deployment.amqp_url.get_secret_value())),
        ("store", _store, bool(deployment.store_url.get_secret_value())),
        ("services", _services, bool(deployment.url)),
        ("mail", _mail, bool(deployment.smtp_url.get_secret_value())),
        ("issuer", _issuer, bool(deployment.jwks_url)),
        ("locality", _locality, deployment.locality is not None),
    ]
    found = list(certificates(deployment, datetime.now(UTC)))
    for what, check, known in checks:
        found += await _looked(what, check, deployment) if known else [_unknown(what)]
    return found


async def _looked(
    what: str,
    check: Callable[[Deployment], Awaitable[list[Finding]]],
    deployment: Deployment,
) -> list[Finding]:
    try:
        return await check(deployment)
    except CannotGoOn as fault:
        return [fail(what, fault.cause, fault.mend)]


def _unknown(what: str) -> Finding:
    return warn(
        what,
        "not looked at: no address is given",
        "`accord --help` names the variables.",
    )


async def _broker(deployment: Deployment) -> list[Finding]:
    return await asyncio.to_thread(lambda: list(_broker_findings(deployment)))


def _broker_findings(deployment: Deployment) -> Iterator[Finding]:
    with Management(deployment.need_management(), deployment.trust()) as management:
        version = str(management.get("overview")["rabbitmq_version"])
        told = f"RabbitMQ {version} at {management.address}"
        if tuple(map(int, version.split(".")[:2])) < OLDEST_BROKER:
            yield fail(
                "broker",
                told,
                "Quorum queues with at-least-once dead-lettering need 3.10.",
            )
        else:
            yield ok("broker", told)
        yield _alarms(management)
        yield _topology(management, deployment)


def _alarms(management: Management) -> Finding:
    alarmed = [
        f"{node['name']} is short of {what}"
        for node in management.rows("nodes")
        for alarm, what in (("mem_alarm", "memory"), ("disk_free_alarm", "disk"))
        if node.get(alarm)
    ]
    if alarmed:
        return fail(
            "broker alarms", "; ".join(alarmed), "Nothing can be published: make room."
        )
    return ok("broker alarms", "none")


def _topology(management: Management, deployment: Deployment) -> Finding:
    catalogue = catalogue_of(deployment.locality)
    found = topology.check(management, catalogue, vhost=deployment.vhost)
    if not found:
        return ok("topology", f"{deployment.vhost} is as catalogued")
    return fail(
        "topology",
        f"{len(found)} differences: {found[0]} …",
        "`accord topology check` names all; `accord topology apply` mends.",
    )


async def _parked(deployment: Deployment) -> list[Finding]:
    counted = await parked.counts(deployment, catalogue_of(deployment.locality))
    holding = {queue: count for queue, count in counted.items() if count}
    if not holding:
        return [ok("parked messages", "none")]
    told = ", ".join(f"{queue} {count}" for queue, count in holding.items())
    urgent = any(queue.endswith(".urgent") for queue in holding)
    verdict = Verdict.FAIL if urgent else Verdict.WARN
    mend = "`accord dead-letters list` says why; replay what was mended."
    return [Finding("parked messages", verdict, told, mend)]


@asynccontextmanager
async def _client(
    deployment: Deployment,
) -> AsyncIterator[AsyncMongoClient[dict[str, Any]]]:
    async with AsyncMongoClient[dict[str, Any]](
        deployment.store_url.get_secret_value(),
        tz_aware=True,
        serverSelectionTimeoutMS=SECONDS * 1000,
        **deployment.store_line().store_options(),
    ) as client:
        yield client


async def _store(deployment: Deployment) -> list[Finding]:
    try:
        async with _client(deployment) as client:
            hello = await client.admin.command("hello")
            version = (await client.admin.command("buildInfo"))["version"]
            notify = client[deployment.databases.get("notify", "notify")]
            allocation = client[deployment.databases.get("allocation", "allocation")]
            skew = abs(hello["localTime"].replace(tzinfo=UTC) - datetime.now(UTC))
            return [
                _store_version(version, hello["maxWireVersion"]),
                _skew(skew),
                await migrations_ran(_databases(client, deployment)),
                await _outboxes(client, deployment),
                *await heard_by_all(notify, datetime.now(UTC)),
                await coordinators_reachable(allocation, notify, datetime.now(UTC)),
            ]
    except PyMongoError as fault:
        told = f"does not answer ({type(fault).__name__})"
        return [fail("store", told, "Start it, or correct its address.")]


def _store_version(version: str, wire: int) -> Finding:
    told = f"version {version}, wire version {wire}"
    if wire < BULK_WRITE_WIRE:
        return fail("store", told, "Bulk writes need MongoDB 8.0 or later.")
    return ok("store", told)


def _skew(skew: timedelta) -> Finding:
    told = f"{skew.total_seconds():.1f} s from the store's"
    if skew > SKEW_WARN:
        verdict = Verdict.FAIL if skew > SKEW_FAIL else Verdict.WARN
        return Finding("clock", verdict, told, "Have both follow one time server.")
    return ok("clock", told)


def _databases(
    client: AsyncMongoClient[dict[str, Any]], deployment: Deployment
) -> dict[str, AsyncDatabase[dict[str, Any]]]:
    return {each: client[deployment.databases.get(each, each)] for each in SERVICES}


async def _outboxes(
    client: AsyncMongoClient[dict[str, Any]], deployment: Deployment
) -> Finding:
    databases = _databases(client, deployment).values()
    return await unpublished(databases, datetime.now(UTC))


async def _services(deployment: Deployment) -> list[Finding]:
    asked = (_readiness(deployment, service) for service in SERVICES)
    told = dict(zip(SERVICES, await asyncio.gather(*asked), strict=True))
    found = [_service(service, each) for service, each in told.items()]
    spoken = {name: each.get("contracts") for name, each in told.items() if each}
    return [*found, contracts_spoken(spoken)] if spoken else found


async def _readiness(deployment: Deployment, service: str) -> dict[str, Any] | None:
    """Ask a service how it is; nothing if it does not say."""
    try:
        async with (
            asyncio.timeout(SECONDS),
            Client(f"{deployment.url}/api/{service}") as client,
        ):
            told: dict[str, Any] = (await client.get("/ready")).json()
    except (*Gone, ValueError, LookupError):
        return None
    return told if "dependencies" in told else None


def _service(service: str, told: dict[str, Any] | None) -> Finding:
    what = f"service {service}"
    if told is None:
        mend = (
            "Start it; or set ACCORD_URL to where its /ready is, which no gateway for "
        )
        return fail(what, "does not answer", f"{mend}agencies shows.")
    waits = [name for name, each in told["dependencies"].items() if not each["ok"]]
    if waits:
        return fail(
            what, f"not ready: waits for {', '.join(waits)}", "Its log says why."
        )
    return ok(what, "ready")


async def _mail(deployment: Deployment) -> list[Finding]:
    parts = urlsplit(deployment.smtp_url.get_secret_value())
    where = f"{parts.hostname}:{parts.port or 25}"
    try:
        async with asyncio.timeout(SECONDS):
            reader, writer = await asyncio.open_connection(
                parts.hostname, parts.port or 25, ssl=parts.scheme == "smtps" or None
            )
            greeting = await reader.readline()
            writer.close()
    except Gone:
        greeting = b""
    if greeting.startswith(b"220"):
        return [ok("mail", f"{where} greets")]
    return [
        fail(
            "mail",
            f"no greeting from {where}",
            "Start the mail server, or correct ACCORD_SMTP_URL.",
        )
    ]


async def _issuer(deployment: Deployment) -> list[Finding]:
    try:
        keys = await asyncio.to_thread(_keys, deployment.jwks_url)
    except (OSError, ValueError, KeyError, httpx2.HTTPError) as fault:
        told = f"no keys to be had ({type(fault).__name__})"
        return [fail("issuer", told, "Correct ACCORD_JWKS_URL.")]
    if not keys:
        told = f"no key for any of {', '.join(ALGORITHMS)}"
        return [fail("issuer", told, "Have the provider add one.")]
    told = f"{len(keys)} signing keys"
    if deployment.issuer == DEVELOPMENT_ISSUER:
        return [ok("issuer", f"{told}, of a development issuer")]
    return [ok("issuer", told)]


def _keys(url: str) -> list[dict[str, Any]]:
    """Fetch the provider's keys, and give those that may sign for us."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        text = Path(parts.path).read_bytes()
    else:
        text = httpx2.get(url, timeout=SECONDS).raise_for_status().content
    kinds = {"EC", "RSA", "OKP"}
    return [each for each in json.loads(text)["keys"] if each.get("kty") in kinds]


async def _locality(deployment: Deployment) -> list[Finding]:
    """Have every service read its policy, as it would when it starts."""
    locality = deployment.locality
    wrong = []
    for service in SERVICES:
        try:
            application(service, _harmless(locality))
        except BadConfiguration as fault:
            wrong.append(str(fault))
    if wrong:
        return [
            fail(
                "locality",
                " ".join(wrong),
                "Correct the file: the service refuses to start.",
            )
        ]
    return [ok("locality", f"{locality} has every policy, all valid")]


def _harmless(locality: Path | None) -> dict[str, str]:
    """Give settings with which an application can be made, and nothing be reached."""
    nowhere = "http://127.0.0.1:1"
    return {
        "ACCORD_AMQP_URL": "amqp://127.0.0.1:1/",
        "ACCORD_AUDIT_KEY": "of a service that reads its policy and no more",
        "ACCORD_ISSUER": DEVELOPMENT_ISSUER,
        "ACCORD_JWKS_URL": "file:///nowhere",
        "ACCORD_KMS_PROVIDER": "kmip",
        "ACCORD_LINK_BASE": nowhere,
        "ACCORD_LOCALITY": str(locality),
        "ACCORD_REGION": "nowhere",
        "ACCORD_SERVICE_TOKEN": "none",
        # A locality whose alarms ring: whether they do here is the deployment's.
        "ACCORD_MAIL_FROM": "nobody@localhost",
        "ACCORD_SMTP_URL": "smtps://127.0.0.1:1",
        "ACCORD_STORE_URL": "mongodb://127.0.0.1:1/",
        **{f"ACCORD_{each.upper()}_URL": nowhere for each in SERVICES},
    }
