"""Who harmed whom, when that is in question, and when a person has decided it."""

from accord_contracts.message import Lane, Message
from accord_contracts.referrals import RolesDecided, RolesQuestioned

from allocation.domain.parts import doubt, settle
from allocation.handlers.access import changed
from allocation.handlers.placing import Desk


async def doubt_parts(message: Message[RolesQuestioned], *, desk: Desk) -> None:
    """Want nobody to meet whoever may be who was harmed."""
    told = message.data
    held = await desk.staffing(message)
    if held.erased_at:
        return
    new = doubt(held, told.questioned_at)
    await desk.staffings.save(new, cause=message, lane=Lane.URGENT)


async def settle_parts(message: Message[RolesDecided], *, desk: Desk) -> None:
    """Want whom the case needs; others than before, if it was told wrongly."""
    told = message.data
    held = await desk.staffing(message)
    if held.erased_at:
        return
    people = (told.harmed, told.using_violence)
    new = settle(held, people, told.decided_at, desk.policy, corrected=told.corrected)
    events = changed(new, held, desk.clock.now())
    await desk.staffings.save(new, *events, cause=message, lane=Lane.URGENT)
