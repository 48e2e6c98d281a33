"""Logs and traces carry listed fields only, and one referral is one trace."""

import logging
import subprocess
import sys
import threading
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from time import monotonic

import pytest
import structlog
from accord_chassis import telemetry, topology
from accord_chassis.development.backing import Backing
from accord_chassis.development.issuer import DevelopmentIssuer
from accord_chassis.inprocess import InProcessBroker, InProcessTransport
from accord_chassis.telemetry import (
    ALLOWED,
    SPAN_ATTRIBUTES,
    configure_traces,
    current_trace_id,
    place_of,
    span,
    traceparent,
)
from accord_chassis.testing import eventually, new_id
from chassis_surroundings import logged
from chassis_toy import TOY, Toy, living, settings_for
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import INVALID_SPAN, SpanKind, StatusCode
from pydantic import BaseModel

SENTINEL = "Aroha Ngata"

log = structlog.get_logger()


def test_only_listed_fields_get_through() -> None:
    with logged() as lines:
        log.info("case.seen", case_id="c-1", name=SENTINEL, body={"name": SENTINEL})

    [line] = lines
    assert line["case_id"] == "c-1"
    assert line["fields"] == "2 dropped"
    assert line.keys() <= ALLOWED
    assert SENTINEL not in lines.stream.getvalue()


def test_what_is_bound_to_a_context_is_no_way_around_the_list() -> None:
    with logged() as lines, structlog.contextvars.bound_contextvars(name=SENTINEL):
        structlog.get_logger(nhi=SENTINEL).info("case.seen")

    assert SENTINEL not in lines.stream.getvalue()


def test_an_exception_is_logged_without_its_text() -> None:
    with logged() as lines:
        try:
            raise LookupError(SENTINEL)
        except LookupError:
            log.exception("case.not_found", fault="LookupError")

    [line] = lines
    assert line["fault"] == "LookupError"
    assert "exception" not in line
    assert SENTINEL not in lines.stream.getvalue()


def test_a_fault_is_found_by_its_place() -> None:
    def fail() -> None:
        raise LookupError(SENTINEL)

    with pytest.raises(LookupError) as caught:
        fail()

    inner, outer = place_of(caught.value).split(" < ")
    assert inner.rpartition(":")[0] == outer.rpartition(":")[0] == __name__
    assert place_of(LookupError(SENTINEL)) == ""


def test_a_library_that_warns_is_named_and_not_quoted() -> None:
    library = logging.getLogger("library.deep")
    with logged() as lines:
        library.info("all is well with %s", SENTINEL)
        library.warning("strange: %s", SENTINEL)
        try:
            raise LookupError(SENTINEL)
        except LookupError:
            library.exception("failed for %s", SENTINEL)
        library.log(35, "between two levels")

    found = lines.of("library.warned")
    assert [(each["dependency"], each["level"]) for each in found] == [
        ("library.deep", "warning"),
        ("library.deep", "error"),
        ("library.deep", "warning"),
    ]
    assert found[1]["fault"] == "LookupError"
    assert found[0]["place"].startswith("test_telemetry:")
    assert SENTINEL not in lines.stream.getvalue()


class Counted(BaseModel):
    """Something of which pydantic warns when it is written down wrongly."""

    count: int


def test_pythons_warnings_are_not_quoted_either(
    capsys: pytest.CaptureFixture[str],
) -> None:
    strange = Counted(count=1).model_copy(update={"count": SENTINEL})
    with logged() as lines, warnings.catch_warnings():
        warnings.simplefilter("always")
        strange.model_dump_json()

    [line] = lines.of("library.warned")
    assert line["dependency"] == "py.warnings"
    told = capsys.readouterr()
    assert SENTINEL not in lines.stream.getvalue() + told.out + told.err


def test_what_ends_a_process_is_named_and_not_quoted() -> None:
    program = (
        "from accord_chassis import telemetry\n"
        "telemetry.configure('toy', 'test', 'info', None)\n"
        f"raise LookupError('{SENTINEL}')\n"
    )

    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=False, text=True
    )

    assert ended.returncode == 1
    assert '"event": "process.failed"' in ended.stdout
    assert '"fault": "LookupError"' in ended.stdout
    assert '"service": "toy"' in ended.stdout
    assert SENTINEL not in ended.stdout + ended.stderr


def test_a_line_says_in_which_trace_it_was_written() -> None:
    with logged() as lines:
        log.info("before")
        with span("work", parent=f"00-{'a' * 32}-{'b' * 16}-00"):
            log.info("within")

    before, within = lines
    assert "trace_id" not in before
    assert within["trace_id"] == "a" * 32


@pytest.fixture
def recorded() -> Iterator[InMemorySpanExporter]:
    """What is recorded, and afterwards nothing any more."""
    exporter = InMemorySpanExporter()
    provider = configure_traces("toy", "test", exporter=exporter)
    assert provider is not None
    exporter.provider = provider  # type: ignore[attr-defined]
    yield exporter
    configure_traces("toy", "test")
    provider.shutdown()


def spans_in(exporter: InMemorySpanExporter) -> tuple[ReadableSpan, ...]:
    provider: TracerProvider = exporter.provider  # type: ignore[attr-defined]
    provider.force_flush()
    return exporter.get_finished_spans()


def test_a_span_carries_listed_attributes_only(recorded: InMemorySpanExporter) -> None:
    with span("work", SpanKind.CONSUMER, accord_type="a.b.v1", url_full=SENTINEL):
        pass

    [found] = spans_in(recorded)
    assert found.attributes == {"accord.type": "a.b.v1"}
    assert found.resource.attributes["service.name"] == "toy"
    assert found.resource.attributes["accord.region"] == "test"


def test_a_span_says_which_fault_and_not_its_text(
    recorded: InMemorySpanExporter,
) -> None:
    with pytest.raises(LookupError), span("work"):
        raise LookupError(SENTINEL)

    [found] = spans_in(recorded)
    assert found.status.status_code is StatusCode.ERROR
    assert found.status.description == "LookupError"
    assert found.events == ()
    assert SENTINEL not in found.to_json()


def test_work_within_work_is_in_its_trace(recorded: InMemorySpanExporter) -> None:
    with span("outer"), span("inner"):
        inside = current_trace_id()

    inner, outer = spans_in(recorded)
    assert inner.parent == outer.context
    assert f"{outer.context.trace_id:032x}" == inside


def test_without_an_exporter_the_trace_is_handed_on_all_the_same() -> None:
    handed_in = f"00-{'a' * 32}-{'b' * 16}-01"
    with span("outer", parent=handed_in) as outer:
        with span("inner"):
            assert traceparent() == handed_in
        assert outer is INVALID_SPAN

    assert traceparent() is None


@pytest.mark.parametrize(
    "strange",
    [
        SENTINEL,
        "",
        f"00-{'a' * 32}-{'b' * 16}-01\n",
        f"00-{'A' * 32}-{'b' * 16}-01",
        f"ff-{'a' * 32}-{'b' * 16}-01",
        f"00-{'0' * 32}-{'b' * 16}-01",
        f"00-{'a' * 32}-{'0' * 16}-01",
        f"00-{'a' * 32}-{'b' * 16}-01-{SENTINEL}",
    ],
)
def test_what_is_no_trace_is_not_handed_on(strange: str) -> None:
    with span("work", parent=strange):
        begun = traceparent()

    assert begun is not None
    assert telemetry.TRACEPARENT.fullmatch(begun)
    assert "a" * 32 not in begun


@asynccontextmanager
async def playing(
    backing_services: Backing, issuer: DevelopmentIssuer
) -> AsyncIterator[Toy]:
    """Let the toy live, over a broker in memory."""
    broker = InProcessBroker(topology.definitions(TOY, vhost="test"))
    settings = settings_for(backing_services.store_url, issuer)
    transport = InProcessTransport(broker, user="toy")
    async with living(settings, issuer, transport=transport) as alive:
        await alive.service.started.wait()
        yield alive
        await alive.service.client.drop_database(settings.database)
        await alive.service.client.drop_database(settings.audit_database)
    broker.close()


@pytest.fixture
async def toy(
    backing_services: Backing, issuer: DevelopmentIssuer
) -> AsyncIterator[Toy]:
    """The toy, as long as the test runs."""
    async with playing(backing_services, issuer) as alive:
        yield alive


async def made_and_heard(toy: Toy, **headers: str) -> None:
    thing_id = new_id()
    answer = await toy.make(thing_id, headers=headers)
    assert answer.status_code == 202

    async def heard() -> bool:
        return await toy.count(thing_id) == 1

    await eventually(heard)


async def test_without_an_exporter_a_request_and_what_follows_have_one_trace_id(
    toy: Toy,
) -> None:
    with logged() as lines:
        await made_and_heard(toy, traceparent=f"00-{'a' * 32}-{'b' * 16}-00")

    [request] = [each for each in lines.of("request.answered") if each["status"] == 202]
    [counted] = lines.of("thing.counted")
    assert request["trace_id"] == counted["trace_id"] == "a" * 32
    assert request["route"] == "/v1/things"


async def test_with_an_exporter_a_request_and_what_follows_are_one_trace(
    toy: Toy, recorded: InMemorySpanExporter
) -> None:
    sent = f"00-{'a' * 32}-{'b' * 16}-01"
    with logged() as lines:
        await made_and_heard(toy, traceparent=sent)
        await eventually(toy_is_idle(toy))

    found = {each.name: each for each in spans_in(recorded)}
    asked, handled = found["HTTP POST"], found["handle risk.changed.v1"]
    assert asked.kind is SpanKind.SERVER
    assert f"{asked.context.trace_id:032x}" == "a" * 32
    assert asked.parent is not None
    assert f"{asked.parent.span_id:016x}" == "b" * 16
    assert handled.kind is SpanKind.CONSUMER
    assert handled.parent is not None
    assert handled.parent.span_id == asked.context.span_id
    assert handled.context.trace_id == asked.context.trace_id
    assert asked.attributes == {
        "http.request.method": "POST",
        "http.route": "/v1/things",
        "http.response.status_code": 202,
    }
    [counted] = lines.of("thing.counted")
    assert counted["trace_id"] == "a" * 32


async def test_nothing_that_was_sent_is_in_a_span_or_a_line(
    toy: Toy, recorded: InMemorySpanExporter
) -> None:
    with logged() as lines:
        await made_and_heard(toy)
        await toy.make(new_id(), name=SENTINEL)
        await toy.make(new_id(), counts={SENTINEL: SENTINEL})
        await toy.make(SENTINEL, headers={"X-Name": SENTINEL})
        await toy.http.get(f"/v1/things/{SENTINEL}")
        await toy.http.get(f"/nowhere/{SENTINEL}", params={"name": SENTINEL})
        await toy.http.get("/v1/broken", params={"name": SENTINEL})
        await toy.http.request(SENTINEL.replace(" ", "-"), "/v1/things")
        await eventually(toy_is_idle(toy))

    spans = spans_in(recorded)
    assert len(spans) > 8
    for each in spans:
        assert (each.attributes or {}).keys() <= SPAN_ATTRIBUTES
        assert SENTINEL.split(maxsplit=1)[0] not in each.to_json()
    for line in lines:
        assert line.keys() <= ALLOWED
    assert SENTINEL.split(maxsplit=1)[0] not in lines.stream.getvalue()


async def test_the_last_spans_are_sent_before_a_service_ends(
    backing_services: Backing,
    issuer: DevelopmentIssuer,
    recorded: InMemorySpanExporter,
) -> None:
    async with playing(backing_services, issuer):
        with span("the last"):
            pass
        assert not recorded.get_finished_spans()

    assert [each.name for each in recorded.get_finished_spans()] == ["the last"]


class Away(SpanExporter):
    """Sends to a collector that takes the connection and never answers."""

    def __init__(self) -> None:
        self.given_up = threading.Event()

    def export(self, _: Sequence[ReadableSpan]) -> SpanExportResult:
        self.given_up.wait()
        return SpanExportResult.FAILURE


def test_a_collector_that_does_not_answer_keeps_nobody_from_ending(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(telemetry, "FLUSH_SECONDS", 0.05)
    exporter = Away()
    provider = configure_traces("toy", "test", exporter=exporter)
    assert provider is not None
    with span("work"):
        pass

    begun = monotonic()
    telemetry.flush()

    assert monotonic() - begun < 5
    configure_traces("toy", "test")
    exporter.given_up.set()
    provider.shutdown()


def toy_is_idle(toy: Toy) -> Callable[[], Awaitable[bool]]:
    async def idle() -> bool:
        return toy.service.idle()

    return idle
