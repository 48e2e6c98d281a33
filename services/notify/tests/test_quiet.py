"""When people are left in peace, and which messages become one: none is lost."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from accord_chassis.testing import NOON, eventually, message_of, new_id
from accord_contracts.message import Lane, Message
from accord_contracts.referrals import FieldGroup, ReferralAmended
from accord_contracts.risk import RiskLevel
from hypothesis import given
from hypothesis import strategies as st
from notify.domain.channels import Way
from notify.domain.gathering import TURN, gather
from notify.domain.hours import Quiet, Urgency
from notify.domain.mail import Mail, MailState
from notify.domain.notification import Notification
from notify.domain.occasion import Addressee, Eyes, Occasion
from notify.domain.told import Telling
from notify.post import LINES
from notify_builders import (
    IVS,
    MINUTE,
    POLICY,
    MailServer,
    Running,
    WorkersDirectory,
    notification,
    offered,
    review_due,
    review_overdue,
    taken_back,
    team,
)
from pydantic import ValidationError

AUCKLAND = ZoneInfo("Pacific/Auckland")
EMAIL = "worker@agency.example"
WORKER = new_id()
NIGHTS: dict[str, Any] = {
    "time_zone": "Pacific/Auckland",
    "begins": "20:00",
    "ends": "07:00",
    "passes": ["critical"],
    "digests_at": ["08:30", "15:00"],
}
QUIET = Quiet.model_validate(NIGHTS)
WINDOW = POLICY.email.window


def amended(case_id: str) -> Message[ReferralAmended]:
    """An agency has corrected its referral."""
    event = ReferralAmended(
        case_id=case_id,
        referral_id=new_id(),
        number=1,
        groups=(FieldGroup.INCIDENTS,),
        incidents=(),
        answers={},
        parties=(),
        occurred_at=NOON,
        amended_at=NOON,
    )
    return message_of(event)


def local(*at: int) -> datetime:
    """A time as clocks in Christchurch show it."""
    return datetime(2026, *at, tzinfo=AUCKLAND).astimezone(UTC)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("urgency", "at", "loud"),
    [
        (Urgency.NORMAL, (11, 2, 19, 59), (11, 2, 19, 59)),
        (Urgency.NORMAL, (11, 2, 20, 0), (11, 3, 7, 0)),
        (Urgency.HIGH, (11, 3, 6, 59), (11, 3, 7, 0)),
        (Urgency.NORMAL, (11, 3, 7, 0), (11, 3, 7, 0)),
        (Urgency.CRITICAL, (11, 3, 2, 0), (11, 3, 2, 0)),
        # Clocks go forward in the night to 27 September, and back in that to 5 April.
        (Urgency.NORMAL, (9, 26, 23, 0), (9, 27, 7, 0)),
        (Urgency.NORMAL, (4, 4, 23, 0), (4, 5, 7, 0)),
    ],
)
def test_the_night_is_quiet_by_the_clocks_of_the_region(
    urgency: Urgency, at: tuple[int, ...], loud: tuple[int, ...]
) -> None:
    assert QUIET.loud(urgency, local(*at)) == local(*loud)


def test_quiet_hours_may_lie_within_a_day() -> None:
    noon = Quiet.model_validate({**NIGHTS, "begins": "12:00", "ends": "13:00"})

    assert noon.loud(Urgency.NORMAL, local(11, 2, 12, 30)) == local(11, 2, 13, 0)
    assert noon.loud(Urgency.NORMAL, local(11, 2, 2, 0)) == local(11, 2, 2, 0)


@pytest.mark.parametrize(
    ("at", "digest"),
    [
        ((11, 2, 8, 29), (11, 2, 8, 30)),
        ((11, 2, 8, 30), (11, 2, 15, 0)),
        ((11, 2, 22, 0), (11, 3, 8, 30)),
    ],
)
def test_what_is_low_waits_for_the_next_digest(
    at: tuple[int, ...], digest: tuple[int, ...]
) -> None:
    assert QUIET.mailed(Urgency.LOW, local(*at)) == local(*digest)


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
    st.sampled_from(Urgency),
)
def test_quiet_hours_defer_and_never_drop(at: datetime, urgency: Urgency) -> None:
    loud = QUIET.loud(urgency, at)

    assert at <= loud <= at + timedelta(hours=12)
    assert QUIET.loud(urgency, loud) == loud
    assert urgency is not Urgency.CRITICAL or loud == at
    assert at <= QUIET.mailed(urgency, at) <= at + timedelta(hours=25)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"passes": ["high"]}, "critical must be in passes"),
        ({"passes": ["critical", "low"]}, "cannot be in passes"),
        ({"digests_at": ["21:00"]}, "21:00 is within quiet hours"),
        ({"ends": "20:00"}, "must not be the same"),
        ({"time_zone": "Middle/Earth"}, "there is no such time zone"),
    ],
)
def test_quiet_hours_that_cannot_be_meant_stop_the_start(
    change: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        Quiet.model_validate({**NIGHTS, **change})


def message(
    urgency: Urgency = Urgency.NORMAL, *, after: timedelta = timedelta(), **mail: Any
) -> Notification:
    """A message to the same worker whose e-mail is due, or as the test says."""
    made = notification(worker_id=WORKER, at=NOON + after)
    wanted = Mail(**{"due_at": NOON, **mail})
    told = (Telling(worker_id=WORKER, at=NOON, mail=wanted),)
    return made.model_copy(update={"urgency": urgency, "told": told})


def gathered(due: Notification, *others: Notification) -> Any:
    return gather(due, 0, [due, *others], at=NOON, window=WINDOW)


def test_of_a_burst_the_first_speaks_for_the_others() -> None:
    first, second = message(), message(after=MINUTE)

    assert gathered(first, second).covers == (second.id,)
    assert gathered(second, first).wait_until == NOON + TURN


def test_what_waits_for_its_turn_is_spoken_for() -> None:
    first, second = message(), message(after=MINUTE, due_at=NOON + TURN)
    later = message(after=MINUTE, due_at=NOON + 2 * TURN)

    assert gathered(first, second, later).covers == (second.id,)


def test_an_alarm_goes_by_itself_and_waits_for_nothing() -> None:
    alarm = message(Urgency.CRITICAL)
    sent = message(state=MailState.SENT, due_at=None, sent_at=NOON)

    assert gathered(alarm, message(), sent) == gathered(alarm)
    assert alarm.id not in gathered(message(after=-MINUTE), alarm).covers


def test_what_is_normal_waits_after_an_email_and_what_is_high_does_not() -> None:
    sent = message(state=MailState.SENT, due_at=None, sent_at=NOON - MINUTE)

    assert gathered(message(), sent).wait_until == NOON - MINUTE + WINDOW
    assert gathered(message(Urgency.HIGH), sent).covers == ()
    assert gathered(message(Urgency.HIGH), sent).wait_until is None


def test_a_message_is_spoken_for_only_once_the_letter_has_gone() -> None:
    due = message()
    speaks = {"covers": (due.id,)}
    sent = message(state=MailState.SENT, due_at=None, sent_at=NOON, **speaks)
    claimed = message(state=MailState.CLAIMED, due_at=NOON + 10 * MINUTE, **speaks)
    failed = message(state=MailState.FAILED, due_at=None, **speaks)

    assert gathered(due, sent).within == sent.id
    assert gathered(due, claimed).wait_until == NOON + 10 * MINUTE
    assert gathered(due, failed).within is None
    assert gathered(due, failed).wait_until is None


def test_a_letter_does_not_speak_for_what_is_told_once_more() -> None:
    due = message(Urgency.HIGH)
    before = {"sent_at": NOON - MINUTE, "covers": (due.id,)}
    sent = message(state=MailState.SENT, due_at=None, **before)

    assert gathered(due, sent).within is None
    assert gathered(due, sent).wait_until is None


def test_what_was_tried_before_says_the_same_again() -> None:
    other = message(after=MINUTE)
    tried = message(attempts=1, covers=(WORKER,))

    assert gathered(tried, other).covers == (WORKER,)
    assert tried.id not in gathered(other, tried).covers


async def test_a_burst_about_a_case_becomes_one_email_that_says_how_many(
    mailing: Running, mail_server: MailServer, workers: WorkersDirectory
) -> None:
    worker, case_id = workers.knows(email=EMAIL), new_id()
    offers = [offered(worker, case_id=case_id) for _ in range(4)]

    await mailing.hears(offers[0])
    await mailing.later(timedelta())
    await mailing.hears(*offers[1:])
    await mailing.later(MINUTE)
    assert len(mail_server.letters) == 1

    await mailing.later(WINDOW)
    await mailing.later(TURN)

    _, several = mail_server.letters
    assert several["Subject"].startswith("3 messages: ")
    held = await mailing.all()
    assert [each.mail_state(0) for each in held] == [MailState.SENT] * 4
    text = several.get_content()
    first = offers[0].data.allocation_id
    later = [each for each in held if each.about_id != first]
    assert all(each.reference in text for each in later)
    assert case_id not in text
    assert len(await mailing.inbox(worker)) == 4


async def test_what_is_low_goes_out_once_a_day_in_one_email(
    mailing: Running, mail_server: MailServer, workers: WorkersDirectory
) -> None:
    worker = workers.knows(email=EMAIL)
    for _ in range(3):
        case_id = new_id()
        await mailing.hears(team((worker, IVS), case_id=case_id), review_due(case_id))
    barred = (await mailing.all())[1]
    mailing.standings.tell(worker, barred.case_id, conflict=True)

    await mailing.later(timedelta(hours=20))
    assert not mail_server.letters
    await mailing.later(timedelta(hours=1))

    [digest] = mail_server.letters
    assert digest["Subject"].startswith("2 messages: ")
    assert barred.reference not in digest.get_content()


async def test_at_night_the_inbox_is_filled_and_nothing_rings_until_morning(
    mailing: Running, mail_server: MailServer, workers: WorkersDirectory
) -> None:
    worker = workers.knows(email=EMAIL)
    await mailing.later(timedelta(hours=11))
    case_id = new_id()
    alarmed = offered(worker, level=RiskLevel.EXTREME, case_id=case_id)

    await mailing.hears(team((worker, IVS), case_id=case_id), alarmed, amended(case_id))
    await mailing.later(timedelta())

    assert len(await mailing.inbox(worker)) == 2
    assert len(mail_server.letters) == 1
    [waiting] = [each for each in await mailing.all() if each.urgency == "normal"]
    assert waiting.due_at == NOON + timedelta(hours=19)
    await mailing.later(timedelta(hours=8))
    [amending] = [each for each in await mailing.all() if each.id == waiting.id]
    assert amending.mail_state(0) is MailState.SENT


@pytest.mark.parametrize(("any_hour", "hours"), [(False, 11), (True, 0)])
def test_the_time_to_acknowledge_begins_when_it_can_be_heard(
    *, any_hour: bool, hours: int
) -> None:
    rule = POLICY.rules["allocation.offered.v1"].model_copy(
        update={"any_hour": any_hour}
    )
    what = Occasion(
        message_id=new_id(),
        event="allocation.offered.v1",
        case_id=new_id(),
        lane=Lane.ROUTINE,
        revision=1,
        happened_at=NOON,
    )
    night = NOON + timedelta(hours=8)

    made = Notification.of(
        what, Addressee(WORKER, Eyes.ALL), rule, at=night, policy=POLICY, mail=True
    )

    assert made.created_at == night
    assert made.told[0].mail
    assert made.told[0].mail.due_at == night + timedelta(hours=hours)
    assert made.ack_by == night + timedelta(hours=hours) + 30 * MINUTE
    assert made.escalate_at == made.ack_by


async def test_what_is_told_again_while_it_is_open_is_noted_and_not_told_anew(
    running: Running, workers: WorkersDirectory
) -> None:
    worker, case_id = workers.knows(), new_id()
    first, again = (review_overdue(case_id) for _ in range(2))
    await running.hears(team((worker, IVS), case_id=case_id), first, again)
    await running.hears(again, first)

    [held] = await running.all()
    assert [each.message_id for each in held.repeats] == [again.id]

    await running.acknowledges(worker, held.id)
    await running.hears(again)
    assert len(await running.all()) == 1
    await running.hears(review_overdue(case_id))
    assert len(await running.all()) == 2


async def test_what_each_must_answer_is_never_joined(
    running: Running, workers: WorkersDirectory
) -> None:
    worker, case_id = workers.knows(), new_id()
    workers.has_on_duty()
    told: list[Message[Any]] = [taken_back(case_id), taken_back(case_id)]

    await running.hears(team((worker, IVS), case_id=case_id), *told)

    assert len(await running.inbox(worker)) == 2


async def test_an_alarm_leaves_at_once_beside_a_thousand_letters_of_the_morning(
    mailing: Running, mail_server: MailServer, workers: WorkersDirectory
) -> None:
    mail_server.meanwhile = partial(asyncio.sleep, 0.2)
    many, one = workers.knows(email=EMAIL), workers.knows(email="one@agency.example")
    kept, morning = mailing.notifications, NOON + MINUTE
    letters = (
        notification(worker_id=many, level=RiskLevel.LOW, at=morning, mail=True)
        for _ in range(1000)
    )
    await asyncio.gather(*(kept.save(each) for each in letters))
    mailing.clock.advance(MINUTE)

    async def well_on_its_way() -> bool:
        return len(mail_server.recipients) >= LINES

    await eventually(well_on_its_way)
    critical = notification(
        worker_id=one, level=RiskLevel.EXTREME, at=morning, mail=True
    )
    ringing = Mail(due_at=morning)
    alarm = critical.model_copy(update={"ways": (Way.EMAIL,)}).with_mail(0, ringing)
    before = len(mail_server.recipients)
    await kept.save(alarm)

    async def rung() -> bool:
        return "one@agency.example" in mail_server.recipients

    await eventually(rung)
    waited_for = mail_server.recipients.index("one@agency.example") - before
    mail_server.meanwhile = None

    # At eight letters each fifth of a second, as many leave within two seconds.
    assert waited_for < 2 * 5 * LINES


async def test_whoever_is_told_next_at_night_is_left_in_peace_until_morning(
    mailing: Running, mail_server: MailServer, workers: WorkersDirectory
) -> None:
    deputy = workers.knows(email="deputy@agency.example")
    worker = workers.knows(email=EMAIL, deputy=deputy)
    await mailing.later(timedelta(hours=10))
    night, morning = NOON + timedelta(hours=10), NOON + timedelta(hours=19)
    made = notification(worker_id=worker, level=RiskLevel.LOW, at=night)
    asked = {
        "event": "action.overdue.v1",
        "any_hour": False,
        "escalate_at": morning + 30 * MINUTE,
    }
    await mailing.notifications.save(made.model_copy(update=asked))

    answer = await mailing.http.post(
        f"/v1/inbox/{made.id}/refusal",
        headers=mailing.bearer("notify.inbox", worker=worker),
        json={"reason": "no_capacity"},
    )
    await mailing.later(MINUTE)

    assert answer.status_code == 204, answer.text
    [held] = await mailing.all()
    assert held.told_workers == [worker, deputy]
    assert held.escalate_at == morning + 60 * MINUTE
    assert len(await mailing.inbox(deputy)) == 1
    assert mail_server.letters == []
    await mailing.later(timedelta(hours=9))
    assert mail_server.recipients == ["deputy@agency.example"]
