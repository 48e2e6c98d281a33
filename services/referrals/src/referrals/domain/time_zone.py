"""The region's time zone: where a day begins, and whose clocks show hours."""

from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError


def _there_is(name: str) -> str:
    try:
        ZoneInfo(name)
    except (LookupError, OSError, ValueError):
        raise PydanticCustomError(
            "time_zone", "There is no time zone of this name in the IANA database."
        ) from None
    return name


TimeZone = Annotated[str, AfterValidator(_there_is)]
"""A name of the IANA database that there is."""
