"""Whether a person may be reached: the rules alone."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from accord_chassis.testing import NOON
from accord_contracts.access import Purpose
from accord_contracts.calendar import DAYS, Day, Shown, Window
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from referrals.domain.contact import (
    KINDS,
    AnotherContact,
    Confirmation,
    ContactBook,
    ContactClosed,
    ContactRules,
    Heard,
    Held,
    Kind,
    NoSuchContact,
    Point,
    SuspendedFor,
    Suspension,
    find,
    heed,
    reach_of,
)
from referrals.domain.safe_contact import (
    CONTACT_PURPOSES,
    Permitted,
    Refused,
    RefusedFor,
    may_use,
)
from referrals.domain.telling import Channel, Safety

ZONE = "Pacific/Auckland"
RULES = ContactRules(time_zone=ZONE, told_days=7, confirmed_days=28)
PERSON = "0190a000-0000-7000-8000-000000000001"
FIRST = "0190a000-0000-7000-8000-00000000000a"
SECOND = "0190a000-0000-7000-8000-00000000000b"
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
NUMBER = "021 555 0100"
PLAN = Purpose.PLAN
NIGHT = (Window(days=frozenset({Day.MONDAY}), starts="22:00", ends="06:00"),)
"""NOON (UTC) is one o'clock in the night to Tuesday."""
MORNING = (Window(days=frozenset(Day), starts="09:00", ends="12:00"),)


def told(channel: Channel = Channel.PHONE, value: str = NUMBER, **fields: Any) -> Heard:
    usual = {"referral_id": "r", "received_at": NOON, "safety": Safety.SAFE}
    return Heard(channel=channel, value=value, **{**usual, **fields})


def said(value: str = NUMBER, *channels: Channel, **fields: Any) -> Confirmation:
    words = {n: fields.pop(n) for n in ("hours", "read_by") if n in fields}
    return Confirmation(
        at=NOON,
        by="x",
        channels=frozenset(channels or (Channel.PHONE,)),
        until=NOON + 28 * DAY,
        held=Held(value=value, **words),
        **fields,
    )


def known(
    *heard: Heard, book: ContactBook | None = None, complete: bool = True
) -> list[Point]:
    book = book or ContactBook(id=PERSON)
    return book.know(heard, str, complete=complete)


def confirmed(
    confirmation: Confirmation, *heard: Heard, book: ContactBook | None = None,
    contact_id: str = FIRST, replaces: str | None = None,
) -> ContactBook:  # fmt: skip
    book = book or ContactBook(id=PERSON)
    assert confirmation.held
    reach = reach_of(next(iter(confirmation.channels)), confirmation.held.value)
    points = known(*heard, book=book)
    return book.confirm(contact_id, reach, confirmation, points, replaces=replaces)


def used(
    point: Point,
    channel: Channel = Channel.PHONE,
    at: datetime = NOON,
    purpose: Purpose = PLAN,
) -> str:
    found = may_use(point, channel, at, purpose, RULES)
    return found.code.value if isinstance(found, Refused) else "permitted"


@pytest.mark.parametrize(
    ("heard", "answer"),
    [
        ([told()], "permitted"),
        ([told(safety=Safety.UNKNOWN)], "unknown"),
        ([told(safety=Safety.UNSAFE)], "unsafe"),
        ([told(), told(referral_id="s", safety=Safety.UNSAFE)], "unsafe"),
        # Whoever holds the phone reads the texts, however the number is written.
        (
            [told(), told(Channel.TEXT, "+64 21 5550100", safety=Safety.UNSAFE)],
            "unsafe",
        ),
        ([told(), told(Channel.TEXT, safety=Safety.UNKNOWN)], "permitted"),
        ([told(Channel.TEXT)], "channel"),
        ([told(received_at=NOON - 7 * DAY)], "expired"),
        ([told(received_at=NOON - 7 * DAY + HOUR)], "permitted"),
        ([told(received_at=NOON + HOUR)], "expired"),
        ([told(), told(safety=Safety.UNKNOWN, read_by=True)], "read_by_others"),
        ([told(shared=True)], "read_by_others"),
        ([told(), told(Channel.TEXT, hours=True)], "hours_unread"),
        ([told(windows=NIGHT)], "permitted"),
        ([told(windows=MORNING)], "outside_hours"),
        ([told(windows=NIGHT), told(Channel.TEXT, windows=MORNING)], "outside_hours"),
        ([told(windows=NIGHT), told(hours=True)], "hours_unread"),
    ],
)
def test_what_agencies_told_is_used_only_if_nothing_speaks_against_it(
    heard: list[Heard], answer: str
) -> None:
    [point] = known(*heard)

    assert used(point) == answer


def test_the_words_that_an_agency_told_are_given_to_whoever_may_call() -> None:
    [point] = known(told(code_word="kererū", duress_word="tūī"))

    found = may_use(point, Channel.PHONE, NOON, PLAN, RULES)

    assert isinstance(found, Permitted)
    assert (found.code_word, found.duress_word) == ("kererū", "tūī")


def test_a_window_is_the_same_text_in_whichever_order_its_days_are_told() -> None:
    [told_, again] = (
        Window.model_validate({"days": days, "starts": "09:00", "ends": "12:00"})
        for days in (["friday", "monday"], ["monday", "friday"])
    )

    assert told_.model_dump_json() == again.model_dump_json()
    assert told_.model_dump()["days"] == [Day.MONDAY, Day.FRIDAY]


def test_another_person_is_not_asked_for_her_before_she_said_so() -> None:
    [point] = known(told(Channel.OTHER_PERSON, "her sister"))

    assert used(point, Channel.OTHER_PERSON) == "not_confirmed"


def test_what_is_too_much_to_look_at_is_not_believed() -> None:
    [point] = known(told(), complete=False)

    assert used(point) == "not_confirmed"


@pytest.mark.parametrize("purpose", [Purpose.OPERATION, Purpose.OTHER_GROUND])
def test_nobody_is_reached_for_another_purpose(purpose: Purpose) -> None:
    [point] = known(told())

    assert used(point, purpose=purpose) == "purpose"


def test_a_message_is_left_only_if_nobody_said_otherwise() -> None:
    yes = told(leave_message=True, say_who=True)
    [alone] = known(yes)
    [doubted] = known(yes, told(referral_id="s"))

    for point, answer in ((alone, True), (doubted, False)):
        found = may_use(point, Channel.PHONE, NOON, PLAN, RULES)
        assert isinstance(found, Permitted)
        assert (found.leave_message, found.say_who) == (answer, answer)


@pytest.mark.parametrize(
    ("fields", "at", "answer"),
    [
        ({}, NOON, "permitted"),
        ({}, NOON + 28 * DAY, "expired"),
        ({}, NOON + 28 * DAY - HOUR, "permitted"),
        ({"read_by": "her son"}, NOON, "read_by_others"),
    ],
)
def test_what_the_person_said_is_used_as_they_said_it(
    fields: dict[str, Any], at: datetime, answer: str
) -> None:
    [point] = known(book=confirmed(said(**fields)))

    assert used(point, at=at) == answer


def test_what_nobody_can_read_any_more_is_not_used() -> None:
    gone = said().model_copy(update={"held": None})
    book = confirmed(said())
    kept = book.points[0].model_copy(update={"confirmation": gone})
    [point] = known(book=book.model_copy(update={"points": (kept,)}))

    assert used(point) == "unreadable"


def test_a_person_overrules_the_warnings_that_were_known_and_no_others() -> None:
    warning = told(safety=Safety.UNSAFE, referral_id="old")
    book = confirmed(said(), warning)

    [before] = known(warning, book=book)
    # It may have been told before, and be heard of later.
    late = told(safety=Safety.UNSAFE, referral_id="new", received_at=NOON - DAY)
    [after] = known(warning, late, book=book)

    assert used(before) == "permitted"
    assert used(after) == "unsafe"


def test_what_the_person_did_not_say_no_agency_adds() -> None:
    book = confirmed(said())
    later = told(Channel.TEXT, received_at=NOON + DAY, referral_id="new")

    [point] = known(later, book=book)

    assert used(point, Channel.TEXT, NOON + DAY) == "channel"
    fresh = told(received_at=NOON + 30 * DAY, referral_id="new")
    [point] = known(fresh, book=book)
    assert used(point, at=NOON + 30 * DAY) == "expired"


def test_where_somebody_else_answered_nobody_calls_until_she_was_asked() -> None:
    heard = [told(), told(Channel.TEXT)]
    [point] = known(*heard)
    why = Suspension(reason=SuspendedFor.SOMEONE_ELSE_ANSWERED, by="x", at=NOON)

    book = ContactBook(id=PERSON).suspend(point, why)

    [suspended] = known(*heard, book=book)
    assert used(suspended) == used(suspended, Channel.TEXT) == "suspended"
    assert book.suspend(suspended, why) is book
    [told_again] = known(*heard, told(referral_id="new"), book=book)
    assert used(told_again) == "suspended"
    again = confirmed(said(), *heard, book=book, contact_id=suspended.id)
    [point] = known(*heard, book=again)
    assert used(point) == "permitted"


HIS = "021 555 0666"


def test_a_new_number_is_not_believed_while_another_is_confirmed() -> None:
    """Whoever calls as her tells of a number of their own."""
    book = confirmed(said(), told())
    new = told(value=HIS, referral_id="he", received_at=NOON + DAY)
    old = told(value=HIS, referral_id="before", received_at=NOON - HOUR)

    def of_his(*heard: Heard, book: ContactBook = book) -> Point:
        [point] = [e for e in known(*heard, book=book) if e.heard]
        return point

    assert used(of_his(new), at=NOON + DAY) == "not_confirmed"
    assert used(of_his(old), at=NOON + DAY) == "permitted"
    assert used(of_his(old, new), at=NOON + DAY) == "permitted"
    unknown = replace(old, safety=Safety.UNKNOWN)
    assert used(of_his(unknown, new), at=NOON + DAY) == "not_confirmed"
    # It is a month since she was asked: nothing better is known than what is told.
    late = replace(new, received_at=NOON + 29 * DAY)
    assert used(of_his(late), at=NOON + 29 * DAY) == "permitted"
    # She is asked again about her own number alone.
    again = said().model_copy(update={"at": NOON + 2 * DAY, "until": NOON + 30 * DAY})
    asked = confirmed(again, told(), book=book)
    assert used(of_his(new, book=asked), at=NOON + 3 * DAY) == "not_confirmed"
    # And about the new one too.
    both = confirmed(said(HIS), new, book=book, contact_id=SECOND)
    assert used(of_his(new, book=both), at=NOON + DAY) == "permitted"


def test_a_new_number_is_not_believed_after_one_was_suspended() -> None:
    [point] = known(told())
    why = Suspension(reason=SuspendedFor.SOMEONE_ELSE_ANSWERED, by="x", at=NOON)
    book = ContactBook(id=PERSON).suspend(point, why)
    new = told(value=HIS, referral_id="he", received_at=NOON + HOUR)

    points = known(told(), new, book=book)

    assert [used(each, at=NOON + DAY) for each in points] == [
        "suspended",
        "not_confirmed",
    ]


def test_a_new_number_is_not_believed_because_the_one_she_confirmed_is_closed() -> None:
    book = confirmed(said(), told())
    [hers] = known(told(), book=book)
    closed = book.close(hers, NOON + 2 * DAY)
    new = told(value=HIS, referral_id="he", received_at=NOON + DAY)
    late = replace(new, received_at=NOON + 28 * DAY)

    def of_his(heard: Heard) -> Point:
        [point] = [e for e in known(heard, book=closed) if e.heard]
        return point

    assert not closed.readable
    assert used(of_his(new), at=NOON + 3 * DAY) == "not_confirmed"
    # What she said would not be good any more.
    assert used(of_his(late), at=NOON + 28 * DAY) == "permitted"


def test_a_new_number_is_not_believed_if_she_has_another_under_her_other_id() -> None:
    book = confirmed(said(), told())
    [new] = known(told(value=HIS, received_at=NOON + HOUR))

    [heeded] = heed([new], [], book, str)

    assert used(heeded, at=NOON + DAY) == "not_confirmed"


ADDRESSES = ("1 First Street", "2 Second Street")


def test_an_address_change_closes_the_old_one_in_the_same_step() -> None:
    old, new = ADDRESSES
    book = confirmed(said(old, Channel.POST))
    book = confirmed(said(new, Channel.POST), book=book, contact_id=SECOND)

    first, second = find(FIRST, known(book=book)), find(SECOND, known(book=book))
    assert used(first, Channel.POST) == "closed"
    assert first.confirmation is None
    assert used(second, Channel.POST) == "permitted"


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_addresses_that_agencies_told_none_is_used(order: int) -> None:
    one, two = (
        told(Channel.POST, address, referral_id=str(place))
        for place, address in enumerate(ADDRESSES[::order])
    )

    assert [used(e, Channel.POST) for e in known(one, two)] == ["moved", "moved"]
    assert [used(e, Channel.POST) for e in known(one)] == ["permitted"]


def test_another_address_that_is_told_stops_the_one_that_she_confirmed() -> None:
    old, new = ADDRESSES
    heard = told(Channel.POST, new, referral_id="new")
    book = confirmed(said(old, Channel.POST))

    assert {used(e, Channel.POST) for e in known(heard, book=book)} == {"moved"}
    # Asked again, she says that she has not moved.
    book = confirmed(said(old, Channel.POST), heard, book=book)
    point = find(FIRST, known(heard, book=book))
    assert used(point, Channel.POST) == "permitted"


def test_a_number_that_replaces_another_closes_it_though_only_an_agency_told_it() -> (
    None
):
    heard = told()
    [point] = known(heard)

    book = confirmed(said("021 555 0199"), heard, replaces=point.id)

    assert used(find(point.id, known(heard, book=book))) == "closed"
    assert used(find(FIRST, known(heard, book=book))) == "permitted"
    with pytest.raises(NoSuchContact):
        confirmed(said(), replaces=SECOND)


def test_an_id_is_of_one_value_and_a_closed_one_is_not_used_again() -> None:
    book = confirmed(said())
    [point] = known(book=book)

    with pytest.raises(AnotherContact):
        confirmed(said("021 555 0199"), book=book)
    closed = book.close(point, NOON)
    with pytest.raises(ContactClosed):
        confirmed(said(), book=closed)
    # Under another id it is good again, and there is one point for a number.
    again = confirmed(said(), book=closed, contact_id=SECOND)
    [point] = known(told(), book=again)
    assert (point.id, used(point)) == (SECOND, "permitted")


@pytest.mark.parametrize(
    "written",
    ["021 555 0100", "0215550100", "+64 21 555 0100", "(021) 555-0100",
     "0064 21 555 0100", "+64 (0)21 555 0100"],
)  # fmt: skip
def test_a_number_is_the_same_however_it_is_written(written: str) -> None:
    assert reach_of(Channel.TEXT, written) == reach_of(Channel.PHONE, NUMBER)


def local(*at: int, fold: int = 0) -> datetime:
    return datetime(*at, tzinfo=ZoneInfo(ZONE), fold=fold).astimezone(UTC)  # type: ignore[arg-type,misc]


NIGHT = Window(days=frozenset({Day.SATURDAY}), starts="21:00", ends="06:00")


@pytest.mark.parametrize(
    ("at", "within"),
    [
        (local(2026, 11, 7, 20, 59), False),
        (local(2026, 11, 7, 21, 0), True),
        (local(2026, 11, 8, 5, 59), True),
        (local(2026, 11, 8, 6, 0), False),
        (local(2026, 11, 8, 22, 0), False),
        (local(2026, 11, 7, 3, 0), False),
        # Clocks go ahead at 02:00 on 27 September 2026, and back at 03:00 on 5 April.
        (local(2026, 9, 27, 1, 59), True),
        (local(2026, 9, 27, 3, 0), True),
        (local(2026, 9, 27, 6, 0), False),
        (datetime(2026, 9, 26, 17, 0, tzinfo=UTC), False),
        (local(2026, 4, 5, 2, 30), True),
        (local(2026, 4, 5, 2, 30, fold=1), True),
        (datetime(2026, 4, 4, 17, 30, tzinfo=UTC), True),
        (datetime(2026, 4, 4, 18, 0, tzinfo=UTC), False),
    ],
)
def test_hours_cross_midnight_and_follow_the_clocks(
    at: datetime, *, within: bool
) -> None:
    assert NIGHT.contains(Shown.of(at, ZoneInfo(ZONE))) is within


def test_hours_that_end_as_they_begin_are_a_day_long() -> None:
    whole = Window(days=frozenset({Day.SUNDAY}), starts="00:00", ends="00:00")

    days = [
        whole.contains(Shown.of(local(2026, 11, day, 23, 59), ZoneInfo(ZONE)))
        for day in (7, 8, 9)
    ]

    assert days == [False, True, False]


@pytest.mark.parametrize("wrong", ["Nowhere/At_All", "../etc/passwd", ""])
def test_a_time_zone_that_there_is_not_stops_the_start(wrong: str) -> None:
    with pytest.raises(ValidationError, match="no time zone"):
        ContactRules(time_zone=wrong, told_days=1, confirmed_days=1)


INSTANTS = st.builds(
    lambda minutes: NOON + timedelta(minutes=minutes),
    st.integers(-9_000, 9_000) | st.integers(-400_000, 400_000),
)
TIMES = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))
WINDOWS = st.builds(
    Window,
    days=st.frozensets(st.sampled_from(Day), min_size=1),
    starts=TIMES,
    ends=TIMES,
)
HEARD = st.builds(
    Heard,
    referral_id=st.sampled_from("abc"),
    received_at=st.just(NOON) | INSTANTS,
    channel=st.sampled_from(Channel),
    value=st.sampled_from([NUMBER, "+64 21 555 0100", "somewhere else"]),
    safety=st.sampled_from(Safety),
    read_by=st.booleans(),
    hours=st.booleans(),
    leave_message=st.booleans(),
    shared=st.booleans(),
)


@st.composite
def confirmations(draw: st.DrawFn) -> Confirmation:
    kind = draw(st.sampled_from(Kind))
    channels = [each for each in Channel if KINDS[each] is kind]
    at = draw(st.just(NOON) | INSTANTS)
    held = Held(
        value=draw(st.sampled_from([NUMBER, "somewhere else"])),
        hours=draw(st.none() | st.lists(WINDOWS, max_size=3).map(tuple)),
        read_by=draw(st.none() | st.just("somebody")),
    )
    return Confirmation(
        at=at,
        by="x",
        channels=draw(st.frozensets(st.sampled_from(channels), min_size=1)),
        until=at + 28 * DAY,
        held=held,
    )


@st.composite
def books(draw: st.DrawFn) -> tuple[ContactBook, list[Heard]]:
    """Draw what agencies told, and what people then decided about some of it."""
    heard = draw(st.lists(HEARD, max_size=6))
    book = ContactBook(id=PERSON)
    for number, each in enumerate(draw(st.lists(confirmations(), max_size=3))):
        contact = f"0190a000-0000-7000-8000-0000000000{number:02}"
        book = confirmed(each, *heard, book=book, contact_id=contact)
    points = known(*heard, book=book)
    why = Suspension(reason=SuspendedFor.NOT_THEIRS, by="x", at=NOON)
    for point in points:
        match draw(st.sampled_from(["keep", "keep", "suspend", "close"])):
            case "suspend":
                book = book.suspend(point, why)
            case "close":
                book = book.close(point, NOON)
    return book, heard


def permits(points: list[Point], at: datetime) -> set[tuple[str, Channel, Purpose]]:
    return {
        (each.reach, channel, purpose)
        for each, channel, purpose in product(points, Channel, Purpose)
        if isinstance(may_use(each, channel, at, purpose, RULES), Permitted)
    }


@settings(deadline=None, max_examples=60)
@given(books(), INSTANTS)
def test_what_anybody_warned_of_since_she_was_asked_is_never_permitted(
    drawn: tuple[ContactBook, list[Heard]], at: datetime
) -> None:
    book, heard = drawn
    for point in known(*heard, book=book):
        knew = point.confirmation.knew if point.confirmation else frozenset()
        warned = [e for e in point.heard if e.warns and e.referral_id not in knew]
        decided = point.kept and (point.kept.suspension or point.kept.closed_at)
        for channel, purpose in product(Channel, Purpose):
            found = may_use(point, channel, at, purpose, RULES)
            if warned or decided or purpose not in CONTACT_PURPOSES:
                assert isinstance(found, Refused)


@settings(deadline=None, max_examples=60)
@given(books(), HEARD, st.sampled_from(["unsafe", "shared"]), INSTANTS)
def test_another_warning_never_permits_more(
    drawn: tuple[ContactBook, list[Heard]], warning: Heard, how: str, at: datetime
) -> None:
    book, heard = drawn
    other = replace(warning, referral_id="new")
    other = (
        replace(other, safety=Safety.UNSAFE)
        if how == "unsafe"
        else replace(other, shared=True)
    )
    before = permits(known(*heard, book=book), at)
    points = known(*heard, other, book=book)

    after = permits(points, at)

    assert after <= before
    reach = reach_of(other.channel, other.value)
    assert not [each for each in after if each[0] == reach]


@settings(deadline=None, max_examples=60)
@given(books(), st.integers(1, 400), INSTANTS)
def test_nothing_is_permitted_when_its_days_are_over(
    drawn: tuple[ContactBook, list[Heard]], days: int, at: datetime
) -> None:
    book, heard = drawn
    for point in known(*heard, book=book):
        said_of = point.confirmation
        ends = (
            [said_of.until]
            if said_of
            else [e.received_at + 7 * DAY for e in point.heard]
        )
        late = max(ends, default=at) + days * HOUR
        assert not permits([point], late)


def minutes_of(text: str) -> int:
    hours, minutes = text.split(":")
    return 60 * int(hours) + int(minutes)


WEEK = 7 * 24 * 60


def open_minutes(window: Window) -> set[int]:
    """Give the minutes of a week that a window holds, counted one by one."""
    first, last = minutes_of(window.starts), minutes_of(window.ends)
    length = last - first if last > first else last - first + 24 * 60
    days = [number for number, day in enumerate(DAYS) if day in window.days]
    return {
        (day * 24 * 60 + first + each) % WEEK for day in days for each in range(length)
    }


CHANGES = st.sampled_from(
    [
        local(2026, 4, 5, 2),
        local(2026, 9, 27, 1),
        local(2027, 4, 4, 2),
        local(2026, 11, 8, 0),
    ]
)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(WINDOWS, max_size=3),
    INSTANTS
    | st.builds(
        lambda near, minutes: near + timedelta(minutes=minutes),
        CHANGES,
        st.integers(-240, 240),
    ),
)
def test_no_time_outside_the_hours_is_ever_permitted(
    windows: list[Window], at: datetime
) -> None:
    held = Held(value=NUMBER, hours=tuple(windows))
    asked = said().model_copy(update={"held": held, "at": at, "until": at + DAY})
    [point] = known(book=confirmed(asked))

    permitted = used(point, at=at) == "permitted"

    shown = at.astimezone(ZoneInfo(ZONE))
    minute = shown.weekday() * 24 * 60 + shown.hour * 60 + shown.minute
    within = any(minute in open_minutes(each) for each in windows)
    assert permitted is within
    assert permitted or used(point, at=at) == RefusedFor.OUTSIDE_HOURS
