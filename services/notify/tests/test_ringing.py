"""What rings, for how long, and by which way next. Pure."""

from datetime import datetime, timedelta

import pytest
from accord_chassis.testing import NOON, new_id
from notify.asks import DirectoryAway, NobodyOnDuty
from notify.domain.channels import Way
from notify.domain.hours import Urgency
from notify.domain.mail import Mail, MailState, Outcome
from notify.domain.notification import Notification
from notify.handlers.mail import Attempt, bounced
from notify.handlers.silence import attend
from notify.post import Posted
from notify_builders import MINUTE, POLICY
from notify_builders import notification as message_to_a_worker

LATER = NOON + timedelta(minutes=30)
DAY = timedelta(days=1)


@pytest.mark.parametrize("state", [MailState.CLAIMED, MailState.UNKNOWN])
def test_what_may_have_arrived_is_not_repeated_once_somebody_knows(
    state: MailState,
) -> None:
    ringing = Mail(state=state, due_at=NOON + MINUTE)
    made = message_to_a_worker().with_mail(0, ringing)
    until_done = made.model_copy(update={"progress_minutes": 60})

    known = until_done.acknowledge(made.worker_id, NOON)

    assert (known.mail_state(0), known.mail_due(LATER)) == (state, None)
    assert known.due_at == NOON + 60 * MINUTE
    assert made.end(NOON).mail_due(LATER) is None


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Outcome.NOT_TAKEN, MailState.WANTED),
        (Outcome.UNKNOWN, MailState.UNKNOWN),
        (Outcome.REFUSED, MailState.FAILED),
    ],
)
def test_once_somebody_knows_nothing_more_rings_and_nobody_else_is_told(
    outcome: Outcome, state: MailState | None
) -> None:
    made = message_to_a_worker(mail=True).model_copy(
        update={"progress_minutes": 60, "ways": (Way.EMAIL, Way.SMS)}
    )
    claimed = made.claim_mail(0, NOON, POLICY.email)
    known = claimed.acknowledge(made.worker_id, NOON)

    new, *_told = Attempt(0, NOON, POLICY.email).became(known, Posted(outcome, "no"))

    assert new.mail_state(0) is state
    assert new.told[0].tried == ()
    assert new.mail_due(LATER) is None
    assert new.escalate_at is None


@pytest.mark.parametrize(
    ("urgency", "attempts"), [(Urgency.CRITICAL, 1), (Urgency.HIGH, 2)]
)
def test_what_may_have_arrived_rings_by_the_next_way_before_long(
    urgency: Urgency, attempts: int
) -> None:
    held = message_to_a_worker(mail=True).model_copy(
        update={"urgency": urgency, "ways": (Way.EMAIL, Way.SMS)}
    )

    for number in range(1, attempts + 1):
        assert held.way_of(0) is Way.EMAIL
        at = NOON + number * MINUTE
        claimed = held.claim_mail(0, at, POLICY.email)
        silent = Posted(Outcome.UNKNOWN, "no_answer")
        held, *_told = Attempt(0, at, POLICY.email).became(claimed, silent)

    assert held.way_of(0) is Way.SMS
    assert held.mail_due(at) == 0


@pytest.mark.parametrize("fault", [NobodyOnDuty, DirectoryAway])
async def test_it_rings_though_nobody_can_be_told_next(fault: type[Exception]) -> None:
    silent = message_to_a_worker(mail=True)
    done = list[str]()

    async def escalate(due: Notification, *, at: datetime) -> None:
        assert at >= (due.escalate_at or at)
        raise fault

    async def send_mail(due: Notification, *, at: datetime) -> None:
        assert at == silent.escalate_at
        done.append(due.id)

    with pytest.raises(fault):
        await attend(
            silent,
            at=silent.escalate_at or NOON,
            reopen=escalate,
            escalate=escalate,
            send_mail=send_mail,
        )

    assert done == [silent.id]


def test_who_is_unreached_is_known_by_their_own_telling() -> None:
    first = message_to_a_worker(mail=True).with_mail(0, None)
    deputy = new_id()
    held = first.tell(deputy, 1, at=LATER, until=LATER, mail=True)
    exhausted = Mail(state=MailState.UNKNOWN, due_at=None, reason="no_answer")

    silent = held.with_mail(1, exhausted)
    [(told, mail)] = silent.unreached

    assert (told.worker_id, told.at, mail.reason) == (deputy, LATER, "no_answer")
    assert silent.in_vain
    assert not silent.end(LATER).in_vain
    assert not held.with_mail(1, exhausted.postpone(LATER)).in_vain


def test_of_an_erased_message_no_mail_is_known() -> None:
    held = message_to_a_worker(mail=True)
    told = held.tell(new_id(), 1, at=LATER, until=LATER, mail=True)

    assert told.erase(LATER).mail_state(1) is None


def late(held: Notification, at: datetime, number: int = 0) -> Notification:
    """What an e-mail that never arrives makes of a message."""
    mail = held.told[number].mail
    assert mail
    return bounced(held, number, mail, "gone", at=at, quiet=POLICY.quiet)[0]


def test_a_late_bounce_takes_nobodys_time_who_was_told_since() -> None:
    made = message_to_a_worker(mail=True)
    until = NOON + 70 * MINUTE
    known = {"at": NOON + 10 * MINUTE, "until": until, "mail": True}
    told = made.tell(new_id(), 1, **known)
    given = made.hand_over(made.worker_id, new_id(), **known)

    after = [late(each, NOON + 11 * MINUTE) for each in (told, given)]
    over = [each.pass_over(0, NOON + 11 * MINUTE) for each in (told, given)]

    assert [each.escalate_at for each in after + over] == [until] * 4


def test_a_bounce_hurries_where_nobody_else_was_told_since() -> None:
    made, at = message_to_a_worker(mail=True), NOON + MINUTE
    known = {"at": NOON, "until": LATER, "mail": True}
    both = made.tell(new_id(), 1, **known).tell(new_id(), 1, **known)
    gone = late(both, at, 1)

    assert (late(made, at).escalate_at, gone.escalate_at) == (at, at)


@pytest.mark.parametrize(
    ("urgency", "any_hour", "hours"),
    [
        (Urgency.NORMAL, False, 19),
        (Urgency.NORMAL, True, 11.5),
        (Urgency.CRITICAL, False, 11.5),
    ],
)
def test_a_bounce_rings_in_quiet_hours_only_what_may(
    *, urgency: Urgency, any_hour: bool, hours: float
) -> None:
    night, rings = NOON + timedelta(hours=11.5), NOON + timedelta(hours=hours)
    loud = {"urgency": urgency, "any_hour": any_hour, "escalate_at": NOON + 2 * DAY}
    only = message_to_a_worker(mail=True).model_copy(update=loud)
    ways = only.model_copy(update={"ways": (Way.EMAIL, Way.SMS)})

    assert late(only, night).escalate_at == rings
    assert late(ways, night).mail_due(rings) == 0
    assert late(ways, night).mail_due(rings - MINUTE) is None
