"""Where a plan stands, how far it has come, and how it was broken."""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Status(StrEnum):
    """Where a plan stands."""

    NONE = "none"
    DRAFTED = "drafted"
    AGREED = "agreed"
    MERGED = "merged"
    CLOSED = "closed"


class Stage(StrEnum):
    """How far a response has come."""

    DRAFTED = "drafted"
    AGREED = "agreed"
    DONE = "done"
    """Something that was promised was done."""
    STALE = "stale"
    REVIEWED = "reviewed"
    BREACHED = "breached"
    CLOSED = "closed"
    REOPENED = "reopened"


class ActionStage(StrEnum):
    """How far a commitment has come: an action of a plan, or a task of a meeting."""

    ASKED = "asked"
    ACCEPTED = "accepted"
    """Somebody owned it. Of a task, whose agency has it by the decision, never."""
    REMINDED = "reminded"
    SAID = "said"
    """Somebody said that it was done, or will not be."""
    OVERDUE = "overdue"
    CONFIRMED = "confirmed"
    """A second person said that it is so."""
    SETTLED = "settled"
    """That it was done, or will not be, counts."""


First = dict[ActionStage, datetime]
"""When each stage was first reached: never changed, all durations come from it."""


def reached(first: First, at: datetime, *stages: ActionStage) -> First:
    """Note when stages were reached that were not before."""
    return {**dict.fromkeys(stages, at), **first}


class Breach(BaseModel):
    """That somebody broke what the plan rests on.

    Attributes:
        kind: How, by one of the locality's codes.
        noted_by: The worker who says so.
    """

    model_config = ConfigDict(frozen=True)

    kind: str
    happened_at: datetime
    noted_at: datetime
    noted_by: str | None
