"""What the plans service publishes."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from accord_contracts.access import Side
from accord_contracts.allocation import Role
from accord_contracts.grounds import Belief, S20Purpose, WhyNotSafe
from accord_contracts.message import Code, Event, Id
from accord_contracts.papers import Audience
from accord_contracts.referrals import TriggerKind
from accord_contracts.risk import RiskLevel


class StaleReason(StrEnum):
    """Why a plan that was agreed to should be looked at again."""

    RISK_ROSE = "risk_rose"
    ROLE_VACANT = "role_vacant"
    DATE_NEAR = "date_near"
    CHILD_KNOWN = "child_known"
    BREACHED = "breached"


class OutcomeKind(StrEnum):
    """What a response is for, as the pilots measured it at its end."""

    ABUSE_STOPPED = "abuse_stopped"
    COPING = "coping"
    FEAR = "fear"
    ENGAGEMENT = "engagement"
    """Of the person using violence, with whatever helps them to stop."""


class OutcomeState(StrEnum):
    """How one of these stands at the end, compared with the beginning."""

    REACHED = "reached"
    """The abuse has stopped, the person harmed copes and is not afraid, whoever uses
    violence takes part."""
    BETTER = "better"
    SAME = "same"
    WORSE = "worse"
    NOT_KNOWN = "not_known"


class PlanEvent(Event):
    """What every event about a family safety plan says.

    Attributes:
        plan_version: Which version of the plan, counted from 1.
    """

    plan_version: Annotated[int, Field(ge=1)]


class PlanDrafted(PlanEvent):
    """A family safety plan has been drafted from the locality's template.

    Attributes:
        referral_id: The referral whose assessment led to it, if one did.
        level: The level of risk that it is drafted for.
        actions: How many there are still to be done.
    """

    TYPE: ClassVar[str] = "plan.drafted.v1"

    referral_id: Id | None
    level: RiskLevel
    actions: Annotated[int, Field(ge=0)]
    drafted_at: AwareDatetime


class PlanAgreed(PlanEvent):
    """A version of a plan is agreed. It is never changed again.

    Attributes:
        triggers: The dates for which an alarm was raised, and is now over.
    """

    TYPE: ClassVar[str] = "plan.agreed.v1"

    agreed_at: AwareDatetime
    triggers: Annotated[tuple[Id, ...], Field(max_length=100)] = ()


class PlanStale(PlanEvent):
    """What was agreed to should be looked at again. Told once for each reason.

    Attributes:
        level: The level of risk now.
        reasons: All that hold, those told before included.
    """

    TYPE: ClassVar[str] = "plan.stale.v1"

    level: RiskLevel
    reasons: Annotated[tuple[StaleReason, ...], Field(min_length=1, max_length=10)]
    stale_at: AwareDatetime


class PlanReviewed(PlanEvent):
    """Somebody has looked at an agreed version again, and it stands."""

    TYPE: ClassVar[str] = "plan.reviewed.v1"

    reviewed_at: AwareDatetime


class PlanReviewDue(PlanEvent):
    """A plan should have been looked at by people, and was not. Told once.

    An agreed version should have been reviewed, or a draft agreed to.

    Attributes:
        level: The level of risk that the plan is for.
        due_at: By when.
        late_by: Seconds between when it was due and when that was noticed.
    """

    TYPE: ClassVar[str] = "plan.review_due.v1"

    level: RiskLevel
    due_at: AwareDatetime
    late_by: Annotated[float, Field(ge=0)]


class PlanBreached(PlanEvent):
    """Somebody has broken what the plan rests on.

    Attributes:
        level: The level of risk that the plan is for.
    """

    TYPE: ClassVar[str] = "plan.breached.v1"

    level: RiskLevel
    breached_at: AwareDatetime


class PlanNotInForce(Event):
    """A date comes near, and no plan for it is agreed. An alarm, told once.

    Attributes:
        trigger_id: Which date.
        kind: What happens then.
        happens_at: When.
        due_at: By when the plan was to be agreed.
        level: The level of risk that the plan is drafted for; none if there is none.
        late_by: Seconds between when it was to be agreed and when that was noticed.
    """

    TYPE: ClassVar[str] = "plan.not_in_force.v1"

    trigger_id: Id
    kind: TriggerKind
    happens_at: AwareDatetime
    due_at: AwareDatetime
    level: RiskLevel | None
    late_by: Annotated[float, Field(ge=0)]


class PlanAlarmsEnded(Event):
    """No plan need be in force in this case for some dates: they are not its own.

    A merged case is on its own again, and takes its dates along.

    Attributes:
        triggers: The dates for which an alarm was raised, and is now over.
    """

    TYPE: ClassVar[str] = "plan.alarms_ended.v1"

    triggers: Annotated[tuple[Id, ...], Field(min_length=1, max_length=100)]


OPENED_IN_ERROR = "opened_in_error"
"""The reason for which a plan is closed whose case should never have been opened. Every
locality that has such a reason calls it so: risk counts the case in no figure then."""


class PlanClosed(PlanEvent):
    """A plan is closed: the response to this household has ended.

    Whoever knows of a later assessment than the one it rested on knows that the case
    was opened again, or will be: plans had not heard of that assessment yet.

    Attributes:
        reason: Why, by one of the locality's codes; ``opened_in_error`` means the same
            everywhere.
        assessment_revision: Which assessment the plan rested on: the aggregate version
            of the ``risk.assessed`` message that told of it.
    """

    TYPE: ClassVar[str] = "plan.closed.v1"

    reason: Code
    assessment_revision: Annotated[int, Field(ge=1)]
    closed_at: AwareDatetime


class PlanCarried(Event):
    """What is planned for a merged case has changed. Plans tells itself.

    Attributes:
        case_id: The case in whose plan it stands too, or does no longer.
        from_id: The merged case.
    """

    TYPE: ClassVar[str] = "plan.carried.v1"

    from_id: Id


class ActionEvent(PlanEvent):
    """What every event about one action of a plan says.

    Attributes:
        action: What is to be done, by one of the locality's codes.
        role: Whoever has this role is to do it.
    """

    action_id: Id
    action: Code
    role: Role


class ActionAssigned(ActionEvent):
    """An action has an owner, another one than before, or less time.

    Attributes:
        worker_id: Its owner.
    """

    TYPE: ClassVar[str] = "action.assigned.v1"

    worker_id: Id
    due_at: AwareDatetime


class ActionDueSoon(ActionEvent):
    """A commitment falls due before long. Told once, before it does.

    Attributes:
        worker_id: Its owner; none if nobody has taken the role.
        level: The level of risk that the plan is for.
    """

    TYPE: ClassVar[str] = "action.due_soon.v1"

    worker_id: Id | None
    level: RiskLevel
    due_at: AwareDatetime


class ActionToConfirm(ActionEvent):
    """At high risk nobody settles an action alone: a second person is asked.

    Attributes:
        level: The level of risk that the plan is for.
        asked_by: Who says that it was done, or will not be; never the second person.
        confirm_by: Until when; then it is overdue like any other.
    """

    TYPE: ClassVar[str] = "action.to_confirm.v1"

    level: RiskLevel
    asked_by: Id
    confirm_by: AwareDatetime


class ActionNotConfirmed(ActionEvent):
    """A second person says that it is not so: the action is still to be done."""

    TYPE: ClassVar[str] = "action.not_confirmed.v1"

    refused_at: AwareDatetime


class ActionNotDone(ActionEvent):
    """It is settled that a commitment will not be kept.

    Attributes:
        worker_id: Its owner; none if nobody has taken the role.
        reason: Why, by one of the locality's codes.
    """

    TYPE: ClassVar[str] = "action.not_done.v1"

    worker_id: Id | None
    reason: Code
    settled_at: AwareDatetime


class ActionOutcome(StrEnum):
    """What came of an action: how the person harmed was spoken to, if at all."""

    MET_IN_PERSON = "met_in_person"
    SPOKE_REMOTELY = "spoke_remotely"
    WROTE = "wrote"
    NOT_REACHED = "not_reached"
    DECLINED = "declined"
    NO_CONTACT_NEEDED = "no_contact_needed"


class ActionDone(ActionEvent):
    """A commitment was kept.

    Attributes:
        worker_id: Who kept it.
        outcome: What came of it; none: they did not say.
    """

    TYPE: ClassVar[str] = "action.done.v1"

    worker_id: Id
    done_at: AwareDatetime
    outcome: ActionOutcome | None = None


class ActionOverdue(ActionEvent):
    """A commitment was not kept in time.

    Attributes:
        worker_id: Its owner; none if nobody has taken the role.
        level: The level of risk that the plan is for.
        late_by: Seconds between when it fell due and when that was noticed.
    """

    TYPE: ClassVar[str] = "action.overdue.v1"

    worker_id: Id | None
    level: RiskLevel
    due_at: AwareDatetime
    late_by: Annotated[float, Field(ge=0)]


class NeedLevel(StrEnum):
    """How far something that somebody needs is met."""

    UNMET = "unmet"
    PARTLY_MET = "partly_met"
    MET = "met"
    NOT_KNOWN = "not_known"


class ServiceStep(StrEnum):
    """How far a service has come that was asked to meet a need."""

    OFFERED = "offered"
    ACCEPTED = "accepted"
    WAITING = "waiting"
    STARTED = "started"
    ENDED = "ended"
    REFUSED = "refused"


class NeedEvent(Event):
    """What every event about a need says.

    Attributes:
        strand: The part of life that it is in, by one of the locality's codes.
    """

    need_id: Id
    strand: Code


class NeedAssessed(NeedEvent):
    """What somebody needs beside safety was assessed, or assessed anew.

    Attributes:
        person_id: Whose need it is.
        met: How far it is met.
        agreed: They agree to a service being asked for it.
    """

    TYPE: ClassVar[str] = "need.assessed.v1"

    person_id: Id
    met: NeedLevel
    agreed: bool
    assessed_at: AwareDatetime


class ServiceEvent(NeedEvent):
    """What every event about a service says.

    Attributes:
        provider: Who is asked, by its code in the directory.
    """

    service_id: Id
    provider: Code


class ServiceAsked(ServiceEvent):
    """A provider is asked to meet a need.

    Attributes:
        answer_by: When it should have answered.
    """

    TYPE: ClassVar[str] = "service.asked.v1"

    asked_at: AwareDatetime
    answer_by: AwareDatetime


class ServiceMoved(ServiceEvent):
    """A service that was asked has come to another step.

    Attributes:
        step: Which.
        reason: Why it was refused or ended, by one of the locality's codes.
    """

    TYPE: ClassVar[str] = "service.moved.v1"

    step: ServiceStep
    reason: Code | None
    moved_at: AwareDatetime


class ServiceOverdue(ServiceEvent):
    """A provider has not answered, or not begun, in time. Told once for each step.

    Attributes:
        answer_by: When it should have answered, or begun what it has accepted.
        late_by: Seconds between then and when that was noticed.
        step: Where it stands.
        level: The level of risk that the case's plan is for; none: it is not known.
    """

    TYPE: ClassVar[str] = "service.overdue.v1"

    answer_by: AwareDatetime
    late_by: Annotated[float, Field(ge=0)]
    step: ServiceStep = ServiceStep.OFFERED
    level: RiskLevel | None = None


class ServiceDueSoon(ServiceEvent):
    """A provider should answer, or begin, before long. Told once for each step.

    Attributes:
        step: Where it stands.
        level: The level of risk that the case's plan is for; none: it is not known.
        due_at: When it should have answered, or begun what it has accepted.
    """

    TYPE: ClassVar[str] = "service.due_soon.v1"

    step: ServiceStep
    level: RiskLevel | None
    due_at: AwareDatetime


class PaperGroup(StrEnum):
    """What kind of thing stands on a paper that leaves."""

    RISK = "risk"
    DATES = "dates"
    PLAN = "plan"
    """What is to be done, was promised, or is late."""
    NEEDS = "needs"
    WORDS = "words"
    """What somebody says for themselves."""


class PaperTold(BaseModel):
    """A kind of thing that stands on a paper, and about whom.

    Attributes:
        group: What kind.
        side: About everybody of this side, or of the whole case.
        person_id: About this one person alone.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    group: PaperGroup
    side: Side
    person_id: Id | None = None


class PaperReleased(Event):
    """A paper about a case, or a meeting's pack with the case on it, has left.

    For the disclosure ledger. Told when it is fetched, once for each agency for which
    it is; what two people let go and nobody fetched was told to nobody.

    Attributes:
        release_id: By which it was let go.
        meeting_id: The meeting whose pack it is; none: it is a paper of the case.
        audience: For whom the paper is; none: it is a pack.
        agency: The agency that has it: for which it was made, or of whoever fetched it;
            none: whoever fetched it is of no agency.
        person_id: The one person whose own copy it is.
        worker_id: Who fetched it.
        told: What stands on it of this case.
    """

    TYPE: ClassVar[str] = "paper.released.v1"

    release_id: Id
    meeting_id: Id | None
    audience: Audience | None
    agency: Code | None
    person_id: Id | None
    worker_id: Id | None
    told: Annotated[tuple[PaperTold, ...], Field(max_length=500)]
    released_at: AwareDatetime


class MeetingAsked(Event):
    """Agencies are to be asked what they know of a case before a meeting.

    A command to referrals, which has the people and the register, in the name of who
    decided that they are asked.

    Attributes:
        meeting_id: Before which meeting.
        agencies: Whom; those that may not be told now are left out.
        purpose: For what, of the Family Violence Act 2018, s 20.
        belief: What whoever decided so believes on reasonable grounds.
        consulted: The people were asked about it first.
        why_not_safe: If not: why asking them would not have been safe.
        needed_by: When their decisions are due.
        asked_by: The worker who decided so.
    """

    TYPE: ClassVar[str] = "meeting.asked.v1"

    meeting_id: Id
    agencies: Annotated[tuple[Code, ...], Field(min_length=1, max_length=60)]
    purpose: S20Purpose
    belief: Belief
    consulted: bool
    why_not_safe: WhyNotSafe | None
    needed_by: AwareDatetime
    asked_by: Id
    asked_at: AwareDatetime


class MeetingDecided(Event):
    """A meeting has decided on a case, in the name of whoever sat at the table.

    Attributes:
        meeting_id: Which meeting.
        number: Which decision on this case there, counted from 1: the last one counts.
        decided_by: The worker who decided.
        agency: For whom they sat there; none: for the locality.
        level: The level of risk, confirmed or raised.
        raised: It is higher than the table knew it to be.
        lead: The agency that leads, if it was named.
        roles: Whom the case needs.
        review_at: When a meeting is to see it again.
        carried_over: It is not settled yet.
    """

    TYPE: ClassVar[str] = "meeting.decided.v1"

    meeting_id: Id
    number: Annotated[int, Field(ge=1)]
    decided_by: Id
    agency: Code | None
    level: RiskLevel
    raised: bool
    lead: Code | None
    roles: Annotated[tuple[Role, ...], Field(max_length=10)]
    review_at: AwareDatetime | None
    carried_over: bool
    decided_at: AwareDatetime


class MeetingTaskDone(Event):
    """What an agency promised at a meeting was done.

    Attributes:
        meeting_id: Which meeting.
        task_id: Which of its tasks for the case.
        done_by: The worker who says so.
    """

    TYPE: ClassVar[str] = "meeting.task_done.v1"

    meeting_id: Id
    task_id: Id
    done_by: Id
    done_at: AwareDatetime


class MeetingTaskEvent(Event):
    """What every event about an open task of a meeting says.

    Attributes:
        meeting_id: Which meeting.
        task_id: Which of its tasks for the case.
        action: What is to be done, by one of the locality's codes.
        agency: Whose it is.
    """

    meeting_id: Id
    task_id: Id
    action: Code
    agency: Code


class MeetingTaskPromised(MeetingTaskEvent):
    """A meeting has asked an agency for something, which it is to do by a time.

    Told at once, of each task that is new, asked for again after it had ended, or by a
    later decision due sooner than was told.

    Attributes:
        level: The level of risk that the meeting decided by.
    """

    TYPE: ClassVar[str] = "meeting.task_promised.v1"

    level: RiskLevel
    due_at: AwareDatetime
    promised_at: AwareDatetime


class MeetingTaskDueSoon(MeetingTaskEvent):
    """What an agency promised at a meeting falls due before long. Told once.

    Attributes:
        level: The highest level of risk that the case is held at, or was there.
    """

    TYPE: ClassVar[str] = "meeting.task_due_soon.v1"

    level: RiskLevel
    due_at: AwareDatetime


class MeetingTaskOverdue(MeetingTaskEvent):
    """What an agency promised at a meeting was not done in time, or not confirmed.

    Attributes:
        level: The highest level of risk that the case is held at, or was there.
        late_by: Seconds between when it fell due and when that was noticed.
    """

    TYPE: ClassVar[str] = "meeting.task_overdue.v1"

    level: RiskLevel
    due_at: AwareDatetime
    late_by: Annotated[float, Field(ge=0)]


class MeetingTaskNotDone(MeetingTaskEvent):
    """It is settled that what an agency promised at a meeting will not be done.

    Attributes:
        reason: Why, by one of the locality's codes; ``response_ended``: it was still
            owed when the plan was closed or the case handed over; none: the meeting
            itself asks for it no more.
    """

    TYPE: ClassVar[str] = "meeting.task_not_done.v1"

    reason: Code | None
    settled_at: AwareDatetime


class MeetingCalled(Event):
    """An agency is invited to a meeting that was called besides those of the calendar.

    Told once of each agency.

    Attributes:
        case_id: None, because a meeting is about many.
        meeting_id: Which meeting.
        agency: Who is invited.
    """

    TYPE: ClassVar[str] = "meeting.called.v1"

    case_id: Id | None = None  # type: ignore[assignment]  # It is about many.
    meeting_id: Id
    agency: Code
    starts_at: AwareDatetime

    @property
    def subject(self) -> str:
        """The meeting, because it is about many cases."""
        return self.meeting_id


class MeetingCalledOff(Event):
    """A meeting to which an agency was invited does not take place.

    Told once of each agency.

    Attributes:
        case_id: None, because a meeting is about many.
        meeting_id: Which meeting.
        agency: Who was invited.
    """

    TYPE: ClassVar[str] = "meeting.called_off.v1"

    case_id: Id | None = None  # type: ignore[assignment]  # It is about many.
    meeting_id: Id
    agency: Code
    called_off_at: AwareDatetime

    @property
    def subject(self) -> str:
        """The meeting, because it is about many cases."""
        return self.meeting_id


class MeetingClosed(Event):
    """A meeting is over, and its minutes are locked.

    Attributes:
        case_id: None, because a meeting is about many.
        meeting_id: Which meeting.
        decided: On how many cases it decided.
        carried_over: How many come up again next time.
    """

    TYPE: ClassVar[str] = "meeting.closed.v1"

    case_id: Id | None = None  # type: ignore[assignment]  # It is about many.
    meeting_id: Id
    decided: Annotated[int, Field(ge=0)]
    carried_over: Annotated[int, Field(ge=0)]
    closed_at: AwareDatetime

    @property
    def subject(self) -> str:
        """The meeting, because it is about many cases."""
        return self.meeting_id
