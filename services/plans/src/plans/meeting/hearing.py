"""What a docket hears: each event changes the docket of its case, and nothing else."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from accord_chassis.service import settled
from accord_chassis.store import AlreadyHandled
from accord_contracts.message import Event, Message
from accord_contracts.plans import (
    ActionDone,
    ActionNotDone,
    ActionOverdue,
    MeetingDecided,
    MeetingTaskDone,
    MeetingTaskNotDone,
    PlanAgreed,
    PlanBreached,
    PlanClosed,
    PlanReviewDue,
    PlanReviewed,
    ServiceMoved,
    ServiceOverdue,
)
from accord_contracts.referrals import (
    CaseErased,
    CaseMerged,
    CaseTransferred,
    CaseUnmerged,
    InformationDecided,
    InformationRequested,
    InformationWithdrawn,
    OrderBreached,
    ReferralReceived,
    RolesDecided,
    TriggerCancelled,
    TriggerFellDue,
    TriggerScheduled,
)
from accord_contracts.risk import RiskAssessed

from plans.domain.meeting.discussion import id_of
from plans.domain.meeting.docket import Asked, Date, Docket, Owed
from plans.meeting.promising import ended_with, lane_of, level_of
from plans.meeting.store import Table


async def note_assessment(message: Message[RiskAssessed], *, table: Table) -> None:
    """Note how high the risk is, where its tier has it spoken about, and on what."""
    told, at = message.data, table.clock.now()
    await _note(
        message,
        table,
        lambda held: held.assess(
            told.level,
            told.previous,
            revision=message.aggregate_version,
            at=at,
            first_referred_at=told.first_referred_at,
            referred=told.referral_id is not None,
            meeting=told.tier.meeting if told.tier else None,
        ),
    )


async def note_referral(message: Message[ReferralReceived], *, table: Table) -> None:
    """Note that there is a new referral, of which no agency was asked yet."""
    await _note(message, table, lambda held: held.receive(message.time))


async def note_date(
    message: Message[TriggerScheduled | TriggerCancelled | TriggerFellDue],
    *,
    table: Table,
) -> None:
    """Note a date that is known ahead, or that it is over."""
    told = message.data
    ahead = timedelta(hours=table.rules.dates_ahead_hours)
    date = Date(
        kind=told.kind,
        happens_at=told.due_at,
        since=max(told.due_at - ahead, table.clock.now()),
        revision=message.aggregate_version,
        over=not isinstance(told, TriggerScheduled),
    )
    await _note(message, table, lambda held: held.foresee(told.trigger_id, date))


async def note_action(
    message: Message[ActionOverdue] | Message[ActionDone] | Message[ActionNotDone],
    *,
    table: Table,
) -> None:
    """Note that a worker is late with something, or that it is settled."""
    told = message.data
    match told:
        case ActionOverdue(due_at=at):
            done = False
        case ActionDone(done_at=at) | ActionNotDone(settled_at=at):
            done = True
    owed = _owed(message, at, since=table.clock.now(), done=done)
    await _note(message, table, lambda held: held.owe(told.action_id, owed))


def _owed(
    message: Message[Any], due_at: datetime, *, since: datetime, done: bool
) -> Owed:
    return Owed(
        due_at=due_at,
        since=since,
        revision=message.aggregate_version,
        done=done,
        told_at=message.time,
    )


async def note_service(
    message: Message[ServiceOverdue] | Message[ServiceMoved], *, table: Table
) -> None:
    """Note that a provider has not answered in time, or not begun; or since has."""
    told, now = message.data, table.clock.now()
    late = told.answer_by if isinstance(told, ServiceOverdue) else None
    owed = _owed(message, late or now, since=now, done=late is None)
    await _note(message, table, lambda held: held.owe(told.service_id, owed))


async def note_inquiry(
    message: (
        Message[InformationRequested]
        | Message[InformationDecided]
        | Message[InformationWithdrawn]
    ),
    *,
    table: Table,
) -> None:
    """Note that an agency was asked what it knows, has decided, or is asked no more."""
    told = message.data
    if isinstance(told, InformationRequested):
        asked = Asked(
            agency=told.agency,
            requested_at=told.requested_at,
            needed_by=told.needed_by,
        )
    elif isinstance(told, InformationWithdrawn):
        asked = Asked(agency=told.agency, withdrawn=True)
    else:
        asked = Asked(
            agency=told.agency,
            decided_at=told.decided_at,
            decision=told.decision,
            number=told.number,
        )
    await _note(message, table, lambda held: held.ask(told.inquiry_id, asked))


async def note_breach(
    message: Message[PlanBreached] | Message[OrderBreached], *, table: Table
) -> None:
    """Note that the plan or an order was broken."""
    at = table.clock.now()
    await _note(message, table, lambda held: held.breach(at))


async def note_looking(
    message: Message[PlanReviewDue] | Message[PlanReviewed] | Message[PlanAgreed],
    *,
    table: Table,
) -> None:
    """Note that nobody has looked at a plan in time, or that somebody has."""
    told, now = message.data, table.clock.now()
    late = told.due_at if isinstance(told, PlanReviewDue) else None
    owed = _owed(message, late or now, since=now, done=late is None)
    await _note(message, table, lambda held: held.look(owed))


async def note_decision(
    message: Message[MeetingDecided]
    | Message[MeetingTaskDone]
    | Message[MeetingTaskNotDone],
    *,
    table: Table,
) -> None:
    """Note what a meeting decided, and what it was promised."""
    told = message.data
    said = await table.discussions.get(id_of(told.meeting_id, told.case_id))
    if said is None or said.latest is None:
        return
    latest = said.latest

    def settle(held: Docket) -> Docket:
        for key, each in said.promised().items():
            held = held.owe(key, each)
        if not said.settled:
            return held
        wanted = latest.wanted
        return held.settle(latest.at, wanted.level, wanted.review_at)

    await _note(message, table, settle)


async def note_end(message: Message[PlanClosed], *, table: Table) -> None:
    """Note that the response has ended; to what is merged into the case, too.

    A merged case of which nothing was drafted is told of by no message of its own.
    """
    told = message.data
    revision, at = told.assessment_revision, told.closed_at
    await _note(message, table, lambda held: held.end(revision, at))
    for each in await table.dockets.merged_with(told.case_id, by=at):
        await settled(partial(table.dockets.end_with, each.id, at))
        await table.dockets.take_in(told.case_id, each.id, table.clock.now())


async def note_transfer(message: Message[CaseTransferred], *, table: Table) -> None:
    """Note that another region has the case, whether or not it ever had a plan."""
    at = message.data.transferred_at
    await _note(message, table, lambda held: held.transfer(at))


async def note_merging(
    message: Message[CaseMerged] | Message[CaseUnmerged], *, table: Table
) -> None:
    """Note that the case is another's now, or its own again.

    Who is kept from one case of a household is kept from all, and stays so. That the
    response to the survivor has ended since may have been heard before.
    """
    told, version, at = message.data, message.aggregate_version, table.clock.now()
    survivor, merged_at = None, None
    if isinstance(told, CaseMerged):
        survivor, merged_at = told.survivor_id, told.merged_at
    await _note(
        message, table, lambda held: held.merge(survivor, version, merged_at, at)
    )
    other = await table.dockets.get(told.survivor_id)
    if merged_at and other and other.ended_at and merged_at <= other.ended_at:
        await settled(partial(table.dockets.end_with, told.case_id, other.ended_at))
        await _end_tasks([told.case_id], other.ended_at, table)
    # Of whose it was before, it brings nothing any more.
    await table.dockets.take_in(told.survivor_id, told.case_id, at)
    # After that, so that who is left out meanwhile is kept from both; and once more if
    # this broke off in between.
    await table.dockets.keep_apart(told.case_id)


async def forget(message: Message[CaseErased], *, table: Table) -> None:
    """Leave a tombstone of a docket."""
    at = message.data.erased_at
    await _note(message, table, lambda held: held.erase(at))


async def forget_discussions(message: Message[CaseErased], *, table: Table) -> None:
    """Leave of what was said of a case at meetings nothing but its seals."""
    told = message.data
    for meeting in await table.meetings.about(told.case_id):
        await table.meetings.save(meeting.forget(told.case_id))
    for each in await table.discussions.of_case(told.case_id):
        if not each.erased_at:
            await table.discussions.save(each.erase(told.erased_at))


async def end_tasks(
    message: Message[PlanClosed] | Message[CaseTransferred], *, table: Table
) -> None:
    """Ask nobody any more for what was promised to a response that has ended.

    Nor for what was promised in the cases that were merged into it by then.
    """
    told = message.data
    at = told.closed_at if isinstance(told, PlanClosed) else told.transferred_at
    merged = await table.dockets.merged_with(told.case_id, by=at)
    await _end_tasks([told.case_id, *(each.id for each in merged)], at, table)


async def _end_tasks(case_ids: list[str], at: datetime, table: Table) -> None:
    """End what was promised, and tell it of each task that was still owed.

    So an agency's own system keeps nothing open that nobody waits for. Each write is
    its own, and changes nothing twice.
    """
    for each in await table.discussions.of_cases(case_ids):
        new = each.end(at)
        if new is not each:
            lane = lane_of(await level_of(each, table))
            await table.discussions.save(new, *ended_with(new, each, at), lane=lane)


async def close_tasks(message: Message[RolesDecided], *, table: Table) -> None:
    """Close to outreach what was promised while the parts were told wrongly."""
    told = message.data
    if not told.corrected:
        return
    for each in await table.discussions.of_case(told.case_id):
        new = each.correct(told.decided_at)
        if new is not each and not each.erased_at:
            await table.discussions.save(new)


async def _note(
    message: Message[Event],
    table: Table,
    change: Callable[[Docket], Docket],
) -> None:
    """Change the docket of a case; if it is merged, its survivor shows what it brings.

    That is a write of its own, and is made again if it broke off in between.
    """
    case_id, new = message.data.case_id, None
    with suppress(AlreadyHandled):
        held = await table.dockets.get(case_id, cause=message) or Docket(id=case_id)
        new = change(held)
        if new is not held:
            await table.dockets.save(new, cause=message)
    own = new or await table.dockets.get(case_id)
    if own and own.merged_into:
        await table.dockets.take_in(own.merged_into, case_id, table.clock.now())
