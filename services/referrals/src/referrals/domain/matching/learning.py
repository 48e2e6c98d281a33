"""A locality's weights, learned from its own records with nobody telling who is who.

Expectation maximisation (Dempster, Laird and Rubin 1977; Winkler 1988 for linkage) over
all pairs. Of those that share no blocking key none is taken for one person, so only the
others need be compared; what two people's records look like is seen in random pairs.
"""

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import exp, log, log2

from referrals.domain.matching.blocking import blocked_pairs
from referrals.domain.matching.comparing import COMPARISONS, Vector, compare
from referrals.domain.matching.record import FIELDS, Record
from referrals.domain.matching.weights import (
    SURE,
    FieldWeights,
    LevelChances,
    Weights,
)

RANDOM_PAIRS = 100_000
"""How many random pairs show what two people's records look like."""

ITERATIONS, SETTLED = 100, 1e-4
"""Rounds at most; and by what part the expected matches may change in the last."""

TRUST_IN_USUAL_M = 50.0
"""Pairs' worth of the usual chances in each field of one person's records, so that few
records teach little and a level that was never seen keeps its weight."""

TRUST_IN_USUAL_U = RANDOM_PAIRS / 10
"""The same for two people's. Much, because what hardly ever agrees by chance, as a date
of birth, is not met often enough at random, and would be taken for proof."""

COMMON = 5
"""From so many records a value is listed with its own frequency."""

Chances = dict[str, tuple[float, float]]


class TooFewRecords(ValueError):
    """There are no two records to learn from."""


@dataclass(frozen=True, slots=True)
class Learned:
    """Weights, and what they were learned from.

    Attributes:
        pairs: That share a blocking key, by their records' places.
        expected: How many of them are of one person, by the weights.
    """

    weights: Weights
    pairs: list[tuple[int, int]]
    expected: float


def learn(
    records: Sequence[Record],
    others: Sequence[Record] | None = None,
    *,
    sure: float = SURE,
    seed: int = 0,
) -> Learned:
    """Learn the weights of records that are compared with each other.

    Args:
        records: All of them,
        others: or, if given, these with the first.
        sure: From which probability a pair is linked. The lower threshold is as far
            below as one typo may cost.
        seed: Of the random pairs.

    Raises:
        TooFewRecords: There is no pair.
    """
    second = records if others is None else others
    total = len(records) * (len(records) - 1) // 2
    if others is not None:
        total = len(records) * len(others)
    if not total:
        raise TooFewRecords
    pairs = blocked_pairs(records, others)
    blocked = Counter(compare(records[one], second[other]) for one, other in pairs)
    apart = Counter(_random_pairs(records, others, seed))
    chances, expected = _maximise(blocked, apart, total)
    fields = {
        field: FieldWeights(
            levels={
                level: LevelChances(m=m, u=u) for level, (m, u) in chances[at].items()
            },
            **_frequencies(at, chain(records, others or ())),
        )
        for at, field in enumerate(FIELDS)
    }
    prior = _prior(expected, total)
    upper = log2(sure / (1 - sure))
    cost = max(0.0, *(each.cost_of_typo for each in fields.values()))
    weights = Weights(prior=prior, upper=upper, lower=upper - cost, fields=fields)
    return Learned(weights, pairs, expected)


def _random_pairs(
    records: Sequence[Record], others: Sequence[Record] | None, seed: int
) -> Iterable[Vector]:
    chance = random.Random(seed)  # noqa: S311 - A sample, no secret.
    for _ in range(RANDOM_PAIRS):
        if others is None:
            one, other = chance.sample(records, 2)
        else:
            one, other = chance.choice(records), chance.choice(others)
        yield compare(one, other)


def _prior(expected: float, total: int) -> float:
    # Even where no pair is one person, the next record may make one.
    return min(max(expected, 0.5) / total, 0.5)


def _maximise(
    blocked: Mapping[Vector, int], apart: Mapping[Vector, int], total: int
) -> tuple[list[Chances], float]:
    chances: list[Chances] = [dict(COMPARISONS[field].usual) for field in FIELDS]
    expected = sum(blocked.values()) / 10
    for _ in range(ITERATIONS):
        bits = _log_ratios(chances)
        prior = _prior(expected, total)
        matched = [
            (vector, count * _posterior(vector, bits, prior))
            for vector, count in blocked.items()
        ]
        others = [
            (vector, count * (1 - _posterior(vector, bits, prior)))
            for vector, count in apart.items()
        ]
        before, expected = expected, sum(weight for _, weight in matched)
        chances = _estimate(matched, others)
        if abs(expected - before) <= SETTLED * max(expected, 1.0):
            break
    return chances, expected


def _log_ratios(chances: list[Chances]) -> list[dict[str | None, float]]:
    return [
        {None: 0.0, **{level: log(m / u) for level, (m, u) in each.items()}}
        for each in chances
    ]


def _posterior(
    vector: Vector, ratios: list[dict[str | None, float]], prior: float
) -> float:
    odds = log(prior / (1 - prior))
    for ratio, level in zip(ratios, vector, strict=True):
        odds += ratio[level]
    return 1 / (1 + exp(min(-odds, 700)))


def _estimate(
    matched: list[tuple[Vector, float]], others: list[tuple[Vector, float]]
) -> list[Chances]:
    found = []
    for at, field in enumerate(FIELDS):
        usual = COMPARISONS[field].usual
        m, u = _shares(at, matched), _shares(at, others)
        seen_m, seen_u = sum(m.values()), sum(u.values())
        found.append(
            {
                level: (
                    _mixed(m.get(level, 0), seen_m, usual_m, TRUST_IN_USUAL_M),
                    _mixed(u.get(level, 0), seen_u, usual_u, TRUST_IN_USUAL_U),
                )
                for level, (usual_m, usual_u) in usual.items()
            }
        )
    return found


def _shares(at: int, weighed: list[tuple[Vector, float]]) -> dict[str, float]:
    shares: dict[str, float] = {}
    for vector, weight in weighed:
        if (level := vector[at]) is not None:
            shares[level] = shares.get(level, 0.0) + weight
    return shares


def _mixed(seen: float, of: float, usual: float, trust: float) -> float:
    return (seen + trust * usual) / (of + trust)


def _frequencies(at: int, records: Iterable[Record]) -> dict[str, object]:
    if not COMPARISONS[FIELDS[at]].by_frequency:
        return {}
    counts = Counter(each.values[at][0].folded for each in records if each.values[at])
    whole = counts.total()
    rare = [count for count in counts.values() if count < COMMON]
    if not rare or whole < COMMON:
        return {}
    common = {
        value: count / whole for value, count in counts.items() if count >= COMMON
    }
    # As often as the value of a rare record is met, taken over the rare records.
    met = sum(count * count for count in rare) / sum(rare)
    return {"common": common, "rare": min(met / whole, 0.5)}
