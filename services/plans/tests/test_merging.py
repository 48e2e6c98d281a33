"""Plans of two cases that are merged, and each with its own again."""

from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from accord_chassis.clock import SimulatedClock
from accord_chassis.store import AlreadyHandled
from accord_chassis.testing import (
    COORDINATOR,
    NOON,
    eventually,
    message_of,
    new_id,
    published,
)
from accord_contracts.allocation import AllocationAccepted
from accord_contracts.message import Message
from accord_contracts.plans import (
    PlanAgreed,
    PlanAlarmsEnded,
    PlanCarried,
    PlanClosed,
    PlanNotInForce,
)
from accord_contracts.referrals import (
    CaseErased,
    CaseMerged,
    CaseUnmerged,
    TriggerCancelled,
    TriggerFellDue,
    TriggerKind,
    TriggerScheduled,
)
from accord_contracts.risk import RiskAssessed, RiskLevel
from plans import handlers, merging
from plans.domain.closing import MandatoryActionsOpen
from plans.domain.plan import Merged, Plan
from plans.domain.stage import Status
from plans.store import Plans
from plans_builders import (
    IVS,
    OUTCOMES,
    POLICY,
    SHOWN,
    WHANAU,
    Running,
    accepted,
    assessed,
    left_of,
    settle,
)

LOW, _, HIGH, _ = RiskLevel
RELEASE = TriggerKind.PRISON_RELEASE
HOUR = timedelta(hours=1)
THERE = NOON + 240 * HOUR
BY = POLICY.in_force.by(RELEASE, THERE, NOON)


class Desk:
    """The service without its bus; what it tells itself comes twice."""

    def __init__(self, plans: Plans, clock: SimulatedClock) -> None:
        self.plans = plans
        self.clock = clock
        self._done: set[str] = set()

    async def hears(self, *messages: Message[Any]) -> None:
        for message in messages:
            await self._handle(message)
            await self.tells_itself()

    async def tells_itself(self) -> None:
        for message in await published(self.plans):
            own = isinstance(message.data, PlanCarried | PlanClosed)
            if own and message.id not in self._done:
                self._done.add(message.id)
                await self._handle(message)
                try:
                    await self._handle(message)
                except AlreadyHandled:
                    continue

    async def _handle(self, message: Message[Any]) -> None:
        match message.data:
            case CaseMerged() | CaseUnmerged():
                await merging.note_merging(message, plans=self.plans, policy=POLICY)
            case PlanCarried():
                await merging.carry(message, plans=self.plans, policy=POLICY)
            case PlanClosed():
                await merging.close_merged(message, plans=self.plans)
            case AllocationAccepted():
                await handlers.assign_actions(message, plans=self.plans)
            case CaseErased():
                await handlers.erase(message, plans=self.plans)
            case TriggerScheduled() | TriggerCancelled():
                await handlers.foresee(message, plans=self.plans, policy=POLICY)
            case TriggerFellDue():
                await handlers.pass_date(message, plans=self.plans)
            case RiskAssessed():
                await handlers.draft_plan(
                    message, plans=self.plans, policy=POLICY, clock=self.clock
                )

    async def sweeps(self, at: datetime) -> None:
        for due in await self.plans.due_now(at):
            await handlers.tell_overdue(due, at=at, plans=self.plans)
        await self.tells_itself()

    async def alarms(self) -> list[str]:
        """Give the cases for which an alarm was raised that no plan is in force."""
        told = [each.data for each in await published(self.plans)]
        return [each.case_id for each in told if isinstance(each, PlanNotInForce)]

    async def of(self, case_id: str) -> Plan:
        found = await self.plans.get(case_id)
        assert found
        return found


@pytest.fixture
def desk(plans: Plans, clock: SimulatedClock) -> Desk:
    return Desk(plans, clock)


def merged(case: str, survivor: str, version: int = 2) -> Message[CaseMerged]:
    told = CaseMerged(case_id=case, survivor_id=survivor, merged_at=NOON)
    return message_of(told, version=version)


def unmerged(case: str, survivor: str, version: int = 3) -> Message[CaseUnmerged]:
    told = CaseUnmerged(case_id=case, survivor_id=survivor, unmerged_at=NOON)
    return message_of(told, version=version)


@pytest.mark.parametrize("order", list(permutations(range(4))))
async def test_in_whatever_order_what_was_taken_on_stands_in_the_survivors_plan(
    desk: Desk, order: tuple[int, ...]
) -> None:
    one, two, worker = new_id(), new_id(), new_id()
    messages = (
        assessed(one, HIGH),
        assessed(two, HIGH),
        accepted(two, IVS, worker),
        merged(two, one),
    )

    await desk.hears(*(messages[each] for each in order))

    held, other = await desk.of(one), await desk.of(two)
    assert other.status is Status.MERGED
    own = {each.code: each.worker_id for each in held.actions}
    shared = {each.code: each.worker_id for each in held.shares[two].actions}
    # Nobody has a role in the survivor itself: whoever has it in the other does both.
    assert own == {"safe_contact": worker, "safety_advice": worker, "programme": None}
    if order.index(3) > order.index(2) or order.index(2) > order.index(1):
        assert other.owners[IVS].worker_id == worker
    assert set(shared.values()) <= {worker}


async def test_each_has_its_own_again_and_what_was_done_stays_done(desk: Desk) -> None:
    one, two, worker = new_id(), new_id(), new_id()
    await desk.hears(
        assessed(one, HIGH), assessed(two, LOW), accepted(two, WHANAU, worker),
        merged(two, one),
    )  # fmt: skip
    action = (await desk.of(one)).shares[two].actions[0]

    # In the survivor's plan, where whoever owns it sees it.
    await settle(one, action.id, worker, at=NOON, plans=desk.plans)
    await desk.hears(unmerged(two, one))

    held, other = await desk.of(one), await desk.of(two)
    assert not held.shares
    assert [each.worker_id for each in held.actions] == [None] * 3
    assert other.status is Status.DRAFTED
    assert other.action(action.id).done_at == NOON
    theirs = {each.worker_id for each in other.actions if each.role is WHANAU}
    assert theirs == {worker}


async def test_what_is_done_for_a_case_merged_into_a_grave_one_takes_a_second_person(
    desk: Desk,
) -> None:
    one, two, worker = new_id(), new_id(), new_id()
    await desk.hears(
        assessed(one, HIGH), assessed(two, LOW), accepted(two, WHANAU, worker),
        merged(two, one),
    )  # fmt: skip
    [action] = [e for e in (await desk.of(two)).actions if e.worker_id == worker]

    said = await handlers.complete(
        two,
        action.id,
        worker,
        at=NOON,
        plans=desk.plans,
        policy=POLICY,
        evidence=SHOWN,
    )

    assert said.open


async def test_a_plan_is_not_closed_over_what_was_taken_on_in_a_merged_case(
    desk: Desk,
) -> None:
    one, two, worker = new_id(), new_id(), new_id()
    await desk.hears(
        assessed(one, LOW), assessed(two, LOW), accepted(one, WHANAU, new_id()),
        accepted(two, WHANAU, worker), merged(two, one),
    )  # fmt: skip
    held = await desk.of(one)
    for each in held.open_actions:
        if each.worker_id:
            await settle(one, each.id, each.worker_id, at=NOON, plans=desk.plans)

    with pytest.raises(MandatoryActionsOpen):
        await handlers.close(
            one, "safety_goals_met", OUTCOMES, at=NOON, plans=desk.plans, policy=POLICY
        )

    for each in held.shares[two].actions:
        await settle(one, each.id, worker, at=NOON, plans=desk.plans)
    await desk.tells_itself()
    left = left_of(await desk.of(one))
    known: dict[str, Any] = {"plans": desk.plans, "policy": POLICY, "left": left}
    await handlers.close(one, "safety_goals_met", OUTCOMES, at=NOON, **known)
    await desk.tells_itself()

    closed = {
        each.data.case_id
        for each in await published(desk.plans)
        if isinstance(each.data, PlanClosed)
    }
    assert closed == {one, two}
    assert (await desk.of(two)).status is Status.CLOSED


async def test_one_agrees_to_the_survivors_plan_which_is_both(desk: Desk) -> None:
    one, two = new_id(), new_id()
    await desk.hears(assessed(one, LOW), assessed(two, LOW), merged(two, one))

    with pytest.raises(Merged):
        await handlers.agree(two, 1, at=NOON, plans=desk.plans)
    await handlers.agree(one, 1, at=NOON, plans=desk.plans)

    agreed = {
        each.data.case_id
        for each in await published(desk.plans)
        if isinstance(each.data, PlanAgreed)
    }
    assert agreed == {one, two}


async def test_a_survivor_shows_nothing_of_a_merged_case_that_was_erased(
    desk: Desk,
) -> None:
    one, two = new_id(), new_id()
    await desk.hears(
        assessed(one, LOW), assessed(two, LOW), accepted(two, WHANAU, new_id()),
        merged(two, one),
    )  # fmt: skip

    erased = CaseErased(case_id=two, reason="court_order", erased_at=NOON)
    await desk.hears(message_of(erased))

    assert not (await desk.of(one)).shares


def date(case_id: str, trigger_id: str) -> Message[TriggerScheduled]:
    told = TriggerScheduled(
        case_id=case_id, trigger_id=trigger_id, kind=RELEASE, due_at=THERE
    )
    return message_of(told)


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_an_alarm_rises_for_the_survivor_if_its_plan_is_not_agreed_before_a_date(
    desk: Desk, order: tuple[int, ...]
) -> None:
    one, two, trigger = new_id(), new_id(), new_id()
    messages = (assessed(one, LOW), date(two, trigger), merged(two, one))
    await desk.hears(*(messages[each] for each in order))

    await desk.sweeps(BY - timedelta(seconds=1))
    assert await desk.alarms() == []
    await desk.sweeps(BY)
    await desk.sweeps(BY + HOUR)

    assert await desk.alarms() == [one]
    held = await desk.of(one)
    agreed = await handlers.agree(one, held.current.number, at=BY, plans=desk.plans)
    assert agreed.alarmed == ()
    told = [each.data for each in await published(desk.plans)]
    [ended] = [each for each in told if isinstance(each, PlanAgreed)]
    assert ended.triggers == (trigger,)


async def test_an_alarm_for_a_date_that_goes_with_its_case_is_over_in_the_survivor(
    desk: Desk,
) -> None:
    one, two, trigger, own = (new_id() for _ in range(4))
    await desk.hears(
        assessed(one, LOW), date(one, own), date(two, trigger), merged(two, one)
    )
    await desk.sweeps(BY)
    assert await desk.alarms() == [one, one]

    told = CaseUnmerged(case_id=two, survivor_id=one, unmerged_at=BY)
    await desk.hears(message_of(told, version=3, at=BY))

    said = [each.data for each in await published(desk.plans)]
    ended = [each for each in said if isinstance(each, PlanAlarmsEnded)]
    assert ended == [PlanAlarmsEnded(case_id=one, triggers=(trigger,))]
    assert (await desk.of(one)).alarmed == (own,)


async def test_no_alarm_rises_while_the_survivors_plan_is_in_force(desk: Desk) -> None:
    one, two, trigger = new_id(), new_id(), new_id()
    await desk.hears(
        assessed(one, LOW), assessed(two, LOW), date(two, trigger), merged(two, one)
    )
    await handlers.agree(one, 1, at=NOON, plans=desk.plans)

    await desk.sweeps(BY)

    assert await desk.alarms() == []


async def test_each_has_its_own_dates_again_and_time_to_agree_to_a_plan_for_them(
    desk: Desk,
) -> None:
    one, two, trigger = new_id(), new_id(), new_id()
    await desk.hears(
        assessed(one, LOW), assessed(two, LOW), date(two, trigger), merged(two, one)
    )

    told = CaseUnmerged(case_id=two, survivor_id=one, unmerged_at=BY)
    await desk.hears(message_of(told, version=3, at=BY))

    assert (await desk.of(one)).coming == {}
    by = (await desk.of(two)).coming[trigger].in_force_by
    assert by == POLICY.in_force.by(RELEASE, THERE, BY) > BY
    # The actions of both fell due long before.
    await desk.sweeps(by - timedelta(seconds=1))
    assert await desk.alarms() == []
    await desk.sweeps(by)
    assert await desk.alarms() == [two]


async def test_a_date_of_a_merged_case_that_was_called_off_is_over_for_the_survivor(
    desk: Desk,
) -> None:
    one, two, trigger = new_id(), new_id(), new_id()
    off = TriggerCancelled(case_id=two, trigger_id=trigger, kind=RELEASE, due_at=THERE)
    await desk.hears(
        assessed(one, LOW),
        date(two, trigger),
        merged(two, one),
        message_of(off, version=2),
    )

    await desk.sweeps(BY)

    assert (await desk.of(one)).coming[trigger].over
    assert await desk.alarms() == []


async def test_a_date_that_is_there_is_told_of_once_more_only_if_it_was_not_before(
    desk: Desk,
) -> None:
    one, two, trigger = new_id(), new_id(), new_id()
    fell_due = TriggerFellDue(
        case_id=two, trigger_id=trigger, kind=RELEASE, due_at=THERE, late_by=0.0
    )
    await desk.hears(assessed(one, LOW), date(two, trigger), merged(two, one))

    # No clock was looked at before.
    desk.clock.advance(THERE - desk.clock.now())
    await desk.hears(message_of(fell_due, version=2, at=THERE))
    await desk.sweeps(THERE + HOUR)

    assert (await desk.of(one)).coming[trigger].over
    assert await desk.alarms() == [one]


async def test_whoever_may_not_see_a_merged_case_sees_neither_its_dates_nor_the_plan(
    running: Running, clock: SimulatedClock
) -> None:
    one, two = new_id(), new_id()
    plans, policy = running.plans, POLICY
    # Nothing was ever planned for the other: only a date is known.
    await handlers.draft_plan(
        assessed(one, LOW), plans=plans, policy=policy, clock=clock
    )
    await handlers.foresee(date(two, new_id()), plans=plans, policy=policy)
    await merging.note_merging(merged(two, one), plans=plans, policy=policy)

    async def carried() -> Plan | None:
        held = await plans.get(one)
        return held if held and held.merged_cases else None

    await eventually(carried)
    token = running.issuer.token(
        "worker", "plans.read", region="test", worker=COORDINATOR
    )
    headers = {"Authorization": f"Bearer {token}"}
    path = f"/v1/plans/{one}"

    shown = await running.http.get(path, headers=headers)
    running.standings.tell(COORDINATOR, two, coordinator=True, excluded=True)
    hidden = await running.http.get(path, headers=headers)

    assert (shown.status_code, shown.json()["merged"]) == (200, [two])
    assert [each["from_case"] for each in shown.json()["coming"]] == [two]
    assert hidden.status_code == 404


async def test_of_a_merged_case_without_a_draft_the_people_are_known(
    desk: Desk,
) -> None:
    survivor, other, child = new_id(), new_id(), new_id()
    await desk.hears(assessed(survivor))
    await desk.plans.save(
        Plan(id=other).protects([her := new_id()]).meet([child], POLICY, NOON)
    )

    await desk.hears(merged(other, survivor))

    held = await desk.of(survivor)
    assert held.merged_cases == (other,)
    assert held.all_children == (child,)
    assert held.shares[other].harmed == (her,)
    # There is nothing of it to agree to, or to close.
    agreed = await handlers.agree(
        survivor, held.current.number, at=NOON, plans=desk.plans
    )
    assert agreed.current.merged == {}
    told = [e.data for e in await published(desk.plans)]
    assert [e.case_id for e in told if isinstance(e, PlanAgreed)] == [survivor]

    await desk.hears(unmerged(other, survivor))

    parted = await desk.of(survivor)
    assert parted.merged_cases == parted.all_children == ()
