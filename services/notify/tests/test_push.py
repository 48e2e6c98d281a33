"""Pushing to workers' browsers: a real push service, and browsers that open it."""

import json
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from accord_chassis.clock import SimulatedClock
from accord_chassis.settings import BadConfiguration
from accord_chassis.testing import NOON, new_id, sent_by
from accord_contracts.notify import NotificationNotPushed, NotificationPushed
from accord_contracts.risk import RiskLevel
from cryptography.hazmat.primitives.asymmetric.ec import (
    derive_private_key,
    generate_private_key,
)
from joserfc import jwt
from joserfc.jwk import ECKey
from notify.app import ringing
from notify.domain.aes128gcm import (
    CURVE,
    LONGEST,
    decoded,
    encoded,
    key_of,
    seal,
)
from notify.domain.channels import Way
from notify.domain.hours import Urgency
from notify.domain.mail import MailState
from notify.domain.outside import is_among
from notify.domain.policy import Policy, Rule
from notify.domain.push import Keys, Reached, Subscription
from notify.domain.vapid import Vapid
from notify.store import Subscriptions
from notify.ways import by_push
from notify_builders import LINK_BASE, POLICY, Running, offered
from notify_devices import LOOPBACK, Browser, PushService
from pydantic import SecretStr, ValidationError

KEY = encoded(os.urandom(32))
CONTACT = "mailto:desk@accord.example"
EMAIL = "worker@agency.example"
DAY = timedelta(days=1)


@pytest.fixture
def clock() -> SimulatedClock:
    """As late as it is: whoever looks at a token looks when it ends."""
    return SimulatedClock(datetime.now(UTC))


@pytest.fixture
async def pushing(start: Any, with_push: Path) -> AsyncIterator[Running]:
    """The service, alive, which pushes on this machine."""
    async with start(
        locality=with_push,
        push_key=SecretStr(KEY),
        push_contact=CONTACT,
        webhook_networks=LOOPBACK,
    ) as running:
        yield running


async def asks(
    running: Running, worker: str, method: str, path: str = "", told: Any = None
) -> httpx2.Response:
    """A worker asks for something about their own browsers."""
    headers = running.bearer("notify.inbox", worker=worker)
    path = f"/v1/push-subscriptions{path}"
    return await running.http.request(method, path, headers=headers, json=told)


async def puts(running: Running, worker: str, browser: Browser) -> str:
    """A worker puts a browser; give its id."""
    answer = await asks(running, worker, "PUT", told=browser.written)
    assert answer.status_code == 200, answer.text
    assert browser.endpoint not in answer.text
    id_: str = answer.json()["id"]
    return id_


async def ids_of(running: Running, worker: str) -> list[str]:
    answer = await asks(running, worker, "GET")
    return [each["id"] for each in answer.json()["subscriptions"]]


def test_it_is_sealed_as_the_example_of_rfc_8291_shows() -> None:
    once = int.from_bytes(decoded("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"))
    browser = (
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRp"
        "kNtoIAiw4"
    )

    sealed = seal(
        b"When I grow up, I want to be a watermelon",
        key_of(decoded(browser)),
        decoded("BTBZMqHH6r4Tts7J_aSIgg"),
        salt=decoded("DGv6ra1nlYgDCS1FRnbzlw"),
        once=derive_private_key(once, CURVE),
    )

    assert encoded(sealed) == (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3"
        "vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuw"
        "XPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )


def test_the_longest_fits_into_a_record_and_nothing_longer_is_sealed() -> None:
    browser, once = Browser("https://push.example"), generate_private_key(CURVE)
    to = browser.private.public_key()
    same: dict[str, Any] = {"salt": os.urandom(16), "once": once}

    longest = seal(b"x" * LONGEST, to, browser.auth, **same)
    with pytest.raises(ValueError, match="too long"):
        seal(b"x" * (LONGEST + 1), to, browser.auth, **same)

    assert longest


async def test_a_push_service_learns_nothing_and_the_browser_a_reference_and_a_link(
    pushing: Running, push_service: PushService, workers: Any
) -> None:
    worker = workers.knows(email=EMAIL, mobile="+64275550100")
    browser, other = Browser(push_service.url), Browser(push_service.url)
    for each in (browser, other):
        await puts(pushing, worker, each)
    offer = offered(worker)

    await pushing.hears(offer)
    await pushing.later(timedelta(seconds=1))

    [held] = await pushing.all()
    [(headers, body)] = push_service.to(browser)
    [(others_headers, others_body)] = push_service.to(other)
    told = json.loads(browser.opens(body))
    link = f"{LINK_BASE}/inbox/{held.id}"
    assert told == {
        "web_push": 8030,
        "notification": {
            "title": f"A message / He karere: {held.reference}",
            "navigate": link,
        },
    }
    assert len(body) == len(others_body) == 16 + 4 + 1 + 65 + 1024 + 1 + 16
    assert (headers["ttl"], headers["urgency"]) == ("14400", "normal")
    assert headers["content-encoding"] == "aes128gcm"
    assert len(headers["topic"]) == 32
    assert headers["topic"] != others_headers["topic"]
    shown = json.dumps(headers)
    for each in (worker, held.id, held.case_id, held.reference, LINK_BASE):
        assert each not in shown
    events = await sent_by(pushing.service, pushing.broker)
    [pushed] = [e.data for e in events if isinstance(e.data, NotificationPushed)]
    assert (pushed.worker_id, pushed.notification_id) == (worker, held.id)
    assert held.told[0].mail
    assert held.told[0].mail.state is MailState.SENT


async def test_a_push_service_knows_us_by_a_token_that_it_can_verify(
    pushing: Running, push_service: PushService, workers: Any
) -> None:
    worker, browser = workers.knows(), Browser(push_service.url)
    key = (await asks(pushing, worker, "GET")).json()["key"]
    await puts(pushing, worker, browser)

    await pushing.hears(offered(worker))
    await pushing.later(timedelta(seconds=1))

    [(headers, _)] = push_service.to(browser)
    scheme, _, parts = headers["authorization"].partition(" ")
    given = dict(each.split("=", 1) for each in parts.split(", "))
    point = decoded(key)
    public = {
        "kty": "EC",
        "crv": "P-256",
        "x": encoded(point[1:33]),
        "y": encoded(point[33:]),
    }
    token = jwt.decode(given["t"], ECKey.import_key(public), algorithms=["ES256"])
    assert (scheme, given["k"]) == ("vapid", key)
    assert token.claims["aud"] == push_service.url
    assert token.claims["sub"] == CONTACT
    ahead = token.claims["exp"] - pushing.clock.now().timestamp()
    assert 0 < ahead < DAY.total_seconds()


@pytest.mark.parametrize("status", [404, 410])
async def test_a_browser_that_there_is_no_more_is_forgotten_and_shown(
    pushing: Running, push_service: PushService, workers: Any, status: int
) -> None:
    worker, browser = workers.knows(), Browser(push_service.url)
    await puts(pushing, worker, browser)
    push_service.answers(browser, status)

    await pushing.hears(offered(worker))
    await pushing.later(timedelta(seconds=1))

    assert await ids_of(pushing, worker) == []
    events = await sent_by(pushing.service, pushing.broker)
    [failed] = [e.data for e in events if isinstance(e.data, NotificationNotPushed)]
    assert (failed.worker_id, failed.reason) == (worker, "gone")
    headers = pushing.bearer("notify.admin")
    answer = await pushing.http.get("/v1/unreachable", headers=headers)
    [who] = [e for e in answer.json()["workers"] if e["worker_id"] == worker]
    assert (who["way"], who["reason"]) == ("push", "gone")


async def test_one_browser_is_enough_and_those_that_are_gone_are_forgotten(
    pushing: Running, push_service: PushService, workers: Any
) -> None:
    worker = workers.knows()
    gone, busy, there = (Browser(push_service.url) for _ in range(3))
    for each in (gone, busy, there):
        await puts(pushing, worker, each)
    push_service.answers(gone, 410)
    push_service.answers(busy, 503)

    await pushing.hears(offered(worker))
    await pushing.later(timedelta(seconds=1))
    await pushing.later(timedelta(minutes=3))

    [held] = [e for e in await pushing.all() if e.worker_id == worker]
    assert held.told[0].mail
    assert held.told[0].mail.state is MailState.SENT
    assert len(push_service.to(there)) == 1
    assert len(await ids_of(pushing, worker)) == 2


@pytest.mark.parametrize("status", [429, 500])
async def test_what_a_push_service_does_not_take_now_comes_later_and_is_one_there(
    pushing: Running, push_service: PushService, workers: Any, status: int
) -> None:
    worker, browser = workers.knows(), Browser(push_service.url)
    await puts(pushing, worker, browser)
    push_service.answers(browser, status)
    await pushing.hears(offered(worker))
    await pushing.later(timedelta(seconds=1))
    [held] = await pushing.all()
    assert held.told[0].mail
    due = held.told[0].mail.due_at
    push_service.answers(browser, 201)

    await pushing.later(timedelta(minutes=1))
    soon = len(push_service.to(browser))
    await pushing.later(timedelta(seconds=15))

    assert due
    pause = due - held.told[0].mail.became[0].at
    assert timedelta(minutes=1) < pause <= timedelta(minutes=1.25)
    assert soon in (1, 2)
    first, second = push_service.to(browser)
    assert first[0]["topic"] == second[0]["topic"]
    assert browser.opens(first[1]) == browser.opens(second[1])
    assert first[1] != second[1]


async def test_who_has_no_browser_is_reached_by_the_next_way(
    start: Any,
    with_push: Path,
    push_service: PushService,
    workers: Any,
    mail_server: Any,
) -> None:
    notify = with_push / "notify.yaml"
    text = notify.read_text("utf-8").replace("[inbox, push]", "[inbox, push, email]")
    notify.write_text(text)
    without, gone = workers.knows(email=EMAIL), workers.knows(email="b@agency.example")
    async with start(
        locality=with_push,
        push_key=SecretStr(KEY),
        push_contact=CONTACT,
        webhook_networks=LOOPBACK,
        smtp_url=SecretStr(mail_server.url),
        mail_from="accord@accord.example",
    ) as running:
        browser = Browser(push_service.url)
        await puts(running, gone, browser)
        push_service.answers(browser, 410)

        await running.hears(offered(without), offered(gone))
        await running.later(timedelta(seconds=1))
        await running.later(timedelta(seconds=1))

    assert sorted(mail_server.recipients) == ["b@agency.example", EMAIL]
    assert len(push_service.told) == 1


async def test_where_a_browser_is_reached_stands_nowhere_in_the_clear(
    pushing: Running, push_service: PushService, workers: Any
) -> None:
    worker, browser = workers.knows(), Browser(push_service.url)
    id_ = await puts(pushing, worker, browser)
    again = await puts(pushing, worker, browser)

    kept = pushing.service.store(Subscriptions)
    [document] = [each async for each in kept.documents.find({})]
    text = str(document)
    told = browser.written
    for each in (told["endpoint"], browser.endpoint[-12:], *told["keys"].values()):
        assert each not in text
    assert id_ == again == document["_id"]
    held = await kept.get(id_)
    assert held
    reached = held.reached(Vapid.of(KEY, CONTACT))
    assert reached
    assert reached.endpoint == browser.endpoint
    assert held.reached(Vapid.of(encoded(os.urandom(32)), CONTACT)) is None


async def test_a_browser_is_its_last_workers_and_nobody_elses(
    pushing: Running, push_service: PushService, workers: Any
) -> None:
    first, second = workers.knows(), workers.knows()
    browser = Browser(push_service.url)
    id_ = await puts(pushing, first, browser)

    theirs = await asks(pushing, second, "DELETE", f"/{id_}")
    absent = await asks(pushing, second, "DELETE", f"/{new_id()}")
    await puts(pushing, second, browser)

    assert theirs.status_code == absent.status_code == 404
    assert theirs.json()["type"] == absent.json()["type"]
    assert await ids_of(pushing, first) == []
    assert await ids_of(pushing, second) == [id_]
    assert (await asks(pushing, second, "DELETE", f"/{id_}")).status_code == 204
    assert await ids_of(pushing, second) == []


async def test_whoever_puts_one_too_many_loses_the_oldest(
    pushing: Running, push_service: PushService, workers: Any
) -> None:
    worker = workers.knows()
    put = []
    for _ in range(6):
        pushing.clock.advance(timedelta(minutes=1))
        put.append(await puts(pushing, worker, Browser(push_service.url)))

    assert await ids_of(pushing, worker) == put[:0:-1]


async def test_a_browser_that_is_not_put_again_is_forgotten(
    pushing: Running, push_service: PushService, workers: Any
) -> None:
    worker = workers.knows()
    old, used = Browser(push_service.url), Browser(push_service.url)
    await puts(pushing, worker, old)
    await puts(pushing, worker, used)
    await pushing.later(40 * DAY)
    kept = await puts(pushing, worker, used)

    await pushing.later(21 * DAY)

    assert await ids_of(pushing, worker) == [kept]


@pytest.mark.parametrize(
    "changed",
    [
        {"endpoint": "http://10.0.0.7/push/x"},
        {"endpoint": "https://push.example/push/x"},
        {"endpoint": "https://user@127.0.0.1/x"},
        {"endpoint": "nothing"},
        {"keys": {"p256dh": encoded(b"\x04" + bytes(64)), "auth": encoded(bytes(16))}},
        {"keys": {"p256dh": "!", "auth": encoded(bytes(16))}},
    ],
)
async def test_nothing_is_put_that_leads_elsewhere_or_is_no_key(
    pushing: Running, push_service: PushService, workers: Any, changed: dict[str, Any]
) -> None:
    worker = workers.knows()
    told = {**Browser(push_service.url).written, **changed}

    answer = await asks(pushing, worker, "PUT", told=told)

    assert answer.status_code == 422, answer.text
    assert await ids_of(pushing, worker) == []


async def test_where_nothing_is_pushed_nothing_is_put(running: Running) -> None:
    browser = Browser("https://fcm.googleapis.com")
    worker = new_id()

    shown = await asks(running, worker, "GET")
    put = await asks(running, worker, "PUT", told=browser.written)

    assert shown.json() == {"key": None, "subscriptions": []}
    assert put.status_code == 409


@pytest.mark.parametrize(
    ("key", "contact", "says"),
    [
        (KEY, "", "or neither"),
        ("", CONTACT, "or neither"),
        (KEY, "desk@accord.example", "mailto: or https"),
        ("short", CONTACT, "32 bytes"),
        (encoded(bytes(32)), CONTACT, "32 bytes"),
        ("ä" * 43, CONTACT, "32 bytes"),
    ],
    # The key is another in each process, and tests have the same names in all.
    ids=["no contact", "no key", "no address", "short", "nought", "no base64"],
)
def test_a_key_that_is_half_given_or_none_stops_the_start(
    key: str, contact: str, says: str
) -> None:
    with pytest.raises(BadConfiguration, match=says) as stopped:
        by_push(pushes(), key, contact)

    assert not key or key not in str(stopped.value)


def pushes() -> Any:
    assert POLICY.push
    return POLICY.push


@pytest.mark.parametrize(
    "words", ["A message at {link}", "To {name}", "<b>A message", "A message\n"]
)
def test_before_the_reference_nothing_is_filled_in(words: str) -> None:
    text = {"en": words, "mi": "He karere"}
    with pytest.raises(ValidationError, match="nothing may be filled in"):
        type(pushes()).model_validate({**pushes().model_dump(), "text": text})


@pytest.mark.parametrize(
    ("channels", "says"),
    [
        (["inbox", "push"], "beside the inbox, push and wide"),
        (["inbox", "push", "sms"], "pushed last"),
    ],
)
def test_what_is_critical_hangs_on_no_push(channels: list[str], says: str) -> None:
    rule = {
        "template": "offer",
        "who": ["worker"],
        "urgency": "critical",
        "channels": channels,
        "acknowledge_minutes": 5,
        "chain": "urgent",
    }

    with pytest.raises(ValidationError, match=says):
        Rule.model_validate(rule)


@pytest.mark.parametrize("urgency", [Urgency.LOW, Urgency.NORMAL, Urgency.HIGH])
@pytest.mark.parametrize("first", [Way.SMS, Way.PUSH])
def test_only_what_is_high_rings_by_what_cannot_become_one(
    urgency: Urgency, first: Way
) -> None:
    rule = {"template": "offer", "who": ["worker"], "urgency": urgency}
    calm = urgency in {Urgency.NORMAL, Urgency.LOW}

    Rule.model_validate(
        {**rule, "urgency": "low", "channels": ["inbox", "email", first]}
    )
    if calm:
        with pytest.raises(ValidationError, match="put email before it"):
            Rule.model_validate({**rule, "channels": ["inbox", first, "email"]})
    else:
        Rule.model_validate({**rule, "channels": ["inbox", first, "email"]})


def test_where_only_pushes_go_out_alarms_ring_nowhere() -> None:
    policy = critical_by_all_ways()

    with pytest.raises(BadConfiguration, match="ring nowhere"):
        ringing(policy, {Way.PUSH}, development=False)

    assert ringing(policy, {Way.PUSH, Way.EMAIL}, development=False)


def critical_by_all_ways() -> Policy:
    type_, level = "allocation.offered.v1", RiskLevel.EXTREME
    rule = POLICY.rules[type_]
    all_ways = (Way.INBOX, Way.SMS, Way.EMAIL, Way.PUSH)
    critical = rule.levels[level].model_copy(update={"channels": all_ways})
    levels = {**rule.levels, level: critical}
    rules = {**POLICY.rules, type_: rule.model_copy(update={"levels": levels})}
    return POLICY.model_copy(update={"rules": rules})


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("web.push.apple.com", True),
        ("push.apple.com", False),
        ("webpush.apple.com.example", False),
        ("evilpush.apple.com", False),
        ("fcm.googleapis.com", True),
        ("a.fcm.googleapis.com", False),
        ("", False),
    ],
)
def test_a_host_is_one_that_is_named_or_below_one(host: str, *, known: bool) -> None:
    assert is_among(("fcm.googleapis.com", "*.push.apple.com"), host) is known


async def test_browsers_are_found_by_an_index(subscriptions: Subscriptions) -> None:
    vapid = Vapid.of(KEY, CONTACT)
    for _ in range(20):
        told = Browser("https://push.example").written
        reached = Reached(endpoint=told["endpoint"], keys=Keys(**told["keys"]))
        put = Subscription.of(
            reached, new_id(), at=NOON, forget_at=NOON + DAY, vapid=vapid
        )
        await subscriptions.save(put)

    found = subscriptions.documents.find({"worker_id": new_id()}).sort("put_at", -1)
    explained = await found.explain()
    assert "IXSCAN" in str(explained["queryPlanner"]["winningPlan"])
