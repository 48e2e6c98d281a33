"""How long whoever did not take something asks us to wait (RFC 9110, 10.2.3)."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

LONGEST = timedelta(days=1)
"""For so long we leave somebody alone who asks for it, and no longer: what waits is
still to be known, and a number may be a slip."""

FIGURES = 9
"""Of seconds: whatever has more is longer than any wait."""

NONE = timedelta()


def asked_to_wait(told: str, at: datetime) -> timedelta:
    """Read ``Retry-After``: seconds, or a date. What is neither asks for nothing.

    Args:
        told: The field's value.
        at: When it was asked.
    """
    told = told.strip()
    if told.isascii() and told.isdigit():
        seconds = timedelta(seconds=int(told[:FIGURES]))
        return LONGEST if len(told) > FIGURES else min(seconds, LONGEST)
    try:
        until = parsedate_to_datetime(told)
        until = until if until.tzinfo else until.replace(tzinfo=UTC)
        return min(max(until - at, NONE), LONGEST)
    except (ValueError, OverflowError):
        return NONE
