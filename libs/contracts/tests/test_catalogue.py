"""The rules that every event keeps, whoever adds it."""

import importlib
import json
import os
import pkgutil
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import accord_contracts
import pytest
from accord_contracts import publish
from accord_contracts.catalogue import (
    CATALOGUE,
    Catalogue,
    Entry,
    RepeatedEvent,
    RepeatedListener,
    UnknownEvent,
)
from accord_contracts.compatibility import incompatible_changes, name_of
from accord_contracts.message import Event, PolicyVersion
from accord_contracts.publish.examples import CODE, ID, POLICY_VERSION
from accord_contracts.publish.schemas import event_schema
from pydantic import TypeAdapter, ValidationError

ROOT = Path(__file__).parents[3]
SCHEMAS = "libs/contracts/schemas"

ENTRIES = pytest.mark.parametrize("entry", [*CATALOGUE], ids=lambda each: each.type)

TELLING = frozenset(
    {"name", "names", "address", "phone", "mobile", "email", "note", "notes", "text",
     "comment", "comments", "description", "dob", "birth", "nhi", "location",
     "latitude", "longitude", "street", "suburb"}
)  # fmt: skip
"""Words of field names that promise what no event may carry."""

Schema = dict[str, Any]


def events() -> list[type[Event]]:
    """Every event class of the package, found without asking the catalogue."""
    for module in pkgutil.iter_modules(accord_contracts.__path__):
        importlib.import_module(f"accord_contracts.{module.name}")
    return [each for each in offspring(Event) if "TYPE" in vars(each)]


def offspring(event: type[Event]) -> Iterator[type[Event]]:
    for each in event.__subclasses__():
        if each.__module__.startswith("accord_contracts."):
            yield each
        yield from offspring(each)


def parts(schema: Schema, field: str = "") -> Iterator[tuple[str, Schema]]:
    """Every part of a schema with the name of the field that it belongs to."""
    yield field, schema
    for group in ("properties", "$defs"):
        for name, part in schema.get(group, {}).items():
            yield from parts(part, name)
    for part in (*schema.get("patternProperties", {}).values(), schema.get("items")):
        if part:
            yield from parts(part, field)
    for part in schema.get("anyOf", ()):
        yield from parts(part, field)


def test_every_event_is_in_the_catalogue_once() -> None:
    found = events()

    assert len({each.TYPE for each in found}) == len(found)
    assert {each.TYPE: each for each in found} == {
        each.type: each.event for each in CATALOGUE
    }


@ENTRIES
def test_a_type_is_a_noun_a_past_verb_and_a_version(entry: Entry) -> None:
    assert re.fullmatch(r"[a-z_]+\.[a-z_]+\.v[1-9]\d*", entry.type)


@ENTRIES
def test_an_event_stands_in_the_module_of_its_publisher(entry: Entry) -> None:
    package, module, *_ = entry.event.__module__.split(".")

    assert (package, module) == ("accord_contracts", entry.producer)


@ENTRIES
def test_an_event_says_in_a_sentence_what_it_tells(entry: Entry) -> None:
    sentence = (vars(entry.event)["__doc__"] or "").split("\n\n")[0]

    assert re.match(r"[A-Z].*\.$", sentence, flags=re.DOTALL), entry.event.__name__


@ENTRIES
def test_every_field_says_what_it_means_unless_its_name_does(entry: Entry) -> None:
    schema = event_schema(entry.event)
    told = [schema, *schema.get("$defs", {}).values()]
    fields = [each for part in told for each in part.get("properties", {}).items()]

    unexplained = {name for name, form in fields if not form.get("description")}

    assert not [each for each in unexplained if not each.endswith(("_id", "_at"))]


@pytest.mark.parametrize(
    ("version", "known"),
    [
        ("canterbury-2026-11", True),
        ("2026.11", True),
        ("a" * 64, True),
        ("a" * 65, False),
        ("Canterbury", False),
        ("the one of today", False),
        ("-2026", False),
        ("", False),
    ],
)
def test_a_version_of_a_policy_has_no_room_for_free_text(
    version: str, *, known: bool
) -> None:
    said = TypeAdapter(PolicyVersion)

    if known:
        assert said.validate_python(version) == version
    else:
        with pytest.raises(ValidationError):
            said.validate_python(version)


@ENTRIES
def test_no_event_has_room_for_free_text(entry: Entry) -> None:
    assert not room_for_free_text(event_schema(entry.event))


@pytest.mark.parametrize(
    "said",
    [
        {"type": "string"},
        {"type": "string", "pattern": "^.*$"},
        {"type": "object", "additionalProperties": {"type": "boolean"}},
        {"type": "object"},
        {"patternProperties": {"^.*$": {"type": "boolean"}}},
    ],
)
def test_room_for_free_text_is_found_wherever_it_is(said: Schema) -> None:
    for form in (said, {"anyOf": [said]}, {"items": said}, {"$defs": {"said": said}}):
        assert room_for_free_text({"properties": {"said": form}}) == {"said"}


def room_for_free_text(schema: Schema) -> set[str]:
    """Name the fields whose values or keys could be any text."""
    return {
        field for field, part in parts(schema) if open_text(part) or open_keys(part)
    }


def open_text(part: Schema) -> bool:
    closed = "enum" in part or part.get("format") == "date-time"
    known = part.get("pattern") in {ID, CODE, POLICY_VERSION}
    return part.get("type") == "string" and not (closed or known)


def open_keys(part: Schema) -> bool:
    is_open = part.get("type") == "object" and part.get("additionalProperties", True)
    return is_open is not False or bool({*part.get("patternProperties", {})} - {CODE})


@ENTRIES
def test_no_field_promises_what_no_event_may_carry(entry: Entry) -> None:
    for field, _ in parts(event_schema(entry.event)):
        assert not TELLING & set(field.split("_")), field


def test_the_rules_would_notice_free_text() -> None:
    found = dict(parts({"properties": {"said": {"anyOf": [{"type": "string"}]}}}))

    assert found["said"] == {"type": "string"}


@ENTRIES
def test_every_list_of_an_event_has_an_end(entry: Entry) -> None:
    for field, part in parts(event_schema(entry.event)):
        if part.get("type") == "array":
            assert "maxItems" in part, field
        if "patternProperties" in part:
            assert "maxProperties" in part, field


@ENTRIES
def test_an_event_is_strict_when_it_is_published(entry: Entry) -> None:
    (example,) = event_schema(entry.event)["examples"]
    config = entry.event.model_config

    assert config.get("frozen")
    assert config.get("strict")
    with pytest.raises(ValidationError):
        entry.event.model_validate_json(json.dumps({**example, "added": 1}))


@ENTRIES
def test_a_reader_tolerates_what_a_later_publisher_adds(entry: Entry) -> None:
    (example,) = event_schema(entry.event)["examples"]
    told = json.dumps(with_additions(example))

    read = entry.event.model_validate_json(told, extra="ignore")

    assert json.loads(read.model_dump_json()) == example


def with_additions(value: object) -> object:
    """Add a field to every object but the dictionaries, whose keys are codes."""
    if isinstance(value, list):
        return [with_additions(each) for each in value]
    if not isinstance(value, dict) or "threats_to_kill" in value:
        return value
    return {key: with_additions(each) for key, each in value.items()} | {"added": 1}


def test_nobody_can_listen_to_what_is_not_published() -> None:
    with pytest.raises(UnknownEvent):
        CATALOGUE.with_listeners({"housing": ["risk.forgotten.v1"]})


def test_a_locality_adds_a_service_that_listens() -> None:
    wider = CATALOGUE.with_listeners({"housing": ["risk.changed.v1"]})

    assert [each.type for each in wider.heard_by("housing")] == ["risk.changed.v1"]
    assert wider.entries["risk.changed.v1"].listeners == ("notify", "housing")
    assert CATALOGUE.heard_by("housing") == ()


@pytest.mark.parametrize(
    "added",
    [
        {"notify": ["risk.changed.v1"]},
        {"housing": ["risk.changed.v1", "risk.changed.v1"]},
    ],
)
def test_nobody_listens_to_an_event_twice(added: dict[str, list[str]]) -> None:
    with pytest.raises(RepeatedListener, match=r"risk\.changed\.v1"):
        CATALOGUE.with_listeners(added)


def test_a_type_is_in_a_catalogue_once() -> None:
    entry = CATALOGUE.entries["risk.changed.v1"]

    with pytest.raises(RepeatedEvent, match=r"risk\.changed\.v1"):
        Catalogue.of([entry, Entry(entry.event, "plans")])


def test_the_contracts_are_compatible_with_the_committed_ones() -> None:
    """Compare with HEAD, or with what ``ACCORD_CONTRACTS_SINCE`` names: a release.

    A check of a branch sets it to the branch's base, because at the branch's own
    head the change is committed already.
    """
    since = os.environ.get("ACCORD_CONTRACTS_SINCE", "HEAD")

    committed = committed_schemas(ROOT, since)

    assert incompatible_changes(committed, publish.schemas()) == []


def committed_schemas(root: Path, since: str) -> dict[str, Schema]:
    """Read the schemas of a commit, or say loudly that there is none to read."""
    if not (root / ".git").exists():
        pytest.skip("NOT CHECKED: this is no git checkout, so nothing is committed.")
    listed = git(root, "ls-tree", "-r", "--name-only", since, "--", SCHEMAS)
    read = [json.loads(git(root, "show", f"{since}:{each}")) for each in listed.split()]
    return {name_of(each): each for each in read if "$id" in each}


def git(root: Path, *arguments: str) -> str:
    """Run git on this folder, whatever repository a calling hook has in mind."""
    command = shutil.which("git")
    if command is None:
        pytest.skip("NOT CHECKED: git is missing, so nothing committed can be read.")
    done = subprocess.run(
        [command, *arguments],
        capture_output=True,
        check=False,
        cwd=root,
        env={key: it for key, it in os.environ.items() if not key.startswith("GIT_")},
        text=True,
    )
    assert done.returncode == 0, f"git {' '.join(arguments)}: {done.stderr}"
    return done.stdout


def test_the_comparison_reads_what_was_committed(tmp_path: Path) -> None:
    publish.export(tmp_path / SCHEMAS)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    settings = {
        "user.name": "Nobody",
        "user.email": "nobody@example.org",
        "commit.gpgsign": "false",
    }
    options = [part for each in settings.items() for part in ("-c", "=".join(each))]
    git(tmp_path, *options, "commit", "-qm", "Publish")
    shutil.rmtree(tmp_path / SCHEMAS)

    committed = committed_schemas(tmp_path, "HEAD")

    assert committed.keys() == publish.schemas().keys()
    committed["risk.forgotten.v1"] = committed["risk.changed.v1"]
    (told,) = incompatible_changes(committed, publish.schemas())
    assert told.startswith("risk.forgotten.v1 was removed.")


def test_a_missing_checkout_is_said(tmp_path: Path) -> None:
    with pytest.raises(pytest.skip.Exception, match="NOT CHECKED: this is no git"):
        committed_schemas(tmp_path, "HEAD")
