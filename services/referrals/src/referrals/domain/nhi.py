"""Numbers of the National Health Index, and the character that each is checked by.

HISO 10046:2023, the Consumer Health Identity Standard: three letters, three digits and
a check digit; or, of numbers given out later, three letters, two digits, a letter and a
check letter. Numbers that begin with Z are for tests, and are checked alike.
"""

import re

LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
"""All but I and O, which are taken for 1 and 0. Each counts as its place, from 1."""

FORM = re.compile(r"[A-HJ-NP-Z]{3}(?:[0-9]{4}|[0-9]{2}[A-HJ-NP-Z]{2})")

SYSTEM = "nhi"
"""By what agencies name the register."""

PARTED = re.compile(r"[\s-]")
"""By what some write the parts of a number apart."""


def wrong_with(number: str) -> str | None:
    """Say which rule a number breaks, if any.

    Args:
        number: As it was told: in capitals or not, perhaps with its parts apart.
    """
    plain = _plain(number)
    if not FORM.fullmatch(plain):
        return "not_an_nhi_number"
    return None if plain[6] == check(plain[:6]) else "wrong_check_digit"


def is_for_tests(number: str) -> bool:
    """Tell whether a number can be nobody's: those that begin with Z."""
    return wrong_with(number) is None and _plain(number).startswith("Z")


def check(start: str) -> str | None:
    """Give the character that follows the first six; none, if no number begins so."""
    weighed = (_value(each) * (7 - place) for place, each in enumerate(start))
    total = sum(weighed)
    if not start[-1].isdecimal():
        return LETTERS[22 - total % 23]
    rest = total % 11
    return str((11 - rest) % 10) if rest else None


def _plain(number: str) -> str:
    return PARTED.sub("", number).upper()


def _value(character: str) -> int:
    return int(character) if character.isdecimal() else LETTERS.index(character) + 1
