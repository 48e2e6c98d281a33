"""Meetings over HTTP: who may do what at them, and a whole day of a large table."""

import asyncio
import re
from collections.abc import Awaitable, Sequence
from datetime import datetime, timedelta
from itertools import product
from random import Random
from typing import Any

import httpx2
import pytest
from accord_chassis.clock import SimulatedClock
from accord_chassis.testing import (
    COORDINATOR,
    NOON,
    audited,
    eventually,
    message_of,
    new_id,
    sent_by,
)
from accord_contracts.access import Side
from accord_contracts.allocation import Role
from accord_contracts.message import Event, Message
from accord_contracts.plans import (
    ActionOverdue,
    MeetingAsked,
    MeetingCalled,
    MeetingCalledOff,
    MeetingClosed,
    MeetingDecided,
    MeetingTaskDone,
    MeetingTaskDueSoon,
    MeetingTaskNotDone,
    MeetingTaskOverdue,
    MeetingTaskPromised,
    PaperGroup,
    PaperReleased,
    PlanBreached,
    PlanClosed,
)
from accord_contracts.referrals import (
    AgencyKind,
    CaseErased,
    CaseMerged,
    CaseTransferred,
    CaseUnmerged,
    InformationDecided,
    InformationRequested,
    Party,
    PersonRole,
    ReferralReceived,
    RolesDecided,
    SharingDecision,
    SharingReason,
    Wishes,
)
from accord_contracts.risk import RiskLevel, Tier
from meetings_builders import AGENCIES, RULES, STATEMENT, WEEKLY, daily
from plans.meeting import hearing
from plans.meeting.store import Table
from plans_builders import IVS, TOLD, Running, assessed, plan

LOW, MEDIUM, HIGH, EXTREME = RiskLevel
HOUR = timedelta(hours=1)
MEET = "plans.meet"


class Member:
    """Somebody at the table, who speaks HTTP under a token of their own."""

    def __init__(self, running: Running, agency: str | None, worker: str = "") -> None:
        self.running = running
        self.agency = agency
        self.worker = worker or new_id()
        claims = {"agency": agency} if agency else {}
        token = running.issuer.token(
            f"member-{self.worker}", MEET, region="test", worker=self.worker, **claims
        )
        self.headers = {"Authorization": f"Bearer {token}"}

    async def asks(self, method: str, path: str, body: Any = None) -> httpx2.Response:
        return await self.running.http.request(
            method, f"/v1/meetings{path}", headers=self.headers, json=body
        )

    async def reads(self, path: str) -> Any:
        answer = await self.asks("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def signs(self, meeting: str) -> None:
        body = {"statement": STATEMENT, "digest": RULES.statement.digest}
        answer = await self.asks("POST", f"/{meeting}/attendance", body)
        assert answer.status_code == 200, answer.text

    async def decides(
        self, meeting: str, case: str, level: RiskLevel = HIGH, **told: Any
    ) -> httpx2.Response:
        body = {"level": level.value, **told}
        return await self.asks("POST", f"/{meeting}/cases/{case}/decision", body)


CAN_BE_ASKED = ("safe_contact", "safety_advice", "programme")


def table_of(running: Running) -> Table:
    found: Table = running.service.parts[Table]
    return found


def chair(running: Running) -> Member:
    return Member(running, None, COORDINATOR)


async def referred(running: Running, *levels: RiskLevel) -> list[str]:
    """Have cases assessed at some levels; give their ids."""
    cases = [new_id() for _ in levels]
    for case_id, level in zip(cases, levels, strict=True):
        await hearing.note_assessment(assessed(case_id, level), table=table_of(running))
    return cases


async def test_where_a_tier_has_a_case_spoken_about_is_heard_with_its_level(
    running: Running,
) -> None:
    table = table_of(running)
    [case] = await referred(running, LOW)
    tier = Tier(code="lifted", roles=(), actions=(), clocks={}, meeting=WEEKLY)

    lifted = assessed(case, LOW, revision=2, tier=tier)
    await hearing.note_assessment(lifted, table=table)
    taken = await table.dockets.at_risk(HIGH, WEEKLY)
    await hearing.note_assessment(assessed(case, LOW, revision=3), table=table)
    then = await table.dockets.at_risk(HIGH, WEEKLY)

    assert case in {each.id for each in taken.cases}
    assert case not in {each.id for each in then.cases}


def received(case: str, at: datetime) -> Message[Any]:
    """Have another referral of a case be received."""
    told = ReferralReceived(
        case_id=case,
        referral_id=new_id(),
        agency_kind=AgencyKind.POLICE,
        incidents=(),
        answers={},
        parties=(Party(person_id=new_id(), role=PersonRole.PERSON_HARMED),),
        wishes=Wishes(),
        repeat=False,
        occurred_at=at,
        first_referred_at=at,
    )
    return message_of(told, at=at)


async def sat_down(
    running: Running, meeting: str, agencies: Sequence[str] = ("police",)
) -> list[Member]:
    """Have the coordinator begin a meeting at which these have signed."""
    leads = chair(running)
    members = [leads, *(Member(running, each) for each in agencies)]
    for each in members:
        await each.signs(meeting)
    answer = await leads.asks("POST", f"/{meeting}/beginning")
    assert answer.status_code == 200, answer.text
    return members


def problem(answer: httpx2.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["type"].rpartition(":")[2]


def morning(clock: SimulatedClock) -> str:
    """Give the next daily meeting, and have the time come for it to begin."""
    held = daily(clock.now())
    clock.advance(held.starts_at - clock.now())
    return held.id


def too_late(case: str, level: RiskLevel) -> ActionOverdue:
    """That a specialist has not kept a commitment in time."""
    return ActionOverdue(
        case_id=case,
        plan_version=1,
        action_id=new_id(),
        action="safe_contact",
        role=IVS,
        worker_id=None,
        level=level,
        due_at=NOON,
        late_by=1.0,
    )


async def test_an_agenda_builds_itself_and_says_who_was_asked(
    running: Running, clock: SimulatedClock
) -> None:
    table = table_of(running)
    case, other = await referred(running, MEDIUM, HIGH)
    inquiry = {"case_id": case, "inquiry_id": new_id(), "agency": "hospital"}
    asked = InformationRequested(
        **inquiry, requested_at=NOON, needed_by=NOON + 12 * HOUR
    )
    decided = InformationDecided(
        **inquiry,
        number=1,
        decision=SharingDecision.DECLINED,
        reason=SharingReason.NOTHING_HELD,
        answers={},
        decided_at=NOON + HOUR,
    )
    late = too_late(case, MEDIUM)
    await hearing.note_inquiry(message_of(asked), table=table)
    await hearing.note_inquiry(message_of(decided), table=table)
    await hearing.note_action(message_of(late), table=table)
    meeting = morning(clock)

    found = await chair(running).reads(f"/{meeting}")

    assert [each["case_id"] for each in found["cases"]] == [other, case]
    mine = found["cases"][1]
    assert set(mine["why"]) == {"new_referral", "action_overdue"}
    assert mine["overdue"] == 1
    [answered] = mine["asked"]
    assert answered["agency"] == "hospital"
    assert answered["decision"] == "declined"
    assert "nothing_held" not in str(found)
    assert "hospital" not in mine["unasked"]
    assert "police" in mine["unasked"]


async def inquired(case: str, agency: str, table: Table, *, answered: bool) -> None:
    """Have an agency be asked about a case at noon; it may answer an hour later."""
    inquiry = {"case_id": case, "inquiry_id": new_id(), "agency": agency}
    asked = InformationRequested(
        **inquiry, requested_at=NOON, needed_by=NOON + 12 * HOUR
    )
    await hearing.note_inquiry(message_of(asked), table=table)
    if not answered:
        return
    said = InformationDecided(
        **inquiry,
        number=1,
        decision=SharingDecision.SHARED,
        reason=SharingReason.WILL_OR_MAY_HELP,
        answers={},
        decided_at=NOON + HOUR,
    )
    await hearing.note_inquiry(message_of(said), table=table)


async def test_an_answer_of_before_is_not_shown_as_one_for_this_meeting(
    running: Running, clock: SimulatedClock
) -> None:
    table = table_of(running)
    [case] = await referred(running, HIGH)
    for agency in ("police", "hospital"):
        await inquired(case, agency, table, answered=True)
    clock.advance(timedelta(days=150))
    now = clock.now()
    again = assessed(case, HIGH, revision=2, at=now)
    await hearing.note_assessment(again, table=table)
    [kept] = await table.dockets.all_of([case])
    assert len(kept.asked_since(now)) == 2
    await running.hears(received(case, now))

    async def referred_anew() -> bool:
        [held] = await table.dockets.all_of([case])
        return held.received_at == now

    await eventually(referred_anew)
    anew = InformationRequested(
        case_id=case,
        inquiry_id=new_id(),
        agency="police",
        requested_at=now,
        needed_by=now + 12 * HOUR,
    )
    await hearing.note_inquiry(message_of(anew), table=table)
    meeting = morning(clock)

    [shown] = (await chair(running).reads(f"/{meeting}"))["cases"]

    assert [(e["agency"], e["decided_at"]) for e in shown["asked"]] == [
        ("police", None)
    ]
    assert "hospital" in shown["unasked"]


async def test_a_broken_plan_or_order_comes_before_the_meeting_in_the_survivor(
    running: Running, clock: SimulatedClock
) -> None:
    table = table_of(running)
    case, other = await referred(running, MEDIUM, HIGH)
    merged = CaseMerged(case_id=other, survivor_id=case, merged_at=NOON)
    await hearing.note_merging(message_of(merged), table=table)
    plan = PlanBreached(case_id=other, plan_version=1, level=MEDIUM, breached_at=NOON)

    await hearing.note_breach(message_of(plan), table=table)

    meeting = morning(clock)
    [shown] = (await chair(running).reads(f"/{meeting}"))["cases"]
    assert shown["case_id"] == case
    assert "breach" in shown["why"]


async def test_what_is_merged_brings_its_survivor_up_whatever_is_heard_first(
    running: Running, clock: SimulatedClock
) -> None:
    table = table_of(running)
    case, other = await referred(running, HIGH, HIGH)
    broken = PlanBreached(case_id=other, plan_version=1, level=HIGH, breached_at=NOON)
    late = too_late(other, HIGH)
    told = CaseMerged(case_id=other, survivor_id=case, merged_at=NOON)
    merged = message_of(told, version=2)

    await hearing.note_breach(message_of(broken), table=table)
    await hearing.note_merging(merged, table=table)
    await hearing.note_action(message_of(late), table=table)
    await hearing.note_merging(merged, table=table)

    meeting = morning(clock)
    [shown] = (await chair(running).reads(f"/{meeting}"))["cases"]
    assert shown["case_id"] == case
    assert {"breach", "action_overdue"} <= {*shown["why"]}
    assert shown["overdue"] == 1
    apart = CaseUnmerged(case_id=other, survivor_id=case, unmerged_at=NOON)
    await hearing.note_merging(message_of(apart, version=3), table=table)
    both = (await chair(running).reads(f"/{meeting}"))["cases"]
    assert {each["case_id"]: each["overdue"] for each in both} == {case: 0, other: 1}
    assert {e["case_id"] for e in both if "breach" in e["why"]} == {other}


async def test_who_was_asked_is_shown_to_coordinators_and_to_the_agency_itself(
    running: Running, clock: SimulatedClock
) -> None:
    [case] = await referred(running, HIGH)
    inquiry = InformationRequested(
        case_id=case,
        inquiry_id=new_id(),
        agency="hospital",
        requested_at=NOON,
        needed_by=NOON + 12 * HOUR,
    )
    await hearing.note_inquiry(message_of(inquiry), table=table_of(running))
    meeting = morning(clock)
    table = await sat_down(running, meeting, ("hospital", "police"))

    shown = [(await each.reads(f"/{meeting}"))["cases"][0] for each in table]

    asked = [[each["agency"] for each in one["asked"]] for one in shown]
    assert asked == [["hospital"], ["hospital"], []]
    assert ["police" in one["unasked"] for one in shown] == [True, False, False]


async def test_who_answered_in_a_merged_case_is_shown_in_its_survivor_as_that_cases(
    running: Running, clock: SimulatedClock
) -> None:
    case, other = await referred(running, HIGH, HIGH)
    table = table_of(running)
    for case_id, agency in ((case, "hospital"), (other, "hospital"), (other, "kura")):
        await inquired(case_id, agency, table, answered=case_id == other)
    merged = CaseMerged(case_id=other, survivor_id=case, merged_at=NOON)
    await hearing.note_merging(message_of(merged), table=table)
    meeting = morning(clock)
    sitting = await sat_down(running, meeting, ("kura", "police"))

    found = [await each.reads(f"/{meeting}") for each in sitting]

    of_chair, of_kura, of_police = (each["cases"][0] for each in found)
    assert [
        (e["case_id"], e["agency"], e["decided_at"] is not None)
        for e in of_chair["asked"]
    ] == [(case, "hospital", False), (other, "hospital", True), (other, "kura", True)]
    # The school was never asked about the survivor's own people.
    assert "kura" in of_chair["unasked"]
    assert "hospital" not in of_chair["unasked"]
    assert [each["agency"] for each in of_kura["asked"]] == ["kura"]
    assert of_police["asked"] == []

    # On paper, which has no room for which case, nobody has answered who owes more.
    papers = [await each.asks("GET", f"/{meeting}/pack") for each in sitting]
    rows = [each.text.split(case[-8:])[1] for each in papers]
    cells = [re.findall("<td>(.*?)</td>", each)[3:6] for each in rows]
    assert [each[:2] for each in cells] == [["", "hospital"], ["kura", ""], ["", ""]]
    assert "kura" in cells[0][2]


async def test_a_case_that_was_merged_has_agencies_asked_anew_once(
    running: Running, clock: SimulatedClock
) -> None:
    case, other = await referred(running, HIGH, HIGH)
    path = f"/{daily(clock.now()).id}/inquiries"
    first = await chair(running).asks("POST", path, asking(about(case)))
    clock.advance(timedelta(minutes=5))
    merged = CaseMerged(case_id=other, survivor_id=case, merged_at=clock.now())
    await hearing.note_merging(message_of(merged), table=table_of(running))
    clock.advance(timedelta(minutes=5))

    anew, again = [
        await chair(running).asks("POST", path, asking(about(case))) for _ in range(2)
    ]

    # Its people are others by now: referrals asks about all of them.
    assert anew.json()["asked"] == first.json()["asked"]
    assert again.json()["asked"] == []


async def asked_before(
    running: Running, case: str, *agencies: str
) -> list[MeetingAsked]:
    """Wait until as many agencies are to be asked about a case; give the commands."""

    async def look() -> list[MeetingAsked] | None:
        found = await sent_by(running.service, running.broker)
        told = [e.data for e in found if isinstance(e.data, MeetingAsked)]
        mine = [each for each in told if each.case_id == case]
        return mine if {a for e in mine for a in e.agencies} >= {*agencies} else None

    found = await eventually(look)
    assert found
    return found


def about(case: str, *leave_out: str, **grounds: Any) -> dict[str, Any]:
    """Give a case that agencies are asked about, and who is left out."""
    usual = {"belief": "may_help", "consulted": True}
    return {"case_id": case, **usual, **grounds, "leave_out": list(leave_out)}


def asking(*cases: dict[str, Any]) -> dict[str, Any]:
    return {"cases": list(cases)}


async def test_invited_agencies_are_asked_beforehand_but_those_that_are_kept_from_it(
    running: Running, clock: SimulatedClock
) -> None:
    case, other = await referred(running, MEDIUM, HIGH)
    hidden = (await referred(running, HIGH))[0]
    running.standings.tell(COORDINATOR, hidden, conflict=True)
    meeting = daily(clock.now())
    path, unsafe = f"/{meeting.id}/inquiries", "would_alert_person_using_violence"
    alerted = about(other, consulted=False, why_not_safe=unsafe)
    told = asking(about(case, "hospital", "kura"), alerted)

    answer = await chair(running).asks("POST", path, told)
    again = await chair(running).asks("POST", path, asking(about(case), about(other)))
    barred = await chair(running).asks("POST", path, asking(about(hidden)))

    assert (answer.status_code, barred.status_code) == (202, 404)
    shown = {each["case_id"]: {*each["agencies"]} for each in answer.json()["asked"]}
    everybody = {*AGENCIES} - {"outreach"}
    assert shown == {case: everybody - {"hospital", "kura"}, other: everybody}
    assert again.json()["asked"] == []
    [mine] = await asked_before(running, case, "police")
    assert {*mine.agencies} == everybody - {"hospital", "kura"}
    assert (mine.asked_by, mine.needed_by) == (COORDINATOR, meeting.answers_by)
    assert mine.purpose == "fva20_a"
    [theirs] = await asked_before(running, other, "police")
    assert (mine.consulted, mine.why_not_safe) == (True, None)
    assert (theirs.consulted, theirs.why_not_safe) == (False, unsafe)


async def test_nobody_is_asked_about_a_case_that_whoever_leads_has_not_named(
    running: Running, clock: SimulatedClock
) -> None:
    [seen] = await referred(running, HIGH)
    path = f"/{daily(clock.now()).id}/inquiries"
    told = asking(about(seen))
    [since] = await referred(running, HIGH)

    answer = await chair(running).asks("POST", path, told)

    assert [each["case_id"] for each in answer.json()["asked"]] == [seen]
    untouched = await table_of(running).dockets.get(since)
    assert untouched
    assert untouched.called == {}


async def test_what_was_kept_from_a_household_is_kept_from_whom_it_is_merged_into(
    running: Running, clock: SimulatedClock
) -> None:
    [gone] = await referred(running, HIGH)
    path = f"/{daily(clock.now()).id}/inquiries"
    first = await chair(running).asks("POST", path, asking(about(gone, *AGENCIES[1:])))
    [case] = await referred(running, HIGH)
    merged = CaseMerged(case_id=gone, survivor_id=case, merged_at=NOON)
    await hearing.note_merging(message_of(merged), table=table_of(running))

    answer = await chair(running).asks("POST", path, asking(about(case)))

    for each, case_id in ((first, gone), (answer, case)):
        asked = {"case_id": case_id, "agencies": ["police"]}
        assert each.json()["asked"] == [asked]


async def test_who_is_left_out_of_a_household_stays_so_when_it_is_taken_apart(
    running: Running, clock: SimulatedClock
) -> None:
    gone, case = await referred(running, HIGH, HIGH)
    path, table = f"/{daily(clock.now()).id}/inquiries", table_of(running)
    merged = CaseMerged(case_id=gone, survivor_id=case, merged_at=NOON)
    # It is left out of the survivor while the merging is on its way.
    await chair(running).asks("POST", path, asking(about(case, "hospital")))
    message = message_of(merged)
    await hearing.note_merging(message, table=table)
    await hearing.note_merging(message, table=table)
    await chair(running).asks("POST", path, asking(about(case, "kura")))
    apart = CaseUnmerged(case_id=gone, survivor_id=case, unmerged_at=NOON)
    await hearing.note_merging(message_of(apart, version=2), table=table)

    answer = await chair(running).asks("POST", path, asking(about(gone)))

    [asked] = answer.json()["asked"]
    assert {*asked["agencies"]}.isdisjoint({"hospital", "kura"})


async def test_nobody_is_asked_too_late_nor_by_who_does_not_lead_nor_left_out_wrongly(
    running: Running, clock: SimulatedClock
) -> None:
    [case] = await referred(running, HIGH)
    held = daily(clock.now())
    path, good = f"/{held.id}/inquiries", about(case)
    wrong = [
        asking(about(case, "polcie")),
        asking(good, about(new_id())),
        asking(about(case, belief="no_reasonable_grounds")),
        asking(good, good),
        asking(),
        {"belief": "may_help", "consulted": True},
    ]

    member = await Member(running, "police").asks("POST", path, asking(good))
    refused = [await chair(running).asks("POST", path, each) for each in wrong]
    clock.advance(held.answers_by - clock.now())
    late = await chair(running).asks("POST", path, asking(good))

    assert (member.status_code, late.status_code) == (404, 409)
    assert [e.status_code for e in refused] == [422, 404, 422, 422, 422, 422]
    assert problem(late)[1] == "not-asked-now"
    sent = await sent_by(running.service, running.broker)
    assert not [each for each in sent if isinstance(each.data, MeetingAsked)]


async def test_nobody_is_asked_long_before_nor_for_what_does_not_take_place(
    running: Running, clock: SimulatedClock
) -> None:
    [case] = await referred(running, HIGH)
    meeting = new_id()
    starts = (clock.now() + timedelta(days=16)).isoformat()
    told = {"starts_at": starts, "agencies": ["police"], "cases": [case]}
    assert (await chair(running).asks("PUT", f"/{meeting}", told)).is_success

    async def asks() -> httpx2.Response:
        path = f"/{meeting}/inquiries"
        return await chair(running).asks("POST", path, asking(about(case)))

    early = await asks()
    clock.advance(timedelta(days=8))
    meanwhile = await asks()
    assert (await chair(running).asks("DELETE", f"/{meeting}")).is_success
    called_off = await asks()

    assert (problem(early)[1], meanwhile.status_code) == ("not-asked-now", 202)
    assert problem(called_off)[1] == "not-asked-now"


async def test_a_decision_settles_a_case_and_is_told_in_the_name_of_who_decided(
    running: Running, clock: SimulatedClock
) -> None:
    [case] = await referred(running, MEDIUM)
    meeting = morning(clock)
    leads, police = await sat_down(running, meeting)

    answer = await police.decides(
        meeting,
        case,
        EXTREME,
        lead="refuge",
        roles=[IVS],
        tasks=[{"action": "safety_advice", "agency": "police", "within_hours": 4}],
        review_at=(clock.now() + 48 * HOUR).isoformat(),
    )

    assert answer.status_code == 200, answer.text
    [decision] = answer.json()["decisions"]
    assert (decision["decided_by"], decision["agency"]) == (police.worker, "police")
    assert decision["raised"] is True

    async def settled() -> bool:
        held = await table_of(running).dockets.get(case)
        return held is not None and held.decided_level is EXTREME

    await eventually(settled)
    docket = await table_of(running).dockets.get(case)
    assert docket
    assert docket.wanted_from == clock.now() + 4 * HOUR
    again = await leads.reads(f"/{meeting}/cases/{case}")
    assert again["tasks"][0]["agency"] == "police"
    # What it told itself says the same of who decided.
    said = (await table_of(running).discussions.of_case(case))[0]
    told = MeetingDecided.TYPE
    assert told == "meeting.decided.v1"
    assert said.latest
    assert said.latest.by == police.worker


async def test_two_who_decide_at_once_are_one_decision_and_one_is_told_by_whom(
    running: Running, clock: SimulatedClock
) -> None:
    [case] = await referred(running, MEDIUM)
    meeting = morning(clock)
    _, police, hospital = await sat_down(running, meeting, ("police", "hospital"))
    first = await police.decides(meeting, case, HIGH)

    second = await hospital.decides(meeting, case, EXTREME)
    same = await police.decides(meeting, case, HIGH)

    assert first.status_code == same.status_code == 200
    assert problem(second) == (409, "already-decided")
    assert "Already decided by police" in second.json()["detail"]
    replaced = await hospital.decides(meeting, case, EXTREME, replaces=1)
    assert [each["agency"] for each in replaced.json()["decisions"]] == [
        "police",
        "hospital",
    ]


@pytest.mark.parametrize(
    ("told", "pointer"),
    [
        ({"lead": "nobody_invited"}, "/body/lead"),
        ({"review_at": "2020-01-01T00:00:00Z"}, "/body/review_at"),
        (
            {"tasks": [{"action": "dance", "agency": "police", "within_hours": 1}]},
            "/body/tasks/0/action",
        ),
        (
            {"tasks": [{"action": "programme", "agency": "spca", "within_hours": 1}]},
            "/body/tasks/0/agency",
        ),
    ],
)
async def test_what_this_locality_cannot_decide_is_named_field_by_field(
    running: Running, clock: SimulatedClock, told: dict[str, Any], pointer: str
) -> None:
    [case] = await referred(running, MEDIUM)
    meeting = morning(clock)
    [leads] = await sat_down(running, meeting, ())

    answer = await leads.decides(meeting, case, HIGH, **told)

    assert problem(answer) == (422, "invalid-request")
    assert [each["pointer"] for each in answer.json()["errors"]] == [pointer]
    assert "nobody_invited" not in answer.text


async def test_a_meeting_lowers_no_level(
    running: Running, clock: SimulatedClock
) -> None:
    [case] = await referred(running, HIGH)
    meeting = morning(clock)
    [leads] = await sat_down(running, meeting, ())

    assert problem(await leads.decides(meeting, case, LOW)) == (422, "not-lowered-here")


async def ends(running: Running, case: str, at: datetime) -> None:
    """Have the response to a case end."""
    closed = PlanClosed(
        case_id=case,
        plan_version=1,
        reason="died",
        assessment_revision=1,
        closed_at=at,
    )
    await hearing.note_end(message_of(closed), table=table_of(running))


async def test_a_case_that_ended_since_the_meeting_began_is_raised_and_no_more(
    running: Running, clock: SimulatedClock
) -> None:
    ended, raised = await referred(running, MEDIUM, MEDIUM)
    meeting = morning(clock)
    _, police = await sat_down(running, meeting)
    first = await police.decides(meeting, ended, MEDIUM)

    for each in (ended, raised):
        await ends(running, each, clock.now())
    same = await police.decides(meeting, ended, MEDIUM)
    confirmed = await police.decides(meeting, ended, MEDIUM, replaces=1)
    higher = await police.decides(meeting, raised, HIGH)

    assert first.status_code == same.status_code == higher.status_code == 200
    assert problem(confirmed) == (409, "response-ended")
    told = [e for e in await sent(running) if isinstance(e, MeetingDecided)]
    assert [(each.case_id, each.raised) for each in told] == [
        (ended, False),
        (raised, True),
    ]


async def test_a_case_that_was_merged_since_the_meeting_began_is_not_decided_on(
    running: Running, clock: SimulatedClock
) -> None:
    case, survivor, gone = await referred(running, MEDIUM, HIGH, MEDIUM)
    meeting = morning(clock)
    _, police = await sat_down(running, meeting)
    merged = CaseMerged(case_id=case, survivor_id=survivor, merged_at=clock.now())
    left = CaseTransferred(case_id=gone, transferred_at=clock.now())
    table = table_of(running)

    await hearing.note_merging(message_of(merged), table=table)
    await hearing.note_transfer(message_of(left), table=table)
    answers = [
        await police.decides(meeting, each, level)
        for each in (case, gone)
        for level in (MEDIUM, EXTREME)
    ]

    assert [problem(each) for each in answers] == [
        *[(409, "merged")] * 2,
        *[(409, "closed-to-change")] * 2,
    ]
    assert answers[0].json()["detail"].endswith("decide on that one.")
    there = await police.decides(meeting, survivor, EXTREME)
    assert there.status_code == 200


async def test_what_a_case_was_merged_into_during_the_meeting_is_decided_there_or_later(
    running: Running, clock: SimulatedClock
) -> None:
    one, other = await referred(running, MEDIUM, HIGH)
    meeting = morning(clock)
    leads, police = await sat_down(running, meeting)
    # Referred since, so that they are on no agenda.
    into, left = await referred(running, HIGH, HIGH)
    table = table_of(running)
    before = await police.decides(meeting, into)
    for case, survivor in ((one, into), (other, left)):
        told = CaseMerged(case_id=case, survivor_id=survivor, merged_at=clock.now())
        await hearing.note_merging(message_of(told), table=table)

    there = await police.decides(meeting, into)
    closed = (await leads.asks("POST", f"/{meeting}/closure")).json()

    assert problem(before) == (404, "not-on-the-agenda")
    assert there.status_code == 200
    assert closed["stage"] == "closed"
    minutes = await leads.reads(f"/{meeting}/minutes")
    assert minutes["intact"]
    assert {one, other} & set(minutes["carried_over"]) == {other}
    # What was left open comes up as what it is part of now.
    agenda = (await leads.reads(f"/{daily(clock.now() + HOUR).id}"))["cases"]
    carried = {e["case_id"] for e in agenda if "carried_over" in e["why"]}
    assert {into, left, other} & carried == {left}


async def test_an_agency_is_told_once_that_a_meeting_is_called(
    running: Running, clock: SimulatedClock
) -> None:
    [case] = await referred(running, HIGH)
    starts_at = (clock.now() + HOUR).isoformat()
    told = {"starts_at": starts_at, "cases": [case], "agencies": ["police"] * 2}

    answer = await chair(running).asks("PUT", f"/{new_id()}", told)

    assert answer.status_code == 422


async def test_an_agency_is_told_when_what_it_promised_is_due_sooner_or_has_ended(
    running: Running, clock: SimulatedClock
) -> None:
    case, task, leads, _, path = await owes(running, clock)
    meeting = path.split("/")[1]
    for number, hours in enumerate((4, 30), 1):
        sooner = {"action": "safety_advice", "agency": "police", "within_hours": hours}
        answer = await leads.decides(meeting, case, tasks=[sooner], replaces=number)
        assert answer.status_code == 200, answer.text
    left = CaseTransferred(case_id=case, transferred_at=clock.now())
    for _ in range(2):
        await hearing.end_tasks(message_of(left), table=table_of(running))

    told = await sent(running)
    due = [e.due_at for e in told if isinstance(e, MeetingTaskPromised)]
    assert due == [clock.now() + 24 * HOUR, clock.now() + 4 * HOUR]
    [ended] = [e for e in told if isinstance(e, MeetingTaskNotDone)]
    assert (ended.task_id, ended.reason) == (task, "response_ended")


async def test_whoever_has_not_signed_sees_no_case_and_decides_nothing(
    running: Running, clock: SimulatedClock
) -> None:
    [case] = await referred(running, MEDIUM)
    meeting = morning(clock)
    await sat_down(running, meeting, ())
    unsigned = Member(running, "hospital")
    stranger = Member(running, "spca")

    assert (await unsigned.reads(f"/{meeting}"))["cases"] == []
    assert problem(await unsigned.decides(meeting, case)) == (404, "not-on-the-agenda")
    read = await unsigned.asks("GET", f"/{meeting}/cases/{case}")
    assert problem(read) == (404, "not-on-the-agenda")
    assert problem(await stranger.asks("GET", f"/{meeting}")) == (
        404,
        "no-such-meeting",
    )
    in_force = {"statement": STATEMENT, "digest": RULES.statement.digest}
    # Another version, or what stood there under the same before.
    for change in ({"statement": "older-1"}, {"digest": "0" * 64}):
        path = f"/{meeting}/attendance"
        old = await unsigned.asks("POST", path, {**in_force, **change})
        assert problem(old) == (409, "not-that-statement")
    # A coordinator reads everything, but decides only at the table.
    other = Member(running, None)
    running.standings.tell(other.worker, case, coordinator=True)
    assert problem(await other.decides(meeting, case)) == (404, "not-on-the-agenda")


async def test_who_is_barred_from_a_case_does_not_learn_that_it_is_on_the_agenda(
    running: Running, clock: SimulatedClock
) -> None:
    case, other = await referred(running, MEDIUM, HIGH)
    meeting = morning(clock)
    _, police = await sat_down(running, meeting)
    running.standings.tell(police.worker, case, conflict=True)

    seen = await police.reads(f"/{meeting}")

    assert [each["case_id"] for each in seen["cases"]] == [other]
    assert case not in str(seen)
    assert (await police.decides(meeting, case)).status_code == 404
    assert (await police.asks("GET", f"/{meeting}/cases/{case}")).status_code == 404


async def test_outreach_sees_where_a_case_stands_and_only_its_own_compartment(
    running: Running, clock: SimulatedClock
) -> None:
    [case] = await referred(running, MEDIUM)
    meeting = morning(clock)
    leads, outreach = await sat_down(running, meeting, ("outreach",))
    side = frozenset({Side.PERSON_USING_VIOLENCE})
    running.standings.tell(
        outreach.worker, case, sides=side, own_side=Side.PERSON_USING_VIOLENCE
    )
    tasks = [
        {"action": "programme", "agency": "outreach", "about": "person_using_violence"},
        {"action": "safe_contact", "agency": "refuge", "about": "person_harmed"},
        {"action": "safety_advice", "agency": "police"},
    ]
    told = [{**each, "within_hours": 24} for each in tasks]
    assert (await leads.decides(meeting, case, tasks=told)).status_code == 200

    [listed] = (await outreach.reads(f"/{meeting}"))["cases"]
    seen = await outreach.reads(f"/{meeting}/cases/{case}")

    assert (listed["level"], listed["why"], listed["clock"]) == ("medium", [], None)
    assert [each["action"] for each in seen["tasks"]] == ["programme"]
    assert seen["decisions"] == []
    refused = await outreach.decides(meeting, case, replaces=1)
    assert problem(refused) == (404, "not-on-the-agenda")
    # It was about her, who was told of as him.
    parts = {"case_id": case, "harmed": new_id(), "using_violence": new_id()}
    as_told, turned = (
        message_of(RolesDecided(**parts, corrected=each, decided_at=clock.now()))
        for each in (False, True)
    )
    await hearing.close_tasks(as_told, table=table_of(running))
    assert await outreach.reads(f"/{meeting}/cases/{case}") == seen

    await running.hears(turned)

    async def closed() -> bool:
        return (await outreach.reads(f"/{meeting}/cases/{case}"))["tasks"] == []

    await eventually(closed)
    task = seen["tasks"][0]["task_id"]
    done = await outreach.asks(
        "POST", f"/{meeting}/cases/{case}/tasks/{task}/completion"
    )
    assert problem(done) == (404, "no-such-task")
    assert len((await leads.reads(f"/{meeting}/cases/{case}"))["tasks"]) == 3


async def test_each_agency_reads_its_own_part_and_says_when_it_is_done(
    running: Running, clock: SimulatedClock
) -> None:
    case, other = await referred(running, MEDIUM, MEDIUM)
    meeting = morning(clock)
    leads, police, refuge = await sat_down(running, meeting, ("police", "refuge"))
    told = {"action": "safety_advice", "agency": "police", "within_hours": 4}
    await leads.decides(meeting, case, MEDIUM, lead="refuge", tasks=[told])
    await leads.decides(meeting, other)

    police_part = await police.reads(f"/{meeting}/extract")
    refuge_part = await refuge.reads(f"/{meeting}/extract")

    [mine] = police_part["cases"]
    assert (mine["case_id"], mine["leads"], mine["level"]) == (case, False, None)
    [led] = refuge_part["cases"]
    assert (led["leads"], led["level"], led["tasks"]) == (True, "medium", [])
    assert other not in str((police_part, refuge_part))

    task = mine["tasks"][0]["task_id"]
    path = f"/{meeting}/cases/{case}/tasks/{task}/completion"
    assert problem(await refuge.asks("POST", path)) == (404, "no-such-task")
    done = await police.asks("POST", path)
    assert done.json()["tasks"][0]["done_at"] is not None

    async def known() -> bool:
        docket = await table_of(running).dockets.get(case)
        return docket is not None and docket.owed[task].done

    await eventually(known)


async def sent(running: Running) -> list[Event]:
    return [each.data for each in await sent_by(running.service, running.broker)]


async def owes(
    running: Running, clock: SimulatedClock, **task: Any
) -> tuple[str, str, Member, Member, str]:
    """Have the Police promise something at high risk; give where, who, and the path."""
    [case] = await referred(running, HIGH)
    meeting = morning(clock)
    leads, police = await sat_down(running, meeting)
    told = {"action": "safety_advice", "agency": "police", "within_hours": 24, **task}
    decided = await leads.decides(meeting, case, tasks=[told])
    [promised] = decided.json()["tasks"]
    path = f"/{meeting}/cases/{case}/tasks/{promised['task_id']}"
    return case, promised["task_id"], leads, police, path


async def test_at_high_risk_another_of_the_agency_or_a_coordinator_confirms_a_task(
    running: Running, clock: SimulatedClock
) -> None:
    _case, task, leads, police, path = await owes(running, clock)
    shown = {"evidence": {"kind": "contact_record", "reference": new_id()}}

    bare = await police.asks("POST", f"{path}/completion")
    said = await police.asks("POST", f"{path}/completion", shown)
    [waits] = said.json()["tasks"]
    told = {"said_at": waits["said"]["at"], "confirmed": True}
    alone = await police.asks("POST", f"{path}/confirmation", told)
    other = await Member(running, "refuge").asks("POST", f"{path}/confirmation", told)

    assert problem(bare) == (422, "evidence-missing")
    assert (waits["done_at"], waits["confirmed"]) == (None, False)
    assert problem(alone) == (403, "not-the-second-person")
    assert problem(other) == (404, "no-such-task")
    denied = {**told, "confirmed": False}
    refused = await leads.asks("POST", f"{path}/confirmation", denied)
    assert refused.json()["tasks"][0]["said"] is None
    again = await police.asks("POST", f"{path}/completion", shown)
    told["said_at"] = again.json()["tasks"][0]["said"]["at"]
    colleague = Member(running, "police")
    kept = await colleague.asks("POST", f"{path}/confirmation", told)
    assert kept.json()["tasks"][0]["done_at"] == told["said_at"]
    [done] = [e for e in await sent(running) if isinstance(e, MeetingTaskDone)]
    assert (done.task_id, done.done_by) == (task, police.worker)


async def test_who_settles_a_task_of_their_agency_is_shown_no_others(
    running: Running, clock: SimulatedClock
) -> None:
    [case] = await referred(running, LOW)
    meeting = morning(clock)
    leads, police, _ = await sat_down(running, meeting, ("police", "refuge"))
    told = {"action": "safety_advice", "within_hours": 24}
    tasks = [{**told, "agency": each} for each in ("police", "refuge")]
    decided = await leads.decides(meeting, case, level=LOW, tasks=tasks)
    [own] = [e for e in decided.json()["tasks"] if e["agency"] == "police"]
    path = f"/{meeting}/cases/{case}/tasks/{own['task_id']}"

    said = await police.asks("POST", f"{path}/completion")
    at = {"said_at": said.json()["tasks"][0]["said"]["at"], "confirmed": True}
    again = await Member(running, "police").asks("POST", f"{path}/confirmation", at)
    by_chair = await leads.asks("POST", f"{path}/confirmation", at)

    for each in (said, again):
        assert [e["agency"] for e in each.json()["tasks"]] == ["police"]
    assert {e["agency"] for e in by_chair.json()["tasks"]} == {"police", "refuge"}


async def test_a_coordinator_settles_for_an_agency_what_another_confirms(
    running: Running, clock: SimulatedClock
) -> None:
    [case] = await referred(running, LOW)
    meeting = morning(clock)
    [leads] = await sat_down(running, meeting, ())
    told = {"action": "safety_advice", "agency": "kura", "within_hours": 24}
    decided = await leads.decides(meeting, case, level=LOW, tasks=[told])
    [task] = decided.json()["tasks"]
    path = f"/{meeting}/cases/{case}/tasks/{task['task_id']}"

    said = await leads.asks("POST", f"{path}/completion")
    [waits] = said.json()["tasks"]
    at = {"said_at": waits["said"]["at"], "confirmed": True}
    own = await leads.asks("POST", f"{path}/confirmation", at)
    strange = await Member(running, "police").asks("POST", f"{path}/completion")
    other = Member(running, None)
    running.standings.tell(other.worker, case, coordinator=True)
    kept = await other.asks("POST", f"{path}/confirmation", at)

    assert waits["done_at"] is None
    assert problem(own) == (403, "not-the-second-person")
    assert problem(strange) == (404, "no-such-task")
    assert kept.json()["tasks"][0]["done_at"] == at["said_at"]
    assert kept.json()["tasks"][0]["confirmed"] is True


async def test_how_many_cases_are_left_off_is_told_to_who_leads_alone(
    running: Running, clock: SimulatedClock
) -> None:
    await referred(running, HIGH)
    meeting = morning(clock)
    leads, police = await sat_down(running, meeting)
    table = table_of(running)
    held = await table.meetings.get(meeting)
    assert held
    await table.meetings.save(held.model_copy(update={"left_off": 7}))

    told = [(await each.reads(f"/{meeting}"))["left_off"] for each in (leads, police)]
    packs = [await each.asks("GET", f"/{meeting}/pack") for each in (leads, police)]

    assert told == [7, None]
    assert ["Cases that are too many" in each.text for each in packs] == [True, False]


async def test_an_agency_lists_what_it_owes_at_all_meetings_and_no_other_does(
    running: Running, clock: SimulatedClock
) -> None:
    case, task, _, police, path = await owes(running, clock)
    his, *_ = await owes(running, clock, about="person_using_violence")

    async def listed(member: Member) -> list[dict[str, Any]]:
        answer = await running.http.get("/v1/tasks", headers=member.headers)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()
        return found

    own = await listed(police)
    assert [each["case_id"] for each in own] == [case, his]
    assert own[0]["task_id"] == task
    assert await listed(Member(running, "refuge")) == []
    nobody = await running.http.get("/v1/tasks", headers=chair(running).headers)
    assert problem(nobody) == (404, "no-such-task")
    side = frozenset({Side.PERSON_USING_VIOLENCE})
    for each in (case, his):
        running.standings.tell(
            police.worker, each, sides=side, own_side=Side.PERSON_USING_VIOLENCE
        )
    await eventually(lambda: only(listed(police), his))
    left = await Member(running, "police").asks(
        "POST", f"{path}/undone", {"reason": "does_not_apply"}
    )
    assert left.json()["tasks"][0]["undone_at"] is None


async def only(listed: Awaitable[list[dict[str, Any]]], case: str) -> bool:
    return [each["case_id"] for each in await listed] == [case]


async def test_a_late_task_is_told_once_and_raised_again_after_the_next_decision(
    running: Running, clock: SimulatedClock
) -> None:
    case, task, *_ = await owes(running, clock, within_hours=6)
    clock.advance(2 * HOUR)
    await running.service.sweep_once()
    clock.advance(5 * HOUR)
    await running.service.sweep_once()
    await running.service.sweep_once()

    told = await sent(running)
    [soon] = [each for each in told if isinstance(each, MeetingTaskDueSoon)]
    [late] = [each for each in told if isinstance(each, MeetingTaskOverdue)]
    assert (soon.task_id, late.task_id, late.agency) == (task, task, "police")
    assert (late.level, late.late_by) == (HIGH, 3600.0)

    for _ in range(2):
        meeting = morning(clock)
        [raised] = (await chair(running).reads(f"/{meeting}"))["cases"]
        assert raised["why"] == ["action_overdue"]
        leads, _police = await sat_down(running, meeting)
        assert (await leads.decides(meeting, case)).status_code == 200
        await leads.asks("POST", f"/{meeting}/closure")
        await eventually(lambda: settled_at(running, case, clock))


async def settled_at(running: Running, case: str, clock: SimulatedClock) -> bool:
    docket = await table_of(running).dockets.get(case)
    return docket is not None and docket.decided_at == clock.now()


async def test_each_agency_is_told_at_once_of_what_it_did_not_owe_before(
    running: Running, clock: SimulatedClock
) -> None:
    [case] = await referred(running, LOW)
    meeting = morning(clock)
    leads, *_ = await sat_down(running, meeting)

    def asked(*agencies: str, hours: int = 24) -> dict[str, Any]:
        task = {"action": "safety_advice", "within_hours": hours}
        return {"tasks": [{**task, "agency": each} for each in agencies]}

    await leads.decides(meeting, case, MEDIUM, **asked("police"))
    clock.advance(HOUR)
    both = asked("police", "refuge", hours=8)
    await leads.decides(meeting, case, HIGH, replaces=1, **both)
    await leads.decides(meeting, case, HIGH, replaces=1, **both)

    told = [e for e in await sent(running) if isinstance(e, MeetingTaskPromised)]
    first, *then = [(e.agency, e.level, e.due_at - e.promised_at) for e in told]
    assert first == ("police", MEDIUM, 24 * HOUR)
    # The Police owe the same sooner now.
    assert sorted(then) == [("police", HIGH, 8 * HOUR), ("refuge", HIGH, 8 * HOUR)]
    assert told[0].promised_at + HOUR == told[1].promised_at == clock.now()


async def test_what_the_table_takes_back_raises_no_alarm_and_ends_one(
    running: Running, clock: SimulatedClock
) -> None:
    case, task, leads, *_ = await owes(running, clock)

    meeting = task_meeting(await sent(running))
    await leads.decides(meeting, case, replaces=1)

    [over] = [e for e in await sent(running) if isinstance(e, MeetingTaskNotDone)]
    assert (over.task_id, over.reason) == (task, None)
    assert await table_of(running).discussions.owed_by("police") == []


def task_meeting(told: Sequence[Event]) -> str:
    [decided] = [each for each in told if isinstance(each, MeetingDecided)]
    return decided.meeting_id


async def test_a_plan_does_not_close_over_what_was_promised_at_high_risk(
    running: Running, clock: SimulatedClock
) -> None:
    case, _task, leads, police, path = await owes(running, clock)
    held = await running.plans.save(plan(LOW, case_id=case))
    for each in held.open_actions:
        held = held.with_actions({each.id: {"undone_at": clock.now()}})
    await running.plans.save(held)
    body = {"reason": "safety_goals_met", "outcomes": TOLD}

    async def closes() -> httpx2.Response:
        return await running.post(f"/v1/plans/{case}/closure", "plans.close", body=body)

    assert problem(await closes()) == (409, "tasks-open")
    said = await police.asks("POST", f"{path}/undone", {"reason": "does_not_apply"})
    at = said.json()["tasks"][0]["said"]["at"]
    agrees = {"said_at": at, "confirmed": True}
    await leads.asks("POST", f"{path}/confirmation", agrees)
    assert (await closes()).status_code == 200


async def test_what_was_promised_to_a_response_that_has_ended_is_told_of_no_more(
    running: Running, clock: SimulatedClock
) -> None:
    case, *_ = await owes(running, clock, within_hours=6)
    closed = PlanClosed(
        case_id=case,
        plan_version=1,
        reason="transferred",
        assessment_revision=1,
        closed_at=clock.now(),
    )
    await hearing.end_tasks(message_of(closed), table=table_of(running))
    clock.advance(9 * HOUR)
    await running.service.sweep_once()

    late = [e for e in await sent(running) if isinstance(e, MeetingTaskOverdue)]
    assert late == []


MERGED, ENDED = "merged", "ended"


@pytest.mark.parametrize(
    ("order", "merged_after_end"),
    [((MERGED, ENDED), False), ((ENDED, MERGED), False), ((MERGED, ENDED), True)],
    ids=["as_it_was", "the_end_heard_first", "merged_after_the_end"],
)
async def test_what_was_promised_in_a_case_ends_with_what_it_was_merged_into_before(
    running: Running, clock: SimulatedClock, order: Any, merged_after_end: Any
) -> None:
    case, task, *_ = await owes(running, clock)
    table, survivor = table_of(running), (await referred(running, HIGH))[0]

    async def owing() -> bool:
        docket = await table.dockets.get(case)
        return docket is not None and task in docket.owed

    await eventually(owing)
    ended_at = clock.now()
    late_ = HOUR if merged_after_end else -HOUR
    merged = message_of(
        CaseMerged(case_id=case, survivor_id=survivor, merged_at=ended_at + late_)
    )
    # Nothing was drafted for the merged case, so nothing is told of it.
    closed = message_of(
        PlanClosed(
            case_id=survivor,
            plan_version=1,
            reason="died",
            assessment_revision=1,
            closed_at=ended_at,
        )
    )

    clock.advance(2 * HOUR)
    for each in order:
        if each == MERGED:
            await hearing.note_merging(merged, table=table)
        else:
            await hearing.end_tasks(closed, table=table)
            await hearing.note_end(closed, table=table)

    [said] = await table.discussions.of_case(case)
    assert (bool(said.owed_by), task in said.tasks()) == (merged_after_end, True)
    later = clock.now() + 99 * HOUR
    for each in (case, survivor):
        held = await table.dockets.get(each)
        assert held
        assert held.overdue(later) == int(merged_after_end)


async def test_what_is_signed_can_be_read_and_its_digest_stays_in_the_seat(
    running: Running, clock: SimulatedClock
) -> None:
    meeting = morning(clock)
    police = Member(running, "police")

    read = await police.reads("/statement")
    body = {"statement": read["version"], "digest": read["digest"]}
    seat = (await police.asks("POST", f"/{meeting}/attendance", body)).json()

    assert read["text"] == {"en": "I am silent.", "mi": "Ka noho puku au."}
    assert (seat["statement"], seat["text"]) == (STATEMENT, read["digest"])
    assert len(read["digest"]) == 64


async def test_a_case_can_be_added_until_the_cut_off_and_a_meeting_called_after_it(
    running: Running, clock: SimulatedClock
) -> None:
    cases = await referred(running, MEDIUM, HIGH, LOW)
    table = table_of(running)
    for each in cases:
        closed = PlanClosed(
            case_id=each,
            plan_version=1,
            reason="safety_goals_met",
            assessment_revision=1,
            closed_at=NOON,
        )
        if each != cases[0]:
            continue
        await hearing.note_end(message_of(closed), table=table)
    held = daily()
    leads = chair(running)

    gone = await leads.asks("PUT", f"/{held.id}/cases/{cases[0]}")
    there = await leads.asks("PUT", f"/{held.id}/cases/{cases[1]}")
    clock.advance(held.cut_off_at + HOUR - clock.now())
    late = await leads.asks("PUT", f"/{held.id}/cases/{cases[2]}")

    assert problem(gone) == (404, "not-on-the-agenda")
    assert there.status_code == 200
    assert problem(late) == (409, "too-late-to-add")
    called, starts = new_id(), (clock.now() + HOUR).isoformat()
    told = {"starts_at": starts, "agencies": ["police"], "cases": [cases[2]]}
    for _ in range(2):
        answer = await leads.asks("PUT", f"/{called}", told)
        assert (answer.status_code, answer.json()["series"]) == (200, "called")
    never = {**told, "starts_at": "9999-12-31T23:59:59-12:00"}
    answer = await leads.asks("PUT", f"/{new_id()}", never)
    assert problem(answer) == (422, "invalid-request")
    # The id of one that stands in the calendar is no other's.
    assert problem(await leads.asks("PUT", f"/{held.id}", told)) == (409, "called")
    otherwise = {**told, "agencies": ["hospital"]}
    assert problem(await leads.asks("PUT", f"/{called}", otherwise)) == (409, "called")
    found = await leads.reads(f"/{called}")
    assert [each["case_id"] for each in found["cases"]] == [cases[2]]
    assert called in {each["meeting_id"] for each in await leads.reads("")}
    police = Member(running, "police")
    refused = await police.asks("PUT", f"/{new_id()}", told)
    assert problem(refused) == (404, "no-such-meeting")


async def test_a_calendar_says_when_and_nothing_else(running: Running) -> None:
    answer = await Member(running, "police").asks("GET", "/calendar")

    assert answer.headers["content-type"].startswith("text/calendar")
    lines = answer.text.split("\r\n")
    assert lines.count("BEGIN:VEVENT") == lines.count("SUMMARY:Accord") >= 14
    assert not any("famil" in each.lower() or "triage" in each for each in lines)
    assert {line.split(":")[0] for line in lines if line} == {
        "BEGIN", "END", "VERSION", "PRODID", "CALSCALE", "METHOD", "UID", "DTSTAMP",
        "DTSTART", "DTEND", "SEQUENCE", "SUMMARY", "CLASS",
    }  # fmt: skip


async def test_a_meeting_that_nobody_closes_is_closed_and_its_cases_come_again(
    running: Running, clock: SimulatedClock
) -> None:
    [case] = await referred(running, MEDIUM)
    table = table_of(running)
    closed = PlanClosed(
        case_id=case,
        plan_version=1,
        reason="safety_goals_met",
        assessment_revision=1,
        closed_at=NOON,
    )
    held = daily()
    added = await chair(running).asks("PUT", f"/{held.id}/cases/{case}")
    assert added.status_code == 200
    clock.advance(held.ends_at + 7 * HOUR - clock.now())

    async def over() -> bool:
        kept = await table.meetings.get(held.id)
        return kept is not None and kept.closed_at is not None

    await eventually(over)

    next_ = morning(clock)
    [listed] = (await chair(running).reads(f"/{next_}"))["cases"]
    assert listed["case_id"] == case
    assert "carried_over" in listed["why"]
    await hearing.note_end(message_of(closed), table=table)
    assert (await chair(running).reads(f"/{next_}"))["cases"] == []


async def test_what_a_called_meeting_leaves_open_comes_up_at_the_next_daily_one(
    running: Running, clock: SimulatedClock
) -> None:
    [case] = await referred(running, MEDIUM)
    [leads] = await sat_down(running, daily_ := morning(clock), ())
    assert (await leads.decides(daily_, case)).status_code == 200
    assert (await leads.asks("POST", f"/{daily_}/closure")).status_code == 200

    async def settled() -> bool:
        held = await table_of(running).dockets.get(case)
        return held is not None and held.decided_at is not None

    await eventually(settled)
    called, starts = new_id(), (clock.now() + HOUR).isoformat()
    told = {"starts_at": starts, "agencies": ["police"], "cases": [case]}
    assert (await leads.asks("PUT", f"/{called}", told)).status_code == 200
    clock.advance(HOUR)
    await sat_down(running, called, ())
    assert (await leads.asks("POST", f"/{called}/closure")).status_code == 200

    next_ = morning(clock)
    [listed] = (await leads.reads(f"/{next_}"))["cases"]

    assert (listed["case_id"], listed["why"]) == (case, ["carried_over"])
    # That one settles it.
    await sat_down(running, next_, ())
    assert (await leads.decides(next_, case)).status_code == 200
    assert (await leads.asks("POST", f"/{next_}/closure")).status_code == 200
    assert (await leads.reads(f"/{morning(clock)}"))["cases"] == []


async def test_a_called_meeting_is_told_and_can_be_called_off_until_it_begins(
    running: Running, clock: SimulatedClock
) -> None:
    case, late = await referred(running, HIGH, HIGH)
    leads, met = chair(running), new_id()
    # They have settled it this morning: nothing else brings them up.
    meeting = morning(clock)
    await sat_down(running, meeting)
    for each in (case, late):
        await leads.decides(meeting, each, HIGH)
    await leads.asks("POST", f"/{meeting}/closure")
    table = table_of(running)

    async def settled() -> bool:
        found = await table.dockets.all_of([case, late])
        return all(each.decided_at for each in found)

    await eventually(settled)
    body = {
        "starts_at": (clock.now() + 3 * HOUR).isoformat(),
        "agencies": ["police", "refuge"],
        "cases": [case],
    }
    await leads.asks("PUT", f"/{met}", body)
    await leads.asks("PUT", f"/{met}/cases/{late}")
    police = Member(running, "police")
    await police.signs(met)
    not_theirs = await police.asks("DELETE", f"/{met}")

    clock.advance(HOUR)
    off = await leads.asks("DELETE", f"/{met}")
    again = await leads.asks("DELETE", f"/{met}")

    assert problem(not_theirs) == (404, "no-such-meeting")
    assert off.json()["stage"] == again.json()["stage"] == "called_off"
    events = [e for e in await sent(running) if e.case_id is None]
    told = [(type(e), e.agency) for e in events if not isinstance(e, MeetingClosed)]
    assert told == [
        *[(MeetingCalled, each) for each in body["agencies"]],
        *[(MeetingCalledOff, each) for each in body["agencies"]],
    ]
    text = (await leads.asks("GET", "/calendar")).text
    event = text[text.index(met) : text.index("END:VEVENT", text.index(met))]
    assert "STATUS:CANCELLED" in event
    assert text.count("STATUS:CANCELLED") == 1
    called_again = await leads.asks("PUT", f"/{met}", body)
    tomorrow = morning(clock)
    refused = [
        called_again,
        await leads.asks("POST", f"/{met}/beginning"),
        await leads.asks("DELETE", f"/{tomorrow}"),
        await leads.asks("GET", f"/{met}/minutes"),
    ]
    assert [problem(each) for each in refused] == [
        (409, "meeting-over"),
        (409, "meeting-over"),
        (409, "not-called-off"),
        (409, "not-begun"),
    ]
    assert (await police.reads(f"/{met}"))["cases"] == []
    # No case is lost: both come up at the next daily meeting.
    next_ = await leads.reads(f"/{tomorrow}")
    assert {e["case_id"] for e in next_["cases"]} == {case, late}
    assert {tuple(e["why"]) for e in next_["cases"]} == {("carried_over",)}


async def test_an_erased_case_leaves_the_minutes_intact_and_says_nothing(
    running: Running, clock: SimulatedClock
) -> None:
    case, other = await referred(running, MEDIUM, HIGH)
    meeting = morning(clock)
    [leads] = await sat_down(running, meeting, ())
    await leads.decides(meeting, case, lead="refuge")
    await leads.decides(meeting, other)
    assert (await leads.asks("POST", f"/{meeting}/closure")).status_code == 200
    erased = CaseErased(case_id=case, reason="court", erased_at=clock.now())

    await running.hears(message_of(erased))

    async def gone() -> bool:
        said = await table_of(running).discussions.of_case(case)
        return all(each.erased_at for each in said)

    await eventually(gone)
    minutes = await leads.reads(f"/{meeting}/minutes")
    assert minutes["intact"] is True
    held = await table_of(running).meetings.get(meeting)
    assert held
    assert held.cases == (other,)
    by_case = {each["case_id"]: each["decisions"] for each in minutes["cases"]}
    assert by_case[case] == []
    assert len(by_case[other]) == 1


def anything(random: Random, least: RiskLevel, at: datetime) -> dict[str, Any]:
    """Decide anything that a table may: due and seen again after the next meeting."""
    promised = random.sample([*product(CAN_BE_ASKED, AGENCIES)], random.randrange(4))
    levels = [each for each in RiskLevel if each.rank >= least.rank]
    later = at + random.randrange(48, 240) * HOUR
    return {
        "level": random.choice(levels),
        "lead": random.choice([None, *AGENCIES]),
        "roles": random.sample([*Role], random.randrange(3)),
        "tasks": [
            {
                "action": action,
                "agency": agency,
                "about": random.choice([*Side]),
                "within_hours": random.randrange(48, 240),
            }
            for action, agency in promised
        ],
        "review_at": random.choice([None, later.isoformat()]),
        "carry_over": random.random() < 0.2,
    }


def as_told(told: dict[str, Any], agency: str, by: str, number: int) -> tuple[Any, ...]:
    """Give what was decided as the event tells it."""
    review_at = told["review_at"] and datetime.fromisoformat(told["review_at"])
    return (
        number,
        by,
        agency,
        told["level"],
        told["lead"],
        tuple(told["roles"]),
        review_at,
        told["carry_over"],
    )


async def test_a_whole_day_of_a_large_table_loses_no_decision(
    running: Running, clock: SimulatedClock
) -> None:
    """40 cases, 12 agencies, all of whom decide at once, while it is being closed."""
    random = Random(1)  # noqa: S311 - The same day at every run.
    levels = [random.choice([LOW, MEDIUM, HIGH]) for _ in range(40)]
    cases = await referred(running, *levels)
    meeting = morning(clock)
    leads, *members = await sat_down(running, meeting, AGENCIES)
    agenda = [e["case_id"] for e in (await leads.reads(f"/{meeting}"))["cases"]]
    assert set(agenda) == set(cases)
    answered: dict[str, list[tuple[str, int]]] = {each: [] for each in cases}
    of_case = dict(zip(cases, levels, strict=True))
    said: dict[tuple[str, int], tuple[Member, dict[str, Any]]] = {}

    async def decides(member: Member, case: str, number: int) -> httpx2.Response:
        told = anything(random, of_case[case], clock.now())
        answer = await member.decides(meeting, case, replaces=number, **told)
        if answer.status_code == 200:
            said[case, number] = member, told
            answered[case].append((member.worker, number))
        return answer

    async def works(member: Member) -> None:
        """Go through the agenda in one's own order; decide on what one has read."""
        for case in random.sample(cases[:36], 36)[:10]:
            read = await member.reads(f"/{meeting}/cases/{case}")
            number = len(read["decisions"])
            answer = await decides(member, case, number)
            assert answer.status_code in {200, 409}, answer.text

    await asyncio.gather(*map(works, members))
    # The last cases are decided on while the meeting is being closed.
    late = [(e, c) for c, e in zip(cases[36:], members, strict=False)]
    closing, *decided = await asyncio.gather(
        leads.asks("POST", f"/{meeting}/closure"),
        *(decides(member, case, 0) for member, case in late),
    )
    assert closing.status_code == 200
    for answer in decided:
        assert answer.status_code == 200 or problem(answer) == (409, "meeting-over")

    minutes = await leads.reads(f"/{meeting}/minutes")
    kept = {
        each["case_id"]: [(e["decided_by"], e["number"] - 1) for e in each["decisions"]]
        for each in minutes["cases"]
    }
    assert kept == {
        case: sorted(each, key=lambda e: e[1]) for case, each in answered.items()
    }
    assert sum(map(len, kept.values())) > 40
    assert minutes["intact"] is True
    last = {case: said[case, len(each) - 1][1] for case, each in kept.items() if each}
    open_ = {e for e in cases if e not in last or last[e]["carry_over"]}
    assert set(minutes["carried_over"]) == open_
    # What was decided at random is what is told, and what each agency now owes.
    told = {
        (e.case_id, e.number - 1): (
            *(e.number, e.decided_by, e.agency, e.level, e.lead, e.roles),
            *(e.review_at, e.carried_over),
        )
        for e in await sent(running)
        if isinstance(e, MeetingDecided)
    }
    assert told == {
        (case, number): as_told(each, str(by.agency), by.worker, number + 1)
        for (case, number), (by, each) in said.items()
    }
    for member in members:
        listed = (await running.http.get("/v1/tasks", headers=member.headers)).json()
        owed = {(e["case_id"], e["action"], e["about"]) for e in listed}
        assert owed == {
            (case, each["action"], each["about"].value)
            for case, decided_ in last.items()
            for each in decided_["tasks"]
            if each["agency"] == member.agency
        }
    for each in minutes["cases"]:
        assert each["locked"] is True
    again = await members[0].decides(meeting, cases[0], EXTREME, replaces=9)
    assert again.status_code == 409

    async def all_settled() -> bool:
        found = await table_of(running).dockets.all_of(cases)
        return all(e.decided_at for e in found if e.id not in open_)

    await eventually(all_settled)
    next_ = await chair(running).reads(f"/{morning(clock)}")
    assert {each["case_id"] for each in next_["cases"]} == set(minutes["carried_over"])


async def test_a_pack_holds_what_its_reader_may_see_and_no_more(
    running: Running, clock: SimulatedClock
) -> None:
    [case] = await referred(running, HIGH)
    meeting = morning(clock)
    leads, police, refuge = await sat_down(running, meeting, ("police", "refuge"))
    unsigned = Member(running, "hospital")
    task = {"action": "safety_advice", "agency": "police", "within_hours": 4}
    await leads.decides(meeting, case, lead="refuge", tasks=[task])

    agenda = await police.asks("GET", f"/{meeting}/pack")
    outside = await unsigned.asks("GET", f"/{meeting}/pack")
    mine = await police.asks("GET", f"/{meeting}/extract/pack")
    other = await refuge.asks("GET", f"/{meeting}/extract/pack")

    for each in (agenda, outside, mine, other):
        assert each.headers["content-security-policy"].startswith("default-src 'none'")
        assert 'class="reading"' in each.text
        assert case not in each.text
    assert f'scope="row">{case[-8:]}<' in agenda.text
    assert case[-8:] not in outside.text
    assert "Give safety advice" in mine.text
    assert "high" not in mine.text
    assert "Give safety advice" not in other.text
    assert "high" in other.text


async def test_a_pack_leaves_on_two_words_for_whoever_reads_the_same(
    running: Running, clock: SimulatedClock
) -> None:
    case, second = await referred(running, HIGH, HIGH)
    meeting = morning(clock)
    leads, one, other, refuge = await sat_down(
        running, meeting, ("police", "police", "refuge")
    )
    task = {"action": "safety_advice", "agency": "police", "within_hours": 4}
    await leads.decides(meeting, case, lead="police", tasks=[task])
    path = f"/{meeting}/packs/extract/releases"

    async def read(by: Member) -> dict[str, str]:
        answer = await by.asks("GET", f"/{meeting}/extract/pack")
        return {"paper": answer.headers["etag"].strip('"')}

    unread = await one.asks("POST", path, {"paper": "a" * 16})
    asked = await one.asks("POST", path, await read(one))
    assert asked.status_code == 201, asked.text
    release = f"{path}/{asked.json()['release_id']}"
    early = await other.asks("GET", f"{release}/paper?form=html")
    own = await one.asks("POST", f"{release}/confirmation", await read(one))
    strange = await refuge.asks("POST", f"{release}/confirmation", await read(refuge))
    agreed = await other.asks("POST", f"{release}/confirmation", await read(other))
    fetched = await other.asks("GET", f"{release}/paper?form=html")
    # Whoever reads another pack fetches none; nor is it the agenda that was let go.
    for_refuge = await refuge.asks("GET", f"{release}/paper?form=html")
    not_theirs = await refuge.asks("DELETE", release)
    agenda = release.replace("extract", "agenda")
    not_that = await other.asks("GET", f"{agenda}/paper?form=html")
    # Nor does what two have read leave as what was decided since.
    decided = await leads.decides(meeting, second, lead="police", tasks=[task])
    assert decided.status_code == 200, decided.text
    since = await other.asks("GET", f"{release}/paper?form=html")

    assert problem(unread) == (409, "another-paper")
    assert problem(strange) == (404, "no-such-release")
    assert problem(early) == (409, "not-confirmed")
    assert problem(own) == (403, "own-release")
    assert agreed.status_code == 200
    assert "For police" in fetched.text
    assert 'class="reading"' not in fetched.text
    assert problem(for_refuge) == problem(not_theirs) == (404, "no-such-release")
    assert problem(not_that) == (404, "no-such-release")
    assert problem(since) == (409, "another-paper")
    assert (await one.asks("DELETE", release)).json()["ended_at"]
    over = await other.asks("GET", f"{release}/paper?form=html")
    assert problem(over) == (409, "release-over")
    done = [each.action for each in await audited(running.service.audit)]
    kept = [each for each in done if each.startswith("pack.")]
    assert {"pack.release", "pack.confirm", "pack.fetch", "pack.end"} == {*kept}
    said = await sent_by(running.service, running.broker)
    [left] = [each.data for each in said if isinstance(each.data, PaperReleased)]
    assert (left.case_id, left.meeting_id, left.agency) == (case, meeting, "police")
    assert {each.group for each in left.told} == {PaperGroup.PLAN, PaperGroup.RISK}
