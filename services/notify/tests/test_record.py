"""Who was told what of a case is complete and in order, whatever came between."""

import csv
from datetime import datetime
from typing import Any

from accord_chassis.testing import COORDINATOR, NOON, new_id
from accord_contracts.message import Event
from accord_contracts.notify import (
    NotificationFailed,
    NotificationNotTexted,
    NotificationSent,
    NotificationTexted,
)
from hypothesis import given
from hypothesis import strategies as st
from notify.domain.channels import Way
from notify.domain.contact import Asked, ContactMessage, PersonalContact, SentState
from notify.domain.delivery import Delivery
from notify.domain.hours import Urgency
from notify.domain.mail import Mail, MailState, Outcome
from notify.domain.notification import Notification
from notify.domain.record import lines
from notify.domain.texts import Language
from notify.handlers.mail import Attempt, arrived, bounced
from notify.post import Posted
from notify.store import Deliveries, PersonalContacts
from notify_builders import MINUTE, POLICY, Running, notification, offered

SAID = {
    NotificationTexted: {"sms_sent"},
    NotificationNotTexted: {"sms_failed", "sms_unknown", "sms_not_taken"},
    NotificationSent: {"email_sent"},
    NotificationFailed: {"email_failed", "email_unknown", "email_not_taken"},
}


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
    here, elsewhere = (
        ContactMessage(
            asked=Asked(
                id=new_id(), case_id=each, text="we_will_ring",
                language=Language.ENGLISH, by=asker,
            ),
            policy_version="x",
            at=NOON + 3 * MINUTE,
            state=SentState.UNKNOWN,
            reason="no_answer",
        )
        for each in (case_id, new_id())
    )  # fmt: skip
    point = PersonalContact.of(person, new_id()).add(here).add(elsewhere)
    await running.service.store(PersonalContacts).save(point)

    headers = running.bearer("notify.review", worker=COORDINATOR)
    path = f"/v1/cases/{case_id}/notifications/record"
    taken = await running.http.get(path, headers=headers)

    rows = list(csv.DictReader(taken.text.splitlines()))
    assert [each["what"] for each in rows] == [
        "told", "system_to_tell", "system_not_taken", "system_told", "person_unknown",
    ]  # fmt: skip
    assert rows[1]["to"] == "police"
    assert (rows[2]["at"], rows[2]["reason"]) == (
        (NOON + MINUTE).isoformat(),
        "status_503",
    )
    assert (rows[4]["worker_id"], rows[4]["to"]) == (asker, point.contact_id)
    assert rows[4]["reason"] == "no_answer"
    assert person not in taken.text


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
