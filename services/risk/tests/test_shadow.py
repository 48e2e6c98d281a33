"""A second version of the policy weighs beside the one in force, and is counted."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from accord_chassis.clock import SimulatedClock
from accord_chassis.development.issuer import DevelopmentIssuer
from accord_chassis.settings import BadConfiguration
from accord_chassis.testing import NOON, Alive, alive, new_id, published
from accord_contracts.message import Message
from accord_contracts.referrals import ReferralReceived
from accord_contracts.risk import RiskLevel
from risk.app import Settings, create_app, policies_of
from risk.domain.assessment import Assessment
from risk.domain.policy import Policy
from risk.domain.tellable import tellable_moves
from risk.handlers import assess_referral, look_over
from risk.store import Assessments, moved
from risk_builders import LOCALITIES, POLICY, policy, referral

LOW, MEDIUM, HIGH, EXTREME = RiskLevel

SHARPER = policy(version="test-sharper", triggers={"escalation": "extreme"})
BOTH = POLICY.beside(SHARPER)


@pytest.fixture
def locality(tmp_path: Path) -> Path:
    """Canterbury, with the sharper version beside its own."""
    copy = Path(shutil.copytree(LOCALITIES / "canterbury", tmp_path / "canterbury"))
    beside(copy, SHARPER.model_dump(mode="json"))
    return copy


def beside(locality: Path, other: dict[str, Any]) -> None:
    own = POLICY.model_dump(mode="json") | {"shadow": "risk_next"}
    (locality / "risk.yaml").write_text(yaml.safe_dump(own))
    (locality / "risk_next.yaml").write_text(yaml.safe_dump(other))


async def weighed(
    message: Message[ReferralReceived], by: Policy, assessments: Assessments
) -> Assessment:
    await assess_referral(message, assessments=assessments, policy=by)
    held = await assessments.get(message.data.case_id)
    assert held is not None
    return held


async def test_nothing_that_is_told_or_done_goes_by_it(
    assessments: Assessments,
) -> None:
    case_id = new_id()
    message = referral("escalation", case_id=case_id)
    alone = await weighed(message, POLICY, assessments)
    told = [each.data for each in await published(assessments)]
    await assessments.documents.delete_many({})

    both = await weighed(message, BOTH, assessments)

    assert [each.data for each in await published(assessments)] == told
    assert both.shadow is not None
    assert (both.shadow.found, both.shadow.would) == (LOW, EXTREME)
    assert both.model_copy(update={"shadow": None}) == alone
    assert "shadow" not in str(told)


@pytest.mark.parametrize(("others", "told"), [(10, 10), (9, None), (0, 10)])
async def test_moves_are_counted_and_few_are_told_neither_themselves_nor_by_the_rest(
    common_settings: dict[str, Any],
    clock: SimulatedClock,
    issuer: DevelopmentIssuer,
    locality: Path,
    *,
    others: int,
    told: int | None,
) -> None:
    settings = Settings(**common_settings, locality=locality)
    token = issuer.token("analyst", "risk.validity", region="test")
    headers = {"Authorization": f"Bearer {token}"}
    async with alive("risk", create_app, settings, clock) as running:
        store = running.service.store(Assessments)
        for yes in (*[("escalation",)] * 10, *[()] * others):
            await weighed(referral(*yes), BOTH, store)

        answer = await running.http.get("/v1/policies/shadow", headers=headers)

    shown = answer.json()
    assert (shown["version"], shown["in_force"]) == ("test-sharper", POLICY.version)
    cases = {(e["found"], e["would"]): e["cases"] for e in shown["moves"]}
    assert len(cases) == len(RiskLevel) ** 2
    assert cases["low", "extreme"] == told
    assert cases["low", "low"] == (others if told else None)
    assert cases["high", "low"] == 0


def test_of_few_cases_not_even_that_nobody_moves_is_told() -> None:
    assert set(tellable_moves({(LOW, EXTREME): 9}).values()) == {None}


async def test_what_an_older_policy_found_or_another_region_has_is_not_counted(
    assessments: Assessments,
) -> None:
    older = policy(version="test-older").beside(SHARPER)
    for by in (BOTH, BOTH, older):
        held = await weighed(referral("escalation"), by, assessments)
        if by is BOTH:
            last = held
    await assessments.save(last.transfer(NOON))

    counts = await assessments.count_moves("test-sharper", POLICY.version)

    assert {move: n for move, n in counts.items() if n} == {(LOW, EXTREME): 1}


async def test_a_result_that_stands_is_counted_once_it_is_looked_over(
    assessments: Assessments,
) -> None:
    older = policy(version="test-older").beside(SHARPER)
    held = await weighed(referral("escalation"), older, assessments)

    await look_over(held, at=NOON, assessments=assessments, policy=BOTH)

    stands = await assessments.get(held.id)
    assert stands
    assert stands.policy_version == "test-older"
    counts = await assessments.count_moves("test-sharper", POLICY.version)
    assert {move: n for move, n in counts.items() if n} == {(LOW, EXTREME): 1}


def test_one_that_cannot_weigh_stops_no_weighing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object) -> RiskLevel:
        raise ZeroDivisionError

    monkeypatch.setattr(Policy, "level_of", fails)
    told = referral("threat_to_kill").data
    begun = Assessment.new(told.case_id, NOON)

    held = begun.weigh(told.answers, frozenset(), BOTH, NOON)

    assert (held.level, held.shadow) == (HIGH, None)
    (line,) = caplog.records
    assert line.name == "risk.shadow.ZeroDivisionError"


async def test_what_is_counted_is_found_by_an_index(assessments: Assessments) -> None:
    query = moved("test-sharper", POLICY.version, (LOW, EXTREME))

    explained = await assessments.documents.find(query).explain()

    plan = str(explained["queryPlanner"]["winningPlan"])
    assert "IXSCAN" in plan
    assert "COLLSCAN" not in plan


async def test_without_a_second_version_there_is_nothing_to_tell(
    risk: Alive, issuer: DevelopmentIssuer
) -> None:
    token = issuer.token("analyst", "risk.validity", region="test")

    answer = await risk.http.get(
        "/v1/policies/shadow", headers={"Authorization": f"Bearer {token}"}
    )

    assert answer.status_code == 404
    assert answer.json()["type"] == "urn:accord:problem:no-shadow"


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"version": POLICY.version}, "version is that of the policy in force"),
        ({"shadow": "risk_after_next"}, "it names a shadow itself"),
        ({"unanswered_share": 0}, "unanswered_share"),
    ],
)
def test_a_second_version_that_cannot_be_right_stops_the_start(
    locality: Path, changed: dict[str, Any], sentence: str
) -> None:
    beside(locality, SHARPER.model_dump(mode="json") | changed)

    with pytest.raises(BadConfiguration, match=sentence):
        policies_of(locality)
