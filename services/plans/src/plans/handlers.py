"""What the plans service does when something happens."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from accord_chassis.clock import Clock
from accord_contracts.allocation import AllocationAccepted, AllocationWithdrawn
from accord_contracts.message import Lane, Message
from accord_contracts.plans import (
    ActionOutcome,
    PlanAgreed,
    PlanClosed,
    StaleReason,
)
from accord_contracts.referrals import (
    TRANSFERRED,
    Answer,
    CaseErased,
    CaseTransferred,
    FieldGroup,
    IncidentKind,
    PersonRole,
    ReferralAmended,
    ReferralReceived,
    RolesDecided,
    TriggerCancelled,
    TriggerFellDue,
    TriggerScheduled,
)
from accord_contracts.risk import RiskAssessed

from plans.domain.action import Action, Evidence, NoSuchAction, Owner, Said
from plans.domain.circumstances import Word
from plans.domain.closing import close as end
from plans.domain.coming import Coming
from plans.domain.held import NoPlan
from plans.domain.keeping import complete as keep
from plans.domain.outcome import Left, Outcome
from plans.domain.plan import Plan
from plans.domain.staleness import (
    go_stale,
    stale_by_dates,
    stale_by_draft,
    stale_by_leaving,
)
from plans.domain.template import Policy
from plans.domain.version import Assessment
from plans.store import Plans
from plans.telling import (
    assigned,
    drafted,
    due_soon,
    lane_of,
    not_in_force,
    overdue,
    refused,
    review_due,
    settled,
    to_confirm,
)
from plans.telling import stale as stale_told


async def draft_plan(
    message: Message[RiskAssessed], *, plans: Plans, policy: Policy, clock: Clock
) -> None:
    """Draft a plan for a case that was assessed, or the next version of it."""
    told = message.data
    held = await plans.get(told.case_id, cause=message) or Plan(id=told.case_id)
    assessment = Assessment(
        level=told.level,
        referral_id=told.referral_id,
        revision=message.aggregate_version,
        assessed_at=told.assessed_at,
        first_referred_at=told.first_referred_at,
    )
    drawn = held.draft(assessment, policy, clock.now(), tier=told.tier)
    if drawn is held:
        return
    new = stale_by_draft(drawn, held, drawn.current.drafted_at)
    events = (drafted(new), *assigned(new, held), *stale_told(new, held))
    await plans.save(new, *events, cause=message, lane=lane_of(new, message.lane))


async def assign_actions(message: Message[AllocationAccepted], *, plans: Plans) -> None:
    """Give a role's actions to the worker who took it; remember them for later ones."""
    told = message.data
    held = await plans.get(told.case_id, cause=message) or Plan(id=told.case_id)
    owner = Owner(
        worker_id=told.worker_id,
        accepted_at=told.accepted_at,
        allocation_id=told.allocation_id,
        revision=message.aggregate_version,
    )
    new = held.take_role(told.role, owner)
    if new is held:
        return
    events = assigned(new, held)
    await plans.save(new, *events, cause=message, lane=lane_of(new, message.lane))


async def release_actions(
    message: Message[AllocationWithdrawn], *, plans: Plans
) -> None:
    """Take a role's open actions from whoever has it no longer.

    While somebody hands it over and keeps it until then, nobody else had it.
    """
    told = message.data
    if told.kept_by is not None:
        return
    held = await plans.get(told.case_id, cause=message) or Plan(id=told.case_id)
    left = Owner(
        accepted_at=told.withdrawn_at,
        allocation_id=told.allocation_id,
        revision=message.aggregate_version,
    )
    freed = held.leave_role(told.role, left)
    if freed is held:
        return
    new = stale_by_leaving(freed, held, told.role, told.withdrawn_at)
    lane = lane_of(new, message.lane)
    await plans.save(new, *stale_told(new, held), cause=message, lane=lane)


async def meet_people(
    message: Message[ReferralReceived] | Message[ReferralAmended],
    *,
    plans: Plans,
    policy: Policy,
) -> None:
    """Give each child of a case a part of its plan, as soon as it is known of them.

    And note whom it is to protect: what is done for them stands on nobody else's copy.
    And what is told of the case's circumstances: what is added for these is asked for
    at once, and runs.
    """
    told = message.data
    children = [e.person_id for e in told.parties if e.role is PersonRole.CHILD]
    harmed = [e.person_id for e in told.parties if e.role is PersonRole.PERSON_HARMED]
    held = await plans.get(told.case_id, cause=message) or Plan(id=told.case_id)
    word = _word(told, policy, message.time)
    noted = held.protects(harmed).hears(word)
    known = noted.asks_for_each(held, policy, message.time)
    new = known.meet(children, policy, message.time)
    if new is held:
        return
    if new is not known:
        new = go_stale(new, (StaleReason.CHILD_KNOWN,), message.time)
    events = (*assigned(new, held), *stale_told(new, held))
    await plans.save(new, *events, cause=message, lane=lane_of(new, message.lane))


def _word(
    told: ReferralReceived | ReferralAmended, policy: Policy, at: datetime
) -> Word:
    """Give what a referral tells of circumstances that anything is added for.

    A change repeats all that the referral says; it tells what it is about alone. That
    something is not so is told by changes only: before one there is nothing to correct.
    """
    number, about = 0, frozenset(FieldGroup)
    if isinstance(told, ReferralAmended):
        number, about = told.number, frozenset(told.groups)
    pair = {PersonRole.PERSON_HARMED, PersonRole.PERSON_USING_VIOLENCE}
    happened = {f"incident_{each}": each in told.incidents for each in IncidentKind}
    yes = {code for code, each in told.answers.items() if each is Answer.YES}
    so: dict[str, bool] = {}
    for code in policy.heeds:
        group = FieldGroup.INCIDENTS if code in happened else FieldGroup.ANSWERS
        said = happened.get(code, code in yes)
        if group in about and (said or number):
            so[code] = said
    related = {
        each.person_id: each.relationship
        for each in told.parties
        if each.relationship and each.role in pair
    }
    return Word(
        referral_id=told.referral_id,
        number=number,
        related=related if FieldGroup.PEOPLE in about else {},
        so=so,
        at=at,
    )


async def note_harmed(
    message: Message[RolesDecided], *, plans: Plans, policy: Policy
) -> None:
    """Note who harmed whom, as a person has decided.

    Each who was harmed has a part of their own, and whoever uses violence has none.
    What was said and is not to be confirmed any more is its owner's again.
    """
    told = message.data
    held = await plans.get(told.case_id, cause=message) or Plan(id=told.case_id)
    right = held.decide_roles(told.harmed, told.using_violence, told.decided_at)
    new = right.asks_for_each(held, policy, message.time)
    if new is not held:
        events = (*assigned(new, held), *refused(new, held, message.time))
        await plans.save(new, *events, cause=message, lane=lane_of(new, message.lane))


async def agree(
    case_id: str,
    plan_version: int,
    *,
    at: datetime,
    plans: Plans,
    by: str | None = None,
    stale: Mapping[StaleReason, datetime] | None = None,
) -> Plan:
    """Agree to the version of a plan that was read.

    Raises:
        NoPlan: There is none.
        MoreToRead: There is more by now for which it should be looked at again.
        AnotherVersionIsCurrent: What was read is not what would be agreed to.
        AlreadyClosed: The plan is closed.
        Merged: The case is merged into another, whose plan it is that is agreed to.
    """
    held = await plans.known(case_id)
    new = held.agree(plan_version, at, by, stale=stale)
    if new is held:
        return held
    versions = {case_id: plan_version}
    # Whoever referred what was merged into it is told of the one plan that there is.
    versions |= {key: e.plan_version for key, e in new.shares.items() if not e.closed}
    agreed = (
        PlanAgreed(
            case_id=each,
            plan_version=number,
            agreed_at=at,
            triggers=held.alarmed if each == case_id else (),
        )
        for each, number in versions.items()
    )
    return await plans.save(new, *agreed, lane=lane_of(new))


async def complete(
    case_id: str,
    action_id: str,
    worker_id: str,
    *,
    at: datetime,
    plans: Plans,
    policy: Policy,
    outcome: ActionOutcome | None = None,
    evidence: Evidence | None = None,
) -> Action:
    """Note that a worker kept a commitment of theirs.

    Raises:
        NoSuchAction: There is none, or it is not theirs.
        AlreadyClosed: The plan is closed, and the action went with it.
        WaitsForAnother: Something must be settled before it.
        AnotherWordStands: What somebody else said of it waits for a second person.
        EvidenceMissing: At this level it takes something that shows it.
        UnknownCode: The kind of evidence is not one of the locality's.
    """
    held = await home_of(case_id, action_id, plans)
    said = Said(at=at, by=worker_id, outcome=outcome, evidence=evidence)
    new = keep(held, action_id, said, policy, grave=await grave(held, plans))
    await save_settled(new, held, plans, at)
    return new.action(action_id)


async def accept(
    case_id: str, action_id: str, worker_id: str, *, at: datetime, plans: Plans
) -> Action:
    """Have somebody of its agency own an action.

    Raises:
        NoSuchAction: There is none.
        Merged: The case is merged into another.
        NotToBeTaken: Somebody else has it, or it is settled.
    """
    held = await plans.known(case_id)
    new = held.accept(action_id, worker_id, at)
    if new is not held:
        await plans.save(new, *assigned(new, held), lane=lane_of(new))
    return new.action(action_id)


async def hand_back(
    case_id: str, action_id: str, worker_id: str | None, *, at: datetime, plans: Plans
) -> Action:
    """Give back an action that somebody took.

    Raises:
        NoSuchAction: There is none that they took and is open.
    """
    held = await plans.known(case_id)
    new = held.hand_back(action_id, worker_id, at)
    await plans.save(new, *assigned(new, held), lane=lane_of(new))
    return new.action(action_id)


async def home_of(case_id: str, action_id: str, plans: Plans) -> Plan:
    """Give the plan whose own an action is: of the case, or of one merged into it.

    Raises:
        NoSuchAction: There is no plan.
    """
    held = await plans.get(case_id)
    if held and held.home_of(action_id) != case_id:
        held = await plans.get(held.home_of(action_id))
    if held is None:
        raise NoSuchAction
    return held


async def grave(held: Plan, plans: Plans) -> bool:
    """Tell whether the risk is high in the case that a plan's is merged into."""
    survivor = await plans.get(held.merged_into) if held.merged_into else None
    return bool(survivor and survivor.versions and survivor.urgent)


async def save_settled(new: Plan, held: Plan, plans: Plans, at: datetime) -> None:
    """Save what was said of an action, or settled, and tell it; if anything was."""
    if new is held:
        return
    events = [
        *settled(new, held),
        *to_confirm(new, held),
        *refused(new, held, at),
        # What waited for it has an end now.
        *assigned(new, held),
    ]
    await plans.save(new, *events, lane=lane_of(new))


async def close(
    case_id: str,
    reason: str,
    outcomes: Iterable[Outcome],
    *,
    at: datetime,
    plans: Plans,
    policy: Policy,
    left: Iterable[Left] = (),
    services: Iterable[str] = (),
) -> Plan:
    """Close a plan, because the response to this household has ended.

    Raises:
        NoPlan: There is none.
        UnknownReason: The reason is not one of the locality's, or a source is not.
        OutcomesMissing: It is not said what came of it.
        AlreadyClosed: It is closed for another reason.
        MandatoryActionsOpen: Something that must be done is not.
        OpenIsUnsaid: It is not said what becomes of what is open.
        Merged: The case is merged into another, whose plan it is that is closed.
    """
    held = await plans.known(case_id)
    new = end(held, reason, outcomes, policy, at, left=left, services=services)
    if new is held:
        return held
    return await save_closed(new, plans)


async def save_closed(new: Plan, plans: Plans) -> Plan:
    """Save a plan that was closed, and tell so of it and of what is merged into it."""
    current = new.current
    if current.closed_at is None or current.closed_for is None:
        raise NoPlan
    ends = {new.id: (current.number, current.assessment.revision)}
    for merged, share in new.shares.items():
        if not share.closed:
            ends[merged] = (share.plan_version, share.revision)
    closed = (
        PlanClosed(
            case_id=each,
            plan_version=number,
            reason=current.closed_for,
            assessment_revision=revision,
            closed_at=current.closed_at,
        )
        for each, (number, revision) in ends.items()
    )
    return await plans.save(new, *closed, lane=lane_of(new))


async def end_transferred(message: Message[CaseTransferred], *, plans: Plans) -> None:
    """Close the plan of a case that was transferred, or have none be drafted."""
    told = message.data
    held = await plans.get(told.case_id, cause=message) or Plan(id=told.case_id)
    new = held.transfer(told.transferred_at)
    closed = []
    if new.status is not held.status:
        current = new.current
        closed = [
            PlanClosed(
                case_id=told.case_id,
                plan_version=current.number,
                reason=TRANSFERRED,
                assessment_revision=current.assessment.revision,
                closed_at=told.transferred_at,
            )
        ]
    await plans.save(new, *closed, cause=message, lane=lane_of(new, message.lane))


async def erase(message: Message[CaseErased], *, plans: Plans) -> None:
    """Leave a tombstone of a case's plan, or of one still to come."""
    told = message.data
    held = await plans.get(told.case_id, cause=message) or Plan(id=told.case_id)
    await plans.save(held.erase(told.erased_at), cause=message)


async def tell_overdue(held: Plan, *, at: datetime, plans: Plans) -> None:
    """Say which commitments were not kept in time, and which soon should be.

    And what no plan is in force for, or one that was agreed to long before; and that
    nobody has agreed to a draft, or reviewed what was agreed to. Each once.
    """
    told_of = held.fall_due(at).remind(at).urge(at).raise_alarms(at)
    new = stale_by_dates(told_of, at)
    alarms = not_in_force(new, held, at)
    lane = Lane.URGENT if alarms else lane_of(new)
    told = (
        *overdue(new, held, at),
        *due_soon(new, held),
        *stale_told(new, held),
        *review_due(new, held, at),
    )
    await plans.save(new, *told, *alarms, lane=lane)


async def foresee(
    message: Message[TriggerScheduled | TriggerCancelled],
    *,
    plans: Plans,
    policy: Policy,
) -> None:
    """Note by when a plan must be in force for a date, or that it was called off.

    What is added for such a date is asked for at once, and runs.
    """
    told = message.data
    held = await plans.get(told.case_id, cause=message) or Plan(id=told.case_id)
    date = Coming(
        kind=told.kind,
        happens_at=told.due_at,
        in_force_by=policy.in_force.by(told.kind, told.due_at, message.time),
        revision=message.aggregate_version,
        over=isinstance(told, TriggerCancelled),
        look_from=told.due_at - timedelta(hours=policy.stale_before_hours),
        since=message.time,
    )
    noted = held.foresee(told.trigger_id, date)
    new = noted.asks_for_each(held, policy, message.time)
    if new is not held:
        events = assigned(new, held)
        await plans.save(new, *events, cause=message, lane=lane_of(new, message.lane))


async def pass_date(message: Message[TriggerFellDue], *, plans: Plans) -> None:
    """Note that a date is there; tell what should have been told before, if anything.

    After an outage it may be heard that the day is there before the clock was looked at
    which should have told that no plan is in force.
    """
    told = message.data
    held = await plans.get(told.case_id, cause=message) or Plan(id=told.case_id)
    alarmed = held.raise_alarms(message.time)
    known = alarmed.coming.get(told.trigger_id)
    date = Coming(
        kind=told.kind,
        happens_at=told.due_at,
        in_force_by=known.in_force_by if known else told.due_at,
        revision=message.aggregate_version,
        alarmed_at=known.alarmed_at if known else None,
        over=True,
    )
    new = alarmed.foresee(told.trigger_id, date)
    if new is not alarmed:
        alarms = not_in_force(alarmed, held, message.time)
        await plans.save(new, *alarms, cause=message, lane=message.lane)
