"""The peer: the same graph of deliveries and documents, written plainly on FastStream.

What a good team writes first: an annotated handler a message, an idempotent insert in
a transaction (the message's id into an inbox collection, then the documents), a
publish with confirm, an acknowledgement. The same quorum queues, durable writes, events
and domain rules as Accord's, for weighing risk and for telling who is who, and the same
documents: an entry of the audit log, the docket of the case, and what identifies or
locates people sealed, each part of a referral and each person under a key of their own,
so that each can be destroyed alone; people are found by blind indexes. Notify asks
allocation how a worker stands to a case before it tells them. No chassis, no batching,
no outbox. One process a service:

    python benchmarks/plain.py SERVICE

with ``PLAIN_AMQP_URL``, ``PLAIN_STORE_URL``, ``PLAIN_DATABASE``, ``PLAIN_PORT``,
``PLAIN_LOCALITY`` and ``PLAIN_ALLOCATION_URL``.
"""

import asyncio
import hmac
import json
import logging
import os
import random
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid4, uuid5

import httpx2
import uvicorn
from accord_chassis.settings import policy_of
from accord_contracts import allocation as al
from accord_contracts import notify as no
from accord_contracts import plans as pl
from accord_contracts import referrals as re
from accord_contracts import risk as ri
from accord_contracts.message import Event
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from fastapi import FastAPI
from faststream.rabbit import (
    Channel,
    ExchangeType,
    QueueType,
    RabbitBroker,
    RabbitExchange,
    RabbitMessage,
    RabbitQueue,
)
from pymongo import AsyncMongoClient
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import DuplicateKeyError
from risk.domain.assessment import Assessment
from risk.domain.policy import Policy

PREFETCH = 20
"""Measured best of 1, 10, 20, 50 and 200 for this peer: see the README."""

WORKERS = 200
EVENTS = RabbitExchange("plain.events", type=ExchangeType.TOPIC, durable=True)

broker = RabbitBroker(
    os.environ["PLAIN_AMQP_URL"],
    default_channel=Channel(prefetch_count=PREFETCH, publisher_confirms=True),
    logger=logging.getLogger("plain"),
)
client: AsyncMongoClient[dict[str, Any]] = None  # type: ignore[assignment]

Change = Callable[[AsyncClientSession], Awaitable[list[Event]]]


def db(session: AsyncClientSession) -> Any:
    """The service's database."""
    return session.client[f"{os.environ['PLAIN_DATABASE']}_{sys.argv[1]}"]


def beside(name: str) -> Any:
    """What a database of its own holds: the audit log's entries, or keys."""
    return client[f"{os.environ['PLAIN_DATABASE']}_{name}"].entries


class Seal:
    """Seals a record's parts by AES-GCM, each under a key of its own.

    The keys are wrapped and kept in a document of their own, so that each can be
    destroyed; whoever made or read them keeps them.
    """

    def __init__(self) -> None:
        self._regional = AESGCM(os.urandom(32))
        self._blind = os.urandom(32)
        self._keys: dict[str, dict[str, bytes]] = {}

    async def parts(
        self, record: str, parts: dict[str, Any], session: AsyncClientSession
    ) -> dict[str, bytes]:
        """Seal the parts of a new record, and keep their keys."""
        keys = {each: AESGCM.generate_key(256) for each in parts}
        wrapped = {
            name: self._sealed(self._regional, key) for name, key in keys.items()
        }
        await beside("vault").insert_one(
            {"_id": record, "keys": wrapped}, session=session
        )
        self._keys[record] = keys
        return {
            name: self._sealed(AESGCM(keys[name]), json.dumps(value).encode())
            for name, value in parts.items()
        }

    def again(self, record: str, part: str, value: Any) -> bytes:
        """Seal a part that has changed."""
        key = self._keys[record][part]
        return self._sealed(AESGCM(key), json.dumps(value).encode())

    async def opened(self, record: str, sealed: dict[str, bytes]) -> dict[str, Any]:
        """Open a record's parts."""
        if record not in self._keys:
            held = await beside("vault").find_one({"_id": record})
            wrapped = held["keys"].items()
            self._keys[record] = {n: self._bare(self._regional, k) for n, k in wrapped}
        keys = self._keys[record]
        return {
            name: json.loads(self._bare(AESGCM(keys[name]), value))
            for name, value in sealed.items()
        }

    def blind(self, key: str) -> str:
        """Give what a ``<kind>:<value>`` of a person is found by."""
        kind, _, value = key.partition(":")
        return f"{kind}:{hmac.digest(self._blind, value.encode(), 'sha256').hex()}"

    def id_of(self, kind: str, name: str) -> str:
        """Derive an id as only who has the key can."""
        digest = hmac.digest(self._blind, f"{kind} {name}".encode(), "sha256")
        return str(UUID(bytes=digest[:16], version=5))

    @staticmethod
    def _sealed(by: AESGCM, value: bytes) -> bytes:
        nonce = os.urandom(12)
        return nonce + by.encrypt(nonce, value, None)

    @staticmethod
    def _bare(by: AESGCM, sealed: bytes) -> bytes:
        return by.decrypt(sealed[:12], sealed[12:], None)


seal = Seal()


async def once(message_id: str, change: Change) -> None:
    """Change documents in a transaction, once for each message; then publish."""

    async def transact(session: AsyncClientSession) -> list[Event]:
        await db(session).inbox.insert_one({"_id": message_id}, session=session)
        return await change(session)

    try:
        async with client.start_session() as session:
            events = await session.with_transaction(transact)
    except DuplicateKeyError:
        return
    await asyncio.gather(
        *(publish(each, f"{message_id}.{place}") for place, each in enumerate(events))
    )


async def publish(event: Event, name: str) -> None:
    """Publish with a confirm."""
    await broker.publish(
        event.model_dump_json(),
        exchange=EVENTS,
        routing_key=event.TYPE,
        message_id=str(uuid5(NAMESPACE_URL, name)),
        content_type="application/json",
        mandatory=False,
        persist=True,
    )


def on(event: type[Event]) -> Any:
    """Have a handler called with every event of a type, on a queue of its own."""
    queue = RabbitQueue(
        f"plain.{sys.argv[1]}.{event.TYPE}",
        queue_type=QueueType.QUORUM,
        durable=True,
        routing_key=event.TYPE,
    )

    def add(handle: Callable[[Any], Awaitable[None]]) -> None:
        # The contracts are strict, so they read JSON, not what it was decoded to.
        async def parsed(message: RabbitMessage) -> None:
            await handle(event.model_validate_json(message.body))

        broker.subscriber(queue, EVENTS)(parsed)

    return add


def now() -> datetime:
    """The time."""
    return datetime.now(UTC)


def referrals(app: FastAPI) -> None:  # noqa: PLR0915 - Handlers in a row.
    """Take referrals in, recognise people, open cases, follow the stages."""
    # Only this process has it.
    from referrals.domain import recognition as known_by  # noqa: PLC0415
    from referrals.domain.policy import Policy as Intake  # noqa: PLC0415
    from referrals.domain.telling import DescribedPerson  # noqa: PLC0415
    from referrals.domain.weighing import MatchingPolicy, weigh  # noqa: PLC0415
    from referrals.routes.lines import SubmitReferral  # noqa: PLC0415

    locality = Path(os.environ["PLAIN_LOCALITY"])
    rules = policy_of(Intake, locality, "referrals").recognition
    matching = policy_of(MatchingPolicy, locality, "matching")

    async def person_of(document: dict[str, Any]) -> known_by.Person:
        told = await seal.opened(document["_id"], document["sealed"])
        return known_by.Person.model_validate({**told["person"], "id": document["_id"]})

    @app.post("/v1/referrals", status_code=202)
    async def post(made: SubmitReferral) -> dict[str, str]:
        referral_id = str(uuid5(NAMESPACE_URL, made.reference or ""))
        await beside("audit").insert_one(
            {
                "_id": str(uuid4()),
                "at": now(),
                "action": "referral.submit",
                "resource_id": referral_id,
                "case_id": None,
            }
        )

        document = made.model_dump(mode="json")
        document |= {"_id": referral_id, "received_at": now()}
        people = document.pop("people")
        document["roles"] = [each["role"] for each in people]
        parts = {f"address/{i}": e.pop("contact_points") for i, e in enumerate(people)}
        parts |= {f"person/{place}": each for place, each in enumerate(people)}
        parts |= {each: document.pop(each) for each in ("place", "narrative")}

        async def store(session: AsyncClientSession) -> list[Event]:
            document["sealed"] = await seal.parts(referral_id, parts, session)
            await db(session).referrals.insert_one(document, session=session)
            return [re.ReferralPosted(referral_id=referral_id)]

        await once(f"post-{referral_id}", store)
        return {"referral_id": referral_id}

    @on(re.ReferralPosted)
    async def recognise(told: re.ReferralPosted) -> None:
        async def store(session: AsyncClientSession) -> list[Event]:
            found = await db(session).referrals.find_one(
                {"_id": told.referral_id}, session=session
            )
            parts = await seal.opened(told.referral_id, found["sealed"])
            people = [
                {
                    **parts[f"person/{place}"],
                    "contact_points": parts[f"address/{place}"],
                }
                for place in range(len(found["roles"]))
            ]
            seen = known_by.sightings(
                told.referral_id,
                [DescribedPerson.model_validate(each) for each in people],
                rules,
                blind=seal.blind,
                id_of=seal.id_of,
            )
            known: dict[str, known_by.Person] = {}
            weighed = {}
            for each in seen:
                holder = await db(session).people.find_one(
                    {"keys": {"$in": each.keys}}, session=session
                )
                if holder is not None:
                    one = await person_of(holder)
                    known |= dict.fromkeys(one.keys, one)
                    continue
                near = db(session).people.find(
                    {"blocks": {"$in": each.asks}}, session=session
                )
                alike = [await person_of(one) async for one in near.limit(20)]
                weighed[each.id] = weigh(each, alike, matching.weights)
            who = known_by.recognise(seen, known, now(), weighed)
            for new in who.changed:
                person = new.model_dump(mode="json", exclude={"id"})
                held = next((e for e in known.values() if e.id == new.id), None)
                document = {
                    "keys": new.keys,
                    "blocks": new.blocks,
                    "sealed": {"person": seal.again(new.id, "person", person)}
                    if held
                    else await seal.parts(new.id, {"person": person}, session),
                }
                await db(session).people.replace_one(
                    {"_id": new.id}, document, upsert=True, session=session
                )
            parties = [
                re.Party(person_id=one, role=re.PersonRole(role))
                for one, role in zip(who.ids, found["roles"], strict=True)
            ]
            await db(session).referrals.update_one(
                {"_id": told.referral_id},
                {"$set": {"people_ids": [each.person_id for each in parties]}},
                session=session,
            )
            return [
                re.PeopleRecognised(
                    referral_id=told.referral_id, parties=tuple(parties)
                )
            ]

        await once(f"{told.TYPE}{told.referral_id}", store)

    @on(re.PeopleRecognised)
    async def place(told: re.PeopleRecognised) -> None:
        async def store(session: AsyncClientSession) -> list[Event]:
            pair = "-".join(each.person_id for each in told.parties[:2])
            found = await db(session).cases.find_one({"pairs": pair}, session=session)
            case_id = found["_id"] if found else str(uuid4())
            episode = {"referral_id": told.referral_id, "received_at": now()}
            events: list[Event] = []
            if found:
                await db(session).cases.update_one(
                    {"_id": case_id}, {"$push": {"episodes": episode}}, session=session
                )
            else:
                await db(session).cases.insert_one(
                    {"_id": case_id, "pairs": [pair], "episodes": [episode]},
                    session=session,
                )
                events.append(re.CaseOpened(case_id=case_id, opened_at=now()))
            referral = await db(session).referrals.find_one(
                {"_id": told.referral_id}, session=session
            )
            events.append(
                re.ReferralReceived(
                    case_id=case_id,
                    referral_id=told.referral_id,
                    agency_kind=re.AgencyKind.POLICE,
                    incidents=tuple(map(re.IncidentKind, referral["incidents"])),
                    answers={
                        name: re.Answer(answer)
                        for name, answer in referral["answers"].items()
                    },
                    parties=told.parties,
                    wishes=re.Wishes(),
                    repeat=found is not None,
                    occurred_at=now(),
                    first_referred_at=now(),
                )
            )
            return events

        await once(f"{told.TYPE}{told.referral_id}", store)

    @on(ri.RiskAssessed)
    async def note(told: ri.RiskAssessed) -> None:
        async def store(session: AsyncClientSession) -> list[Event]:
            await db(session).cases.update_one(
                {"_id": told.case_id},
                {"$set": {"level": told.level.value, "assessed_at": told.assessed_at}},
                session=session,
            )
            return []

        await once(f"{told.TYPE}{told.referral_id}", store)


def risk(_: FastAPI) -> None:
    """Weigh risk, by the same rules."""
    policy = policy_of(Policy, Path(os.environ["PLAIN_LOCALITY"]), "risk")

    @on(re.ReferralReceived)
    async def assess(told: re.ReferralReceived) -> None:
        async def store(session: AsyncClientSession) -> list[Event]:
            held = await db(session).assessments.find_one(
                {"_id": told.case_id}, session=session
            )
            known = (
                Assessment.model_validate({**held, "id": held["_id"]})
                if held
                else Assessment.new(told.case_id, told.first_referred_at)
            )
            new = known.weigh(told.answers, frozenset(told.incidents), policy, now())
            document = new.model_dump(mode="json", exclude={"id"})
            await db(session).assessments.replace_one(
                {"_id": told.case_id}, document, upsert=True, session=session
            )
            return [
                ri.RiskAssessed(
                    case_id=told.case_id,
                    referral_id=told.referral_id,
                    level=new.level,
                    previous=new.previous,
                    provisional=new.provisional,
                    reasons=new.reasons,
                    unknowns=new.unknowns,
                    policy_version=policy.version,
                    assessed_at=new.assessed_at,
                    reassess_by=new.reassess_by,
                    first_referred_at=told.first_referred_at,
                )
            ]

        await once(f"{told.TYPE}{told.referral_id}", store)


def allocation(app: FastAPI) -> None:
    """Want the level's role, pick a worker with room, offer; say who may be told."""
    role = al.Role.LEAD_AGENCY_COORDINATOR

    @app.get("/standing")
    async def standing(case_id: str, worker_id: str) -> dict[str, bool]:
        own = client[f"{os.environ['PLAIN_DATABASE']}_allocation"]
        case = await own.staffing.find_one({"_id": case_id})
        worker = await own.workers.find_one({"_id": worker_id})
        await beside("audit").insert_one(
            {
                "_id": str(uuid4()),
                "at": now(),
                "action": "standing.read",
                "resource_id": worker_id,
                "case_id": case_id,
            }
        )
        return {"may_be_told": case is not None and worker is not None}

    @on(re.ReferralReceived)
    async def wishes(told: re.ReferralReceived) -> None:
        await join(told.case_id, told.referral_id, told.TYPE, "wishes")

    @on(ri.RiskAssessed)
    async def assessed(told: ri.RiskAssessed) -> None:
        await join(told.case_id, told.referral_id or "", told.TYPE, "level")

    async def join(case_id: str, referral_id: str, type_: str, fact: str) -> None:
        async def store(session: AsyncClientSession) -> list[Event]:
            await db(session).staffing.update_one(
                {"_id": case_id},
                {"$set": {fact: referral_id}},
                upsert=True,
                session=session,
            )
            both = await db(session).staffing.find_one(
                {"_id": case_id}, session=session
            )
            if "wishes" not in both or "level" not in both:
                return []
            return [
                al.RoleWanted(
                    case_id=case_id,
                    allocation_id=str(uuid5(NAMESPACE_URL, case_id)),
                    role=role,
                    level=ri.RiskLevel.LOW,
                    first_referred_at=now(),
                )
            ]

        await once(f"{type_}{referral_id}", store)

    @on(al.RoleWanted)
    async def offer(told: al.RoleWanted) -> None:
        worker_id = str(uuid5(NAMESPACE_URL, f"w{random.randrange(WORKERS)}"))

        async def store(session: AsyncClientSession) -> list[Event]:
            hold = {"allocation": told.allocation_id, "until": now()}
            await db(session).workers.update_one(
                {"_id": worker_id},
                {"$push": {"holds": hold}, "$inc": {"load": 1}},
                upsert=True,
                session=session,
            )
            await db(session).allocations.insert_one(
                {
                    "_id": told.allocation_id,
                    "case_id": told.case_id,
                    "worker_id": worker_id,
                    "offered_at": now(),
                },
                session=session,
            )
            return [
                al.AllocationOffered(
                    case_id=told.case_id,
                    allocation_id=told.allocation_id,
                    role=role,
                    first_referred_at=told.first_referred_at,
                    worker_id=worker_id,
                    level=told.level,
                    offered_at=now(),
                    answer_by=now() + timedelta(hours=3),
                )
            ]

        await once(f"{told.TYPE}{told.allocation_id}", store)


def plans(_: FastAPI) -> None:
    """Draft a plan."""
    actions = ["safe_contact", "needs", "legal_advice", "children", "review"]

    @on(ri.RiskAssessed)
    async def draft(told: ri.RiskAssessed) -> None:
        async def store(session: AsyncClientSession) -> list[Event]:
            await db(session).plans.insert_one(
                {
                    "_id": told.case_id,
                    "level": told.level.value,
                    "actions": [
                        {"code": each, "due_at": now(), "done_at": None}
                        for each in actions
                    ],
                },
                session=session,
            )
            await db(session).dockets.insert_one(
                {
                    "_id": told.case_id,
                    "level": told.level.value,
                    "wanted_from": now(),
                    "open": True,
                },
                session=session,
            )
            return [
                pl.PlanDrafted(
                    case_id=told.case_id,
                    plan_version=1,
                    referral_id=told.referral_id,
                    level=told.level,
                    actions=len(actions),
                    drafted_at=now(),
                )
            ]

        await once(f"{told.TYPE}{told.referral_id}", store)


def notify(_: FastAPI) -> None:
    """Put the offer into the worker's inbox."""
    directory = httpx2.AsyncClient(base_url=os.environ["PLAIN_ALLOCATION_URL"])

    @on(al.AllocationOffered)
    async def tell(told: al.AllocationOffered) -> None:
        notification_id = str(uuid5(NAMESPACE_URL, f"n{told.allocation_id}"))
        asked = await directory.get(
            "/standing",
            params={"case_id": told.case_id, "worker_id": told.worker_id},
        )
        if not asked.raise_for_status().json()["may_be_told"]:
            return

        async def store(session: AsyncClientSession) -> list[Event]:
            await db(session).notifications.insert_one(
                {
                    "_id": notification_id,
                    "worker_id": told.worker_id,
                    "case_id": told.case_id,
                    "created_at": now(),
                },
                session=session,
            )
            return [
                no.NotificationSent(
                    case_id=told.case_id,
                    notification_id=notification_id,
                    worker_id=told.worker_id,
                    template="allocation_offered",
                    channel=no.Channel.INBOX,
                    sent_at=now(),
                )
            ]

        await once(f"{told.TYPE}{told.allocation_id}", store)

    @on(pl.PlanDrafted)
    async def team(told: pl.PlanDrafted) -> None:
        async def store(session: AsyncClientSession) -> list[Event]:
            await db(session).teams.find_one({"_id": told.case_id}, session=session)
            return []

        await once(f"{told.TYPE}{told.referral_id}", store)


INDEXES = {
    "referrals": [
        ("people", "keys"),
        ("people", "blocks"),
        ("cases", "pairs"),
        ("cases", "episodes.id"),
    ],
    "plans": [("dockets", "wanted_from"), ("dockets", "level")],
    "notify": [("notifications", "worker_id")],
}
SERVICES = {
    each.__name__: each for each in (referrals, risk, allocation, plans, notify)
}


def create_app(name: str) -> FastAPI:
    """Make one service's application."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        global client  # noqa: PLW0603 - The peer is a script.
        client = AsyncMongoClient(
            os.environ["PLAIN_STORE_URL"], w="majority", journal=True, tz_aware=True
        )
        database = client[f"{os.environ['PLAIN_DATABASE']}_{name}"]
        for collection, field in INDEXES.get(name, []):
            await database[collection].create_index(field)
        for field in ("case_id", "at"):
            await beside("audit").create_index(field)
        await broker.start()
        yield
        await broker.stop()
        await client.close()

    app = FastAPI(
        lifespan=lifespan, telemetry={"tracing": False, "metrics": False, "logs": False}
    )
    SERVICES[name](app)

    @app.get("/ready")
    async def ready() -> dict[str, str]:
        return {"status": "ready"}

    return app


if __name__ == "__main__":
    uvicorn.run(
        create_app(sys.argv[1]),
        host="127.0.0.1",
        port=int(os.environ["PLAIN_PORT"]),
        loop="uvloop",
        log_level="warning",
        access_log=False,
    )
