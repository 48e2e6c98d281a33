"""Referrals over HTTP: one by one, many at once, and how each stands."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from functools import partial
from io import BytesIO
from itertools import islice
from typing import Annotated, Any, TypeVar

from accord_chassis.access import Caller, NotAllowed
from accord_chassis.audit import AuditAway
from accord_chassis.bodies import check_shape
from accord_chassis.clock import Clock
from accord_chassis.edge import BODY_LIMIT
from accord_chassis.guard import Action, Asking, Relation, Resource
from accord_chassis.problems import TYPES, kebab, names_in, wrong_fields
from accord_chassis.service import part
from accord_contracts.access import Purpose
from accord_contracts.message import Id
from accord_contracts.problem import Problem, Refusal
from accord_contracts.referrals import AgencyKind
from fastapi import APIRouter, Header, Request, Response, Security
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ValidationError

from referrals import handlers
from referrals.domain import sheet
from referrals.domain.case import Episode, Stage
from referrals.domain.feedback import ClosedAs
from referrals.domain.policy import Expected, Misfit, Policy
from referrals.domain.referral import NotReferred, Referral, Sender
from referrals.domain.sheet import Row
from referrals.domain.telling import Telling
from referrals.routes.agencies import registered
from referrals.routes.changes import AmendmentView, WantedView, WithdrawalView, etag_of
from referrals.store import Cases, Referrals

router = APIRouter(prefix="/referrals", tags=["referrals"])

BATCH_LIMIT = 10 * 1024 * 1024
"""Bytes of one batch (RELIABILITY 2.5)."""

ESCAPED = re.compile(r'\\(["\\])')
"""What a quote and a backslash are within quotes (RFC 9651, 3.3.3)."""

NDJSON = "application/x-ndjson"
CSV = "text/csv"
RESULT_HEADINGS = (
    "line", "status", "referral_id", "reference", "received_at", "status_url",
    "problem", "columns",
)  # fmt: skip
"""Of the sheet that answers a sheet."""

TOGETHER = 100
"""Lines of a batch that are stored at the same time: as many as one write holds."""

L = TypeVar("L", bound=bytes | Row)

Referrals_ = Annotated[Referrals, part(Referrals)]
Cases_ = Annotated[Cases, part(Cases)]
Policy_ = Annotated[Policy, part(Policy)]
Clock_ = Annotated[Clock, part(Clock)]
OWN = (Relation.OWNER,)
PURPOSES = tuple(each for each in Purpose if each is not Purpose.OPERATION)
SUBMIT_REFERRAL = Action("referral.submit", OWN, purposes=PURPOSES)
SUBMIT_BATCH = Action("batch.submit", OWN, purposes=PURPOSES)
READ_TEMPLATE = Action("batch.read_template", OWN, purposes=PURPOSES)
READ_REFERRAL = Action("referral.read", OWN, purposes=PURPOSES)

Submitter = Annotated[Asking, Security(registered, scopes=["referrals.submit"])]
Reader = Annotated[Asking, Security(registered, scopes=["referrals.read"])]
Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="Tells the same referral, posted again, from another one.",
        max_length=402,
        # The draft standard wants a string in quotes (RFC 9651, 3.3.3); most clients
        # send none, and mean the same.
        pattern=r'^("([\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\]){1,200}"'
        r"|[\x21\x23-\x7e]{1,200})$",
    ),
]


class NotLines(Refusal):
    """A batch is sent as application/x-ndjson or text/csv, one referral a line."""

    status = 415


class LineTooLong(Refusal):
    """A line is longer than a referral may be."""

    status = 413


class SubmitReferral(Telling):
    """People, what happened, when and where, and why it may be told."""


class Receipt(BaseModel):
    """That a referral was taken, where to ask after it, and what to expect.

    Attributes:
        case_id: The case that it belongs to, if that is known already.
        reference: The agency's own.
    """

    referral_id: Id
    case_id: Id | None = None
    reference: str | None
    received_at: datetime
    expected: Expected
    status_url: str

    @classmethod
    def of(cls, taken: Referral, root: str) -> "Receipt":
        """Make the receipt of a referral; posted again, it gets the same one."""
        return cls(
            referral_id=taken.id,
            reference=taken.told.reference,
            received_at=taken.received_at,
            expected=taken.expected,
            status_url=f"{root}/v1/referrals/{taken.id}",
        )


class Status(StrEnum):
    """What became of one line of a batch."""

    ACCEPTED = "accepted"
    REPEATED = "repeated"
    REFUSED = "refused"


class LineResult(BaseModel):
    """What became of one line of a batch: a receipt, or a problem."""

    line: int
    status: Status
    receipt: Receipt | None = None
    problem: Problem | None = None


class ReferralView(BaseModel):
    """How far the response to a referral has come, and since when."""

    referral_id: Id
    reference: str | None
    status: Stage
    received_at: datetime
    assessed_at: datetime | None
    allocated_at: datetime | None
    being_acted_on_at: datetime | None
    contact_made_at: datetime | None
    closed_at: datetime | None
    closed_as: ClosedAs | None
    more_information_needed: WantedView | None
    expected: Expected
    amendments: tuple[AmendmentView, ...]
    withdrawn: WithdrawalView | None

    @classmethod
    def of(cls, referral: Referral, episode: Episode) -> "ReferralView":
        """Show a referral to the agency that made it, and nothing else of its case."""
        last, wanted = referral.withdrawn, referral.wanted
        return cls(
            reference=referral.told.reference,
            expected=referral.expected,
            status=episode.stage,
            more_information_needed=wanted and WantedView.of(wanted),
            amendments=AmendmentView.all_of(referral),
            withdrawn=last and WithdrawalView.of(referral, last),
            **dict(episode),
        )


class SheetResponse(Response):
    """Answers with a sheet."""

    media_type = CSV


class Lines(JSONResponse):
    """Describes an answer of one JSON text a line, which is streamed."""

    media_type = NDJSON


@router.post("", status_code=202)
async def submit_referral(
    told: SubmitReferral,
    *,
    request: Request,
    response: Response,
    referrals: Referrals_,
    policy: Policy_,
    clock: Clock_,
    agency: Submitter,
    key: Key = None,
) -> Receipt:
    """Submit a referral. Posted again with the same key, it gets the same receipt."""
    at = clock.now()
    if wrong := [*policy.misfits(told, at)]:
        raise RequestValidationError(errors_of(wrong, "body"))
    posted = await post(
        told,
        agency,
        key=key and unquoted(key),
        at=at,
        referrals=referrals,
        policy=policy,
        within=("body",),
    )
    receipt = Receipt.of(posted.referral, request.scope.get("root_path", ""))
    response.headers["Location"] = receipt.status_url
    return receipt


@router.post(
    "/batch",
    max_body_size=BATCH_LIMIT,
    response_class=Lines,
    response_model=LineResult,
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "Referrals as they are submitted alone, one a line.",
            "content": {each: {"schema": {"type": "string"}} for each in (NDJSON, CSV)},
        }
    },
    responses={
        200: {
            "description": "A result for each line, in their order, one a line.",
            "content": {CSV: {"schema": {"type": "string"}}},
        },
    },
)
async def submit_batch(
    request: Request,
    referrals: Referrals_,
    policy: Policy_,
    clock: Clock_,
    agency: Submitter,
) -> StreamingResponse:
    """Submit many referrals, one a line, each with the agency's own reference.

    A line that is refused spoils no other. All is read before the first answer goes
    out, because a client that writes everything before it reads would wait for ever.
    """
    sent_as = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if sent_as not in (NDJSON, CSV):
        raise NotLines
    own = sender_of(agency.who).agency
    await agency.permit(SUBMIT_BATCH, Resource("batch", own, agency=own))
    take = partial(
        take_line,
        agency=agency,
        root=request.scope.get("root_path", ""),
        clock=clock,
        referrals=referrals,
        policy=policy,
    )
    body = await request.body()
    if sent_as == CSV:
        rows = await asyncio.to_thread(sheet.read, body)
        return StreamingResponse(sheet_results(rows, take), media_type=CSV)
    lines = ((number, line) for number, line in enumerate(BytesIO(body), 1))
    return StreamingResponse(results(lines, take, shown), media_type=NDJSON)


@router.get("/batch/template", response_class=SheetResponse)
async def read_template(policy: Policy_, agency: Submitter) -> SheetResponse:
    """Get an empty sheet, to be filled in and sent as a batch."""
    own = sender_of(agency.who).agency
    await agency.permit(READ_TEMPLATE, Resource("batch", own, agency=own))
    return SheetResponse(sheet.template(policy.questions))


@router.get("/{referral_id}")
async def read_referral(
    referral_id: Id,
    response: Response,
    referrals: Referrals_,
    cases: Cases_,
    agency: Reader,
) -> ReferralView:
    """Read how far the response to one's own agency's referral has come.

    The ``ETag`` says how often it was changed, and goes into ``If-Match`` to amend it.
    """
    resource = await own(referral_id, referrals, cases)
    await agency.permit(READ_REFERRAL, resource, otherwise=NotReferred)
    referral, episode = await handlers.where_it_stands(
        referral_id, agency.who.agency, referrals=referrals, cases=cases
    )
    response.headers["ETag"] = etag_of(referral)
    return ReferralView.of(referral, episode)


async def own(referral_id: str, referrals: Referrals, cases: Cases) -> Resource:
    """Give a referral as it is decided about; the same is asked if there is none."""
    held, case = await asyncio.gather(
        referrals.get(referral_id), cases.of_referral(referral_id)
    )
    sender = held.sender.agency if held else None
    left = held.left_case_id if held else None
    return Resource("referral", referral_id, case.id if case else left, agency=sender)


async def post(
    told: SubmitReferral,
    agency: Asking,
    *,
    key: str | None,
    at: datetime,
    referrals: Referrals,
    policy: Policy,
    within: tuple[str, ...] = (),
) -> handlers.Posted:
    """Store a referral once, when it is kept who submitted it.

    One after the other: the embedded store keeps a write waiting that meets others,
    and what a stored referral sets off are many (measured: the answer came after
    52 ms, not 20, in one of a hundred).

    Raises:
        NoKey: Nothing would tell whether it was posted before.
        KeyUsedBefore: The key or reference belongs to another referral.
        AuditAway: It cannot be kept that it was submitted.
        RequestValidationError: It is new, and tells of a date that is past or too far.
    """
    sender = sender_of(agency.who)
    referral_id = sender.referral_id(key, told.reference)
    resource = Resource("referral", referral_id, agency=sender.agency)
    purpose = Purpose(told.sharing.purpose.value)
    await agency.permit(SUBMIT_REFERRAL, resource, purpose=purpose)
    untimely = [*policy.untimely(told, at)]
    if untimely and await referrals.get(referral_id) is None:
        raise RequestValidationError(errors_of(untimely, *within))
    return await handlers.post_referral(
        told, sender, key=key, at=at, referrals=referrals, policy=policy
    )


def unquoted(key: str) -> str:
    """Give what a key says: the string of RFC 9651 without quotes, or as it is."""
    if not key.startswith('"'):
        return key
    return ESCAPED.sub(r"\1", key[1:-1])


def sender_of(agency: Caller) -> Sender:
    """Tell who refers, for which agency; the register has told of what kind it is.

    Raises:
        NotAllowed: The token names no agency.
    """
    if agency.agency is None or agency.agency_kind is None:
        raise NotAllowed("The token names no agency.")
    return Sender(
        issuer=agency.issuer,
        subject=agency.subject,
        agency=agency.agency,
        agency_kind=AgencyKind(agency.agency_kind),
    )


async def results(
    lines: Iterable[tuple[int, L]],
    take: Callable[[int, L], Awaitable[LineResult]],
    show: Callable[[LineResult, L], str],
) -> AsyncIterator[bytes]:
    """Take the lines of a batch, some at the same time; give the results in order."""
    numbered = iter(lines)
    while some := [*islice(numbered, TOGETHER)]:
        told = [
            each for each in some if not isinstance(each[1], bytes) or each[1].strip()
        ]
        taken = await asyncio.gather(*(take(*each) for each in told))
        if taken:
            shown_ = (show(e, line) for e, (_, line) in zip(taken, told, strict=True))
            yield "".join(shown_).encode()
        # However many lines are blank, other requests have their turn.
        await asyncio.sleep(0)


def said(line: bytes | Row) -> bool:
    """Tell whether anything stands in a line. Of a sheet, blank rows are not read."""
    return isinstance(line, Row) or bool(line.strip())


def shown(result: LineResult, _line: bytes) -> str:
    """Show a result as one line of JSON."""
    return f"{result.model_dump_json(exclude_none=True)}\n"


async def sheet_results(
    rows: Iterable[tuple[int, Row]],
    take: Callable[[int, Row], Awaitable[LineResult]],
) -> AsyncIterator[bytes]:
    """Take the rows of a sheet, and give the results as a sheet."""
    yield sheet.written(RESULT_HEADINGS).encode()
    async for each in results(rows, take, row_shown):
        yield each


def row_shown(result: LineResult, row: Row) -> str:
    """Show a result as one line of a sheet."""
    receipt, problem = result.receipt, result.problem
    wrong = problem.errors if problem else ()
    return sheet.written(
        [
            result.line,
            result.status,
            receipt and receipt.referral_id,
            receipt and receipt.reference,
            receipt and receipt.received_at.isoformat(),
            receipt and receipt.status_url,
            problem and problem.title,
            "; ".join(sheet.wrong_columns(row, wrong)),
        ]
    )


async def take_line(
    number: int,
    line: bytes | Row,
    *,
    agency: Asking,
    root: str,
    clock: Clock,
    referrals: Referrals,
    policy: Policy,
) -> LineResult:
    """Take one line of a batch, as if it had been posted alone."""
    try:
        told, at = told_in(line), clock.now()
        if wrong := [*policy.misfits(told, at)]:
            raise RequestValidationError(errors_of(wrong))
        posted = await post(
            told, agency, key=None, at=at, referrals=referrals, policy=policy
        )
    except AuditAway:
        # It may be stored; told that it is not, the agency would not try again.
        raise
    except Refusal as refusal:
        return LineResult(
            line=number, status=Status.REFUSED, problem=problem_of(refusal)
        )
    except (ValidationError, RequestValidationError) as wrong_fit:
        problem = unfit(wrong_fit.errors())
        return LineResult(line=number, status=Status.REFUSED, problem=problem)
    status = Status.REPEATED if posted.repeated else Status.ACCEPTED
    receipt = Receipt.of(posted.referral, root)
    return LineResult(line=number, status=status, receipt=receipt)


def told_in(line: bytes | Row) -> SubmitReferral:
    """Read one line of a batch.

    Raises:
        LineTooLong: It is longer than a referral may be.
        RowTooLong: It has more cells than its sheet has headings.
        ValidationError: It is no referral.
    """
    size = len(line) if isinstance(line, bytes) else sum(map(len, line.cells))
    if size > BODY_LIMIT:
        raise LineTooLong
    if isinstance(line, Row):
        return SubmitReferral.model_validate(line.fields())
    check_shape(line)
    return SubmitReferral.model_validate_json(line)


def errors_of(wrong: Sequence[Misfit], *within: str) -> list[dict[str, Any]]:
    """Give misfits as the errors of a request that broke its schema."""
    return [{"loc": (*within, *each.at), "type": each.rule} for each in wrong]


def unfit(errors: Iterable[Any]) -> Problem:
    """Tell that a line does not fit the schema, every field named and no value."""
    return Problem(
        type=f"{TYPES}invalid-request",
        title="The request does not fit its schema.",
        status=422,
        errors=wrong_fields(errors, names_in(SubmitReferral)),
    )


def problem_of(refusal: Refusal) -> Problem:
    """Tell a refusal as its own request would have been answered."""
    kind = type(refusal)
    return Problem(
        type=f"{TYPES}{kebab(kind.__name__)}",
        title=(kind.__doc__ or "").strip().splitlines()[0],
        status=kind.status,
        detail=str(refusal) or None,
    )
