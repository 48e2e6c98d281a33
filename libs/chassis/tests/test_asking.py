"""Asking another service that goes away at the worst moment."""

import asyncio
import socket
import struct
import threading
from collections.abc import Iterator

import pytest
import uvloop
from accord_chassis.asking import NoAnswer, Peer, ServiceToken
from pydantic import SecretStr, TypeAdapter

RESET = struct.pack("ii", 1, 0)
"""Linger for no time: closing resets the connection."""

ROUNDS = 60
"""Of fifty questions each: it is one connection in fifty or so at the worst moment."""


@pytest.fixture
def resetting() -> Iterator[str]:
    """Whoever takes every connection and resets it, as a killed process does."""
    with socket.create_server(("127.0.0.1", 0), backlog=200) as listening:

        def reset_each() -> None:
            while True:
                try:
                    taken, _ = listening.accept()
                except OSError:
                    return
                taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                taken.close()

        thread = threading.Thread(target=reset_each, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def test_whoever_is_killed_while_they_are_asked_gives_no_answer(resetting: str) -> None:
    none, others = 0, set[str]()

    async def ask(peer: Peer) -> None:
        nonlocal none
        try:
            await peer.get("/something", TypeAdapter(object))
        except NoAnswer:
            none += 1
        except Exception as fault:  # noqa: BLE001 - It is what the test looks for.
            others.add(type(fault).__name__)

    async def ask_often() -> None:
        peer = Peer(resetting, ServiceToken(given=SecretStr("token")))
        for _ in range(ROUNDS):
            await asyncio.gather(*(ask(peer) for _ in range(50)))
        await peer.close()

    # As services run: the fault that made this test is uvloop's and anyio's.
    uvloop.run(ask_often())

    assert (none, others) == (50 * ROUNDS, set())
