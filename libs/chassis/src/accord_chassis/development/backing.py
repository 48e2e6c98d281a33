"""The services behind the services: a broker and a store on a developer's machine.

For ``accord demo`` and for tests. Each is taken from the environment, else run in a
container, else as a local process; :mod:`accord_chassis.development.machine` chooses.
What is started listens on the loopback interface only, and ends when the program that
started it ends, however that ends.

All of this blocks for seconds: asyncio code runs it in a thread.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from accord_chassis.development.broker import LocalBroker
from accord_chassis.development.machine import (
    Choice,
    Machine,
    Means,
    choose_broker,
    choose_store,
    look,
)
from accord_chassis.development.process import Unavailable, locked
from accord_chassis.development.store import CACHE, LocalStore

__all__ = [
    "Backing",
    "LocalBroker",
    "LocalStore",
    "Means",
    "Unavailable",
    "backing",
    "broker",
    "store",
]


@dataclass(frozen=True, kw_only=True)
class Backing:
    """A broker and a store, and how each was had.

    Attributes:
        broker: By which means the broker is had, and why.
        store: By which means the store is had, and why.
        amqp_url: With an administrator's user and password, and a slash at its end.
            Empty where the machine can have no broker.
        management_url: The broker's management API, with the same user and password.
        store_url: The store.
    """

    broker: Choice
    store: Choice
    amqp_url: str = field(repr=False)
    management_url: str = field(repr=False)
    store_url: str = field(repr=False)


@contextmanager
def backing(folder: Path, machine: Machine | None = None) -> Iterator[Backing]:
    """Have a broker and a store, and end in the end what was started for it.

    Args:
        folder: What is started keeps its data, ports and secrets in it, so that all of
            them are the same the next time.
        machine: What there is to choose from; by default what this machine offers.

    Raises:
        Unavailable: The folder is in use, or a service cannot be had. The broker may be
            missing, by :attr:`Means.NONE`.
    """
    machine = machine or look()
    in_use = f"{folder} is in use by another run: end that one, or use another folder."
    with (
        locked(folder, patience=0, otherwise=in_use),
        store(folder / "store", machine) as store_url,
        broker(folder / "broker", machine) as (amqp_url, management_url),
    ):
        yield Backing(
            broker=choose_broker(machine),
            store=choose_store(machine),
            amqp_url=amqp_url,
            management_url=management_url,
            store_url=store_url,
        )


@contextmanager
def broker(folder: Path, machine: Machine) -> Iterator[tuple[str, str]]:
    """Have a broker alone, and give its AMQP and its management URL.

    Both are empty where the machine can have no broker.
    """
    match choose_broker(machine).means:
        case Means.ENVIRONMENT:
            yield machine.amqp_url, machine.management_url
        case Means.CONTAINER:
            # A machine without an engine need not have testcontainers.
            from accord_chassis.development import containers  # noqa: PLC0415

            with containers.broker(folder) as urls:
                yield urls
        case Means.PROCESS:
            with LocalBroker(folder).running() as local:
                yield local.amqp_url, local.management_url
        case Means.NONE:
            yield "", ""


@contextmanager
def store(folder: Path, machine: Machine, *, cache: str = CACHE) -> Iterator[str]:
    """Have a store alone, and give its URL.

    Args:
        folder: Where it keeps its data.
        machine: What there is to choose from.
        cache: How much memory it may fill, if it is a process of ours.

    Raises:
        Unavailable: The machine can have none.
    """
    choice = choose_store(machine)
    match choice.means:
        case Means.ENVIRONMENT:
            yield machine.mongo_url
        case Means.CONTAINER:
            from accord_chassis.development import containers  # noqa: PLC0415

            with containers.store(folder) as url:
                yield url
        case Means.PROCESS:
            with LocalStore(folder, cache=cache).running() as local:
                yield local.url
        case Means.NONE:
            raise Unavailable(f"There is no store: {choice.why}.")
