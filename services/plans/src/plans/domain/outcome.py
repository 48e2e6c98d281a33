"""What had come of a response when it ended."""

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
