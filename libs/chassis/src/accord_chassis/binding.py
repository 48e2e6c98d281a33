"""Messages on the wire: CloudEvents 1.0 in binary mode, as AMQP headers and body."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from accord_contracts.catalogue import Catalogue
from accord_contracts.message import Event, Lane, Message
from pydantic import ValidationError

from accord_chassis.problems import broken_rules, names_in

LARGEST = 64 * 1024
"""Bytes that a body may have. An event is ids, codes and times: it has far fewer."""

ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""The one way to write an id, as the published schema of the headers has it."""

VERSION = re.compile(r"[0-9]{1,15}")
"""A version that every store and every language can keep."""


class Unreadable(Exception):
    """A message that no retry can make readable. Says which rule it broke, no value."""


@dataclass(frozen=True, slots=True)
class Packet:
    """A message as it travels.

    Attributes:
        headers: The ``ce-`` attributes, all text, and Accord's own: ``attempt`` once a
            message has been retried, and ``parked``, the reason, once it is parked.
        user: The broker's user who published it, vouched for by the broker.
    """

    message_id: str
    routing_key: str
    headers: Mapping[str, str]
    body: bytes
    user: str | None = None

    @property
    def attempt(self) -> int:
        """How many times the message has been sent down the retry ladder."""
        try:
            return max(0, int(self.headers.get("attempt", "0")))
        except ValueError:
            return 0

    def with_headers(self, **added: str) -> "Packet":
        """Give the same packet with more headers."""
        return replace(
            self,
            headers={
                **self.headers,
                **{name.replace("_", "-"): value for name, value in added.items()},
            },
        )


def attributes_of(message: Message[Event]) -> dict[str, str]:
    """Give the CloudEvents attributes of a message, each as text."""
    named = {
        "specversion": "1.0",
        "id": message.id,
        "source": message.source,
        "type": message.type,
        "subject": message.subject,
        "time": message.time.isoformat().replace("+00:00", "Z"),
        "dataschema": f"urn:accord:schema:{message.type}",
        "partitionkey": message.subject,
        "correlationid": message.correlation_id,
        "aggregateversion": str(message.aggregate_version),
        "lane": message.lane.value,
    }
    if message.causation_id:
        named["causationid"] = message.causation_id
    if message.traceparent:
        named["traceparent"] = message.traceparent
    return named


def pack(message: Message[Event]) -> Packet:
    """Put a message into the form in which it travels."""
    return Packet(
        message_id=message.id,
        routing_key=f"{message.type}.{message.lane}",
        headers={f"ce-{name}": text for name, text in attributes_of(message).items()},
        body=message.data.model_dump_json().encode(),
    )


def unpack(packet: Packet, catalogue: Catalogue) -> Message[Event]:
    """Read a message. Fields and attributes that are not known are ignored.

    Raises:
        Unreadable: An attribute is missing or wrong, the type is not in the
            catalogue, or the body breaks the event's schema.
    """
    headers = packet.headers
    if _text(headers, "specversion") != "1.0":
        raise _wrong("specversion")
    entry = catalogue.entries.get(_text(headers, "type"))
    if entry is None:
        raise Unreadable("type is not in the catalogue")
    return Message(
        id=_matching(headers, "id", ID),
        source=_text(headers, "source"),
        subject=_matching(headers, "subject", ID),
        time=_time(headers),
        lane=_lane(headers),
        aggregate_version=int(_matching(headers, "aggregateversion", VERSION)),
        data=_body(packet, entry.event),
        correlation_id=_matching(headers, "correlationid", ID),
        causation_id=(
            _matching(headers, "causationid", ID)
            if "ce-causationid" in headers
            else None
        ),
        # Whatever it is: a trace is no reason to refuse a message.
        traceparent=headers.get("ce-traceparent"),
    )


def _wrong(attribute: str) -> Unreadable:
    return Unreadable(f"attribute {attribute} has the wrong form")


def _text(headers: Mapping[str, Any], name: str) -> str:
    found = headers.get(f"ce-{name}")
    if not isinstance(found, str):
        raise Unreadable(f"attribute {name} is missing")
    return found


def _matching(headers: Mapping[str, Any], name: str, form: re.Pattern[str]) -> str:
    found = _text(headers, name)
    if not form.fullmatch(found):
        raise _wrong(name)
    return found


def _time(headers: Mapping[str, Any]) -> datetime:
    try:
        told = datetime.fromisoformat(_text(headers, "time"))
        if told.tzinfo is None:
            raise _wrong("time")
        return told.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _wrong("time") from None


def _lane(headers: Mapping[str, Any]) -> Lane:
    try:
        return Lane(_text(headers, "lane"))
    except ValueError:
        raise _wrong("lane") from None


def _body(packet: Packet, event: type[Event]) -> Event:
    if len(packet.body) > LARGEST:
        raise Unreadable("body is larger than any event")
    try:
        return event.model_validate_json(packet.body, extra="ignore")
    except ValidationError as wrong:
        rules = broken_rules(wrong.errors(), names_in(event))
        raise Unreadable("; ".join(f"{at} {rule}" for at, rule in rules)) from None
