"""What people need beside safety: whose it is, who is asked, and who answers."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

import httpx2
import pytest
from accord_chassis.clock import SimulatedClock
from accord_chassis.testing import NOON, audited, eventually, message_of, new_id
from accord_contracts.access import AGENCIES, Side, listed_id
from accord_contracts.message import Event, Lane
from accord_contracts.plans import (
    NeedLevel,
    PlanClosed,
    PlanDrafted,
    ServiceDueSoon,
    ServiceMoved,
    ServiceOverdue,
    ServiceStep,
)
from accord_contracts.referrals import (
    CaseErased,
    CaseMerged,
    CaseTransferred,
    PersonErased,
    RolesDecided,
)
from accord_contracts.risk import RiskLevel
from hypothesis import given
from hypothesis import strategies as st
from plans import handlers
from plans.domain.meeting.docket import Why
from plans.domain.outcome import Left
from plans.domain.share import Share
from plans.meeting.hearing import note_assessment, note_merging
from plans.meeting.store import Dockets, Table
from plans.needs.handlers import close_sides, end_closed, end_merged, take_up
from plans.needs.need import (
    AFTER,
    Need,
    NotAfter,
    NotAgreedTo,
    Reached,
    StillAsked,
    Voice,
    need_id,
)
from plans.needs.store import Needs
from plans_builders import POLICY, Running, assessed
from stand_ins import Allocation

READ, WORK, ANSWERS = "plans.read", "plans.work", "plans.answer"
TWO_DAYS = timedelta(hours=48)
WEEKS = timedelta(weeks=2)
ANSWER, START = POLICY.needs.answer, POLICY.needs.start
BEFORE = timedelta(hours=12)


def need(voice: Voice = Voice.AGREED) -> Need:
    case, person = new_id(), new_id()
    return Need(
        id=need_id(case, Side.PERSON_HARMED, person, "housing"),
        case_id=case,
        person_id=person,
        side=Side.PERSON_HARMED,
        strand="housing",
        level=NeedLevel.UNMET,
        voice=voice,
        assessed_at=NOON,
        by="somebody",
    )


def reached(step: ServiceStep, minutes: int = 0, reason: str | None = None) -> Reached:
    at = NOON + timedelta(minutes=minutes)
    return Reached(step=step, at=at, by="somebody", reason=reason)


@pytest.mark.parametrize("said", [Voice.REFUSED, Voice.NOT_ASKED])
def test_nobody_is_referred_to_a_service_against_their_word(said: Voice) -> None:
    with pytest.raises(NotAgreedTo):
        need(said).ask("refuge", ANSWER, at=NOON, by="somebody")


def test_a_provider_is_asked_once_at_a_time() -> None:
    asked = need().ask("refuge", ANSWER, at=NOON, by="somebody")
    with pytest.raises(StillAsked):
        asked.ask("refuge", ANSWER, at=NOON, by="somebody")

    [service] = asked.services
    no = asked.move(service.id, reached(ServiceStep.REFUSED, 5, "no_capacity"), START)
    again = no.ask("refuge", ANSWER, at=NOON, by="somebody")

    assert [each.step for each in again.services] == ["refused", "offered"]
    assert len({each.id for each in again.services}) == 2


@given(st.lists(st.sampled_from(ServiceStep), max_size=12))
def test_the_first_time_of_a_step_is_kept_and_none_comes_twice(
    steps: list[ServiceStep],
) -> None:
    held = need().ask("refuge", ANSWER, at=NOON, by="somebody")
    service_id = held.services[0].id
    for minute, step in enumerate(steps, 1):
        before = held.services[0]
        try:
            held = held.move(service_id, reached(step, minute), START)
        except NotAfter:
            assert step not in AFTER[before.step]
        after = held.services[0]
        assert after.steps[: len(before.steps)] == before.steps

    came = [each.step for each in held.services[0].steps]
    assert len(came) == len(set(came))
    assert all(then in AFTER[one] for one, then in pairwise(came))


def test_a_provider_that_does_not_answer_is_told_of_once() -> None:
    asked = need().ask("refuge", ANSWER, at=NOON, by="somebody")

    assert asked.due_at == NOON + TWO_DAYS - BEFORE
    late = asked.fall_due(NOON + TWO_DAYS)
    assert late.due_at is None
    assert late.fall_due(NOON + 2 * TWO_DAYS) == late
    assert late.remind(NOON + 2 * TWO_DAYS) == late


@pytest.mark.parametrize("accepted", [False, True])
def test_a_provider_is_reminded_of_once_before_it_is_late(*, accepted: bool) -> None:
    held, due = need().ask("refuge", ANSWER, at=NOON, by="somebody"), NOON + TWO_DAYS
    if accepted:
        service_id = held.services[0].id
        held = held.move(service_id, reached(ServiceStep.ACCEPTED), START)
        due = NOON + WEEKS

    assert held.due_at == due - BEFORE
    reminded = held.remind(due - BEFORE)
    assert reminded != held
    assert reminded.remind(due - BEFORE) == reminded
    assert reminded.due_at == due
    assert reminded.services[0].overdue_at is None


def test_what_was_first_found_is_never_forgotten() -> None:
    held = first = need()
    for minute in range(1, 80):
        level = NeedLevel.MET if minute % 2 else NeedLevel.UNMET
        at = NOON + timedelta(minutes=minute)
        again = first.model_copy(update={"level": level, "assessed_at": at, "by": "b"})
        held = held.assess(again)

    assert held.assessed_at == NOON + timedelta(minutes=79)
    assert held.first_assessed_at == NOON
    assert (held.history[0].by, held.history[0].level) == ("somebody", first.level)
    assert held.history[-1].at == NOON + timedelta(minutes=78)
    assert len(held.history) == 51


@pytest.mark.parametrize("step", [ServiceStep.ACCEPTED, ServiceStep.WAITING])
def test_a_provider_that_accepts_and_does_not_begin_is_told_of_once(
    step: ServiceStep,
) -> None:
    held = need().ask("refuge", ANSWER, at=NOON, by="somebody")
    [service] = held.services
    held = held.move(service.id, reached(ServiceStep.ACCEPTED, 5), START)
    if step is ServiceStep.WAITING:
        late = held.fall_due(NOON + timedelta(minutes=5) + WEEKS)
        assert late.due_at is None
        held = late.move(service.id, reached(ServiceStep.WAITING, 10), START)

    due = held.services[0].due_at
    assert due
    assert due == held.services[0].steps[-1].at + WEEKS
    assert held.fall_due(due).due_at is None
    begun = held.move(service.id, reached(ServiceStep.STARTED, 20), START)
    assert begun.due_at is None


def test_nobody_is_waited_for_after_the_end_until_it_begins_again() -> None:
    held = need().ask("refuge", ANSWER, at=NOON, by="somebody")
    end, later = NOON + timedelta(hours=1), NOON + timedelta(hours=2)

    over = held.close(end)

    assert over.due_at is None
    assert over.take_up(NOON) is over
    assert over.take_up(later).due_at == held.due_at
    # What was told of a late one was over with the end.
    told = held.fall_due(NOON + TWO_DAYS).close(end + TWO_DAYS)
    assert told.take_up(later + TWO_DAYS).due_at == held.services[0].answer_by
    # However late the end is heard of, and how often.
    assert over.close(end) is over


async def given_case(running: Running) -> str:
    case = new_id()
    await handlers.draft_plan(
        assessed(case),
        plans=running.plans,
        policy=POLICY,
        clock=running.service.clock,
    )
    return case


def told(side: Side = Side.PERSON_HARMED, **fields: Any) -> dict[str, Any]:
    return {
        "person_id": new_id(),
        "side": side,
        "strand": "immediate_safety",
        "level": "unmet",
        "voice": "agreed",
    } | fields


async def assess(
    running: Running, case: str, body: dict[str, Any], **who: Any
) -> httpx2.Response:
    return await running.post(f"/v1/plans/{case}/needs", WORK, body=body, **who)


async def test_a_need_is_followed_to_a_service_that_has_started(
    running: Running,
) -> None:
    case = await given_case(running)
    made = await assess(running, case, told())
    assert made.status_code == 201
    path = f"/v1/plans/{case}/needs/{made.json()['need_id']}/services"

    asked = await running.post(path, WORK, body={"provider": "refuge"})
    assert asked.status_code == 201
    [service] = asked.json()["services"]
    steps = f"{path}/{service['service_id']}/steps"
    for step in ("accepted", "started"):
        assert (await running.post(steps, WORK, body={"step": step})).status_code == 200
    back = await running.post(steps, WORK, body={"step": "accepted"})
    unsaid = await running.post(steps, WORK, body={"step": "ended", "reason": "why"})

    assert (back.status_code, unsaid.status_code) == (409, 422)
    [shown] = (await running.get(f"/v1/plans/{case}/needs", READ)).json()
    [service] = shown["services"]
    assert [each["step"] for each in service["steps"]] == [
        "offered", "accepted", "started",
    ]  # fmt: skip


async def test_only_a_provider_of_the_directory_that_meets_the_need_is_asked(
    running: Running, allocation: Allocation
) -> None:
    case = await given_case(running)
    held = (await assess(running, case, told())).json()
    path = f"/v1/plans/{case}/needs/{held['need_id']}"
    allocation.meet = ["refuge", "bank"]
    running.standings.tell(listed_id(AGENCIES, "bank"), case, excluded=True)

    shown = await running.get(f"{path}/providers", WORK)
    asked = {
        code: await running.post(f"{path}/services", WORK, body={"provider": code})
        for code in ("nobody", "bank", "refuge")
    }

    # The lists of the case keep the bank from it: that is not told apart from another.
    assert shown.json() == [{"provider": "refuge", "name": "The refuge"}]
    kinds = [asked[each].json()["type"] for each in ("nobody", "bank")]
    assert kinds == ["urn:accord:problem:does-not-meet-it"] * 2
    assert asked["refuge"].status_code == 201
    assert allocation.asked[0] == (held["strand"], "Bearer token")
    allocation.status = 500
    away = await running.post(f"{path}/services", WORK, body={"provider": "other"})
    assert away.json()["type"] == "urn:accord:problem:help-away"


async def test_a_provider_answers_for_itself_what_it_was_asked_and_nothing_else(
    running: Running, allocation: Allocation
) -> None:
    case = await given_case(running)
    allocation.meet = ["refuge", "bank"]
    held = (await assess(running, case, told())).json()
    path = f"/v1/plans/{case}/needs/{held['need_id']}/services"
    ids = {}
    for code in allocation.meet:
        made = await running.post(path, WORK, body={"provider": code})
        ids[code] = made.json()["services"][-1]["service_id"]

    async def answers(code: str, service: str, **body: str) -> httpx2.Response:
        url = f"/v1/services/{ids[service]}/steps"
        return await running.http.post(url, json=body, headers=of(code, running))

    async def asked_of(code: str) -> Any:
        found = await running.http.get("/v1/services", headers=of(code, running))
        return found.json()

    [shown] = await asked_of("refuge")
    assert shown["service_id"] == ids["refuge"]
    assert (shown["case_id"], shown["person_id"]) == (case, held["person_id"])
    assert ids["bank"] not in str(shown)
    assert (await answers("bank", "refuge", step="accepted")).status_code == 404
    unsaid = await answers("refuge", "refuge", step="refused")
    assert unsaid.json()["type"] == "urn:accord:problem:reason-missing"
    for step in ("accepted", "waiting", "started"):
        assert (await answers("refuge", "refuge", step=step)).json()["step"] == step
    no = await answers("bank", "bank", step="refused", reason="no_capacity")
    assert no.status_code == 200
    assert await asked_of("bank") == []

    # Whoever is on a list by now knows nothing of it any more, and says nothing.
    running.standings.tell(listed_id(AGENCIES, "refuge"), case, excluded=True)
    assert await asked_of("refuge") == []
    before = len(await audited(running.service.audit))
    assert await asked_of("refuge") == []
    ended = await answers("refuge", "refuge", step="ended", reason="need_met")
    assert ended.status_code == 404
    of_case = [e for e in (await audited(running.service.audit))[before:] if e.case_id]
    assert [(e.action, e.outcome) for e in of_case] == [("service.answer", "refused")]
    nobody = running.bearer(ANSWERS)
    assert (await running.http.get("/v1/services", headers=nobody)).status_code == 404


@pytest.mark.parametrize("where", ["the case", "what is merged with it"])
async def test_who_meets_him_is_asked_nothing_for_her_and_reads_nothing_of_hers(
    running: Running, where: str
) -> None:
    case = hers_in = await given_case(running)
    if where != "the case":
        hers_in = await given_case(running)
        one = await running.plans.get(case)
        two = await running.plans.get(hers_in)
        assert one
        assert two
        await running.plans.save(two.model_copy(update={"merged_into": case}))
        shares = {hers_in: Share(owners={})}
        await running.plans.save(one.model_copy(update={"shares": shares}))
    his = (await assess(running, case, told(Side.PERSON_USING_VIOLENCE))).json()
    path = f"/v1/plans/{case}/needs/{his['need_id']}/services"
    made = await running.post(path, WORK, body={"provider": "refuge"})
    hers = (await assess(running, hers_in, told())).json()
    path = f"/v1/plans/{hers_in}/needs/{hers['need_id']}"

    shown = await running.get(f"{path}/providers", WORK)
    asked = await running.post(f"{path}/services", WORK, body={"provider": "refuge"})

    assert shown.json() == []
    assert asked.json()["type"] == "urn:accord:problem:does-not-meet-it"
    # Asked in the same moment as for him, it is shown and says nothing of hers.
    needs = running.service.store(Needs)
    held = await needs.get(hers["need_id"])
    assert held
    both = held.ask("refuge", ANSWER, at=NOON, by="somebody")
    await needs.save(both)
    refuge = of("refuge", running)
    listed = (await running.http.get("/v1/services", headers=refuge)).json()
    ours = made.json()["services"][0]["service_id"]
    assert [each["service_id"] for each in listed] == [ours]
    said = {"step": "accepted"}

    async def answers(service_id: str) -> int:
        steps = f"/v1/services/{service_id}/steps"
        found = await running.http.post(steps, json=said, headers=refuge)
        return found.status_code

    assert await answers(both.services[0].id) == 404
    assert await answers(ours) == 200


def of(agency: str, running: Running) -> dict[str, str]:
    token = running.issuer.token(agency, ANSWERS, region="test", agency=agency)
    return {"Authorization": f"Bearer {token}"}


async def test_what_no_provider_answers_is_reminded_of_told_and_before_the_meeting(
    running: Running, clock: SimulatedClock
) -> None:
    case = await given_case(running)
    await note_assessment(assessed(case), table=running.service.parts[Table])
    held = (await assess(running, case, told())).json()
    path = f"/v1/plans/{case}/needs/{held['need_id']}/services"
    made = await running.post(path, WORK, body={"provider": "refuge"})
    service_id = made.json()["services"][0]["service_id"]
    dockets = running.service.store(Dockets)

    def told_of(event: type[Event]) -> list[Event]:
        lanes = (running.told("notify", each) for each in Lane)
        return [each for lane in lanes for each in lane if isinstance(each, event)]

    async def brought() -> bool:
        docket = await dockets.get(case)
        owed = docket.owed.get(service_id) if docket else None
        return bool(owed and not owed.done)

    async def reminded() -> list[Event]:
        return told_of(ServiceDueSoon)

    clock.advance(TWO_DAYS - BEFORE)
    await eventually(reminded)
    assert not told_of(ServiceOverdue)
    clock.advance(BEFORE)
    await eventually(brought)

    docket = await dockets.get(case)
    assert docket
    assert Why.OVERDUE in {each.why for each in docket.reasons(clock.now())}
    [late] = told_of(ServiceOverdue)
    assert isinstance(late, ServiceOverdue)
    assert (late.service_id, late.level) == (service_id, RiskLevel.HIGH)
    [shown] = (await running.get(f"/v1/plans/{case}", READ)).json()["services"]
    assert (shown["service_id"], shown["step"]) == (service_id, "offered")
    assert shown["overdue_at"]
    steps = f"{path}/{service_id}/steps"
    await running.post(steps, WORK, body={"step": "accepted"})

    async def settled() -> bool:
        return not await brought()

    await eventually(settled)


async def test_services_for_whoever_was_harmed_stand_in_no_plan_that_outreach_reads(
    running: Running, allocation: Allocation
) -> None:
    case, outreach = await given_case(running), new_id()
    running.standings.tell(outreach, case, sides=[Side.PERSON_USING_VIOLENCE])
    allocation.meet = ["refuge", "programme"]
    asked = {
        Side.PERSON_HARMED: "refuge",
        Side.PERSON_USING_VIOLENCE: "programme",
    }
    for side, provider in asked.items():
        held = (await assess(running, case, told(side))).json()
        path = f"/v1/plans/{case}/needs/{held['need_id']}/services"
        await running.post(path, WORK, body={"provider": provider})

    [his] = (await running.get(f"/v1/plans/{case}", READ, worker=outreach)).json()[
        "services"
    ]
    assert his["need_id"] == held["need_id"]
    both = (await running.get(f"/v1/plans/{case}", READ)).json()["services"]
    assert len(both) == 2


async def test_a_need_assessed_again_is_the_same_need(running: Running) -> None:
    case, body = await given_case(running), told()
    first = await assess(running, case, body)
    again = await assess(running, case, body | {"level": "met"})

    assert first.json()["need_id"] == again.json()["need_id"]
    [shown] = (await running.get(f"/v1/plans/{case}/needs", READ)).json()
    assert shown["level"] == "met"


async def test_what_the_person_harmed_needs_is_not_for_outreach(
    running: Running,
) -> None:
    case, outreach = await given_case(running), new_id()
    running.standings.tell(outreach, case, sides=[Side.PERSON_USING_VIOLENCE])
    hers = await assess(running, case, told())
    his = await assess(running, case, told(Side.PERSON_USING_VIOLENCE))
    path = f"/v1/plans/{case}/needs"

    shown = await running.get(path, READ, worker=outreach)
    tried = await assess(running, case, told(), worker=outreach)
    asked = await running.post(
        f"{path}/{hers.json()['need_id']}/services",
        WORK,
        worker=outreach,
        body={"provider": "refuge"},
    )

    assert [each["need_id"] for each in shown.json()] == [his.json()["need_id"]]
    assert (tried.status_code, asked.status_code) == (404, 404)


async def test_outreach_that_names_her_on_its_own_side_finds_nothing_of_hers(
    running: Running,
) -> None:
    case, outreach = await given_case(running), new_id()
    running.standings.tell(outreach, case, sides=[Side.PERSON_USING_VIOLENCE])
    body = told()
    hers = (await assess(running, case, body)).json()
    await running.post(
        f"/v1/plans/{case}/needs/{hers['need_id']}/services",
        WORK,
        body={"provider": "refuge"},
    )
    aside = body | {"side": Side.PERSON_USING_VIOLENCE, "level": "met"}

    own = (await assess(running, case, aside, worker=outreach)).json()

    assert (own["level"], own["services"]) == ("met", [])
    assert own["need_id"] != hers["need_id"]
    shown = (await running.get(f"/v1/plans/{case}/needs", READ)).json()
    [kept] = [each for each in shown if each["need_id"] == hers["need_id"]]
    assert (kept["level"], len(kept["services"])) == ("unmet", 1)


async def test_what_was_noted_of_her_as_of_him_is_closed_to_who_meets_him(
    running: Running,
) -> None:
    case, her, him, outreach = await given_case(running), new_id(), new_id(), new_id()
    running.standings.tell(outreach, case, sides=[Side.PERSON_USING_VIOLENCE])
    noted = told(Side.PERSON_USING_VIOLENCE, person_id=her)
    both = [
        noted,
        told(Side.PERSON_USING_VIOLENCE, person_id=her, strand="behaviour_change"),
    ]
    hers = [(await assess(running, case, each)).json()["need_id"] for each in both]
    parts = {"case_id": case, "harmed": her, "using_violence": him}
    decided = RolesDecided(**parts, corrected=True, decided_at=NOON)
    path = f"/v1/plans/{case}/needs"
    as_told = decided.model_copy(update={"corrected": False})
    needs = running.service.store(Needs)
    await close_sides(message_of(as_told), needs=needs)
    assert len((await running.get(path, READ, worker=outreach)).json()) == 2

    await running.hears(message_of(decided))

    async def closed() -> bool:
        return (await running.get(path, READ, worker=outreach)).json() == []

    await eventually(closed)
    shown = (await running.get(path, READ)).json()
    assert {each["need_id"] for each in shown} == {*hers}
    tried = await assess(running, case, noted | {"level": "met"}, worker=outreach)
    assert tried.status_code == 404
    # Heard again, it changes nothing, and his own stay open.
    his = told(Side.PERSON_USING_VIOLENCE, person_id=him)
    assert (await assess(running, case, his, worker=outreach)).status_code == 201
    before = await needs.of_cases([case])
    await close_sides(message_of(decided), needs=needs)
    assert await needs.of_cases([case]) == before


async def test_a_strand_that_there_is_not_is_refused(running: Running) -> None:
    case = await given_case(running)

    refused = await assess(running, case, told(strand="astrology"))
    nowhere = await assess(running, new_id(), told())

    assert refused.status_code == 422
    assert "astrology" not in refused.text
    assert nowhere.status_code == 404


async def test_a_service_needed_no_longer_ends_with_the_response_and_is_told(
    running: Running, allocation: Allocation
) -> None:
    allocation.meet = ["refuge", "bank"]
    case = await given_case(running)
    made = (await assess(running, case, told())).json()
    path = f"/v1/plans/{case}/needs/{made['need_id']}/services"
    for code in allocation.meet:
        asked = await running.post(path, WORK, body={"provider": code})
    ended, goes_on = (each["service_id"] for each in asked.json()["services"])
    held = await running.plans.get(case)
    assert held
    left = (
        Left(id=ended, reason="no_longer_needed"),
        Left(id=goes_on, reason="carried_on", carried_to="bank"),
    )
    at = NOON + timedelta(hours=1)
    closed = held.with_current(closed_at=at, closed_for="died", left=left)
    over = PlanClosed(
        case_id=case,
        plan_version=1,
        reason="died",
        assessment_revision=1,
        closed_at=at,
    )
    await running.plans.save(closed, over)
    needs = running.service.store(Needs)

    async def steps() -> list[str]:
        found = await needs.get(made["need_id"])
        return [each.step for each in found.services] if found else []

    async def over_() -> bool:
        return await steps() == ["ended", "offered"]

    await eventually(over_)

    assert moves(running) == [(ended, "ended", "no_longer_needed")]
    # Nobody would see what becomes of another.
    body = {"provider": "refuge"}
    refused = await running.post(path, WORK, body=body)
    assert refused.json()["type"] == "urn:accord:problem:already-closed"


def moves(running: Running) -> list[tuple[str, str, str | None]]:
    lanes = (running.told("notify", each) for each in Lane)
    return [
        (each.service_id, each.step, each.reason)
        for lane in lanes
        for each in lane
        if isinstance(each, ServiceMoved)
    ]


async def test_of_who_is_erased_no_service_is_waited_for_any_more(
    running: Running,
) -> None:
    case = await given_case(running)
    made = (await assess(running, case, told())).json()
    path = f"/v1/plans/{case}/needs/{made['need_id']}/services"
    asked = await running.post(path, WORK, body={"provider": "refuge"})
    [service] = asked.json()["services"]

    erased = PersonErased(
        case_id=case, person_id=made["person_id"], reason="court", erased_at=NOON
    )
    await running.hears(message_of(erased))
    needs = running.service.store(Needs)

    async def told_and_gone() -> bool:
        return bool(moves(running)) and not await needs.of_cases([case])

    await eventually(told_and_gone)
    assert moves(running) == [(service["service_id"], "ended", None)]


async def test_what_another_region_has_waits_for_no_provider_and_no_meeting(
    running: Running, clock: SimulatedClock
) -> None:
    case = await given_case(running)
    made = await assess(running, case, told())
    need_id = made.json()["need_id"]
    path = f"/v1/plans/{case}/needs/{need_id}/services"
    asked = await running.post(path, WORK, body={"provider": "refuge"})
    needs, dockets = running.service.store(Needs), running.service.store(Dockets)

    at = clock.now()
    await running.hears(message_of(CaseTransferred(case_id=case, transferred_at=at)))

    async def ended() -> bool:
        held, docket = await needs.get(need_id), await dockets.get(case)
        return bool(held and held.transferred_at and docket and docket.transferred_at)

    await eventually(ended)
    assert await needs.due_now(at + 2 * TWO_DAYS) == []
    # In the seconds for which a standing is believed, a request may still come.
    late = await running.post(path, WORK, body={"provider": "iwi"})
    steps = f"{path}/{asked.json()['services'][0]['service_id']}/steps"
    moved = await running.post(steps, WORK, body={"step": "accepted"})
    for each in (late, moved):
        assert each.status_code == 409, each.text
        assert each.json()["type"].endswith("closed-to-change")


async def test_a_provider_that_is_late_is_told_of_and_erased_with_the_case(
    running: Running, clock: SimulatedClock
) -> None:
    case = await given_case(running)
    made = await assess(running, case, told())
    path = f"/v1/plans/{case}/needs/{made.json()['need_id']}/services"
    await running.post(path, WORK, body={"provider": "refuge"})

    clock.advance(TWO_DAYS)
    needs = running.service.store(Needs)

    async def late() -> bool:
        [held] = await needs.of_cases([case])
        return held.services[0].overdue_at is not None

    await eventually(late)
    erased = CaseErased(case_id=case, erased_at=clock.now(), reason="court")
    await running.hears(message_of(erased))

    async def gone() -> bool:
        return not await needs.of_cases([case])

    await eventually(gone)


async def test_an_ended_response_waits_for_nobody_until_a_plan_is_drafted_again(
    running: Running,
) -> None:
    needs, case = running.service.store(Needs), await given_case(running)
    held = await running.plans.get(case)
    assert held
    asked = need().model_copy(update={"case_id": case})
    await needs.save(asked.ask("refuge", ANSWER, at=NOON, by="somebody"))
    over = PlanClosed(
        case_id=case,
        plan_version=1,
        reason="died",
        assessment_revision=1,
        closed_at=NOON + timedelta(hours=1),
    )

    dockets = running.service.parts[Table].dockets
    parts = {"needs": needs, "plans": running.plans, "dockets": dockets}

    # A plan is in hand, so this is the end of what was before it.
    await end_closed(message_of(over), **parts)
    [still] = await needs.of_cases([case])
    assert still.due_at == NOON + TWO_DAYS - BEFORE

    await running.plans.save(held.transfer(NOON + timedelta(hours=1)))
    await end_closed(message_of(over), **parts)
    [ended] = await needs.of_cases([case])
    assert ended.due_at is None

    again = PlanDrafted(
        case_id=case,
        plan_version=2,
        referral_id=None,
        level=RiskLevel.HIGH,
        actions=1,
        drafted_at=NOON + timedelta(hours=2),
    )
    await take_up(message_of(again), needs=needs, plans=running.plans)
    [awaited] = await needs.of_cases([case])
    assert awaited.due_at == NOON + TWO_DAYS - BEFORE


@pytest.mark.parametrize("first", ["merging", "end"])
async def test_needs_of_what_is_merged_and_never_drafted_go_on_with_its_survivor(
    running: Running, first: str
) -> None:
    needs, case, merged = (
        running.service.store(Needs),
        await given_case(running),
        new_id(),
    )
    plans, table = running.plans, running.service.parts[Table]
    asked = need().model_copy(update={"case_id": merged})
    await needs.save(asked.ask("refuge", ANSWER, at=NOON, by="somebody"))
    told = {"case_id": case, "plan_version": 1}
    hour = timedelta(hours=1)
    over = message_of(
        PlanClosed(**told, reason="died", assessment_revision=1, closed_at=NOON + hour)
    )
    together = message_of(
        CaseMerged(case_id=merged, survivor_id=case, merged_at=NOON), version=2
    )
    again = PlanDrafted(
        **told,
        referral_id=None,
        level=RiskLevel.HIGH,
        actions=1,
        drafted_at=NOON + 2 * hour,
    )

    async def merge() -> None:
        await note_merging(together, table=table)
        await end_merged(together, needs=needs, plans=plans)

    if first == "merging":
        await merge()
    held = await plans.get(case)
    assert held
    closed = held.with_current(closed_at=NOON + hour, closed_for="died")
    shares = {merged: Share(owners={})}
    await plans.save(closed.model_copy(update={"shares": shares}))
    await end_closed(over, needs=needs, plans=plans, dockets=table.dockets)
    if first == "end":
        await merge()
    [ended] = await needs.of_cases([merged])
    await take_up(message_of(again), needs=needs, plans=plans)
    [awaited] = await needs.of_cases([merged])

    assert (ended.due_at, awaited.due_at) == (None, NOON + TWO_DAYS - BEFORE)
