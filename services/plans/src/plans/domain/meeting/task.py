"""Something that an agency promised at a meeting, and what was said of it."""

from datetime import datetime
from typing import Annotated

from accord_contracts.access import Side
from accord_contracts.message import Code, Id
from accord_contracts.problem import Refusal
from pydantic import BaseModel, ConfigDict, Field

from plans.domain.action import Said


class NoSuchTask(Refusal):
    """The caller's agency has no such task."""

    status = 404


class TaskOver(Refusal):
    """The response has ended, and the task went with it."""


class Task(BaseModel):
    """Something that an agency is to do.

    Attributes:
        action: What, by the locality's vocabulary of actions.
        agency: Whose it is.
        about: Whom it is for: whoever serves the person using violence learns nothing
            of what is not about them alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    action: Code
    agency: Code
    about: Side = Side.WHOLE_CASE
    within_hours: Annotated[int, Field(gt=0, le=8760)]


class Kept(BaseModel):
    """What was said of a task last: that it was done, or why it will not be.

    Attributes:
        confirmed_by: The second person, if one was needed.
    """

    model_config = ConfigDict(frozen=True)

    said: Said
    confirmed_by: Id | None = None

    @property
    def counts(self) -> bool:
        """Tell whether it is settled, and nobody need confirm it any more."""
        return self.said.confirm_by is None or self.confirmed_by is not None

    @property
    def done_at(self) -> datetime | None:
        """When it was done, once that counts."""
        return None if self.said.reason or not self.counts else self.said.at

    @property
    def undone_at(self) -> datetime | None:
        """When it was settled that it will not be done."""
        return self.said.at if self.said.reason and self.counts else None
