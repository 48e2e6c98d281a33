"""An instrument for weighing risk, as data: what is asked, and how it adds up.

Every rule is a sum of weights that reaches a band: a count has weights of one, "any of"
is a count of at least one, "at least n of" one of at least n. So a score can be read
aloud, and its interval is known while some of it is unanswered.
"""

from typing import Annotated, Literal, Self

from accord_contracts.message import Code
from accord_contracts.risk import RiskLevel
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Number = Annotated[int, Field(ge=0, le=1000)]
Weight = Annotated[int, Field(ge=-100, le=100)]
Words = Annotated[str, StringConstraints(min_length=1, max_length=1000)]

INCIDENTS_IN_A_YEAR = "incidents_in_12_months"
"""How many incidents Accord itself knows of in twelve months."""

LONGEST = 64
"""How many characters a code has at the most."""


class Piece(BaseModel):
    """A piece of what a file says: nothing unknown may stand in it."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Item(Piece):
    """What is asked or noted, by its key alone: the wording belongs to its owner.

    Attributes:
        says: What a yes says, in our own words; none where an instrument has its own.
        least: The lowest value; of a question with yes and no, nought is no.
        most: The highest value; of a question with yes and no, one is yes.
        counted: What Accord counts of it from what was referred. Whoever is asked may
            know of more: it stays an open question, and the higher of both counts.
    """

    says: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = None
    least: Number = 0
    most: Number = 1
    counted: Literal["incidents_in_12_months"] | None = None

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.least >= self.most:
            raise ValueError("least must be below most")
        return self


class Band(Piece):
    """What a sum from some value on is called, and what it means.

    Attributes:
        code: The name that is published for it.
        at_least: From which value on.
        level: The level that it stands for here; none: it says nothing about the level.
            Hardly any instrument publishes one; a locality may set another.
        figures: What is published of it, by name, in per cent.
    """

    code: Code
    at_least: Number
    level: RiskLevel | None = None
    figures: dict[Code, Annotated[float, Field(ge=0, le=100)]] = {}


class Sum(Piece):
    """Weights that are added up, and the bands that the sum reaches.

    Attributes:
        weights: What one point of each item adds; below nought, it takes away.
        bands: From the lowest on. A sum below the first reaches none.
    """

    weights: dict[Code, Weight] = {}
    bands: Annotated[tuple[Band, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _rises(self) -> Self:
        starts = [each.at_least for each in self.bands]
        if starts != sorted(set(starts)):
            raise ValueError("bands must rise")
        ranks = [each.level.rank for each in self.bands if each.level]
        if ranks != sorted(ranks):
            raise ValueError("a higher band must not stand for a lower level")
        return self


class Total(Piece):
    """The total that an agency may tell in place of answers.

    Attributes:
        of: The sum that it is.
    """

    of: Code
    least: Number = 0
    most: Number


class Variant(Piece):
    """What a locality may switch on though nobody has confirmed it. Off by default.

    Attributes:
        note: Why it is off, and what should be checked before.
    """

    note: Words
    sums: dict[Code, Sum]


class Instrument(Piece):
    """An instrument: its items, how they add up, for whom it is, how good it is.

    Attributes:
        key: What it is called in policies, answers and reasons.
        version: Of this file. A result keeps it.
        sources: Where its numbers are published.
        validity: What is known of how well it tells who will be hurt again.
        licence: Whose it is, and on what terms.
        asked: Its items are the locality's own questions about risk.
        items: What may be answered. Silence about one is a question that is open.
        reported: What counts if it was told; silence about it is no open question.
        applies_if: It says something only where all of these are answered yes.
        certified: It says something only where a certified user has scored it.
        evidence_only: It is kept and shown, and no level rests on it.
        sums: How it adds up, by name.
        total: What total may be told; none: it is added up here.
        variants: What is not confirmed, by name.
    """

    key: Code
    version: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{0,31}$")]
    title: Annotated[str, StringConstraints(min_length=1, max_length=120)]
    sources: Annotated[tuple[Words, ...], Field(min_length=1, max_length=20)]
    validity: Words
    licence: Words
    asked: bool = False
    items: Annotated[dict[Code, Item], Field(max_length=100)] = {}
    reported: Annotated[dict[Code, Item], Field(max_length=50)] = {}
    applies_if: Annotated[tuple[Code, ...], Field(max_length=10)] = ()
    certified: bool = False
    evidence_only: bool = False
    sums: dict[Code, Sum] = {}
    total: Total | None = None
    variants: dict[Code, Variant] = {}

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if both := {*self.items} & {*self.reported}:
            raise ValueError(f"{_named(both)}: stands in items and in reported")
        for sums in (self.sums, *(each.sums for each in self.variants.values())):
            for name, each in sums.items():
                if strange := {*each.weights} - {*self.items, *self.reported}:
                    raise ValueError(f"{_named(strange)} in {name}: not an item")
        if self.total and self.total.of not in self.sums:
            raise ValueError(f"{self.total.of}: no sum that a total could be of")
        if self.evidence_only and self.levels:
            raise ValueError("what is evidence only stands for no level")
        if long := [e for e in self._reasons() if len(e) > LONGEST]:
            raise ValueError(f"{long[0]}: too long for a reason")
        if not self.sums and not self.evidence_only:
            raise ValueError("what is more than evidence needs a sum")
        return self

    def _reasons(self) -> list[str]:
        sums = self.sums.values()
        return [f"{self.key}_{band.code}" for each in sums for band in each.bands]

    @property
    def levels(self) -> tuple[RiskLevel, ...]:
        """Give every level that it can stand for."""
        bands = (band for each in self.sums.values() for band in each.bands)
        return tuple(each.level for each in bands if each.level)

    @property
    def answerable(self) -> frozenset[str]:
        """Give what may be answered of it: its items, and whether it applies."""
        return frozenset({*self.items, *self.applies_if})


def _named(keys: set[str]) -> str:
    return ", ".join(sorted(keys))
