"""What a person decides: whether two people who are known are one."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from accord_chassis.clock import Clock
from accord_chassis.service import settled
from accord_contracts.message import Code

from referrals.domain.case import Case
from referrals.domain.recognition import Person
from referrals.domain.review import Answer, NoSuchMatch, Review
from referrals.store import Cases, People, Reviews


class Desk(NamedTuple):
    """What is needed to decide."""

    reviews: Reviews
    people: People
    cases: Cases
    clock: Clock


async def cases_about(
    reviews: Sequence[Review], cases: Cases
) -> list[tuple[Review, list[Case]]]:
    """Give the cases of both people of each, all with one query."""
    held = await cases.of_people({one for each in reviews for one in each.people})
    members = [({one.person_id for one in case.people}, case) for case in held]
    return [
        (each, [case for ids, case in members if not ids.isdisjoint(each.people)])
        for each in reviews
    ]


async def both_sides(review: Review, people: People) -> tuple[Person, Person]:
    """Give both people as they are compared.

    Raises:
        NoSuchMatch: One of them is erased.
    """
    one, other = await people.all_of(review.people)
    if one is None or other is None:
        raise NoSuchMatch
    return one, other


async def decide(
    review_id: str, *, same: bool, reason: Code | None, by: str, desk: Desk
) -> Review:
    """Note what somebody decided, and act on it; done again, it finishes.

    Raises:
        NoSuchMatch: It was never asked.
        DecidedOtherwise: Somebody decided the contrary.
    """
    answer = Answer(same=same, reason=reason, by=by, at=desk.clock.now())

    async def note() -> Review:
        held = await desk.reviews.get(review_id)
        if held is None:
            raise NoSuchMatch
        decided = held.decide(answer)
        return held if decided is held else await desk.reviews.save(decided)

    decided = await settled(note)
    await act_on(decided, desk)
    return decided


async def act_on(decision: Review, desk: Desk) -> None:
    """Do what follows from a decision; it may be done again.

    Two who are different are kept apart. That two are the same is recorded, and changes
    nobody: making one of two people is connected here.
    """
    if decision.answer is None or decision.answer.same:
        return
    one, other = decision.people
    await asyncio.gather(
        settled(partial(_keep_apart, one, other, desk.people)),
        settled(partial(_keep_apart, other, one, desk.people)),
    )


async def _keep_apart(person_id: str, other_id: str, people: People) -> None:
    held = await people.get(person_id)
    if held is not None and other_id not in held.apart:
        await people.save(held.keep_apart(other_id))
