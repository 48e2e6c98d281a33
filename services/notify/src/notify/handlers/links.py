"""Answering by a link in an e-mail, without logging in."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from notify.domain.answers import CannotBeHandedOver
from notify.domain.link import Link, NoSuchLink
from notify.domain.notification import Notification
from notify.domain.page import Chosen, Colleague, Verb
from notify.handlers import silence
from notify.handlers.reaching import Reach
from notify.store import Notifications


@dataclass(frozen=True, slots=True)
class Links:
    """What it takes to know a link.

    Attributes:
        hand_over: Hands a message over, with all that this takes.
        key: The service's own, of which every link is made; none: there are no links.
        lasts: For how long one is good.
    """

    notifications: Notifications
    reach: Reach
    hand_over: silence.Act
    key: str | None
    lasts: timedelta

    def read(self, written: str) -> Link:
        """Read a link.

        Raises:
            NoSuchLink: It is none of ours.
        """
        if self.key is None:
            raise NoSuchLink
        return Link.read(written, self.key)

    async def message(self, link: Link) -> Notification:
        """Give the message that a link is for, whether it is good yet or not.

        Raises:
            NoSuchLink: There is no such message any more.
        """
        held = await self.notifications.get(link.notification_id)
        if held is None or link.number >= len(held.told):
            raise NoSuchLink
        return held


async def answer(link: Link, chosen: Chosen, *, at: datetime, links: Links) -> None:
    """Note what whoever has the link says, once: the message is looked at anew.

    Raises:
        NoSuchLink: It is over, used, or too old.
        AnswerTheOffer: An offer is not handed over.
        CannotBeHandedOver: There is nobody to hand it to who may be told.
        DirectoryAway: Whether there is cannot be known at present.
    """
    held = await links.notifications.get(link.notification_id)
    if held is None:
        raise NoSuchLink
    worker_id = link.opener(held, at, links.lasts)
    match chosen:
        case Chosen(verb=Verb.CANNOT_TAKE, reason=reason) if reason:
            await silence.cannot_take(
                held,
                worker_id,
                reason,
                at=at,
                notifications=links.notifications,
                by_link=True,
            )
        case Chosen(verb=Verb.HAND_OVER, to=colleague) if colleague:
            to = await _whom(held, worker_id, colleague, links.reach)
            await links.hand_over(held, worker_id, to, at=at, by_link=True)
        case _:
            await silence.acknowledge(
                held.id,
                worker_id,
                at=at,
                notifications=links.notifications,
                by_link=True,
            )


async def _whom(
    held: Notification, worker_id: str, colleague: Colleague, reach: Reach
) -> str:
    """Give whom a worker means; whether that may be is decided where it is handed over.

    Raises:
        CannotBeHandedOver: The directory names nobody.
    """
    contact = await reach.directory.contact(worker_id)
    named = {
        Colleague.DEPUTY: contact and contact.deputy,
        Colleague.TEAM_LEAD: contact and contact.team_lead,
    }
    to = named[colleague]
    if not to or to == held.worker_id:
        raise CannotBeHandedOver
    return to
