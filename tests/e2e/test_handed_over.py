"""What becomes known of a family, her request for it, and the case handed over."""

from datetime import UTC, datetime, timedelta
from typing import Any

from app import Region, eventually
from people import Coordinator, ReferringAgency, Somebody

CASES = "/api/referrals/v1/cases"
RIGHTS = "/api/referrals/v1/rights"
HARMED, USING = "person_harmed", "person_using_violence"
DASH = {
    "instrument": "dash",
    "answers": {f"dash_{number:02}": "yes" for number in range(1, 15)},
}
SHARED: dict[str, Any] = {
    "decision": "shared",
    "reason": "will_or_may_help",
    "answers": {"stalking": "yes"},
    "belief": "will_help",
    "consulted": True,
}
GROUNDS = {"belief": "will_help", "consulted": True, "purpose": "fva20_c"}


def ago(days: int) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat()


async def parts_of(region: Region, case: str) -> dict[str, str]:
    """Give who is in a case, by their part."""
    held = await region.database("referrals")["cases"].find_one({"_id": case})
    assert held
    return {each["role"]: each["person_id"] for each in held["people"]}


async def asks_about(
    coordinator: Coordinator, case: str, person: str, agency: str
) -> str:
    """Have an agency asked about somebody: the inquiry's id."""
    told = {**GROUNDS, "agencies": [agency], "people": [person]}
    answer = await coordinator.sends("POST", f"{CASES}/{case}/inquiries", told)
    assert answer.status == 201, answer.body
    inquiry_id: str = answer.json()["inquiries"][0]["inquiry_id"]
    return inquiry_id


def told_of_him(region: Region, known: dict[str, Any]) -> dict[str, Any]:
    """Tell of somebody else whom the same man has harmed."""
    told = region.referral()
    him = [each for each in known["people"] if each["role"] == USING]
    others = [each for each in told["people"] if each["role"] != USING]
    return {**told, "people": [*others, *him]}


async def breaches_an_order(
    region: Region, police: ReferringAgency, referral: str, case: str
) -> None:
    """Have the agency that told of an order tell that it was breached: it weighs."""
    held = await region.database("referrals")["referrals"].find_one({"_id": referral})
    assert held
    place = [each["role"] for each in held["told"]["people"]].index(USING)
    bail = {"kind": "bail", "starts_at": ago(9), "conditions": ["no_contact"]}
    path = f"/api/referrals/v1/referrals/{referral}/orders"
    order = await police.sends("POST", path, {**bail, "bound": [place]})
    assert order.status == 201, order.body
    breaches = f"{path}/{order.json()['order_id']}/breaches"
    breach = await police.sends("POST", breaches, {"occurred_at": ago(1)})
    assert breach.status == 201, breach.body
    await eventually(region.hears("order.breached.v1", case_id=case))

    async def weighed() -> bool:
        held = await region.coordinator.risk_of(case)
        return "incident_breach_of_order" in held["reasons"]

    await eventually(weighed)
    await eventually(region.coordinator.sees("order.breached.v1", case))


async def is_pushed(region: Region, case: str, other: str, him: str) -> None:
    """Have two cases ask about him: what one is told is made known to the other."""
    coordinator = region.coordinator
    await asks_about(coordinator, case, him, "refuge")
    inquiry = await asks_about(coordinator, other, him, "corrections")
    decided = await region.agency("corrections").sends(
        "POST", f"/api/referrals/v1/inquiries/{inquiry}/decision", SHARED
    )
    assert decided.ok, decided.body
    pushed = await eventually(region.hears("information.pushed.v1", case_id=case))
    assert pushed.data["answers"] == SHARED["answers"]
    await eventually(coordinator.sees("information.pushed.v1", case))


async def is_answered(region: Region, her: str) -> list[str]:
    """Have her ask for what is held of her, one decide, another confirm: her names."""
    at = int(region.clock.now().timestamp())
    one, two = (
        Somebody(region, each, "referrals.rights", auth_time=at)
        for each in ("privacy-one", "privacy-two")
    )
    wish = {"right": "access", "person_id": her, "proof": "in_person"}
    taken = await one.sends("POST", RIGHTS, {**wish, "reference": f"file_{her[:8]}"})
    assert taken.status == 201, taken.body
    request = f"{RIGHTS}/{taken.json()['rights_id']}"
    granted = {"outcome": "granted", "release": ["identity"]}
    said = await one.sends("POST", f"{request}/decision", granted)
    assert said.ok, said.body
    meant = {"decided_at": said.json()["decided_at"]}
    assert (await two.sends("POST", f"{request}/confirmation", meant)).ok
    export = (await one.reads(f"{request}/export")).json()
    for each in (one, two):
        each.hang_up()
    return [each["given_name"] for each in export["identity"]]


async def is_handed_over(region: Region, case: str) -> list[dict[str, Any]]:
    """Have a coordinator hand a case over, which ends here: what is to be posted."""
    coordinator = region.coordinator
    terms = {**GROUNDS, "to": "refuge", "reason": "she_moved"}
    moved = await coordinator.sends("POST", f"{CASES}/{case}/transfer", terms)
    assert moved.status == 201, moved.body
    await eventually(region.hears("plan.closed.v1", case_id=case, reason="transferred"))
    await eventually(coordinator.sees("case.transferred.v1", case))

    async def closed_to_change() -> bool:
        path = f"/api/risk/v1/assessments/{case}/answers"
        answer = await coordinator.sends("POST", path, {"answers": {"stalking": "yes"}})
        return answer.status == 409 and "closed-to-change" in answer.json()["type"]

    await eventually(closed_to_change)
    found: list[dict[str, Any]] = moved.json()["referrals"]
    return found


async def test_what_becomes_known_is_weighed_pushed_answered_for_and_handed_over(
    region: Region,
    police: ReferringAgency,
    hospital: ReferringAgency,
    coordinator: Coordinator,
) -> None:
    first = region.referral(instruments=[DASH])
    # Invented names are few: both might have the same one by chance.
    him = next(each for each in first["people"] if each["role"] == USING)
    him["given_name"] = "Zebedee"
    referral = await police.refers(first)
    case = await eventually(region.case_of(referral))
    await eventually(region.hears("risk.assessed.v1", case_id=case, level="high"))
    second = await hospital.refers(told_of_him(region, first))
    other = await eventually(region.case_of(second))
    parts = await parts_of(region, case)
    assert (await parts_of(region, other))[USING] == parts[USING]

    await breaches_an_order(region, police, referral, case)
    await is_pushed(region, case, other, parts[USING])
    names = await is_answered(region, parts[HARMED])
    [packed] = await is_handed_over(region, case)

    told = {each["role"]: each for each in first["people"]}
    assert names == [told[HARMED]["given_name"]]
    assert told[USING]["given_name"] not in str(names)
    # Who refers is not told that it was handed over; whoever did it is told of more.
    amended = await police.amends(referral, {"narrative": "More."}, key="late")
    assert amended.status == 202, amended.body
    await eventually(region.hears("transfer.outdated.v1", case_id=case))
    assert (await coordinator.risk_of(case))["level"] == "high"
    assert [each["kind"] for each in packed["orders"]] == ["bail"]
    anew = await eventually(region.case_of(await hospital.refers(packed["referral"])))
    assert anew not in {case, other}
    await eventually(region.hears("risk.assessed.v1", case_id=anew, level="high"))
    assert not await region.parked()
