"""From outbox to broker: nothing that was saved is lost, whatever fails on the way."""

import asyncio
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterator,
    Sequence,
    Sized,
)
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import aio_pika
import pytest
from accord_chassis.binding import Packet, pack, unpack
from accord_chassis.bus import Bus
from accord_chassis.development.backing import Backing
from accord_chassis.rabbit import RabbitTransport
from accord_chassis.relay import BATCH, Relay, Saved
from accord_chassis.store import LEASE, Conflict, Database
from accord_chassis.testing import NOON, VirtualHost, eventually, message_of, new_id
from accord_contracts.catalogue import Catalogue, Entry
from accord_contracts.message import Event, Lane, Message
from accord_contracts.risk import ReassessmentDue, RiskChanged, RiskLevel
from aio_pika.abc import AbstractIncomingMessage
from aio_pika.exceptions import DeliveryError
from chassis_builders import Thing, Things, changed, thing
from chassis_surroundings import Line, Proxy, logged, virtual_host_of
from pymongo.errors import AutoReconnect

CATALOGUE = Catalogue.of(
    [Entry(RiskChanged, "toy", ("toy",)), Entry(ReassessmentDue, "toy", ("toy",))]
)
LANE = "toy.routine"

Clear = Callable[[Sequence[Saved]], Awaitable[None]]


@pytest.fixture(scope="module")
async def host(backing_services: Backing) -> AsyncIterator[VirtualHost]:
    """A virtual host in which the toy tells itself."""
    async with virtual_host_of(backing_services, CATALOGUE) as made:
        yield made


@pytest.fixture(autouse=True)
async def _empty_lane(host: VirtualHost) -> None:
    lane = await host.channel.get_queue(LANE)
    await lane.purge()


@pytest.fixture
async def things(database: Database) -> Things:
    store = Things(database)
    await store.prepare()
    return store


@asynccontextmanager
async def relaying(
    database: Database, url: str, *, clear: Clear | None = None
) -> AsyncIterator[Relay]:
    """A relay of a database's, at work."""
    transport = RabbitTransport(url, name="toy")
    relay = Relay(transport, CATALOGUE, clear or database.clear)
    await transport.connect()
    work = asyncio.create_task(relay.run())
    database.relay = relay
    try:
        yield relay
    finally:
        database.relay = None
        work.cancel()
        await asyncio.wait([work])
        await transport.close()


async def told(host: VirtualHost, count: int) -> list[Message[Event]]:
    """The next messages of the lane, and that there are no more."""
    lane = await host.channel.get_queue(LANE)
    found: list[AbstractIncomingMessage] = []

    async def enough() -> bool:
        while len(found) < count and (one := await lane.get(no_ack=True, fail=False)):
            found.append(one)
        return len(found) == count

    await eventually(enough, within=30)
    return [unpack(packet_of(each), CATALOGUE) for each in found]


def packet_of(incoming: AbstractIncomingMessage) -> Packet:
    headers: Any = incoming.headers
    return Packet(
        incoming.message_id or "", incoming.routing_key or "", headers, incoming.body
    )


async def cleared(relay: Relay, things: Things) -> None:
    """Wait until nothing is on its way and no outbox holds anything."""

    async def nothing_left() -> bool:
        left = await things.documents.count_documents({"outbox.0": {"$exists": True}})
        return relay.pending == left == 0

    await eventually(nothing_left)


def later(database: Database, by: timedelta) -> None:
    """Let time pass for the leases of a database."""
    now = database.server_now
    database.server_now = lambda: now() + by  # type: ignore[method-assign]


Step = Callable[[Message[Event]], Awaitable[None]]


async def say_to_oneself(database: Database, things: Things, step: Step) -> Thing:
    """Save a thing of which nobody but the service itself hears, and see it act."""
    done = asyncio.Event()

    async def hear(packet: Packet) -> bool:
        await step(unpack(packet, CATALOGUE))
        done.set()
        return True

    transport = RabbitTransport("amqp://nobody.invalid", name="toy")
    database.relay = Relay(
        transport, CATALOGUE, database.clear, service="toy", to_self=hear
    )
    try:
        made = await things.save(thing(), changed())
        await asyncio.wait_for(done.wait(), 10)
        await database.relay.drain()
    finally:
        database.relay = None
    return made


async def test_a_services_own_step_takes_once_what_told_it(
    things: Things, database: Database
) -> None:
    taken: list[Thing | None] = []

    async def step(cause: Message[Event]) -> None:
        [thing_id] = [each["_id"] async for each in things.documents.find()]
        taken.extend([await things.get(thing_id, cause=cause) for _ in range(2)])

    made = await say_to_oneself(database, things, step)

    assert taken == [made, made]
    assert taken[0] is made
    assert taken[1] is not made


async def test_a_services_own_step_sees_in_the_end_what_changed_meanwhile(
    things: Things, database: Database
) -> None:
    async def step(cause: Message[Event]) -> None:
        [thing_id] = [each["_id"] async for each in things.documents.find()]
        elsewhere = await things.get(thing_id)
        assert elsewhere is not None
        await things.save(elsewhere.model_copy(update={"count": 1}))
        stale = await things.get(thing_id, cause=cause)
        assert stale is not None
        with pytest.raises(Conflict):
            await things.save(stale.model_copy(update={"count": 7}), cause=cause)
        fresh = await things.get(thing_id, cause=cause)
        assert fresh is not None
        grown = fresh.model_copy(update={"count": fresh.count + 1})
        await things.save(grown, cause=cause)

    made = await say_to_oneself(database, things, step)

    found = await things.get(made.id)
    assert found is not None
    assert (found.count, found.version) == (2, 3)


async def test_what_is_saved_arrives_and_leaves_the_outbox(
    things: Things, database: Database, host: VirtualHost
) -> None:
    async with relaying(database, host.url("toy")) as relay:
        made = await things.save(thing(), changed())

        [message] = await told(host, 1)
        await cleared(relay, things)

    assert message.source == "/test/service"
    assert message.aggregate_version == made.version
    assert relay.published == {"risk.changed.v1": 1}


async def test_nothing_is_kept_of_what_has_arrived(
    things: Things, database: Database, host: VirtualHost
) -> None:
    async with relaying(database, host.url("toy")) as relay:
        at_first = sizes(relay)
        await asyncio.gather(
            *(things.save(thing(), changed(), changed()) for _ in range(200))
        )
        await told(host, 400)
        await cleared(relay, things)
        await eventually(lambda: seen(sizes(relay) == at_first))


def sizes(relay: Relay) -> dict[str, int]:
    """How much a relay keeps, besides its counts."""
    kept = {name: each for name, each in vars(relay).items() if name != "published"}
    return {name: len(each) for name, each in kept.items() if isinstance(each, Sized)}


@pytest.fixture
async def refusing(host: VirtualHost) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """A broker whose lane is full: it says no to what is published."""
    policy = f"/api/policies/{host.name}/full"
    full = {
        "pattern": "^toy\\.routine$",
        "definition": {"max-length": 0, "overflow": "reject-publish"},
        "apply-to": "queues",
        "priority": 9,
    }
    (await host.management.put(policy, json=full)).raise_for_status()
    await eventually(lambda: refuses(host))

    async def relent() -> None:
        await host.management.delete(policy)

    yield relent
    await relent()


async def refuses(host: VirtualHost) -> bool:
    """Tell whether the lane refuses a message. Policies take effect by and by."""
    confirming = await host.channel.get_exchange("accord.redeliver")
    try:
        await confirming.publish(aio_pika.Message(b"{}", message_id="probe"), LANE)
    except DeliveryError:
        return True
    return False


async def test_what_the_broker_refuses_stays_in_the_outbox_and_comes_later(
    things: Things,
    database: Database,
    host: VirtualHost,
    refusing: Callable[[], Awaitable[None]],
) -> None:
    async with relaying(database, host.url("toy")) as relay:
        # A full lane may still take a message or two, by RabbitMQ's own account.
        with logged() as lines:
            for _ in range(20):
                await things.save(thing(), changed())
            # Whatever it calls that: not confirmed, or refused.
            await eventually(lambda: seen([*lines]))
        held = await things.documents.count_documents({"outbox.0": {"$exists": True}})
        assert held > 10

        await refusing()
        await cleared(relay, things)

    # Beside them there may be what asked the lane whether it refuses.
    assert len(await distinct(host) - {"probe"}) == 20


async def test_a_queue_that_is_full_keeps_nothing_from_others(
    things: Things,
    database: Database,
    host: VirtualHost,
    refusing: Callable[[], Awaitable[None]],
) -> None:
    other = await host.channel.get_queue("toy.urgent")

    async def came() -> bool:
        return await other.get(no_ack=True, fail=False) is not None

    async with relaying(database, host.url("toy")) as relay:
        await asyncio.gather(
            *(things.save(thing(), changed()) for _ in range(BATCH + 50))
        )
        await things.save(thing(), changed(), lane=Lane.URGENT)
        await eventually(came, within=20)
        assert relay.pending > BATCH / 2

        await refusing()
        await cleared(relay, things)


@pytest.mark.parametrize("line", [Line.REFUSED, Line.DEAD])
async def test_what_is_saved_while_the_broker_is_away_comes_when_it_is_back(
    things: Things, database: Database, host: VirtualHost, line: Line
) -> None:
    async with (
        Proxy(host.url("toy")) as proxy,
        relaying(database, proxy.url) as relay,
    ):
        await things.save(thing(), changed())
        await told(host, 1)
        await proxy.become(line)
        with logged() as lines:
            for _ in range(5):
                await things.save(thing(), changed())
            # Nobody waits for ever: a publish is given up, and tried again.
            await eventually(lambda: seen(lines.of("message.not_confirmed")))
        assert relay.pending == 5

        await proxy.become(Line.GOOD)
        await cleared(relay, things)

    assert len(await distinct(host)) == 5


async def distinct(host: VirtualHost) -> set[str]:
    """The ids in the lane; what was not confirmed may have come twice."""
    lane = await host.channel.get_queue(LANE)
    found: set[str] = set()
    while one := await lane.get(no_ack=True, fail=False):
        found.add(one.message_id or "")
    return found


@pytest.fixture
async def unbound(host: VirtualHost) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """A topology in which a binding is missing."""
    key = f"{RiskChanged.TYPE}.routine"
    lane = await host.channel.get_queue(LANE)
    await lane.unbind("accord.events", key)

    async def mend() -> None:
        await lane.bind("accord.events", key)

    yield mend
    await mend()


async def test_what_is_unroutable_is_counted_and_holds_nothing_else_up(
    things: Things,
    database: Database,
    host: VirtualHost,
    unbound: Callable[[], Awaitable[None]],
) -> None:
    async with relaying(database, host.url("toy")) as relay:
        stray = await things.save(thing(), changed())
        await eventually(lambda: seen(relay.unroutable > 0))

        other = [await things.save(thing(), due()) for _ in range(5)]
        messages = await told(host, 5)
        assert {each.type for each in messages} == {ReassessmentDue.TYPE}
        assert len(other) == 5
        await eventually(lambda: left_with(things, stray.id))

        await unbound()
        [found] = await told(host, 1)
        await cleared(relay, things)

    assert found.type == RiskChanged.TYPE


async def left_with(things: Things, only: str) -> bool:
    """Tell whether one document alone has something in its outbox."""
    held = await things.documents.find({"outbox.0": {"$exists": True}}).to_list()
    return [each["_id"] for each in held] == [only]


def due() -> ReassessmentDue:
    return ReassessmentDue(
        case_id=new_id(), level=RiskLevel.HIGH, due_at=NOON, late_by=0.0
    )


async def test_a_crash_between_confirm_and_clearing_repeats_the_same_message(
    things: Things, database: Database, host: VirtualHost
) -> None:
    async def fail(_: Sequence[Saved]) -> None:
        raise AutoReconnect

    async with relaying(database, host.url("toy"), clear=fail) as crashed:
        with logged() as lines:
            await things.save(thing(), changed())
            await eventually(lambda: seen(lines.of("outbox.not_cleared")))
        assert crashed.pending == 0

    later(database, LEASE + timedelta(seconds=1))
    async with relaying(database, host.url("toy")) as successor:
        successor.hand_over(await things.left_behind())
        first, second = await told(host, 2)
        await cleared(successor, things)

    assert first == second


async def test_a_message_that_comes_twice_has_its_effect_once(
    things: Things, database: Database, host: VirtualHost
) -> None:
    case_id = new_id()
    cause = message_of(changed(case_id))
    transport = RabbitTransport(host.url("toy"), name="toy")
    await transport.connect()
    bus = Bus("toy", transport, CATALOGUE, prefetch=20)

    async def count(message: Message[Any]) -> None:
        held = await things.get(case_id, cause=message) or thing(keys=(case_id,))
        held = held.model_copy(update={"id": case_id, "count": held.count + 1})
        await things.save(held, cause=message)

    async def ignore(_: Message[Any]) -> None: ...

    bus.on(RiskChanged, count)
    bus.on(ReassessmentDue, ignore)
    await bus.start()
    async with relaying(database, host.url("toy")) as relay:
        for entry in (b"1" * 16, b"2" * 16):
            relay.hand_over([on_its_way(cause, entry)])
        await eventually(lambda: seen(bus.activity.done == 2))
    await transport.stop_consuming()
    await transport.close()

    found = await things.get(case_id)
    assert found is not None
    assert found.count == 1
    assert bus.activity.parked == bus.activity.retried == 0


def on_its_way(message: Message[Any], entry: bytes) -> Saved:
    return Saved("db.none", new_id(), entry, message.type, pack(message))


async def test_two_relays_share_what_was_left_behind_and_lose_nothing(
    things: Things, database: Database, host: VirtualHost
) -> None:
    # Their process died before it told of them.
    made = await asyncio.gather(*(things.save(thing(), changed()) for _ in range(150)))
    later(database, LEASE + timedelta(seconds=1))
    async with (
        relaying(database, host.url("toy")) as one,
        relaying(database, host.url("toy")) as other,
    ):

        async def recover(relay: Relay) -> int:
            count = 0
            while left := await things.left_behind():
                relay.hand_over(left)
                count += len(left)
            return count

        counts = await asyncio.gather(recover(one), recover(other))
        messages = await told(host, 150)
        await cleared(one, things)
        await cleared(other, things)

    assert sum(counts) == len({each.id for each in messages}) == len(made)


async def test_what_a_crash_left_behind_comes_after_its_lease(
    things: Things, database: Database, host: VirtualHost
) -> None:
    await things.save(thing(), changed())
    async with relaying(database, host.url("toy")) as relay:
        relay.hand_over(await things.left_behind())
        assert relay.pending == 0

        later(database, LEASE + timedelta(seconds=1))
        relay.hand_over(await things.left_behind())
        await told(host, 1)
        await cleared(relay, things)


async def test_the_events_of_a_document_come_in_the_order_of_its_saves(
    things: Things, database: Database, host: VirtualHost
) -> None:
    levels = tuple(RiskLevel)
    async with relaying(database, host.url("toy")) as relay:
        held = await asyncio.gather(*(things.save(thing()) for _ in range(10)))
        for _ in range(10):
            held = await asyncio.gather(
                *(
                    things.save(each, *(changed(each.id, level) for level in levels))
                    for each in held
                )
            )
        messages = await told(host, 10 * 10 * len(levels))
        await cleared(relay, things)

    for each in held:
        heard = [one for one in messages if one.subject == each.id]
        assert [one.data for one in heard] == list(wanted(each.id, levels, 10))
        versions = [one.aggregate_version for one in heard]
        assert versions == sorted(versions)


async def test_the_order_of_saving_holds_over_an_outage_of_the_broker(
    things: Things, database: Database, host: VirtualHost
) -> None:
    levels = tuple(RiskLevel)
    async with (
        Proxy(host.url("toy")) as proxy,
        relaying(database, proxy.url) as relay,
    ):
        held = await asyncio.gather(*(things.save(thing()) for _ in range(5)))
        await proxy.become(Line.REFUSED)
        # More than two batches, of a few documents.
        for _ in range(25):
            held = await asyncio.gather(
                *(
                    things.save(each, *(changed(each.id, one) for one in levels))
                    for each in held
                )
            )
        assert relay.pending == 5 * 25 * len(levels) > 2 * BATCH
        await proxy.become(Line.GOOD)
        messages = await told(host, relay.pending)
        await cleared(relay, things)

    for each in held:
        heard = [one.data for one in messages if one.subject == each.id]
        assert heard == list(wanted(each.id, levels, 25))


def wanted(
    case_id: str, levels: Sequence[RiskLevel], times: int
) -> Iterator[RiskChanged]:
    for _ in range(times):
        for level in levels:
            yield changed(case_id, level)


async def test_what_was_handed_over_twice_is_told_once(
    things: Things, database: Database, host: VirtualHost
) -> None:
    await things.save(thing(), changed())
    later(database, LEASE + timedelta(seconds=1))
    left = await things.left_behind()
    async with relaying(database, host.url("toy")) as relay:
        relay.hand_over(left)
        relay.hand_over(left)
        await cleared(relay, things)

    await told(host, 1)
    assert await host.held(LANE) == 0


async def seen(fact: object) -> bool:
    return bool(fact)
