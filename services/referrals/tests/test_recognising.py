# ruff: noqa: S311 - Invented people.
"""Who is who in a referral when no key tells: weighed, on a real store."""

import random
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from accord_chassis.settings import BadConfiguration, policy_of
from accord_chassis.testing import NOON, message_of, new_id
from accord_contracts.referrals import ReferralPosted
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from referrals import handlers, recognising, reviewing
from referrals.domain.likeness import Likeness
from referrals.domain.matching import finding
from referrals.domain.recognition import Person, Sighting, Weighed, sightings
from referrals.domain.review import Review
from referrals.domain.telling import DescribedPerson
from referrals.domain.weighing import MatchingPolicy, weigh
from referrals.recognising import Known
from referrals.review_store import Reviews
from referrals.reviewing import Desk
from referrals.store import Cases, Near, People, Referrals
from referrals_builders import (
    JOHN,
    LOCALITIES,
    MATCHING,
    MERE,
    NAMELESS,
    RULES,
    SOMEBODY,
    nhi,
    plain_id,
    referral,
)

Told = dict[str, Any]

LETTERS = "abcdefghijklmnopqrstuvwxyz"
GIVEN = ("Kahurangi", "Hinemoa", "Wiremu", "Ngaire", "Sione", "Priya", "Charlotte")
FAMILY = ("Tāmihana", "Parata", "Fonoti", "Campbell", "Whaanga", "Robinson", "Patel")

# One letter from her, who has her phone too.
PHONE = {"channel": "phone", "value": "021 345 6789"}
HER = {**MERE, "given_name": "Kahurangi", "contact_points": [PHONE]}
ELIZABETH = {**MERE, "given_name": "Elizabeth", "family_name": "Robinson"}
MISTYPED = {**HER, "family_name": "Tamihanna"}
MISHEARD = {**HER, "given_name": "Kahurang"}

quick = settings(deadline=None, derandomize=True, max_examples=300)
people_ = st.integers(0, 10**6).map(lambda seed: somebody(random.Random(seed)))
mistakes = st.tuples(st.integers(0, 99), st.integers(0, 3), st.integers(0, 25))


def somebody(chance: random.Random) -> Told:
    """Somebody invented."""
    year, month, day = (chance.randrange(*r) for r in ((1940, 2016), (1, 13), (1, 29)))
    phone = {"channel": "phone", "value": f"02{chance.randrange(10**7, 10**8)}"}
    return {
        "role": "person_harmed",
        "given_name": chance.choice(GIVEN),
        "family_name": chance.choice(FAMILY),
        "date_of_birth": f"{year}-{month:02}-{day:02}",
        "contact_points": [phone] if chance.random() < 0.5 else [],
    }


def typo(text: str, place: int, kind: int, letter: int) -> str:
    """One wrong, missing or additional letter, or two that changed places."""
    at, written = place % len(text), LETTERS[letter]
    return (
        text[:at] + written + text[at + 1 :],
        text[:at] + text[at + 1 :],
        text[:at] + written + text[at:],
        text[:at] + text[at + 1 : at + 2] + text[at] + text[at + 2 :],
    )[kind]


def sighting(told: Told) -> Sighting:
    described = DescribedPerson.model_validate(told)
    [made] = sightings(new_id(), [described], RULES, blind=str, id_of=plain_id)
    return made


def known(told: Told, **fields: Any) -> Person:
    """Give somebody who was met as they are described."""
    seen = sighting(told)
    met = Person(id=seen.id, keys=seen.keys, met_at=NOON, version=1, **fields)
    return met.remember(seen)


def weighed(told: Told, *people: Person) -> Weighed:
    return weigh(sighting(told), people, MATCHING.weights)


@quick
@given(one=people_, other=people_, wrong=mistakes)
def test_who_comes_first_makes_no_difference(
    one: Told, other: Told, wrong: tuple[int, int, int]
) -> None:
    for again in (other, {**one, "family_name": typo(one["family_name"], *wrong)}):
        there, back = weighed(one, known(again)), weighed(again, known(one))

        assert (there.sure is None) == (back.sure is None)
        assert [e.bits for e in there.likely] == [e.bits for e in back.likely]
        assert [e.signs for e in there.likely] == [e.signs for e in back.likely]


@quick
@given(one=people_, codes=st.permutations(["ZZZ0016", "ZZZ0024", "ZZZ0032"]))
def test_two_different_identifiers_are_never_one_person(
    one: Told, codes: list[str]
) -> None:
    mine, theirs, _ = codes
    met = known({**one, "identifiers": [nhi(mine)]})

    found = weighed({**one, "identifiers": [nhi(theirs)]}, met)

    assert found.sure is None


@quick
@given(
    one=people_,
    field=st.sampled_from(["given_name", "family_name"]),
    wrong=mistakes,
)
def test_a_typo_makes_nobody_new_without_being_asked(
    one: Told, field: str, wrong: tuple[int, int, int]
) -> None:
    met = known(one)
    assume(weighed(one, met).sure is not None)
    again = {**one, field: typo(one[field], *wrong)}

    found = weighed(again, met)

    assert [each.person.id for each in found.likely] == [met.id]
    assert set(sighting(again).asks) & set(met.blocks)


@quick
@given(
    tellings=st.lists(people_, min_size=2, max_size=5),
    told_as=st.integers(0, 4),
    field=st.sampled_from(["given_name", "family_name"]),
    wrong=mistakes,
)
def test_a_typo_in_any_name_of_somebody_makes_nobody_new_without_being_asked(
    tellings: list[Told], told_as: int, field: str, wrong: tuple[int, int, int]
) -> None:
    first = tellings[0]
    same = {each: first[each] for each in ("date_of_birth", "contact_points")}
    names = [{**each, **same} for each in tellings]
    met = known(first)
    for each in names[1:]:
        met = met.remember(sighting(each))
    one = names[told_as % len(names)]
    assume(weighed(one, known(one)).sure is not None)
    again = {**one, field: typo(one[field], *wrong)}

    found = weighed(again, met)

    assert [each.person.id for each in found.likely] == [met.id]
    assert set(sighting(again).asks) & set(met.blocks)


def test_of_somebody_no_more_than_ten_names_are_kept_each_once() -> None:
    likeness = sighting(HER).likeness
    for letter in "abcdefghijkl":
        told = sighting({**HER, "family_name": f"Wal{letter}"}).likeness
        likeness = likeness.learn(told).learn(told)

    assert len(likeness.names) == 10
    assert likeness.names[0] == (HER["given_name"], HER["family_name"])
    assert len(likeness.records) == 10
    assert likeness.family_names[:3] == (HER["family_name"], "Wala", "Walb")


def test_whoever_was_told_of_by_one_name_alone_keeps_it_once() -> None:
    without_macron = {**HER, "family_name": "Tamihana"}
    likeness = sighting(HER).likeness.learn(sighting(without_macron).likeness)

    assert likeness.names == ()


@quick
@given(
    one=people_,
    at=st.sampled_from((0, 1, 2, 3, 5, 6, 8, 9)),
    digit=st.sampled_from("0123456789"),
)
def test_one_wrong_digit_of_a_birthday_hides_nobody(
    one: Told, at: int, digit: str
) -> None:
    born = one["date_of_birth"]
    told = sighting(one).likeness
    again = told.model_copy(update={"born": born[:at] + digit + born[at + 1 :]})

    assert finding.asked(again.record) & finding.kept(told.record)


@quick
@given(
    one=people_,
    other=people_,
    left_out=st.sets(st.sampled_from(["date_of_birth", "family_name"])),
)
def test_whoever_finds_somebody_is_found_by_them(
    one: Told, other: Told, left_out: set[str]
) -> None:
    less = {name: each for name, each in one.items() if name not in left_out}
    for mine, theirs in ((one, less), (one, other), (less, other)):
        a, b = sighting(mine).likeness.record, sighting(theirs).likeness.record

        there, back = (
            finding.asked(a) & finding.kept(b),
            finding.asked(b) & finding.kept(a),
        )

        assert bool(there) == bool(back)


@quick
@given(one=people_, other=people_, same=st.sampled_from(["given_name", "family_name"]))
def test_on_one_day_one_name_is_enough_whatever_the_other_is(
    one: Told, other: Told, same: str
) -> None:
    again = {**other, same: one[same], "date_of_birth": one["date_of_birth"]}

    assert set(sighting(again).asks) & set(known(one).blocks)


def test_on_one_day_another_form_of_a_name_is_enough() -> None:
    married = {**MERE, "given_name": "Betty", "family_name": "Carter"}

    found = set(sighting(married).asks) & set(known(ELIZABETH).blocks)

    assert {each.partition(":")[0] for each in found} == {"born_alias"}


def test_of_those_who_were_born_on_one_day_few_are_compared() -> None:
    """Forty of a million were: what is looked at must not grow with a region."""
    names = (first + "ane" for first in "bdfghjklmnprstvwyz")
    day = [
        sighting({**MERE, "given_name": given, "family_name": family})
        for given, family in pairwise(names)
    ]

    for one in day:
        beside = [each for each in day if {*each.blocks} & {*one.asks}]
        assert len(beside) <= 4


def test_who_was_told_of_otherwise_ten_times_is_found_as_she_was_told_of_last() -> None:
    names = [f"{first}ane" for first in "bdfghjklmnpr"]
    tellings = [
        sighting({**MERE, "given_name": given, "family_name": family})
        for given, family in pairwise(names)
    ]
    met = known(HER)

    for each in tellings[:10]:
        met = met.remember(each)

    assert {*tellings[9].blocks} <= {*met.blocks}


@quick
@given(
    one=people_,
    field=st.sampled_from(["given_name", "family_name"]),
    slips=st.lists(mistakes, max_size=1),
    undated=st.sampled_from(["one", "other", "both"]),
)
def test_whoever_is_asked_about_without_a_birthday_is_found(
    one: Told, field: str, slips: list[tuple[int, int, int]], undated: str
) -> None:
    mine = {**one, "identifiers": [], "contact_points": []}
    theirs = {**mine, field: typo(mine[field], *slips[0])} if slips else {**mine}
    if undated != "other":
        mine["date_of_birth"] = None
    if undated != "one":
        theirs["date_of_birth"] = None
    assume(weighed(mine, known(theirs)).likely)

    assert set(sighting(mine).asks) & set(known(theirs).blocks)


def test_without_a_birthday_nobody_is_compared_whose_names_only_begin_alike() -> None:
    """Fifty thousand of a million have none: names begin alike for too many."""
    less = {**MERE, "date_of_birth": None}
    others = [{**less, "given_name": each} for each in ("Merelyn", "Merewyn")]

    assert all({*known(each).blocks}.isdisjoint(sighting(less).asks) for each in others)
    assert all({*known(each).blocks}.isdisjoint(sighting(MERE).asks) for each in others)


def test_who_has_no_birthday_is_found_by_both_names() -> None:
    less = {**HER, "date_of_birth": None, "contact_points": []}
    for mine, theirs in ((HER, less), (less, HER), (less, less)):
        assert set(sighting(mine).asks) & set(known(theirs).blocks)


@pytest.mark.parametrize("born", ["1991", "1991-03", "1985~", "1991-03-07~"])
def test_whose_birthday_is_known_in_part_is_found_and_asked_about(born: str) -> None:
    less = {**HER, "date_of_birth": born, "contact_points": []}
    for mine, theirs in ((HER, less), (less, HER), (less, less)):
        met = known(theirs)
        found = weighed(mine, met)
        assert set(sighting(mine).asks) & set(met.blocks)
        assert found.sure is None
        assert [each.person for each in found.likely] == [met]


def test_whoever_is_far_from_an_estimate_is_nobody_to_ask_about() -> None:
    son = {**HER, "date_of_birth": "2015~", "contact_points": []}

    assert not weighed(son, known(HER)).likely


@pytest.mark.parametrize(
    ("first", "later", "kept"),
    [
        ("", "1985~", "1985~"),
        ("1985~", "1991", "1991"),
        ("1991", "1985~", "1991"),
        ("1991", "1991-03", "1991-03"),
        ("1991-03", "1991-03-07", "1991-03-07"),
        ("1991-03-07", "1991-03-01", "1991-03-07"),
    ],
)
def test_of_a_birthday_what_is_known_best_is_kept(
    first: str, later: str, kept: str
) -> None:
    assert Likeness(born=first).learn(Likeness(born=later)).born == kept


@pytest.mark.parametrize(
    ("right", "wrong"), [("lower: 0.0", "lower: 9.0"), ("ask_about: 5", "ask_about: 0")]
)
def test_weights_that_cannot_be_right_stop_the_start_with_a_sentence(
    tmp_path: Path, right: str, wrong: str
) -> None:
    told = (LOCALITIES / "canterbury" / "matching.yaml").read_text("utf-8")
    assert right in told
    (tmp_path / "matching.yaml").write_text(told.replace(right, wrong), "utf-8")

    with pytest.raises(BadConfiguration, match=r"^Correct .*matching\.yaml: "):
        policy_of(MatchingPolicy, tmp_path, "matching")


def test_twins_are_asked_about_however_much_they_share() -> None:
    hayden = {**HER, "given_name": "Hayden"}
    for other in ("Jayden", "Unknown"):
        found = weighed({**HER, "given_name": other}, known(hayden))

        assert found.sure is None
        assert len(found.likely) == 1


def test_a_placeholder_for_a_name_is_nothing_to_compare_by() -> None:
    assert sighting({"role": "child", "given_name": "Baby"}).blocks == ()


def test_who_is_as_like_two_is_linked_with_neither() -> None:
    one, other = known(HER), known(MISTYPED)

    found = weighed(HER, one, other)

    assert found.sure is None
    assert {each.person.id for each in found.likely} == {one.id, other.id}


def test_who_may_be_one_that_is_kept_apart_is_asked_about() -> None:
    maybe = known(MISHEARD)
    sure = known(HER)
    told = {**HER, "family_name": "Tamihanna"}
    assert weighed(told, sure, maybe).sure == sure

    found = weighed(told, sure.keep_apart(maybe.id), maybe)

    assert found.sure is None
    assert len(found.likely) == 2


class Intake:
    """Recognises the people of referrals, one after the other."""

    def __init__(
        self, referrals: Referrals, people: People, cases: Cases, reviews: Reviews
    ) -> None:
        self.referrals, self.people, self.reviews = referrals, people, reviews
        clock = people._database.clock
        self.desk = Desk(reviews, people, cases, MATCHING, clock)

    async def meets(self, *told: Told) -> list[str]:
        """Post a referral; give the ids of its people."""
        posted = await self.referrals.save(referral(*told))
        await self.recognises(posted.id)
        held = await self.referrals.get(posted.id)
        assert held
        return [*held.person_ids]

    async def recognises(self, referral_id: str) -> None:
        await handlers.recognise_people(
            message_of(ReferralPosted(referral_id=referral_id)),
            referrals=self.referrals,
            people=self.people,
            reviews=self.reviews,
            rules=RULES,
            matching=MATCHING,
        )

    async def compares(self, at: datetime) -> None:
        """Compare whoever is due once more."""
        known = Known(self.people, self.reviews, RULES, MATCHING)
        for each in await self.people.due_now(at):
            await recognising.compare_again(
                each, referrals=self.referrals, known=known, clock=self.desk.clock
            )

    async def asked(self) -> list[Review]:
        return await self.reviews.waiting()

    async def decides(self, review: Review, *, same: bool) -> Review:
        return await reviewing.decide(
            review.id, same=same, reason=None, by=SOMEBODY, desk=self.desk
        )


@pytest.fixture
def intake(
    referrals: Referrals, people: People, cases: Cases, reviews: Reviews
) -> Intake:
    return Intake(referrals, people, cases, reviews)


async def test_two_who_share_a_name_and_a_year_are_asked_about_and_not_one(
    intake: Intake,
) -> None:
    less = {**HER, "date_of_birth": "1991", "contact_points": []}
    [her, _] = await intake.meets(less, JOHN)

    [other, _] = await intake.meets(less, JOHN)

    assert other != her
    assert len(await intake.asked()) == 1


async def test_who_is_surely_known_is_linked_and_known_by_the_new_name_too(
    intake: Intake,
) -> None:
    first = await intake.meets(HER, JOHN)

    second = await intake.meets(MISTYPED, JOHN)

    assert second == first
    assert await intake.asked() == []
    held = await intake.people.get(first[0])
    assert held
    assert held.likeness
    assert held.likeness.family_name == "Tāmihana"
    assert len(held.keys) == 2
    assert await intake.meets(MISTYPED) == first[:1]


async def test_a_typo_in_the_name_of_her_marriage_is_asked_about(
    intake: Intake,
) -> None:
    code = {"identifiers": [nhi("ZZZ0016")], "contact_points": []}
    married = {**HER, "family_name": "Walker"}
    [her] = await intake.meets({**HER, **code})
    assert await intake.meets({**married, **code}) == [her]

    [new] = await intake.meets(
        {**married, "family_name": "Walkr", "contact_points": []}
    )

    assert new != her
    [asked] = await intake.asked()
    assert set(asked.people) == {her, new}


class Unseeing(People):
    """The people, as a referral finds them that was posted at the same moment."""

    async def near(self, blocks: Iterable[str]) -> Near:  # noqa: ARG002 - It sees none.
        return Near([], ())


async def test_of_two_met_at_once_in_two_spellings_a_person_is_asked_a_minute_on(
    intake: Intake, people: People
) -> None:
    [her, _] = await intake.meets(HER, JOHN)
    intake.people = Unseeing(people._database)
    [new, _] = await intake.meets(MISHEARD, JOHN)
    intake.people = people
    assert await intake.asked() == []

    assert await people.due_now(NOON + timedelta(seconds=59)) == []
    for _ in range(2):
        await intake.compares(NOON + timedelta(minutes=1))

    [asked] = await intake.asked()
    assert set(asked.people) == {her, new}
    assert len(await intake.meets(HER)) == 1
    assert await people.due_now(NOON + timedelta(days=1)) == []


async def test_who_is_kept_under_other_keys_is_looked_for_when_they_fall_due(
    intake: Intake, people: People
) -> None:
    [her] = await intake.meets(HER)
    assert await people.due_now(NOON) == []
    sooner = NOON + timedelta(seconds=30)
    assert not people.may_be_due(sooner)
    known = await people.get(her)
    assert known

    await people.rekey(known.model_copy(update={"compare_at": sooner}))

    assert people.may_be_due(sooner)


async def test_whoever_was_asked_about_already_is_not_asked_about_again(
    intake: Intake,
) -> None:
    await intake.meets(HER)
    await intake.meets(MISHEARD)
    [asked] = await intake.asked()
    await intake.decides(asked, same=False)

    await intake.compares(NOON + timedelta(minutes=1))

    assert await intake.asked() == []


async def test_whom_one_referral_tells_of_are_not_asked_about_a_minute_on(
    intake: Intake,
) -> None:
    """Twins."""
    hayden = {**HER, "given_name": "Hayden"}
    jayden = {**HER, "given_name": "Jayden", "role": "child"}
    await intake.meets(hayden, jayden)

    await intake.compares(NOON + timedelta(minutes=1))

    assert await intake.asked() == []


async def test_whoever_has_nothing_to_be_compared_by_never_falls_due(
    intake: Intake, people: People
) -> None:
    await intake.meets(NAMELESS)

    assert await people.due_now(NOON + timedelta(days=1)) == []


async def test_who_may_be_known_is_new_and_a_person_is_asked(intake: Intake) -> None:
    [her] = await intake.meets(HER)

    [new] = await intake.meets(MISHEARD)

    assert new != her
    [review] = await intake.asked()
    assert {*review.people} == {her, new}
    assert {each.field for each in review.signs} == {
        "given_name", "family_name", "date_of_birth", "phone",
    }  # fmt: skip
    assert review.policy == MATCHING.version


async def test_who_is_nobody_known_is_new_and_nobody_is_asked(intake: Intake) -> None:
    await intake.meets(HER)

    await intake.meets(JOHN, {"role": "person_harmed", "given_name": "Unknown"})

    assert await intake.asked() == []
    assert await intake.people.documents.count_documents({}) == 3


async def test_two_codes_of_a_register_stay_two_people(intake: Intake) -> None:
    [her] = await intake.meets({**HER, "identifiers": [nhi("ZZZ0016")]})

    [other] = await intake.meets({**MISTYPED, "identifiers": [nhi("ZZZ0024")]})

    assert other != her


async def test_two_who_are_described_apart_are_not_linked_with_one(
    intake: Intake,
) -> None:
    [her] = await intake.meets(HER)

    both = await intake.meets(HER, {**MISTYPED, "role": "child"})

    assert both[0] == her
    assert both[1] != her
    [review] = await intake.asked()
    assert {*review.people} == {*both}


async def test_a_crash_before_the_referral_was_saved_loses_no_question(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    [her] = await intake.meets(HER)
    posted = await intake.referrals.save(referral(MISHEARD))

    async def crashes(_: Review) -> None:
        raise ConnectionError

    with monkeypatch.context() as patched:
        patched.setattr(intake.reviews, "ask", crashes)
        with pytest.raises(ConnectionError):
            await intake.recognises(posted.id)
    await intake.recognises(posted.id)

    [review] = await intake.asked()
    held = await intake.referrals.get(posted.id)
    assert held
    assert {*review.people} == {her, *held.person_ids}
    assert await intake.people.documents.count_documents({}) == 2


async def test_two_who_are_different_are_told_from_each_other_from_then_on(
    intake: Intake,
) -> None:
    [her] = await intake.meets(HER)
    [other] = await intake.meets(MISHEARD)
    [review] = await intake.asked()
    await intake.decides(review, same=False)

    # A name and a birthday told them from nobody: somebody had to decide.
    [new] = await intake.meets({**HER, "contact_points": []})

    assert new not in {her, other}
    assert {each.people for each in await intake.asked()} == {
        tuple(sorted(pair)) for pair in ((new, her), (new, other))
    }
    # Who has every key in common with others is found again all the same.
    assert await intake.people.get(new)


async def test_a_pair_is_asked_about_once_and_for_all(intake: Intake) -> None:
    await intake.meets(HER)
    await intake.meets(MISHEARD)
    [review] = await intake.asked()
    decided = await intake.decides(review, same=False)

    await intake.reviews.ask(review)
    again = await intake.decides(review, same=False)

    assert await intake.asked() == []
    assert again.answer == decided.answer


async def test_that_two_are_the_same_is_recorded_and_changes_nobody(
    intake: Intake,
) -> None:
    [her] = await intake.meets(HER)
    await intake.meets(MISHEARD)
    [review] = await intake.asked()
    before = await intake.people.get(her)

    await intake.decides(review, same=True)

    held = await intake.reviews.get(review.id)
    assert held
    assert held.answer
    assert held.answer.same
    assert await intake.people.get(her) == before


async def test_a_block_that_is_too_large_is_told_of_and_hides_nobody_in_another(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("referrals.store.LARGEST", 3)
    [her] = await intake.meets(HER)
    # All are born on one day with a name that begins like hers; nothing else is alike.
    crowd = [
        {**MERE, "given_name": name, "family_name": name[::-1]}
        for name in ("Kim", "Karl", "Kylie", "Kevin", "Kerry", "Karen")
    ]
    for each in crowd:
        await intake.meets(each)
    told = {**MISHEARD, "contact_points": [PHONE]}

    asked = [intake.people.vault.blind(each) for each in _plain(told)]
    near = await intake.people.near(asked)
    again = await intake.people.near(asked)

    assert [each.id for each in near.people] == [her]
    assert near.crowded == ("born_given",)
    assert again == near


async def test_only_those_who_share_most_are_compared(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("referrals.store.COMPARED", 1)
    [her] = await intake.meets(HER)
    await intake.meets({**MERE, "given_name": "Kiri", "family_name": "Zola"})

    near = await intake.people.near(
        [intake.people.vault.blind(each) for each in _plain(HER)]
    )

    assert [each.id for each in near.people] == [her]
    assert near.crowded == ("born_given",)


async def test_what_an_erased_person_was_compared_by_cannot_be_read_in_a_backup(
    intake: Intake,
) -> None:
    [her] = await intake.meets(HER)
    backup = await intake.people.documents.find_one({"_id": her})
    assert backup

    await intake.people.remove(her)
    await intake.people.documents.insert_one(backup)

    held = await intake.people.get(her)
    assert held
    assert held.likeness is None


def _plain(told: Mapping[str, Any]) -> frozenset[str]:
    return finding.asked(sighting(dict(told)).likeness.record)
