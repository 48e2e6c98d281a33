"""Who was told what of a case, over HTTP: for review, and to take along."""

from datetime import datetime
from typing import Annotated, Self

from accord_chassis.decision import NOT_OUTREACH, Action, Relation, Resource
from accord_chassis.guard import Asking, NoSuchRecord, asking
from accord_chassis.service import part
from accord_chassis.store import EPOCH
from accord_contracts.allocation import DeclineReason
from accord_contracts.message import Id
from fastapi import APIRouter, Response, Security
from pydantic import BaseModel, StringConstraints

from notify.domain.answers import Answer, Said
from notify.domain.channels import Way
from notify.domain.hours import Urgency
from notify.domain.mail import Mail, MailState
from notify.domain.notification import Notification
from notify.domain.record import as_csv, lines
from notify.domain.skipped import Skipped, Why
from notify.domain.told import Telling
from notify.routes.messages import PAGE, Limit, Notifications_
from notify.store import (
    Deliveries,
    NobodiesLeft,
    PersonalContacts,
    Teams,
    Untolds,
)

router = APIRouter()

Since = Annotated[str, StringConstraints(pattern=r"^[0-9T:.-]{23}\.[0-9a-f-]{36}$")]
Reviewer = Annotated[Asking, Security(asking, scopes=["notify.review"])]

REVIEW_CASE = Action(
    "notifications.review", (Relation.COORDINATOR,), parts={"record": NOT_OUTREACH}
)


class RangView(BaseModel):
    """How far an e-mail or an SMS has come, and why it did not go out."""

    channel: Way
    state: MailState
    sent_at: datetime | None
    delivered_at: datetime | None
    reason: str | None

    @classmethod
    def of(cls, rang: Mail) -> Self:
        """Show it."""
        same = {"channel", "state", "sent_at", "delivered_at", "reason"}
        return cls(**rang.model_dump(include=same))


class TellingView(BaseModel):
    """That somebody was told, and how far what rang has come, by which way.

    Attributes:
        rang: By which ways, the last one last.
    """

    worker_id: Id
    step: int
    at: datetime
    rang: list["RangView"]

    @classmethod
    def of(cls, told: Telling) -> Self:
        """Show that somebody was told."""
        return cls(
            worker_id=told.worker_id,
            step=told.step,
            at=told.at,
            rang=[RangView.of(each) for each in (*told.tried, told.mail) if each],
        )


class AnswerView(BaseModel):
    """What somebody said to a message, or that it was asked again, and when."""

    said: Said
    worker_id: Id
    at: datetime
    to: Id | None
    reason: DeclineReason | None
    by_link: bool
    by_sms: bool

    @classmethod
    def of(cls, said: Answer) -> Self:
        """Show what was said."""
        return cls(**said.model_dump())


class SkippedView(BaseModel):
    """That somebody was passed over, who may not know or is on leave.

    Attributes:
        step: Of the chain, at which they would have been told; 0: the rule names them.
    """

    worker_id: Id
    why: Why
    step: int
    at: datetime

    @classmethod
    def of(cls, skipped: Skipped) -> Self:
        """Show it."""
        return cls(**skipped.model_dump())


class NotificationView(BaseModel):
    """Who was told of one thing that happened, when, and who said that they know.

    Attributes:
        happened_at: When it happened, by its publisher's clock.
        waited_since: Since when nobody could be told, if it had to wait.
        waited_for: Why it had to, as a code.
        ended_at: When it was over, by that or otherwise; none while it is open.
        repeated_at: When the same was told again, while it was open.
        answers: What was said to it, and that it was asked again, first to last.
        passed_over: Who was to be told, and was not.
    """

    id: Id
    reference: str
    event: str
    template: str
    about_id: Id | None
    urgency: Urgency
    policy_version: str
    happened_at: datetime | None
    waited_since: datetime | None
    waited_for: str | None
    told: list[TellingView]
    acknowledge_by: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: Id | None
    ended_at: datetime | None
    repeated_at: list[datetime]
    answers: list[AnswerView]
    passed_over: list[SkippedView]

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
            happened_at=held.happened_at,
            waited_since=held.waited.since if held.waited else None,
            waited_for=held.waited.why if held.waited else None,
            told=[TellingView.of(each) for each in held.told],
            acknowledge_by=held.ack_by,
            acknowledged_at=held.acknowledged_at,
            acknowledged_by=held.acknowledged_by,
            ended_at=held.ended_at,
            repeated_at=[each.at for each in held.repeats],
            answers=[AnswerView.of(each) for each in held.answers],
            passed_over=[SkippedView.of(each) for each in held.skipped],
        )


class CaseNotificationsView(BaseModel):
    """Who was told what of a case, and when, first to last.

    Attributes:
        next: What ``after`` must be for the next page; none if this is the last.
    """

    notifications: list[NotificationView]
    next: str | None


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
    case_id: Id,
    *,
    notifications: Notifications_,
    deliveries: Annotated[Deliveries, part(Deliveries)],
    contacts: Annotated[PersonalContacts, part(PersonalContacts)],
    untold: Annotated[Untolds, part(Untolds)],
    nobody_left: Annotated[NobodiesLeft, part(NobodiesLeft)],
    teams: Annotated[Teams, part(Teams)],
    reviewer: Reviewer,
) -> Response:
    """Take along who was told what of a case, when, and what they said.

    Agencies' own systems and people's own devices too, what waits for somebody who may
    be told, and the same of each case that is merged into it. Comma-separated values,
    first to last; ids, codes and times alone.
    """
    await reviewer.permit(REVIEW_CASE, Resource("notifications", case_id, case_id))
    merged = sorted(await teams.merged_into(case_id))
    for each in merged:
        # Whoever is barred from one of them has none of it, and is not told which.
        await reviewer.permit(REVIEW_CASE, Resource("notifications", each, each))
    of = (case_id, *merged)
    by_way = {e.id: e for each in of for e in await contacts.of_case(each)}
    found = lines(
        [e for each in of for e in await notifications.recent(each, EPOCH)],
        [e for each in of for e in await deliveries.of_case(each)],
        by_way.values(),
        [e for each in of for e in await untold.of_case(each)],
        [e for each in of for e in await nobody_left.of_case(each)],
        case_ids=of,
    )
    if not found:
        raise NoSuchRecord
    return Response(as_csv(found), media_type="text/csv")
