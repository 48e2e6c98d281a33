"""What becomes of what agencies promise at meetings, until it is settled."""

from datetime import datetime
from typing import Any

from accord_contracts.message import Event, Lane
from accord_contracts.plans import (
    MeetingTaskDone,
    MeetingTaskDueSoon,
    MeetingTaskNotDone,
    MeetingTaskOverdue,
    MeetingTaskPromised,
)
from accord_contracts.risk import RiskLevel

from plans.domain.action import Said
from plans.domain.meeting import promises
from plans.domain.meeting.discussion import Discussion, NotOnTheAgenda, id_of
from plans.meeting.store import Table

RESPONSE_ENDED = "response_ended"
"""Why nobody owes what was promised to a response that has ended: no locality's code,
because nobody has said so."""


async def say_of_task(
    meeting_id: str,
    case_id: str,
    task_id: str,
    agency: str | None,
    said: Said,
    *,
    table: Table,
) -> Discussion:
    """Note that an agency did what it promised at a meeting, or why it will not.

    Args:
        meeting_id: Where.
        case_id: In which case.
        task_id: What.
        agency: Whose worker says so; none: whoever coordinates does, on its behalf.
        said: By whom, when, and what shows it, or why not.
        table: What meetings are held with.

    Raises:
        NotOnTheAgenda: Nothing was said of that case there.
        Refusal: Of ``promises.keep``; if there is a reason, ``promises.leave_undone``.
    """
    held, level = await _read(meeting_id, case_id, table)
    note = promises.leave_undone if said.reason else promises.keep
    new = note(held, task_id, agency, said, table.policy, grave=level.urgent)
    return await _save(new, held, task_id, level, table)


async def confirm_task(
    meeting_id: str,
    case_id: str,
    task_id: str,
    *,
    by: str,
    said_at: datetime,
    agrees: bool,
    table: Table,
) -> Discussion:
    """Confirm, as the second person, what was said of a task; or that it is not so.

    Raises:
        NotOnTheAgenda: Nothing was said of that case there.
        Refusal: Of ``promises.confirm``.
    """
    held, level = await _read(meeting_id, case_id, table)
    new = promises.confirm(
        held, task_id, by=by, said_at=said_at, agrees=agrees, at=table.clock.now()
    )
    return await _save(new, held, task_id, level, table)


async def _read(
    meeting_id: str, case_id: str, table: Table
) -> tuple[Discussion, RiskLevel]:
    held = await table.discussions.get(id_of(meeting_id, case_id))
    if held is None:
        raise NotOnTheAgenda
    return held, await level_of(held, table)


async def _save(
    new: Discussion, held: Discussion, task_id: str, level: RiskLevel, table: Table
) -> Discussion:
    """Save what was said of a task, and tell it if it is settled."""
    if new is held:
        return held
    told = [] if task_id in new.open_tasks else [_settled(new, task_id)]
    return await table.discussions.save(new, *told, lane=lane_of(level))


async def level_of(held: Discussion, table: Table) -> RiskLevel:
    """Give the highest level at which a case is held: by whoever decided, or since.

    Of a merged case, that of the case which it is merged into counts as well.
    """
    docket = await table.dockets.get(held.case_id)
    survivor = docket.merged_into if docket else None
    into = await table.dockets.get(survivor) if survivor else None
    levels = [each.level for each in (docket, into) if each and each.level]
    if held.latest:
        levels.append(held.latest.wanted.level)
    return max(levels, key=lambda each: each.rank, default=RiskLevel.LOW)


async def tell_due(held: Discussion, *, at: datetime, table: Table) -> None:
    """Say which tasks were not done in time, and which soon should be. Each once."""
    new = held.fall_due(at)
    level = await level_of(held, table)
    tasks, told = new.tasks(), list[Event]()
    for key in sorted(new.overdue.keys() - held.overdue.keys()):
        due_at = tasks[key][1]
        late = MeetingTaskOverdue(
            **_about(new, key),
            level=level,
            due_at=due_at,
            late_by=(at - due_at).total_seconds(),
        )
        told.append(late)
    told += (
        MeetingTaskDueSoon(**_about(new, key), level=level, due_at=tasks[key][1])
        for key in sorted(new.reminded - held.reminded)
    )
    await table.discussions.save(new, *told, lane=lane_of(level))


def newly_promised(
    new: Discussion, held: Discussion, at: datetime
) -> list[MeetingTaskPromised]:
    """Tell each agency of what the table asks it for that it did not owe before.

    And of what it is now asked for sooner: it goes by the time that it was told.
    """
    if new.latest is None:
        return []
    open_, level = new.open_tasks, new.latest.wanted.level
    known = {key: due_at for key, (_, due_at) in held.open_tasks.items()}
    return [
        MeetingTaskPromised(
            **_about(new, key), level=level, due_at=due_at, promised_at=at
        )
        for key, (_, due_at) in sorted(open_.items())
        if key not in known or due_at < known[key]
    ]


def no_longer_asked(
    new: Discussion, held: Discussion, at: datetime
) -> list[MeetingTaskNotDone]:
    """Tell of what the table itself asks for no more, so that no alarm stays."""
    gone = held.open_tasks.keys() - new.tasks().keys()
    return [
        MeetingTaskNotDone(**_about(held, key), reason=None, settled_at=at)
        for key in sorted(gone)
    ]


def ended_with(
    new: Discussion, held: Discussion, at: datetime
) -> list[MeetingTaskNotDone]:
    """Tell of what was still owed when the response ended, with which it went."""
    gone = held.open_tasks.keys() - new.open_tasks.keys()
    return [
        MeetingTaskNotDone(**_about(held, key), reason=RESPONSE_ENDED, settled_at=at)
        for key in sorted(gone)
    ]


def _settled(held: Discussion, task_id: str) -> Event:
    kept = held.kept[task_id]
    about = _about(held, task_id)
    if kept.said.reason:
        reason, at = kept.said.reason, kept.said.at
        return MeetingTaskNotDone(**about, reason=reason, settled_at=at)
    own = {key: about[key] for key in ("case_id", "meeting_id", "task_id")}
    return MeetingTaskDone(**own, done_by=kept.said.by, done_at=kept.said.at)


def _about(held: Discussion, task_id: str) -> dict[str, Any]:
    task, _ = held.tasks()[task_id]
    return {
        "case_id": held.case_id,
        "meeting_id": held.meeting_id,
        "task_id": task_id,
        "action": task.action,
        "agency": task.agency,
    }


def lane_of(level: RiskLevel) -> Lane:
    """Give how fast it is told what becomes of a case at a level of risk."""
    return Lane.URGENT if level.urgent else Lane.ROUTINE
