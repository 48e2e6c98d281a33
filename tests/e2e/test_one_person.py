"""Two people who are known turn out to be one: decided by a person, and taken back."""

from typing import Any

from app import Region, eventually
from people import Coordinator, ReferringAgency

MATCHES = "/api/referrals/v1/matches"


async def test_two_people_are_made_one_and_two_again_and_their_cases_with_them(
    region: Region,
    police: ReferringAgency,
    hospital: ReferringAgency,
    coordinator: Coordinator,
) -> None:
    told, other_told = region.referral(), region.referral()
    # Two codes of one register would take a second coordinator.
    for each in other_told["people"]:
        each["identifiers"] = []
    case = await eventually(region.case_of(await police.refers(told)))
    other = await eventually(region.case_of(await hospital.refers(other_told)))
    her, again = await harmed_in(region, case), await harmed_in(region, other)
    alone = await history_of(coordinator, case)

    asked = await coordinator.sends("POST", MATCHES, {"people": [her, again]})
    match = f"{MATCHES}/{asked.json()['match_id']}"
    same = {"same": True, "reason": "she_said_so"}
    decided = await coordinator.sends("POST", f"{match}/decision", same)

    assert {*decided.json()["cases"]} == {case, other}
    await eventually(region.hears("person.merged.v1", case_id=case))
    await eventually(region.hears("person.merged.v1", case_id=other))

    async def told_in_the_plan() -> list[set[str]]:
        plan = await coordinator.reads(f"/api/plans/v1/plans/{case}")
        assert plan.ok, plan.body
        return [{*each} for each in plan.json()["one_person"]]

    async def one_in_the_plan() -> bool:
        return await told_in_the_plan() == [{her, again}]

    async def heard(*, over: bool) -> bool:
        held = await region.database("plans")["plans"].find_one({"_id": case})
        links = [each["over"] for each in held["links"].values()] if held else []
        return links == [over]

    await eventually(coordinator.reads_plan(case))
    await eventually(lambda: heard(over=False))
    # The other case is not merged yet: who is known there is not for this one's team.
    assert await told_in_the_plan() == []
    both = await history_of(coordinator, case)
    assert {each["case_id"] for each in both["episodes"]} == {case, other}
    assert again not in str(both)
    assert (await coordinator.merges(case, other)).ok
    await eventually(region.hears("case.merged.v1", case_id=other))
    await eventually(one_in_the_plan)

    back = await coordinator.sends("POST", f"{match}/reversal", {"reason": "mistake"})
    assert (await coordinator.unmerges(case, other)).ok

    assert back.json()["one"] is False
    await eventually(region.hears("person.unmerged.v1", case_id=other))
    assert await history_of(coordinator, case) == alone

    async def two_in_the_plan() -> bool:
        return await told_in_the_plan() == []

    await eventually(lambda: heard(over=True))
    await eventually(two_in_the_plan)


async def harmed_in(region: Region, case: str) -> str:
    """Give who was harmed in a case."""
    held = await region.database("referrals")["cases"].find_one({"_id": case})
    assert held
    harmed = (e for e in held["people"] if e["role"] == "person_harmed")
    person_id: str = next(harmed)["person_id"]
    return person_id


async def history_of(coordinator: Coordinator, case: str) -> dict[str, Any]:
    """Read what was referred before about the people of a case."""
    answer = await coordinator.reads(f"/api/referrals/v1/cases/{case}/history")
    assert answer.ok, answer.body
    found: dict[str, Any] = answer.json()
    return found
