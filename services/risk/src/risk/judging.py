"""What the risk service does when people judge, and what a proof goes by."""

from collections.abc import Mapping
from datetime import datetime

from accord_contracts.access import SIDES, Side
from accord_contracts.message import Event, Lane, Message
from accord_contracts.plans import (
    ActionDone,
    ActionOutcome,
    MeetingDecided,
    PlanBreached,
)
from accord_contracts.referrals import (
    Answer,
    IncidentKind,
    OrderBreached,
    OrderEnded,
    OrderRecorded,
)
from accord_contracts.risk import LoweringAsked, RiskLevel

from risk.domain.assessment import Assessment, NotAssessed
from risk.domain.form import Form
from risk.domain.judgement import acts
from risk.domain.judgement.record import Contact, Decided
from risk.domain.order import Order
from risk.domain.policy import Policy, UnknownGroup
from risk.domain.reassessment import Reassessment
from risk.handlers import NOTHING_FILLED_IN, assessed, check_known, lane_of
from risk.store import Assessments


async def raise_level(
    case_id: str,
    level: RiskLevel,
    reason: str,
    *,
    by: str,
    at: datetime,
    assessments: Assessments,
    policy: Policy,
) -> Assessment:
    """Raise the level of a case on a worker's own judgement.

    Raises:
        NotAssessed: Nothing is known of the case.
        UnknownReasonForLevel: The reason is not one of the locality's.
        NotHigher: It is held at that level, or a higher one.
    """
    held = await _held(case_id, assessments)
    new = acts.raise_level(held, level, reason, by=by, policy=policy, at=at)
    return await assessments.save(new, *assessed(new, None), lane=_lane(new))


async def reassess(
    case_id: str,
    answers: dict[str, Answer],
    contact: Contact,
    *,
    by: str,
    at: datetime,
    assessments: Assessments,
    policy: Policy,
    forms: Mapping[str, Form] = NOTHING_FILLED_IN,
) -> Assessment:
    """Reassess a case: with what a worker found now, by itself and with all known.

    Raises:
        NotAssessed: Nothing is known of the case.
        UnknownIndicator: What is answered is not one of the locality's.
        AnsweredOtherwise: Something is not answered as it is asked.
    """
    check_known(answers, forms, policy)
    held = await _held(case_id, assessments)
    new = acts.look_anew(
        held, answers, contact, by=by, policy=policy, at=at, forms=forms
    )
    return await assessments.save(new, *assessed(new, None), lane=_lane(new))


async def ask_lowering(
    case_id: str,
    level: RiskLevel,
    reason: str,
    *,
    by: str,
    at: datetime,
    assessments: Assessments,
    policy: Policy,
) -> Assessment:
    """Ask that a level be lowered, which somebody else has to confirm.

    Raises:
        NotAssessed: Nothing is known of the case.
        Refusal: Of ``acts.ask_lowering``.
    """
    held = await _held(case_id, assessments)
    new = acts.ask_lowering(held, level, reason, by=by, policy=policy, at=at)
    asked = new.judgement.asked
    if asked is None or asked == held.judgement.asked:
        return held
    told = LoweringAsked(
        case_id=case_id, level=level, asked_by=by, asked_at=at, until=asked.until
    )
    return await assessments.save(new, told)


async def confirm_lowering(
    case_id: str,
    level: RiskLevel,
    *,
    by: str,
    at: datetime,
    assessments: Assessments,
    policy: Policy,
) -> Assessment:
    """Lower a level as somebody else asks, if the proof still holds.

    Raises:
        NotAssessed: Nothing is known of the case.
        Refusal: Of ``acts.lower``.
    """
    held = await _held(case_id, assessments)
    new = acts.lower(held, level, by, policy, at)
    return await assessments.save(new, *assessed(new, None), lane=_lane(held))


async def set_groups(
    case_id: str,
    groups: dict[str, str],
    *,
    assessments: Assessments,
    policy: Policy,
) -> None:
    """Note in which groups a case counts. It weighs nothing, and tells nobody.

    Raises:
        NotAssessed: Nothing is known of the case.
        UnknownGroup: A dimension, or a group of it, is not one of the locality's.
    """
    for dimension, code in groups.items():
        if code not in policy.groups.get(dimension, ()):
            raise UnknownGroup
    held = await _held(case_id, assessments)
    if held.groups != groups:
        await assessments.save(held.model_copy(update={"groups": groups}))


async def _held(case_id: str, assessments: Assessments) -> Assessment:
    held = await assessments.get(case_id)
    if held is None or not held.weighed:
        raise NotAssessed
    return held


async def note_meeting(
    message: Message[ActionDone], *, assessments: Assessments, policy: Policy
) -> None:
    """Note that the person harmed was met for an action of the plan.

    What was said of it counts; if nothing was, what the locality says of such
    actions. Whoever meets the person using violence has not met the person harmed.
    """
    told = message.data
    met = told.action in policy.judging.meets_in_person
    if told.outcome is not None:
        met = told.outcome is ActionOutcome.MET_IN_PERSON
    if not met or SIDES[told.role] is Side.PERSON_USING_VIOLENCE:
        return
    held = await assessments.get(told.case_id, cause=message)
    if held is None or held.erased_at:
        return
    judgement = held.judgement.met(told.done_at, told.worker_id)
    new = held.model_copy(update={"judgement": judgement})
    await assessments.save(new, cause=message)


async def heed_table(
    message: Message[MeetingDecided], *, assessments: Assessments, policy: Policy
) -> None:
    """Raise a level as a meeting decided, in the name of whoever decided there.

    What is heard before anything of the case is noted until something is.
    """
    told = message.data
    held = await assessments.get(told.case_id, cause=message)
    held = held or Assessment.new(told.case_id, message.time)
    if held.erased_at:
        return
    decided = Decided(
        meeting_id=told.meeting_id,
        number=told.number,
        level=told.level,
        held=held.level,
        by=told.decided_by,
        agency=told.agency,
        at=told.decided_at,
    )
    new = acts.heed_table(held, decided, policy, message.time)
    if new is held:
        return
    events = assessed(new, None) if new.level is not held.level else []
    await assessments.save(new, *events, cause=message, lane=lane_of(new, message))


async def heed_order(
    message: Message[OrderRecorded | OrderBreached | OrderEnded],
    *,
    assessments: Assessments,
    policy: Policy,
) -> None:
    """Note how an order stands; weigh a case in which one was breached.

    That an order ended lowers nothing, and neither does a breach that was taken back.
    """
    told = message.data
    held = await assessments.get(told.case_id, cause=message)
    held = held or Assessment.new(told.case_id, message.time)
    order = Order(
        revision=message.aggregate_version,
        ends_at=told.ends_at,
        ended_at=told.ended_at if isinstance(told, OrderEnded) else None,
        breached_at=told.breached_at,
    )
    new = held.bind(told.order_id, order)
    if new is held:
        return
    known = held.orders.get(told.order_id)
    breached_at = new.orders[told.order_id].breached_at
    events: list[Event] = []
    if breached_at and (known is None or known.breached_at != breached_at):
        breach = frozenset({IncidentKind.BREACH_OF_ORDER})
        if new.weighed:
            new = new.weigh({}, breach, policy, message.time, begins=True)
            events = assessed(new, None)
        else:
            new = new.model_copy(update={"incidents": new.incidents | breach})
    await assessments.save(new, *events, cause=message, lane=lane_of(new, message))


async def heed_breach(
    message: Message[PlanBreached], *, assessments: Assessments
) -> None:
    """Have people assess a case at once in which the plan was broken.

    No reassessment from before proves anything any more; a look at the family from
    after it stands, also if the breach is heard late. Nothing is weighed, so that the
    plan that was agreed to stays in force meanwhile. Of a merged case, its survivor is
    called for.
    """
    held = await assessments.get(message.data.case_id, cause=message)
    if held is None or held.erased_at:
        return
    above = held.merged_into and await assessments.get(held.merged_into)
    if above and (heeded := _heeded(above, message.time)) is not above:
        # First: to do it once more changes nothing.
        await assessments.save(heeded, lane=lane_of(heeded, message))
    new = _heeded(held, message.time)
    await assessments.save(new, cause=message, lane=lane_of(new, message))


def _heeded(held: Assessment, at: datetime) -> Assessment:
    """Have a case assessed at once, unless it is closed or somebody has looked since.

    Whoever closed it knew of the breach.
    """
    stopped = held.reassessment is Reassessment.STOPPED
    looked = any(each.at > at and each.seen for each in held.judgement.looks)
    if not held.weighed or held.erased_at or stopped or looked:
        return held
    return held.stir(at).due_now(at)


def _lane(new: Assessment) -> Lane:
    return Lane.URGENT if new.level.urgent else Lane.ROUTINE
