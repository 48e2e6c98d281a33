"""An assessment as a worker can say it aloud; and the schemas that are published."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from accord_chassis.guard import Permit
from accord_chassis.testing import NOON, new_id
from accord_contracts.referrals import Answer
from accord_contracts.risk import RiskLevel
from risk.domain.assessment import Assessment
from risk.domain.explaining import explain, listed
from risk.domain.form import Form
from risk.domain.weighing import Known
from risk.routes.assessments import AssessmentView
from risk.schemas import schemas
from risk_builders import POLICY, answers, policy

UNKNOWN = Answer.UNKNOWN
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
    shown = level.model_dump_json()
    for word in ("pregnancy", "stalking", "injury", "dyra", "DYRA", "triage"):
        assert word not in shown
    assert level.highest is None
