import asyncio
from datetime import timedelta
from typing import Any

import pytest
from accord_chassis.store import EPOCH, Conflict, Database
from accord_chassis.testing import NOON, new_id
from accord_contracts.risk import RiskLevel
from meetings_builders import DAILY, RULES, WEEKLY, daily, docket
from plans.documents.store import Voices
from plans.domain.meeting.meeting import MOST_CASES, Meeting
from plans.domain.meeting.rules import CALLED
from plans.domain.plan import Plan
from plans.meeting.store import Dockets, Meetings
from plans.needs.store import Needs
from plans.store import Plans
from plans_builders import IVS, OUTREACH, does, ends, owner, plan


def stages(node: Any) -> set[str]:
    """Every stage that a query plan names."""
    if isinstance(node, dict):
        own = {node["stage"]} if isinstance(node.get("stage"), str) else set()
        return own.union(*(stages(each) for each in node.values()))
    if isinstance(node, list):
        return set().union(*(stages(each) for each in node))
    return set()


async def test_a_plan_comes_back_as_it_was_saved(plans: Plans) -> None:
    made = plan(owners={IVS: new_id()}).agree(1, NOON)

    saved = await plans.save(made)

    assert await plans.get(made.id) == saved


async def test_of_two_who_decided_on_the_same_plan_one_must_decide_again(
    plans: Plans,
) -> None:
    await plans.save(plan(case_id=(case_id := new_id())))
    held = await plans.get(case_id)
    assert held

    await plans.save(held.agree(1, NOON))
    with pytest.raises(Conflict):
        await plans.save(held.take_role(IVS, owner(new_id(), NOON)))


async def test_of_two_who_begin_the_same_plan_one_must_begin_again(
    plans: Plans,
) -> None:
    case_id = new_id()

    await plans.save(plan(case_id=case_id))
    with pytest.raises(Conflict):
        await plans.save(Plan(id=case_id).take_role(IVS, owner(new_id(), NOON)))


async def test_a_worker_finds_the_plans_in_which_something_is_still_owed(
    plans: Plans,
) -> None:
    worker_id = new_id()
    owing = plan(owners={IVS: worker_id})
    kept = plan(owners={OUTREACH: worker_id})
    [programme] = [each for each in kept.actions if each.role is OUTREACH]
    for each in (
        owing,
        does(kept, programme.id, worker_id, NOON),
        plan(owners={IVS: new_id()}),
        Plan(id=new_id()).take_role(IVS, owner(worker_id, NOON)),
    ):
        await plans.save(each)

    found = await plans.owed_by(worker_id)

    assert [each.id for each in found] == [owing.id]


async def test_a_closed_plan_is_owed_by_nobody(plans: Plans) -> None:
    worker_id = new_id()
    held = plan(owners={IVS: worker_id, OUTREACH: worker_id})
    for each in held.open_actions:
        if each.mandatory:
            held = does(held, each.id, worker_id, NOON)
    saved = await plans.save(held)
    assert await plans.owed_by(worker_id)

    await plans.save(ends(saved, NOON))

    assert await plans.owed_by(worker_id) == []


@pytest.mark.parametrize("field", ["owed_by", "to_take"])
async def test_the_query_for_an_owner_uses_an_index(plans: Plans, field: str) -> None:
    for _ in range(20):
        await plans.save(plan(owners={IVS: new_id()}))

    explained = await plans.documents.find({field: new_id()}).explain()

    assert "IXSCAN" in stages(explained)
    assert "COLLSCAN" not in stages(explained)


async def test_the_sweep_uses_an_index(plans: Plans) -> None:
    for _ in range(20):
        await plans.save(plan())

    found = plans.documents.find({"due_at": {"$lte": NOON}}).sort("due_at", 1)

    explained = await found.explain()
    assert "IXSCAN" in stages(explained)
    assert "COLLSCAN" not in stages(explained)


async def test_what_is_kept_of_somebody_is_found_by_an_index(
    database: Database,
) -> None:
    for of_somebody in (Needs, Voices):
        store = of_somebody(database)
        await store.prepare()
        kept = store.documents
        for _ in range(20):
            await kept.insert_one({"_id": new_id(), "person_id": new_id()})

        explained = await kept.find({"person_id": new_id()}).explain()

        assert "IXSCAN" in stages(explained)
        assert "COLLSCAN" not in stages(explained)


@pytest.mark.parametrize(
    "query",
    [{"asked_of": "refuge"}, {"services.id": new_id()}],
    ids=["asked of", "service"],
)
async def test_what_a_provider_is_asked_is_found_by_an_index(
    database: Database, query: dict[str, str]
) -> None:
    store = Needs(database)
    await store.prepare()
    for _ in range(20):
        asked = {"asked_of": [new_id()], "services": [{"id": new_id()}]}
        await store.documents.insert_one({"_id": new_id(), **asked})

    explained = await store.documents.find(query).explain()

    assert "IXSCAN" in stages(explained)
    assert "COLLSCAN" not in stages(explained)


async def test_an_agenda_uses_an_index(database: Database) -> None:
    dockets = Dockets(database)
    await dockets.prepare()
    wanted = [docket(level) for level in RiskLevel]
    for each in (*wanted, docket().settle(NOON, RiskLevel.HIGH, None)):
        await dockets.save(each)

    for times in ({"$gt": EPOCH, "$lte": NOON}, {"$gt": EPOCH}, None):
        found = dockets.documents.find({"rank": 2, "wanted_from": times})
        explained = await found.sort("wanted_from", 1).explain()
        assert "IXSCAN" in stages(explained)
        assert "COLLSCAN" not in stages(explained)
        which = {"meeting": WEEKLY, "rank": 1, "wanted_from": times}
        explained = await dockets.documents.find(which).explain()
        assert "IXSCAN" in stages(explained)
        assert "COLLSCAN" not in stages(explained)
    merged = dockets.documents.find({"merged_into": {"$in": [new_id(), new_id()]}})
    explained = await merged.explain()
    assert "IXSCAN" in stages(explained)
    assert "COLLSCAN" not in stages(explained)
    taken = await dockets.wanted(NOON, RiskLevel.LOW, DAILY)
    assert {each.id for each in taken.cases} == {e.id for e in wanted}
    assert taken.left_off == 0
    high = await dockets.at_risk(RiskLevel.HIGH, WEEKLY)
    assert [each.level for each in high.cases] == [
        *(RiskLevel.EXTREME, RiskLevel.HIGH, RiskLevel.HIGH)
    ]
    # Nothing brings it up.
    assert high.cases[-1].wanted_from is None


async def test_a_meeting_takes_from_below_its_level_what_a_tier_names_it_for(
    database: Database,
) -> None:
    dockets = Dockets(database)
    await dockets.prepare()
    low, named = docket(RiskLevel.LOW), docket(RiskLevel.LOW, meeting=WEEKLY)
    for each in (low, named):
        await dockets.save(each)

    weekly = await dockets.at_risk(RiskLevel.HIGH, WEEKLY)
    daily = await dockets.wanted(NOON, RiskLevel.HIGH, DAILY)

    assert [each.id for each in weekly.cases] == [named.id]
    assert daily.cases == []


async def test_of_more_cases_than_a_meeting_has_the_gravest_come_first(
    database: Database,
) -> None:
    dockets = Dockets(database)
    await dockets.prepare()
    waiting = [docket(RiskLevel.LOW) for _ in range(MOST_CASES + 1)]
    await asyncio.gather(*map(dockets.save, waiting))
    latest = docket(RiskLevel.EXTREME, at=NOON + timedelta(hours=1))
    await dockets.save(latest)

    for taken in (
        await dockets.wanted(NOON + timedelta(hours=2), RiskLevel.LOW, DAILY),
        await dockets.at_risk(RiskLevel.LOW, WEEKLY),
    ):
        assert taken.cases[0].id == latest.id
        assert len(taken.cases) == MOST_CASES
        assert taken.left_off == 2


async def test_what_was_called_and_closed_since_uses_an_index(
    database: Database,
) -> None:
    meetings = Meetings(database)
    await meetings.prepare()
    called = [Meeting.call(new_id(), NOON, RULES, ()).begin((), NOON) for _ in range(3)]
    before, since, still = called
    closed = [
        each.lock("", (), NOON + timedelta(hours=number))
        for number, each in enumerate((before, since))
    ]
    own = daily().begin((), NOON).lock("", (), NOON + timedelta(hours=1))
    for each in (*closed, still, own):
        await meetings.save(each)

    found = await meetings.called_since(NOON + timedelta(minutes=1))

    assert [each.id for each in found] == [since.id]
    query = {"series": CALLED, "closed_at": {"$gte": NOON}}
    explained = await meetings.documents.find(query).explain()
    assert "IXSCAN" in stages(explained)
    assert "COLLSCAN" not in stages(explained)
