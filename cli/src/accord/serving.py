"""Serving an application on a socket, inside a program that does more than that."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn
from accord_chassis.development.process import LOOPBACK
from accord_chassis.protocol import BoundedProtocol
from starlette.types import ASGIApp

from accord.client import Client, Gone
from accord.faults import CannotGoOn

GRACE_SECONDS = 5

READY_SECONDS = 60.0

LAST_PORT = 65_535


class _Server(uvicorn.Server):
    """A server that leaves the signals to the program around it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(app: ASGIApp, listening: socket.socket) -> AsyncIterator[None]:
    """Serve an application while the block runs.

    Its lifespan is not run: whoever made the application sees to that.
    """
    server = _Server(
        uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            http=BoundedProtocol,
            ws="none",
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    )
    task = asyncio.create_task(server.serve(sockets=[listening]), name="http")
    try:
        yield
    finally:
        server.should_exit = True
        await task


def listen(port: int | None, *, first: int = 8000) -> socket.socket:
    """Take a port of the loopback interface.

    Args:
        port: Exactly this one, or none: the first free one.
        first: Where to begin to look.

    Raises:
        CannotGoOn: It is taken.
    """
    for number in [port] if port else range(first, LAST_PORT):
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((LOOPBACK, number))
            # Bound is not enough: another could bind too, and listen first.
            listening.listen(2048)
        except OSError:
            listening.close()
        else:
            return listening
    raise CannotGoOn(
        f"Port {port} is taken.", mend="Leave --port out, or name a free one."
    )


async def until_ready(url: str, *, what: str, within: float = READY_SECONDS) -> None:
    """Wait until a service says that it is ready.

    Raises:
        CannotGoOn: It does not, in time.
    """
    told = "it does not answer"
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within), Client(url) as client:
            while True:
                with contextlib.suppress(*Gone):
                    answer = await client.get("/ready")
                    if answer.json()["status"] == "ready":
                        return
                    told = _lacking(answer.json())
                await asyncio.sleep(0.05)
    raise CannotGoOn(
        f"The service {what} was not ready within {within:.0f} s: {told}.",
        mend="Its log says why.",
    )


def _lacking(told: Mapping[str, Any]) -> str:
    # While the store is busy it may be a problem, which names no dependency.
    found = told.get("dependencies", {})
    waits = [name for name, each in found.items() if not each["ok"]]
    return f"it waits for {', '.join(waits)}" if waits else "it cannot look yet"
