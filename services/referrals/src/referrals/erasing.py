"""Erasing people and cases: keys are destroyed, and tombstones stay.

Who may ask for it is decided by the routes, and that two people agree by ``deciding``.
Everything here may be done again: what was broken off is finished by deciding it once
more.
"""

import asyncio
from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import NamedTuple

from accord_chassis.clock import Clock
from accord_chassis.service import settled
from accord_contracts.message import Message
from accord_contracts.referrals import CaseErased, PersonErased

from referrals import inquiring
from referrals.contact_store import ContactBooks
from referrals.domain.case import Case
from referrals.domain.erasure import (
    RETENTION_OVER,
    Decision,
    Erased,
    NoSuchCase,
    NoSuchPerson,
    Retention,
    Tombstone,
)
from referrals.domain.merging import AlreadyMerged
from referrals.keeping import Disclosures, Inquiries
from referrals.review_store import Reviews
from referrals.rights_store import Notices, RightsRequests
from referrals.store import Cases, People, Referrals, Tombstones


class Shelves(NamedTuple):
    """Where everything is kept that an erasure reaches."""

    referrals: Referrals
    people: People
    cases: Cases
    tombstones: Tombstones
    reviews: Reviews
    inquiries: Inquiries
    disclosures: Disclosures
    contacts: ContactBooks
    rights: RightsRequests
    notices: Notices


async def person_may_be_erased(
    person_id: str, asked_at: datetime, shelves: Shelves
) -> None:
    """See that there is somebody, and that no legal hold forbids erasing them.

    Raises:
        NoSuchPerson: There is none.
        OnHold: A case of theirs may not be erased.
        Overtaken: One might not, since this was asked for.
    """
    if not await is_known(person_id, shelves):
        raise NoSuchPerson
    for case in await cases_of(person_id, shelves):
        case.may_be_erased(asked_at)


async def erase_person(
    person_id: str, decision: Decision, asked_at: datetime, shelves: Shelves
) -> None:
    """Make somebody unreadable in every referral, and unknown to recognition.

    Raises:
        NoSuchPerson: There is none.
        OnHold: A case of theirs may not be erased.
        Overtaken: One might not, since this was asked for.
    """
    await person_may_be_erased(person_id, asked_at, shelves)
    referrals = shelves.referrals
    told = [
        PersonErased(
            case_id=each.id,
            person_id=person_id,
            reason=decision.reason,
            erased_at=decision.at,
        )
        for each in await cases_of(person_id, shelves)
    ]
    await forget(person_id, decision, shelves, *told)
    for each in await referrals.of_person(person_id):
        await referrals.shred_person(each, person_id)
        await settled(partial(_write_down_anew, each.id, decision, referrals))


async def is_known(person_id: str, shelves: Shelves) -> bool:
    """Tell whether there is or was such a person."""
    known, erased = await asyncio.gather(
        shelves.people.get(person_id), shelves.tombstones.get(person_id)
    )
    return known is not None or erased is not None


async def cases_of(person_id: str, shelves: Shelves) -> list[Case]:
    """Give every case that somebody is in, or was before it grew too long to say so.

    The store is asked as often of whoever there is not: it shows in how long it takes.
    """
    cases = shelves.cases
    in_cases, referrals = await asyncio.gather(
        cases.of_people([person_id]), shelves.referrals.of_person(person_id)
    )
    left = {each.left_case_id for each in referrals if each.left_case_id}
    kept, former = await asyncio.gather(
        cases.of_referrals([each.id for each in referrals]), cases.of_ids(left)
    )
    held = {each.id: each for each in (*in_cases, *kept, *former)}
    merged = {each.merged_into for each in held.values() if each.merged_into}
    survivors = await cases.of_ids(merged - {*held})
    return list((held | {each.id: each for each in survivors}).values())


async def forget(
    person_id: str, decision: Decision, shelves: Shelves, *told: PersonErased
) -> None:
    """Leave a tombstone of a person, and nothing by which to recognise them.

    Args:
        person_id: Whom.
        decision: Who decided it, and why.
        shelves: Where they are known.
        told: To whoever keeps something of them in a case that stays. It is kept with
            the tombstone, so that it is told although the rest is broken off, and told
            again whenever they are erased once more.
    """
    tombstone = Tombstone(id=person_id, kind=Erased.PERSON, decision=decision)
    keep = partial(shelves.tombstones.keep_and_tell, tombstone, *told)
    await settled(keep)
    await shelves.people.remove(person_id)
    # Then nobody can be made one with them any more.
    await shelves.reviews.forget(person_id, decision.at)
    await inquiring.forget_about(
        person_id, decision, shelves.inquiries, shelves.disclosures
    )
    await shelves.contacts.destroy(person_id)
    await shelves.rights.forget(person_id)
    await shelves.notices.remove(person_id)


async def _write_down_anew(
    referral_id: str, decision: Decision, referrals: Referrals
) -> None:
    # Loaded anew: what cannot be read any more is not in it.
    held = await referrals.get(referral_id)
    if held is not None:
        await referrals.save(held.without_unreadable(decision))


async def case_may_be_erased(
    case_id: str, asked_at: datetime, shelves: Shelves
) -> None:
    """See that there is a case, and that no legal hold forbids erasing it.

    Raises:
        NoSuchCase: There is none.
        OnHold: It may not be erased.
        Overtaken: It might not, since this was asked for.
        AlreadyMerged: It is erased with the case that it is merged into.
    """
    held = await shelves.cases.get(case_id)
    if held is not None:
        if held.merged_into:
            raise AlreadyMerged
        held.may_be_erased(asked_at)
    elif await shelves.tombstones.get(case_id) is None:
        raise NoSuchCase


async def erase_case(
    case_id: str, decision: Decision, asked_at: datetime, shelves: Shelves
) -> None:
    """Decide that a case is erased; ``destroy_case`` and other services do it.

    Raises:
        NoSuchCase: There is none.
        OnHold: It may not be erased.
        Overtaken: It might not, since this was asked for.
        AlreadyMerged: It is erased with the case that it is merged into.
    """

    async def decide() -> Case | None:
        held = await shelves.cases.get(case_id)
        if held is None or held.erased:
            return held
        if held.merged_into:
            raise AlreadyMerged
        return await shelves.cases.save(held.erase(decision, asked_at))

    held = await settled(decide)
    if held is not None:
        await _tell(held, shelves)
    elif await shelves.tombstones.get(case_id) is None:
        raise NoSuchCase


async def erase_when_due(due: Case, *, shelves: Shelves, clock: Clock) -> None:
    """Erase a case whose time has come, or whose erasure was broken off."""
    erased = due
    if due.erased is None:
        decision = Decision(reason=RETENTION_OVER, by=None, at=clock.now())
        erased = await shelves.cases.save(due.erase(decision, decision.at))
    await _tell(erased, shelves)


async def _tell(case: Case, shelves: Shelves) -> None:
    """Keep the tombstone of an erased case, which tells everybody.

    What is merged into it is erased first: it names what that is.
    """
    if case.erased is None:
        return
    for each in case.taken:
        await settled(partial(_erase_merged, each, case, shelves))
    tombstone = Tombstone(id=case.id, kind=Erased.CASE, decision=case.erased)
    told = CaseErased(
        case_id=case.id, reason=case.erased.reason, erased_at=case.erased.at
    )
    await shelves.tombstones.keep(tombstone, told)


async def _erase_merged(case_id: str, survivor: Case, shelves: Shelves) -> None:
    held = await shelves.cases.get(case_id)
    if held is None:
        return
    if held.merged_into != survivor.id:
        # Whoever is merging it now conflicts, and finds that the survivor is erased.
        await shelves.cases.save(held)
        return
    if held.erased is None and (decision := survivor.erased):
        update = {"erased": decision, "erase_at": decision.at}
        held = await shelves.cases.save(held.model_copy(update=update))
    await _tell(held, shelves)


async def destroy_case(message: Message[CaseErased], *, shelves: Shelves) -> None:
    """Destroy the keys of a case that was erased, then forget who was in it.

    Whoever is in another case too is still recognised there. The case goes last: it
    names what is to be destroyed.
    """
    case = await shelves.cases.get(message.data.case_id)
    if case is None or case.erased is None:
        return
    referrals, ids = shelves.referrals, {each.person_id for each in case.people}
    told = await referrals.of_case(case)
    for each in told:
        ids |= each.everybody
        await referrals.vault.shred(referrals.record(each.id))
        await settled(partial(_erase_all_of, each.id, case.erased, referrals))
    await inquiring.unlearn(told, ids, shelves.inquiries)
    for person_id in await only_in(case, ids, cases=shelves.cases):
        await forget(person_id, case.erased, shelves)
    await shelves.cases.remove(case.id)


async def _erase_all_of(
    referral_id: str, decision: Decision, referrals: Referrals
) -> None:
    held = await referrals.get(referral_id)
    if held is not None:
        await referrals.save(held.erase(decision))


async def only_in(case: Case, ids: set[str], *, cases: Cases) -> Iterable[str]:
    """Give those of some people of a case who are in no other."""
    others = [each for each in await cases.of_people(ids) if each.id != case.id]
    return ids.difference(member.person_id for each in others for member in each.people)


async def hold_case(case_id: str, decision: Decision, *, cases: Cases) -> None:
    """Forbid that a case is erased, for as long as a legal hold stands.

    Raises:
        NoSuchCase: There is none, or it is erased already.
        AlreadyMerged: It is the survivor that is to be held, and both are then.
    """

    async def decide() -> None:
        held = await standing_case(case_id, cases)
        if held.merged_into:
            raise AlreadyMerged
        await cases.save(held.held_by(decision))

    await settled(decide)


async def release_case(
    case_id: str,
    hold: Decision | None,
    at: datetime,
    *,
    cases: Cases,
    retention: Retention,
) -> None:
    """End a legal hold; the time after which the case is erased counts again.

    Raises:
        NoSuchCase: There is none, or it is erased already.
        Overtaken: Another hold stands.
    """

    async def decide() -> None:
        held = await standing_case(case_id, cases)
        await cases.save(held.released(hold, retention, at))

    await settled(decide)


async def standing_case(case_id: str, cases: Cases) -> Case:
    """Give a case that is not erased.

    Raises:
        NoSuchCase: There is none, or it is erased already.
    """
    held = await cases.get(case_id)
    if held is None or held.erased:
        raise NoSuchCase
    return held
