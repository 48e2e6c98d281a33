"""Messages on the wire: ours read by others, others' read by us, none told by value."""

import json
import re
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from accord_chassis.binding import LARGEST, Packet, Unreadable, pack, unpack
from accord_chassis.testing import NOON, message_of, new_id
from accord_contracts.catalogue import CATALOGUE, Entry
from accord_contracts.message import Lane, Message
from accord_contracts.risk import RiskChanged
from chassis_builders import message, packet
from cloudevents.core.bindings.rabbitmq import (
    RabbitMQMessage,
    from_binary_event,
    to_binary_event,
)
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

UNKNOWN = "00000000-0000-4000-8000-000000000001"
"""The id of nothing; the same in every process that collects these tests."""

SCHEMAS = Path(__file__).parents[2] / "contracts" / "schemas"
ASYNCAPI = json.loads((SCHEMAS / "asyncapi.json").read_bytes())

ENTRIES = pytest.mark.parametrize("entry", [*CATALOGUE], ids=lambda each: each.type)

SENTINEL = "Aroha Ngata"


def published(type_: str) -> dict[str, Any]:
    """The schema of an event, as it is published."""
    found: dict[str, Any] = json.loads((SCHEMAS / f"{type_}.json").read_bytes())
    return found


def whole(entry: Entry) -> Message[Any]:
    """A message of a type in which nothing is left out."""
    (example,) = published(entry.type)["examples"]
    bare = message_of(entry.event.model_validate_json(json.dumps(example)))
    return replace(
        bare,
        source=f"/canterbury/{entry.producer}",
        lane=Lane.URGENT,
        aggregate_version=7,
        causation_id=new_id(),
        traceparent=f"00-{'a' * 32}-{'b' * 16}-01",
    )


@ENTRIES
def test_what_is_packed_is_unpacked_as_it_was(entry: Entry) -> None:
    sent = whole(entry)

    assert unpack(pack(sent), CATALOGUE) == sent


def test_what_began_a_conversation_has_no_cause() -> None:
    sent = message()
    assert "ce-causationid" not in pack(sent).headers

    read = unpack(pack(sent), CATALOGUE)

    assert (read.causation_id, read.traceparent) == (None, None)


@ENTRIES
def test_headers_and_body_keep_the_published_schemas(entry: Entry) -> None:
    sent = pack(whole(entry))
    headers = {
        "$ref": f"#/components/messages/{entry.type}/headers",
        "components": ASYNCAPI["components"],
    }

    Draft202012Validator(headers).validate(dict(sent.headers))
    Draft202012Validator(published(entry.type)).validate(json.loads(sent.body))
    assert sent.routing_key == f"{entry.type}.urgent"
    assert len(sent.body) < LARGEST


@ENTRIES
def test_the_sdk_of_cloudevents_reads_what_we_write(entry: Entry) -> None:
    sent = whole(entry)
    wire = pack(sent)

    read = from_binary_event(
        RabbitMQMessage(dict(wire.headers), "application/json", wire.body)
    )

    assert read.get_attributes() == {
        "specversion": "1.0",
        "id": sent.id,
        "source": sent.source,
        "type": entry.type,
        "subject": sent.subject,
        "time": NOON,
        "datacontenttype": "application/json",
        "dataschema": f"urn:accord:schema:{entry.type}",
        "partitionkey": sent.subject,
        "correlationid": sent.correlation_id,
        "causationid": sent.causation_id,
        "aggregateversion": "7",
        "lane": "urgent",
        "traceparent": sent.traceparent,
    }
    assert read.get_data() == json.loads(sent.data.model_dump_json())


@ENTRIES
def test_we_read_what_the_sdk_of_cloudevents_writes(entry: Entry) -> None:
    sent = whole(entry)
    attributes = {
        "specversion": "1.0",
        "id": sent.id,
        "source": sent.source,
        "type": entry.type,
        "subject": sent.subject,
        "time": sent.time,
        "datacontenttype": "application/json",
        "dataschema": f"urn:accord:schema:{entry.type}",
        "partitionkey": sent.subject,
        "correlationid": sent.correlation_id,
        "causationid": sent.causation_id,
        "aggregateversion": 7,
        "lane": "urgent",
        "traceparent": sent.traceparent,
    }
    data = json.loads(sent.data.model_dump_json())

    wire = to_binary_event(CloudEvent(attributes, data))

    read = unpack(Packet(sent.id, "any.key", wire.headers, wire.body), CATALOGUE)
    assert read == sent


def test_what_a_later_publisher_adds_is_ignored() -> None:
    sent = packet().with_headers(ce_urgency="7", x="y")
    body = json.dumps({**json.loads(sent.body), "added": {"deep": [1]}}).encode()

    assert unpack(replace(sent, body=body), CATALOGUE) == unpack(sent, CATALOGUE)


def test_a_time_is_read_in_utc_whatever_its_offset() -> None:
    sent = packet().with_headers(ce_time="2026-11-03T01:00:00.000001+13:00")

    read = unpack(sent, CATALOGUE)

    assert read.time.isoformat() == "2026-11-02T12:00:00.000001+00:00"


def without(name: str) -> Packet:
    whole_ = packet()
    kept = {each: text for each, text in whole_.headers.items() if each != name}
    return replace(whole_, headers=kept)


def with_body(**fields: object) -> Packet:
    whole_ = packet()
    body = {**json.loads(whole_.body), **fields}
    return replace(whole_, body=json.dumps(body).encode())


REQUIRED = ("specversion", "id", "source", "type", "subject", "time", "lane",
            "aggregateversion", "correlationid")  # fmt: skip


@pytest.mark.parametrize("name", REQUIRED)
def test_a_missing_attribute_is_named(name: str) -> None:
    with pytest.raises(Unreadable, match=f"^attribute {name} is missing$"):
        unpack(without(f"ce-{name}"), CATALOGUE)


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("specversion", SENTINEL),
        ("specversion", "0.3"),
        ("id", SENTINEL),
        ("id", "6F1D5F0E-3F58-5C1C-9B0A-5B1C4D0C2B7E"),
        ("subject", SENTINEL),
        ("subject", f"{UNKNOWN}\n"),
        ("correlationid", SENTINEL),
        ("causationid", SENTINEL),
        ("time", SENTINEL),
        ("time", "2026-11-02T12:00:00"),
        ("time", "0001-01-01T00:00:00+14:00"),
        ("lane", SENTINEL),
        ("aggregateversion", SENTINEL),
        ("aggregateversion", "-1"),
        ("aggregateversion", "9" * 40),
    ],
)
def test_a_wrong_attribute_is_named_and_not_shown(attribute: str, value: str) -> None:
    wrong = packet().with_headers(**{f"ce_{attribute}": value})

    with pytest.raises(Unreadable, match=f"^attribute {attribute} has the wrong form$"):
        unpack(wrong, CATALOGUE)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (packet().with_headers(ce_type=SENTINEL), "type is not in the catalogue"),
        (replace(packet(), body=SENTINEL.encode()), " json invalid"),
        (replace(packet(), body=b"\xff\xfe"), " json invalid"),
        (replace(packet(), body=b""), " json invalid"),
        (replace(packet(), body=b"[" * 50_000), " json invalid"),
        (replace(packet(), body=f'["{SENTINEL}"]'.encode()), " model type"),
        (replace(packet(), body=b" " * 65_537), "body is larger than any event"),
        (with_body(level=SENTINEL), "/level enum"),
        (with_body(case_id=SENTINEL), "/case_id string pattern mismatch"),
        (with_body(changed_at=SENTINEL), "/changed_at datetime parsing"),
        (with_body(level=None, previous=SENTINEL), "/level enum; /previous enum"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_an_unreadable_message_says_which_rule_it_broke_and_no_value(
    wrong: Packet, told: str
) -> None:
    with pytest.raises(Unreadable) as caught:
        unpack(wrong, CATALOGUE)

    assert str(caught.value) == told
    # Not even where an exception is printed with all that led to it.
    assert SENTINEL not in "".join(traceback.format_exception(caught.value))


def test_the_keys_of_a_mapping_are_not_told() -> None:
    entry = CATALOGUE.entries["referral.received.v1"]
    (example,) = published(entry.type)["examples"]
    mapping = next(name for name, each in example.items() if isinstance(each, dict))
    body = json.dumps({**example, mapping: {SENTINEL: SENTINEL}}).encode()

    with pytest.raises(Unreadable) as caught:
        unpack(replace(pack(whole(entry)), body=body), CATALOGUE)

    assert f"/{mapping}/*" in str(caught.value)
    assert SENTINEL not in str(caught.value)


HEADERS = sorted(pack(whole(CATALOGUE.entries[RiskChanged.TYPE])).headers)


TOLD = re.compile(
    r"attribute \w+ (is missing|has the wrong form)|type is not in the catalogue"
)


@given(
    name=st.sampled_from(HEADERS),
    value=st.one_of(st.text(), st.none(), st.integers(), st.binary()),
)
def test_any_header_is_read_or_unreadable(name: str, value: Any) -> None:
    sent = packet()
    try:
        unpack(replace(sent, headers={**sent.headers, name: value}), CATALOGUE)
    except Unreadable as wrong:
        told = str(wrong)
    else:
        return

    assert TOLD.fullmatch(told)


@given(body=st.one_of(st.binary(), st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda each: st.lists(each) | st.dictionaries(st.text(), each),
).map(lambda each: json.dumps(each).encode())))  # fmt: skip
def test_any_body_is_read_or_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        unpack(replace(packet(), body=body), CATALOGUE)


@pytest.mark.parametrize(
    ("header", "attempt"), [("3", 3), ("-5", 0), ("many", 0), ("9" * 5000, 0)]
)
def test_attempts_are_counted_from_a_header_that_may_be_anything(
    header: str, attempt: int
) -> None:
    assert packet().with_headers(attempt=header).attempt == attempt


def test_a_packet_that_was_never_retried_has_no_attempts() -> None:
    assert packet().attempt == 0
