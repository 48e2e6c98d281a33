"""Personal values are planted everywhere they may be told, and looked for elsewhere.

Random families are told of: every personal field holds a value that occurs nowhere
else, in any of several scripts. A whole journey runs, with refusals, parked messages,
e-mail, escalation, broken glass and erasure; every route is asked by everybody. Then
nothing that left the service that owns the value may hold it, in whatever form: no
message, outbox, log, span, e-mail, answer or line of a command; and nothing that is
kept may, but sealed: no document, and no file of the broker or the store.
"""

import asyncio
import base64
import json
import os
import quopri
import unicodedata
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from email import message_from_bytes, policy
from itertools import product
from pathlib import Path
from random import Random, SystemRandom
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import happenings
import pytest
import recorded
import yaml
from accord import parked
from accord_chassis.testing import new_id
from accord_chassis.topology import DEAD, EVENTS
from accord_contracts.catalogue import CATALOGUE
from app import LOCALITY, SERVICES, Region, Report, Route, eventually
from families import family, leaves, told_again
from meetings import PATH, Held, called, police_officer
from outboxes import outboxes_of
from outside import OUTSIDE, Outside, outside_in
from people import (
    EVERY_SCOPE,
    HIGH_RISK_TEAM,
    LEAD,
    OFFERED,
    OUTREACH,
    REFERRALS,
    SPECIALIST,
    SUPPORT,
    Asked,
    Somebody,
    Told,
    Worker,
    meets_needs,
)
from phones import Phones, replies
from referrals.domain.naming import folded
from regions import Machines, Running, as_processes
from sentinels import Sentinels, collecting
from surfaces import Answers, commands, documents_of, files_in, printed
from wiretap import EVERYTHING, Heard, publish

pytestmark = pytest.mark.timeout(480)

WITHIN = 90.0

FAMILIES = 4

SEED = "ACCORD_TEST_SEED"
"""With it set to what a run that failed has said, the same families are drawn."""

RECORD = "ACCORD_TEST_RECORD"
"""With it set to a file, what goes over the bus is recorded there."""

FIELDS = Path(__file__).parents[2] / "docs/fields.yaml"

BROUGHT = {
    ("allocation", "GET", "/v1/directory/workers"),
    ("allocation", "GET", "/v1/workers"),
    ("allocation", "GET", "/v1/workers/{worker_id}"),
    ("allocation", "PUT", "/v1/workers/{worker_id}"),
}
"""Routes that show workers' addresses to whoever keeps the directory: what services
tell each other of them, nobody else is answered."""

SIDES = ("referrals", "GET", "/v1/matches/{match_id}")
COMPARED = ("referrals", "POST", "/v1/matches")
"""Show a coordinator what two people are compared by, side by side."""

APART = {
    "serve", "demo", "status", "world load", "assertion", "reset",
    "topology apply", "store apply", "audit prepare", "match evaluate",
    "match bench", "allocation solve", "allocation simulate", "allocation equity",
    "risk weigh", "risk schema", "risk simulate", "directory import",
    "directory export",
}  # fmt: skip
"""Commands that run a demonstration, make what there must be before any data, read an
operator's own file, or print what a route answers, which everybody asks here."""

ASKED = ("referrals", "GET", "/v1/inquiries")

"""Shows an agency whom it is asked about, by name and birthday."""

PEOPLE = ("referrals", "GET", "/v1/cases/{case_id}/people")
"""Shows whoever works on a case whom it is about, and where nobody is."""

SHARED = ("referrals", "GET", "/v1/cases/{case_id}/inquiries/{inquiry_id}")
"""Shows whoever works on a case what an agency has shared."""

PACKED = ("referrals", "POST", "/v1/cases/{case_id}/transfer")
"""Gives a coordinator what is to be posted to another region."""

SHOWN = (SIDES, COMPARED, PACKED)

SPOKEN = {
    ("plans", "GET", "/v1/plans/{case_id}/papers/{audience}"),
    ("plans", "GET", "/v1/plans/{case_id}/voices"),
    ("plans", "PUT", "/v1/plans/{case_id}/voices/{person_id}/entries/{entry_id}"),
}
"""Routes that show what somebody says for themselves to whoever works with them."""

LATER = {
    "notification.not_texted.v1", "notification.not_pushed.v1", "allocation.expired.v1",
    "allocation.unfilled.v1", "allocation.unanswered.v1", "action.overdue.v1",
    "glass.not_reviewed.v1", "risk.reassessment_overdue.v1",
    "rights.overdue.v1", "trigger.fell_due.v1",
    "notification.reopened.v1", "plan.review_due.v1", "plan.not_in_force.v1",
    "confirmation.lapsed.v1", "information.overdue.v1", "service.overdue.v1",
    "risk.lowering_asked.v1", "risk.lowering_lapsed.v1", "allocation.handed_over.v1",
    "roles.undecided.v1", "match.overdue.v1", "action.due_soon.v1",
    "plan.alarms_ended.v1", "channel.silent.v1",
    "meeting.task_due_soon.v1", "meeting.task_overdue.v1", "paper.released.v1",
    "notification.passed_on.v1", "notification.not_passed_on.v1",
    "transfer.unconfirmed.v1", "transfer.confirmed.v1", "notice.overdue.v1",
    "service.due_soon.v1",
}  # fmt: skip
"""Events for which time would have to pass, and a few for which nothing is done here;
that each is thin, its schema says."""

LATER_TEMPLATES = {
    "offer_lapsed", "nobody_found", "action_overdue",
    "nobody_answers",
    "review_overdue",
    "date_is_here", "plan_not_in_force", "confirmation_lapsed",
    "information_overdue", "action_due_soon", "not_lowered",
    "match_overdue",
}  # fmt: skip
"""Templates that tell of those, or of a second draft: none has room for a value."""

Sources = dict[str, list[bytes]]


@dataclass
class Planted:
    """The values that are looked for.

    Attributes:
        posted: What identifies or locates anybody in a family; it may be nowhere.
        references: Agencies' own, which are shown to the agency that told of them.
        pieces: What an agency shared that was asked.
        addresses: Workers' e-mail addresses, which stand on envelopes.
        reached: How somebody is reached, as they said: shown to who may use it.
        spoken: What somebody says for themselves.
        careless: What somebody put on the bus; it is there and in dead letters.
        control: What is kept in the clear, so that the looks are known to see it.
    """

    posted: Sentinels
    references: dict[str, Sentinels] = field(
        default_factory=lambda: {each: Sentinels() for each in ("police", "hospital")}
    )
    pieces: Sentinels = field(default_factory=Sentinels)
    addresses: Sentinels = field(default_factory=Sentinels)
    reached: Sentinels = field(default_factory=Sentinels)
    spoken: Sentinels = field(default_factory=Sentinels)
    careless: Sentinels = field(default_factory=Sentinels)
    control: Sentinels = field(default_factory=Sentinels)

    def reference(self, agency: str = "police") -> str:
        """Make a reference of an agency."""
        return self.references[agency].text(f"reference of {agency}")


@dataclass
class Seen:
    """What came out, by where that was.

    Attributes:
        texts: What the SMS gateway was sent, with whom it goes to.
        messages: The same without that.
        pushes: What browsers read, and what their push service sees.
        hooks: What agencies' own systems were told.
        files: Written to the end only when everything has ended.
        types: Of the events that were told.
        templates: By which workers were told something.
    """

    spans: list[bytes] = field(default_factory=list)
    bus: list[bytes] = field(default_factory=list)
    outboxes: list[bytes] = field(default_factory=list)
    mails: list[bytes] = field(default_factory=list)
    texts: list[bytes] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)
    pushes: list[bytes] = field(default_factory=list)
    hooks: list[bytes] = field(default_factory=list)
    heard: Answers = field(default_factory=Answers)
    answers: dict[Route, list[bytes]] = field(default_factory=dict)
    prints: Sources = field(default_factory=dict)
    documents: Sources = field(default_factory=dict)
    disks: Sources = field(default_factory=dict)
    files: dict[str, list[Path]] = field(default_factory=dict)
    types: set[str] = field(default_factory=set)
    templates: set[str] = field(default_factory=set)

    def sources(self) -> Sources:
        """Give everything, by where it was found."""
        return {
            "spans": self.spans,
            "bus": self.bus,
            "outboxes": self.outboxes,
            "mails": self.mails,
            "texts": self.texts,
            "pushes": self.pushes,
            "hooks": self.hooks,
            **{answer_of(route): each for route, each in self.answers.items()},
            **{f"accord {name}": each for name, each in self.prints.items()},
            **{f"documents {name}": each for name, each in self.documents.items()},
            **{f"files of the {name}": each for name, each in self.disks.items()},
            **{
                name: [f.read_bytes() for f in files]
                for name, files in self.files.items()
            },
        }


def answer_of(route: Route) -> str:
    """Name what a route answers."""
    return f"answer of {' '.join(route)}"


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
    """Have every worker's e-mail address and telephone be a sentinel as well.

    The coordinator has neither, and is told by their browser.
    """

    def change(region: Region) -> None:
        staff = region.actors.staff
        for number, worker in enumerate(staff):
            address: dict[str, str | None] = {
                "email": sentinels.email("worker's address"),
                "mobile": sentinels.mobile("worker's mobile"),
            }
            if worker.id == region.actors.coordinator.id:
                address = dict.fromkeys(address)
            staff[number] = replace(worker, entry=worker.entry | address)

    return change


@asynccontextmanager
async def listened_to(
    machines: Machines, folder: Path, planted: Planted, seen: Seen
) -> AsyncIterator[tuple[Running, Outside]]:
    """A region of five processes, with somebody at every place where it speaks."""
    async with (
        collecting(seen.spans) as endpoint,
        outside_in(folder) as outside,
        as_processes(
            machines.ground,
            folder,
            extra={
                "ACCORD_OTLP_ENDPOINT": endpoint,
                "ACCORD_LOG_LEVEL": "debug",
                **OUTSIDE,
            },
            staff=with_addresses(planted.addresses),
            exchanges=EVERYTHING,
            around=seen.heard.around,
            locality=outside.phones.locality,
        ) as running,
    ):
        region = running.region
        async with outboxes_of(region) as outboxes:
            yield running, outside
        seen.texts += outside.phones.raw
        seen.messages += [each["message"].encode() for each in outside.phones.sent]
        seen.pushes += outside.pushed()
        seen.hooks += outside.told()
        seen.bus += [each.raw for each in region.bus.heard]
        # What a service tells itself stands in its outbox alone.
        told = [*region.bus.heard, *outboxes.told]
        seen.types |= {each.type for each in told}
        if file := os.environ.get(RECORD):
            recorded.write(Path(file), region.bus.heard)
        seen.outboxes += [each.raw for each in outboxes.told]
        seen.answers |= seen.heard.by_route(await region.routes())
        await look_at_what_is_kept(machines, running, planted, seen)
        logs = {f"log of {each.name}": [each.log] for each in running.platform}
        mails = region.mail.folder
    seen.mails += await asyncio.to_thread(_contents, mails, "*.eml")
    for machine in ("broker", "store"):
        written = [*(machines.folder / machine).rglob("*.log")]
        logs[f"log of the {machine}"] = written
    seen.files = logs


def _contents(folder: Path, names: str) -> list[bytes]:
    return [each.read_bytes() for each in sorted(folder.glob(names))]


async def look_at_what_is_kept(
    machines: Machines, running: Running, planted: Planted, seen: Seen
) -> None:
    """Look at the documents through the driver, and at the files on the disk.

    Each look sees what the other does not. The driver gives what documents hold now,
    and by the log of all writes what they ever held, however it is packed on the disk;
    but nothing of indexes and of what the store keeps for itself. The files have all
    of that, and pages of what was deleted; but the store packs tables (lz4), so that a
    value may lie there in pieces. Its write-ahead log is not packed, and everything
    that was written since the store was made is in it first. What stands in the clear
    in one document must be seen by both.
    """
    region = running.region
    control = region.store["control"]["control"]
    await control.insert_one({"_id": 1, "text": planted.control.text("control")})
    notifications = region.database("notify")["notifications"]
    seen.templates |= set(await notifications.distinct("template"))
    found = await documents_of(region.store)
    ends = region.surroundings.database_of("")
    seen.documents |= {name.replace(ends, ""): each for name, each in found.items()}
    # Nothing is held back in memory: the store ends, and is there again afterwards.
    await running.platform.stop()
    await asyncio.to_thread(machines.store.stop)
    try:
        for name in ("broker", "store"):
            folder = machines.folder / name
            seen.disks[name] = await asyncio.to_thread(files_in, folder)
    finally:
        await asyncio.to_thread(machines.store.start)
    await region.store.drop_database("control")


async def test_no_personal_value_is_found_anywhere(
    machines: Machines, tmp_path: Path, report: Report
) -> None:
    seed = int(os.environ.get(SEED) or SystemRandom().getrandbits(32))
    planted, seen = Planted(Sentinels(Random(seed))), Seen()  # noqa: S311 - To repeat.
    async with listened_to(machines, tmp_path, planted, seen) as (running, outside):
        region = running.region
        told = [
            family(
                region, planted.posted, reference=planted.reference(), grave=not each
            )
            for each in range(FAMILIES)
        ]
        await outside.is_known(region)
        case = await go_through_all(
            region, told, planted, seen, tmp_path, outside=outside
        )
        routes = await region.routes()
    sources = await asyncio.to_thread(seen.sources)
    every = len(planted.posted.made)
    report(
        f"sentinels: {every} values of {FAMILIES} families (seed {seed}), looked for "
        f"in {len(sources)} places, {sum(map(len, sources.values()))} pieces, "
        f"{sum(len(p) for each in sources.values() for p in each) / 1e6:.0f} MB"
    )

    # Whoever looked into the wrong places would find nothing either.
    assert_planted(told, planted)
    assert_seen_everywhere(seen, sources, routes)
    for source, content in expected(region, case).items():
        assert any(content in each for each in sources[source]), source

    again = f"{SEED}={seed} draws these families again"
    assert_nowhere_else(seen, sources, routes, planted, again)


async def go_through_all(
    region: Region,
    told: list[Told],
    planted: Planted,
    seen: Seen,
    folder: Path,
    *,
    outside: Outside,
) -> str:
    """Have everything happen to the families that can; give the first one's case."""
    watching = asyncio.create_task(
        printed(region, folder, ["events", "tail", "--count", "10", "--json"])
    )
    await be_refused(region, told[0], planted.posted)
    case = await live_through(region, told[0])
    # Before the others, because the case that is opened last is erased.
    await be_told_with_a_slip(region, told[0], planted)
    ids = await be_told(region, told[1:], planted)
    await happen_to_others(region, told[1:], ids, planted)
    inquiry = await be_asked(region, case, planted.pieces)
    await be_reached(region, case, planted.reached, outside.phones)
    met = await be_met_about(region, case)
    await be_bound(region, case)
    await happenings.be_passed_along(region, case)
    # What goes outside goes in its own time.
    for each in ("notification.texted.v1", "notification.pushed.v1",
                 "notification.failed.v1", "webhook.disabled.v1"):  # fmt: skip
        await eventually(region.hears(each), within=WITHIN)
    await be_corrected(region, case, planted.posted)
    await be_helped(region, case)
    await be_heard(region, case, planted.spoken)
    await be_kept(region, case)
    await be_on_call(region)
    await be_away(region)
    await be_silent(region, case)
    await park(region, planted.careless)
    await replay(region, folder, planted, seen)
    await eventually(region.is_quiet, within=WITHIN)
    ids = {"inquiry_id": inquiry, "meeting_id": met.meeting_id, "task_id": met.task_id}
    await ask_for_everything(region, case, ids, planted.posted)
    await erase(region)
    await eventually(region.is_quiet, within=WITHIN)
    seen.prints["events tail"] = [await watching]
    await operate(region, case, folder, seen)
    return case


def assert_nowhere_else(
    seen: Seen, sources: Sources, routes: set[Route], planted: Planted, again: str
) -> None:
    """Every value is where it belongs, and nowhere else."""

    def leaks(sentinels: Sentinels, **instead: list[bytes]) -> dict[str, set[str]]:
        searched = {**sources, **instead}
        found = {name: sentinels.found_in(each) for name, each in searched.items()}
        return {name: each for name, each in found.items() if each}

    # Whoever is asked about somebody is told who they are, and where nobody is.
    told_to_nobody_asked = seen.heard.by_route(routes, but="hospital")
    found = leaks(planted.posted)
    whom = {answer_of(ASKED), answer_of(PEOPLE)}
    assert found.keys() == {*whom, *map(answer_of, SHOWN)}, again
    for place in whom:
        assert {each.rpartition("'s ")[2] for each in found[place]} <= {
            "given name", "family name", "date of birth",
        }, again  # fmt: skip
    others = {answer_of(route): each for route, each in told_to_nobody_asked.items()}
    shown_to_workers = {answer_of(PEOPLE), *map(answer_of, SHOWN)}
    assert leaks(planted.posted, **others).keys() == shown_to_workers, again
    assert leaks(planted.pieces).keys() == {answer_of(SHARED)}
    for agency, references in planted.references.items():
        told_to_others = seen.heard.by_route(routes, but=agency)
        assert leaks(references) != {}
        others = {answer_of(route): each for route, each in told_to_others.items()}
        assert leaks(references, **others) == {}
    # Where a letter goes stands on its envelope, and nowhere else.
    brought = {*map(answer_of, BROUGHT)}
    assert leaks(planted.addresses).keys() == {"mails", "texts", *brought}
    sources["texts"] = seen.messages
    sources["mails"] = [_text_of(each) for each in sources["mails"]]
    assert leaks(planted.addresses).keys() == brought
    shown = answer_of(("referrals", "GET", "/v1/people/{person_id}/contacts"))
    assert leaks(planted.reached).keys() == {shown}
    assert leaks(planted.spoken).keys() == {*map(answer_of, SPOKEN)}
    # What was put on the bus in a careless moment is there, and went no further.
    letters = {"bus", "accord dead-letters show", "files of the broker"}
    assert leaks(planted.careless).keys() == letters
    disk = {"documents control.control", "documents local.oplog.rs"}
    assert leaks(planted.control).keys() == {*disk, "files of the store"}


def inventory() -> dict[str, dict[str, str]]:
    """Give every text that a service keeps, by collection, and of what class it is."""
    found: dict[str, dict[str, str]] = yaml.safe_load(FIELDS.read_text("utf-8"))
    return found


def assert_planted(told: list[Told], planted: Planted) -> None:
    """Every field that is sealed, by the inventory, held a sentinel."""
    sealed = {
        f"{collection}.{name}"
        for collection, fields in inventory().items()
        for name, kind in fields.items()
        if kind == "sealed"
    }
    values = (planted.posted, *planted.references.values())
    held = {
        f"referrals.referrals.{path}"
        for path, value in (leaf for each in told for leaf in leaves(each))
        if any(each.found_in([value.encode()]) for each in values)
    }
    assert planted.addresses.made
    assert planted.pieces.made
    assert planted.spoken.made
    # What people are compared by is copied out of what was told of them.
    copied = {each for each in sealed if each.startswith("referrals.people.likeness.")}
    elsewhere = {
        "allocation.workers.email",
        # What providers publish of themselves.
        "allocation.providers.about.description",
        "allocation.providers.about.email",
        "allocation.providers.about.name",
        "allocation.providers.about.phones.number",
        "allocation.providers.about.website",
        "plans.voices.entries.words",
        # Any hour of a day is anybody's.
        "referrals.referrals.told.people.contact_points.windows.ends",
        "referrals.referrals.told.people.contact_points.windows.starts",
        "allocation.workers.mobile",
        "referrals.inquiries.decisions.said.pieces.text",
        "referrals.rights.asked.statement",
        # It was told in the fields that it stood in before an amendment.
        "referrals.referrals.changes.was",
    }
    assert held | copied | elsewhere | reached(planted) == sealed


def reached(planted: Planted) -> set[str]:
    """Give what is sealed of what people said; hours are told in figures alone."""
    field_ = "referrals.contacts.points.confirmation.held"
    words = {f"{field_}.{each}" for each in planted.reached.made.values()}
    return words | {f"{field_}.hours.starts", f"{field_}.hours.ends"}


def assert_seen_everywhere(seen: Seen, sources: Sources, routes: set[Route]) -> None:
    """Nothing was left out that there is, and no place was empty."""
    assert routes <= seen.answers.keys()
    assert set(commands()) == seen.prints.keys() | APART
    assert set(CATALOGUE.entries) - seen.types <= LATER, sorted(seen.types)
    told = yaml.safe_load((LOCALITY / "notify.yaml").read_text("utf-8"))
    assert told["templates"].keys() - seen.templates <= LATER_TEMPLATES
    # What is seen after all is looked through here, and leaves its list.
    late = sorted(LATER & seen.types) + sorted(LATER_TEMPLATES & seen.templates)
    assert not late, " ".join(late)
    kept = {f"documents {each}" for each in inventory()}
    more = {"documents audit.entries", "documents vault.records"}
    assert kept | more <= sources.keys()
    may_be_empty = {each for each in sources if each.startswith("documents ")} - kept
    # Nobody tries anything out here, and somebody is always there to be told; tests of
    # their own look at what is kept.
    may_be_empty |= {"documents referrals.trials", "documents notify.pulses"}
    may_be_empty |= {"documents notify.untold", "documents notify.nobody_left"}
    empty = {name for name, pieces in sources.items() if not any(pieces)}
    assert empty <= may_be_empty - more


def expected(region: Region, case: str) -> dict[str, bytes]:
    """Give what must be seen at each place, if it is the right one."""
    posting = ("referrals", "POST", "/v1/referrals")
    return {
        "spans": b"handle risk.assessed.v1",
        "bus": b"notification.escalated.v1",
        "outboxes": b"referral.people_recognised.v1",
        "mails": b"Reference",
        answer_of(("plans", "GET", "/v1/plans/{case_id}")): case.encode(),
        answer_of(("notify", "GET", "/v1/inbox")): case.encode(),
        answer_of(posting): b"urn:accord:problem:invalid-request",
        "accord audit who": case.encode(),
        "accord events tail": b'"envelope"',
        "accord dead-letters list": b"Unreadable",
        "documents local.oplog.rs": case.encode(),
        **{f"log of {each}": b"message.handled" for each in SERVICES},
        "log of notify": b"message.parked",
        "log of the broker": region.surroundings.vhost.encode(),
        "log of the store": b"secantus",
    }


def _text_of(mail: bytes) -> bytes:
    body = message_from_bytes(mail, policy=policy.default).get_body()
    assert body is not None
    return str(body.get_content()).encode()


async def be_refused(region: Region, told: Told, sentinels: Sentinels) -> None:
    """Ask for whatever cannot be."""
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
    lines = [*map(json.dumps, refused(told, sentinels)), '{"people": ']
    batch = await police.sends_lines(f"{REFERRALS}/batch", "\n".join(lines).encode())
    assert b'"accepted"' not in batch.body


async def live_through(region: Region, told: Told) -> str:
    """Have the case worked on."""
    referral_id = await region.agency("police").refers(told)
    case: str = await eventually(region.case_of(referral_id), within=WITHIN)
    coordinator = region.coordinator
    look = coordinator.finds_asked(case, *HIGH_RISK_TEAM)
    asked: dict[str, Asked] = await eventually(look, within=WITHIN)
    await asked[OUTREACH].declines()
    asked = await eventually(look, within=WITHIN)
    for role, each in asked.items():
        await eventually(each.worker.sees(OFFERED, case), within=WITHIN)
        if role != SPECIALIST:
            await each.accepts()
    await coordinator.agrees(
        await eventually(coordinator.reads_plan(case), within=WITHIN)
    )
    lead = asked[LEAD].worker
    owed = await eventually(lead.owes(case), within=WITHIN)
    assert (await lead.does(owed[0])).ok
    await be_amended(region, referral_id, told)
    return case


async def be_asked(region: Region, case: str, pieces: Sentinels) -> str:
    """Have an agency asked about everybody in a case, and share what it knows.

    No answer about risk is among it: the plan, which others look at, stays agreed.
    """
    held = await region.database("referrals")["cases"].find_one({"_id": case})
    assert held
    people = [each["person_id"] for each in held["people"]]
    coordinator, hospital = region.coordinator, region.agency("hospital")
    grounds = {"belief": "may_help", "consulted": True}
    path = f"/api/referrals/v1/cases/{case}/inquiries"
    asks = {"agencies": ["hospital"], "people": people, "purpose": "fva20_a"}
    asked = await coordinator.sends("POST", path, asks | grounds)
    assert asked.status == 201, asked.body
    inquiry: str = asked.json()["inquiries"][0]["inquiry_id"]
    seen = await hospital.reads("/api/referrals/v1/inquiries")
    assert inquiry.encode() in seen.body
    shares = {
        "decision": "shared",
        "reason": "will_or_may_help",
        "pieces": [{"about": people[:1], "text": pieces.text("a piece")}],
    }
    decision = f"/api/referrals/v1/inquiries/{inquiry}/decision"
    decided = await hospital.sends("POST", decision, shares | grounds)
    assert decided.ok, decided.body
    assert (await coordinator.reads(f"{path}/{inquiry}")).ok
    return inquiry


async def be_amended(region: Region, referral_id: str, told: Told) -> None:
    """Have the agency say other words, so that these stood there before."""
    police = region.agency("police")
    changes = {
        "people": [{"person": 0, "contact_points": []}],
        "narrative": "Other words.",
        "place": {"address": told["people"][0]["contact_points"][0]["value"]},
    }
    answer = await police.amends(referral_id, changes, key=new_id())
    assert answer.status == 202, answer.body
    assert (await police.amends(referral_id, changes, key=new_id())).status == 412


async def be_taken_back(region: Region, referral_id: str, told: Told) -> None:
    """Have the agency correct who somebody is, and then take all of it back."""
    police = region.agency("police")
    name = told["people"][-1]["given_name"]
    changes = {"people": [{"person": 0, "given_name": name}]}
    answer = await police.amends(referral_id, changes, key=new_id())
    assert answer.status == 202, answer.body
    assert (await police.withdraws(referral_id, "wrong_person")).status == 202


async def happen_to_others(
    region: Region, told: list[Told], ids: list[str], planted: Planted
) -> None:
    """Have happen to other families what would change the first one's journey."""
    first, second = [
        await eventually(region.case_of(each), within=WITHIN) for each in ids[:2]
    ]
    await happenings.be_supported(region, second)
    await happenings.be_merged(region, first, second)
    again = {**told[0], "reference": planted.reference("hospital")}
    await happenings.be_turned_round(region, first, again)
    *_, him = (e for e in told[1]["people"] if e["role"] == happenings.USING)
    other = family(
        region, planted.posted, reference=planted.reference("hospital"), grave=False
    )
    # Two codes of one register would take a second coordinator to call them one.
    others = [
        {**each, "identifiers": []}
        for each in other["people"]
        if each["role"] != happenings.USING
    ]
    posted = await region.agency("hospital").refers(
        {**other, "people": [him, *others], "triggers": []}
    )
    third = await eventually(region.case_of(posted), within=WITHIN)
    await happenings.be_one_person(region, second, third)
    await happenings.be_pushed(region, second, third)
    await happenings.be_worse(region, third)
    await happenings.be_forgotten(region, first)
    await happenings.be_moved_away(region, second, ids[1])


async def be_told(region: Region, told: list[Told], planted: Planted) -> list[str]:
    """Post other families, and have one told of again, by other names.

    Returns:
        The referrals' ids.
    """
    police, hospital = region.agency("police"), region.agency("hospital")
    ids = [await police.refers(each) for each in told]
    reference = planted.reference("hospital")
    again = told_again(told[0], planted.posted, reference=reference)
    ids.append(await hospital.refers(again))
    cases = [await eventually(region.case_of(each), within=WITHIN) for each in ids]
    assert cases[-1] == cases[0]
    await be_taken_back(region, ids[-2], told[-1])
    return ids


async def be_told_with_a_slip(region: Region, told: Told, planted: Planted) -> None:
    """Have a family told of again, one letter wrong in each name: a person is asked."""
    again = [
        {**each, "given_name": each["given_name"][:-1], "identifiers": []}
        for each in told["people"]
    ]
    slip = {**told, "people": again, "reference": planted.reference("hospital")}
    referral = await region.agency("hospital").refers(slip)
    await eventually(region.case_of(referral), within=WITHIN)


async def be_bound(region: Region, case: str) -> None:
    """Record an order, and that it was breached."""
    ids = await ids_of(region, case)
    lead = Somebody(region, "binder", *EVERY_SCOPE, worker=region.coordinator.id)
    path = f"/api/referrals/v1/cases/{case}/orders"
    at = (region.clock.now() - timedelta(days=1)).isoformat()
    bail = {"kind": "bail", "starts_at": at, "bound": [ids["person_id"]]}
    told = await lead.sends("POST", path, bail)
    assert told.status == 201, told.body
    breaches = f"{path}/{told.json()['order_id']}/breaches"
    assert (await lead.sends("POST", breaches, {"occurred_at": at})).ok
    end = f"{path}/{told.json()['order_id']}/end"
    assert (await lead.sends("POST", end, {"reason": "discharged"})).ok
    lead.hang_up()
    # A breach is weighed, and the plan drafted anew.
    coordinator = region.coordinator
    await coordinator.agrees(
        await eventually(coordinator.reads_plan(case), within=WITHIN)
    )


async def be_corrected(region: Region, case: str, sentinels: Sentinels) -> None:
    """Have somebody say what is right; nobody has decided it yet."""
    ids = await ids_of(region, case)
    officer = Somebody(region, "privacy officer", *EVERY_SCOPE)
    asked = {
        "right": "correction",
        "person_id": ids["person_id"],
        "proof": "document",
        "reference": "file_of_a_test",
        "statement": sentinels.text("statement"),
    }
    answer = await officer.sends("POST", "/api/referrals/v1/rights", asked)
    assert answer.status == 201, answer.body
    told = {"notified_at": region.clock.now().isoformat()}
    path = f"/api/referrals/v1/people/{ids['person_id']}/notice"
    assert (await officer.sends("PUT", path, told)).ok
    officer.hang_up()


async def be_helped(region: Region, case: str) -> None:
    """Record what somebody needs, have a provider asked, and let it be late."""
    ids = await ids_of(region, case)
    lead = Somebody(region, "helper", *EVERY_SCOPE, worker=region.coordinator.id)
    path = f"/api/plans/v1/plans/{case}/needs"
    said = {"level": "unmet", "voice": "agreed", "strand": "housing"}
    whose = {"person_id": ids["person_id"], "side": "person_harmed"}
    need = await lead.sends("POST", path, {**whose, **said})
    assert need.status == 201, need.body
    await meets_needs(region, "refuge")
    asked = f"{path}/{need.json()['need_id']}/services"
    service = await lead.sends("POST", asked, {"provider": "refuge"})
    [held] = service.json()["services"]
    steps = f"{asked}/{held['service_id']}/steps"
    assert (await lead.sends("POST", steps, {"step": "accepted"})).ok
    lead.hang_up()


async def be_heard(region: Region, case: str, sentinels: Sentinels) -> None:
    """Write down what somebody says, read it on paper, and ask for another's."""
    ids = await ids_of(region, case)
    lead = Somebody(region, "listener", *EVERY_SCOPE, worker=region.coordinator.id)
    path = f"/api/plans/v1/plans/{case}"
    entry = f"{path}/voices/{ids['person_id']}/entries/{new_id()}"
    said = {"side": "person_harmed", "kind": "wants", "strand": "housing"}
    words = sentinels.text("words")
    assert (await lead.sends("PUT", entry, {**said, "words": words})).ok
    assert (await lead.reads(f"{path}/voices")).ok
    assert (await lead.reads(f"{path}/papers/team")).ok
    paper = (await lead.reads(f"{path}/papers/outreach")).headers["etag"].strip('"')
    asked = {"audience": "outreach", "paper": paper}
    released = await lead.sends("POST", f"{path}/releases", asked)
    assert released.status == 201, released.body
    lead.hang_up()


async def be_kept(region: Region, case: str) -> None:
    """Have one thing done and another left undone, and the plan broken and reviewed."""
    coordinator = region.coordinator
    role = (await coordinator.roles_of(case))[OUTREACH]
    outreach = region.worker(role["worker_id"])
    plan = await coordinator.reads_plan(case, "agreed")()
    path = f"/api/plans/v1/plans/{case}"
    contact, programme, *_ = (
        f"{path}/actions/{each['action_id']}"
        for each in plan["actions"]
        if each["role"] == OUTREACH
    )
    shown = {"evidence": {"kind": "contact_record", "reference": new_id()}}
    meant: dict[str, Any] = {"confirmed": True}
    denied: dict[str, Any] = {"confirmed": False}
    steps: tuple[tuple[Worker, str, dict[str, Any]], ...] = (
        (outreach, f"{contact}/completion", shown),
        (coordinator, f"{contact}/confirmation", denied),
        (outreach, f"{contact}/completion", shown),
        (coordinator, f"{contact}/confirmation", meant),
        (outreach, f"{programme}/undone", {"reason": "declined_by_person"}),
        (coordinator, f"{programme}/confirmation", meant),
        (
            outreach,
            f"{path}/breaches",
            {"kind": "came_near", "happened_at": region.clock.now().isoformat()},
        ),
    )
    for somebody, step, told in steps:
        answer = await somebody.sends("POST", step, told)
        assert answer.ok, (step.rpartition("/")[2], answer.body)
        if said := answer.json().get("said"):
            meant["said_at"] = denied["said_at"] = said["at"]
    plan = await coordinator.reads_plan(case, "agreed")()
    read = {key: plan[key] for key in ("plan_version", "review_by", "stale")}
    assert (await coordinator.sends("POST", f"{path}/review", read)).ok


async def be_on_call(region: Region) -> None:
    """Have the coordinator on call."""
    told = {
        "rota": "after_hours",
        "turns": [region.coordinator.id],
        "starts_at": region.clock.now().isoformat(),
    }
    path = f"/api/allocation/v1/rotas/{new_id()}"
    assert (await region.coordinator.sends("PUT", path, told)).ok


async def be_away(region: Region) -> None:
    """Have somebody on leave who works on nothing."""
    until = region.clock.now() + timedelta(days=14)
    away = {"since": region.clock.now().isoformat(), "until": until.isoformat()}
    path = f"/api/allocation/v1/workers/{new_id()}"
    assert (await region.coordinator.sends("PUT", path, {"absences": [away]})).ok


async def be_reached(
    region: Region, case: str, sentinels: Sentinels, phones: Phones
) -> None:
    """Note how somebody is reached, write to her, and have it suspended."""
    ids = await ids_of(region, case)
    lead = Somebody(region, "lead", *EVERY_SCOPE, worker=region.coordinator.id)
    path = f"/api/referrals/v1/people/{ids['person_id']}/contacts"
    said = {
        "state": "confirmed",
        "channels": ["email"],
        "value": sentinels.email("value"),
        "code_word": sentinels.name("code_word"),
        "duress_word": sentinels.name("duress_word"),
    }
    contact, other, texts = new_id(), new_id(), new_id()
    answers = [await lead.sends("PUT", f"{path}/{contact}", said)]
    night = {"days": ["monday"], "starts": "21:00", "ends": "06:00"}
    read = {"value": sentinels.email("value"), "read_by": sentinels.text("read_by")}
    told = {**said, **read, "hours": [night]}
    answers.append(await lead.sends("PUT", f"{path}/{other}", told))
    shown = await lead.reads(f"{path}?purpose=fva20_b")
    assert all(each.ok for each in answers), [each.body for each in answers]
    assert str(said["value"]).encode() in shown.body
    harmed = ids["harmed_id"]
    reached = f"/api/referrals/v1/people/{harmed}/contacts/{texts}"
    number = f"+6421{sentinels.random.randrange(10**7):07}"
    hers = {**said, "value": number, "channels": ["text"]}
    answers.append(await lead.sends("PUT", reached, hers))
    ask = f"/api/notify/v1/cases/{case}/people/{harmed}/contacts/{texts}"
    text = {"text": "we_will_ring", "language": "en", "purpose": "fva20_c"}
    for status in (400, 202):
        phones.status = status
        answers.append(await lead.sends("PUT", f"{ask}/messages/{new_id()}", text))
    await eventually(region.hears("contact.messaged.v1", case_id=case))
    for sender, words in ((number, "Yes"), (number, "STOP"), ("+64215550199", "Who")):
        assert (await replies(region, sender, words)).ok
    for each in ("contact.stopped.v1", "reply.not_known.v1"):
        await eventually(region.hears(each), within=WITHIN)
    why = {"reason": "someone_else_answered"}
    answers.append(await lead.sends("POST", f"{path}/{contact}/suspension", why))
    assert all(each.ok for each in answers), [each.body for each in answers]
    lead.hang_up()
    await eventually(region.hears("contact.suspended.v1", case_id=case))


async def be_met_about(region: Region, case: str) -> Held:
    """Have a case decided on at a meeting, and what was promised there done."""
    officer = police_officer(region, region.coordinator.id)
    held = await called(region, case, officer)
    role = (await region.coordinator.roles_of(case))[SPECIALIST]
    second = police_officer(region, role["worker_id"])
    await happenings.be_promised(region, held, officer, second)
    closure = f"{PATH}/{held.meeting_id}/closure"
    assert (await officer.sends("POST", closure)).ok
    await happenings.be_broken_off(region, case, officer, second)
    await be_asked_before_a_meeting(region, case, officer)
    for each in (officer, second):
        each.hang_up()
    return held


async def be_asked_before_a_meeting(region: Region, case: str, leads: Somebody) -> None:
    """Have the hospital, which was asked by name, asked before a meeting as well."""
    path = f"{PATH}/{new_id()}"
    starts = (region.clock.now() + timedelta(hours=2)).isoformat()
    called_ = await leads.sends("PUT", path, {"starts_at": starts, "cases": [case]})
    others = [e for e in called_.json()["agencies"] if e != "hospital"]
    grounds = {"belief": "may_help", "consulted": True}
    told = {"cases": [{"case_id": case, **grounds, "leave_out": others}]}
    asking = await leads.sends("POST", f"{path}/inquiries", told)
    assert asking.json()["asked"], asking.body
    await eventually(region.hears("meeting.asked.v1", case_id=case))
    assert (await leads.sends("DELETE", path)).ok
    await eventually(region.hears("meeting.called_off.v1"))


async def replay(region: Region, folder: Path, planted: Planted, seen: Seen) -> None:
    """Have a file of referrals posted, good ones and others."""
    sentinels, reference = planted.posted, planted.reference("hospital")
    good = family(region, sentinels, reference=reference, grave=False)
    file = folder / "referrals.ndjson"
    lines = map(json.dumps, [good, *refused(good, sentinels)])
    file.write_text("\n".join([*lines, sentinels.text("no JSON")]))
    seen.prints["replay"] = [await printed(region, folder, ["replay", str(file)])]


async def ask_for_everything(
    region: Region, case: str, others: dict[str, str], sentinels: Sentinels
) -> None:
    """Have everybody ask every route for what is there and for what cannot be.

    Whoever asks holds every scope, so that only what is decided on records refuses
    them; nobody's answer may hold a value, whether they may see the case or not.
    """
    ids = {**await ids_of(region, case), **others}
    everybody = everybody_near(region, ids)
    breaker, coordinator = everybody["breaker"], everybody["coordinator"]
    path = f"/api/allocation/v1/cases/{case}/glass"
    broken = await breaker.sends("POST", path, {"reason": "imminent_danger"})
    assert broken.status == 201, broken.body
    ids["glass_id"] = broken.json()["glass_id"]
    ids["request_id"] = await asked_to_erase(region, -2)
    review = f"/api/allocation/v1/glass/{ids['glass_id']}/review"
    assert (await coordinator.sends("POST", review, {"justified": True})).ok
    strange = {name: sentinels.word(f"{name} in a path") for name in ids}
    # A word may be an agency's code; what could be somebody's name is none.
    strange["code"] = quote(sentinels.text("code in a path"), safe="")
    odd = f"?{sentinels.word('parameter')}={quote(sentinels.text('its value'))}"
    body = {sentinels.word("unknown field"): sentinels.text("its value")}

    async def ask(somebody: Somebody) -> None:
        for (service, method, path), (known, query) in product(
            sorted(await region.routes()),
            ((ids, f"?case_id={case}"), (strange, odd)),
        ):
            sent = None if method in {"GET", "DELETE"} else body
            url = f"/api/{service}{path}".format(**known)
            # A stream ends when one says so.
            url += f"{query}&lasting=1"
            answer = await somebody.sends(method, url, sent)
            assert answer.status < 500, (method, path, answer.status)

    await asyncio.gather(*map(ask, everybody.values()))
    for each in everybody.values():
        each.hang_up()


async def ids_of(region: Region, case: str) -> dict[str, str]:
    """Give what stands in the routes' patterns, about a case."""
    held = await region.database("referrals")["cases"].find_one({"_id": case})
    assert held
    role = (await region.coordinator.roles_of(case))[SPECIALIST]
    specialist = region.worker(role["worker_id"])
    reading = region.coordinator.reads_plan(case, "agreed")
    plan = await eventually(reading, within=WITHIN)
    match = await region.database("referrals")["reviews"].find_one({})
    assert match
    return {
        "case_id": case,
        "referral_id": held["episodes"][0]["referral_id"],
        "person_id": held["people"][0]["person_id"],
        "harmed_id": next(
            e["person_id"] for e in held["people"] if e["role"] == "person_harmed"
        ),
        "contact_id": new_id(),
        "worker_id": specialist.id,
        "allocation_id": role["allocation_id"],
        "action_id": plan["actions"][0]["action_id"],
        "message_id": (await specialist.inbox())[0]["id"],
        "glass_id": new_id(),
        "request_id": new_id(),
        "match_id": match["_id"],
        "code": "police",
        "key_id": "a" * 16,
        "number": "0",
        "plan_version": "1",
        "revision": "1",
        "fingerprint": "a" * 64,
        "order_id": new_id(),
        "need_id": new_id(),
        "service_id": new_id(),
        "audience": "team",
        "pack": "agenda",
        "release_id": new_id(),
        "entry_id": new_id(),
        "rota_id": new_id(),
        "override_id": new_id(),
        "subscription_id": new_id(),
        "breach": "1",
        "rights_id": new_id(),
    }


def everybody_near(region: Region, ids: dict[str, str]) -> dict[str, Somebody]:
    """Give agencies and workers with every scope there is, and somebody with none."""
    staff = region.actors.staff
    breaker = next(each for each in staff if SUPPORT in each.roles)
    workers = {
        "specialist": ids["worker_id"],
        "coordinator": region.coordinator.id,
        "breaker": breaker.id,
    }
    at = int(region.clock.now().timestamp())
    agencies = (region.agency(each).agency for each in ("police", "hospital"))
    claims: dict[str, dict[str, Any]] = {
        **{name: {"worker": each, "auth_time": at} for name, each in workers.items()},
        **{each.code: {**each.claims, "auth_time": at} for each in agencies},
    }
    everybody = {
        name: Somebody(region, f"everybody-{name}", *EVERY_SCOPE, **each)
        for name, each in claims.items()
    }
    return {**everybody, "nobody": Somebody(region, "everybody-nobody")}


async def erase(region: Region) -> None:
    """Have a case erased, so that tombstones are there to be looked at."""
    request = await asked_to_erase(region, -1)
    deputy = eraser(region, "deputy")
    path = f"/api/referrals/v1/requests/{request}/confirmation"
    answer = await deputy.sends("POST", path)
    deputy.hang_up()
    assert answer.ok, answer.body


async def asked_to_erase(region: Region, nth: int) -> str:
    """Have one of two people ask for the erasure of the nth case that was opened."""
    case = region.bus.all("case.opened.v1")[nth].data["case_id"]
    officer = eraser(region, "officer")
    path = f"/api/referrals/v1/cases/{case}/erasure"
    asked = await officer.sends("POST", path, {"reason": "court_order"})
    officer.hang_up()
    assert asked.status == 201, asked.body
    request: str = asked.json()["request_id"]
    return request


def eraser(region: Region, name: str) -> Somebody:
    """Give somebody who may erase and has just logged in."""
    at = int(region.clock.now().timestamp())
    return Somebody(region, name, "referrals.erase", auth_time=at)


async def operate(region: Region, case: str, folder: Path, seen: Seen) -> None:
    """Have an operator call every command that prints something of the region."""
    async with parked.parking(region.deployment) as parking:
        letters = [each.message_id for each in (await parking.listed())[0]]
    shown = [["dead-letters", "show", each, "--body"] for each in letters]
    lines = [
        ["doctor", "--json"],
        ["dead-letters", "list"],
        *shown,
        ["topology", "check"],
        ["audit", "verify"],
        ["audit", "who", case, "--json"],
        ["audit", "odd", "--json", "--cases", "1", "--refusals", "1"],
        ["store", "check"],
        ["contracts", "export", "schemas"],
        ["contracts", "check", "schemas"],
        ["contracts", "docs", "-"],
        ["keys", "status"],
        ["keys", "rotate"],
        ["keys", "rewrap"],
        ["keys", "renew-guard"],
        ["dead-letters", "discard", letters[0], "--reason", "never_real"],
        ["dead-letters", "confirm", letters[0], "--yes"],
        ["dead-letters", "replay", "--all"],
    ]
    known = set(commands())

    async def call(first: str) -> None:
        for words in (each for each in lines if each[0] == first):
            name = next(each for each in known if " ".join(words).startswith(each))
            # Nobody confirms their own word.
            who = "second" if "confirm" in words else "operator"
            said = await printed(region, folder, words, who=who)
            seen.prints.setdefault(name, []).append(said)

    # Two that look at what is parked would take it out of each other's sight.
    await asyncio.gather(*map(call, {each[0] for each in lines}))
    written = await asyncio.to_thread(files_in, folder / "schemas")
    seen.prints["contracts export"] += written


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
        lambda text: base64.b64encode(json.dumps({"x": text}).encode()).decode(),
        lambda text: quote(text, safe=""),
        lambda text: text.casefold().encode().hex(),
        lambda text: text.encode("ascii", "xmlcharrefreplace").decode(),
        lambda text: quopri.encodestring(text.encode()).decode(),
        lambda text: base64.encodebytes(b"x" * 40 + text.encode()).decode(),
        lambda text: str(text.encode()),
        lambda text: unicodedata.normalize("NFD", text.upper()),
        folded,
    ],
)
@pytest.mark.parametrize("_again", range(5))
def test_a_sentinel_is_found_in_whatever_form_it_went_out(
    hidden: Any, _again: int
) -> None:
    sentinels = Sentinels()
    word, text, day = sentinels.word("w"), sentinels.text("t"), sentinels.birthday("d")

    assert sentinels.found_in([b"else", hidden(word).encode()]) == {"w"}
    assert sentinels.found_in([hidden(text).encode(), b"else"]) == {"t"}
    assert sentinels.found_in([hidden(f"born {day}").encode()]) == {"d"}
    assert sentinels.found_in([b"else"]) == set()


@pytest.mark.parametrize("make", [Sentinels.word, Sentinels.name, Sentinels.birthday])
def test_a_sentinel_is_found_though_its_end_was_cut_off(make: Any) -> None:
    sentinels = Sentinels()
    cut = make(sentinels, "what")[:-1]

    [found] = sentinels.found_in([cut.encode()])
    assert found.startswith("a part of something in ")
