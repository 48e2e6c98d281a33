"""Two people of a plan who are one: a link that moves nothing and can be taken back."""

from datetime import timedelta
from itertools import permutations

import pytest
from accord_chassis.testing import NOON, eventually, message_of, new_id
from accord_contracts.one_person import Link, one_with
from accord_contracts.referrals import PersonMerged, PersonUnmerged
from accord_contracts.risk import RiskLevel
from papers_builders import voice
from plans.documents.audience import Addressed, Audience, Facts, redacted
from plans.documents.voice import NotTheirCopy, copy_of
from plans.domain.action import Action
from plans.domain.closing import MandatoryActionsOpen
from plans.domain.merging import carry, share_of
from plans.domain.one_person import each_once
from plans.domain.plan import Plan
from plans.domain.template import Part
from plans_builders import (
    IVS,
    POLICY,
    SHOWN,
    Running,
    assessment,
    does,
    ends,
    owner,
    parted_policy,
    plan,
    says_done,
)

PARTED = parted_policy()
HOUR = timedelta(hours=1)
MATCH = new_id()


def linked(one: str, other: str, revision: int = 1, *, over: bool = False) -> Link:
    return Link(people=(one, other), revision=revision, over=over)


def children_of(held: Plan) -> list[Action]:
    return [each for each in held.actions if each.part is Part.CHILD]


def test_links_are_followed_and_end_when_they_are_taken_back() -> None:
    links = [linked("c", "d"), linked("b", "c"), linked("a", "b")]

    assert one_with("a", links) == {"a", "b", "c", "d"}
    assert one_with("x", links) == {"x"}
    assert one_with("a", [linked("a", "b", over=True)]) == {"a"}
    assert each_once(["d", "x", "a"], links) == ("d", "x")
    assert each_once(["d", "x", "a"], links, {"a", "x"}) == ("a", "x")


def test_of_links_the_last_word_counts_in_whatever_order_it_is_heard() -> None:
    told = [linked("a", "b", 1), linked("a", "b", 2, over=True), linked("a", "b", 3)]
    ends = []
    for order in permutations(told):
        held = Plan(id=new_id())
        for each in order:
            held = held.link(MATCH, each, PARTED, NOON)
        ends.append(held.links)
    assert ends == [{MATCH: told[2]}] * 6


def test_a_child_known_twice_is_asked_for_once_and_nothing_taken_on_is_lost() -> None:
    one, two = new_id(), new_id()
    met = Plan(id=new_id()).meet([one, two], PARTED, NOON)
    before = met.draft(assessment(), PARTED, NOON)

    held = before.link(MATCH, linked(one, two), PARTED, NOON + HOUR)
    late = Plan(id=new_id()).meet([one], PARTED, NOON).draft(assessment(), PARTED, NOON)
    late = late.link(MATCH, linked(one, two), PARTED, NOON)
    late = late.meet([two], PARTED, NOON + HOUR)
    apart = late.link(MATCH, linked(one, two, 2, over=True), PARTED, NOON + 2 * HOUR)

    assert held.actions == before.actions
    assert [each.person_id for each in children_of(late)] == [one]
    assert [each.person_id for each in children_of(apart)] == [one, two]
    assert children_of(apart)[0] == children_of(late)[0]


def merged_into(held: Plan, other: Plan, hours: int = 1) -> Plan:
    at = NOON + hours * HOUR
    return carry(held, other.id, share_of(other), {}, policy=PARTED, at=at)


def test_a_child_known_twice_in_a_merged_case_is_asked_for_once() -> None:
    one, two = new_id(), new_id()
    met = Plan(id=new_id()).meet([one, two], PARTED, NOON)
    other = met.link(MATCH, linked(one, two), PARTED, NOON)
    survivor = Plan(id=new_id()).draft(assessment(), PARTED, NOON)

    held = merged_into(survivor, other)
    parted = other.link(MATCH, linked(one, two, 2, over=True), PARTED, NOON)
    apart = merged_into(held, parted, 2)
    # What the one case has not heard yet, the other has.
    heard = held.link(MATCH, linked(one, two, 2, over=True), PARTED, NOON + HOUR)

    assert [each.person_id for each in children_of(held)] == [one]
    for each in (apart, heard):
        assert [e.person_id for e in children_of(each)] == [one, two]
        assert each.one_person == ()


def test_who_is_asked_for_under_one_id_is_not_asked_for_under_another() -> None:
    one, two = new_id(), new_id()
    met = Plan(id=new_id()).meet([one], PARTED, NOON)
    other = met.link(MATCH, linked(one, two), PARTED, NOON)
    survivor = Plan(id=new_id()).draft(assessment(), PARTED, NOON)
    held = merged_into(survivor, other)

    known = held.meet([two], PARTED, NOON + 2 * HOUR)
    again = known.draft(assessment(revision=2), PARTED, NOON + 3 * HOUR)

    assert known.all_children == (two, one)
    for each in (held, known, again):
        assert [e.person_id for e in children_of(each)] == [one]


def test_a_plan_tells_of_nobody_who_is_known_in_a_case_that_is_not_merged() -> None:
    her, again = new_id(), new_id()
    survivor = Plan(id=new_id()).protects([her])
    held = survivor.link(MATCH, linked(her, again), PARTED, NOON)
    other = Plan(id=new_id()).protects([again])

    both = merged_into(held, other)
    apart = carry(both, other.id, None, {}, policy=PARTED, at=NOON + 2 * HOUR)

    pairs = [each.one_person for each in (held, both, apart)]
    assert pairs == [(), ((her, again),), ()]


def test_somebodys_copy_has_what_is_theirs_under_any_id_while_they_are_one() -> None:
    said, other, gran = voice("My keys."), voice("My dog."), voice("My tea.")
    voices = [said, other, gran]
    held = Plan(id=new_id()).protects([other.person_id])
    held = held.draft(assessment(), PARTED, NOON)
    two = (said.person_id, other.person_id)

    def copy(plan: Plan, person_id: str) -> tuple[set[str | None], bool]:
        to = Addressed(Audience.PERSON, person_id=person_id)
        left = redacted(Facts.of(plan, voices=voices), to)
        return {each.entry.words for each in left.said}, bool(left.actions)

    one = held.link(MATCH, linked(*two), PARTED, NOON)
    apart = one.link(MATCH, linked(*two, 2, over=True), PARTED, NOON)

    both = ({"My keys.", "My dog."}, True)
    assert copy(one, two[0]) == copy(one, two[1]) == both
    assert copy(one, gran.person_id) == ({"My tea."}, False)
    assert copy(apart, two[0]) == copy(held, two[0]) == ({"My keys."}, False)


def test_who_is_said_to_use_violence_under_any_id_has_no_copy() -> None:
    said, other = voice("My keys."), voice("My dog.", closed=True)
    ids = {said.person_id, other.person_id}

    copy_of({said.person_id}, [said, other])
    with pytest.raises(NotTheirCopy):
        copy_of(ids, [said, other])


async def test_a_plan_hears_that_two_are_one_and_two_again(running: Running) -> None:
    case, one, two = new_id(), new_id(), new_id()
    told = {"case_id": case, "match_id": MATCH, "person_id": one, "other_id": two}

    async def links() -> dict[str, bool]:
        held = await running.plans.get(case)
        return {key: each.over for key, each in held.links.items()} if held else {}

    async def are(*, over: bool) -> bool:
        return await links() == {MATCH: over}

    await running.hears(message_of(PersonMerged(**told, merged_at=NOON), version=2))
    await eventually(lambda: are(over=False))
    parted = PersonUnmerged(**told, unmerged_at=NOON)
    await running.hears(message_of(parted, version=3))
    await eventually(lambda: are(over=True))


def test_each_of_two_people_harmed_has_a_part_of_their_own() -> None:
    mother, daughter = new_id(), new_id()
    held = plan().protects([mother])
    assert {each.person_id for each in held.actions} == {None}

    both = held.protects([daughter]).asks_for_each(held, POLICY, NOON)

    theirs = [e for e in both.actions if e.code == "safe_contact"]
    assert [each.person_id for each in theirs] == [mother, daughter]
    assert theirs[0].id == next(e.id for e in held.actions if e.code == "safe_contact")
    assert {e.person_id for e in both.actions if e.part is not Part.PERSON_HARMED} == {
        None
    }
    done = does(both.take_role(IVS, owner("w", NOON)), theirs[0].id, "w", NOON)
    with pytest.raises(MandatoryActionsOpen):
        ends(done, NOON)
    again = done.draft(assessment(revision=9, at=NOON), POLICY, NOON)
    asked = {e.person_id for e in again.open_actions if e.code == "safe_contact"}
    assert daughter in asked


def test_one_person_harmed_who_was_known_twice_is_asked_for_once_more() -> None:
    one, two = new_id(), new_id()
    known = plan().protects([one, two])
    held = known.asks_for_each(plan(), POLICY, NOON)
    link = Link(people=(one, two), revision=1)

    linked = held.link(new_id(), link, POLICY, NOON)

    # What was asked under either id is still to be done, and nothing is asked anew.
    assert {e.id for e in linked.actions} == {e.id for e in held.actions}
    drawn = linked.draft(assessment(revision=9, at=NOON), POLICY, NOON)
    assert {e.person_id for e in drawn.actions} == {None, one, two}
    fresh = known.link(new_id(), link, POLICY, NOON)
    assert fresh.each_harmed == ()


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_who_uses_violence_is_among_nobody_to_protect_whatever_is_heard_first(
    order: tuple[int, ...],
) -> None:
    him, her = new_id(), new_id()
    told = (
        lambda held: held.protects([him]),
        lambda held: held.decide_roles(him, her, NOON),
        lambda held: held.decide_roles(her, him, NOON + HOUR),
    )
    held = plan()
    for each in order:
        held = told[each](held)

    assert held.harmed == (her,)


def test_what_is_put_right_asks_for_nothing_of_who_uses_violence() -> None:
    him, her = new_id(), new_id()
    held = plan(owners={IVS: "w"}).protects([him])
    first, second = (
        next(e for e in held.actions if e.code == code)
        for code in ("safe_contact", "safety_advice")
    )
    done = does(held, first.id, "w", NOON)

    right = done.decide_roles(her, him, NOON).asks_for_each(done, POLICY, NOON)

    hers = {e.code: e for e in right.open_actions if e.part is Part.PERSON_HARMED}
    assert {each.person_id for each in hers.values()} == {her}
    # What was done was done with him, and is done with her yet; what was not is hers.
    assert hers["safe_contact"].id != first.id
    assert hers["safety_advice"].id == second.id
    assert right.action(first.id).person_id == him
    again = right.draft(assessment(revision=9, at=NOON), POLICY, NOON)
    assert {e.person_id for e in again.open_actions} == {None, her}


def test_what_waits_to_be_confirmed_of_the_wrong_one_runs_on_for_who_was_harmed() -> (
    None
):
    him, her = new_id(), new_id()
    held = plan(RiskLevel.HIGH, owners={IVS: "w"}).protects([him])
    first = next(e for e in held.actions if e.code == "safe_contact")
    said = says_done(held, first.id, "w", NOON + HOUR, evidence=SHOWN)
    assert said.action(first.id).said

    later = NOON + 20 * HOUR
    right = said.decide_roles(her, him, later).asks_for_each(said, POLICY, later)

    # Whoever confirms it now would confirm that he was met.
    [hers] = [e for e in right.open_actions if e.code == "safe_contact"]
    assert (hers.id, hers.due_at, hers.said) == (first.id, first.due_at, None)


def test_whoever_leaves_and_comes_back_within_a_version_is_asked_for_anew() -> None:
    one, two = new_id(), new_id()
    held = plan()
    both = held.protects([one, two]).asks_for_each(held, POLICY, NOON)
    gone = both.model_copy(update={"harmed": (one,), "version": 4})
    left = gone.asks_for_each(both, POLICY, NOON + HOUR)
    again = left.model_copy(update={"harmed": (one, two), "version": 5})

    back = again.asks_for_each(left, POLICY, NOON + 2 * HOUR)

    before = {e.id for e in both.actions if e.person_id == two}
    after = {e.id for e in back.actions if e.person_id == two}
    assert before
    assert len(after) == len(before)
    assert not before & after
