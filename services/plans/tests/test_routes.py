from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from accord_chassis.clock import SimulatedClock
from accord_chassis.settings import BadConfiguration
from accord_chassis.testing import NOON, eventually, new_id
from accord_contracts.access import Side
from accord_contracts.allocation import Role
from accord_contracts.message import Event, Lane
from accord_contracts.plans import ActionOverdue, PlanDrafted
from accord_contracts.risk import RiskLevel
from plans import handlers
from plans.app import Settings, create_app
from plans_builders import (
    IVS,
    OUTREACH,
    POLICY,
    TOLD,
    Running,
    accepted,
    assessed,
    told_left,
)

LOW, _, HIGH, EXTREME = RiskLevel
HOUR = timedelta(hours=1)
SENTINEL = "Sentinel-Zzyzx"
ID = "00000000-0000-4000-8000-000000000001"
SHOWN = {"evidence": {"kind": "contact_record"}}
CAME_NEAR = {"kind": "came_near", "happened_at": "2026-01-01T00:00:00Z"}
MET = {"reason": "safety_goals_met", "outcomes": TOLD}

READ, WORK, CLOSE = "plans.read", "plans.work", "plans.close"


async def given_plan(
    running: Running,
    *levels: RiskLevel,
    owners: dict[Role, str] | None = None,
    case_id: str = "",
) -> str:
    """Draft a plan for a case, one version for each level, and give its id."""
    case_id = case_id or new_id()
    for role, worker_id in (owners or {}).items():
        message = accepted(case_id, role, worker_id)
        await handlers.assign_actions(message, plans=running.plans)
    for revision, level in enumerate(levels or (HIGH,), start=1):
        await handlers.draft_plan(
            assessed(case_id, level, revision=revision),
            plans=running.plans,
            policy=POLICY,
            clock=running.service.clock,
        )
    return case_id


async def read(running: Running, case_id: str) -> dict[str, Any]:
    answer = await running.get(f"/v1/plans/{case_id}", READ)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


async def confirm(running: Running, completion: str, said: dict[str, Any]) -> None:
    """Confirm, as the coordinator, what somebody says that they have done."""
    path = completion.replace("completion", "confirmation")
    meant = {"said_at": said["said"]["at"], "confirmed": True}
    answer = await running.post(path, WORK, body=meant)
    assert answer.status_code == 200


async def do_mandatory(running: Running, case_id: str, worker_id: str) -> None:
    for each in (await read(running, case_id))["actions"]:
        if each["mandatory"]:
            path = f"/v1/plans/{case_id}/actions/{each['action_id']}/completion"
            answer = await running.post(path, WORK, worker=worker_id, body=SHOWN)
            assert answer.status_code == 200
            if answer.json()["done_at"] is None:
                await confirm(running, path, answer.json())


def problem(answer: httpx2.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["type"].rpartition(":")[2]


async def test_a_plan_can_be_read(running: Running) -> None:
    worker_id = new_id()
    case_id = await given_plan(running, LOW, HIGH, owners={IVS: worker_id})

    found = await read(running, case_id)

    assert found["case_id"] == case_id
    assert (found["status"], found["plan_version"]) == ("drafted", 2)
    assert found["level"] == "high"
    assert [each["level"] for each in found["versions"]] == ["low", "high"]
    assert [each["plan_version"] for each in found["versions"]] == [1, 2]
    contact = found["actions"][0]
    assert contact["action"] == "safe_contact"
    assert contact["strand"] == "immediate_safety"
    assert contact["worker_id"] == worker_id
    assert contact["mandatory"] is True
    assert datetime.fromisoformat(contact["due_at"]) == NOON + 24 * HOUR


async def test_what_is_heard_over_the_bus_becomes_a_plan_and_is_told(
    running: Running,
) -> None:
    case_id, worker_id = new_id(), new_id()

    await running.hears(assessed(case_id, HIGH))
    await running.hears(accepted(case_id, OUTREACH, worker_id))

    async def owned() -> bool:
        return bool(await running.plans.owed_by(worker_id))

    async def told() -> list[Event]:
        return running.told("notify", Lane.URGENT)

    assert await eventually(owned)
    [drafted] = await eventually(told)
    assert isinstance(drafted, PlanDrafted)
    assert drafted.case_id == case_id


async def test_a_case_without_a_draft_has_no_plan_to_read(running: Running) -> None:
    early = new_id()
    message = accepted(early, IVS, new_id())
    await handlers.assign_actions(message, plans=running.plans)

    for case_id in (early, new_id()):
        answer = await running.get(f"/v1/plans/{case_id}", READ)
        assert problem(answer) == (404, "no-plan")


async def test_the_version_that_was_read_is_agreed_to_once(
    running: Running, clock: SimulatedClock
) -> None:
    case_id = await given_plan(running)
    path = f"/v1/plans/{case_id}/agreement"

    first = await running.post(path, WORK, body={"plan_version": 1})
    clock.advance(HOUR)
    again = await running.post(path, WORK, body={"plan_version": 1})

    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()
    assert first.json()["status"] == "agreed"
    agreed_at = first.json()["versions"][0]["agreed_at"]
    assert datetime.fromisoformat(agreed_at) == NOON


@pytest.mark.parametrize("number", [1, 3])
async def test_agreeing_to_another_version_is_refused_by_name(
    running: Running, number: int
) -> None:
    case_id = await given_plan(running, LOW, HIGH)

    answer = await running.post(
        f"/v1/plans/{case_id}/agreement", WORK, body={"plan_version": number}
    )

    assert problem(answer) == (409, "another-version-is-current")
    assert answer.json()["detail"] == "Version 2 is current."
    assert (await read(running, case_id))["status"] == "drafted"


async def test_there_is_nothing_to_agree_to_without_a_plan(running: Running) -> None:
    answer = await running.post(
        f"/v1/plans/{new_id()}/agreement", WORK, body={"plan_version": 1}
    )

    assert problem(answer) == (404, "no-plan")


async def test_an_owner_says_that_a_commitment_was_kept(
    running: Running, clock: SimulatedClock
) -> None:
    worker_id = new_id()
    case_id = await given_plan(running, owners={IVS: worker_id})
    action = (await read(running, case_id))["actions"][0]
    path = f"/v1/plans/{case_id}/actions/{action['action_id']}/completion"

    said = SHOWN | {"outcome": "met_in_person"}
    first = await running.post(path, WORK, worker=worker_id, body=said)
    clock.advance(HOUR)
    again = await running.post(path, WORK, worker=worker_id, body=SHOWN)

    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()
    assert first.json()["said"]["outcome"] == "met_in_person"
    assert first.json()["done_at"] is None
    assert datetime.fromisoformat(first.json()["said"]["at"]) == NOON


async def test_for_anybody_else_the_action_is_as_unknown_as_one_that_is_not(
    running: Running,
) -> None:
    worker_id = new_id()
    case_id = await given_plan(running, owners={IVS: worker_id})
    actions = (await read(running, case_id))["actions"]
    owned, free = actions[0]["action_id"], actions[2]["action_id"]

    for case, action_id, who in (
        (case_id, owned, new_id()),
        (case_id, owned, None),
        (case_id, free, None),
        (case_id, free, worker_id),
        (case_id, new_id(), worker_id),
        (new_id(), owned, worker_id),
    ):
        path = f"/v1/plans/{case}/actions/{action_id}/completion"
        answer = await running.post(path, WORK, worker=who)
        assert problem(answer) == (404, "no-such-action")
        assert "detail" not in answer.json()


async def test_a_plan_is_closed_once_what_is_mandatory_is_done(
    running: Running, clock: SimulatedClock
) -> None:
    worker_id = new_id()
    case_id = await given_plan(running, owners={IVS: worker_id})
    await do_mandatory(running, case_id, worker_id)
    left = told_left(await read(running, case_id))
    path, body = f"/v1/plans/{case_id}/closure", {**MET, "left": left}

    first = await running.post(path, CLOSE, body=body)
    clock.advance(HOUR)
    again = await running.post(path, CLOSE, body=body)

    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()
    assert first.json()["status"] == "closed"
    assert first.json()["versions"][0]["closed_for"] == "safety_goals_met"


async def test_closing_too_early_is_refused_and_says_how_many_are_open(
    running: Running,
) -> None:
    case_id = await given_plan(running)

    answer = await running.post(f"/v1/plans/{case_id}/closure", CLOSE, body=MET)

    assert problem(answer) == (409, "mandatory-actions-open")
    assert answer.json()["detail"] == "2 open."


async def test_a_reason_that_the_locality_does_not_know_is_refused_and_not_echoed(
    running: Running,
) -> None:
    case_id = await given_plan(running)
    path = f"/v1/plans/{case_id}/closure"

    unknown = await running.post(path, CLOSE, body={**MET, "reason": "sentinel_zzyzx"})
    text = await running.post(path, CLOSE, body={**MET, "reason": SENTINEL})

    assert problem(unknown) == (422, "unknown-reason")
    assert problem(text) == (422, "invalid-request")
    for answer in (unknown, text):
        assert "zzyzx" not in answer.text.lower()


async def test_a_closed_plan_takes_no_more(running: Running) -> None:
    worker_id = new_id()
    owners = {IVS: worker_id, OUTREACH: worker_id}
    case_id = await given_plan(running, owners=owners)
    await do_mandatory(running, case_id, worker_id)
    still = {**MET, "left": told_left(await read(running, case_id))}
    await running.post(f"/v1/plans/{case_id}/closure", CLOSE, body=still)
    left = (await read(running, case_id))["actions"][2]["action_id"]
    leads = frozenset({Side.WHOLE_CASE})
    running.standings.tell(worker_id, case_id, sides=leads)

    for path, scope, body in (
        ("closure", CLOSE, {**MET, "reason": "opened_in_error"}),
        ("agreement", WORK, {"plan_version": 1}),
        (f"actions/{left}/completion", WORK, SHOWN),
        (f"actions/{left}/undone", WORK, {"reason": "does_not_apply"}),
        ("review", WORK, {"plan_version": 1, "review_by": NOON.isoformat()}),
        ("breaches", WORK, CAME_NEAR),
    ):
        answer = await running.post(
            f"/v1/plans/{case_id}/{path}", scope, worker=worker_id, body=body
        )
        assert problem(answer) == (409, "already-closed")


async def test_a_worker_reads_what_they_have_still_to_do_by_due_time(
    running: Running,
) -> None:
    worker_id = new_id()
    high = await given_plan(running, owners={IVS: worker_id})
    low = await given_plan(running, LOW, HIGH, owners={OUTREACH: worker_id})
    await given_plan(running, owners={IVS: new_id()})
    done = (await read(running, high))["actions"][0]["action_id"]
    path = f"/v1/plans/{high}/actions/{done}/completion"
    said = await running.post(path, WORK, worker=worker_id, body=SHOWN)
    await confirm(running, path, said.json())

    answer = await running.get(
        f"/v1/workers/{worker_id}/actions", READ, worker=worker_id
    )

    assert answer.status_code == 200
    assert [(each["case_id"], each["action"]) for each in answer.json()] == [
        (high, "safety_advice"),
        (low, "programme"),
    ]
    assert {each["level"] for each in answer.json()} == {"high"}


async def test_nobody_reads_what_somebody_else_has_to_do(running: Running) -> None:
    worker_id = new_id()
    await given_plan(running, owners={IVS: worker_id})

    for who in (new_id(), None):
        answer = await running.get(f"/v1/workers/{worker_id}/actions", READ, worker=who)
        assert problem(answer) == (404, "not-your-actions")


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/v1/plans/{id}", READ),
        ("GET", "/v1/plans/{id}/versions", READ),
        ("GET", "/v1/plans/{id}/versions/1", READ),
        ("GET", "/v1/plans/{id}/comparison?from=1&to=2", READ),
        ("POST", "/v1/plans/{id}/review", WORK),
        ("POST", "/v1/plans/{id}/revision", WORK),
        ("POST", "/v1/plans/{id}/breaches", WORK),
        ("POST", "/v1/plans/{id}/actions/{id}/undone", WORK),
        ("POST", "/v1/plans/{id}/actions/{id}/confirmation", WORK),
        ("POST", "/v1/plans/{id}/agreement", WORK),
        ("POST", "/v1/plans/{id}/actions/{id}/completion", WORK),
        ("POST", "/v1/plans/{id}/closure", CLOSE),
        ("POST", "/v1/plans/{id}/closure/confirmation", WORK),
        ("GET", "/v1/workers/{id}/actions", READ),
    ],
)
async def test_every_route_needs_a_token_with_its_own_scope(
    running: Running, method: str, path: str, scope: str
) -> None:
    others = {READ, WORK, CLOSE} - {scope}
    url = path.format(id=new_id())

    without = await running.http.request(method, url)
    wrong = await running.http.request(method, url, headers=running.bearer(*others))

    assert problem(without) == (401, "not-authenticated")
    assert problem(wrong) == (403, "not-allowed")


@pytest.mark.parametrize(
    ("path", "scope", "body"),
    [
        ("agreement", WORK, {"plan_version": SENTINEL}),
        ("agreement", WORK, {"plan_version": 0}),
        ("agreement", WORK, {"plan_version": True}),
        ("agreement", WORK, {"plan_version": 1, SENTINEL: 1}),
        ("agreement", WORK, {}),
        ("closure", CLOSE, {**MET, "reason": "x" * 65}),
        ("closure", CLOSE, {**MET, "note": SENTINEL}),
        ("closure", CLOSE, {"reason": "safety_goals_met"}),
        ("closure/confirmation", WORK, {"said_at": SENTINEL}),
        ("breaches", WORK, {**CAME_NEAR, "kind": SENTINEL}),
        ("breaches", WORK, {**CAME_NEAR, "happened_at": "2026-01-01"}),
        ("review", WORK, {"plan_version": SENTINEL}),
        ("revision", WORK, {"plan_version": 1, "actions": []}),
        (
            "revision",
            WORK,
            {"plan_version": 1, "actions": [{"action": SENTINEL, "role": IVS}]},
        ),
        (f"actions/{SENTINEL}/completion", WORK, None),
        (f"actions/{ID}/completion", WORK, {"evidence": {"kind": SENTINEL}}),
        (
            f"actions/{ID}/completion",
            WORK,
            {"evidence": {"kind": "contact_record", "reference": "021 555 0100"}},
        ),
        (f"actions/{ID}/undone", WORK, {"reason": SENTINEL}),
        (
            f"actions/{ID}/confirmation",
            WORK,
            {"said_at": "2026-01-01T00:00:00Z", "confirmed": "true"},
        ),
    ],
)
async def test_a_request_that_does_not_fit_is_refused_without_an_echo(
    running: Running, path: str, scope: str, body: dict[str, Any] | None
) -> None:
    case_id = await given_plan(running)

    answer = await running.post(f"/v1/plans/{case_id}/{path}", scope, body=body)

    assert problem(answer) == (422, "invalid-request")
    assert SENTINEL not in answer.text


async def test_the_sweep_tells_what_is_overdue_once(
    running: Running, clock: SimulatedClock
) -> None:
    case_id = await given_plan(running)

    async def told() -> list[Event]:
        waiting = running.told("notify", Lane.URGENT)
        return [each for each in waiting if isinstance(each, ActionOverdue)]

    clock.advance(25 * HOUR)
    [first] = await eventually(told)
    await running.service.sweep_once()

    assert first.case_id == case_id
    assert await told() == [first]


async def test_the_description_declares_every_refusal(running: Running) -> None:
    described = (await running.http.get("/openapi.json")).json()["paths"]

    for path, methods in described.items():
        for operation in methods.values():
            declared = set(operation["responses"])
            assert {"401", "403", "404"} <= declared, path
            assert declared & {"200", "201", "202"}, path


@pytest.mark.parametrize(
    "text", ["version: [", "version: x", yaml.safe_dump({"colour": "blue"})]
)
def test_a_bad_policy_stops_the_start_with_a_sentence(
    settings: Settings, locality: Path, text: str
) -> None:
    (locality / "plans.yaml").write_text(text)

    with pytest.raises(BadConfiguration, match=r"plans\.yaml"):
        create_app(settings)


def test_a_missing_policy_stops_the_start_with_a_sentence(
    settings: Settings, locality: Path
) -> None:
    (locality / "plans.yaml").unlink()

    with pytest.raises(BadConfiguration, match=r"There is no plans\.yaml"):
        create_app(settings)
