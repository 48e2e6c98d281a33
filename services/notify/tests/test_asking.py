"""Only an answer ends the asking: the real handlers, while time passes and people act.

Over a store in memory that does what handlers ask of it, so that thousands of turns
take seconds. With the real one they are tried in ``test_answers``.
"""

import asyncio
from collections.abc import Coroutine
from datetime import datetime
from functools import partial
from typing import Any

import pytest
from accord_chassis.store import Conflict
from accord_chassis.testing import NOON, KnownStandings, new_id
from accord_contracts.allocation import DeclineReason, WorkerContact
from accord_contracts.message import Event
from accord_contracts.notify import NotificationEscalated, NotificationReopened
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from notify.asks import DirectoryAway
from notify.domain.answers import NothingToAnswer, Said
from notify.domain.channels import Way
from notify.domain.hours import Urgency
from notify.domain.mail import Mail, Outcome
from notify.domain.notification import Notification
from notify.domain.wording import Letter, Wording
from notify.handlers import mail, silence
from notify.handlers.mail import bounced
from notify.handlers.reaching import Reach
from notify.post import Posted
from notify_builders import LINK_BASE, MINUTE, POLICY, notification

PROGRESS = 240 * MINUTE
RETRY = MINUTE
"""How long the sweep leaves what could not be done."""

LONGEST = max(each.wait for each in POLICY.chain("urgent"))


class Died(Exception):
    """Whoever sent a letter has died over it."""


class Kept:
    """The one message there is, kept as the store does: by version, and as text."""

    def __init__(self, held: Notification) -> None:
        self.now = held
        self.told: list[Event] = []

    async def get(self, notification_id: str) -> Notification | None:
        return self.now if notification_id == self.now.id else None

    async def save(
        self, entity: Notification, *events: Event, **_: object
    ) -> Notification:
        if entity.version != self.now.version:
            raise Conflict
        raised = entity.model_copy(update={"version": entity.version + 1})
        self.now = Notification.model_validate_json(raised.model_dump_json())
        assert self.now == raised
        self.told += events
        return self.now

    async def recent(self, *_: object) -> list[Notification]:
        return [self.now]

    open_to = recent


class Known:
    """The directory, the teams and the browsers, as far as they are asked."""

    def __init__(self, coordinators: list[str]) -> None:
        self.away = False
        self.contacts: dict[str, WorkerContact] = {}
        self.on_duty = coordinators

    def knows(self, worker_id: str, **contact: str | None) -> str:
        self.contacts[worker_id] = WorkerContact(worker_id=worker_id, **contact)
        return worker_id

    async def contact(self, worker_id: str) -> WorkerContact | None:
        if self.away:
            raise DirectoryAway
        return self.contacts.get(worker_id)

    async def coordinators(self) -> tuple[WorkerContact, ...]:
        if self.away:
            raise DirectoryAway
        return tuple(self.contacts[each] for each in self.on_duty)

    async def get(self, _: str) -> None:
        """Tell that no team is heard of."""

    async def of_worker(self, _: str) -> list[object]:
        """Tell that nobody has a browser that rings."""
        return []


class Gateway:
    """One way by which it rings: what becomes of a letter is the machine's to say."""

    on = True
    closed: Posted | None = None

    def __init__(self, machine: "Asking", way: Way) -> None:
        self.machine, self.way = machine, way

    async def send(self, letter: Letter, _to: str, _at: datetime) -> Posted:
        machine = self.machine
        assert not machine.held.is_known, "it rings though somebody knows"
        assert (letter.key, self.way) not in machine.left, (
            "it rings again by what took it"
        )
        if machine.becomes is None:
            raise Died
        machine.attempts += 1
        if machine.becomes is Outcome.SENT:
            machine.left.add((letter.key, self.way))
        return Posted(machine.becomes, "code")


class Asking(RuleBasedStateMachine):
    """A message that must be acknowledged, while time passes and people answer.

    What falls due is done by the handlers that the sweep calls: what rings goes out, is
    refused, not taken or lost sight of, or its sender dies over it; the directory is
    away at times, some of those who are next have no address, and some are barred.
    """

    kept: Kept
    now: datetime

    @initialize(
        progress=st.sampled_from([True, True, False]),
        rings=st.booleans(),
        any_hour=st.booleans(),
        urgency=st.sampled_from([Urgency.CRITICAL, Urgency.HIGH, Urgency.NORMAL]),
        ways=st.sampled_from([(Way.EMAIL,), (Way.SMS, Way.EMAIL)]),
        addresses=st.lists(st.booleans(), min_size=5, max_size=5),
    )
    def told(
        self,
        *,
        progress: bool,
        rings: bool,
        any_hour: bool,
        urgency: Urgency,
        ways: tuple[Way, ...],
        addresses: list[bool],
    ) -> None:
        self.now = NOON
        lead, deputy, team_lead, *coordinators = (new_id() for _ in range(5))
        self.known = Known(coordinators)
        for each, has in zip(
            (lead, deputy, team_lead, *coordinators), addresses, strict=True
        ):
            chain = {"deputy": deputy, "team_lead": team_lead} if each == lead else {}
            self.knows(each, has=has, **chain)
        made = notification(worker_id=lead, event="plan.not_in_force.v1")
        made = made.model_copy(
            update={
                "progress_minutes": made.progress_minutes if progress else None,
                "any_hour": any_hour,
                "urgency": urgency,
                "ways": ways,
            }
        )
        wanted = Mail(channel=ways[0], due_at=NOON) if rings else None
        self.kept = Kept(made.with_mail(0, wanted))
        self.standings = KnownStandings()
        stand_in: Any = self.known
        notifications: Any = self.kept
        reach = Reach(stand_in, self.standings, stand_in)
        handed: dict[str, Any] = {
            "notifications": notifications,
            "reach": reach,
            "policy": POLICY,
            "mail": True,
        }
        self.handed = handed
        self.attend = partial(
            silence.attend,
            reopen=partial(silence.reopen, **handed),
            escalate=partial(silence.escalate, **handed),
            send_mail=partial(
                mail.send_mail,
                notifications=notifications,
                reach=reach,
                policy=POLICY,
                wording=Wording(POLICY, LINK_BASE),
                posts={each: Gateway(self, each) for each in (Way.SMS, Way.EMAIL)},
                subscriptions=stand_in,
            ),
        )
        self.becomes: Outcome | None = Outcome.SENT
        self.left = set[tuple[str, Way]]()
        self.attempts = 0
        self.answered = False

    def knows(self, worker_id: str, *, has: bool = True, **contact: str) -> str:
        """Have the directory know somebody, with an address or without any."""
        here = {"email": f"{worker_id}@agency.example", "mobile": "+64215550100"}
        return self.known.knows(worker_id, **(here if has else {}), **contact)

    @property
    def held(self) -> Notification:
        return self.kept.now

    def does(self, what: Coroutine[Any, Any, object]) -> None:
        asyncio.run(what)

    @rule(becomes=st.sampled_from([*Outcome, None]))
    def gateways_change(self, becomes: Outcome | None) -> None:
        """From now on this becomes of what rings; none: its sender dies over it."""
        self.becomes = becomes

    @rule(away=st.booleans())
    def directory_goes_or_comes(self, *, away: bool) -> None:
        self.known.away = away

    @rule(minutes=st.integers(1, 8 * 60))
    def time_passes(self, minutes: int) -> None:
        """Let time pass, and have everything done that falls due, when it does."""
        until = self.now + minutes * MINUTE
        asyncio.run(self.sweep(until))
        self.now = until

    @precondition(lambda self: self.held.due_at is not None)
    @rule(times=st.integers(1, 8))
    def what_is_next_falls_due(self, times: int) -> None:
        """Let as much time pass as it takes until something is to be done, and so on.

        Hours chosen by chance alone rarely come as far as the end of a chain.
        """
        for _ in range(times):
            due = self.held.due_at
            if due is None:
                return
            self.now = max(self.now, due)
            asyncio.run(self.sweep(self.now))

    async def sweep(self, until: datetime) -> None:
        for _ in range(1000):
            due = self.held.due_at
            if due is None or max(self.now, due) > until:
                return
            self.now = max(self.now, due)
            before = self.held
            try:
                await self.attend(self.held, at=self.now)
            except (DirectoryAway, Died):
                # The sweep looks at it again a little later.
                self.now += RETRY
            else:
                assert self.held.version > before.version, "it is left as it was"
        raise AssertionError("it falls due for ever")

    @precondition(lambda self: self.held.ended_at is None)
    @rule(data=st.data())
    def a_letter_comes_back(self, data: st.DataObject) -> None:
        number = data.draw(st.integers(0, len(self.held.told) - 1))
        gone = self.held.at_provider(number, Way.EMAIL)
        if gone is None:
            return
        new = bounced(self.held, number, gone, "gone", at=self.now, quiet=POLICY.quiet)
        self.does(self.kept.save(*new))
        self.attempts += 1

    @rule(data=st.data())
    def is_barred(self, data: st.DataObject) -> None:
        """Somebody may not know of it any more; a coordinator always may."""
        who = data.draw(st.sampled_from([*self.known.contacts]))
        if who not in self.known.on_duty:
            self.standings.tell(who, self.held.case_id, conflict=True)

    def somebody(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(self.held.told_workers))

    @precondition(lambda self: self.held.acknowledged_at is None)
    @rule(data=st.data())
    def acknowledges(self, data: st.DataObject) -> None:
        said = silence.acknowledge(
            self.held.id,
            self.somebody(data),
            at=self.now,
            notifications=self.handed["notifications"],
        )
        self.does(said)
        self.answered = True

    @rule(data=st.data(), reason=st.sampled_from(DeclineReason))
    def cannot_take(self, data: st.DataObject, reason: DeclineReason) -> None:
        said = silence.cannot_take(
            self.held,
            self.somebody(data),
            reason,
            at=self.now,
            notifications=self.handed["notifications"],
        )
        if self.held.ended_at:
            with pytest.raises(NothingToAnswer):
                self.does(said)
        else:
            self.does(said)
            self.answered = False
            assert self.held.is_silent(self.now)

    @precondition(lambda self: not self.known.away)
    @rule(data=st.data(), has=st.booleans())
    def hands_over(self, data: st.DataObject, *, has: bool) -> None:
        to = self.knows(new_id(), has=has)
        said = silence.hand_over(
            self.held, self.somebody(data), to, at=self.now, **self.handed
        )
        if self.held.ended_at:
            with pytest.raises(NothingToAnswer):
                self.does(said)
        else:
            self.does(said)
            self.answered = False
            assert self.held.worker_id == to

    @precondition(lambda self: self.held.ended_at is None and len(self.held.told) > 1)
    @rule()
    def is_dealt_with(self) -> None:
        self.does(self.kept.save(self.held.end(self.now)))
        self.answered = True

    @invariant()
    def it_is_asked_until_it_is_answered(self) -> None:
        if not hasattr(self, "kept"):
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
        asks = held.chain is not None and held.acknowledged_at is None
        rank = "0" if held.ended_at else "2" if asks else "1"
        assert held.place.startswith(rank)

    @invariant()
    def whoever_is_asked_is_not_waited_for_too_long(self) -> None:
        """The next is told no later than after the longest wait, quiet hours counted.

        After the last telling, or at once when it was asked anew and nobody was told.
        """
        if not hasattr(self, "kept") or self.held.is_known:
            return
        held = self.held
        assert held.escalate_at
        loud = partial(POLICY.quiet.loud, held.urgency, any_hour=held.any_hour)
        last = held.told[-1].at
        anew = [each.at for each in held.answers if each.said is not Said.ACKNOWLEDGED]
        longest = max(LONGEST, held.patience)
        assert held.escalate_at <= max(loud(loud(last) + longest), *anew, last)
        assert held.due_at
        assert held.due_at <= held.escalate_at

    @invariant()
    def nothing_that_was_told_or_said_is_forgotten(self) -> None:
        if not hasattr(self, "kept"):
            return
        said = [each.at for each in self.held.answers]
        assert said == sorted(said)
        assert [each.at for each in self.held.told] == sorted(
            each.at for each in self.held.told
        )
        rang = [e for each in self.held.told for e in (*each.tried, each.mail) if e]
        assert sum(len(each.became) for each in rang) >= self.attempts
        told = [e.told for e in self.kept.told if isinstance(e, NotificationEscalated)]
        assert set(told) <= set(self.held.told_workers)
        again = [e for e in self.kept.told if isinstance(e, NotificationReopened)]
        assert len(again) == sum(e.said is Said.REOPENED for e in self.held.answers)


def test_only_an_answer_ends_the_asking() -> None:
    tried = settings(max_examples=80, stateful_step_count=25, deadline=None)
    run_state_machine_as_test(Asking, settings=tried)
