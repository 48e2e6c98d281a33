"""Taking messages, on both transports: the same promises, the same tests."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from types import NoneType
from typing import Any

import pytest
from accord_chassis import bus as bus_module
from accord_chassis import topology
from accord_chassis.audit import AuditAway
from accord_chassis.binding import Packet, pack
from accord_chassis.bus import ENOUGH, IN_PLACE, Bus
from accord_chassis.inprocess import InProcessBroker, InProcessTransport
from accord_chassis.rabbit import RabbitTransport
from accord_chassis.store import AlreadyHandled, Conflict, StoreRefuses
from accord_chassis.testing import VirtualHost, eventually, new_id
from accord_chassis.transport import Delivery, Publication, Transport, Unroutable
from accord_contracts.catalogue import Catalogue, Entry
from accord_contracts.message import Lane, Message
from accord_contracts.risk import RiskChanged
from chassis_builders import message
from pymongo.errors import AutoReconnect, OperationFailure

CATALOGUE = Catalogue.of([Entry(RiskChanged, "risk", ("notify",))])
ROUTINE = "notify.routine"


@dataclass
class Broker:
    """A broker of either kind, with the topology of the catalogue."""

    transport: Callable[[str], Transport]
    held: Callable[[str], Awaitable[int]]


@pytest.fixture(params=["rabbit", "memory"])
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    if request.param == "rabbit":
        host: VirtualHost = request.getfixturevalue("virtual_host")
        yield Broker(lambda user: RabbitTransport(host.url(user), name=user), host.held)
        return
    shared = InProcessBroker(topology.definitions(CATALOGUE, vhost="test", hurry=100))

    async def held(queue: str) -> int:
        return shared.held([queue])

    yield Broker(lambda user: InProcessTransport(shared, user=user), held)
    shared.close()


@pytest.fixture
async def connect(
    broker: Broker,
) -> AsyncIterator[Callable[[str], Awaitable[Transport]]]:
    """Connects as a user, and disconnects in the end."""
    opened: list[Transport] = []

    async def open_(user: str) -> Transport:
        transport = broker.transport(user)
        await transport.connect()
        opened.append(transport)
        return transport

    yield open_
    for each in opened:
        await each.stop_consuming()
        await each.close()


Connect = Callable[[str], Awaitable[Transport]]


class Heard:
    """A handler that keeps what it heard, and fails as it is told to."""

    def __init__(self, *faults: BaseException) -> None:
        self.messages: list[Message[Any]] = []
        self.tries = 0
        self._faults = list(faults)

    async def __call__(self, heard: Message[Any]) -> None:
        self.tries += 1
        if self._faults:
            raise self._faults.pop(0)
        self.messages.append(heard)


async def listening(connect: Connect, *handlers: Heard) -> Bus:
    """A bus of notify's with these handlers."""
    bus = Bus("notify", await connect("notify"), CATALOGUE, prefetch=20)
    for each in handlers:
        bus.on(RiskChanged, each)
    await bus.start()
    return bus


async def say(
    connect: Connect,
    *packets: Packet,
    user: str = "risk",
    exchange: str = "accord.events",
) -> list[BaseException | None]:
    """Publish as another service would."""
    speaker = await connect(user)
    return await speaker.publish([Publication(exchange, each) for each in packets])


async def test_a_message_arrives_as_it_was_sent(connect: Connect) -> None:
    heard = Heard()
    bus = await listening(connect, heard)
    sent = message(lane=Lane.URGENT)

    assert await say(connect, pack(sent)) == [None]

    await eventually(lambda: seen(bus.activity.done == 1))
    assert heard.messages == [sent]


async def test_every_handler_of_a_type_hears_it(connect: Connect) -> None:
    one, other = Heard(), Heard()
    bus = await listening(connect, one, other)

    await say(connect, pack(message()))

    await eventually(lambda: seen(bus.activity.done == 1))
    assert len(one.messages) == len(other.messages) == 1


async def test_messages_of_one_case_are_handled_in_order(connect: Connect) -> None:
    heard = Heard()
    bus = await listening(connect, heard)
    case_id = new_id()
    sent = [message(case_id) for _ in range(50)]

    await say(connect, *(pack(each) for each in sent))

    await eventually(lambda: seen(bus.activity.done == 50))
    assert heard.messages == sent


async def test_what_was_handled_before_is_acknowledged(
    connect: Connect, broker: Broker
) -> None:
    bus = await listening(connect, Heard(AlreadyHandled()))

    await say(connect, pack(message()))

    await eventually(lambda: seen(bus.activity.done == 1))
    assert bus.activity.parked == bus.activity.retried == 0
    await eventually(lambda: empty(broker, ROUTINE))


async def test_a_conflict_is_decided_again_in_place(connect: Connect) -> None:
    heard = Heard(Conflict(), Conflict())
    bus = await listening(connect, heard)

    await say(connect, pack(message()))

    await eventually(lambda: seen(bus.activity.done == 1))
    assert len(heard.messages) == 1
    assert bus.activity.retried == 0


@pytest.mark.parametrize(
    "outage",
    [
        AutoReconnect(),
        AuditAway(),
        StoreRefuses(),
        OperationFailure("Out of disk space.", code=14031),
        OperationFailure("Not authorised.", code=13),
    ],
    ids=["away", "audit away", "unconfirmed", "disk full", "not authorised"],
)
async def test_while_the_store_or_the_audit_log_is_away_messages_wait_in_place(
    connect: Connect, outage: Exception
) -> None:
    heard = Heard(*[outage] * 4)
    bus = await listening(connect, heard)

    await say(connect, pack(message()))

    await eventually(lambda: seen(bus.activity.done == 1))
    assert len(heard.messages) == 1
    assert bus.activity.retried == bus.activity.parked == 0


async def test_a_fault_that_may_pass_goes_down_the_ladder_and_comes_back(
    connect: Connect,
) -> None:
    heard = Heard(*(TimeoutError() for _ in range(len(IN_PLACE) + 1)))
    bus = await listening(connect, heard)
    sent = message()

    await say(connect, pack(sent))

    await eventually(lambda: seen(len(heard.messages) == 1))
    assert heard.messages == [sent]
    assert bus.activity.retried == 1
    assert bus.activity.parked == 0


async def test_a_message_at_the_end_of_the_ladder_is_parked(
    connect: Connect, broker: Broker
) -> None:
    bus = await listening(
        connect, Heard(*(TimeoutError() for _ in range(len(IN_PLACE) + 1)))
    )
    attempts = sum(rung.attempts for rung in topology.LADDER)
    tired = pack(message()).with_headers(attempt=str(attempts))

    await say(connect, tired)

    await eventually(lambda: holds(broker, f"{ROUTINE}.parked", 1))
    await eventually(lambda: seen(bus.activity.parked == 1))


async def test_a_fault_that_will_not_pass_parks_the_message_and_no_other(
    connect: Connect, broker: Broker
) -> None:
    heard = Heard(LookupError("a value that must not be told"))
    bus = await listening(connect, heard)

    await say(connect, pack(message()), *(pack(message()) for _ in range(20)))

    await eventually(lambda: seen(bus.activity.done == 21))
    assert len(heard.messages) == 20
    await eventually(lambda: holds(broker, f"{ROUTINE}.parked", 1))


@pytest.mark.parametrize(
    "broken",
    [
        lambda packet: replace(packet, body=b"{not json"),
        lambda packet: replace(packet, body=b'{"case_id": "Aroha"}'),
        lambda packet: replace(packet, headers={}),
        lambda packet: packet.with_headers(ce_type="no.such_event.v1"),
        lambda packet: packet.with_headers(ce_time="yesterday"),
        lambda packet: packet.with_headers(ce_lane="express"),
        lambda packet: packet.with_headers(ce_aggregateversion="first"),
        lambda packet: packet.with_headers(ce_id="not an id"),
    ],
)
async def test_an_unreadable_message_is_parked_at_once(
    connect: Connect, broker: Broker, broken: Callable[[Packet], Packet]
) -> None:
    heard = Heard()
    bus = await listening(connect, heard)

    await say(connect, broken(pack(message())))

    await eventually(lambda: holds(broker, f"{ROUTINE}.parked", 1))
    await eventually(lambda: seen(bus.activity.parked == 1))
    assert heard.tries == 0


async def test_a_message_from_somebody_who_may_not_publish_it_is_parked() -> None:
    taken = Packet(
        message_id=new_id(),
        routing_key=ROUTINE,
        headers=pack(message()).headers,
        body=pack(message()).body,
        user="referrals",
    )
    heard = Heard()
    transport = Recorder()
    bus = Bus("notify", transport, CATALOGUE, prefetch=20)
    bus.on(RiskChanged, heard)
    await bus.start()

    await transport.deliver(taken)

    assert heard.tries == 0
    assert transport.published[0].exchange == topology.DEAD


@pytest.mark.parametrize("user", [*CATALOGUE.services, "plans"])
async def test_only_the_producer_oneself_and_the_operator_are_believed(
    user: str,
) -> None:
    believed = {"risk", "notify"}
    transport, heard = Recorder(), Heard()
    bus = Bus("notify", transport, CATALOGUE, prefetch=20)
    bus.on(RiskChanged, heard)
    await bus.start()

    await transport.deliver(replace(pack(message()), user=user))

    assert heard.tries == (1 if user in believed else 0)
    assert len(transport.published) == (0 if user in believed else 1)


async def test_the_operators_replay_is_believed() -> None:
    transport, heard = Recorder(), Heard()
    bus = Bus("notify", transport, CATALOGUE, prefetch=20)
    bus.on(RiskChanged, heard)
    await bus.start()

    await transport.deliver(replace(pack(message()), user=topology.OPERATOR))

    assert heard.tries == 1


@pytest.mark.parametrize("user", [None, "", "administrator", "Risk", "risk "])
async def test_nobody_and_nearly_somebody_are_not_believed(user: str | None) -> None:
    transport, heard = Recorder(), Heard()
    bus = Bus("notify", transport, CATALOGUE, prefetch=20)
    bus.on(RiskChanged, heard)
    await bus.start()

    await transport.deliver(replace(pack(message()), user=user))

    assert heard.tries == 0
    assert transport.published[0].exchange == topology.DEAD


async def test_a_parked_message_keeps_its_body_and_says_why() -> None:
    transport = Recorder()
    bus = Bus("notify", transport, CATALOGUE, prefetch=20)
    bus.on(RiskChanged, Heard(LookupError("Aroha")))
    await bus.start()
    sent = replace(pack(message()), user="risk")

    await transport.deliver(sent)

    [parked] = transport.published
    assert parked.packet.body == sent.body
    assert parked.packet.headers["parked"] == "LookupError"
    assert "Aroha" not in json.dumps(dict(parked.packet.headers))


async def test_a_message_that_can_be_sent_nowhere_is_held_until_it_can() -> None:
    transport = Recorder(refusals=3)
    bus = Bus("notify", transport, CATALOGUE, prefetch=20)
    bus.on(RiskChanged, Heard(LookupError()))
    await bus.start()

    await transport.deliver(replace(pack(message()), user="risk"))

    assert transport.acknowledged == 1
    assert len(transport.published) == 4


async def test_a_message_is_acknowledged_after_it_has_had_its_effect() -> None:
    transport = Recorder()
    bus = Bus("notify", transport, CATALOGUE, prefetch=20)
    acknowledged_meanwhile: list[int] = []

    async def handle(_: Message[Any]) -> None:
        acknowledged_meanwhile.append(transport.acknowledged)

    bus.on(RiskChanged, handle)
    await bus.start()

    await transport.deliver(replace(pack(message()), user="risk"))

    assert acknowledged_meanwhile == [0]
    assert transport.acknowledged == 1


async def test_routine_own_steps_wait_at_the_broker_when_there_is_enough_in_hand() -> (
    None
):
    bus = Bus("notify", Recorder(), CATALOGUE, prefetch=20)
    heard = Heard()
    bus.on(RiskChanged, heard)
    await bus.start()

    assert await bus.deliver(pack(message()))
    bus.activity.taken += ENOUGH
    assert not await bus.deliver(pack(message()))
    assert await bus.deliver(pack(message(lane=Lane.URGENT)))
    assert heard.tries == 2


async def test_what_nobody_listens_to_is_told_to_the_publisher(
    connect: Connect,
) -> None:
    key = "need.assessed.v1.routine"
    strays = [replace(pack(message()), routing_key=key) for _ in range(3)]
    speaker = await connect("plans")

    outcomes = await speaker.publish(
        [
            Publication(topology.EVENTS, each, mandatory=place != 1)
            for place, each in enumerate(strays)
        ]
    )

    assert [type(each) for each in outcomes] == [Unroutable, NoneType, Unroutable]


async def test_a_bus_that_differs_from_the_catalogue_does_not_start(
    connect: Connect,
) -> None:
    bus = Bus("notify", await connect("notify"), CATALOGUE, prefetch=20)

    with pytest.raises(LookupError, match=r"risk\.changed\.v1"):
        await bus.start()


async def test_routine_work_stands_back_while_urgent_work_is_in_hand(
    connect: Connect,
) -> None:
    order: list[Lane] = []
    urgent_began, go_on = asyncio.Event(), asyncio.Event()

    async def note(heard: Message[Any]) -> None:
        if heard.lane is Lane.URGENT:
            urgent_began.set()
            await go_on.wait()
        order.append(heard.lane)

    bus = Bus("notify", await connect("notify"), CATALOGUE, prefetch=20)
    bus.on(RiskChanged, note)
    await bus.start()

    await say(connect, pack(message(lane=Lane.URGENT)))
    await urgent_began.wait()
    await say(connect, *(pack(message()) for _ in range(10)))
    await eventually(lambda: seen(bus.activity.taken == 11))
    go_on.set()

    await eventually(lambda: seen(bus.activity.done == 11))
    assert order[0] is Lane.URGENT


async def test_a_handler_that_hangs_holds_up_nobody_else(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus_module, "LONGEST_SECONDS", 0.2)
    heard: list[str] = []
    hanging = message(lane=Lane.URGENT)

    async def hang_once(told: Message[Any]) -> None:
        first = told.id == hanging.id and told.id not in heard
        heard.append(told.id)
        if first:
            await asyncio.Event().wait()

    bus = Bus("notify", await connect("notify"), CATALOGUE, prefetch=20)
    bus.on(RiskChanged, hang_once)
    await bus.start()

    await say(connect, pack(hanging))
    await eventually(lambda: seen(heard == [hanging.id]))
    routine = message()
    await say(connect, pack(routine))

    await eventually(
        lambda: seen(sorted(heard) == sorted([hanging.id] * 2 + [routine.id]))
    )
    await eventually(lambda: seen(bus.activity.done == 3))
    assert (bus.activity.retried, bus.activity.parked) == (1, 0)


async def test_while_the_store_stalls_a_message_waits_for_it_in_place(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus_module, "LONGEST_SECONDS", 0.1)
    monkeypatch.setattr(bus_module, "OUTAGE_PAUSE", (0.01,))
    stalls = asyncio.Event()
    tries = 0

    async def load(_: Message[Any]) -> None:
        nonlocal tries
        tries += 1
        await stalls.wait()

    async def answers() -> bool:
        if tries > len(IN_PLACE) + 1:
            stalls.set()
        return False

    bus = Bus(
        "notify",
        await connect("notify"),
        CATALOGUE,
        prefetch=20,
        store_answers=answers,
    )
    bus.on(RiskChanged, load)
    await bus.start()

    await say(connect, pack(message()))
    await eventually(lambda: seen(stalls.is_set() and bus.activity.done > 0))

    assert (bus.activity.parked, bus.activity.retried) == (0, 0)


class Recorder:
    """A transport that delivers by hand and keeps what is published."""

    def __init__(self, refusals: int = 0) -> None:
        self.published: list[Publication] = []
        self.acknowledged = 0
        self._refusals = refusals
        self._take: Any = None

    async def connect(self) -> None: ...

    async def publish(self, publications: Any) -> list[BaseException | None]:
        self.published.extend(publications)
        if self._refusals:
            self._refusals -= 1
            return [ConnectionError()]
        return [None] * len(publications)

    async def consume(self, queue: str, take: Any, *, prefetch: int) -> None:
        assert prefetch
        if queue == ROUTINE:
            self._take = take

    async def stop_consuming(self) -> None: ...

    async def close(self) -> None: ...

    def ready(self) -> bool:
        return True

    async def deliver(self, packet: Packet) -> None:
        async def acknowledge() -> None:
            self.acknowledged += 1

        await self._take(Delivery(ROUTINE, packet, acknowledge))


async def seen(fact: bool) -> bool:  # noqa: FBT001 - What is looked at.
    return fact


async def holds(broker: Broker, queue: str, count: int) -> bool:
    return await broker.held(queue) == count


async def empty(broker: Broker, queue: str) -> bool:
    return await broker.held(queue) == 0
