"""What an agency sends when it refers, and many at once: a result for each line.

The same for referrals and for those that an agency tries out.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import partial
from io import BytesIO
from itertools import islice
from typing import Any, TypeVar

from accord_chassis.audit import AuditAway
from accord_chassis.bodies import check_shape
from accord_chassis.clock import Clock
from accord_chassis.edge import BODY_LIMIT
from accord_chassis.problems import TYPES, kebab, names_in, wrong_fields
from accord_contracts.message import Id
from accord_contracts.problem import Problem, Refusal
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ValidationError

from referrals import handlers
from referrals.domain import sheet
from referrals.domain.policy import Expected, Misfit
from referrals.domain.referral import Referral
from referrals.domain.sheet import Row
from referrals.domain.telling import Telling

NDJSON = "application/x-ndjson"
CSV = "text/csv"
RESULT_HEADINGS = (
    "line", "status", "referral_id", "reference", "received_at", "status_url",
    "problem", "columns",
)  # fmt: skip
"""Of the sheet that answers a sheet."""

TOGETHER = 100
"""Lines of a batch that are stored at the same time: as many as one write holds."""

BATCH_LIMIT = 10 * 1024 * 1024
"""Bytes of one batch (RELIABILITY 2.5)."""

L = TypeVar("L", bound=bytes | Row)


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
    def of(cls, taken: Referral, below: str) -> "Receipt":
        """Make the receipt of a referral; posted again, it gets the same one.

        Args:
            taken: The referral.
            below: The path below which it is asked after.
        """
        return cls(
            referral_id=taken.id,
            reference=taken.told.reference,
            received_at=taken.received_at,
            expected=taken.expected,
            status_url=f"{below}/{taken.id}",
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


class SheetResponse(Response):
    """Answers with a sheet."""

    media_type = CSV


class Lines(JSONResponse):
    """Describes an answer of one JSON text a line, which is streamed."""

    media_type = NDJSON


BATCH: dict[str, Any] = {
    "max_body_size": BATCH_LIMIT,
    "response_class": Lines,
    "response_model": LineResult,
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "description": "Referrals as they are submitted alone, one a line.",
            "content": {each: {"schema": {"type": "string"}} for each in (NDJSON, CSV)},
        }
    },
    "responses": {
        200: {
            "description": "A result for each line, in their order, one a line.",
            "content": {CSV: {"schema": {"type": "string"}}},
        },
    },
}
"""How a route is described that takes a batch."""

Post = Callable[[SubmitReferral, datetime], Awaitable[handlers.Posted]]
"""Takes what a line tells, at a time, as if it had been posted alone."""


@dataclass(frozen=True, slots=True)
class Taking:
    """Who takes the lines of a batch, and how.

    Attributes:
        post: Takes what one line tells.
        misfits: What cannot be taken of it.
        below: The path below which each is asked after.
    """

    post: Post
    misfits: Callable[[SubmitReferral, datetime], Iterable[Misfit]]
    clock: Clock
    below: str


def sent_as(request: Request) -> str:
    """Tell as what a batch is sent.

    Raises:
        NotLines: As neither of the two.
    """
    told = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if told not in (NDJSON, CSV):
        raise NotLines
    return told


async def answered(request: Request, taking: Taking) -> StreamingResponse:
    """Take a batch, and answer with a result for each line.

    All is read before the first answer goes out, because a client that writes
    everything before it reads would wait for ever.
    """
    kind, body = sent_as(request), await request.body()
    take = partial(take_line, taking=taking)
    if kind == CSV:
        rows = await asyncio.to_thread(sheet.read, body)
        return StreamingResponse(sheet_results(rows, take), media_type=CSV)
    lines = ((number, line) for number, line in enumerate(BytesIO(body), 1))
    return StreamingResponse(results(lines, take, shown), media_type=NDJSON)


async def results(
    lines: Iterable[tuple[int, L]],
    take: Callable[[int, L], Awaitable[LineResult]],
    show: Callable[[LineResult, L], str],
) -> AsyncIterator[bytes]:
    """Take the lines of a batch, some at the same time; give the results in order."""
    numbered = iter(lines)
    while some := [*islice(numbered, TOGETHER)]:
        told = [each for each in some if said(each[1])]
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


async def take_line(number: int, line: bytes | Row, *, taking: Taking) -> LineResult:
    """Take one line of a batch, as if it had been posted alone."""
    try:
        told, at = told_in(line), taking.clock.now()
        if wrong := [*taking.misfits(told, at)]:
            raise RequestValidationError(errors_of(wrong))
        posted = await taking.post(told, at)
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
    receipt = Receipt.of(posted.referral, taking.below)
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
