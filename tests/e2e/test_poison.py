"""Messages that no service can handle are put aside at once, and hold nothing up."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
import recorded
from accord import parked
from accord_chassis.binding import LARGEST, Packet, pack, unpack
from accord_chassis.testing import NOON, message_of, new_id
from accord_chassis.topology import EVENTS
from accord_contracts.allocation import (
    CaseTeamChanged,
    DeclineReason,
    Role,
    TeamMember,
)
from accord_contracts.catalogue import CATALOGUE
from accord_contracts.message import Event
from accord_contracts.notify import NotificationDeclined
from aio_pika.exceptions import ChannelClosed
from app import Region, eventually
from people import SUPPORT, ReferringAgency
from wiretap import Heard, publish

OTHERS = 20
"""Referrals that go through while poison is about."""

PUBLISHER = "allocation"
"""Who may tell of teams; only notify listens to that."""


def sent(event: Event) -> Heard:
    """Give an event as its publisher would send it."""
    packet = pack(message_of(event))
    return Heard(
        exchange=EVENTS,
        routing_key=packet.routing_key,
        message_id=packet.message_id,
        user="",
        headers=packet.headers,
        body=packet.body,
    )


def a_team() -> CaseTeamChanged:
    """Tell that somebody works on a case."""
    member = TeamMember(worker_id=new_id(), role=Role(SUPPORT))
    return CaseTeamChanged(case_id=new_id(), members=(member,), changed_at=NOON)


def with_headers(**headers: str | None) -> Heard:
    """Give a good message but for some attributes, which are other or are missing."""
    good = sent(a_team())
    changed = {**good.headers, **{f"ce-{name}": each for name, each in headers.items()}}
    kept = {name: each for name, each in changed.items() if each is not None}
    return replace(good, headers=kept)


def with_body(body: bytes) -> Heard:
    """Give a good message with another body."""
    return replace(sent(a_team()), body=body)


POISON = {
    "no JSON": with_body(b'{"case_id": '),
    "a field of the wrong form": with_body(
        json.dumps({**json.loads(sent(a_team()).body), "case_id": "Sentinel"}).encode()
    ),
    "too large": with_body(b" " * LARGEST + sent(a_team()).body),
    "no such type": with_headers(type="case_team.sacked.v1"),
    "no subject": with_headers(subject=None),
    "no such lane": with_headers(lane="express"),
    "no such time": with_headers(time="yesterday"),
}


async def put_on_the_bus(region: Region, *heard: Heard, user: str = PUBLISHER) -> None:
    """Publish under a service's own user."""
    url = region.surroundings.amqp_url_of(user)
    for each in heard:
        await publish(url, EVENTS, each.routing_key, [each], user=user)


async def parked_reasons(region: Region) -> dict[str, str]:
    """Give why each parked message is parked, by its id."""
    async with parked.parking(region.deployment) as parking:
        found, _ = await parking.listed()
        return {each.message_id: each.reason for each in found}


async def test_poison_is_parked_on_the_first_attempt_and_all_else_flows(
    region: Region, police: ReferringAgency
) -> None:
    posting = (police.refers(region.grave_referral()) for _ in range(OTHERS))

    referrals, _ = await asyncio.gather(
        asyncio.gather(*posting), put_on_the_bus(region, *POISON.values())
    )

    for each in referrals:
        await eventually(police.is_told("assessed", of=each))
    await eventually(region.is_quiet)
    async with parked.parking(region.deployment) as parking:
        listed, _ = await parking.listed()
        found = {each.message_id: (each.reason, each.attempt) for each in listed}
    ids = {each.message_id for each in POISON.values()}
    assert found == dict.fromkeys(ids, ("Unreadable", 0))
    ready = await region.ready("notify")
    assert ready["consumer"]["parked"] == len(POISON)
    assert ready["consumer"]["ok"]


async def test_a_message_from_whoever_may_not_send_it_is_parked_until_replayed(
    region: Region,
) -> None:
    team = a_team()
    forged = sent(team)
    teams = region.database("notify")["teams"]

    await publish(region.administrator, EVENTS, forged.routing_key, [forged])

    async def is_parked() -> bool:
        reasons = await parked_reasons(region)
        return reasons.get(forged.message_id) == "NotTheProducer"

    await eventually(is_parked)
    assert await teams.find_one({"_id": team.case_id}) is None

    # An operator who has looked at it and found it good may vouch for it.
    async with parked.parking(region.deployment) as parking:
        await parking.replayed(forged.message_id)

    async def has_its_effect() -> bool:
        return await teams.find_one({"_id": team.case_id}) is not None

    await eventually(has_its_effect)
    assert forged.message_id not in await parked_reasons(region)


async def test_the_broker_lets_no_service_tell_what_another_has_to_tell(
    region: Region,
) -> None:
    with pytest.raises(ChannelClosed, match="ACCESS_REFUSED"):
        await put_on_the_bus(region, sent(a_team()), user="notify")


@pytest.mark.parametrize("version", recorded.versions(), ids=lambda each: each.stem)
def test_what_a_later_version_adds_changes_nothing_of_what_is_read(
    version: Path,
) -> None:
    read = [*recorded.read(version, occasion=new_id())]
    assert len({each.type for each in read}) > len(CATALOGUE.entries) / 2

    for each in read:
        later = recorded.of_the_next_version(each)
        was, will = (
            unpack(Packet(e.message_id, e.routing_key, e.headers, e.body), CATALOGUE)
            for e in (each, later)
        )
        assert was == will
        # Nothing that was told is lost on whoever reads it today.
        assert each.data.keys() <= was.data.model_dump().keys()


async def test_an_event_about_a_case_that_nobody_knows_changes_nothing(
    region: Region,
) -> None:
    await eventually(region.is_quiet)
    before = await region.documents()
    parked_before = await region.parked()
    # Others are noted: what they are about may come later.
    stray = NotificationDeclined(
        case_id=new_id(),
        notification_id=new_id(),
        worker_id=new_id(),
        template="allocation_offered",
        reason=DeclineReason.NO_CAPACITY,
        declined_at=NOON,
        allocation_id=new_id(),
    )

    await put_on_the_bus(region, sent(stray), user="notify")
    await eventually(region.hears(stray.TYPE, case_id=stray.case_id))
    await eventually(region.is_quiet)

    assert await region.documents() == before
    assert await region.parked() == parked_before
