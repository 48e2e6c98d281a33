"""E-mail through the whole service: claimed, then sent, refused or unknown."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from accord_chassis.testing import NOON, eventually, published
from accord_contracts.message import Message
from accord_contracts.notify import (
    Channel,
    NotificationFailed,
    NotificationSent,
)
from accord_contracts.risk import RiskLevel
from notify.domain.channels import Way
from notify.domain.mail import MailState
from notify.domain.notification import Notification
from notify.domain.record import lines
from notify.domain.wording import Wording
from notify.handlers.mail import send_mail
from notify.handlers.reaching import Reach
from notify.handlers.silence import acknowledge
from notify.post import Server, SmtpPost
from notify.store import Notifications, Subscriptions
from notify_builders import (
    LINK_BASE,
    MAIL_FROM,
    MINUTE,
    POLICY,
    MailServer,
    Running,
    WorkersDirectory,
    accepted,
    declined,
    expired,
    notification,
    offered,
    unfilled,
)

NOW = timedelta()
EMAIL = "worker@agency.example"

Send = Callable[..., Awaitable[None]]


@pytest.fixture
def post(mail_server: MailServer) -> SmtpPost:
    """A post that loses patience early, and forgets that the server was away."""
    return SmtpPost(
        Server.at(mail_server.url), MAIL_FROM, timeout_seconds=2.0, away_seconds=0
    )


@pytest.fixture
def sends(
    notifications: Notifications,
    reach: Reach,
    post: SmtpPost,
    subscriptions: Subscriptions,
) -> Send:
    """Send the e-mail of a message that is due."""

    async def send(held: Notification, *, after: timedelta = NOW) -> None:
        await send_mail(
            held,
            at=NOON + after,
            notifications=notifications,
            reach=reach,
            policy=POLICY,
            wording=Wording(POLICY, LINK_BASE),
            posts={Way.EMAIL: post},
            subscriptions=subscriptions,
        )

    return send


@pytest.fixture
async def wanted(
    notifications: Notifications, workers: WorkersDirectory
) -> Notification:
    """A message whose e-mail is to go out."""
    worker = workers.knows(email=EMAIL)
    return await notifications.save(notification(worker_id=worker, mail=True))


async def again(notifications: Notifications, held: Notification) -> Notification:
    """The same message, as it is now."""
    found = await notifications.get(held.id)
    assert found
    return found


async def the_only(alive: Running) -> Notification:
    [held] = await alive.all()
    return held


async def test_who_is_offered_a_role_gets_an_email(
    mailing: Running, mail_server: MailServer, workers: WorkersDirectory
) -> None:
    worker = workers.knows(email=EMAIL)
    message = offered(worker)

    await mailing.hears(message)
    await mailing.later(NOW)

    held = await the_only(mailing)
    assert held.mail_state(0) is MailState.SENT
    assert held.told[0].mail
    assert held.told[0].mail.sent_at == NOON
    assert held.due_at == held.ack_by
    [letter] = mail_server.letters
    assert letter["To"] == EMAIL
    assert letter["Message-ID"] == f"<{held.mail_key(0)}@accord.example>"
    said = letter["Subject"] + letter.get_content()
    for secret in (worker, message.data.case_id, message.data.allocation_id):
        assert secret not in letter.as_string() + said


async def test_a_message_stands_in_the_inbox_before_any_email_has_gone_out(
    mailing: Running, mail_server: MailServer, workers: WorkersDirectory
) -> None:
    mail_server.manner = "hang"
    worker = workers.knows(email=EMAIL)

    await mailing.hears(offered(worker))

    assert [each["event"] for each in await mailing.inbox(worker)] == [
        "allocation.offered.v1"
    ]
    assert (await the_only(mailing)).mail_state(0) is not MailState.SENT
    mail_server.released.set()


@pytest.mark.parametrize(
    ("manner", "state", "reason"),
    [
        ("take", MailState.SENT, None),
        ("refuse", MailState.FAILED, "recipient_refused"),
        ("refuse_later", MailState.FAILED, "letter_refused"),
        ("not_now", MailState.WANTED, "recipient_refused"),
        ("drop", MailState.UNKNOWN, "no_answer"),
    ],
)
async def test_what_became_of_an_email_is_noted_and_told_once_it_is_final(
    wanted: Notification,
    sends: Send,
    notifications: Notifications,
    mail_server: MailServer,
    *,
    manner: str,
    state: MailState,
    reason: str | None,
) -> None:
    mail_server.manner = manner

    await sends(wanted)

    held = await again(notifications, wanted)
    mail = held.told[0].mail
    assert mail
    assert (mail.state, mail.reason, mail.attempts) == (state, reason, 1)
    said = await published(notifications)
    if state is MailState.SENT:
        assert [type(each.data) for each in said] == [NotificationSent]
    elif state is MailState.FAILED:
        [failed] = said
        assert isinstance(failed.data, NotificationFailed)
        assert (failed.data.channel, failed.data.reason) == (Channel.EMAIL, reason)
        assert failed.lane is held.lane
    else:
        assert said == []
        assert mail.due_at == NOON + MINUTE


async def test_whoever_cannot_be_reached_is_not_waited_for(
    mailing: Running, mail_server: MailServer, workers: WorkersDirectory
) -> None:
    mail_server.manner = "refuse"
    deputy = workers.knows()
    worker = workers.knows(email=EMAIL, deputy=deputy)

    await mailing.hears(offered(worker))
    await mailing.later(NOW)

    assert len(await mailing.inbox(deputy)) == 1
    held = await the_only(mailing)
    assert [each.at for each in held.told] == [NOON, NOON]


async def test_the_last_of_a_chain_who_cannot_be_reached_is_told_again_after_its_pause(
    mailing: Running, mail_server: MailServer, workers: WorkersDirectory
) -> None:
    mail_server.manner = "refuse"
    workers.has_on_duty(email=EMAIL)

    await mailing.hears(unfilled())
    await mailing.later(NOW)
    pause = POLICY.chain((await the_only(mailing)).chain)[-1].wait
    await mailing.later(pause - MINUTE)
    [first, at_once] = (await the_only(mailing)).told
    assert (first.at, at_once.at) == (NOON, NOON)
    await mailing.later(MINUTE)

    assert [each.at for each in (await the_only(mailing)).told[2:]] == [NOON + pause]


async def test_an_attempt_of_which_nothing_is_heard_again_is_repeated_after_a_pause(
    wanted: Notification,
    sends: Send,
    notifications: Notifications,
    mail_server: MailServer,
) -> None:
    mail_server.manner = "hang"
    killed = asyncio.ensure_future(sends(wanted))

    async def on_its_way() -> bool:
        return bool(mail_server.letters)

    await eventually(on_its_way)
    killed.cancel()
    await asyncio.gather(killed, return_exceptions=True)
    mail_server.manner = "take"

    held = await again(notifications, wanted)
    assert held.mail_state(0) is MailState.CLAIMED
    assert [each.what for each in lines([held])] == ["told", "email_unknown"]
    assert await notifications.due_now(NOON + 9 * MINUTE) == []
    [due] = await notifications.due_now(NOON + 10 * MINUTE)
    await sends(due, after=10 * MINUTE)

    assert (await again(notifications, wanted)).mail_state(0) is MailState.SENT
    keys = [each["Message-ID"] for each in mail_server.letters]
    assert len(keys) == 2
    assert len(set(keys)) == 1
    tried = lines([await again(notifications, wanted)])[1:]
    assert [(each.at, each.what, each.reason) for each in tried] == [
        (NOON, "email_unknown", "no_answer"),
        (NOON + 10 * MINUTE, "email_sent", ""),
    ]


async def test_what_did_not_get_through_is_tried_again_after_growing_pauses(
    wanted: Notification,
    sends: Send,
    notifications: Notifications,
    mail_server: MailServer,
) -> None:
    seen = []
    for after, manner in ((0, "not_now"), (1, "drop"), (6, "take")):
        mail_server.manner = manner
        [due] = await notifications.due_now(NOON + after * MINUTE)
        await sends(due, after=after * MINUTE)
        seen.append((await again(notifications, wanted)).mail_state(0))

    assert seen == [MailState.WANTED, MailState.UNKNOWN, MailState.SENT]
    assert len({each["Message-ID"] for each in mail_server.letters}) == 1
    said = [each.data for each in await published(notifications)]
    assert [type(each) for each in said] == [NotificationSent]


@pytest.mark.parametrize(
    ("manner", "state"),
    [("not_now", MailState.FAILED), ("drop", MailState.UNKNOWN)],
)
async def test_an_email_that_never_gets_through_is_given_up_and_that_is_told(
    wanted: Notification,
    sends: Send,
    notifications: Notifications,
    mail_server: MailServer,
    *,
    manner: str,
    state: MailState,
) -> None:
    mail_server.manner = manner

    after = NOW
    for pause in (*POLICY.email.again_after_minutes, 0):
        assert await published(notifications) == []
        await sends(await again(notifications, wanted), after=after)
        after += pause * MINUTE

    held = await again(notifications, wanted)
    assert held.mail_state(0) is state
    assert held.due_at == held.ack_by
    [said] = await published(notifications)
    assert isinstance(said.data, NotificationFailed)


async def test_while_the_server_is_away_nothing_is_claimed(
    wanted: Notification,
    notifications: Notifications,
    reach: Reach,
    mail_server: MailServer,
    subscriptions: Subscriptions,
) -> None:
    mail_server.manner = "drop"
    post = SmtpPost(Server.at(mail_server.url), MAIL_FROM)
    letter = Wording(POLICY, LINK_BASE).letter(wanted, 0)
    await post.send(letter, EMAIL, NOON)
    assert post.closed

    await send_mail(
        wanted,
        at=NOON,
        notifications=notifications,
        reach=reach,
        policy=POLICY,
        wording=Wording(POLICY, LINK_BASE),
        posts={Way.EMAIL: post},
        subscriptions=subscriptions,
    )

    held = await again(notifications, wanted)
    assert held.version == wanted.version + 1
    assert held.due_at == NOON + MINUTE
    assert len(mail_server.letters) == 1


async def test_of_what_asks_for_no_answer_who_has_no_address_has_the_inbox(
    sends: Send, notifications: Notifications, workers: WorkersDirectory
) -> None:
    made = notification(worker_id=workers.knows(), mail=True)
    asks_nothing = {"chain": None, "escalate_at": None, "ack_by": None}
    wanted = await notifications.save(made.model_copy(update=asks_nothing))

    await sends(wanted)

    held = await again(notifications, wanted)
    assert held.mail_state(0) is None
    assert (held.due_at, held.in_vain) == (None, False)
    assert await published(notifications) == []


async def test_for_whoever_has_no_address_the_next_is_not_kept_waiting(
    sends: Send, notifications: Notifications, workers: WorkersDirectory
) -> None:
    worker = workers.knows()
    wanted = await notifications.save(notification(worker_id=worker, mail=True))

    await sends(wanted)

    held = await again(notifications, wanted)
    assert held.mail_state(0) is MailState.FAILED
    assert held.due_at == NOON
    assert held.in_vain
    [said] = await published(notifications)
    assert isinstance(said.data, NotificationFailed)
    assert (said.data.worker_id, said.data.reason) == (worker, "no_address")
    assert [each.what for each in lines([held])] == ["told", "email_failed"]


async def test_an_email_to_somebody_who_is_in_no_directory_has_failed(
    sends: Send, notifications: Notifications, mail_server: MailServer
) -> None:
    wanted = await notifications.save(notification(mail=True))

    await sends(wanted)

    [said] = await published(notifications)
    assert isinstance(said.data, NotificationFailed)
    assert said.data.reason == "unknown_worker"
    assert not mail_server.letters


async def test_an_email_waits_for_a_directory_that_is_away(
    wanted: Notification,
    sends: Send,
    notifications: Notifications,
    workers: WorkersDirectory,
) -> None:
    workers.status = 503

    with pytest.raises(ConnectionError):
        await sends(wanted)

    assert await again(notifications, wanted) == wanted


@pytest.mark.parametrize(
    ("manner", "state"),
    [
        ("take", MailState.SENT),
        ("refuse", MailState.FAILED),
        ("drop", MailState.UNKNOWN),
        ("not_now", MailState.WANTED),
    ],
)
async def test_an_acknowledgement_while_an_email_is_on_its_way_hides_nothing(
    wanted: Notification,
    sends: Send,
    notifications: Notifications,
    mail_server: MailServer,
    *,
    manner: str,
    state: MailState,
) -> None:
    mail_server.manner = manner
    mail_server.meanwhile = partial(
        acknowledge,
        wanted.id,
        wanted.worker_id,
        at=NOON,
        notifications=notifications,
    )

    await sends(wanted)

    held = await again(notifications, wanted)
    assert held.mail_state(0) is state
    assert held.acknowledged_at == NOON
    assert held.due_at is None


async def test_an_email_that_may_have_arrived_is_repeated_after_a_pause(
    mailing: Running, mail_server: MailServer, workers: WorkersDirectory
) -> None:
    mail_server.manner = "drop"
    await mailing.hears(offered(workers.knows(email=EMAIL)))
    await mailing.later(NOW)
    unknown = await the_only(mailing)
    assert unknown.mail_state(0) is MailState.UNKNOWN
    assert len(mail_server.letters) == 1

    await mailing.later(MINUTE - timedelta(seconds=1))

    assert (await the_only(mailing)).mail_state(0) is MailState.UNKNOWN
    assert len(mail_server.letters) == 1


async def test_an_acknowledged_message_sends_no_email(
    mailing: Running, mail_server: MailServer, workers: WorkersDirectory
) -> None:
    workers.status = 503
    worker = workers.knows(email=EMAIL)
    await mailing.hears(offered(worker))
    held = await the_only(mailing)
    await mailing.acknowledges(worker, held.id)
    workers.status = 200

    await mailing.later(60 * MINUTE)

    assert (await the_only(mailing)).mail_state(0) is None
    assert not mail_server.letters


@pytest.mark.parametrize("end", [accepted, declined, expired])
async def test_an_offer_that_has_ended_sends_no_email(
    mailing: Running,
    mail_server: MailServer,
    workers: WorkersDirectory,
    end: Callable[..., Message[Any]],
) -> None:
    workers.status = 503
    offer = offered(workers.knows(email=EMAIL))
    await mailing.hears(offer, end(offer))
    workers.status = 200

    await mailing.later(60 * MINUTE)

    [held] = [each for each in await mailing.all() if each.event == offer.type]
    assert held.mail_state(0) is None
    assert not mail_server.letters


async def test_who_is_told_next_gets_an_email_too(
    mailing: Running, mail_server: MailServer, workers: WorkersDirectory
) -> None:
    deputy = workers.knows(email="deputy@agency.example")
    coordinator = workers.has_on_duty(email="coordinator@accord.example")
    worker = workers.knows(email=EMAIL, deputy=deputy)
    await mailing.hears(offered(worker, level=RiskLevel.HIGH))

    await mailing.later(NOW)
    for minutes in (10, 15, 30):
        await mailing.later(minutes * MINUTE)

    assert mail_server.recipients == [
        EMAIL,
        "deputy@agency.example",
        "coordinator@accord.example",
        "coordinator@accord.example",
    ]
    keys = [each["Message-ID"] for each in mail_server.letters]
    assert len(set(keys)) == 4
    held = await the_only(mailing)
    assert held.told_workers == [worker, deputy, coordinator]


async def test_without_a_mail_server_no_email_is_wanted(
    running: Running, workers: WorkersDirectory
) -> None:
    worker = workers.knows(email=EMAIL)

    await running.hears(offered(worker))
    await running.later(NOW)

    held = await the_only(running)
    assert held.mail_state(0) is None
    assert held.due_at == held.ack_by
    assert not workers.asked


@pytest.mark.parametrize("manner", ["take", "refuse", "not_now", "drop"])
async def test_no_log_holds_an_address(
    mailing: Running,
    mail_server: MailServer,
    workers: WorkersDirectory,
    capsys: pytest.CaptureFixture[str],
    manner: str,
) -> None:
    mail_server.manner = manner
    await mailing.hears(offered(workers.knows(email=EMAIL)))
    await mailing.later(NOW)

    said = "".join(capsys.readouterr())

    assert (await the_only(mailing)).told[0].mail
    assert EMAIL not in said
    assert "agency.example" not in said
