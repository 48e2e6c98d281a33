"""What every route of notify has at hand, and how a message is decided about."""

from typing import Annotated

from accord_chassis.clock import Clock
from accord_chassis.decision import Action, Relation, Resource
from accord_chassis.guard import Asking, absent, asking
from accord_chassis.service import part
from fastapi import Query, Security

from notify.domain.notification import NoSuchMessage, Notification
from notify.handlers.reaching import SEEN_FROM
from notify.store import Notifications

PAGE = 50
LONGEST_PAGE = 100

Limit = Annotated[int, Query(ge=1, le=LONGEST_PAGE)]
Notifications_ = Annotated[Notifications, part(Notifications)]
Clock_ = Annotated[Clock, part(Clock)]
Owner = Annotated[Asking, Security(asking, scopes=["notify.inbox"])]

OWN = (Relation.OWNER,)
SEEN = {eyes.value: sides for eyes, sides in SEEN_FROM.items()}
READ_INBOX = Action("inbox.read", OWN, parts=SEEN)


def message_of(message_id: str, held: Notification | None) -> Resource:
    """Give a message as it is decided about: whose it is are those who were told.

    Whoever was told and has been barred from its case since is shown it no longer.
    """
    if held is None:
        return absent("message", message_id)
    told = frozenset(held.told_workers)
    return Resource("message", message_id, held.case_id, workers=told)


async def opened(
    message_id: str, to: Action, notifications: Notifications, owner: Asking
) -> Notification:
    """Give a message of somebody's inbox for what they would do with it, if they may.

    Raises:
        NoSuchMessage: There is none, or none for them.
    """
    held = await notifications.get(message_id)
    resource = message_of(message_id, held)
    permit = await owner.permit(to, resource, otherwise=NoSuchMessage)
    if held is None or held.eyes.value not in permit:
        raise NoSuchMessage
    return held
