"""Who was to be told and was not: because they may not know, or are on leave."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Self

from pydantic import BaseModel, ConfigDict

from notify.domain.occasion import Occasion


class Why(StrEnum):
    """Why somebody is passed over."""

    BARRED = "barred"
    """They may not know of the case, or of this of it."""
    ON_LEAVE = "on_leave"


class Skip(NamedTuple):
    """That somebody is passed over, and at which step; 0: the rule names them."""

    worker_id: str
    why: Why
    step: int = 0


class Skipped(BaseModel):
    """That somebody was passed over, and when first."""

    model_config = ConfigDict(frozen=True)

    worker_id: str
    why: Why
    step: int
    at: datetime

    @property
    def skip(self) -> Skip:
        """Give what was noted, without when."""
        return Skip(self.worker_id, self.why, self.step)


def noted(
    known: tuple[Skipped, ...], skips: list[Skip], at: datetime
) -> tuple[Skipped, ...]:
    """Add who is passed over now. The same is noted once: a chain's end is repeated."""
    had = {each.skip for each in known}
    new = (each for each in dict.fromkeys(skips) if each not in had)
    return (*known, *(Skipped(**each._asdict(), at=at) for each in new))


class NobodyLeft(BaseModel):
    """That everybody was passed over whom a rule names, so that nobody was told.

    Attributes:
        id: The message's that told of it.
        event: What happened.
        happened_at: When, by its publisher's clock.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    case_id: str
    event: str
    happened_at: datetime
    skipped: tuple[Skipped, ...]

    @classmethod
    def of(cls, what: Occasion, skips: list[Skip], at: datetime) -> Self:
        """Note that nobody was left to be told of what happened."""
        return cls(
            id=what.message_id,
            case_id=what.case_id,
            event=what.event,
            happened_at=what.happened_at,
            skipped=noted((), skips, at),
        )
