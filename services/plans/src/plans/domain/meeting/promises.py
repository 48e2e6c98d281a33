"""How what an agency promised at a meeting ends: it is kept, or it is settled why not.

As with the actions of a plan, at a high level of risk nobody settles anything alone.
Nor does whoever coordinates on behalf of an agency, which may have no account.
"""

from datetime import datetime, timedelta

from plans.domain.action import EvidenceMissing, Said, UnknownCode
from plans.domain.keeping import (
    AnotherWordStands,
    NothingToConfirm,
    NotTheSecondPerson,
)
from plans.domain.meeting.discussion import Discussion
from plans.domain.meeting.task import Kept, NoSuchTask, TaskOver
from plans.domain.stage import ActionStage
from plans.domain.template import Policy


def keep(
    held: Discussion,
    task_id: str,
    agency: str | None,
    said: Said,
    policy: Policy,
    *,
    grave: bool,
) -> Discussion:
    """Note that an agency did what it had promised. Noting it again changes nothing.

    Args:
        held: The case at the meeting.
        task_id: What was done.
        agency: Whose worker says so; none: whoever coordinates does, on its behalf:
            it counts once somebody else has confirmed it.
        said: By whom, when, and what shows it.
        policy: The locality's.
        grave: The risk is high: it counts once somebody else has confirmed it.

    Raises:
        NoSuchTask: The agency has no such task.
        TaskOver: The response has ended.
        AnotherWordStands: What somebody else said of it waits for a second person.
        EvidenceMissing: At this level it takes something that shows it.
        UnknownCode: The kind of evidence is not one of the locality's.
    """
    known = _known(held, task_id, agency)
    own = known is not None and known.said.by == said.by and not known.said.reason
    if known and (known.counts or own):
        return held
    _may_be_said(held, known, said)
    if grave and said.evidence is None:
        raise EvidenceMissing
    if said.evidence and said.evidence.kind not in policy.evidence:
        raise UnknownCode
    alone = agency is not None and not grave
    return _say(held, task_id, said, policy, alone=alone)


def leave_undone(
    held: Discussion,
    task_id: str,
    agency: str | None,
    said: Said,
    policy: Policy,
    *,
    grave: bool,
) -> Discussion:
    """Note why an agency will not do it. Noting it again changes nothing.

    Args:
        held: The case at the meeting.
        task_id: What will not be done.
        agency: Whose worker says so; none: whoever coordinates does, on its behalf:
            it counts once somebody else has confirmed it.
        said: By whom, when and why.
        policy: The locality's.
        grave: The risk is high: it counts once somebody else has confirmed it.

    Raises:
        UnknownCode: The reason is not one of the locality's.
        NoSuchTask: The agency has no such task.
        TaskOver: The response has ended.
        AnotherWordStands: What somebody else said of it waits for a second person.
    """
    if said.reason not in policy.not_done_reasons:
        raise UnknownCode
    known = _known(held, task_id, agency)
    same = (said.by, said.reason)
    if known and (known.counts or (known.said.by, known.said.reason) == same):
        return held
    _may_be_said(held, known, said)
    alone = agency is not None and not grave
    return _say(held, task_id, said, policy, alone=alone)


def confirm(
    held: Discussion,
    task_id: str,
    *,
    by: str,
    said_at: datetime,
    agrees: bool,
    at: datetime,
) -> Discussion:
    """Confirm what was said of a task, or say that it is not so: then it is still open.

    Confirming again changes nothing.

    Args:
        held: The case at the meeting.
        task_id: Which task.
        by: The second person.
        said_at: When what they have read was said.
        agrees: It is so.
        at: When.

    Raises:
        NoSuchTask: There is none.
        NothingToConfirm: Nothing was said of it.
        TaskOver: The response has ended.
        NotTheSecondPerson: They have said it themselves.
        AnotherWordStands: Something else than what they have read.
    """
    if task_id not in held.tasks():
        raise NoSuchTask
    known = held.kept.get(task_id)
    if known is None:
        raise NothingToConfirm
    if known.counts and known.said.at == said_at:
        return held
    if held.over:
        raise TaskOver
    if known.said.by == by:
        raise NotTheSecondPerson
    if known.counts or known.said.at != said_at:
        raise AnotherWordStands
    others = {key: each for key, each in held.kept.items() if key != task_id}
    if not agrees:
        return held.model_copy(update={"kept": others})
    others[task_id] = known.model_copy(update={"confirmed_by": by})
    stages = (ActionStage.CONFIRMED, ActionStage.SETTLED)
    return held.model_copy(update={"kept": others}).reaches([task_id], at, *stages)


def _known(held: Discussion, task_id: str, agency: str | None) -> Kept | None:
    task, _ = held.tasks().get(task_id, (None, None))
    if task is None or agency not in {None, task.agency}:
        raise NoSuchTask
    return held.kept.get(task_id)


def _may_be_said(held: Discussion, known: Kept | None, said: Said) -> None:
    if held.over:
        raise TaskOver
    # Nobody puts their word in the place of one that is being confirmed.
    if known and known.said.by != said.by:
        raise AnotherWordStands


def _say(
    held: Discussion, task_id: str, said: Said, policy: Policy, *, alone: bool
) -> Discussion:
    """Note what is said of a task: it counts if one person's word is enough."""
    if alone:
        kept = {**held.kept, task_id: Kept(said=said)}
        stages = (ActionStage.SAID, ActionStage.SETTLED)
        return held.model_copy(update={"kept": kept}).reaches(
            [task_id], said.at, *stages
        )
    confirm_by = said.at + timedelta(hours=policy.confirm_within_hours)
    waiting = Kept(said=said.model_copy(update={"confirm_by": confirm_by}))
    # Its second person has a clock of their own, though the agency's has run out.
    late = {key: each for key, each in held.overdue.items() if key != task_id}
    word = held.model_copy(
        update={"kept": {**held.kept, task_id: waiting}, "overdue": late}
    )
    return word.reaches([task_id], said.at, ActionStage.SAID)
