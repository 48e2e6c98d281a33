"""A response ends by risk's proof: a plan is closed if risk says so, or it is not."""

from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from accord_chassis.settings import BadConfiguration, policy_of
from accord_chassis.testing import COORDINATOR, NOON, new_id, sent_by
from accord_contracts.plans import PlanClosed
from accord_contracts.risk import AskClosing
from plans.app import Settings, create_app
from plans.domain.template import Policy
from plans_builders import IVS, POLICY, TOLD, Running, does, plan
from risk_stand_in import Risk

LOCALITIES = Path(__file__).parents[3] / "localities"
PROVED, UNPROVED = "safety_goals_met", "opened_in_error"


async def ready_to_close(running: Running) -> str:
    """Give a case for which everything that is mandatory was done."""
    worker_id = new_id()
    held = plan(owners={IVS: worker_id})
    for each in held.open_actions:
        if each.mandatory:
            held = does(held, each.id, worker_id, NOON)
    return (await running.plans.save(held)).id


async def close(running: Running, case_id: str, reason: str) -> httpx2.Response:
    path = f"/v1/plans/{case_id}/closure"
    return await running.post(
        path, "plans.close", body={"reason": reason, "outcomes": TOLD}
    )


async def closings(running: Running) -> int:
    told = await sent_by(running.service, running.broker)
    return sum(isinstance(each.data, PlanClosed) for each in told)


async def test_a_plan_is_closed_by_risks_proof_that_names_who_closes(
    running: Running, risk: Risk
) -> None:
    case_id = await ready_to_close(running)

    answer = await close(running, case_id, PROVED)
    again = await close(running, case_id, PROVED)

    assert answer.status_code == again.status_code == 200
    # Closing again closes nothing, and asks for nothing.
    [(asked, token)] = risk.asked
    assert asked == AskClosing(case_id=case_id, closed_by=COORDINATOR)
    assert token == "Bearer token"
    assert await closings(running) == 1


async def test_without_the_proof_it_stays_open_and_the_refusal_names_what_is_missing(
    running: Running, risk: Risk
) -> None:
    risk.missing = ("held_at_low", "second_person")
    case_id = await ready_to_close(running)

    answer = await close(running, case_id, PROVED)

    assert answer.status_code == 409
    told = answer.json()
    assert told["type"] == "urn:accord:problem:not-proven"
    assert told["detail"] == "missing: held_at_low, second_person"
    assert not await closings(running)


@pytest.mark.parametrize(
    ("status", "body"),
    [(503, None), (404, None), (403, None), (200, b"{}"), (200, b"yes")],
)
async def test_while_risk_does_not_say_nothing_is_closed(
    running: Running, risk: Risk, status: int, body: bytes | None
) -> None:
    risk.status, risk.body = status, body
    case_id = await ready_to_close(running)

    answer = await close(running, case_id, PROVED)

    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:accord:problem:proof-away"
    assert answer.headers["retry-after"]
    assert not await closings(running)


async def test_where_nothing_is_left_to_prove_risk_is_not_asked(
    running: Running, risk: Risk
) -> None:
    risk.status = 503
    case_id = await ready_to_close(running)

    answer = await close(running, case_id, UNPROVED)

    assert answer.status_code == 200
    assert not risk.asked


def test_what_needs_no_proof_is_one_of_the_reasons_for_closing(
    settings: Settings,
) -> None:
    assert settings.locality
    fields: dict[str, Any] = POLICY.model_dump(mode="json")
    wrong = {**fields, "unproved_reasons": ["sleeping"]}
    (settings.locality / "plans.yaml").write_text(yaml.safe_dump(wrong))

    with pytest.raises(BadConfiguration, match="no reason for closing"):
        create_app(settings)


@pytest.mark.parametrize("name", ["canterbury", "waikato"])
def test_no_locality_ends_a_response_on_one_word_but_for_who_has_died(
    name: str,
) -> None:
    policy = policy_of(Policy, LOCALITIES / name, "plans")

    assert policy.unproved_reasons == {"died"}
