"""Amending and withdrawing a referral, over HTTP and on a real store."""

import asyncio
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

import httpx2
import pytest
from accord_chassis.binding import unpack
from accord_chassis.clock import SimulatedClock
from accord_chassis.testing import NOON, eventually, message_of, new_id
from accord_chassis.topology import queue_of
from accord_contracts.catalogue import CATALOGUE
from accord_contracts.message import Event, Lane
from accord_contracts.referrals import (
    Answer,
    ChangePosted,
    ReferralAmended,
    ReferralPosted,
    ReferralReceived,
    ReferralWithdrawn,
)
from hypothesis import given
from hypothesis import strategies as st
from referrals import amending, handlers
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
from referrals.domain.likeness import Likeness
from referrals.domain.recognition import Person, Resemblance, Weighed, kind_of
from referrals.domain.referral import Referral
from referrals.domain.review import Answer as ReviewAnswer
from referrals.domain.review import reviews_of
from referrals.recognising import Known
from referrals.review_store import Reviews
from referrals.store import People, Referrals
from referrals_builders import (
    CHILD,
    HARMED,
    JOHN,
    MATCHING,
    MERE,
    POLICY,
    RULES,
    SOMEBODY,
    USING,
    Running,
    body,
    nhi,
    person,
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


async def hears(
    running: Running, kind: type[E], count: int = 1, listener: str = "notify"
) -> list[E]:
    """Wait until so many events of a kind have reached a service, and give them."""

    async def look() -> Any:
        packets = [
            packet
            for lane in Lane
            for packet in running.broker.queues[queue_of(listener, lane)].ready
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
            "instruments": [{"instrument": "dash", "answers": {"dash_01": "yes"}}],
        },
    )

    assert answer.status_code == 202, answer.text
    assert answer.headers["ETag"] == '"1"'
    fields = (
        "incidents", "narrative", "instruments", "answers.threat_to_kill",
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
        "answers", "contact", "incidents", "instruments", "narrative", "people",
    }  # fmt: skip
    assert amended.answers == {"threat_to_kill": Answer.YES}
    [filled_in] = amended.instruments
    assert filled_in.answers == {"dash_01": Answer.YES}
    assert "Jon" not in amended.model_dump_json()


async def test_whoever_an_amendment_adds_is_met_when_it_does(
    running: Running, clock: SimulatedClock
) -> None:
    """Else the moment in which another spelling of them may come is over at once."""
    referral_id, _ = await refer(running, body())
    clock.advance(timedelta(days=3))

    await running.amend(referral_id, {"add_people": [MOANA]})

    async def added() -> Any:
        return (await held(running, referral_id)).person_ids[2:]

    [moana_id] = await eventually(added)
    moana = await running.people.get(moana_id)
    assert moana
    assert moana.met_at == clock.now()
    assert moana.compare_at
    assert moana.compare_at > clock.now()


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


HINE = {**MERE, "given_name": "Kahurangi", "contact_points": [PHONE]}
MISTYPED = {**HINE, "family_name": "Tamihanna"}
"""Surely she: a letter in the family name, and her phone."""
MISHEARD = {**HINE, "given_name": "Kahurang"}
"""Perhaps she: a letter in the given name."""


async def likeness(running: Running, person_id: str) -> Likeness:
    found = await running.people.get(person_id)
    assert found
    assert found.likeness
    return found.likeness


async def test_whoever_is_added_is_weighed_as_whoever_is_posted(
    running: Running,
) -> None:
    theirs, _ = await refer(running, body(people=[HINE]))
    [hine] = (await held(running, theirs)).person_ids
    referral_id, _ = await refer(running, body())
    added = [{**each, "role": "other"} for each in (MISTYPED, MISHEARD)]

    await running.amend(referral_id, {"add_people": added})

    await hears(running, ReferralAmended)
    *_, mistyped, misheard = (await held(running, referral_id)).person_ids
    assert mistyped == hine
    assert (await likeness(running, misheard)).given_name == "Kahurang"
    [review] = await running.reviews.waiting()
    assert {*review.people} == {hine, misheard}


async def test_whoever_is_added_is_not_whoever_is_named_there_already(
    running: Running,
) -> None:
    referral_id, _ = await refer(running, body(people=[HINE]))

    await running.amend(referral_id, {"add_people": [{**MISTYPED, "role": "other"}]})

    await hears(running, ReferralAmended)
    hine, other = (await held(running, referral_id)).person_ids
    assert other != hine
    [review] = await running.reviews.waiting()
    assert {*review.people} == {hine, other}


async def test_nobody_is_found_by_a_mistaken_name_or_phone(running: Running) -> None:
    referral_id, _ = await refer(running, body(people=[HINE]))
    [hine] = (await held(running, referral_id)).person_ids
    right = {"given_name": "Aroha", "family_name": "Whaanga"}

    await running.amend(referral_id, {"people": [{"person": 0, **right}]})
    await hears(running, ReferralAmended)
    other = {**PHONE, "value": "021 999 888"}
    corrected = {"people": [{"person": 0, "contact_points": [other]}]}
    await running.amend(referral_id, corrected, key="2", seen=1)
    await hears(running, ReferralAmended, 2)

    now = await likeness(running, hine)
    assert (now.given_name, now.family_name) == ("Aroha", "Whaanga")
    assert now.phones == ("021 999 888",)
    stranger, _ = await refer(running, body(people=[MISTYPED]))
    assert (await held(running, stranger)).person_ids != (hine,)
    assert await running.reviews.waiting() == []


async def test_what_others_tell_of_somebody_is_still_compared(
    running: Running,
) -> None:
    coded = {**HINE, "identifiers": [nhi("ZZZ0016")]}
    theirs, _ = await refer(running, body(people=[coded]))
    [hine] = (await held(running, theirs)).person_ids
    wrong = {**JOHN, "role": "person_harmed", "identifiers": [nhi("ZZZ0016")]}
    referral_id, _ = await refer(running, body(people=[wrong]))
    assert (await held(running, referral_id)).person_ids == (hine,)

    corrected = {"people": [{"person": 0, "identifiers": []}]}
    await running.amend(referral_id, corrected)
    await hears(running, ReferralAmended)

    [john] = (await held(running, referral_id)).person_ids
    assert john != hine
    assert (await likeness(running, john)).given_name == "John"
    kept = await running.people.get(hine)
    assert kept
    assert kept.likeness == Likeness.of(person(**coded), RULES.identifiers, ())
    assert sorted(kind_of(each) for each in kept.keys) == ["anew", "name", "nhi"]
    again, _ = await refer(running, body(people=[{**JOHN, "role": "person_harmed"}]))
    assert (await held(running, again)).person_ids == (john,)


async def test_a_correction_to_whoever_is_surely_known_leads_to_them(
    running: Running,
) -> None:
    theirs, _ = await refer(running, body(people=[HINE]))
    [hine] = (await held(running, theirs)).person_ids
    referral_id, _ = await refer(running, body(people=[{**MERE, **AROHA}]))
    [was] = (await held(running, referral_id)).person_ids
    right = {k: v for k, v in MISTYPED.items() if k != "role"}

    await running.amend(referral_id, {"people": [{"person": 0, **right}]})
    await hears(running, ReferralAmended)

    now = await held(running, referral_id)
    assert now.person_ids == (hine,)
    assert [each.person_id for each in now.former] == [was]
    assert await running.people.get(was) is None
    found = await running.people.get(hine)
    assert found
    assert len(found.keys) == 2


async def test_whoever_may_be_known_by_a_correction_is_asked_about_anew(
    running: Running,
) -> None:
    theirs, _ = await refer(running, body(people=[HINE]))
    [hine] = (await held(running, theirs)).person_ids
    others, _ = await refer(running, body(people=[{**HINE, **AROHA}]))
    [aroha] = (await held(running, others)).person_ids
    mistaken = {**HINE, "given_name": "Aroh", "date_of_birth": "1990-01-01"}
    referral_id, _ = await refer(running, body(people=[mistaken]))
    [who] = (await held(running, referral_id)).person_ids
    asked = {each.people for each in await running.reviews.waiting()}
    assert tuple(sorted((who, aroha))) in asked
    right = {
        "given_name": MISHEARD["given_name"],
        "date_of_birth": MISHEARD["date_of_birth"],
    }

    await running.amend(referral_id, {"people": [{"person": 0, **right}]})
    await hears(running, ReferralAmended)

    assert (await held(running, referral_id)).person_ids == (who,)
    asked = {each.people for each in await running.reviews.waiting()}
    assert tuple(sorted((who, hine))) in asked
    assert tuple(sorted((who, aroha))) not in asked


@pytest.mark.parametrize("named_elsewhere", [False, True])
async def test_a_correction_that_is_broken_off_loses_nobody(
    referrals: Referrals,
    people: People,
    reviews: Reviews,
    monkeypatch: pytest.MonkeyPatch,
    *,
    named_elsewhere: bool,
) -> None:
    known = Known(people, reviews, RULES, MATCHING)
    seen = partial(
        handlers.recognise_people,
        referrals=referrals,
        people=people,
        reviews=reviews,
        rules=RULES,
        matching=MATCHING,
    )
    change = partial(amending.recognise_change, referrals=referrals, known=known)
    coded = {**HINE, "identifiers": [nhi("ZZZ0016")]}
    first = await referrals.save(referral({**coded, "given_name": "Hinemoa"}))
    await seen(message_of(ReferralPosted(referral_id=first.id)))
    if named_elsewhere:
        other = await referrals.save(referral(coded))
        await seen(message_of(ReferralPosted(referral_id=other.id)))
    held_ = await referrals.get(first.id)
    assert held_
    [hine] = held_.person_ids
    apart = new_id()
    who = await people.get(hine)
    assert who
    if named_elsewhere:
        decided = Weighed(likely=(Resemblance(Person(id=apart, met_at=NOON), 1.0, ()),))
        [review] = reviews_of(
            hine, decided, referral_id=first.id, at=NOON, policy="1", most=1
        )
        answer = ReviewAnswer(same=False, reason=None, by=SOMEBODY, at=NOON)
        await reviews.save(review.decide(answer))
        await people.save(who.keep_apart(apart))
    right = {"given_name": "Aroha", "family_name": "Whaanga", "identifiers": []}
    wanted = Amending.model_validate({"people": [{"person": 0, **right}]})
    made = Change(id=new_id(), fingerprint="", at=NOON, by="desk")
    now = wanted.applied(held_.told)
    await referrals.save(held_.amended(now, made, by=POLICY))
    message = message_of(ChangePosted(referral_id=first.id, number=1))

    async def crashes(*_: object) -> None:
        raise ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(people._database, "insert", crashes)
        with pytest.raises(ConnectionError):
            await change(message)
    assert await people.get(hine) is None
    await change(message)

    found = await people.get(hine)
    assert found
    assert found.likeness
    stored = await people.documents.find_one({"_id": hine})
    for name in ("Kahurangi", "Hinemoa", "Aroha", "Whaanga"):
        assert name not in str(stored)
    held_ = await referrals.get(first.id)
    assert held_
    [corrected] = held_.person_ids
    assert (corrected == hine) is not named_elsewhere
    assert found.likeness.given_name == ("Kahurangi" if named_elsewhere else "Aroha")
    assert found.apart == ((apart,) if named_elsewhere else ())
    whole = await people.get(corrected)
    assert whole
    assert whole.likeness
    assert whole.likeness.given_name == "Aroha"


async def test_the_dates_of_a_changed_referral_stand(running: Running) -> None:
    date = {"kind": "prison_release", "on": "2026-12-01", "about": [1]}
    referral_id, _ = await refer(running, body(triggers=[date]))
    path = f"/v1/referrals/{referral_id}/triggers"

    async def dates() -> Any:
        answer = await running.http.get(path, headers=running.bearer())
        return answer.json()

    await eventually(dates)
    before = await dates()

    await running.amend(referral_id, {"narrative": "More.", "add_people": [MOANA]})
    await hears(running, ReferralAmended)
    await running.withdraw(referral_id)
    await hears(running, ReferralWithdrawn)

    assert (await held(running, referral_id)).told.triggers
    assert await dates() == before
    # Who withdrew it calls off what does not hold either.
    gone = await running.http.delete(f"{path}/0", headers=running.bearer())
    assert gone.status_code == 204


async def test_how_two_are_related_is_told_and_told_anew_when_it_is_amended(
    running: Running,
) -> None:
    people = [MERE, {**JOHN, "relationship": "partner"}]
    referral_id, _ = await refer(running, body(people=people))
    heard = await hears(running, ReferralReceived, listener="plans")
    told = [each.parties for each in heard]
    parted = {"people": [{"person": 1, "relationship": "former_partner"}]}

    answer = await running.amend(referral_id, parted)

    assert answer.json()["fields"] == ["people.1.relationship"]
    told += [each.parties for each in await hears(running, ReferralAmended)]
    assert [[each.relationship for each in parties] for parties in told] == [
        [None, "partner"],
        [None, "former_partner"],
    ]


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
        [
            {**MERE, "identifiers": [nhi("ZZZ0016")]},
            {**MERE, "identifiers": [nhi("ZZZ0024")]},
        ],
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
