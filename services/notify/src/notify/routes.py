"""Notify over HTTP: a worker's own inbox, and who was told of a case."""

from datetime import datetime
from functools import partial
from typing import Annotated, Self

from accord_chassis.clock import Clock
from accord_chassis.guard import (
    NOT_OUTREACH,
    Action,
    Asking,
    NoSuchRecord,
    Permit,
    Relation,
    Resource,
    absent,
    asking,
)
from accord_chassis.service import part, settled
from accord_chassis.store import EPOCH
from accord_contracts.allocation import DeclineReason
from accord_contracts.message import Id
from fastapi import APIRouter, Header, Query, Response, Security
from pydantic import BaseModel, ConfigDict, StringConstraints

from notify.domain.answers import Answer, Said
from notify.domain.hours import Urgency
from notify.domain.mail import MailState
from notify.domain.notification import NoInbox, NoSuchMessage, Notification
from notify.domain.record import as_csv
from notify.domain.told import Telling
from notify.domain.wording import Wording
from notify.handlers import silence
from notify.handlers.reaching import SEEN_FROM
from notify.store import Notifications

PAGE = 50
LONGEST_PAGE = 100

router = APIRouter()

Place = Annotated[
    str, StringConstraints(pattern=r"^[01]\.[0-9T:.-]{23}\.[0-9a-f-]{36}$")
]
Since = Annotated[str, StringConstraints(pattern=r"^[0-9T:.-]{23}\.[0-9a-f-]{36}$")]
Limit = Annotated[int, Query(ge=1, le=LONGEST_PAGE)]
Languages = Annotated[str, Header(alias="accept-language", max_length=200)]

Notifications_ = Annotated[Notifications, part(Notifications)]
Wording_ = Annotated[Wording, part(Wording)]
Handing_ = Annotated[silence.HandingOver, part(silence.HandingOver)]
Clock_ = Annotated[Clock, part(Clock)]
Reviewer = Annotated[Asking, Security(asking, scopes=["notify.review"])]
Owner = Annotated[Asking, Security(asking, scopes=["notify.inbox"])]

OWN = (Relation.OWNER,)
SEEN = {eyes.value: sides for eyes, sides in SEEN_FROM.items()}
READ_INBOX = Action("inbox.read", OWN, parts=SEEN)
READ_MESSAGE = Action("message.read", OWN, parts=SEEN)
ACKNOWLEDGE = Action("message.acknowledge", OWN, parts=SEEN, outlasts=True)
CANNOT_TAKE = Action("message.refuse", OWN, parts=SEEN, outlasts=True)
HAND_OVER = Action("message.hand_over", OWN, parts=SEEN, outlasts=True)
REVIEW_CASE = Action(
    "notifications.review", (Relation.COORDINATOR,), parts={"record": NOT_OUTREACH}
)


def message_of(message_id: str, held: Notification | None) -> Resource:
    """Give a message as it is decided about: whose it is are those who were told.

    Whoever was told and has been barred from its case since is shown it no longer.
    """
    if held is None:
        return absent("message", message_id)
    told = frozenset(held.told_workers)
    return Resource("message", message_id, held.case_id, workers=told)


def shown(held: Notification | None, permit: Permit) -> Notification:
    """Give a message, if its reader may see it from their side of the case.

    Raises:
        NoSuchMessage: There is none, or none for them.
    """
    if held is None or held.eyes.value not in permit:
        raise NoSuchMessage
    return held


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
    """A page of an inbox: what is open first, then the newest first.

    Attributes:
        next: What ``after`` must be for the next page; none if this is the last.
    """

    messages: list[MessageView]
    next: str | None


class TellingView(BaseModel):
    """That somebody was told, and how far an e-mail to them has come."""

    worker_id: Id
    step: int
    at: datetime
    email: MailState | None
    email_sent_at: datetime | None

    @classmethod
    def of(cls, told: Telling) -> Self:
        """Show that somebody was told."""
        return cls(
            worker_id=told.worker_id,
            step=told.step,
            at=told.at,
            email=told.mail.state if told.mail else None,
            email_sent_at=told.mail.sent_at if told.mail else None,
        )


class AnswerView(BaseModel):
    """What somebody said to a message, or that it was asked again, and when."""

    said: Said
    worker_id: Id
    at: datetime
    to: Id | None
    reason: DeclineReason | None

    @classmethod
    def of(cls, said: Answer) -> Self:
        """Show what was said."""
        return cls(**said.model_dump())


class NotificationView(BaseModel):
    """Who was told of one thing that happened, when, and who said that they know.

    Attributes:
        ended_at: When it was over, by that or otherwise; none while it is open.
        repeated_at: When the same was told again, while it was open.
        answers: What was said to it, and that it was asked again, first to last.
    """

    id: Id
    reference: str
    event: str
    template: str
    about_id: Id | None
    urgency: Urgency
    policy_version: str
    told: list[TellingView]
    acknowledge_by: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: Id | None
    ended_at: datetime | None
    repeated_at: list[datetime]
    answers: list[AnswerView]

    @classmethod
    def of(cls, held: Notification) -> Self:
        """Show a notification to whoever reviews a case."""
        return cls(
            id=held.id,
            reference=held.reference,
            event=held.event,
            template=held.template,
            about_id=held.about_id,
            urgency=held.urgency,
            policy_version=held.policy_version,
            told=[TellingView.of(each) for each in held.told],
            acknowledge_by=held.ack_by,
            acknowledged_at=held.acknowledged_at,
            acknowledged_by=held.acknowledged_by,
            ended_at=held.ended_at,
            repeated_at=[each.at for each in held.repeats],
            answers=[AnswerView.of(each) for each in held.answers],
        )


class CaseNotificationsView(BaseModel):
    """Who was told what of a case, and when, first to last.

    Attributes:
        next: What ``after`` must be for the next page; none if this is the last.
    """

    notifications: list[NotificationView]
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
    held = await notifications.get(message_id)
    resource = message_of(message_id, held)
    permit = await owner.permit(READ_MESSAGE, resource, otherwise=NoSuchMessage)
    return MessageView.of(shown(held, permit), wording, preferred(languages))


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
    held = await notifications.get(message_id)
    resource = message_of(message_id, held)
    permit = await owner.permit(ACKNOWLEDGE, resource, otherwise=NoSuchMessage)
    shown(held, permit)
    note = partial(
        silence.acknowledge,
        message_id,
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

    An offer of a role is answered at the allocation service.
    """
    held = await notifications.get(message_id)
    resource = message_of(message_id, held)
    permit = await owner.permit(CANNOT_TAKE, resource, otherwise=NoSuchMessage)
    note = partial(
        silence.cannot_take,
        shown(held, permit),
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
    held = await notifications.get(message_id)
    resource = message_of(message_id, held)
    permit = await owner.permit(HAND_OVER, resource, otherwise=NoSuchMessage)
    give = partial(
        handing.do,
        shown(held, permit),
        owner.worker or "",
        to.worker_id,
        at=clock.now(),
    )
    await settled(give)


@router.get("/cases/{case_id}/notifications", tags=["review"])
async def review_case(
    case_id: Id,
    notifications: Notifications_,
    reviewer: Reviewer,
    after: Since | None = None,
    limit: Limit = PAGE,
) -> CaseNotificationsView:
    """Read who was told what of a case, when, and who knew."""
    await reviewer.permit(REVIEW_CASE, Resource("notifications", case_id, case_id))
    found = await notifications.of_case(case_id, after=after, limit=limit)
    # That there is no such case looks as if one were barred from it.
    if not found and after is None:
        raise NoSuchRecord
    return CaseNotificationsView(
        notifications=[NotificationView.of(each) for each in found],
        next=found[-1].since if len(found) == limit else None,
    )


@router.get(
    "/cases/{case_id}/notifications/record",
    tags=["review"],
    response_class=Response,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def export_case(
    case_id: Id, notifications: Notifications_, reviewer: Reviewer
) -> Response:
    """Take along who was told what of a case, when, and what they said.

    Comma-separated values, first to last; ids, codes and times alone.
    """
    await reviewer.permit(REVIEW_CASE, Resource("notifications", case_id, case_id))
    found = await notifications.recent(case_id, EPOCH)
    if not found:
        raise NoSuchRecord
    return Response(as_csv(found), media_type="text/csv")


def preferred(languages: str) -> list[str]:
    """Give the languages of an ``Accept-Language`` header, as they are listed."""
    listed = (each.split(";")[0].strip() for each in languages.split(","))
    return [each.split("-")[0].lower() for each in listed]
