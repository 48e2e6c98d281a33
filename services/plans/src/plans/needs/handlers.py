"""What is done when a need is assessed, a service asked, or a clock runs out."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from accord_contracts.access import ClosedToChange, Side
from accord_contracts.allocation import OfferOfHelp
from accord_contracts.message import Event, Lane, Message
from accord_contracts.plans import (
    NeedAssessed,
    PlanClosed,
    PlanDrafted,
    ServiceAsked,
    ServiceDueSoon,
    ServiceMoved,
    ServiceOverdue,
    ServiceStep,
)
from accord_contracts.referrals import (
    CaseErased,
    CaseMerged,
    CaseTransferred,
    RolesDecided,
)
from accord_contracts.risk import RiskLevel

from plans.asks import Helpers
from plans.documents.store import Voices
from plans.domain.held import NoPlan
from plans.domain.outcome import CARRIED_ON
from plans.domain.plan import AlreadyClosed, Plan
from plans.domain.stage import Status
from plans.domain.template import Policy
from plans.meeting.store import Dockets
from plans.needs.need import (
    DoesNotMeetIt,
    Need,
    NoSuchNeed,
    Reached,
    ReasonMissing,
    Service,
    UnknownStrand,
    Voice,
)
from plans.needs.store import Needs
from plans.store import Plans


async def assess(
    new: Need, *, needs: Needs, plans: Plans, voices: Voices, policy: Policy
) -> Need:
    """Record what somebody needs, or how far it is met by now.

    Raises:
        NoPlan: There is none for their case, or no longer; what is kept is of the other
            side by now; or they are erased.
        UnknownStrand: The locality has no such strand.
        ClosedToChange: The case was handed over: a request came in the seconds for
            which that was not known.
    """
    plan = await plans.get(new.case_id)
    if plan is None or plan.erased_at:
        raise NoPlan
    if await voices.is_erased(new.person_id, new.case_id):
        raise NoPlan
    if plan.transferred_at:
        raise ClosedToChange
    if new.strand not in policy.strands:
        raise UnknownStrand
    held = await needs.get(new.id)
    if held and held.side is not new.side:
        raise NoPlan
    kept = held.assess(new) if held else new
    if kept is held:
        return held
    told = NeedAssessed(
        case_id=kept.case_id,
        need_id=kept.id,
        person_id=kept.person_id,
        strand=kept.strand,
        met=kept.level,
        agreed=kept.voice is Voice.AGREED,
        assessed_at=kept.assessed_at,
    )
    return await needs.save(kept, told)


async def who_may_meet(
    held: Need, *, needs: Needs, plans: Plans, helpers: Helpers
) -> tuple[OfferOfHelp, ...]:
    """Give the providers that may be asked to meet a need.

    None that is asked for the other side, in the case or in what is merged with it:
    who there meets him would read of her, and where she goes.

    Raises:
        HelpAway: The directory does not answer.
        StandingAway: It cannot be known now whom the lists of the case name.
    """
    offered = await helpers.who_meet(held.strand, held.case_id)
    found = await needs.of_cases(await _together(held.case_id, plans))
    others = {e for each in found if each.side is not held.side for e in each.asked_of}
    return tuple(each for each in offered if each.provider not in others)


async def where_he_is_met(asked: Iterable[Need], plans: Plans) -> frozenset[str]:
    """Give the cases in which a provider meets the person using violence.

    And what is merged with them: whatever it was asked for others there, it sees
    nothing of it. It was asked in the same moment, or before the cases were merged.

    Args:
        asked: What the provider is asked, or does.
        plans: Of the cases.
    """
    his = {e.case_id for e in asked if e.side is Side.PERSON_USING_VIOLENCE}
    return frozenset().union(*[await _together(each, plans) for each in sorted(his)])


async def _together(case_id: str, plans: Plans) -> frozenset[str]:
    """Give a case with those that are merged with it."""
    leading = await _leading(case_id, plans)
    merged = (leading.id, *leading.merged_cases) if leading else ()
    return frozenset({case_id, *merged})


async def _leading(case_id: str, plans: Plans) -> Plan | None:
    """Give the plan by which a case is met: its own, or its survivor's."""
    held = await plans.get(case_id)
    return await plans.get(held.merged_into) if held and held.merged_into else held


async def ask(
    held: Need,
    provider: str,
    *,
    at: datetime,
    by: str,
    needs: Needs,
    plans: Plans,
    policy: Policy,
    helpers: Helpers,
) -> Need:
    """Ask a provider of the directory to meet a need.

    What plans itself refuses comes first.

    Raises:
        DoesNotMeetIt: The directory names no such provider for it, the lists of the
            case keep it from the case, or it is asked for the other side.
        HelpAway: The directory does not answer.
        ClosedToChange: The case was handed over to another region.
        AlreadyClosed: The response has ended: nobody would see what becomes of it.
        NotAgreedTo: The person did not agree to it.
        StillAsked: It is asked already.
        TooManyServices: There are too many.
    """
    new = held.ask(provider, policy.needs.answer, at=at, by=by)
    leading = await _leading(held.case_id, plans)
    if leading and leading.status is Status.CLOSED:
        raise AlreadyClosed
    offered = await who_may_meet(held, needs=needs, plans=plans, helpers=helpers)
    if all(each.provider != provider for each in offered):
        raise DoesNotMeetIt
    asked = new.services[-1]
    told = ServiceAsked(
        **_about(new),
        service_id=asked.id,
        provider=provider,
        asked_at=at,
        answer_by=asked.answer_by,
    )
    return await needs.save(new, told)


async def move(
    held: Need, service_id: str, reached: Reached, *, needs: Needs, policy: Policy
) -> Need:
    """Note how far a service has come.

    Raises:
        NoSuchService: No such service was asked.
        NotAfter: That step does not follow the one that it is at.
        ClosedToChange: The case was handed over to another region.
        ReasonMissing: It was refused or ended for none of the locality's reasons.
    """
    rules = policy.needs
    reasons = {ServiceStep.REFUSED: rules.refusals, ServiceStep.ENDED: rules.ends}
    if reached.reason not in reasons.get(reached.step, {None}):
        raise ReasonMissing
    new = held.move(service_id, reached, rules.start)
    if new is held:
        return held
    return await needs.save(new, *_moved(new, held))


async def tell_due(held: Need, *, at: datetime, needs: Needs, plans: Plans) -> None:
    """Say which providers have not answered, or begun, in time, and which soon should.

    Each once.
    """
    plan = await plans.get(held.case_id)
    level = plan.current.assessment.level if plan and plan.versions else None
    late = held.fall_due(at)
    new = late.remind(at)
    told: list[Event] = [
        ServiceOverdue(
            **_of_service(held, each, level),
            answer_by=each.due_at,
            late_by=(at - each.due_at).total_seconds(),
        )
        for each in held.services
        if each.due_at and each.due_at <= at
    ]
    told += (
        ServiceDueSoon(**_of_service(held, each, level), due_at=each.due_at)
        for each in late.services
        if each.due_at and each.remind_at and each.remind_at <= at
    )
    lane = Lane.URGENT if level and level.urgent else Lane.ROUTINE
    await needs.save(new, *told, lane=lane)


async def _change_each(
    case_id: str, change: Callable[[Need], Need], needs: Needs, *merged: str
) -> None:
    """Change every need of a case, and of those merged into it, if they are named.

    And tell which services it has ended. Each write is its own, and changes nothing
    the second time.
    """
    for each in await needs.of_cases([case_id, *merged]):
        new = change(each)
        if new is not each:
            await needs.save(new, *_moved(new, each))


async def close_sides(message: Message[RolesDecided], *, needs: Needs) -> None:
    """Close to outreach what was noted of others as the person using violence."""
    told = message.data
    if not told.corrected:
        return
    await _change_each(
        told.case_id, lambda each: each.put_right(told.using_violence), needs
    )


async def end_closed(
    message: Message[PlanClosed], *, needs: Needs, plans: Plans, dockets: Dockets
) -> None:
    """Wait for no provider any more in a case to which the response has ended.

    Nor in what was merged into it by then. A service of which it was said that it is
    needed no longer ends, and its provider is told. What is heard only after the
    response has begun again ends nothing.
    """
    told = message.data
    plan = await plans.get(told.case_id)
    if plan and plan.status in {Status.DRAFTED, Status.AGREED}:
        return
    at = told.closed_at
    merged = [each.id for each in await dockets.merged_with(told.case_id, by=at)]
    left = plan.current.left if plan and plan.versions else ()
    over = {each.id: each.reason for each in left if each.reason != CARRIED_ON}
    await _change_each(
        told.case_id, lambda each: each.end(over, at).close(at), needs, *merged
    )


async def end_merged(
    message: Message[CaseMerged], *, needs: Needs, plans: Plans
) -> None:
    """Wait for nobody either in what was merged into a case before that ended.

    That it ended may have been heard before.
    """
    told = message.data
    plan = await plans.get(told.survivor_id)
    at = plan.current.closed_at if plan and plan.versions else None
    if at and told.merged_at <= at:
        await _change_each(told.case_id, lambda each: each.close(at), needs)


async def take_up(message: Message[PlanDrafted], *, needs: Needs, plans: Plans) -> None:
    """Wait for providers again once a plan is drafted after the end.

    In what is merged into the case as well.
    """
    told = message.data
    plan = await plans.get(told.case_id)
    merged = plan.merged_cases if plan else ()
    at = told.drafted_at
    await _change_each(told.case_id, lambda each: each.take_up(at), needs, *merged)


async def end_transferred(message: Message[CaseTransferred], *, needs: Needs) -> None:
    """Wait for no provider any more in a case that was handed over."""
    told = message.data
    await _change_each(
        told.case_id, lambda each: each.transfer(told.transferred_at), needs
    )


async def erase(message: Message[CaseErased], *, needs: Needs) -> None:
    """Delete the needs of a case that is erased."""
    await needs.erase(message.data.case_id)


async def erase_person(person_id: str, *, at: datetime, needs: Needs) -> None:
    """Delete the needs of somebody who is erased, in every case.

    That nobody waits for a service of theirs any more is told first: otherwise what
    was told of a late one would never be over.
    """
    for each in await needs.of_person(person_id):
        new = each.end(dict.fromkeys((e.id for e in each.services), None), at)
        if new is not each:
            await needs.save(new, *_moved(new, each))
    await needs.erase_person(person_id)


def _moved(new: Need, held: Need) -> list[Event]:
    """Tell which services have come to another step since before."""
    known = {each.id: each.step for each in held.services}
    return [
        ServiceMoved(
            **_about(new),
            service_id=each.id,
            provider=each.provider,
            step=each.step,
            reason=each.steps[-1].reason,
            moved_at=each.steps[-1].at,
        )
        for each in new.services
        if known.get(each.id) != each.step
    ]


async def need_of(case_id: str, need_id: str, needs: Needs) -> Need:
    """Give a need of a case.

    Raises:
        NoSuchNeed: There is none.
    """
    held = await needs.get(need_id)
    if held is None or held.case_id != case_id:
        raise NoSuchNeed
    return held


def _of_service(
    need: Need, service: Service, level: RiskLevel | None
) -> dict[str, Any]:
    return {
        **_about(need),
        "service_id": service.id,
        "provider": service.provider,
        "step": service.step,
        "level": level,
    }


def _about(need: Need) -> dict[str, str]:
    return {"case_id": need.case_id, "need_id": need.id, "strand": need.strand}
