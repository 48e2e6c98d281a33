"""The next version of a plan as people want it, beside what the template asks for."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid5

from accord_contracts.access import SIDES, Side
from accord_contracts.allocation import Role
from accord_contracts.problem import Refusal
from pydantic import BaseModel, ConfigDict

from plans.domain.action import Action, UnknownCode
from plans.domain.hours import Within
from plans.domain.plan import AlreadyClosed, AnotherVersionIsCurrent, Merged, Plan
from plans.domain.stage import ActionStage, Stage, reached
from plans.domain.template import Part, Policy
from plans.domain.version import PlanVersion, kept
from plans.domain.waiting import running

MOST_ACTIONS = 200
"""Actions of one plan: more is a form that posts by itself."""


class AskedAlready(Refusal):
    """The plan has this action already, and it is open."""


class NotTheirPart(Refusal):
    """What is done for others is not done by whoever serves the person using violence.

    And the other way round: their part is done by nobody else.
    """

    status = 422


class NotForThem(Refusal):
    """In a child's part, or of several people harmed, it says whom it is for.

    One of those whose part it is; anything else is for nobody by name.
    """

    status = 422


class WaitsForWorkingDay(Refusal):
    """At a high level of risk nothing waits for working days: say how many hours."""

    status = 422


class TooManyActions(Refusal):
    """So many actions are asked for that one more would help nobody."""


class Wanted(BaseModel):
    """An action that somebody wants in the next version of a plan.

    Attributes:
        code: One of the locality's vocabulary.
        person_id: Whom it is for: which child, or, once there are several, which of
            the people harmed.
        within: How long there is for it.
    """

    model_config = ConfigDict(frozen=True)

    code: str
    role: Role
    person_id: str | None
    within: Within


def revise(
    held: Plan, number: int, wanted: Sequence[Wanted], policy: Policy, at: datetime
) -> Plan:
    """Draft the next version with what is wanted besides; it is to be agreed to anew.

    Nothing is taken out: what will not be done is settled, with why.

    Raises:
        NoPlan: No plan was drafted.
        AnotherVersionIsCurrent: The version is not the current one.
        AlreadyClosed: The plan is closed.
        Merged: The survivor's is revised.
        UnknownCode: The action is not one of the locality's.
        NotTheirPart: The role is not one that does anything in that part.
        NotForThem: It is for nobody, or for somebody, whose part it is not.
        WaitsForWorkingDay: It may, and the level of risk is high.
        AskedAlready: It is open already.
        TooManyActions: There are too many.
    """
    current = held.current
    if current.number != number:
        raise AnotherVersionIsCurrent(f"Version {current.number} is current.")
    if current.closed_at:
        raise AlreadyClosed
    if held.merged_into:
        raise Merged
    template = policy.templates[current.assessment.level]
    drafted = PlanVersion(
        number=number + 1,
        assessment=current.assessment,
        tier=current.tier,
        policy_version=policy.version,
        drafted_at=at,
        review_by=current.review_by,
        agree_by=at + template.agree,
    ).urged_like(current)
    actions = held.actions
    for each in wanted:
        new = _action(each, held, drafted, policy, at)
        actions = _with(actions, new)
    if len(actions) > MOST_ACTIONS:
        raise TooManyActions
    settled = held.settled()
    return settled.model_copy(
        update={
            "versions": kept((*settled.versions, drafted)),
            "actions": running(actions, template.working, template.remind, at),
            "coming": held.time_to_agree(policy.in_force, at),
        }
    ).reaches(Stage.DRAFTED, at)


def _with(actions: tuple[Action, ...], new: Action) -> tuple[Action, ...]:
    """Add an action; what was settled of it before is remembered in it."""
    same = [e for e in actions if (e.code, e.person_id) == (new.code, new.person_id)]
    if any(each.open for each in same):
        raise AskedAlready
    before = same[0].done_at or same[0].last_done_at if same else None
    past = same[0].ended if same else ()
    others = (each for each in actions if each not in same)
    remembered = {"last_done_at": before, "past": past}
    return (*others, new.model_copy(update=remembered))


def _action(
    wanted: Wanted, held: Plan, drafted: PlanVersion, policy: Policy, at: datetime
) -> Action:
    kind = policy.actions.get(wanted.code)
    if kind is None:
        raise UnknownCode
    theirs = kind.part is Part.PERSON_USING_VIOLENCE
    if theirs != (SIDES[wanted.role] is Side.PERSON_USING_VIOLENCE):
        raise NotTheirPart
    named: dict[Part, Sequence[str | None]] = {
        Part.CHILD: held.all_children,
        Part.PERSON_HARMED: held.each_harmed or (None,),
    }
    if wanted.person_id not in named.get(kind.part, (None,)):
        raise NotForThem
    if held.urgent and wanted.within.within_working_days:
        raise WaitsForWorkingDay
    due_at = wanted.within.after(at, policy.working)
    suffix = f"/{wanted.person_id}" if wanted.person_id else ""
    name = f"action/{drafted.number}/{wanted.code}{suffix}"
    remind = policy.templates[drafted.assessment.level].remind
    worker_id = held.owner_of(wanted.role)
    stages = (ActionStage.ASKED, *((ActionStage.ACCEPTED,) if worker_id else ()))
    return Action(
        id=str(uuid5(UUID(held.id), name)),
        code=wanted.code,
        strand=kind.strand,
        part=kind.part,
        person_id=wanted.person_id,
        role=wanted.role,
        mandatory=False,
        due_at=due_at,
        after=kind.after,
        within=wanted.within if kind.after else None,
        agency=policy.agencies[wanted.role],
        worker_id=worker_id,
        remind_at=due_at - remind,
        first=reached({}, at, *stages),
    )
