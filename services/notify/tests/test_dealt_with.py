"""Alarms that end by a word of their own: a role, a question, an answer, a glass."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import pytest
from accord_chassis.testing import NOON, message_of, new_id, sent_by
from accord_contracts.allocation import (
    AllocationAccepted,
    AllocationNotNeeded,
    AllocationUnanswered,
    AllocationUnfilled,
    GlassBroken,
    GlassNotReviewed,
    GlassReason,
    GlassReviewed,
)
from accord_contracts.message import Event, Lane, Message
from accord_contracts.notify import NotificationEscalated
from accord_contracts.referrals import (
    InformationDecided,
    InformationOverdue,
    InformationWithdrawn,
    RolesDecided,
    RolesQuestioned,
    RolesUndecided,
    SharingDecision,
    SharingReason,
    TransferConfirmed,
    TransferUnconfirmed,
)
from accord_contracts.risk import RiskLevel
from notify.app import ALARM_ENDINGS, ALARMS, DEALT_WITH
from notify.handlers.alarms import ENDED_BY
from notify_builders import IVS, MINUTE, POLICY, Running, WorkersDirectory

Made = Callable[[dict[str, str], datetime], Event]


class Pair(NamedTuple):
    """An alarm, what ends it, and what is different in another alarm of its kind."""

    alarm: Made
    ending: Made
    other: str


def place(about: dict[str, str]) -> dict[str, Any]:
    ids = {each: about[each] for each in ("case_id", "allocation_id")}
    return {**ids, "role": IVS, "first_referred_at": NOON}


def unfilled(about: dict[str, str], at: datetime) -> Event:
    return AllocationUnfilled(
        **place(about), level=RiskLevel.HIGH, reason="no_candidate", noticed_at=at
    )


def unanswered(about: dict[str, str], at: datetime) -> Event:
    return AllocationUnanswered(
        **place(about), level=RiskLevel.EXTREME, silent=2, noticed_at=at
    )


def accepted(about: dict[str, str], at: datetime) -> Event:
    return AllocationAccepted(**place(about), worker_id=new_id(), accepted_at=at)


def not_needed(about: dict[str, str], at: datetime) -> Event:
    return AllocationNotNeeded(**place(about), ended_at=at)


def two(about: dict[str, str]) -> dict[str, str]:
    return {each: about[each] for each in ("case_id", "harmed", "using_violence")}


def questioned(about: dict[str, str], at: datetime) -> Event:
    return RolesQuestioned(
        **two(about),
        referral_id=new_id(),
        repeat=False,
        questioned_at=at,
        decide_by=at + 10 * MINUTE,
    )


def undecided(about: dict[str, str], at: datetime) -> Event:
    return RolesUndecided(
        **two(about), referral_id=new_id(), undecided_at=at, late_by=1.0
    )


def decided(about: dict[str, str], at: datetime) -> Event:
    # The other way round than it was asked.
    named = two(about) | {
        "harmed": about["using_violence"],
        "using_violence": about["harmed"],
    }
    return RolesDecided(**named, corrected=True, decided_at=at)


def inquiry(about: dict[str, str]) -> dict[str, str]:
    ids = {each: about[each] for each in ("case_id", "inquiry_id")}
    return {**ids, "agency": "police"}


def no_answer(about: dict[str, str], at: datetime) -> Event:
    return InformationOverdue(**inquiry(about), due_at=at, late_by=1.0)


def answer(about: dict[str, str], at: datetime) -> Event:
    return InformationDecided(
        **inquiry(about),
        number=1,
        decision=next(iter(SharingDecision)),
        reason=next(iter(SharingReason)),
        answers={},
        decided_at=at,
    )


def taken_back(about: dict[str, str], at: datetime) -> Event:
    return InformationWithdrawn(**inquiry(about), withdrawn_at=at)


def glass(about: dict[str, str]) -> dict[str, str]:
    return {each: about[each] for each in ("case_id", "glass_id", "worker_id")}


def broken(about: dict[str, str], at: datetime) -> Event:
    return GlassBroken(
        **glass(about),
        reason=next(iter(GlassReason)),
        broken_at=at,
        until=at + timedelta(hours=1),
        review_by=at + timedelta(days=1),
    )


def not_reviewed(about: dict[str, str], at: datetime) -> Event:
    return GlassNotReviewed(**glass(about), noticed_at=at, late_by=1.0)


def reviewed(about: dict[str, str], at: datetime) -> Event:
    return GlassReviewed(
        **glass(about), reviewer_id=new_id(), justified=True, reviewed_at=at
    )


def unconfirmed(about: dict[str, str], at: datetime) -> Event:
    ids = {each: about[each] for each in ("case_id", "transfer_id")}
    return TransferUnconfirmed(**ids, worker_id=None, due_at=at, late_by=1.0)


def received(about: dict[str, str], at: datetime) -> Event:
    ids = {each: about[each] for each in ("case_id", "transfer_id")}
    return TransferConfirmed(**ids, confirmed_at=at)


PAIRS = [
    pytest.param(Pair(*each), id=f"{each[0].__name__}-{each[1].__name__}")
    for each in (
        (unfilled, accepted, "allocation_id"),
        (unfilled, not_needed, "allocation_id"),
        (unanswered, accepted, "allocation_id"),
        (unanswered, not_needed, "allocation_id"),
        (questioned, decided, "harmed"),
        (undecided, decided, "using_violence"),
        (no_answer, answer, "inquiry_id"),
        (no_answer, taken_back, "inquiry_id"),
        (broken, reviewed, "glass_id"),
        (not_reviewed, reviewed, "glass_id"),
        (unconfirmed, received, "transfer_id"),
    )
]
NAMES = (
    *("case_id", "allocation_id", "inquiry_id", "glass_id", "transfer_id"),
    *("worker_id", "harmed", "using_violence"),
)


def something() -> dict[str, str]:
    return {each: new_id() for each in NAMES}


def heard(event: Event, at: datetime = NOON, version: int = 1) -> Message[Any]:
    return message_of(event, at=at, lane=Lane.URGENT, version=version)


async def open_of(running: Running, event: Event) -> list[datetime | None]:
    """When what is open of an alarm happened."""
    found = await running.notifications.all_of(event.case_id)
    return [
        each.happened_at
        for each in found
        if each.event == event.TYPE and each.ended_at is None
    ]


@pytest.mark.parametrize("alarm_first", [True, False])
@pytest.mark.parametrize("pair", PAIRS)
async def test_what_is_dealt_with_rings_no_longer_and_all_else_does(
    running: Running, workers: WorkersDirectory, pair: Pair, *, alarm_first: bool
) -> None:
    workers.has_on_duty()
    about = something()
    alarm = pair.alarm(about, NOON)
    another = pair.alarm({**about, pair.other: new_id()}, NOON)
    ending = heard(pair.ending(about, NOON), NOON + MINUTE, version=2)
    in_order = [heard(alarm), ending] if alarm_first else [ending, heard(alarm)]

    for each in in_order:
        await running.hears(each)
    assert await open_of(running, alarm) == []
    told = len(await running.notifications.all_of(about["case_id"]))
    await running.hears(heard(another))

    assert await open_of(running, alarm) == [NOON]
    found = await running.notifications.all_of(about["case_id"])
    assert len(found) == told + 1


@pytest.mark.parametrize("ending_first", [True, False])
@pytest.mark.parametrize("pair", PAIRS)
async def test_an_alarm_that_is_raised_since_stands(
    running: Running, workers: WorkersDirectory, pair: Pair, *, ending_first: bool
) -> None:
    workers.has_on_duty()
    about, later = something(), NOON + 2 * MINUTE
    ending = heard(pair.ending(about, NOON), NOON + MINUTE, version=2)
    alarm = pair.alarm(about, later)
    messages = [ending, heard(alarm, later, version=3)]

    for each in messages if ending_first else reversed(messages):
        await running.hears(each)

    assert await open_of(running, alarm) == [later]


@pytest.mark.parametrize("ending_first", [True, False])
async def test_that_somebody_keeps_a_role_until_another_is_found_is_not_its_end(
    running: Running, workers: WorkersDirectory, *, ending_first: bool
) -> None:
    workers.has_on_duty()
    about = something()
    alarm = unfilled(about, NOON)
    # One version of the role says both.
    messages = [heard(accepted(about, NOON), version=2), heard(alarm, version=2)]

    for each in messages if ending_first else reversed(messages):
        await running.hears(each)

    assert await open_of(running, alarm) == [NOON]


CRITICAL = [
    each
    for each in PAIRS
    if each.values[0].alarm not in {no_answer, unconfirmed}  # These are high at most.
]


@pytest.mark.parametrize("pair", CRITICAL)
async def test_knowing_is_not_dealing_with_it(
    running: Running, workers: WorkersDirectory, pair: Pair
) -> None:
    coordinator = workers.has_on_duty()
    about = something()
    alarm = pair.alarm(about, NOON)
    await running.hears(heard(alarm))
    [told] = await running.notifications.all_of(about["case_id"])

    answered = await running.acknowledges(coordinator, told.id)
    assert answered.is_success
    await running.later(timedelta(hours=8))

    [asked] = await running.notifications.all_of(about["case_id"])
    assert (asked.ended_at, asked.acknowledged_at) == (None, None)
    assert len(asked.told) > 1

    await running.hears(heard(pair.ending(about, NOON), NOON + MINUTE, version=2))
    escalated = len(await escalations(running, told.id))
    await running.later(timedelta(days=2))

    assert len(await escalations(running, told.id)) == escalated
    [over] = [e for e in await running.all() if e.id == told.id]
    assert over.ended_at == NOON + MINUTE


async def escalations(running: Running, notification_id: str) -> list[Event]:
    sent = [each.data for each in await sent_by(running.service, running.broker)]
    return [
        each
        for each in sent
        if isinstance(each, NotificationEscalated)
        and each.notification_id == notification_id
    ]


def test_whatever_is_heard_as_an_end_ends_something() -> None:
    assert set(ENDED_BY) == set(ALARM_ENDINGS)
    ended = frozenset[str]().union(*ENDED_BY.values())
    assert {each.TYPE for each in ALARMS} == ended


def test_every_critical_alarm_that_has_an_end_is_asked_about_until_it_has_come() -> (
    None
):
    loud = {
        type_: [
            each.progress_minutes
            for each in POLICY.rules[type_].variants
            if each.urgency == "critical"
        ]
        for type_ in DEALT_WITH - {"allocation.offered.v1"}
    }

    assert all(all(minutes) for minutes in loud.values()), loud
    assert sum(map(len, loud.values())) >= 9
