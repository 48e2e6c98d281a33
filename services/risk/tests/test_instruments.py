"""Every number that is published of an instrument, by its source; and its format."""

from typing import Any

import pytest
from accord_contracts.referrals import Answer
from accord_contracts.risk import RiskLevel
from risk.domain.choice import Choice
from risk.domain.form import Form, all_forms
from risk.domain.instrument import Instrument
from risk.domain.instruments import SHIPPED, shipped
from risk.domain.scoring import Result, Scorer

YES, NO, UNKNOWN = Answer.YES, Answer.NO, Answer.UNKNOWN
GUARD = dict.fromkeys(shipped("odara").applies_if, YES)


def score(key: str, form: Form, **chosen: Any) -> Result:
    """Score what an agency has filled in."""
    used = Choice.model_validate(chosen).of(shipped(key))
    return Scorer(used, {}).score({}, form).result()


def band(key: str, form: Form, name: str | None = None, **chosen: Any) -> str | None:
    """Give the band that a sum of it reaches; by default of its only one."""
    sums = {each.sum: each.band for each in score(key, form, **chosen).sums}
    return sums[name] if name else next(iter(sums.values()))


def total(number: int, *, certified: bool = True) -> Form:
    return Form(total=number, certified=certified, answers=GUARD)


def yes_to(key: str, count: int, begin: int = 0) -> Form:
    """Answer so many of the items with yes, from one on, and all others with no."""
    items = [k for k, each in shipped(key).items.items() if each.most == 1]
    yes = items[begin : begin + count]
    return Form(answers={each: YES if each in yes else NO for each in items})


@pytest.mark.parametrize(
    ("number", "again", "share", "lower", "higher"),
    [
        (0, 5, 11, 0, 89),
        (1, 10, 16, 11, 73),
        (2, 20, 21, 27, 52),
        (3, 27, 19, 48, 33),
        (4, 41, 13, 67, 20),
        (5, 59, 13, 80, 7),
        (6, 59, 13, 80, 7),
        (7, 70, 7, 93, 0),
        (13, 70, 7, 93, 0),
    ],
)
def test_odara_norms_of_hilton_2004(
    number: int, again: int, share: int, lower: int, higher: int
) -> None:
    bands = {each.code: each for each in shipped("odara").sums["score"].bands}

    reached = bands[band("odara", total(number)) or ""]

    assert reached.figures == {
        "assaulted_again": again,
        "share": share,
        "lower": lower,
        "higher": higher,
    }


def test_odara_norms_are_of_all_men_of_the_sample() -> None:
    bands = shipped("odara").sums["score"].bands
    shares = [each.figures["share"] for each in bands]

    assert sum(shares) == 100
    assert [each.figures["lower"] for each in bands] == [
        sum(shares[:at]) for at in range(len(shares))
    ]


@pytest.mark.parametrize("guard", list(GUARD))
def test_odara_says_nothing_of_those_it_was_not_made_for(guard: str) -> None:
    outside = Form(total=13, certified=True, answers={**GUARD, guard: NO})
    unclear = Form(total=13, certified=True, answers={**GUARD, guard: UNKNOWN})

    found = score("odara", outside)
    perhaps = score("odara", unclear)

    assert (found.why_not, found.level, found.could_be) == (
        "does_not_apply",
        None,
        None,
    )
    assert perhaps.why_not == "not_known_to_apply"
    assert (perhaps.level, perhaps.could_be) == (None, RiskLevel.HIGH)


@pytest.mark.parametrize("key", ["odara", "danger_assessment"])
def test_it_says_nothing_unless_a_certified_user_has_scored_it(key: str) -> None:
    found = score(key, total(13, certified=False))

    assert (found.why_not, found.level) == ("needs_certified_user", None)
    assert found.total == 13


@pytest.mark.parametrize(
    ("number", "again"), [(0, 7), (1, 17), (2, 22), (3, 34), (4, 39), (6, 53), (9, 74)]
)
def test_odara_later_norms_are_not_confirmed_and_off(number: int, again: int) -> None:
    held = shipped("odara")
    switched_on = Choice(variant="later_norms").of(held)

    def figure(used: Instrument) -> float:
        reached = Scorer(used, {}).score({}, total(number)).result().sums[0].band
        bands = used.sums["score"].bands
        return next(e.figures["assaulted_again"] for e in bands if e.code == reached)

    assert figure(switched_on) == again
    assert figure(held) != again


@pytest.mark.parametrize(
    ("yes", "reached"),
    [(0, None), (13, None), (14, "visible_high_risk"), (24, "visible_high_risk")],
)
def test_dash_visible_high_risk_of_safelives(yes: int, reached: str | None) -> None:
    assert len(shipped("dash").items) == 24 + 1
    assert band("dash", yes_to("dash", yes), "visible_risk") == reached


@pytest.mark.parametrize(
    ("incidents", "reached"),
    [(2, None), (3, "potential_escalation"), (40, "potential_escalation")],
)
def test_dash_potential_escalation_of_safelives(
    incidents: int, reached: str | None
) -> None:
    form = yes_to("dash", 5).model_copy(
        update={"numbers": {"dash_incidents_in_12_months": incidents}}
    )

    assert band("dash", form, "escalation") == reached


@pytest.mark.parametrize(
    ("said", "counted", "reached"),
    [
        (0, 2, None),
        (None, 2, None),
        (None, 3, "potential_escalation"),
        (0, 3, "potential_escalation"),
        (3, 0, "potential_escalation"),
        (2, 2, None),
    ],
)
def test_dash_counts_the_incidents_that_were_referred_if_it_is_told_of_fewer(
    said: int | None, counted: int, reached: str | None
) -> None:
    numbers = {} if said is None else {"dash_incidents_in_12_months": said}
    form = yes_to("dash", 5).model_copy(update={"numbers": numbers})
    known = {"incidents_in_12_months": counted}
    scorer = Scorer(shipped("dash"), {})

    found = scorer.score(known, form).result()

    [escalation] = [each for each in found.sums if each.sum == "escalation"]
    assert escalation.band == reached
    assert found.level is (RiskLevel.HIGH if reached else None)
    assert found.unanswered == (said is None), "what is counted answers no question"
    assert scorer.level(known) is (RiskLevel.HIGH if counted > 2 else None)


def test_dash_keeps_what_is_not_known_and_never_counts_it_as_no() -> None:
    form = yes_to("dash", 13)
    open_ = Form(answers={**form.answers, "dash_24": UNKNOWN})

    found = score("dash", open_)

    assert (found.level, found.could_be) == (None, RiskLevel.HIGH)
    assert found.unanswered == 2, "that item, and the number of incidents"


@pytest.mark.parametrize(
    ("repeats", "reached"), [(0, None), (1, "marac_repeat"), (9, "marac_repeat")]
)
def test_dash_repeat_of_safelives_is_told_and_sets_no_level(
    repeats: int, reached: str | None
) -> None:
    found = Scorer(shipped("dash"), {}).score({"repeat": repeats}, yes_to("dash", 0))

    sums = {each.sum: each.band for each in found.result().sums}
    assert (sums["repeated"], found.result().level) == (reached, None)


@pytest.mark.parametrize(
    ("number", "reached"),
    [
        (7, "variable"),
        (8, "increased"),
        (13, "increased"),
        (14, "severe"),
        (17, "severe"),
        (18, "extreme"),
    ],
)
def test_danger_assessment_bands_as_printed_in_acep_now(
    number: int, reached: str
) -> None:
    assert band("danger_assessment", total(number)) == reached


@pytest.mark.parametrize(
    ("item", "adds"),
    [
        ("da_01", 1), ("da_02", 5), ("da_03", 5), ("da_04", 5), ("da_05", 3),
        ("da_06", 3), ("da_07", 3), ("da_08", 2), ("da_09", 2), ("da_10", 1),
        ("da_19", 1), ("da_20", 0),
    ],
)  # fmt: skip
def test_danger_assessment_weights_are_not_confirmed_and_off(
    item: str, adds: int
) -> None:
    form = Form(answers={item: YES, "da_03a": NO}, certified=True)

    on = score("danger_assessment", form, variant="weighted_items").sums[0].value
    off = score("danger_assessment", form).sums[0].value

    assert (on, off) == (adds, 0)


def test_danger_assessment_takes_away_for_those_who_never_lived_together() -> None:
    form = Form(answers={"da_03": YES, "da_03a": YES}, certified=True)

    found = score("danger_assessment", form, variant="weighted_items")

    assert found.sums[0].value == 5 - 3


@pytest.mark.parametrize(
    ("yes", "level"), [(2, None), (3, RiskLevel.HIGH), (5, RiskLevel.HIGH)]
)
def test_da5_any_three_of_five_of_messing_2015(
    yes: int, level: RiskLevel | None
) -> None:
    assert score("da5", yes_to("da5", yes)).level is level


@pytest.mark.parametrize(
    ("begin", "yes", "level"),
    [
        (0, 0, None),
        (0, 1, RiskLevel.HIGH),
        (1, 1, RiskLevel.HIGH),
        (2, 1, RiskLevel.HIGH),
        (3, 3, None),
        (3, 4, RiskLevel.HIGH),
        (7, 4, RiskLevel.HIGH),
        (11, 1, RiskLevel.HIGH),
    ],
)
def test_lap_any_of_the_first_three_or_four_others_or_the_officers_belief(
    begin: int, yes: int, level: RiskLevel | None
) -> None:
    assert score("lap", yes_to("lap", yes, begin)).level is level


def test_lap_takes_no_unanswered_question_for_a_yes() -> None:
    open_ = Form(answers=dict.fromkeys(shipped("lap").items, UNKNOWN))

    found = score("lap", open_)

    assert (found.level, found.could_be) == (None, RiskLevel.HIGH)


@pytest.mark.parametrize(
    ("yes", "reached"),
    [
        (0, None),
        (1, "at_threat"),
        (11, "at_threat"),
        (12, "at_serious_threat"),
        (25, "at_serious_threat"),
    ],
)
def test_dvsat_thresholds_of_new_south_wales(yes: int, reached: str | None) -> None:
    form = yes_to("dvsat", yes)
    answers = {**form.answers, "dvsat_intimate_partners": YES}

    assert len(shipped("dvsat").items) == 25
    assert band("dvsat", Form(answers=answers)) == reached


def test_dvsat_leaves_others_than_partners_to_judgement() -> None:
    form = yes_to("dvsat", 25)
    answers = {**form.answers, "dvsat_intimate_partners": NO}

    assert score("dvsat", Form(answers=answers)).level is None


@pytest.mark.parametrize(
    ("number", "reached"),
    [(0, "low"), (3, "low"), (4, "medium"), (7, "medium"), (8, "high"), (15, "high")],
)
def test_vicpol_fvr_bands_of_the_l17(number: int, reached: str) -> None:
    assert band("vicpol_fvr", Form(total=number)) == reached
    assert score("vicpol_fvr", Form(total=number)).level is (
        None if reached == "low" else RiskLevel(reached)
    )


@pytest.mark.parametrize(
    ("key", "yes", "reached"),
    [
        ("hark", 0, "negative"),
        ("hark", 1, "positive"),
        ("hark", 4, "positive"),
        ("pvs", 0, "negative"),
        ("pvs", 1, "positive"),
    ],
)
def test_one_yes_is_positive_hark_2007_and_pvs_nbk533715(
    key: str, yes: int, reached: str
) -> None:
    assert band(key, yes_to(key, yes)) == reached


@pytest.mark.parametrize(
    ("key", "number", "reached"),
    [
        ("hits", 4, "negative"),
        ("hits", 9, "negative"),
        ("hits", 10, "positive"),
        ("hits", 20, "positive"),
        ("e_hits", 5, "negative"),
        ("e_hits", 6, "negative"),
        ("e_hits", 7, "positive"),
        ("e_hits", 25, "positive"),
    ],
)
def test_hits_and_e_hits_cut_offs_of_nbk533715(
    key: str, number: int, reached: str
) -> None:
    assert band(key, Form(total=number)) == reached


@pytest.mark.parametrize(("number", "reached"), [(10, "negative"), (11, "positive")])
def test_hits_cut_off_of_kff_is_a_localitys_choice(number: int, reached: str) -> None:
    assert band("hits", Form(total=number), cutoffs={"positive": 11}) == reached


def test_graded_items_add_up_from_their_lowest_grade() -> None:
    form = Form(numbers={"hits_1": 5, "hits_2": 2})

    scored = score("hits", form).sums[0]

    assert (scored.value, scored.could_be) == (5 + 2 + 1 + 1, 5 + 2 + 5 + 5)


@pytest.mark.parametrize("key", ["hark", "hits", "e_hits", "pvs", "safvr", "dyra"])
def test_what_recognises_violence_or_is_evidence_stands_for_no_level(key: str) -> None:
    assert shipped(key).levels == ()


@pytest.mark.parametrize("key", SHIPPED)
def test_what_comes_with_accord_is_called_as_its_file_and_has_its_sources(
    key: str,
) -> None:
    held = shipped(key)

    assert held.key == key
    assert held.sources
    assert held.asked or not any(each.says for each in held.items.values())


FIELDS: dict[str, Any] = {
    "key": "tea",
    "version": "1",
    "title": "Tea leaves",
    "sources": ["Nobody's"],
    "validity": "None.",
    "licence": "None.",
    "items": {"tea_1": {}},
    "sums": {
        "count": {"weights": {"tea_1": 1}, "bands": [{"code": "b", "at_least": 1}]}
    },
}


def bands(*at: int, level: str = "high") -> dict[str, Any]:
    rule = [{"code": f"b{each}", "at_least": each, "level": level} for each in at]
    return {"count": {"bands": rule}}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"sums": {}}, "needs a sum"),
        ({"sources": []}, "sources"),
        ({"sums": bands(3, 3)}, "bands must rise"),
        ({"sums": bands()}, "bands"),
        ({"items": {"tea_2": {}}}, "tea_1 in count: not an item"),
        ({"reported": {"tea_1": {}}}, "stands in items and in reported"),
        ({"items": {"tea_1": {"least": 2, "most": 2}}}, "least must be below most"),
        ({"total": {"of": "all", "most": 5}}, "no sum that a total could be of"),
        ({"evidence_only": True, "sums": bands(1)}, "stands for no level"),
        ({"key": "t" * 64}, "too long for a reason"),
        ({"colour": "green"}, "colour"),
    ],
)
def test_an_instrument_that_cannot_be_right_is_refused(
    change: dict[str, Any], sentence: str
) -> None:
    assert Instrument.model_validate(FIELDS)

    with pytest.raises(ValueError, match=sentence):
        Instrument.model_validate({**FIELDS, **change})


def test_two_forms_of_an_instrument_are_put_together_in_any_order() -> None:
    one = Form(answers={"a": YES, "b": UNKNOWN}, total=9, numbers={"n": 1})
    other = Form(answers={"a": NO, "b": NO}, total=4, certified=True, numbers={"n": 3})

    both = one.put_together(other)

    assert both == other.put_together(one)
    assert both.answers == {"a": YES, "b": NO}
    assert both.numbers == {"n": 3}
    assert (both.total, both.certified) == (4, True), "the certified total stands"
    assert both.gravest_total == 9


@pytest.mark.parametrize("first", [0, 1, 2])
def test_an_empty_certified_form_erases_no_total(first: int) -> None:
    empty, graver, lighter = Form(certified=True), Form(total=24), Form(total=3)
    forms = [empty, graver, lighter]
    order = forms[first:] + forms[:first]

    known = all_forms(*({"dash": each} for each in order))["dash"]

    assert known == Form(certified=True, uncertified_total=24)
    assert score("dash", known).level is RiskLevel.HIGH
    assert score("danger_assessment", known).total is None, "nobody certified told it"


@pytest.mark.parametrize(
    ("attested", "others", "why_not"),
    [
        ({}, YES, "not_known_to_apply"),
        (dict.fromkeys(GUARD, NO), YES, "does_not_apply"),
        ({}, NO, "not_known_to_apply"),
        (GUARD, NO, None),
        (GUARD, YES, None),
    ],
)
@pytest.mark.parametrize("first", [0, 1, 2])
def test_whom_it_fits_is_for_a_certified_user_alone_to_say(
    first: int, attested: dict[str, Answer], others: Answer, why_not: str | None
) -> None:
    forms = [
        Form(total=13, certified=True),
        Form(answers=attested, certified=True),
        Form(answers=dict.fromkeys(GUARD, others)),
    ]
    order = forms[first:] + forms[:first]

    known = all_forms(*({"odara": each} for each in order))["odara"]

    assert score("odara", known).why_not == why_not
    seen = known.anew(Form(answers=GUARD, certified=True))
    assert score("odara", seen).why_not is None, "a certified user has said so since"
    not_believed = known.believed(certifies=False)
    assert (not_believed.certified, not_believed.attested) == (False, None)
