"""The notify service: who listens to what."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import partial
from typing import Any, get_args

import structlog
from accord_chassis import service
from accord_chassis.asking import Peer
from accord_chassis.clock import Clock
from accord_chassis.retention import class_of
from accord_chassis.settings import BadConfiguration, policy_of
from accord_chassis.standing import allocation_of
from accord_contracts.allocation import (
    AllocationAccepted,
    AllocationDeclined,
    AllocationNotNeeded,
    AllocationOffered,
    AllocationUnanswered,
    AllocationUnfilled,
    CaseTeamChanged,
    GlassBroken,
    GlassNotReviewed,
    GlassReviewed,
    LeaveChanged,
    RotaChanged,
)
from accord_contracts.catalogue import CATALOGUE, Catalogue
from accord_contracts.message import Event
from accord_contracts.plans import (
    ActionDone,
    ActionNotConfirmed,
    ActionNotDone,
    ActionOverdue,
    ActionToConfirm,
    MeetingCalled,
    MeetingCalledOff,
    MeetingTaskDone,
    MeetingTaskNotDone,
    MeetingTaskOverdue,
    MeetingTaskPromised,
    PlanAgreed,
    PlanAlarmsEnded,
    PlanClosed,
    PlanNotInForce,
    PlanReviewDue,
    PlanReviewed,
    ServiceAsked,
    ServiceMoved,
    ServiceOverdue,
)
from accord_contracts.referrals import (
    CaseErased,
    CaseMerged,
    CaseUnmerged,
    InformationOverdue,
    InformationRequested,
    InformationWithdrawn,
    PersonErased,
    RolesQuestioned,
    RolesUndecided,
    TransferConfirmed,
    TransferUnconfirmed,
)
from fastapi import FastAPI
from pydantic import SecretStr

from notify import ways
from notify.asks import Directory, SafeContacts
from notify.domain.channels import Way
from notify.domain.policy import Policy
from notify.domain.push import PushPolicy
from notify.domain.vapid import Vapid
from notify.domain.wording import Wording
from notify.handlers import (
    alarms,
    answering,
    contacting,
    erasing,
    hooking,
    leaves,
    mail,
    pushing,
    rotas,
    silence,
    telling,
    waiting,
    watching,
)
from notify.handlers.bouncing import Bouncing
from notify.handlers.links import Links
from notify.handlers.reaching import Reach
from notify.hooks import Hooks
from notify.outward import Outward
from notify.post import NoPost, Post
from notify.routes import (
    bounces,
    callbacks,
    contacts,
    inbox,
    links,
    pushes,
    review,
    stream,
    unreachable,
    webhooks,
)
from notify.settings import Settings, bounce_key_of
from notify.sms import SmsPost
from notify.store import (
    Alarms,
    Callbacks,
    Deliveries,
    Ends,
    Leaves,
    NobodiesLeft,
    Notifications,
    Offers,
    PersonalContacts,
    Pulses,
    Rotas,
    Subscriptions,
    Teams,
    Untolds,
    Webhooks,
)

log = structlog.get_logger()

TELLS_NOBODY = frozenset(
    {
        CaseTeamChanged,
        AllocationAccepted,
        AllocationDeclined,
        AllocationNotNeeded,
        GlassReviewed,
        CaseErased,
        CaseMerged,
        CaseUnmerged,
        InformationRequested,
        InformationWithdrawn,
        PlanAgreed,
        PlanAlarmsEnded,
        PlanClosed,
        PlanReviewed,
        ActionDone,
        ActionNotConfirmed,
        ActionNotDone,
        MeetingTaskDone,
        MeetingTaskNotDone,
        MeetingTaskPromised,
        ServiceAsked,
        ServiceMoved,
        MeetingCalled,
        MeetingCalledOff,
        PersonErased,
        TransferConfirmed,
        LeaveChanged,
        RotaChanged,
    }
)
"""What is heard and leads to no message: who is on a case, what was answered, done."""

DEALT_WITH = frozenset(
    {
        AllocationOffered.TYPE,
        PlanNotInForce.TYPE,
        PlanReviewDue.TYPE,
        ActionOverdue.TYPE,
        ActionToConfirm.TYPE,
        MeetingTaskOverdue.TYPE,
        ServiceOverdue.TYPE,
        AllocationUnfilled.TYPE,
        AllocationUnanswered.TYPE,
        RolesQuestioned.TYPE,
        RolesUndecided.TYPE,
        InformationOverdue.TYPE,
        GlassBroken.TYPE,
        GlassNotReviewed.TYPE,
        TransferUnconfirmed.TYPE,
    }
)
"""Of what it is heard when it is dealt with: answered, agreed, done, or closed."""

ENDINGS: tuple[type[Event], ...] = get_args(silence.Ending)
FOR_AGENCIES: tuple[type[Event], ...] = get_args(hooking.ForAgency)
ALARMS: tuple[type[Event], ...] = get_args(alarms.Alarm)
ALARM_ENDINGS: tuple[type[Event], ...] = get_args(alarms.Ending)


def create_app(
    settings: Settings, stand_ins: service.StandIns | None = None
) -> FastAPI:
    """Make the service's application.

    Raises:
        BadConfiguration: The locality's policy is missing or wrong, or a setting is.
    """
    catalogue = (stand_ins and stand_ins.catalogue) or CATALOGUE
    policy = policy_for(settings, catalogue)
    posts = posts_for(settings, policy)
    vapid = ways.by_push(policy.push, _secret(settings.push_key), settings.push_contact)
    on = {way for way, post in posts.items() if post.on} | (
        {Way.PUSH} if vapid else set()
    )
    policy = ringing(policy, on, development=settings.development)
    allocation = allocation_of(settings)
    wording = Wording(
        policy,
        settings.link_base,
        _secret(settings.link_key) or None,
        bounce_key_of(settings),
        replies=settings.sms_callback_key is not None,
    )

    def wire(notify: service.Service) -> None:
        pulses = notify.store(Pulses)
        untold = notify.store(Untolds)
        watch = watching.Watch(pulses, untold, policy.email.silent_after)
        pushes = push_to_browsers(notify, settings, policy.push, vapid)
        watched: dict[Way, Post] = {
            way: watching.WatchedPost(post, way, watch)
            for way, post in {**posts, Way.PUSH: pushes}.items()
        }
        held, teams = notify.store(Notifications), notify.store(Teams)
        alarm = partial(watching.alarm, watch=watch, notifications=held)
        notify.sweep(pulses, at_present(notify.clock, alarm))
        notify.at_close(allocation.close)
        directory = Directory(allocation)
        notify.provide(wording)
        notify.provide(stream.Streams())
        turns = notify.store(Rotas)
        called = partial(rotas.on_call, turns, notify.clock)
        away = follow_leave(notify, held, policy)
        reach = Reach(directory, notify.guard.standings, teams, called, away)
        notify.on(RotaChanged, partial(rotas.follow_rota, rotas=turns))
        notify.provide(Bouncing(held, bounce_key_of(settings), policy.quiet))
        known: dict[str, Any] = {
            "notifications": held,
            "reach": reach,
            "policy": policy,
            "mail": bool(on),
        }
        nobody_left = notify.store(NobodiesLeft)
        tell = partial(telling.tell, teams=teams, nobody_left=nobody_left, **known)
        forget = partial(erasing.erase_nobody_left, nobody_left=nobody_left)
        over = over_by_then(notify, held)
        waits = waiting.Waiting(untold, watch, catalogue, tell, policy, over)
        tell_workers(notify, waits)
        follow_teams(notify, teams, known)
        # After the team's, by which nobody is told anything any more.
        notify.on(CaseErased, forget)
        notify.on(CaseErased, partial(erasing.erase_notifications, notifications=held))
        follow_endings(notify, held, over)

        send_mail = partial(
            mail.send_mail,
            notifications=held,
            reach=reach,
            policy=policy,
            wording=wording,
            posts=watched,
            subscriptions=notify.store(Subscriptions),
        )
        take_answers(notify, known, _secret(settings.link_key) or None)
        attend_to(notify, watch, send_mail, known)
        tell_agencies(notify, settings, policy)
        write_to_people(notify, settings, policy, watched[Way.SMS], reach)
        if isinstance(sms := posts[Way.SMS], SmsPost):
            notify.at_close(sms.close)

    # What watches an inbox comes before what names one of its messages.
    served = (
        *(stream, inbox, review, contacts, pushes),
        *(callbacks, bounces, unreachable, webhooks),
    )
    routers = tuple(each.router for each in served)
    app = service.create_app(settings, "notify", wire, *routers, stand_ins=stand_ins)
    # Beside /v1: no token opens it.
    app.include_router(links.router)
    return app


def posts_for(settings: Settings, policy: Policy) -> dict[Way, Post]:
    """Give by what messages go out here.

    Raises:
        BadConfiguration: A setting is wrong.
    """
    development = settings.development
    return {
        Way.EMAIL: ways.by_email(
            _secret(settings.smtp_url),
            settings.mail_from,
            bounces=settings.bounce_address,
            development=development,
        ),
        Way.SMS: ways.by_sms(
            policy.sms, _secret(settings.sms_secret), development=development
        ),
        Way.WIDE: ways.by_wide(
            policy.wide,
            _secret(settings.wide_url),
            allowed=settings.webhook_networks,
            development=development,
        ),
    }


def ringing(policy: Policy, on: Collection[Way], *, development: bool) -> Policy:
    """Have every rule ring by the ways that there are.

    Raises:
        BadConfiguration: An alarm would ring by none; in development it may.
    """
    rings = policy.by_ways(on)
    if rings.silent and not development:
        raise BadConfiguration(
            "Set ACCORD_SMS_SECRET or ACCORD_SMTP_URL: what is critical would stand in "
            "an inbox, and ring nowhere."
        )
    return rings


def at_present(
    clock: Clock, do: Callable[..., Awaitable[None]]
) -> Callable[[Any], Awaitable[None]]:
    """Have something done at whatever time it is then."""

    async def done(subject: Any) -> None:  # noqa: ANN401 - A message, or what is due.
        await do(subject, at=clock.now())

    return done


def tell_workers(notify: service.Service, waits: waiting.Waiting) -> None:
    """Have those told who must know, or it kept until somebody is there."""
    hear = partial(waiting.tell_or_wait, waiting=waits)
    for event in told_of(waits.catalogue):
        notify.on(event, at_present(notify.clock, hear))
    tell_at_last = partial(waiting.tell_at_last, waiting=waits)
    notify.sweep(waits.untold, at_present(notify.clock, tell_at_last))
    notify.on(CaseErased, partial(waiting.erase_untold, untold=waits.untold))


def attend_to(
    notify: service.Service,
    watch: watching.Watch,
    send_mail: silence.Act,
    known: Mapping[str, Any],
) -> None:
    """Have it ring, and the next told, when that falls due."""
    attend = partial(
        silence.attend,
        reopen=partial(silence.reopen, **known),
        escalate=partial(silence.escalate, **known),
        send_mail=send_mail,
    )
    attend = partial(watching.attend, do=attend, watch=watch)
    for kept in (Alarms, Notifications):
        notify.sweep(notify.store(kept), at_present(notify.clock, attend))


def take_answers(
    notify: service.Service, known: Mapping[str, Any], link_key: str | None
) -> None:
    """Have those who are told say what they know, after login and by a link."""
    hand_over = partial(silence.hand_over, **known)
    notify.provide(silence.HandingOver(hand_over))
    lasts = known["policy"].links.lasts
    held, reach = known["notifications"], known["reach"]
    notify.provide(Links(held, reach, hand_over, link_key, lasts))


def tell_agencies(notify: service.Service, settings: Settings, policy: Policy) -> None:
    """Have agencies' own systems told what waits for the agency."""
    hooks = Hooks(allowed=settings.webhook_networks, plain=settings.development)
    notify.at_close(hooks.close)
    key = settings.webhook_key
    kept, deliveries = notify.store(Webhooks), notify.store(Deliveries)
    by = hooking.Telling(
        webhooks=kept,
        deliveries=deliveries,
        hooks=hooks,
        policy=policy.webhooks,
        key=key.get_secret_value() if key else None,
        link_base=settings.link_base.rstrip("/"),
        clock=notify.clock,
        ending=notify.ending,
    )
    notify.provide(by)
    known: dict[str, Any] = {"webhooks": kept, "deliveries": deliveries}
    teams = notify.store(Teams)
    wants = partial(hooking.want_delivery, **known, teams=teams)
    want = at_present(notify.clock, wants)
    for event in FOR_AGENCIES:
        if event.TYPE in policy.webhooks.events:
            notify.on(event, want)
    look_after = partial(hooking.look_after, **known, policy=policy.webhooks)
    notify.sweep(kept, at_present(notify.clock, look_after))
    notify.sweep(deliveries, partial(hooking.deliver, by=by))
    notify.on(CaseErased, partial(erasing.erase_deliveries, deliveries=deliveries))


def push_to_browsers(
    notify: service.Service,
    settings: Settings,
    policy: PushPolicy | None,
    vapid: Vapid | None,
) -> Post:
    """Have workers say which of their browsers are told; give what tells them."""
    outward = Outward(
        hosts=policy.hosts if policy else (),
        allowed=settings.webhook_networks,
        plain=settings.development,
    )
    notify.at_close(outward.close)
    kept = notify.store(Subscriptions)
    forgets = class_of("notify.subscriptions", settings.locality)
    notify.provide(pushing.Pushing(kept, outward, policy, vapid, forgets))
    notify.sweep(kept, kept.remove)
    if policy is None or vapid is None:
        return NoPost()
    return pushing.PushPost(kept, outward, policy, vapid)


def write_to_people(
    notify: service.Service,
    settings: Settings,
    policy: Policy,
    post: Post,
    reach: Reach,
) -> None:
    """Have people's own devices written to where a worker asks, and replies heard."""
    referrals = Peer.of(settings, settings.referrals_url)
    notify.at_close(referrals.close)
    notify.provide(SafeContacts(referrals))
    held, key = notify.store(PersonalContacts), settings.sms_callback_key
    hides = key.get_secret_value() if key else None
    teams = notify.store(Teams)
    notify.provide(contacting.Writing(held, teams, post, policy, hides))
    give_up = partial(contacting.give_up, contacts=held)
    notify.sweep(held, at_present(notify.clock, give_up))
    notify.on(CaseErased, partial(contacting.erase_contacts, contacts=held))
    notify.on(PersonErased, partial(contacting.erase_person, contacts=held))
    hearing = answering.Hearing(
        callbacks=notify.store(Callbacks),
        notifications=notify.store(Notifications),
        contacts=held,
        reach=reach,
        key=hides,
        country=policy.people.country if policy.people else None,
        quiet=policy.quiet,
    )
    notify.provide(hearing)


def follow_teams(
    notify: service.Service, teams: Teams, known: Mapping[str, Any]
) -> None:
    """Follow who works on which case, and have nobody wait for who does no more."""
    notify.on(CaseTeamChanged, partial(telling.follow_team, teams=teams))
    moves = partial(silence.move_on, teams=teams, **known)
    notify.on(CaseTeamChanged, at_present(notify.clock, moves))
    notify.on(CaseMerged, partial(telling.note_merging, teams=teams))
    notify.on(CaseUnmerged, partial(telling.note_merging, teams=teams))
    notify.on(CaseErased, partial(erasing.erase_team, teams=teams))


def follow_leave(
    notify: service.Service, notifications: Notifications, policy: Policy
) -> Callable[[str], Awaitable[bool]]:
    """Have nobody wait for whoever is on leave; give what tells who is."""
    kept = notify.store(Leaves)
    follow = partial(leaves.follow_leave, leaves=kept)
    notify.on(LeaveChanged, at_present(notify.clock, follow))
    known: dict[str, Any] = {"leaves": kept, "notifications": notifications}
    begin = partial(leaves.begin, **known, quiet=policy.quiet)
    notify.sweep(kept, at_present(notify.clock, begin))
    return partial(leaves.is_away, leaves=kept, clock=notify.clock)


def over_by_then(
    notify: service.Service, notifications: Notifications
) -> dict[type[Event], waiting.Heard]:
    """Give what ends that which is told when it is over, by what is told."""
    end_offer = partial(
        silence.end_offer, offers=notify.store(Offers), notifications=notifications
    )
    end_alarm = partial(
        alarms.end_if_over, ends=notify.store(Ends), notifications=notifications
    )
    return {AllocationOffered: end_offer, **dict.fromkeys(ALARMS, end_alarm)}


def follow_endings(
    notify: service.Service,
    notifications: Notifications,
    over: Mapping[type[Event], waiting.Heard],
) -> None:
    """Have what was told of an offer or alarm end with it, in whatever order.

    Called after the handlers are wired that tell of them: what they stored is looked
    for.
    """
    offers, ends = notify.store(Offers), notify.store(Ends)
    end = partial(silence.end_offer, offers=offers, notifications=notifications)
    for ending in ENDINGS:
        notify.on(ending, partial(silence.note_ending, offers=offers))
        notify.on(ending, end)
    for ending in ALARM_ENDINGS:
        notify.on(ending, partial(alarms.note_ending, ends=ends))
        notify.on(ending, partial(alarms.end_alarms, notifications=notifications))
    for event, handler in over.items():
        notify.on(event, handler)


def told_of(catalogue: Catalogue) -> tuple[type[Event], ...]:
    """Give what people are told of, of everything that is heard."""
    heard = (each.event for each in catalogue.heard_by("notify"))
    return tuple(each for each in heard if each not in TELLS_NOBODY)


def policy_for(settings: Settings, catalogue: Catalogue) -> Policy:
    """Read the locality's policy, and see that it fits what is listened to.

    Raises:
        BadConfiguration: It is missing or wrong.
    """
    policy = policy_of(Policy, settings.locality, "notify")
    try:
        told = {each.TYPE: _fields(each) for each in told_of(catalogue)}
        policy.check(told, ending=DEALT_WITH)
        policy.webhooks.check({each.TYPE for each in FOR_AGENCIES})
    except ValueError as wrong:
        path = settings.locality / "notify.yaml"
        raise BadConfiguration(f"Correct {path}: {wrong}.") from None
    return policy


def _fields(event: type[Event]) -> dict[str, bool]:
    """Give an event's fields, and whether each is always filled in."""
    return {
        name: type(None) not in get_args(field.annotation)
        for name, field in event.model_fields.items()
    }


def _secret(given: SecretStr | None) -> str:
    return given.get_secret_value() if given else ""
