"""Whom a case is about and what happened, by compartment; addresses one at a time."""

from typing import Any

import httpx2
import pytest
from accord_chassis.testing import COORDINATOR, NOON, audited, new_id
from accord_contracts.access import Side
from referrals.contacting import Contacting
from referrals.domain.case import Case
from referrals.domain.erasure import Decision
from referrals.domain.household import Member
from referrals.domain.ledger import FieldGroup
from referrals.domain.parties import parties_of, using_violence_alone
from referrals.erasing import erase_person
from referrals_builders import (
    CHILD,
    HARMED,
    JOHN,
    MERE,
    USING,
    Running,
    body,
    referral,
)
from structlog.testing import capture_logs
from test_contacts import ADDRESS, NUMBER, confirm
from test_erasing import refer
from test_merging import asks as merge

HERS = frozenset({Side.PERSON_HARMED})
HIS = frozenset({Side.PERSON_USING_VIOLENCE})
MOANA = {"role": "child", "given_name": "Moana", "date_of_birth": "2019-02-01"}
WORDS = "He came back that night."
WISHES = {"gender": "woman", "languages": ["mi"]}
PLACE = {"area": "riccarton", "address": ADDRESS}
TOLD = {
    "people": [MERE, JOHN, MOANA],
    "narrative": WORDS,
    "place": PLACE,
    "wishes": WISHES,
}
SHOWN_HER = {"reason": "visit"}


async def ask(
    running: Running, path: str, told: Any = None, *, ago: int = 0, **claims: Any
) -> httpx2.Response:
    """Have somebody who logged in so many seconds ago ask for something."""
    now = int(running.service.clock.now().timestamp())
    usual = {"agency": "", "worker": COORDINATOR, "auth_time": now - ago}
    scope = claims.pop("scope", "referrals.people")
    headers = running.bearer(scope, **{**usual, **claims})
    method = "GET" if told is None else "POST"
    return await running.http.request(method, f"/v1/{path}", headers=headers, json=told)


async def told_case(running: Running, **fields: Any) -> tuple[str, Case]:
    return await refer(running, body(**{**TOLD, **fields}))


def names(answer: httpx2.Response) -> list[tuple[str | None, tuple[str, ...]]]:
    assert answer.status_code == 200, answer.text
    return [
        (described["given_name"], tuple(each["roles"]))
        for each in answer.json()["people"]
        for described in each["described"]
    ]


async def test_who_works_on_a_case_reads_whom_it_is_about_and_what_happened(
    running: Running,
) -> None:
    referral_id, case = await told_case(running)

    people = await ask(running, f"cases/{case.id}/people")
    accounts = await ask(running, f"cases/{case.id}/accounts")

    assert names(people) == [
        ("Mere", ("person_harmed",)),
        ("John", ("person_using_violence",)),
        ("Moana", ("child",)),
    ]
    [mere, john, _] = people.json()["people"]
    assert mere["described"][0]["date_of_birth"] == MERE["date_of_birth"]
    [wishes] = mere["wishes"]
    assert (wishes["gender"], wishes["languages"]) == ("woman", ["mi"])
    assert (wishes["agency"], john["wishes"]) == ("police", [])
    [account] = accounts.json()["accounts"]
    assert (account["referral_id"], account["agency"]) == (referral_id, "police")
    assert (account["narrative"], account["area"]) == (WORDS, "riccarton")
    assert (account["address_told"], accounts.json()["complete"]) == (True, True)
    assert ADDRESS not in people.text + accounts.text


async def test_who_serves_him_reads_of_him_alone(running: Running) -> None:
    _, case = await told_case(running)
    worker = new_id()
    running.standings.tell(worker, case.id, sides=HIS)

    people = await ask(running, f"cases/{case.id}/people", worker=worker)
    accounts = await ask(running, f"cases/{case.id}/accounts", worker=worker)

    assert names(people) == [("John", ("person_using_violence",))]
    [john] = people.json()["people"]
    assert set(people.json()) == {"case_id", "people"}
    hers = {e.person_id for e in case.people if e.role is not USING}
    assert not [each for each in (*hers, "Mere", "Moana") if each in people.text]
    assert john["wishes"] == []
    assert accounts.status_code == 404
    # Its fields are the same whether she is told of twice or a hundred times.
    await told_case(running, people=[MERE, JOHN, {**MOANA, "given_name": "Tama"}])
    again = await ask(running, f"cases/{case.id}/people", worker=worker)
    assert again.json() == people.json()


@pytest.mark.parametrize(
    ("standing", "status"),
    [
        ({"sides": HERS}, 200),
        ({"sides": HERS, "served": HIS}, 404),
        ({"sides": HERS, "conflict": True}, 404),
        ({"coordinator": True, "excluded": True}, 404),
        ({"sides": HERS, "active": False}, 404),
        ({}, 404),
    ],
)
async def test_who_does_not_work_on_it_reads_nothing(
    running: Running, standing: dict[str, Any], status: int
) -> None:
    referral_id, case = await told_case(running)
    worker = new_id()
    running.standings.tell(worker, case.id, **standing)
    place = f"cases/{case.id}/accounts/{referral_id}/place"

    answers = [
        await ask(running, f"cases/{case.id}/accounts", worker=worker),
        await ask(running, place, SHOWN_HER, worker=worker),
    ]

    assert [each.status_code for each in answers] == [status, status]
    if status != 200 and "served" not in standing:
        people = await ask(running, f"cases/{case.id}/people", worker=worker)
        assert people.status_code == 404
    nowhere = await ask(running, f"cases/{new_id()}/people")
    assert nowhere.status_code == 404


async def test_an_address_is_shown_for_a_need_to_who_has_just_logged_in(
    running: Running,
) -> None:
    referral_id, case = await told_case(running)
    path = f"cases/{case.id}/accounts/{referral_id}/place"

    late = await ask(running, path, SHOWN_HER, ago=301)
    unsaid = await ask(running, path, {})
    with capture_logs() as lines:
        shown = await ask(running, path, SHOWN_HER)

    assert (late.status_code, unsaid.status_code) == (401, 422)
    assert (shown.status_code, shown.json()) == (200, {"address": ADDRESS})
    told = [each for each in lines if each["event"] == "address.revealed"]
    assert [(e["reason"], e["log_level"]) for e in told] == [("visit", "warning")]
    assert ADDRESS not in str(lines)
    entries = await audited(running.service.audit)
    noted = [e for e in entries if e.action == "address.show_for_visit"]
    assert {(e.resource_id, e.outcome) for e in noted} == {(referral_id, "permitted")}
    elsewhere = f"cases/{case.id}/accounts/{new_id()}/place"
    assert (await ask(running, elsewhere, SHOWN_HER)).status_code == 404
    _, other = await refer(running, body(people=[{**MERE, "given_name": "Hana"}]))
    of_another = f"cases/{other.id}/accounts/{referral_id}/place"
    assert (await ask(running, of_another, SHOWN_HER)).status_code == 404


async def test_who_was_shown_where_it_happened_stands_in_the_ledger(
    running: Running,
) -> None:
    referral_id, case = await told_case(running)
    path = f"cases/{case.id}/accounts/{referral_id}/place"
    worker = new_id()
    running.standings.tell(worker, case.id, sides=HERS)
    shelves = running.service.parts[Contacting].shelves

    for _ in range(2):
        shown = await ask(running, path, SHOWN_HER, worker=worker)
        assert shown.status_code == 200

    for each in {e.person_id for e in case.people}:
        [entry] = await shelves.disclosures.about(each)
        assert (entry.worker, entry.group) == (worker, FieldGroup.PIECES)
        assert entry.case_id == case.id


async def test_so_many_addresses_are_shown_within_an_hour_and_no_more(
    running: Running,
) -> None:
    most = 10
    posted = [await told_case(running) for _ in range(most + 1)]
    paths = [f"cases/{case.id}/accounts/{one}/place" for one, case in posted]

    found = [(await ask(running, each, SHOWN_HER)).status_code for each in paths]

    assert found == [200] * most + [429]
    # What was shown stays open, and another may have more shown.
    assert (await ask(running, paths[0], SHOWN_HER)).status_code == 200
    other = await ask(running, paths[-1], SHOWN_HER, subject="another")
    assert other.status_code == 200


async def test_how_she_is_reached_at_a_place_is_masked_until_it_is_asked_for(
    running: Running,
) -> None:
    _, case = await told_case(running)
    mere, point = case.people[0].person_id, new_id()
    said = {"channels": ["visit"], "value": ADDRESS, "code_word": "kiwi"}
    assert await confirm(running, mere, point, **said) == 204
    assert await confirm(running, mere, value=NUMBER) == 204
    scope = {"scope": "referrals.contacts"}

    listed = await ask(running, f"people/{mere}/contacts?purpose=fva20_b", **scope)
    path = f"people/{mere}/contacts/{point}/reveal"
    wanted = {**SHOWN_HER, "purpose": "fva20_b"}
    late = await ask(running, path, wanted, ago=301, **scope)
    shown = await ask(running, path, wanted, **scope)

    found = {e["kind"]: (e["value"], e["masked"]) for e in listed.json()["contacts"]}
    assert found == {"contact_place": (None, True), "contact_number": (NUMBER, False)}
    assert late.status_code == 401
    assert (shown.json()["value"], shown.json()["masked"]) == (ADDRESS, False)
    noted = [e.action for e in await audited(running.service.audit)]
    assert "address.show_for_visit" in noted
    worker = new_id()
    running.standings.tell(worker, case.id, sides=HIS)
    assert (await ask(running, path, wanted, worker=worker, **scope)).status_code == 404
    absent = f"people/{mere}/contacts/{new_id()}/reveal"
    assert (await ask(running, absent, wanted, **scope)).status_code == 404


async def test_what_may_not_be_used_is_not_revealed(running: Running) -> None:
    home = {"channel": "visit", "value": ADDRESS, "safety": "unsafe"}
    people = [{**MERE, "contact_points": [home]}, JOHN]
    _, case = await refer(running, body(people=people))
    mere, scope = case.people[0].person_id, {"scope": "referrals.contacts"}
    listed = await ask(running, f"people/{mere}/contacts?purpose=fva20_b", **scope)
    [point] = listed.json()["contacts"]

    path = f"people/{mere}/contacts/{point['contact_id']}/reveal"
    shown = await ask(running, path, {**SHOWN_HER, "purpose": "fva20_b"}, **scope)

    assert (shown.status_code, shown.json()["value"]) == (200, None)
    assert (point["masked"], ADDRESS in shown.text) == (False, False)


async def test_who_is_erased_is_not_there_and_nobodys_words_about_them(
    running: Running,
) -> None:
    referral_id, case = await told_case(running)
    mere, shelves = case.people[0].person_id, running.service.parts[Contacting].shelves
    decision = Decision(reason="asked", by="x", at=NOON)

    await erase_person(mere, decision, NOON, shelves)

    people = await ask(running, f"cases/{case.id}/people")
    [account] = (await ask(running, f"cases/{case.id}/accounts")).json()["accounts"]
    assert [name for name, _ in names(people)] == ["John", "Moana"]
    assert (account["narrative"], account["address_told"]) == (None, False)
    place = f"cases/{case.id}/accounts/{referral_id}/place"
    assert (await ask(running, place, SHOWN_HER)).status_code == 404


async def test_what_was_taken_back_stands_there_without_its_words(
    running: Running,
) -> None:
    referral_id, case = await told_case(running)
    assert (await running.withdraw(referral_id)).status_code == 202

    [account] = (await ask(running, f"cases/{case.id}/accounts")).json()["accounts"]

    assert (account["withdrawn"], account["narrative"]) == (True, None)
    place = f"cases/{case.id}/accounts/{referral_id}/place"
    assert (await ask(running, place, SHOWN_HER)).status_code == 404


async def test_what_is_merged_into_a_case_is_read_with_it_by_who_may_read_both(
    running: Running,
) -> None:
    _, case = await told_case(running)
    hana = {**MERE, "given_name": "Hana"}
    _, other = await refer(running, body(people=[hana], narrative="Elsewhere."))
    assert (await merge(running, "merge", case.id, other.id)).status_code == 200
    barred = new_id()
    running.standings.tell(barred, case.id, sides=HERS)
    running.standings.tell(barred, other.id, sides=HERS, conflict=True)

    whole = await ask(running, f"cases/{case.id}/people")
    part = await ask(running, f"cases/{case.id}/people", worker=barred)
    accounts = await ask(running, f"cases/{case.id}/accounts", worker=barred)

    assert {name for name, _ in names(whole)} == {"Mere", "John", "Moana", "Hana"}
    assert {name for name, _ in names(part)} == {"Mere", "John", "Moana"}
    assert [e["narrative"] for e in accounts.json()["accounts"]] == [WORDS]


@pytest.mark.parametrize("what", ["people", "accounts"])
async def test_who_bears_their_name_and_looks_them_up_is_noticed(
    running: Running, what: str
) -> None:
    _, case = await told_case(running)

    seen = await ask(running, f"cases/{case.id}/{what}", family_name="Tamihana")

    assert seen.status_code == 200
    assert "namesake.seen" in [
        each.action for each in await audited(running.service.audit)
    ]


def test_parts_are_as_a_person_has_put_them_right() -> None:
    mere, john, jack, moana = (new_id() for _ in range(4))
    people = [
        Member(person_id=mere, role=HARMED),
        Member(person_id=john, role=USING),
        Member(person_id=jack, role=USING),
        Member(person_id=jack, role=HARMED),
        Member(person_id=moana, role=CHILD),
    ]
    told = referral(MERE, JOHN).recognised((mere, john))

    found = parties_of(people, [told], frozenset({moana}))

    assert [(each.person_id, each.roles) for each in found] == [
        (mere, (HARMED,)),
        (john, (USING,)),
        (jack, (HARMED, USING)),
    ]
    # Of whom it is not settled that he was not harmed, nothing is shown.
    assert [each.person_id for each in using_violence_alone(found)] == [john]
