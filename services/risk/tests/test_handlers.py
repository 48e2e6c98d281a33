"""What risk does when something happens."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from accord_chassis.store import AlreadyHandled, Conflict
from accord_chassis.testing import NOON, message_of, new_id, published
from accord_contracts.message import Lane, Message
from accord_contracts.referrals import (
    Answer,
    CaseErased,
    CaseTransferred,
    FieldGroup,
    FilledIn,
    InformationDecided,
    InformationPushed,
    Party,
    PersonRole,
    ReferralReceived,
    SharingDecision,
    SharingReason,
)
from accord_contracts.risk import (
    LoweringLapsed,
    ReassessmentDue,
    ReassessmentOverdue,
    RiskAssessed,
    RiskChanged,
    RiskLevel,
)
from risk.domain.assessment import Assessment, NotAssessed
from risk.domain.form import Form
from risk.domain.judgement.acts import look_anew
from risk.domain.judgement.record import Asked, Contact
from risk.domain.policy import UnknownIndicator
from risk.domain.reassessment import Reassessment
from risk.domain.scoring import Result
from risk.domain.telling import of_pairs
from risk.handlers import (
    add_answers,
    assess_amendment,
    assess_corrected,
    assess_information,
    assess_referral,
    call_for_reassessment,
    erase,
    leave,
    stop_clock,
)
from risk.judging import reassess
from risk.store import Assessments
from risk_builders import (
    ALL_NO,
    POLICY,
    amended,
    closed,
    erased,
    policy,
    referral,
    roles_decided,
)

YEARS_LATER = NOON + timedelta(days=1000)


async def held_of(case_id: str, assessments: Assessments) -> Assessment:
    held = await assessments.get(case_id)
    assert held
    return held


async def test_a_first_referral_is_assessed_and_told(assessments: Assessments) -> None:
    message = referral("prior_violence", at=NOON + timedelta(seconds=2))

    await assess_referral(message, assessments=assessments, policy=POLICY)

    [told] = await published(assessments)
    assert isinstance(told.data, RiskAssessed)
    assert told.data.level is RiskLevel.LOW
    assert told.data.previous is None
    assert told.data.referral_id == message.data.referral_id
    assert told.data.first_referred_at == NOON
    assert told.data.policy_version == POLICY.version
    assert told.data.reasons == ("prior_violence", "incident_verbal_abuse")
    assert told.lane is Lane.ROUTINE
    assert told.causation_id == message.id


async def test_a_high_level_takes_the_urgent_lane(assessments: Assessments) -> None:
    await assess_referral(
        referral("strangulation"), assessments=assessments, policy=POLICY
    )

    [told] = await published(assessments)
    assert told.lane is Lane.URGENT


async def test_a_second_referral_is_weighed_with_all_that_is_known(
    assessments: Assessments,
) -> None:
    first = referral("escalation", "prior_violence")
    second = referral("coercive_control", "injury", case_id=first.data.case_id)

    await assess_referral(first, assessments=assessments, policy=POLICY)
    await assess_referral(second, assessments=assessments, policy=POLICY)

    held = await assessments.get(first.data.case_id)
    assert held is not None
    assert {"escalation", "coercive_control"} <= set(held.reasons)
    assert held.level is RiskLevel.HIGH
    changed = [each.data for each in await published(assessments)][-1]
    assert isinstance(changed, RiskChanged)
    assert (changed.previous, changed.level) == (RiskLevel.MEDIUM, RiskLevel.HIGH)


NOT_ASKED_HERE = FilledIn(instrument="tea_leaves", answers={"shape": Answer.YES})


async def test_what_a_referral_has_filled_in_is_weighed(
    assessments: Assessments,
) -> None:
    yes = {f"dash_{number:02}": Answer.YES for number in range(1, 15)}
    dash = FilledIn(instrument="dash", answers=yes)
    message = referral(instruments=(dash, NOT_ASKED_HERE))

    await assess_referral(message, assessments=assessments, policy=POLICY)

    held = await assessments.get(message.data.case_id)
    assert held is not None
    assert held.level is RiskLevel.HIGH
    assert held.forms["dash"].answers == yes
    assert held.forms["tea_leaves"].answers == NOT_ASKED_HERE.answers
    [told] = held.tellings.values()
    assert told.forms == held.forms


@pytest.mark.parametrize(
    ("days", "agencies", "level"),
    [
        ((0, 100, 365), ("police",) * 3, RiskLevel.HIGH),
        ((0, 100, 366), ("police",) * 3, RiskLevel.LOW),
        ((0, 0, 100), ("police",) * 3, RiskLevel.HIGH),
        # Two agencies tell of one incident.
        ((0, 0.4, 100), ("police", "hospital", "police"), RiskLevel.LOW),
        ((0, 0.6, 100), ("police", "hospital", "police"), RiskLevel.HIGH),
        # Once they were within a year, it was so, whatever came long after.
        ((0, 100, 365, 900), ("police",) * 4, RiskLevel.HIGH),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
async def test_dash_escalates_with_the_third_incident_in_12_months_of_safelives(
    assessments: Assessments,
    *,
    days: tuple[float, ...],
    agencies: tuple[str, ...],
    level: RiskLevel,
    turned: bool,
) -> None:
    case_id = new_id()
    yes = {f"dash_{number:02}": Answer.YES for number in range(1, 6)}
    no = {f"dash_{number:02}": Answer.NO for number in range(6, 25)}
    dash = FilledIn(instrument="dash", answers={**yes, **no})
    told = [
        referral(
            case_id=case_id,
            occurred_at=NOON + timedelta(days=day),
            at=NOON + timedelta(days=day),
            agency=agency,
            instruments=(dash,),
        )
        for day, agency in zip(days, agencies, strict=True)
    ]

    for message in reversed(told) if turned else told:
        await assess_referral(message, assessments=assessments, policy=POLICY)

    held = await assessments.get(case_id)
    assert held is not None
    assert held.level is level
    raised = level is RiskLevel.HIGH
    assert ("dash_potential_escalation" in held.reasons) == raised


async def test_what_is_filled_in_counts_the_same_in_any_order(
    assessments: Assessments,
) -> None:
    light = FilledIn(instrument="dash", total=3)
    grave = FilledIn(instrument="dash", total=14)
    forms = (FieldGroup.INSTRUMENTS,)
    levels = []
    for first, second in ((light, grave), (grave, light)):
        begun = referral(instruments=(first,))
        told = {"referral_id": begun.data.referral_id, "instruments": (second,)}
        now = amended(begun.data.case_id, groups=forms, **told)
        await assess_referral(begun, assessments=assessments, policy=POLICY)
        await assess_amendment(now, assessments=assessments, policy=POLICY)
        held = await assessments.get(begun.data.case_id)
        assert held is not None
        [telling] = held.tellings.values()
        levels.append((held.level, held.forms, telling.forms))

    assert levels[0] == levels[1]
    assert levels[0][0] is RiskLevel.HIGH


async def test_a_redelivered_referral_changes_nothing(assessments: Assessments) -> None:
    message = referral("prior_violence", repeat=True)
    await assess_referral(message, assessments=assessments, policy=POLICY)

    with pytest.raises(AlreadyHandled):
        await assess_referral(message, assessments=assessments, policy=POLICY)

    held = await assessments.get(message.data.case_id)
    assert held is not None
    assert held.repeats == 1
    assert len(await published(assessments)) == 1


async def test_two_who_weigh_the_same_assessment_are_not_both_saved(
    assessments: Assessments,
) -> None:
    message = referral()
    await assess_referral(message, assessments=assessments, policy=POLICY)
    held = await assessments.get(message.data.case_id)
    assert held is not None

    await assessments.save(held)

    with pytest.raises(Conflict):
        await assessments.save(held)


async def test_later_answers_are_weighed_with_what_was_known(
    assessments: Assessments,
) -> None:
    message = referral("escalation")
    await assess_referral(message, assessments=assessments, policy=POLICY)

    new = await add_answers(
        message.data.case_id,
        {"strangulation": Answer.YES},
        at=NOON + timedelta(days=1),
        assessments=assessments,
        policy=POLICY,
    )

    assert new.level is RiskLevel.HIGH
    assert {"escalation", "strangulation"} <= set(new.reasons)
    told = (await published(assessments))[1]
    assert isinstance(told.data, RiskAssessed)
    assert told.data.referral_id is None
    assert told.lane is Lane.URGENT


async def test_answers_need_a_case_and_a_known_question(
    assessments: Assessments,
) -> None:
    with pytest.raises(NotAssessed):
        await add_answers(new_id(), {}, at=NOON, assessments=assessments, policy=POLICY)
    with pytest.raises(UnknownIndicator):
        await add_answers(
            new_id(),
            {"shoe_size": Answer.YES},
            at=NOON,
            assessments=assessments,
            policy=POLICY,
        )


async def test_a_case_falls_due_then_overdue_and_says_by_how_much(
    assessments: Assessments,
) -> None:
    message = referral("strangulation")
    await assess_referral(message, assessments=assessments, policy=POLICY)
    noticed = NOON + timedelta(hours=POLICY.reassess_hours[RiskLevel.HIGH], seconds=5)

    [due] = await assessments.due_now(noticed)
    await call_for_reassessment(due, at=noticed, assessments=assessments, policy=POLICY)
    assert await assessments.due_now(noticed) == []

    later = noticed + timedelta(hours=POLICY.grace_hours)
    [overdue] = await assessments.due_now(later)
    await call_for_reassessment(
        overdue, at=later, assessments=assessments, policy=POLICY
    )

    first, second = (await published(assessments))[-2:]
    assert isinstance(first.data, ReassessmentDue)
    assert first.data.late_by == 5
    assert isinstance(second.data, ReassessmentOverdue)
    assert second.data.late_by == 5
    assert first.lane is second.lane is Lane.URGENT


async def test_a_closed_case_is_never_called_for_again(
    assessments: Assessments,
) -> None:
    message = referral("strangulation")
    case_id = message.data.case_id
    await assess_referral(message, assessments=assessments, policy=POLICY)
    [due] = await assessments.due_now(YEARS_LATER)
    await call_for_reassessment(
        due, at=YEARS_LATER, assessments=assessments, policy=POLICY
    )

    # The clock has counted the document's version up, and the plan knows nothing of it.
    await stop_clock(closed(case_id), assessments=assessments)

    assert await assessments.due_now(YEARS_LATER) == []
    held = await held_of(case_id, assessments)
    assert held.version > held.revision == 1
    assert held.level is RiskLevel.HIGH
    told = [type(each.data) for each in await published(assessments)]
    assert told == [RiskAssessed, ReassessmentDue]


@pytest.mark.parametrize("first", ["closed", "assessed"])
async def test_a_case_assessed_while_its_plan_is_closed_is_called_for_either_way(
    assessments: Assessments, first: str
) -> None:
    message = referral()
    case_id = message.data.case_id
    await assess_referral(message, assessments=assessments, policy=POLICY)
    again = referral(case_id=case_id)
    ended = closed(case_id, revision=1)

    if first == "closed":
        await stop_clock(ended, assessments=assessments)
    await assess_referral(again, assessments=assessments, policy=POLICY)
    if first == "assessed":
        await stop_clock(ended, assessments=assessments)

    held = await held_of(case_id, assessments)
    assert held.reassessment is Reassessment.AHEAD
    assert [each.id for each in await assessments.due_now(YEARS_LATER)] == [case_id]


@pytest.mark.parametrize(
    ("reason", "mistaken_at"), [("opened_in_error", NOON), ("safety_goals_met", None)]
)
async def test_of_a_case_opened_in_error_all_stays_and_it_is_noted(
    assessments: Assessments, reason: str, mistaken_at: datetime | None
) -> None:
    message = referral("prior_violence")
    case_id = message.data.case_id
    await assess_referral(message, assessments=assessments, policy=POLICY)
    before = await held_of(case_id, assessments)

    await stop_clock(closed(case_id, reason=reason), assessments=assessments)

    held = await held_of(case_id, assessments)
    assert held.mistaken_at == mistaken_at
    assert held.reassessment is Reassessment.STOPPED
    kept = {"answers", "level", "judgement", "tellings", "results", "reasons"}
    assert held.model_dump(include=kept) == before.model_dump(include=kept)


async def test_a_closing_told_again_does_not_stop_the_clock_of_the_next_episode(
    assessments: Assessments,
) -> None:
    message = referral()
    case_id = message.data.case_id
    await assess_referral(message, assessments=assessments, policy=POLICY)
    ended = closed(case_id, revision=1)
    await stop_clock(ended, assessments=assessments)
    await add_answers(
        case_id,
        {"prior_violence": Answer.YES},
        at=NOON + timedelta(days=1),
        assessments=assessments,
        policy=POLICY,
    )
    before = await held_of(case_id, assessments)

    with pytest.raises(AlreadyHandled):
        await stop_clock(ended, assessments=assessments)
    await stop_clock(closed(case_id, revision=1), assessments=assessments)

    assert await held_of(case_id, assessments) == before
    assert before.due_at


async def test_the_closing_of_a_case_that_was_never_assessed_is_passed_over(
    assessments: Assessments,
) -> None:
    case_id = new_id()

    await stop_clock(closed(case_id), assessments=assessments)

    assert await assessments.get(case_id) is None


async def test_a_case_that_was_closed_while_it_fell_due_is_not_called_for(
    assessments: Assessments,
) -> None:
    message = referral()
    await assess_referral(message, assessments=assessments, policy=POLICY)
    [due] = await assessments.due_now(YEARS_LATER)
    await stop_clock(closed(message.data.case_id), assessments=assessments)

    with pytest.raises(Conflict):
        await call_for_reassessment(
            due, at=YEARS_LATER, assessments=assessments, policy=POLICY
        )

    stopped = await held_of(message.data.case_id, assessments)
    await call_for_reassessment(
        stopped, at=YEARS_LATER, assessments=assessments, policy=POLICY
    )
    assert len(await published(assessments)) == 1


async def test_an_erased_case_leaves_no_answer_reason_level_or_clock(
    assessments: Assessments,
) -> None:
    message = referral("strangulation")
    await assess_referral(message, assessments=assessments, policy=POLICY)
    case_id = message.data.case_id

    await erase(erased(case_id), assessments=assessments)

    held = await assessments.get(case_id)
    assert held
    assert (held.answers, held.reasons, held.unknowns) == ({}, (), ())
    assert (held.level, held.due_at, held.erased_at) == (RiskLevel.LOW, None, NOON)


async def test_what_comes_after_an_erasure_is_not_weighed(
    assessments: Assessments,
) -> None:
    late = referral("strangulation")
    await erase(erased(late.data.case_id), assessments=assessments)

    await assess_referral(late, assessments=assessments, policy=POLICY)

    held = await assessments.get(late.data.case_id)
    assert held
    assert held.answers == {}
    with pytest.raises(NotAssessed):
        await add_answers(
            held.id,
            {"injury": Answer.YES},
            at=NOON,
            assessments=assessments,
            policy=POLICY,
        )


def decided(case_id: str, **answers: Answer) -> Message[InformationDecided]:
    """An agency that was asked has answered this, or has declined."""
    told = InformationDecided(
        case_id=case_id,
        inquiry_id=new_id(),
        agency="hospital",
        number=1,
        decision=SharingDecision.SHARED if answers else SharingDecision.DECLINED,
        reason=SharingReason.NOTHING_HELD,
        answers=answers,
        decided_at=NOON,
    )
    return message_of(told)


def pushed(case_id: str, **answers: Answer) -> Message[InformationPushed]:
    """An agency has answered this in another case that is about the same people."""
    told = InformationPushed(
        case_id=case_id,
        inquiry_id=new_id(),
        agency="hospital",
        person_ids=(new_id(),),
        answers=answers,
        learned_at=NOON,
    )
    return message_of(told)


async def test_what_is_shared_in_another_case_weighs_and_taken_back_lowers_nothing(
    assessments: Assessments,
) -> None:
    first = referral("prior_violence")
    case_id = first.data.case_id
    await assess_referral(first, assessments=assessments, policy=POLICY)
    before = (await held_of(case_id, assessments)).level

    for told in (
        pushed(case_id, strangulation=Answer.YES),
        pushed(case_id),
        pushed(case_id, strangulation=Answer.NO),
    ):
        await assess_information(told, assessments=assessments, policy=POLICY)

    held = await held_of(case_id, assessments)
    assert before is not RiskLevel.HIGH
    assert held.level is RiskLevel.HIGH
    assert "strangulation" in held.reasons


async def test_what_is_pushed_from_another_case_is_no_look_at_this_one(
    assessments: Assessments,
) -> None:
    first = referral("strangulation")
    case_id = first.data.case_id
    await assess_referral(first, assessments=assessments, policy=POLICY)
    overdue = (await held_of(case_id, assessments)).fall_due(POLICY).fall_due(POLICY)
    await assessments.save(overdue)

    for answer in (Answer.NO, Answer.YES):
        told = pushed(case_id, escalation=answer)
        await assess_information(told, assessments=assessments, policy=POLICY)

    held = await held_of(case_id, assessments)
    assert held.reassessment is Reassessment.OVERDUE
    assert held.due_at is not None
    assert overdue.due_at is not None
    assert held.due_at <= overdue.due_at


async def test_what_an_agency_shares_is_weighed_with_all_that_is_known(
    assessments: Assessments,
) -> None:
    first = referral("prior_violence")
    case_id = first.data.case_id
    await assess_referral(first, assessments=assessments, policy=POLICY)
    shared = decided(case_id, strangulation=Answer.YES)

    await assess_information(shared, assessments=assessments, policy=POLICY)

    held = await held_of(case_id, assessments)
    assert held.level is RiskLevel.HIGH
    assert {"prior_violence", "strangulation"} <= {*held.reasons}
    told = await published(assessments)
    assert isinstance(told[-1].data, RiskChanged)
    assert told[-1].lane is Lane.URGENT
    with pytest.raises(AlreadyHandled):
        await assess_information(shared, assessments=assessments, policy=POLICY)


async def test_what_an_agency_takes_back_or_declines_lowers_nothing(
    assessments: Assessments,
) -> None:
    first = referral("strangulation")
    case_id = first.data.case_id
    await assess_referral(first, assessments=assessments, policy=POLICY)
    before = await held_of(case_id, assessments)

    for answers in ({}, {"strangulation": Answer.NO}):
        await assess_information(
            decided(case_id, **answers), assessments=assessments, policy=POLICY
        )

    after = await held_of(case_id, assessments)
    assert after.answers["strangulation"] is Answer.YES
    assert after.level is before.level


async def test_what_is_shared_of_an_erased_case_is_not_kept(
    assessments: Assessments,
) -> None:
    case_id = new_id()
    gone = CaseErased(case_id=case_id, reason="court_order", erased_at=NOON)
    await erase(message_of(gone), assessments=assessments)

    await assess_information(
        decided(case_id, strangulation=Answer.YES),
        assessments=assessments,
        policy=POLICY,
    )

    assert (await held_of(case_id, assessments)).answers == {}


async def test_what_an_agency_adds_is_weighed(assessments: Assessments) -> None:
    case_id = new_id()
    message = amended(case_id, "strangulation")
    await assess_referral(
        referral(case_id=case_id), assessments=assessments, policy=POLICY
    )

    await assess_amendment(message, assessments=assessments, policy=POLICY)

    _, told, changed = await published(assessments)
    assert isinstance(told.data, RiskAssessed)
    assert told.data.referral_id == message.data.referral_id
    assert told.data.level is RiskLevel.HIGH
    assert told.lane is Lane.URGENT
    assert isinstance(changed.data, RiskChanged)


async def test_what_an_agency_takes_back_lowers_nothing(
    assessments: Assessments,
) -> None:
    case_id = new_id()
    await assess_referral(
        referral("strangulation", case_id=case_id),
        assessments=assessments,
        policy=POLICY,
    )

    await assess_amendment(amended(case_id), assessments=assessments, policy=POLICY)

    held = await held_of(case_id, assessments)
    assert held.level is RiskLevel.HIGH
    assert held.answers["strangulation"] is Answer.YES


async def test_an_amendment_of_what_is_not_weighed_is_not_weighed(
    assessments: Assessments,
) -> None:
    case_id = new_id()
    await assess_referral(
        referral(case_id=case_id), assessments=assessments, policy=POLICY
    )
    before = await held_of(case_id, assessments)

    message = amended(case_id, "strangulation", groups=(FieldGroup.CONTACT,))
    await assess_amendment(message, assessments=assessments, policy=POLICY)

    assert await held_of(case_id, assessments) == before


async def test_nothing_is_weighed_of_a_case_that_is_erased(
    assessments: Assessments,
) -> None:
    told = CaseErased(case_id=new_id(), reason="court_order", erased_at=NOON)
    await erase(message_of(told), assessments=assessments)
    before = await held_of(told.case_id, assessments)

    message = amended(told.case_id, "strangulation")
    await assess_amendment(message, assessments=assessments, policy=POLICY)

    assert await held_of(told.case_id, assessments) == before


def turned(case_id: str, harmed: str, using: str) -> Message[ReferralReceived]:
    """A referral that tells who was harmed as the one who did it."""
    parties = (
        Party(person_id=using, role=PersonRole.PERSON_HARMED),
        Party(person_id=harmed, role=PersonRole.PERSON_USING_VIOLENCE),
    )
    return referral("strangulation", case_id=case_id, parties=parties)


async def test_parts_that_were_put_right_have_people_assess_at_once(
    assessments: Assessments,
) -> None:
    case_id, harmed, using = new_id(), new_id(), new_id()
    first = turned(case_id, harmed, using)
    await assess_referral(first, assessments=assessments, policy=POLICY)
    before = await held_of(case_id, assessments)
    known = roles_decided(case_id, harmed, new_id(), corrected=False)
    await assess_corrected(known, assessments=assessments, policy=POLICY)
    assert (await held_of(case_id, assessments)).revision == before.revision

    corrected = roles_decided(case_id, harmed, using, corrected=True)
    await assess_corrected(corrected, assessments=assessments, policy=POLICY)

    held = await held_of(case_id, assessments)
    assert held.revision == held.version > before.revision
    assert (held.level, held.due_at) == (before.level, held.assessed_at)
    assert held.judgement.stirred == held.version, "no earlier reassessment counts"
    *_, anew = await published(assessments)
    assert isinstance(anew.data, RiskAssessed)
    assert anew.lane is Lane.URGENT


async def test_parts_that_are_put_right_make_nothing_look_done_that_is_overdue(
    assessments: Assessments,
) -> None:
    case_id, harmed, using = new_id(), new_id(), new_id()
    first = turned(case_id, harmed, using)
    await assess_referral(first, assessments=assessments, policy=POLICY)
    overdue = (await held_of(case_id, assessments)).fall_due(POLICY).fall_due(POLICY)
    await assessments.save(overdue)

    corrected = roles_decided(case_id, harmed, using, corrected=True)
    await assess_corrected(corrected, assessments=assessments, policy=POLICY)

    held = await held_of(case_id, assessments)
    assert held.revision > overdue.revision
    assert held.reassessment is Reassessment.OVERDUE
    assert held.due_at
    assert overdue.due_at
    assert held.due_at <= overdue.due_at


@pytest.mark.parametrize("corrected", [True, False])
@pytest.mark.parametrize("first", ["told", "decided"])
async def test_a_pair_whose_parts_were_put_right_is_shown_so_whichever_came_first(
    assessments: Assessments, first: str, *, corrected: bool
) -> None:
    case_id, harmed, using = new_id(), new_id(), new_id()
    told = turned(case_id, harmed, using)
    decided = roles_decided(case_id, harmed, using, corrected=corrected)

    if first == "told":
        await assess_referral(told, assessments=assessments, policy=POLICY)
    await assess_corrected(decided, assessments=assessments, policy=POLICY)
    if first == "decided":
        await assess_referral(told, assessments=assessments, policy=POLICY)

    held = await held_of(case_id, assessments)
    assert set(of_pairs(held.tellings)) == {(using, harmed)}
    assert set(of_pairs(held.tellings, held.parts)) == {(harmed, using)}


async def test_of_two_decisions_about_the_same_two_the_later_counts(
    assessments: Assessments,
) -> None:
    case_id, one, other = new_id(), new_id(), new_id()
    later = roles_decided(
        case_id, one, other, corrected=True, at=NOON + timedelta(hours=1)
    )
    sooner = roles_decided(case_id, other, one, corrected=True)

    for each in (later, sooner):
        await assess_corrected(each, assessments=assessments, policy=POLICY)

    [parts] = (await held_of(case_id, assessments)).parts
    assert parts.pair == (one, other)


async def test_of_an_erased_case_no_parts_are_kept(assessments: Assessments) -> None:
    case_id = new_id()
    decided = [
        roles_decided(case_id, new_id(), new_id(), corrected=True) for _ in range(2)
    ]
    await assess_corrected(decided[0], assessments=assessments, policy=POLICY)
    await erase(erased(case_id), assessments=assessments)

    await assess_corrected(decided[1], assessments=assessments, policy=POLICY)

    assert (await held_of(case_id, assessments)).parts == ()


@pytest.mark.parametrize("first", ["transferred", "assessed"])
async def test_no_clock_runs_for_a_case_that_was_transferred(
    assessments: Assessments, first: str
) -> None:
    message = referral("strangulation")
    case_id = message.data.case_id
    told = message_of(CaseTransferred(case_id=case_id, transferred_at=NOON))

    if first == "transferred":
        await leave(told, assessments=assessments)
    await assess_referral(message, assessments=assessments, policy=POLICY)
    if first == "assessed":
        await leave(told, assessments=assessments)

    held = await held_of(case_id, assessments)
    assert held.level is RiskLevel.HIGH
    assert held.reassessment is Reassessment.STOPPED
    assert await assessments.due_now(YEARS_LATER) == []


async def test_no_clock_begins_again_when_a_transferred_case_is_put_right(
    assessments: Assessments,
) -> None:
    message = referral("strangulation")
    case_id = message.data.case_id
    told = message_of(CaseTransferred(case_id=case_id, transferred_at=NOON))
    await assess_referral(message, assessments=assessments, policy=POLICY)
    await leave(told, assessments=assessments)

    anew = (await held_of(case_id, assessments)).due_now(NOON)

    assert (anew.due_at, anew.wakes_at) == (None, None)


async def test_a_lowering_that_waits_is_over_when_the_case_is_transferred(
    assessments: Assessments,
) -> None:
    message = referral("strangulation")
    case_id = message.data.case_id
    await assess_referral(message, assessments=assessments, policy=POLICY)
    held = await held_of(case_id, assessments)
    asked = Asked(
        level=RiskLevel.LOW, reason="danger_has_passed", by=new_id(), at=NOON,
        until=NOON + timedelta(hours=72),
    )  # fmt: skip
    judgement = held.judgement.model_copy(update={"asked": asked})
    await assessments.save(held.model_copy(update={"judgement": judgement}))

    told = message_of(CaseTransferred(case_id=case_id, transferred_at=NOON))
    await leave(told, assessments=assessments)

    assert (await held_of(case_id, assessments)).judgement.asked is None
    *_, lapsed = [each.data for each in await published(assessments)]
    assert isinstance(lapsed, LoweringLapsed)
    assert (lapsed.worker_id, lapsed.late_by) == (asked.by, 0)


Act = Callable[[str, Assessments, datetime], Awaitable[object]]


async def _answers(case_id: str, assessments: Assessments, at: datetime) -> object:
    return await add_answers(case_id, {}, at=at, assessments=assessments, policy=POLICY)


async def _amends(case_id: str, assessments: Assessments, at: datetime) -> object:
    told = replace(amended(case_id, "strangulation"), time=at)
    return await assess_amendment(told, assessments=assessments, policy=POLICY)


async def _shares(case_id: str, assessments: Assessments, at: datetime) -> object:
    told = decided(case_id, strangulation=Answer.YES)
    told = replace(told, time=at)
    return await assess_information(told, assessments=assessments, policy=POLICY)


def _looks(contact: Contact, answered: dict[str, Answer]) -> Act:
    async def look(case_id: str, assessments: Assessments, at: datetime) -> object:
        return await reassess(
            case_id,
            answered,
            contact,
            by="anne",
            at=at,
            assessments=assessments,
            policy=POLICY,
        )

    return look


async def _refers(case_id: str, assessments: Assessments, at: datetime) -> object:
    told = referral("strangulation", case_id=case_id, at=at, first_referred_at=at)
    return await assess_referral(told, assessments=assessments, policy=POLICY)


async def long_overdue(assessments: Assessments) -> tuple[str, datetime]:
    """A case at high risk that nobody has assessed anew for ten days."""
    first = referral("strangulation")
    await assess_referral(first, assessments=assessments, policy=POLICY)
    at = NOON + timedelta(days=10)
    for _ in range(2):
        [due] = await assessments.due_now(at)
        await call_for_reassessment(due, at=at, assessments=assessments, policy=POLICY)
    return first.data.case_id, at


@pytest.mark.parametrize(
    "act",
    [
        _answers,
        _amends,
        _shares,
        _looks(Contact.NONE, ALL_NO),
        _looks(Contact.IN_PERSON, {"escalation": Answer.NO}),
    ],
    ids=["no answer", "amendment", "information", "no contact", "few answers"],
)
async def test_what_is_no_look_at_the_family_leaves_overdue_what_is(
    assessments: Assessments, act: Act
) -> None:
    case_id, at = await long_overdue(assessments)
    before = await held_of(case_id, assessments)

    await act(case_id, assessments, at)

    held = await held_of(case_id, assessments)
    assert before.reassessment is Reassessment.OVERDUE
    assert held.revision > before.revision
    assert held.reassessment is Reassessment.OVERDUE
    assert (held.due_at, held.reassess_by) == (before.due_at, before.reassess_by)


@pytest.mark.parametrize(
    "act", [_looks(Contact.REMOTE, ALL_NO), _refers], ids=["look", "referral"]
)
async def test_a_look_with_contact_and_a_referral_end_what_is_overdue(
    assessments: Assessments, act: Act
) -> None:
    case_id, at = await long_overdue(assessments)

    await act(case_id, assessments, at)

    held = await held_of(case_id, assessments)
    assert held.reassessment is Reassessment.AHEAD
    assert held.due_at == held.reassess_by == at + timedelta(days=7)


async def test_a_level_that_rises_calls_people_at_once_if_nobody_looked_for_long(
    assessments: Assessments,
) -> None:
    first = referral("escalation")
    case_id = first.data.case_id
    await assess_referral(first, assessments=assessments, policy=POLICY)
    at = NOON + timedelta(days=20)

    await _shares(case_id, assessments, at)

    held = await held_of(case_id, assessments)
    assert held.level is RiskLevel.HIGH
    assert held.reassess_by == NOON + timedelta(days=7)
    assert held.due_at == at, "whoever is called has the grace"
    assert held.reassessment is Reassessment.AHEAD


async def test_nothing_silences_the_call_to_look_at_once(
    assessments: Assessments,
) -> None:
    first = referral("escalation")
    case_id = first.data.case_id
    await assess_referral(first, assessments=assessments, policy=POLICY)
    at = NOON + timedelta(days=1)
    urged = (await held_of(case_id, assessments)).due_now(at)
    await assessments.save(urged)

    await _answers(case_id, assessments, at)

    assert (await held_of(case_id, assessments)).reassess_by == at
    await _looks(Contact.REMOTE, ALL_NO)(case_id, assessments, at + timedelta(hours=1))
    assert (await held_of(case_id, assessments)).reassess_by > at + timedelta(days=1)


async def test_of_a_case_that_stays_closed_nothing_is_told(
    assessments: Assessments,
) -> None:
    first = referral("escalation")
    case_id = first.data.case_id
    await assess_referral(first, assessments=assessments, policy=POLICY)
    await stop_clock(closed(case_id), assessments=assessments)
    before = len(await published(assessments))

    await _answers(case_id, assessments, NOON + timedelta(days=1))

    assert len(await published(assessments)) == before
    assert (await held_of(case_id, assessments)).revision > 1


def child(age: int | None) -> Party:
    return Party(person_id=new_id(), role=PersonRole.CHILD, age=age)


@pytest.mark.parametrize(
    ("ages", "said", "answer"),
    [
        ([4], Answer.UNKNOWN, Answer.YES),
        ([5], Answer.UNKNOWN, Answer.NO),
        ([None], Answer.UNKNOWN, Answer.UNKNOWN),
        ([5, None], Answer.UNKNOWN, Answer.UNKNOWN),
        ([None, 0], Answer.UNKNOWN, Answer.YES),
        ([], Answer.UNKNOWN, Answer.UNKNOWN),
        ([4], Answer.NO, Answer.YES),
        ([5], Answer.YES, Answer.YES),
    ],
)
async def test_how_old_its_children_are_answers_whether_there_is_a_young_one(
    assessments: Assessments, ages: list[int | None], said: Answer, answer: Answer
) -> None:
    told = {**ALL_NO, "young_child": said}
    message = referral(answers=told, parties=tuple(map(child, ages)))

    await assess_referral(message, assessments=assessments, policy=POLICY)

    held = await held_of(message.data.case_id, assessments)
    assert held.answers["young_child"] is answer
    young = answer is Answer.YES
    assert ("young_child" in held.reasons) == young
    assert held.level is (RiskLevel.MEDIUM if young else RiskLevel.LOW)


async def test_a_young_child_that_is_only_named_later_is_weighed(
    assessments: Assessments,
) -> None:
    message = referral()
    case_id = message.data.case_id
    await assess_referral(message, assessments=assessments, policy=POLICY)
    people = {"groups": (FieldGroup.PEOPLE,), "parties": (child(2),)}

    told = amended(case_id, **people, referral_id=message.data.referral_id)
    await assess_amendment(told, assessments=assessments, policy=POLICY)

    held = await held_of(case_id, assessments)
    assert "young_child" in held.reasons
    assert held.level is RiskLevel.MEDIUM


async def test_people_who_are_corrected_weigh_only_what_their_ages_add(
    assessments: Assessments,
) -> None:
    """Else a name that is corrected opens closed cases and voids proofs."""
    message = referral("strangulation", parties=(child(9),))
    case_id = message.data.case_id
    await assess_referral(message, assessments=assessments, policy=POLICY)
    await stop_clock(closed(case_id), assessments=assessments)
    before = await held_of(case_id, assessments)
    people = {
        "groups": (FieldGroup.PEOPLE,),
        "referral_id": message.data.referral_id,
        "answers": {
            **ALL_NO,
            "strangulation": Answer.YES,
            "young_child": Answer.UNKNOWN,
        },
    }

    same = amended(case_id, **people, parties=(child(9),))
    await assess_amendment(same, assessments=assessments, policy=POLICY)

    held = await held_of(case_id, assessments)
    assert held.reassessment is Reassessment.STOPPED
    assert held.revision == before.revision
    assert held.judgement == before.judgement

    younger = amended(case_id, **people, parties=(child(2),))
    await assess_amendment(younger, assessments=assessments, policy=POLICY)

    held = await held_of(case_id, assessments)
    assert held.answers["young_child"] is Answer.YES
    assert held.reassessment is Reassessment.AHEAD


async def test_a_closed_case_that_rises_is_called_for_again(
    assessments: Assessments,
) -> None:
    """It is told, and opens the plan: nobody may be left without a clock there."""
    first = referral("escalation")
    case_id = first.data.case_id
    await assess_referral(first, assessments=assessments, policy=POLICY)
    await stop_clock(closed(case_id), assessments=assessments)
    sharper = policy(version="test-sharper", triggers={"escalation": "high"})
    at = NOON + timedelta(days=1)

    no = {"prior_violence": Answer.NO}
    await add_answers(case_id, no, at=at, assessments=assessments, policy=sharper)

    held = await held_of(case_id, assessments)
    assert held.level is RiskLevel.HIGH
    assert held.reassessment is Reassessment.AHEAD
    assert held.first_referred_at == at
    assert held.due_at == held.reassess_by > at
    assert isinstance((await published(assessments))[-1].data, RiskChanged)


GUARDS = dict.fromkeys(POLICY.used["odara"].applies_if, Answer.YES)


def scored(total: int, agency: str | None, case_id: str | None = None) -> Any:
    """A referral in which an agency says that a certified user has scored it so."""
    odara = FilledIn(instrument="odara", answers=GUARDS, total=total, certified=True)
    return referral(instruments=(odara,), agency=agency, case_id=case_id)


def odara_of(held: Assessment) -> Result:
    return next(each for each in held.results if each.instrument == "odara")


@pytest.mark.parametrize(
    ("agency", "why_not"),
    [
        ("police", None),
        ("refuge", "not_a_certified_sender"),
        (None, "not_a_certified_sender"),
    ],
)
async def test_that_a_certified_user_scored_it_is_believed_of_whom_it_is_known(
    assessments: Assessments, agency: str | None, why_not: str | None
) -> None:
    message = scored(13, agency)

    await assess_referral(message, assessments=assessments, policy=POLICY)

    held = await held_of(message.data.case_id, assessments)
    assert odara_of(held).why_not == why_not
    assert held.level is (RiskLevel.LOW if why_not else RiskLevel.HIGH)
    [telling] = held.tellings.values()
    assert telling.forms["odara"].certified == (why_not is None)


async def test_who_only_says_that_they_are_certified_replaces_nothing(
    assessments: Assessments,
) -> None:
    first = scored(13, "police")
    case_id = first.data.case_id
    await assess_referral(first, assessments=assessments, policy=POLICY)
    false = {"odara": Form(total=0, certified=True, answers=GUARDS)}

    for skills in (frozenset[str](), frozenset({"odara_certified"})):
        held = await held_of(case_id, assessments)
        look = look_anew(
            held,
            ALL_NO,
            Contact.REMOTE,
            by="anne",
            policy=POLICY,
            at=NOON,
            forms=POLICY.believed(false, skills=skills),
        ).judgement.looks[-1]
        # Whoever is known to be one may score it anew, and find less.
        assert look.level is (RiskLevel.LOW if skills else RiskLevel.HIGH)


async def test_what_opens_a_closed_case_is_a_new_episode_since_then(
    assessments: Assessments,
) -> None:
    first = referral("escalation")
    case_id = first.data.case_id
    await assess_referral(first, assessments=assessments, policy=POLICY)
    await stop_clock(closed(case_id), assessments=assessments)
    at = NOON + timedelta(days=90)

    await _shares(case_id, assessments, at)

    held = await held_of(case_id, assessments)
    assert held.first_referred_at == held.clock_from == at
    [*_, told] = [
        each.data
        for each in await published(assessments)
        if isinstance(each.data, RiskAssessed)
    ]
    assert told.first_referred_at == at
    assert told.reassess_by == at + timedelta(days=7)
