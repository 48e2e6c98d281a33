"""One case at one meeting: what was decided, by whom, and who promised what.

It has a document of its own, so that two who decide on two cases never wait for each
other, and two who decide on one case never overwrite each other.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Annotated, Any, Self
from uuid import UUID, uuid5

from accord_contracts.access import Side
from accord_contracts.allocation import Role
from accord_contracts.message import Code, Id
from accord_contracts.problem import Refusal
from accord_contracts.risk import RiskLevel
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    computed_field,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from plans.domain.meeting.docket import Owed
from plans.domain.meeting.meeting import MeetingOver
from plans.domain.meeting.rules import to_the_minute
from plans.domain.meeting.task import Kept, Task
from plans.domain.stage import ActionStage, First, reached

MOST_DECISIONS = 20
"""Decisions on one case at one meeting: all are kept, and a document has an end."""


class NotOnTheAgenda(Refusal):
    """This case is not on the meeting's agenda."""

    status = 404


class AlreadyDecided(Refusal):
    """Somebody has decided on this case: read that, and say that yours replaces it."""


class NotLoweredHere(Refusal):
    """A meeting raises or confirms a level; lowering takes a proof and two people."""

    status = 422


class ResponseEnded(Refusal):
    """The response to this case has ended: a meeting may still raise its level."""


class DecidedTooOften(Refusal):
    """No case is decided on so often at one meeting."""


class Wanted(BaseModel):
    """What a meeting decides on a case.

    Attributes:
        level: Confirmed, or raised.
        lead: The agency that leads.
        roles: Whom the case needs besides.
        review_at: When a meeting wants to see it again.
        carry_over: It is not settled, and comes up again next time.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: RiskLevel
    lead: Code | None = None
    roles: Annotated[tuple[Role, ...], Field(max_length=10)] = ()
    tasks: Annotated[tuple[Task, ...], Field(max_length=30)] = ()
    review_at: AwareDatetime | None = None
    carry_over: bool = False

    @field_validator("review_at")
    @classmethod
    def _to_the_minute(cls, given: datetime | None) -> datetime | None:
        return to_the_minute(given) if given else None

    @model_validator(mode="after")
    def _names_each_once(self) -> Self:
        promised = [(each.action, each.agency) for each in self.tasks]
        if len(set(promised)) < len(promised) or len(set(self.roles)) < len(self.roles):
            raise PydanticCustomError("named_twice", "A task or a role is named twice.")
        return self


class Decision(BaseModel):
    """What was decided, and by whom.

    Attributes:
        by: The worker.
        agency: For whom they sat there.
        raised: The level is higher than it was.
        remind_hours: So long before it is due a task is reminded of.
    """

    model_config = ConfigDict(frozen=True)

    wanted: Wanted
    by: Id
    agency: Code | None
    at: datetime
    raised: bool
    remind_hours: int = 0


class Discussion(BaseModel):
    """A case at a meeting.

    Attributes:
        decisions: Every one; the last counts.
        kept: What was said of its tasks, by their ids. It goes on when the minutes are
            locked, like all that is known of tasks.
        reminded: The tasks that were reminded of.
        overdue: When it was told of tasks that their time had passed.
        first: When each task ever asked for first reached each stage.
        ended_at: When the response last ended: what was promised before went with it.
        salt: What its seal cannot be guessed without; it goes with the case.
        locked: The seal of what was decided: nothing of it changes any more.
        corrected_at: Until when the parts of the case were told the other way round.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    version: int = 0
    meeting_id: Id
    case_id: Id
    decisions: tuple[Decision, ...] = ()
    kept: dict[str, Kept] = {}
    reminded: frozenset[str] = frozenset()
    overdue: dict[str, datetime] = {}
    first: dict[str, First] = {}
    ended_at: datetime | None = None
    salt: str = ""
    locked: str | None = None
    corrected_at: datetime | None = None
    erased_at: datetime | None = None

    @classmethod
    def of(cls, meeting_id: str, case_id: str) -> Self:
        """Give a case at a meeting, of which nothing is decided."""
        id_ = id_of(meeting_id, case_id)
        return cls(id=id_, meeting_id=meeting_id, case_id=case_id)

    @property
    def latest(self) -> Decision | None:
        """The decision that counts."""
        return self.decisions[-1] if self.decisions else None

    @property
    def settled(self) -> bool:
        """Tell whether it need not come up again next time."""
        return self.latest is not None and not self.latest.wanted.carry_over

    def decide(self, wanted: Wanted, *, replaces: int, decision: Decision) -> Self:
        """Record a decision; the same sent again by the same person changes nothing.

        Args:
            wanted: What is decided.
            replaces: The number of the decision that it stands in the place of; 0: it
                is the first.
            decision: The same, with who and when.

        Raises:
            MeetingOver: The minutes are locked.
            AlreadyDecided: Another decision than that one counts: by whom.
            DecidedTooOften: It was decided on too often.
        """
        count = len(self.decisions)
        if replaces < count:
            next_ = self.decisions[replaces]
            if (next_.wanted, next_.by) == (wanted, decision.by):
                return self
        if self.locked:
            raise MeetingOver
        if replaces != count:
            raise AlreadyDecided(self._by_whom())
        if count >= MOST_DECISIONS:
            raise DecidedTooOften
        new = self.model_copy(update={"decisions": (*self.decisions, decision)})
        # What is asked of nobody any more is asked anew, if it is asked again.
        asked = new.tasks()
        update = {
            "kept": {key: each for key, each in self.kept.items() if key in asked},
            "reminded": frozenset(key for key in self.reminded if key in asked),
            "overdue": {key: at for key, at in self.overdue.items() if key in asked},
        }
        left = new.model_copy(update=update)
        return left.reaches(asked, decision.at, ActionStage.ASKED)

    def reaches(self, tasks: Iterable[str], at: datetime, *stages: ActionStage) -> Self:
        """Note when tasks reached stages, those that they had not before."""
        new = {key: reached(self.first.get(key, {}), at, *stages) for key in tasks}
        return self.model_copy(update={"first": {**self.first, **new}})

    def _by_whom(self) -> str:
        """Say it by codes and numbers: a problem names nobody."""
        if self.latest is None:
            return "There is no decision yet: it replaces number 0."
        who = self.latest.agency or "the coordinator"
        when = self.latest.at.isoformat(timespec="seconds")
        return f"Already decided by {who} at {when}: number {len(self.decisions)}."

    def tasks(self) -> dict[str, tuple[Task, datetime]]:
        """Give the tasks that count, by id, each with when it is due."""
        if self.latest is None:
            return {}
        return {
            self._task_id(each): (
                self._task(each, self.latest),
                self._due(each, self.latest),
            )
            for each in self.latest.wanted.tasks
        }

    @property
    def over(self) -> bool:
        """Tell whether what was promised here went with the response."""
        latest, ended_at = self.latest, self.ended_at
        return bool(latest and ended_at and latest.at <= ended_at)

    @property
    def grave(self) -> bool:
        """Tell whether the risk was so high that nobody settles anything alone."""
        return self.latest is not None and self.latest.wanted.level.urgent

    @property
    def open_tasks(self) -> dict[str, tuple[Task, datetime]]:
        """What is still to be done, or to be confirmed, by id, with when it is due."""
        if self.over:
            return {}
        return {key: e for key, e in self.tasks().items() if not self._settles(key)}

    def lapsed(self, task_id: str) -> bool:
        """Tell whether nobody owes a task: it was open when the response ended."""
        return self.over and not self._settles(task_id)

    def _settles(self, task_id: str) -> bool:
        return task_id in self.kept and self.kept[task_id].counts

    @computed_field  # type: ignore[prop-decorator]
    @property
    def owed_by(self) -> tuple[str, ...]:
        """The agencies that have something still to do."""
        return tuple(sorted({task.agency for task, _ in self.open_tasks.values()}))

    @computed_field  # type: ignore[prop-decorator]
    @property
    def due_at(self) -> datetime | None:
        """When something is to be told of a task next."""
        open_ = self.open_tasks.items()
        times = [self._late_from(key, due_at) for key, (_, due_at) in open_]
        times += [self._remind_at(key, due_at) for key, (_, due_at) in open_]
        return min(filter(None, times), default=None)

    def _late_from(self, task_id: str, due_at: datetime) -> datetime | None:
        """Say when it is told that a task is overdue, if that was not told yet.

        What was said to be done in time may be confirmed a little later.
        """
        if task_id in self.overdue:
            return None
        kept = self.kept.get(task_id)
        confirm_by = kept.said.confirm_by if kept else None
        return max(due_at, confirm_by) if confirm_by else due_at

    def _remind_at(self, task_id: str, due_at: datetime) -> datetime | None:
        told = self.kept.keys() | self.reminded | self.overdue.keys()
        if self.latest is None or task_id in told:
            return None
        return due_at - timedelta(hours=self.latest.remind_hours)

    def fall_due(self, at: datetime) -> Self:
        """Note what is overdue by now, and what is to be reminded of, each once."""
        open_ = self.open_tasks.items()
        late = {
            key
            for key, (_, due_at) in open_
            if (since := self._late_from(key, due_at)) and since <= at
        }
        soon = {
            key
            for key, (_, due_at) in open_
            if (since := self._remind_at(key, due_at)) and since <= at
        }
        if not late | soon:
            return self
        overdue = {**self.overdue, **dict.fromkeys(sorted(late), at)}
        reminded = self.reminded | (soon - late)
        told = self.model_copy(update={"overdue": overdue, "reminded": reminded})
        return told.reaches(late, at, ActionStage.OVERDUE).reaches(
            soon - late, at, ActionStage.REMINDED
        )

    def _task(self, task: Task, decision: Decision) -> Task:
        """Give a task; one decided before the parts were put right is of her side."""
        if not self.corrected_at or decision.at > self.corrected_at:
            return task
        return task.model_copy(update={"about": Side.PERSON_HARMED})

    def _due(self, task: Task, decision: Decision) -> datetime:
        """Say when it is due: by the first decision that asked for it so soon.

        Of those that have asked for it since it was last asked of nobody.
        """
        due_at = decision.at + timedelta(hours=task.within_hours)
        for each in reversed(self.decisions):
            asked = {self._task_id(e): e for e in each.wanted.tasks}
            same = asked.get(self._task_id(task))
            if same is None:
                break
            due_at = min(due_at, each.at + timedelta(hours=same.within_hours))
        return due_at

    def _task_id(self, task: Task) -> str:
        return str(uuid5(UUID(self.id), f"{task.agency}/{task.action}"))

    def promised(self) -> dict[str, Owed]:
        """Give what was ever promised, as the docket has it.

        What a later decision does not ask for any more is asked of nobody.
        """
        standing = self.tasks()
        asked = ((e, each.at) for each in self.decisions for e in each.wanted.tasks)
        every = {
            self._task_id(e): at + timedelta(hours=e.within_hours) for e, at in asked
        }
        every |= {key: due_at for key, (_, due_at) in standing.items()}
        return {
            key: Owed(
                due_at=due_at,
                since=due_at,
                revision=self.version,
                done=key not in self.open_tasks,
                promised_at=self.latest.at if self.latest else due_at,
            )
            for key, due_at in every.items()
        }

    def end(self, at: datetime) -> Self:
        """Note that the response has ended: nothing promised before is owed any more.

        What is promised later, when the case is open again, is.
        """
        if self.erased_at or (self.ended_at and self.ended_at >= at):
            return self
        return self.model_copy(update={"ended_at": at})

    def correct(self, at: datetime) -> Self:
        """Note that until then the parts of the case were told wrongly."""
        if self.corrected_at and self.corrected_at >= at:
            return self
        return self.model_copy(update={"corrected_at": at})

    def lock(self, seal: str) -> Self:
        """Have nothing of it decided any more."""
        return self.model_copy(update={"locked": seal})

    def erase(self, at: datetime) -> Self:
        """Leave a tombstone: which case was at which meeting, and its seal."""
        update: dict[str, Any] = {"decisions": (), "salt": "", "erased_at": at}
        tasks: dict[str, Any] = {"kept": {}, "reminded": frozenset(), "overdue": {}}
        tasks["first"] = {}
        return self.model_copy(update={**update, **tasks})


def id_of(meeting_id: str, case_id: str) -> str:
    """Give the id of a case at a meeting."""
    return str(uuid5(UUID(meeting_id), case_id))
