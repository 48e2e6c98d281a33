"""The bare HTTP client reads what servers answer, and knows when they hang up."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from accord.client import Client

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[str]:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield f"http://127.0.0.1:{port}/prefix"


def answering(*answers: bytes) -> tuple[Serve, list[bytes]]:
    """Answer one request a connection after another, and keep what was asked."""
    asked: list[bytes] = []
    left = list(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(left.pop(0))
        writer.close()

    return serve, asked


async def test_a_body_of_known_length_is_read() -> None:
    serve, asked = answering(b'HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{"a":1}')

    async with serving(serve) as url, Client(url, token="t") as client:
        answer = await client.get("/x")

    assert (answer.status, answer.json()) == (200, {"a": 1})
    assert asked[0].startswith(b"GET /prefix/x HTTP/1.1\r\n")
    assert b"authorization: Bearer t\r\n" in asked[0]


async def test_a_body_in_chunks_is_read() -> None:
    serve, _ = answering(
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"
    )

    async with serving(serve) as url, Client(url) as client:
        assert (await client.get("/")).body == b"abcde"


async def test_a_connection_closed_while_idle_is_made_anew() -> None:
    ok = b"HTTP/1.1 204 No Content\r\n\r\n"
    serve, asked = answering(ok, ok)

    async with serving(serve) as url, Client(url) as client:
        assert (await client.send("POST", "/", {"a": 1}, key="k")).ok
        assert (await client.send("POST", "/", {"a": 1}, key="k")).ok

    assert len(asked) == 2
    assert b"idempotency-key: k\r\n" in asked[0]


async def test_a_server_that_hangs_up_in_the_middle_is_told() -> None:
    serve, _ = answering(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")

    async with serving(serve) as url, Client(url) as client:
        with pytest.raises(ConnectionError):
            await client.get("/")


async def test_a_server_that_is_away_is_told() -> None:
    async with serving(answering()[0]) as url:
        pass

    async with Client(url) as client:
        with pytest.raises(ConnectionError):
            await client.get("/")
