"""Leaving tombstones of what people were told of a case that was erased."""

import asyncio

from accord_contracts.message import Message
from accord_contracts.referrals import CaseErased

from notify.domain.team import Team
from notify.store import Deliveries, NobodiesLeft, Notifications, Teams

PAGE = 100
"""Notifications that are erased at once."""


async def erase_team(message: Message[CaseErased], *, teams: Teams) -> None:
    """Leave a tombstone of who worked on the case."""
    told = message.data
    held = await teams.get(told.case_id, cause=message) or Team(id=told.case_id)
    await teams.save(held.erase(told.erased_at), cause=message)


async def erase_notifications(
    message: Message[CaseErased], *, notifications: Notifications
) -> None:
    """End every message about the case; e-mails not gone out stay at home."""
    told, after = message.data, None
    while page := await notifications.of_case(told.case_id, after=after, limit=PAGE):
        erased = (each.erase(told.erased_at) for each in page)
        await asyncio.gather(*(notifications.save(each) for each in erased))
        after = page[-1].since


async def erase_deliveries(
    message: Message[CaseErased], *, deliveries: Deliveries
) -> None:
    """Leave tombstones of what agencies' systems were told, and tell them no more."""
    for each in await deliveries.of_case(message.data.case_id):
        await deliveries.save(each.erase())


async def erase_nobody_left(
    message: Message[CaseErased], *, nobody_left: NobodiesLeft
) -> None:
    """Keep nothing of who was passed over in the case."""
    for each in await nobody_left.of_case(message.data.case_id):
        await nobody_left.remove(each.id)
