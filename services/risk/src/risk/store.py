"""Where assessments are kept."""

from accord_chassis.store import Store

from risk.domain import Assessment


class Assessments(Store[Assessment]):
    """The assessments, by case."""

    entity = Assessment
    collection = "assessments"
    due = "wakes_at"
