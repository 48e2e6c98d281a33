"""Who harmed whom, where that was told both ways round.

Whoever is harmed and hits back, or is told of first by the other, is named as the one
who uses violence: of the women whom Police in Victoria named so, 31 percent had been
harmed by the same man in the five years before (DOMAIN 2.7). What follows from it, a
programme for her and an advocate for him, is hard to undo. So a referral that turns
known parts round waits for a person, and only for minutes: help must not be late.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated
from uuid import UUID, uuid5

from accord_contracts.message import Lane
from accord_contracts.problem import Refusal
from accord_contracts.referrals import PersonRole
from pydantic import BaseModel, ConfigDict, Field

from referrals.domain.case import Case
from referrals.domain.household import Household, Member, Pair, Settled

Minutes = Annotated[float, Field(gt=0, le=60)]
"""Longer than an hour nothing waits, whatever a locality says."""

KEPT = 100
"""The most decisions of one case: as many as it keeps pairs."""

HARMED, USING = PersonRole.PERSON_HARMED, PersonRole.PERSON_USING_VIOLENCE


class NoSuchPair(Refusal):
    """Of these two, neither was told in this case to have harmed the other."""

    status = 422


class RoleRules(BaseModel):
    """How long a referral that turns known parts round waits for a person.

    Attributes:
        decide_within_minutes: By the lane that the referral takes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    decide_within_minutes: dict[Lane, Minutes]

    def decide_by(self, lane: Lane, at: datetime) -> datetime:
        """Say when a referral goes out, decided or not."""
        return at + timedelta(minutes=self.decide_within_minutes[lane])


def turned_round(
    household: Household, cases: Iterable[Case], same: Mapping[str, str]
) -> Pair | None:
    """Give a pair of a referral that is known the other way round, if there is one.

    What a person has decided about the two counts before all that was told.

    Args:
        household: The referral's people.
        cases: Those that any of the people harmed are in.
        same: Who else they are known as, by id.
    """
    contradicts = _contradictions(cases, same)
    return next((each for each in household.pairs if contradicts(each)), None)


def told_both_ways(
    cases: Iterable[Case], same: Mapping[str, str]
) -> list[tuple[Case, Pair]]:
    """Give what is told of a pair that is known the other way round, with its case."""
    held = tuple(cases)
    contradicts = _contradictions(held, same)
    return [(case, pair) for case in held for pair in case.pairs if contradicts(pair)]


def revealed(
    cases: Iterable[Case], before: Mapping[str, str], after: Mapping[str, str]
) -> tuple[Case, Pair] | None:
    """Give what is told both ways once two are one, the last telling of it.

    Args:
        cases: Those that either of them is in.
        before: Who else everybody was known as, by id.
        after: The same, since they are one.
    """
    held = tuple(cases)
    known = told_both_ways(held, before)
    new = (each for each in told_both_ways(held, after) if each not in known)
    told = (each for each in new if each[1].told)

    def last(each: tuple[Case, Pair]) -> tuple[datetime, datetime, str]:
        case, pair = each
        return pair.told[-1].occurred_at, case.opened_at, case.id

    return max(told, key=last, default=None)


def _contradictions(
    cases: Iterable[Case], same: Mapping[str, str]
) -> Callable[[Pair], bool]:
    """Give what tells whether a pair contradicts what is known or decided."""
    cases = tuple(cases)
    known = {_parts(pair, same) for each in cases for pair in each.pairs}
    settled = sorted(
        (one for each in cases for one in each.settled), key=lambda e: e.decision.at
    )
    latest = {frozenset(_parts(each, same)): _parts(each, same) for each in settled}

    def contradicts(pair: Pair) -> bool:
        told = _parts(pair, same)
        decided = latest.get(frozenset(told))
        return decided != told and (decided is not None or told[::-1] in known)

    return contradicts


def _parts(one: Pair | Settled, same: Mapping[str, str]) -> tuple[str, str]:
    return (
        same.get(one.harmed, one.harmed),
        same.get(one.using_violence, one.using_violence),
    )


def tells_of(case: Case, two: frozenset[str]) -> bool:
    """Tell whether one of two was told in a case to have harmed the other."""
    return any({each.harmed, each.using_violence} == two for each in case.pairs)


def settle(case: Case, right: Settled) -> tuple[Case, bool]:
    """Note who harmed whom of two, and let go of the parts that were told wrongly.

    Returns:
        The case, and whether the two were told of the other way round.

    Raises:
        NoSuchPair: Neither was told to have harmed the other.
    """
    told = [e for e in case.pairs if {e.harmed, e.using_violence} == right.two]
    if not told:
        raise NoSuchPair
    pair = Pair(harmed=right.harmed, using_violence=right.using_violence, told=())
    pair = pair.with_told(one for each in told for one in each.told)
    pairs = (*(each for each in case.pairs if each not in told), pair)
    wrong = {
        Member(person_id=right.harmed, role=USING),
        Member(person_id=right.using_violence, role=HARMED),
    }.difference(*map(members_of, pairs))
    people = [each for each in case.people if each not in wrong]
    people += [each for each in members_of(pair) if each not in people]
    settled = [each for each in case.settled if each.two != right.two]
    update = {
        "pairs": pairs,
        "people": tuple(people),
        "settled": (*settled, right)[-KEPT:],
    }
    turned = any(not each.same(pair) for each in told)
    return case.model_copy(update=update), turned


def members_of(pair: Pair | Settled) -> tuple[Member, Member]:
    """Give two people with the parts that they have."""
    return (
        Member(person_id=pair.harmed, role=HARMED),
        Member(person_id=pair.using_violence, role=USING),
    )


def put_right(
    members: tuple[Member, ...], harmed: str, using_violence: str
) -> dict[str, PersonRole]:
    """Give the parts of two people, where a referral tells them wrongly; else none."""
    turned = {
        Member(person_id=using_violence, role=HARMED),
        Member(person_id=harmed, role=USING),
    }
    if not turned <= {*members}:
        return {}
    return {harmed: HARMED, using_violence: USING}


class Standing(StrEnum):
    """What has become of a doubt who harmed whom."""

    WAITING = "waiting"
    UNDECIDED = "undecided"
    AS_TOLD = "as_told"
    CORRECTED = "corrected"


OPEN = (Standing.WAITING, Standing.UNDECIDED)
"""Nobody has decided it."""


class Doubt(BaseModel):
    """Who harmed whom, as a person is asked, or as one decided unasked.

    Attributes:
        referral_id: What waits; none: nobody asked.
        harmed: Who was told to be harmed.
        using_violence: By whom.
        repeat: As is told of the referral when it goes out.
        standing: Undecided: the time is over, and the referral has gone out.
        due_at: When it goes out undecided; none: it has gone out.
        decided_at: When a person decided it.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    case_id: str
    referral_id: str | None
    harmed: str
    using_violence: str
    repeat: bool = False
    standing: Standing = Standing.WAITING
    asked_at: datetime
    due_at: datetime | None = None
    decided_at: datetime | None = None

    @property
    def open(self) -> bool:
        """Tell whether nobody has decided it."""
        return self.standing in OPEN

    @property
    def two(self) -> frozenset[str]:
        """The two, whoever harmed whom."""
        return frozenset({self.harmed, self.using_violence})

    def give_up(self) -> "Doubt":
        """Have its referral go out undecided."""
        update = {"standing": Standing.UNDECIDED, "due_at": None}
        return self.model_copy(update=update)

    def decide(self, harmed: str, at: datetime) -> "Doubt":
        """Note who was harmed, as a person has decided."""
        as_told = harmed == self.harmed
        standing = Standing.AS_TOLD if as_told else Standing.CORRECTED
        update = {"standing": standing, "due_at": None, "decided_at": at}
        return self.model_copy(update=update)


def doubt_id(about: str) -> str:
    """Give the id of the doubt about a referral, or of a decision unasked."""
    return str(uuid5(UUID(about), "roles"))
