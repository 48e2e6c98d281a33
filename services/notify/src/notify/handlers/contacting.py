"""Writing to a person's own device, because a worker asks for it: once, or not at all.

An outside effect is written down before it happens. Nothing here is ever tried again
by itself: what was refused, has failed or may have arrived is told to a worker, who
decides how the person is reached.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from accord_chassis.service import settled
from accord_contracts.message import Event, Message
from accord_contracts.notify import ContactMessaged, ContactNotMessaged
from accord_contracts.referrals import CaseErased, PersonErased

from notify.domain.contact import (
    NO_ANSWER,
    OFF,
    Asked,
    ContactMessage,
    NoSuchContact,
    NoSuchText,
    Permission,
    PersonalContact,
    SentState,
    point_id,
)
from notify.domain.mail import Outcome
from notify.domain.people import PersonText, reach_of
from notify.domain.policy import Policy
from notify.domain.wording import Letter
from notify.post import Post, Posted
from notify.store import PersonalContacts, Teams


@dataclass(frozen=True, slots=True)
class Writing:
    """What it takes to write to people's own devices.

    Attributes:
        teams: They know which cases are erased.
        policy: The locality's; without ``people`` in it nothing is sent.
        key: Hides the numbers by which what comes back is known; none: nothing is.
    """

    contacts: PersonalContacts
    teams: Teams
    post: Post
    policy: Policy
    key: str | None

    def text(self, asked: Asked) -> PersonText | None:
        """Give the text that is asked for; none if the locality sends nothing at all.

        Raises:
            NoSuchText: It has not agreed on it.
        """
        people = self.policy.people
        if people is None or not self.post.on:
            return None
        text = people.texts.get(asked.text)
        if text is None or asked.language not in text.text:
            raise NoSuchText
        return text


@dataclass(frozen=True, slots=True)
class Errand:
    """What a worker asks for, to whom, and whether it may be at this moment.

    Attributes:
        told: What referrals says; none: it knows no such way to reach the person.
    """

    person_id: str
    contact_id: str
    asked: Asked
    told: Permission | None
    at: datetime

    @property
    def point_id(self) -> str:
        """Under which id it is kept what is sent by this way."""
        return point_id(self.person_id, self.contact_id)


async def write(errand: Errand, *, by: Writing) -> ContactMessage:
    """Send one message that a worker asks for, if nothing speaks against it.

    Asked for again under the same id, it says what became of it, and sends nothing.

    Raises:
        NoSuchContact: Referrals knows no such way to reach them, or the case is erased.
        NoSuchText: The locality has not agreed on it.
        AnotherMessage: The id is that of another one.
        TooManyMessages: There are too many already.
    """
    text, asked = by.text(errand.asked), errand.asked
    number = _number(errand, by)
    reach = reach_of(number, by.key) if number and by.key else None
    message, is_new = await settled(partial(_claim, errand, text, reach, by))
    if not is_new or text is None or number is None:
        return message
    if await _is_erased(asked.case_id, by.teams):
        # What was saved after the rest of the case was erased goes after it.
        await settled(partial(_erase, errand.point_id, asked.case_id, by.contacts))
        raise NoSuchContact
    if late := await _meanwhile(errand, text, reach, by):
        refused = Posted(Outcome.REFUSED, late)
        return await settled(partial(_settle, errand, refused, by.contacts))
    letter = Letter(
        key=f"{errand.point_id}.{asked.id}",
        subject="",
        text=text.text[asked.language],
        languages=(asked.language,),
    )
    posted = await by.post.send(letter, number, errand.at)
    return await settled(partial(_settle, errand, posted, by.contacts))


async def _claim(
    errand: Errand, text: PersonText | None, reach: str | None, by: Writing
) -> tuple[ContactMessage, bool]:
    """Save that a message is about to be sent, or why it is not, unless it is known.

    Returns:
        The message, and whether it is to be sent now.
    """
    asked, people = errand.asked, by.policy.people
    held = await by.contacts.get(errand.point_id)
    held = held or PersonalContact.of(errand.person_id, errand.contact_id)
    if known := held.known(asked):
        return known, False
    if errand.told is None or await _is_erased(asked.case_id, by.teams):
        raise NoSuchContact
    reason: str | None = OFF
    if text and people:
        beside = await _beside(errand, reach, by)
        told = errand.told
        reason = held.refusal(told, text, errand.at, people, beside=beside)
    new = ContactMessage.of(asked, by.policy.version, errand.at, reason)
    kept = held.add(new)
    if reason:
        await by.contacts.save(kept, not_messaged(held, new, errand.at))
        return new, False
    await by.contacts.save(kept.leading_to(reach))
    return new, True


async def _is_erased(case_id: str, teams: Teams) -> bool:
    team = await teams.get(case_id)
    return team is not None and team.erased_at is not None


async def _beside(
    errand: Errand, reach: str | None, by: Writing
) -> list[PersonalContact]:
    """Give what else leads to the same device. Without a key nobody can know."""
    found = await by.contacts.reached_by(reach) if reach else []
    return [each for each in found if each.id != errand.point_id]


async def _meanwhile(
    errand: Errand, text: PersonText, reach: str | None, by: Writing
) -> str | None:
    """Say why what was claimed is not sent after all, as a code.

    Of two that are claimed for one device at the same time, each by a document of its
    own, one at least finds what the other has saved. Both may: then neither is sent.
    """
    beside, people = await _beside(errand, reach, by), by.policy.people
    if errand.told is None or people is None or not beside:
        return None
    nothing = PersonalContact.of(errand.person_id, errand.contact_id)
    return nothing.refusal(errand.told, text, errand.at, people, beside=beside)


def _number(errand: Errand, by: Writing) -> str | None:
    told, people = errand.told, by.policy.people
    return people.number(told.value) if people and told and told.value else None


async def _settle(
    errand: Errand, posted: Posted, contacts: PersonalContacts
) -> ContactMessage:
    """Note what became of a message, whatever else has happened meanwhile."""
    held = await contacts.get(errand.point_id)
    if held is None:
        raise NoSuchContact
    if posted.outcome is Outcome.SENT:
        state = SentState.SENT
    else:
        state = SentState.NOT_SENT if posted.surely else SentState.UNKNOWN
    new = held.settle(errand.asked.id, state, posted.reason, errand.at)
    message = new.message(errand.asked.id)
    if message is None:
        raise NoSuchContact
    if new is not held:
        await contacts.save(new, became(held, message, errand.at))
    return message


def became(held: PersonalContact, message: ContactMessage, at: datetime) -> Event:
    """Tell what became of a message of which nobody knew."""
    if message.state is not SentState.SENT:
        return not_messaged(held, message, at)
    template = message.asked.text
    return ContactMessaged(**_of(held, message), template=template, sent_at=at)


async def give_up(
    due: PersonalContact, *, at: datetime, contacts: PersonalContacts
) -> None:
    """Note of messages whose sending was broken off that they may have arrived."""
    new, told = due, list[ContactNotMessaged]()
    for each in due.lost(at):
        new = new.settle(each.asked.id, SentState.UNKNOWN, NO_ANSWER, at)
        if lost := new.message(each.asked.id):
            told.append(not_messaged(due, lost, at))
    if told:
        await contacts.save(new, *told)


async def erase_contacts(
    message: Message[CaseErased], *, contacts: PersonalContacts
) -> None:
    """Keep nothing of what was sent to people of a case that is erased."""
    case_id = message.data.case_id
    found = await contacts.of_case(case_id)
    await asyncio.gather(*(contacts.save(each.erase(case_id)) for each in found))


async def erase_person(
    message: Message[PersonErased], *, contacts: PersonalContacts
) -> None:
    """Keep nothing of what was sent, for this case, to somebody who is erased."""
    told = message.data
    for each in await contacts.of_case(told.case_id):
        if each.person_id == told.person_id:
            await contacts.save(each.erase(told.case_id))


async def _erase(point_id: str, case_id: str, contacts: PersonalContacts) -> None:
    if held := await contacts.get(point_id):
        await contacts.save(held.erase(case_id))


def not_messaged(
    held: PersonalContact, message: ContactMessage, at: datetime
) -> ContactNotMessaged:
    """Tell a worker that a message was not sent, or that nobody knows."""
    return ContactNotMessaged(
        **_of(held, message),
        reason=message.reason or message.state.value,
        uncertain=message.state is SentState.UNKNOWN,
        noted_at=at,
    )


def _of(held: PersonalContact, message: ContactMessage) -> dict[str, Any]:
    return {
        "case_id": message.asked.case_id,
        "person_id": held.person_id,
        "contact_id": held.contact_id,
        "message_id": message.asked.id,
    }
