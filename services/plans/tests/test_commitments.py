"""Whatever happens to a plan, in whatever order: no commitment is lost or loosened."""

from collections.abc import Callable
from datetime import datetime, timedelta

from accord_chassis.testing import NOON, new_id
from accord_contracts.problem import Refusal
from accord_contracts.risk import RiskLevel
from hypothesis import given
from hypothesis import strategies as st
from plans.domain.plan import Plan
from plans.domain.stage import Status
from plans_builders import IVS, OUTREACH, POLICY, WHANAU, assessment, does, ends, owner

Step = Callable[[Plan, datetime], Plan]

workers = st.sampled_from("abc")
ago = st.sampled_from([timedelta(), timedelta(hours=1), timedelta(days=40)])


@st.composite
def assessments(draw: st.DrawFn) -> Step:
    level = draw(st.sampled_from(list(RiskLevel)))
    revision, before = draw(st.integers(1, 12)), draw(ago)

    def step(held: Plan, at: datetime) -> Plan:
        drawn = assessment(level, revision=revision, at=at, referred=at - before)
        return held.draft(drawn, POLICY, at)

    return step


@st.composite
def acceptances(draw: st.DrawFn) -> Step:
    role = draw(st.sampled_from([IVS, OUTREACH, WHANAU]))
    worker, before = draw(workers), draw(ago)
    return lambda held, at: held.take_role(role, owner(worker, at - before))


@st.composite
def completions(draw: st.DrawFn) -> Step:
    place, worker = draw(st.integers(0, 2)), draw(workers)

    def step(held: Plan, at: datetime) -> Plan:
        action = held.actions[place] if place < len(held.actions) else None
        return does(held, action.id if action else new_id(), worker, at)

    return step


@st.composite
def agreements(draw: st.DrawFn) -> Step:
    number = draw(st.integers(1, 4))
    return lambda held, at: held.agree(number, at)


closings: st.SearchStrategy[Step] = st.just(ends)
sweeps: st.SearchStrategy[Step] = st.just(lambda held, at: held.fall_due(at))
pauses = st.sampled_from([timedelta(), timedelta(hours=30), timedelta(days=20)])
steps = st.one_of(
    assessments(), acceptances(), completions(), agreements(), closings, sweeps
)


@given(st.lists(st.tuples(steps, pauses), max_size=25))
def test_no_commitment_is_lost_or_loosened(
    happened: list[tuple[Step, timedelta]],
) -> None:
    held, at = Plan(id=new_id()), NOON
    for step, pause in happened:
        at += pause
        try:
            new = step(held, at)
        except Refusal:
            continue
        check_actions(held, new)
        check_versions(held, new)
        assert Plan.model_validate(new.model_dump()) == new
        held = new


def check_actions(held: Plan, new: Plan) -> None:
    now = {each.id: each for each in new.actions}
    assert len({each.code for each in new.actions}) == len(now) == len(new.actions)
    for before in held.open_actions:
        after = now[before.id]
        assert after.due_at <= before.due_at
        assert after.mandatory >= before.mandatory
        assert after.worker_id or not before.worker_id
    for before in held.actions:
        if not before.open and before.id in now:
            assert now[before.id] == before


def check_versions(held: Plan, new: Plan) -> None:
    for before, after in zip(held.versions, new.versions, strict=False):
        if before.agreed_at:
            assert after.agreed_at == before.agreed_at
            assert after.assessment == before.assessment
    if new.status is Status.CLOSED:
        assert new.due_at is None
        assert not any(each.open and each.mandatory for each in new.actions)
