"""Consumers come back by themselves, whatever the broker suffers (RELIABILITY P12)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from accord_chassis import topology
from accord_chassis.binding import pack
from accord_chassis.bus import Bus
from accord_chassis.development.backing import Backing
from accord_chassis.development.broker import LocalBroker
from accord_chassis.rabbit import RabbitTransport, reach
from accord_chassis.testing import VirtualHost, eventually
from accord_chassis.transport import Publication
from accord_contracts.catalogue import Catalogue, Entry
from accord_contracts.message import Message
from accord_contracts.risk import RiskChanged
from aio_pika import Connection, RobustConnection
from aio_pika.connection import make_url
from aiormq.exceptions import AMQPError
from chassis_builders import message
from chassis_surroundings import Line, Proxy, logged, virtual_host_of

CATALOGUE = Catalogue.of([Entry(RiskChanged, "toy", ("toy",))])

WITHIN = 45.0
"""Seconds, as promised."""


class Listening:
    """The toy's bus, whose handler can be held up.

    Args:
        url: The broker's address with the toy's user.
    """

    def __init__(self, url: str) -> None:
        self.transport = RabbitTransport(url, name="toy")
        self.bus = Bus("toy", self.transport, CATALOGUE, prefetch=20)
        self.bus.on(RiskChanged, self._handle)
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.heard: list[str] = []

    async def _handle(self, heard: Message[Any]) -> None:
        await self.go_on.wait()
        self.heard.append(heard.id)

    async def say(self) -> str:
        """Publish a message, until the broker has it, and give its id."""
        packet = pack(message())

        async def confirmed() -> bool:
            publication = Publication(topology.EVENTS, packet)
            return await self.transport.publish([publication]) == [None]

        await eventually(confirmed, within=WITHIN)
        return packet.message_id

    async def close(self) -> None:
        """End."""
        self.go_on.set()
        await self.transport.stop_consuming()
        await self.transport.close()


async def listening(url: str) -> Listening:
    made = Listening(url)
    await made.transport.connect()
    await made.bus.start()
    return made


def is_heard(toy: Listening, *ids: str) -> Callable[[], Awaitable[bool]]:
    async def heard() -> bool:
        return set(ids) <= set(toy.heard)

    return heard


def is_ready(toy: Listening, fact: bool) -> Callable[[], Awaitable[bool]]:  # noqa: FBT001
    async def looks_so() -> bool:
        return toy.transport.ready() is fact

    return looks_so


@pytest.fixture
async def host(backing_services: Backing) -> AsyncIterator[VirtualHost]:
    async with virtual_host_of(backing_services, CATALOGUE) as made:
        yield made


async def test_what_was_in_hand_at_a_cut_is_finished_and_comes_again(
    host: VirtualHost,
) -> None:
    async with Proxy(host.url("toy")) as proxy:
        toy = await listening(proxy.url)
        toy.go_on.clear()
        in_hand = [await toy.say() for _ in range(3)]
        await eventually(lambda: took(toy, 3))

        await proxy.become(Line.REFUSED)
        await eventually(is_ready(toy, fact=False), within=WITHIN)
        toy.go_on.set()
        # What is in hand is finished, with or without a broker.
        await eventually(is_heard(toy, *in_hand))
        assert toy.bus.activity.in_hand == 0
        await proxy.become(Line.GOOD)

        # It could not be acknowledged, so it comes again.
        await eventually(lambda: took(toy, 6), within=WITHIN)
        await eventually(is_ready(toy, fact=True))
        after = await toy.say()
        await eventually(is_heard(toy, after))
        assert toy.bus.activity.in_hand == 0
        await toy.close()


async def took(toy: Listening, count: int) -> bool:
    return toy.bus.activity.taken == count


@pytest.mark.usefixtures("installed_broker")
async def test_after_a_broker_was_killed_its_consumers_come_back(
    backing_services: Backing, tmp_path: Path
) -> None:
    broker = LocalBroker(tmp_path / "broker")
    with broker.running():
        own = Backing(
            broker=backing_services.broker,
            store=backing_services.store,
            amqp_url=broker.amqp_url,
            management_url=broker.management_url,
            store_url="",
        )
        async with virtual_host_of(own, CATALOGUE) as host:
            toy = await listening(host.url("toy"))
            await toy.say()
            toy.go_on.clear()
            in_hand = await toy.say()
            await eventually(lambda: took(toy, 2))
            await registered(host)

            await asyncio.to_thread(broker.kill)
            await eventually(is_ready(toy, fact=False), within=WITHIN)
            await asyncio.to_thread(broker.start)
            toy.go_on.set()

            await eventually(is_heard(toy, in_hand), within=WITHIN)
            await eventually(is_ready(toy, fact=True))
            after = await toy.say()
            await eventually(is_heard(toy, after))
            assert toy.bus.activity.in_hand == 0
            await toy.close()


async def registered(host: VirtualHost) -> None:
    """Wait until a queue is old enough to survive a kill; see ``LocalBroker``."""
    loop = asyncio.get_running_loop()
    old_enough = loop.time() + 1.5

    async def is_old_enough() -> bool:
        return await host.held("toy.routine") >= 0 and loop.time() > old_enough

    await eventually(is_old_enough)


async def was_cancelled(toy: Listening) -> bool:
    """Tell whether the broker has cancelled one of its consumers."""
    return any(
        each.tag not in each.queue.channel._channel.channel.consumers  # type: ignore[attr-defined]
        for each in toy.transport._consumers
    )


async def test_after_its_queue_was_deleted_a_consumer_comes_back(
    host: VirtualHost,
) -> None:
    toy = await listening(host.url("toy"))
    await toy.say()

    await host.management.delete(f"/api/queues/{host.name}/toy.routine")
    # RabbitMQ 3.10 may not notice a queue that is made anew at once: it goes on with
    # the old one's consumer, to which it delivers nothing any more.
    await eventually(lambda: was_cancelled(toy))
    with logged() as lines:
        await toy.transport.watch()
    assert [each["queue"] for each in lines.of("queue.missing")] == ["toy.routine"]
    assert not toy.transport.ready()
    again = topology.definitions(CATALOGUE, vhost=host.name, hurry=100)
    (await host.management.post("/api/definitions", json=again)).raise_for_status()

    after = await toy.say()
    await eventually(is_heard(toy, after), within=WITHIN)
    await toy.close()


async def unheard(host: VirtualHost) -> int:
    return await host.held("toy.routine")


async def test_a_consumer_that_hears_nothing_is_noticed_and_comes_back(
    host: VirtualHost,
) -> None:
    toy = await listening(host.url("toy"))
    await eventually(is_heard(toy, await toy.say()))
    (consumer,) = (e for e in toy.transport._consumers if e.queue.name == "toy.routine")
    channel = await consumer.queue.channel.get_underlay_channel()

    # The broker knows of it no more, and the transport does not know that.
    await channel.basic_cancel(consumer.tag)
    said = await toy.say()
    await eventually(lambda: unheard(host))
    await toy.transport.watch()
    await toy.transport.watch()
    assert toy.transport.ready()
    with logged() as lines:
        await toy.transport.watch()

    assert [each["queue"] for each in lines.of("consumer.deaf")] == ["toy.routine"]
    assert not toy.transport.ready()
    await eventually(is_heard(toy, said), within=WITHIN)
    await eventually(is_ready(toy, fact=True))
    await toy.close()


async def test_a_consumer_that_has_its_hands_full_is_not_deaf(
    host: VirtualHost,
) -> None:
    toy = await listening(host.url("toy"))
    toy.go_on.clear()
    said = [await toy.say() for _ in range(22)]
    await eventually(lambda: took(toy, 20))
    await eventually(lambda: unheard(host))

    with logged() as lines:
        for _ in range(4):
            await toy.transport.watch()

    assert not lines.of("consumer.deaf")
    assert toy.transport.ready()
    toy.go_on.set()
    await eventually(is_heard(toy, *said))
    await toy.close()


@pytest.mark.parametrize("kind", [Connection, RobustConnection])
async def test_who_is_refused_leaves_nothing_open(
    host: VirtualHost, kind: type[Connection]
) -> None:
    elsewhere = host.url("toy").rpartition("/")[0] + "/nowhere"
    connection = kind(make_url(elsewhere))
    before = asyncio.all_tasks()

    with pytest.raises(AMQPError):
        await reach(connection)

    assert connection.is_closed
    assert asyncio.all_tasks() <= before


@pytest.mark.asyncio(loop_scope="function")  # Others leave tasks in the session's.
async def test_who_gives_up_waiting_leaves_nothing_open() -> None:
    heard: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(
        lambda _, writer: heard.append(writer), "127.0.0.1", 0
    )
    port = silent.sockets[0].getsockname()[1]
    connection = RobustConnection(make_url(f"amqp://toy:secret@127.0.0.1:{port}/"))
    before = asyncio.all_tasks()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await reach(connection)

    assert connection.is_closed
    assert asyncio.all_tasks() <= before
    silent.close()
    for writer in heard:
        writer.close()
        await writer.wait_closed()
