"""Work in a process of its own, which tells how far it is and what came of it."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from accord.parallel import without_interrupts

SPAWN = get_context("spawn")
"""The process begins anew: it inherits no event loop and no connection."""

PATIENCE = 30.0
"""Seconds for which a process that was told to end may put away what it made."""


@asynccontextmanager
async def apart(
    work: Callable[..., None], *given: object
) -> AsyncIterator[AsyncIterator[Any]]:
    """Have work done in a process of its own, and give what it tells, until it ends.

    The process is told to end when the block does, waited for, and killed if it has not
    ended in time. Ctrl-C reaches it through us alone.

    Args:
        work: Is called there with what it tells by, and what is given.
        given: Whatever can be sent to a process.
    """
    ours, theirs = SPAWN.Pipe(duplex=False)
    process = SPAWN.Process(target=work, args=(theirs, *given), daemon=True)
    with without_interrupts():
        process.start()
    theirs.close()
    told = _told(ours)
    try:
        yield told
    finally:
        await told.aclose()
        await asyncio.to_thread(_end, process, ours)
        ours.close()


def _end(process: SpawnProcess, by: Connection) -> None:
    """Have a process end.

    What it still tells is read: one that waits until somebody reads hears nothing else.
    """
    process.terminate()
    until = time.monotonic() + PATIENCE
    with suppress(EOFError, OSError):
        while by.poll(max(0.0, until - time.monotonic())) and time.monotonic() < until:
            by.recv_bytes()
    process.join(max(0.0, until - time.monotonic()))
    if process.is_alive():
        process.kill()
        process.join()


async def _told(by: Connection) -> AsyncGenerator[Any, None]:
    loop, readable = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(by.fileno(), readable.set)
    try:
        while True:
            await readable.wait()
            readable.clear()
            while by.poll():
                yield by.recv()
    except EOFError:
        return
    finally:
        loop.remove_reader(by.fileno())
