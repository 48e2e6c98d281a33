"""What plans asks of other services, in the middle of what somebody does.

An answer is never remembered: what is found meanwhile may speak against it. Where there
is none, what it was asked for is not done.
"""

import ssl
from collections.abc import Iterator, Sequence
from typing import ClassVar, TypeVar

import httpx2
import structlog
from accord_chassis.asking import ServiceToken
from accord_contracts.papers import (
    LONGEST_TEXT,
    TEXTS_OF_A_QUESTION,
    AskScreening,
    Screening,
)
from accord_contracts.problem import Refusal
from accord_contracts.risk import AskClosing, ClosingProof
from pydantic import BaseModel, ValidationError

from plans.documents.audience import Addressed

log = structlog.get_logger()

TIMEOUT_SECONDS = 2.0

BYTES_OF_A_QUESTION = 20_000
"""Of texts, so that a body stays below 64 KiB however its letters are written."""

T = TypeVar("T", bound=BaseModel)


class ProofAway(Refusal):
    """Whether the response may end cannot be known at present: try again soon."""

    status = 503


class ScreeningAway(Refusal):
    """Whether this paper tells too much cannot be known at present: try again soon."""

    status = 503


class Line:
    """A line to another service, under this one's own token.

    Args:
        url: Where the other service is.
        token: Under which it is asked.
        tls: Whose certificates are believed, if not the machine's.
    """

    path: ClassVar[str]
    """Where on it the question goes."""

    def __init__(
        self, url: str, token: ServiceToken, *, tls: ssl.SSLContext | None = None
    ) -> None:
        self._url = f"{url.rstrip('/')}{self.path}"
        self._token = token
        self._client = httpx2.AsyncClient(
            timeout=TIMEOUT_SECONDS, verify=True if tls is None else tls
        )

    async def ask(self, asked: BaseModel, answer: type[T]) -> T | None:
        """Ask; none: there is no answer, or none that can be understood."""
        try:
            told = await self._client.post(
                self._url,
                content=asked.model_dump_json(),
                headers={
                    "Authorization": f"Bearer {self._token.current()}",
                    "Content-Type": "application/json",
                },
            )
            told.raise_for_status()
            return answer.model_validate_json(told.content)
        except (httpx2.HTTPError, OSError, ValidationError) as fault:
            log.warning(
                "question.unanswered", type=answer.__name__, fault=type(fault).__name__
            )
            return None

    async def close(self) -> None:
        """Hang up."""
        await self._client.aclose()


class Proofs(Line):
    """What risk says of whether responses may end."""

    path = "/v1/proofs"

    async def missing(self, case_id: str, closed_by: str) -> tuple[str, ...]:
        """Give the codes of what is missing before a worker may end a response.

        Raises:
            ProofAway: Risk does not answer, or not what can be understood.
        """
        asked = AskClosing(case_id=case_id, closed_by=closed_by)
        told = await self.ask(asked, ClosingProof)
        if told is None or told.case_id != case_id:
            raise ProofAway
        return told.missing


class Screens(Line):
    """What referrals says of whether texts name or place somebody of a case."""

    path = "/v1/screenings"

    async def found(
        self, case_id: str, to: Addressed, texts: Sequence[str]
    ) -> tuple[int, ...]:
        """Give the places, from 0, of those texts that a paper must not have.

        Raises:
            ScreeningAway: Referrals does not answer, or not what can be understood.
        """
        found: list[int] = []
        first = 0
        for some in _parted(texts):
            asked = AskScreening(
                case_id=case_id,
                audience=to.audience,
                person_id=to.person_id,
                texts=some,
            )
            told = await self.ask(asked, Screening)
            beyond = told and any(each >= len(some) for each in told.found)
            if told is None or told.case_id != case_id or beyond:
                raise ScreeningAway
            found += [first + each for each in told.found]
            first += len(some)
        return tuple(found)


def _parted(texts: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Part texts into questions that are small enough.

    Raises:
        ScreeningAway: One is too long to be asked about.
    """
    some: list[str] = []
    size = 0
    for each in texts:
        if len(each) > LONGEST_TEXT:
            raise ScreeningAway
        bytes_ = len(each.encode())
        full = len(some) >= TEXTS_OF_A_QUESTION or size + bytes_ > BYTES_OF_A_QUESTION
        if some and full:
            yield tuple(some)
            some, size = [], 0
        some.append(each)
        size += bytes_
    if some:
        yield tuple(some)
