"""Handing a case over to another region.

What is merged into it goes with it, and first, so that what breaks off in between is
finished by asking once more. Each case tells of it by itself; what follows in here, the
ledger and the ends of its clocks, reacts to that.
"""

import asyncio
from functools import partial
from itertools import chain
from typing import NamedTuple

from accord_chassis.service import settled
from accord_contracts.message import Message
from accord_contracts.referrals import CaseTransferred

from referrals import amending, inquiring
from referrals.contacting import Contacting
from referrals.domain.case import Case
from referrals.domain.handover import Handover
from referrals.domain.ledger import of_transfer
from referrals.domain.merging import AlreadyMerged
from referrals.domain.package import Known, Packed, packed, reached
from referrals.domain.transferring import NotTransferred, PartsInDoubt, transfer
from referrals.erasing import standing_case
from referrals.inquiring import Bureau
from referrals.orders import Orders
from referrals.receiving import Receipts
from referrals.roles import Doubts
from referrals.triggers import Triggers, dates_of


class Handing(NamedTuple):
    """What is needed to hand a case over."""

    bureau: Bureau
    contacting: Contacting
    doubts: Doubts
    triggers: Triggers
    orders: Orders
    receipts: Receipts


async def hand_over(case_id: str, handover: Handover, handing: Handing) -> Case:
    """Hand a case over, with all that is merged into it; once is as good as twice.

    Raises:
        NoSuchCase: There is none, or it is erased.
        AlreadyMerged: Its survivor is handed over, and it with that.
        TransferredElsewhere: It was handed over to another.
        PartsInDoubt: It waits for who harmed whom.
    """
    cases = handing.contacting.shelves.cases
    case = await standing_case(case_id, cases)
    if case.merged_into:
        raise AlreadyMerged
    family = [each.id for each in await cases.family_of(case)]
    for each in family:
        if any(doubt.open for doubt in await handing.doubts.of_case(each)):
            raise PartsInDoubt

    async def close(each: str) -> Case:
        held = await standing_case(each, cases)
        new = transfer(held, handover, handing.bureau.policy.retention)
        if new is held:
            return held
        told = CaseTransferred(case_id=each, transferred_at=handover.decision.at)
        return await cases.save(new, told)

    for each in family[1:]:
        await settled(partial(close, each))
    return await settled(partial(close, case_id))


async def package_of(case: Case, handing: Handing) -> tuple[Packed, ...]:
    """Put together what the other region gets of a case that was handed over to it.

    Raises:
        NotTransferred: It was not.
    """
    if case.transferred is None:
        raise NotTransferred
    contacting, bureau = handing.contacting, handing.bureau
    shelves, at = contacting.shelves, contacting.clock.now()
    family = await shelves.cases.family_of(case)
    found = await asyncio.gather(*map(shelves.referrals.of_case, family))
    referrals = {each.id: each for some in found for each in some}
    ids = {who for each in referrals.values() for who in each.person_ids}
    gone = await inquiring.erased_of(sorted(ids), bureau)
    standing = sorted(ids - gone)
    looked = await asyncio.gather(*map(contacting.look, standing))
    told_in = frozenset(each.id for each in referrals.values() if not each.withdrawn)
    rules = contacting.rules
    dates = await asyncio.gather(*(handing.triggers.of_case(e.id) for e in family))
    known = Known(
        gone=gone,
        reached={
            who: reached(points, told_in, at, rules)
            for who, (_, points) in zip(standing, looked, strict=True)
        },
        dates=dates_of(referrals.values(), case.id, chain.from_iterable(dates)),
        orders=tuple(await handing.orders.of_cases([each.id for each in family])),
    )
    terms, recognition = case.transferred.terms, bureau.policy.recognition
    return packed(referrals.values(), terms, known, at=at, rules=recognition)


async def enter_transfer(
    message: Message[CaseTransferred], *, handing: Handing
) -> None:
    """Enter in the ledger what the other region gets of a case.

    What is merged into another is entered with that, which is handed over last.
    """
    case = await handing.contacting.shelves.cases.get(message.data.case_id)
    if case and not case.erased and not case.merged_into:
        told = await package_of(case, handing)
        await inquiring.enter(of_transfer(case, told), handing.bureau)


async def end_questions(message: Message[CaseTransferred], *, handing: Handing) -> None:
    """Ask no agency for more about what it may not change any more."""
    shelves = handing.contacting.shelves
    case = await shelves.cases.get(message.data.case_id)
    for each in await shelves.referrals.of_case(case) if case else ():
        if each.wanted:
            await amending.ask_more(each.id, None, referrals=shelves.referrals)
