"""What cannot be true of a referral as a whole, though each field is in order."""

from collections import Counter
from collections.abc import Iterator
from datetime import date
from itertools import combinations

from accord_contracts.referrals import PersonRole

from referrals.domain.born import earliest_day, is_estimated, last_day
from referrals.domain.recognition import NAME, RecognitionRules, kind_of
from referrals.domain.telling import (
    AskedBy,
    Asker,
    DescribedPerson,
    Purpose,
    Safety,
    Telling,
)

YOUNGEST = 10
"""Years below which nobody is told of as using violence: under the age of criminal
responsibility (Crimes Act 1961, s 21) a child who hurts somebody is a child to help."""


Where = tuple[str | int, ...]

OWN_PART = {
    Asker.PERSON_HARMED: PersonRole.PERSON_HARMED,
    Asker.PERSON_USING_VIOLENCE: PersonRole.PERSON_USING_VIOLENCE,
}
"""Who asks for themselves, and the part that they have in what is told."""


def contradictions(
    told: Telling, rules: RecognitionRules
) -> Iterator[tuple[Where, str]]:
    """Find what contradicts itself: where, and which rule it breaks.

    Args:
        told: What an agency tells.
        rules: By what the locality recognises a person.
    """
    happened = told.occurred_at.date()
    for place, person in enumerate(told.people):
        born = person.date_of_birth
        using = person.role is PersonRole.PERSON_USING_VIOLENCE
        # What is known in part, or estimated, contradicts only what it cannot be.
        first = earliest_day(born) if born else None
        if using and first and years(first, happened) < YOUNGEST:
            for field in ("role", "date_of_birth"):
                yield ("people", place, field), "too_young_to_use_violence"
        harmed = person.role is PersonRole.PERSON_HARMED
        # In the east it may be the next day already.
        if harmed and first and (first - happened).days > 1:
            for at in (("people", place, "date_of_birth"), ("occurred_at",)):
                yield at, "born_after_it_happened"
    for place in twice(told.people, rules):
        yield ("people", place), "same_person_twice"
    if told.asked_by:
        yield from _wrong_with_asking(told.asked_by, told)


def _wrong_with_asking(asked: AskedBy, told: Telling) -> Iterator[tuple[Where, str]]:
    """Find what cannot be so of whoever asked for help themselves.

    Whoever did not agree is passed on only to protect somebody: to a helpline people
    speak because it keeps what they say.
    """
    if asked.who is Asker.PERSON_HARMED and not told.sharing.consulted:
        yield ("sharing", "consulted"), "asked_and_not_consulted"
    if not asked.agreed and told.sharing.purpose is not Purpose.PROTECTION:
        yield ("asked_by", "agreed"), "did_not_agree"
        yield ("sharing", "purpose"), "did_not_agree"
    if asked.person is None:
        if asked.who in OWN_PART:
            yield ("asked_by", "person"), "missing"
        return
    if asked.person >= len(told.people):
        yield ("asked_by", "person"), "no_such_person"
        return
    person = told.people[asked.person]
    if OWN_PART.get(asked.who, person.role) is not person.role:
        yield ("asked_by", "who"), "asks_in_another_part"
        yield ("people", asked.person, "role"), "asks_in_another_part"
    safe = any(each.safety is Safety.SAFE for each in person.contact_points)
    if safe is asked.no_safe_contact:
        rule = "safe_contact_told" if safe else "safe_contact_missing"
        yield ("asked_by", "no_safe_contact"), rule
        yield ("people", asked.person, "contact_points"), rule


def years(born: date, at: date) -> int:
    """Count the birthdays that somebody has had."""
    had = (at.month, at.day) >= (born.month, born.day)
    return at.year - born.year - (not had)


def age_of(person: DescribedPerson, at: date) -> int | None:
    """Give the whole years of a child, as few as they may have; none: too uncertain.

    Whoever is born after that day, and whoever may be, has had none.
    """
    born = person.date_of_birth
    if person.role is not PersonRole.CHILD or not born or is_estimated(born):
        return None
    return max(years(last_day(born), at), 0)


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
