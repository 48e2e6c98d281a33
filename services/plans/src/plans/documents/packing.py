"""Letting a meeting's pack go: as it is read, and to nobody who reads another."""

from datetime import timedelta
from typing import NamedTuple

from accord_contracts.plans import PaperReleased

from plans.documents.contents import Contents
from plans.documents.handlers import Paper, Papers
from plans.documents.scan import look_over
from plans.documents.sheet import Sheet
from plans.domain.letting import NoSuchRelease, Reader, is_same
from plans.domain.meeting.meeting import Pack, PackRelease
from plans.meeting.handlers import meeting_of
from plans.meeting.store import Table


class Read(NamedTuple):
    """A pack as it is shown to whoever would do something with it.

    Attributes:
        meeting_id: Of which meeting.
        by: Who reads it.
        agency: For whom they sit there; none: they lead it.
    """

    meeting_id: str
    pack: Pack
    paper: Paper
    by: Reader
    agency: str | None


def paper_of(sheet: Sheet, contents: Contents, papers: Papers) -> Paper:
    """Tell a pack from others."""
    digest = papers.voices.vault.digest("pack", sheet.model_dump_json())
    return Paper(sheet, digest, contents)


async def ask(
    read: Read, digest: str, *, id_: str, papers: Papers, table: Table
) -> PackRelease:
    """Ask that a pack may leave, which one has read.

    Raises:
        AnotherPaper: It is not the one that was read.
        ProtectedText: Something on it may tell where somebody is.
    """
    at = papers.clock.now()
    _leaving(read, digest)
    waits = timedelta(hours=papers.speech.wording.confirm_within_hours)
    new = PackRelease(
        id=id_,
        pack=read.pack,
        agency=read.agency,
        paper=digest,
        asked_by=read.by,
        asked_at=at,
        until=at + waits,
    )
    held = await meeting_of(read.meeting_id, table)
    await table.meetings.save(held.with_release(new))
    return new


async def confirm(
    read: Read, release_id: str, digest: str, *, papers: Papers, table: Table
) -> PackRelease:
    """Give a second person's word that a pack may leave.

    Raises:
        NoSuchRelease: There is none of it, or only another agency's.
        Refusal: As ``Letting.confirm`` says, and ``ask``.
    """
    at, hours = papers.clock.now(), papers.speech.wording.released_hours
    meeting = await meeting_of(read.meeting_id, table)
    held = _of(meeting.release(release_id), read)
    new = held.confirm(read.by, digest, at=at, hours=hours)
    _leaving(read, held.paper)
    if new is not held:
        await table.meetings.save(meeting.with_release(new))
    return new


async def fetch(
    read: Read, release_id: str, *, papers: Papers, table: Table
) -> PackRelease:
    """See that a pack may leave, as it is for whoever fetches it, and tell that it has.

    Of each case that stands on it, before it is given.

    Raises:
        NoSuchRelease: There is none of it, or only another agency's.
        Refusal: As ``Letting.fetch`` says, and ``ask``.
    """
    meeting = await meeting_of(read.meeting_id, table)
    held = _of(meeting.release(release_id), read)
    at = papers.clock.now()
    held.fetch(read.paper.digest, at)
    look_over(read.paper.sheet)
    if (new := held.leave(held.agency)) is not held:
        left = (
            PaperReleased(
                case_id=case_id,
                release_id=held.id,
                meeting_id=meeting.id,
                audience=None,
                agency=held.agency,
                person_id=None,
                worker_id=read.by.worker,
                told=told,
                released_at=at,
            )
            for case_id, told in read.paper.contents.items()
        )
        await table.meetings.save(meeting.with_release(new), *left)
    return new


async def end(
    read: Read, release_id: str, *, papers: Papers, table: Table
) -> PackRelease:
    """Have a pack not leave any more.

    Raises:
        NoSuchRelease: There is none of it, or only another agency's.
    """
    meeting = await meeting_of(read.meeting_id, table)
    held = _of(meeting.release(release_id), read)
    new = held.end(papers.clock.now())
    if new is not held:
        await table.meetings.save(meeting.with_release(new))
    return new


def _of(held: PackRelease, read: Read) -> PackRelease:
    """Give a release, if it is of this pack and of whom they sit there for.

    Two agencies may read the very same, and the mark names the one that let it go.
    """
    if held.pack is not read.pack or held.agency != read.agency:
        raise NoSuchRelease
    return held


def _leaving(read: Read, digest: str) -> None:
    """See that it is the pack that was read, and tells nothing by itself."""
    is_same(read.paper.digest, digest)
    look_over(read.paper.sheet)
