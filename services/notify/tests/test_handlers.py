"""Who is told when something happens, and who when nobody answers."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from itertools import permutations
from typing import Any

import pytest
from accord_chassis.store import AlreadyHandled, Conflict
from accord_chassis.testing import NOON, KnownStandings, message_of, new_id, published
from accord_contracts.allocation import DeclineReason, Role
from accord_contracts.message import Lane, Message
from accord_contracts.notify import (
    NotificationAcknowledged,
    NotificationEscalated,
    NotificationSent,
)
from accord_contracts.referrals import (
    CaseErased,
    CaseMerged,
    CaseUnmerged,
    ConfirmationAsked,
    ConfirmationLapsed,
)
from accord_contracts.risk import RiskLevel
from notify.asks import DirectoryAway, NobodyOnDuty
from notify.domain.notification import NoSuchMessage, Notification
from notify.domain.policy import Recipient
from notify.domain.told import Telling
from notify.handlers.erasing import erase_notifications, erase_team
from notify.handlers.reaching import Reach
from notify.handlers.silence import acknowledge, end_offer, move_on, note_ending
from notify.handlers.telling import follow_team, note_merging
from notify.store import Notifications, Offers, Teams
from notify_builders import (
    ANSWERED,
    IVS,
    LEAD,
    MINUTE,
    POLICY,
    WorkersDirectory,
    accepted,
    changed,
    declined,
    drafted,
    expired,
    notification,
    offered,
    offered_again,
    overdue,
    review_due,
    review_overdue,
    taken_back,
    team,
    unfilled,
    withdrawn,
)

LATER = NOON + 30 * MINUTE

OFFERED = "allocation.offered.v1"

Tell = Callable[..., Any]
Hears = Callable[[Message[Any]], Awaitable[None]]
End = Callable[..., Message[Any]]


@pytest.fixture
def hears(tells: Tell, offers: Offers, notifications: Notifications) -> Hears:
    """Handle a message about an offer as the service does, each handler in turn."""

    async def hear(message: Message[Any]) -> None:
        for step in steps_of(message, tells, offers, notifications):
            await done_once(step())

    return hear


def steps_of(
    message: Message[Any], tells: Tell, offers: Offers, notifications: Notifications
) -> list[Callable[[], Awaitable[None]]]:
    ends = message.type != OFFERED
    note = partial(note_ending, message, offers=offers)
    end = partial(end_offer, message, offers=offers, notifications=notifications)
    return [note if ends else partial(tells, message), end]


async def done_once(handling: Awaitable[None]) -> None:
    """Handle a message as the bus does, which passes over what was handled already."""
    with suppress(AlreadyHandled):
        await handling


async def all_of(notifications: Notifications) -> list[Notification]:
    return [notifications.load(each) async for each in notifications.documents.find({})]


async def told(notifications: Notifications) -> set[str]:
    return {each.worker_id for each in await all_of(notifications)}


async def test_an_offer_is_told_to_the_worker_it_is_made_to(
    tells: Tell, notifications: Notifications
) -> None:
    message = offered(level=RiskLevel.HIGH, lane=Lane.URGENT)

    await tells(message)

    [held] = await all_of(notifications)
    assert held.worker_id == message.data.worker_id
    assert held.case_id == message.data.case_id
    assert held.about_id == message.data.allocation_id
    assert (held.event, held.template) == (OFFERED, "offer")
    assert held.ack_by == NOON + 10 * MINUTE
    assert held.policy_version == POLICY.version
    [said] = await published(notifications)
    assert isinstance(said.data, NotificationSent)
    assert said.lane is Lane.URGENT
    assert said.causation_id == message.id
    assert said.data.model_dump() == {
        "case_id": held.case_id,
        "notification_id": held.id,
        "worker_id": held.worker_id,
        "template": "offer",
        "channel": "inbox",
        "sent_at": NOON,
    }


async def test_a_redelivered_message_changes_nothing(
    tells: Tell, notifications: Notifications
) -> None:
    message = offered()

    await tells(message)
    [before] = await all_of(notifications)
    await tells(message, at=LATER)

    assert await all_of(notifications) == [before]
    assert len(await published(notifications)) == 1


async def test_a_message_that_reached_only_some_reaches_the_others_when_repeated(
    tells: Tell, notifications: Notifications, teams: Teams
) -> None:
    case_id, one, other = new_id(), new_id(), new_id()
    message = changed(case_id)
    await follow_team(team((one, IVS), case_id=case_id), teams=teams)
    await tells(message)
    await follow_team(team((one, IVS), (other, LEAD), case_id=case_id, version=2),
                      teams=teams)  # fmt: skip

    await tells(message)

    assert await told(notifications) == {one, other}
    assert len(await published(notifications)) == 2


async def test_time_in_the_queue_is_not_counted_against_a_worker(
    tells: Tell, notifications: Notifications
) -> None:
    await tells(offered(at=NOON, level=RiskLevel.EXTREME), at=NOON + 600 * MINUTE)

    [held] = await all_of(notifications)
    assert held.ack_by == NOON + 605 * MINUTE


@pytest.mark.parametrize(
    ("end", "template"), [(expired, "offer_lapsed"), (withdrawn, "offer_withdrawn")]
)
async def test_who_need_not_answer_any_more_is_told_so(
    tells: Tell, notifications: Notifications, end: End, template: str
) -> None:
    offer = offered()

    await tells(end(offer))

    [held] = await all_of(notifications)
    assert (held.worker_id, held.template, held.due_at) == (
        offer.data.worker_id,
        template,
        None,
    )


async def test_an_alarm_goes_to_the_coordinator_on_duty(
    tells: Tell, notifications: Notifications, workers: WorkersDirectory
) -> None:
    coordinator = workers.has_on_duty()

    await tells(unfilled())

    [held] = await all_of(notifications)
    assert (held.worker_id, held.template) == (coordinator, "nobody_found")
    assert held.ack_by == NOON + 15 * MINUTE


def asked_to_confirm(asked_by: str | None) -> Message[ConfirmationAsked]:
    """Somebody asks for what another must confirm."""
    event = ConfirmationAsked(
        case_id=new_id(),
        request_id=new_id(),
        asked_by=asked_by,
        asked_at=NOON,
        until=LATER,
    )
    return message_of(event)


async def test_what_waits_for_a_second_person_is_told_to_all_on_duty_but_the_asker(
    tells: Tell, notifications: Notifications, workers: WorkersDirectory
) -> None:
    first, asker, third = workers.has_on_duty(), workers.knows(), workers.knows()
    workers.also_on_duty = (asker, third)
    message = asked_to_confirm(asker)

    await tells(message)

    assert await told(notifications) == {first, third}
    [one, _] = await all_of(notifications)
    assert (one.template, one.about_id) == (
        "confirmation_wanted",
        message.data.request_id,
    )


async def test_what_only_the_asker_could_be_told_waits_for_somebody_else(
    tells: Tell, notifications: Notifications, workers: WorkersDirectory
) -> None:
    message = asked_to_confirm(workers.has_on_duty())

    with pytest.raises(NobodyOnDuty):
        await tells(message)

    assert await told(notifications) == set()


@pytest.mark.parametrize("by_worker", [True, False])
async def test_what_has_lapsed_is_told_to_who_asked(
    tells: Tell,
    notifications: Notifications,
    workers: WorkersDirectory,
    *,
    by_worker: bool,
) -> None:
    coordinator, asker = workers.has_on_duty(), workers.knows()
    event = ConfirmationLapsed(
        case_id=new_id(),
        request_id=new_id(),
        worker_id=asker if by_worker else None,
        lapsed_at=NOON,
        late_by=0.0,
    )

    await tells(message_of(event))

    assert await told(notifications) == {asker if by_worker else coordinator}


async def test_whoever_is_on_leave_finds_what_waits_for_a_coordinator(
    tells: Tell,
    reach: Reach,
    notifications: Notifications,
    teams: Teams,
    workers: WorkersDirectory,
) -> None:
    lead, case_id = workers.knows(), new_id()

    async def away(worker_id: str) -> bool:
        return worker_id == lead

    on_leave = replace(reach, away=away)
    await follow_team(team((lead, LEAD), case_id=case_id), teams=teams)
    message = review_overdue(case_id)

    with pytest.raises(NobodyOnDuty):
        await tells(message, reach=on_leave)
    meanwhile = await told(notifications)
    coordinator = workers.has_on_duty()
    await tells(message, reach=on_leave)

    assert meanwhile == {lead}
    assert await told(notifications) == {lead, coordinator}
    assert len(await all_of(notifications)) == 2


async def test_an_alarm_is_not_swallowed_by_a_gap_in_the_rota(
    tells: Tell, notifications: Notifications, workers: WorkersDirectory
) -> None:
    message = unfilled()

    with pytest.raises(NobodyOnDuty):
        await tells(message)
    coordinator = workers.has_on_duty()
    await tells(message)

    assert await told(notifications) == {coordinator}


async def test_an_alarm_waits_for_a_directory_that_is_away(
    tells: Tell, workers: WorkersDirectory
) -> None:
    workers.has_on_duty()
    workers.status = 503

    with pytest.raises(ConnectionError):
        await tells(unfilled())


async def test_a_draft_is_told_to_the_team(
    tells: Tell, notifications: Notifications, teams: Teams
) -> None:
    case_id, one, other = new_id(), new_id(), new_id()
    await follow_team(
        team((one, IVS), (other, LEAD), (one, LEAD), case_id=case_id), teams=teams
    )

    await tells(drafted(case_id))

    assert await told(notifications) == {one, other}
    assert len(await all_of(notifications)) == 2


@pytest.mark.parametrize("first", ["merging", "teams"])
async def test_what_happens_in_a_merged_case_is_told_to_both_teams_until_unmerged(
    tells: Tell, notifications: Notifications, teams: Teams, first: str
) -> None:
    case_id, survivor, one, other = new_id(), new_id(), new_id(), new_id()
    merged = message_of(
        CaseMerged(case_id=case_id, survivor_id=survivor, merged_at=NOON), version=2
    )
    unmerged = message_of(
        CaseUnmerged(case_id=case_id, survivor_id=survivor, unmerged_at=NOON), version=3
    )
    if first == "merging":
        await note_merging(merged, teams=teams)
    await follow_team(team((one, IVS), case_id=case_id), teams=teams)
    await follow_team(team((other, LEAD), case_id=survivor), teams=teams)
    if first == "teams":
        await note_merging(merged, teams=teams)

    await tells(drafted(case_id))
    assert await told(notifications) == {one, other}

    await note_merging(unmerged, teams=teams)
    # What comes late changes nothing any more.
    late = message_of(merged.data, version=2)
    await note_merging(late, teams=teams)
    held = await teams.get(case_id)
    assert held
    assert held.merged_into is None


async def test_a_withdrawal_is_told_to_a_coordinator_and_whoever_is_on_the_case(
    tells: Tell, notifications: Notifications, teams: Teams, workers: WorkersDirectory
) -> None:
    case_id, one = new_id(), new_id()
    coordinator = workers.has_on_duty()

    await tells(taken_back(case_id))
    assert await told(notifications) == {coordinator}

    await follow_team(
        team((one, IVS), (coordinator, LEAD), case_id=case_id), teams=teams
    )
    await tells(taken_back(case_id))
    assert await told(notifications) == {coordinator, one}
    assert len(await all_of(notifications)) == 3


async def test_a_draft_for_no_team_is_told_to_nobody(
    tells: Tell, notifications: Notifications, workers: WorkersDirectory
) -> None:
    workers.has_on_duty()

    await tells(drafted(new_id(), level=RiskLevel.EXTREME))

    assert await all_of(notifications) == []
    assert not workers.asked


@pytest.mark.parametrize("event", [overdue, review_overdue])
async def test_what_is_overdue_is_told_to_the_coordinator_if_there_is_nobody_else(
    tells: Tell,
    notifications: Notifications,
    teams: Teams,
    workers: WorkersDirectory,
    event: Callable[..., Message[Any]],
) -> None:
    case_id, lead, other = new_id(), new_id(), new_id()
    coordinator = workers.has_on_duty()

    await tells(event(case_id))
    assert await told(notifications) == {coordinator}

    await follow_team(team((other, IVS), (lead, LEAD), case_id=case_id), teams=teams)
    await tells(event(case_id))
    assert await told(notifications) == {coordinator, lead}


async def test_an_overdue_action_is_told_to_its_owner(
    tells: Tell, notifications: Notifications, workers: WorkersDirectory
) -> None:
    owner = new_id()

    message = overdue(new_id(), owner, level=RiskLevel.HIGH)
    await tells(message)

    [held] = await all_of(notifications)
    assert (held.worker_id, held.about_id) == (owner, message.data.action_id)
    assert not workers.asked


async def test_a_review_is_told_to_who_leads_and_else_to_the_team(
    tells: Tell, notifications: Notifications, teams: Teams
) -> None:
    led, leaderless = new_id(), new_id()
    lead, member, other = new_id(), new_id(), new_id()
    await follow_team(team((lead, LEAD), (member, IVS), case_id=led), teams=teams)
    await follow_team(team((other, IVS), case_id=leaderless), teams=teams)

    await tells(review_due(led))
    await tells(review_due(leaderless))
    await tells(review_due(new_id()))

    assert await told(notifications) == {lead, other}


@pytest.mark.parametrize("role", [IVS, Role.PERPETRATOR_OUTREACH])
async def test_a_rule_may_name_a_role(
    tells: Tell,
    notifications: Notifications,
    teams: Teams,
    workers: WorkersDirectory,
    role: Role,
) -> None:
    case_id, lead, specialist = new_id(), new_id(), new_id()
    coordinator = workers.has_on_duty()
    both = team((lead, LEAD), (specialist, IVS), case_id=case_id)
    await follow_team(both, teams=teams)
    message = review_due(case_id)
    who = {"who": (role, Recipient.COORDINATOR)}
    rule = POLICY.rules[message.type].model_copy(update=who)
    rules = {**POLICY.rules, message.type: rule}

    await tells(message, policy=POLICY.model_copy(update={"rules": rules}))

    # Nobody has the other role, so it is the next of those whom the rule names.
    assert await told(notifications) == {specialist if role is IVS else coordinator}


async def test_a_team_is_followed(teams: Teams) -> None:
    case_id, worker = new_id(), new_id()

    await follow_team(team((worker, IVS), case_id=case_id, version=3), teams=teams)
    await follow_team(team(case_id=case_id, version=5), teams=teams)

    held = await teams.get(case_id)
    assert held
    assert (held.members, held.heard) == ((), 5)


async def test_nobody_is_told_by_a_repeated_message_of_what_was_before_they_joined(
    tells: Tell, notifications: Notifications, teams: Teams
) -> None:
    case_id = new_id()
    message = drafted(case_id)
    await tells(message)

    joined = team((new_id(), IVS), case_id=case_id, at=LATER)
    await follow_team(joined, teams=teams)
    await tells(message, at=LATER)

    assert await all_of(notifications) == []


@pytest.mark.parametrize("version", [1, 2, 3])
async def test_an_older_team_is_ignored(teams: Teams, version: int) -> None:
    case_id, worker, former = new_id(), new_id(), new_id()
    await follow_team(team((worker, IVS), case_id=case_id, version=3), teams=teams)

    late = team((former, IVS), case_id=case_id, version=version)
    await follow_team(late, teams=teams)

    held = await teams.get(case_id)
    assert held
    assert held.workers(NOON) == (worker,)


async def test_a_team_that_changed_meanwhile_is_decided_on_again(teams: Teams) -> None:
    case_id = new_id()
    await follow_team(team((new_id(), IVS), case_id=case_id), teams=teams)

    held = await teams.get(case_id)
    assert held
    await teams.save(held.model_copy(update={"heard": 2}))
    with pytest.raises(Conflict):
        await teams.save(held.model_copy(update={"heard": 3}))


async def test_silence_is_told_up_the_chain_and_never_ends_there(
    escalates: Tell, notifications: Notifications, workers: WorkersDirectory
) -> None:
    deputy, team_lead = workers.knows(), workers.knows()
    coordinator = workers.has_on_duty()
    worker = workers.knows(deputy=deputy, team_lead=team_lead)
    held = await notifications.save(notification(worker_id=worker))
    at = held.ack_by
    assert at

    for _ in range(5):
        due = await notifications.get(held.id)
        assert due
        at = due.escalate_at
        assert at
        await escalates(due, at=at)

    due = await notifications.get(held.id)
    assert due
    chain = [deputy, team_lead, coordinator, coordinator, coordinator]
    assert [each.worker_id for each in due.told] == [worker, *chain]
    assert [each.step for each in due.told] == [0, 1, 2, 3, 4, 4]
    assert [(each.at - NOON) / MINUTE for each in due.told] == [0, 10, 25, 40, 55, 85]
    said = [each.data for each in await published(notifications)]
    assert [each.told for each in said if isinstance(each, NotificationEscalated)] == (
        chain
    )


async def test_an_escalation_says_by_how_much_it_was_late(
    escalates: Tell, notifications: Notifications, workers: WorkersDirectory
) -> None:
    deputy = workers.knows()
    due = await notifications.save(notification(worker_id=workers.knows(deputy=deputy)))

    await escalates(due, at=NOON + 12 * MINUTE)

    escalated, in_inbox = await published(notifications)
    assert isinstance(escalated.data, NotificationEscalated)
    assert escalated.data.late_by == 120.0
    assert (escalated.data.step, escalated.data.told) == (1, deputy)
    assert escalated.data.worker_id == due.worker_id
    assert escalated.lane is Lane.URGENT
    assert isinstance(in_inbox.data, NotificationSent)
    assert in_inbox.data.worker_id == deputy


@pytest.mark.parametrize("known", [True, False])
async def test_a_step_at_which_there_is_nobody_is_passed_over(
    escalates: Tell,
    notifications: Notifications,
    workers: WorkersDirectory,
    *,
    known: bool,
) -> None:
    coordinator = workers.has_on_duty()
    worker = workers.knows() if known else new_id()
    due = await notifications.save(notification(worker_id=worker))

    await escalates(due)

    held = await notifications.get(due.id)
    assert held
    assert held.told_workers == [worker, coordinator]
    assert held.step == 3
    assert held.escalate_at == LATER + 15 * MINUTE


async def test_in_the_end_everybody_on_duty_is_told_at_once_but_who_is_barred(
    escalates: Tell,
    notifications: Notifications,
    workers: WorkersDirectory,
    standings: KnownStandings,
) -> None:
    first = workers.has_on_duty()
    second, barred = workers.knows(), workers.knows()
    workers.also_on_duty = (second, barred)
    due = await notifications.save(
        notification().model_copy(
            update={"step": 3, "told": (Telling(worker_id=first, at=NOON),)}
        )
    )
    standings.tell(barred, due.case_id, conflict=True)

    await escalates(due)

    held = await notifications.get(due.id)
    assert held
    assert [each.worker_id for each in held.told] == [first, first, second]
    said = [each.data for each in await published(notifications)]
    escalated = [each for each in said if isinstance(each, NotificationEscalated)]
    assert [each.told for each in escalated] == [first, second]


async def test_nobody_is_told_at_two_steps(
    escalates: Tell, notifications: Notifications, workers: WorkersDirectory
) -> None:
    deputy, team_lead = workers.knows(), workers.knows()
    worker = workers.knows(deputy=deputy, team_lead=deputy)
    coordinator = workers.has_on_duty()
    due = await notifications.save(notification(worker_id=worker))

    await escalates(due)
    due = await notifications.get(due.id) or due
    await escalates(due)

    held = await notifications.get(due.id)
    assert held
    assert held.told_workers == [worker, deputy, coordinator]
    assert team_lead not in held.told_workers


async def test_the_next_coordinator_on_duty_is_told_as_well(
    escalates: Tell, notifications: Notifications, workers: WorkersDirectory
) -> None:
    day, night = workers.has_on_duty(), workers.knows()
    due = await notifications.save(notification(worker_id=workers.knows()))
    await escalates(due)
    workers.on_duty = night
    due = await notifications.get(due.id) or due

    await escalates(due, at=LATER + 30 * MINUTE)

    held = await notifications.get(due.id)
    assert held
    assert held.told_workers == [due.worker_id, day, night]


async def test_at_the_end_whoever_on_duty_was_not_told_comes_before_who_was(
    escalates: Tell,
    notifications: Notifications,
    workers: WorkersDirectory,
    standings: KnownStandings,
) -> None:
    first = workers.has_on_duty()
    barred, second = workers.knows(), workers.knows()
    workers.also_on_duty = (barred, second)
    made = notification(worker_id=first).model_copy(update={"chain": "coordinators"})
    standings.tell(barred, made.case_id, conflict=True)
    due = await notifications.save(
        made.cannot_take(first, DeclineReason.NO_CAPACITY, NOON)
    )

    for _ in range(2):
        await escalates(await notifications.get(due.id) or due)

    held = await notifications.get(due.id)
    assert held
    assert [each.worker_id for each in held.told] == [first, second, first]


async def test_an_escalation_waits_for_a_directory_that_is_away(
    escalates: Tell, notifications: Notifications, workers: WorkersDirectory
) -> None:
    due = await notifications.save(notification(worker_id=workers.knows()))
    workers.status = 500

    with pytest.raises(DirectoryAway):
        await escalates(due)

    assert await notifications.get(due.id) == due


@pytest.mark.parametrize("answer", [accepted, declined])
@pytest.mark.parametrize("first", ["offer", "answer"])
async def test_an_answer_acknowledges_the_offer_whatever_is_heard_of_first(
    hears: Hears, notifications: Notifications, answer: End, first: str
) -> None:
    offer = offered(level=RiskLevel.HIGH, lane=Lane.URGENT)
    answered = answer(offer)
    heard = [offer, answered] if first == "offer" else [answered, offer]

    for message in heard:
        await hears(message)

    [held] = await all_of(notifications)
    assert (held.acknowledged_by, held.acknowledged_at) == (held.worker_id, ANSWERED)
    assert (held.ended_at, held.due_at) == (ANSWERED, None)
    said = (await published(notifications))[-1]
    assert isinstance(said.data, NotificationAcknowledged)
    assert (said.data.worker_id, said.data.acknowledged_at) == (
        held.worker_id,
        ANSWERED,
    )
    assert (said.lane, said.causation_id) == (Lane.URGENT, heard[-1].id)


@pytest.mark.parametrize("end", [expired, withdrawn])
@pytest.mark.parametrize("first", ["offer", "end"])
async def test_an_offer_without_an_answer_ends_and_nobody_has_acknowledged_it(
    hears: Hears, notifications: Notifications, first: str, end: End
) -> None:
    offer = offered(level=RiskLevel.HIGH)
    ended = end(offer)

    for message in [offer, ended] if first == "offer" else [ended, offer]:
        await hears(message)

    [held] = await all_of(notifications)
    assert (held.acknowledged_by, held.acknowledged_at) == (None, None)
    assert (held.ended_at, held.due_at) == (ANSWERED, None)
    told_of = [type(each.data) for each in await published(notifications)]
    assert told_of == [NotificationSent]


@pytest.mark.parametrize("end", [accepted, declined, expired, withdrawn])
async def test_an_offer_ends_if_it_and_its_end_are_handled_at_the_same_time(
    tells: Tell, offers: Offers, notifications: Notifications, end: End
) -> None:
    for turns in sorted({*permutations("oe" * 2)}):
        offer = offered(level=RiskLevel.HIGH)
        steps = {
            whose: iter(steps_of(message, tells, offers, notifications))
            for whose, message in (("o", offer), ("e", end(offer)))
        }

        for turn in turns:
            await next(steps[turn])()

        [held] = [
            each
            for each in await all_of(notifications)
            if each.about_id == offer.data.allocation_id
        ]
        assert held.ended_at == ANSWERED, turns


@pytest.mark.parametrize("end", [accepted, declined, expired, withdrawn])
async def test_the_redelivered_end_of_an_offer_changes_nothing(
    hears: Hears, notifications: Notifications, offers: Offers, end: End
) -> None:
    offer = offered()
    ended = end(offer)
    await hears(offer)
    await hears(ended)
    before = [each async for each in notifications.documents.find({})]
    noted = [each async for each in offers.documents.find({})]

    for message in (ended, offer, ended):
        await hears(message)

    assert [each async for each in notifications.documents.find({})] == before
    assert [each async for each in offers.documents.find({})] == noted


async def test_who_is_asked_again_after_their_silence_is_waited_for_again(
    hears: Hears, notifications: Notifications
) -> None:
    offer = offered()
    lapsed = expired(offer, version=2)
    again = offered_again(offer, version=3)
    taken = accepted(offer, version=4)

    for order in permutations([offer, lapsed, again]):
        for message in order:
            await hears(message)
        by_revision = {e.revision: e for e in await all_of(notifications)}
        assert by_revision[1].ended_at == ANSWERED
        assert by_revision[1].acknowledged_at is None
        assert by_revision[3].due_at
        await notifications.documents.delete_many({})

    for message in (again, taken, lapsed, offer):
        await hears(message)
    assert {each.acknowledged_at for each in await all_of(notifications)} == {ANSWERED}


async def test_an_answer_ends_both_messages_about_an_offer_that_got_less_time(
    hears: Hears, notifications: Notifications
) -> None:
    offer = offered()
    await hears(offer)
    await hears(offered_again(offer, version=2))

    await hears(accepted(offer, version=3))

    assert [each.due_at for each in await all_of(notifications)] == [None, None]


async def test_an_answer_ends_nothing_else(
    hears: Hears,
    tells: Tell,
    notifications: Notifications,
    workers: WorkersDirectory,
) -> None:
    coordinator = workers.has_on_duty()
    mine, anothers = offered(coordinator), offered()
    alarm = unfilled(allocation_id=mine.data.allocation_id)
    same_role = offered(allocation_id=mine.data.allocation_id)
    for message in (mine, anothers, same_role):
        await hears(message)
    await tells(alarm)

    await hears(accepted(mine, version=9))

    ended = {each.event for each in await all_of(notifications) if each.ended_at}
    still_open = [each for each in await all_of(notifications) if each.due_at]
    assert ended == {OFFERED}
    assert {(each.event, each.worker_id) for each in still_open} == {
        (OFFERED, anothers.data.worker_id),
        (OFFERED, same_role.data.worker_id),
        (alarm.type, coordinator),
    }


async def test_an_answer_ends_the_offer_for_everybody_who_was_told_since(
    hears: Hears,
    escalates: Tell,
    notifications: Notifications,
    workers: WorkersDirectory,
) -> None:
    deputy = workers.knows()
    offer = offered(workers.knows(deputy=deputy), level=RiskLevel.HIGH)
    await hears(offer)
    [due] = await all_of(notifications)
    await escalates(due)

    await hears(declined(offer))

    [held] = await all_of(notifications)
    assert held.told_workers == [due.worker_id, deputy]
    assert (held.acknowledged_by, held.due_at) == (due.worker_id, None)


@pytest.mark.parametrize("end", [accepted, declined, expired, withdrawn])
async def test_what_was_acknowledged_before_the_offer_ended_stays_as_it_was(
    hears: Hears, notifications: Notifications, end: End
) -> None:
    offer = offered()
    await hears(offer)
    [held] = await all_of(notifications)
    await acknowledge(held.id, held.worker_id, at=NOON, notifications=notifications)
    before = await all_of(notifications)

    await hears(end(offer))

    assert await all_of(notifications) == before


async def test_an_end_and_an_escalation_at_once_do_not_both_count(
    hears: Hears,
    escalates: Tell,
    notifications: Notifications,
    workers: WorkersDirectory,
) -> None:
    workers.has_on_duty()
    offer = offered(workers.knows())
    await hears(offer)
    [due] = await all_of(notifications)

    await hears(expired(offer))
    with pytest.raises(Conflict):
        await escalates(due)

    [held] = await all_of(notifications)
    assert held.told_workers == [due.worker_id]


async def test_who_reads_of_an_offer_that_has_lapsed_may_say_so(
    hears: Hears, notifications: Notifications
) -> None:
    offer = offered()
    await hears(offer)
    await hears(expired(offer))
    [held] = await all_of(notifications)

    await acknowledge(held.id, held.worker_id, at=LATER, notifications=notifications)

    [held] = await all_of(notifications)
    assert (held.ended_at, held.acknowledged_at) == (ANSWERED, LATER)


async def test_any_of_those_who_were_told_may_acknowledge(
    escalates: Tell, notifications: Notifications, workers: WorkersDirectory
) -> None:
    deputy = workers.knows()
    due = await notifications.save(notification(worker_id=workers.knows(deputy=deputy)))
    await escalates(due)

    await acknowledge(due.id, deputy, at=LATER, notifications=notifications)

    held = await notifications.get(due.id)
    assert held
    assert (held.acknowledged_by, held.due_at) == (deputy, None)
    said = (await published(notifications))[-1]
    assert isinstance(said.data, NotificationAcknowledged)
    assert (said.data.worker_id, said.data.acknowledged_at) == (deputy, LATER)


async def test_acknowledging_twice_is_as_good_as_once(
    notifications: Notifications,
) -> None:
    held = await notifications.save(notification())
    note = partial(acknowledge, held.id, held.worker_id, notifications=notifications)

    await note(at=NOON)
    await note(at=LATER)

    again = await notifications.get(held.id)
    assert again
    assert again.acknowledged_at == NOON
    assert len(await published(notifications)) == 1


async def test_what_somebody_else_was_told_cannot_be_acknowledged(
    notifications: Notifications,
) -> None:
    held = await notifications.save(notification())

    for message_id in (held.id, new_id()):
        with pytest.raises(NoSuchMessage):
            await acknowledge(
                message_id, new_id(), at=NOON, notifications=notifications
            )

    assert await notifications.get(held.id) == held


async def test_an_acknowledgement_and_an_escalation_at_once_do_not_both_count(
    escalates: Tell, notifications: Notifications, workers: WorkersDirectory
) -> None:
    workers.has_on_duty()
    due = await notifications.save(notification(worker_id=workers.knows()))

    await acknowledge(due.id, due.worker_id, at=LATER, notifications=notifications)
    with pytest.raises(Conflict):
        await escalates(due)

    held = await notifications.get(due.id)
    assert held
    assert held.told_workers == [due.worker_id]


async def test_events_hold_ids_codes_and_times_only(
    tells: Tell, escalates: Tell, notifications: Notifications, workers: Any
) -> None:
    sentinel = "sentinel@example.org"
    deputy = workers.knows(email=sentinel)
    worker = workers.knows(email=sentinel, deputy=deputy)
    await tells(offered(worker, level=RiskLevel.HIGH))
    [due] = await all_of(notifications)
    await escalates(due)
    await acknowledge(due.id, deputy, at=LATER, notifications=notifications)

    said = [each.data.model_dump_json() for each in await published(notifications)]
    stored = str([each async for each in notifications.documents.find({})])

    assert len(said) == 4
    assert sentinel not in "".join(said) + stored


async def test_who_left_is_waited_for_no_more_however_fast_the_team_changes(
    notifications: Notifications, teams: Teams, reach: Reach
) -> None:
    one, other, third, case_id, merged = (new_id() for _ in range(5))
    changes = [
        team(*((who, IVS) for who in places), case_id=case_id, version=version)
        for version, places in enumerate(((one, other), (other,), (other, third)), 1)
    ]
    to = {"case_id": case_id}, {"case_id": merged}
    asks = [
        notification(worker_id=one, event="action.overdue.v1").model_copy(update=each)
        for each in to
    ]
    stays = notification(worker_id=other, event="action.overdue.v1")
    offer = notification(worker_id=one)
    others = [each.model_copy(update=to[0]) for each in (stays, offer)]
    for each in (*asks, *others):
        await notifications.save(each)
    into = CaseMerged(case_id=merged, survivor_id=case_id, merged_at=NOON)
    await note_merging(message_of(into), teams=teams)

    # Both changes are noted before what follows from the first is done.
    for each in changes:
        await follow_team(each, teams=teams)
    for each in changes:
        await move_on(
            each,
            at=NOON,
            teams=teams,
            notifications=notifications,
            reach=reach,
            policy=POLICY,
            mail=False,
        )

    now = {each.id: each.escalate_at == NOON for each in await all_of(notifications)}
    assert [now[each.id] for each in asks] == [True, True]
    assert [now[each.id] for each in others] == [False, False]


async def test_an_erased_case_ends_what_was_told_of_it(
    tells: Tell, notifications: Notifications, teams: Teams
) -> None:
    message = offered(level=RiskLevel.HIGH)
    case_id = message.data.case_id
    await follow_team(team((new_id(), LEAD), case_id=case_id), teams=teams)
    await tells(message)
    told = message_of(CaseErased(case_id=case_id, reason="court", erased_at=NOON))

    await erase_team(told, teams=teams)
    await erase_notifications(told, notifications=notifications)
    await follow_team(team((new_id(), LEAD), case_id=case_id), teams=teams)

    [held] = await all_of(notifications)
    gone = await teams.get(case_id)
    assert held.ended_at == NOON
    assert (held.about_id, held.due_at) == (None, None)
    assert [each.mail for each in held.told] == [None]
    assert gone
    assert (gone.members, gone.erased_at) == ((), NOON)
