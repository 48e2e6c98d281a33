"""Work that is done in processes of its own, on all cores."""

from collections.abc import Iterator
from contextlib import contextmanager
from signal import SIG_IGN, SIGINT, signal


@contextmanager
def without_interrupts() -> Iterator[None]:
    """Start processes that Ctrl-C does not reach: the parent begins no further part.

    One that it ended while it started would have the parent wait for it for ever. Only
    where the main thread runs.
    """
    before = signal(SIGINT, SIG_IGN)
    try:
        yield
    finally:
        signal(SIGINT, before)
