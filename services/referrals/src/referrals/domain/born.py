"""When somebody was born, as far as an agency knows it.

Written as ISO 8601-2 has it: a day (``1991-03-07``), a month (``1991-03``) or a year
(``1991``), with ``~`` behind it if it is estimated (``1985~``).
"""

import re
from calendar import monthrange
from datetime import date
from typing import Annotated

from pydantic import AfterValidator, StringConstraints
from pydantic_core import PydanticCustomError

EARLIEST = 1900
"""The year before which nobody whom a referral is about was born."""

ABOUT = "~"

ABOUT_YEARS = 10
"""By how many years an estimate may be wrong: a judgement. It tells a child from an
adult and a father from his son, and nobody from a brother or sister."""

WRITTEN = r"^[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?~?$"
DIGITS = re.compile(r"[0-9]+")

WHOLE = 3
"""Parts of a date: its year, its month and its day."""


def _possible(told: str) -> str:
    try:
        begins = first_day(told)
    except ValueError:
        raise PydanticCustomError("no_such_day", "There is no such day.") from None
    if begins.year < EARLIEST:
        raise PydanticCustomError("before_1900", "This is before 1900.")
    return told


DateOfBirth = Annotated[
    str, StringConstraints(pattern=WRITTEN), AfterValidator(_possible)
]


def is_estimated(told: str) -> bool:
    """Tell whether somebody only guessed it."""
    return told.endswith(ABOUT)


def is_whole(told: str) -> bool:
    """Tell whether the very day is known."""
    return not is_estimated(told) and len(_parts(told)) == WHOLE


def first_day(told: str) -> date:
    """Give the first day that what is told may mean, taken at its word.

    Raises:
        ValueError: There is no such day.
    """
    year, month, day = (*_parts(told), 1, 1)[:WHOLE]
    return date(year, month, day)


def earliest_day(told: str) -> date:
    """Give the first day on which somebody may have been born."""
    begins = first_day(told)
    if is_estimated(told):
        return date(begins.year - ABOUT_YEARS, 1, 1)
    return begins


def last_day(told: str) -> date:
    """Give the last day that what is told may mean, taken at its word.

    Raises:
        ValueError: There is no such day.
    """
    match _parts(told):
        case (year,):
            return date(year, 12, 31)
        case (year, month):
            return date(year, month, monthrange(year, month)[1])
    return first_day(told)


def exactness(told: str) -> int:
    """Say how much is known: nothing (-1), an estimate (0), a year or more (1 to 3)."""
    if not told:
        return -1
    return 0 if is_estimated(told) else len(_parts(told))


def _parts(told: str) -> tuple[int, ...]:
    return tuple(int(each) for each in DIGITS.findall(told))
