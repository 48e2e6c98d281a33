"""People's judgement: raising, reassessing, and lowering by a proof."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import pytest
from accord_chassis.store import AlreadyHandled
from accord_chassis.testing import NOON, message_of, new_id, published
from accord_contracts.allocation import Role
from accord_contracts.message import Event, Message
from accord_contracts.plans import (
    ActionDone,
    ActionOutcome,
    MeetingDecided,
    PlanBreached,
    PlanClosed,
)
from accord_contracts.referrals import (
    Answer,
    IncidentKind,
    OrderBreached,
    OrderEnd,
    OrderEnded,
    OrderKind,
    OrderRecorded,
    PersonRole,
)
from accord_contracts.risk import (
    HowChanged,
    LoweringLapsed,
    ReassessmentDue,
    ReassessmentOverdue,
    RiskAssessed,
    RiskChanged,
    RiskLevel,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from risk.domain.assessment import Assessment
from risk.domain.form import Form
from risk.domain.judgement.acts import (
    NobodyAsks,
    NotHigher,
    NotLower,
    NotProven,
    NotSoLow,
    TakesASecondPerson,
    UnknownReasonForLevel,
    ask_lowering,
    look_anew,
    lower,
    raise_level,
)
from risk.domain.judgement.proof import Condition, End, Proof, prove
from risk.domain.judgement.record import Change, Contact
from risk.domain.judgement.rules import ISR, MARAC, SHIPPED, VIOGEN, Demand, ProofRules
from risk.domain.order import Order
from risk.domain.policy import Policy
from risk.domain.reassessment import Reassessment
from risk.domain.telling import Telling, of_children, of_pairs, with_telling
from risk.handlers import assess_referral, attend, stop_clock
from risk.judging import heed_breach, heed_order, heed_table, note_meeting
from risk.routes.judged import RiskView
from risk.store import Assessments
from risk_builders import POLICY, answers, referral

LOW, MEDIUM, HIGH, EXTREME = RiskLevel
SPECIALIST, OUTREACH = Role.INDEPENDENT_VICTIM_SPECIALIST, Role.PERPETRATOR_OUTREACH
ANNE, BO = new_id(), new_id()
DAY = timedelta(days=1)
YEAR = 366 * DAY
REASON = "danger_has_passed"
DASH = tuple(k for k, e in POLICY.used["dash"].items.items() if e.most == 1)
MEETING = new_id()


def by_rules(rules: ProofRules) -> Policy:
    judging = POLICY.judging.model_copy(update={"proof": rules})
    return POLICY.model_copy(update={"judging": judging})


def told(
    *yes: str,
    at: datetime = NOON,
    incident: IncidentKind = IncidentKind.VERBAL_ABUSE,
    people: Mapping[PersonRole, tuple[str, ...]] | None = None,
) -> Telling:
    return Telling(
        occurred_at=at,
        received_at=at,
        incidents=frozenset({incident}),
        answers=answers(*yes),
        people=dict(people or {}),
    )


def case(*yes: str, policy: Policy = POLICY, **more: object) -> Assessment:
    """A case in which these questions were answered with yes in its one referral."""
    told_ = told(*yes, **more)  # type: ignore[arg-type]
    begun = Assessment.new(new_id(), NOON).told(new_id(), told_)
    held = begun.weigh(told_.answers, told_.incidents, policy, NOON)
    return saved(held)


def saved(held: Assessment) -> Assessment:
    return held.model_copy(update={"version": held.version + 1})


def found(
    held: Assessment,
    *yes: str,
    at: datetime,
    contact: Contact = Contact.IN_PERSON,
    policy: Policy = POLICY,
    forms: Mapping[str, Form] | None = None,
    **given: Answer,
) -> Assessment:
    """Reassessed: these questions are answered with yes, all others with no."""
    now = answers(*yes, **given)
    filled_in = forms or {}
    return saved(
        look_anew(held, now, contact, by=ANNE, policy=policy, at=at, forms=filled_in)
    )


def found_low_twice(held: Assessment, policy: Policy = POLICY) -> Assessment:
    once = found(held, at=NOON + YEAR, policy=policy)
    return found(once, at=NOON + YEAR + 30 * DAY, policy=policy)


AFTER = NOON + YEAR + 31 * DAY


def lowering(held: Assessment, policy: Policy = POLICY) -> Proof:
    return prove(held, End.LOWERING, policy, AFTER)


def missing(held: Assessment, end: End = End.LOWERING) -> set[Condition]:
    return set(prove(held, end, POLICY, AFTER).open)


def asks(held: Assessment, level: RiskLevel = LOW) -> Assessment:
    return saved(ask_lowering(held, level, REASON, by=ANNE, policy=POLICY, at=AFTER))


def test_anyone_may_raise_whatever_the_points_and_the_reason_is_kept() -> None:
    held = case()

    raised = raise_level(
        held, EXTREME, "victims_own_fear", by=ANNE, policy=POLICY, at=NOON + DAY
    )

    assert raised.level is EXTREME
    assert raised.previous is LOW
    last = raised.judgement.changes[-1]
    assert (last.how, last.by) == (HowChanged.RAISED, ANNE)
    assert last.why == ("victims_own_fear",)
    assert raised.reassess_by == NOON + 3 * DAY, "nobody has looked since noon"
    again = saved(raised).weigh(answers(), frozenset(), POLICY, NOON + 2 * DAY)
    assert again.level is EXTREME


@pytest.mark.parametrize("level", [LOW, MEDIUM, HIGH])
def test_raising_lowers_nothing(level: RiskLevel) -> None:
    held = case("threat_to_kill")

    with pytest.raises(NotHigher):
        raise_level(
            held, level, "victims_own_fear", by=ANNE, policy=POLICY, at=NOON + DAY
        )


def test_a_level_is_raised_and_lowered_for_the_localitys_reasons_alone() -> None:
    held = case()

    with pytest.raises(UnknownReasonForLevel):
        raise_level(held, HIGH, REASON, by=ANNE, policy=POLICY, at=NOON)
    with pytest.raises(UnknownReasonForLevel):
        ask_lowering(held, LOW, "victims_own_fear", by=ANNE, policy=POLICY, at=NOON)


def test_a_lower_reassessment_lowers_nothing_and_a_higher_one_raises_at_once() -> None:
    lower_found = found(case("threat_to_kill"), at=NOON + DAY)
    higher_found = found(case(), "threat_to_kill", at=NOON + DAY)

    assert lower_found.level is HIGH
    assert lower_found.judgement.looks[-1].level is LOW
    assert higher_found.level is HIGH


def test_a_proved_lowering_takes_two_people_and_is_kept_with_both() -> None:
    asked = asks(found_low_twice(case("threat_to_kill", "weapon_used_or_threatened")))

    lowered = lower(asked, LOW, BO, POLICY, AFTER)

    assert (lowered.level, lowered.previous) == (LOW, HIGH)
    last = lowered.judgement.changes[-1]
    assert (last.how, last.by, last.confirmed_by) == (HowChanged.LOWERED, ANNE, BO)
    assert last.why == (REASON,)
    weighed = saved(lowered).weigh({}, frozenset(), POLICY, AFTER + DAY)
    assert weighed.level is LOW
    again = {"threat_to_kill": Answer.YES}
    assert weighed.weigh(again, frozenset(), POLICY, AFTER).level is HIGH


def test_who_asks_cannot_confirm() -> None:
    asked = asks(found_low_twice(case("threat_to_kill")))

    with pytest.raises(TakesASecondPerson):
        lower(asked, LOW, ANNE, POLICY, AFTER)


def test_incidents_of_long_before_a_lowering_are_counted_no_more() -> None:
    dash = {"dash": Form(answers=dict.fromkeys(DASH, Answer.NO))}
    held = case()
    for day in (1, 2):
        at = NOON - day * DAY
        again = held.told(new_id(), told(at=at))
        held = saved(again.weigh(answers(), frozenset(), POLICY, at, forms=dash))
    assert held.level is HIGH
    assert held.everything(NOON).in_a_year == 3
    asked = asks(found_low_twice(held))

    lowered = saved(lower(asked, LOW, BO, POLICY, AFTER))

    at = AFTER + DAY
    again = lowered.told(new_id(), told(at=at))
    weighed = again.weigh(answers(), frozenset(), POLICY, at)
    assert (weighed.everything(at).in_a_year, weighed.level) == (1, LOW)


def test_a_lowering_that_nobody_confirms_in_time_lapses() -> None:
    asked = asks(found_low_twice(case("threat_to_kill")))

    with pytest.raises(NobodyAsks):
        lower(asked, LOW, BO, POLICY, AFTER + timedelta(hours=72))
    with pytest.raises(NobodyAsks):
        lower(asked, MEDIUM, BO, POLICY, AFTER)


def test_what_becomes_known_meanwhile_ends_what_is_asked_for() -> None:
    asked = asks(found_low_twice(case("threat_to_kill")))
    stirred = saved(asked.weigh(answers("stalking"), frozenset(), POLICY, AFTER))

    with pytest.raises(NobodyAsks):
        lower(stirred, LOW, BO, POLICY, AFTER)
    assert Condition.LOWER_IN_A_ROW in missing(stirred)


@pytest.mark.parametrize(
    ("overtaken", "over_at"),
    [(False, AFTER + timedelta(hours=72)), (True, AFTER + timedelta(hours=1))],
)
async def test_that_a_lowering_has_lapsed_is_told_once_to_whoever_asked(
    assessments: Assessments, *, overtaken: bool, over_at: datetime
) -> None:
    asked = asks(found_low_twice(case("threat_to_kill")))
    if overtaken:
        asked = asked.weigh(answers("stalking"), frozenset(), POLICY, over_at)
    quiet = asked.model_copy(update={"due_at": None, "version": 0})
    held = await assessments.save(quiet)
    assert not await assessments.due_now(over_at - timedelta(seconds=1))

    later = over_at + timedelta(minutes=1)
    for _ in range(2):
        for due in await assessments.due_now(later):
            await attend(due, at=later, assessments=assessments, policy=POLICY)

    assert [each.data for each in await published(assessments)] == [
        LoweringLapsed(
            case_id=held.id,
            level=LOW,
            worker_id=ANNE,
            asked_at=AFTER,
            lapsed_at=later,
            late_by=60.0,
        )
    ]
    after = await assessments.get(held.id)
    assert after is not None
    assert (after.level, after.judgement.asked) == (held.level, None)


@pytest.mark.parametrize(
    ("looks", "lacks"),
    [
        ((), {Condition.LOWER_IN_A_ROW, Condition.CONTACT}),
        (((), ()), set()),
        (((),), {Condition.LOWER_IN_A_ROW}),
        # Only those in a row count: the latest found it as high as it is held.
        (((), (), ("threat_to_kill",)), {Condition.LOWER_IN_A_ROW, Condition.CONTACT}),
        ((("threat_to_kill",), (), ()), set()),
    ],
)
def test_so_many_lower_assessments_in_a_row(
    looks: tuple[tuple[str, ...], ...], lacks: set[Condition]
) -> None:
    held = case("threat_to_kill")

    for day, yes in enumerate(looks):
        held = found(held, *yes, at=NOON + YEAR + day * DAY)

    assert missing(held) == lacks


def test_the_level_is_lowered_no_further_than_any_of_them_found() -> None:
    held = case("threat_to_kill")
    held = found(held, "escalation", "stalking", at=NOON + YEAR)
    held = found(held, at=NOON + YEAR + DAY)

    assert lowering(held).to is MEDIUM
    with pytest.raises(NotSoLow):
        asks(held, LOW)
    with pytest.raises(NotLower):
        asks(held, HIGH)
    assert lower(asks(held, MEDIUM), MEDIUM, BO, POLICY, AFTER).level is MEDIUM


@pytest.mark.parametrize("left_out", [Answer.NOT_ASKED, Answer.UNKNOWN])
def test_an_earlier_yes_stands_until_the_same_question_is_answered_no(
    left_out: Answer,
) -> None:
    held = case("threat_to_kill", "stalking")
    for day in (0, 1):
        at = NOON + YEAR + day * DAY
        held = found(held, at=at, threat_to_kill=left_out)

    assert held.judgement.looks[-1].level is HIGH
    assert Condition.LOWER_IN_A_ROW in missing(held)


def test_what_was_not_asked_again_is_rested_on_after_a_lowering() -> None:
    held = raise_level(
        case("escalation", "injury"),
        EXTREME, "escalating", by=BO, policy=POLICY, at=NOON,
    )  # fmt: skip
    held = saved(held)
    for day in (0, 1):
        at = NOON + YEAR + day * DAY
        held = found(held, at=at, escalation=Answer.NOT_ASKED)

    lowered = lower(asks(held, MEDIUM), MEDIUM, BO, POLICY, AFTER)

    assert lowered.answers["escalation"] is Answer.YES
    assert lowered.answers["injury"] is Answer.NO


def test_a_form_stands_until_the_same_is_filled_in_anew() -> None:
    grave, light = {"dash": Form(total=14)}, {"dash": Form(total=1)}
    held = saved(case().weigh({}, frozenset(), POLICY, NOON, forms=grave))
    once = found(held, at=NOON + YEAR)
    anew = found(held, at=NOON + YEAR, forms=light)
    twice = found(anew, at=NOON + YEAR + DAY, forms=light)

    assert once.judgement.looks[-1].level is HIGH
    assert anew.judgement.looks[-1].level is LOW
    assert anew.level is HIGH
    lowered = lower(asks(twice), LOW, BO, POLICY, AFTER)
    assert (lowered.level, lowered.forms) == (LOW, light)


@pytest.mark.parametrize(
    ("told", "now"),
    [
        ({"danger_assessment": Form(total=40, certified=True)}, Form()),
        ({"danger_assessment": Form(total=40, certified=True)}, Form(certified=True)),
        ({"danger_assessment": Form(total=40, certified=True)}, Form(total=0)),
        ({"dash": Form(total=14)}, Form()),
        (
            {"dash": Form(answers=dict.fromkeys(DASH, Answer.YES))},
            Form(answers=dict.fromkeys(DASH, Answer.UNKNOWN)),
        ),
        (
            {"dash": Form(answers=dict.fromkeys(DASH, Answer.YES), certified=True)},
            Form(answers=dict.fromkeys(DASH, Answer.NO)),
        ),
    ],
)
def test_a_form_left_open_or_filled_in_by_somebody_less_certified_lowers_nothing(
    told: dict[str, Form], now: Form
) -> None:
    held = saved(case().weigh({}, frozenset(), POLICY, NOON, forms=told))
    for day in (0, 1):
        at = NOON + YEAR + day * DAY
        held = found(held, at=at, forms=dict.fromkeys(told, now))

    assert held.judgement.looks[-1].level is held.level
    assert held.level.rank >= HIGH.rank
    assert Condition.LOWER_IN_A_ROW in missing(held)


def test_a_form_that_is_filled_in_anew_but_mostly_open_proves_nothing() -> None:
    held = raise_level(case(), HIGH, "escalating", by=BO, policy=POLICY, at=NOON)
    held = saved(held)
    half = {"dash": Form(answers={DASH[0]: Answer.NO})}
    for day in (0, 1):
        held = found(held, at=NOON + YEAR + day * DAY, forms=half)

    assert held.judgement.looks[-1].level is MEDIUM
    assert missing(held) == {Condition.ENOUGH_KNOWN}


def test_one_that_is_sent_twice_is_one() -> None:
    held = case("threat_to_kill")
    for _ in range(2):
        held = found(held, at=NOON + YEAR)

    assert missing(held) == {Condition.LOWER_IN_A_ROW}


def test_no_locality_has_two_at_once_count_as_two() -> None:
    with pytest.raises(ValueError, match="apart_hours"):
        Demand(in_a_row=2, apart_hours=0)


def test_a_graver_one_too_close_to_count_speaks_all_the_same() -> None:
    held = raise_level(
        case("threat_to_kill"), EXTREME, "escalating", by=BO, policy=POLICY, at=NOON
    )
    held = found(saved(held), at=NOON + YEAR)
    held = found(held, "threat_to_kill", at=NOON + YEAR + DAY / 2)
    held = found(held, at=NOON + YEAR + DAY)

    assert missing(held) == {Condition.NO_TRIGGER}
    assert lowering(held).to is HIGH


def test_two_that_follow_too_closely_are_one() -> None:
    policy = by_rules(ISR)
    held = case("threat_to_kill")
    once = found(held, at=NOON + YEAR)
    soon = found(once, at=NOON + YEAR + 6 * DAY)
    later = found(once, at=NOON + YEAR + 7 * DAY)

    assert Condition.LOWER_IN_A_ROW in prove(soon, End.LOWERING, policy, AFTER).missing
    assert prove(later, End.LOWERING, policy, AFTER).open == ()


def test_contact_in_person_comes_with_an_assessment_or_an_action() -> None:
    held = case("threat_to_kill")
    for day in (0, 1):
        held = found(held, at=NOON + YEAR + day * DAY, contact=Contact.REMOTE)
    met = was_met(held, NOON + YEAR)
    long_ago = was_met(held, NOON - DAY)

    assert missing(held) == {Condition.CONTACT}
    assert missing(met) == set()
    assert missing(long_ago) == {Condition.CONTACT}


def was_met(held: Assessment, at: datetime, by: str = ANNE) -> Assessment:
    return held.model_copy(update={"judgement": held.judgement.met(at, by)})


def closing(held: Assessment, at: datetime, second: str) -> tuple[Condition, ...]:
    return prove(held, End.CLOSING, POLICY, at, second=second).missing


@pytest.mark.parametrize(
    ("met", "looked", "closed", "lacks"),
    [
        # While what happened then still counts.
        (0, 100, 181, ()),
        (0, 400, 400, (Condition.CONTACT,)),
        # With the reassessment, however long ago.
        (399, 400, 700, ()),
    ],
)
def test_contact_in_person_grows_old(
    met: int, looked: int, closed: int, lacks: tuple[Condition, ...]
) -> None:
    held = was_met(case(), NOON + met * DAY)
    held = found(held, at=NOON + looked * DAY, contact=Contact.REMOTE)

    assert closing(held, NOON + closed * DAY, second=BO) == lacks


def test_nobody_ends_a_response_on_the_word_of_their_own_contact() -> None:
    met = was_met(case(), NOON + DAY, by=BO)
    remote = found(met, at=NOON + DAY, contact=Contact.REMOTE)
    in_person = found(met, at=NOON + DAY)
    at = NOON + 2 * DAY

    assert closing(remote, at, second=BO) == (Condition.SECOND_PERSON,)
    assert closing(remote, at, second=new_id()) == ()
    assert closing(in_person, at, second=BO) == ()


def test_too_little_asked_proves_nothing() -> None:
    held = raise_level(case(), HIGH, "escalating", by=BO, policy=POLICY, at=NOON)
    held = saved(held)
    for day in (0, 1):
        nothing = look_anew(
            held,
            {},
            Contact.IN_PERSON,
            by=ANNE,
            policy=POLICY,
            at=NOON + YEAR + day * DAY,
        )
        held = saved(nothing)

    assert missing(held) == {Condition.ENOUGH_KNOWN}


def test_no_trigger_stands_in_what_was_found() -> None:
    # A trigger gives high: only from extreme is that a lower level.
    held = raise_level(
        case("threat_to_kill"), EXTREME, "escalating", by=BO, policy=POLICY, at=NOON
    )
    held = saved(held)
    for day in (0, 1):
        held = found(held, "threat_to_kill", at=NOON + YEAR + day * DAY)

    assert missing(held) == {Condition.NO_TRIGGER}


@pytest.mark.parametrize(("hours", "incidents"), [(0, 1), (3, 1), (13, 3)])
def test_breaches_of_several_orders_in_one_night_are_one_incident(
    hours: int, incidents: int
) -> None:
    held = Assessment.new(new_id(), NOON)
    for number in range(3):
        at = NOON + number * timedelta(hours=hours)
        held = held.bind(new_id(), Order(revision=1, ends_at=None, breached_at=at))

    assert held.everything(AFTER).in_a_year == incidents


@pytest.mark.parametrize(
    ("order", "lacks"),
    [
        (Order(revision=1, ends_at=None), {Condition.NO_ORDER}),
        (Order(revision=1, ends_at=AFTER + DAY), {Condition.NO_ORDER}),
        (Order(revision=1, ends_at=AFTER), set()),
        (Order(revision=1, ends_at=None, ended_at=AFTER - DAY), set()),
        (
            Order(revision=1, ends_at=AFTER - DAY, breached_at=AFTER - DAY),
            {Condition.NO_BREACH},
        ),
        (Order(revision=1, ends_at=AFTER - DAY, breached_at=NOON), set()),
    ],
)
def test_no_order_binds_and_none_was_breached_lately(
    order: Order, lacks: set[Condition]
) -> None:
    held = found_low_twice(case("threat_to_kill")).bind(new_id(), order)
    if order.breached_at:
        breach = frozenset({IncidentKind.BREACH_OF_ORDER})
        held = held.model_copy(update={"incidents": held.incidents | breach})

    assert missing(held) == lacks


def test_closing_by_viogen_takes_low_and_for_half_a_year_what_was_above() -> None:
    """Instruction 2/2024: supervised for six months after anything above low."""
    held = found_low_twice(case("threat_to_kill"))

    assert missing(held, End.CLOSING) == {Condition.LOWEST_LEVEL}

    lowered = saved(lower(asks(held), LOW, BO, POLICY, AFTER))
    twice = found_low_twice(lowered)
    assert prove(twice, End.CLOSING, POLICY, AFTER).supervised
    assert missing(twice, End.CLOSING) == {Condition.HELD_LONG}
    half_a_year = AFTER + 182 * DAY
    assert prove(twice, End.CLOSING, POLICY, half_a_year).open == ()


def test_closing_by_viogen_without_supervision_takes_one_low_assessment() -> None:
    held = found(case(), at=NOON + YEAR)

    proof = prove(held, End.CLOSING, POLICY, AFTER)

    assert not proof.supervised
    assert proof.open == ()


@pytest.mark.parametrize("times", [1, 2])
def test_viogen_supervises_two_referrals_within_six_months_and_children(
    times: int,
) -> None:
    child = {PersonRole.CHILD: (new_id(),)} if times == 1 else {}
    held = case(people=child)
    for day in range(1, times):
        held = held.told(new_id(), told(at=NOON + day * DAY))

    assert prove(held, End.CLOSING, POLICY, AFTER).supervised


def with_merged(held: Assessment, other: Assessment, at: datetime) -> Assessment:
    return saved(held.carry(other.id, other.share(), POLICY, at))


LOWERED_EXTREME = (
    Change(
        level=EXTREME, previous=None, at=NOON - YEAR, how=HowChanged.WEIGHED, why=(),
        policy_version="x",
    ),
    Change(
        level=LOW, previous=EXTREME, at=NOON, how=HowChanged.LOWERED, why=(),
        policy_version="x",
    ),
)  # fmt: skip


@pytest.mark.parametrize("settled", [False, True])
@pytest.mark.parametrize("what", ["child", "twice", "extreme"])
def test_what_a_merged_case_tells_has_a_closing_supervised_too(
    what: str, *, settled: bool
) -> None:
    other = case(people={PersonRole.CHILD: (new_id(),)} if what == "child" else {})
    # Their referrals lie further apart than two that count as often.
    held = case(at=NOON if what == "twice" else NOON - YEAR)
    if what == "extreme":
        judged = other.judgement.model_copy(update={"changes": LOWERED_EXTREME})
        other = other.model_copy(update={"judgement": judged})
    held = with_merged(held, other, NOON + DAY)
    share = held.shares[other.id].model_copy(update={"settled": settled})
    held = held.model_copy(update={"shares": {other.id: share}})

    proof = prove(found(held, at=NOON + YEAR), End.CLOSING, POLICY, AFTER)

    assert proof.supervised
    assert proof.demand.in_a_row == 2


def test_a_merged_case_above_low_lately_and_its_referrals_count() -> None:
    other = case(at=AFTER - 30 * DAY)
    _, lowered = LOWERED_EXTREME
    changes = (
        LOWERED_EXTREME[0].model_copy(update={"level": MEDIUM}),
        lowered.model_copy(update={"at": AFTER - 20 * DAY}),
    )
    judged = other.judgement.model_copy(update={"changes": changes})
    other = other.model_copy(update={"judgement": judged})
    held = with_merged(case(), other, AFTER - 10 * DAY)
    held = found(held, at=AFTER - 2 * DAY)
    held = found(held, at=AFTER)

    assert prove(held, End.CLOSING, POLICY, AFTER).open == (Condition.HELD_LONG,)
    marac = prove(held, End.CLOSING, by_rules(MARAC), AFTER + 300 * DAY)
    assert marac.open == (Condition.QUIET,)


@pytest.mark.parametrize(
    ("rules", "row", "held_days", "quiet_days"),
    [(VIOGEN, 1, 0, 0), (ISR, 2, 28, 28), (MARAC, 1, 0, 365)],
)
def test_what_each_shipped_policy_asks_for_before_a_response_ends(
    rules: ProofRules, row: int, held_days: int, quiet_days: int
) -> None:
    demand = rules.closing

    assert rules in SHIPPED.values()
    assert (demand.in_a_row, demand.held_days) == (row, held_days)
    assert demand.quiet_days == quiet_days


def test_a_marac_closes_nothing_within_twelve_months_of_a_referral() -> None:
    policy = by_rules(MARAC)
    held = found(case(), at=NOON + 300 * DAY, policy=policy)

    soon = prove(held, End.CLOSING, policy, NOON + 364 * DAY)
    later = prove(held, End.CLOSING, policy, NOON + 365 * DAY)

    assert soon.open == (Condition.QUIET,)
    assert later.open == ()


def test_an_unknown_shipped_policy_stops_the_start() -> None:
    given = POLICY.model_dump()
    given["judging"]["proof"] = "vogien"

    with pytest.raises(ValueError, match="one of viogen, isr, marac"):
        Policy.model_validate(given)


def test_the_refusal_names_what_is_missing() -> None:
    with pytest.raises(NotProven, match="lower_assessments_in_a_row, contact_in_pers"):
        asks(case("threat_to_kill"))


def test_each_pair_and_child_is_weighed_by_what_names_it() -> None:
    hemi, ana, mere, tama = (new_id() for _ in range(4))
    harmed, using = PersonRole.PERSON_HARMED, PersonRole.PERSON_USING_VIOLENCE
    one = told("threat_to_kill", people={harmed: (ana,), using: (hemi,)})
    other = told(people={harmed: (mere,), using: (hemi,), PersonRole.CHILD: (tama,)})
    tellings = with_telling(with_telling({}, new_id(), one), new_id(), other)

    pairs, children = of_pairs(tellings), of_children(tellings)

    assert set(pairs) == {(ana, hemi), (mere, hemi)}
    grave = pairs[ana, hemi]
    assert POLICY.level(grave.answers, grave.incidents, grave.repeats)[0] is HIGH
    light = pairs[mere, hemi]
    assert POLICY.level(light.answers, light.incidents, light.repeats)[0] is LOW
    assert set(children) == {tama}


def test_what_names_nobody_counts_for_every_pair_and_child() -> None:
    hemi, ana, mere, tama = (new_id() for _ in range(4))
    harmed, using = PersonRole.PERSON_HARMED, PersonRole.PERSON_USING_VIOLENCE
    one = told(people={harmed: (ana,), using: (hemi,)})
    other = told(people={harmed: (mere,), using: (hemi,), PersonRole.CHILD: (tama,)})
    held = Assessment.new(new_id(), NOON)
    for each in (one, other):
        held = held.told(new_id(), each)
        held = saved(held.weigh(each.answers, each.incidents, POLICY, NOON))
    yes = {"strangulation": Answer.YES}
    held = saved(held.weigh(yes, frozenset(), POLICY, NOON))

    pairs, children = of_pairs(held.tellings), of_children(held.tellings)

    for facts in (*pairs.values(), *children.values()):
        alone, view = (
            RiskView.of(facts, POLICY),
            RiskView.of(facts, POLICY, held.unnamed),
        )
        assert (alone.level, view.level) == (LOW, HIGH)
        assert view.shared == ("strangulation",)
        assert view.policy_version == POLICY.version


SAID = st.dictionaries(st.sampled_from(POLICY.questions), st.sampled_from(Answer))


@given(st.lists(st.tuples(st.booleans(), st.booleans(), SAID), min_size=1, max_size=4))
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_a_cases_only_pair_is_never_below_what_is_known_of_the_case(
    said: list[tuple[bool, bool, dict[str, Answer]]],
) -> None:
    ana, hemi = new_id(), new_id()
    pair = {
        PersonRole.PERSON_HARMED: (ana,),
        PersonRole.PERSON_USING_VIOLENCE: (hemi,),
    }
    held = Assessment.new(new_id(), NOON)
    for named, by_a_worker, answered in [(True, False, {}), *said]:
        if by_a_worker:
            held = saved(held.weigh(answered, frozenset(), POLICY, NOON))
            continue
        some = pair if named else {PersonRole.PERSON_HARMED: (ana,)}
        telling = told(people=some).model_copy(update={"answers": answered})
        held = held.told(new_id(), telling)
        held = saved(held.weigh(answered, telling.incidents, POLICY, NOON))

    [facts] = of_pairs(held.tellings).values()

    view = RiskView.of(facts, POLICY, held.unnamed)
    whole = POLICY.weigh(held.everything(NOON))
    assert view.level.rank >= whole.level.rank
    assert set(whole.reasons) <= set(view.reasons)


def test_a_pair_is_weighed_by_the_forms_that_name_it() -> None:
    hemi, ana, mere = (new_id() for _ in range(3))
    harmed, using = PersonRole.PERSON_HARMED, PersonRole.PERSON_USING_VIOLENCE
    grave = {"dash": Form(total=14)}
    one = told(people={harmed: (ana,), using: (hemi,)})
    other = told(people={harmed: (mere,), using: (hemi,)})
    tellings = {"one": one.model_copy(update={"forms": grave}), "other": other}

    pairs = of_pairs(tellings)

    views = {pair: RiskView.of(facts, POLICY) for pair, facts in pairs.items()}
    assert views[ana, hemi].level is HIGH
    assert views[mere, hemi].level is LOW


def test_an_amendment_and_its_referral_say_the_same_in_any_order() -> None:
    id_, person = new_id(), new_id()
    first = told("stalking")
    later = told(people={PersonRole.CHILD: (person,)}).model_copy(update={"number": 1})

    one = with_telling(with_telling({}, id_, first), id_, later)
    other = with_telling(with_telling({}, id_, later), id_, first)

    assert one == other
    assert one[id_].answers["stalking"] is Answer.YES
    assert one[id_].people == {PersonRole.CHILD: (person,)}


@pytest.mark.parametrize(
    ("action", "outcome", "role", "met"),
    [
        ("safe_contact", ActionOutcome.MET_IN_PERSON, SPECIALIST, True),
        ("safe_contact", ActionOutcome.SPOKE_REMOTELY, SPECIALIST, False),
        ("safe_contact", None, SPECIALIST, False),
        # What the locality says of an action counts where nobody said what came of it.
        ("home_safety_checked", None, SPECIALIST, True),
        ("home_safety_checked", ActionOutcome.NOT_REACHED, SPECIALIST, False),
        # He was met, not she.
        ("outreach_contact", ActionOutcome.MET_IN_PERSON, OUTREACH, False),
    ],
)
async def test_that_she_was_met_is_noted_by_what_came_of_an_action(
    assessments: Assessments,
    action: str,
    outcome: ActionOutcome | None,
    role: Role,
    *,
    met: bool,
) -> None:
    message = referral()
    await assess_referral(message, assessments=assessments, policy=POLICY)
    case_id = message.data.case_id
    done = ActionDone(
        case_id=case_id,
        plan_version=1,
        action_id=new_id(),
        action=action,
        role=role,
        worker_id=new_id(),
        done_at=NOON + DAY,
        outcome=outcome,
    )

    await note_meeting(message_of(done), assessments=assessments, policy=POLICY)

    held = await assessments.get(case_id)
    assert held
    assert held.judgement.met_at == (NOON + DAY if met else None)
    assert held.judgement.met_by == (done.worker_id if met else None)


@pytest.mark.parametrize("late", [False, True])
async def test_an_order_that_has_ended_binds_nobody_again(
    assessments: Assessments,
    late: bool,  # noqa: FBT001 - What is varied.
) -> None:
    message = referral()
    await assess_referral(message, assessments=assessments, policy=POLICY)
    case_id, order_id = message.data.case_id, new_id()
    known = {
        "case_id": case_id,
        "order_id": order_id,
        "kind": OrderKind.PROTECTION_ORDER,
        "starts_at": NOON,
    }
    ended = OrderEnded(**known, reason=OrderEnd.DISCHARGED, ended_at=NOON + DAY)
    breached = OrderBreached(
        **known, number=1, conditions=(), occurred_at=NOON, breached_at=NOON
    )
    said = [message_of(ended, version=2), message_of(breached, version=3)]
    for each in reversed(said) if late else said:
        await heed_order(each, assessments=assessments, policy=POLICY)

    held = await assessments.get(case_id)
    assert held
    order = held.orders[order_id]
    assert not order.binds(NOON + 2 * DAY)
    assert (order.revision, order.breached_at) == (3, NOON)
    assert IncidentKind.BREACH_OF_ORDER in held.incidents
    # Weighed with the referral and the breach, and not with the end.
    assert len([e for e in await published(assessments) if _is_assessed(e)]) == 2


def _is_assessed(message: Message[Event]) -> bool:
    return isinstance(message.data, RiskAssessed)


async def test_a_breach_is_weighed_once_and_one_taken_back_lowers_nothing(
    assessments: Assessments,
) -> None:
    message = referral("escalation", "injury")
    await assess_referral(message, assessments=assessments, policy=POLICY)
    case_id, order_id = message.data.case_id, new_id()
    known = {
        "case_id": case_id,
        "order_id": order_id,
        "kind": OrderKind.PROTECTION_ORDER,
        "starts_at": NOON,
    }
    recorded = OrderRecorded(
        **known, agency="police", bound_ids=(), protected_ids=(), conditions=()
    )
    breached = OrderBreached(
        **known, number=1, conditions=(), occurred_at=NOON, breached_at=NOON
    )
    ended = OrderEnded(**known, reason=OrderEnd.MISTAKEN, ended_at=NOON + DAY)
    levels = []
    said = ((recorded, 1), (breached, 2), (breached, 2), (ended, 3))
    for each, version in said:
        message = message_of(each, version=version)
        await heed_order(message, assessments=assessments, policy=POLICY)
        held = await assessments.get(case_id)
        assert held
        levels.append((held.level, IncidentKind.BREACH_OF_ORDER in held.incidents))

    assert levels[0] == (MEDIUM, False)
    assert levels[1] == (MEDIUM, True)
    assert levels[3] == (MEDIUM, False)
    assert not held.orders[order_id].binds(NOON)
    assert len(await published(assessments)) == 2


def decided_at_a_meeting(case_id: str, level: RiskLevel, number: int) -> MeetingDecided:
    return MeetingDecided(
        case_id=case_id,
        meeting_id=MEETING,
        number=number,
        decided_by=new_id(),
        agency="police",
        level=level,
        raised=True,
        lead=None,
        roles=(),
        review_at=None,
        carried_over=False,
        decided_at=NOON + timedelta(minutes=number),
    )


async def test_a_meeting_raises_a_level_in_the_name_of_who_decided_and_lowers_none(
    assessments: Assessments,
) -> None:
    message = referral()
    await assess_referral(message, assessments=assessments, policy=POLICY)
    case_id = message.data.case_id
    told = [
        decided_at_a_meeting(case_id, level, number)
        for level, number in ((HIGH, 1), (MEDIUM, 3), (EXTREME, 2))
    ]

    for each in told:
        of_it = message_of(each, at=NOON + DAY)
        await heed_table(of_it, assessments=assessments, policy=POLICY)

    held = await assessments.get(case_id)
    assert held is not None
    assert held.level is EXTREME
    _, *raised = held.judgement.changes
    assert [(e.level, e.how, e.by, e.why) for e in raised] == [
        (each.level, HowChanged.RAISED, each.decided_by, ("decided_at_a_meeting",))
        for each in (told[0], told[2])
    ]
    assert [(e.level, e.held) for e in held.judgement.decided] == [
        (HIGH, LOW),
        (EXTREME, HIGH),
        # Lower than what is held: it is remembered, and lowers nothing.
        (MEDIUM, HIGH),
    ]
    assert [type(each.data) for each in await published(assessments)] == [
        RiskAssessed,
        *(RiskAssessed, RiskChanged) * 2,
    ]


async def test_what_a_meeting_decided_before_anything_was_weighed_stands_then(
    assessments: Assessments,
) -> None:
    message = referral()
    case_id = message.data.case_id
    told = [
        decided_at_a_meeting(case_id, level, number)
        for level, number in ((EXTREME, 1), (MEDIUM, 2))
    ]
    for each in told:
        await heed_table(message_of(each), assessments=assessments, policy=POLICY)
    noted = await assessments.get(case_id)
    assert noted is not None
    assert (noted.weighed, noted.wakes_at) == (False, None)

    await assess_referral(message, assessments=assessments, policy=POLICY)

    held = await assessments.get(case_id)
    assert held is not None
    assert (held.level, held.own_level) == (EXTREME, EXTREME)
    assert [(e.level, e.how, e.by) for e in held.judgement.changes] == [
        (LOW, HowChanged.WEIGHED, None),
        (EXTREME, HowChanged.RAISED, told[0].decided_by),
    ]
    (assessed,) = await published(assessments)
    assert isinstance(assessed.data, RiskAssessed)
    assert assessed.data.level is EXTREME
    lowered = held.weigh({}, frozenset(), POLICY, NOON)
    assert len(lowered.judgement.changes) == 2


async def test_what_a_meeting_decided_of_an_erased_case_is_not_noted(
    assessments: Assessments,
) -> None:
    case_id = new_id()
    await assessments.save(Assessment.new(case_id, NOON).erase(NOON))

    told = message_of(decided_at_a_meeting(case_id, EXTREME, 1))
    await heed_table(told, assessments=assessments, policy=POLICY)

    held = await assessments.get(case_id)
    assert held is not None
    assert held.judgement.decided == ()


@pytest.mark.parametrize("overdue", [False, True])
async def test_a_broken_plan_has_people_assess_at_once_and_weighs_nothing(
    assessments: Assessments, *, overdue: bool
) -> None:
    message = referral("strangulation")
    case_id = message.data.case_id
    await assess_referral(message, assessments=assessments, policy=POLICY)
    if overdue:
        for _ in range(2):
            held = await assessments.get(case_id)
            assert held
            assert held.due_at
            await attend(held, at=held.due_at, assessments=assessments, policy=POLICY)
    before = await assessments.get(case_id)
    assert before
    at = NOON + timedelta(hours=1)
    told = PlanBreached(
        case_id=case_id, plan_version=1, level=before.level, breached_at=NOON
    )

    await heed_breach(message_of(told, at=at), assessments=assessments)

    held = await assessments.get(case_id)
    assert held
    assert (held.level, held.revision) == (before.level, before.revision)
    assert held.judgement.stirred == held.version, "no earlier reassessment counts"
    assert held.due_at
    if not overdue:
        assert (held.due_at, held.reassess_by) == (at, at)
    await attend(held, at=held.due_at, assessments=assessments, policy=POLICY)
    *_, called = await published(assessments)
    assert type(called.data) is (ReassessmentOverdue if overdue else ReassessmentDue)
    drafted = [
        e for e in await published(assessments) if isinstance(e.data, RiskAssessed)
    ]
    assert len(drafted) == 1, "the plan in force stays so"


def breach(held: Assessment, at: datetime) -> Message[PlanBreached]:
    told_ = PlanBreached(
        case_id=held.id, plan_version=1, level=held.level, breached_at=at
    )
    return message_of(told_, at=at)


async def test_breaches_one_after_the_other_do_not_keep_a_case_from_being_overdue(
    assessments: Assessments,
) -> None:
    message = referral("strangulation")
    await assess_referral(message, assessments=assessments, policy=POLICY)

    at = NOON
    for _ in range(3):
        at += timedelta(hours=POLICY.grace_hours - 1)
        held = await assessments.get(message.data.case_id)
        assert held
        await heed_breach(breach(held, at), assessments=assessments)
        for due in await assessments.due_now(at):
            await attend(due, at=at, assessments=assessments, policy=POLICY)

    told_ = [type(each.data) for each in await published(assessments)]
    assert told_.count(ReassessmentDue) == 1
    assert ReassessmentOverdue in told_


@pytest.mark.parametrize("looked_first", [False, True])
async def test_a_reassessment_from_after_a_breach_stands_whichever_is_heard_first(
    assessments: Assessments, *, looked_first: bool
) -> None:
    message = referral("strangulation")
    await assess_referral(message, assessments=assessments, policy=POLICY)
    held = await assessments.get(message.data.case_id)
    assert held
    told_ = breach(held, NOON + timedelta(hours=1))

    async def look() -> None:
        held = await assessments.get(message.data.case_id)
        assert held
        at = NOON + timedelta(hours=2)
        now = look_anew(
            held, answers(), Contact.IN_PERSON, by=ANNE, policy=POLICY, at=at
        )
        await assessments.save(now)

    if looked_first:
        await look()
    await heed_breach(told_, assessments=assessments)
    if not looked_first:
        await look()

    held = await assessments.get(message.data.case_id)
    assert held
    [found_] = held.judgement.looks
    assert found_.revision > held.judgement.stirred
    assert held.due_at
    assert held.due_at > NOON + timedelta(hours=2)
    with pytest.raises(AlreadyHandled):
        await heed_breach(told_, assessments=assessments)


@pytest.mark.parametrize(
    ("contact", "found_now"),
    [(Contact.NONE, answers()), (Contact.IN_PERSON, {"escalation": Answer.NO})],
)
async def test_what_is_no_look_at_the_family_does_not_silence_a_breach_heard_late(
    assessments: Assessments, contact: Contact, found_now: dict[str, Answer]
) -> None:
    message = referral("strangulation")
    await assess_referral(message, assessments=assessments, policy=POLICY)
    held = await assessments.get(message.data.case_id)
    assert held
    at = NOON + timedelta(hours=2)
    now = look_anew(held, found_now, contact, by=ANNE, policy=POLICY, at=at)
    await assessments.save(now)
    breached_at = NOON + timedelta(hours=1)

    await heed_breach(breach(held, breached_at), assessments=assessments)

    held = await assessments.get(message.data.case_id)
    assert held
    assert held.reassess_by == breached_at


async def test_a_breach_that_is_heard_after_the_end_calls_for_nothing(
    assessments: Assessments,
) -> None:
    message = referral("strangulation")
    case_id = message.data.case_id
    await assess_referral(message, assessments=assessments, policy=POLICY)
    held = await assessments.get(case_id)
    assert held
    about = {"case_id": case_id, "plan_version": 1}
    over = PlanClosed(
        **about, reason="died", assessment_revision=held.revision, closed_at=NOON
    )
    await stop_clock(message_of(over), assessments=assessments)

    told = PlanBreached(**about, level=held.level, breached_at=NOON)
    await heed_breach(message_of(told), assessments=assessments)

    held = await assessments.get(case_id)
    assert held
    assert held.reassessment is Reassessment.STOPPED
    assert held.due_at is None
