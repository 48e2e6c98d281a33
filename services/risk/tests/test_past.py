"""What a past result was, what it rested on and by which policy, is told exactly."""

import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest
from accord_chassis.clock import SimulatedClock
from accord_chassis.development.issuer import DevelopmentIssuer
from accord_chassis.store import Conflict
from accord_chassis.testing import COORDINATOR, NOON, Alive, message_of, new_id
from accord_contracts.referrals import Answer, TriggerKind
from accord_contracts.risk import AssessmentCarried, RiskLevel
from hypothesis import given
from hypothesis import strategies as st
from risk.domain.ahead import Ahead
from risk.domain.assessment import Assessment
from risk.domain.edition import Edition, NoSuchPolicy
from risk.domain.form import Form
from risk.domain.judgement.acts import raise_level
from risk.domain.policy import Policy
from risk.handlers import add_answers, assess_referral, erase
from risk.merging import carry
from risk.store import Assessments, Book
from risk_builders import POLICY, answers, erased, policy, referral

LATER = NOON + timedelta(hours=1)
SHARPER = policy(version="test-sharper", triggers={"escalation": "extreme"})


async def weighed_twice(assessments: Assessments) -> str:
    """A case that was referred, and assessed anew with an answer more."""
    told = referral(answers=answers("escalation", prior_violence=Answer.UNKNOWN))
    case_id = told.data.case_id
    await assess_referral(told, assessments=assessments, policy=POLICY)
    await add_answers(
        case_id,
        {"prior_violence": Answer.YES},
        at=LATER,
        assessments=assessments,
        policy=SHARPER,
    )
    return case_id


async def past_of(case_id: str, assessments: Assessments) -> list[Any]:
    return await assessments.pasts.of_case(case_id, before=2**53, limit=50)


def test_a_policys_text_weighs_the_same_whatever_ships_later() -> None:
    text = POLICY.text

    again = Policy.model_validate_json(text)

    assert again.text == text
    assert again.fingerprint == hashlib.sha256(text.encode()).hexdigest()
    kept = {each["key"] for each in json.loads(text)["own_instruments"]}
    assert kept == set(POLICY.instruments)
    assert again.questions == POLICY.questions


def test_one_number_more_makes_another_fingerprint_and_a_shadow_makes_none() -> None:
    assert POLICY.fingerprint != policy(grace_hours=POLICY.grace_hours + 1).fingerprint
    assert POLICY.fingerprint == policy(shadow="risk_next").fingerprint


def test_a_text_that_was_changed_is_not_believed() -> None:
    edition = Edition.of(POLICY, NOON)
    changed = edition.text.replace(f'"{POLICY.version}"', '"canterbury-forged"')

    assert edition.policy().fingerprint == POLICY.fingerprint
    with pytest.raises(NoSuchPolicy):
        edition.model_copy(update={"text": changed}).policy()


async def test_what_is_replaced_is_filed_whole_with_what_it_rested_on(
    assessments: Assessments,
) -> None:
    told = referral("escalation")
    case_id = told.data.case_id
    await assess_referral(told, assessments=assessments, policy=POLICY)
    first = await assessments.get(case_id)
    assert await past_of(case_id, assessments) == []

    await add_answers(
        case_id,
        {"strangulation": Answer.YES},
        at=LATER,
        assessments=assessments,
        policy=SHARPER,
    )

    [past] = await past_of(case_id, assessments)
    held = await assessments.get(case_id)
    assert first
    assert held
    assert (past.revision, past.level, past.reasons) == (1, first.level, first.reasons)
    assert past.policy_fingerprint == POLICY.fingerprint
    assert past.inputs.answers == told.data.answers
    assert (past.assessed_at, past.replaced_at) == (first.assessed_at, LATER)
    assert held.policy_fingerprint == SHARPER.fingerprint
    assert held.replaced is None


ANSWERS = st.dictionaries(st.sampled_from(POLICY.questions), st.sampled_from(Answer))


@given(ANSWERS, ANSWERS, st.integers(0, 15), st.booleans(), st.booleans())
def test_every_past_result_is_found_again_by_its_own_policys_text(
    first: dict[str, Answer],
    then: dict[str, Answer],
    score: int,
    raised: bool,  # noqa: FBT001 - What is varied.
    near: bool,  # noqa: FBT001
) -> None:
    held = Assessment.new(new_id(), NOON)
    if near:
        date = Ahead(
            kind=TriggerKind.PRISON_RELEASE, happens_at=NOON, near_from=NOON, revision=1
        )
        held = held.foresee(new_id(), date)
    forms = {"dash": Form(total=score)}
    held = held.weigh(first, frozenset(), POLICY, NOON, forms=forms)
    held = held.model_copy(update={"version": 1})
    if raised and held.level is not RiskLevel.EXTREME:
        held = raise_level(
            held, RiskLevel.EXTREME, "agency_warns", by="one", policy=POLICY, at=NOON
        )
        held = held.model_copy(update={"version": 2})

    past = held.weigh(then, frozenset(), SHARPER, LATER).replaced

    assert past
    by = Policy.model_validate_json(POLICY.text)
    assert past.found_again(by)
    if first.get("escalation") is Answer.YES and not raised:
        assert not past.found_again(SHARPER)


async def test_of_an_erased_case_no_past_result_stays_whoever_writes_meanwhile(
    assessments: Assessments,
) -> None:
    case_id = await weighed_twice(assessments)
    held = await assessments.get(case_id)
    assert held
    meanwhile = held.weigh({}, frozenset(), POLICY, LATER)

    await erase(erased(case_id), assessments=assessments)
    with pytest.raises(Conflict):
        await assessments.save(meanwhile)

    assert await past_of(case_id, assessments) == []


async def test_whoever_is_only_overtaken_loses_no_past_result(
    assessments: Assessments,
) -> None:
    case_id = await weighed_twice(assessments)
    held = await assessments.get(case_id)
    assert held
    for lost in (False, True):
        anew = held.weigh({}, frozenset(), POLICY, LATER)
        if lost:
            with pytest.raises(Conflict):
                await assessments.save(anew)
        else:
            await assessments.save(anew)

    assert [e.revision for e in await past_of(case_id, assessments)] == [2, 1]


async def test_a_survivor_keeps_no_past_result_that_rests_on_an_erased_case(
    assessments: Assessments, clock: SimulatedClock
) -> None:
    case_id, other = await weighed_twice(assessments), new_id()
    held = await assessments.get(case_id)
    assert held
    merged = Assessment.new(other, NOON).weigh(
        answers("strangulation"), frozenset(), POLICY, NOON
    )
    held = await assessments.save(held.carry(other, merged.share(), POLICY, LATER))
    await assessments.save(held.weigh({}, frozenset(), POLICY, LATER))
    assert [e.rests_on for e in await past_of(case_id, assessments)] == [
        (other,),
        (),
        (),
    ]

    await erase(erased(other), assessments=assessments)
    told = AssessmentCarried(case_id=case_id, from_id=other)
    await carry(message_of(told), assessments=assessments, policy=POLICY, clock=clock)

    assert [e.rests_on for e in await past_of(case_id, assessments)] == [(), ()]


async def test_past_results_are_found_by_an_index(assessments: Assessments) -> None:
    for query in ({"case_id": "one", "revision": {"$lt": 9}}, {"rests_on": "one"}):
        explained = await assessments.pasts.documents.find(query).explain()
        plan = str(explained["queryPlanner"]["winningPlan"])
        assert "IXSCAN" in plan
        assert "COLLSCAN" not in plan


async def test_a_past_result_is_read_in_the_words_of_its_own_policy(
    risk: Alive, issuer: DevelopmentIssuer
) -> None:
    store = risk.service.store(Assessments)
    case_id = await weighed_twice(store)
    token = issuer.token("worker", "risk.read", region="test", worker=COORDINATOR)
    headers = {"Authorization": f"Bearer {token}"}
    path = f"/v1/assessments/{case_id}/past"

    listed = (await risk.http.get(path, headers=headers)).json()
    whole = (await risk.http.get(f"{path}/1", headers=headers)).json()
    by = f"/v1/policies/{whole['policy_fingerprint']}"
    edition = (await risk.http.get(by, headers=headers)).json()

    assert [each["revision"] for each in listed["past"]] == [1]
    assert listed["before"] is None
    assert whole["found_again"] is True
    assert whole["answers"]["prior_violence"] == "unknown"
    assert f"It was weighed by {POLICY.version}." in whole["explanation"]
    assert edition["text"] == POLICY.text
    for missing in (f"{path}/2", f"/v1/policies/{'0' * 64}"):
        assert (await risk.http.get(missing, headers=headers)).status_code == 404


async def test_what_rests_on_a_merged_case_is_for_whoever_may_read_that_too(
    risk: Alive, issuer: DevelopmentIssuer
) -> None:
    store = risk.service.store(Assessments)
    case_id, other = await weighed_twice(store), new_id()
    held = await store.get(case_id)
    assert held
    merged = Assessment.new(other, NOON).weigh({}, frozenset(), POLICY, NOON)
    held = await store.save(held.carry(other, merged.share(), POLICY, NOON))
    held = await store.save(held.carry(other, None, POLICY, NOON))
    worker = new_id()
    risk.standings.tell(worker, case_id, coordinator=True)
    risk.standings.tell(worker, other, coordinator=True, excluded=True)
    token = issuer.token("worker", "risk.read", region="test", worker=worker)
    headers = {"Authorization": f"Bearer {token}"}
    path = f"/v1/assessments/{case_id}/past"

    listed = (await risk.http.get(path, headers=headers)).json()
    hidden = await risk.http.get(f"{path}/{held.revision - 1}", headers=headers)

    assert [each["revision"] for each in listed["past"]] == [2, 1]
    assert hidden.status_code == 404


async def test_the_policy_in_force_is_kept_before_anything_is_weighed_by_it(
    risk: Alive,
) -> None:
    kept = await risk.service.store(Book).edition(POLICY.fingerprint)

    assert (kept.policy_version, kept.text) == (POLICY.version, POLICY.text)
