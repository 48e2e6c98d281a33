"""A case that is erased is erased everywhere: only tombstones stay."""

from typing import Any

from accord_chassis.testing import new_id
from app import Region, eventually
from people import EVERY_SCOPE, Coordinator, ReferringAgency, Somebody

ADDRESS = "1 Somewhere Street"


async def test_an_erased_case_leaves_tombstones_in_every_service(
    region: Region, police: ReferringAgency, coordinator: Coordinator
) -> None:
    told = region.grave_referral(place={"address": ADDRESS})
    referral = await police.refers(told)
    case = await eventually(region.case_of(referral))
    await eventually(coordinator.reads_plan(case))
    await eventually(region.is_quiet)

    await have_erased(region, f"cases/{case}")
    await eventually(region.hears("case.erased.v1", case_id=case))
    await eventually(region.is_quiet)

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


async def test_nothing_of_an_erased_person_is_kept_where_their_case_stays(
    region: Region, police: ReferringAgency, coordinator: Coordinator
) -> None:
    referral = await police.refers(region.grave_referral(place={"address": ADDRESS}))
    case = await eventually(region.case_of(referral))
    await eventually(coordinator.reads_plan(case))
    await eventually(region.is_quiet)
    held = await region.database("referrals")["cases"].find_one({"_id": case})
    assert held
    her, other, *_ = (each["person_id"] for each in held["people"])
    lead = Somebody(region, "listener", *EVERY_SCOPE, worker=region.coordinator.id)
    path = f"/api/plans/v1/plans/{case}"
    for person, words in ((her, "A door that locks."), (other, "My tools.")):
        told = {"side": "person_harmed", "kind": "wants", "strand": "housing"}
        entry = f"{path}/voices/{person}/entries/{new_id()}"
        assert (await lead.sends("PUT", entry, told | {"words": words})).ok
        need = {"person_id": person, "side": "person_harmed", "strand": "housing"}
        need |= {"level": "unmet", "voice": "agreed"}
        assert (await lead.sends("POST", f"{path}/needs", need)).status == 201
    paper = (await lead.reads(f"{path}/papers/outreach")).headers["etag"].strip('"')
    asked = {"audience": "outreach", "paper": paper}
    assert (await lead.sends("POST", f"{path}/releases", asked)).status == 201
    plans = region.database("plans")
    hers = await plans["voices"].find_one({"person_id": her})
    assert hers

    await have_erased(region, f"people/{her}")
    told_of = await eventually(region.hears("person.erased.v1", case_id=case))
    await eventually(region.is_quiet)

    assert told_of.data["person_id"] == her
    parts = ("/voices", "/papers/team", "/needs")
    voices, team, needs = [await lead.reads(f"{path}{each}") for each in parts]
    lead.hang_up()
    assert [each["person_id"] for each in voices.json()] == [other]
    assert "A door that locks." not in team.body.decode()
    assert "My tools." in team.body.decode()
    assert {each["person_id"] for each in needs.json()} == {other}
    vault = region.store[region.surroundings.vault_database]["records"]
    keys = await vault.find_one({"_id": f"voices/{hers['_id']}"})
    assert keys
    assert not any(keys["keys"].values())
    assert not await plans["releases"].find_one({"case_id": case, "ended_at": None})
    assert await plans["plans"].find_one({"_id": case, "erased_at": None})


async def have_erased(region: Region, what: str) -> None:
    """Have two people erase a person or a case."""
    now = int(region.clock.now().timestamp())
    officer, deputy = (
        Somebody(region, each, "referrals.erase", auth_time=now)
        for each in ("privacy officer", "deputy")
    )
    asked = await officer.sends(
        "POST", f"/api/referrals/v1/{what}/erasure", {"reason": "court_order"}
    )
    assert asked.status == 201, asked.body
    path = f"/api/referrals/v1/requests/{asked.json()['request_id']}/confirmation"
    answer = await deputy.sends("POST", path)
    assert answer.status == 200, answer.body
    for each in (officer, deputy):
        each.hang_up()


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
