"""What is read at a meeting, and letting it go, over HTTP."""

from datetime import datetime
from functools import partial
from typing import Annotated, Literal
from uuid import uuid4

from accord_chassis.decision import Action
from accord_chassis.guard import Asking
from accord_chassis.service import settled
from accord_contracts.message import Code, Id
from fastapi import APIRouter, Query, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel

from plans.documents import packing
from plans.documents.contents import contents_of_agenda, contents_of_extract
from plans.documents.handlers import Paper, Papers
from plans.documents.pack import extract_of, pack_of
from plans.documents.packing import Read, paper_of
from plans.documents.page import Mark, page_of
from plans.documents.routes import ConfirmRelease, Papers_, printed, shown, who
from plans.domain.letting import NoSuchRelease
from plans.domain.meeting.meeting import NoSuchMeeting, Pack, PackRelease
from plans.meeting.handlers import meeting_of
from plans.meeting.routes import (
    INVITED,
    Member,
    Table_,
    named,
    read_extract,
    read_meeting,
)
from plans.meeting.store import Table

router = APIRouter(prefix="/meetings/{meeting_id}", tags=["papers"])

RELEASES = "/packs/{pack}/releases"


class PackReleaseView(BaseModel):
    """That a meeting's pack may leave, once somebody else has confirmed it.

    Attributes:
        agency: Of whoever asked; none: whoever leads the meeting.
        until: When it lapses: by then it is confirmed, or fetched.
    """

    release_id: Id
    pack: Pack
    agency: Code | None
    asked_at: datetime
    confirmed_at: datetime | None
    until: datetime
    ended_at: datetime | None

    @classmethod
    def of(cls, held: PackRelease) -> "PackReleaseView":
        """Show a release."""
        told = held.model_dump(include={*cls.model_fields} - {"release_id"})
        return cls(release_id=held.id, **told)


@router.get("/pack", response_class=HTMLResponse)
async def read_pack(
    meeting_id: Id, table: Table_, papers: Papers_, member: Member
) -> HTMLResponse:
    """Read a meeting's agenda as a paper, on the screen. It does not print."""
    paper = await _paper(meeting_id, Pack.AGENDA, table, papers, member)
    return _shown(paper, papers, member)


@router.get("/extract/pack", response_class=HTMLResponse)
async def read_extract_pack(
    meeting_id: Id, table: Table_, papers: Papers_, member: Member
) -> HTMLResponse:
    """Read what one's own agency took away as a paper, on the screen."""
    paper = await _paper(meeting_id, Pack.EXTRACT, table, papers, member)
    return _shown(paper, papers, member)


@router.post(RELEASES, status_code=201)
async def ask_pack_release(
    meeting_id: Id,
    pack: Pack,
    told: ConfirmRelease,
    *,
    table: Table_,
    papers: Papers_,
    member: Member,
) -> PackReleaseView:
    """Ask that a pack may leave, which one has read; somebody else is to confirm it.

    It leaves for whoever reads the very same: what each may see is decided each time.
    """
    read = await _read("release", meeting_id, pack, member, table=table, papers=papers)
    ask = partial(
        packing.ask, read, told.paper, id_=str(uuid4()), papers=papers, table=table
    )
    return PackReleaseView.of(await settled(ask))


@router.post(f"{RELEASES}/{{release_id}}/confirmation")
async def confirm_pack_release(
    meeting_id: Id,
    pack: Pack,
    release_id: Id,
    told: ConfirmRelease,
    *,
    table: Table_,
    papers: Papers_,
    member: Member,
) -> PackReleaseView:
    """Confirm that a pack may leave, which somebody else has asked for."""
    read = await _of_release(
        "confirm", meeting_id, pack, member, table=table, papers=papers
    )
    confirm = partial(
        packing.confirm, read, release_id, told.paper, papers=papers, table=table
    )
    return PackReleaseView.of(await settled(confirm))


@router.delete(f"{RELEASES}/{{release_id}}")
async def end_pack_release(
    meeting_id: Id,
    pack: Pack,
    release_id: Id,
    *,
    table: Table_,
    papers: Papers_,
    member: Member,
) -> PackReleaseView:
    """Have a pack not leave any more."""
    read = await _of_release(
        "end", meeting_id, pack, member, table=table, papers=papers
    )
    end = partial(packing.end, read, release_id, papers=papers, table=table)
    return PackReleaseView.of(await settled(end))


@router.get(f"{RELEASES}/{{release_id}}/paper", response_class=Response)
async def fetch_pack(
    meeting_id: Id,
    pack: Pack,
    release_id: Id,
    form: Annotated[Literal["pdf", "html"], Query()] = "pdf",
    *,
    table: Table_,
    papers: Papers_,
    member: Member,
) -> Response:
    """Fetch a pack that two people have let go, while their word stands."""
    read = await _of_release(
        "fetch", meeting_id, pack, member, table=table, papers=papers
    )
    fetch = partial(packing.fetch, read, release_id, papers=papers, table=table)
    held = await settled(fetch)
    speech, at = papers.speech, papers.clock.now()
    name = speech.say(held.agency).en if held.agency else "whoever leads the meeting"
    mark = Mark.leaving(name, held.id, at, speech)
    return await printed(read.paper, mark, form, papers)


async def _of_release(
    verb: str,
    meeting_id: str,
    pack: Pack,
    member: Asking,
    *,
    table: Table,
    papers: Papers,
) -> Read:
    """Give the pack of a release; of no meeting of theirs there is none."""
    try:
        return await _read(verb, meeting_id, pack, member, table=table, papers=papers)
    except NoSuchMeeting:
        raise NoSuchRelease from None


async def _read(
    verb: str,
    meeting_id: str,
    pack: Pack,
    member: Asking,
    *,
    table: Table,
    papers: Papers,
) -> Read:
    """Give a pack as it is shown to a worker; an agency's machine lets nothing go."""
    paper = await _paper(meeting_id, pack, table, papers, member)
    if member.worker is None:
        raise NoSuchRelease
    held = await meeting_of(meeting_id, table)
    about = named(meeting_id, held, member, papers.clock.now())
    # What is shown was decided above; that it is to leave stands in the audit log too.
    await member.permit(Action(f"pack.{verb}", INVITED), about, otherwise=NoSuchRelease)
    return Read(meeting_id, pack, paper, who(member), about.agency)


async def _paper(
    meeting_id: str, pack: Pack, table: Table, papers: Papers, member: Asking
) -> Paper:
    if pack is Pack.AGENDA:
        agenda = await read_meeting(meeting_id, table, member)
        sheet = pack_of(agenda, papers.speech)
        return paper_of(sheet, contents_of_agenda(agenda), papers)
    extract = await read_extract(meeting_id, table, member)
    sheet = extract_of(extract, papers.speech)
    return paper_of(sheet, contents_of_extract(extract), papers)


def _shown(paper: Paper, papers: Papers, member: Asking) -> HTMLResponse:
    mark = Mark.reading(member.worker or "", papers.clock.now(), papers.speech)
    return shown(page_of(paper.sheet, mark), {"ETag": f'"{paper.digest}"'})
