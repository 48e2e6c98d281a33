"""Holding what turns known parts round until a person decides, and putting parts right.

What waits has a clock of its own: when it runs out the referral goes out undecided,
and the alarm goes on. A decision is one write of the case, which tells everybody; what
follows in here reacts to that.
"""

from typing import NamedTuple

from accord_chassis.clock import Clock
from accord_chassis.service import settled
from accord_chassis.store import Store
from accord_contracts.message import Event, Lane, Message
from accord_contracts.referrals import (
    CaseErased,
    RolesDecided,
    RolesQuestioned,
    RolesUndecided,
)
from pymongo.operations import IndexModel

from referrals.domain.case import Case
from referrals.domain.erasure import Decision
from referrals.domain.household import Settled
from referrals.domain.roles import (
    Doubt,
    NoSuchPair,
    Standing,
    doubt_id,
    put_right,
    settle,
    tells_of,
)
from referrals.erasing import standing_case
from referrals.handlers import received
from referrals.store import Cases, Referrals


class Doubts(Store[Doubt]):
    """Who harmed whom, as people are asked and have decided."""

    entity = Doubt
    collection = "doubts"
    due = "due_at"
    indexes = (
        IndexModel([("asked_at", 1)]),
        IndexModel([("case_id", 1)]),
    )

    async def all(self) -> list[Doubt]:
        """Give all that was asked, or decided unasked, the first one first."""
        found = self.documents.find({}, projection={"inbox": 0, "outbox": 0})
        return [self.load(each) async for each in found.sort("asked_at", 1)]

    async def of_case(self, case_id: str) -> list[Doubt]:
        """Give what was asked, or decided unasked, about a case."""
        found = self.documents.find({"case_id": case_id}, projection={"outbox": 0})
        return [self.load(each) async for each in found]

    async def remove_case(self, case_id: str) -> None:
        """Delete what was asked about a case that is erased."""
        await self.documents.delete_many({"case_id": case_id})


class Roles(NamedTuple):
    """What is needed to decide who harmed whom."""

    doubts: Doubts
    referrals: Referrals
    cases: Cases
    clock: Clock


async def hold(message: Message[RolesQuestioned], *, roles: Roles) -> None:
    """Have a referral wait for a person, and for no longer than its time.

    One that has gone out waits for nothing but the decision.
    """
    told = message.data
    asked = doubt_id(message.id if told.sent else told.referral_id)
    if await roles.doubts.get(asked, cause=message):
        return
    doubt = Doubt(
        id=asked,
        case_id=told.case_id,
        referral_id=told.referral_id,
        harmed=told.harmed,
        using_violence=told.using_violence,
        repeat=told.repeat,
        standing=Standing.UNDECIDED if told.sent else Standing.WAITING,
        asked_at=told.questioned_at,
        due_at=None if told.sent else told.decide_by,
    )
    case = await roles.cases.get(told.case_id)
    # Somebody may have decided before this was heard.
    if case and (right := _decided(case, doubt)):
        doubt = doubt.decide(right.harmed, right.decision.at)
        if not told.sent:
            await _send(doubt, roles, cause=message)
            return
    await roles.doubts.save(doubt, cause=message)


def _settled(case: Case, doubt: Doubt) -> Settled | None:
    return next((e for e in case.settled if e.two == doubt.two), None)


def _decided(case: Case, doubt: Doubt) -> Settled | None:
    """Give what was decided since a person was asked, if anything was."""
    right = _settled(case, doubt)
    return right if right and right.decision.at > doubt.asked_at else None


async def give_up(due: Doubt, *, roles: Roles) -> None:
    """Send a referral out undecided, because help must not wait, and say that it is.

    One that was decided, which is not followed yet, goes out decided: of an alarm that
    comes after its end nobody would hear the end.
    """
    if due.referral_id is None or due.due_at is None:
        return
    case = await roles.cases.get(due.case_id)
    if case and (right := _decided(case, due)):
        await _send(due.decide(right.harmed, right.decision.at), roles)
        return
    at = roles.clock.now()
    late = RolesUndecided(
        case_id=due.case_id,
        referral_id=due.referral_id,
        undecided_at=at,
        late_by=(at - due.due_at).total_seconds(),
        harmed=due.harmed,
        using_violence=due.using_violence,
    )
    await _send(due.give_up(), roles, late)


async def _send(
    doubt: Doubt,
    roles: Roles,
    *events: Event,
    cause: Message[Event] | None = None,
) -> None:
    """Have a referral begin its response, by the save that stops its clock: so once."""
    referral = await roles.referrals.get(doubt.referral_id or "")
    case = await roles.cases.get(doubt.case_id)
    if referral is None or case is None or case.erased:
        await roles.doubts.remove_case(doubt.case_id)
        return
    if not doubt.open and (right := _settled(case, doubt)):
        parts = put_right(referral.members, right.harmed, right.using_violence)
        referral = referral.with_parts(parts, right.decision.at)
    tale = received(referral, case, referral.parties, repeat=doubt.repeat)
    urgent = referral.lane is Lane.URGENT or (case.level and case.level.urgent)
    lane = Lane.URGENT if urgent else Lane.ROUTINE
    await roles.doubts.save(doubt, *events, *tale, cause=cause, lane=lane)


async def decide(
    case_id: str, harmed: str, using_violence: str, decision: Decision, roles: Roles
) -> None:
    """Decide who harmed whom of two people of a case; once is as good as twice.

    Every case of the family in which either was told to have harmed the other is
    decided by itself, because each has people of its own who serve them.

    Raises:
        NoSuchCase: There is none, or it is erased.
        NoSuchPair: Neither was told to have harmed the other.
    """
    right = Settled(harmed=harmed, using_violence=using_violence, decision=decision)
    case = await standing_case(case_id, roles.cases)
    if case.merged_into:
        case = await standing_case(case.merged_into, roles.cases)
    family = await roles.cases.family_of(case)
    concerned = [each.id for each in family if tells_of(each, right.two)]
    if not concerned:
        raise NoSuchPair
    for each in concerned:
        await _decide_one(each, right, roles)


async def _decide_one(case_id: str, right: Settled, roles: Roles) -> None:
    async def note() -> None:
        held = await standing_case(case_id, roles.cases)
        new, turned = settle(held, right)
        if not turned and any(each.says(right) for each in held.settled):
            return
        told = RolesDecided(
            case_id=case_id,
            harmed=right.harmed,
            using_violence=right.using_violence,
            corrected=turned,
            decided_at=right.decision.at,
        )
        await roles.cases.save(new, told, lane=Lane.URGENT)

    await settled(note)


async def follow(message: Message[RolesDecided], *, roles: Roles) -> None:
    """Put the parts right wherever they were told wrongly, and send what waits.

    Each write is its own, and changes nothing the second time.
    """
    told = message.data
    case = await roles.cases.get(told.case_id)
    if case is None or case.erased:
        return
    for each in await roles.referrals.of_case(case):
        parts = put_right(each.members, told.harmed, told.using_violence)
        if parts:
            await roles.referrals.save(each.with_parts(parts, told.decided_at))
    two = frozenset({told.harmed, told.using_violence})
    asked = [e for e in await roles.doubts.of_case(case.id) if e.two == two]
    for doubt in (each for each in asked if each.open):
        decided = doubt.decide(told.harmed, told.decided_at)
        if doubt.standing is Standing.WAITING:
            await _send(decided, roles)
        else:
            await roles.doubts.save(decided)
    # What was told before it, and nobody doubted, counts as a correction of its own.
    counted = any(
        each.harmed != told.harmed and (each.open or each.decided_at == told.decided_at)
        for each in asked
    )
    if told.corrected and not counted:
        await roles.doubts.save(_unasked(told, message.id))


def _unasked(told: RolesDecided, message_id: str) -> Doubt:
    """Give a correction that nobody was asked for, so that it counts."""
    return Doubt(
        id=doubt_id(message_id),
        case_id=told.case_id,
        referral_id=None,
        harmed=told.using_violence,
        using_violence=told.harmed,
        asked_at=told.decided_at,
    ).decide(told.harmed, told.decided_at)


async def forget(message: Message[CaseErased], *, roles: Roles) -> None:
    """Delete what was asked about a case that is erased."""
    await roles.doubts.remove_case(message.data.case_id)
