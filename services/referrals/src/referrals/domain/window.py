"""Hours of some days in which somebody may be reached."""

from datetime import datetime
from typing import Annotated
from zoneinfo import ZoneInfo

from accord_contracts.calendar import Shown, Window
from pydantic import Field

Windows = Annotated[tuple[Window, ...], Field(max_length=20)]


def outside(windows: Windows | None, at: datetime, zone: ZoneInfo) -> bool:
    """Tell whether hours were named, and this is none of them."""
    if windows is None:
        return False
    shown = Shown.of(at, zone)
    return not any(each.contains(shown) for each in windows)
