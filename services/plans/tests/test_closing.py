"""A response ends by risk's proof: a plan is closed if risk says so, or it is not."""

from datetime import timedelta
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
from plans.domain.closing import (
    DangerWasTold,
    NobodyEndsIt,
    ask_to_close,
    confirm_closing,
    unproved,
)
from plans.domain.merging import carry
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
    plan,
)
from stand_ins import Risk

LOCALITIES = Path(__file__).parents[3] / "localities"
PROVED = "safety_goals_met"
WORKER, SECOND = new_id(), new_id()
OWNERS = {IVS: WORKER, WHANAU: WORKER}
WORSE = tuple(
    each.model_copy(update={"state": OutcomeState.WORSE}) for each in OUTCOMES
)


def asked_for(held: Plan, reason: str) -> Plan:
    """Say that a response should end."""
    return ask_to_close(held, reason, OUTCOMES, by="one", policy=POLICY, at=NOON)


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
    held = asked = ask_to_close(
        settled(held), "opened_in_error", OUTCOMES, by="one", policy=POLICY, at=NOON
    )
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
        held = ask_to_close(held, "died", outcomes, by="one", policy=POLICY, at=at)

    with pytest.raises(NobodyEndsIt):
        confirm_closing(held, NOON, by="two", policy=POLICY, at=later)
    ended = confirm_closing(held, later, by="two", policy=POLICY, at=later)

    assert ended.current.outcomes == tuple(sorted(WORSE, key=lambda each: each.kind))


def test_a_third_persons_word_changes_nothing_of_an_end() -> None:
    held = ask_to_close(
        settled(plan(owners=OWNERS)), "died", OUTCOMES, by="one", policy=POLICY, at=NOON
    )
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
    asked = ask_to_close(held, "died", OUTCOMES, by="one", policy=POLICY, at=NOON)

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
