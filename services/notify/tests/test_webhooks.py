"""Telling agencies' own systems: real receivers, and signatures that they verify."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from accord_chassis.clock import SimulatedClock
from accord_chassis.store import Database
from accord_chassis.testing import NOON, message_of, new_id, published, sent_by
from accord_contracts.message import Event
from accord_contracts.plans import ServiceStep
from accord_contracts.referrals import (
    CaseErased,
    SharingDecision,
    SharingReason,
)
from accord_contracts.risk import RiskLevel
from notify.app import FOR_AGENCIES
from notify.domain.delivery import Delivery, DeliveryState
from notify.domain.mail import Outcome
from notify.domain.webhook import Webhook as Webhook_
from notify.domain.webhook import WebhookPolicy
from notify.handlers.hooking import look_after, want_delivery
from notify.hooks import Hooks
from notify.store import Deliveries, Teams, Webhooks
from notify_builders import AGENCY, LINK_BASE, POLICY, Running, asked
from notify_devices import LOOPBACK, Receiver
from pydantic import SecretStr, ValidationError
from standardwebhooks import Webhook, WebhookVerificationError

DAY = timedelta(days=1)


@pytest.fixture
def clock() -> SimulatedClock:
    """As late as it is: a receiver takes no message of another day for a new one."""
    return SimulatedClock(datetime.now(UTC))


@pytest.fixture
async def telling(start: Any) -> AsyncIterator[Running]:
    """The service, alive, which may tell systems on this machine."""
    key = SecretStr("k" * 32)
    async with start(webhook_key=key, webhook_networks=LOOPBACK) as running:
        yield running


async def asks(running: Running, method: str, path: str, told: object = None) -> Any:
    """An administrator asks for something about the agency's webhook."""
    headers = running.bearer("notify.admin")
    path = f"/v1/agencies/{AGENCY}/webhook{path}"
    return await running.http.request(method, path, headers=headers, json=told)


async def registers(running: Running, url: str) -> str:
    """Register the agency's system, and give its secret."""
    answer = await asks(running, "PUT", "", {"url": url})
    assert answer.status_code == 200, answer.text
    secret: str = answer.json()["secret"]
    return secret


async def test_a_system_is_told_what_it_can_verify_and_nothing_of_the_case(
    telling: Running, receiver: Receiver
) -> None:
    secret = await registers(telling, receiver.url)
    message = asked()

    await telling.hears(message, message, asked("another"))
    await telling.later(timedelta())

    [(headers, body)] = receiver.told
    told = Webhook(secret).verify(body, headers)
    assert set(told) == {"type", "timestamp", "data"}
    assert told["type"] == "information.requested.v1"
    assert set(told["data"]) == {"reference", "link"}
    assert told["data"]["link"] == f"{LINK_BASE}/inquiries/{message.data.inquiry_id}"
    assert message.data.case_id.encode() not in body
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(body.replace(b"inquiries", b"elsewhere"), headers)


def for_agency(event: type[Event]) -> Event:
    """Something of which an agency is told, as a locality may have it told."""
    at = datetime.now(UTC)
    known = {
        "case_id": new_id(),
        "agency": AGENCY,
        "inquiry_id": new_id(),
        "requested_at": at,
        "needed_by": at + DAY,
        "number": 1,
        "decision": next(iter(SharingDecision)),
        "reason": next(iter(SharingReason)),
        "answers": {},
        "decided_at": at,
        "withdrawn_at": at,
        "meeting_id": new_id(),
        "starts_at": at + DAY,
        "called_off_at": at,
        "task_id": new_id(),
        "action": "visit",
        "level": RiskLevel.HIGH,
        "promised_at": at,
        "due_at": at,
        "late_by": 1.0,
        "settled_at": at,
        "need_id": new_id(),
        "strand": "housing",
        "service_id": new_id(),
        "provider": AGENCY,
        "asked_at": at,
        "answer_by": at + DAY,
        "moved_at": at,
        "step": ServiceStep.ACCEPTED,
    }
    told = {key: each for key, each in known.items() if key in event.model_fields}
    if event.TYPE.startswith("meeting.called"):
        told["case_id"] = None
    return event(**told)


TASK = "/meetings/{meeting_id}/tasks/{task_id}"

LEADS = {
    "information.requested.v1": "/inquiries/{inquiry_id}",
    "information.decided.v1": "/inquiries/{inquiry_id}",
    "information.overdue.v1": "/inquiries/{inquiry_id}",
    "information.withdrawn.v1": "/inquiries/{inquiry_id}",
    "meeting.called.v1": "/meetings/{meeting_id}",
    "meeting.called_off.v1": "/meetings/{meeting_id}",
    "meeting.task_promised.v1": TASK,
    "meeting.task_due_soon.v1": TASK,
    "meeting.task_overdue.v1": TASK,
    "meeting.task_not_done.v1": TASK,
    "service.asked.v1": "/services/{service_id}",
    "service.moved.v1": "/services/{service_id}",
    "service.due_soon.v1": "/services/{service_id}",
    "service.overdue.v1": "/services/{service_id}",
}
"""Where in the portal an agency finds what each tells it of."""


@pytest.mark.parametrize("event", FOR_AGENCIES, ids=lambda event: event.TYPE)
async def test_a_link_leads_to_what_waits_for_the_agency(
    database: Database, event: type[Event]
) -> None:
    known = {"webhooks": Webhooks(database), "deliveries": Deliveries(database)}
    for each in known.values():
        await each.prepare()
    at, told = datetime.now(UTC), for_agency(event)
    await known["webhooks"].save(Webhook_.of(AGENCY, "https://a.example", "salt", at))

    await want_delivery(message_of(told), at=at, teams=Teams(database), **known)

    [wanted] = await known["deliveries"].waiting(AGENCY)
    assert wanted.link == LEADS[event.TYPE].format_map(told.model_dump())
    assert wanted.case_id == (told.case_id or "")
    assert not wanted.case_id or wanted.case_id not in wanted.link
    gone = await known["deliveries"].save(wanted.erase())
    assert (gone.about_id, gone.meeting_id) == ("", None)


async def test_a_secret_is_shown_once_and_two_sign_while_it_is_changed(
    telling: Running, receiver: Receiver
) -> None:
    old = await registers(telling, receiver.url)
    again = await asks(telling, "PUT", "", {"url": receiver.url})
    new = (await asks(telling, "POST", "/secrets")).json()["secret"]
    shown = (await asks(telling, "GET", "")).text

    await telling.hears(asked())
    await telling.later(timedelta())
    await telling.later(timedelta(minutes=POLICY.webhooks.both_secrets_minutes))
    await telling.hears(asked())
    await telling.later(timedelta())

    assert again.json()["secret"] is None
    assert old not in shown
    assert new not in shown
    [(both, first), (one, _)] = receiver.told
    for each in (old, new):
        Webhook(each).verify(first, both)
    assert len(one["webhook-signature"].split()) == 1
    kept = [each async for each in telling.service.store(Webhooks).documents.find({})]
    assert old.removeprefix("whsec_") not in str(kept)


@pytest.mark.parametrize("status", [500, 503, 429, 302, 404])
async def test_what_a_system_does_not_take_is_told_again_under_the_same_id(
    telling: Running, receiver: Receiver, status: int
) -> None:
    await registers(telling, receiver.url)
    receiver.status = status
    receiver.headers = {"location": f"{receiver.url}/elsewhere"}
    await telling.hears(asked())
    await telling.later(timedelta())
    assert len(receiver.told) == 1

    receiver.status, receiver.headers = 204, {}
    await telling.later(timedelta(minutes=2))

    assert len(receiver.told) == 2
    assert len({*receiver.ids}) == 1
    assert await states(telling) == [DeliveryState.SENT]


async def states(running: Running) -> list[DeliveryState]:
    return [each.state for each in await deliveries_of(running)]


async def deliveries_of(running: Running) -> list[Delivery]:
    kept = running.service.store(Deliveries)
    return [kept.load(each) async for each in kept.documents.find({})]


async def test_a_system_that_is_away_or_answers_too_late_misses_nothing(
    receiver: Receiver,
) -> None:
    hooks = Hooks(allowed=LOOPBACK, plain=True, timeout_seconds=0.3)
    receiver.slow = asyncio.Event()

    late = await hooks.post(receiver.url, b"{}", {}, NOON)
    receiver.slow.set()
    away = await hooks.post("http://127.0.0.1:1/told", b"{}", {}, NOON)
    taken = await hooks.post(receiver.url, b"{}", {}, NOON)
    await hooks.close()

    assert (late.outcome, late.reason) == (Outcome.UNKNOWN, "no_answer")
    assert (away.outcome, away.reason) == (Outcome.NOT_TAKEN, "server_away")
    assert taken.outcome is Outcome.SENT


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/told",
        "http://localhost/told",
        "http://10.0.0.7/told",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]/told",
        "http://[::ffff:127.0.0.1]/told",
        "http://[fd00::1]/told",
        "http://[64:ff9b::10.0.0.7]/told",
        "http://[2002:0a00:0007::1]/told",
        "http://0.0.0.0/told",
        "http://2130706433/told",
        "http://224.0.0.1/told",
        "http://[64:ff9b:1::8.8.8.8]/told",
        "http://[::8.8.8.8]/told",
        "http://[::ffff:0:8.8.8.8]/told",
        "http://[3fff::1]/told",
        "http://[fec0::1]/told",
        "http://168.63.129.16/told",
    ],
)
async def test_nothing_inside_is_told_anything(url: str) -> None:
    hooks = Hooks(plain=True)

    posted = await hooks.post(url, b"{}", {}, NOON)
    await hooks.close()

    assert (posted.outcome, posted.reason) == (Outcome.NOT_TAKEN, "private_address")


async def test_other_ports_than_a_systems_are_told_in_allowed_networks_alone() -> None:
    hooks, near = Hooks(), Hooks(allowed=LOOPBACK)

    far = await hooks.post("https://8.8.8.8:9200/told", b"{}", {}, NOON)
    allowed = await near.post("https://127.0.0.1:1/told", b"{}", {}, NOON)
    await hooks.close()
    await near.close()

    assert (far.outcome, far.reason) == (Outcome.NOT_TAKEN, "port")
    assert allowed.reason == "server_away"


async def test_a_slow_system_holds_up_no_other() -> None:
    hooks = Hooks()

    async with hooks.turn("slow"), hooks.turn("slow"):
        third = asyncio.create_task(hooks.turn("slow").__aenter__())
        async with asyncio.timeout(5), hooks.turn("other"):
            waits = not third.done()
    async with asyncio.timeout(5):
        await third
    await hooks.close()

    assert waits


async def test_nothing_is_begun_once_the_service_stops(
    telling: Running, receiver: Receiver
) -> None:
    await registers(telling, receiver.url)
    # Before anything waits: the service looks by itself what has fallen due.
    telling.service.ending.set()
    await telling.hears(asked())

    await telling.service.sweep_once()

    assert receiver.told == []
    assert await states(telling) == [DeliveryState.WANTED]


async def test_nobody_is_told_in_the_clear() -> None:
    hooks = Hooks(allowed=LOOPBACK)

    posted = await hooks.post("http://127.0.0.1:1/told", b"{}", {}, NOON)
    await hooks.close()

    assert posted.reason == "no_tls"


async def test_a_system_that_is_silent_for_days_is_told_nothing_until_it_is_put_again(
    telling: Running, receiver: Receiver
) -> None:
    await registers(telling, receiver.url)
    receiver.status = 500
    await telling.hears(asked())
    for _ in range(37):
        await telling.later(timedelta(hours=2))
    tries = len(receiver.told)
    await telling.hears(asked())
    await telling.later(DAY)

    assert (await asks(telling, "GET", "")).json()["off"] == "failing"
    assert len(receiver.told) == tries

    receiver.status = 204
    await asks(telling, "PUT", "", {"url": receiver.url})
    # Not after what is left of a pause, which is up to thirty hours long by then.
    await telling.later(timedelta(minutes=1))

    assert await states(telling) == [DeliveryState.SENT] * 2


async def test_that_a_system_is_told_nothing_more_is_an_alarm(
    database: Database,
) -> None:
    webhooks, deliveries = Webhooks(database), Deliveries(database)
    at = datetime.now(UTC)
    held = await webhooks.save(Webhook_.of(AGENCY, "https://a.example", "salt", at))
    known: dict[str, Any] = {"webhooks": webhooks, "deliveries": deliveries}
    await want_delivery(asked(), at=at, teams=Teams(database), **known)

    for days in (1, 4):
        due = await webhooks.get(held.id)
        assert due
        await look_after(due, at=at + days * DAY, policy=POLICY.webhooks, **known)

    [told] = await published(webhooks)
    assert told.type == "webhook.disabled.v1"
    assert told.data.model_dump()["agency"] == AGENCY


async def test_a_system_that_is_gone_is_told_nothing_until_it_is_put_again(
    telling: Running, receiver: Receiver
) -> None:
    await registers(telling, receiver.url)
    receiver.status = 410
    await telling.hears(asked())
    await telling.later(timedelta())
    await telling.hears(asked())
    await telling.later(DAY)
    tries, off = len(receiver.told), await asks(telling, "GET", "")

    receiver.status = 204
    await asks(telling, "PUT", "", {"url": receiver.url})
    await telling.later(timedelta(minutes=1))

    disabled = [
        each.data
        for each in await sent_by(telling.service, telling.broker)
        if each.type == "webhook.disabled.v1"
    ]
    assert tries == 1
    assert off.json()["off"] == "gone"
    assert [each.gone for each in disabled] == [True]
    assert await states(telling) == [DeliveryState.SENT] * 2


async def test_an_erased_case_is_told_to_no_system(
    telling: Running, receiver: Receiver
) -> None:
    await registers(telling, receiver.url)
    receiver.status = 500
    message = asked()
    await telling.hears(message)
    await telling.later(timedelta())
    at = telling.clock.now()
    erased = CaseErased(case_id=message.data.case_id, reason="retention", erased_at=at)

    await telling.hears(message_of(erased))
    await telling.hears(asked(case_id=message.data.case_id))
    await telling.later(DAY)

    assert len(receiver.told) == 1
    [left] = await deliveries_of(telling)
    assert left.state is DeliveryState.FAILED
    assert (left.case_id, left.about_id) == ("", "")


async def test_whoever_is_taken_out_is_told_nothing_and_comes_back_with_a_new_secret(
    telling: Running, receiver: Receiver
) -> None:
    old = await registers(telling, receiver.url)

    await telling.hears(asked())
    assert (await asks(telling, "DELETE", "")).status_code == 204
    assert await states(telling) == [DeliveryState.FAILED]
    await telling.hears(asked())
    await telling.later(timedelta())
    gone = [(await asks(telling, each, "")).status_code for each in ("GET", "DELETE")]
    new = await registers(telling, receiver.url)

    assert receiver.told == []
    assert gone == [404, 404]
    assert new not in {None, old}


@pytest.mark.parametrize(
    "url",
    [
        "ftp://agency.example/told",
        "https://",
        "https://user:secret@agency.example/told",
        "https://agency.example/told#part",
        "https://agency.example/to ld",
        "https://agency.example:port/told",
    ],
)
async def test_an_address_that_is_none_is_refused_and_not_echoed(
    telling: Running, url: str
) -> None:
    answer = await asks(telling, "PUT", "", {"url": url})

    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"pointer": "/body/url", "rule": "value error"}]


async def test_a_locality_without_a_key_tells_no_system(running: Running) -> None:
    answer = await asks(running, "PUT", "", {"url": "https://agency.example/told"})

    assert answer.status_code == 409
    assert json.loads(answer.text)["type"] == "urn:accord:problem:no-webhooks"


def test_a_system_is_looked_after_before_anything_is_given_up() -> None:
    usual = POLICY.webhooks.model_dump()

    with pytest.raises(ValidationError, match="off_after_minutes"):
        WebhookPolicy.model_validate({**usual, "off_after_minutes": 5000})
    with pytest.raises(ValueError, match="no agency is told of risk"):
        WebhookPolicy.model_validate({**usual, "events": ["risk.changed.v1"]}).check(
            set(usual["events"])
        )


def test_pauses_are_longer_by_chance_and_end() -> None:
    policy, key = POLICY.webhooks, new_id()
    pauses = [policy.again_after(each, key) for each in range(1, 10)]

    for pause, minutes in zip(pauses, policy.again_after_minutes, strict=True):
        assert pause
        assert minutes <= pause / timedelta(minutes=1) <= minutes * 1.25
    assert policy.again_after(10, key) is None
    assert policy.again_after(9, key) != policy.again_after(9, new_id())


def delivery(**known: Any) -> Delivery:
    at = datetime.now(UTC)
    same = {"id": new_id(), "case_id": new_id(), "about_id": new_id()}
    told = {"agency": AGENCY, "event": "information.requested.v1", "created_at": at}
    return Delivery.model_validate({**same, **told, "due_at": at, **known})


def test_attempts_are_counted_anew_when_a_system_is_put_again() -> None:
    at = datetime.now(UTC)
    tried = delivery(attempts=9, counted_since=at)

    assert tried.told_since(at) is tried
    assert tried.told_since(at + DAY).attempts == 0


async def test_an_attempt_of_which_nothing_is_heard_counts(
    telling: Running, receiver: Receiver
) -> None:
    await registers(telling, receiver.url)
    kept = telling.service.store(Deliveries)
    due_at = telling.clock.now()
    held = delivery(state=DeliveryState.CLAIMED, due_at=due_at)
    await kept.save(held)

    await telling.service.sweep_once()

    [now] = await deliveries_of(telling)
    assert (now.state, now.attempts) == (DeliveryState.WANTED, 1)
    assert now.due_at
    assert now.due_at > due_at
