"""An assessment as a worker can say it aloud; and the schemas that are published."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from accord_chassis.decision import Permit
from accord_chassis.testing import NOON, new_id
from accord_contracts.referrals import Answer
from accord_contracts.risk import RiskLevel
from risk.domain.assessment import Assessment
from risk.domain.explaining import explain, explain_held, listed
from risk.domain.form import Form
from risk.domain.judgement.acts import raise_level
from risk.domain.weighing import Known
from risk.routes.assessments import AssessmentView
from risk.schemas import schemas
from risk_builders import POLICY, answers, policy

YES, NO, UNKNOWN = Answer.YES, Answer.NO, Answer.UNKNOWN
SCHEMAS = Path(__file__).parents[1] / "schemas"
GRAVE = ("sexual_violence", "stalking", "escalation", "coercive_control")


def said(*yes: str, forms: Mapping[str, Form] | None = None, **told: Answer) -> str:
    found = POLICY.weigh(Known(answers(*yes, **told), forms=forms or {}))
    tier = POLICY.tier(found.level, found.reasons)
    return " ".join(explain(found, tier, POLICY))


def test_it_says_the_level_and_what_would_make_it_higher() -> None:
    told = said(*GRAVE, strangulation=UNKNOWN, weapon_used_or_threatened=UNKNOWN)

    assert told.startswith("The risk is high.")
    assert (
        "It would be extreme if either of 2 unanswered questions were yes: "
        "strangulation or choking or a weapon used or threatened." in told
    )
    assert "To be asked next: strangulation or choking and a weapon" in told


def test_it_says_that_it_is_provisional_and_never_that_there_is_no_risk() -> None:
    told = " ".join(explain(POLICY.weigh(Known()), None, POLICY))

    assert told.startswith("The risk is medium, provisionally: too much is not known.")
    assert "While so much is not known, it cannot be low." in told
    assert "No sign of danger is known." in told
    assert "no risk" not in told.lower()


def held(*yes: str, **told: Answer) -> Assessment:
    begun = Assessment.new(new_id(), NOON)
    return begun.weigh(answers(*yes, **told), frozenset(), POLICY, NOON)


def test_it_says_since_when_a_level_is_held_and_by_which_version_it_was_weighed() -> (
    None
):
    grave = held("strangulation", weapon_used_or_threatened=UNKNOWN)
    old = grave.model_copy(update={"policy_version": "an-older-one"})

    told = explain_held(old, POLICY)

    assert told[:2] == (
        "The risk is high.",
        "It is so since 2 November 2026; it falls only by a proof and a second person.",
    )
    assert "It was weighed by an-older-one." in told
    assert any("not known" in each.lower() and "weapon" in each for each in told)
    assert told[-1] == "It is to be assessed anew by 9 November 2026."
    assert explain_held(held(), POLICY)[1] == "It is so since 2 November 2026."


def test_it_says_that_a_person_raised_it_and_why() -> None:
    reason = POLICY.judging.raise_reasons[0]
    raised = raise_level(
        held(), RiskLevel.EXTREME, reason, by=new_id(), policy=POLICY, at=NOON
    )

    told = explain_held(raised, POLICY)

    because = reason.replace("_", " ")
    assert told[1] == f"A person raised it: {because}. It is so since 2 November 2026."
    assert "No sign of danger is known." in told


def test_it_says_when_it_is_late_and_when_nobody_is_called_any_more() -> None:
    case = held()
    late = case.fall_due(POLICY)
    mistaken = case.close(case.revision, mistaken_at=NOON)

    day = f"{case.reassess_by.day} {case.reassess_by:%B %Y}"
    assert explain_held(late, POLICY)[-1] == f"To assess it anew is due since {day}."
    assert explain_held(mistaken, POLICY)[-2:] == (
        "Two people said that it was opened in error: it counts in no figure.",
        "No reassessment is called for here any more.",
    )


def test_it_says_all_that_are_needed_and_the_single_one() -> None:
    together = said(stalking=UNKNOWN, sexual_violence=UNKNOWN)
    alone = said(pregnancy=UNKNOWN)

    assert "if all of these were yes: sexual violence and stalking." in together
    assert "It would be medium if this were answered yes: pregnancy." in alone


def test_it_says_the_childs_age_that_the_locality_has_set() -> None:
    assert "a child under 5" in said("young_child")


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        (Form(total=3), "3, score 3 (of the men studied in this band 27% assaulted"),
        (Form(total=3), "No certified user has scored it; no level rests on it."),
        (Form(total=3, certified=True), "Whether it applies is not known"),
    ],
)  # fmt: skip
def test_it_says_how_little_a_score_says(form: Form, sentence: str) -> None:
    assert sentence in said(forms={"odara": form})


def test_it_gives_no_share_of_those_for_whom_an_instrument_was_not_made() -> None:
    """As of a woman who assaults a man, or of two who never lived together (ODARA)."""
    guards = dict.fromkeys(POLICY.used["odara"].applies_if, YES)
    for guard in guards:
        outside = Form(total=7, certified=True, answers={**guards, guard: NO})
        told = said(forms={"odara": outside})

        assert "7, score 7 13. It was not made for cases like this" in told
        assert "assaulted again" not in told


def test_words_are_joined_as_they_are_spoken() -> None:
    assert [listed(["a", "b", "c"][:n]) for n in range(4)] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]


def test_the_published_schemas_are_up_to_date() -> None:
    held = {each.name: each.read_text() for each in SCHEMAS.iterdir()}

    assert held == schemas(), "accord risk schema writes them"


def test_who_serves_the_person_using_violence_is_told_nothing_that_was_answered() -> (
    None
):
    tiers = POLICY.model_dump(mode="json")["tiers"]
    tiers[1]["triggers"] = ["pregnancy"]
    lifted = policy(tiers=tiers)
    begun = Assessment.new(new_id(), NOON)
    known = answers("pregnancy", "injury", stalking=UNKNOWN, escalation=UNKNOWN)
    forms = {"dyra": Form(total=3)}
    held = begun.weigh(known, frozenset(), lifted, NOON, forms=forms)

    whole = AssessmentView.of(held, Permit("team", frozenset({"basis"})), lifted)
    level = AssessmentView.of(held, Permit("team", frozenset({"level"})), lifted)

    assert (whole.tier and whole.tier.code, whole.highest) == ("high", held.highest)
    assert whole.questions
    assert level.tier is not None
    assert level.tier.code == "medium"
    assert level.level is RiskLevel.MEDIUM
    # The meeting that the tier names is no answer.
    shown = re.sub("daily.triage", "", level.model_dump_json())
    for word in ("pregnancy", "stalking", "injury", "dyra", "DYRA", "triage"):
        assert word not in shown
    assert level.highest is None
