"""What is left of what was erased, what forbids erasing, and when it is due."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from accord_contracts.message import Code
from accord_contracts.problem import Refusal
from pydantic import BaseModel, ConfigDict, Field

RETENTION_OVER = "retention_over"
"""The reason for an erasure that no person asked for: its time had come."""

DAYS_PER_YEAR = 365.25

ERASED_NAME = "[erased]"
"""Stands where somebody was named whom nobody can read any more."""


class OnHold(Refusal):
    """A legal hold forbids erasing this."""


class Overtaken(Refusal):
    """Since this was asked for, a hold or what is merged has changed: ask again."""


class NotHeld(Refusal):
    """No legal hold stands."""


class NoSuchCase(Refusal):
    """There is no such case."""

    status = 404


class NoSuchPerson(Refusal):
    """There is no such person."""

    status = 404


class Decision(BaseModel):
    """What was decided, why, by whom and when: ids, codes and times.

    Attributes:
        reason: A code of the locality's vocabulary.
        by: The subject of the token of whoever decided; none: a clock did.
        confirmed_by: That of the second person, where it needs two.
    """

    model_config = ConfigDict(frozen=True)

    reason: Code
    by: str | None
    confirmed_by: str | None = None
    at: datetime


class Erased(StrEnum):
    """What a tombstone stands for."""

    PERSON = "person"
    CASE = "case"


class Tombstone(BaseModel):
    """That something was erased, and by what decision.

    Attributes:
        id: Of what was erased.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    kind: Erased
    decision: Decision


class Retention(BaseModel):
    """For how many years after its response ended a case is kept, by class.

    Attributes:
        standard: Of most cases.
        with_children: Of cases in which there is a child.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    standard: Annotated[float, Field(gt=0, le=200)]
    with_children: Annotated[float, Field(gt=0, le=200)]
