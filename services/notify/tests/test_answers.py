"""What those who were told say to it, and that only an answer ends the asking."""

import csv
from datetime import datetime, timedelta
from typing import Any

import pytest
from accord_chassis import topology
from accord_chassis.binding import unpack
from accord_chassis.testing import COORDINATOR, NOON, message_of, new_id
from accord_contracts.allocation import DeclineReason
from accord_contracts.catalogue import CATALOGUE
from accord_contracts.message import Lane, Message
from accord_contracts.plans import PlanAgreed, PlanNotInForce
from accord_contracts.referrals import TriggerKind
from accord_contracts.risk import RiskLevel
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from notify.domain.answers import NothingToAnswer, Said
from notify.domain.channels import Way
from notify.domain.hours import Urgency
from notify.domain.mail import MailState, Outcome
from notify.domain.notification import Notification
from notify.handlers.mail import Attempt, bounced, came_back
from notify.post import Posted
from notify_builders import (
    IVS,
    LEAD,
    MINUTE,
    POLICY,
    Running,
    WorkersDirectory,
    changed,
    notification,
    offered,
    team,
)

PROGRESS = 240 * MINUTE


class Asking(RuleBasedStateMachine):
    """A message that must be acknowledged, while time passes and people answer.

    What the sweep does is done here by the same methods, with time passed in: what
    rings goes out, is refused, not taken or lost sight of, or its sender dies over it.
    """

    held: Notification
    now: datetime

    @initialize(
        progress=st.booleans(),
        mail=st.booleans(),
        any_hour=st.booleans(),
        urgency=st.sampled_from([Urgency.CRITICAL, Urgency.HIGH, Urgency.NORMAL]),
    )
    def told(
        self, *, progress: bool, mail: bool, any_hour: bool, urgency: Urgency
    ) -> None:
        self.now = NOON
        made = notification(mail=mail, event="plan.not_in_force.v1")
        self.held = made.model_copy(
            update={
                "progress_minutes": made.progress_minutes if progress else None,
                "any_hour": any_hour,
                "urgency": urgency,
            }
        )
        self.chain = POLICY.chain(made.chain)
        self.people = [new_id() for _ in self.chain]
        self.becomes: Outcome | None = Outcome.SENT
        self.left = set[tuple[int, Way]]()
        self.attempts = 0
        self.answered = False

    @rule(becomes=st.sampled_from([*Outcome, None]))
    def gateways_change(self, becomes: Outcome | None) -> None:
        """From now on this becomes of what rings; none: its sender dies over it."""
        self.becomes = becomes

    @rule(minutes=st.integers(1, 12 * 60))
    def time_passes(self, minutes: int) -> None:
        """Let time pass, and have everything done that falls due, when it does."""
        until = self.now + minutes * MINUTE
        for _ in range(1000):
            due = self.held.due_at
            if due is None or due > until:
                break
            self.now = max(self.now, due)
            self.attend()
        else:
            raise AssertionError("it falls due for ever")
        self.now = until

    def attend(self) -> None:
        held, at = self.held, self.now
        if held.is_to_reopen(at):
            known = held.acknowledged_by or ""
            until = self.heard(self.heard(at) + held.patience)
            self.held = held.reopen(at).tell(known, 0, at=at, until=until, mail=True)
            self.answered = False
        elif held.is_silent(at):
            assert held.acknowledged_at is None
            step = min(held.step + 1, len(self.chain))
            until = self.heard(self.heard(at) + self.chain[step - 1].wait)
            who = self.people[step - 1]
            self.held = held.tell(who, step, at=at, until=until, mail=True)
        else:
            self.ring()

    def heard(self, at: datetime) -> datetime:
        held = self.held
        return POLICY.quiet.loud(held.urgency, at, any_hour=held.any_hour)

    def ring(self) -> None:
        """Send what is due as the handler does, which claims it first."""
        held, at = self.held, self.now
        number = held.mail_due(at)
        assert number is not None
        if (later := self.heard(at)) > at and held.was_never_tried(number):
            self.held = held.postpone_mail(number, later)
            return
        attempt, way = Attempt(number, at, POLICY.email), held.way_of(number)
        if held.mail_state(number) is MailState.CLAIMED and came_back(held, number):
            self.held, *_ = attempt.became(held, Posted(Outcome.UNKNOWN, "no_answer"))
            return
        assert not held.is_known, "it rings though somebody knows"
        assert (number, way) not in self.left, "it rings again by what took it"
        claimed = held.claim_mail(number, at, POLICY.email)
        if self.becomes is None:
            self.held = claimed
            return
        self.attempts += 1
        if self.becomes is Outcome.SENT:
            self.left.add((number, way))
        self.held, *_ = attempt.became(claimed, Posted(self.becomes, "code"))

    @precondition(lambda self: self.held.ended_at is None)
    @rule(data=st.data())
    def a_letter_comes_back(self, data: st.DataObject) -> None:
        number = data.draw(st.integers(0, len(self.held.told) - 1))
        mail = self.held.at_provider(number, Way.EMAIL)
        if mail is None:
            return
        self.held, *_ = bounced(
            self.held, number, mail, "gone", at=self.now, quiet=POLICY.quiet
        )
        self.attempts += 1

    def somebody(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(self.held.told_workers))

    @precondition(lambda self: self.held.acknowledged_at is None)
    @rule(data=st.data())
    def acknowledges(self, data: st.DataObject) -> None:
        self.held = self.held.acknowledge(self.somebody(data), self.now)
        self.answered = True

    @rule(data=st.data(), reason=st.sampled_from(DeclineReason))
    def cannot_take(self, data: st.DataObject, reason: DeclineReason) -> None:
        who = self.somebody(data)
        if self.held.ended_at:
            with pytest.raises(NothingToAnswer):
                self.held.cannot_take(who, reason, self.now)
        else:
            self.held = self.held.cannot_take(who, reason, self.now)
            self.answered = False
            assert self.held.is_silent(self.now)

    @rule(data=st.data())
    def hands_over(self, data: st.DataObject) -> None:
        who, to = self.somebody(data), new_id()
        until = self.heard(self.heard(self.now) + self.held.patience)
        if self.held.ended_at:
            with pytest.raises(NothingToAnswer):
                self.held.hand_over(who, to, at=self.now, until=until, mail=True)
        else:
            self.held = self.held.hand_over(
                who, to, at=self.now, until=until, mail=True
            )
            self.answered = False
            assert self.held.worker_id == to

    @precondition(lambda self: self.held.ended_at is None)
    @rule()
    def is_dealt_with(self) -> None:
        self.held = self.held.end(self.now)
        self.answered = True

    @invariant()
    def it_is_asked_until_it_is_answered(self) -> None:
        if not hasattr(self, "held"):
            return
        held = self.held
        if held.ended_at:
            assert (held.escalate_at, held.reopen_at, held.due_at) == (None, None, None)
        elif held.acknowledged_at:
            assert held.escalate_at is None
            assert held.reopen_at == held.acknowledged_at + PROGRESS
        else:
            assert held.escalate_at is not None
            assert held.reopen_at is None
        if held.ended_at or held.acknowledged_at:
            assert self.answered, "it ends though nobody has said that they know"
        assert held.place.startswith("0" if held.ended_at else "1")

    @invariant()
    def nothing_that_was_told_or_said_is_forgotten(self) -> None:
        if not hasattr(self, "held"):
            return
        said = [each.at for each in self.held.answers]
        assert said == sorted(said)
        assert [each.at for each in self.held.told] == sorted(
            each.at for each in self.held.told
        )
        assert Notification.model_validate(self.held.model_dump()) == self.held
        rang = [e for each in self.held.told for e in (*each.tried, each.mail) if e]
        assert sum(len(each.became) for each in rang) >= self.attempts


Asking.TestCase.settings = settings(
    max_examples=60, stateful_step_count=25, deadline=None
)
test_only_an_answer_ends_the_asking = Asking.TestCase


def not_in_force(case_id: str) -> Message[PlanNotInForce]:
    """A date comes near, and no plan is agreed for it."""
    event = PlanNotInForce(
        case_id=case_id,
        trigger_id=new_id(),
        kind=TriggerKind.PRISON_RELEASE,
        happens_at=NOON + timedelta(days=3),
        due_at=NOON,
        level=RiskLevel.HIGH,
        late_by=0.0,
    )
    return message_of(event, lane=Lane.URGENT)


async def answers(
    running: Running, worker: str, message_id: str, what: str, **body: str
) -> Any:
    """A worker says something to a message."""
    headers = running.bearer("notify.inbox", worker=worker)
    path = f"/v1/inbox/{message_id}/{what}"
    return await running.http.post(path, headers=headers, json=body)


@pytest.fixture
async def alarm(
    running: Running, workers: WorkersDirectory
) -> tuple[str, str, Notification]:
    """Whoever leads is alarmed; their deputy, and the message."""
    workers.has_on_duty()
    deputy = workers.knows()
    lead, case_id = workers.knows(deputy=deputy), new_id()
    await running.hears(team((lead, LEAD), case_id=case_id), not_in_force(case_id))
    [held] = await running.all()
    return lead, deputy, held


async def test_who_knows_and_does_nothing_is_asked_again_and_then_the_next(
    running: Running, alarm: tuple[str, str, Notification]
) -> None:
    lead, deputy, held = alarm
    assert (await running.acknowledges(lead, held.id)).status_code == 204
    await running.later(PROGRESS - MINUTE)
    [known] = await running.inbox(lead)
    assert (known["ended_at"], known["acknowledged_at"] is None) == (None, False)

    await running.later(MINUTE)

    [asked] = await running.inbox(lead)
    assert asked["acknowledged_at"] is None
    assert await running.inbox(deputy) == []
    await running.later(30 * MINUTE)
    assert len(await running.inbox(deputy)) == 1
    await running.acknowledges(deputy, held.id)
    assert (await running.inbox(lead))[0]["reopens_at"]


async def test_what_is_agreed_in_time_never_opens_again(
    running: Running, alarm: tuple[str, str, Notification]
) -> None:
    lead, _, held = alarm
    await running.acknowledges(lead, held.id)
    agreed = PlanAgreed(
        case_id=held.case_id,
        plan_version=1,
        agreed_at=NOON + MINUTE,
        triggers=(str(held.about_id),),
    )
    await running.hears(message_of(agreed, at=NOON + MINUTE))

    await running.later(2 * PROGRESS)

    [over] = await running.inbox(lead)
    assert over["ended_at"]
    assert len((await running.all())[0].told) == 1


async def test_who_cannot_take_it_says_why_and_the_next_is_told_at_once(
    running: Running, alarm: tuple[str, str, Notification]
) -> None:
    lead, deputy, held = alarm

    said = await answers(running, lead, held.id, "refusal", reason="no_capacity")
    await running.later(timedelta())

    assert said.status_code == 204
    assert len(await running.inbox(deputy)) == 1
    [now] = await running.all()
    assert [(each.said, each.worker_id, each.reason) for each in now.answers] == [
        (Said.CANNOT_TAKE, lead, DeclineReason.NO_CAPACITY)
    ]


async def test_a_message_is_handed_over_to_who_may_know_alone(
    running: Running, alarm: tuple[str, str, Notification], workers: WorkersDirectory
) -> None:
    lead, _, held = alarm
    their_deputy = workers.knows()
    barred, other = workers.knows(), workers.knows(deputy=their_deputy)
    running.standings.tell(barred, held.case_id, conflict=True)

    refused = [
        await answers(running, lead, held.id, "handover", worker_id=to)
        for to in (barred, new_id(), lead)
    ]
    workers.status = 500
    away = await answers(running, lead, held.id, "handover", worker_id=other)
    workers.status = 200
    given = await answers(running, lead, held.id, "handover", worker_id=other)

    assert away.status_code == 503
    assert {each.status_code for each in refused} == {409}
    assert len({each.json()["type"] for each in refused}) == 1
    assert given.status_code == 204
    assert len(await running.inbox(other)) == 1
    assert await running.inbox(barred) == []
    await running.later(30 * MINUTE)
    assert len(await running.inbox(their_deputy)) == 1


async def test_an_offer_is_declined_by_whoever_it_was_made_to_alone(
    running: Running, workers: WorkersDirectory
) -> None:
    deputy = workers.knows()
    worker = workers.knows(deputy=deputy)
    await running.hears(offer := offered(worker))
    [made] = await running.all()
    clock = made.escalate_at

    for _ in range(2):
        said = await answers(running, worker, made.id, "refusal", reason="on_leave")
        assert said.status_code == 204
    given = await answers(running, worker, made.id, "handover", worker_id=deputy)

    [held] = await running.all()
    assert [(each.said, each.worker_id) for each in held.answers] == [
        (Said.CANNOT_TAKE, worker)
    ]
    # Nobody is woken for it: whoever is asked next hears of it from allocation.
    assert held.escalate_at == clock
    queue = running.broker.queues[topology.queue_of("allocation", held.lane)]
    declined = [unpack(each, CATALOGUE).data for each in queue.ready]
    assert [(e.worker_id, e.allocation_id) for e in declined] == [
        (worker, offer.data.allocation_id)
    ]
    assert given.json()["type"] == "urn:accord:problem:answer-the-offer"

    # Should allocation not hear of it, the next is told, who cannot say no for them.
    assert clock is not None
    await running.later(clock - running.clock.now())
    assert len(await running.inbox(deputy)) == 1
    said = await answers(running, deputy, made.id, "refusal", reason="on_leave")
    assert said.json()["type"] == "urn:accord:problem:answer-the-offer"


async def test_what_asks_for_no_answer_gets_none(
    running: Running, workers: WorkersDirectory
) -> None:
    worker, case_id = workers.knows(), new_id()
    await running.hears(
        team((worker, IVS), case_id=case_id), changed(case_id, level=RiskLevel.LOW)
    )
    [held] = await running.all()

    said = await answers(running, worker, held.id, "refusal", reason="unsafe")

    assert said.json()["type"] == "urn:accord:problem:nothing-to-answer"


async def test_nobody_answers_for_somebody_else(
    running: Running, alarm: tuple[str, str, Notification]
) -> None:
    _, deputy, held = alarm

    said = await answers(running, deputy, held.id, "refusal", reason="unsafe")
    given = await answers(running, deputy, held.id, "handover", worker_id=deputy)

    assert (said.status_code, given.status_code) == (404, 404)


async def test_what_was_said_stands_in_the_record_of_the_case(
    running: Running, alarm: tuple[str, str, Notification], workers: WorkersDirectory
) -> None:
    lead, _, held = alarm
    other = workers.knows()
    await running.acknowledges(lead, held.id)
    await running.later(PROGRESS)
    await answers(running, lead, held.id, "handover", worker_id=other)
    await answers(running, other, held.id, "refusal", reason="wrong_area")

    headers = running.bearer("notify.review", worker=COORDINATOR)
    path = f"/v1/cases/{held.case_id}/notifications"
    answer = await running.http.get(path, headers=headers)

    [shown] = answer.json()["notifications"]
    assert [each["said"] for each in shown["answers"]] == [
        "acknowledged", "reopened", "handed_over", "cannot_take",
    ]  # fmt: skip
    assert shown["answers"][2]["to"] == other
    assert {each["worker_id"] for each in shown["told"]} == {lead, other}

    taken = await running.http.get(f"{path}/record", headers=headers)

    assert taken.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(taken.text.splitlines()))
    assert [(each["what"], each["worker_id"]) for each in rows] == [
        ("told", lead),
        ("acknowledged", lead),
        ("reopened", lead),
        ("told", lead),
        ("handed_over", lead),
        ("told", other),
        ("cannot_take", other),
    ]
    assert [each["at"] for each in rows] == sorted(each["at"] for each in rows)
    assert {each["reference"] for each in rows} == {held.reference}
    assert rows[-1]["reason"] == "wrong_area"
    assert rows[-3]["to"] == other


async def test_only_who_coordinates_the_case_takes_its_record_along(
    running: Running, alarm: tuple[str, str, Notification]
) -> None:
    lead, _, held = alarm
    path = f"/v1/cases/{held.case_id}/notifications/record"
    theirs = running.bearer("notify.review", worker=lead)
    nowhere = f"/v1/cases/{new_id()}/notifications/record"
    coordinators = running.bearer("notify.review", worker=COORDINATOR)

    refused = [
        await running.http.get(path, headers=theirs),
        await running.http.get(nowhere, headers=coordinators),
    ]

    assert [each.status_code for each in refused] == [404, 404]
