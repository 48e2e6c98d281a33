"""How well the pairs that were found agree with those that are known."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from referrals.domain.matching.learning import Learned
from referrals.domain.matching.record import Record
from referrals.domain.matching.weights import Judgement, Verdict

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Figures:
    """How well found pairs agree with true ones.

    Attributes:
        precision: What part of the found is true; 1 if nothing is found.
        recall: What part of the true is found; 1 if there is nothing to find.
    """

    pairs: int
    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """Their harmonic mean."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


def figures(found: Iterable[Pair], true: Iterable[Pair]) -> Figures:
    """Compare the pairs that were found with the true ones."""
    found_, true_ = set(found), set(true)
    right = len(found_ & true_)
    return Figures(
        pairs=len(found_),
        precision=right / len(found_) if found_ else 1.0,
        recall=right / len(true_) if true_ else 1.0,
    )


def true_pairs(entities: Sequence[Hashable]) -> list[Pair]:
    """Give the places of all pairs that are of one entity."""
    members: dict[Hashable, list[int]] = {}
    for place, entity in enumerate(entities):
        members.setdefault(entity, []).append(place)
    return [pair for each in members.values() for pair in combinations(each, 2)]


def judged(
    learned: Learned, records: Sequence[Record], others: Sequence[Record] | None = None
) -> list[tuple[Pair, Judgement]]:
    """Judge every pair that was blocked; all others are two people."""
    second = records if others is None else others
    judge = learned.weights.judge
    return [(pair, judge(records[pair[0]], second[pair[1]])) for pair in learned.pairs]


def at_thresholds(
    found: Iterable[tuple[Pair, Judgement]], true: Iterable[Pair]
) -> dict[Verdict, Figures]:
    """Give the figures at the upper threshold (linked) and the lower (review too)."""
    told = [(pair, each.verdict) for pair, each in found]
    known = list(true)
    linked = (pair for pair, verdict in told if verdict is Verdict.LINKED)
    either = (pair for pair, verdict in told if verdict is not Verdict.NEW)
    return {
        Verdict.LINKED: figures(linked, known),
        Verdict.REVIEW: figures(either, known),
    }
