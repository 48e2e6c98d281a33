"""Where inquiries and the disclosure ledger are kept."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from accord_chassis.batching import ByLane
from accord_chassis.sealing import ERASED, SealedStore
from accord_chassis.store import EPOCH, Database, Document, Store
from accord_contracts.grounds import S20Purpose
from pymongo.operations import IndexModel

from referrals.domain.erasure import ERASED_NAME
from referrals.domain.inquiry import Inquiry
from referrals.domain.ledger import Disclosure

PAGE = 50
"""Inquiries that are listed at once."""

TOGETHER = 100
"""Questions that are asked in one query."""

ENTRIES = 1000
"""Disclosures about one person that are listed, the latest."""

TOLD_PAGE = 200
"""Disclosures to one agency that are listed at once."""


class Inquiries(SealedStore[Inquiry]):
    """The inquiries. Sealed is each piece that was shared, under a key of its own."""

    entity = Inquiry
    collection = "inquiries"
    due = "due_at"
    indexes = (
        IndexModel([("agency", 1), ("_id", 1)]),
        IndexModel([("case_id", 1), ("_id", 1)]),
        IndexModel([("terms.people", 1)]),
        IndexModel([("learned.through", 1)]),
    )

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._about = ByLane(self._find_about, limit=TOGETHER)

    def take_apart(self, fields: Document) -> dict[str, Any]:
        """Take the text of every piece out of the decisions."""
        pieces = _pieces(fields.get("decisions", ()))
        return {part: each.pop("text") for part, each in pieces}

    def put_together(self, fields: Document, parts: Mapping[str, Any]) -> None:
        """Put the text of every piece back, or that it is erased."""
        for part, each in _pieces(fields["decisions"]):
            text = parts.get(part)
            each["text"] = ERASED_NAME if text is ERASED or not text else text

    async def standing_with(
        self, agency: str, at: datetime, after: str
    ) -> list[Inquiry]:
        """List those with an agency that stand, a page at a time."""
        return await self._page({"agency": agency, "stands_until": {"$gt": at}}, after)

    async def of_case(self, case_id: str, after: str = "") -> list[Inquiry]:
        """List those of a case, a page at a time."""
        return await self._page({"case_id": case_id}, after)

    async def about_any(
        self, people: Iterable[str], purpose: S20Purpose | None = None
    ) -> list[Inquiry]:
        """Give those, for a purpose or for any, that ask about any of some people.

        And those that have learned something of them by another id.
        """
        found = await self._about(frozenset(people))
        return [e for e in found if purpose is None or e.terms.purpose is purpose]

    async def _find_about(
        self, questions: Sequence[frozenset[str]]
    ) -> Sequence[list[Inquiry] | BaseException]:
        which = {"$in": [*frozenset[str]().union(*questions)]}
        asks, learned = await asyncio.gather(
            self._documents({"terms.people": which}),
            self._documents({"learned.through": which}),
        )
        documents = [*(learned | asks).values()]
        about = [_named(each) for each in documents]
        opened = await self.open(documents)

        async def answer(asked: frozenset[str]) -> list[Inquiry]:
            pairs = zip(about, opened, strict=True)
            return self.load_all(found for people, found in pairs if people & asked)

        return await asyncio.gather(*map(answer, questions), return_exceptions=True)

    async def _documents(self, which: Document) -> dict[str, Document]:
        found = self.documents.find(which, projection={"inbox": 0, "outbox": 0})
        return {each["_id"]: each async for each in found}

    async def _page(self, which: Document, after: str) -> list[Inquiry]:
        found = self.documents.find(
            {**which, "_id": {"$gt": after}}, projection={"inbox": 0, "outbox": 0}
        )
        page = found.sort("_id", 1).limit(PAGE)
        return self.load_all(await self.open([each async for each in page]))


class Disclosures(Store[Disclosure]):
    """The disclosure ledger, by whom it is about and by who got it."""

    entity = Disclosure
    collection = "disclosures"
    indexes = (
        IndexModel([("person_id", 1), ("at", -1)]),
        IndexModel([("agency", 1), ("at", -1), ("_id", 1)]),
    )

    async def about(self, person_id: str, limit: int = 0) -> list[Disclosure]:
        """Give what was told of somebody, the latest first.

        Args:
            person_id: Of whom.
            limit: At most so many; 0: all.
        """
        found = self.documents.find(
            {"person_id": person_id}, projection={"inbox": 0, "outbox": 0}
        )
        latest = found.sort("at", -1).limit(limit)
        return [self.load(each) async for each in latest]

    async def told_to(
        self, agency: str, until: datetime | None = None, after: str = ""
    ) -> list[Disclosure]:
        """Give what an agency got, the latest first, a page at a time.

        Args:
            agency: Its code.
            until: When the last one before this page was told; none: the first page.
            after: The id of that one: a whole case is handed over in one moment.
        """
        found: list[Disclosure] = []
        if until:
            same = {"agency": agency, "at": until, "_id": {"$gt": after}}
            found = await self._sorted(same, TOLD_PAGE)
        if len(found) < TOLD_PAGE:
            times = {"$lt": until} if until else {"$gt": EPOCH}
            earlier = {"agency": agency, "at": times}
            found += await self._sorted(earlier, TOLD_PAGE - len(found))
        return found

    async def _sorted(self, which: Document, limit: int) -> list[Disclosure]:
        found = self.documents.find(which, projection={"inbox": 0, "outbox": 0})
        latest = found.sort([("at", -1), ("_id", 1)]).limit(limit)
        return [self.load(each) async for each in latest]


def _named(stored: Document) -> frozenset[str]:
    """Give whom an inquiry asks about, and by which other ids it learned of them."""
    people = frozenset[str](stored["terms"]["people"])
    return people.union(*(each.get("through", ()) for each in stored["learned"]))


def _pieces(decisions: Any) -> Iterator[tuple[str, Document]]:  # noqa: ANN401 - Stored.
    """Give pieces as they are stored, by the part under whose key each is sealed."""
    for number, decided in enumerate(decisions):
        for place, piece in enumerate(decided["said"]["pieces"]):
            yield f"piece/{number}/{place}", piece
