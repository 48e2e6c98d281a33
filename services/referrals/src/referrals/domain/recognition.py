"""Who a described person is: found again by exact rules, or met for the first time.

An identifier beats a name. Two people who are known are never made one here, and one
whom nothing tells from others is new each time: to take somebody for another may lead
a letter to the wrong household.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID, uuid5

from accord_contracts.message import Code
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from referrals.domain.telling import DescribedPerson

KEYS_KEPT = 50
"""The most keys of one person: names and numbers gather over the years."""

NAME, ALONE = "name", "alone"
"""Kinds of keys that are no register's: a name with a date of birth, and nothing."""

SEPARATORS = re.compile(r"[\s\-\u2010-\u2015.]+")
APOSTROPHES = re.compile(r"['`\u02bb\u02bc\u2018\u2019]")

# Written for an apostrophe, it would be taken for a space with an accent.
ACUTE = str.maketrans("\u00b4", "'")


def folded(name: str) -> str:
    """Write a name as it compares: no case, no macrons, one space between words."""
    plain = name.translate(ACUTE)
    if not plain.isascii():
        letters = unicodedata.normalize("NFKD", plain)
        plain = "".join(each for each in letters if not unicodedata.combining(each))
    bare = APOSTROPHES.sub("", plain.casefold())
    return SEPARATORS.sub(" ", bare).strip()


Folded = Annotated[str, AfterValidator(folded)]


class RecognitionRules(BaseModel):
    """By what a locality recognises a person.

    Attributes:
        identifiers: Registers in which a code belongs to one person alone. Codes of
            others are kept, and recognise nobody.
        placeholder_names: What is written where no name is known.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    identifiers: Annotated[frozenset[Code], Field(min_length=1)]
    placeholder_names: frozenset[Folded]

    def keys_of(self, person: DescribedPerson) -> tuple[str, ...]:
        """Give what tells a person from others, what weighs most first."""
        codes = [
            f"{each.system}:{_compact(each.value)}"
            for each in person.identifiers
            if each.system in self.identifiers
        ]
        return tuple(dict.fromkeys((*codes, *self._name_key(person))))

    def _name_key(self, person: DescribedPerson) -> tuple[str, ...]:
        given, family = (
            folded(person.given_name or ""),
            folded(person.family_name or ""),
        )
        told = given and family and person.date_of_birth
        if not told or {given, family} & self.placeholder_names:
            return ()
        return (f"{NAME}:{family}|{given}|{person.date_of_birth}",)


def _compact(code: str) -> str:
    return re.sub(r"[\s-]", "", code).casefold()


@dataclass(frozen=True, slots=True)
class Sighting:
    """A person as one referral describes them.

    Attributes:
        id: The person's, if they are met here for the first time.
        keys: What tells them from others, what weighs most first; never none.
    """

    id: str
    keys: tuple[str, ...]


def sightings(
    referral_id: str,
    people: Iterable[DescribedPerson],
    rules: RecognitionRules,
    blind: Callable[[str], str],
) -> tuple[Sighting, ...]:
    """Give the people of a referral by what they can be recognised by.

    Args:
        referral_id: Which.
        people: As they are described.
        rules: What counts.
        blind: Hides the value of a key and keeps its kind; equal stays equal.
    """
    seen = []
    referral = UUID(referral_id)
    for place, person in enumerate(people):
        new = str(uuid5(referral, f"person/{place}"))
        # The last resort finds them again when the same message comes twice.
        keys = rules.keys_of(person) or (f"{ALONE}:{new}",)
        seen.append(Sighting(new, tuple(blind(each) for each in keys)))
    return tuple(seen)


class Person(BaseModel):
    """Somebody whom referrals are about: an id, and by what they are recognised.

    Attributes:
        keys: Blind: each shows of what kind it is, and hides its value.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    keys: tuple[str, ...] = ()
    met_at: datetime

    def learn(self, keys: Iterable[str]) -> "Person":
        """Add what they can be recognised by."""
        known = (*self.keys, *keys)[:KEYS_KEPT]
        return self.model_copy(update={"keys": known})

    def contradicts(self, sighting: Sighting) -> bool:
        """Tell whether a register knows the two by different codes."""
        codes = {kind_of(key): key for key in self.keys if kind_of(key) != NAME}
        return any(codes.get(kind_of(key), key) != key for key in sighting.keys)


def kind_of(key: str) -> str:
    """Give the register of a code, or that it is a name."""
    return key.partition(":")[0]


@dataclass(frozen=True, slots=True)
class Recognised:
    """Who the people of a referral are.

    Attributes:
        ids: Theirs, in the order in which they were described.
        changed: Those who are new, or of whom something new was learned.
    """

    ids: tuple[str, ...]
    changed: tuple[Person, ...]


def recognise(
    seen: Iterable[Sighting], known: Mapping[str, Person], at: datetime
) -> Recognised:
    """Tell who is who.

    Args:
        seen: The people of a referral. One who is described twice is one person.
        known: Everybody who has one of their keys, by key.
        at: When somebody who is new was met.
    """
    holders = dict(known)
    ids: list[str] = []
    changed: dict[str, Person] = {}
    for each in seen:
        person = holder_of(each, holders) or Person(id=each.id, met_at=at)
        ids.append(person.id)
        learned = person.learn(key for key in each.keys if key not in holders)
        if learned.keys != person.keys:
            changed[person.id] = learned
            holders.update(dict.fromkeys(learned.keys, learned))
    return Recognised(tuple(ids), tuple(changed.values()))


def holder_of(seen: Sighting, holders: Mapping[str, Person]) -> Person | None:
    """Give whom somebody is known as, if anybody."""
    for key in seen.keys:
        holder = holders.get(key)
        # Two people may share a name and a birthday, but no code.
        if holder and (kind_of(key) != NAME or not holder.contradicts(seen)):
            return holder
    return None
