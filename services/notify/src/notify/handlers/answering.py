"""Hearing what the SMS gateway posts back: receipts, and replies.

Of what a worker writes back an acknowledgement is read, and nothing else; of what comes
back from a person's own device, that nothing more is to be sent. Everything else is for
people to look at, where the gateway keeps it: no word of it is kept here.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import structlog
from accord_chassis.service import settled
from accord_contracts.message import Event, Lane
from accord_contracts.notify import ContactAnswered, ContactStopped, ReplyNotKnown

from notify.domain.callback import (
    Callback,
    NotTheGateway,
    Signed,
    Whose,
    acknowledged,
    ids_of,
    stops,
)
from notify.domain.channels import Way
from notify.domain.contact import PersonalContact, SentState
from notify.domain.hours import Quiet
from notify.domain.notification import Notification
from notify.domain.people import number_of, reach_of, sender_of
from notify.handlers import silence
from notify.handlers.contacting import became
from notify.handlers.mail import arrived, bounced
from notify.handlers.reaching import Reach
from notify.store import Callbacks, Notifications, PersonalContacts

log = structlog.get_logger()

NOT_DELIVERED = "not_delivered"


@dataclass(frozen=True, slots=True)
class Hearing:
    """What it takes to hear what the gateway posts back.

    Attributes:
        key: By which it signs; none: nothing of it is believed.
        country: Of numbers that are written as they are rung from within.
        quiet: When nothing rings because of it.
    """

    callbacks: Callbacks
    notifications: Notifications
    contacts: PersonalContacts
    reach: Reach
    key: str | None
    country: str | None
    quiet: Quiet

    def number(self, told: str) -> str | None:
        """Write a telephone number as E.164 does; none if it cannot be one."""
        return number_of(told, self.country)

    def check(self, signed: Signed, at: datetime) -> str:
        """See that something comes from the gateway; give the key that says so.

        Raises:
            NotTheGateway: It does not.
        """
        if self.key is None:
            raise NotTheGateway
        signed.check(self.key, at)
        return self.key


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a message, by the gateway's word.

    Attributes:
        key: The one that was handed over with the message.
    """

    key: str
    delivered: bool


@dataclass(frozen=True, slots=True)
class Reply:
    """What came from a telephone."""

    sender: str
    text: str


async def hear(
    told: Receipt | Reply, signed: Signed, *, at: datetime, by: Hearing
) -> None:
    """Do what follows from what the gateway has posted, once however often it comes.

    Raises:
        NotTheGateway: It is not from the gateway, or too old.
        DirectoryAway: It cannot be known whose it is. Nothing is kept of it.
    """
    key = by.check(signed, at)
    if await by.callbacks.get(signed.callback_id):
        return
    if isinstance(told, Receipt):
        whose = await _note_receipt(told, at, by)
    else:
        whose = await _note_reply(told, key, at, by)
    reply = isinstance(told, Reply)
    known = Callback(id=signed.callback_id, at=at, reply=reply, whose=whose)
    events: list[Event] = []
    if known.unknown:
        events.append(ReplyNotKnown(reply_id=known.id, received_at=at))
    # One that came twice at once was dealt with twice, which is as good as once.
    await by.callbacks.add(known, *events)
    log.info("callback.heard", reason=whose.value)


async def _note_receipt(told: Receipt, at: datetime, by: Hearing) -> Whose:
    about, _, which = told.key.partition(".")
    if which.isdigit():
        note = partial(_note_worker, about, int(which), told, at=at, by=by)
    else:
        note = partial(_note_person, about, which, told, at=at, by=by)
    return await settled(note)


async def _note_worker(
    notification_id: str, number: int, told: Receipt, *, at: datetime, by: Hearing
) -> Whose:
    held = await by.notifications.get(notification_id)
    if held is None or number >= len(held.told):
        return Whose.NOBODY
    if mail := held.at_provider(number, Way.SMS):
        if told.delivered:
            noted = arrived(held, number, mail, at)
        else:
            noted = bounced(held, number, mail, NOT_DELIVERED, at=at, quiet=by.quiet)
        await by.notifications.save(*noted, lane=held.lane)
    return Whose.WORKER


async def _note_person(
    point_id: str, message_id: str, told: Receipt, *, at: datetime, by: Hearing
) -> Whose:
    held = await by.contacts.get(point_id)
    if held is None or held.message(message_id) is None:
        return Whose.NOBODY
    new, *events = receipted(held, message_id, told, at)
    if new is not held:
        await by.contacts.save(new, *events)
    return Whose.PERSON


def receipted(
    held: PersonalContact, message_id: str, told: Receipt, at: datetime
) -> tuple[PersonalContact, *tuple[Event, ...]]:
    """Give a way to reach a person after a receipt, and what is told of that.

    The receipt may come before the answer to the sending, which then finds it settled.
    """
    if told.delivered:
        new = held.arrive(message_id, at)
    else:
        new = held.bounce(message_id, NOT_DELIVERED, at)
    before, message = held.message(message_id), new.message(message_id)
    if new is held or before is None or message is None:
        return (held,)
    is_news = before.is_on_its_way or message.state is SentState.NOT_SENT
    return (new, became(held, message, at)) if is_news else (new,)


async def _note_reply(told: Reply, key: str, at: datetime, by: Hearing) -> Whose:
    number = sender_of(told.sender, by.country)
    if number is None:
        return Whose.NOBODY
    # A person's own device comes first: whatever stands there may be another's words.
    found = await by.contacts.reached_by(reach_of(number, key))
    if found:
        stop = stops(told.text)
        answers = (partial(_answer, e.id, at, by, stop=stop) for e in found)
        await asyncio.gather(*map(settled, answers))
        return Whose.PERSON
    return await _acknowledge(told.text, number, at, by)


async def _answer(point_id: str, at: datetime, by: Hearing, *, stop: bool) -> None:
    """Tell whoever leads that something came back, or have the point suspended."""
    held = await by.contacts.get(point_id)
    if held is None or not held.case_ids:
        return
    new = held.stop(at) if stop else held.answer(at)
    told = answered(held, at, stop=stop)
    await by.contacts.save(new, *told, lane=Lane.URGENT)


def answered(held: PersonalContact, at: datetime, *, stop: bool) -> list[Event]:
    """Tell each case that may have written, or referrals that it is to stop.

    Referrals tells every case of the person by itself, so it hears of that once.
    """
    ids = {"person_id": held.person_id, "contact_id": held.contact_id}
    if stop:
        return [ContactStopped(case_id=held.answering[-1], stopped_at=at, **ids)]
    return [
        ContactAnswered(case_id=each, answered_at=at, **ids) for each in held.answering
    ]


async def _acknowledge(text: str, number: str, at: datetime, by: Hearing) -> Whose:
    """Note that a worker knows, if it is their telephone that was told of it."""
    reference = acknowledged(text)
    between = ids_of(reference) if reference else None
    for held in await by.notifications.between(*between) if between else ():
        for worker_id in held.texted_workers:
            if await _is_theirs(held, worker_id, number, by):
                await settled(
                    partial(
                        silence.acknowledge,
                        held.id,
                        worker_id,
                        at=at,
                        notifications=by.notifications,
                        by_sms=True,
                    )
                )
                return Whose.WORKER
    return Whose.NOBODY


async def _is_theirs(
    held: Notification, worker_id: str, number: str, by: Hearing
) -> bool:
    """Tell whether a number is a worker's by the directory, and they may know still.

    Raises:
        DirectoryAway: Nobody can know at present.
    """
    contact = await by.reach.directory.contact(worker_id)
    if contact is None or contact.mobile is None:
        return False
    if by.number(contact.mobile) != number:
        return False
    return await by.reach.eyes(worker_id, held.case_id, held.eyes) is not None
