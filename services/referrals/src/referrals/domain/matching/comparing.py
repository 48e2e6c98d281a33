"""How far two records agree: a level for each field, the same both ways."""

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

from rapidfuzz.distance import OSA, JaroWinkler

from referrals.domain.born import ABOUT_YEARS, is_estimated
from referrals.domain.matching.record import (
    AREA,
    BORN,
    BUILDING,
    CODE,
    FAMILY,
    FIELDS,
    GIVEN,
    NUMBER,
    PHONE,
    PLACES,
    POSTCODE,
    STREET,
    SUBURB,
    Record,
    Value,
)

SAME, TYPO, DIFFERENT = "same", "one typo apart", "different"
SOMEWHAT = "somewhat alike"
ALIAS, SHORT = "another form of the name", "one begins with the other"
SOUND, ALIKE, SWAPPED = "sound the same", "alike", "swapped"
FLIPPED, PART, YEAR = "day and month swapped", "same as far as known", "same year"

VERY_ALIKE, QUITE_ALIKE = 0.92, 0.80
"""Jaro-Winkler similarities from which two names are alike, and somewhat: the first is
Splink's, the second was chosen below its next (0.88) so that less is thrown away."""

EDITS_ALIKE = 2
"""Wrong characters in a code or number with which two are still alike."""

IN_PART = {len("YYYY"), len("YYYYMM")}

Vector = tuple[str | None, ...]
"""The level of each of `FIELDS`; none where one of the two does not say, or guesses."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How one field is compared.

    Attributes:
        level: Tells the level of two values; none if they say nothing of each other.
        usual: How likely each level is in records of one person, and of two: where
            learning starts and what it falls back on where it sees little. Round
            figures of ours, from what misspelling and moving are known to be like.
        by_frequency: Whether a rare value that is the same says more than a common one.
    """

    level: Callable[[Value, Value], str | None]
    usual: MappingProxyType[str, tuple[float, float]]
    by_frequency: bool = False


def one_edit(one: Value, other: Value) -> bool:
    """Tell whether one letter is wrong, missing, too many, or has changed places."""
    return (
        OSA.distance(one.plain, other.plain, score_cutoff=1) <= 1
        or OSA.distance(one.folded, other.folded, score_cutoff=1) <= 1
    )


def name_level(one: Value, other: Value) -> str:
    """Compare two names."""
    a, b = one.folded, other.folded
    if a == b:
        return SAME
    if one_edit(one, other):
        return TYPO
    if one.groups and not one.groups.isdisjoint(other.groups):
        return ALIAS
    if a.startswith(b) or b.startswith(a):
        return SHORT
    if one.sound and one.sound == other.sound:
        return SOUND
    return _alike(a, b)


def text_level(one: Value, other: Value) -> str:
    """Compare two streets, suburbs or the like."""
    a, b = one.folded, other.folded
    if a == b:
        return SAME
    return TYPO if one_edit(one, other) else _alike(a, b)


def _alike(a: str, b: str) -> str:
    # In a fixed order: what Jaro pairs up first may depend on it.
    alike = JaroWinkler.similarity(min(a, b), max(a, b), score_cutoff=QUITE_ALIKE)
    if alike >= VERY_ALIKE:
        return ALIKE
    return SOMEWHAT if alike else DIFFERENT


def code_level(one: Value, other: Value) -> str:
    """Compare two codes or numbers."""
    if one.folded == other.folded:
        return SAME
    if one_edit(one, other):
        return TYPO
    return (
        ALIKE
        if OSA.distance(one.plain, other.plain, score_cutoff=EDITS_ALIKE) <= EDITS_ALIKE
        else DIFFERENT
    )


def born_level(one: Value, other: Value) -> str | None:
    """Compare two dates of birth, whole, partly known or estimated."""
    a, b = one.folded, other.folded
    if is_estimated(a) or is_estimated(b) or min(len(a), len(b)) in IN_PART:
        return _born_in_part(a, b)
    whole = len(a) == len(b) == len("YYYYMMDD")
    if a == b:
        return SAME if whole else PART
    if whole and a == b[:4] + b[6:] + b[4:6]:
        return FLIPPED
    if OSA.distance(a, b, score_cutoff=1) <= 1:
        return TYPO
    if not whole and (a.startswith(b) or b.startswith(a)):
        return PART
    return YEAR if a[:4] == b[:4] else DIFFERENT


def _born_in_part(a: str, b: str) -> str | None:
    """Compare two dates of birth as far as the one that is known less goes.

    An estimate speaks against somebody who is far from it, and for nobody. A year is
    often reckoned from an age, and one off: that, or a slip, says nothing.
    """
    if is_estimated(a) or is_estimated(b):
        near = abs(int(a[:4]) - int(b[:4])) <= ABOUT_YEARS
        return None if near else DIFFERENT
    known = min(len(a), len(b))
    a, b = a[:known], b[:known]
    if a == b:
        return PART
    if OSA.distance(a, b, score_cutoff=1) <= 1:
        return None
    return YEAR if a[:4] == b[:4] else DIFFERENT


NAME = {
    SAME: (0.80, 0.005),
    TYPO: (0.07, 0.003),
    ALIAS: (0.02, 0.002),
    SHORT: (0.01, 0.002),
    SOUND: (0.02, 0.004),
    ALIKE: (0.02, 0.004),
    SOMEWHAT: (0.01, 0.02),
    SWAPPED: (0.01, 0.0001),
    DIFFERENT: (0.04, 0.9599),
}
BIRTH = {
    SAME: (0.85, 0.0001),
    FLIPPED: (0.02, 0.0001),
    TYPO: (0.06, 0.001),
    PART: (0.03, 0.002),
    YEAR: (0.01, 0.02),
    DIFFERENT: (0.03, 0.9768),
}
PLACE = {
    SAME: (0.60, 0.01),
    TYPO: (0.08, 0.003),
    ALIKE: (0.05, 0.005),
    SOMEWHAT: (0.02, 0.03),
    DIFFERENT: (0.25, 0.952),
}
NUMERAL = {
    SAME: (0.70, 0.01),
    TYPO: (0.07, 0.02),
    ALIKE: (0.03, 0.1),
    DIFFERENT: (0.20, 0.87),
}
UNIQUE = {
    SAME: (0.70, 0.0001),
    TYPO: (0.07, 0.0005),
    ALIKE: (0.03, 0.002),
    DIFFERENT: (0.20, 0.9974),
}
REGION = {
    SAME: (0.85, 0.3),
    TYPO: (0.02, 0.01),
    ALIKE: (0.01, 0.01),
    SOMEWHAT: (0.01, 0.03),
    DIFFERENT: (0.11, 0.65),
}


def _by(
    level: Callable[[Value, Value], str | None],
    usual: dict[str, tuple[float, float]],
    *,
    by_frequency: bool = False,
) -> Comparison:
    return Comparison(level, MappingProxyType(usual), by_frequency)


COMPARISONS: MappingProxyType[str, Comparison] = MappingProxyType(
    {
        GIVEN: _by(name_level, NAME, by_frequency=True),
        FAMILY: _by(name_level, NAME, by_frequency=True),
        BORN: _by(born_level, BIRTH),
        CODE: _by(code_level, UNIQUE),
        NUMBER: _by(code_level, NUMERAL),
        STREET: _by(text_level, PLACE, by_frequency=True),
        BUILDING: _by(text_level, PLACE, by_frequency=True),
        SUBURB: _by(text_level, PLACE, by_frequency=True),
        POSTCODE: _by(code_level, NUMERAL),
        AREA: _by(text_level, REGION),
        PHONE: _by(code_level, UNIQUE),
    }
)
LEVELS = tuple(COMPARISONS[field].level for field in FIELDS)
NEAR = frozenset({SAME, TYPO})
GIVEN_AT, FAMILY_AT, PHONE_AT = PLACES[GIVEN], PLACES[FAMILY], PLACES[PHONE]
BEST_FIRST = tuple(NUMERAL)


def compare(one: Record, other: Record) -> Vector:
    """Compare two records; the same whichever comes first."""
    levels: list[str | None] = [
        level(mine[0], theirs[0]) if mine and theirs else None
        for level, mine, theirs in zip(LEVELS, one.values, other.values, strict=True)
    ]
    if levels[PHONE_AT] not in {None, SAME}:
        levels[PHONE_AT] = _best_phone(one, other)
    if (
        levels[GIVEN_AT] not in NEAR
        and levels[FAMILY_AT] not in NEAR
        and _are_swapped(one, other)
    ):
        # Told once for both: the one slip would else count twice.
        levels[GIVEN_AT], levels[FAMILY_AT] = SWAPPED, None
    return tuple(levels)


def _best_phone(one: Record, other: Record) -> str:
    found = (
        code_level(mine, theirs)
        for mine in one.values[PHONE_AT]
        for theirs in other.values[PHONE_AT]
    )
    return min(found, key=BEST_FIRST.index)


def _are_swapped(one: Record, other: Record) -> bool:
    given, family = one.values[GIVEN_AT], one.values[FAMILY_AT]
    others_given, others_family = other.values[GIVEN_AT], other.values[FAMILY_AT]
    if not (given and family and others_given and others_family):
        return False
    return one_edit(given[0], others_family[0]) and one_edit(family[0], others_given[0])
