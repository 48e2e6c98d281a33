"""A case that is erased is erased everywhere: only tombstones stay."""

from typing import Any

from app import Region, eventually
from people import Coordinator, ReferringAgency, Somebody

ADDRESS = "1 Somewhere Street"


async def test_an_erased_case_leaves_tombstones_in_every_service(
    region: Region, police: ReferringAgency, coordinator: Coordinator
) -> None:
    told = region.grave_referral(place={"address": ADDRESS})
    referral = await police.refers(told)
    case = await eventually(region.case_of(referral))
    await eventually(coordinator.reads_plan(case))
    await eventually(region.is_quiet)
    now = int(region.clock.now().timestamp())
    officer, deputy = (
        Somebody(region, each, "referrals.erase", auth_time=now)
        for each in ("privacy officer", "deputy")
    )

    asked = await officer.sends(
        "POST", f"/api/referrals/v1/cases/{case}/erasure", {"reason": "court_order"}
    )
    request = asked.json()["request_id"]
    answer = await deputy.sends(
        "POST", f"/api/referrals/v1/requests/{request}/confirmation"
    )
    await eventually(region.hears("case.erased.v1", case_id=case))
    await eventually(region.is_quiet)
    for each in (officer, deputy):
        each.hang_up()

    assert (asked.status, answer.status) == (201, 200)
    referrals = region.database("referrals")
    assert await referrals["cases"].find_one({"_id": case}) is None
    assert await referrals["tombstones"].find_one({"_id": case})
    kept = await referrals["referrals"].find_one({"_id": referral})
    assert kept
    assert not any(kept["sealed"].values())
    assert kept["told"]["answers"] == {}
    vault = region.store[region.surroundings.vault_database]["records"]
    keys = await vault.find_one({"_id": f"referrals/{referral}"})
    assert keys
    assert not any(keys["keys"].values())
    assert await erased_in(region, case) == {
        "risk.assessments": True,
        "plans.plans": True,
        "allocation.staffings": True,
        "notify.teams": True,
    }
    # That their offers are taken back, workers are told once more, after that.
    notifications = region.database("notify")["notifications"]
    standing = {"case_id": case, "ended_at": None}
    events = [each["event"] async for each in notifications.find(standing)]
    assert set(events) <= {"allocation.withdrawn.v1"}


async def erased_in(region: Region, case: str) -> dict[str, bool]:
    """Tell which documents of a case say that it is erased, and hold nothing else."""
    empty: dict[str, dict[str, Any]] = {
        "risk.assessments": {"answers": {}, "reasons": []},
        "plans.plans": {"actions": [], "versions": []},
        "allocation.staffings": {"roles": {}, "heard": {}},
        "notify.teams": {"members": []},
    }
    found = {}
    for name, fields in empty.items():
        service, collection = name.split(".")
        document = await region.database(service)[collection].find_one({"_id": case})
        erased = document is not None and document["erased_at"] is not None
        found[name] = erased and fields.items() <= (document or {}).items()
    return found
