"""Telling agencies' own systems that something waits for the agency.

The same message may reach a system more than once, under the same id. It is tried for
days; a system that takes nothing for so long is told nothing more until somebody has
looked at it, and what has happened meanwhile waits for that.
"""

import contextlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import structlog
from accord_chassis.clock import Clock
from accord_chassis.ending import Ending
from accord_chassis.service import settled
from accord_chassis.store import Conflict
from accord_contracts.message import Message
from accord_contracts.notify import WebhookDisabled, WebhookOff
from accord_contracts.plans import (
    MeetingCalled,
    MeetingCalledOff,
    MeetingTaskDueSoon,
    MeetingTaskEvent,
    MeetingTaskNotDone,
    MeetingTaskOverdue,
    MeetingTaskPromised,
    ServiceAsked,
    ServiceDueSoon,
    ServiceEvent,
    ServiceMoved,
    ServiceOverdue,
)
from accord_contracts.problem import Refusal
from accord_contracts.referrals import (
    InformationDecided,
    InformationOverdue,
    InformationRequested,
    InformationWithdrawn,
)

from notify.domain.delivery import Delivery, DeliveryState, body_of, delivery_id
from notify.domain.mail import Outcome
from notify.domain.notification import reference_of
from notify.domain.webhook import (
    NoSuchWebhook,
    Off,
    Webhook,
    WebhookPolicy,
    headers_of,
    webhook_id,
)
from notify.hooks import Hooks
from notify.post import Posted, since_begun
from notify.store import Deliveries, Teams, Webhooks

log = structlog.get_logger()

ForAgency = (
    InformationRequested
    | InformationDecided
    | InformationOverdue
    | InformationWithdrawn
    | MeetingCalled
    | MeetingCalledOff
    | MeetingTaskPromised
    | MeetingTaskDueSoon
    | MeetingTaskOverdue
    | MeetingTaskNotDone
    | ServiceAsked
    | ServiceMoved
    | ServiceDueSoon
    | ServiceOverdue
)
"""What an agency's system may be told: what it was asked itself or has promised, and
nothing of what others were asked or said."""

AT_MEETINGS = (MeetingCalled, MeetingCalledOff, MeetingTaskEvent)

GONE = "status_410"
"""By which a system says that it is to be told nothing more (Standard Webhooks)."""

WAIT = timedelta(minutes=30)
"""How long a message waits before one looks whether its system is told again."""


@dataclass(frozen=True, slots=True)
class Telling:
    """What it takes to tell a system.

    Attributes:
        key: The service's own, of which with a salt every secret is made; none: the
            locality tells no systems.
        link_base: Where links lead, without a slash at the end.
    """

    webhooks: Webhooks
    deliveries: Deliveries
    hooks: Hooks
    policy: WebhookPolicy
    key: str | None
    link_base: str
    clock: Clock
    ending: Ending

    def key_or_refusal(self) -> str:
        """Give the key.

        Raises:
            NoWebhooks: There is none.
        """
        if self.key is None:
            raise NoWebhooks
        return self.key


class NoWebhooks(Refusal):
    """This locality tells no agency's own system."""


async def webhook_of(agency: str, *, by: Telling) -> Webhook:
    """Give an agency's webhook.

    Raises:
        NoSuchWebhook: It has none.
    """
    held = await by.webhooks.get(webhook_id(agency))
    if held is None or held.off is Off.REMOVED:
        raise NoSuchWebhook
    return held


async def put_webhook(
    agency: str, url: str, salt: str, *, at: datetime, by: Telling
) -> Webhook:
    """Tell an agency's system from now on, or at another address, or again.

    What waits is told now, however long the pause is in which it was.

    Raises:
        NoWebhooks: The locality tells none.
    """
    by.key_or_refusal()
    held = await by.webhooks.get(webhook_id(agency))
    new = held.at_url(url, at) if held else Webhook.of(agency, url, salt, at)
    if held and held.off is Off.REMOVED:
        # Whoever was taken out and comes back does not know what was shown before.
        new = new.rotate(salt, at)
    put = await by.webhooks.save(new)
    for each in await by.deliveries.waiting(agency):
        # What is being told at this moment is seen to by whoever tells it.
        if each.state is DeliveryState.WANTED:
            with contextlib.suppress(Conflict):
                await by.deliveries.save(each.hurry(at))
    return put


async def rotate(agency: str, salt: str, *, at: datetime, by: Telling) -> Webhook:
    """Sign by a new secret, and for a while by the one before as well.

    Raises:
        NoSuchWebhook: The agency has none.
    """
    held = await webhook_of(agency, by=by)
    return await by.webhooks.save(held.rotate(salt, at))


async def remove(agency: str, *, at: datetime, by: Telling) -> None:
    """Tell an agency's system nothing more.

    Raises:
        NoSuchWebhook: The agency has none.
    """
    held = await webhook_of(agency, by=by)
    await by.webhooks.save(held.turn_off(Off.REMOVED, at))
    for each in await by.deliveries.waiting(agency):
        # What is being told at this moment is seen to by whoever tells it.
        with contextlib.suppress(Conflict):
            await _keep(each.give_up("removed", at), by)


async def want_delivery(
    message: Message[ForAgency],
    *,
    at: datetime,
    webhooks: Webhooks,
    deliveries: Deliveries,
    teams: Teams,
) -> None:
    """Have an agency's system told, if it has one, and the case was not erased."""
    told = message.data
    team = await teams.get(told.case_id) if told.case_id else None
    if team and team.erased_at:
        return
    agency = told.provider if isinstance(told, ServiceEvent) else told.agency
    held = await webhooks.get(webhook_id(agency))
    if held is None or held.off is Off.REMOVED:
        return
    wanted = Delivery(
        id=delivery_id(message.id, agency),
        # What a whole meeting is about is no case's, and goes with none.
        case_id=told.case_id or "",
        agency=agency,
        event=message.type,
        about_id=_about(told),
        meeting_id=told.meeting_id if isinstance(told, AT_MEETINGS) else None,
        created_at=at,
        due_at=at,
    )
    await deliveries.add(wanted, cause=message)


def _about(told: ForAgency) -> str:
    if isinstance(told, MeetingCalled | MeetingCalledOff):
        return told.meeting_id
    if isinstance(told, MeetingTaskEvent):
        return told.task_id
    if isinstance(told, ServiceEvent):
        return told.service_id
    return told.inquiry_id


async def deliver(due: Delivery, *, by: Telling) -> None:
    """Tell a system what has fallen due, once it is its turn."""
    async with by.hooks.turn(due.agency):
        # Once the service stops, nothing is begun that would hold it up.
        if not by.ending.is_set():
            await _deliver(due, at=by.clock.now(), by=by)


async def _deliver(due: Delivery, *, at: datetime, by: Telling) -> None:
    held = await by.webhooks.get(webhook_id(due.agency))
    if held is None or held.off is Off.REMOVED:
        await _keep(due.give_up("removed", at), by)
        return
    due = due.told_since(held.on_since)
    if due.state is DeliveryState.CLAIMED:
        # Whoever was about to tell it never came to say what became of that.
        await _keep(due.settle(Outcome.UNKNOWN, "no_answer", at, by.policy), by)
        return
    if held.off or by.key is None:
        reason = held.off.value if held.off else "channel_off"
        await by.deliveries.save(due.wait(at + WAIT, reason))
        return
    await by.deliveries.save(due.claim(at, by.policy))
    body = body_of(due, reference_of(due.id), by.link_base)
    secrets = held.secrets(by.key_or_refusal(), at, by.policy)
    headers = headers_of(due.id, body, secrets, at)
    posted = await since_begun(by.hooks.post(held.url, body, headers, at))
    await settled(partial(_record, due.id, held.url, posted, at, by))


async def _record(
    delivery_id: str, sent_to: str, posted: Posted, at: datetime, by: Telling
) -> None:
    """Note what became of an attempt, whatever else has happened meanwhile."""
    held = await by.deliveries.get(delivery_id)
    if held and held.state is DeliveryState.CLAIMED:
        new = held.settle(
            posted.outcome, posted.reason, at, by.policy, wait=posted.wait
        )
        await _keep(new, by)
        if posted.outcome is not Outcome.SENT:
            log.info("webhook.not_taken", reason=posted.reason, count=new.attempts)
        if posted.reason == GONE:
            await _turn_off(held.agency, sent_to, at, by)


async def _turn_off(agency: str, url: str, at: datetime, by: Telling) -> None:
    """Tell a system nothing more that says that it is gone, if it is still that one."""
    held = await by.webhooks.get(webhook_id(agency))
    if held and held.off is None and held.url == url:
        with contextlib.suppress(Conflict):
            await _disable(held, Off.GONE, at, by.webhooks)


async def _keep(delivery: Delivery, by: Telling) -> None:
    """Keep how far a delivery has come, and say so if it is given up."""
    await by.deliveries.save(delivery)
    if delivery.state is DeliveryState.FAILED:
        log.warning("webhook.given_up", reason=delivery.reason, count=delivery.attempts)


async def look_after(
    due: Webhook,
    *,
    at: datetime,
    webhooks: Webhooks,
    deliveries: Deliveries,
    policy: WebhookPolicy,
) -> None:
    """Tell a system nothing more that has taken nothing for too long, and say so."""
    since = at - timedelta(minutes=policy.off_after_minutes)
    if due.on_since > since or not await deliveries.silent(due.agency, since):
        await webhooks.save(due.look_later(at))
        return
    await _disable(due, Off.FAILING, at, webhooks)


async def _disable(held: Webhook, why: Off, at: datetime, webhooks: Webhooks) -> None:
    log.critical("webhook.disabled", reason=why.value)
    told = WebhookDisabled(
        webhook_id=held.id,
        agency=held.agency,
        reason=WebhookOff.FAILING,
        gone=why is Off.GONE,
        disabled_at=at,
    )
    await webhooks.save(held.turn_off(why, at), told)
