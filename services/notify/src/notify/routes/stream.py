"""An inbox as it changes: Server-Sent Events, to be taken up again where they ended."""

import asyncio
import contextlib
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Self

import structlog
from accord_chassis.clock import Clock
from accord_chassis.decision import Resource
from accord_chassis.ending import Ending
from accord_chassis.guard import Asking
from accord_chassis.service import part
from accord_contracts.message import Id
from accord_contracts.problem import Refusal
from fastapi import APIRouter, Depends, Header, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import AfterValidator, BaseModel, StringConstraints
from pymongo.errors import PyMongoError

from notify.domain.following import Following, taken_up
from notify.domain.hours import Urgency
from notify.domain.notification import AT_LENGTH, NoInbox, Notification
from notify.routes.messages import (
    LONGEST_PAGE,
    READ_INBOX,
    Clock_,
    Notifications_,
    Owner,
    message_of,
)
from notify.store import Notifications

log = structlog.get_logger()

LOOK_SECONDS = 1.0
"""How often one looks for what has changed."""

LONGEST_SECONDS = 300
"""After so long a stream ends, and whoever watches comes with a token of that moment:
one that was taken back opens nothing for longer."""

MOST = 500
"""Streams of one process: each asks the store once a second."""

MOST_OF_ONE = 4
"""Streams of one worker: as many windows as somebody may have open."""

AGAIN_MS = range(500, 5000)
"""After how long a client comes back: by chance, so that not all come at once."""

router = APIRouter()


def _is_a_time(place: str) -> str:
    """See that a place begins with a time that there is."""
    datetime.fromisoformat(place[:AT_LENGTH])
    return place


Moved = Annotated[
    str,
    StringConstraints(
        pattern=r"^[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]"
        r"\.[0-9]{3}\.[0-9a-f-]{36}$"
    ),
    AfterValidator(_is_a_time),
]


class TooManyStreams(Refusal):
    """Too many streams are open: close one, or read the inbox instead."""

    status = 503


class Streams:
    """Counts the streams that are open, so that there are never too many."""

    def __init__(self) -> None:
        self._open = Counter[str]()

    @contextlib.contextmanager
    def one_more(self, worker_id: str) -> Iterator[None]:
        """Have one more stream open for a while.

        Raises:
            TooManyStreams: There are too many, of this worker or of all.
        """
        if self._open[worker_id] >= MOST_OF_ONE or self._open.total() >= MOST:
            raise TooManyStreams
        self._open[worker_id] += 1
        try:
            yield
        finally:
            self._open[worker_id] -= 1
            # Of whom none is open any more, nothing is kept.
            self._open += Counter()


class ChangeView(BaseModel):
    """That a message is new in an inbox, or over, or somebody knows.

    It tells nothing of what the message is about: whoever may read it reads it.
    """

    id: Id
    reference: str
    urgency: Urgency
    acknowledged_at: datetime | None
    ended_at: datetime | None

    @classmethod
    def of(cls, held: Notification) -> Self:
        """Show that a message has changed."""
        return cls(
            id=held.id,
            reference=held.reference,
            urgency=held.urgency,
            acknowledged_at=held.acknowledged_at,
            ended_at=held.ended_at,
        )


@dataclass(frozen=True, slots=True)
class Watching:
    """Somebody who watches their own inbox."""

    owner: Asking
    inbox: Resource
    notifications: Notifications
    following: Following
    clock: Clock

    async def look(self) -> AsyncIterator[list[Notification]]:
        """Give what is new page by page, if it may still be shown."""
        at, place, more = self.clock.now(), self.following.after, True
        while more:
            found = await self.notifications.moved(
                self.inbox.id, after=place, limit=LONGEST_PAGE
            )
            more = len(found) == LONGEST_PAGE
            place = found[-1].moved if found else place
            yield await self._permitted(self.following.new(found))
        self.following.pass_by(at)

    async def _permitted(self, new: list[Notification]) -> list[Notification]:
        """Give what may still be shown: that is decided each time."""
        if not new:
            return []
        messages = [(message_of(each.id, each), each) for each in new]
        permitted = await self.owner.permit_each(
            READ_INBOX, messages, of=self.inbox, otherwise=NoInbox
        )
        return [each for each, permit in permitted if each.eyes.value in permit]


async def watching(
    owner: Owner,
    notifications: Notifications_,
    clock: Clock_,
    streams: Annotated[Streams, part(Streams)],
    last: Annotated[Moved | None, Header(alias="last-event-id")] = None,
) -> AsyncIterator[Watching]:
    """Let somebody watch their own inbox, if there is room for one more.

    It is decided here and not in the stream, which begins with its answer's status.
    """
    if owner.worker is None:
        raise NoInbox
    inbox = Resource("inbox", owner.worker, workers=frozenset({owner.worker}))
    await owner.permit(READ_INBOX, inbox, otherwise=NoInbox)
    following = Following(taken_up(last, clock.now()))
    with streams.one_more(owner.worker):
        yield Watching(owner, inbox, notifications, following, clock)


@router.get("/inbox/stream", tags=["inbox"], response_class=EventSourceResponse)
async def watch_inbox(
    watcher: Annotated[Watching, Depends(watching)],
    ending: Annotated[Ending, part(Ending)],
    lasting: Annotated[int, Query(ge=1, le=LONGEST_SECONDS)] = LONGEST_SECONDS,
) -> AsyncIterator[ServerSentEvent]:
    """Watch one's own inbox: an event for each message that is new, or is over.

    An event says which message, and not what it is about. Take up where it ended with
    ``Last-Event-ID``, within a day; what is from the half minute before comes once
    more. It ends by itself after ``lasting`` seconds, and when the service stops. Begin
    to watch, then read the inbox: so nothing is missed.
    """
    # A client knows by the first line that it is watching.
    again = secrets.choice(AGAIN_MS)
    yield ServerSentEvent(comment="watching", retry=again)
    ends = time.monotonic() + lasting
    while time.monotonic() < ends:
        try:
            async for new in watcher.look():
                for each in new:
                    shown = ChangeView.of(each)
                    yield ServerSentEvent(data=shown, event="message", id=each.moved)
        except (Refusal, PyMongoError) as fault:
            # The answer has begun: whoever watches comes again, and is told then.
            log.info("stream.ended", reason=type(fault).__name__)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS):
                await ending.wait()
                return
