"""What meetings decide of whom a case needs and who leads it."""

import asyncio

from accord_contracts.message import Lane, Message
from accord_contracts.plans import MeetingDecided

from allocation.domain.meeting import Decision, heed
from allocation.handlers.placing import Desk, end
from allocation.handlers.staffing import team_changed, wanted


async def heed_meeting(message: Message[MeetingDecided], *, desk: Desk) -> None:
    """Want whom a meeting wants, and have lead whom it named, by who decided."""
    told = message.data
    held = await desk.staffing(message)
    if held.erased_at:
        return
    decision = Decision(
        meeting_id=told.meeting_id,
        number=told.number,
        roles=told.roles,
        lead=told.lead,
        by=told.decided_by,
        at=told.decided_at,
    )
    found = await desk.allocations.of_case(told.case_id)
    taken = frozenset(each.id for each in found if each.working)
    new = heed(held, decision, desk.policy, taken)
    if new is held:
        return
    events = wanted(new, held)
    if new.lead_agency != held.lead_agency:
        events.append(team_changed(new, told.decided_at))
    lane = Lane.URGENT if new.level.urgent else message.lane
    await desk.staffings.save(new, *events, cause=message, lane=lane)


async def end_unwanted(message: Message[MeetingDecided], *, desk: Desk) -> None:
    """Take back the roles that a meeting wants no longer; free their places."""
    case_id = message.data.case_id
    staffing, held = await asyncio.gather(
        desk.staffings.get(case_id), desk.allocations.of_case(case_id)
    )
    if staffing is None:
        return
    over = [each for each in held if not staffing.wanted(each.id)]
    goes_on = bool(staffing.roles)
    await asyncio.gather(*(end(each, desk=desk, goes_on=goes_on) for each in over))
