"""Telling what nobody could be told of at first, as soon as somebody is there."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from accord_contracts.catalogue import Catalogue
from accord_contracts.message import Event, Lane, Message
from accord_contracts.referrals import CaseErased

from notify.asks import DirectoryAway, NobodyOnDuty
from notify.domain.channels import Way
from notify.domain.hours import Urgency
from notify.domain.policy import Policy
from notify.domain.untold import (
    AGAIN_AFTER,
    DIRECTORY_AWAY,
    NOBODY_ON_DUTY,
    SOON,
    Untold,
)
from notify.handlers.watching import Watch
from notify.store import Untolds

log = structlog.get_logger()

Heard = Callable[[Message[Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Waiting:
    """What it takes to have a message wait for somebody who may be told.

    Attributes:
        tell: Tells those who must know.
        policy: Says what is an alarm.
        after: By type of event, what else follows when it was told: that it may be over
            by then.
    """

    untold: Untolds
    watch: Watch
    catalogue: Catalogue
    tell: Callable[..., Awaitable[None]]
    policy: Policy
    after: Mapping[type[Event], Heard]

    def rings(self, message: Message[Event]) -> bool:
        """Tell whether a message is an alarm, or urgent anyway."""
        rule = self.policy.rule(message.type, getattr(message.data, "level", None))
        return message.lane is Lane.URGENT or rule.urgency is Urgency.CRITICAL


async def tell_or_wait(
    message: Message[Event], *, at: datetime, waiting: Waiting
) -> None:
    """Tell those who must know, or keep it until that can be done.

    In a queue it would wait for up to an hour after somebody has come, and nobody would
    be alarmed that nobody is there. An alarm waits there no more for a directory that
    is away: once that answers, it rings within seconds.

    Raises:
        DirectoryAway: It cannot be known at present who may be told of what is no
            alarm.
    """
    try:
        await waiting.tell(message, at=at)
    except DirectoryAway as away:
        if not (isinstance(away, NobodyOnDuty) or waiting.rings(message)):
            raise
        log.warning("notification.untold", type=message.type)
        kept = _untold(message, at, away)
        await waiting.untold.add(kept, cause=message)
        await waiting.watch.waits(Way.INBOX, at)


async def tell_at_last(due: Untold, *, at: datetime, waiting: Waiting) -> None:
    """Try again to tell what has waited; nothing is kept of it once it was told."""
    message = _message(due, waiting.catalogue)
    try:
        await waiting.tell(message, at=at, waited=due.waited)
    except DirectoryAway as away:
        await waiting.watch.waits(Way.INBOX, at)
        await waiting.untold.save(due.wait(at, _again_after(away), _why(away)))
        return
    if follow := waiting.after.get(type(message.data)):
        await follow(message)
    await waiting.untold.remove(due.id)
    await waiting.watch.left(Way.INBOX)


async def erase_untold(message: Message[CaseErased], *, untold: Untolds) -> None:
    """Tell nobody any more of a case that is erased."""
    found = await untold.of_case(message.data.case_id)
    await asyncio.gather(*(untold.remove(each.id) for each in found))


def _again_after(away: DirectoryAway) -> timedelta:
    return AGAIN_AFTER if isinstance(away, NobodyOnDuty) else SOON


def _why(away: DirectoryAway) -> str:
    return NOBODY_ON_DUTY if isinstance(away, NobodyOnDuty) else DIRECTORY_AWAY


def _untold(message: Message[Event], at: datetime, away: DirectoryAway) -> Untold:
    return Untold(
        id=message.id,
        case_id=message.data.case_id,
        event=message.type,
        body=message.data.model_dump_json(),
        source=message.source,
        time=message.time,
        lane=message.lane,
        revision=message.aggregate_version,
        correlation_id=message.correlation_id,
        causation_id=message.causation_id,
        since=at,
        why=_why(away),
        due_at=at + _again_after(away),
    )


def _message(due: Untold, catalogue: Catalogue) -> Message[Event]:
    event = catalogue.entries[due.event].event.model_validate_json(due.body)
    return Message(
        id=due.id,
        source=due.source,
        subject=event.subject,
        time=due.time,
        lane=due.lane,
        aggregate_version=due.revision,
        data=event,
        correlation_id=due.correlation_id,
        causation_id=due.causation_id,
    )
