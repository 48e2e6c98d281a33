"""Staffing of two cases that are merged: one team, the lists of both, and back."""

from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from accord_chassis.testing import NOON, message_of, new_id, sent_by
from accord_contracts.access import Side
from accord_contracts.allocation import AllocationWithdrawn, WithdrawnFor
from accord_contracts.message import Message
from accord_contracts.referrals import CaseErased, CaseMerged, CaseUnmerged, Wishes
from accord_contracts.risk import RiskLevel
from allocation.domain.lists import Lists
from allocation.domain.offer import Status
from allocation.domain.staffing import Staffing
from allocation.store.kept import Staffings
from allocation_builders import WHANAU, Front, Running, assessed, referred

LOW, _, HIGH, _ = RiskLevel


@pytest.fixture
def office(running: Running) -> Front:
    return Front(running)


def merged(case: str, survivor: str, version: int = 2) -> Message[CaseMerged]:
    told = CaseMerged(case_id=case, survivor_id=survivor, merged_at=NOON)
    return message_of(told, version=version)


def unmerged(case: str, survivor: str, version: int = 3) -> Message[CaseUnmerged]:
    told = CaseUnmerged(case_id=case, survivor_id=survivor, unmerged_at=NOON)
    return message_of(told, version=version)


async def staffing(office: Front, case_id: str) -> Staffing:
    found = await office.running.service.store(Staffings).get(case_id)
    assert found
    return found


async def roles(office: Front, case_id: str, who: str) -> list[dict[str, Any]]:
    """Give the roles of a case that are not over."""
    answer = await office.ask("GET", f"/allocations?case_id={case_id}", who=who)
    assert answer.status_code == 200, answer.text
    return [each for each in answer.json() if each["status"] != "ended"]


async def lists(office: Front, case_id: str, who: str, **told: Any) -> None:
    answer = await office.lists(case_id, who, **told)
    assert answer.status_code == 200, answer.text
    await office.running.idle()


async def test_one_team_of_both_and_no_role_is_offered_twice(office: Front) -> None:
    lead = await office.hires(duty_coordinator=True)
    one, two = await office.hires(WHANAU), await office.hires(WHANAU)
    survivor = await office.case()
    asked = next(e for e in await roles(office, survivor, lead))["worker_id"]
    other = await office.case()
    taker = one if asked == two else two
    await office.accepts(taker)

    await office.running.hears(merged(other, survivor))

    # Whoever had accepted stays, and nobody else is asked for the same role.
    [role] = await roles(office, survivor, lead)
    assert (role["worker_id"], role["case_id"]) == (taker, other)
    assert (await staffing(office, survivor)).team == ((WHANAU, taker),)
    for case in (survivor, other):
        standing = await office.standing(taker, case)
        assert standing.sides == {Side.PERSON_HARMED}
    path = f"/workers/{asked}/offers"
    assert (await office.ask("GET", path, who=asked)).json() == []

    await office.running.hears(unmerged(other, survivor))

    assert not (await office.standing(taker, survivor)).sides
    assert (await office.standing(taker, other)).sides == {Side.PERSON_HARMED}
    # The survivor has to find somebody of its own again.
    [role] = await roles(office, survivor, lead)
    assert role["status"] == Status.OFFERED
    assert role["case_id"] == survivor


async def test_an_open_role_of_the_merged_case_is_taken_back_with_its_reason(
    office: Front,
) -> None:
    lead = await office.hires(duty_coordinator=True)
    await office.hires(WHANAU)
    survivor, other = await office.case(), await office.case()

    await office.running.hears(merged(other, survivor))

    told = await sent_by(office.running.service, office.running.broker)
    [withdrawn] = [e.data for e in told if isinstance(e.data, AllocationWithdrawn)]
    assert (withdrawn.case_id, withdrawn.reason) == (other, WithdrawnFor.CASE_MERGED)
    [role] = await roles(office, survivor, lead)
    assert role["case_id"] == survivor

    await office.running.hears(unmerged(other, survivor))

    [again] = await roles(office, other, lead)
    assert again["status"] == Status.OFFERED


async def test_what_is_wished_in_the_merged_case_is_looked_at_in_its_survivor(
    office: Front,
) -> None:
    lead = await office.hires(duty_coordinator=True)
    asked = await office.hires(WHANAU, provider="refuge")
    survivor, other = await office.case(), new_id()
    [before] = await roles(office, survivor, lead)
    next_ = await office.hires(WHANAU)
    wishes = Wishes(not_told=("refuge",))
    await office.running.hears(referred(other, wishes=wishes))

    await office.running.hears(merged(other, survivor))

    [role] = await roles(office, survivor, lead)
    assert (before["worker_id"], role["worker_id"]) == (asked, next_)


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_in_whatever_order_both_want_one_specialist(
    office: Front, order: tuple[int, ...]
) -> None:
    lead = await office.hires(duty_coordinator=True)
    await office.hires(WHANAU)
    survivor, other = new_id(), new_id()
    messages = (assessed(survivor), assessed(other), merged(other, survivor))

    await office.running.hears(*(messages[each] for each in order))

    assert len(await roles(office, survivor, lead)) == 1
    assert not (await staffing(office, other)).roles


async def test_the_lists_of_both_hold_and_after_unmerging_each_its_own(
    office: Front,
) -> None:
    lead = await office.hires(duty_coordinator=True)
    deputy = await office.hires(duty_coordinator=True)
    relative, named = await office.hires(WHANAU), await office.hires(WHANAU)
    survivor, other = await office.case(), await office.case()
    await lists(office, survivor, lead, excluded=[relative])
    await lists(office, other, lead, named_only=[named, lead, deputy])

    await office.running.hears(merged(other, survivor))

    for case in (survivor, other):
        assert (await office.standing(relative, case)).excluded
        assert (await office.standing(relative, case)).unlisted
        assert not (await office.standing(named, case)).unlisted

    await office.running.hears(unmerged(other, survivor))

    assert not (await office.standing(relative, survivor)).unlisted
    assert (await office.standing(relative, survivor)).excluded
    assert not (await office.standing(relative, other)).excluded
    assert (await office.standing(relative, other)).unlisted


async def test_whoever_the_other_cases_lists_bar_loses_the_role(office: Front) -> None:
    lead = await office.hires(duty_coordinator=True)
    await office.hires(duty_coordinator=True)
    relative = await office.hires(WHANAU)
    other = await office.case()
    await office.accepts(relative)
    stranger = await office.hires(WHANAU)
    survivor = await office.case()
    await lists(office, survivor, lead, conflicts=[relative])

    await office.running.hears(merged(other, survivor))

    assert (await office.standing(relative, other)).conflict
    assert not (await staffing(office, other)).roles
    assert (await staffing(office, survivor)).team == ()
    # Somebody whom neither list bars is asked instead.
    assert (await office.offer(stranger))["case_id"] == survivor


async def test_lists_that_change_while_merged_hold_for_both(office: Front) -> None:
    lead = await office.hires(duty_coordinator=True)
    await office.hires(duty_coordinator=True)
    relative = await office.hires(WHANAU)
    survivor, other = await office.case(), await office.case()
    await office.running.hears(merged(other, survivor))

    await lists(office, survivor, lead, excluded=[relative])

    assert (await office.standing(relative, other)).excluded
    assert (await staffing(office, other)).in_force.bar(relative)
    assert (await staffing(office, other)).lists == Lists()


async def test_a_survivor_keeps_nothing_of_a_merged_case_that_was_erased(
    office: Front,
) -> None:
    await office.hires(WHANAU)
    survivor, other = await office.case(), await office.case()
    await office.running.hears(merged(other, survivor))

    erased = CaseErased(case_id=other, reason="court_order", erased_at=NOON)
    await office.running.hears(message_of(erased))

    assert not (await staffing(office, survivor)).shares


def test_of_two_lists_the_stricter_holds() -> None:
    one = Lists(excluded=frozenset("a"), named_only=frozenset("bc"))
    two = Lists(conflicts=frozenset("b"), named_only=frozenset("bd"))

    both = one.with_those_of([two])

    assert both.barred == {"a", "b"}
    assert both.named_only == {"b"}
    assert one.with_those_of([Lists()]) == one


async def test_what_whoever_leaves_had_in_the_merged_case_the_survivor_offers_anew(
    office: Front,
) -> None:
    lead = await office.hires(duty_coordinator=True)
    one, two = await office.hires(WHANAU), await office.hires(WHANAU)
    survivor = await office.case()
    asked = next(e for e in await roles(office, survivor, lead))["worker_id"]
    other = await office.case()
    taker = one if asked == two else two
    await office.accepts(taker)
    await office.running.hears(merged(other, survivor))

    entry = {"roles": [WHANAU], "capacity": 100, "active": False}
    answer = await office.ask("PUT", f"/workers/{taker}", who=lead, body=entry)
    assert answer.status_code == 200
    for _ in range(5):
        await office.running.later(timedelta(seconds=2))

    [role] = await roles(office, survivor, lead)
    assert (role["case_id"], role["worker_id"]) == (survivor, asked)
    assert await roles(office, other, lead) == []
    assert (await staffing(office, survivor)).team == ()
    withdrawn: list[Any] = office.told(AllocationWithdrawn)
    assert (other, taker) in {(each.case_id, each.worker_id) for each in withdrawn}
    left = next(each for each in await office.workers() if each.id == taker)
    assert (left.holds, left.leaving) == ({}, ())
