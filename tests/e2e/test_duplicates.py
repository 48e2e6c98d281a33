"""Whatever is sent twice has its effect once: requests, and messages on the bus."""

import asyncio

from accord.client import Client
from app import Region, eventually, help_until_closed
from outboxes import outboxes_of
from people import HIGH_RISK_TEAM, REFERRALS, SUPPORT, Coordinator, ReferringAgency
from wiretap import redeliver

TIMES = 50

HAPPENED = {
    "referral.posted.v1", "referral.people_recognised.v1", "referral.received.v1",
    "risk.assessed.v1", "risk.changed.v1", "allocation.wanted.v1",
    "allocation.offered.v1", "allocation.accepted.v1", "allocation.declined.v1",
    "case_team.changed.v1",
    "plan.drafted.v1", "plan.agreed.v1", "plan.closed.v1",
}  # fmt: skip
"""What is told when everything happens: each of them must be harmless twice."""


async def test_a_referral_posted_fifty_times_at_once_is_one_referral(
    region: Region, police: ReferringAgency
) -> None:
    told = region.referral()
    key = "police-2026-1"

    async def post() -> tuple[int, bytes]:
        async with Client(region.url, token=police.token) as client:
            answer = await client.send("POST", REFERRALS, told, key=key)
            return answer.status, answer.body

    answers = await asyncio.gather(*(post() for _ in range(TIMES)))

    [(status, body)] = set(answers)
    assert status == 202
    referral = (await police.posts(told, key=key)).json()["referral_id"]
    assert referral.encode() in body
    await eventually(region.case_of(referral))
    await eventually(region.is_quiet)
    assert len(region.bus.all("referral.received.v1", referral_id=referral)) == 1
    stored = region.database("referrals")["referrals"]
    kept = await stored.find_one({"_id": referral})
    assert kept
    assert await stored.count_documents({"fingerprint": kept["fingerprint"]}) == 1


async def test_a_key_is_good_for_one_referral_only(
    region: Region, police: ReferringAgency, hospital: ReferringAgency
) -> None:
    told, other = region.referral(), region.referral()
    first = await police.refers(told, key="police-2026-2")

    refused = await police.posts(other, key="police-2026-2")

    assert refused.status == 422
    assert refused.json()["type"] == "urn:accord:problem:key-used-before"
    # Keys are each agency's own.
    assert await hospital.refers(other, key="police-2026-2") != first


async def test_an_agencys_reference_stands_in_for_a_key(
    region: Region, police: ReferringAgency
) -> None:
    told = region.referral()
    without = {name: each for name, each in told.items() if name != "reference"}

    assert await police.refers(told) == await police.refers(told)
    assert (await police.posts(told | {"narrative": "Another."})).status == 422
    assert (await police.posts(without)).status == 400


async def test_every_message_delivered_again_changes_nothing(
    region: Region,
    police: ReferringAgency,
    hospital: ReferringAgency,
    coordinator: Coordinator,
) -> None:
    async with outboxes_of(region) as outboxes:
        await live_through_everything(region, police, hospital, coordinator)
        before = await region.documents()
        heard, told = [*region.bus.heard], outboxes.told

        again = await redeliver(region.broker, told)
        await eventually(region.is_quiet)

    assert again > len(told)
    assert {each.type for each in told} >= HAPPENED
    after = await region.documents()
    for name, documents in before.items():
        known = {each["_id"]: each for each in documents}
        changed = [each for each in after[name] if known.pop(each["_id"], 0) != each]
        assert not changed, name
        assert not known, name
    assert region.bus.heard == heard
    assert not await region.parked()


async def live_through_everything(
    region: Region,
    police: ReferringAgency,
    hospital: ReferringAgency,
    coordinator: Coordinator,
) -> None:
    """Have one case worked on, through a repeat and a decline, and another closed."""
    told = region.referral()
    ended = await eventually(
        region.case_of(await police.refers(region.calm_referral()))
    )
    case = await eventually(region.case_of(await police.refers(told)))
    await hospital.refers(region.grave_referral(people=told["people"]))
    asked = await eventually(coordinator.finds_asked(case, *HIGH_RISK_TEAM))
    await asked[HIGH_RISK_TEAM[0]].declines()
    asked = await eventually(coordinator.finds_asked(case, *HIGH_RISK_TEAM))
    for each in asked.values():
        await each.accepts()
    # The plan's second draft is the one to agree to.
    await eventually(region.is_quiet)
    await coordinator.agrees(await eventually(coordinator.reads_plan(case)))
    await take_to_the_end(region, coordinator, ended)
    await eventually(region.is_quiet)


async def take_to_the_end(region: Region, coordinator: Coordinator, case: str) -> None:
    """Have a case at low risk helped, and its plan closed."""
    await help_until_closed(coordinator, case)
    await eventually(coordinator.finds(case, SUPPORT, "ended"))
    await eventually(region.hears("case_team.changed.v1", case_id=case, members=[]))
