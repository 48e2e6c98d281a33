"""The end of alarms: a plan is agreed or closed, a date moved, an action settled.

And whatever else ends by a word of its own: a role is filled, a question is decided, an
agency has answered, a glass is reviewed.
"""

import asyncio

from accord_contracts.allocation import (
    AllocationAccepted,
    AllocationNotNeeded,
    AllocationUnanswered,
    AllocationUnfilled,
    GlassBroken,
    GlassNotReviewed,
    GlassReviewed,
)
from accord_contracts.message import Event, Message
from accord_contracts.plans import (
    ActionDone,
    ActionDueSoon,
    ActionNotConfirmed,
    ActionNotDone,
    ActionOverdue,
    ActionToConfirm,
    MeetingTaskDone,
    MeetingTaskDueSoon,
    MeetingTaskNotDone,
    MeetingTaskOverdue,
    PlanAgreed,
    PlanAlarmsEnded,
    PlanClosed,
    PlanNotInForce,
    PlanReviewDue,
    PlanReviewed,
    ServiceDueSoon,
    ServiceMoved,
    ServiceOverdue,
)
from accord_contracts.referrals import (
    InformationDecided,
    InformationOverdue,
    InformationWithdrawn,
    RolesDecided,
    RolesQuestioned,
    RolesUndecided,
    TransferConfirmed,
    TransferUnconfirmed,
    TriggerCancelled,
    TriggerScheduled,
)

from notify.domain.ended import Ended, ended_id
from notify.domain.notification import Notification
from notify.handlers.telling import about_of
from notify.store import Ends, Notifications

Ending = (
    PlanAgreed
    | PlanAlarmsEnded
    | PlanClosed
    | PlanReviewed
    | TriggerScheduled
    | TriggerCancelled
    | ActionDone
    | ActionNotConfirmed
    | ActionNotDone
    | MeetingTaskDone
    | MeetingTaskNotDone
    | ServiceMoved
    | AllocationAccepted
    | AllocationNotNeeded
    | RolesDecided
    | InformationDecided
    | InformationWithdrawn
    | GlassReviewed
    | TransferConfirmed
)
"""What ends an alarm."""

Alarm = (
    PlanNotInForce
    | PlanReviewDue
    | ActionOverdue
    | ActionDueSoon
    | ActionToConfirm
    | MeetingTaskOverdue
    | MeetingTaskDueSoon
    | ServiceOverdue
    | ServiceDueSoon
    | AllocationUnfilled
    | AllocationUnanswered
    | RolesQuestioned
    | RolesUndecided
    | InformationOverdue
    | GlassBroken
    | GlassNotReviewed
    | TransferUnconfirmed
)
"""What is ended by it."""

OF_PLANS = frozenset({PlanNotInForce.TYPE})
OF_REVIEWS = frozenset({PlanReviewDue.TYPE})
OF_ACTIONS = frozenset({ActionOverdue.TYPE, ActionDueSoon.TYPE, ActionToConfirm.TYPE})
OF_TASKS = frozenset({MeetingTaskOverdue.TYPE, MeetingTaskDueSoon.TYPE})
OF_SERVICES = frozenset({ServiceOverdue.TYPE, ServiceDueSoon.TYPE})
OF_CONFIRMING = frozenset({ActionToConfirm.TYPE})
OF_PLACES = frozenset({AllocationUnfilled.TYPE, AllocationUnanswered.TYPE})
OF_TWO = frozenset({RolesQuestioned.TYPE, RolesUndecided.TYPE})
OF_INQUIRIES = frozenset({InformationOverdue.TYPE})
OF_GLASS = frozenset({GlassBroken.TYPE, GlassNotReviewed.TYPE})
OF_TRANSFERS = frozenset({TransferUnconfirmed.TYPE})

BY_A_CASES_PLAN = OF_PLANS | OF_REVIEWS | OF_ACTIONS | OF_TASKS | OF_SERVICES
"""What is over once the plan of its case is closed; the rest has an end of its own."""

ENDED_BY: dict[type[Event], frozenset[str]] = {
    PlanClosed: BY_A_CASES_PLAN,
    PlanAgreed: OF_PLANS | OF_REVIEWS,
    PlanReviewed: OF_REVIEWS,
    PlanAlarmsEnded: OF_PLANS,
    TriggerScheduled: OF_PLANS,
    TriggerCancelled: OF_PLANS,
    ActionNotConfirmed: OF_CONFIRMING,
    ActionDone: OF_ACTIONS,
    ActionNotDone: OF_ACTIONS,
    MeetingTaskDone: OF_TASKS,
    MeetingTaskNotDone: OF_TASKS,
    ServiceMoved: OF_SERVICES,
    AllocationAccepted: OF_PLACES,
    AllocationNotNeeded: OF_PLACES,
    RolesDecided: OF_TWO,
    InformationDecided: OF_INQUIRIES,
    InformationWithdrawn: OF_INQUIRIES,
    GlassReviewed: OF_GLASS,
    TransferConfirmed: OF_TRANSFERS,
}
"""Which alarms are over by what."""

CONFIRMING = "confirmation"
"""Of an action whose confirmation was refused, that alone is over: it is still due."""

LOOKED_AT = "looked_at"
"""Of a plan that was agreed to or reviewed: that it should be is over."""


async def end_alarms(message: Message[Ending], *, notifications: Notifications) -> None:
    """Tell nobody else of what is over: no plan in force, or something still to do.

    What happened after the message is another alarm, and stands.
    """
    ended = _ended(message, message.data.case_id)
    over = [
        each
        for each in await _told(message.data, notifications)
        if each.event in ENDED_BY[type(message.data)] and ended.ends(each)
    ]
    await asyncio.gather(*(notifications.save(each.end(message.time)) for each in over))


async def note_ending(message: Message[Ending], *, ends: Ends) -> None:
    """Note what is over, for alarms that are heard only after that."""

    async def note(ended: Ended) -> None:
        known = await ends.get(ended.id, cause=message)
        new = ended.or_later(known)
        if new is not known:
            await ends.save(new, cause=message)

    over = (_ended(message, each) for each in _over(message.data))
    await asyncio.gather(*map(note, over))


async def end_if_over(
    message: Message[Alarm], *, ends: Ends, notifications: Notifications
) -> None:
    """End an alarm at once that is heard only after what ended it.

    After what it told was stored: of an alarm and its ending that are handled at the
    same time, one at least finds what the other has stored.
    """
    told = message.data
    looked = await asyncio.gather(*map(ends.get, _ends_of(told)))
    known = [each for each in looked if each]
    if not known:
        return

    async def end(held: Notification) -> None:
        ended = [each.ended_at for each in known if each.ends(held)]
        if ended:
            await notifications.save(held.end(max(ended)))

    found = await _of(told, notifications)
    same = (e for e in found if (e.event, e.case_id) == (message.type, told.case_id))
    await asyncio.gather(*map(end, same))


def _ended(message: Message[Ending], about: str) -> Ended:
    """Say when something is over.

    When a role is back with whoever hands it over, one version of it says that they
    have it and that nobody else is found: that alarm stands.
    """
    place = isinstance(message.data, AllocationAccepted | AllocationNotNeeded)
    revision = message.aggregate_version if place else None
    return Ended(id=about, ended_at=message.time, revision=revision)


def _ends_of(told: Alarm) -> list[str]:
    """Give what may have ended it, as that is kept."""
    about, whole = about_of(told), ended_id(told.case_id)
    if isinstance(told, PlanReviewDue):
        return [ended_id(told.case_id, LOOKED_AT), whole]
    if about is None:
        return []
    if told.TYPE not in BY_A_CASES_PLAN:
        return [ended_id(about)]
    ids = [ended_id(about), ended_id(about, told.case_id), whole]
    if isinstance(told, ActionToConfirm):
        ids.append(ended_id(about, CONFIRMING))
    return ids


async def _of(told: Alarm, notifications: Notifications) -> list[Notification]:
    """Give what was told of what an alarm is about."""
    if isinstance(told, PlanReviewDue):
        return await notifications.all_of(told.case_id)
    return await _about_any(about_of(told), notifications)


async def _about_any(
    about: str | None, notifications: Notifications
) -> list[Notification]:
    return await notifications.about_any(about) if about else []


def _over(over: Ending) -> list[str]:
    """Give what is over, as it is kept: by what ``_told`` looks for."""
    match over:
        case PlanClosed():
            return [ended_id(over.case_id)]
        case PlanAlarmsEnded(triggers=about):
            return [ended_id(each, over.case_id) for each in about]
        case PlanAgreed() | PlanReviewed():
            dates = over.triggers if isinstance(over, PlanAgreed) else ()
            return [ended_id(over.case_id, LOOKED_AT), *map(ended_id, dates)]
        case ActionNotConfirmed():
            return [ended_id(over.action_id, CONFIRMING)]
        case _:
            return [ended_id(each) for each in (about_of(over),) if each]


async def _told(over: Ending, notifications: Notifications) -> list[Notification]:
    """Give what was told of what is over: with a plan, all of its case."""
    match over:
        case PlanClosed() | PlanReviewed():
            return await notifications.all_of(over.case_id)
        case PlanAgreed(triggers=about):
            own = await notifications.all_of(over.case_id)
            late = [each for each in own if each.event in OF_REVIEWS]
            dates = await asyncio.gather(*map(notifications.about_any, about))
            return [*late, *(each for some in dates for each in some)]
        case PlanAlarmsEnded(triggers=about):
            found = await asyncio.gather(*map(notifications.about_any, about))
            # The date may be another case's too, whose own alarm stands.
            told = (each for some in found for each in some)
            return [each for each in told if each.case_id == over.case_id]
        case _:
            return await _about_any(about_of(over), notifications)
