"""Where it is kept whether two people who are known are one."""

import contextlib
from collections.abc import Iterable, Sequence
from datetime import datetime

from accord_chassis.batching import Batcher
from accord_chassis.store import EPOCH, Conflict, Database, Store
from accord_contracts.referrals import PersonUnmerged
from pymongo.operations import IndexModel

from referrals.domain.review import CORRECTED, Review, TakenBack, counted_as
from referrals.store import PAGE, TOGETHER


class Reviews(Store[Review]):
    """What a person is asked: whether two people who are known are one."""

    entity = Review
    collection = "reviews"
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

    async def ask(self, review: Review) -> None:
        """Ask, unless it was asked before: what was decided stays so."""
        with contextlib.suppress(Conflict):
            await self.save(review)

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
        told = [
            PersonUnmerged(
                case_id=each,
                match_id=review.id,
                person_id=review.people[0],
                other_id=review.people[1],
                unmerged_at=back.at,
            )
            for each in review.told
            if review.one
        ]
        return await self.save(asked, *told)

    async def forget(self, person_id: str) -> None:
        """Delete what is asked about somebody who is not there any more."""
        await self.documents.delete_many({"people": person_id})

    async def take_back(self, person_id: str, referral_id: str) -> None:
        """Ask no more what a referral made be asked about somebody; decided stays."""
        await self.documents.delete_many(
            {
                "people": person_id,
                "referral_id": referral_id,
                "waiting_since": {"$gt": EPOCH},
            }
        )

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
