"""Where workers, staffings and allocations are kept, each with its named queries."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from accord_chassis.sealing import ERASED, SealedStore
from accord_chassis.store import EPOCH, Conflict, Document, Store
from accord_contracts.allocation import Role, StaffingCarried
from accord_contracts.message import Event, Lane, Message
from accord_contracts.risk import RiskLevel
from pymongo.operations import IndexModel

from allocation.domain.directory import Worker
from allocation.domain.equity import Count
from allocation.domain.glass import Glass
from allocation.domain.morning import Morning
from allocation.domain.offer import Offer, Status
from allocation.domain.offering import Allocation
from allocation.domain.providers import Provider
from allocation.domain.rota import Rota
from allocation.domain.staffing import Staffing

PAGE = 100
"""The most records that one question is answered with."""


TOGETHER = 500
"""The most roles that are placed together: each is read with its case before, and more
are open at one time only when the response has stood still."""

MOST_HAD = 1000
"""The most roles that are looked through for those whose worker will be away."""

MOST_PROVIDERS = 1000
"""The most organisations that a locality has."""

MORNING = "11c95e2e-3c4f-5d6e-9cbb-9b4f6e2a1a01"
"""The one document's id."""

AT_ONCE = EPOCH + timedelta(milliseconds=1)
"""The first moment that a clock can fall due."""

OPEN = (Status.WANTED, Status.OFFERED, Status.UNFILLED)
"""Where a role stands that still has to be filled."""

UNFILLED: Document = {"status": {"$in": [each.value for each in OPEN]}}
"""Which roles those are."""


ASKED: Document = {"case_id": 1, "offers": 1}
"""What is read of roles to count whose wishes are met."""


class Staffings(Store[Staffing]):
    """What cases need of workers, by case."""

    entity = Staffing
    collection = "staffings"
    due = "due_at"
    indexes = (IndexModel([("people.ids", 1)]),)

    async def save(
        self,
        entity: Staffing,
        *events: Event,
        cause: Message[Event] | None = None,
        lane: Lane | None = None,
    ) -> Staffing:
        """Save a staffing; whatever it is merged with is told that it has changed."""
        near = sorted({*entity.shares, *filter(None, [entity.merged_into])})
        told = [StaffingCarried(case_id=each, from_id=entity.id) for each in near]
        return await super().save(entity, *events, *told, cause=cause, lane=lane)

    async def with_people(self, ids: Collection[str]) -> list[Staffing]:
        """Give every case that somebody is in, and those that they are merged into.

        Not limited: whom one of them forbids must not be asked.
        """
        if not ids:
            return []
        query = {"people.ids": {"$in": sorted(ids)}}
        found = {e["_id"]: self.load(e) async for e in self.documents.find(query)}
        above = {e.merged_into for e in found.values() if e.merged_into} - found.keys()
        survivors = await asyncio.gather(*map(self.get, sorted(above)))
        return [*found.values(), *filter(None, survivors)]


class Allocations(Store[Allocation]):
    """The roles of cases, each with whom it was offered to."""

    entity = Allocation
    collection = "allocations"
    due = "due_at"
    indexes = (
        IndexModel([("case_id", 1), ("working", 1)]),
        IndexModel([("worker_id", 1), ("status", 1)]),
        IndexModel([("unowned_at", 1), ("_id", 1)]),
        IndexModel([("level", 1), ("status", 1), ("since", 1)]),
        IndexModel([("since", 1)]),
    )

    async def count_wishes(self, since: datetime) -> Count:
        """Count what became of the wishes of roles that are wanted since a time.

        Each is read once, so it takes its time.
        """
        count = Count()
        found = self.documents.find({"since": {"$gte": since}}, projection=ASKED)
        async for each in found:
            count.take(each["case_id"], map(Offer.model_validate, each["offers"]))
        return count

    async def of_case(self, case_id: str, *, limit: int = 0) -> list[Allocation]:
        """Give the roles that a case has needed, latest first; all if not limited."""
        found = self.documents.find({"case_id": case_id}).sort("since", -1)
        return [self.load(each) async for each in found.limit(limit)]

    async def offered_to(self, worker_id: str) -> list[Allocation]:
        """Give what a worker is asked to take now."""
        asked = {"worker_id": worker_id, "status": Status.OFFERED.value}
        found = self.documents.find(asked).limit(PAGE)
        return [self.load(each) async for each in found]

    async def had_by(
        self, worker_ids: Collection[str], limit: int = MOST_HAD
    ) -> list[Allocation]:
        """Give the roles that workers have, and do not hand over, the gravest first.

        At most a thousand, so that it is the least grave that are left out.
        """
        query = {
            "worker_id": {"$in": sorted(worker_ids)},
            "status": Status.ACCEPTED.value,
        }
        roles = list[Allocation]()
        for level in sorted(RiskLevel, key=lambda each: each.rank, reverse=True):
            if left := limit - len(roles):
                found = self.documents.find({**query, "level": level.value})
                found = found.sort([("since", 1), ("_id", 1)]).limit(left)
                roles += [self.load(each) async for each in found]
        return roles

    async def accepted_by(
        self, worker_ids: Collection[str], case_ids: Collection[str]
    ) -> dict[tuple[str, str], list[Role]]:
        """Give the roles that workers work in in cases, by worker and case."""
        found = self.documents.find(
            {
                "case_id": {"$in": list(case_ids)},
                "working": {"$in": list(worker_ids)},
            },
            projection={"case_id": 1, "working": 1, "role": 1},
        )
        roles = defaultdict[tuple[str, str], list[Role]](list)
        async for each in found:
            for worker_id in each["working"]:
                roles[worker_id, each["case_id"]].append(Role(each["role"]))
        return roles

    async def to_fill(self, limit: int = TOGETHER) -> list[Allocation]:
        """Give the roles that still have to be filled, at most a few hundred.

        Those at the highest level come first; of one level, those that wait longest.
        """
        roles = list[Allocation]()
        for level in sorted(RiskLevel, key=lambda each: each.rank, reverse=True):
            if left := limit - len(roles):
                found = self.documents.find({"level": level.value, **UNFILLED})
                found = found.sort("since", 1).limit(left)
                roles += [self.load(each) async for each in found]
        return roles

    async def left_out(self, limit: int = TOGETHER) -> int:
        """Count the roles that still have to be filled, beyond those that are given."""
        open_ = [
            await self.documents.count_documents({"level": each.value, **UNFILLED})
            for each in RiskLevel
        ]
        return max(0, sum(open_) - limit)

    async def unowned(self, at: datetime, *, skip: int = 0) -> list[Allocation]:
        """Give a hundred of the roles that nobody has accepted in time, oldest first.

        Args:
            at: The present.
            skip: How many of the oldest are left out.
        """
        found = self.documents.find({"unowned_at": {"$lte": at}})
        found = found.sort([("unowned_at", 1), ("_id", 1)]).skip(skip).limit(PAGE)
        return [self.load(each) async for each in found]


class Glasses(Store[Glass]):
    """The broken glass, by whom and of which case."""

    entity = Glass
    collection = "glasses"
    due = "due_at"
    indexes = (
        IndexModel([("case_id", 1), ("worker_id", 1), ("until", 1)]),
        IndexModel([("worker_id", 1), ("until", 1)]),
    )

    async def open_to(
        self, worker_ids: Collection[str], case_ids: Collection[str], at: datetime
    ) -> dict[tuple[str, str], Glass]:
        """Give what workers have broken that is open, by worker and case.

        Of several the one that stays open longest.
        """
        found = self.documents.find(
            {
                "case_id": {"$in": list(case_ids)},
                "worker_id": {"$in": list(worker_ids)},
                "until": {"$gt": at},
            }
        )
        glasses = [self.load(each) async for each in found.sort("until", 1)]
        return {(each.worker_id, each.case_id): each for each in glasses}

    async def open_of(self, worker_id: str, at: datetime) -> list[Glass]:
        """Give what a worker has broken, of whichever case, that is open."""
        found = self.documents.find({"worker_id": worker_id, "until": {"$gt": at}})
        return [self.load(each) async for each in found.limit(PAGE)]

    async def abused_by(self, worker_id: str, case_id: str) -> bool:
        """Tell whether a worker has broken a case's glass without good reason."""
        found = await self.documents.find_one(
            {"case_id": case_id, "worker_id": worker_id, "justified": False},
            projection={"_id": 1},
        )
        return found is not None

    async def of_case(self, case_id: str) -> list[Glass]:
        """Give every time that the glass of a case was broken, latest first."""
        found = self.documents.find({"case_id": case_id}).sort("broken_at", -1)
        return [self.load(each) async for each in found.limit(PAGE)]


class Providers(SealedStore[Provider]):
    """The organisations of the locality, by code: dozens."""

    entity = Provider
    collection = "providers"
    indexes = (IndexModel([("meets", 1)]),)

    def take_apart(self, fields: Document) -> dict[str, Any]:
        """Take out what they say of themselves, if that is written."""
        return {"about": fields.pop("about")} if "about" in fields else {}

    def put_together(self, fields: Document, parts: Mapping[str, Any]) -> None:
        """Put it back."""
        fields["about"] = parts["about"]

    async def all(self) -> list[Provider]:
        """Give the organisations by code, at most a thousand."""
        found = self.documents.find({}).sort("_id", 1).limit(MOST_PROVIDERS)
        return self.load_all(await self.open([each async for each in found]))

    async def meeting(self, need: str) -> list[Provider]:
        """Give the organisations that meet a need, by code, at most a thousand."""
        found = self.documents.find({"meets": need}).sort("_id", 1)
        some = found.limit(MOST_PROVIDERS)
        return self.load_all(await self.open([each async for each in some]))


class Mornings(Store[Morning]):
    """When all open roles are next placed together: one document."""

    entity = Morning
    collection = "mornings"
    due = "due_at"

    async def prepare(self) -> None:
        """Create the indexes, and the document if it is not there."""
        await super().prepare()
        if await self.get(MORNING) is None:
            with suppress(Conflict):  # Another process was first.
                await self.save(Morning(id=MORNING, due_at=AT_ONCE))


class Rotas(Store[Rota]):
    """The rotas of the locality: a few."""

    entity = Rota
    collection = "rotas"
    due = "due_at"

    async def page(self) -> list[Rota]:
        """Give the rotas by id, at most a hundred."""
        found = self.documents.find({}).sort("_id", 1).limit(PAGE)
        return [self.load(each) async for each in found]


class Workers(SealedStore[Worker]):
    """The workers, with the places they have given.

    A worker takes part in many cases, so no message changes this document directly:
    every change names the allocation it is for, and doing it again changes nothing.
    """

    entity = Worker
    collection = "workers"
    due = "leaves_at"
    indexes = (
        IndexModel([("changed_at", 1)]),
        IndexModel(
            [("duty_coordinator", 1)],
            partialFilterExpression={"duty_coordinator": True},
        ),
        IndexModel([("provider", 1)]),
    )

    def take_apart(self, fields: Document) -> dict[str, Any]:
        """Take out how they are reached, if that is written."""
        named = {"contact": "email", "mobile": "mobile"}
        return {p: fields.pop(name) for p, name in named.items() if name in fields}

    def put_together(self, fields: Document, parts: Mapping[str, Any]) -> None:
        """Put back how they are reached."""
        for part, name in (("contact", "email"), ("mobile", "mobile")):
            held = parts.get(part)
            fields[name] = None if held is ERASED else held

    async def save(
        self,
        entity: Worker,
        *events: Event,
        cause: Message[Event] | None = None,
        lane: Lane | None = None,
    ) -> Worker:
        """Save a worker with the store's time, by which others find the change."""
        marked = entity.model_copy(update={"changed_at": self._database.server_now()})
        return await super().save(marked, *events, cause=cause, lane=lane)

    async def coordinators(self) -> set[str]:
        """Name the locality's coordinators who are at work."""
        found = self.documents.find(
            {"duty_coordinator": True, "active": True}, projection={"_id": 1}
        )
        return {each["_id"] async for each in found}

    async def of_agencies(self, agencies: Collection[str]) -> frozenset[str]:
        """Name whoever works for one of some agencies, or last did."""
        if not agencies:
            return frozenset()
        query = {"provider": {"$in": sorted(agencies)}}
        found = self.documents.find(query, projection={"_id": 1})
        return frozenset([each["_id"] async for each in found])

    async def page(self, after: str, limit: int) -> list[Worker]:
        """Give the workers whose ids come after one, in order."""
        found = self.documents.find({"_id": {"$gt": after}}).sort("_id", 1)
        documents = [each async for each in found.limit(limit)]
        return self.load_all(await self.open(documents))

    async def versions(self, since: datetime | None = None) -> dict[str, int]:
        """Give the version of every worker, or of those changed since a time."""
        changed = {"changed_at": {"$gte": since}} if since else {}
        found = self.documents.find(changed, projection={"version": 1})
        return {each["_id"]: each["version"] async for each in found}

    def now(self) -> datetime:
        """Give the store's time, by which changes are marked."""
        return self._database.server_now()
