"""JSON Schemas (2020-12) of every event, and of what services answer each other."""

import inspect
import re
from collections.abc import Iterable
from enum import Enum

from pydantic import BaseModel
from pydantic.json_schema import (
    GenerateJsonSchema,
    JsonSchemaValue,
    models_json_schema,
)
from pydantic_core import core_schema

from accord_contracts.allocation import WorkerContact
from accord_contracts.catalogue import CATALOGUE, Catalogue
from accord_contracts.message import Event
from accord_contracts.problem import Problem
from accord_contracts.publish.examples import example_of

DIALECT = "https://json-schema.org/draft/2020-12/schema"

ANSWERED: tuple[type[BaseModel], ...] = (WorkerContact, Problem)
"""What services answer each other over HTTP."""


class ContractSchema(GenerateJsonSchema):
    """Pydantic's JSON Schema, with what the docstrings say at the place they mean.

    It also closes dictionaries with patterned keys, as pydantic does when it reads:
    JSON Schema alone would let any other key through, free text included.
    """

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002
        """Leave out the titles of fields: they only repeat the names."""
        return False

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Describe the fields of a model by its ``Attributes``."""
        told = super().model_schema(schema)
        for field, meaning in meanings_of(schema["cls"]).items():
            if field in told["properties"]:
                told["properties"][field].setdefault("description", meaning)
        return told

    def dict_schema(self, schema: core_schema.DictSchema) -> JsonSchemaValue:
        """Refuse keys that break the pattern."""
        told = super().dict_schema(schema)
        if "patternProperties" in told:
            told["additionalProperties"] = False
        return told


def schema_id(name: str) -> str:
    """Give the URI of a schema: an event's is its messages' ``dataschema``."""
    return f"urn:accord:schema:{name}"


def schemas(catalogue: Catalogue = CATALOGUE) -> dict[str, JsonSchemaValue]:
    """Give every published schema by its name, the part after ``urn:accord:schema:``.

    An event's name is its type; that of what is answered over HTTP begins with
    ``http.``.
    """
    events = {each.type: event_schema(each.event) for each in catalogue}
    return events | {name_of(each): answer_schema(each) for each in ANSWERED}


def event_schema(event: type[Event]) -> JsonSchemaValue:
    """Give the schema of an event's body, with an example."""
    return _schema(event, event.TYPE)


def answer_schema(model: type[BaseModel]) -> JsonSchemaValue:
    """Give the schema of what a service answers over HTTP."""
    return _schema(model, name_of(model))


def name_of(model: type[BaseModel]) -> str:
    """Name what is answered over HTTP: ``http.worker_contact``."""
    words = re.sub(r"(?<!^)(?=[A-Z])", "_", model.__name__)
    return f"http.{words.lower()}"


def definitions_of(
    models: Iterable[type[BaseModel]], *, at: str
) -> tuple[list[JsonSchemaValue], dict[str, JsonSchemaValue]]:
    """Give a reference to each of several models, and the definitions of all.

    Args:
        models: What is to be described.
        at: Where the definitions will stand: ``#/components/schemas/{model}``.
    """
    models = list(models)
    references, found = models_json_schema(
        [(each, "validation") for each in models],
        ref_template=at,
        schema_generator=ContractSchema,
    )
    definitions = {name: _summarised(each) for name, each in found["$defs"].items()}
    return [references[each, "validation"] for each in models], definitions


def summary_of(described: type[BaseModel] | type[Enum]) -> str:
    """Give the first paragraph of a class's docstring, on one line, in Markdown."""
    return _first_paragraph(inspect.cleandoc(described.__doc__ or ""))


def meanings_of(model: type[BaseModel]) -> dict[str, str]:
    """Give what the ``Attributes`` of a class and its parents say, by field."""
    found: dict[str, str] = {}
    for each in reversed(model.__mro__):
        _, _, attributes = inspect.cleandoc(each.__doc__ or "").partition(
            "Attributes:\n"
        )
        entries = re.split(r"^    (\w+): ", attributes, flags=re.MULTILINE)[1:]
        found |= {
            field: _on_one_line(text)
            for field, text in zip(entries[::2], entries[1::2], strict=True)
        }
    return found


def _first_paragraph(text: str) -> str:
    return _on_one_line(text.partition("\n\n")[0])


def _on_one_line(text: str) -> str:
    return " ".join(text.split()).replace("``", "`")


def _summarised(schema: JsonSchemaValue) -> JsonSchemaValue:
    return {**schema, "description": _first_paragraph(schema["description"])}


def _schema(model: type[BaseModel], name: str) -> JsonSchemaValue:
    """Put a model's schema into an order that reads well, with an example."""
    told = _summarised(model.model_json_schema(schema_generator=ContractSchema))
    known = {each: _summarised(form) for each, form in told.pop("$defs", {}).items()}
    return {
        "$schema": DIALECT,
        "$id": schema_id(name),
        **{each: told.pop(each) for each in ("title", "description", "type")},
        **told,
        "examples": [example_of(told, known)],
        **({"$defs": known} if known else {}),
    }
