"""Ending when told to, also where a library has swallowed that."""

import asyncio


class Ending(asyncio.Event):
    """Set when the service begins to stop: for answers that would go on for ever.

    It is set before requests in hand are waited for, so that none of those has to be
    cut off.
    """


def heed_cancellation() -> None:
    """End the running task if it was cancelled: for the head of every endless loop.

    And for whoever catches a ``CancelledError`` that need not be their own.

    Until Python 3.12 ``asyncio.wait_for`` drops a cancellation that comes at the moment
    in which what it waits for is done (python/cpython#86296), and drivers use it. A
    loop that goes on then is waited for until the process is killed.

    Raises:
        CancelledError: It was.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
