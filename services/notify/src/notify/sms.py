"""SMS by a gateway that is spoken to over HTTP, as the locality's file says."""

import asyncio
import ssl
import time
from datetime import datetime
from http import HTTPStatus
from typing import Any

import httpx2
import structlog
from accord_chassis.asking import UNANSWERED
from pydantic import JsonValue

from notify.domain.channels import KEY, NOT_TAKEN, SECRET, TEXT, TO, SmsPolicy
from notify.domain.mail import Outcome
from notify.domain.wording import Letter
from notify.post import (
    AWAY,
    AWAY_SECONDS,
    BAD_ADDRESS,
    NUMBER,
    TIMEOUT_SECONDS,
    Lines,
    Posted,
    not_now,
)

log = structlog.get_logger()

TAKEN = range(200, 300)

FOR_GOOD = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY})
"""Answers that say that the message is none, however often it comes."""


class SmsPost:
    """Hands messages to a gateway.

    Args:
        policy: How.
        secret: Fills in ``{secret}`` in the headers.
        tls: Whom to trust there, if not the machine's own authorities.
        timeout_seconds: How long an answer may take.
        away_seconds: How long nobody tries after the gateway was found to be away.
    """

    on = True

    def __init__(
        self,
        policy: SmsPolicy,
        secret: str,
        *,
        tls: ssl.SSLContext | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        away_seconds: float = AWAY_SECONDS,
    ) -> None:
        self._policy = policy
        self._secret = secret
        self._timeout_seconds = timeout_seconds
        self._away_seconds = away_seconds
        self._lines = Lines()
        self._away_until = float("-inf")
        self._client = httpx2.AsyncClient(
            timeout=timeout_seconds,
            follow_redirects=False,
            verify=True if tls is None else tls,
        )

    @property
    def closed(self) -> Posted | None:
        """Say so while the gateway was away a moment ago; see ``Post``."""
        return AWAY if time.monotonic() < self._away_until else None

    async def send(self, letter: Letter, to: str, at: datetime) -> Posted:
        """Send a message; see ``Post``."""
        if not NUMBER.fullmatch(to):
            return BAD_ADDRESS
        async with self._lines.one_for(letter):
            if self.closed:
                return self.closed
            try:
                async with asyncio.timeout(self._timeout_seconds):
                    answer = await self._client.send(self._request(letter, to))
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as fault:
                self._leave_alone(fault)
                return AWAY
            except UNANSWERED as fault:
                # It may have the message: from here on silence tells nothing.
                self._leave_alone(fault)
                return Posted(Outcome.UNKNOWN, "no_answer")
        return self._told_by(answer, at)

    async def close(self) -> None:
        """Hang up."""
        await self._client.aclose()

    def _request(self, letter: Letter, to: str) -> httpx2.Request:
        policy = self._policy
        told = {TO: to, TEXT: letter.text, KEY: letter.key}
        body = _all_filled_in(policy.body, told)
        known = {SECRET: self._secret, KEY: letter.key}
        headers = {n: _filled_in(each, known) for n, each in policy.headers.items()}
        return self._client.build_request(
            policy.method,
            policy.url,
            headers=headers,
            **{"data" if policy.form else "json": body},
        )

    def _told_by(self, answer: httpx2.Response, at: datetime) -> Posted:
        status = answer.status_code
        if status in TAKEN:
            return self._said_in(answer.content)
        if status in FOR_GOOD or status in self._policy.refused:
            return Posted(Outcome.REFUSED, "message_refused")
        if status == HTTPStatus.CONFLICT:
            # It knows the key: an attempt before got there, with whatever came of it.
            log.warning("post.away", dependency="sms", status=status)
            return Posted(Outcome.UNKNOWN, f"status_{status}", once=True)
        failed = status not in NOT_TAKEN
        if failed:
            log.warning("post.away", dependency="sms", status=status)
        return not_now(status, answer.headers.get("retry-after"), at, failed=failed)

    def _said_in(self, body: bytes) -> Posted:
        """Read what an answer of 2xx says, where the locality knows how it is said."""
        says = self._policy.taken
        if says is None:
            return Posted(Outcome.SENT)
        found = says.found(body)
        if found and found <= says.words:
            return Posted(Outcome.SENT)
        log.warning("post.not_taken", dependency="sms")
        if found and found <= says.refused:
            return Posted(Outcome.REFUSED, "message_refused")
        return Posted(Outcome.UNKNOWN, "unclear_answer")

    def _leave_alone(self, fault: BaseException) -> None:
        self._away_until = time.monotonic() + self._away_seconds
        log.warning("post.away", dependency="sms", fault=type(fault).__name__)


def _all_filled_in(value: JsonValue, told: dict[str, str]) -> Any:  # noqa: ANN401 - JSON.
    """Fill in every text of some JSON."""
    match value:
        case dict():
            return {name: _all_filled_in(each, told) for name, each in value.items()}
        case list():
            return [_all_filled_in(each, told) for each in value]
        case str():
            return _filled_in(value, told)
        case _:
            return value


def _filled_in(text: str, told: dict[str, str]) -> str:
    """Fill in a text once: what is filled in is not looked at again."""
    for mark, value in told.items():
        before, found, after = text.partition(mark)
        if found:
            rest = {name: each for name, each in told.items() if name != mark}
            return f"{_filled_in(before, rest)}{value}{_filled_in(after, told)}"
    return text
