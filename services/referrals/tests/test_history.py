"""What was referred before about the people of a case."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from accord_chassis.testing import COORDINATOR, NOON, audited, eventually, new_id
from accord_contracts.access import Side
from accord_contracts.referrals import AgencyKind, IncidentKind
from hypothesis import given
from hypothesis import strategies as st
from referrals.domain.erasure import Decision
from referrals.domain.history import SHOWN, Heard, History, PairHistory, Trend
from referrals.domain.household import Member
from referrals.erasing import Shelves, forget
from referrals_builders import (
    CHILD,
    HARMED,
    JOHN,
    MERE,
    POLICY,
    USING,
    Running,
    body,
)
from structlog.testing import capture_logs

CASE = "0190a000-0000-7000-8000-000000000001"
OTHER = "0190a000-0000-7000-8000-000000000002"
DAY = timedelta(days=1)


def heard(*parts: tuple[str, Any], days_ago: float = 0, **fields: Any) -> Heard:
    told: dict[str, Any] = {
        "referral_id": new_id(),
        "case_id": CASE,
        "agency": "police",
        "agency_kind": AgencyKind.POLICE,
        "incidents": (IncidentKind.VERBAL_ABUSE,),
        "occurred_at": NOON - days_ago * DAY,
        "members": tuple(Member(person_id=who, role=role) for who, role in parts),
    }
    return Heard(**told | fields)


def couple(harmed: str = "mere", using: str = "john", **fields: Any) -> Heard:
    return heard((harmed, HARMED), (using, USING), **fields)


def history(*told: Heard, at: datetime = NOON) -> History:
    return History.of(CASE, told, at=at, complete=True, rules=POLICY.history)


def pair(found: History, harmed: str = "mere", using: str = "john") -> PairHistory:
    [one] = [e for e in found.pairs if (e.harmed, e.using_violence) == (harmed, using)]
    return one


def test_everybody_is_counted_in_each_part_that_they_had() -> None:
    found = history(
        heard(("mere", HARMED), ("john", USING), ("tama", CHILD), days_ago=30),
        heard(("mere", USING), ("john", HARMED), days_ago=3),
    )

    told = {each.person_id: each for each in found.people}
    assert told["mere"].roles == {HARMED: 1, USING: 1}
    assert (told["mere"].episodes, told["tama"].episodes) == (2, 1)
    assert told["john"].first_at == NOON - 30 * DAY
    assert told["john"].last_at == NOON - 3 * DAY


def test_a_pair_whose_parts_were_the_other_way_round_before_says_so() -> None:
    found = history(
        couple("mere", "john", days_ago=90),
        couple("mere", "john", days_ago=60),
        couple("john", "mere", days_ago=1),
    )

    assert pair(found, "john", "mere").reversed == 2
    assert pair(found, "mere", "john").reversed == 1


@pytest.mark.parametrize(
    ("days_ago", "trend"),
    [
        ([1, 364], Trend.NEW),
        ([1, 366], Trend.AS_OFTEN),
        ([1, 2, 366], Trend.MORE_OFTEN),
        ([1, 366, 400], Trend.LESS_OFTEN),
        ([366], Trend.LESS_OFTEN),
        ([800], Trend.AS_OFTEN),
    ],
)
def test_the_trend_is_of_a_year_beside_the_year_before(
    days_ago: list[int], trend: Trend
) -> None:
    assert pair(history(*(couple(days_ago=each) for each in days_ago))).trend is trend


@pytest.mark.parametrize(
    ("days_ago", "escalates"),
    [
        ([0, 100, 365], True),
        ([0, 100, 366], False),
        ([500, 600, 800], True),
        ([0], False),
    ],
)
def test_three_within_twelve_months_are_a_potential_escalation(
    days_ago: list[int], *, escalates: bool
) -> None:
    found = history(*(couple(days_ago=each) for each in days_ago))

    assert pair(found).potential_escalation is escalates


def test_one_incident_told_by_three_agencies_is_one_episode_and_all_are_shown() -> None:
    night = [
        couple(days_ago=1, agency="police"),
        couple(days_ago=0.8, agency="hospital", incidents=(IncidentKind.OTHER,)),
        heard(("mere", HARMED), ("john", USING), ("tama", CHILD), agency="school"),
    ]
    night[2] = night[2].model_copy(update={"occurred_at": NOON - 0.6 * DAY})
    found = history(*night, couple(days_ago=40))

    assert pair(found).episodes == 2
    assert not pair(found).potential_escalation
    assert pair(found).last_at == NOON - DAY
    assert pair(found).incidents == {
        IncidentKind.VERBAL_ABUSE: 2,
        IncidentKind.OTHER: 1,
    }
    assert {each.person_id: each.episodes for each in found.people} == {
        "mere": 2,
        "john": 2,
        "tama": 1,
    }
    first = night[0].referral_id
    assert [each.same_incident_as for each in found.episodes] == [
        *(first, first),
        *(None, None),
    ]
    assert all("agency" not in each.model_dump() for each in found.episodes)


def test_two_who_were_harmed_in_one_night_are_two_episodes() -> None:
    found = history(couple(), couple("aroha", "john", agency="hospital"))

    assert {each.person_id: each.episodes for each in found.people} == {
        "aroha": 1,
        "mere": 1,
        "john": 2,
    }


def test_who_harms_others_in_another_case_is_shown_with_them() -> None:
    found = history(
        couple("mere", "john"),
        couple("aroha", "john", days_ago=5, case_id=OTHER),
        couple("aroha", "rua", days_ago=5, case_id=OTHER),
    )

    assert {(each.harmed, each.using_violence) for each in found.pairs} == {
        ("mere", "john"),
        ("aroha", "john"),
    }
    assert pair(found, "aroha", "john").cases == (OTHER,)
    assert {each.person_id for each in found.people} == {"mere", "john"}


def test_kinds_of_incident_count_once_an_episode() -> None:
    kinds = (IncidentKind.STALKING, IncidentKind.STALKING, IncidentKind.OTHER)

    found = history(couple(incidents=kinds), couple(days_ago=9, incidents=kinds[:1]))

    assert pair(found).incidents == {IncidentKind.OTHER: 1, IncidentKind.STALKING: 2}


def test_what_was_withdrawn_is_shown_and_counts_for_nothing() -> None:
    taken_back = couple(days_ago=1, withdrawn=True)
    swapped = couple("john", "mere", days_ago=2, withdrawn=True)
    stands = [couple(days_ago=each) for each in (3, 400)]

    found = history(taken_back, swapped, *stands)

    assert [each.withdrawn for each in found.episodes] == [True, True, False, False]
    assert len(found.pairs) == 1
    assert (pair(found).episodes, pair(found).reversed) == (2, 0)
    assert pair(found).trend is Trend.AS_OFTEN
    assert not pair(found).potential_escalation
    assert pair(found).last_at == NOON - 3 * DAY
    assert {each.episodes for each in found.people} == {2}


def test_whose_only_referral_was_withdrawn_was_never_named() -> None:
    found = history(couple(withdrawn=True))

    assert found.pairs == ()
    assert [(each.episodes, each.roles, each.last_at) for each in found.people] == [
        (0, {}, None),
        (0, {}, None),
    ]


def test_all_are_counted_and_the_latest_shown() -> None:
    found = history(*(couple(days_ago=each) for each in range(SHOWN + 1)))

    assert pair(found).episodes == SHOWN + 1
    assert len(found.episodes) == SHOWN
    assert found.episodes[0].occurred_at == NOON
    assert not found.complete


people = st.sampled_from(["a", "b", "c"])


@given(
    st.lists(
        st.builds(
            couple,
            people,
            people,
            days_ago=st.integers(0, 1000),
            case_id=st.sampled_from([CASE, OTHER]),
        ),
        min_size=1,
        max_size=12,
    ),
    st.randoms(),
)
def test_the_order_in_which_it_was_heard_does_not_matter(
    told: list[Heard], random: Any
) -> None:
    times = {each.occurred_at: each for each in told}
    other = list(times.values())
    random.shuffle(other)

    assert history(*other) == history(*times.values())


def reader(running: Running, worker: str = COORDINATOR) -> dict[str, str]:
    return running.bearer("referrals.history", agency="", worker=worker)


async def told_of(running: Running, *people: dict[str, Any], key: str) -> str:
    posted = await running.submit(body(people=people), key=key)
    found = await eventually(
        lambda: running.cases.of_referral(posted.json()["referral_id"])
    )
    assert found
    return str(found.id)


async def read(running: Running, case_id: str, **asked: Any) -> Any:
    path = f"/v1/cases/{case_id}/history"
    return await running.http.get(path, headers=reader(running, **asked))


async def test_a_case_is_looked_back_at_across_cases(running: Running) -> None:
    aroha = {**MERE, "given_name": "Aroha"}
    case_id = await told_of(running, MERE, JOHN, key="1")
    assert await told_of(running, MERE, JOHN, key="2") == case_id
    other = await told_of(running, aroha, JOHN, key="3")

    answer = await read(running, case_id)

    assert answer.status_code == 200
    told = answer.json()
    assert [each["episodes"] for each in told["pairs"]].count(2) == 1
    assert {each["case_id"] for each in told["episodes"]} == {case_id, other}
    assert sorted(each["episodes"] for each in told["people"]) == [2, 3]
    assert MERE["given_name"] not in answer.text


@pytest.mark.parametrize(
    ("own", "noticed"),
    [("TAMIHANA", ["own_name"]), ("Ta-mihana", ["own_name"]), ("Tai", []), ("", [])],
)
async def test_a_look_up_of_people_of_ones_own_name_raises_the_alarm(
    running: Running, own: str, noticed: list[str]
) -> None:
    case_id = await told_of(running, MERE, JOHN, key="1")
    headers = running.bearer(
        "referrals.history", agency="", worker=COORDINATOR, family_name=own
    )

    with capture_logs() as logs:
        for _ in range(2):
            path = f"/v1/cases/{case_id}/history"
            answer = await running.http.get(path, headers=headers)
            assert answer.status_code == 200

    odd = [each["reason"] for each in logs if each["event"] == "lookups.odd"]
    assert odd == noticed
    entries = await audited(running.service.audit)
    seen = [each for each in entries if each.action == "namesake.seen"]
    assert len(seen) == 2 * len(noticed)
    assert "mihana" not in f"{logs} {entries}".casefold()


async def test_of_a_case_that_the_reader_may_not_see_nothing_counts(
    running: Running,
) -> None:
    aroha = {**MERE, "given_name": "Aroha"}
    case_id = await told_of(running, MERE, JOHN, key="1")
    other = await told_of(running, aroha, JOHN, key="2")
    running.standings.tell(COORDINATOR, other, conflict=True)

    answer = await read(running, case_id)

    told = answer.json()
    assert {each["case_id"] for each in told["episodes"]} == {case_id}
    assert [each["episodes"] for each in told["people"]] == [1, 1]
    assert (await read(running, other)).status_code == 404


async def test_whoever_serves_the_person_using_violence_does_not_see_it(
    running: Running,
) -> None:
    case_id = await told_of(running, MERE, JOHN, key="1")
    worker = new_id()
    running.standings.tell(
        worker, case_id, sides=frozenset({Side.PERSON_USING_VIOLENCE})
    )

    nobody = new_id()
    running.standings.tell(nobody, case_id)
    assert (await read(running, case_id, worker=worker)).status_code == 404
    assert (await read(running, case_id, worker=nobody)).status_code == 404
    assert (await read(running, new_id())).status_code == 404


async def test_who_is_erased_is_in_no_history(running: Running) -> None:
    case_id = await told_of(running, MERE, JOHN, key="1")
    held = await running.cases.get(case_id)
    assert held
    [mere] = held.harmed
    shelves = running.service.parts[Shelves]
    await forget(mere, Decision(reason="asked", by="x", at=NOON), shelves)

    told = (await read(running, case_id)).json()

    assert mere not in str(told)
    assert told["pairs"] == []


async def test_a_withdrawn_referral_is_marked_and_whoever_is_added_awaited(
    running: Running,
) -> None:
    case_id = await told_of(running, MERE, JOHN, key="1")
    [referral] = [each async for each in running.referrals.documents.find({})]
    await running.withdraw(referral["_id"])
    # As while whoever was added by an amendment is not recognised yet.
    await running.referrals.documents.update_one(
        {"_id": referral["_id"]}, {"$push": {"told.people": {"role": "child"}}}
    )

    told = (await read(running, case_id)).json()

    [episode] = told["episodes"]
    assert episode["withdrawn"] is True
    assert len(episode["members"]) == 2
    assert told["pairs"] == []
