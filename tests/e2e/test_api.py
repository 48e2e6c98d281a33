"""Every service's API, as its own description tells it, asked whatever can be asked.

Schemathesis reads the description and asks: what fits it, what breaks it in every way,
without a token, with other methods, and in sequences. The seed is fixed here; ``make
fuzz`` takes another each time, and asks more.
"""

import asyncio
import os
import re
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from accord.catalogue import SERVICES
from app import Region, Report
from tokens import fuzzer_token

EXAMPLES = os.environ.get("ACCORD_FUZZ_EXAMPLES", "4")
SEED = os.environ.get("ACCORD_FUZZ_SEED", "2018")
"""The year of the Family Violence Act; any would do."""

LEFT_OUT = "positive_data_acceptance"
"""A locality's policy refuses much that fits the schema, and most ids are none."""

BATCH = "/v1/referrals/batch"
OF_BATCH_LEFT_OUT = f"{LEFT_OUT},negative_data_rejection,unsupported_method"
"""Every line of a batch is refused by itself, within an answer that says 200; and to
GET this address is to ask for a referral by an id that is none."""

STREAM = "/v1/inbox/stream"
"""Whoever asks for it well is answered for minutes."""

IN_EVERY_WAY = ("/v1/referrals", "/v1/referrals/{referral_id}")
"""The door that everybody outside has: every field of it is broken in every way. With
all others that takes minutes, so ``make fuzz`` does it; here they are asked by chance.
"""


REFUSALS = ["400", "401", "403", "404", "406", "409", "413", "422", "428", "5xx"]
"""How wrong data may be refused: too much of it too, whatever else is wrong."""


def config() -> str:
    """Give what Schemathesis is told besides its options."""
    told = f'hooks = "{Path(__file__).with_name("fuzzing.py")}"'
    told += f"\nchecks.negative_data_rejection.expected-statuses = {REFUSALS}"
    if "ACCORD_FUZZ_EXAMPLES" in os.environ:
        return told
    outside = (
        f'[[operations]]\ninclude-path = "{each}"\nphases.coverage.enabled = true'
        for each in IN_EVERY_WAY
    )
    return "\n".join([told, "phases.coverage.enabled = false", *outside])


PASSED = 0


@pytest.mark.parametrize("service", SERVICES)
async def test_an_api_is_as_it_says_whatever_is_asked(
    region: Region, service: str, tmp_path: Path, report: Report
) -> None:
    left_out = ("--exclude-path", BATCH, "--exclude-path", STREAM)

    made = await fuzzed(
        region, service, tmp_path, *left_out, "--exclude-checks", LEFT_OUT
    )

    report(f"{service}: {made} requests by Schemathesis")


async def test_a_batch_is_as_it_says_whatever_is_asked(
    region: Region, tmp_path: Path, report: Report
) -> None:
    only = ("--include-path", BATCH, "--exclude-checks", OF_BATCH_LEFT_OUT)

    made = await fuzzed(region, "referrals", tmp_path, *only)

    report(f"batches: {made} requests by Schemathesis")


async def fuzzed(region: Region, service: str, folder: Path, *options: str) -> int:
    """Have Schemathesis ask a service; give how much it asked. Nothing may be wrong."""
    command = [
        str(Path(sys.executable).with_name("schemathesis")),
        "--config-file", "schemathesis.toml",
        "run", f"{region.url}/api/{service}/openapi.json",
        "--header", f"Authorization: Bearer {fuzzer_token(region)}",
        "--seed", SEED,
        "--max-examples", EXAMPLES,
        "--generation-database", "none",
        "--continue-on-failure",
        "--warnings", "off",
        "--no-color",
        *options,
    ]  # fmt: skip
    (folder / "schemathesis.toml").write_text(config())
    running = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=PIPE, stderr=STDOUT
    )
    told, _ = await running.communicate()
    assert running.returncode == PASSED, told.decode()
    [made] = re.findall(r"(\d+) generated", told.decode())
    return int(made)


async def described(region: Region, service: str) -> dict[str, Any]:
    async with httpx2.AsyncClient() as http:
        answer = await http.get(f"{region.url}/api/{service}/openapi.json")
    found: dict[str, Any] = answer.json()
    return found


def operations_in(document: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def filled(document: dict[str, Any], schema: Any, word: str, deep: int = 4) -> Any:
    """A value of the schema's form, with a word of ours wherever there is a text."""
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    for each in ("anyOf", "oneOf", "allOf"):
        if each in schema:
            return filled(document, schema[each][0], word, deep)
    match schema.get("type") if deep else None:
        case "object":
            held = {
                name: filled(document, each, word, deep - 1)
                for name, each in schema.get("properties", {}).items()
            }
            return {**held, word: word}
        case "array":
            return [filled(document, schema.get("items", {}), word, deep - 1)]
        case _:
            return word


def leaves(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    match value:
        case dict():
            for name, each in value.items():
                yield from leaves(each, (*at, name))
        case list():
            for place, each in enumerate(value):
                yield from leaves(each, (*at, place))
        case _:
            yield at


@pytest.mark.parametrize("service", SERVICES)
async def test_no_problem_repeats_what_was_sent(region: Region, service: str) -> None:
    document = await described(region, service)
    headers = {"Authorization": f"Bearer {fuzzer_token(region)}"}
    refused = 0

    async with httpx2.AsyncClient(
        base_url=f"{region.url}/api/{service}", headers=headers
    ) as http:
        for method, path, operation in operations_in(document):
            if path == STREAM:
                continue
            for sent, word in wrong_requests(document, path, operation):
                answer = await http.request(method.upper(), **sent)
                if answer.status_code < 400:
                    continue
                refused += 1
                told = f"{answer.text}\n{answer.headers}"
                assert word not in told, f"{method} {path} repeats what was sent"

    assert refused


def wrong_requests(
    document: dict[str, Any], path: str, operation: Any
) -> Iterator[tuple[dict[str, Any], str]]:
    """Requests of an operation with a word of ours in every place that there is."""
    given = operation.get("parameters", [])
    word = f"aroha{uuid4().hex}"
    for place in ("nothing", *(f"{each['in']} {each['name']}" for each in given)):
        yield _request(document, path, operation, word, place), word
    body = _body_of(document, operation, word)
    for at in leaves(body) if body is not None else ():
        changed = _body_of(document, operation, word)
        inner = changed
        for part in at[:-1]:
            inner = inner[part]
        if at:
            inner[at[-1]] = {word: [word]}
        sent = _request(document, path, operation, word, "nothing")
        yield {**sent, "json": changed}, word
    for raw in (f'{{"{word}', f"{word}", f'["{word}"]'):
        sent = _request(document, path, operation, word, "nothing")
        sent.pop("json", None)
        headers = {"Content-Type": "application/json", "Idempotency-Key": word}
        yield {**sent, "content": raw, "headers": headers}, word
    yield {"url": f"/v1/{word}", "params": {word: word}}, word


def _request(
    document: dict[str, Any], path: str, operation: Any, word: str, place: str
) -> dict[str, Any]:
    for each in operation.get("parameters", []):
        if each["in"] == "path":
            value = word if place == f"path {each['name']}" else str(uuid4())
            path = path.replace(f"{{{each['name']}}}", value)
    sent: dict[str, Any] = {"url": path, "params": {}, "headers": {}}
    for kind, holder in (("query", "params"), ("header", "headers")):
        for each in operation.get("parameters", []):
            if each["in"] == kind and place == f"{kind} {each['name']}":
                sent[holder][each["name"]] = f"{word} {word}"
    if (body := _body_of(document, operation, word)) is not None:
        sent["json"] = body
    return sent


def _body_of(document: dict[str, Any], operation: Any, word: str) -> Any:
    content = operation.get("requestBody", {}).get("content", {})
    held = content.get("application/json")
    return filled(document, held["schema"], word) if held else None
