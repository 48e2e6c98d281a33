"""What agencies have promised at meetings, over HTTP."""

from functools import partial
from typing import NamedTuple

from accord_chassis.decision import Action, Permit, Relation, Resource
from accord_chassis.guard import Asking
from accord_chassis.service import settled
from accord_contracts.access import NO_CASE
from accord_contracts.message import Id
from fastapi import APIRouter

from plans.domain.action import Evidence, Said
from plans.domain.meeting.discussion import id_of
from plans.domain.meeting.task import NoSuchTask
from plans.meeting import promising
from plans.meeting.routes import TASKS, Member, Table_
from plans.meeting.store import Table
from plans.meeting.views import DiscussionView, OwedTaskView, part_of
from plans.views import CompleteTask, Confirm, LeaveUndone

router = APIRouter(tags=["meetings"])

PATH = "/meetings/{meeting_id}/cases/{case_id}/tasks/{task_id}"

LIST_TASKS = Action("tasks.read_own", (Relation.OWNER,), parts=TASKS)
KEEP_TASK = Action("task.keep", (Relation.OWNER, Relation.COORDINATOR), parts=TASKS)
CONFIRM_TASK = Action(
    "task.confirm", (Relation.OWNER, Relation.COORDINATOR), parts=TASKS
)


class Settling(NamedTuple):
    """Somebody who may settle a task.

    Attributes:
        worker: Who they are.
        agency: Whose tasks they settle, and see; none: they coordinate, for all.
    """

    seen: Permit
    worker: str
    agency: str | None


async def may_settle(
    action: Action,
    meeting_id: str,
    case_id: str,
    task_id: str,
    *,
    by: Asking,
    table: Table,
) -> Settling:
    """See that somebody may settle a task; say what they see of it, and for whom.

    Raises:
        NoSuchTask: There is none, or none for them; or they are no worker.
    """
    said = await table.discussions.get(id_of(meeting_id, case_id))
    task, _ = said.tasks().get(task_id, (None, None)) if said else (None, None)
    agency = task.agency if task and by.worker else None
    resource = Resource("task", task_id, case_id, agency=agency)
    seen = await by.permit(action, resource, otherwise=NoSuchTask)
    if task is None or by.worker is None or part_of(task) not in seen:
        raise NoSuchTask
    # Nothing is shown but the tasks of one compartment.
    own = Permit(seen.rule, seen.parts & {part_of(task)}, seen.glass_id)
    for_all = seen.rule == Relation.COORDINATOR
    return Settling(own, by.worker, None if for_all else agency)


@router.get("/tasks")
async def list_tasks(table: Table_, member: Member) -> tuple[OwedTaskView, ...]:
    """List what one's own agency has still to do, what falls due first first.

    At whichever meeting it was promised: also what waits for a second person.
    """
    agency = member.who.agency if member.worker else None
    found = await table.discussions.owed_by(agency) if agency else []
    listed = [
        (Resource("task", each.id, each.case_id, agency=agency), each) for each in found
    ]
    of = Resource("tasks", NO_CASE, agency=agency)
    may = await member.permit_each(LIST_TASKS, listed, of=of, otherwise=NoSuchTask)
    owed = [e for each, seen in may for e in OwedTaskView.owed(each, agency, seen)]
    return tuple(sorted(owed, key=lambda each: (each.due_at, each.task_id)))


@router.post(f"{PATH}/completion")
async def keep_task(
    meeting_id: Id,
    case_id: Id,
    task_id: Id,
    *,
    done: CompleteTask | None = None,
    table: Table_,
    member: Member,
) -> DiscussionView:
    """Say that one's own agency has done what it promised; or, coordinating, another.

    At a high level of risk, and on behalf of another agency at every level, it counts
    once somebody else has confirmed it.
    """
    named, evidence = (meeting_id, case_id, task_id), done.shown if done else None
    return await _say(*named, table, member, evidence=evidence)


@router.post(f"{PATH}/undone")
async def leave_task(
    meeting_id: Id,
    case_id: Id,
    task_id: Id,
    left: LeaveUndone,
    *,
    table: Table_,
    member: Member,
) -> DiscussionView:
    """Say why one's own agency will not do what it promised; or, coordinating, another.

    At a high level of risk, and on behalf of another agency at every level, it counts
    once somebody else has confirmed it.
    """
    named = (meeting_id, case_id, task_id)
    return await _say(*named, table, member, reason=left.reason)


async def _say(
    meeting_id: str,
    case_id: str,
    task_id: str,
    table: Table,
    member: Asking,
    *,
    evidence: Evidence | None = None,
    reason: str | None = None,
) -> DiscussionView:
    named = (meeting_id, case_id, task_id)
    seen, worker, agency = await may_settle(KEEP_TASK, *named, by=member, table=table)
    said = Said(at=table.clock.now(), by=worker, evidence=evidence, reason=reason)
    say = partial(promising.say_of_task, *named, agency, said, table=table)
    return DiscussionView.of(await settled(say), seen, agency)


@router.post(f"{PATH}/confirmation")
async def confirm_task(
    meeting_id: Id,
    case_id: Id,
    task_id: Id,
    told: Confirm,
    *,
    table: Table_,
    member: Member,
) -> DiscussionView:
    """Say, as another of the agency or a coordinator, whether what was said is so."""
    seen, worker, agency = await may_settle(
        CONFIRM_TASK, meeting_id, case_id, task_id, by=member, table=table
    )
    confirm = partial(
        promising.confirm_task,
        meeting_id,
        case_id,
        task_id,
        by=worker,
        said_at=told.said_at,
        agrees=told.confirmed,
        table=table,
    )
    return DiscussionView.of(await settled(confirm), seen, agency)
