"""A commitment of a plan, and who has taken the role that keeps it."""

from datetime import datetime, timedelta

from accord_contracts.allocation import Role
from accord_contracts.plans import ActionOutcome
from accord_contracts.problem import Refusal
from pydantic import BaseModel, ConfigDict

from plans.domain.hours import Within
from plans.domain.stage import ActionStage, First, reached
from plans.domain.template import Part


class NoSuchAction(Refusal):
    """The caller has no such action."""

    status = 404


class NotYourActions(Refusal):
    """The caller is no such worker."""

    status = 404


class NotToBeTaken(Refusal):
    """Somebody has it already, or it is settled."""


class WaitsForAnother(Refusal):
    """Something else of the plan must be settled before this can be done."""


class EvidenceMissing(Refusal):
    """At a high level of risk, say by what it shows that it was done."""

    status = 422


class UnknownCode(Refusal):
    """The locality's policy does not know this code."""

    status = 422


class Evidence(BaseModel):
    """What shows that an action was done.

    Attributes:
        kind: One of the locality's codes.
        reference: Of the document at the agency that has it. An id, because anything
            else could be somebody's number.
    """

    model_config = ConfigDict(frozen=True)

    kind: str
    reference: str | None = None


class Said(BaseModel):
    """That something was done, or will not be, as somebody says.

    Attributes:
        outcome: What came of it, as far as they say.
        reason: Why it will not be done, by one of the locality's codes; none: it was.
        confirm_by: Until when a second person should have confirmed it.
    """

    model_config = ConfigDict(frozen=True)

    at: datetime
    by: str
    outcome: ActionOutcome | None = None
    evidence: Evidence | None = None
    reason: str | None = None
    confirm_by: datetime | None = None


MOST_PAST = 20
"""Times that an action is remembered to have ended; more is a household of years."""


class Past(BaseModel):
    """How an action ended before it was asked for anew.

    Attributes:
        said: By whom and when, with what shows it and what came of it, or why not.
        confirmed_by: The second person who confirmed it.
        first: When it first reached each stage.
    """

    model_config = ConfigDict(frozen=True)

    action_id: str
    said: Said
    confirmed_by: str | None = None
    first: First = {}


class Action(BaseModel):
    """A commitment: what is to be done, by whom and by when.

    Attributes:
        code: What; one action of a plan bears it at a time, for one person.
        part: Whose part of the plan it is in.
        person_id: Whom it is for, if it is one child's, or one person's of two harmed.
        due_at: When it should be done. While it waits for something else: when it will
            be due at the earliest, if that is done in time.
        after: What must be settled before it.
        within: How long there is once that is settled, while it waits.
        agency: The agency that owns it from the start: it sees to it that somebody
            does it.
        worker_id: Its owner, once somebody has taken the role, or the action itself.
        taken: They took the action itself, and keep it whoever has the role.
        said: What was said of it last: until it is confirmed, if it must be.
        done_at: When it was done, as said by whoever did it.
        undone_at: When it was settled that it will not be done.
        confirmed_by: The second person who confirmed either.
        remind_at: When it is to be reminded of; none: it was, or need not be.
        overdue_at: When it was told that the time had passed.
        last_done_at: When it was done in an earlier episode.
        past: How it ended each time it was asked for before, the latest last.
        first: When it first reached each stage.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    code: str
    strand: str
    part: Part = Part.WHOLE_CASE
    person_id: str | None = None
    role: Role
    mandatory: bool
    due_at: datetime
    after: frozenset[str] = frozenset()
    within: Within | None = None
    agency: str | None = None
    worker_id: str | None = None
    taken: bool = False
    said: Said | None = None
    done_at: datetime | None = None
    undone_at: datetime | None = None
    confirmed_by: str | None = None
    remind_at: datetime | None = None
    overdue_at: datetime | None = None
    last_done_at: datetime | None = None
    past: tuple[Past, ...] = ()
    first: First = {}

    @property
    def open(self) -> bool:
        """Tell whether it is still to be done."""
        return self.done_at is None and self.undone_at is None

    @property
    def ended(self) -> tuple[Past, ...]:
        """How it ended each time, this one included: for when it is asked for anew."""
        if self.open or self.said is None:
            return self.past
        last = Past(
            action_id=self.id,
            said=self.said,
            confirmed_by=self.confirmed_by,
            first=self.first,
        )
        return (*self.past, last)[-MOST_PAST:]

    @property
    def terms(self) -> tuple[object, ...]:
        """What its owner is told of: whose it is, and when it is due."""
        return self.worker_id, self.role, self.mandatory, self.due_at, self.within

    @property
    def late_from(self) -> datetime | None:
        """When it is told that it is overdue, if that was not told yet.

        What was said to be done in time may be confirmed a little later.
        """
        if not self.open or self.overdue_at or self.within:
            return None
        confirm_by = self.said.confirm_by if self.said else None
        return max(self.due_at, confirm_by) if confirm_by else self.due_at

    @property
    def ahead(self) -> datetime | None:
        """When something is to be told of it next."""
        if not self.open or self.within:
            return None
        remind_at = None if self.said else self.remind_at
        return min(filter(None, (remind_at, self.late_from)), default=None)

    def settled(self, since: datetime, *, each_episode: bool, risen: bool) -> bool:
        """Tell whether a new version need not ask for it again.

        Args:
            since: When the response to the present episode was first asked for.
            each_episode: Every episode asks for it, though it was done before.
            risen: The level has risen: what was left undone is asked for again.
        """
        if self.undone_at:
            return not risen and self.undone_at >= since
        if self.done_at is None:
            return False
        return not each_episode or self.done_at >= since

    def reaches(self, at: datetime, *stages: ActionStage) -> "Action":
        """Note when stages were reached, those that were not before."""
        return self.model_copy(update={"first": reached(self.first, at, *stages)})

    def carried_into(self, new: "Action", remind: timedelta) -> "Action":
        """Carry an open commitment into a new version: it may tighten, never slacken.

        If the new version wants another role for it, its owner keeps it until somebody
        has taken that role. What runs already does not wait again.
        """
        due_at = min(self.due_at, new.due_at)
        tightened = due_at != self.due_at and not self.overdue_at
        return self.model_copy(
            update={
                "strand": new.strand,
                "part": new.part,
                "person_id": new.person_id,
                "role": new.role,
                "mandatory": self.mandatory or new.mandatory,
                "due_at": due_at,
                "after": new.after if self.within else self.after,
                "within": self.within and new.within,
                "agency": new.agency,
                "worker_id": (not self.taken and new.worker_id) or self.worker_id,
                "remind_at": due_at - remind if tightened else self.remind_at,
                "first": {**new.first, **self.first},
            }
        )

    def starts(self, due_at: datetime, remind: timedelta) -> "Action":
        """Let its clock run, because it waits for nothing any more."""
        update = {"within": None, "due_at": due_at, "remind_at": due_at - remind}
        return self.model_copy(update=update)


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
