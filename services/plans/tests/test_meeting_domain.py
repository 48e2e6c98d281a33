import hashlib
import json
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from accord_chassis.testing import NOON, new_id
from accord_contracts.access import Side
from accord_contracts.referrals import SharingDecision, TriggerKind
from accord_contracts.risk import RiskLevel
from meetings_builders import (
    DAILY,
    RULES,
    STATEMENT,
    WEEKLY,
    daily,
    decision,
    docket,
    patrols,
    rules_fields,
    said,
)
from plans.domain.meeting.agenda import agenda
from plans.domain.meeting.discussion import AlreadyDecided, Wanted
from plans.domain.meeting.docket import Asked, Date, Docket, Owed, Why
from plans.domain.meeting.meeting import (
    Addition,
    Meeting,
    MeetingOver,
    NotThatStatement,
    Seat,
    TooLateToAdd,
)
from plans.domain.meeting.minutes import intact, minutes_of, seal_of
from plans.domain.meeting.rules import Rules
from pydantic import ValidationError

LOW, MEDIUM, HIGH, EXTREME = RiskLevel
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def date(since: datetime, *, revision: int = 1, over: bool = False) -> Date:
    return Date(
        kind=TriggerKind.PRISON_RELEASE,
        happens_at=since + 120 * HOUR,
        since=since,
        revision=revision,
        over=over,
    )


def owed(due_at: datetime, *, revision: int = 1, done: bool = False) -> Owed:
    return Owed(due_at=due_at, since=due_at, revision=revision, done=done)


def asked(agency: str, at: datetime) -> Asked:
    return Asked(agency=agency, requested_at=at, needed_by=at + 12 * HOUR)


def test_who_is_asked_no_more_is_not_waited_for_whatever_is_heard_first() -> None:
    gone = Asked(agency="police", withdrawn=True)
    for told in permutations((asked("police", NOON), gone)):
        held = docket()
        for each in told:
            held = held.ask("one", each)

        assert held.asked_since(NOON + HOUR) == ()


def answer(agency: str, at: datetime) -> Asked:
    decision = SharingDecision.SHARED
    return Asked(agency=agency, decided_at=at, decision=decision, number=1)


def why(held: Docket, at: datetime) -> set[Why]:
    return {each.why for each in held.reasons(at)}


# The calendar.


def test_a_day_has_one_meeting_of_a_series_at_the_localitys_hour_all_year() -> None:
    since = datetime(2026, 1, 1, tzinfo=UTC)
    found = list(RULES.calendar(since, since + timedelta(days=365)))

    days = [each for each in found if each.series == DAILY]
    assert len(days) == 365
    # Nine o'clock in Christchurch is 20:00 or 21:00 the day before, by the season.
    assert {each.starts_at.hour for each in days} == {20, 21}
    assert len({each.id for each in found}) == len(found)
    assert len([each for each in found if each.series == WEEKLY]) == 52


def broken(**change: Any) -> dict[str, Any]:
    return {**rules_fields(), **change}


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        (broken(time_zone="Pacific/Nowhere"), "no time zone"),
        (broken(series={"called": rules_fields()["series"][DAILY]}), "called is what"),
        (broken(series={}), "at least 1"),
        (broken(called={**rules_fields()["called"], "agencies": ["a", "a"]}), "twice"),
    ],
)
def test_rules_that_cannot_be_right_are_refused_with_a_sentence(
    fields: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValidationError, match=sentence):
        Rules.model_validate(fields)


# What brings a case up.


def test_a_new_referral_a_risen_level_a_date_and_what_is_late_bring_a_case_up() -> None:
    held = docket(MEDIUM).settle(NOON + HOUR, MEDIUM, NOON + 50 * HOUR)
    assert why(held, NOON + 9 * HOUR) == set()

    held = held.assess(
        HIGH, MEDIUM, revision=2, at=NOON + 2 * HOUR, first_referred_at=NOON,
        referred=False,
    )  # fmt: skip
    held = held.foresee(new_id(), date(NOON + 3 * HOUR))
    held = held.owe(new_id(), owed(NOON + 4 * HOUR))

    assert held.wanted_from == NOON + 2 * HOUR
    assert why(held, NOON + 2 * HOUR) == {Why.CHANGED}
    assert why(held, NOON + 9 * HOUR) == {Why.CHANGED, Why.DATE, Why.OVERDUE}
    assert why(held, NOON + 50 * HOUR) >= {Why.REVIEW}


def test_a_breach_brings_a_case_up_until_a_meeting_has_decided() -> None:
    held = docket(MEDIUM).settle(NOON + HOUR, MEDIUM, None)
    assert why(held, NOON + DAY) == set()

    held = held.breach(NOON + 2 * HOUR)

    assert held.wanted_from == NOON + 2 * HOUR
    assert why(held, NOON + DAY) == {Why.BREACH}
    assert why(held.settle(NOON + 3 * HOUR, MEDIUM, None), NOON + DAY) == set()


def test_a_plan_that_nobody_looks_at_brings_its_case_up_until_somebody_has() -> None:
    late, looked = owed(NOON + HOUR), owed(NOON + 2 * HOUR, revision=2, done=True)
    held = docket(MEDIUM).settle(NOON, MEDIUM, None)

    assert why(held.look(late), NOON + DAY) == {Why.REVIEW}
    for ends in (held.look(late).look(looked), held.look(looked).look(late)):
        assert why(ends, NOON + DAY) == set()


def test_a_level_that_the_table_itself_has_raised_brings_nothing_up() -> None:
    held = docket(MEDIUM).settle(NOON + HOUR, HIGH, None)

    held = held.assess(
        HIGH, MEDIUM, revision=2, at=NOON + 2 * HOUR, first_referred_at=NOON,
        referred=False,
    )  # fmt: skip

    assert held.wanted_from is None
    assert held.level is HIGH


def test_what_has_ended_is_merged_or_erased_is_on_no_agenda() -> None:
    held = docket()

    assert not held.end(1, NOON).open
    assert held.end(1, NOON).assess(
        LOW, HIGH, revision=2, at=NOON, first_referred_at=NOON, referred=True
    ).open  # fmt: skip
    assert not held.merge(new_id(), 1, NOON, NOON).open
    assert held.merge(new_id(), 1, NOON, NOON).merge(None, 2, None, NOON).open
    elsewhere = held.transfer(NOON)
    assert elsewhere.wanted_from is None
    assert not elsewhere.assess(
        LOW, HIGH, revision=2, at=NOON, first_referred_at=NOON, referred=True
    ).open  # fmt: skip
    assert held.erase(NOON).wanted_from is None
    assert held.erase(NOON).foresee(new_id(), date(NOON)).dates == {}


def test_a_docket_is_the_same_in_whatever_order_things_are_heard() -> None:
    trigger, action, inquiry = new_id(), new_id(), new_id()
    told = (
        lambda held: held.foresee(trigger, date(NOON)),
        lambda held: held.foresee(trigger, date(NOON, revision=2, over=True)),
        lambda held: held.owe(action, owed(NOON)),
        lambda held: held.owe(action, owed(NOON, revision=2, done=True)),
        lambda held: held.ask(inquiry, asked("police", NOON)),
        lambda held: held.ask(
            inquiry, Asked(agency="police", decided_at=NOON, number=1)
        ),
    )
    case_id, ends = new_id(), []
    for order in permutations(told):
        held = docket(case_id=case_id)
        for change in order:
            held = change(held)
        ends.append(held)

    assert all(each == ends[0] for each in ends)
    assert ends[0].dates[trigger].over
    assert ends[0].owed[action].done
    assert ends[0].asked[inquiry].needed_by
    assert ends[0].asked[inquiry].requested_at


def test_what_was_answered_to_an_earlier_question_is_no_answer_to_this_one() -> None:
    january, june = NOON, NOON + 150 * DAY
    held = docket(at=january)
    answered, again = new_id(), new_id()
    held = held.ask(answered, asked("police", january))
    held = held.ask(answered, answer("police", january + HOUR))
    held = held.ask(new_id(), asked("refuge", january))

    held = held.ask(again, asked("police", june))

    shown = {each.agency: each for each in held.asked_since(june + HOUR)}
    assert shown["police"].decided_at is None
    assert shown["police"].requested_at == june
    # What is owed an answer is shown, however long ago it was asked.
    assert shown["refuge"].requested_at == january


@pytest.mark.parametrize("news", ["referral", "decision"])
def test_what_was_answered_before_a_referral_or_a_decision_is_shown_no_more(
    news: str,
) -> None:
    inquiry, later = new_id(), NOON + 10 * DAY
    held = docket(at=NOON).ask(inquiry, asked("police", NOON))
    held = held.ask(inquiry, answer("police", NOON + HOUR))
    assert [each.agency for each in held.asked_since(later)] == ["police"]

    if news == "referral":
        # Whoever amends a referral asks nobody anew.
        held = held.assess(
            HIGH, HIGH, revision=2, at=later, first_referred_at=NOON, referred=True
        )
        assert [each.agency for each in held.asked_since(later + DAY)] == ["police"]
        held = held.receive(later)
    else:
        held = held.settle(NOON + 2 * HOUR, HIGH, None)
        # It is shown at the meeting that decides, before and after it has.
        begun = NOON + HOUR + HOUR / 2
        assert [each.agency for each in held.asked_since(begun)] == ["police"]

    assert held.asked_since(later + DAY) == ()


def test_what_was_answered_of_a_merged_case_is_old_once_a_meeting_knew_of_it() -> None:
    inquiry, later = new_id(), NOON + 10 * DAY
    other = docket(at=NOON).ask(inquiry, asked("police", NOON))
    other = other.ask(inquiry, answer("police", NOON + HOUR))
    merged = other.merge(new_id(), 1, NOON, NOON + 3 * HOUR)

    before, after = (
        merged.asked_since(later, [NOON + hours * HOUR]) for hours in (2, 4)
    )

    assert [each.agency for each in before] == ["police"]
    assert after == ()


def test_an_answer_that_raises_the_level_is_shown() -> None:
    inquiry = new_id()
    held = docket(MEDIUM).ask(inquiry, asked("police", NOON))
    held = held.ask(inquiry, answer("police", NOON + HOUR))

    held = held.assess(
        HIGH, MEDIUM, revision=2, at=NOON + 2 * HOUR, first_referred_at=NOON,
        referred=False,
    )  # fmt: skip

    assert [each.agency for each in held.asked_since(NOON + DAY)] == ["police"]


def test_what_the_plan_owed_ends_with_the_response_and_not_what_it_owes_since() -> None:
    ended_at, later = NOON + 2 * HOUR, NOON + 50 * HOUR
    told = owed(NOON).model_copy(update={"told_at": NOON + HOUR, "since": later})
    held = docket().settle(NOON, HIGH, None)
    held = held.owe("action", told).look(told).end(1, ended_at)

    opened = held.assess(
        HIGH, HIGH, revision=2, at=later, first_referred_at=NOON, referred=False
    )

    # However late it was heard of.
    assert opened.reasons(later) == ()
    assert opened.overdue(later) == 0
    anew = told.model_copy(update={"told_at": later, "revision": 2})
    for each in (opened.owe("action", anew), opened.look(anew)):
        assert len(each.reasons(later)) == 1


def test_what_a_merged_case_brings_stands_with_its_survivor_until_it_is_its_own() -> (
    None
):
    survivor = docket().settle(NOON, HIGH, None)
    late = owed(NOON).model_copy(update={"told_at": NOON})
    promise = owed(NOON, revision=1).model_copy(update={"promised_at": NOON})
    other = docket(LOW).owe("late", late).owe("promise", promise).breach(NOON)
    other = other.foresee("date", date(NOON)).settle(NOON - HOUR, LOW, NOON + DAY)
    merged = other.merge(survivor.id, 1, NOON, NOON)

    held = survivor.take_in(merged, NOON + HOUR)

    def why(held: Docket) -> list[Why]:
        return sorted(each.why for each in held.reasons(NOON + 9 * DAY))

    every = sorted([Why.BREACH, Why.DATE, Why.OVERDUE, Why.OVERDUE, Why.REVIEW])
    assert why(held) == every
    assert held.overdue(NOON + HOUR) == 2
    # Not before it was heard of, and heard again it changes nothing.
    assert held.reasons(NOON) == ()
    assert held.take_in(merged, NOON + DAY) is held
    decided = held.settle(NOON + 2 * HOUR, HIGH, None)
    assert why(decided) == sorted([Why.OVERDUE, Why.REVIEW])
    ended = held.end(1, NOON + DAY).assess(
        HIGH, HIGH, revision=2, at=NOON, first_referred_at=NOON, referred=False
    )
    assert ended.overdue(NOON + 9 * DAY) == 0
    for gone in (merged.merge(None, 2, None, NOON), merged.erase(NOON)):
        assert held.take_in(gone, NOON + DAY).brought == {}
    assert not held.erase(NOON).take_in(merged, NOON).brought


def test_what_a_meeting_about_a_merged_case_has_settled_it_does_not_bring() -> None:
    survivor = docket().settle(NOON, HIGH, None)
    other = docket().breach(NOON).foresee("date", date(NOON))

    merged = other.settle(NOON + HOUR, HIGH, None).merge(survivor.id, 1, NOON, NOON)

    assert survivor.take_in(merged, NOON + DAY).reasons(NOON + 9 * DAY) == ()


def test_no_commitment_is_forgotten_for_those_that_were_kept() -> None:
    held, late = docket(), new_id()
    held = held.owe(late, owed(NOON))
    for _ in range(150):
        held = held.owe(new_id(), owed(NOON, done=True))

    assert late in held.owed
    assert len(held.owed) == 100


# The agenda.


def test_an_agenda_is_ordered_by_risk_and_then_by_clock() -> None:
    cases = [
        docket(level, at=NOON - hours * HOUR)
        for level, hours in [(LOW, 90), (EXTREME, 1), (HIGH, 5), (HIGH, 50)]
    ]

    listed = agenda(daily(), cases, {}, RULES)

    assert [each.level for each in listed] == [EXTREME, HIGH, HIGH, LOW]
    assert [each.case_id for each in listed[1:3]] == [cases[3].id, cases[2].id]


def test_what_was_carried_over_and_added_is_on_the_agenda_and_says_why() -> None:
    carried, added, settled = (
        docket(LOW).settle(NOON + HOUR, LOW, None) for _ in range(3)
    )
    addition = Addition(case_id=added.id, by=None, at=NOON)

    listed = agenda(
        daily().add(addition), (carried, added, settled), {carried.id: NOON}, RULES
    )

    assert {each.case_id: each.why for each in listed} == {
        carried.id: (Why.CARRIED,),
        added.id: (Why.ADDED,),
    }


def test_the_weekly_meeting_takes_every_open_case_at_high_risk() -> None:
    slots = RULES.calendar(NOON, NOON + timedelta(days=8))
    weekly = Meeting.of_slot(next(e for e in slots if e.series == WEEKLY), RULES)
    settled = docket(HIGH).settle(NOON + HOUR, HIGH, None)

    listed = agenda(weekly, (settled, docket(MEDIUM)), {}, RULES)

    assert [(e.case_id, e.why) for e in listed] == [(settled.id, (Why.STANDING,))]


def test_a_meeting_takes_a_case_of_any_level_whose_tier_names_it() -> None:
    slots = RULES.calendar(NOON, NOON + timedelta(days=8))
    weekly = Meeting.of_slot(next(e for e in slots if e.series == WEEKLY), RULES)
    named, elsewhere = docket(LOW, meeting=WEEKLY), docket(LOW, meeting=DAILY)

    listed = agenda(weekly, (named, elsewhere, docket(LOW)), {}, RULES)

    assert [each.case_id for each in listed] == [named.id]


def test_nothing_is_added_after_the_cut_off() -> None:
    held = daily()
    late = Addition(
        case_id=new_id(), by=None, at=held.cut_off_at + timedelta(seconds=1)
    )

    assert held.add(late.model_copy(update={"at": held.cut_off_at})).added
    with pytest.raises(TooLateToAdd):
        held.add(late)


def test_one_sits_down_who_has_signed_the_statement_in_force() -> None:
    seat = Seat(
        worker_id=new_id(),
        agency="police",
        statement=STATEMENT,
        text=RULES.statement.digest,
        signed_at=NOON,
    )
    held = daily().sign(seat, RULES)

    assert held.sign(seat, RULES) is held
    assert held.at_table(NOON, 12) == {seat.worker_id}
    with pytest.raises(NotThatStatement):
        held.sign(seat.model_copy(update={"statement": "older"}), RULES)
    # Another text under the same version is not what they read.
    with pytest.raises(NotThatStatement):
        held.sign(seat.model_copy(update={"text": "another"}), RULES)
    over = held.begin((), NOON).end(NOON).lock("x", (), NOON)
    assert over.at_table(NOON + 11 * HOUR, 12) == {seat.worker_id}
    assert over.at_table(NOON + 12 * HOUR, 12) == frozenset()
    with pytest.raises(MeetingOver):
        over.sign(seat.model_copy(update={"worker_id": new_id()}), RULES)


def test_minutes_stay_intact_of_seats_that_kept_no_digest_of_the_text() -> None:
    old = {"worker_id": new_id(), "agency": None, "statement": "1", "signed_at": NOON}
    held = daily().model_copy(update={"seats": (Seat.model_validate(old),)})
    facts = held.model_dump(
        mode="json",
        include={"id", "series", "starts_at", "began_at", "closing_at", "seats"},
    )
    facts["seats"][0].pop("text")
    told = json.dumps(
        [facts, []], sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )

    assert minutes_of(held, []) == hashlib.sha256(told.encode()).hexdigest()


# Decisions.


def test_a_decision_is_replaced_only_by_whoever_has_read_it() -> None:
    first, second = Wanted(level=HIGH), Wanted(level=EXTREME)
    held = said(first)

    assert held.decide(first, replaces=0, decision=held.decisions[0]) is held
    with pytest.raises(AlreadyDecided, match="Already decided by police at 20"):
        held.decide(second, replaces=0, decision=decision(second))
    # The same, but of somebody else: they are told that it is decided.
    with pytest.raises(AlreadyDecided):
        held.decide(first, replaces=0, decision=decision(first))
    with pytest.raises(AlreadyDecided):
        held.decide(second, replaces=2, decision=decision(second))
    again = held.decide(second, replaces=1, decision=decision(second))
    assert again.latest
    assert again.latest.wanted == second
    assert len(again.decisions) == 2


def test_nothing_is_decided_once_the_minutes_are_locked() -> None:
    wanted = Wanted(level=HIGH)
    held = said(wanted)
    locked = held.lock(seal_of(held))

    with pytest.raises(MeetingOver):
        locked.decide(wanted, replaces=1, decision=decision(wanted))
    assert locked.decide(wanted, replaces=0, decision=held.decisions[0]) is locked


def test_a_task_may_become_due_sooner_and_never_later() -> None:
    held = said(
        Wanted(level=HIGH, tasks=(patrols(24),)),
        Wanted(level=HIGH, tasks=(patrols(48),)),
    )

    [(_, due_at)] = held.tasks().values()
    assert due_at == NOON + 24 * HOUR


def test_what_was_promised_before_the_parts_were_put_right_is_of_her_side() -> None:
    his = patrols().model_copy(update={"about": Side.PERSON_USING_VIOLENCE})
    wanted = Wanted(level=HIGH, tasks=(his,))
    before = said(wanted, at=NOON)
    held = before.lock(seal_of(before)).correct(NOON + HOUR)
    after = said(wanted, at=NOON + 2 * HOUR).correct(NOON + HOUR)

    [[task, due_at]] = held.tasks().values()
    [[later, _]] = after.tasks().values()

    assert (task.about, later.about) == (Side.PERSON_HARMED, Side.PERSON_USING_VIOLENCE)
    assert due_at == NOON + 24 * HOUR
    assert held.tasks().keys() == before.tasks().keys()
    assert held.locked == seal_of(held)
    assert held.correct(NOON) is held


def test_locked_minutes_tell_what_was_changed_and_outlive_an_erased_case() -> None:
    meeting = daily().begin((), NOON).end(NOON)
    held = [
        each.model_copy(update={"meeting_id": meeting.id, "salt": new_id()})
        for each in (said(Wanted(level=HIGH)), said(Wanted(level=LOW)))
    ]
    locked = [each.lock(seal_of(each)) for each in held]
    meeting = meeting.lock(minutes_of(meeting, locked), (), NOON)

    assert intact(meeting, locked)
    kept = locked[0].model_copy(update={"kept": {}})
    assert intact(meeting, [kept, locked[1]])
    assert intact(meeting, [locked[0].erase(NOON), locked[1]])
    assert not intact(meeting, locked[:1])
    wanted = Wanted(level=EXTREME)
    forged = locked[0].model_copy(update={"decisions": (decision(wanted),)})
    assert not intact(meeting, [forged, locked[1]])
    resealed = forged.lock(seal_of(forged))
    assert not intact(meeting, [resealed, locked[1]])


def test_the_same_wish_stays_the_same_in_the_store() -> None:
    at = datetime(2026, 11, 3, 10, 15, 59, 999999, tzinfo=UTC)

    wanted = Wanted(level=HIGH, review_at=at)

    assert wanted.review_at == datetime(2026, 11, 3, 10, 15, tzinfo=UTC)
    assert patrols().about is Side.WHOLE_CASE


def test_each_agency_is_asked_once_before_meetings_until_something_is_new() -> None:
    held, asked = docket().call_on(("police", "hospital"), (), NOON + HOUR)
    assert asked == ("police", "hospital")

    same, again = held.call_on(("police", "hospital", "refuge"), (), NOON + 2 * HOUR)
    assert again == ("refuge",)
    assert same.call_on(("police", "refuge"), (), NOON + 3 * HOUR) == (same, ())

    new = same.model_copy(update={"referred_at": NOON + 4 * HOUR})
    assert new.call_on(("police",), (), NOON + 5 * HOUR)[1] == ("police",)


def test_who_is_kept_from_a_case_is_not_asked_about_it_at_a_later_meeting_either() -> (
    None
):
    held, asked = docket().call_on(("police", "hospital"), ("hospital",), NOON)
    assert asked == ("police",)

    new = held.model_copy(update={"referred_at": NOON + HOUR})
    later, asked = new.call_on(("police", "hospital"), (), NOON + 2 * HOUR)

    assert asked == ("police",)
    assert later.kept_from == ("hospital",)


def test_nobody_is_asked_about_a_case_whose_response_has_ended() -> None:
    held, asked = docket().end(1, NOON).call_on(("police",), ("hospital",), NOON)
    assert (held.kept_from, asked) == (("hospital",), ())


def test_who_is_never_asked_must_be_invited_somewhere() -> None:
    fields = rules_fields()
    fields["asking"]["not_asked"] = ["outreahc"]
    with pytest.raises(ValidationError, match="invited nowhere"):
        Rules.model_validate(fields)
