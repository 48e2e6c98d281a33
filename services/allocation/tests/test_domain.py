"""The rules of filling roles, without anything around them."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from itertools import permutations, product
from typing import Any

import pytest
import yaml
from accord_chassis.settings import BadConfiguration, policy_of
from accord_chassis.testing import NOON, new_id
from accord_contracts.allocation import DeclineReason, Role
from accord_contracts.message import Lane
from accord_contracts.problem import Refusal
from accord_contracts.referrals import ContactWish
from accord_contracts.risk import RiskLevel
from allocation.domain.choosing import choose
from allocation.domain.directory import (
    NO_ROOM,
    NOT_IN_THE_ROLE,
    OTHER_SIDE,
    CannotTake,
    Gender,
    ServesBothSides,
    StillServesTheOtherSide,
    Worker,
)
from allocation.domain.hearing import assess, hear, stop_waiting
from allocation.domain.looking import need_of
from allocation.domain.offer import (
    Answer,
    NoLongerNeeded,
    NoSuchOffer,
    OfferAccepted,
    OfferDeclined,
    OfferExpired,
    Status,
)
from allocation.domain.offering import Allocation
from allocation.domain.policy import Policy, Stage, Wish
from allocation.domain.staffing import Staffing
from allocation.domain.wanted import Assessed
from allocation.domain.wishes import Wishes
from allocation_builders import (
    COORDINATOR,
    HOUR,
    LOCALITIES,
    MINUTE,
    OUTREACH,
    POLICY,
    SPECIALIST,
    WHANAU,
    allocation,
    choice,
    full,
    need,
    worker,
)
from hypothesis import given
from hypothesis import strategies as st

LOW, MEDIUM, HIGH, EXTREME = RiskLevel
UNTIL = NOON + HOUR
BUSY = DeclineReason.NO_CAPACITY


@pytest.mark.parametrize("locality", ["canterbury", "waikato"])
def test_each_locality_sends_the_high_risk_response(locality: str) -> None:
    policy = policy_of(Policy, LOCALITIES / locality, "allocation")

    for level in (HIGH, EXTREME):
        assert {SPECIALIST, OUTREACH, COORDINATOR} <= set(policy.roles[level])
        assert policy.assign_hours[level] == 1
    assert policy.assign_hours[LOW] == policy.assign_hours[MEDIUM] == 3


def _lacks(field: str, key: str) -> Callable[[dict[str, Any]], None]:
    return lambda policy: policy[field].pop(key)


def _says(field: str, key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda policy: policy[field].update({key: value})


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (_lacks("roles", "low"), "roles lacks low"),
        (_lacks("points", "high"), "points lacks high"),
        (_lacks("answer_minutes", "medium"), "answer_minutes lacks medium"),
        (_lacks("weights", "area"), "weights lacks area"),
        (_says("roles", "low", []), "roles.low"),
        (_says("roles", "low", ["plumber"]), "roles.low.0"),
        (_says("roles", "low", ["child_specialist"] * 2), "names one twice at low"),
        (
            _says("roles", "high", ["independent_victim_specialist"]),
            "roles at high lacks perpetrator_outreach, lead_agency_coordinator",
        ),
        (_says("assign_hours", "high", 4), "assign_hours must not grow with the level"),
        (_says("answer_minutes", "extreme", 60), "must not grow with the level"),
        (_says("points", "low", 0), "points.low"),
        (lambda policy: policy.update(answer_mins=3), "answer_mins"),
        (
            lambda policy: policy.update(
                answer_minutes=dict.fromkeys(map(str, RiskLevel), 60)
            ),
            r"answer_minutes at \w+ leaves no second offer",
        ),
    ],
)
def test_a_policy_that_does_not_hold_together_stops_the_start(
    spoil: Callable[[dict[str, Any]], None], sentence: str, tmp_path: Any
) -> None:
    fields = POLICY.model_dump(mode="json")
    spoil(fields)
    (tmp_path / "allocation.yaml").write_text(yaml.safe_dump(fields))

    with pytest.raises(BadConfiguration, match=sentence):
        policy_of(Policy, tmp_path, "allocation")


@pytest.mark.parametrize(
    "harmed_side",
    [
        SPECIALIST,
        Role.CHILD_SPECIALIST,
        WHANAU,
        Role.KAUPAPA_MAORI_PRACTITIONER,
    ],
)
def test_nobody_has_roles_on_both_sides(harmed_side: Role) -> None:
    with pytest.raises(ServesBothSides):
        worker(harmed_side, OUTREACH).check()

    worker(harmed_side, COORDINATOR).check()
    worker(COORDINATOR, OUTREACH).check()


def test_nobody_changes_sides_while_they_have_a_place() -> None:
    specialist = worker(SPECIALIST).reserve(need(SPECIALIST), UNTIL, NOON)
    changed = worker(OUTREACH, id=specialist.id)

    with pytest.raises(StillServesTheOtherSide):
        specialist.replaced_by(changed, NOON)

    assert specialist.replaced_by(changed, UNTIL).roles == {OUTREACH}
    free = specialist.release(next(iter(specialist.holds)))
    assert free.replaced_by(changed, NOON).roles == {OUTREACH}


def test_what_the_directory_says_anew_keeps_the_places() -> None:
    held = worker(capacity=10).reserve(need(points=4), UNTIL, NOON)

    new = held.replaced_by(worker(id=held.id, capacity=5, languages={"sm"}), NOON)

    assert (new.capacity, new.languages) == (5, frozenset({"sm"}))
    assert (new.holds, new.load, new.version) == (held.holds, 4, held.version)
    with pytest.raises(CannotTake, match=NO_ROOM):
        new.reserve(need(points=2), UNTIL, NOON)


def test_a_place_is_reserved_once_however_often_it_is_asked_for() -> None:
    wanted = need(points=6)
    held = worker(capacity=10).reserve(wanted, UNTIL, NOON)

    again = held.reserve(wanted, UNTIL + HOUR, NOON)

    assert (again.load, len(again.holds), again.lapses_at) == (6, 1, UNTIL + HOUR)


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (full(worker()), NO_ROOM),
        (worker(capacity=0), NO_ROOM),
        (worker(active=False), NOT_IN_THE_ROLE),
        (worker(COORDINATOR), NOT_IN_THE_ROLE),
    ],
)
def test_a_worker_is_not_asked_for_what_they_cannot_do(
    asked: Worker, reason: str
) -> None:
    assert asked.why_not(need(WHANAU), NOON) == reason
    with pytest.raises(CannotTake, match=reason):
        asked.reserve(need(WHANAU), UNTIL, NOON)


@pytest.mark.parametrize(
    ("held_role", "wanted_role", "may"),
    [
        (COORDINATOR, OUTREACH, False),
        (OUTREACH, COORDINATOR, False),
        (SPECIALIST, OUTREACH, False),
        (OUTREACH, SPECIALIST, False),
        (SPECIALIST, COORDINATOR, True),
        (COORDINATOR, WHANAU, True),
        (WHANAU, Role.CHILD_SPECIALIST, True),
    ],
)
def test_within_a_case_nobody_is_on_both_sides(
    held_role: Role, wanted_role: Role, *, may: bool
) -> None:
    # The directory would refuse most of these: this is the second wall.
    asked = worker(held_role, wanted_role)
    first = need(held_role)
    asked = asked.reserve(first, UNTIL, NOON)
    second = need(wanted_role, case_id=first.case_id)

    assert asked.why_not(second, NOON) == (None if may else OTHER_SIDE)
    assert asked.why_not(second, UNTIL) is None
    assert asked.why_not(need(wanted_role), NOON) is None


def test_a_lapsed_place_is_free_again() -> None:
    held = worker(capacity=4).reserve(need(points=4), UNTIL, NOON)

    assert held.why_not(need(points=4), UNTIL - MINUTE) == NO_ROOM
    assert held.why_not(need(points=4), UNTIL) is None
    new = held.reserve(need(points=3), UNTIL + HOUR, UNTIL)
    assert (new.load, len(new.holds)) == (3, 1)


def test_an_accepted_place_never_lapses() -> None:
    wanted = need(points=4)
    held = worker(capacity=4).reserve(wanted, UNTIL, NOON).keep(wanted)

    assert held.lapses_at is None
    assert held.why_not(need(), NOON + 10_000 * HOUR) == NO_ROOM
    assert held.keep(wanted) is held
    assert held.reserve(wanted, UNTIL, NOON) is held


def test_whoever_accepted_has_the_place_even_if_it_had_lapsed() -> None:
    late = need(points=3)
    held = worker(capacity=4).reserve(late, UNTIL, NOON)
    held = held.reserve(need(points=4), UNTIL + HOUR, UNTIL)

    assert held.keep(late).load == 7


def test_freeing_a_place_twice_frees_it_once() -> None:
    wanted = need(points=4)
    held = worker().reserve(wanted, UNTIL, NOON)

    free = held.release(wanted.allocation_id)

    assert (free.load, free.holds, free.lapses_at) == (0, {}, None)
    assert free.release(wanted.allocation_id) is free


def test_the_one_with_least_to_do_is_asked_and_the_first_of_equals() -> None:
    ordered = sorted([worker(), worker(), worker()], key=lambda each: each.id)

    found = choose(ordered, need(), POLICY, NOON)

    assert found is not None
    assert found.worker_id == ordered[0].id
    assert found.reasons == ("least_loaded",)


ALL_WISHES = Wishes(
    gender=ContactWish.WOMAN, languages=("mi",), kaupapa_maori=True, area="sumner"
)


@pytest.mark.parametrize(
    ("wishes", "better", "reasons"),
    [
        (
            Wishes(gender=ContactWish.WOMAN),
            {"gender": Gender.WOMAN},
            ("gender_met", "least_loaded"),
        ),
        (
            Wishes(languages=("sm", "to")),
            {"languages": {"en", "to"}},
            ("language_met", "least_loaded"),
        ),
        (
            Wishes(kaupapa_maori=True),
            {"kaupapa_maori": True},
            ("kaupapa_maori_met", "least_loaded"),
        ),
        (
            Wishes(iwi=("ngai_tahu", "ngati_porou")),
            {"iwi": {"ngati_porou"}},
            ("iwi_met", "least_loaded"),
        ),
        (
            Wishes(communities=("tongan",)),
            {"communities": {"tongan", "rainbow"}},
            ("community_met", "least_loaded"),
        ),
        (
            Wishes(area="sumner"),
            {"areas": {"sumner", "lyttelton"}},
            ("area_met", "least_loaded"),
        ),
        (Wishes(area="sumner"), {"areas": set()}, ("area_met", "least_loaded")),
        (
            ALL_WISHES,
            {"gender": Gender.WOMAN},
            (
                "gender_met",
                "language_not_met",
                "kaupapa_maori_not_met",
                "area_not_met",
                "least_loaded",
            ),
        ),
    ],
)
def test_a_wish_goes_before_load_and_says_whether_it_was_met(
    wishes: Wishes, better: dict[str, Any], reasons: tuple[str, ...]
) -> None:
    plain = worker(gender=Gender.MAN, areas={"rolleston"})
    wished = worker(**{"gender": Gender.MAN, "areas": {"rolleston"}, **better})

    found = choose([plain, wished], need(wishes=wishes), POLICY, NOON)

    assert found is not None
    assert (found.worker_id, found.reasons) == (wished.id, reasons)


def test_weightier_wishes_go_before_lighter_ones() -> None:
    woman = worker(gender=Gender.WOMAN, areas={"rolleston"})
    near = worker(gender=Gender.MAN, areas={"sumner"}, kaupapa_maori=True)
    wishes = Wishes(gender=ContactWish.WOMAN, area="sumner", kaupapa_maori=True)

    by_gender = dict.fromkeys(Wish, 1) | {Wish.GENDER: 3}
    by_number = dict.fromkeys(Wish, 1)

    for weights, expected in ((by_gender, woman), (by_number, near)):
        policy = POLICY.model_copy(update={"weights": weights})
        found = choose([near, woman], need(wishes=wishes), policy, NOON)
        assert found is not None
        assert found.worker_id == expected.id


def test_no_wish_outweighs_a_hard_rule() -> None:
    case_id = new_id()
    outreach = need(OUTREACH, case_id=case_id)
    perfect = {"gender": Gender.WOMAN, "kaupapa_maori": True, "languages": {"mi"}}
    excluded = worker(**perfect)
    barred = [
        full(worker(**perfect)),
        worker(**perfect, active=False),
        worker(COORDINATOR, **perfect),
        worker(WHANAU, OUTREACH, **perfect).reserve(outreach, UNTIL, NOON),
        excluded,
    ]
    allowed = worker(gender=Gender.MAN, areas={"rolleston"})
    wanted = need(
        WHANAU,
        case_id=case_id,
        wishes=ALL_WISHES,
        excluded=frozenset({excluded.id}),
    )

    found = choose([*barred, allowed], wanted, POLICY, NOON)

    assert found is not None
    assert found.worker_id == allowed.id
    assert choose(barred, wanted, POLICY, NOON) is None


workers = st.builds(
    worker,
    st.sampled_from([WHANAU, COORDINATOR]),
    gender=st.sampled_from(Gender),
    languages=st.frozensets(st.sampled_from(["en", "mi", "sm"])),
    kaupapa_maori=st.booleans(),
    iwi=st.frozensets(st.sampled_from(["ngai_tahu", "waikato_tainui"])),
    communities=st.frozensets(st.sampled_from(["tongan", "rainbow"])),
    areas=st.frozensets(st.sampled_from(["sumner", "rolleston"])),
    capacity=st.integers(0, 3),
    active=st.booleans(),
)
wished = st.builds(
    Wishes,
    gender=st.sampled_from(ContactWish),
    languages=st.lists(st.sampled_from(["mi", "sm"]), max_size=2).map(tuple),
    kaupapa_maori=st.booleans(),
    iwi=st.sampled_from([(), ("ngai_tahu",)]),
    communities=st.sampled_from([(), ("tongan", "rainbow")]),
    area=st.sampled_from([None, "sumner"]),
)


@given(st.lists(workers, max_size=12), wished, st.integers(1, 3), st.data())
def test_whoever_is_chosen_may_be_asked_and_nobody_meets_more(
    candidates: list[Worker], wishes: Wishes, points: int, data: st.DataObject
) -> None:
    ids = [each.id for each in candidates]
    excluded = data.draw(st.frozensets(st.sampled_from(ids))) if ids else frozenset()
    wanted = need(points=points, wishes=wishes, excluded=excluded)

    found = choose(candidates, wanted, POLICY, NOON)

    may = [
        each
        for each in candidates
        if each.id not in excluded and each.why_not(wanted, NOON) is None
    ]
    if found is None:
        assert not may
        return
    best = max(may, key=partial(_met, wishes))
    assert found.worker_id == best.id


def _met(wishes: Wishes, each: Worker) -> int:
    met = {
        Wish.GENDER: wishes.gender != ContactWish.NO_WISH
        and each.gender == wishes.gender.value,
        Wish.LANGUAGE: bool(each.languages & set(wishes.languages)),
        Wish.KAUPAPA_MAORI: wishes.kaupapa_maori and each.kaupapa_maori,
        Wish.IWI: bool(each.iwi & set(wishes.iwi)),
        Wish.COMMUNITY: bool(each.communities & set(wishes.communities)),
        Wish.AREA: wishes.area is not None
        and (not each.areas or wishes.area in each.areas),
    }
    return sum(POLICY.weights[wish] for wish, yes in met.items() if yes)


def test_of_two_wishes_the_later_counts_if_it_says_anything() -> None:
    first = Wishes(gender=ContactWish.WOMAN, languages=("mi",), kaupapa_maori=True)
    second = Wishes(gender=ContactWish.MAN, area="sumner")

    assert Wishes.together([first, second]) == Wishes(
        gender=ContactWish.MAN, languages=("mi",), kaupapa_maori=True, area="sumner"
    )
    assert Wishes.together([]) == Wishes()


def _assessed(revision: int = 1, at: datetime = NOON) -> Assessed:
    return Assessed(revision=revision, first_referred_at=NOON, assessed_at=at)


def _case(level: RiskLevel | None = None, *, at: datetime = NOON) -> Staffing:
    """A case, assessed without a referral if a level is given."""
    new = Staffing(id=new_id())
    return _assess(new, level, at=at) if level else new


def _assess(
    held: Staffing, level: RiskLevel, *, at: datetime = NOON, revision: int = 1
) -> Staffing:
    return assess(
        held,
        _assessed(revision, at),
        level,
        told_at=at,
        referral_id=None,
        policy=POLICY,
    )


@pytest.mark.parametrize("level", RiskLevel)
def test_every_level_wants_its_roles(level: RiskLevel) -> None:
    held = _case(level)

    assert tuple(held.roles) == POLICY.roles[level]
    assert set(held.newly_wanted(Staffing(id=held.id))) == set(POLICY.roles[level])
    assert all(each.since == NOON for each in held.roles.values())


def test_roles_are_wanted_once_wishes_and_risk_are_known_whatever_came_first() -> None:
    referral, wishes = new_id(), Wishes(kaupapa_maori=True)
    empty = Staffing(id=new_id())

    def hearing(held: Staffing) -> Staffing:
        return hear(held, referral, wishes, NOON, POLICY)

    def assessing(held: Staffing) -> Staffing:
        return assess(
            held, _assessed(), LOW, told_at=NOON, referral_id=referral, policy=POLICY
        )

    assert not hearing(empty).roles
    assert not assessing(empty).roles
    assert hearing(assessing(empty)) == assessing(hearing(empty))
    assert tuple(hearing(assessing(empty)).roles) == (WHANAU,)


def test_two_referrals_and_their_assessments_come_in_any_order() -> None:
    case_id, first, second = new_id(), new_id(), new_id()
    hear_first = partial(
        _hear, referral=first, wishes=Wishes(kaupapa_maori=True), at=NOON
    )
    hear_second = partial(
        _hear, referral=second, wishes=Wishes(area="sumner"), at=NOON + MINUTE
    )
    assess_first = partial(_weighed, referral=first, at=NOON, revision=1)
    assess_second = partial(_weighed, referral=second, at=NOON + MINUTE, revision=2)
    steps = (hear_first, hear_second, assess_first, assess_second)

    ends = []
    for order in permutations(steps):
        held = Staffing(id=case_id)
        for step in order:
            held = step(held)
        ends.append(held)

    for held in ends:
        assert set(held.roles) == {WHANAU, COORDINATOR}
        assert held.wishes == Wishes(kaupapa_maori=True, area="sumner")
        assert not held.awaited
        assert held.latest == ends[0].latest
        assert {each.since for each in held.roles.values()} == {NOON}


def _hear(held: Staffing, *, referral: str, wishes: Wishes, at: datetime) -> Staffing:
    return hear(held, referral, wishes, at, POLICY)


def _weighed(held: Staffing, *, referral: str, at: datetime, revision: int) -> Staffing:
    return assess(
        held,
        _assessed(revision, at),
        MEDIUM,
        told_at=at,
        referral_id=referral,
        policy=POLICY,
    )


def test_nobody_waits_for_help_because_wishes_are_delayed() -> None:
    referral = new_id()
    waiting = assess(
        Staffing(id=new_id()),
        _assessed(),
        LOW,
        told_at=NOON,
        referral_id=referral,
        policy=POLICY,
    )
    wait = timedelta(minutes=POLICY.wishes_wait_minutes)

    assert waiting.due_at == NOON + wait
    assert stop_waiting(waiting, NOON, POLICY) is waiting
    gone_on = stop_waiting(waiting, NOON + wait, POLICY)
    assert tuple(gone_on.roles) == (WHANAU,)
    assert (gone_on.due_at, gone_on.awaited) == (None, {})

    late = hear(gone_on, referral, Wishes(area="sumner"), NOON + HOUR, POLICY)
    assert late.roles == gone_on.roles
    assert late.wishes.area == "sumner"


def test_an_older_assessment_does_not_change_the_level() -> None:
    held = _assess(_case(HIGH, at=NOON + HOUR).model_copy(), LOW, revision=0)

    assert held.level is HIGH
    assert WHANAU not in held.roles


def test_a_rise_wants_what_is_missing_and_hurries_what_is_open() -> None:
    before = _case(MEDIUM)
    accepted = before.join(before.roles[COORDINATOR].allocation_id, "somebody", 0)

    risen = _assess(accepted, HIGH, at=NOON + 24 * HOUR, revision=2)

    wanted = {SPECIALIST, OUTREACH, WHANAU, COORDINATOR}
    assert set(risen.newly_wanted(accepted)) == wanted
    assert risen.roles[WHANAU].allocation_id == before.roles[WHANAU].allocation_id
    assert risen.roles[WHANAU].level is HIGH
    has = risen.roles[COORDINATOR]
    assert (has.worker_id, has.level) == ("somebody", HIGH)
    lowered = _assess(risen, LOW, at=NOON + 48 * HOUR, revision=3)
    assert lowered.newly_wanted(risen) == {}
    assert lowered.roles == risen.roles


def test_the_clock_of_a_role_found_necessary_later_runs_from_then() -> None:
    later = NOON + 24 * HOUR
    risen = _assess(_case(MEDIUM), HIGH, at=later, revision=2)

    assert risen.roles[WHANAU].since == NOON
    assert risen.roles[SPECIALIST].since == later
    assert risen.roles[SPECIALIST].first_referred_at == NOON


def test_an_assessment_that_needs_nothing_new_wants_nothing() -> None:
    held = _case(MEDIUM)

    again = _assess(held, MEDIUM, at=NOON + HOUR, revision=2)

    assert again.newly_wanted(held) == {}


def test_whoever_accepts_is_in_the_team_and_barred_from_the_other_side() -> None:
    held = _case(HIGH)
    held = held.join(held.roles[SPECIALIST].allocation_id, "specialist", 0)
    held = held.join(held.roles[OUTREACH].allocation_id, "outreach worker", 0)

    assert held.team == (
        (SPECIALIST, "specialist"),
        (OUTREACH, "outreach worker"),
    )
    assert held.barred_from(OUTREACH) == {"specialist"}
    assert held.barred_from(SPECIALIST) == {"outreach worker"}
    assert held.barred_from(COORDINATOR) == {"outreach worker"}
    assert held.join(new_id(), "a stranger", 0) is held

    ended = held.close(1, NOON + HOUR, POLICY)
    assert ended.team == ()
    assert ended.barred_from(OUTREACH) == {"specialist"}


def test_a_new_episode_wants_its_roles_anew_under_other_ids() -> None:
    first = _case(LOW)
    ended = first.close(1, NOON + HOUR, POLICY)
    again = _assess(ended, LOW, at=NOON + 2 * HOUR, revision=2)

    assert ended.roles == {}
    assert again.episode == 2
    assert again.roles[WHANAU].allocation_id != first.roles[WHANAU].allocation_id
    # The referral was counted to the old episode, but its time must not count against
    # the workers of the new one.
    assert again.roles[WHANAU].since == NOON + HOUR


def test_a_case_assessed_while_its_plan_is_closed_wants_its_roles_either_way() -> None:
    held = _case(LOW)
    # By the clocks the closing is the later of the two, and did not know the other.
    assessed_at, closed_at = NOON + HOUR, NOON + 2 * HOUR

    after = _assess(held.close(1, closed_at, POLICY), LOW, at=assessed_at, revision=2)
    before = _assess(held, LOW, at=assessed_at, revision=2).close(1, closed_at, POLICY)

    assert before == after
    assert set(after.newly_wanted(held)) == {WHANAU}
    assert after.roles[WHANAU].since == closed_at
    assert after.episode == 2


def test_an_assessment_that_the_closed_plan_rested_on_wants_nothing_late() -> None:
    held = _case(LOW).close(2, NOON + HOUR, POLICY)

    late = _assess(held, HIGH, at=NOON + 2 * HOUR, revision=2)

    assert late.roles == {}
    assert late.level is HIGH
    assert set(_assess(late, HIGH, revision=3).roles) == {*POLICY.roles[HIGH]}


def test_wishes_of_an_ended_episode_that_come_late_are_forgotten() -> None:
    first, second = new_id(), new_id()
    held = _case(LOW).close(3, NOON + HOUR, POLICY)
    steps = (
        partial(_hear, referral=first, wishes=Wishes(area="sumner"), at=NOON),
        partial(_weighed, referral=first, at=NOON, revision=2),
    )

    for one, other in (steps, steps[::-1]):
        over = other(one(held))
        assert (over.roles, over.heard, over.awaited) == ({}, {}, {})
        assert over.due_at is None
        anew = _weighed(over, referral=second, at=NOON + 2 * HOUR, revision=4)
        wishes = Wishes(kaupapa_maori=True)
        anew = _hear(anew, referral=second, wishes=wishes, at=NOON + 2 * HOUR)
        assert anew.wishes == wishes
        assert anew.roles


def test_a_closing_older_than_the_last_one_changes_nothing() -> None:
    held = _case(LOW).close(2, NOON + HOUR, POLICY)
    held = _assess(held, LOW, at=NOON + 2 * HOUR, revision=3)

    assert held.close(2, NOON + HOUR, POLICY) is held
    assert held.close(1, NOON + 3 * HOUR, POLICY) is held


def test_wishes_end_with_their_episode() -> None:
    held = Staffing(id=new_id())
    first, second = new_id(), new_id()
    held = hear(held, first, Wishes(area="sumner"), NOON, POLICY)
    held = _weighed(held, referral=first, at=NOON, revision=1)
    held = hear(held, second, Wishes(kaupapa_maori=True), NOON + MINUTE, POLICY)

    ended = held.close(1, NOON + HOUR, POLICY)

    assert ended.wishes == Wishes(kaupapa_maori=True)


def test_wishes_of_an_ended_episode_come_back_only_if_they_are_assessed_anew() -> None:
    old, new = new_id(), new_id()
    held = hear(Staffing(id=new_id()), old, Wishes(area="sumner"), NOON, POLICY)
    ended = _weighed(held, referral=old, at=NOON, revision=1).close(1, NOON, POLICY)
    said = Wishes(not_told=("refuge",))
    amend = partial(
        hear,
        referral_id=old,
        wishes=said,
        at=NOON + HOUR,
        policy=POLICY,
        number=1,
    )
    assess_anew = partial(_weighed, referral=old, at=NOON + HOUR, revision=3)
    assess_other = partial(_weighed, referral=new, at=NOON + HOUR, revision=2)

    amended = amend(ended)
    other = hear(assess_other(amended), new, Wishes(), NOON + HOUR, POLICY)

    assert (amended.wishes, other.wishes) == (Wishes(), Wishes())
    assert other.roles
    assert other.close(2, NOON + HOUR, POLICY).heard == {}
    for first, second in ((amend, assess_anew), (assess_anew, amend)):
        anew = second(first(ended))
        assert anew.wishes == said
        assert anew.roles
        assert amend(anew, wishes=Wishes(), number=2).wishes == Wishes()
        assert assess_anew(other).wishes == said


def test_wishes_of_a_hundred_referrals_are_kept() -> None:
    held = Staffing(id=new_id())
    for number in range(120):
        at = NOON + number * MINUTE
        held = hear(held, new_id(), Wishes(area=f"area_{number}"), at, POLICY)

    assert len(held.heard) == 100
    assert held.wishes.area == "area_119"


@pytest.mark.parametrize(("level", "minutes"), [(LOW, 60), (HIGH, 20), (EXTREME, 10)])
def test_an_offer_has_its_levels_time(level: RiskLevel, minutes: int) -> None:
    held = allocation(level).offered(choice("w"), POLICY, NOON)

    assert held.answer_by == held.due_at == NOON + minutes * MINUTE
    assert not held.expired(NOON + (minutes - 1) * MINUTE)
    assert held.expired(NOON + minutes * MINUTE)


@pytest.mark.parametrize(("level", "hours"), [(LOW, 3), (MEDIUM, 3), (HIGH, 1)])
def test_the_clock_runs_from_the_first_referral_through_every_decline(
    level: RiskLevel, hours: int
) -> None:
    held = allocation(level)
    for number in range(5):
        at = NOON + number * MINUTE
        held = held.offered(choice(f"w{number}"), POLICY, at)
        held = held.decline(f"w{number}", BUSY, at)

    assert held.assign_by == held.unowned_at == NOON + hours * HOUR
    assert held.late(NOON + hours * HOUR)
    assert not held.tell_late().late(NOON + hours * HOUR)


def test_silence_excludes_until_nobody_else_is_left_but_a_no_always() -> None:
    held = allocation().offered(choice("silent"), POLICY, NOON).expire(UNTIL)
    held = held.offered(choice("busy"), POLICY, UNTIL).decline("busy", BUSY, UNTIL)
    empty = Staffing(id=held.case_id)

    assert need_of(held, empty, POLICY, NOON).excluded == {"silent", "busy"}
    held = held.unfilled(POLICY, UNTIL)
    assert need_of(held, empty, POLICY, NOON).excluded == {"busy"}
    assert held.retry_at == held.due_at == UNTIL + 30 * MINUTE


def test_a_rise_shortens_the_clocks_of_an_offer_and_never_lengthens_them() -> None:
    held = allocation(LOW).offered(choice("w"), POLICY, NOON)
    at = NOON + 10 * MINUTE

    risen = held.rise(HIGH, Lane.URGENT, POLICY, at)

    assert risen.answer_by == at + 20 * MINUTE
    assert risen.assign_by == NOON + HOUR
    assert (risen.level, risen.lane) == (HIGH, Lane.URGENT)
    assert risen.rise(LOW, Lane.ROUTINE, POLICY, at) is risen
    nearly = NOON + 55 * MINUTE
    assert held.rise(HIGH, Lane.URGENT, POLICY, nearly).answer_by == NOON + HOUR


def test_a_rise_starts_no_clock_of_what_is_accepted_and_not_what_is_ended() -> None:
    accepted = allocation().offered(choice("w"), POLICY, NOON).accept("w", NOON)

    risen = accepted.rise(HIGH, Lane.URGENT, POLICY, NOON + 9 * HOUR)

    assert (risen.level, risen.lane) == (HIGH, Lane.URGENT)
    assert risen.taken().points == POLICY.points[HIGH][Stage.NEW]
    assert (risen.due_at, risen.unowned_at) == (None, None)
    assert risen.assign_by == accepted.assign_by
    assert risen.rise(LOW, Lane.ROUTINE, POLICY, NOON) is risen
    ended = accepted.end(NOON)
    assert ended.rise(HIGH, Lane.URGENT, POLICY, NOON) is ended


def test_accepting_stops_every_clock() -> None:
    held = allocation().offered(choice("w"), POLICY, NOON)

    accepted = held.accept("w", NOON + MINUTE)

    assert accepted.status is Status.ACCEPTED
    assert (accepted.due_at, accepted.unowned_at) == (None, None)
    assert accepted.offer.answer is Answer.ACCEPTED
    assert not accepted.late(NOON + 100 * HOUR)
    assert accepted.accept("w", NOON + HOUR) is accepted


def _offered() -> Allocation:
    return allocation().offered(choice("w"), POLICY, NOON)


AFTER = {
    "offered": _offered(),
    "accepted": _offered().accept("w", NOON),
    "declined": _offered().decline("w", BUSY, NOON),
    "declined_then_offered": _offered()
    .decline("w", BUSY, NOON)
    .offered(choice("x"), POLICY, NOON),
    "expired": _offered().expire(UNTIL).offered(choice("x"), POLICY, UNTIL),
    "expired_and_unfilled": _offered().expire(UNTIL).unfilled(POLICY, UNTIL),
    "ended": _offered().end(NOON),
    "wanted": allocation(),
}


@pytest.mark.parametrize(
    ("after", "asks", "accepting", "declining"),
    [
        ("offered", "a stranger", NoSuchOffer, NoSuchOffer),
        ("accepted", "a stranger", NoSuchOffer, NoSuchOffer),
        ("wanted", "w", NoSuchOffer, NoSuchOffer),
        ("accepted", "w", None, OfferAccepted),
        ("declined", "w", OfferDeclined, None),
        ("declined_then_offered", "w", OfferDeclined, None),
        ("ended", "w", NoLongerNeeded, NoLongerNeeded),
    ],
)
def test_an_answer_that_cannot_be_is_refused_by_name(
    after: str,
    asks: str,
    accepting: type[Refusal] | None,
    declining: type[Refusal] | None,
) -> None:
    held = AFTER[after]
    answers = (
        (accepting, partial(held.accept, asks, NOON)),
        (declining, partial(held.decline, asks, BUSY, NOON)),
    )
    for refusal, answer in answers:
        if refusal is None:
            assert answer() is held
        else:
            with pytest.raises(refusal):
                answer()


def test_an_answer_after_its_time_counts_while_nobody_else_was_asked() -> None:
    late = NOON + 2 * HOUR

    assert _offered().accept("w", late).accepted_at == late
    assert _offered().decline("w", BUSY, late).declined_by == {"w"}


def test_an_answer_counts_after_nobody_was_found_to_be_asked_instead() -> None:
    late = UNTIL + MINUTE

    taken = AFTER["expired_and_unfilled"].accept("w", late)

    assert (taken.holder, taken.working, taken.accepted_at) == ("w", ("w",), late)
    assert (taken.retry_at, taken.due_at, taken.unowned_at) == (None, None, None)
    assert taken.offer.answer is Answer.ACCEPTED
    with pytest.raises(NoSuchOffer):
        AFTER["expired_and_unfilled"].accept("x", late)


def test_a_late_yes_is_refused_once_somebody_else_was_asked() -> None:
    with pytest.raises(OfferExpired):
        AFTER["expired"].accept("w", UNTIL)


@pytest.mark.parametrize("after", ["expired", "expired_and_unfilled"])
def test_a_late_no_always_counts(after: str) -> None:
    before, late = AFTER[after], UNTIL + MINUTE

    said = before.decline("w", DeclineReason.CONFLICT_OF_INTEREST, late)

    assert said.declined_by == {"w"}
    assert said.offers[0].answer is Answer.DECLINED
    assert said.offers[0].declined_for is DeclineReason.CONFLICT_OF_INTEREST
    assert said.offers[1:] == before.offers[1:]
    assert (said.status, said.holder) == (before.status, before.holder)
    assert said.due_at == before.due_at


def test_a_declined_offer_keeps_its_reason() -> None:
    held = _offered().decline("w", DeclineReason.UNSAFE, NOON + MINUTE)

    assert held.offers[0].declined_for is DeclineReason.UNSAFE
    assert held.offers[0].answered_at == NOON + MINUTE


def test_who_declined_long_ago_is_still_not_asked() -> None:
    held = allocation().offered(choice("first"), POLICY, NOON)
    held = held.decline("first", BUSY, NOON)
    for number in range(120):
        held = held.offered(choice(f"w{number}"), POLICY, NOON).expire(NOON)
        held = held.unfilled(POLICY, NOON)

    assert len(held.offers) == 100
    assert "first" in need_of(held, Staffing(id=held.case_id), POLICY, NOON).excluded


@pytest.mark.parametrize(("role", "level"), list(product(Role, RiskLevel)))
def test_every_role_of_every_level_can_be_begun(role: Role, level: RiskLevel) -> None:
    held = _case(level)
    for wanted in held.roles.values():
        begun = Allocation.new(held.id, role, wanted, Lane.ROUTINE, POLICY)
        assert begun.open
        assert begun.due_at == begun.assign_by


def test_the_clock_of_a_role_that_had_been_filled_begins_anew() -> None:
    later = NOON + 1000 * HOUR
    taken = allocation().offered(choice("w"), POLICY, NOON).accept("w", NOON)

    back = taken.withdraw(POLICY, later)

    assert (back.holder, back.accepted_at, back.since) == (None, None, later)
    assert back.assign_by == POLICY.assign_by(later, back.level)
    assert not back.late(later)


def test_the_clock_of_a_role_that_was_only_offered_runs_on() -> None:
    asked = allocation().offered(choice("w"), POLICY, NOON)

    back = asked.withdraw(POLICY, NOON + MINUTE)

    assert (back.holder, back.since, back.assign_by) == (None, NOON, asked.assign_by)


def test_whoever_decided_beyond_capacity_stays_named_after_a_late_yes() -> None:
    her, chosen = new_id(), new_id()
    asked = allocation().offered(choice(her), POLICY, NOON, beyond_by=chosen)
    silent = asked.expire(NOON + HOUR).unfilled(POLICY, NOON + HOUR)

    taken = silent.accept(her, NOON + HOUR, beyond=True)

    assert taken.offer.beyond_by == chosen
