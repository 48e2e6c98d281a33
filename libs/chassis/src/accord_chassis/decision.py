"""Who may do what with which record, and which parts of it: one pure decision.

The order is that of RELIABILITY (c): purpose, hard denials, which beat everything, then
the relation to the record, then its parts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from accord_contracts.access import NO_CASE, ClosedToChange, Purpose, Side, Standing
from accord_contracts.problem import Refusal

from accord_chassis.access import Caller


class Purposeless(Refusal):
    """This cannot be done for that purpose."""

    status = 403


class Relation(StrEnum):
    """Why somebody has to do with a record."""

    OWNER = "owner"
    TEAM = "team"
    COORDINATOR = "coordinator"
    GLASS = "glass"
    SCOPE = "scope"
    """The token's scope is for this alone: an administrator."""
    SERVICE = "service"
    """Another service asks, under its own token: no person, and no agency."""


ANYBODY = frozenset(Side)
NOT_OUTREACH = frozenset({Side.PERSON_HARMED, Side.WHOLE_CASE})
"""Whoever may know where the person harmed is, and what they say."""

LEADS = frozenset({Side.WHOLE_CASE})


@dataclass(frozen=True, slots=True)
class Action:
    """Something that may be done with a kind of record.

    Attributes:
        name: ``<record>.<verb>``, as the audit log has it.
        relations: Who may do it; the first that holds counts.
        parts: The record's parts, and whoever's side may see or change each.
        glass: The parts that a broken glass shows.
        purposes: What it may be done for; the first is meant when none is named.
        outlasts: It is done to a case that was transferred too, though it changes
            something: it keeps no work going, or the law asks for it.
        of_this_case: Whom somebody serves or has served in this case counts, and not
            whom their roles have them serve in any.
    """

    name: str
    relations: tuple[Relation, ...]
    parts: Mapping[str, frozenset[Side]] = field(
        default_factory=lambda: {"record": ANYBODY}
    )
    glass: frozenset[str] = frozenset()
    purposes: tuple[Purpose, ...] = (
        Purpose.PLAN,
        Purpose.ASSESSMENT,
        Purpose.PROTECTION,
    )
    outlasts: bool = False
    of_this_case: bool = False


@dataclass(frozen=True, slots=True)
class Resource:
    """A record, as far as deciding about it goes.

    Attributes:
        kind: Which kind of record.
        id: Which of them.
        case_id: The case that it is about, if it is about one.
        agency: The agency whose it is.
        workers: The workers whose it is.
    """

    kind: str
    id: str
    case_id: str | None = None
    agency: str | None = None
    workers: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Permit:
    """Something may be done.

    Attributes:
        rule: The relation that allows it.
        parts: Of the record: these and no others.
        glass_id: The broken glass through which it is seen.
        skills: What the asker is trained in, by the directory.
    """

    rule: str
    parts: frozenset[str]
    glass_id: str | None = None
    skills: frozenset[str] = frozenset()

    def __contains__(self, part: str) -> bool:
        return part in self.parts


@dataclass(frozen=True, slots=True)
class Denial:
    """Something may not be done.

    Attributes:
        rule: Which rule says so. Only the audit log learns it.
        told: How the asker is told so, where it is no secret to them that the record
            exists.
    """

    rule: str
    told: type[Refusal] | None = None


def decide(
    who: Caller,
    action: Action,
    resource: Resource,
    purpose: Purpose,
    *,
    standing: Standing | None,
    at: datetime,
    changes: bool = False,
) -> Permit | Denial:
    """Decide whether somebody may do something with a record, and with which parts.

    Args:
        who: Who asks, with the scope of the route.
        action: What they would do.
        resource: With which record.
        purpose: What for.
        standing: How they stand to the record's case, or to ``NO_CASE``; none if a
            program asks, or somebody in no directory about no case.
        at: When.
        changes: They would change something, and not only read.
    """
    if purpose not in action.purposes:
        return Denial("purpose", told=Purposeless)
    if about := asked_about(who, resource):
        if standing is None or standing.case_id != about:
            return Denial("standing_unknown")
        if barred := _bar(who, standing):
            return Denial(barred)
    if who.worker is None or resource.case_id is None:
        # Whoever is in no directory stands to no case, but may be on its lists.
        standing = None
    relation = _relation(who, action, resource, standing, at)
    if relation is None:
        return Denial("no_relation")
    if standing and action.of_this_case:
        standing = standing.model_copy(update={"own_side": None})
    seen = frozenset(
        part
        for part, sides in action.parts.items()
        if sides & _sides(relation, standing)
        and (relation is not Relation.GLASS or part in action.glass)
    )
    closed = standing is not None and standing.transferred and not action.outlasts
    if not seen or (closed and changes):
        gone = Denial("transferred", told=ClosedToChange)
        return gone if seen else Denial("compartment")
    glass = standing.glass if standing and relation is Relation.GLASS else None
    skills = standing.skills if standing else frozenset[str]()
    return Permit(relation.value, seen, glass.id if glass else None, skills)


def asked_about(who: Caller, resource: Resource) -> str | None:
    """Name the case to which it must be known how somebody stands; none: to none.

    A worker must be at work whatever they ask for: also what is about no case.
    """
    if who.is_machine:
        return None
    return resource.case_id or (NO_CASE if who.worker else None)


def _bar(who: Caller, standing: Standing) -> str | None:
    """Name the rule by which somebody may have nothing to do with a case, if any."""
    if who.worker is None:
        return "excluded" if standing.excluded else None
    return hard_denial(standing)


def hard_denial(standing: Standing) -> str | None:
    """Name the rule by which a worker may have nothing to do with a case, if any.

    Nothing overrides it: no role, no relation, no broken glass.
    """
    denials = {
        "inactive": not standing.active,
        "conflict": standing.conflict,
        "excluded": standing.excluded,
        "restricted": standing.unlisted,
    }
    return next((rule for rule, holds in denials.items() if holds), None)


def kept_from(standing: Standing, sides: frozenset[Side]) -> str | None:
    """Name the rule by which a worker may not be told of something in a case, if any.

    Args:
        standing: How they stand to the case.
        sides: Whose side one must see the case from to be told.
    """
    if barred := hard_denial(standing):
        return barred
    return None if sides & _sides(Relation.OWNER, standing) else "compartment"


def _relation(
    who: Caller,
    action: Action,
    resource: Resource,
    standing: Standing | None,
    at: datetime,
) -> Relation | None:
    glass = standing.glass if standing else None
    holds = {
        Relation.OWNER: (who.agency is not None and who.agency == resource.agency)
        or who.worker in resource.workers,
        Relation.TEAM: standing is not None and bool(standing.sides),
        Relation.COORDINATOR: standing is not None and standing.coordinator,
        Relation.GLASS: glass is not None and glass.until > at,
        Relation.SCOPE: True,
        Relation.SERVICE: who.is_service,
    }
    return next((each for each in action.relations if holds[each]), None)


def _sides(relation: Relation, standing: Standing | None) -> frozenset[Side]:
    """Say whose side somebody sees a record from.

    Whoever serves the person using violence, or ever has in this case, sees it from
    there alone, whatever else they are.
    """
    if standing is None:
        return ANYBODY
    served = standing.sides | standing.served
    if Side.PERSON_USING_VIOLENCE in served or (
        standing.own_side is Side.PERSON_USING_VIOLENCE
    ):
        return frozenset({Side.PERSON_USING_VIOLENCE})
    if relation is Relation.COORDINATOR or standing.coordinator:
        return NOT_OUTREACH
    return standing.sides or NOT_OUTREACH
