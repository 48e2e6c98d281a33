"""SMS by a gateway that a locality's file describes, and what rings when one fails."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from accord_chassis.testing import NOON, new_id
from accord_contracts.risk import RiskLevel
from notify.domain.callback import acknowledged
from notify.domain.channels import SmsPolicy, Taken, Way
from notify.domain.hours import Urgency
from notify.domain.mail import MailState, Outcome
from notify.domain.notification import Notification
from notify.domain.policy import Policy
from notify.domain.wording import Letter, Wording
from notify.handlers.mail import send_mail
from notify.handlers.reaching import Reach
from notify.post import Post, Server, SmtpPost
from notify.sms import SmsPost
from notify.store import Notifications, Subscriptions
from notify_builders import (
    LINK_BASE,
    MAIL_FROM,
    MINUTE,
    POLICY,
    MailServer,
    Running,
    WorkersDirectory,
    notification,
    offered,
)
from notify_devices import Gateway
from pydantic import SecretStr, ValidationError

MOBILE, EMAIL = "+64275550100", "worker@agency.example"
SMS = POLICY.sms
assert SMS
LETTER = Letter("a-key", "", "A message: 7F3K-2Q", POLICY.languages)


def at(gateway: Gateway, **changed: Any) -> SmsPolicy:
    """A locality's policy, with the gateway that listens."""
    assert SMS
    return SMS.model_copy(update={"url": gateway.url, **changed})


def told(**changed: Any) -> SmsPolicy:
    """Canterbury's policy, as a file with some lines changed says it."""
    assert SMS
    return SmsPolicy.model_validate({**SMS.model_dump(mode="json"), **changed})


@pytest.fixture
async def sms(gateway: Gateway) -> AsyncIterator[SmsPost]:
    post = SmsPost(at(gateway), "a-secret", timeout_seconds=0.5, away_seconds=0)
    yield post
    await post.close()


async def test_a_gateway_is_told_as_the_locality_says(
    gateway: Gateway, sms: SmsPost
) -> None:
    posted = await sms.send(LETTER, MOBILE, NOON)

    [(headers, body)] = gateway.taken
    assert posted.outcome is Outcome.SENT
    assert body == f'{{"to":"{MOBILE}","message":"{LETTER.text}"}}'
    assert headers["authorization"] == "Bearer a-secret"
    assert headers["idempotency-key"] == LETTER.key


@pytest.mark.parametrize("status", [202, 303, 408, 409, 425, 500])
def test_no_locality_takes_for_a_no_what_may_be_a_yes(status: int) -> None:
    with pytest.raises(ValidationError, match=f"answers {status} may have it"):
        told(refused=[404, status])


async def test_a_gateway_may_want_a_form_and_nothing_filled_in_is_looked_at_again(
    gateway: Gateway,
) -> None:
    post = SmsPost(at(gateway, form=True), "s")

    await post.send(Letter("k", "", "{to} & {key}", POLICY.languages), MOBILE, NOON)
    await post.close()

    [(_, body)] = gateway.taken
    assert body == "to=%2B64275550100&message=%7Bto%7D+%26+%7Bkey%7D"


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, Outcome.SENT),
        (400, Outcome.REFUSED),
        (404, Outcome.REFUSED),
        (302, Outcome.NOT_TAKEN),
        (401, Outcome.NOT_TAKEN),
        (409, Outcome.UNKNOWN),
        (429, Outcome.NOT_TAKEN),
        (500, Outcome.NOT_TAKEN),
    ],
)
async def test_what_a_gateway_answers_says_what_became_of_it(
    gateway: Gateway, status: int, outcome: Outcome
) -> None:
    gateway.status = status
    post = SmsPost(at(gateway, refused=frozenset({404})), "s")

    posted = await post.send(LETTER, MOBILE, NOON)
    await post.close()

    assert posted.outcome is outcome


NESTED = {"path": "messages.*.status", "words": ["0"], "refused": ["6", "true"]}


@pytest.mark.parametrize(
    ("says", "outcome", "reason"),
    [
        ({"messages": [{"status": "0"}]}, Outcome.SENT, None),
        ({"messages": [{"status": 0}, {"status": "0"}]}, Outcome.SENT, None),
        ({"messages": [{"status": "6"}]}, Outcome.REFUSED, "message_refused"),
        ({"messages": [{"status": True}]}, Outcome.REFUSED, "message_refused"),
        # One part of a long message has gone out, and the other has not.
        ({"messages": [{"status": "0"}, {"status": "6"}]}, Outcome.UNKNOWN, None),
        ({"messages": [{"status": "1"}]}, Outcome.UNKNOWN, None),
        ({"messages": [{"status": "00"}]}, Outcome.UNKNOWN, None),
        ({"messages": []}, Outcome.UNKNOWN, None),
        ({"messages": "0"}, Outcome.UNKNOWN, None),
        ({"error": "none"}, Outcome.UNKNOWN, None),
        ("0", Outcome.UNKNOWN, None),
        (None, Outcome.UNKNOWN, None),
    ],
)
async def test_a_no_within_a_200_is_never_taken_for_a_yes(
    gateway: Gateway, says: object, outcome: Outcome, reason: str | None
) -> None:
    gateway.status, gateway.says = 200, says
    post = SmsPost(told(url=gateway.url, taken=NESTED), "s")

    posted = await post.send(LETTER, MOBILE, NOON)
    await post.close()

    unclear = "unclear_answer" if outcome is Outcome.UNKNOWN else None
    assert (posted.outcome, posted.reason) == (outcome, reason or unclear)


@pytest.mark.parametrize("answer", [b"", b"OK", b"[" * 100_000])
def test_what_is_no_json_says_neither_yes_nor_no(answer: bytes) -> None:
    taken = Taken.model_validate(NESTED)

    assert taken.found(answer) == frozenset()


async def test_what_a_gateway_is_told_may_be_json_of_any_shape(
    gateway: Gateway,
) -> None:
    body = {"messages": [{"to": "{to}", "n": 1, "of": {"text": "{text} ({key})"}}]}
    post = SmsPost(told(url=gateway.url, body=body), "s")

    await post.send(Letter("k", "", "{to}", POLICY.languages), MOBILE, NOON)
    await post.close()

    [(_, sent)] = gateway.taken
    assert json.loads(sent) == {
        "messages": [{"to": MOBILE, "n": 1, "of": {"text": "{to} (k)"}}]
    }


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({"body": {"a": [{"b": "{to} {text} {name}"}]}}, "may be filled in"),
        ({"body": {"a": [{"b": "{to}"}]}}, "the body must have"),
        ({"form": True, "body": {"a": ["{to} {text}"]}}, "a form has texts alone"),
        ({"taken": {**NESTED, "refused": ["0"]}}, "yes or no, not both"),
        ({"taken": {**NESTED, "path": "a..b"}}, "pattern"),
    ],
)
def test_a_gateway_that_cannot_be_spoken_to_stops_the_start(
    changed: dict[str, Any], wrong: str
) -> None:
    with pytest.raises(ValidationError, match=wrong):
        told(**changed)


async def test_a_gateway_that_answers_too_late_may_have_sent_it(
    gateway: Gateway, sms: SmsPost
) -> None:
    gateway.slow = asyncio.Event()

    late = await sms.send(LETTER, MOBILE, NOON)
    gateway.slow.set()
    wrong = await sms.send(LETTER, "0275550100", NOON)

    assert (late.outcome, late.reason) == (Outcome.UNKNOWN, "no_answer")
    assert (wrong.outcome, wrong.reason) == (Outcome.REFUSED, "bad_address")


async def test_a_gateway_that_is_away_is_left_alone_for_a_while() -> None:
    assert SMS
    away = SMS.model_copy(update={"url": "http://127.0.0.1:1/messages"})
    post = SmsPost(away, "s")

    posted = await post.send(LETTER, MOBILE, NOON)
    known = post.closed
    await post.close()

    assert posted == known
    assert posted.outcome is Outcome.NOT_TAKEN


Send = Callable[..., Awaitable[Notification]]
Wanted = Callable[..., Awaitable[Notification]]


@pytest.fixture
def sends(
    notifications: Notifications,
    reach: Reach,
    sms: SmsPost,
    mail_server: MailServer,
    subscriptions: Subscriptions,
) -> Send:
    """Send what is due of a message, and give it as it is then."""
    mail = SmtpPost(Server.at(mail_server.url), MAIL_FROM, away_seconds=0)
    posts: dict[Way, Post] = {Way.EMAIL: mail, Way.SMS: sms}

    async def send(held: Notification, after: timedelta = timedelta()) -> Notification:
        now = await notifications.get(held.id)
        assert now
        await send_mail(
            now,
            at=NOON + after,
            notifications=notifications,
            reach=reach,
            policy=POLICY,
            wording=Wording(POLICY, LINK_BASE),
            posts=posts,
            subscriptions=subscriptions,
        )
        found = await notifications.get(held.id)
        assert found
        return found

    return send


@pytest.fixture
def wanted(notifications: Notifications, workers: WorkersDirectory) -> Wanted:
    """Make a critical message to somebody who is reached like this."""

    async def made(**contact: Any) -> Notification:
        worker = workers.knows(**contact)
        told = notification(worker_id=worker, level=RiskLevel.EXTREME, mail=True)
        return await notifications.save(told)

    return made


async def test_what_is_critical_rings_by_sms_alone(
    wanted: Wanted,
    sends: Send,
    gateway: Gateway,
    mail_server: MailServer,
) -> None:
    held = await wanted(email=EMAIL, mobile=MOBILE)

    rung = await sends(held)

    [(_, body)] = gateway.taken
    assert held.reference in body
    assert f"{LINK_BASE}/inbox/{held.id}" in body
    assert held.case_id not in body
    assert mail_server.letters == []
    assert rung.told[0].mail
    assert rung.told[0].mail.channel is Way.SMS
    assert rung.mail_state(0) is MailState.SENT


@pytest.mark.parametrize("mobile", [MOBILE, None])
async def test_what_cannot_go_out_by_one_way_goes_out_by_the_next(
    wanted: Wanted,
    sends: Send,
    gateway: Gateway,
    mail_server: MailServer,
    mobile: str | None,
) -> None:
    gateway.status = 400
    held = await wanted(email=EMAIL, mobile=mobile)

    failed = await sends(held)
    rung = await sends(held)

    assert failed.escalate_at == held.escalate_at
    assert [str(each["To"]) for each in mail_server.letters] == [EMAIL]
    assert [each.channel for each in rung.told[0].tried] == [Way.SMS]
    assert rung.mail_state(0) is MailState.SENT


@pytest.mark.parametrize("manner", ["answers_500", "late"])
async def test_an_alarm_waits_for_no_gateway_that_does_not_surely_take_it(
    wanted: Wanted,
    sends: Send,
    gateway: Gateway,
    mail_server: MailServer,
    manner: str,
) -> None:
    if manner == "late":
        gateway.slow = asyncio.Event()
    else:
        gateway.status = 500
    held = await wanted(email=EMAIL, mobile=MOBILE)

    first = await sends(held)
    rung = await sends(held)
    if gateway.slow:
        gateway.slow.set()

    assert [each.channel for each in first.told[0].tried] == [Way.SMS]
    assert len(mail_server.letters) == 1
    assert rung.told[0].left or rung.mail_state(0) is MailState.SENT


async def test_an_alarm_rings_by_sms_as_soon_as_the_gateway_takes_it(
    wanted: Wanted, sends: Send, gateway: Gateway, mail_server: MailServer
) -> None:
    gateway.status = 500
    held = await wanted(email=EMAIL, mobile=MOBILE)
    await sends(held)
    rung = await sends(held)
    gateway.status = 202

    early = await sends(held, MINUTE / 2)
    late = await sends(held, MINUTE)
    over = await sends(held, 24 * 60 * MINUTE)

    assert len(mail_server.letters) == 1
    assert early == rung
    assert len(gateway.taken) == 2
    assert (late.way_of(0), late.mail_state(0)) == (Way.SMS, MailState.SENT)
    assert over == late


async def test_an_alarm_of_which_no_way_takes_anything_is_tried_by_both(
    wanted: Wanted, sends: Send, gateway: Gateway, mail_server: MailServer
) -> None:
    gateway.status, mail_server.manner = 500, "not_now"
    held = await wanted(email=EMAIL, mobile=MOBILE)
    await sends(held)
    await sends(held)
    gateway.status = 202

    late = await sends(held, MINUTE)

    assert (late.way_of(0), late.mail_state(0)) == (Way.SMS, MailState.SENT)
    assert not late.in_vain


async def test_an_sms_tried_again_of_which_the_service_died_is_not_repeated(
    notifications: Notifications, wanted: Wanted, sends: Send, gateway: Gateway
) -> None:
    gateway.status = 500
    held = await wanted(email=EMAIL, mobile=MOBILE)
    await sends(held)
    rung = await sends(held)
    await notifications.save(rung.claim_mail(0, NOON + MINUTE, POLICY.email))

    found = await sends(held, 11 * MINUTE)

    assert found.mail_state(0) is MailState.UNKNOWN
    assert found.mail_due(NOON + 24 * 60 * MINUTE) is None
    assert len(gateway.taken) == 1


async def test_an_sms_that_may_have_arrived_does_not_come_twice_beside_a_letter(
    wanted: Wanted, sends: Send, gateway: Gateway
) -> None:
    gateway.status = 500
    held = await wanted(email=EMAIL, mobile=MOBILE)
    await sends(held)
    await sends(held)
    gateway.slow = asyncio.Event()
    unknown = await sends(held, MINUTE)
    gateway.slow.set()

    later = await sends(held, 24 * 60 * MINUTE)

    assert unknown.mail_state(0) is MailState.UNKNOWN
    assert later == unknown
    assert len(gateway.taken) == 2


@pytest.mark.parametrize("over", ["acknowledged", "told_on"])
async def test_an_sms_is_tried_no_more_once_somebody_knows_or_the_next_is_told(
    notifications: Notifications,
    wanted: Wanted,
    sends: Send,
    gateway: Gateway,
    over: str,
) -> None:
    gateway.status = 500
    held = await wanted(email=EMAIL, mobile=MOBILE)
    await sends(held)
    rung = await sends(held)
    if over == "acknowledged":
        new = rung.acknowledge(held.worker_id, NOON)
    else:
        until = NOON + 60 * MINUTE
        new = rung.tell(new_id(), 1, at=NOON, until=until, mail=False)
    await notifications.save(new)

    await sends(held, 30 * MINUTE)

    assert rung.mail_due(NOON + MINUTE) == 0
    assert len(gateway.taken) == 1


async def test_an_sms_that_is_never_taken_is_given_up_in_the_end(
    wanted: Wanted, sends: Send, gateway: Gateway, mail_server: MailServer
) -> None:
    gateway.status = 500
    held = await wanted(email=EMAIL, mobile=MOBILE)

    for number in range(12):
        last = await sends(held, number * 24 * 60 * MINUTE)

    assert len(gateway.taken) == len(POLICY.email.again_after_minutes) + 1
    assert len(mail_server.letters) == 1
    assert last.mail_state(0) is MailState.FAILED
    assert not last.in_vain
    assert last.escalate_at == held.escalate_at


async def test_a_gateway_that_does_not_take_it_is_not_waited_for_long(
    notifications: Notifications,
    wanted: Wanted,
    sends: Send,
    gateway: Gateway,
    mail_server: MailServer,
) -> None:
    gateway.status = 500
    held = await wanted(email=EMAIL, mobile=MOBILE)
    high = held.model_copy(update={"urgency": Urgency.HIGH})
    await notifications.save(high)

    first = await sends(held)
    second = await sends(held, MINUTE)
    await sends(held, MINUTE)

    assert first.told[0].tried == ()
    assert second.told[0].tried[0].state is MailState.FAILED
    assert len(mail_server.letters) == 1


async def test_whoever_can_be_reached_by_no_way_is_not_waited_for(
    wanted: Wanted,
    sends: Send,
    gateway: Gateway,
    mail_server: MailServer,
) -> None:
    gateway.status, mail_server.manner = 400, "refuse"
    held = await wanted(email=EMAIL, mobile=MOBILE)

    await sends(held)
    gone = await sends(held)

    assert gone.escalate_at == NOON
    assert gone.mail_state(0) is MailState.FAILED


async def test_a_service_sends_sms_once_it_has_the_secret(
    start: Any, gateway: Gateway, workers: WorkersDirectory, with_gateway: Path
) -> None:
    worker = workers.knows(mobile=MOBILE)

    async with start(sms_secret=SecretStr("s"), locality=with_gateway) as running:
        assert isinstance(running, Running)
        await running.hears(offered(worker, level=RiskLevel.EXTREME))
        await running.later(timedelta())
        [held] = await running.all()

    assert len(gateway.taken) == 1
    assert held.mail_state(0) is MailState.SENT


def test_where_there_is_no_gateway_every_rule_rings_by_what_there_is() -> None:
    policy = POLICY.by_ways([Way.EMAIL])

    ways = {each.ways for rule in policy.rules.values() for each in rule.variants}

    assert ways == {(), (Way.EMAIL,)}
    assert any(
        Way.SMS in each.ways for rule in POLICY.rules.values() for each in rule.variants
    )


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"body": {"to": "{to}"}}, "must have"),
        ({"body": {"to": "{to}", "text": "{text} {name}"}}, "may be filled in"),
        ({"body": {"to": "{to}", "text": "{text} {secret}"}}, "may be filled in"),
        ({"headers": {"x": "{to}"}}, "may be filled in"),
        ({"headers": {"X y": "z"}}, "should match"),
        ({"headers": {}}, "must have {key}"),
        ({"headers": {"authorization": "Bearer {secret}"}}, "must have {key}"),
        ({"text": "A message"}, "valid dictionary"),
        ({"text": {"en": "A message to {address}"}}, "may be filled in"),
        ({"text": {"en": "." * 61}}, "at most 60"),
        ({"url": "ftp://sms.example"}, "should match"),
        ({"reply": {"en": "Reply at {link}"}}, "may be filled in"),
    ],
)
def test_a_gateway_that_could_be_told_anything_else_does_not_load(
    changed: dict[str, Any], rule: str
) -> None:
    assert SMS

    with pytest.raises(ValidationError, match=rule):
        SmsPolicy.model_validate({**SMS.model_dump(), **changed})


def test_an_alarm_that_would_not_ring_by_sms_does_not_load() -> None:
    told = POLICY.model_dump(mode="json")
    told["rules"]["glass.broken.v1"]["channels"] = ["inbox", "email"]

    with pytest.raises(ValidationError, match=r"glass.broken.v1: what is critical"):
        Policy.model_validate(told)


@pytest.mark.parametrize(
    "changed",
    [
        {"channels": ["inbox"]},
        {"acknowledge_minutes": None, "chain": None, "progress_minutes": None},
    ],
)
def test_an_alarm_that_would_be_silent_does_not_load(changed: dict[str, Any]) -> None:
    told = POLICY.model_dump(mode="json")
    told["sms"], told["people"] = None, None
    for rule in told["rules"].values():
        for each in (rule, *rule["levels"].values()):
            each["channels"] = [e for e in each["channels"] if e != "sms"]
    Policy.model_validate(told)
    told["rules"]["glass.broken.v1"] |= changed

    with pytest.raises(ValidationError, match="what is critical needs"):
        Policy.model_validate(told)


def test_a_rule_that_rings_by_what_there_is_not_does_not_load() -> None:
    told = POLICY.model_dump()

    with pytest.raises(ValidationError, match="say in sms how they go out"):
        Policy.model_validate({**told, "sms": None})


@pytest.mark.parametrize(
    ("replies", "asks"), [(True, True), (False, True), (True, False)]
)
def test_an_sms_says_which_reply_is_read_where_one_is_heard_and_waited_for(
    *, replies: bool, asks: bool
) -> None:
    wording = Wording(POLICY, LINK_BASE, replies=replies)
    made = notification(level=RiskLevel.EXTREME)
    held = made if asks else made.model_copy(update={"chain": None})

    text = wording.short(held, 0).text

    _, told, reply = text.partition("Reply / Whakautu: ")
    assert bool(told) is (replies and asks)
    assert not told or acknowledged(reply) == held.reference.replace("-", "")
    assert text.count(f"{LINK_BASE}/inbox/{held.id}") == 1
