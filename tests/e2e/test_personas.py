"""Who may do what: every route of every service, asked by everybody (P18, P19, P20).

Each persona holds a token with every scope there is, so that nothing but the decision
on the record stands between them and it. A route that is not in the table fails.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from accord.client import Answer
from accord_chassis.access import DEVELOPMENT_ISSUER
from accord_chassis.testing import new_id
from app import Region, eventually
from meetings import SIGNED, called, police_officer
from people import (
    EVERY_SCOPE,
    HIGH_RISK_TEAM,
    LEAD,
    OFFERED,
    OUTCOMES,
    OUTREACH,
    SPECIALIST,
    Asked,
    Somebody,
    meets_needs,
)
from sentinels import Sentinels

AGENCIES = ("sender", "other agency")
LISTED = "listed clerk"
"""They are at the agency that referred, in no directory, and on the case's lists."""
CLERKS = (*AGENCIES, LISTED)
TEAM = ("specialist", "outreach", "lead")
BARRED = ("relative", "excluded", "left")
"""They coordinate the locality, and would see everything but for what bars them."""

PERSONAS = (
    *CLERKS, *TEAM, "coordinator", *BARRED, "colleague", "glass breaker",
)  # fmt: skip
WORKERS = PERSONAS[len(CLERKS) :]
AT_WORK = tuple(each for each in WORKERS if each != "left")
PRESENT = (*CLERKS, *AT_WORK)
"""Whoever has left may do nothing any more, whatever the scopes of their token."""

REFUSED = {401, 403, 404}


@dataclass
class Stage:
    """A case that is worked on, and everybody who would look at it.

    Attributes:
        ids: What stands in routes' patterns: the case's, an offer's and so on.
        people: By persona.
        workers: The personas' ids in the directory.
        hidden: What was told in the referral, and no answer may hold.
    """

    region: Region
    ids: dict[str, str]
    people: dict[str, Somebody]
    workers: dict[str, str]
    referral: dict[str, Any]
    hidden: Sentinels
    answers: list[bytes] = field(default_factory=list)

    async def ask(
        self, persona: str, method: str, path: str, body: object = None
    ) -> Answer:
        """Have somebody ask for something."""
        answer = await self.people[persona].sends(method, path, body)
        # Whom it is about and what happened is there for whoever works on the case.
        if persona not in KNOWS_SAFETY or not path.endswith(WHOM_AND_WHAT):
            self.answers.append(answer.body)
        return answer


async def hire(region: Region, **entry: Any) -> str:
    worker_id = new_id()
    path = f"/api/allocation/v1/workers/{worker_id}"
    answer = await region.coordinator.sends("PUT", path, entry)
    assert answer.ok, answer.body
    return worker_id


def person(region: Region, persona: str, worker_id: str | None) -> Somebody:
    """Give somebody a token with every scope, and a recent login."""
    agencies = {"sender": "police", "other agency": "hospital", LISTED: "police"}
    agency = agencies.get(persona)
    claims: dict[str, Any] = {"auth_time": int(region.clock.now().timestamp())}
    if worker_id is not None:
        claims["worker"] = worker_id
    if agency is not None:
        claims |= region.agency(agency).agency.claims
    return Somebody(region, f"persona-{persona}", *EVERY_SCOPE, **claims)


def lists_of(workers: dict[str, str]) -> dict[str, Any]:
    """Give who may have nothing to do with the case."""
    clerk = {"issuer": DEVELOPMENT_ISSUER, "subject": f"persona-{LISTED}"}
    return {
        "excluded": [workers["excluded"]],
        "conflicts": [workers["relative"]],
        "people": [clerk],
    }


async def person_in(region: Region, case: str, *, harmed: bool = False) -> str:
    """Give somebody who is in a case, but not her: who is asked about is named."""
    held = await region.database("referrals")["cases"].find_one({"_id": case})
    assert held
    people = (e for e in held["people"] if (e["role"] == "person_harmed") is harmed)
    person_id: str = next(people)["person_id"]
    return person_id


def asks_about(person_id: str) -> dict[str, Any]:
    """Give what the other agency is asked about somebody."""
    return {
        "agencies": ["hospital"],
        "people": [person_id],
        "purpose": "fva20_a",
        "belief": "may_help",
        "consulted": True,
    }


REACHED = {"state": "confirmed", "channels": ["phone"], "value": "021 555 0100"}
HIS = {**REACHED, "value": "021 555 0177"}
"""What she and he say of how they are reached, each under an id of their own book."""


def access_of(person_id: str) -> dict[str, Any]:
    """Give what is taken down when somebody asks for what is held of them."""
    return {
        "right": "access",
        "person_id": person_id,
        "proof": "in_person",
        "reference": f"file_{person_id[:8]}",
    }


async def asked_of_others(region: Region, case: str) -> dict[str, Asked]:
    """Give whom the roles are offered to; the lead is not who coordinates them all."""
    while True:
        look = region.coordinator.finds_asked(case, *HIGH_RISK_TEAM)
        found: dict[str, Asked] = await eventually(look)
        if found[LEAD].worker.id != region.coordinator.id:
            return found
        await found[LEAD].declines()


async def match_with(region: Region, known: dict[str, Any]) -> str:
    """Have somebody told of again with a slip; give what is asked about the two."""
    told = region.referral()
    again = {**known, "given_name": f"{known['given_name']}x", "identifiers": []}
    nameless = {"role": "person_harmed", "given_name": "Unknown"}
    told["people"] = [nameless, again]
    referral = await region.agency("police").refers(told)
    await eventually(region.case_of(referral))
    reviews = region.database("referrals")["reviews"]
    held = await reviews.find_one({"referral_id": referral})
    assert held
    match_id: str = held["_id"]
    return match_id


async def replaced_result(lead: Somebody, case: str) -> dict[str, str]:
    """Have a result replaced, and give which it was and by which policy."""
    path = f"/api/risk/v1/assessments/{case}"
    anew = await lead.sends("POST", f"{path}/answers", {"answers": {}})
    assert anew.ok, anew.body
    [past, *_] = (await lead.reads(f"{path}/past")).json()["past"]
    return {
        "revision": str(past["revision"]),
        "fingerprint": past["policy_fingerprint"],
    }


async def asked_for_release(lead: Somebody, case: str) -> str:
    """Have a paper wait for a second person's word."""
    path = f"/api/plans/v1/plans/{case}"
    paper = (await lead.reads(f"{path}/papers/team")).headers["etag"].strip('"')
    body = {"audience": "team", "paper": paper}
    asked = await lead.sends("POST", f"{path}/releases", body)
    assert asked.status == 201, asked.body
    release_id: str = asked.json()["release_id"]
    return release_id


@pytest.fixture(scope="module")
async def stage(region: Region) -> AsyncIterator[Stage]:
    """A case at high risk whose team has accepted, and who is barred from it."""
    hidden = Sentinels()
    told = region.grave_referral(
        narrative=hidden.text("narrative"),
        place={"area": region.world.places[0], "address": hidden.text("address")},
        wishes={"area": region.world.places[0]},
    )
    told["triggers"] = [{"kind": "prison_release", "on": AHEAD}]
    told["people"][0]["family_name"] = hidden.word("name")
    told["people"][0]["contact_points"] = [
        {"channel": "post", "value": hidden.text("contact point")}
    ]
    referral = await region.agency("police").refers(told)
    case = await eventually(region.case_of(referral))
    asked = await asked_of_others(region, case)
    message = await eventually(asked[SPECIALIST].worker.sees(OFFERED, case))
    for each in asked.values():
        await each.accepts()
    actions = await eventually(asked[SPECIALIST].worker.owes(case))
    # A version that was agreed to stays, however many come after it.
    plan = await eventually(region.coordinator.reads_plan(case))
    await region.coordinator.agrees(plan)
    # Beside whoever sets the lists, some coordinator must be left.
    await hire(region, duty_coordinator=True)
    workers = {
        "specialist": asked[SPECIALIST].worker.id,
        "outreach": asked[OUTREACH].worker.id,
        "lead": asked[LEAD].worker.id,
        "coordinator": region.coordinator.id,
        "relative": await hire(region, duty_coordinator=True),
        "excluded": await hire(region, duty_coordinator=True),
        "left": await hire(region, duty_coordinator=True, active=False),
        "colleague": await hire(region, roles=[SPECIALIST]),
        "glass breaker": await hire(region, roles=[SPECIALIST]),
    }
    people = {each: person(region, each, workers.get(each)) for each in PERSONAS}
    people["nobody"] = Somebody(region, "persona-nobody")
    lists = lists_of(workers)
    path = f"/api/allocation/v1/cases/{case}"
    assert (await people["coordinator"].lists(case, lists)).ok
    broken = await people["glass breaker"].sends(
        "POST", f"{path}/glass", {"reason": "imminent_danger"}
    )
    assert broken.status == 201, broken.body
    asked_for = await people["lead"].sends(
        "POST", f"/api/referrals/v1/cases/{case}/erasure", {"reason": "court"}
    )
    assert asked_for.status == 201, asked_for.body
    asked_about = await person_in(region, case)
    inquiry = await people["coordinator"].sends(
        "POST", f"/api/referrals/v1/cases/{case}/inquiries", asks_about(asked_about)
    )
    assert inquiry.status == 201, inquiry.body
    officer = police_officer(region, workers["specialist"])
    meeting = await called(region, case, people["coordinator"], officer)
    officer.hang_up()
    bail = await people["sender"].sends(
        "POST", f"/api/referrals/v1/referrals/{referral}/orders", {**BAIL, "bound": [1]}
    )
    assert bail.status == 201, bail.body
    rights = await people["coordinator"].sends(
        "POST", "/api/referrals/v1/rights", access_of(asked_about)
    )
    assert rights.status == 201, rights.body
    need = await people["lead"].sends(
        "POST",
        f"/api/plans/v1/plans/{case}/needs",
        {**HOUSING, "person_id": asked_about},
    )
    assert need.status == 201, need.body
    need_id = need.json()["need_id"]
    services = f"/api/plans/v1/plans/{case}/needs/{need_id}/services"
    for provider in ("hospital", "another_refuge"):
        await meets_needs(region, provider)
    service = await people["lead"].sends("POST", services, {"provider": "hospital"})
    assert service.status == 201, service.body
    harmed, point = await person_in(region, case, harmed=True), new_id()
    for who, told_by in ((harmed, REACHED), (asked_about, HIS)):
        contact = f"/api/referrals/v1/people/{who}/contacts/{point}"
        reached = await people["lead"].sends("PUT", contact, told_by)
        assert reached.ok, reached.body
    ids = {
        "case_id": case,
        **await replaced_result(people["lead"], case),
        "rights_id": rights.json()["rights_id"],
        "need_id": need_id,
        "service_id": service.json()["services"][0]["service_id"],
        "audience": "team",
        "pack": "agenda",
        "release_id": await asked_for_release(people["lead"], case),
        "entry_id": new_id(),
        "order_id": bail.json()["order_id"],
        "breach": "1",
        "request_id": asked_for.json()["request_id"],
        "inquiry_id": inquiry.json()["inquiries"][0]["inquiry_id"],
        "referral_id": referral,
        "number": "0",
        "plan_version": str(plan["plan_version"]),
        "worker_id": workers["specialist"],
        "allocation_id": asked[SPECIALIST].allocation,
        "action_id": actions[0]["action_id"],
        "message_id": message["id"],
        "glass_id": broken.json()["glass_id"],
        "person_id": asked_about,
        "harmed_id": harmed,
        "match_id": await match_with(region, told["people"][1]),
        "meeting_id": meeting.meeting_id,
        "task_id": meeting.task_id,
        "contact_id": point,
        "code": "tested_agency",
        "key_id": "a" * 16,
        "rota_id": new_id(),
        "override_id": new_id(),
        "subscription_id": new_id(),
    }
    made = Stage(region, ids, people, workers, told, hidden)
    yield made
    for each in people.values():
        each.hang_up()


@dataclass(frozen=True)
class Case:
    """What a route is asked, and who may have it.

    Attributes:
        may: Who is answered, and not refused.
        body: What is sent.
        query: Follows the path.
        refusal: How the others are refused.
        unregistered: How those are refused who act for no agency, or have left, or
            would say of themselves what another must.
        not_both: How it is refused to whoever asked for it, or to all others, so that
            it takes two.
        by_scope: Its scope alone decides; who lacks it is refused with 403.
    """

    may: tuple[str, ...]
    body: Any = None
    query: str = ""
    refusal: int = 404
    unregistered: int | None = None
    not_both: int | None = None
    by_scope: bool = False


AHEAD = (datetime.now(UTC) + timedelta(days=300)).date().isoformat()
"""A day that is known ahead, and not yet near."""

YESTERDAY = (datetime.now(UTC) - timedelta(days=1)).isoformat()
BROWSER = {
    "endpoint": "https://push.example/browser",
    "keys": {
        "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7V"
        "d8pZGH6SRpkNtoIAiw4",
        "auth": "BTBZMqHH6r4Tts7J_aSIgg",
    },
}
"""Of the example of RFC 8291, appendix A."""

BAIL = {
    "kind": "bail",
    "starts_at": (datetime.now(UTC) - timedelta(days=9)).isoformat(),
    "conditions": ["no_contact"],
}

TO_NOBODY = {
    "to": "nowhere",
    "reason": "she_moved",
    "purpose": "fva20_c",
    "belief": "will_help",
    "consulted": True,
}
WISH = {
    "side": "person_harmed",
    "kind": "wants",
    "strand": "housing",
    "words": "To stay.",
}

HOUSING = {
    "side": "person_harmed",
    "strand": "housing",
    "level": "unmet",
    "voice": "agreed",
}

PROVIDER = {
    "about": {"name": "A tested agency", "description": "It is tested."},
    "services": [{"role": "whanau_support_worker"}],
}

WHOM_AND_WHAT = ("/people", "/accounts", "/place")
KNOWS_SAFETY = ("specialist", "lead", "coordinator")
NOT_BARRED = tuple(e for e in PERSONAS if e not in {*BARRED, LISTED})
CASE_READERS = (*TEAM, "coordinator", "glass breaker")
LOCALITYS = ("coordinator", "relative", "excluded")
"""Whoever coordinates the locality, and so its meetings."""
JUDGES = (*KNOWS_SAFETY, "glass breaker")

ROUTES: dict[tuple[str, str, str], Case] = {
    ("referrals", "POST", "/v1/referrals"): Case(CLERKS, "referral", refusal=403),
    ("referrals", "POST", "/v1/referrals/batch"): Case(CLERKS, "lines", refusal=403),
    ("referrals", "GET", "/v1/referrals/batch/template"): Case(CLERKS, refusal=403),
    ("referrals", "GET", "/v1/referrals/{referral_id}"): Case(
        ("sender",), unregistered=403
    ),
    # Of test keys alone: no token opens it, whatever it says.
    ("referrals", "POST", "/v1/sandbox/referrals"): Case((), "referral", refusal=403),
    ("referrals", "POST", "/v1/sandbox/referrals/batch"): Case(
        (), "lines", refusal=403
    ),
    ("referrals", "GET", "/v1/sandbox/referrals/{referral_id}"): Case((), refusal=403),
    ("referrals", "POST", "/v1/sandbox/referrals/{referral_id}/amendments"): Case(
        (), {"narrative": "x"}, refusal=403
    ),
    ("referrals", "POST", "/v1/sandbox/referrals/{referral_id}/withdrawal"): Case(
        (), {"reason": "wrong_person"}, refusal=403
    ),
    # Without a key it is refused as bad, and only to whoever may: 400.
    ("referrals", "POST", "/v1/referrals/{referral_id}/amendments"): Case(
        ("sender",), {"narrative": "More."}, unregistered=403
    ),
    ("referrals", "POST", "/v1/referrals/{referral_id}/withdrawal"): Case(
        ("sender",), {"reason": "other"}, unregistered=403
    ),
    ("referrals", "PUT", "/v1/referrals/{referral_id}/questions"): Case(
        KNOWS_SAFETY, {"groups": ["place"]}
    ),
    ("referrals", "DELETE", "/v1/referrals/{referral_id}/questions"): Case(
        KNOWS_SAFETY
    ),
    ("referrals", "GET", "/v1/referrals/{referral_id}/triggers"): Case(
        ("sender",), unregistered=403
    ),
    ("referrals", "PUT", "/v1/referrals/{referral_id}/triggers/{number}"): Case(
        ("sender",), {"on": AHEAD}, unregistered=403
    ),
    ("referrals", "DELETE", "/v1/referrals/{referral_id}/triggers/{number}"): Case(
        ("sender",), unregistered=403
    ),
    ("referrals", "POST", "/v1/referrals/{referral_id}/orders"): Case(
        ("sender",), {**BAIL, "bound": [1]}, unregistered=403
    ),
    ("referrals", "GET", "/v1/referrals/{referral_id}/orders"): Case(
        ("sender",), unregistered=403
    ),
    ("referrals", "POST", "/v1/referrals/{referral_id}/orders/{order_id}/breaches"): (
        Case(("sender",), {"occurred_at": YESTERDAY}, unregistered=403)
    ),
    (
        "referrals",
        "DELETE",
        "/v1/referrals/{referral_id}/orders/{order_id}/breaches/{breach}",
    ): Case(("sender",), unregistered=403),
    ("referrals", "POST", "/v1/referrals/{referral_id}/orders/{order_id}/end"): Case(
        ("sender",), {"reason": "discharged"}, unregistered=403
    ),
    ("referrals", "POST", "/v1/cases/{case_id}/orders"): Case(
        ("lead", "coordinator"), "order"
    ),
    ("referrals", "GET", "/v1/cases/{case_id}/orders"): Case(KNOWS_SAFETY),
    ("referrals", "POST", "/v1/cases/{case_id}/orders/{order_id}/breaches"): Case(
        KNOWS_SAFETY, {"occurred_at": YESTERDAY}
    ),
    (
        "referrals",
        "DELETE",
        "/v1/cases/{case_id}/orders/{order_id}/breaches/{breach}",
    ): (Case(("lead", "coordinator"))),
    ("referrals", "POST", "/v1/cases/{case_id}/orders/{order_id}/end"): Case(
        ("lead", "coordinator"), {"reason": "discharged"}
    ),
    ("referrals", "PUT", "/v1/agencies/{code}"): Case(
        PRESENT, {"kind": "ngo"}, by_scope=True
    ),
    ("referrals", "GET", "/v1/agencies/{code}"): Case(PRESENT, by_scope=True),
    ("referrals", "GET", "/v1/agencies"): Case(PRESENT, by_scope=True),
    ("referrals", "GET", "/v1/agencies/{code}/disclosures"): Case(
        PRESENT, by_scope=True
    ),
    ("referrals", "GET", "/v1/agencies/{code}/quality"): Case(
        ("coordinator", "relative", "excluded")
    ),
    ("referrals", "GET", "/v1/referrals/quality"): Case(CLERKS, refusal=403),
    ("referrals", "GET", "/v1/referrals/questions"): Case(CLERKS, refusal=403),
    ("referrals", "GET", "/v1/referrals/corrections"): Case(CLERKS, refusal=403),
    ("referrals", "POST", "/v1/agencies/{code}/keys"): Case(
        PRESENT, {"days": 1}, by_scope=True
    ),
    # There is no such key, for nobody: whoever withdraws one has ended it.
    ("referrals", "DELETE", "/v1/agencies/{code}/keys/{key_id}"): Case(
        (), by_scope=True
    ),
    # A case is not merged into itself: 422, for whoever may merge.
    ("referrals", "POST", "/v1/cases/{case_id}/merge"): Case(("coordinator",), "merge"),
    ("referrals", "POST", "/v1/cases/{case_id}/unmerge"): Case(
        ("coordinator",), "merge"
    ),
    # To nobody whom the register knows: 422, for whoever may transfer. Nothing to read.
    ("referrals", "POST", "/v1/cases/{case_id}/transfer"): Case(
        ("coordinator",), TO_NOBODY
    ),
    ("referrals", "GET", "/v1/cases/{case_id}/transfer"): Case(()),
    ("referrals", "POST", "/v1/cases/{case_id}/transfer/receipt"): Case(()),
    # While it is held, it is refused to erase what one might: 409.
    ("referrals", "PUT", "/v1/cases/{case_id}/hold"): Case(
        NOT_BARRED, {"reason": "court"}
    ),
    ("referrals", "POST", "/v1/cases/{case_id}/erasure"): Case(
        NOT_BARRED, {"reason": "court"}
    ),
    ("referrals", "POST", "/v1/people/{person_id}/erasure"): Case(
        NOT_BARRED, {"reason": "court"}
    ),
    ("referrals", "POST", "/v1/cases/{case_id}/hold/release"): Case(
        NOT_BARRED, {"reason": "court"}
    ),
    ("referrals", "GET", "/v1/cases/{case_id}/history"): Case(
        ("specialist", "lead", "coordinator", "glass breaker")
    ),
    # What is about a case from which one is barred is left out of it.
    ("referrals", "GET", "/v1/requests"): Case(PRESENT, by_scope=True),
    ("referrals", "POST", "/v1/cases/{case_id}/inquiries"): Case(
        ("lead", "coordinator"), "inquiry"
    ),
    ("referrals", "GET", "/v1/cases/{case_id}/inquiries"): Case(KNOWS_SAFETY),
    ("referrals", "GET", "/v1/cases/{case_id}/inquiries/{inquiry_id}"): Case(
        KNOWS_SAFETY
    ),
    ("referrals", "GET", "/v1/inquiries"): Case(CLERKS, refusal=403),
    ("referrals", "POST", "/v1/inquiries/{inquiry_id}/decision"): Case(
        ("other agency",),
        {
            "decision": "declined",
            "reason": "nothing_held",
            "belief": "no_reasonable_grounds",
            "consulted": True,
        },
        unregistered=403,
    ),
    # After that it is asked no more: this row comes last of those about it.
    (
        "referrals",
        "POST",
        "/v1/cases/{case_id}/inquiries/{inquiry_id}/withdrawal",
    ): Case(("lead", "coordinator"), {"reason": "not_needed"}),
    # Where a case was handed over to says where she went.
    ("referrals", "GET", "/v1/people/{person_id}/disclosures"): Case(
        tuple(each for each in NOT_BARRED if each != "outreach")
    ),
    ("referrals", "POST", "/v1/rights"): Case(NOT_BARRED, "rights"),
    # What is about a case from which one is barred is left out of both lists.
    ("referrals", "GET", "/v1/rights"): Case(PRESENT, by_scope=True),
    ("referrals", "GET", "/v1/notices"): Case(PRESENT, by_scope=True),
    ("referrals", "GET", "/v1/rights/{rights_id}"): Case(NOT_BARRED),
    ("referrals", "POST", "/v1/rights/{rights_id}/extension"): Case(
        NOT_BARRED, {"days": 10, "reason": "large_quantity"}
    ),
    ("referrals", "POST", "/v1/rights/{rights_id}/decision"): Case(
        NOT_BARRED, {"outcome": "refused", "grounds": ["s53_b"]}
    ),
    # Whoever decided last cannot confirm it; another decision stands for the others.
    ("referrals", "POST", "/v1/rights/{rights_id}/confirmation"): Case(
        tuple(each for each in NOT_BARRED if each != NOT_BARRED[-1]),
        {"decided_at": YESTERDAY},
        not_both=403,
    ),
    # Nothing is released, to anybody.
    ("referrals", "GET", "/v1/rights/{rights_id}/export"): Case(()),
    ("referrals", "GET", "/v1/cases/{case_id}/statements"): Case(KNOWS_SAFETY),
    ("referrals", "GET", "/v1/people/{person_id}/notice"): Case(NOT_BARRED),
    ("referrals", "PUT", "/v1/people/{person_id}/notice"): Case(
        NOT_BARRED, {"notified_at": YESTERDAY}
    ),
    # Of the person using violence: whoever serves him may reach him.
    ("referrals", "GET", "/v1/people/{person_id}/contacts"): Case(
        (*TEAM, "coordinator"), query="?purpose=fva20_b"
    ),
    ("referrals", "PUT", "/v1/people/{person_id}/contacts/{contact_id}"): Case(
        (*TEAM, "coordinator"), HIS
    ),
    ("referrals", "POST", "/v1/people/{person_id}/contacts/{contact_id}/suspension"): (
        Case((*TEAM, "coordinator"), {"reason": "someone_else_answered"})
    ),
    ("referrals", "POST", "/v1/people/{person_id}/contacts/{contact_id}/reveal"): (
        Case((*TEAM, "coordinator"), {"reason": "visit", "purpose": "fva20_b"})
    ),
    ("referrals", "GET", "/v1/cases/{case_id}/people"): Case((*TEAM, "coordinator")),
    ("referrals", "GET", "/v1/cases/{case_id}/accounts"): Case(KNOWS_SAFETY),
    ("referrals", "POST", "/v1/cases/{case_id}/accounts/{referral_id}/place"): Case(
        KNOWS_SAFETY, {"reason": "visit"}
    ),
    # Of services alone: people ask as who they are.
    ("referrals", "POST", "/v1/people/{person_id}/contact-permission"): Case(
        (), {"channel": "phone", "purpose": "fva20_c"}
    ),
    # Whoever could have a text looked through would find anybody by guessing.
    ("referrals", "POST", "/v1/screenings"): Case((), "screening"),
    ("referrals", "GET", "/v1/requests/{request_id}"): Case(NOT_BARRED),
    ("referrals", "POST", "/v1/requests/{request_id}/confirmation"): Case(
        tuple(each for each in NOT_BARRED if each != "lead"), not_both=403
    ),
    ("referrals", "DELETE", "/v1/requests/{request_id}"): Case(("lead",), not_both=403),
    # The list is the locality's, as that of roles without a worker is.
    ("referrals", "GET", "/v1/roles"): Case(("coordinator", "relative", "excluded")),
    # That neither harmed the other is said last, after whether one may ask.
    ("referrals", "POST", "/v1/cases/{case_id}/roles"): Case(("coordinator",), "roles"),
    ("referrals", "GET", "/v1/matches"): Case(("coordinator", "relative", "excluded")),
    ("referrals", "GET", "/v1/matches/{match_id}"): Case(("coordinator",)),
    ("referrals", "POST", "/v1/matches/{match_id}/decision"): Case(
        ("coordinator",), {"same": False}
    ),
    ("referrals", "POST", "/v1/matches/{match_id}/reversal"): Case(
        ("coordinator",), {"reason": "mistake"}
    ),
    ("referrals", "POST", "/v1/matches"): Case(("coordinator",), "match"),
    ("risk", "GET", "/v1/assessments/{case_id}"): Case(CASE_READERS),
    ("risk", "POST", "/v1/assessments/{case_id}/answers"): Case(
        KNOWS_SAFETY, {"answers": {}}
    ),
    ("risk", "POST", "/v1/assessments/{case_id}/raising"): Case(
        (*TEAM, "coordinator"), {"level": "low", "reason": "agency_warns"}
    ),
    ("risk", "POST", "/v1/assessments/{case_id}/reassessment"): Case(
        KNOWS_SAFETY, {"answers": {}, "contact": "remote"}
    ),
    # Nothing is proved: 409, for whoever may ask.
    ("risk", "POST", "/v1/assessments/{case_id}/lowering"): Case(
        KNOWS_SAFETY, {"level": "low", "reason": "danger_has_passed"}
    ),
    ("risk", "POST", "/v1/assessments/{case_id}/lowering/confirmation"): Case(
        KNOWS_SAFETY, {"level": "low"}
    ),
    ("risk", "GET", "/v1/assessments/{case_id}/proof"): Case(JUDGES),
    # Of services alone.
    ("risk", "POST", "/v1/proofs"): Case((), "proof"),
    ("risk", "GET", "/v1/assessments/{case_id}/history"): Case(JUDGES),
    ("risk", "GET", "/v1/assessments/{case_id}/people"): Case(JUDGES),
    ("risk", "GET", "/v1/assessments/{case_id}/people/history"): Case(JUDGES),
    ("risk", "PUT", "/v1/assessments/{case_id}/groups"): Case(
        KNOWS_SAFETY, {"groups": {"gender": "woman"}}
    ),
    # Neither locality weighs by a second version.
    ("risk", "GET", "/v1/policies/shadow"): Case((), by_scope=True),
    ("risk", "GET", "/v1/assessments/{case_id}/past"): Case(JUDGES),
    ("risk", "GET", "/v1/assessments/{case_id}/past/{revision}"): Case(JUDGES),
    ("risk", "GET", "/v1/policies/{fingerprint}"): Case(PRESENT, by_scope=True),
    ("risk", "GET", "/v1/instruments"): Case(PRESENT, by_scope=True),
    ("allocation", "GET", "/v1/away"): Case(("coordinator", "relative", "excluded")),
    ("allocation", "GET", "/v1/equity"): Case(PRESENT, by_scope=True),
    ("risk", "GET", "/v1/validity"): Case(PRESENT, by_scope=True),
    ("risk", "GET", "/v1/validity/plot"): Case(PRESENT, by_scope=True),
    ("plans", "GET", "/v1/plans/{case_id}"): Case(CASE_READERS),
    ("plans", "POST", "/v1/plans/{case_id}/agreement"): Case(
        KNOWS_SAFETY, {"plan_version": 1}
    ),
    ("plans", "POST", "/v1/plans/{case_id}/actions/{action_id}/completion"): Case(
        ("specialist",), {"evidence": {"kind": "contact_record"}}
    ),
    ("plans", "POST", "/v1/plans/{case_id}/actions/{action_id}/undone"): Case(
        KNOWS_SAFETY, {"reason": "does_not_apply"}
    ),
    # Whose own action it is confirms nothing of it.
    ("plans", "POST", "/v1/plans/{case_id}/actions/{action_id}/confirmation"): Case(
        ("lead", "coordinator"),
        {"said_at": "2026-01-01T00:00:00Z", "confirmed": False},
        not_both=403,
    ),
    ("plans", "GET", "/v1/plans/{case_id}/versions"): Case(CASE_READERS),
    ("plans", "GET", "/v1/plans/{case_id}/versions/{plan_version}"): Case(CASE_READERS),
    ("plans", "GET", "/v1/plans/{case_id}/comparison"): Case(
        CASE_READERS, query="?from=1&to=1"
    ),
    ("plans", "POST", "/v1/plans/{case_id}/review"): Case(
        KNOWS_SAFETY, {"plan_version": 1, "review_by": "2026-01-01T00:00:00Z"}
    ),
    ("plans", "POST", "/v1/plans/{case_id}/revision"): Case(
        KNOWS_SAFETY,
        {
            "plan_version": 1,
            "actions": [{"action": "none", "role": SPECIALIST, "within_hours": 1}],
        },
    ),
    ("plans", "POST", "/v1/plans/{case_id}/breaches"): Case(
        (*TEAM, "coordinator"),
        {"kind": "came_near", "happened_at": "2026-01-01T00:00:00Z"},
    ),
    ("plans", "POST", "/v1/plans/{case_id}/closure"): Case(
        ("lead", "coordinator"), {"reason": "safety_goals_met", "outcomes": OUTCOMES}
    ),
    # Of what nobody says there is nothing to confirm: 409, and only to whoever may.
    ("plans", "POST", "/v1/plans/{case_id}/closure/confirmation"): Case(
        KNOWS_SAFETY, {"said_at": "2026-01-01T00:00:00Z"}
    ),
    # Of agencies, for people of theirs who are in the directory.
    ("plans", "GET", "/v1/actions"): Case(()),
    ("plans", "PUT", "/v1/plans/{case_id}/actions/{action_id}/acceptance"): Case(()),
    ("plans", "DELETE", "/v1/plans/{case_id}/actions/{action_id}/acceptance"): Case(()),
    ("plans", "GET", "/v1/workers/{worker_id}/actions"): Case(("specialist",)),
    # The calendar is no secret; the agencies that are invited see when, and no case.
    ("plans", "GET", "/v1/meetings"): Case(PRESENT, by_scope=True),
    ("plans", "GET", "/v1/meetings/calendar"): Case(PRESENT, by_scope=True),
    ("plans", "GET", "/v1/meetings/statement"): Case(PRESENT, by_scope=True),
    # It is the locality's: whoever is barred from one case sees the others.
    ("plans", "GET", "/v1/meetings/{meeting_id}"): Case(
        (*CLERKS, "specialist", *LOCALITYS)
    ),
    ("plans", "GET", "/v1/meetings/{meeting_id}/pack"): Case(
        (*CLERKS, "specialist", *LOCALITYS)
    ),
    # The pack that was read is another: 409, for whoever may read one and is somebody.
    ("plans", "POST", "/v1/meetings/{meeting_id}/packs/{pack}/releases"): Case(
        ("specialist", *LOCALITYS), {"paper": "a" * 16}
    ),
    # Nobody has let a pack go.
    (
        "plans",
        "POST",
        "/v1/meetings/{meeting_id}/packs/{pack}/releases/{release_id}/confirmation",
    ): Case((), {"paper": "a" * 16}),
    (
        "plans",
        "GET",
        "/v1/meetings/{meeting_id}/packs/{pack}/releases/{release_id}/paper",
    ): Case(()),
    (
        "plans",
        "DELETE",
        "/v1/meetings/{meeting_id}/packs/{pack}/releases/{release_id}",
    ): Case(()),
    ("plans", "PUT", "/v1/meetings/{meeting_id}"): Case(("coordinator",), "meeting"),
    ("plans", "DELETE", "/v1/meetings/{meeting_id}"): Case(LOCALITYS),
    ("plans", "POST", "/v1/meetings/{meeting_id}/attendance"): Case(
        ("specialist", *LOCALITYS), SIGNED, unregistered=403
    ),
    ("plans", "POST", "/v1/meetings/{meeting_id}/beginning"): Case(LOCALITYS),
    # It has begun, so nobody is asked beforehand any more: 409, to whoever leads it.
    ("plans", "POST", "/v1/meetings/{meeting_id}/inquiries"): Case(
        ("coordinator",), "asking"
    ),
    ("plans", "PUT", "/v1/meetings/{meeting_id}/cases/{case_id}"): Case(
        ("specialist", "coordinator")
    ),
    ("plans", "GET", "/v1/meetings/{meeting_id}/cases/{case_id}"): Case(
        ("specialist", "coordinator")
    ),
    # Only whoever has signed decides, in their own name.
    ("plans", "POST", "/v1/meetings/{meeting_id}/cases/{case_id}/decision"): Case(
        ("specialist", "coordinator"), {"level": "high"}
    ),
    # By no code of the locality's: 422, and only to whoever may settle it.
    (
        "plans",
        "POST",
        "/v1/meetings/{meeting_id}/cases/{case_id}/tasks/{task_id}/completion",
    ): Case(("coordinator",), {"evidence": {"kind": "hearsay"}}),
    (
        "plans",
        "POST",
        "/v1/meetings/{meeting_id}/cases/{case_id}/tasks/{task_id}/undone",
    ): Case(("coordinator",), {"reason": "no_such_reason"}),
    # Nobody has said anything of it: 409, and only to whoever might confirm it.
    (
        "plans",
        "POST",
        "/v1/meetings/{meeting_id}/cases/{case_id}/tasks/{task_id}/confirmation",
    ): Case(("coordinator",), {"said_at": "2026-01-01T00:00:00Z", "confirmed": False}),
    ("plans", "GET", "/v1/tasks"): Case(()),
    # Of agencies, for people of theirs who are in the directory.
    ("plans", "GET", "/v1/meetings/{meeting_id}/extract"): Case(()),
    ("plans", "POST", "/v1/meetings/{meeting_id}/closure"): Case(LOCALITYS),
    ("plans", "GET", "/v1/meetings/{meeting_id}/minutes"): Case(LOCALITYS),
    ("plans", "GET", "/v1/meetings/{meeting_id}/extract/pack"): Case(()),
    ("plans", "GET", "/v1/plans/{case_id}/papers/{audience}"): Case(KNOWS_SAFETY),
    ("plans", "GET", "/v1/plans/{case_id}/releases"): Case((*TEAM, "coordinator")),
    # Without the paper that was read it is refused, and only to whoever may: 409.
    ("plans", "POST", "/v1/plans/{case_id}/releases"): Case(
        KNOWS_SAFETY, {"audience": "team", "paper": "a" * 16}
    ),
    ("plans", "POST", "/v1/plans/{case_id}/releases/{release_id}/confirmation"): Case(
        ("specialist", "coordinator"), {"paper": "a" * 16}, not_both=403
    ),
    ("plans", "GET", "/v1/plans/{case_id}/releases/{release_id}/paper"): Case(
        KNOWS_SAFETY
    ),
    ("plans", "DELETE", "/v1/plans/{case_id}/releases/{release_id}"): Case(
        KNOWS_SAFETY
    ),
    ("plans", "GET", "/v1/plans/{case_id}/voices"): Case((*TEAM, "coordinator")),
    ("plans", "PUT", "/v1/plans/{case_id}/voices/{person_id}/holding"): Case(
        KNOWS_SAFETY, {"side": "person_harmed", "unsafe": True}
    ),
    ("plans", "PUT", "/v1/plans/{case_id}/voices/{person_id}/entries/{entry_id}"): (
        Case(KNOWS_SAFETY, WISH)
    ),
    (
        "plans",
        "DELETE",
        "/v1/plans/{case_id}/voices/{person_id}/entries/{entry_id}",
    ): Case(KNOWS_SAFETY),
    ("plans", "GET", "/v1/plans/{case_id}/needs"): Case((*TEAM, "coordinator")),
    ("plans", "POST", "/v1/plans/{case_id}/needs"): Case(KNOWS_SAFETY, "need"),
    ("plans", "GET", "/v1/plans/{case_id}/needs/{need_id}/providers"): Case(
        KNOWS_SAFETY
    ),
    # Each agency its own: of one that is asked nothing there is nothing.
    ("plans", "GET", "/v1/services"): Case(CLERKS),
    ("plans", "POST", "/v1/services/{service_id}/steps"): Case(
        ("other agency",), {"step": "accepted"}
    ),
    ("plans", "POST", "/v1/plans/{case_id}/needs/{need_id}/services"): Case(
        KNOWS_SAFETY, {"provider": "another_refuge"}
    ),
    (
        "plans",
        "POST",
        "/v1/plans/{case_id}/needs/{need_id}/services/{service_id}/steps",
    ): Case(KNOWS_SAFETY, {"step": "accepted"}),
    ("allocation", "POST", "/v1/allocations/{allocation_id}/acceptance"): Case(
        ("specialist",)
    ),
    ("allocation", "POST", "/v1/allocations/{allocation_id}/decline"): Case(
        ("specialist",), {"reason": "no_capacity"}
    ),
    ("allocation", "GET", "/v1/allocations/{allocation_id}"): Case(("specialist",)),
    # Somebody has the role, so that it is not offered: 409, for whoever may choose.
    ("allocation", "POST", "/v1/allocations/{allocation_id}/offer"): Case(
        ("coordinator",), "offer"
    ),
    # The roles of the locality: whoever is barred from one case sees the others.
    ("allocation", "POST", "/v1/placements"): Case(
        ("coordinator", "relative", "excluded"), {"seconds": 0.5}
    ),
    ("allocation", "GET", "/v1/allocations/{allocation_id}/candidates"): Case(
        ("coordinator",)
    ),
    ("allocation", "GET", "/v1/workers/{worker_id}/offers"): Case(("specialist",)),
    ("allocation", "GET", "/v1/allocations"): Case(
        KNOWS_SAFETY, query="?case_id={case_id}"
    ),
    # The list is the locality's: whoever is barred from one case sees the others.
    ("allocation", "GET", "/v1/unowned"): Case(("coordinator", "relative", "excluded")),
    ("allocation", "PUT", "/v1/workers/{worker_id}"): Case(
        tuple(each for each in PRESENT if each != "specialist"),
        "worker",
        unregistered=403,
        by_scope=True,
    ),
    ("allocation", "GET", "/v1/workers/{worker_id}"): Case(PRESENT, by_scope=True),
    ("allocation", "GET", "/v1/workers"): Case(PRESENT, by_scope=True),
    ("allocation", "GET", "/v1/providers"): Case(PRESENT, by_scope=True),
    ("allocation", "PUT", "/v1/providers/{code}"): Case(
        PRESENT, PROVIDER, by_scope=True
    ),
    ("allocation", "GET", "/v1/providers/{code}"): Case(PRESENT, by_scope=True),
    ("allocation", "GET", "/v1/offers-of-help"): Case((), query="?need=housing"),
    ("allocation", "GET", "/v1/directory/hsds"): Case(PRESENT, by_scope=True),
    ("allocation", "PUT", "/v1/directory/hsds"): Case(
        PRESENT, {"contents": []}, by_scope=True
    ),
    ("allocation", "GET", "/v1/directory/workers"): Case(PRESENT, by_scope=True),
    # A body of JSON is no sheet: 415, for whoever has the scope.
    ("allocation", "PUT", "/v1/directory/workers"): Case(PRESENT, {}, by_scope=True),
    # Of services alone, whatever scopes a person's token has.
    ("allocation", "GET", "/v1/workers/{worker_id}/contact"): Case(()),
    ("allocation", "GET", "/v1/duty/coordinators"): Case(()),
    ("allocation", "PUT", "/v1/rotas/{rota_id}"): Case(PRESENT, "rota", by_scope=True),
    ("allocation", "GET", "/v1/rotas/{rota_id}"): Case(PRESENT, by_scope=True),
    ("allocation", "GET", "/v1/rotas"): Case(PRESENT, by_scope=True),
    ("allocation", "PUT", "/v1/rotas/{rota_id}/overrides/{override_id}"): Case(
        PRESENT, "override", by_scope=True
    ),
    # There is no such override any more, for whoever comes second.
    ("allocation", "DELETE", "/v1/rotas/{rota_id}/overrides/{override_id}"): Case(
        ("sender",), by_scope=True
    ),
    ("allocation", "POST", "/v1/standings"): Case((), "standings"),
    ("allocation", "GET", "/v1/cases/{case_id}/lists"): Case(("coordinator",)),
    # Without the ETag of those one has read: 428, and only to whoever may.
    ("allocation", "PUT", "/v1/cases/{case_id}/lists"): Case(("coordinator",), "lists"),
    ("allocation", "GET", "/v1/cases/{case_id}/looked-at"): Case(("coordinator",)),
    ("allocation", "GET", "/v1/cases/{case_id}/lead"): Case(KNOWS_SAFETY),
    ("allocation", "PUT", "/v1/cases/{case_id}/lead"): Case(
        ("coordinator",), {"agency": "police", "unstaffed": True}
    ),
    ("allocation", "GET", "/v1/cases/{case_id}/glass"): Case(("coordinator",)),
    ("allocation", "POST", "/v1/glass/{glass_id}/review"): Case(
        ("coordinator",), {"justified": True}
    ),
    ("notify", "GET", "/v1/inbox"): Case(AT_WORK, refusal=403, unregistered=404),
    ("notify", "GET", "/v1/inbox/stream"): Case(
        AT_WORK, refusal=403, unregistered=404, query="?lasting=1"
    ),
    ("notify", "GET", "/v1/inbox/{message_id}"): Case(("specialist",)),
    ("notify", "POST", "/v1/inbox/{message_id}/acknowledgement"): Case(("specialist",)),
    ("notify", "POST", "/v1/inbox/{message_id}/refusal"): Case(
        ("specialist",), {"reason": "no_capacity"}
    ),
    ("notify", "POST", "/v1/inbox/{message_id}/handover"): Case(
        ("specialist",), {"worker_id": new_id()}
    ),
    (
        "notify",
        "PUT",
        "/v1/cases/{case_id}/people/{harmed_id}/contacts/{contact_id}/messages/{message_id}",
    ): Case(
        KNOWS_SAFETY, {"text": "we_will_ring", "language": "en", "purpose": "fva20_c"}
    ),
    ("notify", "GET", "/v1/cases/{case_id}/contact-messages"): Case(KNOWS_SAFETY),
    ("notify", "GET", "/v1/unreachable"): Case(PRESENT, by_scope=True),
    # Without a signature it is from nobody: 422, for whoever has the scope.
    ("notify", "POST", "/v1/sms-callbacks"): Case(PERSONAS, {}, by_scope=True),
    ("notify", "POST", "/v1/bounces"): Case(PERSONAS, {}, by_scope=True),
    ("notify", "GET", "/v1/sms-callbacks/unknown"): Case(PRESENT, by_scope=True),
    # There is no key by which agencies' systems could be told, so none has a webhook.
    ("notify", "PUT", "/v1/agencies/{code}/webhook"): Case(
        PRESENT, {"url": "https://agency.example/told"}, by_scope=True
    ),
    ("notify", "GET", "/v1/agencies/{code}/webhook"): Case((), by_scope=True),
    ("notify", "DELETE", "/v1/agencies/{code}/webhook"): Case((), by_scope=True),
    ("notify", "POST", "/v1/agencies/{code}/webhook/secrets"): Case((), by_scope=True),
    ("notify", "GET", "/v1/push-subscriptions"): Case(
        AT_WORK, refusal=403, unregistered=404
    ),
    # Nothing is pushed here, so whoever may put a browser is told that.
    ("notify", "PUT", "/v1/push-subscriptions"): Case(
        AT_WORK, BROWSER, refusal=403, unregistered=404
    ),
    # There is no such browser, for nobody.
    ("notify", "DELETE", "/v1/push-subscriptions/{subscription_id}"): Case(()),
    ("notify", "GET", "/v1/cases/{case_id}/notifications"): Case(("coordinator",)),
    ("notify", "GET", "/v1/cases/{case_id}/notifications/record"): Case(
        ("coordinator",)
    ),
    # Late, because the role is offered to others from then on.
    ("allocation", "POST", "/v1/allocations/{allocation_id}/handover"): Case(
        ("specialist",), {"reason": "leaving"}
    ),
    # The last: whoever breaks the glass sees more afterwards.
    ("allocation", "POST", "/v1/cases/{case_id}/glass"): Case(
        (*TEAM, "coordinator", "colleague", "glass breaker"),
        {"reason": "child_in_danger"},
    ),
}
"""Every route there is, and who may have what it answers."""


def sent(stage: Stage, body: Any) -> Any:
    """Give what a route is sent."""
    ids = stage.ids
    named: dict[str, Any] = {
        "referral": {**stage.referral, "reference": new_id()},
        "merge": {"other_id": ids["case_id"], "reason": "same_household"},
        # Whether somebody is themselves is asked last, after whether one may ask.
        "roles": {
            "harmed": ids["person_id"],
            "using_violence": ids["person_id"],
            "reason": "looked_into",
        },
        "match": {"people": [ids["person_id"]] * 2},
        "worker": {"roles": [SPECIALIST], "capacity": 100},
        "inquiry": asks_about(ids["person_id"]),
        "asking": {
            "cases": [
                {"case_id": ids["case_id"], "belief": "may_help", "consulted": True}
            ]
        },
        "meeting": {"starts_at": f"{AHEAD}T09:00:00Z", "cases": [ids["case_id"]]},
        "rights": access_of(ids["person_id"]),
        "order": {**BAIL, "bound": [ids["person_id"]]},
        "need": {**HOUSING, "person_id": ids["person_id"]},
        "standings": {
            "asked": [{"worker_id": ids["worker_id"], "case_ids": [ids["case_id"]]}]
        },
        "proof": {"case_id": ids["case_id"], "closed_by": ids["worker_id"]},
        "screening": {
            "case_id": ids["case_id"],
            "audience": "team",
            "texts": ["anybody"],
        },
        "offer": {"worker_id": stage.workers["colleague"]},
        "rota": {
            "rota": "after_hours",
            "turns": [ids["worker_id"]],
            "starts_at": f"{AHEAD}T08:00:00Z",
        },
        "override": {
            "worker_id": ids["worker_id"],
            "since": f"{AHEAD}T08:00:00Z",
            "until": f"{AHEAD}T20:00:00Z",
        },
        "lists": lists_of(stage.workers),
    }
    return named[body] if isinstance(body, str) else body


CODES = frozenset(
    {
        "code",
        "key_id",
        "breach",
        "audience",
        "pack",
        "plan_version",
        "revision",
        "fingerprint",
    }
)
"""What stands in patterns and is no record's id."""


async def asked(stage: Stage, persona: str, route: tuple[str, str, str]) -> Answer:
    """Have a persona ask a route about the stage's case."""
    service, method, path = route
    case = ROUTES[route]
    url = f"/api/{service}{path}{case.query}".format(**stage.ids)
    if case.body != "lines":
        return await stage.ask(persona, method, url, sent(stage, case.body))
    line = json.dumps(sent(stage, "referral")).encode()
    return await stage.people[persona].sends_lines(url, line)


async def test_every_route_is_in_the_table(region: Region) -> None:
    assert await region.routes() == set(ROUTES)


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
async def test_each_may_what_is_theirs_and_nobody_else(
    stage: Stage, route: tuple[str, str, str]
) -> None:
    case = ROUTES[route]
    found = {each: (await asked(stage, each, route)).status for each in PERSONAS}

    allowed = {each for each, status in found.items() if status not in REFUSED}
    assert allowed == set(case.may), found
    refused = {status for each, status in found.items() if each not in case.may}
    assert refused <= {case.refusal, case.unregistered, case.not_both}, found
    assert not [status for status in found.values() if status >= 500]
    assert (await asked(stage, "nobody", route)).status == 403


@pytest.mark.parametrize(
    "route",
    [
        each
        for each, case in ROUTES.items()
        if "{" in f"{each[2]}{case.query}" and not case.by_scope
    ],
    ids=" ".join,
)
async def test_what_is_not_ones_own_looks_as_if_it_were_not_there(
    stage: Stage, route: tuple[str, str, str]
) -> None:
    others = next(each for each in BARRED if each not in ROUTES[route].may)
    nowhere = Stage(
        stage.region,
        {**stage.ids, **{name: new_id() for name in stage.ids if name not in CODES}},
        stage.people,
        stage.workers,
        stage.referral,
        stage.hidden,
    )

    hidden = await asked(stage, others, route)
    absent = await asked(nowhere, others, route)

    told, told_of_none = hidden.json(), absent.json()
    assert told.pop("instance") != told_of_none.pop("instance")
    assert (hidden.status, told) == (absent.status, told_of_none)


async def test_outreach_sees_the_level_and_their_own_actions_and_no_more(
    stage: Stage,
) -> None:
    case = stage.ids["case_id"]
    plan = (await stage.ask("outreach", "GET", f"/api/plans/v1/plans/{case}")).json()
    risk = await stage.ask("outreach", "GET", f"/api/risk/v1/assessments/{case}")

    assert {each["role"] for each in plan["actions"]} == {OUTREACH}
    shown = risk.json()
    assert shown["level"] in {"high", "extreme"}
    assert not any(shown[each] for each in ("reasons", "answers", "unknowns"))
    seen = (await stage.ask("specialist", "GET", f"/api/plans/v1/plans/{case}")).json()
    assert {each["role"] for each in seen["actions"]} == set(HIGH_RISK_TEAM)


async def test_outreach_is_told_nothing_of_her_wishes_or_how_far_away_she_is(
    stage: Stage,
) -> None:
    roles = await stage.ask(
        "coordinator",
        "GET",
        f"/api/allocation/v1/allocations?case_id={stage.ids['case_id']}",
    )
    offers = {each["role"]: each["allocation_id"] for each in roles.json()}
    why = {}
    for persona, role in (("specialist", SPECIALIST), ("outreach", OUTREACH)):
        path = f"/api/allocation/v1/allocations/{offers[role]}"
        why[persona] = (await stage.ask(persona, "GET", path)).json()["reasons"]

    assert "area_met" in why["specialist"]
    assert set(why["outreach"]) <= {"continuity_met", "least_loaded"}


async def test_outreach_reaches_him_and_has_nothing_of_how_she_is_reached(
    stage: Stage,
) -> None:
    found = {
        who: await stage.ask(
            "outreach",
            "GET",
            f"/api/referrals/v1/people/{stage.ids[who]}/contacts?purpose=fva20_b",
        )
        for who in ("person_id", "harmed_id")
    }

    assert {who: each.status for who, each in found.items()} == {
        "person_id": 200,
        "harmed_id": 404,
    }


async def test_whom_and_what_is_told_without_an_address_and_to_outreach_of_him_alone(
    stage: Stage,
) -> None:
    case = f"/api/referrals/v1/cases/{stage.ids['case_id']}"
    whom, what, his = (
        await stage.ask("specialist", "GET", f"{case}/people"),
        await stage.ask("specialist", "GET", f"{case}/accounts"),
        await stage.ask("outreach", "GET", f"{case}/people"),
    )

    assert stage.hidden.found_in([whom.body]) == {"name"}
    assert stage.hidden.found_in([what.body]) == {"narrative"}
    assert {each["person_id"] for each in his.json()["people"]} == {
        stage.ids["person_id"]
    }


async def test_a_request_is_listed_to_those_who_may_see_its_case(stage: Stage) -> None:
    held = f"/api/referrals/v1/cases/{stage.ids['case_id']}/hold"
    why = {"reason": "court"}
    assert (await stage.ask("coordinator", "PUT", held, why)).ok
    assert (await stage.ask("lead", "POST", f"{held}/release", why)).status == 201

    path = "/api/referrals/v1/requests"
    listed = {
        each: {e["about"] for e in (await stage.ask(each, "GET", path)).json()}
        for each in PRESENT
    }

    case = stage.ids["case_id"]
    assert {each for each, about in listed.items() if case in about} == set(NOT_BARRED)


async def test_two_subjects_of_one_worker_are_one_person(stage: Stage) -> None:
    now = int(stage.region.clock.now().timestamp())
    alias = Somebody(
        stage.region, "alias", *EVERY_SCOPE, worker=stage.workers["lead"], auth_time=now
    )
    path = f"/api/referrals/v1/requests/{stage.ids['request_id']}/confirmation"

    answer = await alias.sends("POST", path)
    alias.hang_up()

    assert answer.status == 403
    assert answer.json()["type"] == "urn:accord:problem:own-request"


async def test_nothing_that_locates_her_is_in_any_answer(stage: Stage) -> None:
    assert len(stage.answers) > len(ROUTES)

    assert not stage.hidden.found_in(stage.answers)
