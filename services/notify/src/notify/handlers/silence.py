"""What follows when nobody acknowledges, and what ends it."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from accord_contracts.allocation import (
    AllocationAccepted,
    AllocationDeclined,
    AllocationExpired,
    AllocationOffered,
    AllocationWithdrawn,
    CaseTeamChanged,
    DeclineReason,
)
from accord_contracts.message import Event, Message
from accord_contracts.notify import (
    NotificationAcknowledged,
    NotificationDeclined,
    NotificationEscalated,
    NotificationHandedOver,
    NotificationReopened,
)

from notify.asks import DirectoryAway
from notify.domain.answers import AnswerTheOffer, CannotBeHandedOver
from notify.domain.notification import NoSuchMessage, Notification
from notify.domain.offer import Offer, offer_id
from notify.domain.policy import Policy
from notify.domain.skipped import Skip
from notify.domain.team import Team, gone
from notify.handlers.reaching import Reach, teams_of
from notify.handlers.telling import in_inbox
from notify.store import Notifications, Offers, Teams


@dataclass(frozen=True, slots=True)
class HandingOver:
    """Handing a message over, with all that this takes beside the message."""

    do: Callable[..., Awaitable[None]]


Act = Callable[..., Awaitable[None]]

Ending = (
    AllocationAccepted | AllocationDeclined | AllocationExpired | AllocationWithdrawn
)
"""How an offer ends."""


async def acknowledge(
    notification_id: str,
    worker_id: str,
    *,
    at: datetime,
    notifications: Notifications,
    by_link: bool = False,
    by_sms: bool = False,
) -> None:
    """Note that one of those who were told knows. Nobody else is told from then on.

    Raises:
        NoSuchMessage: It does not stand in this worker's inbox.
    """
    held = await notifications.get(notification_id)
    if held is None or worker_id not in held.told_workers:
        raise NoSuchMessage
    if held.acknowledged_at is None:
        note = partial(_note, held, worker_id, at, notifications)
        await note(by_link=by_link, by_sms=by_sms)


async def cannot_take(
    held: Notification,
    worker_id: str,
    reason: DeclineReason,
    *,
    at: datetime,
    notifications: Notifications,
    by_link: bool = False,
) -> None:
    """Note that somebody cannot take what they were told of; the next is told at once.

    An offer is declined by it, by whoever it was made to alone: allocation hears of it
    and asks somebody else, so nobody of their chain is told for it.

    Raises:
        AnswerTheOffer: It is an offer to somebody else.
        NothingToAnswer: It is over, or asks for no answer.
    """
    if worker_id != held.worker_id:
        _must_be_ours(held)
    offer = held.event == AllocationOffered.TYPE
    new = held.cannot_take(worker_id, reason, at, next_told=not offer, by_link=by_link)
    if new is held:
        return
    declined = NotificationDeclined(
        **_of(held, worker_id),
        reason=reason,
        declined_at=at,
        allocation_id=held.about_id if offer else None,
    )
    await notifications.save(new, declined, lane=held.lane)


async def hand_over(
    held: Notification,
    worker_id: str,
    to: str,
    *,
    at: datetime,
    notifications: Notifications,
    reach: Reach,
    policy: Policy,
    mail: bool,
    by_link: bool = False,
) -> None:
    """Tell another worker in one's own place, if they may know of the case.

    Raises:
        AnswerTheOffer: It is an offer, to which allocation hears the answer.
        NothingToAnswer: It is over, or asks for no answer.
        CannotBeHandedOver: They are unknown, on leave, or may not know of it; which is
            not said.
    """
    _must_be_ours(held)
    known = to != worker_id and await reach.directory.contact(to)
    if not known or not await reach.there(to, held.case_id, held.eyes):
        raise CannotBeHandedOver
    until = _until(held, at, policy, wait=held.patience)
    new = held.hand_over(worker_id, to, at=at, until=until, mail=mail, by_link=by_link)
    given = _handed_over(held, worker_id, to, at)
    await notifications.save(new, *given, lane=held.lane)


async def reopen(
    due: Notification,
    *,
    at: datetime,
    notifications: Notifications,
    reach: Reach,
    policy: Policy,
    mail: bool,
) -> None:
    """Ask whoever said that they know once more, because nothing has come of it.

    If they may not know of the case any more, or are on leave, the next of the chain is
    told.
    """
    worker_id = due.acknowledged_by or due.worker_id
    new = due.reopen(at)
    told: list[Event] = [NotificationReopened(**_of(due, worker_id), reopened_at=at)]
    if await reach.there(worker_id, due.case_id, due.eyes):
        until = _until(due, at, policy, wait=due.patience)
        new = new.tell(worker_id, 0, at=at, until=until, mail=mail)
        told.append(in_inbox(due, worker_id, at))
    await notifications.save(new, *told, lane=due.lane)


async def move_on(
    message: Message[CaseTeamChanged],
    *,
    at: datetime,
    teams: Teams,
    notifications: Notifications,
    reach: Reach,
    policy: Policy,
    mail: bool,
) -> None:
    """Have it go on at once where whoever was asked has left the case.

    What waits for their answer is handed over to whoever has taken their role, if they
    are there and may know of it; else the next of the chain is told. Called after who
    works on the case was noted. What is told of a case that is merged
    into it is told to this team too. An offer is made to whoever is asked, on the team
    or not: allocation ends it. Somebody who was on the team once and is asked as
    somebody else now counts as gone too: that the next is told early is better than
    never.
    """
    case_id = message.data.case_id
    for each in (case_id, *await teams.merged_into(case_id)):
        known = await teams_of(each, teams)
        left = gone(known)

        async def move(held: Notification, known: list[Team] = known) -> None:
            to = await _successor(held, known, reach)
            if to is None:
                await notifications.save(held.hurry(at), cause=message)
                return
            until = _until(held, at, policy, wait=held.patience)
            new = held.hand_over(held.worker_id, to, at=at, until=until, mail=mail)
            given = _handed_over(held, held.worker_id, to, at)
            await notifications.save(new, *given, cause=message, lane=held.lane)

        found = await notifications.all_of(each) if left else ()
        asking = (one for one in found if one.event != AllocationOffered.TYPE)
        await asyncio.gather(*(move(one) for one in asking if one.waits_for(left, at)))


async def _successor(held: Notification, teams: list[Team], reach: Reach) -> str | None:
    """Give who has taken the role of whoever a message was to, and alone was asked.

    Nobody, if it cannot be known at present whether they may be told: the next of the
    chain is looked for until that can be.
    """
    if held.asked != {held.worker_id}:
        return None
    found = (each for team in teams for each in team.successors(held.worker_id))
    with contextlib.suppress(DirectoryAway):
        for each in dict.fromkeys(found):
            if await reach.there(each, held.case_id, held.eyes):
                return each
    return None


def _until(
    held: Notification, at: datetime, policy: Policy, *, wait: timedelta
) -> datetime:
    """Give until when somebody who is told at a time has to say that they know.

    It counts from when it can be heard: nobody is late for their night's rest.
    """
    loud = partial(policy.quiet.loud, held.urgency, any_hour=held.any_hour)
    return loud(loud(at) + wait)


def _handed_over(
    held: Notification, worker_id: str, to: str, at: datetime
) -> tuple[Event, Event]:
    given = NotificationHandedOver(**_of(held, worker_id), to=to, handed_over_at=at)
    return given, in_inbox(held, to, at)


def _must_be_ours(held: Notification) -> None:
    if held.event == AllocationOffered.TYPE:
        raise AnswerTheOffer


def _of(held: Notification, worker_id: str) -> dict[str, Any]:
    return {
        "case_id": held.case_id,
        "notification_id": held.id,
        "worker_id": worker_id,
        "template": held.template,
    }


async def note_ending(message: Message[Ending], *, offers: Offers) -> None:
    """Note how an offer ended, also if it was not heard of yet."""
    ended = ended_offer(message)
    known = await offers.get(ended.id, cause=message)
    new = ended.or_later(known)
    if new is not known:
        await offers.save(new, cause=message)


async def end_offer(
    message: Message[AllocationOffered | Ending],
    *,
    offers: Offers,
    notifications: Notifications,
) -> None:
    """End what was told of an offer that has ended, in whatever order that was heard.

    For every message about an offer, and after what it told was stored: of two that are
    handled at the same time, one at least finds what the other has stored.
    """
    told = message.data
    offer = await offers.get(offer_id(told.allocation_id, told.worker_id))
    if offer is None:
        return

    async def end(held: Notification) -> None:
        at = offer.ended_at
        if offer.answered:
            await _note(held, held.worker_id, at, notifications, cause=message)
        else:
            await notifications.save(held.end(at), cause=message)

    known = await notifications.about(told.allocation_id, told.worker_id)
    offers_of_it = (each for each in known if each.event == AllocationOffered.TYPE)
    await asyncio.gather(*(end(each) for each in offers_of_it if offer.ends(each)))


def ended_offer(message: Message[Ending]) -> Offer:
    """Say how an offer ended. Yes or no is an answer; whoever gave it has read it."""
    match message.data:
        case AllocationAccepted(accepted_at=at):
            answered = True
        case AllocationDeclined(declined_at=at):
            answered = True
        case AllocationExpired(expired_at=at) | AllocationWithdrawn(withdrawn_at=at):
            answered = False
    return Offer(
        id=offer_id(message.data.allocation_id, message.data.worker_id),
        revision=message.aggregate_version,
        ended_at=at,
        answered=answered,
    )


async def attend(
    due: Notification, *, at: datetime, reopen: Act, escalate: Act, send_mail: Act
) -> None:
    """Do what has fallen due: the next person first, e-mails at the turns after.

    One thing at a turn, because each changes the message.
    """
    if due.is_to_reopen(at):
        await reopen(due, at=at)
    elif due.is_silent(at):
        try:
            await escalate(due, at=at)
        except DirectoryAway:
            # Nobody can be told next: all the more must it ring where it is to.
            await send_mail(due, at=at)
            raise
    else:
        await send_mail(due, at=at)


async def escalate(
    due: Notification,
    *,
    at: datetime,
    notifications: Notifications,
    reach: Reach,
    policy: Policy,
    mail: bool,
) -> None:
    """Tell the next of the chain who may know, because nobody has acknowledged in time.

    The last of the chain is told again and again, until somebody acknowledges or the
    message has ended otherwise.
    """
    chain = policy.chain(due.chain)
    skips: list[Skip] = []
    step, workers = await replace(reach, skips=skips).next(
        [each.tell for each in chain],
        due.worker_id,
        due.case_id,
        due.eyes,
        after=due.step,
        told=due.told_workers,
    )
    until = _until(due, at, policy, wait=chain[step - 1].wait)
    told, events = due.pass_by(skips, at), list[Event]()
    for each in workers:
        told = told.tell(each, step, at=at, until=until, mail=mail)
        events += [_escalated(due, each, step, at), in_inbox(due, each, at)]
    await notifications.save(told, *events, lane=due.lane)


async def _note(
    held: Notification,
    worker_id: str,
    at: datetime,
    notifications: Notifications,
    *,
    cause: Message[Event] | None = None,
    by_link: bool = False,
    by_sms: bool = False,
) -> None:
    acknowledged = NotificationAcknowledged(**_of(held, worker_id), acknowledged_at=at)
    known = held.acknowledge(worker_id, at, by_link=by_link, by_sms=by_sms)
    # Whoever has answered has done what was to be done.
    new = known.end(at) if cause and known.ended_at is None else known
    await notifications.save(new, acknowledged, cause=cause, lane=held.lane)


def _escalated(
    due: Notification, told: str, step: int, at: datetime
) -> NotificationEscalated:
    fell_due = due.escalate_at or at
    return NotificationEscalated(
        case_id=due.case_id,
        notification_id=due.id,
        worker_id=due.worker_id,
        template=due.template,
        step=step,
        told=told,
        escalated_at=at,
        late_by=max(0.0, (at - fell_due).total_seconds()),
    )
