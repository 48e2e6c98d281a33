"""What an agency is told of how good its referrals are: codes and times, and nobody."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx2
import pytest
from accord_chassis.clock import SimulatedClock
from accord_chassis.testing import COORDINATOR, NOON, new_id
from accord_contracts.message import Lane
from hypothesis import given
from hypothesis import strategies as st
from referrals.domain.quality import (
    FEWEST,
    PERIOD,
    UNSAFE,
    Gap,
    QualityReport,
    Sent,
    TooFew,
    last_period,
)
from referrals_builders import JOHN, MERE, POLICY, Running, body, nhi, telling

SAFE = {"channel": "phone", "value": "021 555 0100", "safety": "safe"}
HER = {**MERE, "identifiers": [nhi("ZZZ0016")], "contact_points": [SAFE]}
HIM = {"role": "person_using_violence", **JOHN}
WHOLE: dict[str, Any] = {
    "people": [HER, HIM],
    "place": {"area": "addington"},
    "answers": {"strangulation": "no"},
}


def with_her(**told: Any) -> dict[str, Any]:
    return {"people": [{**HER, **told}, HIM]}


def reached(**told: Any) -> dict[str, Any]:
    return with_her(contact_points=[{**SAFE, **told}])


@pytest.mark.parametrize(
    ("told", "gaps"),
    [
        ({}, set()),
        (with_her(date_of_birth=None), {Gap.DATE_OF_BIRTH}),
        (with_her(family_name=None), {Gap.WHOLE_NAME}),
        (with_her(given_name="Unknown"), {Gap.WHOLE_NAME}),
        (with_her(identifiers=[]), {Gap.IDENTIFIER}),
        ({"people": [HER]}, {Gap.PERSON_USING_VIOLENCE}),
        ({"place": {}}, {Gap.AREA}),
        ({"answers": {"injury": "yes"}}, {Gap.RISK_ANSWERS}),
        ({"answers": {"strangulation": "not_asked"}}, {Gap.RISK_ANSWERS}),
        (with_her(contact_points=[]), {Gap.CONTACT}),
        (reached(safety="unknown"), {Gap.CONTACT_NOT_SAFE}),
        (reached(hours="After school."), {Gap.CONTACT_HOURS}),
        (reached(read_by="His mother."), {Gap.CONTACT_READ}),
        (
            {"people": [HER, {**HIM, "contact_points": [{**SAFE, "channel": "text"}]}]},
            {Gap.CONTACT_SHARED},
        ),
    ],
)
def test_what_a_referral_lacks_is_known_by_codes(
    told: dict[str, Any], gaps: set[Gap]
) -> None:
    assert {*POLICY.gaps(telling(**{**WHOLE, **told}))} == gaps


def test_what_is_unsafe_is_told_apart_from_what_is_missing() -> None:
    assert Gap.CONTACT not in UNSAFE
    assert {Gap.CONTACT_NOT_SAFE, Gap.CONTACT_SHARED} < UNSAFE


def sent(
    hours: float, lane: Lane = Lane.ROUTINE, *gaps: Gap, dated: bool = False
) -> Sent:
    return Sent(
        dated=dated,
        lane=lane,
        occurred_at=NOON - timedelta(hours=hours),
        received_at=NOON,
        gaps=gaps,
        amended=False,
        withdrawn=None,
    )


def report(*some: Sent) -> QualityReport:
    rules = POLICY.quality
    return QualityReport.of(
        "police", some, rules, since=NOON, until=NOON, complete=True
    )


def test_late_is_by_lane_and_after_its_hours() -> None:
    routine = POLICY.quality.late_hours[Lane.ROUTINE]
    urgent = POLICY.quality.late_hours[Lane.URGENT]
    on_time = sent(routine), sent(urgent, Lane.URGENT), sent(-0.01)

    told = report(*on_time, sent(routine + 1), sent(urgent + 1, Lane.URGENT))

    assert (told.referrals, told.late) == (5, 2)
    assert report(sent(1), sent(2), sent(9)).median_hours == 2
    assert report().median_hours is None


def test_what_tells_of_a_date_ahead_is_late_by_no_hours() -> None:
    release = sent(3 * 365 * 24, dated=True)

    told = report(sent(1), sent(3), *[release] * 8)

    assert (told.referrals, told.dated, told.late, told.median_hours) == (10, 8, 0, 2)
    assert report(release).median_hours is None
    # Two alone are measured: of those others are told nothing.
    assert (told.for_others().late, told.for_others().median_hours) == (None, None)
    enough = report(*[sent(1)] * 10, release).for_others()
    assert (enough.late, enough.median_hours) == (0, 1)


async def test_a_release_that_is_told_ahead_is_not_late(running: Running) -> None:
    release = {"kind": "prison_release", "on": "2026-11-20", "about": [1]}
    told = body(occurred_at="2020-10-01T00:00Z", triggers=[release])
    assert (await running.submit(told, key="1")).status_code == 202

    own = (await read(running, "referrals/quality")).json()

    assert (own["referrals"], own["dated"], own["late"]) == (1, 1, 0)
    assert own["median_hours"] is None


async def read(
    running: Running, path: str, scope: str = "referrals.read", **claims: Any
) -> httpx2.Response:
    headers = running.bearer(scope, **claims)
    return await running.http.get(f"/v1/{path}", headers=headers)


async def test_an_agency_reads_its_own_report(running: Running) -> None:
    secret = "Sentinelname"
    lacking = body(people=[{"role": "person_harmed", "given_name": secret}])
    first = await running.submit(lacking, key="1")
    await running.submit(body(**WHOLE, occurred_at="2026-10-01T00:00Z"), key="2")
    await running.submit(body(), key="3", agency="hospital")
    whole = {"person": 0, "family_name": "Smith"}
    await running.amend(first.json()["referral_id"], {"people": [whole]})
    await running.withdraw(first.json()["referral_id"])

    own = await read(running, "referrals/quality")
    theirs = await read(running, "referrals/quality", agency="hospital")

    told = own.json()
    assert (told["agency"], told["referrals"], told["late"]) == ("police", 2, 1)
    assert (told["amended"], told["withdrawn"]) == (1, {"wrong_person": 1})
    assert told["missing"] == {
        "date_of_birth": 1, "whole_name": 1, "identifier": 1, "area": 1,
        "person_using_violence": 1, "risk_answers": 1, "contact": 1,
    }  # fmt: skip
    assert not any(told["unsafe_contact"].values())
    assert told["complete"] is True
    assert theirs.json()["referrals"] == 1
    assert secret not in own.text
    assert first.json()["referral_id"] not in own.text


def test_of_few_referrals_others_than_the_agency_are_told_nothing() -> None:
    few = report(*[sent(1)] * (FEWEST - 1))
    many = report(*[sent(1)] * FEWEST)

    with pytest.raises(TooFew):
        few.for_others()
    assert many.for_others() == many


@given(st.integers(0, 2 * 365 * 24), st.integers(0, 400))
def test_no_referral_is_in_one_of_two_periods_that_overlap(
    hours: int, days: int
) -> None:
    now, zone = NOON + timedelta(hours=hours), POLICY.time_zone

    (since, until), later = (
        last_period(each, zone) for each in (now, now + timedelta(days=days))
    )

    assert later == (since, until) or later[0] >= until
    assert since < until <= now < until + timedelta(days=PERIOD + 1)
    assert last_period(until, zone) == (since, until)
    midnights = {each.astimezone(ZoneInfo(zone)).hour for each in (since, until)}
    assert midnights == {0}


async def test_coordinators_are_told_of_many_referrals_and_never_of_few(
    running: Running, clock: SimulatedClock
) -> None:
    async def refer(key: str) -> None:
        at = (clock.now() - timedelta(hours=1)).isoformat()
        sent = await running.submit(body(occurred_at=at), key=key)
        assert sent.status_code == 202, sent.text

    async def shown() -> httpx2.Response:
        coordinator = {"agency": "", "worker": COORDINATOR}
        path = "agencies/police/quality?days=1"
        return await read(running, path, "referrals.quality", **coordinator)

    for number in range(FEWEST - 1):
        await refer(f"{number}")
    _, ends = last_period(clock.now() + timedelta(days=PERIOD), POLICY.time_zone)
    present = await shown()
    clock.advance(ends - clock.now() - timedelta(minutes=1))
    await refer("last")
    before = await shown()
    clock.advance(timedelta(minutes=1))
    many = await shown()
    clock.advance(timedelta(minutes=1))
    await refer("next")

    assert (present.status_code, before.status_code) == (409, 409)
    assert present.json()["type"] == "urn:accord:problem:too-few"
    assert many.json()["referrals"] == FEWEST
    assert (await shown()).json() == many.json()


async def test_only_the_agency_and_coordinators_read_it(running: Running) -> None:
    worker = {"agency": "", "worker": new_id()}
    coordinator = {"agency": "", "worker": COORDINATOR}
    path = "agencies/police/quality"

    refused = await read(running, path, "referrals.quality", **worker)
    another = await read(running, path, "referrals.quality", agency="hospital")
    unknown = await read(
        running, "agencies/nobody/quality", "referrals.quality", **coordinator
    )

    assert {e.status_code for e in (refused, another, unknown)} == {404}
    assert {e.json()["type"] for e in (refused, another, unknown)} == {
        "urn:accord:problem:no-such-agency"
    }


@pytest.mark.parametrize("days", ["0", "367", "x"])
async def test_a_report_is_about_a_year_at_most(running: Running, days: str) -> None:
    answer = await read(running, f"referrals/quality?days={days}")

    assert answer.status_code == 422


async def test_nothing_is_opened_to_count(running: Running) -> None:
    await running.submit(body(), key="1")
    [document] = [each async for each in running.referrals.documents.find({})]

    assert {*document["gaps"]} <= {each.value for each in Gap}
