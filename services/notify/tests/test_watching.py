"""A way by which nothing leaves is an alarm, and no silence."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from accord_chassis.testing import NOON
from notify.asks import DirectoryAway
from notify.domain.channels import Way
from notify.domain.mail import Outcome
from notify.domain.notification import Notification
from notify.domain.pulse import Pulse, pulse_id
from notify.domain.wording import Letter
from notify.handlers.pushing import FORGOTTEN, NO_BROWSER
from notify.handlers.watching import Watch, WatchedPost, attend
from notify.post import BAD_ADDRESS, Posted
from notify.store import Notifications, Pulses, Untolds
from notify_builders import (
    MINUTE,
    POLICY,
    MailServer,
    Running,
    WorkersDirectory,
    notification,
    offered,
)

PATIENCE = POLICY.email.silent_after


async def silent(running: Running) -> list[dict[str, Any]]:
    """What is said of ways by which nothing leaves."""
    kept = running.service.store(Pulses).documents
    return [each async for each in kept.find({"silent_at": {"$type": "date"}})]


async def takes_nothing(
    mailing: Running, mail_server: MailServer, workers: WorkersDirectory
) -> None:
    """Have a mail server take nothing of what it is asked to."""
    workers.has_on_duty()
    mail_server.manner = "not_now"
    await mailing.hears(offered(workers.knows(email="one@agency.example")))
    await mailing.later(timedelta())


async def test_a_mail_server_that_takes_nothing_is_an_alarm_until_it_does(
    mailing: Running, mail_server: MailServer, workers: WorkersDirectory
) -> None:
    await takes_nothing(mailing, mail_server, workers)
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


async def test_what_could_be_no_address_is_no_sign_of_life(
    mailing: Running, mail_server: MailServer, workers: WorkersDirectory
) -> None:
    await takes_nothing(mailing, mail_server, workers)

    await mailing.later(PATIENCE / 2)
    await mailing.hears(offered(workers.knows(email="nobody in particular")))
    await mailing.later(PATIENCE / 2)

    [alarm] = await silent(mailing)
    assert alarm["waits_since"] == NOON


@dataclass
class Answers:
    """A channel of which it is known what it answers."""

    posted: Posted
    on = True
    closed = None

    async def send(self, _letter: Letter, _to: str, _at: datetime) -> Posted:
        return self.posted


@pytest.mark.parametrize("posted", [BAD_ADDRESS, NO_BROWSER, FORGOTTEN])
async def test_what_asks_nobody_says_nothing_of_a_way(
    running: Running, posted: Posted
) -> None:
    pulses = running.service.store(Pulses)
    watch = Watch(pulses, running.service.store(Untolds), PATIENCE)
    post = WatchedPost(Answers(posted), Way.PUSH, watch)
    letter = Letter("a-key", "", "A message", POLICY.languages)
    await watch.waits(Way.PUSH, NOON)
    before = await pulses.get(pulse_id(Way.PUSH))

    assert await post.send(letter, "nobody", NOON + MINUTE) == posted
    assert await pulses.get(pulse_id(Way.PUSH)) == before


async def test_that_every_letter_is_refused_for_so_long_is_an_alarm_until_one_is_taken(
    mailing: Running, mail_server: MailServer, workers: WorkersDirectory
) -> None:
    workers.has_on_duty()
    mail_server.manner = "refuse"
    refused: list[bool] = []
    for after in (timedelta(), PATIENCE - MINUTE, MINUTE):
        await mailing.later(after)
        await mailing.hears(offered(workers.knows(email="one@agency.example")))
        await mailing.later(timedelta())
        refused.append(bool(await silent(mailing)))
    [alarm] = await silent(mailing)
    mail_server.manner = "take"
    await mailing.hears(offered(workers.knows(email="two@agency.example")))
    await mailing.later(timedelta())

    assert refused == [False, False, True]
    assert (alarm["way"], alarm["waits_since"]) == ("email", NOON)
    assert await silent(mailing) == []


async def test_a_letter_that_is_taken_makes_refusals_those_of_single_letters(
    mailing: Running, mail_server: MailServer, workers: WorkersDirectory
) -> None:
    workers.has_on_duty()
    for after, manner in (
        (timedelta(), "refuse"),
        (MINUTE, "take"),
        (PATIENCE, "refuse"),
    ):
        mail_server.manner = manner
        await mailing.later(after)
        await mailing.hears(offered(workers.knows(email="one@agency.example")))
        await mailing.later(timedelta())

    assert await silent(mailing) == []


async def test_that_a_single_letter_is_refused_is_no_alarm(
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
    refused = quiet.refuse(NOON, PATIENCE)
    assert refused.refuse(NOON + MINUTE, PATIENCE) is refused
    assert refused.due_at is None
    assert refused.leave() == quiet
    assert waits.refuse(NOON + MINUTE, PATIENCE) is waits
    assert waits.wait(NOON + MINUTE, PATIENCE) is waits
    assert waits.due_at == NOON + PATIENCE
    alarmed = waits.alarm(NOON + PATIENCE, PATIENCE)
    assert alarmed.due_at == NOON + 2 * PATIENCE
    assert alarmed.alarm(NOON + 2 * PATIENCE, PATIENCE).silent_at == NOON + PATIENCE
    assert alarmed.leave() == quiet


def test_what_has_failed_by_a_way_waits_for_it_until_somebody_knows() -> None:
    fresh = notification(mail=True)
    failed = fresh.settle_mail(0, Outcome.NOT_TAKEN, "away", NOON, POLICY.email)
    by_another = failed.fail_over(0, Way.SMS, NOON)
    known = failed.acknowledge(fresh.worker_id, NOON)
    told = (fresh, failed, by_another, known)

    waits = [each.waits_by(Way.EMAIL, NOON) for each in told]

    assert waits == [False, True, True, False]


async def test_what_somebody_has_acknowledged_since_is_no_alarm(
    running: Running, workers: WorkersDirectory
) -> None:
    watched, worker = running.service.store(Pulses), workers.knows()
    await running.hears(offered(worker))
    await running.later(24 * 60 * MINUTE)
    await running.later(PATIENCE)
    [alarm] = await silent(running)

    # Still nobody is on duty who could be told next, but that need not be any more.
    [held] = await running.all()
    kept = running.service.store(Notifications)
    await kept.save(held.acknowledge(worker, running.clock.now()).end(NOON))
    await running.later(PATIENCE)

    assert alarm["way"] == "inbox"
    assert await silent(running) == []
    pulse = await watched.get(pulse_id(Way.INBOX))
    assert pulse
    assert (pulse.waits_since, pulse.due_at) == (None, None)


async def test_only_that_nobody_can_be_told_next_is_noted_of_the_inbox(
    running: Running,
) -> None:
    pulses = running.service.store(Pulses)
    watch = Watch(pulses, running.service.store(Untolds), PATIENCE)

    async def away(_: Notification, **_at: datetime) -> None:
        raise DirectoryAway

    early = notification()
    assert early.escalate_at
    for at in (early.escalate_at - MINUTE, early.escalate_at):
        with pytest.raises(DirectoryAway):
            await attend(early, at=at, do=away, watch=watch)

    pulse = await pulses.get(pulse_id(Way.INBOX))
    assert pulse
    assert pulse.waits_since == early.escalate_at
