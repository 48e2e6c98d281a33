"""A region of its own for a measurement: broker, store, five processes, workers."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from accord.actors import coordinator_of
from accord.client import Client
from accord.platform import Platform
from accord.surroundings import Surroundings, prepare
from accord.world import World
from accord_chassis.development.backing import backing
from accord_chassis.rabbit import RabbitTransport

LOCALITY = Path(__file__).parents[1] / "localities" / "canterbury"
NAME = "canterbury"


@dataclass(frozen=True)
class Region:
    """The platform while it is measured.

    Attributes:
        transport: Publishes what the service publishes in whose name it is measured.
    """

    platform: Platform
    surroundings: Surroundings
    transport: RabbitTransport

    def client(self, service: str, worker: str, scope: str) -> Client:
        """Speak to a service as a worker, or as whoever administers it."""
        token = self.surroundings.issuer.token(
            worker or "admin", scope, region=NAME, worker=worker
        )
        return Client(self.platform[service].url, token=token)

    async def hire(self, workers: Iterable[str]) -> None:
        """Put coordinators into the directory.

        Raises:
            RuntimeError: The directory does not take one.
        """
        coordinator = coordinator_of(World(LOCALITY).staff())
        entry = coordinator.entry | {"deputy": None, "team_lead": None}
        async with self.client("allocation", "", "allocation.admin") as client:
            for worker in workers:
                answer = await client.send("PUT", f"/v1/workers/{worker}", entry)
                if not answer.ok:
                    raise RuntimeError(answer.body)


@asynccontextmanager
async def region_of(publisher: str) -> AsyncIterator[Region]:
    """Run a region on a broker and a store of its own; all of it ends in the end.

    Args:
        publisher: In the name of which service the measurement publishes.
    """
    with TemporaryDirectory(prefix="accord-bench-") as made:
        folder = Path(made)
        with backing(folder) as found:
            surroundings = prepare(
                found, region=NAME, locality=LOCALITY, folder=folder / "a"
            )
            async with Platform(surroundings, folder / "run") as platform:
                await platform.start()
                url = surroundings.amqp_url_of(publisher)
                transport = RabbitTransport(url, name=publisher)
                await transport.connect()
                yield Region(platform, surroundings, transport)
                await transport.close()
