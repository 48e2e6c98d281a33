"""What a case needs of workers, and who works on it.

Messages about a case come in any order. Whatever comes first is kept, and what is done
depends on what is known, not on the order in which it came.
"""

from collections.abc import Container, Iterable, Mapping
from datetime import datetime
from uuid import UUID, uuid5

from accord_contracts.access import SIDES, Side
from accord_contracts.allocation import Role
from accord_contracts.one_person import Link
from accord_contracts.referrals import Party
from accord_contracts.risk import RiskLevel
from pydantic import BaseModel, ConfigDict

from allocation.domain.lists import Lists, NobodyLeft
from allocation.domain.people import People
from allocation.domain.policy import Policy, Stage, outreach
from allocation.domain.walls import SameCompartment, Walls
from allocation.domain.wanted import (
    Assessed,
    Awaited,
    Decided,
    Heard,
    Share,
    Wanted,
    heard_since,
)
from allocation.domain.wishes import Wishes


class Staffing(BaseModel):
    """The roles of one case, and the workers in them.

    Attributes:
        id: The case's.
        episode: Counted from 1; a closed plan ends it.
        heard: Wishes by referral, of this episode.
        over: Referrals whose wishes ended with an episode, the latest of them.
        awaited: Assessments whose referrals' wishes have not come yet, by referral.
        level: The latest known level of risk.
        level_version: The revision of the assessment that said so.
        stage: How far the response is.
        stage_version: The revision of the plan that last said so.
        latest: The latest assessment that roles were wanted for.
        roles: What is needed, and who has accepted.
        served_outreach: Who has ever served the person using violence in this case.
        served_others: Who has ever served anybody else in it.
        coordinated: Who of these has coordinated it as a whole, and served no side.
        walls: Which compartments serve which side of it.
        people: Whose case it is, by the part that they have in it.
        lead_agency: Which agency leads: by the policy for its level, until a person
            decides otherwise for this episode; none if that one is not to know of it.
        lead_decided_by: Who has decided that.
        lead_decided_at: When, also once that agency is not to know of it: what was
            decided before counts no more.
        meetings: What meetings of this episode decided, by meeting.
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
        transferred_at: When the case was handed over to another region: nobody works
            on it here any more, and nothing of it is changed.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    episode: int = 1
    heard: dict[str, Heard] = {}
    over: tuple[str, ...] = ()
    awaited: dict[str, Awaited] = {}
    level: RiskLevel = RiskLevel.LOW
    level_version: int = 0
    stage: Stage = Stage.NEW
    stage_version: int = 0
    latest: Assessed | None = None
    roles: dict[Role, Wanted] = {}
    served_outreach: frozenset[str] = frozenset()
    served_others: frozenset[str] = frozenset()
    coordinated: frozenset[str] = frozenset()
    walls: Walls = Walls()
    people: People = People()
    lead_agency: str | None = None
    lead_decided_by: str | None = None
    lead_decided_at: datetime | None = None
    meetings: dict[str, Decided] = {}
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
    transferred_at: datetime | None = None

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
    def everyone(self) -> People:
        """Whose case it is, and whose those are that are merged into it."""
        return self.people.beside(each.people for each in self.shares.values())

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
    def besides(self) -> tuple[Role, ...]:
        """Whom meetings want, at any level, here and in what is merged into it."""
        own = (role for each in self.meetings.values() for role in each.roles)
        shared = (role for each in self.shares.values() for role in each.besides)
        return tuple(dict.fromkeys((*own, *shared)))

    @property
    def wishes(self) -> Wishes:
        """What the person harmed asks for, by all referrals of the episode."""
        return Wishes.together(each.wishes for each in self._heard)

    @property
    def near(self) -> str | None:
        """The area that she wishes for, or where it last happened."""
        places = [each.place for each in self._heard if each.place is not None]
        return self.wishes.area or (places[-1] if places else None)

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
        """Give the open roles that are needed now and were not, or not so urgently.

        And those that somebody has, and that were taken back from whoever was to take
        them over, are at a higher level now, or are to be decided by other lists.
        """
        return {
            role: wanted
            for role, wanted in self.roles.items()
            if (known := before.roles.get(role)) != wanted
            and (
                wanted.worker_id is None
                or (
                    known
                    and (known.lists, known.level, known.stage)
                    != (wanted.lists, wanted.level, wanted.stage)
                )
            )
        }

    def barred_from(self, role: Role) -> frozenset[str]:
        """Say who may never have a role: who serves the other side, or is barred."""
        return self.in_force.barred | self.served_against(role)

    def served_against(self, role: Role) -> frozenset[str]:
        """Say who may never have a role because they have served the other side."""
        field = "served_others" if outreach(role) else "served_outreach"
        served = (getattr(each, field) for each in (self, *self.shares.values()))
        return frozenset[str]().union(*served)

    def walls_against(self, role: Role) -> frozenset[str]:
        """Give the compartments that may never have a role."""
        shared = (each.walls.against(role) for each in self.shares.values())
        return self.walls.against(role).union(*shared)

    def served_before(self, role: Role) -> frozenset[str]:
        """Give who has ever served the side that a role serves."""
        field = "served_outreach" if outreach(role) else "served_others"
        return frozenset[str](getattr(self, field)).union(
            *(getattr(each, field) for each in self.shares.values())
        )

    def served_where_turned(self, role: Role) -> frozenset[str]:
        """Give who may not have a role where who is harmed here harms, or the reverse.

        Who has coordinated a case knows both sides of it, so that they serve no side
        there; and who has served a side of it does not coordinate there.
        """
        cases: tuple[Staffing | Share, ...] = (self, *self.shares.values())
        if SIDES[role] is not Side.WHOLE_CASE:
            return self.served_before(role).union(*(e.coordinated for e in cases))
        return frozenset[str]().union(
            *((e.served_outreach | e.served_others) - e.coordinated for e in cases)
        )

    @property
    def skills(self) -> frozenset[str]:
        """What has happened in the episode asks of a worker's skills."""
        return frozenset[str]().union(*(each.skills for each in self._heard))

    def meet(self, parties: Iterable[Party]) -> "Staffing":
        """Note whom a referral names."""
        return self.model_copy(update={"people": self.people.met(parties)})

    def link(self, match_id: str, link: Link) -> "Staffing":
        """Note that two people are one, or no longer."""
        people = self.people.linked(match_id, link)
        if people is self.people:
            return self
        return self.model_copy(update={"people": people})

    def ask(self, role: Role, wall: str) -> "Staffing":
        """Note that a compartment is asked to have a role.

        Raises:
            SameCompartment: It serves the other side.
        """
        if wall in self.walls_against(role):
            raise SameCompartment
        walls = self.walls.asked(role, wall)
        return self if walls == self.walls else self.model_copy(update={"walls": walls})

    def led_by(self, agency: str, decided_by: str, at: datetime) -> "Staffing":
        """Have an agency lead, because somebody has decided so: the last one counts."""
        if self.lead_decided_at is not None and at < self.lead_decided_at:
            return self
        if (agency, decided_by) == (self.lead_agency, self.lead_decided_by):
            return self
        update = {
            "lead_agency": agency,
            "lead_decided_by": decided_by,
            "lead_decided_at": at,
        }
        return self.model_copy(update=update)

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
        return self.model_copy(update={"roles": roles}).unled()

    def unled(self) -> "Staffing":
        """Have no agency lead that may have nothing to do with the case.

        Nor by the policy one that the person harmed does not want told. What was
        decided before counts no more; the next assessment has the policy's agency lead,
        if that one may know.
        """
        barred = self.in_force.agencies
        if self.lead_decided_by is None:
            barred = barred.union(self.wishes.not_told)
        if self.lead_agency not in barred:
            return self
        update = {"lead_agency": None, "lead_decided_by": None}
        return self.model_copy(update=update)

    def hearing(self, heard: Mapping[str, Heard]) -> "Staffing":
        """Keep what referrals said of wishes, of the latest of the episode only.

        Whatever an assessment of an ended episode has weighed is over.
        """
        known = heard_since(self.closed_on, heard)
        over = dict.fromkeys(
            (*self.over, *(each for each in heard if each not in known))
        )
        update = {
            "heard": dict(list(known.items())[-REMEMBERED:]),
            "over": tuple(over)[-REMEMBERED:],
        }
        return self.model_copy(update=update)

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
            coordinated=self.coordinated,
            walls=self.walls,
            besides=self.besides,
            people=self.people,
        )

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

        Whoever hands it over to them has it still. That of a merged case is its
        survivor's to fill.
        """
        roles = {
            role: wanted.leave(worker_id)
            if wanted.allocation_id == allocation_id
            else wanted
            for role, wanted in self.roles.items()
        }
        return self._reopened(roles)

    def want(
        self, assessed: Assessed, policy: Policy, *, since: datetime | None = None
    ) -> "Staffing":
        """Want what level and tier need and is not there; all there is as urgently.

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
        if assessed.revision <= self.closed_on or self.transferred_at:
            return self
        begun = assessed.assessed_at if self.roles else self._begun(assessed)
        roles = {role: self._raised(wanted) for role, wanted in self.roles.items()}
        latest = self.latest
        if latest is None or assessed.revision > latest.revision:
            latest = Assessed(**assessed.model_dump(include=set(Assessed.model_fields)))
        by_level = (*policy.roles[self.level], *latest.roles, *self.besides)
        needed = dict.fromkeys(by_level)
        for role in () if self.merged_into else needed:
            if self.doubted and outreach(role):
                continue
            if role not in roles and role not in self.filled:
                roles[role] = Wanted(
                    allocation_id=self._allocation_id(role),
                    level=self.level,
                    since=since or begun,
                    first_referred_at=assessed.first_referred_at,
                    stage=self.stage,
                )
        update: dict[str, object] = {"roles": roles, "latest": latest}
        if self.lead_decided_by is None:
            update["lead_agency"] = policy.lead_agencies[self.level]
        return self.model_copy(update=update).unled()

    def reach(self, stage: Stage, plan_revision: int) -> "Staffing":
        """Note how far the response is, by the plan: what it said last counts.

        Of a merged case it is its survivor's plan that speaks, whose revisions are not
        those of its own: whoever has a role there keeps it at the stage it had.
        """
        if plan_revision <= self.stage_version or self.erased_at or self.merged_into:
            return self
        roles = {
            role: each.model_copy(update={"stage": stage})
            for role, each in self.roles.items()
        }
        update = {"stage": stage, "stage_version": plan_revision, "roles": roles}
        return self.model_copy(update=update)

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

    def unkept(self, allocation_id: str, holder: str) -> "Staffing":
        """Want a role anew that was handed over to somebody who was barred meanwhile.

        Whoever had it before has it no longer. That of a merged case is its survivor's
        to fill.
        """
        if not self.in_force.bar(holder):
            return self
        roles = {
            role: wanted.anew()
            if wanted.allocation_id == allocation_id and wanted.worker_id is not None
            else wanted
            for role, wanted in self.roles.items()
        }
        return self._reopened(roles)

    def close(
        self,
        revision: int,
        at: datetime,
        policy: Policy,
        *,
        plan_revision: int | None = None,
    ) -> "Staffing":
        """End the episode: nobody works on the case any more.

        Whoever closed the plan did not know of a later assessment than the one it
        rested on. If there is one, the plan opens again, and a new episode begins with
        it at once.

        Args:
            revision: Of the assessment that the closed plan rested on.
            at: When it was closed.
            policy: What the level needs.
            plan_revision: Of the case's own plan, when it was closed: what it is known
                to have said since is of the new episode; none: it said nothing since.
        """
        if revision <= self.closed_on:
            return self
        newer = plan_revision is not None and self.stage_version > plan_revision
        meetings = {key: e for key, e in self.meetings.items() if e.at > at}
        update: dict[str, object] = {
            "closed_at": at,
            "closed_on": revision,
            "episode": self.episode + 1,
            "stage": self.stage if newer else Stage.NEW,
            "roles": {},
            "meetings": meetings,
        }
        if self.lead_decided_at is None or self.lead_decided_at <= at:
            update |= dict.fromkeys(LEAD)
        heard = {key: each for key, each in self.heard.items() if not each.over}
        ended = self.model_copy(update=update).hearing(heard)
        return ended if self.latest is None else ended.want(self.latest, policy)

    def transfer(self, at: datetime) -> "Staffing":
        """Have nobody work on it any more, and want nothing for it again.

        Who has served which side stays known, and who may not see it.
        """
        return self.model_copy(
            update={
                "transferred_at": at,
                "closed_at": at,
                "roles": {},
                "awaited": {},
                "due_at": None,
                "lead_agency": None,
                "lead_decided_by": None,
            }
        )

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

    @property
    def _heard(self) -> list[Heard]:
        """What the referrals of the episode said, the first one first."""
        shared = [e for each in self.shares.values() for e in each.heard.values()]
        said = (each for each in (*self.heard.values(), *shared) if not each.over)
        return sorted(said, key=lambda each: each.at)

    def _begun(self, assessed: Assessed) -> datetime:
        """Say when the episode began, which is not before the last one ended."""
        if self.closed_at is None:
            return assessed.first_referred_at
        return max(assessed.first_referred_at, self.closed_at)

    def _raised(self, wanted: Wanted) -> Wanted:
        if wanted.level.rank >= self.level.rank:
            return wanted
        return wanted.model_copy(update={"level": self.level})

    def _allocation_id(self, role: Role) -> str:
        name = f"allocation/{role}/{self.episode}"
        again = f"/{self.remade}" if self.remade else ""
        return str(uuid5(UUID(self.id), f"{name}{again}"))

    def _reopened(self, roles: dict[Role, Wanted]) -> "Staffing":
        if roles == self.roles:
            return self
        held = self.model_copy(update={"roles": roles})
        return held.without_open(self.roles) if self.merged_into else held

    def _served_by(self, worker_id: str, role: Role) -> "Staffing":
        field = "served_outreach" if outreach(role) else "served_others"
        coordinated = self.coordinated - {worker_id}
        a_side = (self.served_outreach | self.served_others) - self.coordinated
        if SIDES[role] is Side.WHOLE_CASE and worker_id not in a_side:
            coordinated |= {worker_id}
        update = {
            field: getattr(self, field) | {worker_id},
            "coordinated": coordinated,
        }
        return self.model_copy(update=update)


REMEMBERED = 100
"""Referrals whose wishes are kept, and of those whose are over; a family was once
referred 211 times in all its episodes together (DOMAIN.md 1.3)."""

LEAD = ("lead_agency", "lead_decided_by", "lead_decided_at")
"""What is said of who leads a case."""
