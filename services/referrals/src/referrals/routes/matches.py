"""Whether two people are one, over HTTP: asked of coordinators, and decided by them.

Both sides' values are shown, so whoever is barred from a case of either sees nothing.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Self

from accord_chassis.guard import (
    NOT_OUTREACH,
    Action,
    Asking,
    Relation,
    Resource,
    absent,
    asking,
)
from accord_chassis.service import part
from accord_contracts.message import Code, Id
from fastapi import APIRouter, Security
from pydantic import BaseModel, ConfigDict, StrictBool

from referrals import reviewing
from referrals.domain.case import Case
from referrals.domain.recognition import Person
from referrals.domain.review import NoSuchMatch, Review, Sign
from referrals.reviewing import Desk

router = APIRouter(prefix="/matches", tags=["matches"])

Desk_ = Annotated[Desk, part(Desk)]
Reviewer = Annotated[Asking, Security(asking, scopes=["referrals.match"])]

COORDINATOR = (Relation.COORDINATOR,)
SEEN = {"record": NOT_OUTREACH}
LIST_MATCHES = Action("matches.list", COORDINATOR, parts=SEEN)
READ_MATCH = Action("match.read", COORDINATOR, parts=SEEN)
DECIDE_MATCH = Action("match.decide", COORDINATOR, parts=SEEN)

NOBODYS = "00000000-0000-0000-0000-000000000000"
"""The id of no case: how a coordinator stands to the locality as a whole."""


class Decide(BaseModel):
    """Whether the two are one person, and why, as a code of the locality's."""

    model_config = ConfigDict(extra="forbid")

    same: StrictBool
    reason: Code | None = None


class MatchView(BaseModel):
    """That two people may be one, and what speaks for it and against it.

    Attributes:
        bits: Log2 of the odds that they are one.
        others: How many more the one who was met last resembles.
        crowded: Kinds of keys that so many share that not all of them were compared.
        same: What was decided; none while it waits.
    """

    match_id: Id
    people: tuple[Id, Id]
    referral_id: Id
    opened_at: datetime
    bits: float
    signs: tuple[Sign, ...]
    rules: tuple[str, ...]
    policy: str
    others: int
    crowded: tuple[str, ...]
    same: bool | None
    decided_at: datetime | None

    @classmethod
    def of(cls, held: Review) -> Self:
        """Show a question. Who decided it is in the audit log."""
        return cls(**_shown(held))


class PersonSide(BaseModel):
    """What one of two people is compared by; empty where nothing was told."""

    person_id: Id
    given_name: str = ""
    family_name: str = ""
    born: str = ""
    phones: tuple[str, ...] = ()
    identifiers: dict[str, tuple[str, ...]] = {}

    @classmethod
    def of(cls, held: Person) -> Self:
        """Show a person."""
        told = held.likeness.model_dump() if held.likeness else {}
        return cls(person_id=held.id, **told)


class MatchDetail(MatchView):
    """The same, with what both are compared by."""

    sides: tuple[PersonSide, PersonSide]


@router.get("")
async def list_matches(*, desk: Desk_, reviewer: Reviewer) -> list[MatchView]:
    """List whoever may be one and waits for a decision, longest first."""
    waiting = await desk.reviews.waiting()
    found = [
        (resource, held)
        for held, cases in await reviewing.cases_about(waiting, desk.cases)
        for resource in _resources(held, cases)
    ]
    of = absent("matches", NOBODYS)
    permitted = await reviewer.permit_each(LIST_MATCHES, found, of=of)
    seen = [held.id for held, _ in permitted]
    asked = [held.id for _, held in found]
    # Whoever is barred from one case of either sees nothing of both.
    return [
        MatchView.of(each)
        for each in waiting
        if seen.count(each.id) == asked.count(each.id)
    ]


@router.get("/{match_id}")
async def read_match(match_id: Id, *, desk: Desk_, reviewer: Reviewer) -> MatchDetail:
    """Read what both are compared by, side by side, and how it was weighed."""
    held = await _permitted(match_id, READ_MATCH, desk, reviewer)
    sides = await reviewing.both_sides(held, desk.people)
    one, other = map(PersonSide.of, sides)
    return MatchDetail(**_shown(held), sides=(one, other))


@router.post("/{match_id}/decision")
async def decide_match(
    match_id: Id, told: Decide, *, desk: Desk_, reviewer: Reviewer
) -> MatchView:
    """Decide whether the two are one person.

    Those who are different are never asked about again. That they are the same is
    recorded; nobody is changed by it yet.
    """
    await _permitted(match_id, DECIDE_MATCH, desk, reviewer)
    by = reviewer.who.subject
    decided = await reviewing.decide(
        match_id, same=told.same, reason=told.reason, by=by, desk=desk
    )
    return MatchView.of(decided)


async def _permitted(
    match_id: str, action: Action, desk: Desk, reviewer: Asking
) -> Review:
    held = await desk.reviews.get(match_id)
    resources = [absent("match", match_id)]
    if held:
        [(_, cases)] = await reviewing.cases_about([held], desk.cases)
        resources = _resources(held, cases)
    for each in resources:
        await reviewer.permit(action, each, otherwise=NoSuchMatch)
    if held is None:
        raise NoSuchMatch
    return held


def _resources(held: Review, cases: Sequence[Case]) -> list[Resource]:
    """Give it as what it is decided on: as being about each case of the two."""
    about = [Resource("match", held.id, each.id) for each in cases]
    return about or [absent("match", held.id)]


def _shown(held: Review) -> dict[str, object]:
    own = set(MatchView.model_fields) - {"match_id", "same", "decided_at"}
    answer = held.answer
    return {
        **held.model_dump(include=own),
        "match_id": held.id,
        "same": answer.same if answer else None,
        "decided_at": answer.at if answer else None,
    }
