"""E-mail to those who are told: an outside effect, so it is written down beforehand.

Exactly once cannot be promised outside our own store. An attempt is saved as claimed
before the letter leaves, and as sent, refused or not taken after; what stays claimed,
or broke off while the letter was on its way, is unknown, and is sent again after a
pause with the same Message-ID. That is for agencies' workers only: to a person's own
device nothing may ever be repeated by itself.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from accord_chassis.service import settled
from accord_contracts.message import Event
from accord_contracts.notify import Channel, NotificationFailed, NotificationSent

from notify.domain.gathering import Gathered, gather
from notify.domain.hours import Urgency
from notify.domain.mail import MailState, Outcome
from notify.domain.notification import Notification
from notify.domain.policy import EmailPolicy
from notify.domain.wording import Wording
from notify.handlers.reaching import Reach
from notify.post import Post, Posted
from notify.store import Notifications

PASSED_OVER = "passed_over"
"""Why there is no e-mail to somebody who may not know of the case any more."""

LOOKED_BACK = timedelta(days=2)
"""How old a message may be whose e-mail becomes one with others: longer than any waits
that was never tried, over a night or until the next digest."""

UNKNOWN_WORKER = Posted(Outcome.REFUSED, "unknown_worker")


async def send_mail(
    due: Notification,
    *,
    at: datetime,
    notifications: Notifications,
    reach: Reach,
    policy: EmailPolicy,
    wording: Wording,
    post: Post,
) -> None:
    """Send the e-mail that has fallen due, if there is anywhere to send it.

    Whoever may not know of the case any more gets none, and the next of the chain is
    told. What can become one letter with others does.
    """
    number = due.mail_due(at)
    if number is None:
        return
    worker_id = due.told[number].worker_id
    if await reach.eyes(worker_id, due.case_id, due.eyes) is None:
        failed = _failed(due, worker_id, PASSED_OVER, at)
        await notifications.save(due.pass_over(number, at), failed, lane=due.lane)
        return
    attempt = Attempt(number, at, policy)
    gathered = await _gathered(due, attempt, notifications, reach)
    if gathered.wait_until:
        await notifications.save(due.postpone_mail(number, gathered.wait_until))
        return
    if gathered.within:
        spoken = due.speak_within(number, gathered.within, at)
        await notifications.save(spoken, _sent(due, worker_id, at), lane=due.lane)
        return
    contact = await reach.directory.contact(worker_id)
    if contact is None:
        told = attempt.became(due, UNKNOWN_WORKER)
    elif not contact.email:
        # By their own entry in the directory they have the inbox only.
        told = (due.with_mail(number, None),)
    elif post.closed:
        told = attempt.became(due, post.closed)
    else:
        covers = gathered.covers
        await notifications.save(due.claim_mail(number, at, policy, covers))
        letter = wording.letter(due, number, covers)
        posted = await post.send(letter, contact.email, at)
        await settled(partial(_record, due.id, attempt, posted, notifications))
        return
    await notifications.save(*told, lane=due.lane)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to send the e-mail to one of those who are told.

    Attributes:
        number: Of those who are told.
        at: When it was begun.
        policy: When it is tried again if it fails.
    """

    number: int
    at: datetime
    policy: EmailPolicy

    def became(
        self, held: Notification, posted: Posted
    ) -> tuple[Notification, *tuple[Event, ...]]:
        """Give the message after the attempt, and what is told of that."""
        new = held.settle_mail(
            self.number, posted.outcome, posted.reason, self.at, self.policy
        )
        mail = new.told[self.number].mail
        if mail is None or mail.due_at:
            return (new,)
        worker_id = new.told[self.number].worker_id
        if mail.state is MailState.SENT:
            return new, _sent(new, worker_id, self.at)
        failed = _failed(new, worker_id, mail.reason or mail.state, self.at)
        return new.not_reached(self.number, self.at), failed


async def _gathered(
    due: Notification, attempt: Attempt, notifications: Notifications, reach: Reach
) -> Gathered:
    """Say whether an e-mail waits, is spoken for, or goes out, and for which others.

    Of another that its worker may not know any more, no letter says that there is one.
    """
    number, at = attempt.number, attempt.at
    worker_id = due.told[number].worker_id
    others: list[Notification] = []
    if due.may_be_gathered(number):
        low = due.urgency is Urgency.LOW
        found = notifications.open_to if low else notifications.recent
        of = worker_id if low else due.case_id
        others = await found(of, at - LOOKED_BACK)
    gathered = gather(due, number, others, at=at, window=attempt.policy.window)
    by_id = {each.id: each for each in others}
    seen = [
        each
        for each in gathered.covers
        if each not in by_id
        or await reach.eyes(worker_id, by_id[each].case_id, by_id[each].eyes)
    ]
    return replace(gathered, covers=tuple(seen))


async def _record(
    notification_id: str,
    attempt: Attempt,
    posted: Posted,
    notifications: Notifications,
) -> None:
    """Note what became of an attempt, whatever else has happened meanwhile."""
    held = await notifications.get(notification_id)
    if held and held.mail_state(attempt.number) is MailState.CLAIMED:
        told = attempt.became(held, posted)
        await notifications.save(*told, lane=held.lane)


def _sent(told: Notification, worker_id: str, at: datetime) -> NotificationSent:
    return NotificationSent(
        case_id=told.case_id,
        notification_id=told.id,
        worker_id=worker_id,
        template=told.template,
        channel=Channel.EMAIL,
        sent_at=at,
    )


def _failed(
    told: Notification, worker_id: str, reason: str, at: datetime
) -> NotificationFailed:
    return NotificationFailed(
        case_id=told.case_id,
        notification_id=told.id,
        worker_id=worker_id,
        template=told.template,
        channel=Channel.EMAIL,
        reason=reason,
        failed_at=at,
    )
