"""What a body may be, told before anything parses it."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from accord_chassis.bodies import DEEPEST, LONGEST, TooDeep, check_shape
from accord_chassis.edge import BODY_LIMIT, Edge
from accord_chassis.problems import install
from fastapi import FastAPI, Request
from hypothesis import given
from hypothesis import strategies as st

JSON = b"application/json"

QUICK = 0.5
"""Seconds that the worst body may take; on an idle machine it takes about 0.02."""


def nested(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


@pytest.mark.parametrize(
    "body",
    [
        nested(DEEPEST),
        json.dumps(list(range(LONGEST))).encode(),
        json.dumps({"text": "[" * 500 + "," * LONGEST * 2}).encode(),
        json.dumps({"text": '\\"' + "{" * 500}).encode(),
        json.dumps([[1] * (LONGEST - 1)] * 3).encode(),
        b"",
        b"not JSON at all",
        b"]]]]}}}}",
    ],
)
def test_what_is_deep_or_long_enough_passes(body: bytes) -> None:
    check_shape(body)


@pytest.mark.parametrize(
    "body",
    [
        nested(DEEPEST + 1),
        b"[" * (BODY_LIMIT // 2),
        b'{"a":' * 10_000,
        json.dumps(list(range(LONGEST + 1))).encode(),
        json.dumps({str(each): 1 for each in range(LONGEST + 1)}).encode(),
        json.dumps({"a": [{"b": [0] * (LONGEST + 1)}]}).encode(),
    ],
)
def test_what_is_deeper_or_longer_is_refused(body: bytes) -> None:
    with pytest.raises(TooDeep):
        check_shape(body)


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b"{}," * 21_000,
        b'"' + rb"\"" * 32_000 + b"\\",
        b'"' * BODY_LIMIT,
        b"[" + b'"",' * 21_000,
        b"[]" * 32_000,
    ],
)
def test_the_worst_body_is_looked_at_quickly(body: bytes) -> None:
    started = time.perf_counter()

    try:
        check_shape(body, longest=BODY_LIMIT)
    except TooDeep:
        pytest.fail("nothing is too deep here")

    assert time.perf_counter() - started < QUICK


def depth_of(value: Any) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return 1 + max(map(depth_of, value), default=0)
    return 0


def longest_in(value: Any) -> int:
    if not isinstance(value, dict | list):
        return 0
    within = value.values() if isinstance(value, dict) else value
    return max(len(value), *map(longest_in, within), 0)


@given(
    value=st.recursive(
        st.none() | st.integers() | st.text(alphabet='ab[]{},"\\\n'),
        lambda inner: (
            st.lists(inner, max_size=5)
            | st.dictionaries(st.text(alphabet='[{",\\'), inner, max_size=5)
        ),
    )
)
def test_looking_agrees_with_parsing(value: Any) -> None:
    body = json.dumps(value).encode()
    fits = depth_of(value) <= 3 and longest_in(value) <= 3

    try:
        check_shape(body, deepest=3, longest=3)
    except TooDeep:
        assert not fits
    else:
        assert fits


class Client:
    """Asks an application over bare ASGI, so that a body comes as the test says."""

    def __init__(self, body_seconds: float) -> None:
        app = FastAPI()
        install(app)

        @app.post("/sent")
        async def sent(request: Request) -> int:
            return len(await request.body())

        @app.post("/parsed")
        async def parsed(value: dict[str, Any]) -> int:
            return len(value)

        self.app = Edge(app, service="toy", body_seconds=body_seconds)

    async def post(
        self, path: str, parts: AsyncIterator[bytes], *kinds: bytes
    ) -> tuple[int, dict[bytes, bytes]]:
        async def receive() -> dict[str, Any]:
            part = await anext(parts, None)
            return {"type": "http.request", "body": part or b"", "more_body": part}

        told: list[Any] = []

        async def send(message: Any) -> None:
            told.append(message)

        scope = {
            "type": "http", "http_version": "1.1", "method": "POST", "path": path,
            "raw_path": path.encode(), "query_string": b"", "root_path": "",
            "headers": [(b"content-type", each) for each in kinds or (JSON,)],
            "client": ("test", 1), "server": ("test", 2), "scheme": "http",
        }  # fmt: skip
        await self.app(scope, receive, send)
        return told[0]["status"], dict(told[0]["headers"])


async def once(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 1000):
        yield body[start : start + 1000]


async def drop_by_drop() -> AsyncIterator[bytes]:
    while True:
        yield b" "
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("path", ["/sent", "/parsed"])
async def test_a_deep_body_is_refused_before_it_is_parsed(path: str) -> None:
    client = Client(body_seconds=30)

    status, headers = await client.post(path, once(nested(30_000)))

    assert status == 422
    assert headers[b"content-type"] == b"application/problem+json"


async def test_lines_are_looked_at_by_whoever_takes_them_apart() -> None:
    client = Client(body_seconds=30)

    status, _ = await client.post(
        "/sent", once(nested(30_000)), b"application/x-ndjson; charset=utf-8"
    )

    assert status == 200


@pytest.mark.parametrize(
    "kinds",
    [
        (b"application/x-ndjson+json",),
        (b"application/json", b"application/x-ndjson"),
        (b"application/json; a=application/x-ndjson",),
        (b"text/plain",),
    ],
)
async def test_no_other_name_for_json_gets_a_deep_body_through(
    kinds: tuple[bytes, ...],
) -> None:
    client = Client(body_seconds=30)

    status, _ = await client.post("/parsed", once(nested(30_000)), *kinds)

    assert status == 422


@pytest.mark.parametrize("path", ["/sent", "/parsed"])
async def test_a_body_that_never_ends_is_given_up(path: str) -> None:
    client = Client(body_seconds=0.2)

    async with asyncio.timeout(10):
        status, headers = await client.post(path, drop_by_drop())

    assert status == 408
    assert headers[b"connection"] == b"close"
    assert headers[b"content-type"] == b"application/problem+json"
