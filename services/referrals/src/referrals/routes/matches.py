"""Whether two people are one, over HTTP: asked of coordinators, and decided by them.

Both sides' values are shown, so whoever is barred from a case of either sees nothing,
nor whoever is barred from one of somebody who is one with either.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Self

from accord_chassis.decision import NOT_OUTREACH, Action, Relation, Resource
from accord_chassis.guard import Asking, absent, asking
from accord_chassis.service import part
from accord_contracts.access import NO_CASE
from accord_contracts.message import Code, Id
from fastapi import APIRouter, Security
from pydantic import BaseModel, ConfigDict, StrictBool

from referrals import reviewing
from referrals.domain.case import Case
from referrals.domain.recognition import Person
from referrals.domain.request import Identity
from referrals.domain.review import NoSuchMatch, Review, Sign, review_id
from referrals.reviewing import Desk

router = APIRouter(prefix="/matches", tags=["matches"])

Desk_ = Annotated[Desk, part(Desk)]
Reviewer = Annotated[Asking, Security(asking, scopes=["referrals.match"])]

COORDINATOR = (Relation.COORDINATOR,)
SEEN = {"record": NOT_OUTREACH}
LIST_MATCHES = Action("matches.list", COORDINATOR, parts=SEEN)
READ_MATCH = Action("match.read", COORDINATOR, parts=SEEN)
DECIDE_MATCH = Action("match.decide", COORDINATOR, parts=SEEN, outlasts=True)
ASK_MATCH = Action("match.ask", COORDINATOR, parts=SEEN, outlasts=True)
TAKE_BACK_MATCH = Action("match.take_back", COORDINATOR, parts=SEEN, outlasts=True)


class Decide(BaseModel):
    """Whether the two are one person, and why, as a code of the locality's."""

    model_config = ConfigDict(extra="forbid")

    same: StrictBool
    reason: Code | None = None


class AskMatch(BaseModel):
    """Two people who may be one, whom no weighing has brought together."""

    model_config = ConfigDict(extra="forbid")

    people: tuple[Id, Id]


class TakeBack(BaseModel):
    """Why a decision is taken back, as a code of the locality's."""

    model_config = ConfigDict(extra="forbid")

    reason: Code


class MatchView(BaseModel):
    """That two people may be one, and what speaks for it and against it.

    Attributes:
        referral_id: In which the one was met; none: a coordinator has asked.
        bits: Log2 of the odds that they are one.
        others: How many more the one who was met last resembles.
        crowded: Kinds of keys that so many share that not all of them were compared.
        same: What was decided; none while it waits.
        one: They are one. The same and not one: a second person must say so.
        contradicts: Registers that know the two by different codes.
    """

    match_id: Id
    people: tuple[Id, Id]
    referral_id: Id | None
    opened_at: datetime
    bits: float
    signs: tuple[Sign, ...]
    rules: tuple[str, ...]
    policy: str
    others: int
    crowded: tuple[str, ...]
    same: bool | None
    decided_at: datetime | None
    one: bool
    contradicts: tuple[str, ...]

    @classmethod
    def of(cls, held: Review) -> Self:
        """Show a question. Who decided it is in the audit log."""
        return cls(**_shown(held))


class PersonSide(BaseModel):
    """What one of two people is compared by; empty where nothing was told.

    Attributes:
        names: Given and family, of every telling, if they were told of by several.
    """

    person_id: Id
    given_name: str = ""
    family_name: str = ""
    names: tuple[tuple[str, str], ...] = ()
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


class Decided(MatchView):
    """The same, with what may have to be decided next.

    Attributes:
        cases: Theirs, that are not merged yet: perhaps they are one household.
    """

    cases: tuple[Id, ...]


@router.get("")
async def list_matches(*, desk: Desk_, reviewer: Reviewer) -> list[MatchView]:
    """List whoever may be one and waits for a decision, longest first."""
    waiting = await desk.reviews.waiting()
    cases = await reviewing.cases_about([each.people for each in waiting], desk)
    found = [
        (resource, held)
        for held, about in zip(waiting, cases, strict=True)
        for resource in _resources(held.id, about)
    ]
    of = absent("matches", NO_CASE)
    permitted = await reviewer.permit_each(LIST_MATCHES, found, of=of)
    seen = [held.id for held, _ in permitted]
    asked = [held.id for _, held in found]
    # Whoever is barred from one case of either sees nothing of both.
    return [
        MatchView.of(each)
        for each in waiting
        if seen.count(each.id) == asked.count(each.id)
    ]


@router.post("", status_code=201)
async def ask_match(told: AskMatch, *, desk: Desk_, reviewer: Reviewer) -> MatchDetail:
    """Ask whether two people are one whom no weighing has brought together.

    Nothing is decided by it; asked again, it gives what was asked before.
    """
    match_id = review_id(*told.people)
    [cases] = await reviewing.cases_about([told.people], desk)
    await _permit(ASK_MATCH, _resources(match_id, cases), reviewer)
    held = await reviewing.ask(*told.people, desk)
    sides = await reviewing.both_sides(held, desk.people)
    [about, *_] = _resources(held.id, cases)
    await reviewer.note_namesakes(_names(sides), about)
    return _detail(held, sides)


@router.get("/{match_id}")
async def read_match(match_id: Id, *, desk: Desk_, reviewer: Reviewer) -> MatchDetail:
    """Read what both are compared by, side by side, and how it was weighed."""
    held, cases = await _permitted(match_id, READ_MATCH, desk, reviewer)
    sides = await reviewing.both_sides(held, desk.people)
    [about, *_] = _resources(held.id, cases)
    await reviewer.note_namesakes(_names(sides), about)
    return _detail(held, sides)


@router.post("/{match_id}/decision")
async def decide_match(
    match_id: Id, told: Decide, *, desk: Desk_, reviewer: Reviewer
) -> Decided:
    """Decide whether the two are one person.

    Those who are one are looked back at as one, and what is unsafe for the one is
    unsafe for the other; nothing that was told of either moves. Those who are different
    are told from each other. Where a register knows them by different codes, it takes
    a second person to say that they are one. Either can be taken back.
    """
    _, cases = await _permitted(match_id, DECIDE_MATCH, desk, reviewer)
    decided = await reviewing.decide(
        match_id, same=told.same, reason=told.reason, by=_who(reviewer), desk=desk
    )
    apart = [each.id for each in cases if decided.one and not each.merged_into]
    return Decided(**_shown(decided), cases=tuple(apart) if len(apart) > 1 else ())


@router.post("/{match_id}/reversal")
async def take_back_match(
    match_id: Id, told: TakeBack, *, desk: Desk_, reviewer: Reviewer
) -> MatchView:
    """Take back what was decided: the two are as they were before, and it waits again.

    What was referred meanwhile stays with whom it was about.
    """
    await _permitted(match_id, TAKE_BACK_MATCH, desk, reviewer)
    held = await reviewing.take_back(match_id, told.reason, _who(reviewer), desk)
    return MatchView.of(held)


async def _permitted(
    match_id: str, action: Action, desk: Desk, reviewer: Asking
) -> tuple[Review, list[Case]]:
    held = await desk.reviews.asked(match_id)
    cases: list[Case] = []
    if held:
        [cases] = await reviewing.cases_about([held.people], desk)
    await _permit(action, _resources(match_id, cases), reviewer)
    if held is None:
        raise NoSuchMatch
    return held, cases


def _detail(held: Review, sides: Sequence[Person]) -> MatchDetail:
    """Show both sides."""
    one, other = map(PersonSide.of, sides)
    return MatchDetail(**_shown(held), sides=(one, other))


def _names(sides: Sequence[Person]) -> list[str]:
    """Give every family name by which two people were told of."""
    told = (each.likeness.family_names for each in sides if each.likeness)
    return [name for each in told for name in each]


async def _permit(
    action: Action, resources: Sequence[Resource], reviewer: Asking
) -> None:
    await reviewer.permit_all([(action, e) for e in resources], otherwise=NoSuchMatch)


def _resources(match_id: str, cases: Sequence[Case]) -> list[Resource]:
    """Give it as what it is decided on: as being about each case of the two."""
    about = [Resource("match", match_id, each.id) for each in cases]
    return about or [absent("match", match_id)]


def _who(reviewer: Asking) -> Identity:
    who = reviewer.who
    return Identity(issuer=who.issuer, subject=who.subject, worker=who.worker)


def _shown(held: Review) -> dict[str, object]:
    own = set(MatchView.model_fields) - {"match_id", "same", "decided_at"}
    answer = held.answer
    return {
        **held.model_dump(include=own),
        "match_id": held.id,
        "same": answer.same if answer else None,
        "decided_at": answer.at if answer else None,
    }
