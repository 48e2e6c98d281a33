"""Knowing by what the people of a case can be told or found, so that no paper says it.

It is gathered when a paper is about to leave, and kept nowhere: whatever was told a
moment ago counts.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping

from accord_contracts.referrals import PersonRole

from referrals.domain.case import Case
from referrals.domain.contact import ContactBook
from referrals.domain.erasure import ERASED_NAME
from referrals.domain.household import role_of
from referrals.domain.naming import folded
from referrals.domain.referral import Referral
from referrals.domain.screening import Described, Known
from referrals.domain.telling import Channel, ContactPoint, DescribedPerson
from referrals.erasing import standing_case
from referrals.transferring import Handing


async def known_of(case_id: str, handing: Handing) -> Known:
    """Give all by which the people of a case, and of those merged into it, are found.

    Also what was told of them elsewhere, and what stood before it was corrected: an
    address that an agency got wrong may be the one before last.

    Raises:
        NoSuchCase: There is none.
    """
    shelves = handing.contacting.shelves
    case = await standing_case(case_id, shelves.cases)
    if case.merged_into:
        case = await standing_case(case.merged_into, shelves.cases)
    family = await shelves.cases.family_of(case)
    people = dict.fromkeys(m.person_id for each in family for m in each.people)
    same = await shelves.reviews.one_with(people)
    ids = {*people, *same}
    referrals, books = await asyncio.gather(
        shelves.referrals.of_people(sorted(ids)),
        asyncio.gather(*map(shelves.contacts.get, sorted(ids))),
    )
    placeholders = handing.bureau.policy.recognition.placeholder_names
    unnamed = {*placeholders, folded(ERASED_NAME)}
    gathering = Gathering(family, ids, same, unnamed)
    for each in referrals:
        gathering.hear(each)
    for book in filter(None, books):
        gathering.look_into(book)
    return gathering.known


class Gathering:
    """Gathers what is known of the people of some cases.

    Args:
        family: The cases.
        ids: Their people, under each id that they have.
        same: Which ids are of one person, each with the one as which it counts.
        placeholders: What is written where no name is known, folded.
    """

    def __init__(
        self,
        family: Iterable[Case],
        ids: Collection[str],
        same: Mapping[str, str],
        placeholders: Collection[str],
    ) -> None:
        self._ids = frozenset(ids)
        self._same = same
        self._placeholders = placeholders
        self._cases = {each.id for each in family}
        self._own = {e.referral_id for each in family for e in each.episodes}
        self._roles: dict[str, set[PersonRole]] = defaultdict(set)
        for member in (m for each in family for m in each.people):
            self._roles[member.person_id].add(member.role)
        self._names: dict[str, set[str]] = defaultdict(set)
        self._ways: set[tuple[Channel, str]] = set()
        self._places: set[str] = set()
        self._codes: set[str] = set()

    @property
    def known(self) -> Known:
        """All of it."""
        people = {
            who: Described(frozenset(self._roles[who]), frozenset(names))
            for who, names in self._names.items()
        }
        return Known(
            people=people,
            same=self._same,
            ways=frozenset(self._ways),
            places=frozenset(self._places),
            codes=frozenset(self._codes),
        )

    def hear(self, referral: Referral) -> None:
        """Take in what a referral tells of them, and told before it was changed."""
        own = referral.id in self._own or referral.left_case_id in self._cases
        ids = referral.person_ids
        for place, told in enumerate(referral.told.people):
            # Whoever was added a moment ago has no id yet, and is protected like all.
            who = ids[place] if place < len(ids) else f"{referral.id}/{place}"
            if own or who in self._ids:
                self._describe(who, told, referral)
                self._remember(who, place, referral)
        if own or not self._ids.isdisjoint(ids):
            self._places.update(_addresses(referral))

    def look_into(self, book: ContactBook) -> None:
        """Take in what somebody said themselves of how they are reached."""
        for point in book.points:
            held = point.confirmation.held if point.confirmation else None
            if point.confirmation and held:
                channel = min(point.confirmation.channels)
                self._ways.add((channel, held.value))
                self._codes.update(filter(None, (held.code_word, held.duress_word)))

    def _describe(self, who: str, told: DescribedPerson, by: Referral) -> None:
        self._roles[who].add(role_of(who, told.role, by.put_right))
        self._name(who, told.given_name, told.family_name)
        self._codes.update(each.value for each in told.identifiers)
        self._reach(told.contact_points)

    def _remember(self, who: str, place: int, referral: Referral) -> None:
        for change in referral.changes:
            was = change.before(place)
            self._name(who, was.get("given_name"), was.get("family_name"))
            self._codes.update(e["value"] for e in was.get("identifiers") or ())
            stood = json.loads(change.was.get(f"address/{place}", "[]"))
            self._reach(map(ContactPoint.model_validate, stood))

    def _name(self, who: str, *names: str | None) -> None:
        told = (e for e in names if e and folded(e) not in self._placeholders)
        self._names[who].update(told)

    def _reach(self, points: Iterable[ContactPoint]) -> None:
        for each in points:
            self._ways.add((each.channel, each.value))
            self._codes.update(filter(None, (each.code_word, each.duress_word)))


def _addresses(referral: Referral) -> Iterator[str]:
    """Give where it happened, as told now and before."""
    if referral.told.place.address:
        yield referral.told.place.address
    for change in referral.changes:
        place = json.loads(change.was.get("rest", "{}")).get("place") or {}
        if place.get("address"):
            yield place["address"]
