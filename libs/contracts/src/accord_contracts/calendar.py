"""The words by which localities and agencies tell days and times of day."""

from enum import StrEnum
from typing import Annotated

from pydantic import StringConstraints


class Day(StrEnum):
    """The days of a week, from its first (ISO 8601)."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


DAYS = tuple(Day)

TimeOfDay = Annotated[
    str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")
]
"""A time of day, as clocks in the region show it."""
