"""Ending the response to a household: by risk's proof, or on two people's word."""

from collections.abc import Iterable
from datetime import datetime

from accord_contracts.problem import Refusal

from plans import handlers
from plans.asks import Proofs
from plans.domain.closing import ask_to_close, confirm_closing, unproved
from plans.domain.closing import close as end
from plans.domain.outcome import Left, Outcome
from plans.domain.plan import Plan
from plans.domain.template import Policy
from plans.meeting.store import Discussions
from plans.needs.store import Needs
from plans.store import Plans


class TasksOpen(Refusal):
    """What agencies promised at a meeting at high risk is not done, nor settled."""


class NotProven(Refusal):
    """The proof that the response may end is not complete."""

    def __init__(self, missing: Iterable[str]) -> None:
        super().__init__(f"missing: {', '.join(missing)}")


async def close(
    case_id: str,
    reason: str,
    outcomes: Iterable[Outcome],
    *,
    by: str,
    at: datetime,
    plans: Plans,
    needs: Needs,
    policy: Policy,
    proofs: Proofs,
    discussions: Discussions,
    left: Iterable[Left] = (),
) -> Plan:
    """Close a plan, if risk proves that the response may end.

    Where nothing can be proved it waits for a second person instead.

    What plans itself refuses comes first. What risk hears of meanwhile opens the plan
    again, because the closing says on which assessment it rested.

    Args:
        case_id: Whose.
        reason: One of the locality's; for some a second person stands for the proof.
        outcomes: What came of it.
        by: The worker who closes it.
        at: The present time.
        plans: Where they are kept.
        needs: Of which services people wait for, or have.
        policy: The locality's.
        proofs: What risk says.
        discussions: What agencies have promised at meetings.
        left: What becomes of each action and service that is still open.

    Raises:
        Refusal: Of ``handlers.close``.
        TasksOpen: What was promised at high risk is not settled; says how much.
        NotProven: Conditions are missing; its text names them.
        ProofAway: Risk does not answer.
    """
    told, said = tuple(outcomes), tuple(left)
    held = await plans.known(case_id)
    services = await _services_of(held, needs)
    if end(held, reason, told, policy, at, left=said, services=services) is held:
        return held
    await _see_to_tasks(held, discussions)
    if unproved(reason, policy):
        asked = ask_to_close(
            held,
            reason,
            told,
            by=by,
            policy=policy,
            at=at,
            left=said,
            services=services,
        )
        return held if asked is held else await plans.save(asked)
    missing = await proofs.missing(case_id, by)
    if missing:
        raise NotProven(missing)
    # Somebody may have been asked while risk was.
    services = await _services_of(held, needs)
    return await handlers.close(
        case_id,
        reason,
        told,
        at=at,
        plans=plans,
        policy=policy,
        left=said,
        services=services,
    )


async def confirm(
    case_id: str,
    said_at: datetime,
    *,
    by: str,
    at: datetime,
    plans: Plans,
    needs: Needs,
    policy: Policy,
    discussions: Discussions,
) -> Plan:
    """Close a plan for a reason of which nothing can be proved, as another says.

    Raises:
        NoPlan: There is none.
        Refusal: Of ``confirm_closing``.
        TasksOpen: What was promised at high risk is not settled; says how much.
    """
    held = await plans.known(case_id)
    services = await _services_of(held, needs)
    new = confirm_closing(held, said_at, by=by, policy=policy, at=at, services=services)
    if new is held:
        return held
    await _see_to_tasks(held, discussions)
    return await handlers.save_closed(new, plans)


async def _services_of(held: Plan, needs: Needs) -> list[str]:
    """Give the services that are not over, of what is merged into the case too."""
    found = await needs.of_cases((held.id, *held.merged_cases))
    return [each.id for need in found for each in need.services if not each.over]


async def _see_to_tasks(held: Plan, discussions: Discussions) -> None:
    """See that nothing is open that was promised at high risk, now or then.

    Raises:
        TasksOpen: Something is.
    """
    said = await discussions.of_cases((held.id, *held.merged_cases))
    grave = (each for each in said if held.urgent or each.grave)
    if count := sum(len(each.open_tasks) for each in grave):
        raise TasksOpen(f"{count} open.")
