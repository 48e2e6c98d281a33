"""How risk is weighed."""

from datetime import UTC, datetime, timedelta
from functools import reduce
from random import Random
from typing import Any

import pytest
from accord_chassis.settings import BadConfiguration, policy_of
from accord_chassis.testing import NOON, new_id
from accord_contracts.referrals import (
    Answer,
    IncidentKind,
    PersonRole,
    TriggerKind,
)
from accord_contracts.risk import RiskLevel
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from risk.domain.ahead import Ahead
from risk.domain.answers import merged
from risk.domain.assessment import Assessment
from risk.domain.form import Form
from risk.domain.judgement.acts import heed_table
from risk.domain.judgement.record import Decided
from risk.domain.order import Order
from risk.domain.policy import Policy, highest
from risk.domain.reassessment import Reassessment
from risk.domain.telling import Telling
from risk_builders import ALL_NO, LOCALITIES, POINTS, POLICY, answers, one_point, policy

TIERS = POLICY.model_dump(mode="json")["tiers"]
# On a machine that is busy, making a case takes a while.
patient = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
NOTHING = Assessment.new(new_id(), NOON)
ANSWERS = st.dictionaries(
    st.sampled_from(list(POLICY.questions)), st.sampled_from(Answer)
)
INCIDENTS = st.frozensets(st.sampled_from(IncidentKind), min_size=1, max_size=3)


@pytest.mark.parametrize(
    "trigger", [each for each in POLICY.triggers if each in POLICY.questions]
)
def test_a_trigger_lifts_the_level_whatever_the_points(trigger: str) -> None:
    level, reasons = POLICY.level(answers(trigger), frozenset(), 0)

    assert level.rank >= POLICY.triggers[trigger].rank
    assert trigger in reasons


@pytest.mark.parametrize(
    ("points", "level"),
    [
        (POINTS[RiskLevel.MEDIUM] - 1, RiskLevel.LOW),
        (POINTS[RiskLevel.MEDIUM], RiskLevel.MEDIUM),
        (POINTS[RiskLevel.HIGH] - 1, RiskLevel.MEDIUM),
        (POINTS[RiskLevel.HIGH], RiskLevel.HIGH),
        (POINTS[RiskLevel.EXTREME] - 1, RiskLevel.HIGH),
        (POINTS[RiskLevel.EXTREME], RiskLevel.EXTREME),
    ],
)
def test_points_reach_a_band_at_its_border(points: int, level: RiskLevel) -> None:
    assert one_point().level(ALL_NO, frozenset(), points)[0] is level


def test_too_much_unknown_is_never_low_and_says_so() -> None:
    new = NOTHING.weigh({}, frozenset({IncidentKind.VERBAL_ABUSE}), POLICY, NOON)

    assert new.level is RiskLevel.MEDIUM
    assert new.provisional
    assert "too_much_unknown" in new.reasons
    assert set(new.unknowns) == set(POLICY.questions)


@pytest.mark.parametrize("answer", [Answer.UNKNOWN, Answer.REFUSED, Answer.NOT_ASKED])
def test_only_yes_and_no_are_answers(answer: Answer) -> None:
    given_ = answers(strangulation=answer)

    assert POLICY.unknowns(given_) == ("strangulation",)
    assert "strangulation" not in POLICY.level(given_, frozenset(), 0)[1]


@pytest.mark.parametrize("answer", list(Answer))
def test_a_yes_stays_a_yes(answer: Answer) -> None:
    assert merged({"q": Answer.YES}, {"q": answer}) == {"q": Answer.YES}
    assert merged({"q": answer}, {"q": Answer.YES}) == {"q": Answer.YES}


@pytest.mark.parametrize("answer", [Answer.UNKNOWN, Answer.REFUSED, Answer.NOT_ASKED])
def test_an_answer_beats_none(answer: Answer) -> None:
    assert merged({"q": Answer.NO}, {"q": answer}) == {"q": Answer.NO}
    assert merged({"q": answer}, {"q": Answer.NO}) == {"q": Answer.NO}


@patient
@given(st.lists(st.tuples(ANSWERS, INCIDENTS), min_size=1, max_size=5))
def test_the_level_never_falls_by_itself(
    told: list[tuple[dict[str, Answer], frozenset[IncidentKind]]],
) -> None:
    held = NOTHING
    for given_, incidents in told:
        new = held.weigh(given_, incidents, POLICY, NOON)
        assert new.level.rank >= held.level.rank
        held = new


@patient
@given(ANSWERS, ANSWERS, INCIDENTS, INCIDENTS)
def test_the_order_of_two_referrals_does_not_change_what_is_known(
    first: dict[str, Answer],
    second: dict[str, Answer],
    one: frozenset[IncidentKind],
    other: frozenset[IncidentKind],
) -> None:
    ahead = NOTHING.weigh(first, one, POLICY, NOON).weigh(second, other, POLICY, NOON)
    behind = NOTHING.weigh(second, other, POLICY, NOON).weigh(first, one, POLICY, NOON)

    yes = {q for q, a in ahead.answers.items() if a is Answer.YES}
    assert yes == {q for q, a in behind.answers.items() if a is Answer.YES}
    assert ahead.incidents == behind.incidents
    assert set(ahead.unknowns) == set(behind.unknowns)


def heard(held: Assessment, event: Any, at: datetime = NOON) -> Assessment:
    """Hear of an event, as handlers do."""
    match event:
        case Telling():
            held = held.told(event.people[PersonRole.CHILD][0], event)
            return held.weigh(
                event.answers, event.incidents, POLICY, at, repeat=event.repeat
            )
        case Form():
            return held.weigh({}, frozenset(), POLICY, at, forms={"dash": event})
        case Order():
            return held.bind("order", event)
        case Ahead():
            noted = held.foresee("date", event)
            near = noted.comes_near(at)
            return noted.weigh_dates(POLICY, at, begins=False) if near else noted
        case _:
            return heed_table(held, event, POLICY, at)


TIMES = st.datetimes(timezones=st.just(UTC), max_value=datetime(2027, 1, 1))  # noqa: DTZ001
TELLINGS = st.builds(
    Telling,
    occurred_at=TIMES,
    received_at=TIMES,
    incidents=INCIDENTS,
    answers=ANSWERS,
    people=st.uuids().map(lambda each: {PersonRole.CHILD: (str(each),)}),
    repeat=st.booleans(),
)
FORMS = st.builds(
    Form,
    answers=st.dictionaries(st.just("dash_01"), st.sampled_from(Answer)),
    total=st.none() | st.integers(0, 24),
    certified=st.booleans(),
)
REVISED = {"revision": st.integers(1, 9)}
ORDERS = st.builds(Order, ends_at=st.none() | TIMES, **REVISED)
DATES = st.builds(
    Ahead,
    kind=st.just(TriggerKind.HEARING),
    happens_at=TIMES,
    near_from=TIMES,
    cancelled=st.booleans(),
    **REVISED,
)
MEETINGS = st.builds(
    Decided,
    meeting_id=st.uuids().map(str),
    number=st.just(1),
    level=st.sampled_from(RiskLevel),
    held=st.just(RiskLevel.LOW),
    by=st.just("worker"),
    agency=st.none(),
    at=TIMES,
)
EVENTS = st.lists(
    st.one_of(TELLINGS, FORMS, ORDERS, DATES, MEETINGS), min_size=2, max_size=6,
    unique_by=lambda each: (type(each), getattr(each, "revision", id(each))),
)  # fmt: skip


@patient
@given(EVENTS, st.randoms(use_true_random=False))
def test_in_whatever_order_events_arrive_the_same_is_known_and_found(
    events: list[Any], random: Random
) -> None:
    """Never less is held than that. By the way to it more may be: no level falls."""
    shuffled = random.sample(events, len(events))
    one, other = (reduce(heard, e, NOTHING) for e in (events, shuffled))

    found = [POLICY.weigh(each.everything(NOON)) for each in (one, other)]

    assert found[0] == found[1]
    assert one.occurred == other.occurred
    assert one.orders == other.orders
    assert one.tellings == other.tellings
    assert {each.at for each in one.judgement.decided} == {
        each.at for each in other.judgement.decided
    }
    for each in (one, other):
        said = each.judgement.decided_highest if each.weighed else None
        least = highest(found[0].level, said.level if said else RiskLevel.LOW)
        assert not each.weighed or each.level.rank >= least.rank


@patient
@given(ANSWERS, INCIDENTS, st.sampled_from(list(POLICY.questions)))
def test_one_more_yes_never_lowers_the_level(
    given_: dict[str, Answer], incidents: frozenset[IncidentKind], question: str
) -> None:
    without = {**given_, question: Answer.NO}
    with_yes = {**given_, question: Answer.YES}

    less = POLICY.level(without, incidents, 0)[0]
    assert POLICY.level(with_yes, incidents, 0)[0].rank >= less.rank


@pytest.mark.parametrize(
    ("level", "hours"),
    [
        (RiskLevel.EXTREME, 72),
        (RiskLevel.HIGH, 7 * 24),
        (RiskLevel.MEDIUM, 30 * 24),
        (RiskLevel.LOW, 60 * 24),
    ],
)
def test_the_clock_of_each_level_is_viogens(level: RiskLevel, hours: int) -> None:
    weight = one_point(POINTS.get(level, 0))

    new = NOTHING.weigh(ALL_NO, frozenset(), weight, NOON, repeat=True)

    assert new.level is level
    assert new.reassess_by == new.due_at == NOON + timedelta(hours=hours)


def test_reassessment_falls_due_then_overdue_and_never_expires() -> None:
    held = NOTHING.weigh(ALL_NO, frozenset(), POLICY, NOON)
    grace = timedelta(hours=POLICY.grace_hours)

    due = held.fall_due(POLICY)
    overdue = due.fall_due(POLICY)
    still = overdue.fall_due(POLICY)

    assert due.reassessment is Reassessment.DUE
    assert overdue.reassessment is still.reassessment is Reassessment.OVERDUE
    assert [each.due_at - held.due_at for each in (due, overdue, still)] == [
        grace,
        2 * grace,
        3 * grace,
    ]
    again = still.weigh({}, frozenset(), POLICY, NOON + timedelta(days=70))
    assert again.reassessment is Reassessment.OVERDUE
    assert (again.due_at, again.reassess_by) == (still.due_at, still.reassess_by)
    seen = still.looked_after(NOON + timedelta(days=70))
    looked = seen.weigh({}, frozenset(), POLICY, NOON + timedelta(days=70))
    assert looked.reassessment is Reassessment.AHEAD
    assert looked.due_at == looked.reassess_by == NOON + timedelta(days=130)


def test_closing_stops_the_clock_and_leaves_the_level() -> None:
    held = NOTHING.weigh(answers("strangulation"), frozenset(), POLICY, NOON)

    closed = held.fall_due(POLICY).close(held.revision)

    assert closed.due_at is None
    assert closed.reassessment is Reassessment.STOPPED
    assert closed.level is held.level is RiskLevel.HIGH
    assert closed.close(held.revision) is closed


def test_what_was_closed_before_with_another_plan_can_be_said_to_be_an_error() -> None:
    held = NOTHING.weigh(ALL_NO, frozenset(), POLICY, NOON)

    closed = held.close(held.revision)
    mistaken = closed.close(held.revision, mistaken_at=NOON)

    assert mistaken.mistaken_at == NOON
    assert mistaken.close(held.revision) is mistaken


@pytest.mark.parametrize(
    ("told", "starts"),
    [
        ({"begins": True}, True),
        ({"answers": {"escalation": Answer.YES}}, True),
        ({"incidents": frozenset({IncidentKind.THREATS_OF_HARM})}, True),
        ({"forms": {"dash": Form(total=3)}}, True),
        ({}, False),
        ({"answers": {"escalation": Answer.NO}}, False),
        ({"forms": {"dash": Form(total=0)}}, False),
    ],
)
def test_only_what_speaks_of_danger_starts_the_clock_after_the_closing(
    told: dict[str, Any], *, starts: bool
) -> None:
    held = NOTHING.weigh(ALL_NO, frozenset(), POLICY, NOON)
    later = NOON + timedelta(days=90)
    said = {"answers": {}, "incidents": frozenset(), **told}

    again = held.close(held.revision).weigh(policy=POLICY, at=later, **said)

    if not starts:
        assert again.reassessment is Reassessment.STOPPED
        assert again.due_at is None
        return
    assert again.reassessment is Reassessment.AHEAD
    assert again.due_at == again.reassess_by > later


def test_a_closing_that_did_not_know_the_latest_assessment_stops_no_clock() -> None:
    first = NOTHING.weigh(ALL_NO, frozenset(), POLICY, NOON)
    saved = first.model_copy(update={"version": first.revision})
    second = saved.weigh({}, frozenset(), POLICY, NOON)

    assert second.close(first.revision) is second
    assert second.close(second.revision).due_at is None


def test_a_clock_counts_no_revision_up() -> None:
    held = NOTHING.weigh(ALL_NO, frozenset(), POLICY, NOON)
    swept = held.model_copy(update={"version": 7}).fall_due(POLICY)

    assert (held.revision, swept.revision) == (1, 1)
    assert swept.weigh({}, frozenset(), POLICY, NOON).revision == 8


@pytest.mark.parametrize("locality", [each.name for each in LOCALITIES.iterdir()])
def test_every_localitys_policy_holds_together(locality: str) -> None:
    held = policy_of(Policy, LOCALITIES / locality, "risk")

    assert held.version.startswith(locality)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"triggers": {"no_such": "high"}}, "no_such: nothing that could be"),
        ({"key_questions": ["no_such"]}, "no_such: not a question"),
        ({"reassess_hours": {"low": 1}}, "reassess_hours lacks"),
        ({"ahead": {}}, "ahead lacks bail_change"),
        ({"instruments": {"tea_leaves": None}}, "tea_leaves: no such instrument"),
        ({"certified": {"tea_leaves": ["police"]}}, "tea_leaves: no such instrument"),
        ({"instruments": {"triage": {"variant": "x"}}}, "triage: x: no such variant"),
        ({"instruments": {"triage": {"weights": {"x": 1}}}}, "triage: x: no such"),
        (
            {"instruments": {"triage": {"cutoffs": {"high": 22}}}},
            "triage: bands must rise",
        ),
        ({"tiers": [*TIERS[::-1]]}, "tiers must fall"),
        ({"unanswered_share": 0}, "unanswered_share"),
        ({"colour": "blue"}, "colour"),
        ({"version": "As of today"}, "version"),
    ],
)
def test_a_policy_that_cannot_be_right_is_refused(
    change: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        policy(**change)


def test_a_missing_policy_stops_the_start_with_a_sentence(tmp_path: Any) -> None:
    with pytest.raises(BadConfiguration, match=r"There is no risk\.yaml"):
        policy_of(Policy, tmp_path, "risk")
