"""Where plans are kept."""

from accord_chassis.store import Store
from accord_contracts.message import Event, Lane, Message
from accord_contracts.plans import PlanCarried
from pymongo.operations import IndexModel

from plans.domain.held import NoPlan
from plans.domain.plan import Plan


class Plans(Store[Plan]):
    """The plans, by case."""

    entity = Plan
    collection = "plans"
    due = "due_at"
    indexes = (IndexModel([("owed_by", 1)]), IndexModel([("to_take", 1)]))

    async def save(
        self,
        entity: Plan,
        *events: Event,
        cause: Message[Event] | None = None,
        lane: Lane | None = None,
    ) -> Plan:
        """Save a plan; whatever changes in a merged case's, its survivor is told."""
        if survivor := entity.merged_into:
            events = (*events, PlanCarried(case_id=survivor, from_id=entity.id))
        return await super().save(entity, *events, cause=cause, lane=lane)

    async def known(self, case_id: str) -> Plan:
        """Give the plan of a case.

        Raises:
            NoPlan: There is none.
        """
        held = await self.get(case_id)
        if held is None:
            raise NoPlan
        return held

    async def owed_by(self, worker_id: str) -> list[Plan]:
        """The plans in which a worker has something still to do."""
        return await self._all({"owed_by": worker_id})

    async def to_take(self, agency: str) -> list[Plan]:
        """The plans in which an agency owns something that nobody has taken yet."""
        return await self._all({"to_take": agency})

    async def _all(self, which: dict[str, str]) -> list[Plan]:
        found = self.documents.find(which, projection={"inbox": 0, "outbox": 0})
        return [self.load(each) async for each in found]
