"""The services in one process, behind one port: ``/api/<service>/v1/…``, and a page."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import structlog
from accord_chassis.problems import http_response
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from accord.gateway import LINKS, NOTIFY


def together(apps: Mapping[str, FastAPI]) -> Starlette:
    """Make one application of several services."""
    routes: list[BaseRoute] = [
        Mount(f"/api/{name}", _Named(app, name)) for name, app in apps.items()
    ]
    if page := apps.get(NOTIFY):
        routes.append(Route(LINKS, _Named(page, NOTIFY)))
    return Starlette(routes=routes, exception_handlers={HTTPException: _problem})


async def _problem(_: Request, raised: Exception) -> Response:
    """Answer what is no service's as services answer."""
    status = raised.status_code if isinstance(raised, HTTPException) else 500
    return http_response(status)


@asynccontextmanager
async def living(apps: Mapping[str, FastAPI]) -> AsyncIterator[None]:
    """Have every service live while the block runs; all drain at once in the end."""
    lives = [_Life(name, app) for name, app in apps.items()]
    try:
        await asyncio.gather(*(each.started() for each in lives))
        yield
    finally:
        await asyncio.gather(*(each.end() for each in lives))


async def died(apps: Mapping[str, FastAPI]) -> list[str]:
    """Name the services that have stopped living, though nobody told them to."""
    told = {name: await app.state.service.dependencies() for name, app in apps.items()}
    return [name for name, each in told.items() if not each["consumer"]["ok"]]


class _Life:
    """One service's lifespan in a task of its own, whose log lines bear its name."""

    def __init__(self, name: str, app: FastAPI) -> None:
        self._app = app
        self._started = asyncio.Event()
        self._to_end = asyncio.Event()
        with structlog.contextvars.bound_contextvars(service=name):
            # What a task starts inherits the name with the task's context.
            self._task = asyncio.create_task(self._live(), name=name)

    async def _live(self) -> None:
        async with self._app.router.lifespan_context(self._app):
            self._started.set()
            await self._to_end.wait()

    async def started(self) -> None:
        """Wait until it has begun, or raise why it could not."""
        begun = asyncio.create_task(self._started.wait())
        await asyncio.wait({begun, self._task}, return_when=asyncio.FIRST_COMPLETED)
        begun.cancel()
        if self._task.done():
            self._task.result()

    async def end(self) -> None:
        """Let it drain and end."""
        self._to_end.set()
        await asyncio.gather(self._task, return_exceptions=True)


class _Named:
    """Has the log lines of a request bear the name of the service that answers."""

    def __init__(self, app: ASGIApp, name: str) -> None:
        self._app = app
        self._name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with structlog.contextvars.bound_contextvars(service=self._name):
            await self._app(scope, receive, send)
