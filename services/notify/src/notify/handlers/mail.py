"""What rings for those who are told: an outside effect, so it is written down before.

Exactly once cannot be promised outside our own store. An attempt is saved as claimed
before the letter leaves, and as sent, refused or not taken after; what stays claimed,
or broke off while the letter was on its way, is unknown, and is sent again after a
pause with the same Message-ID. That is for agencies' workers only: to a person's own
device nothing may ever be repeated by itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from accord_chassis.service import settled
from accord_contracts.allocation import WorkerContact
from accord_contracts.message import Event
from accord_contracts.notify import (
    Channel,
    NotificationFailed,
    NotificationNotPassedOn,
    NotificationNotPushed,
    NotificationNotTexted,
    NotificationPassedOn,
    NotificationPushed,
    NotificationSent,
    NotificationTexted,
)

from notify.domain.channels import EmailPolicy, Way
from notify.domain.gathering import Gathered, gather
from notify.domain.hours import Quiet, Urgency
from notify.domain.mail import NO_ANSWER, Mail, MailState, Outcome
from notify.domain.notification import PASSED_OVER, Notification
from notify.domain.policy import Policy
from notify.domain.wording import Letter, Wording
from notify.handlers.reaching import Reach
from notify.post import Post, Posted, since_begun
from notify.store import Notifications, Subscriptions

LOOKED_BACK = timedelta(days=2)
"""How old a message may be whose e-mail becomes one with others: longer than any waits
that was never tried, over a night or until the next digest."""

RESTING = frozenset({MailState.WANTED, MailState.UNKNOWN})
"""Of what is not tried again, because somebody knows: it has not failed."""

UNKNOWN_WORKER = Posted(Outcome.REFUSED, "unknown_worker")
NO_ADDRESS = Posted(Outcome.REFUSED, "no_address")
DIED = Posted(Outcome.UNKNOWN, NO_ANSWER)


async def send_mail(
    due: Notification,
    *,
    at: datetime,
    notifications: Notifications,
    reach: Reach,
    policy: Policy,
    wording: Wording,
    posts: Mapping[Way, Post],
    subscriptions: Subscriptions,
) -> None:
    """Send what has fallen due by its channel, if there is anywhere to send it.

    Whoever may not know of the case any more gets none, and the next of the chain is
    told. Whoever is on leave gets none if somebody who is there is asked instead. What
    can become one letter with others does.
    """
    number = due.mail_due(at)
    if number is None:
        return
    due = _as_found(due, number)
    worker_id = due.told[number].worker_id
    if await reach.eyes(worker_id, due.case_id, due.eyes) is None:
        failed = _failed(due, worker_id, due.way_of(number), PASSED_OVER, at)
        await notifications.save(due.pass_over(number, at), failed, lane=due.lane)
        return
    if await _is_left_in_peace(due, number, reach):
        await notifications.save(due.stay_at_home(number))
        return
    attempt = Attempt(number, at, policy.email)
    gathered = await _gathered(due, attempt, notifications, reach, policy.quiet)
    if gathered.wait_until:
        await notifications.save(due.postpone_mail(number, gathered.wait_until))
        return
    if gathered.within:
        spoken = due.speak_within(number, gathered.within, at)
        sent = _sent(due, worker_id, Way.EMAIL, at)
        await notifications.save(spoken, sent, lane=due.lane)
        return
    post = posts[due.way_of(number)]
    contact = await reach.directory.contact(worker_id)
    address = await _address(contact, due.way_of(number), subscriptions, policy)
    if due.mail_state(number) is MailState.CLAIMED:
        told = attempt.became(due, DIED)
    elif contact is None:
        told = attempt.became(due, UNKNOWN_WORKER)
    elif not address:
        told = attempt.without_address(due)
    elif post.closed:
        told = attempt.became(due, post.closed)
    else:
        covers = gathered.covers
        await notifications.save(due.claim_mail(number, at, policy.email, covers))
        letter = _letter(due, number, covers, wording)
        posted = await since_begun(post.send(letter, address, at))
        await settled(partial(_record, due.id, attempt, posted, notifications))
        return
    await notifications.save(*told, lane=due.lane)


def _as_found(due: Notification, number: int) -> Notification:
    """Give a message whose attempt was under way when it fell due as one that is lost.

    Whoever made it has died over it. Of what may not come twice that is the end.
    """
    return due if comes_once(due, number) else due.lose_mail(number)


async def _is_left_in_peace(due: Notification, number: int, reach: Reach) -> bool:
    """Tell whether a letter not gone out stays at home: its worker is on leave.

    Only if anybody is there of those who were asked last: it rings rather than nothing.
    """
    if due.mail_state(number) is not MailState.WANTED:
        return False
    away = await reach.away(due.told[number].worker_id)
    return away and not all(await reach.all_away(due.asked))


async def _address(
    contact: WorkerContact | None,
    way: Way,
    subscriptions: Subscriptions,
    policy: Policy,
) -> str | None:
    if contact is None:
        return None
    if way is Way.PUSH:
        # Where their browsers are, whoever pushes looks up itself.
        browsers = await subscriptions.of_worker(contact.worker_id)
        return contact.worker_id if browsers else None
    mobile = way is Way.SMS or (way is Way.WIDE and policy.wide_by_mobile)
    return contact.mobile if mobile else contact.email


def _letter(
    due: Notification, number: int, covers: tuple[str, ...], wording: Wording
) -> Letter:
    match due.way_of(number):
        case Way.SMS:
            return wording.short(due, number)
        case Way.PUSH:
            return wording.push(due, number)
        case Way.WIDE:
            return wording.wide(due, number)
        case _:
            return wording.letter(due, number, covers)


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
        """Give the message after the attempt, and what is told of that.

        What failed, or has not surely arrived for some while, rings by the next way; a
        server that there is not is not waited for. Once somebody knows, nothing rings.
        An alarm goes back to the way that did not take it, until that has.
        """
        new = held.settle_mail(
            self.number,
            posted.outcome,
            posted.reason,
            self.at,
            self.policy,
            wait=posted.wait,
        )
        mail = new.told[self.number].mail
        if mail is None:
            return (new,)
        worker_id = new.told[self.number].worker_id
        if mail.state is MailState.SENT:
            sent = _sent(new, worker_id, mail.channel, self.at)
            return new.ring_back(self.number, self.at, self.policy), sent
        once = posted.once or comes_once(new, self.number)
        if mail.state is MailState.UNKNOWN and once:
            mail = mail.rest()
            new = new.with_mail(self.number, mail)
        way = new.way_after(self.number)
        again = new if way else new.ring_back(self.number, self.at, self.policy)
        waits = mail.due_at and (way is None or self._may_wait(new, mail))
        rests = new.is_known and mail.state in RESTING
        if waits or rests:
            return (again,)
        reason = mail.reason or mail.state.value
        failed = _failed(new, worker_id, mail.channel, reason, self.at)
        if new.is_known or new.told[self.number].left:
            return again, failed
        if way:
            return new.fail_over(self.number, way, self.at), failed
        return again.not_reached(self.number, self.at), failed

    def _may_wait(self, held: Notification, mail: Mail) -> bool:
        """Tell whether it is tried again by the same way first.

        An alarm that has not surely arrived is not: that it comes twice is better than
        that it comes late.
        """
        if held.urgency is Urgency.CRITICAL:
            return False
        return mail.attempts < self.policy.other_way_after_attempts

    def without_address(
        self, held: Notification
    ) -> tuple[Notification, *tuple[Event, ...]]:
        """Give the message to somebody who has no address of this kind.

        By their own entry in the directory they have the other ways, or the inbox only.
        If that is all they have, and somebody has to say that they know, it has failed:
        the next of the chain is not kept waiting for whoever nothing rings for.
        """
        way = held.way_after(self.number)
        if way:
            return (held.fail_over(self.number, way, self.at),)
        if held.told[self.number].tried or held.chain is not None:
            return self.became(held, NO_ADDRESS)
        return (held.with_mail(self.number, None),)


def comes_once(held: Notification, number: int) -> bool:
    """Tell whether it may not come twice: if it is unknown, that is its end.

    An alarm's SMS that is tried again after another way; and whatever goes by the wide
    way, because behind that may be anybody's own device.
    """
    if held.way_of(number) is Way.WIDE:
        return True
    tried = bool(held.told[number].tried)
    alarm = held.urgency is Urgency.CRITICAL
    return alarm and tried and held.way_of(number) is Way.SMS


def arrived(
    held: Notification, number: int, mail: Mail, at: datetime
) -> tuple[Notification, *tuple[Event, ...]]:
    """Give the message after it was said of an SMS or letter that it has arrived.

    Said again, it changes nothing.

    That it left is told with it, if it was not known yet: the answer to the sending,
    which comes after, then finds it settled.
    """
    if mail.delivered_at:
        return (held,)
    new = held.with_heard(number, mail, mail.arrive(at))
    worker_id = held.told[number].worker_id
    if mail.state is MailState.SENT:
        return (new,)
    return new, _sent(new, worker_id, mail.channel, at)


def bounced(
    held: Notification,
    number: int,
    mail: Mail,
    reason: str,
    *,
    at: datetime,
    quiet: Quiet,
) -> tuple[Notification, *tuple[Event, ...]]:
    """Give the message after it was said of an SMS or letter that it never arrives.

    It rings by the next way, or the next of the chain is told, unless somebody knows:
    at once, or in the morning if it must not ring now. If another way has rung since,
    that one goes on.
    """
    new = held.with_heard(number, mail, mail.bounce(reason, at))
    worker_id = held.told[number].worker_id
    failed = _failed(new, worker_id, mail.channel, reason, at)
    if new.is_known or held.told[number].mail != mail:
        return new, failed
    rings_at = quiet.loud(held.urgency, at, any_hour=held.any_hour)
    if way := new.way_after(number):
        return new.fail_over(number, way, rings_at), failed
    return new.not_reached(number, rings_at), failed


async def _gathered(
    due: Notification,
    attempt: Attempt,
    notifications: Notifications,
    reach: Reach,
    quiet: Quiet,
) -> Gathered:
    """Say whether what is to ring waits, is spoken for, or goes, and for which others.

    What was never tried waits for the morning, whoever is told of it and why at night.
    Of another that its worker may not know any more, no letter says that there is one.
    """
    number, at = attempt.number, attempt.at
    loud_at = quiet.loud(due.urgency, at, any_hour=due.any_hour)
    if loud_at > at and due.was_never_tried(number):
        return Gathered(wait_until=loud_at)
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


def _sent(told: Notification, worker_id: str, way: Way, at: datetime) -> Event:
    if way is Way.SMS:
        return NotificationTexted(**_of(told, worker_id), sent_at=at)
    if way is Way.PUSH:
        return NotificationPushed(**_of(told, worker_id), sent_at=at)
    if way is Way.WIDE:
        return NotificationPassedOn(**_of(told, worker_id), sent_at=at)
    return NotificationSent(**_of(told, worker_id), channel=Channel.EMAIL, sent_at=at)


def _failed(
    told: Notification, worker_id: str, way: Way, reason: str, at: datetime
) -> Event:
    if way is Way.SMS:
        return NotificationNotTexted(
            **_of(told, worker_id), reason=reason, failed_at=at
        )
    if way is Way.PUSH:
        return NotificationNotPushed(
            **_of(told, worker_id), reason=reason, failed_at=at
        )
    if way is Way.WIDE:
        return NotificationNotPassedOn(
            **_of(told, worker_id), reason=reason, failed_at=at
        )
    return NotificationFailed(
        **_of(told, worker_id), channel=Channel.EMAIL, reason=reason, failed_at=at
    )


def _of(told: Notification, worker_id: str) -> dict[str, Any]:
    return {
        "case_id": told.case_id,
        "notification_id": told.id,
        "worker_id": worker_id,
        "template": told.template,
    }
