"""Two people who are known become one by a person, and two again."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from accord_chassis import topology
from accord_chassis.binding import unpack
from accord_chassis.clock import SimulatedClock
from accord_chassis.testing import COORDINATOR, NOON, eventually, new_id
from accord_contracts.catalogue import CATALOGUE
from accord_contracts.message import Lane
from accord_contracts.referrals import (
    PersonMerged,
    PersonUnmerged,
    ReferralReceived,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from referrals.domain.case import Case
from referrals.domain.recognition import Person
from referrals.domain.request import Identity
from referrals.domain.review import (
    Answer,
    DecidedOtherwise,
    KeptApart,
    Review,
    TakenBack,
    counted_as,
    in_order,
    may_be_one,
    review_id,
)
from referrals.review_store import Reviews
from referrals_builders import JOHN, MERE, SOMEBODY, Running, body, nhi
from test_contacts import ADDRESS, NUMBER, OTHER_NUMBER, contact, points, refusals
from test_erasing import erase
from test_history import read as history_of

COLLEAGUE = Identity(issuer="urn:test", subject="colleague", worker=None)
RIPEKA = {**MERE, "given_name": "Rīpeka", "family_name": "Parata"}
HEMI = {**JOHN, "given_name": "Hēmi", "family_name": "Rangi"}

PEOPLE = "abcdef"
pairs = st.lists(st.tuples(st.sampled_from(PEOPLE), st.sampled_from(PEOPLE)))
asked = st.lists(st.sampled_from(PEOPLE), unique=True)
quick = settings(deadline=None, derandomize=True, max_examples=200)


def review(**fields: Any) -> Review:
    told: dict[str, Any] = {
        "id": new_id(),
        "people": ("a", "b"),
        "referral_id": None,
        "opened_at": NOON,
        "bits": 0,
        "signs": (),
        "rules": (),
        "policy": "1",
        "waiting_since": NOON,
    }
    return Review(**told | fields)


def answer(*, same: bool = True, by: Identity = SOMEBODY) -> Answer:
    return Answer(same=same, reason=None, by=by, at=NOON)


def together(one: str, other: str, joined: Sequence[tuple[str, str]]) -> bool:
    """Tell the slow way whether two are one, also by way of others."""
    reached = {one}
    for _ in PEOPLE:
        reached |= {e for pair in joined if reached & {*pair} for e in pair}
    return other in reached


@given(asked, pairs)
@quick
def test_whoever_is_one_with_somebody_is_counted_as_the_first_of_them(
    people: list[str], joined: list[tuple[str, str]]
) -> None:
    counted = counted_as(people, joined)

    for one in PEOPLE:
        first = [each for each in people if together(each, one, joined)]
        wanted = first[0] if first and first[0] != one else None
        assert counted.get(one) == wanted


@given(asked, pairs, st.tuples(st.sampled_from(PEOPLE), st.sampled_from(PEOPLE)))
@quick
def test_taking_a_pair_back_counts_everybody_as_before_it(
    people: list[str], joined: list[tuple[str, str]], pair: tuple[str, str]
) -> None:
    def counts(held: Review) -> dict[str, str]:
        return counted_as(people, [*joined, *([held.people] if held.one else [])])

    asked = review(people=pair)
    decided = asked.decide(answer())
    back = decided.take_back(TakenBack(reason="mistake", by=SOMEBODY, at=NOON))

    assert counts(decided) == counted_as(people, [*joined, pair])
    assert counts(back) == counts(asked) == counted_as(people, joined)
    assert (back.answer, back.waiting_since) == (None, NOON)
    assert [each.same for each in back.past] == [True]


def test_different_codes_of_one_register_take_two_people() -> None:
    waits = review().decide(answer(), ("nhi",))
    again = waits.decide(answer(), ("nhi",))
    confirmed = waits.decide(answer(by=COLLEAGUE), ("nhi",))

    assert again is waits
    assert (waits.one, waits.waits_for_second, waits.waiting_since) == (
        False, True, NOON
    )  # fmt: skip
    assert (confirmed.one, confirmed.waiting_since) == (True, None)
    assert confirmed.answer
    assert (confirmed.answer.by, confirmed.answer.confirmed_by) == (SOMEBODY, COLLEAGUE)


def test_who_is_asked_for_a_second_word_may_say_no() -> None:
    waits = review().decide(answer(), ("nhi",))

    refused = waits.decide(answer(same=False, by=COLLEAGUE))

    assert (refused.one, refused.waiting_since) == (False, None)
    assert refused.answer
    assert not refused.answer.same
    with pytest.raises(DecidedOtherwise):
        refused.decide(answer())


def known(id_: str, *keys: str, apart: tuple[str, ...] = ()) -> Person:
    return Person(id=id_, met_at=NOON, keys=keys, apart=apart)


def test_only_codes_of_registers_contradict_and_only_if_none_is_the_same() -> None:
    one = [known("a", "nhi:1", "name:1", "alone:1")]

    assert may_be_one(one, [known("b", "nhi:2", "name:2", "alone:2")]) == {"nhi"}
    assert may_be_one(one, [known("b", "nhi:2"), known("c", "nhi:1")]) == set()
    assert may_be_one(one, [known("b", "passport:2")]) == set()


def test_who_was_kept_apart_from_one_is_not_made_one_by_way_of_another() -> None:
    with pytest.raises(KeptApart):
        may_be_one([known("a"), known("b", apart=("c",))], [known("d"), known("c")])


class Desk:
    """The service, and coordinators who say who is one."""

    def __init__(self, running: Running) -> None:
        self.running = running

    async def refers(self, *people: dict[str, Any]) -> tuple[list[str], Case]:
        """Refer some people; give who they are, and their case."""
        posted = await self.running.submit(body(people=people), key=new_id())
        referral_id = posted.json()["referral_id"]
        case = await eventually(lambda: self.running.cases.of_referral(referral_id))
        held = await self.running.referrals.get(referral_id)
        assert held
        return [*held.person_ids], case

    async def sends(
        self, path: str, told: dict[str, Any], worker: str = COORDINATOR
    ) -> httpx2.Response:
        headers = self.running.bearer(
            "referrals.match", agency="", worker=worker, subject=worker
        )
        path = f"/v1/matches{path}"
        return await self.running.http.post(path, headers=headers, json=told)

    async def asks(self, one: str, other: str) -> str:
        asked = await self.sends("", {"people": [one, other]})
        assert asked.status_code == 201, asked.text
        match_id: str = asked.json()["match_id"]
        return match_id

    async def decides(
        self, match_id: str, *, same: bool = True, worker: str = COORDINATOR
    ) -> httpx2.Response:
        return await self.sends(f"/{match_id}/decision", {"same": same}, worker)

    async def merges(self, one: str, other: str) -> str:
        match_id = await self.asks(one, other)
        decided = await self.decides(match_id)
        assert (decided.status_code, decided.json()["one"]) == (200, True)
        return match_id

    async def takes_back(self, match_id: str) -> httpx2.Response:
        return await self.sends(f"/{match_id}/reversal", {"reason": "mistake"})

    def hears(self, kind: type[Any], service: str = "notify") -> list[Any]:
        """Give what waits for a service of one type."""
        queues = self.running.broker.queues
        waiting = [
            unpack(each, CATALOGUE).data
            for lane in Lane
            for each in queues[topology.queue_of(service, lane)].ready
        ]
        return [each for each in waiting if isinstance(each, kind)]


@pytest.fixture
def desk(running: Running) -> Desk:
    return Desk(running)


async def test_two_are_one_and_two_again_and_nothing_of_either_has_moved(
    desk: Desk,
) -> None:
    (mere, _), case = await desk.refers(MERE, JOHN)
    (ripeka, _), other = await desk.refers(RIPEKA, HEMI)
    running = desk.running
    before = await running.people.all_of((mere, ripeka))

    match_id = await desk.asks(mere, ripeka)
    decided = [(await desk.decides(match_id)).json() for _ in range(2)]
    looked = (await history_of(running, case.id)).json()
    after = await running.people.all_of((mere, ripeka))
    back = [(await desk.takes_back(match_id)).json() for _ in range(2)]
    apart = (await history_of(running, case.id)).json()

    assert [{*each["cases"]} for each in decided] == [{case.id, other.id}] * 2
    counted = {each["person_id"]: each["episodes"] for each in looked["people"]}
    assert (counted[mere], {*counted} & {ripeka}) == (2, set())
    assert {each["case_id"] for each in looked["episodes"]} == {case.id, other.id}
    assert before == after
    assert [(each["one"], each["same"]) for each in back] == [(False, None)] * 2
    assert {each["case_id"] for each in apart["episodes"]} == {case.id}
    for kind in (PersonMerged, PersonUnmerged):
        await eventually(lambda kind=kind: _async(len(desk.hears(kind)) == 2))
        assert {each.case_id for each in desk.hears(kind)} == {case.id, other.id}


async def _async(found: Any) -> Any:
    return found


async def test_who_may_not_see_the_others_case_sees_nothing_of_it(desk: Desk) -> None:
    (mere, _), case = await desk.refers(MERE, JOHN)
    (ripeka, _), other = await desk.refers(RIPEKA, HEMI)
    await desk.merges(mere, ripeka)
    desk.running.standings.tell(COORDINATOR, other.id, coordinator=True, excluded=True)

    looked = (await history_of(desk.running, case.id)).json()

    assert {each["case_id"] for each in looked["episodes"]} == {case.id}
    assert {each["episodes"] for each in looked["people"]} == {1}
    assert ripeka not in str(looked)


async def test_whoever_is_barred_from_a_case_of_whom_one_of_them_is_decides_nothing(
    desk: Desk,
) -> None:
    (mere, _), _ = await desk.refers(MERE, JOHN)
    (ripeka, _), third = await desk.refers(RIPEKA, HEMI)
    (aroha, _), _ = await desk.refers({**RIPEKA, "given_name": "Aroha"}, JOHN)
    await desk.merges(ripeka, mere)
    desk.running.standings.tell(COORDINATOR, third.id, coordinator=True, excluded=True)

    asked = await desk.sends("", {"people": [aroha, mere]})

    assert asked.status_code == 404


async def test_where_the_one_lives_never_shows_under_the_other_and_unsafe_wins(
    desk: Desk,
) -> None:
    home = {"channel": "post", "value": ADDRESS, "safety": "safe"}
    unsafe = contact(NUMBER, safety="unsafe")
    hers = {**MERE, "contact_points": [contact(NUMBER)]}
    theirs = {**RIPEKA, "contact_points": [unsafe, contact(OTHER_NUMBER), home]}
    (mere, _), _ = await desk.refers(hers, JOHN)
    (ripeka, _), _ = await desk.refers(theirs, HEMI)
    running = desk.running
    [before] = await points(running, mere)

    match_id = await desk.merges(mere, ripeka)
    [while_one] = await points(running, mere)
    await desk.takes_back(match_id)

    assert refusals(before) == [None]
    assert refusals(while_one) == ["unsafe"]
    assert ADDRESS not in str(while_one)
    assert await points(running, mere) == [before]


async def test_what_was_suspended_for_the_one_is_not_used_for_the_other(
    desk: Desk,
) -> None:
    shared = [contact(NUMBER)]
    (mere, _), _ = await desk.refers({**MERE, "contact_points": shared}, JOHN)
    (ripeka, _), _ = await desk.refers({**RIPEKA, "contact_points": shared}, HEMI)
    running = desk.running
    await desk.merges(mere, ripeka)
    [point] = await points(running, ripeka)
    headers = running.bearer("referrals.contacts", agency="", worker=COORDINATOR)

    suspended = await running.http.post(
        f"/v1/people/{ripeka}/contacts/{point['contact_id']}/suspension",
        headers=headers,
        json={"reason": "someone_else_answered"},
    )

    assert suspended.status_code == 204
    assert refusals((await points(running, mere))[0]) == ["suspended"]


async def test_that_it_is_a_repeat_both_together_say(desk: Desk) -> None:
    (mere, _), _ = await desk.refers(MERE, JOHN)
    (ripeka, _), other = await desk.refers(RIPEKA, HEMI)
    await desk.merges(mere, ripeka)

    await desk.refers(RIPEKA, JOHN)

    async def told() -> ReferralReceived | None:
        heard = desk.hears(ReferralReceived, "risk")
        return heard[2] if len(heard) > 2 else None

    heard = await eventually(told)
    assert (heard.case_id, heard.repeat) == (other.id, True)


async def test_two_codes_of_one_register_need_a_second_coordinator(desk: Desk) -> None:
    coded = ({**MERE, "identifiers": [nhi("ZZZ0016")]}, JOHN)
    (mere, _), case = await desk.refers(*coded)
    other = ({**RIPEKA, "identifiers": [nhi("ZZZ0024")]}, HEMI)
    (ripeka, _), theirs = await desk.refers(*other)
    match_id, colleague = await desk.asks(mere, ripeka), new_id()
    for each in (case, theirs):
        desk.running.standings.tell(colleague, each.id, coordinator=True)

    told = [
        (await desk.decides(match_id, worker=each)).json()
        for each in (COORDINATOR, COORDINATOR, colleague)
    ]

    assert [each["one"] for each in told] == [False, False, True]
    assert {tuple(each["contradicts"]) for each in told} == {("nhi",)}


async def test_who_harmed_somebody_is_never_made_one_with_them(desk: Desk) -> None:
    (mere, john), _ = await desk.refers(MERE, JOHN)
    (ripeka, _), _ = await desk.refers(RIPEKA, HEMI)
    await desk.merges(mere, ripeka)

    at_once = await desk.decides(await desk.asks(mere, john))
    by_way = await desk.decides(await desk.asks(ripeka, john))

    assert (at_once.status_code, by_way.status_code) == (409, 409)


async def test_what_a_person_decided_is_contradicted_by_way_of_nobody(
    desk: Desk,
) -> None:
    (one, _), _ = await desk.refers(MERE, JOHN)
    (other, _), _ = await desk.refers(RIPEKA, HEMI)
    (third, _), _ = await desk.refers({**RIPEKA, "given_name": "Aroha"}, HEMI)
    different = await desk.asks(one, third)
    assert (await desk.decides(different, same=False)).status_code == 200
    await desk.merges(one, other)

    forbidden = await desk.decides(await desk.asks(other, third))
    await desk.takes_back(different)
    allowed = await desk.decides(await desk.asks(other, third))
    contrary = await desk.decides(different, same=False)

    statuses = [each.status_code for each in (forbidden, allowed, contrary)]
    assert statuses == [409, 200, 409]


async def test_who_is_corrected_is_asked_about_anew(desk: Desk) -> None:
    (mere, _), _ = await desk.refers(MERE, JOHN)
    posted = await desk.running.submit(body(people=[RIPEKA, HEMI]), key=new_id())
    referral_id = posted.json()["referral_id"]
    await eventually(lambda: desk.running.cases.of_referral(referral_id))
    held = await desk.running.referrals.get(referral_id)
    assert held
    match_id = await desk.merges(mere, held.person_ids[0])

    right = {"people": [{"person": 0, "family_name": "Whaanga"}]}
    await desk.running.amend(referral_id, right)

    async def two() -> bool:
        found = await desk.running.reviews.get(match_id)
        return found is not None and not found.one

    await eventually(two)


async def test_nobody_is_one_with_themselves_or_with_nobody(desk: Desk) -> None:
    (mere, _), _ = await desk.refers(MERE, JOHN)

    itself = await desk.sends("", {"people": [mere, mere]})
    nobody = await desk.sends("", {"people": [mere, new_id()]})

    assert (itself.status_code, nobody.status_code) == (422, 404)


CASES = (new_id(), new_id())


async def decided(reviews: Reviews, one: str, other: str, **fields: Any) -> Review:
    """Keep that two are one, and which cases were told so."""
    held = review(id=review_id(one, other), people=in_order(one, other), **fields)
    await reviews.ask(held)
    asked = await reviews.asked(held.id)
    assert asked
    told = {"told": CASES}
    return await reviews.save(asked.decide(answer()).model_copy(update=told))


async def waiting_to_be_told(reviews: Reviews, match_id: str) -> list[PersonUnmerged]:
    """Give what a crash leaves to be told of a question."""
    document = await reviews.documents.find_one({"_id": match_id})
    return [
        PersonUnmerged.model_validate_json(each["body"])
        for each in (document or {}).get("outbox", ())
        if each["type"] == PersonUnmerged.TYPE
    ]


@pytest.mark.parametrize("corrected", [False, True])
async def test_that_two_are_one_no_longer_outlives_whoever_is_forgotten(
    reviews: Reviews, *, corrected: bool
) -> None:
    one, other = new_id(), new_id()
    held = await decided(reviews, one, other, bits=1.5, referral_id=new_id())

    if corrected:
        await reviews.part(one, NOON)
    await reviews.forget(one, NOON)
    await reviews.forget(one, NOON)

    told = await waiting_to_be_told(reviews, held.id)
    assert [each.case_id for each in told] == [*CASES]
    document = await reviews.documents.find_one({"_id": held.id}, {"outbox": 0})
    assert document
    assert document["one"] is False
    kept = str(document)
    for each in (one, other, held.referral_id, SOMEBODY.subject, *CASES):
        assert str(each) not in kept
    assert await reviews.asked(held.id) is None
    assert await reviews.one_with([one, other]) == {}


async def test_a_question_that_was_dropped_is_asked_again_as_a_later_one(
    reviews: Reviews,
) -> None:
    one, other, referral_id = new_id(), new_id(), new_id()
    first = await decided(reviews, one, other, referral_id=referral_id)
    await reviews.ask_anew(first, TakenBack(reason="mistake", by=SOMEBODY, at=NOON))
    await reviews.take_back(one, referral_id, NOON)
    dropped = await reviews.asked(first.id)

    again = await decided(reviews, one, other)

    assert (dropped, await reviews.waiting()) == (None, [])
    assert again.one
    # Whoever heard that it was taken back goes by what is later alone.
    assert again.version > first.version + 1


async def test_what_nobody_decided_is_deleted_at_once(reviews: Reviews) -> None:
    one, other = new_id(), new_id()
    held = review(id=review_id(one, other), people=in_order(one, other))
    await reviews.ask(held)

    await reviews.forget(other, NOON)

    assert await reviews.get(held.id) is None


async def test_erasing_one_ends_the_link_and_later_leaves_nothing(
    desk: Desk, clock: SimulatedClock
) -> None:
    (mere, _), case = await desk.refers(MERE, JOHN)
    (ripeka, _), other = await desk.refers(RIPEKA, HEMI)
    match_id = await desk.merges(mere, ripeka)

    assert await erase(desk.running, f"people/{mere}") == 200

    await eventually(lambda: _async(len(desk.hears(PersonUnmerged)) == 2))
    assert {e.case_id for e in desk.hears(PersonUnmerged)} == {case.id, other.id}
    assert (await desk.decides(match_id)).status_code == 404
    await desk.running.service.sweep_once()
    clock.advance(timedelta(days=29))
    await desk.running.service.sweep_once()
    assert await desk.running.reviews.get(match_id)
    clock.advance(timedelta(days=1))
    await desk.running.service.sweep_once()
    assert await desk.running.reviews.get(match_id) is None
