"""What is known of the family safety plan of a case, and what that says."""

from datetime import datetime

from accord_contracts.allocation import Role
from accord_contracts.one_person import Link
from accord_contracts.plans import StaleReason
from accord_contracts.problem import Refusal
from pydantic import BaseModel, ConfigDict, computed_field

from plans.domain.action import Action, NoSuchAction, Owner
from plans.domain.circumstances import Circumstances, Known
from plans.domain.coming import Coming
from plans.domain.one_person import each_once, latest
from plans.domain.share import Share
from plans.domain.stage import Breach, Stage, Status
from plans.domain.template import Part
from plans.domain.version import PlanVersion


class NoPlan(Refusal):
    """There is no plan for this case."""

    status = 404


class Decided(BaseModel):
    """What a person has decided last of somebody: that they were harmed, or by them.

    Attributes:
        harmed: They were; else they use violence.
        at: When that was decided.
    """

    model_config = ConfigDict(frozen=True)

    harmed: bool
    at: datetime


class Held(BaseModel):
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
        transferred_at: When the case was handed over to another region; nothing is
            planned for it here any more.
        children: The children of the case, in the order in which they became known.
        harmed: Whom the case was referred to protect, children aside.
        decided: Who harmed whom, as a person has decided, by person: told otherwise,
            nobody who uses violence is among those to protect.
        links: Which of its people are one, by the decision that said so.
        known: What was told of its circumstances, as far as anything is added for it.
        stale: Why what was agreed to should be looked at again, and since when.
        breaches: How it was broken, first to last.
        first: When each stage was first reached. It is never changed: all durations
            are reckoned from it.
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
    transferred_at: datetime | None = None
    children: tuple[str, ...] = ()
    harmed: tuple[str, ...] = ()
    decided: dict[str, Decided] = {}
    links: dict[str, Link] = {}
    known: Known = Known()
    stale: dict[StaleReason, datetime] = {}
    breaches: tuple[Breach, ...] = ()
    first: dict[Stage, datetime] = {}

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

    def owner_of(self, role: Role) -> str | None:
        """Say who has a role: here, or else in a case that is merged into it."""
        own = self.owners.get(role)
        if own is not None and own.worker_id:
            return own.worker_id
        shared = (each.owners.get(role) for each in self.shares.values())
        return next(filter(None, shared), None)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def due_at(self) -> datetime | None:
        """When something is to be told of an action or of a date next."""
        if self.transferred_at:
            return None
        ahead = [each.ahead for each in self.open_actions]
        dates = self.coming.values()
        if self.in_force:
            ahead += [e.look_from for e in dates if not (e.over or e.looked)]
        elif not self.merged_into:
            ahead += [each.in_force_by for each in dates if each.awaited]
        if self.versions and not self.merged_into:
            ahead.append(self.current.late_from)
        return min(filter(None, ahead), default=None)

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

    @computed_field  # type: ignore[prop-decorator]
    @property
    def to_take(self) -> tuple[str, ...]:
        """The agencies that own something that nobody has taken yet."""
        if self.merged_into:
            return ()
        owners = (e.agency for e in self.open_actions if e.worker_id is None)
        return tuple(dict.fromkeys(each for each in owners if each))

    def rises(self, to: PlanVersion) -> bool:
        """Tell whether a version is for a higher level than the current one."""
        levels = [each.assessment.level.rank for each in (*self.versions[-1:], to)]
        return levels[-1] > levels[0]

    @property
    def all_children(self) -> tuple[str, ...]:
        """The children of the case, and of those that are merged into it."""
        merged = (child for each in self.shares.values() for child in each.children)
        return tuple(dict.fromkeys((*self.children, *merged)))

    @property
    def each_child(self) -> tuple[str, ...]:
        """The children for whom anything is asked: each once, though known twice."""
        asked = {each.person_id for each in self.actions}
        return each_once(self.all_children, self.all_links, asked)

    @property
    def all_harmed(self) -> tuple[str, ...]:
        """Whom the case is to protect, and those that are merged into it."""
        merged = (person for each in self.shares.values() for person in each.harmed)
        return tuple(dict.fromkeys((*self.harmed, *merged)))

    @property
    def each_harmed(self) -> tuple[str, ...]:
        """The people harmed for each of whom anything is asked, once there are two.

        Once anybody was asked for by name it stays so: the other was the same person,
        or uses violence, and what was done for them was done for nobody else.
        """
        asked = {e.person_id for e in self.actions if e.part is Part.PERSON_HARMED}
        each_ = each_once(self.all_harmed, self.all_links, asked)
        return each_ if len(each_) > 1 or asked - {None} else ()

    @property
    def all_links(self) -> tuple[Link, ...]:
        """Which people of it, and of the cases merged into it, are one, or were."""
        merged = (each.links for each in self.shares.values())
        return tuple(latest((self.links, *merged)).values())

    @property
    def circumstances(self) -> Circumstances:
        """What is so in the case now, and in those that are merged into it.

        Nothing in one that is merged itself: its survivor's plan asks.
        """
        if self.merged_into:
            return Circumstances()
        known = (self.known, *(each.known for each in self.shares.values()))
        ended = (each.closed_at for each in self.versions)
        closed_at = max(filter(None, ended), default=None)
        return Circumstances.of(known, self.coming.values(), closed_at)

    @property
    def one_person(self) -> tuple[tuple[str, str], ...]:
        """Ids that are one person's, two and two, if both are of people planned for.

        That somebody is known in a case that is not merged, only that case may tell.
        """
        people = {*self.all_children, *self.all_harmed}
        links = (each for each in self.all_links if not each.over)
        return tuple(each.people for each in links if people.issuperset(each.people))

    def alarmed_since(self, before: "Held") -> dict[str, Coming]:
        """Give the dates for which an alarm was raised since before."""
        known = before.alarmed
        return {key: self.coming[key] for key in self.alarmed if key not in known}

    @property
    def alarmed(self) -> tuple[str, ...]:
        """The dates for which an alarm was raised that is not over, by id."""
        return tuple(key for key, each in self.coming.items() if each.alarmed_at)

    @property
    def urgent(self) -> bool:
        """Tell whether the risk is so high that nobody settles anything alone."""
        return self.current.assessment.level.urgent

    def action(self, action_id: str) -> Action:
        """Find an action.

        Raises:
            NoSuchAction: There is none with this id.
        """
        for each in self.actions:
            if each.id == action_id:
                return each
        raise NoSuchAction

    def changed_since(self, before: "Held") -> tuple[Action, ...]:
        """Give the open actions that run, and are another's or due at another time."""
        known = {each.id: each.terms for each in before.actions}
        return tuple(
            each
            for each in self.open_actions
            if known.get(each.id) != each.terms and not each.within
        )
