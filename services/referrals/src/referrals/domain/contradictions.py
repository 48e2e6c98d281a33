"""What cannot be true of a referral as a whole, though each field is in order."""

from collections import Counter
from collections.abc import Iterator
from datetime import date
from itertools import combinations

from accord_contracts.referrals import PersonRole

from referrals.domain.recognition import NAME, RecognitionRules, kind_of
from referrals.domain.telling import DescribedPerson, Telling

YOUNGEST = 10
"""Years below which nobody is told of as using violence: under the age of criminal
responsibility (Crimes Act 1961, s 21) a child who hurts somebody is a child to help."""


def contradictions(
    told: Telling, rules: RecognitionRules
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Find what contradicts itself: where, and which rule it breaks.

    Args:
        told: What an agency tells.
        rules: By what the locality recognises a person.
    """
    happened = told.occurred_at.date()
    for place, person in enumerate(told.people):
        born = person.date_of_birth
        using = person.role is PersonRole.PERSON_USING_VIOLENCE
        if using and born and years(born, happened) < YOUNGEST:
            for field in ("role", "date_of_birth"):
                yield ("people", place, field), "too_young_to_use_violence"
        harmed = person.role is PersonRole.PERSON_HARMED
        # In the east it may be the next day already.
        if harmed and born and (born - happened).days > 1:
            for at in (("people", place, "date_of_birth"), ("occurred_at",)):
                yield at, "born_after_it_happened"
    for place in twice(told.people, rules):
        yield ("people", place), "same_person_twice"


def years(born: date, at: date) -> int:
    """Count the birthdays that somebody has had."""
    had = (at.month, at.day) >= (born.month, born.day)
    return at.year - born.year - (not had)


def twice(
    people: tuple[DescribedPerson, ...], rules: RecognitionRules
) -> Iterator[int]:
    """Name those who are described once more, by code, or by name and date of birth."""
    born = Counter(each.date_of_birth for each in people if each.date_of_birth)
    coded = sum(bool(each.identifiers) for each in people)
    if coded < 2 and not any(count > 1 for count in born.values()):  # noqa: PLR2004 - Two make a pair.
        # As it is nearly always: no two of them share anything to recognise them by.
        return
    keys = [rules.keys_of(each) for each in people]
    again = (
        later
        for earlier, later in combinations(range(len(people)), 2)
        if same(keys[earlier], keys[later])
    )
    yield from sorted(set(again))


def same(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Tell whether two are one person: by a code, or by a name no code contradicts."""
    shared = {*one} & {*other}
    if any(kind_of(each) != NAME for each in shared):
        return True
    codes = {kind_of(each): each for each in one if kind_of(each) != NAME}
    return bool(shared) and all(codes.get(kind_of(e), e) == e for e in other)
