"""Amending and withdrawing a referral, over HTTP and on a real store."""

import asyncio
from typing import Any, TypeVar

import httpx2
import pytest
from accord_chassis.binding import unpack
from accord_chassis.testing import NOON, eventually, new_id
from accord_chassis.topology import queue_of
from accord_contracts.catalogue import CATALOGUE
from accord_contracts.message import Event, Lane
from accord_contracts.referrals import (
    Answer,
    ReferralAmended,
    ReferralWithdrawn,
)
from hypothesis import given
from hypothesis import strategies as st
from referrals.amending import people_before
from referrals.domain.amendment import (
    MOST_CHANGES,
    Amending,
    Change,
    TooManyChanges,
    change_id,
    compared,
)
from referrals.domain.case import Case
from referrals.domain.contradictions import years
from referrals.domain.erasure import ERASED_NAME
from referrals.domain.referral import Referral
from referrals_builders import (
    CHILD,
    HARMED,
    JOHN,
    MERE,
    POLICY,
    USING,
    Running,
    body,
    nhi,
    referral,
    telling,
)

SECRET = "Sentinelname"
ADDRESS = "1 Somewhere Street"
NARRATIVE = "What was seen."
PHONE = {"channel": "phone", "value": "021 000 111", "safety": "safe"}
AROHA = {"given_name": "Aroha", "date_of_birth": "1990-01-01"}
MOANA = {
    "role": "child",
    "given_name": "Moana",
    "family_name": "Tāmihana",
    "date_of_birth": "2017-01-02",
}


def rules_of(answer: Any) -> list[tuple[str, str]]:
    assert answer.status_code == 422, answer.text
    errors = answer.json()["errors"]
    return [(each["pointer"], each["rule"].replace(" ", "_")) for each in errors]


def full() -> dict[str, Any]:
    """Give a referral with an address for everybody, and a narrative."""
    contact = [{"channel": "post", "value": ADDRESS}]
    people = [{**each, "contact_points": contact} for each in (MERE, JOHN)]
    return body(people=people, place={"address": ADDRESS}, narrative=NARRATIVE)


async def refer(running: Running, told: dict[str, Any]) -> tuple[str, Case]:
    """Post a referral and wait for its case."""
    answer = await running.submit(told, key=new_id())
    referral_id: str = answer.json()["referral_id"]
    found = await eventually(lambda: running.cases.of_referral(referral_id))
    return referral_id, found


async def erase(running: Running, path: str) -> int:
    """Have two officers erase something."""
    at = int(running.service.clock.now().timestamp())

    async def asks(who: str, to: str, told: Any) -> httpx2.Response:
        headers = running.bearer(
            "referrals.erase", agency="", subject=who, auth_time=at
        )
        return await running.http.post(f"/v1/{to}", headers=headers, json=told)

    asked = await asks("one", f"{path}/erasure", {"reason": "court_order"})
    request = f"requests/{asked.json()['request_id']}/confirmation"
    return (await asks("other", request, None)).status_code


async def held(running: Running, referral_id: str) -> Referral:
    found = await running.referrals.get(referral_id)
    assert found
    return found


async def case_of(running: Running, referral_id: str) -> Case:
    found: Case | None = await running.cases.of_referral(referral_id)
    assert found
    return found


E = TypeVar("E", bound=Event)


async def hears(running: Running, kind: type[E], count: int = 1) -> list[E]:
    """Wait until so many events of a kind have reached notify, and give them."""

    async def look() -> Any:
        packets = [
            packet
            for lane in Lane
            for packet in running.broker.queues[queue_of("notify", lane)].ready
        ]
        told = [unpack(each, CATALOGUE).data for each in packets]
        found = [each for each in told if isinstance(each, kind)]
        return found if len(found) >= count else None

    heard: list[E] = await eventually(look)
    return heard


async def test_an_amendment_is_logged_by_name_and_told_by_group(
    running: Running,
) -> None:
    referral_id, case = await refer(running, full())

    answer = await running.amend(
        referral_id,
        {
            "people": [{"person": 1, "given_name": "Jon"}],
            "add_contact_points": [{"person": 0, **PHONE}],
            "add_incidents": ["strangulation"],
            "answers": {"threat_to_kill": "yes"},
            "narrative": "What was really seen.",
        },
    )

    assert answer.status_code == 202, answer.text
    assert answer.headers["ETag"] == '"1"'
    fields = (
        "incidents", "narrative", "answers.threat_to_kill",
        "people.0.contact_points", "people.1.given_name",
    )  # fmt: skip
    assert answer.json() == {
        "number": 1,
        "amended_at": "2026-11-02T12:00:00Z",
        "by": "desk of police",
        "fields": list(fields),
    }
    status = await running.status(referral_id)
    assert status.json()["amendments"] == [answer.json()]
    assert status.headers["ETag"] == '"1"'
    now = await held(running, referral_id)
    assert now.lane is Lane.URGENT
    assert now.told.people[1].given_name == "Jon"
    assert [each.value for each in now.told.people[0].contact_points] == [
        ADDRESS,
        PHONE["value"],
    ]
    [amended] = await hears(running, ReferralAmended)
    assert amended.case_id == case.id
    assert amended.number == 1
    assert {*amended.groups} == {
        "answers", "contact", "incidents", "narrative", "people",
    }  # fmt: skip
    assert amended.answers == {"threat_to_kill": Answer.YES}
    assert "Jon" not in amended.model_dump_json()


async def test_the_same_amendment_twice_has_one_effect(running: Running) -> None:
    referral_id, _ = await refer(running, body())
    more = {"add_people": [MOANA], "add_incidents": ["stalking"]}

    first = await running.amend(referral_id, more, key="k")
    again = await running.amend(referral_id, more, key="k")
    other = await running.amend(referral_id, {"narrative": "No."}, key="k")

    assert (first.status_code, first.json()) == (202, again.json())
    assert other.status_code == 422
    assert other.json()["type"].endswith("key-used-before")
    now = await held(running, referral_id)
    assert len(now.told.people) == 3
    assert len(now.changes) == 1
    await hears(running, ReferralAmended)
    assert (await running.amend(referral_id, {}, key="n", seen=1)).status_code == 422
    assert len(await hears(running, ReferralAmended)) == 1


async def test_the_same_amendment_at_the_same_time_has_one_effect(
    running: Running,
) -> None:
    referral_id, _ = await refer(running, body())
    more = {"add_people": [MOANA]}

    answers = await asyncio.gather(
        *(running.amend(referral_id, more, key="k") for _ in range(4))
    )

    assert {each.status_code for each in answers} == {202}
    assert len({each.text for each in answers}) == 1
    assert len((await held(running, referral_id)).told.people) == 3


async def test_a_lost_update_is_refused(running: Running) -> None:
    referral_id, _ = await refer(running, body())

    unseen = await running.amend(referral_id, {"narrative": "One."}, seen=None)
    first = await running.amend(referral_id, {"narrative": "One."}, key="1")
    lost = await running.amend(referral_id, {"narrative": "Two."}, key="2")
    then = await running.amend(referral_id, {"narrative": "Two."}, key="3", seen=1)

    statuses = [each.status_code for each in (unseen, first, lost, then)]
    assert statuses == [428, 202, 412, 202]
    assert (await held(running, referral_id)).told.narrative == "Two."


async def test_another_agencys_referral_cannot_be_amended(running: Running) -> None:
    referral_id, _ = await refer(running, body())

    amended = await running.amend(referral_id, {"narrative": "No."}, agency="hospital")
    nowhere = await running.amend(new_id(), {"narrative": "No."}, agency="hospital")
    withdrawn = await running.withdraw(referral_id, agency="hospital")

    assert amended.status_code == nowhere.status_code == withdrawn.status_code == 404
    assert amended.json()["title"] == nowhere.json()["title"]
    assert (await held(running, referral_id)).changes == ()


async def test_a_withdrawn_referral_stays_and_cannot_be_amended(
    running: Running,
) -> None:
    referral_id, case = await refer(running, body())

    first = await running.withdraw(referral_id, "duplicate")
    again = await running.withdraw(referral_id, "duplicate")
    late = await running.amend(referral_id, {"narrative": "No."}, seen=1)
    twice = await running.withdraw(referral_id, "duplicate", key="other")

    assert (first.status_code, first.json()) == (202, again.json())
    assert (late.status_code, twice.status_code) == (409, 409)
    [told] = await hears(running, ReferralWithdrawn)
    assert (told.case_id, told.reason) == (case.id, "duplicate")
    now = await case_of(running, referral_id)
    assert (now.people, now.episodes) == (case.people, case.episodes)
    status = (await running.status(referral_id)).json()
    assert status["withdrawn"]["reason"] == "duplicate"
    assert status["amendments"] == []
    assert (await held(running, referral_id)).told.people[0].given_name == "Mere"


async def test_whoever_is_added_is_recognised_and_joins_the_case(
    running: Running,
) -> None:
    before, _ = await refer(running, body(people=[MERE, MOANA]))
    moana = (await held(running, before)).person_ids[1]
    referral_id, _ = await refer(running, body())

    await running.amend(referral_id, {"add_people": [MOANA]})

    await hears(running, ReferralAmended)
    assert (await held(running, referral_id)).person_ids[2] == moana
    case = await case_of(running, referral_id)
    assert moana in {each.person_id for each in case.people if each.role is CHILD}


async def test_a_corrected_person_keeps_their_id_and_is_found_by_what_is_right(
    running: Running,
) -> None:
    referral_id, case = await refer(running, body())
    mere, john = (await held(running, referral_id)).person_ids
    right = {"given_name": "Mera", "identifiers": [nhi("ZZZ0016")]}

    await running.amend(referral_id, {"people": [{"person": 0, **right}]})
    await hears(running, ReferralAmended)

    assert (await held(running, referral_id)).person_ids == (mere, john)
    by_right, _ = await refer(running, body(people=[{**MERE, **right}]))
    by_wrong, other = await refer(running, body(people=[MERE]))
    assert (await held(running, by_right)).person_ids == (mere,)
    assert (await held(running, by_wrong)).person_ids != (mere,)
    assert other.id != case.id


async def test_whoever_was_taken_for_another_is_not_them_any_more(
    running: Running,
) -> None:
    hers, _ = await refer(running, body(people=[MERE]))
    referral_id, _ = await refer(running, body())
    mere, john = (await held(running, referral_id)).person_ids
    assert (await held(running, hers)).person_ids == (mere,)

    answer = await running.amend(referral_id, {"people": [{"person": 0, **AROHA}]})

    assert {*answer.json()} == {"number", "amended_at", "by", "fields"}
    [told] = await hears(running, ReferralAmended)
    now = await held(running, referral_id)
    assert now.person_ids != (mere, john)
    assert now.person_ids[1] == john
    assert [each.person_id for each in now.former] == [mere]
    assert [each.person_id for each in told.parties] == [*now.person_ids]
    # Her own referral is in the case too, so she stays in it.
    case = await case_of(running, referral_id)
    assert {mere, *now.person_ids} <= {each.person_id for each in case.people}
    again, _ = await refer(running, body(people=[MERE]))
    assert (await held(running, again)).person_ids == (mere,)


async def test_a_correction_to_somebody_known_leads_to_them_and_tells_nobody(
    running: Running,
) -> None:
    theirs, elsewhere = await refer(running, body(people=[{**MERE, **AROHA}]))
    aroha = (await held(running, theirs)).person_ids[0]
    referral_id, _ = await refer(running, body())
    mere, _ = (await held(running, referral_id)).person_ids

    known = await running.amend(referral_id, {"people": [{"person": 0, **AROHA}]})

    assert {*known.json()} == {"number", "amended_at", "by", "fields"}
    await hears(running, ReferralAmended)
    assert (await held(running, referral_id)).person_ids[0] == aroha
    assert await running.people.get(mere) is None
    case = await case_of(running, referral_id)
    assert mere not in {each.person_id for each in case.people}
    assert mere not in "".join(case.keys)
    assert elsewhere.id != case.id


async def test_a_corrected_role_moves_the_pair(running: Running) -> None:
    referral_id, _ = await refer(running, body())
    mere, john = (await held(running, referral_id)).person_ids
    swapped = [
        {"person": 0, "role": "person_using_violence"},
        {"person": 1, "role": "person_harmed"},
    ]

    await running.amend(referral_id, {"people": swapped})

    await hears(running, ReferralAmended)
    case = await case_of(running, referral_id)
    assert {(each.person_id, each.role) for each in case.people} == {
        (mere, USING),
        (john, HARMED),
    }
    [pair] = case.pairs
    assert (pair.harmed, pair.using_violence) == (john, mere)


async def test_what_stood_before_is_sealed_and_destroyed_with_the_person(
    running: Running,
) -> None:
    referral_id, _ = await refer(running, full())
    changes = {
        "people": [
            {"person": 0, "given_name": "Mera", "contact_points": []},
            {"person": 1, "family_name": "Carver"},
        ],
        "narrative": "Other words.",
    }
    await running.amend(referral_id, changes)
    await hears(running, ReferralAmended)
    mere = (await held(running, referral_id)).person_ids[0]
    [change] = (await held(running, referral_id)).changes
    assert {*change.was} == {"person/0", "address/0", "person/1", "rest"}
    assert ADDRESS in change.was["address/0"]
    assert NARRATIVE in change.was["rest"]
    stored = str(await running.referrals.documents.find_one({"_id": referral_id}))
    for secret in ("Mere", ADDRESS, NARRATIVE, "Carter"):
        assert secret not in stored

    assert await erase(running, f"people/{mere}") == 200

    [change] = (await held(running, referral_id)).changes
    assert {*change.was} == {"person/1"}
    assert change.fingerprint == ""
    late = await running.amend(referral_id, {"narrative": "Anew."}, key="2", seen=1)
    assert late.status_code == 409


async def test_whoever_was_named_by_mistake_is_erased_from_what_stood_before(
    running: Running,
) -> None:
    await refer(running, body(people=[MERE]))
    referral_id, _ = await refer(running, body())
    mere = (await held(running, referral_id)).person_ids[0]
    await running.amend(referral_id, {"people": [{"person": 0, **AROHA}]})
    await hears(running, ReferralAmended)

    assert await erase(running, f"people/{mere}") == 200

    now = await held(running, referral_id)
    assert now.told.people[0].given_name == AROHA["given_name"]
    assert [each.was for each in now.changes] == [{}]


async def test_an_erased_case_leaves_nothing_of_what_stood_before(
    running: Running,
) -> None:
    referral_id, case = await refer(running, full())
    changes = {"people": [{"person": 1, "given_name": "Jon"}], "narrative": "New."}
    await running.amend(referral_id, changes)
    await hears(running, ReferralAmended)

    assert await erase(running, f"cases/{case.id}") == 200

    async def gone() -> bool:
        now = await held(running, referral_id)
        return now.erased is not None and not now.changes[0].was

    assert await eventually(gone)
    assert (await held(running, referral_id)).told.people[0].given_name == ERASED_NAME


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        (
            {"people": [{"person": 7, "given_name": SECRET}]},
            ("/body/people/0/person", "no_such_person"),
        ),
        (
            {"people": [{"person": 1, "date_of_birth": "2017-01-01"}]},
            ("/body/people/1/date_of_birth", "too_young_to_use_violence"),
        ),
        ({"add_people": [MERE]}, ("/body/people/2", "same_person_twice")),
        (
            {"occurred_at": "2027-01-01T00:00:00Z"},
            ("/body/occurred_at", "in_the_future"),
        ),
        ({"answers": {"sentinelname": "yes"}}, ("/body/answers/*", "unknown_question")),
        (
            {"people": [{"person": 0, "role": "other"}]},
            ("/body/people", "nobody_harmed"),
        ),
        (
            {"people": [{"person": 0, "given_name": None, "family_name": None}]},
            ("/body/people/0", "name_missing"),
        ),
        ({"incidents": []}, ("/body/incidents", "too_short")),
        ({SECRET: 1}, ("/body/*", "extra_forbidden")),
    ],
)
async def test_what_cannot_be_told_so_is_named_and_nothing_is_stored(
    running: Running, changes: dict[str, Any], wrong: tuple[str, str]
) -> None:
    referral_id, _ = await refer(running, body())

    answer = await running.amend(referral_id, changes)

    assert wrong in rules_of(answer)
    assert SECRET.lower() not in answer.text.lower()
    assert (await held(running, referral_id)).changes == ()


@pytest.mark.parametrize(
    ("people", "wrong"),
    [
        (
            [MERE, {**JOHN, "date_of_birth": "2016-11-03"}],
            ("/body/people/1/role", "too_young_to_use_violence"),
        ),
        (
            [MERE, {**MERE, "role": "person_using_violence"}],
            ("/body/people/1", "same_person_twice"),
        ),
        (
            [
                {**MERE, "identifiers": [nhi("ZZZ0016")]},
                {**JOHN, "identifiers": [nhi("zzz-0016")]},
            ],
            ("/body/people/1", "same_person_twice"),
        ),
    ],
)
async def test_a_referral_that_contradicts_itself_is_refused(
    running: Running, people: list[dict[str, Any]], wrong: tuple[str, str]
) -> None:
    answer = await running.submit(body(people=people), key="k")

    assert wrong in rules_of(answer)
    for secret in ("Mere", "Carter", "2016", "0016"):
        assert secret not in answer.text
    assert await running.referrals.documents.count_documents({}) == 0


@pytest.mark.parametrize(
    "people",
    [
        [MERE, {**JOHN, "date_of_birth": "2016-11-02"}],
        [MERE, {**MERE, "given_name": "Meri", "role": "child"}],
        [{**MERE, "identifiers": [nhi("A1")]}, {**MERE, "identifiers": [nhi("B2")]}],
        [{"role": "person_harmed", "given_name": "Baby"}] * 2,
    ],
    ids=["ten on the day", "twins", "namesakes by their codes", "nameless"],
)
async def test_what_could_be_true_is_taken(
    running: Running, people: list[dict[str, Any]]
) -> None:
    assert (await running.submit(body(people=people), key="k")).status_code == 202


def test_age_counts_birthdays() -> None:
    born = NOON.date().replace(year=2016)

    assert years(born, NOON.date()) == 10
    assert years(born, NOON.date().replace(day=1)) == 9


NAMES = st.sampled_from(["Mere", "Mera", "Aroha", "Unknown"])
STEPS = st.lists(
    st.one_of(
        st.builds(
            lambda person, name: {"people": [{"person": person, "given_name": name}]},
            st.integers(0, 1),
            NAMES,
        ),
        st.builds(lambda text: {"narrative": text}, NAMES),
        st.builds(
            lambda said: {"answers": {"injury": said}},
            st.sampled_from([each.value for each in Answer]),
        ),
        st.just({"add_people": [MOANA | {"date_of_birth": None}]}),
    ),
    max_size=6,
)


@given(STEPS)
def test_what_stood_before_any_change_can_be_told_from_the_log(
    steps: list[dict[str, Any]],
) -> None:
    now = referral()
    tellings = [now.told]
    for step in steps:
        new = Amending.model_validate(step).applied(now.told)
        if not compared(now.told, new)["fields"]:
            continue
        tellings.append(new)
        change = Change(id=new_id(), fingerprint="", at=NOON, by="desk")
        now = now.amended(new, change, by=POLICY)

    for number in range(1, len(now.changes) + 1):
        stood = tellings[number - 1].people
        assert tuple(people_before(now, number)[: len(stood)]) == stood
    named = "".join(field for each in now.changes for field in each.fields)
    assert not any(each in named for each in ("Mere", "Mera", "Aroha", "Moana"))


def test_the_last_change_that_is_kept_is_left_for_withdrawing() -> None:
    now = referral()
    for number in range(MOST_CHANGES - 1):
        change = Change(id=new_id(), fingerprint="", at=NOON, by="desk")
        now = now.amended(telling(narrative=f"{number}"), change, by=POLICY)

    with pytest.raises(TooManyChanges):
        now.amended(telling(narrative="more"), change, by=POLICY)
    assert now.withdraw(change, "other").withdrawn  # type: ignore[arg-type]


def test_a_change_is_known_by_its_key_and_its_referral() -> None:
    one, other = new_id(), new_id()

    assert change_id(one, "k") == change_id(one, "k")
    assert len({change_id(one, "k"), change_id(one, "l"), change_id(other, "k")}) == 3
