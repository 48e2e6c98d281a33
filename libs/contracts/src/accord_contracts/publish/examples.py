"""Examples of events: invented, valid, and the same every time they are made."""

import uuid
import zlib

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaValue

from accord_contracts.message import Code, Id, PolicyVersion

ID: str = TypeAdapter(Id).json_schema()["pattern"]
CODE: str = TypeAdapter(Code).json_schema()["pattern"]
POLICY_VERSION: str = TypeAdapter(PolicyVersion).json_schema()["pattern"]
"""The patterns by which schemas know ids, codes and versions of policies."""

INVENTED = uuid.UUID("6f1d5f0e-3f58-5c1c-9b0a-5b1c4d0c2b7e")
"""The namespace of ids in examples, so that they can be no real ones."""

NOW = "2026-07-04T09:30:00Z"
TIMES = {
    "occurred_at": "2026-07-03T21:40:00Z",
    "first_referred_at": "2026-07-04T08:15:00Z",
    "answer_by": "2026-07-04T11:30:00Z",
    "reassess_by": "2026-07-18T09:30:00Z",
}
"""Times in an order that makes sense; every other one is ``NOW``."""


class NoExample(ValueError):
    """No example can be invented for a field from its schema alone."""


def example_of(schema: JsonSchemaValue, known: JsonSchemaValue) -> dict[str, object]:
    """Invent an instance of an object's schema.

    The same field has the same value in every example, so that the examples of all
    events tell one story. A field's own ``examples`` come first.

    Args:
        schema: What the instance is to look like.
        known: The definitions that it refers to.
    """
    return _object(schema, known)


def example_id(name: str) -> str:
    """Invent the id that every example gives this name."""
    return str(uuid.uuid5(INVENTED, name))


def _object(schema: JsonSchemaValue, known: JsonSchemaValue) -> dict[str, object]:
    found = {
        field: _value(field, form, known)
        for field, form in schema.get("properties", {}).items()
    }
    for form in schema.get("patternProperties", {}).values():
        found["threats_to_kill"] = _value("threats_to_kill", form, known)
    return found


def _value(field: str, schema: JsonSchemaValue, known: JsonSchemaValue) -> object:
    form = _followed(schema, known)
    if "examples" in form:
        return form["examples"][0]
    if "const" in form:
        return form["const"]
    if "enum" in form:
        return form["enum"][zlib.crc32(field.encode()) % len(form["enum"])]
    if form.get("type") == "object":
        return _object(form, known)
    if "items" in form:
        return [_value(field, form["items"], known)]
    return _single(field, form)


def _followed(schema: JsonSchemaValue, known: JsonSchemaValue) -> JsonSchemaValue:
    """Follow references, and take the first of several forms."""
    while "$ref" in schema or "anyOf" in schema:
        if "$ref" in schema:
            schema = known[schema["$ref"].rpartition("/")[2]]
        else:
            schema = schema["anyOf"][0]
    return schema


def _single(field: str, form: JsonSchemaValue) -> object:
    match form.get("type"):
        case "string":
            return _text(field, form)
        case "boolean":
            return False
        case "integer":
            return _number(form)
        case "number":
            return float(_number(form))
    raise NoExample(f"Give the field {field} examples: its type suggests none.")


def _text(field: str, schema: JsonSchemaValue) -> str:
    if schema.get("format") == "date-time":
        return TIMES.get(field, NOW)
    if schema.get("pattern") == ID:
        return example_id(field)
    if schema.get("pattern", CODE) == CODE:
        return field
    raise NoExample(f"Give the field {field} examples: its pattern suggests none.")


def _number(schema: JsonSchemaValue) -> int:
    least, most = schema.get("minimum", 1), schema.get("maximum", 1)
    return int(min(max(1, least), max(most, least)))
