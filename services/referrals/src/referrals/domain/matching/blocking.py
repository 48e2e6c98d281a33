"""What two records must share to be compared at all: several keys, any of them.

Each key is plain text that begins with its kind, so that a store can keep a keyed hash
of it instead.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations, product

from referrals.domain.matching.record import (
    BORN,
    CODE,
    FAMILY,
    GIVEN,
    NUMBER,
    PHONE,
    PLACES,
    POSTCODE,
    STREET,
    Record,
)

BEGINNING = 3
"""Letters of a name that a key of beginnings takes."""

LARGEST = 300
"""Records that one key may bring together; what more share tells nobody from others,
and comparing all of them with each other would never end."""


def keys(record: Record) -> frozenset[str]:
    """Give every blocking key of a record."""
    return frozenset(f"{kind}:{value}" for kind, value in _keys(record))


def _keys(record: Record) -> Iterator[tuple[str, str]]:
    yield from _by_name(record)
    yield from _by_place(record)
    if code := record.first(CODE):
        yield "code", code.folded
    for system, codes in record.identifiers.items():
        for each in codes:
            yield f"identifier.{system}", each


def _by_name(record: Record) -> Iterator[tuple[str, str]]:
    given, family = record.first(GIVEN), record.first(FAMILY)
    born = record.first(BORN)
    for name in (given, family):
        # Either name, because the two may have been swapped.
        if name and born:
            yield "sound+year", f"{name.sound}|{born.folded[:4]}"
    if given and family:
        begun = sorted(each.folded[:BEGINNING] for each in (given, family))
        yield "beginnings", "|".join(begun)
        for group in given.groups:
            yield "alias+sound", f"{group}|{family.sound}"
    if born and len(born.folded) == len("YYYYMMDD"):
        # The same whether day and month are swapped or not.
        parts = sorted((born.folded[4:6], born.folded[6:]))
        yield "born", f"{born.folded[:4]}|{parts[0]}|{parts[1]}"


def _by_place(record: Record) -> Iterator[tuple[str, str]]:
    postcode = record.first(POSTCODE)
    number, street = record.first(NUMBER), record.first(STREET)
    for name in (record.first(GIVEN), record.first(FAMILY)):
        if name and postcode:
            yield "sound+postcode", f"{name.sound}|{postcode.folded}"
    if number and street:
        yield "door", f"{number.folded}|{street.folded[:BEGINNING]}"
    for phone in record.values[PLACES[PHONE]]:
        yield "phone", phone.folded


def blocked_pairs(
    records: Sequence[Record], others: Sequence[Record] | None = None
) -> list[tuple[int, int]]:
    """Give the places of all pairs that share a key, in order.

    Args:
        records: To be compared with each other, the earlier first,
        others: or, if given, with these.
    """
    blocks: defaultdict[str, tuple[list[int], list[int]]] = defaultdict(
        lambda: ([], [])
    )
    for side, held in enumerate((records, others or ())):
        for place, each in enumerate(held):
            for key in keys(each):
                blocks[key][side].append(place)
    pairs: set[tuple[int, int]] = set()
    for mine, theirs in blocks.values():
        if len(mine) + len(theirs) > LARGEST:
            continue
        pairs.update(combinations(mine, 2) if others is None else product(mine, theirs))
    return sorted(pairs)
