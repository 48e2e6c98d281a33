"""Messages may come in any order: what is known in the end is the same.

The same referrals and the same answers of workers go through two regions: one after
another through the first, whose end is the oracle, and all at once through the second,
in which every service is handed its messages in an order of chance.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml
from accord.surroundings import Surroundings
from accord_chassis.clock import Clock
from accord_chassis.rabbit import RabbitTransport
from accord_chassis.service import StandIns
from app import LOCALITY, Region, eventually
from people import OFFERED, Told
from regions import Ground, in_one_process
from shuffler import Shuffler

AGENCIES = ("police", "hospital", "refuge")

MODEST = {"yes": ("prior_violence",)}
GRAVER = {"yes": ("escalation", "recent_separation"), "incidents": ("physical_harm",)}
GRAVE = {"yes": ("threat_to_kill",), "incidents": ("threats_of_harm",)}

HOUSEHOLDS = (
    (MODEST, GRAVER, GRAVE),
    (GRAVE, MODEST, GRAVER),
    (GRAVER, GRAVE),
    (MODEST, MODEST),
    (MODEST, GRAVER),
    (GRAVE,),
)
"""What is referred of each household, by one agency after another."""

WITHIN = 60.0

ROLES = yaml.safe_load((LOCALITY / "allocation.yaml").read_bytes())["roles"]
"""The roles that each level needs."""


def referrals_to(region: Region) -> list[list[Told]]:
    """Make the referrals, household by household."""
    made = []
    for told in HOUSEHOLDS:
        first, *others = (region.referral(**each) for each in told)
        # The two alone: how many children there are is chance.
        first["people"] = first["people"][:2]
        same = {name: first[name] for name in ("people", "place", "wishes")}
        telling = [first, *(each | same for each in others)]
        # Different agencies that tell of one day tell of one incident.
        for days, each in enumerate(telling, start=1):
            at = region.clock.now() - timedelta(days=days)
            each["occurred_at"] = at.isoformat(timespec="seconds")
        made.append(telling)
    return made


async def post(region: Region, told: list[Told]) -> list[str]:
    """Have each referral of a household posted, by another agency each."""
    agencies = map(region.agency, AGENCIES)
    posting = (
        agency.refers(each) for agency, each in zip(agencies, told, strict=False)
    )
    return await asyncio.gather(*posting)


async def accept_everything(region: Region, shufflers: list[Shuffler]) -> None:
    """Have whoever is asked accept, until everybody has and all is quiet.

    What a shuffler holds is in no queue any more and in no service's hand yet.
    """
    offered = {"status": "offered"}
    allocations = region.database("allocation")["allocations"]

    def came() -> int:
        return sum(each.came for each in shufflers)

    async def all_done() -> bool:
        before = came()
        if any(each.holding for each in shufflers):
            return False
        asked = [each async for each in allocations.find(offered)]
        await asyncio.gather(
            *(region.worker(e["worker_id"]).accepts(e["_id"]) for e in asked)
        )
        return not asked and await region.is_quiet() and came() == before

    await eventually(all_done, within=WITHIN)


async def known_in_the_end(region: Region, posted: list[list[str]]) -> list[Any]:
    """Give what all services know of each household, but for ids and times."""
    return [await known_of(region, each) for each in posted]


async def known_of(region: Region, referrals: list[str]) -> dict[str, Any]:
    cases = region.database("referrals")["cases"]
    [case] = [
        each async for each in cases.find({"episodes.referral_id": {"$in": referrals}})
    ]
    by_case = {"_id": case["_id"]}
    risk = await region.database("risk")["assessments"].find_one(by_case)
    staffing = await region.database("allocation")["staffings"].find_one(by_case)
    plan = await region.database("plans")["plans"].find_one(by_case)
    team = await region.database("notify")["teams"].find_one(by_case)
    assert risk
    assert staffing
    assert plan
    assert team
    offers = region.database("notify")["notifications"].find(
        {"case_id": case["_id"], "event": OFFERED}
    )
    told = [each async for each in offers]
    # A role that a lower level had needed is kept; whether it came to that is chance.
    roles = {each: staffing["roles"][each] for each in ROLES[case["level"]]}
    wanted = {role: each["worker_id"] for role, each in roles.items()}
    about = {each["about_id"] for each in told}
    return {
        "case level": case["level"],
        "stages": [sorted(_reached(each)) for each in case["episodes"]],
        "episodes": len(case["episodes"]),
        "people": len(case["people"]),
        "pairs": len(case["pairs"]),
        "risk": {
            name: risk[name]
            for name in ("level", "answers", "incidents", "repeats", "reasons")
        },
        "roles": {role: bool(worker) for role, worker in wanted.items()},
        "plan level": plan["versions"][-1]["assessment"]["level"],
        "actions": {
            each["code"]: (each["role"], each["mandatory"])
            for each in plan["actions"]
        },
        "owners": all(
            each["worker_id"] == wanted[each["role"]] for each in plan["actions"]
        ),
        "team as staffed": wanted.items()
        <= {each["role"]: each["worker_id"] for each in team["members"]}.items(),
        "told": {each["allocation_id"] for each in roles.values()} <= about,
        "acknowledged": all(each["acknowledged_at"] for each in told),
    }  # fmt: skip


def _reached(episode: dict[str, Any]) -> set[str]:
    return {name for name, at in episode.items() if name.endswith("_at") and at}


@pytest.fixture(scope="module")
async def oracle(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What is known when everything happens one after another."""
    folder = tmp_path_factory.mktemp("oracle")
    async with in_one_process(ground, folder) as region:
        posted = []
        for household in referrals_to(region):
            ids = []
            for agency, told in zip(AGENCIES, household, strict=False):
                ids.append(await region.agency(agency).refers(told))
                await eventually(region.is_quiet)
            posted.append(ids)
        await accept_everything(region, [])
        assert not await region.parked()
        return await known_in_the_end(region, posted)


@asynccontextmanager
async def shuffled(
    ground: Ground, folder: Path, seed: int
) -> AsyncIterator[tuple[Region, list[Shuffler]]]:
    """A region in which messages come in an order of chance."""
    random = Random(seed)  # noqa: S311 - Chance, no secret.
    shufflers: list[Shuffler] = []

    def stand_ins(name: str, surroundings: Surroundings, clock: Clock) -> StandIns:
        rabbit = RabbitTransport(surroundings.amqp_url_of(name), name=name)
        shufflers.append(Shuffler(rabbit, random))
        return StandIns(transport=shufflers[-1], clock=clock)

    async with in_one_process(ground, folder, stand_ins=stand_ins) as region:
        yield region, shufflers


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_the_same_is_known_in_whatever_order_messages_come(
    ground: Ground, oracle: list[Any], tmp_path: Path, seed: int
) -> None:
    async with shuffled(ground, tmp_path, seed) as (region, shufflers):
        households = referrals_to(region)

        posted = await asyncio.gather(*(post(region, each) for each in households))
        await accept_everything(region, shufflers)

        assert all(each.overtaken for each in shufflers)
        assert not await region.parked()
        known = await known_in_the_end(region, posted)
        for found, expected in zip(known, oracle, strict=True):
            assert found == expected
