"""A date that is known ahead, and by when a plan must be in force for it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated

from accord_contracts.referrals import TriggerKind
from pydantic import BaseModel, ConfigDict, Field, model_validator

KEPT = 100
"""Dates that a plan remembers; those that are over go first, then the furthest."""

Hours = Annotated[int, Field(gt=0, le=8760)]


class InForce(BaseModel):
    """By when a plan must be agreed that a date is known for.

    Attributes:
        before_hours: Elapsed hours before the date, by its kind.
        at_least_hours: However near the date is when it becomes known, or a new version
            is drafted, so long there is to agree; but never beyond the date.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    before_hours: dict[TriggerKind, Hours]
    at_least_hours: Hours

    @model_validator(mode="after")
    def _holds_together(self) -> "InForce":
        if missing := set(TriggerKind) - set(self.before_hours):
            raise ValueError(f"before_hours lacks {', '.join(sorted(missing))}")
        return self

    def by(self, kind: TriggerKind, happens_at: datetime, since: datetime) -> datetime:
        """Say by when the plan must be agreed, if it could be since a time."""
        lead = happens_at - timedelta(hours=self.before_hours[kind])
        return min(happens_at, max(lead, self.earliest(since)))

    def earliest(self, since: datetime) -> datetime:
        """Give the end of the time that there is to agree at least."""
        return since + timedelta(hours=self.at_least_hours)


class Coming(BaseModel):
    """A date of the case.

    Attributes:
        in_force_by: By when a plan must be agreed for it.
        revision: The version of its own document that said so.
        alarmed_at: When it was told that no plan is in force.
        over: It is there, or was called off: nothing more is told of it.
        look_from: From when on a plan that was agreed before is looked at once more.
        looked: It was told that it is to be looked at, or somebody did so by then.
        since: When it became known, and was not called off since.
        from_case: The merged case that it is a date of, if it is not the plan's own.
    """

    model_config = ConfigDict(frozen=True)

    kind: TriggerKind
    happens_at: datetime
    in_force_by: datetime
    revision: int
    alarmed_at: datetime | None = None
    over: bool = False
    look_from: datetime | None = None
    looked: bool = False
    since: datetime | None = None
    from_case: str | None = None

    @property
    def awaited(self) -> bool:
        """Tell whether an alarm would rise if no plan were in force in time."""
        return not self.over and self.alarmed_at is None

    def in_time(self, rule: InForce, at: datetime) -> "Coming":
        """Leave time to agree to a plan from now on, unless the date is there."""
        return self.model_copy(
            update={
                "in_force_by": rule.by(self.kind, self.happens_at, at),
                "over": self.over or self.happens_at <= at,
            }
        )

    def near(self, at: datetime) -> bool:
        """Tell whether an agreed plan should be looked at once more, and was not."""
        waits = not self.over and not self.looked
        return waits and self.look_from is not None and self.look_from <= at

    def late(self, at: datetime) -> bool:
        """Tell whether a plan should be in force by now, and that is not told yet."""
        return self.awaited and self.in_force_by <= at


def with_latest(
    known: Mapping[str, Coming], trigger_id: str, told: Coming
) -> dict[str, Coming]:
    """Put a date among those known; of too many, the nearest ahead stay."""
    dates = {**known, trigger_id: told}
    if len(dates) > KEPT:

        def last_to_go(key: str) -> tuple[bool, float]:
            happens = dates[key].happens_at.timestamp()
            return dates[key].over, -happens if dates[key].over else happens

        kept = {*sorted(dates, key=last_to_go)[:KEPT]}
        dates = {key: each for key, each in dates.items() if key in kept}
    return dict(sorted(dates.items(), key=lambda each: each[1].happens_at))
