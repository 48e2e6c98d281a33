"""What the risk service does when something happens."""

from collections.abc import Mapping
from datetime import datetime

from accord_contracts.message import Event, Lane, Message
from accord_contracts.plans import OPENED_IN_ERROR, PlanClosed
from accord_contracts.referrals import (
    Answer,
    CaseErased,
    CaseTransferred,
    FieldGroup,
    InformationDecided,
    InformationPushed,
    PersonRole,
    ReferralAmended,
    ReferralReceived,
    RolesDecided,
    TriggerCancelled,
    TriggerFellDue,
    TriggerScheduled,
)
from accord_contracts.risk import (
    LoweringLapsed,
    ReassessmentDue,
    ReassessmentOverdue,
    RiskAssessed,
    RiskChanged,
)

from risk.domain.ahead import Ahead
from risk.domain.answers import added, merged
from risk.domain.assessment import Assessment, NotAssessed
from risk.domain.form import Form, forms_of
from risk.domain.judgement.record import Asked, Origin
from risk.domain.policy import AnsweredOtherwise, Policy, UnknownIndicator
from risk.domain.reassessment import Reassessment
from risk.domain.telling import Parts, Telling
from risk.store import Assessments

NOTHING_FILLED_IN: Mapping[str, Form] = {}

WEIGHED = frozenset({FieldGroup.ANSWERS, FieldGroup.INCIDENTS, FieldGroup.INSTRUMENTS})
"""What of a referral is weighed."""

YOUNG_CHILD = "young_child"
"""The question whether a child is below the locality's ``young_child_years``."""

TOLD = WEIGHED | {FieldGroup.PEOPLE}
"""What of a referral is kept: whom it is about says for whom it weighs."""


async def assess_referral(
    message: Message[ReferralReceived], *, assessments: Assessments, policy: Policy
) -> None:
    """Weigh a new referral together with everything known about the case."""
    told = message.data
    held = await assessments.get(told.case_id, cause=message)
    held = held or Assessment.new(told.case_id, message.time)
    if held.erased_at:
        return
    incidents = frozenset(told.incidents)
    # What was loaded is kept until it is saved: by it the store knows what has changed.
    answers = answers_of(told, policy)
    forms = policy.believed(forms_of(told.instruments), agency=told.agency)
    telling = telling_of(told, message.time, answers, forms)
    heard = held.told(told.referral_id, telling).begin(told.first_referred_at)
    new = heard.weigh(
        answers,
        incidents,
        policy,
        message.time,
        repeat=told.repeat,
        forms=forms,
        origin=Origin(referral_id=told.referral_id),
    )
    events = assessed(new, told.referral_id)
    await assessments.save(new, *events, cause=message, lane=lane_of(new, message))


async def assess_information(
    message: Message[InformationDecided] | Message[InformationPushed],
    *,
    assessments: Assessments,
    policy: Policy,
) -> None:
    """Weigh what an agency that was asked has answered, here or in another case.

    Whoever takes an answer back later lowers nothing: that takes a person. And nobody
    has looked at the family by it: the clock runs on as it did.
    """
    told = message.data
    if not told.answers:
        return
    held = await assessments.get(told.case_id, cause=message)
    held = held or Assessment.new(told.case_id, message.time)
    if held.erased_at:
        return
    new = held.weigh(told.answers, frozenset(), policy, message.time)
    await assessments.save(
        new, *assessed(new, None), cause=message, lane=lane_of(new, message)
    )


async def assess_amendment(
    message: Message[ReferralAmended], *, assessments: Assessments, policy: Policy
) -> None:
    """Weigh what an agency says now, if that is of what is weighed.

    A yes that it takes back stays a yes, and the level does not fall: another may have
    answered so too, and lowering needs a proof and a second person.
    """
    told = message.data
    held = await assessments.get(told.case_id, cause=message)
    held = held or Assessment.new(told.case_id, message.time)
    if held.erased_at or TOLD.isdisjoint(told.groups):
        return
    answers = answers_of(told, policy)
    forms = policy.believed(forms_of(told.instruments), agency=told.agency)
    telling = telling_of(told, message.time, answers, forms)
    heard = held.told(told.referral_id, telling)
    incidents = frozenset(told.incidents)
    if WEIGHED.isdisjoint(told.groups):
        # Of whom it names, only what their ages answer that was not known is new.
        before = held.tellings.get(told.referral_id)
        answers = added(before.answers if before else told.answers, answers)
        incidents, forms = frozenset(), {}
        if not answers:
            await assessments.save(heard, cause=message)
            return
    new = heard.weigh(
        answers,
        incidents,
        policy,
        message.time,
        forms=forms,
        origin=Origin(referral_id=told.referral_id),
    )
    events = assessed(new, told.referral_id)
    await assessments.save(new, *events, cause=message, lane=lane_of(new, message))


async def assess_corrected(
    message: Message[RolesDecided], *, assessments: Assessments, policy: Policy
) -> None:
    """Note who harmed whom; if that was told otherwise, have people assess it now.

    What was answered was perhaps answered of somebody else, also in a reassessment:
    none from before proves anything. The level stays until a person lowers it.
    """
    told = message.data
    held = await assessments.get(told.case_id, cause=message)
    held = held or Assessment.new(told.case_id, message.time)
    if held.erased_at:
        return
    right = held.put_right(
        Parts(harmed=told.harmed, using=told.using_violence, decided_at=told.decided_at)
    )
    if not (told.corrected and right.weighed):
        right = right.with_people(policy, message.time)
        await assessments.save(right, cause=message)
        return
    stirred = right.stir(message.time)
    new = stirred.weigh({}, frozenset(), policy, message.time, begins=True)
    new = new.due_now(message.time)
    events = assessed(new, None)
    await assessments.save(new, *events, cause=message, lane=Lane.URGENT)


async def add_answers(
    case_id: str,
    answers: dict[str, Answer],
    *,
    at: datetime,
    assessments: Assessments,
    policy: Policy,
    forms: Mapping[str, Form] = NOTHING_FILLED_IN,
    by: str | None = None,
) -> Assessment:
    """Weigh answers that a worker has since got together with everything known.

    Raises:
        NotAssessed: Nothing is known of the case.
        UnknownIndicator: What is answered is not one of the locality's.
        AnsweredOtherwise: Something is not answered as it is asked.
    """
    check_known(answers, forms, policy)
    held = await assessments.get(case_id)
    if held is None or not held.weighed:
        raise NotAssessed
    new = held.weigh(
        answers, frozenset(), policy, at, forms=forms, origin=Origin(by=by)
    )
    lane = Lane.URGENT if new.level.urgent else Lane.ROUTINE
    return await assessments.save(new, *assessed(new, None), lane=lane)


def check_known(
    answers: Mapping[str, Answer], forms: Mapping[str, Form], policy: Policy
) -> None:
    """See that everything answered is asked in this locality, in the way it is asked.

    Raises:
        UnknownIndicator: Something is not asked.
        AnsweredOtherwise: Something is asked otherwise; its text names the fields.
    """
    if set(answers) - set(policy.questions) or policy.strange(forms):
        raise UnknownIndicator
    if misfilled := policy.misfilled(forms):
        raise AnsweredOtherwise(f"instruments.{each}" for each in misfilled)


async def stop_clock(message: Message[PlanClosed], *, assessments: Assessments) -> None:
    """Call for no more reassessments of a case to which the response has ended."""
    told = message.data
    held = await assessments.get(told.case_id, cause=message)
    if held is None or not held.weighed:
        return
    mistaken_at = told.closed_at if told.reason == OPENED_IN_ERROR else None
    new = held.close(told.assessment_revision, mistaken_at=mistaken_at)
    if new is not held:
        await assessments.save(new, cause=message)


async def leave(message: Message[CaseTransferred], *, assessments: Assessments) -> None:
    """Call for nothing more in a case that was transferred, heard of or not.

    A lowering that somebody asks for is over with that, and told to be.
    """
    told = message.data
    held = await assessments.get(told.case_id, cause=message)
    held = held or Assessment.new(told.case_id, message.time)
    if held.erased_at:
        return
    asked = held.judgement.asked
    events = [lapsed_of(held.id, asked, message.time)] if asked else []
    new = held.transfer(told.transferred_at)
    await assessments.save(new, *events, cause=message)


async def erase(message: Message[CaseErased], *, assessments: Assessments) -> None:
    """Leave a tombstone of a case's assessment, or of one still to come.

    Its past results go first: to do that once more changes nothing.
    """
    told = message.data
    await assessments.pasts.forget(told.case_id)
    held = await assessments.get(told.case_id, cause=message)
    held = held or Assessment.new(told.case_id, message.time)
    await assessments.save(held.erase(told.erased_at), cause=message)


async def foresee(
    message: Message[TriggerScheduled | TriggerCancelled],
    *,
    assessments: Assessments,
    policy: Policy,
) -> None:
    """Note a date, or that it was moved or called off; if it is near, weigh it.

    What does not weigh any more is left out at the next assessment. The level stays.
    """
    new, known = await _noted(message, assessments, policy)
    if new is known:
        return
    events: list[Event] = []
    if new.comes_near(message.time):
        new = new.weigh_dates(policy, message.time, begins=False)
        events = assessed(new, None)
    await assessments.save(new, *events, cause=message, lane=lane_of(new, message))


async def weigh_what_is_there(
    message: Message[TriggerFellDue], *, assessments: Assessments, policy: Policy
) -> None:
    """Weigh a case again, because what was known to come is there."""
    new, known = await _noted(message, assessments, policy)
    if new is known:
        return
    events: list[Event] = []
    if new.weighed:
        new = new.weigh_dates(policy, message.time, begins=False)
        events = assessed(new, None)
    await assessments.save(new, *events, cause=message, lane=lane_of(new, message))


async def _noted(
    message: Message[TriggerScheduled | TriggerCancelled | TriggerFellDue],
    assessments: Assessments,
    policy: Policy,
) -> tuple[Assessment, Assessment]:
    """Give a case's assessment with what was told of a date, and as it was."""
    told = message.data
    held = await assessments.get(told.case_id, cause=message)
    known = held or Assessment.new(told.case_id, message.time)
    date = Ahead(
        kind=told.kind,
        happens_at=told.due_at,
        near_from=policy.ahead[told.kind].near_from(told.due_at),
        revision=message.aggregate_version,
        cancelled=isinstance(told, TriggerCancelled),
    )
    return known.foresee(told.trigger_id, date), known


async def attend(
    held: Assessment, *, at: datetime, assessments: Assessments, policy: Policy
) -> None:
    """Tell that a lowering has lapsed, weigh a date, or call for a reassessment.

    One thing at a turn, because each changes the assessment.
    """
    if lapsed := held.lapsed(at):
        forgotten = {"judgement": held.judgement.forgotten()}
        told = lapsed_of(held.id, lapsed, at)
        await assessments.save(held.model_copy(update=forgotten), told)
        return
    if not held.comes_near(at):
        await call_for_reassessment(held, at=at, assessments=assessments, policy=policy)
        return
    new = held.weigh_dates(policy, at, begins=True)
    lane = Lane.URGENT if new.level.urgent else Lane.ROUTINE
    await assessments.save(new, *assessed(new, None), lane=lane)


async def call_for_reassessment(
    held: Assessment, *, at: datetime, assessments: Assessments, policy: Policy
) -> None:
    """Say that a case is to be assessed anew, or should long have been.

    A clock that was stopped calls for nothing.
    """
    if held.due_at is None:
        return
    new = held.fall_due(policy)
    due = new.reassessment is Reassessment.DUE
    kind = ReassessmentDue if due else ReassessmentOverdue
    fell_due = kind(
        case_id=held.id,
        level=held.level,
        due_at=held.due_at,
        late_by=(at - held.due_at).total_seconds(),
    )
    lane = Lane.URGENT if held.level.urgent else Lane.ROUTINE
    await assessments.save(new, fell_due, lane=lane)


async def look_over(
    held: Assessment, *, at: datetime, assessments: Assessments, policy: Policy
) -> None:
    """Weigh a case by the policy in force, which an older one has weighed.

    It is told only where something of it would be told otherwise.
    """
    new = held.look_over(policy, at)
    told = assessed(new, None) if new.revision > held.revision else []
    lane = Lane.URGENT if new.level.urgent else Lane.ROUTINE
    await assessments.save(new, *told, lane=lane)


def assessed(new: Assessment, referral_id: str | None) -> list[Event]:
    """Tell of an assessment, and of a change of level where there is one.

    Of a case that stays closed nothing is told: it would open the plan again.
    """
    stopped = new.reassessment is Reassessment.STOPPED and not new.transferred_at
    if stopped and new.previous is new.level:
        return []
    told: list[Event] = [
        RiskAssessed(
            case_id=new.id,
            referral_id=referral_id,
            level=new.level,
            previous=new.previous,
            provisional=new.provisional,
            reasons=new.reasons,
            unknowns=new.unknowns,
            policy_version=new.policy_version,
            assessed_at=new.assessed_at,
            reassess_by=new.reassess_by,
            first_referred_at=new.first_referred_at,
            highest=new.highest,
            questions=new.questions,
            tier=new.tier,
        )
    ]
    if new.previous is not None and new.previous is not new.level:
        change = new.judgement.changes[-1]
        told.append(
            RiskChanged(
                case_id=new.id,
                level=new.level,
                previous=new.previous,
                changed_at=new.assessed_at,
                how=change.how,
                why=change.why,
            )
        )
    return told


def lapsed_of(case_id: str, asked: Asked, at: datetime) -> LoweringLapsed:
    """Tell that a lowering that was asked for is over, by now at the latest."""
    return LoweringLapsed(
        case_id=case_id,
        level=asked.level,
        worker_id=asked.by,
        asked_at=asked.at,
        lapsed_at=at,
        late_by=max((at - asked.until).total_seconds(), 0),
    )


def answers_of(
    told: ReferralReceived | ReferralAmended, policy: Policy
) -> dict[str, Answer]:
    """Give what a referral answers, also by how old its children were.

    A yes of either stands; of whom too little is known, it stays open.
    """
    ages = [each.age for each in told.parties if each.role is PersonRole.CHILD]
    young = any(e is not None and e < policy.young_child_years for e in ages)
    asked = YOUNG_CHILD in policy.questions
    if not (asked and ages) or (None in ages and not young):
        return told.answers
    by_age = {YOUNG_CHILD: Answer.YES if young else Answer.NO}
    return merged(by_age, told.answers)


def telling_of(
    told: ReferralReceived | ReferralAmended,
    at: datetime,
    answers: dict[str, Answer],
    forms: dict[str, Form],
) -> Telling:
    """Keep what a referral tells, as its agency says it there."""
    people: dict[PersonRole, tuple[str, ...]] = {}
    for each in told.parties:
        people[each.role] = (*people.get(each.role, ()), each.person_id)
    harmed = (e for e in told.parties if e.role is PersonRole.PERSON_HARMED)
    relationship = next((e.relationship for e in harmed if e.relationship), None)
    return Telling(
        occurred_at=told.occurred_at,
        received_at=at,
        incidents=frozenset(told.incidents),
        answers=answers,
        forms=forms,
        people=people,
        repeat=isinstance(told, ReferralReceived) and told.repeat,
        number=told.number if isinstance(told, ReferralAmended) else 0,
        asked_at=getattr(told, "first_referred_at", None),
        agency=told.agency,
        relationship=relationship,
    )


def lane_of(new: Assessment, message: Message[Event]) -> Lane:
    """Take the urgent lane for a high level; else stay in the message's own."""
    return Lane.URGENT if new.level.urgent else message.lane
