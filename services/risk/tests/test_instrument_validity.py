"""How well each instrument told what came, by itself."""

from datetime import datetime, timedelta

import httpx2
import pytest
from accord_chassis.clock import SimulatedClock
from accord_chassis.development.issuer import DevelopmentIssuer
from accord_chassis.testing import NOON, Alive, new_id
from accord_contracts.cells import LEAST_CELL
from accord_contracts.referrals import Answer, FilledIn
from risk.domain.assessment import Assessment
from risk.domain.form import Form
from risk.domain.instrument_validity import (
    NO_BAND,
    Said,
    Scores,
    Used,
    Weighed,
    assess_each,
    put_together,
    said_by,
    scored,
)
from risk.domain.instruments import shipped
from risk.domain.scoring import Scorer
from risk.domain.simulation import ALL
from risk.domain.validity import area
from risk.handlers import assess_referral, telling_of
from risk.plot import svg
from risk.store import Assessments
from risk_builders import POLICY, referral

YES = Answer.YES
DAY = timedelta(days=1)
TRIAGE = Used("triage", POLICY.used["triage"].version)
DASH = Used("dash", shipped("dash").version)


@pytest.mark.parametrize(
    ("key", "form", "said"),
    [
        # Of several sums, that of which a total is told.
        ("dash", Form(total=14), Said(14, "visible_high_risk")),
        ("dash", Form(total=13), Said(13, NO_BAND)),
        # Of its only one.
        ("hark", Form(answers={"hark_afraid": YES}), Said(1, "positive")),
        # Of several and no total, the level that it stands for.
        ("lap", Form(answers={"lap_02": YES}), Said(3, "high")),
        ("lap", Form(answers={"lap_05": YES}), Said(0, NO_BAND)),
        # Evidence alone has a total and no sum.
        ("safvr", Form(total=7), Said(7, NO_BAND)),
        ("safvr", Form(), None),
    ],
)
def test_what_an_instrument_said_is_a_score_and_its_band(
    key: str, form: Form, said: Said | None
) -> None:
    result = Scorer(shipped(key), {}).score({}, form).result()

    assert said_by(result, POLICY.score_of(key)) == said


def told(
    held: Assessment, *yes: str, at: datetime, forms: dict[str, Form] | None = None
) -> tuple[Assessment, Weighed | None]:
    """Have a case told of; give it with the result that is replaced by that."""
    message = referral(*yes, at=at, occurred_at=at)
    of = message.data
    telling = telling_of(of, at, of.answers, {})
    new = held.told(of.referral_id, telling)
    new = new.weigh(of.answers, frozenset(of.incidents), POLICY, at, forms=forms)
    past = new.replaced
    new = new.model_copy(update={"version": held.version + 1, "replaced": None})
    replaced = Weighed(past.assessed_at, past.revision, past.results) if past else None
    return new, replaced


def test_it_counts_by_what_was_said_then_and_not_by_what_is_said_now() -> None:
    first, _ = told(Assessment.new(new_id(), NOON), at=NOON)
    held, past = told(first, "strangulation", at=NOON + 10 * DAY)
    assert past
    at = NOON + 365 * DAY

    found = scored([held], {held.id: [past]}, POLICY, 90, at)
    forgotten = scored([held], {}, POLICY, 90, at)

    [low, high] = sorted(found[TRIAGE][ALL].given)
    assert low.score < high.score
    assert found[TRIAGE][ALL].repeated[low] == 1
    assert found[TRIAGE][ALL].repeated[high] == 0
    assert found[TRIAGE][ALL].cases == 2
    assert forgotten[TRIAGE][ALL].given == {high: 1}
    assert DASH not in found, "nobody has filled it in"


@pytest.mark.parametrize(
    ("form", "counts"),
    [
        (Form(total=13, answers=dict.fromkeys(shipped("odara").applies_if, YES)), 0),
        (Form(total=13, certified=True), 0),
        (
            Form(
                total=13,
                certified=True,
                answers=dict.fromkeys(shipped("odara").applies_if, YES),
            ),
            1,
        ),
    ],
)
def test_what_says_nothing_of_somebody_is_not_held_against_it(
    form: Form, counts: int
) -> None:
    held, _ = told(Assessment.new(new_id(), NOON), at=NOON, forms={"odara": form})

    found = scored([held], {}, POLICY, 90, NOON + 365 * DAY)

    odara = Used("odara", shipped("odara").version)
    assert found.get(odara, {}).get(ALL, Scores()).cases == counts


def scores(*rows: tuple[int, str, int, int]) -> Scores:
    made = Scores()
    for score, band, quiet, again in rows:
        for _ in range(quiet):
            made.count(Said(score, band), repeated=False)
        for _ in range(again):
            made.count(Said(score, band), repeated=True)
    return made


ROWS = (
    (2, NO_BAND, 60, 10),
    (5, "some", 40, 20),
    (9, "many", 9, 21),
    (11, "many", 3, 9),
)


def test_its_area_is_that_of_its_scores_and_its_rates_are_those_of_its_bands() -> None:
    whole = scores(*ROWS)

    [found] = assess_each({DASH: {ALL: whole}})[DASH]

    assert found.auc == area([10, 20, 21, 9], [60, 40, 9, 3])
    assert [(e.level, e.cases, e.repeats) for e in found.bands] == [
        (NO_BAND, 70, 10), ("some", 60, 20), ("many", 42, 30)
    ]  # fmt: skip
    drawn = svg([], 90, {DASH: [found]})
    assert "dash, 2014" in drawn
    assert "many, 42 cases" in drawn
    halves = [{DASH: {ALL: scores(each)}} for each in ROWS]
    together = halves[0]
    for each in halves[1:]:
        together = put_together(together, each)
    assert together == {DASH: {ALL: whole}}


def test_small_cells_of_an_instrument_are_left_out() -> None:
    few = scores((2, NO_BAND, LEAST_CELL - 1, 0))
    rest = scores((2, NO_BAND, 100, 0), (9, "many", LEAST_CELL - 1, 0))
    whole = scores((2, NO_BAND, 109, 0), (9, "many", 9, 0))
    groups = {ALL: whole, ("gender", "man"): few, ("gender", "woman"): rest}

    found = {e.group: e for e in assess_each({DASH: groups})[DASH]}

    assert found["gender", "man"].cases is None
    assert found["gender", "woman"].cases is None, "the rest would be the few"
    assert [each.cases for each in found[ALL].bands] == [None, None]
    assert found[ALL].auc is None


async def test_it_is_read_and_drawn_from_what_is_stored_and_was_replaced(
    risk: Alive, issuer: DevelopmentIssuer, clock: SimulatedClock
) -> None:
    store = risk.service.store(Assessments)
    dash = FilledIn(instrument="dash", total=14)
    for _ in range(LEAST_CELL):
        case_id = new_id()
        for day, forms in ((0, ()), (5, (dash,))):
            at = NOON + day * DAY
            message = referral(
                case_id=case_id, at=at, occurred_at=at, instruments=forms
            )
            await assess_referral(message, assessments=store, policy=POLICY)
    clock.advance(365 * DAY)
    token = issuer.token("analyst", "risk.validity", region="test")
    headers = {"Authorization": f"Bearer {token}"}

    shown = await read(risk.http, "/v1/validity?days=90", headers)
    plot = await read(risk.http, "/v1/validity/plot?days=90", headers)

    found = {each["instrument"]: each for each in shown.json()["instruments"]}
    whole = {key: each["groups"][0] for key, each in found.items()}
    assert (whole["triage"]["cases"], whole["triage"]["repeats"]) == (20, 10)
    assert (whole["dash"]["cases"], whole["dash"]["repeats"]) == (10, 0)
    assert found["dash"]["version"] == "2014"
    assert {each["says"] for each in whole.values()} == {"too_little"}
    assert "dash, 2014" in plot.text


async def read(
    client: httpx2.AsyncClient, path: str, headers: dict[str, str]
) -> httpx2.Response:
    answer = await client.get(path, headers=headers)
    assert answer.status_code == 200
    return answer


async def test_past_results_of_some_cases_are_found_by_an_index(
    assessments: Assessments,
) -> None:
    query = {"case_id": {"$in": [new_id(), new_id()]}}

    explained = await assessments.pasts.documents.find(query).explain()

    plan = str(explained["queryPlanner"]["winningPlan"])
    assert "IXSCAN" in plan
    assert "COLLSCAN" not in plan
