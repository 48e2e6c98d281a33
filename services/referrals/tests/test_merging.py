"""Merging cases, and taking it back: on a real store and over HTTP."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from accord_chassis import topology
from accord_chassis.binding import unpack
from accord_chassis.clock import SimulatedClock
from accord_chassis.testing import COORDINATOR, NOON, eventually, message_of, new_id
from accord_contracts.allocation import AllocationAccepted, Role
from accord_contracts.catalogue import CATALOGUE
from accord_contracts.message import Lane
from accord_contracts.plans import PlanClosed
from accord_contracts.referrals import CaseErased, CaseMerged, CaseUnmerged
from referrals.domain.case import Case, Stage
from referrals.domain.erasure import Decision, Overtaken
from referrals.erasing import erase_case
from referrals.handlers import note_acceptance
from referrals.merging import merge_cases
from referrals.routes.erasing import Office
from referrals.store import Tombstones
from referrals_builders import CHILD, HARMED, JOHN, MERE, POLICY, USING, Running, body
from test_erasing import erase, gone, hears, officer, refer

DECISION = Decision(reason="same_household", by="somebody", at=NOON)
LATER = NOON + timedelta(minutes=5)

HANA = {**MERE, "given_name": "Hana"}


async def asks(
    running: Running, act: str, survivor: str, other: str, **claims: Any
) -> httpx2.Response:
    """Have a coordinator merge two cases, or take it back."""
    claims = {"worker": COORDINATOR, **claims}
    headers = running.bearer("referrals.merge", agency="", **claims)
    told = {"other_id": other, "reason": "same_household"}
    path = f"/v1/cases/{survivor}/{act}"
    return await running.http.post(path, headers=headers, json=told)


async def two(running: Running) -> tuple[Case, Case]:
    """Refer two households: the survivor-to-be, and the other."""
    _, one = await refer(running, body())
    _, other = await refer(running, body(people=[HANA, {**JOHN, "given_name": "Jon"}]))
    return one, other


async def of(running: Running, case: Case) -> Case:
    found = await running.cases.get(case.id)
    assert found
    return found


def told(running: Running, kind: type[Any]) -> list[Any]:
    """Give what waits for risk of one type."""
    waiting = [
        unpack(each, CATALOGUE).data
        for lane in Lane
        for each in running.broker.queues[topology.queue_of("risk", lane)].ready
    ]
    return [each for each in waiting if isinstance(each, kind)]


async def test_a_coordinator_merges_and_takes_it_back_once_however_often(
    running: Running,
) -> None:
    one, other = await two(running)

    merged = [await asks(running, "merge", one.id, other.id) for _ in range(2)]
    kept = await of(running, other)
    back = [await asks(running, "unmerge", one.id, other.id) for _ in range(2)]

    assert {each.status_code for each in (*merged, *back)} == {200}
    assert merged[1].json() == {"case_id": one.id, "merged": [other.id]}
    assert back[1].json() == {"case_id": one.id, "merged": []}
    assert kept.merged_into == one.id
    assert (kept.people, kept.keys, kept.episodes) == (
        other.people, other.keys, other.episodes
    )  # fmt: skip
    same = {"version": 0}
    again = await of(running, other)
    assert again.model_copy(update=same) == other.model_copy(update=same)
    await eventually(lambda: _async(told(running, CaseUnmerged)))
    assert len(told(running, CaseMerged)) == len(told(running, CaseUnmerged)) == 1


async def _async(found: Any) -> Any:
    return found


async def test_the_next_referral_joins_the_survivor_and_stays_with_it(
    running: Running,
) -> None:
    one, other = await two(running)
    people = [HANA, {**JOHN, "given_name": "Jon"}]
    await asks(running, "merge", one.id, other.id)

    _, joined = await refer(running, body(people=people))
    await asks(running, "unmerge", one.id, other.id)
    _, apart = await refer(running, body(people=people))

    assert joined.id == one.id
    assert apart.id == other.id
    assert len((await of(running, one)).episodes) == 2
    assert not set((await of(running, one)).keys) & set(other.keys)


async def test_whoever_is_not_a_coordinator_or_may_not_see_both_merges_neither(
    running: Running,
) -> None:
    one, other = await two(running)

    colleague = await asks(running, "merge", one.id, other.id, worker=new_id())
    nowhere = await asks(running, "merge", one.id, new_id())

    assert (colleague.status_code, nowhere.status_code) == (404, 404)
    assert (await of(running, other)).merged_into is None


async def test_merging_is_one_level_deep(running: Running) -> None:
    one, other = await two(running)
    people = [{**MERE, "given_name": "Ana"}, {**JOHN, "given_name": "Joe"}]
    _, third = await refer(running, body(people=people))
    await asks(running, "merge", one.id, other.id)

    answers = {
        (survivor.id, merged.id): await asks(running, "merge", survivor.id, merged.id)
        for survivor, merged in (
            (third, one), (third, other), (other, third), (one, one),
        )
    }  # fmt: skip

    types = [each.json()["type"].rpartition(":")[2] for each in answers.values()]
    assert types == [
        "others-merged", "already-merged", "already-merged", "merged-into-itself",
    ]  # fmt: skip
    # What was refused has left no trace.
    assert not (await of(running, third)).taken
    assert (await asks(running, "merge", one.id, third.id)).status_code == 200


async def test_two_who_merge_each_into_the_other_at_once_merge_one(
    running: Running,
) -> None:
    one, other = await two(running)

    answers = await asyncio.gather(
        asks(running, "merge", one.id, other.id),
        asks(running, "merge", other.id, one.id),
    )

    merged = [(await of(running, each)).merged_into for each in (one, other)]
    assert sorted(each.status_code for each in answers) in ([200, 409], [409, 409])
    assert merged.count(None) >= 1


async def test_a_case_under_legal_hold_is_not_merged_away(running: Running) -> None:
    one, other = await two(running)
    await officer(running, "one", "PUT", f"cases/{other.id}/hold")

    away = await asks(running, "merge", one.id, other.id)
    into = await asks(running, "merge", other.id, one.id)
    held = await officer(running, "one", "PUT", f"cases/{one.id}/hold")

    assert away.json()["type"].endswith("held-for-law")
    assert into.status_code == 200
    assert held.json()["type"].endswith("already-merged")


async def test_erasing_a_survivor_erases_what_was_merged_into_it(
    running: Running,
) -> None:
    one, other = await two(running)
    await asks(running, "merge", one.id, other.id)

    alone = await officer(running, "one", "POST", f"cases/{other.id}/erasure")
    assert alone.json()["type"].endswith("already-merged")
    assert await erase(running, f"cases/{one.id}") == 200

    for each in (one, other):
        await eventually(lambda case=each: gone(running, case.id))
        assert await running.service.store(Tombstones).get(each.id)
    await eventually(lambda: _async(len(told(running, CaseErased)) == 2))
    assert {e.case_id for e in told(running, CaseErased)} == {one.id, other.id}


async def test_what_was_merged_since_is_not_erased_by_what_was_asked_before(
    running: Running,
) -> None:
    one, other = await two(running)
    office: Office = running.service.parts[Office]
    asked_at = running.service.clock.now()
    await merge_cases(
        one.id,
        other.id,
        DECISION.model_copy(update={"at": asked_at + timedelta(seconds=1)}),
        cases=running.cases,
        retention=POLICY.retention,
    )

    with pytest.raises(Overtaken):
        await erase_case(one.id, DECISION, asked_at, office.shelves)

    assert not (await of(running, one)).erased


async def test_a_merging_that_meets_an_erasure_is_refused(running: Running) -> None:
    one, other = await two(running)

    erased, _ = await asyncio.gather(
        erase(running, f"cases/{one.id}"),
        asks(running, "merge", one.id, other.id),
    )

    if erased == 409:
        assert not (await of(running, one)).erased
        return

    # Whatever was merged before is erased with it, and goes by a message of its own.
    async def none_is_left_with_it() -> bool:
        left = await running.cases.get(other.id)
        return left is None or bool(left.erased) or left.merged_into is None

    assert erased == 200
    await eventually(lambda: gone(running, one.id))
    await eventually(none_is_left_with_it)


async def test_a_merged_case_is_kept_for_as_long_as_its_survivor(
    running: Running, clock: SimulatedClock
) -> None:
    child = {**MERE, "role": "child", "given_name": "Tama"}
    _, one = await refer(running, body())
    _, other = await refer(running, body(people=[HANA, child]))
    assert CHILD in {each.role for each in other.people}
    await asks(running, "merge", one.id, other.id)

    for each in (other, one):
        closed = PlanClosed(
            case_id=each.id, plan_version=1, reason="safety_goals_met",
            assessment_revision=1, closed_at=clock.now(),
        )  # fmt: skip
        await hears(running, closed, "plans")

    async def closed_both() -> bool:
        both = [await of(running, each) for each in (one, other)]
        return all(each.closed_at for each in both)

    await eventually(closed_both)
    survivor, merged = await of(running, one), await of(running, other)
    assert merged.erase_at is None
    assert survivor.erase_at
    years = (survivor.erase_at - clock.now()) / timedelta(days=365.25)
    assert years == pytest.approx(POLICY.retention.with_children)

    await asks(running, "unmerge", one.id, other.id)
    assert (await of(running, other)).erase_at


async def test_whoever_takes_a_role_of_the_survivor_works_on_both(
    running: Running,
) -> None:
    one, other = await two(running)
    await asks(running, "merge", one.id, other.id)
    told = AllocationAccepted(
        case_id=one.id, allocation_id=new_id(), role=Role.WHANAU_SUPPORT_WORKER,
        first_referred_at=NOON, worker_id=new_id(), accepted_at=LATER,
    )  # fmt: skip

    await note_acceptance(message_of(told), cases=running.cases)

    for each in (one, other):
        [episode] = (await of(running, each)).episodes
        assert episode.at(Stage.ALLOCATED) == LATER
    assert {HARMED, USING} == {each.role for each in one.people}


async def test_the_history_of_a_survivor_is_that_of_both(running: Running) -> None:
    one, other = await two(running)
    headers = running.bearer("referrals.history", agency="", worker=COORDINATOR)
    path = f"/v1/cases/{one.id}/history"

    async def history() -> dict[str, Any]:
        answer = await running.http.get(path, headers=headers)
        assert answer.status_code == 200
        found: dict[str, Any] = answer.json()
        return found

    await asks(running, "merge", one.id, other.id)
    both = await history()
    running.standings.tell(COORDINATOR, other.id, coordinator=True, excluded=True)
    seen = await history()
    running.standings.tell(COORDINATOR, other.id, coordinator=True)
    await asks(running, "unmerge", one.id, other.id)
    own = await history()

    people = {each.person_id for case in (one, other) for each in case.people}
    assert {each["person_id"] for each in both["people"]} == people
    assert [each["case_id"] for each in both["episodes"]] == [one.id] * 2
    # Whoever may not see the one sees nothing of it in the other either.
    for found in (seen, own):
        assert [each["case_id"] for each in found["episodes"]] == [one.id]
        assert len(found["people"]) == len(one.people)
