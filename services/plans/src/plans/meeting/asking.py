"""Asking the invited agencies before a meeting what they know, over HTTP.

Who leads the meeting decides it, and who is not to be asked about which case. Referrals
has the people, the register and what the person harmed wishes: it asks, and leaves out
whoever may not be told.
"""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any

from accord_chassis.decision import Action, Relation
from accord_chassis.service import settled
from accord_contracts.grounds import GroundsToTell
from accord_contracts.message import Code, Id, Lane
from accord_contracts.plans import MeetingAsked
from accord_contracts.problem import Refusal
from fastapi import APIRouter
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field

from plans.domain.meeting.discussion import NotOnTheAgenda
from plans.domain.meeting.meeting import MOST_CASES, Meeting
from plans.meeting.handlers import agenda_of
from plans.meeting.routes import (
    LEAD_MEETING,
    Member,
    Table_,
    case_at,
    error,
    named,
    permitted,
)
from plans.meeting.store import Table
from plans.meeting.views import AskingView, CalledOnView

router = APIRouter(prefix="/meetings/{meeting_id}", tags=["meetings"])

AHEAD = timedelta(days=14)
"""So long before answers are due agencies are asked at the earliest: as far ahead as
meetings are listed."""

ASK = Action("discussion.ask", (Relation.COORDINATOR,))


class NotAskedNow(Refusal):
    """Agencies are asked within a fortnight before their answers are due."""


class AskAbout(GroundsToTell):
    """A case that agencies are asked about, and on what grounds they are told of it.

    Attributes:
        leave_out: Who is not asked about it, at this meeting or a later one: whose
            worker or client the person using violence is, say. Who leads the case may
            ask such an agency still, by name.
    """

    case_id: Id
    leave_out: Annotated[tuple[Code, ...], Field(max_length=60)] = ()


class AskBeforehand(BaseModel):
    """Which cases of the agenda agencies are asked about: about no other."""

    model_config = ConfigDict(extra="forbid")

    cases: Annotated[tuple[AskAbout, ...], Field(min_length=1, max_length=MOST_CASES)]


@router.post("/inquiries", status_code=202)
async def ask_beforehand(
    meeting_id: Id, told: AskBeforehand, table: Table_, chair: Member
) -> AskingView:
    """Ask the invited agencies what they know of some cases on the agenda.

    What has come on it since whoever leads read it is not asked about. Asked again, it
    is only whom something new is asked about: a referral, or another level. The meeting
    shows who has answered.
    """
    # As of a case from which they are barred: nothing tells the two apart.
    held, _ = await permitted(
        LEAD_MEETING, meeting_id, table, chair, otherwise=NotOnTheAgenda
    )
    if chair.worker is None:
        raise NotOnTheAgenda
    wanted = {each.case_id for each in told.cases}
    agenda = await agenda_of(held, table)
    entries = [e for e in agenda.entries if e.case_id in wanted]
    listed = [(case_at(held, each.case_id, table), each) for each in entries]
    of = named(held.id, held, chair, table.clock.now())
    may = await chair.permit_each(ASK, listed, of=of)
    if wanted != {each.case_id for each, _ in may}:
        raise NotOnTheAgenda
    if wrong := [*_misfits(told, held)]:
        raise RequestValidationError(wrong)
    asked = await ask(held, told.cases, by=chair.worker, table=table)
    return AskingView(
        meeting_id=held.id,
        answers_by=held.answers_by,
        asked=tuple(
            CalledOnView(case_id=e.case_id, agencies=e.agencies) for e in asked
        ),
    )


def _misfits(told: AskBeforehand, held: Meeting) -> Iterator[dict[str, Any]]:
    before: set[str] = set()
    for place, each in enumerate(told.cases):
        if each.case_id in before:
            # Which grounds, and who is left out, would be anybody's guess.
            yield error("wantedtwice", "cases", place, "case_id")
        before.add(each.case_id)
        for number, code in enumerate(each.leave_out):
            # Written wrongly, it would leave out nobody.
            if code not in held.agencies:
                yield error("not_invited", "cases", place, "leave_out", number)


async def ask(
    held: Meeting, cases: Sequence[AskAbout], *, by: str, table: Table
) -> list[MeetingAsked]:
    """Have referrals ask the invited agencies about some cases, each one once.

    Raises:
        NotAskedNow: Their answers are due too soon, or too late.
    """
    at = table.clock.now()
    if held.called_off_at or not at < held.answers_by <= at + AHEAD:
        raise NotAskedNow
    asks = (
        settled(partial(_ask, held, each, by=by, at=at, table=table)) for each in cases
    )
    return [each for each in await asyncio.gather(*asks) if each]


async def _ask(
    held: Meeting, told: AskAbout, *, by: str, at: datetime, table: Table
) -> MeetingAsked | None:
    # First, so that whoever breaks off here has at least told nobody.
    await table.dockets.keep_apart(told.case_id, told.leave_out)
    docket = await table.dockets.get(told.case_id)
    if docket is None:
        return None
    rules = table.rules.asking
    invited = [each for each in held.agencies if each not in rules.not_asked]
    merged = await table.dockets.merged_with(told.case_id)
    new, agencies = docket.call_on(invited, told.leave_out, at, merged)
    if not agencies:
        return None
    asked = MeetingAsked(
        case_id=told.case_id,
        meeting_id=held.id,
        agencies=agencies,
        purpose=rules.purpose,
        belief=told.belief,
        consulted=told.consulted,
        why_not_safe=told.why_not_safe,
        needed_by=held.answers_by,
        asked_by=by,
        asked_at=at,
    )
    lane = Lane.URGENT if docket.level and docket.level.urgent else Lane.ROUTINE
    await table.dockets.save(new, asked, lane=lane)
    return asked
