"""Who a described person is: somebody known, perhaps by weighing, or somebody new.

An identifier beats a name, and both beat what is weighed. Two people who are known are
never made one here, and one whom nothing tells from others is new each time: to take
somebody for another may lead a letter to the wrong household.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Annotated

from accord_contracts.message import Code
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from referrals.domain.born import is_whole
from referrals.domain.likeness import Likeness
from referrals.domain.matching import finding
from referrals.domain.naming import folded
from referrals.domain.telling import DescribedPerson

KEYS_KEPT = 50
"""The most keys of one person: names and numbers gather over the years."""

COMPARED_AFTER = timedelta(minutes=1)
"""After how long whoever is new is compared once more: by then, whoever was met at the
same moment is there to be seen."""

BLOCKS_KEPT = 80
"""The most blocking keys of one person; one telling of names and a birthday has six to
ten, one of which is its own."""

NAME, ALONE, ANEW = "name", "alone", "anew"
"""Kinds of keys that are no register's: a name with a date of birth, nothing at all,
and one by which nobody is recognised."""

NO_REGISTER = frozenset({NAME, ALONE, ANEW})

PARTED = re.compile(r"[\s-]")
"""By what the parts of a code are parted; it is no part of it."""

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
        born = person.date_of_birth
        # Many share a name and a year: by those somebody is weighed, and never known.
        told = given and family and born and is_whole(born)
        if not told or {given, family} & self.placeholder_names:
            return ()
        return (f"{NAME}:{family}|{given}|{born}",)

    def likeness_of(self, person: DescribedPerson) -> Likeness:
        """Give what a person is compared by; a placeholder for a name says nothing."""
        return Likeness.of(person, self.identifiers, self.placeholder_names)


def _compact(code: str) -> str:
    return PARTED.sub("", code).casefold()


@dataclass(frozen=True)
class Sighting:
    """A person as one referral describes them.

    Attributes:
        id: The person's, if they are met here for the first time.
        keys: What tells them from others, what weighs most first; never none.
        alone: The key of somebody whose other keys are all others' already.
        told: How they are described.
        rules: What counts.
        blind: Hides the value of a key and keeps its kind; equal stays equal.
    """

    id: str
    keys: tuple[str, ...]
    alone: str
    told: DescribedPerson
    rules: RecognitionRules
    blind: Callable[[str], str]

    # Most are known by a key, and are never compared.
    @cached_property
    def likeness(self) -> Likeness:
        """What they are compared by."""
        return self.rules.likeness_of(self.told)

    @cached_property
    def blocks(self) -> tuple[str, ...]:
        """By what they are found to be compared; none if too little is told of them.

        Their own key is among them, so that they themselves are found again.
        """
        return self._blinded(finding.kept(self.likeness.record))

    @cached_property
    def asks(self) -> tuple[str, ...]:
        """What whoever may be they is found by."""
        return self._blinded(finding.asked(self.likeness.record))

    def _blinded(self, plain: frozenset[str]) -> tuple[str, ...]:
        if not plain:
            return ()
        hidden = self._hidden
        for each in plain.difference(hidden):
            hidden[each] = self.blind(each)
        return (self.alone, *(hidden[each] for each in sorted(plain)))

    @cached_property
    def _hidden(self) -> dict[str, str]:
        """What was blinded already: what is asked for is mostly what is kept."""
        return {}


def sightings(
    referral_id: str,
    people: Iterable[DescribedPerson],
    rules: RecognitionRules,
    *,
    blind: Callable[[str], str],
    id_of: Callable[[str, str], str],
) -> tuple[Sighting, ...]:
    """Give the people of a referral by what they can be recognised by.

    Args:
        referral_id: Which.
        people: As they are described.
        rules: What counts.
        blind: Hides the value of a key and keeps its kind; equal stays equal.
        id_of: Derives the id of whoever is new, which its agency cannot: it knows the
            referral's.
    """
    seen = []
    for place, person in enumerate(people):
        new = id_of("person", f"{referral_id}/{place}")
        # The last resort finds them again when the same message comes twice.
        alone = blind(f"{ALONE}:{new}")
        keys = tuple(blind(each) for each in rules.keys_of(person)) or (alone,)
        seen.append(Sighting(new, keys, alone, person, rules, blind))
    return tuple(seen)


class Person(BaseModel):
    """Somebody whom referrals are about: an id, and by what they are recognised.

    Attributes:
        keys: Blind: each shows of what kind it is, and hides its value.
        blocks: Blind too; whoever shares one is compared.
        likeness: What they are compared by; none if it was not loaded, or not told.
        apart: Those of whom somebody decided that they are other people.
        compare_at: When they are compared once more, being new: whoever was met at the
            same moment, in another spelling, could not be seen.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    keys: tuple[str, ...] = ()
    met_at: datetime
    blocks: tuple[str, ...] = ()
    likeness: Likeness | None = None
    apart: tuple[str, ...] = ()
    compare_at: datetime | None = None

    def learn(self, keys: Iterable[str]) -> "Person":
        """Add what they can be recognised by."""
        known = (*self.keys, *keys)[:KEYS_KEPT]
        return self.model_copy(update={"keys": known})

    def remember(self, seen: Sighting) -> "Person":
        """Keep what they are compared by, together with what was known before."""
        blocks = tuple(dict.fromkeys((*self.blocks, *seen.blocks)))[:BLOCKS_KEPT]
        known = self.likeness
        likeness = known.learn(seen.likeness) if known else seen.likeness
        return self.model_copy(update={"blocks": blocks, "likeness": likeness})

    def keep_apart(self, other_id: str, *, apart: bool = True) -> "Person":
        """Note that somebody decided that they are two people, or took that back."""
        if (other_id in self.apart) is apart:
            return self
        others = tuple(each for each in self.apart if each != other_id)
        others = (*others, other_id) if apart else others
        return self.model_copy(update={"apart": others})

    def contradicts(self, sighting: Sighting) -> bool:
        """Tell whether a register knows the two by different codes."""
        codes = {kind_of(key): key for key in self.keys if kind_of(key) != NAME}
        return any(codes.get(kind_of(key), key) != key for key in sighting.keys)


def kind_of(key: str) -> str:
    """Give the register of a code, or that it is a name."""
    return key.partition(":")[0]


@dataclass(frozen=True, slots=True)
class Resemblance:
    """That somebody known may be whom a referral describes, and why.

    Attributes:
        person: Who is known.
        bits: Log2 of the odds that they are one.
        signs: By field: its level and its bits.
        rules: What was decided whatever the weight.
    """

    person: Person
    bits: float
    signs: tuple[tuple[str, str, float], ...]
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Weighed:
    """Whom somebody resembles whom no key tells.

    Attributes:
        sure: The one who they are, if nobody need be asked.
        likely: Those who they may be, the likeliest first; the one who is sure too.
        stored: They were met here before: this is done once more.
        crowded: The kinds of keys that too many share for all of them to be compared.
    """

    sure: Person | None = None
    likely: tuple[Resemblance, ...] = ()
    stored: Person | None = None
    crowded: tuple[str, ...] = ()


NOTHING_WEIGHED = Weighed()


@dataclass(frozen=True, slots=True)
class Recognised:
    """Who the people of a referral are.

    Attributes:
        ids: Theirs, in the order in which they were described.
        changed: Those who are new, or of whom something new was learned.
        asked: By the id of somebody new: who they may be, for a person to decide.
    """

    ids: tuple[str, ...]
    changed: tuple[Person, ...]
    asked: tuple[tuple[str, Weighed], ...] = ()


def strangers(
    seen: Iterable[Sighting], known: Mapping[str, Person]
) -> tuple[Sighting, ...]:
    """Give those whom no key tells, or who were first met here: they are weighed."""
    return tuple(
        each
        for each in seen
        if (found := holder_of(each, known)) is None or found.id == each.id
    )


def recognise(
    seen: Iterable[Sighting],
    known: Mapping[str, Person],
    at: datetime,
    weighed: Mapping[str, Weighed] | None = None,
    taken: Iterable[str] = (),
) -> Recognised:
    """Tell who is who.

    Args:
        seen: The people of a referral. One who is described twice is one person.
        known: Everybody who has one of their keys, by key.
        at: When somebody who is new was met.
        weighed: By the id of a sighting: whom somebody resembles whom no key tells.
        taken: Who the referral's other people are.
    """
    seen, weighed = tuple(seen), weighed or {}
    holders = dict(known)
    ids: list[str] = []
    changed: dict[str, Person] = {}
    asked: dict[str, Weighed] = {}
    taken = {*taken, *(one.id for each in seen if (one := holder_of(each, known)))}
    for each in seen:
        found = weighed.get(each.id, NOTHING_WEIGHED)
        person = holder_of(each, holders)
        # Two who are described apart are linked with one and the same by a key alone.
        if person is None and found.sure and found.sure.id not in taken:
            person = found.sure
        if person is None or person.id == each.id:
            person = person or found.stored or _met(each, at)
            if found.likely or found.crowded:
                asked[person.id] = found
        ids.append(person.id)
        taken.add(person.id)
        new = [key for key in each.keys if key not in holders]
        if not new and not person.keys:
            # Somebody else has every key of theirs.
            new = [each.alone]
        learned = person.learn(new)
        if learned.keys != person.keys:
            changed[person.id] = learned
            holders.update(dict.fromkeys(learned.keys, learned))
    return Recognised(tuple(ids), tuple(changed.values()), tuple(asked.items()))


def _met(seen: Sighting, at: datetime) -> Person:
    met = Person(id=seen.id, met_at=at).remember(seen)
    # Whoever has nothing to be compared by is never asked about.
    due = at + COMPARED_AFTER if met.blocks else None
    return met.model_copy(update={"compare_at": due})


def holder_of(seen: Sighting, holders: Mapping[str, Person]) -> Person | None:
    """Give whom somebody is known as, if anybody."""
    for key in seen.keys:
        holder = holders.get(key)
        if holder and (kind_of(key) != NAME or _is_sure(holder, seen)):
            return holder
    return None


def _is_sure(holder: Person, seen: Sighting) -> bool:
    """Tell whether a name and a birthday are enough.

    Two people may share both, but no code; and where somebody had to decide that two
    are not one, their names tell nobody from the other.
    """
    return not holder.apart and not holder.contradicts(seen)
