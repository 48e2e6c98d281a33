"""A worker of the directory, and the places that they have given to roles of cases."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from accord_contracts.access import SIDES, Side
from accord_contracts.allocation import Role
from accord_contracts.problem import Refusal
from pydantic import BaseModel, ConfigDict

from allocation.domain.policy import outreach
from allocation.domain.wishes import Wishes


class NoSuchWorker(Refusal):
    """There is no such worker in the directory."""

    status = 404


class ServesBothSides(Refusal):
    """A worker cannot have roles on both sides: with who is harmed and who harms."""

    status = 422


class StillServesTheOtherSide(Refusal):
    """The worker still has places with the other side: those must end first."""


class CannotTake(Refusal):
    """The worker cannot take the role."""


NOT_IN_THE_ROLE = "The worker is not active in the role."
NO_ROOM = "The worker has no room for the role."
OTHER_SIDE = "The worker serves the other side of the case."


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
    """

    model_config = ConfigDict(frozen=True)

    case_id: str
    role: Role
    points: int
    until: datetime | None

    def lapsed(self, at: datetime) -> bool:
        """Tell whether the place is free again."""
        return self.until is not None and self.until <= at


NO_WISHES = Wishes()


@dataclass(frozen=True, slots=True)
class Need:
    """A role of a case that a worker is looked for.

    Attributes:
        points: How much of a worker's capacity it takes.
        wishes: What the person harmed asks of the worker.
        excluded: Who may not be asked: has been, serves the other side of the case, or
            is barred from it.
        named_only: The only ones who may be asked; none: anybody.
    """

    allocation_id: str
    case_id: str
    role: Role
    points: int
    wishes: Wishes = NO_WISHES
    excluded: frozenset[str] = frozenset()
    named_only: frozenset[str] | None = None

    def bars(self, worker_id: str) -> bool:
        """Tell whether a worker may not be asked."""
        unnamed = self.named_only is not None and worker_id not in self.named_only
        return unnamed or worker_id in self.excluded

    def without(self, worker_id: str) -> "Need":
        """Exclude one more worker."""
        return replace(self, excluded=self.excluded | {worker_id})


class Worker(BaseModel):
    """Somebody who can be asked to work on cases, or to be told of them.

    Attributes:
        areas: Codes of the areas they serve; none: the whole region.
        capacity: How many points of work they can carry.
        deputy: Who is asked when they are silent.
        duty_coordinator: They are the locality's coordinator on duty.
        holds: The places they have, by allocation.
        load: The points of all holds.
        lapses_at: When the next of the holds lapses, if one can.
        changed_at: When the directory was last told, in the store's time.
        leaving: The places of roles that they may have no longer, by allocation: those
            roles are still to be taken back.
        leaves_at: When the next of them are; after that, when how they are reached is
            forgotten.
        left_at: Since when they are not at work.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    roles: frozenset[Role] = frozenset()
    gender: Gender | None = None
    languages: frozenset[str] = frozenset()
    kaupapa_maori: bool = False
    areas: frozenset[str] = frozenset()
    capacity: int = 0
    email: str | None = None
    deputy: str | None = None
    team_lead: str | None = None
    duty_coordinator: bool = False
    active: bool = True
    holds: dict[str, Hold] = {}
    load: int = 0
    lapses_at: datetime | None = None
    changed_at: datetime | None = None
    leaving: tuple[str, ...] = ()
    leaves_at: datetime | None = None
    left_at: datetime | None = None

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
        """Load relative to capacity: who is asked first among equals."""
        return self.load / self.capacity if self.capacity else float("inf")

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
            }
        )

    def has(self, held: Hold) -> bool:
        """Tell whether they may have a place: they are at work, and in its role."""
        return self.active and held.role in self.roles

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
        known = self.left_at is not None and self.email is not None
        others = tuple(each for each in self.leaving if each not in looked_at)
        once_more = tuple(each for each in self.leaving if each in looked_at)
        return self.model_copy(
            update={
                "leaving": others + once_more,
                "leaves_at": again if self.leaving else forget_at if known else None,
            }
        )

    def why_not(self, need: Need, at: datetime) -> str | None:
        """Say why they cannot take a role, if they cannot.

        A place that they have for it already is no reason against it.
        """
        if not self.active or need.role not in self.roles:
            return NOT_IN_THE_ROLE
        if self._room(need.allocation_id, at) < need.points:
            return NO_ROOM
        if self._serves_other_side(need, at):
            return OTHER_SIDE
        return None

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
        return self._holding({**self._live(at), need.allocation_id: _hold(need, until)})

    def keep(self, need: Need) -> "Worker":
        """Make a place permanent, because the role was accepted.

        A place that had lapsed meanwhile is given again, even over the worker's
        capacity: they have said yes.
        """
        held = self.holds.get(need.allocation_id)
        if held and held.until is None:
            return self
        return self._holding({**self.holds, need.allocation_id: _hold(need, None)})

    def forgotten(self) -> "Worker":
        """Forget how somebody is reached who has left, unless they are back."""
        if self.left_at is None:
            return self
        return self.model_copy(update={"email": None})

    def release(self, allocation_id: str) -> "Worker":
        """Free a place."""
        if allocation_id not in self.holds:
            return self
        others = {key: held for key, held in self.holds.items() if key != allocation_id}
        return self._holding(others)

    def _room(self, allocation_id: str, at: datetime) -> int:
        """Count the points free, and those that the role itself holds."""
        lapsing = self.lapses_at is not None and self.lapses_at <= at
        load = _load(self._live(at)) if lapsing else self.load
        own = self.holds.get(allocation_id)
        return self.capacity - load + (own.points if own and not own.lapsed(at) else 0)

    def _serves_other_side(self, need: Need, at: datetime) -> bool:
        return any(
            held.case_id == need.case_id
            and outreach(held.role) != outreach(need.role)
            and not held.lapsed(at)
            for held in self.holds.values()
        )

    def _live(self, at: datetime) -> dict[str, Hold]:
        return {key: held for key, held in self.holds.items() if not held.lapsed(at)}

    def _holding(self, holds: dict[str, Hold]) -> "Worker":
        ends = [each.until for each in holds.values() if each.until is not None]
        return self.model_copy(
            update={
                "holds": holds,
                "load": _load(holds),
                "lapses_at": min(ends, default=None),
                "leaving": tuple(each for each in self.leaving if each in holds),
            }
        )


def _on_both_sides(roles: Iterable[Role]) -> bool:
    sides = {SIDES[each] for each in roles}
    return sides >= {Side.PERSON_HARMED, Side.PERSON_USING_VIOLENCE}


KEPT = ("version", "holds", "load", "lapses_at", "changed_at")
"""What is no part of what an administrator says of a worker."""


def _hold(need: Need, until: datetime | None) -> Hold:
    return Hold(case_id=need.case_id, role=need.role, points=need.points, until=until)


def _load(holds: Mapping[str, Hold]) -> int:
    return sum(each.points for each in holds.values())
