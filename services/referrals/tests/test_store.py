"""Where referrals, people and cases are kept, on a real store."""

import asyncio
from typing import Any

import pytest
from accord_chassis.store import EPOCH, AlreadyHandled, Conflict, Database, Store
from accord_chassis.testing import NOON, message_of, new_id
from accord_contracts.referrals import PeopleRecognised
from referrals.domain.case import Stage
from referrals.domain.recognition import Person
from referrals.review_store import Reviews
from referrals.store import Cases, People, Referrals
from referrals_builders import HARMED, USING, case, household, referral


def somebody(*keys: str) -> Person:
    return Person(id=new_id(), keys=keys, met_at=NOON)


def stages_of(plan: Any) -> list[str]:
    """Give the stages of a query's plan, from the result down."""
    inner = plan.get("inputStage")
    return [plan["stage"], *(stages_of(inner) if inner else [])]


async def test_a_referral_is_kept_as_it_was_told(referrals: Referrals) -> None:
    contact = {"channel": "phone", "value": "021 000 000", "safety": "safe"}
    posted = referral(
        {
            "role": "person_harmed",
            "given_name": "Mere",
            "date_of_birth": "1991-03-07",
            "contact_points": [contact],
        },
        answers={"injury": "not_asked"},
        instruments=[{"instrument": "odara", "total": 7, "certified": True}],
        wishes={"gender": "woman", "languages": ["mi"], "kaupapa_maori": True},
        place={"area": "phillipstown", "address": "1 Somewhere Street"},
        narrative="What was seen.",
    )

    saved = await referrals.save(posted)

    assert await referrals.get(posted.id) == saved


async def test_a_case_is_kept_as_it_was(cases: Cases) -> None:
    made = case(household(("a", HARMED), ("b", USING))).staff(NOON)

    saved = await cases.save(made)

    assert await cases.get(made.id) == saved
    assert saved.episodes[0].stage is Stage.ALLOCATED


async def test_people_are_found_by_any_of_their_keys(people: People) -> None:
    mere, john = somebody("nhi:zzz0016", "name:x"), somebody("name:y")
    await asyncio.gather(people.save(mere), people.save(john))

    found, none, one = await asyncio.gather(
        people.known_by(["name:x", "name:y", "name:z"]),
        people.known_by(["name:z"]),
        people.known_by(["nhi:zzz0016"]),
    )

    assert {key: each.id for key, each in found.items()} == {
        "name:x": mere.id,
        "name:y": john.id,
    }
    assert none == {}
    assert {key: each.id for key, each in one.items()} == {"nhi:zzz0016": mere.id}


async def test_no_two_people_have_the_same_key(people: People) -> None:
    await people.save(somebody("nhi:zzz0016", "name:x"))
    other = await people.save(somebody("name:y"))

    with pytest.raises(Conflict):
        await people.save(somebody("name:x"))
    with pytest.raises(Conflict):
        await people.save(other.learn(["nhi:zzz0016"]))


async def test_no_two_cases_have_the_same_couple(cases: Cases) -> None:
    await cases.save(case(household(("a", HARMED), ("b", USING))))

    with pytest.raises(Conflict):
        await cases.save(case(household(("b", HARMED), ("a", USING))))


async def test_cases_are_found_by_whoever_is_in_them(cases: Cases) -> None:
    one = case(household(("a", HARMED), ("b", USING)))
    two = case(household(("c", HARMED), ("b", USING)))
    await asyncio.gather(cases.save(one), cases.save(two))
    cause = message_of(PeopleRecognised(referral_id=new_id(), parties=()))

    found = await asyncio.gather(
        *(cases.with_people(ids, cause=cause) for ids in (["a", "b"], ["c"], ["d"]))
    )

    assert [{each.id for each in some} for some in found] == [
        {one.id, two.id},
        {two.id},
        set(),
    ]


async def test_a_case_knows_the_message_that_changed_it(cases: Cases) -> None:
    cause = message_of(PeopleRecognised(referral_id=new_id(), parties=()))
    await cases.save(case(household(("a", HARMED), ("b", USING))), cause=cause)

    with pytest.raises(AlreadyHandled):
        await cases.with_people(["a"], cause=cause)


async def test_a_case_is_found_by_a_referral_that_it_keeps(cases: Cases) -> None:
    made = case(household(("a", HARMED)), household(("a", HARMED)))
    await cases.save(made)

    for each in made.episodes:
        found = await cases.of_referral(each.referral_id)
        assert found
        assert found.id == made.id
    assert await cases.of_referral(new_id()) is None


@pytest.mark.parametrize(
    ("collection", "query"),
    [
        ("people", {"keys": {"$in": ["name:x", "name:y"]}}),
        ("people", {"blocks": {"$in": ["born:x", "phone:y"]}}),
        ("reviews", {"people": "a"}),
        ("reviews", {"waiting_since": {"$gt": EPOCH}}),
        ("cases", {"people.person_id": {"$in": ["a", "b"]}}),
        ("cases", {"episodes.referral_id": "r"}),
        ("referrals", {"person_ids": {"$in": ["a", "b"]}}),
        ("referrals", {"sender.agency": "a", "received_at": {"$gte": EPOCH}}),
        ("referrals", {"former.person_id": {"$in": ["a", "b"]}}),
    ],
)
async def test_every_query_is_served_by_an_index(
    database: Database, collection: str, query: dict[str, Any]
) -> None:
    kept: tuple[type[Store[Any]], ...] = (Referrals, People, Cases, Reviews)
    stores = {each.collection: each(database) for each in kept}
    await stores[collection].prepare()

    plan = await stores[collection].documents.find(query).explain()

    assert stages_of(plan["queryPlanner"]["winningPlan"]) == ["FETCH", "IXSCAN"]
