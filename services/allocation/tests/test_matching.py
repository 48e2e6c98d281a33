"""Hard rules that nothing breaks, what else counts, and reasons as sentences."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from accord_chassis.testing import NOON, new_id
from accord_contracts.access import SIDES, Side
from accord_contracts.allocation import Role
from accord_contracts.calendar import Day, Shown, Window
from accord_contracts.referrals import ContactWish
from accord_contracts.risk import RiskLevel
from allocation.domain.advising import advise
from allocation.domain.availability import Absence
from allocation.domain.choosing import LEAST_LOADED, Unmet, Weighing, choose
from allocation.domain.directory import (
    LEAVES,
    NO_ROOM,
    NOT_IN_THE_ROLE,
    OFF_DUTY,
    ON_LEAVE,
    SAME_COMPARTMENT,
    Gender,
    Worker,
)
from allocation.domain.hearing import hear
from allocation.domain.lists import Lists
from allocation.domain.looking import need_of
from allocation.domain.need import (
    AGAINST_WISH,
    EXCLUDED,
    LISTED,
    SILENT,
    UNNAMED,
    Need,
)
from allocation.domain.offering import Allocation
from allocation.domain.policy import Policy, Soft, Spot, Wish
from allocation.domain.saying import said
from allocation.domain.staffing import Staffing
from allocation.domain.walls import SameCompartment, Walls
from allocation.domain.wanted import Assessed, Heard
from allocation.domain.wishes import Wishes
from allocation.handlers.handing import CHOSEN, TOGETHER
from allocation_builders import (
    COORDINATOR,
    HOUR,
    OUTREACH,
    POLICY,
    SPECIALIST,
    WHANAU,
    allocation,
    full,
    need,
    worker,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

WOMAN = Wishes(gender=ContactWish.WOMAN)


def only(soft: Soft) -> Policy:
    """The policy, if only one thing counted beside wishes."""
    weights = {each: int(each is soft) for each in Soft}
    return POLICY.model_copy(update={"soft": weights})


def held(carrying: Worker, *points: int, **fields: Any) -> Worker:
    """The same worker with places that were given today."""
    for each in points:
        taken = need(next(iter(carrying.roles)), points=each, **fields)
        carrying = carrying.reserve(taken, NOON + HOUR, NOON)
    return carrying


def chosen(policy: Policy, wanted: Need, *workers: Worker) -> Worker:
    in_order = sorted(workers, key=lambda each: (each.fullness, each.id))
    found = choose(in_order, wanted, policy, NOON)
    assert found
    return next(each for each in workers if each.id == found.worker_id)


@pytest.mark.parametrize("soft", Soft)
def test_each_of_what_else_counts_decides_between_equals(soft: Soft) -> None:
    plain, better = worker(base="rangiora"), worker(base="linwood")
    wanted = need(distances=POLICY.kilometres["aranui"])
    match soft:
        case Soft.CONTINUITY:
            wanted = replace(wanted, earlier=frozenset({better.id}))
        case Soft.LEAD_AGENCY:
            wanted = replace(wanted, lead="police")
            better = better.model_copy(update={"provider": "police"})
        case Soft.SKILLS:
            wanted = replace(wanted, skills=frozenset({"stalking"}))
            better = better.model_copy(update={"skills": frozenset({"stalking"})})
        case Soft.LOAD | Soft.PAST_WEEK:
            plain = held(plain, 5)
        case Soft.FAIRNESS:
            plain = held(plain, 5, urgent=True)
        case Soft.LEAVE:
            wanted = replace(wanted, ahead=timedelta(days=42))
            plain = plain.model_copy(update={"absences": leave(HOUR, 1)})
        case Soft.DISTANCE:
            pass

    assert chosen(only(soft), wanted, plain, better) is better


def test_nothing_else_outweighs_a_wish() -> None:
    far = worker(gender=Gender.WOMAN, base="rangiora")
    near = worker(gender=Gender.MAN, base="aranui", skills=frozenset({"stalking"}))
    wanted = need(
        wishes=WOMAN,
        earlier=frozenset({near.id}),
        skills=frozenset({"stalking"}),
        distances=POLICY.kilometres["aranui"],
    )

    assert chosen(POLICY, wanted, held(far, 90), near).id == far.id


def test_distances_are_those_of_a_map() -> None:
    # Christchurch to Auckland by the great circle: 764 km (Wikipedia's coordinates).
    christchurch = Spot(latitude=-43.531, longitude=172.637)
    auckland = Spot(latitude=-36.849, longitude=174.764)

    assert christchurch.km_to(auckland) == pytest.approx(764, abs=2)
    assert POLICY.kilometres["aranui"]["linwood"] == pytest.approx(3.5, abs=0.5)


def women(**fields: Any) -> Worker:
    return worker(gender=Gender.WOMAN, **fields)


AWAY = (Absence(since=NOON, until=NOON + HOUR),)


@pytest.mark.parametrize(
    ("others", "why"),
    [
        ((), Unmet.NOBODY),
        ((women(id="barred"),), Unmet.MAY_NOT),
        ((women(absences=AWAY), women(id="barred")), Unmet.AWAY),
        ((full(women()), women(absences=AWAY)), Unmet.NO_ROOM),
        ((women(languages=frozenset()), full(women())), Unmet.OUTWEIGHED),
    ],
)
def test_a_wish_that_is_not_met_is_kept_with_the_reason(
    others: tuple[Worker, ...], why: Unmet
) -> None:
    wishes = Wishes(gender=ContactWish.WOMAN, languages=("mi",))
    policy = POLICY.model_copy(
        update={"weights": {**POLICY.weights, Wish.GENDER: 1, Wish.LANGUAGE: 9}}
    )
    man = worker(gender=Gender.MAN, languages=frozenset({"mi"}))
    wanted = need(wishes=wishes, excluded=frozenset({"barred"}))

    found = choose([man, *others], wanted, policy, NOON)

    assert found
    assert (found.worker_id, found.unmet) == (man.id, {Wish.GENDER: why})


def test_of_whoever_was_asked_it_is_said_what_they_answered() -> None:
    declined, silent, lost, barred = [women(id=each) for each in "dslb"]
    man = worker(gender=Gender.MAN)
    asked = frozenset({"d", "s", "b"})
    wanted = need(
        wishes=WOMAN,
        excluded=asked,
        declined=frozenset("db"),
        silent=frozenset("sb"),
        listed=frozenset("b"),
    ).without_room(lost.id)

    def why(*others: Worker) -> Unmet:
        found = choose([man, *others], wanted, POLICY, NOON)
        assert found
        assert found.worker_id == man.id
        return found.unmet[Wish.GENDER]

    assert why(declined, silent, lost, barred) is Unmet.DECLINED
    assert why(silent, lost, barred) is Unmet.SILENT
    assert why(lost, barred) is Unmet.NO_ROOM
    assert why(barred) is Unmet.MAY_NOT


def test_a_compartment_that_was_asked_for_one_side_never_serves_the_other() -> None:
    outreach = worker(OUTREACH, team="north", compartment="men")
    same = worker(SPECIALIST, team="north", compartment="men")
    other = worker(SPECIALIST, team="north", compartment="women")
    asked = Staffing(id=new_id()).ask(OUTREACH, outreach.wall or "")
    wanted = need(SPECIALIST, walls=asked.walls_against(SPECIALIST))

    assert same.why_not(wanted, NOON) == SAME_COMPARTMENT
    assert other.why_not(wanted, NOON) is None
    assert worker(SPECIALIST).why_not(wanted, NOON) is None
    with pytest.raises(SameCompartment):
        asked.ask(SPECIALIST, same.wall or "")
    assert asked.ask(OUTREACH, outreach.wall or "") is asked


def test_whoever_meets_him_is_chosen_by_nothing_that_she_wishes_or_where_she_is() -> (
    None
):
    heard = Heard(
        wishes=Wishes(gender=ContactWish.WOMAN, area="aranui", languages=("mi",)),
        at=NOON,
        skills=frozenset({"stalking"}),
    )
    staffing = Staffing(id=new_id(), heard={new_id(): heard})

    def reasons(role: Role) -> set[str]:
        there = women(
            base="aranui", roles=frozenset({role}), skills=frozenset({"stalking"})
        )
        held = allocation(RiskLevel.HIGH).model_copy(update={"role": role})
        wanted = need_of(held, staffing, POLICY, NOON)
        (shown,) = advise([there], wanted, POLICY, NOON)
        found = choose([there], wanted, POLICY, NOON)
        assert found
        assert ("They serve the area." in shown.speaks_for) is (role is SPECIALIST)
        return set(found.reasons)

    assert reasons(SPECIALIST) == {
        *("gender_met", "language_not_met", "area_met", "distance_km_0"),
        *("skills_met", "least_loaded"),
    }
    assert reasons(OUTREACH) == {"least_loaded"}


@pytest.mark.parametrize("role", [SPECIALIST, OUTREACH])
def test_an_agency_that_is_not_to_know_is_asked_through_nobody(role: Role) -> None:
    heard = Heard(wishes=Wishes(not_told=("refuge",)), at=NOON)
    merged = Staffing(id=new_id(), heard={new_id(): heard})
    lists = Lists(agencies=frozenset({"police"}))
    staffing = Staffing(id=new_id(), lists=lists, shares={merged.id: merged.share()})
    held = allocation(RiskLevel.LOW).model_copy(update={"role": role})
    wanted = need_of(held, staffing, POLICY, NOON)
    decided = replace(wanted, against_wish=True)
    refuge, police = worker(role, provider="refuge"), worker(role, provider="police")

    assert choose([refuge, police], wanted, POLICY, NOON) is None
    assert [*refuge.against(wanted, NOON)] == [AGAINST_WISH]
    assert [*police.against(wanted, NOON)] == [LISTED]
    assert [*refuge.against(decided, NOON)] == []
    assert [*police.against(decided, NOON)] == [LISTED]
    other = worker(role, provider="iwi_service")
    found = choose([refuge, police, other], wanted, POLICY, NOON)
    assert found
    assert found.worker_id == other.id


def test_whom_one_referral_wants_not_told_a_later_one_does_not_have_told() -> None:
    first, second = Wishes(not_told=("refuge",)), Wishes(not_told=("police",))

    both = Wishes.together([first, second, Wishes(area="sumner")])

    assert both == Wishes(area="sumner", not_told=("refuge", "police"))


def test_an_agency_that_is_not_to_know_does_not_lead_by_policy() -> None:
    leads = POLICY.lead_agencies[RiskLevel.LOW]
    found = Assessed(revision=1, first_referred_at=NOON, assessed_at=NOON)
    wished = Heard(wishes=Wishes(not_told=(leads,)), at=NOON)
    listed = Staffing(id=new_id()).want(found, POLICY)
    others = [new_id()]

    assert listed.lead_agency == leads
    assert listed.list_(Lists(agencies=frozenset({leads})), others).lead_agency is None
    late = hear(listed, new_id(), wished.wishes, NOON, POLICY)
    assert late.lead_agency is None
    assert late.want(found, POLICY).lead_agency is None
    decided = late.led_by(leads, "lead", NOON)
    assert hear(decided, new_id(), wished.wishes, NOON, POLICY).lead_agency == leads
    barred = decided.list_(Lists(agencies=frozenset({leads})), others)
    assert (barred.lead_agency, barred.lead_decided_by) == (None, None)
    # A decision from before, which comes late, does not lead.
    assert barred.led_by("refuge", "lead", NOON - HOUR).lead_agency is None
    assert barred.led_by("refuge", "lead", NOON + HOUR).lead_agency == "refuge"
    other = listed.led_by("police", "lead", NOON)
    other = other.list_(Lists(agencies=frozenset({"police"})), others)
    assert other.lead_agency is None
    assert other.want(found, POLICY).lead_agency == leads


def test_the_compartments_of_a_merged_case_hold_for_its_survivor() -> None:
    asked = Staffing(id=new_id()).ask(OUTREACH, "north.")
    survivor = Staffing(id=new_id(), shares={asked.id: asked.share()})

    with pytest.raises(SameCompartment):
        survivor.ask(SPECIALIST, "north.")


def test_reasons_read_as_sentences() -> None:
    good = women(
        base="aranui", skills=frozenset({"stalking"}), capacity=10, roles={WHANAU}
    )
    poor = held(worker(gender=Gender.MAN, capacity=10, roles={WHANAU}), 8, urgent=True)
    barred = worker(id="barred")
    wanted = need(
        points=4,
        wishes=WOMAN,
        earlier=frozenset({good.id}),
        skills=frozenset({"stalking"}),
        distances=POLICY.kilometres["aranui"],
        excluded=frozenset({"barred"}),
        declined=frozenset({"barred"}),
        served=frozenset({"barred"}),
        listed=frozenset({"barred"}),
        silent=frozenset({poor.id}),
    )

    first, *others = advise([poor, good, barred], wanted, POLICY, NOON)

    assert first.worker_id == good.id
    assert first.barred == ()
    assert first.speaks_for == (
        "They are of the gender that was asked for.",
        "They have worked with this side of the family before.",
        "They are trained in 1 of 1 of what has happened.",
        "They start 0 km away, as the crow flies.",
        "They carry 0 of 10 points; this takes 4.",
    )
    assert first.speaks_against == ()
    by_id = {each.worker_id: each for each in others}
    assert by_id["barred"].barred == (
        "They have declined it.",
        "They have served the other side of the case, or of one of the same people.",
        "They are barred from the case.",
    )
    assert by_id[poor.id].barred == ("The worker has no room for the role.",)
    assert by_id[poor.id].speaks_against == (
        "They are not of the gender that was asked for.",
        "They are trained in 0 of 1 of what has happened.",
        "They carry 8 of 10 points; this takes 4.",
        "They were given 8 points in the past seven days.",
        "They were asked before and did not answer in time.",
        "8 of their points are at a high level.",
    )


def test_every_reason_against_somebody_is_given() -> None:
    off = worker(SPECIALIST, team="a", hours=(DAYTIME,), absences=AWAY, active=False)
    small = worker(SPECIALIST, team="a", hours=(DAYTIME,), capacity=0)
    wanted = need(
        SPECIALIST,
        walls=frozenset({"a."}),
        shown=Shown(0, "03:00"),
        excluded=frozenset({small.id, off.id}),
        silent=frozenset({small.id}),
        named_only=frozenset({"other"}),
    )

    found = advise([off, small], wanted, POLICY, NOON)

    assert {each.worker_id: each.barred for each in found} == {
        off.id: (
            EXCLUDED,
            UNNAMED,
            NOT_IN_THE_ROLE,
            ON_LEAVE,
            SAME_COMPARTMENT,
            OFF_DUTY,
        ),
        small.id: (SILENT, UNNAMED, NO_ROOM, SAME_COMPARTMENT, OFF_DUTY),
    }


TEAMS = st.sampled_from([None, "north", "south"])
DAYTIME = Window(days=frozenset(Day), starts="08:00", ends="17:00")


@st.composite
def crews(draw: st.DrawFn) -> list[Worker]:
    """A few workers of all kinds: in teams, on leave, off duty, with little room."""
    made = []
    for number in range(draw(st.integers(1, 8))):
        absence = draw(
            st.sampled_from([(), AWAY, (AWAY[0].model_copy(update={"percent": 50}),)])
        )
        made.append(
            Worker(
                id=f"worker-{number}",
                roles=draw(
                    st.sampled_from(
                        [{SPECIALIST}, {OUTREACH}, {WHANAU, SPECIALIST}, {OUTREACH}]
                    )
                ),
                capacity=draw(st.integers(0, 12)),
                team=draw(TEAMS),
                compartment=draw(st.sampled_from([None, "a", "b"])),
                absences=absence,
                hours=draw(st.sampled_from([(), (DAYTIME,)])),
                gender=draw(st.sampled_from(Gender)),
                provider=draw(st.sampled_from([None, "refuge", "police"])),
            )
        )
    return made


SOME = st.frozensets(st.sampled_from([f"worker-{n}" for n in range(8)]), max_size=3)
AGENCIES = st.frozensets(st.sampled_from(["refuge", "police"]), max_size=1)


@st.composite
def asked_before(draw: st.DrawFn) -> Allocation:
    """A role that some have declined, and of which others have not answered."""
    role = draw(st.sampled_from([SPECIALIST, OUTREACH, WHANAU]))
    update = {"role": role, "declined_by": draw(SOME), "silent": draw(SOME)}
    return allocation().model_copy(update=update)


@st.composite
def known(draw: st.DrawFn) -> Staffing:
    """A case with lists, wishes, and whoever has served which side of it."""
    few = st.frozensets(st.sampled_from([f"worker-{n}" for n in range(8)]), min_size=5)
    walls = st.frozensets(st.sampled_from(["north.", "north.a", "south.b"]), max_size=1)
    wishes = Wishes(not_told=tuple(draw(AGENCIES)))
    return Staffing(
        id=draw(st.sampled_from(["one", "other"])),
        lists=Lists(
            excluded=draw(SOME),
            conflicts=draw(SOME),
            named_only=draw(st.none() | few),
            agencies=draw(AGENCIES),
        ),
        heard={"referral": Heard(wishes=wishes, at=NOON)},
        served_outreach=draw(SOME),
        served_others=draw(SOME),
        walls=Walls(outreach=draw(walls), others=draw(walls)),
    )


# A busy machine draws slowly: that is no fault of what is drawn.
@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(
    crews(),
    asked_before(),
    known(),
    known(),
    st.sampled_from(["alone", "merged into", "has merged"]),
)
def test_nobody_is_asked_who_may_not_be_and_somebody_if_anybody_may(
    crew: list[Worker],
    held: Allocation,
    one: Staffing,
    other: Staffing,
    how: str,
) -> None:
    role = held.role
    survivor = other if how == "merged into" else None
    family = [one] if how == "alone" else [one, other]
    if how == "has merged":
        one = one.model_copy(update={"shares": {"merged": other.share()}})
    wanted = need_of(held, one, POLICY, NOON, survivor=survivor)
    his = SIDES[role] is Side.PERSON_USING_VIOLENCE

    def may(each: Worker) -> bool:
        """Say so by each rule itself."""
        return not (
            role not in each.roles
            or each.capacity_at(NOON) < wanted.points
            or each.id in held.declined_by | held.silent
            or any(
                each.id in case.lists.excluded | case.lists.conflicts
                or each.id in (case.served_others if his else case.served_outreach)
                or each.wall in (case.walls.others if his else case.walls.outreach)
                or each.provider in case.lists.agencies
                or each.provider in case.wishes.not_told
                or each.id not in (case.lists.named_only or {each.id})
                for case in family
            )
        )

    found = choose(crew, wanted, POLICY, NOON)

    assert (found is not None) == any(map(may, crew))
    assert found is None or may(next(e for e in crew if e.id == found.worker_id))
    assert {
        e.worker_id for e in advise(crew, wanted, POLICY, NOON) if not e.barred
    } == {each.id for each in crew if may(each)}


WANTED = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from([SPECIALIST, OUTREACH, WHANAU]),
        st.integers(1, 6),
        st.booleans(),
    ),
    max_size=12,
)


# A busy machine draws slowly: that is no fault of what is drawn.
@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(crews(), WANTED, st.sampled_from([0, 12]))
def test_no_hard_rule_is_ever_broken_nor_anybody_overfilled(
    crew: list[Worker], roles: list[tuple[int, Role, int, bool]], hour: int
) -> None:
    at = NOON + timedelta(hours=hour)
    one = _filled(crew, roles, at)

    assert one == _filled(crew, roles, at)
    team: dict[str, list[tuple[Worker, Role]]] = {}
    for each, (case_id, role, _, urgent) in one:
        team.setdefault(case_id, []).append((each, role))
        assert role in each.roles
        shown = need_of_urgent(at).shown
        assert shown
        assert not urgent or not each.hours or each.hours[0].contains(shown)
        assert each.capacity_at(at) > 0
    for carrying in {each.id: each for each, _ in one}.values():
        points = sum(told[2] for each, told in one if each.id == carrying.id)
        assert points <= carrying.capacity_at(at)
    for members in team.values():
        sides: dict[bool, set[str]] = {True: set(), False: set()}
        for each, role in members:
            outreach = SIDES[role] is Side.PERSON_USING_VIOLENCE
            sides[outreach] |= {each.id, *([each.wall] if each.wall else [])}
        assert not sides[True] & sides[False]


def need_of_urgent(at: datetime) -> Need:
    """What is looked for at a high level at a time."""
    return need_of(allocation(RiskLevel.HIGH), Staffing(id=new_id()), POLICY, at)


def _filled(
    crew: list[Worker], roles: list[tuple[int, Role, int, bool]], at: datetime
) -> list[tuple[Worker, tuple[str, Role, int, bool]]]:
    """Fill roles one after the other, as placing does, and give who got which."""
    workers = {each.id: each for each in crew}
    cases = {f"case-{n}": Staffing(id=f"case-{n}") for n in range(3)}
    given_: list[tuple[Worker, tuple[str, Role, int, bool]]] = []
    shown = need_of_urgent(at).shown
    for number, (case, role, points, urgent) in enumerate(roles):
        case_id = f"case-{case}"
        wanted = Need(
            allocation_id=f"role-{number}",
            case_id=case_id,
            role=role,
            points=points,
            wishes=WOMAN,
            urgent=urgent,
            shown=shown if urgent else None,
            walls=cases[case_id].walls_against(role),
        )
        in_role = [e for e in workers.values() if role in e.roles]
        in_order = sorted(in_role, key=lambda each: (each.fullness, each.id))
        found = choose(in_order, wanted, POLICY, at)
        if found is None:
            continue
        if found.wall:
            cases[case_id] = cases[case_id].ask(role, found.wall)
        taken = workers[found.worker_id].reserve(wanted, at + HOUR, at)
        workers[taken.id] = taken
        given_.append((crew[int(taken.id[-1])], (case_id, role, points, urgent)))
    return given_


def leave(begins: timedelta, days: int) -> tuple[Absence, ...]:
    since = NOON + begins
    return (Absence(since=since, until=since + timedelta(days=days)),)


def test_who_goes_away_before_an_answer_is_due_is_not_asked_where_it_is_urgent() -> (
    None
):
    tonight = worker(SPECIALIST, absences=leave(timedelta(minutes=15), 21))
    wanted = replace(need_of_urgent(NOON), role=SPECIALIST)
    calm = need_of(allocation(RiskLevel.LOW), Staffing(id=new_id()), POLICY, NOON)

    assert [*tonight.against(wanted, NOON)] == [LEAVES]
    assert choose([tonight], wanted, POLICY, NOON) is None
    assert [*tonight.against(replace(calm, role=SPECIALIST), NOON)] == []
    later = worker(SPECIALIST, absences=leave(HOUR, 21))
    assert choose([later], wanted, POLICY, NOON)


def test_leave_in_the_weeks_ahead_speaks_against_somebody_by_its_share() -> None:
    here, soon = worker(id="here"), worker(id="soon", absences=leave(HOUR, 21))
    next_year = worker(id="year", absences=leave(timedelta(days=300), 21))
    wanted = replace(need(), ahead=timedelta(days=42))
    weigh = Weighing(wanted, POLICY, NOON)
    twice = soon.model_copy(update={"absences": soon.absences * 2})

    assert weigh(here) - weigh(soon) == POLICY.soft[Soft.LEAVE] / 2
    assert weigh(twice) == weigh(soon)
    assert weigh(next_year) == weigh(here)
    found = choose([soon, here], wanted, POLICY, NOON)
    assert found
    assert found.worker_id == "here"
    said = {e.worker_id: e.speaks_against for e in advise([soon], wanted, POLICY, NOON)}
    assert said == {"soon": ("They are away for 21 of the next 42 days.",)}


def test_walls_are_told_apart_by_side() -> None:
    walls = Walls().asked(OUTREACH, "north.").asked(SPECIALIST, "south.")

    assert walls.against(SPECIALIST) == {"north."}
    assert walls.against(OUTREACH) == {"south."}


def test_leave_and_hours_are_hard() -> None:
    away = worker(SPECIALIST, absences=AWAY)
    asleep = worker(SPECIALIST, hours=(DAYTIME,))
    night = NOON  # Midnight in the region.
    wanted = need_of_urgent(night)

    assert away.why_not(need(SPECIALIST), NOON) == ON_LEAVE
    assert asleep.why_not(replace(wanted, role=SPECIALIST), night) == OFF_DUTY
    assert choose([away], need(SPECIALIST), POLICY, NOON) is None


def test_what_speaks_for_somebody_is_never_more_than_is_thought_at_best() -> None:
    wanted = need(
        earlier=frozenset({"x"}),
        skills=frozenset({"stalking"}),
        distances=POLICY.kilometres["aranui"],
    )
    weigh = Weighing(wanted, POLICY, NOON)
    for each in (worker(id="x", base="aranui"), held(worker(), 50), worker(capacity=0)):
        assert weigh(each) <= weigh.quickly(each) <= weigh.at_best(each)


@pytest.mark.parametrize("why", Unmet)
@pytest.mark.parametrize("wish", Wish)
def test_every_reason_is_a_sentence_and_what_is_not_met_says_why(
    wish: Wish, why: Unmet
) -> None:
    told = said(
        [f"{wish}_met", f"{wish}_not_met", "distance_km_7", *OTHER_REASONS], {wish: why}
    )

    assert all(each[0].isupper() and each.endswith(".") for each in told), told
    assert len(set(told)) == len(told)
    met, unmet, way, *_ = told
    assert (":" in met, ":" in unmet) == (False, True)
    assert way == "They start 7 km away, as the crow flies."


OTHER_REASONS = (
    *("continuity_met", "skills_met", "skills_not_met"),
    *(LEAST_LOADED, CHOSEN, TOGETHER),
)


def test_who_coordinates_is_of_the_agency_that_leads_if_somebody_of_it_may() -> None:
    held = allocation(RiskLevel.HIGH, role=COORDINATOR)
    staffing = Staffing(id=held.case_id).led_by("police", new_id(), NOON)
    police = worker(COORDINATOR, provider="police")
    refuge = worker(COORDINATOR, provider="refuge")
    wanted = need_of(held, staffing, POLICY, NOON)

    found = choose([refuge, police], wanted, POLICY, NOON)
    otherwise = choose([refuge, full(police)], wanted, POLICY, NOON)

    assert found
    assert found.worker_id == police.id
    assert "lead_agency_met" in found.reasons
    # Somebody of another agency is better than nobody.
    assert otherwise
    assert otherwise.worker_id == refuge.id
    assert "lead_agency_not_met" in otherwise.reasons
    # Nobody else is chosen by it.
    of_her = held.model_copy(update={"role": WHANAU})
    assert need_of(of_her, staffing, POLICY, NOON).lead is None
