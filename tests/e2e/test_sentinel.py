"""Personal values are planted everywhere they may be told, and looked for elsewhere.

Every personal field of what is posted holds a value that occurs nowhere else. Then a
whole journey runs, with refusals, parked messages, e-mail and escalation; and nothing
that left the service that owns the value may hold it: no message, outbox, log, span,
e-mail or answer, nor the logs of the broker and the store.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from accord.client import Answer, Client
from accord_chassis.testing import new_id
from accord_chassis.topology import DEAD, EVENTS
from app import Region, Report, eventually
from outboxes import outboxes_of
from people import HIGH_RISK_TEAM, OFFERED, REFERRALS, SPECIALIST, Asked, Told
from regions import Machines, Running, as_processes
from sentinels import Sentinels, collecting
from wiretap import EVERYTHING, Heard, publish

pytestmark = pytest.mark.timeout(420)

WITHIN = 90.0


@dataclass
class Seen:
    """What left the services, by where it went.

    Attributes:
        answers: To whoever works on the case, and to other agencies.
        refusals: To whoever asked for what cannot be.
        files: Written to the end only when everything has ended.
    """

    spans: list[bytes] = field(default_factory=list)
    bus: list[bytes] = field(default_factory=list)
    outboxes: list[bytes] = field(default_factory=list)
    mails: list[bytes] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=list)
    refusals: list[bytes] = field(default_factory=list)
    files: dict[str, list[Path]] = field(default_factory=dict)

    def sources(self) -> dict[str, list[bytes]]:
        """Give everything, by where it was found."""
        return {
            "spans": self.spans,
            "bus": self.bus,
            "outboxes": self.outboxes,
            "mails": self.mails,
            "answers": self.answers,
            "refusals": self.refusals,
            **{
                name: [f.read_bytes() for f in files]
                for name, files in self.files.items()
            },
        }


def referral(region: Region, sentinels: Sentinels) -> Told:
    """Make a referral of high risk whose every personal field is a sentinel."""
    told = region.grave_referral()
    for person in told["people"]:
        role = person["role"]
        person |= {
            "given_name": sentinels.text(f"{role}'s given name"),
            "family_name": sentinels.text(f"{role}'s family name"),
            "date_of_birth": sentinels.birthday(f"{role}'s date of birth"),
            "identifiers": [
                {"system": "nhi", "value": f"ZZ1{sentinels.word(f'{role} NHI')}"},
                {"system": "school_roll", "value": f"1{sentinels.word('roll number')}"},
            ],
            "contact_points": [
                {
                    "channel": channel,
                    "value": sentinels.text(f"{role}'s {channel}"),
                    "safety": "safe",
                    "read_by": sentinels.text("who else reads it"),
                    "hours": sentinels.text("when they can be reached"),
                    "code_word": sentinels.text("code word"),
                }
                for channel in ("phone", "email", "post")
            ],
        }
    return {
        **told,
        "place": {"area": "linwood", "address": sentinels.text("address")},
        "narrative": sentinels.text("narrative"),
        "reference": sentinels.text("the agency's reference"),
        "sharing": {
            "purpose": "fva20_a",
            "consulted": False,
            "why_not_safe": sentinels.text("why asking was not safe"),
        },
    }


def refused(told: Told, sentinels: Sentinels) -> list[Any]:
    """Give requests that cannot be, each with sentinels where they do not belong."""
    word, text = sentinels.word, sentinels.text
    first, *others = told["people"]
    return [
        {**told, word("name of an unknown field"): text("its value")},
        {**told, "answers": {text("question of the wrong form"): "yes"}},
        {**told, "answers": {word("question nobody asks"): "yes"}},
        {**told, "answers": {"escalation": text("answer that is none")}},
        {**told, "incidents": [text("kind of incident")]},
        {**told, "occurred_at": text("time that is none")},
        {**told, "people": text("people")},
        {**told, "people": [{**first, "role": text("role")}, *others]},
        {**told, "people": [{**first, "given_name": text("name") * 50}]},
        {**told, "people": [{**first, word("field of a person"): 1}]},
        {**told, "people": [{**first, "date_of_birth": text("date that is none")}]},
        {**told, "place": {"area": text("area"), "address": text("address")}},
        {**told, "sharing": {"purpose": text("purpose"), "consulted": True}},
        {
            **told,
            "instruments": [{"instrument": "dash", "answers": {text("item"): "no"}}],
        },
        {**told, "narrative": text("another story")},
        [text("a list")],
        text("a text"),
    ]


def with_addresses(sentinels: Sentinels) -> Any:
    """Have every worker's e-mail address be a sentinel as well."""

    def change(region: Region) -> None:
        staff = region.actors.staff
        for number, worker in enumerate(staff):
            address = f"{sentinels.word('worker address')}@mail.example"
            staff[number] = replace(worker, entry=worker.entry | {"email": address})

    return change


@asynccontextmanager
async def listened_to(
    machines: Machines, folder: Path, sentinels: Sentinels, seen: Seen
) -> AsyncIterator[Running]:
    """A region of five processes, with somebody at every place where it speaks."""
    async with (
        collecting(seen.spans) as endpoint,
        as_processes(
            machines.ground,
            folder,
            extra={"ACCORD_OTLP_ENDPOINT": endpoint, "ACCORD_LOG_LEVEL": "debug"},
            staff=with_addresses(sentinels),
            exchanges=EVERYTHING,
        ) as running,
        outboxes_of(running.region) as outboxes,
    ):
        yield running
        seen.bus += [each.raw for each in running.region.bus.heard]
        seen.outboxes += [each.raw for each in outboxes.told]
        logs = {f"log of {each.name}": [each.log] for each in running.platform}
        mails = running.region.mail.folder
    seen.mails += await asyncio.to_thread(_contents, mails, "*.eml")
    for machine in ("broker", "store"):
        written = [*(machines.folder / machine).rglob("*.log")]
        logs[f"log of the {machine}"] = written
    seen.files = logs


def _contents(folder: Path, names: str) -> list[bytes]:
    return [each.read_bytes() for each in sorted(folder.glob(names))]


async def test_no_personal_value_leaves_the_service_that_owns_it(
    machines: Machines, tmp_path: Path, report: Report
) -> None:
    posted, addresses, careless = Sentinels(), Sentinels(), Sentinels()
    seen = Seen()
    async with listened_to(machines, tmp_path, addresses, seen) as running:
        region = running.region
        told = referral(region, posted)
        await be_refused(region, told, posted, seen)
        case = await live_through(region, told, seen)
        await be_silent(region, case)
        await park(region, careless)
        await eventually(region.is_quiet, within=WITHIN)
    sources = seen.sources()

    # Whoever looked into the wrong places would find nothing either.
    assert len(posted.found_in([json.dumps(told).encode()])) > len(told["people"])
    for source, content in expected(region, case).items():
        assert any(content in each for each in sources[source]), source
    leaks = {name: posted.found_in(each) for name, each in sources.items()}
    assert not any(leaks.values()), leaks
    assert addresses.found_in(sources["mails"])
    # Where a letter goes stands on its envelope, and nowhere else.
    sources["mails"] = [_text_of(each) for each in sources["mails"]]
    leaks = {name: addresses.found_in(each) for name, each in sources.items()}
    assert not any(leaks.values()), leaks
    # What was put on the bus in a careless moment is there, and went no further.
    report(
        f"sentinels: {len(posted.made) + len(addresses.made)} values, looked for in "
        + ", ".join(f"{name} ({len(each)})" for name, each in sources.items())
    )
    assert careless.found_in(sources.pop("bus"))
    leaks = {name: careless.found_in(each) for name, each in sources.items()}
    assert not any(leaks.values()), leaks


def expected(region: Region, case: str) -> dict[str, bytes]:
    """Give what must be seen at each place, if it is the right one."""
    services = ("referrals", "risk", "allocation", "plans", "notify")
    return {
        "spans": b"handle risk.assessed.v1",
        "bus": b"notification.escalated.v1",
        "outboxes": b"referral.people_recognised.v1",
        "mails": b"Reference",
        "answers": case.encode(),
        "refusals": b"urn:accord:problem:invalid-request",
        **{f"log of {each}": b"message.handled" for each in services},
        "log of notify": b"message.parked",
        "log of the broker": region.surroundings.vhost.encode(),
        "log of the store": b"secantus",
    }


def _text_of(mail: bytes) -> bytes:
    body = message_from_bytes(mail, policy=policy.default).get_body()
    assert body is not None
    return str(body.get_content()).encode()


async def be_refused(
    region: Region, told: Told, sentinels: Sentinels, seen: Seen
) -> None:
    """Ask for whatever cannot be, and keep what is answered."""
    police, hospital = region.agency("police"), region.agency("hospital")
    taken = await police.posts(told)
    assert taken.ok, taken.body
    answers = [await police.posts(each) for each in refused(told, sentinels)]
    answers.append(await police.posts(told, key=f"two {sentinels.word('key')}"))
    answers.append(await police.posts(None))
    answers.append(await hospital.asks_after(taken.json()["referral_id"]))
    answers.append(await police.asks_after(sentinels.word("id that is none")))
    path = f"/api/risk/v1/assessments/{new_id()}/answers"
    asked = {"answers": {sentinels.word("question to risk"): "yes"}}
    answers.append(await region.coordinator.sends("POST", path, asked))
    for answer in answers:
        assert 400 <= answer.status < 500, (answer.status, answer.body)
    answers.append(await _batch(region, refused(told, sentinels)))
    seen.refusals += [each.body for each in answers]


async def _batch(region: Region, requests: list[Any]) -> Answer:
    lines = "\n".join([*map(json.dumps, requests), '{"people": ']).encode()
    headers = {"content-type": "application/x-ndjson"}
    async with Client(region.url, token=region.agency("police").token) as client:
        path = f"{REFERRALS}/batch"
        answer = await client.request("POST", path, body=lines, headers=headers)
    assert b'"accepted"' not in answer.body
    return answer


async def live_through(region: Region, told: Told, seen: Seen) -> str:
    """Have the case worked on, and keep what everybody is shown of it."""
    referral_id = await region.agency("police").refers(told)
    case: str = await eventually(region.case_of(referral_id), within=WITHIN)
    coordinator = region.coordinator
    asked: dict[str, Asked] = await eventually(
        coordinator.finds_asked(case, *HIGH_RISK_TEAM), within=WITHIN
    )
    for role, each in asked.items():
        await eventually(each.worker.sees(OFFERED, case), within=WITHIN)
        if role != SPECIALIST:
            await each.accepts()
    await coordinator.agrees(
        await eventually(coordinator.reads_plan(case), within=WITHIN)
    )
    shown = [
        *[await coordinator.reads(path) for path in _pages_about(case)],
        *[await each.worker.reads("/api/notify/v1/inbox") for each in asked.values()],
    ]
    assert all(each.ok for each in shown)
    seen.answers += [each.body for each in shown]
    return case


def _pages_about(case: str) -> tuple[str, ...]:
    return (
        f"/api/risk/v1/assessments/{case}",
        f"/api/plans/v1/plans/{case}",
        f"/api/allocation/v1/allocations?case_id={case}",
        f"/api/notify/v1/cases/{case}/notifications",
    )


async def be_silent(region: Region, case: str) -> None:
    """Have an offer go unacknowledged until somebody else is told."""
    about = {"case_id": case, "event": OFFERED, "acknowledged_at": None}
    notifications = region.database("notify")["notifications"]
    # Nobody waits here for twenty minutes: its time is put back.
    past = region.clock.now() - timedelta(minutes=1)
    await notifications.update_many(
        about, {"$set": {"escalate_at": past, "due_at": past}, "$inc": {"version": 1}}
    )
    await eventually(
        region.hears("notification.escalated.v1", case_id=case), within=WITHIN
    )

    async def mailed() -> bool:
        sent = region.bus.all("notification.sent.v1", case_id=case, channel="email")
        return len(sent) >= len(HIGH_RISK_TEAM)

    await eventually(mailed, within=WITHIN)


async def park(region: Region, careless: Sentinels) -> None:
    """Have messages parked that hold what no message should."""
    [team] = region.bus.all("case_team.changed.v1")[:1]
    wrong = [
        json.dumps({**team.data, careless.word("a field"): 1, "members": []}).encode(),
        json.dumps({"case_id": careless.text("a case")}).encode(),
        base64.b64encode(careless.text("no JSON").encode()),
    ]
    for body in wrong:
        stray = _stray(team, body)
        await publish(region.administrator, EVENTS, stray.routing_key, [stray])

    async def all_parked() -> bool:
        dead = [each for each in region.bus.heard if each.exchange == DEAD]
        return len(dead) == len(wrong)

    await eventually(all_parked, within=WITHIN)


def _stray(heard: Heard, body: bytes) -> Heard:
    return replace(heard, message_id=str(uuid4()), body=body)


@pytest.mark.parametrize(
    "hidden",
    [
        str,
        str.upper,
        lambda text: json.dumps({"x": text}),
        lambda text: json.dumps({"x": text}, ensure_ascii=False),
        *(
            lambda text, before=before: base64.b64encode(
                b"x" * before + text.encode() + b"yz"
            ).decode()
            for before in range(4)
        ),
        lambda text: base64.urlsafe_b64encode(text.upper().encode()).decode(),
    ],
)
def test_a_sentinel_is_found_in_whatever_form_it_went_out(hidden: Any) -> None:
    sentinels = Sentinels()
    word, text, day = sentinels.word("w"), sentinels.text("t"), sentinels.birthday("d")

    assert sentinels.found_in([b"else", hidden(word).encode()]) == {"w"}
    assert sentinels.found_in([hidden(text).encode(), b"else"]) == {"t"}
    assert sentinels.found_in([hidden(f"born {day}").encode()]) == {"d"}
    assert sentinels.found_in([b"else"]) == set()
