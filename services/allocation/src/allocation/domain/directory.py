"""A worker of the directory, and the places that they have given to roles of cases."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum

from accord_contracts.access import SIDES, Side
from accord_contracts.allocation import Role
from accord_contracts.calendar import Window
from accord_contracts.problem import Refusal
from pydantic import BaseModel, ConfigDict

from allocation.domain.availability import (
    WEEK,
    WHOLE,
    Absence,
    away_within,
    percent_at,
)
from allocation.domain.need import AGAINST_WISH, LISTED, Need


class NoSuchWorker(Refusal):
    """There is no such worker in the directory."""

    status = 404


class NoSuchPlace(Refusal):
    """The locality's policy names no such place to start from."""

    status = 422


class ServesBothSides(Refusal):
    """A worker cannot have roles on both sides: with who is harmed and who harms."""

    status = 422


class StillServesTheOtherSide(Refusal):
    """The worker still has places with the other side: those must end first."""


class CannotTake(Refusal):
    """The worker cannot take the role."""


NOT_IN_THE_ROLE = "The worker is not active in the role."
ON_LEAVE = "The worker is away."
LEAVES = "The worker is away before they would have to have answered."
OFF_DUTY = "The worker is not at work now, and nobody waits until they are."
NO_ROOM = "The worker has no room for the role."
SAME_COMPARTMENT = "The worker's compartment serves the other side of the case."
OTHER_SIDE = "The worker serves the other side, here or in a case of the same people."


class Gender(StrEnum):
    """A worker's gender, as they give it."""

    WOMAN = "woman"
    MAN = "man"
    ANOTHER = "another"


class Hold(BaseModel):
    """A place that a worker has for a role of a case.

    Attributes:
        until: When the place is free again if nothing more is heard of the offer; none
            once the role was accepted.
        since: When it was given.
        urgent: It is for a role at a high level.
    """

    model_config = ConfigDict(frozen=True)

    case_id: str
    role: Role
    points: int
    until: datetime | None
    since: datetime | None = None
    urgent: bool = False

    def lapsed(self, at: datetime) -> bool:
        """Tell whether the place is free again."""
        return self.until is not None and self.until <= at


class Worker(BaseModel):
    """Somebody who can be asked to work on cases, or to be told of them.

    Attributes:
        provider: Code of the organisation that they work for: of an agency, its code in
            the register.
        team: Code of their team.
        compartment: Code of the part of it that they belong to, where one part of a
            team serves those who are harmed and another those who harm.
        skills: Codes of what they are trained in.
        iwi: Codes of the iwi that they have links with.
        communities: Codes of other communities that they have links with.
        areas: Codes of the areas they serve; none: the whole region.
        base: Code of the place that they start from: never where they live.
        hours: When they are at work; none: at any time.
        contracted_hours: For how many hours each week they are employed.
        absences: When they are away, or can do less.
        capacity: How many points of work they can carry in the hours they are
            contracted for, when nothing is taken off.
        deputy: Who is asked when they are silent.
        duty_coordinator: They are the locality's coordinator on duty.
        holds: The places they have, by allocation.
        load: The points of all holds.
        urgent_load: The points of those at a high level.
        oldest_at: When the first of the holds was given, if that is known of all.
        lapses_at: When the next of the holds lapses, if one can.
        changed_at: When the directory was last told, in the store's time.
        leaving: The places of roles that they may have no longer, by allocation: those
            roles are still to be taken back.
        leaves_at: When the next of them are; after that, when how they are reached is
            forgotten.
        left_at: Since when they are not at work.
        leave_told: It was told once when they are away, so it is told ever after.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    roles: frozenset[Role] = frozenset()
    gender: Gender | None = None
    languages: frozenset[str] = frozenset()
    kaupapa_maori: bool = False
    provider: str | None = None
    team: str | None = None
    compartment: str | None = None
    skills: frozenset[str] = frozenset()
    iwi: frozenset[str] = frozenset()
    communities: frozenset[str] = frozenset()
    areas: frozenset[str] = frozenset()
    base: str | None = None
    hours: tuple[Window, ...] = ()
    contracted_hours: float | None = None
    absences: tuple[Absence, ...] = ()
    capacity: int = 0
    email: str | None = None
    mobile: str | None = None
    deputy: str | None = None
    team_lead: str | None = None
    duty_coordinator: bool = False
    active: bool = True
    holds: dict[str, Hold] = {}
    load: int = 0
    urgent_load: int = 0
    oldest_at: datetime | None = None
    lapses_at: datetime | None = None
    changed_at: datetime | None = None
    leaving: tuple[str, ...] = ()
    leaves_at: datetime | None = None
    left_at: datetime | None = None
    leave_told: bool = False

    @property
    def own_side(self) -> Side | None:
        """Whom their roles have them serve; whoever meets the one who harms: them."""
        sides = {SIDES[each] for each in self.roles}
        for side in (Side.PERSON_USING_VIOLENCE, Side.PERSON_HARMED, Side.WHOLE_CASE):
            if side in sides:
                return side
        return None

    @property
    def fullness(self) -> float:
        """Load relative to capacity when nothing is taken off."""
        return self.load / self.capacity if self.capacity else float("inf")

    @property
    def wall(self) -> str | None:
        """Their compartment, or their whole team if it has none."""
        return f"{self.team}.{self.compartment or ''}" if self.team else None

    def capacity_at(self, at: datetime) -> int:
        """Give the points they can carry at a time: of somebody who is away, none."""
        if not self.absences:
            return self.capacity
        return self.capacity * percent_at(self.absences, at) // WHOLE

    def given_lately(self, at: datetime) -> int:
        """Add up the points of the places that they were given in the past week."""
        # Hundreds are asked for each placement, and mostly it is all of them.
        if self.oldest_at is not None and self.oldest_at > at - WEEK:
            return self.load
        return sum(
            each.points
            for each in self.holds.values()
            if each.since is not None and each.since > at - WEEK
        )

    def at_work(self, need: Need) -> bool:
        """Tell whether they are at work, if the role cannot wait until they are."""
        if need.shown is None or not self.hours or self.id in need.on_call:
            return True
        return any(each.contains(need.shown) for each in self.hours)

    def check(self) -> None:
        """See that their roles do not have them serve both sides.

        Raises:
            ServesBothSides: They do.
        """
        if _on_both_sides(self.roles):
            raise ServesBothSides

    def replaced_by(self, other: "Worker", at: datetime) -> "Worker":
        """Give what the directory now says of them, with the places they have.

        Raises:
            StillServesTheOtherSide: They would change sides in the middle of a case.
        """
        serving = {each.role for each in self._live(at).values()}
        if _on_both_sides(serving | other.roles):
            raise StillServesTheOtherSide
        told = other.model_copy(update={each: getattr(self, each) for each in KEPT})
        leaving = tuple(key for key, held in self.holds.items() if not told.has(held))
        left_at = None if told.active else self.left_at or at
        due = leaving or left_at
        return told.model_copy(
            update={
                "leaving": leaving,
                "leaves_at": at if due else None,
                "left_at": left_at,
                "leave_told": self.leave_told or bool(self.absences or told.absences),
            }
        )

    def has(self, held: Hold) -> bool:
        """Tell whether they may have a place: they are at work, and in its role."""
        return self.serves(held.role)

    def serves(self, role: Role) -> bool:
        """Tell whether they are at work in a role."""
        return self.active and role in self.roles

    def went_through(
        self, looked_at: Collection[str], again: datetime, forget_at: datetime | None
    ) -> "Worker":
        """Note which of the roles to be taken back were looked at.

        Those whose place is not free yet are looked at again, after all others.

        Args:
            looked_at: The allocations.
            again: When the next are looked at.
            forget_at: When how they are reached is forgotten, if they have left.
        """
        known = self.left_at is not None and bool(self.email or self.mobile)
        others = tuple(each for each in self.leaving if each not in looked_at)
        once_more = tuple(each for each in self.leaving if each in looked_at)
        return self.model_copy(
            update={
                "leaving": others + once_more,
                "leaves_at": again if self.leaving else forget_at if known else None,
            }
        )

    def why_not(self, need: Need, at: datetime) -> str | None:
        """Say why they cannot take a role, if they cannot: the first reason."""
        return next(self.against(need, at), None)

    def against(self, need: Need, at: datetime) -> Iterator[str]:
        """Give every reason why they cannot take a role.

        A place that they have for it already is no reason against it.
        """
        if not self.active or need.role not in self.roles:
            yield NOT_IN_THE_ROLE
        if self.provider in need.barred_agencies:
            yield LISTED
        if self.provider in need.not_told and not need.against_wish:
            yield AGAINST_WISH
        if self.absences and percent_at(self.absences, at) == 0:
            yield ON_LEAVE
        elif not need.beyond and not self.has_room(need, at):
            yield NO_ROOM
        if self.absences and self._leaves(need, at):
            yield LEAVES
        if need.walls and self.wall in need.walls:
            yield SAME_COMPARTMENT
        if self.holds and self.opposed(need, at):
            yield OTHER_SIDE
        if not self.at_work(need):
            yield OFF_DUTY

    def reserve(self, need: Need, until: datetime, at: datetime) -> "Worker":
        """Give a place to a role until a time, and free the places that have lapsed.

        Doing it again only changes the time.

        Raises:
            CannotTake: They cannot take the role.
        """
        held = self.holds.get(need.allocation_id)
        if held and held.until is None:
            return self
        if reason := self.why_not(need, at):
            raise CannotTake(reason)
        since = held.since if held and not held.lapsed(at) else at
        new = _hold(need, until=until, since=since)
        return self._holding({**self._live(at), need.allocation_id: new})

    def keep(self, need: Need) -> "Worker":
        """Make a place permanent, because the role was accepted.

        A place that had lapsed meanwhile is given again, even over the worker's
        capacity: they have said yes.
        """
        held = self.holds.get(need.allocation_id)
        if held and held.until is None:
            return self.weigh_anew(need)
        since = held.since if held else None
        kept = _hold(need, until=None, since=since)
        return self._holding({**self.holds, need.allocation_id: kept})

    def weigh_anew(self, need: Need) -> "Worker":
        """Have a place count as its role does now, even over the worker's capacity.

        Nobody is asked anew: they have the role, or are asked for it.
        """
        held = self.holds.get(need.allocation_id)
        if held is None:
            return self
        weighed = {"points": need.points, "urgent": need.urgent}
        new = held.model_copy(update=weighed)
        if new == held:
            return self
        return self._holding({**self.holds, need.allocation_id: new})

    def forgotten(self) -> "Worker":
        """Forget how somebody is reached who has left, unless they are back."""
        if self.left_at is None:
            return self
        return self.model_copy(update={"email": None, "mobile": None})

    def release(self, allocation_id: str) -> "Worker":
        """Free a place."""
        if allocation_id not in self.holds:
            return self
        others = {key: held for key, held in self.holds.items() if key != allocation_id}
        return self._holding(others)

    def has_room(self, need: Need, at: datetime) -> bool:
        """Tell whether they have room for a role, or its place already."""
        return self._room(need.allocation_id, at) >= need.points

    def _room(self, allocation_id: str, at: datetime) -> int:
        """Count the points free, and those that the role itself holds."""
        lapsing = self.lapses_at is not None and self.lapses_at <= at
        load = _load(self._live(at)) if lapsing else self.load
        own = self.holds.get(allocation_id)
        room = self.capacity_at(at) - load
        return room + (own.points if own and not own.lapsed(at) else 0)

    def _leaves(self, need: Need, at: datetime) -> bool:
        """Tell whether they go away before an answer is due that cannot wait."""
        if need.answer_by is None or percent_at(self.absences, at) == 0:
            return False
        return bool(away_within(self.absences, at, need.answer_by))

    def opposed(self, need: Need, at: datetime) -> bool:
        """Tell whether they serve the other side, here or where the same people are."""
        return any(
            need.opposes(held.case_id, held.role) and not held.lapsed(at)
            for held in self.holds.values()
        )

    def _live(self, at: datetime) -> dict[str, Hold]:
        return {key: held for key, held in self.holds.items() if not held.lapsed(at)}

    def _holding(self, holds: dict[str, Hold]) -> "Worker":
        ends = [each.until for each in holds.values() if each.until is not None]
        given = [each.since for each in holds.values()]
        known = [each for each in given if each is not None]
        return self.model_copy(
            update={
                "holds": holds,
                "load": _load(holds),
                "urgent_load": _load(holds, urgent=True),
                "oldest_at": min(known, default=None) if known == given else None,
                "lapses_at": min(ends, default=None),
                "leaving": tuple(each for each in self.leaving if each in holds),
            }
        )


def _on_both_sides(roles: Iterable[Role]) -> bool:
    sides = {SIDES[each] for each in roles}
    return sides >= {Side.PERSON_HARMED, Side.PERSON_USING_VIOLENCE}


KEPT = (
    "version",
    "holds",
    "load",
    "urgent_load",
    "oldest_at",
    "lapses_at",
    "changed_at",
)
"""What is no part of what an administrator says of a worker."""


def _hold(need: Need, *, until: datetime | None, since: datetime | None) -> Hold:
    return Hold(
        case_id=need.case_id,
        role=need.role,
        points=need.points,
        until=until,
        since=since,
        urgent=need.urgent,
    )


def _load(holds: Mapping[str, Hold], *, urgent: bool = False) -> int:
    return sum(each.points for each in holds.values() if each.urgent or not urgent)
