"""Where needs are kept."""

from collections.abc import Iterable

from accord_chassis.store import Store
from pymongo.operations import IndexModel

from plans.needs.need import Need


class Needs(Store[Need]):
    """The needs, by person and strand. They hold ids and codes alone."""

    entity = Need
    collection = "needs"
    due = "due_at"
    indexes = (IndexModel([("case_id", 1)]), IndexModel([("person_id", 1)]))

    async def of_cases(self, case_ids: Iterable[str]) -> list[Need]:
        """Give the needs of everybody in some cases."""
        found = self.documents.find(
            {"case_id": {"$in": list(case_ids)}}, projection={"inbox": 0, "outbox": 0}
        )
        return [self.load(each) async for each in found]

    async def erase(self, case_id: str) -> None:
        """Delete the needs of a case that is erased."""
        await self.documents.delete_many({"case_id": case_id})

    async def erase_person(self, person_id: str) -> None:
        """Delete the needs of somebody who is erased, in every case."""
        await self.documents.delete_many({"person_id": person_id})
