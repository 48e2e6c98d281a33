"""The AsyncAPI 3.0.0 document: one for the whole platform, from the catalogue.

AsyncAPI would have a document for each application. Accord publishes one, because the
question that people bring to it is who else hears an event: a service's own operations
are those that bear its tag.
"""

import json
from importlib.metadata import version

from pydantic.json_schema import JsonSchemaValue

from accord_contracts.catalogue import CATALOGUE, Catalogue, Entry
from accord_contracts.message import Lane
from accord_contracts.publish.examples import ID, NOW, example_id
from accord_contracts.publish.schemas import (
    definitions_of,
    event_schema,
    schema_id,
    summary_of,
)
from accord_contracts.risk import RiskLevel

EXCHANGE = "accord.events"

HEADERS: dict[str, dict[str, object]] = {
    "ce-id": {
        "pattern": ID,
        "description": "The same for a repeated publish: readers remember it.",
    },
    "ce-specversion": {"const": "1.0", "description": "CloudEvents 1.0."},
    "ce-type": {"description": "The event's type, which is also its schema's name."},
    "ce-source": {"description": "Who publishes it: `/<region>/<service>`."},
    "ce-subject": {
        "pattern": ID,
        "description": "The case, or the referral before a case is known.",
    },
    "ce-time": {"format": "date-time", "description": "When it became true, UTC."},
    "ce-dataschema": {"description": "The schema of the body."},
    "ce-partitionkey": {
        "pattern": ID,
        "description": "What belongs together: the same as the subject.",
    },
    "ce-correlationid": {
        "pattern": ID,
        "description": "The message that began the conversation.",
    },
    "ce-causationid": {
        "pattern": ID,
        "description": "The message that caused this one, if one did.",
    },
    "ce-traceparent": {
        "pattern": "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$",
        "description": "W3C trace context, if there is a trace.",
    },
    "ce-aggregateversion": {
        "pattern": "^[0-9]+$",
        "description": "The version of the document whose change is told.",
    },
    "ce-lane": {
        "enum": [each.value for each in Lane],
        "description": "Which of a listener's two queues it takes.",
    },
}
"""The CloudEvents attributes that travel as AMQP headers; every one is a string."""

OPTIONAL = frozenset({"ce-causationid", "ce-traceparent"})


def asyncapi(catalogue: Catalogue = CATALOGUE) -> JsonSchemaValue:
    """Give the AsyncAPI document of every event, its publisher and its listeners."""
    return {
        "asyncapi": "3.0.0",
        "id": "urn:accord:events",
        "info": _info(),
        "defaultContentType": "application/json",
        "servers": {"region": _server()},
        "channels": {each.type: _channel(each) for each in catalogue},
        "operations": _operations(catalogue),
        "components": _components(catalogue),
    }


def headers_schema(entry: Entry) -> JsonSchemaValue:
    """Give the schema of an event's headers."""
    return {
        "allOf": [
            {"$ref": "#/components/schemas/CloudEvent"},
            {
                "type": "object",
                "properties": {
                    "ce-type": {"const": entry.type},
                    "ce-source": {"pattern": f"^/[^/]+/{entry.producer}$"},
                    "ce-dataschema": {"const": schema_id(entry.type)},
                },
            },
        ]
    }


def example_message(entry: Entry) -> JsonSchemaValue:
    """Invent a message: its headers and its payload."""
    (payload,) = event_schema(entry.event)["examples"]
    event = entry.event.model_validate_json(json.dumps(payload))
    level = getattr(event, "level", RiskLevel.LOW)
    headers = {
        "ce-id": example_id(entry.type),
        "ce-specversion": "1.0",
        "ce-type": entry.type,
        "ce-source": f"/canterbury/{entry.producer}",
        "ce-subject": event.subject,
        "ce-time": NOW,
        "ce-dataschema": schema_id(entry.type),
        "ce-partitionkey": event.subject,
        "ce-correlationid": example_id("conversation"),
        "ce-aggregateversion": "1",
        "ce-lane": (Lane.URGENT if level.urgent else Lane.ROUTINE).value,
    }
    return {"name": entry.type, "headers": headers, "payload": payload}


def _info() -> JsonSchemaValue:
    return {
        "title": "Accord's events",
        "version": version("accord-contracts"),
        "description": "What Accord's services tell each other. Events are thin: "
        "ids, codes, closed scales and times, never a name, an address or free text.",
        "license": {
            "name": "Apache-2.0",
            "url": "https://www.apache.org/licenses/LICENSE-2.0",
        },
    }


def _server() -> JsonSchemaValue:
    return {
        "host": "{host}",
        "protocol": "amqps",
        "protocolVersion": "0.9.1",
        "description": "The broker of one region, in a virtual host of its own.",
        "variables": {"host": {"description": "Where the region's broker is."}},
    }


def _channel(entry: Entry) -> JsonSchemaValue:
    exchange = {
        "name": EXCHANGE,
        "type": "topic",
        "durable": True,
        "autoDelete": False,
    }
    return {
        "address": f"{entry.type}.{{lane}}",
        "title": entry.event.__name__,
        "summary": summary_of(entry.event),
        "messages": {entry.type: _to("components", "messages", entry.type)},
        "parameters": {"lane": _to("components", "parameters", "lane")},
        "bindings": {
            "amqp": {
                "is": "routingKey",
                "exchange": exchange,
                "bindingVersion": "0.3.0",
            }
        },
    }


def _operations(catalogue: Catalogue) -> JsonSchemaValue:
    found = {}
    for entry in catalogue:
        found[f"{entry.producer}.sends.{entry.type}"] = _send(entry)
        for service in entry.listeners:
            found[f"{service}.receives.{entry.type}"] = _receive(entry, service)
    return found


def _send(entry: Entry) -> JsonSchemaValue:
    publishing = {
        "userId": entry.producer,
        "deliveryMode": 2,
        "mandatory": bool(entry.listeners),
    }
    return _operation(entry, entry.producer, publishing, action="send")


def _receive(entry: Entry, service: str) -> JsonSchemaValue:
    queues = " or ".join(f"`{service}.{lane}`" for lane in Lane)
    told = _operation(entry, service, {"ack": True}, action="receive")
    return {**told, "description": f"Taken from the queue {queues}, by its lane."}


def _operation(
    entry: Entry, service: str, binding: JsonSchemaValue, *, action: str
) -> JsonSchemaValue:
    return {
        "action": action,
        "title": f"{service} {action}s {entry.type}",
        "summary": summary_of(entry.event),
        "channel": _to("channels", entry.type),
        "messages": [_to("channels", entry.type, "messages", entry.type)],
        "tags": [{"name": service}],
        "bindings": {"amqp": {**binding, "bindingVersion": "0.3.0"}},
    }


def _components(catalogue: Catalogue) -> JsonSchemaValue:
    bodies, definitions = definitions_of(
        [each.event for each in catalogue], at="#/components/schemas/{model}"
    )
    return {
        "parameters": {"lane": _lane()},
        "messages": {
            each.type: _message(each, body)
            for each, body in zip(catalogue, bodies, strict=True)
        },
        "schemas": {"CloudEvent": _cloud_event(), **definitions},
    }


def _lane() -> JsonSchemaValue:
    return {
        "enum": [each.value for each in Lane],
        "description": summary_of(Lane),
        "location": "$message.header#/ce-lane",
    }


def _message(entry: Entry, body: JsonSchemaValue) -> JsonSchemaValue:
    return {
        "name": entry.type,
        "title": entry.event.__name__,
        "summary": summary_of(entry.event),
        "contentType": "application/json",
        "correlationId": {"location": "$message.header#/ce-correlationid"},
        "headers": headers_schema(entry),
        "payload": body,
        "examples": [example_message(entry)],
    }


def _cloud_event() -> JsonSchemaValue:
    return {
        "title": "CloudEvent",
        "description": "CloudEvents 1.0 in binary mode: attributes are headers.",
        "type": "object",
        "properties": {
            name: {"type": "string", **rule} for name, rule in HEADERS.items()
        },
        "required": [name for name in HEADERS if name not in OPTIONAL],
    }


def _to(*steps: str) -> JsonSchemaValue:
    return {"$ref": "#/" + "/".join(steps)}
