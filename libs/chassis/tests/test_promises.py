"""Promises of RELIABILITY that nothing else holds as they are written there."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import pytest
from accord_chassis import topology
from accord_chassis.binding import pack
from accord_chassis.bus import IN_PLACE, Bus
from accord_chassis.development.backing import Backing, LocalBroker
from accord_chassis.development.issuer import DevelopmentIssuer
from accord_chassis.inprocess import InProcessBroker, InProcessTransport
from accord_chassis.rabbit import PUBLISH_SECONDS, RabbitTransport
from accord_chassis.relay import Relay
from accord_chassis.service.lines import STORE_SECONDS
from accord_chassis.store import LEASE, AlreadyHandled, Database, Store
from accord_chassis.testing import VirtualHost, eventually, new_id
from accord_chassis.transport import NotConfirmed, Publication
from accord_contracts.catalogue import Catalogue, Entry
from accord_contracts.message import Lane, Message
from accord_contracts.risk import RiskChanged
from chassis_builders import Thing, Things, changed, message, thing
from chassis_surroundings import Line, Proxy, virtual_host_of
from chassis_toy import TOY, Toy, living, settings_for

CATALOGUE = Catalogue.of([Entry(RiskChanged, "toy", ("toy",))])
LANE = topology.queue_of("toy", Lane.ROUTINE)

HURRY = 1000
"""So many times as fast as in a region everybody goes down the ladder here."""

TRIES = len(IN_PLACE) + 1
"""How often a message is tried before it goes down the ladder."""

DAYS = 90

TOO_LITTLE = "1MB"
ENOUGH = "1GB"

LATE = 10.0
"""Seconds that a busy machine may add to what has an end."""


class Heard(Store[Thing]):
    """What a service has heard of, with a memory as long as every service's."""

    entity = Thing
    collection = "heard"


@asynccontextmanager
async def hearing(url: str, handler: Any) -> AsyncIterator[Bus]:
    """The toy's bus, at work."""
    transport = RabbitTransport(url, name="toy")
    await transport.connect()
    bus = Bus("toy", transport, CATALOGUE, prefetch=20)
    bus.on(RiskChanged, handler)
    await bus.start()
    yield bus
    await transport.stop_consuming()
    await transport.close()


async def test_a_message_waits_on_each_rung_its_time_and_is_parked_after_the_last(
    backing_services: Backing,
) -> None:
    """P9: 10 s, a minute, ten minutes, an hour; a thousandth of it here."""
    tried: dict[str, list[float]] = defaultdict(list)

    async def fail_at_first(heard: Message[Any]) -> None:
        tried[heard.id].append(time.monotonic())
        if len(tried[heard.id]) <= TRIES:
            raise TimeoutError

    rungs = {}
    async with (
        virtual_host_of(backing_services, CATALOGUE, hurry=HURRY) as host,
        hearing(host.url("toy"), fail_at_first) as bus,
    ):
        retried = 0
        for rung in topology.LADDER:
            sent = pack(message()).with_headers(attempt=str(retried))
            await say(host, sent)
            rungs[sent.message_id] = rung
            retried += rung.attempts
        tired = pack(message()).with_headers(attempt=str(retried))
        await say(host, tired)

        expected = len(rungs) * (TRIES + 1) + TRIES
        await eventually(lambda: come(tried, expected), within=60)
        await eventually(lambda: host.held(topology.parked_of(LANE)), within=30)
        assert bus.activity.retried == len(rungs)
        assert bus.activity.parked == 1

    assert len(tried[tired.message_id]) == TRIES
    for sent_id, rung in rungs.items():
        *_, last, after = tried[sent_id]
        assert after - last >= rung.seconds / HURRY, rung.name


async def come(tried: dict[str, list[float]], count: int) -> bool:
    return sum(map(len, tried.values())) == count


async def say(host: VirtualHost, packet: Any) -> None:
    transport = RabbitTransport(host.url("toy"), name="saying")
    await transport.connect()
    assert await transport.publish([Publication(topology.EVENTS, packet)]) == [None]
    await transport.close()


async def test_what_is_replayed_after_a_season_has_had_its_effect(
    database: Database,
) -> None:
    """P11: a message that comes again 90 days and 90 messages later changes nothing."""
    kept = Heard(database)
    await kept.prepare()
    first = message()
    held = await kept.save(thing(), cause=first)
    now = database.server_now
    for day in range(1, DAYS + 1):
        later = timedelta(days=day)
        database.server_now = lambda by=later: now() + by  # type: ignore[method-assign,misc]
        counted = held.model_copy(update={"count": held.count + 1})
        held = await kept.save(counted, cause=message())

    with pytest.raises(AlreadyHandled):
        await kept.get(held.id, cause=first)

    found = await kept.get(held.id)
    assert found is not None
    assert found.count == DAYS


@pytest.fixture
async def line_to_broker(backing_services: Backing) -> AsyncIterator[Proxy]:
    """The toy's line to the broker, which can go dead."""
    async with (
        virtual_host_of(backing_services, CATALOGUE) as host,
        Proxy(host.url("toy")) as proxy,
    ):
        yield proxy


class Ticking:
    """Counts how often the event loop comes by while the block runs."""

    def __init__(self) -> None:
        self.ticks = 0
        self.seconds = 0.0

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(0.05)
            self.ticks += 1

    async def __aenter__(self) -> Self:
        self._began = time.monotonic()
        self._task = asyncio.create_task(self._tick())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        self.seconds = time.monotonic() - self._began


async def publishes_in_vain(transport: RabbitTransport) -> None:
    """Publish what is not taken: that ends in time, and others are served meanwhile."""
    async with Ticking() as clock:
        publication = Publication(topology.EVENTS, pack(message()))
        (outcome,) = await transport.publish([publication])

    assert isinstance(outcome, NotConfirmed)
    assert clock.seconds < 2 * PUBLISH_SECONDS + LATE
    assert clock.ticks > 10


async def test_publishing_into_a_dead_line_ends_in_time(
    line_to_broker: Proxy,
) -> None:
    """P13: nobody answers, nothing is refused, and nobody waits for ever."""
    transport = RabbitTransport(line_to_broker.url, name="toy")
    await transport.connect()
    await line_to_broker.become(Line.DEAD)

    await publishes_in_vain(transport)

    await line_to_broker.become(Line.REFUSED)
    await transport.close()


async def test_a_broker_short_of_memory_holds_up_nobody_and_loses_nothing(
    backing_services: Backing, issuer: DevelopmentIssuer, tmp_path: Path
) -> None:
    """P13: it takes in nothing for a while; who asks is answered, and all is told."""
    local = LocalBroker(tmp_path, memory=TOO_LITTLE)
    try:
        await asyncio.to_thread(local.start)
        short_of_it = replace(
            backing_services,
            amqp_url=local.amqp_url,
            management_url=local.management_url,
        )
        async with virtual_host_of(short_of_it, TOY) as host:
            await says_it_is_short(host)
            transport = RabbitTransport(host.url("toy"), name="toy")
            await transport.connect()
            await publishes_in_vain(transport)
            await transport.close()

            given = settings_for(
                backing_services.store_url, issuer, amqp_url=host.url("toy")
            )
            async with living(given, issuer) as toy:
                await toy.service.started.wait()
                things = [new_id() for _ in range(10)]
                async with Ticking() as clock:
                    answers = [await toy.make(each) for each in things]
                assert {each.status_code for each in answers} == {202}
                assert clock.seconds < LATE
                assert not any([await toy.count(each) for each in things])

                await asyncio.to_thread(local.stop)
                local.memory = ENOUGH
                await asyncio.to_thread(local.start)
                await eventually(lambda: counted_once(toy, things), within=60)
    finally:
        await asyncio.to_thread(local.stop)


async def says_it_is_short(host: VirtualHost) -> None:
    """Wait until the broker has raised its alarm."""

    async def alarmed() -> bool:
        nodes = (await host.management.get("/api/nodes")).json()
        return any(each.get("mem_alarm") for each in nodes)

    await eventually(alarmed, within=30)


async def counted_once(toy: Toy, things: list[str]) -> bool:
    return {await toy.count(each) for each in things} == {1}


async def test_a_request_into_a_dead_store_is_put_off_in_time(
    backing_services: Backing, issuer: DevelopmentIssuer
) -> None:
    """P13: whoever asks is told to come back, and others are served meanwhile."""
    broker = InProcessBroker(topology.definitions(TOY, vhost="test"))
    async with Proxy(backing_services.store_url) as proxy:
        given = settings_for(proxy.url, issuer)
        transport = InProcessTransport(broker, user="toy")
        async with living(given, issuer, transport=transport) as toy:
            await toy.service.started.wait()
            await proxy.become(Line.DEAD)

            async with Ticking() as clock:
                answer = await toy.make(new_id())
            live = await toy.http.get("/live")
            # To a store that is there, it can say goodbye.
            await proxy.become(Line.GOOD)

    broker.close()
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert clock.seconds < 3 * STORE_SECONDS + LATE
    assert clock.ticks > 10
    assert live.status_code == 200


async def test_who_comes_back_from_a_backup_lacks_what_came_after_and_tells_none_twice(
    database: Database, backing_services: Backing
) -> None:
    """P28: what it tells again, whoever heard it has heard."""
    things, kept = Things(database), Heard(database)
    await things.prepare()
    await kept.prepare()

    async def count(heard: Message[Any]) -> None:
        case_id = heard.data.case_id
        held = await kept.get(case_id, cause=heard) or Thing(id=case_id)
        counted = held.model_copy(update={"count": held.count + 1, "keys": (case_id,)})
        await kept.save(counted, cause=heard)

    async def counts() -> list[int]:
        return [each["count"] async for each in kept.documents.find()]

    async with virtual_host_of(backing_services, CATALOGUE) as host:
        # The backup is made before what was saved has been told.
        told = thing()
        await things.save(told, changed(told.id))
        backup = await things.documents.find().to_list()
        async with hearing(host.url("toy"), count), telling(database, host, things):
            await eventually(lambda: told_all(things), within=30)
            later = thing()
            await things.save(later, changed(later.id))
            await eventually(lambda: told_all(things), within=30)
            await eventually(lambda: are(counts, [1, 1]), within=30)

        await things.documents.delete_many({})
        await things.documents.insert_many(backup)
        async with (
            hearing(host.url("toy"), count) as bus,
            telling(database, host, things),
        ):
            await eventually(lambda: told_all(things), within=30)
            await eventually(lambda: is_done(bus, 1), within=30)
            assert bus.activity.parked == bus.activity.retried == 0

    assert await counts() == [1, 1]
    assert await things.get(told.id)
    assert await things.get(later.id) is None


async def told_all(things: Things) -> bool:
    left = await things.documents.count_documents({"outbox.0": {"$exists": True}})
    return left == 0


async def are(counts: Any, expected: list[int]) -> bool:
    return bool(await counts() == expected)


async def is_done(bus: Bus, count: int) -> bool:
    return bus.activity.done == count


@asynccontextmanager
async def telling(
    database: Database, host: VirtualHost, things: Things
) -> AsyncIterator[None]:
    """A relay that begins with what was left behind, as one does after a restart."""
    transport = RabbitTransport(host.url("toy"), name="toy")
    relay = Relay(transport, CATALOGUE, database.clear)
    await transport.connect()
    work = asyncio.create_task(relay.run())
    now = database.server_now
    database.server_now = lambda: now() + 2 * LEASE  # type: ignore[method-assign]
    relay.hand_over(await things.left_behind())
    database.server_now = now  # type: ignore[method-assign]
    database.relay = relay
    yield
    database.relay = None
    work.cancel()
    await asyncio.wait([work])
    await transport.close()
