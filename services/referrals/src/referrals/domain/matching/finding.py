"""By what one is found among a million people, to be compared at all.

``blocking`` is for a file of which every pair is wanted. Here each key is so narrow
that it brings few together however many people there are: one slip, in either name or
in the date of birth, leaves a key that both have. A key is plain text that begins with
its kind, so that a store can keep a keyed hash of it instead.
"""

from collections.abc import Iterator

from referrals.domain.matching.blocking import BEGINNING
from referrals.domain.matching.record import (
    BORN,
    FAMILY,
    GIVEN,
    PHONE,
    PLACES,
    Record,
    Value,
)

WHOLE_DATE = len("YYYYMMDD")

NAMED, NAMED_ALONE = "named", "named_alone"
"""How both names sound: of whoever has a whole date of birth, and of who has not.

Whoever has one asks for those who have none alone; all others who are named like them
are told from them by the date, and would be many. Where no date tells anything, both
names have to be the same for somebody to be asked about (decision 72)."""


def kept(record: Record) -> frozenset[str]:
    """Give the keys by which somebody is found. What one asks for, the other keeps."""
    own = NAMED if _day(record.first(BORN)) else NAMED_ALONE
    return frozenset((*_shared(record), *_named(record, own)))


def asked(record: Record) -> frozenset[str]:
    """Give the keys of those who may be somebody."""
    others = [NAMED_ALONE] if _day(record.first(BORN)) else [NAMED, NAMED_ALONE]
    named = (key for kind in others for key in _named(record, kind))
    return frozenset((*_shared(record), *named))


def _shared(record: Record) -> Iterator[str]:
    for system, codes in record.identifiers.items():
        yield from (f"identifier.{system}:{each}" for each in codes)
    yield from (f"phone:{each.folded}" for each in record.values[PLACES[PHONE]])
    born = record.first(BORN)
    if born is None:
        return
    year, day = born.folded[:4], _day(born)
    # A wrong day.
    yield from (f"{key}|{year}" for key in _named(record, "sounds_year"))
    if day:
        yield from (f"{key}|{year}|{day}" for key in _heard(record))
        # A wrong year: their names begin alike, and the day is the same.
        yield from (f"{key}|{day}" for key in _begun(record))
    given, family = record.first(GIVEN), record.first(FAMILY)
    if given and family:
        for group in given.groups:
            yield f"alias_year:{group}|{family.sound}|{year}"


def _heard(record: Record) -> Iterator[str]:
    """Give how either name begins to sound, and what else the given one may be.

    On one day some forty of a million are born, and six of them begin a name alike
    (one in seven of FEBRL's). Whoever has the day alone, and both names of another
    sound, lies so far below what is asked about that comparing them tells nothing.
    """
    for kind, field in (("born_given", GIVEN), ("born_family", FAMILY)):
        if name := record.first(field):
            yield f"{kind}:{(name.sound or name.folded)[:1]}"
            yield from (f"born_alias:{group}" for group in name.groups)


def _named(record: Record, kind: str) -> Iterator[str]:
    """Give how both names sound, in either order: they may have been swapped."""
    given, family = record.first(GIVEN), record.first(FAMILY)
    if given and family:
        sounds = sorted(each.sound or each.folded for each in (given, family))
        yield f"{kind}:{'|'.join(sounds)}"


def _begun(record: Record) -> Iterator[str]:
    given, family = record.first(GIVEN), record.first(FAMILY)
    if given and family:
        begun = sorted(each.folded[:BEGINNING] for each in (given, family))
        yield f"begun_day:{'|'.join(begun)}"


def _day(born: Value | None) -> str:
    """Give the day of a whole date, the same if day and month are swapped."""
    if born is None or len(born.folded) != WHOLE_DATE:
        return ""
    return "|".join(sorted((born.folded[4:6], born.folded[6:])))
