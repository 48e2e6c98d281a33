"""When workers are at work and how much they can do, and who is on call."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from accord_chassis.clock import SimulatedClock
from accord_chassis.store import Database
from accord_chassis.testing import NOON, new_id, published
from accord_contracts.allocation import RotaChanged, Shift
from accord_contracts.calendar import Day, Shown, Window
from allocation.domain.availability import Absence, contracted_points
from allocation.domain.directory import OFF_DUTY, ON_LEAVE, Worker
from allocation.domain.rota import AHEAD, Override, OverridesClash, Rota
from allocation.handlers.rota import Calls, look_over, put_override, put_rota
from allocation.store.kept import Rotas, Workers
from allocation_builders import HOUR, POLICY, SPECIALIST, need, worker
from hypothesis import given
from hypothesis import strategies as st

ZONE = ZoneInfo("Pacific/Auckland")
DAY = timedelta(days=1)
ANNA, BELLA, CAROL = (f"00000000-0000-0000-0000-00000000000{n}" for n in range(3))


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZONE).astimezone(UTC)


def window(starts: str, ends: str, *days: Day) -> Window:
    return Window(days=frozenset(days or Day), starts=starts, ends=ends)


@pytest.mark.parametrize(
    ("hours", "at", "there"),
    [
        (window("08:00", "17:00", Day.MONDAY), "2026-06-01T08:00", True),
        (window("08:00", "17:00", Day.MONDAY), "2026-06-01T17:00", False),
        (window("08:00", "17:00", Day.MONDAY), "2026-06-02T08:00", False),
        (window("22:00", "06:00", Day.SUNDAY), "2026-06-01T05:59", True),
        (window("22:00", "06:00", Day.SUNDAY), "2026-06-01T22:00", False),
        (window("22:00", "06:00", Day.MONDAY), "2026-06-01T22:00", True),
        (window("00:00", "00:00"), "2026-06-01T13:00", True),
    ],
)
def test_hours_go_by_the_regions_clocks(hours: Window, at: str, *, there: bool) -> None:
    assert hours.contains(Shown.of(local(at), ZONE)) is there


def test_an_urgent_role_goes_to_nobody_who_is_not_at_work() -> None:
    night = local("2026-06-01T03:00")
    day_shift = worker(SPECIALIST, hours=(window("08:00", "17:00"),))
    urgent = need(SPECIALIST, shown=Shown.of(night, ZONE))
    on_call = need(SPECIALIST, shown=urgent.shown, on_call=frozenset({day_shift.id}))

    assert day_shift.why_not(urgent, night) == OFF_DUTY
    assert day_shift.why_not(need(SPECIALIST), night) is None
    assert day_shift.why_not(on_call, night) is None
    assert worker(SPECIALIST).why_not(urgent, night) is None


def test_leave_takes_all_and_a_phased_return_a_part() -> None:
    back = worker(
        SPECIALIST,
        absences=(
            Absence(since=NOON, until=NOON + DAY),
            Absence(since=NOON + DAY, until=NOON + 2 * DAY, percent=50),
        ),
    )

    assert [back.capacity_at(NOON + n * DAY) for n in (-1, 0, 1, 2)] == [
        100,
        0,
        50,
        100,
    ]
    assert back.why_not(need(SPECIALIST), NOON) == ON_LEAVE
    assert back.why_not(need(SPECIALIST, points=51), NOON + DAY) is not None
    assert back.why_not(need(SPECIALIST, points=50), NOON + DAY) is None


def test_whoever_works_less_has_fewer_points() -> None:
    assert contracted_points(100, 40, 40) == 100
    assert contracted_points(100, 15.5, 40) == 38


def test_the_past_week_counts_what_was_given_in_it() -> None:
    held = worker(SPECIALIST)
    held = held.reserve(need(SPECIALIST, points=4), NOON + HOUR, NOON - 8 * DAY)
    held = held.reserve(
        need(SPECIALIST, points=6, urgent=True), NOON + HOUR, NOON - 6 * DAY
    )

    assert (held.given_lately(NOON), held.urgent_load) == (6, 6)


def rota(*turns: str, **fields: Any) -> Rota:
    given = {"starts_at": local("2026-06-01T08:00"), "turn_days": 7, **fields}
    return Rota(id=new_id(), code="after_hours", turns=turns, **given)


def who(held: Rota, at: datetime, **away: tuple[Absence, ...]) -> str | None:
    there = dict.fromkeys((ANNA, BELLA, CAROL), ()) | away
    found = [*held.shifts(there, ZONE, at, at + HOUR)]
    return found[0].worker_id if found else None


def test_turns_go_round_by_local_time_over_the_end_of_summer_time() -> None:
    held = rota(ANNA, BELLA, CAROL, starts_at=local("2026-03-30T08:00"))

    shifts = [
        *held.shifts(
            {ANNA: (), BELLA: (), CAROL: ()},
            ZONE,
            local("2026-03-30T08:00"),
            local("2026-04-20T08:00"),
        )
    ]

    assert [(each.worker_id, each.since) for each in shifts] == [
        (ANNA, local("2026-03-30T08:00")),
        (BELLA, local("2026-04-06T08:00")),
        (CAROL, local("2026-04-13T08:00")),
    ]


def test_nobody_is_on_call_before_the_first_turn() -> None:
    assert who(rota(ANNA), local("2026-06-01T06:00")) is None


def test_an_override_comes_before_a_turn_and_leave_before_both() -> None:
    at = local("2026-06-02T03:00")
    override = Override(worker_id=CAROL, since=at, until=at + 2 * HOUR)
    held = rota(ANNA, BELLA).overridden(new_id(), override, NOON)
    leave = (Absence(since=at - DAY, until=at + DAY),)

    assert who(held, at) == CAROL
    assert who(held, at, **{CAROL: leave}) == ANNA
    assert who(held, at, **{CAROL: leave, ANNA: leave}) == BELLA
    assert who(held, at, **{CAROL: leave, ANNA: leave, BELLA: leave}) is None
    assert who(held, at + 2 * HOUR) == ANNA


def test_two_overrides_are_never_on_at_the_same_time() -> None:
    first = Override(worker_id=CAROL, since=NOON, until=NOON + 2 * HOUR)
    again = Override(worker_id=BELLA, since=NOON + HOUR, until=NOON + 3 * HOUR)
    after = Override(worker_id=BELLA, since=NOON + 2 * HOUR, until=NOON + 3 * HOUR)
    held = rota(ANNA).overridden("one", first, NOON)

    with pytest.raises(OverridesClash):
        held.overridden("another", again, NOON)

    assert len(held.overridden("another", after, NOON).overrides) == 2
    assert len(held.overridden("one", again, NOON).overrides) == 1


spans = st.tuples(st.integers(0, 500), st.integers(1, 300)).map(
    lambda drawn: (NOON + drawn[0] * HOUR, NOON + sum(drawn) * HOUR)
)


@given(
    st.lists(st.sampled_from([ANNA, BELLA, CAROL]), max_size=4),
    st.integers(1, 9),
    st.dictionaries(st.sampled_from([ANNA, BELLA, CAROL]), st.lists(spans, max_size=3)),
    st.lists(st.tuples(st.sampled_from([ANNA, BELLA, CAROL]), spans), max_size=3),
    st.integers(-100, 400),
)
def test_shifts_follow_one_another_and_say_who_is_on_call(
    turns: list[str],
    turn_days: int,
    leave: dict[str, list[tuple[datetime, datetime]]],
    instead: list[tuple[str, tuple[datetime, datetime]]],
    hours: int,
) -> None:
    held = rota(*turns, turn_days=turn_days)
    overrides = {
        str(n): Override(worker_id=each, since=since, until=until)
        for n, (each, (since, until)) in enumerate(instead)
    }
    held = held.model_copy(update={"overrides": overrides})
    away = {
        each: tuple(Absence(since=s, until=u) for s, u in leave.get(each, ()))
        for each in (ANNA, BELLA)
    }
    at = NOON + hours * HOUR

    shifts: list[Shift] = [*held.shifts(away, ZONE, at, at + AHEAD)]

    assert all(each.since < each.until for each in shifts)
    assert all(a.until <= b.since for a, b in pairwise(shifts))
    assert all(at <= each.since and each.until <= at + AHEAD for each in shifts)
    for each in shifts:
        assert each.worker_id in away
        assert not any(
            absence.since < each.until and each.since < absence.until
            for absence in away[each.worker_id]
        )


@pytest.fixture
async def calls(database: Database, clock: SimulatedClock) -> Calls:
    made = Calls(Rotas(database), Workers(database), clock, POLICY.zone)
    await made.rotas.prepare()
    await made.workers.prepare()
    return made


async def told(calls: Calls) -> list[RotaChanged]:
    return [e.data for e in await published(calls.rotas) if e.data.case_id is None]


async def hired(calls: Calls, *names: str) -> list[Worker]:
    return [await calls.workers.save(worker(SPECIALIST, id=each)) for each in names]


async def test_who_is_on_call_is_told_when_it_is_news(
    calls: Calls, clock: SimulatedClock
) -> None:
    # Sealed records of other tests are in the same vault: ids of their own.
    first_worker, second_worker = new_id(), new_id()
    anna, _ = await hired(calls, first_worker, second_worker)
    held = await put_rota(
        rota(first_worker, second_worker, starts_at=NOON - DAY), calls=calls
    )
    clock.advance(HOUR)

    [due] = await calls.rotas.due_now(clock.now())
    await look_over(due, calls=calls)
    assert len(await told(calls)) == 1

    await calls.workers.save(anna.model_copy(update={"active": False}))
    [due] = await calls.rotas.due_now(clock.advance(HOUR))
    await look_over(due, calls=calls)

    first, second = await told(calls)
    assert first.subject == held.id
    assert first.shifts[0].worker_id == first_worker
    assert {each.worker_id for each in second.shifts} == {second_worker}
    assert second.known_until == clock.now() + AHEAD


async def test_an_override_is_told_at_once(calls: Calls, clock: SimulatedClock) -> None:
    anna, bella = new_id(), new_id()
    await hired(calls, anna, bella)
    held = await put_rota(rota(anna, starts_at=NOON - DAY), calls=calls)
    at = clock.now()
    override = Override(worker_id=bella, since=at, until=at + HOUR)

    new = await put_override(held.id, new_id(), override, calls=calls)

    assert new.on_call_at(at) == bella
    assert [each.shifts[0].worker_id for each in await told(calls)] == [anna, bella]
