"""An urgent referral never waits behind a backlog of routine ones."""

import json
import time
from collections.abc import AsyncIterator

import pytest
from accord.client import Client
from accord_chassis.topology import queue_of
from accord_contracts.message import Lane
from app import Region, Report, eventually
from ledger import household
from people import HIGH_RISK_TEAM, OFFERED, ReferringAgency
from regions import Ground, Running, as_processes, many_workers
from wiretap import held

pytestmark = pytest.mark.timeout(600)

LINES = 500
"""Referrals of one batch."""

BATCHES = 2

WITHIN = 240.0

BACKLOG = queue_of("risk", Lane.ROUTINE)


@pytest.fixture(scope="module")
async def running(
    ground: Ground, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Running]:
    """A region of five processes, with nobody who listens in and nobody who mails."""
    async with as_processes(
        ground,
        tmp_path_factory.mktemp("urgent"),
        extra={"ACCORD_SMTP_URL": ""},
        staff=many_workers,
        exchanges=(),
    ) as found:
        yield found


@pytest.fixture
def region(running: Running) -> Region:
    return running.region


async def build_backlog(running: Running, agency: ReferringAgency) -> int:
    """Have routine referrals wait for risk, which is away, and say how many do."""
    url = running.platform["referrals"].url
    async with Client(url, token=agency.token) as client:
        for _ in range(BATCHES):
            told = (household(running.region) for _ in range(LINES))
            body = "\n".join(map(json.dumps, told)).encode()
            headers = {"content-type": "application/x-ndjson"}
            path = "/v1/referrals/batch"
            answer = await client.request("POST", path, body=body, headers=headers)
            assert answer.body.count(b'"accepted"') == LINES

    async def all_wait() -> bool:
        waiting = await held(running.region.administrator, [BACKLOG])
        return waiting.get(BACKLOG) == LINES * BATCHES

    await eventually(all_wait, within=WITHIN)
    return LINES * BATCHES


async def notified(region: Region) -> int:
    """Count the offers that stand in an inbox."""
    notifications = region.database("notify")["notifications"]
    return await notifications.count_documents({"event": OFFERED})


async def stages_of(region: Region, case: str) -> str:
    """Say how long after it was received a referral reached each service."""
    about = {"case_id": case}
    found = await region.database("referrals")["cases"].find_one({"_id": case})
    assert found
    received = found["episodes"][0]["received_at"]
    allocations = region.database("allocation")["allocations"].find(about)
    offered = max([each["offers"][0]["offered_at"] async for each in allocations])
    told = region.database("notify")["notifications"].find(about)
    notified_ = max([each["created_at"] async for each in told])
    seconds = [(each - received).total_seconds() for each in (offered, notified_)]
    return f"offered after {seconds[0]:.2f} s, in inboxes after {seconds[1]:.2f} s"


async def test_an_urgent_referral_overtakes_a_backlog_of_routine_ones(
    running: Running, region: Region, police: ReferringAgency, report: Report
) -> None:
    await running.platform["risk"].stop()
    began = time.monotonic()
    backlog = await build_backlog(running, police)
    built = time.monotonic() - began
    await running.platform["risk"].start()

    posted = time.monotonic()
    urgent = await police.refers(region.grave_referral())
    case = await eventually(region.case_of(urgent))
    notifications = region.database("notify")["notifications"]

    async def everybody_was_told() -> bool:
        told = await notifications.count_documents({"case_id": case})
        return told == len(HIGH_RISK_TEAM)

    await eventually(everybody_was_told, within=WITHIN)
    took = time.monotonic() - posted
    done = await notified(region) - len(HIGH_RISK_TEAM)

    async def all_were_told() -> bool:
        return await notified(region) == backlog + len(HIGH_RISK_TEAM)

    await eventually(all_were_told, within=WITHIN)
    worked_off = time.monotonic() - posted
    report(
        f"urgent: all three asked were told {took:.2f} s after the post "
        f"({await stages_of(region, case)}), when {done} of a backlog of {backlog} "
        f"(built in {built:.0f} s) were; the last of it {worked_off:.0f} s after"
    )
    assert done < backlog / 2
