"""By whatever way somebody is told: a reference and a link, and nothing else.

Everything that is told of is told, in both localities, at every level that they tell
apart. Every id and code in what happened, and every address in the directory, is a
value that occurs nowhere else, and is looked for in all that leaves this machine.
"""

import asyncio
import base64
import json
import os
import quopri
import re
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from accord_chassis.clock import SimulatedClock
from accord_chassis.settings import policy_of
from accord_chassis.testing import NOON, message_of, new_id
from accord_contracts.catalogue import CATALOGUE
from accord_contracts.message import Event, Message
from accord_contracts.plans import (
    MeetingCalled,
    MeetingCalledOff,
    MeetingTaskEvent,
    ServiceEvent,
)
from accord_contracts.risk import RiskLevel
from notify.app import FOR_AGENCIES, told_of
from notify.domain.aes128gcm import encoded
from notify.domain.channels import Way
from notify.domain.hours import Urgency
from notify.domain.notification import Notification, stamp
from notify.domain.policy import Policy, Rule
from notify_builders import (
    IVS,
    LEAD,
    LINK_BASE,
    LOCALITIES,
    MAIL_FROM,
    MINUTE,
    MailServer,
    Running,
    WorkersDirectory,
    team,
)
from notify_devices import LOOPBACK, Browser, Gateway, PushService, Receiver
from pydantic import SecretStr

MORNING = NOON.replace(hour=8, minute=29)
"""A minute before what is low goes out, so that nobody is late for anything yet."""

KEY = SecretStr(base64.b64encode(b"k" * 32).decode())
SHORTEST = 10
"""Letters of a word that stands in no header or text by chance."""


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock(MORNING)


@dataclass
class Sentinels:
    """Values that occur nowhere else, and what each was made for."""

    made: dict[str, str] = field(default_factory=dict)

    def id(self, what: str) -> str:
        return self._made(new_id(), what)

    def code(self, what: str) -> str:
        return self._made(f"c{uuid4().hex[:14]}", what)

    def of_scale(self, values: list[str], what: str) -> str:
        """Give the longest value of a closed scale: a short one may stand anywhere."""
        longest = max(values, key=len)
        return self._made(longest, what) if len(longest) >= SHORTEST else longest

    def email(self, what: str) -> str:
        return f"{self.code(what)}@agency.example"

    def mobile(self, what: str) -> str:
        return "+64" + self._made(f"2{uuid4().int % 10**11:011}", what)

    def _made(self, value: str, what: str) -> str:
        self.made[value] = what
        return value

    def found_in(self, *captured: bytes) -> set[str]:
        """Say which stand there: as they are, without dashes, or in an encoding."""
        said = b"\n".join(each for one in captured for each in _read(one)).lower()
        squeezed = said.replace(b"-", b"")
        return {
            what
            for value, what in self.made.items()
            if value.encode() in said or value.replace("-", "").encode() in squeezed
        }


def _read(captured: bytes) -> Iterator[bytes]:
    """Give what was captured in every way in which it may be read."""
    yield captured
    yield quopri.decodestring(captured)
    for each in re.findall(rb"[A-Za-z0-9+/_-]{12,}", captured.replace(b"\r\n", b"")):
        for begins in range(4):
            part = each[begins:]
            # One letter too many is of no byte.
            whole = part[:-1] if len(part) % 4 == 1 else part
            yield base64.b64decode(whole + b"===", altchars=b"-_")


@dataclass
class Happens:
    """Makes what happens, with a sentinel wherever it has room for one."""

    sentinels: Sentinels
    worker: str
    at: Any = MORNING

    def event(self, type_: type[Event], level: RiskLevel | None) -> Message[Any]:
        """Give an event of a type, of whose fields none is left out."""
        schema = type_.model_json_schema()
        fields = schema["properties"]
        told = {
            name: self._value(each, schema, f"{type_.TYPE} {name}")
            for name, each in fields.items()
        }
        told |= {"worker_id": self.worker} if "worker_id" in fields else {}
        told |= {"level": level} if "level" in fields else {}
        event = type_.model_validate_json(json.dumps(told))
        message_id = self.sentinels.id(f"{type_.TYPE}, its message")
        return message_of(event, at=self.at, message_id=message_id)

    def _value(self, part: dict[str, Any], schema: dict[str, Any], what: str) -> Any:
        """Give what a part of a schema has room for: of several things the first."""
        if "anyOf" in part:
            return self._value(part["anyOf"][0], schema, what)
        if "$ref" in part:
            part = schema["$defs"][part["$ref"].rpartition("/")[2]]
        if "enum" in part:
            return self.sentinels.of_scale(part["enum"], what)
        match part["type"]:
            case "object":
                return self._object(part, schema, what)
            case "array":
                return [self._value(part["items"], schema, what)]
            case "string":
                return self._text(part, what)
        return False if part["type"] == "boolean" else 1

    def _object(
        self, part: dict[str, Any], schema: dict[str, Any], what: str
    ) -> dict[str, Any]:
        if "properties" in part:
            named = part["properties"].items()
            return {n: self._value(e, schema, f"{what} {n}") for n, e in named}
        [inside] = part["patternProperties"].values()
        return {self.sentinels.code(what): self._value(inside, schema, what)}

    def _text(self, part: dict[str, Any], what: str) -> str:
        if part.get("format") == "date-time":
            return str(self.at.isoformat())
        if "{8}" in part["pattern"]:
            return self.sentinels.id(what)
        return self.sentinels.code(what)


@dataclass
class Everybody:
    """Whoever is told, and their browsers."""

    sentinels: Sentinels
    directory: WorkersDirectory
    browsers: dict[str, Browser] = field(default_factory=dict)

    def somebody(self, who: str) -> str:
        """Have somebody in the directory, and give their id."""
        made = self.sentinels
        return self.directory.knows(
            made.id(f"the id of {who}"),
            email=made.email(f"the e-mail of {who}"),
            mobile=made.mobile(f"the mobile of {who}"),
        )

    def on_duty(self) -> None:
        """Have two who coordinate."""
        self.directory.on_duty = self.somebody("the coordinator")
        self.directory.also_on_duty = (self.somebody("the other coordinator"),)

    async def put_browsers(self, running: Running, push: PushService) -> None:
        """Have each of them put a browser."""
        for worker in self.directory.contacts:
            self.browsers[worker] = browser = Browser(push.url)
            headers = running.bearer("notify.inbox", worker=worker)
            answer = await running.http.put(
                "/v1/push-subscriptions", headers=headers, json=browser.written
            )
            assert answer.status_code == 200, answer.text


@dataclass(frozen=True)
class Captured:
    """What has left by a way, without the address that it was for.

    Attributes:
        way: None of a webhook, and of the stream: they show no template.
    """

    way: Way | None
    raw: bytes

    def tells_of(self, held: Notification, policy: Policy) -> bool:
        """Tell whether it is about a message, in its template's words where it has."""
        if self.way is None:
            return False
        if self.way in (Way.SMS, Way.PUSH):
            return held.reference.encode() in self.raw
        told = (each.text for each in policy.templates[held.template].values())
        link = f"{LINK_BASE}{held.link}"
        return all(
            each.format(reference=held.reference, link=link).encode() in self.raw
            for each in told
        )

    def speaks_for_several(self, held: Iterable[Notification]) -> bool:
        told = [each for each in held if each.reference.encode() in self.raw]
        return self.way is Way.EMAIL and len(told) > 1


@dataclass
class Ends:
    """Where messages arrive, by every way that there is."""

    mail: MailServer
    gateway: Gateway
    push: PushService
    receiver: Receiver

    def letters(self) -> Iterator[Captured]:
        """Give the letters to the letter, with their envelopes, but for whom to."""
        mail = self.mail
        for raw, back_to, to in zip(
            mail.written, mail.senders, mail.recipients, strict=True
        ):
            own = f"To: {to}\r\n".encode()
            assert raw.count(own) == 1
            rest = b"\n".join((back_to.encode(), raw.replace(own, b"")))
            yield Captured(Way.EMAIL, rest + b"\n" + quopri.decodestring(rest))

    def texts(self) -> Iterator[Captured]:
        """Give the SMS as the gateway was sent them, but for whom to."""
        for headers, body in self.gateway.taken:
            said = json.loads(body)
            del said["to"]
            yield Captured(Way.SMS, json.dumps([headers, said]).encode())

    def pushes(self, browsers: Iterable[Browser]) -> Iterator[Captured]:
        """Give what was pushed: what its service sees, and what the browser opens."""
        for browser in browsers:
            for headers, body in self.push.to(browser):
                seen = json.dumps(headers).encode()
                yield Captured(Way.PUSH, b"\n".join((seen, body, browser.opens(body))))

    def told(self, own: Collection[str]) -> Iterator[Captured]:
        """Give what agencies' systems were told, but for the link to what is theirs."""
        for headers, body in self.receiver.told:
            said = json.loads(body)
            link = said["data"].pop("link")
            assert link.removeprefix(LINK_BASE) in own
            yield Captured(None, json.dumps([headers, said]).encode())


def link_of(told: Any) -> str:
    """Give where an agency's system is led: to what it was asked, or has promised."""
    if isinstance(told, MeetingCalled | MeetingCalledOff):
        return f"/meetings/{told.meeting_id}"
    if isinstance(told, MeetingTaskEvent):
        return f"/meetings/{told.meeting_id}/tasks/{told.task_id}"
    if isinstance(told, ServiceEvent):
        return f"/services/{told.service_id}"
    return f"/inquiries/{told.inquiry_id}"


async def inbox_of(worker: str, running: Running, policy: Policy) -> Captured:
    """Give what a worker reads in their inbox, after login, in each language."""
    pages = b""
    for each in policy.languages:
        answer = await running.http.get(
            "/v1/inbox",
            headers={
                **running.bearer("notify.inbox", worker=worker),
                "accept-language": each,
            },
            params={"limit": 100},
        )
        assert answer.status_code == 200, answer.text
        pages += answer.content
    return Captured(Way.INBOX, pages)


async def stream_of(worker: str, running: Running) -> Captured:
    """Give the lines by which a worker's inbox says that something is new."""
    before = f"{stamp(MORNING - MINUTE)}.{new_id()}"
    answer = await running.http.get(
        "/v1/inbox/stream",
        headers={
            **running.bearer("notify.inbox", worker=worker),
            "last-event-id": before,
        },
        params={"lasting": 1},
    )
    told = [each for each in await running.all() if worker in each.told_workers]
    assert answer.content.count(b"data:") == len(told) > 0
    return Captured(None, repr(answer.headers).encode() + answer.content)


def variants(policy: Policy) -> Iterator[tuple[type[Event], RiskLevel | None, Rule]]:
    """Give everything that is told of, at each level at which that differs."""
    for type_ in told_of(CATALOGUE):
        rule = policy.rules[type_.TYPE]
        usual = next(e for e in RiskLevel if e not in rule.levels)
        yield type_, usual if "level" in type_.model_fields else None, rule
        for level, other in rule.levels.items():
            yield type_, level, other


@pytest.mark.parametrize(
    "written",
    [
        lambda e: e.upper(),
        lambda e: e.replace("-", ""),
        lambda e: base64.b64encode(f"of {e}".encode()).decode(),
        lambda e: base64.urlsafe_b64encode(f"{{{e}".encode()).decode().strip("="),
        lambda e: f"{e[:9]}=\r\n{e[9:]}",
    ],
)
def test_a_sentinel_is_found_however_it_is_written(
    written: Callable[[str], str],
) -> None:
    made = Sentinels()
    id_, code = made.id("an id"), made.code("a code")

    assert made.found_in(b"nothing", written(id_).encode()) == {"an id"}
    assert made.found_in(f"({written(code)})".encode()) == {"a code"}


@pytest.fixture(params=["canterbury", "waikato"])
def told_in(
    request: pytest.FixtureRequest,
    gateway: Gateway,
    tmp_path: Path,
) -> tuple[Policy, Path]:
    """A locality, whose gateway and push service are on this machine."""
    policy = policy_of(Policy, LOCALITIES / request.param, "notify")
    for each in (LOCALITIES / request.param).iterdir():
        text = each.read_text("utf-8").replace("Pacific/Auckland", "UTC")
        text = text.replace("https://sms.example/messages", gateway.url)
        text = text.replace("- fcm.googleapis.com", "- 127.0.0.1")
        (tmp_path / each.name).write_text(text)
    return policy, tmp_path


@pytest.fixture
def ends(
    mail_server: MailServer,
    gateway: Gateway,
    push_service: PushService,
    receiver: Receiver,
) -> Ends:
    """Where messages arrive."""
    return Ends(mail_server, gateway, push_service, receiver)


@pytest.fixture
async def everywhere(
    start: Any, told_in: tuple[Policy, Path], mail_server: MailServer
) -> AsyncIterator[Running]:
    """The service, alive, which tells by every way and hears whatever comes back."""
    _, locality = told_in
    async with start(
        locality=locality,
        smtp_url=SecretStr(mail_server.url),
        mail_from=MAIL_FROM,
        bounce_address="bounce@accord.example",
        bounce_key=KEY,
        link_key=KEY,
        sms_secret=SecretStr("a-secret"),
        sms_callback_key=KEY,
        webhook_key=KEY,
        webhook_networks=LOOPBACK,
        push_key=SecretStr(encoded(os.urandom(32))),
        push_contact="mailto:desk@accord.example",
    ) as running:
        yield running


async def test_whatever_happens_no_way_says_more_than_a_reference_and_a_link(
    everywhere: Running,
    told_in: tuple[Policy, Path],
    workers: WorkersDirectory,
    ends: Ends,
) -> None:
    policy, _ = told_in
    made = Sentinels()
    people = Everybody(made, workers)
    people.on_duty()
    worker, lead, member = map(people.somebody, ("the worker", "the lead", "another"))
    await people.put_browsers(everywhere, ends.push)
    happens = Happens(made, worker)

    async def happen(*events: Message[Any]) -> None:
        teams = (
            team((lead, LEAD), (member, IVS), case_id=each.data.case_id, at=MORNING)
            for each in events
        )
        await everywhere.hears(*teams)
        await everywhere.hears(*events)
        await everywhere.later(timedelta())

    asked = [happens.event(each, RiskLevel.HIGH) for each in FOR_AGENCIES]
    for each in asked:
        told = each.data
        agency = told.provider if isinstance(told, ServiceEvent) else told.agency
        path = f"/v1/agencies/{agency}/webhook"
        headers = everywhere.bearer("notify.admin")
        put = await everywhere.http.put(
            path, headers=headers, json={"url": ends.receiver.url}
        )
        assert put.status_code == 200

    every = [*variants(policy)]
    # The gateway reads it and refuses: what rings by SMS first rings by e-mail then.
    ends.gateway.status = 400
    await happen(*asked, *(happens.event(type_, level) for type_, level, _ in every))
    await everywhere.later(MINUTE)
    # And what is critical is pushed then.
    ends.mail.manner = "refuse"
    alarms = [each for each in every if each[2].urgency is Urgency.CRITICAL]
    await happen(*(happens.event(type_, level) for type_, level, _ in alarms))

    held = await everywhere.all()
    streams = (stream_of(each, everywhere) for each in workers.contacts)
    captured = [
        *ends.letters(),
        *ends.texts(),
        *ends.pushes(people.browsers.values()),
        *ends.told({link_of(each.data) for each in asked}),
        *await asyncio.gather(*streams),
    ]
    inboxes = [await inbox_of(each, everywhere, policy) for each in workers.contacts]
    seen = {
        (told.template, each.way)
        for each in (*captured, *inboxes)
        for told in held
        if each.tells_of(told, policy)
    }

    assert made.found_in(*(each.raw for each in captured)) == set()
    assert {(e.template, way) for *_, e in every for way in e.channels} <= seen
    assert {template for template, _ in seen} == set(policy.templates)
    assert any(each.speaks_for_several(held) for each in captured)
    assert len(ends.receiver.told) == len(policy.webhooks.events)
