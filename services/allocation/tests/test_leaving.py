"""Whoever is no longer at work, or in a role: what they had goes to others."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from accord_chassis.retention import class_of
from accord_chassis.testing import NOON, new_id, published
from accord_contracts.allocation import (
    AllocationAccepted,
    AllocationHandedOver,
    AllocationOffered,
    AllocationUnfilled,
    AllocationWithdrawn,
    CaseTeamChanged,
    HandOverReason,
    LeaveChanged,
)
from accord_contracts.message import Lane
from accord_contracts.risk import RiskLevel
from allocation.domain.availability import Absence
from allocation.domain.directory import Worker
from allocation.domain.offer import Answer, Status
from allocation.domain.staffing import Staffing
from allocation.domain.wanted import Wanted
from allocation.handlers.answering import accept
from allocation.handlers.directory import leave_of, put_worker
from allocation.handlers.handing import free_handed_over, hand_over
from allocation.handlers.leaving import AT_ONCE, take_back
from allocation.handlers.placing import attend
from allocation.store.directory import Directory
from allocation.store.kept import Glasses
from allocation_builders import LOCALITIES, SPECIALIST, WHANAU, Office, need, worker

SECOND = timedelta(seconds=1)

KEPT = class_of("allocation.workers", LOCALITIES / "canterbury")


async def puts(office: Office, told: Worker) -> None:
    """Have an administrator say something of a worker."""
    await put_worker(
        told,
        at=office.clock.now(),
        workers=office.workers,
        desk=office.desk,
    )


async def sweeps(office: Office) -> int:
    """Let a second pass and take back what is due; say of how many workers."""
    glasses = Glasses(office.database)
    await glasses.prepare()
    due = await office.workers.due_now(office.clock.advance(SECOND))
    for each in due:
        await take_back(each, desk=office.desk, glasses=glasses, kept=KEPT)
    return len(due)


async def until_nothing_is_left(office: Office) -> None:
    for _ in range(9):
        if not await sweeps(office):
            return
        await office.deliver()
    pytest.fail("Something is still to be taken back.")


async def given(office: Office, *, taken: bool) -> tuple[str, str, str]:
    """Give a case and two workers: one who is asked, or has its role, and another."""
    pair = await office.employs(worker(WHANAU), worker(WHANAU))
    case_id = (await office.wants_a_role()).case_id
    await office.deliver()
    role = await office.allocation(case_id)
    first = role.worker_id
    assert first
    if taken:
        await accept(role.id, first, desk=office.desk)
        await office.deliver()
    [second] = [each.id for each in pair if each.id != first]
    return case_id, first, second


@pytest.mark.parametrize("taken", [True, False])
@pytest.mark.parametrize(
    "change", [{"active": False}, {"roles": frozenset({SPECIALIST})}]
)
async def test_the_roles_of_whoever_leaves_are_offered_to_others_at_once(
    office: Office, change: dict[str, Any], *, taken: bool
) -> None:
    case_id, first, second = await given(office, taken=taken)

    left = worker(WHANAU, id=first).model_copy(update=change)
    await puts(office, left)
    await until_nothing_is_left(office)

    role = await office.allocation(case_id)
    assert (role.status, role.worker_id) == (Status.OFFERED, second)
    assert role.offers[0].answer is Answer.WITHDRAWN
    offers = await office.told(AllocationOffered)
    assert [each.data.worker_id for each in offers] == [first, second]
    gone = await office.worker(first)
    assert (gone.holds, gone.leaving, gone.leaves_at) == ({}, (), None)
    teams = await office.told(CaseTeamChanged)
    assert [len(each.data.members) for each in teams] == ([1, 0] if taken else [])
    assert all(each.lane is Lane.URGENT for each in teams[1:])


async def test_whoever_stays_keeps_what_they_have(office: Office) -> None:
    case_id, first, _ = await given(office, taken=True)

    await puts(office, worker(WHANAU, SPECIALIST, id=first, capacity=1))

    assert await sweeps(office) == 0
    assert (await office.allocation(case_id)).holder == first


async def test_hundreds_of_cases_are_gone_through_a_bounded_number_at_a_time(
    office: Office,
) -> None:
    cases = 2 * AT_ONCE + 1
    [her] = await office.employs(worker(WHANAU, capacity=1000))
    for _ in range(cases):
        await office.wants_a_role()
    await office.deliver()
    [other] = await office.employs(worker(WHANAU, capacity=1000))
    await puts(office, her.model_copy(update={"active": False}))
    held = [len((await office.worker(her.id)).holds)]

    while await sweeps(office):
        await office.deliver()
        held.append(len((await office.worker(her.id)).holds))

    assert held == [cases, cases - AT_ONCE, 1, 0, 0]
    assert len((await office.worker(other.id)).holds) == cases


async def test_a_role_is_taken_back_once_while_placing_is_yet_to_hear_of_it(
    office: Office,
) -> None:
    case_id, first, _ = await given(office, taken=True)
    await puts(office, worker(WHANAU, id=first, active=False))

    for _ in range(3):
        assert await sweeps(office) == 1
    held = await office.desk.staffings.get(case_id)

    assert held
    assert held.roles[WHANAU].lists == 1
    await office.deliver()
    assert (await office.allocation(case_id)).holder != first


class Dying(Directory):
    """A process that dies when it has taken a role back, and is to note that."""

    async def change(self, *_: Any, **__: Any) -> Worker:
        raise ConnectionError


async def test_another_process_goes_on_where_one_died(
    office: Office, other_process: Office
) -> None:
    case_id, first, second = await given(office, taken=True)
    await puts(office, worker(WHANAU, id=first, active=False))
    [claimed] = await office.workers.due_now(office.clock.advance(SECOND))
    dying = replace(office.desk, directory=Dying(office.workers))
    glasses = Glasses(office.database)
    await glasses.prepare()
    with pytest.raises(ConnectionError):
        await take_back(claimed, desk=dying, glasses=glasses, kept=KEPT)

    # As it is claimed anew when the lease of whoever died is over.
    await take_back(claimed, desk=other_process.desk, glasses=glasses, kept=KEPT)
    other_process.delivered = set(office.delivered)
    await other_process.deliver()
    await until_nothing_is_left(other_process)

    staffing = await other_process.desk.staffings.get(case_id)
    assert staffing
    assert staffing.roles[WHANAU].lists == 1
    role = await other_process.allocation(case_id)
    assert (role.status, role.worker_id) == (Status.OFFERED, second)
    assert (await other_process.worker(first)).leaves_at is None


async def test_an_acceptance_that_is_heard_of_after_leaving_joins_nobody(
    office: Office,
) -> None:
    case_id, first, _ = await given(office, taken=False)
    role = await office.allocation(case_id)
    await accept(role.id, first, desk=office.desk)
    await puts(office, worker(WHANAU, id=first, active=False))
    await sweeps(office)

    await office.deliver()

    held = await office.desk.staffings.get(case_id)
    assert held
    assert held.team == ()
    assert first in held.served_others


async def handed_over_to(office: Office) -> tuple[str, str, str, Worker]:
    """A role that somebody has taken over, which the case is yet to hear.

    The case, the role, who had it, and who has taken it over.
    """
    case_id, first, _ = await given(office, taken=True)
    role = await office.allocation(case_id)
    await hand_over(role.id, first, HandOverReason.LEAVING, desk=office.desk)
    asked = (await office.allocation(case_id)).worker_id
    assert asked
    await accept(role.id, asked, desk=office.desk)
    return case_id, role.id, first, await office.worker(asked)


async def frees(office: Office, message_of: str) -> None:
    """Free the place of whoever has handed a role over, as its message is heard."""
    for message in await office.told(AllocationHandedOver):
        if message.data.allocation_id == message_of:
            await free_handed_over(message, desk=office.desk)


@pytest.mark.parametrize("swept", [False, True])
@pytest.mark.parametrize("freed", ["before", "after"])
async def test_whoever_took_over_and_left_before_joining_does_not_join(
    office: Office, freed: str, *, swept: bool
) -> None:
    case_id, role_id, first, taker = await handed_over_to(office)
    if freed == "before":
        await frees(office, role_id)
    gone = taker.model_copy(update={"active": False})
    await puts(office, gone)
    if swept:
        await sweeps(office)

    await office.deliver()
    if freed == "after":
        await frees(office, role_id)
    await until_nothing_is_left(office)

    role = await office.allocation(case_id)
    staffing = await office.desk.staffings.get(case_id)
    assert staffing
    assert staffing.team == ((WHANAU, first),)
    assert taker.id in staffing.served_others
    assert (role.status, role.kept_by, role.working) == (
        Status.UNFILLED, first, (first,),
    )  # fmt: skip
    assert {*(await office.worker(first)).holds} == {role_id}
    assert not (await office.worker(taker.id)).holds
    [alarm] = await office.told(AllocationUnfilled)
    assert alarm.data.reason == "no_candidate"
    last = (await office.told(AllocationAccepted))[-1].data
    assert (last.allocation_id, last.worker_id) == (role_id, first)
    [taken] = await office.told(AllocationWithdrawn)
    assert (taken.data.worker_id, taken.data.kept_by) == (taker.id, first)


async def test_if_whoever_handed_over_has_left_too_it_is_wanted_anew(
    office: Office,
) -> None:
    case_id, role_id, first, taker = await handed_over_to(office)
    await frees(office, role_id)
    for each in (await office.worker(first), taker):
        await puts(office, each.model_copy(update={"active": False}))
    [other] = await office.employs(worker(WHANAU))

    await office.deliver()
    await until_nothing_is_left(office)

    role = await office.allocation(case_id)
    staffing = await office.desk.staffings.get(case_id)
    assert staffing
    assert staffing.team == ()
    assert (role.worker_id, role.kept_by, role.working) == (other.id, None, ())


async def test_an_offer_beside_a_handover_to_somebody_who_leaves_goes_to_others(
    office: Office,
) -> None:
    case_id, first, second = await given(office, taken=True)
    role = await office.allocation(case_id)
    await hand_over(role.id, first, HandOverReason.LEAVING, desk=office.desk)
    [third] = await office.employs(worker(WHANAU))

    await puts(office, worker(WHANAU, id=second, active=False))
    await until_nothing_is_left(office)

    held = await office.allocation(case_id)
    assert (held.status, held.worker_id, held.kept_by) == (
        Status.OFFERED, third.id, first,
    )  # fmt: skip


async def test_whoever_is_back_may_be_asked_and_join_again(office: Office) -> None:
    [her] = await office.employs(worker(WHANAU))
    case_id = (await office.wants_a_role()).case_id
    await office.deliver()
    await accept((await office.allocation(case_id)).id, her.id, desk=office.desk)
    await office.deliver()
    await puts(office, her.model_copy(update={"active": False}))
    await until_nothing_is_left(office)
    assert (await office.allocation(case_id)).status is Status.UNFILLED

    await puts(office, her)
    office.clock.advance(timedelta(hours=8))
    for each in await office.desk.allocations.due_now(office.clock.now()):
        await attend(each, desk=office.desk)
    await accept((await office.allocation(case_id)).id, her.id, desk=office.desk)
    await office.deliver()

    held = await office.desk.staffings.get(case_id)
    assert held
    assert held.team == ((WHANAU, her.id),)


def test_a_role_that_somebody_else_has_accepted_is_taken_from_nobody() -> None:
    her, other, allocation_id = new_id(), new_id(), new_id()
    wanted = Wanted(
        allocation_id=allocation_id,
        level=RiskLevel.HIGH,
        since=NOON,
        first_referred_at=NOON,
        worker_id=other,
    )
    held = Staffing(id=new_id(), roles={WHANAU: wanted})

    assert held.leave(allocation_id, her).team == ((WHANAU, other),)
    assert held.leave(allocation_id, other).team == ()


def test_places_that_have_lapsed_are_not_taken_back() -> None:
    lapsing, wanted = need(WHANAU), need(SPECIALIST)
    her = worker(WHANAU, SPECIALIST).reserve(lapsing, NOON + SECOND, NOON)
    left = her.replaced_by(worker(SPECIALIST, id=her.id), NOON)
    assert left.leaving == (lapsing.allocation_id,)

    later = NOON + 2 * SECOND
    assert left.reserve(wanted, later + SECOND, later).leaving == ()


@pytest.mark.parametrize("back", [True, False])
async def test_how_a_leaver_is_reached_is_forgotten_unless_they_are_back(
    office: Office, *, back: bool
) -> None:
    her = worker(WHANAU, email="her@example.org")
    await puts(office, her)
    await puts(office, her.model_copy(update={"active": False}))
    await until_nothing_is_left(office)
    assert (await office.worker(her.id)).email == her.email

    if back:
        await puts(office, her)
    office.clock.advance(timedelta(days=90))
    await until_nothing_is_left(office)

    known = await office.worker(her.id)
    assert known.email == (her.email if back else None)
    assert known.leaves_at is None
    raw = await office.workers.documents.find_one({"_id": her.id})
    assert raw
    assert (raw["sealed"]["contact"] is None) is not back


async def test_leave_is_told_with_what_the_directory_says_of_somebody(
    office: Office,
) -> None:
    at = office.clock.now()
    over, away, less = (
        Absence(since=at - 9 * SECOND, until=at),
        Absence(since=at, until=at + SECOND),
        Absence(since=at, until=at + SECOND, percent=50),
    )
    told = worker(WHANAU)

    for absences in ((), (over, away, less), (over, away, less), (), ()):
        await puts(office, told.model_copy(update={"absences": absences}))

    every = await published(office.workers)
    said = [each for each in every if isinstance(each.data, LeaveChanged)]
    since = [[span.since for span in e.data.leave] for e in said]
    # Taken back, it is told at every file, should the first time be lost.
    assert since == [[at], [at], [], []]
    assert {each.data.worker_id for each in said} == {told.id}
    versions = [each.aggregate_version for each in said]
    assert versions == sorted(set(versions))


async def leave_told(office: Office) -> list[tuple[int, int]]:
    """Give of what was told of leave the worker's version, and of how many absences."""
    every = await published(office.workers)
    said = [each for each in every if isinstance(each.data, LeaveChanged)]
    return [(each.aggregate_version, len(each.data.leave)) for each in said]


async def test_of_what_is_said_of_leave_at_once_the_last_is_told_once(
    office: Office,
) -> None:
    at = office.clock.now()
    [held] = await office.employs(worker(WHANAU))
    away = held.model_copy(
        update={"absences": (Absence(since=at, until=at + SECOND),)},
    )

    await asyncio.gather(
        *(
            office.desk.directory.change(
                held.id,
                lambda known, told=told: known.replaced_by(told, at),
                Lane.ROUTINE,
                partial(leave_of, at=at),
            )
            for told in (away, held)
        )
    )

    saved = await office.worker(held.id)
    assert saved.absences == ()
    assert await leave_told(office) == [(saved.version, 0)]


async def test_leave_that_is_taken_back_while_it_is_saved_is_told_to_be_over(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = office.clock.now()
    [held] = await office.employs(worker(WHANAU))
    away = held.model_copy(
        update={"absences": (Absence(since=at, until=at + SECOND),)},
    )
    saving, was_read = asyncio.Event(), asyncio.Event()
    get, save = office.workers.get, office.workers.save

    async def save_later(*told: Any, **how: Any) -> Worker:
        saving.set()
        await was_read.wait()
        return await save(*told, **how)

    async def get_before(*which: Any) -> Worker | None:
        found = await get(*which)
        if saving.is_set():
            was_read.set()
        return found

    monkeypatch.setattr(office.workers, "save", save_later)
    monkeypatch.setattr(office.workers, "get", get_before)
    first = asyncio.create_task(puts(office, away))
    await saving.wait()
    await puts(office, held)
    await first

    assert (await office.worker(held.id)).absences == ()
    assert [spans for _, spans in await leave_told(office)] == [1, 0]
