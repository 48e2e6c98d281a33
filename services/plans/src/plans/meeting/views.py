"""What is shown of meetings."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Self

from accord_chassis.decision import Permit, Relation
from accord_contracts.access import Side
from accord_contracts.allocation import Role
from accord_contracts.message import Code, Id
from accord_contracts.plans import MeetingAsked
from accord_contracts.referrals import SharingDecision
from accord_contracts.risk import RiskLevel
from pydantic import BaseModel

from plans.domain.meeting.discussion import Decision, Discussion
from plans.domain.meeting.docket import Asked, Docket, Why
from plans.domain.meeting.meeting import Entry, Meeting, Seat, Stage
from plans.domain.meeting.rules import Statement, Wording
from plans.domain.meeting.task import Task
from plans.domain.stage import First
from plans.views import SaidView


class MeetingView(BaseModel):
    """A meeting: when, with whom and how far it has come.

    Attributes:
        answers_by: By when agencies that are asked should have answered.
        statement: The version of the confidentiality statement that is to be signed.
        minutes: The hash of its minutes, once they are locked.
    """

    meeting_id: Id
    series: Code
    stage: Stage
    starts_at: datetime
    ends_at: datetime
    cut_off_at: datetime
    answers_by: datetime
    agencies: tuple[Code, ...]
    statement: str
    minutes: str | None

    @classmethod
    def of(cls, held: Meeting, statement: str) -> Self:
        """Show a meeting."""
        return cls(statement=statement, **_meeting(held))


def _meeting(held: Meeting) -> dict[str, object]:
    own = set(MeetingView.model_fields) - {"meeting_id", "statement"}
    return {"meeting_id": held.id, **held.model_dump(include=own)}


class StatementView(BaseModel):
    """The confidentiality statement that is signed, in both languages.

    Attributes:
        version: What whoever signs it names.
        digest: What tells its text from any other; a seat keeps it.
    """

    version: str
    text: Wording
    digest: str

    @classmethod
    def of(cls, held: Statement) -> Self:
        """Show the statement."""
        return cls(version=held.version, text=held.text, digest=held.digest)


class SeatView(BaseModel):
    """Who sits at the table, for whom, and that they have signed.

    Attributes:
        text: The digest of the statement's text, as they signed it; none in a seat from
            before that was noted.
    """

    worker_id: Id
    agency: Code | None
    statement: str
    text: str | None
    signed_at: datetime

    @classmethod
    def of(cls, held: Seat) -> Self:
        """Show a seat."""
        return cls(**held.model_dump())


class AnswerView(BaseModel):
    """An agency that was asked what it knows, and whether and how it has decided.

    Never what it has said, nor why it has not.

    Attributes:
        case_id: In which case: this one, or one that is merged into it.
    """

    case_id: Id
    agency: Code
    needed_by: datetime | None
    decided_at: datetime | None
    decision: SharingDecision | None

    @classmethod
    def of(cls, case_id: str, held: Asked) -> Self:
        """Show an agency that was asked."""
        return cls(case_id=case_id, **held.model_dump(include=set(cls.model_fields)))


class CalledOnView(BaseModel):
    """The agencies that are asked about a case from now on."""

    case_id: Id
    agencies: tuple[Code, ...]

    @classmethod
    def of(cls, told: MeetingAsked) -> Self:
        """Show who is asked."""
        return cls(case_id=told.case_id, agencies=told.agencies)


class AskingView(BaseModel):
    """Who is asked before a meeting from now on, and by when they should answer.

    Those that were asked already are not named, nor those that were left out.
    """

    meeting_id: Id
    answers_by: datetime
    asked: tuple[CalledOnView, ...]


class CaseView(BaseModel):
    """A case on the agenda.

    Attributes:
        level: As it is known to be now.
        why: Why it is there; empty for whoever serves the person using violence.
        clock: What cases of one level are ordered by.
        overdue: How many things should be done by now and are not.
        asked: Which agencies were asked what they know since it was last referred or
            decided on, in it and in what is merged into it, and who has answered: all
            for who coordinates, else one's own alone. An agency that is left out must
            not see that it is, not even by what the others were asked.
        unasked: Those who are invited, and were not asked; for who coordinates.
        decisions: How many were made here; the last one counts.
        settled: It need not come up again next time.
    """

    case_id: Id
    level: RiskLevel
    why: tuple[Why, ...]
    clock: datetime | None
    overdue: int | None
    asked: tuple[AnswerView, ...]
    unasked: tuple[Code, ...]
    decisions: int
    settled: bool

    @classmethod
    def of(
        cls,
        entry: Entry,
        docket: Docket | None,
        said: Discussion | None,
        *,
        merged: Iterable[Docket],
        meeting: Meeting,
        at: datetime,
        seen: Permit,
        agency: str | None,
    ) -> Self:
        """Show of a case on the agenda what somebody of an agency may see."""
        whole = "why" in seen
        every = whole and seen.rule == Relation.COORDINATOR
        begins_at = meeting.began_at or meeting.starts_at
        dockets = (docket, *merged) if docket and whole else ()
        asked = [
            AnswerView.of(one.id, each)
            for one in dockets
            for each in one.asked_since(begins_at, docket.decisions if docket else ())
            if every or each.agency == agency
        ]
        # Whoever was asked about one that is merged into it was not asked about it.
        named = {each.agency for each in asked if each.case_id == entry.case_id}
        return cls(
            case_id=entry.case_id,
            level=(docket and docket.level) or entry.level,
            why=entry.why if whole else (),
            clock=entry.clock if whole else None,
            overdue=docket.overdue(at) if docket and whole else None,
            asked=tuple(asked),
            unasked=tuple(e for e in meeting.agencies if every and e not in named),
            decisions=len(said.decisions) if said else 0,
            settled=said is not None and said.settled,
        )


class TableView(MeetingView):
    """A meeting with who sits there and what it is about, the highest risk first.

    What the reader may not see is left out, and not counted.

    Attributes:
        left_off: How many cases are too many for one meeting, none of them graver than
            those that it takes, if nobody added them: another one is called for them;
            for who coordinates.
    """

    seats: tuple[SeatView, ...]
    cases: tuple[CaseView, ...]
    left_off: int | None

    @classmethod
    def laid(
        cls,
        held: Meeting,
        statement: str,
        cases: Iterable[CaseView],
        left_off: int | None,
    ) -> Self:
        """Show a meeting and its cases."""
        seats = tuple(map(SeatView.of, held.seats))
        shown = _meeting(held) | {"seats": seats, "cases": tuple(cases)}
        return cls(statement=statement, left_off=left_off, **shown)


class TaskView(BaseModel):
    """Something that an agency has promised.

    Attributes:
        said: What was said of it last.
        done_at: When it was done, once that counts.
        undone_at: When it was settled that it will not be done.
        confirmed: A second person has confirmed it. Who, the audit log knows.
        overdue_at: When it was told that its time had passed.
        ended: The response ended before it was settled: nobody owes it any more.
        first: When it first reached each stage, at this meeting.
    """

    task_id: Id
    action: Code
    agency: Code
    about: Side
    due_at: datetime
    said: SaidView | None
    done_at: datetime | None
    undone_at: datetime | None
    confirmed: bool
    overdue_at: datetime | None
    ended: bool
    first: First

    @classmethod
    def all_of(
        cls, held: Discussion, seen: Permit, agency: str | None = None
    ) -> tuple[Self, ...]:
        """Show the tasks that count, as far as somebody may see them.

        Args:
            held: The case at the meeting.
            seen: What they may see.
            agency: Whose; none: every agency's.
        """
        return tuple(
            cls(**_task(held, key))
            for key, (task, _) in held.tasks().items()
            if part_of(task) in seen and agency in {None, task.agency}
        )


def _task(held: Discussion, task_id: str) -> dict[str, Any]:
    task, due_at = held.tasks()[task_id]
    kept = held.kept.get(task_id)
    return {
        **task.model_dump(include={"action", "agency", "about"}),
        "task_id": task_id,
        "due_at": due_at,
        "said": SaidView.of(kept.said) if kept else None,
        "done_at": kept.done_at if kept else None,
        "undone_at": kept.undone_at if kept else None,
        "confirmed": kept is not None and kept.confirmed_by is not None,
        "overdue_at": held.overdue.get(task_id),
        "ended": held.lapsed(task_id),
        "first": held.first.get(task_id, {}),
    }


class OwedTaskView(TaskView):
    """Something that one's own agency has still to do, or to have confirmed."""

    meeting_id: Id
    case_id: Id

    @classmethod
    def owed(
        cls, held: Discussion, agency: str | None, seen: Permit
    ) -> tuple[Self, ...]:
        """Show what an agency owes in a case, as far as somebody may see it."""
        at = {"meeting_id": held.meeting_id, "case_id": held.case_id}
        return tuple(
            cls(**at, **_task(held, key))
            for key, (task, _) in held.open_tasks.items()
            if task.agency == agency and part_of(task) in seen
        )


def part_of(task: Task) -> str:
    """Say which part of what was decided a task is."""
    return f"tasks_{task.about}"


class DecisionView(BaseModel):
    """A decision, and who made it.

    Attributes:
        number: Counted from 1: what it is replaced by.
    """

    number: int
    decided_by: Id
    agency: Code | None
    decided_at: datetime
    level: RiskLevel
    raised: bool
    lead: Code | None
    roles: tuple[Role, ...]
    review_at: datetime | None
    carry_over: bool

    @classmethod
    def of(cls, number: int, held: Decision) -> Self:
        """Show a decision."""
        own = {"level", "lead", "roles", "review_at", "carry_over"}
        return cls(
            number=number,
            decided_by=held.by,
            agency=held.agency,
            decided_at=held.at,
            raised=held.raised,
            **held.wanted.model_dump(include=own),
        )


class DiscussionView(BaseModel):
    """A case at a meeting: what was decided, and what was promised.

    Attributes:
        decisions: Every one, the last of which counts.
        locked: Nothing of it changes any more, but that tasks are done.
    """

    meeting_id: Id
    case_id: Id
    decisions: tuple[DecisionView, ...]
    tasks: tuple[TaskView, ...]
    locked: bool

    @classmethod
    def of(cls, held: Discussion, seen: Permit, agency: str | None = None) -> Self:
        """Show of a case at a meeting what somebody may see.

        Args:
            held: The case at the meeting.
            seen: What they may see.
            agency: Whose tasks; none: every agency's.
        """
        every = enumerate(held.decisions, start=1)
        return cls(
            meeting_id=held.meeting_id,
            case_id=held.case_id,
            decisions=tuple(DecisionView.of(*e) for e in every if "decision" in seen),
            tasks=TaskView.all_of(held, seen, agency),
            locked=held.locked is not None,
        )


class MinutesView(MeetingView):
    """The minutes of a meeting.

    Attributes:
        intact: They are what was locked: their hash says so.
        carried_over: What comes up again next time, in the order of risk and clock.
    """

    seats: tuple[SeatView, ...]
    cases: tuple[DiscussionView, ...]
    carried_over: tuple[Id, ...]
    intact: bool


class ExtractCaseView(BaseModel):
    """What one agency needs to know of a case: what it has promised, and if it leads.

    Attributes:
        level: If it leads.
    """

    case_id: Id
    leads: bool
    level: RiskLevel | None
    review_at: datetime | None
    tasks: tuple[TaskView, ...]

    @classmethod
    def of(cls, held: Discussion, agency: str, seen: Permit) -> Self:
        """Show an agency its part of what was decided on a case."""
        wanted = held.latest.wanted if held.latest else None
        leads = wanted is not None and wanted.lead == agency and "decision" in seen
        return cls(
            case_id=held.case_id,
            leads=leads,
            level=wanted.level if wanted and leads else None,
            review_at=wanted.review_at if wanted and leads else None,
            tasks=TaskView.all_of(held, seen, agency),
        )


class ExtractView(BaseModel):
    """What one agency needs to know of a meeting, and nothing of the others."""

    meeting_id: Id
    agency: Code
    cases: tuple[ExtractCaseView, ...]
