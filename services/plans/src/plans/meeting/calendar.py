"""Meetings as a calendar (RFC 5545): when, and nothing else.

Calendars sync to phones that others look at, so no title, place or note says what it is
about.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

from plans.domain.meeting.meeting import Meeting

MEDIA_TYPE = "text/calendar"

TITLE = "Accord"
"""All that is said. A meeting's id tells nothing."""


def calendar(meetings: Iterable[Meeting], at: datetime) -> str:
    """Give meetings as an iCalendar.

    Args:
        meetings: Which.
        at: When it is asked for.
    """
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Accord//EN"]
    lines += ["CALSCALE:GREGORIAN", "METHOD:PUBLISH"]
    for each in meetings:
        lines += [
            "BEGIN:VEVENT",
            f"UID:{each.id}",
            f"DTSTAMP:{_utc(at)}",
            f"DTSTART:{_utc(each.starts_at)}",
            f"DTEND:{_utc(each.ends_at)}",
            f"SEQUENCE:{each.version}",
            f"SUMMARY:{TITLE}",
            *(("STATUS:CANCELLED",) if each.called_off_at else ()),
            "CLASS:PRIVATE",
            "END:VEVENT",
        ]
    return "".join(f"{line}\r\n" for line in [*lines, "END:VCALENDAR"])


def _utc(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
