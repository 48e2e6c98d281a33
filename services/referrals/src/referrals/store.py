"""Where referrals, people and cases are kept."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from accord_chassis.batching import Batcher
from accord_chassis.store import AlreadyHandled, Database, Store
from accord_contracts.message import Event, Message
from pymongo.operations import IndexModel

from referrals.domain.agency import Agency
from referrals.domain.case import Case
from referrals.domain.recognition import Person
from referrals.domain.referral import Referral

Document = dict[str, Any]

PAGE = 200
"""Agencies that are listed at once."""

TOGETHER = 100
"""Questions that are asked in one query."""


class Referrals(Store[Referral]):
    """The referrals, as they were posted."""

    entity = Referral
    collection = "referrals"


class People(Store[Person]):
    """The people, by what they are recognised by."""

    entity = Person
    collection = "people"
    indexes = (IndexModel([("keys", 1)], unique=True),)

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._known_by = Batcher(self._find_known, limit=TOGETHER)

    async def known_by(self, keys: Iterable[str]) -> dict[str, Person]:
        """Give everybody who has one of some keys, by key."""
        wanted = frozenset(keys)
        people = [self.load(each) for each in await self._known_by(wanted)]
        return {
            key: person for person in people for key in person.keys if key in wanted
        }

    async def _find_known(
        self, questions: Sequence[frozenset[str]]
    ) -> Sequence[list[Document]]:
        keys = list(frozenset[str]().union(*questions))
        found = self.documents.find(
            {"keys": {"$in": keys}}, projection={"inbox": 0, "outbox": 0}
        )
        holders = {key: each async for each in found for key in each["keys"]}
        return [_each_once(holders.get(key) for key in keys) for keys in questions]


class Cases(Store[Case]):
    """The cases, by who is in them and what was referred."""

    entity = Case
    collection = "cases"
    indexes = (
        IndexModel([("keys", 1)], unique=True),
        IndexModel([("people.person_id", 1)]),
        IndexModel([("episodes.referral_id", 1)]),
    )

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._with_people = Batcher(self._find_with_people, limit=TOGETHER)

    async def with_people(
        self, person_ids: Iterable[str], *, cause: Message[Event]
    ) -> list[Case]:
        """Give the cases that any of some people are in.

        Raises:
            AlreadyHandled: The message has had its effect on one of them.
        """
        documents = await self._with_people(frozenset(person_ids))
        handled = UUID(cause.id).bytes
        if any(handled in each["inbox"] for each in documents):
            raise AlreadyHandled(cause.id)
        return [self.load(each) for each in documents]

    async def _find_with_people(
        self, questions: Sequence[frozenset[str]]
    ) -> Sequence[list[Document]]:
        ids = list(frozenset[str]().union(*questions))
        found = self.documents.find(
            {"people.person_id": {"$in": ids}}, projection={"outbox": 0}
        )
        cases: dict[str, list[Document]] = defaultdict(list)
        async for document in found:
            for each in document["people"]:
                cases[each["person_id"]].append(document)
        return [
            _each_once(case for each in ids for case in cases.get(each, ()))
            for ids in questions
        ]

    async def of_referral(self, referral_id: str) -> Case | None:
        """Give the case that keeps a referral's episode, if one does."""
        document = await self.documents.find_one(
            {"episodes.referral_id": referral_id}, projection={"outbox": 0}
        )
        return self.load(document) if document else None


class Agencies(Store[Agency]):
    """The register of agencies, by code and by the keys of their machines."""

    entity = Agency
    collection = "agencies"
    indexes = (
        IndexModel([("code", 1)], unique=True),
        IndexModel([("keys.id", 1)]),
    )

    async def with_key(self, key_id: str) -> Agency | None:
        """Give the agency that has a key, whether or not the key is still good."""
        document = await self.documents.find_one(
            {"keys.id": key_id}, projection={"outbox": 0}
        )
        return self.load(document) if document else None

    async def page(self, after: str, limit: int) -> list[Agency]:
        """List the register by code, a page at a time."""
        found = self.documents.find({"code": {"$gt": after}}, projection={"outbox": 0})
        return [self.load(each) async for each in found.sort("code", 1).limit(limit)]


def _each_once(documents: Iterable[Document | None]) -> list[Document]:
    return list({each["_id"]: each for each in documents if each}.values())
