"""What the tests have done in a process of its own: it is found there by its name."""

import signal
import time
from multiprocessing.connection import Connection

MUCH = b"." * 100_000
"""More than a pipe holds: whoever tells it waits until it is read."""


def tell_until_told_to_end(by: Connection) -> None:
    """Heed the signal as an event loop does: only between two things to tell."""
    heard: list[int] = []
    signal.signal(signal.SIGTERM, lambda *_: heard.append(1))
    by.send("ready")
    while not heard:
        by.send_bytes(MUCH)


def tell_for_ever(by: Connection) -> None:
    """Heed nothing."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    by.send("ready")
    time.sleep(3600)
