"""Whoever coordinates, and a privacy officer, read who looked at a case."""

from typing import Any

import httpx2
import pytest
from accord_chassis.testing import NOON, message_of, new_id
from accord_contracts.referrals import CaseMerged
from allocation_builders import OUTREACH, SPECIALIST, Front, Running


@pytest.fixture
def office(running: Running) -> Front:
    return Front(running)


async def looks(office: Front, who: str, case_id: str) -> None:
    answer = await office.ask("GET", f"/allocations?case_id={case_id}", who=who)
    assert answer.status_code == 404


async def test_whoever_coordinates_reads_who_looked_at_a_case_and_what_is_one_with_it(
    office: Front,
) -> None:
    lead, snoop = await office.hires(duty_coordinator=True), await office.hires()
    survivor, other = await office.case(), await office.case()
    await looks(office, snoop, other)
    merged = CaseMerged(case_id=other, survivor_id=survivor, merged_at=NOON)
    await office.running.hears(message_of(merged, version=2))
    await looks(office, snoop, survivor)
    path = f"/cases/{survivor}/looked-at"

    answer = await office.ask("GET", path, who=lead)
    own, second, first = answer.json()

    assert (own["worker_id"], own["action"]) == (lead, "looked_at.read")
    assert [each["case_id"] for each in (second, first)] == [survivor, other]
    assert {each["worker_id"] for each in (second, first)} == {snoop}
    assert (first["ground"], first["outcome"]) == ("no_relation", "refused")
    assert first["intact"]
    again = await office.ask("GET", f"{path}?after={second['entry_id']}", who=lead)
    assert again.json() == [first]


async def test_an_entry_that_somebody_changed_is_shown_as_such(office: Front) -> None:
    lead, snoop = await office.hires(duty_coordinator=True), await office.hires()
    case_id = await office.case()
    await looks(office, snoop, case_id)
    entries = office.running.service.audit.entries
    changed = {"rule": 7, "subject": None, "fields": [1]}
    await entries.update_one({"case_id": case_id}, {"$set": changed})

    answer = await office.ask("GET", f"/cases/{case_id}/looked-at", who=lead)

    found = answer.json()[-1]
    assert (found["intact"], found["ground"], found["parts"]) == (False, None, ["1"])


async def test_who_looked_is_for_whoever_coordinates_or_a_privacy_officer(
    office: Front,
) -> None:
    case_id = await office.case()
    path = f"/cases/{case_id}/looked-at"

    async def outside(**claims: Any) -> httpx2.Response:
        token = office.running.issuer.token(
            "somebody", "allocation.lookups", region="test", **claims
        )
        headers = {"Authorization": f"Bearer {token}"}
        return await office.running.http.get(f"/v1{path}", headers=headers)

    now = int(office.running.clock.now().timestamp())

    answers = [
        await office.ask("GET", path, who=await office.hires(role))
        for role in (OUTREACH, SPECIALIST)
    ]
    absent = await office.ask(
        "GET", f"/cases/{new_id()}/looked-at", who=await office.hires(SPECIALIST)
    )
    officer = await outside(auth_time=now)
    others = [await outside(auth_time=now, agency="police"), await outside()]

    assert [each.status_code for each in (*answers, absent, *others)] == [404] * 5
    assert officer.status_code == 200
    assert officer.json()[0]["action"] == "looked_at.read"


async def test_who_looked_is_hidden_from_whoever_is_barred(office: Front) -> None:
    lead, relative, _ = [await office.hires(duty_coordinator=True) for _ in range(3)]
    case_id = await office.case()
    await office.lists(case_id, lead, conflicts=[relative])

    answer = await office.ask("GET", f"/cases/{case_id}/looked-at", who=relative)

    assert answer.status_code == 404
