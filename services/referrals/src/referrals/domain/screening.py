"""Whether a text names somebody of a case, or tells where they are.

Whoever writes down what somebody said may write down an address with it, in small
letters, without its macrons, or half of it. So what is known is looked for in parts,
and in letters and digits alone. It rather finds too much than too little.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise, permutations

from accord_contracts.papers import Audience
from accord_contracts.referrals import PersonRole

from referrals.domain.contact import KINDS, Kind
from referrals.domain.naming import APOSTROPHES, folded
from referrals.domain.telling import Channel

SHORTEST_NAME = 3
"""Letters of a name that is looked for in any letters; shorter ones are words of any
text, and looked for beside another name of theirs, or where they are capitalised."""

SHORTEST_CAPITALISED = 2
"""Letters of a name that is looked for where it begins with a capital: "A" is none."""

SHORTEST_CODE = 5
"""Letters and digits of a number or an address, of which any part of a text is one."""

LAST_DIGITS = 6
"""Of a telephone number: with these, whoever knows the region rings it."""

PARTICLES = frozenset({"te", "de", "da", "di", "du", "la", "le", "el", "st", "mt"})
"""Words of names that begin many others: Te Whatu Ora."""

STREETS = {
    "street": "st", "road": "rd", "avenue": "ave", "drive": "dr", "lane": "ln",
    "place": "pl", "crescent": "cres", "terrace": "tce", "court": "ct",
    "highway": "hwy", "grove": "grv", "boulevard": "blvd", "square": "sq",
    "parade": "pde", "close": "cl", "esplanade": "esp", "rise": "rise", "way": "way",
    "quay": "quay", "track": "track", "mews": "mews", "loop": "loop",
    "tiriti": "tiriti", "huarahi": "huarahi", "ara": "ara",
    # Not of streets: Saint Albans is St Albans, Mount Eden is Mt Eden.
    "saint": "st", "mount": "mt",
}  # fmt: skip
"""What a street is called, and the one form in which it is compared."""

LONGEST_PLACE = 3
"""Words of a name after "in"; of a longer one any two side by side are found."""

EVERYWHERE = frozenset({"the", "and"})
"""Words of names of places that alone are words of any text: "in the"."""

IN_FULL: Mapping[str, tuple[str, ...]] = {
    short: tuple({short, *(e for e, other in STREETS.items() if other == short)})
    for short in STREETS.values()
}
"""Each form, as it may be written into one word with what stands before it."""

MACRONS = str.maketrans(
    dict(zip("āēīōūĀĒĪŌŪ", ["aa", "ee", "ii", "oo", "uu"] * 2, strict=True))
)
DOUBLED = re.compile(r"([aiu])\1", re.IGNORECASE)
"""A long vowel as it is written without a macron; of e and o English has too many."""

WHERE = ("on", "in", "at", "to", "near", "off", "from", "kei", "ki", "i", "te")
"""Before the name of a place alone: "in Hornby" tells it, "rimu" may be a tree."""

POSSESSIVE = re.compile(r"['\u2019]s\b", re.IGNORECASE)
WORDS = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Needle:
    """Something to be looked for: letters and digits alone.

    Attributes:
        whole: It begins and ends where words do; otherwise any part of a text is it.
        capital: It is a word that begins with a capital.
    """

    text: str
    whole: bool = True
    capital: bool = False


@dataclass(frozen=True, slots=True)
class Described:
    """Somebody of a case, as anybody has ever described them.

    Attributes:
        roles: The parts that they have in it.
        names: Theirs, as they were told.
    """

    roles: frozenset[PersonRole]
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Known:
    """All by which the people of a case can be told or found.

    Attributes:
        people: By id.
        ways: To reach any of them.
        places: Addresses where something happened.
        codes: Of registers, and words agreed with callers.
        same: Ids of people who are one with another, each with the id that counts.
    """

    people: Mapping[str, Described] = field(default_factory=dict)
    ways: frozenset[tuple[Channel, str]] = frozenset()
    places: frozenset[str] = frozenset()
    codes: frozenset[str] = frozenset()
    same: Mapping[str, str] = field(default_factory=dict)

    def one(self, person_id: str) -> str:
        """Give the id as which somebody counts."""
        return self.same.get(person_id, person_id)

    @property
    def persons(self) -> dict[str, Described]:
        """Everybody once, with all that was told of them under any of their ids."""
        found: dict[str, Described] = {}
        for person_id, told in self.people.items():
            one = self.one(person_id)
            known = found.get(one, Described(frozenset(), frozenset()))
            found[one] = Described(known.roles | told.roles, known.names | told.names)
        return found


def screen(
    texts: Iterable[str], known: Known, audience: Audience, person_id: str | None
) -> tuple[int, ...]:
    """Give the places, from 0, of those texts that must not be on a paper.

    No paper tells where anybody is or how they are reached, the reader's own copy
    neither: it may be found. And none names anybody but whose it is: a person's own
    copy that person, outreach's those who use violence.

    Args:
        texts: What is to stand on it.
        known: All by which the people of its case can be told or found.
        audience: For whom it is.
        person_id: Whose own copy it is.
    """
    sought = frozenset(_sought(known, _spoken_of(known, audience, person_id)))
    return tuple(i for i, text in enumerate(texts) if _tells(text, sought))


def _spoken_of(
    known: Known, audience: Audience, person_id: str | None
) -> frozenset[str]:
    """Give the ids of those who may be named."""
    if audience is Audience.PERSON:
        return frozenset({known.one(person_id)} if person_id else ())
    if audience is Audience.OUTREACH:
        using = frozenset({PersonRole.PERSON_USING_VIOLENCE})
        # Whoever was harmed as well is named to nobody.
        return frozenset(i for i, who in known.persons.items() if who.roles == using)
    return frozenset()


def _sought(known: Known, spoken_of: frozenset[str]) -> Iterator[Needle]:
    persons = known.persons
    free = {
        word
        for person_id in spoken_of & persons.keys()
        for word in (each.text for each in _named(persons[person_id].names))
    }
    for person_id, who in persons.items():
        if person_id not in spoken_of:
            yield from (e for e in _named(who.names) if e.text not in free)
    for channel, value in known.ways:
        yield from _ways(KINDS[channel], value)
    for place in known.places:
        yield from _places(place)
    for code in known.codes:
        # A short code stands in other words by chance.
        yield Needle(_bare(code), whole=len(_bare(code)) < SHORTEST_CODE)


def _named(names: Iterable[str]) -> Iterator[Needle]:
    """Look for each name, and for a short one beside another: "Jo Li", "Li, Jo"."""
    told = sorted(names)
    for name in told:
        yield from _names(name)
    for one, other in permutations(told, 2):
        if min(len(_bare(one)), len(_bare(other))) < SHORTEST_NAME:
            yield from (
                Needle(_bare(first) + _bare(second))
                for first in _spellings(one)
                for second in _spellings(other)
            )


def _names(name: str) -> Iterator[Needle]:
    """Look for a name, and for each of its words."""
    for written in _spellings(name):
        whole = _bare(written)
        for word in {whole, *_words(written)}:
            # A family called Lane is compared as "ln", and is as much of a name.
            if len(word) >= SHORTEST_NAME or (word == whole and word in IN_FULL):
                yield Needle(word)
            elif len(word) >= SHORTEST_CAPITALISED and word not in PARTICLES:
                yield Needle(word, capital=True)


def _spellings(text: str) -> set[str]:
    """Give the ways to write long vowels: with a macron, or twice."""
    composed = unicodedata.normalize("NFC", text)
    return {text, composed.translate(MACRONS), DOUBLED.sub(r"\1", text)}


def _ways(kind: Kind, value: str) -> Iterator[Needle]:
    digits = re.sub(r"\D", "", value)
    match kind:
        case Kind.NUMBER if len(digits) >= LAST_DIGITS:
            yield Needle(digits[-LAST_DIGITS:], whole=False)
        case Kind.EMAIL:
            own, _, _ = value.partition("@")
            enough = len(_bare(own)) >= SHORTEST_CODE
            yield Needle(_bare(own if enough else value), whole=False)
        case _:
            yield from _places(value)
            if len(digits) >= LAST_DIGITS:
                yield Needle(digits[-LAST_DIGITS:], whole=False)


def _places(address: str) -> Iterator[Needle]:
    """Look for an address: any two words of it side by side, or where one is "in"."""
    for written in _spellings(address):
        whole = _words(written)
        if len(whole) == 1:
            yield Needle(whole[0])
        for one, other in pairwise(whole):
            yield from (Needle(e) for e in _together(one, other))
        for part in written.split(","):
            for name in _place_names(_words(part)):
                yield from (Needle(before + name) for before in WHERE)


def _together(one: str, other: str) -> Iterator[str]:
    """Give two words as one, unless they tell no place: "3 way", "2 14", "of a"."""
    tells = other not in IN_FULL if one.isdigit() else len(one + other) >= SHORTEST_CODE
    if tells and not other.isdigit():
        yield from (one + each for each in IN_FULL.get(other, (other,)))


def _place_names(words: list[str]) -> Iterator[str]:
    """Give each word, and some side by side, between number, street's kind and end.

    Many write no comma, so where a street's name ends and a suburb's begins is known
    to nobody.
    """
    name: list[str] = []
    for each in [*words, ""]:
        if each and not each[0].isdigit() and each not in IN_FULL:
            name.append(each)
            continue
        for begin in range(len(name)):
            for end in range(begin + 1, min(begin + LONGEST_PLACE, len(name)) + 1):
                run = "".join(name[begin:end])
                if len(run) >= SHORTEST_NAME and run not in EVERYWHERE:
                    yield run
        name = []


def _tells(text: str, sought: Iterable[Needle]) -> bool:
    words = _words(text)
    joined = "".join(words)
    capitals = {e for each in _shown(text) if each[0].isupper() for e in _words(each)}
    begins, at = set(), 0
    for each in words:
        begins.add(at)
        at += len(each)
    ends = {*begins, at}
    return any(
        each.text in capitals if each.capital else _stands(each, joined, begins, ends)
        for each in sought
    )


def _stands(needle: Needle, joined: str, begins: set[int], ends: set[int]) -> bool:
    if not needle.text:
        return False
    at = joined.find(needle.text)
    while at >= 0:
        end = at + len(needle.text)
        # Of many, or theirs: "the Carters", "Carters house".
        plural = joined[end : end + 1] == "s" and end + 1 in ends
        if not needle.whole or (at in begins and (end in ends or plural)):
            return True
        at = joined.find(needle.text, at + 1)
    return False


def _words(text: str) -> list[str]:
    """Give a text's words as they compare: letters and digits, no case, no macrons."""
    theirs = _seen(text)
    return [STREETS.get(each, each) for each in WORDS.findall(folded(theirs))]


def _shown(text: str) -> list[str]:
    """Give a text's words as they are written."""
    return WORDS.findall(_seen(text))


def _seen(text: str) -> str:
    """Give a text without what nobody sees, and without whose something is."""
    seen = unicodedata.normalize("NFKC", text)
    shown = "".join(e for e in seen if unicodedata.category(e) != "Cf")
    return POSSESSIVE.sub("", APOSTROPHES.sub("'", shown))


def _bare(text: str) -> str:
    return "".join(_words(text))
