"""Whom somebody resembles whom no key tells: linked, asked about, or nobody."""

from collections.abc import Iterable
from datetime import timedelta
from itertools import product
from typing import Annotated

from accord_contracts.message import PolicyVersion
from pydantic import BaseModel, ConfigDict, Field

from referrals.domain.likeness import Likeness
from referrals.domain.matching.comparing import ALIAS, SAME, SWAPPED
from referrals.domain.matching.record import GIVEN
from referrals.domain.matching.weights import Judgement, Verdict, Weights
from referrals.domain.recognition import Person, Resemblance, Sighting, Weighed

ONE_NAME = frozenset({SAME, ALIAS, SWAPPED})
"""Levels at which two given names are one. Twins' may be a letter apart: Hayden and
Jayden, born on one day, at one phone."""

VERDICTS = (Verdict.NEW, Verdict.REVIEW, Verdict.LINKED)
"""What may come of a comparison, the most last."""

NAMES_APART = "The given names are not the same: perhaps of one family."


class MatchingPolicy(BaseModel):
    """How a locality weighs who is who (``localities/<name>/matching.yaml``).

    Attributes:
        ask_about: The most people about whom it is asked whether somebody new is they.
        decide_within_hours: For how long a question waits before everybody who
            coordinates hears that nobody has decided it.
        weights: What each level of agreement weighs, and the two thresholds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: PolicyVersion
    ask_about: Annotated[int, Field(ge=1, le=20)]
    decide_within_hours: Annotated[float, Field(gt=0, le=24 * 14)]
    weights: Weights

    @property
    def decide_within(self) -> timedelta:
        """Within what time somebody is to decide."""
        return timedelta(hours=self.decide_within_hours)


def weigh(
    seen: Sighting,
    near: Iterable[Person],
    weights: Weights,
    crowded: Iterable[str] = (),
) -> Weighed:
    """Weigh who somebody may be.

    They are linked with one alone: where two are as good, or somebody decided that one
    who is likely is not the other, a person is asked.

    Args:
        seen: Whom no key tells.
        near: Everybody who shares a blocking key.
        weights: The locality's.
        crowded: The kinds of keys that too many share.
    """
    found = tuple(near)
    stored = next((each for each in found if each.id == seen.id), None)
    others = (each for each in found if each.id != seen.id)
    sure, likely = resembling(seen.likeness, others, weights)
    one = sure[0] if len(sure) == 1 and stored is None else None
    if one and any(each.person.id in one.apart for each in likely):
        one = None
    return Weighed(one, likely, stored, tuple(sorted(crowded)))


def resembling(
    one: Likeness, others: Iterable[Person], weights: Weights
) -> tuple[list[Person], tuple[Resemblance, ...]]:
    """Give those who somebody surely is, and all who they may be, the likeliest first.

    Args:
        one: What they are compared by.
        others: Everybody else who shares a blocking key.
        weights: The locality's.
    """
    sure: list[Person] = []
    likely: list[Resemblance] = []
    for person in others:
        if person.likeness is None:
            continue
        held = judge(one, person.likeness, weights)
        if held.verdict is Verdict.NEW:
            continue
        rules = held.rules
        if held.verdict is Verdict.LINKED:
            if _one_name(held.fields):
                sure.append(person)
            else:
                rules = (*rules, NAMES_APART)
        likely.append(Resemblance(person, held.bits, held.fields, rules))
    likely.sort(key=lambda each: (-each.bits, each.person.id))
    return sure, tuple(likely)


def judge(one: Likeness, other: Likeness, weights: Weights) -> Judgement:
    """Tell whether two are one person, under whichever names of theirs say so most."""
    pairs = product(one.records, other.records)
    return max((weights.judge(*each) for each in pairs), key=_how_sure)


def _how_sure(held: Judgement) -> tuple[int, bool, float]:
    return VERDICTS.index(held.verdict), _one_name(held.fields), held.bits


def _one_name(fields: Iterable[tuple[str, str, float]]) -> bool:
    return any(name == GIVEN and level in ONE_NAME for name, level, _ in fields)
