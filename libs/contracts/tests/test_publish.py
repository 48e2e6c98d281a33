"""What is published says what the contracts say, in forms that others can use."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import pytest
from accord_contracts import publish, risk
from accord_contracts.catalogue import CATALOGUE, Catalogue, Entry
from accord_contracts.message import Id, Lane
from accord_contracts.publish import IncompatibleContracts
from accord_contracts.publish.examples import NoExample
from accord_contracts.publish.schemas import event_schema
from jsonschema import Draft202012Validator, ValidationError
from pydantic import Field, StringConstraints

CONTRACTS = Path(__file__).parents[1]
NODE = Path(__file__).parent / "node"
ROOT = Path(__file__).parents[3]

ENTRIES = pytest.mark.parametrize("entry", [*CATALOGUE], ids=lambda each: each.type)
EXPORT_AGAIN = (
    "Publish the contracts again: python -m accord_contracts.publish "
    "libs/contracts/schemas docs/events.md"
)

Schema = dict[str, Any]


def example_of(entry: Entry) -> Schema:
    (example,) = event_schema(entry.event)["examples"]
    return dict(example)


def test_every_schema_is_one() -> None:
    for schema in publish.schemas().values():
        Draft202012Validator.check_schema(schema)


def test_the_fingerprint_is_of_what_is_published() -> None:
    read = publish.published(CONTRACTS / "schemas")
    told = json.dumps(read, sort_keys=True, separators=(",", ":"))

    assert publish.fingerprint() == hashlib.sha256(told.encode()).hexdigest()[:16]


@ENTRIES
def test_an_example_keeps_to_its_schema_and_can_be_read(entry: Entry) -> None:
    example = example_of(entry)

    Draft202012Validator(event_schema(entry.event)).validate(example)
    read = entry.event.model_validate_json(json.dumps(example))

    assert json.loads(read.model_dump_json()) == example


def test_examples_are_the_same_every_time() -> None:
    assert publish.asyncapi() == publish.asyncapi()
    assert publish.schemas() == publish.schemas()


@ENTRIES
def test_a_schema_refuses_fields_that_it_does_not_know(entry: Entry) -> None:
    with pytest.raises(ValidationError):
        Draft202012Validator(event_schema(entry.event)).validate(
            {**example_of(entry), "added": 1}
        )


def test_a_schema_refuses_free_text_as_a_key() -> None:
    entry = CATALOGUE.entries["referral.received.v1"]
    validator = Draft202012Validator(event_schema(entry.event))
    told = {**example_of(entry), "answers": {"He said that he would": "yes"}}

    with pytest.raises(ValidationError):
        validator.validate(told)


def test_a_schema_explains_the_fields_in_the_words_of_the_docstrings() -> None:
    schema = event_schema(CATALOGUE.entries["action.overdue.v1"].event)

    assert schema["description"] == "A commitment was not kept in time."
    assert schema["properties"]["worker_id"]["description"] == (
        "Its owner; none if nobody has taken the role."
    )
    assert schema["properties"]["plan_version"]["description"] == (
        "Which version of the plan, counted from 1."
    )


class Odd(risk.RiskChanged):
    """An event with a field that only its author can give an example of."""

    TYPE = "odd.changed.v1"

    odd: Annotated[str, StringConstraints(pattern="^[A-Z]{2}$")]


class OddWithExample(risk.RiskChanged):
    """The same, with an example."""

    TYPE = "odd.changed.v1"

    odd: Annotated[str, StringConstraints(pattern="^[A-Z]{2}$"), Field(examples=["NZ"])]


def test_a_field_whose_example_cannot_be_invented_asks_for_one() -> None:
    with pytest.raises(NoExample, match="Give the field odd examples"):
        event_schema(Odd)

    (example,) = event_schema(OddWithExample)["examples"]

    assert example["odd"] == "NZ"


@ENTRIES
def test_an_example_message_keeps_to_the_asyncapi_document(entry: Entry) -> None:
    document = publish.asyncapi()
    message = document["components"]["messages"][entry.type]
    (example,) = message["examples"]

    for part in ("headers", "payload"):
        schema = {**message[part], "components": document["components"]}
        Draft202012Validator(schema).validate(example[part])


@pytest.mark.parametrize(
    ("header", "wrong"),
    [
        ("ce-type", "risk.changed.v1"),
        ("ce-source", "/canterbury/plans"),
        ("ce-source", "risk"),
        ("ce-dataschema", "urn:accord:schema:risk.changed.v1"),
        ("ce-subject", "Someone"),
        ("ce-lane", "slow"),
        ("ce-aggregateversion", 1),
        ("ce-traceparent", "00"),
    ],
)
def test_the_schema_of_headers_refuses_what_is_wrong(
    header: str, wrong: object
) -> None:
    document = publish.asyncapi()
    message = document["components"]["messages"]["risk.assessed.v1"]
    schema = {**message["headers"], "components": document["components"]}
    headers = message["examples"][0]["headers"]

    with pytest.raises(ValidationError):
        Draft202012Validator(schema).validate({**headers, header: wrong})


def test_the_asyncapi_document_has_every_sender_and_every_listener() -> None:
    operations = publish.asyncapi()["operations"]

    assert {name for name, each in operations.items() if each["action"] == "send"} == {
        f"{each.producer}.sends.{each.type}" for each in CATALOGUE
    }
    assert {
        name for name, each in operations.items() if each["action"] == "receive"
    } == {
        f"{service}.receives.{each.type}"
        for each in CATALOGUE
        for service in each.listeners
    }


def test_a_locality_can_publish_the_document_with_its_own_service() -> None:
    catalogue = CATALOGUE.with_listeners({"housing": ["risk.changed.v1"]})

    document = publish.asyncapi(catalogue)

    assert "housing.receives.risk.changed.v1" in document["operations"]
    assert "| notify, housing |" in publish.events_page(catalogue)


def test_the_asyncapi_document_is_valid_for_the_parser_of_its_authors(
    node: Path, tmp_path: Path
) -> None:
    publish.export(tmp_path)

    told = parsed(node, tmp_path / "asyncapi.json")

    assert [each for each in told["found"] if each["severity"] < 2] == []
    assert told["read"]["version"] == "3.0.0"
    assert told["read"]["channels"] == [each.type for each in CATALOGUE]


def test_the_parser_would_find_a_fault(node: Path, tmp_path: Path) -> None:
    document = publish.asyncapi()
    document["operations"]["risk.sends.risk.changed.v1"]["action"] = "shout"
    path = tmp_path / "asyncapi.json"
    path.write_text(json.dumps(document), encoding="utf-8")

    assert any(each["severity"] == 0 for each in parsed(node, path)["found"])


DEBIANS = (18, 20, 4)
"""The Node of Debian 12, on which `make setup` falls back."""


@pytest.mark.parametrize(
    ("allowed", "fits"),
    [
        ("*", True),
        (">= 0.4", True),
        ("4.x || >=6.0.0", True),
        ("^16.20 || ^18.18 || >= 20.17", True),
        ("^16.20 || >= 20.17", False),
        ("^18.21", False),
        (">= 20.16.0", False),
    ],
)
def test_what_a_package_asks_of_node_is_read(allowed: str, fits: bool) -> None:  # noqa: FBT001
    assert allows(allowed, DEBIANS) is fits


def test_every_package_of_the_parser_allows_the_node_of_debian() -> None:
    packages = json.loads((NODE / "package-lock.json").read_text())["packages"]

    refusing = {
        name: each["engines"]["node"]
        for name, each in packages.items()
        if isinstance(each.get("engines"), dict)
        and not allows(each["engines"].get("node", "*"), DEBIANS)
    }

    assert len(packages) > 100
    assert refusing == {}


def allows(asked: str, version: tuple[int, ...]) -> bool:
    """Tell whether what a package asks of Node allows a version.

    It knows ``*``, ``4.x``, ``>=`` and ``^``: the packages of the lock say no more.
    """
    return any(_allows(each.replace(" ", ""), version) for each in asked.split("||"))


def _allows(asked: str, version: tuple[int, ...]) -> bool:
    if asked == "*":
        return True
    said = re.fullmatch(r"(>=|\^)?(\d+)(?:\.(\d+|x))?(?:\.(\d+))?", asked)
    assert said, asked
    kind, *numbers = said.groups()
    least = tuple(int(each) for each in numbers if each and each != "x")
    same = kind == ">=" or version[0] == least[0]
    return same and version >= least


def parsed(node: Path, document: Path) -> Mapping[str, Any]:
    """What AsyncAPI's own parser says about a document."""
    done = subprocess.run(
        [node, NODE / "validate.mjs", document],
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    )
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="module")
def node() -> Path:
    """Node, with the pinned parser installed once into a folder that git ignores."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.fail(
            "AsyncAPI's parser needs Node 18.18 or later with npm; this machine has "
            "not both of them on its path. Install them, or run `make setup`."
        )
    lock, installed = NODE / "package-lock.json", NODE / "node_modules"
    mark = installed / ".package-lock.json"
    if not mark.exists() or mark.stat().st_mtime < lock.stat().st_mtime:
        done = subprocess.run(
            [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
            cwd=NODE,
            capture_output=True,
            check=False,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, f"npm ci failed:\n{done.stderr}"
    return Path(node)


def test_the_committed_schemas_are_what_is_generated() -> None:
    assert publish.stale(CONTRACTS / "schemas") == [], EXPORT_AGAIN


def test_the_committed_page_is_what_is_generated() -> None:
    page = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")

    assert page == publish.events_page(), EXPORT_AGAIN


def test_the_page_tells_of_every_event_and_every_header() -> None:
    page = publish.events_page()

    assert page.splitlines()[0].startswith("Generated by `accord contracts docs`")
    for entry in CATALOGUE:
        assert f"### `{entry.type}`\n" in page
        for field in entry.event.model_fields:
            assert f"| `{field}` |" in page
    assert all(f"`{lane}`" in page or f".{lane}`" in page for lane in Lane)
    assert "| `ce-partitionkey` |" in page


def test_exporting_twice_changes_nothing(tmp_path: Path) -> None:
    first = publish.export(tmp_path)

    assert {each.relative_to(tmp_path).as_posix() for each in first} == {
        *(f"{each.type}.json" for each in CATALOGUE),
        "http/worker_contact.json",
        "http/problem.json",
        "asyncapi.json",
    }
    assert publish.export(tmp_path) == []
    assert publish.stale(tmp_path) == []


def test_what_is_missing_changed_or_left_over_is_stale(tmp_path: Path) -> None:
    publish.export(tmp_path)
    (tmp_path / "risk.changed.v1.json").unlink()
    edited = tmp_path / "risk.assessed.v1.json"
    edited.write_text(edited.read_text().replace('"extreme"', '"dire"'))
    left = json.dumps({"$id": "urn:accord:schema:risk.forgotten.v1"})
    (tmp_path / "risk.forgotten.v1.json").write_text(left)

    missing, left_over, changed = publish.stale(tmp_path)

    assert missing == "risk.changed.v1.json is missing."
    assert left_over == "risk.forgotten.v1.json belongs to no contract."
    assert changed.startswith("risk.assessed.v1.json differs from the contracts:\n")
    assert '-        "dire"' in changed


def test_files_that_are_not_ours_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"name": "somebody else\'s"}')

    publish.export(tmp_path)

    assert publish.stale(tmp_path) == []
    assert (tmp_path / "package.json").exists()


class RiskChangedOtherwise(risk.RiskChanged):
    """The level of risk is another, told with one more field."""

    by: Id


class RiskChangedWithMore(risk.RiskChanged):
    """The level of risk is another, told with one more field."""

    by: Id | None = None


def with_event(event: type[risk.RiskChanged]) -> Catalogue:
    """The catalogue with another class for one event."""
    was = CATALOGUE.entries[event.TYPE]
    return Catalogue({**CATALOGUE.entries, was.type: replace(was, event=event)})


def test_an_incompatible_change_is_not_written(tmp_path: Path) -> None:
    publish.export(tmp_path)
    path = tmp_path / "risk.changed.v1.json"
    before = path.read_text()

    with pytest.raises(IncompatibleContracts, match=r"Field by of risk\.changed\.v1"):
        publish.export(tmp_path, with_event(RiskChangedOtherwise))

    assert path.read_text() == before
    assert publish.stale(tmp_path) == []


def test_a_contract_that_was_never_released_is_free_to_change(tmp_path: Path) -> None:
    publish.export(tmp_path)
    (tmp_path / "risk.changed.v1.json").unlink()

    publish.export(tmp_path, with_event(RiskChangedOtherwise))

    assert publish.stale(tmp_path, with_event(RiskChangedOtherwise)) == []


def test_a_compatible_change_is_written(tmp_path: Path) -> None:
    publish.export(tmp_path)

    written = publish.export(tmp_path, with_event(RiskChangedWithMore))

    assert tmp_path / "risk.changed.v1.json" in written


def test_an_event_cannot_be_withdrawn_without_a_successor(tmp_path: Path) -> None:
    publish.export(tmp_path)
    entries = dict(CATALOGUE.entries)
    del entries["risk.changed.v1"]

    with pytest.raises(IncompatibleContracts, match="was removed"):
        publish.export(tmp_path, Catalogue(entries))

    assert (tmp_path / "risk.changed.v1.json").exists()


class RiskChangedV2(risk.RiskChanged):
    """The level of risk is another than before, told anew."""

    TYPE = "risk.changed.v2"


def test_a_version_goes_once_its_successor_has_been_published(tmp_path: Path) -> None:
    entries = dict(CATALOGUE.entries)
    entries["risk.changed.v2"] = Entry(RiskChangedV2, "risk")
    publish.export(tmp_path, Catalogue(entries))
    del entries["risk.changed.v1"]

    publish.export(tmp_path, Catalogue(entries))

    assert not (tmp_path / "risk.changed.v1.json").exists()
    assert publish.stale(tmp_path, Catalogue(entries)) == []


def test_the_module_publishes_from_a_shell(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "accord_contracts.publish"]
    arguments = [tmp_path / "schemas", tmp_path / "events.md"]

    done = subprocess.run([*command, *arguments], capture_output=True, check=True)
    wrong = subprocess.run(command, capture_output=True, check=False)

    assert publish.stale(tmp_path / "schemas") == []
    assert (tmp_path / "events.md").read_text() == publish.events_page()
    assert str(tmp_path / "events.md") in done.stdout.decode()
    assert wrong.returncode == 1
    assert b"SCHEMAS [PAGE]" in wrong.stderr
