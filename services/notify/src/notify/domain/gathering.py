"""Which e-mails become one: a burst about a case, and what is low, once a digest."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from notify.domain.hours import LOUDEST_FIRST, Urgency
from notify.domain.mail import Mail, MailState
from notify.domain.notification import Notification

TURN = timedelta(minutes=1)
"""How long a message waits for another whose letter speaks for it."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """What becomes of an e-mail that has fallen due: it waits, is spoken for, or goes.

    Attributes:
        wait_until: It may become one with others then.
        within: The message whose letter has said that there is this one too.
        covers: Those for which its own letter speaks.
    """

    wait_until: datetime | None = None
    within: str | None = None
    covers: tuple[str, ...] = ()


def gather(
    due: Notification,
    number: int,
    others: Iterable[Notification],
    *,
    at: datetime,
    window: timedelta,
) -> Gathered:
    """Say what becomes of an e-mail, beside the others to the same worker.

    An alarm always goes by itself and at once: it neither waits nor hides in another.
    What is high waits for nothing, and goes with what is due at the same moment. What
    is normal waits if an e-mail about the same case went out a moment ago.

    Args:
        due: The message; none of its e-mails was tried yet if it is to be gathered.
        number: Which of those who are told.
        others: What the worker is told of the same case; if it is low, all low ones.
        at: When it has fallen due.
        window: How long one e-mail about a case stands for itself.
    """
    telling = due.told[number]
    worker_id, mail = telling.worker_id, telling.mail
    if not due.may_be_gathered(number) or mail is None:
        return Gathered(covers=mail.covers if mail else ())
    mails = [
        (each, sent)
        for each in others
        if each.id != due.id
        for sent in each.mails_to(worker_id)
    ]
    if spoken := _spoken_for(due.id, mails, at, since=telling.at):
        return spoken
    sent_at = [sent.left_at for _, sent in mails if sent.left_at]
    if due.urgency is Urgency.NORMAL and sent_at and max(sent_at) + window > at:
        return Gathered(wait_until=max(sent_at) + window)
    low = due.urgency is Urgency.LOW
    # What waits for its turn is there too: several look at one another at one time.
    ready = {
        each.id: each
        for each, sent in mails
        if each.is_ready(sent, at + TURN) and (each.urgency is Urgency.LOW) is low
    }
    if any(_rank(each) < _rank(due) for each in ready.values()):
        return Gathered(wait_until=at + TURN)
    return Gathered(covers=tuple(ready))


def _spoken_for(
    id_: str,
    mails: Iterable[tuple[Notification, Mail]],
    at: datetime,
    *,
    since: datetime,
) -> Gathered | None:
    """Say what becomes of it if another's letter speaks for it, or is about to.

    One that went out before they were told once more speaks for that no more.
    """
    speaks = [(each, sent) for each, sent in mails if id_ in sent.covers]
    for each, sent in speaks:
        if sent.state is MailState.SENT and sent.sent_at and sent.sent_at >= since:
            return Gathered(within=each.id)
    later = [sent.due_at for _, sent in speaks if sent.due_at]
    return Gathered(wait_until=max(*later, at + TURN)) if later else None


def _rank(held: Notification) -> tuple[int, str]:
    return LOUDEST_FIRST.index(held.urgency), held.since
