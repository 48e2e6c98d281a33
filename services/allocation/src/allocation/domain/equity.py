"""Whose wishes are met, and whose are not, and why: a measure of equity. Pure.

What is counted are cases: whoever was harmed wished for somebody, and somebody was
asked. A wish is met if everybody who has taken a role of the case meets it, or, where
nobody has yet, everybody who was asked last. So a case counts once for each of its
wishes, however many were asked, and a small figure is few people.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from accord_contracts.cells import LEAST_CELL, few, shown

from allocation.domain.choosing import Unmet, asked_for
from allocation.domain.offer import Answer, Offer
from allocation.domain.policy import Wish

MET = "met"
OUTCOMES: tuple[str, ...] = (MET, *Unmet)
"""What becomes of a wish: it is met, or the reason why it is not."""


@dataclass(frozen=True)
class Outcome:
    """What became of one wish in one case.

    Attributes:
        taken: By whoever has taken a role of it, by role.
        asked: By whoever was asked last for a role that nobody has taken.
    """

    taken: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Row:
    """In how many cases a wish was met, and for which reasons it was not.

    Attributes:
        cases: In how many it was wished; none: too few to tell.
        outcomes: In how many it came to what; none: too few to tell, or that would
            tell of few.
    """

    cases: int | None
    outcomes: Mapping[str, int | None]


@dataclass(frozen=True)
class Wished:
    """What became of one wish in all cases, and in those where a role was taken."""

    wish: Wish
    all: Row
    taken: Row


class Count:
    """What became of wishes, case by case."""

    def __init__(self) -> None:
        self._cases = defaultdict[tuple[str, Wish], Outcome](Outcome)

    def take(self, case_id: str, offers: Iterable[Offer]) -> None:
        """Count one role of a case: whom it was offered to, the latest last."""
        known = list(offers)
        taken = [each for each in known if each.answer is Answer.ACCEPTED]
        for offer in (taken or known)[-1:]:
            for wish in asked_for(offer.wishes):
                found = self._cases[case_id, wish]
                told = found.taken if taken else found.asked
                told.append(offer.unmet.get(wish, MET))

    def told(self) -> tuple[Wished, ...]:
        """Give what may be told of each wish; of few nothing is."""
        return tuple(self._of(wish) for wish in Wish)

    def _of(self, wish: Wish) -> Wished:
        taken, open_ = Counter[str](), Counter[str]()
        for (_, wished), found in self._cases.items():
            if wished is wish:
                one = taken if found.taken else open_
                one[_worst(found.taken or found.asked)] += 1
        return _told(wish, taken, open_)


def _worst(outcomes: list[str]) -> str:
    """Give what became of a wish by what did by each role: met only if by all."""
    unmet = [each for each in OUTCOMES[1:] if each in outcomes]
    return unmet[0] if unmet else MET


def _told(wish: Wish, taken: Counter[str], open_: Counter[str]) -> Wished:
    """Leave out what is so few that somebody might be known by it."""
    rows = [{each: row[each] for each in OUTCOMES} for row in (taken, open_)]
    whole = taken.total() + open_.total()
    if whole < LEAST_CELL:
        hidden = Row(None, dict.fromkeys(OUTCOMES))
        return Wished(wish, hidden, hidden)
    out = few(rows)
    both = {each: rows[0][each] + rows[1][each] for each in OUTCOMES}
    groups = shown({"taken": taken.total(), "open": open_.total()}, whole)
    all_ = Row(whole, _without(both, out))
    if "taken" not in groups:
        return Wished(wish, all_, Row(None, dict.fromkeys(OUTCOMES)))
    return Wished(wish, all_, Row(taken.total(), _without(rows[0], out)))


def _without(row: Mapping[str, int], out: frozenset[str]) -> dict[str, int | None]:
    return {each: None if each in out else row[each] for each in OUTCOMES}
