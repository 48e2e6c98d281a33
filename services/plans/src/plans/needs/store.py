"""Where needs are kept."""

from collections.abc import Iterable
from typing import Any

from accord_chassis.store import Store
from pymongo.operations import IndexModel

from plans.needs.need import Need


class Needs(Store[Need]):
    """The needs, by person and strand. They hold ids and codes alone."""

    entity = Need
    collection = "needs"
    due = "due_at"
    indexes = (
        IndexModel([("case_id", 1)]),
        IndexModel([("person_id", 1)]),
        IndexModel([("asked_of", 1)]),
        IndexModel([("services.id", 1)]),
    )

    async def of_cases(self, case_ids: Iterable[str]) -> list[Need]:
        """Give the needs of everybody in some cases."""
        return await self._all({"case_id": {"$in": list(case_ids)}})

    async def asked_of(self, provider: str) -> list[Need]:
        """Give those that a provider is asked to meet, or meets."""
        return await self._all({"asked_of": provider})

    async def of_service(self, service_id: str) -> Need | None:
        """Give the one that a service was asked to meet."""
        found = await self._all({"services.id": service_id})
        return found[0] if found else None

    async def _all(self, which: dict[str, Any]) -> list[Need]:
        found = self.documents.find(which, projection={"inbox": 0, "outbox": 0})
        return [self.load(each) async for each in found]

    async def of_person(self, person_id: str) -> list[Need]:
        """Give what somebody needs, in every case."""
        return await self._all({"person_id": person_id})

    async def erase(self, case_id: str) -> None:
        """Delete the needs of a case that is erased."""
        await self.documents.delete_many({"case_id": case_id})

    async def erase_person(self, person_id: str) -> None:
        """Delete the needs of somebody who is erased, in every case."""
        await self.documents.delete_many({"person_id": person_id})
