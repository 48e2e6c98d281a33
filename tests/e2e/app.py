"""A whole platform that runs: its people, its bus, its stores, and when it rests."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from itertools import count
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from accord.actors import Actors, Signed
from accord.client import Client
from accord.deployment import Deployment
from accord.mail import Mailbox
from accord.surroundings import AUDIT, Surroundings
from accord.world import AGENCIES, World
from accord_chassis import testing
from accord_chassis.access import DEVELOPMENT_ISSUER
from accord_chassis.clock import Clock
from accord_chassis.topology import OPERATOR, parked_of, queues
from accord_contracts.catalogue import CATALOGUE
from people import SUPPORT, Coordinator, Look, ReferringAgency, Somebody, Told, Worker
from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from wiretap import WAITING, Heard, Wiretap, held

SERVICES = CATALOGUE.services

LOCALITY = Path(__file__).parents[2] / "localities" / "canterbury"

Document = dict[str, Any]

Route = tuple[str, str, str]
"""A service, a method and a path with its pattern."""

R = TypeVar("R")

WITHIN = 60.0
"""Seconds in which anything comes to be seen, on a machine busy with other things."""

Report = Callable[[str], None]
"""Has a figure told at the end of the run."""


async def eventually(look: Callable[[], Awaitable[R]], *, within: float = WITHIN) -> R:
    """Look again until what is seen is true, and give it."""
    return await testing.eventually(look, within=within)


async def help_until_closed(coordinator: Coordinator, case: str) -> None:
    """Have everything done for a case at low risk, and its plan closed by the proof.

    That is a case without children: a reassessment face to face is enough for it.
    """
    asked = (await eventually(coordinator.finds_asked(case, SUPPORT)))[SUPPORT]
    await asked.accepts()
    assert (await asked.worker.reassesses(case)).ok
    # The plan rests on what was found, or it would open again when it hears of it.
    await eventually(coordinator.region.is_quiet)
    await coordinator.agrees(await eventually(coordinator.reads_plan(case)))
    for action in await eventually(asked.worker.owes(case)):
        assert (await asked.worker.does(action)).ok
    assert (await coordinator.closes(case)).ok


class Region:
    """A whole platform that runs, and everybody who uses it.

    Args:
        surroundings: What its services were told of the world.
        url: Where they are.
        mail: Where their e-mail arrives.
        bus: Hears what they publish.
        store: A connection that may read all their databases.
        clock: Tells their time.
    """

    def __init__(
        self,
        surroundings: Surroundings,
        url: str,
        *,
        mail: Mailbox,
        bus: Wiretap,
        store: AsyncMongoClient[Document],
        clock: Clock,
    ) -> None:
        self.surroundings = surroundings
        self.url = url
        self.mail = mail
        self.bus = bus
        self.clock = clock
        self.world = World(surroundings.locality, uuid4().int)
        signed = Signed(
            surroundings.issuer, region=surroundings.region, world=self.world
        )
        self.actors = Actors(url, signed, world=self.world)
        self.store = store
        self._numbers = count(1)
        self._prefix = uuid4().hex[:8]
        self._people: dict[str, Somebody] = {}

    @property
    def broker(self) -> str:
        """Its virtual host, as the operator reaches it."""
        return self.surroundings.amqp_url_of(OPERATOR)

    @property
    def administrator(self) -> str:
        """Its virtual host, as somebody who may do everything there."""
        return f"{self.surroundings.amqp_url.rstrip('/')}/{self.surroundings.vhost}"

    @property
    def deployment(self) -> Deployment:
        """The region as its operator knows it."""
        return Deployment(
            region=self.surroundings.region,
            vhost=self.surroundings.vhost,
            locality=self.surroundings.locality,
            management_url=self.surroundings.management_url,
            amqp_url=self.broker,
            store_url=self.surroundings.store_url,
            audit_database=self.surroundings.database_of(AUDIT),
            audit_key=self.surroundings.audit_key,
            jwks_url=self.surroundings.issuer.jwks_url,
            issuer=DEVELOPMENT_ISSUER,
            operator_token=self.operator_token("operator"),
        )

    def operator_token(self, who: str) -> str:
        """Sign the token of somebody who operates, and may read who looked at what."""
        return self.surroundings.issuer.token(
            who,
            region=self.surroundings.region,
            roles=["operator", "auditor"],
            auth_time=int(time.time()),
        )

    def agency(self, code: str = "police") -> ReferringAgency:
        """Give an agency that refers."""
        found = self._people.get(code)
        if found is None:
            agency = next(each for each in AGENCIES if each.code == code)
            found = self._people[code] = ReferringAgency(self, agency)
        assert isinstance(found, ReferringAgency)
        return found

    def worker(self, worker_id: str) -> Worker:
        """Give a worker of the invented staff."""
        found = self._people.get(worker_id)
        if found is None:
            found = self._people[worker_id] = Worker(self, worker_id)
        assert isinstance(found, Worker)
        return found

    @property
    def coordinator(self) -> Coordinator:
        """Give the coordinator on duty."""
        found = self._people.get("coordinator")
        if found is None:
            found = Coordinator(self, self.actors.coordinator.id)
            self._people["coordinator"] = found
        assert isinstance(found, Coordinator)
        return found

    def referral(
        self,
        *,
        yes: Iterable[str] = (),
        incidents: Iterable[str] = ("verbal_abuse",),
        **told: Any,
    ) -> Told:
        """Make a referral of a household nobody knows: harmless but for what is named.

        Args:
            yes: The questions about risk that are answered so; all others with no.
            incidents: What happened.
            told: Whatever else is to be told otherwise.
        """
        reference = f"{self._prefix}-{next(self._numbers)}"
        made = self.world.referral(reference, self.clock.now())
        made["answers"] = {
            **dict.fromkeys(self.world.questions, "no"),
            **dict.fromkeys(yes, "yes"),
        }
        made["people"] = [_older(each) for each in made["people"]]
        return {**made, "incidents": list(incidents), **told}

    def calm_referral(self, **told: Any) -> Told:
        """Make a referral of a household without children, at low risk."""
        made = self.referral(**told)
        grown = [each for each in made["people"] if each["role"] != "child"]
        return {**made, "people": grown}

    def grave_referral(self, **told: Any) -> Told:
        """Make a referral that must be held to be of high risk."""
        grave = ("threat_to_kill", "escalation")
        return self.referral(yes=grave, incidents=("threats_of_harm",), **told)

    def database(self, service: str) -> AsyncDatabase[Document]:
        """Give a service's own database, to be looked into."""
        return self.store[self.surroundings.database_of(service)]

    async def documents(self) -> dict[str, list[Document]]:
        """Give everything that is stored, by service and collection."""
        found = {}
        for service in SERVICES:
            database = self.database(service)
            for name in sorted(await database.list_collection_names()):
                documents = database[name].find().sort("_id", 1)
                found[f"{service}.{name}"] = [each async for each in documents]
        return found

    async def audited(self) -> list[Document]:
        """Give what the audit log says of referrals that were posted."""
        entries = self.store[self.surroundings.database_of(AUDIT)]["entries"]
        return await entries.find({"action": "referral.submit"}).to_list()

    def case_of(self, referral: str) -> Look:
        """Look for the case that a referral has found."""
        cases = self.database("referrals")["cases"]

        async def look() -> str | None:
            found = await cases.find_one({"episodes.referral_id": referral})
            return found["_id"] if found else None

        return look

    def has_reached(self, stage: str, referral: str) -> Look:
        """Look whether the response has come so far; its agency is told hours later."""
        cases = self.database("referrals")["cases"]
        reached = {"referral_id": referral, f"{stage}_at": {"$ne": None}}

        async def look() -> dict[str, Any] | None:
            found = await cases.find_one({"episodes": {"$elemMatch": reached}})
            episodes = found["episodes"] if found else ()
            return next((e for e in episodes if e["referral_id"] == referral), None)

        return look

    def hears(self, type_: str, **fields: object) -> Look:
        """Look for an event that says this."""

        async def look() -> Heard | None:
            found = self.bus.all(type_, **fields)
            return found[0] if found else None

        return look

    async def is_quiet(self) -> bool:
        """Tell whether nothing is under way anywhere."""
        return not await self.unrest()

    async def unrest(self) -> list[str]:
        """Say what is under way: none, if two looks find nothing and nothing between.

        Each look goes the way of a message: from queue to hand to outbox.
        """
        before = len(self.bus.heard)
        found = await self._look() or await self._look()
        told = len(self.bus.heard) - before
        return found or [f"{told} events"] * bool(told)

    async def _look(self) -> list[str]:
        queues_ = await held(self.administrator, WAITING)
        ready = await asyncio.gather(*map(self.ready, SERVICES))
        counts = {
            **queues_,
            **{
                f"{service} in hand": each["consumer"]["in_hand"]
                for service, each in zip(SERVICES, ready, strict=True)
            },
            **{
                f"{service} to publish": each["outbox"]["pending"]
                for service, each in zip(SERVICES, ready, strict=True)
            },
            "outboxes": await self.count({"outbox.0": {"$exists": True}}),
            "due": await self.count({"due_at": {"$lte": self.clock.now()}}),
            "to wake": await self.count({"wakes_at": {"$lte": self.clock.now()}}),
            # An e-mail is on its way to where nobody can see it.
            "mails": await self.count({"told.mail.state": "claimed"}),
        }
        return [f"{what}: {number}" for what, number in counts.items() if number]

    async def routes(self) -> set[Route]:
        """Give every route that the services themselves describe."""
        found = set()
        for service in SERVICES:
            answer = await self.coordinator.reads(f"/api/{service}/openapi.json")
            for path, methods in answer.json()["paths"].items():
                found |= {(service, method.upper(), path) for method in methods}
        return found

    async def ready(self, service: str) -> dict[str, dict[str, Any]]:
        """Give what a service says of itself and of what it depends on."""
        async with Client(f"{self.url}/api/{service}") as client:
            told = (await client.get("/ready")).json()
        found: dict[str, dict[str, Any]] = told["dependencies"]
        return found

    async def count(self, query: Document) -> int:
        """Count the documents of all services of which something is true."""
        counts = []
        for service in SERVICES:
            database = self.database(service)
            counts += [
                await database[name].count_documents(query)
                for name in await database.list_collection_names()
            ]
        return sum(counts)

    async def parked(self) -> dict[str, int]:
        """Count what is parked, by queue; only those in which something is."""
        return await held(self.administrator, map(parked_of, queues(CATALOGUE)))

    def close(self) -> None:
        """Hang up."""
        self.actors.close()
        for each in self._people.values():
            each.hang_up()


def _older(person: Told) -> Told:
    """Give a child an age at which it is no young one, who would raise the level."""
    born = person.get("date_of_birth")
    if person["role"] != "child" or not born:
        return person
    return {**person, "date_of_birth": f"2016{born[4:]}"}
