"""The register of agencies: who may refer, by which token or key, and until when."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import httpx2
import pytest
from accord_chassis.clock import SimulatedClock
from accord_chassis.keys import Keys
from accord_chassis.store import Conflict
from accord_chassis.testing import NOON, new_id
from accord_contracts.referrals import AgencyKind
from referrals.domain.agency import (
    Agency,
    AgencyScope,
    Key,
    NoSuchKey,
    Registration,
    TwoKeys,
)
from referrals.register import FRESH_SECONDS, Register
from referrals.store import Agencies, Referrals
from referrals_builders import Running, body

UNKNOWN = "00000000-0000-4000-8000-000000000001"
"""The id of nothing; the same in every process that collects these tests."""

SENTINEL = "sentinelname"


def registration(**told: Any) -> Registration:
    return Registration(kind=AgencyKind.POLICE, **told)


def key(key_id: str = "a" * 16, *, at: datetime = NOON, days: int = 1) -> Key:
    until = at + timedelta(days=days)
    return Key(id=key_id, hash="hash", made_at=at, until=until)


async def submit_as(running: Running, headers: Mapping[str, str]) -> httpx2.Response:
    """Post a referral that nobody has posted."""
    told = body(reference=new_id())
    return await running.http.post("/v1/referrals", headers=headers, json=told)


async def made_key(running: Running, agency: str = "police") -> dict[str, Any]:
    answer = await running.administer("POST", f"/{agency}/keys", {"days": 30})
    assert answer.status_code == 201
    told: dict[str, Any] = answer.json()
    return told


def with_key(made: Mapping[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {made['key']}"}


def pass_seconds(running: Running, seconds: float) -> None:
    """Let time pass for what the register remembers."""
    register: Register = running.service.parts[Register]
    register._answers = {
        each: (asked - seconds, found)
        for each, (asked, found) in register._answers.items()
    }


@pytest.mark.parametrize(
    ("told", "may"),
    [
        ({}, True),
        ({"valid_from": NOON}, True),
        ({"valid_from": NOON + timedelta(seconds=1)}, False),
        ({"valid_until": NOON + timedelta(seconds=1)}, True),
        ({"valid_until": NOON}, False),
        ({"active": False}, False),
        ({"active": False, "valid_from": NOON}, False),
    ],
)
def test_an_agency_may_refer_while_it_is_registered(
    told: dict[str, Any], *, may: bool
) -> None:
    assert Agency.named("police", registration(**told)).may_refer(NOON) is may


def test_two_keys_are_good_at_a_time() -> None:
    made = Agency.named("police", registration())
    two = made.with_key(key("a" * 16)).with_key(key("b" * 16, days=9))

    with pytest.raises(TwoKeys):
        two.with_key(key("c" * 16))

    later = NOON + timedelta(days=1)
    three = two.with_key(key("c" * 16, at=later))
    assert [each.id[0] for each in three.keys] == ["b", "c"]
    assert three.key("b" * 16, later)
    assert three.key("a" * 16, later) is None
    assert two.without_key("a" * 16).with_key(key("c" * 16))
    with pytest.raises(NoSuchKey):
        two.without_key("c" * 16)


def test_the_last_use_of_a_key_is_known_by_the_hour() -> None:
    made = Agency.named("police", registration()).with_key(key())
    used = made.used("a" * 16, NOON + timedelta(minutes=20))

    assert used.keys[0].last_used_at == NOON
    assert used.used("a" * 16, NOON + timedelta(minutes=40)) is used
    assert used.used("a" * 16, NOON + timedelta(minutes=61)) is not used
    assert used.used("b" * 16, NOON + timedelta(minutes=61)) is used


async def test_the_register_says_of_what_kind_an_agency_is(running: Running) -> None:
    await running.register("hospital", kind="health")
    headers = running.bearer(agency="hospital", agency_kind="police")

    taken = await submit_as(running, headers)

    assert taken.status_code == 202
    stored = await running.service.store(Referrals).get(taken.json()["referral_id"])
    assert stored
    assert stored.sender.agency_kind is AgencyKind.HEALTH


@pytest.mark.parametrize("claims", [{"agency": ""}, {"agency": "", "worker": "w-1"}])
async def test_who_acts_for_no_agency_refers_nobody(
    running: Running, claims: dict[str, str]
) -> None:
    answer = await submit_as(running, running.bearer(**claims))

    assert (answer.status_code, answer.json()["detail"]) == (
        403,
        "The token names no agency.",
    )


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/referrals"),
        ("POST", "/v1/referrals/batch"),
        ("GET", f"/v1/referrals/{UNKNOWN}"),
    ],
)
@pytest.mark.parametrize("agency", [SENTINEL, "../police", "Police", "kura"])
async def test_an_agency_that_is_not_registered_can_do_nothing(
    running: Running, method: str, path: str, agency: str
) -> None:
    await running.register("kura", active=False)
    headers = running.bearer(agency=agency) | {"Content-Type": "application/x-ndjson"}

    answer = await running.http.request(method, path, headers=headers)

    assert answer.status_code == 403
    assert answer.json()["type"] == "urn:accord:problem:not-registered"
    assert agency not in answer.text


async def test_an_agency_that_is_struck_off_is_refused_at_once_whatever_its_token(
    running: Running,
) -> None:
    headers, made = running.bearer(), await made_key(running)
    taken = await submit_as(running, headers)
    assert (await submit_as(running, with_key(made))).status_code == 202

    await running.register("police", active=False)

    assert (await submit_as(running, headers)).status_code == 403
    assert (await submit_as(running, with_key(made))).status_code == 401
    mine = taken.json()["referral_id"]
    assert (await running.status(mine)).status_code == 403
    await running.register("police")
    assert (await submit_as(running, headers)).status_code == 202
    assert (await running.status(mine)).status_code == 200


async def test_what_another_replica_changes_is_effective_within_five_seconds(
    running: Running,
) -> None:
    token, key_ = running.bearer(), with_key(await made_key(running))
    # That a key was used is noted the first time, and all is asked anew then.
    for headers in (key_, key_, token):
        assert (await submit_as(running, headers)).status_code == 202
    agencies = running.service.store(Agencies)
    await agencies.documents.update_one(
        {"code": "police"}, {"$set": {"told.active": False}}
    )
    register: Register = running.service.parts[Register]
    assert {found.told.active for _, found in register._answers.values() if found} == {
        True
    }

    pass_seconds(running, FRESH_SECONDS)

    assert FRESH_SECONDS <= 5
    assert (await submit_as(running, token)).status_code == 403
    assert (await submit_as(running, key_)).status_code == 401


async def test_what_was_asked_before_a_change_is_not_believed_after_it(
    running: Running,
) -> None:
    register: Register = running.service.parts[Register]
    asking, changed = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        asking.set()
        await changed.wait()

    asked = asyncio.ensure_future(register._fresh("agency police", slow))
    await asking.wait()
    register.forget()
    changed.set()
    await asked

    assert "agency police" not in register._answers


async def test_an_agency_is_let_do_no_more_than_the_register_says(
    running: Running,
) -> None:
    await running.register("police", scopes=["referrals.read"])
    made = await made_key(running)

    for headers in (running.bearer(), with_key(made)):
        assert (await submit_as(running, headers)).status_code == 403
        unknown = await running.http.get(f"/v1/referrals/{new_id()}", headers=headers)
        assert unknown.status_code == 404


async def test_a_register_entry_ends_by_the_clock(
    running: Running, clock: SimulatedClock
) -> None:
    ends = clock.now() + timedelta(days=1)
    await running.register("police", valid_until=ends.isoformat())
    made = await made_key(running)
    assert (await submit_as(running, running.bearer())).status_code == 202

    clock.advance(timedelta(days=1))

    assert (await submit_as(running, running.bearer())).status_code == 403
    assert (await submit_as(running, with_key(made))).status_code == 401


async def test_a_key_refers_for_its_agency_and_reads_its_own_alone(
    running: Running,
) -> None:
    made, theirs = await made_key(running), await made_key(running, "hospital")

    taken = await submit_as(running, with_key(made))

    assert taken.status_code == 202
    path = taken.json()["status_url"]
    mine = await running.http.get(path, headers=with_key(made))
    others = await running.http.get(path, headers=with_key(theirs))
    assert (mine.status_code, others.status_code) == (200, 404)
    # The agency's own token sees what its key has posted.
    assert (await running.http.get(path, headers=running.bearer())).status_code == 200


async def test_the_next_key_of_an_agency_gets_the_same_receipt(
    running: Running,
) -> None:
    made, following = await made_key(running), await made_key(running)
    told = body(reference="P-17")
    first = await running.http.post("/v1/referrals", headers=with_key(made), json=told)
    await running.administer("DELETE", f"/police/keys/{made['key_id']}")

    again = await running.http.post(
        "/v1/referrals", headers=with_key(following), json=told
    )

    assert again.json() == first.json()
    assert (await submit_as(running, with_key(made))).status_code == 401


async def test_a_key_is_shown_once_and_kept_nowhere(running: Running) -> None:
    made = await made_key(running)
    secret = made["key"].removeprefix(f"accord_{made['key_id']}_")
    await submit_as(running, with_key(made))

    shown = await running.administer("GET", "/police")
    listed = await running.administer("GET", "")

    [kept] = shown.json()["keys"]
    assert kept["key_id"] == made["key_id"]
    assert kept["last_used_at"] == "2026-11-02T12:00:00Z"
    agencies = running.service.store(Agencies)
    [document] = [each async for each in agencies.documents.find({"code": "police"})]
    held = document["keys"][0]["hash"]
    assert held.startswith("$argon2id$")
    for text in (shown.text, listed.text, str(document)):
        assert secret not in text
    for text in (shown.text, listed.text):
        assert held not in text
        assert "hash" not in text


async def test_a_key_opens_nothing_after_its_end(
    running: Running, clock: SimulatedClock
) -> None:
    made = await made_key(running)
    assert (await submit_as(running, with_key(made))).status_code == 202

    clock.advance(timedelta(days=30))

    assert (await submit_as(running, with_key(made))).status_code == 401


async def test_a_wrong_key_is_answered_with_a_challenge_that_echoes_nothing(
    running: Running, capsys: pytest.CaptureFixture[str]
) -> None:
    made = await made_key(running)
    wrong = made["key"][:-4] + ("AAAA" if made["key"][-4:] != "AAAA" else "BBBB")

    for sent in (wrong, f"accord_{SENTINEL}", f"accord_{'a' * 16}_{'b' * 43}"):
        answer = await submit_as(running, {"Authorization": f"Bearer {sent}"})
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert sent not in answer.text + capsys.readouterr().out


async def test_three_keys_are_one_too_many(running: Running) -> None:
    first = await made_key(running)
    await made_key(running)

    refused = await running.administer("POST", "/police/keys", {})
    assert (refused.status_code, refused.json()["type"]) == (
        409,
        "urn:accord:problem:two-keys",
    )

    path = f"/police/keys/{first['key_id']}"
    assert (await running.administer("DELETE", path)).status_code == 204
    assert (await running.administer("DELETE", path)).status_code == 404
    assert (await running.administer("POST", "/police/keys", {})).status_code == 201


@pytest.mark.parametrize(
    ("method", "path", "told"),
    [
        ("PUT", "/police", {"kind": "police"}),
        ("GET", "/police", None),
        ("GET", "", None),
        ("POST", "/police/keys", {}),
        ("DELETE", f"/police/keys/{'a' * 16}", None),
    ],
)
async def test_the_register_is_kept_by_its_administrator_alone(
    running: Running, method: str, path: str, told: dict[str, Any] | None
) -> None:
    made = await made_key(running)
    for headers in (running.bearer(), with_key(made)):
        answer = await running.http.request(
            method, f"/v1/agencies{path}", headers=headers, json=told
        )
        assert answer.status_code == 403


@pytest.mark.parametrize(
    "told",
    [
        {"kind": "circus"},
        {"scopes": ["referrals.admin"]},
        {"registered_as": "club"},
        {"valid_from": "2026-11-02"},
        {SENTINEL: 1},
    ],
)
async def test_an_agency_is_registered_as_something_that_there_is(
    running: Running, told: dict[str, Any]
) -> None:
    answer = await running.register("police", **told)

    assert answer.status_code == 422
    assert SENTINEL not in answer.text


@pytest.mark.parametrize("days", [0, 401, "many"])
async def test_a_key_is_for_no_longer_than_a_year_and_a_month(
    running: Running, days: Any
) -> None:
    answer = await running.administer("POST", "/police/keys", {"days": days})

    assert answer.status_code == 422


async def test_the_register_is_read_and_listed(running: Running) -> None:
    await running.register("refuge", kind="ngo", registered_as="family_violence_agency")

    shown = (await running.administer("GET", "/refuge")).json()
    first = (await running.administer("GET", "?limit=2")).json()
    rest = (await running.administer("GET", "?after=police")).json()

    assert {*shown.pop("scopes")} == {*AgencyScope}
    assert shown == {
        "code": "refuge",
        "kind": "ngo",
        "registered_as": "family_violence_agency",
        "active": True,
        "valid_from": None,
        "valid_until": None,
        "periods": [],
        "keys": [],
    }
    assert [each["code"] for each in first["agencies"]] == ["hospital", "police"]
    assert first["after"] == "police"
    assert [each["code"] for each in rest["agencies"]] == ["refuge"]
    assert (await running.administer("GET", "/kura")).status_code == 404
    assert (await running.administer("POST", "/kura/keys", {})).status_code == 404


async def test_changing_an_agency_leaves_its_keys(running: Running) -> None:
    made = await made_key(running)

    await running.register("police", registered_as="family_violence_agency")

    assert (await submit_as(running, with_key(made))).status_code == 202


async def test_two_keys_made_at_once_beside_one_are_not_three(
    running: Running,
) -> None:
    await made_key(running)

    answers = await asyncio.gather(
        *(running.administer("POST", "/police/keys", {}) for _ in range(2))
    )

    assert sorted(each.status_code for each in answers) == [201, 409]


async def test_an_agency_that_changed_meanwhile_is_not_overwritten(
    running: Running,
) -> None:
    agencies = running.service.store(Agencies)
    [held] = await agencies.page("hospital", 1)
    await agencies.save(held.with_key(key()))

    with pytest.raises(Conflict):
        await agencies.save(held.registered(registration(active=False)))


@pytest.mark.parametrize("query", [{"keys.id": "a"}, {"code": {"$gt": "a"}}])
async def test_every_query_of_the_register_is_served_by_an_index(
    running: Running, query: dict[str, Any]
) -> None:
    found = running.service.store(Agencies).documents.find(query).sort("code", 1)

    plan = (await found.explain())["queryPlanner"]["winningPlan"]

    assert "IXSCAN" in str(plan)
    assert "COLLSCAN" not in str(plan)


async def test_where_tokens_must_be_bound_no_key_is_taken(running: Running) -> None:
    made = await made_key(running)
    app = running.http._transport.app  # type: ignore[attr-defined]
    assert Keys in running.service.parts

    app.state.authority.bound_only = True

    assert (await submit_as(running, with_key(made))).status_code == 401
