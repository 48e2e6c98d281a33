"""What is asked of plans over HTTP, and how they are shown."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

from accord_chassis.decision import ANYBODY, NOT_OUTREACH, Permit
from accord_contracts.access import Side
from accord_contracts.allocation import Role
from accord_contracts.message import Code, Id
from accord_contracts.plans import (
    ActionOutcome,
    OutcomeKind,
    OutcomeState,
    ServiceStep,
    StaleReason,
)
from accord_contracts.referrals import TriggerKind
from accord_contracts.risk import RiskLevel
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from plans.domain.action import Action, Evidence, Said
from plans.domain.coming import Coming
from plans.domain.outcome import Ending, Left, Outcome
from plans.domain.plan import Plan
from plans.domain.stage import First, Stage, Status
from plans.domain.template import Part
from plans.domain.version import PlanVersion, Promise
from plans.needs.need import Need

PARTS = {
    "stand": ANYBODY,
    f"actions_{Part.PERSON_HARMED}": NOT_OUTREACH,
    f"actions_{Part.CHILD}": NOT_OUTREACH,
    f"actions_{Part.WHOLE_CASE}": NOT_OUTREACH,
    f"actions_{Part.PERSON_USING_VIOLENCE}": ANYBODY,
    "dates": NOT_OUTREACH,
    "care": NOT_OUTREACH,
}
"""Of a plan: where it stands, its actions by whose part they are in, what is known to
come, and how it is looked after: why it is stale, how it was broken, what came of it.
Whoever meets the person using violence sees no action that would tell where the others
are."""


class AgreeToPlan(BaseModel):
    """The version of the plan that was read and is agreed to.

    Attributes:
        stale: Why it should be looked at again, as it was read; none, if it need not.
    """

    model_config = ConfigDict(extra="forbid")

    plan_version: Annotated[int, Field(ge=1, strict=True)]
    stale: dict[StaleReason, AwareDatetime] = {}


class OutcomeView(BaseModel):
    """One of the things that a response is for, how it stands, and how that is known.

    Attributes:
        source: How it is known, by one of the locality's codes.
    """

    model_config = ConfigDict(extra="forbid")

    kind: OutcomeKind
    state: OutcomeState
    source: Code


class EvidenceView(BaseModel):
    """What shows that an action was done.

    Attributes:
        kind: One of the locality's codes.
        reference: The id of the document, at whoever has it. Nothing else fits here.
    """

    model_config = ConfigDict(extra="forbid")

    kind: Code
    reference: Id | None = None


class CompleteTask(BaseModel):
    """That a task was done. At a high level it takes what shows it."""

    model_config = ConfigDict(extra="forbid")

    evidence: EvidenceView | None = None

    @property
    def shown(self) -> Evidence | None:
        """What shows it, as the domain knows it."""
        return Evidence(**dict(self.evidence)) if self.evidence else None


class CompleteAction(CompleteTask):
    """That a commitment was kept. At a high level it takes what shows it.

    Attributes:
        outcome: What came of it: how the person harmed was spoken to, if at all.
    """

    outcome: ActionOutcome | None = None


class LeaveUndone(BaseModel):
    """Why something will not be done, by one of the locality's codes."""

    model_config = ConfigDict(extra="forbid")

    reason: Code


class Confirm(BaseModel):
    """Whether what was said of an action or a task is so.

    Attributes:
        said_at: When what is meant was said: another word may stand by now.
        confirmed: It is. If not, it is still to be done.
    """

    model_config = ConfigDict(extra="forbid")

    said_at: AwareDatetime
    confirmed: Annotated[bool, Field(strict=True)]


class SaidView(BaseModel):
    """What was said of an action: that it was done, or why it will not be.

    By whom, the audit log knows: whoever sees this part may not know of every other.

    Attributes:
        confirm_by: Until when a second person should confirm it, if one must.
    """

    at: datetime
    outcome: ActionOutcome | None
    evidence: EvidenceView | None
    reason: Code | None
    confirm_by: datetime | None

    @classmethod
    def of(cls, held: Said) -> "SaidView":
        """Show it."""
        return cls.model_validate(held.model_dump(exclude={"by"}))


class LeftView(BaseModel):
    """What becomes of something that is still open when a response ends.

    Attributes:
        id: Of the action, or of the service.
        carried_to: The agency or provider that carries it on: of ``carried_on`` alone.
    """

    model_config = ConfigDict(extra="forbid")

    id: Id
    reason: Code
    carried_to: Code | None = None


class ClosePlan(BaseModel):
    """Why the response to this household has ended, and what had come of it.

    Attributes:
        left: What becomes of each action and service that is still open.
    """

    model_config = ConfigDict(extra="forbid")

    reason: Code
    outcomes: Annotated[tuple[OutcomeView, ...], Field(max_length=10)]
    left: Annotated[tuple[LeftView, ...], Field(max_length=500)] = ()

    @property
    def said(self) -> tuple[Left, ...]:
        """What becomes of what is open, as the domain knows it."""
        return tuple(Left(**dict(each)) for each in self.left)

    @property
    def told(self) -> tuple[Outcome, ...]:
        """What had come of it, as the domain knows it."""
        return tuple(Outcome(**dict(each)) for each in self.outcomes)


class ConfirmClosing(BaseModel):
    """That a response has ended as somebody else says, and when they said so."""

    model_config = ConfigDict(extra="forbid")

    said_at: AwareDatetime


class EndingView(BaseModel):
    """Who says that a response should end, why, and what had come of it.

    Attributes:
        until: When it lapses, if nobody else confirms it.
    """

    reason: Code
    outcomes: tuple[OutcomeView, ...]
    left: tuple[LeftView, ...]
    by: Id
    at: datetime
    until: datetime
    confirmed_by: Id | None

    @classmethod
    def of(cls, held: Ending) -> "EndingView":
        """Show it."""
        return cls.model_validate(held.model_dump())


class ActionView(BaseModel):
    """A commitment: what is to be done, by whom and by when, and whether it was.

    Attributes:
        part: Whose part of the plan it is in.
        person_id: Whom it is for, if it is one child's, or one person's of two harmed.
        due_at: When it should be done; while it waits, when it will be at the earliest.
        waits: It waits for another, and its clock does not run.
        agency: The agency that owns it from the start.
        worker_id: Who owns it, once somebody has taken the role, or the action itself.
        said: What was said of it last.
        done_at: When it was done, once that counts.
        undone_at: When it was settled that it will not be done.
        confirmed: A second person has confirmed it. Who, the audit log knows.
        overdue_at: When it was told that its time had passed.
        last_done_at: When it was done in an earlier episode.
        past: How it ended each time it was asked for before, the latest last.
        first: When it first reached each stage.
        from_case: The merged case whose plan it comes from, if it does.
    """

    action_id: Id
    action: Code
    strand: Code
    part: Part
    person_id: Id | None
    role: Role
    mandatory: bool
    due_at: datetime
    waits: bool
    agency: Code | None
    worker_id: Id | None
    said: SaidView | None
    done_at: datetime | None
    undone_at: datetime | None
    confirmed: bool
    overdue_at: datetime | None
    last_done_at: datetime | None
    past: tuple[SaidView, ...]
    first: First
    from_case: Id | None = None

    @classmethod
    def of(cls, held: Action, from_case: str | None = None) -> "ActionView":
        """Show an action."""
        shown = held.model_dump(include=set(cls.model_fields) - {"said", "past"})
        said = SaidView.of(held.said) if held.said else None
        return cls(
            action_id=held.id,
            action=held.code,
            waits=held.open and held.within is not None,
            confirmed=held.confirmed_by is not None,
            said=said,
            past=tuple(SaidView.of(each.said) for each in held.past),
            from_case=from_case,
            **shown,
        )


class PlanVersionView(BaseModel):
    """A version of a plan: what it rested on, and when it was drafted and agreed.

    Attributes:
        digest: Of what was agreed to: SHA-256, in hexadecimal.
        agreed_by: The worker who agreed, for whoever may know; likewise, why the plan
            was closed, what had come of the response by then, and what became of
            what was open.
        ending: What a second person should confirm, or has: for whoever may know.
    """

    plan_version: int
    level: RiskLevel
    referral_id: Id | None
    policy_version: str
    assessed_at: datetime
    drafted_at: datetime
    review_by: datetime
    agreed_at: datetime | None
    agreed_by: Id | None
    digest: str | None
    reviewed_at: datetime | None
    closed_at: datetime | None
    closed_for: Code | None
    outcomes: tuple[OutcomeView, ...]
    left: tuple[LeftView, ...]
    ending: EndingView | None

    @classmethod
    def of(cls, held: PlanVersion, seen: Permit) -> "PlanVersionView":
        """Show a version, as far as somebody may see it."""
        basis = held.assessment.model_dump(
            include={"level", "referral_id", "assessed_at"}
        )
        own = set(cls.model_fields) - {"outcomes", "left", "ending"}
        shown = held.model_dump(include=own)
        left = tuple(LeftView(**dict(each)) for each in held.left)
        outcomes = tuple(OutcomeView(**dict(each)) for each in held.outcomes)
        ending = EndingView.of(held.ending) if held.ending else None
        if "care" not in seen:
            ending = None
            # That somebody has moved to another region is a reason.
            shown |= {"agreed_by": None, "closed_for": None}
            outcomes, left = (), ()
        told = {"outcomes": outcomes, "left": left, "ending": ending}
        return cls(plan_version=held.number, **told, **basis, **shown)


class ComingView(BaseModel):
    """What is known to come, and by when a plan must be agreed for it.

    Attributes:
        alarmed_at: When an alarm was raised that is not over: no plan is in force.
        over: It is there, or was called off.
        from_case: The merged case that it is a date of, if it is.
    """

    trigger_id: Id
    kind: TriggerKind
    happens_at: datetime
    in_force_by: datetime
    alarmed_at: datetime | None
    over: bool
    from_case: Id | None

    @classmethod
    def of(cls, trigger_id: str, held: Coming) -> "ComingView":
        """Show a date."""
        return cls(trigger_id=trigger_id, **held.model_dump(exclude={"revision"}))


class BreachView(BaseModel):
    """How somebody broke what a plan rests on, by one of the locality's codes."""

    kind: Code
    happened_at: datetime
    noted_at: datetime


class PlanView(BaseModel):
    """A plan as it stands: where, what is to be done, and its versions.

    Attributes:
        stale: Why what was agreed to should be looked at again, and since when; of a
            breach, since the last. Whoever agrees or reviews gives it back as read.
        breaches: How it was broken, first to last.
        first: When each stage was first reached.
        plan_version: The current version, which may be agreed to.
        actions: Of the current version; what was done is among them.
        versions: The latest, oldest first; the last one is current.
        coming: What is known to come, first to last.
        merged_into: The case in whose plan this one stands too, since they were merged.
        merged: The cases whose plans stand in this one too.
        one_person: Ids that are one person's, two and two, of people planned for here.
    """

    case_id: Id
    status: Status
    plan_version: int
    level: RiskLevel
    review_by: datetime
    actions: tuple[ActionView, ...]
    versions: tuple[PlanVersionView, ...]
    coming: tuple[ComingView, ...]
    merged_into: Id | None
    merged: tuple[Id, ...]
    stale: dict[StaleReason, datetime]
    breaches: tuple[BreachView, ...]
    first: dict[Stage, datetime]
    one_person: tuple[tuple[Id, Id], ...]

    @classmethod
    def of(cls, held: Plan, seen: Permit) -> "PlanView":
        """Show of a plan what somebody may see."""
        return cls(
            case_id=held.id,
            status=held.status,
            plan_version=held.current.number,
            level=held.current.assessment.level,
            review_by=held.current.review_by,
            actions=tuple(
                ActionView.of(each, from_case)
                for from_case, each in all_actions(held)
                if part_of(each) in seen
            ),
            versions=tuple(PlanVersionView.of(each, seen) for each in held.versions),
            coming=tuple(
                ComingView.of(*each) for each in held.coming.items() if "dates" in seen
            ),
            merged_into=held.merged_into,
            merged=held.merged_cases,
            stale=held.stale if "care" in seen else {},
            breaches=tuple(
                BreachView.model_validate(each.model_dump(exclude={"noted_by"}))
                for each in held.breaches
                if "care" in seen
            ),
            first=held.first if "care" in seen else {},
            one_person=held.one_person if "care" in seen else (),
        )


class OwedServiceView(BaseModel):
    """A provider that is asked to meet somebody's need, and when it should answer.

    Attributes:
        due_at: When it should have answered, or begun; none: it has begun.
        overdue_at: When it was told that it had not.
    """

    service_id: Id
    need_id: Id
    person_id: Id
    strand: Code
    provider: Code
    step: ServiceStep
    due_at: datetime | None
    overdue_at: datetime | None

    @classmethod
    def owed(cls, need: Need, seen: Permit) -> "list[OwedServiceView]":
        """Show those of a need that are not over, to whoever may see it."""
        theirs = need.side is Side.PERSON_USING_VIOLENCE
        part = f"actions_{Part.PERSON_USING_VIOLENCE}" if theirs else "care"
        return [
            cls(
                service_id=each.id,
                need_id=need.id,
                person_id=need.person_id,
                strand=need.strand,
                provider=each.provider,
                step=each.step,
                due_at=each.awaited_by,
                overdue_at=each.overdue_at,
            )
            for each in need.services
            if part in seen and not each.over
        ]


class WholePlanView(PlanView):
    """A plan as it stands, with the services that people of the case wait for."""

    services: tuple[OwedServiceView, ...]

    @classmethod
    def whole(cls, held: Plan, needs: Iterable[Need], seen: Permit) -> "WholePlanView":
        """Show of a plan, and of what is done about needs, what somebody may see."""
        owed = [e for each in needs for e in OwedServiceView.owed(each, seen)]
        owed.sort(key=lambda each: (each.strand, each.service_id))
        return cls(services=tuple(owed), **dict(PlanView.of(held, seen)))


def all_actions(held: Plan) -> list[tuple[str | None, Action]]:
    """Give the actions of a plan, then those of the cases merged into it: whose."""
    own: list[tuple[str | None, Action]] = [(None, each) for each in held.actions]
    return own + [(key, e) for key, s in held.shares.items() for e in s.actions]


def part_of(action: Action | Promise) -> str:
    """Say which part of its plan an action is."""
    return f"actions_{action.part}"


class ToTakeView(BaseModel):
    """What an agency owns and nobody has taken yet, as all its people see it.

    The code, the clock and for whom it is: neither how high the risk is, nor what was
    said or done before, which is for whoever takes it.

    Attributes:
        part: Whose part of the plan it is in.
        person_id: Whom it is for, if it is one child's, or one person's of two harmed.
        waits: It waits for another, and its clock does not run.
    """

    case_id: Id
    action_id: Id
    action: Code
    strand: Code
    part: Part
    person_id: Id | None
    role: Role
    mandatory: bool
    due_at: datetime
    waits: bool
    agency: Code | None
    overdue_at: datetime | None

    @classmethod
    def in_plan(cls, plan: Plan, held: Action) -> "ToTakeView":
        """Show an action of a plan."""
        shown = ActionView.of(held).model_dump(include={*cls.model_fields})
        return cls(case_id=plan.id, **shown)


class OwedActionView(ActionView):
    """A commitment of a worker's, and in whose plan it stands."""

    case_id: Id
    level: RiskLevel

    @classmethod
    def in_plan(cls, plan: Plan, held: Action) -> "OwedActionView":
        """Show an action of a plan."""
        return cls(
            case_id=plan.id,
            level=plan.current.assessment.level,
            **ActionView.of(held).model_dump(),
        )
