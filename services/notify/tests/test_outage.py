"""Whoever takes messages is down, slow, broken for an hour, or answers too late.

Of what goes to workers and agencies nothing is lost; to a person's own device nothing
comes twice, whatever became of it.
"""

import os
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from socket import socket
from typing import Any

import pytest
from accord_chassis.testing import eventually, new_id
from accord_contracts.notify import ContactNotMessaged
from accord_contracts.risk import RiskLevel
from notify.domain.aes128gcm import encoded
from notify.domain.channels import Way
from notify.domain.delivery import DeliveryState
from notify.domain.mail import MailState
from notify.handlers.pushing import PushPost
from notify.hooks import Hooks
from notify.outward import Outward
from notify.post import SmtpPost
from notify.sms import SmsPost
from notify.store import Deliveries
from notify_builders import (
    AGENCY,
    MAIL_FROM,
    MINUTE,
    MailServer,
    Running,
    WorkersDirectory,
    asked,
    listening,
    offered,
    receiving,
)
from notify_devices import (
    LOOPBACK,
    Browser,
    Gateway,
    PushService,
    Receiver,
    SafeNumbers,
)
from pydantic import SecretStr

HOUR, DAY = 60 * MINUTE, timedelta(days=1)
PATIENCE_SECONDS = 0.5
LATE_SECONDS = 1.5
HURRIED = {"timeout_seconds": PATIENCE_SECONDS, "away_seconds": 0.0}

BECOMES = {
    "down": "not_sent",
    "slow": "sent",
    "answers_500": "unknown",
    "late": "unknown",
    "says_no_in_200": "not_sent",
}
"""What is known of a message to a person's own device, by what the gateway does."""

GATEWAYS = list(BECOMES)
MANNERS = [each for each in GATEWAYS if each != "says_no_in_200"]
"""What is posted to others is known by the status of their answers alone."""

TAKEN = "  taken: {path: status, words: [taken], refused: [failed]}"


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have posts lose patience early, and forget at once that a server was away."""
    for post in (SmsPost, SmtpPost, PushPost, Hooks, Outward):
        told = post.__init__.__kwdefaults__
        for name, value in HURRIED.items():
            if name in told:
                monkeypatch.setitem(told, name, value)


class Outage:
    """What is not there, or not well, during its bad hour, and after it.

    Args:
        of: It stands in for a gateway, a push service, an agency's system.
        manner: What it does during the hour.
        path: Where it is spoken to, after its address.
    """

    scheme = "http"

    def __init__(self, of: Any, manner: str, path: str = "") -> None:
        self.of, self.manner, self.well = of, manner, getattr(of, "status", None)
        self.bound = socket()
        self.bound.bind(("127.0.0.1", 0))
        self.of.url = f"{self.scheme}://127.0.0.1:{self.bound.getsockname()[1]}{path}"
        self.life = AsyncExitStack()

    async def begins(self) -> None:
        self.behaves()
        if self.manner != "down":
            await self.listen()

    def behaves(self) -> None:
        self.of.status = 500 if self.manner == "answers_500" else self.well
        if self.manner == "says_no_in_200":
            self.of.status, self.of.says = 200, {"status": "failed"}
        seconds = {"slow": PATIENCE_SECONDS / 5, "late": LATE_SECONDS}
        self.of.seconds = seconds.get(self.manner, 0.0)

    async def ends(self) -> None:
        self.recovers()
        if self.manner == "down":
            await self.listen()

    def recovers(self) -> None:
        self.of.status, self.of.seconds = self.well, 0.0
        self.of.says = {"status": "taken"}

    async def listen(self) -> None:
        await self.life.enter_async_context(listening(self.of.app(), at=self.bound))

    async def close(self) -> None:
        await self.life.aclose()
        self.bound.close()


class MailOutage(Outage):
    """A mail server during its bad hour, and after it."""

    scheme = "smtp"

    def behaves(self) -> None:
        self.of.manner = self.manner
        self.of.seconds = PATIENCE_SECONDS / 5 if self.manner == "slow" else 0.0

    def recovers(self) -> None:
        self.of.manner, self.of.seconds = "take", 0.0
        self.of.released.set()

    async def listen(self) -> None:
        await self.life.enter_async_context(receiving(self.of, at=self.bound))


def keys(outage: Outage) -> list[str]:
    """Give by which message every attempt at a gateway was, first to last."""
    return [headers["idempotency-key"] for headers, _ in outage.of.taken]


@asynccontextmanager
async def during(outage: Outage) -> AsyncIterator[Outage]:
    """Have it begin; when the block has run, nothing of it is left."""
    await outage.begins()
    try:
        yield outage
    finally:
        await outage.close()


@pytest.fixture
def manner() -> str:
    """What it does, unless the test says otherwise."""
    return "slow"


@pytest.fixture
def mail() -> str:
    """What the mail server does, unless the test says otherwise."""
    return "take"


@pytest.fixture
async def outage(manner: str) -> AsyncIterator[Outage]:
    """A gateway that behaves like this."""
    async with during(Outage(Gateway(), manner, "/messages")) as made:
        yield made


@pytest.fixture
async def mail_outage(mail: str) -> AsyncIterator[MailOutage]:
    """A mail server that behaves like this."""
    async with during(MailOutage(MailServer(), mail)) as made:
        assert isinstance(made, MailOutage)
        yield made


@pytest.fixture
def with_outage(locality: Path, tmp_path: Path, outage: Outage) -> Path:
    """A locality whose gateway is that one."""
    for each in locality.iterdir():
        text = each.read_text("utf-8")
        mark = "url: https://sms.example/messages"
        text = text.replace(mark, f"url: {outage.of.url}\n{TAKEN}")
        (tmp_path / each.name).write_text(text)
    return tmp_path


@pytest.fixture
async def ringing(
    start: Any, with_outage: Path, mail_outage: MailOutage, safe: SafeNumbers
) -> AsyncIterator[Running]:
    """The service, alive, with that gateway and that mail server."""
    async with start(
        locality=with_outage,
        sms_secret=SecretStr("s"),
        sms_callback_key=SecretStr("c" * 32),
        smtp_url=SecretStr(mail_outage.of.url),
        mail_from=MAIL_FROM,
        referrals_url=safe.url,
    ) as running:
        yield running


async def passes(running: Running, hours: float, *, step: timedelta) -> None:
    """Let time pass step by step, and have everything done that falls due."""
    for _ in range(round(hours * HOUR / step)):
        await running.later(step)


@pytest.mark.parametrize("manner", GATEWAYS)
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
    before = len(keys(outage))
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
    times = Counter(keys(outage))
    if manner != "answers_500":
        assert set(times.values()) == {1}
    assert set(Counter(keys(outage)[before:]).values()) == {1}

    for each in held:
        assert (await ringing.acknowledges(coordinator, each.id)).status_code == 204
    after = len(keys(outage))
    await passes(ringing, 24, step=6 * HOUR)
    assert len(keys(outage)) == after


def _left(mail: Any) -> bool:
    return mail is not None and mail.left_at is not None


@pytest.mark.parametrize("mail", ["not_now", "drop", "hang", "down", "slow"])
async def test_no_letter_to_a_worker_is_lost_whatever_the_mail_server_does(
    ringing: Running, workers: WorkersDirectory, mail_outage: MailOutage, mail: str
) -> None:
    workers.has_on_duty()
    told = [workers.knows(email=f"w{each}@a.example") for each in range(3)]
    letters = mail_outage.of.letters

    await ringing.hears(*map(offered, told))
    await passes(ringing, 1, step=10 * MINUTE)
    before = 0 if mail == "slow" else len(letters)
    await mail_outage.ends()
    await passes(ringing, 10, step=HOUR)

    held = await ringing.all()
    assert {each.worker_id for each in held} == set(told)
    assert all(each.mail_state(0) is MailState.SENT for each in held)
    assert {str(e["To"]) for e in letters[before:]} == {
        f"w{each}@a.example" for each in range(3)
    }
    # Twice only under one id, by which a provider drops it; once it was taken, no more.
    ids = Counter(str(each["Message-ID"]) for each in letters)
    assert len(ids) == len(told)
    assert len(letters[before:]) == len(told)


async def _hour_and_day(running: Running, outage: Outage) -> int:
    """Let a bad hour pass, and a good day; give how often it was told in the hour."""
    await passes(running, 1, step=10 * MINUTE)
    before = len(outage.of.told)
    await outage.ends()
    await passes(running, 24, step=2 * HOUR)
    return before


def _once_it_was_well(outage: Outage, ids: list[str], before: int) -> list[str]:
    """Give what was told when it could be taken: always, if it was only slow."""
    return ids if outage.manner == "slow" else ids[before:]


@pytest.mark.parametrize("manner", MANNERS)
async def test_an_agencys_system_is_told_again_under_the_same_id_and_never_not_at_all(
    start: Any, manner: str
) -> None:
    key = SecretStr("k" * 32)
    async with (
        during(Outage(Receiver(), manner, "/told")) as outage,
        start(webhook_key=key, webhook_networks=LOOPBACK) as running,
    ):
        path, headers = f"/v1/agencies/{AGENCY}/webhook", running.bearer("notify.admin")
        url = {"url": outage.of.url}
        put = await running.http.put(path, headers=headers, json=url)
        assert put.status_code == 200, put.text

        await running.hears(*(asked() for _ in range(3)))
        before = await _hour_and_day(running, outage)

        kept = running.service.store(Deliveries)
        held = [kept.load(each) async for each in kept.documents.find({})]
        assert [each.state for each in held] == [DeliveryState.SENT] * 3
        # Each was taken once, and is the same however often it came.
        well = _once_it_was_well(outage, outage.of.ids, before)
        assert sorted(well) == sorted(each.id for each in held)
        bodies = {(headers["webhook-id"], body) for headers, body in outage.of.told}
        assert len(bodies) == 3
        assert (before > 3) is (manner in {"answers_500", "late"})


@pytest.mark.parametrize("manner", MANNERS)
async def test_a_push_is_repeated_in_the_place_of_the_one_before_until_it_is_taken(
    start: Any, with_push: Path, workers: WorkersDirectory, manner: str
) -> None:
    workers.has_on_duty()
    async with (
        during(Outage(PushService(), manner)) as outage,
        start(
            locality=with_push,
            push_key=SecretStr(encoded(os.urandom(32))),
            push_contact="mailto:desk@accord.example",
            webhook_networks=LOOPBACK,
        ) as running,
    ):
        told = [workers.knows() for _ in range(3)]
        for each in told:
            headers = running.bearer("notify.inbox", worker=each)
            put = await running.http.put(
                "/v1/push-subscriptions",
                headers=headers,
                json=Browser(outage.of.url).written,
            )
            assert put.status_code == 200, put.text

        await running.hears(*map(offered, told))
        before = await _hour_and_day(running, outage)

        held = await running.all()
        assert {each.told[0].worker_id for each in held} == set(told)
        assert all(each.mail_state(0) is MailState.SENT for each in held)
        # Under one topic, by which a browser shows the last of them alone (RFC 8030).
        topics = [headers["topic"] for _, headers, _ in outage.of.told]
        assert len(set(topics)) == len(told)
        well = _once_it_was_well(outage, topics, before)
        assert sorted(well) == sorted(set(topics))
        assert (before > 3) is (manner in {"answers_500", "late"})


@pytest.mark.parametrize("manner", GATEWAYS)
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
    assert len(keys(outage)) == (0 if manner == "down" else 1)
    # Whoever leads decides how to go on, where it did not surely arrive.
    seen = await eventually(lambda: _tasks(ringing, coordinator, state))
    assert seen or state == "sent"


async def _tasks(running: Running, worker: str, state: str) -> bool:
    told = await running.inbox(worker)
    events = {each["event"] for each in told}
    return state == "sent" or ContactNotMessaged.TYPE in events
