"""Work in a process of its own, which tells how far it is and what came of it."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from accord.parallel import without_interrupts

SPAWN = get_context("spawn")
"""The process begins anew: it inherits no event loop and no connection."""


@asynccontextmanager
async def apart(
    work: Callable[..., None], *given: object
) -> AsyncIterator[AsyncIterator[Any]]:
    """Have work done in a process of its own, and give what it tells, until it ends.

    The process is told to end when the block does, and waited for. Ctrl-C reaches it
    through us alone.

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
        process.terminate()
        await asyncio.to_thread(process.join)
        await told.aclose()
        ours.close()


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
