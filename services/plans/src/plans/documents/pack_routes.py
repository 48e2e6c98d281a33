"""What is read at a meeting, over HTTP."""

from accord_chassis.guard import Asking
from accord_contracts.message import Id
from fastapi import APIRouter
from fastapi.responses import HTMLResponse

from plans.documents.handlers import Papers
from plans.documents.pack import extract_of, pack_of
from plans.documents.page import Mark, page_of
from plans.documents.routes import Papers_, shown
from plans.documents.sheet import Sheet
from plans.meeting.routes import Member, Table_, read_extract, read_meeting

router = APIRouter(prefix="/meetings/{meeting_id}", tags=["papers"])


@router.get("/pack", response_class=HTMLResponse)
async def read_pack(
    meeting_id: Id, table: Table_, papers: Papers_, member: Member
) -> HTMLResponse:
    """Read a meeting's agenda as a paper, on the screen. It does not print."""
    agenda = await read_meeting(meeting_id, table, member)
    return _shown(pack_of(agenda, papers.speech), papers, member)


@router.get("/extract/pack", response_class=HTMLResponse)
async def read_extract_pack(
    meeting_id: Id, table: Table_, papers: Papers_, member: Member
) -> HTMLResponse:
    """Read what one's own agency took away as a paper, on the screen."""
    extract = await read_extract(meeting_id, table, member)
    return _shown(extract_of(extract, papers.speech), papers, member)


def _shown(sheet: Sheet, papers: Papers, member: Asking) -> HTMLResponse:
    mark = Mark.reading(member.worker or "", papers.clock.now(), papers.speech)
    return shown(page_of(sheet, mark))
