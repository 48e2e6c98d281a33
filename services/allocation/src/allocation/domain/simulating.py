"""What would happen: demand against capacity, faster than time.

The same choosing as in earnest, over workers and referrals that are given. What is
left out: everybody who is asked says yes at once, and nobody carries anything when it
begins. So waiting is for room and for hours alone, and what comes out is the least that
is to be expected.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import count

from accord_contracts.allocation import Role
from accord_contracts.calendar import Shown
from accord_contracts.risk import RiskLevel

from allocation.domain.choosing import Choice, choose
from allocation.domain.directory import Worker
from allocation.domain.need import Need
from allocation.domain.policy import Policy, Stage, outreach
from allocation.domain.walls import Walls
from allocation.domain.wishes import NO_WISHES, Wishes

LOOK_AGAIN = timedelta(minutes=30)
"""How often somebody is looked for again while nobody who is at work has room."""

IN_TIME = 0.95
"""The share of roles that must be filled in time for there to be enough workers: what a
locality may promise. An assumption."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A case that needs its roles.

    Attributes:
        days: For how long each of them is needed.
    """

    at: datetime
    level: RiskLevel
    days: float
    wishes: Wishes = NO_WISHES


@dataclass(frozen=True, slots=True)
class Waiting:
    """A role that was wanted, and what became of it.

    Attributes:
        filled_at: When somebody took it; none: nobody did.
        unmet: The wishes that whoever took it does not meet, each with the reason.
    """

    role: Role
    level: RiskLevel
    since: datetime
    need: Need
    days: float
    filled_at: datetime | None = None
    unmet: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What would happen.

    Attributes:
        roles: Every role that was wanted.
        until: When the time simulated ended.
        fullness: By worker, the share of their points that they carried on average.
    """

    roles: tuple[Waiting, ...]
    until: datetime
    fullness: Mapping[str, float]

    def hours(self, level: RiskLevel) -> list[float]:
        """Give the hours until each role at a level was filled, the shortest first.

        Those that nobody took have waited until the end.
        """
        ends = ((e.filled_at or self.until) - e.since for e in self._of(level))
        return sorted(each.total_seconds() / 3600 for each in ends)

    def breaches(self, policy: Policy, role: Role | None = None) -> int:
        """Count the roles that were not filled in time, of one kind or of all."""
        return sum(
            (each.filled_at or self.until) > policy.assign_by(each.since, each.level)
            for each in self.roles
            if role in {None, each.role}
        )

    @property
    def unmet(self) -> Counter[str]:
        """Count the wishes that were not met, with the reason of each."""
        return Counter(wish for each in self.roles for wish in each.unmet)

    def _of(self, level: RiskLevel) -> Iterable[Waiting]:
        return (each for each in self.roles if each.level is level)


@dataclass(slots=True)
class _Run:
    """One run: who carries what, and what waits."""

    policy: Policy
    workers: dict[str, Worker]
    until: datetime
    walls: dict[str, Walls] = field(default_factory=lambda: defaultdict(Walls))
    waiting: list[Waiting] = field(default_factory=list)
    filled: list[Waiting] = field(default_factory=list)
    carried: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    def fill(self, at: datetime) -> list[tuple[datetime, str, str]]:
        """Fill what can be filled, the highest level first; give what ends when."""
        ends, left, no_room = [], list[Waiting](), set[tuple[Role, int, bool]]()
        for each in sorted(self.waiting, key=lambda e: (-e.level.rank, e.since)):
            kind = (each.role, each.need.points, each.level.urgent)
            found = None if kind in no_room else self._choose(each, at)
            if found is None:
                if kind not in no_room and not self._has_room(each, at):
                    # Whoever has no room for it has none for the next of its kind.
                    no_room.add(kind)
                left.append(each)
                continue
            until = at + timedelta(days=each.days)
            ends.append((until, found.worker_id, each.need.allocation_id))
            unmet = tuple(f"{wish}_{why}" for wish, why in sorted(found.unmet.items()))
            self.filled.append(replace(each, filled_at=at, unmet=unmet))
            self.carried[found.worker_id] += (
                _seconds(at, min(until, self.until)) * each.need.points
            )
        self.waiting = left
        return ends

    def _choose(self, wanted: Waiting, at: datetime) -> Choice | None:
        walls = self.walls[wanted.need.case_id]
        need = replace(self._need(wanted, at), walls=walls.against(wanted.role))
        found = choose(self._in_order(wanted.role), need, self.policy, at)
        if found is None:
            return None
        taken = self.workers[found.worker_id].reserve(need, at, at).keep(need)
        self.workers[found.worker_id] = taken
        if found.wall is not None:
            self.walls[need.case_id] = walls.asked(wanted.role, found.wall)
        return found

    def _has_room(self, wanted: Waiting, at: datetime) -> bool:
        """Tell whether somebody could take it, were it a case that none serves yet."""
        need = replace(self._need(wanted, at), case_id="")
        return any(
            each.why_not(need, at) is None for each in self._in_order(wanted.role)
        )

    def _need(self, wanted: Waiting, at: datetime) -> Need:
        urgent = wanted.level.urgent
        shown = Shown.of(at, self.policy.zone) if urgent else None
        return replace(wanted.need, shown=shown)

    def _in_order(self, role: Role) -> list[Worker]:
        in_role = (each for each in self.workers.values() if role in each.roles)
        return sorted(in_role, key=lambda each: (each.fullness, each.id))

    def end(self, worker_id: str, allocation_id: str) -> None:
        """Free the place of a role that is over."""
        self.workers[worker_id] = self.workers[worker_id].release(allocation_id)


def simulate(
    workers: Iterable[Worker],
    arrivals: Sequence[Arrival],
    policy: Policy,
    until: datetime,
) -> Outcome:
    """Run demand against capacity.

    The same workers, arrivals and policy give the same outcome.

    Args:
        workers: Who is there.
        arrivals: What comes, in any order.
        policy: Which roles each level needs, and how somebody is chosen.
        until: When to stop.
    """
    run = _Run(policy, {each.id: each for each in workers}, until)
    coming = sorted(arrivals, key=lambda each: each.at)
    if not coming:
        return Outcome((), until, {})
    number = count()
    queue: list[tuple[datetime, int, object]] = []
    for case, each in enumerate(coming):
        heappush(queue, (each.at, next(number), (str(case), each)))
    look_at: datetime | None = None
    # Where everybody is always there, only what ends gives anybody room.
    by_the_clock = any(e.hours or e.absences for e in run.workers.values())
    while queue and queue[0][0] <= until:
        at, _, what = heappop(queue)
        match what:
            case (str() as case_id, Arrival() as arrival):
                run.waiting += _wanted(case_id, arrival, policy)
            case (str() as worker_id, str() as allocation_id):
                run.end(worker_id, allocation_id)
            case _:
                look_at = None
        for ends, worker_id, allocation_id in run.fill(at):
            heappush(queue, (ends, next(number), (worker_id, allocation_id)))
        if run.waiting and look_at is None and by_the_clock:
            look_at = at + LOOK_AGAIN
            heappush(queue, (look_at, next(number), None))
    span = _seconds(coming[0].at, until) or 1.0
    fullness = {
        each.id: run.carried[each.id] / (span * each.capacity) if each.capacity else 0.0
        for each in run.workers.values()
    }
    return Outcome((*run.filled, *run.waiting), until, fullness)


def _wanted(case_id: str, arrival: Arrival, policy: Policy) -> list[Waiting]:
    """Give the roles that a case needs."""
    hers = arrival.wishes, policy.kilometres.get(arrival.wishes.area or "", {})
    told = {role: (NO_WISHES, {}) if outreach(role) else hers for role in Role}
    return [
        Waiting(
            role,
            arrival.level,
            arrival.at,
            Need(
                allocation_id=f"{case_id}/{role}",
                case_id=case_id,
                role=role,
                points=policy.points[arrival.level][Stage.IN_RESPONSE],
                wishes=told[role][0],
                urgent=arrival.level.urgent,
                distances=told[role][1],
            ),
            arrival.days,
        )
        for role in policy.roles[arrival.level]
    ]


def needed(
    workers: Sequence[Worker],
    arrivals: Sequence[Arrival],
    policy: Policy,
    until: datetime,
) -> dict[Role, int]:
    """Say how many full-time workers more each role needs to be filled in time.

    So many that all roles of each kind but one in twenty are filled in time, or as many
    as there are roles to fill: doubled until it is enough, then halved between too few
    and enough. All kinds are looked for at once, as if more of one kind changed nothing
    for another. Where workers are in several it does; so what was found is tried
    together, with one more of each kind that is late, until none is. Where nobody is in
    several, it is the least number.
    """
    wanted = Counter(role for each in arrivals for role in policy.roles[each.level])

    def late_with(more: Mapping[Role, int]) -> set[Role]:
        team = [*workers, *_added(more, policy)]
        outcome = simulate(team, arrivals, policy, until)
        return {
            role
            for role, number in more.items()
            if outcome.breaches(policy, role) > (1 - IN_TIME) * wanted[role]
            and number < wanted[role]
        }

    few, enough = dict.fromkeys(wanted, -1), dict[Role, int]()
    trying = dict.fromkeys(wanted, 0)
    while trying:
        late = late_with({**enough, **trying})
        for role, number in trying.items():
            (few if role in late else enough)[role] = number
        trying = {
            role: (few[role] + enough[role]) // 2
            if role in enough
            else min(max(1, 2 * few[role]), wanted[role])
            for role in trying
            if enough.get(role) != few[role] + 1
        }
    while late := late_with(enough):
        enough |= {role: enough[role] + 1 for role in late}
    return {role: enough[role] for role in sorted(wanted)}


def _added(more: Mapping[Role, int], policy: Policy) -> list[Worker]:
    """Make so many full-time workers of each role."""
    points = policy.full_time.points
    return [
        Worker(id=f"added-{role}-{number}", roles=frozenset({role}), capacity=points)
        for role, many in more.items()
        for number in range(many)
    ]


def _seconds(since: datetime, until: datetime) -> float:
    return (until - since).total_seconds()
