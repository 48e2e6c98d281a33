"""A way by which nothing leaves is an alarm, and no silence."""

from datetime import timedelta
from typing import Any

from accord_chassis.testing import NOON
from notify.domain.channels import Way
from notify.domain.pulse import Pulse, pulse_id
from notify.store import Pulses
from notify_builders import (
    MINUTE,
    POLICY,
    MailServer,
    Running,
    WorkersDirectory,
    offered,
)

PATIENCE = POLICY.email.silent_after


async def silent(running: Running) -> list[dict[str, Any]]:
    """What is said of ways by which nothing leaves."""
    kept = running.service.store(Pulses).documents
    return [each async for each in kept.find({"silent_at": {"$type": "date"}})]


async def test_a_mail_server_that_takes_nothing_is_an_alarm_until_it_does(
    mailing: Running, mail_server: MailServer, workers: WorkersDirectory
) -> None:
    workers.has_on_duty()
    mail_server.manner = "not_now"
    await mailing.hears(offered(workers.knows(email="one@agency.example")))
    await mailing.later(timedelta())
    before = await silent(mailing)
    await mailing.later(PATIENCE)

    [alarm] = await silent(mailing)
    mail_server.manner = "take"
    await mailing.hears(offered(workers.knows(email="two@agency.example")))
    await mailing.later(timedelta())

    assert before == []
    assert alarm["way"] == "email"
    assert alarm["waits_since"] == NOON
    assert await silent(mailing) == []


async def test_a_letter_that_is_refused_says_that_the_server_lives(
    mailing: Running, mail_server: MailServer, workers: WorkersDirectory
) -> None:
    workers.has_on_duty()
    mail_server.manner = "refuse"
    await mailing.hears(offered(workers.knows(email="gone@agency.example")))
    await mailing.later(timedelta())
    await mailing.later(PATIENCE)

    assert await silent(mailing) == []


async def test_that_nobody_can_be_told_next_is_an_alarm(
    running: Running, workers: WorkersDirectory
) -> None:
    await running.hears(offered(workers.knows()))
    await running.later(24 * 60 * MINUTE)
    waits = await running.service.store(Pulses).get(pulse_id(Way.INBOX))
    await running.later(PATIENCE)

    [alarm] = await silent(running)
    assert waits
    assert alarm["waits_since"] == waits.waits_since
    assert alarm["way"] == "inbox"


def test_only_a_change_is_noted() -> None:
    quiet = Pulse.of(Way.SMS)
    waits = quiet.wait(NOON, PATIENCE)

    assert quiet.leave() is quiet
    assert waits.wait(NOON + MINUTE, PATIENCE) is waits
    assert waits.due_at == NOON + PATIENCE
    assert waits.alarm(NOON).due_at is None
    assert waits.alarm(NOON).leave() == quiet
