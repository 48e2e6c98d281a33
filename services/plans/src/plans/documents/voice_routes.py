"""What people of a case say for themselves, over HTTP."""

from datetime import datetime
from typing import Annotated, Literal

from accord_chassis.decision import ANYBODY, NOT_OUTREACH, Action
from accord_chassis.guard import Asking
from accord_chassis.service import settled
from accord_contracts.access import Side
from accord_contracts.message import Code, Id
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from plans.documents import handlers
from plans.documents.routes import CASE_TEAM, Papers_
from plans.documents.voice import Entry, Kind, NoSuchEntry, OwnVoice
from plans.domain.held import NoPlan
from plans.routes import Reader, Worker, plan_of

router = APIRouter(prefix="/plans/{case_id}/voices", tags=["voices"])

PARTS = {
    f"voices_{Side.PERSON_HARMED}": NOT_OUTREACH,
    f"voices_{Side.PERSON_USING_VIOLENCE}": ANYBODY,
}
READ_VOICES = Action("voices.read", CASE_TEAM, parts=PARTS)
RECORD_VOICE = Action("voice.record", CASE_TEAM, parts=PARTS)
HOLD_COPY = Action("voice.hold", CASE_TEAM, parts=PARTS, outlasts=True)

Sides = Literal[Side.PERSON_HARMED, Side.PERSON_USING_VIOLENCE]
Words = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)
]


class Say(BaseModel):
    """What somebody said, in their own words.

    Attributes:
        side: Theirs, or that of the person using violence. A child's is theirs.
        strand: Which part of their life it is about.
    """

    model_config = ConfigDict(extra="forbid")

    side: Sides
    kind: Kind
    strand: Code
    words: Words


class HoldCopy(BaseModel):
    """Whether having a copy of their own would put somebody in danger."""

    model_config = ConfigDict(extra="forbid")

    side: Sides
    unsafe: Annotated[bool, Field(strict=True)]


class EntryView(BaseModel):
    """Something that somebody said; without words, once nobody can read them."""

    entry_id: Id
    kind: Kind
    strand: Code
    words: str | None
    said_at: datetime


class VoiceView(BaseModel):
    """What one person says for themselves.

    Attributes:
        unsafe_to_hold: A copy on paper would put them in danger.
    """

    person_id: Id
    side: Side
    unsafe_to_hold: bool
    entries: tuple[EntryView, ...]

    @classmethod
    def of(cls, held: OwnVoice) -> "VoiceView":
        """Show what somebody says."""
        entries = tuple(
            EntryView(entry_id=each.id, **each.model_dump(exclude={"id", "by"}))
            for each in held.entries
        )
        shown = held.model_dump(include={"person_id", "side", "unsafe_to_hold"})
        return cls(entries=entries, **shown)


@router.get("")
async def read_voices(
    case_id: Id, papers: Papers_, reader: Reader
) -> tuple[VoiceView, ...]:
    """Read what the people of a case say, as far as it is the reader's to see."""
    seen = await reader.permit(READ_VOICES, plan_of(case_id), otherwise=NoPlan)
    if await papers.plans.get(case_id) is None:
        raise NoPlan
    held = await papers.voices.of_case(case_id)
    shown = [VoiceView.of(e) for e in held if _part(e.side) in seen and not e.erased]
    return tuple(sorted(shown, key=lambda each: each.person_id))


@router.put("/{person_id}/entries/{entry_id}")
async def record_words(
    case_id: Id,
    person_id: Id,
    entry_id: Id,
    told: Say,
    *,
    papers: Papers_,
    worker: Worker,
) -> VoiceView:
    """Write down what somebody wants, agrees to or refuses, in their own words."""
    await _permitted(RECORD_VOICE, case_id, worker, told.side)
    entry = Entry(
        id=entry_id,
        said_at=papers.clock.now(),
        by=worker.who.subject,
        **told.model_dump(exclude={"side"}),
    )

    async def record() -> OwnVoice:
        held = await handlers.voice_of(case_id, told.side, person_id, papers)
        return await handlers.say(held, entry, papers)

    return VoiceView.of(await settled(record))


@router.delete("/{person_id}/entries/{entry_id}")
async def take_back_words(
    case_id: Id, person_id: Id, entry_id: Id, papers: Papers_, worker: Worker
) -> VoiceView:
    """Have somebody not have said something: nobody can read it any more."""
    seen = await worker.permit(RECORD_VOICE, plan_of(case_id), otherwise=NoSuchEntry)

    async def take_back() -> OwnVoice:
        held = await handlers.entry_of(case_id, person_id, entry_id, papers)
        if _part(held.side) not in seen:
            raise NoSuchEntry
        return await papers.voices.take_back(held, entry_id)

    return VoiceView.of(await settled(take_back))


@router.put("/{person_id}/holding")
async def hold_copy(
    case_id: Id, person_id: Id, told: HoldCopy, papers: Papers_, worker: Worker
) -> VoiceView:
    """Say whether having a copy is unsafe for somebody: then none is printed."""
    await _permitted(HOLD_COPY, case_id, worker, told.side)

    async def hold() -> OwnVoice:
        held = await handlers.voice_of(case_id, told.side, person_id, papers)
        return await handlers.hold(held, unsafe=told.unsafe, papers=papers)

    return VoiceView.of(await settled(hold))


async def _permitted(action: Action, case_id: str, worker: Asking, side: Side) -> None:
    seen = await worker.permit(action, plan_of(case_id), otherwise=NoPlan)
    if _part(side) not in seen:
        raise NoPlan


def _part(side: Side) -> str:
    return f"voices_{side}"
