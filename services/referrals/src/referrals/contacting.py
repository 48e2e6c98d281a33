"""Knowing how people may be reached, and noting what they say about it.

Nothing is done when a referral comes in: what it told is looked at when somebody asks,
so it is never older than the referrals, and there is no second copy of an address.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from accord_chassis.clock import Clock
from accord_chassis.service import settled
from accord_contracts.access import Purpose
from accord_contracts.message import Event, Message
from accord_contracts.notify import ContactStopped
from accord_contracts.problem import Refusal
from accord_contracts.referrals import ContactSuspended, PersonRole

from referrals.contact_store import heard_of, reaches_of
from referrals.domain.case import Case
from referrals.domain.contact import (
    Confirmation,
    ContactBook,
    ContactRules,
    NoSuchContact,
    Point,
    SuspendedFor,
    Suspension,
    also_reaches,
    find,
    heed,
    heed_suspensions,
    reach_of,
)
from referrals.domain.erasure import NoSuchPerson
from referrals.domain.household import opposed, with_role
from referrals.domain.safe_contact import Permitted, Refused, may_use
from referrals.domain.telling import Channel
from referrals.erasing import Shelves, cases_of

LEEWAY = timedelta(seconds=60)
"""By how much the clock of whoever asks may be behind."""

AHEAD = timedelta(hours=24)
"""For how far ahead it can be said that somebody may be reached."""


class NotForThen(Refusal):
    """It can be said for the present and for a day ahead."""

    status = 422


class Contacting(NamedTuple):
    """What is needed to know how people may be reached."""

    shelves: Shelves
    rules: ContactRules
    clock: Clock

    async def look(self, person_id: str) -> tuple[ContactBook, list[Point]]:
        """Give what was decided about somebody, and all that is known of each point."""
        shelves = self.shelves
        book, (heard, complete), same = await asyncio.gather(
            shelves.contacts.get(person_id),
            heard_of(person_id, shelves.referrals),
            shelves.reviews.one_with([person_id]),
        )
        book = book or ContactBook(id=person_id)
        blind = shelves.referrals.vault.blind
        points = book.know(heard, blind, complete=complete)
        for each in same:
            their_book, (theirs, _) = await asyncio.gather(
                shelves.contacts.get(each), heard_of(each, shelves.referrals)
            )
            points = heed(points, theirs, their_book, blind)
        if points:
            points = await self._beside(frozenset({person_id, *same}), points)
        return book, points

    async def _beside(self, one: frozenset[str], points: list[Point]) -> list[Point]:
        """Heed whom else in their cases the points of somebody reach."""
        shelves = self.shelves
        cases = await all_cases_of(one, shelves)
        against = frozenset[str]().union(*(opposed(one, e.people) for e in cases))
        against = against.union(await shelves.reviews.one_with(against)) - one
        others = {e.person_id for each in cases for e in each.people} - one
        theirs, beside, (reaches, complete) = await asyncio.gather(
            shelves.contacts.decided_of(against),
            shelves.contacts.decided_of(others),
            reaches_of(against, shelves.referrals),
        )
        for each in theirs:
            reaches.setdefault(each.reach, set()).add(each.id)
        points = also_reaches(points, reaches, complete=complete)
        return heed_suspensions(points, [*theirs, *beside])

    def decide(
        self, point: Point, channel: Channel, at: datetime, purpose: Purpose
    ) -> Permitted | Refused:
        """Decide whether a point may be used."""
        return may_use(point, channel, at, purpose, self.rules)

    def then(self, at: datetime | None) -> datetime:
        """Give the time for which something is asked, if it can be answered.

        Raises:
            NotForThen: It is over, so that its answer would tell of the past, or it is
                too far ahead.
        """
        now = self.clock.now()
        if at is not None and not now - LEEWAY <= at <= now + AHEAD:
            raise NotForThen
        return max(at or now, now)


async def confirm(
    person_id: str,
    contact_id: str,
    told: Confirmation,
    contacting: Contacting,
    *,
    replaces: str | None,
    known_in: frozenset[str],
) -> None:
    """Note what a person said, when they were asked, of a way to reach them.

    Args:
        person_id: Who.
        contact_id: Which way.
        told: What they said.
        contacting: What is needed to know of the others.
        replaces: Another way, which is closed.
        known_in: The cases for which they were asked.

    Raises:
        AnotherContact: The id is that of another value.
        ContactClosed: It was closed.
        NoSuchContact: What it replaces is not there.
        TooManyContacts: There are too many already.
        NoSuchPerson: They are erased.
    """
    held = told.held
    if held is None:
        raise ValueError("Nothing was said.")
    channel = next(iter(told.channels))
    blind = contacting.shelves.referrals.vault.blind
    reach = blind(reach_of(channel, held.value))

    def decide(book: ContactBook, points: list[Point]) -> ContactBook:
        return book.confirm(
            contact_id, reach, told, points, replaces=replaces, known_in=known_in
        )

    await _change(person_id, decide, contacting)


async def close(
    person_id: str, contact_id: str, at: datetime, contacting: Contacting
) -> None:
    """Note that a point is not the person's any more.

    Raises:
        NoSuchContact: There is none.
        NoSuchPerson: They are erased.
    """

    def decide(book: ContactBook, points: list[Point]) -> ContactBook:
        return book.close(find(contact_id, points), at)

    await _change(person_id, decide, contacting)


async def suspend(
    person_id: str, contact_id: str, why: Suspension, contacting: Contacting
) -> None:
    """Have a point not used until the person was asked again, and tell who leads.

    Raises:
        NoSuchContact: There is none.
        NoSuchPerson: They are erased.
    """
    cases = await cases_of(person_id, contacting.shelves)
    told = tuple(
        ContactSuspended(
            case_id=each.id,
            person_id=person_id,
            contact_id=contact_id,
            suspended_at=why.at,
        )
        for each in cases
        if not each.erased
    )

    def decide(book: ContactBook, points: list[Point]) -> ContactBook:
        return book.suspend(find(contact_id, points), why)

    await _change(person_id, decide, contacting, *told)


async def stop(message: Message[ContactStopped], *, contacting: Contacting) -> None:
    """Have a point not used from which came that nothing more is to be sent there."""
    told = message.data
    why = Suspension(
        reason=SuspendedFor.ASKED_TO_STOP, by=message.source, at=told.stopped_at
    )
    # Of whom nothing is known any more nothing can be used either.
    with contextlib.suppress(NoSuchContact, NoSuchPerson):
        await suspend(told.person_id, told.contact_id, why, contacting)


async def all_cases_of(one: Iterable[str], shelves: Shelves) -> list[Case]:
    """Give every case of somebody, and what is merged into it.

    Args:
        one: Who, by each id that they are known by.
        shelves: Where it is kept.
    """
    own = await asyncio.gather(*(cases_of(each, shelves) for each in one))
    held = {each.id: each for found in own for each in found}
    families = await asyncio.gather(*map(shelves.cases.family_of, held.values()))
    return [*{each.id: each for found in families for each in found}.values()]


class PartsOf(NamedTuple):
    """In which cases somebody has which part, by each id that they are known by.

    Attributes:
        using: Where they use violence and were not harmed, also in no case that is
            merged with it.
        harmed: Where they were harmed.
    """

    using: frozenset[str]
    harmed: frozenset[str]


async def parts_of(person_id: str, contacting: Contacting) -> PartsOf:
    """Give in which cases somebody uses violence, and in which they were harmed."""
    shelves = contacting.shelves
    one = frozenset({person_id, *await shelves.reviews.one_with([person_id])})
    cases = await all_cases_of(one, shelves)
    using_violence = PersonRole.PERSON_USING_VIOLENCE
    harmed = [each for each in cases if one & each.harmed]
    barred = {each.merged_into or each.id for each in harmed}
    using = [
        each
        for each in cases
        if one & with_role(using_violence, each.people)
        and (each.merged_into or each.id) not in barred
    ]
    return PartsOf(_names_of(using), _names_of(harmed))


def _names_of(cases: Iterable[Case]) -> frozenset[str]:
    return frozenset(name for e in cases for name in (e.id, e.merged_into) if name)


def was_harmed(person_id: str, case_id: str, cases: Iterable[Case]) -> bool:
    """Tell whether somebody was harmed in a case, and is said to use violence in none.

    Args:
        person_id: Who.
        case_id: The case, or the one that it is merged into.
        cases: Every case that they are in.
    """
    held = list(cases)
    harmed = any(
        person_id in each.harmed
        for each in held
        if case_id in {each.id, each.merged_into}
    )
    using_violence = PersonRole.PERSON_USING_VIOLENCE
    return harmed and not any(
        person_id in with_role(using_violence, each.people) for each in held
    )


async def _change(
    person_id: str,
    decide: Callable[[ContactBook, list[Point]], ContactBook],
    contacting: Contacting,
    *events: Event,
) -> None:
    shelves = contacting.shelves

    async def once() -> None:
        book, points = await contacting.look(person_id)
        changed = decide(book, points)
        if changed is not book:
            await shelves.contacts.keep(book, changed, *events)

    await settled(once)
    # Looked at last: whoever erases them leaves the tombstone first, so that one of the
    # two sees the other.
    if await shelves.tombstones.get(person_id):
        await shelves.contacts.destroy(person_id)
        raise NoSuchPerson
