"""What those who were told say to it, and what follows from that."""

import csv
from datetime import timedelta
from typing import Any

import pytest
from accord_chassis import topology
from accord_chassis.binding import unpack
from accord_chassis.testing import COORDINATOR, NOON, message_of, new_id
from accord_contracts.allocation import DeclineReason
from accord_contracts.catalogue import CATALOGUE
from accord_contracts.message import Lane, Message
from accord_contracts.notify import NotificationDeclined
from accord_contracts.plans import PlanAgreed, PlanNotInForce
from accord_contracts.referrals import TriggerKind
from accord_contracts.risk import RiskLevel
from notify.domain.answers import Said
from notify.domain.notification import Notification
from notify_builders import (
    IVS,
    LEAD,
    MINUTE,
    Running,
    WorkersDirectory,
    changed,
    offered,
    team,
)

PROGRESS = 240 * MINUTE


def not_in_force(case_id: str) -> Message[PlanNotInForce]:
    """A date comes near, and no plan is agreed for it."""
    event = PlanNotInForce(
        case_id=case_id,
        trigger_id=new_id(),
        kind=TriggerKind.PRISON_RELEASE,
        happens_at=NOON + timedelta(days=3),
        due_at=NOON,
        level=RiskLevel.HIGH,
        late_by=0.0,
    )
    return message_of(event, lane=Lane.URGENT)


async def answers(
    running: Running, worker: str, message_id: str, what: str, **body: str
) -> Any:
    """A worker says something to a message."""
    headers = running.bearer("notify.inbox", worker=worker)
    path = f"/v1/inbox/{message_id}/{what}"
    return await running.http.post(path, headers=headers, json=body)


@pytest.fixture
async def alarm(
    running: Running, workers: WorkersDirectory
) -> tuple[str, str, Notification]:
    """Whoever leads is alarmed; their deputy, and the message."""
    workers.has_on_duty()
    deputy = workers.knows()
    lead, case_id = workers.knows(deputy=deputy), new_id()
    await running.hears(team((lead, LEAD), case_id=case_id), not_in_force(case_id))
    [held] = await running.all()
    return lead, deputy, held


async def test_who_knows_and_does_nothing_is_asked_again_and_then_the_next(
    running: Running, alarm: tuple[str, str, Notification]
) -> None:
    lead, deputy, held = alarm
    assert (await running.acknowledges(lead, held.id)).status_code == 204
    await running.later(PROGRESS - MINUTE)
    [known] = await running.inbox(lead)
    assert (known["ended_at"], known["acknowledged_at"] is None) == (None, False)

    await running.later(MINUTE)

    [asked] = await running.inbox(lead)
    assert asked["acknowledged_at"] is None
    assert await running.inbox(deputy) == []
    await running.later(30 * MINUTE)
    assert len(await running.inbox(deputy)) == 1
    await running.acknowledges(deputy, held.id)
    assert (await running.inbox(lead))[0]["reopens_at"]


async def test_what_is_agreed_in_time_never_opens_again(
    running: Running, alarm: tuple[str, str, Notification]
) -> None:
    lead, _, held = alarm
    await running.acknowledges(lead, held.id)
    agreed = PlanAgreed(
        case_id=held.case_id,
        plan_version=1,
        agreed_at=NOON + MINUTE,
        triggers=(str(held.about_id),),
    )
    await running.hears(message_of(agreed, at=NOON + MINUTE))

    await running.later(2 * PROGRESS)

    [over] = await running.inbox(lead)
    assert over["ended_at"]
    assert len((await running.all())[0].told) == 1


async def test_who_cannot_take_it_says_why_and_the_next_is_told_at_once(
    running: Running, alarm: tuple[str, str, Notification]
) -> None:
    lead, deputy, held = alarm

    said = await answers(running, lead, held.id, "refusal", reason="no_capacity")
    await running.later(timedelta())

    assert said.status_code == 204
    assert len(await running.inbox(deputy)) == 1
    [now] = await running.all()
    assert [(each.said, each.worker_id, each.reason) for each in now.answers] == [
        (Said.CANNOT_TAKE, lead, DeclineReason.NO_CAPACITY)
    ]


async def test_a_message_is_handed_over_to_who_may_know_alone(
    running: Running, alarm: tuple[str, str, Notification], workers: WorkersDirectory
) -> None:
    lead, _, held = alarm
    their_deputy = workers.knows()
    barred, other = workers.knows(), workers.knows(deputy=their_deputy)
    running.standings.tell(barred, held.case_id, conflict=True)

    refused = [
        await answers(running, lead, held.id, "handover", worker_id=to)
        for to in (barred, new_id(), lead)
    ]
    workers.status = 500
    away = await answers(running, lead, held.id, "handover", worker_id=other)
    workers.status = 200
    given = await answers(running, lead, held.id, "handover", worker_id=other)

    assert away.status_code == 503
    assert {each.status_code for each in refused} == {409}
    assert len({each.json()["type"] for each in refused}) == 1
    assert given.status_code == 204
    assert len(await running.inbox(other)) == 1
    assert await running.inbox(barred) == []
    await running.later(30 * MINUTE)
    assert len(await running.inbox(their_deputy)) == 1


async def test_an_offer_is_declined_by_whoever_it_was_made_to_alone(
    running: Running, workers: WorkersDirectory
) -> None:
    deputy = workers.knows()
    worker = workers.knows(deputy=deputy)
    await running.hears(offer := offered(worker))
    [made] = await running.all()
    clock = made.escalate_at

    for _ in range(2):
        said = await answers(running, worker, made.id, "refusal", reason="on_leave")
        assert said.status_code == 204
    given = await answers(running, worker, made.id, "handover", worker_id=deputy)

    [held] = await running.all()
    assert [(each.said, each.worker_id) for each in held.answers] == [
        (Said.CANNOT_TAKE, worker)
    ]
    # Nobody is woken for it: whoever is asked next hears of it from allocation.
    assert held.escalate_at == clock
    queue = running.broker.queues[topology.queue_of("allocation", held.lane)]
    heard = [unpack(each, CATALOGUE).data for each in queue.ready]
    declined = [each for each in heard if isinstance(each, NotificationDeclined)]
    assert [(e.worker_id, e.allocation_id) for e in declined] == [
        (worker, offer.data.allocation_id)
    ]
    assert given.json()["type"] == "urn:accord:problem:answer-the-offer"

    # Should allocation not hear of it, the next is told, who cannot say no for them.
    assert clock is not None
    await running.later(clock - running.clock.now())
    assert len(await running.inbox(deputy)) == 1
    said = await answers(running, deputy, made.id, "refusal", reason="on_leave")
    assert said.json()["type"] == "urn:accord:problem:answer-the-offer"


async def test_what_asks_for_no_answer_gets_none(
    running: Running, workers: WorkersDirectory
) -> None:
    worker, case_id = workers.knows(), new_id()
    await running.hears(
        team((worker, IVS), case_id=case_id), changed(case_id, level=RiskLevel.LOW)
    )
    [held] = await running.all()

    said = await answers(running, worker, held.id, "refusal", reason="unsafe")

    assert said.json()["type"] == "urn:accord:problem:nothing-to-answer"


async def test_nobody_answers_for_somebody_else(
    running: Running, alarm: tuple[str, str, Notification]
) -> None:
    _, deputy, held = alarm

    said = await answers(running, deputy, held.id, "refusal", reason="unsafe")
    given = await answers(running, deputy, held.id, "handover", worker_id=deputy)

    assert (said.status_code, given.status_code) == (404, 404)


async def test_what_was_said_stands_in_the_record_of_the_case(
    running: Running, alarm: tuple[str, str, Notification], workers: WorkersDirectory
) -> None:
    lead, _, held = alarm
    other = workers.knows()
    await running.acknowledges(lead, held.id)
    await running.later(PROGRESS)
    await answers(running, lead, held.id, "handover", worker_id=other)
    await answers(running, other, held.id, "refusal", reason="wrong_area")
    # The next is told with the next sweep, which may come at any moment by itself.
    await running.later(timedelta())

    headers = running.bearer("notify.review", worker=COORDINATOR)
    path = f"/v1/cases/{held.case_id}/notifications"
    answer = await running.http.get(path, headers=headers)

    [shown] = answer.json()["notifications"]
    assert [each["said"] for each in shown["answers"]] == [
        "acknowledged", "reopened", "handed_over", "cannot_take",
    ]  # fmt: skip
    assert shown["answers"][2]["to"] == other
    on_duty = workers.on_duty
    assert {each["worker_id"] for each in shown["told"]} == {lead, other, on_duty}

    taken = await running.http.get(f"{path}/record", headers=headers)

    assert taken.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(taken.text.splitlines()))
    assert [(each["what"], each["worker_id"]) for each in rows] == [
        ("told", lead),
        ("acknowledged", lead),
        ("reopened", lead),
        ("told", lead),
        ("handed_over", lead),
        ("told", other),
        ("cannot_take", other),
        ("told", on_duty),
    ]
    assert [each["at"] for each in rows] == sorted(each["at"] for each in rows)
    assert {each["reference"] for each in rows} == {held.reference}
    assert rows[-2]["reason"] == "wrong_area"
    assert rows[-4]["to"] == other


async def test_only_who_coordinates_the_case_takes_its_record_along(
    running: Running, alarm: tuple[str, str, Notification]
) -> None:
    lead, _, held = alarm
    path = f"/v1/cases/{held.case_id}/notifications/record"
    theirs = running.bearer("notify.review", worker=lead)
    nowhere = f"/v1/cases/{new_id()}/notifications/record"
    coordinators = running.bearer("notify.review", worker=COORDINATOR)

    refused = [
        await running.http.get(path, headers=theirs),
        await running.http.get(nowhere, headers=coordinators),
    ]

    assert [each.status_code for each in refused] == [404, 404]
