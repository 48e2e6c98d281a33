"""What a family safety plan is, and what may become of it."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid5

from accord_contracts.allocation import Role
from accord_contracts.problem import Refusal
from accord_contracts.risk import RiskLevel
from pydantic import BaseModel, ConfigDict, computed_field

from plans.domain.coming import Coming, InForce, with_latest
from plans.domain.template import Measure, Policy, Template

KEPT_VERSIONS = 50
"""Versions of a plan that its document remembers, the current one included."""


class NoPlan(Refusal):
    """There is no plan for this case."""

    status = 404


class NoSuchAction(Refusal):
    """The caller has no such action."""

    status = 404


class NotYourActions(Refusal):
    """The caller is no such worker."""

    status = 404


class AnotherVersionIsCurrent(Refusal):
    """Another version of the plan is current: read it before you agree to it."""


class AlreadyClosed(Refusal):
    """The plan is closed."""


class MandatoryActionsOpen(Refusal):
    """A plan cannot be closed while mandatory actions are open."""


class UnknownReason(Refusal):
    """The locality's policy does not know this reason for closing a plan."""

    status = 422


class Assessment(BaseModel):
    """What a plan knows of the assessment that it rests on.

    Attributes:
        referral_id: The referral that was weighed, if one caused it.
        revision: The version of the assessment's own document.
        first_referred_at: When the response to this episode was first asked for.
    """

    model_config = ConfigDict(frozen=True)

    level: RiskLevel
    referral_id: str | None
    revision: int
    assessed_at: datetime
    first_referred_at: datetime

    def outdates(self, other: "Assessment") -> bool:
        """Tell whether this is the later of two.

        The revision decides, because a referral that was delayed is weighed last,
        with everything known, and yet bears its own earlier time.
        """
        own = (self.revision, self.assessed_at)
        return own > (other.revision, other.assessed_at)


class PlanVersion(BaseModel):
    """One version of a plan: what it rests on, and what became of it.

    Attributes:
        number: Counted from 1.
        closed_for: Why the plan was closed, if this was its last version.
    """

    model_config = ConfigDict(frozen=True)

    number: int
    assessment: Assessment
    policy_version: str
    drafted_at: datetime
    review_by: datetime
    agreed_at: datetime | None = None
    closed_at: datetime | None = None
    closed_for: str | None = None


class Action(BaseModel):
    """A commitment: what is to be done, by whom and by when.

    Attributes:
        code: What; one action of a plan bears it at a time.
        worker_id: Its owner, once somebody has taken the role.
        overdue_at: When it was told that the time had passed.
        last_done_at: When it was done in an earlier episode.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    code: str
    strand: str
    role: Role
    mandatory: bool
    due_at: datetime
    worker_id: str | None = None
    done_at: datetime | None = None
    overdue_at: datetime | None = None
    last_done_at: datetime | None = None

    @property
    def open(self) -> bool:
        """Tell whether it is still to be done."""
        return self.done_at is None

    def done_before(self, at: datetime) -> bool:
        """Tell whether it was done before a time."""
        return self.done_at is not None and self.done_at < at

    def carried_into(
        self, measure: Measure, due_at: datetime, worker_id: str | None
    ) -> "Action":
        """Carry an open commitment into a new version: it may tighten, never slacken.

        If the new version wants another role for it, its owner keeps it until somebody
        has taken that role.
        """
        return self.model_copy(
            update={
                "strand": measure.strand,
                "role": measure.role,
                "mandatory": self.mandatory or measure.mandatory,
                "due_at": min(self.due_at, due_at),
                "worker_id": worker_id or self.worker_id,
            }
        )


class Owner(BaseModel):
    """Who has taken a role of a case, and since when.

    Attributes:
        worker_id: Nobody, once the role was taken back from whoever had it.
        accepted_at: Since when it is so.
        allocation_id: The role of the episode.
        revision: The version of allocation's own document that said so.
    """

    model_config = ConfigDict(frozen=True)

    worker_id: str | None = None
    accepted_at: datetime
    allocation_id: str = ""
    revision: int = 0

    def follows(self, other: "Owner | None") -> bool:
        """Tell whether this is the later of two, in whatever order they are heard of.

        Of one role of one episode, allocation's own document says which; of two
        episodes, the time does, and nobody gives way to anybody.
        """
        if other is None:
            return True
        if self.allocation_id and self.allocation_id == other.allocation_id:
            return self.revision > other.revision
        if self.worker_id is None or other.worker_id is None:
            return other.worker_id is None
        return self.accepted_at > other.accepted_at


class Status(StrEnum):
    """Where a plan stands."""

    NONE = "none"
    DRAFTED = "drafted"
    AGREED = "agreed"
    CLOSED = "closed"


class Plan(BaseModel):
    """The family safety plan of one case.

    Attributes:
        id: The case's.
        owners: Who has taken which role, known perhaps before there is a plan.
        versions: The latest, oldest first; the last one is current.
        actions: Of the current version. What was done is carried on.
        coming: What is known to come, by its id; known perhaps before there is a plan.
        erased_at: When the case was erased; nothing is planned for it any more.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    owners: dict[Role, Owner] = {}
    coming: dict[str, Coming] = {}
    versions: tuple[PlanVersion, ...] = ()
    actions: tuple[Action, ...] = ()
    erased_at: datetime | None = None

    @property
    def current(self) -> PlanVersion:
        """The current version.

        Raises:
            NoPlan: None was drafted yet.
        """
        if not self.versions:
            raise NoPlan
        return self.versions[-1]

    @property
    def status(self) -> Status:
        """Where the plan stands."""
        if not self.versions:
            return Status.NONE
        if self.current.closed_at:
            return Status.CLOSED
        return Status.AGREED if self.current.agreed_at else Status.DRAFTED

    @property
    def open_actions(self) -> tuple[Action, ...]:
        """What is still to be done; nothing once the plan is closed."""
        if self.status is Status.CLOSED:
            return ()
        return tuple(each for each in self.actions if each.open)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def due_at(self) -> datetime | None:
        """When the next action falls due, or a plan must be in force and is not."""
        ahead = [each.due_at for each in self.open_actions if not each.overdue_at]
        if not self.in_force:
            dates = self.coming.values()
            ahead += [each.in_force_by for each in dates if each.awaited]
        return min(ahead, default=None)

    @property
    def in_force(self) -> bool:
        """Tell whether the current version is agreed, and the plan not closed."""
        return self.status is Status.AGREED

    @computed_field  # type: ignore[prop-decorator]
    @property
    def owed_by(self) -> tuple[str, ...]:
        """The workers who own something that is still to be done."""
        owners = (each.worker_id for each in self.open_actions)
        return tuple(dict.fromkeys(each for each in owners if each))

    def draft(self, assessment: Assessment, policy: Policy, at: datetime) -> "Plan":
        """Draw up the next version from the template for the level assessed.

        What was done and who owns what is carried over, and so is what the new level
        does not ask for: a commitment ends when it is kept. An assessment that is
        older than the one known changes nothing. A closed plan opens again.
        """
        outdated = self.versions and not assessment.outdates(self.current.assessment)
        if outdated or self.erased_at:
            return self
        template = policy.templates[assessment.level]
        drafted = PlanVersion(
            number=self.current.number + 1 if self.versions else 1,
            assessment=assessment,
            policy_version=policy.version,
            drafted_at=at,
            review_by=assessment.assessed_at + template.review,
        )
        return self.model_copy(
            update={
                "versions": (*self.versions, drafted)[-KEPT_VERSIONS:],
                "actions": self._drawn_up(template, drafted),
                "coming": self._time_to_agree(policy.in_force, at),
            }
        )

    def _time_to_agree(self, rule: InForce, at: datetime) -> dict[str, Coming]:
        """Leave time to agree to a new version before an alarm rises for a date.

        Only if a plan was in force: a draft that nobody agreed to in time is not late
        the later for another draft.
        """
        if not self.in_force:
            return self.coming
        return {
            key: each.model_copy(
                update={
                    "in_force_by": rule.by(each.kind, each.happens_at, at),
                    "over": each.over or each.happens_at <= at,
                }
            )
            for key, each in self.coming.items()
        }

    def foresee(self, trigger_id: str, told: Coming) -> "Plan":
        """Take note of a date, or that it was moved, called off, or is there.

        Changes nothing if something later is known of it.
        """
        known = self.coming.get(trigger_id)
        if self.erased_at or (known and known.revision >= told.revision):
            return self
        return self.model_copy(
            update={"coming": with_latest(self.coming, trigger_id, told)}
        )

    def raise_alarms(self, at: datetime) -> "Plan":
        """Note the dates for which a plan should be in force and is not, each once."""
        late = {key for key, each in self.coming.items() if each.late(at)}
        if self.in_force or not late:
            return self
        alarmed = {
            key: each.model_copy(update={"alarmed_at": at}) if key in late else each
            for key, each in self.coming.items()
        }
        return self.model_copy(update={"coming": alarmed})

    def alarmed_since(self, before: "Plan") -> dict[str, Coming]:
        """Give the dates for which an alarm was raised since before."""
        known = before.alarmed
        return {key: self.coming[key] for key in self.alarmed if key not in known}

    @property
    def alarmed(self) -> tuple[str, ...]:
        """The dates for which an alarm was raised that is not over, by id."""
        return tuple(key for key, each in self.coming.items() if each.alarmed_at)

    def _drawn_up(self, template: Template, drafted: PlanVersion) -> tuple[Action, ...]:
        # What was still open when a plan was closed went with it.
        closed = self.status is Status.CLOSED
        held = {each.code: each for each in self.actions if not (closed and each.open)}
        case = UUID(self.id)
        asked = [
            self._action(measure, drafted, held.pop(measure.code, None), case)
            for measure in template.measures
        ]
        return (*asked, *held.values())

    def _action(
        self, measure: Measure, drafted: PlanVersion, held: Action | None, case: UUID
    ) -> Action:
        assessment = drafted.assessment
        due_at = assessment.assessed_at + measure.within
        owner = self.owners.get(measure.role)
        worker_id = owner.worker_id if owner else None
        if held and held.open:
            return held.carried_into(measure, due_at, worker_id)
        anew = measure.each_episode
        if held and not (anew and held.done_before(assessment.first_referred_at)):
            return held
        return Action(
            id=str(uuid5(case, f"action/{drafted.number}/{measure.code}")),
            code=measure.code,
            strand=measure.strand,
            role=measure.role,
            mandatory=measure.mandatory,
            due_at=due_at,
            worker_id=worker_id,
            last_done_at=held.done_at if held else None,
        )

    def take_role(self, role: Role, owner: Owner) -> "Plan":
        """Give a role's open actions to the worker who has taken it.

        Changes nothing if something later is known of the role, or if the response in
        which it was taken has ended.
        """
        if self._outdated(role, owner):
            return self
        given = {
            each.id: {"worker_id": owner.worker_id}
            for each in self.open_actions
            if each.role is role
        }
        return self._with_actions(given).model_copy(
            update={"owners": {**self.owners, role: owner}}
        )

    def leave_role(self, role: Role, left: Owner) -> "Plan":
        """Take the open actions from whoever has a role no longer: nobody owns them.

        Also what they kept when the plan wanted another role for it, unless they have
        that one too. That the role was taken back is remembered, in case the news of
        its having been taken comes after.
        """
        if self._outdated(role, left):
            return self
        known = self.owners.get(role)
        leaver = known.worker_id if known else None
        owners = {**self.owners, role: left}
        kept = {each for each, owner in owners.items() if owner.worker_id == leaver}
        freed = {
            each.id: {"worker_id": None}
            for each in self.open_actions
            if leaver and each.worker_id == leaver and each.role not in kept
        }
        return self._with_actions(freed).model_copy(update={"owners": owners})

    def _outdated(self, role: Role, owner: Owner) -> bool:
        """Tell whether something later is known of a role."""
        closed_at = self.current.closed_at if self.versions else None
        ended = closed_at is not None and closed_at >= owner.accepted_at
        known = self.owners.get(role)
        return bool(self.erased_at) or ended or not owner.follows(known)

    def agree(self, number: int, at: datetime) -> "Plan":
        """Agree to a version: the one that was read. Agreeing again changes nothing.

        Every alarm that no plan is in force is over with it.

        Raises:
            NoPlan: No plan was drafted.
            AnotherVersionIsCurrent: The version is not the current one.
            AlreadyClosed: The plan is closed.
        """
        current = self.current
        if current.number != number:
            raise AnotherVersionIsCurrent(f"Version {current.number} is current.")
        if current.agreed_at:
            return self
        if current.closed_at:
            raise AlreadyClosed
        calm = {
            key: each.model_copy(update={"alarmed_at": None})
            for key, each in self.coming.items()
        }
        return self._with_current(agreed_at=at).model_copy(update={"coming": calm})

    def complete(self, action_id: str, worker_id: str, at: datetime) -> "Plan":
        """Note that a worker has done what they own. Noting it again changes nothing.

        Raises:
            NoSuchAction: There is no such action, or it is not this worker's.
            AlreadyClosed: The plan is closed, and the action went with it.
        """
        action = self.action(action_id)
        if action.worker_id != worker_id:
            raise NoSuchAction
        if not action.open:
            return self
        if self.status is Status.CLOSED:
            raise AlreadyClosed
        return self._with_actions({action_id: {"done_at": at}})

    def close(self, reason: str, policy: Policy, at: datetime) -> "Plan":
        """End the response to this household. Ending it again changes nothing.

        Raises:
            UnknownReason: The reason is not one of the locality's.
            NoPlan: No plan was drafted.
            AlreadyClosed: It is closed for another reason.
            MandatoryActionsOpen: Something that must be done is not.
        """
        if reason not in policy.closing_reasons:
            raise UnknownReason
        current = self.current
        if current.closed_at:
            if current.closed_for == reason:
                return self
            raise AlreadyClosed
        if count := sum(each.mandatory for each in self.open_actions):
            raise MandatoryActionsOpen(f"{count} open.")
        closed = self._with_current(closed_at=at, closed_for=reason)
        return closed.model_copy(update={"owners": {}})

    def erase(self, at: datetime) -> "Plan":
        """Leave a tombstone."""
        return Plan(id=self.id, version=self.version, erased_at=at)

    def fall_due(self, at: datetime) -> "Plan":
        """Note the open actions whose time has passed, each once."""
        return self._with_actions(
            {
                each.id: {"overdue_at": at}
                for each in self.open_actions
                if not each.overdue_at and each.due_at <= at
            }
        )

    def action(self, action_id: str) -> Action:
        """Find an action.

        Raises:
            NoSuchAction: There is none with this id.
        """
        for each in self.actions:
            if each.id == action_id:
                return each
        raise NoSuchAction

    def changed_since(self, before: "Plan") -> tuple[Action, ...]:
        """Give the open actions that are not as they were."""
        known = {each.id: each for each in before.actions}
        return tuple(each for each in self.open_actions if known.get(each.id) != each)

    def _with_current(self, **changes: object) -> "Plan":
        changed = self.current.model_copy(update=changes)
        return self.model_copy(update={"versions": (*self.versions[:-1], changed)})

    def _with_actions(self, changes: Mapping[str, Mapping[str, object]]) -> "Plan":
        """Change some actions, by id."""
        if not changes:
            return self
        actions = tuple(
            each.model_copy(update=changes[each.id]) if each.id in changes else each
            for each in self.actions
        )
        return self.model_copy(update={"actions": actions})
