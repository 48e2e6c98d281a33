"""Hearing from the mail server which letters came back, and which have arrived."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import structlog
from accord_chassis.service import settled
from accord_contracts.message import Event

from notify.domain.bounce import DELAYED, DELIVERED, ReturnPath, bounce_of
from notify.domain.callback import NotTheGateway, Signed
from notify.domain.channels import Way
from notify.domain.hours import Quiet
from notify.domain.mail import Mail
from notify.domain.notification import Notification
from notify.handlers.mail import arrived, bounced
from notify.store import Notifications

log = structlog.get_logger()

Note = Callable[[Notification, int, Mail], tuple[Notification, *tuple[Event, ...]]]


@dataclass(frozen=True, slots=True)
class Bouncing:
    """What it takes to hear of letters that came back.

    Attributes:
        key: By which the mail server signs; none: nothing of it is believed.
        quiet: When nothing rings because of it.
    """

    notifications: Notifications
    key: str | None
    quiet: Quiet


async def hear(signed: Signed, *, at: datetime, by: Bouncing) -> None:
    """Have it ring by the next way where a letter never arrives, or tell the next.

    That one is in the mailbox is noted. A letter that is only late is noted in the log,
    and so is what is no report of a letter of ours: that somebody is away, say. Twice
    is as good as once: a letter that has failed fails no more.

    Raises:
        NotTheGateway: It is not from the mail server, or too old.
    """
    if by.key is None:
        raise NotTheGateway
    signed.check(by.key, at)
    told = bounce_of(signed.body)
    path = ReturnPath.read(told.token, by.key) if told else None
    if told is None or path is None:
        log.info("bounce.heard", reason="not_understood")
        return
    reason = told.reason
    state = DELIVERED if told.delivered else DELAYED
    log.info("bounce.heard", reason=reason or state)
    if reason:
        fail = partial(bounced, reason=reason, at=at, quiet=by.quiet)
        await settled(partial(_note, path, fail, by))
    elif told.delivered:
        await settled(partial(_note, path, partial(arrived, at=at), by))


async def _note(path: ReturnPath, note: Note, by: Bouncing) -> None:
    held = await by.notifications.get(path.notification_id)
    mail = held.at_provider(path.number, Way.EMAIL) if held else None
    if held is None or mail is None:
        return
    worker_id = held.told[path.number].worker_id
    # Those for which the letter spoke come first: after it nobody looks for them.
    for each in mail.covers:
        other = await by.notifications.get(each)
        if other and (spoken := other.spoken_for(held.id, worker_id)):
            number, within = spoken
            await _keep(other, note(other, number, within), by)
    await _keep(held, note(held, path.number, mail), by)


async def _keep(
    held: Notification, noted: tuple[Notification, *tuple[Event, ...]], by: Bouncing
) -> None:
    if noted[0] is not held:
        await by.notifications.save(*noted, lane=held.lane)
