"""A worker's own inbox over HTTP: what stands in it, and what they say to it."""

from datetime import datetime
from functools import partial
from typing import Annotated, Self

from accord_chassis.decision import Action, Resource
from accord_chassis.service import part, settled
from accord_contracts.allocation import DeclineReason
from accord_contracts.message import Id
from fastapi import APIRouter, Header
from pydantic import BaseModel, ConfigDict, StringConstraints

from notify.domain.hours import Urgency
from notify.domain.notification import NoInbox, Notification
from notify.domain.wording import Wording
from notify.handlers import silence
from notify.routes.messages import (
    OWN,
    PAGE,
    READ_INBOX,
    SEEN,
    Clock_,
    Limit,
    Notifications_,
    Owner,
    message_of,
    opened,
)

router = APIRouter()

Place = Annotated[
    str, StringConstraints(pattern=r"^[012]\.[0-9T:.-]{23}\.[0-9a-f-]{36}$")
]
Languages = Annotated[str, Header(alias="accept-language", max_length=200)]

Wording_ = Annotated[Wording, part(Wording)]
Handing_ = Annotated[silence.HandingOver, part(silence.HandingOver)]

READ_MESSAGE = Action("message.read", OWN, parts=SEEN)
ACKNOWLEDGE = Action("message.acknowledge", OWN, parts=SEEN, outlasts=True)
CANNOT_TAKE = Action("message.refuse", OWN, parts=SEEN, outlasts=True)
HAND_OVER = Action("message.hand_over", OWN, parts=SEEN, outlasts=True)


class MessageView(BaseModel):
    """A message in an inbox: a text that tells nothing, and what it leads to.

    Attributes:
        acknowledged_at: When somebody who was told said that they know.
        ended_at: When it was over, by that or otherwise; none while it is open.
        reopens_at: When it is asked again, unless it is dealt with; none if it is not.
    """

    id: Id
    reference: str
    subject: str
    text: str
    link: str
    urgency: Urgency
    event: str
    case_id: Id
    about_id: Id | None
    created_at: datetime
    acknowledge_by: datetime | None
    acknowledged_at: datetime | None
    ended_at: datetime | None
    reopens_at: datetime | None
    escalated: bool

    @classmethod
    def of(cls, held: Notification, wording: Wording, languages: list[str]) -> Self:
        """Show a message in a language that its reader prefers."""
        shown = wording.shown(held, languages)
        return cls(
            id=held.id,
            reference=held.reference,
            subject=shown.subject,
            text=shown.text,
            link=shown.link,
            urgency=held.urgency,
            event=held.event,
            case_id=held.case_id,
            about_id=held.about_id,
            created_at=held.created_at,
            acknowledge_by=held.ack_by,
            acknowledged_at=held.acknowledged_at,
            ended_at=held.ended_at,
            reopens_at=held.reopen_at,
            escalated=held.step > 0,
        )


class CannotTake(BaseModel):
    """Why a worker cannot take what they were told of."""

    model_config = ConfigDict(extra="forbid")

    reason: DeclineReason


class HandOver(BaseModel):
    """Who is to be told in a worker's place."""

    model_config = ConfigDict(extra="forbid")

    worker_id: Id


class InboxView(BaseModel):
    """A page of an inbox: what waits for an answer, what is open, the newest first.

    Attributes:
        next: What ``after`` must be for the next page; none if this is the last.
    """

    messages: list[MessageView]
    next: str | None


@router.get("/inbox", tags=["inbox"])
async def read_inbox(
    notifications: Notifications_,
    wording: Wording_,
    owner: Owner,
    *,
    after: Place | None = None,
    limit: Limit = PAGE,
    languages: Languages = "",
) -> InboxView:
    """Read one's own inbox.

    What is about a case from which one has been barred since is left out, so a page may
    hold fewer messages than were asked for.
    """
    worker_id = owner.worker
    if worker_id is None:
        raise NoInbox
    inbox = Resource("inbox", worker_id, workers=frozenset({worker_id}))
    found = await notifications.of_worker(worker_id, after=after, limit=limit)
    messages = [(message_of(each.id, each), each) for each in found]
    permitted = await owner.permit_each(
        READ_INBOX, messages, of=inbox, otherwise=NoInbox
    )
    seen = [each for each, permit in permitted if each.eyes.value in permit]
    spoken = preferred(languages)
    return InboxView(
        messages=[MessageView.of(each, wording, spoken) for each in seen],
        next=found[-1].place if len(found) == limit else None,
    )


@router.get("/inbox/{message_id}", tags=["inbox"])
async def read_message(
    message_id: Id,
    notifications: Notifications_,
    wording: Wording_,
    owner: Owner,
    languages: Languages = "",
) -> MessageView:
    """Read one message of one's own inbox: where its link leads."""
    held = await opened(message_id, READ_MESSAGE, notifications, owner)
    return MessageView.of(held, wording, preferred(languages))


@router.post(
    "/inbox/{message_id}/acknowledgement",
    status_code=204,
    tags=["inbox"],
)
async def acknowledge(
    message_id: Id,
    notifications: Notifications_,
    owner: Owner,
    clock: Clock_,
) -> None:
    """Say that one knows, so that nobody else is told. Once is as good as twice."""
    held = await opened(message_id, ACKNOWLEDGE, notifications, owner)
    note = partial(
        silence.acknowledge,
        held.id,
        owner.worker or "",
        at=clock.now(),
        notifications=notifications,
    )
    await settled(note)


@router.post("/inbox/{message_id}/refusal", status_code=204, tags=["inbox"])
async def cannot_take(
    message_id: Id,
    why: CannotTake,
    notifications: Notifications_,
    owner: Owner,
    clock: Clock_,
) -> None:
    """Say that one cannot take it, and why, so that the next is told at once.

    Said to an offer of a role, by whoever it was made to, it declines the offer.
    """
    held = await opened(message_id, CANNOT_TAKE, notifications, owner)
    note = partial(
        silence.cannot_take,
        held,
        owner.worker or "",
        why.reason,
        at=clock.now(),
        notifications=notifications,
    )
    await settled(note)


@router.post("/inbox/{message_id}/handover", status_code=204, tags=["inbox"])
async def hand_over(
    message_id: Id,
    to: HandOver,
    notifications: Notifications_,
    *,
    handing: Handing_,
    owner: Owner,
    clock: Clock_,
) -> None:
    """Have another worker told in one's own place, who may know of the case."""
    held = await opened(message_id, HAND_OVER, notifications, owner)
    give = partial(
        handing.do,
        held,
        owner.worker or "",
        to.worker_id,
        at=clock.now(),
    )
    await settled(give)


def preferred(languages: str) -> list[str]:
    """Give the languages of an ``Accept-Language`` header, as they are listed."""
    listed = (each.split(";")[0].strip() for each in languages.split(","))
    return [each.split("-")[0].lower() for each in listed]
