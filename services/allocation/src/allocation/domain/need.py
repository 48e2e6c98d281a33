"""A role of a case that a worker is looked for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from accord_contracts.access import SIDES, Side
from accord_contracts.allocation import Role
from accord_contracts.calendar import Shown

from allocation.domain.policy import outreach
from allocation.domain.wishes import NO_WISHES, Wishes

DECLINED = "They have declined it."
SERVED = "They have served the other side of the case, or of one of the same people."
LISTED = "They are barred from the case."
EXCLUDED = "They may not be asked."
UNNAMED = "Only others may have to do with the case."
AGAINST_WISH = "The person harmed does not want their agency told."
SILENT = "They were asked before and did not answer in time."


@dataclass(frozen=True, slots=True)
class Need:
    """A role of a case that a worker is looked for.

    Attributes:
        points: How much of a worker's capacity it takes.
        wishes: What the person harmed asks of the worker.
        excluded: Who may not be asked: has been, serves the other side of the case, or
            is barred from it.
        declined: Who of them has declined it.
        served: Who of them has served the other side, here or in another case of the
            same people.
        listed: Who of them is barred from the case.
        silent: Who was asked and did not answer: excluded as long as others are left,
            unless a person chooses.
        full: Who had no room any more when a place was to be reserved.
        named_only: The only ones who may be asked; none: anybody.
        barred_agencies: Codes of those whose workers are barred from the case.
        not_told: Codes of those that the person harmed does not want told.
        against_wish: Their workers may be asked all the same, because a person has
            decided so.
        urgent: It is at a high level: whoever takes it must be at work now.
        shown: What clocks show now; none: whether somebody is at work is no matter.
        on_call: Who is on call now, whatever their hours.
        answer_by: When whoever is asked must have answered, if it cannot wait: whoever
            is away by then is not asked; none: it can.
        ahead: For how long from now leave speaks against somebody.
        walls: The compartments that serve the other side of the case.
        alike: Other cases of the same people, in which too nobody serves the other side
            who takes it.
        turned: Other cases, in which who is harmed here harms, or the reverse: there
            nobody serves the same side who takes it, nor a side if it is the whole
            case that is served here, or the reverse.
        beyond: It may be given to somebody who has no room for it, because a person has
            decided so.
        earlier: Who has served this side of the case before.
        skills: What the case asks of a worker's skills.
        distances: Kilometres to the person harmed, by the place that workers start at.
        lead: Code of the agency that leads, if the role is to coordinate for it.
    """

    allocation_id: str
    case_id: str
    role: Role
    points: int
    wishes: Wishes = NO_WISHES
    excluded: frozenset[str] = frozenset()
    declined: frozenset[str] = frozenset()
    served: frozenset[str] = frozenset()
    listed: frozenset[str] = frozenset()
    silent: frozenset[str] = frozenset()
    full: frozenset[str] = frozenset()
    named_only: frozenset[str] | None = None
    barred_agencies: frozenset[str] = frozenset()
    not_told: frozenset[str] = frozenset()
    against_wish: bool = False
    urgent: bool = False
    shown: Shown | None = None
    on_call: frozenset[str] = frozenset()
    answer_by: datetime | None = None
    ahead: timedelta = timedelta(0)
    walls: frozenset[str] = frozenset()
    alike: frozenset[str] = frozenset()
    turned: frozenset[str] = frozenset()
    beyond: bool = False
    earlier: frozenset[str] = frozenset()
    skills: frozenset[str] = frozenset()
    distances: Mapping[str, float] = field(default_factory=dict)
    lead: str | None = None

    def bars(self, worker_id: str) -> bool:
        """Tell whether a worker may not be asked."""
        unnamed = self.named_only is not None and worker_id not in self.named_only
        return unnamed or worker_id in self.excluded or worker_id in self.full

    def opposes(self, case_id: str, role: Role) -> bool:
        """Tell whether nobody has this role who serves a case in another."""
        other_side = outreach(role) != outreach(self.role)
        if other_side and (case_id == self.case_id or case_id in self.alike):
            return True
        if case_id not in self.turned:
            return False
        whole = (SIDES[role], SIDES[self.role]).count(Side.WHOLE_CASE)
        return whole == 1 or (whole == 0 and not other_side)

    def against(self, worker_id: str) -> Iterator[str]:
        """Give every reason why a worker may not be asked."""
        known = self.declined | self.served | self.listed | self.silent
        if worker_id in self.declined:
            yield DECLINED
        if worker_id in self.served:
            yield SERVED
        if worker_id in self.listed:
            yield LISTED
        if worker_id in self.excluded & self.silent:
            yield SILENT
        if worker_id in self.excluded - known:
            yield EXCLUDED
        if self.named_only is not None and worker_id not in self.named_only:
            yield UNNAMED

    def without(self, worker_id: str) -> "Need":
        """Exclude one more worker."""
        return replace(self, excluded=self.excluded | {worker_id})

    def without_room(self, worker_id: str) -> "Need":
        """Note that one more worker has no room any more."""
        return replace(self, full=self.full | {worker_id})
