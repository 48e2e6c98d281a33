"""Dates that are known ahead, and when they weigh. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated

from accord_contracts.referrals import TriggerKind
from pydantic import BaseModel, ConfigDict, Field

KEPT = 100
"""Dates of one case that are remembered: what is over goes first, then the furthest."""


class AheadRule(BaseModel):
    """From how many days before it a kind of date weighs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    days: Annotated[int, Field(gt=0, le=366)]

    def near_from(self, happens_at: datetime) -> datetime:
        """Give the time from which a date weighs."""
        return happens_at - timedelta(days=self.days)


class Ahead(BaseModel):
    """A date of the case.

    Attributes:
        near_from: From when it weighs. What has happened goes on weighing.
        revision: The version of its own document that said so.
        weighed: It was, since it came near.
        cancelled: It was called off, and weighs nothing.
    """

    model_config = ConfigDict(frozen=True)

    kind: TriggerKind
    happens_at: datetime
    near_from: datetime
    revision: int
    weighed: bool = False
    cancelled: bool = False

    def near(self, at: datetime) -> bool:
        """Tell whether it weighs."""
        return not self.cancelled and self.near_from <= at

    @property
    def wakes_at(self) -> datetime | None:
        """Give when it begins to weigh; nothing once it does, or never will."""
        return None if self.settled else self.near_from

    @property
    def weighs(self) -> bool:
        """Tell whether it was weighed when the case last was."""
        return self.weighed and not self.cancelled

    @property
    def settled(self) -> bool:
        """Tell whether it was weighed already, or never will be."""
        return self.cancelled or self.weighed


def with_latest(
    known: Mapping[str, Ahead], trigger_id: str, told: Ahead
) -> dict[str, Ahead]:
    """Put a date among those known; of too many, the nearest ahead stay."""
    dates = {**known, trigger_id: told}
    if len(dates) > KEPT:

        def last_to_go(key: str) -> tuple[bool, float]:
            happens = dates[key].happens_at.timestamp()
            return dates[key].settled, -happens if dates[key].settled else happens

        kept = {*sorted(dates, key=last_to_go)[:KEPT]}
        dates = {key: each for key, each in dates.items() if key in kept}
    return dict(sorted(dates.items(), key=lambda each: each[1].happens_at))
