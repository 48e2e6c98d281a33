"""Pushing to workers' browsers, and which they are."""

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import urlsplit

import structlog
from accord_chassis.retention import RecordClass
from accord_contracts.problem import Refusal
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key

from notify.domain.aes128gcm import CURVE, SALT_BYTES, decoded, key_of, seal
from notify.domain.mail import Outcome
from notify.domain.push import (
    NotAPushService,
    PushPolicy,
    Reached,
    Subscription,
)
from notify.domain.vapid import Vapid
from notify.domain.wording import Letter
from notify.outward import Outward
from notify.post import AWAY, AWAY_SECONDS, Lines, Posted
from notify.store import Subscriptions

log = structlog.get_logger()

FILLED_UP_TO = 1024
"""To how many bytes what is pushed is filled up: its length tells nothing."""

GONE = frozenset({"status_404", "status_410"})
"""By which a push service says that there is no such browser (RFC 8030, 7.3)."""

FOR_GOOD = frozenset({"status_400", "status_413"})
"""By which it says that what is pushed is no such thing, however often it comes."""

NO_BROWSER = Posted(Outcome.REFUSED, "no_address", tried=False)
NOT_ANY_MORE = Posted(Outcome.REFUSED, "gone")
FORGOTTEN = Posted(Outcome.REFUSED, "gone", tried=False)

BEST_FIRST = (Outcome.SENT, Outcome.UNKNOWN, Outcome.NOT_TAKEN, Outcome.REFUSED)
"""By which of several browsers it is said what became of a push: one is enough."""


class NoPush(Refusal):
    """This locality pushes nothing to browsers."""


@dataclass(frozen=True, slots=True)
class Pushing:
    """What it takes to push.

    Attributes:
        vapid: As whom push services know us; none: nothing is pushed.
        forgets: When a browser is told nothing more that is not put again.
    """

    subscriptions: Subscriptions
    outward: Outward
    policy: PushPolicy | None
    vapid: Vapid | None
    forgets: RecordClass

    @property
    def known(self) -> tuple[PushPolicy, Vapid]:
        """Give what is pushed, and as whom.

        Raises:
            NoPush: Nothing is.
        """
        if self.policy is None or self.vapid is None:
            raise NoPush
        return self.policy, self.vapid


async def put(
    reached: Reached, worker_id: str, *, at: datetime, by: Pushing
) -> Subscription:
    """Have a worker's browser told when something rings, from now on or again.

    Whosever it was before, it is this worker's now: whoever logs in there is told what
    is theirs, and nobody else.

    Raises:
        NoPush: The locality pushes nothing.
        NotAPushService: The address is none of a push service that is known here.
    """
    policy, vapid = by.known
    if not by.outward.may_be(reached.endpoint):
        raise NotAPushService
    new = Subscription.of(
        reached, worker_id, at=at, forget_at=by.forgets.over(at), vapid=vapid
    )
    held = await by.subscriptions.get(new.id)
    version = held.version if held else 0
    kept = await by.subscriptions.save(new.model_copy(update={"version": version}))
    every = await by.subscriptions.of_worker(worker_id)
    for each in every[policy.browsers :]:
        await by.subscriptions.remove(each)
    return kept


class PushPost:
    """Pushes to all of a worker's browsers; to be told by one of them is enough.

    A push service that is found to be away is left alone for a while, so that what else
    has fallen due is not held up.

    Args:
        subscriptions: Which browsers a worker has.
        outward: Goes to push services alone.
        policy: What is pushed.
        vapid: As whom.
        away_seconds: How long nobody tries after a push service was found to be away.
    """

    on = True
    closed = None

    def __init__(
        self,
        subscriptions: Subscriptions,
        outward: Outward,
        policy: PushPolicy,
        vapid: Vapid,
        *,
        away_seconds: float = AWAY_SECONDS,
    ) -> None:
        self._subscriptions = subscriptions
        self._outward = outward
        self._policy = policy
        self._vapid = vapid
        self._away_seconds = away_seconds
        self._away_until: dict[str, float] = {}
        self._lines = Lines()

    async def send(self, letter: Letter, to: str, at: datetime) -> Posted:
        """Push to a worker, by their id; see ``Post``."""
        async with self._lines.one_for(letter):
            browsers = await self._subscriptions.of_worker(to)
            pushed = (self._push(letter, each, at) for each in browsers)
            return _best(await asyncio.gather(*pushed))

    async def _push(self, letter: Letter, to: Subscription, at: datetime) -> Posted:
        """Push to one browser; keep nothing of it if there is none such any more."""
        reached = to.reached(self._vapid)
        if reached is None:
            await self._drop(to)
            return FORGOTTEN
        host = urlsplit(reached.endpoint).netloc
        if time.monotonic() < self._away_until.get(host, float("-inf")):
            return AWAY
        headers = {
            "authorization": self._vapid.authorization(reached.endpoint, at),
            "content-encoding": "aes128gcm",
            "content-type": "application/octet-stream",
            "ttl": str(int(self._policy.good.total_seconds())),
            "urgency": "high" if letter.urgent else "normal",
            "topic": self._vapid.topic(to.id, letter.key),
        }
        body = _sealed(letter.text, reached)
        posted = await self._outward.post(reached.endpoint, body, headers, at)
        if posted.reason in GONE:
            await self._drop(to)
            return NOT_ANY_MORE
        if posted.reason in FOR_GOOD:
            return Posted(Outcome.REFUSED, "message_refused")
        if posted.outcome is Outcome.UNKNOWN or posted == AWAY:
            self._away_until[host] = time.monotonic() + self._away_seconds
        if posted.outcome is not Outcome.SENT:
            log.warning("post.away", dependency="push", reason=posted.reason)
        return posted

    async def _drop(self, gone: Subscription) -> None:
        log.info("push.gone")
        await self._subscriptions.remove(gone)


def _sealed(text: str, to: Reached) -> bytes:
    return seal(
        text.encode(),
        key_of(decoded(to.keys.p256dh)),
        decoded(to.keys.auth),
        salt=os.urandom(SALT_BYTES),
        once=generate_private_key(CURVE),
        as_long_as=FILLED_UP_TO,
    )


def _best(pushed: Sequence[Posted]) -> Posted:
    """Give the best of what became of a push; it is tried again at all or at none.

    So the longest wait counts that any of the push services asks for.
    """
    best = min(pushed, key=lambda e: BEST_FIRST.index(e.outcome), default=NO_BROWSER)
    return replace(best, wait=max((each.wait for each in pushed), default=best.wait))
