"""What people ask of what is held of them: taking it down, deciding, handing it out."""

import asyncio
from datetime import timedelta
from typing import NamedTuple

from accord_chassis.clock import Clock
from accord_chassis.service import settled
from accord_contracts.referrals import PersonRole

from referrals.domain.case import Member
from referrals.domain.notice import Notice, Told3A
from referrals.domain.policy import Policy
from referrals.domain.request import Identity
from referrals.domain.rights import (
    Answer,
    AskedOtherwise,
    AskRight,
    Export,
    NoSuchRightsRequest,
    RightsRequest,
    export_of,
    rights_id,
)
from referrals.erasing import Shelves, cases_of


class Counter(NamedTuple):
    """What is needed to take requests of people, and to answer them."""

    shelves: Shelves
    policy: Policy
    clock: Clock


async def take(asked: AskRight, by: Identity, counter: Counter) -> RightsRequest:
    """Take down what somebody asks for, once for each reference.

    Raises:
        AskedOtherwise: The reference stands for something else.
    """
    at = counter.clock.now()
    new = RightsRequest(
        id=rights_id(asked.reference),
        asked=asked,
        asked_at=at,
        answer_by=at + timedelta(days=counter.policy.rights.answer_days),
        taken_by=by,
    )

    async def keep() -> RightsRequest:
        held = await counter.shelves.rights.get(new.id)
        if held is None:
            return await counter.shelves.rights.save(new)
        if held.asked != asked:
            raise AskedOtherwise
        return held

    return await settled(keep)


async def decide(
    request_id: str, answer: Answer, by: Identity, counter: Counter
) -> RightsRequest:
    """Decide what is answered; somebody else confirms it.

    Raises:
        NoSuchRightsRequest: There is none.
        DecidedAlready: It was confirmed.
    """

    async def keep() -> RightsRequest:
        held = await _held(request_id, counter)
        return await counter.shelves.rights.save(
            held.decide(answer, by, counter.clock.now())
        )

    return await settled(keep)


async def confirm(request_id: str, by: Identity, counter: Counter) -> RightsRequest:
    """Confirm what somebody else decided.

    Raises:
        NoSuchRightsRequest: There is none.
        NotDecided: Nobody has decided it.
        OwnDecision: They decided it themselves.
    """

    async def keep() -> RightsRequest:
        held = await _held(request_id, counter)
        new = held.confirm(by, counter.clock.now())
        return held if new is held else await counter.shelves.rights.save(new)

    return await settled(keep)


async def _held(request_id: str, counter: Counter) -> RightsRequest:
    held = await counter.shelves.rights.get(request_id)
    if held is None:
        raise NoSuchRightsRequest
    return held


async def used_violence(person_id: str, shelves: Shelves) -> bool:
    """Tell whether somebody was ever told to use violence, by anybody.

    Also by mistake, and in what was taken back: the safe side to err on.
    """
    cases, referrals = await asyncio.gather(
        cases_of(person_id, shelves), shelves.referrals.of_person(person_id)
    )
    told: list[Member] = [each for case in cases for each in case.people]
    told += [each for referral in referrals for each in referral.members]
    using = PersonRole.PERSON_USING_VIOLENCE
    return Member(person_id=person_id, role=using) in told


async def export(held: RightsRequest, counter: Counter) -> Export:
    """Make what is released to somebody.

    Raises:
        NothingReleased: Nothing is, or not any more.
    """
    parts, person_id = held.released(counter.clock.now()), held.asked.person_id
    if person_id is None:
        return Export()
    shelves = counter.shelves
    violent, referrals, disclosures = await asyncio.gather(
        used_violence(person_id, shelves),
        shelves.referrals.of_person(person_id),
        shelves.disclosures.about(person_id),
    )
    return export_of(person_id, parts, referrals, disclosures, used_violence=violent)


async def enter_notice(
    person_id: str, told: Told3A, by: str, counter: Counter
) -> Notice:
    """Record whether somebody was told, or why not."""

    async def keep() -> Notice:
        held = await counter.shelves.notices.get(person_id) or Notice(id=person_id)
        new = held.enter(told, by=by, at=counter.clock.now())
        return held if new is held else await counter.shelves.notices.save(new)

    return await settled(keep)
