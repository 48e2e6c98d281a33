"""What is known of a site's cases from what the services told."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from accord_contracts.allocation import (
    AllocationAccepted,
    AllocationExpired,
    AllocationUnfilled,
    Role,
)
from accord_contracts.message import Event, Lane
from accord_contracts.plans import ActionOverdue, PlanClosed, PlanDrafted
from accord_contracts.referrals import IncidentKind, ReferralReceived
from accord_contracts.risk import ReassessmentDue


@dataclass(slots=True)
class Case:
    """A case, as far as those who work on it need to know it.

    Attributes:
        team: Who has accepted which role.
        plan_version: The current version of its plan.
        agreed_version: The latest version that was agreed.
        referrals: How many were received.
        reviewing: A reassessment was made, and its plan is not drafted yet.
    """

    team: dict[Role, str] = field(default_factory=dict)
    plan_version: int = 0
    agreed_version: int = 0
    referrals: int = 0
    reviewing: bool = False
    closed: bool = False


@dataclass(slots=True)
class Lateness:
    """By how much it was noticed late that things had fallen due, in seconds."""

    count: int = 0
    total: float = 0.0
    most: float = 0.0

    @property
    def mean(self) -> float:
        """The mean of all; 0 of nothing."""
        return self.total / self.count if self.count else 0.0

    def note(self, late_by: float) -> None:
        """Note one."""
        self.count += 1
        self.total += late_by
        self.most = max(self.most, late_by)

    @classmethod
    def together(cls, several: Iterable["Lateness"]) -> "Lateness":
        """Add several up."""
        found = cls()
        for each in several:
            found.count += each.count
            found.total += each.total
            found.most = max(found.most, each.most)
        return found


@dataclass(slots=True)
class Register:
    """A site's cases, and counts of what happened.

    Attributes:
        cases: By id.
        told: How often each type was told.
        incidents: Kinds of incidents, as they were received.
        people: How many referrals each person was in, by id.
        repeats: Referrals that are repeats: the same pair within a year.
        alarms: Why roles were called unfilled.
        lateness: Of everything that fell due.
    """

    cases: dict[str, Case] = field(default_factory=dict)
    told: Counter[str] = field(default_factory=Counter)
    incidents: Counter[IncidentKind] = field(default_factory=Counter)
    people: Counter[str] = field(default_factory=Counter)
    repeats: int = 0
    alarms: Counter[str] = field(default_factory=Counter)
    lateness: Lateness = field(default_factory=Lateness)

    def see(self, event: Event, _: Lane) -> None:
        """Note what was told."""
        self.told[event.TYPE] += 1
        case = self.cases.setdefault(event.case_id, Case())
        match event:
            case ReferralReceived():
                case.referrals += 1
                self.incidents.update(event.incidents)
                self.people.update({each.person_id for each in event.parties})
                self.repeats += event.repeat
            case AllocationAccepted():
                case.team[event.role] = event.worker_id
            case AllocationUnfilled():
                self.alarms[event.reason] += 1
            case AllocationExpired() | ActionOverdue() | ReassessmentDue():
                self.lateness.note(event.late_by)
            case PlanDrafted():
                case.plan_version = event.plan_version
                case.reviewing = case.closed = False
            case PlanClosed():
                case.team.clear()
                case.closed = True
            case _:
                pass
