"""What may become of a family safety plan. What it is, ``domain.held`` says."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from accord_contracts.allocation import Role
from accord_contracts.one_person import Link
from accord_contracts.plans import StaleReason
from accord_contracts.problem import Refusal
from accord_contracts.referrals import TRANSFERRED
from accord_contracts.risk import Tier

from plans.domain.action import Action, NoSuchAction, NotToBeTaken, Owner
from plans.domain.circumstances import Word
from plans.domain.coming import Coming, InForce, with_latest
from plans.domain.drawing import Ground, drawn_up
from plans.domain.held import Decided, Held
from plans.domain.stage import ActionStage, Stage, Status
from plans.domain.template import Part, Policy
from plans.domain.version import Assessment, PlanVersion, kept


class AnotherVersionIsCurrent(Refusal):
    """Another version of the plan is current: read it before you agree to it."""


class MoreToRead(Refusal):
    """More is known by now of why the plan should be looked at again: read that."""


class AlreadyClosed(Refusal):
    """The plan is closed."""


class Merged(Refusal):
    """This case is merged into another: its plan is part of that case's plan."""


class Plan(Held):
    """The family safety plan of one case, and what may become of it."""

    def handed_over(self, gone: set[str], at: datetime) -> "Plan":
        """Give what nobody owns, or somebody who has gone, to whoever has its role.

        What somebody took they keep: it was never theirs by a role.
        """
        return self.given(
            {
                each.id: self.owner_of(each.role)
                for each in self._unclosed
                if each.worker_id is None or (each.worker_id in gone and not each.taken)
                if self.owner_of(each.role) != each.worker_id
            },
            at,
        )

    def given(self, owners: Mapping[str, str | None], at: datetime) -> "Plan":
        """Give some actions, by id, to these workers, or to nobody."""
        taken = self.with_actions(
            {
                key: {"worker_id": each, "taken": False}
                for key, each in owners.items()
                if each
            },
            ActionStage.ACCEPTED,
            at=at,
        )
        nobodys = (key for key, each in owners.items() if not each)
        nobody = {"worker_id": None, "taken": False}
        return taken.with_actions(dict.fromkeys(nobodys, nobody))

    def accept(self, action_id: str, worker_id: str, at: datetime) -> "Plan":
        """Have somebody of its agency own an action. Doing it again changes nothing.

        They keep it whoever takes its role later: nothing has two owners.

        Raises:
            NoSuchAction: There is none.
            Merged: The survivor's actions are done.
            NotToBeTaken: Somebody else has it, or it is settled.
        """
        action = self.action(action_id)
        if action.worker_id == worker_id:
            return self
        if self.merged_into:
            raise Merged
        if action.worker_id or action not in self.open_actions:
            raise NotToBeTaken
        update = {action_id: {"worker_id": worker_id, "taken": True}}
        return self.with_actions(update, ActionStage.ACCEPTED, at=at)

    def hand_back(self, action_id: str, worker_id: str | None, at: datetime) -> "Plan":
        """Give back what somebody took: whoever has its role owns it, or nobody.

        Args:
            action_id: Which action.
            worker_id: Who took it; none: whoever did, as a coordinator says.
            at: When.

        Raises:
            NoSuchAction: There is none that they took and is open.
        """
        action = self.action(action_id)
        mine = action.taken and worker_id in {None, action.worker_id}
        if not mine or action not in self.open_actions:
            raise NoSuchAction
        nobodys = self.with_actions({action_id: {"worker_id": None, "taken": False}})
        return nobodys.handed_over(set(), at)

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
        if outdated or self.erased_at or self.transferred_at:
            return self
        template = policy.template(assessment.level, tier, self.circumstances)
        drafted = PlanVersion(
            number=self.current.number + 1 if self.versions else 1,
            assessment=assessment,
            tier=tier,
            policy_version=policy.version,
            drafted_at=at,
            review_by=assessment.assessed_at + template.review,
            agree_by=at + template.agree,
        )
        if self.versions:
            drafted = drafted.urged_like(self.current)
        # What was still open when a plan was closed went with it.
        closed = self.status is Status.CLOSED
        held = [each for each in self.actions if not (closed and each.open)]
        risen = self.rises(drafted)
        ground = self._ground(drafted, assessment.assessed_at, at, risen=risen)
        next_ = self.settled().model_copy(
            update={
                "actions": drawn_up(template, held, ground),
                "coming": self.time_to_agree(policy.in_force, at),
            }
        )
        return next_.model_copy(
            update={"versions": kept((*next_.versions, drafted))}
        ).reaches(Stage.REOPENED if closed else Stage.DRAFTED, at)

    def _ground(
        self, version: PlanVersion, since: datetime, at: datetime, *, risen: bool
    ) -> Ground:
        return Ground(
            case=UUID(self.id),
            name=f"{version.number}.{self.version}",
            at=at,
            since=since,
            episode=version.assessment.first_referred_at,
            risen=risen,
            children=self.each_child,
            harmed=self.each_harmed,
            owner=self.owner_of,
        )

    def settled(self) -> "Plan":
        """Note what stands in the current version, before it is changed."""
        if not self.versions:
            return self
        settled = self.current.with_promises(self.actions)
        return self.model_copy(update={"versions": (*self.versions[:-1], settled)})

    def reaches(self, stage: Stage, at: datetime) -> "Plan":
        """Note when a stage was reached, if it was not before."""
        if stage in self.first:
            return self
        return self.model_copy(update={"first": {**self.first, stage: at}})

    def meet(self, children: Iterable[str], policy: Policy, at: datetime) -> "Plan":
        """Take note of children: each has a part of the plan in their own right.

        What is asked for a child is asked for each from now on.
        """
        new = tuple(each for each in children if each not in self.children)
        if not new or self.erased_at:
            return self
        known = self.model_copy(update={"children": (*self.children, *new)})
        return known.asks_for_each(self, policy, at)

    def protects(self, people: Iterable[str]) -> "Plan":
        """Take note of whom the case was referred to protect: what is theirs is.

        But for those of whom a person has decided that they use violence.
        """
        new = tuple(
            e for e in people if e not in self.harmed and not self.uses_violence(e)
        )
        if not new or self.erased_at:
            return self
        return self.model_copy(update={"harmed": (*self.harmed, *new)})

    def hears(self, word: Word) -> "Plan":
        """Take note of what is told of its circumstances; of each the last counts."""
        known = self.known.told(word)
        if known == self.known or self.erased_at:
            return self
        return self.model_copy(update={"known": known})

    def uses_violence(self, person_id: str) -> bool:
        """Tell whether a person has decided so, and nobody otherwise since."""
        known = self.decided.get(person_id)
        return known is not None and not known.harmed

    def decide_roles(self, harmed: str, using_violence: str, at: datetime) -> "Plan":
        """Take note of who harmed whom, as a person has decided; the later counts.

        What was done for nobody by name while it was thought of whoever uses violence
        was done for them: of whoever was harmed it is asked anew. What is open is for
        whoever was harmed, by the clock that it has.
        """
        told = {
            harmed: Decided(harmed=True, at=at),
            using_violence: Decided(harmed=False, at=at),
        }
        known = self.decided
        new = {k: e for k, e in told.items() if k not in known or known[k].at < at}
        if not new or self.erased_at:
            return self
        noted = self.model_copy(update={"decided": {**known, **new}})
        kept = tuple(each for each in self.harmed if not noted.uses_violence(each))
        alone = self.all_harmed == (using_violence,) and not kept
        right = noted.model_copy(update={"harmed": kept}).protects([harmed])
        return right.turned(using_violence, to=harmed) if alone else right

    def turned(self, done_for: str, *, to: str) -> "Plan":
        """Say for whom it was done, where it was said of nobody by name.

        What is open of either is for the other from now on: it runs already. That it
        was done, as somebody says and nobody has confirmed, was said of the wrong one.
        """
        part = [e for e in self.actions if e.part is Part.PERSON_HARMED]
        theirs = {each.code for each in part if each.person_id == to}
        changes: dict[str, dict[str, object]] = {}
        for each in part:
            if each.person_id not in {None, done_for}:
                continue
            if not each.open:
                changes[each.id] = {"person_id": done_for}
            elif each.code not in theirs:
                whose = None if each.person_id is None else to
                changes[each.id] = {"person_id": whose, "said": None}
        return self.with_actions(changes)

    def asks_for_each(self, before: "Plan", policy: Policy, at: datetime) -> "Plan":
        """Ask of the current version what is asked for those it has now, as things are.

        For each child, and for each person harmed once there are two. What is still
        open for one who is of the household no longer goes with them. What was added
        for how things were stays: a commitment ends when it is kept.
        """
        people = {*self.all_children, *self.all_harmed}
        gone = {*before.all_children, *before.all_harmed} - people
        known = {*before.each_child, *before.each_harmed}
        new = {*self.each_child, *self.each_harmed} - known
        as_before = self.circumstances == before.circumstances
        if (as_before and not gone and not new) or not self.versions:
            return self
        if self.status is Status.CLOSED:
            return self
        return self.drawn_anew(gone, policy, at)

    def link(self, match_id: str, told: Link, policy: Policy, at: datetime) -> "Plan":
        """Take note that two people are one, or two again; the last word counts.

        What was asked for a child under either id is still to be done: a commitment
        ends when it is kept. From now on it is asked once.
        """
        known = self.links.get(match_id)
        if self.erased_at or (known and known.revision >= told.revision):
            return self
        new = self.model_copy(update={"links": {**self.links, match_id: told}})
        return new.asks_for_each(self, policy, at)

    def drawn_anew(self, gone: set[str], policy: Policy, at: datetime) -> "Plan":
        """Ask what the current version asks, without what is open for who is gone."""
        current = self.current
        level, tier = current.assessment.level, current.tier
        template = policy.template(level, tier, self.circumstances)
        left = [e for e in self.actions if not (e.open and e.person_id in gone)]
        ground = self._ground(current, at, at, risen=False)
        return self.model_copy(update={"actions": drawn_up(template, left, ground)})

    def time_to_agree(self, rule: InForce, at: datetime) -> dict[str, Coming]:
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
        if known and not known.over:
            told = told.model_copy(update={"since": known.since})
        return self.model_copy(
            update={"coming": with_latest(self.coming, trigger_id, told)}
        )

    def raise_alarms(self, at: datetime) -> "Plan":
        """Note the dates for which a plan should be in force and is not, each once.

        For those of a merged case its survivor's plan should be.
        """
        late = {key for key, each in self.coming.items() if each.late(at)}
        if self.in_force or self.merged_into or self.transferred_at or not late:
            return self
        alarmed = {
            key: each.model_copy(update={"alarmed_at": at}) if key in late else each
            for key, each in self.coming.items()
        }
        return self.model_copy(update={"coming": alarmed})

    def take_role(self, role: Role, owner: Owner) -> "Plan":
        """Give a role's open actions to the worker who has taken it.

        Changes nothing if something later is known of the role, or if the response in
        which it was taken has ended.
        """
        if self._outdated(role, owner):
            return self
        theirs = [e.id for e in self._unclosed if e.role is role and not e.taken]
        given = dict.fromkeys(theirs, owner.worker_id)
        return self.given(given, owner.accepted_at).model_copy(
            update={"owners": {**self.owners, role: owner}}
        )

    def leave_role(self, role: Role, left: Owner) -> "Plan":
        """Take the open actions from whoever has a role no longer: nobody owns them.

        Also what they kept when the plan wanted another role for it, unless they have
        that one too; of what they took, what is this role's alone. That the role was
        taken back is remembered, in case the news of its having been taken comes after.
        """
        if self._outdated(role, left):
            return self
        known = self.owners.get(role)
        leaver = known.worker_id if known else None
        owners = {**self.owners, role: left}
        kept = {each for each, owner in owners.items() if owner.worker_id == leaver}
        freed = {
            each.id: {"worker_id": None, "taken": False}
            for each in self._unclosed
            if leaver and each.worker_id == leaver and each.role not in kept
            if each.role is role or not each.taken
        }
        freed_ = self.with_actions(freed).model_copy(update={"owners": owners})
        return freed_.handed_over(set(), left.accepted_at)

    def _outdated(self, role: Role, owner: Owner) -> bool:
        """Tell whether something later is known of a role."""
        closed_at = self.current.closed_at if self.versions else None
        ended = closed_at is not None and closed_at >= owner.accepted_at
        known = self.owners.get(role)
        return bool(self.erased_at) or ended or not owner.follows(known)

    def agree(
        self,
        number: int,
        at: datetime,
        by: str | None = None,
        *,
        stale: Mapping[StaleReason, datetime] | None = None,
    ) -> "Plan":
        """Agree to a version: the one that was read. Agreeing again changes nothing.

        Every alarm that no plan is in force is over with it, and nothing is stale.

        Args:
            number: The version that was read.
            at: When.
            by: Who.
            stale: Why it should be looked at again, as it was read.

        Raises:
            MoreToRead: There is more than that.
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
        self.is_read(stale)
        merged = {key: e.plan_version for key, e in self.shares.items() if not e.closed}
        agreed = current.agreed(self.actions, merged, at, by)
        calm = {
            key: each.model_copy(update={"alarmed_at": None})
            for key, each in self.coming.items()
        }
        return (
            self.model_copy(
                update={"versions": (*self.versions[:-1], agreed), "coming": calm}
            )
            .looked_at(at)
            .reaches(Stage.AGREED, at)
        )

    def is_read(self, stale: Mapping[StaleReason, datetime] | None) -> None:
        """See that somebody knows all for which it should be looked at again.

        Raises:
            MoreToRead: They do not.
        """
        if self.stale != dict(stale or {}):
            raise MoreToRead

    def looked_at(self, at: datetime) -> "Plan":
        """Note that what is agreed to is so for all that is known by now."""
        coming = {
            key: e.model_copy(update={"looked": True}) if e.near(at) else e
            for key, e in self.coming.items()
        }
        return self.model_copy(update={"stale": {}, "coming": coming})

    def transfer(self, at: datetime) -> "Plan":
        """End the response here, whatever is still open: another region goes on."""
        update = {"transferred_at": at, "owners": {}, "stale": {}}
        held = self.model_copy(update=update)
        if self.erased_at or self.status in {Status.NONE, Status.CLOSED}:
            return held
        closed = held.settled().with_current(closed_at=at, closed_for=TRANSFERRED)
        return closed.reaches(Stage.CLOSED, at)

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
        return self.with_actions(
            {
                each.id: {"overdue_at": at, "remind_at": None}
                for each in self.open_actions
                if each.late_from and each.late_from <= at
            },
            ActionStage.OVERDUE,
            at=at,
        )

    def urge(self, at: datetime) -> "Plan":
        """Note that nobody has agreed to it, or reviewed it, in time; once."""
        if not self.versions or self.merged_into or self.transferred_at:
            return self
        late_from = self.current.late_from
        if late_from is None or late_from > at:
            return self
        return self.with_current(told_late_at=at)

    def remind(self, at: datetime) -> "Plan":
        """Note the open actions that are to be reminded of, each once."""
        return self.with_actions(
            {
                each.id: {"remind_at": None}
                for each in self.open_actions
                if each.remind_at and each.ahead == each.remind_at <= at
            },
            ActionStage.REMINDED,
            at=at,
        )

    def with_current(self, **changes: object) -> "Plan":
        """Change the current version."""
        changed = self.current.model_copy(update=changes)
        return self.model_copy(update={"versions": (*self.versions[:-1], changed)})

    def with_actions(
        self,
        changes: Mapping[str, Mapping[str, object]],
        *stages: ActionStage,
        at: datetime | None = None,
    ) -> "Plan":
        """Change some actions, by id.

        Args:
            changes: What of each.
            stages: What each of them reaches by it.
            at: When it does, if it reaches any.
        """
        if not changes:
            return self

        def changed(each: Action) -> Action:
            new = each.model_copy(update=changes[each.id])
            return new.reaches(at, *stages) if at else new

        actions = tuple(
            changed(each) if each.id in changes else each for each in self.actions
        )
        return self.model_copy(update={"actions": actions})
