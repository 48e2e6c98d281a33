"""Looks through a paper for what must not leave: the last look, after redaction.

It goes by other means than redaction does, so that one mistake is not made twice: it
looks at the paper itself, for whatever has the shape of an address, a telephone number
or another way to find somebody, and for whatever redaction should have left out.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator

from accord_contracts.problem import Refusal

from plans.documents.audience import Facts
from plans.documents.sheet import Section, Sheet

SHORTEST = 5
"""Letters; shorter codes stand in other words by chance."""


class ProtectedText(Refusal):
    """Something on this paper may tell where somebody is: it does not leave."""

    status = 422


_STREETS = (
    "street|st|road|rd|avenue|ave|drive|dr|lane|ln|place|pl|crescent|cres|terrace|tce|"
    "close|court|ct|way|quay|parade|highway|hwy|grove|rise|square|boulevard|mews|"
    "track|esplanade|loop|ara|tiriti|huarahi"
)

SHAPES = (
    # A house, with or without a flat: 2/14 Rimu Street, 14a rimu rd, Flat 3.
    re.compile(
        rf"\b\d+[a-z]?(?:/\d+[a-z]?)?,?\s+(?:[\w'\u2019-]+\s+){{1,4}}(?:{_STREETS})\b"
    ),
    re.compile(r"\b(?:flat|unit|apartment|apt|room|rapid number)\s+#?\d+[a-z]?\b"),
    # A street without its number; a name and a suffix of at least four letters.
    re.compile(
        r"\b[\w'\u2019-]{3,}\s+(?:street|road|avenue|crescent|terrace|tiriti)\b"
    ),
    re.compile(r"\bp\.?\s?o\.?\s+box\s+\d+\b"),
    # A telephone number: seven digits or more, however they are written.
    re.compile(r"(?:\+|\b)\d(?:[\s().\-\u2013/]{0,3}\d){6,}\b"),
    re.compile(r"[\w.+-]+\s?@\s?[\w-]+(?:\.[\w-]+)*"),
    re.compile(r"\bhttps?://|\bwww\.|\b[\w-]+\.(?:nz|com|org|net|me|app)\b"),
    # Where somebody is to some metres.
    re.compile(r"-?\b\d{1,3}\.\d{3,}\b"),
    # National Health Index: three letters, four digits, or two, a digit or letter.
    re.compile(r"\b[a-hj-np-z]{3}\d{4}\b|\b[a-hj-np-z]{3}\d{2}[a-hj-np-z]{2}\b"),
    # A car.
    re.compile(r"\b[a-z]{3}-?\d{3}\b"),
)
"""What tells where somebody is, or how to reach them; looked for in small letters."""


def look_through(sheet: Sheet, given: Facts, left: Facts) -> None:
    """See that nothing protected stands on a paper.

    Args:
        sheet: The paper.
        given: Everything that is known of the case.
        left: What of that redaction has left for this paper.

    Raises:
        ProtectedText: Something does. It names the sections, and never what it is.
    """
    withheld = {*_told_in(given)} - {*_told_in(left)}
    refuse(each.name for each in sheet.sections if _betrays(each, withheld))


def look_over(sheet: Sheet) -> None:
    """See that a paper that quotes nobody has nothing of a protected shape on it.

    Raises:
        ProtectedText: It has.
    """
    refuse(each.name for each in sheet.sections if _betrays(each, set()))


def told_on(sheet: Sheet) -> list[tuple[str, str]]:
    """Give everything on a paper that was told of its case, each with its section."""
    return [
        (section.name, each.en)
        for section in sheet.sections
        for row in section.rows
        for each in row
        if each.told and each.en.strip()
    ]


def refuse(found: Iterable[str]) -> None:
    """Refuse a paper if anything protected stands in any of its sections.

    Raises:
        ProtectedText: It does.
    """
    if sections := dict.fromkeys(found):
        raise ProtectedText(f"Look at: {', '.join(sections)}.")


def _betrays(section: Section, withheld: set[str]) -> bool:
    told = (_plain(each.en) for row in section.rows for each in row if each.told)
    return any(
        any(shape.search(text) for shape in SHAPES)
        or any(word in text for word in withheld)
        for text in told
    )


def _told_in(facts: Facts) -> Iterator[str]:
    """Give what was told of people: by any of it they can be found."""
    told = [each.entry.words or "" for each in facts.said]
    told += [service.provider for e in facts.needs for service in e.services]
    yield from (_plain(each) for each in told if len(each.strip()) >= SHORTEST)


def _plain(text: str) -> str:
    """Give a text as it reads: without what only a machine tells apart."""
    seen = unicodedata.normalize("NFKC", text.replace("_", " "))
    shown = "".join(each for each in seen if unicodedata.category(each) != "Cf")
    return " ".join(shown.casefold().split())
