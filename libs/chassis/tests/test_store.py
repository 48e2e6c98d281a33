"""Documents with inbox and outbox, on a real store."""

import asyncio
import gc
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from accord_chassis.development.backing import Backing
from accord_chassis.store import (
    LEASE,
    AlreadyHandled,
    Change,
    Conflict,
    Database,
    StoreRefuses,
    connect,
)
from accord_chassis.testing import NOON, message_of, new_id, published
from accord_contracts.message import Lane
from accord_contracts.risk import RiskLevel
from chassis_builders import Thing, Things, changed, message, thing
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import ClientBulkWriteException, WriteConcernError


@pytest.fixture
async def things(database: Database) -> Things:
    store = Things(database)
    await store.prepare()
    return store


async def test_what_is_saved_is_loaded_as_it_was(things: Things) -> None:
    made = thing(
        level=RiskLevel.EXTREME,
        codes=frozenset({"a", "b"}),
        times={RiskLevel.HIGH: NOON},
        due_at=NOON + timedelta(milliseconds=1),
    )

    saved = await things.save(made)

    assert saved.version == 1
    assert await things.get(made.id) == saved


async def test_state_and_events_are_saved_together_and_in_order(things: Things) -> None:
    made = thing()
    events = [changed(made.id, level) for level in RiskLevel]

    await things.save(made, *events, lane=Lane.URGENT)

    told = await published(things)
    assert [each.data for each in told] == events
    assert {each.lane for each in told} == {Lane.URGENT}
    assert {each.aggregate_version for each in told} == {1}
    assert len({each.id for each in told}) == len(events)


class Slow(Database):
    """A database whose batches of many writes wait until they may go on."""

    def __init__(self, like: Database) -> None:
        super().__init__(like.client, like.name, source=like.source, clock=like.clock)
        self.under_way, self.go_on = asyncio.Event(), asyncio.Event()

    async def _update_all(
        self, changes: Sequence[Change]
    ) -> Sequence[bool | BaseException]:
        if len(changes) > 1:
            self.under_way.set()
            await self.go_on.wait()
        return await super()._update_all(changes)


async def test_what_is_urgent_passes_the_routine_batch_under_way(
    database: Database,
) -> None:
    slow = Slow(database)
    things = Things(slow)
    one, two, urgent = [await things.save(thing()) for _ in range(3)]
    routine = asyncio.gather(things.save(one), things.save(two))
    await slow.under_way.wait()

    saved = await things.save(urgent, lane=Lane.URGENT)

    assert saved.version == 2
    assert not routine.done()
    slow.go_on.set()
    assert [each.version for each in await routine] == [2, 2]


async def test_a_stale_version_is_a_conflict_and_changes_nothing(
    things: Things,
) -> None:
    held = await things.save(thing())
    await things.save(held.model_copy(update={"count": 1}))

    with pytest.raises(Conflict):
        await things.save(held.model_copy(update={"count": 2}), changed(held.id))

    found = await things.get(held.id)
    assert found is not None
    assert (found.count, found.version) == (1, 2)
    assert await published(things) == []


async def test_only_what_has_changed_is_written(things: Things) -> None:
    made = await things.save(thing(codes=frozenset({"a"})))
    held = await things.get(made.id)
    assert held is not None
    # Nobody else writes without counting the version up: this shows what is written.
    behind = {"$set": {"codes": ["b"]}}
    await things.documents.update_one({"_id": made.id}, behind)

    # The same codes, made anew: they are as they were.
    same = frozenset({"a"})
    await things.save(held.model_copy(update={"count": 1, "codes": same}))

    found = await things.get(made.id)
    assert found is not None
    assert (found.count, found.codes) == (1, {"b"})


async def test_what_follows_from_other_fields_is_written_with_them(
    things: Things,
) -> None:
    made = await things.save(thing())
    held = await things.get(made.id)
    assert held is not None

    await things.save(held.model_copy(update={"count": 2}))

    assert await things.documents.count_documents({"many": True}) == 1


async def test_if_nobody_holds_what_was_loaded_all_is_written(things: Things) -> None:
    made = await things.save(thing(codes=frozenset({"a"})))
    behind = {"$set": {"codes": ["b"]}}
    await things.documents.update_one({"_id": made.id}, behind)
    anew = Thing.model_validate(made.model_dump())
    del made

    await things.save(anew)

    found = await things.get(anew.id)
    assert found is not None
    assert found.codes == {"a"}


async def test_two_who_save_at_once_are_not_both_right(things: Things) -> None:
    held = await things.save(thing())
    raised = held.model_copy(update={"count": 1})
    lifted = held.model_copy(update={"count": 2})

    outcomes = await asyncio.gather(
        things.save(raised), things.save(lifted), return_exceptions=True
    )

    assert sorted(type(each) for each in outcomes if isinstance(each, Conflict)) == [
        Conflict
    ]


async def test_a_new_document_is_inserted_once(things: Things) -> None:
    made = thing()
    await things.save(made)

    with pytest.raises(Conflict):
        await things.save(made)


async def test_a_unique_key_belongs_to_one_document(things: Things) -> None:
    await things.save(thing(keys=("one", "two")))

    with pytest.raises(Conflict):
        await things.save(thing(keys=("two", "three")))


async def test_one_refused_write_of_a_batch_leaves_the_others_alone(
    things: Things,
) -> None:
    taken = await things.save(thing())
    fresh = [thing() for _ in range(20)]
    stale = taken.model_copy(update={"version": 7})
    double = thing(keys=taken.keys)

    outcomes = await asyncio.gather(
        *(things.save(each) for each in [*fresh[:10], stale, double, *fresh[10:]]),
        return_exceptions=True,
    )

    refused = [
        place for place, each in enumerate(outcomes) if isinstance(each, Conflict)
    ]
    assert refused == [10, 11]
    assert await things.documents.count_documents({}) == 21


async def test_what_a_majority_did_not_confirm_is_not_saved(
    things: Things, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = [await things.save(thing()) for _ in range(2)]
    write = database.client.bulk_write

    async def unconfirmed(*given: Any, **options: Any) -> None:
        """As PyMongo tells of writes that the primary alone has."""
        done = await write(*given, **options)
        raise ClientBulkWriteException(
            {
                **done.bulk_api_result,
                "error": None,
                "writeErrors": [],
                "writeConcernErrors": [{"code": 64, "errmsg": "waiting timed out"}],
            },
            verbose=True,
        )

    monkeypatch.setattr(database.client, "bulk_write", unconfirmed)

    saves = (things.save(each, changed(each.id)) for each in held)
    outcomes = await asyncio.gather(*saves, return_exceptions=True)

    assert [type(each) for each in outcomes] == [StoreRefuses, StoreRefuses]


async def test_nor_is_one_that_was_written_alone(
    things: Things, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = await things.save(thing())
    write = AsyncCollection.update_one

    async def unconfirmed(*given: Any) -> None:
        """As PyMongo tells of a write that the primary alone has."""
        await write(*given)
        raise WriteConcernError("waiting timed out", 64)

    monkeypatch.setattr(AsyncCollection, "update_one", unconfirmed)

    with pytest.raises(StoreRefuses):
        await things.save(held, changed(held.id))


async def test_a_change_alone_is_refused_a_key_that_is_anothers(things: Things) -> None:
    taken, held = await things.save(thing()), await things.save(thing())

    with pytest.raises(Conflict):
        await things.save(held.model_copy(update={"keys": taken.keys}))

    assert await things.get(held.id) == held


async def test_decisions_are_read_from_what_a_majority_has(things: Things) -> None:
    assert things.documents.read_concern.level == "majority"


async def test_leases_are_written_in_the_stores_time(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hello(_: str) -> dict[str, Any]:
        # A store whose clock is ten minutes ahead of this machine's.
        ahead = datetime.now(UTC) + timedelta(minutes=10)
        return {"localTime": ahead.replace(tzinfo=None)}

    other = Database(
        database.client, database.name, source=database.source, clock=database.clock
    )
    with monkeypatch.context() as patched:
        patched.setattr(type(database.client.admin), "command", staticmethod(hello))
        await other.align()
    assert timedelta(minutes=9) < other.server_now() - datetime.now(UTC)

    # What it wrote is claimed by that clock, not by this machine's.
    await Things(other).save(thing(), changed())
    database.server_now = later(database, LEASE * 2)  # type: ignore[method-assign]
    things = Things(database)
    assert await things.left_behind() == []
    database.server_now = later(database, timedelta(minutes=10))  # type: ignore[method-assign]
    assert len(await things.left_behind()) == 1


async def test_a_message_has_its_effect_once(things: Things) -> None:
    cause = message()
    held = await things.save(thing(), cause=cause)

    with pytest.raises(AlreadyHandled):
        await things.get(held.id, cause=cause)

    assert await things.get(held.id, cause=message()) == held


async def test_the_inbox_remembers_the_latest_causes_only(things: Things) -> None:
    causes = [message() for _ in range(Things.inbox + 1)]
    held = thing()
    for each in causes:
        held = await things.save(held, cause=each)

    assert await things.get(held.id, cause=causes[0]) == held
    for each in causes[1:]:
        with pytest.raises(AlreadyHandled):
            await things.get(held.id, cause=each)


async def test_what_a_message_causes_is_in_its_lane_and_conversation(
    things: Things,
) -> None:
    cause = message_of(changed(), lane=Lane.URGENT)

    await things.save(thing(), changed(), cause=cause)

    [told] = await published(things)
    assert told.lane is Lane.URGENT
    assert told.correlation_id == cause.correlation_id
    assert told.causation_id == cause.id


async def test_message_ids_follow_from_document_version_and_place(
    things: Things, database: Database
) -> None:
    case_id = new_id()

    class Others(Things):
        """A second kind of document with the same ids, as a case has in a service."""

        collection = "others"

    others = Others(database)
    await things.save(Thing(id=case_id, keys=(case_id,)), changed(case_id))
    await others.save(Thing(id=case_id, keys=(case_id,)), changed(case_id))

    [one] = await published(things)
    [other] = await published(others)
    assert one.id != other.id


async def test_what_a_crash_left_behind_is_claimed_once_its_lease_is_over(
    things: Things, database: Database
) -> None:
    held = await things.save(thing(), changed())

    assert await things.left_behind() == []

    database.server_now = later(database, LEASE + timedelta(seconds=1))  # type: ignore[method-assign]
    [left] = await things.left_behind()
    assert left.document == held.id
    assert left.type == "risk.changed.v1"
    assert await things.left_behind() == []


async def test_a_claim_makes_a_stale_owner_decide_again(
    things: Things, database: Database
) -> None:
    held = await things.save(thing(), changed())
    database.server_now = later(database, LEASE + timedelta(seconds=1))  # type: ignore[method-assign]
    await things.left_behind()

    with pytest.raises(Conflict):
        await things.save(held.model_copy(update={"count": 1}))


async def test_what_is_confirmed_leaves_the_outbox(
    things: Things, database: Database
) -> None:
    await things.save(thing(), changed(), changed())
    database.server_now = later(database, LEASE + timedelta(seconds=1))  # type: ignore[method-assign]
    first, second = await things.left_behind()

    await database.clear([first])

    [still_there] = await published(things)
    assert still_there.id == second.packet.message_id


async def test_what_is_due_is_claimed_by_one_and_again_when_nothing_came_of_it(
    things: Things, database: Database
) -> None:
    due = await things.save(thing(due_at=NOON))
    await things.save(thing(due_at=NOON + timedelta(seconds=1)))
    await things.save(thing())

    [claimed] = await things.due_now(NOON)
    assert claimed.id == due.id
    assert await things.due_now(NOON) == []

    database.server_now = later(database, timedelta(minutes=1))  # type: ignore[method-assign]
    [again] = await things.due_now(NOON)
    assert again.id == due.id


async def test_nobody_looks_before_what_is_there_or_was_saved_falls_due(
    things: Things, database: Database
) -> None:
    second = timedelta(seconds=1)
    others = Things(
        Database(database.client, database.name, source="", clock=database.clock)
    )
    await others.save(thing(due_at=NOON + 9 * second))
    assert things.may_be_due(NOON)
    assert await things.due_now(NOON) == []
    assert not things.may_be_due(NOON + 8 * second)
    assert things.may_be_due(NOON + 9 * second)

    due = await things.save(thing(due_at=NOON + 2 * second))
    assert not things.may_be_due(NOON + second)
    assert things.may_be_due(NOON + 2 * second)

    [claimed] = await things.due_now(NOON + 2 * second)
    assert claimed.id == due.id
    assert await things.due_now(NOON + 2 * second) == []
    await things.release(claimed)
    assert things.may_be_due(NOON + 2 * second)


async def test_who_lost_what_was_there_looks_again_at_once(
    things: Things, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = Things(
        Database(database.client, database.name, source="", clock=database.clock)
    )
    claimed = things._claimed

    async def overtaken(*given: Any) -> list[dict[str, Any]]:
        assert await others.due_now(NOON)
        return await claimed(*given)

    await things.save(thing(due_at=NOON))
    monkeypatch.setattr(things, "_claimed", overtaken)

    assert await things.due_now(NOON) == []
    assert things.may_be_due(NOON)


async def test_however_much_others_hold_what_is_due_behind_it_is_found(
    things: Things,
) -> None:
    many = 12
    for _ in range(many):
        await things.save(thing(due_at=NOON))

    claimed = [
        each for _ in range(many) for each in await things.due_now(NOON, limit=1)
    ]

    assert len({each.id for each in claimed}) == many


async def test_who_acted_may_save_and_the_next_due_time_is_claimed_at_once(
    things: Things,
) -> None:
    await things.save(thing(due_at=NOON))
    [claimed] = await things.due_now(NOON)

    await things.save(claimed.model_copy(update={"due_at": NOON}))

    assert len(await things.due_now(NOON)) == 1


async def test_the_indexes_serve_every_query_of_the_chassis(things: Things) -> None:
    await asyncio.gather(*(things.save(thing(due_at=NOON)) for _ in range(50)))
    queries = [
        {"_id": new_id(), "version": 1},
        {"_id": {"$in": [new_id()]}},
        {"outbox.until": {"$lt": NOON}},
        {"due_at": {"$lte": NOON}},
        {"due_at": {"$gt": NOON}},
    ]
    for query in queries:
        plan = await things.documents.find(query).explain()
        assert "COLLSCAN" not in str(plan["queryPlanner"]["winningPlan"]), query


def later(database: Database, by: timedelta):  # noqa: ANN201 - A clock.
    """The store's time, some time on."""
    now = database.server_now
    return lambda: now() + by


async def test_a_connection_no_longer_waited_for_leaves_no_socket(
    backing_services: Backing, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, connecting = asyncio.get_running_loop(), asyncio.Event()
    connect_socket = loop.sock_connect

    async def cancelled_meanwhile(*given: Any) -> None:
        connecting.set()
        await connect_socket(*given)

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ResourceWarning)
        async with connect(backing_services.store_url) as client:
            await client.admin.command("ping")
            monkeypatch.setattr(loop, "sock_connect", cancelled_meanwhile)
            # The pool holds one connection: another must be made.
            asking = [asyncio.create_task(client.admin.command("ping")) for _ in "ab"]
            await connecting.wait()
            for each in asking:
                each.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
        del asking
        gc.collect()

    assert [str(each.message) for each in told] == []
