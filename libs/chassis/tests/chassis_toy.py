"""A small service with everything that a service has: ``python -m chassis_toy``.

It keeps things. A thing is made over HTTP and told of; the service hears of it itself
and counts. Things that fall due are counted once more.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import httpx2
import structlog
from accord_chassis import service
from accord_chassis.access import DEVELOPMENT_ISSUER
from accord_chassis.clock import Clock
from accord_chassis.decision import ANYBODY, NOT_OUTREACH, Action, Relation, Resource
from accord_chassis.development.issuer import DevelopmentIssuer
from accord_chassis.guard import Asking, asking
from accord_chassis.service import Service, StandIns, part
from accord_chassis.settings import ChassisSettings
from accord_chassis.store import Store
from accord_chassis.testing import AUDIT_KEY, NOON, KnownStandings, new_id
from accord_chassis.transport import Transport
from accord_contracts.catalogue import Catalogue, Entry
from accord_contracts.message import Id, Lane, Message
from accord_contracts.problem import Refusal
from accord_contracts.risk import ReassessmentDue, RiskChanged, RiskLevel
from chassis_builders import Thing, Things
from fastapi import APIRouter, FastAPI, Security
from pydantic import BaseModel, ConfigDict, SecretStr, StringConstraints

log = structlog.get_logger()

WORKER = new_id()
"""Who asks the toy, and serves the person harmed in every case."""

FORGOTTEN = "Zforgotten"
"""What a route answers that has decided nothing."""

TOY = Catalogue.of(
    [
        # Another hears it too: what a service alone hears never sees the broker.
        Entry(RiskChanged, "toy", ("toy", "other")),
        Entry(ReassessmentDue, "toy", ("toy",)),
    ]
)


class Settings(ChassisSettings):
    """How the toy is run.

    Attributes:
        pause: Seconds that handling a message takes.
        deaf: Do not listen to all that the catalogue says.
    """

    pause: float = 0.0
    deaf: bool = False


class Heard(Store[Thing]):
    """What was heard of, by the thing's id."""

    entity = Thing
    collection = "heard"
    due = "due_at"


class NoSuchThing(Refusal):
    """There is no such thing."""

    status = 404


class MakeThing(BaseModel):
    """A thing to be made."""

    model_config = ConfigDict(extra="forbid")

    id: Id
    quietly: bool = False
    name: Annotated[str, StringConstraints(max_length=20)] = ""
    counts: dict[str, int] = {}


router = APIRouter()

Maker = Annotated[Asking, Security(asking, scopes=["things.make"])]

MAKE_THING = Action("thing.make", (Relation.SCOPE,))
READ_THING = Action(
    "thing.read", (Relation.TEAM,), parts={"count": NOT_OUTREACH, "name": ANYBODY}
)


@router.post("/things", status_code=202)
async def make(
    wanted: MakeThing, maker: Maker, things: Annotated[Things, part(Things)]
) -> None:
    """Make a thing, and tell of it."""
    await maker.permit(MAKE_THING, Resource("thing", wanted.id))
    made = Thing(id=wanted.id, keys=(wanted.id,))
    told = due(made) if wanted.quietly else changed(made)
    await things.save(made, told, lane=Lane.URGENT)


@router.get("/things/{thing_id}")
async def look(
    thing_id: Id, reader: Maker, heard: Annotated[Heard, part(Heard)]
) -> dict[str, int | str]:
    """Say how often a thing was heard of."""
    thing = Resource("thing", thing_id, thing_id)
    await reader.permit(READ_THING, thing, otherwise=NoSuchThing)
    found = await heard.get(thing_id)
    if found is None:
        raise NoSuchThing
    return {"count": found.count}


@router.put("/things/{thing_id}", status_code=202)
async def put(
    thing_id: Id, maker: Maker, things: Annotated[Things, part(Things)]
) -> None:
    """Put a thing where it belongs."""
    await maker.permit(MAKE_THING, Resource("thing", thing_id))
    await things.save(Thing(id=thing_id, keys=(thing_id,)))


@router.get("/forgotten")
async def forget(_: Maker) -> dict[str, str]:
    """Answer without having decided whether to."""
    return {"name": FORGOTTEN}


@router.get("/broken")
async def broken(name: str) -> None:
    """Fail, with what was sent in the fault's text."""
    raise LookupError(name)


def changed(made: Thing) -> RiskChanged:
    """Tell of a thing."""
    return RiskChanged(
        case_id=made.id,
        level=RiskLevel.HIGH,
        previous=RiskLevel.LOW,
        changed_at=NOON,
    )


def due(made: Thing) -> ReassessmentDue:
    """Tell oneself of a thing."""
    return ReassessmentDue(
        case_id=made.id, level=RiskLevel.HIGH, due_at=NOON, late_by=0.0
    )


async def count(message: Message[Any], *, heard: Heard, pause: float) -> None:
    """Count what is heard of a thing."""
    case_id = message.data.case_id
    held = await heard.get(case_id, cause=message) or Thing(id=case_id)
    await asyncio.sleep(pause)
    await heard.save(held.model_copy(update={"count": held.count + 1}), cause=message)
    log.info("thing.counted", case_id=case_id)


async def count_due(due: Thing, *, heard: Heard) -> None:
    """Count a thing that has fallen due; never again."""
    counted = due.model_copy(update={"count": due.count + 1, "due_at": None})
    await heard.save(counted)


def create_app(settings: Settings, stand_ins: StandIns | None = None) -> FastAPI:
    """Make the toy's application."""

    def wire(toy: Service) -> None:
        toy.standings = KnownStandings()
        toy.store(Things)
        heard = toy.store(Heard)
        handle = partial(count, heard=heard, pause=settings.pause)
        toy.on(ReassessmentDue, handle)
        if not settings.deaf:
            toy.on(RiskChanged, handle)
        toy.sweep(heard, partial(count_due, heard=heard))

    given = stand_ins or StandIns()
    own = StandIns(transport=given.transport, clock=given.clock, catalogue=TOY)
    return service.create_app(
        settings, "toy", wire, router, knows_standings=True, stand_ins=own
    )


@dataclass(frozen=True)
class Toy:
    """The toy, alive, and its HTTP."""

    service: Service
    http: httpx2.AsyncClient
    token: str

    async def make(self, thing_id: str, **sent: Any) -> httpx2.Response:
        """Have a thing made."""
        headers = {**self.bearer, **sent.pop("headers", {})}
        body = {"id": thing_id, **sent}
        return await self.http.post("/v1/things", json=body, headers=headers)

    @property
    def bearer(self) -> dict[str, str]:
        """What its maker sends along."""
        return {"Authorization": f"Bearer {self.token}"}

    async def look(self, thing_id: str, **headers: str) -> httpx2.Response:
        """Ask after a thing."""
        sent = {**self.bearer, **headers}
        return await self.http.get(f"/v1/things/{thing_id}", headers=sent)

    async def count(self, thing_id: str) -> int:
        """Say how often a thing was heard of."""
        answer = await self.look(thing_id)
        counted: int = answer.json().get("count", 0)
        return counted

    async def ready(self) -> tuple[int, dict[str, bool]]:
        """Say whether it is ready, and each thing it depends on."""
        answer = await self.http.get("/ready")
        found = answer.json()["dependencies"]
        return answer.status_code, {name: each["ok"] for name, each in found.items()}


def settings_for(
    store_url: str,
    issuer: DevelopmentIssuer,
    *,
    amqp_url: str = "amqp://nobody@127.0.0.1:1/",
    **changed: Any,
) -> Settings:
    """How a test runs the toy, in a database of its own."""
    given: dict[str, Any] = {
        "region": "test",
        "locality": Path("/nowhere"),
        "amqp_url": SecretStr(amqp_url),
        "store_url": SecretStr(store_url),
        "database": f"toy_{uuid4().hex[:16]}",
        "audit_database": f"toy_{uuid4().hex[:16]}_audit",
        "audit_key": SecretStr(AUDIT_KEY),
        "jwks_url": issuer.jwks_url,
        "issuer": DEVELOPMENT_ISSUER,
        "development": True,
        "drain_seconds": 10,
        **changed,
    }
    return Settings(**given)


@asynccontextmanager
async def living(
    settings: Settings,
    issuer: DevelopmentIssuer,
    *,
    transport: Transport | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[Toy]:
    """Have the toy live for a while. It may not have started yet."""
    app = create_app(settings, StandIns(transport=transport, clock=clock))
    over = httpx2.ASGITransport(app, raise_app_exceptions=False)
    token = issuer.token("somebody", "things.make", region="test", worker=WORKER)
    async with (
        httpx2.AsyncClient(transport=over, base_url="http://toy") as http,
        app.router.lifespan_context(app),
    ):
        yield Toy(app.state.service, http, token)


if __name__ == "__main__":
    service.main("toy", Settings, create_app)
