"""Where requests of people about themselves are kept, and what they were told."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from accord_chassis.sealing import ERASED, SealedStore
from accord_chassis.store import EPOCH, Document, Store
from pymongo.operations import IndexModel

from referrals.domain.erasure import ERASED_NAME
from referrals.domain.notice import Notice
from referrals.domain.rights import RightsRequest

PAGE = 200
"""Requests, or people, that are listed at once."""


class RightsRequests(SealedStore[RightsRequest]):
    """The requests. Sealed is what somebody says is right."""

    entity = RightsRequest
    collection = "rights"
    due = "due_at"
    indexes = (
        IndexModel([("decided.confirmed_at", 1), ("answer_by", 1)]),
        IndexModel([("asked.person_id", 1)]),
    )

    def id_of(self, reference: str) -> str:
        """Derive the id of a request from the officer's own reference."""
        return self.vault.id_of("rights", reference)

    def take_apart(self, fields: Document) -> dict[str, Any]:
        """Take out what they say is right. It is never taken back, only erased."""
        said = fields["asked"].pop("statement") if "asked" in fields else None
        return {"statement": said} if said is not None else {}

    def put_together(self, fields: Document, parts: Mapping[str, Any]) -> None:
        """Put it back, unless it is erased."""
        said = parts.get("statement")
        fields["asked"]["statement"] = ERASED_NAME if said is ERASED else said

    async def forget(self, person_id: str) -> None:
        """Destroy what somebody who is erased has said."""
        for each in await self.of_people([person_id]):
            if each.asked.statement is not None:
                await self.vault.shred(self.record(each.id), ["statement"])

    async def open_ones(self) -> list[RightsRequest]:
        """Give those that wait for an answer, the first to be due first."""
        found = self.documents.find(
            {"decided.confirmed_at": None}, projection={"inbox": 0, "outbox": 0}
        )
        first = found.sort("answer_by", 1).limit(PAGE)
        return self.load_all(await self.open([each async for each in first]))

    async def of_people(self, person_ids: list[str]) -> list[RightsRequest]:
        """Give what some people have asked for."""
        found = self.documents.find(
            {"asked.person_id": {"$in": person_ids}},
            projection={"inbox": 0, "outbox": 0},
        )
        some = found.limit(PAGE)
        return self.load_all(await self.open([each async for each in some]))


class Notices(Store[Notice]):
    """Whether people were told of what was collected, by person."""

    entity = Notice
    collection = "notices"
    due = "alarm_at"
    indexes = (IndexModel([("tell_by", 1)]),)

    async def due_by(self, at: datetime) -> list[Notice]:
        """Give those of whom something is due by a time, longest waiting first."""
        found = self.documents.find(
            {"tell_by": {"$gt": EPOCH, "$lte": at}},
            projection={"inbox": 0, "outbox": 0},
        )
        return [self.load(e) async for e in found.sort("tell_by", 1).limit(PAGE)]

    async def remove(self, person_id: str) -> None:
        """Delete what is recorded about somebody who is erased."""
        await self.documents.delete_one({"_id": person_id})
