"""What two people decide together: erasing, and ending a legal hold.

The second word is stored first and then done, so that nothing is withdrawn meanwhile.
What breaks off after it is finished by confirming once more.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from accord_chassis.clock import Clock
from accord_chassis.retention import RecordClass
from accord_chassis.service import settled
from accord_contracts.message import Code
from accord_contracts.referrals import ConfirmationAsked, ConfirmationLapsed

from referrals import erasing
from referrals.domain.case import Case
from referrals.domain.erasure import Decision, NotHeld
from referrals.domain.policy import Policy
from referrals.domain.request import Act, Identity, NoSuchRequest, Request
from referrals.erasing import Shelves
from referrals.store import Requests

HELD_AGAIN = timedelta(days=1)
"""How often it is looked whether a hold that keeps a request still stands."""


class Office(NamedTuple):
    """What is needed to decide."""

    requests: Requests
    shelves: Shelves
    policy: Policy
    clock: Clock


async def cases_about(act: Act, about: str, shelves: Shelves) -> list[Case]:
    """Give the cases that what is asked for reaches: whoever is barred may not ask."""
    if act is Act.ERASE_PERSON:
        return await erasing.cases_of(about, shelves)
    held = await shelves.cases.get(about)
    return [held] if held else []


async def ask(
    act: Act, about: str, reason: Code, asker: Identity, office: Office
) -> Request:
    """Ask for it; while it waits, once is as good as twice.

    Raises:
        NoSuchCase: There is none.
        NoSuchPerson: There is none.
        OnHold: A legal hold forbids erasing.
        NotHeld: There is no hold to end.
    """
    at = office.clock.now()
    hold = None
    if act is Act.RELEASE_HOLD:
        held = await erasing.standing_case(about, office.shelves.cases)
        if held.hold is None:
            raise NotHeld
        hold = held.hold
    else:
        await _may_be_erased(act, about, at, office)
    days = office.policy.confirm_within_days
    cases = await cases_about(act, about, office.shelves)
    case_id = min((each.id for each in cases), default=about)
    new = Request.ask(
        act, about, reason, asker, hold=hold, case_id=case_id, at=at, days=days
    )
    waits = ConfirmationAsked(
        case_id=case_id,
        request_id=new.id,
        asked_by=asker.worker,
        asked_at=at,
        until=new.until,
    )

    async def keep() -> Request:
        held = await office.requests.get(new.id)
        if held and held.is_open(at):
            return held
        version = held.version if held else 0
        asked = new.model_copy(update={"version": version})
        return await office.requests.save(asked, waits)

    return await settled(keep)


async def confirm(request_id: str, confirmer: Identity, office: Office) -> Request:
    """Confirm what somebody else asks for, and do it.

    Raises:
        NoSuchRequest: There is none.
        OwnRequest: By whoever asked.
        RequestOver: It was withdrawn, or has lapsed.
        OnHold: A legal hold forbids erasing.
        Overtaken: A hold was placed or ended since.
    """
    at = office.clock.now()

    async def decide() -> Request:
        held = await find(request_id, office)
        confirmed = held.confirm(confirmer, at)
        await _not_overtaken(held, at, office)
        return await office.requests.save(confirmed)

    confirmed = await settled(decide)
    if confirmed.decided:
        await _do(confirmed, confirmed.decided, office)
    return confirmed


async def withdraw(request_id: str, by: Identity, office: Office) -> None:
    """Take back what one has asked for.

    Raises:
        NoSuchRequest: There is none.
        NotYourRequest: By somebody else.
        ConfirmedBefore: It is too late.
    """
    at = office.clock.now()

    async def decide() -> None:
        held = await find(request_id, office)
        await office.requests.save(held.withdraw(by, at))

    await settled(decide)


async def attend(due: Request, *, office: Office, kept: RecordClass) -> None:
    """Tell that a request has lapsed; erase one that is over when its time has come.

    While a case that it is about is held, it stays.
    """
    at = office.clock.now()
    left = await cases_about(due.act, due.about, office.shelves)
    if due.waits_until is not None:
        await _tell_lapsed(due, left, at, office)
    elif at < (over := kept.over(due.over_at)):
        await office.requests.save(due.look_again(over))
    elif any(each.hold for each in left):
        await office.requests.save(due.look_again(at + HELD_AGAIN))
    else:
        await office.requests.remove(due.id)


async def _tell_lapsed(
    due: Request, left: list[Case], at: datetime, office: Office
) -> None:
    """Tell whoever asked; of an erased case nothing is told."""
    lapsed = [
        ConfirmationLapsed(
            case_id=due.case_id,
            request_id=due.id,
            worker_id=due.asker.worker,
            lapsed_at=at,
            late_by=(at - due.until).total_seconds(),
        )
        for each in left
        if each.id == due.case_id and not each.erased
    ]
    await office.requests.save(due.lapse(at), *lapsed)


async def find(request_id: str, office: Office) -> Request:
    """Give a request.

    Raises:
        NoSuchRequest: There is none.
    """
    held = await office.requests.get(request_id)
    if held is None:
        raise NoSuchRequest
    return held


async def _may_be_erased(
    act: Act, about: str, asked_at: datetime, office: Office
) -> None:
    if act is Act.ERASE_PERSON:
        await erasing.person_may_be_erased(about, asked_at, office.shelves)
    else:
        await erasing.case_may_be_erased(about, asked_at, office.shelves)


async def _not_overtaken(request: Request, at: datetime, office: Office) -> None:
    """See that no hold was placed or ended since, before the second word is stored."""
    if request.act is Act.RELEASE_HOLD:
        case = await erasing.standing_case(request.about, office.shelves.cases)
        case.released(request.hold, office.policy.retention, at)
    else:
        await _may_be_erased(request.act, request.about, request.asked_at, office)


async def _do(request: Request, decided: Decision, office: Office) -> None:
    about, asked_at, shelves = request.about, request.asked_at, office.shelves
    match request.act:
        case Act.ERASE_PERSON:
            await erasing.erase_person(about, decided, asked_at, shelves)
        case Act.ERASE_CASE:
            await erasing.erase_case(about, decided, asked_at, shelves)
        case Act.RELEASE_HOLD:
            await erasing.release_case(
                about,
                request.hold,
                decided.at,
                cases=shelves.cases,
                retention=office.policy.retention,
            )
