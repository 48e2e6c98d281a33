"""A version bears added fields with defaults, and nothing else."""

import pytest
from accord_contracts.compatibility import (
    Schema,
    incompatibilities,
    incompatible_changes,
)
from accord_contracts.message import Code
from pydantic import BaseModel

ADVICE = "Publish thing.changed.v2 beside v1 for one release instead."
MEND = f"Give it a default, or {ADVICE[0].lower()}{ADVICE[1:]}"


def contract(properties: Schema, **keywords: object) -> Schema:
    """A schema whose fields are all required, unless said otherwise."""
    return {
        "$id": "urn:accord:schema:thing.changed.v1",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        "required": list(properties),
        **keywords,
    }


TEXT = {"type": "string"}
NOTHING = {"type": "null"}
SCALE = {"type": "string", "enum": ["low", "high"]}
COUNT = {"type": "integer", "minimum": 0, "maximum": 9}
LIST = {"type": "array", "items": SCALE, "maxItems": 5}
MAP = {"type": "object", "patternProperties": {"^[a-z]+$": SCALE}}


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (TEXT, {"type": "integer"}, "changed from string to integer"),
        (TEXT, {"anyOf": [TEXT, NOTHING]}, "may now be null"),
        ({"anyOf": [TEXT, NOTHING]}, TEXT, "may no longer be null"),
        (TEXT, {**TEXT, "pattern": "^a$"}, "has another pattern"),
        ({**TEXT, "pattern": "^a$"}, TEXT, "has another pattern"),
        (TEXT, {**TEXT, "format": "date-time"}, "has another format"),
        (TEXT, SCALE, "became a closed scale"),
        (SCALE, TEXT, "was a closed scale"),
        (SCALE, {**SCALE, "enum": ["low", "high", "top"]}, "has the new value 'top'"),
        (SCALE, {**SCALE, "enum": ["low"]}, "lost the value 'high'"),
        ({"const": "a"}, {"const": "b"}, "has the new value 'b'"),
        (COUNT, {**COUNT, "minimum": 1}, "had its lower limit narrowed from 0 to 1"),
        (COUNT, {**COUNT, "minimum": -1}, "had its lower limit widened from 0 to -1"),
        (COUNT, {**COUNT, "maximum": 8}, "had its upper limit narrowed from 9 to 8"),
        (COUNT, {**COUNT, "maximum": 10}, "had its upper limit widened from 9 to 10"),
        (TEXT, {**TEXT, "maxLength": 3}, "narrowed from none to 3"),
        ({**LIST, "minItems": 1}, LIST, "widened from 1 to none"),
        (TEXT, {**TEXT, "multipleOf": 2}, "has another multipleOf"),
        (MAP, {**MAP, "patternProperties": {"^a$": SCALE}}, "keys of another pattern"),
        (contract({}), contract({}, additionalProperties=True), "unknown fields"),
        (contract({}), contract({}, additionalProperties=TEXT), "unknown fields"),
        ({"anyOf": [TEXT, COUNT]}, {"anyOf": [TEXT]}, "takes other forms than before"),
    ],
)
def test_a_changed_field_is_named_with_what_to_do(
    old: Schema, new: Schema, what: str
) -> None:
    (told,) = (
        each
        for each in incompatibilities(contract({"it": old}), contract({"it": new}))
        if "lost the value 'a'" not in each
    )

    assert told.startswith("Field it of thing.changed.v1 ")
    assert what in told
    assert told.endswith(ADVICE)


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        (LIST, {**LIST, "items": TEXT}, "it[]"),
        (MAP, {**MAP, "patternProperties": {"^[a-z]+$": TEXT}}, "it.*"),
        ({"additionalProperties": COUNT}, {"additionalProperties": TEXT}, "it.*"),
        (contract({"a": TEXT}), contract({"a": SCALE}), "it.a"),
        (
            {"type": "array", "items": contract({"a": TEXT})},
            {"type": "array", "items": contract({})},
            "it[].a",
        ),
        ({"anyOf": [COUNT, SCALE]}, {"anyOf": [COUNT, TEXT]}, "it"),
    ],
)
def test_a_change_within_a_field_is_named_by_its_path(
    old: Schema, new: Schema, path: str
) -> None:
    (told,) = incompatibilities(contract({"it": old}), contract({"it": new}))

    assert told.startswith(f"Field {path} of thing.changed.v1 ")


def test_a_removed_field_is_refused() -> None:
    assert incompatibilities(contract({"level": SCALE}), contract({})) == [
        f"Field level of thing.changed.v1 was removed. {ADVICE}"
    ]


@pytest.mark.parametrize("keywords", [{}, {"required": []}])
def test_a_field_without_a_visible_default_is_refused(keywords: Schema) -> None:
    new = contract({"level": SCALE}, **keywords)

    assert incompatibilities(contract({}), new) == [
        f"Field level of thing.changed.v1 was added without a default. {MEND}"
    ]


def test_a_field_with_a_default_is_accepted() -> None:
    new = contract({"level": {**SCALE, "default": "low"}}, required=[])

    assert incompatibilities(contract({}), new) == []


def test_a_field_is_refused_where_any_key_had_a_meaning_already() -> None:
    added = {"properties": {"level": {**SCALE, "default": "low"}}}

    (told,) = incompatibilities(contract({"it": MAP}), contract({"it": MAP | added}))

    assert told.startswith("Field it.level of thing.changed.v1 was added where")


@pytest.mark.parametrize("need", ["required", "optional"])
def test_a_field_cannot_become_required_or_optional(need: str) -> None:
    loose = contract({"level": {**SCALE, "default": "low"}}, required=[])
    tight = contract({"level": SCALE})
    old, new = (loose, tight) if need == "required" else (tight, loose)

    assert incompatibilities(old, new) == [
        f"Field level of thing.changed.v1 became {need}. {ADVICE}"
    ]


def test_another_default_is_refused() -> None:
    old, new = (
        contract({"level": {**SCALE, "default": each}}, required=[])
        for each in ("low", "high")
    )

    (told,) = incompatibilities(old, new)

    assert "has another default" in told


def test_a_default_may_say_more_where_a_field_was_added() -> None:
    def with_default(default: Schema, **fields: Schema) -> Schema:
        inner = contract({"level": SCALE, **fields}, required=["level"])
        return contract({"it": {**inner, "default": default}}, required=[])

    old = with_default({"level": "low"})
    added = {**TEXT, "default": "a"}

    assert incompatibilities(old, with_default({"level": "low"}, a=added)) == []
    assert (
        incompatibilities(old, with_default({"level": "low", "a": "b"}, a=added)) == []
    )
    assert incompatibilities(
        old, with_default({"level": "high", "a": "b"}, a=added)
    ) == [f"Field it of thing.changed.v1 has another default. {ADVICE}"]


def test_a_change_of_the_whole_contract_needs_no_field() -> None:
    new = contract({}, additionalProperties=True)

    assert incompatibilities(contract({}), new) == [
        f"thing.changed.v1 treats unknown fields in another way. {ADVICE}"
    ]


def test_what_is_said_to_people_may_change() -> None:
    scale = {"title": "Scale", "description": "How much.", "enum": ["high", "low"]}
    new = contract(
        {"level": {**SCALE, **scale}}, title="T", examples=[{"level": "low"}]
    )

    assert incompatibilities(contract({"level": SCALE}), new) == []


def test_a_definition_may_be_renamed_or_written_out_but_not_changed() -> None:
    def with_scale(name: str, scale: Schema) -> Schema:
        level = {"anyOf": [{"$ref": f"#/$defs/{name}"}, NOTHING]}
        return contract({"level": level}, **{"$defs": {name: scale}})

    old = with_scale("Level", SCALE)
    longer = {**SCALE, "enum": [*SCALE["enum"], "top"]}

    assert incompatibilities(old, with_scale("RiskLevel", SCALE)) == []
    assert (
        incompatibilities(old, contract({"level": {"anyOf": [SCALE, NOTHING]}})) == []
    )
    assert incompatibilities(old, with_scale("Level", longer)) == [
        f"Field level of thing.changed.v1 has the new value 'top'. {ADVICE}"
    ]


class Part(BaseModel):
    """A part that has parts."""

    name: Code
    parts: tuple["Part", ...] = ()


class LooserPart(BaseModel):
    """The same, with other names."""

    name: str
    parts: tuple["LooserPart", ...] = ()


def test_definitions_that_contain_themselves_end() -> None:
    old, new = (
        contract(
            {"it": {"$ref": f"#/$defs/{model.__name__}"}},
            **{"$defs": model.model_json_schema()["$defs"]},
        )
        for model in (Part, LooserPart)
    )

    assert incompatibilities(old, old) == []
    assert incompatibilities(old, new) == [
        f"Field it.name of thing.changed.v1 has another pattern. {ADVICE}"
    ]


def test_another_type_is_another_contract() -> None:
    renamed = contract({}) | {"$id": "urn:accord:schema:thing.altered.v1"}

    assert incompatibilities(contract({}), renamed) == [
        f"thing.changed.v1 was renamed to thing.altered.v1. {ADVICE}"
    ]


def test_what_is_answered_over_http_has_a_path_instead_of_a_version() -> None:
    old = contract({"level": SCALE}) | {"$id": "urn:accord:schema:http.thing"}
    new = contract({}) | {"$id": "urn:accord:schema:http.thing"}

    (told,) = incompatibilities(old, new)

    assert told.startswith("Field level of http.thing was removed. ")
    assert "Answer the new form at a new path beside the old" in told


def test_a_contract_may_go_only_after_its_successor_was_published() -> None:
    first, second = contract({}), contract({})

    gone = incompatible_changes(
        {"thing.changed.v1": first}, {"thing.changed.v2": second}
    )
    succeeded = incompatible_changes(
        {"thing.changed.v1": first, "thing.changed.v2": second},
        {"thing.changed.v2": second},
    )

    assert gone == [f"thing.changed.v1 was removed. {ADVICE}"]
    assert succeeded == []


def test_a_new_contract_is_always_welcome() -> None:
    assert incompatible_changes({}, {"thing.changed.v1": contract({})}) == []
