"""Whoever is barred from a case is told nothing of it, and somebody else is at once."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from accord_chassis.audit import AuditLog
from accord_chassis.testing import (
    NOON,
    KnownStandings,
    audited,
    message_of,
    new_id,
    published,
)
from accord_contracts.access import Side
from accord_contracts.allocation import Role
from accord_contracts.message import Lane
from accord_contracts.notify import NotificationFailed, NotificationSent
from accord_contracts.referrals import OrderBreached, OrderKind
from accord_contracts.risk import RiskLevel
from notify.asks import DirectoryAway, NobodyOnDuty
from notify.domain.channels import Way
from notify.domain.mail import MailState
from notify.domain.notification import Notification
from notify.domain.occasion import Eyes
from notify.domain.wording import Wording
from notify.handlers.mail import send_mail
from notify.handlers.reaching import Reach
from notify.handlers.telling import follow_team
from notify.post import NoPost
from notify.store import Notifications, Subscriptions, Teams
from notify_builders import (
    IVS,
    LEAD,
    LINK_BASE,
    MINUTE,
    POLICY,
    MailServer,
    Running,
    WorkersDirectory,
    changed,
    notification,
    offered,
    overdue,
    review_due,
    team,
    unfilled,
    withdrawn,
)

LATER = NOON + 30 * MINUTE
OUTREACH = frozenset({Side.PERSON_USING_VIOLENCE})

BARS: list[dict[str, Any]] = [
    {"conflict": True},
    {"excluded": True},
    {"unlisted": True},
    {"active": False},
]

Tell = Callable[..., Awaitable[None]]


async def all_of(notifications: Notifications) -> list[Notification]:
    return [notifications.load(each) async for each in notifications.documents.find({})]


@pytest.mark.parametrize("bar", BARS)
async def test_whoever_is_barred_is_passed_over_and_the_next_is_told_at_once(
    tells: Tell,
    notifications: Notifications,
    workers: WorkersDirectory,
    standings: KnownStandings,
    bar: dict[str, Any],
) -> None:
    deputy = workers.knows()
    message = offered(workers.knows(deputy=deputy), level=RiskLevel.HIGH)
    standings.tell(message.data.worker_id, message.data.case_id, **bar)

    await tells(message)

    [held] = await all_of(notifications)
    assert held.told_workers == [deputy]
    assert (held.worker_id, held.step) == (message.data.worker_id, 1)
    assert held.escalate_at == NOON + 15 * MINUTE
    [said] = await published(notifications)
    assert isinstance(said.data, NotificationSent)
    assert said.data.worker_id == deputy


async def test_a_chain_passes_over_whoever_is_barred(
    escalates: Tell,
    notifications: Notifications,
    workers: WorkersDirectory,
    standings: KnownStandings,
) -> None:
    deputy, team_lead = workers.knows(), workers.knows()
    worker = workers.knows(deputy=deputy, team_lead=team_lead)
    due = await notifications.save(notification(worker_id=worker))
    standings.tell(deputy, due.case_id, excluded=True)

    await escalates(due)

    [held] = await all_of(notifications)
    assert held.told_workers == [worker, team_lead]
    assert held.step == 2


async def test_the_next_coordinator_is_told_for_one_who_is_barred(
    tells: Tell,
    escalates: Tell,
    notifications: Notifications,
    workers: WorkersDirectory,
    standings: KnownStandings,
) -> None:
    barred, other = workers.has_on_duty(), workers.knows()
    workers.also_on_duty = (other,)
    message = unfilled()
    due = await notifications.save(notification(worker_id=workers.knows()))
    for case_id in (message.data.case_id, due.case_id):
        standings.tell(barred, case_id, conflict=True)

    await tells(message)
    await escalates(due)

    told = [held.told_workers for held in await all_of(notifications)]
    assert sorted(told, key=len) == [[other], [due.worker_id, other]]


async def test_when_nobody_is_left_the_alarm_waits_and_is_not_swallowed(
    tells: Tell,
    escalates: Tell,
    notifications: Notifications,
    workers: WorkersDirectory,
    standings: KnownStandings,
) -> None:
    barred = workers.has_on_duty()
    message = unfilled()
    due = await notifications.save(notification(worker_id=workers.knows()))
    for case_id in (message.data.case_id, due.case_id):
        standings.tell(barred, case_id, conflict=True)

    with pytest.raises(NobodyOnDuty):
        await tells(message)
    with pytest.raises(NobodyOnDuty):
        await escalates(due)

    assert await all_of(notifications) == [due]


async def test_whoever_has_to_acknowledge_nothing_leaves_nobody_to_be_told(
    tells: Tell, notifications: Notifications, standings: KnownStandings
) -> None:
    message = withdrawn(offered())
    standings.tell(message.data.worker_id, message.data.case_id, excluded=True)

    await tells(message)

    assert await all_of(notifications) == []


async def test_the_others_of_a_team_are_told_and_else_whom_the_rule_names_next(
    tells: Tell,
    notifications: Notifications,
    teams: Teams,
    workers: WorkersDirectory,
    standings: KnownStandings,
) -> None:
    case_id, barred, other, lead = new_id(), new_id(), new_id(), new_id()
    workers.has_on_duty()
    standings.tell(barred, case_id, excluded=True)
    members = [(barred, IVS), (other, IVS), (lead, LEAD)]
    await follow_team(team(*members, case_id=case_id), teams=teams)

    await tells(changed(case_id))
    await tells(overdue(case_id, barred))

    told = [held.told_workers for held in await all_of(notifications)]
    assert sorted(told) == sorted([[other], [lead], [lead]])


async def test_while_nobody_knows_who_is_barred_nobody_is_told_yet(
    tells: Tell,
    escalates: Tell,
    notifications: Notifications,
    workers: WorkersDirectory,
    standings: KnownStandings,
) -> None:
    message = offered(lane=Lane.URGENT, level=RiskLevel.EXTREME)
    workers.has_on_duty()
    due = await notifications.save(notification(worker_id=workers.knows()))
    standings.away = True

    with pytest.raises(DirectoryAway):
        await tells(message)
    with pytest.raises(DirectoryAway):
        await escalates(due)
    assert await all_of(notifications) == [due]
    standings.away = False
    await tells(message)

    assert len(await all_of(notifications)) == 2


@pytest.mark.parametrize("whose", ["harmed", "violent"])
async def test_whoever_meets_the_person_using_violence_is_told_of_their_side_alone(
    tells: Tell,
    notifications: Notifications,
    workers: WorkersDirectory,
    standings: KnownStandings,
    whose: str,
) -> None:
    role = IVS if whose == "harmed" else Role.PERPETRATOR_OUTREACH
    deputy, coordinator = workers.knows(), workers.has_on_duty()
    message = offered(workers.knows(deputy=deputy), role=role)
    case_id = message.data.case_id
    standings.tell(message.data.worker_id, case_id, excluded=True)
    standings.tell(deputy, case_id, served=OUTREACH)

    await tells(message)

    [held] = await all_of(notifications)
    told = coordinator if whose == "harmed" else deputy
    assert held.told_workers == [told]
    assert held.eyes is (Eyes.NOT_OUTREACH if whose == "harmed" else Eyes.ALL)


async def test_a_team_is_told_each_from_their_own_side(
    tells: Tell,
    notifications: Notifications,
    teams: Teams,
    standings: KnownStandings,
) -> None:
    case_id, specialist, outreach = new_id(), new_id(), new_id()
    standings.tell(outreach, case_id, sides=OUTREACH)
    members = [(specialist, IVS), (outreach, Role.PERPETRATOR_OUTREACH)]
    await follow_team(team(*members, case_id=case_id), teams=teams)

    await tells(review_due(case_id))

    eyes = {held.worker_id: held.eyes for held in await all_of(notifications)}
    assert eyes == {specialist: Eyes.NOT_OUTREACH, outreach: Eyes.ALL}


async def test_no_email_goes_to_whoever_was_barred_and_the_next_is_told_at_once(
    mailing: Running, mail_server: MailServer, workers: WorkersDirectory
) -> None:
    deputy = workers.knows(email="deputy@agency.example")
    worker = workers.knows(email="worker@agency.example", deputy=deputy)
    message = offered(worker)
    await mailing.hears(message)
    mailing.standings.tell(worker, message.data.case_id, conflict=True)

    await mailing.later(0 * MINUTE)

    [held] = await mailing.all()
    assert held.told_workers == [worker, deputy]
    assert held.mail_state(0) is None
    assert held.mail_state(1) is MailState.SENT
    assert [each["To"] for each in mail_server.letters] == ["deputy@agency.example"]


async def test_that_somebody_got_no_email_because_they_are_barred_is_told(
    notifications: Notifications,
    reach: Reach,
    standings: KnownStandings,
    subscriptions: Subscriptions,
) -> None:
    due = await notifications.save(notification(mail=True))
    standings.tell(due.worker_id, due.case_id, conflict=True)

    await send_mail(
        due,
        at=NOON,
        notifications=notifications,
        reach=reach,
        policy=POLICY,
        wording=Wording(POLICY, LINK_BASE),
        posts={Way.EMAIL: NoPost()},
        subscriptions=subscriptions,
    )

    [failed] = await published(notifications)
    assert isinstance(failed.data, NotificationFailed)
    assert (failed.data.worker_id, failed.data.reason) == (due.worker_id, "passed_over")
    [held] = await all_of(notifications)
    assert (held.mail_state(0), held.escalate_at) == (None, NOON)


@pytest.mark.parametrize("bar", [*BARS, {"served": OUTREACH}])
async def test_an_inbox_shows_nothing_of_a_case_from_which_its_reader_is_barred(
    running: Running, bar: dict[str, Any]
) -> None:
    worker = new_id()
    kept, lost = offered(worker), offered(worker)
    await running.hears(kept, lost)
    [message] = [e for e in await running.all() if e.case_id == lost.data.case_id]
    running.standings.tell(worker, lost.data.case_id, **bar)

    shown = await running.inbox(worker)

    assert [each["case_id"] for each in shown] == [kept.data.case_id]
    headers = running.bearer("notify.inbox", worker=worker)
    read = await running.http.get(f"/v1/inbox/{message.id}", headers=headers)
    absent = await running.http.get(f"/v1/inbox/{new_id()}", headers=headers)
    assert read.status_code == absent.status_code == 404
    assert read.json()["type"] == absent.json()["type"]
    assert (await running.acknowledges(worker, message.id)).status_code == 404
    assert {e.acknowledged_at for e in await running.all()} == {None}


async def test_what_an_inbox_shows_and_does_not_is_in_the_audit_log(
    running: Running,
) -> None:
    worker = new_id()
    kept, lost = offered(worker), offered(worker)
    await running.hears(kept, lost)
    running.standings.tell(worker, lost.data.case_id, conflict=True)

    await running.inbox(worker)

    entries = await audited(running.service.parts[AuditLog])
    rules = {e.case_id: e.rule for e in entries if e.resource == "message"}
    assert rules == {kept.data.case_id: "owner", lost.data.case_id: "conflict"}


async def test_an_inbox_waits_while_nobody_knows_who_is_barred(
    running: Running,
) -> None:
    message = offered()
    await running.hears(message)
    running.standings.away = True

    headers = running.bearer("notify.inbox", worker=message.data.worker_id)
    answer = await running.http.get("/v1/inbox", headers=headers)

    assert answer.status_code == 503


async def test_outreach_is_not_told_of_a_breach(
    tells: Tell,
    notifications: Notifications,
    teams: Teams,
    workers: WorkersDirectory,
    standings: KnownStandings,
) -> None:
    case_id, outreach, specialist = new_id(), new_id(), new_id()
    coordinator = workers.has_on_duty()
    standings.tell(outreach, case_id, sides=OUTREACH)
    members = [(outreach, Role.PERPETRATOR_OUTREACH), (specialist, IVS)]
    await follow_team(team(*members, case_id=case_id), teams=teams)
    breach = OrderBreached(
        case_id=case_id,
        order_id=new_id(),
        kind=OrderKind.BAIL,
        starts_at=NOON,
        breached_at=NOON,
        number=1,
        conditions=(),
        occurred_at=NOON,
    )

    await tells(message_of(breach))

    told = {each.worker_id for each in await all_of(notifications)}
    assert told == {specialist, coordinator}
