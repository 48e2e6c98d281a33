"""Who serves whom when it is in question, or decided, who harmed whom."""

from datetime import timedelta

from accord_chassis.testing import NOON, new_id
from accord_contracts.allocation import Role
from accord_contracts.risk import RiskLevel
from allocation.domain.hearing import assess
from allocation.domain.parts import doubt, settle
from allocation.domain.staffing import Staffing
from allocation.domain.wanted import Assessed
from allocation_builders import POLICY

LATER = NOON + timedelta(minutes=10)
OUTREACH, LEAD = Role.PERPETRATOR_OUTREACH, Role.LEAD_AGENCY_COORDINATOR
SPECIALIST = Role.INDEPENDENT_VICTIM_SPECIALIST


def assessed(held: Staffing, revision: int = 1) -> Staffing:
    told = Assessed(revision=revision, first_referred_at=NOON, assessed_at=NOON)
    return assess(
        held, told, RiskLevel.HIGH, told_at=NOON, referral_id=None, policy=POLICY
    )


def team() -> Staffing:
    """Give a case at high risk in which everybody has accepted."""
    held = assessed(Staffing(id=new_id()))
    for role, wanted in held.roles.items():
        held = held.join(wanted.allocation_id, role.value, wanted.lists)
    return held


def settled(held: Staffing, *, corrected: bool) -> Staffing:
    return settle(held, ("she", "he"), LATER, POLICY, corrected=corrected)


def test_nobody_is_wanted_for_whoever_may_be_who_was_harmed_until_it_is_decided() -> (
    None
):
    doubted = doubt(Staffing(id=new_id()), NOON)
    held = assessed(doubted)

    assert {*held.roles} == {*POLICY.roles[RiskLevel.HIGH]} - {OUTREACH}
    for corrected in (False, True):
        assert {*settled(held, corrected=corrected).roles} == {
            *POLICY.roles[RiskLevel.HIGH]
        }


def test_what_was_in_doubt_before_it_was_decided_is_so_no_more() -> None:
    new = Staffing(id=new_id())

    late = doubt(settled(new, corrected=False), NOON)
    early = settled(doubt(new, NOON), corrected=False)

    assert late == early
    assert not late.doubted
    assert doubt(late, LATER + timedelta(minutes=1)).doubted


def test_whoever_served_either_serves_neither_if_it_was_told_wrongly() -> None:
    held = team()

    new = settled(held, corrected=True)

    assert dict(new.team) == {LEAD: LEAD.value}
    assert {*new.newly_wanted(held)} == {SPECIALIST, OUTREACH}
    met = {SPECIALIST.value, OUTREACH.value}
    assert met <= new.barred_from(SPECIALIST)
    assert met <= new.barred_from(OUTREACH)
    assert LEAD.value not in new.barred_from(LEAD)
    assert settled(new, corrected=True) is new


def test_a_compartment_serves_at_most_whom_it_knows_when_the_parts_are_put_right() -> (
    None
):
    held = Staffing(id=new_id()).ask(SPECIALIST, "north").ask(OUTREACH, "south")

    new = settled(held.ask(LEAD, "west"), corrected=True)

    assert new.walls_against(SPECIALIST) == {"north", "west"}
    # Least of all that of the lead, who stays and sees the whole case.
    assert new.walls_against(OUTREACH) == {"north", "south", "west"}


def test_whoever_serves_goes_on_if_it_is_as_it_was_told() -> None:
    held = team()

    assert settled(held, corrected=False).team == held.team
