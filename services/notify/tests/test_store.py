"""Where notifications and teams are kept: indexes, races and pages."""

from typing import Any

import pytest
from accord_chassis.store import Conflict, Database, Store
from accord_chassis.testing import NOON, new_id, published
from accord_contracts.risk import RiskLevel
from notify.domain.callback import Callback, Whose
from notify.domain.contact import PersonalContact
from notify.domain.skipped import NobodyLeft, Skip, Why, noted
from notify.handlers.telling import in_inbox
from notify.store import (
    FIRST,
    Alarms,
    Callbacks,
    NobodiesLeft,
    Notifications,
    PersonalContacts,
)
from notify_builders import MINUTE, notification, offered


async def plan(kept: Store[Any], found: Any, sort: str) -> str:
    """Say how the store finds something."""
    explained = await kept.documents.find(found).sort(sort).explain()
    return str(explained["queryPlanner"]["winningPlan"])


async def test_every_named_query_is_served_by_an_index(
    notifications: Notifications, database: Database
) -> None:
    alarms = Alarms(database)
    for _ in range(20):
        await notifications.save(notification())

    inbox = {"told_workers": new_id(), "place": {"$lt": FIRST}}
    assert "IXSCAN" in await plan(notifications, inbox, "place")
    case = {"case_id": new_id(), "since": {"$gt": ""}}
    assert "IXSCAN" in await plan(notifications, case, "since")
    stream = {"told_workers": new_id(), "moved": {"$gt": ""}}
    assert "IXSCAN" in await plan(notifications, stream, "moved")
    in_vain = {"in_vain": True, "since": {"$gt": ""}}
    assert "IXSCAN" in await plan(notifications, in_vain, "since")
    about = {"about_id": new_id(), "worker_id": new_id()}
    assert "IXSCAN" in await plan(notifications, about, "about_id")
    due = {"due_at": {"$lte": NOON}}
    assert "IXSCAN" in await plan(notifications, due, "due_at")
    await alarms.prepare()
    alarming = {"alarm_at": {"$lte": NOON}}
    assert "IXSCAN" in await plan(alarms, alarming, "alarm_at")


async def test_of_what_nobody_was_left_is_looked_up_by_an_index(
    database: Database,
) -> None:
    left = NobodiesLeft(database)
    await left.prepare()
    skipped = noted((), [Skip(new_id(), Why.BARRED)], NOON)
    for _ in range(20):
        made = NobodyLeft(
            id=new_id(),
            case_id=new_id(),
            event="plan.drafted.v1",
            happened_at=NOON,
            skipped=skipped,
        )
        await left.save(made)

    assert "IXSCAN" in await plan(left, {"case_id": new_id()}, "case_id")


async def test_what_comes_back_is_looked_up_by_an_index(database: Database) -> None:
    contacts, callbacks = PersonalContacts(database), Callbacks(database)
    for each in (contacts, callbacks):
        await each.prepare()
    for number in range(20):
        contact = PersonalContact.of(new_id(), new_id()).leading_to(str(number))
        await contacts.save(contact)
        heard = Callback(id=new_id(), at=NOON, reply=True, whose=Whose.NOBODY)
        await callbacks.save(heard)

    assert "IXSCAN" in await plan(contacts, {"reach": "1"}, "reach")
    assert "IXSCAN" in await plan(contacts, {"case_ids": new_id()}, "case_ids")
    unknown = {"unknown": True, "at": {"$gt": NOON}}
    assert "IXSCAN" in await plan(callbacks, unknown, "at")
    assert len(await contacts.reached_by("1")) == 1


async def test_a_stale_notification_is_a_conflict(notifications: Notifications) -> None:
    held = await notifications.save(notification())

    await notifications.save(held.acknowledge(held.worker_id, NOON))

    with pytest.raises(Conflict):
        await notifications.save(
            held.tell(new_id(), 1, at=NOON, until=NOON + MINUTE, mail=False)
        )


async def test_what_is_there_is_not_added_again(notifications: Notifications) -> None:
    held = notification()
    cause = offered()
    event = in_inbox(held, held.worker_id, NOON)

    await notifications.add(held, event, cause=cause)
    known = await notifications.get(held.id)
    assert known
    await notifications.save(known.acknowledge(held.worker_id, NOON))
    await notifications.add(held, event, cause=cause)

    assert len(await published(notifications)) == 1
    again = await notifications.get(held.id)
    assert again
    assert again.acknowledged_at == NOON


async def test_a_notification_comes_back_as_it_was_saved(
    notifications: Notifications,
) -> None:
    made = notification(mail=True)

    saved = await notifications.save(made)

    assert await notifications.get(made.id) == saved


async def test_an_inbox_comes_in_pages(notifications: Notifications) -> None:
    me = new_id()
    for number in range(7):
        held = await notifications.save(
            notification(worker_id=me, at=NOON + number * MINUTE)
        )
        if number % 3 == 0:
            await notifications.save(held.acknowledge(me, NOON))
        await notifications.save(notification())

    pages, after = [], None
    while page := await notifications.of_worker(me, after=after, limit=3):
        pages.append(page)
        after = page[-1].place

    minutes = [[(each.created_at - NOON) // MINUTE for each in page] for page in pages]
    assert minutes == [[5, 4, 2], [1, 6, 3], [0]]


async def test_two_of_the_same_moment_are_both_in_the_inbox(
    notifications: Notifications,
) -> None:
    me = new_id()
    for _ in range(4):
        await notifications.save(notification(worker_id=me))

    first = await notifications.of_worker(me, after=None, limit=2)
    second = await notifications.of_worker(me, after=first[-1].place, limit=2)

    assert len({each.id for each in (*first, *second)}) == 4


async def test_only_what_has_fallen_due_is_claimed_and_by_one_only(
    notifications: Notifications,
) -> None:
    soon = await notifications.save(notification())
    await notifications.save(notification(event="allocation.expired.v1"))
    acknowledged = await notifications.save(notification())
    await notifications.save(acknowledged.acknowledge(new_id(), NOON))
    ended = await notifications.save(notification())
    await notifications.save(ended.end(NOON))

    assert await notifications.due_now(NOON + 9 * MINUTE) == []
    claimed = await notifications.due_now(NOON + 10 * MINUTE)
    again = await notifications.due_now(NOON + 10 * MINUTE)

    assert [each.id for each in claimed] == [soon.id]
    assert again == []


async def test_an_alarm_is_claimed_before_what_is_older_and_by_one_alone(
    notifications: Notifications, database: Database
) -> None:
    alarms = Alarms(database)
    await notifications.save(notification(level=RiskLevel.LOW, mail=True))
    later = NOON + MINUTE
    critical = notification(level=RiskLevel.EXTREME, at=later, mail=True)
    await notifications.save(critical)

    [first] = await alarms.due_now(later)
    [rest] = await notifications.due_now(later)

    assert first.id == critical.id
    assert rest.id != critical.id
