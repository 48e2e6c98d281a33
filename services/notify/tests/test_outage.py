"""A gateway or mail server that is down, slow, broken for an hour, or answers too late.

Of what goes to workers nothing is lost; to a person's own device nothing comes twice,
whatever became of it.
"""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from socket import socket
from typing import Any

import pytest
from accord_chassis.testing import eventually, new_id
from accord_contracts.notify import ContactNotMessaged
from accord_contracts.risk import RiskLevel
from notify.domain.channels import Way
from notify.domain.mail import MailState
from notify.post import SmtpPost
from notify.sms import SmsPost
from notify_builders import (
    MAIL_FROM,
    MINUTE,
    MailServer,
    Running,
    WorkersDirectory,
    listening,
    offered,
)
from notify_devices import Gateway, SafeNumbers
from pydantic import SecretStr

HOUR, DAY = 60 * MINUTE, timedelta(days=1)
PATIENCE_SECONDS = 0.5
LATE_SECONDS = 1.5
BECOMES = {
    "down": "not_sent",
    "slow": "sent",
    "answers_500": "unknown",
    "late": "unknown",
}
"""What is known of a message to a person's own device, by what the gateway does."""

MANNERS = list(BECOMES)


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have posts lose patience early, and forget at once that a server was away."""
    for post in (SmsPost, SmtpPost):
        told = post.__init__.__kwdefaults__
        monkeypatch.setitem(told, "timeout_seconds", PATIENCE_SECONDS)
        monkeypatch.setitem(told, "away_seconds", 0.0)


class Outage:
    """A gateway during its bad hour, and after it."""

    def __init__(self, manner: str) -> None:
        self.gateway, self.manner = Gateway(), manner
        self.bound = socket()
        self.bound.bind(("127.0.0.1", 0))
        self.gateway.url = f"http://127.0.0.1:{self.bound.getsockname()[1]}/messages"
        self.life = AsyncExitStack()

    async def begins(self) -> None:
        self.gateway.status = 500 if self.manner == "answers_500" else 202
        seconds = {"slow": PATIENCE_SECONDS / 5, "late": LATE_SECONDS}
        self.gateway.seconds = seconds.get(self.manner, 0.0)
        if self.manner != "down":
            await self.listen()

    async def ends(self) -> None:
        self.gateway.status, self.gateway.seconds = 202, 0.0
        if self.manner == "down":
            await self.listen()

    async def listen(self) -> None:
        served = listening(self.gateway.app(), at=self.bound)
        await self.life.enter_async_context(served)

    @property
    def keys(self) -> list[str]:
        """By which message every attempt was, first to last."""
        return [headers["idempotency-key"] for headers, _ in self.gateway.taken]


@pytest.fixture
def manner() -> str:
    """What the gateway does, unless the test says otherwise."""
    return "slow"


@pytest.fixture
async def outage(manner: str) -> AsyncIterator[Outage]:
    """A gateway that behaves like this."""
    made = Outage(manner)
    await made.begins()
    yield made
    await made.life.aclose()
    made.bound.close()


@pytest.fixture
def with_outage(locality: Path, tmp_path: Path, outage: Outage) -> Path:
    """A locality whose gateway is that one."""
    for each in locality.iterdir():
        text = each.read_text("utf-8")
        text = text.replace("https://sms.example/messages", outage.gateway.url)
        (tmp_path / each.name).write_text(text)
    return tmp_path


@pytest.fixture
async def ringing(
    start: Any, with_outage: Path, mail_server: MailServer, safe: SafeNumbers
) -> AsyncIterator[Running]:
    """The service, alive, with that gateway and a mail server that works."""
    async with start(
        locality=with_outage,
        sms_secret=SecretStr("s"),
        sms_callback_key=SecretStr("c" * 32),
        smtp_url=SecretStr(mail_server.url),
        mail_from=MAIL_FROM,
        referrals_url=safe.url,
    ) as running:
        yield running


async def passes(running: Running, hours: float, *, step: timedelta) -> None:
    """Let time pass step by step, and have everything done that falls due."""
    for _ in range(round(hours * HOUR / step)):
        await running.later(step)


@pytest.mark.parametrize("manner", MANNERS)
async def test_an_alarm_reaches_workers_whatever_their_sms_gateway_does(
    ringing: Running, outage: Outage, workers: WorkersDirectory, manner: str
) -> None:
    coordinator = workers.has_on_duty(email="hub@a.example", mobile="+64270000009")
    told = [
        workers.knows(email=f"w{each}@a.example", mobile=f"+6427000000{each}")
        for each in range(3)
    ]

    await ringing.hears(*(offered(e, level=RiskLevel.EXTREME) for e in told))
    await ringing.later(timedelta())
    first = await ringing.all()
    await passes(ringing, 1, step=10 * MINUTE)
    before = len(outage.keys)
    await outage.ends()
    await passes(ringing, 1, step=10 * MINUTE)

    held = await ringing.all()
    rang = [
        (telling.worker_id, [e for e in (*telling.tried, telling.mail) if e])
        for each in held
        for telling in each.told
    ]
    # Each of them at once, by whichever way took it; nothing that rang was in vain.
    assert all(each.told[0].left or _left(each.told[0].mail) for each in first)
    assert not any(each.in_vain for each in held)
    assert {who for who, _ in rang} == {*told, coordinator}
    by_sms = [m for _, mails in rang for m in mails if m.channel is Way.SMS]
    assert any(each.state is MailState.SENT for each in by_sms)
    # What may have arrived comes no second time, and what arrived none either.
    times = Counter(outage.keys)
    if manner != "answers_500":
        assert set(times.values()) == {1}
    assert set(Counter(outage.keys[before:]).values()) == {1}

    for each in held:
        assert (await ringing.acknowledges(coordinator, each.id)).status_code == 204
    after = len(outage.keys)
    await passes(ringing, 24, step=6 * HOUR)
    assert len(outage.keys) == after


def _left(mail: Any) -> bool:
    return mail is not None and mail.left_at is not None


@pytest.mark.parametrize("mail", ["not_now", "drop", "hang"])
async def test_no_letter_to_a_worker_is_lost_whatever_the_mail_server_does(
    ringing: Running, workers: WorkersDirectory, mail_server: MailServer, mail: str
) -> None:
    workers.has_on_duty()
    told = [workers.knows(email=f"w{each}@a.example") for each in range(3)]
    mail_server.manner = mail

    await ringing.hears(*map(offered, told))
    await passes(ringing, 1, step=10 * MINUTE)
    during = len(mail_server.letters)
    mail_server.manner = "take"
    mail_server.released.set()
    await passes(ringing, 10, step=HOUR)

    held = await ringing.all()
    assert {each.worker_id for each in held} == set(told)
    assert all(each.mail_state(0) is MailState.SENT for each in held)
    assert {str(e["To"]) for e in mail_server.letters[during:]} == {
        f"w{each}@a.example" for each in range(3)
    }
    # Twice only under one id, by which a provider drops it; once it was taken, no more.
    ids = Counter(str(each["Message-ID"]) for each in mail_server.letters)
    assert len(ids) == len(told)
    assert len(mail_server.letters[during:]) == len(told)


@pytest.mark.parametrize("manner", MANNERS)
async def test_nothing_comes_twice_to_a_persons_own_device(
    ringing: Running,
    outage: Outage,
    safe: SafeNumbers,
    workers: WorkersDirectory,
    manner: str,
) -> None:
    state, coordinator = BECOMES[manner], workers.has_on_duty()
    headers = ringing.bearer("notify.contact", worker=new_id())
    path = (
        f"/v1/cases/{safe.case_id}/people/{safe.person_id}"
        f"/contacts/{safe.contact_id}/messages/{new_id()}"
    )
    body = {"text": "we_will_ring", "language": "en", "purpose": "fva20_c"}

    answer = await ringing.http.put(path, headers=headers, json=body)
    await passes(ringing, 1, step=20 * MINUTE)
    again = await ringing.http.put(path, headers=headers, json=body)
    await outage.ends()
    await passes(ringing, 48, step=12 * HOUR)
    at_last = await ringing.http.put(path, headers=headers, json=body)

    shown = [each.json()["state"] for each in (answer, again, at_last)]
    assert shown == [state] * 3
    assert len(outage.keys) == (0 if manner == "down" else 1)
    # Whoever leads decides how to go on, where it did not surely arrive.
    seen = await eventually(lambda: _tasks(ringing, coordinator, state))
    assert seen or state == "sent"


async def _tasks(running: Running, worker: str, state: str) -> bool:
    told = await running.inbox(worker)
    events = {each["event"] for each in told}
    return state == "sent" or ContactNotMessaged.TYPE in events
