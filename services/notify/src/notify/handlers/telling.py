"""Telling those who must know what happened."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from accord_contracts.access import SIDES, Side
from accord_contracts.allocation import CaseTeamChanged
from accord_contracts.message import Event, Message
from accord_contracts.notify import (
    Channel,
    ContactAnswered,
    ContactNotMessaged,
    NotificationSent,
)
from accord_contracts.plans import PlanBreached, ServiceDueSoon, ServiceOverdue
from accord_contracts.referrals import (
    CaseMerged,
    CaseUnmerged,
    ContactSuspended,
    OrderBreached,
    RolesDecided,
    RolesQuestioned,
    RolesUndecided,
)

from notify.domain.notification import Notification, notification_id
from notify.domain.occasion import Addressee, Eyes, Occasion
from notify.domain.policy import Policy, Rule
from notify.domain.skipped import NobodyLeft, Skip
from notify.domain.team import Team
from notify.domain.untold import Waited
from notify.handlers.reaching import NoCoordinatorYet, Reach, recipients
from notify.store import NobodiesLeft, Notifications, Teams

ABOUT = (
    "allocation_id",
    "action_id",
    "glass_id",
    "trigger_id",
    "request_id",
    "inquiry_id",
    "contact_id",
    "order_id",
    "task_id",
    "transfer_id",
    "service_id",
)
"""What an event is about, besides its case."""

OF_TWO = RolesQuestioned | RolesUndecided | RolesDecided
"""What is about who of two people in a case harmed whom."""

OF_HER_SIDE = ContactSuspended | OrderBreached | PlanBreached
OF_HER_HELP = ServiceDueSoon | ServiceOverdue
OF_HER_DEVICE = ContactAnswered | ContactNotMessaged
"""What whoever serves the person using violence is not told: it may tell who spoke, how
she is reached, or where she goes for help."""


REMEMBERED = timedelta(days=7)
"""How long it is remembered that somebody knows; then they are told anew."""


async def tell(
    message: Message[Event],
    *,
    at: datetime,
    notifications: Notifications,
    teams: Teams,
    reach: Reach,
    policy: Policy,
    mail: bool,
    nobody_left: NobodiesLeft | None = None,
    waited: Waited | None = None,
) -> None:
    """Put what happened into the inbox of everyone who must know, and may.

    Nobody is told anything of a case that was erased: what is heard of it late would
    stay.

    Args:
        message: What happened.
        at: When they are told, which may be long after it happened.
        notifications: Where the messages to workers are kept.
        teams: Who works on which case.
        reach: Who may be told, and who is next.
        policy: Who must know.
        mail: Whether e-mail can go out.
        nobody_left: Where it is kept that everybody was passed over.
        waited: Since when nobody could be told, if it had to wait.

    Raises:
        NobodyOnDuty: It is still to be told to a coordinator; all others whom the rule
            names were told.
        DirectoryAway: It cannot be known at present who may be told.
    """
    rule = policy.rule(message.type, getattr(message.data, "level", None))
    what = replace(occasion(message), waited=waited)
    team = await teams.get(what.case_id)
    if team and team.erased_at:
        return
    waits: NoCoordinatorYet | None = None
    skips: list[Skip] = []
    reach = replace(reach, skips=skips)
    try:
        workers = await recipients(
            message, what, rule, teams=teams, reach=reach, policy=policy
        )
    except NoCoordinatorYet as nobody:
        workers, waits = nobody.others, nobody

    if skips and not workers and nobody_left:
        await nobody_left.add(NobodyLeft.of(what, skips, at), cause=message)

    async def add(to: Addressee) -> None:
        # Once for all of them: it is one list of whom the rule names.
        passed = skips if to is workers[0] else []
        if rule.once and await _told_again(
            message, what, to, rule, passed, at=at, notifications=notifications
        ):
            return
        made = Notification.of(what, to, rule, at=at, policy=policy, mail=mail)
        born = made.pass_by(passed, at)
        sent = in_inbox(born, born.told[0].worker_id, at)
        await notifications.add(born, sent, cause=message)

    if len(workers) == 1:
        # As it is mostly: then no task need be made for it.
        await add(workers[0])
    else:
        await asyncio.gather(*map(add, workers))
    if waits:
        raise waits


async def _told_again(
    message: Message[Event],
    what: Occasion,
    to: Addressee,
    rule: Rule,
    passed: list[Skip],
    *,
    at: datetime,
    notifications: Notifications,
) -> bool:
    """Note on a message that is open that the same was told again, if there is one.

    And who was passed over this time.
    """
    known = [
        each
        for each in await notifications.recent(what.case_id, at - REMEMBERED)
        if each.is_about(what, to.worker_id, rule)
    ]
    own = notification_id(message.id, to.worker_id, rule.template)
    if any(each.id == own or each.repeats_of(message.id) for each in known):
        return True
    held = next((each for each in known if each.ended_at is None), None)
    if held:
        again = held.repeat(what, at).pass_by(passed, at)
        await notifications.save(again, cause=message)
    return held is not None


async def follow_team(message: Message[CaseTeamChanged], *, teams: Teams) -> None:
    """Note who works on a case."""
    told = message.data
    held = await teams.get(told.case_id, cause=message)
    known = held or Team(id=told.case_id)
    if known.erased_at:
        return
    places = ((each.worker_id, each.role) for each in told.members)
    team = known.hear(places, message.aggregate_version, told.changed_at)
    if team != known:
        await teams.save(team, cause=message)


async def note_merging(
    message: Message[CaseMerged] | Message[CaseUnmerged], *, teams: Teams
) -> None:
    """Note that a case is merged into another, or on its own again."""
    told = message.data
    survivor = told.survivor_id if isinstance(told, CaseMerged) else None
    held = await teams.get(told.case_id, cause=message)
    known = held or Team(id=told.case_id)
    team = known.merge(survivor, message.aggregate_version)
    if team is not known:
        await teams.save(team, cause=message)


def occasion(message: Message[Event]) -> Occasion:
    """Note what happened, as far as a message about it needs to know."""
    event = message.data
    role = getattr(event, "role", None)
    outreach = role is not None and SIDES[role] is Side.PERSON_USING_VIOLENCE
    of_role = Eyes.ALL if outreach else Eyes.NOT_OUTREACH
    of_her = isinstance(event, OF_HER_SIDE | OF_HER_HELP | OF_HER_DEVICE)
    of_one_side = role is not None or of_her
    return Occasion(
        message_id=message.id,
        event=message.type,
        case_id=event.case_id,
        lane=message.lane,
        revision=message.aggregate_version,
        happened_at=message.time,
        about_id=about_of(event),
        eyes=of_role if of_one_side else None,
    )


def about_of(event: Event) -> str | None:
    """Give what an event is about, besides its case, if it is about one thing."""
    if isinstance(event, OF_TWO):
        return _of_two(event)
    ids = (getattr(event, each, None) for each in ABOUT)
    return next((each for each in ids if each), None)


def _of_two(event: OF_TWO) -> str | None:
    """Derive one id for two people in a case, whoever of them harmed whom."""
    if not (event.harmed and event.using_violence):
        return None
    two = "/".join(sorted((event.harmed, event.using_violence)))
    return str(uuid5(UUID(event.case_id), two))


def in_inbox(told: Notification, worker_id: str, at: datetime) -> NotificationSent:
    """Tell that a message stands in a worker's inbox."""
    return NotificationSent(
        case_id=told.case_id,
        notification_id=told.id,
        worker_id=worker_id,
        template=told.template,
        channel=Channel.INBOX,
        sent_at=at,
    )
