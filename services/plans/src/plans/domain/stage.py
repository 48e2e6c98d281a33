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
