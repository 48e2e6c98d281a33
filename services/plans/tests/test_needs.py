"""What people need beside safety: whose it is, who is asked, and who answers."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

import httpx2
import pytest
from accord_chassis.clock import SimulatedClock
from accord_chassis.testing import NOON, eventually, message_of, new_id
from accord_contracts.access import Side
from accord_contracts.plans import NeedLevel, PlanClosed, PlanDrafted, ServiceStep
from accord_contracts.referrals import (
    CaseErased,
    CaseMerged,
    CaseTransferred,
    RolesDecided,
)
from accord_contracts.risk import RiskLevel
from hypothesis import given
from hypothesis import strategies as st
from plans import handlers
from plans.domain.share import Share
from plans.meeting.hearing import note_merging
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

READ, WORK = "plans.read", "plans.work"
TWO_DAYS = timedelta(hours=48)
WEEKS = timedelta(weeks=2)


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
        need(said).ask("refuge", TWO_DAYS, at=NOON, by="somebody")


def test_a_provider_is_asked_once_at_a_time() -> None:
    asked = need().ask("refuge", TWO_DAYS, at=NOON, by="somebody")
    with pytest.raises(StillAsked):
        asked.ask("refuge", TWO_DAYS, at=NOON, by="somebody")

    [service] = asked.services
    no = asked.move(service.id, reached(ServiceStep.REFUSED, 5, "no_capacity"), WEEKS)
    again = no.ask("refuge", TWO_DAYS, at=NOON, by="somebody")

    assert [each.step for each in again.services] == ["refused", "offered"]
    assert len({each.id for each in again.services}) == 2


@given(st.lists(st.sampled_from(ServiceStep), max_size=12))
def test_the_first_time_of_a_step_is_kept_and_none_comes_twice(
    steps: list[ServiceStep],
) -> None:
    held = need().ask("refuge", TWO_DAYS, at=NOON, by="somebody")
    service_id = held.services[0].id
    for minute, step in enumerate(steps, 1):
        before = held.services[0]
        try:
            held = held.move(service_id, reached(step, minute), WEEKS)
        except NotAfter:
            assert step not in AFTER[before.step]
        after = held.services[0]
        assert after.steps[: len(before.steps)] == before.steps

    came = [each.step for each in held.services[0].steps]
    assert len(came) == len(set(came))
    assert all(then in AFTER[one] for one, then in pairwise(came))


def test_a_provider_that_does_not_answer_is_told_of_once() -> None:
    asked = need().ask("refuge", TWO_DAYS, at=NOON, by="somebody")

    assert asked.due_at == NOON + TWO_DAYS
    late = asked.fall_due(NOON + TWO_DAYS)
    assert late.due_at is None
    assert late.fall_due(NOON + 2 * TWO_DAYS) == late


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
    held = need().ask("refuge", TWO_DAYS, at=NOON, by="somebody")
    [service] = held.services
    held = held.move(service.id, reached(ServiceStep.ACCEPTED, 5), WEEKS)
    if step is ServiceStep.WAITING:
        late = held.fall_due(NOON + timedelta(minutes=5) + WEEKS)
        assert late.due_at is None
        held = late.move(service.id, reached(ServiceStep.WAITING, 10), WEEKS)

    due = held.due_at
    assert due
    assert due == held.services[0].steps[-1].at + WEEKS
    assert held.fall_due(due).due_at is None
    begun = held.move(service.id, reached(ServiceStep.STARTED, 20), WEEKS)
    assert begun.due_at is None


def test_nobody_is_waited_for_after_the_end_until_it_begins_again() -> None:
    held = need().ask("refuge", TWO_DAYS, at=NOON, by="somebody")
    end, later = NOON + timedelta(hours=1), NOON + timedelta(hours=2)

    over = held.close(end)

    assert over.due_at is None
    assert over.take_up(NOON) is over
    assert over.take_up(later).due_at == held.due_at
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


async def test_what_another_region_has_waits_for_no_provider_and_no_meeting(
    running: Running, clock: SimulatedClock
) -> None:
    case = await given_case(running)
    made = await assess(running, case, told())
    need_id = made.json()["need_id"]
    path = f"/v1/plans/{case}/needs/{need_id}/services"
    await running.post(path, WORK, body={"provider": "refuge"})
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
    assert late.status_code == 409, late.text
    assert late.json()["type"].endswith("closed-to-change")


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
    await needs.save(asked.ask("refuge", TWO_DAYS, at=NOON, by="somebody"))
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
    assert still.due_at == NOON + TWO_DAYS

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
    assert awaited.due_at == NOON + TWO_DAYS


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
    await needs.save(asked.ask("refuge", TWO_DAYS, at=NOON, by="somebody"))
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

    assert (ended.due_at, awaited.due_at) == (None, NOON + TWO_DAYS)
