"""Knowing when to look for what is due: nobody looks for what is not there yet.

A process knows when what it saved itself falls due, and what was there when it looked.
What another replica saved, that one looks for; if it has ended since, what it saved is
found when this one looks all the same, some seconds later.
"""

import time
from datetime import UTC, datetime

AT_ONCE = datetime.min.replace(tzinfo=UTC)
NEVER = datetime.max.replace(tzinfo=UTC)

LOOK_SECONDS = 5.0
"""After how long one looks, whatever is known: a tenth of the looks there were when
each sweep looked (every half second), and little beside clocks of minutes."""


class Awaited:
    """When something of a collection may fall due, by the field that says when."""

    def __init__(self) -> None:
        self._next = AT_ONCE
        self._saved = NEVER
        self._looks = 0
        self._look_by = 0.0

    def note(self, at: datetime | None) -> None:
        """Note that something falls due at a time, if it does."""
        if at is not None:
            self._next, self._saved = min(self._next, at), min(self._saved, at)

    def may_be_due(self, at: datetime) -> bool:
        """Tell whether anything may have fallen due by then."""
        return self._next <= at or time.monotonic() >= self._look_by

    def look(self) -> int:
        """Note that a look begins; until one ends in vain, anything may be due.

        Returns:
            Which look that is.
        """
        self._next, self._saved = AT_ONCE, NEVER
        self._looks += 1
        return self._looks

    def rest(self, look: int, until: datetime | None) -> None:
        """Note that a look was in vain, and when what it saw falls due, if anything.

        What was saved since it began it may not have seen. Of looks that overlap the
        last one counts.
        """
        if look == self._looks:
            self._next = min(self._saved, until or NEVER)
            self._look_by = time.monotonic() + LOOK_SECONDS
