"""One referral is one trace: over HTTP, outboxes and broker, through all services."""

import json
from collections.abc import AsyncIterator
from secrets import token_hex
from typing import Any

import pytest
from accord.client import Client
from app import SERVICES, Region, eventually
from outboxes import outboxes_of
from people import HIGH_RISK_TEAM, OFFERED, REFERRALS, ReferringAgency
from regions import Ground, Running, as_processes
from wiretap import Heard

EVENTS_OF_A_REFERRAL = {
    "referral.posted.v1", "referral.people_recognised.v1", "referral.received.v1",
    "risk.assessed.v1", "allocation.wanted.v1", "allocation.offered.v1",
    "plan.drafted.v1",
}  # fmt: skip


@pytest.fixture(scope="module")
async def running(
    ground: Ground, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Running]:
    """A region of five processes that write down everything they may."""
    folder = tmp_path_factory.mktemp("trace")
    extra = {"ACCORD_LOG_LEVEL": "debug"}
    async with as_processes(ground, folder, extra=extra) as found:
        yield found


@pytest.fixture
def region(running: Running) -> Region:
    return running.region


async def refer_in_a_trace(
    region: Region, agency: ReferringAgency, trace_id: str
) -> str:
    """Post a referral as part of an agency's own trace."""
    headers = {
        "content-type": "application/json",
        "traceparent": f"00-{trace_id}-{token_hex(8)}-01",
    }
    body = json.dumps(region.grave_referral()).encode()
    async with Client(region.url, token=agency.token) as client:
        answer = await client.request("POST", REFERRALS, body=body, headers=headers)
    referral_id: str = answer.json()["referral_id"]
    return referral_id


def written_in(running: Running, service: str, trace_id: str) -> list[dict[str, Any]]:
    """Give what a service wrote in its log about a trace."""
    lines = running.platform[service].log.read_text().splitlines()
    told = [json.loads(each) for each in lines if each.startswith("{")]
    return [each for each in told if each.get("trace_id") == trace_id]


async def follow(region: Region, referral: str) -> str:
    """Wait until everybody who is to be asked has been told, and give the case."""
    case = await eventually(region.case_of(referral))
    asked = await eventually(region.coordinator.finds_asked(case, *HIGH_RISK_TEAM))
    for each in asked.values():
        await eventually(each.worker.sees(OFFERED, case))
    await eventually(region.coordinator.reads_plan(case))
    await eventually(region.is_quiet)
    return str(case)


async def test_a_referral_is_one_trace_in_all_services(
    running: Running, region: Region, police: ReferringAgency
) -> None:
    trace_id = token_hex(16)
    async with outboxes_of(region) as outboxes:
        referral = await refer_in_a_trace(region, police, trace_id)
        case = await follow(region, referral)
        waiting = _about(outboxes.told, referral, case)
    on_the_bus = _told_because_of_it(_about(region.bus.heard, referral, case))

    assert {each.type for each in waiting} >= EVENTS_OF_A_REFERRAL
    assert {each.trace_id for each in waiting} == {trace_id}
    assert {each.type for each in on_the_bus} >= {OFFERED, "notification.sent.v1"}
    assert {each.trace_id for each in on_the_bus} == {trace_id}
    [began] = {each.headers["ce-correlationid"] for each in (*waiting, *on_the_bus)}
    assert began in {each.message_id for each in waiting}
    for service in SERVICES:
        events = {each["event"] for each in written_in(running, service, trace_id)}
        assert "message.handled" in events, service
    answered = written_in(running, "referrals", trace_id)
    assert "request.answered" in {each["event"] for each in answered}


async def test_two_referrals_are_two_traces_though_nobody_asked_for_any(
    region: Region, police: ReferringAgency
) -> None:
    traces = []
    for _ in range(2):
        referral = await police.refers(region.grave_referral())
        case = await follow(region, referral)
        heard = _told_because_of_it(_about(region.bus.heard, referral, case))
        [trace_id] = {each.trace_id for each in heard}
        traces.append(trace_id)

    assert len({*traces}) == 2


async def test_a_refusal_names_the_trace_under_which_it_is_logged(
    running: Running, police: ReferringAgency
) -> None:
    refused = await police.posts({"people": []})

    trace_id = refused.json()["instance"].rpartition(":")[2]

    async def written() -> list[dict[str, Any]]:
        return written_in(running, "referrals", trace_id)

    [line] = await eventually(written)
    assert (line["event"], line["status"]) == ("request.answered", 422)


def _about(heard: list[Heard], referral: str, case: str) -> list[Heard]:
    return [each for each in heard if each.headers["ce-subject"] in {referral, case}]


def _told_because_of_it(heard: list[Heard]) -> list[Heard]:
    """Leave out what a clock caused, like an e-mail: that begins a trace of its own."""
    return [
        each for each in heard
        if "ce-causationid" in each.headers or each.type == "referral.posted.v1"
    ]  # fmt: skip
