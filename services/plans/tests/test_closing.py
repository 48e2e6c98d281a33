"""A response ends by risk's proof: a plan is closed if risk says so, or it is not."""

from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from accord_chassis.settings import BadConfiguration, policy_of
from accord_chassis.testing import COORDINATOR, NOON, new_id, sent_by
from accord_contracts.access import Side
from accord_contracts.plans import OutcomeState, PlanClosed
from accord_contracts.risk import AskClosing, RiskLevel
from plans.app import Settings, create_app
from plans.asks import Proofs
from plans.domain.closing import (
    DangerWasTold,
    NobodyEndsIt,
    ask_to_close,
    confirm_closing,
    unproved,
)
from plans.domain.merging import carry
from plans.domain.outcome import Outcome
from plans.domain.plan import AlreadyClosed, Plan
from plans.domain.share import Share
from plans.domain.template import Policy
from plans_builders import (
    IVS,
    OUTCOMES,
    POLICY,
    TOLD,
    WHANAU,
    Running,
    assessment,
    does,
    ends,
    left_of,
    plan,
    told_left,
)
from stand_ins import Risk

LOCALITIES = Path(__file__).parents[3] / "localities"
PROVED = "safety_goals_met"
WORKER, SECOND = new_id(), new_id()
OWNERS = {IVS: WORKER, WHANAU: WORKER}
WORSE = tuple(
    each.model_copy(update={"state": OutcomeState.WORSE}) for each in OUTCOMES
)


def asked_for(
    held: Plan,
    reason: str = "died",
    outcomes: tuple[Outcome, ...] = OUTCOMES,
    at: datetime = NOON,
) -> Plan:
    """Say that a response should end."""
    told: dict[str, Any] = {"by": "one", "policy": POLICY, "at": at}
    return ask_to_close(held, reason, outcomes, left=left_of(held), **told)


def settled(held: Plan) -> Plan:
    """Have everything that is mandatory be done."""
    for each in held.open_actions:
        if each.mandatory:
            held = does(held, each.id, WORKER, NOON)
    return held


async def ready_to_close(running: Running, level: RiskLevel = RiskLevel.HIGH) -> str:
    """Give a case for which everything that is mandatory was done."""
    held = settled(plan(level, owners=OWNERS))
    return (await running.plans.save(held)).id


async def close(running: Running, case_id: str, reason: str) -> httpx2.Response:
    path = f"/v1/plans/{case_id}/closure"
    left = told_left((await running.get(f"/v1/plans/{case_id}", "plans.read")).json())
    body = {"reason": reason, "outcomes": TOLD, "left": left}
    return await running.post(path, "plans.close", body=body)


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


async def test_nothing_that_is_open_goes_with_a_closing_unsaid(
    running: Running,
) -> None:
    case_id = await ready_to_close(running)
    whose = {"person_id": new_id(), "side": "person_harmed"}
    told = {"level": "unmet", "voice": "agreed", "strand": "immediate_safety"}
    path, work = f"/v1/plans/{case_id}", "plans.work"
    need = await running.post(f"{path}/needs", work, body={**whose, **told})
    asks = f"{path}/needs/{need.json()['need_id']}/services"
    await running.post(asks, work, body={"provider": "refuge"})
    plan_ = (await running.get(path, "plans.read")).json()
    [action, service] = left = told_left(plan_)

    async def closes(*said: dict[str, str]) -> httpx2.Response:
        body = {"reason": PROVED, "outcomes": TOLD, "left": list(said)}
        return await running.post(f"{path}/closure", "plans.close", body=body)

    goes_on = {**service, "reason": "carried_on", "carried_to": "refuge"}
    wrong = {
        "open-is-unsaid": [
            await closes(),
            await closes(action),
            await closes(action, action, service),
            await closes(*left, {**action, "id": new_id()}),
        ],
        "unknown-reason": [await closes(action, {**service, "reason": "tired"})],
        "carried-to-whom": [
            await closes(action, {**service, "reason": "carried_on"}),
            await closes({**action, "carried_to": "refuge"}, service),
        ],
    }
    for kind, answers in wrong.items():
        kinds = {each.json()["type"] for each in answers}
        assert kinds == {f"urn:accord:problem:{kind}"}
    assert wrong["open-is-unsaid"][0].json()["detail"] == "2 open."

    closed = await closes(action, goes_on)

    assert closed.status_code == 200, closed.text
    kept = closed.json()["versions"][-1]["left"]
    assert kept == [{**action, "carried_to": None}, goes_on]
    # Said again it is closed; with anything else said of what was open it is not so.
    assert (await closes(action, goes_on)).status_code == 200
    other = await closes(action, service)
    assert other.json()["type"] == "urn:accord:problem:already-closed"


async def test_what_is_asked_while_risk_proves_the_end_does_not_go_with_it_unsaid(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    case_id = await ready_to_close(running)
    whose = {"person_id": new_id(), "side": "person_harmed"}
    told = {"level": "unmet", "voice": "agreed", "strand": "immediate_safety"}
    path, work = f"/v1/plans/{case_id}/needs", "plans.work"
    need = await running.post(path, work, body={**whose, **told})
    asks = f"{path}/{need.json()['need_id']}/services"

    async def missing(*_: object) -> tuple[str, ...]:
        asked = await running.post(asks, work, body={"provider": "refuge"})
        assert asked.status_code == 201
        return ()

    monkeypatch.setattr(Proofs, "missing", missing)
    answer = await close(running, case_id, PROVED)

    assert answer.json()["type"] == "urn:accord:problem:open-is-unsaid"
    assert not await closings(running)


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


async def confirm(
    running: Running, case_id: str, said: httpx2.Response, worker: str = SECOND
) -> httpx2.Response:
    path = f"/v1/plans/{case_id}/closure/confirmation"
    told = {"said_at": said.json()["versions"][-1]["ending"]["at"]}
    return await running.post(path, "plans.work", worker=worker, body=told)


@pytest.mark.parametrize(
    ("reason", "level"), [("died", RiskLevel.HIGH), ("opened_in_error", RiskLevel.LOW)]
)
async def test_where_nothing_can_be_proved_a_second_person_ends_it_without_risk(
    running: Running, risk: Risk, reason: str, level: RiskLevel
) -> None:
    risk.status = 503
    case_id = await ready_to_close(running, level)
    running.standings.tell(SECOND, case_id, sides=frozenset({Side.PERSON_HARMED}))

    said = await close(running, case_id, reason)
    again = await close(running, case_id, reason)
    before = await closings(running)
    own = await confirm(running, case_id, said, worker=COORDINATOR)
    ended = await confirm(running, case_id, said)
    twice = await confirm(running, case_id, said)

    assert said.status_code == 200
    assert said.json() == again.json()
    assert (said.json()["status"], before) == ("drafted", 0)
    assert own.status_code == 409
    assert own.json()["type"] == "urn:accord:problem:end-takes-a-second-person"
    assert ended.status_code == twice.status_code == 200
    assert ended.json()["status"] == twice.json()["status"] == "closed"
    [version] = ended.json()["versions"]
    assert version["closed_for"] == reason
    ending = version["ending"]
    assert (ending["by"], ending["confirmed_by"]) == (COORDINATOR, SECOND)
    assert await closings(running) == 1
    assert not risk.asked


@pytest.mark.parametrize("level", [each for each in RiskLevel if each != "low"])
def test_above_low_nothing_was_opened_in_error(level: RiskLevel) -> None:
    held = settled(plan(level, owners=OWNERS))

    for end in (partial(ends, at=NOON), asked_for):
        with pytest.raises(DangerWasTold):
            end(held, reason="opened_in_error")


def test_that_it_was_opened_in_error_takes_two_people_whatever_the_locality_names() -> (
    None
):
    strict = POLICY.model_copy(update={"unproved_reasons": frozenset()})

    assert unproved("opened_in_error", strict)
    assert not unproved("died", strict)


ASKED = timedelta(hours=POLICY.confirm_within_hours)


@pytest.mark.parametrize(
    ("later", "level"),
    [(ASKED, None), (timedelta(hours=1), RiskLevel.LOW)],
    ids=["lapsed", "assessed since"],
)
def test_what_is_lapsed_or_said_before_an_assessment_ends_nothing(
    later: timedelta, level: RiskLevel | None
) -> None:
    held = plan(RiskLevel.LOW, owners=OWNERS)
    held = asked = asked_for(settled(held), "opened_in_error")
    at = NOON + later
    if level:
        held = asked.draft(assessment(level, revision=2, at=at), POLICY, at)

    with pytest.raises(NobodyEndsIt):
        confirm_closing(held, NOON, by="two", policy=POLICY, at=at)
    soon = NOON + ASKED - timedelta(minutes=1)
    ended = confirm_closing(asked, NOON, by="two", policy=POLICY, at=soon)
    assert ended.current.closed_at == soon


def test_what_was_said_anew_since_it_was_read_is_not_confirmed_unread() -> None:
    held, later = settled(plan(owners=OWNERS)), NOON + timedelta(minutes=1)
    for at, outcomes in ((NOON, OUTCOMES), (later, WORSE)):
        held = asked_for(held, outcomes=outcomes, at=at)

    with pytest.raises(NobodyEndsIt):
        confirm_closing(held, NOON, by="two", policy=POLICY, at=later)
    ended = confirm_closing(held, later, by="two", policy=POLICY, at=later)

    assert ended.current.outcomes == tuple(sorted(WORSE, key=lambda each: each.kind))


def test_a_third_persons_word_changes_nothing_of_an_end() -> None:
    held = asked_for(settled(plan(owners=OWNERS)))
    ended = confirm_closing(held, NOON, by="two", policy=POLICY, at=NOON)

    assert confirm_closing(ended, NOON, by="two", policy=POLICY, at=NOON) is ended
    for other in ("three", "one"):
        with pytest.raises(AlreadyClosed):
            confirm_closing(ended, NOON, by=other, policy=POLICY, at=NOON)


@pytest.mark.parametrize("left", [False, True], ids=["merged in", "on its own again"])
def test_a_household_that_comes_or_goes_between_the_words_is_not_ended_unread(
    left: bool,  # noqa: FBT001 - A case of the test.
) -> None:
    def told(held: Plan, share: Share | None) -> Plan:
        return carry(held, other, share, {}, policy=POLICY, at=NOON)

    other = new_id()
    held = settled(plan(owners=OWNERS))
    held = told(held, Share(owners={})) if left else held
    asked = asked_for(held)

    changed = told(asked, None if left else Share(owners={}))

    with pytest.raises(NobodyEndsIt):
        confirm_closing(changed, NOON, by="two", policy=POLICY, at=NOON)
    # What has ended keeps on whose word it did.
    ended = confirm_closing(asked, NOON, by="two", policy=POLICY, at=NOON)
    assert told(ended, None if left else Share(owners={})).current.ending


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
def test_only_these_end_a_response_on_two_words_without_a_proof(
    name: str,
) -> None:
    policy = policy_of(Policy, LOCALITIES / name, "plans")

    assert policy.unproved_reasons == {"died", "opened_in_error"}
