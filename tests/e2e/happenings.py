"""What may happen to families beside the main journey, a few requests each."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from accord_chassis.testing import new_id
from app import Region, eventually
from meetings import PATH, Held, called
from people import LEAD, Somebody, Told
from test_erased import have_erased
from test_handed_over import USING, asks_about, is_handed_over, is_pushed, parts_of

REFERRALS = "/api/referrals/v1"
HARMED = "person_harmed"
BUSY = 503


async def happens(region: Region, *looks: tuple[str, dict[str, object]]) -> None:
    """Wait until events have been heard."""
    for type_, fields in looks:
        await eventually(region.hears(type_, **fields))


async def be_merged(region: Region, survivor: str, other: str) -> None:
    """Have two cases merged, and that taken back."""
    coordinator = region.coordinator
    assert (await coordinator.merges(survivor, other)).ok
    await happens(region, ("case.merged.v1", {"case_id": other}))
    risk = partial(coordinator.risk_of, survivor)
    await eventually(partial(_stands, risk, "merged", [other]))
    assert (await coordinator.unmerges(survivor, other)).ok
    await happens(region, ("case.unmerged.v1", {"case_id": other}))
    await eventually(partial(_stands, risk, "merged", []))


async def _stands(
    look: Callable[[], Awaitable[dict[str, Any]]], name: str, value: object
) -> bool:
    """Look whether a field of something says so."""
    return (await look())[name] == value


async def be_one_person(region: Region, one: str, other: str) -> None:
    """Have two people compared, found to be one, and then not."""
    coordinator = region.coordinator
    people = [(await parts_of(region, each))[HARMED] for each in (one, other)]
    path = f"{REFERRALS}/matches"
    asked = await coordinator.sends("POST", path, {"people": people})
    assert asked.ok, asked.body
    match = f"{path}/{asked.json()['match_id']}"
    same = {"same": True, "reason": "she_said_so"}
    decided = await coordinator.sends("POST", f"{match}/decision", same)
    assert decided.ok, decided.body
    await happens(region, ("person.merged.v1", {}))
    back = await coordinator.sends("POST", f"{match}/reversal", {"reason": "mistake"})
    assert back.ok, back.body
    await happens(region, ("person.unmerged.v1", {}))


async def be_turned_round(region: Region, case: str, again: Told) -> None:
    """Have another agency tell it the other way round, and somebody decide."""
    swapped = {HARMED: USING, USING: HARMED}
    people = [
        {**each, "role": swapped.get(each["role"], each["role"])}
        for each in again["people"]
    ]
    await region.agency("hospital").refers({**again, "people": people})
    doubt = await eventually(region.hears("roles.questioned.v1", case_id=case))
    right = {
        "harmed": doubt.data["using_violence"],
        "using_violence": doubt.data["harmed"],
        "reason": "looked_into",
    }
    path = f"{REFERRALS}/cases/{case}/roles"
    answer = await region.coordinator.sends("POST", path, right)
    assert answer.ok, answer.body
    await happens(region, ("roles.decided.v1", {"case_id": case}))


async def be_pushed(region: Region, case: str, other: str) -> None:
    """Have two cases ask about the same man, and one agency asked no more."""
    coordinator = region.coordinator
    him = (await parts_of(region, case))[USING]
    assert (await parts_of(region, other))[USING] == him
    await is_pushed(region, case, other, him)
    inquiry = await asks_about(coordinator, case, him, "kura")
    path = f"{REFERRALS}/cases/{case}/inquiries/{inquiry}/withdrawal"
    answer = await coordinator.sends("POST", path, {"reason": "not_needed"})
    assert answer.ok, answer.body
    await happens(region, ("information.withdrawn.v1", {"case_id": case}))


async def be_worse(region: Region, case: str) -> None:
    """Have it become known that a family is in more danger than was thought."""
    worse = {"answers": {"threat_to_kill": "yes", "escalation": "yes"}}
    path = f"/api/risk/v1/assessments/{case}/answers"
    assert (await region.coordinator.sends("POST", path, worse)).ok
    await happens(region, ("risk.changed.v1", {"case_id": case}))


async def be_supported(region: Region, case: str) -> None:
    """Have whoever is asked first for a role take it."""

    async def offered() -> dict[str, Any] | None:
        roles = await region.coordinator.roles_of(case)
        found = [each for each in roles.values() if each["status"] == "offered"]
        return found[0] if found else None

    role: dict[str, Any] = await eventually(offered)
    answer = await region.worker(role["worker_id"]).accepts(role["allocation_id"])
    assert answer.ok, answer.body


async def be_moved_away(region: Region, case: str, referral: str) -> None:
    """Have a family handed over to another region, and more told of it after that."""
    await is_handed_over(region, case)
    more = {"narrative": "More words."}
    amended = await region.agency("police").amends(referral, more, key=new_id())
    assert amended.status == 202, amended.body
    await happens(region, ("transfer.outdated.v1", {"case_id": case}))


async def be_forgotten(region: Region, case: str) -> None:
    """Have one of a family erased, while their case stays."""
    held = await region.database("referrals")["cases"].find_one({"_id": case})
    assert held
    await have_erased(region, f"people/{held['people'][-1]['person_id']}")
    await happens(region, ("person.erased.v1", {"case_id": case}))


async def be_promised(
    region: Region, held: Held, officer: Somebody, second: Somebody
) -> None:
    """Have what was promised at a meeting done, and somebody else confirm it."""
    shown = {"evidence": {"kind": "contact_record", "reference": new_id()}}
    await _settle(held, officer, second, "completion", shown)
    await happens(region, ("meeting.task_done.v1", {}))


async def be_broken_off(
    region: Region, case: str, officer: Somebody, second: Somebody
) -> None:
    """Have something promised at another meeting that will not be done."""
    held = await called(region, case, officer)
    await _settle(held, officer, second, "undone", {"reason": "could_not_be_reached"})
    assert (await officer.sends("POST", f"{PATH}/{held.meeting_id}/closure")).ok
    await happens(region, ("meeting.task_not_done.v1", {}))


async def _settle(
    held: Held, officer: Somebody, second: Somebody, what: str, told: Told
) -> None:
    path = f"{held.case_path}/tasks/{held.task_id}"
    answer = await officer.sends("POST", f"{path}/{what}", told)
    assert answer.ok, answer.body
    [task] = [e for e in answer.json()["tasks"] if e["task_id"] == held.task_id]
    so = {"confirmed": True, "said_at": task["said"]["at"]}
    confirmed = await second.sends("POST", f"{path}/confirmation", so)
    assert confirmed.ok, confirmed.body


async def be_passed_along(region: Region, case: str) -> None:
    """Have one who was told say that they cannot, and another hand it over."""
    coordinator = region.coordinator
    lead = region.worker((await coordinator.roles_of(case))[LEAD]["worker_id"])
    told = await eventually(lead.sees("contact.suspended.v1", case))
    path = f"/api/notify/v1/inbox/{told['id']}"
    await _says(lead, f"{path}/handover", {"worker_id": coordinator.id})
    told = await eventually(coordinator.sees("order.breached.v1", case))
    path = f"/api/notify/v1/inbox/{told['id']}"
    await _says(coordinator, f"{path}/refusal", {"reason": "no_capacity"})
    await happens(
        region,
        ("notification.handed_over.v1", {"case_id": case}),
        ("notification.declined.v1", {"case_id": case}),
    )


async def _says(somebody: Somebody, path: str, told: Told) -> None:
    """Say something that another service is asked about, which may be busy."""

    async def said() -> bool:
        answer = await somebody.sends("POST", path, told)
        assert answer.ok or answer.status == BUSY, answer.body
        return answer.ok

    await eventually(said)
