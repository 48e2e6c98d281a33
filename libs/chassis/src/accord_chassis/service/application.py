"""A service's application: its routes and its edge around its life.

Nothing is served before the wiring has been checked against the catalogue.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, TypeVar

import structlog
from accord_contracts.publish import fingerprint
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from pymongo.errors import ConnectionFailure, ExecutionTimeout
from starlette.types import ASGIApp

from accord_chassis import docs, problems
from accord_chassis.access import authority_for
from accord_chassis.doors import Trust
from accord_chassis.edge import BODY_LIMIT, Edge
from accord_chassis.guard import Guard, NothingUndecided
from accord_chassis.limits import Limits
from accord_chassis.service.life import Service, StandIns
from accord_chassis.settings import ChassisSettings, catalogue_of
from accord_chassis.standing import AskedStandings, allocation_of
from accord_chassis.store import Conflict, StoreRefuses
from accord_chassis.vault import NotYetOpen

log = structlog.get_logger()

P = TypeVar("P")

PASSING = (ConnectionFailure, ExecutionTimeout, Conflict, StoreRefuses, NotYetOpen)
"""What is answered with 503, because it passes: whoever asked tries again soon."""


def create_app(
    settings: ChassisSettings,
    name: str,
    wire: Callable[[Service], None],
    *routers: APIRouter,
    knows_standings: bool = False,
    stand_ins: StandIns | None = None,
) -> FastAPI:
    """Make a service's application.

    Args:
        settings: How the locality runs it.
        name: Which service.
        wire: Says who listens to what; the subscription table.
        routers: What it serves over HTTP, below ``/v1``.
        knows_standings: It knows by itself who works on what; others ask allocation.
        stand_ins: What a test puts in the place of the usual.

    Raises:
        BadConfiguration: What the locality adds to the catalogue is wrong, the service
            cannot ask who works on what, a certificate cannot be read, or the settings
            about certificates do not go together.
    """
    Trust.of(settings).context()
    given = stand_ins or StandIns()
    heard = given.catalogue or catalogue_of(settings.locality)
    standings, allocation = given.standings, None
    if standings is None and not knows_standings:
        allocation = allocation_of(settings)
        standings = AskedStandings(allocation)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        chosen = replace(given, catalogue=heard, standings=standings)
        running = app.state.service = Service(settings, name, chosen)
        if allocation is not None:
            running.at_close(allocation.close)
        try:
            wire(running)
            running.bus.check()
            running.parts[Guard] = running.guard
        except Exception as wrong:
            log.critical(
                "service.not_started",
                service=name,
                fault=type(wrong).__name__,
                # It names types and services only, and an operator must see which.
                reason=str(wrong) if isinstance(wrong, LookupError) else None,
            )
            await running.close()
            raise
        async with running.living():
            yield

    app = _Application(
        title=f"Accord {name}",
        version="0.1.0",
        lifespan=lifespan,
        max_body_size=BODY_LIMIT,
        telemetry={"tracing": False, "metrics": False, "logs": False},
        openapi_url="/openapi.json" if settings.development or settings.docs else None,
        docs_url=None,
        redoc_url=None,
    )
    app.state.name = name
    # Made here, because it takes a moment that no request is to wait for.
    app.state.contracts = fingerprint()
    app.state.tls = settings.tls_terminated or settings.server_cert_file is not None
    app.state.proxies = settings.trusted_proxies
    app.state.authority = authority_for(settings)
    app.state.limits = Limits.of(settings, name)
    app.add_middleware(NothingUndecided)
    if settings.development or settings.docs:
        docs.install(app)
    problems.install(app)
    problems.put_off(app, *PASSING)
    for router in routers:
        app.include_router(router, prefix="/v1")
    app.include_router(_health)
    return app


def part(kind: type[P]) -> Any:  # noqa: ANN401 - FastAPI's marker.
    """Have a route given a store or another part of its service, by type."""

    # Asynchronous, or every request would pay for a thread.
    async def find(request: Request) -> P:
        running: Service = request.app.state.service
        found: P = running.parts[kind]
        return found

    return Depends(find)


class _Application(FastAPI):
    """An application whose edge stands outside of the framework's own answers."""

    def openapi(self) -> dict[str, Any]:
        """Describe the service, with what every route may refuse."""
        if not self.openapi_schema:
            self.openapi_schema = problems.describe(super().openapi())
        return self.openapi_schema

    def build_middleware_stack(self) -> ASGIApp:
        """Put the edge around everything."""
        return Edge(
            super().build_middleware_stack(),
            service=self.state.name,
            tls=self.state.tls,
        )


_health = APIRouter()


@_health.get("/live", include_in_schema=False)
async def live() -> dict[str, str]:
    """Say that the process answers."""
    return {"status": "live"}


@_health.get("/ready", include_in_schema=False)
async def ready(request: Request, response: Response) -> dict[str, Any]:
    """Say whether the service can do its work, what it waits for, what it speaks."""
    running: Service = request.app.state.service
    found = await running.dependencies()
    status = running.status(found)
    response.status_code = 503 if status == "not_ready" else 200
    spoken = request.app.state.contracts
    return {"status": status, "dependencies": found, "contracts": spoken}
