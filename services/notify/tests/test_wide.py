"""The wide way: Apprise, in a process of its own, to a real receiver."""

import socket
from collections.abc import AsyncIterator
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from accord_chassis.settings import BadConfiguration
from accord_chassis.testing import NOON, sent_by
from accord_contracts.notify import NotificationNotPassedOn, NotificationPassedOn
from notify.domain.channels import Way
from notify.domain.mail import MailState, Outcome
from notify.domain.policy import Policy, Rule
from notify.domain.wide import WidePolicy
from notify.domain.wording import Letter
from notify.handlers.mail import Attempt
from notify.post import AWAY, Posted
from notify.wide import WidePost
from notify.wider import Limits, Refused
from notify_builders import LINK_BASE, MINUTE, POLICY, Running, notification, offered
from notify_devices import LOOPBACK, Receiver
from pydantic import SecretStr, ValidationError

EMAIL = "worker@agency.example"
WIDE = {
    "hosts": ["127.0.0.1"],
    "to": "email",
    "text": {"en": "A message", "mi": "He karere"},
}
KEPT = WidePolicy.model_validate(WIDE)
LETTER = Letter(key="k", subject="", text="A message: 7F3K-2Q", languages=())


def url_of(receiver: Receiver) -> str:
    """Its address as Apprise writes it."""
    return receiver.url.replace("http://", "json://") + "/{to}"


@pytest.fixture
def with_wide(locality: Path, tmp_path: Path) -> Path:
    """A locality where offers go by the wide way first, and by SMS after it."""
    for each in locality.iterdir():
        text = each.read_text("utf-8")
        if each.name == "notify.yaml":
            head, mark, rest = text.partition("  allocation.offered.v1:")
            rest = rest.replace("[inbox, email]", "[inbox, wide, email]", 1)
            rest = rest.replace("urgency: normal", "urgency: high", 1)
            text = head + mark + rest
            text += (
                "\nwide:\n  hosts: [127.0.0.1]\n  to: email\n"
                "  text: {en: A message, mi: He karere}\n"
            )
        (tmp_path / each.name).write_text(text)
    return tmp_path


@pytest.fixture
async def widely(
    start: Any, with_wide: Path, receiver: Receiver
) -> AsyncIterator[Running]:
    """The service, alive, whose wide way leads to a receiver on this machine."""
    async with start(
        locality=with_wide,
        wide_url=SecretStr(url_of(receiver)),
        webhook_networks=LOOPBACK,
    ) as running:
        yield running


async def test_a_yes_is_sent_and_says_a_reference_and_a_link(
    widely: Running, receiver: Receiver, workers: Any
) -> None:
    worker = workers.knows(email=EMAIL)

    await widely.hears(offered(worker))
    await widely.later(timedelta(seconds=1))

    [held] = await widely.all()
    [(to, told)] = receiver.widely
    link = f"{LINK_BASE}/inbox/{held.id}"
    assert told["message"] == f"A message / He karere: {held.reference} {link}"
    assert to == EMAIL
    own = {"version", "message"}
    rest = {name: each for name, each in told.items() if name not in own}
    assert rest == {"title": "", "type": "info", "attachments": []}
    events = await sent_by(widely.service, widely.broker)
    [passed] = [e.data for e in events if isinstance(e.data, NotificationPassedOn)]
    assert (passed.worker_id, passed.notification_id) == (worker, held.id)
    assert held.told[0].mail
    assert held.told[0].mail.state is MailState.SENT


async def test_anything_but_a_yes_is_unknown_and_never_comes_again(
    widely: Running,
    receiver: Receiver,
    workers: Any,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    worker = workers.knows(email=EMAIL)
    workers.has_on_duty()
    receiver.status = 500

    await widely.hears(offered(worker))
    await widely.later(timedelta(seconds=1))
    for _ in range(3):
        await widely.later(timedelta(hours=1))

    [held] = await widely.all()
    unknown = held.told[0].mail
    assert unknown
    assert len(receiver.widely) == 1
    assert (unknown.state, unknown.attempts) == (MailState.UNKNOWN, 1)
    assert unknown.due_at is None
    # Nothing else rings here, so the next of the chain was told.
    assert held.step > 0
    events = await sent_by(widely.service, widely.broker)
    failed = [e.data for e in events if isinstance(e.data, NotificationNotPassedOn)]
    # The second is the coordinator, who has no mailbox.
    assert [each.reason for each in failed if each.worker_id == worker] == ["no_answer"]
    written = caplog.text + "".join(capfd.readouterr())
    assert EMAIL not in written
    assert receiver.url not in written


async def test_a_service_that_hangs_is_left_alone_and_nothing_is_known() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"json://127.0.0.1:{deaf.getsockname()[1]}/{{to}}"
        post = WidePost(
            url,
            KEPT,
            allowed=[ip_network("127.0.0.0/8")],
            plain=True,
            timeout_seconds=3,
        )

        posted = await post.send(LETTER, EMAIL, NOON)

        next_one = await post.send(LETTER, EMAIL, NOON)

    assert posted.outcome is Outcome.UNKNOWN
    assert (next_one, post.closed) == (AWAY, AWAY)
    assert (await post.send(LETTER, "a@b.example, other@b.example", NOON)).tried is (
        False
    )


async def test_of_a_program_that_does_not_begin_nothing_has_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("notify.wide.PROGRAM", ("/nonexistent/program",))
    post = WidePost("json://127.0.0.1/{to}", KEPT, plain=True, away_seconds=0)

    posted = await post.send(LETTER, EMAIL, NOON)

    assert posted.outcome is Outcome.NOT_TAKEN
    assert posted.surely


@pytest.mark.parametrize(
    ("hosts", "allowed"), [(["sms.example"], ["127.0.0.0/8"]), (["127.0.0.1"], [])]
)
async def test_it_speaks_to_no_host_that_is_not_named_nor_inside(
    receiver: Receiver, hosts: list[str], allowed: list[str]
) -> None:
    policy = WidePolicy.model_validate({**WIDE, "hosts": hosts})
    networks = [ip_network(each) for each in allowed]
    post = WidePost(url_of(receiver), policy, allowed=networks, plain=True)

    posted = await post.send(LETTER, EMAIL, NOON)

    assert posted.outcome is Outcome.UNKNOWN
    assert receiver.widely == []


@pytest.mark.parametrize(
    ("event", "args", "fine"),
    [
        ("socket.getaddrinfo", ("api.sms.example", 443), True),
        ("socket.getaddrinfo", ("sms.example.other", 443), False),
        ("socket.connect", (None, ("93.184.215.14", 443)), True),
        ("socket.connect", (None, ("93.184.215.14", 80)), False),
        ("socket.connect", (None, ("10.0.0.5", 443)), False),
        ("socket.connect", (None, ("::ffff:10.0.0.5", 443, 0, 0)), False),
        ("socket.connect", (None, ("169.254.169.254", 80)), False),
        ("socket.connect", (None, ("api.sms.example", 443)), False),
        ("socket.connect", (None, "/var/run/docker.sock"), False),
        ("socket.sendto", (None, ("10.0.0.5", 53)), False),
        ("socket.connect", (None, ("192.168.7.7", 8080)), True),
        ("subprocess.Popen", ("sh",), False),
        ("os.system", ("sh",), False),
        ("os.forkpty", (), False),
        ("open", ("/dev/null",), True),
    ],
)
def test_a_plug_in_goes_no_further_than_it_may(
    event: str, args: tuple[Any, ...], *, fine: bool
) -> None:
    limits = Limits(("*.sms.example",), (ip_network("192.168.7.0/24"),), plain=False)

    if fine:
        limits.watch(event, args)
    else:
        with pytest.raises(Refused):
            limits.watch(event, args)


@pytest.mark.parametrize(
    ("url", "plain", "says"),
    [
        ("json://127.0.0.1/somebody", True, "must have {to}"),
        ("nosuch://secret-token/{to}", True, "no address that Apprise knows"),
        ("jsons://127.0.0.1/{to}?verify=no", False, "look at certificates"),
        ("json://user:secret-token@127.0.0.1/{to}", False, "read on its way"),
        ("gotify://127.0.0.1/secret-token?{to}", False, "read on its way"),
        ("mailtos://u:p@x.example?mode=insecure&to={to}", False, "read on its way"),
        ("jsons://127.0.0.1/{to}?redirect=yes", False, "follows redirects"),
    ],
)
def test_an_address_that_is_not_fit_stops_the_start_and_is_not_shown(
    url: str, says: str, *, plain: bool
) -> None:
    with pytest.raises(BadConfiguration, match=says) as wrong:
        WidePost(url, KEPT, plain=plain).check()

    assert "secret-token" not in str(wrong.value)


def test_an_address_that_nobody_else_reads_is_one() -> None:
    WidePost("jsons://user:token@127.0.0.1/{to}", KEPT, plain=False).check()


async def test_it_goes_nowhere_else_though_its_service_sends_it(
    receiver: Receiver,
) -> None:
    receiver.status = 307
    receiver.headers = {"location": f"{receiver.url}/elsewhere"}
    post = WidePost(url_of(receiver), KEPT, allowed=LOOPBACK, plain=True)

    posted = await post.send(LETTER, EMAIL, NOON)

    assert posted.outcome is Outcome.UNKNOWN
    assert [to for to, _ in receiver.widely] == [EMAIL]


@pytest.mark.parametrize(
    ("channels", "says"),
    [
        (["inbox", "wide"], "rings beside the inbox, push and wide"),
        (["inbox", "push", "wide"], "rings beside the inbox, push and wide"),
        (["inbox", "wide", "sms"], "by wide after every way"),
        (["inbox", "sms", "wide", "email"], "by wide after every way"),
    ],
)
def test_no_alarm_relies_on_the_wide_way(channels: list[str], says: str) -> None:
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
    Rule.model_validate({**rule, "channels": ["inbox", "sms", "email", "wide"]})


def test_a_rule_that_names_it_needs_what_it_says_and_how_far_it_goes() -> None:
    told = POLICY.model_dump(mode="json")
    rule = told["rules"]["allocation.offered.v1"]
    rule["channels"] = [*rule["channels"], "wide"]
    rule["levels"] = {}

    with pytest.raises(ValidationError, match="say in wide what it says"):
        Policy.model_validate(told)
    Policy.model_validate({**told, "wide": WIDE})


def test_what_died_on_its_way_comes_by_the_next_way_and_not_by_this_one_again() -> None:
    told = notification(mail=True)
    both = told.model_copy(update={"ways": (Way.WIDE, Way.SMS)})
    held = both.fail_over(0, Way.WIDE, NOON)
    claimed = held.claim_mail(0, NOON, POLICY.email)

    new, *_ = Attempt(0, NOON + MINUTE, POLICY.email).became(
        claimed, Posted(Outcome.UNKNOWN, "no_answer")
    )

    assert new.told[0].mail
    assert new.told[0].mail.channel is Way.SMS
    assert [each.due_at for each in new.told[0].tried] == [None, None]
