"""Whoever did not take a message says when it may come again, and is heard."""

import os
from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from accord_chassis.testing import NOON
from accord_contracts.risk import RiskLevel
from hypothesis import given
from hypothesis.strategies import text
from notify.domain.aes128gcm import encoded
from notify.domain.retry_after import LONGEST, NONE, asked_to_wait
from notify_builders import (
    AGENCY,
    MAIL_FROM,
    MINUTE,
    MailServer,
    WorkersDirectory,
    asked,
    listening,
    offered,
)
from notify_devices import LOOPBACK, Browser, Gateway, PushService, Receiver
from pydantic import SecretStr

HOUR, SECOND = 60 * MINUTE, timedelta(seconds=1)


def _as_seconds(pause: timedelta, _: datetime) -> str:
    return str(int(pause.total_seconds()))


def _as_date(pause: timedelta, at: datetime) -> str:
    return format_datetime(at + pause, usegmt=True)


Written = Callable[[timedelta, datetime], str]

WAYS = [(429, _as_seconds), (503, _as_seconds), (429, _as_date), (503, _as_date)]
"""How it is said: with which status, and how it is written."""


@pytest.mark.parametrize(
    ("told", "wait"),
    [
        ("120", timedelta(minutes=2)),
        (" 120 ", timedelta(minutes=2)),
        ("0", NONE),
        (_as_date(HOUR, NOON), HOUR),
        ("Monday, 02-Nov-26 13:00:00 GMT", HOUR),
        ("Mon Nov  2 13:00:00 2026", HOUR),
        (_as_date(-HOUR, NOON), NONE),
        (_as_date(timedelta(days=3), NOON), LONGEST),
        ("86401", LONGEST),
        ("9" * 5000, LONGEST),
        ("", NONE),
        ("-60", NONE),
        ("1.5", NONE),
        ("٦٠", NONE),
        ("soon", NONE),
        ("Mon, 02 Nov 99999 13:00:00 GMT", NONE),
    ],
)
def test_a_wait_is_seconds_or_a_date_and_a_day_at_most(
    told: str, wait: timedelta
) -> None:
    assert asked_to_wait(told, NOON) == wait


@given(text(max_size=60))
def test_whatever_is_told_it_is_no_fault_and_no_longer_than_a_day(told: str) -> None:
    assert NONE <= asked_to_wait(told, NOON) <= LONGEST


@pytest.mark.parametrize(("status", "written"), WAYS)
async def test_an_agencys_system_is_told_again_no_sooner_than_it_asks(
    start: Any, receiver: Receiver, status: int, written: Written
) -> None:
    key = SecretStr("k" * 32)
    async with start(webhook_key=key, webhook_networks=LOOPBACK) as running:
        receiver.status = status
        wait = {"retry-after": written(HOUR, running.clock.now())}
        receiver.headers = wait
        path, headers = f"/v1/agencies/{AGENCY}/webhook", running.bearer("notify.admin")
        url = {"url": receiver.url}
        put = await running.http.put(path, headers=headers, json=url)
        assert put.status_code == 200, put.text

        await running.hears(asked())
        await running.later(timedelta())
        await running.later(HOUR - SECOND)
        before = len(receiver.told)
        receiver.status, receiver.headers = 204, {}
        await running.later(MINUTE)

        assert before == 1
        assert receiver.ids == receiver.ids[:1] * 2


@pytest.mark.parametrize(
    ("asks", "none_before", "again_by"),
    [
        ("1", MINUTE - SECOND, 2 * MINUTE),
        ("999999", LONGEST - SECOND, LONGEST + MINUTE),
    ],
)
async def test_what_it_asks_is_never_sooner_than_our_own_pause_nor_longer_than_a_day(
    start: Any,
    receiver: Receiver,
    asks: str,
    none_before: timedelta,
    again_by: timedelta,
) -> None:
    key = SecretStr("k" * 32)
    async with start(webhook_key=key, webhook_networks=LOOPBACK) as running:
        receiver.status, receiver.headers = 503, {"retry-after": asks}
        path, headers = f"/v1/agencies/{AGENCY}/webhook", running.bearer("notify.admin")
        url = {"url": receiver.url}
        await running.http.put(path, headers=headers, json=url)

        await running.hears(asked())
        await running.later(timedelta())
        await running.later(none_before)
        before = len(receiver.told)
        await running.later(again_by - none_before)

        assert (before, len(receiver.told)) == (1, 2)


@pytest.mark.parametrize(("status", "written"), WAYS)
async def test_an_alarm_goes_back_to_a_gateway_no_sooner_than_that_asks(
    start: Any,
    with_gateway: Path,
    gateway: Gateway,
    mail_server: MailServer,
    workers: WorkersDirectory,
    *,
    status: int,
    written: Written,
) -> None:
    workers.has_on_duty()
    worker = workers.knows(email="w@a.example", mobile="+64275550100")
    async with start(
        locality=with_gateway,
        sms_secret=SecretStr("s"),
        smtp_url=SecretStr(mail_server.url),
        mail_from=MAIL_FROM,
    ) as running:
        wait = written(3 * MINUTE, running.clock.now())
        gateway.status, gateway.headers = status, {"retry-after": wait}

        await running.hears(offered(worker, level=RiskLevel.EXTREME))
        await running.later(timedelta())
        letters = len(mail_server.letters)
        await running.later(3 * MINUTE - SECOND)
        before = len(gateway.taken)
        gateway.status, gateway.headers = 202, {}
        await running.later(MINUTE)

        # What rings meanwhile is the e-mail, at once.
        assert (letters, before, len(gateway.taken)) == (1, 1, 2)


@pytest.mark.parametrize(("status", "written"), WAYS)
async def test_a_push_is_repeated_no_sooner_than_any_push_service_asks(
    start: Any,
    with_push: Path,
    push_service: PushService,
    workers: WorkersDirectory,
    *,
    status: int,
    written: Written,
) -> None:
    workers.has_on_duty()
    worker, other = workers.knows(), PushService()
    async with (
        listening(other.app()) as other.url,
        start(
            locality=with_push,
            push_key=SecretStr(encoded(os.urandom(32))),
            push_contact="mailto:desk@accord.example",
            webhook_networks=LOOPBACK,
        ) as running,
    ):
        # Whichever browser comes first, it is not the one whose service asks.
        for each in (other, push_service, other):
            headers = running.bearer("notify.inbox", worker=worker)
            await running.http.put(
                "/v1/push-subscriptions",
                headers=headers,
                json=Browser(each.url).written,
            )
        wait = written(HOUR, running.clock.now())
        other.status = push_service.status = status
        push_service.headers = {"retry-after": wait}

        await running.hears(offered(worker))
        await running.later(SECOND)
        await running.later(HOUR - 2 * SECOND)
        before = len(push_service.told), len(other.told)
        await running.later(2 * MINUTE)

        assert before == (1, 2)
        assert (len(push_service.told), len(other.told)) == (2, 4)
