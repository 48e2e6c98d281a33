"""Parked messages are looked at, replayed and discarded; none is lost on the way."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from accord import parked
from accord.deployment import Deployment
from accord.discarding import (
    ASK,
    CONFIRM_WITHIN,
    DISCARD,
    REPLAY,
    Reason,
    standing,
)
from accord.faults import CannotGoOn
from accord.management import Management
from accord.operators import on_record
from accord.surroundings import Surroundings
from accord_chassis.entries import OPENED, Keys, Recorded
from accord_chassis.testing import eventually
from accord_chassis.verification import anchors_in
from accord_contracts.catalogue import CATALOGUE
from aio_pika import DeliveryMode, Message, connect
from aio_pika.abc import AbstractChannel
from chassis_audit import entry
from cli_verbs import Accord, token_of
from pydantic import SecretStr
from pymongo import AsyncMongoClient

QUEUE = "risk.urgent"

Client = AsyncMongoClient[dict[str, Any]]


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


@pytest.fixture
def second(region: Surroundings, accord: Accord) -> Accord:
    """The command as another operator calls it."""
    return partial(accord, ACCORD_OPERATOR_TOKEN=token_of(region, "second"))


async def recorded(client: Client, region: Surroundings) -> list[dict[str, Any]]:
    """What operators have done, as the audit log tells it."""
    entries = client[region.database_of("audit")]["entries"]
    return [
        each
        async for each in entries.find({"action": {"$ne": OPENED}}).sort("at", 1)
        if each["_id"].startswith("operator/")
    ]


async def test_looking_takes_nothing_away(
    channel: AbstractChannel, deployment: Deployment
) -> None:
    ids = {await park(channel), await park(channel)}

    for _ in range(3):
        async with parked.parking(deployment) as parking:
            found, _ = await parking.listed()
            assert {each.message_id for each in found} == ids

    assert (await parked.counts(deployment, CATALOGUE))[QUEUE] == len(ids)


async def test_a_replayed_message_begins_anew(
    channel: AbstractChannel, deployment: Deployment
) -> None:
    message_id = await park(channel)

    async with parked.parking(deployment) as parking:
        await parking.replayed(message_id[:8])

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
            await parking.replayed(message_id)

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
            await parking.shown("")
        with pytest.raises(CannotGoOn, match="no parked message"):
            await parking.shown("nothing")


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


async def test_one_asks_and_another_confirms_that_a_message_is_discarded(
    channel: AbstractChannel,
    accord: Accord,
    second: Accord,
    store_client: Client,
    region: Surroundings,
) -> None:
    message_id = await park(channel)

    early = second("dead-letters", "confirm", message_id, "--yes")
    asked = accord("dead-letters", "discard", message_id, "--reason", "never_real")
    own = accord("dead-letters", "confirm", message_id, "--yes")
    listed = json.loads(accord("dead-letters", "list", "--json").stdout)
    discarded = second("dead-letters", "confirm", message_id, "--yes")

    assert "Nobody has said" in early.stderr
    assert "stays parked until somebody else confirms" in asked.stdout
    assert "It was you" in own.stderr
    assert [(e["discard"], e["said_by"]) for e in listed] == [("never_real", "first")]
    assert discarded.stdout == f"{QUEUE}/{message_id} discarded.\n"
    assert accord("dead-letters", "list").stdout == "Nothing is parked.\n"
    done = await recorded(store_client, region)
    assert [(e["action"], e["subject"], e["outcome"]) for e in done] == [
        ("dead_letter.read", "second", "permitted"),
        ("dead_letter.ask_discard", "first", "permitted"),
        ("dead_letter.read", "first", "permitted"),
        ("dead_letter.discard", "first", "refused"),
        ("dead_letter.read", "first", "permitted"),
        ("dead_letter.read", "second", "permitted"),
        ("dead_letter.discard", "second", "permitted"),
    ]
    last = done[-1]
    assert (last["purpose"], last["rule"]) == ("never_real", "two_people")
    assert last["resource"] == "referral.received.v1"
    assert last["resource_id"] == f"{QUEUE}/{message_id}"


async def test_nothing_is_lost_while_nobody_confirms_and_a_replay_ends_the_word(
    channel: AbstractChannel, deployment: Deployment, region: Surroundings
) -> None:
    message_id = await park(channel)
    second = deployment.model_copy(
        update={"operator_token": SecretStr(token_of(region, "second"))}
    )

    async with parked.parking(deployment) as parking:
        await parking.ask(message_id, Reason.DONE_OTHERWISE)
    async with parked.parking(second) as parking:
        [_], words = await parking.listed()
        await parking.to_confirm(message_id)

    assert (await parked.counts(deployment, CATALOGUE))[QUEUE] == 1
    assert set(words) == {f"{QUEUE}/{message_id}"}

    async with parked.parking(second) as parking:
        await parking.replayed(message_id)
        with pytest.raises(CannotGoOn, match="Nobody has said"):
            await parking.to_confirm(message_id)


NOW = datetime(2026, 11, 28, tzinfo=UTC)


def word(action: str, *, hours: float, intact: bool = True, **other: Any) -> Recorded:
    """What was done so many hours ago."""
    done = entry(**{"action": action, "resource_id": "one", **other})
    return Recorded(f"entry-{hours}", NOW - timedelta(hours=hours), done, intact)


@pytest.mark.parametrize(
    ("said", "stands"),
    [
        ([word(ASK, hours=1)], True),
        ([word(ASK, hours=71)], True),
        ([word(ASK, hours=73)], False),
        ([word(ASK, hours=2), word(REPLAY, hours=1)], False),
        ([word(ASK, hours=1), word(REPLAY, hours=2)], True),
        ([word(ASK, hours=2), word(DISCARD, hours=1)], False),
        ([word(ASK, hours=2), word(DISCARD, hours=1, outcome="refused")], True),
        ([word(ASK, hours=1, intact=False)], False),
        ([word(ASK, hours=1, outcome="refused")], False),
        ([word(ASK, hours=1, resource_id="another")], False),
    ],
)
def test_a_word_stands_for_its_time_until_somebody_replays_or_discards(
    said: list[Recorded], *, stands: bool
) -> None:
    assert ("one" in standing(said, NOW - CONFIRM_WITHIN)) is stands


def test_repeating_a_word_does_not_make_it_ones_own() -> None:
    first = word(ASK, hours=2, subject="first")
    again = word(ASK, hours=1, subject="second")

    assert standing([again, first], NOW - CONFIRM_WITHIN) == {"one": first}


async def test_two_logins_of_one_worker_are_one_person(
    channel: AbstractChannel, deployment: Deployment, region: Surroundings
) -> None:
    message_id = await park(channel)
    logins = [
        deployment.model_copy(
            update={"operator_token": SecretStr(token_of(region, who, worker="w-1"))}
        )
        for who in ("at-work", "at-home")
    ]

    async with parked.parking(logins[0]) as parking:
        await parking.ask(message_id, Reason.DONE_OTHERWISE)
    async with parked.parking(logins[1]) as parking:
        with pytest.raises(CannotGoOn, match="It was you"):
            await parking.to_confirm(message_id)


async def test_everything_that_is_seen_or_replayed_is_on_record(
    channel: AbstractChannel,
    deployment: Deployment,
    store_client: Client,
    region: Surroundings,
) -> None:
    ids = [await park(channel), await park(channel)]

    async with parked.parking(deployment) as parking:
        await parking.listed()
        await parking.shown(ids[0], body=True)
        await parking.replayed(ids[0])

    done = await recorded(store_client, region)
    assert [(e["action"], e["channel"], e["fields"]) for e in done] == [
        ("dead_letter.read", "list", ["envelope"]),
        ("dead_letter.read", "list", ["envelope"]),
        ("dead_letter.read", "command", ["envelope", "body"]),
        ("dead_letter.replay", "command", []),
    ]
    assert all(e["case_id"] for e in done)


async def test_whoever_is_refused_is_anchored_at_once(
    deployment: Deployment,
    region: Surroundings,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    token = SecretStr(token_of(region, "somebody", roles=["auditor"]))
    kept = deployment.model_copy(
        update={"operator_token": token, "audit_anchors": tmp_path}
    )
    untold = kept.model_copy(update={"audit_anchors": None})

    for each in (kept, untold):
        with pytest.raises(CannotGoOn, match="no operator"):
            async with parked.parking(each):
                raise AssertionError

    # Whoever sits there is told the head that nobody else keeps, once.
    [head] = capsys.readouterr().err.splitlines()
    (tmp_path / "second.ndjson").write_text(head)
    anchors = anchors_in(tmp_path, Keys(deployment.need_audit_key()))
    assert (len(anchors.heads), anchors.findings) == (2, ())
    assert all(each.startswith("operator/") for each in anchors.heads)


async def test_what_is_seen_is_anchored_before_the_command_ends(
    channel: AbstractChannel, deployment: Deployment, tmp_path: Path
) -> None:
    message_id = await park(channel)
    kept = deployment.model_copy(update={"audit_anchors": tmp_path})

    async with parked.parking(kept) as parking:
        await parking.shown(message_id)
        anchors = anchors_in(tmp_path, Keys(deployment.need_audit_key()))

    [places] = anchors.heads.values()
    assert list(places) == [1]


async def test_that_the_words_cannot_be_read_is_said(deployment: Deployment) -> None:
    away = deployment.model_copy(
        update={"audit_url": SecretStr("mongodb://u:word@127.0.0.1:1")}
    )

    async with on_record(away, "dead_letter", {"operator"}) as known:
        with pytest.raises(CannotGoOn, match="does not answer"):
            await parked.asked(known.log, NOW)


async def test_nothing_is_shown_or_done_that_cannot_be_recorded(
    channel: AbstractChannel, deployment: Deployment
) -> None:
    message_id = await park(channel)
    nowhere = SecretStr("mongodb://127.0.0.1:1")
    away = deployment.model_copy(update={"audit_url": nowhere})

    async with parked.parking(away) as parking:
        # Together, because each waits for the store for some seconds.
        said = await asyncio.gather(
            parking.listed(),
            parking.shown(message_id),
            parking.replayed(message_id),
            parking.all_replayed(),
            parking.ask(message_id, Reason.UNREADABLE),
            parking.to_confirm(message_id),
            return_exceptions=True,
        )

    for each in said:
        assert isinstance(each, CannotGoOn)
        assert "cannot be recorded" in str(each)
    assert (await parked.counts(deployment, CATALOGUE))[QUEUE] == 1


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"roles": ["auditor"]}, "no operator"),
        ({"roles": None}, "no operator"),
        ({"auth_time": None}, "a program's"),
        ({"region": "elsewhere"}, "not good"),
        ({"audience": "another"}, "not good"),
        ({"lifetime": -120}, "not good"),
    ],
)
async def test_nobody_looks_who_is_no_operator_by_their_own_login(
    deployment: Deployment, region: Surroundings, claims: dict[str, Any], said: str
) -> None:
    token = token_of(region, "somebody", **claims)
    other = deployment.model_copy(update={"operator_token": SecretStr(token)})

    with pytest.raises(CannotGoOn, match=said):
        async with parked.parking(other):
            raise AssertionError
