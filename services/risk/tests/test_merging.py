"""Risk of two cases that are merged, and each with its own again."""

import contextlib
from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import httpx2
import pytest
from accord_chassis.clock import SimulatedClock
from accord_chassis.development.issuer import DevelopmentIssuer
from accord_chassis.store import AlreadyHandled
from accord_chassis.testing import (
    COORDINATOR,
    NOON,
    Alive,
    eventually,
    message_of,
    new_id,
    published,
)
from accord_contracts.access import Side
from accord_contracts.message import Message
from accord_contracts.plans import PlanBreached
from accord_contracts.referrals import (
    Answer,
    CaseErased,
    CaseMerged,
    CaseUnmerged,
    IncidentKind,
    TriggerCancelled,
    TriggerFellDue,
    TriggerKind,
    TriggerScheduled,
)
from accord_contracts.risk import (
    AssessmentCarried,
    ReassessmentDue,
    ReassessmentOverdue,
    RiskAssessed,
    RiskLevel,
)
from risk import merging
from risk.domain.assessment import Assessment
from risk.domain.judgement.acts import heed_table, raise_level
from risk.domain.judgement.record import Decided
from risk.domain.order import Order
from risk.domain.reassessment import Reassessment
from risk.domain.share import Share
from risk.handlers import (
    assess_referral,
    attend,
    erase,
    foresee,
    stop_clock,
    weigh_what_is_there,
)
from risk.judging import heed_breach
from risk.store import Assessments
from risk_builders import POLICY, closed, referral

LOW = RiskLevel.LOW
RELEASE = TriggerKind.PRISON_RELEASE
REASON = "trigger_prison_release"
LEAD = timedelta(days=POLICY.ahead[RELEASE].days)
FAR = NOON + LEAD + timedelta(days=30)


class Desk:
    """The service without its bus; what it tells itself comes once and once more."""

    def __init__(self, assessments: Assessments, clock: SimulatedClock) -> None:
        self.assessments = assessments
        self.clock = clock
        self._done: set[str] = set()

    async def hears(self, *messages: Message[Any]) -> None:
        for message in messages:
            await self._handle(message)
            await self.tells_itself()

    async def tells_itself(self) -> None:
        for message in await published(self.assessments):
            told = isinstance(message.data, AssessmentCarried)
            if told and message.id not in self._done:
                self._done.add(message.id)
                await self._handle(message)
                with contextlib.suppress(AlreadyHandled):
                    await self._handle(message)

    async def _handle(self, message: Message[Any]) -> None:
        held, policy = self.assessments, POLICY
        match message.data:
            case CaseMerged() | CaseUnmerged():
                await merging.note_merging(message, assessments=held, policy=policy)
            case AssessmentCarried():
                await merging.carry(
                    message, assessments=held, policy=policy, clock=self.clock
                )
            case CaseErased():
                await erase(message, assessments=held)
            case TriggerScheduled() | TriggerCancelled():
                await foresee(message, assessments=held, policy=policy)
            case TriggerFellDue():
                await weigh_what_is_there(message, assessments=held, policy=policy)
            case _:
                await assess_referral(message, assessments=held, policy=policy)

    async def sweeps(self, at: datetime) -> None:
        self.clock.advance(at - self.clock.now())
        for due in await self.assessments.due_now(at):
            await attend(due, at=at, assessments=self.assessments, policy=POLICY)
        await self.tells_itself()

    async def of(self, case_id: str) -> Assessment:
        found = await self.assessments.get(case_id)
        assert found
        return found


@pytest.fixture
def desk(assessments: Assessments, clock: SimulatedClock) -> Desk:
    return Desk(assessments, clock)


def merged(case: str, survivor: str, version: int = 2) -> Message[CaseMerged]:
    told = CaseMerged(case_id=case, survivor_id=survivor, merged_at=NOON)
    return message_of(told, version=version)


def unmerged(case: str, survivor: str, version: int = 3) -> Message[CaseUnmerged]:
    told = CaseUnmerged(case_id=case, survivor_id=survivor, unmerged_at=NOON)
    return message_of(told, version=version)


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_in_whatever_order_the_survivor_goes_by_what_is_known_of_both(
    desk: Desk, order: tuple[int, ...]
) -> None:
    one, two = new_id(), new_id()
    messages = (
        referral("prior_violence", case_id=one),
        referral("escalation", "coercive_control", case_id=two),
        merged(two, one),
    )

    await desk.hears(*(messages[each] for each in order))

    held, other = await desk.of(one), await desk.of(two)
    yes = {key for key, each in held.known.items() if each is Answer.YES}
    assert yes == {"prior_violence", "escalation", "coercive_control"}
    assert held.level.rank >= other.level.rank
    assert {*held.reasons} >= {"prior_violence", "escalation", "coercive_control"}
    assert other.due_at is None
    assert held.due_at == held.reassess_by


@pytest.mark.parametrize("order", list(permutations(range(4))))
async def test_in_whatever_order_each_has_its_own_again(
    desk: Desk, order: tuple[int, ...]
) -> None:
    one, two = new_id(), new_id()
    messages = (
        referral("prior_violence", case_id=one),
        referral("strangulation", case_id=two),
        merged(two, one),
        unmerged(two, one),
    )

    await desk.hears(*(messages[each] for each in order))

    held, other = await desk.of(one), await desk.of(two)
    assert (held.level, other.level.urgent) == (LOW, True)
    assert held.known["strangulation"] is Answer.NO
    assert held.reasons == ("prior_violence", "incident_verbal_abuse")
    assert not held.shares
    assert held.due_at == held.reassess_by
    assert other.due_at == other.reassess_by


async def test_the_higher_level_stands_and_is_told(desk: Desk) -> None:
    one, two = new_id(), new_id()
    await desk.hears(
        referral(case_id=one), referral("strangulation", case_id=two), merged(two, one)
    )

    told = [
        each.data
        for each in await published(desk.assessments)
        if isinstance(each.data, RiskAssessed) and each.data.case_id == one
    ]
    other = await desk.of(two)
    assert [each.level for each in told] == [LOW, other.level]
    assert told[-1].previous is LOW


async def test_a_level_that_a_person_would_have_to_lower_stays_after_unmerging(
    desk: Desk,
) -> None:
    one, two = new_id(), new_id()
    await desk.hears(
        referral("strangulation", case_id=one),
        referral(case_id=two),
        merged(two, one),
        unmerged(two, one),
    )

    assert (await desk.of(one)).level.urgent
    assert (await desk.of(two)).level is LOW


async def test_what_is_referred_to_the_merged_case_late_reaches_the_survivor(
    desk: Desk,
) -> None:
    one, two = new_id(), new_id()
    await desk.hears(referral(case_id=one), referral(case_id=two), merged(two, one))

    await desk.hears(referral("strangulation", case_id=two))

    assert (await desk.of(one)).level is (await desk.of(two)).level
    assert (await desk.of(one)).level.urgent


@pytest.mark.parametrize("news", ["merged", "referred", "unmerged"])
async def test_what_is_known_of_a_merged_case_makes_nothing_look_done_that_is_overdue(
    desk: Desk, news: str
) -> None:
    one, two = new_id(), new_id()
    await desk.hears(referral(case_id=one), referral(case_id=two))
    if news != "merged":
        await desk.hears(merged(two, one))
    overdue = (await desk.of(one)).fall_due(POLICY).fall_due(POLICY)
    await desk.assessments.save(overdue)
    messages: dict[str, Message[Any]] = {
        "merged": merged(two, one),
        "referred": referral("strangulation", case_id=two),
        "unmerged": unmerged(two, one),
    }

    await desk.hears(messages[news])

    held = await desk.of(one)
    assert held.revision > overdue.revision
    assert held.reassessment is Reassessment.OVERDUE
    assert held.reassess_by <= overdue.reassess_by
    assert held.due_at
    assert overdue.due_at
    assert held.due_at <= overdue.due_at


@pytest.mark.parametrize("late", [Reassessment.DUE, Reassessment.OVERDUE])
async def test_what_is_late_of_a_case_stays_late_where_it_is_merged_and_apart_again(
    desk: Desk, late: Reassessment
) -> None:
    one, two = new_id(), new_id()
    await desk.hears(referral(case_id=one), referral(case_id=two))
    held = await desk.of(two)
    ripe = held.fall_due(POLICY)
    ripe = ripe.fall_due(POLICY) if late is Reassessment.OVERDUE else ripe
    await desk.assessments.save(ripe)
    later = held.reassess_by + timedelta(days=1)
    desk.clock.advance(later - desk.clock.now())

    await desk.hears(merged(two, one))

    assert (await desk.of(two)).due_at is None
    await desk.sweeps(later)
    kind = ReassessmentDue if late is Reassessment.DUE else ReassessmentOverdue
    assert await told(desk, kind, one)
    survivor = await desk.of(one)
    assert survivor.reassessment is late
    assert survivor.reassess_by == held.reassess_by

    await desk.hears(unmerged(two, one))
    await desk.sweeps(later)

    assert await told(desk, kind, two)
    assert (await desk.of(two)).reassessment is late


async def told(desk: Desk, kind: type[Any], case_id: str) -> bool:
    said = [each.data for each in await published(desk.assessments)]
    return any(isinstance(e, kind) and e.case_id == case_id for e in said)


async def test_the_sooner_clock_of_two_households_runs_on(desk: Desk) -> None:
    one, two = new_id(), new_id()
    await desk.hears(referral(case_id=one), referral(case_id=two))
    held = await desk.of(two)
    soon = {"reassess_by": NOON + timedelta(hours=1)}
    soon["due_at"] = soon["reassess_by"]
    await desk.assessments.save(held.model_copy(update=soon))

    await desk.hears(merged(two, one))

    survivor = await desk.of(one)
    assert survivor.reassessment is Reassessment.AHEAD
    assert survivor.due_at == survivor.reassess_by == soon["due_at"]


async def test_merging_what_is_closed_begins_no_clock(desk: Desk) -> None:
    one, two = new_id(), new_id()
    await desk.hears(referral(case_id=one), referral("strangulation", case_id=two))
    for each in (one, two):
        await stop_clock(closed(each), assessments=desk.assessments)

    await desk.hears(merged(two, one))

    held = await desk.of(one)
    assert (held.reassessment, held.due_at) == (Reassessment.STOPPED, None)
    assert held.level.urgent

    await desk.hears(unmerged(two, one))

    held = await desk.of(one)
    assert (held.reassessment, held.level) == (Reassessment.STOPPED, LOW)
    assert (await desk.of(two)).due_at is None


async def test_closing_both_begins_no_clock_anew(desk: Desk) -> None:
    one, two = new_id(), new_id()
    await desk.hears(
        referral(case_id=one), referral("strangulation", case_id=two), merged(two, one)
    )
    for each in (one, two):
        revision = (await desk.of(each)).revision
        message = closed(each, revision=revision)
        await stop_clock(message, assessments=desk.assessments)

    await desk.hears()
    await desk.tells_itself()

    held = await desk.of(one)
    assert (held.reassessment, held.due_at) == (Reassessment.STOPPED, None)


async def test_a_survivor_keeps_nothing_of_a_merged_case_that_was_erased(
    desk: Desk,
) -> None:
    one, two = new_id(), new_id()
    await desk.hears(
        referral(case_id=one), referral("strangulation", case_id=two), merged(two, one)
    )

    erased = CaseErased(case_id=two, reason="court_order", erased_at=NOON)
    await desk.hears(message_of(erased))

    held = await desk.of(one)
    assert not held.shares
    assert "strangulation" not in held.reasons


GRAVE = Share(
    answers={"strangulation": Answer.YES}, incidents=frozenset(), repeats=0,
    level=RiskLevel.HIGH, weighed=True, stopped=False, first_referred_at=NOON,
    clock_from=NOON, reassess_by=FAR, reassessment=Reassessment.AHEAD,
)  # fmt: skip


def only_by_another() -> Assessment:
    """A case of which nothing is known but what one merged into it knows."""
    order = Order(revision=1, ends_at=None)
    held = (
        Assessment.new(new_id(), NOON)
        .bind("order", order)
        .carry("other", GRAVE, POLICY, NOON)
    )
    return held.model_copy(update={"version": held.version + 1})


def test_what_was_never_the_merged_cases_stays_when_it_is_taken_back() -> None:
    held = only_by_another().transfer(NOON)
    groups = {"groups": {"age": "from_25"}}

    alone = held.model_copy(update=groups).carry("other", None, POLICY, NOON)

    assert (alone.level, alone.weighed, alone.reasons) == (LOW, False, ())
    assert alone.transferred_at == NOON
    assert alone.reassessment is Reassessment.STOPPED
    assert (alone.orders, alone.groups) == (held.orders, groups["groups"])
    assert alone.judgement.changes == held.judgement.changes


@pytest.mark.parametrize("by", ["person", "meeting", "meeting_below"])
def test_what_people_have_set_stays_when_a_merging_is_taken_back(by: str) -> None:
    held = only_by_another()
    set_ = RiskLevel.HIGH if by == "meeting_below" else RiskLevel.EXTREME
    if by == "person":
        held = raise_level(
            held, set_, "victims_own_fear", by=new_id(), policy=POLICY, at=NOON
        )
    else:
        held = heed_table(held, decided(set_), POLICY, NOON)

    alone = held.carry("other", None, POLICY, NOON)

    assert (alone.level, alone.own_level) == (set_, set_)
    assert alone.weighed
    assert "strangulation" not in alone.reasons


def test_what_a_meeting_decided_waits_for_the_first_weighing_in_its_own_name() -> None:
    nothing = GRAVE.model_copy(update={"weighed": False})
    held = Assessment.new(new_id(), NOON).carry("other", nothing, POLICY, NOON)
    held = heed_table(held, decided(RiskLevel.EXTREME), POLICY, NOON)

    alone = held.carry("other", None, POLICY, NOON)
    weighed = alone.weigh({}, frozenset(), POLICY, NOON)

    assert (alone.weighed, alone.own_level) == (False, None)
    assert weighed.judgement.raised is not None
    assert weighed.level is RiskLevel.EXTREME


def decided(level: RiskLevel) -> Decided:
    return Decided(
        meeting_id=new_id(), number=1, level=level, held=LOW, by=new_id(),
        agency=None, at=NOON,
    )  # fmt: skip


async def test_whoever_may_not_see_a_merged_case_does_not_see_the_survivor_either(
    risk: Alive, issuer: DevelopmentIssuer
) -> None:
    one, two = new_id(), new_id()
    store = risk.service.store(Assessments)
    for each in (referral(case_id=one), referral("strangulation", case_id=two)):
        await assess_referral(each, assessments=store, policy=POLICY)
    await merging.note_merging(merged(two, one), assessments=store, policy=POLICY)
    token = issuer.token("worker", "risk.read", region="test", worker=COORDINATOR)
    headers = {"Authorization": f"Bearer {token}"}
    path = f"/v1/assessments/{one}"

    # What the service tells itself of the merging, it does by itself.
    async def carried() -> httpx2.Response | None:
        answer = await risk.http.get(path, headers=headers)
        known = answer.json()["answers"].get("strangulation") == "yes"
        return answer if known else None

    shown = await eventually(carried)
    risk.standings.tell(COORDINATOR, two, coordinator=True, excluded=True)
    hidden = await risk.http.get(path, headers=headers)

    assert shown
    assert (shown.status_code, shown.json()["merged"]) == (200, [two])
    assert hidden.status_code == 404


async def test_who_serves_the_other_side_of_a_merged_case_does_not_judge_the_survivor(
    risk: Alive, issuer: DevelopmentIssuer
) -> None:
    one, two, somebody = new_id(), new_id(), new_id()
    store = risk.service.store(Assessments)
    await assess_referral(referral(case_id=one), assessments=store, policy=POLICY)
    survivor = await store.get(one)
    assert survivor
    other = Assessment.new(two, NOON).weigh({}, frozenset(), POLICY, NOON)
    await store.save(survivor.carry(two, other.share(), POLICY, NOON))
    outreach = frozenset({Side.PERSON_USING_VIOLENCE})
    risk.standings.tell(somebody, two, sides=outreach)
    scopes = ("risk.read", "risk.work")
    token = issuer.token("worker", *scopes, region="test", worker=somebody)
    headers = {"Authorization": f"Bearer {token}"}

    async def post(name: str, body: dict[str, Any]) -> int:
        path = f"/v1/assessments/{one}/{name}"
        return (await risk.http.post(path, json=body, headers=headers)).status_code

    lower = {"level": "low", "reason": "danger_has_passed"}
    assert await post("answers", {"answers": {}}) == 404
    assert await post("reassessment", {"answers": {}, "contact": "none"}) == 404
    assert await post("lowering", lower) == 404
    assert await post("lowering/confirmation", {"level": "low"}) == 404
    assert await post("raising", {"level": "high", "reason": "escalating"}) == 200


@pytest.mark.parametrize("new_breach", [False, True])
def test_a_new_breach_in_a_merged_case_unsettles_what_was_considered(
    new_breach: bool,  # noqa: FBT001 - What is varied.
) -> None:
    breach = IncidentKind.BREACH_OF_ORDER
    begun = Assessment.new(new_id(), NOON)
    other = begun.weigh({}, frozenset({breach}), POLICY, NOON)
    first = Order(revision=1, ends_at=None, breached_at=NOON)
    other = other.bind(new_id(), first)
    settled = other.share().model_copy(update={"settled": True})

    later = NOON + timedelta(days=1)
    if new_breach:
        other = other.bind(new_id(), first.model_copy(update={"breached_at": later}))

    assert other.share().as_known(settled).settled is not new_breach


def date(case_id: str, due_at: datetime, trigger_id: str) -> Message[Any]:
    told = TriggerScheduled(
        case_id=case_id, trigger_id=trigger_id, kind=RELEASE, due_at=due_at
    )
    return message_of(told)


async def test_a_date_of_a_merged_case_is_heeded_by_the_survivor_from_the_lead_on(
    desk: Desk,
) -> None:
    one, two, trigger = new_id(), new_id(), new_id()
    await desk.hears(
        referral(case_id=one),
        referral(case_id=two),
        date(two, FAR, trigger),
        merged(two, one),
    )
    before = await desk.of(one)
    assert REASON not in before.reasons

    await desk.sweeps(FAR - LEAD)

    near = await desk.of(one)
    assert REASON in near.reasons
    assert near.revision > before.revision
    # An episode of its own, and nobody has looked at the family meanwhile.
    assert near.first_referred_at == FAR - LEAD
    assert near.due_at
    assert before.due_at
    assert near.due_at <= before.due_at

    fell_due = TriggerFellDue(
        case_id=two, trigger_id=trigger, kind=RELEASE, due_at=FAR, late_by=0.0
    )
    await desk.hears(message_of(fell_due, version=2, at=FAR))

    assert (await desk.of(one)).revision > near.revision


async def test_each_heeds_its_own_dates_again(desk: Desk) -> None:
    one, two = new_id(), new_id()
    near = NOON + LEAD / 2
    await desk.hears(
        referral(case_id=one),
        referral(case_id=two),
        merged(two, one),
        date(two, near, new_id()),
    )
    assert REASON in (await desk.of(one)).reasons

    await desk.hears(unmerged(two, one))

    assert REASON not in (await desk.of(one)).reasons
    assert REASON in (await desk.of(two)).reasons


async def test_a_date_of_a_merged_case_that_is_called_off_weighs_no_more(
    desk: Desk,
) -> None:
    one, two, trigger = new_id(), new_id(), new_id()
    await desk.hears(
        referral(case_id=one),
        referral(case_id=two),
        merged(two, one),
        date(two, NOON + LEAD / 2, trigger),
    )
    before = await desk.of(one)
    off = TriggerCancelled(
        case_id=two, trigger_id=trigger, kind=RELEASE, due_at=NOON + LEAD / 2
    )

    await desk.hears(message_of(off, version=2))

    # Heard of, and left out at the next weighing: nobody is told of it before.
    assert (await desk.of(one)).revision == before.revision
    await desk.hears(referral(case_id=one))
    held = await desk.of(one)
    assert REASON not in held.reasons
    assert held.level is before.level


async def test_a_breach_of_the_plan_of_a_merged_case_calls_for_its_survivor(
    desk: Desk,
) -> None:
    one, two = new_id(), new_id()
    await desk.hears(
        referral("strangulation", case_id=one),
        referral("escalation", case_id=two),
        merged(two, one),
    )
    at = NOON + timedelta(hours=1)
    told = PlanBreached(
        case_id=two, plan_version=1, level=RiskLevel.HIGH, breached_at=at
    )

    await heed_breach(message_of(told, at=at), assessments=desk.assessments)
    await desk.tells_itself()

    held, other = await desk.of(one), await desk.of(two)
    assert (held.due_at, other.due_at) == (at, None)
    assert held.judgement.stirred_at == other.judgement.stirred_at == at
