"""Where it is kept whether two people who are known are one."""

import contextlib
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial

from accord_chassis.batching import Batcher
from accord_chassis.clock import Clock
from accord_chassis.retention import RecordClass
from accord_chassis.service import settled
from accord_chassis.store import EPOCH, Conflict, Database, Document, Store
from accord_contracts.referrals import PersonUnmerged
from pymongo.operations import IndexModel

from referrals.domain.review import CORRECTED, Review, TakenBack, counted_as
from referrals.store import PAGE, TOGETHER


class Reviews(Store[Review]):
    """What a person is asked: whether two people who are known are one."""

    entity = Review
    collection = "reviews"
    due = "due_at"
    indexes = (IndexModel([("waiting_since", 1)]), IndexModel([("people", 1)]))

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._merged = Batcher(self._find_merged, limit=TOGETHER)

    async def one_with(self, person_ids: Iterable[str]) -> dict[str, str]:
        """Give who else some people are, each with the one among these whom they are.

        Also by way of others: whoever is one with somebody who is one with them. Of
        these people themselves, those who are one with an earlier one are given too.
        """
        asked = tuple(dict.fromkeys(person_ids))
        known, pairs = set(asked), list[tuple[str, str]]()
        new = frozenset(asked)
        while new:
            found = await self._merged(new)
            pairs += found
            new = frozenset(each for pair in found for each in pair) - known
            known |= new
        return counted_as(asked, pairs)

    async def _find_merged(
        self, questions: Sequence[frozenset[str]]
    ) -> Sequence[list[tuple[str, str]]]:
        ids = list(frozenset[str]().union(*questions))
        found = self.documents.find(
            {"people": {"$in": ids}, "one": True}, projection={"people": 1}
        )
        pairs = [(each["people"][0], each["people"][1]) async for each in found]
        return [[e for e in pairs if not asked.isdisjoint(e)] for asked in questions]

    async def asked(self, review_id: str) -> Review | None:
        """Give a question, unless it is asked no more."""
        held = await self.get(review_id)
        return None if held is None or held.dropped_at else held

    async def ask(self, review: Review) -> None:
        """Ask, unless it was asked before: what was decided stays so.

        What was asked no more is asked again: later than all that was told of it.
        """
        with contextlib.suppress(Conflict):
            await self.save(review)
            return
        held = await self.get(review.id)
        if held and held.dropped_at:
            with contextlib.suppress(Conflict):
                await self.save(review.model_copy(update={"version": held.version}))

    async def waiting(self, limit: int = PAGE) -> list[Review]:
        """Give what waits for a decision, longest first."""
        found = self.documents.find(
            {"waiting_since": {"$gt": EPOCH}}, projection={"inbox": 0, "outbox": 0}
        )
        return [
            self.load(each)
            async for each in found.sort("waiting_since", 1).limit(limit)
        ]

    async def ask_anew(self, review: Review, back: TakenBack) -> Review:
        """Ask what was decided once more; tell every case that was told they are one.

        Raises:
            NotDecided: Nobody ever decided it.
        """
        asked = review.take_back(back)
        if asked is review:
            return review
        return await self.save(asked, *_parted(review, back.at))

    async def forget(self, person_id: str, at: datetime) -> None:
        """Forget what is asked about somebody who is not there any more.

        Every case that was told that they are one with another is told that this ends.
        """
        await self._drop({"people": person_id}, at, lambda held: held.forget(at))

    async def take_back(self, person_id: str, referral_id: str, at: datetime) -> None:
        """Ask no more what a referral made be asked about somebody; decided stays."""
        waits = {"referral_id": referral_id, "waiting_since": {"$gt": EPOCH}}
        await self._drop(
            {"people": person_id, **waits},
            at,
            lambda held: held.drop(at) if held.waiting_since else held,
        )

    async def _drop(
        self, which: Document, at: datetime, drop: Callable[[Review], Review]
    ) -> None:
        """Drop some questions; delete those of which nothing was ever decided.

        Of any other something may have been told, and what is still to be told waits in
        its document.
        """
        await self.documents.delete_many({**which, "version": 1})
        found = self.documents.find(which, projection={"_id": 1})
        ids = [each["_id"] async for each in found]

        async def once(review_id: str) -> None:
            held = await self.get(review_id)
            if held and (new := drop(held)) is not held:
                await self.save(new, *_parted(held, at))

        for each in ids:
            await settled(partial(once, each))

    async def remove_when_due(
        self, due: Review, *, kept: RecordClass, clock: Clock
    ) -> None:
        """Delete what was forgotten, once it was kept for its time."""
        if due.dropped_at is None:
            return
        if clock.now() < (over := kept.over(due.dropped_at)):
            await self.save(due.keep_until(over))
            return
        await self.documents.delete_one({"_id": due.id, "version": due.version})

    async def part(self, person_id: str, at: datetime) -> None:
        """Have it decided anew whom somebody is one with: they were corrected."""
        found = self.documents.find(
            {"people": person_id, "one": True}, projection={"outbox": 0}
        )
        for each in [self.load(document) async for document in found]:
            await self.ask_anew(each, TakenBack(reason=CORRECTED, by=None, at=at))

    async def apart_from(self, person_id: str) -> tuple[str, ...]:
        """Give those of whom somebody decided that they are other people."""
        found = self.documents.find(
            {"people": person_id, "answer.same": False}, projection={"people": 1}
        )
        both = [each["people"] async for each in found]
        return tuple(sorted(one for pair in both for one in pair if one != person_id))


def _parted(review: Review, at: datetime) -> list[PersonUnmerged]:
    """Tell every case that was told that two are one that they are two again."""
    one, other = review.people
    return [
        PersonUnmerged(
            case_id=each,
            match_id=review.id,
            person_id=one,
            other_id=other,
            unmerged_at=at,
        )
        for each in review.told
        if review.one
    ]
