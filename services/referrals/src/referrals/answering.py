"""What people ask of what is held of them: taking it down, deciding, handing it out."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from accord_chassis.clock import Clock
from accord_chassis.service import settled
from accord_contracts.message import Message
from accord_contracts.referrals import (
    NoticeOverdue,
    PersonRole,
    PersonUnmerged,
    ReferralAmended,
    ReferralReceived,
    RightsOverdue,
)

from referrals.accounting import told_of
from referrals.domain.case import Case
from referrals.domain.erasure import NoSuchPerson
from referrals.domain.notice import Notice, Told3A
from referrals.domain.policy import Policy
from referrals.domain.request import Identity
from referrals.domain.rights import (
    Answer,
    AskedOtherwise,
    AskRight,
    CorrectedIn,
    Export,
    ExtendedFor,
    NoSuchRightsRequest,
    RightsRequest,
    export_of,
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
        NoSuchPerson: They are erased.
    """
    at = counter.clock.now()
    new = RightsRequest(
        id=counter.shelves.rights.id_of(asked.reference),
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

    kept = await settled(keep)
    # Looked at last: whoever erases them leaves the tombstone first, so that one of the
    # two sees the other.
    if asked.person_id and await counter.shelves.tombstones.get(asked.person_id):
        await counter.shelves.rights.forget(asked.person_id)
        raise NoSuchPerson
    return kept


async def tell_overdue(due: RightsRequest, *, counter: Counter) -> None:
    """Say once that nobody has answered somebody in time."""
    if due.due_at is None:
        return
    at, person_id = counter.clock.now(), due.asked.person_id
    cases = await reached_by(person_id, counter.shelves) if person_id else []
    overdue = RightsOverdue(
        case_id=min((each.id for each in cases if not each.erased), default=due.id),
        request_id=due.id,
        due_at=due.answer_by,
        late_by=(at - due.answer_by).total_seconds(),
    )
    await counter.shelves.rights.save(due.fall_due(at), overdue)


async def extend(
    request_id: str, days: int, reason: ExtendedFor, by: Identity, counter: Counter
) -> RightsRequest:
    """Take more time to answer, once.

    Raises:
        NoSuchRightsRequest: There is none.
        NotExtended: It cannot be extended, or not any more.
    """

    async def keep() -> RightsRequest:
        held = await _held(request_id, counter)
        new = held.extend(days, reason, by, counter.clock.now())
        return held if new is held else await counter.shelves.rights.save(new)

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


async def was_corrected(
    held: RightsRequest, told: CorrectedIn, shelves: Shelves
) -> bool:
    """Tell whether something of somebody was put right since they asked for it."""
    ids = frozenset(await all_of(held.asked.person_id or "", shelves))
    if told.referral_id:
        referral = await shelves.referrals.get(told.referral_id)
        return (
            referral is not None
            and not ids.isdisjoint(referral.everybody)
            and any(e.at >= held.asked_at and not e.reason for e in referral.changes)
        )
    case = await shelves.cases.get(told.case_id or "")
    return case is not None and any(
        ids & each.two and each.decision.at >= held.asked_at for each in case.settled
    )


async def confirm(
    request_id: str, decided_at: datetime, by: Identity, counter: Counter
) -> RightsRequest:
    """Confirm what somebody else decided.

    Args:
        request_id: Which request.
        decided_at: When the decision was made that is meant.
        by: Who confirms it.
        counter: Where it is kept.

    Raises:
        NoSuchRightsRequest: There is none.
        NotDecided: Nobody has decided it.
        DecidedAnew: Another decision stands.
        OwnDecision: They decided it themselves.
    """

    async def keep() -> RightsRequest:
        held = await _held(request_id, counter)
        new = held.confirm(decided_at, by, counter.clock.now())
        return held if new is held else await counter.shelves.rights.save(new)

    return await settled(keep)


async def _held(request_id: str, counter: Counter) -> RightsRequest:
    held = await counter.shelves.rights.get(request_id)
    if held is None:
        raise NoSuchRightsRequest
    return held


async def reached_by(person_id: str, shelves: Shelves) -> list[Case]:
    """Give every case of somebody, and of whoever is one with them."""
    return await _cases_of(await all_of(person_id, shelves), shelves)


async def _cases_of(ids: Sequence[str], shelves: Shelves) -> list[Case]:
    found = await asyncio.gather(*(cases_of(each, shelves) for each in ids))
    return list({case.id: case for cases in found for case in cases}.values())


async def used_violence(person_id: str, shelves: Shelves) -> bool:
    """Tell whether somebody, or who is one with them, was ever told to use violence.

    By anybody, also by mistake, in what was taken back, and before a person decided
    otherwise: the safe side to err on.
    """
    ids = await all_of(person_id, shelves)
    cases, found = await asyncio.gather(
        _cases_of(ids, shelves),
        asyncio.gather(*map(shelves.referrals.of_person, ids)),
    )
    had = {(each.person_id, each.role) for case in cases for each in case.people}
    for referral in (each for referrals in found for each in referrals):
        # As it was told: what a person has decided since does not count here.
        parts = [each.role for each in referral.told.people]
        had |= {*zip(referral.person_ids, parts, strict=False)}
        had |= {(each.person_id, parts[each.place]) for each in referral.former}
    return any((each, PersonRole.PERSON_USING_VIOLENCE) in had for each in ids)


async def all_of(person_id: str, shelves: Shelves) -> list[str]:
    """Give every id that somebody is known by, the one that was named first."""
    return [person_id, *await shelves.reviews.one_with([person_id])]


async def export(held: RightsRequest, counter: Counter) -> Export:
    """Make what is released to somebody.

    Raises:
        NothingReleased: Nothing is, or not any more.
    """
    parts, person_id = held.released(counter.clock.now()), held.asked.person_id
    if person_id is None:
        return Export()
    shelves = counter.shelves
    ids = await all_of(person_id, shelves)
    violent, cases, found = await asyncio.gather(
        used_violence(person_id, shelves),
        _cases_of(ids, shelves),
        asyncio.gather(*map(shelves.referrals.of_person, ids)),
    )
    disclosures = await told_of(ids, cases, shelves)
    referrals = {each.id: each for told in found for each in told}
    return export_of(
        frozenset(ids),
        parts,
        referrals.values(),
        disclosures,
        used_violence=violent,
        harmed_in=frozenset(
            each.merged_into or each.id for each in cases if {*ids} & each.harmed
        ),
    )


async def collect(
    message: Message[ReferralReceived] | Message[ReferralAmended], *, counter: Counter
) -> None:
    """Have everybody whom a referral names be told of that by the locality's time.

    Telling her may put her into danger: then it is recorded why she is not. Nobody but
    a person decides that.
    """
    by = message.time + timedelta(days=counter.policy.rights.notice_days)
    people = {each.person_id for each in message.data.parties}
    named = await counter.shelves.referrals.named_in(message.data.referral_id)
    await asyncio.gather(
        *(_collect(each, by, counter) for each in people),
        *(_let_go(each, counter.shelves) for each in named - people),
    )


async def _collect(person_id: str, by: datetime, counter: Counter) -> None:
    notices, tombstones = counter.shelves.notices, counter.shelves.tombstones

    async def begin() -> bool:
        held = await notices.get(person_id) or Notice(id=person_id)
        new = held.collect(by)
        if new is not held:
            await notices.save(new)
        return new is not held

    # Looked at last, as in ``take``.
    if await settled(begin):
        if await tombstones.get(person_id):
            await notices.remove(person_id)
        await _let_go(person_id, counter.shelves)


async def _let_go(person_id: str, shelves: Shelves) -> None:
    """Have no clock for whoever there is not: a slip that was put right made them."""
    if await shelves.people.get(person_id) is not None:
        return
    # Nobody for a moment is also whoever is given other keys.
    if not await shelves.referrals.latest_of_person(person_id, 1):
        await shelves.notices.remove(person_id)


async def part_notices(message: Message[PersonUnmerged], *, counter: Counter) -> None:
    """Have nobody stand as told because somebody else was, with whom they were one.

    Their clock begins anew. By whom is one now, as decided once more since.
    """
    by = message.data.unmerged_at + timedelta(days=counter.policy.rights.notice_days)
    two = (message.data.person_id, message.data.other_id)
    notices, reviews = counter.shelves.notices, counter.shelves.reviews

    async def part(each: str) -> None:
        held = await notices.get(each)
        if held and (new := held.part(await reviews.one_with([each]), by)) is not held:
            await notices.save(new)

    for each in {*two, *await reviews.one_with(two)}:
        await settled(partial(part, each))
        await _let_go(each, counter.shelves)


async def tell_notice_due(due: Notice, *, counter: Counter) -> None:
    """Say once that somebody is to be told, or why not is to be looked at again."""
    if due.alarm_at is None:
        return
    cases = await reached_by(due.id, counter.shelves)
    standing = [each.id for each in cases if not each.erased]
    told = [
        NoticeOverdue(
            case_id=min(standing),
            person_id=due.id,
            revisit=bool(due.entries),
            due_at=due.alarm_at,
            late_by=(counter.clock.now() - due.alarm_at).total_seconds(),
        )
        for _ in standing[:1]
    ]
    await counter.shelves.notices.save(due.fall_due(), *told)


async def enter_notice(
    person_id: str, told: Told3A, by: str, counter: Counter
) -> Notice:
    """Record whether somebody was told, or why not, by each id that they are known by.

    Raises:
        NoSuchPerson: They are erased.
    """

    async def keep(each: str) -> Notice:
        held = await counter.shelves.notices.get(each) or Notice(id=each)
        through = person_id if each != person_id else None
        new = held.enter(told, by=by, at=counter.clock.now(), through=through)
        return held if new is held else await counter.shelves.notices.save(new)

    kept, *_ = [
        await settled(partial(keep, each))
        for each in await all_of(person_id, counter.shelves)
    ]
    # Looked at last, as in ``take``.
    if await counter.shelves.tombstones.get(person_id):
        await counter.shelves.notices.remove(person_id)
        raise NoSuchPerson
    return kept
