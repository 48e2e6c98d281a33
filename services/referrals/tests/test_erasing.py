"""Erasing people and cases, on a real store and over HTTP."""

from datetime import timedelta
from typing import Any

import pytest
from accord_chassis import topology
from accord_chassis.binding import pack, unpack
from accord_chassis.clock import SimulatedClock
from accord_chassis.inprocess import InProcessTransport
from accord_chassis.testing import NOON, eventually, message_of, new_id
from accord_chassis.transport import Publication
from accord_contracts.catalogue import CATALOGUE
from accord_contracts.message import Event, Lane
from accord_contracts.plans import PlanClosed
from accord_contracts.referrals import CaseErased
from referrals.domain.case import Case
from referrals.domain.erasure import ERASED_NAME, Decision, OnHold, Retention
from referrals.store import Tombstones
from referrals_builders import CHILD, HARMED, USING, Running, body, case, household

ADDRESS = "1 Somewhere Street"
NARRATIVE = "What was seen."
RETENTION = Retention(standard=10, with_children=28)
DECISION = Decision(reason="court_order", by="somebody", at=NOON)


def full(**fields: Any) -> dict[str, Any]:
    """Give a referral with an address for everybody, and a narrative."""
    told = body(**fields)
    contact = [{"channel": "post", "value": ADDRESS}]
    people = [{**each, "contact_points": contact} for each in told["people"]]
    texts = {"place": {"address": ADDRESS}, "narrative": NARRATIVE}
    return {**told, **texts, "people": people}


async def refer(running: Running, told: dict[str, Any]) -> tuple[str, Case]:
    """Post a referral and wait for its case."""
    answer = await running.submit(told, key=new_id())
    referral_id: str = answer.json()["referral_id"]
    found = await eventually(lambda: running.cases.of_referral(referral_id))
    return referral_id, found


async def erase(running: Running, path: str) -> int:
    """Ask for an erasure."""
    answer = await running.http.delete(
        f"/v1/{path}?reason=court_order", headers=running.bearer("referrals.erase")
    )
    return answer.status_code


async def hears(running: Running, event: Event, producer: str) -> None:
    """Have an event come over the bus, as the service that publishes it sends it."""
    sender = InProcessTransport(running.broker, user=producer)
    message = pack(message_of(event))
    assert await sender.publish([Publication(topology.EVENTS, message)]) == [None]


async def gone(running: Running, case_id: str) -> bool:
    """Tell whether a case is gone."""
    return await running.cases.get(case_id) is None


async def person_of(running: Running, referral_id: str, place: int) -> str:
    """Give the id of somebody in a referral."""
    held = await running.referrals.get(referral_id)
    assert held
    return held.person_ids[place]


async def test_an_erased_person_is_gone_from_every_referral_and_others_stay(
    running: Running,
) -> None:
    first, _ = await refer(running, full())
    second, _ = await refer(running, full())
    mere = await person_of(running, first, 0)

    assert await erase(running, f"people/{mere}") == 204

    for each in (first, second):
        held = await running.referrals.get(each)
        assert held
        gone, stays = held.told.people
        assert gone.given_name == ERASED_NAME
        assert (gone.family_name, gone.contact_points) == (None, ())
        assert stays.given_name == "John"
        assert stays.contact_points[0].value == ADDRESS
        assert (held.told.narrative, held.told.place.address) == (None, None)
        assert held.fingerprint == ""


async def test_an_erased_person_is_not_recognised_again(running: Running) -> None:
    first, _ = await refer(running, full())
    mere = await person_of(running, first, 0)
    await erase(running, f"people/{mere}")

    again, _ = await refer(running, full())

    assert await running.people.get(mere) is None
    assert await person_of(running, again, 0) != mere
    assert await person_of(running, again, 1) == await person_of(running, first, 1)


async def test_erasing_twice_is_erasing_once(running: Running) -> None:
    first, _ = await refer(running, full())
    mere = await person_of(running, first, 0)

    answers = [await erase(running, f"people/{mere}") for _ in range(2)]

    assert answers == [204, 204]


async def test_an_erased_case_leaves_a_tombstone_and_is_told_of(
    running: Running,
) -> None:
    referral_id, held = await refer(running, full())

    assert await erase(running, f"cases/{held.id}") == 202

    await eventually(lambda: gone(running, held.id))
    tombstone = await running.service.store(Tombstones).get(held.id)
    referral = await running.referrals.get(referral_id)
    assert tombstone
    assert tombstone.decision.reason == "court_order"
    assert referral
    assert {each.given_name for each in referral.told.people} == {ERASED_NAME}
    assert referral.told.narrative is None
    for each in referral.person_ids:
        assert await running.people.get(each) is None
    raw = await running.referrals.documents.find_one({"_id": referral_id})
    assert raw
    assert not any(raw["sealed"].values())


async def test_who_is_in_another_case_too_is_still_recognised_there(
    running: Running,
) -> None:
    hana = {
        "role": "person_harmed",
        "given_name": "Hana",
        "family_name": "Wirihana",
        "date_of_birth": "1993-05-01",
    }
    john = body()["people"][1]
    first, held = await refer(running, full())
    await refer(running, full(people=[hana, john]))

    await erase(running, f"cases/{held.id}")

    await eventually(lambda: gone(running, held.id))
    used = await running.people.get(await person_of(running, first, 1))
    harmed = await running.people.get(await person_of(running, first, 0))
    assert used
    assert harmed is None


async def test_nothing_is_referred_to_an_erased_case(running: Running) -> None:
    _, held = await refer(running, full())
    await erase(running, f"cases/{held.id}")

    _, other = await refer(running, full())

    assert other.id != held.id


async def test_a_legal_hold_forbids_erasing(running: Running) -> None:
    referral_id, held = await refer(running, full())
    mere = await person_of(running, referral_id, 0)
    headers = running.bearer("referrals.erase")
    url = f"/v1/cases/{held.id}/hold"
    await running.http.put(url, headers=headers, json={"reason": "coroner"})

    refused = [
        await erase(running, path) for path in (f"cases/{held.id}", f"people/{mere}")
    ]
    released = await running.http.delete(url, headers=headers)

    referral = await running.referrals.get(referral_id)
    assert refused == [409, 409]
    assert referral
    assert referral.told.narrative == NARRATIVE
    assert released.status_code == 204
    assert await erase(running, f"cases/{held.id}") == 202


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "people/{id}?reason=x"),
        ("DELETE", "cases/{id}?reason=x"),
        ("PUT", "cases/{id}/hold"),
        ("DELETE", "cases/{id}/hold"),
    ],
)
async def test_erasing_needs_its_own_scope_and_something_to_erase(
    running: Running, method: str, path: str
) -> None:
    url = f"/v1/{path.format(id=new_id())}"
    sent: dict[str, Any] = {"json": {"reason": "x"}} if method == "PUT" else {}

    without = await running.http.request(method, url, headers=running.bearer(), **sent)
    nothing = await running.http.request(
        method, url, headers=running.bearer("referrals.erase"), **sent
    )

    assert (without.status_code, nothing.status_code) == (403, 404)


async def test_a_case_is_erased_when_its_time_has_come(
    running: Running, clock: SimulatedClock
) -> None:
    _, held = await refer(running, full())
    closed = PlanClosed(
        case_id=held.id,
        plan_version=1,
        reason="safe",
        assessment_revision=1,
        closed_at=NOON,
    )
    await hears(running, closed, "plans")

    async def retained() -> Case | None:
        found = await running.cases.get(held.id)
        return found if found and found.erase_at else None

    await eventually(retained)
    clock.advance(timedelta(days=3650))
    await running.service.sweep_once()
    before = await running.cases.get(held.id)
    clock.advance(timedelta(days=3))
    await running.service.sweep_once()

    after = await running.service.store(Tombstones).get(held.id)
    assert before
    assert not before.erased
    assert after
    assert after.decision.reason == "retention_over"


def test_the_time_counts_from_the_end_and_children_count_longer() -> None:
    adults = case(household(("a", HARMED), ("b", USING))).close(NOON)
    family = case(household(("a", HARMED), ("c", CHILD))).close(NOON)

    times = [each.retain(RETENTION).erase_at for each in (adults, family)]

    assert times[0] == NOON + timedelta(days=3652.5)
    assert times[1]
    assert times[1] > NOON + timedelta(days=28 * 365)


def test_a_hold_or_a_new_referral_stops_the_time() -> None:
    ended = case(household(("a", HARMED))).close(NOON).retain(RETENTION)

    held = ended.held_by(DECISION)
    again, _ = ended.join(new_id(), household(("a", HARMED)), ())

    assert held.erase_at is None
    assert held.retain(RETENTION).erase_at is None
    assert held.released(RETENTION).erase_at == ended.erase_at
    assert again.retain(RETENTION).erase_at is None
    with pytest.raises(OnHold):
        held.erase(DECISION)


async def test_what_is_told_of_an_erasure_is_ids_codes_and_times(
    running: Running,
) -> None:
    _, held = await refer(running, full())

    await erase(running, f"cases/{held.id}")

    async def told() -> list[CaseErased]:
        queue = running.broker.queues[topology.queue_of("risk", Lane.ROUTINE)]
        events = [unpack(each, CATALOGUE).data for each in queue.ready]
        return [each for each in events if isinstance(each, CaseErased)]

    found = (await eventually(told))[0]
    assert found.model_dump() == {
        "case_id": held.id,
        "reason": "court_order",
        "erased_at": NOON,
    }
