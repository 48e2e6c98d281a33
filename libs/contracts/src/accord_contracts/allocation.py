"""What the allocation service publishes and answers, and the scales of its work."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from accord_contracts.message import Code, Event, Id
from accord_contracts.risk import RiskLevel


class Role(StrEnum):
    """The roles that a case may need filled."""

    INDEPENDENT_VICTIM_SPECIALIST = "independent_victim_specialist"
    PERPETRATOR_OUTREACH = "perpetrator_outreach"
    KAUPAPA_MAORI_PRACTITIONER = "kaupapa_maori_practitioner"
    CHILD_SPECIALIST = "child_specialist"
    WHANAU_SUPPORT_WORKER = "whanau_support_worker"
    LEAD_AGENCY_COORDINATOR = "lead_agency_coordinator"


class DeclineReason(StrEnum):
    """Why a worker cannot take a role."""

    NO_CAPACITY = "no_capacity"
    CONFLICT_OF_INTEREST = "conflict_of_interest"
    UNSAFE = "unsafe"
    WRONG_AREA = "wrong_area"
    OTHER_PROVIDER_PREFERRED = "other_provider_preferred"
    ON_LEAVE = "on_leave"


class HandOverReason(StrEnum):
    """Why a worker hands a role over to another."""

    LEAVING = "leaving"
    ON_LEAVE = "on_leave"
    NO_CAPACITY = "no_capacity"
    OTHER_PROVIDER_PREFERRED = "other_provider_preferred"


class RoleWanted(Event):
    """A case needs a role filled. Allocation tells itself.

    Attributes:
        allocation_id: One role of one episode of the case.
        role: What is needed.
        level: The level of risk, by which the clocks of the role run.
        first_referred_at: When the response to this episode was first asked for.
    """

    TYPE: ClassVar[str] = "allocation.wanted.v1"

    allocation_id: Id
    role: Role
    level: RiskLevel
    first_referred_at: AwareDatetime


class StaffingCarried(Event):
    """Of merged cases, one has another team or other lists. Allocation tells itself.

    Attributes:
        case_id: The case that goes by it too, or does no longer.
        from_id: The other.
    """

    TYPE: ClassVar[str] = "allocation.carried.v1"

    from_id: Id


class WithdrawnFor(StrEnum):
    """Why a role was taken back. Who is barred from a case is never told."""

    CASE_MERGED = "case_merged"


class AllocationEvent(Event):
    """What every event about one role of one case says.

    Attributes:
        allocation_id: One role of one episode of the case.
        role: What is needed.
        first_referred_at: When the response to this episode was first asked for.
    """

    allocation_id: Id
    role: Role
    first_referred_at: AwareDatetime


class AllocationOffered(AllocationEvent):
    """A worker is asked to take a role.

    Told again when the level rises and an open offer gets less time.

    Attributes:
        worker_id: Who is asked.
        level: The level of risk.
        answer_by: When somebody else is asked, if nothing was answered.
    """

    TYPE: ClassVar[str] = "allocation.offered.v1"

    worker_id: Id
    level: RiskLevel
    offered_at: AwareDatetime
    answer_by: AwareDatetime


class AllocationAccepted(AllocationEvent):
    """A worker has taken a role.

    Attributes:
        worker_id: Who has taken it.
    """

    TYPE: ClassVar[str] = "allocation.accepted.v1"

    worker_id: Id
    accepted_at: AwareDatetime


class AllocationDeclined(AllocationEvent):
    """A worker cannot take a role. It is offered to another at once.

    Unless they say so after their time: then another has it, or is asked already, or
    will be. Whoever has a conflict of interest is barred from the case.

    Attributes:
        worker_id: Who cannot take it.
        reason: Why not.
    """

    TYPE: ClassVar[str] = "allocation.declined.v1"

    worker_id: Id
    reason: DeclineReason
    declined_at: AwareDatetime


class AllocationExpired(AllocationEvent):
    """A worker did not answer in time. The role is offered to another at once.

    Attributes:
        worker_id: Who did not answer.
        expired_at: When that was noticed: from then on they can take it only as long
            as nobody else was asked.
        late_by: Seconds between the end of their time and then.
    """

    TYPE: ClassVar[str] = "allocation.expired.v1"

    worker_id: Id
    expired_at: AwareDatetime
    late_by: Annotated[float, Field(ge=0)]


class AllocationWithdrawn(AllocationEvent):
    """A worker has a role no longer, or need not answer any more.

    The response has ended before they answered, or they may have nothing to do with the
    case any more; then it is offered to another at once.

    Attributes:
        worker_id: Who was asked, or had accepted.
        reason: Why, if it may be told.
        kept_by: Who has it all the same, because they are handing it over.
    """

    TYPE: ClassVar[str] = "allocation.withdrawn.v1"

    worker_id: Id
    withdrawn_at: AwareDatetime
    reason: WithdrawnFor | None = None
    kept_by: Id | None = None


class AllocationUnfilled(AllocationEvent):
    """Nobody can be found for a role: an alarm for the coordinator.

    Attributes:
        level: The level of risk.
        reason: ``no_candidate`` (nobody with room is left to ask), ``out_of_time``
            (the role should have been filled by now) or ``to_choose`` (the locality
            has a person choose whom to ask).
    """

    TYPE: ClassVar[str] = "allocation.unfilled.v1"

    level: RiskLevel
    reason: Code
    noticed_at: AwareDatetime


class AllocationUnanswered(AllocationEvent):
    """Several workers in turn did not answer: an alarm for the coordinator.

    Attributes:
        level: The level of risk.
        silent: How many in turn, each of whom let their time pass.
        noticed_at: When the last of them had let it pass. The next is asked at once.
    """

    TYPE: ClassVar[str] = "allocation.unanswered.v1"

    level: RiskLevel
    silent: Annotated[int, Field(ge=1)]
    noticed_at: AwareDatetime


class AllocationHandedOver(AllocationEvent):
    """A worker has taken a role over from another, who had it until then.

    Told beside ``allocation.accepted``, which says the same of any role that is taken.

    Attributes:
        worker_id: Who has it now.
        from_worker_id: Who had it.
        reason: Why they handed it over.
    """

    TYPE: ClassVar[str] = "allocation.handed_over.v1"

    worker_id: Id
    from_worker_id: Id
    reason: HandOverReason
    handed_over_at: AwareDatetime


class AllocationEnded(AllocationEvent):
    """Somebody works on a case in a role no longer, because the role has ended.

    Attributes:
        worker_id: Who had it.
        ended_at: Since when it is over.
    """

    TYPE: ClassVar[str] = "allocation.ended.v1"

    worker_id: Id
    ended_at: AwareDatetime


class AllocationNotNeeded(AllocationEvent):
    """Nobody is looked for any more for a role: the case needs it no longer.

    Its response has ended, another case that it was merged with has somebody in it, or
    a meeting has decided so.

    Attributes:
        ended_at: Since when it is not needed.
    """

    TYPE: ClassVar[str] = "allocation.not_needed.v1"

    ended_at: AwareDatetime


class TeamMember(BaseModel):
    """A worker on a case, and in which role.

    Attributes:
        role: As what they work on it.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    worker_id: Id
    role: Role


class CaseTeamChanged(Event):
    """Who works on a case is another than before; the whole team as it is now.

    Attributes:
        members: Everyone on it, once for each role; none when the response has ended.
        lead_agency: Which agency owns the plan and is answerable for it, by its code in
            the register; none: nobody has said.
    """

    TYPE: ClassVar[str] = "case_team.changed.v1"

    members: Annotated[tuple[TeamMember, ...], Field(max_length=50)]
    changed_at: AwareDatetime
    lead_agency: Code | None = None


class Shift(BaseModel):
    """From when until when a worker is on call.

    Attributes:
        worker_id: Who is.
        since: From then on.
        until: No longer then.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    worker_id: Id
    since: AwareDatetime
    until: AwareDatetime


SHIFTS = 200
"""The most shifts that a rota tells of at once."""


class RotaChanged(Event):
    """Who is on call is another than was told before; all shifts that are known now.

    Whoever wakes somebody looks for the shift of the present. Where there is none, or
    the present is past ``known_until``, nobody is on call by this rota. Who is away is
    left out, and what stands in it takes every override into account.

    Attributes:
        case_id: None: a rota is for no case in particular.
        rota_id: Which rota.
        rota: What it is for.
        roles: Which roles those who are on call by it stand in for; none: those of the
            locality's coordinators.
        shifts: In order of time, none of them at the same time as another; none: the
            rota has ended.
        known_until: After that nothing is known.
    """

    TYPE: ClassVar[str] = "rota.changed.v1"

    case_id: Id | None = None  # type: ignore[assignment]  # It is for no case.
    rota_id: Id
    rota: Code
    roles: Annotated[tuple[Role, ...], Field(max_length=20)]
    shifts: Annotated[tuple[Shift, ...], Field(max_length=SHIFTS)]
    known_until: AwareDatetime
    changed_at: AwareDatetime

    @property
    def subject(self) -> str:
        """The rota, because there is no case."""
        return self.rota_id


class Leave(BaseModel):
    """From when until when a worker is away. Why, is nobody's business.

    Attributes:
        since: From then on.
        until: No longer then.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    since: AwareDatetime
    until: AwareDatetime


class LeaveChanged(Event):
    """When a worker is away, as the directory was told; all that is not over.

    Told whenever the directory is told of somebody who is to be away, or ever was to
    be. It tells nothing of whoever can do less than all of their work.

    Attributes:
        case_id: None: leave is for no case in particular.
        leave: In whatever order; some may be on at the same time; none: they are there.
    """

    TYPE: ClassVar[str] = "leave.changed.v1"

    case_id: Id | None = None  # type: ignore[assignment]  # It is for no case.
    worker_id: Id
    leave: Annotated[tuple[Leave, ...], Field(max_length=50)]
    changed_at: AwareDatetime

    @property
    def subject(self) -> str:
        """The worker, because there is no case."""
        return self.worker_id


class WorkerContact(BaseModel):
    """How a worker is reached, as allocation answers ``/v1/workers/{id}/contact``.

    Attributes:
        email: Where a reference and a link may be sent; none: not by e-mail.
        mobile: Where the same may be sent by SMS (E.164); none: not by SMS.
        deputy: Who is asked next when the worker is silent.
        team_lead: Who is asked after the deputy.
        coordinator: The locality's coordinator on duty.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    worker_id: Id
    email: str | None = None
    mobile: str | None = None
    deputy: Id | None = None
    team_lead: Id | None = None
    coordinator: Id | None = None


class OfferOfHelp(BaseModel):
    """An organisation that meets a need, as allocation answers ``/v1/offers-of-help``.

    Attributes:
        provider: Its code in the directory: of an agency, its code in the register.
        name: What it is called.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    provider: Code
    name: str


class GlassReason(StrEnum):
    """Why a worker breaks the glass of a case that they do not work on."""

    IMMINENT_DANGER = "imminent_danger"
    TEAM_NOT_REACHED = "team_not_reached"
    PERSON_ASKS_FOR_HELP = "person_asks_for_help"
    CHILD_IN_DANGER = "child_in_danger"


class GlassEvent(Event):
    """What every event about a broken glass says.

    Attributes:
        glass_id: Which.
        worker_id: Who broke it.
    """

    glass_id: Id
    worker_id: Id


class GlassBroken(GlassEvent):
    """A worker looks at a case that they do not work on: an alarm to who leads it.

    Attributes:
        reason: Why, as they say.
        until: When it closes by itself.
        review_by: When somebody else must have reviewed it.
    """

    TYPE: ClassVar[str] = "glass.broken.v1"

    reason: GlassReason
    broken_at: AwareDatetime
    until: AwareDatetime
    review_by: AwareDatetime


class GlassReviewed(GlassEvent):
    """Somebody else has reviewed why the glass of a case was broken.

    Attributes:
        reviewer_id: Who.
        justified: Whether there was good reason.
    """

    TYPE: ClassVar[str] = "glass.reviewed.v1"

    reviewer_id: Id
    justified: bool
    reviewed_at: AwareDatetime


class GlassNotReviewed(GlassEvent):
    """Nobody has reviewed in time why the glass of a case was broken: an alarm.

    Attributes:
        late_by: Seconds since somebody should have.
    """

    TYPE: ClassVar[str] = "glass.not_reviewed.v1"

    noticed_at: AwareDatetime
    late_by: Annotated[float, Field(ge=0)]
