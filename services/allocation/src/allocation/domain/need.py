"""A role of a case that a worker is looked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from accord_contracts.allocation import Role

from allocation.domain.availability import Shown
from allocation.domain.wishes import Wishes

NO_WISHES = Wishes()


@dataclass(frozen=True, slots=True)
class Need:
    """A role of a case that a worker is looked for.

    Attributes:
        points: How much of a worker's capacity it takes.
        wishes: What the person harmed asks of the worker.
        excluded: Who may not be asked: has been, serves the other side of the case, or
            is barred from it.
        named_only: The only ones who may be asked; none: anybody.
        urgent: It is at a high level: whoever takes it must be at work now.
        shown: What clocks show now; none: whether somebody is at work is no matter.
        on_call: Who is on call now, whatever their hours.
        walls: The compartments that serve the other side of the case.
        beyond: It may be given to somebody who has no room for it, because a person has
            decided so.
        earlier: Who has served this side of the case before.
        skills: What the case asks of a worker's skills.
        distances: Kilometres to the person harmed, by the place that workers start at.
    """

    allocation_id: str
    case_id: str
    role: Role
    points: int
    wishes: Wishes = NO_WISHES
    excluded: frozenset[str] = frozenset()
    named_only: frozenset[str] | None = None
    urgent: bool = False
    shown: Shown | None = None
    on_call: frozenset[str] = frozenset()
    walls: frozenset[str] = frozenset()
    beyond: bool = False
    earlier: frozenset[str] = frozenset()
    skills: frozenset[str] = frozenset()
    distances: Mapping[str, float] = field(default_factory=dict)

    def bars(self, worker_id: str) -> bool:
        """Tell whether a worker may not be asked."""
        unnamed = self.named_only is not None and worker_id not in self.named_only
        return unnamed or worker_id in self.excluded

    def without(self, worker_id: str) -> "Need":
        """Exclude one more worker."""
        return replace(self, excluded=self.excluded | {worker_id})
