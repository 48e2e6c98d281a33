"""Who was told what of a case, when, and what they said: line by line, by time.

For a review after a death it must be complete and in order, and can be taken along: so
it holds ids, codes and times alone.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from notify.domain.answers import Answer, Said
from notify.domain.contact import ContactMessage, PersonalContact, SentState, Turn
from notify.domain.delivery import Attempt, Delivery, DeliveryState
from notify.domain.mail import NO_ANSWER, Became, Mail, MailState
from notify.domain.notification import Notification, reference_of
from notify.domain.skipped import NobodyLeft, Skipped
from notify.domain.told import Telling
from notify.domain.untold import Untold, Waited

TO_PERSON: Mapping[str, str] = {
    SentState.SENT: "person_messaged",
    SentState.NOT_SENT: "person_not_messaged",
    SentState.UNKNOWN: "person_unknown",
}

TO_SYSTEM: Mapping[str, str] = {
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
            answers, or ``over``; ``passed_over``, who may not know or is on leave;
            ``nobody_to_tell``, if it had to wait, since when; of
            an agency's own system ``system_to_tell`` and, one for every attempt,
            ``system_told``, ``_not_taken`` (or not surely) and ``_failed`` (it is tried
            no more); of a message to a person's own device ``person_to_message`` and,
            one for all that became of it, ``person_messaged``, ``_not_messaged``,
            ``_unknown`` and ``_delivered``; ``person_answered`` and ``person_stopped``,
            if something came back.
        event: What happened.
        worker_id: Who was told, or said something; who asked for a person's message.
        to: Whom it was handed over to; which agency, or which way to reach a person.
        reason: Why it could not be taken, could not go out, or had to wait; why
            somebody was passed over.
        step: Of the chain, of whoever was told; 0 for those whom the rule names.
        within: The message whose letter said that there is this one too.
        case_id: Whose this is: the case's own, or one's that is merged into it.
        template: Which text was used.
        happened_at: When it happened, by its publisher's clock.
        acknowledge_by: Until when whoever was told first had to say that they know.
        policy_version: Of the locality's rules and texts by which it was told.
    """

    at: datetime
    what: str
    reference: str = ""
    notification_id: str = ""
    event: str = ""
    urgency: str = ""
    worker_id: str = ""
    to: str = ""
    reason: str = ""
    step: int | str = ""
    within: str = ""
    case_id: str = ""
    template: str = ""
    happened_at: datetime | None = None
    acknowledge_by: datetime | None = None
    policy_version: str = ""


def lines(
    told: Iterable[Notification],
    deliveries: Iterable[Delivery] = (),
    contacts: Iterable[PersonalContact] = (),
    untold: Iterable[Untold] = (),
    nobody_left: Iterable[NobodyLeft] = (),
    *,
    case_ids: Iterable[str] = (),
) -> list[Line]:
    """Give everything that was told of a case, first to last.

    Of what has one time, what led to the other stands first.

    Args:
        told: To workers.
        deliveries: To agencies' own systems.
        contacts: Ways to reach people, with what was sent by them.
        untold: What nobody could be told of yet.
        nobody_left: Of what nobody was told, because all were passed over.
        case_ids: Of what was sent by them, what is of these counts.
    """
    of = frozenset(case_ids)
    every = [_untold(each) for each in untold]
    every += [line for each in nobody_left for line in _left_nobody(each)]
    every += [line for each in contacts for line in _of_contact(each, of)]
    every += [line for each in told for line in _of(each)]
    every += [line for each in deliveries for line in _to_system(each)]
    return sorted(every, key=lambda line: line.at)


def as_csv(lines_: Iterable[Line]) -> str:
    """Write it as comma-separated values, with a line of names first."""
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(Line._fields)
    for line in lines_:
        writer.writerow(
            each.isoformat() if isinstance(each, datetime) else each for each in line
        )
    return written.getvalue()


def _untold(waits: Untold) -> Line:
    same = Line(
        waits.since,
        "",
        event=waits.event,
        case_id=waits.case_id,
        happened_at=waits.time,
    )
    return _waited(same, waits.waited)


def _waited(same: Line, waited: Waited) -> Line:
    return same._replace(at=waited.since, what="nobody_to_tell", reason=waited.why)


def _left_nobody(noted: NobodyLeft) -> Iterator[Line]:
    same = Line(
        noted.skipped[0].at,
        "",
        event=noted.event,
        case_id=noted.case_id,
        happened_at=noted.happened_at,
    )
    return (_passed_over(each, same) for each in noted.skipped)


def _passed_over(skipped: Skipped, same: Line) -> Line:
    return same._replace(
        at=skipped.at,
        what="passed_over",
        worker_id=skipped.worker_id,
        reason=skipped.why.value,
        step=skipped.step,
    )


def _to_system(told: Delivery) -> Iterator[Line]:
    first = Line(
        told.created_at,
        "system_to_tell",
        reference=reference_of(told.id),
        notification_id=told.id,
        event=told.event,
        to=told.agency,
        case_id=told.case_id,
    )
    yield first
    yield from _became(first, told.became, TO_SYSTEM)


def _of_contact(held: PersonalContact, of: frozenset[str]) -> Iterator[Line]:
    for message in held.messages:
        if message.asked.case_id in of:
            yield from _to_person(held.contact_id, message)
    for back in held.came_back:
        what = "person_stopped" if back.stop else "person_answered"
        for each in back.case_ids:
            if each in of:
                yield Line(back.at, what, to=held.contact_id, case_id=each)


def _to_person(contact_id: str, message: ContactMessage) -> Iterator[Line]:
    asked = message.asked
    first = Line(
        message.at,
        "person_to_message",
        notification_id=asked.id,
        worker_id=asked.by,
        to=contact_id,
        case_id=asked.case_id,
        template=asked.text,
        policy_version=message.policy_version,
    )
    yield first
    yield from _became(first, message.became, TO_PERSON)
    if message.state is SentState.CLAIMED:
        yield first._replace(what="person_unknown", reason=NO_ANSWER)
    if message.delivered_at:
        yield first._replace(at=message.delivered_at, what="person_delivered")


def _of(held: Notification) -> Iterator[Line]:
    same = Line(
        held.created_at,
        "",
        reference=held.reference,
        notification_id=held.id,
        event=held.event,
        urgency=held.urgency.value,
        case_id=held.case_id,
        template=held.template,
        happened_at=held.happened_at,
        acknowledge_by=held.ack_by,
        policy_version=held.policy_version,
    )
    if held.waited:
        yield _waited(same, held.waited)
    yield from (_passed_over(each, same) for each in held.skipped)
    said = list(held.answers)
    for each in held.told:
        cause = next((n for n, one in enumerate(said, 1) if _led_to(one, each)), 0)
        yield from (_said(one, same) for one in said[:cause])
        del said[:cause]
        theirs = same._replace(worker_id=each.worker_id)
        yield theirs._replace(at=each.at, what="told", step=each.step)
        for rang in (*each.tried, *((each.mail,) if each.mail else ())):
            yield from _rang(rang, theirs)
    for again in held.repeats:
        if again.waited:
            yield _waited(same, again.waited)
        yield same._replace(at=again.at, what="told_again", worker_id=held.worker_id)
    yield from (_said(one, same) for one in said)
    if held.ended_at:
        yield same._replace(at=held.ended_at, what="over")


def _led_to(said: Answer, told: Telling) -> bool:
    """Tell whether somebody was told because of what was said, in the same moment."""
    if said.at != told.at:
        return False
    match said.said:
        case Said.REOPENED:
            return True
        case Said.HANDED_OVER:
            return said.to == told.worker_id
        case Said.CANNOT_TAKE:
            return said.worker_id != told.worker_id
        case Said.ACKNOWLEDGED:
            return False


def _said(said: Answer, same: Line) -> Line:
    means = "_by_link" if said.by_link else "_by_sms" if said.by_sms else ""
    return same._replace(
        at=said.at,
        what=f"{said.said}{means}",
        worker_id=said.worker_id,
        to=said.to or "",
        reason=said.reason.value if said.reason else "",
    )


def _became(
    same: Line, turns: Iterable[Attempt | Turn | Became], names: Mapping[str, str]
) -> Iterator[Line]:
    for each in turns:
        what, reason = names[each.state], each.reason or ""
        yield same._replace(at=each.at, what=what, reason=reason)


def _rang(rang: Mail, theirs: Line) -> Iterator[Line]:
    names: dict[str, str] = {each: f"{rang.channel}_{each}" for each in MailState}
    names[MailState.WANTED] = f"{rang.channel}_not_taken"
    within = theirs._replace(within=rang.within or "")
    yield from _became(within, rang.became, names)
    if rang.under_way_since:
        what = f"{rang.channel}_{MailState.UNKNOWN}"
        yield theirs._replace(at=rang.under_way_since, what=what, reason=NO_ANSWER)
    if rang.delivered_at:
        what = f"{rang.channel}_delivered"
        yield theirs._replace(at=rang.delivered_at, what=what)
