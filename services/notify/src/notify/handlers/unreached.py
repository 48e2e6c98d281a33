"""Who cannot be reached: an address that bounces is an alarm that nobody hears."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

from notify.domain.channels import Way
from notify.domain.notification import Notification
from notify.store import Notifications

LOOKED_BACK = timedelta(days=7)
"""How long it is shown that somebody could not be reached, if nothing more is sent."""

LATEST = 20
"""Messages to somebody that are looked through for one that has reached them since."""


@dataclass(frozen=True, slots=True)
class Unreached:
    """Somebody whom nothing has reached since a time.

    Attributes:
        way: By which way it was tried last.
        reason: Why that failed, as a code.
        told_at: When they were told that of which nothing rang.
        count: How often something rang in vain.
    """

    worker_id: str
    way: Way
    reason: str | None
    told_at: datetime
    count: int


async def unreached(at: datetime, *, notifications: Notifications) -> list[Unreached]:
    """Give those whom nothing has reached since something rang in vain, by id."""
    found: dict[str, Unreached] = {}
    in_vain = await notifications.rung_in_vain(at - LOOKED_BACK)
    tellings = [telling for each in in_vain for telling in each.unreached]
    for told, mail in sorted(tellings, key=lambda each: each[0].at):
        who = told.worker_id
        before = found[who].count if who in found else 0
        found[who] = Unreached(who, mail.channel, mail.reason, told.at, before + 1)
    latest = await asyncio.gather(
        *(notifications.of_worker(e, after=None, limit=LATEST) for e in found)
    )
    since = zip(found, latest, strict=True)
    reached = {who for who, told in since if _reached(found[who], told)}
    return [each for who, each in sorted(found.items()) if who not in reached]


def _reached(who: Unreached, told: list[Notification]) -> bool:
    """Tell whether something has reached somebody since, by any way."""
    rang = (mail for each in told for mail in each.mails_to(who.worker_id))
    return any(each.left_at and each.left_at > who.told_at for each in rang)
