"""What a meeting decides: whom a case needs besides, and who leads it."""

from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from accord_chassis.testing import NOON, message_of, new_id
from accord_contracts.allocation import (
    AllocationOffered,
    AllocationWithdrawn,
    CaseTeamChanged,
    Role,
)
from accord_contracts.message import Lane, Message
from accord_contracts.plans import MeetingDecided
from accord_contracts.risk import RiskLevel
from allocation.domain.hearing import assess
from allocation.domain.meeting import Decision, heed
from allocation.domain.merging import carry, merge
from allocation.domain.offer import Status
from allocation.domain.staffing import Staffing
from allocation.domain.wanted import Assessed
from allocation.handlers.answering import accept
from allocation.handlers.meeting import end_unwanted, heed_meeting
from allocation.handlers.staffing import decide_lead, want_roles
from allocation_builders import (
    HOUR,
    MINUTE,
    POLICY,
    WHANAU,
    Office,
    assessed,
    handled_once,
    worker,
)

CHILD = Role.CHILD_SPECIALIST
KAUPAPA = Role.KAUPAPA_MAORI_PRACTITIONER
MEETING, CHAIR = new_id(), new_id()
LATER = NOON + HOUR


def known(case_id: str | None = None) -> Staffing:
    told = Assessed(revision=1, first_referred_at=NOON, assessed_at=NOON)
    return assess(
        Staffing(id=case_id or new_id()),
        told,
        RiskLevel.LOW,
        told_at=NOON,
        referral_id=None,
        policy=POLICY,
    )


def decision(*roles: Role, **said: Any) -> Decision:
    given = {"meeting_id": MEETING, "number": 1, "lead": None, "by": CHAIR, "at": LATER}
    return Decision.model_validate({**given, "roles": roles, **said})


def decided(
    case_id: str, *roles: Role, at: datetime = LATER, **said: Any
) -> Message[MeetingDecided]:
    given: dict[str, Any] = {"meeting_id": MEETING, "number": 1, "lead": None, **said}
    told = MeetingDecided(
        case_id=case_id,
        decided_by=CHAIR,
        agency=None,
        level=RiskLevel.LOW,
        raised=False,
        roles=roles,
        review_at=None,
        carried_over=False,
        decided_at=at,
        **given,
    )
    return message_of(told, at=at, lane=Lane.ROUTINE)


def test_whom_a_meeting_wants_is_wanted_from_its_decision_on() -> None:
    held = known()

    new = heed(held, decision(CHILD, WHANAU), POLICY)

    assert {*new.roles} == {WHANAU, CHILD}
    assert new.roles[WHANAU] == held.roles[WHANAU]
    assert (new.roles[CHILD].since, new.roles[CHILD].first_referred_at) == (LATER, NOON)
    assert new.meetings[MEETING].by == CHAIR
    assert heed(new, decision(CHILD, WHANAU), POLICY) is new


def test_the_last_decision_of_a_meeting_counts_in_whatever_order_it_is_heard() -> None:
    second = MINUTE + LATER
    said = [
        decision(CHILD, lead="corrections"),
        decision(KAUPAPA, lead="refuge", number=2, at=second),
        decision(meeting_id=new_id()),
    ]
    found = []
    for order in permutations(said):
        held = known()
        for each in order:
            held = heed(held, each, POLICY)
        found.append(({*held.roles}, held.lead_agency, held.lead_decided_at))

    assert found == [({WHANAU, KAUPAPA}, "refuge", second)] * len(found)


def test_what_another_meeting_or_the_level_wants_or_somebody_has_stays() -> None:
    held = heed(known(), decision(CHILD, KAUPAPA, WHANAU), POLICY)
    held = heed(held, decision(CHILD, meeting_id=new_id()), POLICY)
    taken = held.roles[KAUPAPA].allocation_id
    held = held.join(taken, new_id(), 0)

    new = heed(held, decision(number=2), POLICY)

    assert new.roles == held.roles


def test_what_the_tier_wants_or_somebody_has_just_accepted_stays() -> None:
    told = Assessed(
        revision=2, first_referred_at=NOON, assessed_at=NOON, roles=(KAUPAPA,)
    )
    held = heed(known().want(told, POLICY), decision(CHILD, KAUPAPA), POLICY)
    taken = frozenset({held.roles[CHILD].allocation_id})

    assert heed(held, decision(number=2), POLICY, taken).roles == held.roles
    assert {*heed(held, decision(number=2), POLICY).roles} == {WHANAU, KAUPAPA}


def test_a_meeting_decides_nothing_of_a_case_that_was_transferred() -> None:
    gone = known().transfer(NOON)

    assert heed(gone, decision(CHILD, lead="corrections"), POLICY) is gone


def test_a_role_that_is_wanted_again_is_another_than_the_one_that_ended() -> None:
    first = heed(known(), decision(CHILD), POLICY)
    dropped = heed(first, decision(number=2), POLICY)

    again = heed(dropped, decision(CHILD, number=3), POLICY)

    assert CHILD not in dropped.roles
    assert again.roles[CHILD].allocation_id != first.roles[CHILD].allocation_id


def test_what_was_decided_before_an_assessment_is_known_is_wanted_with_it() -> None:
    early = heed(Staffing(id=new_id()), decision(CHILD), POLICY)

    assert not early.roles
    told = Assessed(revision=1, first_referred_at=NOON, assessed_at=NOON)
    assert {*early.want(told, POLICY).roles} == {WHANAU, CHILD}


@pytest.mark.parametrize("heard_first", ["closing", "decision"])
def test_an_episode_that_ended_after_a_decision_ends_it_and_no_later_one(
    heard_first: str,
) -> None:
    old = decision(CHILD, lead="corrections")
    new = decision(KAUPAPA, lead="police", meeting_id=new_id(), at=LATER + 2 * HOUR)
    held = known()
    steps = [
        lambda: held.close(1, LATER + HOUR, POLICY),
        lambda: heed(heed(held, old, POLICY), new, POLICY),
    ]
    for step in steps if heard_first == "closing" else reversed(steps):
        held = step()

    assert (held.besides, held.lead_agency) == ((KAUPAPA,), "police")
    assert not held.roles


def test_a_survivor_wants_whom_a_meeting_wanted_for_what_is_merged_into_it() -> None:
    merged, survivor = heed(known(), decision(CHILD), POLICY), known()
    merged = merge(merged, survivor.id, 1, POLICY, LATER)

    joined = carry(survivor, merged.id, merged.share(), POLICY, LATER)
    parted = carry(joined, merged.id, None, POLICY, LATER)

    assert CHILD not in merged.roles
    assert {*joined.roles} == {WHANAU, CHILD}
    assert parted.besides == ()


async def test_a_decision_opens_its_roles_and_sets_the_lead_once(
    office: Office,
) -> None:
    [_, child] = await office.employs(worker(), worker(CHILD))
    case_id = new_id()
    await want_roles(assessed(case_id), desk=office.desk)
    await office.deliver()
    message = decided(case_id, CHILD, lead="corrections")

    assert await handled_once(heed_meeting(message, desk=office.desk))
    assert not await handled_once(heed_meeting(message, desk=office.desk))
    await office.deliver()

    held = await office.desk.staffings.get(case_id)
    assert held is not None
    assert (held.lead_agency, held.lead_decided_by) == ("corrections", CHAIR)
    asked = await office.allocation(case_id, CHILD)
    assert (asked.status, asked.worker_id) == (Status.OFFERED, child.id)
    told = [each.data.lead_agency for each in await office.told(CaseTeamChanged)]
    assert told == ["corrections"]


async def test_what_a_coordinator_said_later_of_the_lead_stays(office: Office) -> None:
    case_id = new_id()
    await want_roles(assessed(case_id), desk=office.desk)
    office.clock.advance(2 * HOUR)
    await decide_lead(case_id, "refuge", CHAIR, unstaffed=True, desk=office.desk)

    await heed_meeting(decided(case_id, lead="corrections"), desk=office.desk)

    held = await office.desk.staffings.get(case_id)
    assert held is not None
    assert held.lead_agency == "refuge"


async def test_whoever_was_asked_for_what_a_meeting_no_longer_wants_is_told(
    office: Office,
) -> None:
    [child] = await office.employs(worker(CHILD))
    case_id = new_id()
    await want_roles(assessed(case_id), desk=office.desk)
    await heed_meeting(decided(case_id, CHILD), desk=office.desk)
    await office.deliver()

    dropped = decided(case_id, number=2, at=LATER + timedelta(minutes=1))
    await heed_meeting(dropped, desk=office.desk)
    await end_unwanted(dropped, desk=office.desk)
    await office.deliver()

    assert CHILD not in await office.allocations(case_id)
    assert [e.data.worker_id for e in await office.told(AllocationWithdrawn)] == [
        child.id
    ]
    assert not (await office.worker(child.id)).holds
    assert len(await office.told(AllocationOffered)) == 1


async def test_whoever_has_accepted_what_a_meeting_no_longer_wants_keeps_it(
    office: Office,
) -> None:
    """Also if the case has not heard yet that they have."""
    [child] = await office.employs(worker(CHILD))
    case_id = new_id()
    await want_roles(assessed(case_id), desk=office.desk)
    await heed_meeting(decided(case_id, CHILD), desk=office.desk)
    await office.deliver()
    asked = await office.allocation(case_id, CHILD)
    await accept(asked.id, child.id, desk=office.desk)

    dropped = decided(case_id, number=2, at=LATER + timedelta(minutes=1))
    await heed_meeting(dropped, desk=office.desk)
    await end_unwanted(dropped, desk=office.desk)
    await office.deliver()

    held = await office.desk.staffings.get(case_id)
    assert held is not None
    assert held.roles[CHILD].worker_id == child.id
    assert await office.told(AllocationWithdrawn) == []
