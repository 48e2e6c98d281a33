"""What had come of a response when it ended, and who says that it has."""

from datetime import datetime

from accord_contracts.plans import OutcomeKind, OutcomeState
from pydantic import BaseModel, ConfigDict


class Outcome(BaseModel):
    """One of the things that a response is for, and how it stood at the end.

    Attributes:
        source: How that is known, by one of the locality's codes.
    """

    model_config = ConfigDict(frozen=True)

    kind: OutcomeKind
    state: OutcomeState
    source: str


CARRIED_ON = "carried_on"
"""Somebody else sees to it from now on, who is named."""


class Left(BaseModel):
    """What becomes of something that is still open when a response ends.

    Attributes:
        id: Of the action, or of the service that was asked for.
        reason: Why it need not be seen to here, by one of the locality's codes.
        carried_to: The agency or provider that carries it on, if one does.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    reason: str
    carried_to: str | None = None


class Ending(BaseModel):
    """That a response should end for a reason of which risk can prove nothing.

    Attributes:
        by: The worker who says so.
        until: When it lapses, if nobody confirms it.
        confirmed_by: The second person, once there is one.
    """

    model_config = ConfigDict(frozen=True)

    reason: str
    outcomes: tuple[Outcome, ...]
    left: tuple[Left, ...] = ()
    by: str
    at: datetime
    until: datetime
    confirmed_by: str | None = None
