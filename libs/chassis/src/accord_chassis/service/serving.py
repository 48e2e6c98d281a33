"""A service's process: from the environment until it is told to stop."""

import contextlib
import gc
import socket
import sys
from collections.abc import Callable
from typing import TypeVar

import uvicorn
from fastapi import FastAPI

from accord_chassis import telemetry
from accord_chassis.doors import Shown
from accord_chassis.protocol import BoundedProtocol
from accord_chassis.service.life import REQUESTS_SHARE, Service
from accord_chassis.service.production import check_production
from accord_chassis.settings import BadConfiguration, ChassisSettings, settings_of

NOT_STARTED = 3
"""What a process ends with that never served, as uvicorn's own does."""

C = TypeVar("C", bound=ChassisSettings)


def main(
    name: str,
    kind: type[C],
    make: Callable[[C], FastAPI],
) -> None:
    """Serve a service from the environment; the whole of its ``__main__``."""
    try:
        settings = settings_of(kind)
        run(make(settings), settings, name)
    except BadConfiguration as wrong:
        sys.exit(str(wrong))


def spare_the_collector() -> None:
    """Have Python look for cyclic garbage less often.

    A busy service makes thousands of short-lived objects for each that stays, and
    those that stay need not be looked through again and again: in a replay of the
    pilot that took a fifth of the time (measured).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def run(app: FastAPI, settings: ChassisSettings, name: str) -> None:
    """Serve a service until it is told to stop.

    Raises:
        BadConfiguration: It is not fit for production and not said to be development.
    """
    if not settings.development:
        check_production(settings)
    shown = Shown.of(settings)
    telemetry.configure(
        name, settings.region, settings.log_level, settings.otlp_endpoint
    )
    spare_the_collector()
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        root_path=settings.root_path,
        loop="uvloop",
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=False,
        http=BoundedProtocol,
        ws="none",
        # Whose peer may tell of certificates is decided by where it really is, not by
        # what a header says of that.
        proxy_headers=False,
        ssl_context_factory=shown.context if shown else None,
        timeout_graceful_shutdown=max(1, int(settings.drain_seconds * REQUESTS_SHARE)),
    )
    server = _Server(config, app)
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(NOT_STARTED)


class _Server(uvicorn.Server):
    """A server that says first that it ends, then waits for requests in hand."""

    def __init__(self, config: uvicorn.Config, app: FastAPI) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End, and have answers end first that would go on for ever."""
        running: Service | None = getattr(self._app.state, "service", None)
        if running:
            running.ending.set()
        await super().shutdown(sockets)
