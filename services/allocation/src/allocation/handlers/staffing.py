"""What happens to the staffing of a case: the first of the self-delivered steps."""

import asyncio
from datetime import datetime

from accord_chassis.guard import NoSuchRecord
from accord_chassis.store import EPOCH
from accord_contracts.allocation import (
    AllocationAccepted,
    CaseTeamChanged,
    Role,
    RoleWanted,
    TeamMember,
    WithdrawnFor,
)
from accord_contracts.message import Event, Lane, Message
from accord_contracts.plans import PlanAgreed, PlanClosed, PlanReviewed, PlanStale
from accord_contracts.referrals import (
    CaseErased,
    CaseTransferred,
    ReferralAmended,
    ReferralReceived,
)
from accord_contracts.risk import RiskAssessed

from allocation.domain import hearing
from allocation.domain.lists import AgencyListed, NobodyThere
from allocation.domain.offer import Status
from allocation.domain.policy import Stage
from allocation.domain.staffing import Staffing
from allocation.domain.wanted import Assessed
from allocation.domain.wishes import Wishes
from allocation.handlers.handing import not_taken
from allocation.handlers.placing import Desk, end, settle


async def note_wishes(
    message: Message[ReferralReceived] | Message[ReferralAmended], *, desk: Desk
) -> None:
    """Note whose case it is, and what the person harmed wishes.

    The roles are wanted if the risk is known.
    """
    told = message.data
    held = await desk.staffing(message)
    if held.erased_at:
        return
    met = held.meet(told.parties)
    if told.wishes is None:
        await _save(met, held, message, desk)
        return
    new = hearing.hear(
        met,
        told.referral_id,
        Wishes.of(told.wishes),
        message.time,
        desk.policy,
        skills=desk.policy.skills_for(told.incidents),
        place=told.place_area,
        number=told.number if isinstance(told, ReferralAmended) else 0,
    )
    await _save(new, held, message, desk)


async def want_roles(message: Message[RiskAssessed], *, desk: Desk) -> None:
    """Want the roles that the level of risk needs, and its tier names besides."""
    told = message.data
    held = await desk.staffing(message)
    if held.erased_at:
        return
    new = hearing.assess(
        held,
        Assessed(
            revision=message.aggregate_version,
            first_referred_at=told.first_referred_at,
            assessed_at=told.assessed_at,
            # The tier is risk's vocabulary: a role that nobody here has is passed over.
            roles=tuple(e for e in Role if told.tier and e in told.tier.roles),
        ),
        told.level,
        told_at=message.time,
        referral_id=told.referral_id,
        policy=desk.policy,
    )
    await _save(new, held, message, desk)


async def go_on_without_wishes(held: Staffing, *, desk: Desk) -> None:
    """Want the roles of a referral whose wishes have not come in time."""
    new = hearing.stop_waiting(held, desk.clock.now(), desk.policy)
    await desk.staffings.save(new, *wanted(new, held), lane=_lane(new, Lane.ROUTINE))


async def join_team(message: Message[AllocationAccepted], *, desk: Desk) -> None:
    """Take whoever has accepted a role into the case's team.

    If they have left meanwhile, they do not join, and the role is back with whoever
    handed it over to them, or wanted anew. If it was handed over to them, and they were
    barred meanwhile, it is wanted anew.
    """
    told = message.data
    held, role = await asyncio.gather(
        desk.staffings.get(told.case_id, cause=message),
        desk.allocations.get(told.allocation_id),
    )
    if held is None or role is None:
        return
    # Whoever the role was taken back from since has accepted by older lists.
    lists = role.lists if role.holder == told.worker_id else 0
    known, wanted_ = held, held.wanted(role.id)
    if wanted_ and not wanted_.taken_back(told.worker_id, lists):
        worker = await desk.directory.read(told.worker_id)
        if worker is None or not worker.serves(role.role):
            known = await not_taken(role, held, told.worker_id, desk=desk)
    new = known.join(told.allocation_id, told.worker_id, lists)
    if told.worker_id in role.working:
        new = new.unkept(told.allocation_id, told.worker_id)
    if new is not held:
        events = wanted(new, held)
        if new.team != held.team:
            events.insert(0, team_changed(new, told.accepted_at))
        await desk.staffings.save(new, *events, cause=message)


async def settle_place(message: Message[AllocationAccepted], *, desk: Desk) -> None:
    """Make the accepter's place permanent; end the role if the plan has been closed.

    Whoever accepted did the first already; it is done again in case that process died.
    """
    told = message.data
    staffing, held = await asyncio.gather(
        desk.staffings.get(told.case_id), desk.allocations.get(told.allocation_id)
    )
    if held is None or staffing is None:
        return
    if staffing.wanted(held.id) is None:
        merged = WithdrawnFor.CASE_MERGED if staffing.merged_into else None
        await end(held, desk=desk, reason=merged, goes_on=bool(staffing.roles))
    elif held.status is Status.ACCEPTED:
        await settle(held, desk=desk)


async def dissolve_team(message: Message[PlanClosed], *, desk: Desk) -> None:
    """Have nobody work on the case any more, because the response has ended."""
    told = message.data
    held = await desk.staffing(message)
    if held.erased_at:
        return
    version = message.aggregate_version
    new = held.close(
        told.assessment_revision,
        told.closed_at,
        desk.policy,
        plan_revision=None if held.merged_into else version,
    )
    if new is held:
        return
    # What the plan said before it was closed may be heard of later.
    new = new.reach(Stage.NEW, version)
    events: list[Event] = []
    if held.team:
        events.append(team_changed(new, told.closed_at))
    events += wanted(new, held)
    await desk.staffings.save(
        new, *events, cause=message, lane=_lane(new, message.lane)
    )


async def note_stage(
    message: Message[PlanAgreed] | Message[PlanReviewed] | Message[PlanStale],
    *,
    desk: Desk,
) -> None:
    """Note how far the response is: what its roles take of whoever has them changes.

    A plan that should be looked at again is work again.
    """
    told = message.data
    held = await desk.staffing(message)
    reached = Stage.IN_REVIEW if isinstance(told, PlanReviewed) else Stage.IN_RESPONSE
    new = held.reach(reached, message.aggregate_version)
    if new is not held:
        events = wanted(new, held)
        await desk.staffings.save(new, *events, cause=message, lane=message.lane)


async def leave_case(message: Message[CaseTransferred], *, desk: Desk) -> None:
    """Have nobody work on a case that was transferred, also if it is heard of later."""
    told = message.data
    held = await desk.staffing(message)
    if held.erased_at:
        return
    new = held.transfer(told.transferred_at)
    events = [team_changed(new, told.transferred_at)] if held.team else []
    await desk.staffings.save(
        new, *events, cause=message, lane=_lane(new, message.lane)
    )


async def end_allocations(
    message: Message[PlanClosed] | Message[CaseTransferred], *, desk: Desk
) -> None:
    """End the roles that the case no longer needs, and free their places.

    Those of earlier episodes too, in case a process died between the two.
    """
    case_id = message.data.case_id
    staffing, held = await asyncio.gather(
        desk.staffings.get(case_id), desk.allocations.of_case(case_id)
    )
    ended = [each for each in held if staffing is None or not staffing.wanted(each.id)]
    await asyncio.gather(*(end(each, desk=desk) for each in ended))


async def erase_staffing(message: Message[CaseErased], *, desk: Desk) -> None:
    """Leave a tombstone of what a case needs, or of what it would need."""
    told = message.data
    held = await desk.staffing(message)
    new = held.erase(told.erased_at)
    events = [team_changed(new, told.erased_at)] if held.team else []
    await desk.staffings.save(new, *events, cause=message)


async def erase_allocations(message: Message[CaseErased], *, desk: Desk) -> None:
    """End the roles of a case that was erased, free their places, leave tombstones."""
    for each in await desk.allocations.of_case(message.data.case_id):
        await end(each, desk=desk)
        ended = await desk.allocations.get(each.id)
        if ended is not None and ended.offers:
            await desk.allocations.save(ended.erase())


async def decide_lead(
    case_id: str, agency: str, by: str, *, unstaffed: bool, desk: Desk
) -> Staffing:
    """Have an agency lead the case until the episode ends, whatever its level.

    Args:
        case_id: The case.
        agency: By its code in the register.
        by: Who decides so.
        unstaffed: Also if nobody who is at work for it is in the directory.
        desk: What it takes.

    Raises:
        NoSuchRecord: There is no such case.
        AgencyListed: The lists of the case name the agency.
        NobodyThere: Nobody works for the agency, or its code is wrong.
    """
    held = await desk.staffings.get(case_id)
    if held is None or held.erased_at is not None:
        raise NoSuchRecord
    if agency in held.in_force.agencies:
        raise AgencyListed
    if not unstaffed and not await desk.directory.works_for(agency):
        raise NobodyThere
    # Another service's clock may be ahead: what is said now comes last all the same.
    at = max(desk.clock.now(), held.lead_decided_at or EPOCH)
    new = held.led_by(agency, by, at)
    if new is held:
        return held
    told = team_changed(new, at)
    return await desk.staffings.save(new, told, lane=_lane(new, Lane.ROUTINE))


def wanted(new: Staffing, before: Staffing) -> list[Event]:
    """Tell of the roles that are needed now and were not, or not so urgently."""
    return [
        RoleWanted(
            case_id=new.id,
            allocation_id=each.allocation_id,
            role=role,
            level=each.level,
            first_referred_at=each.first_referred_at,
        )
        for role, each in new.newly_wanted(before).items()
    ]


def team_changed(new: Staffing, at: datetime) -> CaseTeamChanged:
    """Tell who works on the case now."""
    members = tuple(
        TeamMember(worker_id=worker_id, role=role) for role, worker_id in new.team
    )
    return CaseTeamChanged(
        case_id=new.id, members=members, changed_at=at, lead_agency=new.lead_agency
    )


async def _save(
    new: Staffing, held: Staffing, message: Message[Event], desk: Desk
) -> None:
    lane, events = _lane(new, message.lane), wanted(new, held)
    if new.team and new.lead_agency != held.lead_agency:
        events.append(team_changed(new, message.time))
    await desk.staffings.save(new, *events, cause=message, lane=lane)


def _lane(new: Staffing, lane: Lane) -> Lane:
    """Take the urgent lane for a high level; else stay in the message's own."""
    return Lane.URGENT if new.level.urgent else lane
