"""Accounting for what was told of somebody, in the ledger and by referrals."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import chain

from accord_chassis.access import Caller
from accord_contracts.grounds import S20Purpose

from referrals.domain.case import Case
from referrals.domain.ledger import (
    Disclosure,
    FieldGroup,
    Reading,
    of_reading,
    of_referral,
)
from referrals.erasing import Shelves
from referrals.inquiring import enter


async def told_of(
    ids: Sequence[str], cases: Iterable[Case], shelves: Shelves, limit: int = 0
) -> list[Disclosure]:
    """Give all that was told of somebody, the latest first.

    Args:
        ids: Of whom, by each id that they are known by.
        cases: Every case that they are in.
        shelves: Where it is kept.
        limit: At most so much; 0: all.
    """
    entered = await asyncio.gather(
        *(shelves.disclosures.about(each, limit) for each in ids)
    )
    described = await asyncio.gather(*map(shelves.referrals.of_person, ids))
    # As a merged case, which an export names by the one that goes on.
    found = {
        each.referral_id: case.merged_into or case.id
        for case in cases
        for each in case.episodes
    }
    told = (
        entry
        for person_id, referrals in zip(ids, described, strict=True)
        for each in referrals
        for entry in of_referral(
            each, person_id, found.get(each.id) or each.left_case_id
        )
    )
    latest = sorted(chain(*entered, told), key=lambda each: each.at, reverse=True)
    return latest[:limit] if limit else latest


async def enter_reading(
    person_ids: Iterable[str],
    case_id: str,
    by: Reading,
    at: datetime,
    shelves: Shelves,
    *,
    group: FieldGroup = FieldGroup.CONTACT,
) -> None:
    """Enter in the ledger that somebody was shown a kind of thing about people.

    Before it is shown: what cannot be entered is not shown either.

    Args:
        person_ids: About whom.
        case_id: The case by which they read it.
        by: Who.
        at: When.
        shelves: Where it is kept.
        group: How somebody may be reached, or where something happened.
    """
    entries = [of_reading(each, case_id, by, at, group) for each in person_ids]
    held = await asyncio.gather(*(shelves.disclosures.get(e.id) for e in entries))
    new = [entry for entry, there in zip(entries, held, strict=True) if there is None]
    await enter(new, shelves)


def reading_by(who: Caller, purpose: S20Purpose | None) -> Reading:
    """Give who has something shown to them, and what for."""
    return Reading(
        issuer=who.issuer,
        subject=who.subject,
        agency=who.agency or None,
        worker=who.worker,
        purpose=purpose,
    )
