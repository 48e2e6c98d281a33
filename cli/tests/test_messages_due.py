"""The doctor sees from outside that somebody is not told."""

import json
from datetime import timedelta
from typing import Any

import pytest
from accord.findings import Finding, Verdict
from accord.hearing import (
    channels_alive,
    coordinators_reachable,
    heard_by_all,
    messages_due,
    nobody_on_duty,
    systems_told,
    unpublished,
    workers_reached,
)
from accord_chassis.store import Database
from accord_chassis.testing import NOON
from notify.domain.channels import Way
from notify.domain.mail import Outcome
from notify.domain.pulse import Pulse
from notify.domain.webhook import Off, Webhook
from notify.handlers.mail import bounced
from notify.store import Notifications, Pulses, Webhooks
from notify_builders import POLICY, notification

MINUTE = timedelta(minutes=1)
FAILED = {"state": "failed"}


@pytest.mark.parametrize(
    ("due_at", "verdict"),
    [
        ([], Verdict.OK),
        ([None, NOON + 8 * 60 * MINUTE], Verdict.OK),
        ([NOON], Verdict.OK),
        ([NOON, NOON - 2 * MINUTE], Verdict.WARN),
        ([NOON - 2 * MINUTE, NOON - 11 * MINUTE, None], Verdict.FAIL),
    ],
)
async def test_whoever_is_not_told_in_time_is_found(
    database: Database, due_at: list[Any], verdict: Verdict
) -> None:
    kept = database.documents["notifications"]
    if due_at:
        await kept.insert_many(
            [{"_id": str(n), "due_at": d} for n, d in enumerate(due_at)]
        )

    found = await messages_due(database.documents, NOON)

    assert found.verdict is verdict


@pytest.mark.parametrize(
    ("saved", "verdict", "told"),
    [
        ([], Verdict.OK, "nothing waits"),
        ([MINUTE / 2], Verdict.OK, "of 1 waits"),
        ([MINUTE / 2, 2 * MINUTE], Verdict.WARN, "of 2 waits"),
        ([11 * MINUTE, 2 * MINUTE], Verdict.FAIL, "for 660 s"),
    ],
)
async def test_what_the_broker_does_not_take_is_found_whoever_has_it_in_hand(
    database: Database, saved: list[timedelta], verdict: Verdict, told: str
) -> None:
    # A living service claims what is left anew, so its lease always ends in future.
    until = NOON + MINUTE / 6
    times = [(NOON - ago).isoformat().replace("+00:00", "Z") for ago in saved]
    outbox = [
        {"until": until, "headers": json.dumps({"ce-time": each})} for each in times
    ]
    await database.documents["cases"].insert_one({"_id": "a", "outbox": outbox})
    await database.documents["cases"].insert_one({"_id": "b", "outbox": []})

    found = await unpublished([database.documents], NOON)

    assert found.verdict is verdict
    assert told in found.told


async def test_whom_nothing_reached_is_counted_once(database: Database) -> None:
    kept = database.documents["notifications"]
    failed, sent = {"state": "failed"}, {"state": "sent"}
    today, before = "2026-11-02T11:00:00.000", "2026-10-30T11:00:00.000"

    nobody = await workers_reached(database.documents, NOON)
    for number, (since, mail) in enumerate(
        [(today, failed), (today, failed), (today, sent), (before, failed)]
    ):
        told = [{"worker_id": "one", "mail": mail}, {"worker_id": "two", "mail": None}]
        await kept.insert_one(
            {
                "_id": str(number),
                "in_vain": mail is failed,
                "since": f"{since}.x",
                "told": told,
            }
        )
    found = await workers_reached(database.documents, NOON)

    assert nobody.verdict is Verdict.OK
    assert found.verdict is Verdict.WARN
    assert "has reached 1 of them" in found.told


async def test_whom_another_way_has_reached_is_not_counted(database: Database) -> None:
    left = {"worker_id": "reached", "mail": FAILED, "tried": [{"state": "sent"}]}
    lost = {"state": "unknown", "due_at": None}
    known = {"worker_id": "answered", "mail": lost, "tried": []}
    vain = {"worker_id": "vain", "mail": FAILED, "tried": [FAILED]}
    since = "2026-11-02T11:00:00.000.x"
    common = {"in_vain": True, "since": since}
    await database.documents["notifications"].insert_many(
        [
            {"_id": "a", **common, "told": [left, vain]},
            {"_id": "b", **common, "told": [known, vain], "acknowledged_at": NOON},
        ]
    )

    found = await workers_reached(database.documents, NOON)

    assert "has reached 1 of them" in found.told


def worker(name: str, *, on_duty: bool = True, **sealed: Any) -> dict[str, Any]:
    """Somebody as allocation keeps them: how they are reached is sealed."""
    same = {"_id": name, "active": True, "duty_coordinator": on_duty}
    return {**same, "sealed": {"contact": None, "mobile": None, **sealed}}


async def test_a_coordinator_for_whom_nothing_can_ring_is_found(
    database: Database,
) -> None:
    kept = database.documents

    async def found() -> Finding:
        return await coordinators_reachable(kept, kept, NOON)

    nobody = await found()
    await kept["workers"].insert_many(
        [worker("a"), worker("b", on_duty=False), worker("c", on_duty=False)]
    )
    alone = await found()
    times = {"since": NOON - MINUTE, "until": NOON + MINUTE}
    over = {"since": NOON - 2 * MINUTE, "until": NOON}
    turns = [{"worker_id": "b", **times}, {"worker_id": "c", **over}]
    await kept["rotas"].insert_one({"_id": "r", "coordinates": True, "turns": turns})
    both = await found()
    await kept["workers"].insert_one(worker("d", mobile=b"sealed"))
    some = await found()
    await kept["subscriptions"].insert_many(
        [{"_id": each, "worker_id": each} for each in ("a", "b")]
    )
    fine = await found()

    assert [each.verdict for each in (nobody, alone, both, some, fine)] == [
        Verdict.OK, Verdict.FAIL, Verdict.FAIL, Verdict.WARN, Verdict.OK,
    ]  # fmt: skip
    told = [each.told.split(" have")[0] for each in (alone, both, some)]
    assert told == ["1 of 1 on duty", "2 of 2 on duty", "2 of 3 on duty"]


async def test_bounced_addresses_and_dead_channels_are_found_as_notify_keeps_them(
    database: Database,
) -> None:
    kept, pulses = Notifications(database), Pulses(database)
    webhooks = Webhooks(database)
    told = notification(mail=True)
    claimed = told.claim_mail(0, NOON, POLICY.email)
    sent = claimed.settle_mail(0, Outcome.SENT, None, NOON, POLICY.email)
    mail = sent.told[0].mail
    assert mail
    back, *_ = bounced(sent, 0, mail, "bounced_address", at=NOON, quiet=POLICY.quiet)
    await kept.save(sent)
    before = await _three_of(database)
    await kept.save(back.model_copy(update={"version": 1}))
    dead = Pulse.of(Way.SMS).wait(NOON - 16 * MINUTE, 15 * MINUTE)
    await pulses.save(dead.alarm(NOON, 15 * MINUTE))
    system = Webhook.of("police", "https://police.example/told", "salt", NOON)
    await webhooks.save(system.turn_off(Off.FAILING, NOON))

    after = await _three_of(database)

    assert {each.verdict for each in before} == {Verdict.OK}
    reached, channels, systems = after
    assert "reached 1 of them" in reached.told
    assert "to 1 of those letters came back" in reached.told
    assert (channels.verdict, systems.verdict) == (Verdict.FAIL, Verdict.WARN)
    assert "by sms," in channels.told
    assert "1 took nothing for days" in systems.told


async def _three_of(database: Database) -> tuple[Finding, Finding, Finding]:
    return (
        await workers_reached(database.documents, NOON),
        await channels_alive(database.documents),
        await systems_told(database.documents),
    )


async def test_what_nobody_could_be_told_of_is_found(database: Database) -> None:
    fine = await nobody_on_duty(database.documents, NOON)
    waits = ({"_id": str(m), "since": NOON - m * MINUTE} for m in (2, 11))
    await database.documents["untold"].insert_many(waits)

    found = await nobody_on_duty(database.documents, NOON)

    assert fine.verdict is Verdict.OK
    assert found.verdict is Verdict.FAIL
    assert "for 660 s" in found.told


async def test_a_system_that_was_turned_off_is_found(database: Database) -> None:
    fine = await systems_told(database.documents)
    webhooks = database.documents["webhooks"]
    await webhooks.insert_one({"_id": "a", "off": "gone"})
    gone = await systems_told(database.documents)
    await webhooks.insert_one({"_id": "b", "off": "failing"})
    both = await systems_told(database.documents)

    assert fine.verdict is Verdict.OK
    assert gone.verdict is both.verdict is Verdict.WARN
    assert "1 answered that" in gone.told
    assert "days" not in gone.told
    assert "1 took nothing for days and 1 answered that" in both.told


async def test_a_way_that_is_silent_and_replies_of_nobody_are_found(
    database: Database,
) -> None:
    fine = await heard_by_all(database.documents, NOON)
    pulses, callbacks = (database.documents[e] for e in ("pulses", "callbacks"))
    await pulses.insert_many(
        [
            {"_id": "a", "way": "sms", "silent_at": NOON},
            {"_id": "b", "way": "email", "silent_at": None},
        ]
    )
    await callbacks.insert_many(
        [
            {"_id": "a", "unknown": True, "at": NOON},
            {"_id": "b", "unknown": True, "at": NOON - 25 * 60 * MINUTE},
        ]
    )

    found = {each.what: each for each in await heard_by_all(database.documents, NOON)}

    assert {each.verdict for each in fine} == {Verdict.OK}
    assert found["channels"].verdict is Verdict.FAIL
    assert "by sms," in found["channels"].told
    assert found["replies by SMS"].told.startswith("1 came")
