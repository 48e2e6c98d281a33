"""The workers of the directory as a sheet: CSV, a worker a row, a heading a column.

Several codes in one cell have semicolons between them. Hours are written as
``monday,tuesday 08:00-16:30``, absences as ``2026-12-20T00:00Z/2027-01-05T00:00Z 50``
(from, until, the percent of their work that they can do; none: they are away).
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from accord_contracts.calendar import Window
from accord_contracts.problem import Refusal

from allocation.domain.availability import Absence
from allocation.domain.directory import Worker

MOST_ROWS = 10_000

SEVERAL = ("roles", "languages", "skills", "iwi", "communities", "areas")
"""Columns that hold several codes."""

SWITCHES = ("kaupapa_maori", "duty_coordinator", "active")
"""Columns that hold yes or no."""

HEADINGS = (
    "worker_id", "active", "roles", "gender", "languages", "kaupapa_maori", "provider",
    "team", "compartment", "skills", "iwi", "communities", "areas", "base", "hours",
    "contracted_hours", "absences", "capacity", "email", "mobile", "deputy",
    "team_lead", "duty_coordinator",
)  # fmt: skip

NUMBER = re.compile(r"[0-9]{1,9}")

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a cell begins with that a spreadsheet program would calculate (OWASP)."""

QUOTE = "'"
"""What is put before it, and before what begins with it; reading takes one off."""


class BadSheet(Refusal):
    """The file is not a sheet that can be read: nothing of it was taken."""

    status = 422


def written(workers: Iterable[Worker]) -> str:
    """Write workers as a sheet."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(HEADINGS)
    for each in workers:
        writer.writerow(_guarded(_cell(each, heading)) for heading in HEADINGS)
    return text.getvalue()


def _cell(worker: Worker, heading: str) -> str:
    value: Any = worker.id if heading == "worker_id" else getattr(worker, heading)
    if value is None:
        return ""
    if heading in SWITCHES:
        return "yes" if value else "no"
    if heading in SEVERAL:
        return ";".join(sorted(value))
    if heading in PERIODS:
        return ";".join(map(PERIODS[heading], value))
    return str(value)


def _hours(each: Window) -> str:
    return f"{','.join(sorted(each.days))} {each.starts}-{each.ends}"


def _away(each: Absence) -> str:
    return f"{each.since.isoformat()}/{each.until.isoformat()} {each.percent}"


PERIODS: dict[str, Callable[[Any], str]] = {"hours": _hours, "absences": _away}
"""How times are written, by column."""


def _guarded(cell: str) -> str:
    return f"{QUOTE}{cell}" if cell.startswith((*FORMULA, QUOTE)) else cell


def read(content: bytes) -> list[tuple[int, dict[str, Any]]]:
    """Read a sheet: what the directory is told of each worker, by field.

    Empty cells are left out. What a cell cannot mean stays as it is, for whoever takes
    it to name.

    Returns:
        The rows, each with the number of the line that it begins on.

    Raises:
        BadSheet: It cannot be read; the detail names the line and the column.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = content.count(b"\n", 0, fault.start) + 1
        raise BadSheet(f"Line {line}: this is not UTF-8.") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    headings: tuple[str, ...] = ()
    rows, begins = list[tuple[int, dict[str, Any]]](), 1
    try:
        for cells in reader:
            if not headings:
                headings = _headings(cells)
            elif any(each.strip() for each in cells):
                if len(cells) > len(headings):
                    raise BadSheet(
                        f"Line {begins}: there are more cells than headings."
                    )
                rows.append((begins, _told(dict(zip(headings, cells, strict=False)))))
            begins = reader.line_num + 1
            if len(rows) > MOST_ROWS:
                raise BadSheet(f"There are more than {MOST_ROWS} workers.")
    except csv.Error:
        # Its text may hold what stands there.
        raise BadSheet(f"Line {begins}: the quotes do not match.") from None
    if not headings:
        raise BadSheet("Line 1: there are no headings.")
    return rows


def _headings(cells: Sequence[str]) -> tuple[str, ...]:
    """See that every heading is there and known; name the first that is not.

    A row replaces all that is said of a worker: a column that is not there would empty
    its field for everybody.
    """
    headings = tuple(each.strip() for each in cells)
    for number, each in enumerate(headings, 1):
        if each not in HEADINGS:
            raise BadSheet(f"Line 1, column {number}: this heading is not known.")
        if headings.index(each) != number - 1:
            raise BadSheet(f"Line 1, column {number}: this heading stands twice.")
    for each in HEADINGS:
        if each not in headings:
            raise BadSheet(f"Line 1: there is no column {each}.")
    return headings


def _told(row: Mapping[str, str]) -> dict[str, Any]:
    cells = {heading: cell.strip() for heading, cell in row.items()}
    bare = {key: cell.removeprefix(QUOTE) for key, cell in cells.items()}
    return {key: _value(key, cell) for key, cell in bare.items() if cell}


def _value(heading: str, cell: str) -> Any:  # noqa: ANN401 - Whatever its field holds.
    if heading in SWITCHES:
        return {"yes": True, "no": False}.get(cell.lower(), cell)
    if heading in SEVERAL:
        return [each.strip() for each in cell.split(";")]
    if heading == "hours":
        return [_window(each.strip()) for each in cell.split(";")]
    if heading == "absences":
        return [_absence(each.strip()) for each in cell.split(";")]
    return int(cell) if heading == "capacity" and NUMBER.fullmatch(cell) else cell


def _window(text: str) -> dict[str, Any]:
    days, _, times = text.partition(" ")
    starts, _, ends = times.strip().partition("-")
    return {
        "days": [e.strip() for e in days.split(",")],
        "starts": starts,
        "ends": ends,
    }


def _absence(text: str) -> dict[str, Any]:
    times, _, percent = text.partition(" ")
    since, _, until = times.partition("/")
    told: dict[str, Any] = {"since": since, "until": until}
    return told | ({"percent": percent.strip()} if percent else {})
