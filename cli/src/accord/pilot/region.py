"""A site of the pilot as it runs: its services in this process, under its own clock.

What people do goes to the services' HTTP routes, in process, without a socket between:
that costs the same processor time as a bare client on loopback, or half of that of an
HTTP library. The events and the documents go over the real broker and the real store.
"""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import yaml
from accord_chassis.bus import Activity
from accord_chassis.clock import SimulatedClock
from accord_chassis.development.backing import Backing
from accord_chassis.development.issuer import DevelopmentIssuer
from accord_chassis.development.process import LOOPBACK
from accord_chassis.problems import AGAIN_SECONDS
from accord_chassis.service import Service, StandIns
from fastapi import FastAPI
from pymongo import MongoClient
from pymongo.errors import PyMongoError
from starlette.types import Message, Scope

from accord.client import Answer
from accord.faults import CannotGoOn
from accord.management import Management
from accord.pilot import assumptions
from accord.pilot.published import Site
from accord.pilot.watch import Watch
from accord.serving import listen, serving
from accord.surroundings import AUDIT, SERVICES, Surroundings, application, prepare
from accord.together import died, living, together
from accord.where import locality_at

HURRY = 100
"""Divides the real waiting times of retries, while the simulated time stands still."""

FIRST_PORT = 8100
"""Not 8000, which a demonstration would like to have."""

LOOK_SECONDS = 0.003
"""Between two looks whether all is quiet."""

PATIENCE = 60.0
"""Real seconds in which something must get further, until all is quiet; and in which a
service must have what it says is away."""

LOGS = "The logs in .accord/pilot/logs say why."

ROOT = bytes(32)
"""Under which ids are derived: lots are drawn by them, and nobody here is real."""

TOKEN_SECONDS = 24 * 3600.0


class Region:
    """A site's services, and the time in which they live.

    Args:
        site: Which.
        surroundings: What the services are told of the world.
        apps: The services, by name; alive.
        clock: The one that all of them take the time from.
        watch: Sees what they tell.
    """

    def __init__(
        self,
        site: Site,
        surroundings: Surroundings,
        apps: Mapping[str, FastAPI],
        clock: SimulatedClock,
        watch: Watch,
    ) -> None:
        self.site = site
        self.watch = watch
        self._surroundings = surroundings
        self._apps = apps
        self._clock = clock
        self.services: dict[str, Service] = {
            name: app.state.service for name, app in apps.items()
        }

    @property
    def now(self) -> datetime:
        """The simulated time."""
        return self._clock.now()

    def token(self, subject: str, *scopes: str, **claims: str) -> str:
        """Sign a token for somebody of this region."""
        return self._surroundings.issuer.token(
            subject,
            *scopes,
            region=self._surroundings.region,
            lifetime=TOKEN_SECONDS,
            **claims,
        )

    async def ask(
        self,
        token: str,
        method: str,
        path: str,
        document: object = None,
        *,
        expected: tuple[int, ...] = (),
    ) -> Answer:
        """Ask a service something over HTTP, again after a while if it is away.

        Args:
            token: Who asks.
            method: As HTTP has it.
            path: ``/<service>/v1/…``
            document: What is sent, if anything is.
            expected: Refusals that may come, by status.

        Raises:
            CannotGoOn: It was refused otherwise.
        """
        service, _, rest = path.removeprefix("/").partition("/")
        until = asyncio.get_running_loop().time() + PATIENCE
        while True:
            answer = await _exchange(
                self._apps[service], token, method, f"/{rest}", document
            )
            late = asyncio.get_running_loop().time() > until
            if late or answer.status != HTTPStatus.SERVICE_UNAVAILABLE:
                break
            await asyncio.sleep(AGAIN_SECONDS)
        if answer.ok or answer.status in expected:
            return answer
        raise CannotGoOn(f"{method} {_without_ids(path)} is answered {_why(answer)}.")

    async def move_to(self, at: datetime) -> None:
        """Let the time pass, and act on what falls due."""
        self._clock.advance(at - self.now)
        while any(await asyncio.gather(*map(_sweep, self.services.values()))):
            pass

    async def quiet(self) -> None:
        """Wait until everything that was told is heard, and nothing is in hand.

        Raises:
            CannotGoOn: Something gets no further.
        """
        loop = asyncio.get_running_loop()
        last, since = None, loop.time()
        while (left := self._left()) != (0, 0, ()):
            if left != last:
                last, since = left, loop.time()
            elif loop.time() - since > PATIENCE:
                raise CannotGoOn(
                    f"{self.site.name}: {left[0]} messages are not handled, {left[1]} "
                    f"not seen; busy: {', '.join(left[2]) or 'nobody'}.",
                    mend=LOGS,
                )
            await asyncio.sleep(LOOK_SECONDS)
        self.watch.check()

    def _left(self) -> tuple[int, int, tuple[str, ...]]:
        """Count what is not handled yet, what is not seen yet, and who is at work."""
        services = self.services.values()
        told = sum(each.relay.deliveries for each in services)
        again = sum(each.retried for each in self.activities)
        done = sum(each.done for each in self.activities)
        published = sum(self.watch.watched(each.relay.published) for each in services)
        busy = tuple(each.name for each in services if not each.idle())
        return told + again - done, published - self.watch.seen, busy

    async def people_known(self) -> int:
        """Count the people whom referrals has recognised: it has no route for that."""
        documents = self.services["referrals"].database.documents
        return await documents["people"].count_documents({})

    @property
    def activities(self) -> list[Activity]:
        """What each service has done with messages."""
        return [each.bus.activity for each in self.services.values()]


@asynccontextmanager
async def opened(site: Site, found: Backing, here: Path) -> AsyncIterator[Region]:
    """Start a site's services on nothing, and leave nothing behind.

    Args:
        site: Which.
        found: The broker and the store.
        here: Keeps the passwords of the broker's users, which all its virtual hosts
            have in common.
    """
    surroundings = await asyncio.to_thread(_prepared, site, found, here)
    clock = SimulatedClock(site.starts)
    try:
        with closing(listen(None, first=FIRST_PORT)) as listening:
            port: int = listening.getsockname()[1]
            stand_ins = StandIns(clock=clock, root=ROOT)
            apps = _applications(surroundings, port, stand_ins)
            async with (
                living(apps),
                serving(together(apps), listening),
                Watch(surroundings) as watch,
            ):
                try:
                    yield Region(site, surroundings, apps, clock, watch)
                except asyncio.CancelledError:
                    # A service that dies ends its process by the signal that ends ours.
                    if dead := await died(apps):
                        raise CannotGoOn(
                            f"{site.name}: the service {' and '.join(dead)} died.",
                            mend=LOGS,
                        ) from None
                    raise
    finally:
        await asyncio.to_thread(_clear, site, found)


def _prepared(site: Site, found: Backing, here: Path) -> Surroundings:
    # What an earlier run left when it was killed would be counted.
    _clear(site, found)
    folder = here / "pilot" / site.locality
    surroundings = prepare(
        found,
        region=site.locality,
        locality=_as_then(locality_at(None, site.locality), folder / "locality"),
        folder=here,
        vhost=_vhost(site),
        issuer=DevelopmentIssuer(folder / "issuer"),
        suffix=_suffix(site),
        hurry=HURRY,
    )
    # The services of the other region ask under tokens of their own.
    return replace(surroundings, folder=folder)


def _as_then(locality: Path, copy: Path) -> Path:
    """Give a locality that ends a response without a proof, as the pilot did."""
    shutil.copytree(locality, copy, dirs_exist_ok=True)
    plans = yaml.safe_load((locality / "plans.yaml").read_bytes())
    plans["unproved_reasons"] = [assumptions.CLOSED_FOR]
    (copy / "plans.yaml").write_text(yaml.safe_dump(plans, allow_unicode=True))
    return copy


def _vhost(site: Site) -> str:
    return f"{site.locality}-pilot"


async def _sweep(service: Service) -> int:
    """Have a service act on what is due; again, as by itself, if its store is late.

    Raises:
        PyMongoError: The store stays away.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + PATIENCE
    while True:
        try:
            return await service.sweep_in_time()
        except PyMongoError:
            if loop.time() > until:
                raise
            await asyncio.sleep(AGAIN_SECONDS)


def _suffix(site: Site) -> str:
    """Give how the names of a site's databases end."""
    return f"_{site.locality}_pilot"


def _clear(site: Site, found: Backing) -> None:
    """Delete a site's virtual host and databases."""
    with Management(found.management_url) as management:
        management.delete("vhosts", _vhost(site))
    with MongoClient[dict[str, Any]](found.store_url) as client:
        for name in (*SERVICES, AUDIT, "vault"):
            client.drop_database(f"{name}{_suffix(site)}")


def _applications(
    surroundings: Surroundings, port: int, stand_ins: StandIns
) -> dict[str, FastAPI]:
    addresses = {name: f"http://{LOOPBACK}:{port}/api/{name}" for name in SERVICES}
    # All of them share one loop, on which an answer takes its time: without one in time
    # a sweep would be put off by real seconds, which are simulated hours.
    patient = {"ACCORD_ANSWER_SECONDS": str(PATIENCE)}
    return {
        name: application(
            name,
            surroundings.environment(name, port=port, addresses=addresses) | patient,
            stand_ins,
        )
        for name in SERVICES
    }


async def _exchange(
    app: FastAPI, token: str, method: str, path: str, document: object
) -> Answer:
    """Hand a request to an application as a server would, and take its answer."""
    body = b"" if document is None else json.dumps(document).encode()
    path, _, query = path.partition("?")
    status, parts = 0, list[bytes]()

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        else:
            parts.append(message.get("body", b""))

    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [
            (b"authorization", f"Bearer {token}".encode()),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ],
        "client": (LOOPBACK, 0),
        "server": (LOOPBACK, 80),
    }
    await app(scope, receive, send)
    return Answer(status, {}, b"".join(parts))


def _without_ids(path: str) -> str:
    return "/".join(
        "{id}" if each.count("-") == 4 else each  # noqa: PLR2004 - As a UUID has.
        for each in path.partition("?")[0].split("/")
    )


def _why(answer: Answer) -> str:
    """Give the problem's title and the rules that were broken; it holds no values."""
    try:
        told = answer.json()
        rules = [f"{e['pointer']} {e['rule']}" for e in told.get("errors", ())]
        return "; ".join([f"{answer.status} {told['title']}", *rules])
    except (ValueError, LookupError, TypeError):
        return f"{answer.status}"
