"""Who was told what of a case is complete and in order, whatever came between."""

import csv
from datetime import datetime
from typing import Any

from accord_chassis.testing import COORDINATOR, NOON, message_of, new_id
from accord_contracts.allocation import DeclineReason, Leave, LeaveChanged
from accord_contracts.message import Event
from accord_contracts.notify import (
    ContactAnswered,
    ContactMessaged,
    ContactNotMessaged,
    ContactStopped,
    NotificationFailed,
    NotificationNotTexted,
    NotificationSent,
    NotificationTexted,
)
from accord_contracts.referrals import CaseErased, CaseMerged
from hypothesis import given
from hypothesis import strategies as st
from notify.domain.channels import Way
from notify.domain.contact import (
    MOST,
    Asked,
    ContactMessage,
    PersonalContact,
    SentState,
)
from notify.domain.delivery import Delivery
from notify.domain.hours import Urgency
from notify.domain.mail import Mail, MailState, Outcome
from notify.domain.notification import Notification
from notify.domain.record import lines
from notify.domain.texts import Language
from notify.domain.untold import AGAIN_AFTER
from notify.handlers.answering import Receipt, answered, receipted
from notify.handlers.contacting import became
from notify.handlers.mail import Attempt, arrived, bounced
from notify.post import Posted
from notify.store import Deliveries, NobodiesLeft, PersonalContacts
from notify_builders import (
    IVS,
    MINUTE,
    POLICY,
    Running,
    WorkersDirectory,
    drafted,
    notification,
    offered,
    review_overdue,
    team,
    unfilled,
)

SAID = {
    NotificationTexted: {"sms_sent"},
    NotificationNotTexted: {"sms_failed", "sms_unknown", "sms_not_taken"},
    NotificationSent: {"email_sent"},
    NotificationFailed: {"email_failed", "email_unknown", "email_not_taken"},
}


def asked_of(case_id: str, *, by: str = "", at: datetime = NOON) -> ContactMessage:
    """A message that a worker asks to be sent to a person, about to be sent."""
    asked = Asked(
        id=new_id(), case_id=case_id, text="we_will_ring", language=Language.ENGLISH,
        by=by or new_id(),
    )  # fmt: skip
    return ContactMessage.of(asked, "x", at, None)


async def record_of(running: Running, case_id: str) -> list[dict[str, str]]:
    """What a coordinator takes along of a case."""
    headers = running.bearer("notify.review", worker=COORDINATOR)
    path = f"/v1/cases/{case_id}/notifications/record"
    taken = await running.http.get(path, headers=headers)
    return list(csv.DictReader(taken.text.splitlines()))


def by_sms_first(urgency: Urgency) -> Notification:
    """A message that rings by SMS, then by e-mail."""
    ways = {"urgency": urgency, "ways": (Way.SMS, Way.EMAIL)}
    made = notification(mail=True).model_copy(update=ways)
    return made.with_mail(0, Mail(channel=Way.SMS, due_at=NOON))


def happens(held: Notification, what: object, at: datetime) -> tuple[Any, ...]:
    """What a message is after something, and what is told of that."""
    mail, at_gateway = held.told[0].mail, held.at_provider(0, Way.SMS)
    if what == "acknowledged":
        known = held.acknowledge(held.worker_id, at)
        return (held if held.is_known else known,)
    if what == "delivered" and at_gateway:
        return arrived(held, 0, at_gateway, at)
    if what == "gone" and at_gateway:
        return bounced(held, 0, at_gateway, "gone", at=at, quiet=POLICY.quiet)
    if isinstance(what, Outcome) and mail and mail.due_at:
        claimed = held.claim_mail(0, at, POLICY.email)
        reason = None if what is Outcome.SENT else "no"
        return Attempt(0, at, POLICY.email).became(claimed, Posted(what, reason))
    return (held,)


@given(
    st.lists(st.sampled_from([*Outcome, "acknowledged", "delivered", "gone"])),
    st.sampled_from(Urgency),
)
def test_every_event_of_a_message_has_its_line(
    course: list[object], urgency: Urgency
) -> None:
    held, told = by_sms_first(urgency), list[tuple[datetime, Event]]()
    for number, what in enumerate(course):
        at = NOON + number * MINUTE
        held, *events = happens(held, what, at)
        told += [(at, each) for each in events]

    record = lines([held])

    assert [each.at for each in record] == sorted(each.at for each in record)
    for at, event in told:
        assert SAID[type(event)] & {each.what for each in record if each.at == at}


def test_an_alarm_of_which_nobody_knows_stands_so_until_it_has_arrived() -> None:
    at, later = NOON + MINUTE, NOON + 5 * MINUTE
    held, *_ = happens(by_sms_first(Urgency.CRITICAL), Outcome.UNKNOWN, at)
    before = [(each.at, each.what) for each in lines([held])]
    mail = held.at_provider(0, Way.SMS)
    assert mail

    held, told = arrived(held, 0, mail, later)

    assert before == [(NOON, "told"), (at, "sms_unknown")]
    assert held.way_of(0) is Way.EMAIL
    assert isinstance(told, NotificationTexted)
    assert [(each.at, each.what) for each in lines([held])] == [
        *before,
        (later, "sms_sent"),
        (later, "sms_delivered"),
    ]


def test_what_was_tried_is_not_forgotten_when_somebody_knows() -> None:
    held, *_ = happens(by_sms_first(Urgency.HIGH), Outcome.NOT_TAKEN, NOON + MINUTE)

    known = held.acknowledge(held.worker_id, NOON + 2 * MINUTE)

    assert known.mail_due(NOON + 60 * MINUTE) is None
    assert "sms_not_taken" in [each.what for each in lines([known])]


def test_a_late_word_of_one_way_does_not_stop_the_next() -> None:
    held, *_ = happens(by_sms_first(Urgency.CRITICAL), Outcome.UNKNOWN, NOON)

    gone, *_ = happens(held, "gone", NOON + MINUTE)

    assert gone.told[0].tried[0].state is MailState.FAILED
    assert gone.mail_due(NOON + MINUTE) == 0
    assert gone.way_of(0) is Way.EMAIL


def person_hears(
    held: PersonalContact, what: object, at: datetime
) -> tuple[PersonalContact, *tuple[Event, ...]]:
    """What a way to reach a person is after something, and what is told of that."""
    message = held.messages[0]
    which = message.asked.id
    if isinstance(what, SentState) and message.state is SentState.CLAIMED:
        new = held.settle(which, what, "no", at)
        settled = new.message(which)
        assert settled
        return new, became(held, settled, at)
    if what in {"delivered", "gone"}:
        return receipted(held, which, Receipt("", what == "delivered"), at)
    if what in {"answered", "stopped"}:
        stop = what == "stopped"
        new = held.stop(at) if stop else held.answer(at)
        return new, *answered(held, at, stop=stop)
    return (held,)


PERSON_SAID: dict[type[Event], set[str]] = {
    ContactMessaged: {"person_messaged"},
    ContactNotMessaged: {"person_not_messaged", "person_unknown"},
    ContactAnswered: {"person_answered"},
    ContactStopped: {"person_stopped"},
}


@given(
    st.lists(
        st.sampled_from(
            [
                *(e for e in SentState if e is not SentState.CLAIMED),
                *("delivered", "gone", "answered", "stopped"),
            ]
        )
    )
)
def test_every_event_of_a_message_to_a_person_has_its_line(
    course: list[object],
) -> None:
    message = asked_of(new_id())
    held = PersonalContact.of(new_id(), new_id()).add(message)
    told = list[tuple[datetime, Event]]()
    for number, what in enumerate(course, start=1):
        at = NOON + number * MINUTE
        held, *events = person_hears(held, what, at)
        told += [(at, each) for each in events]

    record = lines([], contacts=[held], case_ids=held.case_ids)

    assert (record[0].at, record[0].what) == (NOON, "person_to_message")
    assert [each.at for each in record] == sorted(each.at for each in record)
    for at, event in told:
        assert PERSON_SAID[type(event)] & {e.what for e in record if e.at == at}
    last = held.messages[0]
    arrived_ = [each.at for each in record if each.what == "person_delivered"]
    assert arrived_ == ([last.delivered_at] if last.delivered_at else [])


def test_what_was_sent_to_a_person_and_came_back_stands_as_both() -> None:
    message = asked_of(new_id())
    held = PersonalContact.of(new_id(), new_id()).add(message)
    which = message.asked.id
    held = held.settle(which, SentState.SENT, None, NOON)

    gone = held.bounce(which, "not_delivered", NOON + MINUTE)

    record = lines([], contacts=[gone], case_ids=gone.case_ids)
    assert [(each.at, each.what, each.reason) for each in record] == [
        (NOON, "person_to_message", ""),
        (NOON, "person_messaged", ""),
        (NOON + MINUTE, "person_not_messaged", "not_delivered"),
    ]


def test_of_more_that_comes_back_than_is_kept_the_first_and_the_last_stay() -> None:
    held = PersonalContact.of(new_id(), new_id()).add(asked_of(new_id()))
    for number in range(MOST + 2):
        held = held.answer(NOON + number * MINUTE)

    times = [each.at for each in held.came_back]

    assert len(times) == MOST
    assert (times[0], times[-1]) == (NOON, NOON + (MOST + 1) * MINUTE)


def test_of_an_erased_case_nothing_stays_of_what_came_back() -> None:
    one, other = asked_of(new_id()), asked_of(new_id())
    held = PersonalContact.of(new_id(), new_id()).add(one).add(other).answer(NOON)

    left = held.erase(one.asked.case_id)

    assert [each.case_ids for each in left.came_back] == [(other.asked.case_id,)]
    assert left.erase(other.asked.case_id).came_back == ()


def test_what_led_to_a_telling_stands_before_it() -> None:
    made = notification(event="plan.not_in_force.v1")
    lead, other, later = made.worker_id, new_id(), NOON + MINUTE
    known = made.acknowledge(lead, NOON)
    again = known.reopen(later).tell(lead, 0, at=later, until=later, mail=False)
    given_ = again.hand_over(lead, other, at=later, until=later, mail=False)
    refused = given_.cannot_take(other, DeclineReason.NO_CAPACITY, later)
    held = refused.tell(new_id(), 1, at=later, until=later, mail=False)

    assert [each.what for each in lines([held])] == [
        "told", "acknowledged", "reopened", "told", "handed_over", "told",
        "cannot_take", "told",
    ]  # fmt: skip


async def test_that_nobody_was_on_duty_stands_in_the_record(
    running: Running, workers: WorkersDirectory
) -> None:
    message = unfilled()
    case_id = message.data.case_id
    await running.hears(message)

    waits = await record_of(running, case_id)

    coordinator = workers.has_on_duty()
    await running.later(AGAIN_AFTER)
    await running.later(AGAIN_AFTER)
    told = await record_of(running, case_id)

    same = ("nobody_to_tell", NOON.isoformat(), "nobody_on_duty", message.type)
    rows = [
        (each["what"], each["at"], each["reason"], each["event"])
        for each in (*waits, told[0])
    ]
    assert rows == [same, same]
    assert (told[1]["what"], told[1]["worker_id"]) == ("told", coordinator)
    assert told[1]["at"] > NOON.isoformat()
    [held] = await running.all()
    assert told[1]["template"] == held.template
    assert told[1]["happened_at"] == message.time.isoformat()
    assert held.ack_by
    assert told[1]["acknowledge_by"] == held.ack_by.isoformat()
    assert told[1]["policy_version"] == POLICY.version


def passed(rows: list[dict[str, str]]) -> list[tuple[str, str, str]]:
    """Who was passed over, why, and at which step."""
    over = (each for each in rows if each["what"] == "passed_over")
    return [(each["worker_id"], each["reason"], each["step"]) for each in over]


async def test_who_was_passed_over_stands_in_the_record_with_why_and_when(
    running: Running, workers: WorkersDirectory
) -> None:
    coordinator, deputy, barred = (
        workers.has_on_duty(),
        workers.knows(),
        workers.knows(),
    )
    worker = workers.knows(deputy=deputy, team_lead=barred)
    message = offered(worker)
    case_id = message.data.case_id
    running.standings.tell(barred, case_id, conflict=True)
    away = LeaveChanged(
        worker_id=deputy,
        leave=(Leave(since=NOON, until=NOON + 24 * 60 * MINUTE),),
        changed_at=NOON,
    )
    await running.hears(message_of(away), message)
    await running.later(60 * MINUTE)
    await running.later(60 * MINUTE)

    rows = await record_of(running, case_id)

    assert passed(rows) == [(deputy, "on_leave", "1"), (barred, "barred", "2")]
    told = [each["worker_id"] for each in rows if each["what"] == "told"]
    assert told[:2] == [worker, coordinator]


async def test_who_is_passed_over_when_it_is_told_again_stands_in_the_record_too(
    running: Running, workers: WorkersDirectory
) -> None:
    case_id, worker, barred = new_id(), workers.knows(), workers.knows()
    running.standings.tell(barred, case_id, conflict=True)
    await running.hears(team((worker, IVS), case_id=case_id, at=NOON - MINUTE))
    await running.hears(review_overdue(case_id))
    both = team((worker, IVS), (barred, IVS), case_id=case_id, version=2)
    await running.hears(both, review_overdue(case_id))

    rows = await record_of(running, case_id)
    assert [each["what"] for each in rows].count("told_again") == 1
    assert passed(rows) == [(barred, "barred", "0")]
    headers = running.bearer("notify.review", worker=COORDINATOR)
    path = f"/v1/cases/{case_id}/notifications"
    [shown] = (await running.http.get(path, headers=headers)).json()["notifications"]
    [over] = shown["passed_over"]
    assert (over["worker_id"], over["why"], over["step"]) == (barred, "barred", 0)


async def test_that_nobody_was_left_to_be_told_stands_in_the_record_until_erased(
    running: Running, workers: WorkersDirectory
) -> None:
    workers.has_on_duty()
    case_id, barred = new_id(), workers.knows()
    running.standings.tell(barred, case_id, conflict=True)
    members = team((barred, IVS), case_id=case_id, at=NOON - MINUTE)
    await running.hears(members, drafted(case_id))

    rows = await record_of(running, case_id)
    gone = CaseErased(case_id=case_id, reason="court", erased_at=NOON)
    await running.hears(message_of(gone))
    # Late, as out of a queue: nothing of it stays, and nobody is told.
    await running.hears(drafted(case_id), unfilled(case_id=case_id))

    assert passed(rows) == [(barred, "barred", "0")]
    assert await running.all() == []
    left = running.service.store(NobodiesLeft)
    assert await left.of_case(case_id) == []


async def test_what_was_told_of_a_merged_case_stands_in_the_survivors_record(
    running: Running,
) -> None:
    of_one, of_other = offered(), offered()
    case_id, survivor = of_one.data.case_id, of_other.data.case_id
    for each in (of_one, of_other):
        await running.hears(each)
    merged = CaseMerged(case_id=case_id, survivor_id=survivor, merged_at=NOON)
    await running.hears(message_of(merged, version=2))

    rows = await record_of(running, survivor)

    assert {each["case_id"] for each in rows} == {case_id, survivor}
    assert {each["case_id"] for each in await record_of(running, case_id)} == {case_id}
    running.standings.tell(COORDINATOR, case_id, conflict=True)
    headers = running.bearer("notify.review", worker=COORDINATOR)
    path = f"/v1/cases/{survivor}/notifications/record"

    refused = await running.http.get(path, headers=headers)

    assert refused.status_code == 404


async def test_the_record_of_a_case_tells_of_systems_and_devices_too(
    running: Running,
) -> None:
    message = offered()
    case_id, person, asker = message.data.case_id, new_id(), new_id()
    await running.hears(message)
    told = Delivery(
        id=new_id(), case_id=case_id, agency="police", event="information.requested.v1",
        about_id=new_id(), created_at=NOON, due_at=NOON,
    )  # fmt: skip
    away = told.settle(Outcome.NOT_TAKEN, "status_503", NOON + MINUTE, POLICY.webhooks)
    taken_by = away.settle(Outcome.SENT, None, NOON + 2 * MINUTE, POLICY.webhooks)
    await running.service.store(Deliveries).save(taken_by)
    at = NOON + 3 * MINUTE
    here, elsewhere = (
        asked_of(each, by=asker, at=at).turn(SentState.UNKNOWN, "no_answer", at)
        for each in (case_id, new_id())
    )
    point = PersonalContact.of(person, new_id()).add(here).add(elsewhere)
    await running.service.store(PersonalContacts).save(point)

    rows = await record_of(running, case_id)

    assert [each["what"] for each in rows] == [
        "told", "system_to_tell", "system_not_taken", "system_told",
        "person_to_message", "person_unknown",
    ]  # fmt: skip
    assert {each["case_id"] for each in rows} == {case_id}
    assert rows[1]["to"] == "police"
    assert (rows[2]["at"], rows[2]["reason"]) == (
        (NOON + MINUTE).isoformat(),
        "status_503",
    )
    assert (rows[5]["worker_id"], rows[5]["to"]) == (asker, point.contact_id)
    assert (rows[5]["template"], rows[5]["policy_version"]) == ("we_will_ring", "x")
    assert rows[5]["reason"] == "no_answer"
    assert not any(person in each.values() for each in rows)


def test_an_agencys_system_that_never_took_it_leaves_every_attempt_and_its_time() -> (
    None
):
    wanted = Delivery(
        id=new_id(), case_id=new_id(), agency="police",
        event="information.requested.v1", about_id=new_id(), created_at=NOON,
        due_at=NOON,
    )  # fmt: skip
    pauses = len(POLICY.webhooks.again_after_minutes)
    held, times = wanted, []
    while held.due_at:
        times.append(held.due_at)
        held = held.settle(Outcome.UNKNOWN, "no_answer", held.due_at, POLICY.webhooks)

    told = lines([], [held])

    assert [(each.at, each.what) for each in told] == [
        (NOON, "system_to_tell"),
        *((at, "system_not_taken") for at in times[:-1]),
        (times[-1], "system_failed"),
    ]
    assert len(times) == pauses + 1
    assert {each.reason for each in told[1:]} == {"no_answer"}
