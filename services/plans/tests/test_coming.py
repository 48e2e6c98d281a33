"""A plan must be in force before a date that is known ahead, or an alarm rises."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from accord_chassis.clock import SimulatedClock
from accord_chassis.testing import NOON, message_of, new_id, published
from accord_contracts.message import Lane, Message
from accord_contracts.plans import PlanAgreed, PlanNotInForce
from accord_contracts.referrals import (
    TriggerCancelled,
    TriggerEvent,
    TriggerFellDue,
    TriggerKind,
    TriggerScheduled,
)
from accord_contracts.risk import RiskLevel
from plans import handlers
from plans.domain.coming import KEPT, Coming, InForce
from plans.domain.plan import Plan
from plans.domain.version import Assessment
from plans.store import Plans
from plans_builders import POLICY, Running, assessed, assessment, plan
from pydantic import ValidationError

LOCALITIES = Path(__file__).parents[3] / "localities"
RELEASE = TriggerKind.PRISON_RELEASE
HOUR = timedelta(hours=1)
LEAD, LEAST = 72 * HOUR, 12 * HOUR
THERE = NOON + 240 * HOUR
BY = THERE - LEAD


def date(
    kind: type[TriggerEvent],
    case_id: str,
    due_at: datetime = THERE,
    *,
    trigger_id: str = "",
    version: int = 1,
    at: datetime = NOON,
) -> Message[Any]:
    late = {"late_by": 0.0} if kind is TriggerFellDue else {}
    told = kind(
        case_id=case_id,
        trigger_id=trigger_id or new_id(),
        kind=RELEASE,
        due_at=due_at,
        **late,
    )
    return message_of(told, version=version, at=at)


def coming(due_at: datetime = THERE, **fields: Any) -> Coming:
    told = {
        "kind": RELEASE,
        "happens_at": due_at,
        "in_force_by": POLICY.in_force.by(RELEASE, due_at, NOON),
        "revision": 1,
    }
    return Coming(**{**told, **fields})


async def hear(plans: Plans, *messages: Message[Any]) -> Plan:
    for each in messages:
        if isinstance(each.data, TriggerFellDue):
            await handlers.pass_date(each, plans=plans)
        else:
            await handlers.foresee(each, plans=plans, policy=POLICY)
    held = await plans.get(messages[-1].data.case_id)
    assert held
    return held


async def drafted(plans: Plans, clock: SimulatedClock, **fields: Any) -> str:
    case_id = new_id()
    message = assessed(case_id, RiskLevel.LOW, **fields)
    await handlers.draft_plan(message, plans=plans, policy=POLICY, clock=clock)
    return case_id


async def sweep(plans: Plans, at: datetime) -> None:
    for due in await plans.due_now(at):
        await handlers.tell_overdue(due, at=at, plans=plans)


async def alarms(plans: Plans) -> list[PlanNotInForce]:
    told = [each.data for each in await published(plans)]
    return [each for each in told if isinstance(each, PlanNotInForce)]


@pytest.mark.parametrize(
    ("happens", "by"),
    [
        (240 * HOUR, 168 * HOUR),
        # However near it is, there is some time, but none beyond the date.
        (80 * HOUR, LEAST),
        (20 * HOUR, LEAST),
        (4 * HOUR, 4 * HOUR),
    ],
)
def test_a_plan_must_be_in_force_the_lead_before(
    happens: timedelta, by: timedelta
) -> None:
    assert POLICY.in_force.by(RELEASE, NOON + happens, NOON) == NOON + by


def test_a_policy_names_a_time_for_every_kind_of_date() -> None:
    with pytest.raises(ValidationError, match="before_hours lacks hearing"):
        InForce.model_validate(
            {
                "before_hours": dict.fromkeys(
                    {*TriggerKind} - {TriggerKind.HEARING}, 3
                ),
                "at_least_hours": 1,
            }
        )


@pytest.mark.parametrize("locality", ["canterbury", "waikato"])
def test_a_date_weighs_before_a_plan_must_be_in_force_for_it(locality: str) -> None:
    risk, own = (
        yaml.safe_load((LOCALITIES / locality / f"{each}.yaml").read_text("utf-8"))
        for each in ("risk", "plans")
    )

    for kind, hours in own["in_force"]["before_hours"].items():
        assert risk["ahead"][kind]["days"] * 24 >= 2 * hours


async def test_a_plan_that_is_not_agreed_in_time_raises_an_alarm_once(
    plans: Plans, clock: SimulatedClock
) -> None:
    case_id = await drafted(plans, clock, at=BY - HOUR)
    told = date(TriggerScheduled, case_id)
    await hear(plans, told)
    await sweep(plans, BY - timedelta(seconds=1))
    assert await alarms(plans) == []

    await sweep(plans, BY + HOUR)
    await sweep(plans, BY + 2 * HOUR)

    assert await alarms(plans) == [
        PlanNotInForce(
            case_id=case_id,
            trigger_id=told.data.trigger_id,
            kind=RELEASE,
            happens_at=THERE,
            due_at=BY,
            level=RiskLevel.LOW,
            late_by=3600.0,
        )
    ]
    [said] = [e for e in await published(plans) if isinstance(e.data, PlanNotInForce)]
    assert said.lane is Lane.URGENT


async def test_a_plan_that_is_agreed_in_time_raises_none(
    plans: Plans, clock: SimulatedClock
) -> None:
    case_id = await drafted(plans, clock, at=BY - HOUR)
    await hear(plans, date(TriggerScheduled, case_id))
    await handlers.agree(case_id, 1, at=NOON, plans=plans)

    await sweep(plans, BY + HOUR)
    await hear(plans, date(TriggerFellDue, case_id, at=THERE))

    assert await alarms(plans) == []


async def test_agreeing_ends_the_alarm_and_says_so(
    plans: Plans, clock: SimulatedClock
) -> None:
    case_id = await drafted(plans, clock, at=BY - HOUR)
    told = date(TriggerScheduled, case_id)
    await hear(plans, told)
    await sweep(plans, BY)

    agreed = await handlers.agree(case_id, 1, at=BY + HOUR, plans=plans)

    assert agreed.alarmed == ()
    [*_, last] = [each.data for each in await published(plans)]
    assert isinstance(last, PlanAgreed)
    assert last.triggers == (told.data.trigger_id,)


async def test_a_case_without_any_plan_raises_the_alarm_as_well(plans: Plans) -> None:
    case_id = new_id()
    await hear(plans, date(TriggerScheduled, case_id))

    await sweep(plans, BY)

    [alarm] = await alarms(plans)
    assert (alarm.case_id, alarm.level) == (case_id, None)


@pytest.mark.parametrize("kind", [TriggerScheduled, TriggerCancelled])
async def test_a_date_that_was_moved_or_called_off_takes_its_alarm_with_it(
    plans: Plans, clock: SimulatedClock, kind: type[TriggerEvent]
) -> None:
    case_id = await drafted(plans, clock, at=BY - HOUR)
    trigger_id, later = new_id(), THERE + 500 * HOUR
    await hear(
        plans,
        date(TriggerScheduled, case_id, trigger_id=trigger_id),
        date(kind, case_id, later, trigger_id=trigger_id, version=2),
    )

    await sweep(plans, BY + HOUR)
    assert await alarms(plans) == []

    await sweep(plans, later)
    told = [each.due_at for each in await alarms(plans)]
    assert told == ([later - LEAD] if kind is TriggerScheduled else [])


async def test_news_that_comes_late_changes_nothing(plans: Plans) -> None:
    case_id, trigger_id = new_id(), new_id()

    held = await hear(
        plans,
        date(TriggerCancelled, case_id, trigger_id=trigger_id, version=2),
        date(TriggerScheduled, case_id, trigger_id=trigger_id, version=1),
    )

    assert held.coming[trigger_id].over


async def test_the_day_comes_first_after_an_outage_and_the_alarm_is_told_all_the_same(
    plans: Plans, clock: SimulatedClock
) -> None:
    case_id = await drafted(plans, clock, at=BY - HOUR)
    trigger_id = new_id()
    there = date(
        TriggerFellDue, case_id, trigger_id=trigger_id, version=3, at=THERE + HOUR
    )

    held = await hear(
        plans, date(TriggerScheduled, case_id, trigger_id=trigger_id), there
    )
    await sweep(plans, THERE + 2 * HOUR)

    [alarm] = await alarms(plans)
    assert alarm.due_at == BY
    assert held.coming[trigger_id].over
    agreed = await handlers.agree(case_id, 1, at=THERE + 3 * HOUR, plans=plans)
    assert agreed.alarmed == ()


def test_a_new_draft_near_a_date_leaves_time_to_agree_to_it() -> None:
    held = plan(RiskLevel.HIGH).foresee("a", coming()).agree(1, NOON)
    at = BY + 10 * HOUR

    again = held.draft(assessment_at(at), POLICY, at)

    assert again.coming["a"].in_force_by == at + LEAST
    assert again.raise_alarms(at) is again
    assert again.raise_alarms(at + LEAST).alarmed == ("a",)


def test_a_draft_that_was_late_is_not_less_late_for_another_draft() -> None:
    held = plan(RiskLevel.HIGH).foresee("a", coming())

    again = held.draft(assessment_at(BY - HOUR), POLICY, BY - HOUR)

    assert again.coming["a"].in_force_by == BY


def test_no_alarm_rises_for_a_day_that_had_come_while_a_plan_was_in_force() -> None:
    held = plan(RiskLevel.HIGH).foresee("a", coming()).agree(1, NOON)

    again = held.draft(assessment_at(THERE), POLICY, THERE)

    assert again.raise_alarms(THERE + HOUR).alarmed == ()


def test_an_alarm_rises_again_for_a_later_draft_that_nobody_agrees_to() -> None:
    held = plan(RiskLevel.HIGH).foresee("a", coming()).raise_alarms(BY)
    agreed = held.agree(1, BY + HOUR)

    again = agreed.draft(assessment_at(BY + HOUR), POLICY, BY + HOUR)

    assert again.raise_alarms(BY + HOUR + LEAST).alarmed == ("a",)


def test_an_alarm_that_ended_with_its_plan_rises_again_for_a_later_one() -> None:
    held = plan(RiskLevel.HIGH).foresee("a", coming()).raise_alarms(BY)
    at = BY + 2 * HOUR
    closed = held.with_current(closed_at=BY + HOUR)
    assert closed.raise_alarms(at) is closed

    again = closed.draft(assessment_at(at), POLICY, at)

    assert again.alarmed == ()
    assert again.raise_alarms(at + LEAST).alarmed == ("a",)


def test_of_too_many_dates_those_that_are_over_go_first_then_the_furthest() -> None:
    held = Plan(id=new_id()).foresee("over", coming(NOON, over=True))
    for hour in range(KEPT):
        held = held.foresee(str(hour), coming(NOON + hour * HOUR))
    assert len(held.coming) == KEPT
    assert "over" not in held.coming

    held = held.foresee("near", coming(NOON))

    assert len(held.coming) == KEPT
    assert {"near", "0"} <= held.coming.keys()
    assert str(KEPT - 1) not in held.coming


async def test_a_plan_shows_what_is_to_come(running: Running) -> None:
    case_id = new_id()
    await handlers.draft_plan(
        assessed(case_id),
        plans=running.plans,
        policy=POLICY,
        clock=running.service.clock,
    )
    told = date(TriggerScheduled, case_id)
    await hear(running.plans, told)

    answer = await running.get(f"/v1/plans/{case_id}", "plans.read")

    [shown] = answer.json()["coming"]
    assert shown["trigger_id"] == told.data.trigger_id
    assert datetime.fromisoformat(shown["in_force_by"]) == BY
    assert shown["alarmed_at"] is None


def assessment_at(at: datetime) -> Assessment:
    return assessment(RiskLevel.HIGH, revision=9, at=at, referred=NOON)
