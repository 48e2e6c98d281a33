from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from accord_chassis.settings import policy_of
from accord_chassis.testing import NOON, new_id
from accord_contracts.allocation import Role
from accord_contracts.risk import RiskLevel, Tier
from plans.domain.action import Action, NoSuchAction
from plans.domain.closing import MandatoryActionsOpen, UnknownReason
from plans.domain.held import NoPlan
from plans.domain.keeping import overdue_since
from plans.domain.plan import AlreadyClosed, AnotherVersionIsCurrent, Plan
from plans.domain.stage import Status
from plans.domain.staleness import Read, review
from plans.domain.template import PLAN_REVIEW, Policy
from plans.domain.version import KEPT_VERSIONS
from plans_builders import (
    IVS,
    OUTREACH,
    POLICY,
    WHANAU,
    assessment,
    does,
    ends,
    owner,
    plan,
    policy_fields,
)
from pydantic import ValidationError

LOW, MEDIUM, HIGH, EXTREME = RiskLevel
LOCALITIES = Path(__file__).parents[3] / "localities"
HOUR = timedelta(hours=1)


def by_code(held: Plan) -> dict[str, Action]:
    return {each.code: each for each in held.actions}


def with_all_done(held: Plan, *, at: Any = NOON) -> Plan:
    for each in held.open_actions:
        if each.mandatory:
            held = held.take_role(each.role, owner("w", at))
            held = does(held, each.id, "w", at)
    return held


@pytest.mark.parametrize(
    ("level", "code", "role", "hours", "mandatory"),
    [
        (LOW, "safe_contact", WHANAU, 120, True),
        (LOW, "programme", OUTREACH, 200, False),
        (MEDIUM, "safe_contact", WHANAU, 120, True),
        (HIGH, "safe_contact", IVS, 24, True),
        (HIGH, "safety_advice", IVS, 48, True),
        (HIGH, "programme", OUTREACH, 336, False),
        (EXTREME, "safe_contact", IVS, 24, True),
    ],
)
def test_a_draft_holds_what_the_level_asks_for_from_the_assessment_on(
    level: RiskLevel, code: str, role: Role, hours: int, *, mandatory: bool
) -> None:
    action = by_code(plan(level))[code]

    assert action.role is role
    assert action.due_at == NOON + timedelta(hours=hours)
    assert action.mandatory is mandatory
    assert action.worker_id is None


@pytest.mark.parametrize(
    ("level", "days"), [(LOW, 60), (MEDIUM, 30), (HIGH, 7), (EXTREME, 3)]
)
def test_a_plan_is_reviewed_sooner_the_higher_the_level(
    level: RiskLevel, days: int
) -> None:
    assert plan(level).current.review_by == NOON + timedelta(days=days)


def test_the_same_assessment_of_the_same_case_drafts_the_same_plan() -> None:
    case_id = new_id()
    drawn = assessment(HIGH)

    first, again = (Plan(id=case_id).draft(drawn, POLICY, NOON) for _ in range(2))

    assert first == again


def test_versions_count_up_and_an_earlier_draft_stays_in_the_history() -> None:
    held = plan(LOW, HIGH, HIGH)

    assert [each.number for each in held.versions] == [1, 2, 3]
    assert [each.assessment.level for each in held.versions] == [LOW, HIGH, HIGH]
    assert held.versions[0].agreed_at is None
    assert held.status is Status.DRAFTED


def test_the_history_is_bounded_and_the_numbers_go_on() -> None:
    held = plan(*[LOW] * (KEPT_VERSIONS + 5))

    assert len(held.versions) == KEPT_VERSIONS
    assert held.current.number == KEPT_VERSIONS + 5


def test_a_further_version_adds_what_the_new_level_needs() -> None:
    held = plan(LOW)

    raised = held.draft(assessment(HIGH, revision=2, at=NOON + HOUR), POLICY, NOON)

    assert set(by_code(held)) == {"safe_contact", "programme"}
    assert set(by_code(raised)) == {"safe_contact", "programme", "safety_advice"}
    assert by_code(raised)["safety_advice"].due_at == NOON + 49 * HOUR


def test_a_commitment_carried_over_tightens_and_never_slackens() -> None:
    low = by_code(plan(LOW))
    raised = by_code(plan(LOW, HIGH))
    lowered = by_code(plan(HIGH, LOW))

    assert raised["safe_contact"].due_at == NOON + 25 * HOUR
    assert raised["programme"].due_at == low["programme"].due_at
    assert lowered["safe_contact"].due_at == NOON + 24 * HOUR


def test_what_a_lower_level_does_not_ask_for_is_still_owed() -> None:
    advice = by_code(plan(HIGH, LOW))["safety_advice"]

    assert advice.open
    assert advice.mandatory


def test_an_action_keeps_its_id_through_the_versions() -> None:
    case_id = new_id()
    first = by_code(plan(LOW, case_id=case_id))
    third = by_code(plan(LOW, HIGH, EXTREME, case_id=case_id))

    assert third["safe_contact"].id == first["safe_contact"].id
    assert len({each.id for each in third.values()}) == len(third)


def test_what_was_done_is_carried_over() -> None:
    held = plan(HIGH, owners={IVS: "w"})
    held = does(held, by_code(held)["safe_contact"].id, "w", NOON + HOUR)
    same_episode = assessment(EXTREME, revision=2, at=NOON + 2 * HOUR, referred=NOON)

    raised = held.draft(same_episode, POLICY, NOON + 2 * HOUR)

    assert by_code(raised)["safe_contact"] == by_code(held)["safe_contact"]


def test_a_new_episode_asks_again_for_what_belongs_to_each() -> None:
    held = plan(HIGH, owners={IVS: "w"})
    for code in ("safe_contact", "safety_advice"):
        held = does(held, by_code(held)[code].id, "w", NOON + HOUR)
    later = NOON + timedelta(days=90)

    again = held.draft(assessment(HIGH, revision=2, at=later), POLICY, later)

    contact, before = by_code(again)["safe_contact"], by_code(held)["safe_contact"]
    assert contact.open
    assert contact.id != before.id
    assert contact.last_done_at == NOON + HOUR
    [past] = contact.past
    assert past.action_id == before.id
    assert past.said == before.said
    assert contact.worker_id == "w"
    assert not by_code(again)["safety_advice"].open
    assert len(again.actions) == len(held.actions)


@pytest.mark.parametrize(
    ("revision", "hours"),
    [(1, 1), (2, 0), (2, -1)],
    ids=["an older revision", "the same again", "the same revision, earlier"],
)
def test_an_older_assessment_changes_nothing(revision: int, hours: int) -> None:
    held = Plan(id=new_id()).draft(assessment(HIGH, revision=2), POLICY, NOON)

    late = assessment(EXTREME, revision=revision, at=NOON + hours * HOUR)

    assert held.draft(late, POLICY, NOON + 2 * HOUR) is held


def test_a_delayed_referral_that_is_weighed_last_still_counts() -> None:
    held = Plan(id=new_id()).draft(assessment(LOW, revision=2), POLICY, NOON)

    delayed = assessment(HIGH, revision=3, at=NOON - HOUR)

    assert held.draft(delayed, POLICY, NOON).current.assessment.level is HIGH


def test_taking_a_role_gives_all_its_open_actions_and_no_others() -> None:
    held = plan(HIGH).take_role(IVS, owner("w", NOON))

    owners = {each.code: each.worker_id for each in held.actions}
    assert owners == {"safe_contact": "w", "safety_advice": "w", "programme": None}


def test_an_owner_known_before_the_plan_owns_from_the_draft_on() -> None:
    early = Plan(id=new_id()).take_role(IVS, owner("w", NOON))

    drafted = early.draft(assessment(HIGH), POLICY, NOON)

    assert early.status is Status.NONE
    assert early.due_at is None
    assert by_code(drafted)["safe_contact"].worker_id == "w"
    assert drafted.owed_by == ("w",)


def test_who_took_a_role_last_owns_it_in_whatever_order_that_is_heard() -> None:
    first_then_last = plan(HIGH).take_role(IVS, owner("a", NOON))
    first_then_last = first_then_last.take_role(IVS, owner("b", NOON + HOUR))
    last_then_first = plan(HIGH).take_role(IVS, owner("b", NOON + HOUR))

    assert last_then_first.take_role(IVS, owner("a", NOON)) is last_then_first
    assert first_then_last.owners == last_then_first.owners
    assert first_then_last.owed_by == ("b",)


def test_whoever_did_something_stays_named_when_the_role_changes_hands() -> None:
    held = plan(HIGH, owners={IVS: "a"})
    held = does(held, by_code(held)["safe_contact"].id, "a", NOON)

    handed = held.take_role(IVS, owner("b", NOON + HOUR))

    assert by_code(handed)["safe_contact"].worker_id == "a"
    assert by_code(handed)["safety_advice"].worker_id == "b"


def test_an_owner_keeps_an_action_until_somebody_takes_the_new_role() -> None:
    held = plan(LOW, HIGH, owners={WHANAU: "a"})
    contact = by_code(held)["safe_contact"]
    assert (contact.role, contact.worker_id) == (IVS, "a")

    taken = held.take_role(IVS, owner("b", NOON + HOUR))

    assert by_code(taken)["safe_contact"].worker_id == "b"


def test_agreeing_settles_the_version_and_again_changes_nothing() -> None:
    held = plan(LOW, HIGH)

    agreed = held.agree(2, NOON)

    assert agreed.status is Status.AGREED
    assert agreed.current.agreed_at == NOON
    assert agreed.agree(2, NOON + HOUR) is agreed


def test_an_agreed_version_stays_as_it_was_when_the_next_is_drafted() -> None:
    agreed = plan(LOW).agree(1, NOON)

    redrafted = agreed.draft(
        assessment(HIGH, revision=2, at=NOON + HOUR), POLICY, NOON + HOUR
    )

    assert redrafted.versions[0] == agreed.current
    assert redrafted.status is Status.DRAFTED


@pytest.mark.parametrize("number", [1, 3])
def test_nobody_agrees_to_a_version_they_have_not_read(number: int) -> None:
    with pytest.raises(AnotherVersionIsCurrent):
        plan(LOW, HIGH).agree(number, NOON)


def test_there_is_nothing_to_agree_to_or_close_before_a_draft() -> None:
    early = Plan(id=new_id()).take_role(IVS, owner("w", NOON))

    with pytest.raises(NoPlan):
        early.agree(1, NOON)
    with pytest.raises(NoPlan):
        ends(early, NOON)


def test_an_owner_keeps_a_commitment_once() -> None:
    held = plan(HIGH, owners={IVS: "w"})
    action = by_code(held)["safe_contact"]

    done = does(held, action.id, "w", NOON)

    assert done.action(action.id).done_at == NOON
    assert does(done, action.id, "w", NOON + HOUR) is done


def test_nobody_else_can_say_that_a_commitment_was_kept() -> None:
    held = plan(HIGH, owners={IVS: "w"})

    for action_id, worker_id in (
        (by_code(held)["safe_contact"].id, "other"),
        (by_code(held)["programme"].id, "w"),
        (new_id(), "w"),
    ):
        with pytest.raises(NoSuchAction):
            does(held, action_id, worker_id, NOON)


def test_a_plan_cannot_be_closed_while_mandatory_actions_are_open() -> None:
    with pytest.raises(MandatoryActionsOpen, match=r"^2 open\.$"):
        ends(plan(HIGH), NOON)


def test_a_plan_is_closed_for_a_reason_of_the_locality_alone() -> None:
    with pytest.raises(UnknownReason):
        ends(with_all_done(plan(HIGH)), NOON, "tidying_up")


def test_closing_ends_what_was_complementary_and_stops_the_clocks() -> None:
    held = with_all_done(plan(HIGH)).take_role(OUTREACH, owner("o", NOON))
    assert held.due_at is not None

    closed = ends(held, NOON + HOUR)

    assert closed.status is Status.CLOSED
    assert closed.open_actions == ()
    assert closed.due_at is None
    assert closed.owed_by == ()
    assert closed.owners == {}
    assert ends(closed, NOON + 2 * HOUR) is closed


def test_a_closed_plan_takes_no_more() -> None:
    held = with_all_done(plan(HIGH)).take_role(OUTREACH, owner("o", NOON))
    closed = ends(held, NOON)

    with pytest.raises(AlreadyClosed):
        ends(closed, NOON, "opened_in_error")
    with pytest.raises(AlreadyClosed):
        closed.agree(1, NOON)
    with pytest.raises(AlreadyClosed):
        does(closed, by_code(closed)["programme"].id, "o", NOON)


def test_a_new_assessment_opens_a_closed_plan_again() -> None:
    held = with_all_done(plan(HIGH), at=NOON + HOUR)
    closed = ends(held, NOON + 2 * HOUR)
    later = NOON + timedelta(days=90)

    opened = closed.draft(assessment(HIGH, revision=2, at=later), POLICY, later)

    assert opened.status is Status.DRAFTED
    assert opened.current.number == 2
    assert opened.versions[0].closed_for == "safety_goals_met"
    assert {each.code for each in opened.open_actions} == {"safe_contact", "programme"}
    assert by_code(opened)["programme"].id != by_code(closed)["programme"].id
    assert by_code(opened)["programme"].due_at == later + 336 * HOUR
    assert opened.owed_by == ()


def test_a_role_taken_before_the_closing_is_not_taken_after_it() -> None:
    closed = ends(with_all_done(plan(HIGH)), NOON + HOUR)

    assert closed.take_role(OUTREACH, owner("o", NOON)) is closed
    assert closed.take_role(OUTREACH, owner("o", NOON + 2 * HOUR)).owners[OUTREACH]


def test_what_falls_due_is_told_once_and_the_next_is_waited_for() -> None:
    held = plan(HIGH)
    assert held.due_at == NOON + 20 * HOUR

    told = held.remind(NOON + 20 * HOUR).fall_due(NOON + 25 * HOUR)

    assert [each.code for each in overdue_since(told, held)] == ["safe_contact"]
    assert told.due_at == NOON + 44 * HOUR
    assert told.fall_due(NOON + 26 * HOUR) == told


def test_an_unagreed_draft_does_not_stop_the_clocks() -> None:
    late = plan(HIGH).fall_due(NOON + 24 * HOUR)

    redrafted = late.draft(
        assessment(HIGH, revision=2, at=NOON + 24 * HOUR), POLICY, NOON + 24 * HOUR
    )

    assert by_code(redrafted)["safe_contact"].due_at == NOON + 24 * HOUR
    assert by_code(redrafted)["safe_contact"].overdue_at == NOON + 24 * HOUR


def test_what_is_done_falls_due_no_more() -> None:
    held = plan(HIGH, owners={IVS: "w"})
    held = does(held, by_code(held)["safe_contact"].id, "w", NOON)

    assert held.due_at == NOON + 44 * HOUR
    assert held.fall_due(NOON + 24 * HOUR) is held


@pytest.mark.parametrize("name", ["canterbury", "waikato"])
def test_the_localities_policies_hold_together(name: str) -> None:
    policy = policy_of(Policy, LOCALITIES / name, "plans")

    assert policy.version == f"{name}-2026-11"
    for level in RiskLevel:
        drafted = Plan(id=new_id()).draft(assessment(level), policy, NOON)
        assert len(drafted.actions) == len(policy.levels[level].duties)
    added = (e for each in policy.additions.values() for e in each.levels.values())
    levels = (*policy.levels.values(), *added)
    used = {each for level in levels for each in level.duties}
    assert used == set(policy.actions)
    assert {each.strand for each in policy.actions.values()} == policy.strands
    # What is needed, and what organisations are asked to meet, is called the same.
    kept = yaml.safe_load((LOCALITIES / name / "allocation.yaml").read_text())
    assert set(kept["needs"]) == policy.strands


@pytest.mark.parametrize("name", ["canterbury", "waikato"])
@pytest.mark.parametrize("level", list(RiskLevel))
def test_every_action_is_asked_of_a_role_that_the_locality_fills_at_the_level(
    name: str, level: RiskLevel
) -> None:
    policy = policy_of(Policy, LOCALITIES / name, "plans")
    allocation = yaml.safe_load((LOCALITIES / name / "allocation.yaml").read_bytes())

    asked = {str(each.role) for each in policy.levels[level].duties.values()}

    assert asked <= set(allocation["roles"][level])


@pytest.mark.parametrize("name", ["canterbury", "waikato"])
def test_what_a_tier_demands_is_an_action_of_the_locality(name: str) -> None:
    policy = policy_of(Policy, LOCALITIES / name, "plans")
    risk = yaml.safe_load((LOCALITIES / name / "risk.yaml").read_bytes())

    for each in risk["tiers"]:
        level = RiskLevel(each["from_level"])
        asked = policy.template(level, told_tier(*each["actions"])).measures
        assert {*each["actions"]} <= {e.code for e in asked if e.mandatory}
        assert {*each["clocks"]} <= {e.code for e in asked} | {PLAN_REVIEW}


def told_tier(*actions: str, **clocks: int) -> Tier:
    return Tier(code="t", roles=(), actions=actions, clocks=clocks, meeting=None)


def test_a_tier_makes_mandatory_what_its_level_does_not_by_its_clocks() -> None:
    tier = told_tier("safety_advice", "programme", safety_advice=12, plan_review=24)

    held = Plan(id=new_id()).draft(assessment(LOW), POLICY, NOON, tier=tier)

    found = by_code(held)
    # The level alone asks for no advice: role and all are those of the next that does.
    assert (found["safety_advice"].role, found["safety_advice"].mandatory) == (
        IVS,
        True,
    )
    assert found["safety_advice"].due_at == NOON + 12 * HOUR
    assert found["programme"].mandatory
    assert found["safe_contact"].due_at == NOON + 120 * HOUR
    assert held.current.review_by == NOON + 24 * HOUR


def test_what_a_tier_demands_stays_so_when_more_becomes_known() -> None:
    tier = told_tier("safety_advice", safety_advice=12, plan_review=24)
    held = Plan(id=new_id()).draft(assessment(LOW), POLICY, NOON, tier=tier)

    met = held.meet([new_id()], POLICY, NOON + HOUR)
    agreed = met.agree(1, NOON)
    reviewed = review(
        agreed, Read(1, agreed.current.review_by), POLICY, NOON + HOUR, "a"
    )

    advice = by_code(met)["safety_advice"]
    assert (advice.mandatory, advice.due_at) == (True, NOON + 12 * HOUR)
    assert reviewed.current.review_by == NOON + 25 * HOUR


def test_a_tier_slackens_nothing() -> None:
    tier = told_tier("juggling", safe_contact=8760, plan_review=8760)

    assert POLICY.template(HIGH, tier) == POLICY.templates[HIGH]


def _without_extreme(fields: dict[str, Any]) -> None:
    del fields["levels"]["extreme"]


def _strange_strand(fields: dict[str, Any]) -> None:
    fields["actions"]["programme"]["strand"] = "elsewhere"


def _strange_action(fields: dict[str, Any]) -> None:
    duty = {"role": WHANAU, "within_hours": 1}
    fields["levels"]["low"]["complementary"]["juggling"] = duty


def _twice(fields: dict[str, Any]) -> None:
    level = fields["levels"]["high"]
    level["complementary"]["safe_contact"] = level["mandatory"]["safe_contact"]


def _less_at_high(fields: dict[str, Any]) -> None:
    del fields["levels"]["high"]["mandatory"]["safe_contact"]


def _later_at_high(fields: dict[str, Any]) -> None:
    fields["levels"]["high"]["mandatory"]["safe_contact"]["within_hours"] = 121


def _reviewed_later(fields: dict[str, Any]) -> None:
    fields["levels"]["high"]["review_hours"] = 721


def _agreed_later(fields: dict[str, Any]) -> None:
    fields["levels"]["high"]["agree_within_hours"] = 1001


def _unknown_key(fields: dict[str, Any]) -> None:
    fields["colour"] = "blue"


def _no_reasons(fields: dict[str, Any]) -> None:
    fields["closing_reasons"] = []


@pytest.mark.parametrize(
    ("breaking", "says"),
    [
        (_without_extreme, "levels lacks extreme"),
        (_strange_strand, "elsewhere: not a strand"),
        (_strange_action, "juggling: not an action, at low"),
        (_twice, "safe_contact: given twice, at high"),
        (_less_at_high, "safe_contact: mandatory at medium, not so or later at high"),
        (_later_at_high, "safe_contact: mandatory at medium, not so or later at high"),
        (_reviewed_later, "review_hours: high is reviewed later than medium"),
        (_agreed_later, "agree_within_hours: high is agreed to later than medium"),
        (_unknown_key, "colour"),
        (_no_reasons, "closing_reasons"),
    ],
)
def test_a_policy_that_does_not_hold_together_is_refused(
    breaking: Any, says: str
) -> None:
    fields = policy_fields()
    breaking(fields)

    with pytest.raises(ValidationError, match=says):
        Policy.model_validate(fields)


TAKEN = {"allocation_id": "role", "revision": 2}
LEFT = {"allocation_id": "role", "revision": 3}


def test_nobody_owns_the_actions_of_a_role_that_was_taken_back() -> None:
    held = plan(HIGH).take_role(IVS, owner("a", NOON, **TAKEN))

    left = held.leave_role(IVS, owner(None, NOON + HOUR, **LEFT))

    assert held.owed_by == ("a",)
    assert left.owed_by == ()
    assert len(left.open_actions) == len(held.open_actions)


def test_that_a_role_was_taken_comes_too_late_once_it_was_taken_back() -> None:
    left = plan(HIGH).leave_role(IVS, owner(None, NOON, **LEFT))

    assert left.take_role(IVS, owner("a", NOON, **TAKEN)) is left
    later = {"allocation_id": "role", "revision": 4}
    assert left.take_role(IVS, owner("b", NOON, **later)).owed_by == ("b",)


def test_whoever_has_a_role_next_keeps_it_when_its_being_left_comes_late() -> None:
    later = {"allocation_id": "role", "revision": 5}
    held = plan(HIGH).take_role(IVS, owner("b", NOON, **later))

    assert held.leave_role(IVS, owner(None, NOON + HOUR, **LEFT)) is held
    another = {"allocation_id": "of an earlier episode", "revision": 9}
    assert held.leave_role(IVS, owner(None, NOON + HOUR, **another)) is held


def test_what_was_kept_for_another_role_is_left_with_the_one_it_came_from() -> None:
    held = plan(LOW).take_role(WHANAU, owner("a", NOON, **TAKEN))
    held = held.draft(assessment(HIGH, revision=2, referred=NOON), POLICY, NOON)
    assert by_code(held)["safe_contact"].role is IVS

    left = held.leave_role(WHANAU, owner(None, NOON + HOUR, **LEFT))

    assert left.owed_by == ()
