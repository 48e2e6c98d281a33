"""Watching that what is due leaves: a way that is dead must not be quiet about it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import structlog
from accord_chassis.service import settled
from accord_contracts.notify import ChannelSilent

from notify.asks import DirectoryAway
from notify.domain.channels import Way
from notify.domain.mail import Outcome
from notify.domain.notification import Notification
from notify.domain.pulse import Pulse, pulse_id
from notify.domain.wording import Letter
from notify.post import Post, Posted
from notify.store import Notifications, Pulses, Untolds

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Watch:
    """Knows since when nothing has left by each way.

    Attributes:
        untold: What nobody could be told of yet: while there is any, that somebody else
            was told says nothing.
        patience: For how long nobody is told of that.
    """

    pulses: Pulses
    untold: Untolds
    patience: timedelta

    async def waits(self, way: Way, at: datetime) -> None:
        """Note that something which is due has not left."""
        await settled(partial(self._note, way, lambda e: e.wait(at, self.patience)))

    async def left(self, way: Way) -> None:
        """Note that something has left."""
        if way is Way.INBOX and await self.untold.waits():
            return
        await settled(partial(self._note, way, Pulse.leave))

    async def refused(self, way: Way, at: datetime) -> None:
        """Note that something was refused for good."""
        await settled(partial(self._note, way, lambda e: e.refuse(at, self.patience)))

    async def _note(self, way: Way, change: Callable[[Pulse], Pulse]) -> None:
        held = await self.pulses.get(pulse_id(way)) or Pulse.of(way)
        new = change(held)
        if new is held:
            return
        await self.pulses.save(new)
        if held.silent_at:
            log.warning("channel.heard_again", type=way.value)


@dataclass(frozen=True, slots=True)
class WatchedPost:
    """A channel of which it is noted whether anything leaves by it; see ``Post``."""

    post: Post
    way: Way
    watch: Watch

    @property
    def on(self) -> bool:
        """Whether there is any such channel here."""
        return self.post.on

    @property
    def closed(self) -> Posted | None:
        """What would become of a letter now, if that is known without trying."""
        return self.post.closed

    async def send(self, letter: Letter, to: str, at: datetime) -> Posted:
        """Send a letter, and note whether the channel lives."""
        posted = await self.post.send(letter, to, at)
        if not posted.tried:
            return posted
        match posted.outcome:
            case Outcome.SENT:
                await self.watch.left(self.way)
            case Outcome.REFUSED:
                await self.watch.refused(self.way, at)
            case _:
                await self.watch.waits(self.way, at)
        return posted


async def attend(
    due: Notification,
    *,
    at: datetime,
    do: Callable[..., Awaitable[None]],
    watch: Watch,
) -> None:
    """Do what has fallen due, and note where nobody can be told next.

    Raises:
        DirectoryAway: Nobody can.
    """
    is_next = due.is_silent(at) or due.is_to_reopen(at)
    try:
        await do(due, at=at)
    except DirectoryAway:
        if is_next:
            await watch.waits(Way.INBOX, at)
        raise
    if is_next:
        await watch.left(Way.INBOX)


async def alarm(
    due: Pulse, *, at: datetime, watch: Watch, notifications: Notifications
) -> None:
    """Tell that nothing has left by a way for too long, though something is due.

    Once; then it is looked at again and again whether anything is: what somebody has
    acknowledged meanwhile, or is over, waits for nothing, and so does the way then.
    """
    untold = due.way is Way.INBOX and await watch.untold.waits()
    if not untold and not await notifications.waits_by(due.way, at):
        await watch.left(due.way)
        return
    told = due.alarm(at, watch.patience)
    if due.silent_at:
        await watch.pulses.save(told)
        return
    log.critical("channel.silent", type=due.way.value)
    since = due.waits_since or at
    silent = ChannelSilent(
        channel_id=due.id, way=due.way.value, since=since, noticed_at=at
    )
    await watch.pulses.save(told, silent)
