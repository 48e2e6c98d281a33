"""Nobody waits for whoever is on leave."""

from datetime import datetime, timedelta

import pytest
from accord_chassis.testing import NOON, new_id
from accord_contracts.allocation import Leave, LeaveChanged
from accord_contracts.message import Message
from accord_contracts.plans import ActionDueSoon
from accord_contracts.risk import RiskLevel
from notify.domain.leave import LOOKED_AGAIN
from notify.domain.leave import Leave as Kept
from notify.domain.notification import Notification
from notify_builders import (
    IVS,
    LEAD,
    MINUTE,
    MailServer,
    Running,
    WorkersDirectory,
    notification,
    offered,
    overdue,
    sent,
    team,
    unfilled,
)

HOUR = timedelta(hours=1)
MIDNIGHT = NOON + 12 * HOUR


def leave(
    worker_id: str, *spans: tuple[datetime, datetime], **told: object
) -> Message[LeaveChanged]:
    """When a worker is away."""
    event = LeaveChanged(
        worker_id=worker_id,
        leave=tuple(Leave(since=a, until=b) for a, b in spans),
        changed_at=NOON,
    )
    return sent(event, dict(told))


async def only(running: Running) -> Notification:
    [held] = await running.all()
    return held


async def test_the_next_is_told_when_the_leave_of_whoever_was_told_begins(
    running: Running, workers: WorkersDirectory
) -> None:
    deputy = workers.knows()
    worker = workers.knows(deputy=deputy)
    begins = NOON + 10 * MINUTE
    await running.hears(leave(worker, (begins, MIDNIGHT)))
    await running.hears(offered(worker))

    await running.later(9 * MINUTE)
    before = (await only(running)).told_workers
    await running.later(MINUTE)

    held = await only(running)
    assert before == [worker]
    assert held.told_workers == [worker, deputy]
    assert held.told[1].at == begins


async def test_leave_that_is_heard_of_late_counts_from_then_on(
    running: Running, workers: WorkersDirectory
) -> None:
    deputy = workers.knows()
    worker = workers.knows(deputy=deputy)
    await running.hears(offered(worker))

    await running.hears(leave(worker, (NOON - HOUR, MIDNIGHT)))
    await running.later(timedelta(seconds=1))

    assert (await only(running)).told_workers == [worker, deputy]


async def test_whoever_is_on_leave_finds_it_later_and_the_next_is_told_at_once(
    mailing: Running, workers: WorkersDirectory
) -> None:
    away = workers.knows()
    lead = workers.knows()
    worker = workers.knows(email="w@agency.example", deputy=away, team_lead=lead)
    await mailing.hears(*(leave(e, (NOON, MIDNIGHT)) for e in (worker, away)))
    await mailing.later(HOUR)

    await mailing.hears(offered(worker))
    await mailing.later(timedelta(seconds=1))

    held = await only(mailing)
    assert held.told_workers == [worker, lead]
    assert held.told[0].mail is None


async def test_what_nobody_must_answer_goes_to_whoever_is_there_too(
    running: Running, workers: WorkersDirectory
) -> None:
    duty, lead, case_id = workers.has_on_duty(), workers.knows(), new_id()
    at = NOON - HOUR
    soon = ActionDueSoon(
        case_id=case_id,
        plan_version=1,
        action_id=new_id(),
        action="visit",
        role=IVS,
        worker_id=None,
        level=RiskLevel.LOW,
        due_at=MIDNIGHT,
    )
    await running.hears(
        team((lead, LEAD), case_id=case_id, at=at),
        leave(lead, (NOON, MIDNIGHT)),
    )
    await running.hears(sent(soon, {}))

    told = {each.worker_id for each in await running.all()}
    assert told == {lead, duty}


async def test_a_coordinator_on_leave_is_told_before_nobody_is(
    running: Running, workers: WorkersDirectory
) -> None:
    first = workers.has_on_duty()
    second = workers.knows()
    workers.also_on_duty = (second,)

    await running.hears(leave(first, (NOON, MIDNIGHT)))
    await running.hears(unfilled())
    passed_over = [each.worker_id for each in await running.all()]
    await running.hears(leave(second, (NOON, MIDNIGHT)))
    await running.hears(unfilled())

    told = [each.worker_id for each in await running.all()]
    assert passed_over == [second]
    assert first in told


async def test_the_next_file_hurries_nobody_past_a_coordinator_on_leave(
    running: Running, workers: WorkersDirectory
) -> None:
    duty = workers.has_on_duty()
    await running.hears(leave(duty, (NOON, MIDNIGHT)))
    await running.later(HOUR)
    await running.hears(unfilled())
    await running.later(MINUTE)

    await running.hears(leave(duty, (NOON, MIDNIGHT), version=2))
    await running.later(timedelta(seconds=1))

    assert [each.worker_id for each in (await only(running)).told] == [duty]


async def test_whoever_is_on_leave_takes_nothing_over(
    running: Running, workers: WorkersDirectory
) -> None:
    worker, to = workers.has_on_duty(), workers.knows()
    await running.hears(leave(to, (NOON, MIDNIGHT)))
    await running.hears(unfilled())
    path = f"/v1/inbox/{(await only(running)).id}/handover"

    answer = await running.http.post(
        path,
        json={"worker_id": to},
        headers=running.bearer("notify.inbox", worker=worker),
    )

    assert answer.status_code == 409


async def test_whoever_handed_it_over_is_not_waited_for_either(
    running: Running, workers: WorkersDirectory
) -> None:
    giver, deputy = workers.has_on_duty(), workers.knows()
    to = workers.knows(deputy=deputy)
    await running.hears(unfilled())
    await running.later(MINUTE)
    path = f"/v1/inbox/{(await only(running)).id}/handover"
    headers = running.bearer("notify.inbox", worker=giver)
    await running.http.post(path, json={"worker_id": to}, headers=headers)

    await running.hears(leave(to, (NOON, MIDNIGHT)))
    await running.later(timedelta(seconds=1))

    assert (await only(running)).told_workers == [giver, to, deputy]


def test_who_was_asked_anew_is_waited_for_and_nobody_before() -> None:
    first, to = new_id(), new_id()
    held = notification(worker_id=first)
    later, until = NOON + HOUR, NOON + 2 * HOUR

    given = held.hand_over(first, to, at=later, until=until, mail=False)
    known = given.acknowledge(to, later)
    opened = known.reopen(until).tell(to, 0, at=until, until=MIDNIGHT, mail=False)

    assert held.asked == {first}
    assert (given.asked, opened.asked) == ({to}, {to})
    assert given.waits_for({to}, later)
    assert opened.waits_for({to}, until)
    assert not opened.waits_for({first}, until)


async def test_leave_that_begins_at_night_wakes_nobody(
    running: Running, workers: WorkersDirectory
) -> None:
    worker = workers.knows(deputy=workers.knows())
    case_id = new_id()
    lead = team((worker, LEAD), case_id=case_id, at=NOON - HOUR)
    begins = NOON + 11 * HOUR
    await running.hears(lead, leave(worker, (begins, begins + 48 * HOUR)))
    running.clock.advance(10 * HOUR + 59 * MINUTE)
    await running.hears(overdue(case_id))

    await running.later(2 * MINUTE)
    at_night = await only(running)

    assert at_night.told_workers == [worker]
    assert at_night.escalate_at is not None
    assert at_night.escalate_at.hour in range(6, 10)


async def test_a_letter_due_after_leave_has_begun_goes_to_whoever_is_asked_instead(
    mailing: Running, mail_server: MailServer, workers: WorkersDirectory
) -> None:
    deputy = workers.knows(email="deputy@agency.example")
    worker = workers.knows(email="worker@agency.example", deputy=deputy)
    mail_server.manner = "not_now"
    await mailing.hears(offered(worker))
    await mailing.later(timedelta())
    due = await only(mailing)

    mail_server.manner = "take"
    await mailing.hears(leave(worker, (NOON, MIDNIGHT)))
    await mailing.later(timedelta(seconds=1))
    await mailing.later(10 * MINUTE)

    held = await only(mailing)
    assert due.mail_due(NOON + 10 * MINUTE) == 0
    assert held.told_workers == [worker, deputy]
    refused = held.told[0].mail
    assert refused is not None
    assert (refused.sent_at, refused.due_at) == (None, None)
    assert mail_server.recipients == ["deputy@agency.example"]


async def test_whoever_is_on_leave_gets_the_letter_if_nobody_else_is_there(
    mailing: Running, mail_server: MailServer, workers: WorkersDirectory
) -> None:
    duty = workers.has_on_duty(email="duty@agency.example")
    await mailing.hears(leave(duty, (NOON, MIDNIGHT)))

    await mailing.hears(unfilled())
    await mailing.later(MINUTE)

    assert mail_server.recipients == ["duty@agency.example"]


@pytest.mark.parametrize("order", [(1, 2), (2, 1), (1, 2, 1, 2)])
def test_the_latest_counts_in_whatever_order_it_comes(order: tuple[int, ...]) -> None:
    told = {
        1: [Leave(since=NOON, until=MIDNIGHT)],
        2: [Leave(since=NOON + HOUR, until=MIDNIGHT)],
    }
    held = Kept(id=new_id())

    for each in order:
        held = held.hear(told[each], each, NOON)

    assert held.since(NOON) is None
    assert held.since(NOON + HOUR) == NOON + HOUR
    assert held.since(MIDNIGHT) is None


def test_leave_that_is_heard_of_again_does_not_begin_anew() -> None:
    spans = [Leave(since=NOON - HOUR, until=MIDNIGHT)]
    later = NOON + HOUR

    first = Kept(id=new_id()).hear(spans, 1, NOON)
    again = first.hear(spans, 2, later)
    back = again.hear([], 3, later)

    assert first.since(later) == again.since(later) == NOON
    assert back.hear(spans, 4, later).since(later) == later


@pytest.mark.parametrize("begins", [1, 2])
def test_spans_that_overlap_or_follow_each_other_are_one_leave(begins: int) -> None:
    ends, later = NOON + 2 * HOUR, NOON + begins * HOUR
    spans = [Leave(since=later, until=MIDNIGHT), Leave(since=NOON, until=ends)]

    held = Kept(id=new_id()).hear(spans, 1, NOON - HOUR)
    again = held.hear(spans, 2, ends)

    assert held.since(NOON - MINUTE) is None
    assert {each.since(ends) for each in (held, again)} == {NOON}
    assert held.since(MIDNIGHT) is None


def test_leave_after_days_at_work_is_another() -> None:
    first = Leave(since=NOON, until=NOON + HOUR)
    second = Leave(since=NOON + 2 * HOUR, until=MIDNIGHT)

    held = Kept(id=new_id()).hear([first, second], 1, NOON)

    assert held.since(NOON + HOUR) is None
    assert held.since(NOON + 3 * HOUR) == NOON + 2 * HOUR


def test_it_is_looked_once_more_for_what_was_being_told_when_leave_began() -> None:
    spans = [Leave(since=NOON, until=MIDNIGHT)]

    first = Kept(id=new_id()).hear(spans, 1, NOON - HOUR)
    again = first.looked(NOON)
    done = again.looked(NOON + LOOKED_AGAIN)

    assert (first.look_at, again.look_at) == (NOON, NOON + LOOKED_AGAIN)
    assert done.look_at is None
