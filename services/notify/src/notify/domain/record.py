"""Who was told what of a case, when, and what they said: line by line, by time.

For a review after a death it must be complete and in order, and can be taken along: so
it holds ids, codes and times alone.
"""

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from notify.domain.contact import ContactMessage, SentState
from notify.domain.delivery import Delivery, DeliveryState
from notify.domain.mail import NO_ANSWER, Mail, MailState
from notify.domain.notification import Notification, reference_of

TO_PERSON = {
    SentState.SENT: "person_messaged",
    SentState.NOT_SENT: "person_not_messaged",
    SentState.UNKNOWN: "person_unknown",
    SentState.CLAIMED: "person_unknown",
}

TO_SYSTEM = {
    DeliveryState.SENT: "system_told",
    DeliveryState.FAILED: "system_failed",
    DeliveryState.WANTED: "system_not_taken",
    DeliveryState.CLAIMED: "system_not_taken",
}


class Line(NamedTuple):
    """One thing that was told, sent or said.

    Attributes:
        what: ``told`` (in their inbox), ``email_sent``, ``sms_failed``, ``_not_taken``,
            ``_unknown`` and ``_delivered``, one for every attempt; ``told_again``,
            ``acknowledged`` (or ``acknowledged_by_link``, ``_by_sms``) and the other
            answers, or ``over``; of an agency's own system ``system_to_tell`` and, one
            for every attempt, ``system_told``, ``_not_taken`` (or not surely) and
            ``_failed`` (it is tried no more); ``person_messaged``,
            ``person_not_messaged`` and ``person_unknown`` of a message to a person's
            own device.
        event: What happened; of a message to a person's own device, which text.
        worker_id: Who was told, or said something; who asked for a person's message.
        to: Whom it was handed over to; which agency, or which way to reach a person.
        reason: Why it could not be taken, or could not go out.
        step: Of the chain, of whoever was told; 0 for those whom the rule names.
        within: The message whose letter said that there is this one too.
    """

    at: datetime
    what: str
    reference: str
    notification_id: str
    event: str
    urgency: str
    worker_id: str = ""
    to: str = ""
    reason: str = ""
    step: int | str = ""
    within: str = ""


def lines(
    told: Iterable[Notification],
    deliveries: Iterable[Delivery] = (),
    messages: Iterable[tuple[str, ContactMessage]] = (),
) -> list[Line]:
    """Give everything that was told of a case, first to last.

    Args:
        told: To workers.
        deliveries: To agencies' own systems.
        messages: To people's own devices, each with its way to reach them.
    """
    every = [line for each in told for line in _of(each)]
    every += [line for each in deliveries for line in _to_system(each)]
    every += [_to_person(*each) for each in messages]
    return sorted(every, key=lambda line: line.at)


def as_csv(lines_: Iterable[Line]) -> str:
    """Write it as comma-separated values, with a line of names first."""
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(Line._fields)
    for line in lines_:
        writer.writerow((line.at.isoformat(), *line[1:]))
    return written.getvalue()


def _to_system(told: Delivery) -> Iterator[Line]:
    same = (reference_of(told.id), told.id, told.event, "")
    yield Line(told.created_at, "system_to_tell", *same, "", told.agency)
    for each in told.became:
        what = TO_SYSTEM[each.state]
        yield Line(each.at, what, *same, "", told.agency, each.reason or "")


def _to_person(contact_id: str, message: ContactMessage) -> Line:
    asked, what = message.asked, TO_PERSON[message.state]
    reason = message.reason or ""
    return Line(
        message.at, what, "", asked.id, asked.text, "", asked.by, contact_id, reason
    )


def _of(held: Notification) -> Iterator[Line]:
    same = (held.reference, held.id, held.event, held.urgency.value)
    for each in held.told:
        yield Line(each.at, "told", *same, each.worker_id, step=each.step)
        for rang in (*each.tried, *((each.mail,) if each.mail else ())):
            yield from _rang(rang, each.worker_id, same)
    for again in held.repeats:
        yield Line(again.at, "told_again", *same, held.worker_id)
    for said in held.answers:
        to, reason = said.to or "", said.reason.value if said.reason else ""
        means = "_by_link" if said.by_link else "_by_sms" if said.by_sms else ""
        what = f"{said.said}{means}"
        yield Line(said.at, what, *same, said.worker_id, to, reason)
    if held.ended_at:
        yield Line(held.ended_at, "over", *same)


def _rang(
    rang: Mail, worker_id: str, same: tuple[str, str, str, str]
) -> Iterator[Line]:
    within = rang.within or ""
    for each in rang.became:
        state = "not_taken" if each.state is MailState.WANTED else each.state.value
        what, reason = f"{rang.channel}_{state}", each.reason or ""
        yield Line(each.at, what, *same, worker_id, reason=reason, within=within)
    if rang.under_way_since:
        what = f"{rang.channel}_{MailState.UNKNOWN}"
        at, reason = rang.under_way_since, NO_ANSWER
        yield Line(at, what, *same, worker_id, reason=reason)
    if rang.delivered_at:
        yield Line(rang.delivered_at, f"{rang.channel}_delivered", *same, worker_id)
