"""Saying that one knows by a link, without logging in."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from notify.domain.link import Link, NoSuchLink
from notify.handlers import silence
from notify.handlers.reaching import Reach
from notify.store import Notifications


@dataclass(frozen=True, slots=True)
class Links:
    """What it takes to know a link.

    Attributes:
        key: The service's own, of which every link is made; none: there are no links.
        lasts: For how long one is good.
    """

    notifications: Notifications
    reach: Reach
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


async def use(link: Link, *, at: datetime, links: Links) -> None:
    """Note that whoever has the link knows, if they still may know of the case.

    Raises:
        NoSuchLink: It is over, used, or too old, or they may not; which is not said.
    """
    held = await links.notifications.get(link.notification_id)
    if held is None:
        raise NoSuchLink
    worker_id = link.opener(held, at, links.lasts)
    if await links.reach.eyes(worker_id, held.case_id, held.eyes) is None:
        raise NoSuchLink
    await silence.acknowledge(
        held.id, worker_id, at=at, notifications=links.notifications, by_link=True
    )
