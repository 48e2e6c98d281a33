"""A commitment of a plan, and who has taken the role that keeps it."""

from datetime import datetime

from accord_contracts.allocation import Role
from accord_contracts.plans import ActionOutcome
from accord_contracts.problem import Refusal
from pydantic import BaseModel, ConfigDict

from plans.domain.template import Measure


class NoSuchAction(Refusal):
    """The caller has no such action."""

    status = 404


class NotYourActions(Refusal):
    """The caller is no such worker."""

    status = 404


class Action(BaseModel):
    """A commitment: what is to be done, by whom and by when.

    Attributes:
        code: What; one action of a plan bears it at a time.
        worker_id: Its owner, once somebody has taken the role.
        overdue_at: When it was told that the time had passed.
        last_done_at: When it was done in an earlier episode.
        outcome: What came of it, as far as whoever did it said.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    code: str
    strand: str
    role: Role
    mandatory: bool
    due_at: datetime
    worker_id: str | None = None
    done_at: datetime | None = None
    overdue_at: datetime | None = None
    last_done_at: datetime | None = None
    outcome: ActionOutcome | None = None

    @property
    def open(self) -> bool:
        """Tell whether it is still to be done."""
        return self.done_at is None

    def done_before(self, at: datetime) -> bool:
        """Tell whether it was done before a time."""
        return self.done_at is not None and self.done_at < at

    def carried_into(
        self, measure: Measure, due_at: datetime, worker_id: str | None
    ) -> "Action":
        """Carry an open commitment into a new version: it may tighten, never slacken.

        If the new version wants another role for it, its owner keeps it until somebody
        has taken that role.
        """
        return self.model_copy(
            update={
                "strand": measure.strand,
                "role": measure.role,
                "mandatory": self.mandatory or measure.mandatory,
                "due_at": min(self.due_at, due_at),
                "worker_id": worker_id or self.worker_id,
            }
        )


class Owner(BaseModel):
    """Who has taken a role of a case, and since when.

    Attributes:
        worker_id: Nobody, once the role was taken back from whoever had it.
        accepted_at: Since when it is so.
        allocation_id: The role of the episode.
        revision: The version of allocation's own document that said so.
    """

    model_config = ConfigDict(frozen=True)

    worker_id: str | None = None
    accepted_at: datetime
    allocation_id: str = ""
    revision: int = 0

    def follows(self, other: "Owner | None") -> bool:
        """Tell whether this is the later of two, in whatever order they are heard of.

        Of one role of one episode, allocation's own document says which; of two
        episodes, the time does, and nobody gives way to anybody.
        """
        if other is None:
            return True
        if self.allocation_id and self.allocation_id == other.allocation_id:
            return self.revision > other.revision
        if self.worker_id is None or other.worker_id is None:
            return other.worker_id is None
        return self.accepted_at > other.accepted_at
