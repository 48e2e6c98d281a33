"""How everything known is weighed: by the highest, and with what is not known."""

from collections.abc import Mapping
from itertools import permutations
from math import ceil
from typing import Any

import pytest
import yaml
from accord_chassis.settings import policy_of
from accord_contracts.referrals import Answer, IncidentKind, TriggerKind
from accord_contracts.risk import RiskLevel
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from risk.domain.explaining import explain
from risk.domain.form import Form, all_forms
from risk.domain.instruments import shipped
from risk.domain.policy import Policy
from risk.domain.weighing import Known, Weighing
from risk_builders import ALL_NO, LOCALITIES, POLICY, answers, policy

YES, NO, UNKNOWN = Answer.YES, Answer.NO, Answer.UNKNOWN
LOW, MEDIUM, HIGH, EXTREME = RiskLevel

EVERYTHING = policy(
    instruments={
        **POLICY.model_dump(mode="json")["instruments"],
        "danger_assessment": {"variant": "weighted_items"},
        "dvsat": {},
        "vicpol_fvr": {},
    }
)
"""Every instrument, and what is not confirmed switched on."""

GUARDED = {"dvsat_intimate_partners"}
LOWERS = {"da_03a"}
"""A yes to it takes away, by the instrument's own rule."""

ITEMS = {
    key: sorted({*held.items, *held.applies_if})
    for key, held in EVERYTHING.used.items()
    if key != "triage" and held.items
}
ANSWERS = st.sampled_from(Answer)
OPEN = [each for each in Answer if each not in {YES, NO}]

# On a machine that is busy, making a case takes a while.
patient = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)


def forms_of(key: str) -> st.SearchStrategy[Form]:
    items = shipped(key).items
    graded = [k for k, each in items.items() if each.most > 1]
    plain = [each for each in ITEMS[key] if each not in graded]
    numbers: st.SearchStrategy[dict[str, int]] = st.just({})
    if graded:
        numbers = st.dictionaries(st.sampled_from(graded), st.integers(1, 5))
    told: st.SearchStrategy[dict[str, Answer]] = st.just({})
    if plain:
        told = st.dictionaries(st.sampled_from(plain), ANSWERS, max_size=12)
    totals = st.none() | st.integers(0, 30)
    return st.builds(
        Form, answers=told, numbers=numbers, total=totals, certified=st.booleans()
    )


FORMS = st.sampled_from(sorted(ITEMS)).flatmap(
    lambda key: st.dictionaries(st.just(key), forms_of(key), max_size=1)
)
KNOWN = st.builds(
    Known,
    st.dictionaries(st.sampled_from(EVERYTHING.questions), ANSWERS),
    st.frozensets(st.sampled_from(IncidentKind), max_size=3),
    st.integers(0, 4),
    st.frozensets(st.sampled_from(TriggerKind), max_size=2),
    FORMS,
)


def answered(known: Known, told: Mapping[str, Answer]) -> Known:
    """Answer questions, each where it was asked."""
    of_forms = {
        key: Form(
            answers={
                **form.answers,
                **{k: a for k, a in told.items() if k in ITEMS[key]},
            },
            numbers={
                **form.numbers,
                **{
                    k: shipped(key).items[k].most if a is YES else 1
                    for k, a in told.items()
                    if k in shipped(key).items and shipped(key).items[k].most > 1
                },
            },
            total=form.total,
            certified=form.certified,
        )
        for key, form in known.forms.items()
    }
    asked = {k: a for k, a in told.items() if k in EVERYTHING.questions}
    return Known(
        {**known.answers, **asked},
        known.incidents,
        known.repeats,
        known.near,
        of_forms,
    )


@patient
@given(KNOWN, st.data())
def test_one_more_yes_never_lowers_a_level(known: Known, draw: st.DataObject) -> None:
    may = [*EVERYTHING.questions, *(k for f in known.forms for k in ITEMS[f])]
    question = draw.draw(st.sampled_from([e for e in may if e not in LOWERS]))

    with_no = EVERYTHING.weigh(answered(known, {question: NO}))
    with_yes = EVERYTHING.weigh(answered(known, {question: YES}))

    assert with_yes.level.rank >= with_no.level.rank
    assert with_yes.lowest.rank >= with_no.lowest.rank
    assert with_yes.highest.rank >= with_no.highest.rank


@patient
@given(KNOWN, st.data())
def test_an_answer_never_leaves_the_interval_that_was_said(
    known: Known, draw: st.DataObject
) -> None:
    said = EVERYTHING.weigh(known)
    told = draw.draw(
        st.dictionaries(st.sampled_from(said.unknowns), st.sampled_from([YES, NO]))
        if said.unknowns
        else st.just({})
    )

    then = EVERYTHING.weigh(answered(known, told))

    assert said.lowest.rank <= then.lowest.rank
    assert then.highest.rank <= said.highest.rank
    assert said.lowest.rank <= said.level.rank <= said.highest.rank
    assert said.lowest.rank <= then.level.rank <= said.highest.rank


@patient
@given(KNOWN)
def test_the_level_alone_is_the_one_that_is_weighed(known: Known) -> None:
    assert EVERYTHING.level_of(known) is EVERYTHING.weigh(known).level
    assert EVERYTHING.grounds(known)[0] is EVERYTHING.level_of(known)


@patient
@given(KNOWN)
def test_what_is_said_to_raise_the_level_does(known: Known) -> None:
    said = EVERYTHING.weigh(known)

    for would in said.would:
        sets = [would.questions] if would.all_of else [(e,) for e in would.questions]
        for each in sets:
            then = EVERYTHING.weigh(answered(known, dict.fromkeys(each, YES)))
            assert then.level.rank >= would.level.rank
    assert {each.level for each in said.would} == {
        each for each in RiskLevel if said.level.rank < each.rank <= said.highest.rank
    }


@patient
@given(KNOWN)
def test_a_question_that_is_not_asked_next_changes_nothing(known: Known) -> None:
    said = EVERYTHING.weigh(known)
    idle = [each for each in said.unknowns if each not in {*said.questions, *LOWERS}]

    then = EVERYTHING.weigh(answered(known, dict.fromkeys(idle, YES)))

    assert then.level.rank <= said.level.rank


@patient
@given(st.lists(FORMS, min_size=2, max_size=3))
def test_the_order_in_which_forms_arrive_does_not_matter(
    told: list[dict[str, Form]],
) -> None:
    found = {
        repr(EVERYTHING.weigh(Known(forms=all_forms(*order))))
        for order in permutations(told)
    }

    assert len(found) == 1


def weigh(*yes: str, forms: Mapping[str, Form] | None = None, **told: Any) -> Weighing:
    """Weigh a case in which everything was answered no, but for this."""
    return POLICY.weigh(Known(answers(*yes, **told), forms=forms or {}))


def test_instruments_are_combined_by_the_highest_and_never_by_a_mean() -> None:
    calm = {"lap": Form(answers=dict.fromkeys(shipped("lap").items, NO))}
    grave = {"dash": Form(total=14)}

    found = weigh(forms={**calm, **grave})

    assert [e.level for e in found.results] == [None, None, HIGH, None]
    assert found.level is HIGH
    assert "dash_visible_high_risk" in found.reasons


def test_either_of_two_unanswered_questions_would_make_it_higher() -> None:
    found = weigh(
        "sexual_violence", "stalking", "escalation", "coercive_control",
        strangulation=UNKNOWN, pregnancy=UNKNOWN, weapon_used_or_threatened=UNKNOWN,
    )  # fmt: skip

    assert (found.level, found.highest, found.provisional) == (HIGH, EXTREME, False)
    would = found.would[0]
    assert (would.level, would.all_of) == (EXTREME, False)
    assert would.questions == ("strangulation", "weapon_used_or_threatened")
    assert found.questions[:2] == would.questions
    assert found.questions[2:] == ("pregnancy",)


def test_no_single_answer_is_enough_where_all_of_several_are_needed() -> None:
    found = weigh(pregnancy=UNKNOWN, stalking=UNKNOWN, injury=UNKNOWN)
    of = {each.level: each for each in found.would}

    assert of[MEDIUM].questions == ("pregnancy",), "a trigger"
    assert found.highest is MEDIUM

    heavier = weigh("injury", stalking=UNKNOWN, substance_use=UNKNOWN)
    assert heavier.would[0].questions == ("stalking",)
    lighter = weigh(stalking=UNKNOWN, prior_violence=UNKNOWN)
    assert lighter.would[0].all_of
    assert lighter.would[0].questions == ("stalking", "prior_violence")


def test_while_much_is_unknown_the_key_questions_are_asked_first() -> None:
    found = POLICY.weigh(Known())

    assert (found.level, found.lowest, found.provisional) == (MEDIUM, LOW, True)
    assert set(found.questions[: len(POLICY.key_questions)]) >= {
        "strangulation",
        "threat_to_kill",
    }


@st.composite
def hardly_known(draw: st.DrawFn) -> dict[str, Answer]:
    """Answers that leave as many open as a share allows at the least, or more."""
    of_all = draw(st.booleans())
    asked = POLICY.questions if of_all else POLICY.key_questions
    share = POLICY.unanswered_share_of_all if of_all else POLICY.unanswered_share
    least = ceil(share * len(asked) - 1e-9)
    # Of all, the key ones last, so that it is not their share that counts.
    keys = set(POLICY.key_questions) if of_all else set()
    order = sorted(draw(st.permutations(asked)), key=keys.__contains__)
    open_ = order[: draw(st.integers(least, len(asked)))]
    closed = {each: draw(st.sampled_from([YES, NO])) for each in POLICY.questions}
    return closed | {each: draw(st.sampled_from(OPEN)) for each in open_}


@patient
@given(hardly_known(), st.frozensets(st.sampled_from(IncidentKind), max_size=2))
def test_while_much_is_unknown_nothing_is_low_and_all_is_provisional(
    told: dict[str, Answer], incidents: frozenset[IncidentKind]
) -> None:
    known = Known(told, incidents)
    found = POLICY.weigh(known)

    assert found.provisional
    assert found.level is not LOW
    assert POLICY.level_of(known) is found.level
    assert POLICY.provisional(told, {})


@pytest.mark.parametrize("count", [2, 5])
def test_a_few_no_to_the_gravest_questions_alone_are_not_low(count: int) -> None:
    told = dict.fromkeys(POLICY.key_questions[:count], NO)

    found = POLICY.weigh(Known(told))

    assert (found.level, found.provisional) == (MEDIUM, True)
    open_ = f"Not answered are {17 - count} of 17 questions."
    assert open_ in explain(found, None, POLICY)


def test_a_form_that_is_mostly_unanswered_is_never_low() -> None:
    asked = dict.fromkeys(shipped("lap").items, UNKNOWN)
    half = {**asked, **dict.fromkeys(list(asked)[:6], NO)}

    mostly, enough = (weigh(forms={"lap": Form(answers=e)}) for e in (asked, half))

    assert (mostly.level, mostly.provisional) == (MEDIUM, True)
    assert "too_much_unknown" in mostly.reasons
    assert (enough.level, enough.provisional) == (LOW, False)
    assert enough.highest is HIGH


@pytest.mark.parametrize("key", ["safvr", "dyra"])
@pytest.mark.parametrize("number", [0, 1000])
def test_polices_score_is_kept_and_no_level_rests_on_it(key: str, number: int) -> None:
    forms = {key: Form(total=number)}

    alone = POLICY.weigh(Known(forms=forms))
    beside = weigh(forms=forms)

    assert (alone.level, alone.provisional) == (MEDIUM, True), "too little is known"
    assert (beside.level, beside.highest) == (LOW, LOW)
    kept = next(each for each in beside.results if each.instrument == key)
    assert (kept.total, kept.why_not) == (number, "evidence_only")


@pytest.mark.parametrize(
    ("instrument", "item", "question"),
    [
        ("da5", "da5_weapon", "weapon_used_or_threatened"),
        ("da5", "da5_believes_capable_of_killing", "fear_of_being_killed"),
        ("triage", "strangulation", "strangulation"),
    ],
)
@pytest.mark.parametrize("asked", [NO, UNKNOWN])
def test_a_yes_in_a_form_answers_the_question_that_it_stands_for(
    instrument: str, item: str, question: str, asked: Answer
) -> None:
    forms = {instrument: Form(answers={item: YES})}

    known = Known({**ALL_NO, question: asked}, forms=forms)
    found = POLICY.weigh(known)

    assert found.level is HIGH
    assert POLICY.level_of(known) is HIGH
    assert question in found.reasons
    assert question not in found.unknowns


@pytest.mark.parametrize(
    ("kind", "level"),
    [(IncidentKind.STRANGULATION, HIGH), (IncidentKind.BREACH_OF_ORDER, MEDIUM)],
)
@pytest.mark.parametrize("locality", ["canterbury", "waikato"])
def test_what_happened_lifts_the_level_as_an_answer_would(
    kind: IncidentKind, level: RiskLevel, locality: str
) -> None:
    held = policy_of(Policy, LOCALITIES / locality, "risk")

    known = Known(dict.fromkeys(held.questions, NO), frozenset({kind}))

    assert held.level_of(known) is level


def test_the_tier_follows_from_the_level_and_names_who_acts() -> None:
    held = {level: POLICY.tier(level, ()) for level in RiskLevel}

    assert [each.code for each in held.values() if each] == list(RiskLevel)
    high = held[HIGH]
    assert high is not None
    assert "independent_victim_specialist" in high.roles
    assert high.clocks["safe_contact"] == 24
    assert high.meeting == "intensive_case_management"


def test_a_trigger_puts_a_case_into_a_tier_whatever_its_level() -> None:
    tiers = POLICY.model_dump(mode="json")["tiers"]
    tiers[1]["triggers"] = ["pregnancy"]
    lifted = policy(tiers=tiers).tier(LOW, ("pregnancy",))

    assert lifted is not None
    assert lifted.code == "high"


@pytest.mark.parametrize("locality", ["canterbury", "waikato"])
def test_every_meeting_that_a_tier_names_is_one_that_the_locality_has(
    locality: str,
) -> None:
    held = policy_of(Policy, LOCALITIES / locality, "risk")
    told = yaml.safe_load((LOCALITIES / locality / "meetings.yaml").read_bytes())

    named = {each.meeting for each in held.tiers if each.meeting}

    assert named
    assert named <= set(told["series"])


def test_who_was_strangled_is_in_the_highest_tier_where_the_locality_says_so() -> None:
    held = policy_of(Policy, LOCALITIES / "waikato", "risk")

    level, reasons = held.level(answers("strangulation"), frozenset(), 0)
    tier = held.tier(level, reasons)

    assert (level, tier and tier.code) == (HIGH, "extreme")


def test_there_is_no_level_of_no_risk() -> None:
    assert min(RiskLevel, key=lambda each: each.rank) is LOW
    assert POLICY.weigh(Known(ALL_NO)).level is LOW
