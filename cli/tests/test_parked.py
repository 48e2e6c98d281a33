"""Parked messages are looked at, replayed and discarded; none is lost on the way."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from accord import parked
from accord.deployment import Deployment
from accord.faults import CannotGoOn
from accord.management import Management
from accord.surroundings import Surroundings
from accord_chassis.testing import eventually
from accord_contracts.catalogue import CATALOGUE
from aio_pika import DeliveryMode, Message, connect
from aio_pika.abc import AbstractChannel
from cli_verbs import Accord

QUEUE = "risk.urgent"


@pytest.fixture
async def channel(region: Surroundings) -> AsyncIterator[AbstractChannel]:
    """A channel of the risk service's own user."""
    async with await connect(region.amqp_url_of("risk")) as connection:
        yield await connection.channel(on_return_raises=True)


async def park(channel: AbstractChannel, *, reason: str = "KeyError") -> str:
    """Park a message as the bus does, and give its id."""
    message_id = str(uuid4())
    message = Message(
        b'{"case_id": "sentinel"}',
        message_id=message_id,
        delivery_mode=DeliveryMode.PERSISTENT,
        user_id="risk",
        content_type="application/json",
        headers={
            "ce-id": message_id,
            "ce-type": "referral.received.v1",
            "ce-subject": str(uuid4()),
            "attempt": "3",
            "parked": reason,
        },
    )
    dead = await channel.get_exchange("accord.dead", ensure=False)
    await dead.publish(message, QUEUE, mandatory=True)
    return message_id


async def test_looking_takes_nothing_away(
    channel: AbstractChannel, deployment: Deployment
) -> None:
    ids = {await park(channel), await park(channel)}

    for _ in range(3):
        async with parked.parking(deployment) as parking:
            assert {each.message_id for each in parking.found} == ids

    assert (await parked.counts(deployment, CATALOGUE))[QUEUE] == len(ids)


async def test_a_replayed_message_begins_anew(
    channel: AbstractChannel, deployment: Deployment
) -> None:
    message_id = await park(channel)

    async with parked.parking(deployment) as parking:
        await parking.replay(parking.chosen(message_id[:8]))

    queue = await channel.declare_queue(QUEUE, passive=True)
    delivered = await queue.get()
    assert delivered.message_id == message_id
    assert delivered.user_id == "operator"
    assert delivered.body == b'{"case_id": "sentinel"}'
    assert not {"attempt", "parked"} & delivered.headers.keys()
    assert not (await parked.counts(deployment, CATALOGUE))[QUEUE]


async def test_a_message_stays_parked_when_its_queue_cannot_be_reached(
    channel: AbstractChannel,
    deployment: Deployment,
    management: Management,
    region: Surroundings,
) -> None:
    message_id = await park(channel)
    management.delete(
        "bindings", region.vhost, "e", "accord.redeliver", "q", QUEUE, QUEUE
    )

    async with parked.parking(deployment) as parking:
        with pytest.raises(CannotGoOn, match="stays parked"):
            await parking.replay(parking.chosen(message_id))

    async def still_there() -> bool:
        return (await parked.counts(deployment, CATALOGUE))[QUEUE] == 1

    assert await eventually(still_there)


async def test_an_ambiguous_beginning_of_an_id_is_refused(
    channel: AbstractChannel, deployment: Deployment
) -> None:
    await park(channel)
    await park(channel)

    async with parked.parking(deployment) as parking:
        with pytest.raises(CannotGoOn, match="more than one"):
            parking.chosen("")
        with pytest.raises(CannotGoOn, match="no parked message"):
            parking.chosen("nothing")


async def test_the_command_lists_the_envelope_and_shows_the_body_when_asked(
    channel: AbstractChannel, accord: Accord
) -> None:
    message_id = await park(channel, reason="ValidationError")

    listed = accord("dead-letters", "list")
    envelope = accord("dead-letters", "show", message_id[:8])
    whole = accord("dead-letters", "show", message_id[:8], "--body")

    assert message_id[:8] in listed.stdout
    assert "ValidationError" in listed.stdout
    assert "sentinel" not in listed.stdout + envelope.stdout
    assert json.loads(envelope.stdout)["attempt"] == 3
    assert "sentinel" in json.loads(whole.stdout)["body"]


async def test_the_command_replays_all(
    channel: AbstractChannel, accord: Accord
) -> None:
    await park(channel)
    await park(channel)

    assert accord("dead-letters", "replay").returncode == 1
    assert accord("dead-letters", "replay", "--all").stdout == "2 replayed.\n"
    assert accord("dead-letters", "list").stdout == "Nothing is parked.\n"


async def test_a_discarded_message_is_recorded_with_the_reason(
    channel: AbstractChannel, accord: Accord, tmp_path: Path
) -> None:
    message_id = await park(channel)
    why = ("--reason", "A test message of ours")

    refused = accord("dead-letters", "discard", message_id, *why)
    discarded = accord("dead-letters", "discard", message_id, *why, "--yes")

    assert refused.returncode == 1
    assert discarded.returncode == 0
    [entry] = (tmp_path / ".accord" / "discarded.ndjson").read_text().splitlines()
    assert json.loads(entry)["message_id"] == message_id
    assert json.loads(entry)["why"] == "A test message of ours"
    assert "sentinel" not in entry
    assert accord("dead-letters", "list").stdout == "Nothing is parked.\n"
