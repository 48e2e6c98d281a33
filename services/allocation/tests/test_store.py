"""Workers, staffings and allocations in a store, and the race for the last place."""

import asyncio
from datetime import datetime
from typing import Any

import pytest
from accord_chassis.store import Conflict, Store
from accord_chassis.testing import NOON, eventually, message_of, new_id
from accord_contracts.risk import RiskLevel
from allocation.domain.directory import CannotTake, NoSuchWorker, Worker
from allocation.domain.hearing import assess, hear
from allocation.domain.need import Need
from allocation.domain.offer import Status
from allocation.domain.offering import Allocation
from allocation.domain.staffing import Staffing
from allocation.domain.wanted import Assessed
from allocation.domain.wishes import Wishes
from allocation.handlers.placing import place_role
from allocation.store.directory import Change, Directory
from allocation.store.kept import UNFILLED, Glasses, Providers
from allocation_builders import (
    COORDINATOR,
    HOUR,
    MINUTE,
    POLICY,
    WHANAU,
    Office,
    allocation,
    choice,
    need,
    worker,
)

UNTIL = NOON + HOUR
LOW, _, HIGH, EXTREME = RiskLevel


def reserving(wanted: Need, *, at: datetime = NOON) -> Change:
    return lambda held: held.reserve(wanted, UNTIL, at)


async def plan_of(store: Store[Any], query: dict[str, Any]) -> str:
    explained = await store.documents.find(query).explain()
    return str(explained["queryPlanner"]["winningPlan"])


@pytest.mark.parametrize(
    ("store", "query", "index"),
    [
        ("workers", {"changed_at": {"$gte": NOON}}, "changed_at_1"),
        ("workers", {"provider": {"$in": ["refuge"]}}, "provider_1"),
        ("providers", {"meets": "housing"}, "meets_1"),
        ("allocations", {"case_id": "a"}, "case_id_1"),
        (
            "allocations",
            {"worker_id": "a", "status": "offered"},
            "worker_id_1_status_1",
        ),
        ("allocations", {"unowned_at": {"$lte": NOON}}, "unowned_at_1"),
        (
            "allocations",
            {"level": "low", **UNFILLED},
            "level_1_status_1_since_1",
        ),
        ("allocations", {"since": {"$gte": NOON}}, "since_1"),
        ("allocations", {"due_at": {"$lte": NOON}}, "due_at_1"),
        ("staffings", {"due_at": {"$lte": NOON}}, "due_at_1"),
        ("staffings", {"people.ids": {"$in": ["a", "b"]}}, "people.ids_1"),
        ("workers", {"leaves_at": {"$lte": NOON}}, "leaves_at_1"),
        (
            "glasses",
            {"worker_id": "a", "until": {"$gt": NOON}},
            "worker_id_1_until_1",
        ),
    ],
)
async def test_every_query_is_served_by_an_index(
    office: Office, store: str, query: dict[str, Any], index: str
) -> None:
    glasses, providers = Glasses(office.database), Providers(office.database)
    for each in (glasses, providers):
        await each.prepare()
    stores: dict[str, Store[Any]] = {
        "glasses": glasses,
        "providers": providers,
        "workers": office.workers,
        "allocations": office.desk.allocations,
        "staffings": office.desk.staffings,
    }

    plan = await plan_of(stores[store], query)

    assert "IXSCAN" in plan
    assert index in plan


async def test_a_worker_is_kept_as_they_were_saved(office: Office) -> None:
    told = worker(
        languages={"mi", "en"}, areas={"sumner"}, email="w@example.org", deputy=new_id()
    )
    held = told.reserve(need(points=4), UNTIL, NOON)

    [saved] = await office.employs(held)

    loaded = await office.worker(told.id)
    assert loaded == saved.model_copy(update={"changed_at": loaded.changed_at})


async def test_an_allocation_is_kept_as_it_was_saved(office: Office) -> None:
    held = allocation().offered(choice(new_id()), POLICY, NOON)

    saved = await office.desk.allocations.save(held)

    assert await office.desk.allocations.get(held.id) == saved


async def test_a_staffing_is_kept_as_it_was_saved(office: Office) -> None:
    case_id = new_id()
    held = hear(Staffing(id=case_id), new_id(), Wishes(area="sumner"), NOON, POLICY)
    for referral_id in (None, new_id()):
        held = assess(
            held,
            Assessed(revision=1, first_referred_at=NOON, assessed_at=NOON),
            RiskLevel.HIGH,
            told_at=NOON,
            referral_id=referral_id,
            policy=POLICY,
        )
    held = held.join(held.roles[COORDINATOR].allocation_id, new_id(), 0)

    saved = await office.desk.staffings.save(held)

    assert await office.desk.staffings.get(case_id) == saved


async def test_of_two_who_decided_on_the_same_role_one_is_told(office: Office) -> None:
    allocations = office.desk.allocations
    held = await allocations.save(allocation().offered(choice(new_id()), POLICY, NOON))

    await allocations.save(held.accept(held.offer.worker_id, NOON))

    with pytest.raises(Conflict):
        await allocations.save(held.expire(NOON))


async def test_the_named_queries_give_what_they_say(office: Office) -> None:
    allocations, asked, case_id = office.desk.allocations, new_id(), new_id()

    async def kept(**fields: Any) -> Allocation:
        made = allocation(**{"case_id": case_id, **fields})
        return await allocations.save(made.offered(choice(asked), POLICY, NOON))

    waiting = await kept()
    taken = await kept()
    taken = await allocations.save(taken.accept(asked, NOON))
    elsewhere = await kept(case_id=new_id())

    assert {each.id for each in await allocations.of_case(case_id)} == {
        waiting.id,
        taken.id,
    }
    assert {each.id for each in await allocations.offered_to(asked)} == {
        waiting.id,
        elsewhere.id,
    }
    assert await allocations.unowned(NOON) == []
    late = await allocations.unowned(NOON + 3 * HOUR)
    assert {each.id for each in late} == {waiting.id, elsewhere.id}


async def test_the_directory_is_read_a_page_at_a_time(office: Office) -> None:
    hired = await office.employs(*(worker() for _ in range(5)))
    ids = sorted(each.id for each in hired)

    assert [each.id for each in await office.workers.page("", 2)] == ids[:2]
    assert [each.id for each in await office.workers.page(ids[1], 10)] == ids[2:]


async def test_two_processes_that_know_the_same_place_give_it_once(
    office: Office, other_process: Office
) -> None:
    [hired] = await office.employs(worker(capacity=4))
    here, there = office.desk.directory, other_process.desk.directory
    await there.refresh()

    # Both decide on the worker as they were before either wrote.
    await here.change(hired.id, reserving(need(points=3)))
    with pytest.raises(CannotTake):
        await there.change(hired.id, reserving(need(points=3)))
    await there.change(hired.id, reserving(need(points=1)))

    held = await office.worker(hired.id)
    assert (held.load, len(held.holds)) == (4, 2)


async def test_fifty_concurrent_placements_never_overfill_a_worker(
    office: Office, other_process: Office
) -> None:
    [hired] = await office.employs(worker(capacity=7))
    processes = (office.desk.directory, other_process.desk.directory)
    await processes[1].refresh()

    outcomes = await asyncio.gather(
        *(
            processes[number % 2].change(hired.id, reserving(need()))
            for number in range(50)
        ),
        return_exceptions=True,
    )

    held = await office.worker(hired.id)
    given = [each for each in outcomes if isinstance(each, Worker)]
    assert (held.load, len(held.holds), len(given)) == (7, 7, 7)
    refused = [each for each in outcomes if isinstance(each, BaseException)]
    assert {type(each) for each in refused} == {CannotTake}


async def test_fifty_roles_at_once_fill_two_workers_and_raise_alarms_for_the_rest(
    office: Office, other_process: Office
) -> None:
    hired = await office.employs(worker(capacity=9), worker(capacity=11))
    wanted = [await office.wants_a_role() for _ in range(50)]

    await asyncio.gather(
        *(
            place_role(message_of(each), desk=(office, other_process)[number % 2].desk)
            for number, each in enumerate(wanted)
        )
    )

    loads = [(await office.worker(each.id)).load for each in hired]
    assert loads == [9, 11]
    made = [await office.desk.allocations.get(each.allocation_id) for each in wanted]
    statuses = [each.status for each in made if each]
    assert statuses.count(Status.OFFERED) == 20
    assert statuses.count(Status.UNFILLED) == 30
    for allocated in made:
        if allocated and allocated.worker_id:
            carrying = await office.worker(allocated.worker_id)
            assert allocated.id in carrying.holds


async def test_what_many_plan_for_one_worker_travels_in_few_writes(
    office: Office,
) -> None:
    [hired] = await office.employs(worker(capacity=100))

    await asyncio.gather(
        *(office.desk.directory.change(hired.id, reserving(need())) for _ in range(60))
    )

    held = await office.worker(hired.id)
    assert held.load == 60
    assert held.version - hired.version < 10


async def test_placements_at_the_same_time_spread_over_the_workers(
    office: Office,
) -> None:
    hired = await office.employs(*(worker(capacity=100) for _ in range(10)))
    wanted = [await office.wants_a_role() for _ in range(40)]

    await asyncio.gather(
        *(place_role(message_of(each), desk=office.desk) for each in wanted)
    )

    assert [(await office.worker(each.id)).load for each in hired] == [4] * 10


async def test_a_change_that_changes_nothing_writes_nothing(office: Office) -> None:
    [hired] = await office.employs(worker())

    await office.desk.directory.change(hired.id, lambda held: held.release(new_id()))

    assert (await office.worker(hired.id)).version == hired.version


async def test_an_unknown_worker_has_no_places(office: Office) -> None:
    with pytest.raises(NoSuchWorker):
        await office.desk.directory.change(new_id(), reserving(need()))


async def test_another_process_learns_of_changes_within_about_a_second(
    office: Office, other_process: Office
) -> None:
    there = other_process.desk.directory
    first, second = await office.employs(worker(), worker(COORDINATOR))
    await there.refresh()
    assert [each.id for each in there.least_loaded(WHANAU)] == [first.id]

    [third] = await office.employs(worker())
    await office.desk.directory.change(first.id, reserving(need(points=9)))
    gone = second.model_copy(update={"active": False, "duty_coordinator": True})
    await office.workers.save(gone)

    async def seen() -> bool:
        await there.refresh()
        ids = [each.id for each in there.least_loaded(WHANAU)]
        return ids == [third.id, first.id] and not list(there.least_loaded(COORDINATOR))

    await eventually(seen, within=5)
    assert there.duty_coordinator is None


async def test_what_a_process_missed_is_found_when_all_versions_are_compared(
    office: Office, other_process: Office
) -> None:
    there = other_process.desk.directory
    [hired] = await office.employs(worker())
    await there.refresh()
    # A write that was seen only long after its time stamp.
    busier = hired.reserve(need(points=5), UNTIL, NOON)
    await office.workers.save(busier)
    await office.workers.documents.update_one(
        {"_id": hired.id}, {"$set": {"changed_at": NOON}}
    )
    there._fresh_until = there._compare_at = float("-inf")

    await there.refresh()

    assert [each.load for each in there.least_loaded(WHANAU)] == [5]


async def test_a_lapsed_place_is_free_for_the_next(office: Office) -> None:
    [hired] = await office.employs(worker(capacity=1))
    await office.desk.directory.change(hired.id, reserving(need()))
    stale = Directory(office.workers)
    await stale.refresh()

    second = need()
    changed = await stale.change(hired.id, reserving(second, at=UNTIL))

    assert set(changed.holds) == {second.allocation_id}


async def test_of_too_many_open_roles_the_gravest_and_oldest_are_placed_together(
    office: Office,
) -> None:
    kept = office.desk.allocations
    open_ = [
        allocation(level, since=NOON + minutes * MINUTE)
        for level, minutes in ((LOW, 0), (HIGH, 2), (HIGH, 1), (EXTREME, 3))
    ]
    taken = allocation(EXTREME).offered(choice("w"), POLICY, NOON).accept("w", NOON)
    await asyncio.gather(*map(kept.save, (*open_, taken)))

    found = await kept.to_fill(3)

    last, second, first, gravest = (each.id for each in open_)
    assert [each.id for each in found] == [gravest, first, second]
    assert await kept.left_out(3) == 1
    assert await kept.left_out() == 0
    assert [each.id for each in await kept.to_fill()][-1] == last


async def test_of_too_many_roles_that_workers_have_the_gravest_and_oldest_are_given(
    office: Office,
) -> None:
    kept = office.desk.allocations
    had = [
        allocation(level, since=NOON + number * HOUR)
        .offered(choice("w"), POLICY, NOON)
        .accept("w", NOON)
        for number, level in enumerate((LOW, HIGH, HIGH, EXTREME))
    ]
    await asyncio.gather(*map(kept.save, had))

    _, first, second, gravest = (each.id for each in had)
    found = await kept.had_by(["w"], limit=3)
    assert [each.id for each in found] == [gravest, first, second]
    assert len(await kept.had_by(["w", "v"])) == 4


async def test_no_way_to_reach_a_worker_stands_in_a_document(office: Office) -> None:
    told = {"email": "somebody@agency.example", "mobile": "+64275550100"}
    [held] = await office.employs(worker(WHANAU, **told))

    await office.workers.save(held.model_copy(update={"capacity": 3}))

    stored = await office.workers.documents.find_one({"_id": held.id})
    [found] = await office.workers.page("", 10)
    assert not [each for each in told.values() if each in repr(stored)]
    assert {"email": found.email, "mobile": found.mobile} == told
    assert found.capacity == 3
