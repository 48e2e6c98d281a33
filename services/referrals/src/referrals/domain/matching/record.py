"""A person as one record describes them, prepared once for many comparisons."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import jellyfish
import yaml

from referrals.domain.born import ABOUT, is_estimated
from referrals.domain.naming import folded as plain_name

GIVEN, FAMILY, BORN = "given_name", "family_name", "date_of_birth"
NUMBER, STREET, BUILDING = "street_number", "street", "building"
SUBURB, POSTCODE, AREA = "suburb", "postcode", "area"
PHONE, CODE = "phone", "code"

FIELDS = (
    *(GIVEN, FAMILY, BORN, CODE),
    *(NUMBER, STREET, BUILDING, SUBURB, POSTCODE, AREA, PHONE),
)
"""What is compared, in the order in which records hold it."""

SEVERAL = re.compile(r"[;|]")
"""Parts phone numbers that stand in one field."""

LONG_VOWEL = re.compile(r"([aeiou])\1+")
NO_DIGIT = re.compile(r"\D")
COUNTRY = re.compile(r"^(?:0*64|0+)")
DIGITS = {BORN, PHONE}
YEAR = len("YYYY")
NAMES = {GIVEN, FAMILY}


@dataclass(frozen=True, slots=True)
class Value:
    """What a field says.

    Attributes:
        plain: Without case, macrons and separators, to see by how much two differ.
        folded: As it counts as the same.
        sound: How a name sounds (Metaphone, with wh as f), else empty.
        groups: The alias lists that a given name stands in.
    """

    plain: str
    folded: str
    sound: str = ""
    groups: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Record:
    """A person as one record describes them.

    Attributes:
        values: By field, in the order of `FIELDS`; several phones, else one or none.
        identifiers: Codes by the register in which each belongs to one person alone.
    """

    values: tuple[tuple[Value, ...], ...]
    identifiers: Mapping[str, frozenset[str]]

    def first(self, field: str) -> Value | None:
        """Give what a field says, if it says anything."""
        held = self.values[PLACES[field]]
        return held[0] if held else None


PLACES = {field: place for place, field in enumerate(FIELDS)}


def record(
    told: Mapping[str, str], identifiers: Mapping[str, str] | None = None
) -> Record:
    """Prepare a record.

    Args:
        told: Text by field, those of `FIELDS`; whatever is not known is left out or
            empty. A date of birth is year first (19850328, 1985-03-28), or how that
            begins (1985), with ~ behind it if it is estimated. Phones may be several,
            parted by ``;`` or ``|``.
        identifiers: Codes by register.
    """
    values = tuple(_values(field, told.get(field) or "") for field in FIELDS)
    codes = {
        system: frozenset({code_value(code)})
        for system, code in (identifiers or {}).items()
        if code_value(code)
    }
    return Record(values, codes)


def _values(field: str, text: str) -> tuple[Value, ...]:
    if not text:
        return ()
    parts = SEVERAL.split(text) if field == PHONE else [text]
    return tuple(value for part in parts if (value := _value(field, part)).plain)


def _value(field: str, text: str) -> Value:
    if field in DIGITS:
        digits = NO_DIGIT.sub("", text)
        if field == BORN and len(digits) >= YEAR and is_estimated(text.strip()):
            return Value(digits, f"{digits}{ABOUT}")
        return Value(digits, national(digits) if field == PHONE else digits)
    if field in {CODE, POSTCODE, NUMBER}:
        code = code_value(text)
        return Value(code, code)
    plain = plain_name(text)
    short = fold_vowels(plain)
    if field not in NAMES:
        return Value(plain, short)
    groups = alias_groups().get(short, frozenset()) if field == GIVEN else frozenset()
    return Value(plain, short, sound(short), groups)


def code_value(text: str) -> str:
    """Write a code as it compares: letters and digits alone, without case."""
    wide = unicodedata.normalize("NFKC", text).casefold()
    return "".join(each for each in wide if each.isalnum())


def national(digits: str) -> str:
    """Write a New Zealand number without the country's code and leading zeros."""
    return COUNTRY.sub("", digits) or digits


def fold_vowels(plain: str) -> str:
    """Write a long vowel once: ā, aa and a are one, and so are Maata and Mata."""
    return LONG_VOWEL.sub(r"\1", plain)


def sound(folded: str) -> str:
    """Tell how a name sounds, as a code: Metaphone's, with Māori wh heard as f."""
    return jellyfish.metaphone(folded.replace("wh", "f")).replace(" ", "")


@cache
def alias_groups() -> Mapping[str, frozenset[int]]:
    """Give the alias lists that each folded given name stands in, by number."""
    text = files(__package__).joinpath("aliases.yaml").read_text(encoding="utf-8")
    lists: Iterable[list[str]] = yaml.safe_load(text)
    groups: dict[str, set[int]] = {}
    for number, names in enumerate(lists):
        for name in names:
            groups.setdefault(fold_vowels(plain_name(name)), set()).add(number)
    return {name: frozenset(numbers) for name, numbers in groups.items()}
