"""Accounting for what was told of somebody, in the ledger and by referrals."""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import chain

from referrals.domain.case import Case
from referrals.domain.ledger import Disclosure, Reading, of_reading, of_referral
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
    person_id: str, case_id: str, by: Reading, at: datetime, shelves: Shelves
) -> None:
    """Enter in the ledger that somebody was shown how a person may be reached.

    Before it is shown: what cannot be entered is not shown either.
    """
    entry = of_reading(person_id, case_id, by, at)
    if await shelves.disclosures.get(entry.id) is None:
        await enter([entry], shelves)
