"""Erasing people and cases: keys are destroyed, and tombstones stay.

Who may ask for it is decided by the routes. Everything here may be done again: what was
broken off is finished by asking for it once more.
"""

import asyncio
from collections.abc import Iterable
from functools import partial

from accord_chassis.clock import Clock
from accord_chassis.service import settled
from accord_contracts.message import Message
from accord_contracts.referrals import CaseErased

from referrals.domain.case import Case
from referrals.domain.erasure import (
    RETENTION_OVER,
    Decision,
    NoSuchCase,
    NoSuchPerson,
    OnHold,
    Retention,
)
from referrals.domain.referral import Referral
from referrals.store import Cases, People, Referrals


async def erase_person(
    person_id: str,
    decision: Decision,
    *,
    referrals: Referrals,
    people: People,
    cases: Cases,
) -> None:
    """Make somebody unreadable in every referral, and unknown to recognition.

    Raises:
        NoSuchPerson: There is none.
        OnHold: A case of theirs may not be erased.
    """
    if any(case.hold for case in await cases.of_people([person_id])):
        raise OnHold
    await forget(person_id, decision, people=people)
    for each in await referrals.of_person(person_id):
        await referrals.shred_person(each, person_id)
        erase = partial(_erase_person_in, each.id, decision, referrals=referrals)
        await settled(erase)


async def forget(person_id: str, decision: Decision, *, people: People) -> None:
    """Take from a person all by which they would be recognised.

    Raises:
        NoSuchPerson: There is none.
    """

    async def decide() -> None:
        held = await people.get(person_id)
        if held is None:
            raise NoSuchPerson
        if held.erased is None:
            await people.save(held.erase(decision))

    await settled(decide)


async def _erase_person_in(
    referral_id: str, decision: Decision, *, referrals: Referrals
) -> None:
    # Loaded anew: what cannot be read any more is not in it.
    held = await referrals.get(referral_id)
    if held is not None:
        await referrals.save(held.without_unreadable(decision))


async def erase_case(case_id: str, decision: Decision, *, cases: Cases) -> None:
    """Decide that a case is erased; ``destroy_case`` and other services do it.

    Raises:
        NoSuchCase: There is none.
        OnHold: It may not be erased.
    """

    async def decide() -> None:
        held = await cases.get(case_id)
        if held is None:
            raise NoSuchCase
        if held.erased is None:
            erased = CaseErased(
                case_id=case_id, reason=decision.reason, erased_at=decision.at
            )
            await cases.save(held.erase(decision), erased)

    await settled(decide)


async def erase_when_due(due: Case, *, cases: Cases, clock: Clock) -> None:
    """Erase a case whose time has come."""
    decision = Decision(reason=RETENTION_OVER, by=None, at=clock.now())
    erased = CaseErased(case_id=due.id, reason=RETENTION_OVER, erased_at=decision.at)
    await cases.save(due.erase(decision), erased)


async def destroy_case(
    message: Message[CaseErased],
    *,
    referrals: Referrals,
    people: People,
    cases: Cases,
) -> None:
    """Destroy the keys of a case that was erased, then forget who was in it.

    Whoever is in another case too is still recognised there. The case comes last: it
    names what is to be destroyed.
    """
    case = await cases.get(message.data.case_id, cause=message)
    if case is None or case.erased is None:
        return
    for each in await referrals.of_case(case):
        await referrals.vault.shred(referrals.record(each.id))
        erase = partial(_erase_all_of, each.id, case.erased, referrals=referrals)
        await settled(erase)
    alone = await only_in(case, cases=cases)
    forget_ = partial(forget, decision=case.erased, people=people)
    await asyncio.gather(*(forget_(each) for each in alone))
    await cases.save(case.reduced(), cause=message)


async def _erase_all_of(
    referral_id: str, decision: Decision, *, referrals: Referrals
) -> None:
    held: Referral | None = await referrals.get(referral_id)
    if held is not None:
        await referrals.save(held.erase(decision))


async def only_in(case: Case, *, cases: Cases) -> Iterable[str]:
    """Give the people of a case who are in no other."""
    ids = {each.person_id for each in case.people}
    others = [each for each in await cases.of_people(ids) if each.id != case.id]
    return ids.difference(member.person_id for each in others for member in each.people)


async def hold_case(case_id: str, decision: Decision, *, cases: Cases) -> None:
    """Forbid that a case is erased, for as long as a legal hold stands.

    Raises:
        NoSuchCase: There is none, or it is erased already.
    """

    async def decide() -> None:
        await cases.save((await _standing(case_id, cases)).held_by(decision))

    await settled(decide)


async def release_case(case_id: str, *, cases: Cases, retention: Retention) -> None:
    """End a legal hold; the time after which the case is erased counts again.

    Raises:
        NoSuchCase: There is none, or it is erased already.
    """

    async def decide() -> None:
        await cases.save((await _standing(case_id, cases)).released(retention))

    await settled(decide)


async def _standing(case_id: str, cases: Cases) -> Case:
    held = await cases.get(case_id)
    if held is None or held.erased:
        raise NoSuchCase
    return held
