"""The operator sees events go by, and disturbs nothing."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import pytest
from accord import tail
from accord.deployment import Deployment
from accord.management import Management
from accord.surroundings import Surroundings
from accord.topology import TAIL
from accord_chassis.binding import pack
from accord_chassis.testing import NOON, eventually, message_of
from accord_contracts.referrals import CaseOpened
from aio_pika import Message, connect
from cli_verbs import Accord
from pymongo import AsyncMongoClient


async def publish(region: Surroundings, case_id: str) -> None:
    packet = pack(message_of(CaseOpened(case_id=case_id, opened_at=NOON)))
    async with await connect(region.amqp_url_of("referrals")) as connection:
        channel = await connection.channel()
        events = await channel.get_exchange("accord.events", ensure=False)
        message = Message(
            packet.body,
            headers=dict(packet.headers),
            message_id=packet.message_id,
            user_id="referrals",
        )
        await events.publish(message, packet.routing_key, mandatory=False)


def watching(management: Management, region: Surroundings) -> bool:
    names = [each["name"] for each in management.rows("queues", region.vhost)]
    return any(name.startswith(TAIL) for name in names)


async def test_an_event_is_seen_with_its_envelope_and_body(
    region: Surroundings, deployment: Deployment, management: Management
) -> None:
    case_id = str(uuid4())

    async def watch() -> list[tail.Seen]:
        seen = tail.watch(deployment, pattern="case.*", count=1)
        return [each async for each in seen]

    async def is_watching() -> bool:
        return await asyncio.to_thread(watching, management, region)

    task = asyncio.create_task(watch())
    await eventually(is_watching)
    await publish(region, case_id)

    async with asyncio.timeout(10):
        [seen] = await task
    assert seen.envelope["type"] == "case.opened.v1"
    assert seen.envelope["subject"] == case_id
    assert seen.data["case_id"] == case_id
    assert "case.opened.v1" in seen.line()
    assert not watching(management, region)


@pytest.mark.parametrize(
    ("pattern", "recorded"), [("case.*", "case.*"), ("*Mere Sentinel*", "unknown")]
)
async def test_a_pattern_goes_on_record_only_if_it_looks_for_events(
    region: Surroundings,
    deployment: Deployment,
    store_client: AsyncMongoClient[dict[str, Any]],
    pattern: str,
    recorded: str,
) -> None:
    entries = store_client[region.database_of("audit")]["entries"]

    async def watch() -> None:
        async for _ in tail.watch(deployment, pattern=pattern):
            pass

    async def on_record() -> list[str]:
        found = entries.find({"action": "events.tail"})
        return [each["resource_id"] async for each in found]

    task = asyncio.create_task(watch())
    assert await eventually(on_record) == [recorded]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_command_prints_what_fits_and_stops_at_the_count(
    region: Surroundings,
    management: Management,
    accord: Accord,
) -> None:
    case_id = str(uuid4())
    words = ("events", "tail", "--type", "case.*", "--count", "2", "--json")
    task = asyncio.create_task(asyncio.to_thread(accord, *words))

    async def is_watching() -> bool:
        return await asyncio.to_thread(watching, management, region)

    await eventually(is_watching)
    await publish(region, case_id)
    await publish(region, case_id)

    done = await task
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["envelope"]["subject"] for each in lines] == [case_id, case_id]
