"""What agencies promise at meetings: reminded of, overdue, settled, and never lost."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from accord_chassis.testing import NOON, new_id
from accord_contracts.problem import Refusal
from accord_contracts.risk import RiskLevel
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from meetings_builders import decision, docket, patrols, said
from plans.domain.action import Evidence, EvidenceMissing, Said, UnknownCode
from plans.domain.keeping import (
    AnotherWordStands,
    NothingToConfirm,
    NotTheSecondPerson,
)
from plans.domain.meeting.discussion import Discussion, Wanted
from plans.domain.meeting.docket import Docket, Why
from plans.domain.meeting.promises import confirm, keep, leave_undone
from plans.domain.meeting.task import NoSuchTask, TaskOver
from plans_builders import POLICY, SHOWN

LOW, MEDIUM, HIGH, EXTREME = RiskLevel
HOUR = timedelta(hours=1)
A, B = (f"00000000-0000-4000-8000-00000000000{each}" for each in "ab")


def promised(level: RiskLevel = HIGH, hours: int = 24) -> tuple[Discussion, str]:
    held = said(Wanted(level=level, tasks=(patrols(hours),)))
    [task_id] = held.tasks()
    return held, task_id


def done(
    held: Discussion,
    task_id: str,
    *,
    by: str = A,
    at: datetime = NOON,
    shown: Evidence | None = SHOWN,
    agency: str | None = "police",
    grave: bool = True,
) -> Discussion:
    told = Said(at=at, by=by, evidence=shown)
    return keep(held, task_id, agency, told, POLICY, grave=grave)


def undone(
    held: Discussion, task_id: str, *, by: str = A, grave: bool = True
) -> Discussion:
    told = Said(at=NOON, by=by, reason="does_not_apply")
    return leave_undone(held, task_id, "police", told, POLICY, grave=grave)


def test_at_low_risk_its_own_agency_settles_a_task_with_one_word() -> None:
    held, task_id = promised(LOW)

    with pytest.raises(NoSuchTask):
        done(held, task_id, agency="kura", grave=False)
    kept = done(held, task_id, shown=None, grave=False)

    assert kept.kept[task_id].done_at == NOON
    assert (kept.open_tasks, kept.owed_by, kept.due_at) == ({}, (), None)
    assert done(kept, task_id, by=B, grave=False) is kept
    left = undone(held, task_id, grave=False)
    assert (left.kept[task_id].done_at, left.kept[task_id].undone_at) == (None, NOON)
    assert left.owed_by == ()


def test_at_high_risk_a_task_takes_evidence_and_a_second_person() -> None:
    held, task_id = promised()

    with pytest.raises(EvidenceMissing):
        done(held, task_id, shown=None)
    with pytest.raises(UnknownCode):
        done(held, task_id, shown=Evidence(kind="hearsay"))
    with pytest.raises(NothingToConfirm):
        confirm(held, task_id, by=B, said_at=NOON, agrees=True, at=NOON)
    waiting = done(held, task_id)

    assert waiting.owed_by == ("police",)
    assert waiting.kept[task_id].done_at is None
    assert not waiting.promised()[task_id].done
    assert done(waiting, task_id) is waiting
    with pytest.raises(AnotherWordStands):
        done(waiting, task_id, by=B)
    with pytest.raises(NotTheSecondPerson):
        confirm(waiting, task_id, by=A, said_at=NOON, agrees=True, at=NOON)
    with pytest.raises(AnotherWordStands):
        confirm(waiting, task_id, by=B, said_at=NOON - HOUR, agrees=True, at=NOON)
    kept = confirm(waiting, task_id, by=B, said_at=NOON, agrees=True, at=NOON)
    assert kept.kept[task_id].confirmed_by == B
    assert kept.promised()[task_id].done
    assert confirm(kept, task_id, by=B, said_at=NOON, agrees=True, at=NOON) is kept


@pytest.mark.parametrize("grave", [False, True])
def test_who_settles_a_task_for_an_agency_settles_nothing_alone(*, grave: bool) -> None:
    held, task_id = promised(HIGH if grave else LOW)

    waiting = done(held, task_id, agency=None, grave=grave)
    reason = Said(at=NOON, by=A, reason="does_not_apply")
    left = leave_undone(held, task_id, None, reason, POLICY, grave=grave)

    for each in (waiting, left):
        assert each.owed_by == ("police",)
        assert (each.kept[task_id].done_at, each.kept[task_id].undone_at) == (None,) * 2
        with pytest.raises(NotTheSecondPerson):
            confirm(each, task_id, by=A, said_at=NOON, agrees=True, at=NOON)
        kept = confirm(each, task_id, by=B, said_at=NOON, agrees=True, at=NOON)
        assert kept.owed_by == ()
    with pytest.raises(AnotherWordStands):
        done(waiting, task_id, by=B, grave=grave)


def test_what_is_dropped_and_asked_again_is_asked_anew() -> None:
    at = NOON + 30 * HOUR
    held, task_id = promised(hours=24)
    late = done(held, task_id).fall_due(at)
    assert late.overdue
    nothing, again = Wanted(level=HIGH), Wanted(level=HIGH, tasks=(patrols(24),))

    dropped = late.decide(nothing, replaces=1, decision=decision(nothing, at=at))
    anew = dropped.decide(again, replaces=2, decision=decision(again, at=at))

    assert anew.tasks()[task_id][1] == at + 24 * HOUR
    assert (anew.kept, anew.overdue, anew.reminded) == ({}, {}, frozenset())
    assert anew.due_at == at + 22 * HOUR
    assert anew.fall_due(at + 25 * HOUR).overdue == {task_id: at + 25 * HOUR}


def test_first_times_of_a_task_stay_whatever_is_said_of_it_later() -> None:
    held, task_id = promised()
    told = held.fall_due(NOON + 23 * HOUR).fall_due(NOON + 24 * HOUR)

    said_ = done(told, task_id, at=NOON + 25 * HOUR)
    denied = confirm(
        said_,
        task_id,
        by=B,
        said_at=NOON + 25 * HOUR,
        agrees=False,
        at=NOON + 26 * HOUR,
    )
    again = done(denied, task_id, at=NOON + 27 * HOUR)
    kept = confirm(
        again, task_id, by=B, said_at=NOON + 27 * HOUR, agrees=True, at=NOON + 28 * HOUR
    )

    assert {
        stage.value: (at - NOON) / HOUR for stage, at in kept.first[task_id].items()
    } == {
        "asked": 0,
        "reminded": 23,
        "overdue": 24,
        "said": 25,
        "confirmed": 28,
        "settled": 28,
    }
    assert kept.erase(NOON).first == {}


def test_what_a_second_person_denies_is_still_to_be_done() -> None:
    held, task_id = promised()

    refused = confirm(
        undone(held, task_id), task_id, by=B, said_at=NOON, agrees=False, at=NOON
    )

    assert refused.kept == {}
    assert refused.owed_by == ("police",)
    with pytest.raises(UnknownCode):
        leave_undone(
            held, task_id, "police", Said(at=NOON, by=A, reason="no"), POLICY,
            grave=True,
        )  # fmt: skip


def test_a_task_is_reminded_of_once_and_then_overdue_once() -> None:
    held, task_id = promised(hours=24)
    assert held.due_at == NOON + 22 * HOUR
    assert held.fall_due(NOON + 21 * HOUR) is held

    soon = held.fall_due(NOON + 22 * HOUR)
    assert (soon.reminded, soon.overdue) == ({task_id}, {})
    assert soon.due_at == NOON + 24 * HOUR
    late = soon.fall_due(NOON + 25 * HOUR)
    assert late.overdue == {task_id: NOON + 25 * HOUR}
    assert late.due_at is None
    assert late.fall_due(NOON + 99 * HOUR) is late
    # After an outage nobody is reminded of what is late already.
    assert held.fall_due(NOON + 30 * HOUR).reminded == frozenset()


def test_what_nobody_confirms_in_time_is_overdue_again() -> None:
    held, task_id = promised(hours=24)
    late = held.fall_due(NOON + 25 * HOUR)

    waiting = done(late, task_id, at=NOON + 26 * HOUR)

    assert waiting.due_at == NOON + 50 * HOUR
    assert waiting.fall_due(NOON + 50 * HOUR).overdue


def test_what_was_promised_goes_with_a_response_that_has_ended() -> None:
    held, task_id = promised()
    over = held.end(NOON + HOUR)

    assert (over.owed_by, over.due_at) == ((), None)
    assert over.promised()[task_id].done
    with pytest.raises(TaskOver):
        done(over, task_id)
    again = Wanted(level=HIGH, tasks=(patrols(),))
    anew = over.decide(again, replaces=1, decision=decision(again, at=NOON + 2 * HOUR))
    assert anew.owed_by == ("police",)


def test_a_task_is_raised_at_every_meeting_until_it_is_settled() -> None:
    held, task_id = promised(hours=4)
    owing = docket().owe(task_id, held.promised()[task_id])

    settled = owing.settle(NOON + 20 * HOUR, HIGH, None)

    [reason] = settled.reasons(NOON + 24 * HOUR)
    assert reason.why is Why.OVERDUE
    ended = settled.end(1, NOON + 30 * HOUR)
    opened = ended.assess(
        LOW, HIGH, revision=2, at=NOON + 40 * HOUR, first_referred_at=NOON,
        referred=True,
    )  # fmt: skip
    assert {each.why for each in opened.reasons(NOON + 99 * HOUR)} == {
        Why.NEW, Why.CHANGED,
    }  # fmt: skip
    assert opened.overdue(NOON + 99 * HOUR) == 0


AGENCIES = ("police", "kura")


def was_settled(new: Discussion, key: str, *, alone: bool) -> None:
    """See that a task ends by two words, with the response, or by the table.

    Args:
        new: What is known of it now.
        key: Which task.
        alone: One word of its own agency was enough.
    """
    if new.over or key not in new.tasks():
        return
    kept = new.kept[key]
    assert kept.counts
    assert kept.confirmed_by != kept.said.by
    # Alone it is only settled by its own agency, and where the risk is low.
    assert kept.confirmed_by or alone
    assert bool(kept.said.reason) != bool(kept.said.evidence)


class Promised(RuleBasedStateMachine):
    """What two meetings had promised on one case, and what its docket says of it."""

    def __init__(self) -> None:
        super().__init__()
        self.at = NOON
        self.docket: Docket = docket(HIGH)
        self.said = [Discussion.of(new_id(), self.docket.id) for _ in range(2)]

    def step(
        self,
        which: int,
        do: Callable[[Discussion], Discussion],
        *,
        alone: bool = False,
    ) -> None:
        before = self.said[which]
        try:
            new = do(before)
        except Refusal:
            return
        if new is before:
            return
        new = new.model_copy(update={"version": before.version + 1})
        assert Discussion.model_validate(new.model_dump()) == new
        for key in before.open_tasks.keys() - new.open_tasks.keys():
            was_settled(new, key, alone=alone)
        self.said[which] = new
        for key, owed in new.promised().items():
            self.docket = self.docket.owe(key, owed)

    @rule(pause=st.sampled_from([1, 5, 30]))
    def time_passes(self, pause: int) -> None:
        self.at += pause * HOUR
        for which in range(2):
            self.step(which, lambda held: held.fall_due(self.at))

    @rule(
        which=st.integers(0, 1),
        agencies=st.sets(st.sampled_from(AGENCIES)),
        hours=st.sampled_from([2, 24]),
    )
    def is_decided(self, which: int, agencies: set[str], hours: int) -> None:
        self.at += timedelta(minutes=1)
        tasks = tuple(patrols(hours, each) for each in sorted(agencies))
        wanted, number = (
            Wanted(level=HIGH, tasks=tasks),
            len(self.said[which].decisions),
        )
        made = decision(wanted, at=self.at)
        self.step(
            which, lambda held: held.decide(wanted, replaces=number, decision=made)
        )
        # As every meeting that settles a case, whatever it has spoken of.
        self.docket = self.docket.settle(self.at, HIGH, None)

    @rule(
        which=st.integers(0, 1),
        by=st.sampled_from([A, B]),
        agency=st.sampled_from((*AGENCIES, None)),
        grave=st.booleans(),
    )
    def is_said_to_be_done(
        self, which: int, by: str, agency: str | None, *, grave: bool
    ) -> None:
        for key in self.said[which].tasks():
            self.step(
                which,
                lambda held, key=key: done(
                    held, key, by=by, at=self.at, agency=agency, grave=grave
                ),
                alone=agency is not None and not grave,
            )

    @rule(which=st.integers(0, 1), by=st.sampled_from([A, B]))
    def is_left_undone(self, which: int, by: str) -> None:
        for key in self.said[which].tasks():
            self.step(which, lambda held, key=key: undone(held, key, by=by))

    @rule(which=st.integers(0, 1), by=st.sampled_from([A, B]), agrees=st.booleans())
    def somebody_confirms(self, which: int, by: str, *, agrees: bool) -> None:
        for key, kept in self.said[which].kept.items():
            self.step(
                which,
                lambda held, key=key, at=kept.said.at: confirm(
                    held, key, by=by, said_at=at, agrees=agrees, at=self.at
                ),
            )

    @rule()
    def the_response_ends_and_begins_again(self) -> None:
        self.at += timedelta(minutes=1)
        for which in range(2):
            self.step(which, lambda held: held.end(self.at))
        ended = self.docket.end(self.docket.revision, self.at)
        self.docket = ended.assess(
            HIGH, HIGH, revision=ended.revision + 1, at=self.at,
            first_referred_at=NOON, referred=False,
        )  # fmt: skip

    @invariant()
    def no_task_is_lost(self) -> None:
        late = {
            key
            for each in self.said
            for key, (_, due_at) in each.open_tasks.items()
            if due_at <= self.at
        }
        raised = [e for e in self.docket.reasons(self.at) if e.why is Why.OVERDUE]
        assert len(raised) == self.docket.overdue(self.at) == len(late)

    @invariant()
    def whatever_is_open_is_told_of_or_will_be(self) -> None:
        for each in self.said:
            for key in each.open_tasks:
                assert key in each.overdue or each.due_at
                told, (_, due_at) = each.overdue.get(key), each.tasks()[key]
                assert told is None or told >= due_at
            assert bool(each.open_tasks) == bool(each.owed_by)


TestPromised = Promised.TestCase
TestPromised.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
