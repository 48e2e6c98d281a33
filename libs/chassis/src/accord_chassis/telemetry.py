"""Logs and traces that carry no personal data: only listed fields get through."""

import logging
import re
import sys
import threading
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from random import getrandbits
from traceback import walk_tb
from types import TracebackType
from typing import Any

import structlog
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

ALLOWED = frozenset(
    {
        # What structlog itself adds.
        "event", "level", "timestamp",
        # Who and where.
        "service", "region", "replica", "queue", "lane", "dependency",
        # Which, by id or code.
        "message_id", "type", "subject", "case_id", "trace_id", "route", "method",
        "migration", "collection", "handler", "reason", "fault", "place", "fields",
        # Which entry of the audit log; a head of it, as it is anchored.
        "entry", "chain", "seq", "hash", "at", "signature",
        # How much.
        "status", "attempt", "count", "duration_ms", "delay_s", "late_s", "port",
        "version",
    }
)  # fmt: skip
"""The fields a log line may carry. Every one is an id, a code, a count or a time."""

SPAN_ATTRIBUTES = frozenset(
    {
        "http.request.method", "http.route", "http.response.status_code",
        "messaging.system", "messaging.destination.name", "messaging.message.id",
        "messaging.operation.name", "accord.type", "accord.lane", "accord.attempt",
        "accord.case_id", "accord.outcome",
    }
)  # fmt: skip
"""The attributes a span may carry. Bodies, URLs and addresses are not among them."""

FLUSH_SECONDS = 2.0

_propagator = TraceContextTextMapPropagator()
_provider: TracerProvider | None = None
_tracer: trace.Tracer | None = None
_context: ContextVar[str | None] = ContextVar("traceparent", default=None)

TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C trace context, version 0, without the ids that the standard calls invalid."""

DEEPEST = 5
"""Frames of a traceback that a log line names."""


def place_of(fault: BaseException) -> str:
    """Say where a fault came from: modules and lines, the innermost first. No value."""
    frames = [
        f"{frame.f_globals.get('__name__', '?')}:{line}"
        for frame, line in walk_tb(fault.__traceback__)
    ]
    return " < ".join(reversed(frames[-DEEPEST:]))


def with_trace(
    _logger: Any,  # noqa: ANN401 - structlog's own signature.
    _method: str,
    line: MutableMapping[str, Any],
) -> Mapping[str, Any]:
    """Say in which trace a line was written, so that logs and traces go together."""
    found = current_trace_id()
    if found:
        line["trace_id"] = found
    return line


def keep_allowed(
    _logger: Any,  # noqa: ANN401 - structlog's own signature.
    _method: str,
    line: MutableMapping[str, Any],
) -> Mapping[str, Any]:
    """Drop every field that is not on the list, and say how many went."""
    kept = {name: value for name, value in line.items() if name in ALLOWED}
    if len(kept) < len(line):
        kept["fields"] = f"{len(line) - len(kept)} dropped"
    return kept


def configure_logs(level: str = "info", *, stream: Any = None) -> None:  # noqa: ANN401
    """Write JSON lines to standard output, or to a stream, with allowed fields only.

    Libraries' own loggers are kept to warnings and to their name: their texts may
    hold what was sent. So may Python's warnings: pydantic's quote the value.
    """
    output = stream or sys.stdout
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            with_trace,
            keep_allowed,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(output),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers = [_Reporter()]
    root.setLevel(logging.WARNING)
    logging.captureWarnings(capture=True)


class _Reporter(logging.Handler):
    """Says that a library warned, and which; never in the library's own words."""

    def emit(self, record: logging.LogRecord) -> None:
        fault = record.exc_info[1] if record.exc_info else None
        structlog.get_logger().log(
            min(record.levelno // 10 * 10, logging.CRITICAL),
            "library.warned",
            dependency=record.name,
            fault=type(fault).__name__ if fault else None,
            place=place_of(fault) if fault else f"{record.module}:{record.lineno}",
        )


def _report_end(
    kind: type[BaseException], fault: BaseException, _: TracebackType | None
) -> None:
    """Say what ended the process; the text of an exception may hold values."""
    structlog.get_logger().critical(
        "process.failed", fault=kind.__name__, place=place_of(fault)
    )


def configure(service: str, region: str, level: str, endpoint: str | None) -> None:
    """Set up a process's logs and traces.

    Args:
        service: Whose they are.
        region: Where.
        level: Of the log lines.
        endpoint: Where traces go, OTLP over HTTP; nowhere if not given.
    """
    configure_logs(level)
    sys.excepthook = _report_end
    structlog.contextvars.bind_contextvars(service=service, region=region)
    exporter = _otlp(endpoint) if endpoint else None
    configure_traces(service, region, exporter=exporter)


def _otlp(endpoint: str) -> SpanExporter:
    return OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")


def configure_traces(
    service: str, region: str, *, exporter: SpanExporter | None = None
) -> TracerProvider | None:
    """Record traces if there is somewhere to send them; hand trace ids on anyway.

    Returns:
        What records them, to be shut down; it does not flush itself at exit.
    """
    global _provider, _tracer  # noqa: PLW0603 - A process has one telemetry.
    _provider = _tracer = None
    if exporter is None:
        return None
    _provider = TracerProvider(
        resource=Resource.create({"service.name": service, "accord.region": region}),
        # At exit it would wait for half a minute for a collector that is away.
        shutdown_on_exit=False,
    )
    _provider.add_span_processor(BatchSpanProcessor(exporter))
    _tracer = _provider.get_tracer("accord")
    return _provider


def flush() -> None:
    """Send the spans that have not been sent, as far as two seconds suffice for it."""
    if _provider is None:
        return
    # The library takes a time limit and does not keep it.
    sending = threading.Thread(target=_provider.force_flush, daemon=True)
    sending.start()
    sending.join(FLUSH_SECONDS)


@contextmanager
def span(
    name: str,
    kind: SpanKind = SpanKind.INTERNAL,
    *,
    parent: str | None = None,
    **attributes: str | int,
) -> Iterator[Span]:
    """Time a piece of work as part of the trace.

    Without an exporter nothing is recorded, but the trace's id is handed on all the
    same, so that one referral can be followed through logs and messages.

    Args:
        name: What is done: a fixed text, or a type, never anything that was sent.
        kind: Server, consumer, producer or internal.
        parent: ``traceparent`` of what caused it, if that came from outside.
        attributes: By their names with underscores for dots; only those in
            ``SPAN_ATTRIBUTES`` are kept.
    """
    if _tracer is None:
        token = _context.set(_continued(parent or _context.get()))
        try:
            yield INVALID_SPAN
        finally:
            _context.reset(token)
        return
    context = _propagator.extract({"traceparent": parent}) if parent else None
    with _tracer.start_as_current_span(
        name, context, kind, record_exception=False, set_status_on_exception=False
    ) as current:
        for given, value in attributes.items():
            if (dotted := _DOTTED.get(given)) is not None:
                current.set_attribute(dotted, value)
        try:
            yield current
        except Exception as fault:
            current.set_status(Status(StatusCode.ERROR, type(fault).__name__))
            raise


_DOTTED = {each.replace(".", "_"): each for each in SPAN_ATTRIBUTES}


def _continued(parent: str | None) -> str:
    """Go on with the trace that was handed in, if it is one, or begin another."""
    if parent and TRACEPARENT.fullmatch(parent):
        return parent
    return f"00-{getrandbits(128):032x}-{getrandbits(64):016x}-00"


def traceparent() -> str | None:
    """Give the W3C trace context of what is being done now, if there is one."""
    if _tracer is None:
        return _context.get()
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get("traceparent")


def current_trace_id() -> str | None:
    """Give the id under which what is being done now can be found in the traces."""
    found = traceparent()
    return found.split("-")[1] if found else None
