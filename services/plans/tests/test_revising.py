"""The next version as people want it."""

from typing import Any

import pytest
from accord_chassis.testing import NOON, new_id
from accord_contracts.allocation import Role
from accord_contracts.problem import Refusal
from accord_contracts.risk import RiskLevel, Tier
from plans.domain.action import UnknownCode
from plans.domain.hours import Within
from plans.domain.plan import AlreadyClosed, AnotherVersionIsCurrent, Plan
from plans.domain.revising import (
    AskedAlready,
    NotForThem,
    NotTheirPart,
    WaitsForWorkingDay,
    Wanted,
    revise,
)
from plans.domain.stage import Status
from plans_builders import (
    IVS,
    OUTREACH,
    WHANAU,
    assessment,
    does,
    ends,
    owner,
    parted_policy,
)

LOW, HIGH = RiskLevel.LOW, RiskLevel.HIGH
POLICY = parted_policy()
CHILD = new_id()


def drafted(level: RiskLevel = LOW) -> Plan:
    """A plan with a child, which is agreed to."""
    held = Plan(id=new_id()).meet([CHILD], POLICY, NOON)
    held = held.take_role(WHANAU, owner("w", NOON))
    held = held.draft(assessment(level, referred=NOON), POLICY, NOON)
    return held.agree(1, NOON, "a")


def want(
    code: str = "safety_advice", role: Role = WHANAU, person_id: str | None = None
) -> Wanted:
    within = Within(within_hours=10)
    return Wanted(code=code, role=role, person_id=person_id, within=within)


def test_a_revision_is_a_draft_with_what_is_wanted_besides() -> None:
    held = drafted()

    revised = revise(held, 1, [want()], POLICY, NOON)

    assert revised.status is Status.DRAFTED
    assert revised.versions[0] == held.current
    [advice] = [e for e in revised.actions if e.code == "safety_advice"]
    assert advice.worker_id == "w"
    assert not advice.mandatory
    assert {e.id for e in held.actions} < {e.id for e in revised.actions}
    later = assessment(HIGH, revision=2, referred=NOON)
    drawn = revised.draft(later, POLICY, NOON)
    assert advice.id in {each.id for each in drawn.actions}


def test_what_a_tier_demands_stays_demanded_in_a_revision() -> None:
    tier = Tier(code="t", roles=(), actions=(), clocks={}, meeting=None)
    held = Plan(id=new_id()).draft(assessment(LOW), POLICY, NOON, tier=tier)

    assert revise(held, 1, [want()], POLICY, NOON).current.tier == tier


def test_nothing_waits_for_a_working_day_at_high_risk() -> None:
    slow = want().model_copy(update={"within": Within(within_working_days=1)})
    revise(drafted(LOW), 1, [slow], POLICY, NOON)

    with pytest.raises(WaitsForWorkingDay):
        revise(drafted(HIGH), 1, [slow], POLICY, NOON)


def test_what_was_done_before_may_be_wanted_again() -> None:
    held = drafted()
    [contact] = [each for each in held.actions if each.code == "safe_contact"]
    held = does(held, contact.id, "w", NOON)

    revised = revise(held, 1, [want("safe_contact")], POLICY, NOON)

    [again] = [each for each in revised.actions if each.code == "safe_contact"]
    assert (again.open, again.last_done_at) == (True, NOON)
    assert [each.said for each in again.past] == [held.action(contact.id).said]


def test_what_waits_for_something_else_waits_in_a_revision_too() -> None:
    wanted = [want(), want("advice_checked")]

    revised = revise(drafted(), 1, wanted, POLICY, NOON)

    [checked] = [each for each in revised.actions if each.code == "advice_checked"]
    assert checked.within


@pytest.mark.parametrize(
    ("number", "wanted", "refusal"),
    [
        (2, want(), AnotherVersionIsCurrent),
        (1, want("juggling"), UnknownCode),
        (1, want("safe_contact"), AskedAlready),
        (1, want("safety_advice", OUTREACH), NotTheirPart),
        (1, want("programme", IVS), NotTheirPart),
        (1, want("safety_advice", WHANAU, CHILD), NotForThem),
        (1, want("safety_advice", WHANAU, new_id()), NotForThem),
        (1, want("child_seen"), NotForThem),
        (1, want("child_seen", WHANAU, new_id()), NotForThem),
    ],
)
def test_what_cannot_be_in_a_plan_is_not_drafted(
    number: int, wanted: Any, refusal: type[Refusal]
) -> None:
    with pytest.raises(refusal):
        revise(drafted(), number, [wanted], POLICY, NOON)


def test_of_several_people_harmed_it_is_said_whom_it_is_for() -> None:
    one, two = new_id(), new_id()
    held = drafted().protects([one])
    for person_id in (one, new_id()):
        with pytest.raises(NotForThem):
            revise(held, 1, [want(person_id=person_id)], POLICY, NOON)
    both = held.protects([two]).drawn_anew(set(), POLICY, NOON)

    revised = revise(both, 1, [want(person_id=two)], POLICY, NOON)

    [advice] = [e for e in revised.actions if e.code == "safety_advice"]
    assert advice.person_id == two
    for person_id in (None, CHILD, new_id()):
        with pytest.raises(NotForThem):
            revise(both, 1, [want(person_id=person_id)], POLICY, NOON)


def test_a_closed_plan_is_not_revised() -> None:
    held = drafted()
    [contact] = [each for each in held.actions if each.code == "safe_contact"]
    closed = ends(does(held, contact.id, "w", NOON), NOON)

    with pytest.raises(AlreadyClosed):
        revise(closed, 1, [want()], POLICY, NOON)
