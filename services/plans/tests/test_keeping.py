"""How commitments are kept: when they are due, in which order, and who settles them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from accord_chassis.testing import NOON, new_id
from accord_contracts.plans import ActionAssigned, ActionNotConfirmed, StaleReason
from accord_contracts.problem import Refusal
from accord_contracts.referrals import TriggerKind
from accord_contracts.risk import RiskLevel
from plans.domain.action import (
    Action,
    Evidence,
    EvidenceMissing,
    Said,
    UnknownCode,
    WaitsForAnother,
)
from plans.domain.closing import OutcomesMissing, UnknownReason, close
from plans.domain.coming import Coming
from plans.domain.hours import Within
from plans.domain.keeping import (
    AnotherWordStands,
    NothingToConfirm,
    NotTheSecondPerson,
    confirm,
    leave_undone,
    overdue_since,
    reminded_since,
)
from plans.domain.merging import carry, close_with_survivor, share_of
from plans.domain.plan import (
    AlreadyClosed,
    AnotherVersionIsCurrent,
    Merged,
    MoreToRead,
    Plan,
)
from plans.domain.stage import ActionStage, Breach, Stage
from plans.domain.staleness import (
    NotAgreed,
    NotYet,
    Read,
    UnknownBreach,
    note_breach,
    review,
    stale_by_dates,
    stale_by_draft,
    stale_by_leaving,
)
from plans.domain.template import Part, Policy
from plans.telling import refused
from plans_builders import (
    IVS,
    OUTCOMES,
    POLICY,
    SHOWN,
    WHANAU,
    assessment,
    confirms,
    does,
    ends,
    owner,
    parted_fields,
    parted_policy,
    plan,
    policy_fields,
    says_done,
)
from pydantic import ValidationError

LOW, MEDIUM, HIGH, EXTREME = RiskLevel
HOUR = timedelta(hours=1)
PARTED = parted_policy()


def parted(level: RiskLevel = HIGH, *children: str) -> Plan:
    """A plan that asks for something of each child, and for some things in order."""
    made = Plan(id=new_id()).take_role(IVS, owner("w", NOON))
    made = made.take_role(WHANAU, owner("w", NOON))
    met = made.meet(children, PARTED, NOON)
    return met.draft(assessment(level, referred=NOON), PARTED, NOON)


def of(held: Plan, code: str) -> Action:
    [found] = [each for each in held.actions if each.code == code]
    return found


def read(held: Plan) -> Read:
    """What somebody has read of a plan as it stands."""
    return Read(held.current.number, held.current.review_by, held.stale)


def said_done(held: Plan, code: str, at: datetime = NOON) -> Plan:
    return says_done(held, of(held, code).id, "w", at, policy=PARTED, evidence=SHOWN)


# In Auckland it is 13 hours later than UTC then, and 2026-11-02 is a Monday.
@pytest.mark.parametrize(
    ("since", "days", "ends_at"),
    [
        ("2026-11-01T20:00", 1, "2026-11-03T04:00"),
        ("2026-11-01T20:00", 5, "2026-11-09T04:00"),
        ("2026-11-06T03:00", 1, "2026-11-09T04:00"),
        ("2026-11-07T03:00", 1, "2026-11-09T04:00"),
        # Christmas is no working day, nor is the weekend after it.
        ("2026-12-23T20:00", 1, "2026-12-28T04:00"),
        # Its own day is still the one before, in UTC.
        ("2026-11-02T12:00", 1, "2026-11-04T04:00"),
        # Daylight saving ends in between, on 2027-04-04.
        ("2027-04-02T03:00", 1, "2027-04-05T05:00"),
    ],
)
def test_working_days_end_with_the_day_that_is_worked(
    since: str, days: int, ends_at: str
) -> None:
    within = Within(within_working_days=days)
    begins = datetime.fromisoformat(since).replace(tzinfo=UTC)

    end = within.after(begins, POLICY.working)

    assert end == datetime.fromisoformat(ends_at).replace(tzinfo=UTC)
    assert end - begins >= within.least(POLICY.working)


def test_what_can_wait_for_a_working_day_does() -> None:
    seen = of(parted(LOW), "child_seen")

    # Noon is one hour past midnight of Tuesday there; Friday is the third day after.
    assert seen.due_at == datetime(2026, 11, 6, 4, tzinfo=UTC)


def test_each_child_who_is_known_has_a_part_of_their_own() -> None:
    one, two = new_id(), new_id()

    held = parted(HIGH, one, two)

    seen = [each for each in held.actions if each.part is Part.CHILD]
    assert [each.person_id for each in seen] == [one, two]
    assert len({each.id for each in seen}) == 2


def test_what_was_asked_for_any_child_is_for_the_first_who_is_known() -> None:
    held, one, two = parted(HIGH), new_id(), new_id()
    before = of(held, "child_seen")

    met = held.meet([one, two], PARTED, NOON + HOUR)

    first, second = (e for e in met.actions if e.code == "child_seen")
    assert (first.id, first.person_id, first.due_at) == (before.id, one, before.due_at)
    # The clock of the other runs from when it was known of them.
    assert (second.person_id, second.due_at) == (two, NOON + 49 * HOUR)
    assert second.worker_id == "w"
    assert met.meet([two, one], PARTED, NOON + 2 * HOUR) is met


def test_the_children_of_a_merged_case_are_asked_for_as_long_as_it_is_merged() -> None:
    child, theirs = new_id(), new_id()
    held, other = parted(HIGH, child), parted(HIGH, theirs)
    share, later = share_of(other), NOON + HOUR

    merged = carry(held, other.id, share, {}, policy=PARTED, at=later)
    apart = carry(merged, other.id, None, {}, policy=PARTED, at=later)

    seen = [e.person_id for e in merged.actions if e.code == "child_seen"]
    assert seen == [child, theirs]
    again = assessment(HIGH, revision=2, at=later, referred=NOON)
    redrawn = merged.draft(again, PARTED, later)
    assert [e.person_id for e in redrawn.actions if e.person_id] == [child, theirs]
    assert [e.person_id for e in apart.actions if e.person_id] == [child]


def test_what_waits_for_something_else_has_no_clock_until_that_is_settled() -> None:
    held = parted()
    waiting = of(held, "advice_checked")
    assert waiting.within
    assert waiting.ahead is None
    with pytest.raises(WaitsForAnother, match=r"^1 open\.$"):
        said_done(held, "advice_checked")
    assert held.fall_due(NOON + 400 * HOUR).action(waiting.id) == waiting

    said = said_done(held, "safety_advice", NOON + 30 * HOUR)
    assert of(said, "advice_checked").within
    done = confirms(said, of(said, "safety_advice").id, "x", PARTED)

    runs = of(done, "advice_checked")
    assert (runs.within, runs.due_at) == (None, NOON + 54 * HOUR)
    assert runs in done.changed_since(held)


def test_what_waits_runs_on_when_the_other_is_left_undone() -> None:
    held = parted()
    said = Said(at=NOON + HOUR, by="w", reason="declined_by_person")

    left = leave_undone(held, of(held, "safety_advice").id, said, PARTED)
    settled = confirms(left, of(left, "safety_advice").id, "x", PARTED)

    assert of(settled, "advice_checked").due_at == NOON + 25 * HOUR


def test_what_runs_does_not_wait_again_in_the_next_version() -> None:
    held = said_done(parted(), "safety_advice")
    held = confirms(held, of(held, "safety_advice").id, "x", PARTED)
    later = NOON + HOUR
    anew = assessment(EXTREME, revision=2, at=later, referred=NOON)

    redrawn = held.draft(anew, PARTED, later)

    assert of(redrawn, "advice_checked").within is None
    assert of(redrawn, "advice_checked").due_at == NOON + 24 * HOUR


def test_at_low_risk_the_owner_settles_it_alone() -> None:
    held = plan(LOW, owners={WHANAU: "w"})

    done = says_done(held, of(held, "safe_contact").id, "w", NOON, policy=POLICY)

    assert of(done, "safe_contact").done_at == NOON


@pytest.mark.parametrize("level", [HIGH, EXTREME])
def test_at_high_risk_it_takes_what_shows_it_and_a_second_person(
    level: RiskLevel,
) -> None:
    held = plan(level, owners={IVS: "w"})
    action_id = of(held, "safe_contact").id
    with pytest.raises(EvidenceMissing):
        says_done(held, action_id, "w", NOON, policy=POLICY)
    strange = Evidence(kind="hearsay")
    with pytest.raises(UnknownCode):
        says_done(held, action_id, "w", NOON, policy=POLICY, evidence=strange)
    with pytest.raises(NothingToConfirm):
        confirms(held, action_id, "x", POLICY)

    said = says_done(held, action_id, "w", NOON, policy=POLICY, evidence=SHOWN)

    assert said.action(action_id).open
    with pytest.raises(NotTheSecondPerson):
        confirms(said, action_id, "w", POLICY)
    done = confirms(said, action_id, "x", POLICY).action(action_id)
    assert (done.done_at, done.confirmed_by) == (NOON, "x")
    assert done.said
    assert done.said.evidence == SHOWN


def test_whoever_did_it_stays_named_though_another_has_the_role_by_now() -> None:
    held = plan(HIGH, owners={IVS: "w"})
    action_id = of(held, "safe_contact").id
    said = says_done(held, action_id, "w", NOON, policy=POLICY, evidence=SHOWN)
    handed = said.take_role(IVS, owner("v", NOON + HOUR))

    done = confirms(handed, action_id, "x", POLICY).action(action_id)

    assert done.worker_id == "w"


def test_nobody_confirms_for_the_owner_what_the_owner_did_not_say() -> None:
    held = plan(HIGH, owners={IVS: "w"})
    action_id = of(held, "safe_contact").id
    said = Said(at=NOON, by="lead", reason="does_not_apply")
    left = leave_undone(held, action_id, said, POLICY)

    with pytest.raises(NotTheSecondPerson):
        confirms(left, action_id, "w", POLICY)


def test_at_low_risk_too_nobody_gives_up_alone_what_another_promised() -> None:
    held = plan(LOW, owners={WHANAU: "w"})
    action_id = of(held, "safe_contact").id

    said = Said(at=NOON, by="lead", reason="does_not_apply")
    left = leave_undone(held, action_id, said, POLICY)

    assert left.action(action_id).open
    assert not confirms(left, action_id, "x", POLICY).action(action_id).open


def test_a_second_person_confirms_what_they_have_read_and_nothing_else() -> None:
    held = plan(HIGH, owners={IVS: "w"})
    action_id = of(held, "safe_contact").id
    said = says_done(held, action_id, "w", NOON, policy=POLICY, evidence=SHOWN)
    left = Said(at=NOON + HOUR, by="w", reason="does_not_apply")
    otherwise = leave_undone(said, action_id, left, POLICY)

    with pytest.raises(AnotherWordStands):
        confirm(otherwise, action_id, "x", POLICY, said_at=NOON, agrees=True, at=NOON)


def test_nobody_speaks_over_what_another_has_said_and_nobody_confirmed() -> None:
    held = plan(HIGH, owners={IVS: "w"})
    action_id = of(held, "safe_contact").id
    done = says_done(held, action_id, "w", NOON, policy=POLICY, evidence=SHOWN)
    others = Said(at=NOON, by="lead", reason="does_not_apply")
    left = leave_undone(held, action_id, others, POLICY)

    with pytest.raises(AnotherWordStands):
        leave_undone(done, action_id, others, POLICY)
    with pytest.raises(AnotherWordStands):
        says_done(left, action_id, "w", NOON, policy=POLICY, evidence=SHOWN)


def test_what_is_not_so_is_still_to_be_done() -> None:
    held = plan(HIGH, owners={IVS: "w"})
    action_id = of(held, "safe_contact").id
    said = says_done(held, action_id, "w", NOON, policy=POLICY, evidence=SHOWN)

    denied = confirms(said, action_id, "x", POLICY, agrees=False)

    left, before = denied.action(action_id), held.action(action_id)
    assert left.model_copy(update={"first": before.first}) == before
    # That it was said once stays known.
    assert left.first[ActionStage.SAID] == NOON


def test_what_was_said_in_time_may_be_confirmed_a_day_later() -> None:
    held = plan(HIGH, owners={IVS: "w"})
    action_id = of(held, "safe_contact").id

    said = says_done(
        held, action_id, "w", NOON + 20 * HOUR, policy=POLICY, evidence=SHOWN
    )

    late = said.fall_due(NOON + 43 * HOUR)
    assert late.action(action_id).overdue_at is None
    assert said.fall_due(NOON + 44 * HOUR).action(action_id).overdue_at


def test_what_was_said_too_late_is_overdue_again_if_nobody_confirms_it() -> None:
    late = plan(HIGH, owners={IVS: "w"}).fall_due(NOON + 25 * HOUR)
    action_id = of(late, "safe_contact").id
    at = NOON + 30 * HOUR

    said = says_done(late, action_id, "w", at, policy=POLICY, evidence=SHOWN)

    told = said.fall_due(at + 24 * HOUR)
    assert action_id in {each.id for each in overdue_since(told, said)}


def test_the_owner_is_told_that_what_they_said_is_not_so() -> None:
    held = plan(HIGH, owners={IVS: (owner_id := new_id())})
    action_id = of(held, "safe_contact").id
    said = says_done(held, action_id, owner_id, NOON, policy=POLICY, evidence=SHOWN)

    denied = confirms(said, action_id, "x", agrees=False)

    over, told = refused(denied, said, NOON)
    assert isinstance(over, ActionNotConfirmed)
    assert isinstance(told, ActionAssigned)
    assert (told.action_id, told.worker_id) == (action_id, owner_id)
    assert refused(denied, denied, NOON) == refused(said, held, NOON) == []


def test_what_is_left_undone_has_a_reason_of_the_locality_and_is_asked_anew() -> None:
    held = plan(LOW, owners={WHANAU: "w"})
    action_id = of(held, "safe_contact").id
    strange = Said(at=NOON, by="w", reason="no_time")
    with pytest.raises(UnknownCode):
        leave_undone(held, action_id, strange, POLICY)

    said = Said(at=NOON, by="w", reason="declined_by_person")
    left = leave_undone(held, action_id, said, POLICY)

    assert left.action(action_id).undone_at == NOON
    same = assessment(LOW, revision=2, at=NOON + HOUR, referred=NOON)
    assert not of(left.draft(same, POLICY, NOON + HOUR), "safe_contact").open
    for anew in (
        assessment(HIGH, revision=2, at=NOON + HOUR, referred=NOON),
        assessment(LOW, revision=2, at=NOON + HOUR, referred=NOON + HOUR),
    ):
        assert of(left.draft(anew, POLICY, NOON + HOUR), "safe_contact").open


def test_an_action_is_reminded_of_once_before_it_is_due() -> None:
    held = plan(HIGH)
    assert held.due_at == NOON + 20 * HOUR

    told = held.remind(NOON + 20 * HOUR)

    assert [each.code for each in reminded_since(told, held)] == ["safe_contact"]
    assert overdue_since(told, held) == ()
    assert told.due_at == NOON + 24 * HOUR
    assert told.remind(NOON + 21 * HOUR) == told


def test_nobody_is_reminded_of_what_is_overdue_already() -> None:
    held = plan(HIGH)

    late = held.fall_due(NOON + 25 * HOUR).remind(NOON + 25 * HOUR)

    assert reminded_since(late, held) == ()


def test_a_plan_is_stale_when_the_risk_rises_until_the_next_is_agreed_to() -> None:
    agreed = plan(LOW).agree(1, NOON)
    anew = assessment(HIGH, revision=2, at=NOON + HOUR, referred=NOON)

    drawn = agreed.draft(anew, POLICY, NOON + HOUR)
    stale = stale_by_draft(drawn, agreed, NOON + HOUR)

    assert stale.stale == {StaleReason.RISK_ROSE: NOON + HOUR}
    with pytest.raises(NotAgreed):
        review(stale, read(stale), POLICY, NOON + 2 * HOUR, "a")
    agreed = stale.agree(2, NOON + 2 * HOUR, stale=stale.stale)
    assert agreed.stale == {}


@pytest.mark.parametrize("level", [LOW, HIGH])
def test_a_plan_that_nobody_relies_on_is_not_stale(level: RiskLevel) -> None:
    held = plan(LOW)
    anew = assessment(level, revision=2, at=NOON + HOUR, referred=NOON)

    assert not stale_by_draft(held.draft(anew, POLICY, NOON), held, NOON).stale


def test_a_plan_is_stale_when_a_role_that_has_something_to_do_falls_vacant() -> None:
    taken = owner("w", NOON, allocation_id="x", revision=1)
    agreed = plan(HIGH).take_role(IVS, taken).agree(1, NOON)
    left = owner(None, NOON + HOUR, allocation_id="x", revision=2)

    stale = stale_by_leaving(agreed.leave_role(IVS, left), agreed, IVS, NOON + HOUR)

    assert stale.stale == {StaleReason.ROLE_VACANT: NOON + HOUR}
    reviewed = review(stale, read(stale), POLICY, NOON + 2 * HOUR, "a")
    assert reviewed.stale == {}
    assert reviewed.current.reviewed_by == "a"
    assert reviewed.current.review_by == NOON + 2 * HOUR + timedelta(days=7)


def date(happens_at: datetime) -> Coming:
    return Coming(
        kind=TriggerKind.PRISON_RELEASE,
        happens_at=happens_at,
        in_force_by=happens_at - 72 * HOUR,
        revision=1,
        look_from=happens_at - 168 * HOUR,
    )


def test_a_plan_is_stale_once_when_a_date_comes_near() -> None:
    agreed = plan(LOW).agree(1, NOON).foresee("t", date(NOON + 240 * HOUR))
    near = NOON + 72 * HOUR
    assert agreed.due_at == near

    assert stale_by_dates(agreed, near - HOUR) is agreed
    stale = stale_by_dates(agreed, near)

    assert stale.stale == {StaleReason.DATE_NEAR: near}
    reviewed = review(stale, read(stale), POLICY, near + HOUR, "a")
    assert stale_by_dates(reviewed, near + 2 * HOUR) is reviewed


def test_a_plan_that_is_agreed_to_when_a_date_is_near_is_agreed_to_for_it() -> None:
    held = plan(LOW).foresee("t", date(NOON + 100 * HOUR))

    agreed = held.agree(1, NOON)

    assert stale_by_dates(agreed, NOON + HOUR) is agreed


def test_a_breach_is_noted_once_and_makes_the_plan_stale() -> None:
    agreed = plan(HIGH).agree(1, NOON)
    breach = Breach(kind="came_near", happened_at=NOON, noted_at=NOON, noted_by="w")

    noted = note_breach(agreed, breach, POLICY)

    assert noted.breaches == (breach,)
    assert noted.stale == {StaleReason.BREACHED: NOON}
    assert note_breach(noted, breach, POLICY) is noted
    with pytest.raises(UnknownBreach):
        note_breach(agreed, breach.model_copy(update={"kind": "other"}), POLICY)
    ahead = breach.model_copy(update={"happened_at": NOON + HOUR})
    with pytest.raises(NotYet):
        note_breach(agreed, ahead, POLICY)


def test_nobody_reviews_what_they_have_not_read() -> None:
    agreed = plan(LOW).agree(1, NOON)

    with pytest.raises(AnotherVersionIsCurrent):
        review(agreed, Read(2, NOON), POLICY, NOON, "a")


def breach(hours: int) -> Breach:
    at = NOON + hours * HOUR
    return Breach(kind="came_near", happened_at=at, noted_at=at, noted_by="w")


def test_nobody_reviews_or_agrees_over_a_breach_that_they_have_not_read_of() -> None:
    agreed = plan(LOW).agree(1, NOON)
    once = note_breach(agreed, breach(1), POLICY)
    twice = note_breach(once, breach(2), POLICY)
    anew = assessment(LOW, revision=2, at=NOON + 3 * HOUR, referred=NOON)
    redrawn = twice.draft(anew, POLICY, NOON + 3 * HOUR)

    for known in (read(agreed), read(once)):
        with pytest.raises(MoreToRead):
            review(twice, known, POLICY, NOON + 3 * HOUR, "a")
        with pytest.raises(MoreToRead):
            redrawn.agree(2, NOON + 4 * HOUR, stale=known.stale)
    assert not review(twice, read(twice), POLICY, NOON + 3 * HOUR, "a").stale
    assert not redrawn.agree(2, NOON + 4 * HOUR, stale=redrawn.stale).stale


def test_a_breach_is_noted_where_somebody_looks_at_it() -> None:
    merged = plan(LOW).agree(1, NOON).model_copy(update={"merged_into": new_id()})

    with pytest.raises(Merged):
        note_breach(merged, breach(1), POLICY)


def test_a_review_that_is_sent_again_is_the_same_review() -> None:
    agreed = plan(LOW).agree(1, NOON)
    reviewed = review(agreed, read(agreed), POLICY, NOON + HOUR, "a")
    broken = note_breach(reviewed, breach(2), POLICY)

    assert review(broken, read(agreed), POLICY, NOON + 3 * HOUR, "a") is broken
    with pytest.raises(MoreToRead):
        review(reviewed, read(agreed), POLICY, NOON + 3 * HOUR, "b")
    again = review(reviewed, read(reviewed), POLICY, NOON + 3 * HOUR, "a")
    assert again.current.reviewed_at == NOON + 3 * HOUR


@pytest.mark.parametrize(
    "told", [(), OUTCOMES[:3], (*OUTCOMES, OUTCOMES[0]), (OUTCOMES[0],) * 4]
)
def test_a_plan_is_closed_with_what_came_of_each_thing_it_is_for(told: Any) -> None:
    held = plan(LOW, owners={WHANAU: "w"})
    held = does(held, of(held, "safe_contact").id, "w", NOON)

    with pytest.raises(OutcomesMissing):
        close(held, "safety_goals_met", told, POLICY, NOON)


def test_how_an_outcome_is_known_is_one_of_the_localitys_codes() -> None:
    strange = [e.model_copy(update={"source": "hearsay"}) for e in OUTCOMES]

    with pytest.raises(UnknownReason):
        close(plan(LOW), "safety_goals_met", strange, POLICY, NOON)


def test_a_plan_is_closed_once_with_what_was_said_then() -> None:
    held = plan(LOW, owners={WHANAU: "w"})
    held = does(held, of(held, "safe_contact").id, "w", NOON)
    closed = ends(held, NOON)
    others = [e.model_copy(update={"source": "not_reached"}) for e in OUTCOMES]

    assert ends(closed, NOON + HOUR) is closed
    with pytest.raises(AlreadyClosed):
        close(closed, "safety_goals_met", others, POLICY, NOON)


def test_the_plan_of_a_merged_case_is_closed_as_whole_as_any() -> None:
    held = (
        plan(LOW)
        .agree(1, NOON)
        .draft(assessment(LOW, revision=2, at=NOON + HOUR), POLICY, NOON + HOUR)
    )
    broken = note_breach(held, breach(1), POLICY)
    merged = broken.model_copy(update={"merged_into": new_id()})

    closed = close_with_survivor(merged, "safety_goals_met", NOON + 2 * HOUR)

    assert (closed.stale, closed.first[Stage.CLOSED]) == ({}, NOON + 2 * HOUR)
    promises = closed.current.promises
    assert promises
    assert {each.action_id for each in promises} == {e.id for e in held.actions}


def test_each_stage_has_the_time_at_which_it_was_first_reached() -> None:
    held = plan(LOW, owners={WHANAU: "w"}).agree(1, NOON + HOUR)
    held = does(held, of(held, "safe_contact").id, "w", NOON + 2 * HOUR)
    held = ends(held, NOON + 3 * HOUR)
    later = NOON + timedelta(days=90)
    again = held.draft(assessment(LOW, revision=2, at=later), POLICY, later)
    again = again.agree(2, later)

    assert again.first == {
        Stage.DRAFTED: NOON,
        Stage.AGREED: NOON + HOUR,
        Stage.DONE: NOON + 2 * HOUR,
        Stage.CLOSED: NOON + 3 * HOUR,
        Stage.REOPENED: later,
    }
    assert again.versions[0].outcomes == held.versions[0].outcomes
    assert {*again.versions[0].outcomes} == {*OUTCOMES}


def _in_a_circle(fields: dict[str, Any]) -> None:
    fields["actions"]["safety_advice"]["after"] = ["advice_checked"]


def _for_what_there_is_not(fields: dict[str, Any]) -> None:
    fields["actions"]["safety_advice"]["after"] = ["elsewhere"]


def _outreach_for_her(fields: dict[str, Any]) -> None:
    fields["actions"]["programme"]["after"] = ["safe_contact"]


def _hers_by_outreach(fields: dict[str, Any]) -> None:
    fields["actions"]["programme"]["part"] = "person_harmed"


def _his_by_her_worker(fields: dict[str, Any]) -> None:
    fields["actions"]["safe_contact"]["part"] = "person_using_violence"


def _high_by_working_days(fields: dict[str, Any]) -> None:
    fields["levels"]["high"]["mandatory"]["safe_contact"] = {
        "role": IVS,
        "within_working_days": 1,
    }


def _later_at_medium(fields: dict[str, Any]) -> None:
    medium = fields["levels"]["medium"]["mandatory"]
    fields["levels"]["medium"]["mandatory"] = {
        **medium,
        "safe_contact": {"role": WHANAU, "within_working_days": 1},
    }


def _both_clocks(fields: dict[str, Any]) -> None:
    duty = fields["levels"]["low"]["mandatory"]["safe_contact"]
    duty["within_working_days"] = 1


def _no_reminder(fields: dict[str, Any]) -> None:
    del fields["reminders"]["low"]


def _no_such_zone(fields: dict[str, Any]) -> None:
    fields["working"]["time_zone"] = "Pacific/Elsewhere"


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (_in_a_circle, "wait for each other"),
        (_for_what_there_is_not, "elsewhere: not an action, but waited for"),
        (_outreach_for_her, "programme: may not wait for what is done for others"),
        (_hers_by_outreach, "programme: the part of the person using violence"),
        (_his_by_her_worker, "safe_contact: the part of the person using violence"),
        (_high_by_working_days, "safe_contact: give within_hours, at high"),
        (_later_at_medium, "safe_contact: mandatory at low, not so or later at medium"),
        (_both_clocks, "give within_hours or within_working_days, and not both"),
        (_no_reminder, "reminders lacks low"),
        (_no_such_zone, "there is no such time zone"),
    ],
)
def test_a_policy_that_cannot_be_right_is_refused_with_a_sentence(
    broken: Callable[[dict[str, Any]], None], says: str
) -> None:
    fields = parted_fields()

    broken(fields)

    with pytest.raises(ValidationError, match=says):
        Policy.model_validate(fields)


def test_the_strands_are_the_usual_ones_where_a_locality_names_none() -> None:
    fields = policy_fields()
    del fields["strands"]

    assert "pets" in Policy.model_validate(fields).strands


def test_a_closed_plan_leaves_nothing_to_settle() -> None:
    held = plan(LOW, owners={WHANAU: "w"})
    held = ends(does(held, of(held, "safe_contact").id, "w", NOON), NOON)
    left = of(held, "programme").id

    said = Said(at=NOON, by="w", reason="does_not_apply")
    with pytest.raises(Refusal):
        leave_undone(held, left, said, POLICY)
    with pytest.raises(Refusal):
        confirms(held, left, "x", POLICY)
