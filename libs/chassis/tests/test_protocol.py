"""What comes before a body, and bodies without end, against a real server."""

import asyncio
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn
from accord_chassis import problems
from accord_chassis.edge import BODY_LIMIT, Edge
from accord_chassis.protocol import HEAD_BYTES, HEADERS, BoundedProtocol
from fastapi import Depends, FastAPI, HTTPException

MEGABYTE = 1024 * 1024


class Impatient(BoundedProtocol):
    head_seconds = 0.3


class Quiet(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Any:
        yield


def nobody() -> None:
    raise HTTPException(401)


def application() -> FastAPI:
    app = FastAPI(max_body_size=BODY_LIMIT)
    problems.install(app)

    @app.post("/sent", dependencies=[Depends(nobody)])
    async def sent(value: dict[str, Any]) -> int:
        return len(value)

    @app.get("/here")
    async def here() -> str:
        return "here"

    return app


@pytest.fixture
async def port() -> AsyncIterator[int]:
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        Edge(application(), service="toy"),
        lifespan="off",
        log_config=None,
        http=Impatient,
        ws="none",
    )
    server = Quiet(config)
    task = asyncio.create_task(server.serve(sockets=[listening]))
    yield listening.getsockname()[1]
    server.should_exit = True
    await task


async def said(port: int, *parts: bytes) -> bytes:
    """Say something to the server, and give all it says until it hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for each in parts:
            writer.write(each)
            await writer.drain()
        async with asyncio.timeout(10):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


HERE = b"GET /here HTTP/1.1\r\nHost: toy\r\n"
CLOSE = b"Connection: close\r\n\r\n"


async def test_a_request_of_a_usual_size_is_answered(port: int) -> None:
    token = b"Authorization: Bearer " + b"a" * 8000 + b"\r\n"

    assert b'"here"' in await said(port, HERE + token + CLOSE)
    assert b'"here"' in await said(port, HERE, token, CLOSE)


async def test_two_requests_on_one_connection_are_answered(port: int) -> None:
    answer = await said(port, HERE + b"\r\n", HERE + CLOSE)

    assert answer.count(b'"here"') == 2


@pytest.mark.parametrize(
    "headers",
    [
        [b"A: " + b"a" * HEAD_BYTES + b"\r\n" + CLOSE],
        [b"A: " + b"a" * HEAD_BYTES, b"a" * HEAD_BYTES],
        [b"A: a\r\n" * (HEADERS + 1) + CLOSE],
        [b"A: a\r\n"] * (HEAD_BYTES // 6 + 10),
    ],
    ids=["one piece", "no end", "many", "many pieces"],
)
async def test_headers_have_a_greatest_size_and_number(
    port: int, headers: list[bytes]
) -> None:
    answer = await said(port, HERE, *headers)

    assert b"here" not in answer
    assert answer.startswith(b"HTTP/1.1 400 ") or not answer


@pytest.mark.parametrize("begun", [b"", b"GET /he", HERE])
async def test_who_never_says_what_they_want_is_hung_up_on(
    port: int, begun: bytes
) -> None:
    assert await said(port, begun) == b""


async def test_a_body_without_end_costs_no_memory_and_is_answered(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    writer.write(
        b"POST /sent HTTP/1.1\r\nHost: toy\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    sent = 0
    try:
        while sent < 64 * MEGABYTE:
            writer.write(chunk)
            await writer.drain()
            sent += len(chunk)
    except ConnectionError:
        pass  # The server has said what it has to say and hung up.
    head = await reader.read(4096)
    writer.close()

    assert head.startswith(b"HTTP/1.1 413 ")
    assert b"application/problem+json" in head
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown * 1024 < 8 * MEGABYTE
