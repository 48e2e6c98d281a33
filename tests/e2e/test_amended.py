"""An agency corrects its referral after workers were found, and then takes it back."""

from typing import Any

from accord_chassis.testing import new_id
from app import Region, eventually
from people import SUPPORT, Coordinator, ReferringAgency

AMENDED = "referral.amended.v1"
WITHDRAWN = "referral.withdrawn.v1"


async def test_whoever_works_on_a_case_is_told_what_the_agency_does_to_its_referral(
    region: Region, police: ReferringAgency, coordinator: Coordinator
) -> None:
    referral = await police.refers(region.referral(yes=("prior_violence",)))
    case = await eventually(region.case_of(referral))
    asked = (await eventually(coordinator.finds_asked(case, SUPPORT)))[SUPPORT]
    await asked.accepts()
    await eventually(region.has_reached("allocated", referral))
    assert (await coordinator.risk_of(case))["level"] == "low"

    key = new_id()
    more = {
        "answers": {"threat_to_kill": "yes"},
        "people": [{"person": 0, "given_name": "Sentinel"}],
    }
    first = await police.amends(referral, more, key=key)
    again = await police.amends(referral, more, key=key)

    assert (first.status, first.body) == (202, again.body)
    amended = await eventually(region.hears(AMENDED, case_id=case))
    assert {*amended.data["groups"]} == {"answers", "people"}
    await eventually(asked.worker.sees(AMENDED, case))
    await eventually(region.hears("risk.changed.v1", case_id=case, level="high"))

    assert (await police.withdraws(referral, "wrong_person")).status == 202

    await eventually(coordinator.sees(WITHDRAWN, case))
    await eventually(asked.worker.sees(WITHDRAWN, case))
    late = await police.amends(referral, {"narrative": "Late."}, key=new_id(), seen=2)
    assert late.status == 409
    # What rests on it stays, until a person decides.
    assert (await coordinator.risk_of(case))["level"] == "high"
    roles = await coordinator.roles_of(case)
    assert roles[SUPPORT]["status"] == "accepted"
    assert len(region.bus.all(AMENDED, case_id=case)) == 1
    assert "Sentinel" not in str(region.bus.all(AMENDED, case_id=case))


async def test_whom_she_wishes_for_now_is_asked_and_what_is_not_met_is_shown(
    region: Region, police: ReferringAgency, coordinator: Coordinator
) -> None:
    referral = await police.refers(
        region.referral(wishes={"gender": "man"}, yes=("prior_violence",))
    )
    case = await eventually(region.case_of(referral))
    first = (await eventually(coordinator.finds_asked(case, SUPPORT)))[SUPPORT]

    now = {"wishes": {"gender": "woman"}}
    assert (await police.amends(referral, now, key=new_id())).status == 202

    async def asked_anew() -> Any:
        held = (await coordinator.roles_of(case))[SUPPORT]
        asked_another = held["worker_id"] not in {None, first.worker.id}
        return held if asked_another and held["status"] == "offered" else None

    held = await eventually(asked_anew)
    before, after = held["offers"]
    assert before["answer"] == "withdrawn"
    assert "gender_met" in after["reasons"]
    assert held["unmet"] == []

    woman = (await eventually(coordinator.finds_asked(case, SUPPORT)))[SUPPORT]
    await woman.accepts()
    again = {"wishes": {"gender": "man"}}
    assert (await police.amends(referral, again, key=new_id(), seen=1)).status == 202

    async def shown() -> Any:
        held = (await coordinator.roles_of(case))[SUPPORT]
        return held if held["unmet"] else None

    held = await eventually(shown)
    assert (held["status"], held["worker_id"]) == ("accepted", woman.worker.id)
    assert held["unmet"] == ["gender"]


async def test_another_agency_can_neither_amend_nor_withdraw(
    region: Region, police: ReferringAgency, hospital: ReferringAgency
) -> None:
    referral = await police.refers(region.referral())

    amended = await hospital.amends(referral, {"narrative": "No."}, key=new_id())
    withdrawn = await hospital.withdraws(referral, "other")

    assert (amended.status, withdrawn.status) == (404, 404)
    told = (await police.asks_after(referral)).json()
    assert (told["amendments"], told["withdrawn"]) == ([], None)
