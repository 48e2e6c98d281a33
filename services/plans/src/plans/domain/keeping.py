"""How a commitment ends: it is kept, or it is settled why not.

At a high level of risk nobody settles anything alone.
"""

from datetime import datetime, timedelta

from accord_contracts.problem import Refusal

from plans.domain.action import (
    Action,
    EvidenceMissing,
    NoSuchAction,
    Said,
    UnknownCode,
    WaitsForAnother,
)
from plans.domain.plan import AlreadyClosed, Plan
from plans.domain.stage import ActionStage, Stage, Status
from plans.domain.template import Policy
from plans.domain.waiting import running, waited_for


class NothingToConfirm(Refusal):
    """Nobody has said that it was done, or will not be."""


class AnotherWordStands(Refusal):
    """Something else was said of it by now: read that first."""


class NotTheSecondPerson(Refusal):
    """Whoever said so cannot confirm it: somebody else must."""

    status = 403


def complete(
    held: Plan, action_id: str, said: Said, policy: Policy, *, grave: bool = False
) -> Plan:
    """Note that a worker has done what they own. Noting it again changes nothing.

    At a high level it counts once somebody else has confirmed it.

    Args:
        held: The plan.
        action_id: What was done.
        said: By whom, when, what came of it, and what shows it.
        policy: The locality's.
        grave: The risk is high in the case that this one is merged into.

    Raises:
        NoSuchAction: There is no such action, or it is not this worker's.
        AlreadyClosed: The plan is closed, and the action went with it.
        WaitsForAnother: Something must be settled before it.
        AnotherWordStands: What somebody else said of it waits for a second person.
        EvidenceMissing: At this level it takes something that shows it.
        UnknownCode: The kind of evidence is not one of the locality's.
    """
    action = held.action(action_id)
    if action.worker_id != said.by:
        raise NoSuchAction
    own = action.said if action.said and action.said.by == said.by else None
    if not action.open or (own and not own.reason):
        return held
    if held.status is Status.CLOSED:
        raise AlreadyClosed
    _not_over_anothers(action, said.by)
    if before := waited_for(action, held.actions):
        raise WaitsForAnother(f"{len(before)} open.")
    grave = grave or held.urgent
    if grave and said.evidence is None:
        raise EvidenceMissing
    if said.evidence and said.evidence.kind not in policy.evidence:
        raise UnknownCode
    return _say(held, action, said, policy, alone=not grave)


def _say(
    held: Plan, action: Action, said: Said, policy: Policy, *, alone: bool
) -> Plan:
    """Note what is said of an action: it counts if one person's word is enough."""
    if alone:
        return settle(held, action, said, policy)
    confirm_by = said.at + timedelta(hours=policy.confirm_within_hours)
    waiting = said.model_copy(update={"confirm_by": confirm_by})
    # Its second person has a clock of their own, though its owner's has run out.
    update = {action.id: {"said": waiting, "overdue_at": None}}
    return held.with_actions(update, ActionStage.SAID, at=said.at)


def settle(
    held: Plan,
    action: Action,
    said: Said,
    policy: Policy,
    by: str | None = None,
    *,
    at: datetime | None = None,
) -> Plan:
    """Let count what was said of an action; what waited for it waits no more.

    Args:
        held: The plan.
        action: Which.
        said: That it was done, or will not be.
        policy: The locality's.
        by: The second person, who confirms it.
        at: When they do; none: one person's word is enough.
    """
    # Whoever did it stays named, though another has the role by now.
    how = (
        {"undone_at": said.at}
        if said.reason
        else {"done_at": said.at, "worker_id": said.by}
    )
    update = {"said": said, "confirmed_by": by, **how}
    word = held.with_actions({action.id: update}, ActionStage.SAID, at=said.at)
    confirmed = (ActionStage.CONFIRMED,) if by else ()
    stages = (*confirmed, ActionStage.SETTLED)
    settled = word.with_actions({action.id: {}}, *stages, at=at or said.at)
    template = policy.templates[held.current.assessment.level]
    actions = running(settled.actions, template.working, template.remind, said.at)
    new = settled.model_copy(update={"actions": actions})
    return new if said.reason else new.reaches(Stage.DONE, said.at)


def leave_undone(
    held: Plan, action_id: str, said: Said, policy: Policy, *, grave: bool = False
) -> Plan:
    """Note why something will not be done. Noting it again changes nothing.

    At a high level, or if it is not their own, it counts once somebody else has
    confirmed it.

    Args:
        held: The plan.
        action_id: What will not be done.
        said: By whom, and why.
        policy: The locality's.
        grave: The risk is high in the case that this one is merged into.

    Raises:
        NoSuchAction: There is no such action.
        UnknownCode: The reason is not one of the locality's.
        AlreadyClosed: The plan is closed, and the action went with it.
        AnotherWordStands: What somebody else said of it waits for a second person.
    """
    if said.reason not in policy.not_done_reasons:
        raise UnknownCode
    action = _open(held, action_id)
    again = action.said and (action.said.reason, action.said.by) == (
        said.reason,
        said.by,
    )
    if not action.open or again:
        return held
    _not_over_anothers(action, said.by)
    own = said.by == action.worker_id
    alone = own and not (grave or held.urgent)
    return _say(held, action, said, policy, alone=alone)


def confirm(
    held: Plan,
    action_id: str,
    by: str,
    policy: Policy,
    *,
    said_at: datetime,
    agrees: bool,
    at: datetime,
) -> Plan:
    """Confirm what was said of an action, or say that it is not so.

    Confirming again changes nothing. What is not so is still to be done.

    Args:
        held: The plan.
        action_id: Of which action.
        by: The second person.
        policy: The locality's.
        said_at: When what they have read was said.
        agrees: It is so.
        at: When.

    Raises:
        NoSuchAction: There is no such action.
        NothingToConfirm: Nothing was said of it.
        AnotherWordStands: Something else than what they have read.
        NotTheSecondPerson: They have said it themselves.
        AlreadyClosed: The plan is closed, and the action went with it.
    """
    action = _open(held, action_id)
    meant = action.said is None or action.said.at == said_at
    if not action.open and meant:
        return held
    # Whoever owns it is no second person either, if another has spoken for them.
    if by in {action.said.by if action.said else None, action.worker_id}:
        raise NotTheSecondPerson
    if action.said is None:
        raise NothingToConfirm
    if not meant:
        raise AnotherWordStands
    if agrees:
        return settle(held, action, action.said, policy, by, at=at)
    return held.with_actions({action.id: {"said": None}})


def _not_over_anothers(action: Action, by: str) -> None:
    """See that nobody puts their word in the place of one that is being confirmed."""
    if action.said and action.said.by != by:
        raise AnotherWordStands


def _open(held: Plan, action_id: str) -> Action:
    action = held.action(action_id)
    if action.open and held.status is Status.CLOSED:
        raise AlreadyClosed
    return action


def said_since(new: Plan, held: Plan) -> tuple[Action, ...]:
    """Give what waits for a second person since before."""
    known = {each.id: each.said for each in held.actions}
    return tuple(
        each for each in new.open_actions if each.said and each.said != known[each.id]
    )


def refused_since(new: Plan, held: Plan) -> tuple[Action, ...]:
    """Give what a second person says is not so, and is still to be done."""
    said = {each.id for each in held.actions if each.said}
    return tuple(e for e in new.open_actions if e.said is None and e.id in said)


def reminded_since(new: Plan, held: Plan) -> tuple[Action, ...]:
    """Give what is reminded of since before."""
    known = {each.id: each.remind_at for each in held.actions}
    return tuple(
        each
        for each in new.open_actions
        if known[each.id] and each.remind_at is None and not each.overdue_at
    )


def overdue_since(new: Plan, held: Plan) -> tuple[Action, ...]:
    """Give what is overdue since before."""
    known = {each.id for each in held.actions if each.overdue_at}
    return tuple(e for e in new.open_actions if e.overdue_at and e.id not in known)


def ended_since(new: Plan, held: Plan) -> tuple[Action, ...]:
    """Give what was settled since before: done, or to be left undone."""
    known = {each.id for each in held.actions if each.open}
    return tuple(each for each in new.actions if not each.open and each.id in known)
