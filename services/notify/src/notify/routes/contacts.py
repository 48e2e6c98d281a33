"""Messages to people's own devices over HTTP: asked for by a worker, one by one."""

from datetime import datetime
from functools import partial
from typing import Annotated, Self

from accord_chassis.decision import NOT_OUTREACH, Action, Relation, Resource
from accord_chassis.guard import Asking, NoSuchRecord, asking
from accord_chassis.service import part
from accord_contracts.access import Purpose
from accord_contracts.message import Code, Id
from fastapi import APIRouter, Security
from pydantic import BaseModel, ConfigDict

from notify.asks import SafeContacts
from notify.domain.contact import (
    ON_ITS_WAY,
    Asked,
    ContactMessage,
    NoSuchContact,
    SentState,
)
from notify.domain.texts import Language
from notify.handlers import contacting
from notify.handlers.contacting import Errand, Writing
from notify.routes.messages import Clock_

router = APIRouter(prefix="/cases", tags=["contacts"])

Writing_ = Annotated[Writing, part(Writing)]
SafeContacts_ = Annotated[SafeContacts, part(SafeContacts)]
Worker = Annotated[Asking, Security(asking, scopes=["notify.contact"])]

WORKING = (Relation.TEAM, Relation.COORDINATOR)
ITS_RECORD = {"record": NOT_OUTREACH}
WRITE = Action("contact.write", WORKING, parts=ITS_RECORD)
READ = Action("contact_messages.read", WORKING, parts=ITS_RECORD)
NOT_BARRED = Action(
    "contact.write_of_another_case",
    (Relation.SCOPE,),
    parts=ITS_RECORD,
    outlasts=True,
)
"""Who is barred from one case of a person, or meets who used violence in it, has them
written to for no other."""


class WriteToPerson(BaseModel):
    """Which of the locality's agreed texts is to be sent, and what for."""

    model_config = ConfigDict(extra="forbid")

    text: Code
    language: Language
    purpose: Purpose


class ContactMessageView(BaseModel):
    """What became of a message to a person's own device.

    Attributes:
        state: ``unknown`` if it may have arrived: it is not sent again by itself.
        reason: Why it was not sent, or why nobody knows, as a code.
        delivered_at: When the gateway said that it has arrived.
    """

    message_id: Id
    person_id: Id
    contact_id: Id
    text: Code
    language: Language
    worker_id: Id
    at: datetime
    state: SentState
    reason: Code | None
    delivered_at: datetime | None

    @classmethod
    def of(cls, person_id: str, contact_id: str, held: ContactMessage) -> Self:
        """Show a message. Of one that is on its way, nobody knows yet."""
        pending = held.state is SentState.CLAIMED
        return cls(
            message_id=held.asked.id,
            person_id=person_id,
            contact_id=contact_id,
            text=held.asked.text,
            language=held.asked.language,
            worker_id=held.asked.by,
            at=held.at,
            state=SentState.UNKNOWN if pending else held.state,
            reason=ON_ITS_WAY if pending else held.reason,
            delivered_at=held.delivered_at,
        )


class ContactMessagesView(BaseModel):
    """What was sent to people of a case, or was not, first to last."""

    messages: list[ContactMessageView]


@router.put("/{case_id}/people/{harmed_id}/contacts/{contact_id}/messages/{message_id}")
async def write_to_person(
    case_id: Id,
    harmed_id: Id,
    contact_id: Id,
    message_id: Id,
    told: WriteToPerson,
    *,
    by: Writing_,
    safe: SafeContacts_,
    worker: Worker,
    clock: Clock_,
) -> ContactMessageView:
    """Have one message sent to a person who was harmed, if it is safe at this moment.

    Once or twice under one id is once. It is never sent again by itself.
    """
    resource = Resource("contact", contact_id, case_id)
    permit = partial(worker.permit, purpose=told.purpose)
    await permit(WRITE, resource, otherwise=NoSuchContact)
    found = await safe.ask(harmed_id, case_id, told.purpose)
    for each in found.case_ids:
        other = Resource("contact", contact_id, each)
        await permit(NOT_BARRED, other, otherwise=NoSuchContact)
    asked = Asked(
        id=message_id,
        case_id=case_id,
        text=told.text,
        language=told.language,
        by=worker.worker or "",
    )
    permission = found.by(contact_id)
    errand = Errand(harmed_id, contact_id, asked, permission, clock.now())
    written = await contacting.write(errand, by=by)
    return ContactMessageView.of(harmed_id, contact_id, written)


@router.get("/{case_id}/contact-messages")
async def read_contact_messages(
    case_id: Id, by: Writing_, worker: Worker
) -> ContactMessagesView:
    """Read what was sent to people of a case, or was not, and why, first to last."""
    resource = Resource("contact_messages", case_id, case_id)
    await worker.permit(READ, resource, otherwise=NoSuchRecord)
    found = [
        ContactMessageView.of(each.person_id, each.contact_id, message)
        for each in await by.contacts.of_case(case_id)
        for message in each.messages
        if message.asked.case_id == case_id
    ]
    # That there is no such case looks as if one were barred from it.
    if not found:
        raise NoSuchRecord
    return ContactMessagesView(messages=sorted(found, key=lambda each: each.at))
