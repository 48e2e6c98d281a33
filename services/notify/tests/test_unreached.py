"""Who cannot be reached is shown, until something has reached them."""

from datetime import timedelta
from typing import Any

from accord_contracts.message import Message
from notify_builders import MailServer, Running, WorkersDirectory, offered

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
    workers.has_on_duty()
    worker = workers.knows(email="gone@agency.example")
    assert await shown(mailing) == []

    mail_server.manner = "refuse"
    await told(mailing, worker)
    await told(mailing, worker)
    [seen] = await shown(mailing)
    mail_server.manner = "take"
    mailing.clock.advance(timedelta(minutes=1))
    await told(mailing, worker)

    same = {"way": "email", "reason": "recipient_refused", "count": 2}
    assert seen == {"worker_id": worker, "told_at": "2026-11-02T12:00:00Z", **same}
    assert await shown(mailing) == []


async def test_after_a_week_of_nothing_it_is_old_news(
    mailing: Running, mail_server: MailServer, workers: WorkersDirectory
) -> None:
    workers.has_on_duty()
    mail_server.manner = "refuse"
    await told(mailing, workers.knows(email="gone@agency.example"))

    mailing.clock.advance(8 * DAY)

    assert await shown(mailing) == []
