"""Who works on a case, as far as notify has heard."""

from collections.abc import Iterable
from datetime import datetime

from accord_contracts.allocation import Role
from pydantic import BaseModel, ConfigDict

Place = tuple[str, Role]
"""A worker's id, and a role that they have in a team."""


class Member(BaseModel):
    """A worker on a case, in which role, and since when as far as has been heard."""

    model_config = ConfigDict(frozen=True)

    worker_id: str
    role: Role
    since: datetime

    @property
    def place(self) -> Place:
        """Who in which role."""
        return self.worker_id, self.role


class Team(BaseModel):
    """Who works on a case, as far as has been heard.

    Attributes:
        id: The case's.
        ever: Everyone who is or was on it, as far as has been heard.
        before: Who was on it until it last changed, as far as that was heard.
        before_heard: The version of allocation's own document that said so.
        changed_at: When it last changed.
        heard: The version of allocation's own document that was heard of last.
        erased_at: When the case was erased; nobody works on it any more.
        merged_into: The case that it is merged into, whose team is told too.
        merging: The version of the case in referrals that last said so.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    members: tuple[Member, ...] = ()
    ever: tuple[str, ...] = ()
    before: tuple[Place, ...] = ()
    before_heard: int = 0
    changed_at: datetime | None = None
    heard: int = 0
    erased_at: datetime | None = None
    merged_into: str | None = None
    merging: int = 0

    def merge(self, survivor: str | None, merging: int) -> "Team":
        """Note which case it is merged into, or that it is on its own again.

        Args:
            survivor: The case that it is merged into; none: it is on its own.
            merging: The version of the case in referrals that says so: what is older
                than is known changes nothing.
        """
        if merging <= self.merging or self.erased_at:
            return self
        return self.model_copy(update={"merged_into": survivor, "merging": merging})

    def erase(self, at: datetime) -> "Team":
        """Leave a tombstone."""
        return Team(id=self.id, version=self.version, erased_at=at)

    def hear(self, places: Iterable[Place], heard: int, changed_at: datetime) -> "Team":
        """Take over who works on the case, by what is newest.

        What is older tells only since when somebody has.
        """
        told = dict.fromkeys(places, changed_at)
        known = {each.place: each.since for each in self.members}
        current = told if heard > self.heard else known
        members = tuple(
            Member(
                worker_id=place[0],
                role=place[1],
                since=min(told.get(place, since), known.get(place, since)),
            )
            for place, since in current.items()
        )
        ever = {*self.ever, *(worker_id for worker_id, _ in (*told, *known))}
        update: dict[str, object] = {"members": members, "ever": tuple(sorted(ever))}
        if heard > self.heard:
            held = tuple(each.place for each in self.members)
            update |= {"before": held, "before_heard": self.heard}
            update |= {"heard": heard, "changed_at": changed_at}
        elif self.before_heard < heard < self.heard:
            update |= {"before": tuple(told), "before_heard": heard}
        return self.model_copy(update=update)

    def worked(self, at: datetime) -> tuple[str, ...]:
        """Everyone who worked on it at a time, also who left with what happened then.

        Whoever is to be told that a case is gone has been taken off it for that.
        """
        left = self.changed_at is not None and at <= self.changed_at
        gone = (worker_id for worker_id, _ in self.before if left)
        return tuple(dict.fromkeys((*self.workers(at), *gone)))

    def workers(self, at: datetime) -> tuple[str, ...]:
        """Everyone who worked on it at a time and does still, once.

        Whoever joined later need not be told of what they found: so a message tells
        the same people however often and late it comes.
        """
        return _once(each for each in self.members if each.since <= at)

    def successors(self, worker_id: str) -> tuple[str, ...]:
        """Who took a role, when the team last changed, that somebody had until then."""
        roles = {role for who, role in self.before if who == worker_id}
        taken = (each for each in self.members if each.place not in self.before)
        new = _once(each for each in taken if each.role in roles)
        return tuple(each for each in new if each != worker_id)

    @property
    def leading(self) -> tuple[str, ...]:
        """Who leads it for the lead agency, as far as has been heard."""
        lead = Role.LEAD_AGENCY_COORDINATOR
        return _once(each for each in self.members if each.role is lead)

    def having(self, role: Role, at: datetime) -> tuple[str, ...]:
        """Who had a role in it at a time, and has it still."""
        return _once(e for e in self.members if e.role is role and e.since <= at)


def gone(teams: Iterable[Team]) -> frozenset[str]:
    """Who worked on cases that belong together, and does on none of them any more.

    Nobody, if nobody works on any now: then the response has ended, and there is
    nothing to take over. It goes by all that was heard, not by one change: the next
    may have been heard of before that one is dealt with.
    """
    known = list(teams)
    now = {each.worker_id for team in known for each in team.members}
    ever = {worker_id for team in known for worker_id in team.ever}
    return frozenset(ever - now if now else ())


def _once(members: Iterable[Member]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each.worker_id for each in members))
