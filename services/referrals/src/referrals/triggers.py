"""What referrals does about dates that are known ahead."""

import contextlib
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime

from accord_chassis.clock import Clock
from accord_chassis.service import settled
from accord_chassis.store import Conflict, Store
from accord_contracts.message import Event, Lane, Message
from accord_contracts.referrals import (
    CaseErased,
    CaseTransferred,
    TriggerCancelled,
    TriggerFellDue,
    TriggerScheduled,
    TriggerTold,
)
from pymongo.operations import IndexModel

from referrals.domain.referral import Referral
from referrals.domain.trigger import (
    NoSuchTrigger,
    State,
    Trigger,
    TriggerRules,
    When,
    trigger_id,
)
from referrals.outdating import outdated
from referrals.store import Cases


class Triggers(Store[Trigger]):
    """The dates that are known ahead, each with its own clock."""

    entity = Trigger
    collection = "triggers"
    due = "due_at"
    indexes = (IndexModel([("case_id", 1)]), IndexModel([("referral_id", 1)]))

    async def of_referral(self, referral_id: str) -> list[Trigger]:
        """Give the dates that a referral told of, in its order."""
        found = self.documents.find(
            {"referral_id": referral_id}, projection={"inbox": 0, "outbox": 0}
        )
        loaded = [self.load(each) async for each in found]
        return sorted(loaded, key=lambda each: each.number)

    async def of_case(self, case_id: str) -> list[Trigger]:
        """Give the dates of a case."""
        found = self.documents.find(
            {"case_id": case_id}, projection={"inbox": 0, "outbox": 0}
        )
        return [self.load(each) async for each in found]

    async def remove_case(self, case_id: str) -> None:
        """Delete all dates of a case that is erased."""
        await self.documents.delete_many({"case_id": case_id})


def told_of(referral: Referral, case_id: str) -> list[Event]:
    """Tell of the dates of a referral that has found its case."""
    return [*_told(referral, case_id)]


def _told(referral: Referral, case_id: str) -> list[TriggerTold]:
    told = zip(referral.told.triggers, referral.due, strict=False)
    return [
        TriggerTold(
            case_id=case_id,
            referral_id=referral.id,
            trigger_id=trigger_id(referral.id, number),
            number=number,
            agency=referral.sender.agency,
            kind=each.kind,
            due_at=due_at,
            person_ids=tuple(
                dict.fromkeys(referral.person_ids[place] for place in each.about)
            ),
            reference=each.reference,
        )
        for number, (each, due_at) in enumerate(told)
    ]


def trigger_of(told: TriggerTold, *, elsewhere: bool) -> Trigger:
    """Give a date as it is first told.

    Args:
        told: What is told of it.
        elsewhere: Its case was transferred.
    """
    return Trigger(
        id=told.trigger_id,
        case_id=told.case_id,
        referral_id=told.referral_id,
        number=told.number,
        agency=told.agency,
        kind=told.kind,
        happens_at=told.due_at,
        person_ids=told.person_ids,
        reference=told.reference,
        elsewhere=elsewhere,
    )


def dates_of(
    referrals: Iterable[Referral], case_id: str, known: Iterable[Trigger]
) -> tuple[Trigger, ...]:
    """Give all dates that some referrals told of, as they are known now.

    Args:
        referrals: Of one case, or of what is merged into it.
        case_id: Of it.
        known: The dates whose clocks are set: of the latest they may not be yet.
    """
    told = (told for each in referrals for told in _told(each, case_id))
    first = {each.trigger_id: trigger_of(each, elsewhere=False) for each in told}
    return tuple({**first, **{each.id: each for each in known}}.values())


async def schedule(
    message: Message[TriggerTold],
    *,
    triggers: Triggers,
    cases: Cases,
    rules: TriggerRules,
    clock: Clock,
) -> None:
    """Set the clock of a date, once however often it is told of."""
    told = message.data
    case = await cases.get(told.case_id)
    if case is None or case.erased:
        return
    new = trigger_of(told, elsewhere=case.transferred is not None)
    # Where that was handed over, it went along with its referral.
    near = rules.near(new.happens_at, clock.now())
    lane = Lane.URGENT if near else message.lane
    # Its id comes from the referral, so one that is there was set before.
    with contextlib.suppress(Conflict):
        await triggers.save(new, *scheduled(new), cause=message, lane=lane)


async def move(
    held_id: str,
    when: When,
    *,
    by: str,
    at: datetime,
    triggers: Triggers,
    cases: Cases,
    rules: TriggerRules,
) -> Trigger:
    """Put a date at another time; the old one does not fall due any more.

    Where its case was handed over, whoever did that is told instead.

    Raises:
        NoSuchTrigger: There is none.
    """
    happens_at = rules.due_at(when)
    lane = Lane.URGENT if rules.near(happens_at, at) else Lane.ROUTINE

    def moved(held: Trigger) -> Trigger:
        return held.move(happens_at, by=by, at=at)

    async def told(new: Trigger) -> list[Event]:
        case = await cases.get(new.case_id)
        return [*scheduled(new), *outdated(case, new.referral_id, at)]

    return await _change(held_id, moved, told, lane=lane, triggers=triggers)


async def cancel(
    held_id: str, *, by: str, at: datetime, triggers: Triggers, cases: Cases
) -> Trigger:
    """Call a date off: it does not fall due any more.

    Where its case was handed over, whoever did that is told instead.

    Raises:
        NoSuchTrigger: There is none.
        AlreadyFellDue: It is there.
    """

    def cancelled(held: Trigger) -> Trigger:
        return held.cancel(by=by, at=at)

    async def told(new: Trigger) -> list[Event]:
        case = await cases.get(new.case_id)
        off = [] if new.elsewhere else [called_off(new)]
        return [*off, *outdated(case, new.referral_id, at)]

    return await _change(held_id, cancelled, told, lane=Lane.ROUTINE, triggers=triggers)


async def _change(
    held_id: str,
    change: Callable[[Trigger], Trigger],
    tell: Callable[[Trigger], Awaitable[list[Event]]],
    *,
    lane: Lane,
    triggers: Triggers,
) -> Trigger:
    async def decide() -> Trigger:
        held = await triggers.get(held_id)
        if held is None:
            raise NoSuchTrigger
        new = change(held)
        if new is held:
            return held
        return await triggers.save(new, *await tell(new), lane=lane)

    return await settled(decide)


async def fall_due(due: Trigger, *, triggers: Triggers, clock: Clock) -> None:
    """Tell that a date is there, by the save that stops its clock: so once."""
    at = clock.now()
    if due.state is not State.SCHEDULED or due.happens_at > at:
        return
    fell_due = TriggerFellDue(
        case_id=due.case_id,
        trigger_id=due.id,
        kind=due.kind,
        due_at=due.happens_at,
        late_by=(at - due.happens_at).total_seconds(),
    )
    # The other region was told of it, and has a clock for it too.
    told = [] if due.elsewhere else [fell_due]
    await triggers.save(due.fall_due(at), *told, lane=Lane.URGENT)


async def call_off(message: Message[CaseTransferred], *, triggers: Triggers) -> None:
    """Call off all dates of a case that was transferred: there they are told anew.

    Not to whoever told of them: that would tell where she went.
    """

    def left(held: Trigger) -> Trigger:
        return held if held.elsewhere else held.leave()

    async def told(new: Trigger) -> list[Event]:
        return [called_off(new)] if new.state is State.SCHEDULED else []

    for each in await triggers.of_case(message.data.case_id):
        await _change(each.id, left, told, lane=Lane.ROUTINE, triggers=triggers)


async def forget(message: Message[CaseErased], *, triggers: Triggers) -> None:
    """Delete the dates of a case that is erased."""
    await triggers.remove_case(message.data.case_id)


def scheduled(new: Trigger) -> list[Event]:
    """Tell when something is known to come; nothing if its case was transferred."""
    told = TriggerScheduled(
        case_id=new.case_id, trigger_id=new.id, kind=new.kind, due_at=new.happens_at
    )
    return [] if new.elsewhere else [told]


def called_off(held: Trigger) -> Event:
    """Tell that something does not come any more."""
    return TriggerCancelled(
        case_id=held.case_id,
        trigger_id=held.id,
        kind=held.kind,
        due_at=held.happens_at,
    )
