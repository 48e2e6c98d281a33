"""The broker's objects: complete, as the rules want them, and shut to all others."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any

import aio_pika
import pytest
from accord_chassis import topology
from accord_chassis.binding import pack
from accord_chassis.development.backing import Backing
from accord_chassis.rabbit import reach
from accord_chassis.testing import VirtualHost
from accord_chassis.topology import (
    DEAD,
    EVENTS,
    EXCHANGES,
    LADDER,
    OPERATOR,
    REDELIVER,
    RETRY,
    rung_for,
)
from accord_contracts.catalogue import CATALOGUE, Catalogue, Entry
from accord_contracts.message import Lane
from accord_contracts.risk import ReassessmentDue, RiskChanged
from aio_pika.abc import (
    AbstractChannel,
    AbstractConnection,
    AbstractIncomingMessage,
)
from aio_pika.connection import make_url
from aiormq.exceptions import (
    AMQPError,
    ChannelAccessRefused,
    ChannelPreconditionFailed,
)
from chassis_builders import message
from chassis_surroundings import virtual_host_of

DAY = 24 * 3600

WHOLE = topology.definitions(
    CATALOGUE,
    vhost="canterbury",
    passwords=dict.fromkeys((*CATALOGUE.services, OPERATOR), "secret"),
)

LANES = [f"{service}.{lane}" for service in CATALOGUE.services for lane in Lane]

SMALL = Catalogue.of(
    [Entry(RiskChanged, "risk", ("notify",)), Entry(ReassessmentDue, "risk")]
)


def by_name(kind: str) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in WHOLE[kind]}


def policy_for(queue: str) -> dict[str, Any]:
    """The one policy that the broker applies to a queue."""
    [found] = [each for each in WHOLE["policies"] if re.search(each["pattern"], queue)]
    definition: dict[str, Any] = found["definition"]
    return definition


def bound(exchange: str) -> set[tuple[str, str]]:
    return {
        (each["routing_key"], each["destination"])
        for each in WHOLE["bindings"]
        if each["source"] == exchange
    }


def test_every_queue_is_a_durable_quorum_queue() -> None:
    assert by_name("queues").keys() == {
        name
        for lane in LANES
        for name in (
            lane,
            f"{lane}.parked",
            *(f"{lane}.retry.{r.name}" for r in LADDER),
        )
    }
    for each in WHOLE["queues"]:
        assert each["durable"]
        assert each["arguments"] == {"x-queue-type": "quorum"}


def test_no_exchange_has_a_way_out_that_hides_what_is_unroutable() -> None:
    assert by_name("exchanges").keys() == set(EXCHANGES)
    for each in WHOLE["exchanges"]:
        assert (each["type"], each["durable"], each["arguments"]) == ("topic", True, {})


@pytest.mark.parametrize("queue", LANES)
def test_a_lane_loses_nothing_when_it_is_full_or_its_reader_crashes(
    queue: str,
) -> None:
    assert policy_for(queue) == {
        "delivery-limit": 20,
        "dead-letter-exchange": DEAD,
        "dead-letter-routing-key": queue,
        "dead-letter-strategy": "at-least-once",
        "overflow": "reject-publish",
        "max-length-bytes": 1024**3,
    }
    assert (queue, f"{queue}.parked") in bound(DEAD)


@pytest.mark.parametrize("queue", LANES)
def test_every_rung_of_a_ladder_leads_back_to_its_lane(queue: str) -> None:
    for rung in LADDER:
        waiting = f"{queue}.retry.{rung.name}"
        assert (f"{queue}.{rung.name}", waiting) in bound(RETRY)
        assert policy_for(waiting) == {
            "message-ttl": rung.seconds * 1000,
            "dead-letter-exchange": REDELIVER,
            "dead-letter-routing-key": queue,
            "dead-letter-strategy": "at-least-once",
            "overflow": "reject-publish",
        }
    assert (queue, queue) in bound(REDELIVER)


@pytest.mark.parametrize("queue", LANES)
def test_what_is_parked_stays_until_a_person_acts(queue: str) -> None:
    held = policy_for(f"{queue}.parked")

    # No time to live, no limit of its length, no dead letter; and as many looks at it
    # as a person needs.
    assert held.keys() == {"delivery-limit"}
    assert held["delivery-limit"] > 1_000_000


def test_the_ladder_takes_about_a_day_and_every_step_is_longer() -> None:
    waits = []
    attempt = 1
    while (rung := rung_for(attempt)) is not None:
        waits.append(rung.seconds)
        attempt += 1

    assert 0.9 * DAY < sum(waits) < 1.1 * DAY
    assert waits == sorted(waits)
    assert [(seconds, len([*each])) for seconds, each in groupby(waits)] == [
        (10, 3), (60, 5), (600, 6), (3600, 22),
    ]  # fmt: skip


def test_there_is_no_retry_of_what_has_not_been_tried() -> None:
    with pytest.raises(ValueError, match="number 1"):
        rung_for(0)


def test_bindings_follow_from_the_catalogue() -> None:
    assert bound(EVENTS) == {
        (f"{entry.type}.{lane}", f"{service}.{lane}")
        for entry in CATALOGUE
        for service in entry.listeners
        for lane in Lane
    }


def test_a_service_that_a_locality_adds_gets_all_of_it() -> None:
    wider = CATALOGUE.with_listeners({"housing": ["risk.changed.v1"]})
    added = topology.definitions(wider, vhost="v", passwords={"housing": "secret"})

    names = {each["name"] for each in added["queues"]} - by_name("queues").keys()
    assert len(names) == 2 * (2 + len(LADDER))
    [allowed] = added["permissions"]
    assert re.search(allowed["read"], "housing.urgent")
    assert not re.search(allowed["read"], "housing_urgent")
    writes = {each["exchange"]: each["write"] for each in added["topic_permissions"]}
    assert not re.search(writes[EVENTS], "risk.changed.v1.urgent")


def test_only_tests_are_in_a_hurry() -> None:
    hurried = topology.policies(CATALOGUE, hurry=100)

    assert hurried["risk.routine.retry.10s"]["message-ttl"] == 100
    assert hurried["risk.routine"] == policy_for("risk.routine")


def test_passwords_are_salted_and_not_in_the_definitions() -> None:
    hashes = [each["password_hash"] for each in WHOLE["users"]]

    assert len({*hashes}) == len(hashes)
    assert "secret" not in str(WHOLE)


def test_a_user_may_do_nothing_but_what_is_listed() -> None:
    for each in WHOLE["users"]:
        assert each["tags"] == ""
    limited = {each["user"] for each in WHOLE["topic_permissions"]}
    assert limited == set(CATALOGUE.services)
    for each in WHOLE["permissions"]:
        if each["user"] != OPERATOR:
            assert each["configure"] == "^$"


@pytest.fixture(scope="module")
async def host(backing_services: Backing) -> AsyncIterator[VirtualHost]:
    """A virtual host in which risk tells notify."""
    async with virtual_host_of(backing_services, SMALL) as made:
        yield made


@dataclass(frozen=True)
class Session:
    """A channel of a user's."""

    channel: AbstractChannel
    user: str

    async def publish(
        self, exchange: str, key: str, *, as_user: str | None = None
    ) -> None:
        sent = pack(message())
        body = aio_pika.Message(
            sent.body,
            headers=dict(sent.headers),
            message_id=sent.message_id,
            user_id=as_user or self.user,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        if exchange:
            there = await self.channel.get_exchange(exchange, ensure=False)
        else:
            there = self.channel.default_exchange
        await there.publish(body, key, mandatory=True)

    async def consume(self, queue: str) -> None:
        there = await self.channel.get_queue(queue, ensure=False)
        await there.consume(_leave_it)

    async def purge(self, queue: str) -> None:
        await (await self.channel.get_queue(queue, ensure=False)).purge()

    async def delete(self, queue: str) -> None:
        await self.channel.queue_delete(queue)

    async def unbind(self, queue: str, key: str) -> None:
        await (await self.channel.get_queue(queue, ensure=False)).unbind(EVENTS, key)

    async def bind(self, queue: str, key: str) -> None:
        there = await self.channel.get_queue(queue, ensure=False)
        await there.bind(EVENTS, key)


Act = Callable[[Session], Awaitable[object]]


async def _leave_it(_: AbstractIncomingMessage) -> None:
    """Take a message and do nothing with it: it goes back in the end."""


@pytest.fixture
async def sessions(
    host: VirtualHost,
) -> AsyncIterator[Callable[[str], Awaitable[Session]]]:
    """Opens a session of a user."""
    opened = []

    async def open_(user: str) -> Session:
        connection = await aio_pika.connect(host.url(user))
        opened.append(connection)
        channel = await connection.channel(on_return_raises=True)
        return Session(channel, user)

    yield open_
    for each in opened:
        await each.close()


Open = Callable[[str], Awaitable[Session]]


async def test_a_service_may_do_what_it_lives_by(sessions: Open) -> None:
    risk, notify = await sessions("risk"), await sessions("notify")

    await risk.publish(EVENTS, "risk.changed.v1.routine")
    await risk.publish(RETRY, "risk.routine.10s")
    await risk.publish(DEAD, "risk.urgent")
    await notify.consume("notify.routine")
    await notify.consume("notify.urgent")
    await notify.channel.declare_queue("notify.routine", passive=True)


def publishing(
    exchange: str, key: str, *, user: str = "risk", as_user: str | None = None
) -> tuple[str, Callable[[Session], Awaitable[object]]]:
    return user, lambda each: each.publish(exchange, key, as_user=as_user)


DENIED: dict[str, tuple[str, Callable[[Session], Awaitable[object]]]] = {
    "another service's event": publishing(EVENTS, "plan.agreed.v1.routine"),
    "an event it only hears": publishing(
        EVENTS, "risk.changed.v1.routine", user="notify"
    ),
    "a lane that is none": publishing(EVENTS, "risk.changed.v1.express"),
    "a key that only begins well": publishing(EVENTS, "risk.changed.v1.routine.x"),
    "a later version": publishing(EVENTS, "risk.changed.v10.routine"),
    "the default exchange": publishing("", "notify.routine"),
    "an exchange of the broker's": publishing("amq.topic", "any"),
    "redelivery": publishing(REDELIVER, "notify.routine"),
    "another service's ladder": publishing(RETRY, "notify.routine.10s"),
    "another service's parking": publishing(DEAD, "notify.routine"),
    "another service's queue": ("risk", lambda each: each.consume("notify.routine")),
    "its own parking": ("risk", lambda each: each.consume("risk.routine.parked")),
    "its own ladder": ("risk", lambda each: each.consume("risk.routine.retry.10s")),
    "a new queue": ("risk", lambda each: each.channel.declare_queue("risk.new")),
    "its own queue, anew": (
        "risk",
        lambda each: each.channel.declare_queue("risk.routine", durable=True),
    ),
    "a new exchange": ("risk", lambda each: each.channel.declare_exchange("risk")),
    "another binding": (
        "notify",
        lambda each: each.bind("notify.routine", "plan.agreed.v1.routine"),
    ),
    "deleting its queue": (
        "risk",
        lambda each: each.channel.queue_delete("risk.routine"),
    ),
    "deleting an exchange": (
        "risk",
        lambda each: each.channel.exchange_delete(EVENTS),
    ),
    "an event, as the operator": publishing(
        EVENTS, "risk.changed.v1.routine", user=OPERATOR
    ),
    "a lane, as the operator": (
        OPERATOR,
        lambda each: each.consume("notify.routine"),
    ),
}


@pytest.mark.parametrize("what", DENIED)
async def test_the_broker_denies(sessions: Open, what: str) -> None:
    user, act = DENIED[what]
    session = await sessions(user)

    with pytest.raises(ChannelAccessRefused):
        await act(session)


@pytest.fixture(scope="module")
async def whole(
    backing_services: Backing, host: VirtualHost
) -> AsyncIterator[VirtualHost]:
    """A virtual host with every service of the catalogue."""
    # The broker knows its users across virtual hosts.
    known = host.passwords
    async with virtual_host_of(backing_services, CATALOGUE, known) as made:
        yield made


async def refuses(connection: AbstractConnection, user: str, act: Act) -> bool:
    """Tell whether the broker denies an act, which closes the channel."""
    channel = await connection.channel(on_return_raises=True)
    try:
        await act(Session(channel, user))
    except (ChannelAccessRefused, ChannelPreconditionFailed):
        return True
    except AMQPError:
        # It was let through, and failed for another reason.
        return False
    await channel.close()
    return False


@pytest.mark.parametrize("user", CATALOGUE.services)
async def test_the_broker_denies_every_service_whatever_is_not_its_own(
    whole: VirtualHost, user: str
) -> None:
    async with await aio_pika.connect(whole.url(user)) as connection:
        let_through = [
            what
            for what, act in forbidden(user).items()
            if not await refuses(connection, user, act)
        ]

    assert let_through == []


def forbidden(user: str) -> dict[str, Act]:
    """Give what a service may not do, from the catalogue."""
    own = {f"{user}.{lane}" for lane in Lane}
    foreign = sorted({*topology.all_queues(CATALOGUE)} - own)
    lanes = sorted({*topology.queues(CATALOGUE)} - own)
    types = [each.type for each in CATALOGUE if each.producer != user]
    mine = next(each.type for each in CATALOGUE.published_by(user))
    reads = {f"read {each}": partial(Session.consume, queue=each) for each in foreign}
    events = {
        f"publish {each}": partial(
            Session.publish, exchange=EVENTS, key=f"{each}.routine"
        )
        for each in types
    }
    others = {
        f"{exchange} for {each}": partial(
            Session.publish, exchange=exchange, key=f"{each}{end}"
        )
        for each in lanes
        for exchange, end in ((RETRY, ".10s"), (DEAD, ""), (REDELIVER, ""), ("", ""))
    }
    # Its own queue is not reached past the exchange either, nor replayed to itself.
    past = {
        f"{exchange} for itself": partial(
            Session.publish, exchange=exchange, key=f"{user}.routine"
        )
        for exchange in ("", REDELIVER)
    }
    spoofed = {
        f"as {each}": partial(
            Session.publish, exchange=EVENTS, key=f"{mine}.routine", as_user=each
        )
        for each in (*CATALOGUE.services, OPERATOR)
        if each != user
    }
    return {**reads, **events, **others, **past, **spoofed, **_changes(user, mine)}


def _changes(user: str, mine: str) -> dict[str, Act]:
    """Give the changes of the topology itself that a service may not make."""
    queue, other = f"{user}.routine", "accord.tail.mine"
    made: dict[str, Act] = {
        "declare": lambda each: each.channel.declare_queue(other),
        "declare anew": lambda each: each.channel.declare_queue(queue, durable=True),
        "exchange": lambda each: each.channel.declare_exchange(f"accord.{user}"),
        "delete exchange": lambda each: each.channel.exchange_delete(EVENTS),
        "bind": lambda each: each.bind(queue, f"{mine}.routine"),
        "unbind": lambda each: each.unbind(queue, f"{mine}.routine"),
        "delete queue": lambda each: each.channel.queue_delete(queue),
    }
    for name in topology.queues(CATALOGUE):
        if name.partition(".")[0] != user:
            made[f"purge {name}"] = partial(Session.purge, queue=name)
            made[f"delete {name}"] = partial(Session.delete, queue=name)
    return made


@pytest.mark.parametrize("user", [*CATALOGUE.services, OPERATOR])
async def test_no_user_but_the_administrator_is_let_into_the_management(
    whole: VirtualHost, user: str
) -> None:
    account = (user, whole.passwords[user])
    for path in ("whoami", "definitions", "users", f"queues/{whole.name}"):
        answer = await whole.management.get(f"/api/{path}", auth=account)

        assert answer.status_code == 401


@pytest.mark.parametrize("user", [*CATALOGUE.services, OPERATOR])
async def test_every_users_door_leads_to_no_virtual_host_of_others(
    whole: VirtualHost, user: str
) -> None:
    elsewhere = whole.url(user).rpartition("/")[0] + "/%2F"

    with pytest.raises(AMQPError):
        await reach(aio_pika.Connection(make_url(elsewhere)))


async def test_the_operator_replays_and_looks_and_nothing_else(
    whole: VirtualHost,
) -> None:
    acts: dict[str, Act] = {
        f"read {each}": partial(Session.consume, queue=each)
        for each in topology.all_queues(CATALOGUE)
        if not each.endswith(".parked")
    }
    acts |= {
        f"publish to {exchange}": partial(
            Session.publish, exchange=exchange, key="risk.routine"
        )
        for exchange in (EVENTS, RETRY, DEAD, "")
    }
    acts |= {
        "declare": lambda each: each.channel.declare_queue("risk.more"),
        "delete": lambda each: each.channel.queue_delete("risk.routine.parked"),
        "as a service": partial(
            Session.publish, exchange=REDELIVER, key="risk.routine", as_user="risk"
        ),
    }
    async with await aio_pika.connect(whole.url(OPERATOR)) as connection:
        let_through = [
            what
            for what, act in acts.items()
            if not await refuses(connection, OPERATOR, act)
        ]

    assert let_through == []


async def test_nobody_publishes_in_anothers_name(sessions: Open) -> None:
    risk = await sessions("risk")

    with pytest.raises(ChannelPreconditionFailed):
        await risk.publish(EVENTS, "risk.changed.v1.routine", as_user="notify")


async def test_a_users_door_leads_to_one_virtual_host(host: VirtualHost) -> None:
    elsewhere = host.url("risk").rpartition("/")[0] + "/%2F"

    with pytest.raises(AMQPError):
        await reach(aio_pika.Connection(make_url(elsewhere)))


async def test_a_service_has_no_way_into_the_management(host: VirtualHost) -> None:
    answer = await host.management.get(
        "/api/whoami", auth=("risk", host.passwords["risk"])
    )

    assert answer.status_code == 401


async def test_the_operator_replays_what_was_parked(
    sessions: Open, host: VirtualHost
) -> None:
    operator = await sessions(OPERATOR)

    await operator.publish(REDELIVER, "notify.urgent")
    await operator.channel.get_queue("notify.urgent.parked", ensure=False)

    assert await host.held("notify.urgent") == 1


async def test_importing_again_changes_nothing_and_loses_nothing(
    sessions: Open, host: VirtualHost
) -> None:
    risk = await sessions("risk")
    await risk.publish(EVENTS, "risk.changed.v1.routine")
    waiting = await host.held("notify.routine")
    before = await exported(host)

    again = topology.definitions(
        SMALL, vhost=host.name, passwords=host.passwords, hurry=100
    )
    (await host.management.post("/api/definitions", json=again)).raise_for_status()

    assert await exported(host) == before
    assert await host.held("notify.routine") == waiting > 0
    # Who was connected stays so, and may still do what they could.
    await risk.publish(EVENTS, "risk.changed.v1.routine")


async def exported(host: VirtualHost) -> dict[str, list[Any]]:
    """What the broker holds, in an order of ours."""
    answer = await host.management.get(f"/api/definitions/{host.name}")
    held = answer.json()
    return {
        kind: sorted(map(str, held[kind]))
        for kind in ("queues", "exchanges", "bindings", "policies")
    }
