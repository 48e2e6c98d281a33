"""What a person decides: whether two people who are known are one.

That they are is one write of the question. What is kept of each stays as it is, and
stays theirs: keys, contacts, referrals, cases. Whoever looks goes by both.
"""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from accord_chassis.clock import Clock
from accord_chassis.retention import RecordClass
from accord_chassis.service import settled
from accord_contracts.message import Code, Lane
from accord_contracts.referrals import (
    MatchAsked,
    MatchOverdue,
    PersonMerged,
    RolesQuestioned,
)
from accord_contracts.risk import RiskLevel

from referrals.domain.case import Case
from referrals.domain.recognition import Person, Resemblance, Weighed
from referrals.domain.request import Identity
from referrals.domain.review import (
    Answer,
    Counterparts,
    NoSuchMatch,
    OneByOthers,
    OnePerson,
    Review,
    TakenBack,
    in_order,
    may_be_one,
    review_id,
    reviews_of,
)
from referrals.domain.roles import revealed
from referrals.domain.weighing import MatchingPolicy, judge
from referrals.handlers import questioned
from referrals.review_store import Reviews
from referrals.store import Cases, People


class Desk(NamedTuple):
    """What is needed to decide."""

    reviews: Reviews
    people: People
    cases: Cases
    matching: MatchingPolicy
    clock: Clock


async def cases_about(
    questions: Sequence[tuple[str, str]], desk: Desk
) -> list[list[Case]]:
    """Give the cases of both people of each, and those that they are merged into.

    Also those of whoever is one with either. All with one query, but for survivors in
    which neither is.
    """
    ids = {one for people in questions for one in people}
    same = await desk.reviews.one_with(sorted(ids))
    held = await desk.cases.of_people({*ids, *same})
    known = {each.id for each in held}
    missing = {each.merged_into for each in held if each.merged_into} - known
    survivors = await asyncio.gather(*map(desk.cases.get, sorted(missing)))
    all_ = [*held, *filter(None, survivors)]
    return [_about(_everybody(people, same), all_) for people in questions]


def _everybody(people: Sequence[str], same: dict[str, str]) -> set[str]:
    """Give some people and whoever is one with them, however they are counted."""
    firsts = {same.get(each, each) for each in people}
    return {*people, *firsts, *(one for one, first in same.items() if first in firsts)}


def _about(people: set[str], cases: Sequence[Case]) -> list[Case]:
    own = {
        case.id: case
        for case in cases
        if not {one.person_id for one in case.people}.isdisjoint(people)
    }
    into = {each.merged_into for each in own.values()} - {*own}
    return [*own.values(), *(each for each in cases if each.id in into)]


async def attend(due: Review, *, desk: Desk, kept: RecordClass) -> None:
    """Tell once that a question waits, and once that it waits too long.

    Until somebody decides, somebody who is known counts as new: so this has a clock.
    """
    if due.dropped_at:
        await desk.reviews.remove_when_due(due, kept=kept, clock=desk.clock)
        return
    if due.waiting_since is None:
        await desk.reviews.save(due.give_up())
        return
    now, overdue_at = desk.clock.now(), due.waiting_since + desk.matching.decide_within
    if due.announced and now < overdue_at:
        await desk.reviews.save(due.announce(overdue_at))
        return
    [cases] = await cases_about([due.people], desk)
    case_id, level = _gravest(cases) or (due.id, None)
    lane = Lane.URGENT if level and level.urgent else Lane.ROUTINE
    about: dict[str, Any] = {"case_id": case_id, "match_id": due.id, "level": level}
    if due.announced:
        late_by = (now - overdue_at).total_seconds()
        overdue = MatchOverdue(**about, due_at=overdue_at, late_by=late_by)
        await desk.reviews.save(due.give_up(), overdue, lane=lane)
        return
    asked = MatchAsked(**about, asked_at=due.waiting_since)
    await desk.reviews.save(due.announce(overdue_at), asked, lane=lane)


def _gravest(cases: Iterable[Case]) -> tuple[str, RiskLevel | None] | None:
    """Give the case with the highest level, as it is named; none if there is none."""
    named = [(each.merged_into or each.id, each.level) for each in cases]
    return max(named, key=lambda e: (e[1].rank if e[1] else -1, e[0]), default=None)


async def both_sides(review: Review, people: People) -> tuple[Person, Person]:
    """Give both people as they are compared.

    Raises:
        NoSuchMatch: One of them is erased.
    """
    one, other = await people.all_of(review.people)
    if one is None or other is None:
        raise NoSuchMatch
    return one, other


async def ask(one_id: str, other_id: str, desk: Desk) -> Review:
    """Ask whether two are one who no weighing has brought together.

    Raises:
        OnePerson: They are named by one id.
        NoSuchMatch: There is no such person.
    """
    if one_id == other_id:
        raise OnePerson
    asked = review_id(one_id, other_id)
    if held := await desk.reviews.asked(asked):
        return held
    one, other = await desk.people.all_of(in_order(one_id, other_id))
    if one is None or other is None:
        raise NoSuchMatch
    resembles = Resemblance(other, 0, ())
    if one.likeness and other.likeness:
        held_ = judge(one.likeness, other.likeness, desk.matching.weights)
        resembles = Resemblance(other, held_.bits, held_.fields, held_.rules)
    [review] = reviews_of(
        one.id,
        Weighed(likely=(resembles,)),
        referral_id=None,
        at=desk.clock.now(),
        policy=desk.matching.version,
        most=1,
    )
    await desk.reviews.ask(review)
    return review


async def decide(
    review_id: str, *, same: bool, reason: Code | None, by: Identity, desk: Desk
) -> Review:
    """Note what somebody decided, and act on it; done again, it finishes.

    Raises:
        NoSuchMatch: It was never asked, or one of the two is erased.
        DecidedOtherwise: Somebody decided the contrary.
        KeptApart: Somebody decided that two who would be one by it are different.
        Counterparts: One of them was named as harming the other.
        OneByOthers: They are one by way of others, and are said to be different.
    """
    answer = Answer(same=same, reason=reason, by=by, at=desk.clock.now())

    async def note() -> Review:
        held = await desk.reviews.asked(review_id)
        if held is None:
            raise NoSuchMatch
        contradicts = await _may_be(held, desk, same=same)
        decided = held.decide(answer, contradicts)
        if decided is held:
            return held
        if not decided.one:
            return await desk.reviews.save(decided)
        [cases] = await cases_about([held.people], desk)
        told = [
            PersonMerged(
                case_id=each.id,
                match_id=held.id,
                person_id=held.people[0],
                other_id=held.people[1],
                merged_at=answer.at,
            )
            for each in cases
        ]
        told_to = tuple(each.id for each in cases)
        questions = await _revealed(held, answer.at, desk)
        return await desk.reviews.save(
            decided.model_copy(update={"told": told_to}),
            *questions,
            *told,
            lane=Lane.URGENT if questions else None,
        )

    decided = await settled(note)
    await _act_on(decided, desk)
    return decided


async def _revealed(review: Review, at: datetime, desk: Desk) -> list[RolesQuestioned]:
    """Ask who harmed whom, if that two are one shows that it was told both ways."""
    cases = await desk.cases.of_people(
        {*review.people, *await desk.reviews.one_with(review.people)}
    )
    held = [each for each in cases if not each.transferred]
    before = await desk.reviews.one_with(
        [*review.people, *(e.person_id for case in held for e in case.people)]
    )
    one, other = (before.get(each, each) for each in review.people)
    after = {k: one if v == other else v for k, v in before.items()} | {other: one}
    found = revealed(held, before, after)
    if found is None:
        return []
    case, pair = found
    return [questioned(pair, case.id, pair.told[-1].referral_id, at)]


async def _may_be(review: Review, desk: Desk, *, same: bool) -> frozenset[str]:
    """See that nothing forbids what somebody decides.

    Returns:
        Registers that know the two by different codes.
    """
    one_id, other_id = review.people
    ones = await desk.reviews.one_with([one_id])
    if not same:
        if other_id in ones and not review.one:
            raise OneByOthers
        return frozenset()
    others = await desk.reviews.one_with([other_id])
    first, second = {one_id, *ones}, {other_id, *others}
    if first & second:
        return frozenset()
    cases = await desk.cases.of_people(first | second)
    for pair in (pair for each in cases for pair in each.pairs):
        both = {pair.harmed, pair.using_violence}
        if both & first and both & second:
            raise Counterparts
    found = await asyncio.gather(
        desk.people.all_of(sorted(first)), desk.people.all_of(sorted(second))
    )
    one, other = ([each for each in side if each] for side in found)
    if not {one_id, other_id} <= {each.id for each in (*one, *other)}:
        raise NoSuchMatch
    return may_be_one(one, other)


async def take_back(review_id: str, reason: Code, by: Identity, desk: Desk) -> Review:
    """Ask anew what was decided, as if it had not been.

    Raises:
        NoSuchMatch: It was never asked.
        NotDecided: Nobody ever decided it.
    """
    back = TakenBack(reason=reason, by=by, at=desk.clock.now())

    async def note() -> Review:
        held = await desk.reviews.asked(review_id)
        if held is None:
            raise NoSuchMatch
        return await desk.reviews.ask_anew(held, back)

    asked = await settled(note)
    await _act_on(asked, desk)
    return asked


async def _act_on(review: Review, desk: Desk) -> None:
    """Have recognition keep two apart, or no more; it may be done again."""
    apart = review.answer is not None and not review.answer.same
    await asyncio.gather(
        *(
            settled(partial(_keep_apart, one, other, desk.people, apart=apart))
            for one, other in (review.people, review.people[::-1])
        )
    )


async def _keep_apart(
    person_id: str, other_id: str, people: People, *, apart: bool
) -> None:
    held = await people.get(person_id)
    new = held and held.keep_apart(other_id, apart=apart)
    if new and new is not held:
        await people.save(new)
