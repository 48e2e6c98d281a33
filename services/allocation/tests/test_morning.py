"""All open roles placed together by the clock, before the meeting."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from accord_chassis.testing import new_id
from accord_contracts.referrals import ContactWish, Wishes
from allocation.domain.directory import Gender, Worker
from allocation.domain.morning import TOO_LATE, Morning, MorningRun
from allocation.domain.policy import Mode
from allocation.handlers.answering import accept
from allocation.handlers.handing import TOGETHER, offer_to
from allocation.handlers.staffing import note_wishes, want_roles
from allocation.handlers.together import place_in_the_morning
from allocation.store.kept import AT_ONCE, MORNING, Mornings
from allocation_builders import Office, Running, assessed, referred, worker

AUCKLAND = ZoneInfo("Pacific/Auckland")
WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday"]
PLANNED = MorningRun.model_validate({"days": WEEKDAYS, "at": "08:00", "seconds": 1})


@pytest.mark.parametrize(
    ("now", "begins"),
    [
        # Friday before and after it; summer time begins on the Sunday.
        ("2026-09-24T19:59:59", "2026-09-24T20:00:00"),
        ("2026-09-24T20:00:00", "2026-09-27T19:00:00"),
        # Summer time ends on Sunday 5 April.
        ("2026-04-03T00:00:00", "2026-04-05T20:00:00"),
    ],
)
def test_the_next_run_is_when_clocks_show_it(now: str, begins: str) -> None:
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)

    found = PLANNED.next_after(at, AUCKLAND)

    assert found == datetime.fromisoformat(begins).replace(tzinfo=UTC)


def test_a_run_that_was_missed_for_long_or_is_planned_no_more_is_left_out() -> None:
    begins = PLANNED.next_after(datetime(2026, 11, 2, tzinfo=UTC), AUCKLAND)
    due = Morning(id=MORNING, due_at=begins)
    other = PLANNED.model_copy(update={"at": "09:00"})

    assert due.runs(PLANNED, begins + TOO_LATE, AUCKLAND)
    assert not due.runs(PLANNED, begins + TOO_LATE + timedelta(seconds=1), AUCKLAND)
    assert not due.runs(other, begins, AUCKLAND)
    first = Morning(id=MORNING, due_at=AT_ONCE)
    assert not first.runs(PLANNED, begins, AUCKLAND)


async def morning_of(office: Office) -> tuple[Mornings, Morning]:
    """Let the time of the next run come, and claim it as a process does."""
    mornings = Mornings(office.database)
    await mornings.prepare()
    [first] = await mornings.due_now(office.clock.now())
    await place_in_the_morning(first, desk=office.desk, mornings=mornings)
    planned = await mornings.get(MORNING)
    assert planned is not None
    assert planned.ran_at is None
    office.clock.advance(planned.due_at - office.clock.now())
    [due] = await mornings.due_now(office.clock.now())
    # No other process has it too.
    assert await Mornings(office.database).due_now(office.clock.now()) == []
    return mornings, due


async def wanting_a_woman(office: Office) -> str:
    case_id, referral_id = new_id(), new_id()
    wish = Wishes(gender=ContactWish.WOMAN)
    await note_wishes(
        referred(case_id, referral_id=referral_id, wishes=wish), desk=office.desk
    )
    await want_roles(assessed(case_id, referral_id=referral_id), desk=office.desk)
    await office.deliver()
    return case_id


async def crowded(office: Office) -> tuple[list[str], Worker, Worker]:
    """Three cases that wish for a woman, of which a man is asked; then there is one."""
    [man] = await office.employs(worker(gender=Gender.MAN))
    cases = [await wanting_a_woman(office) for _ in range(3)]
    [woman] = await office.employs(worker(gender=Gender.WOMAN))
    return cases, man, woman


async def test_in_the_morning_what_is_open_is_offered_to_whoever_is_better(
    office: Office,
) -> None:
    cases, man, woman = await crowded(office)
    accepted, chosen, open_ = [await office.allocation(each) for each in cases]
    await accept(accepted.id, man.id, desk=office.desk)
    [other] = await office.employs(worker(gender=Gender.MAN))
    await offer_to(chosen.id, other.id, new_id(), beyond=False, desk=office.desk)

    mornings, due = await morning_of(office)
    await place_in_the_morning(due, desk=office.desk, mornings=mornings)

    now = [await office.allocation(each) for each in cases]
    assert [each.worker_id for each in now] == [man.id, other.id, woman.id]
    assert now[0].status == "accepted"
    assert (now[2].offer.reasons, now[2].offer.decided_by) == (
        (TOGETHER, "gender_met"),
        None,
    )
    ran = await mornings.get(MORNING)
    assert ran is not None
    assert (ran.ran_at, ran.moved) == (due.due_at, 1)
    assert ran.due_at > due.due_at
    assert open_.id == now[2].id


async def test_where_people_choose_nobody_is_asked_by_the_clock(
    office: Office,
) -> None:
    cases, man, _ = await crowded(office)
    policy = office.desk.policy.model_copy(update={"mode": Mode.ADVISE})
    mornings, due = await morning_of(office)

    advising = replace(office.desk, policy=policy)
    await place_in_the_morning(due, desk=advising, mornings=mornings)

    now = [await office.allocation(each) for each in cases]
    assert [each.worker_id for each in now] == [man.id] * 3


async def test_the_clock_of_the_service_runs_it(running: Running) -> None:
    await running.later(timedelta())
    mornings = running.service.store(Mornings)
    planned = await mornings.get(MORNING)
    assert planned is not None
    assert planned.ran_at is None

    await running.later(planned.due_at - running.clock.now())

    ran = await mornings.get(MORNING)
    assert ran is not None
    assert ran.ran_at == planned.due_at
