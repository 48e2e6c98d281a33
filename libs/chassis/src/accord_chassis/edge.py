"""The outer edge of a service's HTTP: trace, headers and log line of every request."""

import time
from collections.abc import Sequence

import structlog
from opentelemetry.trace import SpanKind
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from accord_chassis.bodies import BODY_SECONDS, Body
from accord_chassis.problems import http_response, route_of
from accord_chassis.telemetry import span

log = structlog.get_logger()

Headers = Sequence[tuple[bytes, bytes]]

BODY_LIMIT = 64 * 1024
"""Bytes a request may have, unless its route says otherwise (RELIABILITY 2.5)."""

HEADERS = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=()"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
"""What every answer says to a browser: keep nothing, load nothing, tell nobody."""

TLS_ONLY = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
"""Where TLS is spoken in front: for a year, never without it (ASVS 3.4.1)."""

QUIET = frozenset({"/live", "/ready"})
"""Asked every few seconds; not worth a trace or a line."""

TOO_LARGE = 413
PROBLEM = b"application/problem+json"


class Edge:
    """Puts every request into the trace that asks, and answers with safe headers.

    It stands outside everything else, so that what the framework itself answers (a
    body that is too large, a fault) has the headers, the trace and the form of all
    other answers. Neither the trace nor the log holds the URL, the query or an
    address: only the route's own pattern, the method, the status and the time it took.

    Args:
        app: What answers.
        service: Whose it is.
        tls: Something in front speaks TLS, so browsers may be told to insist on it.
        body_seconds: How long a request's body may take to arrive.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        service: str,
        tls: bool = False,
        body_seconds: float = BODY_SECONDS,
    ) -> None:
        self._app = app
        self._service = service
        self._headers = (*HEADERS, TLS_ONLY) if tls else HEADERS
        self._body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        receive = Body(scope, receive, seconds=self._body_seconds)
        answer = _Answer(send, scope, receive, self._headers)
        if scope["path"].removeprefix(scope.get("root_path", "")) in QUIET:
            await self._app(scope, receive, answer)
            return
        await self._traced(scope, receive, answer)

    async def _traced(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        started = time.perf_counter()
        method = _method(scope)
        with span(
            f"HTTP {method}",
            SpanKind.SERVER,
            parent=_traceparent(scope),
            http_request_method=method,
        ) as current:
            try:
                await self._app(scope, receive, answer)
            finally:
                route = route_of(scope)
                current.set_attribute("http.route", route)
                current.set_attribute("http.response.status_code", answer.status)
                log.info(
                    "request.answered",
                    service=self._service,
                    method=method,
                    route=route,
                    status=answer.status,
                    duration_ms=round((time.perf_counter() - started) * 1000, 1),
                )


class _Answer:
    """Sends an answer with the headers that all have, and remembers its status."""

    def __init__(
        self, send: Send, scope: Scope, receive: Receive, safe: Headers
    ) -> None:
        self.status = 500
        self._safe = safe
        self._send = send
        self._scope = scope
        self._receive = receive
        self._replaced = False

    async def __call__(self, message: Message) -> None:
        if self._replaced:
            return
        if message["type"] == "http.response.start":
            self.status = message["status"]
            given = dict(message["headers"])
            if self.status == TOO_LARGE and given.get(b"content-type") != PROBLEM:
                # Starlette answers in plain text what it refuses by its length alone.
                await http_response(TOO_LARGE)(self._scope, self._receive, self)
                self._replaced = True
                return
            message["headers"] = _with(self._safe, message["headers"])
        await self._send(message)


def _with(safe: Headers, headers: Headers) -> list[tuple[bytes, bytes]]:
    present = {name for name, _ in headers}
    return [*headers, *(each for each in safe if each[0] not in present)]


METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def _method(scope: Scope) -> str:
    """Give the method; what is none of HTTP's may be anything at all."""
    method: str = scope["method"]
    return method if method in METHODS else "other"


def _traceparent(scope: Scope) -> str | None:
    return next(
        (
            value.decode("latin-1")
            for name, value in scope["headers"]
            if name == b"traceparent"
        ),
        None,
    )
