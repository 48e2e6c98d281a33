"""A way to reach her is used only while nothing speaks against it, and then is gone."""

from typing import Any

from accord_chassis.testing import new_id
from app import Region, eventually
from people import (
    HIGH_RISK_TEAM,
    LEAD,
    OUTREACH,
    SPECIALIST,
    Coordinator,
    ReferringAgency,
    Somebody,
)

NUMBER = "021 555 0100"
SUSPENDED = "contact.suspended.v1"


def told(region: Region, known_by: str, **contact: Any) -> dict[str, Any]:
    """Make a referral of one family, as one agency tells of how to reach her."""
    point = {"channel": "phone", "value": NUMBER, "safety": "safe", **contact}
    referral = region.grave_referral()
    harmed = next(e for e in referral["people"] if e["role"] == "person_harmed")
    harmed["identifiers"] = [{"system": "police_person_record", "value": known_by}]
    harmed["contact_points"] = [point]
    return {**referral, "people": [harmed]}


async def test_a_number_that_another_agency_calls_unsafe_is_refused_and_erased(
    region: Region, police: ReferringAgency, coordinator: Coordinator
) -> None:
    known_by = f"Z{new_id()[:8]}1"
    hospital = region.agency("hospital")
    case = await eventually(region.case_of(await police.refers(told(region, known_by))))
    asked = await eventually(coordinator.finds_asked(case, *HIGH_RISK_TEAM))
    for each in asked.values():
        await each.accepts()
    held = await region.database("referrals")["cases"].find_one({"_id": case})
    assert held
    mere = held["people"][0]["person_id"]
    path = f"/api/referrals/v1/people/{mere}/contacts"
    specialist, outreach = asked[SPECIALIST].worker, asked[OUTREACH].worker

    async def shown() -> dict[str, Any]:
        answer = await specialist.reads(f"{path}?purpose=fva20_b")
        assert answer.ok, answer.body
        [point] = answer.json()["contacts"]
        found: dict[str, Any] = point
        return found

    assert (await shown())["value"] == NUMBER
    assert (await outreach.reads(f"{path}?purpose=fva20_b")).status == 404

    unsafe = told(region, known_by, channel="text", safety="unsafe")
    assert await eventually(region.case_of(await hospital.refers(unsafe))) == case

    point = await shown()
    assert point["value"] is None
    assert {each["refused"] for each in point["channels"]} == {"unsafe"}

    contact = f"{path}/{point['contact_id']}"
    said = {"state": "confirmed", "channels": ["phone"], "value": NUMBER}
    assert (await specialist.sends("PUT", contact, said)).ok
    assert (await shown())["value"] == NUMBER
    why = {"reason": "someone_else_answered"}
    assert (await specialist.sends("POST", f"{contact}/suspension", why)).ok
    assert (await shown())["value"] is None
    await eventually(region.hears(SUSPENDED, case_id=case))
    await eventually(asked[LEAD].worker.sees(SUSPENDED, case))
    assert not await outreach.sees(SUSPENDED, case)()

    await erase(region, mere)

    kept = await region.database("referrals")["contacts"].find_one({"_id": mere})
    vault = region.store[region.surroundings.vault_database]["records"]
    keys = await vault.find_one({"_id": f"contacts/{mere}"})
    assert kept is None
    assert keys
    assert not any(keys["keys"].values())


async def erase(region: Region, person_id: str) -> None:
    """Have two people erase somebody."""
    now = int(region.clock.now().timestamp())
    officer, deputy = (
        Somebody(region, each, "referrals.erase", auth_time=now)
        for each in ("privacy officer", "deputy")
    )
    path = f"/api/referrals/v1/people/{person_id}/erasure"
    asked = await officer.sends("POST", path, {"reason": "court_order"})
    request = asked.json()["request_id"]
    path = f"/api/referrals/v1/requests/{request}/confirmation"
    answer = await deputy.sends("POST", path)
    for each in (officer, deputy):
        each.hang_up()
    assert answer.ok, answer.body
