"""What a plan asks for besides, because of how things are in a case."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Self

from accord_contracts.allocation import Role
from accord_contracts.message import Code
from accord_contracts.referrals import Relationship, TriggerKind
from accord_contracts.risk import RiskLevel
from pydantic import BaseModel, ConfigDict, Field, model_validator

from plans.domain.circumstances import Ahead, Circumstances
from plans.domain.hours import Within, Working


class Duty(Within):
    """Who is to do an action at a level, and within what time."""

    role: Role


Duties = Annotated[dict[Code, Duty], Field(max_length=100)]


class Measures(BaseModel):
    """What is to be done at one level.

    Attributes:
        mandatory: What a plan cannot be closed without, by code of the action.
        complementary: What is to be done besides.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mandatory: Duties = {}
    complementary: Duties = {}

    @property
    def duties(self) -> dict[str, Duty]:
        """Everything to be done, what is mandatory first."""
        return {**self.mandatory, **self.complementary}

    def slackens(self, lower: "Measures", working: Working) -> list[str]:
        """Name what is mandatory at a lower level, and here is not or comes later."""
        return [
            code
            for code, duty in lower.mandatory.items()
            if code not in self.mandatory
            or self.mandatory[code].may_outlast(duty, working)
        ]

    def mandatory_with(self, other: "Measures", working: Working) -> "Measures":
        """Give what is mandatory by this or the other, and by the sooner clock."""
        both = {**other.mandatory, **self.mandatory}
        for code in self.mandatory.keys() & other.mandatory.keys():
            if both[code].may_outlast(other.mandatory[code], working):
                both[code] = other.mandatory[code]
        return Measures(mandatory=both)


class When(BaseModel):
    """For which cases something is added: one of each list that is given must hold.

    Attributes:
        relationships: How people are related, one of whom harms the other.
        told: What was told to be so: a question that was answered with yes, or, as in
            ``risk.yaml``, ``incident_`` with a kind of incident.
        dates: What is ahead.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    relationships: frozenset[Relationship] = frozenset()
    told: Annotated[frozenset[Code], Field(max_length=50)] = frozenset()
    dates: frozenset[TriggerKind] = frozenset()

    @model_validator(mode="after")
    def _is_about_something(self) -> Self:
        if not (self.relationships or self.told or self.dates):
            raise ValueError("give relationships, told or dates")
        return self

    def holds(self, now: Circumstances) -> bool:
        """Tell whether it is so."""
        given = (
            (self.relationships, now.relationships),
            (self.told, now.told),
            (self.dates, now.dates.keys()),
        )
        return all(not wanted or wanted & known for wanted, known in given)

    def ahead(self, now: Circumstances) -> Iterator[Ahead]:
        """Give the dates ahead that it is so for."""
        for kind in self.dates:
            yield from now.dates.get(kind, ())


class Addition(BaseModel):
    """What is added to the templates for some cases, level by level.

    Attributes:
        when: For which.
        levels: What is added at each level; of one that is not here nothing is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    when: When
    levels: Annotated[dict[RiskLevel, Measures], Field(min_length=1)]

    def at(self, level: RiskLevel) -> Measures:
        """Give what is added at a level."""
        return self.levels.get(level, Measures())

    def clocks(self, now: Circumstances) -> tuple[datetime | None, datetime | None]:
        """Say since when it is so because of a date, and by when that is there.

        Of several: since the last became known, and by the first.
        """
        dates = [*self.when.ahead(now)]
        since = max((each.since for each in dates), default=None)
        return since, min((each.happens_at for each in dates), default=None)
