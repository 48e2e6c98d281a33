"""What each level of agreement weighs in one locality, and what follows for a pair."""

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from math import log2
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from referrals.domain.matching.comparing import (
    COMPARISONS,
    DIFFERENT,
    FLIPPED,
    NEAR,
    PART,
    SAME,
    TYPO,
    Vector,
    compare,
    one_edit,
)
from referrals.domain.matching.record import (
    BORN,
    CODE,
    FAMILY,
    FIELDS,
    GIVEN,
    PLACES,
    Record,
    Value,
)

OWN = frozenset(PLACES[field] for field in (GIVEN, FAMILY, BORN, CODE))
"""What is a person's own; all else a household shares."""

UNSHAREABLE = (PLACES[GIVEN], PLACES[BORN])
"""By what twins, or a father and his son, are told apart."""

CODE_AT = PLACES[CODE]

HOUSEHOLD_FLOOR = -3.0
"""The most bits by which another address and phone speak against: odds of one to eight.
People who flee violence move; it must not make them strangers."""

SURE = 0.99
"""The probability from which a pair is linked with nobody asked, unless told."""

Chance = Annotated[float, Field(gt=0, lt=1)]


class Verdict(StrEnum):
    """What becomes of a pair."""

    LINKED = "linked"
    REVIEW = "review"
    NEW = "new"


class LevelChances(BaseModel):
    """How likely a level is.

    Attributes:
        m: In two records of one person.
        u: In records of two people.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    m: Chance
    u: Chance

    @property
    def bits(self) -> float:
        """What it weighs: log2 m/u."""
        return log2(self.m / self.u)


class FieldWeights(BaseModel):
    """What a field's levels weigh.

    Attributes:
        levels: By level.
        common: How often common values are met, by folded value. What only a few
            people are called is never in it: these weights are no list of people.
        rare: How often any other value is met; none where frequency says nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    levels: dict[str, LevelChances]
    common: dict[str, Chance] = {}
    rare: Chance | None = None

    @cached_property
    def bits(self) -> dict[str | None, float]:
        """What each level weighs; nothing where one of two does not say."""
        return {None: 0.0, **{name: each.bits for name, each in self.levels.items()}}

    def same(self, value: Value) -> float:
        """Give what it weighs that this value is the same: the rarer, the more."""
        if self.rare is None:
            return self.bits[SAME]
        return log2(self.levels[SAME].m / self.common.get(value.folded, self.rare))

    @property
    def cost_of_typo(self) -> float:
        """Give the most bits that one wrong letter costs where all was the same."""
        rarest = min([self.rare, *self.common.values()]) if self.rare else None
        level = self.levels[SAME]
        most = max(log2(level.m / (rarest or level.u)), self.bits.get(PART, 0.0))
        return most - min(self.bits[TYPO], self.bits.get(FLIPPED, self.bits[TYPO]))


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is held of a pair, and why.

    Attributes:
        bits: Log2 of the odds that they are one person.
        fields: By field: its level and its bits.
        rules: Sentences on what was decided whatever the weight.
    """

    verdict: Verdict
    bits: float
    fields: tuple[tuple[str, str, float], ...]
    rules: tuple[str, ...] = ()

    @property
    def probability(self) -> float:
        """How likely they are one person, by the weights alone."""
        return probability(self.bits)

    def reasons(self) -> tuple[str, ...]:
        """Tell each field's level and weight in words, and never what it says."""
        told = (
            f"{field.replace('_', ' ')}: {level}, {bits:+.1f} bits"
            for field, level, bits in self.fields
        )
        return (*told, *self.rules)


class Weights(BaseModel):
    """What a locality learned about its own records.

    Attributes:
        prior: How likely two records taken at random are of one person.
        upper: From so many bits (log2 odds) a pair is linked.
        lower: Below so many bits it is two people; between, a person is asked.
        fields: What each field weighs.
        household_floor: Bits; the least that all of address and phone may weigh.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    prior: Chance
    upper: float
    lower: float
    fields: dict[str, FieldWeights]
    household_floor: Annotated[float, Field(le=0)] = HOUSEHOLD_FLOOR

    @model_validator(mode="after")
    def _are_whole(self) -> Self:
        if self.fields.keys() != set(FIELDS):
            raise ValueError("Every field that is compared needs its weights.")
        for field, held in self.fields.items():
            if held.levels.keys() != COMPARISONS[field].usual.keys():
                raise ValueError(f"{field} needs a weight for each of its levels.")
        if self.lower > self.upper - self.cost_of_typo:
            raise ValueError("One typo would make somebody new without being asked.")
        return self

    @property
    def cost_of_typo(self) -> float:
        """Give the most bits that one wrong letter costs in any field."""
        return max(0.0, *(each.cost_of_typo for each in self.fields.values()))

    @cached_property
    def _in_order(self) -> tuple[FieldWeights, ...]:
        return tuple(self.fields[field] for field in FIELDS)

    @cached_property
    def _prior_bits(self) -> float:
        return log2(self.prior / (1 - self.prior))

    def judge(self, one: Record, other: Record) -> Judgement:
        """Tell whether two records are of one person; the same whichever is first."""
        vector = compare(one, other)
        weighed = self._weigh(vector, one.values)
        own = sum(weighed[place] for place in OWN)
        household = sum(weighed) - own
        bits = self._prior_bits + own + max(household, self.household_floor)
        verdict, rules = self._decide(vector, bits, own)
        if one.identifiers and other.identifiers:
            verdict, rules = _by_identifier(one, other, vector, verdict, rules)
        fields = tuple(
            (field, level, weight)
            for field, level, weight in zip(FIELDS, vector, weighed, strict=True)
            if level is not None
        )
        return Judgement(verdict, bits, fields, rules)

    def _weigh(
        self, vector: Vector, values: tuple[tuple[Value, ...], ...]
    ) -> list[float]:
        weighed = []
        for held, level, mine in zip(self._in_order, vector, values, strict=True):
            if level == SAME and held.rare is not None:
                weighed.append(held.same(mine[0]))
            else:
                weighed.append(held.bits[level])
        return weighed

    def _decide(
        self, vector: Vector, bits: float, own: float
    ) -> tuple[Verdict, tuple[str, ...]]:
        if bits < self.lower:
            return Verdict.NEW, ()
        if bits < self.upper:
            return Verdict.REVIEW, ()
        if vector[CODE_AT] not in NEAR and any(
            vector[place] == DIFFERENT for place in UNSHAREABLE
        ):
            return Verdict.REVIEW, (
                "Another given name or date of birth: perhaps of one family.",
            )
        if own <= 0:
            return Verdict.REVIEW, ("Only what a household shares speaks for it.",)
        return Verdict.LINKED, ()


def _by_identifier(
    one: Record,
    other: Record,
    vector: Vector,
    verdict: Verdict,
    rules: tuple[str, ...],
) -> tuple[Verdict, tuple[str, ...]]:
    both = one.identifiers.keys() & other.identifiers.keys()
    apart = [s for s in both if not one.identifiers[s] & other.identifiers[s]]
    if not both:
        return verdict, rules
    if not apart:
        return Verdict.LINKED, ("The same identifier.",)
    told = "Two identifiers of one register: never linked."
    agree = len(apart) < len(both)
    slip = any(
        one_edit(Value(mine, mine), Value(theirs, theirs))
        for system in apart
        for mine in one.identifiers[system]
        for theirs in other.identifiers[system]
    )
    # Another register, or all else, may show that a code was only mistyped.
    asked = verdict is not Verdict.NEW or agree or (slip and DIFFERENT not in vector)
    return (Verdict.REVIEW if asked else Verdict.NEW), (*rules, told)


def probability(bits: float) -> float:
    """Give the probability that log2 odds mean."""
    odds: float = 2.0 ** min(-bits, 1000)
    return 1 / (1 + odds)
