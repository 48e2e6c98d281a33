"""How a person may be reached: had only by asking, and for a purpose."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Literal, NamedTuple, Self

from accord_chassis.decision import (
    ANYBODY,
    NOT_OUTREACH,
    Action,
    Relation,
    Resource,
)
from accord_chassis.guard import Asking, absent, asking
from accord_chassis.service import part
from accord_contracts.access import Purpose
from accord_contracts.grounds import S20Purpose
from accord_contracts.message import Id
from fastapi import APIRouter, Body, Security
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from referrals import contacting
from referrals.accounting import enter_reading, reading_by
from referrals.contacting import Contacting, was_harmed
from referrals.domain.case import Case
from referrals.domain.contact import (
    KINDS,
    Confirmation,
    Held,
    Kind,
    Point,
    SuspendedFor,
    Suspension,
    find,
    from_his_side,
)
from referrals.domain.erasure import NoSuchPerson
from referrals.domain.ledger import Reading
from referrals.domain.safe_contact import CONTACT_PURPOSES, Permitted, RefusedFor
from referrals.domain.telling import Channel, Text, different_words
from referrals.domain.window import Windows
from referrals.erasing import cases_of
from referrals.looking_back import note_namesakes
from referrals.routes.people import (
    Reveal,
    Revealed_,
    count_revealed,
    showing_address,
)

router = APIRouter(tags=["contacts"])

Contacting_ = Annotated[Contacting, part(Contacting)]
Worker = Annotated[Asking, Security(asking, scopes=["referrals.contacts"])]
Service = Annotated[Asking, Security(asking, scopes=["referrals.reach"])]

WORKING = (Relation.TEAM, Relation.COORDINATOR)
CODES = "codes"
"""What is shown of every point: which it is, and why it may not be used."""


WARNED = "warned"
"""Those of his points by which somebody else may be reached, or that she told of."""


def _of_team(name: str, *parts: str) -> Action:
    return Action(name, WORKING, parts=dict.fromkeys(parts, NOT_OUTREACH))


def _with_his_side(action: Action) -> Action:
    """Let whoever serves the person using violence do it with what is his alone."""
    parts = {**dict.fromkeys(action.parts, ANYBODY), WARNED: NOT_OUTREACH}
    return replace(action, parts=parts)


READ_CONTACTS = replace(_of_team("contacts.read", CODES), outlasts=True)
CHANGE_CONTACT = _of_team("contact.change", "record")
SUSPEND_CONTACT = replace(_of_team("contact.suspend", "record"), outlasts=True)
NOT_BARRED = Action(
    "contacts.of_another_case",
    (Relation.SCOPE,),
    parts={CODES: NOT_OUTREACH},
    outlasts=True,
    of_this_case=True,
)
"""Who is barred from one case of a person, or meets who used violence in it, has
nothing of them by another."""

ASK = Action("contacts.ask", (Relation.SERVICE,), outlasts=True)
SHOW_TO_SERVICE = Action(
    "contact.show", (Relation.SERVICE,), parts={"value": NOT_OUTREACH}, outlasts=True
)
NOT_OF_THEIRS = Action("contacts.ask", ())
"""Of nobody, or not of this person."""


class ChannelView(BaseModel):
    """Whether a point may be used in one way now."""

    channel: Channel
    permitted: bool
    refused: RefusedFor | None = None
    leave_message: bool = False
    say_who: bool = False


class ContactView(BaseModel):
    """A way to reach somebody. What may not be used shows its codes alone.

    Attributes:
        masked: It may be used, and is a place: its value is shown when it is asked for.
        until: How long what the person said is good.
        suspended: Why it is not used until the person was asked again.
    """

    contact_id: Id
    kind: Kind
    channels: tuple[ChannelView, ...]
    value: str | None = None
    masked: bool = False
    code_word: str | None = None
    duress_word: str | None = None
    confirmed_at: datetime | None = None
    until: datetime | None = None
    suspended: SuspendedFor | None = None

    @classmethod
    def of(cls, point: Point, at: datetime, purpose: Purpose, by: Contacting) -> Self:
        """Show a point as far as it may be used."""
        decided = {e: by.decide(point, e, at, purpose) for e in point.channels}
        permitted = [e for e in decided.values() if isinstance(e, Permitted)]
        shown = permitted[0] if permitted else None
        confirmed, suspension = point.confirmation, point.decided.suspension
        return cls(
            contact_id=point.id,
            kind=point.kind,
            channels=tuple(
                ChannelView(
                    channel=channel,
                    permitted=True,
                    leave_message=found.leave_message,
                    say_who=found.say_who,
                )
                if isinstance(found, Permitted)
                else ChannelView(channel=channel, permitted=False, refused=found.code)
                for channel, found in decided.items()
            ),
            value=shown.value if shown else None,
            code_word=shown.code_word if shown else None,
            duress_word=shown.duress_word if shown else None,
            confirmed_at=confirmed.at if confirmed else None,
            until=confirmed.until if confirmed else None,
            suspended=suspension.reason if suspension else None,
        )

    def without_place(self) -> Self:
        """Show no address."""
        if self.kind is not Kind.PLACE or self.value is None:
            return self
        return self.model_copy(update={"value": None, "masked": True})

    @property
    def shown(self) -> tuple[str, ...]:
        """The fields that must be known to have been shown."""
        told = self.model_dump(include={"value", "code_word", "duress_word"})
        return tuple(name for name, value in told.items() if value is not None)


class ContactsView(BaseModel):
    """How a person may be reached now."""

    person_id: Id
    contacts: tuple[ContactView, ...]


class ConfirmContact(BaseModel):
    """What the person said of a way to reach them, when somebody asked them.

    Attributes:
        channels: It may be used in these. All reach the same: calls and texts do.
        hours: When it may be used; left out: the person named no hours.
        read_by: Who else can read or hear it; then it is not used.
        code_word: What a caller says, so that the person knows who it is.
        duress_word: What the person says when somebody is listening.
        replaces: Another point, which is closed first. A new address closes all others.
    """

    model_config = ConfigDict(extra="forbid")

    state: Literal["confirmed"]
    channels: Annotated[frozenset[Channel], Field(min_length=1)]
    value: Text
    hours: Windows | None = None
    read_by: Text | None = None
    code_word: Text | None = None
    duress_word: Text | None = None
    leave_message: bool = False
    say_who: bool = False
    replaces: Id | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if len({KINDS[each] for each in self.channels}) > 1:
            raise PydanticCustomError("channels_differ", "They reach different things.")
        different_words(self.code_word, self.duress_word)
        return self

    def confirmation(self, by: str, at: datetime, held_for: Contacting) -> Confirmation:
        """Note who asked, and how long it is good."""
        words = {"value", "hours", "read_by", "code_word", "duress_word"}
        return Confirmation(
            at=at,
            by=by,
            channels=self.channels,
            until=at + held_for.rules.confirmed_for,
            held=Held(**self.model_dump(include=words)),
            leave_message=self.leave_message,
            say_who=self.say_who,
        )


class RevealContact(Reveal):
    """What one address must be known for, and for which purpose of the law."""

    purpose: Purpose


class CloseContact(BaseModel):
    """A point is not the person's any more. It cannot be read by anybody after that."""

    model_config = ConfigDict(extra="forbid")

    state: Literal["closed"]


class SuspendContact(BaseModel):
    """Why a point must not be used until the person was asked again."""

    model_config = ConfigDict(extra="forbid")

    reason: SuspendedFor


class AskPermission(BaseModel):
    """In which way, when and what for somebody would be reached.

    Attributes:
        at: Now, if it is left out; a day ahead at the most.
        case_id: The case of theirs in which they were harmed, for which it is; then
            nobody else is reached, and nobody who is said to use violence anywhere.
    """

    model_config = ConfigDict(extra="forbid")

    channel: Channel
    at: AwareDatetime | None = None
    purpose: Purpose
    case_id: Id | None = None


class PermissionView(BaseModel):
    """Whether one point may be used in the way that was asked for.

    Attributes:
        word_agreed: Whoever calls can say a word by which the person knows them. Which
            it is, no service is told.
        confirmed_at: When the person said that it may be used.
    """

    contact_id: Id
    permitted: bool
    refused: RefusedFor | None = None
    value: str | None = None
    leave_message: bool = False
    say_who: bool = False
    word_agreed: bool = False
    confirmed_at: datetime | None = None


class PermissionsView(BaseModel):
    """Which points of a person may be used in the way that was asked for.

    Attributes:
        case_ids: The cases that they are in: whoever is barred from one of them has
            nothing to do with how they are reached.
    """

    permissions: tuple[PermissionView, ...]
    case_ids: tuple[Id, ...]


@router.get("/people/{person_id}/contacts")
async def read_contacts(
    person_id: Id, purpose: Purpose, by: Contacting_, reader: Worker
) -> ContactsView:
    """Read how somebody may be reached now. Each value that is shown is audited.

    An address is shown one at a time, where it is asked for.
    """
    sight = await _permit(person_id, READ_CONTACTS, by, reader, purpose)
    case, outreach = sight.case_id, sight.outreach
    of = Resource("contacts", person_id, case)
    await note_namesakes([person_id], of, by.shelves.people, reader)
    _, points = await by.look(person_id)
    at = by.clock.now()
    found = [
        ContactView.of(each, at, purpose, by).without_place()
        for each in sight.of(points)
    ]
    for each in found:
        if each.shown:
            shown = _of_team("contact.show", *each.shown)
            shown = _with_his_side(shown) if outreach else shown
            point = Resource("contact", each.contact_id, case)
            await reader.permit(shown, point, purpose=purpose, otherwise=NoSuchPerson)
    if any(each.shown for each in found):
        reading = _reading(reader, purpose)
        await enter_reading([person_id], case, reading, at, by.shelves)
    return ContactsView(person_id=person_id, contacts=tuple(found))


@router.post("/people/{person_id}/contacts/{contact_id}/reveal")
async def reveal_contact(
    person_id: Id,
    contact_id: Id,
    told: RevealContact,
    *,
    by: Contacting_,
    revealed: Revealed_,
    worker: Worker,
) -> ContactView:
    """Show one way to reach somebody with its address. It needs a recent login."""
    sight = await _permit(person_id, READ_CONTACTS, by, worker, told.purpose)
    case, outreach = sight.case_id, sight.outreach
    worker.logged_in_lately()
    of = Resource("contacts", person_id, case)
    await note_namesakes([person_id], of, by.shelves.people, worker)
    _, points = await by.look(person_id)
    point = find(contact_id, sight.of(points))
    found = ContactView.of(point, by.clock.now(), told.purpose, by)
    if found.value is not None:
        shown = showing_address(told.reason)
        shown = _with_his_side(shown) if outreach else shown
        count_revealed(worker.who, contact_id, told.reason, revealed)
        named = Resource("contact", contact_id, case)
        await worker.permit(shown, named, purpose=told.purpose, otherwise=NoSuchPerson)
        reading = _reading(worker, told.purpose)
        await enter_reading([person_id], case, reading, by.clock.now(), by.shelves)
    return found


@router.put("/people/{person_id}/contacts/{contact_id}", status_code=204)
async def decide_on_contact(
    person_id: Id,
    contact_id: Id,
    told: Annotated[ConfirmContact | CloseContact, Body(discriminator="state")],
    *,
    by: Contacting_,
    worker: Worker,
) -> None:
    """Note what the person said of a way to reach them, or that it is theirs no more.

    A correction is a new id that replaces the old one.
    """
    sight = await _permit(person_id, CHANGE_CONTACT, by, worker)
    at = by.clock.now()
    if isinstance(told, CloseContact):
        await contacting.close(person_id, contact_id, at, by)
        return
    said = told.confirmation(worker.who.subject, at, by)
    await contacting.confirm(
        person_id,
        contact_id,
        said,
        by,
        replaces=told.replaces,
        known_in=sight.asked_for,
    )


@router.post("/people/{person_id}/contacts/{contact_id}/suspension", status_code=204)
async def suspend_contact(
    person_id: Id,
    contact_id: Id,
    told: SuspendContact,
    *,
    by: Contacting_,
    worker: Worker,
) -> None:
    """Have a point not used: somebody else answered. Who leads the case is told."""
    await _permit(person_id, SUSPEND_CONTACT, by, worker)
    why = Suspension(reason=told.reason, by=worker.who.subject, at=by.clock.now())
    await contacting.suspend(person_id, contact_id, why, by)


@router.post("/people/{person_id}/contact-permission")
async def ask_permission(
    person_id: Id, asked: AskPermission, by: Contacting_, service: Service
) -> PermissionsView:
    """Tell a service whether somebody may be reached. A value comes only with a yes."""
    cases = await cases_of(person_id, by.shelves)
    reached = asked.case_id is None or was_harmed(person_id, asked.case_id, cases)
    action = ASK if cases and reached else NOT_OF_THEIRS
    await service.permit_all(
        [(action, each) for each in _resources(person_id, cases)],
        purpose=asked.purpose,
        otherwise=NoSuchPerson,
    )
    at = by.then(asked.at)
    _, points = await by.look(person_id)
    kind = KINDS[asked.channel]
    found = [_permission(e, asked, at, by) for e in points if e.kind is kind]
    for told in (each for each in found if each.permitted):
        point = Resource("contact", told.contact_id, cases[0].id)
        await service.permit(
            SHOW_TO_SERVICE, point, purpose=asked.purpose, otherwise=NoSuchPerson
        )
    about = tuple(each.id for each in cases)
    return PermissionsView(permissions=tuple(found), case_ids=about)


def _permission(
    point: Point, asked: AskPermission, at: datetime, by: Contacting
) -> PermissionView:
    found = by.decide(point, asked.channel, at, asked.purpose)
    if isinstance(found, Permitted):
        return PermissionView(
            contact_id=point.id,
            permitted=True,
            value=found.value,
            leave_message=found.leave_message,
            say_who=found.say_who,
            word_agreed=found.code_word is not None,
            confirmed_at=point.confirmation.at if point.confirmation else None,
        )
    return PermissionView(contact_id=point.id, permitted=False, refused=found.code)


def _reading(asker: Asking, purpose: Purpose) -> Reading:
    ground = S20Purpose(purpose) if purpose in CONTACT_PURPOSES else None
    return reading_by(asker.who, ground)


class _Sight(NamedTuple):
    """By which case somebody has to do with a person, and from whose side.

    Attributes:
        case_ids: All of those by which they do.
        outreach: They see what is his alone.
        parts: In which cases the person has which part.
    """

    case_ids: frozenset[str]
    outreach: bool
    parts: contacting.PartsOf

    @property
    def case_id(self) -> str:
        """One of the cases."""
        return min(self.case_ids)

    @property
    def asked_for(self) -> frozenset[str]:
        """For which cases they ask the person something.

        Whoever works on both sides asks for the one on which more is at stake.
        """
        return self.case_ids - self.parts.using or self.case_ids

    def of(self, points: list[Point]) -> list[Point]:
        """Give what they see of the ways to reach the person."""
        if not self.outreach:
            return points
        return from_his_side(points, self.parts.harmed)


async def _permit(
    person_id: str,
    action: Action,
    by: Contacting,
    asker: Asking,
    purpose: Purpose | None = None,
) -> _Sight:
    """See that they work on a case of this person, and tell how they see them.

    Raises:
        NoSuchPerson: They do not, or there is nobody.
    """
    cases = await cases_of(person_id, by.shelves)
    parts = await contacting.parts_of(person_id, by)
    his = parts.using
    about = _resources(person_id, cases)

    def seen(act: Action, of: Resource) -> Action:
        return _with_his_side(act) if of.case_id in his else act

    permitted = await asker.permit_all(
        [(seen(action, each), each) for each in about],
        purpose=purpose,
        otherwise=NoSuchPerson,
        besides=[seen(NOT_BARRED, each) for each in about],
    )
    # Whoever coordinates the locality would have to do with a case that there is not.
    if not cases:
        raise NoSuchPerson
    working = (e.resource for e in permitted if e.action.name == action.name)
    by_which = frozenset(each.case_id for each in working if each.case_id)
    # From his side in one case is from his side in all.
    own = [each.permit for each in permitted if each.resource.case_id in his]
    outreach = any(WARNED not in each for each in own)
    known = {each.case_id for each in about}
    if outreach and (elsewhere := sorted(parts.harmed - known)):
        # Whoever meets who harmed him, where he is known by another id.
        besides = [Resource("contacts", person_id, each) for each in elsewhere]
        barred = [(NOT_BARRED, each) for each in besides]
        await asker.permit_all(barred, purpose=purpose, otherwise=NoSuchPerson)
    return _Sight(by_which, outreach, parts)


def _resources(person_id: str, cases: Sequence[Case]) -> list[Resource]:
    about = [Resource("contacts", person_id, each.id) for each in cases]
    return about or [absent("contacts", person_id)]
