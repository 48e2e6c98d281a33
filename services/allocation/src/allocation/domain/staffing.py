"""What a case needs of workers, and who works on it.

Messages about a case come in any order. Whatever comes first is kept, and what is done
depends on what is known, not on the order in which it came.
"""

from collections.abc import Container, Iterable, Mapping
from datetime import datetime
from uuid import UUID, uuid5

from accord_contracts.access import SIDES, Side
from accord_contracts.allocation import Role
from accord_contracts.problem import Refusal
from accord_contracts.risk import RiskLevel
from pydantic import BaseModel, ConfigDict

from allocation.domain.policy import Policy, outreach
from allocation.domain.wishes import Wishes

REMEMBERED = 100
"""Referrals of an episode whose wishes are kept; a family was once referred 211 times
in all its episodes together (DOMAIN.md 1.3)."""


class Heard(BaseModel):
    """What one referral said of the wishes of the person harmed.

    Attributes:
        at: When it was said.
        assessed: The revision of the assessment of the referral, after which nothing
            waits for it any more; none before.
    """

    model_config = ConfigDict(frozen=True)

    wishes: Wishes
    at: datetime
    assessed: int | None = None


class Assessed(BaseModel):
    """An assessment, as far as staffing goes by it.

    Attributes:
        revision: The version of risk's own document, which says what is later.
        first_referred_at: When the response to the episode was first asked for.
        assessed_at: When what was assessed became known.
    """

    model_config = ConfigDict(frozen=True)

    revision: int
    first_referred_at: datetime
    assessed_at: datetime


class Awaited(Assessed):
    """An assessment whose referral's wishes have not come yet.

    Attributes:
        until: When nothing more is waited for.
    """

    until: datetime


class Wanted(BaseModel):
    """A role that the case needs.

    Attributes:
        since: When the clock for filling it began.
        worker_id: Who has accepted it.
        lists: How often the lists of the case have changed while nobody had it, or it
            was taken back from somebody.
        left: From whom it was taken back because they are no longer at work in it, and
            the number of ``lists`` since which it is: whatever was decided by an older
            one has them no longer, and they may take it anew if they are back.
    """

    model_config = ConfigDict(frozen=True)

    allocation_id: str
    level: RiskLevel
    since: datetime
    first_referred_at: datetime
    worker_id: str | None = None
    lists: int = 0
    left: dict[str, int] = {}

    def taken_back(self, worker_id: str, lists: int) -> bool:
        """Tell whether it was taken back from whoever has it by a number of lists."""
        return lists < self.left.get(worker_id, 0)

    def leave(self, worker_id: str) -> "Wanted":
        """Take it back from somebody, unless somebody else has accepted it."""
        if self.worker_id not in {None, worker_id}:
            return self
        lists = self.lists + 1
        left = {**self.left, worker_id: lists}
        update = {"worker_id": None, "lists": lists, "left": left}
        return self.model_copy(update=update)

    def listed(self, lists: "Lists") -> "Wanted":
        """Go by other lists: whoever they bar has the role no longer."""
        if self.worker_id is not None and not lists.bar(self.worker_id):
            return self
        return self.model_copy(update={"worker_id": None, "lists": self.lists + 1})


class Lists(BaseModel):
    """Who may have nothing to do with a case, whatever else they are.

    The two lists of the United Kingdom's Delius (RELIABILITY 2.2), and conflicts of
    interest: workers who are related to somebody in the case, or are one of them.

    Attributes:
        excluded: These may not.
        named_only: Only these may; none: it is not so restricted.
        conflicts: These have a conflict of interest.
    """

    model_config = ConfigDict(frozen=True)

    excluded: frozenset[str] = frozenset()
    named_only: frozenset[str] | None = None
    conflicts: frozenset[str] = frozenset()

    @property
    def barred(self) -> frozenset[str]:
        """Everybody who is named as one who may not."""
        return self.excluded | self.conflicts

    def unlisted(self, worker_id: str) -> bool:
        """Tell whether only others may."""
        return self.named_only is not None and worker_id not in self.named_only

    def bar(self, worker_id: str) -> bool:
        """Tell whether a worker may have nothing to do with the case."""
        return worker_id in self.barred or self.unlisted(worker_id)

    def with_those_of(self, others: Iterable["Lists"]) -> "Lists":
        """Give the lists that hold where several do: the stricter wins."""
        several = [self, *others]
        named = [e.named_only for e in several if e.named_only is not None]
        return Lists(
            excluded=frozenset[str]().union(*(e.excluded for e in several)),
            named_only=frozenset.intersection(*named) if named else None,
            conflicts=frozenset[str]().union(*(e.conflicts for e in several)),
        )


class Share(BaseModel):
    """What a merged case has, as its survivor goes by it.

    Attributes:
        lists: Who may have nothing to do with it.
        accepted: Who works on it, by role.
        heard: Its wishes, by referral.
        served_outreach: Who has ever served the person using violence in it.
        served_others: Who has ever served anybody else in it.
    """

    model_config = ConfigDict(frozen=True)

    lists: Lists
    accepted: dict[Role, str]
    heard: dict[str, Heard]
    served_outreach: frozenset[str]
    served_others: frozenset[str]


class NobodyLeft(Refusal):
    """These lists would leave no other coordinator who may look at the case."""

    status = 422


class Staffing(BaseModel):
    """The roles of one case, and the workers in them.

    Attributes:
        id: The case's.
        episode: Counted from 1; a closed plan ends it.
        heard: Wishes by referral, of this episode.
        awaited: Assessments whose referrals' wishes have not come yet, by referral.
        level: The latest known level of risk.
        level_version: The revision of the assessment that said so.
        latest: The latest assessment that roles were wanted for.
        roles: What is needed, and who has accepted.
        served_outreach: Who has ever served the person using violence in this case.
        served_others: Who has ever served anybody else in it.
        closed_at: When the last plan was closed.
        closed_on: The revision of the assessment that it rested on: what was assessed
            until then is over.
        due_at: When to go on without the wishes that have not come.
        lists: Who may have nothing to do with the case, by its own lists.
        erased_at: When the case was erased; it needs nobody any more.
        shares: What the cases have that are merged into it, by case.
        merged_into: The case that it is merged into. Whoever had accepted stays; what
            was open is its survivor's to fill.
        merging: The version of the case in referrals that last said so.
        above: The lists that hold for the survivor besides.
        doubted_at: When it was last in question who harmed whom.
        parts_at: When a person last decided it.
        remade: How often roles were taken back because of a merging, so that such a
            role, if it is wanted again, is another than the one that ended.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    episode: int = 1
    heard: dict[str, Heard] = {}
    awaited: dict[str, Awaited] = {}
    level: RiskLevel = RiskLevel.LOW
    level_version: int = 0
    latest: Assessed | None = None
    roles: dict[Role, Wanted] = {}
    served_outreach: frozenset[str] = frozenset()
    served_others: frozenset[str] = frozenset()
    closed_at: datetime | None = None
    closed_on: int = 0
    due_at: datetime | None = None
    lists: Lists = Lists()
    erased_at: datetime | None = None
    shares: dict[str, Share] = {}
    merged_into: str | None = None
    merging: int = 0
    above: Lists = Lists()
    remade: int = 0
    doubted_at: datetime | None = None
    parts_at: datetime | None = None

    @property
    def doubted(self) -> bool:
        """Tell whether it is in question who harmed whom: nobody new is sent to him."""
        if self.doubted_at is None:
            return False
        return self.parts_at is None or self.parts_at < self.doubted_at

    @property
    def in_force(self) -> Lists:
        """The lists that hold: its own, and those of whatever it is merged with."""
        shared = (each.lists for each in self.shares.values())
        return self.lists.with_those_of([self.above, *shared])

    @property
    def filled(self) -> dict[Role, str]:
        """The roles that somebody has in a case that is merged into it."""
        lists = self.in_force
        return {
            role: worker_id
            for each in self.shares.values()
            for role, worker_id in each.accepted.items()
            if not lists.bar(worker_id)
        }

    @property
    def wishes(self) -> Wishes:
        """What the person harmed asks for, by all referrals of the episode."""
        shared = [e for each in self.shares.values() for e in each.heard.values()]
        by_time = sorted([*self.heard.values(), *shared], key=lambda each: each.at)
        return Wishes.together(each.wishes for each in by_time)

    @property
    def team(self) -> tuple[tuple[Role, str], ...]:
        """Who has accepted which role, and may still have to do with the case."""
        lists = self.in_force
        own = {(role, each.worker_id) for role, each in self.roles.items()}
        shared = {e for each in self.shares.values() for e in each.accepted.items()}
        return tuple(
            (role, worker_id)
            for role, worker_id in sorted(own | shared, key=str)
            if worker_id is not None and not lists.bar(worker_id)
        )

    def wanted(self, allocation_id: str) -> Wanted | None:
        """Give the role that an allocation is for, if it is still needed."""
        return next(
            (
                each
                for each in self.roles.values()
                if each.allocation_id == allocation_id
            ),
            None,
        )

    def newly_wanted(self, before: "Staffing") -> dict[Role, Wanted]:
        """Give the open roles that are needed now and were not, or not so urgently."""
        return {
            role: wanted
            for role, wanted in self.roles.items()
            if wanted.worker_id is None and before.roles.get(role) != wanted
        }

    def barred_from(self, role: Role) -> frozenset[str]:
        """Say who may never have a role: who serves the other side, or is barred."""
        field = "served_others" if outreach(role) else "served_outreach"
        served = (getattr(each, field) for each in (self, *self.shares.values()))
        return self.in_force.barred.union(*served)

    def list_(self, lists: Lists, others: Iterable[str]) -> "Staffing":
        """Name who may have nothing to do with the case.

        A conflict of interest that was declared meanwhile stays.

        Args:
            lists: The lists.
            others: The coordinators beside whoever sets them, if there are any.

        Raises:
            NobodyLeft: None of the others could see what is done with the case.
        """
        conflicts = self.lists.conflicts | lists.conflicts
        new = self._with(lists.model_copy(update={"conflicts": conflicts}))
        beside = list(others)
        if beside and all(map(new.in_force.bar, beside)):
            raise NobodyLeft
        return new

    def note_conflict(self, worker_id: str) -> "Staffing":
        """Name one more worker who has a conflict of interest."""
        if worker_id in self.lists.conflicts:
            return self
        conflicts = self.lists.conflicts | {worker_id}
        return self._with(self.lists.model_copy(update={"conflicts": conflicts}))

    def _with(self, lists: Lists) -> "Staffing":
        """Go by other lists, and want every role anew that nobody else has."""
        if lists == self.lists:
            return self
        return self.model_copy(update={"lists": lists}).listed()

    def listed(self) -> "Staffing":
        """Want every role anew that nobody has who may have it."""
        lists = self.in_force
        roles = {role: wanted.listed(lists) for role, wanted in self.roles.items()}
        return self.model_copy(update={"roles": roles})

    def merge(
        self, survivor: str | None, merging: int, policy: Policy, at: datetime
    ) -> "Staffing":
        """Note which case it is merged into, or that it is on its own again.

        Merged, it keeps whoever has accepted, and wants nobody else. On its own again,
        it wants what its level needs and is not there, from now on.

        Args:
            survivor: The case that it is merged into; none: it is on its own.
            merging: The version of the case in referrals that says so: what is older
                than is known changes nothing.
            policy: What the level needs.
            at: When that was decided.
        """
        if merging <= self.merging:
            return self
        update = {"merged_into": survivor, "merging": merging, "above": Lists()}
        held = self.model_copy(update=update).listed().without_open(self.roles)
        return held if survivor else held.want_again(policy, at)

    def share(self) -> Share:
        """Give what a survivor goes by."""
        accepted = {
            role: each.worker_id
            for role, each in self.roles.items()
            if each.worker_id is not None
        }
        return Share(
            lists=self.lists,
            accepted=accepted,
            heard=self.heard,
            served_outreach=self.served_outreach,
            served_others=self.served_others,
        )

    def carry(
        self, other: str, share: Share | None, policy: Policy, at: datetime
    ) -> "Staffing":
        """Go by what a merged case has, or no longer by it.

        A role that somebody has there is not offered here too; one that nobody has any
        longer is wanted.
        """
        if self.shares.get(other) == share:
            return self
        shares = {key: each for key, each in self.shares.items() if key != other}
        if share is not None:
            shares[other] = share
        held = self.model_copy(update={"shares": shares})
        if held.in_force != self.in_force:
            held = held.listed()
        return held.without_open(held.filled).want_again(policy, at)

    def under(self, lists: Lists) -> "Staffing":
        """Go by the lists that hold for the case that this one is merged into.

        Whoever they bar is taken off; the survivor has to find somebody else.
        """
        if lists == self.above:
            return self
        held = self.model_copy(update={"above": lists}).listed()
        return held.without_open(self.roles) if held.merged_into else held

    def lists_beside(self, other: str) -> Lists:
        """Give the lists that hold but for those of one case merged into this one."""
        shares = (each.lists for key, each in self.shares.items() if key != other)
        return self.lists.with_those_of([self.above, *shares])

    def without_open(self, roles: Container[Role]) -> "Staffing":
        """Want some roles no longer that nobody has."""
        left = {
            role: each
            for role, each in self.roles.items()
            if each.worker_id is not None or role not in roles
        }
        if len(left) == len(self.roles):
            return self
        update = {"roles": left, "remade": self.remade + 1}
        return self.model_copy(update=update)

    def want_again(self, policy: Policy, at: datetime) -> "Staffing":
        """Want what the level needs and is not there any more."""
        if self.latest is None:
            return self
        return self.want(self.latest, policy, since=at)

    def leave(self, allocation_id: str, worker_id: str) -> "Staffing":
        """Take a role back from somebody who is no longer at work in it.

        That of a merged case is its survivor's to fill.
        """
        roles = {
            role: wanted.leave(worker_id)
            if wanted.allocation_id == allocation_id
            else wanted
            for role, wanted in self.roles.items()
        }
        if roles == self.roles:
            return self
        held = self.model_copy(update={"roles": roles})
        return held.without_open(self.roles) if self.merged_into else held

    def doubt(self, at: datetime) -> "Staffing":
        """Note that it is in question who harmed whom.

        Whoever is told to use violence may be who was harmed: from then on no new role
        is wanted that is to meet them.
        """
        latest = max(at, self.doubted_at or at)
        return self.model_copy(update={"doubted_at": latest})

    def settle_parts(
        self, at: datetime, policy: Policy, *, corrected: bool
    ) -> "Staffing":
        """Note that a person has decided who harmed whom; want what waited for it.

        If it was told the other way round, whoever serves either of the two has met
        them as what they are not, and knows what the other must not hear. Others take
        their places, and nobody who ever served one of the two serves either.
        """
        if self.parts_at and at <= self.parts_at:
            return self
        held = self.model_copy(update={"parts_at": at})
        if corrected:
            held = held.served_by_others()
        return held.want_again(policy, at)

    def served_by_others(self) -> "Staffing":
        """Take every role back that is one side's, and bar whoever served either."""
        whole = {
            each.worker_id
            for role, each in self.roles.items()
            if SIDES[role] is Side.WHOLE_CASE
        }
        roles = {
            role: each.leave(each.worker_id)
            if each.worker_id and SIDES[role] is not Side.WHOLE_CASE
            else each
            for role, each in self.roles.items()
        }
        served = (self.served_outreach | self.served_others) - whole
        update = {
            "roles": roles,
            "served_outreach": self.served_outreach | served,
            "served_others": self.served_others | served,
        }
        held = self.model_copy(update=update)
        # That of a merged case is its survivor's to fill.
        return held.without_open(roles if held.merged_into else ())

    def hear(
        self, referral_id: str, wishes: Wishes, at: datetime, policy: Policy
    ) -> "Staffing":
        """Note the wishes of a referral; if it is assessed already, want its roles."""
        known = self.heard.get(referral_id)
        assessed = known.assessed if known else None
        noted = self.note(referral_id, Heard(wishes=wishes, at=at, assessed=assessed))
        awaited = self.awaited.get(referral_id)
        return noted.go_on(referral_id, awaited, policy) if awaited else noted

    def assess(
        self,
        assessed: Assessed,
        level: RiskLevel,
        *,
        told_at: datetime,
        referral_id: str | None,
        policy: Policy,
    ) -> "Staffing":
        """Note an assessment, and want its roles once its referral's wishes are known.

        Args:
            assessed: The assessment: an older one than is known changes no level.
            level: The level that it found.
            told_at: When risk told of it.
            referral_id: The referral that was assessed; none: no wishes to wait for.
            policy: What the level needs.
        """
        noted = self
        if assessed.revision > self.level_version:
            update = {"level": level, "level_version": assessed.revision}
            noted = self.model_copy(update=update)
        if referral_id is None:
            return noted.want(assessed, policy)
        if referral_id in self.heard:
            return noted.go_on(referral_id, assessed, policy)
        until = policy.stop_waiting_at(told_at)
        awaited = Awaited(**assessed.model_dump(), until=until)
        return noted.wait({**self.awaited, referral_id: awaited})

    def stop_waiting(self, at: datetime, policy: Policy) -> "Staffing":
        """Want the roles of assessments whose wishes have not come in time.

        Nobody waits for help because a wish was delayed; when it comes, the next offer
        goes by it.
        """
        going_on = self
        for referral_id, awaited in self.awaited.items():
            if awaited.until <= at:
                nothing = Heard(wishes=Wishes(), at=awaited.assessed_at)
                noted = going_on.note(referral_id, nothing)
                going_on = noted.go_on(referral_id, awaited, policy)
        return going_on

    def note(self, referral_id: str, heard: Heard) -> "Staffing":
        """Keep what a referral said of wishes, of the latest of the episode only."""
        known = heard_since(self.closed_on, {**self.heard, referral_id: heard})
        return self.model_copy(
            update={"heard": dict(list(known.items())[-REMEMBERED:])}
        )

    def wait(self, awaited: dict[str, Awaited]) -> "Staffing":
        """Wait for the wishes of these referrals and no others."""
        due_at = min((each.until for each in awaited.values()), default=None)
        return self.model_copy(update={"awaited": awaited, "due_at": due_at})

    def go_on(self, referral_id: str, assessed: Assessed, policy: Policy) -> "Staffing":
        """Want the roles of a referral that is assessed and whose wishes are known."""
        revision = {"assessed": assessed.revision}
        heard = self.heard[referral_id].model_copy(update=revision)
        noted = self.note(referral_id, heard).want(assessed, policy)
        if referral_id not in self.awaited:
            return noted
        others = {key: each for key, each in self.awaited.items() if key != referral_id}
        return noted.wait(others)

    def want(
        self, assessed: Assessed, policy: Policy, *, since: datetime | None = None
    ) -> "Staffing":
        """Want what the level needs and is not there, and all that is open as urgently.

        The clock of the episode's first roles runs from the first referral; that of a
        role which only a later assessment found necessary, from that assessment. What
        the last closed plan rested on, or is older, wants nothing any more; nor does a
        case that is merged into another, and nothing is wanted that somebody has in a
        case merged into this one.

        Args:
            assessed: The assessment.
            policy: What the level needs.
            since: When the clock of roles that are wanted again began.
        """
        if assessed.revision <= self.closed_on:
            return self
        begun = assessed.assessed_at if self.roles else self._begun(assessed)
        roles = {role: self._raised(wanted) for role, wanted in self.roles.items()}
        needed = () if self.merged_into else policy.roles[self.level]
        for role in needed:
            if self.doubted and outreach(role):
                continue
            if role not in roles and role not in self.filled:
                roles[role] = Wanted(
                    allocation_id=self._allocation_id(role),
                    level=self.level,
                    since=since or begun,
                    first_referred_at=assessed.first_referred_at,
                )
        latest = self.latest
        if latest is None or assessed.revision > latest.revision:
            latest = Assessed(**assessed.model_dump(include=set(Assessed.model_fields)))
        return self.model_copy(update={"roles": roles, "latest": latest})

    def join(self, allocation_id: str, worker_id: str, lists: int) -> "Staffing":
        """Take a worker who has accepted into the team, if the role is still needed.

        Whoever has been barred or has left meanwhile does not join, but has served
        their side.

        Args:
            allocation_id: The role's.
            worker_id: Who has accepted it.
            lists: By which lists of the case it was last decided (``Wanted.lists``).
        """
        for role, wanted in self.roles.items():
            if wanted.allocation_id == allocation_id:
                if self.in_force.bar(worker_id) or wanted.taken_back(worker_id, lists):
                    return self._served_by(worker_id, role)
                joined = wanted.model_copy(update={"worker_id": worker_id})
                return self._served_by(worker_id, role).model_copy(
                    update={"roles": {**self.roles, role: joined}}
                )
        return self

    def close(self, revision: int, at: datetime, policy: Policy) -> "Staffing":
        """End the episode: nobody works on the case any more.

        Whoever closed the plan did not know of a later assessment than the one it
        rested on. If there is one, the plan opens again, and a new episode begins with
        it at once.

        Args:
            revision: Of the assessment that the closed plan rested on.
            at: When it was closed.
            policy: What the level needs.
        """
        if revision <= self.closed_on:
            return self
        ended = self.model_copy(
            update={
                "closed_at": at,
                "closed_on": revision,
                "episode": self.episode + 1,
                "roles": {},
                "heard": heard_since(revision, self.heard),
            }
        )
        return ended if self.latest is None else ended.want(self.latest, policy)

    def erase(self, at: datetime) -> "Staffing":
        """Leave a tombstone: no wishes, no roles, nobody who ever served.

        Whose survivor it was merged into stays, so that that one forgets it too.
        """
        return Staffing(
            id=self.id,
            version=self.version,
            erased_at=at,
            merged_into=self.merged_into,
            merging=self.merging,
        )

    def _begun(self, assessed: Assessed) -> datetime:
        """Say when the episode began, which is not before the last one ended."""
        if self.closed_at is None:
            return assessed.first_referred_at
        return max(assessed.first_referred_at, self.closed_at)

    def _raised(self, wanted: Wanted) -> Wanted:
        if wanted.worker_id is not None or wanted.level.rank >= self.level.rank:
            return wanted
        return wanted.model_copy(update={"level": self.level})

    def _allocation_id(self, role: Role) -> str:
        name = f"allocation/{role}/{self.episode}"
        again = f"/{self.remade}" if self.remade else ""
        return str(uuid5(UUID(self.id), f"{name}{again}"))

    def _served_by(self, worker_id: str, role: Role) -> "Staffing":
        field = "served_outreach" if outreach(role) else "served_others"
        return self.model_copy(update={field: getattr(self, field) | {worker_id}})


def heard_since(revision: int, heard: Mapping[str, Heard]) -> dict[str, Heard]:
    """Leave out the wishes of referrals that an assessment until then has weighed."""
    return {
        referral_id: each
        for referral_id, each in heard.items()
        if each.assessed is None or each.assessed > revision
    }
