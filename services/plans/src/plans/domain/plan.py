"""What a family safety plan is, and what may become of it."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid5

from accord_contracts.allocation import Role
from accord_contracts.plans import ActionOutcome
from accord_contracts.problem import Refusal
from accord_contracts.risk import Tier
from pydantic import BaseModel, ConfigDict, computed_field

from plans.domain.action import Action, NoSuchAction, Owner
from plans.domain.coming import Coming, InForce, with_latest
from plans.domain.share import Share
from plans.domain.template import Measure, Policy, Template
from plans.domain.version import Assessment, PlanVersion

KEPT_VERSIONS = 50
"""Versions of a plan that its document remembers, the current one included."""


class NoPlan(Refusal):
    """There is no plan for this case."""

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


class Merged(Refusal):
    """This case is merged into another: its plan is part of that case's plan."""


class Status(StrEnum):
    """Where a plan stands."""

    NONE = "none"
    DRAFTED = "drafted"
    AGREED = "agreed"
    MERGED = "merged"
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
        shares: What is planned for the cases that are merged into it, by case.
        merged_into: The case that it is merged into. What somebody has taken on stays
            theirs, here, and stands in its survivor's plan.
        merging: The version of the case in referrals that last said so.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    owners: dict[Role, Owner] = {}
    coming: dict[str, Coming] = {}
    versions: tuple[PlanVersion, ...] = ()
    actions: tuple[Action, ...] = ()
    erased_at: datetime | None = None
    shares: dict[str, Share] = {}
    merged_into: str | None = None
    merging: int = 0

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
        if self.merged_into:
            return Status.MERGED
        return Status.AGREED if self.current.agreed_at else Status.DRAFTED

    @property
    def open_actions(self) -> tuple[Action, ...]:
        """What is still to be done; nothing once the plan is closed.

        Of a merged case only what somebody has taken on.
        """
        if self.status is Status.CLOSED:
            return ()
        merged = self.merged_into is not None
        still = (each for each in self.actions if each.open)
        return tuple(each for each in still if each.worker_id or not merged)

    @property
    def _unclosed(self) -> tuple[Action, ...]:
        """What is open, whoever owns it, and in whichever plan it is to be done."""
        if self.status is Status.CLOSED:
            return ()
        return tuple(each for each in self.actions if each.open)

    def home_of(self, action_id: str) -> str:
        """Give the case whose own plan holds an action."""
        for case_id, share in self.shares.items():
            if any(each.id == action_id for each in share.actions):
                return case_id
        return self.id

    @property
    def merged_cases(self) -> tuple[str, ...]:
        """The cases of which anything stands in it."""
        dates = {e.from_case for e in self.coming.values() if e.from_case}
        return tuple(sorted(dates | {*self.shares}))

    @property
    def own_coming(self) -> dict[str, Coming]:
        """What is known to come in this case itself."""
        return {key: e for key, e in self.coming.items() if e.from_case is None}

    @property
    def shared_owners(self) -> set[str]:
        """Who has a role in a case that is merged into it."""
        return {e for each in self.shares.values() for e in each.owners.values()}

    def handed_over(self, gone: set[str]) -> "Plan":
        """Give what nobody owns, or somebody who has gone, to whoever has its role."""
        return self._with_actions(
            {
                each.id: {"worker_id": self._owner(each.role)}
                for each in self._unclosed
                if (each.worker_id is None or each.worker_id in gone)
                and self._owner(each.role) != each.worker_id
            }
        )

    def _owner(self, role: Role) -> str | None:
        """Say who has a role: here, or else in a case that is merged into it."""
        own = self.owners.get(role)
        if own is not None and own.worker_id:
            return own.worker_id
        shared = (each.owners.get(role) for each in self.shares.values())
        return next(filter(None, shared), None)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def due_at(self) -> datetime | None:
        """When the next action falls due, or a plan must be in force and is not."""
        ahead = [each.due_at for each in self.open_actions if not each.overdue_at]
        if not (self.in_force or self.merged_into):
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

    def draft(
        self,
        assessment: Assessment,
        policy: Policy,
        at: datetime,
        *,
        tier: Tier | None = None,
    ) -> "Plan":
        """Draw up the next version from the template for level and tier assessed.

        What was done and who owns what is carried over, and so is what the new level
        does not ask for: a commitment ends when it is kept. An assessment that is
        older than the one known changes nothing. A closed plan opens again.
        """
        outdated = self.versions and not assessment.outdates(self.current.assessment)
        if outdated or self.erased_at:
            return self
        template = policy.template(assessment.level, tier)
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
        the later for another draft. An alarm that was over when the plan was closed
        rises again like this.
        """
        closed_at = self.current.closed_at if self.versions else None
        if closed_at:
            return {
                key: each.in_time(rule, at).model_copy(update={"alarmed_at": None})
                if each.alarmed_at and each.alarmed_at <= closed_at
                else each
                for key, each in self.coming.items()
            }
        if not self.in_force:
            return self.coming
        return {key: each.in_time(rule, at) for key, each in self.coming.items()}

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
        """Note the dates for which a plan should be in force and is not, each once.

        For those of a merged case its survivor's plan should be.
        """
        late = {key for key, each in self.coming.items() if each.late(at)}
        if self.in_force or self.merged_into or not late:
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
        worker_id = self._owner(measure.role)
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
            for each in self._unclosed
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
            for each in self._unclosed
            if leaver and each.worker_id == leaver and each.role not in kept
        }
        freed_ = self._with_actions(freed).model_copy(update={"owners": owners})
        return freed_.handed_over(set())

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
            Merged: The survivor's is agreed to.
        """
        current = self.current
        if current.number != number:
            raise AnotherVersionIsCurrent(f"Version {current.number} is current.")
        if current.agreed_at:
            return self
        if current.closed_at:
            raise AlreadyClosed
        if self.merged_into:
            raise Merged
        calm = {
            key: each.model_copy(update={"alarmed_at": None})
            for key, each in self.coming.items()
        }
        return self.with_current(agreed_at=at).model_copy(update={"coming": calm})

    def complete(
        self,
        action_id: str,
        worker_id: str,
        at: datetime,
        outcome: ActionOutcome | None = None,
    ) -> "Plan":
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
        return self._with_actions({action_id: {"done_at": at, "outcome": outcome}})

    def close(self, reason: str, policy: Policy, at: datetime) -> "Plan":
        """End the response to this household. Ending it again changes nothing.

        Raises:
            UnknownReason: The reason is not one of the locality's.
            NoPlan: No plan was drafted.
            AlreadyClosed: It is closed for another reason.
            MandatoryActionsOpen: Something that must be done is not, here or for a case
                merged into it.
            Merged: The survivor's is closed.
        """
        if reason not in policy.closing_reasons:
            raise UnknownReason
        current = self.current
        if current.closed_at:
            if current.closed_for == reason:
                return self
            raise AlreadyClosed
        if self.merged_into:
            raise Merged
        shared = [e for s in self.shares.values() for e in s.actions if e.open]
        if count := sum(each.mandatory for each in (*self.open_actions, *shared)):
            raise MandatoryActionsOpen(f"{count} open.")
        closed = self.with_current(closed_at=at, closed_for=reason)
        return closed.model_copy(update={"owners": {}})

    def erase(self, at: datetime) -> "Plan":
        """Leave a tombstone. Whose survivor it was merged into forgets it too."""
        return Plan(
            id=self.id,
            version=self.version,
            erased_at=at,
            merged_into=self.merged_into,
            merging=self.merging,
        )

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

    def with_current(self, **changes: object) -> "Plan":
        """Change the current version."""
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
