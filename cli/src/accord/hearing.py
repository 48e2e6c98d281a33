"""What the doctor finds of who is not told, and of what nothing leaves by."""

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from accord_chassis.store import EPOCH
from pymongo.asynchronous.database import AsyncDatabase

from accord.findings import Finding, Verdict, ok, warn

AGE_WARN, AGE_FAIL = timedelta(seconds=60), timedelta(minutes=10)

MOST = 1000
"""Documents of a collection that are looked at for what waits in them."""


async def unpublished(
    databases: Iterable[AsyncDatabase[dict[str, Any]]], now: datetime
) -> Finding:
    """Find the oldest event that was saved and has not been published.

    It goes by the event's own time: who is to publish it next is settled anew every few
    seconds, for as long as the broker does not take it.
    """
    waiting = [
        (datetime.fromisoformat(json.loads(each["headers"])["ce-time"]), database.name)
        for database in databases
        for name in await database.list_collection_names()
        async for document in database[name]
        .find({"outbox.until": {"$gt": EPOCH}}, projection={"outbox": 1})
        .limit(MOST)
        for each in document["outbox"]
    ]
    if not waiting:
        return ok("outboxes", "nothing waits")
    since, where = min(waiting)
    age = now - since
    told = (
        f"the oldest of {len(waiting)} waits in {where} for {age.total_seconds():.0f} s"
    )
    mend = "See that the service runs and that the broker takes its events."
    return _by_age("outboxes", age, told, mend, well=told)


def _by_age(what: str, age: timedelta, told: str, mend: str, *, well: str) -> Finding:
    """Find something well, or not, by how long it has waited.

    Args:
        what: What was looked at.
        age: For how long.
        told: What is said if that is long.
        mend: What to do about it.
        well: What is said otherwise.
    """
    if age <= AGE_WARN:
        return ok(what, well)
    verdict = Verdict.FAIL if age > AGE_FAIL else Verdict.WARN
    return Finding(what, verdict, told, mend)


async def heard_by_all(
    database: AsyncDatabase[dict[str, Any]], now: datetime
) -> list[Finding]:
    """Look through everything by which somebody might not be told."""
    return [
        await messages_due(database, now),
        await nobody_on_duty(database, now),
        await channels_alive(database),
        await workers_reached(database, now),
        await replies_known(database, now),
        await systems_told(database),
    ]


async def messages_due(
    database: AsyncDatabase[dict[str, Any]], now: datetime
) -> Finding:
    """Find the oldest message to a worker of which something is due and not done.

    Looked for from outside, because a notify service that has died tells nobody. What
    waits for the end of quiet hours is not due yet.
    """
    oldest = await database["notifications"].find_one(
        {"due_at": {"$gt": EPOCH, "$lt": now}},
        projection={"due_at": 1},
        sort=[("due_at", 1)],
    )
    age = now - oldest["due_at"] if oldest else timedelta()
    return _by_age(
        "messages to workers",
        age,
        f"somebody has not been told for {age.total_seconds():.0f} s",
        "See that notify and allocation run, and that a coordinator is on duty.",
        well="nobody waits to be told",
    )


async def nobody_on_duty(
    database: AsyncDatabase[dict[str, Any]], now: datetime
) -> Finding:
    """Find the oldest thing that nobody could be told of, because nobody is there."""
    oldest = await database["untold"].find_one(sort=[("since", 1)])
    age = now - oldest["since"] if oldest else timedelta()
    return _by_age(
        "somebody on duty",
        age,
        f"something has been told to nobody for {age.total_seconds():.0f} s",
        "Put a coordinator on duty who may know of it: it is told within a minute.",
        well="nothing waits for anybody to come on duty",
    )


BOUNCED = "bounced"
"""How notify's reasons begin that a mail server gives for a letter that came back."""


async def workers_reached(
    database: AsyncDatabase[dict[str, Any]], now: datetime
) -> Finding:
    """Find workers whom nothing has reached that was to ring within the past day."""
    since = (now - timedelta(days=1)).isoformat(timespec="milliseconds")
    found = database["notifications"].find(
        {"in_vain": True, "since": {"$gt": since}},
        projection={"told": 1, "acknowledged_at": 1, "ended_at": 1},
    )
    vain = [
        told
        async for each in found.limit(500)
        for told in each["told"]
        if _rang_in_vain(told, known=_is_known(each))
    ]
    workers = {told["worker_id"] for told in vain}
    bounced = {told["worker_id"] for told in vain if _came_back(told)}
    if not workers:
        return ok("workers reached", "everybody, as far as is known")
    return warn(
        "workers reached",
        f"nothing that rang has reached {len(workers)} of them in the past day; to "
        f"{len(bounced)} of those letters came back",
        "See who they are with GET /v1/unreachable of notify; correct the directory.",
    )


def _came_back(told: dict[str, Any]) -> bool:
    """Tell whether a letter to one of those told came back: their address is wrong."""
    rang = [*(told.get("tried") or ()), told.get("mail") or {}]
    return any((each.get("reason") or "").startswith(BOUNCED) for each in rang)


def _is_known(notification: dict[str, Any]) -> bool:
    """Tell whether nothing need ring any more: somebody knows, or it has ended."""
    return bool(notification.get("acknowledged_at") or notification.get("ended_at"))


def _rang_in_vain(told: dict[str, Any], *, known: bool) -> bool:
    """Tell whether nothing has reached one of those told, as notify itself does.

    What has left by another way has reached them; what may have arrived has failed them
    once it is tried no more, while nobody knows.
    """
    if any(each.get("state") == "sent" for each in told.get("tried") or ()):
        return False
    mail = told.get("mail") or {}
    state = mail.get("state")
    lost = state == "unknown" and mail.get("due_at") is None
    return state == "failed" or (lost and not known)


async def coordinators_reachable(
    allocation: AsyncDatabase[dict[str, Any]],
    notify: AsyncDatabase[dict[str, Any]],
    now: datetime,
) -> Finding:
    """Find coordinators on duty or on call for whom nothing can ring.

    Of an address it is seen that there is one: which, is sealed.
    """
    on_duty = await _on_duty(allocation) | await _on_call(notify, now)
    found = allocation["workers"].find(
        {"_id": {"$in": sorted(on_duty)}}, projection={"sealed": 1}
    )
    reached = {
        each["_id"] async for each in found if any((each.get("sealed") or {}).values())
    }
    rest = sorted(on_duty - reached)
    browsers = notify["subscriptions"].find(
        {"worker_id": {"$in": rest}}, projection={"worker_id": 1}
    )
    reached |= {each["worker_id"] async for each in browsers}
    without = len(on_duty - reached)
    if not without:
        return ok("coordinators reached", "each on duty has an address or a browser")
    verdict = Verdict.WARN if on_duty & reached else Verdict.FAIL
    return Finding(
        "coordinators reached",
        verdict,
        f"{without} of {len(on_duty)} on duty have no address, no mobile number and no "
        "browser: nothing rings for them",
        "Give them an e-mail address or a mobile number in the directory.",
    )


async def _on_duty(allocation: AsyncDatabase[dict[str, Any]]) -> set[str]:
    found = allocation["workers"].find(
        {"duty_coordinator": True, "active": True}, projection={"_id": 1}
    )
    return {each["_id"] async for each in found}


async def _on_call(notify: AsyncDatabase[dict[str, Any]], now: datetime) -> set[str]:
    found = notify["rotas"].find({"coordinates": True}, projection={"turns": 1})
    return {
        turn["worker_id"]
        async for each in found
        for turn in each["turns"]
        if turn["since"] <= now < turn["until"]
    }


TURNED_OFF = {
    "failing": "took nothing for days",
    "gone": "answered that there is no such system any more",
}


async def systems_told(database: AsyncDatabase[dict[str, Any]]) -> Finding:
    """Find agencies' own systems that are told nothing more, because they failed."""
    webhooks, found = database["webhooks"], []
    for why, said in TURNED_OFF.items():
        if count := await webhooks.count_documents({"off": why}):
            found.append(f"{count} {said}")
    if not found:
        return ok("agencies' systems", "none was turned off")
    return warn(
        "agencies' systems",
        f"{' and '.join(found)}: told nothing more",
        "See that they run, then put each again: PUT /v1/agencies/{code}/webhook.",
    )


async def replies_known(
    database: AsyncDatabase[dict[str, Any]], now: datetime
) -> Finding:
    """Find what came by SMS within the past day from nobody who is known."""
    found = {"unknown": True, "at": {"$gt": now - timedelta(days=1)}}
    count = await database["callbacks"].count_documents(found)
    if not count:
        return ok("replies by SMS", "none from a number that is not known")
    return warn(
        "replies by SMS",
        f"{count} came in the past day from numbers that are not known",
        "See when with GET /v1/sms-callbacks/unknown of notify; read them at the "
        "gateway.",
    )


async def channels_alive(database: AsyncDatabase[dict[str, Any]]) -> Finding:
    """Find ways by which nothing leaves, though something is due."""
    found = database["pulses"].find({"silent_at": {"$gt": EPOCH}})
    silent = sorted([each["way"] async for each in found])
    if not silent:
        return ok("channels", "what is due leaves")
    return Finding(
        "channels",
        Verdict.FAIL,
        f"nothing leaves by {', '.join(silent)}, though something is due",
        "See that the mail server and the SMS gateway answer, and, for the inbox, that "
        "allocation runs and a coordinator is on duty.",
    )
