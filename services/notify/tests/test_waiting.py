"""What nobody can be told of at first is no silence, and is told when one comes."""

from typing import Any

import pytest
from accord_chassis.testing import NOON, message_of, new_id, sent_by
from accord_contracts.message import Event, Lane
from accord_contracts.notify import ChannelSilent, NotificationSent
from accord_contracts.plans import PlanBreached
from accord_contracts.referrals import (
    CaseErased,
    CaseTransferred,
    OrderBreached,
    OrderKind,
    ReferralWithdrawn,
    RolesDecided,
    WithdrawalReason,
)
from accord_contracts.risk import RiskLevel
from notify.domain.untold import AGAIN_AFTER, SOON
from notify.store import Pulses, Untolds
from notify_builders import (
    IVS,
    LEAD,
    MINUTE,
    POLICY,
    Running,
    WorkersDirectory,
    team,
    unfilled,
)

PATIENCE = POLICY.email.silent_after


async def waiting(running: Running) -> list[dict[str, Any]]:
    """What nobody could be told of yet."""
    found = running.service.store(Untolds).documents.find({})
    return [each async for each in found]


async def alarms(running: Running) -> list[ChannelSilent]:
    """What was said of nobody being there."""
    told = await sent_by(running.service, running.broker)
    return [e.data for e in told if isinstance(e.data, ChannelSilent)]


async def test_that_nobody_is_there_for_a_first_alarm_is_an_alarm_itself(
    running: Running,
) -> None:
    await running.hears(unfilled())
    await running.later(PATIENCE - MINUTE)
    before = await alarms(running)
    await running.later(MINUTE)

    [alarm] = await alarms(running)
    assert before == []
    assert (alarm.way, alarm.since) == ("inbox", NOON)
    assert await running.all() == []
    assert len(await waiting(running)) == 1


async def test_whoever_comes_on_duty_is_told_within_a_minute(
    running: Running, workers: WorkersDirectory
) -> None:
    message = unfilled()
    await running.hears(message)
    await running.later(2 * 60 * MINUTE)
    coordinator = workers.has_on_duty()

    await running.later(MINUTE)

    [shown] = await running.inbox(coordinator)
    assert shown["case_id"] == message.data.case_id
    [told] = await running.all()
    assert told.happened_at == message.time
    assert told.created_at == running.clock.now()
    assert await waiting(running) == []
    pulses = running.service.store(Pulses)
    assert [
        e async for e in pulses.documents.find({"waits_since": {"$ne": None}})
    ] == []


async def test_that_others_are_told_does_not_end_the_alarm(
    running: Running, workers: WorkersDirectory
) -> None:
    barred = workers.has_on_duty()
    known, unknown = unfilled(), unfilled()
    running.standings.tell(barred, unknown.data.case_id, conflict=True)
    await running.hears(unknown)

    for _ in range(int(PATIENCE / MINUTE)):
        await running.hears(unfilled(case_id=known.data.case_id))
        await running.later(MINUTE)

    assert len(await alarms(running)) == 1
    assert len(await running.all()) == PATIENCE / MINUTE


@pytest.mark.parametrize("lane", Lane)
async def test_an_alarm_that_finds_no_directory_rings_within_seconds_of_its_return(
    running: Running, workers: WorkersDirectory, lane: Lane
) -> None:
    coordinator = workers.has_on_duty()
    workers.status = 503
    message = unfilled(lane=lane)
    await running.hears(message)
    for _ in range(3):
        await running.later(SOON)
    before, kept = await running.all(), await waiting(running)
    workers.status = 200

    await running.later(SOON)

    [shown] = await running.inbox(coordinator)
    assert (before, len(kept)) == ([], 1)
    assert shown["case_id"] == message.data.case_id
    assert await waiting(running) == []


async def test_of_an_erased_case_nobody_is_told_who_comes(
    running: Running, workers: WorkersDirectory
) -> None:
    message = unfilled()
    await running.hears(message)
    case_id = message.data.case_id
    erased = CaseErased(case_id=case_id, reason="court", erased_at=NOON)
    await running.hears(message_of(erased))
    workers.has_on_duty()

    await running.later(2 * AGAIN_AFTER)

    assert await waiting(running) == []
    assert await running.all() == []


FOR_TEAM_AND_COORDINATOR: dict[type[Event], dict[str, Any]] = {
    RolesDecided: {
        "harmed": new_id(),
        "using_violence": new_id(),
        "corrected": True,
        "decided_at": NOON,
    },
    OrderBreached: {
        "order_id": new_id(),
        "kind": OrderKind.RELEASE_CONDITIONS,
        "starts_at": NOON,
        "ends_at": None,
        "breached_at": NOON,
        "number": 1,
        "conditions": (),
        "occurred_at": NOON,
    },
    PlanBreached: {"plan_version": 1, "level": RiskLevel.HIGH, "breached_at": NOON},
    ReferralWithdrawn: {
        "referral_id": new_id(),
        "reason": WithdrawalReason.WRONG_PERSON,
        "withdrawn_at": NOON,
    },
    CaseTransferred: {"transferred_at": NOON},
}


@pytest.mark.parametrize(
    ("event", "told"),
    FOR_TEAM_AND_COORDINATOR.items(),
    ids=lambda each: each.TYPE if isinstance(each, type) else "",
)
async def test_a_team_is_told_at_once_while_no_coordinator_is_on_duty(
    running: Running,
    workers: WorkersDirectory,
    event: type[Event],
    told: dict[str, Any],
) -> None:
    lead, other, case_id = workers.knows(), workers.knows(), new_id()
    message = message_of(event(case_id=case_id, **told))
    before = team((lead, LEAD), (other, IVS), case_id=case_id, at=NOON - MINUTE)
    await running.hears(before, message)
    at_once = [each.worker_id for each in await running.all()]
    kept = await waiting(running)
    # What waits is tried again, and again nobody is there.
    await running.later(AGAIN_AFTER)
    await running.later(AGAIN_AFTER)
    coordinator = workers.has_on_duty()

    await running.later(AGAIN_AFTER)

    assert sorted(at_once) == sorted((lead, other))
    assert [each["_id"] for each in kept] == [message.id]
    everybody = sorted((lead, other, coordinator))
    assert sorted(each.worker_id for each in await running.all()) == everybody
    said = [e.data for e in await sent_by(running.service, running.broker)]
    inboxes = [each.worker_id for each in said if isinstance(each, NotificationSent)]
    assert sorted(inboxes) == everybody
    assert await waiting(running) == []
