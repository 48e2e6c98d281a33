"""What would happen: demand against capacity, faster than time."""

import math
from datetime import timedelta
from random import Random

from accord_chassis.testing import NOON, new_id
from accord_contracts.calendar import Day, Window
from accord_contracts.referrals import ContactWish
from accord_contracts.risk import RiskLevel
from allocation.domain.directory import Worker
from allocation.domain.policy import Policy, Stage
from allocation.domain.simulating import Arrival, needed, simulate
from allocation.domain.wishes import Wishes
from allocation_builders import (
    COORDINATOR,
    OUTREACH,
    POLICY,
    SPECIALIST,
    WHANAU,
    worker,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

LOW, HIGH = RiskLevel.LOW, RiskLevel.HIGH
DAY = timedelta(days=1)


def one_case_each() -> Policy:
    full_time = POLICY.full_time.model_copy(
        update={"points": POLICY.points[LOW][Stage.IN_RESPONSE]}
    )
    return POLICY.model_copy(update={"full_time": full_time})


def arrival(day: float, level: RiskLevel = LOW, days: float = 10) -> Arrival:
    return Arrival(NOON + day * DAY, level, days)


def test_whoever_comes_first_has_room_and_the_next_waits_until_it_is_free() -> None:
    only = worker(WHANAU, capacity=1)

    found = simulate([only], [arrival(0), arrival(1)], POLICY, NOON + 20 * DAY)

    assert found.hours(LOW) == [0, 9 * 24]
    assert found.breaches(POLICY) == 1
    assert found.fullness == {only.id: 1.0}


def test_what_nobody_takes_waits_to_the_end() -> None:
    found = simulate([], [arrival(0)], POLICY, NOON + 2 * DAY)

    assert found.hours(LOW) == [48]
    assert found.roles[0].filled_at is None


def test_an_urgent_role_waits_until_somebody_is_at_work() -> None:
    # Noon in universal time is midnight or one o'clock in the region.
    hours = (Window(days=frozenset(Day), starts="08:00", ends="17:00"),)
    team = [worker(each, hours=hours) for each in (SPECIALIST, OUTREACH, COORDINATOR)]

    found = simulate(team, [arrival(0, HIGH)], POLICY, NOON + 2 * DAY)

    assert found.hours(HIGH) == [7.0, 7.0, 7.0]


def test_a_wall_of_one_case_has_no_other_wait() -> None:
    # The first case has its specialist of team one, so that the only outreach worker
    # may not take it: they have room for the second, whose specialist is of the other.
    small = POLICY.points[HIGH][Stage.IN_RESPONSE]
    team = [
        worker(SPECIALIST, team="one", capacity=small, id="0" + new_id()[1:]),
        worker(SPECIALIST, team="two", capacity=small, id="f" + new_id()[1:]),
        worker(OUTREACH, team="one"),
        worker(COORDINATOR),
    ]
    cases = [arrival(0, HIGH), arrival(0.01, HIGH)]

    found = simulate(team, cases, POLICY, NOON + DAY)

    outreach = [each for each in found.roles if each.role is OUTREACH]
    assert sorted(each.filled_at is None for each in outreach) == [False, True]
    assert found.breaches(POLICY) == 1


def test_wishes_that_are_not_met_are_counted_with_the_reason() -> None:
    wishing = Arrival(NOON, LOW, 1, Wishes(gender=ContactWish.WOMAN))

    found = simulate([worker(WHANAU)], [wishing], POLICY, NOON + DAY)

    assert found.unmet == {"gender_nobody": 1}


def test_it_says_how_many_workers_more_it_takes() -> None:
    few = [worker(WHANAU, capacity=POLICY.points[LOW][Stage.IN_RESPONSE])]
    many = [arrival(n / 100, days=30) for n in range(150)]

    more = needed(few, many, POLICY, NOON + 20 * DAY)

    # 150 cases at once, of which one in twenty may wait, at 100 points of one each.
    assert more == {WHANAU: 2}
    assert needed([worker(WHANAU, capacity=1000)], many, POLICY, NOON + DAY) == {
        WHANAU: 0
    }


def test_it_asks_for_no_worker_too_many() -> None:
    # Workers of one case each, so that a few cases need many of them.
    policy, random = one_case_each(), Random(1)  # noqa: S311 - Demand, no secret.
    coming = [arrival(30 * random.random(), days=20) for _ in range(40)]
    until = NOON + 60 * DAY

    more = needed([], coming, policy, until)[WHANAU]

    def breaches(number: int) -> int:
        team = [
            worker(WHANAU, capacity=policy.points[LOW][Stage.IN_RESPONSE])
            for _ in range(number)
        ]
        return simulate(team, coming, policy, until).breaches(policy)

    few = 0.05 * len(coming)
    assert more > 10
    assert breaches(more) <= few < min(map(breaches, range(more - 3, more)))


def test_what_it_asks_for_is_enough_together_where_somebody_has_two_roles() -> None:
    # Nine at once, and each worker has room for one: eight more are needed, beside the
    # one who can be either and whom each kind alone would count on.
    one = POLICY.points[LOW][Stage.IN_RESPONSE]
    points = dict.fromkeys(POLICY.points, dict.fromkeys(Stage, one))
    policy = one_case_each().model_copy(update={"points": points})
    team = [worker(WHANAU, SPECIALIST, capacity=one, id="both")]
    coming = [arrival(n / 100, days=20) for n in range(4)]
    coming += [arrival(n / 100, HIGH, days=20) for n in range(5)]

    more = needed(team, coming, policy, NOON + 40 * DAY)

    assert more[WHANAU] + more[SPECIALIST] == 8


def test_as_many_wait_as_queueing_theory_says() -> None:
    # Eight workers of one case, a case every 1.5 days, each 9 days long: six at work.
    policy, random = one_case_each(), Random(4)  # noqa: S311
    servers, between, days = 8, 1.5, 9.0
    day, coming = 0.0, []
    for _ in range(2_000):
        day += random.expovariate(1 / between)
        coming.append(arrival(day, days=random.expovariate(1 / days)))
    team = [
        worker(WHANAU, capacity=policy.points[LOW][Stage.IN_RESPONSE])
        for _ in range(servers)
    ]

    found = simulate(team, coming, policy, NOON + day * DAY)

    # Erlang C: the share of those who wait, and for how long on average.
    busy = days / between
    lost = 1.0
    for each in range(1, servers + 1):
        lost = busy * lost / (each + busy * lost)
    waits = lost / (1 - busy / servers * (1 - lost))
    hours = found.hours(LOW)
    share = sum(each > 0 for each in hours) / len(hours)
    assert math.isclose(share, waits, abs_tol=0.04)
    mean = 24 * waits * days / (servers - busy)
    assert math.isclose(sum(hours) / len(hours), mean, rel_tol=0.2)


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.integers(0, 8), max_size=4),
    st.lists(
        st.tuples(st.integers(0, 50), st.sampled_from([LOW, HIGH]), st.integers(1, 20)),
        max_size=15,
    ),
)
def test_nobody_is_ever_overfilled_and_the_same_comes_out_again(
    capacities: list[int], coming: list[tuple[int, RiskLevel, int]]
) -> None:
    team = [
        Worker(id=f"{role}-{number}", roles=frozenset({role}), capacity=capacity)
        for number, capacity in enumerate(capacities)
        for role in (WHANAU, SPECIALIST, OUTREACH, COORDINATOR)
    ]
    arrivals = [arrival(day, level, days) for day, level, days in coming]
    until = NOON + 100 * DAY

    found = simulate(team, arrivals, POLICY, until)

    assert found == simulate(team, arrivals, POLICY, until)
    assert all(0 <= each <= 1 for each in found.fullness.values())
    assert len(found.roles) == sum(len(POLICY.roles[e.level]) for e in arrivals)
