"""An agency's sandbox: its test keys, invented people, and nothing that happens."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from accord_chassis.clock import SimulatedClock
from accord_chassis.testing import NOON, eventually, new_id
from referrals.domain.sandbox import is_reserved
from referrals.domain.telling import Identifier
from referrals.trying import Trials
from referrals_builders import JOHN, MERE, Running, body, nhi

SANDBOX = "/v1/sandbox/referrals"
HER = {**MERE, "identifiers": [nhi("ZZZ0016")]}
HIM = {**JOHN, "identifiers": [{"system": "police_person_record", "value": "TEST-7"}]}


def invented(**told: Any) -> dict[str, Any]:
    return body(**{"people": [HER, HIM], "reference": "T-1", **told})


async def key(running: Running, agency: str = "police", **told: Any) -> dict[str, str]:
    """Have a test key made; give the headers of whoever comes with it."""
    made = await running.administer(
        "POST", f"/{agency}/keys", {"days": 30, "test": True, **told}
    )
    assert made.status_code == 201, made.text
    return {"Authorization": f"Bearer {made.json()['key']}"}


async def tries(
    running: Running, headers: Mapping[str, str], told: dict[str, Any]
) -> httpx2.Response:
    return await running.http.post(SANDBOX, headers=headers, json=told)


async def kept(running: Running) -> dict[str, int]:
    """Count what is stored of referrals."""
    stores = (running.referrals, running.people, running.cases)
    return {e.collection: await e.documents.count_documents({}) for e in stores}


@pytest.mark.parametrize(
    ("system", "value", "reserved"),
    [
        ("nhi", "ZZZ0016", True),
        ("nhi", "zzz 0016", True),
        ("nhi", "ZBN77VL", True),
        ("nhi", "ABC1235", False),
        ("nhi", "ZZI0016", False),
        ("nhi", "ZZZ00167", False),
        ("nhi", "TEST-1", False),
        ("passport", "TEST-1", True),
        ("passport", "LA123456", False),
        ("passport", "ZZZ0016", False),
    ],
)
def test_what_is_reserved_for_tests_is_known(
    system: str, value: str, *, reserved: bool
) -> None:
    assert is_reserved(Identifier(system=system, value=value)) is reserved


async def test_what_is_tried_out_is_answered_as_a_real_one_and_nothing_happens(
    running: Running,
) -> None:
    headers = await key(running)

    tried = await tries(running, headers, invented())

    real = (await running.submit(invented())).json()
    assert tried.status_code == 202
    receipt = tried.json()
    own = ("referral_id", "status_url")
    assert {k: v for k, v in receipt.items() if k not in own} == {
        k: v for k, v in real.items() if k not in own
    }
    assert receipt["referral_id"] != real["referral_id"]
    assert tried.headers["Location"] == f"{SANDBOX}/{receipt['referral_id']}"
    await eventually(lambda: running.cases.of_referral(real["referral_id"]))
    assert await kept(running) == {"referrals": 1, "people": 2, "cases": 1}
    [document] = [
        each async for each in running.service.store(Trials).documents.find({})
    ]
    assert "Mere" not in str(document)
    assert "ZZZ0016" not in str(document)
    assert not document["outbox"]


async def changes(
    running: Running,
    headers: Mapping[str, str],
    trial: str,
    told: dict[str, Any],
    *,
    key: str = "a",
    seen: int = 0,
    what: str = "amendments",
) -> httpx2.Response:
    """Try out changing what was tried out."""
    sent = {**headers, "Idempotency-Key": key, "If-Match": f'"{seen}"'}
    path = f"{SANDBOX}/{trial}/{what}"
    return await running.http.post(path, headers=sent, json=told)


async def test_what_was_tried_out_is_changed_as_a_real_one_and_nothing_is_kept(
    running: Running,
) -> None:
    headers, other = await key(running), await key(running, "hospital")
    trial = (await tries(running, headers, invented())).json()["referral_id"]
    real = (await running.submit(invented())).json()["referral_id"]
    child = {"role": "child", "given_name": "Tama", "identifiers": [nhi("ZZZ0024")]}
    told = {
        "narrative": "What was seen.",
        "people": [{"person": 0, "given_name": "Aroha"}],
        "add_people": [child],
        "sharing": {"purpose": "fva20_c", "consulted": True},
    }

    tried = await changes(running, headers, trial, told)

    amended = (await running.amend(real, told)).json()
    assert tried.status_code == 202, tried.text
    assert tried.json()["fields"] == amended["fields"]
    assert tried.headers["ETag"] == '"1"'
    again = await changes(running, headers, trial, told)
    assert again.json() == tried.json()
    strange = {"people": [{"person": 3, "gender": "female"}]}
    taken = [
        await changes(running, headers, trial, told | {"narrative": "Other."}),
        await changes(running, headers, trial, told, key="b"),
        await changes(running, headers, trial, strange, key="b", seen=1),
        await changes(running, other, trial, told, key="b", seen=1),
    ]
    assert [each.status_code for each in taken] == [422, 412, 422, 404]
    # Nor is anybody taken who may be real.
    nobody = {"add_people": [{"role": "other", "given_name": "Kiri"}]}
    wrong = await changes(running, headers, trial, nobody, key="b", seen=1)
    assert wrong.json()["errors"][0]["rule"] == "test identifier missing"
    gone = await changes(
        running, headers, trial, {"reason": "wrong_person"}, key="c", what="withdrawal"
    )
    assert gone.json()["reason"] == "wrong_person"
    late = await changes(running, headers, trial, told, key="d", seen=2)
    assert late.status_code == 409
    read = await running.http.get(f"{SANDBOX}/{trial}", headers=headers)
    assert read.headers["ETag"] == '"2"'
    assert read.json()["withdrawn"]["reason"] == "wrong_person"
    assert [each["fields"] for each in read.json()["amendments"]] == [
        tried.json()["fields"]
    ]
    store = running.service.store(Trials)
    [document] = [each async for each in store.documents.find({})]
    assert not any(each in str(document) for each in ("Aroha", "Tama", "What was"))
    assert not document["outbox"]
    assert document["purpose"] == "fva20_c"


async def test_a_test_key_opens_the_sandbox_and_no_other_door(
    running: Running,
) -> None:
    headers = await key(running)
    real = (await running.submit(invented())).json()["referral_id"]

    doors = [
        await running.http.post("/v1/referrals", headers=headers, json=invented()),
        await running.http.get(f"/v1/referrals/{real}", headers=headers),
        await running.http.get("/v1/inquiries", headers=headers),
        await running.http.get("/v1/referrals/batch/template", headers=headers),
    ]

    assert {each.status_code for each in doors} == {403}


async def test_nothing_but_a_test_key_opens_the_sandbox(running: Running) -> None:
    made = await running.administer("POST", "/police/keys", {"days": 30})
    live = {"Authorization": f"Bearer {made.json()['key']}"}
    scopes = ("referrals.submit", "referrals.read", "referrals.sandbox")
    token = running.bearer(*scopes)
    granted = await running.register("police", scopes=["referrals.sandbox"])

    assert (await tries(running, live, invented())).status_code == 403
    assert (await tries(running, token, invented())).status_code == 403
    assert granted.status_code == 422


@pytest.mark.parametrize(
    ("people", "wrong"),
    [
        (
            [{**MERE, "identifiers": [nhi("ABC1235")]}, HIM],
            ("/body/people/0/identifiers/0/value", "not a test identifier"),
        ),
        ([HER, JOHN], ("/body/people/1/identifiers", "test identifier missing")),
        ([HER, {**HER, "role": "other"}], ("/body/people/1", "same person twice")),
    ],
)
async def test_only_invented_people_are_taken(
    running: Running, people: list[Any], wrong: tuple[str, str]
) -> None:
    answer = await tries(running, await key(running), invented(people=people))

    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert (error["pointer"], error["rule"]) == wrong
    assert "ABC1235" not in answer.text
    assert await running.service.store(Trials).documents.count_documents({}) == 0


async def test_sent_again_it_is_known_and_told_otherwise_it_is_refused(
    running: Running, clock: SimulatedClock
) -> None:
    headers = await key(running)
    first = await tries(running, headers, invented())
    clock.advance(timedelta(minutes=9))

    again = await tries(running, headers, invented())
    otherwise = await tries(running, headers, invented(narrative="More."))
    keyless = await tries(running, headers, invented(reference=None))

    assert again.json() == first.json()
    assert otherwise.json()["type"] == "urn:accord:problem:key-used-before"
    assert keyless.json()["type"] == "urn:accord:problem:no-key"


async def test_it_reaches_a_stage_a_minute_for_its_agency_alone(
    running: Running, clock: SimulatedClock
) -> None:
    mine, theirs = await key(running), await key(running, "hospital")
    url = (await tries(running, mine, invented())).json()["status_url"]

    seen = []
    for _ in range(7):
        shown = (await running.http.get(url, headers=mine)).json()
        seen.append(shown["status"])
        clock.advance(timedelta(minutes=1))

    assert seen == [
        "received", "assessed", "allocated", "being_acted_on", "contact_made",
        "closed", "closed",
    ]  # fmt: skip
    assert shown["closed_as"] == "completed"
    real = (await running.submit(invented())).json()["referral_id"]
    as_shown = (await running.status(real)).json()
    assert shown.keys() == as_shown.keys()
    assert (await running.http.get(url, headers=theirs)).status_code == 404
    nothing = await running.http.get(f"{SANDBOX}/{new_id()}", headers=mine)
    assert nothing.status_code == 404


async def test_a_batch_is_tried_out_line_by_line(running: Running) -> None:
    headers = await key(running)
    real = invented(reference="T-2", people=[MERE, JOHN])
    lines = (invented(), real, invented())

    answer = await running.http.post(
        f"{SANDBOX}/batch",
        headers={**headers, "Content-Type": "application/x-ndjson"},
        content="\n".join(map(json.dumps, lines)).encode(),
    )

    told = [json.loads(each) for each in answer.text.splitlines()]
    statuses = [each["status"] for each in told]
    assert sorted(statuses) == ["accepted", "refused", "repeated"]
    assert statuses[1] == "refused"
    assert told[0]["receipt"]["status_url"].startswith(SANDBOX)
    assert await kept(running) == {"referrals": 0, "people": 0, "cases": 0}


async def test_an_agency_tries_out_before_it_may_refer_and_not_once_it_is_struck_off(
    running: Running,
) -> None:
    later = (NOON + timedelta(days=9)).isoformat()
    await running.register("police", valid_from=later)
    headers = await key(running)

    before = await tries(running, headers, invented())
    await running.register("police", active=False)
    after = await tries(running, headers, invented())

    assert (before.status_code, after.status_code) == (202, 401)


async def test_test_keys_take_no_place_of_the_others(running: Running) -> None:
    for told in ({}, {"test": True}, {}, {"test": True}):
        made = await running.administer("POST", "/police/keys", {"days": 1, **told})
        assert made.status_code == 201

    for told in ({}, {"test": True}):
        made = await running.administer("POST", "/police/keys", {"days": 1, **told})
        assert made.json()["type"] == "urn:accord:problem:two-keys"


async def test_what_was_tried_out_is_forgotten(running: Running) -> None:
    url = (await tries(running, await key(running, days=400), invented())).json()[
        "status_url"
    ]
    trials = running.service.store(Trials)
    held = await trials.get(url.rpartition("/")[2])
    assert held
    assert held.erase_at == NOON + timedelta(days=30)

    await trials.remove(held)

    assert await trials.documents.count_documents({}) == 0
