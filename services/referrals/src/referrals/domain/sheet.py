"""A batch of referrals as a sheet: CSV with a known heading for every column."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from accord_contracts.problem import Refusal, WrongField

MOST_ROWS, MOST_COLUMNS = 10_000, 200

PEOPLE_IN_TEMPLATE = 4

Path = tuple[str | int, ...]

PLAIN: dict[str, Path] = {
    "reference": ("reference",),
    "occurred_at": ("occurred_at",),
    "incidents": ("incidents",),
    "purpose": ("sharing", "purpose"),
    "consulted": ("sharing", "consulted"),
    "why_not_safe": ("sharing", "why_not_safe"),
    "asked_by": ("asked_by", "who"),
    "asked_by_person": ("asked_by", "person"),
    "asked_by_agreed": ("asked_by", "agreed"),
    "no_safe_contact": ("asked_by", "no_safe_contact"),
    "area": ("place", "area"),
    "address": ("place", "address"),
    "narrative": ("narrative",),
    "wish_gender": ("wishes", "gender"),
    "wish_languages": ("wishes", "languages"),
    "wish_kaupapa_maori": ("wishes", "kaupapa_maori"),
    "wish_area": ("wishes", "area"),
    "wish_not_told": ("wishes", "not_told"),
    "wish_iwi": ("wishes", "iwi"),
    "wish_communities": ("wishes", "communities"),
}
"""The columns about a referral as a whole, and where each stands in it."""

PERSON: dict[str, Path] = {
    "role": ("role",),
    "relationship": ("relationship",),
    "given_name": ("given_name",),
    "family_name": ("family_name",),
    "date_of_birth": ("date_of_birth",),
    "gender": ("gender",),
    "register": ("identifiers", 0, "system"),
    "code": ("identifiers", 0, "value"),
    "contact_by": ("contact_points", 0, "channel"),
    "contact": ("contact_points", 0, "value"),
    "contact_safety": ("contact_points", 0, "safety"),
    "contact_days": ("contact_points", 0, "windows", 0, "days"),
    "contact_from": ("contact_points", 0, "windows", 0, "starts"),
    "contact_until": ("contact_points", 0, "windows", 0, "ends"),
    "code_word": ("contact_points", 0, "code_word"),
    "duress_word": ("contact_points", 0, "duress_word"),
}
"""The columns about one person (``person1.role``), and where each stands in them."""

OF_PERSON = re.compile(r"person([1-9]|[12][0-9]|30)\.([a-z_]+)")
ANSWER = re.compile(r"answer\.([a-z][a-z0-9_]{0,63})")

SEVERAL = frozenset(
    {
        "incidents",
        "wish_languages",
        "wish_not_told",
        "wish_iwi",
        "wish_communities",
        "contact_days",
    }
)
"""The columns, of somebody too, that hold several codes with semicolons between."""

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a cell begins with that a spreadsheet program would calculate (OWASP)."""


class BadSheet(Refusal):
    """The file is not a sheet that can be read: nothing of it was taken."""

    status = 422


class RowTooLong(Refusal):
    """The line has more cells than the sheet has headings."""

    status = 422


@dataclass(frozen=True, slots=True)
class Row:
    """One referral of a sheet.

    Attributes:
        headings: Of the sheet, in their order.
        cells: What stands below them.
    """

    headings: tuple[str, ...]
    cells: tuple[str, ...]

    def fields(self) -> dict[str, Any]:
        """Give it as the fields of a referral. Empty cells are left out.

        Raises:
            RowTooLong: There are more cells than headings.
        """
        if any(self.cells[len(self.headings) :]):
            raise RowTooLong
        told: dict[str, Any] = {}
        for heading, cell in zip(self.headings, self.cells, strict=False):
            if text := cell.strip():
                codes = [each.strip() for each in text.split(";")]
                several = heading.rpartition(".")[2] in SEVERAL
                _put(told, self.path(heading), codes if several else text)
        if people := told.get("people"):
            told["people"] = [_listed(people[place]) for place in sorted(people)]
        if number := told.get("asked_by", {}).get("person"):
            # A sheet counts people from 1, and may leave some out.
            numbers = self._people()
            place = numbers.index(number) if number in numbers else -1
            told["asked_by"]["person"] = place
        return told

    def path(self, heading: str) -> Path:
        """Give where the column of a heading stands in the referral of this row."""
        if heading in PLAIN:
            return PLAIN[heading]
        if person := OF_PERSON.fullmatch(heading):
            told = self._people()
            # An empty column of somebody of whom nothing is told is nobody's.
            place = told.index(person[1]) if person[1] in told else -1
            return ("people", place, *PERSON[person[2]])
        return ("answers", heading.partition(".")[2])

    def _people(self) -> list[str]:
        """Give the numbers of the people of whom anything is told, in their order."""
        told = (
            person[1]
            for heading, cell in zip(self.headings, self.cells, strict=False)
            if cell.strip() and (person := OF_PERSON.fullmatch(heading))
        )
        return sorted(set(told), key=int)

    def column(self, wrong: WrongField) -> int | None:
        """Give the number of the column that a wrong field stands in, from 1."""
        parts = wrong.pointer.strip("/").split("/")
        for number, heading in enumerate(self.headings, 1):
            path = [str(each) for each in self.path(heading)]
            if all(a in (b, "*") for a, b in zip(parts, path, strict=False)):
                return number
        return None


def _put(told: dict[Any, Any], path: Path, value: object) -> None:
    for part in path[:-1]:
        told = told.setdefault(part, {})
    told[path[-1]] = value


def _listed(person: dict[str, Any]) -> dict[str, Any]:
    """Write whatever a sheet has room for once as lists of one."""
    return {
        name: [_listed(told[0])] if isinstance(told, dict) and 0 in told else told
        for name, told in person.items()
    }


def read(content: bytes) -> list[tuple[int, Row]]:
    """Read a sheet: UTF-8, commas, a heading line, a referral a line.

    A cell in quotes may hold line breaks. A byte order mark is passed over.

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
    rows: list[tuple[int, Row]] = []
    begins = 1
    try:
        for cells in reader:
            if not headings:
                headings = _headings(cells)
            elif any(each.strip() for each in cells):
                rows.append((begins, Row(headings, tuple(cells))))
            begins = reader.line_num + 1
            if len(rows) > MOST_ROWS:
                raise BadSheet(f"There are more than {MOST_ROWS} referrals.")
    except csv.Error:
        # Its text may hold what stands there.
        raise BadSheet(f"Line {begins}: the quotes do not match.") from None
    if not headings:
        raise BadSheet("Line 1: there are no headings.")
    return rows


def _headings(cells: Sequence[str]) -> tuple[str, ...]:
    """See that every heading is known, and name the first column whose is not."""
    if len(cells) > MOST_COLUMNS:
        raise BadSheet(f"Line 1: there are more than {MOST_COLUMNS} columns.")
    headings = tuple(each.strip() for each in cells)
    for number, each in enumerate(headings, 1):
        if not is_known(each):
            raise BadSheet(f"Line 1, column {number}: this heading is not known.")
        if headings.index(each) != number - 1:
            raise BadSheet(f"Line 1, column {number}: this heading stands twice.")
    return headings


def is_known(heading: str) -> bool:
    """Tell whether a column may be called so."""
    person = OF_PERSON.fullmatch(heading)
    return (
        heading in PLAIN
        or bool(ANSWER.fullmatch(heading))
        or (person is not None and person[2] in PERSON)
    )


def template(questions: Sequence[str]) -> str:
    """Give an empty sheet: the headings that agencies need most.

    Args:
        questions: The locality's questions about risk.
    """
    numbers = range(1, PEOPLE_IN_TEMPLATE + 1)
    people = (f"person{number}.{each}" for number in numbers for each in PERSON)
    answers = (f"answer.{each}" for each in questions)
    return written([*PLAIN, *people, *answers])


def written(cells: Sequence[object]) -> str:
    """Write one line of a sheet, of which no cell is calculated when it is opened."""
    out = io.StringIO(newline="")
    csv.writer(out).writerow(["" if e is None else inert(str(e)) for e in cells])
    return out.getvalue()


def inert(cell: str) -> str:
    """Write a cell so that spreadsheet programs show it and calculate nothing."""
    return f"'{cell}" if cell.lstrip(" ").startswith(FORMULA) else cell


def wrong_columns(row: Row, wrong: Sequence[WrongField]) -> Iterator[str]:
    """Name the columns that were refused, and why, and never what stands in them."""
    for each in wrong:
        number = row.column(each)
        named = number and f"column {number} ({row.headings[number - 1]})"
        where = named or f"no column for {each.pointer}"
        yield f"{where}: {each.rule}"
