"""How people may be reached, over HTTP and on the real store."""

from datetime import timedelta
from typing import Any

import httpx2
import pytest
from accord_chassis import topology
from accord_chassis.binding import unpack
from accord_chassis.clock import SimulatedClock
from accord_chassis.testing import (
    COORDINATOR,
    NOON,
    audited,
    eventually,
    message_of,
    new_id,
)
from accord_contracts.access import Side
from accord_contracts.catalogue import CATALOGUE
from accord_contracts.message import Lane
from accord_contracts.notify import ContactStopped
from accord_contracts.referrals import ContactSuspended
from referrals.contact_store import ContactBooks
from referrals.contacting import Contacting, stop
from referrals.domain.erasure import Decision
from referrals.erasing import forget
from referrals_builders import JOHN, MERE, Running, body

NUMBER, OTHER_NUMBER = "021 555 0100", "021 555 0199"
ADDRESS = "1 Somewhere Street"
SIDES = frozenset({Side.PERSON_HARMED})


def contact(value: str = NUMBER, **fields: Any) -> dict[str, Any]:
    return {"channel": "phone", "value": value, "safety": "safe", **fields}


async def told_of(running: Running, *contacts: dict[str, Any], **fields: Any) -> str:
    """Have an agency refer Mere with ways to reach her, and give her id."""
    people = [{**MERE, "contact_points": contacts}, fields.pop("john", JOHN)]
    posted = await running.submit(body(people=people), key=new_id(), **fields)
    referral_id = posted.json()["referral_id"]
    found = await eventually(lambda: running.cases.of_referral(referral_id))
    assert found
    held = await running.referrals.get(referral_id)
    assert held
    return held.person_ids[0]


async def ask(
    running: Running, method: str, path: str, told: Any = None, **claims: Any
) -> httpx2.Response:
    claims = {"agency": "", "worker": COORDINATOR, **claims}
    scope = claims.pop("scope", "referrals.contacts")
    headers = running.bearer(scope, **claims)
    return await running.http.request(
        method, f"/v1/people/{path}", headers=headers, json=told
    )


async def read(running: Running, person: str, **asked: Any) -> httpx2.Response:
    purpose = asked.pop("purpose", "fva20_b")
    return await ask(running, "GET", f"{person}/contacts?purpose={purpose}", **asked)


async def points(running: Running, person: str) -> list[dict[str, Any]]:
    answer = await read(running, person)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["contacts"]
    return found


async def confirm(
    running: Running, person: str, contact_id: str = "", **told: Any
) -> int:
    by = {"worker": told.pop("worker", COORDINATOR)}
    said = {"state": "confirmed", "channels": ["phone"], "value": NUMBER, **told}
    path = f"{person}/contacts/{contact_id or new_id()}"
    return (await ask(running, "PUT", path, said, **by)).status_code


async def permission(running: Running, person: str, **told: Any) -> httpx2.Response:
    claims = {"worker": "", "scope": "referrals.reach", **told.pop("claims", {})}
    asked = {"channel": "phone", "purpose": "fva20_c", **told}
    path = f"{person}/contact-permission"
    return await ask(running, "POST", path, asked, **claims)


def refusals(point: dict[str, Any]) -> list[str | None]:
    return [each["refused"] for each in point["channels"]]


async def test_what_is_safe_is_shown_and_that_it_was_is_audited(
    running: Running,
) -> None:
    mere = await told_of(running, contact(code_word="piwakawaka"))

    [point] = await points(running, mere)

    assert (point["value"], point["code_word"]) == (NUMBER, "piwakawaka")
    shown = [
        each
        for each in await audited(running.service.audit)
        if each.action == "contact.show"
    ]
    assert [each.fields for each in shown] == [("code_word", "value")]
    assert shown[0].resource_id == point["contact_id"]
    assert shown[0].purpose == "fva20_b"


async def test_what_one_agency_calls_unsafe_shows_a_code_alone(
    running: Running,
) -> None:
    mere = await told_of(running, contact(code_word="piwakawaka"))
    unsafe = contact("+64 21 555 0100", channel="text", safety="unsafe")
    assert await told_of(running, unsafe, agency="hospital") == mere

    answer = await read(running, mere)

    [point] = answer.json()["contacts"]
    assert refusals(point) == ["unsafe", "unsafe"]
    assert not {"555", "piwakawaka"} & {*answer.text.replace('"', " ").split()}
    assert (point["value"], point["code_word"]) == (None, None)
    # Asked anew, she says how it is now.
    assert await confirm(running, mere, point["contact_id"]) == 204
    [point] = await points(running, mere)
    assert (point["value"], refusals(point)) == (NUMBER, [None, "channel"])
    [told] = (await permission(running, mere)).json()["permissions"]
    assert told["confirmed_at"] == point["confirmed_at"]


async def test_of_what_was_taken_back_only_what_warns_counts(running: Running) -> None:
    mere = await told_of(running, contact("021 555 0123"))
    unsafe = contact(safety="unsafe")
    assert await told_of(running, unsafe, agency="hospital") == mere
    for each in await running.referrals.of_person(mere):
        agency = each.sender.agency
        assert (await running.withdraw(each.id, agency=agency)).status_code == 202

    [point] = await points(running, mere)

    assert refusals(point)[0] == "unsafe"


async def test_what_also_reaches_who_uses_violence_is_not_shown(
    running: Running,
) -> None:
    home = contact(ADDRESS, channel="post")
    mere = await told_of(running, home, john={**JOHN, "contact_points": [home]})

    [point] = await points(running, mere)

    assert refusals(point) == ["read_by_others"]
    assert ADDRESS not in str(point)


async def test_only_who_works_on_the_right_side_of_a_case_has_it(
    running: Running,
) -> None:
    mere = await told_of(running, contact())
    [case] = await running.cases.of_people([mere])
    side = frozenset({Side.PERSON_USING_VIOLENCE})
    standings: list[tuple[int, dict[str, Any]]] = [
        (200, {"sides": SIDES}),
        (404, {"sides": side}),
        (404, {"sides": SIDES, "served": side}),
        (404, {}),
        (404, {"sides": SIDES, "conflict": True}),
        (404, {"coordinator": True, "excluded": True}),
    ]
    for status, standing in standings:
        worker = new_id()
        running.standings.tell(worker, case.id, **standing)
        assert (await read(running, mere, worker=worker)).status_code == status
        path = f"{mere}/contacts/{new_id()}"
        said = {"state": "confirmed", "channels": ["phone"], "value": NUMBER}
        changed = await ask(running, "PUT", path, said, worker=worker)
        assert (changed.status_code == 204) is (status == 200)
    nowhere = new_id()
    assert (await read(running, nowhere)).status_code == 404
    assert await confirm(running, nowhere) == 404
    assert await running.service.store(ContactBooks).get(nowhere) is None
    assert (await read(running, mere, purpose="operation")).status_code == 403
    nothing = await ask(running, "GET", f"{mere}/contacts")
    assert nothing.status_code == 422


async def test_who_is_barred_from_one_case_of_a_person_has_it_by_no_other(
    running: Running,
) -> None:
    aroha = {**MERE, "given_name": "Aroha"}
    mere = await told_of(running, contact())
    people = [{**aroha, "role": "person_harmed"}, {**MERE, "role": "other"}]
    posted = await running.submit(body(people=people), key="other")
    referral_id = posted.json()["referral_id"]
    other = await eventually(lambda: running.cases.of_referral(referral_id))
    cases = await running.cases.of_people([mere])
    assert other
    assert len(cases) == 2
    for standing, status in (({}, 200), ({"conflict": True}, 404)):
        worker = new_id()
        for each in cases:
            told: dict[str, Any] = standing if each.id == other.id else {"sides": SIDES}
            running.standings.tell(worker, each.id, **told)

        assert (await read(running, mere, worker=worker)).status_code == status


async def test_where_somebody_else_answered_who_leads_is_told_and_nobody_calls(
    running: Running,
) -> None:
    mere = await told_of(running, contact())
    [case] = await running.cases.of_people([mere])
    [point] = await points(running, mere)
    path = f"{mere}/contacts/{point['contact_id']}/suspension"

    for _ in range(2):
        answer = await ask(running, "POST", path, {"reason": "someone_else_answered"})
        assert answer.status_code == 204

    [point] = await points(running, mere)
    assert refusals(point) == ["suspended"]
    assert (point["value"], point["suspended"]) == (None, "someone_else_answered")
    answer = await permission(running, mere)
    assert [e["refused"] for e in answer.json()["permissions"]] == ["suspended"]

    async def idle() -> bool:
        return running.service.idle()

    await eventually(idle)
    queue = running.broker.queues[topology.queue_of("notify", Lane.URGENT)]
    [told] = [unpack(each, CATALOGUE).data for each in queue.ready]
    assert isinstance(told, ContactSuspended)
    assert (told.case_id, told.contact_id) == (case.id, point["contact_id"])
    nowhere = f"{mere}/contacts/{new_id()}/suspension"
    absent = await ask(running, "POST", nowhere, {"reason": "not_theirs"})
    assert absent.status_code == 404


async def test_a_number_that_an_amendment_adds_is_as_new_as_the_amendment(
    running: Running, clock: SimulatedClock
) -> None:
    """Else whoever calls as her has it told by a referral from before she was asked."""
    early = "021 555 0155"
    mere = await told_of(running, contact(), contact("021 555 0177"))
    [hers, *_] = await points(running, mere)
    [referral] = await running.referrals.of_person(mere)

    async def adds(value: str, seen: int) -> None:
        more = {"add_contact_points": [{"person": 0, **contact(value)}]}
        answer = await running.amend(referral.id, more, key=new_id(), seen=seen)
        assert answer.status_code == 202

    clock.advance(timedelta(days=1))
    await adds(early, 0)
    clock.advance(timedelta(days=1))
    assert await confirm(running, mere, hers["contact_id"]) == 204
    clock.advance(timedelta(days=1))
    await adds(OTHER_NUMBER, 1)

    refused = [refusals(each) for each in await points(running, mere)]
    assert refused == [[None], [None], [None], ["not_confirmed"]]


async def test_a_new_address_closes_the_old_one_and_its_key_is_destroyed(
    running: Running,
) -> None:
    mere, first, second = await told_of(running), new_id(), new_id()
    said = {"channels": ["post", "visit"], "duress_word": "pīwakawaka"}
    assert await confirm(running, mere, first, value=ADDRESS, **said) == 204
    [point] = await points(running, mere)
    assert (point["masked"], point["duress_word"]) == (True, "pīwakawaka")

    assert await confirm(running, mere, second, value="2 Elsewhere Road", **said) == 204

    found = {e["contact_id"]: e["masked"] for e in await points(running, mere)}
    assert found == {first: False, second: True}
    books = running.service.store(ContactBooks)
    keys = await books.vault.keys_of(books.record(mere))
    assert keys[f"point/{first}"] is None
    assert keys[f"point/{second}"]
    document = await books.documents.find_one({"_id": mere})
    assert ADDRESS not in str(document)
    assert "Elsewhere" not in str(document)
    # Neither the old id nor its key serves again.
    assert await confirm(running, mere, first, value=ADDRESS, **said) == 409


async def test_an_id_whose_key_is_gone_is_not_used_for_a_value_nobody_could_read(
    running: Running,
) -> None:
    mere, first, second = await told_of(running), new_id(), new_id()
    assert await confirm(running, mere, first) == 204
    assert await confirm(running, mere, second) == 204

    assert await confirm(running, mere, first) == 409

    [point] = await points(running, mere)
    assert (point["contact_id"], point["value"]) == (second, NUMBER)


async def test_a_point_that_is_closed_is_gone(running: Running) -> None:
    mere = await told_of(running, contact())
    [point] = await points(running, mere)
    path = f"{mere}/contacts/{point['contact_id']}"

    closed = await ask(running, "PUT", path, {"state": "closed"})

    assert closed.status_code == 204
    [point] = await points(running, mere)
    assert (refusals(point), point["value"]) == (["closed"], None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"channels": ["phone", "email"]},
        {"channels": []},
        {"code_word": "kiwi", "duress_word": "kiwi"},
        {"hours": [{"days": ["monday"], "starts": "9:00", "ends": "17:00"}]},
        {"hours": [{"days": [], "starts": "09:00", "ends": "17:00"}]},
        {"hours": [{"days": ["monday"], "starts": "09:00", "ends": "24:00"}]},
    ],
)
async def test_what_does_not_fit_together_is_refused(
    running: Running, wrong: dict[str, Any]
) -> None:
    mere = await told_of(running)

    assert await confirm(running, mere, **wrong) == 422


async def test_hours_and_days_that_are_over_show_nothing(
    running: Running, clock: SimulatedClock
) -> None:
    mere = await told_of(running, contact())
    window = {"days": ["monday"], "starts": "09:00", "ends": "09:01"}
    assert await confirm(running, mere, value=OTHER_NUMBER, hours=[window]) == 204

    codes = {each["value"]: refusals(each) for each in await points(running, mere)}
    assert codes == {NUMBER: [None], None: ["outside_hours"]}
    clock.advance(timedelta(days=29))
    found = await points(running, mere)
    assert [refusals(each) for each in found] == [["expired"], ["expired"]]
    assert [each["value"] for each in found] == [None, None]


async def test_hours_and_words_that_an_agency_told_are_kept_like_those_she_said(
    running: Running, clock: SimulatedClock
) -> None:
    # It is one o'clock in the night to Tuesday.
    night = {"days": ["monday"], "starts": "22:00", "ends": "02:00"}
    words = {"code_word": "kererū", "duress_word": "tūī"}
    mere = await told_of(running, contact(windows=[night], **words))

    [found] = await points(running, mere)
    assert found["value"] == NUMBER
    assert {name: found[name] for name in words} == words
    clock.advance(timedelta(hours=1))
    [found] = await points(running, mere)
    assert refusals(found) == ["outside_hours"]
    assert not any(found[name] for name in ("value", *words))
    told = (await permission(running, mere)).json()["permissions"]
    assert [(e["permitted"], e["refused"]) for e in told] == [(False, "outside_hours")]


@pytest.mark.parametrize(
    ("wrong", "at"),
    [
        ({"windows": []}, "windows"),
        (
            {"windows": [{"days": ["monday"], "starts": "9:00", "ends": "17:00"}]},
            "windows/0/starts",
        ),
        ({"code_word": "Tūī", "duress_word": "tui"}, ""),
    ],
)
async def test_hours_and_words_that_cannot_be_kept_to_are_refused(
    running: Running, wrong: dict[str, Any], at: str
) -> None:
    people = [{**MERE, "contact_points": [contact(**wrong)]}, JOHN]

    answer = await running.submit(body(people=people), key="k")

    pointer = f"/body/people/0/contact_points/0/{at}".rstrip("/")
    assert answer.status_code == 422
    assert pointer in [each["pointer"] for each in answer.json()["errors"]]
    assert "tui" not in answer.text


async def test_a_service_is_told_a_value_only_with_a_yes(running: Running) -> None:
    mere = await told_of(running, contact(), contact(OTHER_NUMBER, safety="unknown"))

    answer = await permission(running, mere)

    told = answer.json()["permissions"]
    assert [(e["permitted"], e["value"], e["refused"]) for e in told] == [
        (True, NUMBER, None),
        (False, None, "unknown"),
    ]
    none = await permission(running, mere, channel="email")
    assert none.json()["permissions"] == []
    by_people: list[dict[str, Any]] = [{"worker": COORDINATOR}, {"agency": "police"}]
    for claims in by_people:
        refused = await permission(running, mere, claims=claims)
        assert refused.status_code in {403, 404}
    assert (await permission(running, new_id())).status_code == 404


async def test_a_service_reaches_for_a_case_only_who_was_harmed_in_it(
    running: Running,
) -> None:
    mere = await told_of(running, contact(code_word="piwakawaka"))
    [case] = await running.cases.of_people([mere])
    john = next(e.person_id for e in case.people if e.person_id != mere)

    told = await permission(running, mere, case_id=case.id)
    for_another = await permission(running, mere, case_id=new_id())
    of_who_harmed = await permission(running, john, case_id=case.id)

    [point] = told.json()["permissions"]
    assert (point["value"], point["word_agreed"]) == (NUMBER, True)
    assert "piwakawaka" not in told.text
    assert told.json()["case_ids"] == [case.id]
    assert for_another.status_code == of_who_harmed.status_code == 404


async def test_what_came_back_to_stop_suspends_the_point_until_somebody_asks(
    running: Running,
) -> None:
    mere = await told_of(running, contact())
    [case] = await running.cases.of_people([mere])
    [point] = await points(running, mere)
    contacting: Contacting = running.service.parts[Contacting]
    told = {"case_id": case.id, "person_id": mere, "stopped_at": NOON}

    for contact_id in (point["contact_id"], new_id()):
        stopped = ContactStopped(contact_id=contact_id, **told)
        await stop(message_of(stopped), contacting=contacting)

    [seen] = await points(running, mere)
    assert (seen["value"], seen["suspended"]) == (None, "asked_to_stop")


async def test_nobody_asks_whether_they_might_have_called_before(
    running: Running, clock: SimulatedClock
) -> None:
    mere = await told_of(running, contact())
    clock.advance(timedelta(days=8))
    now = clock.now()

    for at in (NOON, now - timedelta(minutes=2), now + timedelta(hours=25)):
        answer = await permission(running, mere, at=at.isoformat())
        assert answer.status_code == 422
        assert NUMBER not in answer.text
    just = await permission(running, mere, at=(now - timedelta(seconds=9)).isoformat())
    assert [e["refused"] for e in just.json()["permissions"]] == ["expired"]


async def test_who_is_erased_is_reached_by_nobody(running: Running) -> None:
    mere = await told_of(running)
    assert await confirm(running, mere) == 204
    by = running.service.parts[Contacting]
    books = running.service.store(ContactBooks)
    before = await books.get(mere)
    assert before

    await forget(mere, Decision(reason="asked", by="x", at=NOON), by.shelves)

    assert await books.get(mere) is None
    keys = await books.vault.keys_of(books.record(mere))
    assert keys
    assert not any(keys.values())
    # Whoever is just writing something of them leaves nothing.
    assert await confirm(running, mere) == 404
    assert await books.get(mere) is None


async def test_what_referrals_told_is_found_by_an_index(running: Running) -> None:
    person = {"person_ids": new_id()}
    query = running.referrals.documents.find(person).sort("received_at", -1)

    plan = await query.explain()

    assert "IXSCAN" in str(plan["queryPlanner"]["winningPlan"])
    assert "COLLSCAN" not in str(plan["queryPlanner"]["winningPlan"])
