"""Where assessments are kept."""

from accord_chassis.store import Store
from accord_contracts.message import Event, Lane, Message
from accord_contracts.risk import AssessmentCarried

from risk.domain.assessment import Assessment


class Assessments(Store[Assessment]):
    """The assessments, by case."""

    entity = Assessment
    collection = "assessments"
    due = "wakes_at"

    async def save(
        self,
        entity: Assessment,
        *events: Event,
        cause: Message[Event] | None = None,
        lane: Lane | None = None,
    ) -> Assessment:
        """Save an assessment; of what changes in a merged case, its survivor hears."""
        if survivor := entity.merged_into:
            carried = AssessmentCarried(case_id=survivor, from_id=entity.id)
            events = (*events, carried)
        return await super().save(entity, *events, cause=cause, lane=lane)
