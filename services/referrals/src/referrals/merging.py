"""Merging cases, and taking that back.

Two documents change, one after the other. The survivor first notes whom it takes in, so
that it is not merged away or erased meanwhile; then the other says that it is merged,
and tells everybody. What breaks off in between is finished by asking once more, or
undone by taking it back.
"""

from datetime import datetime

from accord_chassis.service import settled
from accord_contracts.problem import Refusal
from accord_contracts.referrals import CaseMerged, CaseUnmerged

from referrals.domain import merging
from referrals.domain.case import Case
from referrals.domain.erasure import Decision, Retention
from referrals.domain.transferring import open_to_change
from referrals.erasing import standing_case
from referrals.store import Cases


async def merge_cases(
    survivor_id: str,
    other_id: str,
    decision: Decision,
    *,
    cases: Cases,
    retention: Retention,
) -> Case:
    """Merge a case into another, and give the survivor. Once is as good as twice.

    Raises:
        NoSuchCase: There is no such case, or it is erased.
        MergedIntoItself: The two are one.
        AlreadyMerged: One of them is merged into a third.
        OthersMerged: Others are merged into the one that is to be merged.
        HeldForLaw: A legal hold stands on the one that is to be merged.
        ClosedToChange: One of them was transferred.
    """

    async def take_in() -> Case:
        other = await standing_case(other_id, cases)
        merging.merge(other, survivor_id, decision)
        held = await standing_case(survivor_id, cases)
        new = merging.take_in(held, other, decision.at)
        return held if new is held else await cases.save(new)

    async def merge() -> None:
        # Read before the survivor: an erasure of that one touches this one after.
        other = await standing_case(other_id, cases)
        open_to_change(await standing_case(survivor_id, cases))
        new = merging.merge(other, survivor_id, decision)
        if new is not other:
            told = CaseMerged(
                case_id=other_id, survivor_id=survivor_id, merged_at=decision.at
            )
            await cases.save(new, told)

    survivor = await settled(take_in)
    try:
        await settled(merge)
    except Refusal:
        await _let_go(survivor_id, other_id, cases=cases, retention=retention)
        raise
    return survivor


async def unmerge_cases(
    survivor_id: str,
    other_id: str,
    at: datetime,
    *,
    cases: Cases,
    retention: Retention,
) -> Case:
    """Take back that a case was merged, and give the survivor as it is then.

    Raises:
        NoSuchCase: There is no such case, or it is erased.
        AlreadyMerged: It is merged into a third.
        ClosedToChange: It was transferred.
    """

    async def unmerge() -> None:
        other = await standing_case(other_id, cases)
        new = merging.unmerge(other, survivor_id, retention)
        if new is not other:
            told = CaseUnmerged(
                case_id=other_id, survivor_id=survivor_id, unmerged_at=at
            )
            await cases.save(new, told)

    await settled(unmerge)
    await _let_go(survivor_id, other_id, cases=cases, retention=retention)
    return await standing_case(survivor_id, cases)


async def _let_go(
    survivor_id: str, other_id: str, *, cases: Cases, retention: Retention
) -> None:
    async def let_go() -> None:
        survivor, other = await cases.get(survivor_id), await cases.get(other_id)
        if survivor is None or (other and other.merged_into == survivor_id):
            return
        new = merging.let_go(survivor, other_id, retention)
        if new is not survivor:
            await cases.save(new)

    await settled(let_go)
