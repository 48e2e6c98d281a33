"""Who cannot be reached is shown, until something has reached them."""

from datetime import timedelta
from typing import Any

from accord_contracts.message import Message
from notify_builders import (
    POLICY,
    MailServer,
    Running,
    WorkersDirectory,
    offered,
)

DAY = timedelta(days=1)


async def shown(running: Running) -> list[dict[str, Any]]:
    """Give who cannot be reached, as an administrator sees it."""
    headers = running.bearer("notify.admin")
    answer = await running.http.get("/v1/unreachable", headers=headers)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["workers"]
    return found


async def told(running: Running, worker: str) -> Message[Any]:
    message = offered(worker)
    await running.hears(message)
    await running.later(timedelta())
    return message


async def test_whoever_is_reached_by_no_way_is_shown_until_they_are(
    mailing: Running, mail_server: MailServer, workers: WorkersDirectory
) -> None:
    coordinator = workers.has_on_duty()
    worker = workers.knows(email="gone@agency.example")
    assert await shown(mailing) == []

    mail_server.manner = "refuse"
    await told(mailing, worker)
    await told(mailing, worker)
    [seen] = [e for e in await shown(mailing) if e["worker_id"] == worker]
    mail_server.manner = "take"
    mailing.clock.advance(timedelta(minutes=1))
    await told(mailing, worker)

    same = {"way": "email", "reason": "recipient_refused", "count": 2}
    assert seen == {"worker_id": worker, "told_at": "2026-11-02T12:00:00Z", **same}
    # Nothing rings for whoever has no address, and there was nobody else to tell.
    assert [each["worker_id"] for each in await shown(mailing)] == [coordinator]


async def test_whoever_has_no_address_is_shown_and_the_next_is_told_at_once(
    mailing: Running, workers: WorkersDirectory
) -> None:
    coordinator = workers.has_on_duty(email="duty@agency.example")
    worker = workers.knows()

    await told(mailing, worker)

    [seen] = await shown(mailing)
    assert (seen["worker_id"], seen["reason"]) == (worker, "no_address")
    [held] = await mailing.all()
    assert held.told_workers == [worker, coordinator]
    assert held.told[1].at == held.created_at


async def test_a_coordinator_without_an_address_is_not_told_over_and_over(
    mailing: Running, workers: WorkersDirectory
) -> None:
    workers.has_on_duty()

    await told(mailing, workers.knows())
    await mailing.later(timedelta(minutes=1))

    [held] = await mailing.all()
    assert held.escalate_at
    assert held.escalate_at > mailing.clock.now()
    assert len(held.told) <= 1 + len(POLICY.chain(held.chain))


async def test_after_a_week_of_nothing_it_is_old_news(
    mailing: Running, mail_server: MailServer, workers: WorkersDirectory
) -> None:
    workers.has_on_duty()
    mail_server.manner = "refuse"
    await told(mailing, workers.knows(email="gone@agency.example"))

    mailing.clock.advance(8 * DAY)

    assert await shown(mailing) == []
