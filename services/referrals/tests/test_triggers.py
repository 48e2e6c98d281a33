"""Dates that are known ahead: what may be told, and clocks that fall due once."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from accord_chassis import topology
from accord_chassis.binding import unpack
from accord_chassis.clock import SimulatedClock
from accord_chassis.store import Database
from accord_chassis.testing import NOON, Alive, alive, eventually, message_of, new_id
from accord_contracts.catalogue import CATALOGUE
from accord_contracts.message import Lane
from accord_contracts.referrals import (
    CaseErased,
    TriggerCancelled,
    TriggerFellDue,
    TriggerKind,
    TriggerScheduled,
    TriggerTold,
)
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from referrals.app import Settings, create_app
from referrals.domain.trigger import (
    CHANGES_KEPT,
    AlreadyFellDue,
    State,
    ToldTrigger,
    Trigger,
    TriggerRules,
    When,
)
from referrals.store import Cases
from referrals.triggers import Triggers, fall_due, forget, schedule
from referrals_builders import POLICY, Running, body, case, referral

RULES = POLICY.triggers
DAY = timedelta(days=1)
RELEASE = {"kind": "prison_release", "on": "2026-12-01"}
MIDNIGHT = datetime(2026, 11, 30, 11, tzinfo=UTC)
"""The first of December begins, in daylight time."""


def trigger(**fields: Any) -> Trigger:
    return Trigger(
        **{
            "id": new_id(),
            "case_id": new_id(),
            "referral_id": new_id(),
            "number": 0,
            "agency": "police",
            "kind": TriggerKind.PRISON_RELEASE,
            "happens_at": NOON + DAY,
            **fields,
        }
    )


@pytest.mark.parametrize(
    ("day", "begins"),
    [
        ("2027-06-01", "2027-05-31T12:00Z"),
        ("2026-12-01", "2026-11-30T11:00Z"),
        # Daylight time ends at three in the morning, and begins at two: the day begins
        # before either.
        ("2027-04-04", "2027-04-03T11:00Z"),
        ("2027-04-05", "2027-04-04T12:00Z"),
        ("2027-09-26", "2027-09-25T12:00Z"),
        ("2027-09-27", "2027-09-26T11:00Z"),
    ],
)
def test_a_day_begins_at_midnight_of_the_region_in_any_season(
    day: str, begins: str
) -> None:
    told = When.model_validate({"on": day})

    assert RULES.due_at(told) == datetime.fromisoformat(begins)


def test_a_day_begins_though_the_clocks_skip_its_midnight() -> None:
    chile = RULES.model_copy(update={"time_zone": "America/Santiago"})

    # On this day there is no midnight: after 23:59 comes 01:00.
    begins = chile.due_at(When.model_validate({"on": "2026-09-06"}))

    assert begins == datetime(2026, 9, 6, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("wrong"),
    [
        {"kind": "prison_release"},
        {"kind": "prison_release", "on": "2026-12-01", "at": "2026-12-01T09:00Z"},
        {"kind": "prison_release", "at": "2026-12-01T09:00"},
        {"kind": "full_moon", "on": "2026-12-01"},
        {"kind": "hearing", "on": "0001-01-01"},
        {"kind": "hearing", "at": "0001-01-01T00:00+14:00"},
    ],
)
def test_a_date_is_one_day_or_one_time_of_a_known_kind(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        ToldTrigger.model_validate(wrong)


@pytest.mark.parametrize(
    ("told", "rule"),
    [
        ({"at": "2026-11-02T12:00:00Z"}, "not_in_the_future"),
        ({"on": "2026-11-03"}, "not_in_the_future"),
        ({"on": "2026-11-04"}, None),
        ({"at": "2026-11-02T12:00:01Z"}, None),
        ({"at": "2028-11-01T12:00:00Z"}, None),
        ({"at": "2028-11-01T12:00:01Z"}, "too_far_ahead"),
        ({"on": "9999-12-31"}, "too_far_ahead"),
        ({"at": "9999-12-31T23:59:59-14:00"}, "too_far_ahead"),
    ],
)
def test_a_date_lies_ahead_and_not_too_far(
    told: dict[str, str], rule: str | None
) -> None:
    assert datetime(2026, 11, 2, 12, tzinfo=UTC) == NOON

    assert RULES.wrong_with(When.model_validate(told), NOON) == rule


@given(
    st.datetimes(datetime(1900, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001
)
def test_whatever_time_is_told_is_judged(at: datetime) -> None:
    wrong = RULES.wrong_with(When(at=at), NOON)

    assert (wrong is None) == (NOON < at <= NOON + 730 * DAY)


@pytest.mark.parametrize("zone", ["Waikato", "", "../etc/passwd", "/etc/passwd"])
def test_a_locality_names_a_time_zone_that_there_is(zone: str) -> None:
    told = {**RULES.model_dump(), "time_zone": zone}

    with pytest.raises(ValidationError, match="no time zone of this name"):
        TriggerRules.model_validate(told)


def test_a_date_that_is_near_makes_its_referral_urgent_and_no_other_does() -> None:
    near = {"kind": "hearing", "at": (NOON + 3 * DAY).isoformat()}
    far = {"kind": "hearing", "at": (NOON + 4 * DAY).isoformat()}

    assert referral(triggers=[far, near]).lane is Lane.URGENT
    assert referral(triggers=[far]).lane is Lane.ROUTINE
    assert referral().lane is Lane.ROUTINE


def test_what_is_told_twice_is_the_same_however_a_release_adds_fields() -> None:
    assert "triggers" not in referral().told.canonical


def test_a_date_that_was_moved_keeps_what_it_was() -> None:
    held = trigger()

    moved = held.move(NOON + 9 * DAY, by="desk", at=NOON)

    assert moved.due_at == NOON + 9 * DAY
    [change] = moved.changes
    assert (change.was, change.by, change.at) == (NOON + DAY, "desk", NOON)
    assert moved.move(NOON + 9 * DAY, by="desk", at=NOON) is moved


def test_a_date_that_fell_due_can_be_moved_and_not_called_off() -> None:
    there = trigger().fall_due(NOON + DAY)

    assert there.due_at is None
    with pytest.raises(AlreadyFellDue):
        there.cancel(by="desk", at=NOON + DAY)
    again = there.move(NOON + 2 * DAY, by="desk", at=NOON + DAY)
    assert (again.due_at, again.fell_due_at) == (NOON + 2 * DAY, None)


def test_changes_are_bounded() -> None:
    held = trigger()
    for hour in range(CHANGES_KEPT + 5):
        held = held.move(NOON + (hour + 2) * DAY, by="desk", at=NOON)

    assert len(held.changes) == CHANGES_KEPT


async def scheduled(running: Running, *told: dict[str, Any], key: str = "17") -> str:
    """Submit a referral that tells of dates, and wait until their clocks are set."""
    answer = await running.submit(body(triggers=told), key=key)
    assert answer.status_code == 202, answer.text
    referral_id: str = answer.json()["referral_id"]
    known = running.service.store(Triggers)

    async def all_set() -> bool:
        return len(await known.of_referral(referral_id)) == len(told)

    await eventually(all_set)
    return referral_id


async def ask(
    running: Running, method: str, path: str, told: Any = None, agency: str = "police"
) -> Any:
    headers = running.bearer(agency=agency)
    url = f"/v1/referrals/{path}"
    return await running.http.request(method, url, headers=headers, json=told)


def heard(running: Running | Alive, *kinds: type[Any]) -> list[Any]:
    """Give what waits for the risk service, in order of lanes."""
    queues = [topology.queue_of("risk", each) for each in Lane]
    ready = (each for name in queues for each in running.broker.queues[name].ready)
    told = (unpack(each, CATALOGUE) for each in ready)
    return [each for each in told if isinstance(each.data, kinds)]


def hears(running: Running | Alive, *kinds: type[Any], count: int = 1) -> Any:
    """Wait until the risk service has been told something so often, and give it."""

    async def look() -> list[Any]:
        found = heard(running, *kinds)
        return found if len(found) >= count else []

    return eventually(look)


async def test_a_date_is_told_of_once_its_referral_has_a_case(running: Running) -> None:
    referral_id = await scheduled(
        running, {**RELEASE, "about": [1], "reference": "release_list"}
    )

    [told] = await hears(running, TriggerScheduled)
    assert told.data.kind is TriggerKind.PRISON_RELEASE
    assert told.data.due_at == MIDNIGHT
    assert told.lane is Lane.ROUTINE
    [held] = await running.service.store(Triggers).of_referral(referral_id)
    kept = await running.referrals.get(referral_id)
    assert kept
    assert held.person_ids == (kept.person_ids[1],)
    assert told.data.trigger_id == held.id
    shown = (await ask(running, "GET", f"{referral_id}/triggers")).json()
    assert [(each["number"], each["reference"]) for each in shown] == [
        (0, "release_list")
    ]


async def test_a_date_falls_due_once_though_nobody_was_there_and_also_after_a_restart(
    settings: Settings, clock: SimulatedClock, store_client: Any
) -> None:
    # The service was told of it, and is away when the day comes.
    kept = Database(
        store_client, settings.database, source="/test/referrals", clock=clock
    )
    await Triggers(kept).save(trigger(happens_at=MIDNIGHT))
    clock.advance(MIDNIGHT - NOON + timedelta(hours=5))

    async with alive("referrals", create_app, settings, clock) as back:
        await back.service.sweep_once()
        [told] = await hears(back, TriggerFellDue)
        async with alive("referrals", create_app, settings, clock) as again:
            assert await again.service.sweep_once() == 0
            assert heard(again, TriggerFellDue) == []
        assert len(heard(back, TriggerFellDue)) == 1

    assert told.data.due_at == MIDNIGHT
    assert told.data.late_by == 5 * 3600
    assert told.lane is Lane.URGENT


async def test_two_replicas_that_both_saw_it_fall_due_tell_it_once(
    running: Running, clock: SimulatedClock
) -> None:
    await scheduled(running, RELEASE)
    known = running.service.store(Triggers)
    clock.advance(60 * DAY)
    [held] = [known.load(each) async for each in known.documents.find({})]

    await fall_due(held, triggers=known, clock=clock)
    again = await known.get(held.id)
    assert again
    await fall_due(again, triggers=known, clock=clock)

    await hears(running, TriggerFellDue)
    assert len(heard(running, TriggerFellDue)) == 1


async def test_a_moved_date_does_not_fall_due_at_its_old_time(
    running: Running, clock: SimulatedClock
) -> None:
    referral_id = await scheduled(running, RELEASE)
    path = f"{referral_id}/triggers/0"

    later = {"at": "2026-12-08T09:00:00+13:00"}
    moved = await ask(running, "PUT", path, later)

    assert moved.status_code == 200, moved.text
    assert moved.json()["due_at"] == "2026-12-07T20:00:00Z"
    assert [each["was"] for each in moved.json()["changes"]] == ["2026-11-30T11:00:00Z"]
    again = await ask(running, "PUT", path, later)
    assert again.json() == moved.json()
    first, second = await hears(running, TriggerScheduled, count=2)
    assert second.aggregate_version > first.aggregate_version
    clock.advance(MIDNIGHT - NOON + DAY)
    await running.service.sweep_once()
    assert heard(running, TriggerFellDue) == []
    clock.advance(7 * DAY)
    await running.service.sweep_once()
    [there] = await hears(running, TriggerFellDue)
    assert there.data.due_at == datetime(2026, 12, 7, 20, tzinfo=UTC)


async def test_a_date_that_was_called_off_never_falls_due(
    running: Running, clock: SimulatedClock
) -> None:
    referral_id = await scheduled(running, RELEASE)
    path = f"{referral_id}/triggers/0"

    answers = [await ask(running, "DELETE", path) for _again in range(2)]

    assert [each.status_code for each in answers] == [204, 204]
    [told] = await hears(running, TriggerCancelled)
    assert told.data.due_at == MIDNIGHT
    clock.advance(90 * DAY)
    await running.service.sweep_once()
    assert heard(running, TriggerFellDue) == []
    [shown] = (await ask(running, "GET", f"{referral_id}/triggers")).json()
    assert shown["state"] == "cancelled"


async def test_a_date_that_is_there_is_moved_but_not_called_off(
    running: Running, clock: SimulatedClock
) -> None:
    path = f"{await scheduled(running, RELEASE)}/triggers/0"
    clock.advance(60 * DAY)
    await running.service.sweep_once()

    assert (await ask(running, "DELETE", path)).status_code == 409
    assert (await ask(running, "PUT", path, {"on": "2027-03-01"})).status_code == 200


async def test_only_the_agency_that_told_of_a_date_sees_or_changes_it(
    running: Running,
) -> None:
    path = f"{await scheduled(running, RELEASE)}/triggers"

    for method, rest, told in (
        ("GET", "", None),
        ("PUT", "/0", {"on": "2027-03-01"}),
        ("DELETE", "/0", None),
    ):
        answer = await ask(running, method, path + rest, told, agency="hospital")
        assert answer.status_code == 404
    assert (await ask(running, "DELETE", f"{path}/1")).status_code == 404
    assert (await ask(running, "DELETE", f"{new_id()}/triggers/0")).status_code == 404
    assert (await ask(running, "DELETE", f"{path}/10")).status_code == 422


async def test_a_date_of_a_referral_without_a_case_is_not_there_yet(
    running: Running,
) -> None:
    posted = referral(triggers=[RELEASE])
    await running.referrals.save(posted)

    answer = await ask(running, "DELETE", f"{posted.id}/triggers/0")

    assert answer.status_code == 409
    assert answer.json()["type"].endswith("not-scheduled-yet")


@pytest.mark.parametrize(
    ("told", "pointer", "rule"),
    [
        ({**RELEASE, "on": "2026-11-01"}, "/body/triggers/1/on", "not in the future"),
        ({**RELEASE, "on": "2036-11-01"}, "/body/triggers/1/on", "too far ahead"),
        ({**RELEASE, "about": [0, 2]}, "/body/triggers/1/about/1", "no such person"),
        ({"kind": "hearing"}, "/body/triggers/1", "on or at"),
    ],
)
async def test_a_date_that_cannot_be_is_refused_and_named(
    running: Running, told: dict[str, Any], pointer: str, rule: str
) -> None:
    answer = await running.submit(body(triggers=[RELEASE, told]), key="17")

    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"pointer": pointer, "rule": rule}]


async def test_a_date_is_moved_to_where_it_can_be_alone(running: Running) -> None:
    path = f"{await scheduled(running, RELEASE)}/triggers/0"

    answer = await ask(running, "PUT", path, {"on": "2026-11-01"})

    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"pointer": "/body/on", "rule": "not in the future"}
    ]


async def test_a_referral_posted_again_is_answered_though_its_date_has_passed(
    running: Running, clock: SimulatedClock
) -> None:
    first = await running.submit(body(triggers=[RELEASE]), key="17")
    clock.advance(90 * DAY)

    again = await running.submit(body(triggers=[RELEASE]), key="17")
    new = await running.submit(body(triggers=[RELEASE]), key="18")

    assert again.json() == first.json()
    assert new.status_code == 422


async def test_a_case_that_is_erased_has_no_dates_and_gets_none(
    running: Running, clock: SimulatedClock
) -> None:
    referral_id = await scheduled(running, RELEASE)
    known = running.service.store(Triggers)
    [held] = await known.of_referral(referral_id)
    erased = CaseErased(case_id=held.case_id, reason="court", erased_at=NOON)

    await forget(message_of(erased), triggers=known)

    assert await known.of_referral(referral_id) == []
    gone = case()
    told = TriggerTold(
        case_id=gone.id,
        trigger_id=held.id,
        kind=held.kind,
        due_at=MIDNIGHT,
        referral_id=referral_id,
        number=0,
        agency="police",
        person_ids=(),
        reference=None,
    )
    await schedule(
        message_of(told),
        triggers=known,
        cases=running.service.store(Cases),
        rules=RULES,
        clock=clock,
    )
    assert await known.of_referral(referral_id) == []


async def test_a_near_date_takes_the_urgent_lane_and_is_set_once(
    running: Running, clock: SimulatedClock
) -> None:
    cases, known = running.service.store(Cases), running.service.store(Triggers)
    held = await cases.save(case().model_copy(update={"keys": (new_id(),)}))
    told = message_of(
        TriggerTold(
            case_id=held.id,
            trigger_id=new_id(),
            kind=TriggerKind.HEARING,
            due_at=NOON + DAY,
            referral_id=new_id(),
            number=0,
            agency="police",
            person_ids=(),
            reference=None,
        )
    )

    for _again in range(2):
        await schedule(told, triggers=known, cases=cases, rules=RULES, clock=clock)

    [said] = await hears(running, TriggerScheduled)
    assert said.lane is Lane.URGENT
    found = await known.get(told.data.trigger_id)
    assert found
    assert (found.state, found.due_at) == (State.SCHEDULED, NOON + DAY)


async def test_the_dates_of_a_case_and_of_a_referral_are_found_by_an_index(
    running: Running,
) -> None:
    known = running.service.store(Triggers)
    for query in ({"case_id": new_id()}, {"referral_id": new_id()}):
        plan = await known.documents.find(query).explain()
        assert "COLLSCAN" not in str(plan)
        assert "IXSCAN" in str(plan)
