"""What is known to come: when it weighs, and that nothing is lowered by it."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from accord_chassis.store import AlreadyHandled
from accord_chassis.testing import NOON, Alive, message_of, new_id, published
from accord_contracts.message import Lane, Message
from accord_contracts.referrals import (
    TriggerCancelled,
    TriggerEvent,
    TriggerFellDue,
    TriggerKind,
    TriggerScheduled,
)
from accord_contracts.risk import ReassessmentDue, RiskAssessed, RiskChanged, RiskLevel
from hypothesis import given
from hypothesis import strategies as st
from risk.domain.ahead import KEPT, Ahead
from risk.domain.assessment import Assessment
from risk.domain.reassessment import Reassessment
from risk.handlers import (
    assess_referral,
    attend,
    foresee,
    stop_clock,
    weigh_what_is_there,
)
from risk.store import Assessments
from risk_builders import ALL_NO, POINTS, POLICY, closed, one_point, referral

RELEASE = TriggerKind.PRISON_RELEASE
LEAD = timedelta(days=POLICY.ahead[RELEASE].days)
DAY = timedelta(days=1)
FAR = NOON + LEAD + 30 * DAY
NEAR = NOON + LEAD - DAY
REASON = "trigger_prison_release"


def date(
    kind: type[TriggerEvent],
    case_id: str,
    due_at: datetime,
    *,
    trigger_id: str = "",
    version: int = 1,
    at: datetime = NOON,
    lane: Lane = Lane.ROUTINE,
) -> Message[Any]:
    late = {"late_by": 0.0} if kind is TriggerFellDue else {}
    told = kind(
        case_id=case_id,
        trigger_id=trigger_id or new_id(),
        kind=RELEASE,
        due_at=due_at,
        **late,
    )
    return message_of(told, version=version, at=at, lane=lane)


async def referred(assessments: Assessments, *yes: str) -> str:
    message = referral(*yes)
    await assess_referral(message, assessments=assessments, policy=POLICY)
    case_id: str = message.data.case_id
    return case_id


async def hear(assessments: Assessments, *messages: Message[Any]) -> Assessment:
    for each in messages:
        handle = (
            weigh_what_is_there if isinstance(each.data, TriggerFellDue) else foresee
        )
        await handle(each, assessments=assessments, policy=POLICY)
    held = await assessments.get(messages[-1].data.case_id)
    assert held
    return held


async def assessed(assessments: Assessments) -> list[RiskAssessed]:
    told = [each.data for each in await published(assessments)]
    return [each for each in told if isinstance(each, RiskAssessed)]


async def sweep(assessments: Assessments, at: datetime) -> None:
    for due in await assessments.due_now(at):
        await attend(due, at=at, assessments=assessments, policy=POLICY)


def test_a_kind_of_date_weighs_once_with_its_reason() -> None:
    weighed = POLICY.used["triage"].sums["points"].weights[REASON]
    just_below = POINTS[RiskLevel.HIGH] - weighed - 1

    def level(points: int) -> RiskLevel:
        return one_point().level(ALL_NO, frozenset(), points, frozenset({RELEASE}))[0]

    assert POLICY.level(ALL_NO, frozenset(), 0, frozenset({RELEASE}))[1] == (REASON,)
    assert level(just_below) is RiskLevel.MEDIUM
    assert level(just_below + 1) is RiskLevel.HIGH


def test_a_release_that_is_near_is_never_low() -> None:
    level, _ = POLICY.level(ALL_NO, frozenset(), 0, frozenset({RELEASE}))

    assert level is RiskLevel.MEDIUM


async def test_a_date_that_is_far_weighs_nothing_yet(assessments: Assessments) -> None:
    case_id = await referred(assessments)

    held = await hear(assessments, date(TriggerScheduled, case_id, FAR))

    assert len(await assessed(assessments)) == 1
    assert REASON not in held.reasons
    assert held.wakes_at == FAR - LEAD


async def test_it_weighs_from_the_lead_on_as_if_it_were_referred_then(
    assessments: Assessments,
) -> None:
    case_id = await referred(assessments)
    await hear(assessments, date(TriggerScheduled, case_id, FAR))
    at = FAR - LEAD

    await sweep(assessments, at)
    await sweep(assessments, at)

    _, told = await assessed(assessments)
    assert REASON in told.reasons
    assert told.referral_id is None
    assert told.first_referred_at == told.assessed_at == at
    held_now = await assessments.get(case_id)
    assert held_now
    # Nobody has looked at the family by that: at the level that it gives, they are to
    # now, for the period is over.
    assert held_now.level is RiskLevel.MEDIUM
    assert held_now.reassess_by == NOON + timedelta(days=30) <= at
    assert held_now.reassessment is Reassessment.DUE
    assert held_now.due_at == at + timedelta(hours=POLICY.grace_hours)


async def test_a_date_that_is_near_weighs_at_once_and_may_raise_the_level(
    assessments: Assessments,
) -> None:
    case_id = await referred(assessments, "prior_violence")
    [before] = await assessed(assessments)

    held = await hear(assessments, date(TriggerScheduled, case_id, NEAR))

    assert held.level.rank > before.level.rank
    [*_, changed] = [each.data for each in await published(assessments)]
    assert isinstance(changed, RiskChanged)
    assert (await assessed(assessments))[-1].first_referred_at == NOON


async def test_what_is_there_is_weighed_again_and_once(
    assessments: Assessments,
) -> None:
    case_id = await referred(assessments)
    trigger_id = new_id()
    there = date(
        TriggerFellDue, case_id, NEAR, trigger_id=trigger_id, version=3, at=NEAR
    )
    await hear(
        assessments,
        date(TriggerScheduled, case_id, NEAR, trigger_id=trigger_id),
        there,
    )

    with pytest.raises(AlreadyHandled):
        await hear(assessments, there)

    told = await assessed(assessments)
    assert [REASON in each.reasons for each in told] == [False, True, True]


async def test_news_of_a_date_that_comes_late_changes_nothing(
    assessments: Assessments,
) -> None:
    case_id = await referred(assessments)
    trigger_id = new_id()
    moved = date(TriggerScheduled, case_id, FAR, trigger_id=trigger_id, version=2)
    first = date(TriggerScheduled, case_id, NEAR, trigger_id=trigger_id, version=1)

    held = await hear(assessments, moved, first)

    assert held.ahead[trigger_id].happens_at == FAR
    assert len(await assessed(assessments)) == 1


@pytest.mark.parametrize("kind", [TriggerScheduled, TriggerCancelled])
async def test_what_was_moved_away_or_called_off_weighs_no_more_and_lowers_nothing(
    assessments: Assessments, kind: type[TriggerEvent]
) -> None:
    case_id = await referred(assessments, "prior_violence")
    trigger_id = new_id()
    near = date(TriggerScheduled, case_id, NEAR, trigger_id=trigger_id)
    raised = await hear(assessments, near)

    held = await hear(
        assessments, date(kind, case_id, FAR, trigger_id=trigger_id, version=2)
    )

    assert held.level is raised.level
    assert len(await assessed(assessments)) == 2
    again = held.weigh({}, frozenset(), POLICY, NOON)
    assert REASON not in again.reasons
    assert again.level is raised.level
    expected = FAR - LEAD if kind is TriggerScheduled else None
    assert held.ahead[trigger_id].wakes_at == expected


async def test_a_date_that_is_heard_of_before_its_referral_waits_for_it(
    assessments: Assessments,
) -> None:
    case_id = new_id()
    await hear(assessments, date(TriggerScheduled, case_id, NEAR))
    await sweep(assessments, NOON + 400 * DAY)
    assert await assessed(assessments) == []

    await assess_referral(
        referral(case_id=case_id), assessments=assessments, policy=POLICY
    )

    [told] = await assessed(assessments)
    assert told.previous is None
    assert REASON in told.reasons


async def test_a_case_of_which_only_a_date_is_known_is_not_assessed(
    risk: Alive, assessments: Assessments
) -> None:
    case_id = new_id()
    store = risk.service.store(Assessments)
    await hear(store, date(TriggerScheduled, case_id, NEAR))

    held = await store.get(case_id)

    assert held
    assert not held.weighed
    assert assessments.due == "wakes_at"


async def test_a_closed_case_is_assessed_again_when_a_date_comes_near(
    assessments: Assessments,
) -> None:
    case_id = await referred(assessments)
    await hear(assessments, date(TriggerScheduled, case_id, FAR))
    held = await assessments.get(case_id)
    assert held
    await stop_clock(closed(case_id, revision=held.revision), assessments=assessments)

    await sweep(assessments, FAR - LEAD)

    assert len(await assessed(assessments)) == 2
    held = await assessments.get(case_id)
    assert held
    assert held.reassessment is Reassessment.AHEAD
    assert held.due_at


async def test_both_clocks_that_run_out_together_are_heeded(
    assessments: Assessments,
) -> None:
    case_id = await referred(assessments)
    held = await hear(assessments, date(TriggerScheduled, case_id, FAR))
    assert held.due_at
    later = max(held.due_at, FAR)

    await sweep(assessments, later)
    for _again in range(2):
        held_now = await assessments.get(case_id)
        assert held_now
        if held_now.wakes_at and held_now.wakes_at <= later:
            await attend(held_now, at=later, assessments=assessments, policy=POLICY)

    kinds = [type(each.data) for each in await published(assessments)]
    assert kinds.count(RiskAssessed) == 2
    assert ReassessmentDue in kinds


def test_dates_of_a_case_are_bounded_and_the_furthest_one_goes() -> None:
    held = Assessment.new(new_id(), NOON)
    for day in range(KEPT + 1):
        at = NOON + day * DAY
        known = Ahead(kind=RELEASE, happens_at=at, near_from=at, revision=1)
        held = held.foresee(str(day), known)

    assert len(held.ahead) == KEPT
    assert "0" in held.ahead
    assert str(KEPT) not in held.ahead


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 90), st.booleans()),
        max_size=8,
    )
)
def test_no_date_ever_lowers_a_level(told: list[tuple[str, int, bool]]) -> None:
    held = Assessment.new(new_id(), NOON).weigh({**ALL_NO}, frozenset(), POLICY, NOON)
    for revision, (key, day, cancelled) in enumerate(told):
        at = NOON + day * DAY
        known = Ahead(
            kind=RELEASE,
            happens_at=at,
            near_from=POLICY.ahead[RELEASE].near_from(at),
            revision=revision,
            cancelled=cancelled,
        )
        foreseen = held.foresee(key, known)
        new = foreseen.weigh_dates(POLICY, NOON + revision * DAY, begins=False)
        assert new.level.rank >= held.level.rank
        held = new
