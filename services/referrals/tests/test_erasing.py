"""Erasing people and cases, on a real store and over HTTP."""

from datetime import timedelta
from typing import Any

import httpx2
import pytest
from accord_chassis import topology
from accord_chassis.binding import pack, unpack
from accord_chassis.clock import SimulatedClock
from accord_chassis.inprocess import InProcessTransport
from accord_chassis.testing import NOON, eventually, message_of, new_id, sent_by
from accord_chassis.transport import Publication
from accord_contracts.catalogue import CATALOGUE
from accord_contracts.message import Event, Lane
from accord_contracts.plans import PlanClosed
from accord_contracts.referrals import (
    CaseErased,
    ConfirmationAsked,
    ConfirmationLapsed,
    PersonErased,
)
from referrals.domain.case import Case
from referrals.domain.erasure import ERASED_NAME, Decision, OnHold, Retention
from referrals.domain.request import Identity
from referrals.store import Requests, Tombstones
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


async def officer(
    running: Running, who: str, method: str, path: str, **claims: Any
) -> httpx2.Response:
    """Have a privacy officer who has just logged in ask for something."""
    claims = {"auth_time": int(running.service.clock.now().timestamp()), **claims}
    headers = running.bearer("referrals.erase", agency="", subject=who, **claims)
    bodies = method == "PUT" or path.endswith(("erasure", "release"))
    told = {"reason": "court_order"} if bodies else None
    return await running.http.request(method, f"/v1/{path}", headers=headers, json=told)


async def asked(running: Running, path: str) -> str:
    """Have one officer ask, and give the request's path."""
    answer = await officer(running, "one", "POST", path)
    assert answer.status_code == 201, answer.text
    return f"requests/{answer.json()['request_id']}"


async def confirmed(
    running: Running, request: str, who: str = "other", **claims: Any
) -> int:
    """Have another officer confirm what was asked for."""
    path = f"{request}/confirmation"
    return (await officer(running, who, "POST", path, **claims)).status_code


async def erase(running: Running, path: str) -> int:
    """Have two officers erase something."""
    answer = await officer(running, "one", "POST", f"{path}/erasure")
    if answer.status_code != 201:
        return answer.status_code
    return await confirmed(running, f"requests/{answer.json()['request_id']}")


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

    assert await erase(running, f"people/{mere}") == 200

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


async def test_erasing_twice_is_erasing_once_and_tells_others_again(
    running: Running,
) -> None:
    first, _ = await refer(running, full())
    mere = await person_of(running, first, 0)

    answers = [await erase(running, f"people/{mere}") for _ in range(2)]

    assert answers == [200, 200]
    said = await sent_by(running.service, running.broker)
    told = [each for each in said if isinstance(each.data, PersonErased)]
    assert [each.data.person_id for each in told] == [mere, mere]
    assert len({each.id for each in told}) == len(told)


async def test_an_erased_case_leaves_a_tombstone_and_is_told_of(
    running: Running,
) -> None:
    referral_id, held = await refer(running, full())

    assert await erase(running, f"cases/{held.id}") == 200

    await eventually(lambda: gone(running, held.id))
    tombstone = await running.service.store(Tombstones).get(held.id)
    referral = await running.referrals.get(referral_id)
    assert tombstone
    decision = tombstone.decision
    assert (decision.reason, decision.by, decision.confirmed_by) == (
        "court_order",
        "one",
        "other",
    )
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
    hold = f"cases/{held.id}/hold"
    await officer(running, "one", "PUT", hold)

    refused = [
        await erase(running, path) for path in (f"cases/{held.id}", f"people/{mere}")
    ]
    released = await confirmed(running, await asked(running, f"{hold}/release"))

    referral = await running.referrals.get(referral_id)
    assert refused == [409, 409]
    assert referral
    assert referral.told.narrative == NARRATIVE
    assert released == 200
    assert await erase(running, f"cases/{held.id}") == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "people/{id}/erasure"),
        ("POST", "cases/{id}/erasure"),
        ("PUT", "cases/{id}/hold"),
        ("POST", "cases/{id}/hold/release"),
        ("GET", "requests/{id}"),
        ("POST", "requests/{id}/confirmation"),
        ("DELETE", "requests/{id}"),
    ],
)
async def test_erasing_needs_its_own_scope_and_something_to_erase(
    running: Running, method: str, path: str
) -> None:
    path = path.format(id=new_id())

    without = await running.http.request(
        method, f"/v1/{path}", headers=running.bearer(), json={"reason": "x"}
    )
    nothing = await officer(running, "one", method, path)

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
    assert held.released(DECISION, RETENTION, NOON).erase_at == ended.erase_at
    assert again.retain(RETENTION).erase_at is None
    with pytest.raises(OnHold):
        held.erase(DECISION, NOON)


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


async def test_nobody_confirms_what_they_asked_for_themselves(
    running: Running,
) -> None:
    _, held = await refer(running, full())
    request = await asked(running, f"cases/{held.id}/erasure")

    assert await confirmed(running, request, "one") == 403

    after = await running.cases.get(held.id)
    assert after
    assert after.erased is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (("a", None), ("a", None), True),
        (("a", "w"), ("a", None), True),
        (("a", "w"), ("b", "w"), True),
        (("a", "w"), ("b", "v"), False),
        (("a", None), ("b", None), False),
    ],
)
def test_a_person_is_known_by_subject_and_by_worker(
    one: tuple[str, str | None], other: tuple[str, str | None], *, same: bool
) -> None:
    each = [Identity(issuer="i", subject=s, worker=w) for s, w in (one, other)]

    assert each[0].is_same(each[1]) == same
    assert each[1].is_same(each[0]) == same


# Nobody ever logged in for the token of a machine.
@pytest.mark.parametrize("seconds", [None, 301])
async def test_neither_asks_nor_confirms_without_a_recent_login(
    running: Running, seconds: int | None
) -> None:
    _, held = await refer(running, full())
    now = int(running.service.clock.now().timestamp())
    stale = {"auth_time": None if seconds is None else now - seconds}
    paths = (f"cases/{held.id}/erasure", f"people/{new_id()}/erasure",
             f"cases/{held.id}/hold/release")  # fmt: skip
    request = await asked(running, paths[0])

    asking = [await officer(running, "two", "POST", each, **stale) for each in paths]

    assert {each.status_code for each in asking} == {401}
    assert asking[0].json()["type"] == "urn:accord:problem:log-in-again"
    assert await confirmed(running, request, **stale) == 401
    assert await running.cases.get(held.id) == held


async def test_what_nobody_confirms_in_time_lapses_and_is_asked_for_again(
    running: Running, clock: SimulatedClock
) -> None:
    _, held = await refer(running, full())
    request = await asked(running, f"cases/{held.id}/erasure")

    clock.advance(timedelta(days=7) - timedelta(seconds=1))
    open_ = await asked(running, f"cases/{held.id}/erasure")
    before = (await officer(running, "other", "GET", request)).json()
    clock.advance(timedelta(seconds=1))
    late = await confirmed(running, request)
    await asked(running, f"cases/{held.id}/erasure")
    anew = (await officer(running, "other", "GET", request)).json()

    assert open_ == request
    assert late == 409
    assert before["until"] < anew["until"]
    assert await confirmed(running, request) == 200


async def test_only_who_asked_withdraws_and_then_nobody_confirms(
    running: Running,
) -> None:
    _, held = await refer(running, full())
    request = await asked(running, f"cases/{held.id}/erasure")

    others = await officer(running, "other", "DELETE", request)
    own = await officer(running, "one", "DELETE", request)

    assert (others.status_code, own.status_code) == (403, 204)
    assert await confirmed(running, request) == 409


async def test_what_is_confirmed_is_not_withdrawn(running: Running) -> None:
    referral_id, _ = await refer(running, full())
    mere = await person_of(running, referral_id, 0)
    request = await asked(running, f"people/{mere}/erasure")

    assert await confirmed(running, request) == 200

    assert (await officer(running, "one", "DELETE", request)).status_code == 409
    assert await confirmed(running, request) == 200


async def test_a_hold_that_was_placed_meanwhile_beats_what_was_asked(
    running: Running, clock: SimulatedClock
) -> None:
    referral_id, held = await refer(running, full())
    mere = await person_of(running, referral_id, 0)
    paths = (f"cases/{held.id}/erasure", f"people/{mere}/erasure")
    requests = [await asked(running, each) for each in paths]
    hold = f"cases/{held.id}/hold"
    clock.advance(timedelta(minutes=1))
    await officer(running, "one", "PUT", hold)

    on_hold = [await confirmed(running, each) for each in requests]
    await confirmed(running, await asked(running, f"{hold}/release"))
    released = [await confirmed(running, each) for each in requests]

    assert on_hold == released == [409, 409]
    after = await running.cases.get(held.id)
    assert after
    assert (after.hold, after.erased) == (None, None)
    assert await running.people.get(mere)


async def test_another_hold_than_the_one_that_was_to_end_stands(
    running: Running, clock: SimulatedClock
) -> None:
    _, held = await refer(running, full())
    hold = f"cases/{held.id}/hold"
    await officer(running, "one", "PUT", hold)
    request = await asked(running, f"{hold}/release")
    clock.advance(timedelta(minutes=1))
    await officer(running, "other", "PUT", hold)

    assert await confirmed(running, request) == 409

    after = await running.cases.get(held.id)
    assert after
    assert after.hold


async def test_there_is_no_hold_to_end_where_none_stands(running: Running) -> None:
    _, held = await refer(running, full())

    answer = await officer(running, "one", "POST", f"cases/{held.id}/hold/release")

    assert answer.status_code == 409


async def test_an_erasure_that_broke_off_is_finished_by_confirming_once_more(
    running: Running,
) -> None:
    _, held = await refer(running, full())
    request = await asked(running, f"cases/{held.id}/erasure")
    requests = running.service.store(Requests)
    kept = await requests.get(request.removeprefix("requests/"))
    assert kept
    other = Identity(issuer="i", subject="other")
    # As if whoever stored the second word had died before doing it.
    await requests.save(kept.confirm(other, NOON))

    assert await confirmed(running, request, "third") == 200

    await eventually(lambda: gone(running, held.id))


async def heard_by_notify(running: Running, kind: type[Event]) -> list[Any]:
    """Give what waits for notify of one type."""
    queue = running.broker.queues[topology.queue_of("notify", Lane.ROUTINE)]
    events = [unpack(each, CATALOGUE).data for each in queue.ready]
    return [each for each in events if isinstance(each, kind)]


async def test_what_waits_for_a_second_person_is_told_once(running: Running) -> None:
    _, held = await refer(running, full())
    worker = new_id()
    path = f"cases/{held.id}/erasure"

    for _ in range(2):
        await officer(running, "one", "POST", path, worker=worker)

    async def told() -> list[Any]:
        return await heard_by_notify(running, ConfirmationAsked)

    [asked_for] = await eventually(told)
    assert (asked_for.case_id, asked_for.asked_by) == (held.id, worker)
    assert asked_for.until == NOON + timedelta(days=7)
    assert set(asked_for.model_dump()) == {
        "case_id",
        "request_id",
        "asked_by",
        "asked_at",
        "until",
    }


async def test_whoever_asked_is_told_once_that_it_has_lapsed(
    running: Running, clock: SimulatedClock
) -> None:
    _, held = await refer(running, full())
    worker = new_id()
    path = f"cases/{held.id}/erasure"
    await officer(running, "one", "POST", path, worker=worker)
    clock.advance(timedelta(days=7, seconds=5))

    for _ in range(2):
        await running.service.sweep_once()

    async def told() -> list[Any]:
        return await heard_by_notify(running, ConfirmationLapsed)

    [lapsed] = await eventually(told)
    assert (lapsed.case_id, lapsed.worker_id) == (held.id, worker)
    assert lapsed.late_by == 5


@pytest.mark.parametrize("how", ["confirmed", "withdrawn", "erased"])
async def test_what_is_over_lapses_for_nobody(
    running: Running, clock: SimulatedClock, how: str
) -> None:
    _, held = await refer(running, full())
    request = await asked(running, f"cases/{held.id}/erasure")
    if how == "confirmed":
        await confirmed(running, request)
    elif how == "withdrawn":
        await officer(running, "one", "DELETE", request)
    else:
        await officer(running, "two", "POST", f"cases/{held.id}/erasure")
        await erase(running, f"cases/{held.id}")
        await eventually(lambda: gone(running, held.id))
    clock.advance(timedelta(days=8))

    await running.service.sweep_once()

    assert await heard_by_notify(running, ConfirmationLapsed) == []


async def test_those_that_wait_are_listed_the_first_to_lapse_first(
    running: Running, clock: SimulatedClock
) -> None:
    made = []
    for place in range(4):
        people = [{"role": HARMED, "given_name": f"Mere {place}"}]
        _, held = await refer(running, full(people=people))
        made.append(await asked(running, f"cases/{held.id}/erasure"))
        clock.advance(timedelta(days=2))
    await officer(running, "one", "DELETE", made[1])

    answer = await officer(running, "other", "GET", "requests")

    listed = [f"requests/{each['request_id']}" for each in answer.json()]
    # The first has lapsed, and the second was withdrawn.
    assert listed == made[2:]


async def test_the_query_of_those_that_wait_is_served_by_an_index(
    running: Running,
) -> None:
    requests = running.service.store(Requests)

    explained = await requests.documents.find({"waits_until": {"$gt": NOON}}).explain()

    assert "waits_until_1" in str(explained["queryPlanner"]["winningPlan"])


@pytest.mark.parametrize("held", [True, False])
async def test_a_request_that_is_over_is_erased_after_its_time_unless_a_hold_stands(
    running: Running, clock: SimulatedClock, *, held: bool
) -> None:
    _, known = await refer(running, full())
    request = await asked(running, f"cases/{known.id}/erasure")
    await officer(running, "one", "DELETE", request)
    request_id = request.removeprefix("requests/")
    requests = running.service.store(Requests)
    if held:
        await officer(running, "one", "PUT", f"cases/{known.id}/hold")
    await running.service.sweep_once()
    clock.advance(timedelta(days=364))
    await running.service.sweep_once()
    before = await requests.get(request_id)
    clock.advance(timedelta(days=1))

    await running.service.sweep_once()

    assert before
    assert (await requests.get(request_id) is not None) is held
    if held:
        case_ = await running.cases.get(known.id)
        assert case_
        await running.cases.save(case_.released(case_.hold, RETENTION, clock.now()))
        clock.advance(timedelta(days=1))
        await running.service.sweep_once()
        assert await requests.get(request_id) is None
