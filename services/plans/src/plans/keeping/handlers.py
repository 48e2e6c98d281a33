"""What becomes of commitments and of agreed plans when somebody says so."""

from collections.abc import Sequence
from datetime import datetime

from accord_contracts.plans import PlanBreached, PlanReviewed

from plans.domain.action import Action, Said
from plans.domain.keeping import confirm as confirm_said
from plans.domain.keeping import leave_undone as leave
from plans.domain.plan import Plan
from plans.domain.revising import Wanted
from plans.domain.revising import revise as with_wanted
from plans.domain.stage import Breach
from plans.domain.staleness import Read, note_breach
from plans.domain.staleness import review as look_again
from plans.domain.template import Policy
from plans.handlers import grave, home_of, save_settled
from plans.store import Plans
from plans.telling import assigned, drafted, lane_of, stale


async def leave_undone(
    case_id: str, action_id: str, said: Said, *, plans: Plans, policy: Policy
) -> Action:
    """Note why something will not be done.

    Raises:
        NoSuchAction: There is none.
        UnknownCode: The reason is not one of the locality's.
        AlreadyClosed: The plan is closed, and the action went with it.
        AnotherWordStands: What somebody else said of it waits for a second person.
    """
    held = await home_of(case_id, action_id, plans)
    new = leave(held, action_id, said, policy, grave=await grave(held, plans))
    await save_settled(new, held, plans, said.at)
    return new.action(action_id)


async def confirm(
    case_id: str,
    action_id: str,
    by: str,
    *,
    said_at: datetime,
    agrees: bool,
    at: datetime,
    plans: Plans,
    policy: Policy,
) -> Action:
    """Confirm, as the second person, what was said of an action; or that it is not so.

    Raises:
        NoSuchAction: There is none.
        NothingToConfirm: Nothing was said of it.
        AnotherWordStands: Something else than what they have read.
        NotTheSecondPerson: They have said it themselves, or own it.
        AlreadyClosed: The plan is closed, and the action went with it.
    """
    held = await home_of(case_id, action_id, plans)
    new = confirm_said(
        held, action_id, by, policy, said_at=said_at, agrees=agrees, at=at
    )
    await save_settled(new, held, plans, at)
    return new.action(action_id)


async def review(
    case_id: str,
    read: Read,
    *,
    by: str | None,
    at: datetime,
    plans: Plans,
    policy: Policy,
) -> Plan:
    """Note that what was agreed to was looked at again, and stands; once for each.

    Raises:
        NoPlan: There is none.
        AnotherVersionIsCurrent: What was read is not what would be reviewed.
        AlreadyClosed: The plan is closed.
        Merged: The case is merged into another, whose plan is reviewed.
        NotAgreed: Nobody has agreed to it yet.
        MoreToRead: There is more by now for which to look at it, or somebody has.
    """
    held = await plans.known(case_id)
    new = look_again(held, read, policy, at, by)
    if new is held:
        return held
    told = PlanReviewed(case_id=case_id, plan_version=read.number, reviewed_at=at)
    return await plans.save(new, told, lane=lane_of(new))


async def revise(
    case_id: str,
    number: int,
    wanted: Sequence[Wanted],
    *,
    at: datetime,
    plans: Plans,
    policy: Policy,
) -> Plan:
    """Draft the next version of a plan with what is wanted besides.

    Raises:
        NoPlan: There is none.
        AnotherVersionIsCurrent: What was read is not what would be revised.
        AlreadyClosed: The plan is closed.
        Merged: The case is merged into another, whose plan is revised.
        UnknownCode: An action is not one of the locality's.
        NotTheirPart: A role does nothing in the part of an action.
        NotForThem: It is for nobody, or for somebody, whose part it is not.
        WaitsForWorkingDay: An action may, and the level of risk is high.
        AskedAlready: An action is open already.
        TooManyActions: There are too many.
    """
    held = await plans.known(case_id)
    new = with_wanted(held, number, wanted, policy, at)
    return await plans.save(new, drafted(new), *assigned(new, held), lane=lane_of(new))


async def breach(case_id: str, noted: Breach, *, plans: Plans, policy: Policy) -> Plan:
    """Note that somebody broke what the plan rests on.

    Raises:
        NoPlan: There is none.
        AlreadyClosed: It is closed.
        Merged: The case is merged into another, in whose plan it is noted.
        UnknownBreach: The kind is not one of the locality's.
        NotYet: It has not happened yet.
    """
    held = await plans.known(case_id)
    new = note_breach(held, noted, policy)
    if new is held:
        return held
    told = PlanBreached(
        case_id=case_id,
        plan_version=new.current.number,
        level=new.current.assessment.level,
        breached_at=noted.happened_at,
    )
    return await plans.save(new, told, *stale(new, held), lane=lane_of(new))
