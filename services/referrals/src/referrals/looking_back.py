"""Finding what was referred before about the people of a case."""

import asyncio
from collections.abc import Iterable
from typing import NamedTuple

from accord_chassis.decision import Resource
from accord_chassis.guard import Asking

from referrals.domain.case import Case
from referrals.domain.history import Heard
from referrals.erasing import Shelves, standing_case
from referrals.store import PARTS, People


class Told(NamedTuple):
    """What was referred about the people of a case.

    Attributes:
        heard: In this case and in others.
        others: Those other cases, also those that are merged into it.
        merged: Which of them are merged into it: what is heard in them is its own.
        complete: There was not too much of it to be looked at.
    """

    heard: list[Heard]
    others: list[Case]
    merged: frozenset[str]
    complete: bool


async def heard_of(case_id: str, shelves: Shelves) -> Told:
    """Find every referral about the people of a case, whichever case it belongs to.

    Who is one with somebody of the case is counted as them. Whoever is erased is not in
    it, nor is a referral that belongs to no case yet.

    Raises:
        NoSuchCase: There is none, or it is erased.
    """
    case = await standing_case(case_id, shelves.cases)
    _, *merged = family = await shelves.cases.family_of(case)
    ids = [each.person_id for one in family for each in one.people]
    same = await shelves.reviews.one_with(ids)
    ids = list(dict.fromkeys((*ids, *same)))
    found, cases = await asyncio.gather(
        shelves.referrals.heard_of(ids), shelves.cases.of_people(ids)
    )
    kept = {e.referral_id: each.id for each in cases for e in each.episodes}
    placed = [each.in_case(kept.get(each.referral_id)) for each in found]
    standing = {each.id for each in cases}
    heard = [each for each in placed if each.case_id in standing]
    everybody = {member.person_id for each in heard for member in each.members}
    erased = await asyncio.gather(*map(shelves.tombstones.get, sorted(everybody)))
    gone = {each.id for each in erased if each is not None}
    return Told(
        heard=[each.without(gone).counted_as(same) for each in heard],
        others=[each for each in cases if each.id != case_id],
        merged=frozenset(each.id for each in merged),
        complete=len(found) < PARTS,
    )


async def note_namesakes(
    person_ids: Iterable[str], of: Resource, people: People, reader: Asking
) -> None:
    """Raise the alarm if somebody of them bears the reader's own family name.

    Nobody's name is opened for a reader whose own is not known.

    Raises:
        AuditAway: It cannot be kept.
    """
    if reader.who.family_name:
        await reader.note_namesakes(await people.family_names(person_ids), of)
