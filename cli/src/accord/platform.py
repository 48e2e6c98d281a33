"""The services as processes of their own, to be started, stopped and killed.

For ``accord demo --processes``, for end-to-end tests and for benchmarks::

    surroundings = prepare(backing, region="test", locality=..., folder=folder)
    async with Platform(surroundings, folder) as platform:
        await platform.start()
        await platform["risk"].kill()
        await platform["risk"].start()

None of them outlives the process that started it, however that ends.
"""

import asyncio
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from accord_chassis.development.process import (
    LOOPBACK,
    Process,
    Unavailable,
    free_ports,
    locked,
)

from accord.catalogue import SERVICES
from accord.faults import CannotGoOn
from accord.serving import READY_SECONDS, until_ready
from accord.surroundings import PREFIX, Surroundings

STOP_SECONDS = 30.0
"""A service drains within 25."""

LOCK_SECONDS = 5.0


class ServiceProcess:
    """One service as a process: the same address each time it is started.

    Args:
        name: Which service.
        folder: Where it runs and writes its log.
        port: Where it serves.
        environment: Its settings, as variables.
    """

    def __init__(
        self, name: str, folder: Path, *, port: int, environment: Mapping[str, str]
    ) -> None:
        self.name = name
        self.folder = folder.absolute()
        self.url = f"http://{LOOPBACK}:{port}"
        self.environment = dict(environment)
        self._process = Process(name, self.folder)

    @property
    def pid(self) -> int:
        """The process id, for signals of one's own and for measuring."""
        return self._process.pid

    @property
    def log(self) -> Path:
        """What it has written so far."""
        return self.folder / "output.log"

    async def start(self, *, within: float = READY_SECONDS) -> None:
        """Start it, and wait until it is ready.

        Raises:
            CannotGoOn: It is not ready in time; its log says why.
        """
        await self.launch()
        try:
            await until_ready(self.url, what=self.name, within=within)
        except CannotGoOn as fault:
            raise CannotGoOn(fault.cause, mend=f"{self.log} says why.") from None

    async def launch(self) -> None:
        """Start it without waiting."""
        await asyncio.to_thread(self._launch)

    def _launch(self) -> None:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(PREFIX)}
        environment = {**inherited, "PYTHONUNBUFFERED": "1", **self.environment}
        in_use = f"{self.name} runs in {self.folder} already: stop it first."
        try:
            with locked(self.folder, patience=LOCK_SECONDS, otherwise=in_use) as lock:
                command = [sys.executable, "-m", self.name]
                self._process.start(command, environment, lock=lock)
        except Unavailable as fault:
            raise CannotGoOn(str(fault)) from None

    async def stop(self) -> None:
        """Tell it to finish what it has in hand and end (SIGTERM), and wait."""
        await asyncio.to_thread(self._process.stop, patience=STOP_SECONDS)

    async def kill(self) -> None:
        """Kill it as a power cut would (SIGKILL), and wait until it is dead."""
        await asyncio.to_thread(self._process.kill)

    async def restart(self) -> None:
        """Stop it and start it again."""
        await self.stop()
        await self.start()


class Platform:
    """The services of a region, each a process; all of them stop with the block.

    Args:
        surroundings: What they are told of the world.
        folder: Where each has a folder for its log.
        services: Which; by default all five.
        behind: The path below which a gateway shows each by its name, if one does.
    """

    def __init__(
        self,
        surroundings: Surroundings,
        folder: Path,
        *,
        services: Sequence[str] = SERVICES,
        behind: str = "",
    ) -> None:
        ports = dict(zip(services, free_ports(len(services)), strict=True))
        self.addresses = {
            name: f"http://{LOOPBACK}:{port}" for name, port in ports.items()
        }
        self._services = {
            name: ServiceProcess(
                name,
                folder / name,
                port=port,
                environment={
                    **surroundings.environment(
                        name, port=port, addresses=self.addresses
                    ),
                    f"{PREFIX}ROOT_PATH": f"{behind}/{name}" if behind else "",
                },
            )
            for name, port in ports.items()
        }

    async def __aenter__(self) -> Self:
        """Use it for a while. Nothing is started yet."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop what runs."""
        await self.stop()

    def __getitem__(self, name: str) -> ServiceProcess:
        """Give one service."""
        return self._services[name]

    def __iter__(self) -> Iterator[ServiceProcess]:
        """Go through the services."""
        return iter(self._services.values())

    async def start(self) -> None:
        """Start all services at once, and wait until all are ready."""
        await asyncio.gather(*(each.start() for each in self))

    async def stop(self) -> None:
        """Stop all services at once."""
        await asyncio.gather(*(each.stop() for each in self))
