"""Papers, and letting them go, over HTTP."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal
from uuid import uuid4

from accord_chassis.decision import ANYBODY, NOT_OUTREACH, Action, Relation
from accord_chassis.guard import Asking
from accord_chassis.service import part, settled
from accord_contracts.access import Side
from accord_contracts.message import Code, Id
from accord_contracts.papers import Audience
from accord_contracts.problem import Refusal
from fastapi import APIRouter, Query, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict, Field

from plans.documents import handlers
from plans.documents.audience import AUDIENCES, EVERYTHING, Addressed
from plans.documents.handlers import Fetcher, Paper, Papers
from plans.documents.page import POLICY, Mark, page_of
from plans.documents.printing import MEDIA_TYPE
from plans.documents.release import Release
from plans.documents.scan import ProtectedText
from plans.domain.held import NoPlan
from plans.domain.letting import NoSuchRelease, Reader
from plans.routes import Reader as Reader_
from plans.routes import Worker, plan_of

router = APIRouter(tags=["papers"])

Papers_ = Annotated[Papers, part(Papers)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}$")]

CASE_TEAM = (Relation.TEAM, Relation.COORDINATOR)

PARTS = {
    each: ANYBODY if each.endswith(f"_{Side.PERSON_USING_VIOLENCE}") else NOT_OUTREACH
    for each in EVERYTHING
}
"""Who may read each part that papers are made of."""

PAPERS = {
    audience.value: frozenset.intersection(*(PARTS[each] for each in parts))
    for audience, parts in AUDIENCES.items()
}
"""Who may have the paper of an audience: only who may read all of its parts."""

TELLS_TOO_MUCH = Action("paper.release", ())
"""Done by nobody: a paper that tells who or where somebody is does not leave."""

LIST_RELEASES = Action(
    "releases.read", CASE_TEAM, parts={**PAPERS, "refused": NOT_OUTREACH}
)

LOOKED_THROUGH = frozenset({"release", "confirm", "fetch"})
"""What is done with a paper after it was looked through, or it is refused."""


def paper_action(verb: str, audience: Audience) -> Action:
    """Give something that is done with the paper of an audience.

    Whether a paper is refused tells what is protected. So none is looked through for
    whoever may not know that, though they may read the paper: outreach's own is let go
    by those who may know where the person harmed is.
    """
    sides = PAPERS[audience.value]
    if verb in LOOKED_THROUGH:
        sides &= NOT_OUTREACH
    parts = {audience.value: sides}
    # What was let go can be stopped for as long as there is anything to stop.
    outlasts = verb == "end"
    return Action(f"paper.{verb}", CASE_TEAM, parts=parts, outlasts=outlasts)


class WhichPaper(BaseModel):
    """Which paper: for an agency, which; a person's own copy: whose."""

    model_config = ConfigDict(extra="forbid")

    person_id: Id | None = None
    agency: Code | None = None


class AskRelease(WhichPaper):
    """Which paper is to leave, and that one has read it: its ``ETag``."""

    audience: Audience
    paper: Digest


class ConfirmRelease(BaseModel):
    """That one has read the paper that is to leave: its ``ETag``."""

    model_config = ConfigDict(extra="forbid")

    paper: Digest


class ReleaseView(BaseModel):
    """That a paper may leave, once somebody else has confirmed it.

    Attributes:
        until: When it lapses: by then it is confirmed, or fetched.
        refused: It was never let go, for what the paper tells.
    """

    release_id: Id
    audience: Audience
    person_id: Id | None
    agency: Code | None
    asked_at: datetime
    confirmed_at: datetime | None
    until: datetime
    ended_at: datetime | None
    refused: bool

    @classmethod
    def of(cls, held: Release) -> "ReleaseView":
        """Show a release."""
        shown = held.model_dump(include={*cls.model_fields} - {"release_id"})
        return cls(release_id=held.id, **shown)


@router.get("/plans/{case_id}/papers/{audience}", response_class=HTMLResponse)
async def read_paper(
    case_id: Id,
    audience: Audience,
    which: Annotated[WhichPaper, Query()],
    papers: Papers_,
    reader: Reader_,
) -> HTMLResponse:
    """Read a paper on the screen, as it would leave. It does not print."""
    to = addressed(audience, which, "query")
    await _permitted("read", audience, case_id, papers, reader)
    paper = await handlers.read_paper(case_id, to, papers)
    mark = Mark.reading(reader.worker or "", papers.clock.now(), papers.speech)
    return _html(page_of(paper.sheet, mark), paper)


@router.get("/plans/{case_id}/releases")
async def list_releases(
    case_id: Id, papers: Papers_, reader: Reader_
) -> tuple[ReleaseView, ...]:
    """List what was let go of a case, or was asked for, the latest first."""
    seen = await reader.permit(LIST_RELEASES, plan_of(case_id), otherwise=NoPlan)
    if await papers.plans.get(case_id) is None:
        raise NoPlan
    held = await papers.releases.of_case(case_id)
    return tuple(
        ReleaseView.of(each)
        for each in held
        if each.audience in seen and ("refused" in seen or not each.refused)
    )


@router.post("/plans/{case_id}/releases", status_code=201)
async def ask_release(
    case_id: Id, asked: AskRelease, papers: Papers_, worker: Worker
) -> ReleaseView:
    """Ask that a paper may leave, which one has read; somebody else is to confirm it.

    A paper on which anything tells where somebody is does not leave.
    """
    to = addressed(asked.audience, asked, "body")
    await _permitted("release", asked.audience, case_id, papers, worker)
    ask = partial(
        handlers.ask,
        case_id,
        to,
        asked.paper,
        id_=str(uuid4()),
        by=who(worker),
        papers=papers,
    )
    async with _noticed(case_id, worker):
        return ReleaseView.of(await settled(ask))


@router.post("/plans/{case_id}/releases/{release_id}/confirmation")
async def confirm_release(
    case_id: Id,
    release_id: Id,
    told: ConfirmRelease,
    *,
    papers: Papers_,
    worker: Worker,
) -> ReleaseView:
    """Confirm that a paper may leave, which somebody else has asked for."""

    async def confirm() -> Release:
        held = await _release("confirm", case_id, release_id, papers, worker)
        return await handlers.confirm(held, who(worker), told.paper, papers)

    async with _noticed(case_id, worker):
        return ReleaseView.of(await settled(confirm))


@router.delete("/plans/{case_id}/releases/{release_id}")
async def end_release(
    case_id: Id, release_id: Id, papers: Papers_, worker: Worker
) -> ReleaseView:
    """Have a paper not leave any more."""

    async def end() -> Release:
        held = await _release("end", case_id, release_id, papers, worker)
        return await handlers.end(held, papers)

    return ReleaseView.of(await settled(end))


@router.get(
    "/plans/{case_id}/releases/{release_id}/paper",
    response_class=Response,
    responses={200: {"content": {MEDIA_TYPE: {}, "text/html": {}}}},
)
async def fetch_paper(
    case_id: Id,
    release_id: Id,
    form: Annotated[Literal["pdf", "html"], Query()] = "pdf",
    *,
    papers: Papers_,
    worker: Worker,
) -> Response:
    """Fetch a paper that two people have let go, while their word stands."""

    async def fetch() -> tuple[Release, Paper]:
        held = await _release("fetch", case_id, release_id, papers, worker)
        return held, await handlers.fetch(held, fetcher(worker), papers)

    async with _noticed(case_id, worker):
        held, paper = await settled(fetch)
    at = papers.clock.now()
    mark = Mark.released_to(held.to, held.id, at, papers.speech)
    return await printed(paper, mark, form, papers)


async def printed(paper: Paper, mark: Mark, form: str, papers: Papers) -> Response:
    """Give a paper that leaves: as HTML, or as a PDF."""
    page = page_of(paper.sheet, mark)
    if form == "html":
        return _html(page, paper)
    # A name that says nothing to whoever sees a list of files.
    named = {"Content-Disposition": 'attachment; filename="accord.pdf"'}
    pdf = await papers.press.pdf_of(page)
    return Response(pdf, media_type=MEDIA_TYPE, headers=named)


def addressed(audience: Audience, which: WhichPaper, place: str) -> Addressed:
    """Say for whom a paper is.

    Raises:
        RequestValidationError: It lacks whose copy it is, or names what it does not
            depend on.
    """
    wrong = [*_misfits(audience, which, place)]
    if wrong:
        raise RequestValidationError(wrong)
    return Addressed(audience, which.person_id, which.agency)


def _misfits(
    audience: Audience, which: WhichPaper, place: str
) -> Iterator[dict[str, Any]]:
    needed = {Audience.PERSON: "person_id", Audience.AGENCY: "agency"}.get(audience)
    for name in ("person_id", "agency"):
        given = getattr(which, name) is not None
        if given is not (name == needed):
            rule = "not_for_this_audience" if given else "missing"
            yield {"loc": (place, name), "type": rule}


@asynccontextmanager
async def _noticed(case_id: str, asker: Asking) -> AsyncIterator[None]:
    """Have whoever watches refusals see who writes guesses into papers."""
    try:
        yield
    except ProtectedText:
        with suppress(ProtectedText):
            about = plan_of(case_id)
            await asker.permit(TELLS_TOO_MUCH, about, otherwise=ProtectedText)
        raise


async def _permitted(
    verb: str,
    audience: Audience,
    case_id: str,
    papers: Papers,
    asker: Asking,
    *,
    otherwise: type[Refusal] = NoPlan,
) -> None:
    """See that somebody may do something with a paper, and so with all that is in it.

    What is merged into the case stands in its plan, and is asked for too.
    """
    action = paper_action(verb, audience)
    await asker.permit(action, plan_of(case_id), otherwise=otherwise)
    held = await papers.plans.get(case_id)
    for each in held.merged_cases if held else ():
        await asker.permit(action, plan_of(each), otherwise=otherwise)


async def _release(
    verb: str, case_id: str, release_id: str, papers: Papers, asker: Asking
) -> Release:
    """Give a release with which somebody may do something.

    Raises:
        NoSuchRelease: There is none, or none for them.
    """
    held = await papers.releases.get(release_id)
    theirs = held is not None and held.case_id == case_id
    audience = held.audience if held and theirs else Audience.OUTREACH
    await _permitted(verb, audience, case_id, papers, asker, otherwise=NoSuchRelease)
    if held is None or not theirs:
        raise NoSuchRelease
    return held


def who(asker: Asking) -> Reader:
    """Say who has read a paper."""
    known = asker.who
    return Reader(issuer=known.issuer, subject=known.subject, worker=known.worker)


def fetcher(asker: Asking) -> Fetcher:
    """Say who fetches a paper, and for which agency."""
    return Fetcher(asker.worker, asker.who.agency or None)


def _html(page: str, paper: Paper) -> HTMLResponse:
    return shown(page, {"ETag": f'"{paper.digest}"'})


def shown(page: str, headers: Mapping[str, str] | None = None) -> HTMLResponse:
    """Show a paper in a browser, which loads nothing for it."""
    return HTMLResponse(
        page, headers={"Content-Security-Policy": POLICY, **(headers or {})}
    )
